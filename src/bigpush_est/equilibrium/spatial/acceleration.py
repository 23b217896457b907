"""Anderson acceleration of many fixed-point problems at once: each row of a batch is a problem of its own.

Each row x is moved by its damped residual, extrapolated over its last ``depth`` steps (type II: the combination of
past residuals that is smallest in least squares).  Rows that have converged leave the batch, so that the slowest row
does not make the others wait.
"""

from dataclasses import dataclass
from functools import cache
from types import ModuleType
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import lapack

from bigpush_est.equilibrium.adoption_map import FloatArray, Index


class ResidualSystem(Protocol):
    """B problems: ``residual`` maps points (B, K) to log residuals (B, K), zero at a solution."""

    def residual(self, points: FloatArray) -> FloatArray:
        """Return update minus point, shape (B, K)."""
        ...

    def select(self, index: Index) -> Self:
        """Return the system of some rows."""
        ...


@dataclass(frozen=True, slots=True)
class Factors:
    """The LU factors of a Jacobian in single precision: a third of the work of its inverse, slower for a few rows.

    ``lower_upper`` is (K, K), columns first, and ``pivots`` (K,), as LAPACK has them.
    """

    lower_upper: NDArray[np.float32]
    pivots: NDArray[np.int32]

    @classmethod
    def of(cls, derivatives: NDArray[np.float32]) -> Self:
        """Factor ∂ residual_r/∂ unknown_i, unknowns first, (K, K), in its place; ``LinAlgError`` if it is singular."""
        factors, pivots, problem = lapack.sgetrf(derivatives.T, overwrite_a=1)
        if problem or not np.isfinite(factors).all():
            raise np.linalg.LinAlgError("singular Jacobian")
        return cls(factors, pivots)

    def step(self, residual: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return Newton's step at residuals (B, K), which are overwritten."""
        solved, _ = lapack.sgetrs(self.lower_upper, self.pivots, residual.T, overwrite_b=1)
        step: NDArray[np.float32] = np.negative(solved.T)
        return step

    def inverse(self) -> FloatArray:
        """Return the matrix by which residuals (B, K) are multiplied to become steps, in single precision."""
        size = len(self.pivots)
        # LAPACK's blocks: with the least memory that it takes this is several times as slow
        inverse, _ = lapack.sgetri(self.lower_upper, self.pivots, lwork=64 * size)
        step: FloatArray = np.negative(inverse.T)
        return step


@dataclass(frozen=True, slots=True)
class Acceleration:
    """Settings of the iteration.

    ``damping`` is per unknown, shape (K,), or a preconditioner for all of them, shape (K, K) or factored: see
    ``newton_preconditioner``.
    """

    damping: FloatArray | Factors
    depth: int = 8
    tolerance: float = 1e-10
    max_iterations: int = 500
    #: Largest change of an unknown in one step (logs).
    step_limit: float = 1.0
    #: Relative Tikhonov term of the least-squares problem of the past residuals.
    regularisation: float = 1e-7
    #: A residual this many times the row's best makes the row forget its past and return to its best point.
    blow_up: float = 1e3
    #: Of the past that is kept.  It only chooses the next point, whose residual is computed in double precision: single
    #: precision is as good but for problems that are close to singular.
    precision: type[np.float32] | type[np.float64] = np.float32

    def scaled(self, residual: FloatArray) -> FloatArray:
        """Return the residual's step, shape (B, K), in the precision of the preconditioner."""
        step: Any
        if isinstance(self.damping, Factors):
            step = self.damping.step(residual.astype(np.float32))
        elif self.damping.ndim == 1:
            step = residual * self.damping
        else:
            step = residual.astype(self.damping.dtype) @ self.damping
        whole: FloatArray = step
        return whole


@dataclass(frozen=True, slots=True)
class FixedPoints:
    """Points (B, K), max |residual| (B,), iterations (B,) and whether the residual is within tolerance (B,)."""

    points: FloatArray
    residual: FloatArray
    iterations: NDArray[np.int64]
    converged: NDArray[np.bool_]

    def put(self, rows: NDArray[np.intp], other: Self) -> None:
        """Take another search's results for some rows, in place: its points where they are better, all iterations."""
        better = other.residual < self.residual[rows]
        self.points[rows[better]], self.residual[rows[better]] = other.points[better], other.residual[better]
        self.iterations[rows] += other.iterations
        self.converged[rows] |= other.converged


#: Rows that are done leave the batch when they are this share of it.
_LEAVING_SHARE = 0.1


@cache
def _compiled() -> ModuleType:
    """Return the compiled arithmetic: imported when it is first needed, as its compiler takes long to import."""
    from bigpush_est.equilibrium.spatial import extrapolation

    return extrapolation


def accelerated_fixed_points(system: ResidualSystem, start: FloatArray, settings: Acceleration) -> FixedPoints:
    """Iterate every row of ``start`` (B, K) until its residual is within tolerance; ``start`` is not written to."""
    (count, size), depth, kernel = start.shape, settings.depth, _compiled()
    current = np.array(start, dtype=np.float64, order="C")
    best, best_error = current.copy(), np.full(count, np.inf)
    before, step = np.zeros_like(current), np.zeros_like(current)
    residuals, images = np.zeros((2, count, depth, size), dtype=settings.precision)
    gram = np.zeros((count, depth, depth))
    iterations, done = np.zeros(count, dtype=np.int64), np.zeros(count, dtype=bool)
    rows = np.arange(count)  # of the batch
    finished = np.zeros(count, dtype=bool)
    for iteration in range(settings.max_iterations + 1):
        residual = system.residual(current if rows.size == count else current[rows])
        error = np.empty(rows.size)
        kernel.examine(rows, current, residual, residual.view(np.int64), best, best_error, error)
        good = best_error[rows] <= settings.tolerance
        # a row that begins where nothing is finite has nowhere to go
        ended = good | np.isinf(best_error[rows])
        last = iteration == settings.max_iterations
        if last or ended.any():
            leaving = ~finished & (ended | last)
            iterations[rows[leaving]], done[rows[leaving]] = iteration, good[leaving]
            finished |= ended
            if last or finished.all():
                break
            if finished.mean() >= _LEAVING_SHARE:
                stay = np.flatnonzero(~finished)
                rows, residual, error, finished = rows[stay], residual[stay], error[stay], finished[stay]
                system = system.select(stay)
        kernel.advance(
            rows,
            settings.scaled(residual),
            error,
            current,
            best,
            best_error,
            before,
            step,
            residuals,
            images,
            gram,
            iteration,
            settings.regularisation,
            settings.blow_up,
            settings.step_limit,
        )
    return FixedPoints(best, best_error, iterations, done)


def newton_preconditioner(system: ResidualSystem, point: FloatArray, step: float = 1e-6, rows: int = 128) -> FloatArray:
    """Return the transposed inverse of minus the Jacobian at one point (K,), in single precision, shape (K, K).

    With it as ``damping`` the iteration is Newton's method with a frozen Jacobian: right for every economy near
    ``point``, and only a better or worse first guess for the rest.  It needs no precision of its own.
    """
    size = point.size
    base = system.residual(point[None])
    jacobian = np.empty((size, size))
    for first in range(0, size, rows):
        last = min(first + rows, size)
        moved = np.repeat(point[None], last - first, axis=0)
        moved[np.arange(last - first), np.arange(first, last)] += step
        jacobian[first:last] = (system.residual(moved) - base) / step
    inverse: FloatArray = np.linalg.inv(-jacobian).astype(np.float32)
    return inverse
