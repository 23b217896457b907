"""Adoption counts: probabilities, truth recovered, two steady states found, and the joint posterior."""

from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from scipy import stats

from bigpush_est.bayes.estimates import Estimate
from bigpush_est.bayes.evidence_set import EvidenceSet
from bigpush_est.bayes.models.adoption import (
    AdoptionCounts,
    AdoptionModel,
    HeldFundamentals,
    adoption_prior,
    log_probability,
)
from bigpush_est.bayes.models.joint import JointModel
from bigpush_est.bayes.models.normal import NormalModel
from bigpush_est.bayes.priors import PARAMETERS, Prior, Support
from bigpush_est.bayes.smc import SMCSettings, sample_smc
from bigpush_est.equilibrium.spatial.economy import SpatialEconomy
from bigpush_est.equilibrium.spatial.scenarios import Baseline, example_baseline
from bigpush_est.equilibrium.spatial.static import solve_static, static_preconditioner
from bigpush_est.errors import InputError, InvalidValue, MissingKey, ShapeMismatch

TRUTH = {"log_eta": np.log(1.25), "delta": 0.68, "subsidy": 0.10, "sigma": 5.0, "pareto_ratio": 1.06}
OWN = {"adoption_cost": 0.25, "kappa": 1.4, "overdispersion": 0.0}
#: Small: every likelihood solves three equilibria.
SMALL = SMCSettings(particles=120, runs=2, max_rhat=1.1, min_ess=40.0, max_moves=12)


def priors(**free):
    """Every parameter fixed at the truth, but for those that are given a table."""
    tables = {name: {"family": "fixed", "value": value} for name, value in (TRUTH | OWN).items()} | free
    return tuple(
        Prior.parse(name, table) if name in PARAMETERS else adoption_prior(name, table)
        for name, table in tables.items()
    )


@pytest.fixture(scope="module")
def shares():
    return HeldFundamentals(example_baseline())


def example_model(shares, firms=200, **free):
    counts = AdoptionCounts(np.zeros((3, 4)), np.full((3, 4), firms))
    model = AdoptionModel(priors(**free), counts, shares)
    return replace(model, counts=model.simulate(TRUTH | OWN, np.random.default_rng(1)))


def test_probabilities_are_the_baselines(shares):
    """At the baseline's own parameters the shares are its equilibria's, whatever else is in the batch."""
    base = example_baseline()
    p = {name: np.array([value, value]) for name, value in (TRUTH | OWN).items()}
    p["subsidy"][1] = 0.0
    found, good = shares(p)
    assert good.all()
    for t, equilibrium in enumerate(base.equilibria):
        np.testing.assert_allclose(found[0, t], equilibrium.adopter_share[0, 1], atol=1e-7)
    lag = base.initial_share
    for t, economy in enumerate(base.economies):
        solved = solve_static(economy.changed(subsidy=np.zeros((3, 4))), lag)
        lag = solved.adopter_share
        np.testing.assert_allclose(found[1, t], lag[0, 1], atol=1e-7)


def test_log_probability_is_scipys():
    y, n = np.array([[3.0, 0.0, 7.0]]), np.array([[10.0, 4.0, 7.0]])
    share = np.array([[[0.3, 0.05, 0.9]]])
    np.testing.assert_allclose(log_probability(y, n, share, 0.0)[0], stats.binom(n, share[0]).logpmf(y))
    r = 0.2
    mixed = stats.betabinom(n, share[0] * (1 - r) / r, (1 - share[0]) * (1 - r) / r).logpmf(y)
    np.testing.assert_allclose(log_probability(y, n, share, r)[0], mixed)
    # nobody can adopt where λ = 0, and nothing is learnt from a cell without firms
    assert log_probability(np.array([[1.0]]), np.array([[5.0]]), np.zeros((1, 1, 1)), 0.0)[0, 0, 0] == -np.inf
    assert log_probability(np.zeros((1, 1)), np.zeros((1, 1)), share[:, :, :1], r)[0, 0, 0] == 0.0


def test_likelihood_peaks_near_the_truth(shares):
    """With many firms the log-likelihood falls away from the truth on both sides of every parameter."""
    model = example_model(shares, firms=4000)
    names = ("log_eta", "delta", "subsidy", "adoption_cost", "kappa")
    points = [TRUTH | OWN]
    for name in names:
        points += [(TRUTH | OWN) | {name: (TRUTH | OWN)[name] * factor} for factor in (0.9, 1.1)]
    p = {name: np.array([point[name] for point in points]) for name in points[0]}
    value = model.log_likelihood(p)
    assert (value[1:] < value[0] - 3.0).all()


def test_truth_is_recovered(shares):
    """δ, s̄ and F^T from twelve counts: the truth lies within the posterior, which is far narrower than the prior."""
    free = {
        "delta": {"family": "half_normal", "scale": 1.0},
        "subsidy": {"family": "beta", "a": 1.5, "b": 10.0},
        "adoption_cost": {"family": "log_normal", "median": 0.3, "log_sd": 0.4},
    }
    model = example_model(shares, **free)
    found = sample_smc(model, SMALL, seed=3)
    assert found.failed <= 0.01 * found.evaluations
    for name, truth in (("delta", 0.68), ("subsidy", 0.1), ("adoption_cost", 0.25)):
        draws = found.posterior.flat()[name]
        assert abs(draws.mean() - truth) < 3.5 * draws.std(), name
        prior = next(prior for prior in model.priors if prior.parameter == name).frozen()
        assert draws.std() < 0.35 * prior.std(), name


def test_joint_posterior_multiplies_the_likelihoods(shares):
    free = {"delta": {"family": "half_normal", "scale": 1.0}, "subsidy": {"family": "beta", "a": 1.5, "b": 10.0}}
    adoption = example_model(shares, **free)
    evidence = EvidenceSet.of([Estimate("iv", "spillover", 2.7)], standard_errors=[0.73])
    estimates = NormalModel(tuple(prior for prior in adoption.priors if prior.parameter in PARAMETERS), evidence)
    model = JointModel(estimates, adoption)
    p = {name: np.full(3, value) for name, value in (TRUTH | OWN).items()} | {"delta": np.array([0.5, 0.68, 0.9])}
    own = {name: p[name] for name in PARAMETERS}
    expected = adoption.log_likelihood(p) + estimates.log_likelihood(own)
    np.testing.assert_allclose(model.log_likelihood(p), expected)
    assert [prior.parameter for prior in model.priors] == [*PARAMETERS, *OWN]
    other = NormalModel(priors()[:5], evidence)
    with pytest.raises(InvalidValue, match="one prior in both"):
        JointModel(other, adoption)


# -- two steady states ------------------------------------------------------------------------------------------------


def two_regions():
    """Two like regions that trade: with δ = 1.5, whichever starts ahead ends with all adopters."""
    nobody = np.zeros((2, 2))
    economy = SpatialEconomy.of(
        sigma=5.0,
        theta=4.24,
        kappa=1.4,
        eta=1.25,
        delta=1.5,
        distortion_elasticity=np.zeros(2),
        distortion_level=np.ones(2),
        adoption_cost=[0.5, np.inf],
        export_cost=[0.0, 0.0],
        preference_share=[0.4, 0.6],
        labour_share=[0.5, 0.7],
        input_share=[[0.4, 0.1], [0.2, 0.1]],
        firm_mass=np.full((2, 2), 0.2),
        labour=np.full(2, 0.5),
        freeness=np.array([[[1.0, 0.3], [0.3, 1.0]]] * 2),
        port_freeness=nobody,
        tariff=[0.0, 0.0],
        productivity=np.ones((2, 2)),
        foreign_price=[np.inf, np.inf],
        foreign_demand=[0.0, 0.0],
        subsidy=nobody,
    )
    initial = np.array([[0.3, 0.3], [0.0, 0.0]])
    solved = solve_static(economy, initial)
    matrix = static_preconditioner(solved)
    return Baseline((economy,) * 5, (solved,) * 5, initial, heavy=0, preconditioners=(matrix,) * 6)


@dataclass(frozen=True, slots=True, eq=False)
class UnknownStart(HeldFundamentals):
    """The shares before the first period are not observed: they are parameters."""

    parameters: tuple[str, ...] = field(default=("adoption_cost", "kappa", "start_0", "start_1"), init=False)

    def initial_share(self, p):
        share = np.zeros((p["delta"].size, 2, 2))
        share[:, 0, 0], share[:, 0, 1] = p["start_0"], p["start_1"]
        return share


def model_at(model, counts, point):
    return float(replace(model, counts=counts).log_likelihood(point))


def test_two_steady_states_that_explain_the_counts_are_both_found():
    """Only a national count after five periods: either region may have industrialised, each with probability ½."""
    nothing = np.zeros((4, 1))
    truth = TRUTH | OWN | {"delta": 1.5, "subsidy": 0.0, "adoption_cost": 0.5, "start_0": 0.2, "start_1": 0.6}
    unit = Support(0.0, 1.0, "a share", low_included=True)
    fixed = {name: {"family": "fixed", "value": value} for name, value in truth.items()}
    fixed["subsidy"] = {"family": "fixed", "value": 1e-6}
    own = tuple(
        Prior.parse(name, table) if name in PARAMETERS else adoption_prior(name, table)
        for name, table in fixed.items()
        if not name.startswith("start")
    )
    starts = tuple(
        Prior.parse(name, {"family": "uniform", "low": 0.0, "high": 1.0}, within=unit)
        for name in ("start_0", "start_1")
    )
    counts = AdoptionCounts(np.vstack([nothing, [[0.0]]]), np.vstack([nothing, [[2000.0]]]), np.full((1, 2), 0.5))
    model = AdoptionModel((*own, *starts), counts, UnknownStart(two_regions()))
    counts = model.simulate(truth, np.random.default_rng(6))
    # one region has all adopters, the other none
    assert counts.adopters[-1, 0] == pytest.approx(1000, abs=120)
    found = sample_smc(replace(model, counts=counts), replace(SMALL, particles=250), seed=2)
    first, second = found.posterior.draws["start_0"], found.posterior.draws["start_1"]
    ahead = (second > first).mean(axis=1)
    # the particles of a mode descend from its prior draws: their number is binomial at least once
    assert abs(ahead.mean() - 0.5) < 4 * np.sqrt(0.25 / found.posterior.draws["start_0"].size) * 1.5
    share, _ = model.shares({name: values.reshape(-1) for name, values in found.posterior.draws.items()})
    won = share[:, -1, 1] > share[:, -1, 0]
    assert (won == (second > first).reshape(-1)).all()
    assert (np.abs(share[:, -1] - 0.5) > 0.3).all()
    # a start that is equal in both regions leads to neither, and does not explain the count
    equal = model_at(model, counts, truth | {"start_0": 0.4, "start_1": 0.4})
    assert equal < model_at(model, counts, truth) - 20.0


# -- refusals ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (([[1, 2]], [[3]]), "one row per period"),
        (([[4.0]], [[3.0]]), "4 of 3"),
        (([[1.5]], [[3.0]]), "whole numbers"),
        (([[0.0]], [[0.0]]), "some firms"),
        (([[1.0]], [[3.0]], np.array([[0.5, 0.6]])), "sum to 1"),
        (([[1.0]], [[3.0]], np.array([[0.5, 0.5], [1.0, 0.0]])), "cells"),
    ],
)
def test_bad_counts_are_refused(arguments, match):
    with pytest.raises(InputError, match=match):
        AdoptionCounts(*arguments)


def test_bad_models_are_refused(shares):
    counts = AdoptionCounts(np.zeros((3, 4)), np.full((3, 4), 10))
    with pytest.raises(MissingKey, match="kappa"):
        AdoptionModel(priors()[:6], counts, shares)
    with pytest.raises(InvalidValue, match="misrecorded"):
        AdoptionModel(priors(), counts, shares, misrecorded=0.5)
    wrong = AdoptionModel(priors(), AdoptionCounts([[1.0]], [[3.0]]), shares)
    with pytest.raises(ShapeMismatch, match="periods and regions"):
        wrong.log_likelihood(TRUTH | OWN)


def test_a_particle_without_an_economy_fails_alone(shares):
    model = example_model(shares)
    p = {name: np.full(3, value) for name, value in (TRUTH | OWN).items()}
    p["adoption_cost"][1] = 0.0
    value = model.log_likelihood(p)
    assert np.isnan(value).tolist() == [False, True, False]
    assert value[0] == value[2] == model.log_likelihood(TRUTH | OWN)
