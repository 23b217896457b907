r"""The method of moments of eq. (5.1): six parameters, seven moments, fundamentals inverted at every trial.

    min over (F^T, F^x_light, F^x_heavy, s̄, κ, τ̄) of Σ_m (model_m / data_m − 1)²
    subject to the model's outcomes being the data's

It is a joint minimum: a moment is informative about "its" parameter, but every parameter moves every moment.  The
share of regions with adoption is a step function of κ (regions enter one by one); in the criterion it is smoothed,

    share = mean over regions of 1/(1 + exp(−reach_n/h)),    reach = log κ − log x at which firms adopt,

and the exact count is reported beside it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from bigpush_est.equilibrium.adoption_map import FloatArray
from bigpush_est.equilibrium.spatial.acceleration import newton_preconditioner
from bigpush_est.equilibrium.spatial.economy import SpatialEconomy
from bigpush_est.equilibrium.spatial.inversion import Inversion, InversionSystem, Targets, invert
from bigpush_est.equilibrium.spatial.outcomes import Outcomes, measure
from bigpush_est.equilibrium.spatial.static import StaticEquilibrium
from bigpush_est.errors import InvalidValue

#: The parameters of the internal calibration, Table 2's second block.
PARAMETERS = ("adoption_cost", "export_cost_light", "export_cost_heavy", "subsidy_rate", "kappa", "tau_bar")


@dataclass(frozen=True, slots=True, eq=False)
class CalibrationProblem:
    """What the calibration takes as given.

    Attributes
    ----------
    economies
        One per calibrated period, with all that is calibrated outside the model; their fundamentals, fixed costs, κ,
        τ̄ and
        subsidies are starting values only.
    targets
        One per period: the constraints.
    initial_share
        λ before the first period, (J, N).
    subsidised, subsidy_periods
        The regions that get the subsidy, (N,), and the periods in which they do.
    adopting_sector, light_sectors, heavy_sector
        Which sector adopts, which share the light sector's export cost, and which has its own.
    numeraire
        The sector whose foreign price is the numeraire.
    region_share_period
        The period whose share of regions with adoption is the moment; None for the mean over periods.
    bandwidth
        h of the smoothed share of regions with adoption.
    """

    economies: tuple[SpatialEconomy, ...]
    targets: tuple[Targets, ...]
    initial_share: FloatArray
    subsidised: FloatArray
    subsidy_periods: tuple[int, ...] = (1, 2)
    adopting_sector: int = 2
    light_sectors: tuple[int, ...] = (0, 1)
    heavy_sector: int = 2
    light_moment_sector: int = 1
    numeraire: int = 0
    region_share_period: int | None = None
    bandwidth: float = 0.01
    moment_names: tuple[str, ...] = field(default=())

    def economy(self, period: int, parameters: FloatArray) -> SpatialEconomy:
        """Return a period's economy at D parameter vectors (D, 6)."""
        template = self.economies[period]
        cost, light, heavy, rate, kappa, level = parameters.T
        draws, sectors = parameters.shape[0], template.n_sectors

        def per_sector(values: FloatArray, changes: dict[int, FloatArray]) -> FloatArray:
            filled = np.broadcast_to(values, (draws, sectors)).copy()
            for j, change in changes.items():
                filled[:, j] = change
            return filled

        subsidy = np.zeros((draws, sectors, template.n_regions))
        if period in self.subsidy_periods:
            subsidy[:, self.adopting_sector] = rate[:, None] * self.subsidised
        export_costs = dict.fromkeys(self.light_sectors, light) | {self.heavy_sector: heavy}
        return template.changed(
            adoption_cost=per_sector(template.adoption_cost, {self.adopting_sector: cost}),
            export_cost=per_sector(template.export_cost, export_costs),
            distortion_level=per_sector(template.distortion_level, {self.heavy_sector: level}),
            kappa=kappa,
            subsidy=subsidy,
        )


class Evaluator:
    """Inverts every period at trial parameters, from the last solution, with preconditioners built once."""

    def __init__(self, problem: CalibrationProblem) -> None:
        self.problem = problem
        self._starts: list[FloatArray | None] = [None] * len(problem.economies)
        self._preconditioners: list[FloatArray | None] = [None] * len(problem.economies)

    def invert(self, parameters: FloatArray) -> list[Inversion]:
        """Return each period's inversion at D parameter vectors (D, 6)."""
        problem = self.problem
        parameters = np.atleast_2d(parameters)
        lag, reference, found = problem.initial_share, None, []
        for period, targets in enumerate(problem.targets):
            inversion = invert(
                problem.economy(period, parameters),
                lag,
                targets,
                numeraire=problem.numeraire,
                reference=reference,
                start=self._starts[period],
                preconditioner=self._preconditioners[period],
            )
            if self._starts[period] is None and inversion.converged[0]:
                self._remember(period, parameters, lag, reference, inversion)
            if reference is None:
                reference = inversion.levels
            lag = inversion.equilibrium.adopter_share
            found.append(inversion)
        return found

    def _remember(
        self, period: int, parameters: FloatArray, lag: FloatArray, reference: Any, inversion: Inversion
    ) -> None:
        system = InversionSystem(
            self.problem.economy(period, parameters[:1]),
            lag if lag.ndim == 2 else lag[:1],
            self.problem.targets[period],
            self.problem.numeraire,
            None if reference is None else reference.select(np.array([0])),
        )
        self._starts[period] = inversion.point[0]
        self._preconditioners[period] = newton_preconditioner(system, inversion.point[0])

    def moments(self, parameters: FloatArray) -> tuple[FloatArray, NDArray[np.bool_], list[Inversion]]:
        """Return the moments (D, 7), smoothed; whether every inversion converged (D,); and the inversions."""
        found = self.invert(parameters)
        good = np.logical_and.reduce([one.converged & one.equilibrium.converged for one in found])
        return moments(self.problem, found), good, found


def moments(problem: CalibrationProblem, found: Sequence[Inversion], *, smooth: bool = True) -> FloatArray:
    """Return Table 2's moments (D, 7): adopter shares by period, regions with adoption, exporter shares, tax rate."""
    return equilibrium_moments(problem, [one.equilibrium for one in found], smooth=smooth)


def equilibrium_moments(
    problem: CalibrationProblem, found: Sequence[StaticEquilibrium], *, smooth: bool = True
) -> FloatArray:
    """Return the same of the periods' equilibria, whether or not their fundamentals were inverted."""
    heavy = problem.adopting_sector
    outcomes: list[Outcomes] = [measure(one) for one in found]
    shares = [one.adopter_share[:, heavy].mean(axis=1) for one in found]
    with np.errstate(over="ignore"):
        regions = [
            (1.0 / (1.0 + np.exp(-one.reach[:, heavy] / problem.bandwidth))).mean(axis=1)
            if smooth
            else (one.adopter_share[:, heavy] > 0.0).mean(axis=1)
            for one in found
        ]
    region = np.mean(regions, axis=0) if problem.region_share_period is None else regions[problem.region_share_period]
    exporters = [
        np.mean([one.exporter_share[:, j].mean(axis=1) for one in found], axis=0)
        for j in (problem.light_moment_sector, problem.heavy_sector)
    ]
    return np.column_stack([*shares, region, *exporters, outcomes[0].tax_rate[:, problem.heavy_sector]])


def to_free(parameters: FloatArray) -> FloatArray:
    """Return logs of costs and of τ̄, log(κ − 1) and the log odds of s̄."""
    cost, light, heavy, rate, kappa, level = np.asarray(parameters, dtype=np.float64).T
    free = [np.log(cost), np.log(light), np.log(heavy), np.log(rate / (1.0 - rate)), np.log(kappa - 1.0), np.log(level)]
    return np.stack(free, axis=-1)


def from_free(free: FloatArray) -> FloatArray:
    """Return the parameters (..., 6) of free coordinates: ``to_free``'s inverse."""
    cost, light, heavy, rate, kappa, level = free.T
    values = [
        np.exp(cost),
        np.exp(light),
        np.exp(heavy),
        1.0 / (1.0 + np.exp(-rate)),
        1.0 + np.exp(kappa),
        np.exp(level),
    ]
    return np.stack(values, axis=-1)


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """The joint minimum of eq. (5.1) and how it was found.

    ``jacobian`` (7, 6) is the elasticity of each moment to each parameter's own value at the minimum.
    """

    problem: CalibrationProblem
    parameters: FloatArray  # (6,)
    moments: FloatArray  # (7,), smoothed
    exact_moments: FloatArray  # (7,), regions counted
    target: FloatArray  # (7,)
    criterion: float
    jacobian: FloatArray
    inversions: list[Inversion]
    converged: bool
    evaluations: int
    message: str


#: Step of central differences, in logs.
STEP = 1e-5
#: Residual of a trial at which an inversion failed: so large that the search turns back.
_FAILED = 10.0


def calibrate(
    problem: CalibrationProblem,
    target: FloatArray,
    start: FloatArray,
    *,
    weight: FloatArray | None = None,
    fixed: Mapping[str, float] | None = None,
    tolerance: float = 1e-10,
    max_evaluations: int = 100,
) -> Calibration:
    """Minimise eq. (5.1) from one starting point.

    Parameters
    ----------
    problem
        What is given.
    target
        The seven data moments, in the order of ``moments``; all positive.
    start
        The six parameters to start from, in the order of ``PARAMETERS``.
    weight
        Of each squared relative deviation; equal ones by default, as in the paper.
    fixed
        Parameters that are held at a value instead of being calibrated.
    tolerance, max_evaluations
        Of the trust-region least squares.

    Raises
    ------
    InvalidValue
        For targets or starts that are not positive, an unknown name in ``fixed``, or a start that cannot be inverted.
    """
    evaluator = Evaluator(problem)
    target = np.asarray(target, dtype=np.float64)
    begin = np.array(start, dtype=np.float64)
    held = dict(fixed or {})
    for name, value in held.items():
        if name not in PARAMETERS:
            raise InvalidValue(key="fixed", value=name, requirement="a parameter", remedy=", ".join(PARAMETERS))
        begin[PARAMETERS.index(name)] = value
    check_start(target, begin)
    scale = np.ones_like(target) if weight is None else np.sqrt(np.asarray(weight, dtype=np.float64))
    free = [k for k, name in enumerate(PARAMETERS) if name not in held]
    base = to_free(begin)
    count = 0

    def whole(searched: FloatArray) -> FloatArray:
        values = np.broadcast_to(base, (*searched.shape[:-1], base.size)).copy()
        values[..., free] = searched
        return from_free(values)

    def residuals(searched: FloatArray) -> FloatArray:
        nonlocal count
        count += 1
        model, good, _ = evaluator.moments(whole(searched[None]))
        return np.where(good[0], scale * (model[0] / target - 1.0), _FAILED)

    def jacobian(searched: FloatArray) -> FloatArray:
        nonlocal count
        count += 1
        step = STEP * np.eye(searched.size)
        model, _, _ = evaluator.moments(whole(np.concatenate([searched + step, searched - step])))
        slope = (model[: searched.size] - model[searched.size :]).T / (2.0 * STEP)
        return (scale / target)[:, None] * slope

    if residuals(base[free])[0] == _FAILED:
        raise InvalidValue(
            key="start",
            value=np.array2string(begin, precision=3),
            requirement="a point at which fundamentals can be inverted",
            remedy="start from a higher adoption cost or another kappa",
        )
    found = least_squares(
        residuals,
        base[free],
        jac=jacobian,
        xtol=tolerance,
        ftol=tolerance,
        gtol=tolerance,
        max_nfev=max_evaluations,
    )
    parameters = whole(found.x[None])
    model, good, inversions = evaluator.moments(parameters)
    return Calibration(
        problem,
        parameters[0],
        model[0],
        moments(problem, inversions, smooth=False)[0],
        target,
        float(2.0 * found.cost),
        _elasticities(evaluator, parameters[0], model[0]),
        inversions,
        bool(found.success and good[0]),
        count,
        str(found.message),
    )


def check_start(target: FloatArray, begin: FloatArray) -> None:
    """Refuse targets that are not positive, and parameters (6,) outside their range."""
    bad = ~(np.isfinite(target) & (target > 0.0))
    if bad.any():
        raise InvalidValue(
            key=f"target[{int(np.argmax(bad))}]",
            value=f"{target[bad][0]:g}",
            requirement="above 0: deviations are relative",
            remedy="give each moment a positive value",
        )
    with np.errstate(divide="ignore", invalid="ignore"):
        bad = ~np.isfinite(to_free(begin))
    if bad.any():
        name = PARAMETERS[int(np.argmax(bad))]
        raise InvalidValue(
            key=name,
            value=f"{begin[bad][0]:g}",
            requirement="positive, kappa above 1 and the subsidy rate below 1",
            remedy="start inside the range",
        )


def _elasticities(evaluator: Evaluator, parameters: FloatArray, model: FloatArray) -> FloatArray:
    """∂ log moment / ∂ log parameter, (7, 6)."""
    moved = parameters * np.exp(STEP * np.concatenate([np.eye(6), -np.eye(6)]))
    values, _, _ = evaluator.moments(moved)
    slope: FloatArray = (values[:6] - values[6:]).T / (2.0 * STEP) / model[:, None]
    return slope


def identification(
    calibration: Calibration, span: float = 0.2, points: int = 11
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Move each parameter about its estimate and follow every moment: what identifies what.

    Returns
    -------
    factors
        By which the parameter is multiplied (κ − 1 in κ's place), (points,).
    values
        Moments, (6, points, 7); NaN where an inversion failed.
    exact
        The same with the regions with adoption counted instead of smoothed.
    """
    factors = np.linspace(1.0 - span, 1.0 + span, points)
    trials = np.broadcast_to(calibration.parameters, (6, points, 6)).copy()
    for k, name in enumerate(PARAMETERS):
        if name == "kappa":
            trials[k, :, k] = 1.0 + factors * (calibration.parameters[k] - 1.0)
        else:
            trials[k, :, k] = factors * calibration.parameters[k]
    # τ̄ above 1 and the like are refused by the economy itself; the level is a share kept at z = 1, not a bound
    evaluator = Evaluator(calibration.problem)
    evaluator.moments(calibration.parameters[None])
    model, good, found = evaluator.moments(trials.reshape(-1, 6))
    model[~good] = np.nan
    exact = moments(calibration.problem, found, smooth=False)
    exact[~good] = np.nan
    return factors, model.reshape(6, points, -1), exact.reshape(6, points, -1)
