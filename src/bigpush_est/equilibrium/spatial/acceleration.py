"""Anderson acceleration of many fixed-point problems at once: each row of a batch is a problem of its own.

Each row x is moved by its damped residual, extrapolated over its last ``depth`` steps (type II: the combination of
past residuals that is smallest in least squares).  Rows that have converged leave the batch, so that the slowest row
does not make the others wait.
"""

from dataclasses import dataclass
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

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
class Acceleration:
    """Settings of the iteration.

    ``damping`` is per unknown, shape (K,), or a preconditioner for all of them, shape (K, K): see
    ``newton_preconditioner``.
    """

    damping: FloatArray
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

    def scale(self, residual: FloatArray, out: FloatArray) -> None:
        """Write the residual's step, shape (B, K), to ``out``."""
        if self.damping.ndim == 1:
            np.multiply(residual, self.damping, out=out)
        else:
            out[...] = residual.astype(self.damping.dtype) @ self.damping


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


class _History:
    """The last ``depth`` differences of residuals and of (points + residuals), per row."""

    def __init__(self, rows: int, size: int, settings: Acceleration) -> None:
        depth = settings.depth
        self.residuals: NDArray[Any] = np.zeros((rows, depth, size), dtype=settings.precision)
        self.images: NDArray[Any] = np.zeros((rows, depth, size), dtype=settings.precision)
        self.gram = np.zeros((rows, depth, depth))
        self.products = np.zeros((rows, depth))
        self.next = 0

    def push(self, change: FloatArray, step: FloatArray, residual: FloatArray) -> None:
        """Take in the change of the residual (overwritten), the step that made it, and the residual now, (B, K)."""
        slot = self.next
        latest = self.residuals[:, slot]
        latest[...] = change
        change += step
        self.images[:, slot] = change
        row = np.matmul(self.residuals, latest[:, :, None])[:, :, 0]
        self.gram[:, slot, :] = row
        self.gram[:, :, slot] = row
        self.products = np.matmul(self.residuals, residual.astype(latest.dtype, copy=False)[:, :, None])[:, :, 0]
        self.next = (slot + 1) % self.gram.shape[1]

    def extrapolate(self, regularisation: float) -> NDArray[Any]:
        """Return what to subtract from point + residual, shape (B, K)."""
        rows, depth, _ = self.gram.shape
        # each difference scaled to length one: late ones are many orders smaller than early ones
        square = self.gram.reshape(rows, -1)[:, :: depth + 1]
        inverse = 1.0 / np.sqrt(np.maximum(square, _TINY))
        system = self.gram * inverse[:, :, None]
        system *= inverse[:, None, :]
        system.reshape(rows, -1)[:, :: depth + 1] = 1.0 + regularisation
        weights = np.linalg.solve(system, (self.products * inverse)[:, :, None])[:, :, 0]
        weights *= inverse
        combined: NDArray[Any] = np.matmul(weights.astype(self.images.dtype)[:, None], self.images)[:, 0]
        return combined

    def forget(self, rows: Index) -> None:
        for values in (self.residuals, self.images, self.gram, self.products):
            values[rows] = 0.0

    def keep(self, rows: Index) -> None:
        self.residuals, self.images = self.residuals[rows], self.images[rows]
        self.gram, self.products = self.gram[rows], self.products[rows]


#: Stands for the square of a difference that is not there.
_TINY = 1e-200
#: Rows that are done leave the batch when they are this share of it.
_LEAVING_SHARE = 0.1


def accelerated_fixed_points(system: ResidualSystem, start: FloatArray, settings: Acceleration) -> FixedPoints:
    """Iterate every row of ``start`` (B, K) until its residual is within tolerance; ``start`` is not written to."""
    count, size = start.shape
    points = np.array(start, dtype=np.float64)
    best_residual = np.full(count, np.inf)
    iterations = np.zeros(count, dtype=np.int64)
    done = np.zeros(count, dtype=bool)
    rows = np.arange(count)  # of the batch
    finished = np.zeros(count, dtype=bool)
    current, best, best_error = points.copy(), points.copy(), np.full(count, np.inf)
    history = _History(count, size, settings)
    step, scaled, before = (np.zeros_like(current) for _ in range(3))
    for iteration in range(settings.max_iterations + 1):
        residual = system.residual(current)
        error = np.maximum(residual.max(axis=1), -residual.min(axis=1))
        bad = ~np.isfinite(error)
        if bad.any():
            error[bad], residual[bad] = np.inf, 0.0
        better = error < best_error
        if better.all():
            best[...], best_error = current, error
        else:
            best[better] = current[better]
            best_error = np.minimum(best_error, error)
        good = best_error <= settings.tolerance
        # a row that begins where nothing is finite has nowhere to go
        ended = good | np.isinf(best_error)
        last = iteration == settings.max_iterations
        if last or ended.any():
            leaving = ~finished & (ended | last)
            out = rows[leaving]
            points[out], best_residual[out], iterations[out] = best[leaving], best_error[leaving], iteration
            done[out] = good[leaving]
            finished |= ended
            if last or finished.all():
                break
            if finished.mean() >= _LEAVING_SHARE:
                stay = np.flatnonzero(~finished)
                rows, current, residual, error = rows[stay], current[stay], residual[stay], error[stay]
                best, best_error, finished = best[stay], best_error[stay], finished[stay]
                step, scaled, before = step[stay], scaled[stay], before[stay]
                system = system.select(stay)
                history.keep(stay)
        settings.scale(residual, scaled)
        if iteration:
            history.push(np.subtract(scaled, before, out=before), step, scaled)
        np.subtract(scaled, history.extrapolate(settings.regularisation), out=step)
        lost = error > settings.blow_up * best_error  # of no use where there is no best point yet
        if lost.any():
            history.forget(lost)
            step[lost] = best[lost] - current[lost]
        largest = np.maximum(step.max(axis=1), -step.min(axis=1))
        if largest.max() > settings.step_limit:
            step *= np.minimum(1.0, settings.step_limit / np.maximum(largest, settings.step_limit))[:, None]
        scaled, before = before, scaled
        current += step
    return FixedPoints(points, best_residual, iterations, done)


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
    return np.linalg.inv(-jacobian).astype(np.float32)
