"""Regressions with two fixed effects and clustered errors on 10⁶ rows: this package, pyfixest and linearmodels.

OLS and 2SLS on a panel of 100,000 firms and 10 years; an event study on 20,000 stacks of four firms and 13 years, with
stack-firm and stack-year effects and event time interacted with treatment. All three estimate the same model on the
same data in one process, with one thread, in turn. What is compared is processor time, the least of some repeats, as
ratios: other work on the machine then matters little. linearmodels absorbs the effects of a least squares with
``AbsorbingLS``; it has no 2SLS that absorbs effects, so that its columns are demeaned first, by ``PanelData.demean``,
which has a closed form for a balanced panel like this.

Coefficients have to agree to 10⁻⁸ and standard errors to 10⁻⁶ for the benchmark to report anything; for linearmodels'
``AbsorbingLS``, which iterates to a looser tolerance, 10⁻⁶ and 10⁻⁵ in the event study.

Memory is the peak of what Python and NumPy allocate during one two-way clustered fit, the data not counted.

Run as ``python benchmarks/bench_regression.py``: it prints a table and writes ``results/bench_regression.json``.
"""

import json
import os
import platform
import subprocess
import sys
import time
import tracemalloc
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
STACKS, PER_STACK, TIMES = 20_000, 4, range(-5, 8)
DUMMIES = [f"tau_{since - min(TIMES)}" for since in TIMES if since != -1]
REPEATS = 2
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


def stacked() -> pd.DataFrame:
    """Stacks of a few treated and a few control firms around an event; a firm may stand in several."""
    rng = np.random.default_rng(1)
    units, size = STACKS * PER_STACK, STACKS * PER_STACK * len(TIMES)
    unit = np.repeat(np.arange(units), len(TIMES))
    data = pd.DataFrame({"stack_unit": unit, "stack": unit // PER_STACK, "event_time": np.tile(list(TIMES), units)})
    data["stack_time"] = data["stack"] * len(TIMES) + data["event_time"] - min(TIMES)
    data["firm"] = rng.integers(0, units // 2, units)[unit]
    data["treated"] = (unit % PER_STACK < PER_STACK // 2).astype(float)
    for name, since in zip(DUMMIES, [since for since in TIMES if since != -1], strict=True):
        data[name] = data["treated"] * (data["event_time"] == since)
    effect = data["treated"] * np.maximum(data["event_time"] + 1, 0) * 0.05
    data["y"] = effect + rng.normal(size=units)[unit] + rng.normal(size=size)
    return data


def within(data: pd.DataFrame) -> pd.DataFrame:
    """Take firm and year means out, as linearmodels does for its panel models."""
    columns = data.set_index(["firm", "year"])[["y", "x", "w", "z"]]
    inside: pd.DataFrame = PanelData(columns).demean("both").dataframe
    return inside.reset_index(drop=True)


def ours(data: pd.DataFrame, formula: str, cluster: str, rule: str, names: list[str]) -> Fit:
    def fit() -> tuple[np.ndarray, np.ndarray]:
        result = (iv if formula.count("~") == 2 else ols)(data, formula, cluster=cluster, small_sample=rule)
        order = [result.position(name) for name in names]
        return result.coefficients[order], result.standard_errors[order]

    return fit


def pyfixest_fit(data: pd.DataFrame, formula: str, cluster: str, names: list[str]) -> Fit:
    def fit() -> tuple[np.ndarray, np.ndarray]:
        table = pf.feols(formula, data, vcov={"CRV1": cluster}).tidy().loc[names]
        return table["Estimate"].to_numpy(), table["Std. Error"].to_numpy()

    return fit


def linearmodels_fit(data: pd.DataFrame, formula: str, cluster: str, names: list[str]) -> Fit:
    clusters = data[cluster.split("+")]
    absorbed = [name.strip() for name in formula.split("|")[1].split("+")]

    def least_squares() -> tuple[np.ndarray, np.ndarray]:
        effects = data[absorbed].astype("category")
        model = AbsorbingLS(data["y"], data[names], absorb=effects)
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


def peak_memory() -> float:
    """MiB that one two-way clustered 2SLS on 10⁶ rows holds at its peak beside the data, in a fresh process."""
    command = [sys.executable, __file__, "--memory"]
    found = subprocess.run(command, check=True, capture_output=True, text=True, env=os.environ)
    return float(found.stdout)


def print_memory() -> None:
    """Fit once and print the peak of what NumPy allocates; a small fit before it loads what has to be loaded."""
    data = panel()
    formula, cluster = "y ~ w | firm + year | x ~ z", "region+group"
    iv(data.iloc[:10_000], formula, cluster=cluster)
    tracemalloc.start()
    iv(data, formula, cluster=cluster)
    print(tracemalloc.get_traced_memory()[1] / 2**20)


def compare(label: str, data: pd.DataFrame, formula: str, cluster: str, names: list[str]) -> dict[str, object]:
    """Time one specification and check that all three agree."""
    seconds, answers = least_time(
        {
            "ours": ours(data, formula, cluster, "fixest", names),
            "ours, rule none": ours(data, formula, cluster, "none", names),
            "pyfixest": pyfixest_fit(data, formula, cluster, names),
            "linearmodels": linearmodels_fit(data, formula, cluster, names),
        }
    )
    loose = 100.0 if label == "event study" else 1.0
    for mine, other, slack in (("ours", "pyfixest", 1.0), ("ours, rule none", "linearmodels", loose)):
        np.testing.assert_allclose(answers[mine][0], answers[other][0], rtol=1e-8 * slack, atol=1e-10 * slack)
        np.testing.assert_allclose(answers[mine][1], answers[other][1], rtol=1e-6 * max(1.0, slack / 10.0))
    row: dict[str, object] = {
        "model": label,
        "formula": formula,
        "cluster": cluster,
        "rows": len(data),
        "cpu_seconds": {name: round(value, 3) for name, value in seconds.items()},
        "time_relative_to_pyfixest": round(seconds["ours"] / seconds["pyfixest"], 3),
        "speed_relative_to_linearmodels": round(seconds["linearmodels"] / seconds["ours"], 2),
    }
    print(
        f"{label:11s} {cluster:13s} ours {seconds['ours']:6.2f} s  pyfixest {seconds['pyfixest']:6.2f} s  "
        f"linearmodels {seconds['linearmodels']:6.2f} s   {row['time_relative_to_pyfixest']:.2f} times "
        f"pyfixest's time, {row['speed_relative_to_linearmodels']:.1f} times linearmodels' speed",
        flush=True,
    )
    return row


def main() -> None:
    data, stacks = panel(), stacked()
    event_study = f"y ~ {' + '.join(DUMMIES)} | stack_unit + stack_time"
    rows = [compare("event study", stacks, event_study, cluster, DUMMIES) for cluster in ("stack+firm", "stack")]
    rows += [
        compare(label, data, formula, cluster, ["x", "w"])
        for label, formula in (("2SLS", "y ~ w | firm + year | x ~ z"), ("OLS", "y ~ x + w | firm + year"))
        for cluster in ("region+group", "region")
    ]
    memory = peak_memory()
    print(f"peak memory of a two-way 2SLS on {len(data):,} rows: {memory:,.0f} MiB beside the data")
    result = {
        "measure": "processor time of one process with one thread, least of repeats taken in turn",
        "repeats": REPEATS,
        "python": platform.python_version(),
        "versions": {name: version(name) for name in ("pyfixest", "linearmodels", "numpy", "pandas", "scipy")},
        "cases": rows,
        "peak_memory_mib": round(memory, 1),
    }
    path = Path(__file__).parent / "results" / "bench_regression.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    if any(os.environ.get(name) != "1" for name in THREADS):  # they count only from the start of a process
        os.execve(sys.executable, [sys.executable, *sys.argv], os.environ | dict.fromkeys(THREADS, "1"))
    print_memory() if sys.argv[1:] == ["--memory"] else main()
