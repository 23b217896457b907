"""What a reader asks of an event study: joint tests, what predicts treatment, raw means, one match left out."""

import warnings
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from bigpush_est.errors import BigPushWarning, InvalidValue
from bigpush_est.reduced_form.events.matching import Matches
from bigpush_est.reduced_form.events.stacking import Stack
from bigpush_est.reduced_form.linear.frames_in import require_columns
from bigpush_est.reduced_form.linear.regression import ols
from bigpush_est.reduced_form.linear.results import Regression
from bigpush_est.reduced_form.result import Result

type FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True, repr=False)
class JointTest(Result):
    """A Wald test that q coefficients are zero, F = b'V^{-1}b/q.

    Attributes
    ----------
    null
        What is tested, in words.
    statistic
        F; NaN where the test is invalid.
    restrictions
        q.
    degrees_of_freedom
        Of the denominator; ∞ for χ²/q.
    p_value
        From F(q, degrees of freedom).
    invalid
        Why there is no statistic; "" where there is one.
    """

    null: str
    statistic: float
    restrictions: int
    degrees_of_freedom: float
    p_value: float
    invalid: str = ""

    def text(self) -> str:
        """Return the test in one line."""
        if self.invalid:
            return f"test that {self.null}: {self.invalid}"
        freedom = "∞" if np.isinf(self.degrees_of_freedom) else f"{self.degrees_of_freedom:g}"
        return (
            f"test that {self.null}: F({self.restrictions}, {freedom}) = {self.statistic:.3f}, p = {self.p_value:.3f}"
        )

    def summary(self) -> str:
        """Return the test in one line."""
        return self.text()

    def tidy(self) -> pd.DataFrame:
        """One row: ``null``, ``statistic``, ``restrictions``, ``degrees_of_freedom``, ``p_value``, ``invalid``."""
        return pd.DataFrame(
            {
                "null": [self.null],
                "statistic": [self.statistic],
                "restrictions": [self.restrictions],
                "degrees_of_freedom": [self.degrees_of_freedom],
                "p_value": [self.p_value],
                "invalid": [self.invalid],
            }
        )


def joint_test(null: str, coefficients: FloatArray, covariance: FloatArray, degrees_of_freedom: float) -> JointTest:
    """Test that all coefficients are zero.

    Parameters
    ----------
    null
        In words.
    coefficients, covariance
        b and V, shapes (q,) and (q, q).
    degrees_of_freedom
        Of the denominator; ∞ for the χ² distribution.

    Examples
    --------
    >>> joint_test("both are zero", np.array([1.0, 2.0]), np.eye(2), 20.0).text()
    'test that both are zero: F(2, 20) = 2.500, p = 0.107'
    """
    q = int(coefficients.size)
    if q == 0:
        return JointTest(null, float("nan"), 0, degrees_of_freedom, float("nan"), "there is no such coefficient")
    scale = np.sqrt(np.diag(covariance))
    if not np.all(scale > 0) or np.linalg.eigvalsh(covariance / np.outer(scale, scale))[0] < 1e-10:
        reason = "its covariance is singular: too few clusters for that many coefficients, or it was repaired"
        return JointTest(null, float("nan"), q, degrees_of_freedom, float("nan"), reason)
    statistic = float(coefficients @ np.linalg.solve(covariance, coefficients)) / q
    if np.isinf(degrees_of_freedom):
        p = float(stats.chi2.sf(q * statistic, q))
    else:
        p = float(stats.f.sf(statistic, q, degrees_of_freedom))
    return JointTest(null, statistic, q, degrees_of_freedom, p)


def cancellation_tests(matches: Matches, variables: list[str]) -> pd.DataFrame:
    """Regress being a loser on the years before, among all candidates and within matches.

    Parameters
    ----------
    matches
        Matched losers and winners, whose candidates hold the variables.
    variables
        Columns of the candidates.

    Returns
    -------
    DataFrame
        Per sample, one row per variable from the regression on all of them, and one row "all of them" with the F test.
        "candidates": losers and winners, effects of the contract's year, robust standard errors.  "matches": match
        effects, clustered by match and unit; winners enter once per match.  Columns: sample, variable, estimate,
        std_error, statistic (t, or F), p_value, rows.
    """
    require_columns(matches.candidates, variables, "candidates", known=False)
    everyone = matches.candidates
    losers = matches.pairs.drop_duplicates("match")
    within = pd.concat(
        [
            everyone.iloc[losers["loser_row"]].assign(match=losers["match"].to_numpy()),
            everyone.iloc[matches.pairs["winner_row"]].assign(match=matches.pairs["match"].to_numpy()),
        ],
        ignore_index=True,
    )
    date = "year" if "year" in matches.exact else None
    samples: list[tuple[str, pd.DataFrame, str, list[str] | None]] = [
        ("candidates", everyone, f" | {date}" if date else "", None),
        ("matches", within, " | match", ["match", matches.unit]),
    ]
    rows = []
    for sample, frame, effects, cluster in samples:
        used = frame.dropna(subset=variables).assign(_loser=lambda x: x["loser"].astype(np.float64))
        used = used.rename(columns={"_loser": "lost"})
        if used["lost"].nunique() < 2:
            raise InvalidValue(
                key=f"candidates ({sample})",
                value="losers or winners only, where the variables are known",
                requirement="some of both",
                remedy="test fewer variables",
            )
        fit = ols(used, f"lost ~ {' + '.join(variables)}{effects}", cluster=cluster)
        table = fit.tidy()
        for name in variables:
            if name in table.index:
                row = table.loc[name]
                rows.append([sample, name, row["Estimate"], row["Std. Error"], row["t value"], row["Pr(>|t|)"], fit.n])
            else:
                rows.append([sample, name, np.nan, np.nan, np.nan, np.nan, fit.n])
        chosen = [fit.position(name) for name in variables if name in fit.names]
        test = joint_test(
            "nothing predicts who loses",
            fit.coefficients[chosen],
            fit.covariance.matrix[np.ix_(chosen, chosen)],
            fit.degrees_of_freedom,
        )
        rows.append([sample, "all of them", np.nan, np.nan, test.statistic, test.p_value, fit.n])
    return pd.DataFrame(rows, columns=["sample", "variable", "estimate", "std_error", "statistic", "p_value", "rows"])


def raw_means(stack: Stack, outcome: str) -> pd.DataFrame:
    """Average an outcome by event time, for treated rows and controls.

    Returns
    -------
    DataFrame
        event_time, group ("winners", "losers"), rows, mean, std_error (of a mean of independent rows), and the same two
        for the outcome less its value at the reference period, over units that have one.
    """
    frame = stack.frame[["stack_unit", "event_time", "treated", outcome]].dropna()
    at_reference = frame[frame["event_time"] == stack.reference].set_index("stack_unit")[outcome]
    frame = frame.assign(change=frame[outcome] - frame["stack_unit"].map(at_reference))
    grouped = frame.groupby(["event_time", "treated"])
    table = pd.DataFrame(
        {
            "rows": grouped.size(),
            "mean": grouped[outcome].mean(),
            "std_error": grouped[outcome].sem(),
            "mean_change": grouped["change"].mean(),
            "std_error_change": grouped["change"].sem(),
        }
    ).reset_index()
    table.insert(1, "group", np.where(table["treated"], "winners", "losers"))
    return table.drop(columns="treated")


def leave_one_out(stack: Stack, pooled: Regression) -> pd.DataFrame:
    """Estimate the pooled effect without each stack in turn.

    Parameters
    ----------
    stack
        The rows.
    pooled
        The regression on all of them; its formula, clusters and rule are used again.

    Returns
    -------
    DataFrame
        left_out (the stack), estimate, std_error, change (from the estimate on all rows).
    """
    name = pooled.names[0]
    frame = stack.frame.assign(**{name: (stack.frame["treated"] & (stack.frame["event_time"] >= 0)).astype(np.float64)})
    outcome = pooled.outcome
    frame = frame[frame[outcome].notna()]
    stacks = pd.unique(frame["stack"])
    if len(stacks) < 3:
        raise InvalidValue(
            key="stack", value=f"{len(stacks)} stacks", requirement="at least 3", remedy="match more losers"
        )
    rows = []
    for left_out in stacks:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", BigPushWarning)  # the regression on all rows has reported its own
            fit = ols(
                frame[frame["stack"] != left_out],
                pooled.formula,
                cluster=list(pooled.cluster_names),
                small_sample=pooled.small_sample,
            )
        rows.append([left_out, fit.coefficient(name), fit.standard_error(name)])
    table = pd.DataFrame(rows, columns=["left_out", "estimate", "std_error"])
    return table.assign(change=table["estimate"] - float(pooled.coefficients[0]))
