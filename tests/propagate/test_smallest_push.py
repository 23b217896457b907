"""The smallest uniform push in the small made-up economy: bisection, what is not monotone, what does not settle."""

from typing import Any

import numpy as np
import pytest

from bigpush_est.equilibrium.spatial.dynamics import Path, solve_path
from bigpush_est.equilibrium.spatial.multiplicity import TOLERANCE
from bigpush_est.equilibrium.spatial.scenarios import Baseline, compare, example_baseline
from bigpush_est.errors import InvalidValue
from bigpush_est.propagate.smallest_push import smallest_push

SUBSIDISED = np.array([1.0, 1.0, 0.0, 0.0])


@pytest.fixture(scope="module")
def ready() -> Baseline:
    return example_baseline()


@pytest.fixture(scope="module")
def none(ready: Baseline) -> Path:
    return compare(ready, [None])["baseline"].none


def followed(ready: Baseline, rate: float, max_periods: int = 400) -> Path:
    """The whole path with one rate, from the first period on."""
    sequence = []
    for t, economy in enumerate(ready.economies):
        subsidy = np.zeros((3, 4))
        subsidy[ready.heavy] = rate * SUBSIDISED * (t in ready.policy_periods)
        sequence.append(economy.changed(subsidy=subsidy))
    return solve_path([*sequence, ready.frozen()], ready.initial_share, max_periods=max_periods)


def share(ready: Baseline, path: Path) -> Any:
    return path.outcomes.gdp_share[-1, 0, ready.heavy]


def moves(none: Path, path: Path) -> bool:
    return bool(np.abs(path.shares[-1] - none.shares[-1]).max() > TOLERANCE)


@pytest.mark.parametrize("tolerance", [0.01, 0.002])
def test_the_crossing_lies_within_the_tolerance(ready: Baseline, none: Path, tolerance: float) -> None:
    found = smallest_push(ready, none, SUBSIDISED, np.array([0.33]), tolerance=tolerance)
    for rate, yes in (
        (found.rate[0], lambda path: moves(none, path)),
        (found.industrial_rate[0], lambda path: share(ready, path) >= 0.33),
    ):
        assert rate > tolerance, "a crossing at nothing tells nothing"
        assert yes(followed(ready, rate))
        assert not yes(followed(ready, rate - tolerance))


def test_a_higher_rate_that_does_not_do_it_is_flagged(ready: Baseline, none: Path) -> None:
    """Between the rate that is found and the highest of the grid the economy is no longer industrial."""
    found = smallest_push(ready, none, SUBSIDISED, np.array([0.33]))
    assert found.industrial_status[0] == "not monotone"
    grid = [share(ready, followed(ready, rate)) >= 0.33 for rate in (0.1, 0.2, 0.3, 0.4)]
    assert grid[0]
    assert not all(grid)


def test_undefined_ones_say_why(ready: Baseline, none: Path) -> None:
    low, high = (smallest_push(ready, none, SUBSIDISED, np.array([threshold])) for threshold in (0.2, 0.9))
    assert low.industrial_status[0] == "not needed"
    assert high.industrial_status[0] == "none"
    assert np.isnan([low.industrial_rate[0], high.industrial_rate[0]]).all()
    nobody = smallest_push(ready, none, np.zeros(4), np.array([0.33]))
    assert nobody.status[0] == "none"
    assert np.isnan(nobody.rate[0])
    short = solve_path([*ready.sequence(False)], ready.initial_share, max_periods=4)
    lost = smallest_push(ready, short, SUBSIDISED, np.array([0.33]), max_periods=4)
    assert lost.status.tolist() == lost.industrial_status.tolist() == ["not settled"]


def test_a_known_rate_is_one_more_point_of_the_grid(ready: Baseline, none: Path) -> None:
    """At 0.4, the only rate of this grid, the economy is not industrial; at the push's own 0.1 it is."""
    push = compare(ready, [None])["baseline"].push
    plain = smallest_push(ready, none, SUBSIDISED, np.array([0.33]), grid=1)
    known = smallest_push(ready, none, SUBSIDISED, np.array([0.33]), grid=1, known_rate=np.array([0.1]), known_end=push)
    assert plain.industrial_status[0] == "none"
    assert known.industrial_status[0] == "not monotone"
    assert known.industrial_rate[0] < 0.1
    assert abs(known.rate[0] - plain.rate[0]) <= 0.005


@pytest.mark.parametrize("options", [{"highest": 1.0}, {"grid": 0}, {"tolerance": 0.0}])
def test_bad_options_are_refused(ready: Baseline, none: Path, options: Any) -> None:
    with pytest.raises(InvalidValue, match=next(iter(options))):
        smallest_push(ready, none, SUBSIDISED, np.array([0.33]), **options)
