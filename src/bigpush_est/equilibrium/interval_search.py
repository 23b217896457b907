"""Interval exclusion: bisect [0, 1] and drop only what certainly holds no fixed point, for all draws at once."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bigpush_est.equilibrium.adoption_map import AdoptionMap, FloatArray

#: Intervals kept per draw before a draw is given up as unresolved (Γ follows the 45-degree line over a stretch).
MAX_INTERVALS = 2048
#: Intervals that the search starts from.
INITIAL_INTERVALS = 64


@dataclass(frozen=True, slots=True)
class FixedPoints:
    """What the search found, padded with NaN to S columns; ``sign_change`` is 1 down, −1 up, 0 none."""

    share: FloatArray
    slope: FloatArray
    residual: FloatArray
    sign_change: NDArray[np.int8]
    unresolved: NDArray[np.intp]


def search_fixed_points(adoption_map: AdoptionMap, resolution: float) -> FixedPoints:
    """All fixed points of each draw, up to ``resolution``.

    Parameters
    ----------
    adoption_map
        Must provide ``enclosure``.
    resolution
        Width at which bisection stops.
    """
    draw, low, high, overfull = _kept_intervals(adoption_map, resolution)
    first, last = _clusters(draw, low, high, resolution)
    cluster_draw, left, right = draw[first], low[first], high[last]
    inner = adoption_map.select(cluster_draw)
    # outside [0, 1] the map lies above 0 and below 1, so that a corner that is a fixed point shows as a sign change
    sign_left = np.where(left <= 0.0, 1.0, np.sign(inner(left) - left)) if draw.size else left
    sign_right = np.where(right >= 1.0, -1.0, np.sign(inner(right) - right)) if draw.size else right
    crossing = np.sign(sign_left - sign_right).astype(np.int8) * (sign_left * sign_right < 0)
    # an end of a cluster can itself be the fixed point
    at_left = (sign_left == 0.0) & (sign_right != 0.0)
    at_right = (sign_right == 0.0) & (sign_left != 0.0)
    crossing = np.where(at_left, np.where(sign_right < 0, 1, -1), crossing)
    crossing = np.where(at_right, np.where(sign_left > 0, 1, -1), crossing).astype(np.int8)
    # a corner that repels: a fixed point at the edge of [0, 1] which the convention above would hide
    repelling_left = (left <= 0.0) & (sign_right > 0) & (inner(left) == 0.0) if draw.size else crossing == 1
    repelling_right = (right >= 1.0) & (sign_left < 0) & (inner(right) == 1.0) if draw.size else crossing == 1
    at_left, at_right = at_left | repelling_left, at_right | repelling_right
    crossing = np.where(repelling_left | repelling_right, -1, crossing).astype(np.int8)
    root = _bisect(inner, left, right, crossing) if draw.size else left
    root = np.where(at_left, left, np.where(at_right, right, root))
    return _padded(adoption_map, cluster_draw, root, crossing, overfull, resolution)


def _kept_intervals(
    adoption_map: AdoptionMap, resolution: float
) -> tuple[NDArray[np.intp], FloatArray, FloatArray, NDArray[np.bool_]]:
    draws = adoption_map.n_draws
    edges = np.linspace(0.0, 1.0, INITIAL_INTERVALS + 1)
    draw = np.repeat(np.arange(draws), INITIAL_INTERVALS)
    low, high = np.tile(edges[:-1], draws), np.tile(edges[1:], draws)
    overfull = np.zeros(draws, dtype=bool)
    width = 1.0 / INITIAL_INTERVALS
    while True:
        inner = adoption_map.select(draw)
        below, above = inner.enclosure(low, high)
        keep = (above >= low) & (below <= high)
        draw, low, high = draw[keep], low[keep], high[keep]
        if width <= resolution or not draw.size:
            return draw, low, high, overfull
        crowded = np.bincount(draw, minlength=draws) > MAX_INTERVALS
        if crowded.any():
            overfull |= crowded
            spare = ~crowded[draw]
            draw, low, high = draw[spare], low[spare], high[spare]
        middle = 0.5 * (low + high)
        draw = np.repeat(draw, 2)
        low, high = np.column_stack([low, middle]).ravel(), np.column_stack([middle, high]).ravel()
        width *= 0.5


def _clusters(
    draw: NDArray[np.intp], low: FloatArray, high: FloatArray, resolution: float
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    if not draw.size:
        empty = np.empty(0, dtype=np.intp)
        return empty, empty
    apart = (np.diff(draw) != 0) | (low[1:] - high[:-1] > 0.5 * resolution)
    first = np.concatenate([[0], np.flatnonzero(apart) + 1])
    last = np.concatenate([np.flatnonzero(apart), [draw.size - 1]])
    return first, last


def _bisect(inner: AdoptionMap, left: FloatArray, right: FloatArray, crossing: NDArray[np.int8]) -> FloatArray:
    left, right = left.copy(), right.copy()
    for _ in range(64):
        middle = 0.5 * (left + right)
        above = (inner(middle) - middle) * np.where(crossing == 0, 1, crossing) > 0
        left, right = np.where(above, middle, left), np.where(above, right, middle)
    # both ends are one rounding apart; keep the one that the map moves least
    gap_left, gap_right = np.abs(inner(left) - left), np.abs(inner(right) - right)
    return np.where(gap_left <= gap_right, left, right)


def _padded(
    adoption_map: AdoptionMap,
    draw: NDArray[np.intp],
    root: FloatArray,
    crossing: NDArray[np.int8],
    overfull: NDArray[np.bool_],
    resolution: float,
) -> FixedPoints:
    draws = adoption_map.n_draws
    unresolved = overfull.astype(np.intp) + np.bincount(draw[crossing == 0], minlength=draws)
    found = crossing != 0
    draw, root, crossing = draw[found], root[found], crossing[found]
    counts = np.bincount(draw, minlength=draws)
    columns = max(int(counts.max(initial=0)), 1)
    position = np.arange(draw.size) - np.repeat(np.cumsum(counts) - counts, counts)
    share, slope, residual = (np.full((draws, columns), np.nan) for _ in range(3))
    sign = np.zeros((draws, columns), dtype=np.int8)
    if draw.size:
        inner = adoption_map.select(draw)
        step = max(resolution, 1e-7)
        ahead, behind = np.minimum(root + step, 1.0), np.maximum(root - step, 0.0)
        share[draw, position] = root
        sign[draw, position] = crossing
        residual[draw, position] = np.abs(inner(root) - root)
        slope[draw, position] = (inner(ahead) - inner(behind)) / (ahead - behind)
    return FixedPoints(share=share, slope=slope, residual=residual, sign_change=sign, unresolved=unresolved)
