"""Steady states, stability and threshold subsidies of many parameter draws: this package against the usual way.

The usual way is scalar Python: per draw, the adoption map at 400 grid points of last period's share, each of them by
``scipy.optimize.brentq`` on eq. (4.4) as the paper writes it; changes of sign refined by ``brentq`` again; stability
from the slope; the thresholds of both subsidies by a scan of 400 rates and ``brentq``.

It is run on a few dozen draws and the package on 100,000, of which those few dozen are the first.  A third column is
the same algorithm as the package's in a scalar Numba kernel, to tell what batched NumPy leaves on the table.

A scan misses two states that lie within one cell of its grid.  Such draws are counted and left out of the comparison;
for them, the states that the package reports are put into the scan's own map instead.

Run as ``python benchmarks/bench_steady_states.py``: it prints a table and writes ``results/bench_steady_states.json``.
"""

import json
import math
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from bigpush_est.equilibrium.simple import SimpleEconomy, multiplicity, push_threshold
from bigpush_est.equilibrium.steady_states import steady_states

type FloatArray = NDArray[np.float64]

DRAWS = 100_000
BASELINE_DRAWS = 96
GRID_POINTS = 400
SUBSIDY_POINTS = 400
REPEATS = 3


@dataclass(frozen=True)
class Answers:
    """λ of up to three states (NaN where there are fewer), their stability, and two thresholds, per draw."""

    share: FloatArray
    stability: NDArray[np.int8]
    input_subsidy: FloatArray
    cost_subsidy: FloatArray


# -- draws ------------------------------------------------------------------------------------------------------------


def wide_draws(draws: int, seed: int = 0) -> SimpleEconomy:
    """Draws from a wide range of parameters; where several steady states are possible, half of the draws have them."""
    rng = np.random.default_rng(seed)
    sigma = rng.uniform(2.2, 8.0, draws)
    unit = SimpleEconomy.build(
        sigma=sigma,
        theta=(sigma - 1.0) * rng.uniform(1.03, 2.5, draws),
        eta=rng.uniform(1.05, 2.5, draws),
        delta=rng.uniform(0.0, 6.0, draws),
        log_scale=0.0,
    )
    window = multiplicity(unit)
    share = rng.uniform(0.01, 1.0, draws)
    low = np.where(window.possible, window.log_scale_low, unit.potential(share) - unit.delta * share - unit.level)
    width = np.where(window.possible, window.log_scale_high - window.log_scale_low, 0.0)
    return unit.changed(log_scale=low + rng.uniform(-0.5, 1.5, draws) * width)


def posterior_like_draws(draws: int, seed: int = 1) -> SimpleEconomy:
    """Draws as a posterior around the paper's Table 2 would have them, with L/F^T pinned by an adopter share of 7%."""
    rng = np.random.default_rng(seed)
    return SimpleEconomy.pinned(
        eta=1.0 + rng.lognormal(math.log(0.25), 0.25, draws),
        delta=rng.normal(0.68, 0.2, draws).clip(0.0),
        adopter_share=rng.beta(70.0, 930.0, draws),
    )


# -- the usual way ----------------------------------------------------------------------------------------------------


def paper_share(
    previous: float, sigma: float, theta: float, eta: float, delta: float, scale: float, s: float = 0.0, c: float = 0.0
) -> float:
    """λ_t by brentq on eq. (4.4) in the paper's form, with Proposition 2's subsidies (s of inputs, c of costs)."""
    gain = (eta / (1.0 - s)) ** (sigma - 1.0)
    size = theta / (theta - (sigma - 1.0))
    tail_power = (theta - (sigma - 1.0)) / theta
    factor = (gain - 1.0) / (sigma * (1.0 - c)) * scale * math.exp(delta * previous)
    aggregate_power = (2.0 - sigma) / (sigma - 1.0)
    exponent = theta / (sigma - 1.0)

    def right_side(share: float) -> float:
        mass = share**tail_power
        index = 1.0 + (gain - 1.0) * mass
        # labour that the subsidy draws to adopters is missing in the output that finances adoption; 1 without it
        drain = 1.0 + s / (1.0 - s) * gain * mass / index
        return float(((size * index) ** aggregate_power / drain * factor) ** exponent)

    if right_side(1.0) >= 1.0:
        return 1.0
    return float(brentq(lambda share: share - right_side(share), 0.0, 1.0, xtol=1e-14, rtol=1e-14))


def usual_way(economy: SimpleEconomy, draws: int) -> Answers:
    """Scan, refine, scan again: draw by draw."""
    share, stability = np.full((draws, 3), np.nan), np.zeros((draws, 3), dtype=np.int8)
    thresholds = np.full((2, draws), np.nan)
    grid = np.linspace(0.0, 1.0, GRID_POINTS)
    rates = np.linspace(0.0, 1.0, SUBSIDY_POINTS, endpoint=False)
    for d in range(draws):
        shape = tuple(float(getattr(economy, name)[d]) for name in ("sigma", "theta", "eta", "delta"))
        sigma, theta, eta, delta = shape
        scale = math.exp(float(economy.log_scale[d]))

        def image(
            x: float, s: float = 0.0, c: float = 0.0, known: tuple[float, ...] = (sigma, theta, eta, delta, scale)
        ) -> float:
            return paper_share(x, known[0], known[1], known[2], known[3], known[4], s, c)

        def excess(x: float, image: Callable[..., float] = image) -> float:
            return image(x) - x

        values = [excess(float(x)) for x in grid]
        states = [
            float(brentq(excess, grid[i], grid[i + 1], xtol=1e-14, rtol=1e-14))
            for i in range(GRID_POINTS - 1)
            if values[i] * values[i + 1] < 0.0
        ]
        states += [1.0] if values[-1] == 0.0 else []
        for i, state in enumerate(states):
            step = 1e-6
            ahead, behind = min(state + step, 1.0), max(state - step, 0.0)
            slope = (image(ahead) - image(behind)) / (ahead - behind)
            share[d, i], stability[d, i] = state, 1 if slope < 1.0 else -1
        if len(states) == 3:
            start, boundary = states[0], states[1]

            def short_by_inputs(
                s: float, image: Callable[..., float] = image, start: float = start, boundary: float = boundary
            ) -> float:
                return image(start, s) - boundary

            def short_by_costs(
                c: float, image: Callable[..., float] = image, start: float = start, boundary: float = boundary
            ) -> float:
                return image(start, 0.0, c) - boundary

            for k, short in enumerate((short_by_inputs, short_by_costs)):
                first = next((i for i, rate in enumerate(rates) if short(float(rate)) > 0.0), None)
                if first:
                    low, high = rates[first - 1], rates[first]
                    thresholds[k, d] = brentq(short, low, high, xtol=1e-14, rtol=1e-14)
    return Answers(share, stability, thresholds[0], thresholds[1])


# -- this package -----------------------------------------------------------------------------------------------------


def this_package(economy: SimpleEconomy) -> Answers:
    states = steady_states(economy)
    start = states.lowest
    inputs = push_threshold(economy, start, "input", states)
    costs = push_threshold(economy, start, "cost", states)
    # the baseline does not ask whether a labour tax could pay for the subsidy
    needed = np.where(costs.status == 3, -np.expm1(-costs.gap), costs.subsidy)
    return Answers(states.share, states.stability, inputs.subsidy, needed)


# -- the same algorithm, compiled -------------------------------------------------------------------------------------


def compiled_states() -> Callable[[SimpleEconomy], tuple[FloatArray, NDArray[np.int8]]] | None:
    """Return the search for steady states (unbounded productivity, no subsidy) as a Numba kernel, if Numba is there."""
    try:
        from numba import njit
    except ImportError:
        return None

    @njit(error_model="numpy", cache=False)  # type: ignore[untyped-decorator, unused-ignore]
    def derivatives(
        x: float, b: float, ratio: float, curve: float, gain: float, total: float
    ) -> tuple[float, float, float]:
        log_x = math.log(x)
        marginal = math.exp(b * log_x) / x
        index = total + gain * marginal * x / b
        v = gain * marginal / index
        return (
            ratio * log_x + curve * math.log(index),
            ratio / x + curve * v,
            -ratio / (x * x) - curve * (v * ratio / x + v * v),
        )

    @njit(error_model="numpy", cache=False)  # type: ignore[untyped-decorator, unused-ignore]
    def newton(
        x: float,
        side: float,
        delta: float,
        level: float,
        b: float,
        ratio: float,
        curve: float,
        gain: float,
        total: float,
    ) -> float:
        for _ in range(200):
            g, slope, _ = derivatives(x, b, ratio, curve, gain, total)
            value = g - delta * x - level
            step = -value / (slope - delta)
            if not (value < 0.0 and step * side > 0.0):
                break
            x = min(max(x + step, 0.0), 1.0)
            if not abs(step) > 1e-15 * x:
                break
        return x

    @njit(error_model="numpy", cache=False)  # type: ignore[untyped-decorator, unused-ignore]
    def kernel(
        sigma: FloatArray, theta: FloatArray, eta: FloatArray, delta: FloatArray, log_scale: FloatArray
    ) -> tuple[FloatArray, NDArray[np.int8]]:
        draws = sigma.size
        share = np.full((draws, 3), np.nan)
        stability = np.zeros((draws, 3), dtype=np.int8)
        for d in range(draws):
            rate = sigma[d] - 1.0
            ratio = rate / theta[d]
            b, curve = 1.0 - ratio, 1.0 - 1.0 / rate
            gain = math.expm1(rate * math.log(eta[d]))
            total = 1.0 / b
            level = math.log(gain) - math.log(sigma[d]) + log_scale[d]
            g_one, slope_one, _ = derivatives(1.0, b, ratio, curve, gain, total)
            corner = g_one - delta[d]
            falling = slope_one < delta[d]
            reach = np.inf if falling else corner
            if falling and level >= corner:
                low, high, x = 0.0, 1.0, min(ratio / delta[d], 1.0)
                for _ in range(200):
                    _, slope, curvature = derivatives(x, b, ratio, curve, gain, total)
                    value = slope - delta[d]
                    if value >= 0.0:
                        low = x
                    if value <= 0.0:
                        high = x
                    following = x - value / curvature
                    if not (low < following < high):
                        following = 0.5 * (low + high)
                    moved = abs(following - x)
                    x = following
                    if not (moved > 1e-15 * x and high > low):
                        break
                reach = derivatives(x, b, ratio, curve, gain, total)[0] - delta[d] * x
            n = 0
            if level < reach:
                start = math.exp(min((level - g_one) / ratio, 0.0)) * (1.0 - 1e-12)
                share[d, n] = newton(start, 1.0, delta[d], level, b, ratio, curve, gain, total)
                stability[d, n] = 1
                n += 1
                if falling and level > corner:
                    share[d, n] = newton(1.0, -1.0, delta[d], level, b, ratio, curve, gain, total)
                    stability[d, n] = -1
                    n += 1
            if level >= corner:
                share[d, n] = 1.0
                stability[d, n] = 1
        return share, stability

    def run(economy: SimpleEconomy) -> tuple[FloatArray, NDArray[np.int8]]:
        result: tuple[FloatArray, NDArray[np.int8]] = kernel(
            economy.sigma, economy.theta, economy.eta, economy.delta, economy.log_scale
        )
        return result

    return run


# -- measuring --------------------------------------------------------------------------------------------------------


def seconds(task: Callable[[], object], repeats: int = REPEATS) -> float:
    """Shortest processor time of several runs: other work on the machine can only lengthen one."""
    times = []
    for _ in range(repeats):
        begin = time.process_time()
        task()
        times.append(time.process_time() - begin)
    return min(times)


def peak_memory_gib() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**30 if sys.platform == "darwin" else 2**20)


def discrepancy(one: FloatArray, other: FloatArray) -> float:
    """Largest difference; infinite where one has a number and the other none."""
    if not np.array_equal(np.isnan(one), np.isnan(other)):
        return math.inf
    return float(np.nanmax(np.abs(one - other), initial=0.0))


@dataclass(frozen=True)
class Row:
    draws_of: str
    draws: int
    baseline_draws: int
    with_several_states: float
    with_input_threshold: float
    baseline_microseconds: float
    package_microseconds: float
    ratio: float
    states_microseconds: float
    numba_states_microseconds: float
    numba_compile_seconds: float
    peak_memory_gib: float
    draws_with_states_that_the_scan_missed: int
    largest_residual_of_missed_states: float
    same_stability: bool
    largest_difference_in_shares: float
    largest_difference_in_thresholds: float
    numba_difference: float


def measure(name: str, economy: SimpleEconomy) -> Row:
    begin = time.process_time()
    theirs = usual_way(economy, BASELINE_DRAWS)
    baseline = (time.process_time() - begin) / BASELINE_DRAWS
    ours = this_package(economy)
    package = seconds(lambda: this_package(economy)) / economy.n_draws
    states = seconds(lambda: steady_states(economy)) / economy.n_draws
    memory = peak_memory_gib()  # before Numba, whose compiler needs more than all the rest
    kernel, compiled, compiling, gap = compiled_states(), math.nan, math.nan, math.nan
    if kernel is not None:
        begin = time.process_time()
        compiled_share, _ = kernel(economy)
        compiling = time.process_time() - begin
        gap = discrepancy(ours.share, compiled_share)
        compiled = seconds(lambda: kernel(economy)) / economy.n_draws
    counts = [np.isfinite(answers.share[:BASELINE_DRAWS]).sum(axis=1) for answers in (theirs, ours)]
    missed, common = np.flatnonzero(counts[0] < counts[1]), np.flatnonzero(counts[0] >= counts[1])
    residuals = [
        abs(
            paper_share(
                float(state),
                float(economy.sigma[d]),
                float(economy.theta[d]),
                float(economy.eta[d]),
                float(economy.delta[d]),
                math.exp(float(economy.log_scale[d])),
            )
            - float(state)
        )
        for d in missed
        for state in ours.share[d]
    ]
    return Row(
        draws_of=name,
        draws=economy.n_draws,
        baseline_draws=BASELINE_DRAWS,
        with_several_states=float((np.isfinite(ours.share).sum(axis=1) == 3).mean()),
        with_input_threshold=float(np.isfinite(ours.input_subsidy).mean()),
        baseline_microseconds=1e6 * baseline,
        package_microseconds=1e6 * package,
        ratio=baseline / package,
        states_microseconds=1e6 * states,
        numba_states_microseconds=1e6 * compiled,
        numba_compile_seconds=compiling,
        peak_memory_gib=memory,
        draws_with_states_that_the_scan_missed=missed.size,
        largest_residual_of_missed_states=max(residuals, default=0.0),
        same_stability=bool(np.array_equal(theirs.stability[common], ours.stability[common])),
        largest_difference_in_shares=discrepancy(theirs.share[common], ours.share[common]),
        largest_difference_in_thresholds=max(
            discrepancy(theirs.input_subsidy[common], ours.input_subsidy[common]),
            discrepancy(theirs.cost_subsidy[common], ours.cost_subsidy[common]),
        ),
        numba_difference=gap,
    )


def main() -> None:
    rows = [
        measure("wide range", wide_draws(DRAWS)),
        measure("posterior-like", posterior_like_draws(DRAWS)),
    ]
    for key in asdict(rows[0]):
        cells = [getattr(row, key) for row in rows]
        shown = [f"{cell:>16.4g}" if isinstance(cell, float) else f"{cell!s:>16}" for cell in cells]
        print(f"{key.replace('_', ' '):42}" + "".join(shown))
    target = Path(__file__).parent / "results" / "bench_steady_states.json"
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps([asdict(row) for row in rows], indent=2) + "\n", encoding="utf-8")
    print(f"written to {target}")


if __name__ == "__main__":
    main()
