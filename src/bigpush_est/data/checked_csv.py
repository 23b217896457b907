r"""Read a small CSV file strictly: every refusal names the file, the row, the column and the value.

Made for files of figures that people edit by hand, where a slip has to be found at once; large frames have readers
of their own.

Examples
--------
>>> import tempfile
>>> from pathlib import Path
>>> from bigpush_est.data.checked_csv import read_rows
>>> with tempfile.TemporaryDirectory() as folder:
...     path = Path(folder) / "shares.csv"
...     _ = path.write_text("year,share\n1972,0.07\n", encoding="utf-8")
...     [row.share("share") for row in read_rows(path, ["year", "share"])]
[0.07]
"""

import csv
import io
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bigpush_est.errors import EmptyFile, InvalidValue, MissingKey, UnknownKey, UnreadableFile


@dataclass(frozen=True)
class Row:
    """One row of a file, which knows where it stands so that every complaint can say so.

    Each reader below returns the cell of a column as the type it names and raises `InvalidValue` otherwise.

    Examples
    --------
    >>> from bigpush_est.data.checked_csv import Row
    >>> Row("shares.csv", 2, {"year": "1972", "share": "7"}).share("share")
    Traceback (most recent call last):
    ...
    bigpush_est.errors.InvalidValue: shares.csv, row 2, share = 7 is refused: it must be between 0 and 1: it is a \
share. Remedy: write percentages as fractions.
    """

    file: str
    line: int
    cells: dict[str, str]
    #: What a refusal advises where nothing more particular is known.
    remedy: str = "check this row against the paper"

    def refuse(self, column: str, requirement: str, remedy: str | None = None) -> InvalidValue:
        """Return the refusal of a cell, for the caller to raise."""
        return InvalidValue(
            key=f"{self.file}, row {self.line}, {column}",
            value=self.cells[column] or "(empty)",
            requirement=requirement,
            remedy=self.remedy if remedy is None else remedy,
        )

    def text(self, column: str) -> str:
        """Return a cell that must not be empty."""
        if not self.cells[column]:
            raise self.refuse(column, "given")
        return self.cells[column]

    def choice(self, column: str, choices: Sequence[str]) -> str:
        """Return a cell that must be one of the choices."""
        if self.cells[column] not in choices:
            raise self.refuse(column, "one of " + ", ".join(choice or "(empty)" for choice in choices))
        return self.cells[column]

    def number(self, column: str) -> float:
        """Return a finite number."""
        try:
            number = float(self.text(column))
        except ValueError:
            raise self.refuse(column, "a number") from None
        if not math.isfinite(number):
            raise self.refuse(column, "a finite number")
        return number

    def optional(self, column: str) -> float | None:
        """Return a finite number, or None where the cell is empty."""
        return self.number(column) if self.cells[column] else None

    def count(self, column: str) -> int:
        """Return a whole number, at least 1."""
        number = self.number(column)
        if number != int(number) or number < 1:
            raise self.refuse(column, "a whole number, at least 1")
        return int(number)

    def standard_error(self, column: str) -> float | None:
        """Return a standard error, at least 0, or None where the cell is empty."""
        number = self.optional(column)
        if number is not None and number < 0:
            raise self.refuse(column, "at least 0: it is a standard error")
        return number

    def share(self, column: str) -> float | None:
        """Return a number between 0 and 1, or None where the cell is empty."""
        number = self.optional(column)
        if number is not None and not 0 <= number <= 1:
            raise self.refuse(column, "between 0 and 1: it is a share", "write percentages as fractions")
        return number

    def point_or_range(self) -> tuple[float | None, float | None, float | None]:
        """Return the columns value, low and high: a point, a range, or a point within its range.

        Where the column unit begins with "share", they are shares.

        Examples
        --------
        >>> from bigpush_est.data.checked_csv import Row
        >>> cells = {"value": "", "low": "0.05", "high": "0.47", "unit": "share of consumption"}
        >>> Row("table2.csv", 8, cells).point_or_range()
        (None, 0.05, 0.47)
        """
        read = self.share if self.cells["unit"].startswith("share") else self.optional
        value, low, high = read("value"), read("low"), read("high")
        if value is None and low is None and high is None:
            raise self.refuse("value", "given where low and high are not")
        if (low is None) != (high is None):
            raise self.refuse("low" if low is None else "high", "given: a range has two ends")
        if low is not None and high is not None:
            if low > high:
                raise self.refuse("low", f"at most high = {high:g}")
            if value is not None and not low <= value <= high:
                raise self.refuse("value", f"between low = {low:g} and high = {high:g}")
        return value, low, high


def read_rows(
    path: Path, columns: Sequence[str], optional: Sequence[str] = (), remedy: str = Row.remedy
) -> Iterator[Row]:
    """Read the rows of a UTF-8 file whose header has exactly these columns, in any order.

    Parameters
    ----------
    path : Path
        The file.
    columns : sequence of str
        The columns that it must have.
    optional : sequence of str
        Columns that it may have; where it lacks one, the rows have an empty cell.
    remedy : str
        What the rows' refusals advise where nothing more particular is known.

    Yields
    ------
    Row
        The rows in the file's order; `Row.line` is the line of the file that the row ends on.

    Raises
    ------
    UnreadableFile
        If the file is missing, is not UTF-8, or has unbalanced quotation marks.
    EmptyFile
        If it holds no row below its header.
    MissingKey, UnknownKey
        If its header lacks a column, or has one too many or twice.
    InvalidValue
        If a row has more or fewer cells than the header.

    Examples
    --------
    >>> from bigpush_est.data.checked_csv import read_rows
    >>> from bigpush_est.data.locate import data_folder
    >>> columns = ["panel", "id", "statistic", "value", "unit", "place", "note"]
    >>> next(read_rows(data_folder("published") / "table3.csv", columns)).number("value")
    3.59
    """
    listed = ", ".join([*columns, *(f"{column} (optional)" for column in optional)])
    try:
        content = path.read_bytes().decode("utf-8-sig")  # spreadsheets write a byte-order mark
    except (OSError, UnicodeDecodeError) as error:
        reason = str(error.strerror) if isinstance(error, OSError) else "it is not UTF-8"
        raise UnreadableFile(path=path, reason=reason, remedy="restore the file, or save it as UTF-8") from None
    reader = csv.reader(io.StringIO(content, newline=""), strict=True)
    try:
        table = [(reader.line_num, cells) for cells in reader if cells]
    except csv.Error as error:
        reason = f"row {reader.line_num}: {error}"
        raise UnreadableFile(path=path, reason=reason, remedy="check the quotation marks") from None
    if len(table) < 2:
        raise EmptyFile(path=path, remedy=f"restore its rows; its columns are {listed}")
    (header_line, header), *body = table
    where = f"{path.name}, row {header_line}"
    for column in columns:
        if column not in header:
            raise MissingKey(where=where, key=column, remedy=f"the columns are {listed}")
    for position, column in enumerate(header):
        if column not in (*columns, *optional) or column in header[:position]:
            raise UnknownKey(where=where, key=column, value=f"column {position + 1}", remedy=f"keep only {listed}")
    for line, cells in body:
        if len(cells) != len(header):
            raise InvalidValue(
                key=f"{path.name}, row {line}, number of cells",
                value=len(cells),
                requirement=f"{len(header)}, as in the header",
                remedy="check the commas and quotation marks of this row",
            )
        given = dict(zip(header, (cell.strip() for cell in cells), strict=True))
        yield Row(path.name, line, dict.fromkeys(optional, "") | given, remedy)
