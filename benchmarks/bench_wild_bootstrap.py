"""Two-way wild cluster bootstrap of an IV estimate at the paper's size: this package against a loop over samples.

The data have the shape of the paper's Table 1: 1,492 rows in 79 × 1,294 clusters (Panel A) and 1,977 rows in 86 ×
1,548 clusters (Panel B) of regions and groups, every firm outside the groups a cluster of its own; 10 sectors; one
endogenous regressor, one instrument, three controls, region and sector effects; standard errors clustered by region
and by group. A bootstrap has 9,999 draws (WRE, null imposed).

The loop does what the method says: per draw it builds the bootstrap sample, takes the fixed effects out (by a
projection prepared once), estimates 2SLS and sums scores by cluster.  It is run on a few dozen draws with the same
weights, so that its t-ratios can be compared with the package's.

Run as ``python benchmarks/bench_wild_bootstrap.py``: it prints a table and writes
``results/bench_wild_bootstrap.json``.
"""

import json
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bigpush_est.reduced_form.linear.clusters import Clusters
from bigpush_est.reduced_form.linear.problem import LinearProblem
from bigpush_est.reduced_form.wild.bootstrap import WildBootstrap, wild_bootstrap
from bigpush_est.reduced_form.wild.weights import weight_draws

type FloatArray = NDArray[np.float64]
type Codes = NDArray[np.int64]

DRAWS = 9_999
LOOP_DRAWS = 40
REPEATS = 2
SECTORS, GROUPS = 10, 59
#: Rows, regions and clusters of groups in the panels of Table 1.
SIZES = ((1_492, 79, 1_294), (1_977, 86, 1_548))


@dataclass(frozen=True)
class Firms:
    """Arrays before fixed effects are taken out."""

    outcome: FloatArray
    endogenous: FloatArray
    instrument: FloatArray
    controls: FloatArray
    region: Codes
    sector: Codes
    group: Codes


def simulate(firms: int, regions: int, clusters: int, seed: int = 0) -> Firms:
    """Draw firms with region and group shocks in instrument and error."""
    rng = np.random.default_rng(seed)
    region, sector = rng.permutation(np.arange(firms) % regions), rng.integers(0, SECTORS, firms)
    group = np.arange(firms) + GROUPS
    # all others are clusters of their own: what is left over stands in groups
    members = rng.choice(firms, firms - clusters + GROUPS, replace=False)
    group[members] = np.arange(members.size) % GROUPS
    shock = rng.normal(size=GROUPS + firms)[group]
    instrument = rng.normal(size=firms) + 0.3 * shock
    error = rng.normal(size=firms) + 0.3 * rng.normal(size=regions)[region] + 0.3 * shock
    endogenous = 0.1 * instrument + 0.5 * error + rng.normal(size=firms)
    controls = rng.normal(size=(firms, 3))
    outcome = 0.2 * endogenous + controls.sum(axis=1) + error
    return Firms(outcome, endogenous, instrument, controls, region, sector, group)


def dummies(firms: Firms) -> FloatArray:
    """Orthonormal basis of region and sector effects."""
    regions = int(firms.region.max()) + 1
    columns = np.column_stack(
        [firms.region[:, None] == np.arange(regions), firms.sector[:, None] == np.arange(1, SECTORS)]
    ).astype(float)
    return np.linalg.qr(columns)[0]


def problem_of(firms: Firms, basis: FloatArray) -> tuple[LinearProblem, Clusters]:
    """Return the problem that the package takes, and its fixed effects."""
    columns = np.column_stack([firms.outcome, firms.endogenous, firms.instrument, firms.controls])
    net = columns - basis @ (basis.T @ columns)
    net = net - basis @ (basis.T @ net)
    clusters = Clusters.build({"region": firms.region, "group": firms.group})
    problem = LinearProblem(
        net[:, 0],
        net[:, 1:2],
        net[:, 3:],
        net[:, 2:3],
        ("x", "w1", "w2", "w3"),
        ("z",),
        None,
        clusters,
        10,
        basis.shape[1] - 10,
    )
    return problem, Clusters.build({"region": firms.region, "sector": firms.sector})


# -- the loop ---------------------------------------------------------------------------------------------------------


def two_way(scores: FloatArray, codes: tuple[tuple[Codes, int], ...]) -> float:
    """Σ_g over regions plus groups less cells of the squared sums."""
    sums = [float(np.sum(np.bincount(code, scores, count) ** 2)) for code, count in codes]
    return sums[0] + sums[1] - sums[2]


def loop(problem: LinearProblem, basis: FloatArray, by: tuple[Codes, int], vectors: FloatArray) -> FloatArray:
    """t* of β = 0 draw by draw, on arrays of N observations."""
    assert problem.clusters is not None
    codes = tuple((term.codes, term.count) for term in problem.clusters.terms())
    w = np.linalg.qr(problem.exogenous)[0]
    y, x, z = problem.outcome, problem.endogenous[:, 0], problem.instruments[:, 0]

    def net(values: FloatArray) -> FloatArray:
        values = values - basis @ (basis.T @ values)
        found: FloatArray = values - w @ (w.T @ values)
        return found

    z_net = net(z)
    restricted = net(y)
    first = np.column_stack([z, problem.exogenous, restricted])
    coefficients = np.linalg.lstsq(first, x, rcond=None)[0]
    systematic = first[:, :-1] @ coefficients[:-1]
    disturbance = x - systematic
    statistics = np.empty(vectors.shape[1])
    for draw in range(vectors.shape[1]):
        spread = vectors[by[0], draw]
        new_x, new_y = net(systematic + disturbance * spread), net(restricted * spread)
        beta = float(z_net @ new_y) / float(z_net @ new_x)
        scores = z_net * (new_y - beta * new_x)
        statistics[draw] = beta / np.sqrt(two_way(scores, codes)) * abs(float(z_net @ new_x))
    return statistics


# -- measuring --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    firms: int
    clusters: str
    bootstrap_by: str
    bootstrap_clusters: int
    small_sample: str
    workers: int
    draws: int
    package_seconds: float
    package_cpu_seconds: float
    with_confidence_set_cpu_seconds: float
    loop_cpu_seconds_extrapolated: float
    ratio: float
    largest_difference_in_t: float
    draws_without_statistic: int
    peak_memory_gib: float


def best(function: Callable[[], WildBootstrap]) -> tuple[WildBootstrap, float, float]:
    """Return the result, and the least wall and processor time of a few runs."""
    wall, processor = [], []
    for _ in range(REPEATS):
        begin, begin_cpu = time.perf_counter(), time.process_time()
        result = function()
        wall.append(time.perf_counter() - begin)
        processor.append(time.process_time() - begin_cpu)
    return result, min(wall), min(processor)


def measure(firms: Firms, bootstrap_by: str | tuple[str, ...], small_sample: str, workers: int) -> Row:
    basis = dummies(firms)
    problem, effects = problem_of(firms, basis)
    assert problem.clusters is not None

    def run(confidence_set: bool = False) -> WildBootstrap:
        return wild_bootstrap(
            problem,
            draws=DRAWS,
            bootstrap_by=bootstrap_by,
            small_sample=small_sample,
            fixed_effects=effects,
            workers=workers,
            confidence_set=confidence_set,
        )

    result, seconds, processor = best(run)
    begin_set = time.process_time()
    run(confidence_set=True)
    with_set = time.process_time() - begin_set
    names = (bootstrap_by,) if isinstance(bootstrap_by, str) else bootstrap_by
    by = problem.clusters.intersection(tuple(problem.clusters.names.index(name) for name in names))
    vectors = weight_draws("rademacher", by[1], DRAWS, 0).block(0)[:, :LOOP_DRAWS]
    begin = time.process_time()
    statistics = loop(problem, basis, by, vectors)
    per_draw = (time.process_time() - begin) / LOOP_DRAWS
    ours = result.draws_of_statistic[:LOOP_DRAWS]
    # the loop has no small-sample factor: compare up to the one factor that all draws share
    factor = float(np.nanmedian(statistics / ours)) if small_sample == "fixest" else 1.0
    gap = float(np.nanmax(np.abs(statistics / factor - ours))) if small_sample in ("fixest", "none") else float("nan")
    unit = 1024**2 if sys.platform != "darwin" else 1024**3
    return Row(
        firms=problem.observations,
        clusters=" × ".join(f"{count:,}" for count in problem.clusters.counts),
        bootstrap_by=" × ".join(names),
        bootstrap_clusters=by[1],
        small_sample=small_sample,
        workers=workers,
        draws=result.draws,
        package_seconds=seconds,
        package_cpu_seconds=processor,
        with_confidence_set_cpu_seconds=with_set,
        loop_cpu_seconds_extrapolated=per_draw * DRAWS,
        ratio=per_draw * DRAWS / processor,
        largest_difference_in_t=gap,
        draws_without_statistic=result.without_statistic,
        peak_memory_gib=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit,
    )


def main() -> None:
    rows = []
    for size, regions, clusters in SIZES:
        firms = simulate(size, regions, clusters)
        rows += [measure(firms, "region", "fixest", 1), measure(firms, "group", "fixest", 1)]
    for key in asdict(rows[0]):
        cells = [getattr(row, key) for row in rows]
        shown = [f"{cell:>15.3g}" if isinstance(cell, float) else f"{cell!s:>15}" for cell in cells]
        print(f"{key.replace('_', ' '):30}" + "".join(shown))
    target = Path(__file__).parent / "results" / "bench_wild_bootstrap.json"
    target.parent.mkdir(exist_ok=True)
    records = [{k: None if v != v else v for k, v in asdict(row).items()} for row in rows]
    target.write_text(json.dumps(records, indent=2) + "\n", encoding="utf-8")
    print(f"written to {target}")


if __name__ == "__main__":
    main()
