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
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from bigpush_est.equilibrium.adoption_map import FloatArray, Index
from bigpush_est.equilibrium.spatial.economy import SHAPES, SpatialEconomy
from bigpush_est.equilibrium.spatial.firms import Allocator, CellOutcome, Sectors, build_sectors, stacked

#: Least income per unit of wages: far from a solution subsidies can exceed all income, of which there is then no log.
_LEAST_INCOME = 1e-9
#: Points of fewer numbers than this are evaluated with new arrays, which the system's allocator serves faster.
_WORTH_KEEPING = 8192


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
        solvent: NDArray[np.bool_] = self.income.sum(axis=1) > 2.0 * _LEAST_INCOME * self.wage_bill.sum(axis=1)
        return solvent

    def national(self, key: str) -> FloatArray:
        """Return a national total over sectors: profit, tax, subsidy or tariff_revenue, (B,)."""
        total: FloatArray = np.sum([getattr(account, key) for account in self.sectors], axis=0)
        return total


class Memory:
    """Memory for an evaluation's arrays that the next evaluation uses again: new pages cost more than their use."""

    def __init__(self) -> None:
        self._block = np.empty(0)
        self._views: dict[tuple[int, tuple[int, ...]], FloatArray] = {}
        self.used, self._needed = 0, 0

    def reset(self) -> None:
        """Start anew: every array handed out before may be overwritten."""
        if self._needed > self._block.size:
            self._block = np.empty(self._needed)
            self._views.clear()
        self.used = 0

    def forget(self) -> None:
        """Prepare for arrays of other shapes."""
        self._views.clear()

    def empty(self, shape: tuple[int, ...]) -> FloatArray:
        """Return an array that is valid until memory before it is given back or reset."""
        key = (self.used, shape)
        view = self._views.get(key)
        if view is None:
            view = self._view(shape)
            self._views[key] = view
        self.used += view.size
        return view

    def _view(self, shape: tuple[int, ...]) -> FloatArray:
        size = math.prod(shape)
        self._needed = max(self._needed, self.used + size)
        if self.used + size > self._block.size:
            return np.empty(shape)  # until the next reset
        return self._block[self.used : self.used + size].reshape(shape)


class _Flows(NamedTuple):
    """One evaluation of the conditions, before it is taken apart by sector."""

    cells: list[CellOutcome]  # by group
    #: X (J), A (adopting sectors), wages for exporting (trading sectors), I: (rows, B, N)
    payments: FloatArray
    demand: FloatArray  # P^{σ−1} E, (J, B, N)
    wage_bill: FloatArray  # (B, N)
    residual: FloatArray  # (1 + 2J, B, N)


class StaticSystem:
    """Section 5's equilibrium conditions for a batch of draws: constants computed once, residuals many times.

    ``index`` chooses draws of the economy; ``lagged_share`` is then theirs, (J, N) or (B, J, N).
    """

    def __init__(self, economy: SpatialEconomy, lagged_share: FloatArray, index: Index | None = None) -> None:
        def take(key: str) -> FloatArray:
            values: FloatArray = getattr(economy, key)
            if values.ndim == len(SHAPES[key]):
                return values[None]
            return values if index is None else values[index]

        self.economy = economy
        count = economy.n_sectors
        self.groups, self.log_scale = build_sectors(economy, lagged_share, index)
        elasticity = stacked(economy, "distortion_elasticity", index)
        self.exponent = stacked(economy, "sigma", index) * (1.0 + elasticity) - 1.0  # ρ
        bundle = _bundle(take("labour_share"), take("input_share"))
        adoption = _bundle(take("adoption_labour_share"), take("adoption_input_share"))
        sigma = take("sigma")[:, None]  # (B or 1, 1)
        self.sigma = sigma
        self.power = sigma - 1.0
        #: log c^{1−σ} and, of sectors that adopt, log c^T: weights of log w and log P
        self.cost_weights = -self.power[:, :, None] * bundle
        self.adopting = [j for j in range(count) if economy.adopts[j]]
        self.bundle_weights = adoption[:, self.adopting]
        self.trading = [j for j in range(count) if economy.trades[j]]
        self.preference = take("preference_share")
        self.spending_weights = self._spending_weights(bundle, adoption)
        self.markup_inverse = self.power / sigma
        self.labour = take("labour")
        self.freeness = take("freeness").transpose(1, 0, 2, 3)  # (J, B or 1, N, N)
        self.freeness_back = self.freeness.swapaxes(2, 3)
        tariff, price = stacked(economy, "tariff", index), stacked(economy, "foreign_price", index)
        with np.errstate(divide="ignore"):
            paid = np.exp(-self.power * np.log(price * (1.0 + tariff)))
        self.imported = paid * stacked(economy, "port_freeness", index)  # (P^f (1+t) d^x)^{1−σ}, (J, B or 1, N)
        self.tariff_rate = (tariff / (1.0 + tariff))[:, :, 0]
        self.tariffs = self.tariff_rate[:, :, None] * self.imported
        self.imports = self.imported.reshape(count, -1).any(axis=1).tolist()
        #: without foreign trade nothing fixes the price level: mean wages are then set to 1
        self.closed = not self.trading
        self.memory = Memory()

    @property
    def sectors(self) -> range:
        """The sectors' numbers."""
        return range(len(self.imports))

    def _spending_weights(self, bundle: FloatArray, adoption: FloatArray) -> FloatArray:
        """Weights (B or 1, 1 + J, rows) that take payments to labour's pay and expenditure by sector."""
        count = bundle.shape[1]
        draws = max(bundle.shape[0], adoption.shape[0], self.preference.shape[0])
        rows = count + len(self.adopting) + len(self.trading) + 1
        weights = np.zeros((draws, 1 + count, rows))
        weights[:, :, :count] = bundle.transpose(0, 2, 1)
        weights[:, :, count : count + len(self.adopting)] = adoption[:, self.adopting].transpose(0, 2, 1)
        weights[:, 0, count + len(self.adopting) : -1] = 1.0
        weights[:, 1:, -1] = self.preference
        return weights

    def select(self, index: Index) -> Self:
        """Return the system of some draws."""
        chosen = object.__new__(type(self))
        for key, value in self.__dict__.items():
            if isinstance(value, np.ndarray):
                axis = 1 if key in _SECTORS_FIRST else 0
                if value.shape[axis] > 1:
                    value = value[:, index] if axis else value[index]
            chosen.__dict__[key] = value
        chosen.groups = [group.select(index) for group in self.groups]
        chosen.memory.forget()
        return chosen

    def shifted(self, productivity: FloatArray, demand: FloatArray, price: FloatArray) -> Self:
        """Return the system with fundamentals changed by logs: φ^min (J, B, N), D^x (J, B) and P^f (J, B)."""
        moved = object.__new__(type(self))
        moved.__dict__.update(self.__dict__)
        moved.groups = [group.shifted(productivity[group.rows], demand[group.rows, :, None]) for group in self.groups]
        moved.log_scale = self.log_scale + self.exponent * productivity
        change = np.exp(-self.power * price[:, :, None])
        moved.imported, moved.tariffs = self.imported * change, self.tariffs * change
        return moved

    def residual(self, points: FloatArray) -> FloatArray:
        """Return the log residuals at points (B, (1 + 2J) N)."""
        memory = self.memory if points.size > _WORTH_KEEPING else None
        if memory is not None:
            memory.reset()
        residual = self._flows(points, memory).residual
        return np.array(residual.transpose(1, 0, 2), order="C").reshape(points.shape)

    def evaluate(self, points: FloatArray) -> Evaluation:
        """Return the whole economy at points (B, (1 + 2J) N)."""
        flows = self._flows(points)
        accounts = []
        for group, cells in zip(self.groups, flows.cells, strict=True):
            for row, j in enumerate(range(group.rows.start, group.rows.stop)):
                accounts.append(
                    SectorAccount(
                        cell=cells.of(row),
                        production=flows.payments[j],
                        adoption=flows.payments[self._row_of_adoption(j)] if j in self.adopting else None,
                        export_labour=flows.payments[self._row_of_exporting(j)] if j in self.trading else None,
                        imports=self.imported[j] * flows.demand[j] if self.imports[j] else None,
                        sigma=self.sigma[:, 0],
                        tariff_rate=self.tariff_rate[j],
                        subsidy_ratio=_of(group.subsidy, row),
                        general_subsidy=_of(group.general_subsidy, row),
                    )
                )
        return Evaluation(accounts, flows.wage_bill, flows.payments[-1], flows.residual)

    def _row_of_adoption(self, j: int) -> int:
        return self.economy.n_sectors + self.adopting.index(j)

    def _row_of_exporting(self, j: int) -> int:
        return self.economy.n_sectors + len(self.adopting) + self.trading.index(j)

    def _flows(self, points: FloatArray, memory: "Memory | None" = None) -> _Flows:
        """Evaluate the conditions; an overflow far from a solution shows as a residual that is not finite.

        With ``memory``, arrays are overwritten by the next evaluation, and those of ``cells`` already by this one.
        """
        with np.errstate(divide="ignore", invalid="ignore", over="ignore", under="ignore"):
            return self._unguarded_flows(points, memory)

    def _unguarded_flows(self, points: FloatArray, memory: "Memory | None") -> _Flows:
        count, size, draws = len(self.imports), self.labour.shape[-1], points.shape[0]
        empty: Allocator = np.empty if memory is None else memory.empty
        by_sector = (count, draws, size)
        logs = empty((1 + 2 * count, draws, size))
        logs[...] = points.reshape(-1, 1 + 2 * count, size).transpose(1, 0, 2)
        before, log_price, log_spend = logs[: 1 + count], logs[1 : 1 + count], logs[1 + count :]
        wage = np.exp(logs[0], out=empty((draws, size)))
        wage_bill = np.multiply(wage, self.labour, out=empty((draws, size)))
        log_scale = _mix(self.cost_weights, before, empty(by_sector))
        log_scale += self.log_scale
        log_bundle = _mix(self.bundle_weights, before, empty((len(self.adopting), draws, size)))
        demand = np.multiply(log_price, self.power, out=empty(by_sector))
        demand += log_spend
        np.exp(demand, out=demand)
        # D_nj = Σ_m d_nmj^{1−σ} P_mj^{σ−1} E_mj
        home = _across(demand, self.freeness_back, empty(by_sector))
        payments = empty((self.spending_weights.shape[2], draws, size))
        supply, gross, cells = empty(by_sector), empty(by_sector), []
        adopter, trader = count, count + len(self.adopting)
        here = 0 if memory is None else memory.used
        for group in self.groups:
            rows, more = group.rows, group.rows.stop - group.rows.start
            bundles = log_bundle[adopter - count : adopter - count + more]
            cell = group.outcome(logs[0], wage, log_scale[rows], bundles, home[rows], empty, supply[rows], gross[rows])
            self._pay_for_inputs(group, cell, payments[rows])
            if cell.adopters is not None and cell.outlay is not None:
                adopted = payments[adopter : adopter + more]
                np.multiply(cell.adopters, cell.outlay, out=adopted)
                adopted *= group.firm_mass
                adopter += more
            if cell.exporters is not None:
                exporting = payments[trader : trader + more]
                np.multiply(cell.exporters, group.export_labour, out=exporting)
                exporting *= wage
                trader += more
            if memory is None:
                cells.append(cell)
            else:
                memory.used = here
        earned = _national(gross) - _national(payments[:-1])
        if not self.closed:
            earned += _weighted(demand, self.tariffs)
        income_per_wage = 1.0 + earned / wage_bill.sum(axis=1)
        np.multiply(wage_bill, np.maximum(income_per_wage, _LEAST_INCOME)[:, None], out=payments[-1])
        residual = empty(logs.shape)
        _mix(self.spending_weights[:, :1], payments, residual[:1])
        _mix(self.spending_weights[:, 1:], payments, residual[1 + count :])
        prices = _across(supply, self.freeness, residual[1 : 1 + count])
        if not self.closed:
            prices += self.imported
        np.log(residual, out=residual)
        prices *= -1.0 / self.power
        residual -= logs
        residual[0] -= np.log(self.labour)
        if self.closed:
            residual -= np.log(wage_bill.sum(axis=1) / self.labour.sum(axis=1))[None, :, None]
        return _Flows(cells, payments, demand, wage_bill, residual)

    def _pay_for_inputs(self, group: Sectors, cell: CellOutcome, inputs: FloatArray) -> None:
        """X of a group, written to ``inputs``."""
        kept, extra = cell.kept, cell.kept_adopters
        if extra is not None:
            extra = np.multiply(extra, group.subsidy)
            np.add(kept, extra, out=inputs)
            kept = inputs
        np.multiply(kept, self.markup_inverse, out=inputs)
        if group.generally_subsidised:
            inputs /= 1.0 - group.general_subsidy


#: Arrays of a system whose first axis is sectors, their second draws.
_SECTORS_FIRST = frozenset(("log_scale", "exponent", "freeness", "freeness_back", "imported", "tariff_rate", "tariffs"))


def _bundle(labour: FloatArray, inputs: FloatArray) -> FloatArray:
    """Shares of labour (B or 1, J) and inputs (B or 1, J, K) side by side, (B or 1, J, 1 + K)."""
    draws = max(labour.shape[0], inputs.shape[0])
    both = [np.broadcast_to(part, (draws, *part.shape[1:])) for part in (labour[..., None], inputs)]
    return np.concatenate(both, axis=-1)


def _of(values: FloatArray, row: int) -> FloatArray:
    """Return one sector's constants."""
    one: FloatArray = values[row if values.shape[0] > 1 else 0]
    return one


def _national(values: FloatArray) -> FloatArray:
    """Sum over sectors and regions, shape (B,)."""
    total: FloatArray = np.add.reduce(values @ np.ones(values.shape[-1]), axis=0)
    return total


def _weighted(values: FloatArray, weights: FloatArray) -> FloatArray:
    """Sum over sectors and regions, weighted by (J, B or 1, N), shape (B,)."""
    total: FloatArray
    if weights.shape[1] == 1:
        total = np.add.reduce(np.matmul(values, weights.transpose(0, 2, 1))[:, :, 0], axis=0)
    else:
        total = np.einsum("jbn,jbn->b", values, weights)
    return total


def by_draw(values: FloatArray, base: int) -> FloatArray:
    """Put a draws' axis in front of values of ``base`` dimensions without draws: (B or 1, ...)."""
    return values if values.ndim > base else values[None]


def _mix(weights: FloatArray, values: FloatArray, out: FloatArray) -> FloatArray:
    """Σ_k weights[b, j, k] values[k, b, n], shape (J, B, N), written to ``out``."""
    if weights.shape[0] == 1:
        cells = values[0].size
        np.matmul(weights[0], values.reshape(-1, cells), out=out.reshape(-1, cells))
    else:
        out[...] = np.matmul(weights, values.transpose(1, 0, 2)).transpose(1, 0, 2)
    return out


def _across(values: FloatArray, freeness: FloatArray, out: FloatArray) -> FloatArray:
    """Σ_n values[j, b, n] freeness[j, b or 0, n, m], shape (J, B, N), written to ``out``."""
    if freeness.shape[1] == 1:
        np.matmul(values, freeness[:, 0], out=out)
    else:
        out[...] = np.matmul(values[:, :, None], freeness)[:, :, 0]
    return out
