"""Least squares on partialled-out arrays: which columns are independent, and coefficients with a refinement step."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve

type FloatArray = NDArray[np.float64]

#: Length of what is left of a column, relative to the column, up to which it counts as collinear with others.
COLLINEAR = 1e-7
#: Length of a column after fixed effects, or the mean, are taken out, relative to before, up to which it is absorbed.
ABSORBED = 1e-8
#: Relative length below which the cross products' rounding errors call for the residual itself.
CLOSE = 1e-3


@dataclass(frozen=True, slots=True)
class Independence:
    """Columns kept, and those left out for one of two reasons; positions in the order of the columns."""

    kept: tuple[int, ...]
    absorbed: tuple[int, ...]
    collinear: tuple[int, ...]


def weighted(columns: FloatArray, weights: FloatArray | None) -> FloatArray:
    """√ω times every row."""
    return columns if weights is None else columns * np.sqrt(weights)[:, None]


def means_of(columns: FloatArray, weights: FloatArray | None) -> FloatArray:
    """Weighted mean of every column, shape (C,)."""
    omega = np.ones(len(columns)) if weights is None else weights
    means: FloatArray = (omega @ columns) / omega.sum()
    return means


def variation(columns: FloatArray, weights: FloatArray | None, constants: tuple[int, ...] = ()) -> FloatArray:
    """Length of every column about its mean, shape (C,); of a constant column, its length.

    A variation that is no more than rounding of the column's size counts as none.
    """
    omega = np.ones(len(columns)) if weights is None else weights
    if weights is None:
        size = np.sqrt(np.einsum("ij,ij->j", columns, columns))
    else:
        size = np.sqrt(np.einsum("i,ij,ij->j", omega, columns, columns, optimize=True))
    means = means_of(columns, weights)
    squared = size**2 - means**2 * omega.sum()
    length = np.sqrt(np.maximum(squared, 0.0))
    for column in np.flatnonzero(squared <= 1e-4 * size**2):  # the difference has lost digits: centre first
        length[column] = np.sqrt(omega @ (columns[:, column] - means[column]) ** 2)
    length = np.where(length <= 1e-12 * size, 0.0, length)
    length[list(constants)] = size[list(constants)]
    return length


def centred_on_constant(columns: FloatArray, weights: FloatArray | None) -> tuple[FloatArray, FloatArray]:
    """Take the means out of all columns but a constant one, if there is one: the same space, better conditioned.

    Returns
    -------
    centred, shift
        AT and T, shapes (N, K) and (K, K), so that Aβ = (AT)γ for β = Tγ.

    Examples
    --------
    >>> centred_on_constant(np.array([[1.0, 4.0], [1.0, 6.0]]), None)[0].tolist()
    [[1.0, -1.0], [1.0, 1.0]]
    """
    shift = np.eye(columns.shape[1])
    first = columns[0]
    perhaps = np.flatnonzero((first != 0) & (columns[:100] == first).all(axis=0))
    constants = [int(column) for column in perhaps if (columns[:, column] == first[column]).all()]
    if not constants:
        return columns, shift
    constant = constants[0]
    means = means_of(columns, weights)
    means[constant] = 0.0
    shift[constant] -= means / first[constant]
    return columns - means, shift


def independent_columns(
    columns: FloatArray, gram: FloatArray, before: FloatArray, chosen: Sequence[int]
) -> Independence:
    """Pick columns, first come first kept, that are linearly independent.

    Parameters
    ----------
    columns
        Weighted columns with fixed effects taken out, shape (N, C).
    gram
        Their cross products, shape (C, C).
    before
        Variation of each before that, shape (C,).
    chosen
        Columns to look at, in order.

    Examples
    --------
    >>> x = np.array([[1.0, 2.0, 0.0], [2.0, 4.0, 1.0], [3.0, 6.0, 5.0]])
    >>> independent_columns(x, x.T @ x, np.linalg.norm(x, axis=0), range(3)).collinear
    (1,)
    """
    lengths = np.sqrt(np.diag(gram))
    scale = np.where(lengths > 0, lengths, 1.0)
    scaled = gram / np.outer(scale, scale)
    kept: list[int] = []
    absorbed: list[int] = []
    collinear: list[int] = []
    for column in chosen:
        if lengths[column] <= ABSORBED * before[column]:
            absorbed.append(column)
        elif kept and _left_over(columns, scaled, scale, kept, column) <= COLLINEAR:
            collinear.append(column)
        else:
            kept.append(column)
    return Independence(tuple(kept), tuple(absorbed), tuple(collinear))


def _left_over(columns: FloatArray, gram: FloatArray, scale: FloatArray, kept: list[int], column: int) -> float:
    """Length of a column's residual on those kept, relative to the column."""
    inside, across = gram[np.ix_(kept, kept)], gram[kept, column]
    slopes = np.linalg.solve(inside, across)
    squared = 1.0 - float(across @ slopes)
    if squared > CLOSE**2:
        return float(np.sqrt(squared))
    base = columns[:, kept] / scale[kept]
    residual = columns[:, column] / scale[column] - base @ slopes
    residual -= base @ np.linalg.solve(inside, base.T @ residual)
    return float(np.linalg.norm(residual))


def solve_least_squares(columns: FloatArray, target: FloatArray, weights: FloatArray | None) -> FloatArray:
    """(A′ΩA)⁻¹A′Ωb by a scaled Cholesky factor and one step of refinement on the residual.

    Parameters
    ----------
    columns
        A, shape (N, K), of full column rank.
    target
        b, shape (N,) or (N, M).
    weights
        ω, shape (N,), or None.

    Examples
    --------
    >>> solve_least_squares(np.array([[1.0], [2.0]]), np.array([2.0, 4.0]), None)
    array([2.])
    """
    return solve_moments(columns, columns, target, weights)[0]


def solve_moments(
    left: FloatArray, columns: FloatArray, target: FloatArray, weights: FloatArray | None
) -> tuple[FloatArray, FloatArray]:
    """Solve L′Ω(b − Aβ) = 0, where L′ΩA is symmetric and positive definite, with one step of refinement.

    Parameters
    ----------
    left, columns
        L and A, shape (N, K).
    target
        b, shape (N,) or (N, M).
    weights
        ω, shape (N,), or None.

    Returns
    -------
    estimate, inverse
        β, shape (K,) or (K, M), and (L′ΩA)⁻¹, shape (K, K).

    Examples
    --------
    >>> estimate, inverse = solve_moments(np.eye(2), np.eye(2), np.array([3.0, 4.0]), None)
    >>> estimate.tolist(), inverse.tolist()
    ([3.0, 4.0], [[1.0, 0.0], [0.0, 1.0]])
    """
    omega_left = left if weights is None else left * weights[:, None]
    moments = omega_left.T @ columns
    moments = 0.5 * (moments + moments.T)
    scale = np.sqrt(np.diag(moments))
    factor = cho_factor(moments / np.outer(scale, scale))

    def step(residual: FloatArray) -> FloatArray:
        right = (omega_left.T @ residual) / (scale if residual.ndim == 1 else scale[:, None])
        solved: FloatArray = cho_solve(factor, right)
        return solved / (scale if residual.ndim == 1 else scale[:, None])

    estimate = step(target)
    refined: FloatArray = estimate + step(target - columns @ estimate)
    inverse: FloatArray = cho_solve(factor, np.eye(len(scale))) / np.outer(scale, scale)
    return refined, inverse
