r"""Eq. (5.1) for many draws of the external parameters at once: every draw gets a joint minimum of its own.

For draw d with external parameters x_d = (η, δ, σ, θ, ξ),

    p_d = argmin over p of  Q_d(p) = Σ_m w_m (m_m(p, x_d) / data_m − 1)²,    p = (F^T, F^x_light, F^x_heavy, s̄, κ, τ̄)

with fundamentals inverted at every trial.  All draws are searched together: a trial inverts the fundamentals of every
draw that is still searching in one batch.  The search is Levenberg and Marquardt's in the free coordinates of
``calibration`` (logs, log odds of s̄, log(κ − 1)), with the second-order term of the least squares from secants (Dennis,
Gay and Welsch 1981), as the fit is not exact.  It starts at the first-order prediction from the point calibration,

    p_d ≈ p_0 − (JᵀWJ)⁻¹ JᵀW (∂m/∂x) (x_d − x_0),

moves with Broyden's updates while they serve, and ends with central differences of step 1e-5: ``"minimum"`` says that
the Newton step of fresh differences is within ``tolerance`` in every coordinate.  The moments have kinks (a region's
first adopter).  Where steps from fresh differences are refused, differences as wide as the trust region look across
kinks and close in with it.  Such a search ends as ``"kink"``: where no step down of 1e-6 is left, or four steps in a
row, each from differences of its own, gained less than 1e-5 of Q.  Its parameters are known less well than a minimum's.
A subsidy that would fit best at 0 or below stops at log odds of −12, a rate of 0.0006%: the status says ``"bound"``.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bigpush_est.equilibrium.adoption_map import FloatArray
from bigpush_est.equilibrium.spatial.anchor import Anchor
from bigpush_est.equilibrium.spatial.calibration import PARAMETERS, check_start, from_free, moments, to_free
from bigpush_est.equilibrium.spatial.calibration_search import Search
from bigpush_est.equilibrium.spatial.external_draws import ExternalDraws, Flags, Trials
from bigpush_est.equilibrium.spatial.inversion import Inversion
from bigpush_est.equilibrium.spatial.static import one_thread_each
from bigpush_est.errors import InvalidValue, ShapeMismatch

#: Largest absolute value of a coordinate that is held: a rate of 0 has log odds of −∞.
_BOUND = 40.0


@dataclass(frozen=True, slots=True, eq=False)
class Recalibration:
    """D draws' calibrations.

    Attributes
    ----------
    parameters
        Of each draw's best trial, (D, 6).
    moments, exact_moments
        There, regions with adoption smoothed and counted, (D, 7).
    criterion
        Q, (D,).
    step
        Largest change of a free coordinate in the last Newton step with a fresh Jacobian, (D,): how far from a smooth
        minimum the search ended.
    status
        ``"minimum"``, ``"kink"``, ``"bound"`` (no subsidy fits best), ``"evaluations"`` (used up), ``"no derivative"``
        (no neighbour can be inverted), ``"not inverted"`` (no trial can) or ``"undefined"`` (external parameters at
        which there is no model), (D,).
    evaluations
        Inversions of all periods, those of differences included, (D,).
    residual
        Largest residual of an inversion at ``parameters``, (D,).
    inversions
        The periods' economies at ``parameters``, D draws each.  Draws that are not ``usable`` hold the point
        calibration in their place.
    """

    parameters: FloatArray
    moments: FloatArray
    exact_moments: FloatArray
    criterion: FloatArray
    step: FloatArray
    status: NDArray[np.str_]
    evaluations: NDArray[np.int64]
    residual: FloatArray
    inversions: list[Inversion]

    @property
    def converged(self) -> Flags:
        """Whether the search ended in a minimum: smooth, on a kink or at the bound, (D,)."""
        return np.isin(self.status, ("minimum", "kink", "bound"))

    @property
    def usable(self) -> Flags:
        """Whether fundamentals were inverted at all, (D,)."""
        return ~np.isin(self.status, ("not inverted", "undefined"))


def recalibrate(
    anchor: Anchor,
    external: ExternalDraws,
    target: FloatArray,
    *,
    weight: FloatArray | None = None,
    fixed: Mapping[str, FloatArray | float] | None = None,
    start: FloatArray | None = None,
    tolerance: float = 1e-6,
    max_evaluations: int = 300,
    max_iterations: int = 150,
) -> Recalibration:
    """Minimise eq. (5.1) at every draw of the external parameters, all draws together.

    Parameters
    ----------
    anchor
        The point calibration.  Its economies' σ, θ, η, δ and ξ give way to the draws'.
    external
        D draws.
    target
        The seven data moments, all positive, (7,).
    weight
        Of each squared relative deviation, (7,); ones by default.
    fixed
        Parameters that are held instead of being calibrated: a value each, or one per draw (D,).
    start
        Where searches start instead of at their predictions, (6,) or (D, 6).
    tolerance
        Largest change of a free coordinate in a Newton step that counts as a minimum.
    max_evaluations
        Inversions of all periods after which a draw's search is given up; a set of differences takes twelve.
    max_iterations
        Of a trial's inversion; final ones are given as many as ``invert`` gives by default.

    Returns
    -------
    Recalibration
        Every draw is in it; those that failed are flagged.

    Raises
    ------
    InvalidValue, ShapeMismatch
        For targets or starts that are not positive, an unknown name in ``fixed``, or values of the wrong shape.

    Notes
    -----
    A search finds one local minimum.  Results of a draw depend on which draws are searched together only by rounding.

    Examples
    --------
    See ``docs/methods/propagation.md``; ``tests/equilibrium/spatial/test_recalibration.py`` has a small economy.
    """
    target = np.asarray(target, dtype=np.float64)
    check_start(target, anchor.parameters)
    scale = np.ones_like(target) if weight is None else np.sqrt(np.asarray(weight, dtype=np.float64))
    count = external.n_draws
    defined = external.usable
    usable = external.replaced(~defined, anchor.external)
    held, values = _held(fixed or {}, count)
    begin = None
    if start is not None:
        starts = np.broadcast_to(np.asarray(start, dtype=np.float64), (count, len(PARAMETERS)))
        for row in starts:
            check_start(target, row)
        begin = to_free(starts)
    trials = Trials(anchor.problem, usable, anchor.preconditioners, max_iterations=max_iterations)
    free = [k for k in range(len(PARAMETERS)) if k not in held]
    search = Search(anchor, trials, target, scale, free)
    with one_thread_each():
        search.begin(values, held, begin)
        search.active &= defined
        search.run(tolerance, max_evaluations)
        return _finished(anchor, usable, search, defined)


def _held(fixed: Mapping[str, FloatArray | float], count: int) -> tuple[list[int], FloatArray]:
    """Return which parameters are held, and their free coordinates, (D, H)."""
    for name, value in fixed.items():
        if name not in PARAMETERS:
            raise InvalidValue(key="fixed", value=name, requirement="a parameter", remedy=", ".join(PARAMETERS))
        if np.shape(value) not in ((), (count,)):
            raise ShapeMismatch(
                key=f"fixed['{name}']", shape=np.shape(value), expected=f"({count},)", remedy="one value per draw"
            )
    held = [k for k, name in enumerate(PARAMETERS) if name in fixed]
    values = np.full((count, len(PARAMETERS)), 0.5)
    values[:, PARAMETERS.index("kappa")] = 1.5
    for k in held:
        values[:, k] = fixed[PARAMETERS[k]]
    with np.errstate(divide="ignore", invalid="ignore"):
        coordinates = to_free(values)
    bad = np.isnan(coordinates) | (coordinates == np.inf)
    if bad.any():
        k = int(np.argwhere(bad)[0, 1])
        raise InvalidValue(
            key=f"fixed['{PARAMETERS[k]}']",
            value=f"{values[bad][0]:g}",
            requirement="positive, kappa above 1 and the subsidy rate in [0, 1)",
            remedy="hold it inside the range",
        )
    return held, np.clip(coordinates[:, held], -_BOUND, _BOUND)


def _finished(anchor: Anchor, external: ExternalDraws, search: Search, defined: Flags) -> Recalibration:
    """Invert once more at every draw's best trial; the point calibration stands in for draws that have none."""
    status = np.where(defined, search.status, "undefined")
    failed = ~defined | (status == "not inverted")
    parameters, points = from_free(search.at), search.points.copy()
    parameters[failed], points[failed] = anchor.parameters, anchor.points
    trials = Trials(anchor.problem, external.replaced(failed, anchor.external), anchor.preconditioners)
    found = trials.invert(np.arange(external.n_draws), parameters, points)

    def known(values: NDArray[np.float64]) -> FloatArray:
        return np.where(failed.reshape(-1, *(1,) * (values.ndim - 1)), np.nan, values)

    worst = np.stack([np.maximum(one.residual, one.equilibrium.residual) for one in found]).max(axis=0)
    return Recalibration(
        known(parameters),
        known(moments(anchor.problem, found)),
        known(moments(anchor.problem, found, smooth=False)),
        known(search.criterion),
        known(search.step),
        status,
        search.evaluations,
        known(worst),
        found,
    )
