"""The paper's published figures as data: three tables and what the text says, each with its place in the paper.

Only the standard library is used, so that a study can look a figure up without loading anything heavy.

Examples
--------
>>> from bigpush_est.data.published import load_published
>>> published = load_published()
>>> published.table1("A", 3).coefficient, published.table1("A", 3).standard_error
(2.7, 0.73)
>>> published.figure("direct_effect_log_sales").missing
'standard error; the coefficients that are averaged'
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from difflib import get_close_matches
from functools import cache
from pathlib import Path

from bigpush_est.data.checked_csv import Row, read_rows
from bigpush_est.data.locate import data_folder
from bigpush_est.errors import AmbiguousSource, InvalidValue, UnknownFigure

CONTROLS = (
    "fixed_effects",
    "initial_outcome",
    "difference_sets",
    "business_group_sales_share",
    "region_sector",
    "directed_credit",
    "industrial_complex",
    "trade",
)


@dataclass(frozen=True)
class Figure:
    """One figure from the paper's text.

    ``value`` is None for a range, which has ``low`` and ``high`` instead. A percentage is a fraction (27% is 0.27).
    ``missing`` says what the paper leaves out, for instance a standard error.

    Examples
    --------
    >>> from bigpush_est.data.published import load_published
    >>> figure = load_published().figure("subsidy_rate")
    >>> figure.value, figure.unit, figure.label
    (0.06, 'share of input expenditures', 'published')
    """

    id: str
    value: float | None
    low: float | None
    high: float | None
    unit: str
    standard_error: float | None
    place: str
    quote: str
    missing: str
    note: str
    label: str = "published"


@dataclass(frozen=True)
class Table1Cell:
    """One column of a panel of Table 1: a coefficient and all that is printed with it.

    Examples
    --------
    >>> from bigpush_est.data.published import load_published
    >>> cell = load_published().table1("B", 3)
    >>> cell.coefficient, cell.standard_error, cell.stars, cell.kp_f
    (0.85, 0.41, '**', 17.72)
    """

    panel: str
    column: int
    estimator: str
    outcome: str
    coefficient: float
    standard_error: float
    stars: str
    kp_f: float | None
    n: int
    clusters_region: int
    clusters_group: int
    controls: tuple[str, ...]
    unit: str
    place: str
    note: str
    label: str = "published"


@dataclass(frozen=True)
class Table2Row:
    """One row of Table 2: a parameter, how it is identified, and its moment in the model and in the data.

    Examples
    --------
    >>> from bigpush_est.data.published import load_published
    >>> row = load_published().table2("kappa")
    >>> row.value, row.model_fit, row.data
    (1.4, 0.53, 0.47)
    """

    parameter: str
    block: str
    description: str
    value: float | None
    low: float | None
    high: float | None
    unit: str
    identification: str
    moment: str
    model_fit: float | None
    data: float | None
    place: str
    note: str
    label: str = "published"


@dataclass(frozen=True)
class Table3Cell:
    """One number of Table 3, in the unit that the table prints (percent or percentage points).

    Examples
    --------
    >>> from bigpush_est.data.published import load_published
    >>> cell = load_published().table3("A", "heavy_gdp_share")
    >>> cell.value, cell.unit, cell.fraction
    (3.59, 'percentage points', 0.0359)
    """

    panel: str
    id: str
    statistic: str
    value: float
    unit: str
    place: str
    note: str
    label: str = "published"

    @property
    def fraction(self) -> float:
        """The value as a fraction, the unit that the text's figures have.

        Examples
        --------
        >>> from bigpush_est.data.published import load_published
        >>> load_published().table3("B", "output_total").fraction
        0.2102
        """
        return self.value / 100


@dataclass(frozen=True)
class PublishedTables:
    """All published figures, looked up by the place where the paper prints them.

    Examples
    --------
    >>> from bigpush_est.data.published import load_published
    >>> published = load_published()
    >>> len(published.table1_cells), len(published.table2_rows), len(published.table3_cells)
    (16, 17, 23)
    """

    figures: tuple[Figure, ...]
    table1_cells: tuple[Table1Cell, ...]
    table2_rows: tuple[Table2Row, ...]
    table3_cells: tuple[Table3Cell, ...]

    def figure(self, id: str) -> Figure:
        """Return a figure of the text.

        Raises
        ------
        UnknownFigure
            If no figure has this id; the message names the nearest ones.

        Examples
        --------
        >>> from bigpush_est.data.published import load_published
        >>> load_published().figure("event_window").low
        -5.0
        """
        return _one([f for f in self.figures if f.id == id], id, [f.id for f in self.figures])

    def value(self, id: str) -> float:
        """Return the number of a figure of the text that is a point, not a range.

        Raises
        ------
        InvalidValue
            If the paper gives a range.

        Examples
        --------
        >>> from bigpush_est.data.published import load_published
        >>> load_published().value("eta")
        1.25
        """
        figure = self.figure(id)
        if figure.value is None:
            value, remedy = f"[{figure.low:g}, {figure.high:g}]", f"read .low and .high of figure('{id}')"
            raise InvalidValue(key=f"published figure '{id}'", value=value, requirement="a point", remedy=remedy)
        return figure.value

    def table1(self, panel: str, column: int) -> Table1Cell:
        """Return a column of Table 1 in panel "A" (spillover) or "B" (complementarity).

        Examples
        --------
        >>> from bigpush_est.data.published import load_published
        >>> load_published().table1("A", 1).estimator
        'OLS'
        """
        found = [c for c in self.table1_cells if (c.panel, c.column) == (panel, column)]
        return _one(found, f"{panel}{column}", [f"{c.panel}{c.column}" for c in self.table1_cells])

    def table2(self, parameter: str, moment: str | None = None) -> Table2Row:
        """Return a row of Table 2; name the moment where a parameter has two (the subsidy rate).

        Raises
        ------
        AmbiguousSource
            If the parameter has several rows and no moment is named.

        Examples
        --------
        >>> from bigpush_est.data.published import load_published
        >>> load_published().table2("subsidy_rate", "adopter_share_1980").data
        0.15
        """
        found = [r for r in self.table2_rows if r.parameter == parameter and moment in (None, r.moment)]
        if len(found) > 1:
            remedy = "pass moment=" + " or ".join(f"'{r.moment}'" for r in found)
            raise AmbiguousSource(where=f"Table 2, '{parameter}'", detail=f"{len(found)} rows match", remedy=remedy)
        wanted = parameter if moment is None else f"{parameter} ({moment})"
        choices = [r.parameter if moment is None else f"{r.parameter} ({r.moment})" for r in self.table2_rows]
        return _one(found, wanted, choices)

    def table3(self, panel: str, id: str, statistic: str = "aggregate") -> Table3Cell:
        """Return a number of Table 3; the statistic is "aggregate", "local_low" or "local_high".

        Examples
        --------
        >>> from bigpush_est.data.published import load_published
        >>> load_published().table3("A", "welfare", "local_high").value
        83.76
        """
        found = [c for c in self.table3_cells if (c.panel, c.id, c.statistic) == (panel, id, statistic)]
        choices = [f"{c.panel} {c.id} {c.statistic}" for c in self.table3_cells]
        return _one(found, f"{panel} {id} {statistic}", choices)


def _one[Item](found: Sequence[Item], wanted: str, choices: Sequence[str]) -> Item:
    if found:
        return found[0]  # duplicates were refused on load
    known = sorted(set(choices))  # all of them would fill a screen: show the nearest, or a few
    near = get_close_matches(wanted, known, n=5, cutoff=0.4) or known[:5]
    raise UnknownFigure(figure=wanted, choices=f"{', '.join(near)} ({len(known)} are in data/published)")


def _stars(coefficient: float, standard_error: float) -> str:
    """Return what the two-sided normal test prints: * for p < 0.1, ** for p < 0.05, *** for p < 0.01."""
    p = math.erfc(abs(coefficient / standard_error) / math.sqrt(2))
    return "*" * sum(p < level for level in (0.1, 0.05, 0.01))


def _figure(row: Row) -> Figure:
    value, low, high = row.point_or_range()
    return Figure(
        row.text("id"), value, low, high, row.text("unit"), row.standard_error("standard_error"), row.text("place"),
        row.cells["quote"], row.cells["missing"], row.cells["note"],
    )  # fmt: skip


def _table1_cell(row: Row) -> Table1Cell:
    estimator = row.choice("estimator", ("OLS", "IV"))
    coefficient, standard_error = row.number("coefficient"), row.standard_error("standard_error")
    if not standard_error:
        raise row.refuse("standard_error", "above 0: every column of Table 1 prints one")
    stars = row.choice("stars", ("", "*", "**", "***"))
    expected = _stars(coefficient, standard_error)
    if stars != expected:  # all 16 of the paper's cells agree with this test, so a disagreement is a slip of ours
        raise row.refuse("stars", f"'{expected}', which {coefficient:g} ({standard_error:g}) deserves")
    kp_f = row.optional("kp_f")
    if (estimator == "IV") != (kp_f is not None):
        raise row.refuse("kp_f", "given for IV and empty for OLS")
    controls = tuple(name.strip() for name in row.text("controls").split(";"))
    if not set(controls) <= set(CONTROLS):
        raise row.refuse("controls", f"names among {', '.join(CONTROLS)}, separated by semicolons")
    return Table1Cell(
        row.choice("panel", ("A", "B")), row.count("column"), estimator, row.text("outcome"), coefficient,
        standard_error, stars, kp_f, row.count("n"), row.count("clusters_region"), row.count("clusters_group"),
        controls, row.text("unit"), row.text("place"), row.cells["note"],
    )  # fmt: skip


def _table2_row(row: Row) -> Table2Row:
    value, low, high = row.point_or_range()
    block, moment = row.choice("block", ("external", "internal")), row.cells["moment"]
    model_fit, data = row.share("model_fit"), row.share("data")
    for column, given in (("model_fit", model_fit), ("data", data)):
        if (block == "internal") != (given is not None):
            raise row.refuse(column, "given for internal and empty for external calibration")
    if (block == "internal") != bool(moment):
        raise row.refuse("moment", "given for internal and empty for external calibration")
    return Table2Row(
        row.text("parameter"), block, row.text("description"), value, low, high, row.text("unit"),
        row.text("identification"), moment, model_fit, data, row.text("place"), row.cells["note"],
    )  # fmt: skip


def _table3_cell(row: Row) -> Table3Cell:
    return Table3Cell(
        row.choice("panel", ("A", "B", "C")), row.text("id"),
        row.choice("statistic", ("aggregate", "local_low", "local_high")), row.number("value"),
        row.choice("unit", ("percent", "percentage points")), row.text("place"), row.cells["note"],
    )  # fmt: skip


def _read[Item: (Figure, Table1Cell, Table2Row, Table3Cell)](
    path: Path, kind: type[Item], build: Callable[[Row], Item], identity: Sequence[str]
) -> list[tuple[Row, Item]]:
    columns = [field.name for field in fields(kind) if field.name != "label"]
    items: list[tuple[Row, Item]] = []
    seen: dict[tuple[str, ...], int] = {}
    for row in read_rows(path, columns):
        items.append((row, build(row)))
        name = tuple(row.cells[column] for column in identity)
        if name in seen:
            raise row.refuse(identity[-1], f"unique: row {seen[name]} has the same {', '.join(identity)}")
        seen[name] = row.line
    return items


def _read_table3(path: Path) -> list[tuple[Row, Table3Cell]]:
    pairs = _read(path, Table3Cell, _table3_cell, ("panel", "id", "statistic"))
    highs = {(cell.panel, cell.id): cell.value for _, cell in pairs if cell.statistic == "local_high"}
    for row, cell in pairs:
        if cell.statistic != "local_low":
            continue
        high = highs.get((cell.panel, cell.id))
        if high is None:
            raise row.refuse("statistic", "accompanied by a row with local_high: a range has two ends")
        if cell.value > high:
            raise row.refuse("value", f"at most local_high = {high:g}")
    return pairs


def _load(folder: Path) -> PublishedTables:
    table1 = _read(folder / "table1.csv", Table1Cell, _table1_cell, ("panel", "column"))
    table2 = _read(folder / "table2.csv", Table2Row, _table2_row, ("parameter", "moment"))
    table3 = _read_table3(folder / "table3.csv")
    text = _read(folder / "text.csv", Figure, _figure, ("id",))
    return PublishedTables(
        figures=tuple(figure for _, figure in text),
        table1_cells=tuple(cell for _, cell in table1),
        table2_rows=tuple(row for _, row in table2),
        table3_cells=tuple(cell for _, cell in table3),
    )


@cache
def _load_shipped() -> PublishedTables:
    return _load(data_folder("published"))


def load_published(folder: Path | None = None) -> PublishedTables:
    """Load and check the published figures.

    Parameters
    ----------
    folder : Path, optional
        A folder with ``table1.csv``, ``table2.csv``, ``table3.csv`` and ``text.csv``. By default the one that comes
        with the package, which is read once.

    Returns
    -------
    PublishedTables
        The tables, immutable.

    Raises
    ------
    InputError
        The subclass says what is wrong with a file; the message names the file, the row, the column and the value.

    Examples
    --------
    >>> from bigpush_est.data.published import load_published
    >>> load_published().figure("delta").place
    'Section 5.2, External calibration'
    """
    return _load_shipped() if folder is None else _load(folder)
