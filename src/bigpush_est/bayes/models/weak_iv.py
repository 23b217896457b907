"""(b) The spillover's reduced form and first stage jointly: weak identification shows as a wide posterior.

In place of the ratio of the instrument's two effects, its reduced form and its first stage enter:

    (b_rf, b_fs) ~ Normal(π·(e·δ, 1), Ω),    jointly normal with the other estimates

π, the true first stage, is a nuisance.  A flat prior on π is not weak: given δ it is informative on δ by way of
|∂(π·a)/∂π| = √(a′Ω⁻¹a), a = (e·δ, 1), and would leave the posterior of δ unlike its prior under an instrument that
says nothing (Kleibergen and Zivot 2003).  The prior is therefore put on the strength of the instrument, in standard
errors of what the data can say of π given δ:

    ω = π·√(a′Ω⁻¹a) ~ Normal(0, τ),    τ large

With ω integrated out, the likelihood of δ is exp(−½·τ²/(1+τ²)·AR(δ)), the Anderson-Rubin statistic's: flat as the
instrument vanishes, and that of the ratio as it grows.  Ω is the covariance given the other estimates.
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
from bigpush_est.bayes.models.normal import mapping_arrays, normal_numbers
from bigpush_est.bayes.nuts import import_pymc
from bigpush_est.bayes.priors import Prior, Support
from bigpush_est.equilibrium.adoption_map import FloatArray
from bigpush_est.errors import InvalidValue

#: The nuisance ω, and where it may lie.
STRENGTH = "instrument_strength"
STRENGTH_SUPPORT = Support(-np.inf, np.inf, "ω, the instrument's strength in standard errors")


def weak_prior(scale: float = 100.0) -> Prior:
    """Return ω's prior: Normal(0, scale), which at 100 takes 1/10,000 off the weight of the data.

    Examples
    --------
    >>> weak_prior().describe()
    'normal(mean=0, sd=100)'
    """
    return Prior.parse(STRENGTH, {"family": "normal", "mean": 0.0, "sd": scale}, within=STRENGTH_SUPPORT)


def first_stage_coefficient(xp: Any, arrays: dict[str, Any], p: dict[str, Any]) -> Any:
    """Return π = ω/√(a′Ω⁻¹a) at parameters."""
    return p[STRENGTH] / xp.sqrt(_precision_along(arrays["precision"], effects(xp, arrays, p)[1]))


def _precision_along(precision: Any, slope: Any) -> Any:
    return precision[0, 0] * slope**2 + 2.0 * precision[0, 1] * slope + precision[1, 1]


def log_likelihood(xp: Any, arrays: dict[str, Any], p: dict[str, Any]) -> Any:
    """Log density of reduced form, first stage and the other estimates, for PyTensor and for NumPy alike.

    Parameters
    ----------
    xp
        ``pytensor.tensor`` or ``numpy``.
    arrays
        As ``WeakInstrumentModel.arrays`` gives them.
    p
        Parameters by name, ω among them: scalars, or arrays of one shape for NumPy.
    """
    found = effects(xp, arrays, p)
    slope = found[1]
    means = sum(xp.expand_dims(one, -1) * arrays["kinds"][:, k] for k, one in enumerate(found))
    residual = arrays["estimates"] - means
    others = xp.dot(residual, arrays["whitening"].T)
    shift = xp.dot(residual, arrays["projection"].T)
    first = first_stage_coefficient(xp, arrays, p)
    reduced = arrays["instrument"][0] - shift[..., 0] - first * slope
    stage = arrays["instrument"][1] - shift[..., 1] - first
    precision = arrays["precision"]
    quadratic = precision[0, 0] * reduced**2 + 2.0 * precision[0, 1] * reduced * stage + precision[1, 1] * stage**2
    return arrays["constant"][0] - 0.5 * (others**2).sum(axis=-1) - 0.5 * quadratic


@dataclass(frozen=True, slots=True, eq=False)
class WeakInstrumentModel:
    """Priors, a set of estimates with the spillover's first stage, and the prior of the instrument's strength.

    Attributes
    ----------
    priors
        Of each of ``bigpush_est.bayes.priors.PARAMETERS``; that of ω is added if it is not among them.
    evidence
        With ``first_stage``.
    complementarity
        Panel B's slope, where the set has such an estimate.  That estimate stays normal: its own instrument is not
        treated as weak.

    Raises
    ------
    MissingKey, InvalidValue
        For priors that do not fit, a set without its first stage, or a complementarity estimate without its table.

    Examples
    --------
    >>> from bigpush_est.bayes.evidence_set import Estimate, FirstStage
    >>> from bigpush_est.study import load_study
    >>> stage = FirstStage("iv", 0.27, 0.10, np.diag([0.073**2, 0.021**2]), np.array([[0.05], [0.0]]))
    >>> evidence = EvidenceSet((Estimate("iv", "spillover", 2.7),), np.array([[0.53]]), first_stage=stage)
    >>> model = WeakInstrumentModel(load_study("published").inputs().priors, evidence)
    >>> [prior.parameter for prior in model.priors][-1]
    'instrument_strength'
    """

    priors: tuple[Prior, ...]
    evidence: EvidenceSet
    complementarity: Complementarity | None = None

    def __post_init__(self) -> None:
        if STRENGTH not in [prior.parameter for prior in self.priors]:
            object.__setattr__(self, "priors", (*self.priors, weak_prior()))
        check_priors(self.priors, [STRENGTH])
        require_complementarity(self.evidence, self.complementarity)
        if self.evidence.first_stage is None:
            raise InvalidValue(
                key="first_stage",
                value="not in the set of estimates",
                requirement="reduced form and first stage of the spillover's instrument",
                remedy="estimate them jointly from micro data, or take the normal model",
            )

    @property
    def structure(self) -> tuple[Any, ...]:
        """What decides the compiled code."""
        shapes = tuple((name, array.shape) for name, array in self.arrays().items())
        return ("weak instrument", prior_families(self.priors), shapes)

    def arrays(self) -> dict[str, FloatArray]:
        """Return the model's data by name."""
        evidence, stage = self.evidence, self.evidence.first_stage
        assert stage is not None
        kept = [k for k, one in enumerate(evidence.estimates) if one.name != stage.spillover]
        numbers = {
            "prior_numbers": prior_numbers(self.priors),
            "instrument": np.array([stage.reduced_form, stage.first_stage]),
        }
        if not kept:
            return numbers | {
                "estimates": np.zeros(0),
                "kinds": np.zeros((0, 3)),
                "whitening": np.zeros((0, 0)),
                "projection": np.zeros((2, 0)),
                "precision": np.linalg.inv(stage.covariance),
                "constant": np.array([normal_numbers(stage.covariance)[1]]),
                "mapping": mapping_numbers(evidence),
            }
        rest = mapping_arrays(evidence.without(stage.spillover), self.complementarity)
        inverse = rest["whitening"].T @ rest["whitening"]
        projection = stage.cross[:, kept] @ inverse
        omega = stage.covariance - projection @ stage.cross[:, kept].T
        constant = rest.pop("constant") + normal_numbers(omega)[1]
        given = {"projection": projection, "precision": np.linalg.inv(omega), "constant": constant}
        return numbers | rest | given

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

    def marginal_log_likelihood(self, p: Mapping[str, Any]) -> FloatArray:
        """Return the log-likelihood with ω integrated out over its normal prior, up to nothing: exact.

        Given the other parameters, T = a′Ω⁻¹y/√(a′Ω⁻¹a) ~ Normal(0, 1 + τ²) and AR, the rest of y, is free of ω.

        Raises
        ------
        InvalidValue
            If ω's prior is no centred normal.
        """
        prior = next(one for one in self.priors if one.parameter == STRENGTH)
        if prior.family != "normal" or prior.numbers[0] != 0.0:
            raise InvalidValue(
                key=f"priors.{STRENGTH}",
                value=prior.describe(),
                requirement="a normal with mean 0",
                remedy="use weak_prior()",
            )
        values = broadcast(p)
        arrays = self.arrays()
        zero = values | {STRENGTH: np.zeros_like(values["delta"])}
        one = values | {STRENGTH: np.ones_like(values["delta"])}
        # the log-likelihood is quadratic in ω with curvature −1: its slope at 0 is T
        at_zero = np.asarray(log_likelihood(np, arrays, zero))
        slope = np.asarray(log_likelihood(np, arrays, one)) - at_zero + 0.5
        variance = 1.0 + prior.numbers[1] ** 2
        marginal: FloatArray = at_zero + 0.5 * slope**2 * prior.numbers[1] ** 2 / variance - 0.5 * np.log(variance)
        return marginal

    def described(self) -> dict[str, Any]:
        """Return the evidence as JSON can hold it."""
        table = None if self.complementarity is None else self.complementarity.described()
        return {"model": "weak instrument", "estimates": self.evidence.described(), "complementarity": table}
