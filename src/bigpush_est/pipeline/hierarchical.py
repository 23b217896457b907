"""The direct effect from the hierarchical event study: its posterior mean and standard deviation as the estimate.

Two steps.  First the effect alone is sampled from the stacked data, under a prior so flat (sd of 10 log points at the
horizon) that the posterior is what the data say; then its mean and standard deviation take the place of the plain
event study's estimate and standard error in the evidence, and whatever likelihood the study has goes on from there.

    b_direct = E[mean over chosen k of μ_k | stack],    V_direct = Var[the same],    V_direct,j = ρ_j √(V_direct V_jj)

ρ_j is the correlation of the plain event study's estimate with estimate j, from the stacked influence functions: the
two estimates of the effect use the same rows, and the hierarchical one has no influence function of its own.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from bigpush_est.bayes.estimates import Estimate
from bigpush_est.bayes.evidence_set import EvidenceSet
from bigpush_est.bayes.models.event_study import CORRELATION, SCALES, EventStudyModel
from bigpush_est.bayes.priors import Prior, Support
from bigpush_est.bayes.sampling import SamplerSettings, sample_model
from bigpush_est.equilibrium.adoption_map import FloatArray
from bigpush_est.pipeline.estimates import DIRECT, MicroEstimates
from bigpush_est.reduced_form.linear.joint import JointEstimates

#: Standard deviation of the effect's prior at the horizon, in log points: flat against any effect on log sales.
FLAT = 10.0
PROVENANCE = "hierarchical event study: posterior mean and standard deviation"
#: Failed gates that are named one by one; a model has hundreds of nuisances.
_NAMED = 3


@dataclass(frozen=True, slots=True, eq=False)
class HierarchicalEffect:
    """Posterior of the mean path at the chosen event times.

    Attributes
    ----------
    draws
        Of the effect, shape (chains, draws).
    event_times, path, path_sd
        Mean path and its standard deviation by event time.
    scales
        Posterior means of the hierarchy's scales and of ρ, by name.
    matches, degrees_of_freedom
        What the likelihood rests on.
    diagnostics
        Smallest ESS and largest R-hat over every parameter, divergences.
    failures
        Gates that failed, in words.
    """

    draws: FloatArray
    event_times: tuple[int, ...]
    path: FloatArray
    path_sd: FloatArray
    scales: dict[str, float]
    matches: int
    degrees_of_freedom: int
    diagnostics: dict[str, float]
    failures: tuple[str, ...]

    @property
    def mean(self) -> float:
        """The estimate."""
        return float(self.draws.mean())

    @property
    def standard_deviation(self) -> float:
        """What stands for its standard error."""
        return float(self.draws.std(ddof=1))

    @property
    def shape(self) -> tuple[float, float]:
        """Skewness and excess kurtosis: 0 and 0 where two moments say all."""
        from scipy import stats

        return float(stats.skew(self.draws, axis=None)), float(stats.kurtosis(self.draws, axis=None))

    def described(self) -> dict[str, Any]:
        """Return it as JSON can hold it."""
        skewness, kurtosis = self.shape
        return {
            "estimate": self.mean,
            "standard_error": self.standard_deviation,
            "skewness": skewness,
            "excess_kurtosis": kurtosis,
            "path": [
                {"event_time": k, "mean": float(value), "sd": float(spread)}
                for k, value, spread in zip(self.event_times, self.path, self.path_sd, strict=True)
            ],
            "scales": self.scales,
            "matches": self.matches,
            "degrees_of_freedom": self.degrees_of_freedom,
            "diagnostics": self.diagnostics,
            "failures": list(self.failures),
        }


def flat_priors() -> tuple[Prior, ...]:
    """Return priors under which the effect at the horizon, 2·log η, is Normal(0, ``FLAT``) on the whole line."""
    line = Support(-np.inf, np.inf, "half of the effect at the horizon")
    held = {"delta": 0.0, "subsidy": 0.5, "sigma": 3.0, "pareto_ratio": 1.06}
    return (
        Prior.parse("log_eta", {"family": "normal", "mean": 0.0, "sd": FLAT / 2.0}, within=line),
        *(Prior.parse(name, {"family": "fixed", "value": value}) for name, value in held.items()),
    )


def hierarchical_effect(
    found: MicroEstimates, settings: SamplerSettings, *, seed: int, cores: int = 1
) -> HierarchicalEffect:
    """Sample the effect at the design's event times from the stacked data.

    Parameters
    ----------
    found
        A panel's estimates; the event study's stack is taken.
    settings
        Sampler, lengths and gates; every parameter of the hierarchy has to pass them.
    seed, cores
        As in ``sample_model``.

    Raises
    ------
    InvalidValue
        For an event study with controls, or a last event time at which nothing is seen.
    """
    times = found.design.event_times
    model = EventStudyModel.of(found.event_study, flat_priors(), horizon=max(times))
    posterior = sample_model(model, settings, seed=seed, cores=cores)
    path = model.path(posterior.draws)
    table, failures = posterior.diagnostics.table, posterior.diagnostics.failures
    if len(failures) > _NAMED:
        failures = (*failures[:_NAMED], f"{len(failures) - _NAMED} further gates failed")
    return HierarchicalEffect(
        path[..., [model.event_times.index(k) for k in times]].mean(axis=-1),
        model.event_times,
        path.mean(axis=(0, 1)),
        path.std(axis=(0, 1)),
        {name: float(posterior.draws[name].mean()) for name in (*SCALES, CORRELATION)},
        len(model.matches),
        model.statistics.degrees_of_freedom,
        {
            "rhat": max(row["rhat"] for row in table.values()),
            "ess": posterior.diagnostics.effective_draws,
            "divergences": float(posterior.diagnostics.divergences),
        },
        failures,
    )


def direct_of(found: MicroEstimates) -> tuple[float, float]:
    """Return the direct estimate and its standard error."""
    k = found.joint.position(DIRECT)
    return float(found.joint.coefficients[k]), float(found.joint.standard_errors[k])


def with_effect(joint: JointEstimates, effect: HierarchicalEffect) -> JointEstimates:
    """Return the estimates with the hierarchical effect in the plain one's place, correlations kept."""
    k = joint.position(DIRECT)
    scale = np.ones(len(joint.names))
    scale[k] = effect.standard_deviation / joint.standard_errors[k]
    coefficients = joint.coefficients.copy()
    coefficients[k] = effect.mean
    return replace(joint, coefficients=coefficients, matrix=joint.matrix * np.outer(scale, scale))


def labelled(evidence: EvidenceSet) -> EvidenceSet:
    """Return the evidence, whose direct estimate says that it is the hierarchical one."""
    estimates = tuple(
        Estimate(one.name, one.kind, one.value, PROVENANCE) if one.kind == "direct" else one
        for one in evidence.estimates
    )
    return replace(evidence, estimates=estimates)


def words(effect: HierarchicalEffect, plain: float, error: float) -> str:
    """Return the note of the report: the two estimates beside each other, and how far from normal the posterior is."""
    skewness, kurtosis = effect.shape
    return (
        f"hierarchical event study: {effect.mean:.3g} (sd {effect.standard_deviation:.2g}) enters in the place of "
        f"{plain:.3g} (s.e. {error:.2g}); {effect.matches} matches, {effect.degrees_of_freedom} degrees of freedom; "
        f"skewness {skewness:.2g}, excess kurtosis {kurtosis:.2g}"
    )
