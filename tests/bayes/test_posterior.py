"""The posterior against exact quadrature, across samplers, workers and processes."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import integrate, stats

from bigpush_est.bayes.model import log_likelihood
from bigpush_est.bayes.sampling import (
    SamplerSettings,
    diagnose,
    from_datatree,
    power_scaling,
    sample_posterior,
    to_datatree,
)
from bigpush_est.bayes.shares import draw_subsidy, log_share_density
from bigpush_est.equilibrium.simple import SimpleEconomy
from bigpush_est.study import load_study

SETTINGS = SamplerSettings(draws=2000)


@pytest.fixture(scope="module")
def inputs():
    return load_study("published").inputs()


@pytest.fixture(scope="module")
def posterior(inputs):
    return sample_posterior(inputs, SETTINGS, seed=11, cores=2)


def within(posterior, name, expected, statistic="mean"):
    """The Monte Carlo estimate lies within five standard errors of the truth."""
    values = posterior.draws[name]
    error = posterior.diagnostics.table[name][f"mcse_{statistic}"]
    found = values.mean() if statistic == "mean" else values.std()
    assert abs(found - expected) < 5 * error, (name, found, expected, error)


def test_marginals_match_quadrature(inputs, posterior):
    """Without subsidy term and correlation, δ and log η have one-dimensional posteriors: truncated normals."""
    for name, (estimate, error), scale in (("delta", (2.70, 0.73), 1.0), ("log_eta", (0.90, 0.24), 0.5)):
        precision = (4.0 / error) ** 2 + 1.0 / scale**2
        mean, sd = 4.0 * estimate / error**2 / precision, precision**-0.5
        exact = stats.truncnorm((0.0 - mean) / sd, np.inf, loc=mean, scale=sd)
        within(posterior, name, exact.mean())
        within(posterior, name, exact.std(), "sd")


def test_diagnostics_pass(posterior):
    assert posterior.diagnostics.passed
    assert posterior.diagnostics.effective_draws > 1000


def test_correlation_matches_quadrature(inputs):
    correlated = replace(inputs, evidence=replace(inputs.evidence, correlation=0.8, use_shares=False))
    posterior = sample_posterior(correlated, SETTINGS, seed=5, cores=2)
    eta, delta = np.meshgrid(np.linspace(1e-4, 0.6, 601), np.linspace(1e-4, 1.8, 601), indexing="ij")
    p = {"log_eta": eta, "delta": delta, "sigma": 5.0, "pareto_ratio": 1.06, "subsidy": 0.07}
    density = log_likelihood(np, correlated.data(), p)
    density += inputs.prior("log_eta").frozen().logpdf(eta) + inputs.prior("delta").frozen().logpdf(delta)
    weight = np.exp(density - density.max())
    weight /= weight.sum()
    within(posterior, "log_eta", (weight * eta).sum())
    within(posterior, "delta", (weight * delta).sum())


def test_likelihood_is_the_bivariate_normal(inputs):
    """The factored density equals SciPy's, subsidy term included."""
    evidence = replace(inputs.evidence, correlation=-0.6, subsidised_share=0.4, use_credit=False)
    p = {"log_eta": 0.3, "delta": 0.5, "sigma": 4.2, "pareto_ratio": 1.2, "subsidy": 0.1}
    mean = [3.2 * 0.3 - 3.2 * 0.4 * np.log(0.9), 3.2 * 0.5]
    errors = np.array([0.24, 0.73])
    covariance = np.outer(errors, errors) * np.array([[1, -0.6], [-0.6, 1]])
    expected = stats.multivariate_normal(mean, covariance).logpdf([0.90, 2.70])
    assert log_likelihood(np, replace(inputs, evidence=evidence).data(), p) == pytest.approx(expected)


def test_subsidy_term_lowers_eta():
    """At s̄ = 0.06 and all winners subsidised, 0.90 means η = 1.18 instead of 1.25."""
    assert np.exp((0.9 + 4.0 * np.log(0.94)) / 4.0) == pytest.approx(1.18, abs=0.005)
    study = load_study("published", {"evidence.direct_effect.subsidised_share": 1.0})
    full = sample_posterior(study.inputs(), SETTINGS, seed=3, cores=2)
    base = sample_posterior(load_study("published").inputs(), SETTINGS, seed=3, cores=2)
    gap = base.draws["log_eta"].mean() - full.draws["log_eta"].mean()
    assert gap == pytest.approx(-np.log1p(-full.draws["subsidy"]).mean(), abs=0.01)


def test_share_density_is_the_density_of_the_maps_error(inputs):
    """A share drawn from Γ with a normal shock to k has the density that the likelihood states."""
    p = {"log_eta": 0.22, "delta": 0.7, "sigma": 5.0, "pareto_ratio": 1.06, "subsidy": 0.08}
    one = {name: np.array([value]) for name, value in p.items()}
    economy = SimpleEconomy.pinned(eta=np.exp(0.22), delta=0.7, adopter_share=0.07)

    sd = 0.4

    def joint(first, second):
        shares = (0.07, float(first), float(second))
        changed = replace(inputs, evidence=replace(inputs.evidence, adopter_shares=shares, fundamentals_sd=sd))
        return float(np.exp(log_share_density(changed, one))[0])

    # integrates to P(the shock keeps both shares below 1): almost one
    grid = np.linspace(np.log(1e-3), np.log(0.999), 61)
    density = [[joint(np.exp(u), np.exp(v)) * np.exp(u + v) for v in grid] for u in grid]
    assert integrate.simpson(integrate.simpson(density, x=grid), x=grid) == pytest.approx(1.0, abs=0.01)
    # and at the map's own images both shocks are zero: the density is the normals' peaks times both g′
    image = economy.with_subsidy(input_subsidy=0.08)(np.array([0.07]))[0]
    slope = economy.with_subsidy(input_subsidy=0.08).potential_derivatives(np.array([image]))[1][0]
    second = economy.with_subsidy(input_subsidy=0.08)(np.array([image]))[0]
    slope2 = economy.with_subsidy(input_subsidy=0.08).potential_derivatives(np.array([second]))[1][0]
    assert joint(image, second) == pytest.approx(slope * slope2 / (2 * np.pi * sd**2), rel=1e-9)


@pytest.mark.parametrize(("kappa", "credit"), [(np.inf, True), (np.inf, False), (1.4, True)])
def test_conditional_subsidy_matches_quadrature(inputs, kappa, credit):
    evidence = replace(inputs.evidence, kappa=kappa, use_credit=credit)
    changed = replace(inputs, evidence=evidence)
    point = {"log_eta": 0.2, "delta": 0.6, "sigma": 5.0, "pareto_ratio": 1.06, "subsidy": 0.5}
    size = 40_000
    draws = {name: np.full(size, value) for name, value in point.items()}
    found = draw_subsidy(changed, draws, seed=2)
    assert found.edge == 0.0

    grid = np.linspace(1e-5, 0.999, 20_001)
    p = {name: np.full(grid.size, value) for name, value in point.items()} | {"subsidy": grid}
    base = np.exp(changed.prior("subsidy").frozen().logpdf(grid) + log_likelihood(np, changed.data(), p))
    weight = base * np.exp(log_share_density(changed, p))
    mean = (weight * grid).sum() / weight.sum()
    sd = np.sqrt((weight * (grid - mean) ** 2).sum() / weight.sum())
    assert found.subsidy.mean() == pytest.approx(mean, abs=5 * sd / np.sqrt(size))
    assert found.subsidy.std() == pytest.approx(sd, rel=0.02)
    assert found.log_evidence[0] == pytest.approx(np.log(weight.sum() / base.sum()), abs=0.02)


def test_cut_leaves_eta_and_delta_alone_and_full_feedback_is_bayes(inputs):
    without = replace(inputs, evidence=replace(inputs.evidence, use_shares=False))
    full = replace(inputs, evidence=replace(inputs.evidence, feedback="full"))
    alone = sample_posterior(without, SETTINGS, seed=8, cores=2)
    cut = sample_posterior(inputs, SETTINGS, seed=8, cores=2)
    joint = sample_posterior(full, SETTINGS, seed=8, cores=2)
    np.testing.assert_array_equal(alone.draws["log_eta"], cut.draws["log_eta"])
    np.testing.assert_array_equal(alone.draws["delta"], cut.draws["delta"])
    assert cut.draws["subsidy"].mean() > alone.draws["subsidy"].mean()
    # the full posterior by brute force on a grid of all three parameters
    eta, delta, s = np.meshgrid(
        np.linspace(0.005, 0.55, 70), np.linspace(0.005, 1.6, 60), np.linspace(0.004, 0.75, 180), indexing="ij"
    )
    p = {"log_eta": eta, "delta": delta, "subsidy": s, "sigma": 5.0, "pareto_ratio": 1.06}
    density = log_likelihood(np, full.data(), p) + log_share_density(full, p)
    for name, values in (("log_eta", eta), ("delta", delta), ("subsidy", s)):
        density = density + full.prior(name).frozen().logpdf(values)
    weight = np.exp(density - density.max())
    weight /= weight.sum()
    assert joint.diagnostics.weights_ess is not None
    for name, values, tolerance in (("log_eta", eta, 0.004), ("delta", delta, 0.012), ("subsidy", s, 0.0015)):
        assert joint.draws[name].mean() == pytest.approx((weight * values).sum(), abs=tolerance)


def test_same_seed_same_bits_whatever_the_cores(inputs, posterior):
    again = sample_posterior(inputs, SETTINGS, seed=11, cores=1)
    for name, values in posterior.draws.items():
        np.testing.assert_array_equal(values, again.draws[name])
    other = sample_posterior(inputs, SETTINGS, seed=12, cores=1)
    assert not np.array_equal(other.draws["delta"], posterior.draws["delta"])


def test_pymc_sampler_agrees_with_nutpie(inputs, posterior):
    other = sample_posterior(inputs, replace(SETTINGS, sampler="pymc"), seed=4, cores=2)
    assert other.diagnostics.passed
    for name in inputs.free:
        error = np.hypot(other.diagnostics.table[name]["mcse_mean"], posterior.diagnostics.table[name]["mcse_mean"])
        assert abs(other.draws[name].mean() - posterior.draws[name].mean()) < 5 * error


def test_draws_survive_the_file(inputs, posterior, tmp_path):
    import json

    import xarray as xr

    tree = to_datatree(posterior, inputs, {"seed": 11})
    tree.to_netcdf(tmp_path / "draws.nc", engine="netcdf4")
    with xr.open_datatree(tmp_path / "draws.nc", engine="netcdf4") as stored:
        again = from_datatree(stored.load())
    for name, values in posterior.draws.items():
        np.testing.assert_array_equal(values, again.draws[name])
    assert again.diagnostics == posterior.diagnostics
    assert json.loads(tree.attrs["inputs"])["evidence"]["spillover"] == [2.7, 0.73]
    assert "pymc" in json.loads(tree.attrs["versions"])
    scaling = power_scaling(tree)
    # the likelihood moves the estimates more than the weak prior does
    assert scaling["delta"]["likelihood"] > scaling["delta"]["prior"]


def test_gates_fail_loudly():
    rng = np.random.default_rng(0)
    stuck = np.concatenate([rng.normal(size=(2, 500)), 3 + rng.normal(size=(2, 500))])
    walk = np.cumsum(rng.normal(size=(4, 500)), axis=1)
    found = diagnose({"stuck": stuck, "walk": walk}, 3, SamplerSettings(draws=500))
    text = " ".join(found.failures)
    assert "R-hat of stuck" in text
    assert "ess_bulk of walk" in text
    assert "3 divergent" in text
    assert not found.passed
    constant = diagnose({"constant": np.ones((4, 500))}, 0, SamplerSettings(draws=500))
    assert not constant.passed
