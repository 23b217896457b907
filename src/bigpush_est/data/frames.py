"""Micro data as the reduced-form estimators take them: a panel of firms, their contracts, groups and places.

`MicroData.of` takes pandas, polars or Arrow tables, `bigpush_est.data.frame_files.load_micro_data` a folder of files;
both check everything before any work starts.  The columns are in `bigpush_est.data.frame_schemas`.

Examples
--------
>>> import pandas as pd
>>> from bigpush_est.data.frames import MicroData
>>> panel = pd.DataFrame({"firm": ["a", "a", "b"], "year": [1972, 1973, 1972], "region": ["ulsan", "ulsan", "suwon"],
...                       "sector": ["metals", "metals", "electronics"], "sales": [2.0, 2.5, None]})
>>> contracts = pd.DataFrame({"contract": [1], "firm": ["a"], "year": [1973]})
>>> data = MicroData.of(panel=panel, contracts=contracts, label="public")
>>> data.firms, data.years, [str(note) for note in data.notes]
(2, (1972, 1973), ['panel: sales missing: 1 of 3'])
>>> MicroData.of(panel=panel.assign(sales=[2.0, -2.5, None]), label="public")
Traceback (most recent call last):
...
bigpush_est.errors.NegativeValue: panel, column 'sales': 1 of 3 values are negative (row 1: firm a, year 1973, \
sales -2.5). Remedy: correct them, or leave them missing where they are unknown.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Self, get_args

import numpy as np
import pandas as pd

from bigpush_est.data.frame_checks import read_frame, shown_rows
from bigpush_est.data.frame_links import check_links, drop_unmatched
from bigpush_est.data.frame_schemas import SCHEMAS
from bigpush_est.errors import ColumnMissing, FrameMissing, InvalidValue, NotPositiveBeforeLogs, UnknownKey

#: Where the data are from, as every result that rests on them has to say.
type Label = Literal["published", "public", "synthetic", "own"]
#: Whether recorded sales are gross of the distortion taxes of Section 5.1, or what the firm keeps.
type SalesDefinition = Literal["gross", "kept"]

_ORDER = {"panel": ["firm", "year"], "contracts": ["firm", "year", "contract"]}


@dataclass(frozen=True, slots=True)
class Note:
    """Something that was dropped, filled in or missing, and how often."""

    frame: str
    what: str
    count: int
    total: int

    def __str__(self) -> str:
        return f"{self.frame}: {self.what}: {self.count} of {self.total}"


@dataclass(frozen=True, slots=True, eq=False)
class MicroData:
    """Frames that were checked together.

    Each frame is given out as a copy, which may be changed freely; the data themselves stay as they are.

    Attributes
    ----------
    label, source
        Where the data are from: "published", "public", "synthetic" or "own", and in words.
    sales_definition
        "gross" or "kept" of distortion taxes.
    notes
        What was missing, dropped or filled in.
    frames
        The frames by name, as `bigpush_est.data.frame_schemas` describes them; the panel by firm and year.
    """

    label: str
    source: str
    sales_definition: str
    notes: tuple[Note, ...]
    frames: Mapping[str, pd.DataFrame]

    @classmethod
    def of(
        cls,
        *,
        panel: object,
        contracts: object = None,
        groups: object = None,
        regions: object = None,
        sectors: object = None,
        credit: object = None,
        trade_fairs: object = None,
        tariffs: object = None,
        complexes: object = None,
        label: Label = "own",
        source: str = "",
        sales_definition: SalesDefinition = "gross",
        columns: Mapping[str, Mapping[str, str]] | None = None,
        extra: Mapping[str, Sequence[str]] | None = None,
        unknown: Literal["refuse", "drop"] = "refuse",
        unmatched: Literal["refuse", "drop"] = "refuse",
    ) -> Self:
        """Read and check tables.

        Parameters
        ----------
        panel, contracts, groups, regions, sectors, credit, trade_fairs, tariffs, complexes
            pandas, polars or Arrow tables; only the panel is needed.  Where the panel has no column ``group``, it is
            filled from the groups' list; where there is no list, it is made from the panel.
        label, source
            Where the data are from.
        sales_definition
            Whether sales are gross of distortion taxes or kept.
        columns
            By frame, your names of columns, each with the schema's name: ``{"panel": {"turnover": "sales"}}``.
        extra
            By frame, columns beyond the schema's to keep, for instance outcomes of your own.
        unknown
            Whether columns that neither the schema nor ``extra`` has are refused, or dropped and noted.
        unmatched
            What to do with contracts, credit, fairs and group members of firms that the panel lacks.

        Raises
        ------
        FrameError and its kin in `bigpush_est.errors`
            Naming the frame, the column, the first rows in question and the remedy.
        """
        given = {
            "panel": panel,
            "contracts": contracts,
            "groups": groups,
            "regions": regions,
            "sectors": sectors,
            "credit": credit,
            "trade_fairs": trade_fairs,
            "tariffs": tariffs,
            "complexes": complexes,
        }
        for key, value, choices in (
            ("label", label, get_args(Label.__value__)),
            ("sales_definition", sales_definition, get_args(SalesDefinition.__value__)),
            ("unknown", unknown, ("refuse", "drop")),
            ("unmatched", unmatched, ("refuse", "drop")),
        ):
            if value not in choices:
                raise InvalidValue(
                    key=key, value=value, requirement=f"one of {', '.join(choices)}", remedy="choose one of them"
                )
        for key, by_frame in (("extra", extra or {}), ("columns", columns or {})):
            for name in by_frame:
                if name not in SCHEMAS or given[name] is None:
                    remedy = f"name frames that you pass, of {', '.join(SCHEMAS)}"
                    raise UnknownKey(where=key, key=name, value=list(by_frame[name]), remedy=remedy)
        frames, notes = {}, []
        for name, table in given.items():
            if table is None:
                continue
            frames[name], counts = read_frame(
                name, table, (extra or {}).get(name, ()), names=(columns or {}).get(name), unknown=unknown
            )
            notes += [Note(name, what, count, len(frames[name])) for what, count in counts.items()]
        if "panel" not in frames or frames["panel"].empty:
            raise FrameMissing(frame="panel", purpose="every estimator", remedy="pass a panel with at least one row")
        if unmatched == "drop":
            totals = {name: len(frame) for name, frame in frames.items()}
            frames, dropped = drop_unmatched(frames)
            notes += [Note(name, what, count, totals[name]) for (name, what), count in dropped.items()]
        check_links(frames)
        frames = {
            name: frame.sort_values(_ORDER[name], kind="stable", ignore_index=True) if name in _ORDER else frame
            for name, frame in frames.items()
        }
        notes += _complete_groups(frames)
        zeros = int((frames["panel"]["sales"] == 0).sum())
        if zeros:
            notes.append(Note("panel", "sales zero, without a logarithm", zeros, len(frames["panel"])))
        return cls(label, source, sales_definition, tuple(notes), frames)

    def get(self, frame: str) -> pd.DataFrame | None:
        """Return a copy of a frame, or None where it was not given."""
        return self.frames[frame].copy(deep=False) if frame in self.frames else None

    def need(self, frame: str, purpose: str) -> pd.DataFrame:
        """Return a copy of a frame that some purpose needs.

        Raises
        ------
        FrameMissing
            If it was not given; the purpose is named.
        """
        if frame not in self.frames:
            meaning = SCHEMAS[frame].meaning if frame in SCHEMAS else "no frame of that name is known"
            raise FrameMissing(frame=frame, purpose=purpose, remedy=f"pass {frame}=... ({meaning})")
        return self.frames[frame].copy(deep=False)

    @property
    def panel(self) -> pd.DataFrame:
        """Firms and years, by firm and year, with rows numbered from 0."""
        return self.need("panel", "every estimator")

    @property
    def contracts(self) -> pd.DataFrame | None:
        """Technology contracts, by firm and year, or None."""
        return self.get("contracts")

    @property
    def groups(self) -> pd.DataFrame | None:
        """Business groups and their firms, or None."""
        return self.get("groups")

    @property
    def regions(self) -> pd.DataFrame | None:
        """Regions, or None."""
        return self.get("regions")

    @property
    def sectors(self) -> pd.DataFrame | None:
        """Sectors, or None."""
        return self.get("sectors")

    @property
    def credit(self) -> pd.DataFrame | None:
        """Directed credit, or None."""
        return self.get("credit")

    @property
    def trade_fairs(self) -> pd.DataFrame | None:
        """Participations in trade fairs, or None."""
        return self.get("trade_fairs")

    @property
    def tariffs(self) -> pd.DataFrame | None:
        """Tariffs, or None."""
        return self.get("tariffs")

    @property
    def complexes(self) -> pd.DataFrame | None:
        """Industrial complexes, or None."""
        return self.get("complexes")

    @property
    def firms(self) -> int:
        """Number of firms in the panel."""
        return int(self.frames["panel"]["firm"].nunique())

    @property
    def years(self) -> tuple[int, int]:
        """First and last year of the panel."""
        year = self.frames["panel"]["year"]
        return int(year.min()), int(year.max())

    def log(self, column: str) -> pd.Series:
        """Return natural logs of a column of the panel, missing where it is missing.

        Raises
        ------
        ColumnMissing
            If the panel has no such column.
        NotPositiveBeforeLogs
            If a value is zero or negative.

        Examples
        --------
        >>> from bigpush_est.data.sample_panel import sample_panel
        >>> sample_panel().log("sales").notna().all()
        np.True_
        """
        panel = self.frames["panel"]
        if column not in panel:
            raise ColumnMissing(
                frame="panel",
                column=column,
                present=", ".join(map(str, panel.columns)),
                remedy="name one of these columns",
            )
        values = panel[column].to_numpy(dtype=np.float64)
        wrong = values <= 0
        if wrong.any():
            raise NotPositiveBeforeLogs(
                frame="panel",
                column=column,
                problem="not positive",
                count=int(wrong.sum()),
                total=len(panel),
                rows=shown_rows(panel, wrong, ["firm", "year", column]),
                remedy="set them to missing if they are no true zeros, or use an outcome in levels",
            )
        return pd.Series(np.log(values), index=panel.index, name=f"log_{column}")

    def adoption_years(self) -> pd.Series:
        """Return the year of each adopter's first contract that was not cancelled, by firm.

        Raises
        ------
        FrameMissing
            If there are no contracts.
        """
        contracts = self.need("contracts", "who adopted when")
        if "cancelled_year" in contracts:
            contracts = contracts[contracts["cancelled_year"].isna()]
        return contracts.groupby("firm")["year"].min().rename("adoption_year")

    def summary(self) -> str:
        """Return what the data hold, and the notes, as text."""
        first, last = self.years
        lines = [f"{self.label} data{f' ({self.source})' if self.source else ''}; sales are {self.sales_definition}"]
        lines.append(f"panel: {len(self.frames['panel'])} rows, {self.firms} firms, {first}-{last}")
        lines += [f"{name}: {len(frame)} rows" for name, frame in self.frames.items() if name != "panel"]
        return "\n".join([*lines, *(f"note: {note}" for note in self.notes)])


def _complete_groups(frames: dict[str, pd.DataFrame]) -> list[Note]:
    """Fill the panel's groups from the list, or make the list from the panel."""
    panel = frames["panel"]
    if "groups" in frames and "group" not in panel:
        listed = frames["groups"].sort_values(["first_year", "group"], kind="stable")
        filled = pd.merge_asof(
            panel[["firm", "year"]].reset_index().sort_values("year", kind="stable"),
            listed.rename(columns={"first_year": "year"}),
            on="year",
            by="firm",
        )
        panel["group"] = filled.set_index("index")["group"].reindex(panel.index).astype("str")
        return [Note("panel", "group filled in from the list of groups", int(panel["group"].notna().sum()), len(panel))]
    if "groups" not in frames and "group" in panel:
        own = panel[panel["group"].notna()]
        made = own.groupby(["group", "firm"])["year"].min().rename("first_year").reset_index()
        frames["groups"] = made
        return [Note("groups", "memberships made from the panel, from the first year on record", len(made), len(made))]
    return []
