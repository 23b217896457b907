"""A network of units that belong to groups and stand in places: which far units of a group a local firm is exposed to.

For a firm i of place n and sector j, a unit u counts if (equation (3.4) of the paper, in words)

- u belongs to a group g̃ that had at least one unit in (n, j) at the initial date: D_{g̃nj} = 1;
- g̃ is not the firm's own group: g̃ ≠ g(i);
- u is in sector j, at the initial date a unit of g̃, and neither in place n nor within the ring around it.

The exposure of firms to units is thus a matrix of zeros and ones, kept sparse.  Everything built on it (adoptions,
sales) is linear in what happens to the units, which is what lets randomisation inference redraw it quickly.
"""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from bigpush_est.data.geography import great_circle
from bigpush_est.errors import InvalidValue, ShapeMismatch
from bigpush_est.reduced_form.linear.frames_in import as_pandas, codes_of, require_columns, require_unique

type FloatArray = NDArray[np.float64]
type Codes = NDArray[np.int64]

#: Radius in km around a place within which units of the group do not count (Section 3.2).
RING = 100.0


@dataclass(frozen=True, slots=True)
class Network:
    """Units that belonged to a group at the initial date.

    Attributes
    ----------
    units, groups, places, sectors
        Labels, of U units, G groups, R places and J sectors.
    unit_group, unit_place, unit_sector
        Of each unit, codes into the labels, shape (U,).
    distance
        Between places in km, shape (R, R); NaN where a place has no coordinates.
    unaffiliated
        Units that were given without a group: they contribute nothing.
    """

    units: pd.Index
    groups: pd.Index
    places: pd.Index
    sectors: pd.Index
    unit_group: Codes
    unit_place: Codes
    unit_sector: Codes
    distance: FloatArray
    unaffiliated: int

    @classmethod
    def build(
        cls,
        units: Any,
        places: Any,
        *,
        unit: str = "firm",
        group: str = "group",
        place: str = "region",
        sector: str | None = "sector",
        latitude: str = "latitude",
        longitude: str = "longitude",
        distance: ArrayLike | None = None,
    ) -> Self:
        """Take the units as they were at the initial date, and the places.

        Parameters
        ----------
        units
            One row per unit; `group` is missing for a unit outside groups.
        places
            One row per place with its coordinates in degrees, which may be missing.
        unit, group, place, sector, latitude, longitude
            Names of columns; without a `sector` all units are of one.
        distance
            Distances or travel times between places in the order of `places`, shape (R, R), instead of great circles
            between coordinates; NaN where unknown.  The ring is in the same unit.

        Raises
        ------
        MissingKey
            For a column that is not there.
        InvalidValue
            For a unit or place that comes twice, a missing key, a unit in a place that is not listed, coordinates out
            of range, or no unit with a group.
        ShapeMismatch
            For distances of another shape.

        Examples
        --------
        >>> import pandas as pd
        >>> units = pd.DataFrame({"firm": [1, 2, 3], "group": ["g", "g", None], "region": ["a", "b", "b"], "sector": 1})
        >>> places = pd.DataFrame({"region": ["a", "b"], "latitude": [37.3, 35.5], "longitude": [127.0, 129.3]})
        >>> network = Network.build(units, places)
        >>> len(network.units), network.unaffiliated, network.distance.round().tolist()
        (2, 1, [[0.0, 287.0], [287.0, 0.0]])
        """
        frame, where = as_pandas(units, "units"), as_pandas(places, "places")
        require_columns(frame, [unit, place, *([sector] if sector else [])], "units")
        require_columns(frame, [group], "units", known=False)
        require_unique(frame, [unit], "units")
        require_columns(where, [place], "places")
        require_unique(where, [place], "places")
        place_labels = pd.Index(where[place].to_numpy())
        stands = codes_of(frame[place], place_labels)
        if (stands < 0).any():
            row = int(np.flatnonzero(stands < 0)[0])
            raise InvalidValue(
                key=f"units, column '{place}'",
                value=f"{frame[place].iloc[row]!r} in row {row}; {int((stands < 0).sum())} such rows",
                requirement="one of the places",
                remedy="add the place to the frame of places, without coordinates if they are not known",
            )
        member = frame[group].notna().to_numpy()
        if not member.any():
            raise InvalidValue(
                key=f"units, column '{group}'",
                value="missing in every row",
                requirement="known for the units of groups",
                remedy="name each unit's group",
            )
        inside = frame[member]
        group_codes, group_labels = pd.factorize(inside[group], sort=True)
        sector_codes, sector_labels = (
            pd.factorize(frame[sector], sort=True) if sector else (np.zeros(len(frame), np.int64), ["all"])
        )
        return cls(
            units=pd.Index(inside[unit].to_numpy()),
            groups=pd.Index(group_labels),
            places=place_labels,
            sectors=pd.Index(sector_labels),
            unit_group=group_codes.astype(np.int64),
            unit_place=stands[member],
            unit_sector=np.asarray(sector_codes, dtype=np.int64)[member],
            distance=_distances(where, latitude, longitude, distance),
            unaffiliated=int((~member).sum()),
        )

    @property
    def located(self) -> NDArray[np.bool_]:
        """Whether each place's distances are known, shape (R,)."""
        known: NDArray[np.bool_] = np.isfinite(self.distance.diagonal())
        return known


def _distances(places: pd.DataFrame, latitude: str, longitude: str, given: ArrayLike | None) -> FloatArray:
    count = len(places)
    if given is not None:
        distance = np.array(given, dtype=np.float64)
        if distance.shape != (count, count):
            raise ShapeMismatch(
                key="distance",
                shape=distance.shape,
                expected=f"({count}, {count}), one row and column per place",
                remedy="order it as the places",
            )
        if not ((distance >= 0) | np.isnan(distance)).all():
            raise InvalidValue(
                key="distance", value="negative", requirement="0 or more", remedy="correct the distances"
            )
        return distance
    require_columns(places, [latitude, longitude], "places", known=False)
    coordinates = places[[latitude, longitude]].astype(float).to_numpy()
    known = np.isfinite(coordinates).all(axis=1)
    distance = np.full((count, count), np.nan)
    if known.any():
        distance[np.ix_(known, known)] = great_circle(*coordinates[known].T)
    return distance


@dataclass(frozen=True, slots=True)
class DroppedFromNetwork:
    """What a network could not use, and how much it left.

    Attributes
    ----------
    units
        Units of groups, and ``counting``, those that count for at least one firm.
    groups, groups_counting
        The same of groups.
    groups_in_one_place
        Groups without a pair of units in one sector farther apart than the ring: they shift nothing.
    units_without_coordinates
        Units in places whose distances are not known; they do not count.
    firms_without_coordinates
        Firms in such places: their exposure is missing.
    firms_unexposed
        Firms for which no unit counts: their exposure is zero.
    inside_ring
        Pairs of a local group and one of its other units that the ring excludes, the unit's own place included.
    """

    units: int
    counting: int
    groups: int
    groups_counting: int
    groups_in_one_place: tuple[Any, ...]
    units_without_coordinates: int
    firms_without_coordinates: int
    firms_unexposed: int
    inside_ring: int

    def summary(self) -> str:
        """Say in a few lines what was used and what was not."""
        return (
            f"{self.counting} of {self.units} units and {self.groups_counting} of {self.groups} groups count; "
            f"{len(self.groups_in_one_place)} groups have no two units of one sector beyond the ring; "
            f"{self.inside_ring} pairs of place and unit lie within it\n"
            f"without coordinates: {self.units_without_coordinates} units (do not count), "
            f"{self.firms_without_coordinates} firms (missing); {self.firms_unexposed} firms exposed to no unit"
        )


@dataclass(frozen=True, slots=True)
class Exposure:
    """Which units count for which firm.

    Attributes
    ----------
    matrix
        1 where unit u counts for firm i, sparse, shape (N, U).
    missing
        Firms whose place has no coordinates, shape (N,).
    dropped
        What was not used.
    """

    matrix: sparse.csr_array
    missing: NDArray[np.bool_]
    dropped: DroppedFromNetwork


def _pairs(left: Codes, right: Codes) -> tuple[Codes, Codes]:
    """All pairs (a, b) with left[a] = right[b], without a loop."""
    order = np.argsort(right, kind="stable")
    ranked = right[order]
    first = np.searchsorted(ranked, left, side="left")
    count = np.searchsorted(ranked, left, side="right") - first
    a = np.repeat(np.arange(left.size), count)
    within = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    return a, order[np.repeat(first, count) + within]


def exposure(
    network: Network,
    firms: Any,
    *,
    ring: float = RING,
    leave_own_group: bool = True,
    group: str = "group",
    place: str = "region",
    sector: str | None = "sector",
) -> Exposure:
    """Return the units that count for each firm: D_{g̃nj} over g̃ ≠ g(i), outside the ring.

    Parameters
    ----------
    network
        Units at the initial date.
    firms
        One row per firm: its `group` (missing outside groups), `place` and `sector`.
    ring
        Units at this distance or nearer do not count.  At 0 only the place itself is left out.
    leave_own_group
        Whether a firm's own group is left out; False gives every firm of a cell the same exposure.
    group, place, sector
        Names of columns.

    Returns
    -------
    Exposure
        In the order of `firms`.

    Raises
    ------
    MissingKey
        For a column that is not there.
    InvalidValue
        For a ring that is negative, or a firm in a place that is not listed.

    Examples
    --------
    Group g has a unit in each of two towns; h, outside groups, is exposed to g's far unit, g's own firm is not:

    >>> import pandas as pd
    >>> units = pd.DataFrame({"firm": [1, 2], "group": ["g", "g"], "region": ["a", "b"], "sector": 1})
    >>> places = pd.DataFrame({"region": ["a", "b"], "latitude": [37.3, 35.5], "longitude": [127.0, 129.3]})
    >>> firms = pd.DataFrame({"firm": ["h", 1], "group": [None, "g"], "region": ["a", "a"], "sector": 1})
    >>> exposure(Network.build(units, places), firms).matrix.toarray()
    array([[0., 1.],
           [0., 0.]])
    """
    if not ring >= 0:
        raise InvalidValue(key="ring", value=ring, requirement="0 or more", remedy="pass kilometres, such as 100")
    frame = as_pandas(firms, "firms")
    require_columns(frame, [place, *([sector] if sector else [])], "firms")
    require_columns(frame, [group], "firms", known=False)
    firm_group = codes_of(frame[group], network.groups)
    firm_place = codes_of(frame[place], network.places)
    if (firm_place < 0).any():
        row = int(np.flatnonzero(firm_place < 0)[0])
        raise InvalidValue(
            key=f"firms, column '{place}'",
            value=f"{frame[place].iloc[row]!r} in row {row}",
            requirement="one of the network's places",
            remedy="add the place to the frame of places",
        )
    firm_sector = codes_of(frame[sector], network.sectors) if sector else np.zeros(len(frame), np.int64)
    places, sectors = len(network.places), len(network.sectors)
    # presences: the distinct (group, place, sector) of the units, D = 1
    block = network.unit_group * sectors + network.unit_sector
    presence = np.unique(block * places + network.unit_place)
    held_block, held_place = np.divmod(presence, places)
    held_group, held_sector = np.divmod(held_block, sectors)
    # the group's units in that sector, and those of them that are far
    p, u = _pairs(held_block, block)
    apart = network.distance[held_place[p], network.unit_place[u]]
    away = network.unit_place[u] != held_place[p]
    far = away & (apart > ring)
    near = int((away & (apart <= ring)).sum())
    reach = sparse.csr_array((np.ones(far.sum()), (p[far], u[far])), shape=(presence.size, len(network.units)))
    # firms and the groups present in their cell
    cell = np.where(firm_sector >= 0, firm_place * sectors + firm_sector, -1)
    i, q = _pairs(cell, held_place * sectors + held_sector)
    if leave_own_group:
        other = held_group[q] != firm_group[i]
        i, q = i[other], q[other]
    local = sparse.csr_array((np.ones(i.size), (i, q)), shape=(len(frame), presence.size))
    matrix = sparse.csr_array(local @ reach)
    counting = np.unique(matrix.indices)
    shifting = np.zeros(len(network.groups), dtype=bool)
    shifting[held_group[p[far]]] = True
    missing = ~network.located[firm_place]
    unlocated = ~network.located[network.unit_place]
    return Exposure(
        matrix=matrix,
        missing=missing,
        dropped=DroppedFromNetwork(
            units=len(network.units),
            counting=counting.size,
            groups=len(network.groups),
            groups_counting=np.unique(network.unit_group[counting]).size,
            groups_in_one_place=tuple(network.groups[~shifting]),
            units_without_coordinates=int(unlocated.sum()),
            firms_without_coordinates=int(missing.sum()),
            firms_unexposed=int(((np.diff(matrix.indptr) == 0) & ~missing).sum()),
            inside_ring=near,
        ),
    )
