"""Slides of the lecture's models: gains and costs, the map, the traps along a parameter, paths, draws, the O-ring."""

import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator, PercentFormatter

from bigpush_est.report.numbers import figure as printed
from bigpush_est.report.style import BLUE, GREEN, GREY, INK, ORANGE, PURPLE, SKY, VERMILION, canvas, drawing, grid

#: Colour of the trap's basin, as in the paper's Figure 3.
REGION = "#F6E8DF"
#: Letters large enough for the last row: a figure of 6.9 inches fills a slide of 13.3.
SLIDE: dict[Any, Any] = {
    "font.size": 10.5,
    "axes.titlesize": 11,
    "axes.labelsize": 10.5,
    "xtick.labelsize": 9.5,
    "ytick.labelsize": 9.5,
    "legend.fontsize": 9.5,
    "lines.linewidth": 2.2,
}
#: Letters in a line below a figure.
FOOT_WIDTH = 120
#: Parameters under a prior that one figure shows.
MOST_PANELS = 4


@contextmanager
def slide() -> Iterator[None]:
    """Draw in the report's style with a slide's letters."""
    with drawing():
        matplotlib.rcParams.update(SLIDE)
        yield


def _foot(
    picture: Figure, results: dict[str, Any], more: str = "", *, only: tuple[str, ...] = (), drawn: bool = False
) -> None:
    """Write below a figure that its parameters are illustrative, what they are, and whose model it is.

    ``only`` names the parameters that the figure depends on, if not on all; ``drawn`` says that it shows priors' draws.
    """
    rows = [row for row in results["parameters"] if not only or row["name"] in only]
    held = [row for row in rows if not (drawn and row["prior"])]
    values = ", ".join(f"{_symbol(row['symbol'])} = {row['value']:.3g}" for row in held)
    text = f"Illustrative parameters, not estimates: {values}"
    if drawn:
        priors = ", ".join(f"{_symbol(row['symbol'])} ~ {row['prior']}" for row in rows if row["prior"])
        text += f"; draws from {priors}"
    sentences = [f"{text}.", more, f"Model: {results['sources']}."]
    lines = textwrap.wrap(" ".join(part for part in sentences if part), FOOT_WIDTH, break_long_words=False)
    picture.supxlabel("\n".join(lines), x=0.01, ha="left", fontsize=7.5, color=GREY, linespacing=1.3)


def _part(arrays: dict[str, Any], name: str) -> dict[str, Any]:
    return {key.partition(".")[2]: value for key, value in arrays.items() if key.startswith(f"{name}.")}


def _shares(axes: Axes, axis: str) -> None:
    low, high = -0.02, 1.02
    for name in axis:
        getattr(axes, f"set_{name}lim")(low, high)
        getattr(axes, f"{name}axis").set_major_formatter(PercentFormatter(1.0, decimals=0))
        getattr(axes, f"set_{name}ticks")([0.0, 0.25, 0.5, 0.75, 1.0])


def _states(panel: Axes, states: dict[str, Any], heights: Any = None) -> None:
    """Mark stable states filled, unstable ones and jumps open."""
    for index, share in enumerate(states["share"]):
        if not np.isfinite(share):
            continue
        stable = states["stability"][index] > 0
        panel.plot(
            share,
            share if heights is None else heights[index],
            marker="o",
            ms=9,
            color=INK,
            mfc=INK if stable else "white",
            mew=1.8,
            ls="none",
            zorder=6,
            clip_on=False,
        )


def equilibria(results: dict[str, Any], arrays: dict[str, Any]) -> Figure:
    """Draw what the action is worth beside what it costs, and the map that follows, for one economy."""
    payoff, mapped, states = (_part(arrays, name) for name in ("payoff", "map", "states"))
    trap = float(states["trap"][0])
    picture = canvas(4.25)
    left, right = picture.subplots(1, 2)
    for panel in (left, right):
        if np.isfinite(trap):
            panel.axvspan(0.0, trap, color=REGION, lw=0)
        _shares(panel, "x")
    gain, cost = payoff["gain"], payoff["cost"]
    left.plot(payoff["share"], gain, color=BLUE)
    left.plot(payoff["share"], cost, color=VERMILION, ls="--")
    low, high = float(cost.min()), float(cost.max())
    seen = gain[np.isfinite(gain)]
    bottom, top = min(low, max(float(seen.min()), low - 2.0 * (high + 1e-9))), max(high, float(seen.max()))
    left.set_ylim(bottom - 0.08 * (top - bottom), top + 0.08 * (top - bottom))
    left.set_xlabel(f"share of {results['agents']} that {results['action']}")
    left.set_ylabel(_wrapped(results["gain_unit"], 34))
    left.set_title("Worth and cost")
    right.plot([0, 1], [0, 1], color=GREY, lw=1.2)
    right.plot(mapped["share"], mapped["next"], color=BLUE)
    _states(right, states)
    _shares(right, "y")
    right.set_xlabel("share one period before")
    right.set_ylabel("share now")
    right.set_title("The map")
    handles: list[Any] = [
        Line2D([], [], color=BLUE, label="worth of the action; map"),
        Line2D([], [], color=VERMILION, ls="--", label="cost of the next to act"),
        Line2D([], [], color=INK, marker="o", ms=8, ls="none", label="stable"),
        Line2D([], [], color=INK, marker="o", ms=8, mfc="white", mew=1.8, ls="none", label="unstable"),
    ]
    if np.isfinite(trap):
        handles.append(Patch(color=REGION, label="the trap’s basin"))
    picture.legend(handles=handles, loc="outside upper left", ncols=3, columnspacing=1.4, handlelength=1.6)
    _foot(picture, results)
    return picture


def _wrapped(text: str, width: int) -> str:
    return "\n".join(textwrap.wrap(text, width))


def along_key(results: dict[str, Any], arrays: dict[str, Any]) -> Figure:
    """Draw the steady states along the model's key parameter, with the window in which there are several."""
    part = _part(arrays, "key")
    entry = next(row for row in results["parameters"] if row["name"] == results["key"])
    values, own = part["value"], float(part["own"][0])
    picture = canvas(4.25)
    panel = picture.subplots()
    several = np.isfinite(part["unstable"]) & (part["low"] < part["high"])
    if several.any():
        panel.fill_between(values, 0.0, np.where(several, part["unstable"], np.nan), color=REGION, lw=0)
    for side in ("low", "high"):
        panel.plot(values, _unbroken(part[side]), color=BLUE)
    panel.plot(values, _unbroken(part["unstable"]), color=BLUE, ls=(0, (2, 1.2)), lw=1.8)
    panel.axvline(own, color=INK, lw=1.1, ls=":")
    window = part["window"]
    if np.isfinite(window).all():
        for edge in window:
            panel.axvline(edge, color=GREEN, lw=1.1, ls="--")
    _shares(panel, "y")
    panel.set_xlim(values[0], values[-1])
    panel.set_xlabel(f"{_symbol(entry['symbol'])}, {entry['meaning'].removeprefix('the ')} ({entry['unit']})")
    panel.set_ylabel(f"share of {results['agents']} that {results['action']}")
    handles: list[Any] = [
        Line2D([], [], color=BLUE, label="stable"),
        Line2D([], [], color=BLUE, ls=(0, (2, 1.2)), lw=1.8, label="unstable"),
        Line2D([], [], color=INK, lw=1.1, ls=":", label=f"this economy, {own:.3g}"),
    ]
    if several.any():
        handles.insert(2, Patch(color=REGION, label="the trap’s basin"))
    if np.isfinite(window).all():
        ends = " to ".join(f"{edge:.3g}" for edge in window)
        handles.append(Line2D([], [], color=GREEN, lw=1.1, ls="--", label=f"window if all are alike, {ends}"))
    picture.legend(handles=handles, loc="outside upper left", ncols=3, columnspacing=1.4, handlelength=1.8)
    _foot(picture, results)
    return picture


def _symbol(text: str) -> str:
    """Return a symbol with its subscript set, as ``q_L`` is written in plain text."""
    name, _, lower = text.partition("_")
    return f"${name}_{{{lower}}}$" if lower else name


def _unbroken(values: Any) -> Any:
    """Break a line where a state vanishes and the next one is another branch."""
    result = values.copy()
    result[1:][np.abs(np.diff(values)) > 0.15] = np.nan
    return result


def paths(results: dict[str, Any], arrays: dict[str, Any]) -> Figure:
    """Draw where economies end that start apart, and what a push too small and one large enough do."""
    part, trap = _part(arrays, "paths"), float(arrays["states.trap"][0])
    picture = canvas(4.25)
    panel = picture.subplots()
    if np.isfinite(trap):
        panel.axhspan(0.0, trap, color=REGION, lw=0)
        panel.axhline(trap, color=INK, lw=1.1, ls=":")
    for start, path in zip(part["start"], part["free"], strict=True):
        falls = np.isfinite(trap) and start < trap
        panel.plot(part["period"], path, color=GREY if falls else SKY, lw=1.5, marker="o", ms=3)
    for path, color, style in zip(part["pushed"], (ORANGE, PURPLE), ("--", "-"), strict=False):
        panel.plot(part["period"], path, color=color, ls=style, lw=2.6, marker="s", ms=5, zorder=5)
    _shares(panel, "y")
    last = _settled(part)
    panel.set_xlim(-0.15, last + 0.15)
    _welfare_labels(panel, _part(arrays, "states"), last + 0.3)
    panel.set_xticks(range(0, last + 1, 1 if last <= 10 else 2))
    panel.set_xlabel("period")
    panel.set_ylabel(f"share of {results['agents']} that {results['action']}")
    handles: list[Any] = []
    if np.isfinite(trap):
        handles += [
            Line2D([], [], color=GREY, lw=1.5, marker="o", ms=3, label="starts in the trap"),
            Line2D([], [], color=SKY, lw=1.5, marker="o", ms=3, label="starts outside"),
            Patch(color=REGION, label="the trap’s basin"),
        ]
    else:
        handles.append(Line2D([], [], color=SKY, lw=1.5, marker="o", ms=3, label=_without_trap(part)))
    if part["pushed"].size:
        handles += [
            Line2D([], [], color=ORANGE, ls="--", lw=2.6, marker="s", ms=5, label="push 10% too small"),
            Line2D([], [], color=PURPLE, lw=2.6, marker="s", ms=5, label="push 10% larger than needed"),
        ]
    picture.legend(handles=handles, loc="outside upper left", ncols=3, columnspacing=1.4, handlelength=1.8)
    shown = (_part(arrays, "states")["stability"] > 0).any()
    _foot(picture, results, f"Welfare: {results['welfare_unit']}." if shown else "")
    return picture


def _without_trap(part: dict[str, Any]) -> str:
    """Say where paths end in an economy without a trap."""
    ends, steps = part["free"][:, -1], np.abs(part["free"][:, -1] - part["free"][:, -2])
    if steps.max() > 0.02:
        return "no trap, and no rest: the economy cycles"
    return "no trap: all end in one place" if np.ptp(ends) < 0.02 else "where each start ends"


def _welfare_labels(panel: Axes, states: dict[str, Any], place: float) -> None:
    """Write beside each stable state what it is worth."""
    stable = np.flatnonzero((states["stability"] > 0) & np.isfinite(states["share"]))
    best = int(states["best"][0])
    for index in stable:
        better = "\n(the best)" if index == best and stable.size > 1 else ""
        share = float(states["share"][index])
        panel.text(
            place,
            share + (0.03 if share > 0.8 else (-0.03 if share < 0.2 else 0.0)),
            f"welfare\n{printed(float(states['welfare'][index]))}{better}",
            va="top" if share > 0.8 else ("bottom" if share < 0.2 else "center"),
            fontsize=9.5,
        )


def _settled(part: dict[str, Any]) -> int:
    """Periods to show: until every path has settled, at least 6."""
    every = np.concatenate([part["free"], part["pushed"]])
    moving = np.flatnonzero((np.abs(np.diff(every, axis=1)) > 1e-3).any(axis=0))
    return int(min(every.shape[1] - 1, max(6, (moving[-1] + 2) if moving.size else 6)))


def prior_draws(results: dict[str, Any], arrays: dict[str, Any]) -> Figure:
    """Draw each prior's draws, split into those with several steady states and those with one."""
    part = _part(arrays, "prior")
    multiple = part["multiple"].astype(bool)
    entries = [row for row in results["parameters"] if row["prior"] and np.ptp(part[row["name"]]) > 0.0][:MOST_PANELS]
    columns = min(2, len(entries))
    rows = -(-len(entries) // columns)
    picture = canvas(1.4 + 2.6 * rows)
    panels = list(picture.subplots(rows, columns, squeeze=False).flat)
    for panel, entry in zip(panels, entries, strict=False):
        values = part[entry["name"]]
        left, right = (float(end) for end in np.quantile(values, [0.001, 0.999]))
        edges = np.linspace(left, right, 41)
        panel.hist(
            [values[multiple], values[~multiple]],
            bins=edges,
            stacked=True,
            color=[VERMILION, SKY],
            edgecolor="white",
            linewidth=0.3,
        )
        panel.set_xlim(edges[0], edges[-1])
        panel.set_xlabel(f"{_symbol(entry['symbol'])} ({entry['unit']})")
        panel.xaxis.set_major_locator(MaxNLocator(5))
        panel.set_ylabel("draws")
        panel.set_yticks([])
        panel.spines["left"].set_visible(False)
    for panel in panels[len(entries) :]:
        panel.set_visible(False)
    chance = results["prior"]["probabilities"]["multiple"]["text"]
    handles = [
        Patch(color=VERMILION, label=f"draws with several steady states, {chance}"),
        Patch(color=SKY, label="the others"),
    ]
    picture.legend(handles=handles, loc="outside upper left", ncols=2, columnspacing=1.4)
    _foot(picture, results, drawn=True)
    return picture


def matching(results: dict[str, Any]) -> Figure:
    """Draw the slides' four workers: output of mixed and of sorted teams."""
    four = results["four_workers"]
    picture = canvas(4.25)
    panel = picture.subplots()
    scale = "" if four["scale"] == 1.0 else "A "
    bars = [
        ("mixed teams", [four["mixed_output"] / 2.0] * 2, [f"${scale}q_L q_H$"] * 2),
        ("sorted teams", [four["low_output"], four["high_output"]], [f"${scale}q_L^2$", f"${scale}q_H^2$"]),
    ]
    for place, (_, heights, names) in enumerate(bars):
        bottom = 0.0
        for height, name, color in zip(heights, names, (SKY, BLUE), strict=True):
            panel.bar(place, height, bottom=bottom, width=0.55, color=color, edgecolor="white", linewidth=2)
            if height > 0.0:
                panel.text(
                    place,
                    bottom + height / 2.0,
                    f"{name} = {height:.3g}",
                    ha="center",
                    va="center",
                    color="white" if color == BLUE else INK,
                    fontsize=11,
                )
            bottom += height
        panel.text(place, bottom, f"{bottom:.3g}", ha="center", va="bottom", fontsize=13, fontweight="bold")
    panel.set_xticks([0, 1], [name for name, _, _ in bars], fontsize=11.5)
    panel.set_ylabel("output of four workers in teams of two, goods")
    panel.set_ylim(0.0, 1.15 * four["sorted_output"])
    panel.set_title(f"$q_L$ = {four['skill_low']:.3g}, $q_H$ = {four['skill_high']:.3g}: sorting is efficient")
    panel.tick_params(axis="x", length=0)
    grid(panel)
    _foot(picture, results, only=("skill_low", "skill_high", "output_scale"))
    return picture


def wages(results: dict[str, Any], arrays: dict[str, Any]) -> Figure:
    """Draw Kremer's competitive wage beside the slides' price of a unit of skill."""
    part = _part(arrays, "wages")
    four = results["four_workers"]
    tasks = int(part["tasks"])
    picture = canvas(4.25)
    panel = picture.subplots()
    panel.plot(part["skill"], part["wage"], color=BLUE)
    panel.plot(part["skill"], part["price"], color=VERMILION, ls="--")
    panel.plot(part["skill"], part["output"], color=GREY, lw=1.4, ls="-.")
    for skill in (four["skill_low"], four["skill_high"]):
        panel.axvline(skill, color=INK, lw=1.0, ls=":")
    panel.set_xticks([0, 0.25, 0.5, 0.75, 1.0])
    panel.set_xlim(0.0, 1.0)
    panel.set_ylim(0.0, None)
    panel.set_xlabel(f"skill q of {'both' if tasks == 2 else f'all {tasks}'} team-mates (dotted: $q_L$, $q_H$)")
    panel.set_ylabel("goods")
    handles = [
        Line2D([], [], color=BLUE, label=f"wage of a worker, $A q^{{{tasks}}}/{tasks}$ (Kremer)"),
        Line2D([], [], color=VERMILION, ls="--", label=_price_label(tasks)),
        Line2D([], [], color=GREY, lw=1.4, ls="-.", label=f"output of the team, $A q^{{{tasks}}}$"),
    ]
    picture.legend(handles=handles, loc="outside upper left", ncols=1)
    grid(panel)
    _foot(picture, results, only=("skill_low", "skill_high", "tasks", "output_scale"))
    return picture


def _price_label(tasks: int) -> str:
    power = "" if tasks == 2 else f"^{{{tasks - 1}}}"
    return f"price of a unit of skill, $A q{power}$ (the slides’ “wage”)"


def divergence(results: dict[str, Any], arrays: dict[str, Any]) -> Figure:
    """Draw output per worker of two countries that start on either side of the trap's end."""
    part = _part(arrays, "divergence")
    picture = canvas(4.25)
    panel = picture.subplots()
    moving = np.flatnonzero((np.abs(np.diff(part["output"], axis=1)) > 1e-4).any(axis=0))
    last = int(min(part["period"][-1], max(6, (moving[-1] + 2) if moving.size else 6)))
    poor, rich = (float(output) for output in part["output"][:, last])
    apart = rich > 1.01 * poor
    for start, path, color, marker in zip(part["start"], part["output"], (VERMILION, BLUE), ("v", "^"), strict=True):
        panel.plot(part["period"], path, color=color, marker=marker, ms=6)
        if apart:
            panel.text(last + 0.3, path[last], f"starts with\n{100.0 * start:.0f}% skilled", va="center", color=color)
    if not apart:
        low, high = (f"{100.0 * start:.0f}%" for start in part["start"])
        panel.text(last + 0.3, part["output"][0, last], f"start with\n{low} and {high}\nskilled", va="center")
    panel.set_xlim(-0.15, last + 0.15)
    panel.set_ylim(0.0, 1.12 * float(part["output"].max()) or 1.0)
    panel.set_xticks(range(0, last + 1, 1 if last <= 10 else 2))
    panel.set_xlabel("generation")
    panel.set_ylabel("output per worker, goods")
    gap = f"a factor of {printed(rich / poor, 2)} apart" if poor > 0.0 else "apart, one with no output"
    end = f"end {gap}" if apart else "end in the same place"
    panel.set_title(f"Two countries that start nearly alike {end}")
    grid(panel)
    _foot(picture, results)
    return picture


def theory_figures(results: dict[str, Any], arrays: dict[str, Any]) -> dict[str, Callable[[], Figure]]:
    """Return how each figure of a job is drawn, by the stem of its files."""
    drawn: dict[str, Callable[[], Figure]] = {
        "equilibria": lambda: equilibria(results, arrays),
        "steady_states": lambda: along_key(results, arrays),
        "paths": lambda: paths(results, arrays),
    }
    if "four_workers" in results:
        drawn |= {
            "matching": lambda: matching(results),
            "wages": lambda: wages(results, arrays),
            "divergence": lambda: divergence(results, arrays),
        }
    # a prior that holds its parameter fixed leaves nothing to draw
    priors = [row["name"] for row in results["parameters"] if row["prior"]]
    if any(np.ptp(arrays[f"prior.{name}"]) > 0.0 for name in priors):
        drawn["prior"] = lambda: prior_draws(results, arrays)
    return drawn
