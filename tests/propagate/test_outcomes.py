"""Outcomes of draws, chunk by chunk, and their summaries with Monte Carlo errors."""

import numpy as np
import pytest
from scipy import stats

from bigpush_est.bayes.sampling import Diagnostics
from bigpush_est.equilibrium.simple import SimpleEconomy, delta_interval, multiplicity, pinned_delta_interval
from bigpush_est.equilibrium.steady_states import long_run, steady_states
from bigpush_est.propagate.outcomes import Scenario, figure3, multiplicity_map, prior_events, propagate_chunk
from bigpush_est.propagate.summary import probability, quantity, summarise
from bigpush_est.stages import prior_draws, scenario_of
from bigpush_est.study import load_study

ROW = {"rhat": 1.0, "ess_bulk": 800.0, "ess_tail": 700.0, "mcse_mean": 0.0, "mcse_sd": 0.0}
DIAGNOSTICS = Diagnostics({"delta": ROW}, 0, ())


def make_draws(size, seed=0, delta=(0.65, 0.18)):
    rng = np.random.default_rng(seed)
    return {
        "log_eta": np.abs(rng.normal(0.22, 0.06, size)) + 1e-3,
        "delta": np.abs(rng.normal(*delta, size)),
        "subsidy": rng.beta(20, 240, size),
        "sigma": np.full(size, 5.0),
        "pareto_ratio": np.full(size, 1.06),
    }


def scenario(**changes):
    values = {"adopter_share": 0.07, "pin": "steady_state", "kappa": np.inf, "periods": 12, "discount": 0.85}
    return Scenario(**(values | changes))


def test_chunks_and_single_draws_give_the_same_bits():
    draws = make_draws(200, delta=(2.5, 1.2))
    whole = propagate_chunk(draws, scenario())
    for size in (1, 64):
        parts = [
            propagate_chunk({k: v[i : i + size] for k, v in draws.items()}, scenario()) for i in range(0, 200, size)
        ]
        for name, values in whole.items():
            np.testing.assert_array_equal(values, np.concatenate([part[name] for part in parts]), err_msg=name)


@pytest.mark.parametrize("pin", ["steady_state", "from_zero"])
@pytest.mark.parametrize("kappa", [np.inf, 1.4])
def test_needed_delta_is_where_multiplicity_begins(pin, kappa):
    draws = make_draws(300, delta=(2.3, 1.0))
    found = propagate_chunk(draws, scenario(pin=pin, kappa=kappa))
    inside = (draws["delta"] > found["delta_low"]) & (draws["delta"] < found["delta_high"])
    np.testing.assert_array_equal(inside, found["multiple"])
    assert 20 < inside.sum() < 280


def test_the_papers_point_has_no_trap_and_the_push_fades():
    draws = {
        k: np.array([v])
        for k, v in {"log_eta": 0.225, "delta": 0.675, "subsidy": 0.06, "sigma": 5.0, "pareto_ratio": 1.06}.items()
    }
    found = propagate_chunk(draws, scenario(periods=30))
    assert not found["multiple"][0]
    assert not found["possible"][0]
    assert found["critical_delta"][0] == pytest.approx(0.9686, abs=5e-5)
    assert found["delta_low"][0] == pytest.approx(2.767, abs=5e-3)
    assert found["path_push"][0, 1] > 0.08
    assert found["path_push"][0, -1] == pytest.approx(0.07, abs=1e-6)
    assert not found["moved"][0]
    assert np.isnan(found["input_subsidy"][0])


def test_a_strong_push_out_of_a_trap_moves_the_economy():
    size = 50
    draws = make_draws(size, delta=(3.5, 0.01)) | {"log_eta": np.full(size, 0.4)}
    weak = propagate_chunk(draws | {"subsidy": np.full(size, 0.001)}, scenario())
    assert weak["trapped"].all()
    assert not weak["moved"].any()
    economy = scenario().economy(draws)
    states = steady_states(economy)
    # start just beyond the threshold instead of pushing: the basins say where it ends
    beyond = long_run(economy, np.minimum(states.threshold * (1 + 1e-6), 1.0))
    np.testing.assert_allclose(beyond.share, 1.0)


def test_welfare_of_no_subsidy_is_zero_and_of_a_constant_gain_is_that_gain():
    draws = make_draws(20) | {"subsidy": np.full(20, 1e-12)}
    found = propagate_chunk(draws, scenario())
    np.testing.assert_allclose(found["welfare"], 0.0, atol=1e-10)
    weights = 0.15 * 0.85 ** np.arange(12)
    weights[-1] /= 0.15
    assert weights.sum() == pytest.approx(1.0)


def test_map_of_multiplicity_agrees_with_counting():
    found = multiplicity_map(scenario(), 5.0, 1.06, (1.05, 1.5), points=12)
    for shift, expected in ((-1e-3, 1), (1e-3, 3)):
        economy = SimpleEconomy.pinned(eta=found["eta"], delta=found["delta_low"] + shift, adopter_share=0.07)
        np.testing.assert_array_equal(steady_states(economy).count, expected)
        near = SimpleEconomy.build(eta=found["eta"], delta=found["critical_delta"] + shift, log_scale=0.0)
        assert (multiplicity(near).possible == (expected == 3)).all()


def test_pinned_interval_from_zero_is_the_ordinary_one():
    economy = SimpleEconomy.pinned(eta=1.3, delta=2.0, adopter_share=0.07, pin="from_zero")
    ours, ordinary = pinned_delta_interval(economy, 0.07, "from_zero"), delta_interval(economy)
    np.testing.assert_array_equal(ours.low, ordinary.low)
    np.testing.assert_array_equal(ours.high, ordinary.high)


def test_figure3_has_three_crossings_only_in_the_illustration():
    draws = make_draws(50)
    for delta, crossings in ((None, 1), (3.2, 3)):
        found = figure3(draws, scenario(delta=delta), float("nan"), np.log(2.0))
        median = found["curve_map"][2]
        above = np.sign(median - found["grid"])
        # the last crossing is the corner at 1, where the map touches the line
        inner = np.count_nonzero(np.diff(above[:-1]) != 0)
        assert inner == (crossings if crossings == 1 else crossings - 1)
        assert (found["curve_larger"][2] >= median - 1e-12).all()
        assert np.ptp(found["curve_no_spillover"][2]) == pytest.approx(0.0, abs=1e-12)


def test_prior_probability_is_the_priors_tail():
    """δ ~ half-normal(1) exceeds what a trap needs with probability 2(1 − Φ(needed)), averaged over η."""
    study = load_study("published", {"sampler.draws": 20_000})
    draws = prior_draws(study)
    found = prior_events(draws, scenario_of(study))
    needed = propagate_chunk({name: values[:4000] for name, values in draws.items()}, scenario())["delta_low"]
    expected = float(np.mean(2 * stats.norm.sf(needed)))
    assert found["multiple"].mean() == pytest.approx(expected, abs=5 * np.sqrt(expected / 80_000))
    wide = prior_events(draws | {"log_eta": np.full(80_000, 500.0)}, scenario_of(study))
    assert 0.0 < wide["possible"].mean() < 1.0


def test_probability_without_hits_is_bounded_not_zero():
    none = probability(np.zeros(4000), np.ones(4000), DIAGNOSTICS, 4)
    assert none.estimate == 0.0
    assert none.effective_draws == 700.0
    # one-sided 95% Clopper-Pearson without hits: 1 − 0.05^(1/n)
    assert none.bound_high == pytest.approx(1.0 - 0.05 ** (1 / 700))
    assert none.text().startswith("<")
    every = probability(np.ones(4000), np.ones(4000), DIAGNOSTICS, 4)
    assert every.bound_low == pytest.approx(0.05 ** (1 / 700))
    assert every.text().startswith(">")


def test_probability_of_independent_draws_has_the_binomial_error():
    event = np.random.default_rng(3).random(8000) < 0.2
    found = probability(event, np.ones(8000), Diagnostics({}, 0, ()), 4)
    p = event.mean()
    assert found.mcse == pytest.approx(np.sqrt(p * (1 - p) / 8000), rel=0.1)
    interval = stats.binomtest(int(event.sum()), 8000).proportion_ci(0.95)
    assert found.bound_low == pytest.approx(interval.low, abs=0.003)
    assert found.bound_high == pytest.approx(interval.high, abs=0.003)
    assert "±" in found.text()


def test_autocorrelated_draws_have_a_larger_error():
    rng = np.random.default_rng(5)
    state = np.zeros((4, 4000))
    for t in range(1, 4000):
        state[:, t] = 0.95 * state[:, t - 1] + rng.normal(size=4)
    event = (state > 1.0).ravel()
    found = probability(event, np.ones(event.size), Diagnostics({}, 0, ()), 4)
    assert found.mcse > 2 * np.sqrt(found.estimate * (1 - found.estimate) / event.size)


def test_unconverged_draws_are_bounded_both_ways():
    event, converged = np.zeros(1000, dtype=bool), np.ones(1000, dtype=bool)
    event[:100] = True
    converged[:50] = False
    found = probability(event, converged, DIAGNOSTICS, 4)
    assert found.unconverged == 50
    assert (found.all_no, found.estimate, found.all_yes) == (0.05, 0.05, 0.10)


def test_quantity_counts_what_is_undefined():
    values = np.concatenate([np.full(300, np.nan), np.random.default_rng(1).normal(size=700)])
    found = quantity(values, 4)
    assert (found.defined, found.draws) == (700, 1000)
    assert found.low90 < found.low50 < found.median < found.high50 < found.high90
    empty = quantity(np.full(8, np.nan), 4)
    assert empty.defined == 0
    assert np.isnan(empty.median)


def test_summary_says_undefined_push_where_there_is_no_trap():
    draws = make_draws(400)
    found = summarise(draws, propagate_chunk(draws, scenario()), DIAGNOSTICS, 4)
    assert found["probabilities"]["trapped"]["hits"] == 0
    assert found["quantities"]["input_subsidy"]["defined"] == 0
    assert found["statuses"]["input"] == [0, 400, 0, 0]
    assert found["distance"] > 5
