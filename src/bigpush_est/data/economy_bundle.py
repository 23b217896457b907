"""An economy as a folder of CSV files and an ``economy.toml``: load one, write one.

The guide to the files is the table below; `bigpush_est.data.economy` says what each number is and which shape it gets.
To start an economy of your own, write the smallest one and edit its files::

    from bigpush_est.data.economy_bundle import write_economy_bundle
    from bigpush_est.data.economy_example import example_bundle

    write_economy_bundle(example_bundle(), "my-country")

| file | columns | what has to hold |
|---|---|---|
| regions.csv | region, name, latitude, longitude, labour, subsidised, area_km2? | labour above 0; subsidised 0 or 1 |
| sectors.csv | sector, adopts, foreign_trade, distance_elasticity, distortion_elasticity | the first two 0 or 1 |
| ports.csv? | port, region?, latitude?, longitude? | a region, or a latitude and a longitude |
| expressway.csv? | from, to | regions; each leg once |
| preferences.csv | year, sector, share | sums to 1 in each year |
| input_output.csv | year, sector, input, share | input: a sector or "labour"; sums to 1 for each sector |
| tariffs.csv | year, sector, rate | at least 0 |
| firm_mass.csv | region, sector, mass | sums to 1 |
| gross_output.csv | year, region, sector, share_of_sector | sums to 1 over regions; 0 just where the mass is 0 |
| trade.csv | year, sector, export_intensity, import_share | below 1; 0 without foreign trade |
| growth.csv | year, real_gdp | 1 in the first year |
| ppi.csv | year, sector, ppi | above 0 |
| adopter_shares.csv | region, sector, share | only adopting sectors; from 0 to 1; before the first year |
| moments.csv? | moment, value, source, weight? | the name is one of `MOMENTS` |

A question mark marks what may be left out; a file without rows is refused: leave it out instead.

``economy.toml`` has name, label ("real", "published" or "synthetic"), description, labour_unit, years,
years_per_period, where wanted expressway_reduction (0.66), national_area_km2 (instead of area_km2) and seed, and for
each file a table such as ``[provenance.trade]`` with its own label and source.

Examples
--------
>>> import tempfile
>>> from bigpush_est.data.economy_bundle import load_economy_bundle, write_economy_bundle
>>> from bigpush_est.data.economy_example import example_bundle
>>> with tempfile.TemporaryDirectory() as parent:
...     write_economy_bundle(example_bundle(), f"{parent}/two-regions")
...     economy = load_economy_bundle(f"{parent}/two-regions")
>>> economy.name, economy.preferences.tolist()
('two regions', [[0.4, 0.6], [0.45, 0.55]])
"""

import hashlib
import json
import shutil
import tempfile
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from bigpush_est.data.checked_csv import Row, read_rows
from bigpush_est.data.economy import EconomyBundle, Moment, Port, Provenance
from bigpush_est.data.economy_checks import (
    LABELS,
    MOMENTS,
    OPTIONAL_TABLES,
    TABLES,
    allowed_moments,
    check_labels,
    check_provenance,
    check_years,
)
from bigpush_est.data.economy_tables import LABOUR, PANELS, REMEDY, Floats, Rows, csv_text, panel_text, read_panel
from bigpush_est.errors import MissingKey, OutputOccupied, UnknownKey, UnreadableFile, UnwritableFolder, WrongType

__all__ = [
    "LABELS",
    "MOMENTS",
    "OPTIONAL_TABLES",
    "TABLES",
    "EconomyBundle",
    "Moment",
    "Port",
    "Provenance",
    "allowed_moments",
    "differing_numbers",
    "economy_fingerprint",
    "load_economy_bundle",
    "write_economy_bundle",
]

HEAD = "economy.toml"
_REGION_COLUMNS = ("region", "name", "latitude", "longitude", "labour", "subsidised")
_SECTOR_COLUMNS = ("sector", "adopts", "foreign_trade", "distance_elasticity", "distortion_elasticity")

#: The keys of the file's head: their type, in words, and whether they may be missing.
_KEYS: dict[str, tuple[type, str, bool]] = {
    "name": (str, "text", False),
    "label": (str, "text", False),
    "description": (str, "text", False),
    "labour_unit": (str, "text", False),
    "years": (list, "a list of whole numbers", False),
    "years_per_period": (int, "a whole number", False),
    "expressway_reduction": (float, "a number", True),
    "national_area_km2": (float, "a number", True),
    "seed": (int, "a whole number", True),
    "provenance": (dict, "a table", False),
}

#: Which array holds which panel's column; the two panels left out are taken apart by hand.
_ARRAYS = {
    "preferences": {"share": "preferences"},
    "tariffs": {"rate": "tariffs"},
    "firm_mass": {"mass": "firm_mass"},
    "gross_output": {"share_of_sector": "gross_output"},
    "trade": {"export_intensity": "export_intensity", "import_share": "import_share"},
    "growth": {"real_gdp": "real_gdp"},
    "ppi": {"ppi": "ppi"},
}


# --- reading ---------------------------------------------------------------------------------------------------------


def load_economy_bundle(folder: str | Path) -> EconomyBundle:
    """Load an economy from a folder and check all of it.

    Parameters
    ----------
    folder
        A folder with ``economy.toml`` and the CSV files.

    Returns
    -------
    EconomyBundle
        The economy, with the numbers of the files: shares that add up to one within 1e-8 are not rescaled.

    Raises
    ------
    InputError
        For the first thing wrong; the message names the file, the row, the column and the value.
    """
    place = Path(folder)
    if not place.is_dir():
        raise UnreadableFile(path=place, reason="there is no such folder", remedy="name the folder of an economy")
    head = _read_head(place / HEAD)
    # a file whose name is misspelt would pass for one that is left out: its provenance tells
    check_provenance(head["provenance"], [table for table in OPTIONAL_TABLES if (place / f"{table}.csv").exists()])
    rows: dict[str, Rows] = {}
    regions, names, region_arrays = _read_regions(place / "regions.csv", rows)
    sectors, sector_arrays = _read_sectors(place / "sectors.csv", rows)
    labels: dict[str, Sequence[str]] = {
        "year": [str(year) for year in head["years"]],
        "region": regions,
        "sector": sectors,
        "input": [*sectors, LABOUR],
    }
    check_labels(regions, names, sectors, rows)  # before they are looked up: a name given twice has two positions
    arrays: dict[str, Any] = region_arrays | sector_arrays
    for table, columns in _ARRAYS.items():
        found, rows[table] = read_panel(place / PANELS[table].file, PANELS[table], labels)
        arrays |= {key: found[column] for column, key in columns.items()}
    found, rows["input_output"] = read_panel(place / "input_output.csv", PANELS["input_output"], labels)
    arrays |= {"input_share": found["share"][:, :, :-1], "labour_share": found["share"][:, :, -1]}
    adopts = arrays["adopts"] > 0
    adopting = [sector for sector, can in zip(sectors, adopts, strict=True) if can]
    arrays["adopter_share"] = np.zeros((len(regions), len(sectors)))
    if adopting:  # otherwise the check says that none adopts, which is what is wrong
        shares = PANELS["adopter_shares"]
        found, rows["adopter_shares"] = read_panel(place / shares.file, shares, labels | {"sector": adopting})
        arrays["adopter_share"][:, adopts] = found["share"]
    return EconomyBundle(
        **head,
        regions=regions,
        region_names=names,
        sectors=sectors,
        ports=_read_ports(place / "ports.csv", rows),
        expressway=_read_expressway(place / "expressway.csv", rows),
        moments=_read_moments(place / "moments.csv", rows),
        **arrays,
        rows=rows,
    )


def _read_head(path: Path) -> dict[str, Any]:
    try:
        raw = tomllib.loads(path.read_bytes().decode("utf-8-sig"))
    except OSError as error:
        raise UnreadableFile(path=path, reason=str(error.strerror), remedy="give the economy its head") from None
    except UnicodeDecodeError:
        raise UnreadableFile(path=path, reason="it is not UTF-8", remedy="save it as UTF-8") from None
    except (ValueError, RecursionError) as error:
        raise UnreadableFile(path=path, reason=f"it is not TOML: {error}", remedy="correct the line named") from None
    for key, value in raw.items():
        if key not in _KEYS:
            raise UnknownKey(
                where=HEAD, key=key, value=repr(value), remedy=f"remove it, or use one of {', '.join(_KEYS)}"
            )
    head = {}
    for key, (kind, words, optional) in _KEYS.items():
        if key in raw:
            head[key] = _typed(key, raw[key], kind, words)
        elif not optional:
            raise MissingKey(where=HEAD, key=key, remedy=f"it is {words}")
    head["years"] = tuple(_typed("years", year, int, "a list of whole numbers") for year in head["years"])
    check_years(head["years"], head["years_per_period"])
    head["provenance"] = {table: _read_provenance(table, given) for table, given in head["provenance"].items()}
    return head


def _typed(key: str, value: object, kind: type, words: str) -> Any:
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, kind) or isinstance(value, bool):  # true is a whole number to Python
        raise WrongType(key=f"{HEAD}, {key}", value=repr(value), expected=words, remedy="correct it")
    return value


def _read_provenance(table: str, given: object) -> Provenance:
    key = f"provenance.{table}"
    values = _typed(key, given, dict, "a table with label and source")
    for name, value in values.items():
        if name not in ("label", "source"):
            raise UnknownKey(where=f"{HEAD}, {key}", key=name, value=repr(value), remedy="keep label and source")
    for name in ("label", "source"):
        if name not in values:
            raise MissingKey(where=f"{HEAD}, {key}", key=name, remedy="say what kind of data they are and where from")
    return Provenance(*(_typed(f"{key}.{name}", values[name], str, "text") for name in ("label", "source")))


def _flag(row: Row, column: str) -> float:
    return float(row.choice(column, ("0", "1")))


def _lines(rows: Sequence[Row]) -> Rows:
    return np.array([row.line for row in rows], dtype=np.int64)


def _read_regions(path: Path, rows: dict[str, Rows]) -> tuple[tuple[str, ...], tuple[str, ...], dict[str, Floats]]:
    read = list(read_rows(path, _REGION_COLUMNS, ["area_km2"], REMEDY))
    rows["regions"] = _lines(read)
    arrays = {c: np.array([row.number(c) for row in read]) for c in ("latitude", "longitude", "labour")}
    arrays["subsidised"] = np.array([_flag(row, "subsidised") for row in read])
    if any(row.cells["area_km2"] for row in read):
        arrays["area_km2"] = np.array([row.number("area_km2") for row in read])
    return tuple(row.text("region") for row in read), tuple(row.text("name") for row in read), arrays


def _read_sectors(path: Path, rows: dict[str, Rows]) -> tuple[tuple[str, ...], dict[str, Floats]]:
    read = list(read_rows(path, _SECTOR_COLUMNS, remedy=REMEDY))
    rows["sectors"] = _lines(read)
    arrays = {c: np.array([_flag(row, c) for row in read]) for c in ("adopts", "foreign_trade")}
    arrays |= {c: np.array([row.number(c) for row in read]) for c in ("distance_elasticity", "distortion_elasticity")}
    return tuple(row.text("sector") for row in read), arrays


def _read_optional(
    path: Path, rows: dict[str, Rows], columns: Sequence[str], optional: Sequence[str] = ()
) -> list[Row]:
    if not path.exists():
        return []
    read = list(read_rows(path, columns, optional, REMEDY))
    rows[path.stem] = _lines(read)
    return read


def _read_ports(path: Path, rows: dict[str, Rows]) -> tuple[Port, ...]:
    read = _read_optional(path, rows, ["port"], ["region", "latitude", "longitude"])
    return tuple(
        Port(row.text("port"), row.cells["region"] or None, row.optional("latitude"), row.optional("longitude"))
        for row in read
    )


def _read_expressway(path: Path, rows: dict[str, Rows]) -> tuple[tuple[str, str], ...]:
    return tuple((row.text("from"), row.text("to")) for row in _read_optional(path, rows, ["from", "to"]))


def _read_moments(path: Path, rows: dict[str, Rows]) -> tuple[Moment, ...]:
    read = _read_optional(path, rows, ["moment", "value", "source"], ["weight"])
    return tuple(
        Moment(row.text("moment"), row.number("value"), row.text("source"), row.optional("weight")) for row in read
    )


# --- writing ---------------------------------------------------------------------------------------------------------


def write_economy_bundle(bundle: EconomyBundle, folder: str | Path, *, overwrite: bool = False) -> None:
    """Write an economy to a folder, so that loading it gives the same economy to the last bit.

    The files are written beside the folder and moved to it in one step: a reader, or an interruption, meets the whole
    economy, the whole earlier one, or none.

    Parameters
    ----------
    bundle
        The economy.
    folder
        A folder that does not exist yet or is empty.
    overwrite
        Whether an economy in the folder may be replaced. What else lies there (a README, say) stays.

    Raises
    ------
    OutputOccupied
        If something is in the folder that may not be replaced; nothing is written.
    UnwritableFolder
        If the folder cannot be written; what was there stays.
    """
    target = Path(folder).resolve()
    try:
        held = [] if not target.is_dir() else sorted(item.name for item in target.iterdir())
        if target.exists() and not target.is_dir():
            raise OutputOccupied(path=target, holds="a file of that name", remedy="choose another folder")
        if held and HEAD not in held:
            raise OutputOccupied(path=target, holds="files that are no economy", remedy="choose another folder")
        if held and not overwrite:
            raise OutputOccupied(path=target, holds="an economy", remedy="choose another folder, or allow overwriting")
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{target.name}-", dir=target.parent) as scratch:
            new, old = Path(scratch) / "new", Path(scratch) / "old"
            new.mkdir()
            for name, text in _texts(bundle).items():
                (new / name).write_text(text, encoding="utf-8", newline="")
            ours = {HEAD, *(f"{table}.csv" for table in (*TABLES, *OPTIONAL_TABLES))}
            for name in held:
                if name not in ours:
                    copy = shutil.copytree if (target / name).is_dir() else shutil.copy2
                    copy(target / name, new / name)
            try:
                if target.exists():
                    target.replace(old)
                new.replace(target)
            except BaseException:  # an interruption too: the earlier economy would go with the scratch folder
                if old.exists() and not target.exists():
                    old.replace(target)
                raise
    except OSError as error:
        raise UnwritableFolder(path=target, reason=str(error.strerror or error)) from None


def economy_fingerprint(bundle: EconomyBundle) -> str:
    """Return a hash of all that an economy holds: the same for two economies just if their files would be the same.

    Examples
    --------
    >>> from bigpush_est.data.economy_bundle import economy_fingerprint
    >>> from bigpush_est.data.economy_example import example_bundle
    >>> len(economy_fingerprint(example_bundle()))
    64
    """
    return hashlib.sha256(json.dumps(_texts(bundle), sort_keys=True).encode()).hexdigest()


def differing_numbers(one: EconomyBundle, other: EconomyBundle, tolerance: float = 1e-12) -> list[str]:
    """Return the fields in which two economies differ by more than rounding; none if they are the same economy.

    An economy that is built anew on another processor differs in the last bits: exponentials and logarithms are not
    rounded alike everywhere.  Its fingerprint then differs, though it is the same economy.

    Parameters
    ----------
    tolerance
        On the difference of two numbers, relative to the larger one's size.

    Examples
    --------
    >>> from dataclasses import replace
    >>> from bigpush_est.data.economy_bundle import differing_numbers
    >>> from bigpush_est.data.economy_example import example_bundle
    >>> economy = example_bundle()
    >>> differing_numbers(economy, replace(economy, labour=economy.labour * (1 + 1e-15)))
    []
    >>> differing_numbers(economy, replace(economy, labour=economy.labour * 1.01))
    ['labour']
    """
    found = []
    for entry in fields(EconomyBundle):
        mine, theirs = getattr(one, entry.name), getattr(other, entry.name)
        if isinstance(mine, np.ndarray) and np.issubdtype(mine.dtype, np.floating):
            same = mine.shape == theirs.shape and np.allclose(mine, theirs, rtol=tolerance, atol=0.0, equal_nan=True)
        elif isinstance(mine, np.ndarray):
            same = np.array_equal(mine, theirs)
        else:
            same = mine == theirs
        if not same:
            found.append(entry.name)
    return found


def _texts(bundle: EconomyBundle) -> dict[str, str]:
    """Return the text of each file."""
    labels: dict[str, Sequence[str]] = {
        "year": [str(year) for year in bundle.years],
        "region": bundle.regions,
        "sector": bundle.sectors,
        "input": [*bundle.sectors, LABOUR],
    }
    texts = {HEAD: _head_text(bundle), "regions.csv": _regions_text(bundle)}
    flags = (bundle.adopts.astype(int), bundle.foreign_trade.astype(int))
    elasticities = (bundle.distance_elasticity, bundle.distortion_elasticity)
    columns = [bundle.sectors, *(column.tolist() for column in (*flags, *elasticities))]
    texts["sectors.csv"] = csv_text(_SECTOR_COLUMNS, zip(*columns, strict=True))
    for table, names in _ARRAYS.items():
        arrays = {column: getattr(bundle, key) for column, key in names.items()}
        texts[f"{table}.csv"] = panel_text(PANELS[table], labels, arrays)
    shares = np.concatenate([bundle.input_share, bundle.labour_share[:, :, None]], axis=2)
    texts["input_output.csv"] = panel_text(PANELS["input_output"], labels, {"share": shares})
    adopting = [sector for sector, adopts in zip(bundle.sectors, bundle.adopts, strict=True) if adopts]
    texts["adopter_shares.csv"] = panel_text(
        PANELS["adopter_shares"], labels | {"sector": adopting}, {"share": bundle.adopter_share[:, bundle.adopts]}
    )
    if bundle.ports:
        body = [[port.name, port.region, port.latitude, port.longitude] for port in bundle.ports]
        texts["ports.csv"] = csv_text(["port", "region", "latitude", "longitude"], body)
    if bundle.expressway:
        texts["expressway.csv"] = csv_text(["from", "to"], bundle.expressway)
    if bundle.moments:
        rows = [[moment.name, moment.value, moment.weight, moment.source] for moment in bundle.moments]
        texts["moments.csv"] = csv_text(["moment", "value", "weight", "source"], rows)
    return texts


def _regions_text(bundle: EconomyBundle) -> str:
    columns: list[Sequence[object]] = [bundle.regions, bundle.region_names]
    columns += [array.tolist() for array in (bundle.latitude, bundle.longitude, bundle.labour)]
    columns.append(bundle.subsidised.astype(int).tolist())
    header = list(_REGION_COLUMNS)
    if bundle.area_km2 is not None:
        header.append("area_km2")
        columns.append(bundle.area_km2.tolist())
    return csv_text(header, zip(*columns, strict=True))


def _head_text(bundle: EconomyBundle) -> str:
    lines = [
        f"{key} = {_toml(value)}"
        for key in _KEYS
        if key != "provenance" and (value := getattr(bundle, key)) is not None
    ]
    # in the order of the files, whatever the mapping's: the text is to depend on the content alone
    tables: Mapping[str, Provenance] = bundle.provenance
    for table in (*TABLES, *OPTIONAL_TABLES):
        if table in tables:
            lines += ["", f"[provenance.{table}]"]
            lines += [f"label = {_toml(tables[table].label)}", f"source = {_toml(tables[table].source)}"]
    return "\n".join(lines) + "\n"


def _toml(value: object) -> str:
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)  # checked to be printable: JSON's escapes are then TOML's
    if isinstance(value, tuple):
        return f"[{', '.join(map(_toml, value))}]"
    return repr(value)
