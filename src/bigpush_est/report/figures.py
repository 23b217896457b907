"""Prior and posterior, the map of multiplicity, and the paths: figures that show draws directly."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from bigpush_est.report.style import BLUE, GREEN, GREY, INK, ORANGE, PURPLE, SKY, VERMILION, canvas, grid

#: What each parameter is called on an axis; the macron is typeset, as the font would misplace the accent.
AXIS = {
    "eta": "η, direct gain (factor)",
    "delta": "δ, spillover semi-elasticity",
    "subsidy": r"$\bar{s}$, subsidy rate on inputs",
    "sigma": "σ, elasticity of substitution",
    "pareto_ratio": "θ/(σ−1), Pareto tail",
    "adoption_cost": r"$F^T$, adoption cost",
    "kappa": "κ, bound on productivity",
    "overdispersion": "r, overdispersion of counts",
}


def prior_posterior(
    arrays: dict[str, Any], paper: dict[str, float], truth: dict[str, float] | None = None
) -> Figure | None:
    """Draw the prior and the posterior of each free parameter; None if every parameter is held fixed.

    Parameters
    ----------
    arrays
        ``edges``, ``posterior``, ``axis`` and ``prior`` of each parameter.
    paper
        The paper's values, which are marked.
    truth
        What simulated data were drawn with, marked too.
    """
    names = [name for name in AXIS if f"prior_{name}.axis" in arrays]
    if not names:
        return None
    rows = -(-len(names) // 3)
    picture = canvas(2.5 * rows)
    panels = list(picture.subplots(rows, min(3, len(names)), squeeze=False).flat)
    for index, (panel, name) in enumerate(zip(panels, names, strict=False)):
        part = {key: arrays[f"prior_{name}.{key}"] for key in ("edges", "posterior", "axis", "prior")}
        panel.stairs(part["posterior"], part["edges"], fill=True, color=SKY, alpha=0.75, label="posterior")
        panel.plot(part["axis"], part["prior"], color=INK, label="prior")
        # a prior may spike where it has little to say: the posterior decides the scale
        peak = float(part["posterior"].max())
        top = 1.12 * max(peak, min(float(part["prior"].max()), 1.5 * peak))
        panel.set_ylim(0.0, top)
        panel.set_xlim(part["axis"][0], part["axis"][-1])
        if name in paper:
            panel.axvline(paper[name], color=VERMILION, ls="--", lw=1.2, label="the paper’s value")
            right = paper[name] > 0.6 * (part["axis"][0] + part["axis"][-1])
            panel.annotate(
                f"paper: {paper[name]:g}",
                (paper[name], top),
                xytext=(-3 if right else 3, -2),
                textcoords="offset points",
                ha="right" if right else "left",
                va="top",
                color=VERMILION,
                fontsize=7.5,
            )
        if truth and truth.get(name) is not None:
            panel.axvline(truth[name], color=GREEN, ls=":", lw=1.8, label="truth of the simulated data")
        panel.set_xlabel(AXIS[name])
        if index % 3 == 0:
            panel.set_ylabel("density")
    for panel in panels[len(names) :]:
        panel.set_visible(False)
    picture.legend(*_first(picture).get_legend_handles_labels(), loc="outside upper left", ncols=4)
    return picture


def _first(picture: Figure) -> Axes:
    return picture.axes[0]


def multiplicity_map(arrays: dict[str, Any], share: float, paper: dict[str, float]) -> Figure:
    """Draw where in (δ, η) several steady states exist, and where the posterior lies."""
    part = {key.partition(".")[2]: value for key, value in arrays.items() if key.startswith("map.")}
    eta, critical, low, high = (part[key] for key in ("eta", "critical_delta", "delta_low", "delta_high"))
    shown = [part["cloud_delta"].max(), paper["delta"], np.nanmax(critical)]
    if np.isfinite(low).any():
        shown.append(float(np.nanmax(low[np.isfinite(low)])))
    right = 1.2 * float(max(shown))
    picture = canvas(3.9)
    panel = picture.subplots()
    panel.fill_betweenx(eta, 0.0, critical, color="#F2F2F2", lw=0)
    panel.fill_betweenx(eta, critical, right, color="#DCECF7", lw=0)
    panel.plot(critical, eta, color=SKY, lw=1.4)
    exists = np.isfinite(low)
    pinned = exists & (low < right)
    if pinned.any():
        end = np.where(np.isfinite(high), np.minimum(high, right), right)
        panel.fill_betweenx(eta, low, end, where=pinned, facecolor="#F9DFA8", edgecolor=ORANGE, lw=0, hatch="////")
        panel.plot(np.where(exists, low, np.nan), eta, color=ORANGE, lw=1.4)
        panel.plot(np.where(np.isfinite(high) & exists, high, np.nan), eta, color=ORANGE, lw=1.4)
    panel.scatter(part["cloud_delta"], part["cloud_eta"], s=4, color=BLUE, alpha=0.35, lw=0, rasterized=True, zorder=3)
    panel.plot(paper["delta"], paper["eta"], marker="X", ms=9, color=VERMILION, mec="white", ls="none", zorder=4)
    panel.set_xlim(0.0, right)
    panel.set_ylim(float(eta.min()), max(float(eta.max()), 1.02 * paper["eta"]))
    panel.set_xlabel(AXIS["delta"])
    panel.set_ylabel(AXIS["eta"])
    handles = [
        Line2D([], [], marker="o", ms=4, color=BLUE, ls="none", label="posterior draws"),
        Line2D([], [], marker="X", ms=7, color=VERMILION, mec="white", ls="none", label="the paper’s values"),
        Patch(facecolor="#F2F2F2", label="one steady state for every L/Fᵀ"),
        Patch(facecolor="#DCECF7", edgecolor=SKY, label="several for some L/Fᵀ"),
        Patch(
            facecolor="#F9DFA8",
            edgecolor=ORANGE,
            hatch="////",
            lw=0,
            label=f"several with L/Fᵀ pinned by 1972’s {share:.3g}",
        ),
    ]
    picture.legend(handles=handles, loc="outside upper left", ncols=3)
    return picture


def paths(results: dict[str, Any], arrays: dict[str, Any]) -> Figure:
    """Draw adopter shares and the gain in consumption with and without the push, as fan charts."""
    picture = canvas(5.0)
    panels = picture.subplots(2, 2, sharex=True, squeeze=False)
    delta = results["study"]["illustration_delta"]
    rows = (("fan_posterior", "Posterior"), ("fan_illustration", f"Illustration, δ = {delta:g}"))
    for (left, right), (name, title) in zip(panels, rows, strict=True):
        year = arrays[f"{name}.year"]
        for panel in (left, right):
            # each of the two subsidised periods stands for the four years around its label
            panel.axvspan(1974, 1982, color="#EFEFEF", lw=0)
            panel.set_xlim(year[0], year[-1])
            grid(panel)
        _fan(left, year, 100.0 * arrays[f"{name}.none"], GREY)
        _fan(left, year, 100.0 * arrays[f"{name}.push"], BLUE)
        left.plot(year, 100.0 * arrays[f"{name}.none"][2], color=INK, ls="--", lw=1.2)
        _fan(right, year, 100.0 * arrays[f"{name}.consumption"], PURPLE)
        right.axhline(0.0, color=INK, lw=0.8)
        left.set_title(f"{title}: adopter share")
        right.set_title(f"{title}: gain in consumption")
        left.set_ylabel("% of firms")
        right.set_ylabel("% over no push")
        left.set_ylim(0.0, 1.08 * float(100.0 * max(arrays[f"{name}.push"].max(), arrays[f"{name}.none"].max())))
    for panel in panels[1]:
        panel.set_xlabel("year (periods of four years)")
    handles = [
        Line2D([], [], color=BLUE, label="with the push"),
        Line2D([], [], color=INK, ls="--", lw=1.2, label="without"),
        Line2D([], [], color=PURPLE, label="gain in consumption"),
        Patch(color="#EFEFEF", label="subsidised periods, 1976 and 1980"),
    ]
    picture.legend(handles=handles, loc="outside upper left", ncols=4)
    return picture


def _fan(panel: Axes, year: Any, quantiles: Any, color: str) -> None:
    panel.fill_between(year, quantiles[0], quantiles[4], color=color, alpha=0.18, lw=0)
    panel.fill_between(year, quantiles[1], quantiles[3], color=color, alpha=0.32, lw=0)
    panel.plot(year, quantiles[2], color=color, lw=1.6)
