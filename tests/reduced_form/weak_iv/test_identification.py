"""First stages, Kleibergen-Paap, Cragg-Donald and effective F against stored numbers and independent formulas."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from scipy import linalg, stats

from bigpush_est.errors import InvalidValue
from bigpush_est.reduced_form.linear.clusters import Clusters
from bigpush_est.reduced_form.linear.problem import LinearProblem
from bigpush_est.reduced_form.weak_iv.effective_f import critical_values, nagar_bias_bound
from bigpush_est.reduced_form.weak_iv.identification import identification
from bigpush_est.reduced_form.weak_iv.tf import tf_critical_value

from ...stored_numbers import folder, instrumented

STORED = instrumented()
CASES = list(STORED)
GROUPS = {"hetero": (), "State": ("State",), "Year": ("Year",), "twoway": ("State", "Year")}
RULES = {
    "no_ssc": "none",
    "HC0": "none",
    "HC1": "sandwich",
    "sandwich_HC1_cadjust": "sandwich",
    "min_G_and_full_K": "fixest-full",
}


def cigarettes(case, clusters):
    stored = STORED[case]
    instruments = [stored["instruments"]] if isinstance(stored["instruments"], str) else stored["instruments"]
    data = pd.read_csv(folder("twoway") / "cigar.csv").dropna(subset=["lsales", "lprice", "lndi", *instruments])
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


def simulated(seed, instruments, endogenous, clusters=True, n=240):
    rng = np.random.default_rng(seed)
    a, b = rng.integers(0, 20, n), rng.integers(0, 15, n)
    shared = rng.normal(size=(20, instruments))[a] + rng.normal(size=(15, instruments))[b]
    z = rng.normal(size=(n, instruments)) + shared
    u = rng.normal(size=n) + rng.normal(size=20)[a] + rng.normal(size=15)[b]
    w = np.column_stack([z[:, 0] + rng.normal(size=n), np.ones(n)])
    x = z @ rng.normal(size=(instruments, endogenous)) + u[:, None] + rng.normal(size=(n, endogenous))
    groups = Clusters.build({"a": a, "b": b}) if clusters else None
    return LinearProblem(
        x.sum(axis=1) + u,
        x,
        w,
        z,
        (*(f"x{k}" for k in range(endogenous)), "w", "one"),
        tuple(f"z{k}" for k in range(instruments)),
        rng.uniform(0.5, 2.0, n),
        groups,
        0,
        0,
    )


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("groups", GROUPS)
def test_stored_first_stage_and_effective_f(case, groups):
    problem = cigarettes(case, GROUPS[groups])
    stored = STORED[case]["first_stage"]
    for label, value in stored[groups].items():
        effective = label.startswith("effective_F_")
        rule = RULES[label.removeprefix("effective_").removeprefix("F_")]
        found = identification(problem, small_sample=rule)
        (stage,) = found.first_stages
        statistic = found.effective_f.statistic if effective else stage.f.statistic
        assert statistic == pytest.approx(value, rel=1e-9)
        assert found.kleibergen_paap_f.statistic == pytest.approx(stage.f.statistic, rel=1e-9)
        assert stage.f.small_sample == rule
    expected = [stored["coef"][name] for name in stage.instruments]
    assert stage.coefficients == pytest.approx(expected, rel=1e-9)
    assert found.kleibergen_paap_wald.degrees_of_freedom == (problem.instruments.shape[1],)


@pytest.mark.parametrize("case", CASES)
def test_stored_homoskedastic_f_is_cragg_donald(case):
    found = identification(cigarettes(case, ()), small_sample="sandwich")
    assert found.cragg_donald_f.statistic == pytest.approx(STORED[case]["first_stage"]["homoskedastic"]["F"], rel=1e-9)
    if not STORED[case]["absorbed_FE"]:
        fixest = STORED[case]["first_stage"]["fixest_cragg_donald"]
        assert found.cragg_donald_f.statistic == pytest.approx(fixest, rel=1e-9)


# -- independent formulas ---------------------------------------------------------------------------------------------


def full_covariance(scores, clusters):
    """Indicator matrices in place of sums by code."""
    if clusters is None:
        return scores.T @ scores
    total = 0.0
    for size in range(1, len(clusters.codes) + 1):
        for chosen in combinations(clusters.codes, size):
            same = np.all([code[:, None] == code[None, :] for code in chosen], axis=0)
            total = total + (-1) ** (size + 1) * scores.T @ same @ scores
    return total


def paper_rank_statistic(problem, lm):
    """Kleibergen and Paap (2006) with their a_q⊥ and b_q⊥ and the covariance of all of vec Θ̂ (section 3)."""
    root = np.sqrt(problem.weights)[:, None]
    w = problem.exogenous * root
    x, z = (
        v * root - w @ np.linalg.lstsq(w, v * root, rcond=None)[0] for v in (problem.endogenous, problem.instruments)
    )
    k, length = x.shape[1], z.shape[1]
    f, g = np.linalg.cholesky(z.T @ z).T, np.linalg.inv(np.linalg.cholesky(x.T @ x).T)
    pi = np.linalg.solve(z.T @ z, z.T @ x)
    theta = f @ pi @ g
    u, _, vt = np.linalg.svd(theta)
    v = vt.T
    q = k - 1
    u22, v22 = u[q:, q:], v[q:, q:]
    a = u[:, q:] @ np.linalg.solve(u22, linalg.sqrtm(u22 @ u22.T).real)
    b = linalg.sqrtm(v22 @ v22.T).real @ np.linalg.solve(v22.T, v[:, q:].T)
    errors = x if lm else x - z @ pi
    scores = (errors[:, :, None] * z[:, None, :]).reshape(len(x), k * length)
    bridge = np.kron(g.T, np.linalg.inv(f).T)
    covariance = bridge @ full_covariance(scores, problem.clusters) @ bridge.T
    select = np.kron(b, a.T)
    moment = select @ theta.T.reshape(-1)
    return float(moment @ np.linalg.solve(select @ covariance @ select.T, moment)), length - q


@pytest.mark.parametrize(("instruments", "endogenous"), [(1, 1), (3, 1), (2, 2), (4, 2), (4, 3)])
@pytest.mark.parametrize("clustered", [False, True])
def test_rank_tests_equal_the_papers_formula(instruments, endogenous, clustered):
    problem = simulated(4, instruments, endogenous, clustered)
    found = identification(problem, small_sample="none")
    for diagnostic, lm in ((found.kleibergen_paap_lm, True), (found.kleibergen_paap_wald, False)):
        expected, freedom = paper_rank_statistic(problem, lm)
        assert diagnostic.statistic == pytest.approx(expected, rel=1e-7)
        assert diagnostic.degrees_of_freedom == (freedom,)
        assert diagnostic.p_value == pytest.approx(stats.chi2.sf(expected, freedom), rel=1e-6)
    assert found.kleibergen_paap_f.statistic == pytest.approx(found.kleibergen_paap_wald.statistic / instruments)


def test_cragg_donald_is_the_smallest_canonical_correlation():
    problem = simulated(5, 4, 2)
    root = np.sqrt(problem.weights)[:, None]
    w = problem.exogenous * root
    x, z = (
        v * root - w @ np.linalg.lstsq(w, v * root, rcond=None)[0] for v in (problem.endogenous, problem.instruments)
    )
    correlations = linalg.svdvals(np.linalg.qr(x)[0].T @ np.linalg.qr(z)[0])
    square = correlations[-1] ** 2
    freedom = problem.observations - 4 - 2
    expected = square / (1.0 - square) * freedom / 4
    assert identification(problem, small_sample="sandwich").cragg_donald_f.statistic == pytest.approx(
        expected, rel=1e-9
    )


def test_the_first_stage_is_least_squares_with_its_standard_errors():
    problem = simulated(6, 3, 2)
    root = np.sqrt(problem.weights)[:, None]
    columns = np.column_stack([problem.instruments, problem.exogenous]) * root
    found = identification(problem, small_sample="none")
    for k, stage in enumerate(found.first_stages):
        target = problem.endogenous[:, k] * root[:, 0]
        beta = np.linalg.lstsq(columns, target, rcond=None)[0]
        solve = np.linalg.inv(columns.T @ columns)
        v = solve @ full_covariance(columns * (target - columns @ beta)[:, None], problem.clusters) @ solve
        assert stage.coefficients == pytest.approx(beta[:3], rel=1e-9)
        assert stage.standard_errors == pytest.approx(np.sqrt(np.diag(v)[:3]), rel=1e-8)
        wald = beta[:3] @ np.linalg.solve(v[:3, :3], beta[:3])
        assert stage.f.statistic == pytest.approx(wald / 3, rel=1e-8)


# -- the effective F --------------------------------------------------------------------------------------------------


def test_critical_values_of_one_instrument():
    """A non-central χ²_1 with 1/τ: 37.418, 23.109, 15.062 in Stata's weakivtest (whose 12.039 takes 3.33 for 1/0.3)."""
    found = critical_values(np.array([[2.7]]), 1.0)
    assert found.simplified == pytest.approx([37.418, 23.109, 15.062, 12.045], abs=6e-4)
    assert found.generalised == pytest.approx(found.simplified)
    assert found.simplified == pytest.approx(
        [stats.ncx2.ppf(0.95, 1, 1.0 / t) for t in (0.05, 0.1, 0.2, 0.3)], rel=1e-8
    )


def test_critical_values_of_equal_instruments_are_those_of_their_mean():
    """With W₂ = I, F_eff is χ²_L(L x)/L exactly, so K_eff = L."""
    found = critical_values(np.eye(4), None, 0.1)
    assert found.effective_instruments == pytest.approx([4.0] * 4)
    assert found.simplified == pytest.approx([stats.ncx2.ppf(0.9, 4, 4.0 / t) / 4 for t in found.biases], rel=1e-8)
    assert found.generalised is None


@pytest.mark.parametrize("seed", range(4))
def test_the_bias_bound_is_the_supremum(seed):
    """Random β and directions c never exceed |tr S₁₂ − 2c′S₁₂c| / √(tr S₁ tr S₂), and come close to it."""
    rng = np.random.default_rng(seed)
    length = 2 + seed
    root = rng.normal(size=(2 * length, 2 * length))
    full = root @ root.T
    w1, w12, w2 = full[:length, :length], full[:length, length:], full[length:, length:]
    bound = nagar_bias_bound(w1, w12, w2)
    assert 0.0 < bound <= 1.0 + 1e-12
    best = 0.0
    for beta in np.concatenate([np.tan(np.linspace(-1.57, 1.57, 400)), [-1e6, 1e6]]):
        s12, s1 = w12 - beta * w2, w1 - beta * (w12 + w12.T) + beta**2 * w2
        vectors = np.concatenate([np.linalg.eigh(s12 + s12.T)[1].T, rng.normal(size=(20, length))])
        vectors = vectors / np.linalg.norm(vectors, axis=1)[:, None]
        for c in vectors:
            ratio = abs(np.trace(s12) - 2.0 * c @ s12 @ c) / np.sqrt(np.trace(s1) * np.trace(w2))
            assert ratio <= bound * (1.0 + 1e-9)
            best = max(best, ratio)
    assert best > 0.995 * bound


def test_generalised_values_lie_below_the_simplified_ones():
    found = identification(cigarettes("A6_iv_fe_overid", ("State", "Year")))
    assert found.critical_values.bound < 1.0
    assert all(g < s for g, s in zip(found.critical_values.generalised, found.critical_values.simplified, strict=True))


# -- reasons and refusals ---------------------------------------------------------------------------------------------


def test_tf_is_there_for_one_instrument_only():
    found = identification(cigarettes("A5_iv_fe", ("State", "Year")))
    assert found.tf_critical_value == tf_critical_value(found.kleibergen_paap_f.statistic)
    assert identification(cigarettes("A6_iv_fe_overid", ("State", "Year"))).tf_critical_value is None


def test_effective_f_of_two_endogenous_regressors_says_why_not():
    found = identification(simulated(3, 3, 2))
    assert found.effective_f.statistic is None
    assert "2" in found.effective_f.reason
    assert found.critical_values is None


def test_a_negative_two_way_variance_gives_a_reason_and_no_number():
    a, b = np.divmod(np.arange(36), 6)
    z = np.ones(36)
    x = np.where((a + b) % 2 == 0, 1.0, -1.0) + 0.2
    problem = LinearProblem(
        x.copy(),
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
    found = identification(problem, small_sample="none")
    for diagnostic in (found.first_stages[0].f, found.kleibergen_paap_wald, found.kleibergen_paap_f, found.effective_f):
        assert diagnostic.statistic is None
        assert diagnostic.p_value is None
        assert "not positive semi-definite" in diagnostic.reason
    assert np.isnan(found.first_stages[0].standard_errors).all()
    assert found.tf_critical_value is None
    assert found.cragg_donald_f.statistic > 0.0


def test_refusals():
    problem = simulated(3, 2, 1)
    with pytest.raises(InvalidValue, match="small_sample"):
        identification(problem, small_sample="stata")
    with pytest.raises(InvalidValue, match="level"):
        identification(problem, level=0.95)
    with pytest.raises(InvalidValue, match="at least as many"):
        identification(simulated(3, 1, 2))
