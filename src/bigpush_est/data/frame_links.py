"""What the input frames have to say together: firms, regions, sectors and dates that agree across frames."""

from collections.abc import Iterable

import numpy as np
import pandas as pd

from bigpush_est.data.frame_checks import SHOWN, Flags, shown_rows
from bigpush_est.errors import (
    CancellationBeforeContract,
    CancellationWithoutDate,
    CancellationWithoutParty,
    FirmInTwoGroups,
    FirmInTwoRegions,
    FrameError,
    GroupsDisagree,
    GroupWithoutRegion,
    UnknownFirm,
    UnknownRegion,
    UnknownSector,
)

type Frames = dict[str, pd.DataFrame]


def check_links(frames: Frames) -> None:
    """Refuse frames that contradict each other.

    Parameters
    ----------
    frames
        By name, each checked by itself; "panel" is there.

    Raises
    ------
    FirmInTwoRegions
        If a firm stands in more than one region or sector.
    UnknownRegion, UnknownSector, UnknownFirm
        If a frame names what the lists, or the panel, do not have.
    CancellationWithoutDate, CancellationWithoutParty, CancellationBeforeContract
        For contracts.
    GroupWithoutRegion, FirmInTwoGroups, GroupsDisagree
        For business groups.
    """
    panel = frames["panel"]
    for column in ("region", "sector"):
        _check_one_place(panel, column)
    places = set(frames["regions"]["region"]) if "regions" in frames else None
    sectors = set(frames["sectors"]["sector"]) if "sectors" in frames else set(panel["sector"])
    for name, frame in frames.items():
        if places is not None and name != "regions" and "region" in frame:
            wrong = ~frame["region"].isin(places).to_numpy()
            _refuse(UnknownRegion, name, frame, "region", wrong, "add the region to the regions, or correct its name")
        if name != "sectors" and "sector" in frame:
            wrong = (~frame["sector"].isin(sectors) & frame["sector"].notna()).to_numpy()
            where = "the sectors" if "sectors" in frames else "the panel"
            _refuse(UnknownSector, name, frame, "sector", wrong, f"use the names of {where}: {_listed(sectors)}")
    if "contracts" in frames:
        _check_contracts(frames["contracts"])
    if "groups" in frames:
        _check_groups(frames["groups"], panel)
    firms = set(panel["firm"])
    for name in ("contracts", "credit", "trade_fairs", "groups"):
        if name in frames and "firm" in frames[name]:
            wrong = ~frames[name]["firm"].isin(firms).to_numpy()
            remedy = "correct the name, add the firm's years to the panel, or pass unmatched='drop', which counts them"
            _refuse(UnknownFirm, name, frames[name], "firm", wrong, remedy)


def drop_unmatched(frames: Frames) -> tuple[Frames, dict[tuple[str, str], int]]:
    """Return frames without rows of firms that the panel lacks, and how many there were by frame and description."""
    firms = set(frames["panel"]["firm"])
    kept = dict(frames)
    counts: dict[tuple[str, str], int] = {}
    for name in ("contracts", "credit", "trade_fairs", "groups"):
        if name in frames and "firm" in frames[name]:
            known = frames[name]["firm"].isin(firms)
            if not known.all():
                kept[name] = frames[name][known].reset_index(drop=True)
                counts[name, "rows of firms that the panel lacks, dropped"] = int((~known).sum())
    return kept, counts


def _listed(values: Iterable[str]) -> str:
    ordered = sorted(values)
    return ", ".join(ordered[:12]) + (", ..." if len(ordered) > 12 else "")


def _refuse(kind: type[FrameError], name: str, frame: pd.DataFrame, column: str, wrong: Flags, remedy: str) -> None:
    if wrong.any():
        raise kind(
            frame=name,
            column=column,
            problem="refused",
            count=int(wrong.sum()),
            total=len(frame),
            rows=shown_rows(frame, wrong, ["contract", "firm", "year", column]),
            remedy=remedy,
        )


def _check_one_place(panel: pd.DataFrame, column: str) -> None:
    places = panel[["firm", column]].drop_duplicates()
    moved = places.loc[places["firm"].duplicated(), "firm"].unique()
    if len(moved):
        rows = []
        for firm in moved[:SHOWN]:
            own = panel[panel["firm"] == firm].sort_values("year").drop_duplicates(column)
            years = ", ".join(f"{place} in {year}" for place, year in zip(own[column], own["year"], strict=True))
            rows.append(f"{firm}: {years}")
        raise FirmInTwoRegions(
            frame="panel",
            column=column,
            problem="more than one",
            count=len(moved),
            total=panel["firm"].nunique(),
            rows="; ".join(rows) + ("; ..." if len(moved) > SHOWN else ""),
            remedy=f"give each firm the {column} where it started, or make each plant a firm of its own",
        )


def _check_contracts(contracts: pd.DataFrame) -> None:
    none = pd.Series(np.nan, index=contracts.index)
    when = contracts.get("cancelled_year", none)
    by = contracts.get("cancelled_by", none)
    undated = (by.notna() & when.isna()).to_numpy()
    remedy = "give the year of the cancellation, or clear cancelled_by where the contract was kept"
    _refuse(CancellationWithoutDate, "contracts", contracts, "cancelled_year", undated, remedy)
    anonymous = (when.notna() & by.isna()).to_numpy()
    remedy = "say who cancelled: foreign, domestic, government, or unknown"
    if anonymous.any() and "cancelled_by" not in contracts:
        remedy = "add the column cancelled_by with foreign, domestic, government, or unknown"
    _refuse(CancellationWithoutParty, "contracts", contracts, "cancelled_by", anonymous, remedy)
    early = (when < contracts["year"]).to_numpy()
    remedy = "check both years: a contract cannot end before it begins"
    _refuse(CancellationBeforeContract, "contracts", contracts, "cancelled_year", early, remedy)


def _check_groups(groups: pd.DataFrame, panel: pd.DataFrame) -> None:
    placed = groups["firm"].isin(panel["firm"]).groupby(groups["group"], sort=False).transform("any").to_numpy()
    if not placed.all():
        lost = groups.loc[~placed, "group"].unique()
        raise GroupWithoutRegion(
            frame="groups",
            column="group",
            problem="no firm in the panel",
            count=len(lost),
            total=groups["group"].nunique(),
            rows=shown_rows(groups, ~placed, ["group", "firm"]),
            remedy="a group's regions are those of its firms in the panel: correct the firms' names, or drop the group",
        )
    twice = groups.duplicated(["firm", "first_year"], keep=False).to_numpy()
    if twice.any():
        raise FirmInTwoGroups(
            frame="groups",
            column="group",
            count=int(twice.sum()),
            total=len(groups),
            rows=shown_rows(groups, twice, ["firm", "group", "first_year"]),
            remedy="a firm belongs to one group at a time: keep one row, or say in first_year when it changed",
        )
    if "group" not in panel:
        return
    both = panel[["firm", "year", "group"]].reset_index().merge(groups, on="firm", suffixes=("", "_listed"))
    both["agrees"] = (both["group"] == both["group_listed"]) | (both["year"] < both["first_year"])
    wrong = panel.index.isin(both.groupby("index")["agrees"].any().loc[lambda agrees: ~agrees].index)
    remedy = "let the panel's group and the groups' list say the same, or pass one of the two"
    _refuse(GroupsDisagree, "panel", panel, "group", wrong, remedy)
