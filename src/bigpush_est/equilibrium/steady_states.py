"""Every fixed point of an adoption map, its stability, and the long run from any start, over batches of draws.

Completeness
------------
- Concave inverse (exact): steady states of a ``ConcaveInverseMap`` solve G(λ) = g(λ) − δλ = k.  G is concave with
  peak λ*: at most one root on [0, λ*), stable, at most one on (λ*, 1], unstable.  Add the corners: λ = 0 if k ≤ G(0),
  λ = 1 if k ≥ G(1).  The list is complete because no other case exists.
- Interval exclusion (certified to a resolution): for other maps, [0, 1] is bisected; an interval [a, b] is dropped
  only if an enclosure of Γ([a, b]) misses [a, b].  Every fixed point lies in what remains.  What remains is refined to
  sign changes of Γ(λ) − λ; a remainder without a sign change (a tangency, or roots closer than the resolution) is
  counted in ``unresolved``, never dropped.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bigpush_est.equilibrium.adoption_map import (
    AdoptionMap,
    ConcaveInverseMap,
    FloatArray,
    Function,
    bracketed_newton,
    newton_from_outside,
)
from bigpush_est.equilibrium.interval_search import search_fixed_points
from bigpush_est.errors import InvalidValue, ShapeMismatch

#: |Γ(λ) − λ| up to which a share counts as a steady state.
RESIDUAL_TOLERANCE = 1e-9
#: Draws solved together: large enough for vectorised exp and log, small enough to stay in the processor's cache.
CHUNK = 8192
#: Draws searched together by interval exclusion, which keeps up to ``MAX_INTERVALS`` intervals for each.
SEARCH_CHUNK = 1024

STABLE, UNSTABLE, SEMISTABLE = 1, -1, 0


@dataclass(frozen=True, slots=True)
class SteadyStates:
    """All steady states of each draw, in ascending order, padded with NaN.

    Attributes
    ----------
    share
        λ, shape (D, S).
    slope
        Γ′(λ), shape (D, S); 0 at a corner at which Γ is flat, NaN at a jump.
    stability
        1 stable, −1 unstable, 0 semi-stable (a tangency), shape (D, S).
    residual
        |Γ(λ) − λ|, shape (D, S).
    jump
        True where a discontinuous map jumps over the 45-degree line: a basin boundary, not a steady state.
    unresolved
        Intervals per draw in which fixed points can neither be excluded nor told apart, shape (D,).
    converged
        No unresolved interval, and every residual within tolerance, shape (D,).
    monotone
        Whether basins are intervals.
    completeness
        How the list is known to be complete.
    """

    share: FloatArray
    slope: FloatArray
    stability: NDArray[np.int8]
    residual: FloatArray
    jump: NDArray[np.bool_]
    unresolved: NDArray[np.intp]
    converged: NDArray[np.bool_]
    monotone: bool
    completeness: str

    @property
    def count(self) -> NDArray[np.intp]:
        """Number of steady states of each draw, shape (D,)."""
        result: NDArray[np.intp] = np.count_nonzero(np.isfinite(self.share) & ~self.jump, axis=1)
        return result

    @property
    def stable_count(self) -> NDArray[np.intp]:
        """Number of stable steady states of each draw, shape (D,)."""
        stable = np.isfinite(self.share) & (self.stability == STABLE) & ~self.jump
        result: NDArray[np.intp] = np.count_nonzero(stable, axis=1)
        return result

    @property
    def multiple(self) -> NDArray[np.bool_]:
        """At least two stable steady states, shape (D,): the big push's precondition."""
        return self.stable_count >= 2

    @property
    def lowest(self) -> FloatArray:
        """Lowest stable steady state (the pre-industrialised one), shape (D,); NaN if there is none."""
        return self._extreme(first=True)

    @property
    def highest(self) -> FloatArray:
        """Highest stable steady state (the industrialised one), shape (D,); NaN if there is none."""
        return self._extreme(first=False)

    def _extreme(self, *, first: bool) -> FloatArray:
        stable = np.isfinite(self.share) & (self.stability == STABLE) & ~self.jump
        order = np.where(stable, self.share, np.inf if first else -np.inf)
        value = order.min(axis=1) if first else order.max(axis=1)
        return np.where(np.isfinite(value), value, np.nan)

    @property
    def threshold(self) -> FloatArray:
        """Lowest basin boundary S^U (unstable state or jump), shape (D,); NaN without one."""
        boundary = np.where(self.stability == UNSTABLE, self.share, np.inf)
        value = np.nanmin(np.where(np.isnan(boundary), np.inf, boundary), axis=1)
        return np.where(np.isfinite(value), value, np.nan)

    def basins(self) -> FloatArray:
        """Closure of the starts from which each stable or semi-stable state is reached, shape (D, S, 2).

        NaN for unstable states, and for draws with unresolved intervals.  A start on a boundary stays there or, at a
        semi-stable state, belongs to the state itself.

        Raises
        ------
        InvalidValue
            If the map is not monotone: basins need not be intervals then; use ``long_run`` from a grid of starts.
        """
        if not self.monotone:
            raise InvalidValue(
                key="map",
                value="not monotone",
                requirement="nondecreasing for basins to be intervals",
                remedy="call long_run from a grid of starts instead",
            )
        draws, states = self.share.shape
        result = np.full((draws, states, 2), np.nan)
        # Between neighbouring states Γ(λ) − λ keeps one sign.  It starts positive, because Γ ≥ 0; a stable state turns
        # it negative and an unstable one positive, while at a semi-stable state it stays what it was: such a state is
        # reached from below where the sign is positive and from above where it is negative.
        rising = np.ones(draws, dtype=bool)
        lower = np.zeros(draws)
        for s in range(states):
            present = np.isfinite(self.share[:, s]) & (self.unresolved == 0)
            place, kind = self.share[:, s], self.stability[:, s]
            following = np.ones(draws)
            if s + 1 < states:
                # a state that attracts from above is left to the next boundary, which is the next unstable state or
                # the next semi-stable one (a stable one cannot follow without either)
                following = np.where(np.isfinite(self.share[:, s + 1]), self.share[:, s + 1], 1.0)
            upwards = (kind == STABLE) | ((kind == SEMISTABLE) & ~rising)
            reached = present & (kind != UNSTABLE)
            result[:, s, 0] = np.where(reached, np.where(rising, lower, place), np.nan)
            result[:, s, 1] = np.where(reached, np.where(upwards, following, place), np.nan)
            lower = np.where(present, place, lower)
            rising = np.where(present & (kind != SEMISTABLE), kind == UNSTABLE, rising)
        return result


def steady_states(
    adoption_map: AdoptionMap, *, resolution: float = 2.0**-24, tolerance: float = RESIDUAL_TOLERANCE
) -> SteadyStates:
    """Find every steady state λ = Γ(λ) of every draw.

    Parameters
    ----------
    adoption_map
        The map; its class decides how completeness is guaranteed (see the module's page).
    resolution
        Interval width at which interval exclusion stops; not used for a concave inverse.
    tolerance
        Largest residual |Γ(λ) − λ| of a state that counts as converged.

    Returns
    -------
    SteadyStates

    Examples
    --------
    >>> import numpy as np
    >>> from bigpush_est.equilibrium.simple import SimpleEconomy
    >>> economy = SimpleEconomy.pinned(eta=1.25, delta=[0.68, 3.0], adopter_share=0.07)
    >>> states = steady_states(economy)
    >>> states.count.tolist(), states.multiple.tolist()
    ([1, 3], [False, True])
    """
    if not 0 < resolution <= 0.25:
        raise InvalidValue(
            key="resolution", value=resolution, requirement="in (0, 0.25]", remedy="use the default 2**-24"
        )
    if isinstance(adoption_map, ConcaveInverseMap):
        parts = [
            _concave_inverse_states(adoption_map.select(slice(i, i + CHUNK)), tolerance)
            for i in range(0, adoption_map.n_draws, CHUNK)
        ]
        return _joined(parts, monotone=True, completeness="exact: concave inverse, at most two interior roots")
    parts = [
        _searched_states(adoption_map.select(slice(i, i + SEARCH_CHUNK)), resolution, tolerance)
        for i in range(0, adoption_map.n_draws, SEARCH_CHUNK)
    ]
    return _joined(
        parts,
        monotone=adoption_map.monotone,
        completeness=f"interval exclusion to a resolution of {resolution:.1e}",
    )


def _searched_states(adoption_map: AdoptionMap, resolution: float, tolerance: float) -> SteadyStates:
    found = search_fixed_points(adoption_map, resolution)
    kept = np.isfinite(found.share)
    jump = kept & (found.residual > np.maximum(tolerance, 8 * resolution)) & (found.sign_change == UNSTABLE)
    stability = np.where(kept, found.sign_change, 0).astype(np.int8)
    with np.errstate(invalid="ignore"):
        stability[kept & ~jump & (stability == STABLE) & (found.slope < -1)] = UNSTABLE
    fine = np.where(kept & ~jump, found.residual <= tolerance, True).all(axis=1)
    return SteadyStates(
        share=found.share,
        slope=np.where(jump, np.nan, found.slope),
        stability=stability,
        residual=found.residual,
        jump=jump,
        unresolved=found.unresolved,
        # a continuous or nondecreasing map of [0, 1] into itself has a fixed point: none found is a failure
        converged=fine & (found.unresolved == 0) & (kept & ~jump).any(axis=1),
        monotone=adoption_map.monotone,
        completeness="",
    )


def _joined(parts: list[SteadyStates], *, monotone: bool, completeness: str) -> SteadyStates:
    columns = max(part.share.shape[1] for part in parts)

    def joined(name: str, filler: float | bool) -> NDArray[Any]:
        arrays = [getattr(part, name) for part in parts]
        padding = [((0, 0), (0, columns - array.shape[1])) for array in arrays]
        return np.concatenate([np.pad(a, pad, constant_values=filler) for a, pad in zip(arrays, padding, strict=True)])

    return SteadyStates(
        share=joined("share", np.nan),
        slope=joined("slope", np.nan),
        stability=joined("stability", 0),
        residual=joined("residual", np.nan),
        jump=joined("jump", False),
        unresolved=np.concatenate([part.unresolved for part in parts]),
        converged=np.concatenate([part.converged for part in parts]),
        monotone=monotone,
        completeness=completeness,
    )


def peak_share(adoption_map: ConcaveInverseMap) -> FloatArray:
    """λ* = argmax over [0, 1] of G(λ) = g(λ) − δλ, shape (D,); it separates stable from unstable steady states."""
    delta = adoption_map.spillover
    ones = np.ones(adoption_map.n_draws)
    peak = np.where(adoption_map.potential_derivatives(ones)[1] >= delta, 1.0, np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        slope_at_zero = adoption_map.potential_derivatives(np.zeros(adoption_map.n_draws))[1]
    peak = np.where(np.isnan(peak) & (slope_at_zero <= delta), 0.0, peak)
    index = np.flatnonzero(np.isnan(peak))
    if index.size:

        def restrict(chosen: NDArray[np.intp]) -> Function:
            inner = adoption_map.select(index[chosen])
            target = inner.spillover

            def marginal(share: FloatArray) -> tuple[FloatArray, FloatArray]:
                _, slope, curvature = inner.potential_derivatives(share)
                return slope - target, curvature

            return marginal

        start = adoption_map.select(index).slope_start(delta[index])
        peak[index] = bracketed_newton(restrict, np.zeros(index.size), np.ones(index.size), start)
    return peak


def _concave_inverse_states(adoption_map: ConcaveInverseMap, tolerance: float) -> SteadyStates:
    draws = adoption_map.n_draws
    level, delta = adoption_map.level, adoption_map.spillover
    ones, zeros = np.ones(draws), np.zeros(draws)
    g_one, slope_one, _ = adoption_map.potential_derivatives(ones)
    g_one = g_one - delta
    with np.errstate(divide="ignore"):
        g_zero = adoption_map.potential(zeros)
    # Where G rises up to 1 or lies above k there, its peak is above k if G(1) is; only otherwise it has to be known.
    falling = slope_one < delta
    needed = np.flatnonzero(falling & (level >= g_one))
    peak, g_peak = np.where(falling, np.nan, 1.0), np.where(falling, np.inf, g_one)
    if needed.size:
        inner = adoption_map.select(needed)
        peak[needed] = peak_share(inner)
        with np.errstate(divide="ignore"):
            g_peak[needed] = inner.potential(peak[needed]) - inner.spillover * peak[needed]

    share = np.full((draws, 3), np.nan)
    stability = np.zeros((draws, 3), dtype=np.int8)

    lower = (level > g_zero) & (level < g_peak)
    _fill(adoption_map, share[:, 0], np.flatnonzero(lower), side="left")
    share[level <= g_zero, 0] = 0.0
    stability[np.isfinite(share[:, 0]), 0] = STABLE

    upper = falling & (level > g_one) & (level < g_peak)
    _fill(adoption_map, share[:, 1], np.flatnonzero(upper), side="right")
    stability[upper, 1] = UNSTABLE

    # G(λ*) = k: the two roots coincide, attracting from one side only
    tangent = falling & (level == g_peak) & (peak > 0.0)
    share[tangent, 0] = peak[tangent]
    stability[tangent, 0] = SEMISTABLE

    share[level >= g_one, 2] = 1.0
    stability[level > g_one, 2] = STABLE
    # at k = G(1) the map reaches 1 exactly there: attracting if G still rises (no other root), else from one side only
    edge = level == g_one
    stability[edge, 2] = np.where(falling[edge], SEMISTABLE, STABLE)

    order = np.argsort(share, axis=1, kind="stable")  # NaN sorts last
    share = np.take_along_axis(share, order, axis=1)
    stability = np.take_along_axis(stability, order, axis=1)
    slope, residual = np.full((draws, 3), np.nan), np.full((draws, 3), np.nan)
    for s in range(3):
        index = np.flatnonzero(np.isfinite(share[:, s]))
        if index.size:
            point = share[index, s]
            slope[index, s], residual[index, s] = _slope_and_residual(adoption_map.select(index), point)
    converged = np.where(np.isfinite(share), residual <= tolerance * np.maximum(1.0, np.abs(slope)), True).all(axis=1)
    return SteadyStates(
        share=share,
        slope=slope,
        stability=stability,
        residual=residual,
        jump=np.zeros((draws, 3), dtype=bool),
        unresolved=np.zeros(draws, dtype=np.intp),
        converged=converged & np.isfinite(share).any(axis=1),
        monotone=True,
        completeness="exact: concave inverse, at most two interior roots",
    )


def _slope_and_residual(inner: ConcaveInverseMap, point: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Γ′ and |Γ(λ) − λ| at steady states: one Newton step of the inversion, started at the state, is exact there."""
    value, slope, _ = inner.potential_derivatives(point)
    corner = (point <= 0.0) | (point >= 1.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        gap = inner.level + inner.spillover * point - value
        # beyond a corner the map stays there, and is flat; a share of 0 where g is −∞ stands for one too small to write
        stays = (gap == 0.0) | (corner & ((gap > 0.0) == (point >= 1.0))) | (np.isneginf(value) & (point <= 0.0))
        residual = np.where(stays, 0.0, np.abs(gap / slope))
        return np.where(corner, 0.0, inner.spillover / slope), residual


def _fill(adoption_map: ConcaveInverseMap, column: FloatArray, index: NDArray[np.intp], side: str) -> None:
    if not index.size:
        return

    def restrict(chosen: NDArray[np.intp]) -> Function:
        inner = adoption_map.select(index[chosen])
        level, delta = inner.level, inner.spillover

        def excess(share: FloatArray) -> tuple[FloatArray, FloatArray]:
            value, slope, _ = inner.potential_derivatives(share)
            return value - delta * share - level, slope - delta

        return excess

    inner = adoption_map.select(index)
    start = inner.inverse_start(inner.level) if side == "left" else np.ones(index.size)
    column[index] = newton_from_outside(restrict, start, side)


@dataclass(frozen=True, slots=True)
class LongRun:
    """Where each draw ends from a given start.

    Attributes
    ----------
    share
        Last share, shape (D,).
    outcome
        ``"steady state"``, ``"cycle"`` or ``"not converged"``, shape (D,).
    cycle_length
        Period of the cycle, 1 for a steady state, 0 if not converged, shape (D,).
    periods
        Periods taken, shape (D,).
    residual
        |Γ(λ) − λ| at the last share, shape (D,).
    """

    share: FloatArray
    outcome: NDArray[np.str_]
    cycle_length: NDArray[np.intp]
    periods: NDArray[np.intp]
    residual: FloatArray


def starting_shares(adoption_map: AdoptionMap, start: ArrayLike) -> FloatArray:
    """Return a start, or one per draw, as an array of shape (D,) of its own."""
    share = np.asarray(start, dtype=np.float64)
    if share.ndim > 1 or (share.ndim == 1 and share.size not in (1, adoption_map.n_draws)):
        raise ShapeMismatch(
            key="start",
            shape=share.shape,
            expected=f"a scalar or ({adoption_map.n_draws},)",
            remedy="pass one start per draw",
        )
    if not (np.isfinite(share).all() and (share >= 0).all() and (share <= 1).all()):
        raise InvalidValue(
            key="start", value=start, requirement="a share in [0, 1]", remedy="pass adopter shares, not percentages"
        )
    return np.broadcast_to(share, (adoption_map.n_draws,)).copy()


def transition_path(adoption_map: AdoptionMap, start: FloatArray | float, periods: int) -> FloatArray:
    """λ_0, ..., λ_T from ``start``: the unique equilibrium path of Proposition 1(i), shape (T + 1, D)."""
    if periods < 0:
        raise InvalidValue(key="periods", value=periods, requirement="not negative", remedy="pass 0 or more periods")
    path = np.empty((periods + 1, adoption_map.n_draws))
    path[0] = starting_shares(adoption_map, start)
    for t in range(periods):
        path[t + 1] = adoption_map(path[t])
    return path


def long_run(
    adoption_map: AdoptionMap, start: FloatArray | float, *, max_periods: int = 10_000, tolerance: float = 1e-12
) -> LongRun:
    """Iterate each draw to a steady state, a cycle, or "not converged" (Brent's cycle detection).

    Parameters
    ----------
    start
        A share, or one per draw.
    max_periods
        Periods after which a draw counts as not converged.
    tolerance
        A step shorter than this ends the path at a steady state; a cycle repeats to this fraction of its steps.
    """
    share = starting_shares(adoption_map, start)
    draws = adoption_map.n_draws
    final, outcome = share.copy(), np.full(draws, "not converged", dtype="<U13")
    length, periods = np.zeros(draws, dtype=np.intp), np.full(draws, max_periods, dtype=np.intp)
    active = np.arange(draws)
    inner: AdoptionMap = adoption_map
    anchor, power, since = share.copy(), 1, 0
    for t in range(1, max_periods + 1):
        following = inner(share)
        since += 1
        still = np.abs(following - share) <= tolerance
        # a spiral that closes in slowly nearly repeats as well: a cycle has to repeat exactly for the size of its steps
        cycle = ~still & (np.abs(following - anchor) <= tolerance * np.abs(following - share))
        done = still | cycle
        final[active] = following
        if done.any():
            chosen = active[done]
            outcome[chosen] = np.where(cycle[done], "cycle", "steady state")
            length[chosen] = np.where(cycle[done], since, 1)
            periods[chosen] = t
            keep = ~done
            active, following, anchor = active[keep], following[keep], anchor[keep]
            if not active.size:
                break
            inner = adoption_map.select(active)
        share = following
        if since == power:
            anchor, power, since = share.copy(), 2 * power, 0
    residual = np.abs(adoption_map(final) - final)
    return LongRun(share=final, outcome=outcome, cycle_length=length, periods=periods, residual=residual)
