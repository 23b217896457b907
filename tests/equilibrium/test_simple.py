"""Section 4's Propositions 1 and 2, part by part, on random admissible economies."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any, TypedDict

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from scipy.integrate import quad

from bigpush_est.equilibrium.adoption_map import FloatArray
from bigpush_est.equilibrium.simple import (
    STATUS,
    Instrument,
    SimpleEconomy,
    delta_interval,
    eta_interval,
    labour_cost_map,
    labour_cost_share,
    multiplicity,
    push_threshold,
    static_outcomes,
)
from bigpush_est.equilibrium.simple.condition import cost_of_share, tail
from bigpush_est.equilibrium.simple.policy import DEFINED, NO_TRAP, NOT_FINANCEABLE, OUT_OF_REACH, input_subsidy_effect
from bigpush_est.equilibrium.steady_states import long_run, steady_states, transition_path
from bigpush_est.errors import AssumptionViolated, InputError, InvalidValue, ShapeMismatch


class Table2(TypedDict):
    sigma: float
    theta: float
    eta: float


PAPER: Table2 = {"sigma": 5.0, "theta": 4.24, "eta": 1.25}

quick = settings(derandomize=True, deadline=None, max_examples=60, suppress_health_check=[HealthCheck.filter_too_much])
thorough = settings(quick, max_examples=120)
seeds = st.integers(min_value=0, max_value=2**32 - 1)


@st.composite
def economies(draw: st.DrawFn, *, trap: bool | None = None) -> SimpleEconomy:
    """One admissible economy; L/F^T is placed relative to the window with several steady states where there is one."""
    sigma = draw(st.floats(2.05, 10.0))
    unit = SimpleEconomy.build(
        sigma=sigma,
        theta=(sigma - 1.0) * draw(st.floats(1.02, 3.0)),
        eta=draw(st.floats(1.01, 3.0)),
        delta=draw(st.floats(0.0, 6.0)),
        log_scale=0.0,
        kappa=draw(st.one_of(st.just(np.inf), st.floats(1.05, 30.0))),
    )
    window = multiplicity(unit)
    if window.possible[0]:
        low, high = float(window.log_scale_low[0]), float(window.log_scale_high[0])
        assume(trap is None or high - low > 1e-4)
        place = draw(st.floats(0.02, 0.98) if trap else st.floats(-0.5, 1.5))
        return unit.changed(log_scale=low + place * (high - low))
    assume(trap is not True)
    share = draw(st.floats(0.001, 1.2))
    level = unit.potential(np.array([min(share, 1.0)])) - unit.spillover * min(share, 1.0) + max(share - 1.0, 0.0)
    return unit.changed(log_scale=level - unit.level)


def batch(seed: int, draws: int, *, within: tuple[float, float] = (0.02, 0.98)) -> SimpleEconomy:
    """Return economies with several steady states, as many of ``draws`` as are possible at all."""
    rng = np.random.default_rng(seed)
    sigma = rng.uniform(2.05, 10.0, draws)
    unit = SimpleEconomy.build(
        sigma=sigma,
        theta=(sigma - 1.0) * rng.uniform(1.02, 3.0, draws),
        eta=rng.uniform(1.01, 3.0, draws),
        delta=rng.uniform(0.0, 6.0, draws),
        log_scale=0.0,
        kappa=np.where(rng.random(draws) < 0.6, np.inf, np.exp(rng.uniform(0.05, 3.0, draws))),
    )
    window = multiplicity(unit)
    width = window.log_scale_high - window.log_scale_low
    with np.errstate(invalid="ignore"):
        chosen = np.flatnonzero(window.possible & (width > 1e-3))
    scale = window.log_scale_low[chosen] + rng.uniform(*within, chosen.size) * width[chosen]
    return unit.select(chosen).changed(log_scale=scale)


def scalar(economy: SimpleEconomy, name: str) -> float:
    values: FloatArray = getattr(economy, name)
    return float(values[0])


def aggregate_productivity(economy: SimpleEconomy, share: float) -> float:
    """A(λ) of eq. (4.4), and by quadrature over firms where productivity is bounded."""
    sigma, theta, eta, kappa = (scalar(economy, name) for name in ("sigma", "theta", "eta", "kappa"))
    if np.isinf(kappa):
        tail_power = share ** ((theta - (sigma - 1.0)) / theta)
        inner = theta / (theta - (sigma - 1.0)) * ((eta ** (sigma - 1.0) - 1.0) * tail_power + 1.0)
        return float(inner ** (1.0 / (sigma - 1.0)))
    lowest = float(kappa**-theta)

    def mass_above(cutoff: float) -> float:
        def scale(log_phi: float) -> float:
            return float(np.exp((sigma - 1.0 - theta) * log_phi)) * theta / (1.0 - lowest)

        return float(quad(scale, np.log(cutoff), np.log(kappa), epsabs=0.0, epsrel=1e-11)[0])

    cutoff = (lowest + share * (1.0 - lowest)) ** (-1.0 / theta)
    return float((mass_above(1.0) + (eta ** (sigma - 1.0) - 1.0) * mass_above(cutoff)) ** (1.0 / (sigma - 1.0)))


def paper_gap(economy: SimpleEconomy, share: float, previous: float) -> float:
    """Eq. (4.4): log of the left over the right side, before the exponent θ/(σ−1) is taken on both.

    With bounded productivity the left side, λ^{(σ−1)/θ}, is the cutoff's φ̄^{1−σ} (Section 5.1).
    """
    sigma, theta, eta, delta, kappa = (scalar(economy, n) for n in ("sigma", "theta", "eta", "delta", "kappa"))
    labour_over_cost = np.exp(scalar(economy, "log_scale"))
    lowest = 0.0 if np.isinf(kappa) else kappa**-theta
    survival = lowest + share * (1.0 - lowest)
    right = (
        aggregate_productivity(economy, share) ** (2.0 - sigma)
        * (eta ** (sigma - 1.0) - 1.0)
        / sigma
        * labour_over_cost
        * np.exp(delta * previous)
    )
    return float((sigma - 1.0) / theta * np.log(survival) - np.log(right))


# -- Proposition 1(i): a unique static equilibrium --------------------------------------------------------------------


@quick
@given(economies(), st.floats(0.0, 1.0))
def test_the_map_solves_equation_4_4_of_the_paper(economy: SimpleEconomy, previous: float) -> None:
    share = float(economy(np.array([previous]))[0])
    if share == 1.0:
        assert paper_gap(economy, 1.0, previous) <= 1e-9
    elif share == 0.0:
        assert np.isfinite(economy.kappa[0])
        assert paper_gap(economy, 0.0, previous) >= -1e-9
    else:
        assert paper_gap(economy, share, previous) == pytest.approx(0.0, abs=1e-9)


@quick
@given(economies(), st.floats(0.0, 1.0))
def test_equation_4_4_has_one_root(economy: SimpleEconomy, previous: float) -> None:
    share = float(economy(np.array([previous]))[0])
    grid = np.concatenate([np.geomspace(1e-12, 1e-2, 40, endpoint=False), np.linspace(1e-2, 1.0, 60)])
    gap = np.array([paper_gap(economy, float(point), previous) for point in grid])
    # rising throughout, so that the one sign change is the only one
    assert (np.diff(gap) > 0.0).all()
    assert (gap[grid > share + 1e-9] > -1e-9).all()
    assert (gap[grid < share - 1e-9] < 1e-9).all()


@quick
@given(economies(), st.floats(0.0, 1.0))
def test_the_path_is_the_sequence_of_static_equilibria(economy: SimpleEconomy, start: float) -> None:
    path = transition_path(economy, start, 5)[:, 0]
    for before, after in pairwise(path):
        if 0.0 < after < 1.0:
            assert paper_gap(economy, float(after), float(before)) == pytest.approx(0.0, abs=1e-9)


# -- (ii) and (iii): comparative statics, dynamic complementarity -----------------------------------------------------


@quick
@given(economies(), st.floats(0.0, 1.0), st.floats(1e-3, 1.0))
def test_the_share_rises_with_the_gain_and_the_spillover(economy: SimpleEconomy, previous: float, step: float) -> None:
    before = np.array([previous])
    share = economy(before)[0]
    stronger = economy.changed(eta=economy.eta + step)(before)[0]
    closer = economy.changed(delta=economy.delta + step)(before)[0]
    assert stronger >= share
    assert closer >= share
    if 0.0 < share < 1.0:
        assert stronger > share
    if 0.0 < share < 1.0 and previous * step > 1e-9:
        assert closer > share


@quick
@given(economies(), st.floats(0.0, 1.0), st.floats(0.0, 1.0))
def test_the_share_rises_with_last_period_s(economy: SimpleEconomy, one: float, other: float) -> None:
    low, high = sorted((one, other))
    after_low, after_high = economy(np.array([low]))[0], economy(np.array([high]))[0]
    assert after_low <= after_high
    if economy.delta[0] * (high - low) > 1e-9 and 0.0 < after_low < 1.0:
        assert after_low < after_high


@quick
@given(economies(), st.floats(0.0, 1.0))
def test_the_past_does_not_matter_without_spillovers(economy: SimpleEconomy, previous: float) -> None:
    flat = economy.changed(delta=0.0)
    assert flat(np.array([previous]))[0] == flat(np.array([0.0]))[0]
    assert steady_states(flat).count[0] == 1
    assert not multiplicity(flat).multiple[0]


@quick
@given(economies(), st.floats(0.0, 1.0))
def test_the_past_does_not_matter_when_adoption_is_paid_in_labour(economy: SimpleEconomy, previous: float) -> None:
    share = float(labour_cost_share(economy)[0])
    assert labour_cost_map(economy)(np.array([previous]))[0] == share
    assert labour_cost_share(economy.changed(delta=3.0))[0] == share
    found = steady_states(labour_cost_map(economy))
    assert found.count[0] == 1
    assert found.share[0, 0] == pytest.approx(share, abs=1e-12)
    assert 0.0 <= share <= min(1.0, float(np.exp(economy.log_scale[0])))
    if 0.0 < share < 1.0:
        # the marginal firm: φ̄^{σ−1}(η^{σ−1} − 1)(L/F − λ)/(σ − 1) = A^{σ−1}
        sigma, labour = scalar(economy, "sigma"), np.exp(scalar(economy, "log_scale")) - share
        left = float(economy.cutoff(np.array([share]))[0]) ** (sigma - 1.0) * (scalar(economy, "gain") - 1.0) * labour
        right = (sigma - 1.0) * aggregate_productivity(economy, share) ** (sigma - 1.0)
        # where labour is all but exhausted, its remainder is known to fewer digits
        assert left == pytest.approx(right, rel=1e-9 + 1e-14 * share / labour)


# -- (iv): intervals of δ and η ---------------------------------------------------------------------------------------


@thorough
@given(economies())
def test_the_exact_condition_counts_the_states(economy: SimpleEconomy) -> None:
    states, condition = steady_states(economy), multiplicity(economy)
    assert states.converged[0]
    assert condition.multiple[0] == states.multiple[0]
    # at an end of the window two of the three coincide
    edge = bool((np.isfinite(states.share[0]) & (states.stability[0] == 0)).any())
    assert states.count[0] == (3 if condition.multiple[0] else 2 if edge else 1)
    if condition.multiple[0]:
        assert states.stability[0].tolist() == [1, -1, 1]
        assert states.highest[0] == 1.0
        assert states.lowest[0] < states.threshold[0] < 1.0
    assert condition.possible[0] == (economy.delta[0] > condition.critical_delta[0])


@quick
@given(economies())
def test_the_window_of_market_size_has_sharp_ends(economy: SimpleEconomy) -> None:
    window = multiplicity(economy)
    assume(bool(window.possible[0]))
    low, high = float(window.log_scale_low[0]), float(window.log_scale_high[0])
    assert low < high
    margin = 1e-6 * (high - low) + 1e-12
    assume(high - low > 1e-8)
    for scale, several in (
        (low - margin, False),
        (low + margin, True),
        (0.5 * (low + high), True),
        (high - margin, True),
        (high + margin, False),
    ):
        assert bool(multiplicity(economy.changed(log_scale=scale)).multiple[0]) is several
        assert bool(steady_states(economy.changed(log_scale=scale)).multiple[0]) is several


def has_several(economy: SimpleEconomy, **values: float) -> bool:
    return bool(steady_states(economy.changed(**values)).multiple[0])


@thorough
@given(economies())
def test_delta_s_interval_has_sharp_ends_and_may_be_empty(economy: SimpleEconomy) -> None:
    interval = delta_interval(economy)
    if not interval.exists[0]:
        assert np.isnan(interval.high[0])
        grid = np.linspace(0.0, 60.0, 2001)
        assert not multiplicity(economy.select(np.zeros(grid.size, dtype=np.intp)).changed(delta=grid)).multiple.any()
        return
    low, high = float(interval.low[0]), float(interval.high[0])
    assert 0.0 < low < high
    assert delta_interval(economy.changed(delta=1.0)).low[0] == low
    assume(high - low > 1e-6)
    margin = 1e-7 * min(1.0, high - low)
    assert not has_several(economy, delta=low - margin)
    assert has_several(economy, delta=low + margin)
    if np.isinf(high):
        # no adoption is a steady state whatever the spillovers
        assert steady_states(economy).lowest[0] == 0.0 or economy.delta[0] < low
        assert has_several(economy, delta=low + 40.0)
    else:
        assert has_several(economy, delta=0.5 * (low + high))
        assert has_several(economy, delta=high - margin)
        assert not has_several(economy, delta=high + margin)
        assert not has_several(economy, delta=high + 5.0)


@settings(quick, max_examples=40)
@given(economies())
def test_eta_s_interval_has_sharp_ends_and_may_be_empty(economy: SimpleEconomy) -> None:
    interval = eta_interval(economy)
    if not interval.exists[0]:
        assert np.isnan(interval.high[0])
        grid = 1.0 + np.geomspace(1e-6, 100.0, 2001)
        assert not multiplicity(economy.select(np.zeros(grid.size, dtype=np.intp)).changed(eta=grid)).multiple.any()
        return
    low, high = float(interval.low[0]), float(interval.high[0])
    assert 1.0 < low < high
    assert eta_interval(economy.changed(eta=1.7)).low[0] == low
    margin = 1e-4 * (high - low)
    assume(margin > 1e-12 and low - margin > 1.0)
    assert not has_several(economy, eta=low - margin)
    assert has_several(economy, eta=low + margin)
    assert has_several(economy, eta=0.5 * (low + high))
    assert has_several(economy, eta=high - margin)
    assert not has_several(economy, eta=high + margin)


def test_both_kinds_of_intervals_occur() -> None:
    # with L/F^T in the window the interval holds the economy's own value; far below it there may be none
    inside = batch(0, 400)
    delta, eta = delta_interval(inside), eta_interval(inside)
    assert delta.exists.all()
    assert eta.exists.all()
    assert ((inside.delta > delta.low) & (inside.delta < delta.high)).all()
    assert ((inside.eta > eta.low) & (inside.eta < eta.high)).all()
    assert np.isinf(delta.high).any()
    assert np.isfinite(delta.high).any()
    assert not delta_interval(inside.changed(log_scale=inside.log_scale + 10.0)).exists.any()
    assert not eta_interval(inside.changed(delta=0.1)).exists.any()


# -- (v): Pareto ranking ----------------------------------------------------------------------------------------------


@thorough
@given(economies(trap=True))
def test_the_higher_steady_state_is_better(economy: SimpleEconomy) -> None:
    states = steady_states(economy)
    shares = states.share[0]
    outcomes = [static_outcomes(economy, np.array([share]), np.array([share])) for share in shares]
    for worse, better in pairwise(outcomes):
        # consumption is welfare; labour income rises too, so that no group of workers loses
        assert better.consumption[0] > worse.consumption[0]
        assert better.real_wage[0] > worse.real_wage[0]
        assert better.output[0] > worse.output[0]
    for state in outcomes:
        assert state.labour_tax[0] == 0.0
        # income side: wages and profits; goods side: output less adoption
        assert state.real_wage[0] + state.profits[0] == pytest.approx(state.consumption[0], rel=1e-10)


# -- Proposition 2(i): thresholds -------------------------------------------------------------------------------------


def after_push(economy: SimpleEconomy, start: FloatArray, instrument: Instrument, subsidy: FloatArray) -> FloatArray:
    """Share at the end of a single period with the subsidy, shape (D,)."""
    if instrument == "input":
        return economy.with_subsidy(input_subsidy=subsidy)(start)
    return economy.with_subsidy(cost_subsidy=subsidy)(start)


def log_keep(subsidy: FloatArray) -> FloatArray:
    return -np.log1p(-subsidy)


def rate(w: FloatArray) -> FloatArray:
    return -np.expm1(-w)


@pytest.mark.parametrize("instrument", ["input", "cost"])
@pytest.mark.parametrize("seed", range(4))
def test_a_push_just_above_the_threshold_works_and_one_just_below_fails(instrument: Instrument, seed: int) -> None:
    # near the upper end of the window the gap is small, so that thresholds exist for both instruments
    economy = batch(seed, 1200, within=(0.6, 1.0))
    states = steady_states(economy)
    start = states.lowest * np.random.default_rng(seed).random(economy.n_draws)
    threshold = push_threshold(economy, start, instrument, states)
    index = np.flatnonzero((threshold.status == DEFINED) & (threshold.reach - threshold.gap > 1e-4))
    assert index.size > 50
    some, begin, boundary = economy.select(index), start[index], states.threshold[index]
    w, margin = log_keep(threshold.subsidy[index]), 1e-6

    below = after_push(some, begin, instrument, rate(w * (1.0 - margin)))
    above = after_push(some, begin, instrument, rate(w * (1.0 + margin)))
    assert (below < boundary).all()
    assert (above > boundary).all()
    # once over the boundary, the economy industrialises without any further subsidy, and not otherwise
    exact = after_push(some, begin, instrument, threshold.subsidy[index])
    assert np.abs(exact - boundary).max() < 1e-7
    later_above, later_below = transition_path(some, above, 3)[-1], transition_path(some, below, 3)[-1]
    assert (later_above > above).all()
    assert (later_below < below).all()
    clearly = np.flatnonzero(np.minimum(above - boundary, boundary - below) > 1e-9)[:40]
    few, lowest = some.select(clearly), states.lowest[index][clearly]
    assert (long_run(few, above[clearly]).share == 1.0).all()
    assert long_run(few, below[clearly]).share == pytest.approx(lowest, abs=1e-6)

    # the tax at the threshold is that of the subsidised period
    subsidised = (
        some.with_subsidy(input_subsidy=threshold.subsidy[index])
        if instrument == "input"
        else some.with_subsidy(cost_subsidy=threshold.subsidy[index])
    )
    outcome = static_outcomes(subsidised, subsidised(begin), begin)
    assert outcome.labour_tax == pytest.approx(threshold.labour_tax[index], rel=1e-5, abs=1e-9)
    assert (outcome.labour_tax <= 1.0 + 1e-9).all()
    # budget: households get after-tax wages and profits, and eat what is left of output
    income = (1.0 - outcome.labour_tax) * outcome.real_wage + outcome.profits
    assert income == pytest.approx(outcome.consumption, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_working_input_subsidies_end_where_stated(seed: int) -> None:
    # starts from which what is needed lies between the effect at s → 1 and its peak
    rng = np.random.default_rng(seed)
    draws = 4000
    unit = SimpleEconomy.build(
        sigma=rng.uniform(2.1, 3.5, draws),
        theta=rng.uniform(0.5, 2.0, draws),
        kappa=rng.uniform(1.1, 1.6, draws),
        eta=rng.uniform(1.3, 2.0, draws),
        delta=rng.uniform(4.0, 14.0, draws),
        log_scale=0.0,
    )
    window = multiplicity(unit)
    place = rng.random(draws)
    economy = unit.changed(log_scale=place * window.log_scale_low + (1.0 - place) * window.log_scale_high)
    states = steady_states(economy)
    assert states.multiple.all()
    boundary = states.threshold
    reach = push_threshold(economy, boundary, "input", states).reach
    in_the_end = input_subsidy_effect(economy, boundary, np.full(economy.n_draws, 30.0))[0]
    start = boundary - (0.5 * reach + 0.5 * in_the_end) / economy.delta
    index = np.flatnonzero((start >= 0.0) & (reach - in_the_end > 1e-3))
    assert index.size > 10
    some, begin, boundary = economy.select(index), start[index], boundary[index]
    threshold = push_threshold(some, begin, "input")
    assert (threshold.status == DEFINED).all()
    assert (threshold.subsidy < threshold.largest).all()
    assert (threshold.largest < 1.0).all()
    ends = log_keep(threshold.largest)
    assert (after_push(some, begin, "input", rate(ends - 1e-5)) > boundary).all()
    assert (after_push(some, begin, "input", rate(ends + 1e-5)) < boundary).all()
    for w in (1.0, 3.0, 10.0):
        assert (after_push(some, begin, "input", rate(ends + w)) < boundary).all()


@pytest.mark.parametrize("seed", range(3))
def test_where_no_input_subsidy_suffices_none_does(seed: int) -> None:
    economy = batch(200 + seed, 900)
    states = steady_states(economy)
    threshold = push_threshold(economy, states.lowest, "input", states)
    index = np.flatnonzero(threshold.status == OUT_OF_REACH)
    assert index.size > 100
    some, begin, boundary = economy.select(index), states.lowest[index], states.threshold[index]
    assert np.isnan(threshold.subsidy[index]).all()
    assert np.isnan(threshold.labour_tax[index]).all()
    assert (threshold.gap[index] >= threshold.reach[index]).all()
    for w in np.concatenate([np.linspace(0.0, 6.0, 241), np.linspace(6.5, 29.0, 24)]):
        assert (after_push(some, begin, "input", np.full(index.size, rate(w))) <= boundary * (1.0 + 1e-9)).all()


@pytest.mark.parametrize("seed", range(3))
def test_where_an_input_subsidy_is_said_to_suffice_the_set_is_the_stated_interval(seed: int) -> None:
    economy = batch(300 + seed, 600)
    states = steady_states(economy)
    threshold = push_threshold(economy, states.lowest, "input", states)
    index = np.flatnonzero(threshold.status == DEFINED)
    some, begin, boundary = economy.select(index), states.lowest[index], states.threshold[index]
    low, high = threshold.subsidy[index], threshold.largest[index]
    for w in np.linspace(0.0, 12.0, 121):
        subsidy = float(-np.expm1(-w))
        works = after_push(some, begin, "input", np.full(index.size, subsidy)) > boundary
        near = (np.abs(subsidy - low) < 1e-7) | (np.abs(subsidy - high) < 1e-7)
        assert (works == (subsidy > low) & (subsidy < high))[~near].all()


@quick
@given(seeds)
def test_the_reach_of_an_input_subsidy_is_the_peak_of_its_effect(seed: int) -> None:
    # u from 1e-9 to 1: where few adopt the peak is far out and the effect flat beyond it
    rng = np.random.default_rng(seed)
    economy = batch(seed, 300)
    states = steady_states(economy)
    threshold = push_threshold(economy, states.lowest * rng.random(economy.n_draws), "input", states)
    trapped = np.flatnonzero(threshold.status != NO_TRAP)
    some, boundary = economy.select(trapped), states.threshold[trapped]
    grid = np.concatenate([np.linspace(0.0, 8.0, 161), np.linspace(8.5, 30.0, 44)])
    effects = np.array([input_subsidy_effect(some, boundary, np.full(trapped.size, w))[0] for w in grid])
    assert (effects.max(axis=0) <= threshold.reach[trapped] + 1e-9).all()
    assert (threshold.reach[trapped] <= effects.max(axis=0) + 0.02).all()
    # single-peaked: never up again after having come down
    falling = np.maximum.accumulate(np.diff(effects, axis=0) < -1e-11, axis=0)
    assert not (falling[:-1] & (np.diff(effects, axis=0)[1:] > 1e-11)).any()


@pytest.mark.parametrize("seed", range(2))
def test_not_financeable_means_a_tax_above_one(seed: int) -> None:
    economy = batch(400 + seed, 900)
    states = steady_states(economy)
    for instrument in ("input", "cost"):
        threshold = push_threshold(economy, states.lowest, instrument, states)
        index = np.flatnonzero(threshold.status == NOT_FINANCEABLE)
        if instrument == "input":
            # adopters' wages are part of the labour income that is taxed
            assert not index.size
            continue
        assert index.size > 20
        assert np.isnan(threshold.subsidy[index]).all()
        assert (threshold.labour_tax[index] > 1.0).all()
        some, begin = economy.select(index), states.lowest[index]
        needed = rate(threshold.gap[index])
        policy = some.with_subsidy(cost_subsidy=needed)
        assert (static_outcomes(policy, policy(begin), begin).labour_tax > 1.0).all()
        # a smaller one, which could be paid, does not lift the economy over the boundary
        cheaper = some.with_subsidy(cost_subsidy=needed * (1.0 - 1e-6))
        assert (cheaper(begin) < states.threshold[index]).all()


@quick
@given(economies(trap=True), st.floats(0.0, 1.0))
def test_the_threshold_of_the_cost_subsidy_has_a_closed_form(economy: SimpleEconomy, fraction: float) -> None:
    states = steady_states(economy)
    start = fraction * float(states.threshold[0])
    threshold = push_threshold(economy, start, "cost", states)
    gap = float(economy.delta[0]) * (float(states.threshold[0]) - start)
    assert threshold.gap[0] == pytest.approx(gap, rel=1e-12, abs=1e-15)
    if threshold.status[0] == DEFINED:
        assert threshold.subsidy[0] == pytest.approx(-np.expm1(-gap), rel=1e-12, abs=1e-15)
    else:
        assert threshold.status[0] == NOT_FINANCEABLE


def test_only_a_trapped_economy_has_a_threshold() -> None:
    economy = batch(1, 200)
    states = steady_states(economy)
    for instrument in ("input", "cost"):
        free = push_threshold(economy, 1.0, instrument)
        assert (free.status == NO_TRAP).all()
        for name in ("subsidy", "labour_tax", "gap"):
            assert np.isnan(getattr(free, name)).all()
        # on the boundary itself any subsidy is enough
        edge = push_threshold(economy, states.threshold, instrument, states)
        assert (edge.status == DEFINED).all()
        assert np.abs(edge.subsidy).max() < 1e-12
    single = SimpleEconomy.pinned(**PAPER, delta=0.68, adopter_share=0.07)
    assert STATUS[push_threshold(single, 0.0).status[0]] == "no trap to leave"


# -- Proposition 2(ii): market size -----------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("step", [1e-4, 0.05])
def test_the_region_and_the_thresholds_shrink_with_market_size(seed: int, step: float) -> None:
    economy = batch(500 + seed, 900, within=(0.02, 0.9))
    window = multiplicity(economy)
    larger = economy.changed(log_scale=economy.log_scale + step * (window.log_scale_high - economy.log_scale))
    small, large = steady_states(economy), steady_states(larger)
    assert small.multiple.all()
    assert large.multiple.all()
    assert (large.threshold < small.threshold).all()
    start = np.random.default_rng(seed).random(economy.n_draws) * np.minimum(small.lowest, large.lowest)
    # from a given share, and from the low steady state, which itself rises
    for before, after in ((start, start), (small.lowest, large.lowest)):
        for instrument in ("input", "cost"):
            one = push_threshold(economy, before, instrument, small)
            other = push_threshold(larger, after, instrument, large)
            assert (other.gap < one.gap).all()
            both = (one.status == DEFINED) & (other.status == DEFINED)
            assert both.sum() > 10
            assert (other.subsidy[both] < one.subsidy[both]).all()
            # what was feasible for the smaller market stays so for the larger one
            if instrument == "input":
                assert (other.status[one.status == DEFINED] == DEFINED).all()


# -- g ----------------------------------------------------------------------------------------------------------------


def shape_of(economy: SimpleEconomy) -> dict[str, Any]:
    bound = np.where(np.isfinite(economy.kappa), economy.kappa**-economy.theta, 0.0)
    exponent = 1.0 - (economy.sigma - 1.0) / economy.theta
    return {
        "sigma": economy.sigma,
        "theta": economy.theta,
        "price_gain": economy.eta ** (economy.sigma - 1.0) * (1.0 - economy.input_subsidy) ** (1.0 - economy.sigma),
        "bound": bound,
        "bound_power": bound**exponent,
        "keep": 1.0 - economy.input_subsidy,
    }


@quick
@given(economies(), st.floats(1e-6, 1.0), st.sampled_from([0.0, 0.1, 0.6, 0.95]))
def test_derivatives_of_g(economy: SimpleEconomy, place: float, subsidy: float) -> None:
    economy = economy.with_subsidy(input_subsidy=subsidy)
    share, shape = np.array([place]), shape_of(economy)
    g, slope, curvature = economy.potential_derivatives(share)
    t = tail(share, shape["bound"])
    value, own_slope = cost_of_share(t, **shape)
    digits = 1e-11 + 1e-15 / place  # the difference of nearly equal powers that a small share is
    assert economy.potential(share) == pytest.approx(value, rel=digits, abs=digits)
    assert g == pytest.approx(value, rel=digits, abs=digits)
    # the complex step has no cancellation: derivatives to the last digits
    tilted = tail(share + 1e-30j, shape["bound"])
    tilted_value, tilted_slope = cost_of_share(tilted, **shape)
    assert slope == pytest.approx(np.imag(tilted_value) / 1e-30, rel=1e-9)
    assert own_slope == pytest.approx(slope, rel=1e-9)
    bent = np.imag(tilted_slope) / 1e-30
    assert curvature == pytest.approx(bent, rel=1e-7)
    assert slope[0] > 0.0
    if subsidy == 0.0:
        assert curvature[0] < 0.0


def test_g_stays_increasing_and_concave_under_an_input_subsidy() -> None:
    # what the Newton iterations of a subsidised period rely on
    economy = batch(2, 2000)
    rng = np.random.default_rng(2)
    for _ in range(20):
        subsidised = economy.with_subsidy(input_subsidy=rng.random(economy.n_draws))
        _, slope, curvature = subsidised.potential_derivatives(rng.random(economy.n_draws))
        assert (slope > 0.0).all()
        assert (curvature < 0.0).all()


def test_starts_lie_on_the_side_that_the_iterations_need() -> None:
    economy = batch(3, 2000)
    share = np.random.default_rng(3).random(economy.n_draws)
    g, slope, _ = economy.potential_derivatives(share)
    assert (economy.inverse_start(g) <= share).all()
    assert (economy.slope_start(slope) <= share * (1.0 + 1e-12)).all()


@pytest.mark.parametrize("offset", [0.0, 1e-14, -1e-14, 1e-9, -1e-9, 1e-5, -1e-5, 2e-3, -2e-3])
def test_theta_at_sigma_less_one_is_no_gap_when_productivity_is_bounded(offset: float) -> None:
    # the mass of adopters is a logarithm there
    economy = SimpleEconomy.build(
        sigma=3.0, theta=2.0 * (1.0 + offset), kappa=5.0, eta=1.5, delta=[2.0, 9.0], log_scale=[1.0, 0.0]
    )
    share = np.array([0.3, 1e-3])
    for draw in range(2):
        some = economy.select(np.array([draw]))
        root = float(some(share[[draw]])[0])
        assert 0.0 < root < 1.0
        assert paper_gap(some, root, float(share[draw])) == pytest.approx(0.0, abs=1e-10)
    assert steady_states(economy).converged.all()


# -- the paper's own figures ------------------------------------------------------------------------------------------


def test_critical_delta_at_the_paper_s_parameters() -> None:
    economy = SimpleEconomy.build(**PAPER, delta=0.68, log_scale=0.0)
    ratio = 4.0 / 4.24
    by_hand = ratio + 3.0 / 4.0 * (1.0 - ratio) * (1.0 - 1.25**-4.0)
    assert multiplicity(economy).critical_delta[0] == pytest.approx(by_hand, abs=1e-14)
    assert by_hand == pytest.approx(0.968, abs=5e-4)


def test_the_paper_s_delta_gives_one_steady_state_at_any_market_size() -> None:
    scale = np.linspace(-12.0, 12.0, 4001)
    economy = SimpleEconomy.build(**PAPER, delta=0.68, log_scale=scale)
    assert not multiplicity(economy).multiple.any()
    assert (steady_states(economy).count == 1).all()
    assert (push_threshold(economy, 0.0).status == NO_TRAP).all()


def test_multiplicity_at_an_observed_share_needs_a_delta_four_times_the_paper_s() -> None:
    delta = np.linspace(2.5, 3.0, 5001)
    several = multiplicity(SimpleEconomy.pinned(**PAPER, delta=delta, adopter_share=0.07)).multiple
    # L/F^T is pinned anew at each δ; once the condition holds it keeps holding here
    first = delta[several.argmax()]
    assert not several[delta < first].any()
    assert several[delta >= first].all()
    assert first == pytest.approx(2.77, abs=5e-3)
    # at the L/F^T pinned with δ = 3, spillovers from 2.78 give several steady states
    fixed = delta_interval(SimpleEconomy.pinned(**PAPER, delta=3.0, adopter_share=0.07))
    assert fixed.low[0] == pytest.approx(2.783, abs=1e-3)
    assert fixed.high[0] == pytest.approx(6.315, abs=1e-3)


@pytest.mark.parametrize(("delta", "width"), [(1.2, 0.02), (1.5, 0.11)])
def test_windows_of_market_size_are_narrow(delta: float, width: float) -> None:
    window = multiplicity(SimpleEconomy.build(**PAPER, delta=delta, log_scale=0.0))
    assert window.log_scale_high[0] - window.log_scale_low[0] == pytest.approx(width, abs=5e-3)


@pytest.mark.parametrize("pin", ["steady_state", "from_zero"])
@pytest.mark.parametrize("share", [0.01, 0.07, 0.6])
def test_a_pinned_scale_yields_the_observed_share(pin: Any, share: float) -> None:
    economy = SimpleEconomy.pinned(**PAPER, delta=[0.68, 2.0], adopter_share=share, pin=pin)
    previous = share if pin == "steady_state" else 0.0
    assert economy(np.full(2, previous)) == pytest.approx([share] * 2, rel=1e-12)


# -- what is refused --------------------------------------------------------------------------------------------------

BASE: dict[str, Any] = {**PAPER, "delta": 0.68, "log_scale": 0.0}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sigma": 2.0}, r"Assumption 1\(i\), sigma > 2 is violated: sigma = 2 \(1 of 1 draws\).*set sigma above 2"),
        ({"sigma": 1.5, "theta": 3.0}, "sigma = 1.5"),
        ({"sigma": [5.0, 1.9]}, r"sigma = 1.9 \(1 of 2 draws\)"),
        ({"theta": 4.0}, r"theta > sigma - 1 is violated: theta = 4 .*raise theta .* or bound productivity with kappa"),
        ({"theta": 3.0}, "theta = 3 "),
        ({"theta": [3.0, 3.0], "kappa": [5.0, np.inf]}, r"theta = 3 \(1 of 2 draws\)"),
    ],
)
def test_violated_assumptions_are_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(AssumptionViolated, match=message) as caught:
        SimpleEconomy.build(**(BASE | changes))
    assert isinstance(caught.value, InputError)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"eta": 1.0}, "eta = 1 .*greater than 1.*eta is a gain"),
        ({"eta": 0.8}, "eta = 0.8 "),
        ({"eta": np.inf}, "eta = inf "),
        ({"eta": [1.2, 0.9]}, "eta = 0.9 "),
        ({"delta": -0.1}, "delta = -0.1 .*not negative.*0 for no spillovers"),
        ({"delta": np.inf}, "delta = inf "),
        ({"log_scale": np.inf}, r"log_scale = inf .*finite.*log\(L/F\^T\)"),
        ({"kappa": 1.0}, "kappa = 1 .*greater than 1.*inf for unbounded"),
        ({"theta": -1.0, "kappa": 2.0}, "theta = -1 .*positive"),
        ({"theta": np.inf}, "theta = inf "),
        ({"sigma": np.inf, "kappa": 2.0}, "sigma = inf .*finite"),
        ({"input_subsidy": 1.0}, r"input_subsidy = 1 .*in \[0, 1\).*share of costs"),
        ({"cost_subsidy": -0.1}, r"cost_subsidy = -0.1 .*in \[0, 1\)"),
        *[({name: np.nan}, f"{name} = NaN .*a number.*missing draws") for name in (*BASE, "kappa", "cost_subsidy")],
        ({"eta": [1.2, np.nan]}, "eta = NaN "),
    ],
)
def test_parameters_outside_their_range_are_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidValue, match=message) as caught:
        SimpleEconomy.build(**(BASE | changes))
    assert "Remedy:" in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "key"), [({"eta": [1.2, 1.3], "delta": [1.0] * 3}, "eta"), ({"delta": [[1.0]]}, "delta")]
)
def test_shapes_that_do_not_fit_are_named(changes: dict[str, Any], key: str) -> None:
    with pytest.raises(ShapeMismatch, match=rf"{key} has shape .*one value per draw"):
        SimpleEconomy.build(**(BASE | changes))


def test_an_empty_batch_is_refused() -> None:
    with pytest.raises(ShapeMismatch, match=r"eta has shape \(0,\)"):
        SimpleEconomy.build(**(BASE | {"eta": []}))


@pytest.mark.parametrize("share", [0.0, 1.0, 7.0, -0.1, np.nan, [0.07, 1.2]])
def test_a_pin_needs_a_share_inside_the_unit_interval(share: Any) -> None:
    with pytest.raises(
        InvalidValue,
        match=r"adopter_share = .*(strictly between 0 and 1.*such as 0\.07|NaN is refused: it must be a number)",
    ):
        SimpleEconomy.pinned(**PAPER, delta=0.68, adopter_share=share)


def test_a_pin_has_two_readings() -> None:
    with pytest.raises(InvalidValue, match=r"pin = 1972 .*'steady_state' or 'from_zero'"):
        SimpleEconomy.pinned(**PAPER, delta=0.68, adopter_share=0.07, pin="1972")  # type: ignore[arg-type]


def refused_calls() -> list[tuple[Callable[[SimpleEconomy], object], str]]:
    return [
        (lambda e: push_threshold(e, 0.07, "tax"), "instrument = tax .*'input' or 'cost'"),  # type: ignore[arg-type]
        (lambda e: push_threshold(e, 7.0), r"start = 7.0 .*a share in \[0, 1\]"),
        (lambda e: push_threshold(e, np.nan), "start = nan "),
        (lambda e: push_threshold(e.with_subsidy(input_subsidy=0.1), 0.07), "economy = subsidised .*without subsidies"),
        (lambda e: labour_cost_share(e.with_subsidy(cost_subsidy=0.1)), "subsidy = positive .*without its subsidy"),
        (lambda e: e.with_subsidy(input_subsidy=1.0), "input_subsidy = 1 "),
        (lambda e: e.changed(eta=0.5), "eta = 0.5 "),
    ]


@pytest.mark.parametrize(("call", "message"), refused_calls())
def test_calls_that_are_refused(call: Callable[[SimpleEconomy], object], message: str) -> None:
    with pytest.raises(InvalidValue, match=message):
        call(SimpleEconomy.pinned(**PAPER, delta=[0.68, 3.0], adopter_share=0.07))


def test_a_start_per_draw_must_fit_the_draws() -> None:
    economy = SimpleEconomy.pinned(**PAPER, delta=[0.68, 3.0], adopter_share=0.07)
    with pytest.raises(ShapeMismatch, match=r"start has shape \(3,\)"):
        push_threshold(economy, np.full(3, 0.07))


def test_what_is_kept_for_speed_follows_changes_of_the_parameters() -> None:
    economy = batch(4, 50)
    share = np.full(economy.n_draws, 0.2)
    economy.potential(share)
    other = economy.changed(eta=economy.eta + 0.1, kappa=4.0)
    fresh = SimpleEconomy.build(
        sigma=economy.sigma,
        theta=economy.theta,
        eta=economy.eta + 0.1,
        delta=economy.delta,
        log_scale=economy.log_scale,
        kappa=4.0,
    )
    assert np.array_equal(other.potential(share), fresh.potential(share))
    some = economy.select(np.array([7, 3]))
    assert np.array_equal(some.potential(share[:2]), economy.potential(share)[[7, 3]])
