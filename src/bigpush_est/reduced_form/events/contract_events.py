"""Who won and who lost a contract, and what they looked like the year before (Section 3.1).

A loser is a firm whose contract was cancelled by the foreign party and that has no technology yet: it never adopted up
to and including that contract's year.  A winner is a firm in the year of its first contract that was not cancelled.
Contracts that the domestic party or the government cancelled make neither.  A firm's first such cancellation counts; a
firm that lost is not a winner later, since it was selected once before.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from bigpush_est.data.frames import MicroData
from bigpush_est.errors import ColumnMissing, InvalidValue, NoLoserLeft
from bigpush_est.reduced_form.result import Result


@dataclass(frozen=True, slots=True, repr=False)
class ContractEvents(Result):
    """Losers and winners of contracts.

    Attributes
    ----------
    frame
        One row per firm and event: firm, year, loser (bool), contract, and the contract's other columns.
    adoption
        By firm, the year of the first contract that was not cancelled; firms that never adopt are not in it.
    counts
        What was left out, and how often.
    """

    frame: pd.DataFrame
    adoption: pd.Series
    counts: dict[str, int]

    @property
    def losers(self) -> int:
        """Number of losers."""
        return int(self.frame["loser"].sum())

    def tidy(self) -> pd.DataFrame:
        """Return the frame."""
        return self.frame

    def summary(self) -> str:
        """Say how many losers and winners there are, and what was left out."""
        lines = [f"{self.losers} losers and {len(self.frame) - self.losers} winners of contracts"]
        return "\n".join([*lines, *(f"{what}: {count}" for what, count in self.counts.items() if count)])


def contract_events(data: MicroData, cancelled_by: Sequence[str] = ("foreign",)) -> ContractEvents:
    """Read losers and winners off the contracts.

    Parameters
    ----------
    data
        With contracts that say which were cancelled, and by whom.
    cancelled_by
        Whose cancellations make a loser.

    Returns
    -------
    ContractEvents
        Sorted by year and firm.

    Raises
    ------
    FrameMissing, ColumnMissing
        Without contracts, or without their cancellations.
    NoLoserLeft
        If there is no loser.
    """
    contracts = data.need("contracts", "winners and losers")
    for column in ("cancelled_year", "cancelled_by"):
        if column not in contracts:
            raise ColumnMissing(
                frame="contracts",
                column=column,
                present=", ".join(map(str, contracts.columns)),
                remedy="say which contracts were cancelled, when and by whom",
            )
    if not cancelled_by:
        raise InvalidValue(
            key="cancelled_by", value="nobody", requirement="at least one party", remedy="pass ('foreign',)"
        )
    adoption = data.adoption_years()
    cancelled = contracts["cancelled_year"].notna()
    own = contracts["firm"].map(adoption)
    eligible = cancelled & contracts["cancelled_by"].isin(list(cancelled_by))
    too_late = eligible & (own <= contracts["year"])
    lost = contracts[eligible & ~too_late].sort_values(["year", "contract"], kind="stable")
    first_loss = lost.drop_duplicates("firm")
    won = contracts[~cancelled & (contracts["year"] == own)]
    won = won.sort_values(["year", "contract"], kind="stable").drop_duplicates("firm")
    lost_before = won["firm"].isin(first_loss["firm"])
    counts = {
        "cancellations by others than " + " or ".join(cancelled_by): int((cancelled & ~eligible).sum()),
        "cancellations of firms that had adopted by then": int(too_late.sum()),
        "further cancellations of the same loser": len(lost) - len(first_loss),
        "winners that had lost before": int(lost_before.sum()),
    }
    if first_loss.empty:
        raise NoLoserLeft(
            stage="among the contracts",
            reasons="; ".join(f"{count} × {what}" for what, count in counts.items() if count)
            or "nothing was cancelled",
            remedy="check the columns cancelled_by and cancelled_year, or widen cancelled_by",
        )
    frame = pd.concat([first_loss.assign(loser=True), won[~lost_before].assign(loser=False)], ignore_index=True)
    frame = frame.sort_values(["year", "firm"], kind="stable", ignore_index=True)
    return ContractEvents(frame, adoption, counts)


def covariates_before(data: MicroData, events: pd.DataFrame, names: Sequence[str], lag: int = 1) -> pd.DataFrame:
    """Return what firms looked like before their events.

    Parameters
    ----------
    data
        The panel.
    events
        Columns firm and year.
    names
        "log_x" for the log of the panel's column x, "growth_x" for its log change over one year, or the name of a
        column.
    lag
        Years before the event at which the level is taken, and at which the year of growth ends.

    Returns
    -------
    DataFrame
        The events with one column per name, missing where the panel has no such year.

    Raises
    ------
    ColumnMissing
        If the panel lacks a column.
    NotPositiveBeforeLogs
        If a value whose log is asked for is zero or negative.

    Examples
    --------
    >>> from bigpush_est.data.frames import MicroData
    >>> panel = pd.DataFrame({"firm": "a", "year": [1971, 1972], "region": "r", "sector": "s", "sales": [1.0, 2.0]})
    >>> events = pd.DataFrame({"firm": ["a"], "year": [1973]})
    >>> covariates_before(MicroData.of(panel=panel), events, ["growth_sales"])["growth_sales"].round(3).tolist()
    [0.693]
    """
    if lag < 0:
        raise InvalidValue(key="lag", value=lag, requirement="0 or more years", remedy="pass 1")
    panel = data.panel
    key = pd.MultiIndex.from_frame(panel[["firm", "year"]])
    result = events.reset_index(drop=True)

    def at(values: pd.Series, years_before: int) -> np.ndarray:
        wanted = pd.MultiIndex.from_arrays([result["firm"], result["year"] - years_before])
        return pd.Series(values.to_numpy(dtype=np.float64, na_value=np.nan), index=key).reindex(wanted).to_numpy()

    columns = {}
    for name in names:
        if name in panel:
            columns[name] = at(panel[name], lag)
        elif name.startswith("growth_"):
            logs = data.log(name.removeprefix("growth_"))
            columns[name] = at(logs, lag) - at(logs, lag + 1)
        elif name.startswith("log_"):
            columns[name] = at(data.log(name.removeprefix("log_")), lag)
        else:
            raise ColumnMissing(
                frame="panel",
                column=name,
                present=", ".join(map(str, panel.columns)),
                remedy="name a column, or put log_ or growth_ in front of one",
            )
    return result.assign(**columns)


def places_of(data: MicroData) -> pd.DataFrame:
    """Return region, sector and the other things that a firm keeps, by firm."""
    panel = data.panel
    kept = [name for name in ("region", "sector", "group") if name in panel]
    return panel.groupby("firm", sort=False)[kept].first()


def support_received(data: MicroData, kinds: Sequence[str]) -> pd.DataFrame:
    """Return public support of each row of the panel, as controls.

    Parameters
    ----------
    data
        With the frames in question.
    kinds
        "credit" for the inverse hyperbolic sine of the credit received up to and including the year, "trade_fairs" for
        that of participations.  Firms without a row received none.

    Returns
    -------
    DataFrame
        One column per kind, rows as in the panel.
    """
    panel = data.panel
    result = pd.DataFrame(index=panel.index)
    for kind in kinds:
        if kind not in ("credit", "trade_fairs"):
            raise InvalidValue(
                key="support", value=repr(kind), requirement="'credit' or 'trade_fairs'", remedy="name one of them"
            )
        frame = data.need(kind, f"the control for {kind}")
        amount = "amount" if kind == "credit" else "participations"
        keys = ["firm"] if "firm" in frame else ["region", "sector"]
        years = np.arange(min(frame["year"].min(), panel["year"].min()), panel["year"].max() + 1)
        yearly = frame.groupby([*keys, "year"])[amount].sum().unstack("year", fill_value=0)
        cumulated = yearly.reindex(columns=years, fill_value=0.0).cumsum(axis=1).stack()
        wanted = pd.MultiIndex.from_frame(panel[[*keys, "year"]])
        result[kind] = np.arcsinh(cumulated.reindex(wanted).fillna(0.0).to_numpy(dtype=np.float64))
    return result
