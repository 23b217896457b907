"""Distances: against independent formulas, known distances between cities, and Korea's geography as shipped."""

import csv
import math
import runpy
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bigpush_est.data.geography import (
    EARTH_RADIUS,
    great_circle,
    internal_distance,
    port_distances,
    route_distances,
)
from bigpush_est.data.locate import data_folder
from bigpush_est.data.published import load_published
from bigpush_est.errors import InvalidValue, ShapeMismatch

KOREA = data_folder("korea")


def table(name: str) -> list[dict[str, str]]:
    with (KOREA / name).open(encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle))


PLACES = {row["region"]: row for row in table("places.csv")}
NUMBER = {region: i for i, region in enumerate(PLACES)}
LATITUDE = np.array([float(row["latitude"]) for row in PLACES.values()])
LONGITUDE = np.array([float(row["longitude"]) for row in PLACES.values()])
LEGS = [(NUMBER[row["from"]], NUMBER[row["to"]]) for row in table("expressway.csv")]


# --- great circles -----------------------------------------------------------------------------------------------


def test_known_distances_between_cities():
    # London (Greenwich), Paris, New York, Sydney: as published by great-circle calculators, to the km
    latitude, longitude = [51.4778, 48.8566, 40.7128, -33.8688], [-0.0014, 2.3522, -74.0060, 151.2093]
    distance = great_circle(latitude, longitude)
    assert distance[1, 2] == pytest.approx(5837, abs=2)
    assert distance[2, 3] == pytest.approx(15989, abs=5)
    assert great_circle([0.0], [0.0], [0.0], [180.0])[0, 0] == pytest.approx(math.pi * EARTH_RADIUS)
    assert great_circle([90.0], [17.0], [-90.0], [44.0])[0, 0] == pytest.approx(math.pi * EARTH_RADIUS)
    assert great_circle([10.0], [20.0], [11.0], [20.0])[0, 0] == pytest.approx(111.195, abs=1e-3)  # a degree


points = st.lists(st.tuples(st.floats(-89, 89), st.floats(-180, 180)), min_size=1, max_size=6)


@settings(deadline=None)  # machines are shared
@given(points)
def test_great_circles_are_the_angle_between_vectors(places):
    lat, lon = (np.radians([place[k] for place in places]) for k in (0, 1))
    unit = np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], axis=1)
    cross = np.linalg.norm(np.cross(unit[:, None], unit[None]), axis=2)
    angle = np.arctan2(cross, unit @ unit.T)  # accurate at every angle, unlike the arc cosine
    distance = great_circle([place[0] for place in places], [place[1] for place in places])
    assert distance == pytest.approx(EARTH_RADIUS * angle, abs=1e-4)
    assert (distance == distance.T).all()
    assert (distance.diagonal() == 0).all()


def test_distances_to_other_points_have_their_shape():
    distance = great_circle([0.0, 1.0], [0.0, 0.0], [0.0, 0.0, 1.0], [1.0, 2.0, 0.0])
    assert distance.shape == (2, 3)
    assert distance[1, 2] == 0


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (([91.0], [0.0]), InvalidValue, r"latitude\[0\] = 91 .*between -90 and 90 degrees"),
        (([0.0, 1.0], [0.0, 181.0]), InvalidValue, r"longitude\[1\] = 181"),
        (([math.nan], [0.0]), InvalidValue, r"latitude\[0\] = nan"),
        (([0.0, 1.0], [0.0]), ShapeMismatch, r"longitude has shape \(1,\), but \(2,\)"),
        (([], []), ShapeMismatch, "latitude"),
        (([[0.0]], [[0.0]]), ShapeMismatch, "latitude"),
        (([0.0], [0.0], [0.0]), ShapeMismatch, "both or none"),
        (([0.0], [0.0], [0.0], [-190.0]), InvalidValue, r"to_longitude\[0\] = -190"),
    ],
)
def test_wrong_coordinates_are_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        great_circle(*arguments)


# --- routes ------------------------------------------------------------------------------------------------------


def floyd_warshall(length: np.ndarray) -> np.ndarray:
    """All shortest routes, by trying every region as a stop between every two others."""
    best = length.copy()
    for k in range(len(best)):
        for i in range(len(best)):
            for j in range(len(best)):
                best[i, j] = min(best[i, j], best[i, k] + best[k, j])
    return best


@st.composite
def networks(draw):
    count = draw(st.integers(1, 7))
    cells = draw(st.lists(st.floats(0.1, 1000), min_size=count * count, max_size=count * count))
    upper = np.triu(np.array(cells).reshape(count, count), 1)
    pairs = st.tuples(st.integers(0, count - 1), st.integers(0, count - 1)).filter(lambda pair: pair[0] != pair[1])
    legs = draw(st.lists(pairs, max_size=5)) if count > 1 else []
    return upper + upper.T, legs, draw(st.floats(0, 0.95))


@settings(deadline=None)
@given(networks())
def test_routes_are_the_shortest_ones(network):
    distance, legs, reduction = network
    length = distance.copy()
    for start, end in legs:
        length[start, end] = length[end, start] = (1 - reduction) * distance[start, end]
    routes = route_distances(distance, legs, reduction)
    assert routes == pytest.approx(floyd_warshall(length), rel=1e-12)
    assert (routes == routes.T).all()
    assert (routes.diagonal() == 0).all()
    assert (routes <= distance).all()


def test_without_an_expressway_a_great_circle_is_the_fastest_route():
    distance = great_circle(LATITUDE, LONGITUDE)
    assert route_distances(distance) == pytest.approx(distance, rel=1e-12)
    assert route_distances(distance, LEGS, reduction=0.0) == pytest.approx(distance, rel=1e-12)


def test_a_leg_named_twice_is_shortened_once():
    distance = np.array([[0.0, 100.0], [100.0, 0.0]])
    assert route_distances(distance, [(0, 1), (1, 0)])[0, 1] == pytest.approx(34.0)


PAIR = np.array([[0.0, 2.0], [2.0, 0.0]])


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((PAIR, [(0, 2)]), InvalidValue, r"leg of the expressway = \(0, 2\).*from 0 to 1"),
        ((PAIR, [(-1, 0)]), InvalidValue, r"leg of the expressway = \(-1, 0\)"),
        ((PAIR, [(1, 1)]), InvalidValue, "two different regions"),
        ((PAIR, [], 1.0), InvalidValue, "reduction = 1.0 .*below 1"),
        ((PAIR, [], math.nan), InvalidValue, "reduction = nan"),
        ((PAIR + 1,), InvalidValue, r"distance\[0, 0\] = 1 .*0 on the diagonal"),
        ((-PAIR,), InvalidValue, r"distance\[0, 1\] = -2 .*positive and finite"),
        ((0 * PAIR,), InvalidValue, r"distance\[0, 1\] = 0 .*positive"),
        ((np.array([[0.0, np.inf], [np.inf, 0.0]]),), InvalidValue, r"distance\[0, 1\] = inf"),
        ((np.array([[0.0, 1.0], [2.0, 0.0]]),), InvalidValue, "the same in both directions"),
        ((PAIR[:1],), ShapeMismatch, r"distance has shape \(1, 2\)"),
        ((np.zeros((0, 0)),), ShapeMismatch, "distance"),
    ],
)
def test_wrong_networks_are_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        route_distances(*arguments)


# --- the nearest port, and the distance to oneself ---------------------------------------------------------------


@settings(deadline=None)
@given(networks(), st.data())
def test_the_nearest_port_is_found_by_trying_all_ways(network, data):
    distance, legs, reduction = network
    count = len(distance)
    cells = data.draw(st.lists(st.floats(0, 1000), min_size=2 * count, max_size=2 * count))
    to_port, internal = np.array(cells).reshape(count, 2), np.full(count, 7.0)
    routes = route_distances(distance, legs, reduction)
    ways = [
        [routes[n, m] + to_port[m, p] for m in range(count) for p in range(2)] + [to_port[n, 0], to_port[n, 1]]
        for n in range(count)
    ]
    assert port_distances(routes, to_port, internal) == pytest.approx([max(7.0, min(way)) for way in ways])


def test_the_distance_to_oneself_is_the_mean_distance_to_the_centre_of_a_disk():
    draws = np.random.default_rng(7).uniform(-1, 1, size=(200_000, 2))
    distance = np.hypot(*draws.T)
    simulated = distance[distance <= 1].mean()  # a disk of radius 1 has the area π
    assert internal_distance([math.pi])[0] == pytest.approx(simulated, abs=0.003)
    assert internal_distance([math.pi])[0] == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((PAIR, np.zeros((2, 0)), [1.0, 1.0]), ShapeMismatch, "to_port has shape .*and a port"),
        ((PAIR, [0.0, 1.0], [1.0, 1.0]), ShapeMismatch, "to_port"),
        ((PAIR, [[0.0]], [1.0, 1.0]), ShapeMismatch, "to_port"),
        ((PAIR, [[0.0], [1.0]], [1.0]), ShapeMismatch, "routes"),
        ((PAIR, [[0.0], [-1.0]], [1.0, 1.0]), InvalidValue, r"to_port\[1, 0\] = -1"),
        ((PAIR, [[0.0], [np.nan]], [1.0, 1.0]), InvalidValue, r"to_port\[1, 0\] = nan"),
        ((PAIR, [[0.0], [1.0]], [1.0, np.inf]), InvalidValue, r"internal\[1\] = inf"),
    ],
)
def test_wrong_ports_are_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        port_distances(*arguments)


@pytest.mark.parametrize("area", [0.0, -1.0, np.nan, np.inf])
def test_wrong_areas_are_refused(area):
    with pytest.raises(InvalidValue, match=r"area\[1\]"):
        internal_distance([1.0, area])


# --- Korea -------------------------------------------------------------------------------------------------------


def test_korea_has_as_many_places_as_the_paper_has_regions():
    assert len(table("places.csv")) == len(PLACES) == load_published().value("regions") == 86
    assert len({(row["latitude"], row["longitude"]) for row in PLACES.values()}) == 86
    provinces = {row["province"] for row in PLACES.values()}
    assert len(provinces) == 11  # 9 provinces, Seoul and Busan
    for row in PLACES.values():
        assert (row["source"], bool(row["geonameid"]), bool(row["ngii_code"])) in {
            ("GeoNames", True, False),
            ("NGII", False, True),
        }


def test_the_files_hold_what_the_build_script_chooses():
    script = runpy.run_path(str(Path(__file__).resolve().parents[2] / "tools" / "build_places.py"))
    chosen = [(place.region, place.name, place.name_today, place.province) for place in script["PLACES"]]
    columns = ("region", "name", "name_today", "province")
    assert [tuple(row[column] for column in columns) for row in PLACES.values()] == chosen
    assert [row["geonameid"] or row["ngii_code"] for row in PLACES.values()] == [str(p.unit) for p in script["PLACES"]]
    held = [
        tuple(row[column] for column in ("port", "region", "ngii_code", "status", "note")) for row in table("ports.csv")
    ]
    assert held == [tuple(port) for port in script["PORTS"]]


def test_korea_lies_where_it_lies():
    assert ((LATITUDE > 33) & (LATITUDE < 38.7)).all()
    assert ((LONGITUDE > 124.5) & (LONGITUDE < 131)).all()
    area = sum(float(row["area_km2"]) for row in PLACES.values())
    assert area == pytest.approx(100_300, rel=0.01)  # South Korea with its islands
    distance = great_circle(LATITUDE, LONGITUDE)
    np.fill_diagonal(distance, np.inf)
    assert 5 < distance.min() < distance.min(axis=0).max() < 60
    known = {
        ("seoul", "busan"): 325, ("seoul", "incheon"): 27, ("seoul", "daejeon"): 140, ("seoul", "daegu"): 237,
        ("seoul", "gwangju"): 267, ("seoul", "jeju"): 453, ("busan", "daegu"): 90, ("busan", "ulsan"): 55,
        ("seoul", "gangneung"): 168, ("mokpo", "busan"): 245,
    }  # fmt: skip
    for (first, second), km in known.items():
        assert distance[NUMBER[first], NUMBER[second]] == pytest.approx(km, abs=6)


def test_the_provinces_of_korea_hold_together():
    for province in {row["province"] for row in PLACES.values()}:
        inside = np.array([row["province"] == province for row in PLACES.values()])
        distance = great_circle(LATITUDE[inside], LONGITUDE[inside])
        assert distance.max() < 270  # a slip of a digit would throw a place across the country


def test_koreas_ports_lie_in_their_regions():
    ports = table("ports.csv")
    assert {row["status"] for row in ports} == {"open", "uncertain"}
    assert sum(row["status"] == "open" for row in ports) == 10
    for row in ports:
        here = great_circle([float(row["latitude"])], [float(row["longitude"])], LATITUDE, LONGITUDE)[0]
        assert here.argmin() == NUMBER[row["region"]]
        assert here.min() < 10


def test_the_expressway_runs_from_seoul_to_busan():
    legs = table("expressway.csv")
    assert (legs[0]["from"], legs[-1]["to"]) == ("seoul", "busan")
    assert all(leg["to"] == following["from"] for leg, following in pairwise(legs))
    assert {leg["opened"] for leg in legs} == {"1968", "1969", "1970"}
    distance = great_circle(LATITUDE, LONGITUDE)
    length = sum(distance[leg] for leg in LEGS)
    assert length == pytest.approx(
        428, rel=0.05
    )  # the road's length; legs are straight, but call at Cheongju and Ulsan
    shorter = route_distances(distance, LEGS)
    assert shorter[NUMBER["seoul"], NUMBER["busan"]] == pytest.approx(0.34 * length)
    assert shorter[NUMBER["mokpo"], NUMBER["haenam"]] == distance[NUMBER["mokpo"], NUMBER["haenam"]]
