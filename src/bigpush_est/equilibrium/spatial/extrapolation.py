"""Anderson acceleration's arithmetic, compiled: row by row, each row's past in the processor's memory but once."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from bigpush_est.equilibrium.adoption_map import FloatArray
from bigpush_est.equilibrium.spatial.kernel import compiled, reordered

#: Stands for the square of a difference that is not there.
_TINY = 1e-200


@compiled
def examine(
    live: NDArray[np.int64],
    current: FloatArray,
    residual: FloatArray,
    bits: NDArray[np.int64],
    best: FloatArray,
    best_error: FloatArray,
    error: FloatArray,
) -> None:
    """Write max |residual| of the live rows (L, K) to ``error`` (L,), and keep the best points of all rows.

    ``bits`` are the residual's: as integers, absolute values have the same order, with NaN above infinity.  A residual
    that is not finite everywhere is an infinite error, and is set to zero.
    """
    size = residual.shape[1]
    for i in range(live.size):
        b, row, largest = live[i], bits[i], np.int64(0)
        for k in range(size):
            magnitude = row[k] & np.int64(0x7FFFFFFFFFFFFFFF)
            largest = max(largest, magnitude)
        if largest >= np.int64(0x7FF0000000000000):
            error[i] = np.inf
            residual[i] = 0.0
        else:
            error[i] = 0.0
            for k in range(size):
                if (row[k] & np.int64(0x7FFFFFFFFFFFFFFF)) == largest:
                    error[i] = abs(residual[i, k])
                    break
        if error[i] < best_error[b]:
            best_error[b] = error[i]
            best[b] = current[b]


@reordered
def _dot(x: NDArray[Any], y: NDArray[Any]) -> Any:
    total = x[0] * y[0]
    for k in range(1, x.shape[0]):
        total += x[k] * y[k]
    return total


@compiled
def _solved(system: FloatArray, right: FloatArray, size: int) -> None:
    """Solve a small system in place, by elimination with pivots."""
    for k in range(size):
        pivot = k
        for i in range(k + 1, size):
            if abs(system[i, k]) > abs(system[pivot, k]):
                pivot = i
        if pivot != k:
            for j in range(k, size):
                system[k, j], system[pivot, j] = system[pivot, j], system[k, j]
            right[k], right[pivot] = right[pivot], right[k]
        for i in range(k + 1, size):
            factor = system[i, k] / system[k, k]
            for j in range(k + 1, size):
                system[i, j] -= factor * system[k, j]
            right[i] -= factor * right[k]
    for k in range(size - 1, -1, -1):
        for j in range(k + 1, size):
            right[k] -= system[k, j] * right[j]
        right[k] /= system[k, k]


@compiled
def advance(
    live: NDArray[np.int64],
    scaled: FloatArray,
    error: FloatArray,
    current: FloatArray,
    best: FloatArray,
    best_error: FloatArray,
    before: FloatArray,
    step: FloatArray,
    residuals: NDArray[Any],
    images: NDArray[Any],
    gram: FloatArray,
    iteration: int,
    regularisation: float,
    blow_up: float,
    step_limit: float,
) -> None:
    """Move the live rows of ``current`` (B, K) by their scaled residuals (L, K), extrapolated over their past.

    Of every row, ``before`` and ``step`` (B, K) are the last scaled residual and the last step; ``residuals`` and
    ``images`` (B, depth, K) the last differences of scaled residuals and of points + scaled residuals, and ``gram``
    (B, depth, depth) the products of the former.
    """
    size, depth = current.shape[1], gram.shape[1]
    slot, filled = (iteration - 1) % depth, min(iteration, depth)
    system, weights, inverse = np.empty((depth, depth)), np.empty(depth), np.empty(depth)
    now = np.empty_like(residuals[0, 0])
    combined = np.empty_like(now)
    for i in range(live.size):
        b = live[i]
        new, old, move, point = scaled[i], before[b], step[b], current[b]
        combined[:] = 0.0
        if iteration > 0:
            latest, image = residuals[b, slot], images[b, slot]
            for k in range(size):
                latest[k] = new[k] - old[k]
            for k in range(size):
                image[k] = new[k] - old[k] + move[k]
            for k in range(size):
                now[k] = new[k]
            for d in range(filled):
                gram[b, slot, d] = _dot(residuals[b, d], latest)
                gram[b, d, slot] = gram[b, slot, d]
                weights[d] = _dot(residuals[b, d], now)
            # each difference scaled to length one: late ones are many orders smaller than early ones
            for d in range(filled):
                inverse[d] = 1.0 / np.sqrt(max(gram[b, d, d], _TINY))
            for d in range(filled):
                for e in range(filled):
                    system[d, e] = gram[b, d, e] * inverse[d] * inverse[e]
                system[d, d] = 1.0 + regularisation
                weights[d] *= inverse[d]
            _solved(system, weights, filled)
            for d in range(filled):
                weight, image = combined.dtype.type(weights[d] * inverse[d]), images[b, d]
                for k in range(size):
                    combined[k] += weight * image[k]
        if error[i] > blow_up * best_error[b]:
            # of no use: forget the past, and go back to the best point
            residuals[b], images[b], gram[b] = 0.0, 0.0, 0.0
            target = best[b]
            for k in range(size):
                move[k] = target[k] - point[k]
        else:
            for k in range(size):
                move[k] = new[k] - combined[k]
        largest = 0.0
        for k in range(size):
            largest = max(largest, abs(move[k]))
        if largest > step_limit:
            for k in range(size):
                move[k] *= step_limit / largest
        old[:] = new
        for k in range(size):
            point[k] += move[k]
