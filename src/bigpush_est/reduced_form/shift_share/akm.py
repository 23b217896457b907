"""Inference for shift-share regressors: correlated errors of units with similar shares, and the regression of shocks.

The regressor (or the instrument) of unit i is X_i = Σ_s w_is 𝒳_s: shares w, common shocks 𝒳.  Adão, Kolesár and Morales
(2019) let errors be correlated through the same shares: with ẍ the regressor net of controls, x̂ the coefficients of ẍ
on the shares and ε̂ the residuals, all weighted by ω,

    R_s = x̂_s Σ_i ω_i w_is ε̂_i,      V_AKM = Σ_c (Σ_{s ∈ c} R_s)² / (Σ_i ω_i ẍ_i d_i)²

with d = ẍ for least squares and d = the endogenous regressor for IV; c runs over clusters of sectors.  AKM0 takes the
residuals under the null, so that its confidence set is the solution of a quadratic inequality.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from bigpush_est.errors import InvalidValue, ShapeMismatch, ShiftShareRefused
from bigpush_est.reduced_form.linear.clusters import Clusters, sum_by
from bigpush_est.reduced_form.linear.covariance import cluster_covariance
from bigpush_est.reduced_form.linear.partialling import FloatArray, Partialled, need_instruments, partial_out
from bigpush_est.reduced_form.linear.problem import LinearProblem
from bigpush_est.reduced_form.result import Result, forest
from bigpush_est.reduced_form.weak_iv.confidence_set import ConfidenceSet, check_level, quadratic_set

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Largest share of the regressor's length that shares × shocks may leave unexplained; data in single precision pass.
STRUCTURE_TOLERANCE = 1e-3


@dataclass(frozen=True, slots=True)
class ShiftShareRow:
    """Inference on the coefficient by one method.

    Attributes
    ----------
    method
        "homoskedastic", "robust", "cluster", "AKM" or "AKM0".
    standard_error
        Of AKM0: length of the interval over 2z; infinite where the set is not one bounded interval.
    p_value
        Of β = null, two-sided, from the normal distribution.
    confidence_set
        With the normal critical value.
    small_sample
        Name of the rule, see ``small_sample.RULES``.
    """

    method: str
    standard_error: float
    p_value: float
    confidence_set: ConfidenceSet
    small_sample: str


@dataclass(frozen=True, slots=True, repr=False)
class ShiftShareResult(Result):
    """Coefficient of a shift-share regressor, or of the regressor that it instruments.

    Attributes
    ----------
    name
        Of the regressor.
    estimate
        Least squares or IV.
    null
        Value that the p-values test.
    rows
        By method.
    units, sectors, sector_clusters
        Counts.
    structure
        What was checked of X_i = Σ_s w_is 𝒳_s.
    """

    name: str
    estimate: float
    null: float
    rows: tuple[ShiftShareRow, ...]
    units: int
    sectors: int
    sector_clusters: int
    structure: str

    def tidy(self) -> pd.DataFrame:
        """One row per method: ``Estimate``, ``Std. Error``, ``p_value``, the ends of the set, and the set as text."""
        return pd.DataFrame(
            [
                {
                    "method": row.method,
                    "Estimate": self.estimate,
                    "Std. Error": row.standard_error,
                    "p_value": row.p_value,
                    "conf_low": row.confidence_set.low,
                    "conf_high": row.confidence_set.high,
                    "confidence set": str(row.confidence_set),
                    "small_sample": row.small_sample,
                }
                for row in self.rows
            ]
        )

    def summary(self) -> str:
        """Text of the estimate and its inference by method."""
        table = self.tidy()[["method", "Std. Error", "p_value", "confidence set"]]
        lines = [
            f"Shift-share {self.name}: {self.estimate:.4g}; {self.units:,} units, {self.sectors:,} sectors in "
            f"{self.sector_clusters:,} clusters; p-values of {self.null:g}",
            table.to_string(index=False, float_format=lambda value: f"{value:.4g}"),
            f"structure: {self.structure}",
        ]
        return "\n".join(lines)

    def plot(self, axes: "Axes | None" = None) -> "Axes":
        """Draw the estimate with each method's confidence set (its hull)."""
        table = self.tidy()
        axes = forest(
            table["method"].tolist(),
            table["Estimate"].tolist(),
            table["conf_low"].tolist(),
            table["conf_high"].tolist(),
            axes,
        )
        axes.set_xlabel(f"{self.name}, confidence set".replace("$", r"\$"))
        return axes

    def row(self, method: str) -> ShiftShareRow:
        """Return one method's row; raise InvalidValue for a method that is not there."""
        for row in self.rows:
            if row.method == method:
                return row
        raise InvalidValue(
            key="method", value=method, requirement=f"one of {[r.method for r in self.rows]}", remedy="choose one"
        )


@dataclass(frozen=True, slots=True)
class ShiftShareDesign:
    """Everything net of controls and scaled by √ω: y, x (the regressor), d (what the coefficient multiplies)."""

    y: FloatArray
    x: FloatArray
    d: FloatArray
    parts: Partialled
    name: str
    iv: bool
    parameters: int


def shift_share_design(problem: LinearProblem, regressor: str | None) -> ShiftShareDesign:
    """Take controls out of the shift-share, of the outcome and of what the coefficient multiplies."""
    if problem.endogenous.shape[1] > 0:
        need_instruments(problem, endogenous=1)
        if problem.instruments.shape[1] != 1:
            raise InvalidValue(
                key="instruments",
                value=f"{problem.instruments.shape[1]} ({', '.join(problem.instrument_names)})",
                requirement="one shift-share instrument",
                remedy="combine them, or use the shock-level regression",
            )
        parts = partial_out(problem)
        x, d, name, iv = parts.instruments[:, 0], parts.endogenous[:, 0], problem.names[0], True
    else:
        if regressor not in problem.names:
            raise InvalidValue(
                key="regressor", value=regressor, requirement=f"one of {list(problem.names)}", remedy="name it"
            )
        column = problem.names.index(regressor)
        others = [k for k in range(len(problem.names)) if k != column]
        moved = LinearProblem(
            outcome=problem.outcome,
            endogenous=problem.exogenous[:, [column]],
            exogenous=problem.exogenous[:, others],
            instruments=problem.exogenous[:, [column]],
            names=(regressor, *(problem.names[k] for k in others)),
            instrument_names=(regressor,),
            weights=problem.weights,
            clusters=problem.clusters,
            absorbed=problem.absorbed,
            absorbed_nested=problem.absorbed_nested,
        )
        parts = partial_out(moved)
        x = d = parts.instruments[:, 0]
        name, iv = regressor, False
    if abs(float(x @ d)) <= 1e-12 * float(np.linalg.norm(x) * np.linalg.norm(d)):
        raise InvalidValue(
            key=f"instrument of '{name}'",
            value="uncorrelated with it",
            requirement="correlated with the regressor",
            remedy="check shares and shocks",
        )
    parameters = len(problem.names) + problem.absorbed + problem.absorbed_nested
    return ShiftShareDesign(parts.outcome, x, d, parts, name, iv, parameters)


def check_shares(shares: ArrayLike, units: int) -> FloatArray:
    """Check an N × S matrix of shares.

    Raises
    ------
    ShapeMismatch
        Unless it is (N, S).
    InvalidValue
        For missing or infinite shares, a sector in no unit, or more sectors than units.
    """
    matrix: FloatArray = np.asarray(shares, dtype=np.float64)
    if matrix.ndim != 2 or matrix.shape[0] != units:
        raise ShapeMismatch(
            key="shares", shape=matrix.shape, expected=f"({units}, sectors)", remedy="one row per unit, in its order"
        )
    if not np.isfinite(matrix).all():
        row, column = (int(k[0]) for k in np.nonzero(~np.isfinite(matrix)))
        raise InvalidValue(
            key="shares",
            value=f"missing or infinite in row {row}, sector {column}",
            requirement="finite",
            remedy="write 0 where a sector is absent",
        )
    empty = np.flatnonzero(~matrix.any(axis=0))
    if empty.size:
        raise InvalidValue(
            key="shares",
            value=f"0 everywhere in sector {int(empty[0])} ({empty.size} such sectors)",
            requirement="positive somewhere in every sector",
            remedy="drop sectors in which no unit has a share",
        )
    return matrix


def check_structure(
    shares: ArrayLike, shocks: ArrayLike, regressor: ArrayLike | None = None, places: Sequence[object] | None = None
) -> None:
    """Check that a regressor is Σ_s w_is 𝒳_s with shocks common to all units and shares fixed by place.

    Parameters
    ----------
    shares
        w, shape (N, S).
    shocks
        𝒳, shape (S,).
    regressor
        X before anything is taken out, shape (N,), to be compared with w𝒳.
    places
        N labels of the level at which shares are meant to vary; None if every unit is its own place.

    Raises
    ------
    ShiftShareRefused
        For shocks that differ by unit (as behind a ring that leaves out near neighbours), shares that differ within a
        place (as where each firm leaves out its own group), or a regressor that is not w𝒳.

    Examples
    --------
    >>> check_structure([[0.5, 0.5], [1.0, 0.0]], [1.0, 3.0], regressor=[2.0, 1.0])
    """
    shock_values = np.asarray(shocks, dtype=np.float64)
    share_values = np.asarray(shares, dtype=np.float64)
    if shock_values.ndim == 2:
        varying = int((np.ptp(shock_values, axis=0) > 0.0).sum())
        raise ShiftShareRefused(
            reason="shocks are specific to the unit, so that no common shock per sector exists",
            evidence=f"{varying} of {shock_values.shape[1]} sectors have shocks that differ between units",
            remedy="redraw the shocks and rebuild the instrument (randomisation inference), or build a variant with "
            "common shocks",
        )
    matrix = check_shares(share_values, share_values.shape[0])
    if shock_values.shape != (matrix.shape[1],) or not np.isfinite(shock_values).all():
        raise ShapeMismatch(
            key="shocks", shape=shock_values.shape, expected=f"({matrix.shape[1]},), finite", remedy="one per sector"
        )
    if places is not None:
        grouped = Clusters.build({"place": np.asarray(places, dtype=object)})
        if grouped.observations != matrix.shape[0]:
            raise ShapeMismatch(
                key="places",
                shape=(grouped.observations,),
                expected=f"({matrix.shape[0]},)",
                remedy="one label per unit",
            )
        codes, count = grouped.codes[0], grouped.counts[0]
        first = np.full(count, -1)
        first[codes[::-1]] = np.arange(codes.size)[::-1]
        differs = np.abs(matrix - matrix[first[codes]]).max(axis=1) > 1e-12 * np.abs(matrix).max()
        if differs.any():
            raise ShiftShareRefused(
                reason="shares are specific to the firm within a place: firms of a place do not share exposures",
                evidence=f"{int(differs.sum())} of {matrix.shape[0]} units differ from the first unit of their place",
                remedy="use shares of the place for all its firms, or randomisation inference on the actual instrument",
            )
    if regressor is not None:
        values = np.asarray(regressor, dtype=np.float64)
        if values.shape != (matrix.shape[0],):
            raise ShapeMismatch(
                key="regressor", shape=values.shape, expected=f"({matrix.shape[0]},)", remedy="one per unit"
            )
        _compare(values, matrix @ shock_values)


def _compare(values: FloatArray, built: FloatArray) -> None:
    gap = float(np.linalg.norm(values - built) / max(float(np.linalg.norm(values)), 1e-300))
    if gap > STRUCTURE_TOLERANCE:
        raise ShiftShareRefused(
            reason="the regressor is not the sum over sectors of share × common shock",
            evidence=f"{gap:.3g} of its length is left unexplained",
            remedy="pass the shares and shocks that it was built from; if its shocks differ by unit, use randomisation "
            "inference",
        )


def _structure(problem: LinearProblem, design: ShiftShareDesign, shares: FloatArray, shocks: ArrayLike | None) -> str:
    """Compare the regressor with shares × shocks, both net of controls, as far as that can be done."""
    if shocks is not None:
        check_structure(shares, shocks)
    if problem.absorbed + problem.absorbed_nested > 0:
        return "not checked: fixed effects were taken out of the regressor but not of the shares"
    scaled = shares * design.parts.scale[:, None]
    net = scaled - design.parts.controls @ (design.parts.controls.T @ scaled)
    if shocks is not None:
        _compare(design.x, net @ np.asarray(shocks, dtype=np.float64))
        return "the regressor is shares × the shocks that were passed"
    fitted = net @ np.linalg.lstsq(net, design.x, rcond=1e-12)[0]
    _compare(design.x, fitted)
    return "the regressor lies in the span of the shares"


def akm(
    problem: LinearProblem,
    shares: ArrayLike,
    *,
    regressor: str | None = None,
    shocks: ArrayLike | None = None,
    sector_clusters: Sequence[object] | NDArray[np.generic] | None = None,
    null: float = 0.0,
    level: float = 0.95,
) -> ShiftShareResult:
    """AKM and AKM0 inference, beside the usual standard errors, for least squares or IV.

    Parameters
    ----------
    problem
        Units; with an endogenous regressor, its only instrument is the shift-share.
    shares
        w, shape (N, S), linearly independent columns; they need not sum to one.
    regressor
        For least squares: name of the shift-share among the regressors.
    shocks
        𝒳, shape (S,), to check the regressor against; without them it is checked to lie in the span of the shares.
    sector_clusters
        S labels; sums of R_s over a cluster are squared.  None: every sector on its own.
    null
        Value of the coefficient that the p-values test.
    level
        Confidence level.

    Returns
    -------
    ShiftShareResult
        Small-sample factors as in the R package ShiftShareSE: least squares has n − p, n/(n − p) and
        G/(G−1)·(n−1)/(n−p) in the rows "homoskedastic", "robust", "cluster" (the rule "sandwich"); its IV, AKM and AKM0
        have none.

    Raises
    ------
    InvalidValue
        For an unknown regressor, several instruments, collinear shares.
    ShiftShareRefused
        Where the regressor is not shares × common shocks.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> w = rng.dirichlet(np.ones(5), 60)
    >>> x = w @ rng.normal(size=5)
    >>> problem = LinearProblem(0.5 * x + rng.normal(size=60), np.empty((60, 0)), np.column_stack([x, np.ones(60)]),
    ...     np.empty((60, 0)), ("x", "one"), (), None, None, 0, 0)
    >>> [row.method for row in akm(problem, w, regressor="x").rows]
    ['homoskedastic', 'robust', 'AKM', 'AKM0']
    """
    from scipy.special import ndtr, ndtri

    level = check_level(level)
    design = shift_share_design(problem, regressor)
    n = problem.observations
    matrix = check_shares(shares, n)
    if not np.isfinite(null):
        raise InvalidValue(key="null", value=null, requirement="a finite number", remedy="pass 0.0")
    structure = _structure(problem, design, matrix, shocks)
    codes, clusters = _sector_codes(sector_clusters, matrix.shape[1])
    scaled = matrix * design.parts.scale[:, None]
    projected, _, rank, _ = np.linalg.lstsq(scaled, design.x, rcond=1e-10)
    if rank < matrix.shape[1]:
        raise InvalidValue(
            key="shares",
            value=f"of rank {int(rank)} with {matrix.shape[1]} sectors in {n} units",
            requirement="linearly independent by sector",
            remedy="merge sectors whose shares are collinear",
        )
    x, d, y = design.x, design.d, design.y
    bread = float(x @ d)
    estimate = float(x @ y) / bread
    residual = y - estimate * d
    critical = float(-ndtri((1.0 - level) / 2.0))

    def exposed(values: FloatArray) -> FloatArray:
        """Σ_{s ∈ c} x̂_s Σ_i ω_i w_is values_i, shape (clusters,)."""
        return sum_by(codes, clusters, projected * (scaled.T @ values))

    def row(method: str, variance: float, small_sample: str) -> ShiftShareRow:
        error = float(np.sqrt(variance))
        half = critical * error
        return ShiftShareRow(
            method,
            error,
            float(2.0 * ndtr(-abs(estimate - null) / error)),
            ConfidenceSet(((estimate - half, estimate + half),), level),
            small_sample,
        )

    rows = _usual_rows(problem, design, residual, bread, row)
    rows.append(row("AKM", float(np.sum(exposed(residual) ** 2)) / bread**2, "none"))
    outcome_part, regressor_part = exposed(y), exposed(d)
    under_null = float(np.sqrt(np.sum((outcome_part - null * regressor_part) ** 2))) / abs(bread)
    # (x′y − b x′d)² ≤ z² Σ_c (R_c(y) − b R_c(d))²
    scale = critical**2
    confidence_set = quadratic_set(
        float(x @ y) ** 2 - scale * float(outcome_part @ outcome_part),
        -2.0 * (float(x @ y) * bread - scale * float(outcome_part @ regressor_part)),
        bread**2 - scale * float(regressor_part @ regressor_part),
        level,
    )
    error = confidence_set.length / (2.0 * critical) if confidence_set.kind == "bounded" else float("inf")
    p_value = float(2.0 * ndtr(-abs(estimate - null) / under_null))
    rows.append(ShiftShareRow("AKM0", error, p_value, confidence_set, "none"))
    return ShiftShareResult(design.name, estimate, float(null), tuple(rows), n, matrix.shape[1], clusters, structure)


def _sector_codes(labels: Sequence[object] | NDArray[np.generic] | None, sectors: int) -> tuple[NDArray[np.int64], int]:
    if labels is None:
        return np.arange(sectors), sectors
    clusters = Clusters.build({"sector": np.asarray(labels)})
    if clusters.observations != sectors:
        raise ShapeMismatch(
            key="sector_clusters",
            shape=(clusters.observations,),
            expected=f"({sectors},)",
            remedy="one label per column of the shares",
        )
    return clusters.codes[0], clusters.counts[0]


def _usual_rows(
    problem: LinearProblem,
    design: ShiftShareDesign,
    residual: FloatArray,
    bread: float,
    row: Callable[[str, float, str], ShiftShareRow],
) -> list[ShiftShareRow]:
    """Rows that ignore the correlation through shares, with ShiftShareSE's factors."""
    n, left = problem.observations, problem.observations - design.parameters
    if left < 1:
        raise InvalidValue(
            key="observations", value=f"{n} for {design.parameters} parameters", requirement="more", remedy="drop some"
        )
    length = float(design.x @ design.x)
    homoskedastic = float(residual @ residual) / (n if design.iv else left) * length / bread**2
    rows = [row("homoskedastic", homoskedastic, "none" if design.iv else "N/(N−K)")]
    scores, rule = (design.x * residual)[:, None], "none" if design.iv else "sandwich"
    robust = cluster_covariance(
        scores, np.array([[1.0 / bread]]), None, small_sample=rule, parameters=design.parameters
    )
    rows.append(row("robust", float(robust.matrix[0, 0]), rule))
    if problem.clusters is not None:
        clustered = cluster_covariance(
            scores, np.array([[1.0 / bread]]), problem.clusters, small_sample=rule, parameters=design.parameters
        )
        rows.append(row("cluster", float(clustered.matrix[0, 0]), rule))
    return rows
