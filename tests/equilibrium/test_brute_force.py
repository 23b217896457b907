"""The oracle must satisfy the conditions that it does not impose."""

from __future__ import annotations

from typing import TypedDict

import numpy as np
import pytest

from .brute_force import (
    BruteForceEquilibrium,
    CostUnit,
    _account,
    _economy,
    _marginal_position,
    adoption_path,
    all_equilibria,
    monte_carlo_firms,
    static_equilibrium,
    steady_states_by_scan,
    stratified_firms,
)

# Small enough to keep the suite quick; the strata's error falls with the square of their number.
N_FIRMS = 100_000


class Parameters(TypedDict):
    sigma: float
    theta: float
    eta: float
    delta: float
    labour: float


# With an adoption cost of one this has three steady states.
SEVERAL_STEADY_STATES: Parameters = {"sigma": 4.0, "theta": 3.9, "eta": 1.5, "delta": 2.5, "labour": 1.0}


def solve(
    *,
    tail: float = 1.3,
    sigma: float = 4.0,
    eta: float = 1.5,
    delta: float = 1.0,
    labour: float = 1.0,
    adoption_cost: float = 0.6,
    share_previous: float = 0.3,
    kappa: float | None = None,
    cost_unit: CostUnit = "final_good",
    input_subsidy: float = 0.0,
    cost_subsidy: float = 0.0,
    n_firms: int = N_FIRMS,
) -> BruteForceEquilibrium:
    return static_equilibrium(
        sigma=sigma,
        theta=tail * (sigma - 1.0),
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


@pytest.mark.parametrize("cost_unit", ["final_good", "labour"])
@pytest.mark.parametrize(("input_subsidy", "cost_subsidy"), [(0.0, 0.0), (0.4, 0.0), (0.0, 0.4), (0.3, 0.2)])
@pytest.mark.parametrize(("tail", "kappa"), [(1.06, None), (3.0, None), (1.06, 8.0), (0.8, 4.0)])
def test_conditions_left_out_of_the_search_hold(
    tail: float, kappa: float | None, input_subsidy: float, cost_subsidy: float, cost_unit: CostUnit
) -> None:
    found = solve(tail=tail, kappa=kappa, input_subsidy=input_subsidy, cost_subsidy=cost_subsidy, cost_unit=cost_unit)
    assert 0.0 < found.adopter_share < 1.0
    assert found.consumption == pytest.approx(found.consumption_goods, rel=1e-11)
    assert abs(found.labour_market_residual) < 1e-11
    assert abs(found.quantity_index_residual) < 1e-11
    assert found.best_response_violation < 1e-9
    assert found.real_wage * found.price_index == pytest.approx(found.wage)


def test_violation_is_seen_when_firms_are_not_at_their_best() -> None:
    # Firms that were right at one adoption cost are wrong at another.
    cheap = _economy(**SEVERAL_STEADY_STATES, share_previous=0.3, adoption_cost=0.5)
    dear = _economy(**SEVERAL_STEADY_STATES, share_previous=0.3, adoption_cost=0.6)
    assert _account(cheap, _marginal_position(cheap)).best_response_violation < 1e-9
    assert _account(dear, _marginal_position(cheap)).best_response_violation > 1e-3
    assert _account(cheap, _marginal_position(dear)).best_response_violation > 1e-3


@pytest.mark.parametrize(("tail", "kappa"), [(1.06, None), (2.0, None), (1.06, 8.0)])
def test_strata_are_fine_enough(tail: float, kappa: float | None) -> None:
    coarse = solve(tail=tail, kappa=kappa, input_subsidy=0.2, n_firms=100_000)
    fine = solve(tail=tail, kappa=kappa, input_subsidy=0.2, n_firms=400_000)
    assert coarse.adopter_share == pytest.approx(fine.adopter_share, rel=1e-6)
    assert coarse.output == pytest.approx(fine.output, rel=1e-6)


@pytest.mark.parametrize("kappa", [None, 5.0])
def test_strata_add_up_to_the_unit_mass(kappa: float | None) -> None:
    firms = stratified_firms(sigma=4.0, theta=3.18, kappa=kappa, n_firms=N_FIRMS)
    assert firms.mass.sum() == pytest.approx(1.0, rel=1e-12)
    # The mass above a stratum's lower edge is the survival probability there.
    lowest = 0.0 if kappa is None else kappa**-3.18
    survival = (np.exp(-3.18 * firms.log_lower) - lowest) / (1.0 - lowest)
    assert np.allclose(np.cumsum(firms.mass), survival, rtol=1e-9, atol=1e-13)


@pytest.mark.parametrize("input_subsidy", [0.0, 0.3])
def test_independent_draws_agree_with_the_strata_where_the_tail_is_thin(input_subsidy: float) -> None:
    exact = solve(tail=5.0, sigma=3.0, input_subsidy=input_subsidy, kappa=10.0)
    sampled = static_equilibrium(
        sigma=3.0,
        theta=10.0,
        eta=1.5,
        delta=1.0,
        labour=1.0,
        adoption_cost=0.6,
        share_previous=0.3,
        kappa=10.0,
        input_subsidy=input_subsidy,
        firms=monte_carlo_firms(theta=10.0, kappa=10.0, n_firms=400_000, seed=7),
    )
    assert 0.0 < exact.adopter_share < 1.0
    # Four standard errors of a share are about 0.003 here.
    assert sampled.adopter_share == pytest.approx(exact.adopter_share, abs=4e-3)
    assert sampled.output == pytest.approx(exact.output, rel=2e-3)
    assert sampled.best_response_violation < 1e-6


def test_an_empty_policy_needs_no_tax() -> None:
    assert solve().labour_tax == 0.0
    assert solve(input_subsidy=0.3).labour_tax > 0.0
    assert solve(cost_subsidy=0.3).labour_tax > 0.0


def test_a_vanishing_subsidy_changes_nothing() -> None:
    base = solve()
    for found in (solve(input_subsidy=1e-9), solve(cost_subsidy=1e-9)):
        assert found.adopter_share == pytest.approx(base.adopter_share, rel=1e-7)
        assert found.consumption == pytest.approx(base.consumption, rel=1e-7)


@pytest.mark.parametrize("kappa", [None, 8.0])
def test_adoption_vanishes_with_its_gain(kappa: float | None) -> None:
    shares = [solve(eta=eta, kappa=kappa).adopter_share for eta in (1.5, 1.1, 1.01, 1.0)]
    assert shares[0] > shares[1] >= shares[2] >= shares[3]
    assert shares[2] < 0.01
    assert shares[3] == 0.0


def test_everyone_adopts_when_it_is_cheap() -> None:
    found = solve(adoption_cost=1e-3)
    assert found.adopter_share == pytest.approx(1.0, abs=1e-12)
    assert found.best_response_violation == 0.0


def test_nobody_adopts_when_the_best_firm_would_lose() -> None:
    found = solve(kappa=3.0, adoption_cost=50.0)
    assert found.adopter_share == 0.0
    assert found.best_response_violation == 0.0
    assert solve(adoption_cost=50.0).adopter_share > 0.0


@pytest.mark.parametrize("cost_unit", ["final_good", "labour"])
@pytest.mark.parametrize(("input_subsidy", "cost_subsidy"), [(0.0, 0.0), (0.3, 0.0), (0.0, 0.3)])
def test_only_the_ratio_of_labour_to_the_adoption_cost_matters_for_the_share(
    cost_unit: CostUnit, input_subsidy: float, cost_subsidy: float
) -> None:
    # Output is linear in labour at given shares, and so are the gains from adoption in terms of final goods.
    base, scaled = (
        solve(
            labour=scale,
            adoption_cost=0.6 * scale,
            cost_unit=cost_unit,
            input_subsidy=input_subsidy,
            cost_subsidy=cost_subsidy,
        )
        for scale in (1.0, 7.0)
    )
    assert scaled.adopter_share == pytest.approx(base.adopter_share, rel=1e-10)
    assert scaled.price_index == pytest.approx(base.price_index, rel=1e-10)
    assert scaled.output == pytest.approx(7.0 * base.output, rel=1e-10)
    assert scaled.consumption == pytest.approx(7.0 * base.consumption, rel=1e-10)
    assert scaled.labour_tax == pytest.approx(base.labour_tax, rel=1e-10)


@pytest.mark.parametrize("input_subsidy", [0.0, 0.3])
def test_spillovers_do_not_move_the_share_when_adoption_costs_labour(input_subsidy: float) -> None:
    base = solve(cost_unit="labour", delta=0.0, input_subsidy=input_subsidy)
    for share_previous, delta in ((0.0, 2.0), (0.5, 2.0), (1.0, 0.7)):
        found = solve(cost_unit="labour", delta=delta, share_previous=share_previous, input_subsidy=input_subsidy)
        assert found.adopter_share == pytest.approx(base.adopter_share, rel=1e-9)
        spillover = np.exp(delta * share_previous)
        assert found.output == pytest.approx(spillover * base.output, rel=1e-9)


def test_only_the_product_of_spillover_and_labour_matters_for_the_share_with_costs_in_goods() -> None:
    found = solve(delta=1.0, share_previous=0.8)
    shifted = solve(delta=0.0, labour=float(np.exp(0.8)))
    assert found.adopter_share == pytest.approx(shifted.adopter_share, rel=1e-10)
    assert found.output == pytest.approx(shifted.output, rel=1e-10)


def test_equilibrium_is_unique_above_an_elasticity_of_two_and_need_not_be_below() -> None:
    (only,) = all_equilibria(
        sigma=2.5,
        theta=4.5,
        eta=10.0,
        delta=0.0,
        labour=1.0,
        adoption_cost=3.0,
        share_previous=0.0,
        n_firms=N_FIRMS,
    )
    assert only.best_response_violation < 1e-9

    several = all_equilibria(
        sigma=1.3,
        theta=1.2,
        eta=30.0,
        delta=0.0,
        labour=1.0,
        adoption_cost=26.0,
        share_previous=0.0,
        n_firms=N_FIRMS,
    )
    assert len(several) == 3
    shares = [found.adopter_share for found in several]
    assert shares == sorted(shares)
    for found in several:
        assert found.best_response_violation < 1e-9
        assert found.consumption == pytest.approx(found.consumption_goods, rel=1e-11)


def test_an_expensive_policy_is_returned_and_marked() -> None:
    found = solve(adoption_cost=30.0, cost_subsidy=0.999)
    assert found.labour_tax > 1.0
    assert not found.feasible
    assert solve().feasible


def test_rates_outside_the_unit_interval_are_refused() -> None:
    with pytest.raises(ValueError, match="subsidy"):
        solve(input_subsidy=1.0)
    with pytest.raises(ValueError, match="theta"):
        solve(tail=0.9)


def test_path_settles_at_a_steady_state_and_follows_the_static_equilibria() -> None:
    states = steady_states_by_scan(**SEVERAL_STEADY_STATES, adoption_cost=1.0, n_firms=N_FIRMS)
    low, middle, high = states.adopter_share
    assert states.stable.tolist() == [True, False, True]

    quiet = adoption_path(
        **SEVERAL_STEADY_STATES, adoption_cost=1.0, start=0.9 * middle, subsidies=[], periods=60, n_firms=N_FIRMS
    )
    assert quiet.adopter_share[-1] == pytest.approx(low, rel=1e-6)
    assert np.all(np.diff(quiet.adopter_share[:10]) < 0.0)
    pushed = adoption_path(
        **SEVERAL_STEADY_STATES, adoption_cost=1.0, start=1.1 * middle, subsidies=[], periods=60, n_firms=N_FIRMS
    )
    assert pushed.adopter_share[-1] == pytest.approx(high, rel=1e-6)

    # A fixed-cost subsidy acts for one period and the economy goes on from where it left it.
    helped = adoption_path(
        **SEVERAL_STEADY_STATES,
        adoption_cost=1.0,
        start=low,
        subsidies=[0.9],
        periods=60,
        instrument="cost",
        n_firms=N_FIRMS,
    )
    assert helped.labour_tax[0] > 0.0
    assert np.all(helped.labour_tax[1:] == 0.0)
    assert helped.adopter_share[1] > middle
    assert helped.adopter_share[-1] == pytest.approx(high, rel=1e-6)
    assert helped.consumption[-1] > quiet.consumption[-1]
