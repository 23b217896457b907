"""Adopters and firms of the adopting sector by region and year: the counts of a joint posterior, from panel or CSV.

A firm of a panel counts in a year if it is on record then and its sector is marked ``heavy``; it is an adopter from the
year of its first contract that was not cancelled.  Years are the economy's: the model's period ends there.

A file of counts has one row per region and year; what has no row is not observed.

| Column | Meaning |
|---|---|
| region | a region of the economy, by its short name |
| year | a year of the economy |
| adopters | firms that had adopted by then, a whole number |
| firms | firms in all, a whole number |
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bigpush_est.bayes.models.adoption import AdoptionCounts
from bigpush_est.data.checked_csv import Row, read_rows
from bigpush_est.data.economy import EconomyBundle
from bigpush_est.data.frames import MicroData
from bigpush_est.equilibrium.adoption_map import FloatArray
from bigpush_est.errors import InvalidValue
from bigpush_est.reduced_form.spillovers.adopter_shares import adoption_status

_REMEDY = "check this row of your counts"


def panel_counts(data: MicroData, bundle: EconomyBundle, years: Sequence[int], *, national: bool) -> AdoptionCounts:
    """Count adopters and firms of a panel's heavy sectors.

    Parameters
    ----------
    data
        Panel, contracts and sectors.
    bundle
        The economy, whose regions and years are counted.
    years
        Those of its years that are observed.
    national
        One cell for the whole country, in which regions weigh as they have firms, or one for each region.

    Raises
    ------
    FrameMissing
        Without contracts or sectors.
    InvalidValue
        For a region that the economy lacks, a sector that the sectors' frame lacks, or a year without heavy firms.

    Examples
    --------
    >>> from bigpush_est.data.economy_bundle import load_economy_bundle
    >>> from bigpush_est.data.locate import data_folder
    >>> from bigpush_est.data.sample_panel import sample_panel
    >>> bundle = load_economy_bundle(data_folder("korea/economy"))
    >>> found = panel_counts(sample_panel(), bundle, bundle.years, national=True)
    >>> found.adopters.ravel().tolist(), found.firms.ravel().tolist()
    ([5.0, 22.0, 55.0], [211.0, 279.0, 389.0])
    """
    panel, sectors = data.panel, data.need("sectors", "adoption counts")
    contracts = data.need("contracts", "adoption counts")
    if "cancelled_year" in contracts:
        contracts = contracts[contracts["cancelled_year"].isna()]
    heavy = dict(zip(sectors["sector"], sectors["heavy"].astype(bool), strict=True))
    _known("sector", panel["sector"], heavy, "the sectors frame")
    rows = panel.loc[panel["sector"].map(heavy) & panel["year"].isin(list(years)), ["firm", "year", "region"]]
    _known("region", rows["region"], bundle.regions, f"the economy {bundle.name!r}")
    adopters, firms = np.zeros((2, len(bundle.years), len(bundle.regions)))
    region = pd.Index(bundle.regions).get_indexer(pd.Index(rows["region"]))
    period = pd.Index(bundle.years).get_indexer(pd.Index(rows["year"]))
    adopted = adoption_status(rows, contracts)
    np.add.at(firms, (period, region), 1.0)
    np.add.at(adopters, (period, region), adopted.astype(np.float64))
    for year in years:
        if not firms[bundle.years.index(year)].any():
            raise InvalidValue(
                key="evidence.adoption.years",
                value=year,
                requirement="a year in which the panel has heavy firms",
                remedy=f"the panel has the years {data.years[0]} to {data.years[1]}",
            )
    return _counts(adopters, firms, national, f"{data.source or 'firm panel'}, heavy firms on record ({data.label})")


def file_counts(path: Path, bundle: EconomyBundle, years: Sequence[int], *, national: bool) -> AdoptionCounts:
    r"""Read a file of counts.

    Parameters
    ----------
    path
        A CSV file with the columns region, year, adopters and firms.
    bundle, years, national
        As in ``panel_counts``.

    Raises
    ------
    InputError
        Naming file, row, column, value and remedy.

    Examples
    --------
    >>> import tempfile
    >>> from bigpush_est.data.economy_example import example_bundle
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder) / "counts.csv"
    ...     _ = file.write_text("region,year,adopters,firms\nhill,1976,3,40\n", encoding="utf-8")
    ...     file_counts(file, example_bundle(), (1972, 1976), national=False).adopters.tolist()
    [[0.0, 0.0], [3.0, 0.0]]
    """
    adopters, firms = np.zeros((2, len(bundle.years), len(bundle.regions)))
    seen: set[tuple[int, int]] = set()
    for row in read_rows(path, ["region", "year", "adopters", "firms"], remedy=_REMEDY):
        if row.text("region") not in bundle.regions:
            raise row.refuse("region", f"a region of the economy {bundle.name!r}", "use the names of its regions.csv")
        year = row.number("year")
        if year not in years:
            raise row.refuse("year", f"one of {', '.join(map(str, years))}", "leave other years out")
        place = bundle.years.index(int(year)), bundle.regions.index(row.text("region"))
        if place in seen:
            raise row.refuse("region", "once for each year", "add the two rows up, or drop one")
        seen.add(place)
        firms[place], adopters[place] = _whole(row, "firms"), _whole(row, "adopters")
        if adopters[place] > firms[place]:
            raise row.refuse("adopters", f"at most the {firms[place]:g} firms", "count firms, each once")
    return _counts(adopters, firms, national, path.name)


def _whole(row: Row, column: str) -> float:
    number = row.number(column)
    if number < 0 or number != int(number):
        raise row.refuse(column, "a whole number, at least 0", "count firms, not shares")
    return number


def _known(column: str, values: pd.Series, known: Any, where: str) -> None:
    lacking = sorted(set(values) - set(known))
    if lacking:
        raise InvalidValue(
            key=f"panel, column '{column}'",
            value=lacking[0],
            requirement=f"a {column} of {where}, as adoption counts need it ({len(lacking)} are not)",
            remedy=f"rename it as there, or give the counts in a file; known are {', '.join(map(str, known))}",
        )


def _counts(adopters: FloatArray, firms: FloatArray, national: bool, provenance: str) -> AdoptionCounts:
    if not national:
        return AdoptionCounts(adopters, firms, None, provenance)
    weights = firms.sum(axis=0, keepdims=True)
    if not weights.any():
        raise InvalidValue(key="firms", value="0 in every region", requirement="some firms", remedy="pass counts")
    totals = [values.sum(axis=1, keepdims=True) for values in (adopters, firms)]
    return AdoptionCounts(totals[0], totals[1], weights / weights.sum(), provenance)


def stored(counts: AdoptionCounts) -> dict[str, Any]:
    """Return counts as JSON can hold them."""
    return {
        "adopters": counts.adopters.tolist(),
        "firms": counts.firms.tolist(),
        "cells": None if counts.cells is None else counts.cells.tolist(),
        "provenance": counts.provenance,
    }


def restored(content: dict[str, Any]) -> AdoptionCounts:
    """Return what ``stored`` wrote."""
    return AdoptionCounts(content["adopters"], content["firms"], content["cells"], content["provenance"])
