"""The steady-state engine on maps whose fixed points are known in closed form or by construction."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from bigpush_est.equilibrium import interval_search
from bigpush_est.equilibrium import steady_states as engine
from bigpush_est.equilibrium.adoption_map import (
    AdoptionMap,
    ConcaveInverseMap,
    FloatArray,
    Index,
    LipschitzMap,
    MonotoneMap,
)
from bigpush_est.equilibrium.simple import SimpleEconomy, multiplicity
from bigpush_est.equilibrium.steady_states import (
    SEMISTABLE,
    STABLE,
    UNSTABLE,
    SteadyStates,
    long_run,
    peak_share,
    steady_states,
    transition_path,
)
from bigpush_est.errors import InputError, InvalidValue, ShapeMismatch

RESOLUTION = 2.0**-24
seeds = st.integers(min_value=0, max_value=2**32 - 1)
known_answer = settings(derandomize=True, deadline=None, max_examples=40)


def states_of(adoption_map: AdoptionMap, draw: int = 0) -> tuple[list[float], list[int]]:
    found = steady_states(adoption_map)
    kept = np.isfinite(found.share[draw])
    return found.share[draw][kept].tolist(), found.stability[draw][kept].tolist()


def through(*roots: float, steepness: float = 1.0) -> MonotoneMap:
    """x − c ∏(x − r): fixed points exactly at the roots; c keeps it nondecreasing and within [0, 1]."""
    grid = np.linspace(0.0, 1.0, 4001)
    coefficients = np.poly(roots)
    largest = np.abs(np.polyval(np.polyder(coefficients), grid)).max()
    edge = max(abs(np.polyval(coefficients, 0.0)), abs(np.polyval(coefficients, 1.0)))
    scale = steepness * 0.9 / max(largest, edge)
    # products of differences are exactly zero at the roots, which a polynomial's coefficients are not
    return MonotoneMap(lambda x, _: x - scale * np.prod([x - root for root in roots], axis=0), 1)


def random_economies(seed: int, draws: int) -> SimpleEconomy:
    """Economies of which about half have several steady states."""
    rng = np.random.default_rng(seed)
    sigma = rng.uniform(2.05, 10.0, draws)
    unit = SimpleEconomy.build(
        sigma=sigma,
        theta=(sigma - 1.0) * rng.uniform(1.02, 3.0, draws),
        eta=rng.uniform(1.01, 3.0, draws),
        delta=rng.uniform(0.0, 6.0, draws),
        log_scale=0.0,
        kappa=np.where(rng.random(draws) < 0.5, np.inf, rng.uniform(1.2, 20.0, draws)),
    )
    window = multiplicity(unit)
    low = np.where(window.possible, window.log_scale_low, unit.potential(np.full(draws, 0.1)) - unit.level)
    high = np.where(window.possible, window.log_scale_high, low + 1.0)
    return unit.changed(log_scale=low + rng.uniform(-0.5, 1.5, draws) * (high - low))


# -- monotone maps ----------------------------------------------------------------------------------------------------


def test_logistic_map_bifurcates_where_its_slope_passes_one() -> None:
    strength = np.array([2.0, 3.9, 4.1, 8.0, 40.0])
    found = steady_states(MonotoneMap(lambda x, i: 1.0 / (1.0 + np.exp(-strength[i] * (x - 0.5))), 5))
    assert found.count.tolist() == [1, 1, 3, 3, 3]
    assert found.stable_count.tolist() == [1, 1, 2, 2, 2]
    assert found.multiple.tolist() == [False, False, True, True, True]
    assert found.converged.all()
    assert found.monotone
    assert "interval exclusion" in found.completeness
    middle = found.threshold[2:]
    assert middle == pytest.approx([0.5] * 3, abs=1e-12)
    assert np.isnan(found.threshold[:2]).all()
    # the logistic map is symmetric about one half, and its slope there is a quarter of its strength
    assert found.lowest[2:] + found.highest[2:] == pytest.approx([1.0] * 3, abs=1e-12)
    assert found.slope[2:, 1] == pytest.approx(strength[2:] / 4.0, rel=1e-6)
    low = found.lowest[3]
    assert found.slope[3, 0] == pytest.approx(8.0 * low * (1.0 - low), rel=1e-6)
    assert np.nanmax(found.residual) < 1e-14


@pytest.mark.parametrize("roots", [(0.5,), (0.2, 0.5, 0.9), (0.1, 0.3, 0.50001, 0.7, 0.95), (0.4, 0.45, 0.6)])
def test_fixed_points_of_polynomial_maps_are_their_roots(roots: tuple[float, ...]) -> None:
    share, stability = states_of(through(*roots))
    assert share == pytest.approx(roots, abs=1e-10)
    assert stability == [STABLE if i % 2 == 0 else UNSTABLE for i in range(len(roots))]


@settings(derandomize=True, deadline=None, max_examples=40)
@given(st.lists(st.integers(1, 199), min_size=1, max_size=5, unique=True).filter(lambda x: len(x) % 2 == 1))
def test_every_root_of_a_random_polynomial_map_is_found(places: list[int]) -> None:
    # 201 is prime: no root falls on an end of a bisected interval
    roots = sorted(place / 201.0 for place in places)
    found = steady_states(through(*roots))
    share, stability = states_of(through(*roots))
    if found.unresolved[0]:
        # roots so close together that the map follows the line: what is reported besides has to be right
        assert not found.converged[0]
        assert all(min(abs(root - place) for root in roots) < 1e-7 for place in share)
    else:
        assert share == pytest.approx(roots, abs=1e-7)
        assert stability == [STABLE if i % 2 == 0 else UNSTABLE for i in range(len(roots))]


@pytest.mark.parametrize("root", [0.25, 0.5, 0.75, 1.0 / 64.0, 0.5 + 2.0**-20])
def test_a_root_on_an_end_of_an_interval_is_found_once(root: float) -> None:
    assert states_of(MonotoneMap(lambda x, _: root + 0.5 * (x - root), 1)) == ([root], [STABLE])
    share, stability = states_of(MonotoneMap(lambda x, _: root + 2.0 * (x - root), 1))
    inner = share.index(root)
    assert share == [*([0.0] if root > 0.0 else []), root, 1.0]
    assert stability[inner] == UNSTABLE


@pytest.mark.parametrize(("steepness", "excess"), [(1800.0, 3e-5), (3000.0, 1e-4), (6000.0, 1e-5)])
def test_three_states_closer_than_intervals_can_be_excluded_are_told_apart(steepness: float, excess: float) -> None:
    # Γ − λ stays below the resolution from the lowest to the highest: what cannot be excluded is one stretch
    centre, height = 0.5003, 4.0 * (1.0 + excess) / steepness
    found = steady_states(MonotoneMap(lambda x, _: centre + 0.5 * height * np.tanh(0.5 * steepness * (x - centre)), 1))
    assert found.stability[0].tolist() == [STABLE, UNSTABLE, STABLE]
    assert found.share[0, 1] == pytest.approx(centre, abs=1e-8)
    assert found.share[0, 2] - found.share[0, 0] == pytest.approx(2.0 * np.sqrt(12.0 * excess) / steepness, rel=1e-2)
    assert found.converged.all()


def test_constant_maps_have_one_stable_state_also_at_the_corners() -> None:
    constant = np.array([0.0, 0.3, 0.5, 1.0])
    found = steady_states(MonotoneMap(lambda x, i: np.broadcast_to(constant[i], x.shape), 4))
    assert found.count.tolist() == [1] * 4
    assert found.share[:, 0].tolist() == constant.tolist()
    assert (found.stability[:, 0] == STABLE).all()
    assert (found.slope[:, 0] == 0.0).all()


def test_values_outside_the_unit_interval_are_clipped_to_corners() -> None:
    assert states_of(MonotoneMap(lambda x, _: 5.0 * (x - 0.4), 1)) == ([0.0, 0.5, 1.0], [STABLE, UNSTABLE, STABLE])


# -- corners ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("slope", "expected"),
    # x ↦ s x/(1 + (s − 1) x) fixes both corners, with slope s at 0 and 1/s at 1
    [(2.0, [UNSTABLE, STABLE]), (1.05, [UNSTABLE, STABLE]), (0.5, [STABLE, UNSTABLE]), (1 / 1.05, [STABLE, UNSTABLE])],
)
def test_corners_that_attract_and_that_repel(slope: float, expected: list[int]) -> None:
    bent = MonotoneMap(lambda x, _: slope * x / (1.0 + (slope - 1.0) * x), 1)
    assert states_of(bent) == ([0.0, 1.0], expected)
    found = steady_states(bent)
    assert found.slope[0] == pytest.approx([slope, 1.0 / slope], rel=1e-5)
    assert found.converged.all()
    attracting = 0.0 if slope < 1.0 else 1.0
    basins = found.basins()[0]
    assert basins[expected.index(STABLE)].tolist() == [0.0, 1.0]
    assert np.isnan(basins[expected.index(UNSTABLE)]).all()
    assert long_run(bent, 0.4, tolerance=1e-13).share[0] == pytest.approx(attracting, abs=1e-11)


@pytest.mark.parametrize("near", [2.0**-8, 2.0**-20])
def test_a_repelling_corner_close_to_a_stable_state_is_found(near: float) -> None:
    tight = MonotoneMap(lambda x, _: np.minimum(1.5 * x, near), 1)
    assert states_of(tight) == ([0.0, near], [UNSTABLE, STABLE])
    mirrored = MonotoneMap(lambda x, _: np.maximum(1.0 - 1.5 * (1.0 - x), 1.0 - near), 1)
    assert states_of(mirrored) == ([1.0 - near, 1.0], [STABLE, UNSTABLE])


def test_a_repelling_corner_and_a_stable_state_within_one_interval_are_unresolved() -> None:
    near = RESOLUTION / 4.0
    for tight in (
        MonotoneMap(lambda x, _: np.minimum(1.5 * x, near), 1),
        MonotoneMap(lambda x, _: np.maximum(1.0 - 1.5 * (1.0 - x), 1.0 - near), 1),
    ):
        found = steady_states(tight)
        assert found.unresolved[0] == 1
        assert not found.converged[0]


def test_both_corners_can_attract() -> None:
    smooth = MonotoneMap(lambda x, _: x * x * (3.0 - 2.0 * x), 1)
    assert states_of(smooth) == ([0.0, 0.5, 1.0], [STABLE, UNSTABLE, STABLE])
    found = steady_states(smooth)
    assert found.basins()[0, [0, 2]].tolist() == [[0.0, 0.5], [0.5, 1.0]]
    assert (found.lowest[0], found.highest[0], found.threshold[0]) == (0.0, 1.0, 0.5)


# -- where the map touches the 45-degree line -------------------------------------------------------------------------


@pytest.mark.parametrize("curvature", [0.9, 400.0, 1e3])
@pytest.mark.parametrize("place", [0.5, 0.3001])
def test_a_tangency_is_reported_as_unresolved_and_other_states_are_kept(curvature: float, place: float) -> None:
    # touches the line at `place` from above and crosses it at 0.9
    def touching(x: FloatArray, _: NDArray[np.intp]) -> FloatArray:
        near = curvature * (x - place) ** 2
        image: FloatArray = x + near / (1.0 + 4.0 * near) / max(1.0, np.sqrt(curvature)) * (0.9 - x)
        return image

    found = steady_states(MonotoneMap(touching, 1))
    assert found.unresolved[0] >= 1
    assert not found.converged[0]
    assert found.share[0, 0] == pytest.approx(0.9, abs=1e-12)
    assert found.stability[0, 0] == STABLE
    assert found.count[0] == 1
    assert np.isnan(found.basins()).all()


def test_the_identity_is_unresolved_everywhere() -> None:
    found = steady_states(MonotoneMap(lambda x, _: x, 1))
    assert found.unresolved[0] >= 1
    assert found.count[0] == 0
    assert not found.converged[0]


def test_a_stretch_of_the_line_is_unresolved_and_does_not_spoil_other_draws() -> None:
    def function(x: FloatArray, i: NDArray[np.intp]) -> FloatArray:
        along = np.where(x < 0.25, 0.5 * x + 0.125, np.where(x > 0.5, 0.5 + 0.5 * (x - 0.5), x))
        return np.where(i == 1, along, 0.5 * x + 0.2)

    found = steady_states(MonotoneMap(function, 3))
    assert (found.unresolved > 0).tolist() == [False, True, False]
    assert found.converged.tolist() == [True, False, True]
    assert found.share[[0, 2], 0] == pytest.approx([0.4, 0.4])


def test_tangency_of_an_exact_map_is_semistable() -> None:
    parabola = Parabola(level=[0.25], spillover=[1.0])
    found = steady_states(parabola)
    assert found.share[0, 0] == 0.5
    assert found.stability[0, 0] == SEMISTABLE
    assert found.share[0, 1] == 1.0
    assert found.stability[0, 1] == STABLE
    assert found.stable_count[0] == 1
    # starts up to the tangency end there and those above leave it
    assert found.basins()[0, :2].tolist() == [[0.0, 0.5], [0.5, 1.0]]
    assert long_run(parabola, 0.501).share[0] == 1.0
    assert long_run(parabola, 0.4, max_periods=200).share[0] < 0.5


def test_full_adoption_that_is_only_just_reached_attracts_nobody_below_it() -> None:
    # G(1) = k with a falling G: the corner is a steady state that repels from below
    parabola = Parabola(level=[0.0], spillover=[1.0])
    found = steady_states(parabola)
    assert found.share[0, :2].tolist() == [0.0, 1.0]
    assert found.stability[0, :2].tolist() == [STABLE, SEMISTABLE]
    assert found.basins()[0, :2].tolist() == [[0.0, 1.0], [1.0, 1.0]]
    assert long_run(parabola, 0.99).share[0] < 1e-6
    assert not found.multiple[0]


class Parabola(ConcaveInverseMap):
    """g(λ) = 2λ − λ² on [0, 1], whose inverse is 1 − √(1 − v): a second exact map beside the economy."""

    def __init__(self, level: list[float] | FloatArray, spillover: list[float] | FloatArray) -> None:
        self._level = np.asarray(level, dtype=np.float64)
        self._spillover = np.asarray(spillover, dtype=np.float64)

    @property
    def n_draws(self) -> int:
        return self._level.size

    @property
    def level(self) -> FloatArray:
        return self._level

    @property
    def spillover(self) -> FloatArray:
        return self._spillover

    def potential(self, share: FloatArray) -> FloatArray:
        return 2.0 * share - share * share

    def potential_derivatives(self, share: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        return self.potential(share), 2.0 - 2.0 * share, np.full_like(share, -2.0)

    def inverse_start(self, value: FloatArray) -> FloatArray:
        return np.zeros_like(value)

    def select(self, index: Index) -> Parabola:
        return Parabola(self._level[index], self._spillover[index])


@known_answer
@given(seeds)
def test_an_exact_map_with_a_closed_form_inverse(seed: int) -> None:
    rng = np.random.default_rng(seed)
    parabola = Parabola(level=rng.uniform(-0.5, 1.0, 50), spillover=rng.uniform(0.0, 2.5, 50))
    share = rng.random((3, 50))
    value = parabola.level + parabola.spillover * share
    assert np.allclose(parabola(share), 1.0 - np.sqrt(1.0 - np.clip(value, 0.0, 1.0)), rtol=0.0, atol=1e-7)
    found = steady_states(parabola)
    # 2λ − λ² − δλ = k
    half = 1.0 - 0.5 * parabola.spillover
    with np.errstate(invalid="ignore"):
        roots = half + np.sqrt(half**2 - parabola.level) * np.array([[-1.0], [1.0]])
    for draw in range(50):
        inner = [float(root) for root in roots[:, draw] if 0.0 < root < 1.0]
        corners = [0.0] * bool(parabola.level[draw] <= 0.0) + [1.0] * bool(
            parabola.level[draw] >= 1.0 - parabola.spillover[draw]
        )
        expected = sorted(inner + corners)
        assert found.share[draw][np.isfinite(found.share[draw])] == pytest.approx(expected, abs=1e-9)
    # draws at which Γ is steep leave a residual of the size of rounding times the slope
    assert found.converged.all()


def test_peak_share_of_the_parabola() -> None:
    spillover = np.array([0.0, 0.5, 1.0, 2.0, 3.0])
    assert peak_share(Parabola(np.zeros(5), spillover)) == pytest.approx([1.0, 0.75, 0.5, 0.0, 0.0], abs=1e-12)


# -- jumps ------------------------------------------------------------------------------------------------------------


def test_a_jump_over_the_line_is_a_boundary_but_not_a_state() -> None:
    place = np.array([0.3, 0.5, 0.7])
    step = MonotoneMap(lambda x, i: np.where(x < place[i], 0.1, 0.9), 3)
    found = steady_states(step)
    assert found.count.tolist() == [2, 2, 2]
    assert found.stable_count.tolist() == [2, 2, 2]
    assert found.jump.tolist() == [[False, True, False]] * 3
    assert np.isnan(found.slope[:, 1]).all()
    assert found.threshold == pytest.approx(place, abs=1e-15)
    assert found.converged.all()
    basins = found.basins()
    assert basins[:, 0] == pytest.approx(np.column_stack([np.zeros(3), place]), abs=1e-15)
    assert basins[:, 2] == pytest.approx(np.column_stack([place, np.ones(3)]), abs=1e-15)
    assert long_run(step, place - 1e-9).share == pytest.approx([0.1] * 3)
    assert long_run(step, place + 1e-9).share == pytest.approx([0.9] * 3)


def test_a_staircase_has_a_state_on_each_step_that_meets_the_line() -> None:
    stairs = MonotoneMap(lambda x, _: (np.floor(5.0 * x) + 0.5) / 5.0, 1)
    found = steady_states(stairs)
    stable = found.share[0][(found.stability[0] == STABLE) & ~found.jump[0]]
    assert stable == pytest.approx([0.1, 0.3, 0.5, 0.7, 0.9])
    assert found.jump.sum() == 4
    assert found.share[0][found.jump[0]] == pytest.approx([0.2, 0.4, 0.6, 0.8])


def test_a_downward_jump_is_not_passed_off_as_a_state() -> None:
    # declared monotone although it is not: there is no fixed point, and none may be claimed
    found = steady_states(MonotoneMap(lambda x, _: np.where(x < 0.5, 0.8, 0.2), 1))
    assert not found.converged[0]


# -- maps of any shape ------------------------------------------------------------------------------------------------


def logistic(rate: FloatArray | list[float]) -> LipschitzMap:
    values = np.asarray(rate, dtype=np.float64)
    # |d/dx r x(1 − x)| ≤ r
    return LipschitzMap(lambda x, i: values[i] * x * (1.0 - x), values)


def test_fixed_points_of_the_logistic_growth_map() -> None:
    rate = np.array([0.5, 1.5, 2.0, 2.8, 3.2, 3.5, 3.9])
    found = steady_states(logistic(rate))
    assert found.count.tolist() == [1, 2, 2, 2, 2, 2, 2]
    assert (found.share[:, 0] == 0.0).all()
    assert found.share[1:, 1] == pytest.approx(1.0 - 1.0 / rate[1:], abs=1e-14)
    assert found.stability[:, 0].tolist() == [STABLE] + [UNSTABLE] * 6
    # the slope at 1 − 1/r is 2 − r: below −1 the state repels although Γ − λ falls through it
    assert found.slope[1:, 1] == pytest.approx(2.0 - rate[1:], rel=1e-6, abs=1e-8)
    assert found.stability[1:, 1].tolist() == [STABLE, STABLE, STABLE, UNSTABLE, UNSTABLE, UNSTABLE]
    assert found.converged.all()
    assert not found.monotone
    assert np.isnan(found.highest[4:]).all()
    assert found.stable_count[4:].tolist() == [0, 0, 0]


def test_cycles_have_their_period_and_chaos_does_not_converge() -> None:
    growth = logistic([2.8, 3.2, 3.5, 3.55, 3.83, 4.0])
    ends = long_run(growth, 0.3)
    assert ends.outcome.tolist() == ["steady state", "cycle", "cycle", "cycle", "cycle", "not converged"]
    assert ends.cycle_length.tolist() == [1, 2, 4, 8, 3, 0]
    assert ends.periods[-1] == 10_000
    assert (ends.periods[:-1] < 10_000).all()
    assert ends.share[0] == pytest.approx(1.0 - 1.0 / 2.8, abs=1e-11)
    assert ends.residual[0] < 1e-11
    # the two-cycle's points solve r²x² − r(r + 1)x + r + 1 = 0
    assert min(abs(ends.share[1] - np.roots([3.2**2, -3.2 * 4.2, 4.2]))) < 1e-10


@pytest.mark.parametrize("rate", [2.999, 2.9999, 3.0])
def test_a_slow_spiral_is_not_a_cycle(rate: float) -> None:
    ends = long_run(logistic([rate]), 0.3, max_periods=20_000)
    assert ends.outcome[0] != "cycle"


def test_each_draw_of_a_mixed_batch_ends_where_it_ends_alone() -> None:
    rate = np.array([0.5, 2.8, 3.2, 3.5, 4.0, 1.0001])
    together = long_run(logistic(rate), 0.3)
    for draw in range(rate.size):
        alone = long_run(logistic(rate[[draw]]), 0.3)
        for name in ("share", "outcome", "periods", "residual", "cycle_length"):
            assert getattr(alone, name)[0] == getattr(together, name)[draw]


def test_a_rotation_has_one_unstable_state_and_a_two_cycle_from_anywhere_else() -> None:
    mirror = LipschitzMap(lambda x, _: 1.0 - x, np.array([1.0]))
    share, _ = states_of(mirror)
    assert share == [0.5]
    ends = long_run(mirror, 0.2)
    assert (ends.outcome[0], ends.cycle_length[0]) == ("cycle", 2)
    assert long_run(mirror, 0.5).outcome[0] == "steady state"


def test_basins_are_refused_where_they_need_not_be_intervals() -> None:
    with pytest.raises(InvalidValue, match=r"map = not monotone.*nondecreasing.*long_run from a grid"):
        steady_states(logistic([3.2])).basins()


def test_the_lipschitz_search_agrees_with_the_monotone_one() -> None:
    strength = np.array([3.0, 5.0, 9.0])

    def function(x: FloatArray, i: NDArray[np.intp]) -> FloatArray:
        return 1.0 / (1.0 + np.exp(-strength[i] * (x - 0.48)))

    monotone = steady_states(MonotoneMap(function, 3))
    general = steady_states(LipschitzMap(function, strength / 4.0))
    assert general.count.tolist() == monotone.count.tolist()
    assert np.allclose(general.share, monotone.share, rtol=0.0, atol=1e-13, equal_nan=True)
    assert np.array_equal(general.stability, monotone.stability)


# -- basins, paths, batches -------------------------------------------------------------------------------------------


def end_by_basin(found: SteadyStates, starts: FloatArray) -> FloatArray:
    """Where each start ends according to the basins; NaN within 1e-6 of a boundary."""
    basins = found.basins()
    ends = np.full((starts.size, found.share.shape[0]), np.nan)
    for s in range(found.share.shape[1]):
        inside = (starts[:, None] > basins[:, s, 0] + 1e-6) | (basins[:, s, 0] == 0.0) & (starts[:, None] == 0.0)
        inside &= (starts[:, None] < basins[:, s, 1] - 1e-6) | (basins[:, s, 1] == 1.0) & (starts[:, None] == 1.0)
        ends = np.where(inside, found.share[:, s], ends)
    return ends


@pytest.mark.parametrize("seed", range(2))
def test_basins_are_what_the_long_run_says(seed: int) -> None:
    economies = random_economies(seed, 300)
    found = steady_states(economies)
    starts = np.linspace(0.0, 1.0, 13)
    expected = end_by_basin(found, starts)
    assert np.isfinite(expected).mean() > 0.95
    for start, ends in zip(starts, expected, strict=True):
        reached = long_run(economies, float(start), max_periods=300)
        settled = (reached.outcome == "steady state") & np.isfinite(ends)
        # near a tangency the path is too slow to settle in the periods allowed
        assert settled.mean() > 0.9
        assert (reached.outcome != "cycle").all()
        gap = np.abs(reached.share - ends)[settled]
        assert gap.max() < 1e-6


def test_basins_tile_the_unit_interval() -> None:
    found = steady_states(random_economies(11, 2000))
    basins = found.basins()
    width = np.nansum(basins[:, :, 1] - basins[:, :, 0], axis=1)
    assert width == pytest.approx(np.ones(2000))
    assert found.multiple.mean() > 0.2


def test_a_path_has_one_row_per_period_and_leaves_its_start_alone() -> None:
    economies = random_economies(3, 7)
    start = np.linspace(0.0, 1.0, 7)
    kept = start.copy()
    path = transition_path(economies, start, 12)
    assert path.shape == (13, 7)
    assert np.array_equal(start, kept)
    assert np.array_equal(path[0], kept)
    for t in range(12):
        assert np.array_equal(path[t + 1], economies(path[t]))
    path[0] = 0.5
    assert np.array_equal(start, kept)
    reached = long_run(economies, start)
    assert np.array_equal(start, kept)
    reached.share[:] = 0.0
    assert np.array_equal(start, kept)
    assert transition_path(economies, 0.25, 0).tolist() == [[0.25] * 7]


def test_draws_can_be_selected() -> None:
    economies = random_economies(5, 20)
    strength = np.linspace(1.0, 9.0, 20)
    maps: list[AdoptionMap] = [
        economies,
        MonotoneMap(lambda x, i: 1.0 / (1.0 + np.exp(-strength[i] * (x - 0.5))), 20),
        LipschitzMap(lambda x, i: strength[i] / 9.0 * x * (1.0 - x), strength / 9.0),
    ]
    share = np.linspace(0.0, 1.0, 20)
    for whole in maps:
        assert isinstance(whole, AdoptionMap)
        for index in (np.array([3, 3, 17]), share > 0.5, slice(2, 19, 5)):
            some = whole.select(index)
            assert np.array_equal(some(share[index]), whole(share)[index])
            low, high = some.enclosure(0.5 * share[index], share[index])
            assert np.array_equal(low, whole.enclosure(0.5 * share, share)[0][index])
            assert np.array_equal(high, whole.enclosure(0.5 * share, share)[1][index])
        # a selection of a selection refers to the original draws
        twice = whole.select(np.array([1, 5, 9])).select(np.array([2, 0]))
        assert np.array_equal(twice(share[[9, 1]]), whole(share)[[9, 1]])


def test_leading_axes_of_a_share_are_kept() -> None:
    economies = random_economies(6, 5)
    share = np.random.default_rng(0).random((2, 3, 5))
    image = economies(share)
    assert image.shape == (2, 3, 5)
    assert np.array_equal(image[1, 2], economies(share[1, 2]))


def test_an_unknown_share_has_an_unknown_image() -> None:
    economies = random_economies(7, 3)
    image = economies(np.array([0.2, np.nan, 0.7]))
    assert np.isnan(image).tolist() == [False, True, False]
    assert np.isnan(MonotoneMap(lambda x, _: 0.5 * x, 1)(np.array([np.nan]))[0])


FIELDS = ("share", "slope", "stability", "residual", "jump", "unresolved", "converged")


def assert_same(together: SteadyStates, alone: SteadyStates, draw: int) -> None:
    columns = alone.share.shape[1]
    for name in FIELDS:
        ours, one = getattr(together, name)[draw], getattr(alone, name)[0]
        if np.ndim(ours):
            filler = ours[columns:]
            assert np.isnan(filler).all() if name in {"share", "slope", "residual"} else not filler.any()
            ours = ours[:columns]
        assert np.array_equal(ours, one, equal_nan=name in {"share", "slope", "residual"})


def test_a_batch_gives_what_each_draw_gives_alone_to_the_last_bit() -> None:
    economies = random_economies(8, 400)
    together = steady_states(economies)
    for draw in range(400):
        assert_same(together, steady_states(economies.select(np.array([draw]))), draw)


def test_a_searched_batch_gives_what_each_draw_gives_alone_to_the_last_bit() -> None:
    strength = np.random.default_rng(9).uniform(1.0, 30.0, 60)
    centre = np.random.default_rng(10).uniform(0.3, 0.7, 60)
    sigmoid = MonotoneMap(lambda x, i: 1.0 / (1.0 + np.exp(-strength[i] * (x - centre[i]))), 60)
    together = steady_states(sigmoid)
    assert len(set(together.count.tolist())) > 1
    for draw in range(60):
        assert_same(together, steady_states(sigmoid.select(np.array([draw]))), draw)


def test_chunks_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    economies = random_economies(12, 100)
    strength = np.linspace(1.0, 9.0, 100)
    sigmoid = MonotoneMap(lambda x, i: 1.0 / (1.0 + np.exp(-strength[i] * (x - 0.5))), 100)
    whole = steady_states(economies), steady_states(sigmoid)
    monkeypatch.setattr(engine, "CHUNK", 7)
    monkeypatch.setattr(engine, "SEARCH_CHUNK", 7)
    for before, after in zip(whole, (steady_states(economies), steady_states(sigmoid)), strict=True):
        assert before.completeness == after.completeness
        for name in FIELDS:
            assert np.array_equal(getattr(before, name), getattr(after, name), equal_nan=name != "jump")


# -- one method against the other -------------------------------------------------------------------------------------


@settings(derandomize=True, deadline=None, max_examples=6)
@given(seeds)
def test_interval_exclusion_finds_what_the_exact_method_finds(seed: int) -> None:
    economies = random_economies(seed, 60)
    exact = steady_states(economies)
    searched = steady_states(MonotoneMap(lambda x, i: economies.select(i)(x), 60))
    for draw in range(60):
        one = exact.share[draw][np.isfinite(exact.share[draw])]
        other = searched.share[draw][np.isfinite(searched.share[draw])]
        if searched.unresolved[draw]:
            # a near-tangency: nothing that the search does report may be wrong
            assert all(np.abs(one - state).min() < 1e-6 for state in other)
            continue
        assert other.size == one.size
        # a fixed point is known to the rounding of Γ over |1 − Γ'|
        doubt = 1e-12 / np.abs(1.0 - exact.slope[draw][: one.size])
        assert (np.abs(one - other) <= np.minimum(doubt + 1e-13, RESOLUTION)).all()
        assert searched.stability[draw][: one.size].tolist() == exact.stability[draw][: one.size].tolist()
    assert (searched.unresolved == 0).mean() > 0.9


def test_the_residual_of_the_exact_method_is_that_of_the_map() -> None:
    economies = random_economies(13, 500)
    found = steady_states(economies)
    assert found.converged.all()
    for column in range(3):
        index = np.flatnonzero(np.isfinite(found.share[:, column]))
        if index.size:
            share = found.share[index, column]
            gap = np.abs(economies.select(index)(share) - share)
            assert (gap <= 1e-12 * np.maximum(1.0, np.abs(found.slope[index, column]))).all()


def test_the_slope_of_the_exact_method_is_that_of_the_map() -> None:
    economies = random_economies(14, 300)
    found = steady_states(economies)
    for column in range(3):
        index = np.flatnonzero((found.share[:, column] > 1e-3) & (found.share[:, column] < 1.0 - 1e-3))
        if index.size:
            some, share, step = economies.select(index), found.share[index, column], 1e-6
            slope = (some(share + step) - some(share - step)) / (2.0 * step)
            # a draw whose map meets a corner within the step has a kink there
            smooth = (some(share + step) < 1.0) & (some(share - step) > 0.0)
            assert found.slope[index, column][smooth] == pytest.approx(slope[smooth], rel=1e-4, abs=1e-6)


def test_a_coarser_resolution_is_stated() -> None:
    strength = np.array([8.0])
    sigmoid = MonotoneMap(lambda x, i: 1.0 / (1.0 + np.exp(-strength[i] * (x - 0.5))), 1)
    found = steady_states(sigmoid, resolution=2.0**-10)
    assert "9.8e-04" in found.completeness
    assert found.share[0] == pytest.approx(steady_states(sigmoid).share[0], abs=1e-12)


# -- bad input --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m: steady_states(m, resolution=0.0), r"resolution = 0\.0 .*in \(0, 0\.25\].*default"),
        (lambda m: steady_states(m, resolution=0.5), r"resolution = 0\.5 "),
        (lambda m: steady_states(m, resolution=float("nan")), r"resolution = nan "),
        (lambda m: transition_path(m, 0.5, -1), r"periods = -1 .*not negative.*Remedy"),
        (lambda m: transition_path(m, 7.0, 3), r"start = 7\.0 .*share in \[0, 1\].*not percentages"),
        (lambda m: long_run(m, -0.1), r"start = -0\.1 "),
        (lambda m: long_run(m, float("nan")), r"start = nan "),
    ],
)
def test_a_bad_value_is_named_with_its_remedy(call, message: str) -> None:
    with pytest.raises(InvalidValue, match=message) as caught:
        call(MonotoneMap(lambda x, _: 0.5 * x, 2))
    assert "Remedy:" in str(caught.value)
    assert isinstance(caught.value, InputError)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("shape", [(3,), (2, 1), (1, 2)])
def test_a_start_of_another_shape_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ShapeMismatch, match=r"start has shape .*\(2,\) is expected.*one start per draw"):
        long_run(MonotoneMap(lambda x, _: 0.5 * x, 2), np.full(shape, 0.5))


def test_maps_check_what_they_are_given() -> None:
    with pytest.raises(InvalidValue, match=r"n_draws = 0 .*at least 1"):
        MonotoneMap(lambda x, _: x, 0)
    with pytest.raises(InvalidValue, match=r"n_draws = 0 "):
        LipschitzMap(lambda x, _: x, np.empty(0))
    with pytest.raises(InvalidValue, match=r"lipschitz = -1\.0 .*not negative.*bound"):
        LipschitzMap(lambda x, _: x, np.array([1.0, -1.0]))
    with pytest.raises(InvalidValue, match="lipschitz = nan "):
        LipschitzMap(lambda x, _: x, np.array([1.0, np.nan]))
    with pytest.raises(InvalidValue, match="lipschitz = inf "):
        LipschitzMap(lambda x, _: x, np.array([1.0, np.inf]))
    with pytest.raises(ShapeMismatch, match=r"lipschitz has shape \(1, 2\).*one constant per draw"):
        LipschitzMap(lambda x, _: x, np.ones((1, 2)))


def test_a_map_that_is_not_defined_everywhere_is_refused() -> None:
    # intervals on which it is NaN would otherwise count as free of fixed points
    with pytest.raises(InvalidValue, match=r"function = NaN .*every share in \[0, 1\].*corners included"):
        steady_states(MonotoneMap(lambda x, _: np.where(x > 0.3, np.nan, 0.5 * x), 1))


def test_the_search_bounds_the_intervals_that_it_keeps(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []

    def watched(x: FloatArray, _: NDArray[np.intp]) -> FloatArray:
        sizes.append(x.size)
        return x

    steady_states(MonotoneMap(watched, 1))
    assert max(sizes) <= 2 * interval_search.MAX_INTERVALS
