"""The conditions of Section 5's static equilibrium, given last period's adopter shares: a batch of draws at once.

Unknowns are log w_n, log P_nj and log E_nj.  Given them, firms' choices are in closed form (``firms``), and three
conditions give their next values (Section 5.1; our derivation):

    P_mj^{1−σ} = Σ_n V_nj d_nmj^{1−σ} + (P^f_j (1 + t_j) d^x_mj)^{1−σ}
    w_n L_n    = Σ_j γ^L_j X_nj + Σ_j γ^{L,T}_j A_nj + Σ_j M_nj x̄_nj w_n F^x_j
    E_nk       = α_k I_n + Σ_j γ^k_j X_nj + Σ_j γ^{k,T}_j A_nj

X are input bundles bought for production, at market value: (K − K^T)/μ + K^T/(μ(1−s)); A = M λ c^T F^T those for
adoption.  Trade balance is not imposed: it follows, and is reported as a check.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np

from bigpush_est.equilibrium.adoption_map import FloatArray, Index
from bigpush_est.equilibrium.spatial.economy import SpatialEconomy
from bigpush_est.equilibrium.spatial.firms import CellOutcome, Sector


@dataclass(frozen=True, slots=True)
class SectorAccount:
    """What one sector's firms buy and owe, regions (B, N) and nation (B,); None where it cannot occur."""

    cell: CellOutcome
    production: FloatArray  # X, inputs at market value, (B, N)
    adoption: FloatArray | None  # A, (B, N)
    export_labour: FloatArray | None  # wages paid for exporting, (B, N)
    imports: FloatArray | None  # at the price that buyers pay, (B, N)
    profit: FloatArray
    tax: FloatArray
    subsidy: FloatArray
    tariff_revenue: FloatArray


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The economy at given log w, log P and log E."""

    sectors: list[SectorAccount]
    wage_bill: FloatArray  # w L, (B, N)
    income: FloatArray  # I, (B, N)
    residual: FloatArray  # (1 + 2J, B, N) log residuals of wages, prices, expenditures

    def national(self, key: str) -> FloatArray:
        """Return a national total over sectors: profit, tax, subsidy or tariff_revenue, (B,)."""
        return _sum([getattr(account, key) for account in self.sectors])


class StaticSystem:
    """Section 5's equilibrium conditions for a batch of draws: constants computed once, residuals many times."""

    def __init__(self, economy: SpatialEconomy, lagged_share: FloatArray) -> None:
        self.economy = economy
        self.sectors = [Sector.build(economy, j, lagged_share) for j in range(economy.n_sectors)]
        bundle = np.concatenate([economy.labour_share[..., None], economy.input_share], axis=-1)
        adoption = np.concatenate([economy.adoption_labour_share[..., None], economy.adoption_input_share], axis=-1)
        self.bundle, self.adoption = by_draw(bundle, 2), by_draw(adoption, 2)
        self.same_bundle = np.array_equal(bundle, adoption)
        self.preference = by_draw(economy.preference_share, 1)
        self.labour = by_draw(economy.labour, 1)
        self.freeness = economy.freeness
        tariff, price = economy.tariff, economy.foreign_price
        power = (1.0 - economy.sigma)[..., None]
        paid = np.where(np.isinf(price), 0.0, (price * (1.0 + tariff)) ** power)
        self.imported = by_draw(paid[..., None] * economy.port_freeness, 2)  # (P^f (1+t) d^x)^{1−σ}
        self.tariff_rate = by_draw(tariff / (1.0 + tariff), 1)
        self.power = by_draw(economy.sigma, 0)[:, None] - 1.0  # σ − 1, (B or 1, 1)
        self.markup = (self.power + 1.0) / self.power
        self.subsidy = by_draw(economy.subsidy, 2)
        self.general_subsidy = by_draw(economy.general_subsidy, 2)
        sectors = range(economy.n_sectors)
        self.subsidised = [bool(np.any(self.subsidy[:, j])) for j in sectors]
        self.generally_subsidised = [bool(np.any(self.general_subsidy[:, j])) for j in sectors]
        self.imports = [bool(np.any(self.imported[:, j])) for j in sectors]
        #: without foreign trade nothing fixes the price level: mean wages are then set to 1
        self.closed = not any(sector.trades for sector in self.sectors)

    def select(self, index: Index) -> Self:
        """Return the system of some draws."""
        chosen = object.__new__(type(self))
        for key, value in self.__dict__.items():
            if isinstance(value, np.ndarray) and key != "freeness" and value.shape[0] > 1:
                value = value[index]
            chosen.__dict__[key] = value
        chosen.sectors = [sector.select(index) for sector in self.sectors]
        if self.freeness.ndim == 4 and self.freeness.shape[0] > 1:
            chosen.freeness = self.freeness[index]
        return chosen

    def shifted(self, productivity: FloatArray, demand: FloatArray, price: FloatArray) -> Self:
        """Return the system with fundamentals changed by logs: φ^min (J, B, N), D^x (J, B) and P^f (J, B)."""
        moved = object.__new__(type(self))
        moved.__dict__.update(self.__dict__)
        moved.sectors = [sector.shifted(productivity[j], demand[j, :, None]) for j, sector in enumerate(self.sectors)]
        moved.imported = self.imported * np.exp(-self.power * price.T)[:, :, None]
        return moved

    def residual(self, points: FloatArray) -> FloatArray:
        """Return the log residuals at points (B, (1 + 2J) N)."""
        residual = self.evaluate(points).residual
        return np.ascontiguousarray(residual.transpose(1, 0, 2)).reshape(points.shape)

    def evaluate(self, points: FloatArray) -> Evaluation:
        """Return the whole economy at points (B, (1 + 2J) N)."""
        count, size = len(self.sectors), self.labour.shape[-1]
        logs = np.ascontiguousarray(points.reshape(-1, 1 + 2 * count, size).transpose(1, 0, 2))
        log_price, log_spend = logs[1 : 1 + count], logs[1 + count :]
        wage = np.exp(logs[0])
        wage_bill = wage * self.labour
        log_cost = _mix(self.bundle, logs[: 1 + count])
        log_bundle = log_cost if self.same_bundle else _mix(self.adoption, logs[: 1 + count])
        demand = log_price * self.power
        demand += log_spend
        np.exp(demand, out=demand)  # P^{σ−1} E
        accounts = []
        for j, sector in enumerate(self.sectors):
            cell = sector.outcome(logs[0], log_cost[j], log_bundle[j], self._home_demand(demand[j], j))
            accounts.append(self._account(j, cell, wage, demand[j]))
        gains = _sum([account.profit + account.tax + account.tariff_revenue - account.subsidy for account in accounts])
        wages = wage_bill.sum(axis=1)
        income = wage_bill * (1.0 + gains / wages)[:, None]
        residual = np.empty_like(logs)
        with np.errstate(divide="ignore", invalid="ignore"):
            np.log(self._labour_demand(accounts) / wage_bill, out=residual[0])
            np.log(self._prices(accounts), out=residual[1 : 1 + count])
            np.log(self._spending(income, accounts), out=residual[1 + count :])
        residual[1 : 1 + count] /= -self.power
        residual[1 : 1 + count] -= log_price
        residual[1 + count :] -= log_spend
        if self.closed:
            residual -= np.log(wages / np.broadcast_to(self.labour, wage.shape).sum(axis=1))[None, :, None]
        return Evaluation(accounts, wage_bill, income, residual)

    def _account(self, j: int, cell: CellOutcome, wage: FloatArray, demand: FloatArray) -> SectorAccount:
        sector = self.sectors[j]
        inputs = cell.kept
        if self.subsidised[j] and cell.kept_adopters is not None:
            rate = self.subsidy[:, j]
            inputs = inputs + cell.kept_adopters * (rate / (1.0 - rate))
        if self.generally_subsidised[j]:
            inputs = inputs / (1.0 - self.general_subsidy[:, j])
        kept = cell.kept.sum(axis=1)
        nothing = np.zeros_like(kept)
        subsidy = nothing if inputs is cell.kept else (inputs.sum(axis=1) - kept) / self.markup[:, 0]
        profit = kept / (self.power[:, 0] + 1.0)
        tax = cell.gross.sum(axis=1) - kept if sector.taxed else nothing
        adopted = exporting = bought = None
        revenue = nothing
        if cell.adopters is not None and cell.outlay is not None:
            adopted = sector.firm_mass * cell.adopters * cell.outlay
            profit = profit - adopted.sum(axis=1)
        if cell.exporters is not None:
            exporting = sector.firm_mass * cell.exporters * sector.export_cost * wage
            profit = profit - exporting.sum(axis=1)
        if self.imports[j]:
            bought = self.imported[:, j] * demand
            revenue = self.tariff_rate[:, j] * bought.sum(axis=1)
        return SectorAccount(cell, inputs / self.markup, adopted, exporting, bought, profit, tax, subsidy, revenue)

    def _home_demand(self, demand: FloatArray, j: int) -> FloatArray:
        """D_nj = Σ_m d_nmj^{1−σ} P_mj^{σ−1} E_mj."""
        found: FloatArray
        if self.freeness.ndim == 3:
            found = demand @ self.freeness[j].T
        else:
            found = np.matmul(self.freeness[:, j], demand[:, :, None])[:, :, 0]
        return found

    def _prices(self, accounts: list[SectorAccount]) -> FloatArray:
        """P^{1−σ}, shape (J, B, N)."""
        sums = []
        for j, account in enumerate(accounts):
            supply = account.cell.home_supply
            if self.freeness.ndim == 3:
                home = supply @ self.freeness[j]
            else:
                home = np.matmul(supply[:, None, :], self.freeness[:, j])[:, 0]
            sums.append(home + self.imported[:, j] if self.imports[j] else home)
        return np.array(sums)

    def _labour_demand(self, accounts: list[SectorAccount]) -> FloatArray:
        """Return what is paid to labour, (B, N)."""
        paid = []
        for j, account in enumerate(accounts):
            paid.append(self.bundle[:, j, :1] * account.production)
            if account.adoption is not None:
                paid.append(self.adoption[:, j, :1] * account.adoption)
            if account.export_labour is not None:
                paid.append(account.export_labour)
        return _sum(paid)

    def _spending(self, income: FloatArray, accounts: list[SectorAccount]) -> FloatArray:
        """E, shape (J, B, N)."""
        spending = _mix(self.bundle[:, :, 1:].transpose(0, 2, 1), np.array([a.production for a in accounts]))
        for j, account in enumerate(accounts):
            if account.adoption is not None:
                for k in range(len(accounts)):
                    spending[k] += self.adoption[:, j, 1 + k, None] * account.adoption
        for k in range(len(accounts)):
            spending[k] += self.preference[:, k, None] * income
        return spending


def _sum(parts: list[FloatArray]) -> FloatArray:
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total


def by_draw(values: FloatArray, base: int) -> FloatArray:
    """Put a draws' axis in front of values of ``base`` dimensions without draws: (B or 1, ...)."""
    return values if values.ndim > base else values[None]


def _mix(weights: FloatArray, values: FloatArray) -> FloatArray:
    """Σ_k weights[b, j, k] values[k, b, n], shape (J, B, N)."""
    if weights.shape[0] == 1:
        mixed: FloatArray = weights[0] @ values.reshape(values.shape[0], -1)
        return mixed.reshape(-1, *values.shape[1:])
    by_row: FloatArray = np.einsum("bjk,kbn->jbn", weights, values)
    return by_row
