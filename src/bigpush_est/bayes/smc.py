r"""Tempered sequential Monte Carlo whose likelihood takes all particles in one call.

A likelihood with a batched solver inside has no cheap gradient, but costs little more for a thousand parameter points
than for a few; and where several equilibria explain the data, its posterior has several modes.  Particles drawn from
the prior are moved to the posterior by way of

    π_t(x) ∝ prior(x) · L(x)^t,    0 = t_0 < t_1 < … < 1

(Del Moral, Doucet and Jasra 2006).  Each step takes the next temperature at which the weights L^{t'−t} keep a given
effective sample size, resamples systematically, and moves every particle by Metropolis-Hastings until a given share of
them should have moved (Drovandi and Pettitt 2011).  The mean weights multiply to the evidence.  Several runs are
independent: they serve as chains for R-hat, and their spread is the Monte Carlo error of the evidence.

Particles live in normal scores of the prior, z = Φ⁻¹(F(x)), whose prior is a standard normal whatever the priors are.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np

from bigpush_est.bayes.priors import Prior
from bigpush_est.bayes.sampling import Posterior, SamplerSettings, diagnose
from bigpush_est.equilibrium.adoption_map import FloatArray
from bigpush_est.errors import InvalidValue, NoStartingPoint, ResumeRefused, ShapeMismatch, UnreadableFile

type Move = Literal["random walk", "independent"]
type Told = Callable[[int, float], None]

#: Degrees of freedom of the independent moves' proposals: tails heavier than the target's.
_TAIL = 5.0
#: Share of particles that accept in a sweep of random walks which the scale is steered to.
_ACCEPTANCE = 0.25


class BatchedModel(Protocol):
    """What SMC needs: independent priors, and a likelihood of all particles at once."""

    @property
    def priors(self) -> tuple[Prior, ...]:
        """Of every parameter; those held fixed are passed to the likelihood as constants."""
        ...

    def log_likelihood(self, p: Mapping[str, FloatArray]) -> FloatArray:
        """Return log L, shape (P,), at parameters by name, each (P,).

        −∞ where the data are impossible; NaN where it could not be computed (a solver failed), which is counted.
        It must not depend on what was asked before: a resumed run would otherwise differ.
        """
        ...

    def described(self) -> dict[str, Any]:
        """Return the evidence as JSON can hold it: what tells one posterior's stored runs from another's."""
        ...


@dataclass(frozen=True, slots=True)
class SMCSettings:
    """How to sample, and the gates that the particles have to pass.

    Attributes
    ----------
    particles, runs
        Particles per run, and independent runs.
    ess_fraction
        Effective sample size that a step's weights keep, as a share of the particles.
    move
        "random walk" (scaled by the particles' covariance), or "independent" (Student t about their mean).
    moved
        Share of particles that should have moved at least once before the next temperature.
    min_moves, max_moves
        Sweeps at each temperature.
    max_stages
        Temperatures after which a run is given up.
    max_rhat, min_ess
        Gates: largest R-hat over runs, smallest bulk and tail effective sample size.
    max_failed
        Largest share of likelihoods that could not be computed.
    """

    particles: int = 1000
    runs: int = 4
    ess_fraction: float = 0.5
    move: Move = "random walk"
    moved: float = 0.99
    min_moves: int = 3
    max_moves: int = 40
    max_stages: int = 200
    max_rhat: float = 1.05
    min_ess: float = 400.0
    max_failed: float = 0.01

    def __post_init__(self) -> None:
        bounds = {
            "particles": (self.particles >= 20, "at least 20"),
            "runs": (self.runs >= 2, "at least 2"),
            "ess_fraction": (0.0 < self.ess_fraction < 1.0, "between 0 and 1"),
            "moved": (0.0 < self.moved < 1.0, "between 0 and 1"),
            "min_moves": (1 <= self.min_moves <= self.max_moves, "at least 1, and at most max_moves"),
            "max_stages": (self.max_stages >= 1, "at least 1"),
            "move": (self.move in ("random walk", "independent"), '"random walk" or "independent"'),
            "max_failed": (0.0 <= self.max_failed <= 1.0, "a share"),
        }
        for key, (good, requirement) in bounds.items():
            if not good:
                raise InvalidValue(
                    key=f"SMCSettings.{key}",
                    value=getattr(self, key),
                    requirement=requirement,
                    remedy="start from SMCSettings()",
                )


@dataclass(frozen=True, slots=True, eq=False)
class SMCResult:
    """Particles of all runs, the evidence, and what it took.

    Attributes
    ----------
    posterior
        Draws of shape (runs, particles), with diagnostics over runs; ``diverging`` is false throughout.
    log_evidence
        log ∫ prior · L of each run, shape (runs,).
    temperatures, acceptance, moves
        Per run, by step: t, mean acceptance of the sweeps, and their number.
    evaluations, failed, impossible
        Likelihoods asked for, those that could not be computed (NaN), and those that were −∞.
    """

    posterior: Posterior
    log_evidence: FloatArray
    temperatures: tuple[FloatArray, ...]
    acceptance: tuple[FloatArray, ...]
    moves: tuple[FloatArray, ...]
    evaluations: int
    failed: int
    impossible: int

    @property
    def evidence(self) -> tuple[float, float]:
        """Log of the runs' mean evidence, and its standard error from their spread."""
        relative = np.exp(self.log_evidence - self.log_evidence.max())
        error = float(relative.std(ddof=1) / relative.mean() / np.sqrt(relative.size))
        return float(np.log(relative.mean()) + self.log_evidence.max()), error


@dataclass(slots=True)
class _State:
    """One run between two temperatures: all that a resumed run needs."""

    scores: FloatArray  # (P, dim)
    log_likelihood: FloatArray  # (P,)
    history: FloatArray  # (stages, 3): temperature, acceptance, sweeps
    numbers: FloatArray  # (6,): temperature, log evidence, scale, evaluations, failed, impossible


def sample_smc(
    model: BatchedModel,
    settings: SMCSettings | None = None,
    *,
    seed: int,
    checkpoint: Path | None = None,
    told: Told | None = None,
) -> SMCResult:
    """Draw from a posterior by tempered sequential Monte Carlo.

    Parameters
    ----------
    model
        Priors and likelihood; any model of ``bigpush_est.bayes.models``.
    settings
        Particles, runs, moves and gates.
    seed
        Same seed, same particles, whether a run was interrupted or not.
    checkpoint
        Folder that holds each run's state after each temperature; runs that are there are taken up.
    told
        Called with run and temperature after each step.

    Raises
    ------
    NoStartingPoint
        If no particle of the prior has a likelihood above zero, or the steps run out.
    ShapeMismatch
        If the likelihood does not return one number per particle.
    ResumeRefused, UnreadableFile
        If the folder holds another model's, seed's or settings' runs, or a damaged file.

    Examples
    --------
    >>> from bigpush_est.bayes.evidence_set import EvidenceSet
    >>> from bigpush_est.bayes.models.normal import NormalModel
    >>> from bigpush_est.study import load_study
    >>> evidence = EvidenceSet.from_published(direct_standard_error=0.24, direct_source="Table 1's precision")
    >>> model = NormalModel(load_study("published").inputs().priors, evidence)
    >>> found = sample_smc(model, SMCSettings(particles=500, min_ess=100), seed=1)
    >>> bool(abs(found.posterior.draws["delta"].mean() - 0.66) < 0.05)
    True
    """
    settings = settings or SMCSettings()
    free = [prior for prior in model.priors if not prior.fixed]
    if not free:
        raise InvalidValue(
            key="priors", value="all fixed", requirement="with something to sample", remedy="give one a family"
        )
    done = [
        sample_run(model, settings, seed=seed, run=run, checkpoint=checkpoint, told=told)
        for run in range(settings.runs)
    ]
    values = [_parameters(model.priors, state.scores) for state in done]
    draws = {prior.parameter: np.stack([one[prior.parameter] for one in values]) for prior in model.priors}
    evaluations, failed, impossible = (int(sum(state.numbers[k] for state in done)) for k in (3, 4, 5))
    failures = []
    if failed > settings.max_failed * evaluations:
        failures.append(f"{failed} of {evaluations} likelihoods could not be computed")
    gates = SamplerSettings(max_rhat=settings.max_rhat, min_ess=settings.min_ess)
    diagnostics = diagnose({prior.parameter: draws[prior.parameter] for prior in free}, 0, gates, failures)
    value = np.stack([state.log_likelihood for state in done])
    return SMCResult(
        Posterior(draws, value, np.zeros(value.shape, dtype=bool), diagnostics),
        np.array([state.numbers[1] for state in done]),
        temperatures=tuple(state.history[:, 0] for state in done),
        acceptance=tuple(state.history[:, 1] for state in done),
        moves=tuple(state.history[:, 2] for state in done),
        evaluations=evaluations,
        failed=failed,
        impossible=impossible,
    )


def normal_scores_inverted(prior: Prior, scores: FloatArray) -> FloatArray:
    """Return x = F⁻¹(Φ(z)), from the nearer tail, so that neither end loses digits."""
    from scipy import special

    frozen = prior.frozen()
    lower = scores < 0.0
    x = np.empty_like(scores)
    x[lower] = frozen.ppf(special.ndtr(scores[lower]))
    x[~lower] = frozen.isf(special.ndtr(-scores[~lower]))
    return x


def _parameters(priors: tuple[Prior, ...], scores: FloatArray) -> dict[str, FloatArray]:
    """Return all parameters by name, (P,), from the free ones' scores (P, dim)."""
    found, k = {}, 0
    for prior in priors:
        if prior.fixed:
            found[prior.parameter] = np.full(scores.shape[0], prior.numbers[0])
        else:
            found[prior.parameter] = normal_scores_inverted(prior, scores[:, k])
            k += 1
    return found


def _evaluate(model: BatchedModel, scores: FloatArray, numbers: FloatArray) -> FloatArray:
    """Return log L of all particles, −∞ where it failed, and count."""
    value = np.asarray(model.log_likelihood(_parameters(model.priors, scores)), dtype=np.float64)
    if value.shape != (scores.shape[0],):
        raise ShapeMismatch(
            key="log_likelihood", shape=value.shape, expected=f"({scores.shape[0]},)", remedy="one number per particle"
        )
    failed = np.isnan(value) | (value == np.inf)
    numbers[3:] += (value.size, failed.sum(), (value == -np.inf).sum())
    return np.where(failed, -np.inf, value)


def sample_run(
    model: BatchedModel,
    settings: SMCSettings,
    *,
    seed: int,
    run: int,
    checkpoint: Path | None = None,
    told: Told | None = None,
) -> _State:
    """Take one of the runs of ``sample_smc`` to its end: with a folder, that then finds it there.

    Runs know nothing of each other, so that each may be another process's work.
    """
    free = [prior for prior in model.priors if not prior.fixed]
    path = None if checkpoint is None else checkpoint / f"smc-run-{run}.npz"
    stamp = _stamp(model, settings, seed)
    state = None if path is None else _stored(path, stamp)
    if state is None:
        rng = np.random.default_rng([seed, run, 0])
        scores = rng.standard_normal((settings.particles, len(free)))
        numbers = np.array([0.0, 0.0, 2.38 / np.sqrt(len(free)), 0.0, 0.0, 0.0])
        state = _State(scores, _evaluate(model, scores, numbers), np.zeros((0, 3)), numbers)
        _keep(path, state, stamp)
    if not np.isfinite(state.log_likelihood).any():
        raise NoStartingPoint(reason=f"none of {settings.particles} draws from the prior has a likelihood above zero")
    while state.numbers[0] < 1.0:
        stage = state.history.shape[0] + 1
        if stage > settings.max_stages:
            raise NoStartingPoint(reason=f"temperature {state.numbers[0]:.3g} after {settings.max_stages} steps")
        # a generator of its own for each step: nothing of it has to be stored
        _step(model, state, settings, np.random.default_rng([seed, run, stage]))
        _keep(path, state, stamp)
        if told is not None:
            told(run, float(state.numbers[0]))
    return state


def _step(model: BatchedModel, state: _State, settings: SMCSettings, rng: np.random.Generator) -> None:
    """Raise the temperature, resample and move; in place."""
    size, dim = state.scores.shape
    rise = _rise(state.log_likelihood, settings.ess_fraction, 1.0 - state.numbers[0])
    weighted = rise * state.log_likelihood
    top = weighted.max()
    weights = np.exp(weighted - top)
    state.numbers[1] += top + np.log(weights.mean())
    weights /= weights.sum()
    temperature = 1.0 if rise >= 1.0 - state.numbers[0] else state.numbers[0] + rise
    mean = weights @ state.scores
    centred = state.scores - mean
    covariance = (weights[:, None] * centred).T @ centred + 1e-10 * np.eye(dim)
    root = np.linalg.cholesky(covariance)
    chosen = np.minimum(np.searchsorted(np.cumsum(weights), (np.arange(size) + rng.random()) / size), size - 1)
    z, value = state.scores[chosen], state.log_likelihood[chosen]
    accepted, sweeps, needed = [], 0, settings.min_moves
    while sweeps < needed:
        if settings.move == "random walk":
            proposal = z + state.numbers[2] * rng.standard_normal((size, dim)) @ root.T
            correction = np.zeros(size)
        else:
            noise = rng.standard_normal((size, dim)) / np.sqrt(rng.chisquare(_TAIL, size) / _TAIL)[:, None]
            proposal = mean + noise @ root.T
            correction = _log_t(z, mean, root) - _log_t(proposal, mean, root)
        drawn = np.log(rng.random(size))
        new = _evaluate(model, proposal, state.numbers)
        ratio = temperature * (new - value) + 0.5 * ((z**2).sum(axis=1) - (proposal**2).sum(axis=1)) + correction
        good = drawn < ratio
        z = np.where(good[:, None], proposal, z)
        value = np.where(good, new, value)
        accepted.append(float(good.mean()))
        sweeps += 1
        if sweeps == 1:
            rate = min(max(accepted[0], 1e-3), 1.0 - 1e-9)
            wanted = int(np.ceil(np.log1p(-settings.moved) / np.log1p(-rate)))
            needed = min(max(wanted, settings.min_moves), settings.max_moves)
    rate = float(np.mean(accepted))
    if settings.move == "random walk":
        state.numbers[2] *= np.exp(rate - _ACCEPTANCE)
    state.numbers[0] = temperature
    state.scores, state.log_likelihood = z, value
    state.history = np.vstack([state.history, [temperature, rate, sweeps]])


def _rise(log_likelihood: FloatArray, fraction: float, longest: float) -> float:
    """Return the rise in temperature whose weights keep the effective sample size."""
    finite = log_likelihood[np.isfinite(log_likelihood)]
    centred = finite - finite.max()

    def effective(rise: float) -> float:
        weights = np.exp(rise * centred)
        return float(weights.sum() ** 2 / (weights**2).sum())

    target = fraction * finite.size
    if effective(longest) >= target:
        return longest
    low, high = 0.0, longest
    for _ in range(60):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if effective(middle) >= target else (low, middle)
    # at least a step that moves: where few particles carry all the weight, the bisection may end at zero
    return max(low, 1e-12)


def _log_t(z: FloatArray, mean: FloatArray, root: FloatArray) -> FloatArray:
    """Log density of the independent proposals, up to a constant."""
    scaled = np.linalg.solve(root, (z - mean).T)
    value: FloatArray = -0.5 * (_TAIL + z.shape[1]) * np.log1p((scaled**2).sum(axis=0) / _TAIL)
    return value


def _stamp(model: BatchedModel, settings: SMCSettings, seed: int) -> str:
    """Return what a run's file has to agree with: priors, evidence, seed, and the settings that move particles."""
    moving = {key: value for key, value in asdict(settings).items() if key not in ("max_rhat", "min_ess", "max_failed")}
    told = [[(p.parameter, p.family, p.numbers) for p in model.priors], model.described(), moving, seed]
    return hashlib.sha256(json.dumps(told, sort_keys=True, default=str).encode()).hexdigest()


def _keep(path: Path | None, state: _State, stamp: str) -> None:
    if path is None:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".tmp.npz")
    np.savez(unfinished, stamp=np.array(stamp), **{key: getattr(state, key) for key in _State.__slots__})
    unfinished.replace(path)


def _stored(path: Path, stamp: str) -> _State | None:
    if not path.is_file():
        return None
    try:
        with np.load(path) as stored:
            found = {key: stored[key] for key in ("stamp", *_State.__slots__)}
    except (OSError, ValueError, KeyError, EOFError) as error:
        raise UnreadableFile(path=path, reason=str(error), remedy="delete it: its run starts anew") from None
    if str(found.pop("stamp")) != stamp:
        raise ResumeRefused(
            path=path.parent,
            changed="the model, its evidence, the seed or the settings differ from the stored run's",
            remedy="use another folder, or delete the stored runs",
        )
    return _State(**found)
