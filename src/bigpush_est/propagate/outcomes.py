"""Draws through Section 4's equilibrium: what each draw of the parameters implies.

Everything is a pure function of arrays, so a batch can be cut into chunks and run anywhere with the same result.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from bigpush_est.equilibrium.adoption_map import FloatArray
from bigpush_est.equilibrium.simple import (
    SimpleEconomy,
    delta_interval,
    multiplicity,
    pinned_delta_interval,
    push_threshold,
    static_outcomes,
)
from bigpush_est.equilibrium.simple.economy import Pin
from bigpush_est.equilibrium.steady_states import long_run, steady_states

#: Two long-run shares further apart than this are different steady states.
DISTINCT = 1e-6
#: Subsidised periods after 1972: 1976 and 1980.
PUSH_PERIODS = 2


@dataclass(frozen=True, slots=True)
class Scenario:
    """How the draws become economies.

    Attributes
    ----------
    adopter_share
        The share of 1972, which pins L/F^T and is where paths start.
    pin
        How it pins: a steady state, or one period after no adoption.
    kappa
        Upper bound of productivity, ∞ without one.
    periods
        Periods of four years in a path, from 1972.
    discount
        Discount factor a period.
    delta
        If given, δ of every draw: the illustration.
    """

    adopter_share: float
    pin: Pin
    kappa: float
    periods: int
    discount: float
    delta: float | None = None

    def economy(self, draws: dict[str, FloatArray]) -> SimpleEconomy:
        """Return the economies of a batch of draws."""
        return SimpleEconomy.pinned(
            eta=np.exp(draws["log_eta"]),
            delta=draws["delta"] if self.delta is None else self.delta,
            sigma=draws["sigma"],
            theta=draws["pareto_ratio"] * (draws["sigma"] - 1.0),
            adopter_share=self.adopter_share,
            pin=self.pin,
            kappa=self.kappa,
        )


def propagate_chunk(draws: dict[str, FloatArray], scenario: Scenario) -> dict[str, Any]:
    """Outcomes of a batch of draws.

    Returns
    -------
    dict
        By name, shape (D,) unless stated: ``critical_delta``, ``possible`` (some L/F^T gives several steady states),
        ``delta_low``, ``delta_high`` (δ's interval of multiplicity while the share of 1972 pins L/F^T), ``multiple``,
        ``low``, ``threshold``, ``high`` (stable, unstable, stable state), ``residual``, ``converged``,
        ``trapped`` (the share of 1972 lies in the underdevelopment region), ``input_subsidy``, ``input_status``,
        ``cost_subsidy``, ``cost_status``, ``moved`` (the push of s̄ in two periods ends in another steady state),
        ``path_push`` and ``path_none`` (D, T + 1), ``consumption`` (D, T + 1, log ratio
        push over none), ``welfare`` (consumption equivalent, a fraction), ``bill`` (subsidies over output in 1976).
    """
    economy = scenario.economy(draws)
    size = economy.n_draws
    condition = multiplicity(economy)
    interval = pinned_delta_interval(economy, scenario.adopter_share, scenario.pin)
    states = steady_states(economy)
    start = np.full(size, scenario.adopter_share)
    with np.errstate(invalid="ignore"):
        trapped = states.multiple & (start <= states.threshold)
    by_input = push_threshold(economy, start, "input", states)
    by_cost = push_threshold(economy, start, "cost", states)

    subsidised = economy.with_subsidy(input_subsidy=draws["subsidy"])
    shape = (scenario.periods + 1, size)
    push, none, consumption = np.empty(shape), np.empty(shape), np.zeros(shape)
    push[0] = none[0] = start
    bill = np.zeros(size)
    for t in range(1, scenario.periods + 1):
        policy = subsidised if t <= PUSH_PERIODS else economy
        push[t], none[t] = policy(push[t - 1]), economy(none[t - 1])
        with_push = static_outcomes(policy, push[t], push[t - 1])
        without = static_outcomes(economy, none[t], none[t - 1])
        consumption[t] = np.log(with_push.consumption) - np.log(without.consumption)
        if t == 1:
            bill = with_push.subsidy_bill
    end_push, end_none = long_run(economy, push[PUSH_PERIODS]), long_run(economy, none[PUSH_PERIODS])
    settled = (end_push.outcome == "steady state") & (end_none.outcome == "steady state")
    # log utility: the constant percentage of consumption that is worth as much as the push, the tail at its last value
    weights = (1.0 - scenario.discount) * scenario.discount ** np.arange(scenario.periods)
    weights[-1] /= 1.0 - scenario.discount
    worth = np.zeros(size)
    for weight, period in zip(weights, consumption[1:], strict=True):
        # period by period: a matrix product's last bits would depend on the size of the batch
        worth += weight * period
    return {
        "critical_delta": condition.critical_delta,
        "possible": condition.possible,
        "delta_low": interval.low,
        "delta_high": interval.high,
        "multiple": states.multiple,
        "low": states.lowest,
        "threshold": states.threshold,
        "high": states.highest,
        "residual": np.nanmax(states.residual, axis=1),
        "converged": states.converged & settled,
        "trapped": trapped,
        "input_subsidy": by_input.subsidy,
        "input_status": by_input.status,
        "cost_subsidy": by_cost.subsidy,
        "cost_status": by_cost.status,
        "moved": np.abs(end_push.share - end_none.share) > DISTINCT,
        "path_push": push.T,
        "path_none": none.T,
        "consumption": consumption.T,
        "welfare": np.expm1(worth),
        "bill": bill,
    }


#: (σ−1) log η at which adopters' sales exceed others' by e^40: the condition for a trap has saturated long before.
LARGEST_LOG_GAIN = 40.0


def prior_events(draws: dict[str, FloatArray], scenario: Scenario) -> dict[str, Any]:
    """Return ``multiple`` and ``possible`` at draws from the prior, shape (D,): what was believed before the evidence.

    Wide priors reach η beyond what the arithmetic can hold; they are cut where the condition no longer depends on η.
    """
    log_eta = np.minimum(draws["log_eta"], LARGEST_LOG_GAIN / (draws["sigma"] - 1.0))
    found = multiplicity(scenario.economy(draws | {"log_eta": log_eta}))
    return {"multiple": found.multiple, "possible": found.possible}


#: Shares at which the maps of Figure 3 are drawn.
GRID = np.concatenate([np.geomspace(1e-4, 0.02, 21)[:-1], np.linspace(0.02, 1.0, 99)])
#: Draws that carry the bands.
BAND_DRAWS = 400
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


def figure3(draws: dict[str, FloatArray], scenario: Scenario, subsidy: float, log_size: float) -> dict[str, Any]:
    """Quantiles over draws of the maps in Figure 3, panels A to D.

    Parameters
    ----------
    draws, scenario
        As for ``propagate_chunk``.
    subsidy
        One-time subsidy of the fixed adoption cost in panel C, a share; NaN takes each draw's s̄ on inputs.
    log_size
        log of how many times larger L is in panel D.

    Returns
    -------
    dict
        ``grid`` (G,), and for each curve its quantiles (Q, G); ``delta_low`` and ``delta_high``, medians over draws.
    """
    size = draws["delta"].size
    chosen = np.unique(np.linspace(0, size - 1, min(BAND_DRAWS, size)).astype(int))
    draws = {name: values[chosen] for name, values in draws.items()}
    economy = scenario.economy(draws)
    interval = delta_interval(economy)
    if np.isnan(subsidy):
        pushed = economy.with_subsidy(input_subsidy=draws["subsidy"])
    else:
        pushed = economy.with_subsidy(cost_subsidy=subsidy)
    at_low = economy.changed(delta=np.where(interval.exists, interval.low, economy.delta))
    finite = np.isfinite(interval.high)
    at_high = economy.changed(delta=np.where(finite, interval.high, economy.delta))
    curves = {
        "map": economy,
        "no_spillover": economy.changed(delta=0.0),
        "delta_low": at_low,
        "delta_high": at_high,
        "subsidised": pushed,
        "larger": economy.changed(log_scale=economy.log_scale + log_size),
    }
    grid = np.broadcast_to(GRID[:, None], (GRID.size, economy.n_draws))
    result: dict[str, Any] = {
        f"curve_{name}": np.quantile(curve(grid), QUANTILES, axis=1) for name, curve in curves.items()
    }
    result["grid"] = GRID
    result["delta_low"] = np.array(_median(interval.low))
    result["delta_high"] = np.array(_median(interval.high))
    result["delta"] = np.array(np.median(economy.delta))
    return result


def _median(values: FloatArray) -> float:
    finite = values[np.isfinite(values)]
    return float(np.median(finite)) if finite.size else float("nan")


def multiplicity_map(
    scenario: Scenario, sigma: float, pareto_ratio: float, eta_range: tuple[float, float], points: int = 61
) -> dict[str, FloatArray]:
    """Boundaries in (δ, η): δ above which some L/F^T gives a trap, and between which the pinned L/F^T does.

    Returns
    -------
    dict
        ``eta``, ``critical_delta``, ``delta_low``, ``delta_high``, each of shape (points,).
    """
    eta = np.linspace(*eta_range, points)
    ones = np.ones(points)
    draws = {"log_eta": np.log(eta), "sigma": sigma * ones, "pareto_ratio": pareto_ratio * ones, "delta": ones}
    economy = scenario.economy(draws)
    interval = pinned_delta_interval(economy, scenario.adopter_share, scenario.pin)
    return {
        "eta": eta,
        "critical_delta": multiplicity(economy).critical_delta,
        "delta_low": interval.low,
        "delta_high": interval.high,
    }
