"""Simulation-based calibration of the published-evidence model, and coverage: run by ``make validate``.

Talts, Betancourt, Simpson, Vehtari and Gelman (2018): if parameters are drawn from the prior and data from the model,
the rank of the true parameter among independent posterior draws is uniform.  Coverage of credible intervals is nominal
on average over the prior; at a fixed truth it need not be, and is printed as information.
"""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from bigpush_est.bayes.sampling import SamplerSettings, sample_posterior
from bigpush_est.equilibrium.simple import SimpleEconomy
from bigpush_est.study import load_study

pytestmark = pytest.mark.validate
SIMULATIONS, RANKS = 400, 99
SETTINGS = SamplerSettings(draws=RANKS * 10 // 2, chains=2, tune=600, max_rhat=1.1, min_ess=50.0, max_divergences=20)


def simulate(inputs, truth, rng):
    """Estimates, credit and adopter shares that the model would publish at a truth."""
    evidence = inputs.evidence
    rate = truth["sigma"] - 1.0
    constant, slope = evidence.exponent_weights
    exponent = rate * (constant + slope * truth["pareto_ratio"])
    errors = np.array([evidence.direct[1], evidence.spillover[1]])
    rho = evidence.correlation
    covariance = np.outer(errors, errors) * np.array([[1.0, rho], [rho, 1.0]])
    mean = [
        exponent * truth["log_eta"] - rate * evidence.subsidised_share * np.log1p(-truth["subsidy"]),
        exponent * truth["delta"],
    ]
    direct, spillover = rng.multivariate_normal(mean, covariance)
    credit = truth["subsidy"] * evidence.exposure[0] * np.exp(rng.normal(0.0, evidence.log_subsidy[1]))
    shares = [evidence.adopter_shares[0]]
    economy = SimpleEconomy.pinned(
        eta=np.exp(truth["log_eta"]),
        delta=truth["delta"],
        sigma=truth["sigma"],
        theta=truth["pareto_ratio"] * rate,
        adopter_share=shares[0],
    ).with_subsidy(input_subsidy=truth["subsidy"])
    for _ in range(2):
        economy = economy.changed(log_scale=economy.log_scale + rng.normal(0.0, evidence.fundamentals_sd))
        shares.append(float(economy(np.array([shares[-1]]))[0]))
    if max(shares) >= 1.0:
        return None
    # relative errors as in the study, so that credit's likelihood keeps its width
    bill = (credit, credit * evidence.bill[1] / evidence.bill[0])
    return replace(
        inputs,
        evidence=replace(
            evidence,
            direct=(direct, errors[0]),
            spillover=(spillover, errors[1]),
            bill=bill,
            adopter_shares=tuple(shares),
        ),
    )


@pytest.mark.parametrize("feedback", ["cut", "full"])
def test_ranks_are_uniform(feedback):
    """Exact under full feedback; under the cut for η and δ, whose posterior uses the estimates alone."""
    study = load_study(
        "published",
        {
            "evidence.subsidy.feedback": feedback,
            "evidence.subsidy.fundamentals_sd": 0.3,
            "evidence.correlation.main": 0.5,
            "evidence.direct_effect.subsidised_share": 0.5,
            "priors.log_eta": {"family": "log_normal", "median": 0.2, "log_sd": 0.4},
            "priors.delta": {"family": "half_normal", "scale": 0.6},
        },
    )
    inputs, rng = study.inputs(), np.random.default_rng(2026)
    # the estimates' draw does not depend on the shares, so the cut conditions on nothing when a share reaches 1
    ranks: dict[str, list[int]] = {name: [] for name in inputs.free}
    covered: dict[str, list[bool]] = {name: [] for name in inputs.free}
    lost = 0
    for number in range(SIMULATIONS):
        truth = {
            prior.parameter: float(prior.numbers[0]) if prior.fixed else float(prior.frozen().rvs(random_state=rng))
            for prior in inputs.priors
        }
        data = simulate(inputs, truth, rng)
        if data is None:
            lost += 1
            continue
        posterior = sample_posterior(data, SETTINGS, seed=number)
        for name in inputs.free:
            draws = posterior.flat()[name][::10][:RANKS]
            ranks[name].append(int((draws < truth[name]).sum()))
            low, high = np.quantile(posterior.flat()[name], [0.05, 0.95])
            covered[name].append(low <= truth[name] <= high)
    print(f"\n{feedback}: {SIMULATIONS - lost} simulations, {lost} left out because a share reached 1")
    exact = inputs.free if feedback == "full" else ("log_eta", "delta")
    for name in inputs.free:
        counts = np.bincount(np.array(ranks[name]) * 10 // (RANKS + 1), minlength=10)
        p = stats.chisquare(counts).pvalue
        coverage = np.mean(covered[name])
        error = np.sqrt(0.9 * 0.1 / len(covered[name]))
        print(f"  {name}: ranks {counts.tolist()}, p = {p:.3f}, coverage of 90% intervals {coverage:.3f} ± {error:.3f}")
        if name in exact and lost <= 0.02 * SIMULATIONS:
            assert p > 0.001
            assert abs(coverage - 0.9) < 4 * error


def test_fixed_truth_coverage_is_printed():
    """At the paper's point: information, not a promise (the prior pulls towards zero)."""
    inputs, rng = load_study("published").inputs(), np.random.default_rng(7)
    truth = {"log_eta": 0.225, "delta": 0.675, "subsidy": 0.06, "sigma": 5.0, "pareto_ratio": 1.06}
    covered = {name: [] for name in inputs.free}
    for number in range(200):
        data = simulate(inputs, truth, rng)
        if data is None:
            continue
        flat = sample_posterior(data, SETTINGS, seed=number).flat()
        for name in inputs.free:
            low, high = np.quantile(flat[name], [0.05, 0.95])
            covered[name].append(low <= truth[name] <= high)
    for name, values in covered.items():
        print(f"\n  {name}: coverage at the paper's point {np.mean(values):.3f}", end="")
        assert np.mean(values) > 0.6
