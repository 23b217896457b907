"""Covariances against dense sums over all pairs, against each software's factors, and where they are not PSD."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bigpush_est.errors import (
    InvalidValue,
    NotPositiveSemiDefinite,
    OneCluster,
    RepairedCovariance,
    ShapeMismatch,
    TooFewObservations,
)
from bigpush_est.reduced_form.linear.clusters import Clusters
from bigpush_est.reduced_form.linear.covariance import cluster_covariance, iid_covariance
from bigpush_est.reduced_form.linear.small_sample import RULES, ParameterCount, SmallSampleRule, rule_named

# with few clusters many draws are not positive semi-definite; the tests of that look for the warning themselves
pytestmark = pytest.mark.filterwarnings("ignore::bigpush_est.errors.RepairedCovariance")


def dense(scores, bread, labels):
    """The raw covariance by its other definition: sum s_i s_j′ over all pairs that share any dimension's cluster."""
    shared = np.zeros((len(scores), len(scores)), dtype=bool)
    for column in labels:
        shared |= np.equal.outer(column, column)
    return bread @ scores.T @ shared @ scores @ bread.T


def draw(seed, dimensions, observations=60, coefficients=3, groups=(5, 7, 4)):
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=(observations, coefficients))
    bread = rng.normal(size=(coefficients, coefficients))
    labels = [rng.integers(0, count, observations) for count in groups[:dimensions]]
    return scores, bread, labels


def named(labels):
    return Clusters.build({f"d{number}": column for number, column in enumerate(labels)})


@pytest.mark.parametrize("dimensions", [1, 2, 3])
@pytest.mark.parametrize("seed", range(4))
def test_sum_over_subsets_equals_the_dense_sum_over_pairs(dimensions, seed):
    scores, bread, labels = draw(seed, dimensions)
    result = cluster_covariance(scores, bread, named(labels), small_sample="none")
    # before any repair: with few clusters some of these are not positive semi-definite
    np.testing.assert_allclose(result.unrepaired, dense(scores, bread, labels), rtol=1e-11, atol=1e-11)
    assert result.minimum_eigenvalue_raw == pytest.approx(np.linalg.eigvalsh(dense(scores, bread, labels))[0], abs=1e-9)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000))
def test_order_of_rows_dimensions_and_names_of_clusters_do_not_matter(seed):
    scores, bread, labels = draw(seed, 2)
    rng = np.random.default_rng(seed + 1)
    order = rng.permutation(len(scores))
    renamed = [rng.permutation(100)[column] for column in labels]
    first = cluster_covariance(scores, bread, named(labels))
    second = cluster_covariance(scores[order], bread, named([column[order] for column in renamed][::-1]))
    scale = np.abs(first.unrepaired).max()
    np.testing.assert_allclose(second.unrepaired, first.unrepaired, atol=1e-12 * scale)
    assert first.degrees_of_freedom == second.degrees_of_freedom


def test_clusters_of_one_row_are_the_robust_covariance():
    scores, bread, _ = draw(0, 1)
    single = Clusters.build({"row": np.arange(len(scores))})
    clustered = cluster_covariance(scores, bread, single, small_sample="none")
    robust = cluster_covariance(scores, bread, None, small_sample="none")
    np.testing.assert_allclose(clustered.matrix, robust.matrix, rtol=1e-12)
    np.testing.assert_allclose(robust.matrix, bread @ (scores.T @ scores) @ bread.T, rtol=1e-12)


def test_nested_dimensions_reduce_to_the_coarser_one():
    scores, bread, labels = draw(3, 1)
    finer = labels[0] * 100 + np.arange(len(scores)) % 3
    both = cluster_covariance(scores, bread, named([labels[0], finer]), small_sample="none")
    coarse = cluster_covariance(scores, bread, named(labels), small_sample="none")
    np.testing.assert_allclose(both.unrepaired, coarse.matrix, rtol=1e-11)


COUNT = ParameterCount(regressors=3, levels=21, nonnested=9, rank=19, nonnested_rank=8)


@pytest.mark.parametrize(
    ("rule", "factors", "freedom"),
    [
        # 60 rows; 5, 7 and 30 clusters in the two dimensions and their intersection
        ("fixest", [59 / 48 * 5 / 4] * 3, 4),
        ("fixest-conventional", [59 / 48 * 5 / 4, 59 / 48 * 7 / 6, 59 / 48 * 30 / 29], 4),
        ("fixest-full", [59 / 36 * 5 / 4] * 3, 4),
        ("fixest-none", [59 / 57 * 5 / 4] * 3, 4),
        ("fixest-no-k", [5 / 4] * 3, 4),
        ("fixest-raw", [1.0] * 3, 4),
        ("reghdfe", [59 / 49 * 5 / 4] * 3, 4),
        ("sandwich", [59 / 38 * 5 / 4, 59 / 38 * 7 / 6, 59 / 38 * 30 / 29], 38),
        ("sandwich-HC0", [5 / 4, 7 / 6, 30 / 29], 38),
        ("sandwich-unadjusted", [59 / 38] * 3, 38),
        ("sandwich-multi0", [59 / 38 * 5 / 4, 59 / 38 * 7 / 6, 1.0], 38),
        ("linearmodels", [59 / 38 * 5 / 4, 59 / 38 * 7 / 6, 59 / 38 * 30 / 29], 38),
        ("linearmodels-absorbing", [59 / 36 * 5 / 4, 59 / 36 * 7 / 6, 59 / 36 * 30 / 29], 36),
        ("boottest", [59 / 38 * 5 / 4, 59 / 38 * 7 / 6, 59 / 38 * 30 / 29], 4),
        ("none", [1.0] * 3, np.inf),
    ],
)
def test_factors_and_freedom_of_every_rule(rule, factors, freedom):
    found = RULES[rule].cluster_factors(60, RULES[rule].parameters_of(COUNT, clustered=True), (5, 7), (5, 7, 30))
    np.testing.assert_allclose(found, factors, rtol=1e-14)
    spent = RULES[rule].parameters_of(COUNT, clustered=True)
    assert RULES[rule].freedom_of(60, spent, (5, 7)) == freedom


def test_without_clusters_no_effect_is_nested():
    assert RULES["fixest"].parameters_of(COUNT, clustered=False) == 24
    assert RULES["reghdfe"].parameters_of(COUNT, clustered=False) == 22
    assert RULES["fixest"].robust_factor(60, 24) == 60 / 36
    assert RULES["none"].robust_factor(60, 24) == 1.0


def test_a_rule_of_ones_own():
    rule = SmallSampleRule("mine", "nobody", "regressors", "none", "residual")
    scores, bread, labels = draw(0, 1)
    result = cluster_covariance(scores, bread, named(labels), small_sample=rule, parameters=3)
    assert result.factors == (59 / 57,)
    assert result.small_sample == "mine"
    assert result.degrees_of_freedom == 57


def test_iid():
    assert iid_covariance(np.eye(2), 60.0, 30, parameters=10).matrix[0, 0] == pytest.approx(3.0)
    assert iid_covariance(np.eye(2), 60.0, 30, small_sample="none").matrix[0, 0] == pytest.approx(2.0)


# -- not positive semi-definite ---------------------------------------------------------------------------------------


def indefinite():
    """Two by two cells whose scores cancel within rows and columns but not within cells: V = 0 + 0 − Σ_cells."""
    first, second = np.repeat([0, 0, 1, 1], 5), np.repeat([0, 1, 0, 1], 5)
    rng = np.random.default_rng(0)
    pattern = np.where(first == second, 1.0, -1.0)
    scores = np.column_stack([pattern, np.where(first == 0, 1.0, -0.5), rng.normal(size=20)])
    scores[:, 0] += 0.8 * scores[:, 2]
    return scores, np.eye(3), Clusters.build({"a": first, "b": second})


def test_repair_sets_negative_eigenvalues_to_zero_and_says_so():
    scores, bread, clusters = indefinite()
    raw = dense(scores, bread, clusters.codes)
    values, vectors = np.linalg.eigh(raw)
    assert values[0] < -1.0
    with pytest.warns(RepairedCovariance, match="clustered by a and b has the eigenvalue -"):
        result = cluster_covariance(scores, bread, clusters, small_sample="none")
    assert result.repaired
    assert result.minimum_eigenvalue == pytest.approx(values[0])
    np.testing.assert_allclose(result.matrix, vectors @ np.diag(np.maximum(values, 0)) @ vectors.T, atol=1e-10)
    np.testing.assert_allclose(result.unrepaired, raw, atol=1e-10)


def test_refusal_names_the_eigenvalue_and_the_remedy():
    scores, bread, clusters = indefinite()
    smallest = np.linalg.eigvalsh(dense(scores, bread, clusters.codes))[0]
    with pytest.raises(NotPositiveSemiDefinite) as caught:
        cluster_covariance(scores, bread, clusters, small_sample="none", not_psd="refuse")
    assert f"{smallest:.3g}" in str(caught.value)
    assert "not_psd='repair'" in str(caught.value)


def test_eigenvalues_are_judged_not_the_diagonal():
    rng = np.random.default_rng(1)
    for seed in range(200):
        scores, _, labels = draw(seed, 2, observations=30, groups=(3, 3))
        raw = dense(scores, np.eye(3), labels)
        if np.linalg.eigvalsh(raw)[0] < -1e-3 and (np.diag(raw) > 0.5).all():
            break
    else:
        pytest.fail("no such draw")
    with pytest.raises(NotPositiveSemiDefinite):
        cluster_covariance(scores, np.eye(3), named(labels), not_psd="refuse")
    # units of the regressors do not decide
    units = np.diag(10.0 ** rng.integers(-6, 6, 3))
    with pytest.raises(NotPositiveSemiDefinite):
        cluster_covariance(scores, units, named(labels), not_psd="refuse")


def test_a_single_negative_variance_cannot_be_repaired():
    scores, _, clusters = indefinite()
    pattern = scores[:, :1] - 0.8 * scores[:, 2:]
    with pytest.raises(NotPositiveSemiDefinite, match="without a variance"):
        cluster_covariance(pattern, np.eye(1), clusters, small_sample="none")


def test_too_few_clusters_for_full_rank_is_no_reason_to_repair():
    scores, bread, _ = draw(0, 1, coefficients=6)
    clusters = Clusters.build({"g": np.arange(60) % 3})
    result = cluster_covariance(scores, bread, clusters)
    assert not result.repaired
    assert np.linalg.matrix_rank(result.matrix) == 3


# -- bad input --------------------------------------------------------------------------------------------------------


def test_refusals():
    scores, bread, labels = draw(0, 2)
    clusters = named(labels)
    with pytest.raises(InvalidValue, match="choose one of fixest"):
        cluster_covariance(scores, bread, clusters, small_sample="stata")
    with pytest.raises(InvalidValue, match="not_psd"):
        cluster_covariance(scores, bread, clusters, not_psd="ignore")
    with pytest.raises(OneCluster, match="'d0'"):
        cluster_covariance(scores, bread, Clusters.build({"d0": np.zeros(60)}))
    with pytest.raises(TooFewObservations):
        cluster_covariance(scores, bread, clusters, parameters=60)
    with pytest.raises(TooFewObservations):
        iid_covariance(bread, 1.0, 3)
    with pytest.raises(ShapeMismatch):
        cluster_covariance(scores[:50], bread, clusters)
    with pytest.raises(ShapeMismatch):
        cluster_covariance(scores, bread[:, :2], clusters)
    with pytest.raises(ShapeMismatch):
        cluster_covariance(scores[:, 0], bread, clusters)
    scores[3, 1] = np.nan
    with pytest.raises(InvalidValue, match="finite"):
        cluster_covariance(scores, bread, clusters)
    with pytest.raises(InvalidValue):
        ParameterCount.plain(-1)
    assert rule_named(RULES["none"]) is RULES["none"]
