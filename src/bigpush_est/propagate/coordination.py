"""Draws through the lecture's models: what each draw implies, and the arrays behind the pictures of one economy."""

from typing import Any

import numpy as np

from bigpush_est.equilibrium.adoption_map import FloatArray
from bigpush_est.equilibrium.coordination import CoordinationModel, ORing, pushed_path, solve_model
from bigpush_est.equilibrium.coordination.model import LARGEST
from bigpush_est.equilibrium.oring import competitive_wage, competitive_wage_slope, four_workers
from bigpush_est.equilibrium.steady_states import transition_path

#: Shares at which gains, costs and maps are drawn.
GRID = np.linspace(0.0, 1.0, 401)
#: Values of the key parameter at which steady states are drawn.
KEY_POINTS = 301
#: Periods in a path, and where paths start besides the trap's end.
PERIODS = 20
STARTS = (0.05, 0.25, 0.4, 0.6, 0.75, 0.95)
#: Pushes drawn, as multiples of the smallest one.
PUSHES = (0.9, 1.1)
#: How far on either side of the trap's end two countries start whose paths diverge.
APART = 0.05


def solve_draws(model: CoordinationModel) -> dict[str, Any]:
    """Outcomes of a batch of economies.

    Returns
    -------
    dict
        By name, shape (D,): ``multiple`` (several stable steady states), ``trapped`` (and the lowest is not the best),
        ``nobody``, ``everybody`` (whether these are steady states), ``closed_form`` (the closed-form condition),
        ``low``, ``trap``, ``high`` (lowest stable state, end of its basin, highest stable state), ``payment``, ``bill``
        (the smallest push), ``welfare_gain``, ``residual``, ``converged``.
    """
    solution = solve_model(model)
    states = solution.states
    with np.errstate(invalid="ignore"):
        residual = np.nanmax(np.where(states.jump, 0.0, states.residual), axis=1)
    return {
        "multiple": states.multiple,
        "trapped": solution.trapped,
        "nobody": solution.condition.nobody,
        "everybody": solution.condition.everybody,
        "closed_form": solution.condition.multiple,
        "low": states.lowest,
        "trap": solution.trap,
        "high": states.highest,
        "payment": solution.push.payment,
        "bill": solution.push.bill,
        "welfare_gain": solution.welfare_gain,
        "residual": residual,
        "converged": states.converged,
    }


def key_range(model: CoordinationModel) -> tuple[float, float]:
    """Return a range of the key parameter that shows a single economy and its window from end to end."""
    window = model.window()
    value, low, high = (float(x[0]) for x in (getattr(model, model.key), window.low, window.high))
    if np.isnan(low):
        left, right = 0.4 * value, 2.0 * value
    else:
        margin = 0.6 * (high - low)
        left, right = min(low - margin, 0.9 * value), max(high + margin, 1.1 * value)
    smallest, largest = model.parameters()[model.key].ends
    tick = 1e-3 * (right - left)
    return max(left, smallest + tick), min(right, largest - tick, LARGEST)


def pictures(model: CoordinationModel) -> dict[str, FloatArray]:
    """Return the arrays behind the figures of a single economy, under flat names ``figure.part``.

    ``payoff``: share, gain, cost; ``map``: share, next; ``states``: share, stability, jump, welfare, best, trap;
    ``key``: value, own, low, unstable, high, window; ``paths``: period, start, free (one row per
    start), pushed (one row per multiple of the smallest push; none without a finite one).
    """
    grid = GRID[:, None]
    solution = solve_model(model)
    states, start = solution.states, solution.states.lowest
    values = np.linspace(*key_range(model), KEY_POINTS)
    along = solve_model(model.changed(**{model.key: values}))
    window = model.window()
    free = np.array([transition_path(model, share, PERIODS)[:, 0] for share in STARTS])
    pushed = np.empty((0, PERIODS + 1))
    payment = float(solution.push.payment[0])
    if np.isfinite(payment):
        pushed = np.array([pushed_path(model, start, np.array([factor * payment]), PERIODS)[:, 0] for factor in PUSHES])
    return {
        "payoff.share": GRID,
        "payoff.gain": model.gain(grid)[:, 0],
        "payoff.cost": model.cost_at(grid)[:, 0],
        "map.share": GRID,
        "map.next": model(grid)[:, 0],
        "states.share": states.share[0],
        "states.stability": states.stability[0],
        "states.jump": states.jump[0],
        "states.welfare": solution.welfare[0],
        "states.best": solution.best,
        "states.trap": solution.trap,
        "key.value": values,
        "key.own": getattr(model, model.key),
        "key.low": along.states.lowest,
        "key.unstable": along.states.threshold,
        "key.high": along.states.highest,
        "key.window": np.array([float(window.low[0]), float(window.high[0])]),
        "paths.period": np.arange(PERIODS + 1),
        "paths.start": np.array(STARTS),
        "paths.free": free,
        "paths.pushed": pushed,
    }


def oring_pictures(model: ORing) -> dict[str, FloatArray]:
    """Return what the O-ring shows besides, for a single economy.

    ``wages``: tasks, skill, wage, price, output (of a team of equals); ``divergence``: period, start, output (one row
    per country) of two countries that start on either side of the trap's end, or of one half without a trap.
    """
    tasks, scale = int(model.tasks[0]), float(model.output_scale[0])
    trap = float(solve_model(model).trap[0])
    centre = trap if np.isfinite(trap) else 0.5
    starts = np.clip([centre - APART, centre + APART], 0.0, 1.0)
    shares = np.array([transition_path(model, start, PERIODS)[:, 0] for start in starts])
    return {
        "wages.tasks": np.array(tasks),
        "wages.skill": GRID,
        "wages.wage": competitive_wage(GRID, tasks, scale),
        "wages.price": competitive_wage_slope(GRID, tasks, scale),
        "wages.output": scale * GRID**tasks,
        "divergence.period": np.arange(PERIODS + 1),
        "divergence.start": starts,
        "divergence.output": model.output(shares.T[:, :, None])[:, :, 0].T,
    }


def four_worker_table(model: ORing) -> dict[str, float]:
    """Return the slides' four workers at the skills of a single economy, by name."""
    four = four_workers(model.skill_low, model.skill_high, float(model.output_scale[0]))
    values = {name: float(getattr(four, name)[0]) for name in four.__slots__}
    low, high, scale = (float(x[0]) for x in (model.skill_low, model.skill_high, model.output_scale))
    teams = {"low_output": scale * low**2, "high_output": scale * high**2}
    return values | teams | {"skill_low": low, "skill_high": high, "scale": scale}
