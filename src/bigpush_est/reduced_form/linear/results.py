"""What a regression returns: numbers to carry on with, and tables, text and a plot to read."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from bigpush_est.errors import InvalidValue
from bigpush_est.reduced_form.linear.covariance import Covariance
from bigpush_est.reduced_form.linear.design import Dropped
from bigpush_est.reduced_form.linear.problem import LinearProblem
from bigpush_est.reduced_form.linear.small_sample import ParameterCount
from bigpush_est.reduced_form.result import Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from bigpush_est.reduced_form.weak_iv.anderson_rubin import AndersonRubinSet
    from bigpush_est.reduced_form.weak_iv.identification import Identification
    from bigpush_est.reduced_form.wild.bootstrap import WildBootstrap

type FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Regression(Result):
    """A fitted linear model with N observations and K coefficients.

    Attributes
    ----------
    method
        "OLS", "2SLS", "LIML" or "Fuller(α)".
    formula
        As it was given.
    names
        Of the coefficients, shape (K,), endogenous regressors first.
    coefficients
        β̂, shape (K,).
    covariance
        With its small-sample rule, degrees of freedom and any repair.
    problem
        Arrays with fixed effects taken out, for tests and intervals that start from them.
    residuals
        û, shape (N,), unweighted.
    influence
        ψ_i = A s_i, shape (N, K): β̂ − β ≈ Σ_i ψ_i, so that V is their clustered sum of squares.
    rows
        Index labels of the data frame's rows that were used, in their order; positions for data without an index.
    labels
        Labels of the clusters, one column per dimension, indexed by ``rows``.
    parameters
        Parameters spent, as each small-sample rule counts them.
    effects
        Fixed effects by name, with the number of levels of each.
    effect_codes
        Per fixed effect, the level of each row, shape (N,).
    dropped
        Rows and columns left out, counted and named.
    r2_within
        1 − Σωû²/Σωỹ², with ỹ the outcome less its fixed effects, or less its mean without them; NaN for an outcome
        that they explain entirely.
    kappa
        κ of the k-class: 0 for least squares, 1 for 2SLS.
    small_sample
        Name of the rule.
    """

    method: str
    formula: str
    outcome: str
    names: tuple[str, ...]
    coefficients: FloatArray
    covariance: Covariance
    problem: LinearProblem
    residuals: FloatArray
    influence: FloatArray
    rows: pd.Index
    labels: pd.DataFrame
    parameters: ParameterCount
    effects: dict[str, int]
    effect_codes: tuple[NDArray[np.int64], ...]
    dropped: Dropped
    r2_within: float
    kappa: float
    weights: str | None
    errors: str

    @property
    def n(self) -> int:
        """N."""
        return int(self.residuals.size)

    @property
    def k(self) -> int:
        """K, the coefficients that are reported."""
        return len(self.names)

    @property
    def small_sample(self) -> str:
        """Name of the small-sample rule."""
        return self.covariance.small_sample

    @property
    def standard_errors(self) -> FloatArray:
        """Shape (K,)."""
        return self.covariance.standard_errors

    @property
    def degrees_of_freedom(self) -> float:
        """Of the t distribution; ∞ for the normal one."""
        return self.covariance.degrees_of_freedom

    @property
    def cluster_names(self) -> tuple[str, ...]:
        """Dimensions of the clusters; empty without any."""
        return self.covariance.cluster_names

    def position(self, name: str) -> int:
        """Position of a coefficient.

        Raises
        ------
        InvalidValue
            For a name that is not among the coefficients.
        """
        if name not in self.names:
            raise InvalidValue(
                key="coefficient",
                value=repr(name),
                requirement="in the model",
                remedy=f"choose one of {', '.join(self.names)}",
            )
        return self.names.index(name)

    def coefficient(self, name: str) -> float:
        """β̂ of one regressor."""
        return float(self.coefficients[self.position(name)])

    def standard_error(self, name: str) -> float:
        """Return the standard error of one coefficient."""
        return float(self.standard_errors[self.position(name)])

    def confidence_interval(self, level: float = 0.95) -> FloatArray:
        """β̂ ± t SE, shape (K, 2).

        Raises
        ------
        InvalidValue
            For a level outside (0, 1).
        """
        half = _critical_value(level, self.degrees_of_freedom) * self.standard_errors
        return np.column_stack([self.coefficients - half, self.coefficients + half])

    def tidy(self, level: float = 0.95) -> pd.DataFrame:
        """One row per coefficient, named as pyfixest does.

        Parameters
        ----------
        level
            Of the confidence interval.

        Returns
        -------
        pandas.DataFrame
            Indexed by ``Coefficient``; columns ``Estimate``, ``Std. Error``, ``t value``, ``Pr(>|t|)`` and the ends of
            the interval, ``2.5%`` and ``97.5%`` for a level of 0.95.
        """
        return coefficient_frame(self.names, self.coefficients, self.standard_errors, self.degrees_of_freedom, level)

    def identification(self, **options: Any) -> "Identification":
        """Diagnose the strength of the instruments under this regression's clusters.

        Parameters
        ----------
        options
            ``small_sample``, ``parameters``, ``level`` of ``weak_iv.identification.identification``; the rule is
            ivreg2's unless given.

        Examples
        --------
        >>> from linearmodels.datasets import mroz
        >>> from bigpush_est.reduced_form.linear.regression import iv
        >>> fit = iv(mroz.load().dropna(), "lwage ~ exper + expersq | educ ~ motheduc + fatheduc", errors="iid")
        >>> fit.identification().cragg_donald_f.statistic > 50
        True
        """
        from bigpush_est.reduced_form.weak_iv.identification import identification

        return identification(self.problem, **options)

    def anderson_rubin(self, level: float = 0.95, **options: Any) -> "AndersonRubinSet":
        """Return the Anderson-Rubin set under this regression's clusters.

        Parameters
        ----------
        level
            Of the set.
        options
            Of ``weak_iv.anderson_rubin.anderson_rubin_set``.  Unless given, clustered scores are those under the null,
            without a small-sample factor, as few clusters ask for; without clusters the regression's rule holds.
        """
        from bigpush_est.reduced_form.weak_iv.anderson_rubin import anderson_rubin_set

        own: dict[str, Any] = {"small_sample": self.small_sample, "parameters": self.parameters}
        if self.cluster_names:
            own |= {"residuals": "score", "small_sample": "none"}
        return anderson_rubin_set(self.problem, level=level, **(own | options))

    def wild_bootstrap(self, **options: Any) -> "WildBootstrap":
        """Test a coefficient by a wild cluster bootstrap that takes this regression's fixed effects out of each draw.

        Parameters
        ----------
        options
            Of ``wild.bootstrap.wild_bootstrap``: ``draws``, ``bootstrap_by``, ``null``, ``confidence_set``, ``seed``;
            ``regressor`` for least squares.  The rule is the regression's unless given.

        Raises
        ------
        InvalidValue
            As that function, for instance without clusters.

        Examples
        --------
        >>> from linearmodels.datasets import wage_panel
        >>> from bigpush_est.reduced_form.linear.regression import ols
        >>> fit = ols(wage_panel.load(), "lwage ~ union + married | nr + year", cluster="occupation")
        >>> fit.wild_bootstrap(regressor="union").p_value < 0.1
        True
        """
        from bigpush_est.reduced_form.linear.clusters import Clusters
        from bigpush_est.reduced_form.wild.bootstrap import wild_bootstrap

        own: dict[str, Any] = {"small_sample": self.small_sample, "parameters": self.parameters}
        if self.effect_codes:
            own["fixed_effects"] = Clusters.build(dict(zip(self.effects, self.effect_codes, strict=True)))
        return wild_bootstrap(self.problem, **(own | options))

    def inference(self) -> str:
        """How standard errors were computed, in one line."""
        if self.cluster_names:
            counts = zip(self.cluster_names, self.covariance.cluster_counts, strict=True)
            text = "clustered by " + " and ".join(f"{name} ({count:,} clusters)" for name, count in counts)
        else:
            text = "heteroskedasticity-robust" if self.errors == "robust" else "iid"
        freedom = self.degrees_of_freedom
        reference = "normal" if np.isinf(freedom) else f"t({freedom:,.0f})"
        text += f"; rule '{self.small_sample}', {reference}"
        if self.covariance.repaired:
            text += f"; not positive semi-definite (eigenvalue {self.covariance.minimum_eigenvalue:.2g}), repaired"
        return text

    def summary(self, level: float = 0.95) -> str:
        """Text with coefficients, what was dropped, clusters with counts, rule and repairs."""
        effects = ", ".join(f"{name} ({levels:,} levels)" for name, levels in self.effects.items()) or "none"
        lines = [
            f"{self.method}: {self.formula}",
            f"Rows: {self.dropped.describe()}",
            f"Fixed effects: {effects}",
            f"Weights: {self.weights or 'none'}",
            f"Standard errors: {self.inference()}",
            "",
            self.tidy(level).to_string(float_format=lambda value: f"{value:.4g}"),
            "",
            f"N = {self.n:,}, K = {self.covariance.parameters:,}, R² within = {self.r2_within:.4g}"
            + (f", κ = {self.kappa:.6g}" if self.method not in ("OLS", "2SLS") else ""),
        ]
        return "\n".join(lines)

    def plot(self, *, keep: list[str] | None = None, level: float = 0.95, axes: "Axes | None" = None) -> "Axes":
        """Draw coefficients with their confidence intervals.

        Parameters
        ----------
        keep
            Coefficients to draw, in order; None for all but the intercept.
        level
            Of the intervals.
        axes
            Where to draw; None for a new figure.
        """
        from bigpush_est.reduced_form.linear.tables import plot_coefficients

        return plot_coefficients(self, keep=keep, level=level, axes=axes)

    def to_latex(self, *, digits: int = 3) -> str:
        """Return a LaTeX table of this regression alone; see ``tables.table`` for several side by side."""
        from bigpush_est.reduced_form.linear.tables import table

        return table([self], digits=digits).to_latex()

    def to_html(self, *, digits: int = 3) -> str:
        """Return an HTML table of this regression alone."""
        from bigpush_est.reduced_form.linear.tables import table

        return table([self], digits=digits).to_html()


def coefficient_frame(
    names: tuple[str, ...], estimates: FloatArray, errors: FloatArray, freedom: float, level: float
) -> pd.DataFrame:
    """Estimates with standard errors, t, two-sided p-values and intervals, as ``Regression.tidy`` shows them.

    Examples
    --------
    >>> frame = coefficient_frame(("x",), np.array([2.0]), np.array([1.0]), float("inf"), 0.95)
    >>> frame.loc["x", "97.5%"].round(2)
    np.float64(3.96)
    """
    half = _critical_value(level, freedom) * errors
    with np.errstate(divide="ignore", invalid="ignore"):  # an exact fit has no error
        statistic = estimates / errors
    size = np.abs(statistic)
    tail = stats.norm.sf(size) if np.isinf(freedom) else stats.t.sf(size, freedom)
    low = 100 * (1 - level) / 2
    return pd.DataFrame(
        {
            "Estimate": estimates,
            "Std. Error": errors,
            "t value": statistic,
            "Pr(>|t|)": 2.0 * tail,
            f"{low:.3g}%": estimates - half,
            f"{100 - low:.3g}%": estimates + half,
        },
        index=pd.Index(names, name="Coefficient"),
    )


def _critical_value(level: float, freedom: float) -> float:
    if not 0.0 < level < 1.0:
        raise InvalidValue(key="level", value=level, requirement="between 0 and 1", remedy="pass 0.95 or 0.9")
    upper = 0.5 + level / 2.0
    return float(stats.norm.ppf(upper) if np.isinf(freedom) else stats.t.ppf(upper, freedom))
