"""A simulated-firm version of the many-region big-push economy, used as an oracle in the tests.

Every number here comes from explicit firms.  Each one has a productivity, prices over its marginal cost, meets the
demand of every region and of Foreign, pays for its inputs, and compares the profits of four plans: stay or adopt,
and serve Home only or export as well.  Aggregates are averages over firms.  There is no cutoff, no integral of the
productivity distribution and no solved-out equilibrium condition, so agreement with an analytical solver is
evidence about that solver.  Trade balance is never imposed.

Conventions
-----------
A firm keeps the share ``tau_bar * z ** xi`` of its revenue, at home and abroad, where `z` includes adoption and
spillovers; the rest is a tax, negative where the share exceeds one.  Adopters pay ``1 - subsidy`` per bundle of
inputs in variable production and the full cost of the adoption bundles.  Taxes on revenue, tariffs (levied on the
value of imports before the tariff) and profits are pooled and paid out in proportion to labour income; a
proportional tax on labour income pays for the subsidies.  Foreign prices and foreign demand set the nominal scale;
without foreign trade, the wage of the first region is the numeraire.

The productivity distribution is cut into strata, each represented by one firm.  A stratum whose two edges prefer
different plans is divided where profits, interpolated between the edges, cross.  This keeps
aggregates continuous in prices; :func:`separate_firms` switches it off.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import root

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]

#: The plans among which firms choose, in the order of the last axis of `FirmOutcomes.plan_share`.
PLANS = ("stay, home only", "stay, export", "adopt, home only", "adopt, export")

# With unbounded productivity, the firms beyond the last stratum carry about this fraction of the aggregates.
_TAIL_SHARE = 1e-12
# Beyond this survival probability, masses and productivities would leave the range of double precision.
_SMALLEST_SURVIVAL = 1e-250
# Stands in for the logarithm of an income or a price that is not positive, which only a search can visit.
_LOG_TINY = -700.0
_COARSE = 2_000
_TOLERANCE = 1e-12
# How fast best responses are followed on the way to a starting point; slower where faster does not lead to one.
_PACES = (1.0, 0.3, 0.1)


@dataclass(frozen=True)
class Economy:
    """One period's fundamentals and policy; functions here accept any object with these attributes.

    Attributes
    ----------
    sigma, theta, kappa, eta, delta : float
        Elasticity of substitution, shape and upper bound of relative productivity (``inf`` when unbounded),
        productivity gain from adoption, and semi-elasticity of productivity with respect to the lagged share.
    xi, tau_bar : ndarray, shape (J,)
        Elasticity and level of the share of revenue that firms keep.
    adoption_cost, export_cost : ndarray, shape (J,)
        Fixed costs, in adoption bundles (``inf`` where the sector cannot adopt) and in labour.
    preference_share, labour_share : ndarray, shape (J,)
        Consumption shares and labour shares of production.
    input_share : ndarray, shape (J, J)
        Shares of sector k (columns) in the production costs of sector j (rows).
    adoption_labour_share, adoption_input_share : ndarray, shapes (J,) and (J, J)
        The same for adoption bundles.
    firm_mass, productivity, port_freeness, subsidy : ndarray, shape (N, J)
        Mass of firms, lowest productivity, freeness of trade with Foreign, and subsidy rate.
    labour : ndarray, shape (N,)
        Labour endowments.
    freeness : ndarray, shape (J, N, N)
        Freeness of trade from region n (second axis) to region m (third axis).
    tariff, foreign_price, foreign_demand : ndarray, shape (J,)
        Tariff rate, price of foreign varieties (``inf`` for no imports), and shifter of foreign demand.
    """

    sigma: float
    theta: float
    kappa: float
    eta: float
    delta: float
    xi: FloatArray
    tau_bar: FloatArray
    adoption_cost: FloatArray
    export_cost: FloatArray
    preference_share: FloatArray
    labour_share: FloatArray
    input_share: FloatArray
    adoption_labour_share: FloatArray
    adoption_input_share: FloatArray
    firm_mass: FloatArray
    labour: FloatArray
    freeness: FloatArray
    port_freeness: FloatArray
    tariff: FloatArray
    productivity: FloatArray
    foreign_price: FloatArray
    foreign_demand: FloatArray
    subsidy: FloatArray

    @property
    def shape(self) -> tuple[int, int]:
        """Numbers of regions and of sectors."""
        regions, sectors = self.firm_mass.shape
        return regions, sectors

    @property
    def imports(self) -> bool:
        """Whether any foreign variety can be bought."""
        return bool((np.isfinite(self.foreign_price) & (self.port_freeness > 0.0)).any())

    @property
    def exports(self) -> bool:
        """Whether any home variety can be sold abroad."""
        return bool(((self.foreign_demand > 0.0) & (self.port_freeness * self.firm_mass > 0.0)).any())


@dataclass(frozen=True)
class Firms:
    """Strata of relative productivity in ascending order.

    Attributes
    ----------
    relative : ndarray, shape (F,)
        Productivity of each stratum's representative firm, over the lowest one.
    mass : ndarray, shape (F,)
        Probability of each stratum.
    edges : ndarray, shape (F + 1,), or None
        Bounds of the strata; None where each firm makes one choice.
    """

    relative: FloatArray
    mass: FloatArray
    edges: FloatArray | None


@dataclass(frozen=True)
class FirmOutcomes:
    """What firms do at given prices, wages and expenditures, by region and sector.

    Values are in units of account and per region-sector, that is, multiplied by the mass of firms.

    Attributes
    ----------
    plan_share : ndarray, shape (N, J, 4)
        Share of firms that choose each of `PLANS`.
    adopter_share, exporter_share : ndarray
        Shares of firms that adopt and that export.
    price_aggregate, exporter_price_aggregate : ndarray
        Sums of factory prices to the power ``1 - sigma`` over all firms and over exporters.
    unit_cost, adoption_unit_cost : ndarray
        Prices of a production bundle, before subsidy, and of an adoption bundle.
    home_revenue, export_revenue : ndarray
        What buyers at home and abroad pay.
    gross_revenue, kept_revenue, distortion_tax : ndarray
        Total revenue, the part that firms keep, and the rest.
    production_value, production_outlay, subsidy_bill : ndarray
        Market value of the inputs of production, what firms pay for them, and the difference.
    adoption_outlay, export_outlay : ndarray
        Spending on adoption bundles and on the labour that exporting takes.
    profits : ndarray
        Profits after all fixed costs.
    labour_demand : ndarray
        Workers.
    input_values : ndarray, shape (N, J, J)
        Market value of purchases from sector k (last axis) by sector j, for production and for adoption.
    """

    plan_share: FloatArray
    adopter_share: FloatArray
    exporter_share: FloatArray
    price_aggregate: FloatArray
    exporter_price_aggregate: FloatArray
    unit_cost: FloatArray
    adoption_unit_cost: FloatArray
    home_revenue: FloatArray
    export_revenue: FloatArray
    gross_revenue: FloatArray
    kept_revenue: FloatArray
    distortion_tax: FloatArray
    production_value: FloatArray
    production_outlay: FloatArray
    subsidy_bill: FloatArray
    adoption_outlay: FloatArray
    export_outlay: FloatArray
    profits: FloatArray
    labour_demand: FloatArray
    input_values: FloatArray


@dataclass(frozen=True)
class NationalAccounts:
    """National totals and regional incomes.

    Attributes
    ----------
    import_value : ndarray, shape (N, J)
        Imports before tariff.
    tariff_revenue, distortion_tax, profits, subsidy_bill, exports, imports : float
        National totals; imports are before tariff.
    labour_tax, dividend : float
        Tax rate on labour income, and payments to households as a fraction of it.
    income : ndarray, shape (N,)
        Income of each region's households.
    """

    import_value: FloatArray
    tariff_revenue: float
    distortion_tax: float
    profits: float
    subsidy_bill: float
    exports: float
    imports: float
    labour_tax: float
    dividend: float
    income: FloatArray


@dataclass(frozen=True)
class Residuals:
    """Deviations from equilibrium.

    Attributes
    ----------
    price, expenditure : ndarray, shape (N, J)
        Log of the price index and of the expenditure implied by firms' and households' choices, over those given.
    labour : ndarray, shape (N,)
        Log of labour demand over the endowment.
    trade_balance : float
        Exports less imports before tariff, over national labour income.
    income_identity : float
        Household income over home value added plus tariffs, minus one; value added is what home varieties earn
        less all inputs bought, those for adoption included.
    government_budget : float
        Revenue less spending, over national labour income.
    """

    price: FloatArray
    labour: FloatArray
    expenditure: FloatArray
    trade_balance: float
    income_identity: float
    government_budget: float

    @property
    def largest(self) -> float:
        """Largest absolute deviation from the equations that a solution imposes."""
        return float(max(np.abs(self.price).max(), np.abs(self.labour).max(), np.abs(self.expenditure).max()))


@dataclass(frozen=True)
class BruteForceEquilibrium:
    """A static equilibrium of the simulated economy.

    Attributes
    ----------
    wage : ndarray, shape (N,)
        Wages.
    price, expenditure : ndarray, shape (N, J)
        Price indices and expenditures.
    outcomes : FirmOutcomes
        What firms do.
    accounts : NationalAccounts
        National totals and incomes.
    residuals : Residuals
        Deviations, those from conditions not imposed included.
    """

    wage: FloatArray
    price: FloatArray
    expenditure: FloatArray
    outcomes: FirmOutcomes
    accounts: NationalAccounts
    residuals: Residuals


def as_economy(parameters: object) -> Economy:
    """Read the attributes of an economy and check their shapes.

    Parameters
    ----------
    parameters : object
        Anything with the attributes of :class:`Economy`.

    Returns
    -------
    Economy
        The same numbers in double precision.

    Raises
    ------
    ValueError
        If an array does not have the shape that the masses of firms and the endowments imply.
    """
    if isinstance(parameters, Economy):
        return parameters
    values: dict[str, Any] = {
        field.name: np.asarray(getattr(parameters, field.name), dtype=np.float64) for field in fields(Economy)
    }
    regions, sectors = values["firm_mass"].shape
    shapes: dict[str, tuple[int, ...]] = {
        "labour": (regions,),
        "freeness": (sectors, regions, regions),
        "input_share": (sectors, sectors),
        "adoption_input_share": (sectors, sectors),
    }
    shapes |= dict.fromkeys(("sigma", "theta", "kappa", "eta", "delta"), ())
    shapes |= dict.fromkeys(("firm_mass", "port_freeness", "productivity", "subsidy"), (regions, sectors))
    for name, value in values.items():
        expected = shapes.get(name, (sectors,))
        if value.shape != expected:
            raise ValueError(f"{name} has shape {value.shape}, not {expected}")
    values |= {name: float(value) for name, value in values.items() if value.ndim == 0}
    return Economy(**values)


def _quantile(theta: float, kappa: float, rank: FloatArray) -> FloatArray:
    return np.asarray((1.0 - rank * -np.expm1(-theta * np.log(kappa))) ** (-1.0 / theta))


@lru_cache(maxsize=16)
def equal_strata(theta: float, kappa: float, firms: int) -> Firms:
    """Cut the distribution of relative productivity into strata of equal probability.

    Parameters
    ----------
    theta, kappa : float
        Shape and upper bound.
    firms : int
        Number of strata.  The highest one is long where productivity is widely dispersed; see :func:`log_strata`.

    Returns
    -------
    Firms
        Strata represented by the firm at the middle of their ranks.
    """
    middle = _quantile(theta, kappa, (np.arange(firms) + 0.5) / firms)
    ranks = np.arange(firms + 1) / firms
    if np.isinf(kappa):
        ranks[-1] = 1.0 - 0.5 / firms
    return Firms(relative=middle, mass=np.full(firms, 1.0 / firms), edges=_quantile(theta, kappa, ranks))


@lru_cache(maxsize=16)
def separate_firms(theta: float, kappa: float, firms: int) -> Firms:
    """Place firms at the mid-ranks of the distribution, each of which makes one choice.

    Parameters
    ----------
    theta, kappa : float
        Shape and upper bound.
    firms : int
        Number of firms.

    Returns
    -------
    Firms
        Firms of equal mass.
    """
    return replace(equal_strata(theta, kappa, firms), edges=None)


def log_strata(economy: object, firms: int) -> Firms:
    """Cut the distribution of relative productivity into strata of equal width in logs.

    These follow the upper tail much further than strata of equal probability, so that productivity may be unbounded.

    Parameters
    ----------
    economy : object
        The economy, whose sectors' revenues decide how far the tail must be followed.
    firms : int
        Number of strata.

    Returns
    -------
    Firms
        Strata represented by the firm in their middle.

    Raises
    ------
    ValueError
        If productivity is unbounded and aggregate revenue diverges.
    """
    given = as_economy(economy)
    steepest = float(np.maximum((given.sigma - 1.0) * (1.0 + given.xi), given.sigma * (1.0 + given.xi) - 1.0).max())
    if np.isfinite(given.kappa):
        top = float(np.log(given.kappa))
    elif given.theta > steepest:
        top = min(np.log(_TAIL_SHARE) / (steepest - given.theta), -np.log(_SMALLEST_SURVIVAL) / given.theta)
    else:
        raise ValueError("theta must exceed the exponent of revenue when productivity is unbounded")
    return _log_strata(given.theta, given.kappa, top, firms)


@lru_cache(maxsize=16)
def _log_strata(theta: float, kappa: float, top: float, firms: int) -> Firms:
    edges = np.linspace(0.0, top, firms + 1)
    inside = -np.expm1(-theta * np.log(kappa))
    mass = np.exp(-theta * edges[:-1]) * -np.expm1(-theta * np.diff(edges)) / inside
    if np.isinf(kappa):
        mass[-1] += np.exp(-theta * top)
    return Firms(relative=np.exp(0.5 * (edges[:-1] + edges[1:])), mass=mass, edges=np.exp(edges))


def _firms(economy: Economy, firms: int | Firms) -> Firms:
    return equal_strata(economy.theta, economy.kappa, firms) if isinstance(firms, int) else firms


def _division(at_low_edge: FloatArray, at_high_edge: FloatArray) -> FloatArray:
    """Fractions of a stratum in which each plan is the best, when profits run straight from edge to edge."""
    fractions = np.zeros(at_low_edge.size)
    possible = np.flatnonzero(np.isfinite(at_low_edge))
    plan, position = int(at_low_edge.argmax()), 0.0
    for _ in PLANS[1:]:
        ahead = at_low_edge[plan] - at_low_edge[possible]
        gained = at_high_edge[possible] - at_high_edge[plan] + ahead
        rising = gained > 0.0
        overtakes = np.divide(ahead, gained, out=np.full(possible.size, np.inf), where=rising)
        first = float(overtakes.min())
        if first >= 1.0:
            break
        # Of plans that overtake at the same point, the one that gains most is the best from there on.
        nearest = np.flatnonzero(overtakes == first)
        fractions[plan] = max(first, position) - position
        plan, position = int(possible[nearest[gained[nearest].argmax()]]), max(first, position)
    fractions[plan] = 1.0 - position
    return fractions


@dataclass(frozen=True)
class _Ledger:
    """One adoption choice of each firm: what it charges, sells and pays, at home and abroad."""

    price: FloatArray
    kept_share: FloatArray
    marginal_cost: FloatArray
    home_quantity: FloatArray
    export_quantity: FloatArray

    def profit(self, quantity: FloatArray) -> FloatArray:
        """Kept revenue less variable costs on some of the firm's sales."""
        return (self.kept_share * self.price - self.marginal_cost) * quantity


@dataclass(frozen=True)
class _Cell:
    """What the firms of one region and sector take as given."""

    sigma: float
    eta: float
    xi: float
    tau_bar: float
    base: float
    unit_cost: float
    subsidy: float
    home_demand: float
    foreign_demand: float
    adoption_outlay: float
    export_outlay: float

    def ledger(self, relative: FloatArray, adopts: bool) -> _Ledger:
        """Let firms price, sell and produce with or without adoption."""
        z = self.base * relative * (self.eta if adopts else 1.0)
        kept_share = self.tau_bar * z**self.xi
        marginal_cost = self.unit_cost * ((1.0 - self.subsidy) if adopts else 1.0) / z
        price = self.sigma / (self.sigma - 1.0) * marginal_cost / kept_share
        # Of each variety, a destination with iceberg cost d buys (d p)^-sigma per unit of its demand and d units
        # leave the factory for each one that arrives.
        per_demand = price**-self.sigma
        return _Ledger(
            price=price,
            kept_share=kept_share,
            marginal_cost=marginal_cost,
            home_quantity=per_demand * self.home_demand,
            export_quantity=per_demand * self.foreign_demand,
        )

    def profits(self, relative: FloatArray) -> FloatArray:
        """Profits of the four plans, one row each."""
        rows: list[FloatArray] = []
        for adopts in (False, True):
            ledger = self.ledger(relative, adopts)
            at_home = ledger.profit(ledger.home_quantity) - (self.adoption_outlay if adopts else 0.0)
            rows += [at_home, at_home + ledger.profit(ledger.export_quantity) - self.export_outlay]
        return np.stack(rows)

    def choices(self, firms: Firms) -> FloatArray:
        """Mass of each stratum that follows each plan, one row per plan."""
        columns = np.arange(firms.mass.size)
        weights = np.zeros((len(PLANS), firms.mass.size))
        if firms.edges is None:
            weights[self.profits(firms.relative).argmax(axis=0), columns] = firms.mass
            return weights
        profits = self.profits(firms.edges)
        best = profits.argmax(axis=0)
        weights[best[:-1], columns] = firms.mass
        for index in np.flatnonzero(best[:-1] != best[1:]):
            weights[:, index] = firms.mass[index] * _division(profits[:, index], profits[:, index + 1])
        return weights


def _unit_costs(wage: FloatArray, price: FloatArray, labour_share: FloatArray, input_share: FloatArray) -> FloatArray:
    return np.asarray(np.exp(np.log(wage)[:, None] * labour_share + np.log(price) @ input_share.T))


def _home_demand(economy: Economy, price: FloatArray, expenditure: FloatArray) -> FloatArray:
    """Sum over destinations of the demand facing a variety of each origin, iceberg costs included."""
    in_destination = price ** (economy.sigma - 1.0) * expenditure
    return np.asarray(np.einsum("jnm,mj->nj", economy.freeness, in_destination), dtype=np.float64)


def _cell(
    economy: Economy,
    cell: tuple[int, int],
    *,
    wage: FloatArray,
    lagged_share: FloatArray,
    unit_cost: FloatArray,
    adoption_unit_cost: FloatArray,
    home_demand: FloatArray,
) -> _Cell:
    region, sector = cell
    return _Cell(
        sigma=economy.sigma,
        eta=economy.eta,
        xi=float(economy.xi[sector]),
        tau_bar=float(economy.tau_bar[sector]),
        base=float(economy.productivity[cell] * np.exp(economy.delta * lagged_share[cell])),
        unit_cost=float(unit_cost[cell]),
        subsidy=float(economy.subsidy[cell]),
        home_demand=float(home_demand[cell]),
        foreign_demand=float(economy.port_freeness[cell] * economy.foreign_demand[sector]),
        adoption_outlay=float(adoption_unit_cost[cell] * economy.adoption_cost[sector]),
        export_outlay=float(wage[region] * economy.export_cost[sector]),
    )


def firm_outcomes(
    economy: object,
    wage: FloatArray,
    price: FloatArray,
    expenditure: FloatArray,
    lagged_share: FloatArray,
    firms: int | Firms = 100_000,
) -> FirmOutcomes:
    """Let every firm choose its plan and add up.

    Parameters
    ----------
    economy : object
        Anything with the attributes of :class:`Economy`.
    wage : ndarray, shape (N,)
        Wages.
    price, expenditure : ndarray, shape (N, J)
        Price indices and expenditures.
    lagged_share : ndarray, shape (N, J)
        Adopter shares of the previous period.
    firms : int or Firms
        Number of strata of equal probability in each region-sector, or other strata.

    Returns
    -------
    FirmOutcomes
        Choices and aggregates.
    """
    given = as_economy(economy)
    strata = _firms(given, firms)
    unit_cost = _unit_costs(wage, price, given.labour_share, given.input_share)
    adoption_unit_cost = _unit_costs(wage, price, given.adoption_labour_share, given.adoption_input_share)
    home_demand = _home_demand(given, price, expenditure)
    plan_share = np.zeros((*given.shape, len(PLANS)))
    names = (
        "price_aggregate",
        "exporter_price_aggregate",
        "home_revenue",
        "export_revenue",
        "kept_revenue",
        "production_value",
        "production_outlay",
        "adoption_outlay",
        "export_outlay",
    )
    totals = {name: np.zeros(given.shape) for name in names}
    for cell in np.ndindex(given.shape):
        surroundings = _cell(
            given,
            (cell[0], cell[1]),
            wage=wage,
            lagged_share=lagged_share,
            unit_cost=unit_cost,
            adoption_unit_cost=adoption_unit_cost,
            home_demand=home_demand,
        )
        weights = surroundings.choices(strata)
        plan_share[cell] = weights.sum(axis=1)
        weights *= given.firm_mass[cell]
        for adopts in (False, True):
            home_only, exporters = weights[2:] if adopts else weights[:2]
            everyone = home_only + exporters
            if not everyone.any():
                continue
            ledger = surroundings.ledger(strata.relative, adopts)
            home = ledger.price * ledger.home_quantity
            abroad = ledger.price * ledger.export_quantity
            output = everyone * ledger.home_quantity + exporters * ledger.export_quantity
            variable_outlay = float((output * ledger.marginal_cost).sum())
            # Adopters pay a fraction of the market price of each bundle.
            paid = 1.0 - surroundings.subsidy if adopts else 1.0
            price_power = ledger.price ** (1.0 - given.sigma)
            totals["price_aggregate"][cell] += everyone @ price_power
            totals["exporter_price_aggregate"][cell] += exporters @ price_power
            totals["home_revenue"][cell] += everyone @ home
            totals["export_revenue"][cell] += exporters @ abroad
            totals["kept_revenue"][cell] += (everyone * home + exporters * abroad) @ ledger.kept_share
            totals["production_outlay"][cell] += variable_outlay
            totals["production_value"][cell] += variable_outlay / paid
            if adopts:
                totals["adoption_outlay"][cell] += everyone.sum() * surroundings.adoption_outlay
            if exporters.any():
                totals["export_outlay"][cell] += exporters.sum() * surroundings.export_outlay

    in_production, in_adoption = totals["production_value"], totals["adoption_outlay"]
    labour_value = given.labour_share * in_production + given.adoption_labour_share * in_adoption
    gross_revenue = totals["home_revenue"] + totals["export_revenue"]
    return FirmOutcomes(
        plan_share=plan_share,
        adopter_share=plan_share[..., 2] + plan_share[..., 3],
        exporter_share=plan_share[..., 1] + plan_share[..., 3],
        unit_cost=unit_cost,
        adoption_unit_cost=adoption_unit_cost,
        gross_revenue=gross_revenue,
        distortion_tax=gross_revenue - totals["kept_revenue"],
        subsidy_bill=in_production - totals["production_outlay"],
        profits=totals["kept_revenue"] - totals["production_outlay"] - in_adoption - totals["export_outlay"],
        labour_demand=(labour_value + totals["export_outlay"]) / wage[:, None],
        input_values=in_production[..., None] * given.input_share + in_adoption[..., None] * given.adoption_input_share,
        **totals,
    )


def plan_profits(
    economy: object,
    wage: FloatArray,
    price: FloatArray,
    expenditure: FloatArray,
    lagged_share: FloatArray,
    *,
    cell: tuple[int, int],
    relative: FloatArray,
) -> FloatArray:
    """Profits of the four plans for firms of given relative productivity.

    Parameters
    ----------
    economy, wage, price, expenditure, lagged_share
        As in :func:`firm_outcomes`.
    cell : tuple of int
        Region and sector.
    relative : ndarray, shape (F,)
        Productivity over the lowest one.

    Returns
    -------
    ndarray, shape (4, F)
        Profits, in the order of `PLANS`.
    """
    given = as_economy(economy)
    return _cell(
        given,
        cell,
        wage=wage,
        lagged_share=lagged_share,
        unit_cost=_unit_costs(wage, price, given.labour_share, given.input_share),
        adoption_unit_cost=_unit_costs(wage, price, given.adoption_labour_share, given.adoption_input_share),
        home_demand=_home_demand(given, price, expenditure),
    ).profits(relative)


def _import_price_power(economy: Economy) -> FloatArray:
    landed = economy.foreign_price * (1.0 + economy.tariff)
    return np.asarray(economy.port_freeness * landed ** (1.0 - economy.sigma))


def national_accounts(
    economy: object, wage: FloatArray, price: FloatArray, expenditure: FloatArray, outcomes: FirmOutcomes
) -> NationalAccounts:
    """Add up imports, taxes and profits, and pay them out.

    Parameters
    ----------
    economy, wage, price, expenditure
        As in :func:`firm_outcomes`.
    outcomes : FirmOutcomes
        What firms do there.

    Returns
    -------
    NationalAccounts
        National totals and regional incomes.
    """
    given = as_economy(economy)
    paid_by_buyers = expenditure * price ** (given.sigma - 1.0) * _import_price_power(given)
    import_value = paid_by_buyers / (1.0 + given.tariff)
    tariff_revenue = float((given.tariff * import_value).sum())
    wages = wage * given.labour
    labour_tax = float(outcomes.subsidy_bill.sum() / wages.sum())
    pooled = float(outcomes.profits.sum() + outcomes.distortion_tax.sum()) + tariff_revenue
    dividend = pooled / float(wages.sum())
    return NationalAccounts(
        import_value=import_value,
        tariff_revenue=tariff_revenue,
        distortion_tax=float(outcomes.distortion_tax.sum()),
        profits=float(outcomes.profits.sum()),
        subsidy_bill=float(outcomes.subsidy_bill.sum()),
        exports=float(outcomes.export_revenue.sum()),
        imports=float(import_value.sum()),
        labour_tax=labour_tax,
        dividend=dividend,
        income=wages * (1.0 - labour_tax + dividend),
    )


def _log(values: FloatArray) -> FloatArray:
    positive = values > 0.0
    return np.where(positive, np.log(np.where(positive, values, 1.0)), _LOG_TINY)


def _implied(
    economy: Economy, outcomes: FirmOutcomes, accounts: NationalAccounts
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Logs of the price indices, labour demands and expenditures that choices imply."""
    price_power = np.einsum("jnm,nj->mj", economy.freeness, outcomes.price_aggregate) + _import_price_power(economy)
    consumption = economy.preference_share * accounts.income[:, None]
    return (
        _log(price_power) / (1.0 - economy.sigma),
        _log(outcomes.labour_demand.sum(axis=1)),
        _log(consumption + outcomes.input_values.sum(axis=1)),
    )


def residuals(
    economy: object,
    wage: FloatArray,
    price: FloatArray,
    expenditure: FloatArray,
    lagged_share: FloatArray,
    firms: int | Firms = 100_000,
) -> Residuals:
    """Measure how far wages, prices and expenditures are from equilibrium.

    Parameters
    ----------
    economy, wage, price, expenditure, lagged_share, firms
        As in :func:`firm_outcomes`.

    Returns
    -------
    Residuals
        Deviations from the equations of a solution, and from conditions that it does not impose.
    """
    given = as_economy(economy)
    outcomes = firm_outcomes(given, wage, price, expenditure, lagged_share, firms)
    accounts = national_accounts(given, wage, price, expenditure, outcomes)
    return _residuals(given, wage, price, expenditure, outcomes, accounts)


def _residuals(
    economy: Economy,
    wage: FloatArray,
    price: FloatArray,
    expenditure: FloatArray,
    outcomes: FirmOutcomes,
    accounts: NationalAccounts,
) -> Residuals:
    log_price, log_labour, log_expenditure = _implied(economy, outcomes, accounts)
    wages = float((wage * economy.labour).sum())
    value_added = float(outcomes.gross_revenue.sum() - outcomes.input_values.sum())
    taxes = accounts.labour_tax * wages + accounts.distortion_tax + accounts.tariff_revenue
    # Households receive dividends, of which firms' profits are one part and transfers the other.
    spending = accounts.subsidy_bill + accounts.dividend * wages - accounts.profits
    return Residuals(
        price=log_price - np.log(price),
        labour=log_labour - np.log(economy.labour),
        expenditure=log_expenditure - np.log(expenditure),
        trade_balance=(accounts.exports - accounts.imports) / wages,
        income_identity=float(accounts.income.sum()) / (value_added + accounts.tariff_revenue) - 1.0,
        government_budget=(taxes - spending) / wages,
    )


def _levels(economy: Economy, logs: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Wages, price indices and expenditures from the vector of their logs."""
    regions = economy.shape[0]
    # A search may try absurd values, whose powers must remain finite.
    levels = np.exp(np.clip(logs, -60.0, 60.0))
    price, expenditure = levels[regions:].reshape(2, *economy.shape)
    return levels[:regions], price, expenditure


def _stack(wage: FloatArray, price: FloatArray, expenditure: FloatArray) -> FloatArray:
    return np.concatenate((wage, price.ravel(), expenditure.ravel()))


def _default_start(
    economy: Economy, lagged_share: FloatArray, *, pace: float = 1.0, fixed_wage: bool = False
) -> FloatArray:
    """Logs of wages, prices and expenditures after some damped rounds of best responses."""
    regions, sectors = economy.shape
    strata = log_strata(economy, 200)
    logs = np.zeros(regions + 2 * regions * sectors)
    for _ in range(300):
        wage, price, expenditure = _levels(economy, logs)
        outcomes = firm_outcomes(economy, wage, price, expenditure, lagged_share, strata)
        accounts = national_accounts(economy, wage, price, expenditure, outcomes)
        log_price, log_labour, log_expenditure = _implied(economy, outcomes, accounts)
        excess_demand = log_labour - np.log(economy.labour)
        if fixed_wage:
            excess_demand[:] = 0.0
        elif not economy.imports:
            excess_demand -= excess_demand[0]
        gaps = _stack(
            0.3 * excess_demand, 0.7 * (log_price - np.log(price)), 0.7 * (log_expenditure - np.log(expenditure))
        )
        logs = logs + pace * np.clip(gaps, -0.5, 0.5)
        if np.abs(gaps).max() < 1e-5:
            break
    return logs


def solve(
    economy: object,
    lagged_share: FloatArray,
    start: tuple[FloatArray, FloatArray, FloatArray] | None = None,
    firms: int | Firms = 100_000,
) -> BruteForceEquilibrium:
    """Find a static equilibrium.

    The unknowns are the logs of wages, price indices and expenditures.  A general-purpose root finder solves for
    them with few firms, and a chord iteration with its derivatives then moves to all firms.  Nothing rules out other
    equilibria; the one found is near the starting point.

    Parameters
    ----------
    economy : object
        Anything with the attributes of :class:`Economy`.  With foreign trade, both imports and exports must be
        possible.
    lagged_share : ndarray, shape (N, J)
        Adopter shares of the previous period.
    start : tuple of ndarray, optional
        Wages, price indices and expenditures near which to search.
    firms : int or Firms
        As in :func:`firm_outcomes`; strata rather than separate firms, whose aggregates jump.

    Returns
    -------
    BruteForceEquilibrium
        The equilibrium.

    Raises
    ------
    ValueError
        If only one direction of foreign trade is possible, which cannot balance.
    RuntimeError
        If the search fails.
    """
    given = as_economy(economy)
    if given.imports != given.exports:
        raise ValueError("trade cannot balance when only imports or only exports are possible")
    strata = _firms(given, firms)
    coarse = log_strata(given, min(_COARSE, strata.mass.size))
    # Without foreign trade the first wage is the numeraire, and its labour market clears when all others do.
    dropped = 0 if given.imports else 1

    def levels(logs: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        return _levels(given, np.concatenate((np.zeros(dropped), logs)))

    def deviations(logs: FloatArray, with_firms: Firms) -> FloatArray:
        gaps = residuals(given, *levels(logs), lagged_share, with_firms)
        return _stack(gaps.labour, gaps.price, gaps.expenditure)[dropped:]

    for pace in _PACES if start is None else (1.0,):
        first = _default_start(given, lagged_share, pace=pace) if start is None else np.log(_stack(*start))
        if dropped:
            first = first - first[0]
        found = root(lambda logs: deviations(logs, coarse), first[dropped:], tol=1e-12)
        logs = np.asarray(found.x, dtype=np.float64)
        if np.abs(deviations(logs, coarse)).max() < 1e-6:
            break
    else:
        raise RuntimeError(f"no equilibrium found with few firms: {found.message}")

    step = 1e-6
    jacobian = np.stack(
        [
            (deviations(logs + change, coarse) - deviations(logs - change, coarse)) / (2.0 * step)
            for change in step * np.eye(logs.size)
        ],
        axis=1,
    )
    gaps = deviations(logs, strata)
    for _ in range(30):
        if np.abs(gaps).max() < _TOLERANCE:
            break
        logs = logs - np.linalg.solve(jacobian, gaps)
        gaps = deviations(logs, strata)
    else:
        raise RuntimeError(f"no equilibrium found with all firms: largest residual {np.abs(gaps).max():.1e}")
    wage, price, expenditure = levels(logs)
    outcomes = firm_outcomes(given, wage, price, expenditure, lagged_share, strata)
    accounts = national_accounts(given, wage, price, expenditure, outcomes)
    return BruteForceEquilibrium(
        wage=wage,
        price=price,
        expenditure=expenditure,
        outcomes=outcomes,
        accounts=accounts,
        residuals=_residuals(given, wage, price, expenditure, outcomes, accounts),
    )


def rescale(economy: object, factor: float) -> Economy:
    """Multiply every nominal quantity that an economy takes from abroad.

    A foreign buyer's demand is ``p ** -sigma`` times the shifter, so when all prices are multiplied by `factor` the
    shifter must be multiplied by ``factor ** sigma`` for quantities to stay as they are.

    Parameters
    ----------
    economy : object
        Anything with the attributes of :class:`Economy`.
    factor : float
        Multiple of the nominal scale.

    Returns
    -------
    Economy
        An economy whose wages, prices and expenditures are `factor` times as large.
    """
    given = as_economy(economy)
    return replace(
        given,
        foreign_price=given.foreign_price * factor,
        foreign_demand=given.foreign_demand * factor**given.sigma,
    )


def random_economy(
    rng: np.random.Generator,
    n_regions: int,
    n_sectors: int,
    *,
    open_economy: bool = True,
    bounded: bool = True,
    distortions: bool = True,
    subsidies: bool = True,
    own_adoption_shares: bool = True,
    local_sector: bool = True,
) -> Economy:
    """Draw an economy in which all kinds of choices occur.

    Fixed costs are set so that, at wages of one and before adoption and foreign trade, firms at random points of the
    distribution (or beyond either end) would just be willing to pay them.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of randomness.
    n_regions, n_sectors : int
        Numbers of regions and of sectors.
    open_economy : bool
        Whether there is foreign trade.
    bounded : bool
        Whether productivity has an upper bound.
    distortions : bool
        Whether firms in about half of the sectors keep only part of their revenue.
    subsidies : bool
        Whether adopters in about half of the region-sectors are subsidised.
    own_adoption_shares : bool
        Whether adoption bundles differ from production bundles in about half of the sectors.
    local_sector : bool
        Whether the last of two or more sectors is traded neither between regions nor with Foreign.

    Returns
    -------
    Economy
        The economy.
    """
    cells = (n_regions, n_sectors)
    sigma = rng.uniform(2.5, 5.5)
    distorted = (rng.random(n_sectors) < 0.5) & distortions
    xi = np.where(distorted, rng.uniform(-0.35, 0.1, n_sectors), 0.0)
    tau_bar = np.where(distorted, rng.uniform(0.7, 1.0, n_sectors), 1.0)
    steepest = float(np.maximum((sigma - 1.0) * (1.0 + xi), sigma * (1.0 + xi) - 1.0).max())
    if bounded:
        theta, kappa = (sigma - 1.0) * rng.uniform(0.8, 1.6), float(np.exp(rng.uniform(np.log(1.4), np.log(6.0))))
    else:
        theta, kappa = steepest * rng.uniform(1.15, 1.8), np.inf

    def shares() -> tuple[FloatArray, FloatArray]:
        labour = rng.uniform(0.3, 0.8, n_sectors)
        return labour, (1.0 - labour)[:, None] * rng.dirichlet(np.full(n_sectors, 2.0), n_sectors)

    labour_share, input_share = shares()
    own = (rng.random(n_sectors) < 0.5) & own_adoption_shares
    adoption_labour_share, adoption_input_share = shares()
    adoption_labour_share = np.where(own, adoption_labour_share, labour_share)
    adoption_input_share = np.where(own[:, None], adoption_input_share, input_share)

    position = rng.random((n_regions, 2)) * 2.0
    log_distance = np.linalg.norm(position[:, None] - position[None], axis=-1)
    elasticity = rng.uniform(0.3, 1.3, n_sectors)
    freeness = np.exp(-elasticity[:, None, None] * log_distance)
    port_freeness = np.exp(-rng.uniform(0.0, 1.5, cells)) if open_economy else np.zeros(cells)
    if open_economy and n_regions > 1:
        port_freeness[rng.integers(1, n_regions)] *= rng.random(n_sectors) < 0.7
    if local_sector and n_sectors > 1:
        freeness[-1] = np.eye(n_regions)
        port_freeness[:, -1] = 0.0
    closed = Economy(
        sigma=sigma,
        theta=theta,
        kappa=kappa,
        eta=rng.uniform(1.15, 1.6),
        delta=rng.uniform(0.0, 0.8),
        xi=xi,
        tau_bar=tau_bar,
        adoption_cost=np.full(n_sectors, np.inf),
        export_cost=np.full(n_sectors, np.inf),
        preference_share=rng.dirichlet(np.full(n_sectors, 3.0)),
        labour_share=labour_share,
        input_share=input_share,
        adoption_labour_share=adoption_labour_share,
        adoption_input_share=adoption_input_share,
        firm_mass=rng.uniform(0.3, 1.5, cells),
        labour=rng.uniform(0.5, 2.0, n_regions),
        freeness=freeness,
        port_freeness=port_freeness,
        tariff=rng.uniform(0.0, 0.4, n_sectors),
        productivity=np.exp(rng.normal(0.0, 0.2, cells)),
        foreign_price=np.full(n_sectors, np.inf),
        foreign_demand=np.zeros(n_sectors),
        subsidy=np.where(rng.random(cells) < 0.5, rng.uniform(0.0, 0.25, cells), 0.0) * subsidies,
    )

    lagged_share = np.zeros(cells)
    wage, price, expenditure = _levels(closed, _default_start(closed, lagged_share, fixed_wage=True))
    demand = _home_demand(closed, price, expenditure).mean(axis=0)
    traded = (port_freeness > 0.0).any(axis=0)
    imported, exported = (traded & ((rng.random(n_sectors) < 0.85) | (np.arange(n_sectors) == 0)) for _ in range(2))
    costless = replace(
        closed,
        adoption_cost=np.zeros(n_sectors),
        export_cost=np.zeros(n_sectors),
        foreign_price=np.where(imported, price.mean(axis=0) * np.exp(rng.normal(0.4, 0.3, n_sectors)), np.inf),
        foreign_demand=np.where(exported, demand * rng.uniform(0.5, 3.0, n_sectors), 0.0),
    )
    # Firms just indifferent between adopting or not, and between exporting or not; often the same firm.
    marginal = rng.uniform(-0.15, 1.15, (2, n_sectors)) * min(np.log(kappa), 1.2)
    marginal[1] = np.where(rng.random(n_sectors) < 0.4, marginal[0], marginal[1])
    gains = np.empty((2, n_sectors))
    for sector in range(n_sectors):
        at_stake = plan_profits(
            costless, wage, price, expenditure, lagged_share, cell=(0, sector), relative=np.exp(marginal[:, sector])
        )
        gains[:, sector] = at_stake[2, 0] - at_stake[0, 0], at_stake[1, 1] - at_stake[0, 1]
    bundle = _unit_costs(wage, price, adoption_labour_share, adoption_input_share)[0]
    adopting = (rng.random(n_sectors) < 0.8) | (np.arange(n_sectors) == 0)
    return replace(
        costless,
        adoption_cost=np.where(adopting, gains[0] / bundle, np.inf),
        export_cost=np.where(gains[1] > 0.0, gains[1], 0.1),
    )
