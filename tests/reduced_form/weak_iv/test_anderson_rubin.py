"""Anderson-Rubin tests and sets against stored numbers, dense formulas and a grid."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from scipy import optimize, stats

from bigpush_est.errors import InvalidValue, NotPositiveSemiDefinite, RepairedCovariance
from bigpush_est.reduced_form.linear.clusters import Clusters
from bigpush_est.reduced_form.linear.problem import LinearProblem
from bigpush_est.reduced_form.weak_iv.anderson_rubin import (
    anderson_rubin_projection,
    anderson_rubin_set,
    anderson_rubin_test,
)
from bigpush_est.reduced_form.weak_iv.confidence_set import ConfidenceSet, quadratic_set

from ...stored_numbers import folder, instrumented

STORED = instrumented()
CASES = list(STORED)
CLUSTERS = {"hetero_HC0": (), "cl1_no_ssc": ("State",), "twoway_no_ssc": ("State", "Year")}


def cigarettes(case, clusters):
    """The stored case as a problem, its fixed effects taken out."""
    stored = STORED[case]
    instruments = [stored["instruments"]] if isinstance(stored["instruments"], str) else stored["instruments"]
    data = pd.read_csv(folder("twoway") / "cigar.csv").dropna(subset=["lsales", "lprice", "lndi", *instruments])
    assert len(data) == stored["n"]
    columns = data[["lsales", "lprice", "lndi", *instruments]].to_numpy()
    exogenous, names, absorbed = np.column_stack([columns[:, 2], np.ones(len(data))]), ("lprice", "lndi", "one"), 0
    if stored["absorbed_FE"]:
        for _ in range(40):
            for key in ("State", "Year"):
                columns = columns - pd.DataFrame(columns).groupby(data[key].to_numpy()).transform("mean").to_numpy()
        exogenous, names, absorbed = columns[:, 2:3], ("lprice", "lndi"), stored["n_coef_incl_FE"] - 2
    groups = Clusters.build({name: data[name] for name in clusters}) if clusters else None
    return LinearProblem(
        columns[:, 0], columns[:, 1:2], exogenous, columns[:, 3:], names, tuple(instruments), None, groups, absorbed, 0
    )


def simulated(seed, strength, instruments=1, n=200, endogenous=1, bias=0.0):
    rng = np.random.default_rng(seed)
    a, b = rng.integers(0, 15, n), rng.integers(0, 12, n)
    shared = rng.normal(size=(15, instruments))[a] + rng.normal(size=(12, instruments))[b]
    z = 0.5 * rng.normal(size=(n, instruments)) + shared
    u = 0.5 * rng.normal(size=n) + rng.normal(size=15)[a] + rng.normal(size=12)[b]
    x = (
        strength * z @ rng.normal(size=(instruments, endogenous))
        + 0.7 * u[:, None]
        + rng.normal(size=(15, endogenous))[a]
        + rng.normal(size=(12, endogenous))[b]
    )
    y = x.sum(axis=1) + u + bias * z[:, -1]
    names = (*(f"x{k}" for k in range(endogenous)), "one")
    return LinearProblem(
        y,
        x,
        np.ones((n, 1)),
        z,
        names,
        tuple(f"z{k}" for k in range(instruments)),
        rng.uniform(0.5, 2.0, n),
        Clusters.build({"a": a, "b": b}),
        0,
        0,
    )


def dense(problem, beta, residuals="wald"):
    """AR(β) on full matrices: weighted least squares on instruments and controls, indicator matrices of clusters."""
    root = np.sqrt(problem.weights)[:, None]
    columns = np.column_stack([problem.instruments, problem.exogenous]) * root
    target = (problem.outcome - problem.endogenous @ np.atleast_1d(beta)) * root[:, 0]
    solve = np.linalg.inv(columns.T @ columns)
    found = solve @ columns.T @ target
    controls = problem.exogenous * root
    if residuals == "wald":
        error = target - columns @ found
    else:
        error = target - controls @ np.linalg.lstsq(controls, target, rcond=None)[0]
    total = 0.0
    codes = problem.clusters.codes
    for size in range(1, len(codes) + 1):
        for chosen in combinations(codes, size):
            same = np.all([code[:, None] == code[None, :] for code in chosen], axis=0)
            total = total + (-1) ** (size + 1) * (columns * error[:, None]).T @ same @ (columns * error[:, None])
    count = problem.instruments.shape[1]
    v = (solve @ total @ solve)[:count, :count]
    return float(found[:count] @ np.linalg.solve(v, found[:count]))


# -- stored numbers ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("kind", CLUSTERS)
def test_stored_statistics_and_ends(case, kind):
    stored = STORED[case]["anderson_rubin"][kind]
    found = anderson_rubin_set(cigarettes(case, CLUSTERS[kind]))
    assert found.test.statistic == pytest.approx(stored["chi2_at_zero"], rel=1e-9)
    assert found.test.p_value == pytest.approx(stored["p_at_zero"], rel=1e-7)
    assert found.confidence_set.kind == "bounded"
    assert found.confidence_set.intervals[0] == pytest.approx(stored["boundaries_95_chi2"], rel=1e-9)


@pytest.mark.parametrize("case", CASES)
def test_stored_homoskedastic_sets(case):
    stored = STORED[case]["anderson_rubin"]
    problem = cigarettes(case, ())
    chi2 = anderson_rubin_set(problem, homoskedastic=True, small_sample="sandwich")
    assert chi2.test.statistic == pytest.approx(stored["homosk"]["chi2_at_zero"], rel=1e-9)
    assert chi2.confidence_set.intervals[0] == pytest.approx(stored["homosk"]["boundaries_95_chi2"], rel=1e-9)
    assert chi2.confidence_set.intervals[0] == pytest.approx(STORED[case]["python"]["ivmodels_AR"]["ci_chi2"], rel=1e-9)
    f = anderson_rubin_set(problem, homoskedastic=True, small_sample="sandwich", distribution="F")
    ivmodel = stored["ivmodel_AR_homosk_F"]
    assert f.test.statistic / f.test.instruments == pytest.approx(ivmodel["Fstat"], rel=1e-9)
    assert f.test.denominator_freedom == ivmodel["df"][1]
    assert f.test.p_value == pytest.approx(ivmodel["p"], rel=1e-6, abs=1e-14)
    assert f.confidence_set.intervals[0] == pytest.approx(ivmodel["ci"][0], rel=1e-7)


# -- dense formulas and grids -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("residuals", ["wald", "score"])
@pytest.mark.parametrize("instruments", [1, 3])
def test_the_statistic_equals_the_dense_formula(instruments, residuals):
    problem = simulated(1, 0.4, instruments)
    for beta in (-2.0, 0.3, 1.0):
        test = anderson_rubin_test(problem, beta, residuals=residuals)
        assert test.statistic == pytest.approx(dense(problem, beta, residuals), rel=1e-9)
        assert test.p_value == pytest.approx(stats.chi2.sf(test.statistic, instruments), rel=1e-9)


KINDS = {
    (1, 0.6, 0.0, 4): "bounded",
    (1, 0.02, 0.0, 0): "unbounded",
    (3, 0.4, 0.0, 2): "bounded",
    (2, 0.02, 0.0, 4): "whole line",
    (2, 1.0, 2.0, 3): "empty",
    (4, 0.05, 0.0, 6): "unbounded",
}


@pytest.mark.parametrize(("instruments", "strength", "bias", "seed"), KINDS)
def test_sets_agree_with_a_grid(instruments, strength, bias, seed):
    problem = simulated(seed, strength, instruments, bias=bias)
    found = anderson_rubin_set(problem, level=0.9)
    region, critical = found.confidence_set, stats.chi2.ppf(0.9, instruments)
    assert found.critical_value == pytest.approx(critical)
    assert region.kind == KINDS[instruments, strength, bias, seed]
    grid = np.concatenate([np.tan(np.linspace(-1.57, 1.57, 61)), np.linspace(-1.0, 3.0, 41)])
    ends = [end for interval in region.intervals for end in interval if np.isfinite(end)]
    for beta in grid:
        if not any(abs(beta - end) < 1e-6 for end in ends):
            assert region.contains(beta) == (dense(problem, beta) <= critical)
    for end in ends:
        assert dense(problem, end) == pytest.approx(critical, rel=1e-7)
    assert found.at_infinity == pytest.approx(dense(problem, 1e8), rel=1e-5)
    assert region.bounded == (found.at_infinity > critical)


def test_many_random_sets_with_several_instruments_have_no_missed_component():
    """Random moments, L = 2 to 4: signs of AR − c on a fine grid of directions agree with the set everywhere."""
    kinds = set()
    for seed in range(36):
        instruments = 2 + seed % 3
        problem = simulated(seed, 0.15 * (seed % 4), instruments, n=60, bias=0.3 * (seed % 2))
        try:
            region = anderson_rubin_set(problem, level=0.8, residuals="score").confidence_set
        except NotPositiveSemiDefinite:
            continue
        kinds.add(region.kind)
        critical = stats.chi2.ppf(0.8, instruments)
        for beta in 1.0 + 2.0 * np.tan(np.linspace(-1.55, 1.55, 15)):
            assert region.contains(beta) == (
                anderson_rubin_test(problem, beta, residuals="score").statistic <= critical
            )
    assert len(kinds) >= 4


def test_units_and_level_of_the_data_do_not_matter():
    problem = simulated(2, 0.3, 3)
    base = anderson_rubin_set(problem).confidence_set
    scaled = LinearProblem(
        1e6 * problem.outcome + 4.0,
        1e-4 * problem.endogenous,
        problem.exogenous,
        problem.instruments * [1.0, 1e5, 1e-5],
        problem.names,
        problem.instrument_names,
        problem.weights,
        problem.clusters,
        0,
        0,
    )
    moved = anderson_rubin_set(scaled).confidence_set
    assert np.array(moved.intervals) == pytest.approx(1e10 * np.array(base.intervals), rel=1e-7)


# -- several endogenous regressors ------------------------------------------------------------------------------------


def test_joint_test_and_projection_of_two():
    problem = simulated(3, 0.8, 3, n=300, endogenous=2)
    null = {"x0": 1.0, "x1": 0.8}
    assert anderson_rubin_test(problem, null).statistic == pytest.approx(dense(problem, [1.0, 0.8]), rel=1e-9)
    found = anderson_rubin_projection(problem, "x0")
    assert found.confidence_set.kind == "bounded"
    critical = stats.chi2.ppf(0.95, 3)

    def least(beta):
        def statistic(other):
            return anderson_rubin_test(problem, {"x0": beta, "x1": float(other)}).statistic

        start = min(np.linspace(-1.0, 3.0, 21), key=statistic)
        return optimize.minimize_scalar(statistic, bounds=(start - 0.2, start + 0.2), method="bounded").fun

    assert least(found.confidence_set.low) == pytest.approx(critical, rel=1e-6)
    assert least(found.confidence_set.high) == pytest.approx(critical, rel=1e-6)
    assert least(0.5 * (found.confidence_set.low + found.confidence_set.high)) < critical


# -- covariances that are not positive semi-definite ------------------------------------------------------------------


def not_definite():
    """Scores that alternate within the cells of two dimensions: the two-way covariance has a negative eigenvalue."""
    rng = np.random.default_rng(0)
    a, b = np.divmod(np.arange(36), 6)
    sign = np.where((a + b) % 2 == 0, 1.0, -1.0)
    z = np.ones(36) + 0.01 * rng.normal(size=36)
    y = 3.0 * sign + 0.3 * rng.normal(size=36)
    x = z + 0.5 * rng.normal(size=6)[a] + 0.5 * rng.normal(size=6)[b]
    return LinearProblem(
        y,
        x[:, None],
        np.empty((36, 0)),
        z[:, None],
        ("x",),
        ("z",),
        None,
        Clusters.build({"a": a, "b": b}),
        0,
        0,
    )


def test_not_positive_definite_is_refused_or_repaired():
    problem = not_definite()
    assert dense_variance(problem) < 0.0
    for call in (anderson_rubin_test, anderson_rubin_set):
        with pytest.raises(NotPositiveSemiDefinite, match="repair"):
            call(problem)
        with pytest.warns(RepairedCovariance):
            repaired = call(problem, not_psd="repair")
        test = repaired if call is anderson_rubin_test else repaired.test
        assert test.repaired
        assert np.isfinite(test.statistic)


def dense_variance(problem):
    z, y = problem.instruments[:, 0], problem.outcome
    scores = z * (y - z * (z @ y) / (z @ z))
    a, b = problem.clusters.codes
    sums = [np.sum(np.bincount(code, scores) ** 2) for code in (a, b, a * 6 + b)]
    return sums[0] + sums[1] - sums[2]


# -- sets and refusals ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(20))
def test_quadratic_sets_agree_with_evaluation(seed):
    constant, linear, square = np.random.default_rng(seed).normal(size=3)
    region = quadratic_set(constant, linear, square, 0.95)
    for b in np.tan(np.linspace(-1.56, 1.56, 101)):
        assert region.contains(b) == (constant + linear * b + square * b * b <= 0.0)


def test_quadratic_sets_at_the_edges():
    assert quadratic_set(1.0, 0.0, 0.0, 0.95).kind == "empty"
    assert quadratic_set(-1.0, 0.0, 0.0, 0.95).kind == "whole line"
    assert quadratic_set(-1.0, 2.0, 0.0, 0.95).intervals == ((-np.inf, 0.5),)
    assert quadratic_set(-1.0, -2.0, 0.0, 0.95).intervals == ((-0.5, np.inf),)
    assert quadratic_set(1.0, -2.0, 1.0, 0.95).intervals == ((1.0, 1.0),)
    assert quadratic_set(-1.0, 2.0, -1.0, 0.95).kind == "whole line"
    assert quadratic_set(0.0, 0.0, 1.0, 0.95).intervals == ((0.0, 0.0),)


def test_kinds_and_text():
    two = ConfidenceSet(((-1.0, 0.0), (2.0, 3.0)), 0.9)
    assert (two.kind, two.length, two.contains(1.0), str(two)) == ("disjoint", 2.0, False, "[−1, 0] ∪ [2, 3]")
    assert np.isnan(ConfidenceSet((), 0.9).low)
    assert str(ConfidenceSet((), 0.9)) == "∅"


def test_refusals():
    problem = simulated(1, 0.4, 2)
    for changes, match in (
        ({"level": 1.5}, "level"),
        ({"residuals": "lm"}, "residuals"),
        ({"distribution": "t"}, "distribution"),
        ({"not_psd": "ignore"}, "not_psd"),
        ({"small_sample": "stata"}, "small_sample"),
    ):
        with pytest.raises(InvalidValue, match=match):
            anderson_rubin_set(problem, **changes)
    with pytest.raises(InvalidValue, match="null"):
        anderson_rubin_test(problem, {"x1": 0.0})
    with pytest.raises(InvalidValue, match="null"):
        anderson_rubin_test(problem, np.nan)
    two = simulated(1, 0.4, 3, endogenous=2)
    with pytest.raises(InvalidValue, match="joint test"):
        anderson_rubin_set(two)
    with pytest.raises(InvalidValue, match="at least as many"):
        anderson_rubin_test(simulated(1, 0.4, 1, endogenous=2))
    with pytest.raises(InvalidValue, match="name"):
        anderson_rubin_projection(two, "x7")


def test_bad_arrays_are_refused():
    problem = simulated(1, 0.4, 2)
    fields = {name: getattr(problem, name) for name in problem.__slots__}
    bad = problem.outcome.copy()
    bad[3] = np.nan
    with pytest.raises(InvalidValue, match="row 3"):
        anderson_rubin_test(LinearProblem(**fields | {"outcome": bad}))
    collinear = np.column_stack([problem.instruments[:, 0], 2.0 * problem.instruments[:, 0] + 1.0])
    with pytest.raises(InvalidValue, match="instrument 'z1'"):
        anderson_rubin_test(LinearProblem(**fields | {"instruments": collinear}))
    with pytest.raises(InvalidValue, match="weights"):
        anderson_rubin_test(LinearProblem(**fields | {"weights": np.zeros(200)}))
    with pytest.raises(InvalidValue, match="without variation"):
        anderson_rubin_test(LinearProblem(**fields | {"endogenous": np.full((200, 1), 3.0)}))
