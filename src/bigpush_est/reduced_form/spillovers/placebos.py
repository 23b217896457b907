"""Placebos of the group instrument: what it should not predict if it is as good as randomly assigned.

Each outcome is regressed on the instrument with the effects and controls of a column of Table 1:

    w_i = π IV_i + X′γ + δ_n + δ_j + Σ_g D_g δ_jg + e_i

The paper's outcomes are growth before the spans start (sorting on persistent shocks), directed credit and trade fairs
(unobserved support).  A further check interacts being a firm of a group with industrial complexes and their tax
favours: groups' firms should not answer more to places' incentives than others do.
"""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bigpush_est.data.frames import MicroData
from bigpush_est.errors import BigPushWarning, InvalidValue, NoVariation
from bigpush_est.reduced_form.linear.regression import ols
from bigpush_est.reduced_form.linear.results import Regression
from bigpush_est.reduced_form.result import Result, Summarised, axes_or_new
from bigpush_est.reduced_form.spillovers.columns import (
    INSTRUMENT,
    TABLE1,
    Panel,
    Specification,
    control_list,
    panel_named,
    panel_rows,
)
from bigpush_est.reduced_form.spillovers.sample import SpilloverSample

if TYPE_CHECKING:
    from matplotlib.axes import Axes

type FloatArray = NDArray[np.float64]

#: Columns of a sample's frame that serve as placebo outcomes where they are there, and their block of controls.
OUTCOMES = {"credit": "credit", "fair_revenue": "trade", "fair_participations": "trade"}


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Placebo(Summarised):
    """One placebo regression.

    Attributes
    ----------
    outcome, regressor
        Names.
    regression
        None where it could not be estimated, and ``reason`` why.
    """

    outcome: str
    regressor: str
    regression: Regression | None
    reason: str

    def summary(self) -> str:
        """Text of the regression, or why there is none."""
        title = f"{self.outcome} on {self.regressor}"
        return f"{title}\n{self.regression.summary()}" if self.regression else f"{title}: not estimated: {self.reason}"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class PlaceboTable(Result):
    """Placebo regressions side by side."""

    placebos: tuple[Placebo, ...]

    def tidy(self) -> pd.DataFrame:
        """One row per regression.

        Returns
        -------
        pandas.DataFrame
            ``outcome``, ``regressor``, ``Estimate``, ``Std. Error``, ``Pr(>|t|)``, ``Holm`` (p-value adjusted for the
            number of regressions), ``N``, ``mean`` of the outcome, and ``reason`` where there is no estimate.
        """
        rows = []
        for placebo in self.placebos:
            fit = placebo.regression
            place = fit.position(placebo.regressor) if fit else 0
            rows.append(
                {
                    "outcome": placebo.outcome,
                    "regressor": placebo.regressor,
                    "Estimate": fit.coefficients[place] if fit else np.nan,
                    "Std. Error": fit.standard_errors[place] if fit else np.nan,
                    "Pr(>|t|)": float(fit.tidy()["Pr(>|t|)"].iloc[place]) if fit else np.nan,
                    "N": fit.n if fit else 0,
                    "reason": placebo.reason,
                }
            )
        frame = pd.DataFrame(rows)
        frame.insert(5, "Holm", holm(frame["Pr(>|t|)"].to_numpy(dtype=np.float64)))
        return frame

    def summary(self) -> str:
        """Text of the table."""
        return self.tidy().to_string(index=False, float_format=lambda value: f"{value:.4g}")

    def printed(self) -> pd.DataFrame:
        """Return the table; reasons only where there is one."""
        table = self.tidy()
        return table if table["reason"].any() else table.drop(columns="reason")

    def __repr__(self) -> str:
        return f"<PlaceboTable: {', '.join(placebo.outcome for placebo in self.placebos)}>"

    def plot(self, axes: "Axes | None" = None) -> "Axes":
        """Draw t-ratios, with the 5% critical values of the normal distribution."""
        axes = axes_or_new(axes)
        table = self.tidy()
        ratio = table["Estimate"] / table["Std. Error"]
        axes.plot(ratio, range(len(table)), "o")
        for line in (-1.96, 0.0, 1.96):
            axes.axvline(line, color="0.6", linewidth=0.8)
        axes.set_yticks(range(len(table)), table["outcome"] + " on " + table["regressor"])
        axes.set_xlabel("t-ratio")
        return axes


def holm(p_values: FloatArray) -> FloatArray:
    """Return Holm's adjusted p-values, NaN where missing.

    Examples
    --------
    >>> holm(np.array([0.01, 0.04, 0.03]))
    array([0.03, 0.06, 0.06])
    """
    adjusted = np.full(p_values.size, np.nan)
    known = np.flatnonzero(np.isfinite(p_values))
    order = known[np.argsort(p_values[known], kind="stable")]
    steps = np.arange(order.size, 0, -1) * p_values[order]
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return adjusted


def past_growth(data: MicroData, sample: SpilloverSample, years: int = 2) -> FloatArray:
    """Return each row's growth of the outcome over the years before its span starts, y_{t₀} − y_{t₀ − years}.

    Raises
    ------
    InvalidValue
        For a number of years that is not positive, or before which no firm is on record.
    """
    if isinstance(years, bool) or not isinstance(years, int) or years < 1:
        raise InvalidValue(key="years", value=years, requirement="a whole number, at least 1", remedy="pass 2")
    panel, column = data.panel, sample.design.outcome
    level = data.log(column) if sample.design.logs else panel[column].astype(float)
    values = pd.Series(level.to_numpy(), index=pd.MultiIndex.from_frame(panel[["firm", "year"]]))
    at = sample.frame[["firm"]].assign(year=sample.frame["start"] - years)
    grown = sample.frame["initial"].to_numpy() - values.reindex(pd.MultiIndex.from_frame(at)).to_numpy()
    if not np.isfinite(grown).any():
        raise InvalidValue(
            key="years",
            value=years,
            requirement=f"few enough for years from {data.years[0]} on",
            remedy="pass fewer years, or spans that start later",
        )
    return np.asarray(grown, dtype=np.float64)


def instrument_placebos(
    data: MicroData,
    sample: SpilloverSample,
    specification: Specification = TABLE1[2],
    panel: Panel | str = "A",
    *,
    years_before: int = 2,
    outcomes: Mapping[str, FloatArray] | None = None,
    small_sample: str = "fixest",
) -> PlaceboTable:
    """Regress what the instrument should not move on the instrument.

    Parameters
    ----------
    data, sample
        Micro data and the sample built from them.
    specification
        Whose controls, effects and clusters to use; controls that are the outcome itself, or of its block, are left
        out.  The outcome's initial level is not a regressor.
    panel
        Whose rows.
    years_before
        Over which past growth is measured.
    outcomes
        Further outcomes by name, one value per row of the sample's frame.
    small_sample
        Rule of the standard errors.

    Returns
    -------
    PlaceboTable
        Past growth, then credit and trade fairs where the data have them, then `outcomes`.

    Raises
    ------
    InvalidValue
        As for `past_growth`.
    """
    which = panel_named(panel)
    frame = sample.frame.copy()
    frame["past_growth"] = past_growth(data, sample, years_before)
    names = ["past_growth"]
    names += [name for name, block in OUTCOMES.items() if name in sample.controls.get(block, ())]
    for name, values in (outcomes or {}).items():
        frame[name] = np.asarray(values, dtype=np.float64)
        names.append(name)
    rows = frame.loc[panel_rows(sample, which).index]
    columns, _ = control_list(sample, specification)
    found = []
    for name in names:
        own_block = sample.controls.get(OUTCOMES.get(name, ""), ())
        controls = [column for column in columns if column != name and column not in own_block]
        found.append(_placebo(rows, name, [INSTRUMENT], controls, specification, small_sample, INSTRUMENT))
    lacking = [name for name in OUTCOMES if name not in names]
    found += [Placebo(name, INSTRUMENT, None, "the data do not have it") for name in lacking]
    return PlaceboTable(tuple(found))


def group_complex_interactions(
    sample: SpilloverSample,
    specification: Specification = TABLE1[2],
    panel: Panel | str = "B",
    *,
    small_sample: str = "fixest",
) -> PlaceboTable:
    """Test whether firms of groups answer more to industrial complexes and their tax favours than other firms.

    The panel's outcome on (firm of a group) × complex, and × tax favour, with both main effects, region, sector and
    span effects (a group-by-sector effect would leave only groups in several regions to tell).

    Returns
    -------
    PlaceboTable
        One row per interaction.

    Raises
    ------
    InvalidValue
        If the sample has no industrial complexes.
    """
    which = panel_named(panel)
    incentives = [name for name in ("complex", "complex_tax") if name in sample.controls.get("complex", ())]
    if not incentives:
        raise InvalidValue(
            key="sample", value="without complexes", requirement="one with them", remedy="pass the frame 'complexes'"
        )
    rows = panel_rows(sample, which).copy()
    rows["affiliated"] = rows["group"].notna().astype(np.float64)
    columns, _ = control_list(sample, specification)
    effects = tuple(name for name in specification.effects if name != "group_sector")
    without = Specification(specification.name, "ols", (), specification.initial, effects, specification.clusters)
    found = []
    for incentive in incentives:
        name = f"group_{incentive}"
        rows[name] = rows["affiliated"] * rows[incentive]
        controls = [column for column in columns if column != incentive]
        controls += [which.initial] if specification.initial else []
        found.append(
            _placebo(rows, which.outcome, [name, "affiliated", incentive], controls, without, small_sample, name)
        )
    return PlaceboTable(tuple(found))


def _placebo(
    rows: pd.DataFrame,
    outcome: str,
    regressors: Sequence[str],
    controls: Sequence[str],
    specification: Specification,
    small_sample: str,
    tested: str,
) -> Placebo:
    right = " + ".join([*regressors, *controls])
    formula = f"{outcome} ~ {right} | {' + '.join(specification.effects)}"
    used = [outcome, *regressors, *controls, *specification.effects, *specification.clusters]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", BigPushWarning)
            fit = ols(
                rows[list(dict.fromkeys(used))],
                formula,
                cluster=list(specification.clusters),
                small_sample=small_sample,
            )
    except NoVariation as error:
        return Placebo(outcome, tested, None, str(error))
    if tested not in fit.names:
        return Placebo(outcome, tested, None, f"{tested} does not vary beside the effects and controls")
    return Placebo(outcome, tested, fit, "")
