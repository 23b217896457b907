"""Simulation-based calibration of the pipeline's posterior models: ranks of the truth among draws are uniform.

Talts, Betancourt, Simpson, Vehtari and Gelman (2018).  Truths come from the priors, data from the model at the truth.
"""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats
from tests.bayes.test_hierarchical_event_study import stack_of

from bigpush_est.bayes.complementarity import Complementarity
from bigpush_est.bayes.estimates import Estimate, FirstStage
from bigpush_est.bayes.evidence_set import EvidenceSet
from bigpush_est.bayes.models.adoption import AdoptionCounts, AdoptionModel, HeldFundamentals, adoption_prior
from bigpush_est.bayes.models.contrasts import Contrasts
from bigpush_est.bayes.models.event_study import EventStudyModel, scale_prior
from bigpush_est.bayes.models.joint import JointModel
from bigpush_est.bayes.models.mapping import effects
from bigpush_est.bayes.models.normal import NormalModel
from bigpush_est.bayes.models.weak_iv import STRENGTH, WeakInstrumentModel, first_stage_coefficient, weak_prior
from bigpush_est.bayes.priors import PARAMETERS, Prior
from bigpush_est.bayes.sampling import SamplerSettings, sample_model
from bigpush_est.bayes.smc import SMCSettings, sample_smc
from bigpush_est.equilibrium.spatial.scenarios import example_baseline

pytestmark = pytest.mark.validate
SETTINGS = SamplerSettings(draws=500, chains=2, tune=500, max_rhat=1.1, min_ess=50.0, max_divergences=20)
RANKS = 49
ERRORS = np.array([0.24, 0.73, 0.41])
NAMES: tuple[tuple[str, str], ...] = (("winners", "direct"), ("A3", "spillover"), ("B3", "complementarity"))
SLOPES = Complementarity.tabulate(
    lambda log_eta, delta, subsidy: 2.0 * delta / (1.0 + delta) * (1.0 + log_eta) - subsidy,
    log_eta=np.linspace(0.0, 1.5, 5),
    delta=np.linspace(0.0, 3.0, 13),
    subsidy=np.linspace(0.0, 0.6, 4),
    label="approximation",
    provenance="made up",
)


def priors():
    tables = {
        "log_eta": {"family": "log_normal", "median": 0.2, "log_sd": 0.4},
        "delta": {"family": "half_normal", "scale": 0.8},
        "subsidy": {"family": "beta", "a": 1.5, "b": 10.0},
        "sigma": {"family": "normal", "mean": 5.0, "sd": 0.5},
        "pareto_ratio": {"family": "fixed", "value": 1.06},
    }
    return tuple(Prior.parse(name, tables[name]) for name in PARAMETERS)


def truth_of(model, rng):
    return {prior.parameter: float(prior.draw(1, rng)[0]) for prior in model.priors}


class Tally:
    """Ranks of the truth among thinned draws, and whether the 90% interval covers it."""

    def __init__(self, model, label):
        self.label = label
        self.ranks = {prior.parameter: [] for prior in model.priors if not prior.fixed}
        self.covered = {name: [] for name in self.ranks}

    def add(self, flat, truth):
        for name, ranks in self.ranks.items():
            draws = flat[name]
            chosen = draws[np.linspace(0, draws.size - 1, RANKS).astype(int)]
            ranks.append(int((chosen < truth[name]).sum()))
            low, high = np.quantile(draws, [0.05, 0.95])
            self.covered[name].append(low <= truth[name] <= high)

    def check(self, bins):
        size = len(next(iter(self.ranks.values())))
        print(f"\n{self.label}: {size} simulations")
        for name, ranks in self.ranks.items():
            counts = np.bincount(np.array(ranks) * bins // (RANKS + 1), minlength=bins)
            p = stats.chisquare(counts).pvalue
            coverage, error = np.mean(self.covered[name]), np.sqrt(0.09 / size)
            print(f"  {name}: ranks {counts.tolist()}, p = {p:.3f}, coverage of 90% {coverage:.3f} ± {error:.3f}")
        for name, ranks in self.ranks.items():
            counts = np.bincount(np.array(ranks) * bins // (RANKS + 1), minlength=bins)
            assert stats.chisquare(counts).pvalue > 0.001, name
            assert abs(np.mean(self.covered[name]) - 0.9) < 4 * np.sqrt(0.09 / size), name


def evidence_of(values, covariance, **options):
    found = tuple(Estimate(name, kind, float(v)) for (name, kind), v in zip(NAMES, values, strict=True))
    return EvidenceSet(found, covariance, exponent="kept", subsidised_share=0.5, **options)


CORRELATION = np.array([[1.0, 0.4, 0.2], [0.4, 1.0, 0.5], [0.2, 0.5, 1.0]])
COVARIANCE = CORRELATION * np.outer(ERRORS, ERRORS)


def test_normal():
    """(a) Three estimates, with the table of slopes and the subsidy's term."""
    rng = np.random.default_rng(1)
    model = NormalModel(priors(), evidence_of(np.zeros(3), COVARIANCE), SLOPES)
    tally = Tally(model, "normal")
    for number in range(400):
        truth = truth_of(model, rng)
        mean = [float(one) for one in effects(np, model.arrays(), {k: np.float64(v) for k, v in truth.items()})]
        values = rng.multivariate_normal(mean, COVARIANCE)
        posterior = sample_model(replace(model, evidence=evidence_of(values, COVARIANCE)), SETTINGS, seed=number)
        tally.add(posterior.flat(), truth)
    tally.check(10)


def test_weak_instrument():
    """(b) Instruments of strengths drawn from Normal(0, 3): most are weak."""
    rng = np.random.default_rng(2)
    # reduced form, first stage, direct, complementarity
    scale = np.array([0.07, 0.03, 0.24, 0.41])
    correlation = np.array([[1, 0.5, 0.3, 0.2], [0.5, 1, 0.1, 0.3], [0.3, 0.1, 1, 0.2], [0.2, 0.3, 0.2, 1]])
    matrix = correlation * np.outer(scale, scale)

    def model_at(values):
        cross = np.zeros((2, 3))
        cross[:, [0, 2]] = matrix[:2, 2:]
        stage = FirstStage("A3", float(values[0]), float(values[1]), matrix[:2, :2], cross)
        covariance = np.diag(ERRORS**2)
        covariance[np.ix_([0, 2], [0, 2])] = matrix[2:, 2:]
        evidence = evidence_of([values[2], 0.0, values[3]], covariance, first_stage=stage)
        return WeakInstrumentModel((*priors(), weak_prior(3.0)), evidence, SLOPES)

    model = model_at(np.zeros(4))
    tally = Tally(model, "weak instrument")
    for number in range(300):
        truth = {name: np.float64(value) for name, value in truth_of(model, rng).items()}
        direct, spillover, slope = (float(one) for one in effects(np, model.arrays(), truth))
        first = float(first_stage_coefficient(np, model.arrays(), truth))
        values = rng.multivariate_normal([first * spillover, first, direct, slope], matrix)
        tally.add(sample_model(model_at(values), SETTINGS, seed=number).flat(), truth)
    assert STRENGTH in tally.ranks
    tally.check(10)


def test_event_study():
    """(c) Fourteen matches, two of which share a winner; serial correlation uniform up to 0.98."""
    rng = np.random.default_rng(3)
    contrasts = Contrasts.of_stack(stack_of(matches=14, shared=[(1, 0, 1)]), "y")
    own = (
        scale_prior("error_sd", {"family": "log_normal", "median": 0.3, "log_sd": 0.3}),
        scale_prior("heterogeneity", {"family": "half_normal", "scale": 0.3}),
    )
    model = EventStudyModel(
        (*priors(), *own), contrasts.statistics()[0], contrasts.event_times, contrasts.matches, horizon=3
    )
    tally = Tally(model, "event study")
    truths, data = [], []
    for _ in range(150):
        truth = truth_of(model, rng)
        steps = {f"{name}[{i}]": rng.standard_normal() for name, size in model.vectors.items() for i in range(size)}
        effect = np.concatenate([model.path(truth | steps), model.match_effects(truth | steps)])
        errors = contrasts.simulate_errors(truth["serial_correlation"], 1, rng)[:, 0]
        truths.append(truth)
        data.append(contrasts.effects @ effect + truth["error_sd"] * errors)
    reduced = contrasts.statistics(values=np.column_stack(data))
    for number, (truth, statistics) in enumerate(zip(truths, reduced, strict=True)):
        posterior = sample_model(replace(model, statistics=statistics), SETTINGS, seed=number)
        tally.add(posterior.flat(), truth)
    tally.check(10)


def adoption_model():
    """Four regions, three periods, 60 firms each, over-dispersed; δ and s̄ are free, and log η where asked for."""
    own = {
        "adoption_cost": {"family": "fixed", "value": 0.25},
        "kappa": {"family": "fixed", "value": 1.4},
        "overdispersion": {"family": "fixed", "value": 0.02},
    }
    fixed = {"log_eta": np.log(1.25), "sigma": 5.0, "pareto_ratio": 1.06}
    held = tuple(
        Prior.parse(one.parameter, {"family": "fixed", "value": fixed[one.parameter]})
        if one.parameter in fixed
        else one
        for one in priors()
    )
    every = (*held, *(adoption_prior(name, table) for name, table in own.items()))
    counts = AdoptionCounts(np.zeros((3, 4)), np.full((3, 4), 60.0))
    return AdoptionModel(every, counts, HeldFundamentals(example_baseline()))


#: A short run: the gates are the tally's.
SHORT = SMCSettings(particles=100, runs=2, max_moves=8, max_rhat=1.5, min_ess=20.0)


def test_adoption():
    """(d) Four regions, three periods, 60 firms each, over-dispersed: δ and s̄ by a short SMC."""
    rng = np.random.default_rng(4)
    model = adoption_model()
    tally = Tally(model, "adoption")
    for number in range(60):
        truth = truth_of(model, rng)
        simulated = replace(model, counts=model.simulate(truth, rng))
        tally.add(sample_smc(simulated, SHORT, seed=number).posterior.flat(), truth)
    tally.check(5)


def test_joint():
    """(e) The counts of (d) and two estimates, under one prior with log η free: by a short SMC."""
    rng = np.random.default_rng(5)
    plain = adoption_model()
    free = next(prior for prior in priors() if prior.parameter == "log_eta")
    model = replace(plain, priors=tuple(free if one.parameter == "log_eta" else one for one in plain.priors))
    own = tuple(one for one in model.priors if one.parameter in PARAMETERS)
    covariance = COVARIANCE[:2, :2]

    def estimates_at(values):
        found = tuple(Estimate(name, kind, float(v)) for (name, kind), v in zip(NAMES, values, strict=False))
        return NormalModel(own, EvidenceSet(found, covariance, exponent="kept", subsidised_share=0.5))

    blank = estimates_at(np.zeros(2))
    tally = Tally(model, "joint")
    assert set(tally.ranks) == {"log_eta", "delta", "subsidy"}
    for number in range(60):
        truth = truth_of(model, rng)
        point = {name: np.float64(truth[name]) for name in PARAMETERS}
        mean = [float(one) for one in effects(np, blank.arrays(), point)[:2]]
        simulated = JointModel(
            estimates_at(rng.multivariate_normal(mean, covariance)),
            replace(model, counts=model.simulate(truth, rng)),
        )
        tally.add(sample_smc(simulated, SHORT, seed=number).posterior.flat(), truth)
    tally.check(5)


def test_three_samplers_agree_on_the_normal_model():
    """The same posterior by nutpie, by PyMC's NUTS and by SMC, within five Monte Carlo errors."""
    model = NormalModel(priors(), evidence_of([0.9, 2.7, 0.85], COVARIANCE), SLOPES)
    settings = SamplerSettings(draws=2000)
    found = {
        "nutpie": sample_model(model, settings, seed=1),
        "PyMC": sample_model(model, replace(settings, sampler="pymc"), seed=2),
        "SMC": sample_smc(model, SMCSettings(particles=4000), seed=3).posterior,
    }
    for name in ("log_eta", "delta", "subsidy", "sigma"):
        means = {key: one.draws[name].mean() for key, one in found.items()}
        errors = {key: one.diagnostics.table[name]["mcse_mean"] for key, one in found.items()}
        print(f"\n{name}: " + ", ".join(f"{key} {means[key]:.4f} ± {errors[key]:.4f}" for key in found), end="")
        for key in ("PyMC", "SMC"):
            assert abs(means[key] - means["nutpie"]) < 5 * np.hypot(errors[key], errors["nutpie"]), (name, key)
