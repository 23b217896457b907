"""OLS and 2SLS with two fixed effects and clustered errors on 10⁶ rows: this package, pyfixest and linearmodels.

All three estimate the same model on the same panel of 100,000 firms and 10 years in one process, with one thread, in
turn.  What is compared is processor time, the least of some repeats, as ratios: other work on the machine then matters
little.  linearmodels absorbs the effects of a least squares with ``AbsorbingLS``; it has no 2SLS that absorbs effects,
so that its columns are demeaned first, by ``PanelData.demean``, which has a closed form for a balanced panel like this.

Coefficients have to agree to 10⁻⁸ and standard errors to 10⁻⁶ for the benchmark to report anything.

Run as ``python benchmarks/bench_regression.py``: it prints a table and writes ``results/bench_regression.json``.
"""

import json
import os
import platform
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
import pyfixest as pf
from linearmodels.iv import IV2SLS, AbsorbingLS
from linearmodels.panel.data import PanelData

from bigpush_est.reduced_form.linear.regression import iv, ols

FIRMS, YEARS = 100_000, 10
REGIONS, GROUPS = 86, 500
REPEATS = 3
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS")

type Fit = Callable[[], tuple[np.ndarray, np.ndarray]]


def panel() -> pd.DataFrame:
    """Firms in regions and groups, with shocks that firms of a region share."""
    rng = np.random.default_rng(0)
    size = FIRMS * YEARS
    firm = np.repeat(np.arange(FIRMS), YEARS)
    data = pd.DataFrame({"firm": firm, "year": np.tile(np.arange(YEARS), FIRMS)})
    data["region"] = rng.integers(0, REGIONS, FIRMS)[firm]
    data["group"] = rng.integers(0, GROUPS, FIRMS)[firm]
    shock = rng.normal(size=(REGIONS, YEARS))[data["region"], data["year"]]
    data["z"], data["w"], error = rng.normal(size=size), rng.normal(size=size), rng.normal(size=size) + shock
    data["x"] = data["z"] + 0.3 * data["w"] + error
    data["y"] = data["x"] + data["w"] + error + rng.normal(size=size)
    return data


def within(data: pd.DataFrame) -> pd.DataFrame:
    """Take firm and year means out, as linearmodels does for its panel models."""
    columns = data.set_index(["firm", "year"])[["y", "x", "w", "z"]]
    inside: pd.DataFrame = PanelData(columns).demean("both").dataframe
    return inside.reset_index(drop=True)


def ours(data: pd.DataFrame, formula: str, cluster: str, rule: str) -> Fit:
    def fit() -> tuple[np.ndarray, np.ndarray]:
        result = (iv if formula.count("~") == 2 else ols)(data, formula, cluster=cluster, small_sample=rule)
        order = [result.position("x"), result.position("w")]
        return result.coefficients[order], result.standard_errors[order]

    return fit


def pyfixest_fit(data: pd.DataFrame, formula: str, cluster: str) -> Fit:
    def fit() -> tuple[np.ndarray, np.ndarray]:
        table = pf.feols(formula, data, vcov={"CRV1": cluster}).tidy().loc[["x", "w"]]
        return table["Estimate"].to_numpy(), table["Std. Error"].to_numpy()

    return fit


def linearmodels_fit(data: pd.DataFrame, formula: str, cluster: str) -> Fit:
    clusters = data[cluster.split("+")]

    def least_squares() -> tuple[np.ndarray, np.ndarray]:
        effects = data[["firm", "year"]].astype("category")
        model = AbsorbingLS(data["y"], data[["x", "w"]], absorb=effects)
        result = model.fit(cov_type="clustered", clusters=clusters, debiased=False)
        return result.params.to_numpy(), result.std_errors.to_numpy()

    def two_stage() -> tuple[np.ndarray, np.ndarray]:
        inside = within(data)
        model = IV2SLS(inside["y"], inside[["w"]], inside[["x"]], inside[["z"]])
        result = model.fit(cov_type="clustered", clusters=clusters, debiased=False)
        order = ["x", "w"]
        return result.params[order].to_numpy(), result.std_errors[order].to_numpy()

    return two_stage if formula.count("~") == 2 else least_squares


def least_time(fits: dict[str, Fit]) -> tuple[dict[str, float], dict[str, tuple[np.ndarray, np.ndarray]]]:
    """Processor seconds of each, the least of some rounds in which they take turns."""
    seconds = dict.fromkeys(fits, float("inf"))
    answers = {}
    for _ in range(REPEATS):
        for name, fit in fits.items():
            start = time.process_time()
            answers[name] = fit()
            seconds[name] = min(seconds[name], time.process_time() - start)
    return seconds, answers


def main() -> None:
    data = panel()
    rows = []
    for label, formula in (("OLS", "y ~ x + w | firm + year"), ("2SLS", "y ~ w | firm + year | x ~ z")):
        for cluster in ("region", "region+group"):
            seconds, answers = least_time(
                {
                    "ours": ours(data, formula, cluster, "fixest"),
                    "ours, rule none": ours(data, formula, cluster, "none"),
                    "pyfixest": pyfixest_fit(data, formula, cluster),
                    "linearmodels": linearmodels_fit(data, formula, cluster),
                }
            )
            for mine, other in (("ours", "pyfixest"), ("ours, rule none", "linearmodels")):
                np.testing.assert_allclose(answers[mine][0], answers[other][0], rtol=1e-8)
                np.testing.assert_allclose(answers[mine][1], answers[other][1], rtol=1e-6)
            rows.append(
                {
                    "model": label,
                    "formula": formula,
                    "cluster": cluster,
                    "rows": len(data),
                    "cpu_seconds": {name: round(value, 3) for name, value in seconds.items()},
                    "time_relative_to_pyfixest": round(seconds["ours"] / seconds["pyfixest"], 3),
                    "speed_relative_to_linearmodels": round(seconds["linearmodels"] / seconds["ours"], 2),
                }
            )
            print(
                f"{label:5s} {cluster:13s} ours {seconds['ours']:6.2f} s  pyfixest {seconds['pyfixest']:6.2f} s  "
                f"linearmodels {seconds['linearmodels']:6.2f} s   {rows[-1]['time_relative_to_pyfixest']:.2f} times "
                f"pyfixest's time, {rows[-1]['speed_relative_to_linearmodels']:.1f} times linearmodels' speed",
                flush=True,
            )
    result = {
        "measure": "processor time of one process with one thread, least of repeats taken in turn",
        "repeats": REPEATS,
        "python": platform.python_version(),
        "versions": {name: version(name) for name in ("pyfixest", "linearmodels", "numpy", "pandas", "scipy")},
        "cases": rows,
    }
    path = Path(__file__).parent / "results" / "bench_regression.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    if any(os.environ.get(name) != "1" for name in THREADS):  # they count only from the start of a process
        os.execve(sys.executable, [sys.executable, *sys.argv], os.environ | dict.fromkeys(THREADS, "1"))
    main()
