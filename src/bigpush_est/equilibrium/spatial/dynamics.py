"""Paths of Section 5's economy: period by period, then frozen, to a steady state, a cycle or neither."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from bigpush_est.equilibrium.adoption_map import FloatArray, Index
from bigpush_est.equilibrium.spatial.outcomes import Outcomes, measure, stack
from bigpush_est.equilibrium.spatial.prediction import Secants
from bigpush_est.equilibrium.spatial.static import StaticEquilibrium, solve_static


class Economy(Protocol):
    """One period's economy of some draws: ``SpatialEconomy``, or what another static solver takes."""

    @property
    def n_draws(self) -> int:
        """D."""
        ...

    def select(self, index: Index) -> Self:
        """Return the economy of some of its draws."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Path:
    """Paths of D draws over T periods (the last one repeats if a draw reached its steady state before others).

    Attributes
    ----------
    shares
        λ before the first period and after each: (T + 1, D, J, N).
    outcomes
        Each period's outcomes, first axis T.
    fate
        ``"steady state"``, ``"cycle"`` or ``"not converged"``, (D,); never a steady state if an equilibrium failed.
    cycle_length, periods
        Periods of the cycle (1 for a steady state, 0 for neither) and periods taken in all, (D,).
    last
        The last period's equilibrium.
    worst_residual
        Largest residual of any static equilibrium on the way, (D,).
    """

    shares: FloatArray
    outcomes: Outcomes
    fate: NDArray[np.str_]
    cycle_length: NDArray[np.int64]
    periods: NDArray[np.int64]
    last: StaticEquilibrium
    worst_residual: FloatArray


def solve_path[E: Economy](
    economies: Sequence[E],
    initial_share: FloatArray,
    *,
    solve: Callable[..., StaticEquilibrium] = solve_static,
    starts: Sequence[FloatArray] | None = None,
    preconditioners: Sequence[FloatArray] | None = None,
    renew: Callable[[StaticEquilibrium], FloatArray] | None = None,
    max_periods: int = 100,
    tolerance: float = 1e-8,
) -> Path:
    """Solve one economy after the other; the last one repeats until its shares stand still.

    Parameters
    ----------
    economies
        One per period; the last is frozen for ever.
    initial_share
        λ before the first period, (J, N) or (D, J, N).
    solve
        The static equilibrium's solver, with ``solve_static``'s arguments.
    starts, preconditioners
        Points and preconditioners to use in each period, the last ones for all later ones.
    renew
        Makes a preconditioner from the last equilibrium; called on a long way to the steady state, where it pays.
    max_periods
        Periods after which a draw counts as not converged.
    tolerance
        A steady state's shares change by no more than this anywhere; a cycle's repeat to this, and change by more
        than a thousand times as much within it.
    """
    draws = max(economy.n_draws for economy in economies)
    lag = np.asarray(initial_share, dtype=np.float64)
    lag = np.array(
        np.broadcast_to(
            lag if lag.ndim == 3 else lag[None], (max(draws, lag.shape[0] if lag.ndim == 3 else 1), *lag.shape[-2:])
        )
    )
    draws = lag.shape[0]
    shares: list[FloatArray] = [lag]
    series: list[Outcomes] = []
    fate = np.full(draws, "not converged", dtype="<U13")
    length, periods = np.zeros(draws, dtype=np.int64), np.zeros(draws, dtype=np.int64)
    worst = np.zeros(draws)
    failed = np.zeros(draws, dtype=bool)
    active = np.arange(draws)
    whole: StaticEquilibrium | None = None
    secants = Secants()
    renewed, spent = None, 0
    for t in range(max_periods):
        economy = economies[min(t, len(economies) - 1)]
        start = None
        if starts is not None and t < len(starts):
            start = starts[t]
            start = start[active] if start.ndim == 2 and start.shape[0] == draws else start
        elif whole is not None and t >= len(economies):
            start = secants.predict(whole.point, shares[-2], shares[-1], active)
        elif whole is not None:
            start = whole.point[active]
        preconditioner = renewed
        if preconditioner is None and preconditioners is not None:
            preconditioner = preconditioners[min(t, len(preconditioners) - 1)]
        solved = solve(
            economy.select(active) if economy.n_draws > 1 else economy,
            shares[-1][active],
            start=start,
            preconditioner=preconditioner,
        )
        if renew is not None and t + 1 >= len(economies):
            spent += int(solved.iterations.sum())
            if spent >= _RENEWAL * solved.point.shape[1] and solved.converged[0]:
                renewed, spent = renew(solved), 0
        whole = solved if whole is None else _merge(whole, solved, active)
        following = shares[-1].copy()
        following[active] = solved.adopter_share
        outcome = measure(solved)
        series.append(outcome if active.size == draws else _merge_outcomes(series[-1], outcome, active))
        worst[active] = np.maximum(worst[active], solved.residual)
        failed[active] |= ~solved.converged
        periods[active] = t + 1
        shares.append(following)
        if t + 1 >= len(economies):
            still = np.abs(following[active] - shares[-2][active]).max(axis=(1, 2)) <= tolerance
            fate[active[still]], length[active[still]] = "steady state", 1
            cycle = np.zeros(active.size, dtype=bool)
            # an oscillation that dies out slowly also looks the same two periods later, once it is small
            swings = np.abs(following[active] - shares[-2][active]).max(axis=(1, 2)) > _LEAST_SWING * tolerance
            for lag_length in range(2, min(t + 1 - len(economies), _LONGEST_CYCLE) + 1):
                again = np.abs(following[active] - shares[-1 - lag_length][active]).max(axis=(1, 2)) <= tolerance
                again &= swings & ~cycle
                cycle |= again
                fate[active[again]], length[active[again]] = "cycle", lag_length
            active = active[~(still | cycle | failed[active])]
            if not active.size:
                break
    fate[failed] = "not converged"
    assert whole is not None
    return Path(np.stack(shares), stack(series), fate, length, periods, whole, worst)


#: Iterations of all draws, per unknown of one, after which a new preconditioner is worth its cost (about 2 such).
_RENEWAL = 20

#: Longest cycle that is looked for, and the least change in a period of one, in units of the tolerance.
_LONGEST_CYCLE, _LEAST_SWING = 12, 1e3


def _merge(whole: StaticEquilibrium, part: StaticEquilibrium, rows: NDArray[np.intp]) -> StaticEquilibrium:
    """Return ``whole`` with some draws replaced."""
    if rows.size == whole.wage.shape[0]:
        return part
    values = {}
    for entry in fields(whole):
        if entry.name in ("economy", "lagged_share"):
            continue
        values[entry.name] = getattr(whole, entry.name).copy()
        values[entry.name][rows] = getattr(part, entry.name)
    return replace(whole, **values)


def _merge_outcomes(whole: Outcomes, part: Outcomes, rows: NDArray[np.intp]) -> Outcomes:
    values = {}
    for entry in fields(Outcomes):
        values[entry.name] = getattr(whole, entry.name).copy()
        values[entry.name][rows] = getattr(part, entry.name)
    return Outcomes(**values)
