"""Conditional and hybrid confidence sets (Andrews, Roth and Pakes 2023; Rambachan and Roth 2023).

H₀: l'τ_post = θ and Aδ ≤ d.  With the other post-effects as nuisance ν, the moments are Y(θ) − Xν ≤ 0 in expectation,

    Y(θ) = Aβ̂ − d − A_post g θ,    Γ = (l', …)',    (g, G) = Γ^{-1},    X = A_post G,

for the rows of A that involve a post-period.  The statistic is η̂ = min_{η, ν} η s.t. Y − Xν ≤ ησ̃ with
σ̃² = diag(AΣA'); by duality η̂ = max_γ γ'Y over the vertices γ of {γ ≥ 0, X'γ = 0, σ̃'γ = 1}.  All of them are written
down here once, so that each test is a matrix product.  Given the maximising vertex γ̂ and what is independent of γ̂'Y,
γ̂'Y is normal, truncated to where γ̂ stays the maximiser:

    reject if η̂ > max(0, c),    c the 1 − α̃ quantile of the truncated normal with mean zero.

- "conditional": α̃ = α.
- "hybrid_lf" (C-LF): a first test of size κ rejects if η̂ exceeds the 1 − κ quantile of its least favourable
  distribution Y ~ N(0, AΣA'), which is simulated; the second has α̃ = (α − κ)/(1 − κ) and truncates there as well.
- "hybrid_flci" (C-F): the first test is a fixed-length interval of level 1 − κ.

A vertex whose variance is zero rejects if η̂ > 0.  The set over a union of polyhedra is the union of their sets.
"""

from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from math import comb
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_ndtr

from bigpush_est.errors import TooManyCombinations
from bigpush_est.reduced_form.honest.flci import FixedLengthInterval
from bigpush_est.reduced_form.honest.restrictions import Polyhedron

type FloatArray = NDArray[np.float64]
type ConditionalMethod = Literal["conditional", "hybrid_lf", "hybrid_flci"]

#: Rows below this, relative to the largest, count as zero.
_ZERO = 1e-10
_MOST_COMBINATIONS = 300_000


def _elementary_vectors(rows: FloatArray) -> FloatArray:
    """Vectors w with w'U = 0 of smallest support, one per line through zero, shape (number, rows of U)."""
    count = len(rows)
    u, singular, _ = np.linalg.svd(rows, full_matrices=True)
    rank = int((singular > _ZERO * max(1.0, float(singular.max(initial=0.0)))).sum())
    null = u[:, rank:]  # (rows, k)
    k = null.shape[1]
    if k == 0:
        return np.zeros((0, count))
    if comb(count, k - 1) > _MOST_COMBINATIONS:
        raise TooManyCombinations(
            problem="the conditional test",
            count=comb(count, k - 1),
            limit=_MOST_COMBINATIONS,
            remedy="use fewer post-periods, or leave out the sign of the bias",
        )
    zeros = np.array(list(combinations(range(count), k - 1)), dtype=np.int64)
    if k == 1:
        found = null.T
    else:
        _, values, right = np.linalg.svd(null[zeros])
        found = right[values[:, -1] > 1e-9, -1] @ null.T
    found = np.where(np.abs(found) > 1e-9, found, 0.0)
    first = np.take_along_axis(found, np.argmax(np.abs(found), axis=1)[:, None], axis=1)
    found = found / first
    _, kept = np.unique(np.round(found, 7), axis=0, return_index=True)
    return np.asarray(found[kept])


def dual_vertices(nuisance: FloatArray, scale: FloatArray) -> FloatArray:
    """Vertices of {γ ≥ 0, X'γ = 0, σ̃'γ = 1}.

    Parameters
    ----------
    nuisance
        X, shape (K, q).
    scale
        σ̃, shape (K,), not negative.

    Returns
    -------
    ndarray
        Shape (vertices, K).

    Raises
    ------
    TooManyCombinations
        If enumeration would take too long.

    Examples
    --------
    >>> dual_vertices(np.array([[1.0], [-1.0], [0.0]]), np.ones(3)).tolist()
    [[0.0, 0.0, 1.0], [0.5, 0.5, 0.0]]
    """
    rows = len(scale)
    length = np.linalg.norm(nuisance, axis=1)
    alone = length <= _ZERO * max(1.0, float(length.max(initial=0.0)))
    supports: list[FloatArray] = [np.eye(rows)[i] for i in np.flatnonzero(alone)]
    # rows that are multiples of one another form a class: a vertex uses one of them, or two of opposite direction
    unit = nuisance[~alone] / length[~alone, None]
    lead = np.take_along_axis(unit, np.argmax(np.abs(unit) > 1e-9, axis=1)[:, None], axis=1) if len(unit) else unit
    direction = np.sign(lead[:, 0]) if len(unit) else np.zeros(0)
    _, of_class = np.unique(np.round(unit * direction[:, None], 9), axis=0, return_inverse=True)
    members: dict[tuple[int, int], list[int]] = {}
    for row, group, sign in zip(np.flatnonzero(~alone), of_class.ravel(), direction, strict=True):
        members.setdefault((int(group), int(sign)), []).append(int(row))
    classes = int(of_class.max()) + 1 if len(unit) else 0
    representative = np.zeros((classes, nuisance.shape[1]))
    for position, group in enumerate(of_class.ravel()):
        representative[group] = unit[position] * direction[position]
    for both in range(classes):
        for i in members.get((both, 1), []):
            for j in members.get((both, -1), []):
                pair = np.zeros(rows)
                pair[i], pair[j] = 1.0 / length[i], 1.0 / length[j]
                supports.append(pair)
    for vector in _elementary_vectors(representative) if classes else np.zeros((0, 0)):
        for oriented in (vector, -vector):
            partial = [np.zeros(rows)]
            for group in np.flatnonzero(oriented):
                extended = []
                for base in partial:
                    for usable in members.get((int(group), int(np.sign(oriented[group]))), []):
                        extended.append(base.copy())
                        extended[-1][usable] = abs(oriented[group]) / length[usable]
                partial = extended
            supports.extend(partial)
    stacked = np.array(supports).reshape(-1, rows)
    weight = stacked @ scale
    kept = weight > _ZERO * float(scale.max(initial=0.0))
    return np.asarray(stacked[kept] / weight[kept, None])


def _log_tail_share(value: FloatArray, low: FloatArray, high: FloatArray) -> FloatArray:
    """Log of P(Z > value | low ≤ Z ≤ high), Z ~ N(0, 1): in logarithms, so that far tails keep their digits."""

    def log_mass(a: FloatArray, b: FloatArray) -> FloatArray:
        # log of Φ(b) − Φ(a), from the side on which the tails are small
        swap = a + b > 0
        lower, upper = np.where(swap, -b, a), np.where(swap, -a, b)
        gap = log_ndtr(lower) - log_ndtr(upper)
        with np.errstate(divide="ignore"):
            return np.asarray(log_ndtr(upper) + np.log(-np.expm1(np.minimum(gap, 0.0))))

    with np.errstate(invalid="ignore"):
        return np.asarray(log_mass(value, high) - log_mass(low, high))


@dataclass(frozen=True, slots=True)
class ConditionalTest:
    """The test of θ for one polyhedron: everything that does not depend on θ.

    Attributes
    ----------
    base, slope
        Y(θ) = base − slope · θ, shapes (K,).
    covariance
        AΣA', shape (K, K).
    vertices
        Shape (V, K).
    size
        α̃ of the second test.
    least_favourable
        Critical value of the first test; ∞ without one.
    first_interval
        Of the C-F hybrid, with the weights of its estimator on the moments' normal part.
    """

    base: FloatArray
    slope: FloatArray
    covariance: FloatArray
    vertices: FloatArray
    size: float
    least_favourable: float
    first_interval: tuple[float, float, FloatArray] | None

    def accepts(self, theta: FloatArray) -> NDArray[np.bool_]:
        """Whether each θ is not rejected, shape of theta (J,)."""
        at_vertices = self.vertices @ self.base
        slopes = self.vertices @ self.slope
        values = at_vertices[None, :] - np.outer(theta, slopes)  # (J, V)
        best = np.argmax(values, axis=1)
        accepted = np.zeros(theta.shape, dtype=np.bool_)
        for vertex in np.unique(best):
            rows = np.flatnonzero(best == vertex)
            accepted[rows] = self._accepts_at(int(vertex), values[rows], theta[rows])
        return accepted

    def _accepts_at(self, vertex: int, values: FloatArray, theta: FloatArray) -> NDArray[np.bool_]:
        gamma = self.vertices[vertex]
        eta = values[:, vertex]
        variance = float(gamma @ self.covariance @ gamma)
        if variance < 1e-20:
            return np.asarray(eta <= 1e-9)  # η̂ counts standard deviations: below this it is rounding
        response = self.vertices @ (self.covariance @ gamma) / variance  # what γ_j'Y gains with γ̂'Y
        own = response[None, :] - 1.0
        fixed = values - np.outer(eta, response)  # γ_j'S
        low, high = np.full(eta.shape, -np.inf), np.full(eta.shape, np.inf)
        # γ̂ stays the maximiser at t if γ_j'S + response_j t ≤ t for every j
        rising, falling = own[0] < -1e-9, own[0] > 1e-9
        if rising.any():
            low = np.max(fixed[:, rising] / -own[:, rising], axis=1)
        if falling.any():
            high = np.min(fixed[:, falling] / -own[:, falling], axis=1)
        inside = np.ones(eta.shape, dtype=np.bool_)
        if np.isfinite(self.least_favourable):
            inside &= eta <= self.least_favourable
            high = np.minimum(high, self.least_favourable)
        if self.first_interval is not None:
            centre, half, weights = self.first_interval
            gap = centre - theta
            inside &= np.abs(gap) <= half
            gain = float(weights @ gamma) / variance  # what the interval's centre gains with γ̂'Y
            if abs(gain) > 1e-12:
                ends = np.sort(np.stack([eta + (-half - gap) / gain, eta + (half - gap) / gain]), axis=0)
                low, high = np.maximum(low, ends[0]), np.minimum(high, ends[1])
        deviation = np.sqrt(variance)
        low, high = np.minimum(low, eta), np.maximum(high, eta)  # rounding only: η̂ lies between them
        tail = _log_tail_share(eta / deviation, low / deviation, high / deviation)
        rejects = (eta > 0) & (tail < np.log(self.size))
        return np.asarray(inside & ~rejects)


@lru_cache(maxsize=4)
def _normal_draws(draws: int, columns: int, seed: int) -> FloatArray:
    return np.random.default_rng(seed).standard_normal((draws, columns))


def conditional_test(
    coefficients: FloatArray,
    covariance: FloatArray,
    pre: int,
    weights: FloatArray,
    member: Polyhedron,
    *,
    method: ConditionalMethod,
    level: float,
    first_size: float,
    first_interval: FixedLengthInterval | None = None,
    draws: int = 10_000,
    seed: int = 0,
) -> ConditionalTest:
    """Prepare the test of l'τ_post = θ under one polyhedron.

    Parameters
    ----------
    coefficients, covariance
        β̂ and Σ of T pre- and P post-periods.
    pre
        T.
    weights
        l, shape (P,).
    member
        The polyhedron.
    method
        "conditional", "hybrid_lf" or "hybrid_flci".
    level
        1 − α.
    first_size
        κ of a hybrid.
    first_interval
        Of level 1 − κ, for "hybrid_flci".
    draws, seed
        Of the least favourable distribution.
    """
    post = len(weights)
    after = member.matrix[:, pre:]
    used = np.any(np.abs(after) > 1e-12, axis=1) if post > 1 else np.ones(len(after), dtype=np.bool_)
    matrix, bound, after = member.matrix[used], member.bound[used], after[used]
    pivot = int(np.argmax(np.abs(weights)))
    rotation = np.vstack([weights, np.delete(np.eye(post), pivot, axis=0)])
    inverse = np.linalg.inv(rotation)
    moments = matrix @ covariance @ matrix.T
    scale = np.sqrt(np.maximum(np.diag(moments), 0.0))
    vertices = dual_vertices(after @ inverse[:, 1:], scale)
    alpha, critical, interval = 1.0 - level, np.inf, None
    size = alpha if method == "conditional" else (alpha - first_size) / (1.0 - first_size)
    if method == "hybrid_lf":
        root = np.linalg.cholesky(covariance)
        highest = np.max(_normal_draws(draws, len(coefficients), seed) @ (vertices @ matrix @ root).T, axis=1)
        critical = float(np.quantile(highest, 1.0 - first_size))
    elif method == "hybrid_flci" and first_interval is not None:
        estimator = np.concatenate([first_interval.pre_weights, weights])
        centre = 0.5 * (first_interval.low + first_interval.high)
        interval = (centre, first_interval.half_length, matrix @ covariance @ estimator)
    return ConditionalTest(
        matrix @ coefficients - bound, after @ inverse[:, 0], moments, vertices, size, critical, interval
    )
