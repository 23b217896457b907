"""Grids, halvings and crossings, where the probability is a known function of the held value."""

import math
from collections.abc import Callable

import numpy as np
import pytest

from bigpush_est.errors import InvalidValue
from bigpush_est.propagate.breakdown import HeldPoint, coarse_grid, crossing, halved


def searched(chance: Callable[[float], float], own: float, rounds: int, mcse: float = 1e-6) -> list[HeldPoint]:
    """Five values in [0, 1], then so many halvings."""
    points = [HeldPoint(v, chance(v), chance(v), mcse) for v in coarse_grid(0.0, 1.0, 5)]
    for _ in range(rounds):
        value = halved(points, own)
        if value is None:
            break
        points.append(HeldPoint(value, chance(value), chance(value), mcse))
    return points


def logistic(centre: float, slope: float) -> Callable[[float], float]:
    return lambda v: 1.0 / (1.0 + math.exp(-slope * (v - centre)))


@pytest.mark.parametrize("centre", [0.03, 0.49, 0.77])
@pytest.mark.parametrize("slope", [6.0, -40.0])
def test_halving_closes_in_on_the_crossing(centre: float, slope: float) -> None:
    errors = []
    for rounds in (0, 3, 6):
        found = crossing(searched(logistic(centre, slope), 0.5, rounds), own=0.5)
        assert found is not None
        assert found.low <= centre <= found.high
        assert found.high - found.low == pytest.approx(0.25 / 2**rounds)
        errors.append(abs(found.value - centre))
        # a logistic function between two points is off its chord's crossing by less than half the width
        assert errors[-1] < 0.5 * (found.high - found.low)
    assert errors[-1] < 1e-3


def test_a_line_is_crossed_exactly_whatever_the_grid() -> None:
    found = crossing(searched(lambda v: 0.2 + 0.7 * v, 0.0, 0), own=0.0)
    assert found is not None
    assert found.value == pytest.approx(3.0 / 7.0, abs=1e-12)


def test_of_several_crossings_the_nearest_to_the_study_is_narrowed_down() -> None:
    def wave(v: float) -> float:
        return 0.5 + 0.4 * math.cos(2.0 * math.pi * (v + 0.05))  # one half at 0.2 and 0.7

    for own, where in ((0.3, 0.2), (0.6, 0.7)):
        points = searched(wave, own, 5)
        found = crossing(points, own)
        assert found is not None
        assert found.value == pytest.approx(where, abs=1e-3)
        assert all(abs(point.value - where) < 0.25 for point in points[5:])


def test_no_crossing_is_said_to_be_none() -> None:
    points = searched(lambda v: 0.1 + 0.3 * v, 0.5, 3)
    assert crossing(points, 0.5) is None
    assert len(points) == 5


def test_halving_stops_where_chance_decides_the_side() -> None:
    points = searched(lambda v: 0.3 + 0.41 * v, 0.5, 5, mcse=0.06)  # 0.505 in the middle
    assert len(points) == 5
    assert halved(searched(lambda v: 0.3 + 0.41 * v, 0.5, 0, mcse=0.001), 0.5) is not None


def test_points_that_unconverged_draws_leave_open_take_no_part() -> None:
    points = [HeldPoint(0.0, 0.1, 0.1, 0.02), HeldPoint(0.5, 0.3, 0.7, 0.05), HeldPoint(1.0, 0.9, 0.9, 0.02)]
    found = crossing(points, 0.5)
    assert found is not None
    assert [found.value, found.low, found.high] == pytest.approx([0.5, 0.0, 1.0])
    # its middle is known already, and told nothing
    assert halved(points, 0.5) is None
    unknown = [HeldPoint(0.0, 0.1, 0.1, 0.02), HeldPoint(0.5, math.nan, math.nan, math.nan)]
    assert [point.side for point in unknown] == [-1, 0]
    assert crossing(unknown, 0.5) is None


@pytest.mark.parametrize("shared", [True, False])
def test_the_error_of_a_crossing_is_not_below_that_of_draws(shared: bool) -> None:
    """Probabilities from draws again and again: the crossings' spread is the error where draws are shared."""
    rng, size, chances = np.random.default_rng(0), 400, (0.3, 0.6)
    found = []
    for _ in range(4000):
        one = rng.random(size)
        two = one if shared else rng.random(size)
        found.append([(one < chances[0]).mean(), (two < chances[1]).mean()])
    crossed = [crossing([HeldPoint(0.0, p, p, 0.0), HeldPoint(1.0, q, q, 0.0)], 0.5) for p, q in found if p < 0.5 <= q]
    spread = np.std([one.value for one in crossed if one is not None])
    points = [HeldPoint(float(k), p, p, math.sqrt(p * (1.0 - p) / size)) for k, p in enumerate(chances)]
    stated = crossing(points, 0.5)
    assert stated is not None
    assert 0.9 * spread < stated.mcse < (1.35 if shared else 1.6) * spread


def test_a_grid_needs_two_ends() -> None:
    with pytest.raises(InvalidValue, match="grid"):
        coarse_grid(1.0, 1.0, 5)
