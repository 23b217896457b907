"""Functions of estimates: Wald tests of linear restrictions, and the delta method."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from bigpush_est.errors import InvalidValue, ShapeMismatch
from bigpush_est.reduced_form.linear.results import coefficient_frame
from bigpush_est.reduced_form.result import Result, forest

if TYPE_CHECKING:
    from matplotlib.axes import Axes

type FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True, repr=False)
class WaldTest(Result):
    """A Wald test of q linear restrictions.

    Attributes
    ----------
    statistic
        F, or χ²/q with infinite degrees of freedom.
    restrictions
        q.
    degrees_of_freedom
        Of the denominator.
    p_value
        From F(q, degrees of freedom), or χ²(q).
    """

    statistic: float
    restrictions: int
    degrees_of_freedom: float
    p_value: float

    def tidy(self) -> pd.DataFrame:
        """One row: ``statistic``, ``restrictions``, ``degrees_of_freedom``, ``p_value``."""
        return pd.DataFrame(
            {
                "statistic": [self.statistic],
                "restrictions": [self.restrictions],
                "degrees_of_freedom": [self.degrees_of_freedom],
                "p_value": [self.p_value],
            }
        )

    def summary(self) -> str:
        """Return the test in one line."""
        if np.isinf(self.degrees_of_freedom):
            what = f"χ²({self.restrictions}) = {self.statistic * self.restrictions:.4g}"
        else:
            what = f"F({self.restrictions}, {self.degrees_of_freedom:,.0f}) = {self.statistic:.4g}"
        return f"Wald test: {what}, p = {self.p_value:.4f}"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class DeltaEstimates(Result):
    """Functions of estimates, with covariance J V J′.

    Attributes
    ----------
    names
        Of the M functions.
    values
        Shape (M,).
    matrix
        Shape (M, M).
    jacobian
        J, shape (M, K).
    degrees_of_freedom
        Of the estimates.
    """

    names: tuple[str, ...]
    values: FloatArray
    matrix: FloatArray
    jacobian: FloatArray
    degrees_of_freedom: float

    @property
    def standard_errors(self) -> FloatArray:
        """Shape (M,)."""
        return np.sqrt(np.diag(self.matrix))

    def tidy(self, level: float = 0.95) -> pd.DataFrame:
        """One row per function, with the columns of ``Regression.tidy``."""
        return coefficient_frame(self.names, self.values, self.standard_errors, self.degrees_of_freedom, level)

    def summary(self) -> str:
        """Text of the functions."""
        table = self.tidy().to_string(float_format=lambda value: f"{value:.4g}")
        return f"{len(self.names)} functions of estimates, by the delta method\n{table}"

    def plot(self, axes: "Axes | None" = None) -> "Axes":
        """Draw the functions with their 95% intervals."""
        table = self.tidy().to_numpy()
        axes = forest(self.names, table[:, 0].tolist(), table[:, 4].tolist(), table[:, 5].tolist(), axes)
        axes.set_xlabel("estimate, 95% confidence interval")
        return axes


def wald_test(
    coefficients: FloatArray,
    covariance: FloatArray,
    restrictions: ArrayLike,
    values: ArrayLike | None = None,
    degrees_of_freedom: float = float("inf"),
) -> WaldTest:
    """Test q restrictions Rβ = r: F = (Rβ̂ − r)′(RVR′)⁻¹(Rβ̂ − r)/q.

    Parameters
    ----------
    coefficients, covariance
        β̂ and V, shapes (K,) and (K, K).
    restrictions
        R, shape (q, K), or (K,) for one restriction.
    values
        r, shape (q,); None for zero.
    degrees_of_freedom
        Of the denominator; ∞ for a χ² test.

    Raises
    ------
    ShapeMismatch
        For restrictions that do not fit.
    InvalidValue
        For restrictions whose covariance is singular: they repeat each other, or outnumber the clusters.

    Examples
    --------
    >>> wald_test(np.array([2.0]), np.array([[1.0]]), [1.0]).statistic
    4.0
    """
    rows = np.atleast_2d(np.asarray(restrictions, dtype=np.float64))
    count = len(coefficients)
    if rows.shape[1] != count:
        raise ShapeMismatch(
            key="restrictions", shape=rows.shape, expected=f"(q, {count})", remedy="one column per coefficient"
        )
    target = np.zeros(len(rows)) if values is None else np.asarray(values, dtype=np.float64).reshape(-1)
    if target.shape != (len(rows),):
        raise ShapeMismatch(key="values", shape=target.shape, expected=f"({len(rows)},)", remedy="one per restriction")
    distance = rows @ coefficients - target
    spread = rows @ covariance @ rows.T
    units = np.sqrt(np.diag(spread))
    singular = not (units > 0).all()
    if not singular:
        correlations = spread / np.outer(units, units)
        singular = bool(np.linalg.eigvalsh(correlations)[0] < 1e-10)
    if singular:
        raise InvalidValue(
            key="restrictions",
            value=f"{len(rows)} rows",
            requirement="of full rank under the covariance",
            remedy="leave out those that repeat others, or test fewer than there are clusters",
        )
    scaled = distance / units
    statistic = float(scaled @ np.linalg.solve(correlations, scaled)) / len(rows)
    if np.isinf(degrees_of_freedom):
        p_value = float(stats.chi2.sf(statistic * len(rows), len(rows)))
    else:
        p_value = float(stats.f.sf(statistic, len(rows), degrees_of_freedom))
    return WaldTest(statistic, len(rows), degrees_of_freedom, p_value)


def delta_method(
    function: Any,
    coefficients: FloatArray,
    covariance: FloatArray,
    degrees_of_freedom: float = float("inf"),
    names: Sequence[str] | None = None,
) -> DeltaEstimates:
    """Value and covariance J V J′ of a function of estimates.

    J is taken by central differences of one hundredth of a standard error, extrapolated once to step zero.

    Parameters
    ----------
    function
        From an array (K,) to a number or an array (M,).
    coefficients, covariance
        β̂ and V, shapes (K,) and (K, K).
    degrees_of_freedom
        Of the estimates.
    names
        Of the functions; None for "1", "2" and so on.

    Raises
    ------
    InvalidValue
        If the function is not finite at the estimates or a hundredth of a standard error beside them.
    ShapeMismatch
        For names that do not fit.

    Examples
    --------
    The variance of 2β is four times that of β:

    >>> result = delta_method(lambda b: 2.0 * b[0], np.array([3.0]), np.array([[1.0]]))
    >>> float(result.values[0]), round(float(result.matrix[0, 0]), 10)
    (6.0, 4.0)
    """

    def evaluate(point: FloatArray) -> FloatArray:
        with np.errstate(all="ignore"):
            value = np.atleast_1d(np.asarray(function(point), dtype=np.float64))
        if value.ndim != 1 or not np.isfinite(value).all():
            raise InvalidValue(
                key="function",
                value=f"{value} at {np.array2string(point, precision=4)}",
                requirement="finite at and around the estimates, a number or one-dimensional",
                remedy="choose another function, or an interval that inverts a test",
            )
        return value

    coefficients = np.asarray(coefficients, dtype=np.float64)
    values = evaluate(coefficients)
    columns = []
    for position, error in enumerate(np.sqrt(np.diag(covariance))):
        step = np.zeros_like(coefficients)
        step[position] = 0.01 * error if error > 0 else 1e-6 * max(1.0, abs(coefficients[position]))
        wide = (evaluate(coefficients + step) - evaluate(coefficients - step)) / (2.0 * step[position])
        half = step / 2.0
        narrow = (evaluate(coefficients + half) - evaluate(coefficients - half)) / step[position]
        columns.append((4.0 * narrow - wide) / 3.0)
    jacobian = np.column_stack(columns)
    labels = tuple(names) if names is not None else tuple(str(number) for number in range(1, len(values) + 1))
    if len(labels) != len(values):
        raise ShapeMismatch(
            key="names", shape=(len(labels),), expected=f"({len(values)},)", remedy="one name per function"
        )
    return DeltaEstimates(labels, values, jacobian @ covariance @ jacobian.T, jacobian, degrees_of_freedom)
