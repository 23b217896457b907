"""Figure 3 of the paper, panels A to D, with the bands that the posterior leaves."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from bigpush_est.report.numbers import figure as printed
from bigpush_est.report.style import BLUE, GREEN, GREY, INK, ORANGE, PURPLE, VERMILION, canvas

#: Colour of the underdevelopment region: pale enough for every line to stand out on it, in print too.
REGION = "#F6E8DF"


def figure3(results: dict[str, Any], arrays: dict[str, Any], which: str) -> Figure:
    """Draw panels A to D at the posterior (``which = "posterior"``) or at the illustration."""
    part = {key.partition(".")[2]: value for key, value in arrays.items() if key.startswith(f"figure3_{which}.")}
    share = results["study"]["adopter_share_1972"]
    threshold = results["main" if which == "posterior" else "illustration"]["quantities"]["threshold"]
    before = share if results["study"]["pin"] == "steady_state" else 0.0
    everywhere = threshold["defined"] == threshold["draws"]
    picture = canvas(8.0, arranged=False)
    panels = picture.subplots(2, 2, sharex=True, sharey=True)
    picture.subplots_adjust(left=0.07, right=0.985, bottom=0.095, top=0.895, wspace=0.1, hspace=0.23)
    if which == "illustration":
        delta = results["study"]["illustration_delta"]
        ending = _where(delta, results["main"]["quantities"]["delta"])
        title, own = f"Illustrative calibration: δ = {delta:g}{ending}", f"δ = {delta:g}"
    else:
        title, own = "At the posterior", f"posterior, median δ = {printed(float(part['delta']), 2)}"
    picture.suptitle(title, fontsize=10, fontweight="bold", y=0.99)
    for panel in panels.flat:
        if everywhere:
            panel.axvspan(0.0, threshold["median"], color=REGION, lw=0)
        panel.plot([0, 1], [0, 1], color=GREY, lw=0.9)
        _bands(panel, part, "map", BLUE)
        panel.plot(before, share, marker="o", ms=5, color=INK, zorder=5, clip_on=False)
        panel.set_xlim(0.0, 1.0)
        panel.set_ylim(0.0, 1.03)
    first, second, third, fourth = panels.flat
    if everywhere:
        first.plot(threshold["median"], threshold["median"], marker="o", ms=6, mfc="white", mec=VERMILION, zorder=5)
        first.annotate(
            "$S^U$", (threshold["median"],) * 2, xytext=(6, -10), textcoords="offset points", color=VERMILION
        )
    _median(first, part, "no_spillover", GREEN, "--")
    first.set_title("A. Steady states", pad=28)
    handles = [
        [Line2D([], [], color=BLUE, label=own), Line2D([], [], color=GREEN, ls="--", label="no spillover, δ = 0")]
    ]
    handles.append([Line2D([], [], color=BLUE, label=own)])
    for end, color, text in (("delta_low", GREEN, "lower"), ("delta_high", ORANGE, "upper")):
        # no δ, or no finite one, bounds the interval: then there is no such locus
        if np.isfinite(part[end]):
            _bands(second, part, end, color)
            handles[1].append(Line2D([], [], color=color, label=f"{text} end, δ = {printed(float(part[end]))}"))
    second.set_title("B. Ends of the interval of δ", pad=28)
    _bands(third, part, "subsidised", PURPLE)
    third.set_title("C. One subsidised period", pad=28)
    subsidy = float(part["subsidy"])
    what = "subsidy $\\bar{s}$ on inputs" if np.isnan(subsidy) else f"{subsidy:.0%} of the adoption cost paid"
    handles.append([Line2D([], [], color=BLUE, label="no subsidy"), Line2D([], [], color=PURPLE, label=what)])
    _bands(fourth, part, "larger", ORANGE)
    fourth.set_title("D. Larger market", pad=28)
    times = printed(float(np.exp(part["log_size"])), 3).rstrip("0").rstrip(".")
    handles.append(
        [Line2D([], [], color=BLUE, label="L as pinned"), Line2D([], [], color=ORANGE, label=f"{times} × L")]
    )
    for panel, lines in zip(panels.flat, handles, strict=True):
        # above the axes: no corner is free of curves at every posterior
        panel.legend(
            handles=lines,
            loc="lower left",
            bbox_to_anchor=(-0.02, 1.0),
            ncols=2,
            fontsize=7,
            handlelength=1.4,
            columnspacing=1.0,
            borderaxespad=0.1,
            labelspacing=0.3,
        )
    for panel in panels[1]:
        panel.set_xlabel("adopter share one period before")
    for panel in panels[:, 0]:
        panel.set_ylabel("adopter share")
    shared: list[Line2D | Patch] = [
        Line2D([], [], color=GREY, lw=0.9, label="45° line"),
        Line2D([], [], marker="o", ms=5, color=INK, ls="none", label=f"share of 1972, {100 * share:.3g}%"),
    ]
    if everywhere:
        shared.append(Patch(color=REGION, label="underdevelopment region, $[0, S^U]$"))
    picture.legend(handles=shared, loc="lower center", ncols=3)
    return picture


def _where(delta: float, posterior: dict[str, Any]) -> str:
    """Say how far a value of δ lies from its posterior."""
    if posterior["low90"] <= delta <= posterior["high90"]:
        return ""
    apart = abs(delta - posterior["mean"]) > 4.0 * posterior["sd"]
    return ", far from the evidence" if apart else ", outside the posterior’s 90% interval"


def _bands(panel: Axes, part: dict[str, Any], name: str, color: str) -> None:
    """Draw a locus: median, 50% and 90% band."""
    curve = part[f"curve_{name}"]
    panel.fill_between(part["grid"], curve[0], curve[4], color=color, alpha=0.18, lw=0)
    panel.fill_between(part["grid"], curve[1], curve[3], color=color, alpha=0.32, lw=0)
    _median(panel, part, name, color, "-")


def _median(panel: Axes, part: dict[str, Any], name: str, color: str, style: str) -> None:
    panel.plot(part["grid"], part[f"curve_{name}"][2], color=color, ls=style)
