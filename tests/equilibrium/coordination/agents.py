"""The lecture's economies agent by agent: an oracle for the models that shares none of their formulas.

Every function takes the costs of a few thousand agents and the number of those that acted last period (the ones with
the lowest costs), works out what each agent would earn by acting and by not acting, and returns the share for which
acting pays.  Incomes, prices and rates of interest are found by clearing markets numerically, expectations over
partners and rivals by going through all of them.

The functions named ``..._account`` add up what all agents earn and bear in an economy that stays where it is, item by
item: welfare per head, and what else there is to see.
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


def big_push_account(
    acting: int, premiums: Array, *, labour: float, productivity: float, fixed_cost: float
) -> dict[str, float]:
    """Goods bought less what factory work takes out of those who do it, per sector."""
    sectors = premiums.size
    modern = np.arange(sectors) < acting

    def workers(spending: float) -> Array:
        return np.where(modern, fixed_cost + spending / productivity, spending)

    spending = float(brentq(lambda y: workers(y).sum() - labour * sectors, 0.0, 1e6))
    goods = np.where(modern, (workers(spending) - fixed_cost) * productivity, workers(spending)).sum()
    disagreeable = workers(spending)[modern] @ premiums[modern]
    return {
        "welfare": float(goods - disagreeable) / sectors,
        "income per sector, goods": float(goods) / sectors,
        "share of labour in factories": float(workers(spending)[modern].sum()) / (labour * sectors),
        "workers in all factories": float(workers(spending)[modern].sum()) / sectors,
    }


def investment_account(
    acting: int, needs: Array, *, labour: float, productivity: float, discount: float, substitution: float
) -> dict[str, float]:
    """Goods left at both dates, and the constant number that a consumer likes as much."""
    sectors = needs.size
    invests = np.arange(sectors) < acting
    now = (labour * sectors - needs[invests].sum()) / sectors
    # date 2: every good is bought in the same number, and takes 1/α or 1 unit of labour
    later = labour * sectors / np.where(invests, 1.0 / productivity, 1.0).sum()

    def utility(first: float, second: float) -> float:
        if substitution == 0.0:
            return float(np.log(first) + discount * np.log(second))
        return float((first**substitution + discount * second**substitution) / substitution)

    same = float(brentq(lambda c: utility(c, c) - utility(now, later), 1e-9, 1e6, xtol=1e-13))
    # what a consumer has to get at date 2 for giving up a little at date 1
    step = 1e-6 * min(now, later)
    level = utility(now, later)
    paid = float(brentq(lambda x: utility(now - step, later + x) - level, 0.0, later, xtol=1e-18))
    return {
        "welfare": same,
        "consumption at date 1": now,
        "consumption at date 2": later,
        "interest over a generation": paid / step - 1.0,
    }


def urbanisation_account(
    acting: int, fixed: Array, moving: Array, *, value: float, buyer_share: float, rural_use: float
) -> dict[str, float]:
    """What households gain by using goods, with profits, less the costs of factories and of moving, per household."""
    sectors, households = fixed.size, moving.size
    total, townspeople = 0.0, 0
    for cost in moving:
        in_town = buyer_share * value * acting / sectors
        in_country = rural_use * buyer_share * value * acting / sectors
        total += max(in_town - cost, in_country)
        townspeople += in_town - cost >= in_country
    sold = townspeople + rural_use * (households - townspeople)
    profits = sum((1.0 - buyer_share) * value * sold / households - cost for cost in fixed[:acting])
    return {
        "welfare": total / households + profits / sectors,
        "share of households in town": townspeople / households,
    }


def infrastructure_account(
    acting: int, own: Array, *, value: float, line_cost: float, anchor: float
) -> dict[str, float]:
    """Profits of firms, less the tolls that the other users pay; the operator breaks even."""
    users = acting / own.size + anchor
    if users == 0.0:
        return {"welfare": 0.0, "toll, goods": np.inf}
    toll = line_cost / users
    profits = sum(value - toll - cost for cost in own[:acting])
    return {"welfare": profits / own.size - anchor * toll, "toll, goods": toll}


def training_account(acting: int, needs: Array, *, gain: float, firm_share: float, poaching: float) -> dict[str, float]:
    """Rents of firms and of workers less the costs of training, going through every pair of a firm and its rival."""
    firms = needs.size
    trained = np.arange(firms) < acting
    kept = earned = bids = 0.0
    for firm in range(acting):
        chance = poaching * float(np.mean(~np.delete(trained, firm)))
        bids += chance
        kept += (1.0 - chance) * firm_share * gain - needs[firm]
        earned += chance * gain + (1.0 - chance) * (1.0 - firm_share) * gain
    return {
        "welfare": (kept + earned) / firms,
        "probability that a trained worker gets a bid": bids / acting if acting else poaching,
    }


def oring_account(
    acting: int,
    needs: Array,
    *,
    skill_low: float,
    skill_high: float,
    tasks: int,
    scale: float,
    sorting: float,
    rng: np.random.Generator,
) -> dict[str, float]:
    """Output of teams drawn at random, and of teams of equals, per worker and less the costs of upgrading."""
    workers = needs.size
    skills = np.where(np.arange(workers) < acting, skill_high, skill_low)
    teams = rng.choice(skills, size=(200_000, tasks))
    at_random = scale * float(teams.prod(axis=1).mean()) / tasks
    among_equals = scale * float(np.mean([np.prod(np.repeat(skill, tasks)) for skill in skills])) / tasks
    output = sorting * among_equals + (1.0 - sorting) * at_random
    return {
        "welfare": output - float(needs[:acting].sum()) / workers,
        "output per worker, goods": output,
        "mean skill": float(skills.mean()),
    }
