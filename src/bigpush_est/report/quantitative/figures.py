"""Figures of a quantitative run: Figure 4, adopter shares by region, what the moments say of the parameters."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle
from numpy.typing import NDArray

from bigpush_est.report.numbers import fixed
from bigpush_est.report.quantitative.labels import (
    INDUSTRIALISED,
    PARAMETERS,
    TYPESET,
    Results,
    data_label,
    hundred,
    identifying,
    industrialised,
    moment,
    switched,
)
from bigpush_est.report.style import BLUE, GREY, INK, ORANGE, PALE, PURPLE, VERMILION, canvas, grid

type Floats = NDArray[np.float64]

#: Colour of the policy years.
POLICY = "#EDEDED"
#: Regions that a figure names at most, and at least where there are so many.
MOST, LEAST = 8, 4
#: A path has settled when the heavy sector's shares stay within this of their last values (fraction).
_SETTLED = 5e-4


def labelled(results: Results, height: float, *, arranged: bool = True) -> Figure:
    """Return an empty figure that says in its corner which kind of economy it shows: pictures travel alone."""
    picture = canvas(height, arranged=arranged)
    text = data_label(results)
    if arranged:
        picture.supxlabel(text, x=0.995, ha="right", fontsize=6, color=GREY, parse_math=False)
    else:
        picture.text(0.995, 0.004, text, ha="right", va="bottom", fontsize=6, color=GREY, parse_math=False)
    return picture


def spread(values: list[float], gap: float, low: float = -np.inf, high: float = np.inf) -> list[float]:
    """Return places for labels: near to the values, in their order, at least ``gap`` apart, within bounds.

    Examples
    --------
    >>> spread([1.0, 5.0], 1.0), spread([1.0, 1.0], 1.0), spread([1.0, 1.0], 1.0, high=1.0)
    ([1.0, 5.0], [0.5, 1.5], [0.0, 1.0])
    """

    def first(members: list[int]) -> float:
        place = float(np.mean([values[m] - gap * n for n, m in enumerate(members)]))
        return max(low, min(place, high - gap * (len(members) - 1)))

    # labels that touch are one block
    blocks: list[list[int]] = []
    for k in sorted(range(len(values)), key=lambda k: values[k]):
        block = [k]
        while blocks and first(blocks[-1]) + gap * len(blocks[-1]) > first(block) + 1e-9 * gap:
            block = blocks.pop() + block
        blocks.append(block)
    places = [0.0] * len(values)
    for block in blocks:
        for n, m in enumerate(block):
            places[m] = first(block) + gap * n
    return places


def horizon(arrays: dict[str, Any]) -> int:
    """Return how many periods are worth showing: until every series has settled, and nine at least."""
    series = [arrays[f"{side}_{name}"] for side in ("push", "none") for name in _OUTCOMES]
    moving = [np.flatnonzero(np.abs(values - values[-1]) > _SETTLED) for values in series]
    last = max((int(places[-1]) for places in moving if places.size), default=0)
    return min(len(arrays["year"]), max(last + 3, 9))


_OUTCOMES = ("gdp_share", "export_intensity", "employment_share")
_TITLES = ("A. GDP share", "B. Export intensity", "C. Employment share")
_UNITS = ("% of GDP", "% of gross output", "% of employment")


def figure4(results: Results, arrays: dict[str, Any], published: dict[int, float]) -> Figure:
    """Draw the paper's Figure 4: three outcomes with and without the push, and what is published of the data.

    Parameters
    ----------
    results, arrays
        As ``results.json`` and ``figures.npz`` hold them.
    published
        The heavy GDP share in the data by year, fractions.
    """
    picture = labelled(results, 2.4)
    panels = picture.subplots(1, 3)
    periods = horizon(arrays)
    year = arrays["year"][:periods]
    for panel, name, title, unit in zip(panels, _OUTCOMES, _TITLES, _UNITS, strict=True):
        ends = []
        for side, color, style, marker in (("push", BLUE, "-", "o"), ("none", VERMILION, "--", "s")):
            values = 100.0 * arrays[f"{side}_{name}"][:periods]
            panel.plot(year, values, color=color, ls=style, marker=marker, ms=2.6)
            ends.append((float(values[-1]), color))
        if name == "gdp_share":
            panel.plot(
                list(published),
                [100 * v for v in published.values()],
                marker="D",
                ms=5,
                mfc="white",
                mec=INK,
                ls="none",
                zorder=4,
            )
            for when, value in published.items():
                panel.annotate(
                    f"{100 * value:g}%",
                    (when, 100 * value),
                    xytext=(0, 6),
                    ha="center",
                    textcoords="offset points",
                    fontsize=7,
                )
        _framed(panel, results, year)
        top = panel.get_ylim()[1]
        panel.set_ylim(0.0, 1.12 * top)
        places = spread([value for value, _ in ends], 0.075 * 1.12 * top)
        for (value, color), place in zip(ends, places, strict=True):
            panel.annotate(
                fixed(value, 1),
                (1.02, place),
                xycoords=("axes fraction", "data"),
                color=color,
                fontsize=7.5,
                va="center",
                annotation_clip=False,
            )
        panel.set_title(title, fontsize=8.5)
        panel.set_ylabel(unit)
    handles: list[Line2D | Patch] = [
        Line2D([], [], color=BLUE, marker="o", ms=2.6, label="with the push"),
        Line2D([], [], color=VERMILION, ls="--", marker="s", ms=2.6, label="without"),
        *([Line2D([], [], marker="D", ms=5, mfc="white", mec=INK, ls="none", label="published")] if published else []),
        Patch(color=POLICY, label="policy years"),
    ]
    picture.legend(handles=handles, loc="outside upper left", ncols=4)
    return picture


def policy_years(results: Results) -> tuple[int, int]:
    """Return the first and the last year with subsidies: the calibrated years after the first."""
    years = results["economy"]["years"]
    return years[min(1, len(years) - 1)], years[-1]


def _framed(panel: Axes, results: Results, year: Any) -> None:
    """Shade the policy years and set the axis of years."""
    panel.axvspan(*policy_years(results), color=POLICY, lw=0, zorder=0)
    panel.set_xlim(year[0] - 2.5, year[-1] + 0.5)
    step = 8 if year[-1] - year[0] <= 40 else 16 if year[-1] - year[0] <= 100 else 48
    ticks = [int(when) for when in range(int(year[0]), int(year[-1]) + 1, step)]
    panel.set_xticks(ticks, [str(tick) for tick in ticks])
    grid(panel)


# -- adopter shares by region ----------------------------------------------------------------------------------------


def named_regions(results: Results) -> list[int]:
    """Return which regions a figure names: those that switch, then the industrialised ones, largest first."""
    rows = results["regions"]
    ids = {row["region"] for part in switched(results) for row in part}

    def rank(k: int) -> tuple[bool, bool, float, float]:
        row = rows[k]
        ends = industrialised(row, "push") or industrialised(row, "none")
        return (row["region"] not in ids, not ends, -(row["adopters_1980"] or 0.0) if not ends else 0.0, -row["labour"])

    order = sorted(range(len(rows)), key=rank)
    certain = sum(not rank(k)[1] for k in order)
    return order[: max(min(LEAST, len(rows)), min(MOST, certain))]


#: Colour, dashes, width and meaning of a region's line, by whether and when it industrialises.
_LINES: dict[str, tuple[str, str, float, str]] = {
    "alike": (BLUE, "-", 1.1, "named, ends alike"),
    "with": (VERMILION, "--", 1.1, "industrialised only with the push"),
    "without": (PURPLE, "-.", 1.1, "industrialised only without"),
    "subsidised": (GREY, "-", 0.6, "others, subsidised"),
    "other": ("#A8A8A8", ":", 0.8, "others, not subsidised"),
}


def _kinds(results: Results, named: list[int]) -> list[str]:
    """Return which of ``_LINES`` each region has."""
    gained, lost = ({row["region"] for row in part} for part in switched(results))
    kinds = []
    for k, row in enumerate(results["regions"]):
        rest = "alike" if k in named else "subsidised" if row["subsidised"] else "other"
        kinds.append("with" if row["region"] in gained else "without" if row["region"] in lost else rest)
    return kinds


def adopter_paths(results: Results, arrays: dict[str, Any]) -> Figure:
    """Draw the adopter share of every region with and without the push; the highest are named."""
    picture = labelled(results, 3.4)
    panels = picture.subplots(1, 2, sharey=True)
    rows, periods = results["regions"], horizon(arrays)
    year = arrays["year"][:periods]
    named = named_regions(results)
    kinds = _kinds(results, named)
    for panel, side, title in zip(panels, ("push", "none"), ("With the push", "Without the push"), strict=True):
        paths = 100.0 * arrays[f"{side}_adopter_share"][:periods]
        for k, kind in enumerate(kinds):
            color, style, width, _ = _LINES[kind]
            panel.plot(year, paths[:, k], color=color, ls=style, lw=width, zorder=1 + (width > 1.0))
        ends = spread([float(paths[-1, k]) for k in named], 6.2, 1.0, 102.0)
        for k, place in zip(named, ends, strict=True):
            line = {"arrowstyle": "-", "color": _LINES[kinds[k]][0], "lw": 0.5, "shrinkA": 1, "shrinkB": 0}
            panel.annotate(
                rows[k]["name"],
                (year[-1], float(paths[-1, k])),
                xytext=(1.07, place),
                textcoords=("axes fraction", "data"),
                arrowprops=line | {"relpos": (0.0, 0.5), "patchA": None},
                color=_LINES[kinds[k]][0],
                fontsize=7,
                va="center",
                annotation_clip=False,
                parse_math=False,
            )
        _framed(panel, results, year)
        panel.axhline(100 * INDUSTRIALISED, color=PALE, lw=0.8, zorder=0)
        panel.set_ylim(0.0, 104.0)
        panel.set_title(title)
    panels[0].set_ylabel("adopters, % of heavy firms")
    handles: list[Line2D | Patch] = [
        Line2D([], [], color=color, ls=style, lw=width, label=label)
        for kind, (color, style, width, label) in _LINES.items()
        if kind in kinds
    ]
    picture.legend(handles=[*handles, Patch(color=POLICY, label="policy years")], loc="outside upper left", ncols=3)
    return picture


# -- calibration -----------------------------------------------------------------------------------------------------


def heat(results: Results) -> Figure:
    """Draw the elasticities of the moments to the parameters, with the moment that the paper names framed."""
    found = results["calibration"]
    moments = [row["name"] for row in found["moments"]]
    names = [row["name"] for row in found["parameters"]]
    values = np.array(found["jacobian"], dtype=np.float64)
    picture = labelled(results, 0.6 + 0.24 * len(moments))
    panel = picture.subplots()
    largest = max(float(np.nanmax(np.abs(values))) if np.isfinite(values).any() else 1.0, 1e-9)
    # colours by the root of the size, so that small elasticities are told from none
    shade = np.sign(values) * np.sqrt(np.abs(values) / largest)
    panel.imshow(shade, cmap="RdBu_r", vmin=-1.6, vmax=1.6, aspect="auto")
    for k, j in np.ndindex(values.shape):
        panel.text(
            j, k, fixed(round(float(values[k, j]), 2) + 0.0, 2), ha="center", va="center", fontsize=7.5, color=INK
        )
    for j, name in enumerate(names):
        for k in identifying(name, moments):
            panel.add_patch(Rectangle((j - 0.47, k - 0.45), 0.94, 0.9, fill=False, ec=INK, lw=1.3))
    panel.set_xticks(range(len(names)), [TYPESET.get(name, name) for name in names])
    panel.set_yticks(range(len(moments)), [moment(name) for name in moments])
    panel.tick_params(length=0, top=True, labeltop=True, bottom=False, labelbottom=False)
    for side in ("left", "bottom"):
        panel.spines[side].set_visible(False)
    return picture


def identification(results: Results, arrays: dict[str, Any]) -> Figure | None:
    """Draw every moment as each parameter moves about its estimate; None if the run did not follow them."""
    factors, smooth, exact = (
        np.asarray(arrays[f"curve_{key}"], dtype=np.float64) for key in ("factors", "moments", "exact")
    )
    found = results["calibration"]
    moments = [row["name"] for row in found["moments"]]
    if smooth.ndim != 3 or not np.isfinite(smooth).any():
        return None
    target = np.array([row["target"] for row in found["moments"]], dtype=np.float64)
    picture = labelled(results, 4.4)
    panels = picture.subplots(2, 3, sharey=True).flat
    reach = 100.0 * np.nanmax(np.abs(smooth / target - 1.0))
    limit = float(np.clip(1.05 * reach, 10.0, 80.0))
    for j, (panel, parameter) in enumerate(zip(panels, found["parameters"], strict=True)):
        name, value = parameter["name"], parameter["value"]
        axis = 1.0 + factors * (value - 1.0) if name == "kappa" else factors * value
        panel.axhline(0.0, color=INK, lw=0.7, ls=":")
        panel.axvline(value, color=PALE, lw=1.0, zorder=0)
        own = identifying(name, moments)
        for k in range(len(moments)):
            if k not in own:
                panel.plot(axis, 100.0 * (smooth[j, :, k] / target[k] - 1.0), color="#A8A8A8", lw=0.8, zorder=1)
        words = [moment(moments[k]).replace(" manufacturing", "") for k in own]
        shared = {text.partition(", ")[0] for text in words} if len(words) > 1 else set(words)
        title = "; ".join(sorted(text[:1].lower() + text[1:] for text in shared))
        panel.set_title(f"{TYPESET.get(name, name).partition(',')[0]}: {title}", loc="left", fontweight="normal")
        for k, text, (color, style) in zip(own, words, ((BLUE, "-"), (ORANGE, "--")), strict=False):
            label = text.partition(", ")[2]
            if not np.allclose(smooth[j, :, k], exact[j, :, k], equal_nan=True):
                counted = 100.0 * (exact[j, :, k] / target[k] - 1.0)
                panel.step(axis, counted, where="mid", color=VERMILION, lw=1.0, label="counted", zorder=2)
                label = "smoothed"
            off = 100.0 * (smooth[j, :, k] / target[k] - 1.0)
            panel.plot(axis, off, color=color, ls=style, lw=1.8, label=label, zorder=3)
        panel.set_ylim(-limit, limit)
        panel.set_xlim(axis[0], axis[-1])
        if len(panel.get_legend_handles_labels()[0]) > 1:
            panel.legend(loc="best", fontsize=6.5, handlelength=1.6, borderaxespad=0.2)
        panel.locator_params(axis="x", nbins=5)
        grid(panel)
    for place in (0, 3):
        picture.axes[place].set_ylabel("model over target, less one, %")
    return picture


def elasticity_extremes(results: Results) -> str:
    """Return in words which elasticity is the largest."""
    found = results["calibration"]
    values = np.array(found["jacobian"], dtype=np.float64)
    if not np.isfinite(values).any():
        return ""
    k, j = np.unravel_index(int(np.nanargmax(np.abs(values))), values.shape)
    name = found["parameters"][int(j)]["name"]
    symbol = PARAMETERS.get(name, (name,))[0]
    return (
        f"The largest is {hundred(values[k, j] / 100.0)}: of “{moment(found['moments'][int(k)]['name']).lower()}” to "
        f"{symbol}."
    )
