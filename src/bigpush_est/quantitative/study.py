"""A study of the quantitative model: reads a TOML file and the economy that it names; checks both before any work."""

import hashlib
import json
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from bigpush_est.bayes.evidence import Source
from bigpush_est.data.economy import EconomyBundle
from bigpush_est.data.economy_bundle import economy_fingerprint, load_economy_bundle
from bigpush_est.data.locate import data_folder
from bigpush_est.data.published import PublishedTables, load_published
from bigpush_est.equilibrium.adoption_map import FloatArray
from bigpush_est.equilibrium.spatial.calibration import PARAMETERS, CalibrationProblem
from bigpush_est.errors import InvalidValue, MissingKey, UnknownKey
from bigpush_est.quantitative.ensemble import DrawnEconomy, load_ensemble
from bigpush_est.quantitative.problem import ExternalParameters, calibration_problem, moment_names, tail_elasticity
from bigpush_est.quantitative.spec import QuantitativeSpec
from bigpush_est.study import changed_tables, read_study, source_hash
from bigpush_est.study_spec import parse_tables

#: Where the search for Table 2's internal block starts, unless a study says otherwise.
DEFAULT_START = {
    "adoption_cost": 0.02,
    "export_cost_light": 0.25,
    "export_cost_heavy": 0.03,
    "subsidy_rate": 0.06,
    "kappa": 1.7,
    "tau_bar": 0.88,
}
_VARIED = ("economy", "parameters", "calibration")


class QuantitativeStudy:
    """A checked study and the economy that it reads."""

    def __init__(
        self,
        raw: dict[str, Any],
        where: str,
        bundle: EconomyBundle | None = None,
        tables: PublishedTables | None = None,
        unweighted: Collection[str] = (),
    ) -> None:
        self.raw, self.where = raw, where
        #: Moments that the calibration shows and does not aim at: what holds them has entered elsewhere.
        self.unweighted = frozenset(unweighted)
        self.spec = parse_tables(QuantitativeSpec, raw, where)
        self.tables = load_published() if tables is None else tables
        self.bundle = self._read_economy() if bundle is None else bundle
        self.ensemble = self._read_ensemble() if bundle is None else ()
        self._check()

    def _read_economy(self) -> EconomyBundle:
        folder = self._beside(self.spec.economy.folder)
        return load_economy_bundle(folder if folder.is_dir() else data_folder(self.spec.economy.folder))

    def _read_ensemble(self) -> tuple[DrawnEconomy, ...]:
        """Return the other economies that the study names, none for a variant."""
        name = self.spec.economy.ensemble
        if name is None or ", variant " in self.where:
            return ()
        path = self._beside(name)
        if not path.is_file() and len(Path(name).parts) > 1 and not Path(name).is_absolute():
            path = data_folder(str(Path(name).parent)) / Path(name).name
        return load_ensemble(path)

    def _beside(self, name: str) -> Path:
        """Return a path that is taken from the study's own folder, unless it is absolute."""
        return Path(self.where.split(", variant ")[0]).parent / name

    def _check(self) -> None:
        spec, bundle = self.spec, self.bundle
        if spec.economy.numeraire not in bundle.sectors:
            raise InvalidValue(
                key=f"{self.where}: economy.numeraire",
                value=spec.economy.numeraire,
                requirement="a sector of the economy",
                remedy=f"choose from {', '.join(bundle.sectors)}",
            )
        year = spec.calibration.region_share_year
        if year is not None and year not in bundle.years:
            raise InvalidValue(
                key=f"{self.where}: calibration.region_share_year",
                value=year,
                requirement="a year of the economy",
                remedy=f"choose from {', '.join(map(str, bundle.years))}, or leave it out for their mean",
            )
        for table in ("start", "fixed"):
            for name in getattr(spec.calibration, table):
                if name not in PARAMETERS:
                    raise UnknownKey(
                        where=f"{self.where}, calibration.{table}",
                        key=name,
                        value=getattr(spec.calibration, table)[name],
                        remedy=f"choose from {', '.join(PARAMETERS)}",
                    )
        self.external()
        self.target()

    # -- what the model takes -----------------------------------------------------------------------------------------

    @property
    def tail_index(self) -> float:
        """θ/(σ(1+ξ)−1) as published: what ξ is inferred from."""
        given = self.spec.parameters.tail_index
        value = self.tables.value
        published = value("theta") / (value("sigma") * (1.0 + value("xi_heavy")) - 1.0)
        return published if given is None else given

    def distortion_elasticity(self) -> float:
        """ξ of the heavy sector, from the tail of sales; −0.30 at the paper's σ, θ and kept sales."""
        given = self.spec.parameters
        sigma, theta = np.array(given.sigma), np.array(given.pareto_ratio * (given.sigma - 1.0))
        return float(tail_elasticity(given.exponent, sigma, theta, self.tail_index, self.tables.value("xi_heavy")))

    def external(self) -> ExternalParameters:
        """Return σ, θ, η and δ: the estimates over the exponent e, unless the study gives η and δ."""
        given, xi = self.spec.parameters, self.distortion_elasticity()
        exponent = {
            "undistorted": given.sigma - 1.0,
            "kept": given.sigma * (1.0 + xi) - 1.0,
            "gross_published_xi": (given.sigma - 1.0) * (1.0 + xi),
            "gross_reinferred_xi": (given.sigma - 1.0) * (1.0 + xi),
        }[given.exponent]
        if exponent <= 0.0:
            raise InvalidValue(
                key=f"{self.where}: parameters.sigma",
                value=given.sigma,
                requirement="such that the exponent of the mapping is positive",
                remedy="raise sigma or the tail index",
            )
        return ExternalParameters(
            sigma=given.sigma,
            theta=given.pareto_ratio * (given.sigma - 1.0),
            eta=float(np.exp(given.direct_effect / exponent)) if given.eta is None else given.eta,
            delta=given.spillover / exponent if given.delta is None else given.delta,
        )

    def economy(self) -> EconomyBundle:
        """Return the economy with the study's ξ and trade elasticities."""
        elasticity = np.where(self.bundle.adopts, self.distortion_elasticity(), self.bundle.distortion_elasticity)
        return replace(
            self.bundle,
            distortion_elasticity=elasticity,
            distance_elasticity=self.bundle.distance_elasticity * self.spec.parameters.trade_elasticity,
        )

    def problem(self) -> CalibrationProblem:
        """Return the calibration problem."""
        year = self.spec.calibration.region_share_year
        return calibration_problem(
            self.economy(),
            self.external(),
            numeraire=self.spec.economy.numeraire,
            region_share_period=None if year is None else self.bundle.years.index(year),
            bandwidth=self.spec.calibration.bandwidth,
        )

    def moment_names(self) -> list[str]:
        """Names of the seven moments in their order."""
        return moment_names(self.bundle)

    def weights(self) -> FloatArray | None:
        """Return the economy's weights of the moments, 0 for the unweighted; None if all are equal."""
        own = {moment.name: moment.weight for moment in self.bundle.moments}
        if self.spec.calibration.target == "model":
            own = {}
        if not self.unweighted and all(weight is None for weight in own.values()):
            return None
        weights = [1.0 if own.get(name) is None else own[name] for name in self.moment_names()]
        return np.where([name in self.unweighted for name in self.moment_names()], 0.0, np.array(weights, dtype=float))

    def target(self) -> FloatArray:
        """Return the seven moments that the calibration aims at: the economy's own, or Table 2's model column."""
        if self.spec.calibration.target == "model":
            missing = [name for name in self.moment_names() if name not in self.published_moments()]
            if missing:
                raise InvalidValue(
                    key=f"{self.where}: calibration.target",
                    value="model",
                    requirement=f"for an economy with Table 2's moments; it has no {missing[0]}",
                    remedy='set target = "data" and give the economy moments of its own',
                )
            return np.array([self.published_moments()[name][0] for name in self.moment_names()])
        own = {moment.name: moment.value for moment in self.bundle.moments}
        for name in self.moment_names():
            if name not in own:
                raise MissingKey(
                    where=f"{self.where}: the economy's moments.csv", key=name, remedy="give the moment a value"
                )
        return np.array([own[name] for name in self.moment_names()])

    def published_moments(self) -> dict[str, tuple[float, float]]:
        """Return Table 2's moments by name: (the paper's model, data)."""
        rows = self.tables.table2_rows
        return {row.moment: (row.model_fit or 0.0, row.data or 0.0) for row in rows if row.moment and row.data}

    def starts(self) -> list[FloatArray]:
        """Return where the searches start: the study's point, then seeded ones around it."""
        values = DEFAULT_START | self.spec.calibration.start | self.spec.calibration.fixed
        first = np.array([values[name] for name in PARAMETERS])
        rng = np.random.default_rng([self.spec.seed, 1])
        found = [first]
        for _ in range(self.spec.calibration.restarts):
            moved = first.copy()
            moved[:4] *= np.exp(rng.uniform(-0.5, 0.5, 4))
            moved[4] = 1.0 + (first[4] - 1.0) * np.exp(rng.uniform(-0.5, 0.5))
            found.append(moved)
        return found

    # -- variants, sources, identity ---------------------------------------------------------------------------------

    def variants(self) -> list[tuple[str, str, "QuantitativeStudy"]]:
        """Return group, label and study of each variant."""
        found, seen = [], set()
        for variant in self.spec.variants:
            where = f"{self.where}, variant '{variant.group}: {variant.label}'"
            if (variant.group, variant.label) in seen:
                raise InvalidValue(
                    key=where, value=variant.label, requirement="unlike every other", remedy="give it another label"
                )
            seen.add((variant.group, variant.label))
            for path, value in variant.set.items():
                if path.split(".")[0] not in _VARIED:
                    raise UnknownKey(
                        where=where, key=path, value=value, remedy=f"a variant changes {', '.join(_VARIED)}"
                    )
            raw = changed_tables(self.raw, variant.set, where)
            same = raw["economy"] == self.raw["economy"]
            found.append(
                (
                    variant.group,
                    variant.label,
                    QuantitativeStudy(raw, where, self.bundle if same else None, self.tables),
                )
            )
        return found

    def sources(self) -> list[Source]:
        """Every input with value, label and place: the report's table of inputs."""
        given, external = self.spec.parameters, self.external()
        mapped = f"mapped with exponent '{given.exponent}'"
        rows = [
            Source("η", f"{external.eta:.4g}", "factor of productivity", *self._origin("eta", external.eta, mapped)),
            Source("δ", f"{external.delta:.4g}", "log points per unit", *self._origin("delta", external.delta, mapped)),
            Source("σ", f"{given.sigma:g}", "elasticity", *self._origin("sigma", given.sigma)),
            Source("θ", f"{external.theta:g}", "shape", *self._origin("theta", external.theta)),
            Source("ξ, heavy", f"{self.distortion_elasticity():.3f}", "elasticity", "derived", "tail of sales"),
        ]
        for table, provenance in self.bundle.provenance.items():
            label = {"published": "published", "real": "published"}.get(provenance.label, "assumed")
            rows.append(Source(f"{table}.csv", provenance.label, "", label, provenance.source))  # type: ignore[arg-type]
        return rows

    def _origin(self, name: str, value: float, mapped: str | None = None) -> tuple[Any, str]:
        """Return label and place of an external parameter: published only if it is the paper's value."""
        if mapped is not None and getattr(self.spec.parameters, name) is None:
            return "derived", mapped
        if np.isclose(value, self.tables.value(name), rtol=1e-9):
            return "published", "Table 2"
        return "assumed", f"set by the study; Table 2 has {self.tables.value(name):g}"

    def fingerprint(self) -> str:
        """Return a hash of all that decides the results: the study, the economy, the published tables and the code."""
        content = {
            "study": self.raw,
            "economy": economy_fingerprint(self.bundle),
            "ensemble": repr(self.ensemble),
            "tables": repr(self.tables),
            "code": source_hash(),
            "numpy": np.__version__,
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()


def load_quantitative_study(path: str | Path, overrides: dict[str, Any] | None = None) -> QuantitativeStudy:
    """Read and check a quantitative study.

    Raises
    ------
    InputError
        One clear message for the first thing wrong: file, key, value and remedy.
    """
    return QuantitativeStudy(*read_study(path, overrides))
