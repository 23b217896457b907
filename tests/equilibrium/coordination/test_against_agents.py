"""Each model's map and equilibria against economies in which a few thousand agents compare what they earn."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from bigpush_est.equilibrium.coordination import MODELS, solve_model

from . import agents

N = 2000


def arguments(name: str, p: dict[str, float], n: int) -> tuple[list[agents.Array], dict[str, Any]]:
    """What the functions of ``agents`` take besides the number that acted: costs of n agents, and parameters."""
    spread = p["spread"]
    if name == "big-push":
        same = {key: p[key] for key in ("labour", "productivity", "fixed_cost")}
        return [agents.costs(p["premium"], spread, n)], same
    if name == "investment":
        same = {key: p[key] for key in ("labour", "productivity", "discount", "substitution")}
        return [agents.costs(p["fixed_cost"], spread, n)], same
    if name == "urbanisation":
        same = {key: p[key] for key in ("value", "buyer_share", "rural_use")}
        return [agents.costs(p[key], spread, n) for key in ("fixed_cost", "moving_cost")], same
    if name == "infrastructure":
        same = {key: p[key] for key in ("value", "line_cost", "anchor")}
        return [agents.costs(p["setup_cost"], spread, n)], same
    if name == "training":
        same = {"gain": p["gain_from_training"], "firm_share": p["firm_share"], "poaching": p["poaching"]}
        return [agents.costs(p["training_cost"], spread, n)], same
    same = {key: p[key] for key in ("skill_low", "skill_high", "sorting")}
    return [agents.costs(p["upgrade_cost"], spread, n)], same | {"tasks": int(p["tasks"]), "scale": p["output_scale"]}


def response(name: str, p: dict[str, float], n: int = N) -> Callable[[int], float]:
    """The simulated economy's best response to the number of agents that acted."""
    needs, same = arguments(name, p, n)
    respond = getattr(agents, name.replace("-", "_"))
    return lambda acting: respond(acting, *needs, **same)


#: Economies besides the default one: other parameters, other numbers of tasks, investments that are substitutes.
OTHERS: dict[str, list[dict[str, float]]] = {
    "big-push": [
        {"premium": 1.0, "productivity": 5.0, "fixed_cost": 0.5, "spread": 0.3},
        {"labour": 2.0, "fixed_cost": 0.75},
    ],
    "investment": [
        {"substitution": 0.0, "fixed_cost": 0.3},
        {"substitution": 0.3, "productivity": 3.0, "fixed_cost": 0.25},
    ],
    "urbanisation": [
        {"buyer_share": 0.7, "rural_use": 0.05, "spread": 0.6},
        {"rural_use": 0.4, "fixed_cost": 0.35, "spread": 0.35},
    ],
    "infrastructure": [{"anchor": 0.0}, {"line_cost": 0.1, "spread": 0.7}],
    "training": [{"poaching": 1.0, "spread": 0.4}, {"firm_share": 1.0, "poaching": 0.3, "training_cost": 0.85}],
    "oring": [
        {"tasks": 3.0, "upgrade_cost": 0.07, "spread": 0.4},
        {"tasks": 4.0, "skill_low": 0.4, "skill_high": 0.95, "upgrade_cost": 0.05, "spread": 0.5},
        {"sorting": 0.5, "upgrade_cost": 0.18, "spread": 0.15},
    ],
}
CASES = [(name, changes) for name in MODELS for changes in ({}, *OTHERS[name])]
IDS = [f"{name}-{'-'.join(changes) or 'default'}" for name, changes in CASES]


@pytest.mark.parametrize(("name", "changes"), CASES, ids=IDS)
def test_the_map_is_the_agents_best_response(name: str, changes: dict[str, float]) -> None:
    model = MODELS[name].build(**changes)
    p = {key: float(getattr(model, key)[0]) for key in model.parameters()}
    respond = response(name, p)
    moved = 0
    for acting in np.unique(np.linspace(0, N, 81).astype(int)):
        simulated = respond(int(acting))
        share = float(model(np.array([acting / N]))[0])
        # strata of 1/N, and an agent that counts itself among the others moves what it expects by as much
        assert share == pytest.approx(simulated, abs=4.0 / N), acting
        moved += 0.0 < simulated < 1.0
    assert moved


@pytest.mark.parametrize(("name", "changes"), CASES, ids=IDS)
def test_welfare_is_what_all_agents_earn_less_what_they_bear(name: str, changes: dict[str, float]) -> None:
    model = MODELS[name].build(**changes)
    p = {key: float(getattr(model, key)[0]) for key in model.parameters()}
    n = 400
    needs, same = arguments(name, p, n)
    if name == "oring":
        same["rng"] = np.random.default_rng(8)
    account = getattr(agents, f"{name.replace('-', '_')}_account")
    levels = set()
    for acting in (0, 100, 200, 300, n):
        found, share = account(acting, *needs, **same), np.array([acting / n])
        seen = {"welfare": model.welfare(share), **model.outcomes(share)}
        for label, value in seen.items():
            # one agent more or less in a hundred, and teams drawn at random
            assert float(value[0]) == pytest.approx(found[label], rel=0.01, abs=0.003), (acting, label)
        levels.add(round(found["welfare"], 3))
        bill = float(model.bill(share, np.array([0.3]))[0])
        paid = {"big-push": found.get("workers in all factories", 0.0), "infrastructure": 0.0}
        assert bill == pytest.approx(0.3 * paid.get(name, acting / n))
    assert len(levels) > 2


@pytest.mark.parametrize("name", MODELS)
def test_agents_settle_where_the_engine_says(name: str) -> None:
    """From below the trap's end the agents' own responses lead to the lowest state, from above it to the highest."""
    model = MODELS[name].build()
    p = {key: float(getattr(model, key)[0]) for key in model.parameters()}
    n = 400
    respond = response(name, p, n)
    solution = solve_model(model)
    trap = float(solution.trap[0])
    for start, end in (
        (0.0, solution.states.lowest[0]),
        (trap - 0.03, solution.states.lowest[0]),
        (trap + 0.03, solution.states.highest[0]),
        (1.0, solution.states.highest[0]),
    ):
        acting = round(start * n)
        for _ in range(40):
            following = round(respond(acting) * n)
            if following == acting:
                break
            acting = following
        assert acting / n == pytest.approx(end, abs=2.0 / n)


@pytest.mark.parametrize("name", MODELS)
def test_agents_of_one_kind_have_two_equilibria_exactly_in_the_window(name: str) -> None:
    """Nobody and everybody are both equilibria of identical agents if and only if the key parameter is inside."""
    spread = 1e-3 if name == "investment" else 0.0
    model = MODELS[name].build(spread=spread)
    window = model.window()
    p = {key: float(getattr(model, key)[0]) for key in model.parameters()} | {"spread": 0.0}
    low, high = float(window.low[0]), float(window.high[0])
    n = 200
    for value, inside in (
        (low * 0.98, False),
        (low * 1.02, True),
        (0.5 * (low + high), True),
        (high * 0.98, True),
        (high * 1.02, False),
    ):
        respond = response(name, p | {window.parameter: value}, n)
        assert bool(respond(0) == 0.0 and respond(n) == 1.0) is inside, value


def test_without_a_premium_factories_have_one_equilibrium() -> None:
    """The wedge: with v = 0 a factory that loses money lowers others' demand."""
    sectors = np.zeros(500)
    for fixed in np.linspace(0.05, 0.95, 19):
        same = {"labour": 1.0, "productivity": 3.0, "fixed_cost": float(fixed)}
        ends = {agents.big_push(acting, sectors, **same) for acting in (0, 250, 500)}
        assert len(ends) == 1


def test_at_the_slides_pay_nobody_ever_upgrades() -> None:
    """Paid the partner's skill under random matching, a worker gains nothing by upgrading, whatever others do."""
    low, high, workers = 0.5, 0.9, 300
    for acting in range(0, workers + 1, 20):
        skills = np.where(np.arange(workers) < acting, high, low)
        for worker in (0, workers - 1):
            partners = np.delete(skills, worker)
            step = 1e-3
            # what a team of two makes more per unit of skill that the worker has more
            pay = {own: np.mean(((own + step) * partners - own * partners) / step) for own in (low, high)}
            assert pay[high] == pytest.approx(pay[low], rel=1e-9)
