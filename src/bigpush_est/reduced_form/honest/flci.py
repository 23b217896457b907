"""Fixed-length confidence intervals under smoothness, Δ^SD(M) (Rambachan and Roth 2023, following Donoho 1994).

The estimator of l'τ_post is affine: l'β̂_post + a'β̂_pre.  δ in Δ^SD(M) is a linear trend plus second differences of at
most M each, so its worst bias is finite only if a offsets any linear trend, and is then

    b(a) = M · Σ_s |c_s(a)|,    s = −T + 1 … P − 1,

with c_s(a) what a unit second difference at s adds to the estimator; a moves those with s < 0.  The half-length is

    χ(a) = σ(a) · cv_α(b(a)/σ(a)),    σ²(a) = (a, l)' Σ (a, l),

where cv_α(r) is the 1 − α quantile of |N(r, 1)|, computed exactly.  χ is convex in a.  Its minimiser lies on the
frontier that min_a ½σ²(a) + μ Σ_s |c_s(a)| traces out as μ goes from 0 to ∞: each point is a lasso, solved exactly, and
the derivative of χ along the frontier changes its sign once.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq, lsq_linear
from scipy.special import ndtr, ndtri

from bigpush_est.errors import SolverFailed

type FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class FixedLengthInterval:
    """The shortest affine interval.

    Attributes
    ----------
    low, high
        Its ends.
    half_length
        χ at the optimum.
    pre_weights
        a, shape (T,).
    worst_bias, standard_deviation
        b(a) and σ(a).
    """

    low: float
    high: float
    half_length: float
    pre_weights: FloatArray
    worst_bias: float
    standard_deviation: float


def folded_normal_quantile(probability: float, mean: float) -> float:
    """Quantile of |N(mean, 1)|: the c with Φ(c − r) − Φ(−c − r) = p.

    Examples
    --------
    >>> round(folded_normal_quantile(0.95, 0.0), 6), round(folded_normal_quantile(0.95, 50.0) - 50.0, 6)
    (1.959964, 1.644854)
    """
    r = abs(mean)
    low, high = r + float(ndtri(probability)), r + float(ndtri(0.5 + probability / 2)) + 1e-9
    if r > 12.0:  # the far tail no longer shows in double precision
        return low
    low = max(low, 0.0)
    return float(brentq(lambda c: ndtr(c - r) - ndtr(-c - r) - probability, low, high, xtol=1e-14, rtol=1e-14))


class _Frontier:
    """Affine estimators that offset linear trends, by the worst biases u that their pre-weights a add."""

    def __init__(self, covariance: FloatArray, pre: int, weights: FloatArray) -> None:
        post = len(weights)
        before, after = np.arange(-pre, 0, dtype=float), np.arange(1, post + 1, dtype=float)
        self.scale = float(np.sqrt(weights @ covariance[pre:, pre:] @ weights))
        self.cross = covariance[:pre, pre:] @ weights / self.scale**2
        self.before = covariance[:pre, :pre] / self.scale**2
        # what a unit second difference at s = 1 … P − 1 adds, and at s = −1 … −T + 1, seen from the reference period
        kinks_after = np.maximum(after[:, None] - np.arange(1, post)[None, :], 0.0)
        kinks_before = np.maximum(-before[:, None] - np.arange(1, pre)[None, :], 0.0)
        level = float(weights @ after)
        # a offsets linear trends: a'before = −level, so that the second difference at 0 adds |level| whatever a is
        self.fixed = abs(level) + float(np.abs(weights @ kinks_after).sum())
        inverse = np.linalg.inv(np.column_stack([before, kinks_before]).T)
        self.start, self.by_bias = -level * inverse[:, 0], inverse[:, 1:]  # a = start + by_bias · u
        curvature = self.by_bias.T @ self.before @ self.by_bias
        self.slope = -self.by_bias.T @ (self.before @ self.start + self.cross)
        self.inverse = np.linalg.inv(curvature)
        self.root = np.linalg.cholesky(self.inverse).T  # R'R = H^{-1}

    def weights_at(self, price: float) -> FloatArray:
        """Return the a that minimises ½σ² + μ Σ|u|.

        The dual, min ‖R(z − g)‖² subject to |z| ≤ μ, is least squares with bounds; then u = H^{-1}(g − z), and u_s = 0
        wherever |z_s| < μ.
        """
        if self.slope.size == 0:
            return self.start
        if not price > 0:
            return self.start + self.by_bias @ self.inverse @ self.slope
        found = lsq_linear(self.root, self.root @ self.slope, bounds=(-price, price), method="bvls", tol=1e-14)
        if found.status == 0:
            raise SolverFailed(
                problem="the fixed-length interval's bounded least squares",
                detail=f"no optimum after {found.nit} steps",
                remedy="check that the covariance is well conditioned, or use method='hybrid_lf'",
            )
        biases = self.inverse @ (self.slope - np.asarray(found.x, dtype=np.float64))
        whole: FloatArray = self.start + self.by_bias @ np.where(np.asarray(found.active_mask) == 0, 0.0, biases)
        return whole

    def deviation(self, a: FloatArray) -> float:
        return float(np.sqrt(max(float(1.0 + 2.0 * self.cross @ a + a @ self.before @ a), 0.0)))

    def bias(self, a: FloatArray) -> float:
        """Worst bias per unit of M."""
        u = np.linalg.lstsq(self.by_bias, a - self.start)[0] if self.slope.size else np.zeros(0)
        return self.fixed + float(np.abs(u).sum())


def fixed_length_interval(
    coefficients: FloatArray, covariance: FloatArray, pre: int, weights: FloatArray, bound: float, level: float
) -> FixedLengthInterval:
    """Return the shortest interval estimate ± χ that covers l'τ_post with the given level under Δ^SD(M).

    Parameters
    ----------
    coefficients, covariance
        β̂ and Σ, shapes (T + P,) and (T + P, T + P), Σ positive definite.
    pre
        T.
    weights
        l, shape (P,).
    bound
        M.
    level
        1 − α.

    Raises
    ------
    SolverFailed
        If a quadratic programme does not converge.
    """
    frontier = _Frontier(covariance, pre, weights)
    scaled = bound / frontier.scale

    def half_length(a: FloatArray) -> float:
        deviation = frontier.deviation(a)
        return deviation * folded_normal_quantile(level, scaled * frontier.bias(a) / deviation)

    candidates = [frontier.weights_at(0.0)]
    if scaled > 0 and frontier.slope.size:

        def too_low(price: float) -> bool:
            """Whether χ still falls as bias becomes dearer: χ_b db + χ_σ dσ < 0 with dσ = −(μ/σ) dΣ|c|."""
            a = frontier.weights_at(price)
            candidates.append(a)
            deviation = frontier.deviation(a)
            ratio = scaled * frontier.bias(a) / deviation
            c = folded_normal_quantile(level, ratio)
            near, far = np.exp(-0.5 * (c - ratio) ** 2), np.exp(-0.5 * (c + ratio) ** 2)
            by_bias = float((near - far) / (near + far))
            return price < scaled * by_bias * deviation / (c - ratio * by_bias)

        # from μ = max|g| on, u = 0: the least bias.  χ is flat at its minimum: 1e-7 of μ costs 1e-14 of χ
        low, high = 0.0, float(np.abs(frontier.slope).max()) * (1 + 1e-9)
        if too_low(high):
            low = high
        while high - low > 1e-7 * high:
            middle = 0.5 * (low + high)
            low, high = (middle, high) if too_low(middle) else (low, middle)
    best = min(candidates, key=half_length)
    chi = half_length(best) * frontier.scale
    centre = float(best @ coefficients[:pre] + weights @ coefficients[pre:])
    return FixedLengthInterval(
        centre - chi, centre + chi, chi, best, bound * frontier.bias(best), frontier.deviation(best) * frontier.scale
    )
