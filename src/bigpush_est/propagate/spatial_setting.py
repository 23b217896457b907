"""How posterior draws become economies of the quantitative model, and what is computed for each."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from bigpush_est.data.economy import EconomyBundle
from bigpush_est.equilibrium.adoption_map import FloatArray
from bigpush_est.equilibrium.spatial.calibration import PARAMETERS, CalibrationProblem
from bigpush_est.equilibrium.spatial.external_draws import ExternalDraws
from bigpush_est.errors import InvalidValue, MissingKey, ShapeMismatch
from bigpush_est.quantitative.problem import ExternalParameters, calibration_problem, tail_elasticity
from bigpush_est.quantitative.study import QuantitativeStudy

#: What ``propagate_spatial`` takes of each draw.
DRAWN = ("log_eta", "delta", "subsidy", "sigma", "pareto_ratio")


@dataclass(frozen=True, slots=True, eq=False)
class SpatialSetting:
    """How draws become economies, and what is computed; it can be sent to other processes.

    Attributes
    ----------
    bundle
        The economy's tables, with the study's trade elasticities.
    external
        The point calibration's η, δ, σ and θ.
    parameters
        The point calibration's six parameters, in the order of ``calibration.PARAMETERS``, (6,).
    target, weight
        The seven moments and their weights (None: equal), (7,).
    exponent, tail_index, published_xi
        How ξ follows from σ and θ: ``quantitative.problem.tail_elasticity``.
    fixed
        Internal parameters that the calibration holds, by name.
    numeraire, region_share_period, bandwidth
        As in ``CalibrationProblem``.
    recalibrate
        Whether every draw meets the moments anew.
    subsidy
        ``"recalibrated"``: s̄ is an internal parameter, and the draws' is not used.  ``"given"``: it is the draws',
        and the calibration takes it.  Never both.
    drawn
        Internal parameters that are the draws' own besides, such as ``"adoption_cost"`` and ``"kappa"`` where adoption
        counts gave them a posterior: the calibration takes them, too.
    scenarios, smallest_push
        Whether Table 3 C's paths and the smallest push are computed.
    highest_rate, rate_grid, rate_tolerance
        Of the smallest push.
    random_starts, seed
        Of the search of steady states.
    max_periods, tolerance, discount
        Of paths.
    path_periods
        Length of the paths that are returned, whatever draws need to settle.
    industrial_share
        Heavy manufacturing's GDP share from which a state is industrial.  None: half way between the draw's shares in
        the first and in the last calibrated year, that is, nearer to where the push's years ended than to where
        they began.
    """

    bundle: EconomyBundle
    external: ExternalParameters
    parameters: FloatArray
    target: FloatArray
    weight: FloatArray | None = None
    exponent: str = "undistorted"
    tail_index: float = 1.696
    published_xi: float = -0.3
    fixed: Mapping[str, float] = field(default_factory=dict)
    numeraire: str = "commodity"
    region_share_period: int | None = None
    bandwidth: float = 0.01
    recalibrate: bool = True
    subsidy: Literal["recalibrated", "given"] = "recalibrated"
    drawn: tuple[str, ...] = ()
    scenarios: bool = True
    smallest_push: bool = True
    highest_rate: float = 0.4
    rate_grid: int = 4
    rate_tolerance: float = 0.005
    random_starts: int = 2
    seed: int = 0
    max_periods: int = 400
    tolerance: float = 1e-8
    discount: float = 0.85
    path_periods: int = 25
    industrial_share: float | None = None

    def __post_init__(self) -> None:
        for key, size in (("parameters", len(PARAMETERS)), ("target", len(self.bundle.years) + 4)):
            if np.shape(getattr(self, key)) != (size,):
                raise ShapeMismatch(
                    key=key, shape=np.shape(getattr(self, key)), expected=f"({size},)", remedy="one number each"
                )
        _require("subsidy", self.subsidy, self.subsidy in ("recalibrated", "given"), "recalibrated or given")
        _require("highest_rate", self.highest_rate, 0.0 < self.highest_rate < 1.0, "in (0, 1)")
        _require("random_starts", self.random_starts, self.random_starts >= 0, "at least 0")
        _require("path_periods", self.path_periods, self.path_periods >= 1, "at least 1")
        if self.subsidy == "given" and "subsidy_rate" in self.fixed:
            raise InvalidValue(
                key="calibration.fixed",
                value="subsidy_rate",
                requirement="left out where the subsidy is the draws'",
                remedy='hold it with subsidy = "recalibrated", or leave it to the draws',
            )
        for name in self.drawn:
            _require("drawn", name, name in PARAMETERS and name != "subsidy_rate", "an internal parameter, not s̄")
            _require("calibration.fixed", name, name not in self.fixed, "left out where it is the draws'")

    @classmethod
    def of(cls, study: QuantitativeStudy, parameters: FloatArray, **options: Any) -> Self:
        """Return the setting of a quantitative study, at the parameters that its calibration found."""
        calibration, paths = study.spec.calibration, study.spec.paths
        year = calibration.region_share_year
        given: dict[str, Any] = {
            "weight": study.weights(),
            "exponent": study.spec.parameters.exponent,
            "tail_index": study.tail_index,
            "published_xi": study.tables.value("xi_heavy"),
            "fixed": dict(calibration.fixed),
            "numeraire": study.spec.economy.numeraire,
            "region_share_period": None if year is None else study.bundle.years.index(year),
            "bandwidth": calibration.bandwidth,
            "seed": study.spec.seed,
            "max_periods": paths.max_periods,
            "tolerance": paths.tolerance,
            "discount": paths.discount,
        } | options
        known = {entry.name for entry in fields(cls)}
        for name in given:
            if name not in known:
                raise InvalidValue(key="option", value=name, requirement="known", remedy=", ".join(sorted(known)))
        return cls(study.economy(), study.external(), np.asarray(parameters, dtype=float), study.target(), **given)

    def problem(self) -> CalibrationProblem:
        """Return the calibration problem at the point's external parameters."""
        return calibration_problem(
            self.bundle,
            self.external,
            numeraire=self.numeraire,
            region_share_period=self.region_share_period,
            bandwidth=self.bandwidth,
        )

    def external_draws(self, draws: Mapping[str, FloatArray]) -> ExternalDraws:
        """Return η, δ, σ, θ and ξ of the draws.

        Raises
        ------
        MissingKey, ShapeMismatch
            If a parameter is missing, or they are not of one length.
        """
        for name in (*DRAWN, *self.drawn):
            if name not in draws:
                raise MissingKey(where="draws", key=name, remedy=f"pass {', '.join((*DRAWN, *self.drawn))}")
            if np.ndim(draws[name]) != 1 or np.shape(draws[name]) != np.shape(draws[DRAWN[0]]):
                raise ShapeMismatch(
                    key=name, shape=np.shape(draws[name]), expected="one value per draw", remedy="repeat what is fixed"
                )
        sigma = np.asarray(draws["sigma"], dtype=np.float64)
        theta = np.asarray(draws["pareto_ratio"], dtype=np.float64) * (sigma - 1.0)
        with np.errstate(all="ignore"):
            xi = tail_elasticity(self.exponent, sigma, theta, self.tail_index, self.published_xi)
            eta = np.exp(draws["log_eta"])
        if self.subsidy == "given":  # a rate that is none leaves no model
            rate = np.asarray(draws["subsidy"], dtype=np.float64)
            eta = np.where((rate >= 0.0) & (rate < 1.0), eta, np.nan)
        for name in self.drawn:
            eta = np.where(possible(name, draws[name]), eta, np.nan)
        return ExternalDraws(eta, np.asarray(draws["delta"], dtype=np.float64), sigma, theta, xi)


def possible(name: str, values: FloatArray) -> NDArray[np.bool_]:
    """Return where an internal parameter, other than s̄, is a number that a model can have."""
    numbers = np.asarray(values, dtype=np.float64)
    found: NDArray[np.bool_] = np.isfinite(numbers) & (numbers > (1.0 if name == "kappa" else 0.0))
    return found


def _require(key: str, value: object, good: bool, requirement: str) -> None:
    if not good:
        raise InvalidValue(key=key, value=value, requirement=requirement, remedy="see SpatialSetting")
