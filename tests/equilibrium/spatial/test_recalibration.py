"""Recalibration of many draws at once: the minima are those of one search each; failures are flagged, not dropped."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bigpush_est.equilibrium.spatial import external_draws
from bigpush_est.equilibrium.spatial.anchor import Anchor
from bigpush_est.equilibrium.spatial.calibration import PARAMETERS, CalibrationProblem, calibrate
from bigpush_est.equilibrium.spatial.external_draws import ExternalDraws
from bigpush_est.equilibrium.spatial.recalibration import Recalibration, recalibrate
from bigpush_est.errors import InvalidValue, ShapeMismatch
from bigpush_est.quantitative.study import load_quantitative_study

from .test_calibration import TRUTH, simulated_moments, small_problem

SUBSIDY = PARAMETERS.index("subsidy_rate")
OFF = np.array([1.1, 0.9, 1.05, 1.0, 0.95, 1.1, 1.02])
WEIGHT = np.array([4.0, 1.0, 1.0, 0.5, 1.0, 2.0, 1.0])


def draws(eta: Any, delta: Any, sigma: Any = 5.0, theta: Any = 4.24, xi: Any = -0.3) -> ExternalDraws:
    return ExternalDraws(*(np.array(values) for values in np.broadcast_arrays(eta, delta, sigma, theta, xi)))


def at(problem: CalibrationProblem, external: ExternalDraws, d: int) -> CalibrationProblem:
    """One draw's problem, made by hand."""
    economies = []
    for economy in problem.economies:
        xi = np.array(economy.distortion_elasticity)
        xi[problem.adopting_sector] = external.xi[d]
        economies.append(
            economy.changed(
                eta=external.eta[d],
                delta=external.delta[d],
                sigma=external.sigma[d],
                theta=external.theta[d],
                distortion_elasticity=xi,
            )
        )
    return replace(problem, economies=tuple(economies))


@pytest.fixture(scope="module")
def anchor() -> Anchor:
    problem = small_problem()
    return Anchor.of(problem, calibrate(problem, target(problem), TRUTH).parameters)


def target(problem: CalibrationProblem) -> Any:
    """Data that the model fits nowhere exactly."""
    return simulated_moments(problem, TRUTH) * OFF


EXTERNAL = draws(
    [1.25, 1.22, 1.28, 1.25, 1.30, 1.25],
    [0.68, 0.60, 0.75, 0.50, 0.90, 0.68],
    [5.0, 5.0, 4.8, 5.2, 5.0, 5.0],
    [4.24, 4.24, 4.24, 4.60, 4.24, 4.24],
    [-0.3, -0.3, -0.28, -0.3, -0.3, -0.35],
)


@pytest.fixture(scope="module")
def found(anchor: Anchor) -> Recalibration:
    return recalibrate(anchor, EXTERNAL, target(anchor.problem))


def test_the_anchor_stands_at_the_problems_own_draw(anchor: Anchor) -> None:
    own = ExternalDraws.of_problem(anchor.problem)
    at_home = recalibrate(anchor, own, target(anchor.problem))
    np.testing.assert_allclose(at_home.parameters[0], anchor.parameters, rtol=1e-6)


def agree(
    problem: CalibrationProblem, data: Any, starts: list[Any], found: Recalibration, d: int, **options: Any
) -> None:
    """SciPy's least squares finds the same minimum; on a kink, where either stops a little way from it, the same Q."""
    tries = [calibrate(problem, data, start, tolerance=1e-13, max_evaluations=300, **options) for start in starts]
    one = min(tries, key=lambda tried: tried.criterion)
    assert found.converged[d]
    assert found.criterion[d] == pytest.approx(one.criterion, rel=1e-3)
    if found.status[d] == "minimum":
        np.testing.assert_allclose(found.parameters[d], one.parameters, rtol=1e-6)
        np.testing.assert_allclose(found.moments[d], one.moments, rtol=1e-6)


def test_minima_are_those_of_one_search_each(anchor: Anchor, found: Recalibration) -> None:
    """SciPy's least squares from the anchor, draw by draw."""
    assert found.criterion.min() > 1e-4, "data that fit exactly would make this test easy"
    assert (found.status == "minimum").sum() >= 4
    for d in (0, 3, 4, 5):
        agree(at(anchor.problem, EXTERNAL, d), target(anchor.problem), [anchor.parameters], found, d)
        np.testing.assert_allclose(found.inversions[2].economy.kappa[d], found.parameters[d, 4], rtol=1e-12)


def test_weights_and_held_parameters(anchor: Anchor) -> None:
    rates = np.array([0.03, 0.12])
    external = EXTERNAL.select(np.array([0, 2]))
    found = recalibrate(anchor, external, target(anchor.problem), weight=WEIGHT, fixed={"subsidy_rate": rates})
    np.testing.assert_allclose(found.parameters[:, SUBSIDY], rates, rtol=1e-12)
    for d in range(2):
        # with few free parameters there are several minima: SciPy may also start from ours
        agree(
            at(anchor.problem, external, d), target(anchor.problem), [anchor.parameters, found.parameters[d]], found, d,
            weight=WEIGHT, fixed={"subsidy_rate": rates[d]},
        )  # fmt: skip


def test_a_subsidy_that_is_held_at_zero(anchor: Anchor) -> None:
    external = EXTERNAL.select(np.arange(1))
    found = recalibrate(anchor, external, target(anchor.problem), fixed={"subsidy_rate": 0.0})
    assert found.converged[0]
    assert found.parameters[0, SUBSIDY] < 1e-15
    assert found.inversions[2].equilibrium.subsidies[0] < 1e-12


def test_draws_do_not_depend_on_their_neighbours(anchor: Anchor, found: Recalibration) -> None:
    """To rounding: products of matrices of other sizes may differ in the last bits."""
    alone = recalibrate(anchor, EXTERNAL.select(np.array([3])), target(anchor.problem))
    assert alone.status[0] == found.status[3]
    np.testing.assert_allclose(alone.parameters[0], found.parameters[3], rtol=1e-6)


def test_the_same_call_gives_the_same_bits(anchor: Anchor, found: Recalibration) -> None:
    again = recalibrate(anchor, EXTERNAL, target(anchor.problem))
    np.testing.assert_array_equal(again.parameters, found.parameters)
    np.testing.assert_array_equal(again.evaluations, found.evaluations)


def test_impossible_draws_are_flagged_and_the_others_kept(anchor: Anchor, found: Recalibration) -> None:
    """σ below 1, η that is no number, ρ below 0; and one whose inversion has no solution in numbers."""
    external = draws(
        [1.25, 1.25, np.nan, 1.25, 1.22, 1.25],
        [0.68, 0.68, 0.68, 0.68, 0.60, 900.0],
        [5.0, 0.9, 5.0, 5.0, 5.0, 5.0],
        xi=[-0.3, -0.3, -0.3, -0.95, -0.3, -0.3],
    )
    mixed = recalibrate(anchor, external, target(anchor.problem))
    assert mixed.status[1:4].tolist() == ["undefined"] * 3
    assert not mixed.converged[5]
    assert mixed.converged[[0, 4]].all()
    assert np.isnan(mixed.parameters[1:4]).all()
    np.testing.assert_allclose(mixed.parameters[[0, 4]], found.parameters[[0, 1]], rtol=1e-6)
    assert mixed.inversions[0].equilibrium.converged[mixed.usable].all()


def test_failed_trials_are_halved(monkeypatch: pytest.MonkeyPatch, anchor: Anchor, found: Recalibration) -> None:
    """Trials far from the anchor fail to invert: the search comes by the same minimum in shorter steps."""
    calls, whole = [0], external_draws.Trials.__call__

    def failing(self: Any, rows: Any, parameters: Any, points: Any) -> Any:
        model, good, ends = whole(self, rows, parameters, points)
        calls[0] += 1
        return model, good & (calls[0] not in (1, 4)), ends

    monkeypatch.setattr(external_draws.Trials, "__call__", failing)
    again = recalibrate(anchor, EXTERNAL.select(np.array([1])), target(anchor.problem))
    assert calls[0] > 5
    np.testing.assert_allclose(again.parameters[0], found.parameters[1], rtol=1e-6)


def test_a_search_that_runs_out_of_evaluations_says_so(anchor: Anchor) -> None:
    found = recalibrate(anchor, EXTERNAL.select(np.array([4])), target(anchor.problem), max_evaluations=2)
    assert found.status[0] == "evaluations"
    assert not found.converged[0]
    assert found.usable[0]
    assert np.isfinite(found.parameters).all()


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"fixed": {"theta": 4.0}}, InvalidValue, "adoption_cost"),
        ({"fixed": {"subsidy_rate": np.zeros(4)}}, ShapeMismatch, "one value per draw"),
        ({"fixed": {"kappa": 0.9}}, InvalidValue, "kappa"),
        ({"start": np.full(6, -1.0)}, InvalidValue, "adoption_cost"),
    ],
)
def test_bad_input_is_refused(anchor: Anchor, options: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        recalibrate(anchor, EXTERNAL.select(np.arange(2)), target(anchor.problem), **options)


def test_a_target_of_zero_is_refused(anchor: Anchor) -> None:
    with pytest.raises(InvalidValue, match="target"):
        recalibrate(anchor, EXTERNAL, np.zeros(7))
    with pytest.raises(ShapeMismatch, match="one value per draw"):
        ExternalDraws(*(np.ones(n) for n in (2, 2, 3, 2, 2)))


@pytest.mark.validate
def test_minima_of_the_shipped_economy() -> None:
    """Four draws of 86 regions against one search each; and restarts, which show how local the minima are."""
    study = load_quantitative_study(Path(__file__).parents[3] / "models" / "korea.toml")
    problem, data = study.problem(), study.target()
    point = calibrate(problem, data, study.starts()[0], tolerance=1e-13).parameters
    anchor = Anchor.of(problem, point)
    external = draws([1.32, 1.25, 1.22, 1.35], [0.70, 0.45, 0.58, 0.60])
    found = recalibrate(anchor, external, data)
    for d in range(external.n_draws):
        print(found.status[d], found.evaluations[d], found.parameters[d])
        agree(at(problem, external, d), data, [point], found, d)
