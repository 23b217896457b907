"""Interval exclusion: bisect [0, 1] and drop only what certainly holds no fixed point, for all draws at once.

Certainly means up to the rounding of the map itself: the bounds are not rounded outwards.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bigpush_est.equilibrium.adoption_map import AdoptionMap, FloatArray

#: Intervals kept per draw beyond which they are halved no further (Γ follows the 45-degree line over a stretch).
MAX_INTERVALS = 2048
#: Neighbouring intervals of such a draw from which on their stretch counts as unresolved; its other states are kept.
CROWDED_GROUP = 256
#: Distance from a corner at which the map tells whether the corner attracts or repels.
CORNER_PROBE = 2.0**-40
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
    if not draw.size:
        nothing = np.empty(0, dtype=np.int8)
        return _padded(adoption_map, draw, low, nothing, overfull, resolution)
    sign_low, sign_high, corner_low, corner_high = _signs(adoption_map.select(draw), low, high)
    first, last = _groups(draw, low, high, sign_low, sign_high, resolution)
    sign_left, sign_right = sign_low[first], sign_high[last]
    crossing = np.where(sign_left * sign_right < 0, np.sign(sign_left - sign_right), 0.0)
    # an end of a group can itself be the fixed point
    at_left = (sign_left == 0.0) & (sign_right != 0.0)
    at_right = (sign_right == 0.0) & (sign_left != 0.0)
    crossing = np.where(at_left, -sign_right, np.where(at_right, sign_left, crossing))
    # Γ follows the 45-degree line so closely here that one sign change says little about what the group holds
    crossing[overfull[draw[first]] & (last - first >= CROWDED_GROUP)] = 0.0
    group_draw, left, right = draw[first], low[first], high[last]
    root = _bisect(adoption_map.select(group_draw), left, right, crossing)
    root = np.where(at_left | corner_low[first], left, np.where(at_right | corner_high[last], right, root))
    return _padded(adoption_map, group_draw, root, crossing.astype(np.int8), overfull, resolution)


def _kept_intervals(
    adoption_map: AdoptionMap, resolution: float
) -> tuple[NDArray[np.intp], FloatArray, FloatArray, NDArray[np.bool_]]:
    """Intervals that may hold a fixed point, ordered by draw and place; a crowded draw keeps the width it had."""
    draws = adoption_map.n_draws
    edges = np.linspace(0.0, 1.0, INITIAL_INTERVALS + 1)
    draw = np.repeat(np.arange(draws), INITIAL_INTERVALS)
    low, high = np.tile(edges[:-1], draws), np.tile(edges[1:], draws)
    overfull = np.zeros(draws, dtype=bool)
    finished: list[tuple[NDArray[np.intp], FloatArray, FloatArray]] = []
    width = 1.0 / INITIAL_INTERVALS
    while draw.size:
        below, above = adoption_map.select(draw).enclosure(low, high)
        keep = (above >= low) & (below <= high)
        draw, low, high = draw[keep], low[keep], high[keep]
        crowded = np.bincount(draw, minlength=draws) > MAX_INTERVALS
        overfull |= crowded
        done = crowded[draw] | (width <= resolution)
        finished.append((draw[done], low[done], high[done]))
        draw, low, high = draw[~done], low[~done], high[~done]
        middle = 0.5 * (low + high)
        draw = np.repeat(draw, 2)
        low, high = np.column_stack([low, middle]).ravel(), np.column_stack([middle, high]).ravel()
        width *= 0.5
    draw, low, high = (np.concatenate([part[i] for part in finished]) for i in range(3))
    order = np.lexsort((low, draw))
    return draw[order], low[order], high[order], overfull


def _signs(
    inner: AdoptionMap, low: FloatArray, high: FloatArray
) -> tuple[FloatArray, FloatArray, NDArray[np.bool_], NDArray[np.bool_]]:
    """Sign of Γ(λ) − λ at both ends of each interval, and whether the end is a corner that is a fixed point.

    Outside [0, 1] the map lies above 0 and below 1, so that a corner that attracts is a change from + to −.  At a
    corner that repels, the opposite sign shows it as what it is: the boundary of a basin, a change from − to +.
    """
    sign_low, sign_high = np.sign(inner(low) - low), np.sign(inner(high) - high)
    corner_low, corner_high = (low <= 0.0) & (sign_low == 0.0), (high >= 1.0) & (sign_high == 0.0)
    beside_low = _sign_beside(inner, corner_low, CORNER_PROBE, sign_high)
    beside_high = _sign_beside(inner, corner_high, 1.0 - CORNER_PROBE, sign_low)
    sign_low = np.where(low <= 0.0, np.where(beside_low > 0.0, -1.0, 1.0), sign_low)
    sign_high = np.where(high >= 1.0, np.where(beside_high < 0.0, 1.0, -1.0), sign_high)
    # a corner is the fixed point of its interval if the map keeps to one side of the line from there to the other end
    return sign_low, sign_high, beside_low * sign_high > 0.0, beside_high * sign_low > 0.0


def _sign_beside(inner: AdoptionMap, corner: NDArray[np.bool_], probe: float, otherwise: FloatArray) -> FloatArray:
    """Sign of Γ(λ) − λ just inside the corners marked, 0 elsewhere; the interval's other end decides a tie."""
    beside = np.zeros(corner.size)
    index = np.flatnonzero(corner)
    if index.size:
        sign = np.sign(inner.select(index)(np.full(index.size, probe)) - probe)
        beside[index] = np.where(sign == 0.0, otherwise[index], sign)
    return beside


def _groups(
    draw: NDArray[np.intp],
    low: FloatArray,
    high: FloatArray,
    sign_low: FloatArray,
    sign_high: FloatArray,
    resolution: float,
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """First and last interval of each run of neighbours, cut so that no run holds more than one change of sign."""
    apart = (np.diff(draw) != 0) | (low[1:] - high[:-1] > 0.5 * resolution)
    starts = np.concatenate([[True], apart])
    ends = np.concatenate([apart, [True]])
    place = np.arange(draw.size)
    # the last sign that was not zero, at or before the left end of each interval of a run
    carried = sign_low[np.maximum.accumulate(np.where(starts | (sign_low != 0.0), place, 0))]
    changes = np.cumsum(carried * sign_high < 0.0)
    run = np.cumsum(starts) - 1
    more_to_come = changes < changes[ends][run]
    changed_here = np.diff(changes, prepend=0) > 0
    ends = ends | (changed_here & more_to_come)
    last = np.flatnonzero(ends)
    return np.concatenate([[0], last[:-1] + 1]), last


def _bisect(inner: AdoptionMap, left: FloatArray, right: FloatArray, crossing: FloatArray) -> FloatArray:
    for _ in range(64):
        middle = 0.5 * (left + right)
        above = (inner(middle) - middle) * np.where(crossing == 0.0, 1.0, crossing) > 0.0
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
    unresolved = np.maximum(overfull, np.bincount(draw[crossing == 0], minlength=draws)).astype(np.intp)
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
