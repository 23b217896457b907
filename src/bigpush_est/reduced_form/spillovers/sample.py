"""From micro data to the rows of equation (3.3): long differences of continuing firms, adopter shares, the instrument.

One row per firm and span (t₀, t), for the firms on record at both ends:

    Δy_it = β ΔShare_{(−i)nj,t−h} + ζ y_{it₀} + X′γ + δ_n + δ_j + Σ_g D_g δ_jg + Δε_it

with spans 1972-1979 and 1973-1980 and h = 2 in the paper, so that shares change from 1970 to 1977 and from 1971 to
1978.  Regions, sectors and groups are those of t₀.  A firm outside groups is its own cluster.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bigpush_est.data.frames import MicroData, Note
from bigpush_est.errors import InvalidValue
from bigpush_est.reduced_form.linear.frames_in import codes_of, require_columns
from bigpush_est.reduced_form.result import Summarised
from bigpush_est.reduced_form.spillovers.adopter_shares import (
    Definition,
    adopter_shares,
    adoption_status,
    never_adopters,
)
from bigpush_est.reduced_form.spillovers.controls import control_columns
from bigpush_est.reduced_form.spillovers.group_instrument import GroupInstrument, group_instrument, predicted_totals
from bigpush_est.reduced_form.spillovers.group_network import RING, Network
from bigpush_est.reduced_form.spillovers.market_access import DISTANCE_ELASTICITY

type FloatArray = NDArray[np.float64]

#: Stands for "no group" in the fixed effects of groups and sectors.
UNAFFILIATED = "unaffiliated"


@dataclass(frozen=True, slots=True)
class SpilloverDesign:
    """What may be chosen about the sample, the shares and the instrument; the defaults are the paper's.

    Attributes
    ----------
    outcome
        Column of the panel whose change is explained in Panel A.
    logs
        Whether its logarithm is taken first.
    spans
        First and last year (t₀, t) of each long difference.
    lag
        h, by which shares and instrument are earlier.
    ring
        Radius in km.
    leave_own_group
        Whether the instrument leaves out the firm's own group.
    definition, duration
        Of an adopter, as in `adoption_status`.
    adoption_years
        A never-adopter signed no contract from the first to the last of these; they have to cover the spans.
    new_contract
        Panel B's outcome: contracts "signed" in the year, later cancelled ones included, or those "in force".
    elasticity
        Of market access to distance.
    """

    outcome: str = "sales"
    logs: bool = True
    spans: tuple[tuple[int, int], ...] = ((1972, 1979), (1973, 1980))
    lag: int = 2
    ring: float = RING
    leave_own_group: bool = True
    definition: Definition = "ever"
    duration: int | None = None
    adoption_years: tuple[int, int] = (1970, 1982)
    new_contract: Literal["signed", "in force"] = "signed"
    elasticity: float = DISTANCE_ELASTICITY


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class SpilloverSample(Summarised):
    """Rows of equation (3.3), and the pieces from which the instrument can be built again.

    Attributes
    ----------
    frame
        One row per firm and span: ``firm``, ``span``, ``start``, ``end``, ``region``, ``sector``, ``group`` (missing
        outside groups), ``group_sector`` and ``group_cluster``; ``never`` (never-adopter); ``change`` and ``initial``
        of the outcome; ``new_contract`` (1 at t, less 1 at t₀) and ``new_contract_initial``; ``share_change``,
        ``share_start``; ``instrument``; ``group_sales_instrument``; and the columns of ``controls``.
    instrument
        The map from adoptions to ``instrument``.
    histories
        Adopter status of the map's units at its dates, shape (U, T).
    unit_region
        Where each of the units stands, shape (U,).
    counts
        Firms on record by region and sector at the instrument's dates, in the order of ``regions`` and ``sectors``.
    controls
        Columns by block: "group sales", "market", "credit", "complex", "trade".
    unavailable
        By block or column, why it could not be built.
    design
        The choices.
    notes
        What was dropped or missing, counted.
    """

    frame: pd.DataFrame
    instrument: GroupInstrument
    histories: FloatArray
    unit_region: pd.Index
    counts: Mapping[int, FloatArray]
    regions: pd.Index
    sectors: pd.Index
    controls: Mapping[str, tuple[str, ...]]
    unavailable: Mapping[str, str]
    design: SpilloverDesign
    notes: tuple[Note, ...]

    def summary(self) -> str:
        """Say what the sample holds and what it lacks."""
        frame = self.frame
        lines = [
            f"{len(frame)} rows of {frame['firm'].nunique()} continuing firms, {int(frame['never'].sum())} of "
            f"never-adopters; {frame['region'].nunique()} regions, {frame['group'].nunique()} groups",
            self.instrument.summary(),
            *(f"note: {note}" for note in self.notes),
            *(f"not available: {name}: {reason}" for name, reason in self.unavailable.items()),
        ]
        return "\n".join(lines)


@dataclass(slots=True)
class _Work:
    """What the steps of the construction pass on."""

    data: MicroData
    design: SpilloverDesign
    panel: pd.DataFrame
    places: pd.DataFrame
    regions: pd.Index
    sectors: pd.Index
    deals: pd.DataFrame
    notes: list[Note] = field(default_factory=list)

    def totals(self, year: int, column: str | None = None) -> FloatArray:
        """Firms on record, or the sum of a column, by region and sector in a year, shape (R, J)."""
        rows = self.panel[self.panel["year"] == year]
        weights = np.ones(len(rows)) if column is None else rows[column].fillna(0.0).to_numpy(dtype=np.float64)
        cell = codes_of(rows["region"], self.regions) * len(self.sectors) + codes_of(rows["sector"], self.sectors)
        summed = np.bincount(cell, weights=weights, minlength=len(self.regions) * len(self.sectors))
        return summed.reshape(len(self.regions), len(self.sectors))


def spillover_sample(
    data: MicroData,
    design: SpilloverDesign | None = None,
    *,
    ports: Any = None,
    places: Any = None,
) -> SpilloverSample:
    """Build the rows of equation (3.3) from micro data.

    Parameters
    ----------
    data
        Micro data with a panel, contracts and regions; further frames give the controls of Table 1.
    design
        Choices; by default the paper's.
    ports
        Frame with the ``latitude`` and ``longitude`` of ports, for the controls with the distance to the nearest.
    places
        Frame of regions with coordinates that may be missing, instead of `data`'s.

    Returns
    -------
    SpilloverSample

    Raises
    ------
    FrameMissing
        Without contracts or regions.
    InvalidValue
        For spans that do not go forward or that no firm covers, an outcome without a known value, or a panel in which
        no unit has a group.
    """
    design = SpilloverDesign() if design is None else design
    _check(design)
    panel = data.panel
    contracts = data.need("contracts", "adopter shares")
    where = data.need("regions", "the distances of the instrument") if places is None else pd.DataFrame(places)
    require_columns(panel, [design.outcome], "panel", known=False)
    if "group" not in panel:
        panel["group"] = None
    in_force = contracts[contracts["cancelled_year"].isna()] if "cancelled_year" in contracts else contracts
    work = _Work(
        data=data,
        design=design,
        panel=panel,
        places=where,
        regions=pd.Index(where["region"].to_numpy()),
        sectors=pd.Index(sorted(panel["sector"].unique())),
        deals=in_force,
    )
    frame = _continuing(work)
    _check_adoption_years(design)
    frame["never"] = never_adopters(
        frame["firm"], in_force, first=design.adoption_years[0], last=design.adoption_years[1]
    )
    _add_outcomes(work, frame, contracts if design.new_contract == "signed" else in_force)
    _add_shares(work, frame)
    instrument, histories = _add_instruments(work, frame)
    controls, unavailable = control_columns(
        frame, data, where, work.regions, work.sectors, work.totals, design.elasticity, ports, work.notes
    )
    return SpilloverSample(
        frame=frame,
        instrument=instrument,
        histories=histories,
        unit_region=_unit_regions(work, instrument),
        counts={date: work.totals(date) for date in instrument.dates},
        regions=work.regions,
        sectors=work.sectors,
        controls={"group sales": ("group_sales_instrument",), **controls},
        unavailable=unavailable,
        design=design,
        notes=tuple(work.notes),
    )


def _check(design: SpilloverDesign) -> None:
    if not design.spans or any(not end > start for start, end in design.spans):
        raise InvalidValue(
            key="spans", value=design.spans, requirement="years that go forward", remedy="pass ((1972, 1979),)"
        )
    if len(set(design.spans)) < len(design.spans):
        raise InvalidValue(key="spans", value=design.spans, requirement="different", remedy="name each span once")
    if isinstance(design.lag, bool) or not isinstance(design.lag, int) or design.lag < 0:
        raise InvalidValue(key="lag", value=design.lag, requirement="whole years, 0 or more", remedy="pass 2")
    if design.new_contract not in ("signed", "in force"):
        raise InvalidValue(
            key="new_contract", value=design.new_contract, requirement='"signed" or "in force"', remedy="choose one"
        )


def _check_adoption_years(design: SpilloverDesign) -> None:
    first, last = design.adoption_years
    if any(start < first or end > last for start, end in design.spans):
        # otherwise adopters of years that are not looked at would count as never-adopters
        raise InvalidValue(
            key="adoption_years",
            value=design.adoption_years,
            requirement=f"years that cover the spans {design.spans}",
            remedy="pass SpilloverDesign(spans=..., adoption_years=(first, last)) with years of your contracts",
        )


def _continuing(work: _Work) -> pd.DataFrame:
    """Firms on record at both ends of a span, with what they were at its start."""
    panel, parts = work.panel, []
    for start, end in work.design.spans:
        first = panel.loc[panel["year"] == start, ["firm", "region", "sector", "group"]]
        last = panel.loc[panel["year"] == end, "firm"]
        stays = first["firm"].isin(last)
        work.notes.append(Note("panel", f"left between {start} and {end}", int((~stays).sum()), len(first)))
        entered = int((~last.isin(first["firm"])).sum())
        work.notes.append(Note("panel", f"on record in {end}, not in {start}", entered, len(last)))
        parts.append(first[stays].assign(span=f"{start}-{end}", start=start, end=end))
    frame = pd.concat(parts, ignore_index=True)
    if frame.empty:
        raise InvalidValue(
            key="spans",
            value=work.design.spans,
            requirement="years in which a firm is on record at both ends",
            remedy=f"choose years from {work.data.years[0]} to {work.data.years[1]}",
        )
    grouped = frame["group"].notna()
    own = frame["group"].astype("str")
    frame["group_sector"] = np.where(grouped, own + " | " + frame["sector"].astype("str"), UNAFFILIATED)
    frame["group_cluster"] = np.where(grouped, "group " + own, "firm " + frame["firm"].astype("str"))
    return frame


def _add_outcomes(work: _Work, frame: pd.DataFrame, signed: pd.DataFrame) -> None:
    """Add the changes and initial levels of both panels' outcomes."""
    column = work.design.outcome
    level = work.data.log(column) if work.design.logs else work.panel[column].astype(float)
    if not level.notna().any():
        raise InvalidValue(
            key=f"panel, column '{column}'", value="missing in every row", requirement="known", remedy="name another"
        )
    values = pd.Series(level.to_numpy(), index=pd.MultiIndex.from_frame(work.panel[["firm", "year"]]))
    for name, year in (("initial", "start"), ("_final", "end")):
        frame[name] = values.reindex(pd.MultiIndex.from_frame(frame[["firm", year]])).to_numpy()
    frame["change"] = frame.pop("_final") - frame["initial"]
    unknown = int(frame["change"].isna().sum())
    if unknown:
        work.notes.append(Note("panel", f"continuing firms without {column} at both ends", unknown, len(frame)))
    for name, year in (("new_contract_initial", "start"), ("_new", "end")):
        at = frame[["firm"]].assign(year=frame[year])
        frame[name] = adoption_status(at, signed, definition="new").astype(float)
    frame["new_contract"] = frame.pop("_new") - frame["new_contract_initial"]


def _add_shares(work: _Work, frame: pd.DataFrame) -> None:
    """Add adopter shares among the others of the cell at t₀ − h, and their change to t − h."""
    design = work.design
    observed = work.panel[["firm", "year", "region", "sector"]].copy()
    observed["adopter"] = adoption_status(observed, work.deals, definition=design.definition, duration=design.duration)
    found = {}
    for name in ("start", "end"):
        at = frame[["firm", "region", "sector"]].assign(year=frame[name])
        found[name] = shares = adopter_shares(observed, lag=design.lag, at=at)
        missing = shares.alone + shares.unobserved
        if missing:
            what = (
                f"no other firm of the cell on record {design.lag} years before the {name} "
                f"({shares.empty_cells} cell-years; {shares.unobserved} without any firm)"
            )
            work.notes.append(Note("panel", what, missing, len(frame)))
    frame["share_start"] = found["start"].share
    frame["share_change"] = found["end"].share - found["start"].share


def _dates(work: _Work, frame: pd.DataFrame) -> pd.DataFrame:
    """Return what the instrument's builder asks of each row, without denominators."""
    lag = work.design.lag
    return frame[["group", "region", "sector", "span"]].assign(start=frame["start"] - lag, end=frame["end"] - lag)


def _denominators(work: _Work, frame: pd.DataFrame, column: str | None) -> tuple[FloatArray, FloatArray]:
    """N_{(−i)nj,t₀−h} and N^p_{(−i)nj,t−h} of footnote 10, or the same of sales."""
    initial, predicted = np.full(len(frame), np.nan), np.full(len(frame), np.nan)
    place, sector = codes_of(frame["region"], work.regions), codes_of(frame["sector"], work.sectors)
    for start, end in work.design.spans:
        rows = np.flatnonzero(((frame["start"] == start) & (frame["end"] == end)).to_numpy())
        then, later = start - work.design.lag, end - work.design.lag
        record = work.panel[work.panel["year"] == then].set_index("firm")
        if column is None:
            own = frame["firm"].iloc[rows].isin(record.index).to_numpy().astype(np.float64)
        else:
            own = record[column].reindex(frame["firm"].iloc[rows]).fillna(0.0).to_numpy(dtype=np.float64)
        totals = work.totals(then, column)
        initial[rows] = totals[place[rows], sector[rows]] - own
        predicted[rows] = predicted_totals(totals, work.totals(later, column), place[rows], sector[rows], own)
    if column is not None:  # a difference of sums of sales leaves rounding where the firm is alone
        alone = initial <= 1e-12 * np.nanmax(initial, initial=0.0)
        initial[alone] = 0.0
    return initial, predicted


def _add_instruments(work: _Work, frame: pd.DataFrame) -> tuple[GroupInstrument, FloatArray]:
    """Add equation (3.4) and its counterpart for the groups' sales; return the map and the adoptions behind it."""
    design = work.design
    networks: dict[str, Network] = {}
    for start, end in design.spans:
        units = work.panel.loc[work.panel["year"] == start, ["firm", "group", "region", "sector"]]
        networks[f"{start}-{end}"] = Network.build(units, work.places)
    rows = _dates(work, frame)
    rows["denominator_start"], rows["denominator_end"] = _denominators(work, frame, None)
    instrument = group_instrument(networks, rows, ring=design.ring, leave_own_group=design.leave_own_group)
    at = pd.DataFrame(
        {
            "firm": np.repeat(instrument.units.to_numpy(), len(instrument.dates)),
            "year": np.tile(np.asarray(instrument.dates), len(instrument.units)),
        }
    )
    status = adoption_status(at, work.deals, definition=design.definition, duration=design.duration)
    histories = status.astype(np.float64).reshape(len(instrument.units), len(instrument.dates))
    frame["instrument"] = instrument.value(histories)
    lost = int(instrument.missing.sum())
    if lost:
        what = f"without an instrument (no other firm of the cell at first: {instrument.no_denominator})"
        work.notes.append(Note("panel", what, lost, len(frame)))
    frame["group_sales_instrument"] = _sales_instrument(work, frame, networks, rows)
    return instrument, histories


def _unit_regions(work: _Work, instrument: GroupInstrument) -> pd.Index:
    """Region of each unit; a firm has one in all years."""
    stands = work.panel.drop_duplicates("firm").set_index("firm")["region"]
    found: pd.Index = pd.Index(stands.reindex(instrument.units).to_numpy())
    return found


def _sales_instrument(
    work: _Work, frame: pd.DataFrame, networks: Mapping[str, Network], rows: pd.DataFrame
) -> FloatArray:
    """Change in the groups' predicted sales shares, from units whose sales are known at both dates."""
    rows = rows.copy()
    rows["denominator_start"], rows["denominator_end"] = _denominators(work, frame, "sales")
    sales = work.panel.set_index(["firm", "year"])["sales"]
    built, unknown, units = np.full(len(frame), np.nan), 0, 0
    for span, network in networks.items():
        of_span = (rows["span"] == span).to_numpy()
        if not of_span.any():
            continue
        dates = [int(rows.loc[of_span, column].iloc[0]) for column in ("start", "end")]
        at_dates = np.column_stack(
            [
                sales.reindex(pd.MultiIndex.from_product([network.units, [date]])).to_numpy(dtype=np.float64)
                for date in dates
            ]
        )
        known = np.isfinite(at_dates).all(axis=1)
        unknown, units = unknown + int((~known).sum()), units + known.size
        # a unit that is not known at both dates would look like growth or decline; its group is present all the same
        at_dates[~known] = 0.0
        instrument = group_instrument(
            network,
            rows[of_span].drop(columns="span"),
            ring=work.design.ring,
            leave_own_group=work.design.leave_own_group,
        )
        built[of_span] = instrument.value(at_dates)
    if unknown:
        work.notes.append(Note("panel", "groups' units without sales at both dates of a span", unknown, units))
    return built
