"""Eq. (4.4) solved for last period's share, written once for NumPy and for PyTensor.

The Pareto productivity of Assumption 1(ii) has φ ≥ 1 and shape θ; the bounded variant has φ ∈ [1, κ] and
G(φ) = (1 − φ^−θ)/(1 − κ^−θ) (Section 5.1).  With K = κ^−θ (0 if unbounded), a share λ of adopters means the cutoff

    φ̄(λ)^−θ = K + λ(1 − K) ≡ t,

and their mass of φ^{σ−1}, with b = 1 − (σ−1)/θ,

    M(λ) = ∫_{φ̄}^{κ} φ^{σ−1} dG = (t^b − K^b)/(b(1 − K)),

so that A(λ)^{σ−1} = M(1) + (η^{σ−1} − 1) M(λ) in eq. (4.4), for both distributions.
"""

from types import ModuleType
from typing import Any

import numpy as np


def tail(share: Any, bound: Any) -> Any:
    """T = K + λ(1 − K) = φ̄^−θ, the cutoff's survival probability under the unbounded Pareto."""
    return bound + share * (1.0 - bound)


def adopters_mass(t: Any, sigma: Any, theta: Any, bound: Any, bound_power: Any) -> Any:
    """M = (t^b − K^b)/(b(1 − K)) with b = 1 − (σ−1)/θ: adopters' mass of φ^{σ−1}."""
    b = 1.0 - (sigma - 1.0) / theta
    return (t**b - bound_power) / (b * (1.0 - bound))


def log_cost_of_share(
    t: Any,
    *,
    sigma: Any,
    theta: Any,
    gain: Any,
    bound: Any,
    bound_power: Any,
    input_subsidy: Any = 0.0,
    xp: ModuleType = np,
) -> Any:
    """g(λ): what the next adopter costs relative to what it earns; eq. (4.4) reads g(λ_t) = k + δ λ_{t−1}.

    g = ((σ−1)/θ) log t + log(M(1) − M + E M/(1−s)) − (1/(σ−1)) log(M(1) + (E−1) M),  E = η^{σ−1}(1−s)^{1−σ},

    which at s = 0 is ((σ−1)/θ) log t + (σ−2) log A(λ).

    Parameters
    ----------
    t
        ``tail(λ)``.
    gain
        η^{σ−1}.
    bound, bound_power
        K = κ^−θ and K^b (both 0 if unbounded).
    input_subsidy
        s, the share of adopters' input costs that the government pays.
    xp
        ``numpy`` or ``pytensor.tensor``.
    """
    keep = 1.0 - input_subsidy
    price_gain = gain * keep ** (1.0 - sigma)
    mass = adopters_mass(t, sigma, theta, bound, bound_power)
    total = adopters_mass(1.0, sigma, theta, bound, bound_power)
    spending = total + (price_gain / keep - 1.0) * mass
    index = total + (price_gain - 1.0) * mass
    return (sigma - 1.0) / theta * xp.log(t) + xp.log(spending) - xp.log(index) / (sigma - 1.0)


def cost_slope(
    t: Any,
    *,
    sigma: Any,
    theta: Any,
    gain: Any,
    bound: Any,
    bound_power: Any,
    input_subsidy: Any = 0.0,
) -> Any:
    """g′(λ) > 0, from the same quantities; dM/dλ = φ̄^{σ−1} = t^{b−1}."""
    keep = 1.0 - input_subsidy
    price_gain = gain * keep ** (1.0 - sigma)
    mass = adopters_mass(t, sigma, theta, bound, bound_power)
    total = adopters_mass(1.0, sigma, theta, bound, bound_power)
    marginal = t ** (-(sigma - 1.0) / theta)
    spending, index = price_gain / keep - 1.0, price_gain - 1.0
    return (
        (sigma - 1.0) / theta * (1.0 - bound) / t
        + spending * marginal / (total + spending * mass)
        - index * marginal / (total + index * mass) / (sigma - 1.0)
    )
