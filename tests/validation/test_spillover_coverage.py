"""Size of the tests of the spillover, and bias of the estimators, over many worlds whose spillover is known."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from bigpush_est.reduced_form.spillovers.assignment import OneFactorAdoption, PermuteBlocks
from bigpush_est.reduced_form.spillovers.columns import TABLE1
from bigpush_est.reduced_form.spillovers.sample import spillover_sample
from bigpush_est.reduced_form.spillovers.table import spillovers
from bigpush_est.reduced_form.weak_iv.anderson_rubin import anderson_rubin_test
from bigpush_est.reduced_form.weak_iv.tf import tf_interval

from ..reduced_form.spillovers.spillover_world import spillover_world

#: Groups in a world with a strong and with a weak instrument.
STRONG, WEAK = {"groups": 60}, {"groups": 16}
TRUTH = 2.7


def study(worlds, first=0, **options):
    """P-values of the truth by method, and estimates, one row per world."""
    rows = []
    for seed in range(first, first + worlds):
        world = spillover_world(seed, **options)
        sample = spillover_sample(world.data)
        table = spillovers(sample, specifications=TABLE1[:2], panels=["A"])
        plain, column = table.column("A", "(1)"), table.column("A", "(2)")
        fit = column.regression
        wald = anderson_rubin_test(fit.problem, TRUTH, residuals="score", parameters=fit.parameters, not_psd="repair")
        factor = OneFactorAdoption.build(sample.instrument, sample.histories)
        blocks = PermuteBlocks.build(sample.instrument, "group-sector")
        permuted, drawn = (
            table.randomisation("A", "(2)", process, draws=399, seed=seed, null=TRUTH) for process in (blocks, factor)
        )
        row = {
            "ols": plain.estimate,
            "iv": column.estimate,
            "recentred": permuted.estimate,
            "F": column.kleibergen_paap_f,
            "p ols": _t(plain),
            "p t": _t(column),
            "p AR": wald.p_value,
            "p permutation": permuted.p_value,
            "p one factor": drawn.p_value,
        }
        for level in (0.9, 0.95):
            tf = tf_interval(column.estimate, column.standard_error, column.kleibergen_paap_f, level)
            row[f"tF {level}"] = tf.low <= TRUTH <= tf.high
        rows.append(row)
    return pd.DataFrame(rows)


def _t(column):
    ratio = abs(column.estimate - TRUTH) / column.standard_error
    return 2 * stats.t.sf(ratio, column.regression.degrees_of_freedom)


def summary(found):
    """Rejection rates at 10% and 5%, and what they would be within chance."""
    lines = []
    for name in ("ols", "t", "AR", "permutation", "one factor"):
        p = found[f"p {name}"]
        lines.append({"method": name, "10%": (p <= 0.1).mean(), "5%": (p <= 0.05).mean()})
    lines.append({"method": "tF", "10%": 1 - found["tF 0.9"].mean(), "5%": 1 - found["tF 0.95"].mean()})
    return pd.DataFrame(lines).set_index("method")


@pytest.mark.validate
@pytest.mark.parametrize("options", [STRONG, WEAK], ids=["strong", "weak"])
def test_sizes(options):
    worlds = 200
    found = study(worlds, **options)
    table = summary(found)
    print(f"\n{options}\n{table.round(3)}\n{found[['ols', 'iv', 'recentred', 'F']].describe().round(2)}")
    low, high = stats.binom.ppf([0.0005, 0.9995], worlds, 0.1) / worlds
    assert low <= table.loc["permutation", "10%"] <= high
    assert table.loc["AR", "10%"] <= high
    assert table.loc["ols", "10%"] > 0.5
    assert abs(found["iv"].median() - TRUTH) < 4 * 1.25 * found["iv"].std() / np.sqrt(worlds)
