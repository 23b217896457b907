"""Fundamentals from data: φ^min, D^x and P^f at which the model's outcomes are the targets (eq. (5.1)'s constraints).

They are solved for in the same fixed point as prices.  Each unknown is moved by the target that it drives:

    φ^min_nj   the region's share of the sector's gross output; the sector's level by producer prices and real GDP
    D^x_j      the sector's export intensity
    P^f_j      the sector's import share of expenditure

Two targets are not free.  Sector totals of gross output follow from Cobb-Douglas spending and the trade shares, so that
only the distribution within sectors is imposed.  Trade is balanced, so that one import share follows from the other
targets: that sector's foreign price is the numeraire.  In the first period producer prices and GDP are normalised by
setting each sector's output-weighted mean of log φ^min to zero: φ^min enters τ̄ z^ξ, so that τ̄ and F^T are measured
in these units.
"""

from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from bigpush_est.equilibrium.adoption_map import FloatArray, Index
from bigpush_est.equilibrium.spatial.conditions import Evaluation, StaticSystem
from bigpush_est.equilibrium.spatial.economy import SpatialEconomy
from bigpush_est.equilibrium.spatial.static import (
    StaticEquilibrium,
    default_attempts,
    solve_by_attempts,
    solve_static,
)
from bigpush_est.errors import InvalidValue

#: Largest log gap of a target that counts.
_GAP_LIMIT = 2.0


@dataclass(frozen=True, slots=True, eq=False)
class Levels:
    """What growth is measured against: logs of producer prices (D, J), consumer prices (D, J), real GDP (D,)."""

    producer_price: FloatArray
    consumer_price: FloatArray
    gdp: FloatArray  # nominal
    preference_share: FloatArray  # (J,) or (D, J)

    def select(self, index: Index) -> Self:
        """Return the levels of some draws."""
        chosen = {
            entry.name: value[index]
            if value.ndim and value.shape[0] > 1 and entry.name != "preference_share"
            else value
            for entry in fields(self)
            for value in (getattr(self, entry.name),)
        }
        return type(self)(**chosen)


@dataclass(frozen=True, slots=True, eq=False)
class Targets:
    """One period's data.

    Attributes
    ----------
    output_share
        Each region's share of the sector's gross output, (J, N), rows adding up to 1.
    export_intensity, import_share
        Exports over gross output, imports at buyers' prices over expenditure, (J,); NaN for sectors without trade.
    real_gdp, producer_price
        Indices with the first period = 1: a number and (J,); only relative producer prices are used.
    """

    output_share: FloatArray
    export_intensity: FloatArray
    import_share: FloatArray
    real_gdp: float
    producer_price: FloatArray


def levels(state: Evaluation, points: FloatArray, economy: SpatialEconomy) -> Levels:
    """Return the price and GDP levels of evaluated economies."""
    count, size = economy.n_sectors, economy.n_regions
    logs = points.reshape(points.shape[0], -1, size)[:, : 1 + 2 * count]
    sigma = economy.sigma.reshape(-1, 1)
    supply = np.stack([account.cell.home_supply.sum(axis=1) for account in state.sectors], axis=1)
    producer = np.log(supply) / (1.0 - sigma)
    log_price, spending = logs[:, 1 : 1 + count], np.exp(logs[:, 1 + count :])
    consumer = (log_price * spending).sum(axis=2) / spending.sum(axis=2)
    gdp = np.zeros(points.shape[0])
    for j, account in enumerate(state.sectors):
        gdp += account.cell.gross.sum(axis=1)
        gdp -= (1.0 - economy.labour_share[..., j]) * account.production.sum(axis=1)
        if account.adoption is not None:
            gdp -= (1.0 - economy.adoption_labour_share[..., j]) * account.adoption.sum(axis=1)
    return Levels(producer, consumer, np.log(gdp), economy.preference_share)


def real_gdp_growth(now: Levels, before: Levels) -> FloatArray:
    """Return the log growth of real GDP, deflated by consumer prices at mean expenditure shares (Törnqvist), (D,)."""
    weight = 0.5 * (now.preference_share + before.preference_share)
    inflation = (weight * (now.consumer_price - before.consumer_price)).sum(axis=1)
    growth: FloatArray = now.gdp - before.gdp - inflation
    return growth


class InversionSystem:
    """Equilibrium conditions and targets together; points hold log w, P, E, then log changes of φ^min, D^x and P^f."""

    def __init__(
        self,
        economy: SpatialEconomy,
        lagged_share: FloatArray,
        targets: Targets,
        numeraire: int,
        reference: Levels | None,
    ) -> None:
        self.economy, self.targets, self.reference = economy, targets, reference
        self.static = StaticSystem(economy, lagged_share)
        self.numeraire = numeraire
        self.base = np.log(economy.productivity)
        with np.errstate(divide="ignore"):
            self.log_share = np.log(targets.output_share)
        self.produced = targets.output_share > 0.0
        self.traded = [j for j in range(economy.n_sectors) if economy.trades[j]]
        trades = np.array(economy.trades)
        priced = trades & (np.arange(economy.n_sectors) != numeraire)
        #: which fundamentals are searched for; the others keep their value
        self.free = np.concatenate([np.ravel(self.produced), trades, priced])

    def select(self, index: Index) -> Self:
        """Return the system of some draws."""
        chosen = object.__new__(type(self))
        chosen.__dict__.update(self.__dict__)
        chosen.economy, chosen.static = self.economy.select(index), self.static.select(index)
        chosen.reference = None if self.reference is None else self.reference.select(index)
        chosen.base = self.base[index] if self.base.ndim == 3 and self.base.shape[0] > 1 else self.base
        return chosen

    def split(self, points: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """Return the static point (B, ...), and log changes of φ^min (J, B, N), D^x (J, B), P^f (J, B)."""
        j, n = self.economy.n_sectors, self.economy.n_regions
        first, second = (1 + 2 * j) * n, (1 + 3 * j) * n
        productivity = points[:, first:second].reshape(-1, j, n).transpose(1, 0, 2)
        return points[:, :first], productivity, points[:, second : second + j].T, points[:, second + j :].T

    def residual(self, points: FloatArray) -> FloatArray:
        """Return equilibrium residuals, then the targets' gaps in logs, (B, (1 + 3J) N + 2J)."""
        static, productivity, demand, price = self.split(points)
        state = self.static.shifted(productivity, demand, price).evaluate(static)
        count = points.shape[0]
        # far from the solution a target can be infinitely far away (no exporters at all): move on, by a bounded step;
        # one that is not a number is not met either, and must never look as if it were
        gaps = np.nan_to_num(self._gaps(state, static, productivity), nan=_GAP_LIMIT)
        gaps = np.clip(gaps, -_GAP_LIMIT, _GAP_LIMIT)
        gaps = np.where(self.free, gaps, -points[:, -gaps.shape[1] :])
        equilibrium = np.ascontiguousarray(state.residual.transpose(1, 0, 2)).reshape(count, -1)
        return np.concatenate([equilibrium, gaps], axis=1)

    def _gaps(self, state: Evaluation, static: FloatArray, productivity: FloatArray) -> FloatArray:
        economy, targets = self.economy, self.targets
        count, n_sectors = static.shape[0], economy.n_sectors
        level = self._level_gaps(state, static, productivity)
        output = np.zeros((count, n_sectors, economy.n_regions))
        demand, price = np.zeros((2, count, n_sectors))
        with np.errstate(divide="ignore", invalid="ignore"):
            for j, account in enumerate(state.sectors):
                cell, bought = account.cell, account.imports
                total = cell.gross.sum(axis=1)
                gap = self.log_share[j] - np.log(cell.gross / total[:, None])
                output[:, j] = np.where(self.produced[j], gap + level[:, j, None], 0.0)
                if j in self.traded and cell.exported is not None:
                    # without exporters, rounding leaves a sum that may be below zero
                    sold = np.maximum(cell.exported.sum(axis=1), 0.0)
                    demand[:, j] = np.log(targets.export_intensity[j] * total / sold)
                if j in self.traded and j != self.numeraire and bought is not None:
                    spending = np.exp(static.reshape(count, -1, economy.n_regions)[:, 1 + n_sectors + j]).sum(axis=1)
                    price[:, j] = np.log(bought.sum(axis=1) / (targets.import_share[j] * spending))
        return np.concatenate([output.reshape(count, -1), demand, price], axis=1)

    def _level_gaps(self, state: Evaluation, static: FloatArray, productivity: FloatArray) -> FloatArray:
        """How far each sector's productivity level is from its target, (B, J)."""
        if self.reference is None:
            base = self.base if self.base.ndim == 3 else self.base[None]
            log_level = base + productivity.transpose(1, 0, 2)
            mean: FloatArray = np.where(self.produced, self.targets.output_share * log_level, 0.0).sum(axis=2)
            return -mean
        now = levels(state, static, self.economy)
        inflation = now.producer_price - self.reference.producer_price - np.log(self.targets.producer_price)
        growth = np.log(self.targets.real_gdp) - real_gdp_growth(now, self.reference)
        gap: FloatArray = inflation - inflation.mean(axis=1, keepdims=True) + growth[:, None]
        return gap


@dataclass(frozen=True, slots=True, eq=False)
class Inversion:
    """The economy with its inverted fundamentals, the equilibrium there, its levels, and how the search went."""

    economy: SpatialEconomy
    equilibrium: StaticEquilibrium
    levels: Levels
    point: FloatArray  # (D, (1 + 3J) N + 2J): a start for another inversion
    residual: FloatArray
    iterations: NDArray[np.int64]
    converged: NDArray[np.bool_]


def _check_targets(economy: SpatialEconomy, targets: Targets, numeraire: int) -> None:
    """Refuse targets that no fundamentals can meet."""
    for j in range(economy.n_sectors):
        if not economy.trades[j]:
            continue
        for key in ("export_intensity", "import_share"):
            value = float(getattr(targets, key)[j])
            if not 0.0 < value < 1.0 and (key, j) != ("import_share", numeraire):
                raise InvalidValue(
                    key=f"{key}[{j}]",
                    value=f"{value:g}",
                    requirement="in (0, 1) for a sector that trades abroad",
                    remedy="give it a share, or close the sector (foreign_trade = 0)",
                )


def invert(
    economy: SpatialEconomy,
    lagged_share: FloatArray,
    targets: Targets,
    *,
    numeraire: int,
    reference: Levels | None = None,
    start: FloatArray | None = None,
    preconditioner: FloatArray | None = None,
    tolerance: float = 1e-10,
    max_iterations: int = 1000,
) -> Inversion:
    """Find φ^min, D^x and P^f at which the equilibrium has the targets' values, for every draw.

    ``economy``'s own fundamentals are the scale of the search: ``start`` holds log changes from them.
    """
    _check_targets(economy, targets, numeraire)
    count = max(economy.n_draws, lagged_share.shape[0] if lagged_share.ndim == 3 else 1)
    system = InversionSystem(economy, lagged_share, targets, numeraire, reference)
    j, n = economy.n_sectors, economy.n_regions
    if start is None:
        first = solve_static(economy, lagged_share, tolerance=1e-4)
        start = np.concatenate([first.point, np.zeros((first.point.shape[0], j * n + 2 * j))], axis=1)
    begin = np.array(np.broadcast_to(start, (count, start.shape[-1])))
    nudges = np.repeat([0.2, 0.5, 0.3], [j * n, j, j])
    attempts: list[Any] = [] if preconditioner is None else [(preconditioner, 5, 1)]
    for damping, depth, factor in default_attempts(economy, []):
        attempts.append((np.concatenate([damping, nudges * (1.0 if factor == 1 else 0.3)]), depth + 4, factor))
    found = solve_by_attempts(system, begin, attempts, tolerance, max_iterations)
    static, productivity, demand, price = system.split(found.points)
    inverted = economy.changed(
        productivity=economy.productivity * np.exp(productivity.transpose(1, 0, 2)),
        foreign_demand=economy.foreign_demand * np.exp(demand.T),
        foreign_price=economy.foreign_price * np.exp(price.T),
    )
    equilibrium = solve_static(inverted, lagged_share, start=static, tolerance=max(tolerance, 1e-10))
    state = StaticSystem(inverted, lagged_share).evaluate(equilibrium.point)
    found_levels = levels(state, equilibrium.point, inverted)
    return Inversion(
        inverted, equilibrium, found_levels, found.points, found.residual, found.iterations, found.converged
    )
