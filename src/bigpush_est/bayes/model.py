"""The PyMC model of the published figures: priors on η, δ, s̄ (and σ, θ/(σ−1)), and what the evidence says of them.

With e the mapping exponent (Section 5.2, see ``EXPONENTS``):

    b_direct    ~ Normal(e·log η − (σ−1)·q·log(1−s̄), SE_direct)               winners vs losers, seven years on
    b_spillover ~ Normal(e·δ, SE_spillover),  corr(b_direct, b_spillover) = ρ  Table 1, Panel A
    log bill    ~ Normal(log s̄ + log X, SE_credit)                             credit; X: adopters' input costs over GDP

q is the share of winners whose adoption was subsidised.  Adopter shares are the fourth piece of evidence; they speak on
s̄ through Section 4's map and enter in
``bigpush_est.bayes.shares``.  Every number that a study can change is data: one compilation serves all studies
whose priors have the same families.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from bigpush_est.bayes.evidence import PublishedEvidence
from bigpush_est.bayes.nuts import import_pymc
from bigpush_est.bayes.priors import PARAMETERS, Prior
from bigpush_est.equilibrium.adoption_map import FloatArray
from bigpush_est.errors import MissingKey


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
    def structure(self) -> tuple[Any, ...]:
        """What decides the compiled code: the family of each prior."""
        return ("published", *((prior.parameter, prior.family) for prior in self.priors))

    @property
    def free(self) -> tuple[str, ...]:
        """Parameters that are not held fixed."""
        return tuple(prior.parameter for prior in self.priors if not prior.fixed)

    def prior(self, parameter: str) -> Prior:
        """Return the prior of one parameter."""
        return next(prior for prior in self.priors if prior.parameter == parameter)

    def arrays(self) -> dict[str, FloatArray]:
        """Return the model's data as one vector: it compiles three times as fast as twenty scalars."""
        return {"data": np.array(list(self.data().values()))}

    def build(self) -> Any:
        """Return the PyMC model."""
        return build_model(self)

    def described(self) -> dict[str, Any]:
        """Return the evidence as JSON can hold it."""
        return asdict(self.evidence)

    def data(self) -> dict[str, float]:
        """Values of the model's data, by name: the same names in the same order for one structure."""
        e = self.evidence
        values = {
            "b_direct": e.direct[0],
            "se_direct": e.direct[1],
            "b_spillover": e.spillover[0],
            "se_spillover": e.spillover[1],
            "correlation": e.correlation,
            "exponent_constant": e.exponent_weights[0],
            "exponent_slope": e.exponent_weights[1],
            "subsidised_share": e.subsidised_share,
            "log_subsidy": e.log_subsidy[0],
            "se_log_subsidy": e.log_subsidy[1],
            "use_credit": float(e.use_credit),
        }
        for prior in self.priors:
            values |= {f"{prior.parameter}_{key}": value for key, value in prior.named.items()}
        return values


def log_normal_density(xp: Any, value: Any, scale: Any) -> Any:
    """Log density of a centred normal."""
    return -0.5 * (value / scale) ** 2 - xp.log(scale) - 0.5 * np.log(2.0 * np.pi)


def log_likelihood(xp: Any, data: dict[str, Any], p: dict[str, Any]) -> Any:
    """Log-likelihood of the two estimates and of credit, for PyTensor and for NumPy alike.

    Parameters
    ----------
    xp
        ``pytensor.tensor`` or ``numpy``.
    data
        As ``data`` gives them.
    p
        Parameters by name: scalars, or arrays of one shape for NumPy.
    """
    rate = p["sigma"] - 1.0
    exponent = rate * (data["exponent_constant"] + data["exponent_slope"] * p["pareto_ratio"])
    rho = data["correlation"]
    direct = data["b_direct"] - exponent * p["log_eta"] + rate * data["subsidised_share"] * xp.log1p(-p["subsidy"])
    # the second estimate given the first: the bivariate normal, factored
    shift = rho * data["se_spillover"] / data["se_direct"] * direct
    spillover = data["b_spillover"] - exponent * p["delta"] - shift
    credit = data["log_subsidy"] - xp.log(p["subsidy"])
    return (
        log_normal_density(xp, direct, data["se_direct"])
        + log_normal_density(xp, spillover, data["se_spillover"] * xp.sqrt(1.0 - rho**2))
        + data["use_credit"] * log_normal_density(xp, credit, data["se_log_subsidy"])
    )


def build_model(inputs: ModelInputs) -> Any:
    """Return the PyMC model.

    Examples
    --------
    >>> from bigpush_est.study import load_study
    >>> model = build_model(load_study("published").inputs())
    >>> sorted(variable.name for variable in model.free_RVs)
    ['delta', 'log_eta', 'subsidy']
    """
    pm = import_pymc()
    import pytensor.tensor as pt

    values = inputs.data()
    with pm.Model() as model:
        vector = pm.Data("data", inputs.arrays()["data"])
        data = {name: vector[i] for i, name in enumerate(values)}
        parameters = {
            prior.parameter: prior.variable([data[f"{prior.parameter}_{key}"] for key in prior.named])
            for prior in inputs.priors
        }
        pm.Potential("evidence", log_likelihood(pt, data, parameters))
    return model
