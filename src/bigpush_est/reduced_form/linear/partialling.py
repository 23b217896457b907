"""Outcome, endogenous regressors and instruments with the included exogenous regressors taken out (Frisch, Waugh).

With weights ω every array is multiplied by √ω first, so that all that follows is unweighted:

    ỹ = M_W √ω y,   X̃ = M_W √ω X,   Z̃ = M_W √ω Z,      M_W = I − W(W′W)⁻¹W′ with W the scaled exogenous regressors
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bigpush_est.errors import InvalidValue, ShapeMismatch
from bigpush_est.reduced_form.linear.problem import LinearProblem

type FloatArray = NDArray[np.float64]

#: A column whose residual has less than this share of its length lies in the span of the others.
COLLINEAR = 1e-10


@dataclass(frozen=True, slots=True)
class Partialled:
    """Arrays orthogonal to the included exogenous regressors, scaled by the root of the weights.

    Attributes
    ----------
    outcome
        ỹ, shape (N,).
    endogenous
        X̃, shape (N, E).
    instruments
        Z̃, shape (N, L).
    controls
        Orthonormal basis of the scaled exogenous regressors, shape (N, K − E).
    scale
        √ω, shape (N,).
    """

    outcome: FloatArray
    endogenous: FloatArray
    instruments: FloatArray
    controls: FloatArray
    scale: FloatArray


def basis(columns: FloatArray, names: tuple[str, ...], role: str) -> FloatArray:
    """Orthonormal basis of some columns; InvalidValue names the first that depends on those before it."""
    if columns.shape[1] == 0:
        return columns
    length = np.linalg.norm(columns, axis=0)
    zero = np.flatnonzero(length == 0.0)
    if zero.size:
        raise _dependent(names[int(zero[0])], role, "zero throughout once fixed effects are out")
    if columns.shape[1] > columns.shape[0]:
        raise _dependent(names[columns.shape[0]], role, f"one of {columns.shape[1]} in {columns.shape[0]} observations")
    factor, triangle = np.linalg.qr(columns / length)
    dependent = np.flatnonzero(np.abs(np.diag(triangle)) < COLLINEAR)
    if dependent.size:
        raise _dependent(names[int(dependent[0])], role, "a linear combination of the others")
    return np.ascontiguousarray(factor)


def _dependent(name: str, role: str, how: str) -> InvalidValue:
    return InvalidValue(
        key=f"{role} '{name}'", value=how, requirement="linearly independent of the rest", remedy="leave it out"
    )


def take_out(basis_columns: FloatArray, values: FloatArray) -> FloatArray:
    """Residual of values on an orthonormal basis; a second pass takes out what rounding left."""
    if basis_columns.shape[1] == 0:
        return values
    residual: FloatArray = values - basis_columns @ (basis_columns.T @ values)
    return residual - basis_columns @ (basis_columns.T @ residual)


def check_problem(problem: LinearProblem) -> None:
    """Check shapes and values of a problem's arrays.

    Raises
    ------
    ShapeMismatch
        For arrays of different lengths.
    InvalidValue
        For a value that is missing or infinite, or a weight that is not positive.
    """
    n = problem.observations
    arrays = {
        "outcome": problem.outcome.reshape(-1, 1) if problem.outcome.ndim == 1 else problem.outcome,
        "endogenous": problem.endogenous,
        "exogenous": problem.exogenous,
        "instruments": problem.instruments,
    }
    for key, array in arrays.items():
        if array.ndim != 2 or array.shape[0] != n or (key == "outcome" and array.shape[1] != 1):
            raise ShapeMismatch(key=key, shape=array.shape, expected=f"({n}, …)", remedy="one row per observation")
        bad = np.flatnonzero(~np.isfinite(array).all(axis=1))
        if bad.size:
            raise InvalidValue(
                key=key,
                value=f"missing or infinite in row {int(bad[0])}",
                requirement="finite",
                remedy="drop those rows before the fixed effects are taken out",
            )
    if problem.weights is not None:
        if problem.weights.shape != (n,):
            raise ShapeMismatch(
                key="weights", shape=problem.weights.shape, expected=f"({n},)", remedy="one per observation"
            )
        if not (np.isfinite(problem.weights).all() and (problem.weights > 0.0).all()):
            row = int(np.flatnonzero(~(problem.weights > 0.0))[0]) if (problem.weights <= 0.0).any() else 0
            raise InvalidValue(
                key="weights", value=f"{problem.weights[row]} in row {row}", requirement="positive", remedy="drop it"
            )
    if problem.clusters is not None and problem.clusters.observations != n:
        raise ShapeMismatch(
            key="clusters", shape=(problem.clusters.observations,), expected=f"({n},)", remedy="one label per row"
        )


def partial_out(problem: LinearProblem) -> Partialled:
    """Take the included exogenous regressors out of everything else.

    Raises
    ------
    InvalidValue
        For collinear exogenous regressors or instruments, or bad values.
    ShapeMismatch
        For arrays of different lengths.
    """
    check_problem(problem)
    scale = np.ones(problem.observations) if problem.weights is None else np.sqrt(problem.weights)
    endogenous_count = problem.endogenous.shape[1]
    exogenous = problem.exogenous * scale[:, None]
    controls = basis(exogenous, problem.names[endogenous_count:], "exogenous regressor")
    outcome = take_out(controls, (problem.outcome * scale)[:, None])[:, 0]
    raw_endogenous, raw_instruments = problem.endogenous * scale[:, None], problem.instruments * scale[:, None]
    endogenous, instruments = take_out(controls, raw_endogenous), take_out(controls, raw_instruments)
    for raw, left, names, role in (
        (raw_endogenous, endogenous, problem.names, "endogenous regressor"),
        (raw_instruments, instruments, problem.instrument_names, "instrument"),
    ):
        spanned = np.linalg.norm(left, axis=0) <= COLLINEAR * np.linalg.norm(raw, axis=0)
        if spanned.any():
            raise _dependent(names[int(np.argmax(spanned))], role, "without variation beside the exogenous regressors")
    basis(instruments, problem.instrument_names, "instrument")
    return Partialled(outcome, endogenous, instruments, controls, scale)


def need_instruments(problem: LinearProblem, endogenous: int | None = None) -> None:
    """Raise InvalidValue unless there are endogenous regressors and at least as many instruments."""
    count, instruments = problem.endogenous.shape[1], problem.instruments.shape[1]
    if count == 0:
        raise InvalidValue(
            key="endogenous", value="none", requirement="at least one regressor", remedy="name the endogenous regressor"
        )
    if endogenous is not None and count != endogenous:
        raise InvalidValue(
            key="endogenous",
            value=f"{count} regressors ({', '.join(problem.names[:count])})",
            requirement=f"{endogenous} here",
            remedy="use the joint test for several",
        )
    if instruments < count:
        raise InvalidValue(
            key="instruments",
            value=f"{instruments} for {count} endogenous regressors",
            requirement="at least as many as endogenous regressors",
            remedy="add instruments",
        )
