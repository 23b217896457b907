"""Steady states that are found, and the exercises that Section 6 names from Appendix F.4: one piece of a run each."""

from collections.abc import Callable
from typing import Any

import numpy as np

from bigpush_est.equilibrium.spatial.market_access import Prediction, randomised_allocations
from bigpush_est.equilibrium.spatial.mobility import mobility_paths
from bigpush_est.equilibrium.spatial.multiplicity import search_steady_states
from bigpush_est.equilibrium.spatial.outcomes import measure
from bigpush_est.equilibrium.spatial.policies import (
    PathSettings,
    PolicyEvaluator,
    PolicyOutcomes,
    general_subsidies,
    optimal_uniform,
)
from bigpush_est.equilibrium.spatial.regional_policy import optimal_regional
from bigpush_est.equilibrium.spatial.scenarios import Baseline
from bigpush_est.equilibrium.spatial.static import solve_static
from bigpush_est.errors import InvalidValue
from bigpush_est.quantitative.artefacts import Arrays
from bigpush_est.quantitative.study import QuantitativeStudy

type Piece = dict[str, Any]


def steady_states(study: QuantitativeStudy, ready: Baseline, base: Arrays) -> Piece:
    """Return the distinct steady states of the frozen economy that are found from several starts.

    Starts are λ = 0, λ = 1, the shares after the last calibrated year with and without the push, and random ones.
    """
    given, paths = study.spec.steady_states, study.spec.paths
    after = len(study.bundle.years)
    starts = {"with the push": base["push.shares"][after], "without the push": base["none.shares"][after]}
    matrices, economy = ready.preconditioners, ready.frozen()
    found = search_steady_states(
        economy,
        starts,
        extra=given.random_starts,
        seed=study.spec.seed,
        tolerance=given.tolerance,
        point=ready.equilibria[-1].point[0],
        preconditioner=None if matrices is None else matrices[-1],
        max_periods=paths.max_periods,
    )
    shares = found.states()
    heavy = ready.heavy
    solved = solve_static(economy, shares, start=ready.equilibria[-1].point[0]) if shares.size else None
    outcome = None if solved is None else measure(solved)

    def levels(k: int) -> Piece:
        if outcome is None:
            return {}
        return {
            "heavy_gdp_share": float(outcome.gdp_share[k, heavy]),
            "export_intensity": float(outcome.export_intensity[k, heavy]),
            "industrialised": int((shares[k, heavy] > 0.5).sum()),
        }

    names = np.array(study.bundle.regions)
    return {
        "tolerance": found.tolerance,
        "separation": _number(found.separation[0]),
        "count": int(found.count[0]),
        "states": [
            {
                "state": str(k + 1),
                **levels(k),
                "regions": names[shares[k, heavy] > 0.5].tolist(),
                "starts": len(basin),
            }
            for k, basin in enumerate(found.basins())
        ],
        "starts": [
            {
                "start": name,
                "fate": str(fate),
                "state": None if state < 0 else str(state + 1),
                **({} if state < 0 else {key: levels(state)[key] for key in ("heavy_gdp_share", "industrialised")}),
            }
            for name, fate, state in zip(found.starts, found.fate[:, 0], found.state[:, 0], strict=True)
        ],
        "push_moves_the_economy": bool(found.state[2, 0] != found.state[3, 0]),
    }


def exercises(study: QuantitativeStudy, ready: Baseline) -> dict[str, Callable[[], Piece]]:
    """Return the exercises by name; each is done when it is called, and returns JSON."""
    given = study.spec.policies
    settings = PathSettings(
        discount=study.spec.paths.discount,
        max_periods=study.spec.paths.max_periods,
        tolerance=study.spec.paths.tolerance,
    )
    shared: list[PolicyEvaluator] = []

    def evaluator() -> PolicyEvaluator:
        if not shared:
            shared.append(PolicyEvaluator(ready, settings))
        return shared[0]

    return {
        "general": lambda: _general(evaluator()),
        "uniform": lambda: _uniform(evaluator(), given.highest_rate, given.rates),
        "regional": lambda: _regional(study, evaluator(), given.highest_rate, given.regional_rounds),
        "allocations": lambda: _allocations(study, evaluator()),
        "mobility": lambda: _mobility(ready, given.migration_elasticity, settings),
    }


def _number(value: Any) -> float | None:
    return float(value) if np.isfinite(value) else None


def _row(outcomes: PolicyOutcomes, d: int) -> Piece:
    return {
        "gdp_share": _number(outcomes.gdp_share[d]),
        "export_intensity": _number(outcomes.export_intensity[d]),
        "welfare_log": _number(outcomes.welfare_log[d]),
        "welfare_linear": _number(outcomes.welfare_linear[d]),
        "bill": _number(outcomes.bill[d].mean()),
        "fate": str(outcomes.fate[d]),
    }


def _general(evaluator: PolicyEvaluator) -> Piece:
    found = general_subsidies(evaluator)
    rows = [
        {"policies": name, "rate": _number(found.rate[d].mean()), **_row(found.outcomes, d)}
        for d, name in enumerate(found.policies)
    ]
    return {"policies": rows, "relative_effect": _number(found.relative_effect)}


def _uniform(evaluator: PolicyEvaluator, highest: float, rates: int) -> Piece:
    found = optimal_uniform(evaluator, highest=highest, rates=rates)
    return {
        "rates": [float(rate) for rate in found.rate],
        "heavy_gdp_share": [_number(value) for value in found.outcomes.gdp_share],
        "welfare_log": [_number(value) for value in found.outcomes.welfare_log],
        "welfare_linear": [_number(value) for value in found.outcomes.welfare_linear],
        "bill": [_number(value) for value in found.outcomes.bill.mean(axis=1)],
        "fates": [str(fate) for fate in found.outcomes.fate],
        "best": {"rate": found.best_rate, "at_the_edge": found.at_the_edge, **_row(found.outcomes, found.best)},
        "local_maxima": [float(rate) for rate in found.local_maxima],
    }


def _regional(study: QuantitativeStudy, evaluator: PolicyEvaluator, highest: float, rounds: int) -> Piece:
    """Search with the push's budget: without one, rates only run to the highest that is allowed."""
    found = optimal_regional(evaluator, budget="push", random_starts=0, highest=highest, rounds=rounds, seed=1)
    best = found.best
    rates = found.rates[best].mean(axis=0)
    return {
        "welfare": _number(found.outcomes.welfare_log[best]),
        "settled": bool(found.settled[best]),
        "push": _row(found.push, 0),
        **_row(found.outcomes, best),
        "rates": [
            {"region": study.bundle.regions[n], "rate": float(rates[n])}
            for n in np.flatnonzero(study.bundle.subsidised)
        ],
        "trace": [
            {"start": step.start, "round": step.round, "move": step.move, "welfare": _number(step.welfare)}
            for step in found.trace
        ],
    }


def _allocations(study: QuantitativeStudy, evaluator: PolicyEvaluator) -> Piece:
    try:
        found = randomised_allocations(evaluator, allocations=study.spec.policies.allocations, seed=study.spec.seed)
    except InvalidValue as error:  # too few regions to tell the predictors apart
        return {"failed": str(error)}
    gdp = found.predictions["gdp_share"]
    return {
        "n": int(found.used.sum()),
        "unusable": int((~found.used).sum()),
        "left_out": list(found.left_out),
        "push_beats": float((found.push.gdp_share[0] > found.outcomes.gdp_share[found.used]).mean()),
        "regressions": _alone(gdp),
        "joint": _joint(gdp),
        "welfare_regressions": _alone(found.predictions["welfare"]),
        "welfare_joint": _joint(found.predictions["welfare"]),
    }


def _alone(prediction: Prediction) -> list[Piece]:
    return [
        {
            "predictor": one.names[0],
            "slope": _number(one.coefficient[0]),
            "standard_error": _number(one.standard_error[0]),
            "t": _number(one.t[0]),
            "r2": one.r_squared,
        }
        for one in prediction.alone
    ]


def _joint(prediction: Prediction) -> list[Piece]:
    joint = prediction.joint
    return [
        {
            "predictor": name,
            "slope": _number(joint.coefficient[k]),
            "standard_error": _number(joint.standard_error[k]),
            "t": _number(joint.t[k]),
            "r2": joint.r_squared,
            "r2_lost_without": _number(prediction.contribution[k]),
        }
        for k, name in enumerate(joint.names)
    ]


def _mobility(ready: Baseline, elasticity: float, settings: PathSettings) -> Piece:
    found = mobility_paths(ready, elasticity, settings=settings)
    heavy = ready.heavy
    push, none = (path.outcomes.gdp_share[-1, 0, heavy] for path in (found.push, found.none))
    return {
        "migration_elasticity": elasticity,
        "gdp_share_push": _number(push),
        "gdp_share_none": _number(none),
        "gdp_share": _number(push - none),
        "welfare_log": _number(found.welfare["log"][0]),
        "fate_push": str(found.push.fate[0]),
        "fate_none": str(found.none.fate[0]),
        "moved_by_the_push": _number(0.5 * np.abs(found.labour_push[-1, 0] - found.labour_none[-1, 0]).sum()),
    }
