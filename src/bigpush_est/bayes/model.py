"""The PyMC model of the published figures: priors on η, δ, s̄ (and σ, θ/(σ−1)), and what the evidence says of them.

With e the mapping exponent (Section 5.2, see :data:`bigpush_est.bayes.evidence.EXPONENTS`):

    b_direct    ~ Normal(e·log η − (σ−1)·h·log(1−s̄), SE_direct)          winners vs losers, seven years on
    b_spillover ~ Normal(e·δ, SE_spillover),  corr(b_direct, b_spillover) = ρ   Table 1, Panel A
    u_t = g(λ_t; s̄) − k − δλ_{t−1} ~ Normal(0, τ_u),  t = 1976, 1980      adopter shares, through eq. (4.4)
    bill        ~ Normal(s̄·X, SE_bill)                                    credit; X: adopters' input spending over GDP

The third line is eq. (4.4) solved for its error: u_t is the change in the log profitability of adoption that the
model leaves out, so the likelihood of a share is the density of u_t times g′(λ_t) and needs no solver.  k is pinned
by the share of 1972.  Every number that a study can change is data: one compilation serves all studies whose priors
have the same families.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from bigpush_est.bayes.evidence import PublishedEvidence
from bigpush_est.bayes.priors import PARAMETERS, Prior
from bigpush_est.equilibrium.simple.condition import cost_slope, log_cost_of_share, tail
from bigpush_est.errors import MissingKey

#: Stands for log ∞ in the bound K = κ^−θ: large enough for K to vanish, small enough to keep derivatives finite.
LOG_UNBOUNDED = 300.0


@dataclass(frozen=True, slots=True)
class ModelInputs:
    """Priors and evidence: all that one posterior depends on."""

    priors: tuple[Prior, ...]
    evidence: PublishedEvidence

    def __post_init__(self) -> None:
        named = {prior.parameter for prior in self.priors}
        for parameter in PARAMETERS:
            if parameter not in named:
                raise MissingKey(where="priors", key=parameter, remedy="give it a family, or hold it fixed")

    @property
    def structure(self) -> tuple[tuple[str, str], ...]:
        """What decides the compiled code: the family of each prior."""
        return tuple((prior.parameter, prior.family) for prior in self.priors)

    @property
    def free(self) -> tuple[str, ...]:
        """Parameters that are not held fixed."""
        return tuple(prior.parameter for prior in self.priors if not prior.fixed)

    def data(self) -> dict[str, Any]:
        """Values of the model's data, by name."""
        e = self.evidence
        bounded = bool(np.isfinite(e.kappa))
        values: dict[str, Any] = {
            "b_direct": e.direct[0],
            "se_direct": e.direct[1],
            "b_spillover": e.spillover[0],
            "se_spillover": e.spillover[1],
            "correlation": e.correlation,
            "exponent_weights": np.asarray(e.exponent_weights),
            "subsidised_share": e.subsidised_share,
            "adopter_shares": np.asarray(e.adopter_shares),
            "use_shares": float(e.use_shares),
            "fundamentals_sd": e.fundamentals_sd,
            "bill": e.bill[0],
            "se_bill": e.bill[1],
            "use_credit": float(e.use_credit),
            "log_kappa": float(np.log(e.kappa)) if bounded else LOG_UNBOUNDED,
            "bounded": float(bounded),
            "pin_previous": e.pin_previous,
        }
        for prior in self.priors:
            values |= {f"{prior.parameter}_{key}": value for key, value in prior.named.items()}
        return {name: np.asarray(value, dtype=np.float64) for name, value in values.items()}


def _log_normal_density(xp: Any, value: Any, scale: Any) -> Any:
    return -0.5 * (value / scale) ** 2 - xp.log(scale) - 0.5 * np.log(2.0 * np.pi)


def log_likelihood(xp: Any, data: Mapping[str, Any], p: Mapping[str, Any]) -> Any:
    """Log-likelihood of the evidence, for PyTensor (``xp = pytensor.tensor``) and for NumPy alike.

    Parameters
    ----------
    xp
        Module that provides ``log``, ``log1p``, ``expm1``, ``exp`` and ``sqrt``.
    data
        As :meth:`ModelInputs.data` gives them.
    p
        Parameters by name: scalars, or arrays of one shape for NumPy.
    """
    sigma, ratio, log_eta, delta, subsidy = p["sigma"], p["pareto_ratio"], p["log_eta"], p["delta"], p["subsidy"]
    rate, theta = sigma - 1.0, ratio * (sigma - 1.0)
    weights = data["exponent_weights"]
    exponent = rate * (weights[0] + weights[1] * ratio)

    rho = data["correlation"]
    direct = data["b_direct"] - exponent * log_eta + rate * data["subsidised_share"] * xp.log1p(-subsidy)
    # the second estimate given the first: the bivariate normal, factored
    shift = rho * data["se_spillover"] / data["se_direct"] * direct
    spillover = data["b_spillover"] - exponent * delta - shift
    total = _log_normal_density(xp, direct, data["se_direct"]) + _log_normal_density(
        xp, spillover, data["se_spillover"] * xp.sqrt(1.0 - rho**2)
    )

    log_kappa = data["log_kappa"]
    bound = data["bounded"] * xp.exp(-theta * log_kappa)
    shape = {
        "sigma": sigma,
        "theta": theta,
        "gain": xp.exp(rate * log_eta),
        "bound": bound,
        "bound_power": data["bounded"] * xp.exp(-(theta - rate) * log_kappa),
    }
    shares = data["adopter_shares"]
    level = log_cost_of_share(tail(shares[0], bound), **shape, xp=xp) - delta * data["pin_previous"]
    # the subsidy raises k by what it adds to log(η^{σ−1}(1−s)^{1−σ} − 1)
    level = level + xp.log(xp.expm1(rate * (log_eta - xp.log1p(-subsidy)))) - xp.log(xp.expm1(rate * log_eta))
    for t in (1, 2):
        point = tail(shares[t], bound)
        shock = log_cost_of_share(point, **shape, input_subsidy=subsidy, xp=xp) - level - delta * shares[t - 1]
        density = _log_normal_density(xp, shock, data["fundamentals_sd"])
        total = total + data["use_shares"] * (density + xp.log(cost_slope(point, **shape, input_subsidy=subsidy)))
    return total + data["use_credit"] * _log_normal_density(xp, data["bill"] - subsidy * p["exposure"], data["se_bill"])


def build_model(inputs: ModelInputs) -> Any:
    """Return the PyMC model; ``log_likelihood`` is stored with the draws for power-scaling.

    Examples
    --------
    >>> from bigpush_est.study import load_study
    >>> model = build_model(load_study("published").inputs())
    >>> sorted(variable.name for variable in model.free_RVs)
    ['delta', 'exposure', 'log_eta', 'subsidy']
    """
    import pytensor

    # the fused kernels would otherwise differ in the last bits between a cold and a warm compile cache
    pytensor.config.numba__fastmath = False
    import pymc as pm
    import pytensor.tensor as pt

    with pm.Model() as model:
        parameters = {prior.parameter: prior.variable() for prior in inputs.priors}
        prior_names = {f"{p.parameter}_{key}" for p in inputs.priors for key in p.named}
        data = {name: pm.Data(name, value) for name, value in inputs.data().items() if name not in prior_names}
        value = log_likelihood(pt, data, parameters)
        pm.Deterministic("log_likelihood", value)
        pm.Potential("evidence", value)
    return model
