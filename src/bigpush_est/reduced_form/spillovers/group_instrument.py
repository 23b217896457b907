"""The business-group instrument, equation (3.4) of the paper, as a linear map from what groups' far units do.

    IV_i = Z_{i,t−h} − Z_{i,t₀−h},    Z_{i,s} = Σ_{g̃ ≠ g(i)} D_{g̃njt₀} · T_{g̃(−n)j,s} / N^p_{(−i)nj,s}

T counts the adopters in year s among the units of sector j that operated and belonged to g̃ in the initial year t₀,
outside place n and the ring around it.  The denominator is predicted (footnote 10):

    N^p_{(−i)nj,s} = g_{(−n)j} · N_{(−i)nj,t₀−h},    g_{(−n)j} = Σ_{m≠n} N_{mj,s} / Σ_{m≠n} N_{mj,t₀−h}

so that at s = t₀ − h it is the count itself.  Write x for the units' histories, a vector over units and dates.  Then
IV = A x with a sparse matrix A that holds exposure and denominators: redrawing adoptions and rebuilding the instrument
is one product, and leaving a group out is setting its entries of x to zero.

The control for the groups' size ("constructed similarly", equation (C.4) of an appendix that was not available) is read
as the same map applied to the units' sales, with predicted local sales as denominators.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from bigpush_est.errors import InvalidValue, ShapeMismatch
from bigpush_est.reduced_form.linear.frames_in import as_pandas, codes_of, require_columns
from bigpush_est.reduced_form.result import Summarised
from bigpush_est.reduced_form.spillovers.group_network import (
    RING,
    Codes,
    DroppedFromNetwork,
    FloatArray,
    Network,
    exposure,
)


def growth_elsewhere(initial: ArrayLike, later: ArrayLike, place: ArrayLike, sector: ArrayLike) -> FloatArray:
    """Return g_{(−n)j}: how a sector grew outside a place, as a ratio.

    Parameters
    ----------
    initial, later
        Totals by place and sector at the two dates, shape (R, J).
    place, sector
        Of each firm, codes, shape (N,).

    Returns
    -------
    ndarray of shape (N,)
        NaN where the sector had nothing elsewhere at first.

    Raises
    ------
    ShapeMismatch
        For totals of different shapes.

    Examples
    --------
    >>> growth_elsewhere([[10.0], [4.0]], [[30.0], [8.0]], [0], [0])
    array([2.])
    """
    first, last = np.asarray(initial, dtype=np.float64), np.asarray(later, dtype=np.float64)
    n, j = np.asarray(place, dtype=np.int64), np.asarray(sector, dtype=np.int64)
    if first.shape != last.shape or first.ndim != 2:
        raise ShapeMismatch(
            key="later", shape=last.shape, expected=f"{first.shape}, as the initial totals", remedy="pass (R, J) arrays"
        )
    before, after = first.sum(axis=0)[j] - first[n, j], last.sum(axis=0)[j] - last[n, j]
    # differences of sums of sales leave rounding where nothing is left
    growth: FloatArray = np.divide(after, before, out=np.full(n.size, np.nan), where=before > 1e-12 * first.sum())
    return growth


def predicted_totals(
    initial: ArrayLike, later: ArrayLike, place: ArrayLike, sector: ArrayLike, own: ArrayLike
) -> FloatArray:
    """Return the initial local total without the firm, grown at the sector's rate elsewhere.

    Footnote 10, for counts of firms; the same for sales.

    Parameters
    ----------
    initial, later
        Totals by place and sector at t₀ − h and at s, shape (R, J).
    place, sector
        Of each firm, codes, shape (N,).
    own
        What the firm itself adds to its cell's initial total, shape (N,).

    Returns
    -------
    ndarray of shape (N,)
        NaN where the sector had nothing elsewhere, so that no growth can be formed.

    Raises
    ------
    ShapeMismatch
        For totals of different shapes.

    Examples
    --------
    Ten firms in one place; elsewhere the sector doubles:

    >>> predicted_totals([[10.0], [4.0]], [[30.0], [8.0]], [0], [0], [1.0])
    array([18.])
    """
    growth = growth_elsewhere(initial, later, place, sector)
    first = np.asarray(initial, dtype=np.float64)[np.asarray(place), np.asarray(sector)]
    result: FloatArray = growth * (first - np.asarray(own, dtype=np.float64))
    return result


@dataclass(frozen=True, slots=True, repr=False)
class GroupInstrument(Summarised):
    """IV = A x for N firm-spans, U units and T dates.

    Attributes
    ----------
    operator
        A, sparse, shape (N, U·T): column u·T + d is unit u at date d.  Rows of firms without an instrument are zero.
    missing
        Rows without an instrument: no coordinates, or no positive denominator, shape (N,).
    units
        Labels of the U units.
    unit_group
        Of each unit, a code into `groups`, shape (U,).
    unit_sector
        Of each unit, a code into `sectors`, shape (U,).
    groups, sectors
        Labels.
    dates
        The T dates, ascending.
    no_denominator
        Rows that are missing because their denominator is zero or cannot be formed.
    dropped
        By span, what the network could not use.
    """

    operator: sparse.csr_array
    missing: NDArray[np.bool_]
    units: pd.Index
    unit_group: Codes
    unit_sector: Codes
    groups: pd.Index
    sectors: pd.Index
    dates: tuple[int, ...]
    no_denominator: int
    dropped: dict[Any, DroppedFromNetwork]

    def value(self, histories: ArrayLike) -> FloatArray:
        """Build the instrument from the units' histories.

        Parameters
        ----------
        histories
            Adopter status, or sales, of unit u at date d, shape (U, T), or (B, U, T) for B draws.

        Returns
        -------
        ndarray of shape (N,) or (N, B)
            NaN in the rows that have no instrument.
        """
        x = np.asarray(histories, dtype=np.float64)
        shape = (len(self.units), len(self.dates))
        if x.ndim not in (2, 3) or x.shape[-2:] != shape:
            raise ShapeMismatch(
                key="histories",
                shape=x.shape,
                expected=f"{shape}, or (draws, {shape[0]}, {shape[1]}): units by dates",
                remedy="order them as the instrument's units and dates",
            )
        flat = x.reshape(*x.shape[:-2], -1).T
        built: FloatArray = np.asarray(self.operator @ flat, dtype=np.float64)
        built[self.missing] = np.nan
        return built

    def without_groups(self, groups: ArrayLike) -> "GroupInstrument":
        """Return the instrument to which some groups contribute nothing.

        Raises
        ------
        InvalidValue
            For a group that is not in the network.
        """
        left = self.groups.get_indexer(pd.Index(np.atleast_1d(np.asarray(groups, dtype=object))))
        if (left < 0).any():
            raise InvalidValue(
                key="groups",
                value=np.atleast_1d(np.asarray(groups, dtype=object))[left < 0][0],
                requirement="a group of the network",
                remedy=f"choose among {len(self.groups)} groups, such as {self.groups[0]!r}",
            )
        kept = np.repeat(~np.isin(self.unit_group, left), len(self.dates)).astype(np.float64)
        return replace(self, operator=sparse.csr_array(self.operator @ sparse.diags_array(kept)))

    def units_table(self) -> pd.DataFrame:
        """One row per unit: its label, group and sector."""
        return pd.DataFrame(
            {
                "unit": self.units,
                "group": self.groups[self.unit_group],
                "sector": self.sectors[self.unit_sector],
            }
        )

    def summary(self) -> str:
        """Say what the instrument is built from and which rows have none."""
        lines = [
            f"{self.operator.shape[0]} rows, {len(self.units)} units of {len(self.groups)} groups, "
            f"{len(self.dates)} dates; {int(self.missing.sum())} rows without an instrument, of which "
            f"{self.no_denominator} without a denominator"
        ]
        lines += [f"[{span}] {report.summary()}" for span, report in self.dropped.items()]
        return "\n".join(lines)


def group_instrument(
    networks: Network | Mapping[Any, Network],
    firms: Any,
    *,
    ring: float = RING,
    leave_own_group: bool = True,
    group: str = "group",
    place: str = "region",
    sector: str | None = "sector",
) -> GroupInstrument:
    """Build the map of equation (3.4) for any network of units, groups and places.

    Parameters
    ----------
    networks
        Units as they were at the initial date; by span where there are several.
    firms
        One row per firm (and span): `group` (missing outside groups), `place`, `sector`; the dates ``start`` (t₀ − h)
        and ``end`` (t − h); ``denominator_start`` and ``denominator_end``; and ``span`` where there are several.
    ring
        Units at this distance (km) or nearer do not count.
    leave_own_group
        Whether the sum leaves out the firm's own group.
    group, place, sector
        Names of columns.

    Returns
    -------
    GroupInstrument
        Rows in the order of `firms`.

    Raises
    ------
    MissingKey
        For a column that is not there.
    InvalidValue
        For a span without a network, a unit that changes group, sector or place between spans' networks in a way that
        its history could not be told apart, or a ring that is negative.

    Examples
    --------
    Group g's far unit adopts between 1970 and 1977; two firms are in the local cell beside the one looked at:

    >>> import pandas as pd
    >>> units = pd.DataFrame({"firm": [1, 2], "group": ["g", "g"], "region": ["a", "b"], "sector": 1})
    >>> places = pd.DataFrame({"region": ["a", "b"], "latitude": [37.3, 35.5], "longitude": [127.0, 129.3]})
    >>> firms = pd.DataFrame({"group": [None], "region": ["a"], "sector": [1], "start": [1970], "end": [1977]})
    >>> firms = firms.assign(denominator_start=2.0, denominator_end=2.0)
    >>> instrument = group_instrument(Network.build(units, places), firms)
    >>> instrument.value([[0, 0], [0, 1]])  # unit 1 never adopts, unit 2 has by 1977
    array([0.5])
    """
    frame = as_pandas(firms, "firms")
    several = isinstance(networks, Mapping)
    by_span: Mapping[Any, Network] = networks if isinstance(networks, Mapping) else {"all": networks}
    needed = ["start", "end", *(["span"] if several else [])]
    require_columns(frame, needed, "firms")
    require_columns(frame, ["denominator_start", "denominator_end"], "firms", known=False)
    spans = frame["span"].to_numpy() if several else np.full(len(frame), "all", dtype=object)
    unknown = sorted({str(span) for span in spans} - {str(span) for span in by_span})
    if unknown:
        raise InvalidValue(
            key="firms, column 'span'",
            value=unknown[0],
            requirement="one of the networks' spans",
            remedy=f"name a network for it; there are {', '.join(map(str, by_span))}",
        )
    units, groups, sectors = _union(by_span)
    dates = tuple(sorted({int(date) for column in ("start", "end") for date in frame[column].unique()}))
    missing = np.zeros(len(frame), dtype=bool)
    dropped: dict[Any, DroppedFromNetwork] = {}
    entries: list[tuple[Codes, Codes]] = []
    for span, network in by_span.items():
        rows = np.flatnonzero(spans == span)
        if not rows.size:
            continue
        found = exposure(
            network,
            frame.iloc[rows],
            ring=ring,
            leave_own_group=leave_own_group,
            group=group,
            place=place,
            sector=sector,
        )
        dropped[span] = found.dropped
        missing[rows] = found.missing
        counted = found.matrix.tocoo()
        index = codes_of(pd.Series(network.units), units["unit"])
        entries.append((rows[counted.coords[0]], index[counted.coords[1]]))
    row = np.concatenate([entry[0] for entry in entries])
    unit = np.concatenate([entry[1] for entry in entries])
    denominators = frame[["denominator_start", "denominator_end"]].astype(float).to_numpy()
    formed = (np.isfinite(denominators) & (denominators > 0)).all(axis=1)
    no_denominator = int((~formed & ~missing).sum())
    missing |= ~formed
    keep = ~missing[row]
    row, unit = row[keep], unit[keep]
    start, end = (codes_of(frame[column], pd.Index(dates))[row] for column in ("start", "end"))
    shape = (len(frame), len(units["unit"]) * len(dates))
    operator = sparse.csr_array((1.0 / denominators[row, 1], (row, unit * len(dates) + end)), shape=shape)
    operator = operator - sparse.csr_array((1.0 / denominators[row, 0], (row, unit * len(dates) + start)), shape=shape)
    return GroupInstrument(
        operator=sparse.csr_array(operator),
        missing=missing,
        units=units["unit"],
        unit_group=codes_of(pd.Series(units["group"]), groups),
        unit_sector=codes_of(pd.Series(units["sector"]), sectors),
        groups=groups,
        sectors=sectors,
        dates=dates,
        no_denominator=no_denominator,
        dropped=dropped,
    )


def _union(networks: Mapping[Any, Network]) -> tuple[dict[str, pd.Index], pd.Index, pd.Index]:
    """All units of several networks with their group and sector in the first that has them."""
    table = pd.concat(
        [
            pd.DataFrame(
                {
                    "unit": network.units,
                    "group": network.groups[network.unit_group],
                    "sector": network.sectors[network.unit_sector],
                }
            )
            for network in networks.values()
        ],
        ignore_index=True,
    ).drop_duplicates("unit")
    columns = {name: pd.Index(table[name].to_numpy()) for name in ("unit", "group", "sector")}
    return columns, columns["group"].unique().sort_values(), columns["sector"].unique().sort_values()
