"""The regions on a map: points on latitude and longitude, ports and expressway; nothing else is known of the land."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, Normalize, SymLogNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from bigpush_est.report.quantitative.figures import labelled, named_regions
from bigpush_est.report.quantitative.labels import NOTHING, Results, known
from bigpush_est.report.style import GREY, INK, WIDTH

type Floats = NDArray[np.float64]

HEIGHT = 5.5
#: Left edge, lower edge, width and height of the two maps, in fractions of the figure.
_FRAMES = ((0.045, 0.185, 0.445, 0.765), (0.535, 0.185, 0.445, 0.765))
_KM_PER_DEGREE = 111.195
#: Area of the point of a region with all labour, and of one with none, in points squared.
_AREA, _LEAST = 1700.0, 7.0


@dataclass(frozen=True, slots=True)
class Shade:
    """What one of the two maps shows: a value per region, as a fraction.

    Attributes
    ----------
    title, unit
        Above the map and below its bar of colours, whose numbers are in hundredths.
    values
        One per region; NaN where there is none.
    shapes
        Whether regions that lose are squares.
    full
        Whether colours go from nothing to all, whatever the values are.
    """

    title: str
    unit: str
    values: Floats
    shapes: bool = False
    full: bool = False


def korea_map(results: Results) -> Figure:
    """Draw the change of the heavy GDP share, and the gain in welfare, of every region."""
    rows = results["regions"]
    change = np.array([_change(row) for row in rows])
    gain = np.array([row["welfare"] if known(row.get("welfare")) else np.nan for row in rows])
    picture = labelled(results, HEIGHT, arranged=False)
    shades = (
        Shade("A. Change of the heavy GDP share", "p.p.", change, shapes=True),
        Shade("B. Welfare gain", "% of consumption", gain),
    )
    return two_maps(picture, results, shades, named_regions(results))


def two_maps(picture: Figure, results: Results, shades: tuple[Shade, Shade], named: list[int]) -> Figure:
    """Draw two maps of the regions side by side.

    Parameters
    ----------
    picture
        An empty figure whose parts are not arranged.
    results
        Regions, ports and expressway are taken from it.
    shades
        What the maps show.
    named
        Regions whose names are written in bold; the largest others get theirs in grey.
    """
    rows = results["regions"]
    for frame, shade in zip(_FRAMES, shades, strict=True):
        panel = picture.add_axes(frame)
        _extent(panel, results, frame)
        _land(panel, results)
        norm, colors = _scale(shade)
        place = [_points(panel, rows, shade.values, norm, colors, shade.shapes)]
        _names(panel, rows, named, *place)
        panel.set_title(shade.title)
        bar = picture.add_axes((frame[0] + 0.03, 0.132, frame[2] - 0.06, 0.014))
        _bar(picture, bar, norm, colors, shade.unit)
    signs, sizes = _legend(results, shades[0].values)
    for handles, left, low in ((signs, 0.03, 0.012), (sizes, 0.53, 0.03)):
        picture.legend(
            handles=handles, loc="lower left", ncols=3, bbox_to_anchor=(left, low), fontsize=7, columnspacing=1.2
        )
    return picture


def _change(row: dict[str, Any]) -> float:
    pair = row.get("gdp_share_push"), row.get("gdp_share_none")
    return float(pair[0] - pair[1]) if known(pair[0]) and known(pair[1]) else np.nan


def _extent(panel: Axes, results: Results, frame: tuple[float, ...]) -> None:
    """Set limits so that a kilometre is as long both ways and the frame is filled."""
    economy = results["economy"]
    latitude = np.array([row["latitude"] for row in [*results["regions"], *economy.get("ports", [])]])
    longitude = np.array([row["longitude"] for row in [*results["regions"], *economy.get("ports", [])]])
    middle = np.array([0.5 * (longitude.min() + longitude.max()), 0.5 * (latitude.min() + latitude.max())])
    narrow = float(np.cos(np.radians(middle[1])))
    tall = max(float(np.ptp(latitude)), 0.2) * 1.10
    wide = max(float(np.ptp(longitude)) * narrow, 0.2) * 1.12
    ratio = frame[2] * WIDTH / (frame[3] * HEIGHT)
    tall, wide = max(tall, wide / ratio), max(wide, tall * ratio)
    panel.set_xlim(middle[0] - 0.5 * wide / narrow, middle[0] + 0.5 * wide / narrow)
    panel.set_ylim(middle[1] - 0.5 * tall, middle[1] + 0.5 * tall)
    panel.set_aspect(1.0 / narrow)
    for axis, letter in ((panel.xaxis, "E"), (panel.yaxis, "N")):
        ticks = [tick for tick in range(-180, 181) if axis.get_view_interval()[0] < tick < axis.get_view_interval()[1]]
        axis.set_ticks(ticks, [f"{tick}°{letter}" for tick in ticks])
    panel.tick_params(labelsize=6.5, length=2)
    panel.grid(visible=True, color="#F0F0F0", lw=0.6)
    panel.set_axisbelow(True)
    _ruler(panel, narrow)


def _ruler(panel: Axes, narrow: float) -> None:
    """Draw a scale of about a quarter of the map's width."""
    left, right = panel.get_xlim()
    low, high = panel.get_ylim()
    degree = _KM_PER_DEGREE * narrow
    length = max(km for km in (1, 2, 5, 10, 20, 50, 100, 200, 500) if km == 1 or km <= 0.3 * (right - left) * degree)
    x, y = right - 0.05 * (right - left) - length / degree, low + 0.035 * (high - low)
    panel.plot([x, x + length / degree], [y, y], color=INK, lw=1.2, solid_capstyle="butt")
    panel.annotate(
        f"{length} km",
        (x + 0.5 * length / degree, y),
        xytext=(0, 3),
        textcoords="offset points",
        ha="center",
        fontsize=6.5,
    )


def _land(panel: Axes, results: Results) -> None:
    """Draw the expressway and the ports."""
    economy = results["economy"]
    place = {row["region"]: (row["longitude"], row["latitude"]) for row in results["regions"]}
    for leg in economy.get("expressway", []):
        if len(leg) == 2 and all(end in place for end in leg):
            panel.plot(
                *zip(*(place[end] for end in leg), strict=True),
                color="#BDBDBD",
                lw=2.2,
                solid_capstyle="round",
                zorder=1,
            )
    for port in economy.get("ports", []):
        panel.plot(port["longitude"], port["latitude"], marker="x", ms=4.5, mew=1.1, color=INK, ls="none", zorder=4)


def _scale(shade: Shade) -> tuple[Normalize, Colormap]:
    """Return the scale of colours: about zero if there are losses, and by order of size where sizes differ much."""
    from matplotlib import colormaps

    if shade.full:
        return Normalize(0.0, 1.0), colormaps["Blues"]
    finite = shade.values[np.isfinite(shade.values)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    largest = max(abs(low), abs(high), 2.0 * NOTHING)
    if low < -NOTHING:
        return SymLogNorm(linthresh=min(0.01, largest), vmin=-largest, vmax=largest, base=10), colormaps["RdBu_r"]
    return Normalize(0.0, largest), colormaps["Oranges"]


def _areas(rows: list[dict[str, Any]]) -> Floats:
    return _LEAST + _AREA * np.array([row["labour"] for row in rows], dtype=np.float64)


def _points(
    panel: Axes, rows: list[dict[str, Any]], values: Floats, norm: Normalize, colors: Colormap, shapes: bool
) -> Floats:
    """Draw the regions, large ones first; return the radius of each in points."""
    areas = _areas(rows)
    for k in np.argsort(-areas, kind="stable"):
        row, value = rows[k], values[k]
        marker = "s" if shapes and value < -NOTHING else "o"
        panel.scatter(
            row["longitude"],
            row["latitude"],
            s=areas[k],
            marker=marker,
            color=colors(norm(value)) if np.isfinite(value) else "white",
            edgecolors=INK if row["subsidised"] else "#9A9A9A",
            linewidths=1.1 if row["subsidised"] else 0.4,
            zorder=2 if areas[k] > 60 else 3,
        )
    return np.sqrt(areas) / 2.0


def _names(panel: Axes, rows: list[dict[str, Any]], named: list[int], radius: Floats) -> None:
    """Write names where they cover neither each other nor points, as far as that can be had."""
    places = panel.transData.transform([(row["longitude"], row["latitude"]) for row in rows])
    points = 72.0 / panel.figure.dpi
    taken: list[tuple[float, float, float, float]] = []
    box = panel.get_window_extent()
    size = 7.0
    large = sorted((k for k in range(len(rows)) if k not in named), key=lambda k: -rows[k]["labour"])[:3]
    for k in [*named, *large]:
        x, y = places[k] * points
        # letters are about half as wide as high
        wide = (0.70 if k in named else 0.62) * size * len(rows[k]["name"]) + 1.0
        high = 1.05 * size
        best: tuple[float, float, float, tuple[float, float, float, float]] | None = None
        for far in (radius[k] + 1.5, radius[k] + 7.0, radius[k] + 14.0):
            for angle in np.radians((0, 180, 90, 270, 35, 145, -35, -145)):
                cx = x + np.cos(angle) * (far + 0.5 * wide)
                cy = y + np.sin(angle) * (far + 0.5 * high)
                mine = (cx - 0.5 * wide, cy - 0.5 * high, cx + 0.5 * wide, cy + 0.5 * high)
                cost = 0.15 * far + sum(40.0 for other in taken if _overlap(mine, other))
                cost += sum(_covers(mine, places[m] * points, float(radius[m])) for m in range(len(rows)) if m != k)
                inside = box.x0 * points < mine[0] and mine[2] < box.x1 * points and box.y0 * points < mine[1]
                cost += 0.0 if inside and mine[3] < box.y1 * points else 200.0
                if best is None or cost < best[0] - 1e-9:
                    best = (cost, cx, cy, mine)
        assert best is not None
        taken.append(best[3])
        spot = panel.transData.inverted().transform((best[1] / points, best[2] / points))
        strong = k in named
        away = float(np.hypot(best[1] - x, best[2] - y)) > radius[k] + 0.5 * wide + 4.0
        panel.annotate(
            rows[k]["name"],
            (rows[k]["longitude"], rows[k]["latitude"]),
            xytext=tuple(spot),
            textcoords="data",
            ha="center",
            va="center",
            fontsize=size,
            fontweight="bold" if strong else "normal",
            color=INK if strong else GREY,
            zorder=6,
            parse_math=False,
            arrowprops={"arrowstyle": "-", "lw": 0.4, "color": GREY, "shrinkA": 0, "shrinkB": float(radius[k])}
            if away
            else None,
        )


def _overlap(one: tuple[float, ...], two: tuple[float, ...]) -> bool:
    return one[0] < two[2] and two[0] < one[2] and one[1] < two[3] and two[1] < one[3]


def _covers(box: tuple[float, ...], centre: Any, radius: float) -> float:
    """Return what it costs to write over a point: more for a larger one."""
    dx = max(box[0] - centre[0], 0.0, centre[0] - box[2])
    dy = max(box[1] - centre[1], 0.0, centre[1] - box[3])
    return 3.0 + radius if dx * dx + dy * dy < radius * radius else 0.0


def _bar(picture: Figure, axes: Axes, norm: Normalize, colors: Colormap, unit: str) -> None:
    from matplotlib.cm import ScalarMappable

    bar = picture.colorbar(ScalarMappable(norm, colors), cax=axes, orientation="horizontal")
    bar.outline.set_linewidth(0.4)
    if isinstance(norm, SymLogNorm):
        largest = float(norm.vmax or 1.0)
        sizes = [size for size in (0.01, 0.1, 1.0) if size < 0.6 * largest] + [largest]
        ticks = [-size for size in reversed(sizes)] + [0.0, *sizes]
    else:
        top = float(norm.vmax or 1.0)
        ticks = [tick / 100.0 for tick in MaxNLocator(5).tick_values(0.0, 100.0 * top) if tick <= 100.0 * top]
    bar.set_ticks(ticks, labels=[f"{100 * tick:.3g}".replace("-", "−") for tick in ticks])
    bar.minorticks_off()
    axes.tick_params(labelsize=6.5, length=2)
    axes.set_xlabel(unit, fontsize=7, labelpad=1)


def _legend(results: Results, change: Floats) -> tuple[list[Line2D], list[Line2D]]:
    """Return what marks mean, and what sizes mean."""
    rows = results["regions"]
    largest = float(max(row["labour"] for row in rows))
    sizes = [size for size in (0.01, 0.05, 0.15) if size <= 1.05 * largest] or [largest]

    def point(label: str, **more: Any) -> Line2D:
        return Line2D(
            [], [], ls="none", label=label, **{"marker": "o", "mfc": "white", "mec": "#9A9A9A", "ms": 6.0, **more}
        )

    handles = [
        point("share rises or stays"),
        point("share falls (map A)", marker="s"),
        point("subsidised", mec=INK, mew=1.2),
        point("port", marker="x", ms=4.5, mec=INK),
        Line2D([], [], color="#BDBDBD", lw=2.2, label="expressway"),
    ]
    measures = [point(f"{100 * size:.2g}% of labour", ms=float(np.sqrt(_LEAST + _AREA * size))) for size in sizes]
    economy = results["economy"]
    absent = {"port": not economy.get("ports"), "expressway": not economy.get("expressway")}
    absent["share falls (map A)"] = not bool((change < -NOTHING).any())
    return [handle for handle in handles if not absent.get(str(handle.get_label()), False)], measures
