"""The normal and the weak-instrument models: closed forms, SciPy's densities, and agreement with each other."""

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from bigpush_est.bayes.complementarity import Complementarity
from bigpush_est.bayes.estimates import Estimate, FirstStage
from bigpush_est.bayes.evidence_set import EvidenceSet
from bigpush_est.bayes.models.normal import NormalModel
from bigpush_est.bayes.models.weak_iv import STRENGTH, WeakInstrumentModel, weak_prior
from bigpush_est.bayes.priors import PARAMETERS, Prior
from bigpush_est.bayes.sampling import SamplerSettings, from_datatree, sample_model, to_datatree
from bigpush_est.errors import InvalidValue, MissingKey

SETTINGS = SamplerSettings(draws=2000)
ERRORS = np.array([0.24, 0.73, 0.41])
ESTIMATES = (
    Estimate("winners", "direct", 0.90),
    Estimate("A3", "spillover", 2.70),
    Estimate("B3", "complementarity", 0.85),
)
CORRELATION = np.array([[1.0, 0.5, 0.2], [0.5, 1.0, -0.3], [0.2, -0.3, 1.0]])
#: A slope that is linear, so that the posterior stays normal.
PLANE = Complementarity.tabulate(
    lambda log_eta, delta, subsidy: 1.2 * delta,
    log_eta=[0.0],
    delta=[-5.0, 5.0],
    subsidy=[0.0],
    label="approximation",
    provenance="a line",
)


def priors(**changes):
    tables = {
        "log_eta": {"family": "half_normal", "scale": 0.5},
        "delta": {"family": "half_normal", "scale": 1.0},
        "subsidy": {"family": "beta", "a": 1.5, "b": 10.0},
        "sigma": {"family": "fixed", "value": 5.0},
        "pareto_ratio": {"family": "fixed", "value": 1.06},
    }
    return tuple(Prior.parse(name, changes.get(name, tables[name])) for name in PARAMETERS)


@pytest.fixture(scope="module")
def evidence():
    return EvidenceSet(ESTIMATES, CORRELATION * np.outer(ERRORS, ERRORS), exponent="kept")


def close(posterior, name, mean, sd):
    values, row = posterior.draws[name], posterior.diagnostics.table[name]
    assert abs(values.mean() - mean) < 5 * row["mcse_mean"]
    assert abs(values.std() - sd) < 5 * row["mcse_sd"]


def test_normal_priors_give_the_conjugate_posterior(evidence):
    """Priors so far from their bounds that they are normal: the posterior is the linear regression's."""
    far = priors(
        log_eta={"family": "normal", "mean": 1.0, "sd": 0.1},
        delta={"family": "normal", "mean": 1.5, "sd": 0.2},
        subsidy={"family": "fixed", "value": 0.1},
    )
    model = NormalModel(far, replace(evidence, subsidised_share=0.4), PLANE)
    posterior = sample_model(model, SETTINGS, seed=2, cores=2)
    assert posterior.diagnostics.passed
    exponent = 4.0 * 1.06 / evidence.tail_index
    design = np.array([[exponent, 0.0], [0.0, exponent], [0.0, 1.2]])
    offset = np.array([-4.0 * 0.4 * np.log(0.9), 0.0, 0.0])
    precision, prior = np.linalg.inv(evidence.covariance), np.diag([100.0, 25.0])
    covariance = np.linalg.inv(design.T @ precision @ design + prior)
    mean = covariance @ (design.T @ precision @ (evidence.values - offset) + prior @ np.array([1.0, 1.5]))
    assert (mean / np.sqrt(np.diag(covariance)) > 5).all()
    close(posterior, "log_eta", mean[0], np.sqrt(covariance[0, 0]))
    close(posterior, "delta", mean[1], np.sqrt(covariance[1, 1]))
    found = np.corrcoef(posterior.flat()["log_eta"], posterior.flat()["delta"])[0, 1]
    assert found == pytest.approx(covariance[0, 1] / np.sqrt(covariance[0, 0] * covariance[1, 1]), abs=0.06)


def test_likelihood_is_scipys(evidence):
    table = replace(PLANE, standard_error=0.3)
    model = NormalModel(priors(), replace(evidence, subsidised_share=0.4), table)
    p = {"log_eta": 0.3, "delta": 0.5, "sigma": 4.2, "pareto_ratio": 1.2, "subsidy": 0.1}
    exponent = 3.2 * 1.2 / evidence.tail_index
    mean = [exponent * 0.3 - 3.2 * 0.4 * np.log(0.9), exponent * 0.5, 0.6]
    covariance = evidence.covariance + np.diag([0.0, 0.0, 0.09])
    assert model.log_likelihood(p) == pytest.approx(stats.multivariate_normal(mean, covariance).logpdf(evidence.values))


@pytest.mark.parametrize("kind", ["normal", "weak instrument"])
def test_pymc_and_numpy_agree(evidence, kind):
    """Up to a constant per prior, the compiled density is prior plus the NumPy log-likelihood."""
    model = (
        NormalModel(priors(), evidence, PLANE)
        if kind == "normal"
        else WeakInstrumentModel(priors(), staged(evidence, 4.0), PLANE)
    )
    built = model.build()
    rng = np.random.default_rng(0)
    gaps = []
    for _ in range(4):
        p = {prior.parameter: float(prior.draw(1, rng)[0]) for prior in model.priors}
        value = built.compile_fn(built.potentials[0], inputs=built.free_RVs, point_fn=True)(
            {name: p[name] for name in (variable.name for variable in built.free_RVs)}
        )
        gaps.append(float(value) - float(model.log_likelihood(p)))
    np.testing.assert_allclose(gaps, 0.0, atol=1e-8)


def test_variants_share_a_compilation(evidence):
    """Another value, covariance, exponent or prior scale is data: the compiled model does not change, the draws do."""
    model = NormalModel(priors(), evidence.without("complementarity"))
    other = NormalModel(
        priors(delta={"family": "half_normal", "scale": 0.4}),
        replace(model.evidence, covariance=model.evidence.covariance / 4.0, exponent="undistorted"),
    )
    assert model.structure == other.structure
    assert model.structure != NormalModel(priors(), evidence, PLANE).structure
    first = sample_model(model, SETTINGS, seed=3, cores=2)
    second = sample_model(other, SETTINGS, seed=3, cores=2)
    # σ − 1 = 4 against 2.5: δ falls in proportion, but for the priors
    assert first.draws["delta"].mean() > 1.2 * second.draws["delta"].mean()
    again = sample_model(model, SETTINGS, seed=3, cores=1)
    for name, values in first.draws.items():
        np.testing.assert_array_equal(values, again.draws[name])


def test_draws_survive_the_file(evidence, tmp_path):
    import xarray as xr

    model = NormalModel(priors(), evidence.without("complementarity"))
    posterior = sample_model(model, SETTINGS, seed=3)
    tree = to_datatree(posterior, model, {"seed": 3})
    tree.to_netcdf(tmp_path / "draws.nc", engine="netcdf4")
    with xr.open_datatree(tmp_path / "draws.nc", engine="netcdf4") as stored:
        again = from_datatree(stored.load())
    np.testing.assert_array_equal(again.draws["delta"], posterior.draws["delta"])
    described = json.loads(tree.attrs["inputs"])["evidence"]["estimates"]
    assert EvidenceSet.from_json(json.dumps(described)).described() == model.evidence.described()


def test_pymc_sampler_agrees(evidence):
    model = NormalModel(priors(), evidence.without("complementarity"))
    first = sample_model(model, SETTINGS, seed=3, cores=2)
    second = sample_model(model, replace(SETTINGS, sampler="pymc"), seed=4, cores=2)
    for name in ("log_eta", "delta", "subsidy"):
        error = np.hypot(first.diagnostics.table[name]["mcse_mean"], second.diagnostics.table[name]["mcse_mean"])
        assert abs(first.draws[name].mean() - second.draws[name].mean()) < 5 * error


def test_a_slope_without_its_estimate_is_refused(evidence):
    with pytest.raises(InvalidValue, match="no table"):
        NormalModel(priors(), evidence)
    with pytest.raises(InvalidValue, match="without an estimate"):
        NormalModel(priors(), evidence.without("B3"), PLANE)
    with pytest.raises(MissingKey, match="pareto_ratio"):
        NormalModel(priors()[:-1], evidence, PLANE)
    with pytest.raises(InvalidValue, match="delta"):
        NormalModel((*priors(), priors()[1]), evidence, PLANE)


# -- weak instruments -------------------------------------------------------------------------------------------------


def staged(evidence, strength, correlation=0.6):
    """A set whose first stage has this t-ratio, with the ratio and its delta-method variance as the spillover.

    The errors of reduced form and first stage are scaled so that the ratio's standard error is Table 1's at any
    strength: what changes is how far the normal approximation of the ratio holds.
    """
    ratio, error = 2.70, 0.73
    first, fs_error = 0.1, 0.1 / strength
    # var(rf − ratio·fs) = (error·first)²: solve for the reduced form's error
    b, c = -2.0 * correlation * ratio * fs_error, (ratio * fs_error) ** 2 - (error * first) ** 2
    roots = np.roots([1.0, b, c])
    assert np.isreal(roots).all()
    rf_error = float(roots.max())
    covariance = np.array(
        [[rf_error**2, correlation * rf_error * fs_error], [correlation * rf_error * fs_error, fs_error**2]]
    )
    gradient = np.array([1.0, -ratio]) / first
    cross = np.zeros((2, len(evidence.estimates)))
    for k, one in enumerate(evidence.estimates):
        if one.kind == "spillover":
            cross[:, k] = covariance @ gradient
        else:
            # correlated with the other estimates by way of the reduced form
            cross[0, k] = 0.3 * rf_error * evidence.standard_errors[k]
    joint = evidence.covariance.copy()
    where = [one.kind == "spillover" for one in evidence.estimates].index(True)
    joint[where, :] = joint[:, where] = gradient @ cross
    joint[where, where] = gradient @ covariance @ gradient
    stage = FirstStage(evidence.estimates[where].name, ratio * first, first, covariance, cross)
    return replace(evidence, covariance=joint, first_stage=stage)


def test_weak_likelihood_is_scipys(evidence):
    model = WeakInstrumentModel(priors(), staged(evidence, 4.6), PLANE)
    p = {"log_eta": 0.3, "delta": 0.5, "sigma": 4.2, "pareto_ratio": 1.2, "subsidy": 0.1, STRENGTH: 3.7}
    set_, stage = model.evidence, model.evidence.first_stage
    others = [0, 2]
    matrix = np.block(
        [
            [stage.covariance, stage.cross[:, others]],
            [stage.cross[:, others].T, set_.covariance[np.ix_(others, others)]],
        ]
    )
    exponent = 3.2 * 1.2 / evidence.tail_index
    omega = stage.covariance - stage.cross[:, others] @ np.linalg.solve(
        set_.covariance[np.ix_(others, others)], stage.cross[:, others].T
    )
    a = np.array([exponent * 0.5, 1.0])
    first = 3.7 / np.sqrt(a @ np.linalg.solve(omega, a))
    mean = [first * a[0], first, exponent * 0.3, 0.6]
    data = [stage.reduced_form, stage.first_stage, 0.90, 0.85]
    assert model.log_likelihood(p) == pytest.approx(stats.multivariate_normal(mean, matrix).logpdf(data))


def test_integrating_the_strength_out_gives_anderson_rubin(evidence):
    """By quadrature over ω; and without other estimates it is exp(−½ AR) to the prior's 1 in 10,000."""
    model = WeakInstrumentModel(priors(), staged(evidence.without("direct", "complementarity"), 2.0, correlation=0.9))
    delta = np.array([0.01, 0.4, 0.7, 1.5, 4.0])
    p = {"log_eta": 0.2, "delta": delta[:, None], "sigma": 5.0, "pareto_ratio": 1.06, "subsidy": 0.1}
    omega = np.linspace(-12.0, 12.0, 4001)
    density = np.exp(model.log_likelihood(p | {STRENGTH: omega}) + weak_prior().frozen().logpdf(omega))
    expected = np.log(density.sum(axis=1) * (omega[1] - omega[0]))
    np.testing.assert_allclose(model.marginal_log_likelihood(p)[:, 0], expected, atol=1e-9)
    stage = model.evidence.first_stage
    slope = 4.0 * 1.06 / evidence.tail_index * delta
    variance = stage.covariance[0, 0] - 2 * slope * stage.covariance[0, 1] + slope**2 * stage.covariance[1, 1]
    rubin = (stage.reduced_form - slope * stage.first_stage) ** 2 / variance
    shape = model.marginal_log_likelihood(p)[:, 0] + 0.5 * rubin
    np.testing.assert_allclose(shape, shape[0], atol=1e-3)


def test_an_instrument_that_says_nothing_leaves_the_prior(evidence):
    """As the first stage goes to zero, the posterior of δ goes to its prior; the normal model's does not."""
    base = staged(evidence.without("direct", "complementarity"), 4.6)
    prior = priors()[1].frozen()
    # reduced form and first stage both at 2% of a standard error: the ratio still says 2.7
    gone = replace(base.first_stage, reduced_form=0.27 * 0.02 / 4.6, first_stage=0.1 * 0.02 / 4.6)
    model = WeakInstrumentModel(priors(), replace(base, first_stage=gone))
    posterior = sample_model(model, SETTINGS, seed=6, cores=2)
    close(posterior, "delta", prior.mean(), prior.std())
    for level in (0.1, 0.5, 0.9):
        share = (posterior.draws["delta"] < prior.ppf(level)).mean()
        assert share == pytest.approx(level, abs=0.03)
    normal = sample_model(NormalModel(priors(), base), SETTINGS, seed=6, cores=2)
    assert normal.draws["delta"].std() < 0.5 * prior.std()


def test_a_strong_instrument_agrees_with_the_normal_model(evidence):
    strong = staged(evidence, 100.0)
    weak = sample_model(WeakInstrumentModel(priors(), strong, PLANE), SETTINGS, seed=7, cores=2)
    normal = sample_model(NormalModel(priors(), strong, PLANE), SETTINGS, seed=7, cores=2)
    assert weak.diagnostics.passed
    for name in ("log_eta", "delta", "subsidy"):
        error = np.hypot(weak.diagnostics.table[name]["mcse_mean"], normal.diagnostics.table[name]["mcse_mean"])
        assert abs(weak.draws[name].mean() - normal.draws[name].mean()) < 5 * error + 0.005
        assert weak.draws[name].std() == pytest.approx(normal.draws[name].std(), rel=0.06)


def test_weak_model_needs_a_first_stage(evidence):
    with pytest.raises(InvalidValue, match="first_stage"):
        WeakInstrumentModel(priors(), evidence, PLANE)
    other = Prior.parse(STRENGTH, {"family": "normal", "mean": 1.0, "sd": 5.0}, within=weak_prior().within)
    p = {"log_eta": 0.3, "delta": 0.5, "sigma": 4.2, "pareto_ratio": 1.2, "subsidy": 0.1}
    model = WeakInstrumentModel((*priors(), other), staged(evidence, 4.0), PLANE)
    with pytest.raises(InvalidValue, match="weak_prior"):
        model.marginal_log_likelihood(p)
