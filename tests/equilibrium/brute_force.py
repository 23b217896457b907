"""A simulated-firm version of the one-sector big-push economy, used as an oracle in the tests.

Every number here comes from explicit firms: each one draws a productivity, prices at a constant markup over
its unit cost, faces CES demand, hires labour, and compares its profit with and without adoption.  Aggregates
are sums over firms.  Nothing relies on an integral of the productivity distribution or on a solved-out
equilibrium condition, so agreement with an analytical solver is evidence about that solver.

Conventions
-----------
The wage is the numeraire.  A unit mass of firms is spread over deterministic strata of the productivity
distribution (or over independent draws, see :func:`monte_carlo_firms`).  Adopters pay ``(1 - input_subsidy)``
per unit of production labour and ``(1 - cost_subsidy)`` of the fixed adoption cost; a proportional tax on
labour income, which is inelastic, pays for both.  The cost subsidy and the input subsidy may be combined.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import logsumexp

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
CostUnit = Literal["final_good", "labour"]
Instrument = Literal["input", "cost"]

# The firms left beyond the last stratum carry about this fraction of the CES productivity aggregate.
_TAIL_SHARE = 1e-10
# Beyond this survival probability, masses and productivities would leave the range of double precision.
_SMALLEST_SURVIVAL = 1e-280


@dataclass(frozen=True)
class Firms:
    """Firms in descending order of productivity.

    Attributes
    ----------
    log_upper, log_lower : ndarray
        Log productivity at the top and the bottom of each stratum; equal where a stratum is a single point.
    mass : ndarray
        Mass of firms in each stratum.
    theta : float
        Shape of the productivity distribution, needed only to split the marginal stratum.
    """

    log_upper: FloatArray
    log_lower: FloatArray
    mass: FloatArray
    theta: float

    @property
    def log_phi(self) -> FloatArray:
        """Log productivity of each stratum's representative firm."""
        return 0.5 * (self.log_upper + self.log_lower)


@dataclass(frozen=True)
class BruteForceEquilibrium:
    """One static equilibrium of the simulated economy.

    Attributes
    ----------
    adopter_share : float
        Mass of adopting firms.
    wage : float
        The numeraire, one.
    price_index, output : float
        CES price index and the CES quantity aggregate, which includes final goods used in adoption.
    consumption : float
        Household side: after-tax labour income plus profits, over the price index.
    consumption_goods : float
        Goods side: output less the final goods used in adoption.
    labour_tax : float
        Tax rate on labour income that balances the budget; above one the policy cannot be financed.
    profits : float
        Aggregate profits net of the adoption costs that firms pay.
    real_wage : float
        Wage before tax over the price index.
    best_response_violation : float
        Largest gain of any firm from switching its choice, relative to the profit it makes.
    labour_market_residual : float
        Labour demanded by all firms over the endowment, minus one.
    quantity_index_residual : float
        CES aggregate of the firms' quantities over `output`, minus one.
    """

    adopter_share: float
    wage: float
    price_index: float
    output: float
    consumption: float
    consumption_goods: float
    labour_tax: float
    profits: float
    real_wage: float
    best_response_violation: float
    labour_market_residual: float
    quantity_index_residual: float

    @property
    def feasible(self) -> bool:
        """Whether labour income can pay the subsidies and households consume a non-negative amount."""
        return self.labour_tax <= 1.0 and self.consumption >= 0.0


@dataclass(frozen=True)
class BruteForcePath:
    """A sequence of static equilibria.

    Attributes
    ----------
    adopter_share : ndarray
        Shares from the initial one to that of the last period, so ``periods + 1`` entries.
    consumption, labour_tax : ndarray
        One entry for each of the ``periods`` periods.
    equilibria : tuple of BruteForceEquilibrium
        The equilibria of those periods.
    """

    adopter_share: FloatArray
    consumption: FloatArray
    labour_tax: FloatArray
    equilibria: tuple[BruteForceEquilibrium, ...]


@dataclass(frozen=True)
class BruteForceSteadyStates:
    """Fixed points of the one-period map of the adopter share, in ascending order.

    Attributes
    ----------
    adopter_share : ndarray
        Steady-state shares.
    stable : ndarray of bool
        Whether a small displacement of the share dies out.
    """

    adopter_share: FloatArray
    stable: BoolArray


@dataclass(frozen=True)
class _Economy:
    """Parameters, policy and firms of one period, with running sums over firms for the search."""

    sigma: float
    eta: float
    labour: float
    adoption_cost: float
    spillover: float
    cost_unit: CostUnit
    input_subsidy: float
    cost_subsidy: float
    firms: Firms
    mass_above: FloatArray
    scale_above: FloatArray
    scale_below: FloatArray


def stratified_firms(*, sigma: float, theta: float, kappa: float | None = None, n_firms: int = 200_000) -> Firms:
    """Cut the Pareto distribution on ``[1, kappa]`` into strata of equal width in log productivity.

    Parameters
    ----------
    sigma, theta : float
        Elasticity of substitution, which sets how deep the tail must be followed, and Pareto shape.
    kappa : float, optional
        Upper bound of productivity; unbounded when omitted.
    n_firms : int
        Number of strata.

    Returns
    -------
    Firms
        The strata, preceded by a point that carries the mass beyond the grid when there is any.

    Raises
    ------
    ValueError
        If the CES aggregate of an unbounded distribution diverges.
    """
    tail_exponent = 1.0 - (sigma - 1.0) / theta
    if kappa is None and tail_exponent <= 0.0:
        raise ValueError("theta must exceed sigma - 1 when productivity is unbounded")
    bound = np.inf if kappa is None else float(np.log(kappa))
    if tail_exponent > 0.0:
        log_survival = max(np.log(_TAIL_SHARE) / tail_exponent, np.log(_SMALLEST_SURVIVAL))
    else:
        log_survival = np.log(_SMALLEST_SURVIVAL)
    top = min(bound, -log_survival / theta)

    edges = np.linspace(top, 0.0, n_firms + 1)
    upper, lower = edges[:-1], edges[1:]
    inside = 1.0 if kappa is None else -np.expm1(-theta * bound)
    mass = np.exp(-theta * upper) * np.expm1(theta * (upper - lower)) / inside
    if top < bound:
        beyond = np.exp(-theta * top) if kappa is None else np.exp(-theta * top) - np.exp(-theta * bound)
        upper = np.concatenate(([top], upper))
        lower = np.concatenate(([top], lower))
        mass = np.concatenate(([beyond / inside], mass))
    return Firms(log_upper=upper, log_lower=lower, mass=mass, theta=theta)


def monte_carlo_firms(*, theta: float, kappa: float | None = None, n_firms: int = 200_000, seed: int = 0) -> Firms:
    """Draw firms independently from the Pareto distribution on ``[1, kappa]``.

    Sampling error is acceptable only where the CES aggregate has a finite variance, which needs
    ``theta > 2 * (sigma - 1)``; use :func:`stratified_firms` elsewhere.

    Parameters
    ----------
    theta : float
        Pareto shape.
    kappa : float, optional
        Upper bound of productivity; unbounded when omitted.
    n_firms : int
        Number of draws, each with mass ``1 / n_firms``.
    seed : int
        Seed of the random generator.

    Returns
    -------
    Firms
        One point for each draw.
    """
    uniform = np.random.default_rng(seed).random(n_firms)
    lowest = 0.0 if kappa is None else kappa**-theta
    log_phi = np.sort(-np.log(1.0 - uniform * (1.0 - lowest)) / theta)[::-1].copy()
    return Firms(log_upper=log_phi, log_lower=log_phi, mass=np.full(n_firms, 1.0 / n_firms), theta=theta)


@lru_cache(maxsize=8)
def _cached_strata(sigma: float, theta: float, kappa: float | None, n_firms: int) -> Firms:
    return stratified_firms(sigma=sigma, theta=theta, kappa=kappa, n_firms=n_firms)


def _running_sums(firms: Firms, sigma: float) -> tuple[FloatArray, FloatArray, FloatArray]:
    # Entry j refers to the j most productive strata (or, for the last array, to all the others).
    scale = firms.mass * np.exp((sigma - 1.0) * firms.log_phi)
    above = np.concatenate(([0.0], np.cumsum(scale)))
    # Summed from the other end, because total minus running sum cancels when few firms are left.
    below = np.concatenate((np.cumsum(scale[::-1])[::-1], [0.0]))
    return np.concatenate(([0.0], np.cumsum(firms.mass))), above, below


def _economy(
    *,
    sigma: float,
    theta: float,
    eta: float,
    delta: float,
    labour: float,
    adoption_cost: float,
    share_previous: float,
    kappa: float | None = None,
    cost_unit: CostUnit = "final_good",
    input_subsidy: float = 0.0,
    cost_subsidy: float = 0.0,
    n_firms: int = 200_000,
    firms: Firms | None = None,
) -> _Economy:
    if not (0.0 <= input_subsidy < 1.0 and 0.0 <= cost_subsidy < 1.0):
        raise ValueError("subsidy rates must lie in [0, 1)")
    if firms is None:
        firms = _cached_strata(sigma, theta, kappa, n_firms)
        sums = _cached_sums(sigma, theta, kappa, n_firms)
    else:
        sums = _running_sums(firms, sigma)
    return _Economy(
        sigma=sigma,
        eta=eta,
        labour=labour,
        adoption_cost=adoption_cost,
        spillover=float(np.exp(delta * share_previous)),
        cost_unit=cost_unit,
        input_subsidy=input_subsidy,
        cost_subsidy=cost_subsidy,
        firms=firms,
        mass_above=sums[0],
        scale_above=sums[1],
        scale_below=sums[2],
    )


@lru_cache(maxsize=8)
def _cached_sums(
    sigma: float, theta: float, kappa: float | None, n_firms: int
) -> tuple[FloatArray, FloatArray, FloatArray]:
    return _running_sums(_cached_strata(sigma, theta, kappa, n_firms), sigma)


def _split(firms: Firms, position: float) -> tuple[int, float, float]:
    """Locate a ranking position: stratum, log productivity there, and fraction of the stratum above it."""
    stratum = min(int(position), firms.mass.size - 1)
    fraction = position - stratum
    width = float(firms.log_upper[stratum] - firms.log_lower[stratum])
    cutoff = float(firms.log_upper[stratum]) - fraction * width
    if width > 0.0:
        fraction = float(np.expm1(firms.theta * fraction * width) / np.expm1(firms.theta * width))
    return stratum, cutoff, fraction


def _log_benefit_over_cost(economy: _Economy, position: float) -> float:
    """Log ratio of gain to cost of adoption for the marginal firm, when the firms above `position` adopt."""
    firms, sigma, eta = economy.firms, economy.sigma, economy.eta
    stratum, cutoff, fraction = _split(firms, position)
    mass = firms.mass[stratum]
    adopter_mass = economy.mass_above[stratum] + fraction * mass
    adopter_scale = economy.scale_above[stratum] + fraction * mass * np.exp(
        0.5 * (sigma - 1.0) * (firms.log_upper[stratum] + cutoff)
    )
    other_scale = economy.scale_below[stratum + 1] + (1.0 - fraction) * mass * np.exp(
        0.5 * (sigma - 1.0) * (firms.log_lower[stratum] + cutoff)
    )

    # The unit labour cost of a firm is c / z, so its price is markup * c / z and the labour it needs to meet
    # its demand is (markup * c)^-sigma * z^(sigma - 1) * P^sigma * Q.
    markup = sigma / (sigma - 1.0)
    cost_adopter = 1.0 - economy.input_subsidy
    scale_adopter = adopter_scale * (eta * economy.spillover) ** (sigma - 1.0)
    scale_other = other_scale * economy.spillover ** (sigma - 1.0)
    price_power = (markup * cost_adopter) ** (1.0 - sigma) * scale_adopter + markup ** (1.0 - sigma) * scale_other
    price_index = price_power ** (1.0 / (1.0 - sigma))
    labour_per_demand = (markup * cost_adopter) ** -sigma * scale_adopter + markup**-sigma * scale_other
    in_adoption = economy.adoption_cost * adopter_mass if economy.cost_unit == "labour" else 0.0
    in_production = economy.labour - in_adoption
    if in_production <= 0.0:
        return -np.inf
    demand = in_production / labour_per_demand

    phi = np.exp(cutoff)
    profit_old = demand * (markup / (economy.spillover * phi)) ** (1.0 - sigma) / sigma
    profit_new = demand * (markup * cost_adopter / (eta * economy.spillover * phi)) ** (1.0 - sigma) / sigma
    unit = 1.0 if economy.cost_unit == "labour" else price_index
    if profit_new <= profit_old:
        return -np.inf
    return float(np.log((profit_new - profit_old) / ((1.0 - economy.cost_subsidy) * unit * economy.adoption_cost)))


def _marginal_position(economy: _Economy) -> float:
    last = float(economy.firms.mass.size)
    if _log_benefit_over_cost(economy, last) >= 0.0:
        return last
    if _log_benefit_over_cost(economy, 0.0) <= 0.0:
        return 0.0
    return _root(economy, 0.0, last)


def _root(economy: _Economy, low: float, high: float) -> float:
    # Scarce labour makes the ratio minus infinity, which an interpolating root finder cannot use.
    def objective(position: float) -> float:
        return float(np.clip(_log_benefit_over_cost(economy, position), -1e3, 1e3))

    position = float(brentq(objective, low, high, xtol=1e-11, rtol=1e-15, maxiter=500))
    # Among separate draws the ratio jumps between neighbours; a sliver of one of them is rounding, not a firm.
    return float(round(position)) if abs(position - round(position)) < 1e-9 else position


def _adopter_share(economy: _Economy, position: float) -> float:
    if position >= economy.firms.mass.size:
        return 1.0
    stratum, _, fraction = _split(economy.firms, position)
    return min(float(economy.mass_above[stratum] + fraction * economy.firms.mass[stratum]), 1.0)


def _account(economy: _Economy, position: float) -> BruteForceEquilibrium:
    """Let every firm price, produce and choose, and add up, given which firms adopt."""
    firms, sigma = economy.firms, economy.sigma
    stratum, cutoff, fraction = _split(firms, position)
    mass, log_phi = firms.mass, firms.log_phi
    adopts = np.arange(mass.size) < stratum
    if fraction > 0.0:
        # The marginal stratum falls in two: those above the cutoff adopt and those below do not.
        pieces = [0.5 * (firms.log_upper[stratum] + cutoff), 0.5 * (firms.log_lower[stratum] + cutoff)]
        weights = [fraction * mass[stratum], (1.0 - fraction) * mass[stratum]]
        log_phi = np.concatenate((log_phi[:stratum], pieces, log_phi[stratum + 1 :]))
        mass = np.concatenate((mass[:stratum], weights, mass[stratum + 1 :]))
        adopts = np.arange(mass.size) <= stratum
    occupied = mass > 0.0
    log_phi, mass, adopts = log_phi[occupied], mass[occupied], adopts[occupied]
    log_mass = np.log(mass)
    # Rounding in the masses must not keep the state from reaching full adoption.
    share = 1.0 if bool(adopts.all()) else float(mass[adopts].sum())

    markup = sigma / (sigma - 1.0)
    log_wage_cost = float(np.log1p(-economy.input_subsidy))

    def log_productivity(adopt: BoolArray) -> FloatArray:
        own: FloatArray = np.where(adopt, np.log(economy.eta), 0.0) + log_phi
        return own + float(np.log(economy.spillover))

    def log_price(adopt: BoolArray) -> FloatArray:
        log_unit_cost: FloatArray = np.where(adopt, log_wage_cost, 0.0) - log_productivity(adopt)
        return log_unit_cost + float(np.log(markup))

    prices = log_price(adopts)
    log_index = float(logsumexp(log_mass + (1.0 - sigma) * prices)) / (1.0 - sigma)
    price_index = float(np.exp(log_index))
    in_adoption = economy.adoption_cost * share if economy.cost_unit == "labour" else 0.0
    # Labour that firms would hire if output were one; output then follows from the labour endowment.
    unit_labour = float(np.exp(logsumexp(log_mass - sigma * (prices - log_index) - log_productivity(adopts))))
    output = (economy.labour - in_adoption) / unit_labour
    fixed_price = 1.0 if economy.cost_unit == "labour" else price_index

    def operate(adopt: BoolArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        log_quantity = -sigma * (log_price(adopt) - log_index) + np.log(output)
        labour = np.exp(log_quantity - log_productivity(adopt))
        wage_bill = np.where(adopt, 1.0 - economy.input_subsidy, 1.0) * labour
        fixed = np.where(adopt, (1.0 - economy.cost_subsidy) * fixed_price * economy.adoption_cost, 0.0)
        return np.exp(log_price(adopt) + log_quantity) - wage_bill - fixed, labour, log_quantity

    profit, labour, log_quantity = operate(adopts)
    switched = operate(~adopts)[0]
    demanded = float((mass * labour).sum()) + in_adoption
    outlay = economy.input_subsidy * float((mass * labour)[adopts].sum())
    outlay += economy.cost_subsidy * share * fixed_price * economy.adoption_cost
    tax = outlay / economy.labour
    profits = float((mass * profit).sum())
    log_index_of_quantities = sigma / (sigma - 1.0) * float(logsumexp(log_mass + (sigma - 1.0) / sigma * log_quantity))
    used_in_adoption = economy.adoption_cost * share if economy.cost_unit == "final_good" else 0.0
    return BruteForceEquilibrium(
        adopter_share=share,
        wage=1.0,
        price_index=price_index,
        output=output,
        consumption=((1.0 - tax) * economy.labour + profits) / price_index,
        consumption_goods=output - used_in_adoption,
        labour_tax=tax,
        profits=profits,
        real_wage=1.0 / price_index,
        best_response_violation=max(float(((switched - profit) / np.abs(profit)).max()), 0.0),
        labour_market_residual=demanded / economy.labour - 1.0,
        quantity_index_residual=float(np.expm1(log_index_of_quantities - np.log(output))),
    )


def static_equilibrium(
    *,
    sigma: float,
    theta: float,
    eta: float,
    delta: float,
    labour: float,
    adoption_cost: float,
    share_previous: float,
    kappa: float | None = None,
    cost_unit: CostUnit = "final_good",
    input_subsidy: float = 0.0,
    cost_subsidy: float = 0.0,
    n_firms: int = 200_000,
    firms: Firms | None = None,
) -> BruteForceEquilibrium:
    """Find the static equilibrium of one period.

    The gain from adoption rises with productivity, so the adopters are the most productive firms; the search
    is over the marginal one, and every firm's choice is checked afterwards.  The equilibrium is the only one
    when ``sigma >= 2``: the marginal firm's ratio of gain to cost then falls as more firms adopt.  Below two
    there may be others, which :func:`all_equilibria` lists.

    Parameters
    ----------
    sigma : float
        Elasticity of substitution between varieties, above one.
    theta : float
        Pareto shape of productivity.
    eta : float
        Factor by which adoption multiplies productivity.
    delta : float
        Semi-elasticity of everyone's productivity with respect to last period's adopter share.
    labour : float
        Labour endowment.
    adoption_cost : float
        Fixed cost of adoption, in units of `cost_unit`.
    share_previous : float
        Adopter share in the previous period.
    kappa : float, optional
        Upper bound of productivity; unbounded when omitted.
    cost_unit : {"final_good", "labour"}
        What the adoption cost is made of.
    input_subsidy : float
        Share of adopters' wage bill in production paid by the government.
    cost_subsidy : float
        Share of the adoption cost paid by the government.
    n_firms : int
        Number of strata of firms.
    firms : Firms, optional
        Firms to use in place of the strata, for instance from :func:`monte_carlo_firms`.

    Returns
    -------
    BruteForceEquilibrium
        Aggregates with the residuals of the conditions not imposed in the search.
    """
    economy = _economy(
        sigma=sigma,
        theta=theta,
        eta=eta,
        delta=delta,
        labour=labour,
        adoption_cost=adoption_cost,
        share_previous=share_previous,
        kappa=kappa,
        cost_unit=cost_unit,
        input_subsidy=input_subsidy,
        cost_subsidy=cost_subsidy,
        n_firms=n_firms,
        firms=firms,
    )
    return _account(economy, _marginal_position(economy))


def all_equilibria(
    *,
    sigma: float,
    theta: float,
    eta: float,
    delta: float,
    labour: float,
    adoption_cost: float,
    share_previous: float,
    kappa: float | None = None,
    cost_unit: CostUnit = "final_good",
    input_subsidy: float = 0.0,
    cost_subsidy: float = 0.0,
    n_firms: int = 200_000,
    n_scan: int = 4_000,
) -> tuple[BruteForceEquilibrium, ...]:
    """List the static equilibria of one period by scanning the marginal firm over the whole distribution.

    Equilibria closer together than the scan resolves may be missed in pairs.

    Parameters
    ----------
    sigma, theta, eta, delta, labour, adoption_cost, share_previous, kappa, cost_unit, input_subsidy, \
cost_subsidy, n_firms
        As in :func:`static_equilibrium`.
    n_scan : int
        Number of candidate marginal firms.

    Returns
    -------
    tuple of BruteForceEquilibrium
        In ascending order of the adopter share.
    """
    economy = _economy(
        sigma=sigma,
        theta=theta,
        eta=eta,
        delta=delta,
        labour=labour,
        adoption_cost=adoption_cost,
        share_previous=share_previous,
        kappa=kappa,
        cost_unit=cost_unit,
        input_subsidy=input_subsidy,
        cost_subsidy=cost_subsidy,
        n_firms=n_firms,
    )
    grid = np.linspace(0.0, float(economy.firms.mass.size), n_scan + 1)
    ratio = np.array([_log_benefit_over_cost(economy, float(position)) for position in grid])
    gains = ratio > 0.0
    # Full adoption needs only that the least productive firm does not lose.
    gains[-1] = ratio[-1] >= 0.0
    found = [] if gains[0] else [0.0]
    changes = np.flatnonzero(gains[:-1] != gains[1:])
    found.extend(_root(economy, float(grid[left]), float(grid[left + 1])) for left in changes)
    if gains[-1]:
        found.append(float(grid[-1]))
    return tuple(_account(economy, position) for position in found)


def adoption_path(
    *,
    sigma: float,
    theta: float,
    eta: float,
    delta: float,
    labour: float,
    adoption_cost: float,
    start: float,
    subsidies: Sequence[float],
    periods: int,
    instrument: Instrument = "input",
    kappa: float | None = None,
    cost_unit: CostUnit = "final_good",
    n_firms: int = 200_000,
) -> BruteForcePath:
    """Follow the economy from an initial adopter share.

    Parameters
    ----------
    sigma, theta, eta, delta, labour, adoption_cost, kappa, cost_unit, n_firms
        As in :func:`static_equilibrium`.
    start : float
        Adopter share before the first period.
    subsidies : sequence of float
        Subsidy rates of the first periods; zero afterwards.
    periods : int
        Number of periods.
    instrument : {"input", "cost"}
        What the subsidies apply to.

    Returns
    -------
    BruteForcePath
        The path.
    """
    equilibria: list[BruteForceEquilibrium] = []
    shares = [start]
    for period in range(periods):
        rate = subsidies[period] if period < len(subsidies) else 0.0
        equilibrium = static_equilibrium(
            sigma=sigma,
            theta=theta,
            eta=eta,
            delta=delta,
            labour=labour,
            adoption_cost=adoption_cost,
            share_previous=shares[-1],
            kappa=kappa,
            cost_unit=cost_unit,
            input_subsidy=rate if instrument == "input" else 0.0,
            cost_subsidy=rate if instrument == "cost" else 0.0,
            n_firms=n_firms,
        )
        equilibria.append(equilibrium)
        shares.append(equilibrium.adopter_share)
    return BruteForcePath(
        adopter_share=np.array(shares),
        consumption=np.array([equilibrium.consumption for equilibrium in equilibria]),
        labour_tax=np.array([equilibrium.labour_tax for equilibrium in equilibria]),
        equilibria=tuple(equilibria),
    )


def steady_states_by_scan(
    *,
    sigma: float,
    theta: float,
    eta: float,
    delta: float,
    labour: float,
    adoption_cost: float,
    kappa: float | None = None,
    cost_unit: CostUnit = "final_good",
    input_subsidy: float = 0.0,
    cost_subsidy: float = 0.0,
    n_firms: int = 200_000,
    n_grid: int = 400,
) -> BruteForceSteadyStates:
    """Find the steady states by scanning last period's share over the unit interval.

    Two steady states closer together than one cell of the grid are missed.  Cells are finer towards zero,
    where the low steady state of a poor economy lies.

    Parameters
    ----------
    sigma, theta, eta, delta, labour, adoption_cost, kappa, cost_unit, input_subsidy, cost_subsidy, n_firms
        As in :func:`static_equilibrium`.
    n_grid : int
        Number of equal cells of the unit interval; half as many more subdivide the first one.

    Returns
    -------
    BruteForceSteadyStates
        Fixed points and their stability.
    """

    def excess(share: float) -> float:
        economy = _economy(
            sigma=sigma,
            theta=theta,
            eta=eta,
            delta=delta,
            labour=labour,
            adoption_cost=adoption_cost,
            share_previous=share,
            kappa=kappa,
            cost_unit=cost_unit,
            input_subsidy=input_subsidy,
            cost_subsidy=cost_subsidy,
            n_firms=n_firms,
        )
        return _adopter_share(economy, _marginal_position(economy)) - share

    near_zero = np.geomspace(1e-9, 1.0 / n_grid, n_grid // 2, endpoint=False)
    grid = np.concatenate(([0.0], near_zero, np.linspace(1.0 / n_grid, 1.0, n_grid)))
    values = np.array([excess(float(share)) for share in grid])
    found: list[tuple[float, bool]] = []
    for index, share in enumerate(grid):
        if values[index] == 0.0:
            from_below = index == 0 or values[index - 1] > 0.0
            from_above = index + 1 == grid.size or values[index + 1] < 0.0
            found.append((float(share), bool(from_below and from_above)))
        elif index + 1 < grid.size and values[index] * values[index + 1] < 0.0:
            root = float(brentq(excess, float(share), float(grid[index + 1]), xtol=1e-13, rtol=1e-14))
            found.append((root, bool(values[index] > 0.0)))
    return BruteForceSteadyStates(
        adopter_share=np.array([share for share, _ in found]),
        stable=np.array([stable for _, stable in found], dtype=np.bool_),
    )
