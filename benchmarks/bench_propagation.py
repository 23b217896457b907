"""Times posterior draws through the quantitative model on the shipped economy (86 regions, 4 sectors), stage by stage.

Run with ``python benchmarks/bench_propagation.py``; ``--draws``, ``--chunk`` and ``--workers`` change the size, and
``--held`` leaves recalibration out.  The law of the draws: log η and δ are normal about the published 0.90 and 2.70
over the exponent 4, with standard errors 0.24 and 0.73 over it, cut at zero; σ = 5 and θ = 1.06 (σ − 1).  Every draw is
recalibrated, fundamentals inverted; followed with and without the push, in the baseline and Table 3 C's six scenarios
(14 paths); looked at for steady states from four starts and two random ones; and searched for its smallest pushes.

Times are processor seconds, summed over processes; wall time stands beside them: on a machine with other work on it,
it says little.  The scaling run does the same few chunks with one process and with two.
"""

import argparse
import json
import os

for _library in ("OMP", "OPENBLAS", "MKL"):
    os.environ.setdefault(f"{_library}_NUM_THREADS", "1")  # read when NumPy is imported

import resource  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402
from dataclasses import dataclass  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

import numpy as np  # noqa: E402

from bigpush_est.equilibrium.spatial.calibration import calibrate  # noqa: E402
from bigpush_est.propagate.schedule import run_chunks  # noqa: E402
from bigpush_est.propagate.spatial import SpatialSetting, propagate_spatial  # noqa: E402
from bigpush_est.quantitative.study import load_quantitative_study  # noqa: E402

ROOT = Path(__file__).parent
SCALING_CHUNKS = 4


@dataclass(frozen=True)
class Timed:
    """A chunk's work, with what it took."""

    setting: SpatialSetting

    def __call__(self, draws: dict[str, Any]) -> dict[str, Any]:
        spent: dict[str, float] = {}
        outcomes = propagate_spatial(draws, self.setting, spent=spent)
        keys = (
            "calibration_status",
            "converged",
            "multiple",
            "moved",
            "needed",
            "evaluations",
            "residual",
            "fate_push",
        )
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**30 if sys.platform == "darwin" else 2**20)
        kept = {key: outcomes[key] for key in (*keys, "fate_none", "smallest_push_status")}
        return {"spent": spent, "peak": peak, "process": os.getpid(), "outcomes": kept}


def drawn(count: int, seed: int = 0) -> dict[str, Any]:
    rng = np.random.default_rng(seed)

    def positive(mean: float, sd: float) -> Any:
        values = rng.normal(mean, sd, 4 * count)
        return values[values > 0.0][:count]

    return {
        "log_eta": positive(0.9 / 4.0, 0.24 / 4.0),
        "delta": positive(2.7 / 4.0, 0.73 / 4.0),
        "subsidy": np.full(count, 0.06),
        "sigma": np.full(count, 5.0),
        "pareto_ratio": np.full(count, 1.06),
    }


def cut(draws: dict[str, Any], size: int) -> list[dict[str, Any]]:
    total = draws["delta"].size
    return [{key: values[first : first + size] for key, values in draws.items()} for first in range(0, total, size)]


def timed(setting: SpatialSetting, pieces: list[dict[str, Any]], workers: int) -> dict[str, Any]:
    found: dict[int, Any] = {}
    wall = time.perf_counter()

    def told(done: int, total: int) -> None:
        print(f"\r{done} of {total} chunks, {time.perf_counter() - wall:.0f} s", end="", file=sys.stderr, flush=True)

    run_chunks(Timed(setting), pieces, workers=workers, keep=found.__setitem__, told=told)
    wall = time.perf_counter() - wall
    print(file=sys.stderr)
    draws = sum(piece["delta"].size for piece in pieces)
    stages: dict[str, float] = {}
    for one in found.values():
        for stage, seconds in one["spent"].items():
            stages[stage] = stages.get(stage, 0.0) + seconds
    joined = {
        key: np.concatenate([found[k]["outcomes"][key] for k in range(len(pieces))]) for key in found[0]["outcomes"]
    }
    statuses = {
        key: dict(zip(*(part.tolist() for part in np.unique(joined[key], return_counts=True)), strict=True))
        for key in ("calibration_status", "fate_push", "fate_none", "smallest_push_status")
    }
    peaks: dict[int, float] = {}
    for one in found.values():
        peaks[one["process"]] = max(peaks.get(one["process"], 0.0), one["peak"])
    return {
        "draws": draws,
        "chunks": len(pieces),
        "workers": workers,
        "cpu_seconds": sum(stages.values()),
        "wall_seconds": wall,
        "cpu_seconds_by_stage": stages,
        "cpu_ms_per_draw": 1e3 * sum(stages.values()) / draws,
        "peak_memory_gib_by_process": sorted(peaks.values()),
        "evaluations_per_draw": float(joined["evaluations"].mean()),
        "worst_residual": float(np.nanmax(joined["residual"])),
        "shares": {key: float(joined[key].mean()) for key in ("converged", "multiple", "moved", "needed")},
        **statuses,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument("--chunk", type=int, default=50)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--held", action="store_true", help="hold the calibration at its point")
    parser.add_argument("--no-scaling", action="store_true", help="leave the runs with one and two processes out")
    given = parser.parse_args()
    study = load_quantitative_study(ROOT.parent / "models" / "korea.toml")
    point = calibrate(study.problem(), study.target(), study.starts()[0], weight=study.weights())
    setting = SpatialSetting.of(study, point.parameters, recalibrate=not given.held)
    pieces = cut(drawn(given.draws), given.chunk)
    found: dict[str, Any] = {"law": " ".join(__doc__.split("The law of the draws: ")[1].split(".  ")[0].split())}
    if not given.no_scaling:
        few = pieces[:SCALING_CHUNKS]
        found["scaling"] = [timed(setting, few, workers) for workers in (1, 2)]
        for row in found["scaling"]:
            print(
                json.dumps({key: row[key] for key in ("workers", "draws", "cpu_seconds", "wall_seconds")}), flush=True
            )
    found["whole"] = timed(setting, pieces, given.workers)
    print(json.dumps(found["whole"], indent=2))
    target = ROOT / "results" / ("bench_propagation_held.json" if given.held else "bench_propagation.json")
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    print(f"written to {target.name}")


if __name__ == "__main__":
    main()
