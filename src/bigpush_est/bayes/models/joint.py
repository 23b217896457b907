"""(e) Estimates and adoption counts together: one posterior of log η, δ, s̄ and the nuisances.

    log L = log L_estimates(log η, δ, s̄, …) + log L_counts(log η, δ, s̄, F^T, κ, …)

The two are taken as independent given the parameters: the estimates compare firms' outcomes given who adopted, the
counts say who adopted.  Here the counts inform η and δ as well as s̄ (full feedback): where the economy misfits, it
moves them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bigpush_est.bayes.models.adoption import AdoptionModel
from bigpush_est.bayes.models.mapping import broadcast
from bigpush_est.bayes.models.normal import NormalModel
from bigpush_est.bayes.models.weak_iv import WeakInstrumentModel
from bigpush_est.bayes.priors import Prior
from bigpush_est.equilibrium.adoption_map import FloatArray
from bigpush_est.errors import InvalidValue


@dataclass(frozen=True, slots=True, eq=False)
class JointModel:
    """A model of estimates and a model of adoption counts under the same priors.

    Attributes
    ----------
    estimates
        ``NormalModel`` or ``WeakInstrumentModel``.
    adoption
        Of the counts.
    priors
        Of every parameter of either.

    Raises
    ------
    InvalidValue
        If the two give one parameter different priors.
    """

    estimates: NormalModel | WeakInstrumentModel
    adoption: AdoptionModel
    priors: tuple[Prior, ...] = field(init=False)

    def __post_init__(self) -> None:
        known = {prior.parameter: prior for prior in self.estimates.priors}
        for prior in self.adoption.priors:
            other = known.setdefault(prior.parameter, prior)
            if other != prior:
                raise InvalidValue(
                    key=f"priors.{prior.parameter}",
                    value=f"{other.describe()} and {prior.describe()}",
                    requirement="one prior in both models",
                    remedy="build both from the same priors",
                )
        object.__setattr__(self, "priors", tuple(known.values()))

    def log_likelihood(self, p: Mapping[str, Any]) -> FloatArray:
        """Return the log-likelihood at parameters of one shape; NaN where no equilibrium was found."""
        values = broadcast(p)
        both = [
            model.log_likelihood({prior.parameter: values[prior.parameter] for prior in model.priors})
            for model in (self.estimates, self.adoption)
        ]
        total: FloatArray = np.add(*both)
        return total

    def described(self) -> dict[str, Any]:
        """Return the evidence as JSON can hold it."""
        return {"model": "joint", "estimates": self.estimates.described(), "adoption": self.adoption.described()}
