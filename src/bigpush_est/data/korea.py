"""The shipped economy: Korea's real geography with synthetic fundamentals that hold the published aggregates.

Regional data behind the paper are not public.  Places, ports and roads here are real; labour, output, firms, trade and
input-output shares are synthetic, drawn from a seed and a ``RegionalDesign``.  Nothing here is Korea's data, and
every page that
shows a result from it says so.
"""

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bigpush_est.data.economy import EconomyBundle, Moment, Port, Provenance
from bigpush_est.data.economy_checks import OPTIONAL_TABLES, TABLES
from bigpush_est.data.locate import data_folder
from bigpush_est.errors import InvalidValue

Floats = NDArray[np.float64]

SECTORS = ("commodity", "light", "heavy", "service")
YEARS = (1972, 1976, 1980)
#: (σ − 1)υ_j (Section 5.2): 1.29 for goods, 3.8 for services.
DISTANCE_ELASTICITY = (1.29, 1.29, 1.29, 3.8)
#: Input shares by buyer (rows) and input; the rest is labour.  The same in all years: F^T is measured in heavy's
#: bundles, whose unit
#: would change with their composition.  Table 2's range is 0-0.47.
_INPUTS = ((0.12, 0.05, 0.053, 0.10), (0.30, 0.22, 0.04, 0.14), (0.12, 0.03, 0.36, 0.16), (0.04, 0.06, 0.066, 0.18))
#: α of commodity and light manufacturing by year; heavy's is the design's, services get the rest.  Table 2: 0.05-0.47.
_PREFERENCES = ((0.29, 0.24), (0.26, 0.24), (0.22, 0.24))
#: Exports over output; heavy's of 1972 and 1976 come from the design.
_EXPORT_INTENSITY = ((0.05, 0.18, 0.0, 0.0), (0.05, 0.24, 0.0, 0.0), (0.04, 0.26, 0.19, 0.0))
_IMPORT_SHARE = ((0.12, 0.07, 0.42, 0.0), (0.23, 0.06, 0.36, 0.0), (0.29, 0.06, 0.30, 0.0))
_REAL_GDP = (1.0, 1.46, 1.90)
_PPI = ((1.0, 1.0, 1.0, 1.0), (1.05, 0.95, 0.93, 1.05), (1.10, 0.92, 0.86, 1.10))
#: 38.4% in 1972 and 40% less in 1980 (Section 6); 1976 halfway in logs of the rate.
_TARIFF = (0.384, 0.384 * 0.6**0.5, 0.384 * 0.6)
#: Value added by sector in 1972, for firm mass and labour: what the inverted economy has, to a percentage point.
_GDP_SHARE_1972 = (0.328, 0.182, 0.060, 0.430)
_SUBSIDISED = 35
_METROPOLIS = ("seoul", "busan")
_LARGE_CITIES = ("daegu", "incheon", "gwangju", "daejeon")
_CITIES = (
    "suwon", "uijeongbu", "chuncheon", "wonju", "gangneung", "sokcho", "cheongju", "chungju", "cheonan", "jeonju",
    "gunsan",
    "iri", "mokpo", "yeosu", "suncheon", "pohang", "gyeongju", "gimcheon", "andong", "masan", "ulsan", "jinju",
    "jinhae",
    "chungmu", "samcheonpo", "jeju", "anyang", "bucheon", "seongnam",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class RegionalDesign:
    """How synthetic regional fundamentals are drawn.

    Attributes
    ----------
    seed
        Of every draw.
    hubs
        Regions in which heavy industry concentrates.
    hub_share
        Their share of heavy output in each year: how concentrated the growth is.
    export_intensity_1972
        Heavy's: with 0.19 in 1980 it sets by how much foreign demand grows (the paper: 48% relative to domestic
        demand).
    heavy_preference
        α of heavy manufacturing in each year, which sets its GDP share (the paper: 6% and 13%).
    hub_labour
        A hub's weight in labour, relative to a nation of weight one (cities of 1972 weigh 0.010).
    dispersion
        Standard deviation of logs of regional output about the pattern of towns.
    growth_dispersion
        Of logs of heavy output's growth, per period.
    wage_dispersion
        Of logs of labour per unit of labour income: regional wages.
    mass_dispersion
        Of logs of heavy firm mass per unit of output in 1972: how much firms' scale differs between regions.
    hub_dispersion, hub_growth_dispersion
        Of logs of heavy output between hubs in 1972, and of its growth per period.
    hub_adopters, other_adopters
        Adopter shares before 1972.
    """

    seed: int = 1
    hubs: tuple[str, ...] = ("ulsan", "pohang", "changwon", "yeosu", "masan", "gumi", "geoje", "incheon")
    hub_share: tuple[float, float, float] = (0.4, 0.5, 0.65)
    export_intensity_1972: float = 0.125
    heavy_preference: tuple[float, float, float] = (0.068, 0.092, 0.125)
    hub_labour: float = 0.012
    dispersion: float = 0.5
    growth_dispersion: float = 0.15
    wage_dispersion: float = 0.12
    mass_dispersion: float = 0.2
    hub_dispersion: float = 0.25
    hub_growth_dispersion: float = 0.15
    hub_adopters: float = 0.1
    other_adopters: float = 0.03


def _table(folder: Path, name: str) -> list[dict[str, str]]:
    with (folder / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _shares(weights: Floats) -> Floats:
    share: Floats = weights / weights.sum()
    return share


def build_korea(
    design: RegionalDesign | None = None, moments: tuple[Moment, ...] = (), geography: Path | None = None
) -> EconomyBundle:
    """Return the synthetic economy on Korea's geography.

    Parameters
    ----------
    design
        Of the regional fundamentals.
    moments
        Targets of calibration that travel with the economy.
    geography
        Folder with places.csv, ports.csv and expressway.csv; the shipped one by default.

    Raises
    ------
    InvalidValue
        For hubs that are no places, shares outside (0, 1) or negative dispersions.

    Examples
    --------
    >>> korea = build_korea()
    >>> korea.label, len(korea.regions), int(korea.subsidised.sum())
    ('synthetic', 86, 35)
    """
    design = design or RegionalDesign()
    folder = geography or data_folder("korea")
    places = _table(folder, "places.csv")
    names = tuple(place["region"] for place in places)
    _check(design, names)
    hub = np.array([name in design.hubs for name in names])
    labour, output, mass = _regional_draws(design, names, hub)
    heavy = SECTORS.index("heavy")
    subsidised = np.zeros(len(names), dtype=bool)
    subsidised[np.argsort(-output[-1][:, heavy], kind="stable")[:_SUBSIDISED]] = True
    adopters = np.zeros((len(names), len(SECTORS)))
    adopters[:, heavy] = np.where(hub, design.hub_adopters, design.other_adopters)
    inputs = np.broadcast_to(_INPUTS, (len(YEARS), len(SECTORS), len(SECTORS)))
    synthetic = Provenance(
        "synthetic", f"drawn from seed {design.seed} with a design that was chosen; see docs/guide/korea.md"
    )
    real = Provenance("real", "see data/korea/README.md")
    provenance: dict[str, Provenance] = dict.fromkeys((*TABLES, *OPTIONAL_TABLES), synthetic)
    provenance |= {"ports": real, "expressway": real}
    published = Provenance("published", "Table 2 and Section 6")
    provenance |= {"moments": published}
    ports = [port for port in _table(folder, "ports.csv") if port["status"] == "open"]
    return EconomyBundle(
        name="Synthetic economy on Korea's geography",
        label="synthetic",
        description=(
            "Korea's real places, ports and expressway with synthetic regional fundamentals that hold the published "
            "aggregates."
        ),
        provenance=provenance,
        regions=names,
        region_names=tuple(place["name"] for place in places),
        sectors=SECTORS,
        years=YEARS,
        years_per_period=4,
        latitude=np.array([float(place["latitude"]) for place in places]),
        longitude=np.array([float(place["longitude"]) for place in places]),
        area_km2=np.array([float(place["area_km2"]) for place in places]),
        labour=labour,
        labour_unit="share of the nation's labour",
        subsidised=subsidised,
        ports=tuple(Port(p["port"], latitude=float(p["latitude"]), longitude=float(p["longitude"])) for p in ports),
        expressway=tuple((leg["from"], leg["to"]) for leg in _table(folder, "expressway.csv")),
        expressway_reduction=0.66,
        adopts=np.array([False, False, True, False]),
        foreign_trade=np.array([True, True, True, False]),
        distance_elasticity=np.array(DISTANCE_ELASTICITY),
        distortion_elasticity=np.array([0.0, 0.0, -0.30, 0.0]),
        preferences=np.array(
            [
                [c, light, h, 1.0 - c - light - h]
                for (c, light), h in zip(_PREFERENCES, design.heavy_preference, strict=True)
            ]
        ),
        labour_share=1.0 - inputs.sum(axis=2),
        input_share=inputs,
        tariffs=np.array([[rate, rate, rate, 0.0] for rate in _TARIFF]),
        firm_mass=mass,
        gross_output=np.array(output),
        export_intensity=_export_intensity(design),
        import_share=np.array(_IMPORT_SHARE),
        real_gdp=np.array(_REAL_GDP),
        ppi=np.array(_PPI),
        adopter_share=adopters,
        moments=moments,
        seed=design.seed,
    )


def _check(design: RegionalDesign, names: tuple[str, ...]) -> None:
    unknown = [hub for hub in design.hubs if hub not in names]
    if unknown or not design.hubs:
        raise InvalidValue(key="hubs", value=unknown or "()", requirement="places of places.csv", remedy="name regions")
    for share in design.hub_share:
        if not 0.0 < share < 1.0:
            raise InvalidValue(key="hub_share", value=share, requirement="in (0, 1)", remedy="pass three shares")
    for key in (
        "dispersion",
        "growth_dispersion",
        "wage_dispersion",
        "mass_dispersion",
        "hub_dispersion",
        "hub_growth_dispersion",
    ):
        if not 0.0 <= getattr(design, key) < 3.0:
            raise InvalidValue(key=key, value=getattr(design, key), requirement="in [0, 3)", remedy="it is in logs")


def _regional_draws(
    design: RegionalDesign, names: tuple[str, ...], hub: NDArray[np.bool_]
) -> tuple[Floats, list[Floats], Floats]:
    """Return labour (N,), output shares by year (N, J) and firm mass (N, J)."""
    size = len(names)

    def normal(stream: int, *shape: int) -> Floats:
        return np.random.default_rng([design.seed, stream]).normal(size=shape or (size,))

    people = 0.006 * np.exp(0.3 * normal(0))
    people = np.where(_in(names, _CITIES), 0.010 * np.exp(0.2 * normal(1)), people)
    people = np.where(hub, design.hub_labour * np.exp(0.2 * normal(2)), people)
    people = np.where(_in(names, _LARGE_CITIES), 0.025, people)
    people = np.where(_in(names, _METROPOLIS), [0.17 if name == "seoul" else 0.06 for name in names], people)
    people = _shares(people)
    urban = np.where(_in(names, _METROPOLIS), 2.0, np.where(_in(names, _LARGE_CITIES), 1.0, 0.0))
    urban = np.where((urban == 0.0) & (_in(names, _CITIES) | hub), 0.5, urban)
    spread = design.dispersion
    commodity = _shares(people * np.exp(-1.2 * urban + 0.5 * spread * normal(3)))
    light = _shares(people * np.exp(0.35 * urban + spread * normal(4)))
    service = _shares(people * np.exp(0.25 * urban + 0.1 * normal(5)))
    elsewhere = people * np.exp(0.3 * urban + spread * normal(6))
    in_hubs = np.exp(design.hub_dispersion * normal(7))
    growth = np.zeros(size)
    output = []
    for t, share in enumerate(design.hub_share):
        if t:
            spread_of_growth = np.where(hub, design.hub_growth_dispersion, design.growth_dispersion)
            growth = growth + spread_of_growth * normal(7 + t)
        outside = _shares(np.where(hub, 0.0, elsewhere * np.exp(growth)))
        inside = _shares(np.where(hub, in_hubs * np.exp(growth), 0.0))
        heavy = (1.0 - share) * outside + share * inside
        output.append(np.stack([commodity, light, heavy, service], axis=1))
    value_added = output[0] * np.array(_GDP_SHARE_1972)
    labour = _shares(value_added.sum(axis=1) * np.exp(design.wage_dispersion * normal(10)))
    scale = np.ones((size, len(SECTORS)))
    scale[:, SECTORS.index("heavy")] = np.exp(design.mass_dispersion * normal(11))
    return labour, output, _shares(value_added * scale)


def _export_intensity(design: RegionalDesign) -> Floats:
    """Return exports over output (T, J): heavy's of 1976 is the geometric mean of its neighbours."""
    intensity = np.array(_EXPORT_INTENSITY)
    heavy = SECTORS.index("heavy")
    intensity[0, heavy] = design.export_intensity_1972
    intensity[1, heavy] = np.sqrt(intensity[0, heavy] * intensity[2, heavy])
    return intensity


def _in(names: tuple[str, ...], group: tuple[str, ...]) -> NDArray[np.bool_]:
    return np.array([name in group for name in names])


#: The shipped economy, which matches Table 2's data column.
DATA_DESIGN = RegionalDesign(
    seed=3969,
    hubs=("bucheon", "geoje", "ulsan", "gimhae", "mukho", "suwon", "changwon"),
    hub_share=(0.37181, 0.83606, 0.87303),
    export_intensity_1972=0.08434,
    heavy_preference=(0.0769, 0.11392, 0.14073),
    hub_labour=0.01511,
    dispersion=0.48741,
    growth_dispersion=0.0336,
    wage_dispersion=0.14563,
    mass_dispersion=0.49796,
    hub_dispersion=0.29389,
    hub_growth_dispersion=0.36373,
    hub_adopters=0.06387,
)
#: The labelled variant, which matches Table 2's model column.
MODEL_DESIGN = RegionalDesign(
    seed=19722,
    hubs=("masan", "gunsan", "pohang", "changwon"),
    hub_share=(0.37819053544454245, 0.7533386593236104, 0.8851717082771946),
    export_intensity_1972=0.07845,
    heavy_preference=(0.07594, 0.11074, 0.1343),
    hub_labour=0.023738676913353986,
    dispersion=0.1630094257575553,
    growth_dispersion=0.1453076145091737,
    wage_dispersion=0.14026833938611466,
    mass_dispersion=0.4423574912427044,
    hub_dispersion=0.8998424226281586,
    hub_adopters=0.02154554195215283,
)
