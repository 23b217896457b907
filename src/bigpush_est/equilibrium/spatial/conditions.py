"""The conditions of Section 5's static equilibrium, given last period's adopter shares: a batch of draws at once.

Unknowns are log w_n, log P_nj and log E_nj.  Given them, firms' choices are in closed form (``firms``), and three
conditions give their next values (Section 5.1; our derivation):

    P_mj^{1−σ} = Σ_n V_nj d_nmj^{1−σ} + (P^f_j (1 + t_j) d^x_mj)^{1−σ}
    w_n L_n    = Σ_j γ^L_j X_nj + Σ_j γ^{L,T}_j A_nj + Σ_j M_nj x̄_nj w_n F^x_j
    E_nk       = α_k I_n + Σ_j γ^k_j X_nj + Σ_j γ^{k,T}_j A_nj

X are input bundles bought for production, at market value: (K − K^T)/μ + K^T/(μ(1−s)); A = M λ c^T F^T those for
adoption.  Trade balance is not imposed: it follows, and is reported as a check.

What households get besides wages (profits, distortion taxes and tariffs, less subsidies) is revenue less all that
firms pay, plus tariffs: the sums below take it in that form.  Arrays have sectors first, then draws, then regions.
"""

import math
from copy import copy
from dataclasses import dataclass
from functools import cache
from types import ModuleType
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from bigpush_est.equilibrium.adoption_map import FloatArray, Index
from bigpush_est.equilibrium.spatial.economy import SHAPES, SpatialEconomy
from bigpush_est.equilibrium.spatial.firms import CellOutcome, firm_constants, taken, whole


@dataclass(frozen=True, slots=True)
class SectorAccount:
    """What one sector's firms buy and owe, regions (B, N) and nation (B,); None where it cannot occur."""

    cell: CellOutcome
    production: FloatArray  # X, inputs at market value, (B, N)
    adoption: FloatArray | None  # A, (B, N)
    export_labour: FloatArray | None  # wages paid for exporting, (B, N)
    imports: FloatArray | None  # at the price that buyers pay, (B, N)
    sigma: FloatArray  # (B or 1,)
    tariff_rate: FloatArray  # t/(1 + t), (B or 1,)
    subsidy_ratio: FloatArray  # s/(1 − s), (B or 1, N or 1)
    general_subsidy: FloatArray  # (B or 1, N or 1)

    @property
    def profit(self) -> FloatArray:
        """Profits after fixed costs."""
        profit: FloatArray = self.cell.kept.sum(axis=1) / self.sigma
        for cost in (self.adoption, self.export_labour):
            if cost is not None:
                profit = profit - cost.sum(axis=1)
        return profit

    @property
    def tax(self) -> FloatArray:
        """Revenue that firms do not keep."""
        tax: FloatArray = self.cell.gross.sum(axis=1) - self.cell.kept.sum(axis=1)
        return tax

    @property
    def subsidy(self) -> FloatArray:
        """What the labour tax pays of inputs."""
        paid: FloatArray = np.zeros(self.production.shape[0])
        if self.cell.kept_adopters is not None:
            paid = paid + (self.cell.kept_adopters * self.subsidy_ratio).sum(axis=1) * (1.0 - 1.0 / self.sigma)
        if self.general_subsidy.any():
            # of what is left to pay, the general subsidy pays its share: X (1 − g) is that and adopters' subsidy
            paid = paid + (self.production * self.general_subsidy).sum(axis=1)
        return paid

    @property
    def tariff_revenue(self) -> FloatArray:
        """Tariffs on imports."""
        if self.imports is None:
            return np.zeros(self.production.shape[0])
        revenue: FloatArray = self.tariff_rate * self.imports.sum(axis=1)
        return revenue


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The economy at given log w, log P and log E."""

    sectors: list[SectorAccount]
    wage_bill: FloatArray  # w L, (B, N)
    income: FloatArray  # I, (B, N)
    residual: FloatArray  # (1 + 2J, B, N) log residuals of wages, prices, expenditures

    @property
    def solvent(self) -> NDArray[np.bool_]:
        """Whether households are left with an income, (B,): where subsidies take all, nothing is an equilibrium."""
        least = 2.0 * _compiled().LEAST_INCOME * self.wage_bill.sum(axis=1)
        solvent: NDArray[np.bool_] = self.income.sum(axis=1) > least
        return solvent

    def national(self, key: str) -> FloatArray:
        """Return a national total over sectors: profit, tax, subsidy or tariff_revenue, (B,)."""
        total: FloatArray = np.sum([getattr(account, key) for account in self.sectors], axis=0)
        return total


class _Memory:
    """Memory for an evaluation's arrays that the next evaluation uses again: new pages cost more than their use."""

    def __init__(self) -> None:
        self._blocks: dict[str, FloatArray] = {}
        self._views: dict[tuple[str, tuple[int, ...]], FloatArray] = {}

    def empty(self, name: str, *shape: int) -> FloatArray:
        """Return an array with undefined values, valid until the next one of that name."""
        view = self._views.get((name, shape))
        if view is None:
            size = math.prod(shape)
            block = self._blocks.get(name)
            if block is None or block.size < size:
                block = self._blocks[name] = np.empty(size)
                self._views.clear()
            view = self._views[name, shape] = block[:size].reshape(shape)
        return view


@cache
def _compiled() -> ModuleType:
    """Return the compiled arithmetic: imported when it is first needed, as its compiler takes long to import."""
    from bigpush_est.equilibrium.spatial import kernel

    return kernel


class StaticSystem:
    """Section 5's equilibrium conditions for a batch of draws: constants computed once, residuals many times.

    ``index`` chooses draws of the economy; ``lagged_share`` is then theirs, (J, N) or (B, J, N).  ``rows`` says which
    draw's constants a row of the batch has (None: its own); labour, preferences and freeness are the rows' own.
    """

    def __init__(self, economy: SpatialEconomy, lagged_share: FloatArray, index: Index | None = None) -> None:
        def take(key: str) -> FloatArray:
            values: FloatArray = getattr(economy, key)
            if values.ndim == len(SHAPES[key]):
                return values[None]
            return values if index is None else values[index]

        self.economy = economy
        count, size = economy.n_sectors, economy.n_regions
        self.adopting = np.flatnonzero(economy.adopts).tolist()
        self.trading = np.flatnonzero(economy.trades).tolist()
        sigma = taken(economy, "sigma", index)
        elasticity = taken(economy, "distortion_elasticity", index)
        tariff, price = taken(economy, "tariff", index), taken(economy, "foreign_price", index)
        self.power, self.elasticity = sigma - 1.0, elasticity
        self.exponent = sigma * (1.0 + elasticity) - 1.0  # ρ, (B or 1, J, 1)
        with np.errstate(divide="ignore"):
            paid = np.exp(-self.power * np.log(price * (1.0 + tariff)))
        imported = paid * taken(economy, "port_freeness", index)
        self.tariff_rate = tariff / (1.0 + tariff)
        bundle = _bundle(take("labour_share"), take("input_share"))
        adoption = _bundle(take("adoption_labour_share"), take("adoption_input_share"))
        preference = take("preference_share")
        self.constants = _compiled().Constants(
            *firm_constants(economy, lagged_share, index),
            imported=whole(imported, count, size),
            tariffs=whole(self.tariff_rate * imported, count, size),
            cost=-self.power * bundle,
            bundle=np.ascontiguousarray(adoption[:, self.adopting]),
            spending=self._spending_weights(bundle, adoption, preference),
        )
        self.rows: NDArray[np.int64] | None = None
        self.labour, self.preference = np.ascontiguousarray(take("labour")), preference
        self.freeness = take("freeness").transpose(1, 0, 2, 3)  # (J, B or 1, N, N)
        self.subsidy_ratio = _ratio(taken(economy, "subsidy", index))
        self.general_subsidy = taken(economy, "general_subsidy", index)
        self.imports = imported.any(axis=(0, 2)).tolist()
        #: without foreign trade nothing fixes the price level: mean wages are then set to 1
        self.closed = not self.trading
        self.memory = _Memory()

    @property
    def sectors(self) -> range:
        """The sectors' numbers."""
        return range(len(self.imports))

    def _spending_weights(self, bundle: FloatArray, adoption: FloatArray, preference: FloatArray) -> FloatArray:
        """Weights (B or 1, 1 + J, rows) that take payments to labour's pay and expenditure by sector."""
        count, adopting = bundle.shape[1], len(self.adopting)
        draws = max(bundle.shape[0], adoption.shape[0], preference.shape[0])
        weights = np.zeros((draws, 1 + count, count + adopting + len(self.trading) + 1))
        weights[:, :, :count] = bundle.transpose(0, 2, 1)
        weights[:, :, count : count + adopting] = adoption[:, self.adopting].transpose(0, 2, 1)
        weights[:, 0, count + adopting : -1] = 1.0
        weights[:, 1:, -1] = preference
        return weights

    def select(self, index: Index) -> Self:
        """Return the system of some rows."""
        chosen = copy(self)
        chosen.rows = np.asarray(index, dtype=np.int64) if self.rows is None else self.rows[index]
        for key in ("labour", "preference"):
            values = getattr(self, key)
            setattr(chosen, key, values[index] if values.shape[0] > 1 else values)
        if self.freeness.shape[1] > 1:
            chosen.freeness = self.freeness[:, index]
        return chosen

    def shifted(self, productivity: FloatArray, demand: FloatArray, price: FloatArray) -> Self:
        """Return the system with fundamentals changed by logs: φ^min (J, B, N), D^x (J, B) and P^f (J, B)."""
        moved, old = copy(self), self.constants
        rows = self.rows_of(productivity.shape[1])

        def own(values: FloatArray) -> FloatArray:
            return values if values.shape[0] == 1 else values[rows]

        log_floor = productivity.transpose(1, 0, 2)
        change = np.exp(-own(self.power) * price.T[:, :, None])
        abroad = demand.T[:, self.trading, None]
        foreign = np.array(np.broadcast_to(own(old.foreign), (len(rows), *old.foreign.shape[1:])))
        foreign[:, :, 0] *= np.exp(abroad)
        foreign[:, :, 1] -= abroad
        new = {
            "log_scale": own(old.log_scale) + own(self.exponent) * log_floor,
            "foreign": foreign,
            "imported": own(old.imported) * change,
            "tariffs": own(old.tariffs) * change,
        }
        if self.elasticity.any():
            new["gross_unit"] = own(old.gross_unit) * np.exp(-own(self.elasticity) * log_floor)
        rest = {key: own(getattr(old, key)) for key in old._fields if key not in ("kind", *new)}
        moved.constants, moved.rows = old._replace(**new, **rest), None
        for key in ("power", "exponent", "elasticity", "tariff_rate", "subsidy_ratio", "general_subsidy"):
            setattr(moved, key, own(getattr(self, key)))
        return moved

    def residual(self, points: FloatArray) -> FloatArray:
        """Return the log residuals at points (B, (1 + 2J) N)."""
        return self._flows(points).residual.reshape(points.shape)

    def evaluate(self, points: FloatArray) -> Evaluation:
        """Return the whole economy at points (B, (1 + 2J) N)."""
        kernel, flows = _compiled(), self._flows(points, details=True)
        rows, count = self.rows_of(len(points)), len(self.imports)

        def own(values: FloatArray, j: int) -> FloatArray:
            """One sector's constants, (B or 1, N or 1)."""
            mine = values if values.shape[0] == 1 else values[rows]
            return mine[:, j if values.shape[1] > 1 else 0]

        accounts = []
        for j in self.sectors:
            detail, adopts, trades = flows.details[:, j], j in self.adopting, j in self.trading
            accounts.append(
                SectorAccount(
                    cell=CellOutcome(
                        home_supply=flows.supply[j],
                        kept=detail[:, kernel.KEPT],
                        kept_adopters=detail[:, kernel.KEPT_ADOPTERS]
                        if self.constants.kind[j, kernel.SUBSIDISED]
                        else None,
                        gross=detail[:, kernel.GROSS],
                        exported=detail[:, kernel.EXPORTED] if trades else None,
                        adopters=detail[:, kernel.ADOPTERS] if adopts else None,
                        exporters=detail[:, kernel.EXPORTERS] if trades else None,
                        reach=detail[:, kernel.REACH] if adopts else None,
                    ),
                    production=flows.payments[:, j],
                    adoption=flows.payments[:, count + self.adopting.index(j)] if adopts else None,
                    export_labour=flows.payments[:, count + len(self.adopting) + self.trading.index(j)]
                    if trades
                    else None,
                    imports=own(self.constants.imported, j) * flows.demand[j] if self.imports[j] else None,
                    sigma=1.0 + own(self.power, j)[:, 0],
                    tariff_rate=own(self.tariff_rate, j)[:, 0],
                    subsidy_ratio=own(self.subsidy_ratio, j),
                    general_subsidy=own(self.general_subsidy, j),
                )
            )
        wage_bill = np.exp(points[:, : self.labour.shape[-1]]) * self.labour
        return Evaluation(accounts, wage_bill, flows.payments[:, -1], flows.residual.transpose(1, 0, 2))

    def rows_of(self, draws: int) -> NDArray[np.int64]:
        """Return whose constants the rows of so many points have."""
        if self.rows is None:
            return _numbers(draws)
        # several points of one economy, for derivatives
        return self.rows if self.rows.size == draws else np.full(draws, self.rows[0])

    def cells(self, points: FloatArray, factor: FloatArray) -> "Cells":
        """Return what firms do at points (B, (1 + 2J) N) of one economy and ``factor`` (B,) times the first's demand.

        A cell is here a function of w, P and its home demand: the pieces of a Jacobian.
        """
        kernel, draws, shape = _compiled(), points.shape[0], (len(self.imports), points.shape[0], self.labour.shape[-1])
        points = np.ascontiguousarray(points).reshape(draws, -1, shape[-1])
        rows, constants = self.rows_of(draws), self.constants
        demand, supply, residual = np.empty(shape), np.empty(shape), np.empty(points.shape)
        kernel.demands(points, rows, constants, demand)
        demand[:] = demand[:, :1]
        home = _across(demand, self.freeness.swapaxes(2, 3), np.empty(shape))
        home *= factor[:, None]
        payments = np.empty((draws, constants.spending.shape[2], shape[-1]))
        details = np.empty((draws, shape[0], kernel.N_DETAILS, shape[-1]))
        with np.errstate(all="ignore"):
            kernel.choices(points, rows, constants, self.labour, demand, home, supply, payments, details, residual)
        return Cells(demand, home, supply, payments, details[:, :, kernel.GROSS])

    def _flows(self, points: FloatArray, details: bool = False) -> "_Flows":
        """Evaluate the conditions; an overflow far from a solution shows as a residual that is not finite.

        Without ``details``, only residuals last: the rest is overwritten, and was kept of the last draw at most.
        """
        kernel, draws, size, count = _compiled(), points.shape[0], self.labour.shape[-1], len(self.imports)
        points = np.ascontiguousarray(points, dtype=np.float64).reshape(draws, 1 + 2 * count, size)
        rows, constants = self.rows_of(draws), self.constants
        memory = _Memory() if details else self.memory
        demand, home, supply = (memory.empty(name, count, draws, size) for name in ("demand", "home", "supply"))
        kept = draws if details else 1
        payments = memory.empty("payments", kept, constants.spending.shape[2], size)
        cells = memory.empty("cells", kept, count, kernel.N_DETAILS, size)
        residual = np.empty(points.shape)
        # matrix products say where they overflow: a floating-point flag, which some have raised for nothing
        with np.errstate(all="ignore"):
            kernel.demands(points, rows, constants, demand)
            # D_nj = Σ_m d_nmj^{1−σ} P_mj^{σ−1} E_mj
            _across(demand, self.freeness.swapaxes(2, 3), home)
            kernel.choices(points, rows, constants, self.labour, demand, home, supply, payments, cells, residual)
            # home's demand is not needed any more
            sums = _across(supply, self.freeness, home)
            kernel.prices(points, rows, constants, self.labour, sums, self.closed, residual)
        return _Flows(cells, payments, demand, supply, residual)


class Cells(NamedTuple):
    """What firms do at B points of one economy, given their demand."""

    demand: FloatArray  # P^{σ−1} E, (J, B, N), the first point's
    home: FloatArray  # D, (J, B, N)
    supply: FloatArray  # V, (J, B, N)
    payments: FloatArray  # as of ``_Flows``, (B, rows, N)
    gross: FloatArray  # R, (B, J, N)


class _Flows(NamedTuple):
    """One evaluation of the conditions, before it is taken apart by sector."""

    details: FloatArray  # (B, J, kernel.N_DETAILS, N)
    #: X (J), A (adopting sectors), wages for exporting (trading sectors), I: (B, rows, N)
    payments: FloatArray
    demand: FloatArray  # P^{σ−1} E, (J, B, N)
    supply: FloatArray  # V, (J, B, N)
    residual: FloatArray  # (B, 1 + 2J, N)


@cache
def _numbers(count: int) -> NDArray[np.int64]:
    return np.arange(count)


def _ratio(rate: FloatArray) -> FloatArray:
    return rate / (1.0 - rate)


def _bundle(labour: FloatArray, inputs: FloatArray) -> FloatArray:
    """Shares of labour (B or 1, J) and inputs (B or 1, J, K) side by side, (B or 1, J, 1 + K)."""
    draws = max(labour.shape[0], inputs.shape[0])
    both = [np.broadcast_to(part, (draws, *part.shape[1:])) for part in (labour[..., None], inputs)]
    return np.concatenate(both, axis=-1)


def by_draw(values: FloatArray, base: int) -> FloatArray:
    """Put a draws' axis in front of values of ``base`` dimensions without draws: (B or 1, ...)."""
    return values if values.ndim > base else values[None]


def _across(values: FloatArray, freeness: FloatArray, out: FloatArray) -> FloatArray:
    """Σ_n values[j, b, n] freeness[j, b or 0, n, m], shape (J, B, N), written to ``out``."""
    if freeness.shape[1] == 1:
        np.matmul(values, freeness[:, 0], out=out)
    else:
        out[...] = np.matmul(values[:, :, None], freeness)[:, :, 0]
    return out
