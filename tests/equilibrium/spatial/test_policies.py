"""Other policies in the push's place: closed forms, brute-force grids, independent regressions, identities."""

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy import stats

from bigpush_est.equilibrium.spatial.dynamics import solve_path
from bigpush_est.equilibrium.spatial.economy import SpatialEconomy
from bigpush_est.equilibrium.spatial.market_access import (
    CHARACTERISTICS,
    characteristics,
    market_access,
    predict,
    randomised_allocations,
    robust_ols,
)
from bigpush_est.equilibrium.spatial.outcomes import measure
from bigpush_est.equilibrium.spatial.policies import (
    BILL_NOT_MET,
    NO_INCOME,
    PathSettings,
    PolicyEvaluator,
    PolicyOutcomes,
    general_subsidies,
    optimal_uniform,
)
from bigpush_est.equilibrium.spatial.regional_policy import optimal_regional
from bigpush_est.equilibrium.spatial.scenarios import Baseline, compare, example_baseline
from bigpush_est.equilibrium.spatial.static import solve_static, static_preconditioner
from bigpush_est.errors import AssumptionViolated, InvalidValue, ShapeMismatch

HEAVY = 2


def random_baseline(seed: int = 3, size: int = 8, subsidised: int = 3, rate: float = 0.08, **changes: Any) -> Baseline:
    """Commodities, light and heavy manufacturing, services; regions at random places, of random size and skill."""
    rng = np.random.default_rng(seed)
    place = rng.uniform(0.0, 3.0, (size, 2))
    apart = 1.0 + np.linalg.norm(place[:, None] - place, axis=2)
    port = (1.0 + rng.uniform(0.0, 2.0, size)) ** -1.29
    nobody = np.zeros((4, size))
    mass = rng.dirichlet(np.full(size, 20.0), 4) * np.array([[0.3], [0.2], [0.1], [0.4]])
    given: dict[str, Any] = {
        "sigma": 5.0,
        "theta": 4.24,
        "kappa": 1.5,
        "eta": 1.25,
        "delta": 0.68,
        "distortion_elasticity": [0.0, 0.0, -0.3, 0.0],
        "distortion_level": [1.0, 1.0, 0.9, 1.0],
        "adoption_cost": [np.inf, np.inf, 0.2, np.inf],
        "export_cost": [0.01, 0.01, 0.02, 0.0],
        "preference_share": [0.3, 0.2, 0.15, 0.35],
        "labour_share": [0.6, 0.5, 0.4, 0.7],
        "input_share": [[0.2, 0.1, 0.05, 0.05], [0.2, 0.1, 0.1, 0.1], [0.1, 0.05, 0.35, 0.1], [0.1, 0.1, 0.05, 0.05]],
        "firm_mass": mass,
        "labour": rng.dirichlet(np.full(size, 20.0)),
        "freeness": np.stack([apart**-1.29] * 3 + [apart**-3.8]),
        "port_freeness": np.stack([port] * 3 + [np.zeros(size)]),
        "tariff": [0.2, 0.2, 0.2, 0.0],
        "productivity": np.exp(0.1 * rng.normal(size=(4, size))),
        "foreign_price": [1.0, 1.5, 1.2, np.inf],
        "foreign_demand": [0.3, 0.2, 0.1, 0.0],
        "subsidy": nobody,
    }
    initial = nobody.copy()
    initial[HEAVY] = rng.uniform(0.0, 0.2, size)
    economy = SpatialEconomy.of(**(given | changes))
    push = nobody.copy()
    push[HEAVY, rng.choice(size, subsidised, replace=False)] = rate
    economies = (economy, economy.changed(subsidy=push), economy.changed(subsidy=push))
    share, equilibria = initial, []
    for period in economies:
        equilibria.append(solve_static(period, share))
        share = equilibria[-1].adopter_share[0]
    matrices = [static_preconditioner(one) for one in equilibria]
    return Baseline(economies, tuple(equilibria), initial, heavy=HEAVY, preconditioners=(*matrices, matrices[-1]))


@pytest.fixture(scope="module")
def small() -> PolicyEvaluator:
    return PolicyEvaluator(example_baseline())


@pytest.fixture(scope="module")
def wide() -> PolicyEvaluator:
    return PolicyEvaluator(random_baseline())


def same(one: PolicyOutcomes, two: PolicyOutcomes, tolerance: float = 1e-7) -> None:
    assert one.fate.tolist() == two.fate.tolist()
    for key in ("gdp_share", "export_intensity", "employment_share", "welfare_log", "welfare_linear", "bill"):
        np.testing.assert_allclose(getattr(one, key), getattr(two, key), atol=tolerance, err_msg=key)
    np.testing.assert_allclose(one.regional_welfare, two.regional_welfare, atol=tolerance)


# ---------------------------------------------------------------------------------------------------------------------
# what policies lead to


def test_the_push_is_the_baselines(wide: PolicyEvaluator) -> None:
    """Its path is Table 3's, and its welfare adds up when summed by hand over periods and regions."""
    paths = compare(wide.baseline, [None], max_periods=300)["baseline"]
    found = wide.evaluate(wide.push[None])
    assert found.fates == {"steady state": 1}
    assert found.gdp_share[0] == pytest.approx(paths.push.outcomes.gdp_share[-1, 0, HEAVY], abs=1e-9)
    assert found.export_intensity[0] == pytest.approx(paths.push.outcomes.export_intensity[-1, 0, HEAVY], abs=1e-9)
    assert found.bill[0] == pytest.approx(paths.push.outcomes.subsidy_to_gdp[1:3, 0], abs=1e-10)
    with_push, without = paths.push.outcomes.consumption[:, 0], paths.none.outcomes.consumption[:, 0]
    labour = wide.economies[0].labour
    mean = 0.0
    for n in range(labour.size):
        log = sum(
            0.15 * 0.85**t * np.log(with_push[min(t, len(with_push) - 1), n] / without[min(t, len(without) - 1), n])
            for t in range(2000)
        )
        mean += labour[n] / labour.sum() * np.expm1(log)
    assert found.welfare_log[0] == pytest.approx(mean, abs=1e-9)
    assert found.welfare_log[0] == pytest.approx((found.regional_welfare[0] * labour).sum() / labour.sum(), abs=1e-12)


def test_no_policy_gains_nothing(wide: PolicyEvaluator) -> None:
    found = wide.evaluate(np.zeros((1, *wide.push.shape)))
    assert abs(found.welfare_log[0]) < 1e-12
    assert abs(found.welfare_linear[0]) < 1e-12
    assert (found.bill == 0.0).all()


def test_a_batch_is_its_policies(wide: PolicyEvaluator) -> None:
    rng = np.random.default_rng(1)
    adoption, general = rng.uniform(0.0, 0.15, (2, 5, *wide.push.shape))
    met = np.array([True, True, False, True, True])
    together = wide.evaluate(adoption, general, met)
    alone = [wide.evaluate(adoption[[d]], general[[d]], met[[d]]) for d in range(5)]
    same(together, PolicyOutcomes.join(alone))
    assert together.fate[2] == BILL_NOT_MET
    assert np.isnan(together.welfare_log[2])
    assert together.steady.sum() == 4


def test_what_has_no_steady_state_has_a_fate_and_no_values() -> None:
    """Eight periods are enough without a policy and not enough for this one."""
    evaluator = PolicyEvaluator(example_baseline(), PathSettings(max_periods=8))
    found = evaluator.evaluate(np.array([[[0.0, 0.0, 0.097, 0.097], [0.0, 0.0, 0.113, 0.113]], evaluator.push]))
    assert found.fate.tolist() == ["not converged", "steady state"]
    assert np.isnan(found.gdp_share[0])
    assert np.isnan(found.welfare_log[0])
    assert np.isfinite(found.bill).all()
    assert found.best("log") == 1
    # at this rate the search ends where taxes would take more than all income: that is no equilibrium
    beyond = evaluator.evaluate(np.where(evaluator.push > 0.0, 0.9, 0.0)[None])
    assert beyond.fate.tolist() == ["not converged"]
    assert np.isnan(beyond.bill).all()
    with pytest.raises(AssumptionViolated, match="steady state without any policy"):
        PolicyEvaluator(example_baseline(), PathSettings(max_periods=3))


def test_cycles_and_paths_without_income_are_no_steady_states(small: PolicyEvaluator) -> None:
    """Their bills are known, their values are not: shown on solved paths that are made to look so."""
    path = small._paths(np.stack([small.push, small.push]))
    cycle = small._outcomes(replace(path, fate=np.array(["cycle", "steady state"])))
    assert cycle.fates == {"cycle": 1, "steady state": 1}
    assert np.isnan(cycle.welfare_log[0])
    np.testing.assert_allclose(cycle.bill[0], small.pushed.bill[0])
    consumption = path.outcomes.consumption.copy()
    consumption[2, 0, 1] = -0.1
    poor = small._outcomes(replace(path, outcomes=replace(path.outcomes, consumption=consumption)))
    assert poor.fate.tolist() == [NO_INCOME, "steady state"]
    assert np.isnan(poor.gdp_share[0])
    assert poor.welfare_log[1] == pytest.approx(small.pushed.welfare_log[0], abs=1e-8)


@pytest.mark.parametrize("general", [False, True])
def test_equal_bills(wide: PolicyEvaluator, general: bool) -> None:
    """Every direction's rates cost what the push costs in both periods; one alone finds what the batch finds."""
    rng = np.random.default_rng(2)
    direction = rng.uniform(0.0, 0.2, (5, 8)) * (rng.random((5, 8)) < 0.6)
    rates, met = wide.equal_bill(direction, general=general)
    assert met.all()
    nothing = np.zeros_like(rates)
    found = wide.evaluate(nothing if general else rates, rates if general else None)
    np.testing.assert_allclose(found.bill, np.repeat(wide.pushed.bill, 5, axis=0), rtol=1e-8)
    ratio = rates / np.where(direction > 0.0, direction, 1.0)[:, None]
    np.testing.assert_allclose(ratio, np.where(direction > 0.0, 1.0, 0.0)[:, None] * ratio.max(axis=2)[:, :, None])
    alone, _ = wide.equal_bill(direction[[3]], general=general)
    np.testing.assert_allclose(alone[0], rates[3], rtol=1e-7)


def test_the_pushs_own_direction_gives_the_push(wide: PolicyEvaluator) -> None:
    rates, met = wide.equal_bill(0.37 * wide.push[:1])
    assert met[0]
    np.testing.assert_allclose(rates[0], wide.push, rtol=1e-7)


def test_a_bill_that_cannot_be_met(small: PolicyEvaluator) -> None:
    """Five times GDP cannot be spent on all regions' adopters; the batch's other direction is not disturbed."""
    direction = np.array([[0.1] * 4, [0.1, 0.0, 0.0, 0.0]])
    rates, met = small.equal_bill(direction, bill=[0.02, 5.0])
    assert met.tolist() == [False, True]
    assert (rates[0] == 0.0).all()
    alone, _ = small.equal_bill(direction[1:], bill=[0.02, 5.0])
    np.testing.assert_allclose(rates[1], alone[0], rtol=1e-7)
    found = small.evaluate(rates, None, met)
    assert found.fate[0] == BILL_NOT_MET
    assert found.bill[1] == pytest.approx([0.02, 5.0], rel=1e-8)
    rates, met = small.equal_bill(direction[:1], bill=[9.0, 9.0])
    assert not met.any()
    assert not rates.any()


# ---------------------------------------------------------------------------------------------------------------------
# subsidies regardless of adoption


def closed(labour_share: float, sectors: int, regions: int, seed: int = 4) -> SpatialEconomy:
    """No foreign trade, no adoption, no distortions; trade between regions."""
    rng = np.random.default_rng(seed)
    share = rng.dirichlet(np.ones(sectors), sectors)
    return SpatialEconomy.of(
        sigma=4.0,
        theta=5.0,
        kappa=2.0,
        eta=1.2,
        delta=0.5,
        distortion_elasticity=np.zeros(sectors),
        distortion_level=np.ones(sectors),
        adoption_cost=np.full(sectors, np.inf),
        export_cost=np.zeros(sectors),
        preference_share=rng.dirichlet(np.ones(sectors)),
        labour_share=np.full(sectors, labour_share),
        input_share=(1.0 - labour_share) * share,
        firm_mass=rng.uniform(0.5, 1.5, (sectors, regions)),
        labour=rng.uniform(0.5, 1.5, regions),
        freeness=rng.uniform(0.2, 0.6, (sectors, regions, regions)) + 0.4 * np.eye(regions),
        port_freeness=np.zeros((sectors, regions)),
        tariff=np.zeros(sectors),
        productivity=rng.uniform(0.8, 1.2, (sectors, regions)),
        foreign_price=np.full(sectors, np.inf),
        foreign_demand=np.zeros(sectors),
        subsidy=np.zeros((sectors, regions)),
    )


@pytest.mark.parametrize("rate", [0.05, 0.3])
def test_a_subsidy_to_all_firms_is_neutral_where_labour_is_the_only_input(rate: float) -> None:
    """Prices fall by it relative to wages, the labour tax is the rate itself, and nothing real changes."""
    economy = closed(1.0, sectors=3, regions=4)
    share = np.zeros((3, 4))
    plain, paid = (
        solve_static(economy.changed(general_subsidy=np.full((3, 4), g)), share, tolerance=1e-12) for g in (0.0, rate)
    )
    np.testing.assert_allclose(measure(paid).consumption, measure(plain).consumption, rtol=1e-9)
    np.testing.assert_allclose(measure(paid).output, measure(plain).output, rtol=1e-9)
    np.testing.assert_allclose(paid.wage / paid.wage[0, 0], plain.wage / plain.wage[0, 0], rtol=1e-9)
    np.testing.assert_allclose(
        paid.price_index / paid.wage[0, 0], (1.0 - rate) * plain.price_index / plain.wage[0, 0], rtol=1e-9
    )
    tax = paid.subsidies / (paid.wage * economy.labour).sum(axis=1)
    assert tax[0] == pytest.approx(rate, abs=1e-9)


def test_a_subsidy_to_all_firms_undoes_markups_on_intermediate_inputs() -> None:
    """One sector and region: C/C₀ = (1 − ι)/(1 − ι₀) (ι/ι₀)^{(1−γ)/γ}, ι = (1 − γ)/(μ(1 − g)); best at 1 − g = 1/μ."""
    gamma, markup = 0.4, 4.0 / 3.0
    economy = closed(gamma, sectors=1, regions=1)
    rates = np.array([0.0, 0.1, 1.0 - 1.0 / markup, 0.35])
    solved = solve_static(economy.changed(general_subsidy=rates[:, None, None]), np.zeros((1, 1)), tolerance=1e-12)
    inputs = (1.0 - gamma) / (markup * (1.0 - rates))
    expected = (1.0 - inputs) * inputs ** ((1.0 - gamma) / gamma)
    consumption = measure(solved).consumption[:, 0]
    np.testing.assert_allclose(consumption / consumption[0], expected / expected[0], rtol=1e-9)
    assert consumption.argmax() == 2
    np.testing.assert_allclose(solved.subsidies / (solved.wage * economy.labour)[:, 0], rates / gamma, atol=1e-9)


def test_where_all_firms_adopt_the_two_subsidies_are_one() -> None:
    """With no cost to speak of everyone adopts, and subsidies to adopters go to all firms."""
    baseline = random_baseline(adoption_cost=[np.inf, np.inf, 1e-6, np.inf])
    found = general_subsidies(baseline)
    assert baseline.equilibria[1].adopter_share[0, HEAVY].min() == 1.0
    np.testing.assert_allclose(found.rate[2], found.rate[1], rtol=1e-7)
    np.testing.assert_allclose(found.outcomes.welfare_log[2], found.outcomes.welfare_log[1], atol=1e-9)


def test_general_subsidies(wide: PolicyEvaluator) -> None:
    found = general_subsidies(wide)
    assert found.policies == ("none", "push", "general")
    np.testing.assert_allclose(found.outcomes.bill[2], found.outcomes.bill[1], rtol=1e-8)
    assert (found.outcomes.bill[0] == 0.0).all()
    assert (found.rate[1] == 0.08).all()
    # the base is wider, so that the same bill buys a lower rate: at first, and while adopters are few
    assert found.rate[2, 0] < found.rate[1, 0]
    none, push, general = found.outcomes.gdp_share
    assert found.relative_effect == pytest.approx((general - none) / (push - none))


# ---------------------------------------------------------------------------------------------------------------------
# the best uniform rate


def test_the_uniform_optimum_is_the_best_of_its_curve(small: PolicyEvaluator) -> None:
    found = optimal_uniform(small, highest=0.3, rates=7, refinements=2)
    coarse = optimal_uniform(small, highest=0.3, rates=7, refinements=0)
    assert np.isin(coarse.rate, found.rate).all()
    assert (np.diff(found.rate) > 0.0).all()
    assert found.outcomes.welfare_log[found.best] >= coarse.outcomes.welfare_log.max()
    assert found.outcomes.welfare_log[found.best] == np.nanmax(found.outcomes.welfare_log)
    assert found.outcomes.welfare_log[0] == pytest.approx(0.0, abs=1e-12)
    assert found.best_rate in found.local_maxima
    assert not found.at_the_edge
    # an independent, finer grid over the same range finds hardly a better one: small jumps can hide some
    fine = np.linspace(0.0, 0.3, 61)[:, None, None] * np.ones((2, 1)) * small.subsidised
    best = np.nanmax(small.evaluate(fine).welfare_log)
    assert found.outcomes.welfare_log[found.best] > best - 1e-4
    # the push is on the curve
    at_push = optimal_uniform(small, highest=0.2, rates=3, refinements=0)
    assert at_push.rate[1] == pytest.approx(0.1)
    assert at_push.outcomes.welfare_log[1] == pytest.approx(at_push.push.welfare_log[0], abs=1e-9)


def test_other_measures_regions_and_edges(small: PolicyEvaluator) -> None:
    linear = optimal_uniform(small, highest=0.2, rates=5, refinements=1, measure="linear")
    assert linear.outcomes.welfare_linear[linear.best] == np.nanmax(linear.outcomes.welfare_linear)
    low = optimal_uniform(small, highest=0.02, rates=3, refinements=0)
    assert low.at_the_edge
    everywhere = optimal_uniform(small, highest=0.2, rates=3, refinements=0, regions=[True] * 4)
    same(everywhere.outcomes.select(np.array([1])), small.evaluate(np.full((1, 2, 4), 0.1)))


# ---------------------------------------------------------------------------------------------------------------------
# the best rate for each region


@pytest.mark.parametrize("budget", ["none", "push"])
def test_the_regional_search_never_worsens(small: PolicyEvaluator, budget: Any) -> None:
    options: dict[str, Any] = {"budget": budget, "random_starts": 1, "highest": 0.25, "step": 0.05}
    found = optimal_regional(small, rounds=2, **options)
    first = optimal_regional(small.baseline, rounds=1, **options)
    assert [step for step in found.trace if step.round < 2] == list(first.trace)
    assert len(found.rates) == (3 if budget == "none" else 2)
    for number in range(len(found.rates)):
        path = [step.welfare for step in found.trace if step.start == number]
        assert path[0] == pytest.approx(found.start_outcomes.welfare_log[number], abs=1e-7)
        assert path[-1] == pytest.approx(found.outcomes.welfare_log[number], abs=1e-7)
        assert (np.diff(path) >= 0.0).all()
    assert found.best == found.outcomes.welfare_log.argmax()
    assert (found.rates[:, :, ~small.subsidised] == 0.0).all()
    # the first start is the push itself
    assert found.start_outcomes.welfare_log[0] == pytest.approx(found.push.welfare_log[0], abs=1e-8)
    assert found.outcomes.welfare_log[0] > found.push.welfare_log[0]
    if budget == "push":
        np.testing.assert_allclose(found.outcomes.bill, np.repeat(found.push.bill, len(found.rates), axis=0), rtol=1e-7)
    else:
        np.testing.assert_array_equal(found.rates[:, 0], found.rates[:, 1])


def test_the_regional_search_against_all_pairs_of_rates(small: PolicyEvaluator) -> None:
    """Two subsidised regions: the search that says it has settled is near the best of a grid of 9 × 9."""
    pairs = np.array(list(itertools.product(np.linspace(0.0, 0.2, 9), repeat=2)))
    rates = np.zeros((len(pairs), 2, 4))
    rates[:, :, :2] = pairs[:, None]
    best = np.nanmax(small.evaluate(rates).welfare_log)
    found = optimal_regional(small, starts=[[0.1, 0.1, 0.0, 0.0]], highest=0.2, halvings=3, rounds=30)
    assert found.settled.all()
    assert found.outcomes.welfare_log[found.best] > best - 2e-4
    # settled: no change of one region by the smallest step that was tried improves
    smallest = 0.1 * 0.5**3
    near = np.repeat(found.rates[[found.best]], 4, axis=0)
    for row, (region, sign) in enumerate(itertools.product((0, 1), (-1.0, 1.0))):
        near[row, :, region] = np.maximum(near[row, :, region] + sign * smallest, 0.0)
    assert np.nanmax(small.evaluate(near).welfare_log) <= found.outcomes.welfare_log[found.best] + 1e-7


def test_searches_without_rounds_return_their_starts(small: PolicyEvaluator) -> None:
    starts = [[0.05, 0.1, 0.0, 0.0], [0.0, 0.2, 0.0, 0.0]]
    found = optimal_regional(small, starts=starts, rounds=0)
    np.testing.assert_array_equal(found.rates[:, 0], starts)
    assert not found.settled.any()
    assert found.capped.tolist() == [0, 0]
    assert optimal_regional(small, starts=starts, rounds=0, highest=0.2).capped.tolist() == [0, 1]
    assert [step.move for step in found.trace] == ["start", "start"]


# ---------------------------------------------------------------------------------------------------------------------
# market access and randomised allocations


def test_market_access_is_what_home_and_foreign_sales_are_made_of(wide: PolicyEvaluator) -> None:
    """Home sales are V·D in every sector; foreign access is written out by hand."""
    first = wide.baseline.equilibria[0]
    for sector in range(4):
        home, foreign = market_access(first, sector)
        sold = first.gross_output[:, sector] - first.exports[:, sector]
        np.testing.assert_allclose(first.home_supply[:, sector] * home, sold, rtol=1e-10)
        for n in range(8):
            expected = first.economy.port_freeness[sector, n] * first.economy.foreign_demand[sector]
            assert foreign[0, n] == pytest.approx(expected)


def test_market_access_of_a_batch(wide: PolicyEvaluator) -> None:
    demand = np.array([[0.3, 0.2, 0.1, 0.0], [0.5, 0.2, 0.3, 0.0]])
    economy = wide.economies[0].changed(foreign_demand=demand)
    together = market_access(solve_static(economy, wide.baseline.initial_share), HEAVY)
    for d in range(2):
        alone = market_access(solve_static(economy.select(np.array([d])), wide.baseline.initial_share), HEAVY)
        for one, two in zip(together, alone, strict=True):
            np.testing.assert_allclose(one[d], two[0], rtol=1e-8)


def test_characteristics_are_from_before_the_policy(wide: PolicyEvaluator) -> None:
    found = characteristics(wide.baseline)
    assert tuple(found) == CHARACTERISTICS
    first = measure(wide.baseline.equilibria[0])
    output = wide.baseline.equilibria[0].gross_output[0, HEAVY]
    np.testing.assert_allclose(found["heavy_output_share"], output / first.gross_output[0, HEAVY])
    np.testing.assert_array_equal(found["adopter_share"], wide.baseline.initial_share[HEAVY])
    assert found["labour"].sum() == pytest.approx(1.0)
    stronger = np.where(wide.push > 0.0, 0.2, 0.0)
    rates = [np.concatenate([np.zeros((2, 8)), rate[None], np.zeros((1, 8))]) for rate in stronger]
    economies = (wide.baseline.economies[0], *(wide.economies[t].changed(subsidy=rates[t - 1]) for t in (1, 2)))
    other = characteristics(replace(wide.baseline, economies=economies))
    np.testing.assert_array_equal(found["market_access"], other["market_access"])


def hc1(y: Any, x: Any) -> tuple[Any, Any, float]:
    """Coefficients, HC1 standard errors and R² from normal equations with explicit sums over observations."""
    count, size = x.shape
    z = np.ones((count, size + 1))
    for k in range(size):
        z[:, k + 1] = (x[:, k] - x[:, k].mean()) / np.sqrt(((x[:, k] - x[:, k].mean()) ** 2).sum() / (count - 1))
    beta = np.linalg.solve(z.T @ z, z.T @ y)
    meat = np.zeros((size + 1, size + 1))
    for i in range(count):
        meat += (y[i] - z[i] @ beta) ** 2 * np.outer(z[i], z[i])
    bread = np.linalg.solve(z.T @ z, np.eye(size + 1))
    variance = count / (count - size - 1) * bread @ meat @ bread
    return beta[1:], np.sqrt(np.diag(variance))[1:], float(np.corrcoef(z @ beta, y)[0, 1] ** 2)


def test_robust_regressions_against_sums_by_hand() -> None:
    rng = np.random.default_rng(6)
    x = rng.normal(size=(40, 3)) @ rng.normal(size=(3, 3)) + 5.0
    y = 2.0 + x @ np.array([0.5, -1.0, 0.0]) + np.abs(x[:, 0]) * rng.normal(size=40)
    found = robust_ols(y, x, ["a", "b", "c"])
    beta, error, r_squared = hc1(y, x)
    np.testing.assert_allclose(found.coefficient, beta, rtol=1e-10)
    np.testing.assert_allclose(found.standard_error, error, rtol=1e-10)
    np.testing.assert_allclose(found.t, beta / error, rtol=1e-9)
    np.testing.assert_allclose(found.p_value, 2.0 * stats.t.sf(np.abs(beta / error), 36), rtol=1e-9)
    assert found.r_squared == pytest.approx(r_squared)
    assert found.constant == pytest.approx(y.mean())
    assert found.observations == 40
    # one predictor: the slope is the correlation times the response's standard deviation
    alone = robust_ols(y, x[:, :1], ["a"])
    assert alone.coefficient[0] == pytest.approx(np.corrcoef(x[:, 0], y)[0, 1] * y.std(ddof=1))
    assert alone.r_squared == pytest.approx(np.corrcoef(x[:, 0], y)[0, 1] ** 2)


def test_p_values_are_uniform_where_nothing_predicts() -> None:
    rng = np.random.default_rng(7)
    p = [robust_ols(rng.normal(size=60), rng.normal(size=(60, 2)), "ab").p_value[0] for _ in range(400)]
    assert stats.kstest(p, "uniform").pvalue > 0.01


def test_a_planted_effect_of_market_access_is_told_from_its_rivals() -> None:
    """Correlated characteristics of which one matters: the joint regression finds it, R² goes with it alone."""
    rng = np.random.default_rng(8)
    regions = rng.normal(size=(86, 3)) @ np.array([[1.0, 0.6, 0.5], [0.0, 0.8, 0.2], [0.0, 0.0, 0.8]])
    sets = np.array([rng.choice(86, 35, replace=False) for _ in range(250)])
    means = regions[sets].mean(axis=1)
    effect = 0.03 + 0.05 * means[:, 0] + 0.003 * rng.normal(size=250)
    found = predict(effect, means, ["market_access", "labour", "wage"])
    assert found.joint.coefficient[0] == pytest.approx(0.05 * means[:, 0].std(ddof=1), rel=0.1)
    assert found.joint.p_value[0] < 1e-10
    assert (found.joint.p_value[1:] > 0.01).all()
    # alone, a rival looks as if it predicted
    assert found.alone[1].p_value[0] < 1e-3
    assert found.contribution[0] > 20.0 * found.contribution[1:].max()
    without = robust_ols(effect, means[:, 1:], ["labour", "wage"])
    assert found.contribution[0] == pytest.approx(found.joint.r_squared - without.r_squared)


def test_where_regions_differ_in_market_access_only_it_predicts() -> None:
    """Equal regions, some of which are nearer to all others: subsidies to these bring more."""
    openness = np.linspace(0.35, 1.0, 8)
    freeness = 0.5 * openness[:, None] * openness + (1.0 - 0.5 * openness**2) * np.eye(8)
    baseline = random_baseline(
        freeness=np.stack([freeness] * 4),
        firm_mass=np.repeat([[0.3], [0.2], [0.1], [0.4]], 8, axis=1) / 8.0,
        labour=np.full(8, 0.125),
        productivity=np.ones((4, 8)),
        port_freeness=np.stack([np.full(8, 0.3)] * 3 + [np.zeros(8)]),
    )
    baseline = replace(baseline, initial_share=np.where(np.arange(4)[:, None] == HEAVY, np.full((4, 8), 0.1), 0.0))
    found = randomised_allocations(
        baseline, allocations=40, names=("market_access", "labour", "productivity", "port_distance", "adopter_share")
    )
    assert found.names == ("market_access",)
    assert found.left_out == ("labour", "productivity", "port_distance", "adopter_share")
    alone = found.predictions["welfare"].alone[0]
    assert alone.coefficient[0] > 0.0
    assert alone.p_value[0] < 1e-3


def test_randomised_allocations(wide: PolicyEvaluator) -> None:
    names = ("market_access", "labour", "wage")
    found = randomised_allocations(wide, allocations=14, seed=5, names=names)
    assert (found.treated.sum(axis=1) == 3).all()
    np.testing.assert_array_equal(found.rate, [0.08, 0.08])
    again = randomised_allocations(wide.baseline, allocations=20, seed=5, names=names)
    np.testing.assert_array_equal(again.treated[:14], found.treated)
    np.testing.assert_allclose(again.outcomes.welfare_log[:14], found.outcomes.welfare_log, atol=1e-8)
    other = randomised_allocations(wide, allocations=14, seed=6, names=names)
    assert (other.treated != found.treated).any()
    known = characteristics(wide.baseline)
    for row, chosen in enumerate(found.treated):
        expected = [np.mean([known[name][n] for n in np.flatnonzero(chosen)]) for name in names]
        np.testing.assert_allclose(found.predictors[row], expected)
    one = wide.evaluate(0.08 * np.ones((1, 2, 1)) * found.treated[4])
    assert found.outcomes.gdp_share[4] == pytest.approx(one.gdp_share[0], abs=1e-8)
    assert found.used.all()
    beta, error, r_squared = hc1(found.effect, found.predictors)
    joint = found.predictions["gdp_share"].joint
    np.testing.assert_allclose(joint.coefficient, beta, rtol=1e-7, atol=1e-12)
    np.testing.assert_allclose(joint.standard_error, error, rtol=1e-7)
    assert joint.r_squared == pytest.approx(r_squared)
    assert found.rank_of_push == pytest.approx(np.mean(found.outcomes.gdp_share < found.push.gdp_share[0]))


def test_sets_without_a_steady_state_are_counted_and_left_out() -> None:
    evaluator = PolicyEvaluator(example_baseline(), PathSettings(max_periods=8))
    found = randomised_allocations(evaluator, allocations=30, names=("market_access",))
    lost = int((~found.used).sum())
    assert 0 < lost < 25
    assert found.outcomes.fates == {"not converged": lost, "steady state": 30 - lost}
    assert found.predictions["gdp_share"].joint.observations == 30 - lost
    assert np.isnan(found.effect[~found.used]).all()


# ---------------------------------------------------------------------------------------------------------------------
# bad input


def test_bad_baselines_are_refused() -> None:
    good = example_baseline()
    push = good.economies[1].subsidy
    with pytest.raises(InvalidValue, match="one draw"):
        PolicyEvaluator(
            replace(good, economies=tuple(e.changed(foreign_demand=np.ones((3, 3))) for e in good.economies))
        )
    for economies, periods in (
        ((good.economies[0],) * 3, (1, 2)),
        (good.economies, (1,)),
        ((good.economies[0].changed(subsidy=push[[1, 0, 2]]), *good.economies[1:]), (1, 2)),
        ((good.economies[0].changed(general_subsidy=push), *good.economies[1:]), (1, 2)),
    ):
        with pytest.raises(InvalidValue, match="subsidy"):
            PolicyEvaluator(replace(good, economies=economies, policy_periods=periods))


def test_bad_arguments_are_refused(small: PolicyEvaluator) -> None:
    for call, error, words in (
        (lambda: small.evaluate(np.zeros((2, 4))), ShapeMismatch, "adoption"),
        (lambda: small.evaluate(np.zeros((1, 2, 4)), np.zeros((2, 2, 4))), ShapeMismatch, "general"),
        (lambda: small.evaluate(np.full((1, 2, 4), 1.0)), InvalidValue, "subsidy"),
        (lambda: small.evaluate(np.full((1, 2, 4), np.nan)), InvalidValue, "subsidy"),
        (lambda: small.equal_bill(np.zeros((1, 4))), InvalidValue, "direction"),
        (lambda: small.equal_bill(np.full((1, 4), -0.1)), InvalidValue, "direction"),
        (lambda: small.equal_bill(np.ones(4)), ShapeMismatch, "direction"),
        (lambda: small.equal_bill(np.ones((1, 4)), bill=[0.1]), InvalidValue, "bill"),
        (lambda: small.equal_bill(np.ones((1, 4)), bill=[0.1, 0.0]), InvalidValue, "bill"),
        (lambda: optimal_uniform(small, highest=1.0), InvalidValue, "highest"),
        (lambda: optimal_uniform(small, rates=2), InvalidValue, "rates"),
        (lambda: optimal_uniform(small, refinements=-1), InvalidValue, "refinements"),
        (lambda: optimal_uniform(small, rates=3, refinements=0, highest=0.1, measure="mean"), InvalidValue, "measure"),  # type: ignore[arg-type]
        (lambda: optimal_uniform(small, regions=[True]), ShapeMismatch, "regions"),
        (lambda: optimal_uniform(small, regions=[False] * 4), InvalidValue, "regions"),
        (lambda: optimal_uniform(small, settings=PathSettings(discount=0.9)), InvalidValue, "settings"),
        (lambda: optimal_regional(small, budget="half"), InvalidValue, "budget"),  # type: ignore[arg-type]
        (lambda: optimal_regional(small, rounds=-1), InvalidValue, "rounds"),
        (lambda: optimal_regional(small, step=0.0), InvalidValue, "step"),
        (lambda: optimal_regional(small, starts=[[0.1] * 3]), ShapeMismatch, "starts"),
        (lambda: optimal_regional(small, starts=[[0.1] * 4]), InvalidValue, "starts"),
        (lambda: randomised_allocations(small, treated=4), InvalidValue, "treated"),
        (lambda: randomised_allocations(small, allocations=0), InvalidValue, "allocations"),
        (lambda: randomised_allocations(small, names=("weather",)), InvalidValue, "names"),
        (lambda: PathSettings(discount=1.0), InvalidValue, "discount"),
        (lambda: PathSettings(max_periods=0), InvalidValue, "max_periods"),
        (lambda: PathSettings(tolerance=0.0), InvalidValue, "tolerance"),
        (lambda: robust_ols(np.ones(3), np.ones((4, 1)), "a"), ShapeMismatch, "predictors"),
        (lambda: robust_ols(np.full(9, np.nan), np.ones((9, 1)), "a"), InvalidValue, "response"),
        (lambda: robust_ols(np.ones(3), np.ones((3, 1)), "a"), InvalidValue, "observations"),
        (lambda: robust_ols(np.arange(9.0), np.ones((9, 1)), "a"), InvalidValue, "predictors"),
    ):
        with pytest.raises(error, match=words):
            call()


def test_paths_can_be_solved_by_another_solver(small: PolicyEvaluator) -> None:
    """``solve_path`` calls the solver that it is given."""
    calls = []

    def counted(*arguments: Any, **options: Any) -> Any:
        calls.append(options)
        return solve_static(*arguments, **options)

    path = solve_path([*small.economies, small.baseline.frozen()], small.baseline.initial_share, solve=counted)
    assert len(calls) == path.periods[0]
    np.testing.assert_allclose(path.outcomes.gdp_share[-1], small.none.outcomes.gdp_share[-1], atol=1e-8)
