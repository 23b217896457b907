"""The closed forms against an economy of firms that compare profits.

The oracle knows neither integrals of the productivity distribution nor eq. (4.4).  Its only error is that of its
strata, of relative size (σ−1)²h²/24 in firms' scale where h is the width of a stratum in log productivity.  With
200,000 strata and θ ≥ 1.06 (σ−1) that is below 2e-7, and shares move by less than a few times as much: 1e-6 is the
tolerance throughout.
"""

from __future__ import annotations

from functools import cache
from typing import TypedDict

import numpy as np
import pytest
from scipy.optimize import brentq

from bigpush_est.equilibrium.simple import (
    STATUS,
    Instrument,
    SimpleEconomy,
    labour_cost_share,
    multiplicity,
    push_threshold,
    static_outcomes,
)
from bigpush_est.equilibrium.steady_states import long_run, steady_states

from .brute_force import adoption_path, static_equilibrium, steady_states_by_scan

N_FIRMS = 200_000
TOLERANCE = 1e-6


class Environment(TypedDict):
    sigma: float
    theta: float
    eta: float
    delta: float
    labour: float
    adoption_cost: float
    kappa: float | None


@cache
def environments(count: int, seed: int, *, several: bool) -> list[Environment]:
    """Random economies, of which every third has bounded productivity; with several steady states if asked."""
    rng = np.random.default_rng(seed)
    sigma = rng.uniform(2.05, 8.0, 40 * count)
    bounded = np.arange(sigma.size) % 3 == 0
    ratio = np.where(bounded, rng.uniform(0.6, 3.0, sigma.size), rng.uniform(1.06, 3.0, sigma.size))
    unit = SimpleEconomy.build(
        sigma=sigma,
        theta=(sigma - 1.0) * ratio,
        eta=rng.uniform(1.05, 2.5, sigma.size),
        delta=rng.uniform(0.0, 6.0, sigma.size),
        kappa=np.where(bounded, np.exp(rng.uniform(0.3, 3.0, sigma.size)), np.inf),
        log_scale=0.0,
    )
    window = multiplicity(unit)
    width = window.log_scale_high - window.log_scale_low
    if several:
        # the scan tells states apart that are a cell of its grid from each other
        scale = window.log_scale_low + rng.uniform(0.2, 0.8, sigma.size) * width
        chosen = np.flatnonzero(window.possible & (np.nan_to_num(width) > 0.05))[:count]
    else:
        # a share of up to 90% follows one of 50%
        scale = unit.potential(np.exp(rng.uniform(-6.0, -0.1, sigma.size))) - unit.level - 0.5 * unit.delta
        chosen = np.arange(count)
    labour = rng.uniform(0.3, 3.0, sigma.size)
    return [
        {
            "sigma": float(unit.sigma[i]),
            "theta": float(unit.theta[i]),
            "eta": float(unit.eta[i]),
            "delta": float(unit.delta[i]),
            "labour": float(labour[i]),
            "adoption_cost": float(labour[i] * np.exp(-scale[i])),
            "kappa": float(unit.kappa[i]) if bounded[i] else None,
        }
        for i in chosen
    ]


def economy_of(environment: Environment, *, input_subsidy: float = 0.0, cost_subsidy: float = 0.0) -> SimpleEconomy:
    return SimpleEconomy.build(
        sigma=environment["sigma"],
        theta=environment["theta"],
        eta=environment["eta"],
        delta=environment["delta"],
        kappa=np.inf if environment["kappa"] is None else environment["kappa"],
        log_scale=np.log(environment["labour"] / environment["adoption_cost"]),
        input_subsidy=input_subsidy,
        cost_subsidy=cost_subsidy,
    )


def share_after(environment: Environment, previous: float, instrument: Instrument, subsidy: float) -> float:
    return static_equilibrium(
        **environment,
        share_previous=previous,
        input_subsidy=subsidy if instrument == "input" else 0.0,
        cost_subsidy=subsidy if instrument == "cost" else 0.0,
        n_firms=N_FIRMS,
    ).adopter_share


@pytest.mark.parametrize(
    ("input_subsidy", "cost_subsidy"), [(0.0, 0.0), (0.3, 0.0), (0.0, 0.4), (0.2, 0.3), (0.9, 0.0), (0.0, 0.95)]
)
def test_static_equilibria(input_subsidy: float, cost_subsidy: float) -> None:
    rng = np.random.default_rng(0)
    interior = 0
    for environment in environments(30, 1, several=False):
        # dearer adoption keeps the subsidised shares inside the unit interval too
        dearer = (1.0 + 5.0 * input_subsidy) / (1.0 - cost_subsidy)
        environment = environment | {"adoption_cost": dearer * environment["adoption_cost"]}
        previous = float(rng.random())
        firms = static_equilibrium(
            **environment,
            share_previous=previous,
            input_subsidy=input_subsidy,
            cost_subsidy=cost_subsidy,
            n_firms=N_FIRMS,
        )
        assert firms.best_response_violation < 1e-8
        economy = economy_of(environment, input_subsidy=input_subsidy, cost_subsidy=cost_subsidy)
        share = economy(np.array([previous]))
        outcome = static_outcomes(economy, share, np.array([previous]))
        labour = environment["labour"]
        interior += 0.0 < firms.adopter_share < 1.0
        assert share[0] == pytest.approx(firms.adopter_share, rel=TOLERANCE)
        assert outcome.price_index[0] == pytest.approx(firms.price_index, rel=TOLERANCE)
        assert outcome.real_wage[0] == pytest.approx(firms.real_wage, rel=TOLERANCE)
        assert outcome.output[0] * labour == pytest.approx(firms.output, rel=TOLERANCE)
        assert outcome.labour_tax[0] == pytest.approx(firms.labour_tax, rel=TOLERANCE)
        # differences of larger quantities: relative to output
        size = TOLERANCE * firms.output
        assert outcome.consumption[0] * labour == pytest.approx(firms.consumption, abs=size)
        assert outcome.consumption[0] * labour == pytest.approx(firms.consumption_goods, abs=size)
        assert outcome.profits[0] * labour == pytest.approx(firms.profits / firms.price_index, abs=size)
        bill = firms.labour_tax * firms.real_wage * labour / firms.output
        assert outcome.subsidy_bill[0] == pytest.approx(bill, rel=TOLERANCE)
    assert interior > 15


def test_adoption_paid_in_labour() -> None:
    interior = 0
    for environment in environments(30, 2, several=False):
        firms = static_equilibrium(**environment, share_previous=0.4, cost_unit="labour", n_firms=N_FIRMS)
        share = labour_cost_share(economy_of(environment))[0]
        assert share == pytest.approx(firms.adopter_share, rel=TOLERANCE)
        interior += 0.0 < firms.adopter_share < 1.0
    assert interior > 15


@pytest.mark.parametrize("several", [True, False])
def test_steady_states(several: bool) -> None:
    for environment in environments(8, 3, several=several):
        # no adopters with unbounded productivity, where the oracle's most productive firms end, is no steady state
        scanned = steady_states_by_scan(**environment, n_firms=N_FIRMS)
        found = steady_states(economy_of(environment))
        share = found.share[0][np.isfinite(found.share[0])]
        assert share == pytest.approx(scanned.adopter_share, rel=10 * TOLERANCE, abs=TOLERANCE)
        assert (found.stability[0][: share.size] == 1).tolist() == scanned.stable.tolist()
        assert found.multiple[0] == (scanned.stable.sum() >= 2)
        assert share.size == 3 if several else share.size in (1, 3)


@pytest.mark.parametrize(("instrument", "tried"), [("input", 24), ("cost", 8)])
def test_thresholds(instrument: Instrument, tried: int) -> None:
    # an input subsidy is out of reach in most economies
    compared = 0
    for environment in environments(tried, 4, several=True):
        economy = economy_of(environment)
        boundary = float(steady_states(economy).threshold[0])
        start = 0.9 * boundary
        threshold = push_threshold(economy, start, instrument)
        if threshold.status[0] == 2 or threshold.reach[0] - threshold.gap[0] < 1e-3:
            continue
        # the unstable state of the oracle itself, so that both errors are in what is compared
        scanned = steady_states_by_scan(**environment, n_firms=N_FIRMS, n_grid=100)
        unstable = float(scanned.adopter_share[~scanned.stable][0])

        def missing(
            log_keep: float, environment: Environment = environment, start: float = start, unstable: float = unstable
        ) -> float:
            return share_after(environment, start, instrument, float(-np.expm1(-log_keep))) - unstable

        log_keep = float(-np.log1p(-threshold.subsidy[0])) if threshold.status[0] == 0 else float(threshold.gap[0])
        found = float(brentq(missing, 0.0, 2.0 * log_keep, xtol=1e-9))
        assert log_keep == pytest.approx(found, rel=20 * TOLERANCE)
        firms = static_equilibrium(
            **environment,
            share_previous=start,
            input_subsidy=-np.expm1(-found) if instrument == "input" else 0.0,
            cost_subsidy=-np.expm1(-found) if instrument == "cost" else 0.0,
            n_firms=N_FIRMS,
        )
        assert threshold.labour_tax[0] == pytest.approx(firms.labour_tax, rel=20 * TOLERANCE)
        assert (STATUS[threshold.status[0]] == "defined") == (firms.labour_tax <= 1.0)
        compared += 1
    assert compared >= 5


# -- economies in which Proposition 2(i) does not hold as stated -------------------------------------------------------


def test_an_economy_that_no_input_subsidy_can_push() -> None:
    environment: Environment = {
        "sigma": 4.0,
        "theta": 3.9,
        "eta": 1.5,
        "delta": 2.5,
        "labour": 1.0,
        "adoption_cost": 1.0,
        "kappa": None,
    }
    economy = economy_of(environment)
    states = steady_states(economy)
    low, boundary, high = states.share[0]
    scanned = steady_states_by_scan(**environment, n_firms=N_FIRMS)
    assert [low, boundary, high] == pytest.approx(scanned.adopter_share, rel=10 * TOLERANCE)
    threshold = push_threshold(economy, low, "input")
    assert STATUS[threshold.status[0]] == "no subsidy below 100% suffices"
    best = 0.0
    for log_keep in np.linspace(0.0, 12.0, 41):
        best = max(best, share_after(environment, low, "input", float(-np.expm1(-log_keep))))
    assert best < boundary
    # the fixed-cost subsidy does push it
    cost = push_threshold(economy, low, "cost")
    assert STATUS[cost.status[0]] == "defined"
    for factor, end in ((1.001, high), (0.999, low)):
        subsidy = float(-np.expm1(-factor * cost.gap[0]))
        path = adoption_path(
            **environment, start=low, subsidies=[subsidy], periods=50, instrument="cost", n_firms=50_000
        )
        assert path.adopter_share[-1] == pytest.approx(end, rel=1e-4)


def test_an_economy_that_too_large_an_input_subsidy_does_not_push() -> None:
    environment: Environment = {
        "sigma": 3.0,
        "theta": 1.0,
        "eta": float(np.sqrt(3.0)),
        "delta": 10.3915,
        "labour": 1.0,
        "adoption_cost": 2.14236,
        "kappa": 1.2,
    }
    economy = economy_of(environment)
    boundary = float(steady_states(economy).threshold[0])
    scanned = steady_states_by_scan(**environment, n_firms=N_FIRMS)
    unstable = float(scanned.adopter_share[~scanned.stable][0])
    assert boundary == pytest.approx(unstable, rel=10 * TOLERANCE)
    threshold = push_threshold(economy, 0.0, "input")
    assert STATUS[threshold.status[0]] == "defined"
    # a little outside and a little inside the interval of working subsidies, which is about (0.708, 0.892)
    low, high = float(threshold.subsidy[0]), float(threshold.largest[0])
    assert (low, high) == pytest.approx((0.708, 0.892), abs=1e-3)
    step = 2e-4
    for subsidy, works in (
        (0.5, False),
        (low - step, False),
        (low + step, True),
        (0.8, True),
        (high - step, True),
        (high + step, False),
        (0.99, False),
    ):
        firms = share_after(environment, 0.0, "input", subsidy)
        assert (firms > unstable) is works
        ours = economy.with_subsidy(input_subsidy=subsidy)(np.zeros(1))
        assert ours[0] == pytest.approx(firms, rel=10 * TOLERANCE)
        assert bool(long_run(economy, ours).share[0] == 1.0) is works
