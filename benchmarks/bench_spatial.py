"""Times the quantitative model's solver on the shipped economy (86 regions, 4 sectors), everything to one residual.

Run with ``python benchmarks/bench_spatial.py``; ``--quick`` takes fewer draws through Section 6.  The law of the draws:
every parameter of ``DRAWN`` is its calibrated value times a factor of its own, uniform on [0.95, 1.05] (for η and κ
the factor multiplies what is above 1); fundamentals stay where the calibration puts them.

One static equilibrium (1980's, given 1976's adopter shares) is solved three ways, each to max |log residual| <= 1e-10:

    plain  damped iteration in NumPy, one draw at a time: ``plain`` below, from a cold start
    cold   ``solve_static`` from its own start
    warm   ``solve_static`` from the calibrated economy's equilibrium, with and without its preconditioner, which is
           how scenarios and calibration begin

Times are processor time of one thread, the shortest of several runs made in turn, and wall time beside it: on a machine
with other work on it the second says little.  Section 6 is timed with two threads.
"""

import argparse
import json
import os

for _library in ("OMP", "OPENBLAS", "MKL"):
    os.environ.setdefault(f"{_library}_NUM_THREADS", "1")  # read when NumPy is imported

import resource  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402
from collections.abc import Callable  # noqa: E402
from concurrent.futures import ThreadPoolExecutor  # noqa: E402
from dataclasses import replace  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

import numpy as np  # noqa: E402

from bigpush_est.data.economy_bundle import load_economy_bundle  # noqa: E402
from bigpush_est.equilibrium.adoption_map import FloatArray  # noqa: E402
from bigpush_est.equilibrium.spatial import extrapolation  # noqa: E402
from bigpush_est.equilibrium.spatial import kernel as compiled  # noqa: E402
from bigpush_est.equilibrium.spatial.acceleration import Acceleration  # noqa: E402
from bigpush_est.equilibrium.spatial.calibration import Evaluator  # noqa: E402
from bigpush_est.equilibrium.spatial.conditions import StaticSystem  # noqa: E402
from bigpush_est.equilibrium.spatial.economy import SHAPES, SpatialEconomy  # noqa: E402
from bigpush_est.equilibrium.spatial.scenarios import Baseline, compare, one_draw  # noqa: E402
from bigpush_est.equilibrium.spatial.static import (  # noqa: E402
    StaticEquilibrium,
    one_thread_each,
    solve_static,
    static_preconditioner,
)
from bigpush_est.quantitative.problem import baseline, calibration_problem  # noqa: E402

ROOT = Path(__file__).parent
TOLERANCE = 1e-10
#: Near the calibrated values: F^T, F^x of light and heavy manufacturing, the subsidy rate, κ and τ̄.
PARAMETERS = (0.022, 0.211, 0.03, 0.065, 1.9, 0.9)
DRAWN = ("eta", "delta", "kappa", "subsidy", "adoption_cost", "export_cost", "distortion_elasticity")
BATCHES = (1, 64, 128, 256)
REGIONS = (86, 172, 344, 688, 1000)
REPEATS = 5
PLAIN_DRAWS = 3
PATH_DRAWS = 1000
#: Draws whose 14 paths are one batch: with more, two such batches at a time would need more than 4 GB.
BLOCK = 18


# -- the economies ----------------------------------------------------------------------------------------------------


def calibrated() -> Baseline:
    bundle = load_economy_bundle(ROOT.parent / "data" / "korea" / "economy")
    problem = calibration_problem(bundle, region_share_period=2)
    inversions = Evaluator(problem).invert(np.array([PARAMETERS]))
    assert all(one.converged.all() for one in inversions)
    return baseline(bundle, problem, inversions)


def factors(draws: int, seed: int = 19721980) -> dict[str, FloatArray]:
    rng = np.random.default_rng(seed)
    return {key: rng.uniform(0.95, 1.05, draws) for key in DRAWN}


def drawn(economy: SpatialEconomy, factor: dict[str, FloatArray]) -> SpatialEconomy:
    """The economy (without draws) at every draw's parameters."""
    changes = {}
    for key, values in factor.items():
        value = getattr(economy, key)
        by = values.reshape(-1, *([1] * value.ndim))
        changes[key] = 1.0 + (value - 1.0) * by if key in ("eta", "kappa") else value * by
    return economy.changed(**changes)


def enlarged(economy: SpatialEconomy, regions: int, seed: int = 0) -> SpatialEconomy:
    """A synthetic economy of more regions: the shipped one's, drawn with replacement, at random places of a square.

    Firms and labour of a region are split among its copies, so that the nation stays as large as it is.
    """
    rng = np.random.default_rng(seed)
    size = economy.n_regions
    origin = np.concatenate([np.arange(size), rng.integers(0, size, regions - size)])
    split = np.bincount(origin)[origin]
    place = rng.uniform(0.0, 1.0, (regions, 2))
    distance = 1.0 + 10.0 * np.linalg.norm(place[:, None] - place, axis=2)
    exponent = np.array([1.29, 1.29, 1.29, 3.8])
    cells = {key: getattr(economy, key)[:, origin] for key, shape in SHAPES.items() if shape == "JN"}
    cells["firm_mass"] = cells["firm_mass"] / split
    return economy.changed(
        **cells, labour=economy.labour[origin] / split, freeness=distance ** -exponent[:, None, None]
    )


# -- the baseline: one draw at a time, damped iteration on levels, sector by sector ----------------------------------


def integral(low: FloatArray, high: FloatArray | float, exponent: float, theta: float, kappa: float) -> FloatArray:
    """∫ x^e dG between two bounds of the bounded Pareto distribution."""
    power = exponent - theta
    between: FloatArray = theta / (1.0 - kappa**-theta) * (high**power - low**power) / power
    return between


def plain(
    e: SpatialEconomy, lag: FloatArray, tolerance: float = TOLERANCE, wage_step: float = 0.15, step: float = 0.5
) -> tuple[FloatArray, int, float]:
    """Log w, P and E of one draw, steps taken, and the last residual."""
    n_sectors, n_regions = e.n_sectors, e.n_regions
    sigma, theta, kappa = float(e.sigma), float(e.theta), float(e.kappa)
    mu = sigma / (sigma - 1.0)
    wage, price = np.ones(n_regions), np.ones((n_sectors, n_regions))
    spending = 2.0 * np.outer(np.maximum(e.preference_share, 1e-3), e.labour)
    inputs, adoption, exporting, prices = np.zeros((4, n_sectors, n_regions))
    gap, steps = np.inf, 0
    while gap > tolerance and steps < 5000:
        demand = price ** (sigma - 1.0) * spending
        shared = 0.0  # what households get besides wages
        for j in range(n_sectors):
            xi, tau, s = e.distortion_elasticity[j], e.distortion_level[j], e.subsidy[j]
            rho, r = sigma * (1.0 + xi) - 1.0, (sigma - 1.0) * (1.0 + xi)
            floor = e.productivity[j] * np.exp(e.delta * lag[j])
            cost = wage ** e.labour_share[j] * np.prod(price ** e.input_share[j][:, None], axis=0)
            bundle = wage ** e.adoption_labour_share[j] * np.prod(price ** e.adoption_input_share[j][:, None], axis=0)
            home, abroad = e.freeness[j] @ demand[j], e.port_freeness[j] * e.foreign_demand[j]
            b = tau**sigma * (mu * cost) ** (1.0 - sigma) * floor**rho / sigma
            gain, gross_gain = e.eta**rho * (1.0 - s) ** (1.0 - sigma), e.eta**r * (1.0 - s) ** (1.0 - sigma)
            adopting_cost, exporting_cost = bundle * e.adoption_cost[j], wage * e.export_cost[j]
            with np.errstate(all="ignore"):
                export_first, adopt_second = exporting_cost / abroad, adopting_cost / ((gain - 1.0) * (home + abroad))
                adopt_first, export_second = adopting_cost / ((gain - 1.0) * home), exporting_cost / (gain * abroad)
                both = (exporting_cost + adopting_cost) / (gain * (home + abroad) - home)
                one, two = export_first <= adopt_second, adopt_first <= export_second
                adopt = np.where(one, adopt_second, np.where(two, adopt_first, both))
                export = np.where(one, export_first, np.where(two, export_second, both))
                adopt = np.clip((adopt / b) ** (1.0 / rho), 1.0, kappa)
                export = np.clip((export / b) ** (1.0 / rho), 1.0, kappa)
            last = np.maximum(adopt, export)

            def sums(
                exponent: float, gain: FloatArray, adopt: Any = adopt, export: Any = export, last: Any = last
            ) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
                """At home, abroad, and adopters' parts of both."""
                adopters = gain * integral(adopt, kappa, exponent, theta, kappa)
                exporters = gain * integral(last, kappa, exponent, theta, kappa)
                at_home = integral(np.ones_like(adopt), adopt, exponent, theta, kappa) + adopters
                return at_home, exporters + integral(export, last, exponent, theta, kappa), adopters, exporters

            at_home, sold_abroad, home_adopters, abroad_adopters = sums(rho, gain)
            unit = sigma * e.firm_mass[j] * b
            kept = unit * (at_home * home + sold_abroad * abroad)
            kept_adopters = unit * (home_adopters * home + abroad_adopters * abroad)
            gross_home, gross_abroad, _, _ = sums(r, gross_gain)
            unit = unit * floor**-xi / tau
            gross = unit * (gross_home * home + gross_abroad * abroad)
            adopters = integral(adopt, kappa, 0.0, theta, kappa)
            exporters = integral(export, kappa, 0.0, theta, kappa)
            inputs[j] = (kept - kept_adopters) / mu + kept_adopters / (mu * (1.0 - s))
            adoption[j] = e.firm_mass[j] * adopters * adopting_cost if np.isfinite(e.adoption_cost[j]) else 0.0
            exporting[j] = e.firm_mass[j] * exporters * exporting_cost
            profits = kept / sigma - adoption[j] - exporting[j]
            shared += float((profits + gross - kept - s / (1.0 - s) * kept_adopters / mu).sum())
            imported = (e.foreign_price[j] * (1.0 + e.tariff[j])) ** (1.0 - sigma) * e.port_freeness[j]
            shared += float(e.tariff[j] / (1.0 + e.tariff[j]) * (imported * demand[j]).sum())
            prices[j] = e.freeness[j].T @ (unit * gross_home) + imported
        paid = wage * e.labour
        income = paid * (1.0 + shared / paid.sum())
        bill = e.labour_share[:, None] * inputs + e.adoption_labour_share[:, None] * adoption + exporting
        changes = (
            bill.sum(axis=0) / paid,
            prices ** (1.0 / (1.0 - sigma)) / price,
            (np.outer(e.preference_share, income) + e.input_share.T @ inputs + e.adoption_input_share.T @ adoption)
            / spending,
        )
        gap = max(float(np.abs(np.log(change)).max()) for change in changes)
        if gap > tolerance:
            wage, price, spending = (
                wage * changes[0] ** wage_step,
                price * changes[1] ** step,
                spending * changes[2] ** step,
            )
            steps += 1
    return np.log(np.concatenate([wage, price.ravel(), spending.ravel()])), steps, gap


# -- measuring --------------------------------------------------------------------------------------------------------


def seconds(*tasks: Callable[[], object], repeats: int = REPEATS) -> list[tuple[float, float]]:
    """Shortest processor and wall time of each task over several rounds in which they take turns."""
    best = [(np.inf, np.inf)] * len(tasks)
    for _ in range(repeats):
        for i, task in enumerate(tasks):
            wall, cpu = time.perf_counter(), time.process_time()
            task()
            cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
            best[i] = (min(best[i][0], cpu), min(best[i][1], wall))
    return best


def peak_memory_gib() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**30 if sys.platform == "darwin" else 2**20)


def static_times(ready: Baseline) -> list[dict[str, Any]]:
    economy, lag = one_draw(ready.economies[2]), ready.equilibria[1].adopter_share[0]
    start, matrix = ready.equilibria[2].point[0], static_preconditioner(ready.equilibria[2])
    every = drawn(economy, factors(max(BATCHES)))
    singles = [one_draw(every, d) for d in range(PLAIN_DRAWS)]
    points: list[tuple[FloatArray, int, float]] = []
    cpu, wall = seconds(lambda: points.extend(plain(one, lag) for one in singles), repeats=2)[0]
    known = solve_static(every.select(np.arange(PLAIN_DRAWS)), lag)
    gap = max(float(np.abs(known.point[d] - points[d][0]).max()) for d in range(PLAIN_DRAWS))
    assert gap < 1e-7, gap
    steps = float(np.mean([point[1] for point in points]))
    base: dict[str, Any] = {
        "mode": "plain",
        "batch": 1,
        "cpu_ms": 1e3 * cpu / PLAIN_DRAWS,
        "wall_ms": 1e3 * wall / PLAIN_DRAWS,
    }
    rows: list[dict[str, Any]] = [base | {"steps": steps, "residual": max(point[2] for point in points), "ratio": 1.0}]
    modes: dict[str, dict[str, Any]] = {
        "cold": {},
        "warm": {"start": start},
        "warm, preconditioned": {"start": start, "preconditioner": matrix},
    }
    for batch in BATCHES:
        some = every.select(np.arange(batch))
        found: dict[str, StaticEquilibrium] = {}

        def solve(mode: str, some: SpatialEconomy = some, found: dict[str, Any] = found) -> None:
            found[mode] = solve_static(some, lag, tolerance=TOLERANCE, **modes[mode])

        times = seconds(*[lambda mode=mode: solve(mode) for mode in modes])
        for (mode, solution), (cpu, wall) in zip(found.items(), times, strict=True):
            assert solution.converged.all()
            row = {"mode": mode, "batch": batch, "cpu_ms": 1e3 * cpu / batch, "wall_ms": 1e3 * wall / batch}
            row |= {"steps": float(solution.iterations.mean()), "residual": float(solution.residual.max())}
            rows.append(row | {"ratio": base["cpu_ms"] / row["cpu_ms"]})
    return rows


def section_six(ready: Baseline, draws: int) -> dict[str, Any]:
    """Baseline, no push and six scenarios with and without the push: 14 paths a draw, to a steady state.

    Draws go through in blocks, two at a time, and a block's paths are let go once they are summed up: all of them at
    once would fill a memory of tens of GB.
    """
    one, factor = ready.draw(), factors(draws)
    matrices = [static_preconditioner(known) for known in one.equilibria]
    fates: dict[str, int] = {}
    solves, worst = 0, 0.0

    def block(first: int) -> Baseline:
        chosen = {key: values[first : first + BLOCK] for key, values in factor.items()}
        economies = tuple(drawn(economy, chosen) for economy in one.economies)
        lag, equilibria = one.initial_share, []
        for economy, known, matrix in zip(economies, one.equilibria, matrices, strict=True):
            equilibria.append(solve_static(economy, lag, start=known.point[0], preconditioner=matrix))
            lag = equilibria[-1].adopter_share
        return replace(one, economies=economies, equilibria=tuple(equilibria))

    def paths(first: int) -> list[tuple[dict[str, int], int, float]]:
        found = []
        for comparison in compare(block(first), max_periods=400).values():
            for path in (comparison.push, comparison.none):
                names, counts = np.unique(path.fate, return_counts=True)
                fate = dict(zip(names.tolist(), counts.tolist(), strict=True))
                found.append((fate, int(path.periods.sum()), float(path.worst_residual.max())))
        return found

    wall, cpu = time.perf_counter(), time.process_time()
    with one_thread_each(), ThreadPoolExecutor(2) as pool:
        for results in pool.map(paths, range(0, draws, BLOCK)):
            for fate, periods, residual in results:
                fates = {key: fates.get(key, 0) + fate.get(key, 0) for key in fates | fate}
                solves, worst = solves + periods, max(worst, residual)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    return {
        "draws": draws,
        "paths": 14 * draws,
        "equilibria": solves,
        "cpu_seconds": cpu,
        "wall_seconds": wall,
        "cpu_ms_per_equilibrium": 1e3 * cpu / solves,
        "peak_memory_gib": peak_memory_gib(),
        "worst_residual": worst,
        "fates": fates,
    }


def growth(ready: Baseline, draws: int = 16) -> list[dict[str, float]]:
    """One evaluation of the conditions, its matrix products alone, and a whole cold solution, by number of regions."""
    rows: list[dict[str, float]] = []
    for regions in REGIONS:
        economy = enlarged(one_draw(ready.economies[2]), regions)
        economy = drawn(economy, factors(draws))
        lag = np.zeros((economy.n_sectors, regions))
        solution = solve_static(economy, lag)
        system, point = StaticSystem(economy, lag), solution.point
        demand = np.exp(point.reshape(draws, -1, regions)[:, 1 : 1 + economy.n_sectors].transpose(1, 0, 2)).copy()
        matrices = np.ascontiguousarray(economy.freeness)

        def products(demand: FloatArray = demand, matrices: FloatArray = matrices) -> None:
            np.matmul(demand, matrices)
            np.matmul(demand, matrices.swapaxes(1, 2))

        (evaluation, _), (matrix, _) = seconds(lambda s=system, p=point: s.residual(p), products)  # type: ignore[misc]
        ((cold, _),) = seconds(lambda e=economy, g=lag: solve_static(e, g), repeats=2)  # type: ignore[misc]
        rows.append(
            {
                "regions": regions,
                "converged": float(solution.converged.mean()),
                "steps": float(solution.iterations.mean()),
                "cold_ms": 1e3 * cold / draws,
                "step_us": 1e6 * evaluation / draws,
                "products_us": 1e6 * matrix / draws,
                "step_over_86": evaluation / (draws * rows[0]["step_us"] * 1e-6) if rows else 1.0,
                "n2_over_86": (regions / REGIONS[0]) ** 2,
            }
        )
    return rows


def kernel(ready: Baseline, draws: int = 128) -> dict[str, float]:
    """Microseconds per draw and step: what a step takes, and what its arithmetic alone would take on such arrays."""
    economy, lag = drawn(one_draw(ready.economies[2]), factors(draws)), ready.equilibria[1].adopter_share[0]
    system = StaticSystem(economy, lag)
    points = np.repeat(ready.equilibria[2].point, draws, axis=0)
    sectors, regions, size = economy.n_sectors, economy.n_regions, points.shape[1]
    with one_thread_each():
        count = transcendentals(system)
        numbers = {key: np.ones((draws, rows * regions)) for key, rows in count.items()}
        positive = np.random.default_rng(0).uniform(0.5, 1.5, (sectors, draws, regions))
        out, matrices = np.empty_like(positive), np.ascontiguousarray(economy.freeness)
        settings = Acceleration(np.repeat([0.3, 0.8], [regions, size - regions]))
        matrix, single = static_preconditioner(ready.equilibria[2]), points.astype(np.float32)
        rows, past = np.arange(draws), np.random.default_rng(1).normal(size=(2, draws, settings.depth, size))
        current, best, before, step = points.copy(), points.copy(), points * 1e-3, points * 2e-3
        residuals, images = past.astype(np.float32)
        gram, error = np.zeros((draws, settings.depth, settings.depth)), np.ones(draws)

        def anderson() -> None:
            extrapolation.advance(rows, before, error, current, best, error, before, step, residuals, images, gram,
                                  20, settings.regularisation, settings.blow_up, 1e-9)  # fmt: skip

        def products() -> None:
            np.matmul(positive, matrices, out=out)
            np.matmul(positive, matrices.swapaxes(1, 2), out=out)

        def copied(flows: list[tuple[FloatArray, FloatArray]]) -> None:
            for to, values in flows:
                np.copyto(to, values)

        def in_place(function: Callable[[FloatArray], None], values: FloatArray) -> None:
            for row in values:
                function(row)

        parts, flows = compiled_passes(system, points)
        tasks: dict[str, Callable[[], object]] = {
            "one evaluation of the conditions": lambda: system.residual(points),
            **parts,
            "exp": lambda: in_place(compiled._exp, numbers["exp"]),
            "log": lambda: in_place(compiled._log, numbers["log"]),
            "products with freeness": products,
            "NumPy's exp": lambda: np.exp(numbers["exp"]),
            "NumPy's log": lambda: np.log(numbers["log"]),
            "reading and writing its arrays once": lambda: copied(flows),
            "Anderson, depth 8": anderson,
            "preconditioner": lambda: single @ matrix,
        }
        times = []
        for task in tasks.values():
            for values in numbers.values():
                values[:] = 1.0
            times += seconds(task, repeats=30)
    found = {key: 1e6 * cpu / draws for key, (cpu, _) in zip(tasks, times, strict=True)}
    found["numbers in exp"], found["numbers in log"] = (float(count[key] * regions) for key in ("exp", "log"))
    bound = found["exp"] + found["log"] + found["products with freeness"]
    found["bound: exp, log and products"] = bound
    found["evaluation over bound"] = found["one evaluation of the conditions"] / bound
    found["rest: arithmetic and memory"] = found["one evaluation of the conditions"] - bound
    return found


def compiled_passes(
    system: StaticSystem, points: FloatArray
) -> tuple[dict[str, Callable[[], object]], list[tuple[FloatArray, FloatArray]]]:
    """The three compiled passes of an evaluation, and the arrays that they read or write, with copies of them."""
    draws, sectors, regions = len(points), len(system.sectors), system.labour.shape[-1]
    values, rows, constants = points.reshape(draws, -1, regions), system.rows_of(draws), system.constants
    demand, supply, home = np.empty((3, sectors, draws, regions))
    compiled.demands(values, rows, constants, demand)
    np.matmul(demand, system.freeness[:, 0].swapaxes(1, 2), out=home)
    payments = np.empty((1, constants.spending.shape[2], regions))
    cells, residual = np.empty((1, sectors, compiled.N_DETAILS, regions)), np.empty(values.shape)
    parts: dict[str, Callable[[], object]] = {
        "of it: demands": lambda: compiled.demands(values, rows, constants, demand),
        "of it: firms, incomes": lambda: compiled.choices(
            values, rows, constants, system.labour, demand, home, supply, payments, cells, residual
        ),
        "of it: prices, logs": lambda: compiled.prices(
            values, rows, constants, system.labour, home, system.closed, residual
        ),
    }
    arrays = [values, demand, home, supply, residual, *(np.asarray(one) for one in constants[1:])]
    return parts, [(np.empty_like(one), one) for one in arrays]


def transcendentals(system: StaticSystem) -> dict[str, int]:
    """How many rows of N numbers one evaluation passes to exp and log, per draw."""
    kind = system.constants.kind
    adopts, trades = kind[:, compiled.ADOPTS] >= 0, kind[:, compiled.TRADES] >= 0
    sectors, adopting = len(kind), int(adopts.sum())
    tails = int(((adopts.astype(int) + trades) * (2 + kind[:, compiled.DISTORTED])).sum())
    # demand, then w, b and c^T F^T, then the tails; cutoffs of adoption, then all conditions
    cutoffs = int(np.where(adopts, np.where(trades, 3, 1), 0).sum())
    return {"exp": sectors + 1 + sectors + adopting + tails, "log": cutoffs + 1 + 2 * sectors}


def show(rows: list[dict[str, Any]]) -> None:
    print("  ".join(f"{key:>20}" for key in rows[0]))
    for row in rows:
        print("  ".join(f"{value:>20.4g}" if isinstance(value, float) else f"{value!s:>20}" for value in row.values()))
    print(flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a tenth of the draws for Section 6")
    quick = parser.parse_args().quick
    ready = calibrated()
    with one_thread_each():
        found: dict[str, Any] = {"static": static_times(ready)}
        show(found["static"])
        found["kernel_us_per_draw_and_step"] = kernel(ready)
        show([{"what": key, "value": value} for key, value in found["kernel_us_per_draw_and_step"].items()])
        found["growth"] = growth(ready)
        show(found["growth"])
    found["section_six"] = section_six(ready, PATH_DRAWS // 10 if quick else PATH_DRAWS)
    show([{"what": key, "value": value} for key, value in found["section_six"].items()])
    target = ROOT / "results" / "bench_spatial.json"
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    print(f"written to {target}")


if __name__ == "__main__":
    main()
