"""The point calibration, and how moments and inversions move about it: where searches at other draws start from."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from bigpush_est.equilibrium.adoption_map import FloatArray
from bigpush_est.equilibrium.spatial.calibration import (
    STEP,
    CalibrationProblem,
    Evaluator,
    check_start,
    from_free,
    to_free,
)
from bigpush_est.equilibrium.spatial.external_draws import ExternalDraws, Trials, converged, inversion_preconditioner
from bigpush_est.equilibrium.spatial.inversion import Inversion
from bigpush_est.errors import InvalidValue


@dataclass(frozen=True, slots=True, eq=False)
class Anchor:
    """The point calibration that draws start from: how moments and inversions move about it.

    Attributes
    ----------
    problem
        Without draws' axes.
    external
        Its η, δ, σ, θ and ξ, one draw.
    parameters
        Its six parameters, (6,).
    inversions
        Its periods' economies and equilibria.
    points
        Their solutions, (T, K).
    preconditioners
        One per period, (K, K).
    slopes, external_slopes
        ∂ moments / ∂ free coordinates (7, 6) and external coordinates (7, 5).
    point_slopes, external_point_slopes
        The same for ``points``: (T, K, 6) and (T, K, 5).
    """

    problem: CalibrationProblem
    external: ExternalDraws
    parameters: FloatArray
    inversions: tuple[Inversion, ...]
    points: FloatArray
    preconditioners: tuple[FloatArray, ...]
    slopes: FloatArray
    external_slopes: FloatArray
    point_slopes: FloatArray
    external_point_slopes: FloatArray

    @classmethod
    def of(cls, problem: CalibrationProblem, parameters: FloatArray) -> Self:
        """Invert at the point and take central differences.

        Raises
        ------
        InvalidValue
            If fundamentals cannot be inverted there.
        """
        parameters = np.asarray(parameters, dtype=np.float64)
        check_start(np.ones(1), parameters)
        external, found = ExternalDraws.of_problem(problem), Evaluator(problem).invert(parameters[None])
        if not converged(found)[0]:
            raise InvalidValue(
                key="point",
                value=np.array2string(parameters, precision=3),
                requirement="a calibration at which fundamentals can be inverted",
                remedy="pass the parameters that calibrate found",
            )
        points = np.stack([one.point[0] for one in found])
        matrices = tuple(inversion_preconditioner(problem, found, period) for period in range(len(found)))
        free, outside = to_free(parameters[None]), external.coordinates()
        count = free.size + outside.size
        step = STEP * np.concatenate([np.eye(count), -np.eye(count)])
        moved = ExternalDraws.from_coordinates(outside + step[:, free.size :])
        trials = Trials(problem, moved, matrices)
        values, _, ends = trials(
            np.arange(2 * count),
            from_free(free + step[:, : free.size]),
            np.broadcast_to(points, (2 * count, *points.shape)),
        )
        slopes = (values[:count] - values[count:]).T / (2.0 * STEP)
        point_slopes = np.moveaxis(ends[:count] - ends[count:], 0, -1) / (2.0 * STEP)
        inside = free.size
        return cls(
            problem,
            external,
            parameters,
            tuple(found),
            points,
            matrices,
            slopes[:, :inside],
            slopes[:, inside:],
            point_slopes[..., :inside],
            point_slopes[..., inside:],
        )
