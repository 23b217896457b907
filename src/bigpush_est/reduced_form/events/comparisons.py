"""Other estimators of the same event study, computed by pyfixest.

"stacked" repeats the event study.  The others use the panel of the same units, one row per unit and time, with unit and
time effects; everybody's own date of adoption counts there, so that a delayed loser becomes treated instead of leaving:

- "imputation": the effects are fitted on rows that are not treated yet, and the residuals of all rows averaged by event
  time (Gardner's two stages, which give the point estimates of Borusyak, Jaravel and Spiess; ``pyfixest.did2s``).  Its
  leads average first-stage residuals and are not relative to a reference period;
- "twfe": dummies by event time, which mixes cohorts with weights of either sign (``pyfixest.feols``);
- "saturated": cohort × event-time dummies, averaged with the cohorts' shares (Sun and Abraham;
  ``pyfixest.event_study(estimator="saturated")``);
- "lpdid": local projections on units that have not adopted by then (Dube, Girardi, Jordà and Taylor;
  ``pyfixest.lpdid``).

Standard errors are clustered by unit only, which is what all of these offer.  Event times outside the window of the
event study are estimated where the method needs them, and not shown.
"""

import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from bigpush_est.errors import BigPushWarning, InvalidValue
from bigpush_est.reduced_form.events.stacking import Stack, stacked_units, term_of
from bigpush_est.reduced_form.linear.regression import ols

if TYPE_CHECKING:
    from bigpush_est.reduced_form.events.event_study import EventStudy

ESTIMATORS = ("stacked", "imputation", "twfe", "saturated", "lpdid")
_COLUMNS = ["event_time", "estimate", "std_error", "conf_low", "conf_high"]


def compare_estimators(study: "EventStudy", estimators: Sequence[str] | None = None) -> pd.DataFrame:
    """Estimate the effects by event time in several ways.

    Parameters
    ----------
    study
        The event study.
    estimators
        Of ``ESTIMATORS``; default all.

    Returns
    -------
    DataFrame
        estimator, event_time, estimate, std_error, conf_low, conf_high (95%), rows used.

    Raises
    ------
    InvalidValue
        For an unknown estimator.
    """
    chosen = list(estimators or ESTIMATORS)
    for name in chosen:
        if name not in ESTIMATORS:
            raise InvalidValue(
                key="estimators",
                value=repr(name),
                requirement=f"among {', '.join(ESTIMATORS)}",
                remedy="name one of them",
            )
    units: pd.DataFrame | None = None
    tables = []
    for name in chosen:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pyfixest's notes on singletons and on its beta estimators
            if name == "stacked":
                table, rows = _stacked(study), study.regression.n
            else:
                units = _units(study) if units is None else units
                table, rows = _ON_UNITS[name](units, study.stack)
        low, high = study.stack.window
        table = table[table["event_time"].between(low, high)].sort_values("event_time")
        tables.append(table.assign(estimator=name, rows=rows))
    return pd.concat(tables, ignore_index=True)[["estimator", *_COLUMNS, "rows"]]


def _units(study: "EventStudy") -> pd.DataFrame:
    """Return the panel of units under names that mean nothing in a formula: unit_, time_, outcome_ and date."""
    stack, design = study.stack, study.design
    names = {stack.unit: "unit_", stack.time: "time_", study.outcome: "outcome_"}
    if design is None:
        return stacked_units(stack, study.outcome).rename(columns=names)
    matched = pd.concat([design.matches.pairs["loser"], design.matches.pairs["winner"]])
    panel = design.panel[design.panel["firm"].isin(matched)]
    dates = panel["firm"].map(design.events.adoption).astype(np.float64).fillna(0.0)
    units = panel[["firm", "year", study.outcome]].assign(date=dates.astype(np.int64))
    return units.rename(columns=names).reset_index(drop=True)


def _table(
    times: Sequence[int], estimates: object, errors: object, critical: float = 1.959963984540054
) -> pd.DataFrame:
    estimate, error = np.asarray(estimates, dtype=np.float64), np.asarray(errors, dtype=np.float64)
    return pd.DataFrame(
        {
            "event_time": np.asarray(times, dtype=np.int64),
            "estimate": estimate,
            "std_error": error,
            "conf_low": estimate - critical * error,
            "conf_high": estimate + critical * error,
        }
    )


def _stacked(study: "EventStudy") -> pd.DataFrame:
    table = study.tidy()
    return table[table["event_time"].notna() & (table["term"] != "reference")][_COLUMNS].astype(np.float64)


def _imputation(units: pd.DataFrame, stack: Stack) -> tuple[pd.DataFrame, int]:
    import pyfixest as pf

    frame = units.assign(is_treated=((units["date"] > 0) & (units["time_"] >= units["date"])).astype(np.int64))
    # units and dates without an untreated row cannot be imputed; a single one is dropped by the first stage as well
    while True:
        untreated = frame[frame["is_treated"] == 0]
        seen = [untreated.groupby(column).size() for column in ("unit_", "time_")]
        kept = frame["unit_"].isin(seen[0].index[seen[0] > 1]) & frame["time_"].isin(seen[1].index[seen[1] > 1])
        if kept.all():
            break
        frame = frame[kept]
    frame, times = _with_dummies(frame.reset_index(drop=True), stack)
    fit = pf.did2s(
        frame,
        yname="outcome_",
        first_stage="~ 0 | unit_ + time_",
        second_stage="~ " + " + ".join(map(term_of, times)),
        treatment="is_treated",
        cluster="unit_",
    )
    table = fit.tidy().loc[[term_of(k) for k in times]]
    return _table(times, table["Estimate"], table["Std. Error"]), len(frame)


def _with_dummies(units: pd.DataFrame, stack: Stack) -> tuple[pd.DataFrame, list[int]]:
    since = units["time_"] - units["date"].where(units["date"] > 0)
    times = sorted(int(k) for k in since.dropna().unique() if k != stack.reference)
    dummies = {term_of(k): (since == k).astype(np.float64) for k in times}
    return pd.concat([units, pd.DataFrame(dummies, index=units.index)], axis=1), times


def _twfe(units: pd.DataFrame, stack: Stack) -> tuple[pd.DataFrame, int]:
    frame, times = _with_dummies(units, stack)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BigPushWarning)
        fit = ols(frame, f"outcome_ ~ {' + '.join(map(term_of, times))} | unit_ + time_", cluster="unit_")
    times = [k for k in times if term_of(k) in fit.names]
    return _table(times, fit.coefficients, fit.standard_errors), fit.n


def _saturated(units: pd.DataFrame, stack: Stack) -> tuple[pd.DataFrame, int]:
    import pyfixest as pf

    fit = pf.event_study(
        units,
        yname="outcome_",
        idname="unit_",
        tname="time_",
        gname="date",
        cluster="unit_",
        estimator="saturated",
    )
    table = fit.aggregate().dropna(subset=["Std. Error"])
    return _table([int(float(k)) for k in table.index], table["Estimate"], table["Std. Error"]), len(units)


def _lpdid(units: pd.DataFrame, stack: Stack) -> tuple[pd.DataFrame, int]:
    import pyfixest as pf

    # it counts rows, not dates: years in which a unit is not recorded have to be there, without an outcome
    every = pd.MultiIndex.from_product(
        [units["unit_"].unique(), np.arange(units["time_"].min(), units["time_"].max() + 1)],
        names=["unit_", "time_"],
    )
    full = units.set_index(["unit_", "time_"]).reindex(every).reset_index()
    full["date"] = full.groupby("unit_")["date"].transform("max")
    since = (full["time_"] - full["date"])[(full["date"] > 0) & full["outcome_"].notna()]
    low, high = max(stack.window[0], int(since.min())), min(stack.window[1], int(since.max()))
    table = pf.lpdid(
        full,
        yname="outcome_",
        idname="unit_",
        tname="time_",
        gname="date",
        vcov={"CRV1": "unit_"},
        pre_window=low,
        post_window=high,
        att=False,
    ).tidy()
    return _table(
        [int(float(str(name).rsplit("::", 1)[-1])) for name in table.index], table["Estimate"], table["Std. Error"]
    ), int(units["outcome_"].notna().sum())


_ON_UNITS: dict[str, Callable[[pd.DataFrame, Stack], tuple[pd.DataFrame, int]]] = {
    "imputation": _imputation,
    "twfe": _twfe,
    "saturated": _saturated,
    "lpdid": _lpdid,
}
