"""Covariance of any set of estimates from their influence functions, and tests and functions of them.

Every estimator here has β̂ − β ≈ Σ_i ψ_i.  Estimates on samples that overlap or not are put together by row label:
with ψ_i = 0 where a row is not in a sample, the stacked influence functions give

    V = Σ_T (−1)^{|T|+1} D_T [Σ_g (Σ_{i∈g} ψ_i)(Σ_{i∈g} ψ_i)′] D_T

over the subsets T of the clusters' dimensions, where D_T holds √c_T of each estimate under its own small-sample rule.
Blocks on the diagonal are therefore each estimate's own covariance, as long as V needs no repair.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from bigpush_est.errors import InvalidValue, OneCluster, ShapeMismatch, UnalignedEstimates, WrongType
from bigpush_est.reduced_form.linear.clusters import Clusters, sum_by
from bigpush_est.reduced_form.linear.covariance import Covariance, repair_or_refuse, sum_terms
from bigpush_est.reduced_form.linear.design import build_clusters
from bigpush_est.reduced_form.linear.functions import DeltaEstimates, WaldTest, delta_method, wald_test
from bigpush_est.reduced_form.linear.results import coefficient_frame
from bigpush_est.reduced_form.linear.small_sample import ParameterCount, SmallSampleRule, rule_named
from bigpush_est.reduced_form.result import Result, forest

__all__ = [
    "DeltaEstimates",
    "HasInfluence",
    "InfluenceFunctions",
    "JointEstimates",
    "WaldTest",
    "delta_method",
    "joint_covariance",
    "wald_test",
]

if TYPE_CHECKING:
    from matplotlib.axes import Axes

type FloatArray = NDArray[np.float64]


class HasInfluence(Protocol):
    """What an estimate needs for a joint covariance; ``Regression`` has it."""

    @property
    def names(self) -> tuple[str, ...]:
        """Of the K coefficients."""

    @property
    def coefficients(self) -> FloatArray:
        """Shape (K,)."""

    @property
    def influence(self) -> FloatArray:
        """ψ_i, shape (N, K)."""

    @property
    def rows(self) -> pd.Index:
        """Labels of the N rows, each once."""

    @property
    def labels(self) -> pd.DataFrame:
        """Labels of the clusters, one column per dimension, N rows."""

    @property
    def covariance(self) -> Covariance:
        """With the small-sample rule."""

    @property
    def parameters(self) -> ParameterCount:
        """Parameters spent."""


@dataclass(frozen=True, slots=True, eq=False)
class InfluenceFunctions:
    """An estimate that is not a ``Regression``, for ``joint_covariance``.

    Attributes
    ----------
    names, coefficients, influence, rows, labels, covariance, parameters
        As in ``HasInfluence``.
    """

    names: tuple[str, ...]
    coefficients: FloatArray
    influence: FloatArray
    rows: pd.Index
    labels: pd.DataFrame
    covariance: Covariance
    parameters: ParameterCount


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class JointEstimates(Result):
    """K estimates and their joint covariance.

    Attributes
    ----------
    names
        "title: coefficient".
    coefficients
        Shape (K,).
    matrix
        V, shape (K, K), repaired if ``repaired``.
    degrees_of_freedom
        Smallest of the estimates'.
    minimum_eigenvalue
        Of V before any repair.
    repaired
        Whether negative eigenvalues were set to zero.
    cluster_names, cluster_counts
        Dimensions and G over the union of rows; empty without clusters.
    rows
        Number of rows in the union.
    """

    names: tuple[str, ...]
    coefficients: FloatArray
    matrix: FloatArray
    degrees_of_freedom: float
    minimum_eigenvalue: float
    repaired: bool
    cluster_names: tuple[str, ...]
    cluster_counts: tuple[int, ...]
    rows: int

    @property
    def standard_errors(self) -> FloatArray:
        """√V_kk, shape (K,)."""
        return np.sqrt(np.diag(self.matrix))

    def position(self, name: str) -> int:
        """Position of an estimate.

        Raises
        ------
        InvalidValue
            For a name that is not there.
        """
        if name not in self.names:
            raise InvalidValue(
                key="estimate",
                value=repr(name),
                requirement="one of the joint estimates",
                remedy=f"choose from {', '.join(self.names)}",
            )
        return self.names.index(name)

    def tidy(self, level: float = 0.95) -> pd.DataFrame:
        """One row per estimate, with the columns of ``Regression.tidy``."""
        return coefficient_frame(self.names, self.coefficients, self.standard_errors, self.degrees_of_freedom, level)

    def summary(self) -> str:
        """Text of the estimates, and of how their covariance was formed."""
        if self.cluster_names:
            counts = zip(self.cluster_names, self.cluster_counts, strict=True)
            how = "clustered by " + " and ".join(f"{name} ({count:,} clusters)" for name, count in counts)
        else:
            how = "rows independent"
        if self.repaired:
            how += f"; not positive semi-definite (eigenvalue {self.minimum_eigenvalue:.2g}), repaired"
        lines = [f"{len(self.names)} joint estimates on {self.rows:,} rows", f"Covariance: {how}", ""]
        return "\n".join([*lines, self.tidy().to_string(float_format=lambda value: f"{value:.4g}")])

    def plot(self, axes: "Axes | None" = None) -> "Axes":
        """Draw the estimates with their 95% intervals."""
        table = self.tidy().to_numpy()
        axes = forest(self.names, table[:, 0].tolist(), table[:, 4].tolist(), table[:, 5].tolist(), axes)
        axes.set_xlabel("estimate, 95% confidence interval")
        return axes

    def covariance_frame(self) -> pd.DataFrame:
        """V with names."""
        return pd.DataFrame(self.matrix, index=self.names, columns=self.names)

    def wald(
        self, restrictions: ArrayLike | Sequence[Mapping[str, float]], values: ArrayLike | None = None
    ) -> WaldTest:
        """Test Rβ = r, see ``wald_test``; a restriction may be a mapping from names to coefficients."""
        if isinstance(restrictions, Sequence) and all(isinstance(row, Mapping) for row in restrictions):
            rows = np.zeros((len(restrictions), len(self.names)))
            for line, row in enumerate(restrictions):
                for name, coefficient in row.items():
                    rows[line, self.position(name)] = coefficient
        else:
            rows = np.asarray(restrictions, dtype=np.float64)
        return wald_test(self.coefficients, self.matrix, rows, values, self.degrees_of_freedom)

    def delta(self, function: Any, names: Sequence[str] | None = None) -> DeltaEstimates:
        """Estimate functions of the coefficients, see ``delta_method``."""
        return delta_method(function, self.coefficients, self.matrix, self.degrees_of_freedom, names)


def joint_covariance(
    results: Sequence[HasInfluence],
    *,
    cluster: str | Sequence[str] | pd.DataFrame | None = None,
    titles: Sequence[str] | None = None,
    small_sample: str | SmallSampleRule | None = None,
    not_psd: Literal["repair", "refuse"] = "repair",
) -> JointEstimates:
    """Stack influence functions by row label and sum them over clusters.

    Parameters
    ----------
    results
        Estimates; their rows may overlap in part or not at all.
    cluster
        None for the clusters that the estimates were computed with, which must be the same columns; names among those
        columns; or a frame indexed by row label with one column per dimension, for other clusters.
    titles
        One per result, to name the estimates "title: coefficient"; None for "1", "2" and so on.
    small_sample
        None for each estimate's own rule.
    not_psd
        As for ``ols``.

    Returns
    -------
    JointEstimates
        In the order of the results and of their coefficients.

    Raises
    ------
    UnalignedEstimates
        For row labels that occur twice, clusters that differ in name, or labels that differ on a shared row.
    OneCluster
        For an estimate whose rows share one cluster of a dimension.
    InvalidValue, WrongType, ShapeMismatch
        For no result, objects without influence functions, or titles that do not fit.
    NotPositiveSemiDefinite
        As for ``ols``.

    Examples
    --------
    The same regression twice is perfectly correlated with itself:

    >>> from bigpush_est.reduced_form.linear.regression import ols
    >>> data = pd.DataFrame({"y": [1.0, 2.0, 2.0, 5.0], "x": [0.0, 1.0, 2.0, 3.0]})
    >>> fit = ols(data, "y ~ x")
    >>> joint = joint_covariance([fit, fit])
    >>> bool(np.allclose(joint.matrix[:2, 2:], fit.covariance.matrix))
    True
    """
    results = list(results)
    titles = _checked_titles(results, titles)
    rule = None if small_sample is None else rule_named(small_sample)
    rows = _union(results)
    labels = _union_labels(results, rows, cluster)
    clusters = build_clusters(labels)
    positions = [rows.get_indexer(result.rows) for result in results]
    owned = [_own_factors(result, clusters, where, rule) for result, where in zip(results, positions, strict=True)]
    terms = [None] if clusters is None else list(clusters.terms())
    pieces, positive = [], []
    for number, term in enumerate(terms):
        codes = np.arange(len(rows)) if term is None else term.codes
        count = len(rows) if term is None else term.count
        blocks = [
            sum_by(codes[where], count, result.influence) * np.sqrt(factors[number])
            for result, where, (factors, _) in zip(results, positions, owned, strict=True)
        ]
        summed = np.column_stack(blocks)
        pieces.append(summed.T @ summed)
        positive.append(1 if term is None else term.sign)
    matrix = sum_terms(pieces, positive, (1.0,) * len(pieces))
    scale = np.diag(sum_terms(pieces, [max(sign, 0) for sign in positive], (1.0,) * len(pieces)))
    names = () if clusters is None else clusters.names
    final, repaired = repair_or_refuse(matrix, scale, names, not_psd)
    return JointEstimates(
        names=tuple(f"{title}: {name}" for title, result in zip(titles, results, strict=True) for name in result.names),
        coefficients=np.concatenate([result.coefficients for result in results]),
        matrix=final,
        degrees_of_freedom=min(freedom for _, freedom in owned),
        minimum_eigenvalue=float(np.linalg.eigvalsh(matrix)[0]),
        repaired=repaired,
        cluster_names=names,
        cluster_counts=() if clusters is None else clusters.counts,
        rows=len(rows),
    )


def _checked_titles(results: list[HasInfluence], titles: Sequence[str] | None) -> list[str]:
    if not results:
        raise InvalidValue(key="results", value="none", requirement="at least one", remedy="pass estimates")
    for result in results:
        missing = [
            name for name in ("names", "coefficients", "influence", "rows", "labels") if not hasattr(result, name)
        ]
        if missing:
            raise WrongType(
                key="results",
                value=type(result).__name__,
                expected=f"an estimate with {', '.join(missing)}",
                remedy="pass what ols and iv return, or InfluenceFunctions",
            )
        if result.influence.shape != (len(result.rows), len(result.names)):
            raise ShapeMismatch(
                key="influence",
                shape=result.influence.shape,
                expected=f"({len(result.rows)}, {len(result.names)})",
                remedy="one row per row used and one column per coefficient",
            )
    chosen = [str(number) for number in range(1, len(results) + 1)] if titles is None else list(titles)
    if len(chosen) != len(results) or len(set(chosen)) < len(chosen):
        raise InvalidValue(
            key="titles",
            value=chosen,
            requirement=f"{len(results)} different ones",
            remedy="pass one per result",
        )
    return chosen


def _union(results: list[HasInfluence]) -> pd.Index:
    union = results[0].rows
    for number, result in enumerate(results, start=1):
        if not result.rows.is_unique:
            label = result.rows[result.rows.duplicated()][0]
            raise UnalignedEstimates(
                detail=f"result {number} has the row label {label!r} more than once",
                remedy="reset the index of the data before estimating, or make its labels unique",
            )
        union = union.append(result.rows.difference(union, sort=False))
    return union


def _union_labels(
    results: list[HasInfluence], rows: pd.Index, cluster: str | Sequence[str] | pd.DataFrame | None
) -> pd.DataFrame:
    """Labels of the clusters on the union of rows, checked where samples overlap."""
    if isinstance(cluster, pd.DataFrame):
        if not cluster.index.is_unique or not rows.isin(cluster.index).all():
            raise UnalignedEstimates(
                detail="the frame of clusters does not have every row of the estimates exactly once",
                remedy="index it by the row labels of the data",
            )
        return cluster.loc[rows]
    wanted = list(results[0].labels.columns) if cluster is None else _column_names(cluster)
    for number, result in enumerate(results, start=1):
        own = list(result.labels.columns)
        if cluster is None and set(own) != set(wanted):
            raise UnalignedEstimates(
                detail=f"result 1 is clustered by {wanted or 'nothing'}, result {number} by {own or 'nothing'}",
                remedy="estimate all with the same clusters, or pass cluster=",
            )
        lacking = [name for name in wanted if name not in own]
        if lacking:
            raise UnalignedEstimates(
                detail=f"result {number} has no labels of {', '.join(map(str, lacking))}",
                remedy="pass a frame with the clusters of every row",
            )
    if not wanted:
        return pd.DataFrame(index=rows)
    union = results[0].labels[wanted]
    for number, result in enumerate(results[1:], start=2):
        other = result.labels[wanted]
        shared = union.index.intersection(other.index)
        differs = (union.loc[shared].to_numpy() != other.loc[shared].to_numpy()).any(axis=1)
        if differs.any():
            raise UnalignedEstimates(
                detail=f"result {number} has other clusters than those before in row {shared[differs][0]!r}",
                remedy="estimate all from one data frame",
            )
        union = pd.concat([union, other.loc[other.index.difference(union.index, sort=False)]])
    return union.loc[rows]


def _column_names(cluster: str | Sequence[str]) -> list[str]:
    return [part.strip() for part in cluster.split("+")] if isinstance(cluster, str) else list(cluster)


def _own_factors(
    result: HasInfluence, clusters: Clusters | None, where: NDArray[np.intp], rule: SmallSampleRule | None
) -> tuple[tuple[float, ...], float]:
    """c_T of every term and degrees of freedom, with G and K of this estimate's own sample."""
    own_rule = result.covariance.rule if rule is None else rule
    observations = len(result.rows)
    spent = own_rule.parameters_of(result.parameters, clustered=clusters is not None)
    if clusters is None:
        factor = own_rule.robust_factor(observations, spent)
        return (factor,), own_rule.freedom_of(observations, spent, ())
    own = clusters.select(where)
    for name, number in zip(own.names, own.counts, strict=True):
        if number < 2:
            raise OneCluster(
                name=name,
                value=f"that all rows of {', '.join(result.names)} share",
                remedy="cluster by something that varies within every estimate's sample, or leave that estimate out",
            )
    counts = tuple(term.count for term in own.terms())
    factors = own_rule.cluster_factors(observations, spent, own.counts, counts)
    return factors, own_rule.freedom_of(observations, spent, own.counts)
