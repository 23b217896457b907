"""Figures of what moves the answer: estimates, priors, parameters, their correlation, held values, assumptions."""

from itertools import groupby
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from bigpush_est.report.numbers import figure
from bigpush_est.report.pipeline.breakdown_tables import crossing_of
from bigpush_est.report.pipeline.figures import labelled
from bigpush_est.report.pipeline.labels import (
    EVENTS,
    SECOND,
    SHORT,
    Results,
    data_label,
    main_answer,
    main_sensitivity,
    symbol,
)
from bigpush_est.report.style import BLUE, GREY, INK, ORANGE, PURPLE, SKY, VERMILION, grid

#: Colour and marker of an event, in every figure of several.
LOOKS = {"multiple": (SKY, "s"), "moved": (BLUE, "o"), "needed": (VERMILION, "D")}
#: Dashes of an event's line where lines may lie on each other.
_DASHES = {"multiple": (0, (5, 3)), "moved": "-", "needed": "-."}
#: Where an event's marker stands beside a word on the axis.
_BESIDE = {"multiple": -0.18, "moved": 0.0, "needed": 0.18}
#: Largest Pareto k̂ at which weighted draws are used.
_REACH = 0.7
#: Rows of the specification curve that one page holds in a readable size.
_PAGE = 36
#: Narrowest axis of changes, in hundredths: a thousandth of a point is not to look like an effect.
_LEAST = 0.5

type Line = tuple[str, dict[str, Any] | None]


def tornado(results: Results) -> Figure | None:
    """Draw what one standard error of each estimate, and a doubled prior, do to each answer."""
    targets = main_sensitivity(results)
    shown = [name for name in (*EVENTS, "gdp_share") if name in targets]
    if not shown:
        return None
    first = targets[shown[0]]
    names = [f"estimate: {name}, +1 s.e." for name in first["estimates"]]
    names += [f"prior: {symbol(name)}, doubled" for name in first["prior"]]
    colors = [BLUE] * len(first["estimates"]) + [ORANGE] * len(first["prior"])
    picture = labelled(data_label(results), 1.0 + 0.26 * len(names))
    panels = picture.subplots(1, len(shown), sharey=True, squeeze=False)[0]
    titles = SHORT | {"gdp_share": "Δ GDP share"}
    for panel, target in zip(panels, shown, strict=True):
        part = targets[target]
        rows = [*part["estimates"].values(), *part["prior"].values()]
        values, errors = ([100.0 * row["value"] for row in rows], [196.0 * row["mcse"] for row in rows])
        panel.barh(range(len(names)), values, color=colors, xerr=errors, ecolor=INK, error_kw={"lw": 0.8, "capsize": 2})
        panel.axvline(0.0, color=INK, lw=0.8)
        low, high = panel.get_xlim()
        panel.set_xlim(min(low, -_LEAST), max(high, _LEAST))
        panel.set_title(titles[target])
        panel.locator_params(axis="x", nbins=3)
        panel.set_xlabel("p.p.")
        panel.set_ylim(len(names) - 0.4, -0.6)
        grid(panel, "x")
    panels[0].set_yticks(range(len(names)), names, parse_math=False)
    return picture


def knowing(results: Results) -> Figure | None:
    """Draw the share of each answer's variance that a parameter explains, and what it is worth to know it."""
    targets = main_sensitivity(results)
    shown = [name for name in (*EVENTS, "gdp_share", "welfare") if name in targets]
    names = list(targets[shown[0]]["explained"]) if shown else []
    if not names:
        return None
    titles = SHORT | {"gdp_share": "Δ GDP share", "welfare": "welfare"}
    looks = LOOKS | {"gdp_share": (PURPLE, "v"), "welfare": (GREY, "^")}
    picture = labelled(data_label(results), 1.1 + 0.45 * len(names))
    left, right = picture.subplots(1, 2, sharey=True)
    for panel, key, events in ((left, "explained", shown), (right, "value_of_knowing", [*EVENTS])):
        for offset, target in zip(np.linspace(-0.28, 0.28, len(shown)), shown, strict=True):
            if target not in events or key not in targets[target]:
                continue
            color, marker = looks[target]
            for place, name in enumerate(names):
                one = targets[target][key][name]
                middle, error = 100.0 * one["value"], 196.0 * one["mcse"]
                panel.plot([middle - error, middle + error], [place + offset] * 2, color=color, lw=1.1)
                panel.plot(middle, place + offset, marker=marker, ms=4, color=color)
        panel.axvline(0.0, color=INK, lw=0.8)
        for place in range(1, len(names)):
            panel.axhline(place - 0.5, color="#E9E9E9", lw=0.6)
        grid(panel, "x")
        panel.tick_params(axis="y", length=0)
    left.set_ylim(len(names) - 0.5, -0.5)
    left.set_yticks(range(len(names)), [symbol(name) for name in names], parse_math=False)
    left.set_xlim(-5.0, 105.0)
    low, high = right.get_xlim()
    right.set_xlim(min(low, -_LEAST), max(high, _LEAST))
    left.set_title("A. Variance explained")
    left.set_xlabel("% of the answer’s variance")
    right.set_title("B. Value of knowing")
    right.set_xlabel("p.p. more calls that are right")
    handles = [
        Line2D([], [], color=looks[name][0], marker=looks[name][1], ms=4, lw=1.1, label=titles[name]) for name in shown
    ]
    picture.legend(handles=handles, loc="outside upper left", ncols=5)
    return picture


def correlation_curve(results: Results) -> Figure | None:
    """Draw the probabilities over the correlation of the first two estimates, where the draws reach."""
    targets = main_sensitivity(results)
    curves = {name: targets[name].get("correlation") for name in EVENTS if name in targets}
    there = {name: curve for name, curve in curves.items() if curve and curve["correlation"]}
    if not there:
        return None
    used = results["evidence"]["correlation"][1][0]
    picture = labelled(data_label(results), 2.5)
    panel = picture.subplots()
    for name, curve in there.items():
        color, _ = LOOKS[name]
        x = np.array(curve["correlation"], dtype=float)
        # at the correlation in use no weights are needed, and there is no k̂
        reached = np.array(
            [
                abs(at - used) < 1e-9 or (k is not None and k <= _REACH)
                for at, k in zip(x, curve["pareto_k"], strict=True)
            ]
        )
        y, error = (100.0 * np.array(curve[key], dtype=float) for key in ("value", "mcse"))
        y = np.where(reached, y, np.nan)
        panel.fill_between(x, y - 1.96 * error, y + 1.96 * error, color=color, alpha=0.18, lw=0)
        panel.plot(x, y, color=color, ls=_DASHES[name], label=EVENTS[name])
    known = results["evidence"]["correlation_is"] == "known"
    panel.axvline(used, color=GREY, lw=0.9, ls=":", label="as estimated" if known else "as assumed")
    panel.set_xlabel("correlation of the two estimates")
    panel.set_ylabel("probability, %")
    panel.set_ylim(-2.0, 102.0)
    panel.set_xlim(-1.0, 1.0)
    grid(panel)
    picture.legend(*panel.get_legend_handles_labels(), loc="outside upper left", ncols=2)
    return picture


# -- other values of what is held -------------------------------------------------------------------------------------


def breakdown(results: Results) -> Figure | None:
    """Draw the probabilities over a grid of values of each parameter, one panel each."""
    parts = [part for part in results["breakdown"] or [] if part["values"]]
    if not parts:
        return None
    rows = -(-len(parts) // 3)
    picture = labelled(data_label(results), 0.6 + 2.0 * rows)
    panels = list(picture.subplots(rows, 3, squeeze=False, sharey=True).flat)
    for panel, part in zip(panels, parts, strict=False):
        words = isinstance(part["own"], str)
        x = np.arange(len(part["values"])) if words else np.array(part["values"], dtype=float)
        for name, (color, marker) in LOOKS.items():
            y, top, low, high = (
                _hundredths(part[key][name]) for key in ("probability", "highest", "bound_low", "bound_high")
            )
            at = x + _BESIDE[name] if words else x
            panel.plot(at, y, color=color, marker=marker, ms=3.2, lw=1.1, ls="none" if words else _DASHES[name])
            panel.vlines(at, low, high, color=color, lw=0.8)
            # what unconverged draws leave open
            panel.vlines(at, y, top, color=color, lw=2.6, alpha=0.25)
        panel.axhline(50.0, color=GREY, lw=0.8, ls=":")
        if not words:
            panel.axvline(part["own"], color=INK, lw=0.8, alpha=0.5)
            crossing = crossing_of(part, "moved")
            if crossing is not None:
                panel.axvline(crossing, color=BLUE, lw=0.9, ls=":")
        panel.set_title(symbol(part["parameter"]))
        if words:
            panel.set_xticks(x, [str(name).replace("_", "\n") for name in part["values"]], fontsize=6, parse_math=False)
            panel.set_xlim(-0.5, x.size - 0.5)
        else:
            panel.locator_params(axis="x", nbins=5)
        grid(panel)
    for panel in panels[len(parts) :]:
        panel.set_visible(False)
    panels[0].set_ylim(-3.0, 103.0)
    for panel in panels[::3]:
        panel.set_ylabel("probability, %")
    picture.legend(handles=_event_handles(), loc="outside upper left", ncols=3)
    return picture


def _hundredths(values: list[float | None]) -> Any:
    return 100.0 * np.array(values, dtype=float)


def _event_handles() -> list[Line2D]:
    return [
        Line2D([], [], color=color, marker=marker, ms=4, label=SHORT[name]) for name, (color, marker) in LOOKS.items()
    ]


# -- other assumptions ------------------------------------------------------------------------------------------------


def variant_pages(results: Results) -> list[list[Line]]:
    """Return rows of the specification curve, cut into pages: headings have no answer, the study comes first.

    The second mapping's answer, where the study has one, comes next; a variant that failed has its row.
    """
    main = main_answer(results)
    first: Line = (
        "This study",
        {"probabilities": main["probabilities"], "differences": main["differences"]},
    )
    top: list[Line] = [first]
    second = results["answers"].get(SECOND)
    if second is not None:
        top.append(("Second mapping", {"probabilities": second["probabilities"], "differences": second["differences"]}))
    variants = results["variants"]
    if all(row.get("failed") for row in variants):
        return []
    room = _PAGE - len(top) - 1
    pages: list[list[Line]] = [[*top]]
    for group, members in groupby(variants, key=lambda row: str(row["group"])):
        rows: list[Line] = [(row["label"], row) for row in members]
        for first_row in range(0, len(rows), room):  # a group stays in one piece unless a page cannot hold it
            part = rows[first_row : first_row + room]
            if len(pages[-1]) + 1 + len(part) > _PAGE:
                pages.append([*top])
            pages[-1] += [(group, None), *part]
    return pages


def specification_curve(results: Results, lines: list[Line]) -> Figure:
    """Draw one page: probabilities on the left, the push's effect on the right."""
    picture = labelled(data_label(results), 1.0 + 0.19 * len(lines))
    left, right = picture.subplots(1, 2, sharey=True)
    for place, (_, row) in enumerate(lines):
        if row is None:
            continue
        if row.get("failed"):
            look = {"color": GREY, "ha": "center", "va": "center", "fontsize": 7}
            for panel in (left, right):
                panel.text(0.5, place, "failed", transform=panel.get_yaxis_transform(), **look)
            continue
        for (name, (color, marker)), offset in zip(LOOKS.items(), (-0.22, 0.0, 0.22), strict=True):
            draw_chance(left, place + offset, row["probabilities"][name], color, marker)
        draw_quantity(right, place, row["differences"]["gdp_share"], BLUE)
    paper = main_answer(results)["differences"]["gdp_share"]["paper"]
    if paper is not None:
        right.axvline(100.0 * paper, color=VERMILION, ls="--", lw=1.0)
    left.set_ylim(len(lines) - 0.4, -0.6)
    left.set_yticks(range(len(lines)), [label for label, _ in lines], parse_math=False)
    for text, (label, row) in zip(left.get_yticklabels(), lines, strict=True):
        if row is None or label in ("This study", "Second mapping"):
            text.set_fontweight("bold")
    left.set_xlim(-3.0, 103.0)
    left.set_xlabel("probability, %, with 95% bounds")
    right.set_xlabel("Δ heavy GDP share, p.p.")
    for panel in (left, right):
        for place, (_, row) in enumerate(lines):
            if row is not None and place % 2:
                panel.axhspan(place - 0.5, place + 0.5, color="#F7F7F7", lw=0, zorder=0)
        grid(panel, "x")
        panel.tick_params(axis="y", length=0)
        panel.spines["left"].set_visible(False)
    handles = _event_handles()
    handles.append(Line2D([], [], color=GREY, marker="o", mfc="white", ls="none", ms=4, label="all draws agree"))
    if paper is not None:
        handles.append(Line2D([], [], color=VERMILION, ls="--", lw=1.0, label=f"the paper: {figure(100.0 * paper)}"))
    picture.legend(handles=handles, loc="outside upper left", ncols=5)
    return picture


def draw_chance(panel: Axes, place: float, chance: dict[str, Any], color: str, marker: str) -> None:
    """Draw a probability with its 95% bounds; an open marker where all draws agree."""
    panel.plot([100.0 * chance["bound_low"], 100.0 * chance["bound_high"]], [place] * 2, color=color, lw=1.1)
    agree = chance["hits"] in (0, chance["draws"])
    panel.plot(
        100.0 * chance["estimate"], place, marker=marker, ms=3.4, color=color, mfc="white" if agree else color, zorder=3
    )


def draw_quantity(panel: Axes, place: float, quantity: dict[str, Any], color: str, scale: float = 100.0) -> None:
    """Draw a median with its 50% and 90% intervals; nothing where it is undefined."""
    if quantity["median"] is None:
        return
    low, high = scale * quantity["low90"], scale * quantity["high90"]
    panel.plot([low, high], [place] * 2, color=color, lw=0.9)
    low, high = scale * quantity["low50"], scale * quantity["high50"]
    panel.plot([low, high], [place] * 2, color=color, lw=2.6, solid_capstyle="butt")
    panel.plot(scale * quantity["median"], place, marker="o", ms=3.8, color=color, mec="white", mew=0.5, zorder=3)
