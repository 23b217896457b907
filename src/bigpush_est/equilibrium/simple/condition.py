"""Eq. (4.4) solved for last period's share, term by term as derived.

The Pareto productivity of Assumption 1(ii) has φ ≥ 1 and shape θ; the bounded variant has φ ∈ [1, κ] and
G(φ) = (1 − φ^−θ)/(1 − κ^−θ) (Section 5.1).  With K = κ^−θ (0 if unbounded), a share λ of adopters means the cutoff

    φ̄(λ)^−θ = K + λ(1 − K) ≡ t,

and their mass of φ^{σ−1}, with b = 1 − (σ−1)/θ,

    M(λ) = ∫_{φ̄}^{κ} φ^{σ−1} dG = (t^b − K^b)/(b(1 − K)),

so that A(λ)^{σ−1} = M(1) + (η^{σ−1} − 1) M(λ) in eq. (4.4), for both distributions.
"""

from typing import Any

import numpy as np


def tail(share: Any, bound: Any) -> Any:
    """T = K + λ(1 − K) = φ̄^−θ, the cutoff's survival probability under the unbounded Pareto."""
    return bound + share * (1.0 - bound)


def adopters_mass(t: Any, sigma: Any, theta: Any, bound: Any, bound_power: Any) -> Any:
    """M = (t^b − K^b)/(b(1 − K)) with b = 1 − (σ−1)/θ: adopters' mass of φ^{σ−1}."""
    b = 1.0 - (sigma - 1.0) / theta
    return (t**b - bound_power) / (b * (1.0 - bound))


def cost_of_share(
    t: Any, *, sigma: Any, theta: Any, price_gain: Any, keep: Any, bound: Any, bound_power: Any
) -> tuple[Any, Any]:
    """g(λ) and g′(λ) > 0: what the next adopter costs relative to what it earns; (4.4) is g(λ_t) = k + δ λ_{t−1}.

    g = ((σ−1)/θ) log t + log(M(1) − M + E M/(1−s)) − (1/(σ−1)) log(M(1) + (E−1) M),

    which at s = 0 is ((σ−1)/θ) log t + (σ−2) log A(λ); dM/dλ = φ̄^{σ−1} = t^{b−1}.

    Parameters
    ----------
    t
        ``tail(λ)``.
    price_gain
        E = η^{σ−1}(1−s)^{1−σ}.
    keep
        1 − s, with s the share of adopters' input costs that the government pays.
    bound, bound_power
        K = κ^−θ and K^b (both 0 if unbounded).
    """
    ratio = (sigma - 1.0) / theta
    mass, total = (adopters_mass(x, sigma, theta, bound, bound_power) for x in (t, 1.0))
    marginal = t**-ratio
    spending, index = price_gain / keep - 1.0, price_gain - 1.0
    all_spending, all_index = total + spending * mass, total + index * mass
    value = ratio * np.log(t) + np.log(all_spending) - np.log(all_index) / (sigma - 1.0)
    slope = (
        ratio * (1.0 - bound) / t + spending * marginal / all_spending - index * marginal / all_index / (sigma - 1.0)
    )
    return value, slope
