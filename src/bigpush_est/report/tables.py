"""The report's tables: each is one list of rows that HTML, CSV, JSON and LaTeX all print."""

import csv
import io
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from bigpush_est.report.latex import latex_table
from bigpush_est.report.numbers import NONE

type Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table.

    Attributes
    ----------
    key
        Its name in CSV and JSON.
    label
        Its heading in print.
    show
        Returns the printed text of a row's cell; without it the value itself is printed.
    number
        Whether it is set flush right.
    """

    key: str
    label: str
    show: Callable[[Row], str] | None = None
    number: bool = False

    def text(self, row: Row) -> str:
        """Return the printed text of a row's cell."""
        if self.show is not None:
            return self.show(row)
        value = row.get(self.key)
        return NONE if value is None else str(value)


@dataclass(frozen=True, slots=True)
class Table:
    """A table of the report.

    Attributes
    ----------
    name
        Stem of its files.
    caption
        What it shows.
    columns
        What is printed, in order.
    rows
        Every value of each row under its key; CSV and JSON hold all of them, also those that print folds together.
    note
        What a reader needs to know beside the caption.
    group
        Key whose value heads a block of rows in print, where rows come in blocks.
    """

    name: str
    caption: str
    columns: tuple[Column, ...]
    rows: list[Row]
    note: str = ""
    group: str = ""
    emphasised: tuple[int, ...] = field(default=())

    @property
    def keys(self) -> list[str]:
        """Names of the values in CSV and JSON."""
        keys: dict[str, None] = {}
        for row in self.rows:
            keys |= dict.fromkeys(row)
        return list(keys)

    @property
    def long(self) -> bool:
        """Whether it may break across pages."""
        return len(self.rows) > 14

    def blocks(self) -> list[tuple[str, list[tuple[bool, list[str]]]]]:
        """Return printed rows under their headings; one heading "" if there are none."""
        result: list[tuple[str, list[tuple[bool, list[str]]]]] = []
        for index, row in enumerate(self.rows):
            heading = str(row[self.group]) if self.group else ""
            if not result or result[-1][0] != heading:
                result.append((heading, []))
            result[-1][1].append((index in self.emphasised, [column.text(row) for column in self.columns]))
        return result

    def csv(self) -> str:
        """Return the table as CSV: unrounded values, missing ones empty."""
        stream = io.StringIO()
        writer = csv.DictWriter(stream, self.keys, lineterminator="\n", restval="")
        writer.writeheader()
        writer.writerows({key: "" if value is None else value for key, value in row.items()} for row in self.rows)
        return stream.getvalue()

    def json(self) -> str:
        """Return the table as JSON: the same keys and values as the CSV, missing ones null."""
        rows = [{key: row.get(key) for key in self.keys} for row in self.rows]
        content = {"name": self.name, "caption": self.caption, "note": self.note, "rows": rows}
        return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"

    def latex(self) -> str:
        """Return the table as LaTeX for booktabs, as it is printed."""
        return latex_table(
            name=self.name,
            caption=self.caption,
            note=self.note,
            headings=[column.label for column in self.columns],
            right=[column.number for column in self.columns],
            blocks=self.blocks(),
            long=self.long,
        )
