"""O-ring production: marginal products, wages, and who works with whom, against enumeration and differences."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bigpush_est.equilibrium.oring import (
    MOST_ASSIGNMENTS,
    assignments,
    best_assignment,
    competitive_wage,
    competitive_wage_slope,
    count_assignments,
    four_workers,
    hiring_profit,
    sorted_assignment,
    team_output,
    unit_skill_prices,
)
from bigpush_est.errors import InvalidValue, ShapeMismatch, WrongType

skill = st.floats(0.0, 1.0)
check = settings(derandomize=True, deadline=None, max_examples=100)


def total_by_permutations(skills: list[float], tasks: int) -> float:
    """The largest total output over all orders in which workers can be put into teams."""
    best = 0.0
    for order in set(permutations(skills)):
        total = 0.0
        for begin in range(0, len(order), tasks):
            product = 1.0
            for one in order[begin : begin + tasks]:
                product *= one
            total += product
        best = max(best, total)
    return best


@check
@given(st.lists(skill, min_size=2, max_size=5))
def test_prices_of_skill_are_marginal_products(skills: list[float]) -> None:
    prices = unit_skill_prices(skills, scale=3.0)
    step = 1e-6
    for place in range(len(skills)):
        # output is linear in one skill: a difference is exact up to rounding
        moved = list(skills)
        moved[place] = skills[place] + step if skills[place] < 0.5 else skills[place] - step
        slope = (team_output(moved, 3.0) - team_output(skills, 3.0)) / (moved[place] - skills[place])
        assert prices[place] == pytest.approx(slope, abs=1e-8)


def test_the_slides_prices_paid_as_wages_exceed_output() -> None:
    skills = np.array([0.5, 0.9])
    prices = unit_skill_prices(skills)
    assert prices.tolist() == [0.9, 0.5]
    assert prices.sum() > team_output(skills)
    assert (prices * skills).sum() == pytest.approx(2.0 * team_output(skills))
    # Kremer's wages pay out what a team of equals makes
    for tasks in (2, 3, 7):
        assert tasks * competitive_wage(0.8, tasks) == pytest.approx(0.8**tasks)


@pytest.mark.parametrize("tasks", [2, 3, 6])
def test_the_wage_is_what_a_firm_pays_at_the_margin(tasks: int) -> None:
    grid = np.linspace(0.01, 0.99, 99)
    step = 1e-6
    difference = (competitive_wage(grid + step, tasks, 2.0) - competitive_wage(grid - step, tasks, 2.0)) / (2 * step)
    np.testing.assert_allclose(competitive_wage_slope(grid, tasks, 2.0), difference, atol=1e-8)
    # at equal skills it is the marginal product of skill, too
    equal = np.repeat(grid[:, None], tasks, axis=1)
    np.testing.assert_allclose(unit_skill_prices(equal, 2.0)[:, 0], competitive_wage_slope(grid, tasks, 2.0))


@check
@given(st.lists(skill, min_size=1, max_size=6))
def test_no_team_makes_a_profit_at_the_competitive_wages(skills: list[float]) -> None:
    profit = hiring_profit(skills)
    assert profit <= 1e-12
    if np.ptp(skills) == 0.0:
        assert profit == pytest.approx(0.0, abs=1e-12)


def test_a_firm_that_picks_any_team_does_best_with_equals() -> None:
    grid = np.linspace(0.0, 1.0, 21)
    teams = np.stack(np.meshgrid(grid, grid, grid), axis=-1).reshape(-1, 3)
    profit = hiring_profit(teams)
    equal = np.ptp(teams, axis=1) == 0.0
    assert profit[equal] == pytest.approx(np.zeros(21), abs=1e-12)
    assert profit[~equal].max() < 0.0


@pytest.mark.parametrize(("workers", "tasks"), [(4, 2), (6, 2), (6, 3), (8, 2), (8, 4), (9, 3)])
def test_every_assignment_is_listed_once(workers: int, tasks: int) -> None:
    listed = [frozenset(frozenset(team) for team in teams) for teams in assignments(workers, tasks)]
    assert len(listed) == len(set(listed)) == count_assignments(workers, tasks)
    for teams in listed:
        assert sorted(worker for team in teams for worker in team) == list(range(workers))
        assert all(len(team) == tasks for team in teams)


@check
@given(st.lists(skill, min_size=6, max_size=6), st.sampled_from([2, 3]))
def test_sorting_is_best_of_all_assignments(skills: list[float], tasks: int) -> None:
    best, ordered = best_assignment(skills, tasks), sorted_assignment(skills, tasks)
    assert best.compared == {2: 15, 3: 10}[tasks]
    assert ordered.total == pytest.approx(best.total, abs=1e-12)
    assert ordered.total == pytest.approx(total_by_permutations(skills, tasks), abs=1e-12)


@pytest.mark.parametrize(("workers", "tasks"), [(12, 2), (12, 3), (12, 4)])
def test_sorting_is_best_of_many_assignments(workers: int, tasks: int) -> None:
    rng = np.random.default_rng(workers * tasks)
    for _ in range(3):
        skills = rng.random(workers)
        best = best_assignment(skills, tasks, 2.0)
        assert best.compared == count_assignments(workers, tasks)
        assert sorted_assignment(skills, tasks, 2.0).total == pytest.approx(best.total, rel=1e-12)


def test_sorting_is_better_than_random_teams_of_thousands() -> None:
    rng = np.random.default_rng(3)
    skills = rng.random(6000)
    ordered = sorted_assignment(skills, 3)
    assert ordered.teams.shape == (2000, 3)
    assert sorted(ordered.teams.ravel().tolist()) == list(range(6000))
    for _ in range(20):
        assert team_output(rng.permutation(skills).reshape(-1, 3)).sum() < ordered.total
    # the most skilled are the first team
    assert (np.diff(ordered.output) <= 0.0).all()
    # no exchange of two workers between two teams helps
    teams = skills[ordered.teams]
    for _ in range(2000):
        (a, b), (i, j) = rng.choice(2000, 2, replace=False), rng.integers(0, 3, 2)
        before = teams[a].prod() + teams[b].prod()
        swapped_a, swapped_b = teams[a].copy(), teams[b].copy()
        swapped_a[i], swapped_b[j] = teams[b][j], teams[a][i]
        assert swapped_a.prod() + swapped_b.prod() <= before + 1e-12


@check
@given(skill, skill)
def test_the_four_workers(one: float, other: float) -> None:
    low, high = sorted((one, other))
    four = four_workers(low, high)
    assert four.sorted_output[0] >= four.mixed_output[0] - 1e-15
    assert four.efficiency_gain[0] == pytest.approx(four.sorted_output[0] - four.mixed_output[0], abs=1e-12)
    assert four.outbid_gain[0] >= four.outbid_loss[0] - 1e-15
    assert four.outbid_gain[0] - four.outbid_loss[0] == pytest.approx(four.efficiency_gain[0], abs=1e-12)
    best = best_assignment([low, high, low, high])
    assert best.total == pytest.approx(four.sorted_output[0])
    assert four.price_beside_high[0] == unit_skill_prices([low, high])[0]
    assert four.wage_high[0] == competitive_wage(high)
    # every entry is in goods, and so in proportion to the value of a product
    larger = four_workers(low, high, 3.0)
    for name in four.__slots__:
        assert getattr(larger, name)[0] == pytest.approx(3.0 * getattr(four, name)[0], abs=1e-12), name


def test_bad_skills_are_refused() -> None:
    with pytest.raises(InvalidValue, match=r"skills = 1.2 is refused: it must be in \[0, 1\]"):
        team_output([0.5, 1.2])
    with pytest.raises(InvalidValue, match="skill = nan"):
        competitive_wage(float("nan"))
    with pytest.raises(WrongType, match="numbers in"):
        team_output(["good", "bad"])
    with pytest.raises(ShapeMismatch, match=r"\(\.\.\., tasks\)"):
        team_output(0.5)
    with pytest.raises(ShapeMismatch, match="whole teams"):
        sorted_assignment([0.5, 0.6, 0.7])
    with pytest.raises(ShapeMismatch, match="whole teams"):
        best_assignment([[0.5, 0.6]])
    with pytest.raises(InvalidValue, match=r"tasks = 1\.5"):
        competitive_wage(0.5, 1.5)  # type: ignore[arg-type]
    with pytest.raises(InvalidValue, match="scale = -1"):
        team_output([0.5], scale=-1.0)
    with pytest.raises(InvalidValue, match=f"few enough for {MOST_ASSIGNMENTS} assignments"):
        best_assignment(np.full(20, 0.5))
    with pytest.raises(ShapeMismatch, match="skill_low"):
        four_workers([0.1, 0.2], [0.3, 0.4, 0.5])
    with pytest.raises(InvalidValue, match="skill_low"):
        four_workers(-0.1, 0.5)
