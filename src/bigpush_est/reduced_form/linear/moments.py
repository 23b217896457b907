"""Covariance of moments, clustered in any number of dimensions, as it is: neither repaired nor refused.

    S = Σ_T (−1)^{|T|+1} c_T Σ_g s_g s_g′,     s_g = Σ_{i ∈ g} s_i

with the factors c_T of a named rule.  What to do where S is not positive semi-definite depends on what it is for
and is left to the caller.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bigpush_est.errors import OneCluster, TooFewObservations
from bigpush_est.reduced_form.linear.clusters import Clusters, sum_by
from bigpush_est.reduced_form.linear.covariance import sum_terms
from bigpush_est.reduced_form.linear.problem import LinearProblem
from bigpush_est.reduced_form.linear.small_sample import ParameterCount, SmallSampleRule, rule_named

type FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class MomentCovariance:
    """S and where it came from.

    Attributes
    ----------
    matrix
        S, shape (M, M).
    scale
        Diagonal of the sum of the positive terms alone, shape (M,).
    small_sample
        Name of the rule.
    factors
        Of every term, without the sign; one factor without clusters.
    parameters
        K in the factors.
    freedom
        Degrees of freedom that the rule refers to; ∞ for the normal distribution.
    """

    matrix: FloatArray
    scale: FloatArray
    small_sample: str
    factors: tuple[float, ...]
    parameters: int
    freedom: float


def parameter_count(problem: LinearProblem, regressors: int) -> ParameterCount:
    """Count the parameters of a regression on some regressors beside the fixed effects that were taken out."""
    rank = problem.absorbed + problem.absorbed_nested
    # software keeps one column of the nested effects, which stands for the constant
    nonnested = problem.absorbed if problem.absorbed > 0 or problem.absorbed_nested == 0 else 1
    return ParameterCount(regressors, rank, nonnested, rank, nonnested)


def rule_factors(
    clusters: Clusters | None, observations: int, rule: SmallSampleRule, count: ParameterCount
) -> tuple[tuple[float, ...], int]:
    """Factors of the terms under a rule, and its K.

    Raises
    ------
    TooFewObservations
        For N ≤ K under a rule that divides by N − K.
    OneCluster
        For a dimension with a single cluster.
    """
    spent = rule.parameters_of(count, clustered=clusters is not None)
    if rule.divides_by_residual_freedom and observations <= spent:
        raise TooFewObservations(
            observations=observations, parameters=spent, remedy="use fewer regressors or fixed effects, or more data"
        )
    if clusters is None:
        return (rule.robust_factor(observations, spent),), spent
    for name, groups in zip(clusters.names, clusters.counts, strict=True):
        if groups < 2:
            raise OneCluster(name=name, value="that all rows share", remedy="cluster by something that varies")
    counts = tuple(term.count for term in clusters.terms())
    return rule.cluster_factors(observations, spent, clusters.counts, counts), spent


def moment_covariance(
    scores: FloatArray, clusters: Clusters | None, small_sample: str | SmallSampleRule, count: ParameterCount
) -> MomentCovariance:
    """Return S for scores of shape (N, M).

    Examples
    --------
    >>> groups = Clusters.build({"g": [0, 0, 1]})
    >>> moment_covariance(np.array([[1.0], [2.0], [-1.0]]), groups, "none", ParameterCount.plain(1)).matrix
    array([[10.]])
    """
    rule = rule_named(small_sample)
    observations = scores.shape[0]
    factors, spent = rule_factors(clusters, observations, rule, count)
    if clusters is None:
        pieces, signs = [scores.T @ scores], [1]
    else:
        terms = list(clusters.terms())
        summed = (sum_by(term.codes, term.count, scores) for term in terms)
        pieces, signs = [block.T @ block for block in summed], [term.sign for term in terms]
    positive = sum_terms(pieces, [max(sign, 0) for sign in signs], factors)
    counts = () if clusters is None else clusters.counts
    return MomentCovariance(
        sum_terms(pieces, signs, factors),
        np.diag(positive).copy(),
        rule.name,
        factors,
        spent,
        rule.freedom_of(observations, spent, counts),
    )
