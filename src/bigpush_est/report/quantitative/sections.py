"""Sections of the results that a run may hold or not: rows and cells for what is there, nothing for what is missing."""

from typing import Any

import numpy as np

from bigpush_est.report.numbers import NONE, count
from bigpush_est.report.numbers import figure as digits
from bigpush_est.report.quantitative.labels import Results, hundred, known, percentage, plain
from bigpush_est.report.tables import Column, Row

#: Keys of the effect of a push: differences of shares, not shares.
DIFFERENCES = ("gdp_share", "export_intensity", "employment_share")
#: Words in keys whose values are fractions that print as percentages.
_FRACTIONS = ("share", "intensity", "welfare", "rate", "bill", "relative", "moved")
#: Keys that read better otherwise, and words that are not to be put in small letters.
_LABELS = {
    "gdp_share": "Effect on the heavy GDP share",
    "gdp_share_push": "Heavy GDP share with the push",
    "gdp_share_none": "Heavy GDP share without the push",
    "welfare_log": "Welfare, log utility",
    "welfare_linear": "Welfare, discounted consumption",
    "subsidy_rate": "s̄",
    "r2": "R²",
    "t": "t",
    "moved_by_the_push": "People who live elsewhere because of the push",
    "fate_push": "With the push the path ended in",
    "fate_none": "Without the push the path ended in",
    "port_distance": "Distance to port",
    "none": "no policy",
    "push": "the push",
    "general": "all heavy firms",
}
_WORDS = {"gdp": "GDP"}
STEADY = "steady state"


def part(results: Results, *keys: str) -> dict[str, Any]:
    """Return a section of a section of the results; an empty one if it is not there or no mapping."""
    found: Any = results
    for key in keys:
        found = found.get(key) if isinstance(found, dict) else None
    return found if isinstance(found, dict) else {}


def rows_of(section: Any) -> list[Row]:
    """Return rows from a list of mappings, or from a mapping of lists of equal length; none from anything else.

    Examples
    --------
    >>> rows_of({"rate": [0.1, 0.2], "best": 0.1}), rows_of([{"rate": 0.1}]), rows_of(None)
    ([{'rate': 0.1}, {'rate': 0.2}], [{'rate': 0.1}], [])
    """
    if isinstance(section, list):
        return [dict(row) for row in section if isinstance(row, dict)]
    lists = {key: value for key, value in section.items() if isinstance(value, list)} if section else {}
    if not lists:
        return []
    length = max(len(value) for value in lists.values())
    lists = {key: value for key, value in lists.items() if len(value) == length}
    return [dict(zip(lists, values, strict=True)) for values in zip(*lists.values(), strict=True)]


def words(key: str) -> str:
    """Return a key in words.

    Examples
    --------
    >>> words("heavy_gdp_share"), words("r2")
    ('Heavy GDP share', 'R²')
    """
    if key in _LABELS:
        return _LABELS[key]
    text = " ".join(_WORDS.get(word, word) for word in plain(str(key)).split())
    return text[:1].upper() + text[1:]


def shown(key: str, value: Any) -> str:
    """Return a value as its key suggests: differences in points, shares in percent.

    Examples
    --------
    >>> shown("gdp_share", 0.0359), shown("gdp_share_push", 0.122), shown("slope", 0.1234), shown("fate", "cycle")
    ('3.59 p.p.', '12.20%', '0.123', 'cycle')
    """
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(shown(key, item) for item in value) or NONE
    if not known(value):
        return str(value) if isinstance(value, str) else NONE
    if key in DIFFERENCES:
        return f"{hundred(value)} p.p."
    if set(_FRACTIONS) & set(key.split("_")):
        return percentage(value, 2)
    return count(value) if isinstance(value, int) else digits(value)


def columns_of(rows: list[Row], columns: list[Column]) -> tuple[Column, ...]:
    """Drop the columns that no row has a value for."""
    return tuple(column for column in columns if any(row.get(column.key) is not None for row in rows))


def text_column(key: str, label: str = "") -> Column:
    """Return a column of texts, headed by its key in words unless a label is given."""
    return Column(key, label or words(key), lambda row: shown(key, row.get(key)))


def number_column(key: str, label: str = "", show: Any = None) -> Column:
    """Return a column of numbers, printed as the key suggests unless ``show`` says how."""
    return Column(key, label or words(key), show or (lambda row: shown(key, row.get(key))), number=True)


def facts(section: dict[str, Any]) -> list[Row]:
    """Return a mapping's plain values as rows, the mappings in it one level down."""
    rows: list[Row] = []
    for key, value in section.items():
        if isinstance(value, dict):
            rows += [{"item": f"{key}.{inner}", "value": item, "key": inner} for inner, item in value.items()]
        else:
            rows.append({"item": key, "value": value, "key": key})
    return [row for row in rows if isinstance(row["value"], str | int | float)]


def fact_columns() -> tuple[Column, ...]:
    """Return the columns of a table of facts."""
    return (
        Column("item", "Item", lambda row: ": ".join(words(part) for part in str(row["item"]).split("."))),
        Column("value", "Value", lambda row: shown(str(row["key"]), row["value"]), number=True),
    )


def region_names(results: Results, ids: Any) -> list[str]:
    """Return regions' names, whether they are given by short name, by name or as rows."""
    names = {row["region"]: row["name"] for row in results.get("regions", [])}
    found = [item.get("region", "") if isinstance(item, dict) else item for item in ids if item is not None]
    return [names.get(item, str(item)) for item in found]


def level(row: Row, key: str) -> str:
    """Return a share as such, also where its key is that of a difference elsewhere."""
    return percentage(row.get(key), 2)


def numbers(rows: list[Row], key: str) -> Any:
    """Return a key's values over rows as an array; NaN where there is none."""
    return np.array([float(row[key]) if known(row.get(key)) else np.nan for row in rows])
