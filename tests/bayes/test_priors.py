"""PyMC's and SciPy's forms of each prior are two implementations of one density."""

import numpy as np
import pytest

from bigpush_est.bayes.priors import FAMILIES, PARAMETERS, Prior

CASES = [
    ("delta", {"family": "half_normal", "scale": 0.7}, [0.01, 0.5, 2.0]),
    ("subsidy", {"family": "half_normal", "scale": 0.4}, [0.01, 0.5, 0.99]),
    ("delta", {"family": "exponential", "scale": 0.6}, [0.01, 0.5, 2.0]),
    ("delta", {"family": "log_normal", "median": 0.5, "log_sd": 0.8}, [0.01, 0.5, 2.0]),
    ("delta", {"family": "gamma", "shape": 2.0, "scale": 0.4}, [0.01, 0.5, 2.0]),
    ("subsidy", {"family": "beta", "a": 1.5, "b": 8.0}, [0.01, 0.3, 0.9]),
    ("delta", {"family": "uniform", "low": 0.1, "high": 2.5}, [0.2, 0.5, 2.0]),
    ("delta", {"family": "normal", "mean": 0.4, "sd": 0.5}, [0.01, 0.5, 2.0]),
    ("sigma", {"family": "normal", "mean": 4.0, "sd": 1.5}, [2.01, 4.0, 9.0]),
    ("subsidy", {"family": "normal", "mean": 0.2, "sd": 0.5}, [0.01, 0.3, 0.9]),
]


@pytest.mark.parametrize(("parameter", "table", "points"), CASES, ids=[f"{c[0]}-{c[1]['family']}" for c in CASES])
def test_pymc_and_scipy_agree(parameter, table, points):
    import pymc as pm

    prior = Prior.parse(parameter, table)
    with pm.Model():
        # as the model does: a bare Python float could be read in single precision
        numbers = pm.Data("numbers", np.array(prior.numbers))
        variable = prior.variable([numbers[i] for i in range(len(prior.numbers))])
    ours = prior.frozen().logpdf(points)
    theirs = pm.logp(variable, np.array(points)).eval()
    # PyMC's truncation constants are good to about 1e-8; a constant moves no posterior
    np.testing.assert_allclose(theirs, ours, rtol=1e-7, atol=1e-7)
    # the density integrates to one over the support
    low, high = PARAMETERS[parameter].low, PARAMETERS[parameter].high
    assert prior.frozen().cdf(high) - prior.frozen().cdf(low) == pytest.approx(1.0, abs=1e-12)


def test_every_family_is_covered():
    assert {case[1]["family"] for case in CASES} | {"fixed"} == set(FAMILIES)


def test_description_names_every_number():
    assert Prior.parse("delta", {"family": "gamma", "shape": 2, "scale": 0.4}).describe() == "gamma(shape=2, scale=0.4)"
