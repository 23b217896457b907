"""P(event | δ held), propagated, against the answer under other estimates, by weights: two ways to one curve."""

from typing import Any

import numpy as np
import pytest
from scipy.stats import truncnorm

from bigpush_est.equilibrium.spatial.calibration import calibrate
from bigpush_est.propagate.sensitivity import breakdown_of_estimate
from bigpush_est.propagate.spatial import SpatialSetting, propagate_spatial
from bigpush_est.quantitative.problem import ExternalParameters, calibration_problem

from ..small_economy import MOMENTS, small_economy

pytestmark = pytest.mark.validate

#: Estimates and standard errors as published, with e = σ − 1 = 4; half-normal priors of scale 0.5 and 1.
ESTIMATES, ERRORS, EXPONENT, SCALES = np.array([0.9, 2.7]), np.array([0.24, 0.73]), 4.0, np.array([0.5, 1.0])
START = np.array([0.02, 0.25, 0.03, 0.06, 1.7, 0.88])
DRAWS, HELD, VALUES = 240, 16, 13


def posterior(k: int, shift: float = 0.0) -> Any:
    """Return log η's (k = 0) or δ's (k = 1) exact posterior, the estimate moved by so many standard errors."""
    estimate = ESTIMATES[k] + shift * ERRORS[k]
    precision = 1.0 / SCALES[k] ** 2 + (EXPONENT / ERRORS[k]) ** 2
    mean = EXPONENT * estimate / ERRORS[k] ** 2 / precision
    return truncnorm(-mean * np.sqrt(precision), np.inf, loc=mean, scale=precision**-0.5)


@pytest.fixture(scope="module")
def setting() -> SpatialSetting:
    """Return the small economy, calibrated at the medians with the subsidy held."""
    external = ExternalParameters(eta=float(np.exp(posterior(0).median())), delta=float(posterior(1).median()))
    bundle, target = small_economy(), np.array(list(MOMENTS.values()))
    problem = calibration_problem(bundle, external, region_share_period=2)
    point = calibrate(problem, target, START, fixed={"subsidy_rate": 0.06}, max_evaluations=60)
    options: dict[str, Any] = {"scenarios": False, "smallest_push": False, "random_starts": 0}
    return SpatialSetting(
        bundle, external, point.parameters, target, fixed={"subsidy_rate": 0.06}, region_share_period=2, **options
    )


def propagated(setting: SpatialSetting, log_eta: Any, delta: Any) -> Any:
    draws = {"log_eta": log_eta, "delta": delta, "subsidy": np.full(log_eta.size, 0.06)}
    draws |= {"sigma": np.full(log_eta.size, 5.0), "pareto_ratio": np.full(log_eta.size, 1.06)}
    found = propagate_spatial(draws, setting)
    assert found["converged"].mean() > 0.98
    return found


def test_held_values_averaged_over_a_posterior_are_the_answer_by_weights(setting: SpatialSetting) -> None:
    rng = np.random.default_rng(7)
    log_eta, delta = (posterior(k).rvs(DRAWS, random_state=rng) for k in (0, 1))
    main = propagated(setting, log_eta, delta)
    low, high = (float(end) for end in posterior(1).ppf([0.001, 0.999]))
    values = np.linspace(low, high, VALUES)
    others = posterior(0).ppf((np.arange(HELD) + 0.5) / HELD)  # equally probable: little is left to chance
    held = {v: propagated(setting, others, np.full(HELD, v)) for v in values}

    for event in ("multiple", "moved"):
        curve = np.array([held[v][event].mean() for v in values])
        by_weights = breakdown_of_estimate(
            main[event].astype(float),
            ESTIMATES,
            EXPONENT * np.column_stack([log_eta, delta]),
            np.diag(ERRORS**2),
            1,
            shifts=np.linspace(-2.0, 1.0, 13).tolist(),
        )
        fine = np.linspace(values[0], values[-1], 2001)
        chance = np.interp(fine, values, curve)
        averaged = []
        for shift, reweighted in by_weights.curve:
            density = posterior(1, shift).pdf(fine)
            averaged.append(float((density * chance).sum() / density.sum()))
            # 240 weighted draws on one side, a line between 13 held values on the other
            assert averaged[-1] == pytest.approx(reweighted, abs=0.1), (event, shift)
        if event == "multiple":  # which crosses one half within the draws' reach
            crossed = float(np.interp(0.5, averaged, [shift for shift, _ in by_weights.curve]))
            assert crossed == pytest.approx(by_weights.shift, abs=0.35)
