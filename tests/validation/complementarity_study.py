"""Whether Panel B agrees with its table of slopes at a known truth, how often J rejects there, and its power.

    python -m tests.validation.complementarity_study --panels 100 --other 40 --store study.csv

draws panels of full size with seeds 2001, 2002, ..., at a truth between the points of the table and with none of its
seeds, keeps every estimate in the file, takes up from it what is there, and prints the figures of
docs/methods/evidence.md.
For the power, Panel B comes from a panel of the same seed in which δ is another: two estimates that no δ explains.
"""

import argparse
import time
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from bigpush_est.bayes.evidence_set import Estimate, EvidenceSet
from bigpush_est.bayes.indirect_inference import panel_b_table
from bigpush_est.bayes.overidentification import overidentification
from bigpush_est.data.firm_panel import simulate_firm_panel
from bigpush_est.data.firm_panel_design import FirmPanelDesign
from bigpush_est.errors import InputError
from bigpush_est.pipeline.estimates import MicroDesign, micro_estimates
from bigpush_est.reduced_form.spillovers.columns import TABLE1

TRUTH, FIRST = FirmPanelDesign(), 2001
#: Years after adoption: few panels lack a winner in one of them.
LATE = (4, 5)
#: δ of the panel that Panel B comes from, for the power.
OTHERS = (0.0, 3.0)
NAMES = ("direct", "spillover", "complementarity")
PAIRS = tuple((i, j) for i in range(3) for j in range(i, 3))


def estimated(seed, delta):
    """Estimates and their covariance on one panel, as one row; missing where a design cannot be estimated."""
    data = simulate_firm_panel(replace(TRUTH, delta=delta), seed).data
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # thin matches and repaired covariances
            joint = micro_estimates(data, MicroDesign(event_times=LATE), specifications=[TABLE1[2]]).joint
    except InputError:  # no winner is left so late: as good as at random for Panel B
        return {"seed": seed, "delta": delta}
    index = [joint.position(name) for name in NAMES]
    matrix = joint.matrix[np.ix_(index, index)]
    row = {"seed": seed, "delta": delta} | dict(zip(NAMES, joint.coefficients[index], strict=True))
    return row | {f"v{i}{j}": matrix[i, j] for i, j in PAIRS}


def study(panels, other, store=None):
    """Draw what the file does not hold yet."""
    rows = pd.read_csv(store).to_dict("records") if store is not None and store.is_file() else []
    done = {(int(row["seed"]), float(row["delta"])) for row in rows}
    wanted = [(FIRST + k, TRUTH.delta) for k in range(panels)]
    wanted += [(FIRST + k, delta) for delta in OTHERS for k in range(other)]
    for seed, delta in wanted:
        if (seed, delta) not in done:
            rows.append(estimated(seed, delta))
            if store is not None:
                pd.DataFrame(rows).to_csv(store, index=False)
    kept = pd.DataFrame(rows)
    return kept[[(int(s), float(d)) in set(wanted) for s, d in zip(kept["seed"], kept["delta"], strict=True)]]


def evidence(row, other=None):
    """The estimates of one panel; Panel B's from another, where that is given, with its variance and no covariance."""
    matrix = np.empty((3, 3))
    for i, j in PAIRS:
        matrix[i, j] = matrix[j, i] = row[f"v{i}{j}"]
    values = [row[name] for name in NAMES]
    if other is not None:
        values[2] = other["complementarity"]
        matrix[2, :2] = matrix[:2, 2] = 0.0
        matrix[2, 2] = other["v22"]
    return EvidenceSet(tuple(Estimate(name, name, value) for name, value in zip(NAMES, values, strict=True)), matrix)


def p_value(row, other=None):
    """p-value of J at the truth's subsidy and σ."""
    table = panel_b_table((3,))
    return overidentification(
        evidence(row, other), subsidy=TRUTH.subsidy_rate, sigma=TRUTH.sigma, complementarity=table
    ).p_value


def summarise(found):
    """Return the figures of the page, one per row."""
    missing = int(found["direct"].isna().sum())
    found = found.dropna(subset=["direct"])
    at_truth = found[np.isclose(found["delta"], TRUTH.delta)].set_index("seed")
    table = panel_b_table((3,))
    slopes = at_truth["complementarity"]
    rows = {
        "mean slope": slopes.mean(),
        "its error": slopes.std() / np.sqrt(len(slopes)),
        "the table's": float(table(np.log(TRUTH.eta), TRUTH.delta, TRUTH.subsidy_rate)),
        "its error (largest)": table.standard_error,
        "spread of a panel's slope": slopes.std(),
        "mean standard error": np.sqrt(at_truth["v22"]).mean(),
    }
    tests = np.array([p_value(row) for _, row in at_truth.iterrows()])
    rows |= {f"J rejects at {level:.0%}": (tests < level).mean() for level in (0.05, 0.1, 0.5)}
    rows["panels"] = len(tests)
    for delta in OTHERS:
        others = found[found["delta"] == delta].set_index("seed")
        if len(others):
            power = [p_value(at_truth.loc[seed], row) for seed, row in others.iterrows() if seed in at_truth.index]
            rows[f"J rejects at 5%, Panel B with δ = {delta:g}"] = (np.array(power) < 0.05).mean()
            rows[f"mean slope of Panel B with δ = {delta:g}"] = others["complementarity"].mean()
            rows[f"panels with δ = {delta:g}"] = len(power)
    return pd.Series(rows | {"panels not estimated": missing})


def main():
    """Draw, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--panels", type=int, default=100)
    parser.add_argument("--other", type=int, default=40)
    parser.add_argument("--store", type=Path)
    options = parser.parse_args()
    started = time.process_time()
    found = study(options.panels, options.other, options.store)
    print(summarise(found).round(4).to_string())
    print(f"{time.process_time() - started:.0f} s of processor time")


if __name__ == "__main__":
    main()
