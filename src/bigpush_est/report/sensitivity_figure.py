"""How the answer moves with every assumption that a study varies."""

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from bigpush_est.report.style import BLUE, GREY, INK, ORANGE, SKY, VERMILION, canvas, grid

#: Rows that one page holds in a readable size.
PAGE = 44
#: Probabilities that the axis may be marked at.
TICKS = (1e-5, 1e-4, 1e-3, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999, 0.9999)

type Row = tuple[str, dict[str, Any] | None]


def sensitivity_rows(results: dict[str, Any]) -> list[list[Row]]:
    """Rows of the figure, cut into pages: a heading has no summary; the study itself comes first."""
    rows: list[Row] = [("This study", results["main"])]
    pages, group = [rows], None
    for variant in results["variants"]:
        opens = variant["group"] != group
        if len(rows) + 1 + opens > PAGE:
            rows = [("This study", results["main"])]
            pages.append(rows)
            opens = True
        if opens:
            group = variant["group"]
            rows.append((group, None))
        rows.append((variant["label"], variant["summary"]))
    return pages


def sensitivity(rows: list[Row]) -> Figure:
    """Draw one page: probabilities on the left, δ beside the δ that several steady states need on the right."""
    picture = canvas(0.85 + 0.172 * len(rows))
    left, right = picture.subplots(1, 2, sharey=True, width_ratios=(1.0, 1.0))
    lowest = highest = 0.5
    base = rows[0][1]
    assert base is not None
    for place, (_, summary) in enumerate(rows):
        if summary is None:
            continue
        for name, color, marker, offset in (("possible", SKY, "s", -0.16), ("multiple", VERMILION, "o", 0.16)):
            low, high = _chance(left, place + offset, summary["probabilities"][name], color, marker)
            lowest, highest = min(lowest, low), max(highest, high)
        _delta(right, place, summary["quantities"])
    for panel in (left, right):
        for place, (_, summary) in enumerate(rows):
            if summary is not None and place % 2:
                panel.axhspan(place - 0.5, place + 0.5, color="#F7F7F7", lw=0, zorder=0)
        grid(panel, "x")
        panel.tick_params(axis="y", length=0)
        panel.spines["left"].set_visible(False)
    left.set_ylim(len(rows) - 0.4, -0.6)
    left.set_yticks(range(len(rows)), [label for label, _ in rows], parse_math=False)
    for text, (_, summary) in zip(left.get_yticklabels(), rows, strict=True):
        if summary is None:
            text.set_fontweight("bold")
    left.get_yticklabels()[0].set_fontweight("bold")
    left.set_xscale("logit", nonpositive="mask")
    low, high = 0.4 * lowest, 1.0 - 0.4 * (1.0 - highest)
    left.set_xlim(low, high)
    shown = [tick for tick in TICKS if low <= tick <= high]
    left.set_xticks(shown, [f"{100 * tick:g}" for tick in shown], fontsize=7.5)
    left.set_xticks([], minor=True)
    left.set_xlabel("probability, % (logit axis)")
    chance, needed = base["probabilities"]["possible"], base["quantities"]["needed_delta"]["median"]
    if 0 < chance["hits"] < chance["draws"]:
        left.axvline(chance["estimate"], color=SKY, lw=0.9, ls=":", zorder=1)
    if needed is not None:
        right.axvline(needed, color=ORANGE, lw=0.9, ls=":", zorder=1)
    right.set_xlim(left=0.0)
    right.set_xlabel("δ, spillover semi-elasticity")
    picture.legend(handles=_legend(), loc="outside upper left", ncols=3)
    return picture


def _chance(panel: Axes, place: float, chance: dict[str, Any], color: str, marker: str) -> tuple[float, float]:
    """Draw a probability: a dot with its 95% interval, or an arrow from the bound when all draws agree."""
    low, high = chance["bound_low"], chance["bound_high"]
    if chance["hits"] == 0:
        panel.plot(high, place, marker=marker, ms=4, mfc="white", mec=color, zorder=3)
        _arrow(panel, high, place, -13, color)
        return high / 3.0, high
    if chance["hits"] == chance["draws"]:
        panel.plot(low, place, marker=marker, ms=4, mfc="white", mec=color, zorder=3)
        _arrow(panel, low, place, 13, color)
        return low, 1.0 - (1.0 - low) / 3.0
    panel.plot([low, high], [place, place], color=color, lw=1.3, zorder=2)
    panel.plot(chance["estimate"], place, marker=marker, ms=4.2, color=color, zorder=3)
    return low, high


def _arrow(panel: Axes, value: float, place: float, points: float, color: str) -> None:
    panel.annotate(
        "",
        (value, place),
        xytext=(points, 0),
        textcoords="offset points",
        arrowprops={"arrowstyle": "<-", "color": color, "lw": 1.0, "shrinkA": 0, "shrinkB": 2, "mutation_scale": 7},
    )


def _delta(panel: Axes, place: float, quantities: dict[str, Any]) -> None:
    delta = quantities["delta"]
    panel.plot([delta["low90"], delta["high90"]], [place, place], color=BLUE, lw=2.0, solid_capstyle="butt", zorder=2)
    panel.plot(delta["median"], place, marker="o", ms=4, color=BLUE, zorder=3)
    for name, color, marker in (("critical_delta", INK, "|"), ("needed_delta", ORANGE, "D")):
        if quantities[name]["median"] is not None:
            panel.plot(quantities[name]["median"], place, marker=marker, ms=4.5 if marker == "D" else 7, color=color)


def _legend() -> list[Line2D]:
    def point(color: str, marker: str, label: str, **more: Any) -> Line2D:
        return Line2D([], [], color=color, marker=marker, label=label, **{"ls": "none", "ms": 4.5, **more})

    return [
        point(SKY, "s", "P(several for some L/Fᵀ)"),
        point(VERMILION, "o", "P(several, L/Fᵀ pinned)"),
        point(GREY, "o", "95% bound: no draw (←) or every draw (→)", mfc="white"),
        point(BLUE, "o", "δ: median and 90% interval", ls="-"),
        point(ORANGE, "D", "δ needed, L/Fᵀ pinned"),
        point(INK, "|", "δ needed for some L/Fᵀ", ms=7),
    ]
