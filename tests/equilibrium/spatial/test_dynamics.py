"""Paths and steady states: what ends where, merged batches, and what is found of Section 4's exact steady states."""

from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest

from bigpush_est.equilibrium.simple import SimpleEconomy, multiplicity
from bigpush_est.equilibrium.spatial.dynamics import Path, solve_path, solve_paths
from bigpush_est.equilibrium.spatial.economy import SpatialEconomy
from bigpush_est.equilibrium.spatial.multiplicity import (
    FoundSteadyStates,
    all_starts,
    distinct_steady_states,
    search_steady_states,
)
from bigpush_est.equilibrium.spatial.outcomes import Outcomes
from bigpush_est.equilibrium.spatial.prediction import Secants
from bigpush_est.equilibrium.spatial.scenarios import Baseline, example_baseline
from bigpush_est.equilibrium.spatial.static import StaticEquilibrium, solve_static, static_preconditioner
from bigpush_est.equilibrium.steady_states import steady_states
from bigpush_est.errors import InvalidValue, ShapeMismatch

from .test_inversion import HEAVY, small_economy
from .test_static import section_four

REGIONS = 4


def small_baseline(seed: int = 0, regions: int = REGIONS, **changes: Any) -> Baseline:
    """Three periods, a push in the last two, and an economy in which regions differ in what becomes of them."""
    rng = np.random.default_rng(200 + seed)
    economy = small_economy(seed, regions, **({"adoption_cost": [np.inf, np.inf, 0.12, np.inf]} | changes))
    share = initial = np.zeros((4, regions))
    initial[HEAVY] = rng.uniform(0.0, 0.1, regions)
    push = np.zeros((4, regions))
    push[HEAVY, : regions // 2] = 0.1
    economies, equilibria = [], []
    for t in range(3):
        if t:
            economy = economy.changed(
                productivity=economy.productivity * np.exp(0.05 * rng.normal(size=(4, regions))),
                foreign_demand=1.2 * economy.foreign_demand,
                tariff=0.8 * economy.tariff,
                subsidy=push,
            )
        economies.append(economy)
        equilibria.append(solve_static(economy, share))
        assert equilibria[-1].converged[0]
        share = equilibria[-1].adopter_share[0]
    matrices = [static_preconditioner(one) for one in equilibria]
    freeness = economy.freeness * np.where(np.eye(regions) > 0.0, 1.0, 0.7)
    return Baseline(
        tuple(economies),
        tuple(equilibria),
        initial,
        heavy=HEAVY,
        freeness_without_highway=freeness,
        preconditioners=(*matrices, matrices[-1]),
    )


def made_up(update: Callable[[Any], Any], good: Callable[[Any], Any] | None = None) -> Callable[..., StaticEquilibrium]:
    """A stand-in for the static solver: some economy's equilibrium, with shares that follow from the last ones.

    ``update`` maps λ_{t−1} (D, J, N) to λ_t; ``good`` says in which draws the solver is to say that it converged.
    """
    template: dict[tuple[int, ...], StaticEquilibrium] = {}

    def solve(economy: SpatialEconomy, lagged_share: Any, **options: Any) -> StaticEquilibrium:
        lag = np.asarray(lagged_share)
        if lag.shape not in template:
            template[lag.shape] = solve_static(economy, np.zeros_like(lag))
        converged = np.ones(len(lag), dtype=bool) if good is None else good(lag)
        residual = np.where(converged, 1e-12, 1e-3)
        return replace(template[lag.shape], adopter_share=update(lag), converged=converged, residual=residual)

    return solve


# ---------------------------------------------------------------------------------------------------------------------
# where paths end


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("push", [True, False])
def test_a_steady_state_reproduces_itself(seed: int, push: bool) -> None:
    baseline = small_baseline(seed)
    path = solve_path(baseline.sequence(push), baseline.initial_share)
    assert path.fate.tolist() == ["steady state"]
    assert path.cycle_length.tolist() == [1]
    share = path.shares[-1, 0]
    again = solve_static(baseline.frozen(), share, tolerance=1e-12)
    np.testing.assert_allclose(again.adopter_share[0], share, atol=1e-8)
    stays = solve_path([baseline.frozen()], share)
    assert stays.fate.tolist() == ["steady state"]
    assert stays.periods.tolist() == [1]
    np.testing.assert_allclose(stays.shares[-1, 0], share, atol=1e-8)
    assert path.worst_residual[0] <= 1e-10


def test_cycles_are_called_cycles() -> None:
    """Shares that move on to the next region return after as many periods as there are regions."""
    for regions, expected in ((2, 2), (3, 3), (5, 5), (12, 12)):
        economy = small_economy(0, regions)
        start = np.zeros((4, regions))
        start[HEAVY] = np.linspace(0.0, 0.9, regions)
        path = solve_path([economy], start, solve=made_up(lambda lag: np.roll(lag, 1, axis=2)), max_periods=40)
        assert path.fate.tolist() == ["cycle"]
        assert path.cycle_length.tolist() == [expected]
        # the share before the first frozen period is not compared with
        assert path.periods.tolist() == [expected + 1]
        np.testing.assert_array_equal(path.shares[-1], path.shares[-1 - expected])


def test_a_cycle_longer_than_is_looked_for_is_not_converged() -> None:
    start = np.zeros((4, 13))
    start[HEAVY] = np.linspace(0.0, 0.9, 13)
    path = solve_path([small_economy(0, 13)], start, solve=made_up(lambda lag: np.roll(lag, 1, axis=2)), max_periods=40)
    assert path.fate.tolist() == ["not converged"]
    assert path.cycle_length.tolist() == [0]
    assert path.periods.tolist() == [40]


def test_wandering_shares_are_not_converged() -> None:
    start = np.zeros((4, 3))
    start[HEAVY] = 0.3
    path = solve_path([small_economy(0, 3)], start, solve=made_up(lambda lag: 3.9 * lag * (1.0 - lag)), max_periods=50)
    assert path.fate.tolist() == ["not converged"]
    assert path.periods.tolist() == [50]
    assert len(path.shares) == 51


def test_a_failed_equilibrium_is_never_a_steady_state() -> None:
    """Shares that stand still, but in one draw after an equilibrium that was not solved."""
    start = np.zeros((3, 4, 3))
    start[:, HEAVY] = np.array([0.2, 0.5, 0.8])[:, None]

    def good(lag: Any) -> Any:
        return lag[:, HEAVY, 0] != 0.5

    path = solve_path([small_economy(0, 3)], start, solve=made_up(lambda lag: lag, good))
    assert path.fate.tolist() == ["steady state", "not converged", "steady state"]
    assert path.worst_residual.tolist() == [1e-12, 1e-3, 1e-12]


def test_one_batch_tells_its_fates_apart() -> None:
    """One draw stands still, one alternates, one wanders, one converges in the end."""
    start = np.zeros((4, 4, 3))
    start[:, HEAVY] = np.array([[0.7, 0.7, 0.7], [0.2, 0.9, 0.4], [0.3, 0.3, 0.3], [0.9, 0.1, 0.5]])

    def update(lag: Any) -> Any:
        # draws leave the batch, so that each is known by a mark that it keeps in another sector
        found = lag.copy()
        mark = lag[:, 0, 0]
        heavy = lag[:, HEAVY]
        found[:, HEAVY] = np.select(
            [mark[:, None] == value for value in (0.0, 0.1, 0.2, 0.3)],
            [heavy, 1.0 - heavy, 3.9 * heavy * (1.0 - heavy), 0.5 * heavy],
        )
        return found

    start[:, 0, 0] = [0.0, 0.1, 0.2, 0.3]
    path = solve_path([small_economy(0, 3)], start, solve=made_up(update), max_periods=45)
    assert path.fate.tolist() == ["steady state", "cycle", "not converged", "steady state"]
    assert path.cycle_length.tolist() == [1, 2, 0, 1]
    assert path.periods.tolist()[:3] == [1, 3, 45]
    assert 20 < path.periods[3] < 35
    np.testing.assert_array_equal(path.shares[-1, 0], start[0])
    np.testing.assert_allclose(path.shares[-1, 3, HEAVY], 0.0, atol=1e-7)


def test_rows_that_are_left_keep_their_draws_economy() -> None:
    """Two paths of two draws: the first draw stands still, and the second's two paths go on with its own economy."""
    eta = np.array([1.2, 1.3])
    frozen = small_economy(0, 3).changed(eta=eta)
    start = np.zeros((2, 4, 3))
    start[:, 0, 0], start[:, HEAVY] = [0.0, 0.1], 0.8  # draws are known by a mark

    def update(lag: Any) -> Any:
        found = lag.copy()
        found[lag[:, 0, 0] == 0.1, HEAVY] *= 0.5
        return found

    stand_in, rows = made_up(update), []

    def solve(economy: SpatialEconomy, lag: Any, **options: Any) -> StaticEquilibrium:
        marks = np.round(10.0 * lag[:, 0, 0]).astype(int)
        np.testing.assert_array_equal(economy.eta, eta[marks])
        rows.append(len(lag))
        return stand_in(economy, lag, **options)

    paths = solve_paths([[frozen.changed(delta=delta), frozen] for delta in (0.5, 0.6)], start, solve=solve)
    assert rows[:4] == [2, 2, 4, 2]
    for path in paths:
        assert path.fate.tolist() == ["steady state"] * 2
        assert path.periods[0] == 2 < path.periods[1]
        np.testing.assert_array_equal(path.shares[-1, 0], start[0])
        np.testing.assert_allclose(path.shares[5, 1, HEAVY], 0.8 * 0.5**5)
        np.testing.assert_array_equal(path.last.economy.eta, eta)


def test_standing_still_counts_after_fundamentals_are_frozen_only() -> None:
    start = np.full((4, 3), 0.0)
    path = solve_path([small_economy(0, 3)] * 4, start, solve=made_up(lambda lag: lag))
    assert path.periods.tolist() == [4]
    assert path.fate.tolist() == ["steady state"]


# ---------------------------------------------------------------------------------------------------------------------
# batches


def compare_paths(one: Path, d: int, other: Path, atol: float = 1e-7) -> None:
    """Draw d of a path is another path, whose only draw's last period then repeats."""
    assert one.fate[d] == other.fate[0]
    assert one.cycle_length[d] == other.cycle_length[0]
    periods = len(other.shares)
    assert one.periods[d] == other.periods[0] == periods - 1
    np.testing.assert_allclose(one.shares[:periods, d], other.shares[:, 0], atol=atol)
    for t in range(periods, len(one.shares)):
        np.testing.assert_array_equal(one.shares[t, d], one.shares[periods - 1, d])
    for entry in fields(Outcomes):
        ours, theirs = getattr(one.outcomes, entry.name), getattr(other.outcomes, entry.name)
        np.testing.assert_allclose(ours[: periods - 1, d], theirs[:, 0], rtol=1e-5, atol=1e-6, err_msg=entry.name)
        for t in range(periods - 1, len(ours)):
            np.testing.assert_array_equal(ours[t, d], ours[periods - 2, d], err_msg=entry.name)
    for key in ("wage", "price_index", "expenditure", "gross_output", "adopter_share"):
        np.testing.assert_allclose(getattr(one.last, key)[d], getattr(other.last, key)[0], rtol=1e-5, atol=1e-6)


def test_a_batch_of_starts_is_its_starts() -> None:
    baseline = small_baseline(1)
    starts = np.random.default_rng(0).uniform(0.0, 1.0, (5, 4, REGIONS)) * (np.arange(4) == HEAVY)[:, None]
    together = solve_path([baseline.frozen()], starts)
    assert len(set(together.periods.tolist())) > 1, "some draws have to stop early"
    for d in range(5):
        compare_paths(together, d, solve_path([baseline.frozen()], starts[d]))


def test_a_batch_of_economies_is_its_draws() -> None:
    """Draws that stop early are merged with those that go on."""
    baseline = small_baseline(2)
    draws = 6
    rng = np.random.default_rng(1)
    eta, delta = rng.uniform(1.15, 1.4, draws), rng.uniform(0.2, 1.0, draws)
    economies = [one.changed(eta=eta, delta=delta) for one in baseline.sequence(True)]
    starts = [one.point[0] for one in baseline.equilibria]
    together = solve_path(economies, baseline.initial_share, starts=starts, preconditioners=baseline.preconditioners)
    assert len(set(together.periods.tolist())) > 1
    for d in range(draws):
        alone = [one.changed(eta=eta[d], delta=delta[d]) for one in baseline.sequence(True)]
        compare_paths(together, d, solve_path(alone, baseline.initial_share))


def test_starts_and_preconditioners_change_no_path() -> None:
    baseline = small_baseline(3)
    starts = [one.point for one in baseline.equilibria]
    plain = solve_path(baseline.sequence(True), baseline.initial_share)
    quick = solve_path(
        baseline.sequence(True), baseline.initial_share, starts=starts, preconditioners=baseline.preconditioners
    )
    compare_paths(quick, 0, plain)


@pytest.mark.parametrize("seed", range(3))
def test_paths_with_and_without_the_push_start_alike(seed: int) -> None:
    """Before the first policy period there is nothing to tell them apart; in it there is."""
    baseline = small_baseline(seed)
    push, none = (solve_path(baseline.sequence(which), baseline.initial_share) for which in (True, False))
    first = baseline.policy_periods[0]
    np.testing.assert_array_equal(push.shares[: first + 1], none.shares[: first + 1])
    for entry in fields(Outcomes):
        ours, theirs = getattr(push.outcomes, entry.name), getattr(none.outcomes, entry.name)
        np.testing.assert_array_equal(ours[:first], theirs[:first], err_msg=entry.name)
    assert np.abs(push.shares[first + 1] - none.shares[first + 1]).max() > 1e-4
    assert (none.outcomes.subsidy_to_gdp == 0.0).all()
    assert push.outcomes.subsidy_to_gdp[first, 0] > 0.0
    assert (push.outcomes.subsidy_to_gdp[3:] == 0.0).all()


# ---------------------------------------------------------------------------------------------------------------------
# distinct steady states


def two_state_cases() -> Iterator[tuple[float, float, float, float]]:
    """Section 4's (η, δ, log L/F^T, κ) with two stable steady states, from its exact window of log L/F^T."""
    for eta, delta, kappa in ((1.25, 1.5, np.inf), (1.25, 2.2, np.inf), (1.4, 1.5, np.inf), (1.3, 2.0, 2.5)):
        unit = SimpleEconomy.build(sigma=5.0, theta=4.24, eta=eta, delta=delta, log_scale=0.0, kappa=kappa)
        window = multiplicity(unit)
        assert window.possible[0], (eta, delta, kappa)
        for weight in (0.3, 0.7):
            yield eta, delta, float((1 - weight) * window.log_scale_low[0] + weight * window.log_scale_high[0]), kappa


@pytest.mark.parametrize("case", list(two_state_cases()))
def test_section_fours_stable_steady_states_are_found(case: tuple[float, float, float, float]) -> None:
    eta, delta, log_scale, kappa = case
    exact = steady_states(
        SimpleEconomy.build(sigma=5.0, theta=4.24, eta=eta, delta=delta, log_scale=log_scale, kappa=kappa)
    )
    stable = exact.share[0][(exact.stability[0] == 1) & np.isfinite(exact.share[0])]
    boundary = float(exact.threshold[0])
    assert stable.size == 2
    found = search_steady_states(section_four(eta, delta, log_scale, kappa), extra=12, max_periods=400)
    assert found.count.tolist() == [2]
    assert found.multiple.tolist() == [True]
    np.testing.assert_allclose(np.sort(found.states()[:, 0, 0]), stable, atol=1e-5)
    assert found.separation[0] == pytest.approx(stable[1] - stable[0], abs=1e-5)
    # every start leads to the side of the unstable state on which it lies
    for name, start, state in zip(
        found.starts, all_starts(section_four(*case), extra=12).values(), found.state[:, 0], strict=True
    ):
        expected = stable[int(start[0, 0, 0] > boundary)]
        assert found.states()[state, 0, 0] == pytest.approx(expected, abs=1e-5), name


def test_section_four_with_one_steady_state() -> None:
    for eta, delta, log_scale in ((1.25, 0.68, 1.0), (1.25, 0.68, 0.0), (1.5, 0.3, 0.2)):
        exact = steady_states(SimpleEconomy.build(sigma=5.0, theta=4.24, eta=eta, delta=delta, log_scale=log_scale))
        assert exact.count.tolist() == [1]
        found = search_steady_states(section_four(eta, delta, log_scale, np.inf), extra=6)
        assert found.count.tolist() == [1]
        assert not found.multiple[0]
        assert np.isinf(found.separation[0])
        assert found.states()[0, 0, 0] == pytest.approx(float(np.nanmax(exact.share)), abs=1e-6)
        assert found.basins()[0] == list(found.starts)


def test_draws_are_counted_apart() -> None:
    """A batch of Section 4's economies: with two stable states, with one, and again with two."""
    cases = list(two_state_cases())[:2]
    rows = [cases[0][:3], (1.25, 0.68, 1.0), cases[1][:3]]
    eta, delta, log_scale = np.array(rows).T
    economy = section_four(1.25, 1.0, 0.0, np.inf).changed(
        eta=eta, delta=delta, adoption_cost=np.exp(-log_scale)[:, None]
    )
    found = search_steady_states(economy, extra=4, max_periods=400)
    assert found.count.tolist() == [2, 1, 2]
    for d in range(3):
        alone = search_steady_states(economy.select(np.array([d])), extra=4, max_periods=400)
        assert alone.state[:, 0].tolist() == found.state[:, d].tolist()
        np.testing.assert_allclose(alone.states(), found.states(d), atol=1e-6)
        assert alone.basins() == found.basins(d)


def test_a_regional_economy_with_several_and_with_one() -> None:
    """The example's frozen economy keeps what its regions start with; without spillovers it does not."""
    frozen = example_baseline().frozen()
    found = search_steady_states(frozen, extra=6)
    assert found.count[0] >= 2
    for state in found.states():
        again = solve_static(frozen, state, tolerance=1e-12)
        np.testing.assert_allclose(again.adopter_share[0], state, atol=1e-7)
    one = search_steady_states(frozen.changed(delta=0.0), extra=6)
    assert one.count.tolist() == [1]
    assert "1 steady state found" in one.describe()


def test_named_starts_and_their_basins() -> None:
    baseline = example_baseline()
    paths = {name: solve_path(baseline.sequence(push), baseline.initial_share)
             for name, push in (("with push", True), ("without push", False))}  # fmt: skip
    starts = {name: path.shares[-1] for name, path in paths.items()}
    found = search_steady_states(
        baseline.frozen(),
        starts,
        extra=2,
        seed=3,
        point=baseline.equilibria[-1].point[0],
        preconditioner=static_preconditioner(baseline.equilibria[-1]),
    )
    assert found.starts == ("none", "full", "with push", "without push", "random 1", "random 2")
    assert sum(len(names) for names in found.basins()) == 6
    # a path's end is its own steady state
    for name, path in paths.items():
        where = found.starts.index(name)
        np.testing.assert_allclose(found.shares[where, 0], path.shares[-1, 0], atol=1e-7)
        assert found.periods[where, 0] == 1
    text = found.describe()
    assert "found" in text
    assert "there may be others" in text
    assert "all" not in text.split()


def test_random_starts_come_from_the_seed() -> None:
    frozen = example_baseline().frozen()
    one, again, other = (all_starts(frozen, extra=4, seed=seed) for seed in (0, 0, 1))
    for name in ("random 1", "random 2"):
        np.testing.assert_array_equal(one[name], again[name])
        assert not np.array_equal(one[name], other[name])
    assert set(np.unique(one["random 2"])) <= {0.0, 1.0}
    for share in one.values():
        assert (share[:, [0, 2]] == 0.0).all(), "only heavy manufacturing can adopt"


def test_what_is_no_steady_state_is_not_counted() -> None:
    """Half of the starts alternate for ever: they are cycles, not states."""

    def update(lag: Any) -> Any:
        high = lag > 0.5
        return np.where(high, 0.9, np.where(lag > 0.0, 0.5 - lag, 0.0))

    frozen = example_baseline().frozen()
    starts = {"low": np.zeros((3, 4)), "high": np.zeros((3, 4))}
    starts["low"][1], starts["high"][1] = [0.1, 0.2, 0.1, 0.4], 0.8
    found = search_steady_states(frozen, starts, solve=made_up(update), max_periods=30)
    assert found.fate[:, 0].tolist() == ["steady state", "steady state", "cycle", "steady state"]
    assert found.state[:, 0].tolist() == [0, 1, -1, 1]
    assert found.count.tolist() == [2]
    assert found.astray() == {"low": "cycle"}
    assert "low: cycle" in found.describe()


def test_nothing_converged_is_nothing_found() -> None:
    found = search_steady_states(
        example_baseline().frozen(), solve=made_up(lambda lag: 1.0 - lag, lambda lag: np.zeros(len(lag), dtype=bool))
    )
    assert found.count.tolist() == [0]
    assert found.states().shape == (0, 3, 4)
    assert not found.multiple[0]
    assert found.describe().startswith("0 steady states found from 2 starts")


def test_the_tolerance_decides_what_is_distinct() -> None:
    ends = np.array([0.1, 0.1 + 4e-5, 0.1 + 9e-5, 0.3, 0.1 + 2e-4])[:, None, None, None]
    for tolerance, expected in ((1e-4, [0, 0, 0, 1, 2]), (1e-5, [0, 1, 2, 3, 4]), (1e-3, [0, 0, 0, 1, 0])):
        state, separation = distinct_steady_states(ends, tolerance=tolerance)
        assert state[:, 0].tolist() == expected
        states = ends[[expected.index(k) for k in range(max(expected) + 1)], 0, 0, 0]
        gaps = np.abs(np.subtract.outer(states, states))[~np.eye(len(states), dtype=bool)]
        assert separation[0] == pytest.approx(gaps.min())


def test_bad_searches_are_refused() -> None:
    frozen = example_baseline().frozen()
    with pytest.raises(ShapeMismatch, match="push"):
        search_steady_states(frozen, {"push": np.zeros((4, 3))})
    with pytest.raises(InvalidValue, match="starts"):
        search_steady_states(frozen, {"none": np.zeros((3, 4))})
    with pytest.raises(InvalidValue, match="tolerance"):
        distinct_steady_states(np.zeros((2, 1, 1, 1)), tolerance=-1.0)
    with pytest.raises(ShapeMismatch, match="shares"):
        distinct_steady_states(np.zeros((2, 1, 1)))


def test_a_count_is_a_lower_bound_that_further_starts_can_only_raise() -> None:
    frozen = example_baseline().frozen()
    few, many = (search_steady_states(frozen, extra=extra) for extra in (0, 10))
    assert isinstance(many, FoundSteadyStates)
    assert many.count[0] >= few.count[0]
    assert many.state[:2, 0].tolist() == few.state[:, 0].tolist()


def test_prediction_is_exact_where_points_are_linear_in_states() -> None:
    """Three past changes span the fourth; a draw that stood still is predicted to stay, and rows are one another's."""
    rng = np.random.default_rng(0)
    draws, size, unknowns = 3, 3, 5
    slope, level = rng.normal(size=(unknowns, size)), rng.normal(size=unknowns)
    states = rng.uniform(size=(5, draws, 1, size))
    states[:, 1] = states[0, 1]
    points = level + states.reshape(5, draws, size) @ slope.T
    secants = Secants()
    for t in range(4):
        rows = np.array([2, 1]) if t == 3 else np.arange(draws)
        start = secants.predict(points[t], states[t], states[t + 1], rows)
        if t == 0:
            np.testing.assert_array_equal(start, points[0])
    np.testing.assert_allclose(start, points[4][rows], atol=1e-4)
    np.testing.assert_array_equal(start[1], points[3, 1])


def test_renewed_preconditioners_change_no_path(monkeypatch: pytest.MonkeyPatch) -> None:
    baseline = small_baseline()
    known = solve_path(baseline.sequence(True), baseline.initial_share, preconditioners=baseline.preconditioners)
    monkeypatch.setattr("bigpush_est.equilibrium.spatial.dynamics._RENEWAL", 0)
    made: list[Any] = []

    def renew(solution: StaticEquilibrium) -> Any:
        made.append(static_preconditioner(solution))
        return made[-1]

    found = solve_path(
        baseline.sequence(True), baseline.initial_share, preconditioners=baseline.preconditioners, renew=renew
    )
    assert len(made) > 1
    assert found.fate.tolist() == known.fate.tolist()
    assert found.worst_residual.max() <= 1e-10
    np.testing.assert_allclose(found.shares[-1], known.shares[-1], atol=1e-6)
