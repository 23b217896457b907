"""An economy as the quantitative model takes it: regions, sectors, years, and what is known of each.

Section 5 of the paper, "Taking the Model to the Data". An economy holds data only: what is measured, and what is
calibrated outside the model. Parameters that a study varies or calibrates (η, δ, σ, θ, κ, costs, subsidies) are no part
of it. Shapes are given for N regions, J sectors and T years; arrays are read-only 64-bit floats unless said otherwise.

Examples
--------
>>> from bigpush_est.data.economy_example import example_bundle
>>> economy = example_bundle()
>>> economy.label, economy.regions, economy.sectors, economy.years
('synthetic', ('hill', 'harbour'), ('goods', 'service'), (1972, 1976))
>>> economy.distances().round(1)
array([[16.8, 37.8],
       [37.8, 16.8]])
>>> economy.distances(expressway=False).round(1)
array([[ 16.8, 111.2],
       [111.2,  16.8]])
"""

from collections.abc import Mapping
from dataclasses import InitVar, dataclass

import numpy as np
from numpy.typing import NDArray

from bigpush_est.data.economy_checks import OPTIONAL_TABLES, check_economy
from bigpush_est.data.economy_tables import Rows
from bigpush_est.data.geography import great_circle, internal_distance, port_distances, route_distances
from bigpush_est.errors import ShapeMismatch, WrongType

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

#: The arrays of an economy and their axes: N regions, J sectors, T years.
SHAPES = {
    "latitude": "N",
    "longitude": "N",
    "labour": "N",
    "subsidised": "N",
    "area_km2": "N",
    "adopts": "J",
    "foreign_trade": "J",
    "distance_elasticity": "J",
    "distortion_elasticity": "J",
    "preferences": "TJ",
    "labour_share": "TJ",
    "input_share": "TJJ",
    "tariffs": "TJ",
    "firm_mass": "NJ",
    "gross_output": "TNJ",
    "export_intensity": "TJ",
    "import_share": "TJ",
    "real_gdp": "T",
    "ppi": "TJ",
    "adopter_share": "NJ",
}
FLAGS = ("subsidised", "adopts", "foreign_trade")


@dataclass(frozen=True)
class Provenance:
    """Where a table is from.

    ``label`` is "real", "published" or "synthetic"; a table of which any column is synthetic is synthetic.
    """

    label: str
    source: str


@dataclass(frozen=True)
class Port:
    """A port: at the place of a region, or at a point of its own (degrees)."""

    name: str
    region: str | None = None
    latitude: float | None = None
    longitude: float | None = None


@dataclass(frozen=True)
class Moment:
    """A target of calibration. ``weight`` is None where all are to weigh the same."""

    name: str
    value: float
    source: str
    weight: float | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class EconomyBundle:
    """An economy, checked as a whole when it is made.

    Parameters
    ----------
    name, description
        For reports.
    label
        "synthetic", "real" or "published": how every result that rests on this economy is to be labelled.
    provenance
        Label and source of each table, by the table's name ("regions", "trade", ...); those of optional tables that
        the economy does not have are dropped.
    seed
        The seed of a synthetic economy; None for others.
    regions, region_names
        Short names (N) that files and results use, and names to show (N).
    sectors
        Short names (J).
    years, years_per_period
        The model's first periods (T), `years_per_period` years apart.
    latitude, longitude
        (N,), degrees.
    labour, labour_unit
        (N,), above 0, in the unit named; only shares matter to the model.
    subsidised
        (N,) of bool: regions whose adopters are subsidised (Section 5.2, 𝒩ˢ).
    area_km2, national_area_km2
        Areas (N,) in km², or None and the country's area, of which each region gets an equal share.
    ports, expressway, expressway_reduction
        The ports; pairs of regions joined by a leg; the share by which a leg is shortened.
    adopts, foreign_trade
        (J,) of bool: sectors that can adopt, sectors that trade with Foreign.
    distance_elasticity
        (J,): (σ−1)υ_j, by which trade falls with distance.
    distortion_elasticity
        (J,): ξ_j in τ̄_j z^{ξ_j}, 0 where there are no distortions.
    preferences
        (T, J): α_j; sums to 1 over sectors.
    labour_share, input_share
        (T, J) and (T, J, J): γ^L_j and γ^k_j, buyer before input; together they sum to 1.
    tariffs
        (T, J): t_j, at least 0.
    firm_mass
        (N, J): M_nj; sums to 1.
    gross_output
        (T, N, J): share of the sector's gross output; sums to 1 over regions; 0 just where there are no firms.
    export_intensity, import_share
        (T, J): exports over gross output, imports over expenditure; below 1, and 0 without foreign trade.
    real_gdp
        (T,): index, 1 in the first year.
    ppi
        (T, J): producer price index; only its growth matters.
    adopter_share
        (N, J): λ_nj before the first year; 0 in sectors that do not adopt and where there are no firms.
    moments
        Targets of calibration.
    rows
        Only for messages: the rows of the files that the numbers were read from, by table.

    Raises
    ------
    InputError
        If anything does not fit together; the message names the table, the labels and the value.
    """

    name: str
    label: str
    description: str
    provenance: Mapping[str, Provenance]
    regions: tuple[str, ...]
    region_names: tuple[str, ...]
    sectors: tuple[str, ...]
    years: tuple[int, ...]
    years_per_period: int
    latitude: Floats
    longitude: Floats
    labour: Floats
    labour_unit: str
    subsidised: Flags
    adopts: Flags
    foreign_trade: Flags
    distance_elasticity: Floats
    distortion_elasticity: Floats
    preferences: Floats
    labour_share: Floats
    input_share: Floats
    tariffs: Floats
    firm_mass: Floats
    gross_output: Floats
    export_intensity: Floats
    import_share: Floats
    real_gdp: Floats
    ppi: Floats
    adopter_share: Floats
    area_km2: Floats | None = None
    national_area_km2: float | None = None
    ports: tuple[Port, ...] = ()
    expressway: tuple[tuple[str, str], ...] = ()
    expressway_reduction: float = 0.66
    moments: tuple[Moment, ...] = ()
    seed: int | None = None
    rows: InitVar[Mapping[str, Rows] | None] = None

    def __post_init__(self, rows: Mapping[str, Rows] | None) -> None:
        """Copy the arrays, make them read-only, check everything."""
        size = {"N": len(self.regions), "J": len(self.sectors), "T": len(self.years)}
        for key, axes in SHAPES.items():
            given = getattr(self, key)
            if given is None and key == "area_km2":
                continue
            try:
                array = np.array(given, dtype=np.bool_ if key in FLAGS else np.float64)
            except (TypeError, ValueError):
                raise WrongType(
                    key=key, value=type(given).__name__, expected="an array of numbers", remedy="pass numbers"
                ) from None
            expected = tuple(size[axis] for axis in axes)
            if array.shape != expected:
                raise ShapeMismatch(
                    key=key,
                    shape=array.shape,
                    expected=f"{expected} = ({', '.join(axes)})",
                    remedy="give it the economy's regions (N), sectors (J) and years (T)",
                )
            array.flags.writeable = False
            object.__setattr__(self, key, array)
        # an economy changed in memory, say to have no expressway, need not be told that the table's source went with it
        absent = [table for table in OPTIONAL_TABLES if not getattr(self, table)]
        kept = {table: provenance for table, provenance in self.provenance.items() if table not in absent}
        object.__setattr__(self, "provenance", kept)
        check_economy(self, rows or {})

    @property
    def areas(self) -> Floats:
        """Areas of the regions (N,) in km²; equal shares of the country where single ones are not known."""
        if self.area_km2 is not None:
            return self.area_km2
        return np.full(len(self.regions), (self.national_area_km2 or 0.0) / len(self.regions))

    def distances(self, expressway: bool = True) -> Floats:
        """Return Dist_nm in km, (N, N): fastest routes, on the diagonal a region's distance to itself.

        Great circles between the regions' places, on which the expressway's legs are shortened; see
        `bigpush_est.data.geography` for what is a choice.

        Parameters
        ----------
        expressway
            Whether there is the expressway: without it, what Table 3 calls "no highway".

        Examples
        --------
        >>> from bigpush_est.data.economy_example import example_bundle
        >>> example_bundle().distances().diagonal().round(1)  # two thirds of the radius of a disk of 2000 km²
        array([16.8, 16.8])
        """
        routes = self._routes(expressway)
        np.fill_diagonal(routes, internal_distance(self.areas))
        return routes

    def port_distances(self, expressway: bool = True) -> Floats:
        """Return Dist^port_n in km, (N,): the fastest route to the nearest port, infinite if there is none.

        Examples
        --------
        >>> from bigpush_est.data.economy_example import example_bundle
        >>> example_bundle().port_distances().round(1)
        array([37.8, 16.8])
        """
        if not self.ports:
            return np.full(len(self.regions), np.inf)
        points = np.array([self._point(port) for port in self.ports])
        to_port = great_circle(self.latitude, self.longitude, points[:, 0], points[:, 1])
        return port_distances(self._routes(expressway), to_port, internal_distance(self.areas))

    def freeness(self, expressway: bool = True) -> Floats:
        """Return d_nmj^{1−σ} = Dist_nm^{−(σ−1)υ_j}, (J, N, N): the freeness of trade between regions.

        Examples
        --------
        >>> from bigpush_est.data.economy_example import example_bundle
        >>> example_bundle().freeness().shape
        (2, 2, 2)
        """
        return np.asarray(self.distances(expressway) ** -self.distance_elasticity[:, None, None])

    def port_freeness(self, expressway: bool = True) -> Floats:
        """Return (d^x_nj)^{1−σ}, (N, J): the freeness of trade with Foreign; 0 in sectors without it.

        Examples
        --------
        >>> from bigpush_est.data.economy_example import example_bundle
        >>> example_bundle().port_freeness().round(4)
        array([[0.0092, 0.    ],
               [0.0262, 0.    ]])
        """
        free = self.port_distances(expressway)[:, None] ** -self.distance_elasticity
        return np.where(self.foreign_trade, free, 0.0)

    def _routes(self, expressway: bool) -> Floats:
        number = {region: i for i, region in enumerate(self.regions)}
        legs = [(number[start], number[end]) for start, end in self.expressway] if expressway else []
        return route_distances(great_circle(self.latitude, self.longitude), legs, self.expressway_reduction)

    def _point(self, port: Port) -> tuple[float, float]:
        if port.region is None:
            return port.latitude or 0.0, port.longitude or 0.0  # given, or the check would have refused it
        i = self.regions.index(port.region)
        return float(self.latitude[i]), float(self.longitude[i])
