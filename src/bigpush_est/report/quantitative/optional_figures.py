"""Figures of the optional sections: steady states, subsidies by their rate, variants, other synthetic economies."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from bigpush_est.report.quantitative.figures import labelled
from bigpush_est.report.quantitative.labels import Results, hundred, known, percentage
from bigpush_est.report.quantitative.optional_tables import economies, outcome
from bigpush_est.report.quantitative.policy_tables import best_rate
from bigpush_est.report.quantitative.sections import numbers, part, region_names, rows_of
from bigpush_est.report.style import BLUE, GREY, INK, ORANGE, PALE, PURPLE, SKY, VERMILION, grid

#: Rows that one page holds in a readable size.
PAGE = 44
#: Regions and states that a figure shows at most.
_MOST_REGIONS, _MOST_STATES = 40, 24

# -- steady states ---------------------------------------------------------------------------------------------------


def steady_states(results: Results) -> Figure | None:
    """Draw which regions are industrialised in each steady state; None if the results do not say."""
    states = [
        (row, region_names(results, row["regions"]))
        for row in rows_of(part(results, "steady_states").get("states"))
        if isinstance(row.get("regions"), list)
    ]
    if len(states) < 2:
        return None
    states.sort(key=lambda entry: entry[0]["heavy_gdp_share"] if known(entry[0].get("heavy_gdp_share")) else -1.0)
    states = states[-_MOST_STATES:]
    times: dict[str, int] = {}
    for _, names in states:
        for name in names:
            times[name] = times.get(name, 0) + 1
    order = sorted(times, key=lambda name: (-times[name], name))[:_MOST_REGIONS]
    picture = labelled(results, 1.7 + 0.165 * max(len(order), 3))
    top, matrix = picture.subplots(2, 1, sharex=True, height_ratios=(1.1, 0.165 * max(len(order), 3)))
    shares = 100.0 * numbers([row for row, _ in states], "heavy_gdp_share")
    top.bar(range(len(states)), np.nan_to_num(shares), width=0.6, color=SKY)
    for k, share in enumerate(shares):
        if np.isfinite(share):
            top.annotate(f"{share:.1f}", (k, share), xytext=(0, 2), textcoords="offset points", ha="center", fontsize=7)
    top.set_ylabel("heavy share,\n% of GDP")
    top.margins(y=0.18)
    for k, (_, names) in enumerate(states):
        for place, name in enumerate(order):
            matrix.plot(k, place, marker="s", ms=6.5, ls="none", color=BLUE if name in names else PALE)
    matrix.set_yticks(range(len(order)), order, parse_math=False)
    matrix.set_ylim(len(order) - 0.4, -0.6)
    matrix.set_xlim(-0.6, len(states) - 0.4)
    starts = [row.get("starts") for row, _ in states]
    labels = [
        f"{row.get('state', k + 1)}\n({n})" if known(n) else str(row.get("state", k + 1))
        for k, ((row, _), n) in enumerate(zip(states, starts, strict=True))
    ]
    matrix.set_xticks(range(len(states)), labels, parse_math=False)
    matrix.set_xlabel("steady state" + (" (starts that end there)" if any(known(n) for n in starts) else ""))
    for panel in (top, matrix):
        panel.tick_params(length=0)
    return picture


# -- policies --------------------------------------------------------------------------------------------------------


def uniform_rates(results: Results, published: float) -> Figure | None:
    """Draw what uniform subsidy rates lead to; None if the results do not hold them."""
    section = part(results, "policies", "uniform")
    rows = rows_of(section)
    rate = 100.0 * numbers(rows, "rates")
    curves = [
        (key, 100.0 * numbers(rows, key), title)
        for key, title in (
            ("heavy_gdp_share", "Heavy GDP share, steady state"),
            ("welfare_log", "Welfare over no policy"),
        )
    ]
    curves = [curve for curve in curves if np.isfinite(curve[1]).any()]
    if not rows or not np.isfinite(rate).any() or not curves:
        return None
    own = next((row["value"] for row in results["calibration"]["parameters"] if row["name"] == "subsidy_rate"), None)
    best = best_rate(results)
    picture = labelled(results, 2.9)
    panels = picture.subplots(1, len(curves), squeeze=False)[0]
    for panel, (key, values, title) in zip(panels, curves, strict=True):
        panel.plot(rate, values, color=BLUE, marker="o", ms=2.8, lw=0.9)
        if key == "welfare_log" and np.isfinite(numbers(rows, "welfare_linear")).any():
            panel.plot(rate, 100.0 * numbers(rows, "welfare_linear"), color=ORANGE, ls="--", marker="s", ms=2.4, lw=0.9)
        for value, color, style in ((own, VERMILION, "--"), (published, GREY, ":"), (best, PURPLE, "-.")):
            if known(value):
                panel.axvline(100.0 * value, color=color, ls=style, lw=1.1, zorder=0)
        panel.set_title(title)
        panel.set_xlabel("subsidy rate on adopters’ inputs, %")
        panel.set_ylabel("% of GDP" if key == "heavy_gdp_share" else "% of consumption")
        panel.set_xlim(left=0.0)
        if key == "heavy_gdp_share":
            panel.set_ylim(0.0, 1.08 * float(np.nanmax(values)))
        else:
            panel.axhline(0.0, color=INK, lw=0.6)
        grid(panel)
    handles = [
        Line2D([], [], color=BLUE, marker="o", ms=2.8, lw=0.9, label="each rate (welfare: log utility)"),
        Line2D([], [], color=ORANGE, ls="--", marker="s", ms=2.4, lw=0.9, label="discounted consumption"),
    ]
    if not np.isfinite(numbers(rows, "welfare_linear")).any():
        handles = handles[:1]
    for value, color, style, text in (
        (own, VERMILION, "--", "calibrated rate"),
        (published, GREY, ":", "the paper’s rate"),
        (best, PURPLE, "-.", "best rate tried"),
    ):
        if known(value):
            handles.append(Line2D([], [], color=color, ls=style, lw=1.1, label=f"{text}, {percentage(value, 1)}"))
    picture.legend(handles=handles, loc="outside upper left", ncols=3)
    return picture


# -- variants --------------------------------------------------------------------------------------------------------

type Line = tuple[str, dict[str, Any] | None]


def variant_pages(results: Results) -> list[list[Line]]:
    """Return the figure's lines, cut into pages: a heading has no variant; the study itself comes first."""
    own = results["table3"]["baseline"] | {"converged": results["calibration"]["converged"]}
    lines: list[Line] = [("This study", own)]
    pages, group = [lines], None
    for variant in rows_of(results.get("variants")):
        opens = variant.get("group") != group
        if len(lines) + 1 + opens > PAGE:
            lines = [("This study", own)]
            pages.append(lines)
            opens = True
        if opens:
            group = variant.get("group")
            lines.append((str(group or "Variants"), None))
        lines.append((str(variant.get("label", "")), variant))
    return pages if len(lines) > 1 else []


def variants(results: Results, lines: list[Line], paper: float) -> Figure:
    """Draw one page of the variants: the heavy GDP share with and without the push, and the effect."""
    picture = labelled(results, 1.1 + 0.172 * len(lines))
    left, right = picture.subplots(1, 2, sharey=True)
    for place, (_, row) in enumerate(lines):
        if row is None:
            continue
        color = BLUE if outcome(row) == "passed" else GREY
        pair = row.get("gdp_share_none"), row.get("gdp_share_push")
        if all(known(value) for value in pair):
            ends = [100.0 * float(value) for value in pair]  # type: ignore[arg-type]
            left.plot(ends, [place, place], color=color, lw=1.2, zorder=2)
            left.plot(ends[0], place, marker="o", ms=4.5, mfc="white", mec=color, zorder=3)
            left.plot(ends[1], place, marker="o", ms=4.5, color=color, zorder=3)
        if known(row.get("gdp_share")):
            face = color if outcome(row) == "passed" else "white"
            right.plot(100.0 * row["gdp_share"], place, marker="o", ms=4.5, mfc=face, mec=color, zorder=3)
        else:
            for panel in (left, right):
                panel.annotate(
                    "failed", (0.02, place), xycoords=("axes fraction", "data"), fontsize=6.5, va="center", color=GREY
                )
    own = lines[0][1] or {}
    right.axvline(0.0, color=INK, lw=0.7, zorder=1)
    right.axvline(100.0 * paper, color=VERMILION, lw=1.0, ls="--", zorder=1)
    if known(own.get("gdp_share")):
        right.axvline(100.0 * own["gdp_share"], color=BLUE, lw=0.9, ls=":", zorder=1)
    _rows(left, right, lines)
    ends = [row[key] for _, row in lines if row for key in ("gdp_share_push", "gdp_share_none") if known(row.get(key))]
    left.set_xlim(0.0, 105.0 * max([*ends, 0.01]))
    left.set_xlabel("heavy GDP share, steady state, %")
    right.set_xlabel("effect of the push, p.p.")
    handles = [
        Line2D([], [], marker="o", ms=4.5, color=BLUE, ls="none", label="with the push; effect"),
        Line2D([], [], marker="o", ms=4.5, mfc="white", mec=BLUE, ls="none", label="without"),
        Line2D([], [], color=VERMILION, lw=1.0, ls="--", label=f"the paper, {hundred(paper)} p.p."),
        Line2D([], [], color=BLUE, lw=0.9, ls=":", label="this study"),
        Line2D([], [], marker="o", ms=4.5, color=GREY, mfc="white", ls="none", label="a diagnostic failed"),
    ]
    picture.legend(handles=handles, loc="outside upper left", ncols=3)
    return picture


def _rows(left: Axes, right: Axes, lines: list[Line]) -> None:
    for panel in (left, right):
        for place, (_, row) in enumerate(lines):
            if row is not None and place % 2:
                panel.axhspan(place - 0.5, place + 0.5, color="#F7F7F7", lw=0, zorder=0)
        grid(panel, "x")
        panel.tick_params(axis="y", length=0)
        panel.spines["left"].set_visible(False)
        panel.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    left.set_ylim(len(lines) - 0.4, -0.6)
    left.set_yticks(range(len(lines)), [label for label, _ in lines], parse_math=False)
    for text, (_, row) in zip(left.get_yticklabels(), lines, strict=True):
        if row is None:
            text.set_fontweight("bold")
    left.get_yticklabels()[0].set_fontweight("bold")


# -- other synthetic economies ---------------------------------------------------------------------------------------


def ensemble(results: Results, paper: float) -> Figure | None:
    """Draw the effect of the push over other synthetic economies; None if there are none."""
    effects = 100.0 * numbers(economies(results), "gdp_share")
    effects = effects[np.isfinite(effects)]
    if effects.size < 2:
        return None
    own = results["table3"]["baseline"]["gdp_share"]
    marks = [100.0 * paper] + ([100.0 * own] if known(own) else [])
    low, high = min([*marks, 0.0, float(effects.min())]), max([*marks, float(effects.max())])
    bins = int(np.clip(np.ceil(2.0 * effects.size ** (1 / 2)), 6, 40))
    picture = labelled(results, 2.6)
    panel = picture.subplots()
    panel.hist(effects, bins=bins, range=(low, high), color=SKY, edgecolor="white", lw=0.5)
    panel.plot(effects, np.zeros_like(effects), marker="|", ms=9, color=INK, ls="none", clip_on=False, zorder=3)
    median = float(np.median(effects))
    for value, color, style, text in (
        (median, INK, "-", "median"),
        (100.0 * own if known(own) else None, BLUE, ":", "this economy"),
        (100.0 * paper, VERMILION, "--", "the paper"),
    ):
        if value is not None:
            panel.axvline(value, color=color, ls=style, lw=1.4, label=f"{text}, {hundred(value / 100.0)} p.p.")
    panel.set_xlabel("effect of the push on the heavy GDP share in the steady state, p.p.")
    panel.set_ylabel("synthetic economies")
    panel.yaxis.set_major_locator(MaxNLocator(integer=True))
    grid(panel)
    picture.legend(loc="outside upper left", ncols=3)
    return picture
