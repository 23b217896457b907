"""The lecture's economies agent by agent: an oracle for the models that shares none of their formulas.

Every function takes the costs of a few thousand agents and the number of those that acted last period (the ones with
the lowest costs), works out what each agent would earn by acting and by not acting, and returns the share for which
acting pays.  Incomes, prices and rates of interest are found by clearing markets numerically, expectations over
partners and rivals by going through all of them.
"""

from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq, minimize_scalar

type Array = NDArray[np.float64]


def costs(mean: float, spread: float, agents: int) -> Array:
    """Costs of the agents in ascending order: the middles of equal strata of the uniform distribution."""
    places = (np.arange(agents) + 0.5) / agents
    return mean * (1.0 - spread + 2.0 * spread * places)


def big_push(acting: int, premiums: Array, *, labour: float, productivity: float, fixed_cost: float) -> float:
    """Share of sectors in which a factory pays, given the demand that ``acting`` factories create."""
    sectors = premiums.size
    modern = np.arange(sectors) < acting

    def workers(spending: float) -> Array:
        return np.where(modern, fixed_cost + spending / productivity, spending)

    # spending on each good such that everybody has work
    spending = float(brentq(lambda y: workers(y).sum() - labour * sectors, 0.0, 1e6))
    wages = np.where(modern, 1.0 + premiums, 1.0) * workers(spending)
    profits = np.where(modern, spending - wages, 0.0)
    assert np.isclose((wages + profits).sum() / sectors, spending)  # income is what is spent
    if_modern = spending - (1.0 + premiums) * (fixed_cost + spending / productivity)
    return float(np.mean(if_modern >= 0.0))


def investment(
    acting: int, needs: Array, *, labour: float, productivity: float, discount: float, substitution: float
) -> float:
    """Share of sectors in which an investment has a positive net present value at the rate that clears markets."""
    sectors = needs.size
    invests = np.arange(sectors) < acting

    def utility(now: float, later: float) -> float:
        if substitution == 0.0:
            return float(np.log(now) + discount * np.log(later))
        return float((now**substitution + discount * later**substitution) / substitution)

    # date 2: spending such that everybody has work; modern sectors sell at 1 what costs them 1/α
    later = float(
        brentq(lambda y: (np.where(invests, y / productivity, y)).sum() - labour * sectors, 1e-12, 1e6, xtol=1e-14)
    )
    profit = later - later / productivity
    # date 1: goods that are left when investors have hired their workers
    goods = labour - needs[invests].sum() / sectors

    def wanted(price: float) -> float:
        """Consumption at date 1 that a household chooses if a good of date 2 costs ``price`` goods of date 1."""
        wealth = labour + price * labour + (price * profit - needs[invests]).sum() / sectors
        chosen = minimize_scalar(
            lambda now: -utility(now, (wealth - now) / price),
            bounds=(1e-9 * wealth, (1.0 - 1e-9) * wealth),
            method="bounded",
            options={"xatol": 1e-12},
        )
        return float(chosen.x)

    price = float(brentq(lambda p: wanted(p) - goods, 1e-6, 50.0, xtol=1e-12))
    return float(np.mean(price * profit - needs >= 0.0))


def urbanisation(
    acting: int, fixed: Array, moving: Array, *, value: float, buyer_share: float, rural_use: float
) -> float:
    """Share of sectors in which a factory pays, given where households live when ``acting`` goods are on offer."""
    sectors, households = fixed.size, moving.size
    in_town = in_country = 0.0
    for _ in range(acting):
        in_town += buyer_share * value
        # a good is of use in the country to this fraction
        in_country += buyer_share * value * rural_use
    townspeople = int(sum(in_town / sectors - cost >= in_country / sectors for cost in moving))
    sold = townspeople + rural_use * (households - townspeople)
    earned = (1.0 - buyer_share) * value * sold / households
    return float(np.mean([earned >= cost for cost in fixed]))


def infrastructure(acting: int, own: Array, *, value: float, line_cost: float, anchor: float) -> float:
    """Share of firms that ship if the line breaks even on last period's users."""
    users = acting / own.size + anchor
    if users == 0.0:
        return 0.0
    return float(np.mean([value - line_cost / users - cost >= 0.0 for cost in own]))


def training(acting: int, needs: Array, *, gain: float, firm_share: float, poaching: float) -> float:
    """Share of firms for which training pays, going through every rival that each may have."""
    firms = needs.size
    trained = np.arange(firms) < acting
    pays = 0
    for firm, cost in enumerate(needs):
        rivals = np.delete(trained, firm)
        # a rival with a trained worker does not bid; one without bids with probability p, and then bids the rent away
        rent_by_rival = np.where(rivals, firm_share * gain, (1.0 - poaching) * firm_share * gain + poaching * 0.0)
        pays += bool(rent_by_rival.mean() >= cost)
    return pays / firms


def oring(
    acting: int,
    needs: Array,
    *,
    skill_low: float,
    skill_high: float,
    tasks: int,
    scale: float,
    sorting: float,
) -> float:
    """Share of workers for which upgrading pays, going through every team that each may be drawn into."""
    workers = needs.size
    skills = np.where(np.arange(workers) < acting, skill_high, skill_low)

    def expected_pay(worker: int, skill: float) -> float:
        others = np.delete(skills, worker)
        kinds, counts = np.unique(others, return_counts=True)
        chances = dict(zip(kinds.tolist(), (counts / others.size).tolist(), strict=True))
        pay = 0.0
        for mates in product(chances, repeat=tasks - 1):
            chance, output = 1.0, scale * skill
            for mate in mates:
                chance *= chances[mate]
                output *= mate
            pay += chance * output / tasks
        own_kind = scale
        for _ in range(tasks):
            own_kind *= skill
        return sorting * own_kind / tasks + (1.0 - sorting) * pay

    # workers of one kind face the same market: work it out once for each kind
    gains = [expected_pay(worker, skill_high) - expected_pay(worker, skill_low) for worker in (0, workers - 1)]
    return float(np.mean(np.where(np.arange(workers) < acting, gains[0], gains[1]) >= needs))
