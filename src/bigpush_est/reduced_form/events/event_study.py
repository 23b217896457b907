"""Winners against losers: a stacked event study on matched firms (Section 3.1, eq. 3.1), and others on stacked rows.

    y_imt = Σ_{τ ≠ −1} β_τ 1[t − τ = t(m)] · 1[Winner_i] + δ_im + δ_mt + ε_imt

for firm i in match m, by least squares with match-firm and match-year effects, standard errors clustered by match and
by firm.  The pooled effect replaces the dummies of τ ≥ 0 by one and leaves the leads out.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from bigpush_est.data.frames import MicroData
from bigpush_est.errors import CollinearRegressors, ColumnMissing, InvalidValue, NoLoserLeft, ShapeMismatch
from bigpush_est.reduced_form.events import figures as event_figures
from bigpush_est.reduced_form.events.contract_events import (
    ContractEvents,
    contract_events,
    covariates_before,
    places_of,
    support_received,
)
from bigpush_est.reduced_form.events.diagnostics import (
    JointTest,
    cancellation_tests,
    joint_test,
    leave_one_out,
    raw_means,
)
from bigpush_est.reduced_form.events.matching import Matches, match_losers
from bigpush_est.reduced_form.events.stacking import Controls, Stack, stack_matches, term_of
from bigpush_est.reduced_form.linear.regression import ols
from bigpush_est.reduced_form.linear.results import Regression
from bigpush_est.reduced_form.result import Result, Summarised

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from bigpush_est.reduced_form.honest.honest_did import HonestDiD

type FloatArray = NDArray[np.float64]

MATCH_VARIABLES = ("log_assets", "log_fixed_assets", "growth_assets", "growth_fixed_assets")
POOLED = "winner_after"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Design(Summarised):
    """Where the matches of an event study come from.

    Attributes
    ----------
    data
        Panel and contracts.
    events
        Losers and winners.
    matches
        Who is compared with whom.
    panel
        firm, year, the outcome and the controls, where they are known.
    """

    data: MicroData
    events: ContractEvents
    matches: Matches
    panel: pd.DataFrame

    def summary(self) -> str:
        """Say what was matched."""
        return "\n".join([self.events.summary(), self.matches.summary()])


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class EventStudy(Result):
    """An estimated event study.

    Attributes
    ----------
    outcome
        Its name.
    regression
        Event-time coefficients, controls, and their joint covariance.
    pooled_regression
        The pooled effect (its first coefficient) and controls.
    stack
        The rows.
    event_times
        Of the estimated dummies.
    controls
        Control variables.
    level
        Of the intervals shown.
    design
        Matches; None for a stack that was given.
    notes
        What was dropped and why, counted.
    """

    outcome: str
    regression: Regression
    pooled_regression: Regression
    stack: Stack
    event_times: tuple[int, ...]
    controls: tuple[str, ...]
    level: float
    design: Design | None
    notes: dict[str, int]

    @property
    def coefficients(self) -> FloatArray:
        """β̂ by event time, without the reference and the controls."""
        return self.regression.coefficients[: len(self.event_times)]

    @property
    def covariance(self) -> FloatArray:
        """Their covariance."""
        size = len(self.event_times)
        return self.regression.covariance.matrix[:size, :size]

    @property
    def pooled(self) -> float:
        """The pooled effect."""
        return float(self.pooled_regression.coefficients[0])

    @property
    def pooled_standard_error(self) -> float:
        """Its standard error."""
        return float(self.pooled_regression.standard_errors[0])

    def tidy(self) -> pd.DataFrame:
        """Return one row per event time, the reference among them, and a last one for the pooled effect.

        Columns: term, event_time (missing for the pooled effect), estimate, std_error, t, p_value, conf_low, conf_high,
        and how many rows of winners and losers stand at that event time.
        """
        names = [term_of(k) for k in self.event_times]
        table = _renamed(self.regression.tidy(self.level)).loc[names]
        table.insert(0, "event_time", np.array(self.event_times, dtype=np.int64))
        reference = pd.DataFrame(
            {"event_time": [self.stack.reference], "estimate": [0.0], "std_error": [0.0]}, index=["reference"]
        )
        pooled = _renamed(self.pooled_regression.tidy(self.level)).iloc[[0]].set_axis(["pooled"])
        whole = pd.concat([table, reference]).sort_values("event_time")
        counts = self.stack.frame.groupby(["event_time", "treated"]).size().unstack(fill_value=0)
        for name, flag in (("winners", True), ("losers", False)):
            whole[name] = counts[flag].reindex(whole["event_time"]).fillna(0).to_numpy(dtype=np.int64)
            pooled[name] = int(counts.loc[counts.index >= 0, flag].sum())
        whole = pd.concat([whole, pooled]).rename_axis("term").reset_index()
        whole["event_time"] = whole["event_time"].astype("Int64")
        return whole

    def pretrend(self) -> JointTest:
        """Test that the coefficients of all leads are zero."""
        leads = np.array([k < self.stack.reference or self.stack.reference < k < 0 for k in self.event_times])
        return joint_test(
            "no coefficient before the event differs from zero",
            self.coefficients[leads],
            self.covariance[np.ix_(leads, leads)],
            self.regression.degrees_of_freedom,
        )

    def average_after(self) -> tuple[float, float]:
        """Return the mean of the coefficients from the event on, and its standard error."""
        after = np.array([k >= 0 for k in self.event_times])
        weights = after / after.sum()
        return float(weights @ self.coefficients), float(np.sqrt(weights @ self.covariance @ weights))

    def honest(self, **options: Any) -> "HonestDiD":
        """Allow for violations of parallel trends; options as in ``honest.honest_did``.

        Raises
        ------
        InvalidValue
            For instance where the covariance was repaired, and so is not positive definite.
        """
        from bigpush_est.reduced_form.honest.honest_did import honest_did

        options = {"reference": self.stack.reference, "level": self.level} | options
        return honest_did(self.coefficients, self.covariance, self.event_times, **options)

    def raw_means(self) -> pd.DataFrame:
        """Return mean outcomes of winners and losers by event time, see ``event_diagnostics.raw_means``."""
        return raw_means(self.stack, self.outcome)

    def leave_one_match_out(self) -> pd.DataFrame:
        """Return the pooled effect without each match in turn, see ``event_diagnostics.leave_one_out``."""
        return leave_one_out(self.stack, self.pooled_regression)

    def balance(self, variables: Sequence[str] | None = None) -> pd.DataFrame:
        """Return the balance before and after matching, see ``balance.balance_table``.

        Parameters
        ----------
        variables
            As ``contract_events.covariates_before`` takes them; default those matched on.
        """
        design = self._matched("balance")
        names = list(variables or design.matches.variables)
        new = [name for name in names if name not in design.matches.candidates]
        if not new:
            return design.matches.balance(names)
        return _with_covariates(design, new).balance(names)

    def partner_balance(self) -> pd.DataFrame:
        """Compare the patents of the foreign partners, each with whom the event's contract was signed.

        Raises
        ------
        ColumnMissing
            If the contracts do not tell them.
        """
        design = self._matched("partner_balance")
        if "partner_patents" not in design.matches.candidates:
            raise ColumnMissing(
                frame="contracts",
                column="partner_patents",
                present=", ".join(map(str, design.events.frame.columns)),
                remedy="give the number of patents of each contract's foreign party",
            )
        return design.matches.balance(["partner_patents"])

    def predict_cancellation(self, variables: Sequence[str] | None = None) -> pd.DataFrame:
        """Test that the years before do not predict who loses, see ``event_diagnostics.cancellation_tests``.

        Parameters
        ----------
        variables
            As ``contract_events.covariates_before`` takes them; default log sales, those matched on, and their growth.
        """
        design = self._matched("predict_cancellation")
        names = list(dict.fromkeys(variables or ["log_sales", "growth_sales", *design.matches.variables]))
        new = [name for name in names if name not in design.matches.candidates]
        return cancellation_tests(_with_covariates(design, new), names)

    def compare(self, estimators: Sequence[str] | None = None) -> pd.DataFrame:
        """Return other estimators' event-time effects beside these, see ``event_comparisons.compare_estimators``."""
        from bigpush_est.reduced_form.events.comparisons import compare_estimators

        return compare_estimators(self, estimators)

    def summary(self) -> str:
        """Say what was estimated on what, and what was left out."""
        test = self.pretrend()
        share = f"{100 * self.level:g}%"
        lines = [f"Event study of {self.outcome}", self.stack.summary()]
        if self.design is not None:
            lines.append(self.design.matches.summary())
        lines.append(f"standard errors: {self.regression.inference()}")
        table = self.tidy()
        lines.append(f"{'event time':>10}  {'estimate':>9}  {'s.e.':>7}  {share} interval")
        numbers = table[["estimate", "std_error", "conf_low", "conf_high"]].to_numpy(dtype=np.float64)
        for term, time, (estimate, error, low, high) in zip(table["term"], table["event_time"], numbers, strict=True):
            name = "pooled" if term == "pooled" else str(time)
            interval = "" if term == "reference" else f"  {error:>7.4f}  [{low:.4f}, {high:.4f}]"
            lines.append(f"{name:>10}  {estimate:>9.4f}{interval}")
        lines.append(test.text())
        lines += [f"{what}: {count}" for what, count in self.notes.items() if count]
        return "\n".join(lines)

    def plot(self, axes: "Axes | None" = None) -> "Axes":
        """Draw the coefficients with their intervals."""
        return event_figures.coefficients(self.tidy(), self.outcome, self.level, axes)

    def plot_raw_means(self, relative: bool = True, axes: "Axes | None" = None) -> "Axes":
        """Draw mean outcomes of winners and losers, relative to the reference period or in levels."""
        return event_figures.means(self.raw_means(), self.outcome, relative, self.stack.reference, axes)

    def printed(self) -> pd.DataFrame:
        """Return estimates by event time with headings to print."""
        table = self.tidy()
        label = table["event_time"].astype("string").str.replace("-", "−").fillna("pooled")
        return pd.DataFrame(
            {
                "Event time": label,
                "Estimate": table["estimate"],
                "Std. error": table["std_error"].where(table["term"] != "reference"),
                "Low": table["conf_low"],
                "High": table["conf_high"],
                "Winners": table["winners"],
                "Losers": table["losers"],
            }
        )

    def _matched(self, what: str) -> Design:
        if self.design is None:
            raise InvalidValue(
                key=f"{what}()",
                value="a stack that was given",
                requirement="an event study of matched winners and losers",
                remedy="use winners_vs_losers()",
            )
        return self.design


def stacked_event_study(
    stack: Stack,
    outcome: str,
    *,
    controls: Sequence[str] = (),
    cluster: Sequence[str] | None = None,
    small_sample: str = "fixest",
    not_psd: Literal["repair", "refuse"] = "repair",
    level: float = 0.95,
    design: Design | None = None,
    notes: dict[str, int] | None = None,
) -> EventStudy:
    """Estimate an event study on stacked rows.

    Parameters
    ----------
    stack
        As ``stacking`` builds it.
    outcome
        Column of its frame; rows in which it is missing are left out.
    controls
        Further columns on the right-hand side.
    cluster
        Columns of the stack; default the stack and the unit.
    small_sample, not_psd
        As for ``regression.ols``.
    level
        Of the intervals shown.
    design, notes
        Carried into the result.

    Returns
    -------
    EventStudy
        Event times without a row of a treated unit, or without a control to compare with, are left out and counted in
        its notes.

    Raises
    ------
    InputError
        One subclass per failure of the regression; ``InvalidValue`` for a stack without treated rows after the event.

    Examples
    --------
    >>> from bigpush_est.reduced_form.events.stacking import build_stack
    >>> dates = np.repeat([3.0, 3.0, np.nan, np.nan], 4)
    >>> panel = pd.DataFrame({"i": np.repeat([1, 2, 3, 4], 4), "t": [1, 2, 3, 4] * 4, "g": dates})
    >>> panel["y"] = panel["i"] + 2.0 * (panel["t"] >= panel["g"]) + 0.01 * panel["i"] * panel["t"] ** 2
    >>> stack = build_stack(panel, unit="i", time="t", adoption="g", window=(-2, 1), by="cohort")
    >>> round(stacked_event_study(stack, "y", cluster=["i"]).pooled, 2)
    1.8
    """
    if not 0.0 < level < 1.0:
        raise InvalidValue(key="level", value=level, requirement="between 0 and 1", remedy="pass 0.95 or 0.9")
    frame = stack.frame
    for column in (outcome, *controls):
        if column not in frame:
            raise ColumnMissing(
                frame="stack", column=column, present=", ".join(map(str, frame.columns)), remedy="name one of them"
            )
    usable = frame[[outcome, *controls]].notna().all(axis=1)
    counted = dict(notes or {})
    counted["stacked rows without the outcome or a control"] = int((~usable).sum())
    frame = frame[usable]
    times = [k for k in stack.event_times if frame[term_of(k)].any()]
    counted["event times without a row of a winner"] = len(stack.event_times) - len(times)
    if not any(k >= 0 for k in times):
        raise InvalidValue(
            key="stack",
            value="no treated row from the event on",
            requirement="treated rows before and after the event",
            remedy="check the window against the years of the panel",
        )
    frame = frame.assign(**{POOLED: (frame["treated"] & (frame["event_time"] >= 0)).astype(np.float64)})
    clusters = ["stack", stack.unit] if cluster is None else list(cluster)
    effects = "stack_unit + stack_time"
    fits = []
    for terms in ([term_of(k) for k in times], [POOLED]):
        formula = f"{outcome} ~ {' + '.join([*terms, *controls])} | {effects}"
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            fits.append(ols(frame, formula, cluster=clusters, small_sample=small_sample, not_psd=not_psd))
        for one in said:
            # an event time that nobody is left to be compared with is counted below
            if not isinstance(one.message, CollinearRegressors) or not _only(one.message, terms):
                warnings.warn(one.message, stacklevel=3)
    estimated = tuple(k for k in times if term_of(k) in fits[0].names)
    counted["event times without a control to compare with"] = len(times) - len(estimated)
    if fits[1].names[0] != POOLED:
        raise InvalidValue(
            key="stack",
            value="the effects absorb the treatment",
            requirement="treated and control rows on both sides of the event in one stack",
            remedy="widen the window, or use other controls",
        )
    return EventStudy(outcome, fits[0], fits[1], stack, estimated, tuple(controls), level, design, counted)


def _only(warning: CollinearRegressors, terms: Sequence[str]) -> bool:
    """Whether all that a warning says was dropped are event times."""
    return set(str(warning.context["columns"]).split(", ")) <= set(terms)


def winners_vs_losers(
    data: MicroData,
    outcome: str | pd.Series | ArrayLike = "log_sales",
    *,
    variables: Sequence[str] = MATCH_VARIABLES,
    exact: Sequence[str] = ("region", "sector"),
    number: int = 3,
    caliper: float | None = None,
    replacement: bool = True,
    covariance: Literal["winners", "everyone"] | ArrayLike = "winners",
    covariate_lag: int = 1,
    cancelled_by: Sequence[str] = ("foreign",),
    window: tuple[int, int] = (-5, 7),
    reference: int = -1,
    rule: Controls = "rolling",
    support: Sequence[str] = (),
    controls: Sequence[str] = (),
    cluster: Sequence[str] | None = None,
    small_sample: str = "fixest",
    not_psd: Literal["repair", "refuse"] = "repair",
    level: float = 0.95,
) -> EventStudy:
    """Compare firms whose contract went through with firms whose contract the foreign party cancelled.

    Parameters
    ----------
    data
        Panel and contracts.
    outcome
        "log_x" for the log of the panel's column x, the name of a column, or numbers aligned with the panel (TFPR).
    variables
        Matched on in Mahalanobis distance, ``covariate_lag`` years before the contract: "log_x", "growth_x" or a
        column.
    exact
        Matched on exactly, besides the contract's year: columns that a firm keeps.
    number, caliper, replacement, covariance
        As for ``matching.match_losers``.
    covariate_lag
        Years before the contract at which firms are compared.
    cancelled_by
        Whose cancellations make a loser.
    window, reference, rule
        As for ``stacking.stack_matches``.
    support
        "credit", "trade_fairs": public support as controls.
    controls
        Further columns of the panel as controls.
    cluster
        Default: match ("stack") and firm.
    small_sample, not_psd, level
        As for ``stacked_event_study``.

    Returns
    -------
    EventStudy
        With its matches, and with what was dropped and why.

    Raises
    ------
    NoLoserLeft
        If no loser is left among the contracts, after matching, or with rows in the window.
    InputError
        One subclass per other failure.
    """
    events = contract_events(data, cancelled_by)
    values = _outcome(data, outcome)
    candidates = events.frame.merge(places_of(data), left_on="firm", right_index=True, how="inner")
    notes = {f"contracts: {what}": count for what, count in events.counts.items()}
    for name, flag in (("losers", True), ("winners", False)):
        before, after = (int((frame["loser"] == flag).sum()) for frame in (events.frame, candidates))
        notes[f"{name} that the panel does not record"] = before - after
    if not candidates["loser"].any():
        raise NoLoserLeft(
            stage="in the panel",
            reasons=f"{events.losers} losers, none of them recorded",
            remedy="check that contracts and panel name firms alike",
        )
    columns = [column for column in exact if column not in candidates]
    if columns:
        raise ColumnMissing(
            frame="panel", column=columns[0], present="region, sector, group", remedy="match exactly on one of these"
        )
    candidates = covariates_before(data, candidates, variables, covariate_lag)
    matches = match_losers(
        candidates,
        exact=("year", *exact),
        variables=variables,
        number=number,
        caliper=caliper,
        replacement=replacement,
        covariance=covariance,
    )
    panel = data.panel[["firm", "year"]].assign(**{str(values.name): values})
    if support:
        panel = pd.concat([panel, support_received(data, support)], axis=1)
    for column in controls:
        if column not in data.panel:
            raise ColumnMissing(
                frame="panel", column=column, present=", ".join(map(str, data.panel.columns)), remedy="name one of them"
            )
        panel[column] = data.panel[column]
    known = panel[[str(values.name), *support, *controls]].notna().all(axis=1)
    notes["panel rows without the outcome or a control"] = int((~known).sum())
    panel = panel[known]
    stack = stack_matches(
        panel, matches.pairs, adoption=events.adoption, window=window, reference=reference, controls=rule
    )
    return stacked_event_study(
        stack,
        str(values.name),
        controls=[*support, *controls],
        cluster=cluster,
        small_sample=small_sample,
        not_psd=not_psd,
        level=level,
        design=Design(data, events, matches, panel),
        notes=notes,
    )


def _outcome(data: MicroData, outcome: Any) -> pd.Series:
    panel = data.panel
    if isinstance(outcome, str):
        if outcome in panel:
            return panel[outcome].astype(np.float64).rename(outcome)
        if outcome.startswith("log_"):
            return data.log(outcome.removeprefix("log_")).rename(outcome)
        raise ColumnMissing(
            frame="panel",
            column=outcome,
            present=", ".join(map(str, panel.columns)),
            remedy="name a column, log_ and a column, or pass numbers aligned with the panel",
        )
    values = np.asarray(outcome, dtype=np.float64)
    if values.shape != (len(panel),):
        raise ShapeMismatch(
            key="outcome",
            shape=values.shape,
            expected=f"({len(panel)},)",
            remedy="give one number per row of the panel",
        )
    name = outcome.name if isinstance(outcome, pd.Series) and isinstance(outcome.name, str) else "outcome"
    return pd.Series(values, index=panel.index, name=name)


def _with_covariates(design: Design, new: Sequence[str]) -> Matches:
    from dataclasses import replace

    if not new:
        return design.matches
    return replace(design.matches, candidates=covariates_before(design.data, design.matches.candidates, new))


def _renamed(table: pd.DataFrame) -> pd.DataFrame:
    return table.set_axis(["estimate", "std_error", "t", "p_value", "conf_low", "conf_high"], axis=1)
