"""Distances over land: great circles, fastest routes on an expressway, the way to the nearest port.

Section 5.2 of the paper: iceberg costs are powers of the distance between regions and of the distance to the nearest
port; distances between regions that the expressway connects are reduced by 66%; fastest routes are found by Dijkstra's
algorithm. What the paper leaves open is settled here and marked *choice*.

All distances are in km. The functions are pure: arrays in, a new array out.

Examples
--------
Three towns on a line, with an expressway from the first to the second:

>>> import numpy as np
>>> from bigpush_est.data.geography import great_circle, route_distances
>>> distance = great_circle(np.zeros(3), np.array([0.0, 1.0, 2.0]))
>>> distance.round(1)
array([[  0. , 111.2, 222.4],
       [111.2,   0. , 111.2],
       [222.4, 111.2,   0. ]])
>>> route_distances(distance, [(0, 1)]).round(1)
array([[  0. ,  37.8, 149. ],
       [ 37.8,   0. , 111.2],
       [149. , 111.2,   0. ]])
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse.csgraph import dijkstra

from bigpush_est.errors import InvalidValue, ShapeMismatch

Floats = NDArray[np.float64]

#: Mean radius of the Earth (IUGG), in km.
EARTH_RADIUS = 6371.0088

#: Share by which a distance shrinks where the expressway connects two regions (Section 5.2).
EXPRESSWAY_REDUCTION = 0.66


def _vector(key: str, values: ArrayLike, low: float, high: float, unit: str) -> Floats:
    """Return a one-dimensional array of numbers within bounds."""
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or not array.size:
        raise ShapeMismatch(
            key=key, shape=array.shape, expected="(N,) with N at least 1", remedy="pass a list of numbers"
        )
    _refuse_first(key, array, ~((array >= low) & (array <= high)), f"between {low:g} and {high:g} {unit}")
    return array


def _refuse_first(key: str, array: Floats, wrong: NDArray[np.bool_], requirement: str) -> None:
    """Refuse an array for its first wrong entry, and say which one that is."""
    if wrong.any():
        place = tuple(int(i) for i in np.argwhere(wrong)[0])
        where = ", ".join(map(str, place))
        raise InvalidValue(
            key=f"{key}[{where}]",
            value=f"{array[place]:g}",
            requirement=requirement,
            remedy="correct the coordinates or distances that it was made from",
        )


def great_circle(
    latitude: ArrayLike,
    longitude: ArrayLike,
    to_latitude: ArrayLike | None = None,
    to_longitude: ArrayLike | None = None,
) -> Floats:
    """Return great-circle distances between points by the haversine formula.

    Parameters
    ----------
    latitude, longitude
        The points in degrees, each of shape (N,).
    to_latitude, to_longitude
        Other points, each of shape (M,); by default the same ones.

    Returns
    -------
    ndarray of shape (N, M)
        Distances in km. From the points to themselves the matrix is exactly symmetric, with an exact zero diagonal.

    Raises
    ------
    InvalidValue
        If a coordinate is not a number, a latitude beyond 90 or a longitude beyond 180 degrees.
    ShapeMismatch
        If latitudes and longitudes are not vectors of one length.

    Examples
    --------
    Seoul, Busan and Jeju:

    >>> from bigpush_est.data.geography import great_circle
    >>> great_circle([37.566, 35.10168, 33.50972], [126.9784, 129.03004, 126.52194]).round(1)
    array([[  0. , 329.9, 452.9],
           [329.9,   0. , 290.5],
           [452.9, 290.5,   0. ]])
    """
    here = _coordinates("", latitude, longitude)
    if (to_latitude is None) != (to_longitude is None):
        raise ShapeMismatch(
            key="to_latitude and to_longitude", shape="of one of them", expected="both or none", remedy="pass both"
        )
    there = here if to_latitude is None or to_longitude is None else _coordinates("to_", to_latitude, to_longitude)
    (lat, lon), (to_lat, to_lon) = np.radians(here), np.radians(there)
    chord = np.sin((to_lat - lat[:, None]) / 2) ** 2
    chord += np.cos(lat[:, None]) * np.cos(to_lat) * np.sin((to_lon - lon[:, None]) / 2) ** 2
    return np.asarray(2 * EARTH_RADIUS * np.arcsin(np.sqrt(np.minimum(chord, 1.0))))  # rounding can pass 1 at antipodes


def _coordinates(prefix: str, latitude: ArrayLike, longitude: ArrayLike) -> tuple[Floats, Floats]:
    lat = _vector(f"{prefix}latitude", latitude, -90, 90, "degrees")
    lon = _vector(f"{prefix}longitude", longitude, -180, 180, "degrees")
    if lat.shape != lon.shape:
        raise ShapeMismatch(
            key=f"{prefix}longitude", shape=lon.shape, expected=f"{lat.shape}, as the latitudes", remedy="pass pairs"
        )
    return lat, lon


def route_distances(
    distance: ArrayLike, legs: Sequence[tuple[int, int]] = (), reduction: float = EXPRESSWAY_REDUCTION
) -> Floats:
    """Return the lengths of the fastest routes where an expressway shortens some of the ways.

    *Choice*: the network is the complete graph of direct ways, so that every region can be left in every direction;
    the way along each leg of the expressway counts (1 − ``reduction``) of its length; a route changes between the two
    wherever a leg begins or ends. "Distances between regions connected by the expressway are reduced by 66%" (Section
    5.2) then holds along each leg, and approximately between any two regions on it.

    Parameters
    ----------
    distance
        Direct distances in km, shape (N, N): symmetric, zero on the diagonal, positive off it.
    legs
        Pairs of indices of the regions that a leg of the expressway joins; without any, the result is `distance`
        itself where that satisfies the triangle inequality.
    reduction
        Share by which a leg is shortened, from 0 to below 1.

    Returns
    -------
    ndarray of shape (N, N)
        Length of the fastest route in km: symmetric, zero on the diagonal, nowhere above `distance`.

    Raises
    ------
    InvalidValue
        If a distance is negative, not finite, zero between two regions, or not symmetric; if a leg names a region that
        is not there or joins one to itself; if the reduction is out of bounds.
    ShapeMismatch
        If `distance` is not square.

    Examples
    --------
    Two towns by the expressway are nearer to each other by way of it, even for a traveller to a third:

    >>> import numpy as np
    >>> from bigpush_est.data.geography import route_distances
    >>> distance = np.array([[0.0, 100.0, 80.0], [100.0, 0.0, 50.0], [80.0, 50.0, 0.0]])
    >>> route_distances(distance, [(0, 1)], reduction=0.66)
    array([[ 0., 34., 80.],
           [34.,  0., 50.],
           [80., 50.,  0.]])
    >>> route_distances(distance, [(0, 1)], reduction=0.9)
    array([[ 0., 10., 60.],
           [10.,  0., 50.],
           [60., 50.,  0.]])
    """
    length = np.array(distance, dtype=np.float64)
    if length.ndim != 2 or length.shape[0] != length.shape[1] or not length.size:
        raise ShapeMismatch(
            key="distance", shape=length.shape, expected="(N, N) with N at least 1", remedy="pass a square matrix"
        )
    if not 0 <= reduction < 1:
        raise InvalidValue(
            key="reduction",
            value=reduction,
            requirement="at least 0 and below 1",
            remedy="write 66% as 0.66",
        )
    count = len(length)
    own = np.eye(count, dtype=bool)
    _refuse_first("distance", length, own & (length != 0), "0 on the diagonal")
    _refuse_first("distance", length, ~own & ~((length > 0) & np.isfinite(length)), "positive and finite")
    _refuse_first("distance", length, length != length.T, "the same in both directions")
    for leg in legs:
        start, end = leg
        if not (0 <= start < count and 0 <= end < count and start != end):
            raise InvalidValue(
                key="leg of the expressway",
                value=tuple(leg),
                requirement=f"two different regions, numbered from 0 to {count - 1}",
                remedy="correct or remove it",
            )
        length[start, end] = length[end, start] = (1 - reduction) * np.asarray(distance)[start, end]
    shortest = np.asarray(dijkstra(length, directed=False))
    return np.minimum(shortest, shortest.T)  # the sums along a route differ in the last bit with its direction


def internal_distance(area: ArrayLike) -> Floats:
    """Return the distance that a region has to itself: the mean distance to the centre of a disk of its area.

    *Choice*: ⅔ √(A/π). The paper does not say what it takes; zero would make trade within a
    region free without limit.

    Parameters
    ----------
    area
        Areas in km², shape (N,).

    Returns
    -------
    ndarray of shape (N,)
        Distances in km.

    Raises
    ------
    InvalidValue
        If an area is not positive and finite.

    Examples
    --------
    >>> from bigpush_est.data.geography import internal_distance
    >>> internal_distance([605.0, 98_000 / 86]).round(2)
    array([ 9.25, 12.7 ])
    """
    areas = _vector("area", area, 0, np.finfo(np.float64).max, "km²")
    _refuse_first("area", areas, areas == 0, "above 0")
    return np.asarray(2 / 3 * np.sqrt(areas / np.pi))


def port_distances(routes: ArrayLike, to_port: ArrayLike, internal: ArrayLike) -> Floats:
    """Return the length of the fastest route from each region to the nearest port.

    A route goes through the network of regions and leaves it at the region from which the port is reached directly.
    *Choice*: no region is nearer to a port than to itself, so that a port in a region's own town is not at distance 0.

    Parameters
    ----------
    routes
        Fastest routes between regions in km with a zero diagonal, shape (N, N), from `route_distances`.
    to_port
        Direct distances from regions to ports in km, shape (N, P), zero where a port stands at a region's place.
    internal
        Distances of regions to themselves in km, shape (N,), from `internal_distance`.

    Returns
    -------
    ndarray of shape (N,)
        Distances in km.

    Raises
    ------
    InvalidValue
        If a distance is negative or not finite.
    ShapeMismatch
        If the shapes do not belong together, or there is no port.

    Examples
    --------
    The second region has the port, 3 km from its town; the first gets there by way of that town:

    >>> import numpy as np
    >>> from bigpush_est.data.geography import port_distances
    >>> routes = np.array([[0.0, 34.0], [34.0, 0.0]])
    >>> port_distances(routes, np.array([[100.0], [3.0]]), np.array([10.0, 12.0]))
    array([37., 12.])
    """
    way, last, own = (np.asarray(values, dtype=np.float64) for values in (routes, to_port, internal))
    count = own.size
    for key, array, expected in (
        ("internal", own, (count,)),
        ("routes", way, (count, count)),
        ("to_port", last, (count, max(1, last.shape[-1] if last.ndim == 2 else 1))),
    ):
        if array.shape != expected:
            raise ShapeMismatch(
                key=key, shape=array.shape, expected=expected, remedy="pass arrays of the same regions, and a port"
            )
        _refuse_first(key, array, ~((array >= 0) & np.isfinite(array)), "at least 0 and finite")
    nearest = (way[:, :, None] + last).min(axis=(1, 2))
    return np.asarray(np.maximum(nearest, own))
