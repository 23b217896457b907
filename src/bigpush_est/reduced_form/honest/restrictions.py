"""Restrictions on how parallel trends may fail, as unions of polyhedra {δ : Aδ ≤ d} (Rambachan and Roth 2023).

δ holds the difference in trends at T pre-periods −T … −1 and P post-periods 1 … P, relative to the reference period 0,
where δ_0 = 0.  The coefficients of an event study are β = δ + (0, τ_post).  Periods are counted here in the order of
the coefficients: the reference period is the one between the last pre- and the first post-coefficient.

- relative magnitudes, Δ^RM(M̄): |δ_{t+1} − δ_t| ≤ M̄ · max_{s<0} |δ_{s+1} − δ_s| for t ≥ 0;
- smoothness, Δ^SD(M): |(δ_{t+1} − δ_t) − (δ_t − δ_{t−1})| ≤ M for every t;
- relative smoothness, Δ^SDRM(M̄): second differences after the event of at most M̄ times the largest one before it;
- a sign of the bias may be added: δ_t ≥ 0 or δ_t ≤ 0 at every post-period.

A maximum before the event is a union: over the period s where it occurs and over its sign.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog

from bigpush_est.errors import InvalidValue

type FloatArray = NDArray[np.float64]
type RestrictionName = Literal["relative_magnitudes", "smoothness", "relative_smoothness"]
type BiasSign = Literal["positive", "negative"] | None

RESTRICTIONS: tuple[RestrictionName, ...] = ("relative_magnitudes", "smoothness", "relative_smoothness")


@dataclass(frozen=True, slots=True)
class Polyhedron:
    """{δ : Aδ ≤ d}.

    Attributes
    ----------
    matrix
        A, shape (rows, T + P).
    bound
        d, shape (rows,).
    """

    matrix: FloatArray
    bound: FloatArray


def _differences(pre: int, post: int, order: int) -> FloatArray:
    """Differences of (δ_−T, …, δ_−1, 0, δ_1, …, δ_P), the reference period's column then left out."""
    rows = np.diff(np.eye(pre + post + 1), n=order, axis=0)
    return np.delete(rows, pre, axis=1)


def polyhedra(
    name: RestrictionName, pre: int, post: int, bound: float, sign: BiasSign = None
) -> tuple[Polyhedron, ...]:
    """Write a restriction as a union of polyhedra.

    Parameters
    ----------
    name
        One of ``RESTRICTIONS``.
    pre, post
        T and P.
    bound
        M̄ or M, not negative.
    sign
        Of the bias after the event; None for either.

    Returns
    -------
    tuple of Polyhedron
        One for smoothness, 2T for relative magnitudes, 2(T − 1) for relative smoothness.

    Raises
    ------
    InvalidValue
        For an unknown restriction, a negative bound, or too few pre-periods.

    Examples
    --------
    >>> len(polyhedra("relative_magnitudes", 3, 2, 1.0)), len(polyhedra("smoothness", 3, 2, 0.1))
    (6, 1)
    """
    if name not in RESTRICTIONS:
        raise InvalidValue(
            key="restriction",
            value=repr(name),
            requirement=f"one of {', '.join(RESTRICTIONS)}",
            remedy="name one of them",
        )
    if sign not in (None, "positive", "negative"):
        raise InvalidValue(
            key="bias_sign", value=repr(sign), requirement="'positive', 'negative' or None", remedy="name one of them"
        )
    if not (np.isfinite(bound) and bound >= 0):
        raise InvalidValue(key="bound", value=bound, requirement="a number, not negative", remedy="pass M ≥ 0")
    needed = 2 if name == "relative_smoothness" else 1
    if pre < needed or post < 1:
        raise InvalidValue(
            key="pre- and post-periods",
            value=(pre, post),
            requirement=f"at least {needed} and 1 for {name}",
            remedy="estimate more leads, or choose another restriction",
        )
    signs = np.zeros((0, pre + post))
    if sign is not None:
        signs = np.hstack([np.zeros((post, pre)), (-1.0 if sign == "positive" else 1.0) * np.eye(post)])

    def union_member(steps: FloatArray, limits: FloatArray, constant: float) -> Polyhedron:
        matrix = np.vstack([steps - limits, -steps - limits])
        kept = np.any(np.abs(matrix) > 1e-12, axis=1)  # the period of the maximum compared with itself
        full = np.vstack([matrix[kept], signs])
        return Polyhedron(full, np.concatenate([np.full(int(kept.sum()), constant), np.zeros(len(signs))]))

    if name == "smoothness":
        steps = _differences(pre, post, 2)
        return (union_member(steps, np.zeros_like(steps), bound),)
    order = 1 if name == "relative_magnitudes" else 2
    steps = _differences(pre, post, order)
    before = pre - order + 1  # differences among pre-periods and the reference period
    members = []
    for largest in range(before):
        for direction in (1.0, -1.0):
            limits = np.tile(direction * steps[largest], (len(steps), 1))
            limits[before:] *= bound
            members.append(union_member(steps, limits, 0.0))
    return tuple(members)


def identified_interval(
    coefficients: FloatArray, pre: int, weights: FloatArray, members: tuple[Polyhedron, ...]
) -> tuple[float, float] | None:
    """Bounds on l'τ_post if the coefficients were known: linear programs, exact.

    δ_pre equals the pre-coefficients, and l'τ = l'β_post − l'δ_post is minimised and maximised over δ in the union.

    Returns
    -------
    tuple or None
        None if no δ of the restriction agrees with the pre-coefficients.
    """
    point = float(weights @ coefficients[pre:])
    lows, highs = [], []
    for member in members:
        room = member.bound - member.matrix[:, :pre] @ coefficients[:pre]
        after = member.matrix[:, pre:]
        # rows without a post-period hold or fail on their own; rounding must not make the period of the maximum fail
        alone = ~np.any(np.abs(after) > 1e-12, axis=1)
        if np.any(room[alone] < -1e-10 * max(1.0, float(np.abs(coefficients).max()))):
            continue
        ends = []
        for direction in (1.0, -1.0):
            found = linprog(direction * weights, A_ub=after[~alone], b_ub=room[~alone], bounds=(None, None))
            if found.status == 2:
                break
            value = float(found.fun) if found.status == 0 and found.fun is not None else -np.inf
            ends.append(direction * value)
        if len(ends) == 2:
            lows.append(point - ends[1])
            highs.append(point - ends[0])
    return (float(min(lows)), float(max(highs))) if lows else None
