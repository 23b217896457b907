r"""One table of an economy: which columns it has, reading it into an array, saying where in it something is wrong.

A panel has one row for each combination of labels (each year and sector, each region and sector, ...), in any order.
Once read, it is an array whose axes follow the labels' order; a cell remembers the row of the file that it came from,
so that a check of the whole economy can still name file, row and column.

Examples
--------
>>> import tempfile
>>> from pathlib import Path
>>> from bigpush_est.data.economy_tables import PANELS, read_panel
>>> with tempfile.TemporaryDirectory() as folder:
...     path = Path(folder) / "tariffs.csv"
...     _ = path.write_text("year,sector,rate\n1976,goods,0.1\n1972,goods,0.2\n", encoding="utf-8")
...     arrays, rows = read_panel(path, PANELS["tariffs"], {"year": ["1972", "1976"], "sector": ["goods"]})
>>> arrays["rate"].ravel(), rows.ravel()
(array([0.2, 0.1]), array([3, 2]))
"""

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bigpush_est.data.checked_csv import Row, read_rows
from bigpush_est.errors import InvalidValue, MissingKey

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]

#: The input that is no sector.
LABOUR = "labour"

#: How far from one shares may add up; files written with six digits would be farther off.
SUM_TOLERANCE = 1e-8

REMEDY = "correct this row"


@dataclass(frozen=True)
class Panel:
    """A table with one row for each combination of labels: its name, its label columns and its columns of numbers.

    Examples
    --------
    >>> from bigpush_est.data.economy_tables import PANELS
    >>> PANELS["trade"].file, PANELS["trade"].axes, PANELS["trade"].values
    ('trade.csv', ('year', 'sector'), ('export_intensity', 'import_share'))
    """

    table: str
    axes: tuple[str, ...]
    values: tuple[str, ...]

    @property
    def file(self) -> str:
        """The file's name."""
        return f"{self.table}.csv"


#: The panels of an economy, by name. The axis "input" runs over the sectors and labour.
PANELS = {
    panel.table: panel
    for panel in (
        Panel("preferences", ("year", "sector"), ("share",)),
        Panel("input_output", ("year", "sector", "input"), ("share",)),
        Panel("tariffs", ("year", "sector"), ("rate",)),
        Panel("firm_mass", ("region", "sector"), ("mass",)),
        Panel("gross_output", ("year", "region", "sector"), ("share_of_sector",)),
        Panel("trade", ("year", "sector"), ("export_intensity", "import_share")),
        Panel("growth", ("year",), ("real_gdp",)),
        Panel("ppi", ("year", "sector"), ("ppi",)),
        Panel("adopter_shares", ("region", "sector"), ("share",)),
    )
}


def read_panel(path: Path, panel: Panel, labels: Mapping[str, Sequence[str]]) -> tuple[dict[str, Floats], Rows]:
    """Read a panel.

    Parameters
    ----------
    path : Path
        The file.
    panel : Panel
        What it is to hold.
    labels : mapping
        The labels of each axis, in the order of the arrays.

    Returns
    -------
    arrays : dict of str to ndarray
        For each column of numbers an array with one axis for each axis of the panel.
    rows : ndarray of int
        For each cell, the row of the file (the header is row 1).

    Raises
    ------
    UnreadableFile, EmptyFile, UnknownKey
        If the file cannot be read or its header has other columns.
    MissingKey
        If a column is missing, or the row of a combination of labels.
    InvalidValue
        If a row has an unknown label, repeats another one's labels, or holds no finite number.
    """
    positions = {axis: {label: i for i, label in enumerate(labels[axis])} for axis in panel.axes}
    shape = tuple(len(labels[axis]) for axis in panel.axes)
    arrays = {column: np.zeros(shape) for column in panel.values}
    rows = np.zeros(shape, dtype=np.int64)  # no row is numbered 0: that is the header's predecessor
    for row in read_rows(path, [*panel.axes, *panel.values], remedy=REMEDY):
        index = tuple(known(row, axis, positions[axis]) for axis in panel.axes)
        if rows[index]:
            raise row.refuse(
                panel.axes[-1],
                f"unlike row {rows[index]}, which has the same {' and '.join(panel.axes)}",
                "keep one of the two rows",
            )
        rows[index] = row.line
        for column in panel.values:
            arrays[column][index] = row.number(column)
    if not rows.all():
        lacking = np.argwhere(rows == 0)
        first = ", ".join(f"{axis} {labels[axis][i]}" for axis, i in zip(panel.axes, lacking[0], strict=True))
        raise MissingKey(
            where=path.name,
            key=f"row of {first}",
            remedy=f"there has to be a row for each {' and '.join(panel.axes)} ({len(lacking)} of {rows.size} missing)",
        )
    return arrays, rows


def known(row: Row, column: str, positions: Mapping[str, int]) -> int:
    """Return the position of a row's label among the known ones, or refuse it and name the nearest."""
    label = row.text(column)
    if label not in positions:
        near = get_close_matches(label, positions, n=3, cutoff=0.5) or list(positions)[:8]
        more = "" if len(positions) <= len(near) else f", ... ({len(positions)} are known)"
        raise row.refuse(column, f"one of {', '.join(near)}{more}", f"use the {column}s that the economy names")
    return positions[label]


def csv_text(header: Sequence[str], body: Iterable[Sequence[object]]) -> str:
    r"""Return a CSV file's text. Numbers are written so that reading them gives the same bits.

    Examples
    --------
    >>> from bigpush_est.data.economy_tables import csv_text
    >>> csv_text(["year", "rate"], [[1972, 0.1], [1976, None]])
    'year,rate\n1972,0.1\n1976,\n'
    """
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows([header, *body])  # csv writes floats by repr, None as empty
    return text.getvalue()


def panel_text(panel: Panel, labels: Mapping[str, Sequence[str]], arrays: Mapping[str, Floats]) -> str:
    """Return a panel's file as text, the inverse of `read_panel`."""
    columns = [arrays[column].ravel().tolist() for column in panel.values]
    combinations = product(*(labels[axis] for axis in panel.axes))
    body = [[*names, *numbers] for names, *numbers in zip(combinations, *columns, strict=True)]
    return csv_text([*panel.axes, *panel.values], body)


@dataclass(frozen=True)
class Cells:
    """One column of numbers of a table as an array, which says where a wrong number stands.

    Parameters
    ----------
    file, column
        The file and the column.
    labels
        The labels of each axis of the array, by axis, in order.
    array
        The numbers.
    rows
        The row of the file of each cell; None where the numbers came from no file.

    Examples
    --------
    >>> import numpy as np
    >>> from bigpush_est.data.economy_tables import Cells
    >>> shares = Cells("preferences.csv", "share", {"year": ["1972"], "sector": ["goods", "service"]},
    ...                np.array([[0.5, 0.4]]), np.array([[2, 3]]))
    >>> shares.sums_to_one("sector")
    Traceback (most recent call last):
    ...
    bigpush_est.errors.InvalidValue: preferences.csv, rows 2 to 3 (year 1972), share summed over all sectors = 0.9 is \
refused: it must be 1 within 1e-08. Remedy: correct these rows.
    """

    file: str
    column: str
    labels: Mapping[str, Sequence[str]]
    array: Floats
    rows: Rows | None = None

    def place(self, index: Sequence[int]) -> str:
        """Return file, row and labels of a cell."""
        named = ", ".join(f"{axis} {names[i]}" for (axis, names), i in zip(self.labels.items(), index, strict=True))
        return f"{self.file}, {named}" if self.rows is None else f"{self.file}, row {self.rows[tuple(index)]} ({named})"

    def require(self, right: NDArray[np.bool_], requirement: str, remedy: str = REMEDY) -> None:
        """Refuse the first cell that is not right."""
        if not right.all():
            index = tuple(int(i) for i in np.argwhere(~right)[0])
            raise InvalidValue(
                key=f"{self.place(index)}, {self.column}",
                value=_shown(self.array[index]),
                requirement=requirement,
                remedy=remedy,
            )

    def within(self, low: float, high: float = math.inf, *, open_low: bool = False, open_high: bool = False) -> None:
        """Refuse the first cell that is not a number from `low` to `high`, ends included unless said to be open."""
        right = np.isfinite(self.array)
        right &= self.array > low if open_low else self.array >= low
        right &= self.array < high if open_high else self.array <= high
        bounds = [f"{'above' if open_low else 'at least'} {low:g}"]
        if math.isfinite(high):
            bounds.append(f"{'below' if open_high else 'at most'} {high:g}")
        self.require(right, "finite, " + " and ".join(bounds))

    def sums_to_one(self, *over: str) -> None:
        """Refuse the first sum over the named axes that is not one."""
        axes = tuple(list(self.labels).index(axis) for axis in over)
        sums = self.array.sum(axis=axes, keepdims=True)
        wrong = np.argwhere(~(np.abs(sums - 1) <= SUM_TOLERANCE))
        if len(wrong):
            fixed = [int(i) for i in wrong[0]]
            kept = [f"{axis} {names[fixed[k]]}" for k, (axis, names) in enumerate(self.labels.items()) if k not in axes]
            block = tuple(slice(None) if k in axes else i for k, i in enumerate(fixed))
            place = "" if self.rows is None else f", rows {self.rows[block].min()} to {self.rows[block].max()}"
            raise InvalidValue(
                key=f"{self.file}{place}{f' ({", ".join(kept)})' if kept else ''}, {self.column} summed over all "
                + " and ".join(f"{axis}s" for axis in over),
                value=_shown(sums[tuple(fixed)]),
                requirement=f"1 within {SUM_TOLERANCE:g}",
                remedy="correct these rows",
            )


def _shown(number: float) -> str:
    return repr(float(number)).removesuffix(".0")
