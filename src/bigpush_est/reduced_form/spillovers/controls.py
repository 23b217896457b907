"""The controls of Table 1, columns 4 to 8, from whatever frames the data have.

Its notes name them; the appendix with their formulae was not available.  As read here, for a firm of region n and
sector j over the span from t₀ to t:

- market: change in log predicted market access from t₀ to t; sector j's growth of exports outside n (a log change), and
  its product with the log distance to the nearest port;
- credit: asinh of directed credit received from t₀ to t, by the firm, or by its region-sector where credit is so
  recorded;
- complex: whether an industrial complex for the sector was open in the region by t, whether it opened after t₀, and its
  tax favour;
- trade: changes in log(1 + tariff) on imports and on inputs, and their products with the log distance to port and with
  whether the firm exported in t₀; asinh of revenues and of participations at trade fairs from t₀ to t.

What the data lack is left out and said so.  Distances to port below one kilometre count as one.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bigpush_est.data.frames import MicroData, Note
from bigpush_est.data.geography import great_circle
from bigpush_est.errors import InvalidValue
from bigpush_est.reduced_form.linear.frames_in import as_pandas, codes_of, require_columns
from bigpush_est.reduced_form.spillovers.group_instrument import growth_elsewhere
from bigpush_est.reduced_form.spillovers.market_access import market_access, predicted_market_access

type FloatArray = NDArray[np.float64]
type Totals = Callable[[int, str | None], FloatArray]


def control_columns(
    frame: pd.DataFrame,
    data: MicroData,
    places: pd.DataFrame,
    regions: pd.Index,
    sectors: pd.Index,
    totals: Totals,
    elasticity: float,
    ports: Any,
    notes: list[Note],
) -> tuple[dict[str, tuple[str, ...]], dict[str, str]]:
    """Add the controls' columns to the rows of equation (3.3).

    Parameters
    ----------
    frame
        Rows with ``firm``, ``region``, ``sector``, ``start`` and ``end``; columns are added to it.
    data, places
        Micro data, and the regions with coordinates.
    regions, sectors
        Labels in the order of `totals`.
    totals
        Returns firms, or the sum of a column of the panel, by region and sector in a year, shape (R, J).
    elasticity
        Of market access to distance.
    ports
        Frame with ``latitude`` and ``longitude``, or None.
    notes
        Takes what is missing.

    Returns
    -------
    controls
        Columns by block.
    unavailable
        Why a block or a part of one is not there.

    Raises
    ------
    InvalidValue
        For ports without coordinates.
    """
    unavailable: dict[str, str] = {}
    place, sector = codes_of(frame["region"], regions), codes_of(frame["sector"], sectors)
    distance = _distances(places)
    port = _port_distance(places, ports, unavailable)
    log_port = None if port is None else np.log(np.maximum(port, 1.0))[place]
    blocks = {
        "market": _market(frame, data, place, sector, distance, totals, elasticity, log_port, unavailable),
        "credit": _credit(frame, data, unavailable),
        "complex": _complex(frame, data, unavailable),
        "trade": _trade(frame, data, log_port, unavailable, notes),
    }
    located = np.isfinite(distance).any(axis=1)
    frame["market_access_initial"] = _initial_access(frame, place, distance, located, totals, elasticity)
    return {name: columns for name, columns in blocks.items() if columns}, unavailable


def _distances(places: pd.DataFrame) -> FloatArray:
    coordinates = places[["latitude", "longitude"]].astype(float).to_numpy()
    known = np.isfinite(coordinates).all(axis=1)
    distance = np.full((len(places), len(places)), np.nan)
    if known.any():
        distance[np.ix_(known, known)] = great_circle(*coordinates[known].T)
    return distance


def _port_distance(places: pd.DataFrame, ports: Any, unavailable: dict[str, str]) -> FloatArray | None:
    """Kilometres from each region to the nearest port; a column ``port_distance`` of the regions comes first."""
    if "port_distance" in places:
        return places["port_distance"].to_numpy(dtype=np.float64)
    if ports is None:
        unavailable["distance to port"] = "neither ports nor a column 'port_distance' of the regions was given"
        return None
    where = as_pandas(ports, "ports")
    require_columns(where, ["latitude", "longitude"], "ports")
    if where.empty:
        raise InvalidValue(key="ports", value="no row", requirement="at least one port", remedy="leave ports out")
    here = places[["latitude", "longitude"]].astype(float).to_numpy()
    known = np.isfinite(here).all(axis=1)
    found = np.full(len(places), np.nan)
    found[known] = great_circle(
        here[known, 0], here[known, 1], where["latitude"].to_numpy(), where["longitude"].to_numpy()
    ).min(axis=1)
    return found


def _spans(frame: pd.DataFrame) -> list[tuple[int, int, NDArray[np.intp]]]:
    pairs = frame[["start", "end"]].drop_duplicates().itertuples(index=False)
    return [
        (int(start), int(end), np.flatnonzero(((frame["start"] == start) & (frame["end"] == end)).to_numpy()))
        for start, end in pairs
    ]


def _initial_access(
    frame: pd.DataFrame,
    place: NDArray[np.int64],
    distance: FloatArray,
    located: NDArray[np.bool_],
    totals: Totals,
    elasticity: float,
) -> FloatArray:
    """Log market access at t₀, the moderator of the heterogeneity."""
    built = np.full(len(frame), np.nan)
    for start, _, rows in _spans(frame):
        access = np.full(len(distance), np.nan)
        size = totals(start, "sales").sum(axis=1)
        access[located] = market_access(size[located], distance[np.ix_(located, located)], elasticity)
        built[rows] = np.log(access)[place[rows]]
    return built


def _market(
    frame: pd.DataFrame,
    data: MicroData,
    place: NDArray[np.int64],
    sector: NDArray[np.int64],
    distance: FloatArray,
    totals: Totals,
    elasticity: float,
    log_port: FloatArray | None,
    unavailable: dict[str, str],
) -> tuple[str, ...]:
    located = np.isfinite(distance).any(axis=1)
    apart = distance[np.ix_(located, located)]
    change, exports = np.full(len(frame), np.nan), np.full(len(frame), np.nan)
    has_exports = "exports" in data.panel
    for start, end, rows in _spans(frame):
        before, after = totals(start, "sales"), totals(end, "sales")
        access = np.full(len(distance), np.nan)
        access[located] = np.log(
            predicted_market_access(before[located], after[located], apart, elasticity)
            / market_access(before[located].sum(axis=1), apart, elasticity)
        )
        change[rows] = access[place[rows]]
        if has_exports:
            first, last = totals(start, "exports"), totals(end, "exports")
            grown = growth_elsewhere(first, last, place[rows], sector[rows])
            exports[rows] = np.log(grown, out=np.full(rows.size, np.nan), where=grown > 0)
    frame["market_access_change"] = change
    columns = ["market_access_change"]
    if not has_exports:
        unavailable["predicted exports"] = "the panel has no column 'exports'"
    elif log_port is not None:
        frame["predicted_exports"] = exports
        frame["predicted_exports_port"] = exports * log_port
        columns += ["predicted_exports", "predicted_exports_port"]
    return tuple(columns)


def _within(frame: pd.DataFrame, events: pd.DataFrame, keys: list[str], column: str) -> FloatArray:
    """Sum of a column over the years from t₀ to t, by key; zero where there is no row."""
    built = np.zeros(len(frame))
    for start, end, rows in _spans(frame):
        inside = events[events["year"].between(start, end)]
        summed = inside.groupby(keys)[column].sum()
        at = frame.iloc[rows][keys]
        index = pd.Index(at[keys[0]]) if len(keys) == 1 else pd.MultiIndex.from_frame(at)
        built[rows] = summed.reindex(index).fillna(0.0).to_numpy(dtype=np.float64)
    return built


def _credit(frame: pd.DataFrame, data: MicroData, unavailable: dict[str, str]) -> tuple[str, ...]:
    credit = data.credit
    if credit is None:
        unavailable["credit"] = "there is no frame 'credit'"
        return ()
    keys = ["firm"] if "firm" in credit else ["region", "sector"]
    frame["credit"] = np.arcsinh(_within(frame, credit, keys, "amount"))
    return ("credit",)


def _complex(frame: pd.DataFrame, data: MicroData, unavailable: dict[str, str]) -> tuple[str, ...]:
    complexes = data.complexes
    if complexes is None:
        unavailable["complex"] = "there is no frame 'complexes'"
        return ()
    if "sector" not in complexes:
        complexes["sector"] = None
    favour = complexes["tax_favour"].fillna(0.0) if "tax_favour" in complexes else pd.Series(0.0, complexes.index)
    sites = complexes.assign(tax_favour=favour)
    for_all = sites[sites["sector"].isna()].drop(columns="sector")
    spread = for_all.merge(frame[["sector"]].drop_duplicates(), how="cross")
    sites = pd.concat([sites[sites["sector"].notna()], spread], ignore_index=True)
    sites = sites.groupby(["region", "sector"]).agg(first_year=("first_year", "min"), tax_favour=("tax_favour", "max"))
    found = sites.reindex(pd.MultiIndex.from_frame(frame[["region", "sector"]]))
    opened = found["first_year"].to_numpy(dtype=np.float64)
    by_end = opened <= frame["end"].to_numpy()
    frame["complex"] = by_end.astype(np.float64)
    frame["complex_new"] = (by_end & (opened > frame["start"].to_numpy())).astype(np.float64)
    columns = ["complex", "complex_new"]
    if "tax_favour" in complexes:
        frame["complex_tax"] = np.where(by_end, found["tax_favour"].fillna(0.0).to_numpy(dtype=np.float64), 0.0)
        columns.append("complex_tax")
    else:
        unavailable["tax favours"] = "the complexes have no column 'tax_favour'"
    return tuple(columns)


def _trade(
    frame: pd.DataFrame,
    data: MicroData,
    log_port: FloatArray | None,
    unavailable: dict[str, str],
    notes: list[Note],
) -> tuple[str, ...]:
    columns: list[str] = []
    exporter = _exporters(frame, data, unavailable, notes)
    tariffs = data.tariffs
    if tariffs is None:
        unavailable["tariffs"] = "there is no frame 'tariffs'"
    else:
        for kind in ("import_tariff", "input_tariff"):
            if kind not in tariffs:
                unavailable[kind] = f"the tariffs have no column '{kind}'"
                continue
            change = _log_change(frame, tariffs, kind)
            unknown = int(np.isnan(change).sum())
            if unknown:
                notes.append(Note("tariffs", f"rows without {kind} at both ends", unknown, len(frame)))
            frame[kind] = change
            columns.append(kind)
            if log_port is not None:
                frame[f"{kind}_port"] = change * log_port
                columns.append(f"{kind}_port")
            if exporter is not None:
                frame[f"{kind}_exporter"] = change * exporter
                columns.append(f"{kind}_exporter")
    if exporter is not None and columns:
        frame["exporter"] = exporter
        columns.append("exporter")
    fairs = data.trade_fairs
    if fairs is None:
        unavailable["trade fairs"] = "there is no frame 'trade_fairs'"
    else:
        frame["fair_revenue"] = np.arcsinh(_within(frame, fairs, ["firm"], "revenue"))
        frame["fair_participations"] = np.arcsinh(_within(frame, fairs, ["firm"], "participations"))
        columns += ["fair_revenue", "fair_participations"]
    return tuple(columns)


def _exporters(
    frame: pd.DataFrame, data: MicroData, unavailable: dict[str, str], notes: list[Note]
) -> FloatArray | None:
    """Whether each firm exported in t₀."""
    panel = data.panel
    if "exports" not in panel:
        unavailable["initial export status"] = "the panel has no column 'exports'"
        return None
    exports = panel.set_index(["firm", "year"])["exports"]
    sold = exports.reindex(pd.MultiIndex.from_frame(frame[["firm", "start"]])).to_numpy(dtype=np.float64)
    unknown = int(np.isnan(sold).sum())
    if unknown:
        notes.append(Note("panel", "exports unknown in the first year, taken for none", unknown, len(frame)))
    exporting: FloatArray = (np.nan_to_num(sold) > 0).astype(np.float64)
    return exporting


def _log_change(frame: pd.DataFrame, tariffs: pd.DataFrame, kind: str) -> FloatArray:
    rates = tariffs.set_index(["sector", "year"])[kind]
    ends: Mapping[str, FloatArray] = {
        name: np.log1p(rates.reindex(pd.MultiIndex.from_frame(frame[["sector", name]])).to_numpy(dtype=np.float64))
        for name in ("start", "end")
    }
    return ends["end"] - ends["start"]
