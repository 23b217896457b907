"""One parameter held at a value, all else as the study says: which values, and what then changes.

Estimated parameters are held by a prior that is one value, so that the others' posterior is the one given that value;
calibrated ones by the calibration, which finds the others anew; ξ by the tail index of sales that it is inferred from.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from bigpush_est.bayes.evidence import EXPONENTS
from bigpush_est.bayes.evidence_set import EvidenceSet
from bigpush_est.bayes.priors import PARAMETERS, Support
from bigpush_est.bayes.sampling import PosteriorModel
from bigpush_est.equilibrium.adoption_map import FloatArray
from bigpush_est.errors import InvalidValue
from bigpush_est.propagate.spatial_setting import SpatialSetting
from bigpush_est.study import changed_tables

if TYPE_CHECKING:
    from bigpush_est.pipeline.spec import SensitivitySection

#: Posterior standard deviations on either side of the median that an estimated parameter's grid spans.
REACH = 3.0
#: How near to an excluded end of its support a grid may begin, of the study's own distance from it.
_EDGE = 0.05
#: Differences of log-likelihoods that are rounding.
_SAME = 1e-12


@dataclass(frozen=True, slots=True)
class Holdable:
    """A parameter that can be held.

    Attributes
    ----------
    support
        Where it may lie.
    origin, multiples
        Span of a grid where the posterior gives none: multiples of the study's own distance from the origin.
    prior
        The prior that holds it; "" if it has none.
    logged
        Whether support, span and posterior are of its logarithm: values themselves never are.
    """

    support: Support
    origin: float
    multiples: tuple[float, float]
    prior: str = ""
    logged: bool = False

    def scaled(self, value: float) -> float:
        """Return a value on the scale of support, span and posterior; NaN if it has none."""
        return value if not self.logged else float(np.log(value)) if value > 0.0 else float("nan")

    def unscaled(self, scaled: float) -> float:
        """Return what ``scaled`` was given."""
        return float(np.exp(scaled)) if self.logged else scaled

    def span(self, own: float, deviation: float | None) -> tuple[float, float]:
        """Return a grid's ends: so many posterior deviations about the study's value, or the stated multiples.

        Examples
        --------
        >>> HOLDABLE["sigma"].span(5.0, None)
        (3.5, 7.0)
        >>> [round(end, 3) for end in HOLDABLE["delta"].span(0.4, 0.2)]
        [0.0, 1.0]
        """
        low, high = (
            (self.origin + times * (own - self.origin) for times in self.multiples)
            if deviation is None
            else (own - REACH * deviation, own + REACH * deviation)
        )
        bottom, top = self.support.low, self.support.high
        if not self.support.low_included:
            bottom += _EDGE * (own - bottom)
        if np.isfinite(top) and not self.support.high_included:
            top -= _EDGE * (top - own)
        return max(float(low), float(bottom)), min(float(high), float(top))


HOLDABLE: dict[str, Holdable] = {
    "delta": Holdable(PARAMETERS["delta"], 0.0, (0.25, 1.75), "delta"),
    "eta": Holdable(PARAMETERS["log_eta"], 0.0, (0.25, 1.75), "log_eta", logged=True),
    "subsidy": Holdable(PARAMETERS["subsidy"], 0.0, (0.25, 2.5), "subsidy"),
    "sigma": Holdable(PARAMETERS["sigma"], 1.0, (0.625, 1.5), "sigma"),
    "pareto_ratio": Holdable(PARAMETERS["pareto_ratio"], 1.0, (0.25, 4.0), "pareto_ratio"),
    "kappa": Holdable(Support(1.0, np.inf, "κ, the upper bound of productivity"), 1.0, (0.5, 1.5)),
    "xi": Holdable(Support(-1.0, np.inf, "ξ, the distortion elasticity"), -1.0, (0.75, 1.25)),
}


def check_ranges(section: "SensitivitySection", where: str) -> None:
    """Refuse grids that a user gave outside of a parameter's support.

    Raises
    ------
    InvalidValue
        For ends that do not increase, or lie outside.
    """
    for name, (low, high) in section.ranges.items():
        one = HOLDABLE.get(name)
        if one is None:
            good, requirement = False, "left out: the exponents are words, and all of them are taken"
        else:
            good = low < high and all(one.support.holds(one.scaled(end)) for end in (low, high))
            bottom, top = (one.unscaled(end) for end in (one.support.low, one.support.high))
            requirement = f"increasing and within ({bottom:g}, {top:g})"
        if not good:
            raise InvalidValue(
                key=f"{where}: sensitivity.ranges.{name}",
                value=[low, high],
                requirement=requirement,
                remedy="give the grid's two ends, or leave it out",
            )


@dataclass(frozen=True, slots=True)
class Changed:
    """What holding a parameter changes.

    Attributes
    ----------
    raw
        The study's tables.
    evidence, setting
        How estimates are mapped, and how draws become economies.
    prior
        The prior that holds the parameter, and the value that it holds it at; None if none does.
    """

    raw: dict[str, Any]
    evidence: EvidenceSet
    setting: SpatialSetting
    prior: tuple[str, float] | None


def held_at(
    raw: Mapping[str, Any], evidence: EvidenceSet, setting: SpatialSetting, parameter: str, value: float | str
) -> Changed:
    """Return a study that holds a parameter at a value.

    Parameters
    ----------
    raw, evidence, setting
        Of the study.
    parameter
        One of ``HOLDABLE``, or ``"exponent"``.
    value
        A number; the exponent's name.

    Raises
    ------
    InvalidValue
        If there is no model at that value.

    Notes
    -----
    The setting keeps the point calibration: recalibration goes from there to draws of any parameters.
    """
    prior = None
    changes: dict[str, Any] = {}
    if parameter == "exponent":
        evidence = replace(evidence, exponent=value)  # type: ignore[arg-type]
        setting = replace(setting, exponent=str(value))
        changes["mapping.exponent"] = value
    elif parameter == "xi":
        evidence, setting = _with_xi(evidence, setting, float(value))
        changes["mapping.tail_index"] = setting.tail_index
    elif parameter == "kappa":
        setting = replace(setting, fixed={**setting.fixed, "kappa": float(value)})
        changes["calibration.fixed.kappa"] = float(value)
    else:
        one = HOLDABLE[parameter]
        prior = (one.prior, one.scaled(float(value)))
        changes[f"priors.{prior[0]}"] = {"family": "fixed", "value": prior[1]}
        if parameter == "subsidy" and setting.subsidy == "recalibrated":
            setting = replace(setting, fixed={**setting.fixed, "subsidy_rate": float(value)})
            changes["calibration.fixed.subsidy_rate"] = float(value)
    tables = changed_tables(dict(raw), changes, "breakdown")
    tables.get("mapping", {}).pop("second", None)  # one answer a point
    return Changed(tables, evidence, setting, prior)


def _with_xi(evidence: EvidenceSet, setting: SpatialSetting, xi: float) -> tuple[EvidenceSet, SpatialSetting]:
    """Return evidence and setting with the tail of sales that implies ξ at the point's σ and θ.

    What firms sell has the exponent σ(1+ξ) − 1 where it is what they keep, (σ−1)(1+ξ) where it is gross; θ over it is
    the tail index.  ``"gross_published_xi"`` infers nothing: there ξ itself is set.
    """
    sigma, theta = setting.external.sigma, setting.external.theta
    gross = setting.exponent.startswith("gross")
    exponent = (sigma - 1.0) * (1.0 + xi) if gross else sigma * (1.0 + xi) - 1.0
    if exponent <= 0.0:
        raise InvalidValue(
            key="xi",
            value=xi,
            requirement="such that the exponent of sales is positive",
            remedy="narrow sensitivity.ranges.xi",
        )
    tail = theta / exponent
    return replace(evidence, tail_index=tail, xi=xi), replace(setting, tail_index=tail, published_xi=xi)


def exponents(own: str) -> tuple[str, ...]:
    """Return the exponents' names, the study's own first.

    Examples
    --------
    >>> exponents("kept")[0], len(exponents("kept"))
    ('kept', 4)
    """
    return (own, *(name for name in EXPONENTS if name != own))


def others_unmoved(
    study: PosteriorModel, changed: PosteriorModel, draws: Mapping[str, FloatArray], prior: tuple[str, float] | None
) -> bool:
    """Whether the posterior of all other parameters is the study's own, so that its draws are theirs.

    It is where the held parameter's part of the likelihood is a factor of its own.  That is seen at the draws r of the
    others: log L′(v, r) − log L(m, r) is then one number, L′ being the changed model's likelihood, at the smallest and
    at the largest value m that was drawn of the parameter.  Priors are independent of each other.

    Parameters
    ----------
    study, changed
        The models.
    draws
        Of the study's posterior, (D,) each.
    prior
        The parameter that is held, and where.

    Examples
    --------
    With uncorrelated estimates and a known exponent, δ says nothing about η.

    >>> from bigpush_est.bayes.evidence_set import EvidenceSet
    >>> from bigpush_est.bayes.models.normal import NormalModel
    >>> from bigpush_est.study import load_study
    >>> priors = load_study("published").inputs().priors
    >>> draws = {"log_eta": [0.2, 0.3], "delta": [0.5, 0.9], "subsidy": [0.1, 0.0]}
    >>> draws = {k: np.array(v) for k, v in (draws | {"sigma": [5.0, 5.0], "pareto_ratio": [1.06, 1.06]}).items()}
    >>> for rho in (0.0, 0.5):
    ...     evidence = EvidenceSet.from_published(
    ...         direct_standard_error=0.24, direct_source="assumed", correlation=rho)
    ...     model = NormalModel(priors, evidence)
    ...     others_unmoved(model, model, draws, ("delta", 0.7))
    True
    False
    """
    moved = dict(draws)
    values: list[float] = [np.nan]
    if prior is not None:
        moved[prior[0]] = np.full_like(draws[prior[0]], prior[1])
        values = [float(draws[prior[0]].min()), float(draws[prior[0]].max())]
    there = changed.log_likelihood(moved)
    for value in values:
        here = dict(draws)
        if prior is not None:
            here[prior[0]] = np.full_like(draws[prior[0]], value)
        base = study.log_likelihood(here)
        if not np.ptp(there - base) <= _SAME * (1.0 + np.abs(there).max() + np.abs(base).max()):
            return False
    return True
