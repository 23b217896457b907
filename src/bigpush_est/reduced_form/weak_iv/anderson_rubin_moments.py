"""Moments of the Anderson-Rubin statistic as functions of the coefficient, and the roots of AR(β) = c.

With one endogenous regressor g(β) = Z̃′(ỹ − x̃β) is linear and its covariance S(β) quadratic in β, so that

    AR(β) ≤ c  ⇔  det(c S(β) − g(β) g(β)′) ≥ 0 near every crossing, a polynomial of degree 2L in β

for positive definite S.  The roots are eigenvalues of a quadratic pencil.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.linalg import eig
from scipy.optimize import brentq

from bigpush_est.errors import NotPositiveSemiDefinite, RepairedCovariance
from bigpush_est.reduced_form.linear.moments import MomentCovariance, moment_covariance, parameter_count, rule_factors
from bigpush_est.reduced_form.linear.partialling import FloatArray, Partialled
from bigpush_est.reduced_form.linear.problem import LinearProblem
from bigpush_est.reduced_form.linear.small_sample import ParameterCount, SmallSampleRule, rule_named
from bigpush_est.reduced_form.weak_iv.confidence_set import ConfidenceSet, join, quadratic_set


@dataclass(frozen=True, slots=True)
class ArMoments:
    """g and S as functions of the direction a: of ỹa₀ + X̃a₁, with a = (1, −β)."""

    cross: FloatArray  # Z̃′[ỹ X̃], shape (L, 1 + E)
    covariance: FloatArray  # of the stacked scores, shape ((1 + E)L, (1 + E)L)
    repaired: bool
    small_sample: str
    freedom: float

    @property
    def instruments(self) -> int:
        """L."""
        return int(self.cross.shape[0])

    def blocks(self) -> FloatArray:
        """Return S by pair of columns, shape (1 + E, 1 + E, L, L)."""
        columns, rows = self.cross.shape[1], self.cross.shape[0]
        return self.covariance.reshape(columns, rows, columns, rows).transpose(0, 2, 1, 3)

    def at(self, direction: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return g and S in a direction."""
        return self.cross @ direction, np.einsum("i,j,ijab->ab", direction, direction, self.blocks())

    def statistic(self, direction: FloatArray) -> float:
        """AR in a direction."""
        moment, covariance = self.at(direction)
        return float(moment @ np.linalg.solve(covariance, moment))


def ar_moments(
    problem: LinearProblem,
    parts: Partialled,
    residuals: str,
    small_sample: str | SmallSampleRule,
    parameters: int | ParameterCount | None,
    homoskedastic: bool,
) -> tuple[ArMoments, MomentCovariance]:
    """Return moments at the data, and their covariance as computed."""
    z = parts.instruments
    both = np.column_stack([parts.outcome, parts.endogenous])
    left = both - z @ np.linalg.solve(z.T @ z, z.T @ both) if residuals == "wald" else both
    scores = (left[:, :, None] * z[:, None, :]).reshape(z.shape[0], -1)
    count = parameter_count(problem, z.shape[1] + problem.exogenous.shape[1]) if parameters is None else parameters
    if not isinstance(count, ParameterCount):
        count = ParameterCount.plain(count)
    if homoskedastic:
        (factor,), spent = rule_factors(None, z.shape[0], rule_named(small_sample), count)
        matrix = np.kron(left.T @ left / z.shape[0] * factor, z.T @ z)
        freedom = rule_named(small_sample).freedom_of(z.shape[0], spent, ())
        name = rule_named(small_sample).name
        found = MomentCovariance(matrix, np.diag(matrix).copy(), name, (factor,), spent, freedom)
    else:
        found = moment_covariance(scores, problem.clusters, small_sample, count)
    return ArMoments(z.T @ both, found.matrix, False, found.small_sample, found.freedom), found


def repaired(
    moments: ArMoments, found: MomentCovariance, clusters: tuple[str, ...], not_psd: str, what: str
) -> ArMoments:
    """Set negative eigenvalues of the stacked covariance to zero, in units of the one-way variances, or refuse.

    The repair does not depend on β, so that S(β) stays quadratic in β; nor on the units of outcome and regressors.
    """
    units = np.sqrt(found.scale)
    values, vectors = np.linalg.eigh(moments.covariance / np.outer(units, units))
    if not_psd == "refuse":
        raise NotPositiveSemiDefinite(
            clusters=" and ".join(clusters),
            minimum=f"{values[0]:.3g} (in units of the one-way variances)",
            detail=f"The Anderson-Rubin statistic is not defined {what}",
            remedy="cluster in fewer dimensions, merge small clusters, or pass not_psd='repair'",
        )
    warnings.warn(RepairedCovariance(clusters=" and ".join(clusters), minimum=f"{values[0]:.3g}"), stacklevel=4)
    # a trace of the largest eigenvalue keeps S(β) invertible in directions that the repair sets to zero
    fixed = (vectors * np.maximum(values, 1e-8 * values[-1])) @ vectors.T * np.outer(units, units)
    return ArMoments(moments.cross, 0.5 * (fixed + fixed.T), True, moments.small_sample, moments.freedom)


def dimension_names(problem: LinearProblem) -> tuple[str, ...]:
    """Name the dimensions for a message."""
    return problem.clusters.names if problem.clusters is not None else ("observation",)


def positive_definite(moments: ArMoments, found: MomentCovariance, direction: FloatArray) -> bool:
    """Tell whether S is positive definite in one direction, in units of the one-way variances."""
    units = np.sqrt(found.scale.reshape(moments.cross.shape[1], -1).max(axis=0))
    scaled = moments.at(direction)[1] / np.outer(units, units)
    values = np.linalg.eigvalsh(scaled)
    return bool(values[0] > 1e-12 * max(abs(float(values[-1])), float(np.sum(direction**2)) * 1e-12))


def definite_everywhere(moments: ArMoments, found: MomentCovariance) -> bool:
    """Tell whether S(β) is positive definite for every β, ±∞ included."""
    units = np.sqrt(found.scale)
    stacked = np.linalg.eigvalsh(moments.covariance / np.outer(units, units))
    if stacked[0] > 1e-12:
        return True
    # not so for the stack: then S(β) on the circle of directions, between the roots of its determinant
    angles = _roots(moments.blocks(), moments)
    return all(positive_definite(moments, found, _direction(a, moments)) for a in _between(angles))


# -- the equation on the circle of directions -------------------------------------------------------------------------
#
# β = centre + spread·tan θ: a neighbourhood of ±∞ is one of θ = π/2, no different from any other point.


def frame(moments: ArMoments) -> tuple[float, float]:
    """Return centre and spread: the least-squares fit of g to zero, and the scale on which it is determined."""
    y, x = moments.cross.T
    centre = float(x @ y) / float(x @ x)
    gap = float(np.linalg.norm(y - centre * x)) / float(np.linalg.norm(x))
    blocks = moments.blocks()
    noise = np.sqrt(abs(float(np.trace(blocks[0, 0]))) / max(abs(float(np.trace(blocks[1, 1]))), 1e-300))
    return centre, max(gap, noise, 1e-12 * abs(centre), 1e-300)


def _direction(angle: float, moments: ArMoments) -> FloatArray:
    """Return (cos θ, −(centre·cos θ + spread·sin θ)), proportional to (1, −β)."""
    centre, spread = frame(moments)
    return np.array([np.cos(angle), -(centre * np.cos(angle) + spread * np.sin(angle))])


def _roots(blocks: FloatArray, moments: ArMoments) -> FloatArray:
    """Angles of all roots of det(C₀ cos²θ + C₁ cos θ sin θ + C₂ sin²θ) = 0, their real parts where they are complex."""
    centre, spread = frame(moments)
    constant = blocks[0, 0] - centre * (blocks[0, 1] + blocks[1, 0]) + centre**2 * blocks[1, 1]
    linear = spread * (-(blocks[0, 1] + blocks[1, 0]) + 2.0 * centre * blocks[1, 1])
    square = spread**2 * blocks[1, 1]
    size = constant.shape[0]
    scale = np.sqrt(np.maximum(np.abs(np.diag(constant)) + np.abs(np.diag(square)), 1e-300))
    constant, linear, square = (m / np.outer(scale, scale) for m in (constant, linear, square))
    # λ²C₂ + λC₁ + C₀ linearised; the pencil is solved by QZ, so that a singular C₂ only gives infinite roots
    zero, one = np.zeros((size, size)), np.eye(size)
    left = np.block([[zero, one], [-constant, -linear]])
    right = np.block([[one, zero], [zero, square]])
    top, bottom = eig(left, right, right=False, homogeneous_eigvals=True)
    keep = (np.abs(top) + np.abs(bottom)) > 1e-300
    top, bottom = top[keep], bottom[keep]
    phase = np.conj(bottom) / np.maximum(np.abs(bottom), 1e-300)
    angles = np.arctan2((top * phase).real, np.abs(bottom))
    return np.unique(np.where(angles <= -0.5 * np.pi, angles + np.pi, angles))


def _between(angles: FloatArray) -> FloatArray:
    """Return the angles, the points halfway between neighbours, and θ = π/2, on (−π/2, π/2], sorted."""
    ends = np.concatenate([[-0.5 * np.pi], angles, [0.5 * np.pi]])
    return np.unique(np.concatenate([angles, 0.5 * (ends[1:] + ends[:-1]), [0.0, 0.5 * np.pi]]))


def solve(moments: ArMoments, critical: float, level: float) -> tuple[ConfidenceSet, str]:
    """Return {β : g′S⁻¹g ≤ c} and how it was found."""
    blocks = moments.blocks()
    if moments.instruments == 1:
        y, x = moments.cross[0]
        # (y − βx)² ≤ c (s_yy − 2β s_yx + β² s_xx)
        found = quadratic_set(
            float(y * y - critical * blocks[0, 0, 0, 0]),
            float(-2.0 * (y * x - critical * blocks[0, 1, 0, 0])),
            float(x * x - critical * blocks[1, 1, 0, 0]),
            level,
        )
        return found, "roots of a quadratic"
    # g′S⁻¹g ≤ c  ⇔  det [S g; g′ c] ≥ 0 for positive definite S: gg′ ≤ cS, so the roots of det(cS − gg′)
    outer = np.einsum("ai,bj->ijab", moments.cross, moments.cross)
    angles = _roots(critical * blocks - outer, moments)
    points = _between(angles)

    def excess(angle: float) -> float:
        return moments.statistic(_direction(angle, moments)) - critical

    values = np.array([excess(a) for a in points])
    points, values = np.concatenate([[points[-1] - np.pi], points]), np.concatenate([values[-1:], values])
    inside = values <= 0.0
    centre, spread = frame(moments)
    pieces: list[tuple[float, float]] = []
    low = -np.inf if inside[0] else np.nan
    for k in range(1, points.size):
        if inside[k] == inside[k - 1]:
            continue
        end = centre + spread * float(np.tan(_bracketed(excess, float(points[k - 1]), float(points[k]))))
        if inside[k]:
            low = end
        else:
            pieces.append((float(low), end))
    if inside[-1]:
        pieces.append((float(low), np.inf))
    return join(pieces, level), f"roots of a polynomial of degree {2 * moments.instruments}"


def _bracketed(excess: Callable[[float], float], left: float, right: float) -> float:
    """Root between two angles of opposite sign, to rounding."""
    at_left, at_right = excess(left), excess(right)
    if at_left == 0.0 or at_right == 0.0:
        return left if at_left == 0.0 else right
    return float(brentq(excess, left, right, xtol=1e-15, rtol=8.9e-16))
