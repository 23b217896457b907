"""The spillover in worlds whose groups decide as a whole (`spillover_world`), column (2) of Panel A, effect 2.7."""

from collections.abc import Mapping

import numpy as np
from scipy import stats

from bigpush_est.errors import NotPositiveSemiDefinite
from bigpush_est.reduced_form.spillovers.assignment import OneFactorAdoption, PermuteBlocks
from bigpush_est.reduced_form.spillovers.columns import TABLE1, SpilloverColumn
from bigpush_est.reduced_form.spillovers.sample import spillover_sample
from bigpush_est.reduced_form.spillovers.table import spillovers
from bigpush_est.reduced_form.weak_iv.anderson_rubin import anderson_rubin_test
from bigpush_est.reduced_form.weak_iv.tf import tf_critical_value

from ...reduced_form.spillovers.spillover_world import spillover_world
from .instruments import AR_FORMS
from .study import Cell, Outcome

FAMILY = "Spillovers"
TRUTH = 2.7
DRAWS = 399


def t_outcome(column: SpilloverColumn) -> Outcome:
    """t-test of the truth."""
    assert column.regression is not None
    error = column.estimate - TRUTH
    ratio = abs(error) / column.standard_error
    return Outcome.of_p(2.0 * float(stats.t.sf(ratio, column.regression.degrees_of_freedom)), error)


class DrawWorld:
    """Draw a world with a number of groups, estimate, and test the truth."""

    def __init__(self, groups: int) -> None:
        self.groups = groups

    def __call__(self, rng: np.random.Generator, costly: bool) -> Mapping[str, Outcome]:
        seed = int(rng.integers(2**31))
        sample = spillover_sample(spillover_world(seed, groups=self.groups).data)
        table = spillovers(sample, specifications=TABLE1[:2], panels=["A"])
        plain, column = table.column("A", "(1)"), table.column("A", "(2)")
        fit = column.regression
        assert fit is not None
        found = {"least squares, t": t_outcome(plain), "2SLS t": t_outcome(column)}
        ratio = abs(column.estimate - TRUTH) / column.standard_error
        critical = [tf_critical_value(float(column.kleibergen_paap_f), level) for level in (0.95, 0.90)]
        found["tF"] = Outcome(column.estimate - TRUTH, *(float(ratio > value) for value in critical))
        for label, options in AR_FORMS.items():
            try:
                test = anderson_rubin_test(fit.problem, TRUTH, parameters=fit.parameters, not_psd="repair", **options)
                found[label] = Outcome.of_p(test.p_value)
            except NotPositiveSemiDefinite:
                found[label] = Outcome.of_p(float("nan"))
        blocks = PermuteBlocks.build(sample.instrument, "group-sector")
        factor = OneFactorAdoption.build(sample.instrument, sample.histories)
        for label, process in (("permutation of blocks", blocks), ("one-factor redraw", factor)):
            result = table.randomisation("A", "(2)", process, draws=DRAWS, seed=seed, null=TRUTH)
            found[label] = Outcome.of_p(result.p_value, result.estimate - TRUTH)
        return found


CELLS = [
    Cell(FAMILY, "60 groups, 30 regions: strong instrument", DrawWorld(60), 150, 150),
    Cell(FAMILY, "16 groups, 30 regions: weak instrument", DrawWorld(16), 100, 100),
]
