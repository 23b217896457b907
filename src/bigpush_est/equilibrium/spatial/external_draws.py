"""Draws of what is calibrated outside the model, and the calibration problem and its trials at them."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from bigpush_est.equilibrium.adoption_map import FloatArray, Index
from bigpush_est.equilibrium.spatial.acceleration import newton_preconditioner
from bigpush_est.equilibrium.spatial.calibration import CalibrationProblem, moments
from bigpush_est.equilibrium.spatial.inversion import Inversion, InversionSystem, invert
from bigpush_est.equilibrium.spatial.static import one_thread_each
from bigpush_est.errors import InvalidValue, ShapeMismatch

type Flags = NDArray[np.bool_]

#: Iterations a period, on average, from which a preconditioner at the draw's own solution is worth its cost.
_SLOW = 40
#: Residual of an inversion within a search: small against what a difference over two steps of 1e-5 has to tell.
TRIAL_TOLERANCE = 1e-11


@dataclass(frozen=True, slots=True, eq=False)
class ExternalDraws:
    """D draws of what is calibrated outside the model: η, δ, σ, θ, and ξ of the adopting sector, each (D,).

    ``freeness`` is not among them: (σ − 1)υ_j is held, as in the paper.
    """

    eta: FloatArray
    delta: FloatArray
    sigma: FloatArray
    theta: FloatArray
    xi: FloatArray

    def __post_init__(self) -> None:
        for entry in fields(self):
            values = np.atleast_1d(np.asarray(getattr(self, entry.name), dtype=np.float64))
            object.__setattr__(self, entry.name, values)
            if values.shape != self.eta.shape or values.ndim != 1:
                raise ShapeMismatch(
                    key=entry.name, shape=values.shape, expected=f"{self.eta.shape}", remedy="one value per draw"
                )

    @property
    def n_draws(self) -> int:
        """D."""
        return self.eta.size

    @property
    def usable(self) -> Flags:
        """Draws at which the model is defined: η, θ > 0, σ > 1, ρ = σ(1 + ξ) − 1 > 0 and ξ > −1, (D,)."""
        with np.errstate(invalid="ignore"):
            kept = self.sigma * (1.0 + self.xi) - 1.0
            good = (self.eta > 0.0) & (self.theta > 0.0) & (self.sigma > 1.0) & (kept > 0.0) & (self.xi > -1.0)
        for entry in fields(self):
            good &= np.isfinite(getattr(self, entry.name))
        return good

    def select(self, index: Index) -> Self:
        """Return some draws."""
        return type(self)(**{entry.name: getattr(self, entry.name)[index] for entry in fields(self)})

    def replaced(self, bad: Flags, other: Self) -> Self:
        """Return the draws with some of them replaced by another's first."""
        values = {}
        for entry in fields(self):
            values[entry.name] = np.where(bad, getattr(other, entry.name)[0], getattr(self, entry.name))
        return type(self)(**values)

    def coordinates(self) -> FloatArray:
        """Return log η, δ, log(σ − 1), log θ and ξ: what predictions are linear in, (D, 5)."""
        parts = (np.log(self.eta), self.delta, np.log(self.sigma - 1.0), np.log(self.theta), self.xi)
        return np.column_stack(parts)

    @classmethod
    def from_coordinates(cls, values: FloatArray) -> Self:
        """Return the draws of ``coordinates``, (D, 5)."""
        eta, delta, sigma, theta, xi = values.T
        return cls(np.exp(eta), delta, 1.0 + np.exp(sigma), np.exp(theta), xi)

    @classmethod
    def of_problem(cls, problem: CalibrationProblem) -> Self:
        """Return the one draw at which a problem's economies stand."""
        economy, heavy = problem.economies[0], problem.adopting_sector
        values = (economy.eta, economy.delta, economy.sigma, economy.theta, economy.distortion_elasticity[..., heavy])
        return cls(*(np.reshape(value, -1)[:1] for value in values))


def at_draws(problem: CalibrationProblem, external: ExternalDraws) -> CalibrationProblem:
    """Return a problem (without draws' axes) at D draws of the external parameters."""
    economies = []
    for economy in problem.economies:
        xi = np.repeat(np.reshape(economy.distortion_elasticity, (1, -1)), external.n_draws, axis=0)
        xi[:, problem.adopting_sector] = external.xi
        economies.append(
            economy.changed(
                eta=external.eta,
                delta=external.delta,
                sigma=external.sigma,
                theta=external.theta,
                distortion_elasticity=xi,
            )
        )
    return replace(problem, economies=tuple(economies))


class Trials:
    """Inverts every period at R parameter vectors of chosen draws, each from a start of its own.

    Parameters
    ----------
    problem
        Without draws' axes.
    external
        D draws.
    preconditioners
        One per period, for every draw, until one of a draw's trials takes long: from then on it has its own.  What is
        found for a draw does not depend on the others' values.
    tolerance, max_iterations
        Of ``invert``.
    """

    def __init__(
        self,
        problem: CalibrationProblem,
        external: ExternalDraws,
        preconditioners: Sequence[FloatArray],
        *,
        tolerance: float = TRIAL_TOLERANCE,
        max_iterations: int = 1000,
    ) -> None:
        self.problem, self.external, self.preconditioners = problem, external, preconditioners
        self.tolerance, self.max_iterations = tolerance, max_iterations
        self._own: dict[int, list[FloatArray]] = {}

    def invert(
        self,
        draws: NDArray[np.intp],
        parameters: FloatArray,
        points: FloatArray,
        preconditioners: Sequence[FloatArray] | None = None,
    ) -> list[Inversion]:
        """Return each period's inversion, from starts ``points`` (R, T, K)."""
        problem = at_draws(self.problem, self.external.select(draws))
        lag = problem.initial_share
        reference, found = None, []
        for period, targets in enumerate(problem.targets):
            one = invert(
                problem.economy(period, parameters),
                lag,
                targets,
                numeraire=problem.numeraire,
                reference=reference,
                start=points[:, period],
                preconditioner=(preconditioners or self.preconditioners)[period],
                tolerance=self.tolerance,
                max_iterations=self.max_iterations,
            )
            reference = one.levels if reference is None else reference
            lag = one.equilibrium.adopter_share
            found.append(one)
        return found

    def __call__(
        self, draws: NDArray[np.intp], parameters: FloatArray, points: FloatArray
    ) -> tuple[FloatArray, Flags, FloatArray]:
        """Return moments (R, 7), whether every inversion converged (R,), and the points found (R, T, K)."""
        count = draws.size
        model, good = np.full((count, 4 + len(self.problem.targets)), np.nan), np.zeros(count, dtype=bool)
        ends = points.copy()
        own = np.isin(draws, list(self._own))
        groups = [np.flatnonzero(~own), *(np.flatnonzero(draws == draw) for draw in np.unique(draws[own]))]
        for rows in groups:
            if rows.size:
                self._group(rows, draws, parameters, points, model, good, ends)
        return model, good, ends

    def _group(
        self,
        rows: NDArray[np.intp],
        draws: NDArray[np.intp],
        parameters: FloatArray,
        points: FloatArray,
        model: FloatArray,
        good: Flags,
        ends: FloatArray,
    ) -> None:
        """Try rows that share preconditioners; write what they find to ``model``, ``good`` and ``ends``."""
        try:
            # far from any solution numbers run over: such a trial fails, and that is all
            with np.errstate(all="ignore"):
                found = self.invert(draws[rows], parameters[rows], points[rows], self._own.get(int(draws[rows[0]])))
                model[rows] = moments(self.problem, found)
        except InvalidValue:
            # one trial's parameters or fundamentals are beyond what an economy can have: find it, keep the others
            if rows.size > 1:
                for half in np.array_split(rows, 2):
                    self._group(half, draws, parameters, points, model, good, ends)
            return
        ends[rows] = np.stack([one.point for one in found], axis=1)
        good[rows] = converged(found) & np.isfinite(model[rows]).all(axis=1)
        slow = good[rows] & (np.sum([one.iterations for one in found], axis=0) > _SLOW * len(found))
        for draw in np.unique(draws[rows[slow]]):
            row = int(np.flatnonzero(slow & (draws[rows] == draw))[0])
            self._own[int(draw)] = [inversion_preconditioner(self.problem, found, t, row) for t in range(len(found))]


def converged(found: Sequence[Inversion]) -> Flags:
    """Return whether every period's inversion and equilibrium converged, (D,)."""
    good: Flags = np.logical_and.reduce([one.converged & one.equilibrium.converged for one in found])
    return good


def inversion_preconditioner(
    problem: CalibrationProblem, found: Sequence[Inversion], period: int, row: int = 0
) -> FloatArray:
    """Return the preconditioner of a period's inversion at the solution of one of its rows, (K, K)."""
    one, chosen = found[period], np.array([row])
    lag = found[period - 1].equilibrium.adopter_share[row] if period else problem.initial_share
    reference = found[0].levels.select(chosen) if period else None
    # the economy before its fundamentals were inverted: a solution holds changes from those
    template = one.economy.select(chosen).changed(
        productivity=problem.economies[period].productivity,
        foreign_demand=problem.economies[period].foreign_demand,
        foreign_price=problem.economies[period].foreign_price,
    )
    system = InversionSystem(template, lag, problem.targets[period], problem.numeraire, reference)
    with one_thread_each():
        return newton_preconditioner(system, one.point[row])
