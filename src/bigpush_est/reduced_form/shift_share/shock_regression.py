"""The regression of shocks that a shift-share regression of units is (Borusyak, Hull and Jaravel 2022).

With units' weights ω, shares w and ỹ, x̃ net of the units' controls,

    s_n = Σ_i ω_i w_in,     ȳ_n = Σ_i ω_i w_in ỹ_i / s_n,     x̄_n likewise,

IV of ȳ on x̄ with the shock 𝒳_n as instrument, a constant and weights s_n has the coefficient of the units' IV exactly,
provided that the units' controls span the sum of shares Σ_n w_in (a constant where shares sum to one) and, for every
control q_n of the shocks, Σ_n w_in q_n.  Its clustered standard errors are valid where shocks are as good as random.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from bigpush_est.errors import InvalidValue, ShapeMismatch, ShiftShareRefused
from bigpush_est.reduced_form.linear.clusters import Clusters
from bigpush_est.reduced_form.linear.covariance import Covariance, cluster_covariance
from bigpush_est.reduced_form.linear.partialling import FloatArray, partial_out
from bigpush_est.reduced_form.linear.problem import LinearProblem
from bigpush_est.reduced_form.linear.results import coefficient_frame
from bigpush_est.reduced_form.result import Result
from bigpush_est.reduced_form.shift_share.akm import check_shares, check_structure, shift_share_design

#: Correlation with a residual up to which a control counts as spanned: rounding, and data in single precision.
SPANNED = 1e-6

#: Relative difference of the two coefficients up to which they count as the same number.
SAME = 1e-6


@dataclass(frozen=True, slots=True, repr=False)
class ShockRegression(Result):
    """The equivalent regression with one observation per shock.

    Attributes
    ----------
    problem
        S observations, weights s_n: any estimator or test of this package takes it.
    estimate
        Its IV coefficient.
    unit_estimate
        The coefficient in the units, which it equals.
    covariance
        Exposure-robust variance, shape (1, 1): robust, or clustered by groups of shocks.
    effective_shocks
        1/Σ_n (s_n/Σs)²: the inverse Herfindahl index of the weights.
    left_out
        Shocks in which no unit has a share.
    """

    problem: LinearProblem
    estimate: float
    unit_estimate: float
    covariance: Covariance
    effective_shocks: float
    left_out: int

    @property
    def standard_error(self) -> float:
        """Exposure-robust standard error."""
        return float(self.covariance.standard_errors[0])

    def tidy(self) -> pd.DataFrame:
        """One row, with the columns of ``Regression.tidy``."""
        return coefficient_frame(
            (self.problem.names[0],),
            np.array([self.estimate]),
            self.covariance.standard_errors[:1],
            self.covariance.degrees_of_freedom,
            0.95,
        )

    def summary(self) -> str:
        """Text of the estimate and of the shocks behind it."""
        return (
            f"Shock-level IV of {self.problem.names[0]}: {self.estimate:.4g} ({self.standard_error:.4g}); "
            f"{self.problem.observations:,} shocks, {self.effective_shocks:.4g} effective, {self.left_out} left out\n"
            f"{self.tidy().to_string(float_format=lambda value: f'{value:.4g}')}"
        )


def shock_regression(
    problem: LinearProblem,
    shares: ArrayLike,
    shocks: ArrayLike,
    *,
    regressor: str | None = None,
    controls: Mapping[str, ArrayLike] | None = None,
    clusters: Mapping[str, ArrayLike] | None = None,
    small_sample: str = "none",
) -> ShockRegression:
    """Turn a shift-share regression of units into the equivalent regression of shocks.

    Parameters
    ----------
    problem
        Units, as for ``akm``.
    shares
        w, shape (N, S).
    shocks
        𝒳, shape (S,).
    regressor
        For least squares: name of the shift-share among the regressors.
    controls
        Of the shocks, by name, shape (S,); a constant is always there.
    clusters
        Groups of shocks, by dimension, S labels each; None for heteroskedasticity-robust.
    small_sample
        A rule of ``small_sample.RULES``; "none" is that of the authors' code.

    Raises
    ------
    ShiftShareRefused
        Where the equivalence is not exact: shocks that differ by unit, a regressor that is not shares × shocks, a sum
        of shares or a shock's control that the units' controls do not span.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> w, g = rng.dirichlet(np.ones(8), 60), rng.normal(size=8)
    >>> x = w @ g + rng.normal(size=60)
    >>> problem = LinearProblem(x + rng.normal(size=60), x[:, None], np.ones((60, 1)), (w @ g)[:, None],
    ...     ("x", "one"), ("z",), None, None, 0, 0)
    >>> found = shock_regression(problem, w, g)
    >>> abs(found.estimate - found.unit_estimate) < 1e-10
    True
    """
    design = shift_share_design(problem, regressor)
    matrix = check_shares_allowing_empty(shares, problem.observations)
    check_structure(matrix[:, matrix.any(axis=0)], _common(shocks, matrix)[matrix.any(axis=0)])
    shock_values = _common(shocks, matrix)
    scaled = matrix * design.parts.scale[:, None]
    weights = matrix.T @ design.parts.scale**2
    kept = matrix.any(axis=0)
    if not (weights[kept] > 0.0).all():
        raise InvalidValue(
            key="shares",
            value="negative in total for a sector",
            requirement="positive in total for every sector",
            remedy="check the signs of shares",
        )
    named = {"constant": np.ones(matrix.shape[1])}
    for name, values in (controls or {}).items():
        array = np.asarray(values, dtype=np.float64)
        if array.shape != (matrix.shape[1],) or not np.isfinite(array).all():
            raise ShapeMismatch(
                key=f"control '{name}'", shape=array.shape, expected=f"({matrix.shape[1]},), finite", remedy="mend it"
            )
        named[name] = array
    for name, array in named.items():
        _need_spanned(scaled @ array, (design.y, design.d), name)
    aggregate = [(scaled.T @ values)[kept] / weights[kept] for values in (design.y, design.d)]
    shock_problem = LinearProblem(
        outcome=aggregate[0],
        endogenous=aggregate[1][:, None],
        exogenous=np.column_stack([array[kept] for array in named.values()]),
        instruments=shock_values[kept][:, None],
        names=(design.name, *named),
        instrument_names=("shock",),
        weights=weights[kept],
        clusters=_shock_clusters(clusters, kept),
        absorbed=0,
        absorbed_nested=0,
    )
    parts = partial_out(shock_problem)
    x, d = parts.instruments[:, 0], parts.endogenous[:, 0]
    bread = float(x @ d)
    estimate = float(x @ parts.outcome) / bread
    unit_estimate = float(design.x @ design.y) / float(design.x @ design.d)
    if abs(estimate - unit_estimate) > SAME * max(abs(unit_estimate), abs(float(design.y @ design.y) ** 0.5 / bread)):
        raise ShiftShareRefused(
            reason="the regressor is not the sum over sectors of share × common shock",
            evidence=f"coefficient {estimate:.6g} in the shocks, {unit_estimate:.6g} in the units",
            remedy="pass the shares and shocks that it was built from; if its shocks differ by unit, use randomisation "
            "inference",
        )
    covariance = cluster_covariance(
        (x * (parts.outcome - estimate * d))[:, None],
        np.array([[1.0 / bread]]),
        shock_problem.clusters,
        small_sample=small_sample,
        parameters=1 + len(named),
    )
    share = weights[kept] / weights[kept].sum()
    return ShockRegression(
        shock_problem, estimate, unit_estimate, covariance, float(1.0 / np.sum(share**2)), int((~kept).sum())
    )


def _common(shocks: ArrayLike, matrix: FloatArray) -> FloatArray:
    values: FloatArray = np.asarray(shocks, dtype=np.float64)
    if values.ndim == 2:
        check_structure(matrix, values)
    if values.shape != (matrix.shape[1],):
        raise ShapeMismatch(
            key="shocks", shape=values.shape, expected=f"({matrix.shape[1]},)", remedy="one per column of the shares"
        )
    return values


def check_shares_allowing_empty(shares: ArrayLike, units: int) -> FloatArray:
    """Check shares as ``check_shares`` does, but let sectors through in which no unit has a share."""
    matrix: FloatArray = np.asarray(shares, dtype=np.float64)
    if matrix.ndim == 2 and matrix.shape[0] == units and np.isfinite(matrix).all():
        check_shares(matrix[:, matrix.any(axis=0)], units)
        return matrix
    return check_shares(matrix, units)


def _need_spanned(control: FloatArray, residuals: tuple[FloatArray, ...], name: str) -> None:
    """Refuse a control Σ_n w_in q_n that is correlated with what should be net of it."""
    length = float(np.linalg.norm(control))
    worst = max(abs(float(control @ r)) / max(length * float(np.linalg.norm(r)), 1e-300) for r in residuals)
    if worst <= SPANNED:
        return
    if name == "constant":
        raise ShiftShareRefused(
            reason="shares do not sum to the same number in every unit, and their sum is not among the controls",
            evidence=f"correlation {worst:.3g} of the sum with a residual",
            remedy="add the sum of shares to the units' controls (by period, in a panel)",
        )
    raise ShiftShareRefused(
        reason=f"the units' controls do not span shares × '{name}'",
        evidence=f"correlation {worst:.3g} with a residual",
        remedy=f"add Σ_n w_in q_n for '{name}' to the units' controls",
    )


def _shock_clusters(clusters: Mapping[str, ArrayLike] | None, kept: np.ndarray) -> Clusters | None:
    if clusters is None:
        return None
    built = Clusters.build(clusters)
    if built.observations != kept.size:
        raise ShapeMismatch(
            key="clusters", shape=(built.observations,), expected=f"({kept.size},)", remedy="one label per shock"
        )
    return built.select(np.flatnonzero(kept))
