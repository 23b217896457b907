"""Whether the tables of an economy fit together.

`check_economy` is called whenever an economy is made, from files or in memory; in the first case its messages name the
row of the file, in both the table, the labels and the value.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from bigpush_est.data.economy_tables import LABOUR, PANELS, REMEDY, Cells, Floats, Rows
from bigpush_est.data.geography import great_circle
from bigpush_est.errors import InvalidValue, MissingKey, UnknownKey

if TYPE_CHECKING:
    from bigpush_est.data.economy import EconomyBundle, Provenance

#: What data can be.
LABELS = ("real", "published", "synthetic")

#: What calibration can be aimed at: pattern of the name, and what is meant. <year> and <sector> are the economy's own;
#: the sector is one with foreign trade.
MOMENTS = {
    "adopter_share_<year>": "share of adopters among the firms of adopting sectors, average over regions",
    "share_of_regions_with_adoption": "share of regions with adopters in the last year",
    "exporter_share_<sector>": "share of exporters among the sector's firms, average over regions",
    "tax_rate_<year>": "taxes from output distortions over the revenue of the sectors that have them",
}

#: Tables that every economy has, and tables that it may lack.
TABLES = ("regions", "sectors", *PANELS)
OPTIONAL_TABLES = ("ports", "expressway", "moments")

_SLUG = re.compile(r"[a-z0-9][a-z0-9_-]*")
_TOML = "economy.toml"


def allowed_moments(economy: "EconomyBundle") -> list[str]:
    """Return the names of the moments that an economy can have.

    Examples
    --------
    >>> from bigpush_est.data.economy_checks import allowed_moments
    >>> from bigpush_est.data.economy_example import example_bundle
    >>> allowed_moments(example_bundle())[:3]
    ['adopter_share_1972', 'adopter_share_1976', 'share_of_regions_with_adoption']
    """
    traded = [sector for sector, trade in zip(economy.sectors, economy.foreign_trade, strict=True) if trade]
    names: list[str] = []
    for pattern in MOMENTS:
        years = [pattern.replace("<year>", str(year)) for year in economy.years]
        sectors = [pattern.replace("<sector>", sector) for sector in traded]
        names += years if "<year>" in pattern else sectors if "<sector>" in pattern else [pattern]
    return names


def check_economy(economy: "EconomyBundle", rows: Mapping[str, Rows]) -> None:
    """Refuse an economy of which anything does not fit.

    Parameters
    ----------
    economy : EconomyBundle
        The economy; its arrays have the right shapes.
    rows : mapping
        For messages, the rows of the files that the numbers come from, by table; empty if they come from no file.

    Raises
    ------
    InputError
        For the first thing wrong.
    """
    _check_head(economy)
    check_labels(economy.regions, economy.region_names, economy.sectors, rows)
    _check_regions(economy, rows)
    _check_sectors(economy, rows)
    _check_panels(economy, rows)
    _check_output(economy, rows)
    _check_ports(economy, rows)
    _check_expressway(economy, rows)
    _check_moments(economy, rows)


def _refuse(key: str, value: object, requirement: str, remedy: str) -> InvalidValue:
    return InvalidValue(key=key, value=value, requirement=requirement, remedy=remedy)


def _check_text(key: str, value: str) -> None:
    """Refuse text that a table could not hold and give back."""
    if not isinstance(value, str) or not value or value != value.strip() or not value.isprintable():
        raise _refuse(key, repr(value), "one line of text without spaces around it", "write a name or a sentence")


def _check_head(economy: "EconomyBundle") -> None:
    for key in ("name", "description", "labour_unit"):
        _check_text(f"{_TOML}, {key}", getattr(economy, key))
    check_provenance(economy.provenance, [table for table in OPTIONAL_TABLES if getattr(economy, table)])
    for table, provenance in economy.provenance.items():
        _check_text(f"{_TOML}, provenance.{table}.source", provenance.source)
    labels = {"label": economy.label}
    labels |= {f"provenance.{table}.label": provenance.label for table, provenance in economy.provenance.items()}
    for key, label in labels.items():
        if label not in LABELS:
            raise _refuse(f"{_TOML}, {key}", f"'{label}'", f"one of {', '.join(LABELS)}", "say where the data are from")
    # An economy is no better than its worst table.
    made_up = [table for table, provenance in economy.provenance.items() if provenance.label == "synthetic"]
    if made_up and economy.label != "synthetic":
        requirement = f"'synthetic', because {', '.join(made_up)} is synthetic"
        raise _refuse(f"{_TOML}, label", f"'{economy.label}'", requirement, "label the economy synthetic")
    check_years(economy.years, economy.years_per_period)
    if not 0 <= economy.expressway_reduction < 1:
        raise _refuse(
            f"{_TOML}, expressway_reduction",
            economy.expressway_reduction,
            "at least 0 and below 1",
            "write 66% as 0.66",
        )
    if (economy.area_km2 is None) == (economy.national_area_km2 is None):
        raise _refuse(
            f"{_TOML}, national_area_km2",
            economy.national_area_km2 or "(not given)",
            "given where regions.csv has no column area_km2, and only there",
            "give the country's area or the regions' areas",
        )
    if economy.national_area_km2 is not None and not 0 < economy.national_area_km2 < np.inf:
        raise _refuse(f"{_TOML}, national_area_km2", economy.national_area_km2, "above 0", "give it in km²")


def check_years(years: Sequence[int], step: int) -> None:
    """Refuse years that are not `step` years apart."""
    if step < 1:
        raise _refuse(f"{_TOML}, years_per_period", step, "at least 1", "a period of the paper has 4 years")
    if not years or any(later - year != step for year, later in pairwise(years)):
        raise _refuse(
            f"{_TOML}, years", list(years), f"years that are {step} years apart", "list them from first to last"
        )


def check_provenance(provenance: Mapping[str, "Provenance"], held: Sequence[str]) -> None:
    """Refuse provenance that lacks a table, or has one that is not there; `held` are the optional tables that are."""
    tables = (*TABLES, *held)
    for table in tables:
        if table not in provenance:
            raise MissingKey(where=f"{_TOML}, provenance", key=table, remedy=f"give {table}.csv a label and a source")
    for table, given in provenance.items():
        if table not in tables:
            missing = f"there is no {table}.csv: add it or remove the key"
            remedy = missing if table in OPTIONAL_TABLES else f"name one of {', '.join(tables)}"
            raise UnknownKey(where=f"{_TOML}, provenance", key=table, value=f"'{given.source}'", remedy=remedy)


def check_labels(
    regions: Sequence[str], region_names: Sequence[str], sectors: Sequence[str], rows: Mapping[str, Rows]
) -> None:
    """Refuse names of regions and sectors that are no short names or are given twice."""
    for table, column, names in (("regions", "region", regions), ("sectors", "sector", sectors)):
        if not names:
            raise _refuse(f"{table}.csv", "(empty)", "a list of at least one", f"list the {table}")
        seen: dict[str, int] = {}
        for i, name in enumerate(names):
            place = f"{_row(table, rows, i)}, {column}"
            if not _SLUG.fullmatch(name):
                raise _refuse(place, repr(name), "of lower-case letters, digits, - and _", "use a short name")
            if (column, name) == ("sector", LABOUR):
                raise _refuse(place, name, "a name other than the input that is no sector", "rename the sector")
            if name in seen:
                raise _refuse(place, name, f"unlike {_row(table, rows, seen[name])}", "use each name once")
            seen[name] = i
    if len(region_names) != len(regions):
        raise _refuse("regions.csv, number of names", len(region_names), str(len(regions)), "name each region")
    for i, name in enumerate(region_names):
        _check_text(f"{_row('regions', rows, i)}, name", name)


def _row(table: str, rows: Mapping[str, Rows], i: int) -> str:
    return f"{table}.csv, row {rows[table][i]}" if table in rows else f"{table}.csv, entry {i + 1}"


def _cells(economy: "EconomyBundle", rows: Mapping[str, Rows], table: str, column: str, array: Floats) -> Cells:
    labels: dict[str, Sequence[str]] = {
        "year": [str(year) for year in economy.years],
        "region": economy.regions,
        "sector": economy.sectors,
        "input": [*economy.sectors, LABOUR],
    }
    axes = {"regions": ("region",), "sectors": ("sector",)}.get(table) or PANELS[table].axes
    return Cells(f"{table}.csv", column, {axis: labels[axis] for axis in axes}, array, rows.get(table))


def _check_regions(economy: "EconomyBundle", rows: Mapping[str, Rows]) -> None:
    def column(name: str, array: Floats) -> Cells:
        return _cells(economy, rows, "regions", name, array)

    column("latitude", economy.latitude).within(-90, 90)
    column("longitude", economy.longitude).within(-180, 180)
    column("labour", economy.labour).within(0, open_low=True)
    if economy.area_km2 is not None:
        column("area_km2", economy.area_km2).within(0, open_low=True)
    distance = great_circle(economy.latitude, economy.longitude)
    np.fill_diagonal(distance, np.inf)
    if distance.min() <= 0:
        first, second = (int(i) for i in np.argwhere(distance <= 0)[0])
        raise _refuse(
            f"{_row('regions', rows, second)}, latitude and longitude",
            f"({economy.latitude[second]:g}, {economy.longitude[second]:g})",
            f"another place than that of {economy.regions[first]} ({_row('regions', rows, first)})",
            "correct one of the two, or make them one region",
        )


def _check_sectors(economy: "EconomyBundle", rows: Mapping[str, Rows]) -> None:
    if not economy.adopts.any():
        raise _refuse(
            "sectors.csv, adopts", "0 for all", "1 for at least one sector", "name the sectors that can adopt"
        )
    _cells(economy, rows, "sectors", "distance_elasticity", economy.distance_elasticity).within(0)
    # kept revenue rises with productivity only if σ(1+ξ) > 1
    _cells(economy, rows, "sectors", "distortion_elasticity", economy.distortion_elasticity).within(-1, open_low=True)


def _check_panels(economy: "EconomyBundle", rows: Mapping[str, Rows]) -> None:
    def cells(table: str, array: Floats, column: str = "") -> Cells:
        return _cells(economy, rows, table, column or PANELS[table].values[0], array)

    preferences = cells("preferences", economy.preferences)
    preferences.within(0, 1)
    preferences.sums_to_one("sector")
    inputs = cells("input_output", np.concatenate([economy.input_share, economy.labour_share[:, :, None]], axis=2))
    inputs.within(0, 1)
    is_input = np.arange(inputs.array.shape[2]) < len(economy.sectors)
    inputs.require(is_input | (inputs.array > 0), "above 0: every sector employs labour")
    inputs.sums_to_one("input")
    cells("tariffs", economy.tariffs).within(0)
    mass = cells("firm_mass", economy.firm_mass)
    mass.within(0, 1)
    mass.sums_to_one("region", "sector")
    for column in PANELS["trade"].values:
        trade = cells("trade", getattr(economy, column), column)
        trade.within(0, 1, open_high=True)
        without = "0: sectors.csv says that the sector has no foreign trade"
        trade.require(economy.foreign_trade | (trade.array == 0), without)
    growth = cells("growth", economy.real_gdp)
    growth.within(0, open_low=True)
    growth.require((growth.array == 1) | (np.arange(len(growth.array)) > 0), "1 in the first year: it is an index")
    cells("ppi", economy.ppi).within(0, open_low=True)
    # the file lists the adopting sectors only, so that its rows belong to some columns of the array
    adopting = [sector for sector, adopts in zip(economy.sectors, economy.adopts, strict=True) if adopts]
    labels = {"region": economy.regions, "sector": adopting}
    shares = Cells(
        "adopter_shares.csv", "share", labels, economy.adopter_share[:, economy.adopts], rows.get("adopter_shares")
    )
    shares.within(0, 1)
    without = "0 where firm_mass.csv has no firms"
    shares.require((economy.firm_mass[:, economy.adopts] > 0) | (shares.array == 0), without)
    others = Cells("adopter_shares.csv", "share", labels | {"sector": economy.sectors}, economy.adopter_share)
    others.require(economy.adopts | (others.array == 0), "0: sectors.csv says that the sector does not adopt")


def _check_output(economy: "EconomyBundle", rows: Mapping[str, Rows]) -> None:
    output = _cells(economy, rows, "gross_output", "share_of_sector", economy.gross_output)
    output.within(0, 1)
    firms = economy.firm_mass > 0
    remedy = "correct this row or the one in firm_mass.csv"
    output.require(firms | (output.array == 0), "0: firm_mass.csv has no firms there", remedy)
    output.require(~firms | (output.array > 0), "above 0: firm_mass.csv has firms there", remedy)
    output.sums_to_one("region")


def _repeated(keys: Sequence[object]) -> Iterator[tuple[int, int]]:
    """Yield the positions of entries that repeat an earlier one, with the earlier position."""
    seen: dict[object, int] = {}
    for i, key in enumerate(keys):
        if key in seen:
            yield i, seen[key]
        seen.setdefault(key, i)


def _check_ports(economy: "EconomyBundle", rows: Mapping[str, Rows]) -> None:
    if economy.foreign_trade.any() and not economy.ports:
        raise MissingKey(where="ports.csv", key="a port", remedy="sectors.csv has sectors with foreign trade")
    for i, port in enumerate(economy.ports):
        place = _row("ports", rows, i)
        _check_text(f"{place}, port", port.name)
        coordinates = (port.latitude, port.longitude)
        if (port.region is None) == (None in coordinates) or (port.region is not None and coordinates != (None, None)):
            raise _refuse(
                f"{place}, region, latitude and longitude",
                f"({port.region or '(empty)'}, {port.latitude}, {port.longitude})",
                "either a region or a latitude and a longitude",
                "leave the other columns empty",
            )
        if port.region is not None and port.region not in economy.regions:
            raise _refuse(f"{place}, region", port.region, "one of the economy's regions", "see regions.csv")
        if port.region is None:
            for column, bound in (("latitude", 90), ("longitude", 180)):
                value = getattr(port, column)
                if not -bound <= value <= bound:
                    raise _refuse(f"{place}, {column}", value, f"between -{bound} and {bound} degrees", REMEDY)
    for i, first in _repeated([port.name for port in economy.ports]):
        raise _refuse(
            f"{_row('ports', rows, i)}, port", economy.ports[i].name, f"unlike {_row('ports', rows, first)}", REMEDY
        )


def _check_expressway(economy: "EconomyBundle", rows: Mapping[str, Rows]) -> None:
    for i, leg in enumerate(economy.expressway):
        for column, region in zip(("from", "to"), leg, strict=True):
            if region not in economy.regions:
                place = f"{_row('expressway', rows, i)}, {column}"
                raise _refuse(place, region, "one of the economy's regions", "see regions.csv")
        if leg[0] == leg[1]:
            raise _refuse(f"{_row('expressway', rows, i)}, to", leg[1], "another region than from", REMEDY)
    for i, first in _repeated([frozenset(leg) for leg in economy.expressway]):
        place = f"{_row('expressway', rows, i)}, from and to"
        requirement = f"another leg than {_row('expressway', rows, first)}"
        raise _refuse(place, " - ".join(economy.expressway[i]), requirement, "list each leg once, in one direction")


def _check_moments(economy: "EconomyBundle", rows: Mapping[str, Rows]) -> None:
    allowed = allowed_moments(economy)
    for i, moment in enumerate(economy.moments):
        place = _row("moments", rows, i)
        if moment.name not in allowed:
            raise _refuse(f"{place}, moment", moment.name, f"one of {', '.join(allowed)}", "rename or remove it")
        if not 0 <= moment.value <= 1:
            raise _refuse(f"{place}, value", moment.value, "between 0 and 1", "write percentages as fractions")
        if moment.weight is not None and not 0 < moment.weight < np.inf:
            raise _refuse(f"{place}, weight", moment.weight, "above 0", "remove the moment, or leave its weight empty")
        _check_text(f"{place}, source", moment.source)
    for i, first in _repeated([moment.name for moment in economy.moments]):
        place = f"{_row('moments', rows, i)}, moment"
        raise _refuse(place, economy.moments[i].name, f"unlike {_row('moments', rows, first)}", "keep one")
