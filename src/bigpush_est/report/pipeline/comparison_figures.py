"""Figures that have two runs in one picture."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from bigpush_est.report.figures import AXIS
from bigpush_est.report.pipeline.comparison_tables import Run
from bigpush_est.report.pipeline.figures import SHOWN, UNITS, labelled, part_of, shade_policy
from bigpush_est.report.pipeline.labels import OUTCOMES, SHORT, VERSIONS, data_label, main_answer
from bigpush_est.report.pipeline.sensitivity_figures import draw_chance, draw_quantity
from bigpush_est.report.publishing import Drawn
from bigpush_est.report.style import BLUE, GREY, INK, VERMILION, grid

#: Colour and marker of each run, in every figure.
LOOKS = {"A": (BLUE, "o"), "B": (VERMILION, "s")}
#: Regions that are named beside their point.
_NAMED = 6


def comparison_figures(a: Run, b: Run) -> Drawn:
    """Return each figure's drawing, its text alternative and its caption."""
    how = [VERSIONS[run.results["study"]["main"]].lower() for run in (a, b)]
    versions = f"Both: {how[0]}." if how[0] == how[1] else f"A: {how[0]}; B: {how[1]}."
    drawn: Drawn = {
        "answers": (
            lambda: answers(a, b),
            "Dots with intervals: probabilities and the effect of the push in both runs.",
            "The answers. Left: probabilities with 95% bounds, open where all draws agree. Right: what the push adds, "
            f"medians with 50% and 90% intervals. {versions}",
        ),
        "estimates": (
            lambda: estimates(a, b),
            "Dots with intervals: the estimates that both posteriors take.",
            "The estimates that the posteriors take, ± 1.96 standard errors.",
        ),
        "figure4": (
            lambda: paths(a, b),
            "Three panels over time with both runs’ paths, with and without the push.",
            f"The paper’s Figure 4 in both runs: medians, and 90% bands of the path with the push. {versions}",
        ),
        "cloud": (
            lambda: clouds(a, b),
            "Draws of both runs over δ and η.",
            f"The draws of both runs; filled: the push moves the economy. {versions}",
        ),
    }
    if _densities(a, b):
        drawn["posterior"] = (
            lambda: posteriors(a, b),
            "Histograms of both posteriors, with lines for the priors.",
            "Posterior (steps) and prior (thin line) of each free parameter in both runs.",
        )
    regions = [[row["region"] for row in run.results["regions"]] for run in (a, b)]
    if regions[0] == regions[1]:
        drawn["regions"] = (
            lambda: by_region(a, b),
            "Scatter of the regions’ median change in B against that in A.",
            f"The regions’ median change of the heavy GDP share in both runs; line: the same in both. {versions}",
        )
    return drawn


def _label(a: Run, b: Run) -> str:
    first, second = data_label(a.results), data_label(b.results)
    return first if first == second else f"A: {first}; B: {second}"


def _handles(a: Run, b: Run) -> list[Any]:
    return [
        Line2D([], [], color=LOOKS[run.letter][0], marker=LOOKS[run.letter][1], ms=4, label=run.heading)
        for run in (a, b)
    ]


def answers(a: Run, b: Run) -> Figure:
    """Draw the probabilities and the effect of the push."""
    picture = labelled(_label(a, b), 2.2)
    left, right = picture.subplots(1, 2)
    names = {"gdp_share": "Δ GDP share, p.p.", "log": "welfare, %"}
    for run, offset in ((a, -0.14), (b, 0.14)):
        color, marker = LOOKS[run.letter]
        answer = main_answer(run.results)
        for place, name in enumerate(SHORT):
            draw_chance(left, place + offset, answer["probabilities"][name], color, marker)
        for place, one in enumerate((answer["differences"]["gdp_share"], answer["welfare"]["log"])):
            draw_quantity(right, place + offset, one, color)
    papers = [main_answer(a.results)[part][name]["paper"] for part, name in _EFFECTS]
    for place, paper in enumerate(papers):
        if paper is not None:
            right.plot([100.0 * paper] * 2, [place - 0.35, place + 0.35], color=INK, ls="--", lw=1.0)
    left.set_yticks(range(len(SHORT)), list(SHORT.values()))
    right.set_yticks(range(len(names)), list(names.values()))
    left.set_xlim(-3.0, 103.0)
    left.set_xlabel("probability, %")
    right.set_xlabel("p.p. of GDP; % of consumption")
    for panel, number in ((left, len(SHORT)), (right, len(names))):
        panel.set_ylim(number - 0.4, -0.6)
        panel.tick_params(axis="y", length=0)
        grid(panel, "x")
    right.axvline(0.0, color=GREY, lw=0.8)
    handles = _handles(a, b)
    if any(paper is not None for paper in papers):
        handles.append(Line2D([], [], color=INK, ls="--", lw=1.0, label="the paper"))
    picture.legend(handles=handles, loc="outside upper left", ncols=3)
    return picture


_EFFECTS = (("differences", "gdp_share"), ("welfare", "log"))


def estimates(a: Run, b: Run) -> Figure:
    """Draw the estimates with their standard errors."""
    found = {run.letter: {one["name"]: one for one in run.results["evidence"]["estimates"]} for run in (a, b)}
    names = list(dict.fromkeys(name for part in found.values() for name in part))
    picture = labelled(_label(a, b), 1.1 + 0.35 * len(names))
    panel = picture.subplots()
    for letter, offset in (("A", -0.14), ("B", 0.14)):
        color, marker = LOOKS[letter]
        for place, name in enumerate(names):
            if name in found[letter]:
                one = found[letter][name]
                ends = [one["value"] + k * 1.96 * one["standard_error"] for k in (-1.0, 1.0)]
                panel.plot(ends, [place + offset] * 2, color=color, lw=1.3)
                panel.plot(one["value"], place + offset, marker=marker, ms=4.5, color=color)
    panel.axvline(0.0, color=GREY, lw=0.8)
    panel.set_yticks(range(len(names)), names, parse_math=False)
    panel.set_ylim(len(names) - 0.4, -0.6)
    panel.set_xlabel("log points (spillover: per unit of the adopters’ share)")
    panel.tick_params(axis="y", length=0)
    grid(panel, "x")
    picture.legend(handles=_handles(a, b), loc="outside upper left", ncols=2)
    return picture


def _densities(a: Run, b: Run) -> list[str]:
    return [name for name in AXIS if any(f"prior_{name}.edges" in run.arrays for run in (a, b))]


def posteriors(a: Run, b: Run) -> Figure:
    """Draw both posteriors and both priors of each parameter that is free in either run."""
    names = _densities(a, b)
    columns = min(3, len(names))
    rows = -(-len(names) // columns)
    picture = labelled(_label(a, b), 0.4 + 2.2 * rows)
    panels = list(picture.subplots(rows, columns, squeeze=False).flat)
    for panel, name in zip(panels, names, strict=False):
        peak = 0.0
        for run in (a, b):
            part = part_of(run.arrays, f"prior_{name}.")
            if not part:
                continue
            color, _ = LOOKS[run.letter]
            panel.stairs(part["posterior"], part["edges"], fill=True, color=color, alpha=0.30)
            panel.stairs(part["posterior"], part["edges"], color=color, lw=1.2)
            panel.plot(part["axis"], part["prior"], color=color, lw=0.8, ls="--" if run is a else ":")
            peak = max(peak, float(part["posterior"].max()))
        # a prior may spike where it has little to say: the posteriors decide the scale
        panel.set_ylim(0.0, 1.12 * peak)
        panel.set_xlabel(AXIS[name])
    for panel in panels[len(names) :]:
        panel.set_visible(False)
    for panel in panels[::columns]:
        panel.set_ylabel("density")
    handles: list[Any] = [Patch(color=LOOKS[run.letter][0], alpha=0.5, label=run.heading) for run in (a, b)]
    handles += [
        Line2D([], [], color=LOOKS[letter][0], lw=0.8, ls=style, label=f"prior of {letter}")
        for letter, style in (("A", "--"), ("B", ":"))
    ]
    picture.legend(handles=handles, loc="outside upper left", ncols=4)
    return picture


def paths(a: Run, b: Run) -> Figure:
    """Draw both runs' paths with and without the push."""
    picture = labelled(_label(a, b), 2.7)
    for panel, letter, (name, title) in zip(picture.subplots(1, 3), "ABC", OUTCOMES.items(), strict=True):
        shade_policy(panel, a.results)
        ends = []
        for run in (a, b):
            part = part_of(run.arrays, f"fan_{run.results['study']['main']}.")
            if not part[f"{name}_push"].size:
                continue
            color, _ = LOOKS[run.letter]
            push, none = 100.0 * part[f"{name}_push"], 100.0 * part[f"{name}_none"]
            panel.fill_between(part["year"], push[0], push[4], color=color, alpha=0.15, lw=0)
            panel.plot(part["year"], push[2], color=color)
            panel.plot(part["year"], none[2], color=color, ls="--", lw=1.1)
            ends.append((part["year"][0], part["year"][: SHOWN + 1][-1]))
        panel.set_title(f"{letter}. {title}")
        panel.set_ylabel(UNITS[name])
        panel.set_ylim(bottom=0.0)
        if ends:
            panel.set_xlim(min(low for low, _ in ends), max(high for _, high in ends))
        panel.set_xlabel("year")
        grid(panel)
    handles = [Line2D([], [], color=LOOKS[run.letter][0], label=f"{run.heading}, with the push") for run in (a, b)]
    handles.append(Line2D([], [], color=GREY, ls="--", lw=1.1, label="without"))
    picture.legend(handles=handles, loc="outside upper left", ncols=3)
    return picture


def clouds(a: Run, b: Run) -> Figure:
    """Draw both runs' draws over (δ, η), a panel each on the same axes."""
    picture = labelled(_label(a, b), 3.0)
    panels = picture.subplots(1, 2, sharex=True, sharey=True)
    for panel, run in zip(panels, (a, b), strict=True):
        part = part_of(run.arrays, f"cloud_{run.results['study']['main']}.")
        color, marker = LOOKS[run.letter]
        good = part["converged"].astype(bool)
        yes = part["moved"].astype(bool) & good
        for chosen, face in ((good & ~yes, "white"), (yes, color)):
            panel.scatter(
                part["delta"][chosen],
                part["eta"][chosen],
                s=10,
                marker=marker,
                facecolors=face,
                edgecolors=color,
                lw=0.6,
                alpha=0.8,
                rasterized=True,
            )
        panel.set_title(run.heading, parse_math=False)
        panel.set_xlabel(AXIS["delta"])
        grid(panel, "both")
    panels[0].set_xlim(left=0.0)
    panels[0].set_ylabel(AXIS["eta"])
    handles = [
        Line2D([], [], marker="o", color=GREY, ls="none", ms=4, label="moved by the push"),
        Line2D([], [], marker="o", color=GREY, mfc="white", ls="none", ms=4, label="not moved"),
    ]
    picture.legend(handles=handles, loc="outside upper left", ncols=2)
    return picture


def by_region(a: Run, b: Run) -> Figure:
    """Draw each region's median change in B against that in A."""
    x, y = (
        100.0 * run.arrays[f"fan_{run.results['study']['main']}.regional_gdp_share_difference_median"] for run in (a, b)
    )
    labour = np.array([row["labour"] for row in a.results["regions"]], dtype=float)
    picture = labelled(_label(a, b), 3.4)
    panel = picture.subplots()
    values = np.concatenate([x[np.isfinite(x)], y[np.isfinite(y)], [0.0]])
    low, high = float(values.min()), float(values.max())
    pad = 0.05 * max(high - low, 0.1)
    panel.plot([low - pad, high + pad], [low - pad, high + pad], color=GREY, lw=0.8, ls=":")
    panel.scatter(x, y, s=8.0 + 600.0 * labour, color=BLUE, alpha=0.5, edgecolors=INK, lw=0.4)
    named: list[int] = []
    for k in np.argsort(-np.nan_to_num(np.abs(y - x)), kind="stable").tolist():
        # names of near neighbours would cover each other
        near = any(np.hypot(x[k] - x[m], y[k] - y[m]) < 3.0 * pad for m in named)
        if not near and np.isfinite(x[k] + y[k]) and abs(y[k] - x[k]) > pad and len(named) < _NAMED:
            named.append(k)
            panel.annotate(
                a.results["regions"][k]["name"],
                (x[k], y[k]),
                xytext=(-4, 5),
                textcoords="offset points",
                ha="right",
                fontsize=7,
                parse_math=False,
            )
    panel.set_xlim(low - pad, high + pad)
    panel.set_ylim(low - pad, high + pad)
    panel.set_aspect("equal")
    panel.set_xlabel(f"{a.heading}, p.p.", parse_math=False)
    panel.set_ylabel(f"{b.heading}, p.p.", parse_math=False)
    grid(panel, "both")
    return picture
