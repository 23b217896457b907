"""Does one group or one region carry the estimate?  The instrument is rebuilt without it.

The just-identified IV estimate is β̂ = z̃′Δy / z̃′ΔShare with z = Σ_g z_g, the sum of what groups contribute.  So

    β̂ = Σ_g w_g β̂_g,    w_g = z_g′x̃ / z′x̃,    β̂_g = z_g′ỹ / z_g′x̃

with ỹ and x̃ the outcome and the share without effects and controls: w_g says how much of the estimate rests on group
g, β̂_g what it would be on that group alone.  Leaving a group out keeps the rows and takes z_g off; leaving a region
out drops its firms from the sample, from the units that count elsewhere, and from the sectors' growth in footnote 10.
Controls stay as they are.
"""

import warnings
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from bigpush_est.errors import BigPushWarning, InvalidValue, NoVariation, UnderIdentified
from bigpush_est.reduced_form.linear.absorb import take_out
from bigpush_est.reduced_form.linear.frames_in import codes_of
from bigpush_est.reduced_form.linear.partialling import Partialled, partial_out
from bigpush_est.reduced_form.linear.partialling import take_out as take_controls_out
from bigpush_est.reduced_form.linear.regression import fit_problem
from bigpush_est.reduced_form.linear.results import Regression
from bigpush_est.reduced_form.result import Result, axes_or_new
from bigpush_est.reduced_form.spillovers.columns import (
    INSTRUMENT,
    SHARE,
    TABLE1,
    Panel,
    Specification,
    control_list,
    estimate_column,
    panel_named,
    panel_rows,
    variables,
)
from bigpush_est.reduced_form.spillovers.group_instrument import growth_elsewhere
from bigpush_est.reduced_form.spillovers.sample import SpilloverSample
from bigpush_est.reduced_form.weak_iv.identification import identification

if TYPE_CHECKING:
    from matplotlib.axes import Axes

type FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class LeaveOneOut(Result):
    """Estimates without one group or region at a time.

    Attributes
    ----------
    what
        "group" or "region".
    full
        The estimate with all of them.
    frame
        One row each: ``left_out``, ``Estimate``, ``Std. Error``, ``F`` (Kleibergen-Paap), ``N``, and for groups
        ``weight`` w_g and ``alone`` β̂_g (NaN where the group contributes nothing).
    not_estimated
        What was left out where nothing could be estimated, and why.
    """

    what: str
    full: Regression
    frame: pd.DataFrame
    not_estimated: tuple[tuple[str, str], ...]

    def tidy(self) -> pd.DataFrame:
        """Return the estimates, the one farthest from the full estimate first."""
        distance = (self.frame["Estimate"] - self.full.coefficient(SHARE)).abs()
        return self.frame.loc[distance.sort_values(ascending=False, kind="stable").index].reset_index(drop=True)

    def summary(self) -> str:
        """Say how far estimates move, and which one moves them most."""
        first = self.tidy().iloc[0]
        low, high = self.frame["Estimate"].min(), self.frame["Estimate"].max()
        lines = [
            f"{self.full.coefficient(SHARE):.3g} with every {self.what}; from {low:.3g} to {high:.3g} without one of "
            f"{len(self.frame)}; farthest without {first['left_out']}"
        ]
        if "weight" in self.frame:
            top = self.frame.sort_values("weight", key=np.abs, ascending=False).iloc[0]
            negative = self.frame.loc[self.frame["weight"] < 0, "weight"].sum()
            lines.append(
                f"largest weight: {top['left_out']}, {top['weight']:.1%}; negative weights sum to {negative:.1%}"
            )
        lines += [f"without {name}: not estimated ({reason})" for name, reason in self.not_estimated]
        return "\n".join(lines)

    def plot(self, axes: "Axes | None" = None) -> "Axes":
        """Draw the estimates in ascending order with 95% t-intervals, and the full estimate."""
        axes = axes_or_new(axes, (7.0, 3.5))
        ordered = self.frame.sort_values("Estimate", kind="stable")
        half = 1.96 * ordered["Std. Error"]
        axes.errorbar(range(len(ordered)), ordered["Estimate"], yerr=half, fmt="o", markersize=3, linewidth=0.8)
        axes.axhline(self.full.coefficient(SHARE), color="0.5", linewidth=0.8)
        axes.set_xlabel(f"{self.what} left out, by estimate")
        axes.set_ylabel("β")
        return axes


def _full(
    sample: SpilloverSample, specification: Specification, panel: Panel | str, data: pd.DataFrame | None
) -> tuple[Panel, Regression]:
    if specification.instruments != (INSTRUMENT,) or specification.estimator != "iv":
        raise InvalidValue(
            key="specification",
            value=f"{specification.estimator} with {', '.join(specification.instruments)}",
            requirement=f"2SLS with the one instrument '{INSTRUMENT}'",
            remedy="pass a column of TABLE1 from (2) on",
        )
    which = panel_named(panel)
    column = estimate_column(sample, specification, which, data=data)
    if column.regression is None:
        raise InvalidValue(
            key=f"column {specification.name}", value="not estimated", requirement="an estimate", remedy=column.reason
        )
    return which, column.regression


def _fast(problem: Partialled, fit: Regression, instrument: FloatArray) -> tuple[float, float, float]:
    """Estimate, standard error and F with another instrument that is already without effects and controls."""
    inner = replace(
        fit.problem,
        outcome=problem.outcome / problem.scale,
        endogenous=problem.endogenous / problem.scale[:, None],
        exogenous=np.empty((problem.outcome.size, 0)),
        instruments=instrument[:, None] / problem.scale[:, None],
        names=(SHARE,),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BigPushWarning)
        beta, covariance, _, _ = fit_problem(inner, small_sample=fit.small_sample, parameters=fit.parameters)
        strength = identification(inner, parameters=fit.parameters).kleibergen_paap_f.statistic
    return float(beta[0]), float(covariance.standard_errors[0]), float("nan") if strength is None else strength


def leave_one_group_out(
    sample: SpilloverSample, specification: Specification = TABLE1[2], panel: Panel | str = "A"
) -> LeaveOneOut:
    """Estimate without the adoptions of one group at a time, rows unchanged.

    Parameters
    ----------
    sample
        From `spillover_sample`.
    specification
        2SLS with the group instrument alone.
    panel
        "A" or "B".

    Returns
    -------
    LeaveOneOut
        With the groups' weights, which sum to 1.

    Raises
    ------
    InvalidValue
        For another estimator or other instruments, or a column that cannot be estimated.
    """
    which, fit = _full(sample, specification, panel, None)
    columns, _ = control_list(sample, specification)
    used = panel_rows(sample, which)[variables(which, specification, columns)]
    rows = codes_of(pd.Series(fit.rows), sample.frame.index)
    problem = partial_out(fit.problem)
    map_ = sample.instrument
    contributions = _contributions(sample, rows)
    # M_W is applied to all groups' contributions at once
    effects = tuple(pd.factorize(used.loc[fit.rows, name])[0].astype(np.int64) for name in specification.effects)
    within = take_controls_out(problem.controls, take_out(contributions, effects, fit.problem.weights))
    total = within.sum(axis=1)
    strength = float(total @ problem.endogenous[:, 0])
    with_share = within.T @ problem.endogenous[:, 0]
    with_outcome = within.T @ problem.outcome
    found, failed = [], []
    for g, name in enumerate(map_.groups):
        contributes = bool(np.abs(contributions[:, g]).max(initial=0.0) > 0)
        row = {
            "left_out": name,
            "weight": with_share[g] / strength if contributes else 0.0,
            "alone": with_outcome[g] / with_share[g] if contributes and with_share[g] != 0 else np.nan,
            "N": fit.n,
        }
        try:
            row["Estimate"], row["Std. Error"], row["F"] = _fast(problem, fit, total - within[:, g])
        except (NoVariation, UnderIdentified, InvalidValue) as error:
            failed.append((str(name), str(error)))
            continue
        found.append(row)
    order = ["left_out", "Estimate", "Std. Error", "F", "N", "weight", "alone"]
    return LeaveOneOut("group", fit, pd.DataFrame(found)[order], tuple(failed))


def _contributions(sample: SpilloverSample, rows: NDArray[np.int64]) -> FloatArray:
    """z_g of every group, shape (n, G); the rows sum to the instrument."""
    map_ = sample.instrument
    dates = len(map_.dates)
    columns = np.arange(map_.operator.shape[1])
    spread = sparse.csr_array(
        (sample.histories.ravel(), (columns, np.repeat(map_.unit_group, dates))),
        shape=(columns.size, len(map_.groups)),
    )
    return np.asarray((map_.operator[rows] @ spread).toarray(), dtype=np.float64)


def instrument_without_region(sample: SpilloverSample, region: object) -> FloatArray:
    """Rebuild the instrument as if a region were not in the data.

    Its units do not count and its firms are not in the sectors' growth; the rows of its own firms are NaN.

    Raises
    ------
    InvalidValue
        For a region that the sample does not know.
    """
    code = int(sample.regions.get_indexer(pd.Index([region]))[0])
    if code < 0:
        raise InvalidValue(
            key="region",
            value=repr(region),
            requirement="a region of the sample",
            remedy=f"such as {sample.regions[0]!r}",
        )
    map_, frame, lag = sample.instrument, sample.frame, sample.design.lag
    x = np.where((sample.unit_region == region)[:, None], 0.0, sample.histories).ravel()
    # predicted counts scale the entries of the later date, which are the positive ones
    late = map_.operator.maximum(sparse.csr_array(map_.operator.shape))
    early = map_.operator - late
    place, sector = codes_of(frame["region"], sample.regions), codes_of(frame["sector"], sample.sectors)
    scale = np.full(len(frame), np.nan)
    for start, end in frame[["start", "end"]].drop_duplicates().itertuples(index=False):
        rows = np.flatnonzero(((frame["start"] == start) & (frame["end"] == end)).to_numpy())
        first, last = sample.counts[int(start) - lag], sample.counts[int(end) - lag]
        with_it = growth_elsewhere(first, last, place[rows], sector[rows])
        fewer_first, fewer_last = first.copy(), last.copy()
        fewer_first[code], fewer_last[code] = 0.0, 0.0
        without = growth_elsewhere(fewer_first, fewer_last, place[rows], sector[rows])
        scale[rows] = np.divide(with_it, without, out=np.full(rows.size, np.nan), where=without > 0)
    built: FloatArray = (late @ x) * scale + early @ x
    built[map_.missing | (place == code)] = np.nan
    return built


def leave_one_region_out(
    sample: SpilloverSample, specification: Specification = TABLE1[2], panel: Panel | str = "A"
) -> LeaveOneOut:
    """Estimate without one region at a time: without its firms, and the instrument rebuilt without its units.

    Parameters
    ----------
    sample, specification, panel
        As for `leave_one_group_out`.

    Returns
    -------
    LeaveOneOut

    Raises
    ------
    InvalidValue
        As for `leave_one_group_out`.
    """
    which, fit = _full(sample, specification, panel, None)
    rows = panel_rows(sample, which)
    found, failed = [], []
    for region in sample.regions[np.isin(sample.regions, rows["region"])]:
        rebuilt = pd.Series(instrument_without_region(sample, region), index=sample.frame.index)
        others = rows[rows["region"] != region]
        column = estimate_column(
            sample, specification, which, data=others.assign(**{INSTRUMENT: rebuilt.loc[others.index]})
        )
        if column.regression is None:
            failed.append((str(region), column.reason))
            continue
        found.append(
            {
                "left_out": region,
                "Estimate": column.estimate,
                "Std. Error": column.standard_error,
                "F": column.kleibergen_paap_f,
                "N": column.regression.n,
            }
        )
    return LeaveOneOut("region", fit, pd.DataFrame(found), tuple(failed))
