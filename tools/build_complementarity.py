"""Write data/complementarity: Panel B's slopes on panels simulated over a grid of (log η, δ, s̄), and own-region slopes.

    python tools/build_complementarity.py               go on with panel_b.csv: 1.5 seconds of processor time a panel
    python tools/build_complementarity.py --anew        write it from nothing
    python tools/build_complementarity.py --check 3     draw so many rows anew and compare; exit code 1 if they differ
    python tools/build_complementarity.py --own-region  write own_region.csv: about 3 minutes of processor time

The same seeds are drawn at every point of the grid.  The text beside the file, provenance.json, says which design,
seeds and grid.
"""

import argparse
import csv
import itertools
import json
import sys
import time
from pathlib import Path

import numpy as np

from bigpush_est.bayes.indirect_inference import COLUMNS, NAMES, design_fingerprint, simulated_slopes
from bigpush_est.bayes.own_region import NAMES as OWN_NAMES
from bigpush_est.equilibrium.spatial.anchor import Anchor
from bigpush_est.equilibrium.spatial.calibration import PARAMETERS
from bigpush_est.equilibrium.spatial.own_slope import own_region_slopes
from bigpush_est.equilibrium.spatial.recalibration import recalibrate
from bigpush_est.equilibrium.spatial.static import solve_static, static_preconditioner
from bigpush_est.pipeline.study import load_pipeline_study
from bigpush_est.propagate.spatial_setting import SpatialSetting
from bigpush_est.quantitative.stages import calibrated

FOLDER = Path(__file__).resolve().parents[1] / "data" / "complementarity"
FILE, PROVENANCE = FOLDER / "panel_b.csv", FOLDER / "provenance.json"
LOG_ETA, DELTA, SUBSIDY = (0.1, 0.45), (0.0, 0.75, 1.5), (0.0, 0.15)
SEEDS, SCALE = range(1001, 1017), 1.0
#: Points of the own-region slopes; each is a calibration.
OWN_LOG_ETA, OWN_DELTA = (0.1, 0.225, 0.45), (0.0, 0.4, 0.68, 1.0, 1.5)


def stored() -> list[dict[str, str]]:
    """Return the rows that are there."""
    if not FILE.is_file():
        return []
    with FILE.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def write() -> None:
    """Draw what is not there yet, seed by seed, so that a run that is stopped leaves whole seeds but for the last."""
    rows = stored()
    done = {(int(row["seed"]), *(float(row[name]) for name in ("log_eta", "delta", "subsidy"))) for row in rows}
    started, drawn = time.process_time(), 0
    with FILE.open("a", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        if not rows:
            writer.writerow(NAMES)
        for seed, *point in itertools.product(SEEDS, LOG_ETA, DELTA, SUBSIDY):
            if (seed, *point) in done:
                continue
            found = simulated_slopes(point, seed, scale=SCALE)
            slopes = ["" if np.isnan(found[number]) else f"{found[number]:.9g}" for number in COLUMNS]
            writer.writerow([seed, *(f"{value:g}" for value in point), *slopes])
            file.flush()
            drawn += 1
    print(f"{drawn} panels, {time.process_time() - started:.0f} s of processor time")
    content = {
        "what": "Panel B's slope (Table 1, columns 2 to 8) on simulated firm panels; synthetic",
        "design": "the default FirmPanelDesign, but for eta, delta and subsidy_rate",
        "design_fingerprint": design_fingerprint(SCALE),
        "scale": SCALE,
        "seeds": [SEEDS.start, SEEDS.stop - 1],
        "log_eta": LOG_ETA,
        "delta": DELTA,
        "subsidy": SUBSIDY,
    }
    PROVENANCE.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def check(count: int) -> int:
    """Draw rows anew, evenly spaced over the file, and compare."""
    rows, wrong = stored(), 0
    for row in [rows[k] for k in np.linspace(0, len(rows) - 1, count).round().astype(int)]:
        point = [float(row[name]) for name in ("log_eta", "delta", "subsidy")]
        found = simulated_slopes(point, int(row["seed"]), scale=SCALE)
        kept = np.array([float(row[f"column_{number}"] or "nan") for number in COLUMNS])
        same = np.allclose([found[number] for number in COLUMNS], kept, rtol=1e-6, atol=1e-8, equal_nan=True)
        wrong += not same
        print(f"seed {row['seed']} at {point}: {'as kept' if same else 'differs'}")
    return int(wrong > 0)


def own_region() -> None:
    """Calibrate the economy of the study korea_published at every point, and take the slopes of its last period."""
    study = load_pipeline_study("korea_published")
    point = study.at({"eta": 1.25, "delta": 0.68}, study.point.bundle)
    at = calibrated(point, lambda stage, done, total: None, curves=False)["parameters"]
    setting = SpatialSetting.of(point, at)
    grid = np.array(list(itertools.product(OWN_LOG_ETA, OWN_DELTA)))
    draws = dict.fromkeys(("subsidy", "sigma", "pareto_ratio"), np.ones(len(grid)))
    draws |= {"log_eta": grid[:, 0], "delta": grid[:, 1]}
    draws["sigma"] = draws["sigma"] * study.centre("sigma")
    draws["pareto_ratio"] = draws["pareto_ratio"] * study.centre("pareto_ratio")
    external = setting.external_draws(draws)
    found = recalibrate(Anchor.of(setting.problem(), at), external, setting.target, weight=setting.weight)
    last, heavy = found.inversions[-1], setting.problem().adopting_sector
    lag = last.equilibrium.lagged_share
    start, matrix = last.equilibrium.point, static_preconditioner(last.equilibrium)
    slopes = own_region_slopes(last.economy, lag, heavy, start=start, preconditioner=matrix)
    firms = point.bundle.firm_mass[:, heavy]
    ends = []
    for change in (0.01, -0.01):  # all regions at once
        moved = np.array(lag)
        moved[:, heavy] = np.clip(moved[:, heavy] + change, 0.0, 1.0)
        share = solve_static(last.economy, moved, start=start, preconditioner=matrix).adopter_share[:, heavy]
        ends.append([np.average(values, axis=1, weights=firms) for values in (share, moved[:, heavy])])
    together = (ends[0][0] - ends[1][0]) / (ends[0][1] - ends[1][1])
    rate = found.parameters[:, PARAMETERS.index("subsidy_rate")]
    with (FOLDER / "own_region.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(OWN_NAMES)
        for k, (log_eta, delta) in enumerate(grid):
            mean = np.average(slopes[k], weights=firms)
            numbers = (mean, slopes[k].min(), slopes[k].max(), together[k], rate[k], found.criterion[k])
            writer.writerow([f"{log_eta:g}", f"{delta:g}", *(f"{value:.6g}" for value in numbers), found.status[k]])


def main() -> int:
    """Write the file, or compare it with new draws."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--anew", action="store_true", help="drop what is there first")
    parser.add_argument("--check", type=int, metavar="ROWS", help="compare so many rows with new draws, write nothing")
    parser.add_argument("--own-region", action="store_true", help="write own_region.csv instead")
    options = parser.parse_args()
    if options.check:
        return check(options.check)
    FOLDER.mkdir(exist_ok=True)
    if options.own_region:
        own_region()
        return 0
    if options.anew:
        FILE.unlink(missing_ok=True)
    write()
    return 0


if __name__ == "__main__":
    sys.exit(main())
