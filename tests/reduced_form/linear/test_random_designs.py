"""Random designs: pyfixest under fixest's rule, linearmodels with dummies and without small-sample factors.

A short set runs with the tests; ``pytest -m validate`` runs 240, and prints the largest differences.
"""

import numpy as np
import pytest

from bigpush_est.reduced_form.linear.results import Regression

from .random_designs import by_linearmodels, by_pyfixest, ours, random_design

COEFFICIENTS, ERRORS = 1e-8, 1e-6


def differences(fit: Regression, names: list[str], coefficients: np.ndarray, errors: np.ndarray) -> tuple[float, float]:
    """Largest differences: of coefficients relative to the larger of them and their errors, of errors relatively.

    A covariance that is not positive semi-definite is compared before its repair; a variance that nearly cancels
    between the dimensions, relative to that of the first dimension alone.
    """
    place = [fit.position(name) for name in names]
    raw = np.diag(fit.covariance.unrepaired)[place]
    own = fit.coefficients[place]
    with np.errstate(invalid="ignore"):
        mine = np.sqrt(raw)
    known = np.isfinite(mine)
    np.testing.assert_array_equal(known, np.isfinite(errors))
    scale = np.maximum(np.abs(coefficients), np.where(known, np.nan_to_num(errors), 0.0))
    first = fit.influence[:, place]
    if fit.cluster_names:
        label = fit.labels[fit.cluster_names[0]].to_numpy()
        codes = np.unique(label.astype(str), return_inverse=True)[1]
        first = np.array([np.bincount(codes, column) for column in first.T]).T
    one_way = np.sqrt(np.sum(first**2, axis=0))
    size = np.maximum(errors, 1e-3 * one_way)[known]
    gap = np.abs(mine[known] - errors[known]) / size
    return float(np.max(np.abs(own - coefficients) / scale)), float(gap.max()) if known.any() else 0.0


def compare(seed: int) -> dict[str, tuple[float, float]]:
    design = random_design(seed)
    coefficients, errors = by_linearmodels(design)
    kept = [name for name in coefficients.index if name in (*design.exogenous, *design.endogenous)]
    found = {}
    fit = ours(design, "none")
    assert sorted(name for name in fit.names if name != "Intercept") == sorted(kept), design.describe()
    found["linearmodels"] = differences(fit, kept, coefficients[kept].to_numpy(), errors[kept].to_numpy())
    table = by_pyfixest(design)
    if table is not None and sorted(name for name in table.index if name != "Intercept") == sorted(kept):
        part = table.loc[kept]
        found["pyfixest"] = differences(
            ours(design, "fixest"), kept, part["Estimate"].to_numpy(), part["Std. Error"].to_numpy()
        )
    for who, (gap, of_errors) in found.items():
        assert gap < COEFFICIENTS, f"{seed} {who}: coefficients {gap:.1e}; {design.describe()}"
        assert of_errors < ERRORS, f"{seed} {who}: standard errors {of_errors:.1e}; {design.describe()}"
    return found


@pytest.mark.parametrize("seed", range(18))
def test_a_random_design_is_estimated_as_others_do(seed):
    assert "linearmodels" in compare(seed)


def test_the_short_set_has_something_of_everything():
    designs = [random_design(seed) for seed in range(18)]
    assert {design.method for design in designs} == {"OLS", "2SLS", "LIML"}
    assert {len(design.effects) for design in designs} == {len(design.clusters) for design in designs} == {0, 1, 2, 3}
    assert {design.weights for design in designs} == {None, "omega"}
    assert any(len(design.endogenous) > 1 for design in designs)
    assert any(not isinstance(design.data["firm"].iloc[0], np.integer) for design in designs)
    fits = [ours(design, "none") for design in designs]
    assert any(fit.dropped.singletons for fit in fits)
    assert any(fit.dropped.collinear for fit in fits)
    assert any(fit.dropped.absorbed for fit in fits)
    assert any(fit.covariance.repaired for fit in fits)


@pytest.mark.validate
def test_two_hundred_and_forty_random_designs(capsys):
    worst: dict[str, list[float]] = {}
    for seed in range(240):
        for who, gaps in compare(seed).items():
            now = worst.setdefault(who, [0.0, 0.0, 0])
            worst[who] = [max(now[0], gaps[0]), max(now[1], gaps[1]), now[2] + 1]
    with capsys.disabled():
        for who, (coefficients, errors, count) in worst.items():
            print(f"\n{who}: {count:.0f} designs, coefficients {coefficients:.1e}, standard errors {errors:.1e}")
    assert worst["linearmodels"][2] == 240
    assert worst["pyfixest"][2] > 60
