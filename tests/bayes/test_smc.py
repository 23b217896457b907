"""Tempered sequential Monte Carlo: closed forms, two modes, resumption to the same bits, and what it counts."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from scipy import stats

from bigpush_est.bayes.nuts import import_pymc
from bigpush_est.bayes.priors import Prior, Support
from bigpush_est.bayes.sampling import SamplerSettings, diagnose, sample_model
from bigpush_est.bayes.smc import SMCSettings, normal_scores_inverted, sample_smc
from bigpush_est.errors import InvalidValue, NoStartingPoint, ResumeRefused, ShapeMismatch, UnreadableFile

LINE = Support(-np.inf, np.inf, "a number")
SETTINGS = SMCSettings(particles=1500)


def normal_prior(name, mean=0.0, sd=1.0):
    return Prior.parse(name, {"family": "normal", "mean": mean, "sd": sd}, within=LINE)


@dataclass(frozen=True)
class Conjugate:
    """b ~ Normal(A x, V), x ~ Normal: posterior and evidence in closed form."""

    priors: tuple[Prior, ...] = (normal_prior("x", 1.0, 2.0), normal_prior("y", -1.0, 0.5))
    data: Any = (2.0, 0.3, 1.1)

    DESIGN = np.array([[1.0, 0.0], [0.5, 2.0], [1.0, -1.0]])
    COVARIANCE = np.array([[0.3, 0.1, 0.0], [0.1, 0.5, -0.1], [0.0, -0.1, 0.4]])

    def log_likelihood(self, p):
        means = np.stack([p["x"], p["y"]], axis=-1) @ self.DESIGN.T
        return stats.multivariate_normal(np.zeros(3), self.COVARIANCE).logpdf(np.array(self.data) - means)

    def described(self):
        return {"data": list(self.data)}

    def exact(self):
        mean0, cov0 = np.array([1.0, -1.0]), np.diag([4.0, 0.25])
        precision = np.linalg.inv(self.COVARIANCE)
        covariance = np.linalg.inv(self.DESIGN.T @ precision @ self.DESIGN + np.linalg.inv(cov0))
        mean = covariance @ (self.DESIGN.T @ precision @ np.array(self.data) + np.linalg.inv(cov0) @ mean0)
        marginal = stats.multivariate_normal(self.DESIGN @ mean0, self.COVARIANCE + self.DESIGN @ cov0 @ self.DESIGN.T)
        return mean, covariance, marginal.logpdf(self.data)


@pytest.mark.parametrize("move", ["random walk", "independent"])
def test_conjugate_posterior_and_evidence(move):
    model = Conjugate()
    found = sample_smc(model, replace(SETTINGS, move=move), seed=4)
    assert found.posterior.diagnostics.passed
    mean, covariance, evidence = model.exact()
    flat = found.posterior.flat()
    for k, name in enumerate(("x", "y")):
        # the runs are independent: their spread is the Monte Carlo error
        runs = found.posterior.draws[name].mean(axis=1)
        assert abs(runs.mean() - mean[k]) < 5 * max(runs.std(ddof=1), 0.3 * np.sqrt(covariance[k, k] / 1500)) / 2
        assert flat[name].std() == pytest.approx(np.sqrt(covariance[k, k]), rel=0.05)
    assert np.corrcoef(flat["x"], flat["y"])[0, 1] == pytest.approx(
        covariance[0, 1] / np.sqrt(covariance[0, 0] * covariance[1, 1]), abs=0.05
    )
    value, error = found.evidence
    assert abs(value - evidence) < 5 * max(error, 0.01)
    assert error < 0.1
    assert found.failed == found.impossible == 0
    np.testing.assert_allclose(found.posterior.log_likelihood, model.log_likelihood(found.posterior.draws))


CENTRES, SPREAD, WEIGHTS = np.array([[-1.5, -1.5], [1.5, 1.5]]), 0.15, np.array([0.3, 0.7])


@dataclass(frozen=True)
class TwoModes:
    """A likelihood with two peaks under standard normal priors: by symmetry the modes weigh 0.3 and 0.7."""

    priors: tuple[Prior, ...] = (normal_prior("x"), normal_prior("y"))
    structure: Any = ("two modes",)

    def arrays(self):
        return {"centres": CENTRES}

    def log_likelihood(self, p):
        point = np.stack([p["x"], p["y"]], axis=-1)
        peaks = -0.5 * ((point[..., None, :] - CENTRES) ** 2).sum(axis=-1) / SPREAD**2 + np.log(WEIGHTS)
        return np.logaddexp(peaks[..., 0], peaks[..., 1])

    def build(self):
        pm = import_pymc()
        import pytensor.tensor as pt

        with pm.Model() as model:
            centres = pm.Data("centres", CENTRES)
            point = pt.stack([prior.variable(list(prior.numbers)) for prior in self.priors])
            peaks = -0.5 * ((point - centres) ** 2).sum(axis=-1) / SPREAD**2 + np.log(WEIGHTS)
            pm.Potential("evidence", pt.logaddexp(peaks[0], peaks[1]))
        return model

    def described(self):
        return {}


def test_two_modes_get_their_weights_where_one_nuts_chain_finds_one():
    model = TwoModes()
    found = sample_smc(model, SETTINGS, seed=8)
    high = (found.posterior.draws["x"] > 0.0).mean(axis=1)
    error = max(high.std(ddof=1), np.sqrt(0.21 / SETTINGS.particles)) / np.sqrt(high.size)
    assert abs(high.mean() - 0.7) < 4 * error
    assert error < 0.05
    chain = sample_model(model, SamplerSettings(chains=1, draws=1000), seed=1).draws["x"]
    assert (chain > 0.0).mean() in (0.0, 1.0)


def test_runs_that_disagree_fail():
    """Two modes that the moves cannot join, with so few particles that runs weigh them differently."""
    found = sample_smc(TwoModes(), replace(SETTINGS, particles=20, min_ess=10.0, max_rhat=1.001), seed=8)
    assert any("R-hat" in failure for failure in found.posterior.diagnostics.failures)


class Interrupting:
    def __init__(self, model, after):
        self.model, self.priors, self.left = model, model.priors, after

    def log_likelihood(self, p):
        self.left -= 1
        if self.left < 0:
            raise KeyboardInterrupt
        return self.model.log_likelihood(p)

    def described(self):
        return self.model.described()


@pytest.mark.parametrize("after", [1, 30, 100])
def test_resumed_runs_have_the_same_bits(tmp_path, after):
    settings = replace(SETTINGS, particles=200)
    whole = sample_smc(Conjugate(), settings, seed=2, checkpoint=tmp_path / "whole")
    stopped = Interrupting(Conjugate(), after)
    with pytest.raises(KeyboardInterrupt):
        sample_smc(stopped, settings, seed=2, checkpoint=tmp_path / "parts")
    again = sample_smc(Conjugate(), settings, seed=2, checkpoint=tmp_path / "parts")
    for name, values in whole.posterior.draws.items():
        np.testing.assert_array_equal(values, again.posterior.draws[name])
    np.testing.assert_array_equal(whole.log_evidence, again.log_evidence)
    assert (whole.evaluations, whole.failed) == (again.evaluations, again.failed)


def test_other_runs_are_not_resumed(tmp_path):
    settings = replace(SETTINGS, particles=100)
    sample_smc(Conjugate(), settings, seed=2, checkpoint=tmp_path)
    for other in ({"model": Conjugate(data=(2.0, 0.3, 1.2))}, {"seed": 3}, {"settings": replace(settings, moved=0.9)}):
        with pytest.raises(ResumeRefused, match="differ"):
            sample_smc(**{"model": Conjugate(), "settings": settings, "seed": 2} | other, checkpoint=tmp_path)
    # gates move no particle
    sample_smc(Conjugate(), replace(settings, min_ess=1.0), seed=2, checkpoint=tmp_path)
    (tmp_path / "smc-run-0.npz").write_bytes(b"no archive")
    with pytest.raises(UnreadableFile, match="delete it"):
        sample_smc(Conjugate(), settings, seed=2, checkpoint=tmp_path)


class Failing(Conjugate):
    """Where x > 1.5 the likelihood cannot be computed, where y > 0 the data are impossible."""

    def log_likelihood(self, p):
        value = super().log_likelihood(p)
        value = np.where(p["y"] > 0.0, -np.inf, value)
        return np.where(p["x"] > 1.5, np.nan, value)


def test_failed_likelihoods_are_counted_and_never_kept():
    found = sample_smc(Failing(), SETTINGS, seed=5)
    assert found.failed > 0
    assert found.impossible > 0
    assert any("could not be computed" in failure for failure in found.posterior.diagnostics.failures)
    assert (found.posterior.draws["x"] <= 1.5).all()
    assert (found.posterior.draws["y"] <= 0.0).all()
    # the evidence counts the mass that was cut away: by quadrature
    x, y = np.meshgrid(np.linspace(-9, 1.5, 1501), np.linspace(-4, 0, 1001), indexing="ij")
    density = np.exp(Conjugate().log_likelihood({"x": x, "y": y}))
    for prior, values in zip(Conjugate().priors, (x, y), strict=True):
        density *= prior.frozen().pdf(values)
    exact = np.log(density.sum() * (x[1, 0] - x[0, 0]) * (y[0, 1] - y[0, 0]))
    value, error = found.evidence
    assert abs(value - exact) < 5 * max(error, 0.01)


def test_a_likelihood_that_is_nowhere_positive_is_refused():
    class Nowhere(Conjugate):
        def log_likelihood(self, p):
            return np.full(p["x"].shape, -np.inf)

    class Scalar(Conjugate):
        def log_likelihood(self, p):
            return np.zeros(3)

    with pytest.raises(NoStartingPoint, match="likelihood above zero"):
        sample_smc(Nowhere(), SETTINGS, seed=1)
    with pytest.raises(ShapeMismatch, match="one number per particle"):
        sample_smc(Scalar(), SETTINGS, seed=1)
    with pytest.raises(InvalidValue, match="particles"):
        SMCSettings(particles=5)
    fixed = Prior.parse("x", {"family": "fixed", "value": 1.0}, within=LINE)
    with pytest.raises(InvalidValue, match="all fixed"):
        sample_smc(Conjugate(priors=(fixed,)), SETTINGS, seed=1)


@pytest.mark.parametrize(
    ("name", "table"),
    [
        ("delta", {"family": "half_normal", "scale": 1.0}),
        ("subsidy", {"family": "beta", "a": 1.5, "b": 10.0}),
        ("sigma", {"family": "normal", "mean": 4.0, "sd": 1.5}),
        ("delta", {"family": "gamma", "shape": 2.0, "scale": 0.4}),
    ],
)
def test_normal_scores(name, table):
    """Φ(z) = F(x) in the body, and the far tails stay apart."""
    prior = Prior.parse(name, table)
    z = np.linspace(-6.0, 6.0, 41)
    x = normal_scores_inverted(prior, z)
    np.testing.assert_allclose(prior.frozen().cdf(x[z < 0]), stats.norm.cdf(z[z < 0]), rtol=1e-7)
    np.testing.assert_allclose(prior.frozen().sf(x[z > 0]), stats.norm.sf(z[z > 0]), rtol=1e-7)
    assert (np.diff(x) > 0).all()


def test_diagnose_takes_runs_as_chains():
    found = sample_smc(Conjugate(), SETTINGS, seed=4)
    again = diagnose(found.posterior.draws, 0, SamplerSettings(max_rhat=1.05))
    assert again.table == found.posterior.diagnostics.table
