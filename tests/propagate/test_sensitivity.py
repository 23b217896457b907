"""Sensitivity from draws, against posteriors whose answer to other evidence is known in closed form."""

import numpy as np
import pytest
from scipy import stats

from bigpush_est.errors import InvalidValue, ShapeMismatch
from bigpush_est.propagate.sensitivity import (
    breakdown_of_estimate,
    explained_share,
    gaussian_log_likelihood,
    power_scaling,
    reweighted,
    sensitivity_to_estimates,
    value_of_knowing,
    worst_case_correlation,
)

DRAWS = 40_000
#: Two estimates of (θ_1, θ_2) through m(θ) = Mθ, and a normal prior: everything below is conjugate.
MAP = np.array([[4.0, 0.5], [0.0, 3.0]])
ESTIMATES = np.array([0.9, 2.7])
COVARIANCE = np.array([[0.06, 0.05], [0.05, 0.5]])
PRIOR = np.diag([0.5**2, 1.0])


def posterior(estimates=ESTIMATES, covariance=COVARIANCE, prior=PRIOR):
    precision = np.linalg.inv(prior) + MAP.T @ np.linalg.inv(covariance) @ MAP
    spread = np.linalg.inv(precision)
    return spread @ MAP.T @ np.linalg.inv(covariance) @ estimates, spread


@pytest.fixture(scope="module")
def draws():
    mean, spread = posterior()
    return np.random.default_rng(7).multivariate_normal(mean, spread, DRAWS)


def test_sensitivity_matrix_is_that_of_the_conjugate_posterior(draws):
    slope = posterior()[1] @ MAP.T @ np.linalg.inv(COVARIANCE) * np.sqrt(np.diag(COVARIANCE))
    for k in range(2):
        found = sensitivity_to_estimates(draws[:, k], draws @ MAP.T, COVARIANCE)
        for j in range(2):
            assert abs(found[j].value - slope[k, j]) < 4.5 * found[j].mcse
            assert found[j].mcse < 0.02 * np.abs(slope[k]).max()


def test_sensitivity_of_a_probability_is_the_slope_of_the_normal_distribution(draws):
    mean, spread = posterior()
    cut, sd = mean[1] + 0.3 * np.sqrt(spread[1, 1]), np.sqrt(spread[1, 1])
    slope = posterior()[1][1] @ MAP.T @ np.linalg.inv(COVARIANCE) * np.sqrt(np.diag(COVARIANCE))
    exact = stats.norm.pdf((cut - mean[1]) / sd) / sd * slope
    found = sensitivity_to_estimates((draws[:, 1] > cut).astype(float), draws @ MAP.T, COVARIANCE)
    for one, value in zip(found, exact, strict=True):
        assert abs(one.value - value) < 4.5 * one.mcse


def test_power_scaling_of_the_prior_is_the_derivative_of_the_conjugate_posterior(draws):
    log_prior = stats.multivariate_normal(np.zeros(2), PRIOR).logpdf(draws)
    step = 1e-5
    up, down = (posterior(prior=PRIOR / (1.0 + sign * step))[0] for sign in (1, -1))
    exact = (up - down) / (2.0 * step) * np.log(2.0)
    for k in range(2):
        (found,) = power_scaling(draws[:, k], log_prior)
        assert abs(found.value - exact[k]) < 4.5 * found.mcse


def test_explained_shares_of_a_sum_add_up_and_an_idle_parameter_explains_nothing():
    rng = np.random.default_rng(1)
    one, two, idle = rng.normal(size=(3, DRAWS))
    h = 2.0 * one + two
    found = [explained_share(h, theta) for theta in (one, two, idle)]
    for share, exact in zip(found, (0.8, 0.2, 0.0), strict=True):
        # within cells the parameter still varies: with 34 cells that costs about a hundredth of its share
        assert abs(share.value - exact) < 4.0 * share.mcse + 0.012
    assert explained_share(h, np.zeros(DRAWS)).value == 0.0


def test_explained_share_sees_a_relation_that_is_no_line():
    rng = np.random.default_rng(2)
    theta = rng.normal(size=DRAWS)
    assert explained_share(theta**2, theta).value > 0.95
    assert np.corrcoef(theta**2, theta)[0, 1] ** 2 < 0.01


def test_one_draw_that_is_unlike_all_others():
    event = np.ones(300)
    event[17] = 0.0
    theta = np.random.default_rng(4).normal(size=300)
    for found in (explained_share(event, theta), value_of_knowing(event, theta)):
        assert np.isfinite([found.value, found.mcse]).all()


def test_value_of_knowing():
    rng = np.random.default_rng(3)
    theta, noise = rng.normal(size=(2, DRAWS))
    event = (theta + noise > 0.0).astype(float)
    # p_k = Φ(θ): E max(p_k, 1 − p_k) − 1/2 = 1/4
    found = value_of_knowing(event, theta)
    assert abs(found.value - 0.25) < 4.0 * found.mcse + 0.01
    # nothing to learn where the call is the same whatever θ is
    sure = (rng.uniform(size=DRAWS) < 0.95).astype(float)
    useless = value_of_knowing(sure, theta)
    assert abs(useless.value) < 0.002
    assert value_of_knowing(np.ones(DRAWS), theta).value == 0.0


def test_weights_reach_nearby_evidence_and_say_where_they_do_not(draws):
    base = gaussian_log_likelihood(ESTIMATES, draws @ MAP.T, COVARIANCE)
    exact = stats.multivariate_normal(ESTIMATES, COVARIANCE).logpdf(draws @ MAP.T)
    np.testing.assert_allclose(base, exact, atol=1e-9)
    near = ESTIMATES + np.array([0.1, 0.5])
    found = reweighted(draws[:, 1], gaussian_log_likelihood(near, draws @ MAP.T, COVARIANCE) - base)
    assert found.reached
    assert abs(found.value - posterior(near)[0][1]) < 4.5 * found.mcse
    far = reweighted(draws[:, 1], 400.0 * draws[:, 1] ** 2)
    assert not far.reached
    same = reweighted(draws[:, 1], np.zeros(DRAWS))
    assert same.value == pytest.approx(draws[:, 1].mean())
    assert same.effective_draws == DRAWS


def test_breakdown_of_an_estimate_is_the_shift_at_which_the_median_reaches_the_cut(draws):
    mean, spread = posterior()
    cut = mean[1] + 0.8 * np.sqrt(spread[1, 1])
    event = (draws[:, 1] > cut).astype(float)
    slope = (posterior()[1] @ MAP.T @ np.linalg.inv(COVARIANCE) * np.sqrt(np.diag(COVARIANCE)))[1, 1]
    found = breakdown_of_estimate(event, ESTIMATES, draws @ MAP.T, COVARIANCE, 1)
    assert found.shift == pytest.approx((cut - mean[1]) / slope, abs=0.05)
    assert found.reach[0] < 0.0 < found.reach[1]
    never = breakdown_of_estimate(np.zeros(DRAWS), ESTIMATES, draws @ MAP.T, COVARIANCE, 1)
    assert np.isnan(never.shift)


def test_worst_case_correlation_follows_the_conjugate_posterior(draws):
    independent = np.diag(np.diag(COVARIANCE))
    mean, spread = posterior(covariance=independent)
    sample = np.random.default_rng(11).multivariate_normal(mean, spread, DRAWS)
    rows = worst_case_correlation(sample[:, 0], ESTIMATES, sample @ MAP.T, independent, (0, 1), (-0.5, 0.0, 0.5, 1.0))
    assert rows["correlation"] == [-0.5, 0.0, 0.5]  # at 1 the covariance is singular
    for rho, value, mcse in zip(rows["correlation"], rows["value"], rows["mcse"], strict=True):
        changed = independent.copy()
        changed[0, 1] = changed[1, 0] = rho * np.sqrt(independent[0, 0] * independent[1, 1])
        assert abs(value - posterior(covariance=changed)[0][0]) < 4.5 * mcse


@pytest.mark.parametrize(
    ("work", "kind", "words"),
    [
        (lambda h: explained_share(h, np.zeros(3)), ShapeMismatch, "parameter"),
        (lambda h: explained_share(h[:20], h[:20]), InvalidValue, "propagate more draws"),
        (lambda h: explained_share(np.where(h > 2, np.nan, h), h), InvalidValue, "say how many"),
        (lambda h: value_of_knowing(h, h), InvalidValue, "indicator"),
        (lambda h: sensitivity_to_estimates(h, h, np.eye(2)), ShapeMismatch, "covariance"),
    ],
)
def test_bad_input_is_refused(work, kind, words):
    with pytest.raises(kind, match=words):
        work(np.random.default_rng(0).normal(size=1000))
