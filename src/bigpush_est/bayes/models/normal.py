"""(a) The estimates as one draw from a normal distribution with their joint covariance.

    b ~ Normal(m(log η, δ, s̄, σ, θ/(σ−1)), V),    m as in ``bigpush_est.bayes.evidence_set``

Everything that a study can change without changing a shape is data: one compilation serves all sets with as many
estimates and priors of the same families.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from bigpush_est.bayes.complementarity import Complementarity
from bigpush_est.bayes.evidence_set import EvidenceSet
from bigpush_est.bayes.models.mapping import (
    broadcast,
    check_priors,
    effects,
    mapping_numbers,
    prior_families,
    prior_numbers,
    prior_variables,
    require_complementarity,
)
from bigpush_est.bayes.nuts import import_pymc
from bigpush_est.bayes.priors import Prior
from bigpush_est.equilibrium.adoption_map import FloatArray


def normal_numbers(covariance: FloatArray) -> tuple[FloatArray, float]:
    """Return L⁻¹, with V = LL′, and the constant −K/2·log 2π − log|L| of the normal density."""
    root = np.linalg.cholesky(covariance)
    whitening = np.linalg.solve(root, np.eye(root.shape[0]))
    return whitening, float(-0.5 * root.shape[0] * np.log(2.0 * np.pi) - np.log(np.diag(root)).sum())


def mapping_arrays(evidence: EvidenceSet, complementarity: Complementarity | None) -> dict[str, FloatArray]:
    """Return the model's data but for the priors' numbers."""
    covariance = evidence.covariance.copy()
    table: dict[str, FloatArray] = {}
    if complementarity is not None:
        table = complementarity.arrays()
        # one table serves every such estimate: its error is common to them
        slopes = evidence.kinds[:, 2]
        covariance += complementarity.standard_error**2 * np.outer(slopes, slopes)
    whitening, constant = normal_numbers(covariance)
    return {
        "estimates": evidence.values,
        "kinds": evidence.kinds,
        "whitening": whitening,
        "constant": np.array([constant]),
        "mapping": mapping_numbers(evidence),
        **table,
    }


def estimate_means(xp: Any, arrays: dict[str, Any], p: dict[str, Any]) -> Any:
    """Return the estimates' means, last axis K."""
    found = effects(xp, arrays, p)
    return sum(xp.expand_dims(one, -1) * arrays["kinds"][:, k] for k, one in enumerate(found))


def log_likelihood(xp: Any, arrays: dict[str, Any], p: dict[str, Any]) -> Any:
    """Log density of the estimates, for PyTensor and for NumPy alike.

    Parameters
    ----------
    xp
        ``pytensor.tensor`` or ``numpy``.
    arrays
        As ``NormalModel.arrays`` gives them.
    p
        Parameters by name: scalars, or arrays of one shape for NumPy.
    """
    scaled = xp.dot(arrays["estimates"] - estimate_means(xp, arrays, p), arrays["whitening"].T)
    return arrays["constant"][0] - 0.5 * (scaled**2).sum(axis=-1)


@dataclass(frozen=True, slots=True, eq=False)
class NormalModel:
    """Priors, estimates and, where one of them is a complementarity, the table of slopes.

    Attributes
    ----------
    priors
        Of each of ``bigpush_est.bayes.priors.PARAMETERS``.
    evidence
        K estimates.
    complementarity
        Panel B's slope, where the set has such an estimate.

    Raises
    ------
    MissingKey, InvalidValue
        For priors that do not fit, or a complementarity estimate without its table.

    Examples
    --------
    >>> from bigpush_est.study import load_study
    >>> evidence = EvidenceSet.from_published(direct_standard_error=0.24, direct_source="Table 1's precision")
    >>> model = NormalModel(load_study("published").inputs().priors, evidence)
    >>> point = {"log_eta": 0.225, "delta": 0.675, "subsidy": 0.06, "sigma": 5.0, "pareto_ratio": 1.06}
    >>> float(model.log_likelihood(point).round(3))
    -0.096
    """

    priors: tuple[Prior, ...]
    evidence: EvidenceSet
    complementarity: Complementarity | None = None

    def __post_init__(self) -> None:
        check_priors(self.priors)
        require_complementarity(self.evidence, self.complementarity)

    @property
    def structure(self) -> tuple[Any, ...]:
        """What decides the compiled code."""
        shapes = tuple((name, array.shape) for name, array in self.arrays().items())
        return ("normal", prior_families(self.priors), shapes)

    def arrays(self) -> dict[str, FloatArray]:
        """Return the model's data by name."""
        numbers = {"prior_numbers": prior_numbers(self.priors)}
        return numbers | mapping_arrays(self.evidence, self.complementarity)

    def build(self) -> Any:
        """Return the PyMC model."""
        pm = import_pymc()
        import pytensor.tensor as pt

        with pm.Model() as model:
            arrays = {name: pm.Data(name, array, shape=array.shape) for name, array in self.arrays().items()}
            p = prior_variables(self.priors, arrays["prior_numbers"])
            pm.Potential("evidence", log_likelihood(pt, arrays, p))
        return model

    def log_likelihood(self, p: Mapping[str, Any]) -> FloatArray:
        """Return the log-likelihood by NumPy at parameters of one shape."""
        return np.asarray(log_likelihood(np, self.arrays(), broadcast(p)))

    def described(self) -> dict[str, Any]:
        """Return the evidence as JSON can hold it."""
        table = None if self.complementarity is None else self.complementarity.described()
        return {"model": "normal", "estimates": self.evidence.described(), "complementarity": table}
