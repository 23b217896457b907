"""Joint covariances against each estimate's own, against stacked regressions and the bootstrap of known sums."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from bigpush_est import errors
from bigpush_est.reduced_form.linear.joint import InfluenceFunctions, delta_method, joint_covariance, wald_test
from bigpush_est.reduced_form.linear.regression import fuller, iv, ols

# with few clusters some draws are not positive semi-definite; one test looks for the warning itself
pytestmark = pytest.mark.filterwarnings("ignore::bigpush_est.errors.RepairedCovariance")


@pytest.fixture(scope="module")
def panel():
    rng = np.random.default_rng(5)
    size = 1200
    data = pd.DataFrame({"g": rng.integers(0, 30, size), "h": rng.integers(0, 24, size)})
    data[["z", "w", "e", "v"]] = rng.normal(size=(size, 4))
    shock = rng.normal(size=30)[data.g] + rng.normal(size=24)[data.h]
    data["x"] = data.z + data.e + 0.5 * shock
    data["y"] = data.x + data.w + data.e + shock + rng.normal(size=size)
    data["y2"] = -data.x + 0.5 * data.y + shock + data.v
    data["weight"] = rng.uniform(0.5, 2.0, size)
    return data.set_index(pd.Index([f"row{number}" for number in rng.permutation(size)]))


@pytest.mark.parametrize("rule", ["none", "fixest", "sandwich", "boottest", "reghdfe"])
@pytest.mark.parametrize("cluster", [None, "g", "g+h"])
def test_diagonal_blocks_are_each_estimates_own_covariance(panel, rule, cluster):
    late = panel.iloc[500:]
    fits = [
        ols(panel, "y ~ x + w | g", cluster=cluster, small_sample=rule),
        iv(panel.iloc[:800], "y ~ w | h | x ~ z", cluster=cluster, small_sample=rule, weights="weight"),
        fuller(late, "y2 ~ 1 | x ~ z + w", cluster=cluster, small_sample=rule),
    ]
    joint = joint_covariance(fits, titles=["a", "b", "c"])
    assert joint.rows == 1200
    assert joint.names == ("a: x", "a: w", "b: x", "b: w", "c: x", "c: Intercept")
    assert joint.degrees_of_freedom == min(fit.degrees_of_freedom for fit in fits)
    if not joint.repaired:
        for position, fit in enumerate(fits):
            block = slice(2 * position, 2 * position + 2)
            np.testing.assert_allclose(joint.matrix[block, block], fit.covariance.unrepaired, rtol=1e-8)
    assert joint.repaired == (joint.minimum_eigenvalue < 0)


@pytest.mark.parametrize("cluster", ["g", "g+h"])
def test_equations_stacked_in_one_regression(panel, cluster):
    """Two outcomes on one sample, and a third on part of it, stacked with regressors of their own."""
    part = panel.iloc[300:900]
    samples = [(panel, "y"), (panel, "y2"), (part, "y2")]
    fits = [ols(frame, f"{outcome} ~ x + w", cluster=cluster, small_sample="none") for frame, outcome in samples]
    joint = joint_covariance(fits)
    blocks = [
        pd.DataFrame({"y": frame[outcome], "x": frame.x, "w": frame.w, "g": frame.g, "h": frame.h, "one": 1.0})
        for frame, outcome in samples
    ]
    stacked = pd.concat(
        [
            block.rename(columns={name: f"{name}{number}" for name in ("x", "w", "one")})
            for number, block in enumerate(blocks)
        ],
        ignore_index=True,
    ).fillna(0.0)
    terms = [f"{name}{number}" for number in range(3) for name in ("one", "x", "w")]
    whole = ols(stacked, f"y ~ {' + '.join(terms)} - 1", cluster=cluster, small_sample="none")
    np.testing.assert_allclose(joint.coefficients, whole.coefficients, rtol=1e-9)
    if cluster == "g":
        np.testing.assert_allclose(joint.matrix, whole.covariance.matrix, rtol=1e-8, atol=1e-14)
    else:
        # in the stack a row is there once per equation; its cell of g and h holds all of them, as in the union
        scale = np.abs(whole.covariance.unrepaired).max()
        np.testing.assert_allclose(joint.matrix, whole.covariance.matrix, atol=1e-10 * scale)


def test_robust_covariance_of_disjoint_samples_is_block_diagonal(panel):
    fits = [ols(panel.iloc[:600], "y ~ x"), ols(panel.iloc[600:], "y ~ x")]
    joint = joint_covariance(fits)
    assert np.abs(joint.matrix[:2, 2:]).max() == 0.0
    clustered = joint_covariance(
        [ols(panel.iloc[:600], "y ~ x", cluster="g"), ols(panel.iloc[600:], "y ~ x", cluster="g")]
    )
    assert np.abs(clustered.matrix[:2, 2:]).max() > 0.0


def test_difference_of_reduced_form_and_its_parts(panel):
    """With one instrument 2SLS is the reduced form over the first stage, and so is its standard error by the delta."""
    options = {"cluster": "g", "small_sample": "none"}
    reduced, first = ols(panel, "y ~ z | h", **options), ols(panel, "x ~ z | h", **options)
    two_stage = iv(panel, "y ~ 1 | h | x ~ z", **options)
    ratio = joint_covariance([reduced, first]).delta(lambda beta: beta[0] / beta[1], names=["ratio"])
    assert ratio.values[0] == pytest.approx(two_stage.coefficient("x"), rel=1e-10)
    assert ratio.standard_errors[0] == pytest.approx(two_stage.standard_error("x"), rel=1e-6)
    assert ratio.tidy().loc["ratio", "Std. Error"] == ratio.standard_errors[0]


def test_other_clusters_than_those_of_the_estimates(panel):
    fits = [ols(panel, "y ~ x", cluster="g+h"), ols(panel, "y2 ~ x", cluster="h+g")]
    one = joint_covariance(fits, cluster="h")
    expected = ols(panel, "y ~ x", cluster="h")
    np.testing.assert_allclose(one.matrix[:2, :2], expected.covariance.matrix, rtol=1e-10)
    frame = panel.assign(own=panel.g * 7)[["own"]].sample(frac=1.0, random_state=0)
    by_frame = joint_covariance([ols(panel, "y ~ x"), ols(panel, "y2 ~ x")], cluster=frame)
    np.testing.assert_allclose(by_frame.matrix, joint_covariance(fits, cluster="g").matrix, rtol=1e-10)
    assert joint_covariance(fits).cluster_names == ("g", "h")


def test_rows_align_by_label_not_by_order(panel):
    first, shuffled = (
        ols(panel, "y ~ x", cluster="g"),
        ols(panel.sample(frac=1.0, random_state=1), "y ~ x", cluster="g"),
    )
    joint = joint_covariance([first, shuffled])
    np.testing.assert_allclose(joint.matrix[:2, 2:], first.covariance.matrix, rtol=1e-9)


def test_an_estimate_of_another_kind(panel):
    fit = ols(panel, "y ~ 1", cluster="g", small_sample="none")
    mean = InfluenceFunctions(
        names=("mean",),
        coefficients=np.array([panel.y.mean()]),
        influence=((panel.y - panel.y.mean()) / len(panel)).to_numpy()[:, None],
        rows=panel.index,
        labels=panel[["g"]],
        covariance=fit.covariance,
        parameters=fit.parameters,
    )
    joint = joint_covariance([fit, mean])
    np.testing.assert_allclose(joint.matrix, fit.covariance.matrix[0, 0], rtol=1e-10)


def test_wald_tests(panel):
    fit = ols(panel, "y ~ x + w", cluster="g")
    joint = joint_covariance([fit, ols(panel, "y2 ~ x + w", cluster="g")])
    single = joint.wald([{"1: x": 1.0}])
    row = fit.tidy().loc["x"]
    assert single.statistic == pytest.approx(row["t value"] ** 2, rel=1e-10)
    assert single.p_value == pytest.approx(row["Pr(>|t|)"], rel=1e-6, abs=1e-300)
    difference = joint.wald([{"1: x": 1.0, "2: x": -1.0}, {"1: w": 1.0, "2: w": -1.0}])
    rows = np.array([[0, 1, 0, 0, -1, 0], [0, 0, 1, 0, 0, -1.0]])
    gap = rows @ joint.coefficients
    expected = gap @ np.linalg.inv(rows @ joint.matrix @ rows.T) @ gap / 2
    assert difference.statistic == pytest.approx(expected, rel=1e-9)
    assert difference.p_value == pytest.approx(stats.f.sf(expected, 2, 29))
    assert joint.wald(rows, gap).statistic == pytest.approx(0.0, abs=1e-20)
    chi = wald_test(np.array([2.0, 0.0]), np.eye(2), np.eye(2))
    assert chi.p_value == pytest.approx(stats.chi2.sf(4.0, 2))


def test_delta_method_against_the_analytic_derivative():
    beta, spread = np.array([1.5, -0.4]), np.array([[0.04, 0.01], [0.01, 0.09]])
    found = delta_method(lambda b: np.array([np.exp(b[0]) * b[1], b[0] ** 3]), beta, spread)
    jacobian = np.array([[np.exp(1.5) * -0.4, np.exp(1.5)], [3 * 1.5**2, 0.0]])
    np.testing.assert_allclose(found.jacobian, jacobian, rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(found.matrix, jacobian @ spread @ jacobian.T, rtol=1e-7)


def test_repair_and_refusal():
    """Two means whose variances are positive and whose covariance is larger than both allow."""
    for seed in range(200):
        rng = np.random.default_rng(seed)
        data = pd.DataFrame({"a": rng.integers(0, 3, 30), "b": rng.integers(0, 3, 30), "y": rng.normal(size=30)})
        data["u"] = data.y + rng.normal(size=30)
        demeaned = data[["y", "u"]] - data[["y", "u"]].mean()
        sums = [demeaned.groupby(by).transform("sum") for by in (data.a, data.b, [data.a, data.b])]
        first, second, cells = (demeaned.T @ total for total in sums)
        raw = (first + second - cells).to_numpy()
        if (np.diag(raw) > 3.0).all() and np.linalg.eigvalsh(raw)[0] < -3.0:
            break
    else:
        pytest.fail("no such draw")
    fits = [ols(data, f"{outcome} ~ 1", cluster="a+b", small_sample="none") for outcome in ("y", "u")]
    with pytest.warns(errors.RepairedCovariance):
        joint = joint_covariance(fits)
    values, vectors = np.linalg.eigh(raw / 900)
    np.testing.assert_allclose(joint.matrix, vectors @ np.diag(values.clip(0)) @ vectors.T, atol=1e-12)
    assert joint.repaired
    assert joint.minimum_eigenvalue == pytest.approx(values[0])
    with pytest.raises(errors.NotPositiveSemiDefinite, match="a and b"):
        joint_covariance(fits, not_psd="refuse")


def test_refusals(panel):
    fit, other = ols(panel, "y ~ x", cluster="g"), ols(panel, "y2 ~ x", cluster="h")
    with pytest.raises(errors.UnalignedEstimates, match=r"clustered by \['g'\], result 2 by \['h'\]"):
        joint_covariance([fit, other])
    with pytest.raises(errors.UnalignedEstimates, match="no labels of g"):
        joint_covariance([fit, other], cluster="g")
    moved = panel.assign(g=panel.g.where(panel.index != panel.index[3], 29 - panel.g))
    with pytest.raises(errors.UnalignedEstimates, match=panel.index[3]):
        joint_covariance([fit, ols(moved, "y2 ~ x", cluster="g")])
    doubled = pd.concat([panel, panel])
    with pytest.raises(errors.UnalignedEstimates, match="more than once"):
        joint_covariance([ols(doubled, "y ~ x", cluster="g")])
    with pytest.raises(errors.UnalignedEstimates, match="every row"):
        joint_covariance([fit], cluster=panel[["g"]].iloc[1:])
    with pytest.raises(errors.InvalidValue, match="at least one"):
        joint_covariance([])
    with pytest.raises(errors.InvalidValue, match="titles"):
        joint_covariance([fit, fit], titles=["a", "a"])
    with pytest.raises(errors.WrongType):
        joint_covariance([panel])
    joint = joint_covariance([fit, fit])
    with pytest.raises(errors.InvalidValue, match="full rank"):
        joint.wald([{"1: x": 1.0, "2: x": -1.0}])
    with pytest.raises(errors.InvalidValue, match="full rank"):
        joint.wald([{"1: x": 1.0}, {"2: x": 1.0}])
    with pytest.raises(errors.InvalidValue, match="choose from"):
        joint.position("3: x")
    with pytest.raises(errors.ShapeMismatch):
        joint.wald(np.eye(3))
    with pytest.raises(errors.ShapeMismatch):
        joint.wald([{"1: x": 1.0}], [0.0, 1.0])
    with pytest.raises(errors.InvalidValue, match="finite"):
        joint.delta(lambda beta: np.log(-np.abs(beta[1])))
    with pytest.raises(errors.ShapeMismatch):
        joint.delta(lambda beta: beta, names=["one"])


def test_an_estimate_within_one_cluster_is_refused_by_name():
    rng = np.random.default_rng(5)
    data = pd.DataFrame({"y": rng.normal(size=40), "x": rng.normal(size=40), "g": np.repeat(["a", "b"], 20)})
    one, other = ols(data, "y ~ x"), ols(data[data["g"] == "a"], "y ~ x")
    with pytest.raises(errors.OneCluster, match=r"'?g'?.*share"):
        joint_covariance([one, other], cluster=data[["g"]], titles=["all", "within a"])
