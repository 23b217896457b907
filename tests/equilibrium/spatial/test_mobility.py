"""Households that choose their region: against simulated households, a nested search, and the immobile economy."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from bigpush_est.equilibrium.spatial.economy import SpatialEconomy
from bigpush_est.equilibrium.spatial.mobility import (
    MobileEconomy,
    MobileEquilibrium,
    MobileSystem,
    amenities,
    expected_utility,
    location_shares,
    mobile_preconditioner,
    mobility_paths,
    solve_static_mobile,
)
from bigpush_est.equilibrium.spatial.outcomes import measure
from bigpush_est.equilibrium.spatial.policies import PathSettings
from bigpush_est.equilibrium.spatial.scenarios import Baseline, compare, example_baseline, without_push
from bigpush_est.equilibrium.spatial.static import solve_static
from bigpush_est.errors import InvalidValue, ShapeMismatch

from .test_policies import random_baseline


@pytest.fixture(scope="module")
def baseline() -> Baseline:
    return random_baseline()


def mobile(baseline: Baseline, elasticity: float) -> tuple[MobileEconomy, Any]:
    """The baseline's amenities of the second period, its shares of the first, no push and other productivity."""
    shock = np.exp(0.15 * np.random.default_rng(9).normal(size=(4, 8)))
    economy = without_push(baseline.economies[1])
    economy = economy.changed(productivity=economy.productivity * shock)
    amenity = amenities(baseline.equilibria[1], elasticity)
    return MobileEconomy(economy, amenity, elasticity), baseline.equilibria[0].adopter_share


# ---------------------------------------------------------------------------------------------------------------------
# location choice


def test_choices_of_simulated_households() -> None:
    """A million households draw a taste for each region and take the best: shares and utility are the formulas'."""
    rng = np.random.default_rng(1)
    amenity, consumption, elasticity = rng.dirichlet(np.full(6, 2.0)), rng.uniform(0.5, 2.0, 6), 3.0
    # Fréchet by inversion: Pr(a ≤ x) = exp(−A x^{−ε})
    taste = (amenity / -np.log(rng.random((1_000_000, 6)))) ** (1.0 / elasticity)
    utility = taste * consumption
    share = np.bincount(utility.argmax(axis=1), minlength=6) / len(utility)
    expected = location_shares(amenity, consumption, elasticity)
    error = np.sqrt(expected * (1.0 - expected) / len(utility))
    assert (np.abs(share - expected) < 4.5 * error).all()
    best = utility.max(axis=1)
    gamma = 1.3541179394264  # Γ(1 − 1/3)
    predicted = gamma * expected_utility(amenity, consumption, elasticity)
    assert abs(best.mean() - predicted) < 4.5 * best.std() / 1000.0


def test_expected_utility() -> None:
    """Twice the consumption is twice as good; its limit at ε = 0; amenities' scale does not matter."""
    rng = np.random.default_rng(2)
    amenity, consumption = rng.uniform(0.1, 1.0, (3, 5)), rng.uniform(0.5, 2.0, (3, 5))
    for elasticity in (0.0, 0.5, 3.0, 40.0):
        value = expected_utility(amenity, consumption, elasticity)
        np.testing.assert_allclose(expected_utility(7.0 * amenity, 2.0 * consumption, elasticity), 2.0 * value)
    share = amenity / amenity.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(
        expected_utility(amenity, consumption, 3.0), (share * consumption**3.0).sum(axis=1) ** (1.0 / 3.0)
    )
    np.testing.assert_allclose(
        expected_utility(amenity, consumption, 1e-7), expected_utility(amenity, consumption, 0.0)
    )
    np.testing.assert_allclose(location_shares(amenity, consumption, 500.0).sum(axis=1), 1.0)


# ---------------------------------------------------------------------------------------------------------------------
# the static equilibrium


@pytest.mark.parametrize("elasticity", [0.0, 1.0, 3.0, 8.0])
def test_amenities_reproduce_labour(baseline: Baseline, elasticity: float) -> None:
    for equilibrium in baseline.equilibria:
        found = amenities(equilibrium, elasticity)
        assert found.sum() == pytest.approx(1.0, abs=1e-12)
        given = MobileEconomy(equilibrium.economy, found, elasticity)
        # from labour that is spread evenly: the data's labour is not where the search begins
        start = np.concatenate([equilibrium.point[0], np.full(8, np.log(1.0 / 8.0))])
        solved = solve_static_mobile(given, equilibrium.lagged_share, start=start)
        if elasticity > 0.0:
            assert solved.iterations[0] > 0
        np.testing.assert_allclose(solved.labour[0], equilibrium.economy.labour, rtol=1e-8)
        np.testing.assert_allclose(solved.wage, equilibrium.wage, rtol=1e-8)


def test_without_an_elasticity_nobody_moves(baseline: Baseline) -> None:
    """ε = 0 is the immobile economy, in one equilibrium and on the paths."""
    given, lag = mobile(baseline, 0.0)
    moved, fixed = solve_static_mobile(given, lag), solve_static(given.economy, lag)
    np.testing.assert_allclose(moved.point[:, :-8], fixed.point, atol=1e-8)
    np.testing.assert_allclose(moved.labour[0], given.economy.labour, rtol=1e-10)
    found, known = mobility_paths(baseline, 0.0), compare(baseline, [None], max_periods=300)["baseline"]
    for one, two in ((found.push, known.push), (found.none, known.none)):
        assert one.fate.tolist() == two.fate.tolist() == ["steady state"]
        np.testing.assert_allclose(one.outcomes.consumption, two.outcomes.consumption, rtol=1e-8)
        np.testing.assert_allclose(one.outcomes.gdp_share, two.outcomes.gdp_share, atol=1e-8)
    np.testing.assert_allclose(found.labour_none, np.broadcast_to(given.economy.labour, found.labour_none.shape))


def test_small_elasticities_approach_immobility(baseline: Baseline) -> None:
    gaps = []
    for elasticity in (1e-2, 1e-4):
        given, lag = mobile(baseline, elasticity)
        moved, fixed = solve_static_mobile(given, lag), solve_static(given.economy, lag)
        gaps.append(np.abs(np.log(moved.labour / given.economy.labour)).max())
        assert np.abs(np.log(moved.wage / fixed.wage)).max() < elasticity
    assert gaps[0] / gaps[1] == pytest.approx(100.0, rel=0.05)


@pytest.mark.parametrize("elasticity", [1.0, 3.0])
def test_the_joint_search_against_a_nested_one(baseline: Baseline, elasticity: float) -> None:
    """Solve the immobile economy, move households part of the way to where its consumption attracts them, repeat."""
    given, lag = mobile(baseline, elasticity)
    joint = solve_static_mobile(given, lag)
    labour = np.full(8, 1.0 / 8.0) * given.economy.labour.sum()
    point = None
    for _ in range(200):
        inner = solve_static(given.economy.changed(labour=labour), lag, start=point, tolerance=1e-12)
        point = inner.point[0]
        attracted = given.economy.labour.sum() * location_shares(given.amenity, measure(inner).consumption, elasticity)
        gap = np.log(attracted[0] / labour)
        labour = labour * np.exp(0.5 * gap / max(1.0, elasticity))
        if np.abs(gap).max() < 1e-11:
            break
    assert np.abs(gap).max() < 1e-10
    assert joint.converged[0]
    np.testing.assert_allclose(joint.labour[0], labour, rtol=1e-8)
    np.testing.assert_allclose(joint.wage, inner.wage, rtol=1e-8)
    np.testing.assert_allclose(joint.gross_output, inner.gross_output, rtol=1e-7)


def test_what_a_mobile_equilibrium_is(baseline: Baseline) -> None:
    """Labour adds up, is where its consumption attracts it, and trade balances although nobody imposes it."""
    given, lag = mobile(baseline, 3.0)
    solved = solve_static_mobile(given, lag)
    assert isinstance(solved, MobileEquilibrium)
    assert solved.labour.sum() == pytest.approx(given.economy.labour.sum(), rel=1e-12)
    np.testing.assert_array_equal(solved.economy.labour, solved.labour)
    implied = location_shares(given.amenity, measure(solved).consumption, 3.0) * given.economy.labour.sum()
    np.testing.assert_allclose(solved.labour, implied, rtol=1e-9)
    assert np.abs(np.log(solved.labour / given.economy.labour)).max() > 0.1
    assert abs(solved.trade_imbalance[0]) < 1e-8
    assert np.abs(MobileSystem(given, lag).residual(solved.point)).max() < 1e-9


def test_a_batch_is_its_draws(baseline: Baseline) -> None:
    """Draws of the economy and of amenities; chunks, starts and preconditioners do not matter."""
    rng = np.random.default_rng(3)
    economy = baseline.economies[1].changed(eta=rng.uniform(1.2, 1.4, 5))
    amenity = rng.dirichlet(np.full(8, 10.0), 5)
    given, lag = MobileEconomy(economy, amenity, 3.0), baseline.equilibria[0].adopter_share[0]
    together = solve_static_mobile(given, lag)
    assert together.converged.all()
    in_chunks = solve_static_mobile(given, lag, chunk=2)
    matrix = mobile_preconditioner(given, together)
    quick = solve_static_mobile(given, lag, start=together.point[0], preconditioner=matrix)
    assert quick.iterations.mean() < together.iterations.mean()
    for other in (in_chunks, quick):
        np.testing.assert_allclose(other.point, together.point, atol=1e-7)
    for d in range(5):
        alone = solve_static_mobile(given.select(np.array([d])), lag)
        np.testing.assert_allclose(alone.labour[0], together.labour[d], rtol=1e-7)
        np.testing.assert_allclose(alone.gross_output[0], together.gross_output[d], rtol=1e-6)
    only_amenities = solve_static_mobile(MobileEconomy(economy.select(np.array([1])), amenity, 3.0), lag)
    np.testing.assert_allclose(only_amenities.labour[1], together.labour[1], rtol=1e-7)


def test_what_did_not_converge_says_so(baseline: Baseline) -> None:
    given, lag = mobile(baseline, 3.0)
    stopped = solve_static_mobile(given, lag, max_iterations=1, tolerance=1e-10)
    assert not stopped.converged[0]
    assert stopped.residual[0] > 1e-10


# ---------------------------------------------------------------------------------------------------------------------
# paths


def test_with_the_push_the_calibrated_periods_are_the_baselines(baseline: Baseline) -> None:
    found = mobility_paths(baseline, 3.0)
    for t, equilibrium in enumerate(baseline.equilibria):
        np.testing.assert_allclose(found.labour_push[t, 0], equilibrium.economy.labour, rtol=1e-8)
        np.testing.assert_allclose(found.push.outcomes.gdp_share[t, 0], measure(equilibrium).gdp_share[0], atol=1e-8)
    assert found.push.fate.tolist() == found.none.fate.tolist() == ["steady state"]
    # without it, households live elsewhere from its first period on
    np.testing.assert_allclose(found.labour_none[0, 0], baseline.economies[0].labour, rtol=1e-8)
    assert np.abs(np.log(found.labour_none[1] / found.labour_push[1])).max() > 1e-4
    total = baseline.economies[0].labour.sum()
    for labour in (found.labour_push, found.labour_none):
        np.testing.assert_allclose(labour.sum(axis=2), total, rtol=1e-12)
    # after the last period amenities are the last period's, and labour is where its consumption attracts it
    for path, labour in ((found.push, found.labour_push), (found.none, found.labour_none)):
        attracted = location_shares(found.amenity[-1], path.outcomes.consumption[-1], 3.0)
        np.testing.assert_allclose(labour[-1], total * attracted, rtol=1e-12)
        np.testing.assert_allclose(path.last.economy.labour, labour[-1], rtol=1e-7)


def test_welfare_of_people_who_move(baseline: Baseline) -> None:
    found = mobility_paths(baseline, 3.0)
    long = [np.concatenate([u[:, 0], np.repeat(u[-1], 1000)]) for u in (found.utility_push, found.utility_none)]
    weight = 0.15 * 0.85 ** np.arange(long[0].size)
    assert found.welfare["log"][0] == pytest.approx(np.expm1((weight * np.log(long[0] / long[1])).sum()), abs=1e-9)
    assert found.welfare["linear"][0] == pytest.approx(
        (weight * long[0]).sum() / (weight * long[1]).sum() - 1.0, abs=1e-9
    )
    short = mobility_paths(baseline, 3.0, settings=PathSettings(max_periods=3))
    assert np.isnan(short.welfare["log"][0])


def test_a_batch_of_baselines(baseline: Baseline) -> None:
    """Two draws of the parameters at once are the two alone."""
    demand = np.array([[0.3, 0.2, 0.1, 0.0], [0.3, 0.2, 0.13, 0.0]])
    economies = tuple(economy.changed(foreign_demand=demand) for economy in baseline.economies)
    share, equilibria = baseline.initial_share, []
    for economy in economies:
        equilibria.append(solve_static(economy, share))
        share = equilibria[-1].adopter_share
    both = replace(baseline, economies=economies, equilibria=tuple(equilibria))
    together = mobility_paths(both, 2.0)
    for d in range(2):
        alone = mobility_paths(both.draw(d), 2.0)
        np.testing.assert_allclose(together.labour_none[-1, d], alone.labour_none[-1, 0], rtol=1e-6)
        assert together.welfare["log"][d] == pytest.approx(alone.welfare["log"][0], abs=1e-8)
        assert together.push.fate[d] == alone.push.fate[0]
        np.testing.assert_allclose(together.push.last.economy.labour[d], together.labour_push[-1, d], rtol=1e-7)


# ---------------------------------------------------------------------------------------------------------------------
# bad input


def test_bad_mobile_economies_and_starts_are_refused() -> None:
    economy: SpatialEconomy = example_baseline().economies[0]
    good = MobileEconomy(economy, np.full(4, 0.25), 3.0)
    lag = np.zeros((3, 4))
    for call, error, words in (
        (lambda: MobileEconomy(economy, np.ones(3), 3.0), ShapeMismatch, "amenity"),
        (lambda: MobileEconomy(economy, np.array([1.0, 0.0, 1.0, 1.0]), 3.0), InvalidValue, "amenity"),
        (lambda: MobileEconomy(economy, np.full(4, np.nan), 3.0), InvalidValue, "amenity"),
        (lambda: MobileEconomy(economy, np.ones(4), -1.0), InvalidValue, "elasticity"),
        (lambda: MobileEconomy(economy, np.ones(4), np.inf), InvalidValue, "elasticity"),
        (lambda: solve_static_mobile(good, lag[:, :2]), ShapeMismatch, "lagged_share"),
        (lambda: solve_static_mobile(good, lag + 2.0), InvalidValue, "lagged_share"),
        (lambda: solve_static_mobile(good, lag, start=np.zeros(3)), ShapeMismatch, "start"),
    ):
        with pytest.raises(error, match=words):
            call()
