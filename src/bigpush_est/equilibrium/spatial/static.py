"""The static equilibrium of Section 5: solved for a batch of draws at once (the conditions are in ``conditions``)."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass, fields
from functools import cache

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

from bigpush_est.equilibrium.adoption_map import FloatArray, Index
from bigpush_est.equilibrium.spatial.acceleration import (
    Acceleration,
    Factors,
    FixedPoints,
    ResidualSystem,
    accelerated_fixed_points,
    newton_preconditioner,
)
from bigpush_est.equilibrium.spatial.conditions import StaticSystem, by_draw
from bigpush_est.equilibrium.spatial.derivatives import static_derivatives
from bigpush_est.equilibrium.spatial.economy import SHAPES, SpatialEconomy
from bigpush_est.equilibrium.spatial.firms import CellOutcome
from bigpush_est.errors import InvalidValue, ShapeMismatch


@dataclass(frozen=True, slots=True, eq=False)
class StaticEquilibrium:
    """A solved economy; D draws, J sectors, N regions; values in units of the numeraire (a foreign price).

    ``converged`` says whether the largest log residual is within the tolerance: where it is not, the numbers are
    those of the best point found and are not an equilibrium.
    """

    economy: SpatialEconomy
    lagged_share: FloatArray
    wage: FloatArray  # (D, N)
    price_index: FloatArray  # (D, J, N)
    expenditure: FloatArray  # (D, J, N)
    income: FloatArray  # (D, N)
    adopter_share: FloatArray  # (D, J, N)
    exporter_share: FloatArray  # (D, J, N)
    reach: FloatArray  # (D, J, N), log κ less the log x from which firms adopt; −∞ where a sector cannot
    home_supply: FloatArray  # (D, J, N), V = M E[p^{1−σ}]
    kept_revenue: FloatArray  # (D, J, N)
    gross_output: FloatArray  # (D, J, N)
    exports: FloatArray  # (D, J, N)
    imports: FloatArray  # (D, J, N), before tariffs
    production_inputs: FloatArray  # (D, J, N), X at market value
    adoption_inputs: FloatArray  # (D, J, N), A
    export_labour: FloatArray  # (D, J, N), wages paid for exporting
    subsidies: FloatArray  # (D,)
    distortion_taxes: FloatArray  # (D,)
    tariff_revenue: FloatArray  # (D,)
    profits: FloatArray  # (D,)
    residual: FloatArray  # (D,)
    iterations: NDArray[np.int64]  # (D,)
    converged: NDArray[np.bool_]  # (D,)

    @property
    def point(self) -> FloatArray:
        """Log w, log P and log E in the solver's order, shape (D, (1 + 2J) N): a start for another solution."""
        parts = (self.wage[:, None], self.price_index, self.expenditure)
        return np.log(np.concatenate(parts, axis=1)).reshape(self.wage.shape[0], -1)

    @property
    def trade_imbalance(self) -> FloatArray:
        """Log of exports over imports: zero by Walras' law, never imposed; NaN in a closed economy, shape (D,)."""
        sold, bought = self.exports.sum(axis=(1, 2)), self.imports.sum(axis=(1, 2))
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.log(sold / bought)


#: Damping of wages, then of prices and expenditures: tried in this order until the residual is within tolerance.
_ATTEMPTS = ((0.3, 0.8, 8, 1), (0.1, 0.3, 12, 4))


def solve_static(
    economy: SpatialEconomy,
    lagged_share: FloatArray,
    *,
    start: FloatArray | None = None,
    preconditioner: FloatArray | None = None,
    tolerance: float = 1e-10,
    max_iterations: int = 500,
    chunk: int = 256,
    workers: int = 1,
) -> StaticEquilibrium:
    """Solve the static equilibrium of every draw, given last period's adopter shares.

    Parameters
    ----------
    economy
        D draws of an economy.
    lagged_share
        λ_{t−1}, shape (J, N) or (D, J, N).
    start
        Log w, log P, log E to start from, as in ``StaticEquilibrium.point``, shape ((1 + 2J) N,), (1, (1 + 2J) N) or
        (D, (1 + 2J) N); never written to.  None starts cold: many draws then begin at the roughly solved equilibrium of
        the one in their middle, with its Jacobian, and those that are too far away begin again on their own.
    preconditioner
        From ``static_preconditioner``: draws near its economy then need a few steps instead of dozens.
    tolerance
        On the largest absolute log residual of wages, prices and expenditures.
    max_iterations
        Of each attempt; draws that fail are tried again with more damping, and then from a cold start, before they are
        given up.
    chunk
        Draws solved together.
    workers
        Threads among which the chunks are shared out; results do not depend on it, bit for bit.

    Returns
    -------
    StaticEquilibrium
        Draws that did not converge carry ``converged = False`` and their residual.

    Raises
    ------
    ShapeMismatch, InvalidValue
        For shares or starts of the wrong shape, or shares outside [0, 1].

    Examples
    --------
    >>> import numpy as np
    >>> economy = SpatialEconomy.of(
    ...     sigma=5.0, theta=4.24, kappa=1.4, eta=1.25, delta=0.68, distortion_elasticity=[0.0], distortion_level=[1.0],
    ...     adoption_cost=[0.3], export_cost=[0.0], preference_share=[1.0], labour_share=[0.5], input_share=[[0.5]],
    ...     firm_mass=[[0.5, 0.5]], labour=[0.6, 0.4], freeness=[[[1.0, 0.4], [0.4, 1.0]]], port_freeness=[[0.0, 0.0]],
    ...     tariff=[0.0], productivity=[[1.0, 1.0]], foreign_price=[float("inf")], foreign_demand=[0.0],
    ...     subsidy=[[0.0, 0.0]])
    >>> solution = solve_static(economy, np.zeros((1, 2)))
    >>> bool(solution.converged[0]), solution.adopter_share.round(3).tolist()
    (True, [[[0.605, 0.386]]])
    """
    lagged_share = _checked_share(economy, lagged_share)
    count, size = economy.n_draws, (1 + 2 * economy.n_sectors) * economy.n_regions
    count = max(count, lagged_share.shape[0] if lagged_share.ndim == 3 else 1)
    if start is not None:
        start = np.asarray(start, dtype=np.float64)
        if start.shape not in ((size,), (1, size), (count, size)):
            raise ShapeMismatch(
                key="start", shape=start.shape, expected=f"({size},) or ({count}, {size})", remedy="use another's point"
            )
        start = np.broadcast_to(start, (count, size))
    damping = [] if preconditioner is None else [(preconditioner, 5, 1)]
    default, attempts = default_attempts(economy, []), default_attempts(economy, damping)
    middle = None

    def solve(first: int) -> StaticEquilibrium:
        index = np.arange(first, min(first + chunk, count))
        share = lagged_share[index] if lagged_share.ndim == 3 and lagged_share.shape[0] > 1 else lagged_share
        chosen = index if 1 < economy.n_draws != index.size else None
        system = StaticSystem(economy, share, chosen)
        cold = cold_start(economy, index.size, chosen)
        if middle is not None:
            settings = Acceleration(middle[1], depth=5, tolerance=tolerance, max_iterations=middle[2])
            found = accelerated_fixed_points(system, np.broadcast_to(middle[0], cold.shape), settings)
        else:
            begin = cold if start is None else start[index]
            found = solve_by_attempts(system, begin, attempts, tolerance, max_iterations)
        if (start is not None or middle is not None) and not found.converged.all():
            again = np.flatnonzero(~found.converged)
            rest = system if again.size == index.size else system.select(again)
            found.put(again, solve_by_attempts(rest, cold[again], default, tolerance, max_iterations))
        return _equilibrium(system, found)

    with one_thread_each():
        firsts = range(0, count, chunk)
        if start is None and preconditioner is None and count >= max(_MANY, size // _UNKNOWNS):
            middle = _middle(economy, lagged_share, tolerance, max_iterations)
        if workers > 1 and len(firsts) > 1:
            with ThreadPoolExecutor(workers) as pool:
                pieces = list(pool.map(solve, firsts))
        else:
            pieces = [solve(first) for first in firsts]
    return concatenate(pieces, economy, lagged_share)


@cache
def _thread_pools() -> ThreadpoolController:
    return ThreadpoolController()


def one_thread_each() -> AbstractContextManager[object]:
    """Keep matrix products to the thread that asks for them: they are small, and threads are better used on chunks.

    It also makes results independent of how many threads there are.
    """
    limited: AbstractContextManager[object] = _thread_pools().limit(limits=1, user_api="blas")
    return limited


def _checked_share(economy: SpatialEconomy, share: FloatArray) -> FloatArray:
    share = np.asarray(share, dtype=np.float64)
    base = (economy.n_sectors, economy.n_regions)
    if share.shape[-2:] != base or share.ndim not in (2, 3):
        raise ShapeMismatch(
            key="lagged_share", shape=share.shape, expected=f"{base} or (D, *{base})", remedy="one share per cell"
        )
    if share.ndim == 3 and economy.n_draws > 1 and share.shape[0] not in (1, economy.n_draws):
        raise ShapeMismatch(
            key="lagged_share", shape=share.shape, expected=f"({economy.n_draws}, *{base})", remedy="one per draw"
        )
    good = (share >= 0.0) & (share <= 1.0)
    if not good.all():
        raise InvalidValue(
            key="lagged_share",
            value=f"{share[~good].flat[0]:g}",
            requirement="in [0, 1]",
            remedy="pass shares of firms",
        )
    return share


def cold_start(economy: SpatialEconomy, count: int, index: Index | None = None) -> FloatArray:
    """Return wages and prices of 1 and expenditures in proportion to labour and preferences, (count, (1 + 2J) N).

    ``index`` chooses ``count`` draws of the economy.
    """
    j, n = economy.n_sectors, economy.n_regions
    logs = np.zeros((count, 1 + 2 * j, n))
    labour, share = by_draw(economy.labour, 1), by_draw(economy.preference_share, 1)
    if index is not None:
        labour, share = (values[index] if values.shape[0] > 1 else values for values in (labour, share))
    logs[:, 1 + j :] = np.log(2.0 * labour)[:, None] + np.log(np.maximum(share, 1e-3))[:, :, None]
    return logs.reshape(count, -1)


def default_attempts(
    economy: SpatialEconomy, first: list[tuple[FloatArray, int, int]]
) -> list[tuple[FloatArray, int, int]]:
    """Return the attempts (damping, depth, factor on the iterations) in their order."""
    j, n = economy.n_sectors, economy.n_regions
    return first + [(np.repeat([wage, rest], [n, 2 * j * n]), depth, more) for wage, rest, depth, more in _ATTEMPTS]


def solve_by_attempts(
    system: ResidualSystem,
    start: FloatArray,
    attempts: list[tuple[FloatArray, int, int]],
    tolerance: float,
    max_iterations: int,
) -> FixedPoints:
    """Solve; rows that fail are tried again, from their start, with the next attempt's settings.

    An attempt is (damping, depth, factor on the iterations): one with a factor above 1 is a careful one.  In the end,
    rows that failed go on from their best points by Newton's method.
    """
    count = start.shape[0]
    best = FixedPoints(
        start.copy(), np.full(count, np.inf), np.zeros(count, dtype=np.int64), np.zeros(count, dtype=bool)
    )
    for damping, depth, factor in attempts:
        rows = np.flatnonzero(~best.converged)
        settings = Acceleration(
            damping,
            depth=depth,
            tolerance=tolerance,
            max_iterations=factor * max_iterations,
            precision=np.float32 if factor == 1 else np.float64,
        )
        found = accelerated_fixed_points(system if rows.size == count else system.select(rows), start[rows], settings)
        best.put(rows, found)
        if best.converged.all():
            return best
    for row in np.flatnonzero(~best.converged & np.isfinite(best.residual)):
        _by_newton(system, best, row, tolerance, max_iterations // _ROUND_SHARE)
    return best


#: Steps between two Jacobians in the last resort, and how many iterations there are to each of them.
_NEWTON_STEPS, _ROUND_SHARE = 25, 60


def _by_newton(system: ResidualSystem, best: FixedPoints, row: np.intp, tolerance: float, rounds: int) -> None:
    """Go on from a row's best point with a Jacobian of its own, renewed as long as that brings it nearer; in place."""
    rows = np.array([row])
    alone = system.select(rows)
    for _ in range(rounds):
        before = best.residual[row]
        try:
            with np.errstate(all="ignore"):
                inverse = newton_preconditioner(alone, best.points[row])
        except np.linalg.LinAlgError:
            return
        if not np.isfinite(inverse).all():
            return
        settings = Acceleration(inverse, depth=5, tolerance=tolerance, max_iterations=_NEWTON_STEPS)
        best.put(rows, accelerated_fixed_points(alone, best.points[rows], settings))
        if best.converged[row] or not best.residual[row] < 0.9 * before:
            return


def static_preconditioner(solution: StaticEquilibrium) -> FloatArray:
    """Return the preconditioner of a solved economy (its first draw), for solutions near it."""
    share = solution.lagged_share
    economy = solution.economy.select(np.array([0])) if solution.economy.n_draws > 1 else solution.economy
    system = StaticSystem(economy, share if share.ndim == 2 else share[:1])
    with one_thread_each():
        return Factors.of(static_derivatives(system, solution.point[0])).inverse()


#: How well the draw in the middle is solved: the others begin there, and it goes on with them.
_ROUGHLY = 1e-3
#: A cold batch begins with one of its draws if it has so many, and one for so many unknowns: factors cost as the cube
#: of these, and what they save in a draw as the square.  After the last number of iterations a draw is too far away.
_MANY, _UNKNOWNS, _NEAR = 16, 32, 40


def _middle(
    economy: SpatialEconomy, lagged_share: FloatArray, tolerance: float, max_iterations: int
) -> tuple[FloatArray, Factors, int] | None:
    """Solve one draw in the middle of the others: its point, its Jacobian, and how many iterations from there to try.

    None if it is not solved, or if its Jacobian is singular.
    """
    row = np.array([_most_central(economy, lagged_share)])
    share = lagged_share[row] if lagged_share.ndim == 3 and lagged_share.shape[0] > 1 else lagged_share
    system = StaticSystem(economy, share, row if economy.n_draws > 1 else None)
    begin = cold_start(economy, 1, row if economy.n_draws > 1 else None)
    found = solve_by_attempts(
        system, begin, default_attempts(economy, [])[:1], max(tolerance, _ROUGHLY), max_iterations
    )
    if not found.converged[0]:
        return None
    try:
        factors = Factors.of(static_derivatives(system, found.points[0]))
    except np.linalg.LinAlgError:
        return None
    return found.points, factors, min(max_iterations, _NEAR)


def _most_central(economy: SpatialEconomy, lagged_share: FloatArray) -> int:
    """Return the draw that is nearest to the means of what differs between draws, in standard deviations."""
    fields_of = {key: getattr(economy, key) for key, shape in SHAPES.items() if len(shape) < len("JNM")}
    varying = [values for key, values in fields_of.items() if values.ndim > len(SHAPES[key])]
    distance = np.zeros(1)
    for values in [*varying, lagged_share] if lagged_share.ndim == 3 else varying:
        flat = np.where(np.isfinite(values), values, 0.0).reshape(values.shape[0], -1)
        spread = flat.std(axis=0)
        away = np.divide(flat - flat.mean(axis=0), spread, out=np.zeros_like(flat), where=spread > 0.0)
        distance = distance + (away**2).mean(axis=1)
    return int(np.argmin(distance))


def _stack(parts: list[FloatArray | None], like: FloatArray) -> FloatArray:
    return np.stack([np.zeros_like(like) if part is None else part for part in parts], axis=1)


def _reach(cell: CellOutcome, like: FloatArray) -> FloatArray:
    """Log κ less the log cutoff: where both are infinite, nobody adopts."""
    if cell.reach is None:
        return np.full_like(like, -np.inf)
    return np.where(np.isnan(cell.reach), -np.inf, cell.reach)


def _equilibrium(system: StaticSystem, found: FixedPoints) -> StaticEquilibrium:
    """Evaluate the economy at its fixed points."""
    state = system.evaluate(found.points)
    logs = found.points.reshape(found.points.shape[0], -1, system.labour.shape[-1])
    accounts, like = state.sectors, state.income
    count = len(accounts)
    cells = [account.cell for account in accounts]
    before_tariff = [
        None if account.imports is None else account.imports * (1.0 - account.tariff_rate[:, None])
        for account in accounts
    ]
    return StaticEquilibrium(
        economy=system.economy,
        lagged_share=np.empty(0),
        wage=np.exp(logs[:, 0]),
        price_index=np.exp(logs[:, 1 : 1 + count]),
        expenditure=np.exp(logs[:, 1 + count :]),
        income=state.income,
        # rounding must not take a share out of [0, 1]
        adopter_share=_stack([cell.adopters for cell in cells], like).clip(0.0, 1.0),
        exporter_share=_stack([cell.exporters for cell in cells], like).clip(0.0, 1.0),
        reach=_stack([_reach(cell, like) for cell in cells], like),
        home_supply=_stack([cell.home_supply for cell in cells], like),
        kept_revenue=_stack([cell.kept for cell in cells], like),
        gross_output=_stack([cell.gross for cell in cells], like),
        exports=_stack([cell.exported for cell in cells], like),
        imports=_stack(before_tariff, like),
        production_inputs=_stack([account.production for account in accounts], like),
        adoption_inputs=_stack([account.adoption for account in accounts], like),
        export_labour=_stack([account.export_labour for account in accounts], like),
        subsidies=state.national("subsidy"),
        distortion_taxes=state.national("tax"),
        tariff_revenue=state.national("tariff_revenue"),
        profits=state.national("profit"),
        residual=np.where(state.solvent, found.residual, np.inf),
        iterations=found.iterations,
        converged=found.converged & state.solvent,
    )


def concatenate(
    pieces: list[StaticEquilibrium], economy: SpatialEconomy, lagged_share: FloatArray
) -> StaticEquilibrium:
    """Put the draws of several solutions behind each other."""
    keys = [entry.name for entry in fields(StaticEquilibrium) if entry.name not in ("economy", "lagged_share")]
    joined = {key: np.concatenate([getattr(piece, key) for piece in pieces]) for key in keys}
    return StaticEquilibrium(economy=economy, lagged_share=lagged_share, **joined)
