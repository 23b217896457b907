"""Stacked data for event studies with staggered adoption (Cengiz, Dube, Lindner and Zipperer 2019).

Each event g gets its own copy of treated and control rows with g − K ≤ t ≤ g + L; the copies are stacked and

    y_ist = Σ_{k ≠ −1} β_k 1[t − g(s) = k] · treated_is + α_is + γ_st + ε_ist

is estimated with stack-unit effects α and stack-time effects γ.  Stacks are built by event (one per treated unit), by
cohort (one per date of adoption), or from matches.  Controls of a stack with date g, window −K … L:

- "rolling": units that adopt after g or never; a row is kept only while t < the control's own date;
- "clean": units that adopt after g + L or never;
- "never": units that never adopt.

Units that adopted before g, and others that adopt at g, are never controls.  In a stack from a match, the control is
its loser; with rolling controls the whole match is dropped from the year in which its loser adopts, so that every
coefficient comes from comparisons within a match.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from bigpush_est.errors import InvalidValue, NoLoserLeft, WrongType
from bigpush_est.reduced_form.linear.frames_in import as_pandas, require_columns, require_unique
from bigpush_est.reduced_form.result import Summarised

type Controls = Literal["rolling", "clean", "never"]

CONTROLS: tuple[Controls, ...] = ("rolling", "clean", "never")


@dataclass(frozen=True, slots=True, repr=False)
class Stack(Summarised):
    """Stacked rows.

    Attributes
    ----------
    frame
        The panel's columns and: stack, treated (bool), event_time, stack_unit and stack_time (codes of the effects),
        and one dummy per event time but the reference, as ``terms`` names them.
    terms
        Names of the dummies, tau_m5 for −5, tau_p0 for 0, by event time.
    event_times
        Their event times.
    unit, time
        Columns of the panel.
    window
        (−K, L).
    reference
        Event time that is left out.
    controls
        Rule.
    dropped
        What was left out, and how often.
    """

    frame: pd.DataFrame
    terms: tuple[str, ...]
    event_times: tuple[int, ...]
    unit: str
    time: str
    window: tuple[int, int]
    reference: int
    controls: str
    dropped: dict[str, int]

    @property
    def stacks(self) -> int:
        """Number of stacks."""
        return int(self.frame["stack"].nunique())

    def formula(self, outcome: str, controls: Sequence[str] = ()) -> str:
        """Return the regression as a formula: event-time dummies and controls, stack-unit and stack-time effects.

        Examples
        --------
        >>> panel = pd.DataFrame({"i": [1, 1, 2, 2], "t": [0, 1, 0, 1], "g": [1.0, 1.0, None, None], "y": 0.0})
        >>> build_stack(panel, unit="i", time="t", adoption="g", window=(-1, 0)).formula("y")
        'y ~ tau_p0 | stack_unit + stack_time'
        """
        return f"{outcome} ~ {' + '.join([*self.terms, *controls])} | stack_unit + stack_time"

    def summary(self) -> str:
        """Say what is stacked, and what was left out."""
        treated = self.frame["treated"]
        lines = [
            f"{len(self.frame)} rows in {self.stacks} stacks, {self.frame[self.unit].nunique()} units"
            f" ({self.frame.loc[treated, self.unit].nunique()} treated)",
            f"event time {self.window[0]} to {self.window[1]}, reference {self.reference}; controls: {self.controls}",
        ]
        lines += [f"{what}: {count}" for what, count in self.dropped.items() if count]
        return "\n".join(lines)


def term_of(event_time: int) -> str:
    """Name of an event time's dummy.

    Examples
    --------
    >>> term_of(-5), term_of(0)
    ('tau_m5', 'tau_p0')
    """
    return f"tau_m{-event_time}" if event_time < 0 else f"tau_p{event_time}"


def check_window(window: tuple[int, int], reference: int) -> None:
    """Refuse a window that does not reach around the event, or a reference outside the window's leads."""
    low, high = window
    if not (low <= reference < 0 <= high):
        raise InvalidValue(
            key="window and reference",
            value=(window, reference),
            requirement="a window from a lead to a lag, and the reference a lead in it",
            remedy="pass window=(-5, 7), reference=-1",
        )


def build_stack(
    panel: Any,
    *,
    unit: str,
    time: str,
    adoption: str,
    window: tuple[int, int] = (-5, 7),
    reference: int = -1,
    by: Literal["event", "cohort"] = "event",
    controls: Controls = "rolling",
) -> Stack:
    """Stack a panel by event or by cohort.

    Parameters
    ----------
    panel
        One row per unit and time.
    unit, time
        Columns of the key.
    adoption
        Column of the date of adoption, the same in all rows of a unit; missing: never.
    window
        First and last event time.
    reference
        Event time that is normalised to zero.
    by
        One stack per treated unit, or per date of adoption.
    controls
        "rolling", "clean" or "never".

    Returns
    -------
    Stack
        Rows are not balanced: a stack whose window reaches beyond the panel has fewer.

    Raises
    ------
    MissingKey, WrongType, InvalidValue
        For columns that are not there, duplicate rows, dates that change within a unit, an unknown rule.
    NoLoserLeft
        If no stack has both a treated unit and a control.

    Examples
    --------
    >>> panel = pd.DataFrame({"i": [1, 1, 2, 2], "t": [0, 1, 0, 1], "g": [1.0, 1.0, None, None], "y": 0.0})
    >>> build_stack(panel, unit="i", time="t", adoption="g", window=(-1, 0)).frame["treated"].tolist()
    [True, True, False, False]
    """
    frame = as_pandas(panel, "panel")
    check_window(window, reference)
    _choice("by", by, ("event", "cohort"))
    _choice("controls", controls, CONTROLS)
    require_columns(frame, [unit, time], "panel")
    require_columns(frame, [adoption], "panel", known=False)
    require_unique(frame, [unit, time], "panel")
    _check_integers(frame, [time, adoption])
    dates = frame.groupby(unit, sort=True)[adoption]
    if (dates.nunique(dropna=False) > 1).any():
        changing = dates.nunique(dropna=False)
        raise InvalidValue(
            key=f"panel, column '{adoption}'",
            value=f"several dates for {unit} {changing.index[changing > 1][0]}",
            requirement="one date per unit, missing for never",
            remedy="give the date of first adoption in every row of the unit",
        )
    date_of = dates.first()
    low, high = window
    times = frame[time].to_numpy(dtype=np.int64)
    dates_of_rows = frame[adoption].to_numpy(dtype=np.float64, na_value=np.inf)
    units = frame[unit].to_numpy()
    parts: list[pd.DataFrame] = []
    dropped = {
        "stacks without a control": 0,
        "stacks without a row at the reference": 0,
        "control rows dropped once the control adopts": 0,
    }
    events = (
        [(g, name) for name, g in date_of.dropna().items()]
        if by == "event"
        else [(g, g) for g in np.unique(date_of.dropna())]
    )
    for g, label in events:
        inside = (times >= g + low) & (times <= g + high)
        treated = inside & (units == label if by == "event" else dates_of_rows == g)
        later = {"rolling": dates_of_rows > g, "clean": dates_of_rows > g + high, "never": np.isinf(dates_of_rows)}
        control = inside & later[controls]
        if controls == "rolling":
            dropped["control rows dropped once the control adopts"] += int((control & (times >= dates_of_rows)).sum())
            control &= times < dates_of_rows
        if not control.any():
            dropped["stacks without a control"] += 1
            continue
        if not (treated & (times == g + reference)).any():
            dropped["stacks without a row at the reference"] += 1
        rows = np.flatnonzero(treated | control)
        part = frame.iloc[rows].copy()
        part["stack"] = np.full(rows.size, label)
        part["treated"] = treated[rows]
        part["event_time"] = (times[rows] - g).astype(np.int64)
        parts.append(part)
    if not parts:
        raise NoLoserLeft(
            stage="to compare with",
            reasons=f"{len(events)} events, none with a control under the rule '{controls}'",
            remedy="use rolling controls, a shorter window, or add units that never adopt",
        )
    return finish_stack(pd.concat(parts, ignore_index=True), unit, time, window, reference, controls, dropped)


def finish_stack(
    frame: pd.DataFrame,
    unit: str,
    time: str,
    window: tuple[int, int],
    reference: int,
    controls: str,
    dropped: dict[str, int],
) -> Stack:
    """Add the codes of the effects and the event-time dummies to stacked rows."""
    frame["stack_unit"] = frame.groupby(["stack", unit], sort=False).ngroup()
    frame["stack_time"] = frame.groupby(["stack", time], sort=False).ngroup()
    event_times = tuple(k for k in range(window[0], window[1] + 1) if k != reference)
    for k in event_times:
        frame[term_of(k)] = ((frame["event_time"] == k) & frame["treated"]).astype(np.float64)
    return Stack(
        frame, tuple(term_of(k) for k in event_times), event_times, unit, time, window, reference, controls, dropped
    )


def stack_matches(
    panel: Any,
    pairs: pd.DataFrame,
    *,
    unit: str = "firm",
    time: str = "year",
    event: str = "year",
    adoption: pd.Series,
    window: tuple[int, int] = (-5, 7),
    reference: int = -1,
    controls: Controls = "rolling",
) -> Stack:
    """Stack a panel by match.

    Parameters
    ----------
    panel
        One row per unit and time.
    pairs
        Columns match, loser, winner and the event's date, as in ``Matches.pairs``.
    unit, time
        Columns of the panel's key.
    event
        Column of ``pairs`` with the event's date t(m).
    adoption
        By unit, the date of adoption; units that are not in it, or missing there, never adopt.
    window, reference
        As in ``build_stack``.
    controls
        "rolling": a match is dropped from the year its loser adopts; "clean": only matches whose loser adopts after the
        window or never; "never": only matches whose loser never adopts.

    Returns
    -------
    Stack
        ``stack`` is the match; treated are winners.

    Raises
    ------
    NoLoserLeft
        If no match is left.
    """
    frame = as_pandas(panel, "panel")
    check_window(window, reference)
    _choice("controls", controls, CONTROLS)
    require_columns(frame, [unit, time], "panel")
    require_unique(frame, [unit, time], "panel")
    _check_integers(frame, [time])
    require_columns(pairs, ["match", "loser", "winner", event], "pairs")
    low, high = window
    losers = pairs[["match", "loser", event]].drop_duplicates("match").rename(columns={"loser": unit})
    winners = pairs[["match", "winner", event]].rename(columns={"winner": unit})
    until = losers.set_index("match")[unit].map(adoption).astype(np.float64).fillna(np.inf)
    start = losers.set_index("match")[event].astype(np.int64)
    dropped = {
        "matches whose loser adopts within the window": 0,
        "match-firm rows from the year in which the loser adopts": 0,
        "losers without a row in the window": 0,
        "winners without a row in the window": 0,
        "match-firms with rows only before or only after the event": 0,
    }
    if controls != "rolling":
        kept = until > start + high if controls == "clean" else np.isinf(until)
        dropped["matches whose loser adopts within the window"] = int((~kept).sum())
        start = start[kept]
    members = pd.concat([losers.assign(treated=False), winners.assign(treated=True)], ignore_index=True)
    members = members[members["match"].isin(start.index)].rename(columns={"match": "stack", event: "_date"})
    stacked = members.merge(frame, on=unit, how="inner", validate="many_to_many")
    stacked["event_time"] = (stacked[time] - stacked["_date"]).astype(np.int64)
    stacked = stacked[stacked["event_time"].between(low, high)]
    late = stacked[time].to_numpy() >= stacked["stack"].map(until).to_numpy()
    dropped["match-firm rows from the year in which the loser adopts"] = int(late.sum())
    stacked = stacked[~late]
    seen = stacked[["stack", unit, "treated"]].drop_duplicates()
    for name, flag in (("losers", False), ("winners", True)):
        had, have = int((members["treated"] == flag).sum()), int((seen["treated"] == flag).sum())
        dropped[f"{name} without a row in the window"] = had - have
    both = seen.groupby("stack")["treated"].nunique()
    complete = both.index[both == 2]
    if not len(complete):
        raise NoLoserLeft(
            stage="in the panel",
            reasons=f"{len(start)} matches, none with rows of its loser and of a winner in the window",
            remedy="check that the panel covers the years around the contracts, or widen the window",
        )
    stacked = stacked[stacked["stack"].isin(complete)]
    sides = stacked.assign(after=stacked["event_time"] >= 0).groupby(["stack", unit])["after"].nunique()
    dropped["match-firms with rows only before or only after the event"] = int((sides < 2).sum())
    stacked = stacked.drop(columns="_date").sort_values(["stack", "treated", unit, time], ignore_index=True)
    return finish_stack(stacked, unit, time, window, reference, controls, dropped)


def stacked_units(stack: Stack, outcome: str) -> pd.DataFrame:
    """Undo the stacking: each unit's rows once, with the date of its event; units that are only controls have none.

    Parameters
    ----------
    stack
        The rows.
    outcome
        Column to keep.

    Returns
    -------
    DataFrame
        The unit's and the time's columns, the outcome, and date: 0 for never.
    """
    frame = stack.frame[[stack.unit, stack.time, outcome, "treated", "event_time"]].dropna(subset=[outcome])
    rows = frame.drop_duplicates([stack.unit, stack.time])[[stack.unit, stack.time, outcome]]
    treated = frame[frame["treated"]]
    date = (treated[stack.time] - treated["event_time"]).groupby(treated[stack.unit]).min()
    dates = rows[stack.unit].map(date).astype(np.float64).fillna(0.0)
    return rows.assign(date=dates.astype(np.int64)).sort_values([stack.unit, stack.time], ignore_index=True)


def _choice(key: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise InvalidValue(
            key=key, value=repr(value), requirement=f"one of {', '.join(choices)}", remedy="name one of them"
        )


def _check_integers(frame: pd.DataFrame, columns: list[str]) -> None:
    for column in columns:
        if not pd.api.types.is_numeric_dtype(frame[column]):
            raise WrongType(
                key=f"panel, column '{column}'",
                value=str(frame[column].dtype),
                expected="whole numbers",
                remedy="give dates as years",
            )
        values = frame[column].dropna().to_numpy(dtype=np.float64)
        if values.size and np.any(values != np.round(values)):
            raise InvalidValue(
                key=f"panel, column '{column}'",
                value=float(values[values != np.round(values)][0]),
                requirement="whole numbers",
                remedy="give dates as years",
            )
