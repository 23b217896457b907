"""Closed forms against the engine, what theory claims of each model, and what is refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bigpush_est.equilibrium.adoption_map import FloatArray
from bigpush_est.equilibrium.coordination import (
    MODELS,
    BigPush,
    CoordinationModel,
    Infrastructure,
    Investment,
    ORing,
    Training,
    Urbanisation,
    comparative_statics,
    condition,
    coordination_model,
    pushed_path,
    solve_model,
)
from bigpush_est.equilibrium.coordination.investment import SMALLEST_SPREAD
from bigpush_est.equilibrium.steady_states import long_run, steady_states, transition_path
from bigpush_est.errors import AssumptionViolated, InputError, InvalidValue, ShapeMismatch, UnknownKey, UnknownModel

GRID = np.linspace(0.0, 1.0, 101)[:, None]
DRAWS = 200
names = st.sampled_from(sorted(MODELS))
seeds = st.integers(min_value=0, max_value=2**32 - 1)
check = settings(derandomize=True, deadline=None, max_examples=40)


def random_values(name: str, rng: np.random.Generator, draws: int = DRAWS) -> dict[str, FloatArray]:
    """Parameters of random economies, across most of their ranges."""
    values: dict[str, FloatArray] = {}
    for parameter, entry in MODELS[name].parameters().items():
        low, high = entry.ends
        if entry.whole:
            values[parameter] = rng.integers(int(low), 7, draws).astype(float)
        elif np.isfinite(high):
            values[parameter] = low + (high - low) * rng.uniform(0.02, 0.98, draws)
        else:
            values[parameter] = low + np.exp(rng.normal(-0.5, 0.9, draws))
    if name == "oring":
        values["skill_high"] = values["skill_low"] + (1.0 - values["skill_low"]) * rng.uniform(0.05, 1.0, draws)
    # costs that differ much leave no room for a trap: half of the economies have similar agents
    values["spread"] = np.where(rng.random(draws) < 0.5, rng.uniform(0.005, 0.2, draws), values["spread"])
    return values


def random_economies(name: str, seed: int, draws: int = DRAWS) -> CoordinationModel:
    """Random economies; where there is a window, most have their key parameter in it or near it."""
    rng = np.random.default_rng(seed)
    model = MODELS[name].build(**random_values(name, rng, draws))
    window, entry = model.window(), model.parameters()[model.key]
    place = window.low + rng.uniform(-0.3, 1.3, draws) * (window.high - window.low)
    usable = np.isfinite(place)
    usable[usable] = entry.allows(place[usable])
    return model.changed(**{model.key: np.where(usable, place, getattr(model, model.key))})


# -- what every model claims ------------------------------------------------------------------------------------------


@check
@given(names, seeds)
def test_the_map_is_nondecreasing_exactly_where_it_is_said_to_be(name: str, seed: int) -> None:
    model = random_economies(name, seed)
    assert (np.diff(model(GRID), axis=0)[:, model.rising] >= -1e-9).all()
    if name == "investment":
        rises = (np.diff(model.gain(GRID), axis=0) >= -1e-12).all(axis=0)
        assert rises[model.rising].all()
        # one that falls by too little for this grid to show it falls at an end
        assert (rises & ~model.rising).sum() <= 2
        assert 0 < model.rising.sum() < DRAWS
    else:
        assert model.rising.all()


@check
@given(names, seeds)
def test_every_claim_of_comparative_statics_holds_at_every_share(name: str, seed: int) -> None:
    model = random_economies(name, seed)
    rng = np.random.default_rng(seed + 1)
    before = model(GRID)
    claims = 0
    for parameter, entry in model.parameters().items():
        if entry.effect == 0:
            continue
        value = getattr(model, parameter)
        high = entry.ends[1]
        room = value if np.isinf(high) else high - value
        raised = value + 1.0 if entry.whole else value + rng.uniform(0.001, 0.5, DRAWS) * room
        after = model.changed(**{parameter: raised})(GRID)
        # on a steep ramp the rounding of a gain moves the share by as much as the ramp is steep
        slack = 1e-13 * (1.0 + np.abs(np.nan_to_num(model.gain(GRID), neginf=0.0))) / (model.spread * model.cost)
        assert (entry.effect * (after - before) >= -slack).all(), parameter
        claims += (after != before).any()
    assert claims >= 3


@check
@given(names, seeds)
def test_the_closed_form_is_the_engines_answer(name: str, seed: int) -> None:
    model = random_economies(name, seed)
    closed, states = condition(model), steady_states(model)
    # at a tangency the answer turns on rounding
    apart = (np.abs(closed.trough) > 1e-7 * (1.0 + model.cost)) & (np.abs(closed.crest) > 1e-7 * (1.0 + model.cost))
    if model.exact:
        np.testing.assert_array_equal(states.multiple[apart], closed.multiple[apart])
    else:
        assert states.multiple[apart & closed.multiple].all()
    assert states.converged[apart].all()
    assert 0 < closed.multiple.sum() < DRAWS
    assert (model(np.zeros(DRAWS))[closed.nobody] == 0.0).all()
    assert (model(np.ones(DRAWS))[closed.everybody & (closed.last > 1e-12)] == 1.0).all()


@check
@given(names, seeds)
def test_everybody_is_better_than_nobody_whenever_it_is_an_equilibrium(name: str, seed: int) -> None:
    model = random_economies(name, seed)
    nobody, everybody = model.welfare(np.array([[0.0], [1.0]]) * np.ones(DRAWS))
    chosen = condition(model).everybody
    assert (everybody - nobody)[chosen].min() >= -1e-9
    assert chosen.any()


@check
@given(names, seeds)
def test_the_smallest_push_is_sharp(name: str, seed: int) -> None:
    model = random_economies(name, seed)
    solution = solve_model(model)
    index = np.flatnonzero(np.isfinite(solution.push.payment))
    assert index.size > 0
    some = model.select(index)
    start, end, payment = solution.states.lowest[index], solution.trap[index], solution.push.payment[index]
    assert (payment > 0.0).all()
    scale = np.abs(some.cost_at(end)) + np.abs(some.gain(start))
    for sign in (-1.0, 1.0):
        after = pushed_path(some, start, payment + sign * 1e-6 * scale, 1)[-1]
        settled = long_run(some, after).share
        assert ((settled > end) == (sign > 0.0)).all()
    np.testing.assert_allclose(solution.push.together[index], end - start)


@check
@given(names, seeds)
def test_bounds_hold_the_map_on_every_interval(name: str, seed: int) -> None:
    model = random_economies(name, seed)
    low, high = np.sort(np.random.default_rng(seed).random((2, DRAWS)), axis=0)
    below, above = model.enclosure(low, high)
    inside = model(low + (high - low) * np.linspace(0.0, 1.0, 21)[:, None])
    assert (inside >= below - 1e-9).all()
    assert (inside <= above + 1e-9).all()


@check
@given(names, seeds)
def test_identical_agents_have_several_steady_states_exactly_in_the_window(name: str, seed: int) -> None:
    if name == "investment":
        return  # its agents have to differ: tested against simulated ones
    rng = np.random.default_rng(seed)
    model = MODELS[name].build(**(random_values(name, rng) | {"spread": 0.0}))
    window = model.window()
    exists = np.isfinite(window.low) & (window.high - window.low > 0.01 * window.high)
    found = steady_states(model)
    assert not found.multiple[np.isnan(window.low)].any()
    index = np.flatnonzero(exists)
    some, low, high = model.select(index), window.low[index], window.high[index]
    width = high - low
    for place, inside in (
        (low - 0.002 * width, False),
        (low + 0.002 * width, True),
        (high - 0.002 * width, True),
        (high + 0.002 * width, False),
    ):
        usable = some.parameters()[some.key].allows(place)
        states = steady_states(some.select(usable).changed(**{some.key: place[usable]}))
        assert (states.multiple == inside).all()
        assert states.converged.all()


@pytest.mark.parametrize("name", MODELS)
def test_a_batch_gives_what_each_draw_gives_alone(name: str) -> None:
    model = MODELS[name]
    rng = np.random.default_rng(5)
    window = model.build().window()
    keys = rng.uniform(0.8 * window.low[0], 1.1 * window.high[0], 40)
    batch = solve_model(model.build(**{model.key: keys}))
    for draw in (0, 7, 39):
        alone = solve_model(model.build(**{model.key: keys[draw]}))
        assert batch.trap[draw] == alone.trap[0] or np.isnan(alone.trap[0])
        assert batch.push.payment[draw] == alone.push.payment[0] or np.isnan(alone.push.payment[0])
        kept = np.isfinite(alone.states.share[0])
        np.testing.assert_array_equal(batch.states.share[draw, : kept.size][kept], alone.states.share[0][kept])
        assert batch.best[draw] == alone.best[0]
    assert 0 < batch.states.multiple.sum() < 40


@pytest.mark.parametrize("name", MODELS)
def test_the_trap_ends_where_the_engines_basin_does(name: str) -> None:
    solution = solve_model(MODELS[name].build())
    assert solution.states.basins()[0, 0].tolist() == [0.0, solution.trap[0]]
    assert solution.trapped[0]
    assert solution.states.share[0, solution.best[0]] == solution.states.highest[0]
    assert solution.welfare_gain[0] > 0.0


def test_several_states_are_no_trap_where_the_lowest_is_the_best() -> None:
    class Harmful(Training):
        """Training that uses up more than it is worth to all together."""

        def welfare(self, share: FloatArray) -> FloatArray:
            return -share

    solution = solve_model(Harmful.build())
    assert solution.states.multiple[0]
    assert not solution.trapped[0]
    assert solution.states.share[0, solution.best[0]] == solution.states.lowest[0] == 0.0
    assert solution.welfare_gain[0] == 0.0


# -- equilibria in closed form ----------------------------------------------------------------------------------------


def test_big_push_states_solve_a_quadratic() -> None:
    """The marginal sector's premium is linear in n, and w is a ratio of linear terms."""
    labour, alpha, fixed, premium, h = 1.3, 3.5, 0.5, 0.7, 0.25
    model = BigPush.build(labour=labour, productivity=alpha, fixed_cost=fixed, premium=premium, spread=h)
    # α(L − nF) = (1 + v(1 − h) + 2hvn)(αF + L − nαF)
    quadratic = np.polysub(
        np.polymul([2 * h * premium, 1 + premium * (1 - h)], [-alpha * fixed, alpha * fixed + labour]),
        [-alpha * fixed, alpha * labour],
    )
    roots = np.roots(quadratic)
    inside = sorted(roots[(roots > 0) & (roots < 1)])
    states = steady_states(model)
    assert len(inside) == 1
    assert states.threshold[0] == pytest.approx(inside[0], abs=1e-9)
    # identical sectors: n* = (y* − L)/(m y* − F)
    alike = model.changed(spread=0.0)
    needed = fixed * (1 + premium) / (1 - (1 + premium) / alpha)
    margin = 1 - 1 / alpha
    assert steady_states(alike).threshold[0] == pytest.approx((needed - labour) / (margin * needed - fixed), abs=1e-7)


def test_big_push_first_sector_pays_below_the_window_only() -> None:
    model = BigPush.build(fixed_cost=[0.33, 0.34, 0.49, 0.51], spread=0.0)
    closed = condition(model)
    assert closed.nobody.tolist() == [False, True, True, True]
    assert closed.everybody.tolist() == [True, True, True, False]
    no_premium = BigPush.build(premium=0.0, fixed_cost=np.linspace(0.1, 0.9, 30))
    assert not steady_states(no_premium).multiple.any()
    assert np.isnan(no_premium.window().low).all()


def test_investment_is_the_stated_inequality() -> None:
    model = Investment.build(spread=SMALLEST_SPREAD)
    margin, left = 1 - 1 / 6.0, 1.0 - 0.5
    window = model.window()
    assert window.high[0] == pytest.approx(0.5 / margin)
    assert window.low[0] == pytest.approx(0.5 / (margin * 6.0**0.6 * left**0.4))
    # log utility: c_2/c_1 drives the rate of interest so far up that investments are substitutes
    substitutes = Investment.build(substitution=0.0, fixed_cost=0.3)
    assert not substitutes.rising[0]
    assert not substitutes.monotone
    solution = solve_model(substitutes)
    assert solution.states.count[0] == 1
    assert np.isnan(solution.trap[0])
    assert 0.0 < solution.states.lowest[0] < 1.0
    # more firms of nearly one kind: the economy that expects the past flips from one side to the other
    flips = Investment.build(substitution=0.0, fixed_cost=0.3, spread=0.02)
    assert long_run(flips, 0.1).outcome[0] == "cycle"
    assert solve_model(flips).best[0] == -1


def test_investment_reports_no_push_where_the_map_falls() -> None:
    found = 0
    for seed in range(30):
        model = random_economies("investment", seed)
        solution = solve_model(model)
        falls = solution.states.multiple & ~model.rising
        found += int(falls.sum())
        for value in (solution.trap, solution.push.together, solution.push.payment, solution.push.bill):
            assert np.isnan(value[falls]).all()
    assert found > 0


def test_investment_welfare_is_continuous_in_substitution() -> None:
    model = Investment.build(substitution=[0.0, 1e-10, 1e-6])
    welfare = model.welfare(np.full(3, 0.4))
    assert welfare == pytest.approx([welfare[0]] * 3, rel=1e-5)


def test_urbanisation_without_spread_jumps_where_people_move() -> None:
    model = Urbanisation.build(spread=0.0)
    states = steady_states(model)
    assert states.threshold[0] == pytest.approx(0.2 / (0.5 * 0.8), abs=1e-7)
    assert states.jump[0].tolist() == [False, True, False]
    # a move that even a full supply of goods is not worth leaves the countryside as it is
    assert steady_states(model.changed(moving_cost=0.41)).share[0].tolist()[0] == 0.0
    assert not condition(model.changed(moving_cost=0.41)).multiple[0]


def test_infrastructure_without_other_users_always_has_nobody() -> None:
    model = Infrastructure.build(anchor=0.0, line_cost=[0.01, 0.3, 5.0])
    solution = solve_model(model)
    assert solution.states.lowest.tolist() == [0.0, 0.0, 0.0]
    assert solution.states.multiple.tolist() == [True, True, False]
    assert np.isinf(solution.push.payment[:2]).all()
    assert (solution.push.bill[:2] == 0.0).all()
    # at the toll that the smallest payment leaves, the firms that come pay for the line
    with_users = Infrastructure.build()
    pushed = solve_model(with_users)
    toll = with_users.toll(np.zeros(1)) - pushed.push.payment
    assert (toll * (pushed.trap + 0.2))[0] == pytest.approx(0.3, abs=1e-9)


def test_training_is_linear() -> None:
    model = Training.build(firm_share=0.5, gain_from_training=2.0, poaching=0.6, training_cost=0.7, spread=0.0)
    assert steady_states(model).threshold[0] == pytest.approx(1 - (1 - 0.7) / 0.6, abs=1e-7)
    assert not steady_states(model.changed(poaching=0.0)).multiple[0]
    # who neither gains nor loses acts: at a cost of exactly b g everybody stays an equilibrium
    indifferent = model.changed(training_cost=1.0)
    assert condition(indifferent).everybody[0]
    assert indifferent(np.ones(1))[0] == 1.0


@pytest.mark.parametrize("tasks", [2, 3, 5])
def test_oring_identical_workers_have_the_stated_trap(tasks: int) -> None:
    low, high, scale = 0.5, 0.9, 2.0
    floor, top = (scale * (high - low) * q ** (tasks - 1) / tasks for q in (low, high))
    cost = 0.5 * (floor + top)
    model = ORing.build(tasks=tasks, output_scale=scale, upgrade_cost=cost, spread=0.0)
    window = model.window()
    assert (window.low[0], window.high[0]) == pytest.approx((floor, top))
    trap = ((tasks * cost / (scale * (high - low))) ** (1 / (tasks - 1)) - low) / (high - low)
    assert steady_states(model).threshold[0] == pytest.approx(trap, abs=1e-7)


def test_oring_pay_adds_up_to_output_and_sorting_ends_the_trap() -> None:
    model = ORing.build(sorting=[0.0, 0.3, 1.0], tasks=3.0)
    for share in (0.0, 0.4, 1.0):
        skills = {"low": model.skill_low, "high": model.skill_high}
        mean = model.mean_skill(np.full(3, share))
        pay = {
            kind: model.sorting * skill**3 / 3 + (1 - model.sorting) * skill * mean**2 / 3
            for kind, skill in skills.items()
        }
        total = share * pay["high"] + (1 - share) * pay["low"]
        np.testing.assert_allclose(total, model.output(np.full(3, share)), rtol=1e-12)
        np.testing.assert_allclose(pay["high"] - pay["low"], model.gain(np.full(3, share)), rtol=1e-12)
    assert not steady_states(ORing.build(sorting=1.0, upgrade_cost=np.linspace(0.05, 0.4, 40))).multiple.any()
    assert np.isnan(ORing.build(sorting=1.0).window().low[0])


def test_divergence_countries_on_either_side_of_the_trap_part() -> None:
    model = ORing.build()
    trap = float(solve_model(model).trap[0])
    paths = [transition_path(model, trap + step, 40)[-1, 0] for step in (-0.02, 0.02)]
    assert paths == [0.0, 1.0]


def test_comparative_statics_move_the_trap_as_claimed() -> None:
    for model in MODELS.values():
        for effect in comparative_statics(model.build(), step=0.02):
            low, here, high = effect.trap
            if effect.claim and np.isfinite([low, here, high]).all():
                assert effect.claim * (high - here) <= 1e-9
                assert effect.claim * (here - low) <= 1e-9


# -- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "values", "words"),
    [
        (ORing, {"skill_high": 1.2}, "skill_high = 1.2 is refused: it must be in [0, 1]. Remedy: q_H is a worker's"),
        (ORing, {"skill_low": -0.1}, "skill_low = -0.1"),
        (ORing, {"upgrade_cost": -1.0}, "upgrade_cost = -1 is refused: it must be greater than 0"),
        (ORing, {"tasks": 2.5}, "tasks = 2.5 is refused: it must be a whole number, at least 2"),
        (ORing, {"tasks": 1}, "tasks = 1"),
        (ORing, {"sorting": float("nan")}, "sorting = NaN is refused"),
        (BigPush, {"fixed_cost": 0.0}, "fixed_cost = 0"),
        (BigPush, {"productivity": 1.0}, "greater than 1"),
        (BigPush, {"premium": float("inf")}, "premium = inf is refused: it must be at least 0"),
        (BigPush, {"spread": 1.0}, "in [0, 1)"),
        (Training, {"poaching": [0.5, 1.5]}, "poaching = 1.5"),
        (Investment, {"spread": 0.0}, "at least 0.001 in this model"),
        (Infrastructure, {"anchor": -0.1}, "anchor = -0.1"),
        (Urbanisation, {"buyer_share": 1.0}, "in (0, 1)"),
    ],
)
def test_values_outside_their_range_are_refused_by_name(
    model: type[CoordinationModel], values: dict[str, float], words: str
) -> None:
    with pytest.raises(InvalidValue) as refused:
        model.build(**values)
    assert words in str(refused.value)
    assert "Remedy" in str(refused.value)


def test_other_mistakes_are_refused() -> None:
    with pytest.raises(AssumptionViolated, match=r"skill_high = 0.4 \(1 of 2 draws\)"):
        ORing.build(skill_high=[0.4, 0.9])
    with pytest.raises(UnknownKey, match="choose from skill_low"):
        ORing.build(skill=0.5)
    with pytest.raises(ShapeMismatch, match=r"premium has shape \(2,\)"):
        BigPush.build(premium=[0.1, 0.2], fixed_cost=[0.1, 0.2, 0.3])
    with pytest.raises(ShapeMismatch):
        BigPush.build(premium=np.ones((2, 2)))
    with pytest.raises(InputError, match="one-dimensional"):
        BigPush.build(premium="much")
    with pytest.raises(UnknownModel, match="did you mean training"):
        coordination_model("trainings")
    model = Training.build(training_cost=[0.3, 0.4])
    with pytest.raises(InvalidValue, match="2 draws"):
        comparative_statics(model)
    with pytest.raises(InvalidValue, match="step"):
        comparative_statics(Training.build(), step=0.0)
    with pytest.raises(InvalidValue, match="periods"):
        pushed_path(model, np.zeros(2), np.zeros(2), -1)


@pytest.mark.parametrize("name", MODELS)
def test_a_model_says_what_it_is(name: str) -> None:
    model = MODELS[name]
    for word in (
        "title",
        "agents",
        "action",
        "wedge",
        "timing",
        "gain_unit",
        "welfare_unit",
        "paid",
        "rule",
        "sources",
    ):
        assert getattr(model, word)
    assert model.key in model.parameters()
    assert list(model.parameters())[-1] == "spread"
    for entry in model.parameters().values():
        assert entry.allows(np.array([entry.default])).all()
        assert entry.symbol
        assert entry.meaning
        assert entry.unit
