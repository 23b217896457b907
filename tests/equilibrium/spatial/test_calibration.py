"""Calibration (eq. (5.1)): known parameters come back, derivatives and smoothing are right, failure is no success."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from bigpush_est.data.korea import build_korea
from bigpush_est.equilibrium.spatial.calibration import Calibration, CalibrationProblem, Evaluator, calibrate, moments
from bigpush_est.equilibrium.spatial.inversion import Inversion, invert
from bigpush_est.errors import InvalidValue
from bigpush_est.quantitative.problem import calibration_problem

from .test_inversion import simulate

#: F^T, F^x of light and heavy, s̄, κ, τ̄
TRUTH = np.array([0.15, 0.10, 0.03, 0.065, 1.9, 0.9])
REGIONS = 5


def small_problem(seed: int = 0, regions: int = REGIONS, **options: Any) -> CalibrationProblem:
    """A problem whose targets of inversion come from an economy, and whose moments are left to the test."""
    truth = simulate(seed, regions)
    return CalibrationProblem(
        economies=tuple(truth.guess(t) for t in range(3)),
        targets=tuple(truth.targets),
        initial_share=truth.lags[0],
        subsidised=(np.arange(regions) < regions // 2).astype(np.float64),
        **({"bandwidth": 0.1} | options),
    )


def simulated_moments(problem: CalibrationProblem, parameters: Any) -> Any:
    found, good, _ = Evaluator(problem).moments(np.atleast_2d(parameters))
    assert good.all()
    return found[0]


@pytest.fixture(scope="module")
def calibrated() -> Calibration:
    """Data that the model fits nowhere exactly: moments at the truth, each a little off."""
    problem = small_problem()
    target = simulated_moments(problem, TRUTH) * np.array([1.1, 0.9, 1.05, 1.0, 0.95, 1.1, 1.02])
    return calibrate(problem, target, TRUTH * 1.05)


def criterion(found: Calibration, parameters: Any) -> Any:
    model, good, _ = Evaluator(found.problem).moments(parameters)
    assert good.all()
    return ((model / found.target - 1.0) ** 2).sum(axis=1)


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("period", [None, 2])
def test_parameters_come_back_from_their_moments(seed: int, period: int | None) -> None:
    problem = small_problem(seed, region_share_period=period)
    target = simulated_moments(problem, TRUTH)
    start = TRUTH * np.array([0.8, 1.2, 0.9, 1.2, 1.05, 0.97])
    found = calibrate(problem, target, start)
    assert found.converged
    np.testing.assert_allclose(found.parameters, TRUTH, rtol=1e-6)
    assert found.criterion < 1e-12
    np.testing.assert_allclose(found.moments, target, rtol=1e-6)


def test_jacobian_is_that_of_separate_inversions() -> None:
    """Elasticities by central differences of other steps, each point inverted anew and from scratch.

    They are taken where moments are smooth.  A minimum of a criterion with kinks (regions that enter, cutoffs that
    leave the distribution) may lie on one, where the derivative depends on the step.
    """
    problem = small_problem()
    calibrated = calibrate(problem, simulated_moments(problem, TRUTH), TRUTH * 1.01)

    def from_scratch(parameters: Any) -> Any:
        found: list[Inversion] = []
        for period, targets in enumerate(problem.targets):
            economy = problem.economy(period, parameters[None])
            lag = found[-1].equilibrium.adopter_share if found else problem.initial_share
            reference = found[0].levels if found else None
            found.append(
                invert(economy, lag, targets, numeraire=problem.numeraire, reference=reference, tolerance=1e-12)
            )
        return moments(problem, found)[0]

    step = 1e-4
    for i in range(6):
        change = np.ones(6)
        change[i] += step
        up = from_scratch(calibrated.parameters * change)
        change[i] -= 2 * step
        down = from_scratch(calibrated.parameters * change)
        slope = (up - down) / (2 * step) / calibrated.moments
        np.testing.assert_allclose(calibrated.jacobian[:, i], slope, rtol=2e-4, atol=1e-5)


def test_the_minimum_is_below_its_neighbours(calibrated: Calibration) -> None:
    assert calibrated.converged
    assert calibrated.criterion > 1e-4, "data that fit exactly would make this test easy"
    rng = np.random.default_rng(0)
    distance = rng.choice([1e-3, 1e-2, 5e-2], (30, 1))
    nearby = calibrated.parameters * np.exp(distance * rng.normal(size=(30, 6)))
    nearby[:, 4] = np.maximum(nearby[:, 4], 1.05)
    assert (criterion(calibrated, nearby) >= calibrated.criterion).all()
    assert criterion(calibrated, calibrated.parameters[None])[0] == pytest.approx(calibrated.criterion, rel=1e-6)


def test_the_smoothed_share_of_regions_tends_to_the_count() -> None:
    problem = small_problem(2, 8)
    inversions = Evaluator(problem).invert(TRUTH[None])
    exact = moments(problem, inversions, smooth=False)[0]
    count = np.mean([(one.equilibrium.adopter_share[0, 2] > 0.0).mean() for one in inversions])
    assert exact[3] == pytest.approx(count)
    assert 0.0 < count < 1.0
    gaps = []
    for bandwidth in (0.3, 0.1, 0.03, 0.01, 1e-3, 1e-6):
        smooth = moments(replace(problem, bandwidth=bandwidth), inversions)[0]
        gaps.append(abs(smooth[3] - exact[3]))
        np.testing.assert_array_equal(np.delete(smooth, 3), np.delete(exact, 3))
    assert gaps[-1] < 1e-12
    assert gaps[0] > gaps[2] > gaps[-1]


def test_weights_move_the_minimum_towards_their_moments() -> None:
    problem = small_problem()
    target = simulated_moments(problem, TRUTH) * np.array([1.1, 0.9, 1.05, 1.0, 0.95, 1.1, 1.02])
    weight = np.array([100.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0])
    even, heavy = calibrate(problem, target, TRUTH), calibrate(problem, target, TRUTH, weight=weight)
    gaps = [abs(one.moments[0] / target[0] - 1.0) for one in (even, heavy)]
    assert gaps[1] < gaps[0]
    model = (weight * (heavy.moments / target - 1.0) ** 2).sum()
    assert heavy.criterion == pytest.approx(model, rel=1e-6)


def hasty(*values: Any, **options: Any) -> Inversion:
    return invert(*values, **(options | {"max_iterations": 120}))


def test_a_start_that_cannot_be_inverted_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = small_problem()
    mass = problem.economies[0].firm_mass.copy()
    mass[1, 0] = 0.0  # where the data have output
    broken = replace(problem, economies=(problem.economies[0].changed(firm_mass=mass), *problem.economies[1:]))
    monkeypatch.setattr("bigpush_est.equilibrium.spatial.calibration.invert", hasty)
    _, good, _ = Evaluator(broken).moments(TRUTH[None])
    assert not good[0]
    with pytest.raises(InvalidValue, match="start"):
        calibrate(broken, np.full(7, 0.2), TRUTH)


def test_failed_inversions_are_no_success(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a good start every trial fails: the search may end, but not as a success."""
    problem = small_problem()
    model, good, inversions = Evaluator(problem).moments(TRUTH[None])
    calls = 0

    def failing(self: Evaluator, parameters: Any) -> Any:
        nonlocal calls
        calls += 1
        rows = len(parameters)
        noise = np.random.default_rng(calls).uniform(0.9, 1.1, (rows, 7))
        return noise * model, np.full(rows, calls == 1), inversions

    monkeypatch.setattr(Evaluator, "moments", failing)
    found = calibrate(problem, 1.1 * model[0], TRUTH, max_evaluations=10)
    assert good[0]
    assert calls > 2
    assert not found.converged


def test_one_failed_draw_is_flagged_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sector that nobody can export from, though the target says that it exports."""
    monkeypatch.setattr("bigpush_est.equilibrium.spatial.calibration.invert", hasty)
    problem = small_problem()
    trial = np.stack([TRUTH, TRUTH, TRUTH])
    trial[1, 1] = 1e9
    evaluator = Evaluator(problem)
    evaluator.invert(TRUTH[None])
    _, good, _ = evaluator.moments(trial)
    assert good.tolist() == [True, False, True]


@pytest.mark.validate
def test_parameters_come_back_with_86_regions() -> None:
    bundle = build_korea()
    problem = calibration_problem(bundle, region_share_period=2)
    truth = np.array([0.022, 0.211, 0.03, 0.065, 1.5, 0.9])
    target = simulated_moments(problem, truth)
    found = calibrate(problem, target, truth * np.array([0.9, 1.1, 0.95, 1.1, 1.02, 0.98]))
    print(f"{found.evaluations} evaluations, criterion {found.criterion:.1e}, {found.parameters / truth - 1.0}")
    assert found.converged
    np.testing.assert_allclose(found.parameters, truth, rtol=1e-6)
