"""Scenarios change what they say, when they say; outcomes add up and welfare has its closed forms."""

from typing import Any

import numpy as np
import pytest

from bigpush_est.equilibrium.spatial.dynamics import solve_path, solve_paths
from bigpush_est.equilibrium.spatial.economy import SHAPES, SpatialEconomy
from bigpush_est.equilibrium.spatial.outcomes import Outcomes, measure, stack, welfare
from bigpush_est.equilibrium.spatial.scenarios import SCENARIOS, Baseline, Scenario, compare, without_push
from bigpush_est.equilibrium.spatial.static import StaticEquilibrium, solve_static
from bigpush_est.errors import InvalidValue

from .test_dynamics import small_baseline
from .test_inversion import HEAVY, small_economy

#: The one primitive that each scenario changes.
PRIMITIVES = {
    "lower_foreign_demand": "foreign_demand",
    "higher_import_tariffs": "tariff",
    "no_highway": "freeness",
    "no_internal_trade": "freeness",
    "worsened_correlation": "distortion_elasticity",
    "worsened_level": "distortion_level",
}


@pytest.fixture(scope="module")
def baseline() -> Baseline:
    return small_baseline(1)


def scenario(name: str) -> Scenario:
    return next(one for one in SCENARIOS if one.name == name)


def differences(one: SpatialEconomy, other: SpatialEconomy) -> set[str]:
    return {key for key in SHAPES if not np.all(getattr(one, key) == getattr(other, key))}


# ---------------------------------------------------------------------------------------------------------------------
# scenarios


def test_scenarios_are_table_threes() -> None:
    assert [one.name for one in SCENARIOS] == list(PRIMITIVES)
    assert [one.column for one in SCENARIOS] == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("name", PRIMITIVES)
@pytest.mark.parametrize("push", [True, False])
def test_policy_periods_only_and_one_primitive_only(baseline: Baseline, name: str, push: bool) -> None:
    plain, changed = baseline.sequence(push), baseline.sequence(push, scenario(name))
    assert len(plain) == len(changed) == len(baseline.economies) + 1
    for t, (before, after) in enumerate(zip(plain, changed, strict=True)):
        assert differences(before, after) == ({PRIMITIVES[name]} if t in baseline.policy_periods else set()), t


def test_sequences_end_frozen_without_a_push(baseline: Baseline) -> None:
    for push in (True, False):
        sequence = baseline.sequence(push)
        assert len(sequence) == 4
        assert differences(sequence[-1], baseline.economies[-1]) == {"subsidy"}
        assert not sequence[-1].subsidy.any()
        assert differences(sequence[-1], baseline.frozen()) == set()


def test_no_push_is_subsidies_of_zero(baseline: Baseline) -> None:
    for with_push, none in zip(baseline.sequence(True)[:-1], baseline.sequence(False)[:-1], strict=True):
        assert differences(with_push, none) <= {"subsidy"}
        assert not none.subsidy.any()
    zero = [one.changed(subsidy=0.0 * one.subsidy) for one in baseline.economies]
    paths = [
        solve_path(economies, baseline.initial_share)
        for economies in (baseline.sequence(False), [*zero, baseline.frozen()])
    ]
    np.testing.assert_array_equal(paths[0].shares, paths[1].shares)
    general = small_economy(0).changed(general_subsidy=np.full((4, 5), 0.1), subsidy=np.full((4, 5), 0.1))
    assert without_push(general).general_subsidy.min() == 0.1, "the push is the adopters' subsidy"


def changed_periods(baseline: Baseline, name: str) -> list[tuple[SpatialEconomy, SpatialEconomy]]:
    pairs = zip(baseline.sequence(True), baseline.sequence(True, scenario(name)), strict=True)
    return [pair for t, pair in enumerate(pairs) if t in baseline.policy_periods]


def test_no_internal_trade_shuts_heavys_only(baseline: Baseline) -> None:
    """Other sectors' freeness, heavy's sales within regions and its foreign trade go on."""
    size = baseline.economies[0].n_regions
    for before, after in changed_periods(baseline, "no_internal_trade"):
        others = [j for j in range(4) if j != HEAVY]
        np.testing.assert_array_equal(after.freeness[others], before.freeness[others])
        heavy = after.freeness[HEAVY]
        np.testing.assert_array_equal(heavy[~np.eye(size, dtype=bool)], 0.0)
        np.testing.assert_array_equal(np.diag(heavy), np.diag(before.freeness[HEAVY]))
        np.testing.assert_array_equal(after.port_freeness, before.port_freeness)


def test_no_internal_trade_by_draw() -> None:
    """The same where freeness differs between draws."""
    plain = small_baseline(1)
    draws = np.stack([one.freeness * factor for factor in (1.0, 0.9) for one in plain.economies[:1]])
    economies = tuple(one.changed(freeness=draws) for one in plain.economies)
    baseline = Baseline(economies, plain.equilibria, plain.initial_share, heavy=HEAVY)
    for _, after in changed_periods(baseline, "no_internal_trade"):
        for d in range(2):
            expected = draws[d].copy()
            expected[HEAVY] = np.diag(np.diag(draws[d, HEAVY]))
            np.testing.assert_array_equal(after.freeness[d], expected)


def test_tariffs_are_heavys_of_the_first_period(baseline: Baseline) -> None:
    first = baseline.economies[0].tariff
    for before, after in changed_periods(baseline, "higher_import_tariffs"):
        assert after.tariff[HEAVY] == first[HEAVY] > before.tariff[HEAVY]
        others = [j for j in range(4) if j != HEAVY]
        np.testing.assert_array_equal(after.tariff[others], before.tariff[others])


def test_foreign_demand_keeps_its_ratio_to_domestic_demand(baseline: Baseline) -> None:
    """With D^x as the scenario has it and the baseline's prices and spending, the ratio is the first period's."""
    first = measure(baseline.equilibria[0]).demand_ratio[0, HEAVY]
    for t, (before, after) in zip(
        baseline.policy_periods, changed_periods(baseline, "lower_foreign_demand"), strict=True
    ):
        solution = baseline.equilibria[t]
        sigma = before.sigma
        domestic = (solution.price_index[0, HEAVY] ** (sigma - 1.0) * solution.expenditure[0, HEAVY]).sum()
        assert after.foreign_demand[HEAVY] / domestic == pytest.approx(first, rel=1e-12)
        # foreign demand grows by 20% a period here, domestic demand by less
        assert after.foreign_demand[HEAVY] < before.foreign_demand[HEAVY]


def test_distortions_get_worse(baseline: Baseline) -> None:
    for before, after in changed_periods(baseline, "worsened_correlation"):
        assert after.distortion_elasticity[HEAVY] == pytest.approx(1.1 * before.distortion_elasticity[HEAVY])
        assert after.distortion_elasticity[HEAVY] < before.distortion_elasticity[HEAVY] < 0.0
    for before, after in changed_periods(baseline, "worsened_level"):
        assert after.distortion_level[HEAVY] == pytest.approx(0.9 * before.distortion_level[HEAVY])


def test_no_highway_makes_all_sectors_trade_dearer(baseline: Baseline) -> None:
    for before, after in changed_periods(baseline, "no_highway"):
        away = ~np.eye(before.n_regions, dtype=bool)
        assert (after.freeness[:, away] < before.freeness[:, away]).all()
        np.testing.assert_array_equal(after.freeness[:, ~away], before.freeness[:, ~away])
        np.testing.assert_array_equal(after.port_freeness, before.port_freeness)


def test_scenarios_of_a_batch_are_those_of_its_draws() -> None:
    """With draws, each scenario changes each draw as it would alone."""
    plain = small_baseline(0)
    eta = np.array([1.2, 1.3])
    economies = tuple(one.changed(eta=eta) for one in plain.economies)
    share, equilibria = plain.initial_share, []
    for one in economies:
        equilibria.append(solve_static(one, share))
        share = equilibria[-1].adopter_share
    batch = Baseline(economies, tuple(equilibria), plain.initial_share, heavy=HEAVY,
                     freeness_without_highway=plain.freeness_without_highway)  # fmt: skip
    for d in range(2):
        alone = batch.draw(d)
        for change in SCENARIOS:
            for ours, theirs in zip(batch.sequence(True, change), alone.sequence(True, change), strict=True):
                for key in SHAPES:
                    value = getattr(ours, key)
                    value = value[d] if value.ndim > len(SHAPES[key]) else value
                    np.testing.assert_allclose(value, getattr(theirs, key), rtol=1e-9, err_msg=f"{change.name} {key}")


def test_compare_solves_what_the_sequences_say(baseline: Baseline) -> None:
    chosen = [None, scenario("no_internal_trade"), scenario("worsened_level")]
    found = compare(baseline, chosen)
    assert list(found) == ["baseline", "no_internal_trade", "worsened_level"]
    for one, comparison in zip(chosen, found.values(), strict=True):
        assert comparison.scenario is one
        for push, path in ((True, comparison.push), (False, comparison.none)):
            again = solve_path(baseline.sequence(push, one), baseline.initial_share)
            assert path.fate.tolist() == again.fate.tolist() == ["steady state"]
            np.testing.assert_allclose(path.shares[-1], again.shares[-1], atol=1e-7)
    # kept revenue down by a tenth in the policy periods: fewer adopt in them
    assert found["worsened_level"].push.shares[2:4].sum() < found["baseline"].push.shares[2:4].sum()


def test_compare_of_a_batch_is_its_paths() -> None:
    """All draws and scenarios are one batch, which rows leave one after the other: each path is as it is alone."""
    plain = small_baseline(0)
    rng = np.random.default_rng(3)
    eta, delta = rng.uniform(1.15, 1.35, 3), rng.uniform(0.4, 0.9, 3)
    economies = tuple(one.changed(eta=eta, delta=delta) for one in plain.economies)
    share, equilibria = plain.initial_share, []
    for one in economies:
        equilibria.append(solve_static(one, share))
        share = equilibria[-1].adopter_share
    batch = Baseline(economies, tuple(equilibria), plain.initial_share, heavy=HEAVY,
                     freeness_without_highway=plain.freeness_without_highway)  # fmt: skip
    found = compare(batch, max_periods=300)
    for scene in (None, *SCENARIOS):
        comparison = found["baseline" if scene is None else scene.name]
        for push, path in ((True, comparison.push), (False, comparison.none)):
            assert path.worst_residual.max() <= 1e-10
            for d in range(3):
                alone = solve_path(batch.draw(d).sequence(push, scene), batch.initial_share, max_periods=300)
                length = alone.periods[0]
                assert path.fate[d] == alone.fate[0] == "steady state"
                assert abs(path.periods[d] - length) <= 1  # where the last change is at the tolerance
                length = min(length, path.periods[d])
                np.testing.assert_allclose(path.shares[: length + 1, d], alone.shares[: length + 1, 0], atol=1e-6)
                np.testing.assert_allclose(
                    path.outcomes.consumption[:length, d], alone.outcomes.consumption[:length, 0], rtol=1e-6
                )
                np.testing.assert_allclose(path.last.adopter_share[d], path.shares[-1, d], atol=0.0)
                np.testing.assert_allclose(path.last.lagged_share[d], path.shares[path.periods[d] - 1, d], atol=0.0)
                np.testing.assert_array_equal(path.shares[path.periods[d] :, d] - path.shares[-1, d], 0.0)


def test_periods_that_paths_have_in_common_are_solved_once(baseline: Baseline, monkeypatch: pytest.MonkeyPatch) -> None:
    solved: list[int] = []

    def counted(economy: SpatialEconomy, share: Any, **options: Any) -> StaticEquilibrium:
        solved.append(len(share))
        return solve_static(economy, share, **options)

    frozen = baseline.frozen()
    sequences = [[*baseline.sequence(push)[:-1], frozen] for push in (True, False, False)]
    sequences[2][:3] = sequences[1][:3]
    paths = solve_paths(sequences, baseline.initial_share, solve=counted)
    # the first year once, the policy periods with and without the push, then the two paths together
    assert solved[:6] == [1, 1, 1, 1, 1, 2]
    assert paths[2] is paths[1]
    np.testing.assert_allclose(
        paths[1].shares[-1], solve_path(sequences[1], baseline.initial_share).shares[-1], atol=1e-7
    )
    with pytest.raises(InvalidValue, match="one last economy"):
        solve_paths([sequences[0], baseline.sequence(False)], baseline.initial_share)


# ---------------------------------------------------------------------------------------------------------------------
# outcomes


def solved(seed: int) -> tuple[SpatialEconomy, StaticEquilibrium, Outcomes]:
    rng = np.random.default_rng(seed)
    draws, regions = 3, 5
    economy = small_economy(seed, regions).changed(
        eta=rng.uniform(1.15, 1.4, draws),
        subsidy=rng.uniform(0.0, 0.1, (draws, 4, regions)) * (np.arange(4) == HEAVY)[:, None],
    )
    solution = solve_static(economy, rng.uniform(0.0, 0.5, (draws, 4, regions)), tolerance=1e-12)
    assert solution.converged.all()
    return economy, solution, measure(solution)


@pytest.mark.parametrize("seed", range(4))
def test_shares_add_up(seed: int) -> None:
    _, _, found = solved(seed)
    np.testing.assert_allclose(found.gdp_share.sum(axis=1), 1.0, atol=1e-12)
    np.testing.assert_allclose(found.regional_gdp_share.sum(axis=1), 1.0, atol=1e-12)
    np.testing.assert_allclose(found.gdp_by_region.sum(axis=1), 1.0, atol=1e-12)
    np.testing.assert_allclose(found.employment_share.sum(axis=1), 1.0, atol=1e-12)
    np.testing.assert_allclose(found.regional_employment_share.sum(axis=1), 1.0, atol=1e-12)


@pytest.mark.parametrize("seed", range(4))
def test_regions_add_up_to_the_nation(seed: int) -> None:
    """National shares are means of regional ones: by GDP, by labour, by output; exporters' by firms."""
    economy, solution, found = solved(seed)
    gdp = np.einsum("djn,dn->dj", found.regional_gdp_share, found.gdp_by_region)
    np.testing.assert_allclose(gdp, found.gdp_share, rtol=1e-10)
    # every region's labour market clears, so that regions weigh with their labour
    labour = economy.labour / economy.labour.sum()
    employed = np.einsum("djn,n->dj", found.regional_employment_share, labour)
    np.testing.assert_allclose(employed, found.employment_share, rtol=1e-9)
    weight = solution.gross_output / solution.gross_output.sum(axis=2, keepdims=True)
    np.testing.assert_allclose(
        (weight * found.regional_export_intensity).sum(axis=2), found.export_intensity, rtol=1e-12
    )
    firms = economy.firm_mass / economy.firm_mass.sum(axis=1, keepdims=True)
    np.testing.assert_allclose((firms * solution.exporter_share).sum(axis=2), found.exporter_share, rtol=1e-12)


@pytest.mark.parametrize("seed", range(4))
def test_outcomes_from_other_definitions(seed: int) -> None:
    """GDP is income less tariffs; firms' kept revenue, subsidies and exports are those of the accounts."""
    economy, solution, found = solved(seed)
    gdp = solution.income.sum(axis=1) - solution.tariff_revenue
    np.testing.assert_allclose(found.subsidy_to_gdp, solution.subsidies / gdp, rtol=1e-9)
    distorted = found.tax_rate * found.gross_output
    np.testing.assert_allclose(distorted.sum(axis=1), solution.distortion_taxes, rtol=1e-9)
    np.testing.assert_allclose(
        found.gdp_share.sum(axis=1) * gdp,
        (solution.gross_output - (1.0 - economy.labour_share[:, None]) * solution.production_inputs
         - (1.0 - economy.adoption_labour_share[:, None]) * solution.adoption_inputs).sum(axis=(1, 2)),
        rtol=1e-9,
    )  # fmt: skip
    # buyers' spending on home goods and imports is all there is
    home = solution.gross_output.sum(axis=2) - solution.exports.sum(axis=2)
    np.testing.assert_allclose(found.import_share, 1.0 - home / solution.expenditure.sum(axis=2), atol=1e-9)
    spent = (economy.preference_share[:, None] * np.log(solution.price_index)).sum(axis=1)
    np.testing.assert_allclose(np.log(found.consumption), np.log(solution.income / economy.labour) - spent, atol=1e-10)


def test_a_national_sector_of_no_trade_has_no_exports() -> None:
    _, _, found = solved(0)
    np.testing.assert_array_equal(found.export_intensity[:, 3], 0.0)
    np.testing.assert_array_equal(found.import_share[:, 3], 0.0)
    assert np.isnan(found.adoption_to_export_cost[:, 3]).all()


@pytest.mark.parametrize("gain", [-0.2, 0.0, 0.003, 0.5])
def test_a_constant_gain_is_the_gain_in_both_measures(gain: float) -> None:
    rng = np.random.default_rng(0)
    without = np.exp(rng.normal(size=(7, 3, 5)))
    found = welfare((1.0 + gain) * without, without)
    np.testing.assert_allclose(found["log"], gain, atol=1e-14)
    np.testing.assert_allclose(found["linear"], gain, atol=1e-14)


def test_welfare_is_the_discounted_sum_with_the_last_period_for_ever() -> None:
    rng = np.random.default_rng(1)
    with_push, without = np.exp(rng.normal(size=(2, 6, 2, 3)))
    discount = 0.85

    def forever(path: Any) -> Any:
        return np.concatenate([path, np.repeat(path[-1:], 600, axis=0)])

    weight = discount ** np.arange(606)[:, None, None]
    long_push, long_without = forever(with_push), forever(without)
    found = welfare(with_push, without, discount)
    linear = (weight * long_push).sum(axis=0) / (weight * long_without).sum(axis=0) - 1.0
    np.testing.assert_allclose(found["linear"], linear, rtol=1e-10)
    worth = (1.0 - discount) * (weight * np.log(long_push / long_without)).sum(axis=0)
    np.testing.assert_allclose(found["log"], np.exp(worth) - 1.0, rtol=1e-10)
    # a path that is written out longer is worth the same
    for key, value in welfare(forever(with_push)[:20], forever(without)[:20], discount).items():
        np.testing.assert_allclose(value, found[key], rtol=1e-12)
    # and one period is for ever
    for value in welfare(with_push[:1], without[:1], discount).values():
        np.testing.assert_allclose(value, with_push[0] / without[0] - 1.0, rtol=1e-12)


def test_a_gain_in_one_period_counts_with_its_weight() -> None:
    without = np.ones((4, 1, 1))
    for t in range(4):
        with_push = without.copy()
        with_push[t] = 2.0
        weight = 0.15 * 0.85**t if t < 3 else 0.85**3
        found = welfare(with_push, without)
        assert found["log"][0, 0] == pytest.approx(2.0**weight - 1.0)
        assert found["linear"][0, 0] == pytest.approx(weight)


def test_stacked_periods_are_the_periods() -> None:
    outcomes = [solved(seed)[2] for seed in (0, 1)]
    found = stack(outcomes)
    assert found.gdp_share.shape == (2, 3, 4)
    for t in range(2):
        np.testing.assert_array_equal(found.consumption[t], outcomes[t].consumption)
