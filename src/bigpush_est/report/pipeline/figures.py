"""Figures of what a pipeline run found: fans, the draws over (δ, η), the event study, the regions."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from bigpush_est.report.figures import AXIS
from bigpush_est.report.pipeline.labels import OUTCOMES, Results, data_label
from bigpush_est.report.quantitative.korea_map import HEIGHT, Shade, two_maps
from bigpush_est.report.quantitative.labels import NOTHING
from bigpush_est.report.style import BLUE, GREEN, GREY, INK, ORANGE, VERMILION, canvas, grid

UNITS = {"gdp_share": "% of GDP", "export_intensity": "% of gross output", "employment_share": "% of employment"}
#: Periods that a path is drawn for: afterwards nothing visible happens.
SHOWN = 15
#: Smallest loss, in points, that makes the colours of a change run both ways.
_VISIBLE = 0.1
#: Regions that a map names in bold.
_NAMED = 8


def labelled(label: str, height: float, *, arranged: bool = True) -> Figure:
    """Return an empty figure that says in its corner what its data are: pictures travel alone."""
    picture = canvas(height, arranged=arranged)
    if arranged:
        picture.supxlabel(label, x=0.995, ha="right", fontsize=6, color=GREY, parse_math=False)
    else:
        picture.text(0.995, 0.004, label, ha="right", va="bottom", fontsize=6, color=GREY, parse_math=False)
    return picture


def part_of(arrays: dict[str, Any], prefix: str) -> dict[str, Any]:
    """Return the arrays under a prefix, by what follows it."""
    return {key.removeprefix(prefix): value for key, value in arrays.items() if key.startswith(prefix)}


def shade_policy(panel: Axes, results: Results) -> None:
    """Shade the subsidised periods: each stands for the years around its label."""
    years, step = results["economy"]["years"], results["economy"]["years_per_period"]
    panel.axvspan(years[1] - 0.5 * step, years[-1] + 0.5 * step, color="#EFEFEF", lw=0)


def fan_chart(panel: Axes, year: Any, quantiles: Any, color: str, style: str) -> None:
    """Draw a median with bands of 50% and 90%, in hundredths."""
    q = 100.0 * quantiles
    panel.fill_between(year, q[0], q[4], color=color, alpha=0.13, lw=0)
    panel.fill_between(year, q[1], q[3], color=color, alpha=0.25, lw=0)
    panel.plot(year, q[2], color=color, ls=style)


def fans(results: Results, arrays: dict[str, Any], version: str) -> Figure:
    """Draw Figure 4 as fan charts: medians, 50% and 90% bands over draws, with and without the push."""
    part = part_of(arrays, f"fan_{version}.")
    picture = labelled(data_label(results), 2.45)
    for panel, letter, (name, title) in zip(picture.subplots(1, 3), "ABC", OUTCOMES.items(), strict=True):
        shade_policy(panel, results)
        for side, color, style in (("none", VERMILION, "--"), ("push", BLUE, "-")):
            if part[f"{name}_{side}"].size:
                fan_chart(panel, part["year"], part[f"{name}_{side}"], color, style)
        panel.set_title(f"{letter}. {title}")
        panel.set_ylabel(UNITS[name])
        panel.set_ylim(bottom=0.0)
        panel.set_xlim(part["year"][0], part["year"][: SHOWN + 1][-1])
        panel.set_xlabel("year")
        grid(panel)
    handles = [
        Line2D([], [], color=BLUE, label="with the push"),
        Line2D([], [], color=VERMILION, ls="--", label="without"),
        Patch(color=GREY, alpha=0.4, label="50% of draws"),
        Patch(color=GREY, alpha=0.2, label="90%"),
        Patch(color="#EFEFEF", label="subsidised periods"),
    ]
    picture.legend(handles=handles, loc="outside upper left", ncols=5)
    return picture


def cloud(results: Results, arrays: dict[str, Any], version: str, paper: dict[str, float]) -> Figure:
    """Draw the draws over (δ, η): which have several steady states, which the push moves, what it adds."""
    part = part_of(arrays, f"cloud_{version}.")
    picture = labelled(data_label(results), 3.1)
    panels = picture.subplots(1, 3, sharey=True)
    good = part["converged"].astype(bool)
    delta, eta = part["delta"], part["eta"]
    for panel, name in zip(panels, ("multiple", "moved"), strict=False):
        yes = part[name].astype(bool) & good
        for chosen, color, marker, size in ((good & ~yes, ORANGE, "o", 8), (yes, BLUE, "o", 8), (~good, GREY, "x", 14)):
            panel.scatter(
                delta[chosen], eta[chosen], s=size, marker=marker, color=color, alpha=0.65, lw=0.6, rasterized=True
            )
    change = part["gdp_share"][good]
    seen = panels[2].scatter(
        delta[good], eta[good], s=8, c=100.0 * change, lw=0, rasterized=True, **_colours(100.0 * change)
    )
    bar = picture.colorbar(seen, ax=panels[2], pad=0.02, aspect=30)
    bar.set_label("p.p.")
    bar.outline.set_linewidth(0.4)
    truth = (results["evidence"]["micro"] or {}).get("truth")
    for panel, title in zip(
        panels, ("A. Several steady states", "B. Moved by the push", "C. GDP share added"), strict=True
    ):
        panel.plot(paper["delta"], paper["eta"], marker="X", ms=8, color=VERMILION, mec="white", ls="none", zorder=4)
        if truth:
            # a ring: the truth may well be the paper's value
            panel.plot(truth["delta"], truth["eta"], marker="o", ms=11, mfc="none", mec=GREEN, mew=2.0, zorder=5)
        panel.set_title(title)
        panel.set_xlabel(AXIS["delta"])
        panel.set_xlim(left=0.0)
        grid(panel, "both")
    panels[0].set_ylabel(AXIS["eta"])
    handles = [
        Line2D([], [], marker="o", color=BLUE, ls="none", ms=4, label="yes"),
        Line2D([], [], marker="o", color=ORANGE, ls="none", ms=4, label="no"),
        Line2D([], [], marker="X", color=VERMILION, mec="white", ls="none", ms=7, label="the paper’s values"),
    ]
    if truth:
        handles.append(
            Line2D([], [], marker="o", mfc="none", mec=GREEN, mew=2.0, ls="none", ms=8, label="the panel’s truth")
        )
    if not good.all():
        handles.insert(2, Line2D([], [], marker="x", color=GREY, ls="none", ms=5, label="did not converge"))
    picture.legend(handles=handles, loc="outside upper left", ncols=5)
    return picture


def _colours(change: Any) -> dict[str, Any]:
    """Return the scale of colours of a change in points: even about zero if some lose visibly."""
    low, high = (float(change.min()), float(change.max())) if change.size else (0.0, 1.0)
    if low < -_VISIBLE:
        return {"cmap": "RdBu_r", "norm": Normalize(-max(-low, high), max(-low, high))}
    return {"cmap": "viridis", "norm": Normalize(0.0, max(high, _VISIBLE))}


def event_study(results: Results, study: dict[str, Any]) -> Figure | None:
    """Draw the event study with 95% intervals; from a simulated panel, with the truth."""
    micro = results["evidence"]["micro"]
    if micro is None:
        return None
    given = study["evidence"].get("micro") or {}
    rows = [row for row in micro["event_study"] if row["event_time"] is not None]
    picture = labelled(data_label(results), 2.7)
    panel = picture.subplots()
    panel.axhline(0.0, color=INK, lw=0.8)
    panel.axvline(-0.5, color=GREY, lw=0.8, ls=":")
    for row in rows:
        reference = row["term"] == "reference"
        if row["conf_low"] is not None:
            panel.plot([row["event_time"]] * 2, [row["conf_low"], row["conf_high"]], color=BLUE, lw=1.2)
        panel.plot(
            row["event_time"], row["estimate"], marker="o", ms=4.5, color=BLUE, mfc="white" if reference else BLUE
        )
    handles: list[Any] = [
        Line2D([], [], color=BLUE, marker="o", ms=4.5, label="coefficient and 95% interval"),
        Line2D([], [], color=BLUE, marker="o", mfc="white", ms=4.5, ls="none", label="reference year"),
    ]
    direct = next((one for one in results["evidence"]["estimates"] if one["kind"] == "direct"), None)
    times = given.get("event_times")
    if times and direct is not None:
        panel.fill_between(
            [min(times) - 0.3, max(times) + 0.3],
            direct["value"] - 1.96 * direct["standard_error"],
            direct["value"] + 1.96 * direct["standard_error"],
            color=ORANGE,
            alpha=0.35,
            lw=0,
            zorder=0,
        )
        handles.append(Patch(color=ORANGE, alpha=0.35, label="the estimate that enters, ± 1.96 s.e."))
    if micro["truth"] is not None:
        panel.axhline(micro["truth"]["direct"], color=VERMILION, ls="--", lw=1.1)
        handles.append(Line2D([], [], color=VERMILION, ls="--", lw=1.1, label="truth, once the gain is fully there"))
    panel.set_xlabel("years since the contract")
    outcome = given.get("outcome", "log_sales")
    panel.set_ylabel("log points of sales" if outcome == "log_sales" else outcome.replace("_", " "))
    panel.xaxis.set_major_locator(MaxNLocator(integer=True))
    grid(panel)
    picture.legend(handles=handles, loc="outside upper left", ncols=2)
    return picture


def regional_map(results: Results, arrays: dict[str, Any]) -> Figure:
    """Draw the regions' median change of the heavy GDP share, and in which share of draws it rises."""
    part = part_of(arrays, f"fan_{results['study']['main']}.")
    change, rises = (part[f"regional_gdp_share_difference_{key}"] for key in ("median", "positive"))
    order = np.argsort(-np.nan_to_num(np.abs(change)), kind="stable")
    named = [int(k) for k in order[:_NAMED] if abs(change[k]) > NOTHING]
    shades = (
        Shade("A. Median change of the heavy GDP share", "p.p.", change, shapes=True),
        Shade("B. How often the share rises", "% of draws", rises, full=True),
    )
    return two_maps(labelled(data_label(results), HEIGHT, arranged=False), results, shades, named)
