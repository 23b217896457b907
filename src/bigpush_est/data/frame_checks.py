"""Read a frame of any kind into a pandas one of the schema's types, and refuse what does not belong.

Each refusal names the frame, the column, the first rows (up to five, by position and key) and the remedy.
"""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any, Literal

import narwhals as nw
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bigpush_est.data.frame_schemas import SCHEMAS, Column, Schema
from bigpush_est.errors import (
    ColumnEmpty,
    ColumnMissing,
    ColumnType,
    ColumnUnknown,
    CoordinateOutOfRange,
    DuplicateRows,
    NegativeValue,
    ValueMissing,
    ValueOutOfRange,
    WrongType,
)

type Flags = NDArray[np.bool_]

#: So many offending rows are shown.
SHOWN = 5
_EXPECTED = {
    "text": "text (or whole numbers, as identifiers)",
    "year": "whole calendar years",
    "number": "numbers",
    "flag": "true and false, or 1 and 0",
}


def shown_rows(frame: pd.DataFrame, wrong: Flags, columns: Sequence[str]) -> str:
    """Return the first rows in question as text: position from 0, and the values of some columns."""
    present = [column for column in dict.fromkeys(columns) if column in frame]
    parts = []
    for position in np.flatnonzero(wrong)[:SHOWN]:
        cells = ", ".join(f"{column} {_shown(frame[column].iloc[position])}" for column in present)
        parts.append(f"row {position}: {cells}")
    return "; ".join(parts) + ("; ..." if wrong.sum() > SHOWN else "")


def _shown(value: object) -> str:
    if value is None or value is pd.NA or (isinstance(value, float) and np.isnan(value)):
        return "missing"
    return f"{value:.12g}" if isinstance(value, float) else str(value)[:40]


def read_frame(
    frame: str,
    given: object,
    extra: Sequence[str] = (),
    *,
    names: Mapping[str, str] | None = None,
    unknown: Literal["refuse", "drop"] = "refuse",
) -> tuple[pd.DataFrame, dict[str, int]]:
    """Return a frame with the schema's columns and types, checked by itself, and what was counted on the way.

    Parameters
    ----------
    frame
        Its name in `SCHEMAS`.
    given
        A pandas, polars or Arrow table.
    extra
        Columns beyond the schema's to keep as they are.
    names
        The table's names of columns, each with the schema's name for it.
    unknown
        Whether to refuse or to drop columns that neither the schema nor ``extra`` has.

    Returns
    -------
    frame
        In the order of rows given, columns in the schema's order, then the extra ones.
    counts
        By description, how many values were missing or taken as missing.

    Raises
    ------
    WrongType
        For anything that is no table in memory.
    ColumnMissing, ColumnUnknown, ColumnType, ValueMissing, ColumnEmpty, ValueOutOfRange, DuplicateRows
        Naming the column, the first rows and the remedy.
    """
    schema = SCHEMAS[frame]
    table = _renamed(frame, _table(frame, given), names or {})
    columns: dict[str, Any] = {}
    counts: dict[str, int] = {}
    if unknown == "drop":
        known = {column.name for column in schema.columns} | set(extra)
        counts |= {f"column '{name}' dropped": len(table) for name in table.columns if name not in known}
        table = table.select([name for name in table.columns if name in known])
    _check_names(schema, table, given, extra)
    for column in schema.columns:
        if column.name in table.columns:
            columns[column.name] = _values(frame, column, table[column.name])
    result = pd.DataFrame(columns)
    for name in extra:
        series = table[name]
        numeric = series.dtype.is_numeric()
        result[name] = series.cast(nw.Float64).to_numpy() if numeric else pd.Series(series.to_list(), dtype=object)
    for column in schema.columns:
        if column.name in result:
            counts |= _check_column(schema, column, result)
    _check_key(schema, result)
    return result, counts


def _table(frame: str, given: object) -> nw.DataFrame[Any]:
    if isinstance(given, pd.DataFrame):
        odd = [name for name in given.columns if not isinstance(name, str)]
        if odd:
            raise ColumnUnknown(frame=frame, column=odd[0], rows="its name is no text", remedy="rename or drop it")
    # narwhals would fail on repeated names in its own words
    names = list(given.columns) if isinstance(given, pd.DataFrame) else getattr(given, "column_names", [])
    repeated = [name for position, name in enumerate(names) if name in names[:position]]
    if repeated:
        raise ColumnUnknown(frame=frame, column=repeated[0], rows="given twice", remedy="rename or drop one of them")
    try:
        return nw.from_native(given, eager_only=True)
    except TypeError:
        lazy = type(given).__name__ == "LazyFrame"
        raise WrongType(
            key=frame,
            value=type(given).__name__,
            expected="a pandas, polars or Arrow table",
            remedy="collect() it first" if lazy else "make a table of it, for instance pandas.DataFrame(...)",
        ) from None


def _renamed(frame: str, table: nw.DataFrame[Any], names: Mapping[str, str]) -> nw.DataFrame[Any]:
    for name, new in names.items():
        if name not in table.columns:
            raise ColumnMissing(
                frame=frame,
                column=name,
                present=", ".join(table.columns),
                remedy=f"columns= gives the table's own name for '{new}': correct it",
            )
        if new != name and (new in table.columns and new not in names):
            raise ColumnUnknown(
                frame=frame,
                column=new,
                rows=f"it is there beside '{name}', which columns= renames to it",
                remedy="drop or rename one of the two",
            )
    doubled = [new for new in names.values() if list(names.values()).count(new) > 1]
    if doubled:
        raise ColumnUnknown(
            frame=frame, column=doubled[0], rows="columns= gives it to two columns", remedy="rename one of them"
        )
    return table.rename(dict(names))


def _check_names(schema: Schema, table: nw.DataFrame[Any], given: object, extra: Sequence[str]) -> None:
    names = table.columns
    known = [column.name for column in schema.columns]
    lacking = [column for column in schema.columns if column.required and column.name not in names]
    for column in schema.columns:
        if column.required and column.name not in names:
            index = given.index.names if isinstance(given, pd.DataFrame) else ()
            others = [name for name in names if name not in known]
            near = [name for name in others if len(name) > 2 and column.name.startswith(name.lower())]
            near += get_close_matches(column.name, others, 1)
            also = ", ".join(other.name for other in lacking if other is not column)
            remedy = f"add it ({column.meaning})"
            if column.name in index:
                remedy = "it is in the index: call reset_index() first"
            elif near:
                remedy = (
                    f"if it is '{near[0]}', pass columns={{'{schema.frame}': {{'{near[0]}': '{column.name}'}}}}; "
                    f"else {remedy}"
                )
            elif others:
                remedy += f", or say which column it is: columns={{'{schema.frame}': {{'...': '{column.name}'}}}}"
            if also:
                remedy += f"; also missing: {also}"
            raise ColumnMissing(
                frame=schema.frame, column=column.name, present=", ".join(names) or "none", remedy=remedy
            )
    for name in names:
        if name not in known and name not in extra:
            near = get_close_matches(name, known, 1)
            start = f"rename it to '{near[0]}' if that is meant; else " if near else ""
            values = table[name].head(SHOWN).to_list()
            others = [other for other in names if other not in known and other not in extra and other != name]
            also = f"; also not known: {', '.join(others)}" if others else ""
            raise ColumnUnknown(
                frame=schema.frame,
                column=name,
                rows=", ".join(_shown(value) for value in values),
                remedy=f"{start}drop it (unknown='drop' drops all such columns), or keep it with "
                f"extra={{'{schema.frame}': ['{name}']}}{also}",
            )
    for name in extra:
        if name not in names:
            raise ColumnMissing(
                frame=schema.frame,
                column=name,
                present=", ".join(names),
                remedy="extra= names columns that the table has: correct it",
            )
    if schema.frame == "credit" and "firm" not in names and not {"region", "sector"} <= set(names):
        raise ColumnMissing(
            frame="credit",
            column="firm",
            present=", ".join(names),
            remedy="credit is by firm, or by region and sector: add 'firm', or both 'region' and 'sector'",
        )


def _values(frame: str, column: Column, series: nw.Series[Any]) -> Any:
    """Return a column's values in the type of its kind; missing is NaN."""
    dtype = series.dtype
    values = series.to_list() if not (dtype.is_numeric() or dtype == nw.Boolean) else None
    if values is not None and all(_is_missing(value) for value in values):  # of any type, for instance Arrow's null
        return np.full(len(values), np.nan) if column.kind != "text" else _texts(values)
    match column.kind:
        case "text":
            return _texts(_identifiers(frame, column, series, values))
        case "flag":
            if dtype == nw.Boolean and not series.is_null().any():
                return series.to_numpy().astype(bool)
            if dtype.is_numeric():
                numbers = series.cast(nw.Float64).to_numpy()
                _refuse_type(frame, column, series, ~np.isin(numbers, (0.0, 1.0)))
                return numbers == 1
        case _ if dtype.is_numeric():
            numbers = np.array(series.cast(nw.Float64).to_numpy(), dtype=np.float64)
            _refuse_type(frame, column, series, np.isinf(numbers), "an infinite number")
            if column.kind == "year":
                _refuse_type(frame, column, series, np.isfinite(numbers) & (numbers != np.round(numbers)))
            return numbers
        case _ if values is not None and dtype == nw.Object:  # pandas objects may hold numbers beside missing values
            plain = [isinstance(v, int | float | np.number) and not isinstance(v, bool) for v in values]
            bad = np.array([not (p or _is_missing(v)) for p, v in zip(plain, values, strict=True)])
            _refuse_type(frame, column, series, bad)
            return np.array([float(v) if p else np.nan for p, v in zip(plain, values, strict=True)])
    _refuse_type(frame, column, series, np.ones(len(series), dtype=bool))
    return None


def _is_missing(value: object) -> bool:
    return value is None or value is pd.NA or value is pd.NaT or (isinstance(value, float) and np.isnan(value))


def _identifiers(frame: str, column: Column, series: nw.Series[Any], values: list[Any] | None) -> list[Any]:
    if values is None:
        if series.dtype == nw.Boolean:
            _refuse_type(frame, column, series, np.ones(len(series), dtype=bool))
        if series.dtype.is_integer():
            return [None if value is None else str(value) for value in series.to_list()]
        numbers = series.cast(nw.Float64).to_numpy()
        _refuse_type(frame, column, series, np.isfinite(numbers) & (numbers != np.round(numbers)))
        # from there on neighbouring whole numbers are one float: firms would be merged
        _refuse_type(frame, column, series, np.abs(numbers) >= 2.0**53, "a float too large to be exact")
        return [None if np.isnan(number) else str(int(number)) for number in numbers]
    bad = np.array([not (isinstance(v, str | int) and not isinstance(v, bool)) and not _is_missing(v) for v in values])
    _refuse_type(frame, column, series, bad)
    return [None if _is_missing(v) or (isinstance(v, str) and not v.strip()) else str(v).strip() for v in values]


def _texts(values: list[Any]) -> pd.Series:
    return pd.Series([None if _is_missing(value) else value for value in values], dtype="str")


def _refuse_type(frame: str, column: Column, series: nw.Series[Any], bad: Flags, found: str | None = None) -> None:
    if not bad.any():
        return
    rows = "; ".join(f"row {position}: {_shown(series[int(position)])}" for position in np.flatnonzero(bad)[:SHOWN])
    remedy = {
        "text": "write identifiers as text",
        "year": "give the calendar year as a whole number, 1973: .dt.year of dates, .astype(int) of text",
        "number": "convert the column to numbers; leave unknown values missing",
        "flag": "write true or false in every row",
    }[column.kind]
    raise ColumnType(
        frame=frame,
        column=column.name,
        found=found or f"type {str(series.dtype).lower()}",
        expected=_EXPECTED[column.kind],
        rows=rows + ("; ..." if bad.sum() > SHOWN else ""),
        remedy=remedy,
    )


def _check_column(schema: Schema, column: Column, table: pd.DataFrame) -> dict[str, int]:
    values = table[column.name]
    missing = values.isna().to_numpy()
    context: dict[str, Any] = {"frame": schema.frame, "column": column.name, "total": len(values)}
    keys = [name for name in schema.key if name in table]
    if len(values) and missing.all() and (column.required or column.kind == "number"):
        raise ColumnEmpty(
            **context,
            rows=shown_rows(table, missing, keys),
            remedy="fill the column" if column.required else "fill the column, or leave it out",
        )
    if missing.any() and not column.missing:
        raise ValueMissing(
            **context,
            count=int(missing.sum()),
            rows=shown_rows(table, missing, [*keys, column.name]),
            remedy=f"fill it in ({column.meaning}), or drop these rows",
        )
    if column.kind in ("number", "year"):
        _check_range(schema, column, table, context)
        if column.kind == "year" and not column.missing:
            table[column.name] = values.astype(np.int64)
    if column.choices:
        wrong = ~missing & ~values.isin(column.choices).to_numpy()
        if wrong.any():
            raise ValueOutOfRange(
                **context,
                count=int(wrong.sum()),
                rows=shown_rows(table, wrong, [*keys, column.name]),
                requirement="one of " + ", ".join(column.choices),
                remedy="say who it was in one of these words ('unknown' where the source is silent)",
            )
    return {f"{column.name} missing": int(missing.sum())} if missing.any() and column.kind == "number" else {}


def _check_range(schema: Schema, column: Column, table: pd.DataFrame, context: dict[str, Any]) -> None:
    numbers = table[column.name].to_numpy(dtype=np.float64)
    wrong = (numbers < column.low) | (numbers > column.high)
    if not wrong.any():
        return
    context |= {"count": int(wrong.sum()), "rows": shown_rows(table, wrong, [*schema.key, column.name])}
    if column.low == 0.0:
        raise NegativeValue(**context, remedy="correct them, or leave them missing where they are unknown")
    if column.name in ("latitude", "longitude"):
        raise CoordinateOutOfRange(
            **context,
            requirement=f"{column.name} between {column.low:g} and {column.high:g} degrees",
            remedy="give degrees (not metres of a map projection), and check that the two are not swapped",
        )
    raise ValueOutOfRange(
        **context, requirement=f"between {column.low:g} and {column.high:g}", remedy="give calendar years"
    )


def _check_key(schema: Schema, table: pd.DataFrame) -> None:
    key = [name for name in schema.key if name in table]
    again = table.duplicated(key, keep="first").to_numpy()
    if not again.any():
        return
    remedy = "add up or drop the repeated rows: each may stand once"
    if schema.frame == "panel":
        remedy = (
            "keep one row per firm and year (several plants of a firm: add them up, or make them firms of their own)"
        )
    raise DuplicateRows(
        frame=schema.frame,
        column=", ".join(key),
        problem="repeated",
        count=int(again.sum()),
        total=len(table),
        rows=shown_rows(table, again, key),
        remedy=remedy,
    )
