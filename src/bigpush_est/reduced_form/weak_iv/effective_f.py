"""Critical values of Montiel Olea and Pflueger's (2013) effective F.

The null is that the Nagar bias of the estimator exceeds a share τ of its worst case; the statistic is compared with the
upper quantile of a scaled non-central χ² that bounds its distribution under the null.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

type FloatArray = NDArray[np.float64]

#: Worst-case relative biases of Montiel Olea and Pflueger's test.
BIASES = (0.05, 0.10, 0.20, 0.30)


@dataclass(frozen=True, slots=True)
class EffectiveFCriticalValues:
    """Critical values of the effective F at one level, for the null that the bias exceeds a share of the worst case.

    Attributes
    ----------
    level
        Size of the test, 0.05.
    biases
        τ: 0.05, 0.10, 0.20, 0.30.
    simplified
        With the bound B = 1, valid for 2SLS and LIML; shape (4,).
    generalised
        With B for 2SLS from the estimated covariance; None where that is not positive semi-definite.
    bound
        B.
    effective_instruments
        K_eff of the simplified values, by bias.
    """

    level: float
    biases: tuple[float, ...]
    simplified: tuple[float, ...]
    generalised: tuple[float, ...] | None
    bound: float | None
    effective_instruments: tuple[float, ...]


def nagar_bias_bound(w1: FloatArray, w12: FloatArray, w2: FloatArray) -> float:
    """B for 2SLS: the largest Nagar bias over β and directions of the first stage, relative to the benchmark.

    With S₁₂ = W₁₂ − βW₂ and S₁ = W₁ − β(W₁₂ + W₁₂′) + β²W₂,

        B = sup_β max_{λ ∈ eig S₁₂} |tr S₁₂ − 2λ| / √(tr S₁ · tr W₂)

    (Montiel Olea and Pflueger 2013, theorem 1; λ at its extremes, of the symmetric part of S₁₂), over β = r·tan θ on a
    grid of 2,001 angles whose maximum is then refined.

    Parameters
    ----------
    w1, w12, w2
        Blocks of the covariance of reduced-form and first-stage moments for orthonormal instruments, shape (L, L).

    Examples
    --------
    >>> round(nagar_bias_bound(np.eye(1), np.zeros((1, 1)), np.eye(1)), 6)
    1.0
    """
    from scipy.optimize import minimize_scalar

    cross = 0.5 * (w12 + w12.T)
    spread = float(np.sqrt(np.trace(w1) / np.trace(w2)))

    def relative(angles: FloatArray) -> FloatArray:
        cosine, sine = np.cos(angles), spread * np.sin(angles)
        mixed = cosine[:, None, None] * cross - sine[:, None, None] * w2
        values = np.linalg.eigvalsh(mixed)
        trace = np.trace(mixed, axis1=1, axis2=2)
        variance = cosine**2 * np.trace(w1) - 2.0 * cosine * sine * np.trace(cross) + sine**2 * np.trace(w2)
        largest = np.maximum(np.abs(trace - 2.0 * values[:, 0]), np.abs(trace - 2.0 * values[:, -1]))
        found: FloatArray = largest / np.sqrt(variance * np.trace(w2))
        return found

    angles = np.linspace(-0.5 * np.pi, 0.5 * np.pi, 2_001)
    values = relative(angles)
    best = int(np.argmax(values))
    step = float(angles[1] - angles[0])
    refined = minimize_scalar(
        lambda a: -float(relative(np.array([a]))[0]),
        bounds=(angles[best] - step, angles[best] + step),
        method="bounded",
        options={"xatol": 1e-10},
    )
    return float(max(values[best], -float(refined.fun)))


def critical_values(w2: FloatArray, bound: float | None, level: float = 0.05) -> EffectiveFCriticalValues:
    """Patnaik's approximation to the critical values: the 1 − α quantile of χ²_{K_eff}(x K_eff)/K_eff, x = B/τ.

        K_eff = (tr W₂)² (1 + 2x) / (tr W₂′W₂ + 2x tr W₂ · max eig W₂)

    Examples
    --------
    One instrument:

    >>> [round(value, 1) for value in critical_values(np.eye(1), None).simplified]
    [37.4, 23.1, 15.1, 12.0]
    """

    def values(worst: float) -> tuple[tuple[float, ...], tuple[float, ...]]:
        from scipy.special import chndtrix

        trace, largest = float(np.trace(w2)), float(np.linalg.eigvalsh(w2)[-1])
        found, effective = [], []
        for bias in BIASES:
            x = worst / bias
            k = trace**2 * (1.0 + 2.0 * x) / (float(np.sum(w2 * w2)) + 2.0 * x * trace * largest)
            found.append(float(chndtrix(1.0 - level, k, x * k)) / k)
            effective.append(float(k))
        return tuple(found), tuple(effective)

    simplified, effective = values(1.0)
    return EffectiveFCriticalValues(
        level, BIASES, simplified, None if bound is None else values(bound)[0], bound, effective
    )
