"""Covariance of an estimator from its scores, clustered in any number of dimensions, with a stated small-sample rule.

With scores s_i and bread A, the raw covariance over the non-empty subsets T of D dimensions is

    V = Σ_T (−1)^{|T|+1} c_T  A [Σ_g (Σ_{i∈g} s_i)(Σ_{i∈g} s_i)′] A′

where g runs over the cells that the dimensions of T form (Cameron, Gelbach and Miller 2011, eq. 2.13), and c_T is the
factor of the rule.  Sums run over the groups' codes: nothing of size N × N, and nothing of size N × G, is formed.
"""

import warnings
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from bigpush_est.errors import (
    InvalidValue,
    NotPositiveSemiDefinite,
    OneCluster,
    RepairedCovariance,
    ShapeMismatch,
    TooFewObservations,
)
from bigpush_est.reduced_form.linear.clusters import Clusters, ClusterTerm, sum_by
from bigpush_est.reduced_form.linear.small_sample import ParameterCount, SmallSampleRule, rule_named

type FloatArray = NDArray[np.float64]

#: Smallest eigenvalue, of the matrix in units of its own one-way standard errors, that still counts as rounding.
PSD_TOLERANCE = -1e-10


@dataclass(frozen=True, slots=True)
class Covariance:
    """A covariance matrix and how it came about.

    Attributes
    ----------
    matrix
        V, shape (K, K), repaired if ``repaired``.
    unrepaired
        V before any repair, shape (K, K).
    rule
        Of the small-sample factors.
    terms
        Per term of the sum, the dimensions that form its cells; () without clusters.
    factors
        Per term, c_T ≥ 0, without the sign.
    parameters
        K in (N − 1)/(N − K).
    degrees_of_freedom
        Of the t distribution; ∞ for the normal one.
    minimum_eigenvalue
        Of V before any repair.
    minimum_eigenvalue_raw
        Of V before any repair with every factor equal to one.
    repaired
        Whether negative eigenvalues were set to zero.
    cluster_names, cluster_counts
        Dimensions, and G of each; empty without clusters.
    """

    matrix: FloatArray
    unrepaired: FloatArray
    rule: SmallSampleRule
    terms: tuple[tuple[str, ...], ...]
    factors: tuple[float, ...]
    parameters: int
    degrees_of_freedom: float
    minimum_eigenvalue: float
    minimum_eigenvalue_raw: float
    repaired: bool
    cluster_names: tuple[str, ...]
    cluster_counts: tuple[int, ...]

    @property
    def small_sample(self) -> str:
        """Name of the rule."""
        return self.rule.name

    @property
    def standard_errors(self) -> FloatArray:
        """√V_kk, shape (K,)."""
        return np.sqrt(np.diag(self.matrix))


def cluster_covariance(
    scores: FloatArray,
    bread: FloatArray,
    clusters: Clusters | None,
    *,
    small_sample: str | SmallSampleRule = "fixest",
    parameters: int | ParameterCount | None = None,
    not_psd: Literal["repair", "refuse"] = "repair",
) -> Covariance:
    """Sum the scores over clusters in any number of dimensions.

    Parameters
    ----------
    scores
        s_i, shape (N, L): the contribution of observation i to the moments, at the estimate.
    bread
        A, shape (K, L), with β̂ − β ≈ A Σ_i s_i.
    clusters
        None for a heteroskedasticity-robust covariance, in which every observation is a cluster of its own.
    small_sample
        A rule or its name, see ``small_sample.RULES``.
    parameters
        Parameters that the model spent, as a ``ParameterCount`` (from which each rule takes what it counts) or as one
        number for every rule; None counts the K rows of ``bread``.
    not_psd
        What to do with a covariance that is not positive semi-definite: set its negative eigenvalues to zero (with a
        ``RepairedCovariance`` warning), or raise.

    Returns
    -------
    Covariance
        With factors, degrees of freedom and eigenvalues.

    Raises
    ------
    ShapeMismatch
        For scores, bread and clusters that do not fit together.
    InvalidValue
        For scores that are not finite, an unknown rule or an unknown ``not_psd``.
    OneCluster
        For a dimension in which all observations share one cluster.
    TooFewObservations
        For N ≤ K under a rule that divides by N − K.
    NotPositiveSemiDefinite
        With ``not_psd="refuse"``, and where the repair would leave a coefficient without a variance.

    Examples
    --------
    Ten observations in pairs, one coefficient:

    >>> import numpy as np
    >>> from bigpush_est.reduced_form.linear.clusters import Clusters
    >>> scores = np.arange(10.0)[:, None] - 4.5
    >>> pairs = Clusters.build({"pair": np.arange(10) // 2})
    >>> result = cluster_covariance(scores, np.eye(1), pairs, small_sample="none")
    >>> float(result.matrix[0, 0])
    160.0
    """
    scores, bread = np.asarray(scores, dtype=np.float64), np.asarray(bread, dtype=np.float64)
    _check_shapes(scores, bread, clusters)
    if not_psd not in ("repair", "refuse"):
        raise InvalidValue(
            key="not_psd", value=repr(not_psd), requirement="'repair' or 'refuse'", remedy="choose one of the two"
        )
    rule = rule_named(small_sample)
    if parameters is None:
        parameters = int(bread.shape[0])
    count = parameters if isinstance(parameters, ParameterCount) else ParameterCount.plain(parameters)
    observations = scores.shape[0]
    spent = rule.parameters_of(count, clustered=clusters is not None)
    if rule.divides_by_residual_freedom and observations <= spent:
        raise TooFewObservations(
            observations=observations, parameters=spent, remedy="use fewer regressors or fixed effects, or more data"
        )
    if clusters is None:
        factors: tuple[float, ...] = (rule.robust_factor(observations, spent),)
        names: tuple[tuple[str, ...], ...] = ((),)
        meats, signs = [scores.T @ scores], [1]
    else:
        terms = list(clusters.terms())
        factors = rule.cluster_factors(observations, spent, clusters.counts, tuple(term.count for term in terms))
        names = tuple(term.names for term in terms)
        meats, signs = [_meat(term, scores) for term in terms], [term.sign for term in terms]
    meat = sum_terms(meats, signs, factors)
    positive = sum_terms(meats, [max(sign, 0) for sign in signs], factors)
    matrix = _sandwich(bread, meat)
    raw = _sandwich(bread, sum_terms(meats, signs, (1.0,) * len(meats)))
    dimensions = () if clusters is None else clusters.names
    scale = np.diag(_sandwich(bread, positive))
    # a square bread has a covariance with as many negative eigenvalues as its meat, which is better conditioned
    judged = (meat, np.diag(positive)) if bread.shape[0] == bread.shape[1] else None
    final, repaired = repair_or_refuse(matrix, scale, dimensions, not_psd, judged=judged)
    return Covariance(
        matrix=final,
        unrepaired=matrix,
        rule=rule,
        terms=names,
        factors=factors,
        parameters=spent,
        degrees_of_freedom=rule.freedom_of(observations, spent, () if clusters is None else clusters.counts),
        minimum_eigenvalue=float(np.linalg.eigvalsh(matrix)[0]),
        minimum_eigenvalue_raw=float(np.linalg.eigvalsh(raw)[0]),
        repaired=repaired,
        cluster_names=dimensions,
        cluster_counts=() if clusters is None else clusters.counts,
    )


def iid_covariance(
    bread: FloatArray,
    residual_sum_of_squares: float,
    observations: int,
    *,
    small_sample: str | SmallSampleRule = "fixest",
    parameters: int | ParameterCount | None = None,
) -> Covariance:
    """Homoskedastic covariance σ̂² A with σ̂² = Σ ω u²/(N − K), or Σ ω u²/N under a rule without small-sample factors.

    Parameters
    ----------
    bread
        A = (X̂′ΩX)⁻¹, shape (K, K).
    residual_sum_of_squares
        Σ_i ω_i u_i².
    observations
        N.
    small_sample, parameters
        As in ``cluster_covariance``.

    Examples
    --------
    >>> import numpy as np
    >>> float(iid_covariance(np.eye(1), 18.0, 10).matrix[0, 0])
    2.0
    """
    rule = rule_named(small_sample)
    if parameters is None:
        parameters = int(bread.shape[0])
    count = parameters if isinstance(parameters, ParameterCount) else ParameterCount.plain(parameters)
    spent = rule.parameters_of(count, clustered=False)
    if observations <= spent:
        raise TooFewObservations(
            observations=observations, parameters=spent, remedy="use fewer regressors or fixed effects, or more data"
        )
    factor = rule.iid_factor(observations, spent)
    matrix = bread * (residual_sum_of_squares / observations * factor)
    matrix = 0.5 * (matrix + matrix.T)
    smallest = float(np.linalg.eigvalsh(matrix)[0])
    return Covariance(
        matrix=matrix,
        unrepaired=matrix,
        rule=rule,
        terms=((),),
        factors=(factor,),
        parameters=spent,
        degrees_of_freedom=rule.freedom_of(observations, spent, ()),
        minimum_eigenvalue=smallest,
        minimum_eigenvalue_raw=smallest / factor,
        repaired=False,
        cluster_names=(),
        cluster_counts=(),
    )


def repair_or_refuse(
    matrix: FloatArray,
    scale: FloatArray,
    dimensions: tuple[str, ...],
    not_psd: Literal["repair", "refuse"],
    *,
    judged: tuple[FloatArray, FloatArray] | None = None,
) -> tuple[FloatArray, bool]:
    """Return a positive semi-definite covariance and whether it had to be changed, or raise.

    In fewer than two dimensions nothing is subtracted, and the matrix is returned as it is.  Eigenvalues are judged on
    the matrix in units of ``scale``, so that the units of the regressors do not matter; the repair sets the negative
    eigenvalues of the matrix itself to zero, as fixest, sandwich and Cameron, Gelbach and Miller (2011, p. 241) do, and
    so depends on them.

    Parameters
    ----------
    matrix
        V, shape (K, K).
    scale
        Positive variances, shape (K,), in whose units to judge: those of the positive terms alone.
    dimensions
        Names for the message.
    not_psd
        "repair" or "refuse".
    judged
        Another matrix with as many negative eigenvalues, and its scale, to judge instead.
    """
    if len(dimensions) < 2:
        return matrix, False
    units = np.sqrt(np.where(scale > 0, scale, 1.0))
    looked_at, spread = (matrix, scale) if judged is None else judged
    root = np.sqrt(np.where(spread > 0, spread, 1.0))
    if np.linalg.eigvalsh(looked_at / np.outer(root, root))[0] >= PSD_TOLERANCE:
        return matrix, False
    values, vectors = np.linalg.eigh(matrix)
    clusters = " and ".join(dimensions)
    minimum = f"{values[0]:.3g}"
    remedy = "cluster in fewer dimensions, merge small clusters, or bootstrap"
    if not_psd == "refuse":
        raise NotPositiveSemiDefinite(
            clusters=clusters,
            minimum=minimum,
            detail="Its terms subtract more than they add, as happens with few clusters",
            remedy=remedy + "; or pass not_psd='repair'",
        )
    fixed: FloatArray = (vectors * np.maximum(values, 0.0)) @ vectors.T
    fixed = 0.5 * (fixed + fixed.T)
    if (np.diag(fixed) <= 1e-12 * units**2).any():
        raise NotPositiveSemiDefinite(
            clusters=clusters,
            minimum=minimum,
            detail="Setting negative eigenvalues to zero would leave a coefficient without a variance",
            remedy=remedy,
        )
    warnings.warn(RepairedCovariance(clusters=clusters, minimum=minimum), stacklevel=3)
    return fixed, True


def sum_terms(pieces: list[FloatArray], signs: list[int], factors: tuple[float, ...]) -> FloatArray:
    """Σ_T sign_T c_T V_T, made symmetric."""
    total: FloatArray = np.zeros_like(pieces[0])
    for piece, sign, factor in zip(pieces, signs, factors, strict=True):
        total = total + sign * factor * piece
    return 0.5 * (total + total.T)


def _meat(term: ClusterTerm, scores: FloatArray) -> FloatArray:
    """Σ_g s_g s_g′."""
    sums = scores if term.count == scores.shape[0] else sum_by(term.codes, term.count, scores)
    return np.asarray(sums.T @ sums)


def _sandwich(bread: FloatArray, meat: FloatArray) -> FloatArray:
    matrix = bread @ meat @ bread.T
    return np.asarray(0.5 * (matrix + matrix.T))


def _check_shapes(scores: FloatArray, bread: FloatArray, clusters: Clusters | None) -> None:
    if scores.ndim != 2 or scores.shape[0] == 0:
        raise ShapeMismatch(
            key="scores", shape=scores.shape, expected="(N, L), N ≥ 1", remedy="one row per observation"
        )
    if bread.ndim != 2 or bread.shape[1] != scores.shape[1]:
        raise ShapeMismatch(
            key="bread", shape=bread.shape, expected=f"(K, {scores.shape[1]})", remedy="one column per score"
        )
    if not (np.isfinite(scores).all() and np.isfinite(bread).all()):
        raise InvalidValue(
            key="scores", value="not finite", requirement="finite", remedy="drop rows with missing values first"
        )
    if clusters is None:
        return
    if clusters.observations != scores.shape[0]:
        raise ShapeMismatch(
            key="clusters", shape=(clusters.observations,), expected=f"({scores.shape[0]},)", remedy="one label per row"
        )
    for name, count in zip(clusters.names, clusters.counts, strict=True):
        if count < 2:
            raise OneCluster(
                name=name, value="that all rows share", remedy="cluster by something that varies, or not in this way"
            )
