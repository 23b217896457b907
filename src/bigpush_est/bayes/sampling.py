"""Sampling the posterior, and the diagnostics that decide whether its numbers may be used."""

import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from typing import Any, Literal, Protocol

import numpy as np

from bigpush_est.bayes.model import ModelInputs, log_likelihood
from bigpush_est.bayes.nuts import NutsModel, nuts_draws
from bigpush_est.bayes.priors import Prior
from bigpush_est.bayes.shares import draw_subsidy, log_share_density
from bigpush_est.equilibrium.adoption_map import FloatArray

type Sampler = Literal["nutpie", "pymc"]

#: Packages whose versions decide the draws; they are stored with them.
VERSIONED = ("bigpush-est", "pymc", "pytensor", "nutpie", "arviz", "numpy", "scipy", "numba")


@dataclass(frozen=True, slots=True)
class SamplerSettings:
    """How to sample, and the gates that the draws have to pass.

    Attributes
    ----------
    sampler
        ``"nutpie"`` or ``"pymc"`` (PyMC's own NUTS).
    chains, tune, draws
        Chains, warm-up steps and draws per chain.
    target_accept
        Target acceptance rate of the step-size adaptation.
    max_rhat, min_ess, max_divergences
        Gates: largest rank-normalised split R-hat, smallest bulk and tail effective sample size, most divergences.
    """

    sampler: Sampler = "nutpie"
    chains: int = 4
    tune: int = 1000
    draws: int = 5000
    target_accept: float = 0.95
    max_rhat: float = 1.01
    min_ess: float = 400.0
    max_divergences: int = 0


@dataclass(frozen=True, slots=True)
class Diagnostics:
    """What the sampler reports of itself.

    Attributes
    ----------
    table
        For each free parameter: R-hat, bulk and tail ESS, and the Monte Carlo standard errors of mean and sd.
    divergences
        Divergent transitions after warm-up.
    failures
        Gates that failed, in words; empty if the run may be used.
    weights_ess
        Effective sample size of importance weights, where draws were resampled (feedback "full").
    """

    table: dict[str, dict[str, float]]
    divergences: int
    failures: tuple[str, ...]
    weights_ess: float | None = None

    @property
    def passed(self) -> bool:
        """Whether every gate was passed."""
        return not self.failures

    @property
    def effective_draws(self) -> float:
        """Smallest effective sample size over parameters, bulk and tail: what a probability without hits rests on."""
        smallest = min((min(row["ess_bulk"], row["ess_tail"]) for row in self.table.values()), default=np.nan)
        return smallest if self.weights_ess is None else min(smallest, self.weights_ess)


@dataclass(frozen=True, slots=True)
class Posterior:
    """Draws of one posterior.

    Attributes
    ----------
    draws
        Parameters by name, shape (chains, draws); fixed parameters are constant.
    log_likelihood
        Of the evidence at each draw, shape (chains, draws).
    diverging
        Divergent transitions, shape (chains, draws).
    diagnostics
        What the sampler reports of itself.
    """

    draws: dict[str, FloatArray]
    log_likelihood: FloatArray
    diverging: Any
    diagnostics: Diagnostics

    def flat(self) -> dict[str, FloatArray]:
        """Parameters by name, chains joined, shape (D,)."""
        return {name: values.reshape(-1) for name, values in self.draws.items()}


def derived_seed(seed: int, label: str) -> int:
    """Return a seed for one part of a study: the same whatever the order or the process in which parts run."""
    return int(np.random.SeedSequence([seed, zlib.crc32(label.encode())]).generate_state(1)[0])


def sample_posterior(
    inputs: ModelInputs,
    settings: SamplerSettings,
    *,
    seed: int,
    cores: int = 1,
    progress: bool = False,
) -> Posterior:
    """Draw from the posterior.

    Parameters
    ----------
    inputs
        Priors and evidence.
    settings
        Sampler, lengths and gates.
    seed
        Same seed, same draws: with 1 or 2 cores, with a cold or a warm compile cache.
    cores
        Chains sampled at once.
    progress
        Show the sampler's own progress bar.
    """
    draws, diverging = _draws(inputs, settings, seed, cores, progress)
    shape = diverging.shape
    evidence = inputs.evidence
    value = np.asarray(log_likelihood(np, inputs.data(), draws))
    failures: list[str] = []
    effective: float | None = None
    if evidence.use_shares and not inputs.prior("subsidy").fixed:
        flat = {name: values.reshape(-1) for name, values in draws.items()}
        conditional = draw_subsidy(inputs, flat, derived_seed(seed, "subsidy"))
        flat["subsidy"] = conditional.subsidy
        log_z = conditional.log_evidence
        if conditional.edge > 0.001:
            failures.append(f"the grid of s̄ is too short for {conditional.edge:.1%} of the draws")
        if evidence.feedback == "full":
            # resampling hides what the chains did: judge them before it
            before = {name: flat[name].reshape(shape) for name in inputs.free}
            failures += diagnose(before, int(diverging.sum()), settings).failures
            chosen, effective = _resampled(log_z, derived_seed(seed, "feedback"))
            if effective < settings.min_ess:
                failures.append(
                    f"the shares' weights leave {effective:.0f} effective draws, below {settings.min_ess:g}"
                )
            flat = {name: values[chosen] for name, values in flat.items()}
            log_z = np.zeros_like(log_z)
        draws = {name: values.reshape(shape) for name, values in flat.items()}
        # the density that the draws follow: under the cut, what the shares say of η and δ is divided out again
        value = log_likelihood(np, inputs.data(), draws) + log_share_density(inputs, draws) - log_z.reshape(shape)
    diagnostics = diagnose({name: draws[name] for name in inputs.free}, int(diverging.sum()), settings, failures)
    return Posterior(draws, value, diverging, replace(diagnostics, weights_ess=effective))


class PosteriorModel(NutsModel, Protocol):
    """A model that ``sample_model`` takes."""

    @property
    def priors(self) -> tuple[Prior, ...]:
        """Of every parameter, those held fixed and nuisances among them."""
        ...

    def log_likelihood(self, p: Mapping[str, FloatArray]) -> FloatArray:
        """Return the log-likelihood by NumPy at parameters of one shape."""
        ...

    def described(self) -> dict[str, Any]:
        """Return the evidence as JSON can hold it."""
        ...


def sample_model(
    model: PosteriorModel, settings: SamplerSettings, *, seed: int, cores: int = 1, progress: bool = False
) -> Posterior:
    """Draw from the posterior of a model by NUTS.

    Parameters
    ----------
    model
        Such as ``bigpush_est.bayes.models.normal.NormalModel``.
    settings
        Sampler, lengths and gates.
    seed
        Same seed, same draws: with 1 or 2 cores, with a cold or a warm compile cache.
    cores
        Chains sampled at once.
    progress
        Show the sampler's own progress bar.

    Returns
    -------
    Posterior
        Of every parameter that has a prior, in the priors' order, then the entries of each of the model's ``vectors``
        (name and length, where it has such) as "name[0]" and so on; all of shape (chains, draws).

    Raises
    ------
    NoStartingPoint
        If priors and evidence contradict each other.
    """
    draws, diverging = _draws(model, settings, seed, cores, progress)
    held = [prior.parameter for prior in model.priors if prior.fixed]
    free = {name: values for name, values in draws.items() if name not in held}
    diagnostics = diagnose(free, int(diverging.sum()), settings)
    return Posterior(draws, np.asarray(model.log_likelihood(draws)), diverging, diagnostics)


class _HasPriors(NutsModel, Protocol):
    @property
    def priors(self) -> tuple[Prior, ...]: ...


def _draws(
    model: _HasPriors, settings: SamplerSettings, seed: int, cores: int, progress: bool
) -> tuple[dict[str, FloatArray], Any]:
    """Return every parameter's draws, constant where it is fixed, and the divergent transitions."""
    tree = nuts_draws(model, settings, seed=seed, cores=cores, progress=progress)
    posterior = tree["posterior"].dataset
    shape = (settings.chains, settings.draws)
    draws = {
        prior.parameter: np.full(shape, prior.numbers[0])
        if prior.fixed
        else np.ascontiguousarray(posterior[prior.parameter].values)
        for prior in model.priors
    }
    for name, size in getattr(model, "vectors", {}).items():
        values = posterior[name].values
        draws |= {f"{name}[{i}]": np.ascontiguousarray(values[..., i]) for i in range(size)}
    return draws, np.asarray(tree["sample_stats"].dataset["diverging"].values, dtype=bool)


def _resampled(log_weights: FloatArray, seed: int) -> tuple[Any, float]:
    """Systematic resampling, and the effective sample size of the weights.

    The order is kept: a draw's copies stand together and chains stay chains, so that Monte Carlo errors count both.
    """
    rng = np.random.default_rng(seed)
    weights = np.exp(log_weights - log_weights.max())
    weights /= weights.sum()
    size = weights.size
    points = (np.arange(size) + rng.random()) / size
    chosen = np.minimum(np.searchsorted(np.cumsum(weights), points), size - 1)  # ascending
    return chosen, float(1.0 / np.sum(weights**2))


def diagnose(
    draws: Mapping[str, FloatArray], divergences: int, settings: SamplerSettings, failures: Sequence[str] = ()
) -> Diagnostics:
    """R-hat, effective sample sizes and Monte Carlo errors of each parameter, held against the gates.

    ``failures`` are those already known, in words.
    """
    import arviz as az
    import xarray as xr

    table: dict[str, dict[str, float]] = {}
    failed = list(failures)
    if draws:
        dataset = xr.Dataset({name: (("chain", "draw"), values) for name, values in draws.items()})
        # draws that never move divide zero by zero: the gates below see the NaN
        with np.errstate(divide="ignore", invalid="ignore"):
            columns = {
                "rhat": az.rhat(dataset),
                "ess_bulk": az.ess(dataset, method="bulk"),
                "ess_tail": az.ess(dataset, method="tail"),
                "mcse_mean": az.mcse(dataset, method="mean"),
                "mcse_sd": az.mcse(dataset, method="sd"),
            }
        table = {name: {key: float(value[name]) for key, value in columns.items()} for name in draws}
    for name, row in table.items():
        # a comparison that is false for NaN counts as a failure
        if not row["rhat"] <= settings.max_rhat:
            failed.append(f"R-hat of {name} is {row['rhat']:.3f}, above {settings.max_rhat:g}")
        failed += [
            f"{key} of {name} is {row[key]:.0f}, below {settings.min_ess:g}"
            for key in ("ess_bulk", "ess_tail")
            if not row[key] >= settings.min_ess
        ]
    if divergences > settings.max_divergences:
        failed.append(f"{divergences} divergent transitions, more than {settings.max_divergences}")
    return Diagnostics(table, divergences, tuple(failed))


def versions() -> dict[str, str]:
    """Versions of the packages that decide the draws."""
    return {name: version(name) for name in VERSIONED}


class Inputs(Protocol):
    """What is stored beside draws: ``ModelInputs`` and every model of ``bigpush_est.bayes.models`` have it."""

    @property
    def priors(self) -> tuple[Prior, ...]:
        """Of every parameter."""
        ...

    def described(self) -> dict[str, Any]:
        """Return the evidence as JSON can hold it."""
        ...


def to_datatree(posterior: Posterior, inputs: Inputs, attributes: Mapping[str, Any]) -> Any:
    """Return the draws as ArviZ data, with inputs, versions and diagnostics in the attributes."""
    import xarray as xr

    dims = ("chain", "draw")
    groups = {
        "posterior": xr.Dataset({name: (dims, values) for name, values in posterior.draws.items()}),
        # netCDF has no booleans
        "sample_stats": xr.Dataset({"diverging": (dims, posterior.diverging.astype(np.int8))}),
        "log_likelihood": xr.Dataset({"evidence": (dims, posterior.log_likelihood)}),
        "log_prior": xr.Dataset({name: (dims, value) for name, value in log_prior(posterior, inputs).items()}),
    }
    tree = xr.DataTree.from_dict(groups)
    tree.attrs = {
        "inputs": json.dumps(
            {"priors": {p.parameter: p.describe() for p in inputs.priors}, "evidence": inputs.described()},
            default=str,
        ),
        "versions": json.dumps(versions()),
        "diagnostics": json.dumps(asdict(posterior.diagnostics)),
        **{key: value if isinstance(value, str) else json.dumps(value) for key, value in attributes.items()},
    }
    return tree


def from_datatree(tree: Any) -> Posterior:
    """Return the draws that ``to_datatree`` wrote."""
    stored = json.loads(tree.attrs["diagnostics"])
    posterior = tree["posterior"].dataset
    return Posterior(
        {str(name): np.asarray(posterior[name].values) for name in posterior.data_vars},
        np.asarray(tree["log_likelihood"].dataset["evidence"].values),
        np.asarray(tree["sample_stats"].dataset["diverging"].values, dtype=bool),
        Diagnostics(stored["table"], stored["divergences"], tuple(stored["failures"]), stored["weights_ess"]),
    )


def log_prior(posterior: Posterior, inputs: Inputs) -> dict[str, FloatArray]:
    """Log prior density of each free parameter at each draw, from the SciPy form of the priors."""
    return {
        prior.parameter: np.asarray(prior.frozen().logpdf(posterior.draws[prior.parameter]))
        for prior in inputs.priors
        if not prior.fixed
    }


def power_scaling(tree: Any) -> dict[str, dict[str, float | str]]:
    """Return how much each posterior moves when the prior or the likelihood is raised to a power near one.

    Kallioinen, Paananen, Bürkner and Vehtari (2024): values above 0.05 say that the parameter is sensitive.
    """
    import arviz as az

    table = az.psense_summary(tree, var_names=list(tree["log_prior"].dataset.data_vars), round_to=6)
    return {
        str(name): {
            "prior": float(row["prior"]),
            "likelihood": float(row["likelihood"]),
            "diagnosis": str(row["diagnosis"]),
        }
        for name, row in table.iterrows()
    }
