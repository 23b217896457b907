"""Anderson acceleration of many fixed-point problems at once: each row of a batch is a problem of its own.

Each row x is moved by its damped residual, extrapolated over its last ``depth`` steps (type II: the combination of
past residuals that is smallest in least squares).  Rows that have converged leave the batch, so that the slowest row
does not make the others wait.
"""

from dataclasses import dataclass
from typing import Protocol, Self

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
    regularisation: float = 1e-12
    #: A residual this many times the row's best makes the row forget its past and return to its best point.
    blow_up: float = 1e3

    def scale(self, residual: FloatArray) -> FloatArray:
        """Return the residual's step, shape (B, K)."""
        if self.damping.ndim == 1:
            return residual * self.damping
        return (residual.astype(self.damping.dtype) @ self.damping).astype(np.float64)


@dataclass(frozen=True, slots=True)
class FixedPoints:
    """Points (B, K), max |residual| (B,), iterations (B,) and whether the residual is within tolerance (B,)."""

    points: FloatArray
    residual: FloatArray
    iterations: NDArray[np.int64]
    converged: NDArray[np.bool_]


class _History:
    """The last ``depth`` differences of residuals and of (points + residuals), per row."""

    def __init__(self, rows: int, size: int, depth: int) -> None:
        self.residuals = np.zeros((rows, depth, size))
        self.images = np.zeros((rows, depth, size))
        self.gram = np.zeros((rows, depth, depth))
        self.next = 0

    def push(self, residual_change: FloatArray, point_change: FloatArray) -> None:
        slot = self.next
        self.residuals[:, slot] = residual_change
        np.add(residual_change, point_change, out=self.images[:, slot])
        row = np.matmul(self.residuals, residual_change[:, :, None])[:, :, 0]
        self.gram[:, slot, :] = row
        self.gram[:, :, slot] = row
        self.next = (slot + 1) % self.gram.shape[1]

    def extrapolate(self, residual: FloatArray, regularisation: float) -> FloatArray:
        """Return what to subtract from point + residual, shape (B, K)."""
        depth = self.gram.shape[1]
        right = np.matmul(self.residuals, residual[:, :, None])
        # each difference scaled to length one: late ones are many orders smaller than early ones
        length = np.sqrt(np.einsum("bii->bi", self.gram))
        inverse = np.divide(1.0, length, out=np.zeros_like(length), where=length > 0.0)
        system = self.gram * inverse[:, :, None] * inverse[:, None, :]
        diagonal = np.arange(depth)
        system[:, diagonal, diagonal] += np.where(length > 0.0, regularisation, 1.0)
        weights = np.linalg.solve(system, right * inverse[:, :, None]) * inverse[:, :, None]
        combined: FloatArray = np.matmul(weights.transpose(0, 2, 1), self.images)[:, 0]
        return combined

    def forget(self, rows: Index) -> None:
        self.residuals[rows] = 0.0
        self.images[rows] = 0.0
        self.gram[rows] = 0.0

    def keep(self, rows: Index) -> None:
        self.residuals, self.images, self.gram = self.residuals[rows], self.images[rows], self.gram[rows]


def accelerated_fixed_points(system: ResidualSystem, start: FloatArray, settings: Acceleration) -> FixedPoints:
    """Iterate every row of ``start`` (B, K) until its residual is within tolerance; ``start`` is not written to."""
    count, size = start.shape
    points = np.array(start, dtype=np.float64)
    best_residual = np.full(count, np.inf)
    iterations = np.zeros(count, dtype=np.int64)
    rows = np.arange(count)
    current = points.copy()
    best, best_error = current.copy(), np.full(count, np.inf)
    history = _History(count, size, settings.depth)
    before: tuple[FloatArray, FloatArray] | None = None
    done = np.zeros(count, dtype=bool)
    for iteration in range(settings.max_iterations + 1):
        residual = system.residual(current)
        error = np.abs(residual).max(axis=1)
        bad = ~np.isfinite(error)
        if bad.any():
            error[bad], residual[bad] = np.inf, 0.0
        better = error < best_error
        best[better], best_error[better] = current[better], error[better]
        iterations[rows] = iteration
        finished = best_error <= settings.tolerance
        lost = error > settings.blow_up * best_error  # of no use where there is no best point yet
        if finished.any() or iteration == settings.max_iterations:
            leaving = finished | (iteration == settings.max_iterations)
            points[rows[leaving]], best_residual[rows[leaving]] = best[leaving], best_error[leaving]
            done[rows[leaving]] = finished[leaving]
            stay = np.flatnonzero(~leaving)
            if not stay.size:
                break
            rows, current, residual, lost = rows[stay], current[stay], residual[stay], lost[stay]
            best, best_error = best[stay], best_error[stay]
            system = system.select(stay)
            history.keep(stay)
            before = None if before is None else (before[0][stay], before[1][stay])
        scaled = settings.scale(residual)
        if before is not None:
            history.push(scaled - before[1], current - before[0])
        step = scaled - history.extrapolate(scaled, settings.regularisation)
        if lost.any():
            history.forget(lost)
            step[lost] = best[lost] - current[lost]
        largest = np.abs(step).max(axis=1, keepdims=True)
        step *= np.minimum(1.0, settings.step_limit / np.maximum(largest, settings.step_limit))
        before = (current, scaled)
        current = current + step
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
