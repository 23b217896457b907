"""Adopter shares with fundamentals inverted at every particle: against the calibration's own inversions, one by one."""

import numpy as np
import pytest
from tests.equilibrium.spatial.test_calibration import TRUTH, small_problem

from bigpush_est.bayes.models.adoption import AdoptionCounts, AdoptionModel, InvertedFundamentals, adoption_prior
from bigpush_est.bayes.priors import PARAMETERS, Prior
from bigpush_est.equilibrium.spatial.anchor import Anchor
from bigpush_est.equilibrium.spatial.calibration import Evaluator
from bigpush_est.equilibrium.spatial.external_draws import ExternalDraws, at_draws


@pytest.fixture(scope="module")
def anchor():
    return Anchor.of(small_problem(), TRUTH)


def particles(anchor):
    """The calibration's own parameters, and another point."""
    external = anchor.external
    ratio = float(external.theta[0] / (external.sigma[0] - 1.0))
    return {
        "log_eta": np.log([external.eta[0], 1.2]),
        "delta": np.array([external.delta[0], 0.5]),
        "subsidy": np.array([TRUTH[3], 0.8 * TRUTH[3]]),
        "sigma": np.full(2, external.sigma[0]),
        "pareto_ratio": np.full(2, ratio),
        "adoption_cost": np.array([TRUTH[0], 1.05 * TRUTH[0]]),
        "kappa": np.array([TRUTH[4], 1.0 + 1.02 * (TRUTH[4] - 1.0)]),
        "overdispersion": np.zeros(2),
    }


def test_shares_are_those_of_single_inversions(anchor):
    p = particles(anchor)
    found, good = InvertedFundamentals(anchor)(p)
    assert good.all()
    heavy = anchor.problem.adopting_sector
    for d in range(2):
        one = ExternalDraws(
            np.exp(p["log_eta"][[d]]),
            p["delta"][[d]],
            *(getattr(anchor.external, name) for name in ("sigma", "theta", "xi")),
        )
        trial = TRUTH.copy()
        trial[[0, 3, 4]] = p["adoption_cost"][d], p["subsidy"][d], p["kappa"][d]
        inversions = Evaluator(at_draws(anchor.problem, one)).invert(trial[None])
        for t, inversion in enumerate(inversions):
            np.testing.assert_allclose(found[d, t], inversion.equilibrium.adopter_share[0, heavy], atol=1e-7)


def test_model_with_inverted_fundamentals(anchor):
    """Counts drawn at the truth are likelier there than at the other point."""
    p = particles(anchor)
    regions, periods = anchor.problem.economies[0].n_regions, len(anchor.problem.economies)
    priors = tuple(
        make(name, {"family": "fixed", "value": float(values[0])})
        for name, values in p.items()
        for make in ([Prior.parse] if name in PARAMETERS else [adoption_prior])
    )
    blank = AdoptionCounts(np.zeros((periods, regions)), np.full((periods, regions), 500.0))
    model = AdoptionModel(priors, blank, InvertedFundamentals(anchor))
    counts = model.simulate({name: values[0] for name, values in p.items()}, np.random.default_rng(2))
    value = AdoptionModel(priors, counts, model.shares).log_likelihood(p)
    assert value[0] > value[1] + 3.0
