"""How the effect of adopter shares varies with market access: split at a percentile, or in a continuous interaction.

Split at the p-th percentile q of initial market access (80th in the paper's text), two endogenous regressors and two
instruments:

    Δy = β_high ΔShare · 1[a_n > q] + β_low ΔShare · 1[a_n ≤ q] + …,    instruments IV · 1[a_n > q], IV · 1[a_n ≤ q]

Continuous, around the mean ā over regions: Δy = β ΔShare + β_a ΔShare · (a_n − ā) + …, so that the effect at a
percentile is β + β_a (q_p − ā), with the standard error of that linear combination.  a_n is log market access in the
first year of the spans, one value per region; its own effect is absorbed by the region's.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import stats

from bigpush_est.errors import BigPushWarning, InvalidValue
from bigpush_est.reduced_form.linear.regression import iv, ols
from bigpush_est.reduced_form.linear.results import Regression
from bigpush_est.reduced_form.result import Result, forest
from bigpush_est.reduced_form.spillovers.columns import (
    INSTRUMENT,
    SHARE,
    TABLE1,
    Panel,
    Specification,
    control_list,
    panel_named,
    panel_rows,
    variables,
)
from bigpush_est.reduced_form.spillovers.market_access import (
    Combination,
    combination,
    effects_at_percentiles,
    threshold,
)
from bigpush_est.reduced_form.spillovers.sample import SpilloverSample
from bigpush_est.reduced_form.weak_iv.identification import Identification, identification

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class AccessHeterogeneity(Result):
    """Effects of adopter shares by market access.

    Attributes
    ----------
    regression
        With both regressors.
    effects
        Split: above and below; continuous: at the percentiles asked for.
    difference
        Split: above less below; continuous: the interaction's coefficient, per log point of access.
    p_value
        Of no difference, two-sided.
    strength
        Of the instruments for both regressors; None for least squares.
    regions_above
        Regions above the percentile; None if continuous.
    regions
        Regions with market access.
    """

    regression: Regression
    effects: tuple[Combination, ...]
    difference: Combination
    p_value: float
    strength: Identification | None
    regions_above: int | None
    regions: int

    def tidy(self) -> pd.DataFrame:
        """One row per effect, and the difference."""
        rows = [(c.name, c.estimate, c.standard_error) for c in (*self.effects, self.difference)]
        return pd.DataFrame(rows, columns=["effect", "Estimate", "Std. Error"])

    def summary(self) -> str:
        """Text of the effects, their difference and the first stage."""
        lines = [self.tidy().to_string(index=False, float_format=lambda value: f"{value:.4g}")]
        lines.append(f"p-value of no difference: {self.p_value:.4f}; N = {self.regression.n:,}; {self.regions} regions")
        if self.strength is not None:
            joint = self.strength.kleibergen_paap_f
            lines.append(f"Kleibergen-Paap F of both first stages: {joint.reason or f'{joint.statistic:.2f}'}")
        return "\n".join(lines)

    def __repr__(self) -> str:
        return f"<AccessHeterogeneity: {', '.join(effect.name for effect in self.effects)}>"

    def plot(self, axes: "Axes | None" = None) -> "Axes":
        """Draw effects and difference with 95% intervals of the regression's t distribution."""
        table = self.tidy()
        freedom = self.regression.degrees_of_freedom
        half = float(stats.t.ppf(0.975, freedom)) * table["Std. Error"]
        estimates = table["Estimate"]
        axes = forest(
            table["effect"].tolist(),
            estimates.tolist(),
            (estimates - half).tolist(),
            (estimates + half).tolist(),
            axes,
        )
        axes.set_xlabel("effect of the adopter share, 95% confidence interval")
        return axes


def access_split(
    sample: SpilloverSample,
    percentile: float = 80.0,
    specification: Specification = TABLE1[2],
    panel: Panel | str = "B",
) -> AccessHeterogeneity:
    """Estimate the effect in regions above and below a percentile of initial market access.

    Parameters
    ----------
    sample
        From `spillover_sample`.
    percentile
        From 0 to 100, over regions.
    specification
        A column of the table.
    panel
        "A" or "B".

    Returns
    -------
    AccessHeterogeneity

    Raises
    ------
    InvalidValue
        If a side of the split holds no region.
    """
    which = panel_named(panel)
    rows, access = _rows(sample, which)
    cut = threshold(access, percentile)
    above = (access > cut).reindex(rows["region"]).to_numpy(dtype=np.float64)
    count = int((access > cut).sum())
    if count in (0, len(access)):
        raise InvalidValue(
            key="percentile", value=percentile, requirement="one with regions on both sides", remedy="pass 80"
        )
    for name, source in (("share", SHARE), ("iv", INSTRUMENT)):
        rows[f"{name}_above"], rows[f"{name}_below"] = rows[source] * above, rows[source] * (1.0 - above)
    fit, strength = _fit(sample, rows, specification, which, ["share_above", "share_below"], ["iv_above", "iv_below"])
    beta, covariance = _pair(fit, ["share_above", "share_below"])
    effects = (
        combination(f"above percentile {percentile:g}", [1.0, 0.0], beta, covariance),
        combination("below", [0.0, 1.0], beta, covariance),
    )
    difference = combination("above less below", [1.0, -1.0], beta, covariance)
    return AccessHeterogeneity(fit, effects, difference, _p(difference, fit), strength, count, len(access))


def access_interaction(
    sample: SpilloverSample,
    percentiles: Sequence[float] = (10.0, 50.0, 80.0, 90.0),
    specification: Specification = TABLE1[2],
    panel: Panel | str = "B",
) -> AccessHeterogeneity:
    """Estimate the effect as a linear function of log market access, and give it at percentiles.

    Parameters and errors are those of `access_split`.
    """
    which = panel_named(panel)
    rows, access = _rows(sample, which)
    centre = float(access.mean())
    moved = access.reindex(rows["region"]).to_numpy(dtype=np.float64) - centre
    rows["share_access"], rows["iv_access"] = rows[SHARE] * moved, rows[INSTRUMENT] * moved
    fit, strength = _fit(sample, rows, specification, which, [SHARE, "share_access"], [INSTRUMENT, "iv_access"])
    beta, covariance = _pair(fit, [SHARE, "share_access"])
    effects = effects_at_percentiles(percentiles, access.to_numpy(), beta, covariance, centre)
    slope = combination("per log point of access", [0.0, 1.0], beta, covariance)
    return AccessHeterogeneity(fit, effects, slope, _p(slope, fit), strength, None, len(access))


def _rows(sample: SpilloverSample, panel: Panel) -> tuple[pd.DataFrame, pd.Series]:
    """Rows of the panel, and log market access by region in the first span that has the region."""
    known = sample.frame[sample.frame["market_access_initial"].notna()].sort_values("start", kind="stable")
    access = known.drop_duplicates("region").set_index("region")["market_access_initial"]
    if access.empty:
        raise InvalidValue(
            key="market access", value="missing in every row", requirement="known", remedy="give regions coordinates"
        )
    rows = panel_rows(sample, panel)
    return rows[rows["region"].isin(access.index)].copy(), access


def _fit(
    sample: SpilloverSample,
    rows: pd.DataFrame,
    specification: Specification,
    panel: Panel,
    regressors: list[str],
    instruments: list[str],
) -> tuple[Regression, Identification | None]:
    if specification.estimator not in ("ols", "iv"):
        raise InvalidValue(
            key="estimator", value=specification.estimator, requirement='"ols" or "iv"', remedy="choose one of the two"
        )
    columns, lacking = control_list(sample, specification)
    if lacking:
        raise InvalidValue(
            key="controls", value=", ".join(lacking), requirement="available in the sample", remedy="leave them out"
        )
    exogenous = [*([panel.initial] if specification.initial else []), *columns]
    used = [*variables(panel, specification, columns), *regressors, *instruments]
    effects = " + ".join(specification.effects)
    options: dict[str, Any] = {"cluster": list(specification.clusters)}
    data = rows[list(dict.fromkeys(used))]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BigPushWarning)
        if specification.estimator == "ols":
            return ols(data, f"{panel.outcome} ~ {' + '.join([*regressors, *exogenous])} | {effects}", **options), None
        first = f"{' + '.join(regressors)} ~ {' + '.join(instruments)}"
        fit = iv(data, f"{panel.outcome} ~ {' + '.join(exogenous) or '1'} | {effects} | {first}", **options)
        return fit, identification(fit.problem)


def _pair(fit: Regression, names: list[str]) -> tuple[Any, Any]:
    places = [fit.position(name) for name in names]
    return fit.coefficients[places], fit.covariance.matrix[np.ix_(places, places)]


def _p(tested: Combination, fit: Regression) -> float:
    ratio = abs(tested.estimate / tested.standard_error)
    return float(2.0 * stats.t.sf(ratio, fit.degrees_of_freedom))
