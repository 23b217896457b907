"""(c) The event study as a hierarchical model: a smooth mean path, matches that differ about it, and log η at its end.

    d = Z(μ, b) + W ε (see ``bigpush_est.bayes.models.contrasts``),    ε AR(1) with innovations ~ Normal(0, s)

    lags    μ_k = B·(k+1)/(h+1) + σ_lag·bridge_k,    μ_h = B = e·log η − (σ−1)·q·log(1−s̄)
    leads   μ_k = σ_lead·(random walk away from μ_{−1} = 0)
    match   b_m ~ Normal(0, ω) from the event on

The lags are a random walk tied down at both ends, the year before the event and the horizon h at which the effect is
read, so that log η has a prior of its own, and smoothing does not shrink it.  Matches are pooled in part: ω, estimated,
says how much.  Everything is non-centred.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bigpush_est.bayes.evidence import EXPONENTS, Exponent, exponent_weights
from bigpush_est.bayes.evidence_set import TAIL_INDEX, XI
from bigpush_est.bayes.models.contrasts import RHO_MAX, Contrasts, SufficientStatistics
from bigpush_est.bayes.models.mapping import check_priors, effects, prior_families, prior_numbers, prior_variables
from bigpush_est.bayes.nuts import import_pymc
from bigpush_est.bayes.priors import Prior, Support
from bigpush_est.equilibrium.adoption_map import FloatArray
from bigpush_est.errors import InvalidValue

if TYPE_CHECKING:
    from bigpush_est.reduced_form.events.event_study import EventStudy

#: Scales of the hierarchy, and the scale of each one's half-normal default prior, in log points.
SCALES: dict[str, tuple[str, float]] = {
    "error_sd": ("s, the standard deviation of a firm's innovation", 1.0),
    "heterogeneity": ("ω, the standard deviation of effects over matches", 0.5),
    "lag_scale": ("σ_lag, a lag's step about the straight line", 0.2),
    "lead_scale": ("σ_lead, a lead's step", 0.1),
}


#: Serial correlation of firms' errors, and where it may lie.
CORRELATION = "serial_correlation"
CORRELATION_SUPPORT = Support(0.0, RHO_MAX, "ρ, the serial correlation of firms' errors", low_included=True)


def correlation_prior(table: dict[str, Any] | None = None) -> Prior:
    """Return ρ's prior, uniform by default.

    Examples
    --------
    >>> correlation_prior().describe()
    'uniform(low=0, high=0.98)'
    """
    default = {"family": "uniform", "low": 0.0, "high": RHO_MAX}
    return Prior.parse(CORRELATION, table or default, within=CORRELATION_SUPPORT)


def scale_prior(parameter: str, table: dict[str, Any] | None = None) -> Prior:
    """Return the prior of one of ``SCALES``, half-normal by default.

    Examples
    --------
    >>> scale_prior("heterogeneity").describe()
    'half_normal(scale=0.5)'
    """
    meaning, scale = SCALES[parameter]
    default = {"family": "half_normal", "scale": scale}
    return Prior.parse(parameter, table or default, within=Support(0.0, np.inf, meaning))


def path_matrices(event_times: tuple[int, ...], horizon: int) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return a, T_lag and T_lead of μ = B·a + σ_lag·T_lag z + σ_lead·T_lead z′, one row per event time.

    T_lag is a square root of the covariance of W(u) − u/(h+1)·W(h+1) (beyond the horizon: of W(u) − W(h+1)), W a random
    walk from event time −1 and u = k + 1 the years since.
    """
    times = np.array(event_times)
    after, before = times[times >= 0], -1 - times[times < -1]
    years = after + 1.0
    slope = np.minimum(years / (horizon + 1.0), 1.0)
    walk = np.minimum(years[:, None], years)
    end = np.minimum(years, horizon + 1.0)
    covariance = walk - np.outer(slope, end) - np.outer(end, slope) + (horizon + 1.0) * np.outer(slope, slope)
    values, vectors = np.linalg.eigh(covariance)
    free = values > 1e-10 * max(values.max(), 1.0)
    level, lags = np.zeros(times.size), np.zeros((times.size, int(free.sum())))
    level[times >= 0] = slope
    lags[times >= 0] = vectors[:, free] * np.sqrt(values[free])
    leads = np.zeros((times.size, before.size))
    if before.size:
        leads[times < -1] = np.linalg.cholesky(np.minimum(before[:, None], before).astype(np.float64))
    return level, lags, leads


def chebyshev(place: Any, count: int) -> list[Any]:
    """Return T_0 … T_{count−1} at a number, by their recurrence, for PyTensor and for NumPy alike."""
    values = [1.0 + 0.0 * place, place]
    while len(values) < count:
        values.append(2.0 * place * values[-1] - values[-2])
    return values[:count]


@dataclass(frozen=True, slots=True, eq=False)
class EventStudyModel:
    """Priors and a stack's sufficient statistics.

    Attributes
    ----------
    priors
        Of each of ``bigpush_est.bayes.priors.PARAMETERS``; those of ``SCALES`` and of ρ are added if they are not among
        them.
    statistics
        Of the stack.
    event_times, matches
        What the statistics' effects are: K event times, M matches.
    horizon
        h: event time at which the effect is e·log η.
    exponent, tail_index, xi, subsidised_share
        As in ``EvidenceSet``.

    Raises
    ------
    MissingKey, InvalidValue
        For priors that do not fit, or a horizon at which nothing is observed.

    Examples
    --------
    See ``docs/methods/hierarchical-event-study.md``.
    """

    priors: tuple[Prior, ...]
    statistics: SufficientStatistics
    event_times: tuple[int, ...]
    matches: tuple[Any, ...]
    horizon: int = 7
    exponent: Exponent = "undistorted"
    tail_index: float = TAIL_INDEX
    xi: float = XI
    subsidised_share: float = 0.0

    def __post_init__(self) -> None:
        named = [prior.parameter for prior in self.priors]
        missing = [scale_prior(name) for name in SCALES if name not in named]
        missing += [] if CORRELATION in named else [correlation_prior()]
        object.__setattr__(self, "priors", (*self.priors, *missing))
        check_priors(self.priors, [*SCALES, CORRELATION])
        if self.exponent not in EXPONENTS:
            raise InvalidValue(
                key="exponent",
                value=self.exponent,
                requirement=f"one of {', '.join(EXPONENTS)}",
                remedy="choose from the list",
            )
        if not 0.0 <= self.subsidised_share <= 1.0:
            raise InvalidValue(
                key="subsidised_share", value=self.subsidised_share, requirement="in [0, 1]", remedy="pass a share"
            )
        seen = [
            k
            for position, k in enumerate(self.event_times)
            if k >= 0 and self.statistics.information[0, position, position] > 0.0
        ]
        if self.horizon not in seen:
            raise InvalidValue(
                key="horizon",
                value=self.horizon,
                requirement="an event time at which winners and losers are seen",
                remedy=f"choose from {', '.join(map(str, seen)) or 'a longer window'}",
            )

    @classmethod
    def of(cls, study: "EventStudy", priors: tuple[Prior, ...], **options: Any) -> "EventStudyModel":
        """Build the model from an estimated event study of matched winners and losers.

        Parameters
        ----------
        study
            From ``winners_vs_losers``, without controls.
        priors
            Of the parameters.
        **options
            Horizon and mapping.

        Raises
        ------
        InvalidValue
            For a study with controls; otherwise as the class and ``Contrasts``.
        """
        if study.controls:
            raise InvalidValue(
                key="controls",
                value=", ".join(study.controls),
                requirement="none: the hierarchical model has effects of match-firms and match-years only",
                remedy="estimate the event study without controls, or take its estimate with the normal model",
            )
        contrasts = Contrasts.of_stack(study.stack, study.outcome)
        return cls(priors, contrasts.statistics()[0], contrasts.event_times, contrasts.matches, **options)

    @property
    def vectors(self) -> dict[str, int]:
        """Standard normal steps behind lags, leads and matches: variables' names and lengths."""
        _, lags, leads = path_matrices(self.event_times, self.horizon)
        sizes = {"lag_step": lags.shape[1], "lead_step": leads.shape[1], "match_step": len(self.matches)}
        return {name: size for name, size in sizes.items() if size}

    @property
    def structure(self) -> tuple[Any, ...]:
        """What decides the compiled code."""
        shapes = tuple((name, array.shape) for name, array in self.arrays().items())
        return ("event study", prior_families(self.priors), shapes, self.event_times, self.horizon)

    def arrays(self) -> dict[str, FloatArray]:
        """Return the model's data by name."""
        found = self.statistics
        level, lags, leads = path_matrices(self.event_times, self.horizon)
        weights = exponent_weights(self.exponent, self.tail_index, self.xi)
        return {
            "prior_numbers": prior_numbers(self.priors),
            "mapping": np.array([*weights, self.subsidised_share]),
            **found.coefficients(),
            "degrees_of_freedom": np.array([float(found.degrees_of_freedom)]),
            "level": level,
            "lags": lags,
            "leads": leads,
        }

    def build(self) -> Any:
        """Return the PyMC model."""
        import importlib

        pm = import_pymc()
        # PyTensor's functions are not annotated
        pt: Any = importlib.import_module("pytensor.tensor")

        with pm.Model() as model:
            arrays = {name: pm.Data(name, array, shape=array.shape) for name, array in self.arrays().items()}
            p = prior_variables(self.priors, arrays["prior_numbers"])
            steps = {name: pm.Normal(name, shape=size) for name, size in self.vectors.items()}
            path = arrays["level"] * effects(pt, arrays, p)[0]
            if "lag_step" in steps:
                path = path + p["lag_scale"] * pt.dot(arrays["lags"], steps["lag_step"])
            if "lead_step" in steps:
                path = path + p["lead_scale"] * pt.dot(arrays["leads"], steps["lead_step"])
            every = pt.concatenate([path, p["heterogeneity"] * steps["match_step"]])
            moved = pt.dot(arrays["information"], every) - 2.0 * arrays["score"]
            quadratic = arrays["square"] + pt.dot(moved, every)
            weights = pt.stack(chebyshev(2.0 * p[CORRELATION] / RHO_MAX - 1.0, len(self.statistics.nodes)))
            determinant = pt.dot(weights, arrays["log_determinant"])
            freedom, scale = arrays["degrees_of_freedom"][0], p["error_sd"]
            density = -0.5 * determinant - 0.5 * pt.dot(weights, quadratic) / scale**2 - freedom * pt.log(scale)
            pm.Potential("evidence", density - 0.5 * freedom * np.log(2.0 * np.pi))
        return model

    def path(self, p: Mapping[str, Any]) -> FloatArray:
        """Return the mean path μ over the K event times, last axis, at draws by name."""
        arrays = self.arrays()
        names = ("log_eta", "delta", "subsidy", "sigma", "pareto_ratio")
        own = {name: np.asarray(p[name], dtype=np.float64) for name in names}
        found = np.asarray(effects(np, arrays, own)[0])[..., None] * arrays["level"]
        for name, scale, matrix in (("lag_step", "lag_scale", "lags"), ("lead_step", "lead_scale", "leads")):
            size = self.vectors.get(name, 0)
            if size:
                steps = np.stack([np.asarray(p[f"{name}[{i}]"]) for i in range(size)], axis=-1)
                found = found + np.asarray(p[scale])[..., None] * (steps @ arrays[matrix].T)
        return found

    def match_effects(self, p: Mapping[str, Any]) -> FloatArray:
        """Return b over the M matches, last axis: how each match's effect differs from the mean path."""
        steps = np.stack([np.asarray(p[f"match_step[{i}]"]) for i in range(len(self.matches))], axis=-1)
        found: FloatArray = np.asarray(p["heterogeneity"])[..., None] * steps
        return found

    def log_likelihood(self, p: Mapping[str, Any]) -> FloatArray:
        """Return the log-likelihood by NumPy at draws by name, steps as ``match_step[0]`` and so on.

        −ν/2·log(2πs²) − ½(log|Ω_ρ| + log|B′Ω_ρ⁻¹B|) − (c − 2φ′h + φ′Aφ)/(2s²),    φ = (μ, b)
        """
        arrays = self.arrays()
        every = np.concatenate([self.path(p), self.match_effects(p)], axis=-1)
        linear = every @ arrays["score"].T
        square = np.einsum("...q,gqr,...r->...g", every, arrays["information"], every, optimize=True)
        quadratic = arrays["square"] - 2.0 * linear + square
        place = 2.0 * np.asarray(p[CORRELATION], dtype=np.float64) / RHO_MAX - 1.0
        weights = np.stack(chebyshev(place, len(self.statistics.nodes)), axis=-1)
        freedom, scale = self.statistics.degrees_of_freedom, np.asarray(p["error_sd"], dtype=np.float64)
        value = -0.5 * weights @ arrays["log_determinant"] - 0.5 * (weights * quadratic).sum(axis=-1) / scale**2
        return np.asarray(value - 0.5 * freedom * np.log(2.0 * np.pi * scale**2))

    def described(self) -> dict[str, Any]:
        """Return the evidence as JSON can hold it."""
        return {
            "model": "event study",
            "event_times": list(self.event_times),
            "matches": len(self.matches),
            "horizon": self.horizon,
            "exponent": self.exponent,
            "subsidised_share": self.subsidised_share,
            "degrees_of_freedom": self.statistics.degrees_of_freedom,
        }
