"""The columns of the input frames: what each holds, in which unit, and what may be missing.

Nine frames describe firms, their technology contracts and the places they stand in (Section 2.2 of the paper); only the
panel is always needed.  Money is in one unit throughout, which one is the reader's to know.

Examples
--------
>>> from bigpush_est.data.frame_schemas import SCHEMAS
>>> list(SCHEMAS)
['panel', 'contracts', 'groups', 'regions', 'sectors', 'credit', 'trade_fairs', 'tariffs', 'complexes']
>>> [column.name for column in SCHEMAS["panel"].columns if column.required]
['firm', 'year', 'region', 'sector', 'sales']
"""

from dataclasses import dataclass
from typing import Literal

#: "text" is an identifier or a word; "year" a whole number; "number" finite; "flag" true or false, or 0 and 1.
type Kind = Literal["text", "year", "number", "flag"]

#: Who may have cancelled a contract.
CANCELLED_BY = ("foreign", "domestic", "government", "unknown")
#: Years outside these are taken for slips.
FIRST_YEAR, LAST_YEAR = 1800, 2200


@dataclass(frozen=True, slots=True)
class Column:
    """A column of an input frame.

    Attributes
    ----------
    name, kind, meaning
        The name; the type of the values; what they say, with the unit.
    required
        Whether the frame has to have it.
    missing
        Whether single values may be missing.
    low, high
        Bounds, both included, of numbers and years.
    choices
        The only words allowed; empty where any are.
    """

    name: str
    kind: Kind
    meaning: str
    required: bool = True
    missing: bool = False
    low: float = float("-inf")
    high: float = float("inf")
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Schema:
    """An input frame: its columns, and those whose values together occur once."""

    frame: str
    meaning: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]

    def column(self, name: str) -> Column | None:
        """Return the column of a name, or None."""
        return next((column for column in self.columns if column.name == name), None)


def _text(name: str, meaning: str, *, required: bool = True, missing: bool = False) -> Column:
    return Column(name, "text", meaning, required, missing)


def _year(name: str, meaning: str, *, required: bool = True, missing: bool = False) -> Column:
    return Column(name, "year", meaning, required, missing, FIRST_YEAR, LAST_YEAR)


def _amount(name: str, meaning: str, *, required: bool = False, missing: bool = True) -> Column:
    return Column(name, "number", meaning, required, missing, low=0.0)


def _flag(name: str, meaning: str, *, required: bool = False) -> Column:
    return Column(name, "flag", meaning, required)


_SCHEMAS = (
    Schema(
        "panel",
        "one row per firm and year on record",
        (
            _text("firm", "identifier"),
            _year("year", "calendar year"),
            _text("region", "where the firm produces; the same in all years"),
            _text("sector", "what it produces; the same in all years"),
            _amount("sales", "revenue, gross or kept (`sales_definition`)", required=True),
            _text("group", "business group; missing where there is none", required=False, missing=True),
            _amount("employment", "persons"),
            _amount("assets", "total assets, money"),
            _amount("fixed_assets", "fixed assets, money"),
            _amount("wage_bill", "paid to labour in the year, money"),
            _amount("materials", "intermediate inputs bought in the year, money"),
            _amount("exports", "the part of sales that went abroad, money"),
        ),
        ("firm", "year"),
    ),
    Schema(
        "contracts",
        "one row per technology contract that was approved, cancelled ones included",
        (
            _text("contract", "identifier"),
            _text("firm", "the domestic party"),
            _year("year", "in which it was signed"),
            _text("partner", "the foreign party", required=False, missing=True),
            _text("country", "of the foreign party", required=False, missing=True),
            _year(
                "cancelled_year", "in which it was cancelled; missing where it was not", required=False, missing=True
            ),
            Column(
                "cancelled_by",
                "text",
                "who cancelled it; missing where nobody did",
                required=False,
                missing=True,
                choices=CANCELLED_BY,
            ),
            _amount("partner_patents", "patents of the foreign party, count"),
        ),
        ("contract",),
    ),
    Schema(
        "groups",
        "one row per business group and firm",
        (
            _text("group", "identifier"),
            _text("firm", "a firm that belongs to it"),
            _year("first_year", "since when it belongs to it"),
        ),
        ("group", "firm"),
    ),
    Schema(
        "regions",
        "one row per region",
        (
            _text("region", "identifier"),
            Column("latitude", "number", "degrees, north positive", low=-90.0, high=90.0),
            Column("longitude", "number", "degrees, east positive", low=-180.0, high=180.0),
            _text("name", "to show", required=False, missing=True),
            _flag("complex", "whether it has an industrial complex"),
            _amount("labour", "workers or inhabitants: weights of market access", missing=False),
            _flag("subsidised", "whether its adopters are subsidised"),
        ),
        ("region",),
    ),
    Schema(
        "sectors",
        "one row per sector",
        (
            _text("sector", "identifier"),
            _flag("heavy", "whether it is heavy manufacturing", required=True),
            _text("name", "to show", required=False, missing=True),
        ),
        ("sector",),
    ),
    Schema(
        "credit",
        "directed credit: one row per year and firm, or per year, region and sector; none given where no row",
        (
            _year("year", "in which it was granted"),
            _amount("amount", "money", required=True, missing=False),
            _text("firm", "who got it", required=False),
            _text("region", "where it was given", required=False),
            _text("sector", "to which sector", required=False),
        ),
        ("firm", "region", "sector", "year"),
    ),
    Schema(
        "trade_fairs",
        "one row per firm and year with a participation",
        (
            _text("firm", "identifier"),
            _year("year", "calendar year"),
            _amount("participations", "count", required=True, missing=False),
            _amount("revenue", "contracted at fairs, money", required=True, missing=False),
        ),
        ("firm", "year"),
    ),
    Schema(
        "tariffs",
        "one row per sector and year",
        (
            _text("sector", "identifier"),
            _year("year", "calendar year"),
            _amount("import_tariff", "rate on the sector's goods, 0.3 for 30%", required=True, missing=False),
            _amount("input_tariff", "rate on what the sector buys, 0.3 for 30%"),
        ),
        ("sector", "year"),
    ),
    Schema(
        "complexes",
        "one row per industrial complex",
        (
            _text("region", "where it lies"),
            _year("first_year", "in which it opened"),
            _text("sector", "for which sector; missing where for all", required=False, missing=True),
            _amount("tax_favour", "reduction of taxes, 0.3 for 30%"),
        ),
        ("region", "sector", "first_year"),
    ),
)

#: The schemas by frame.
SCHEMAS: dict[str, Schema] = {schema.frame: schema for schema in _SCHEMAS}
