"""Mapping exponents, the tail that ξ is inferred from, and several columns as one estimate."""

from dataclasses import replace

import numpy as np
import pytest

from bigpush_est.bayes.evidence import inferred_xi, pooled_estimate
from bigpush_est.errors import InvalidValue
from bigpush_est.study import load_study


@pytest.mark.parametrize(
    ("exponent", "expected"),
    [("undistorted", 4.0), ("kept", 2.5), ("gross_published_xi", 2.8), ("gross_reinferred_xi", 2.5)],
)
def test_exponents_at_published_parameters(exponent, expected):
    evidence = replace(load_study("published").evidence(), exponent=exponent)
    constant, slope = evidence.exponent_weights
    assert 4.0 * (constant + slope * 1.06) == pytest.approx(expected)


@pytest.mark.parametrize("sigma", [3.0, 5.0, 8.0])
@pytest.mark.parametrize("ratio", [1.06, 1.3])
def test_xi_is_inferred_from_the_tail_again(sigma, ratio):
    """θ/(exponent of recorded sales) is the observed tail whatever σ and θ are."""
    base = load_study("published").evidence()
    theta = ratio * (sigma - 1.0)
    kept = inferred_xi("kept", sigma, theta, base.tail_index, base.xi)
    gross = inferred_xi("gross_reinferred_xi", sigma, theta, base.tail_index, base.xi)
    assert theta / (sigma * (1.0 + kept) - 1.0) == pytest.approx(base.tail_index)
    assert theta / ((sigma - 1.0) * (1.0 + gross)) == pytest.approx(base.tail_index)
    constant, slope = replace(base, exponent="kept").exponent_weights
    assert (sigma - 1.0) * (constant + slope * ratio) == pytest.approx(sigma * (1.0 + kept) - 1.0)


def test_published_xi_comes_back():
    base = load_study("published").evidence()
    assert inferred_xi("kept", 5.0, 4.24, base.tail_index, base.xi) == pytest.approx(-0.30)
    assert inferred_xi("gross_reinferred_xi", 5.0, 4.24, base.tail_index, base.xi) == pytest.approx(-0.375)


def test_joint_estimate_is_generalised_least_squares():
    values, errors = np.array([3.19, 2.70, 2.45]), np.array([0.74, 0.73, 0.77])
    estimate, error, _ = pooled_estimate(list(values), list(errors), "joint", 0.8)
    covariance = np.outer(errors, errors) * (0.8 + 0.2 * np.eye(3))
    precision = np.linalg.inv(covariance)
    ones = np.ones(3)
    assert error**2 == pytest.approx(1.0 / (ones @ precision @ ones))
    assert estimate == pytest.approx(ones @ precision @ values / (ones @ precision @ ones))


def test_average_takes_the_worst_correlation():
    values, errors = [3.0, 2.0, 2.5], np.array([0.8, 0.6, 0.7])
    _, error, rule = pooled_estimate(values, list(errors), "average", 0.0)
    assert "worst-case" in rule
    for correlation in np.linspace(-0.49, 1.0, 20):
        covariance = np.outer(errors, errors) * (correlation + (1 - correlation) * np.eye(3))
        assert np.sqrt(covariance.sum()) / 3 <= error + 1e-12


def test_worst_average_of_published_columns():
    """Columns 2 to 8 average 2.78, the paper's "2.7" is columns 3 to 8 (2.715) or column 3."""
    changes = {"evidence.spillover.columns": [2, 3, 4, 5, 6, 7, 8], "evidence.spillover.combine": "average"}
    assert load_study("published", changes).evidence().spillover[0] == pytest.approx(2.783, abs=1e-3)


def test_impossible_correlation_is_refused():
    with pytest.raises(InvalidValue, match="within_correlation"):
        pooled_estimate([1.0, 2.0, 3.0], [1.0, 1.0, 1.0], "joint", -0.6)
