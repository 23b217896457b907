"""What fails a run, and what is said beside its answer."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from bigpush_est.pipeline.estimates import effective_clusters
from bigpush_est.pipeline.verdict import failures, warnings
from bigpush_est.reduced_form.weak_iv.tf import tf_critical_value


def results(**changes: Any) -> dict[str, Any]:
    """Return as much of a run's results as the verdict reads; without changes there is nothing to say of it."""
    good = {"posterior": {"diagnostics": {"failures": []}}, "point": {"converged": True}}
    joint = {
        "clusters": {"region": 82, "group_cluster": 1800},
        "effective_clusters": {"spillover": {"region": 60.0, "group_cluster": 900.0}},
    }
    return {
        **good,
        "second": good,
        "study": {"likelihood": "normal"},
        "answers": {"recalibrated": {"solver": {"unconverged": 0, "draws": 1000}}},
        "variants": [{"group": "σ", "label": "4", "failed": None}],
        "evidence": {
            "effective_f": 200.0,
            "estimates": [{"name": "direct"}, {"name": "spillover"}],
            "micro": {"joint": joint},
        },
    } | changes


def test_a_run_without_flaws_has_nothing_to_say() -> None:
    assert failures(results(), 0.01) == warnings(results(), 0.01) == []


@pytest.mark.parametrize(("lost", "fails"), [(1, False), (10, False), (11, True)])
def test_unconverged_draws_fail_a_run_beyond_what_is_tolerated(lost: int, fails: bool) -> None:
    found = results(answers={"fixed": {"solver": {"unconverged": lost, "draws": 1000}}})
    assert (failures(found, 0.01) != [], warnings(found, 0.01) != []) == (fails, not fails)
    [said] = failures(found, 0.01) + warnings(found, 0.01)
    assert said.startswith(f"fixed: {lost} of 1000 draws did not converge")
    # with none tolerated a single one fails
    assert failures(found, 0.0)


def test_gates_and_calibrations_of_both_mappings_fail_a_run() -> None:
    bad = {"posterior": {"diagnostics": {"failures": ["R-hat 1.2"]}}, "point": {"converged": False}}
    assert failures(results(second=None, **bad), 0.01) == [
        "posterior: R-hat 1.2",
        "the point calibration did not converge",
    ]
    assert failures(results(second=bad), 0.01) == [
        "second mapping: posterior: R-hat 1.2",
        "second mapping: the point calibration did not converge",
    ]


def test_failed_variants_warn() -> None:
    rows = [{"group": "σ", "label": str(k), "failed": "no model" if k == 4 else None} for k in (4, 6)]
    found = results(variants=rows)
    assert failures(found, 0.01) == []
    assert warnings(found, 0.01) == ["1 of 2 variants was not run, their rows say why: “σ: 4”"]


def test_few_clusters_warn_with_their_number() -> None:
    found = results()
    joint = found["evidence"]["micro"]["joint"]
    joint["clusters"]["region"] = 39
    [said] = warnings(found, 0.01)
    assert "rests on 39 regions, in effect 60.0 for spillover: with fewer than 40, or 20 in effect, it is" in said
    joint["clusters"]["region"] = 82
    joint["effective_clusters"]["spillover"]["group_cluster"] = 12.34
    [said] = warnings(found, 0.01)
    assert "rests on 1800 business groups, in effect 12.3 for spillover" in said
    # an estimate that did not enter says nothing of the posterior
    found["evidence"]["estimates"] = [{"name": "direct"}]
    assert warnings(found, 0.01) == []


def test_a_weak_instrument_warns_where_the_likelihood_is_normal() -> None:
    found = results()
    found["evidence"]["effective_f"] = 21.56
    [said] = warnings(found, 0.01)
    assert "is 21.6, under 23.1" in said
    assert f"tF takes {tf_critical_value(21.56):.2f} standard errors" in said
    found["evidence"]["effective_f"] = 50.0
    [said] = warnings(found, 0.01)
    assert "under 23.1" not in said
    found["study"]["likelihood"] = "weak_instrument"
    assert warnings(found, 0.01) == []


def test_effective_clusters_are_satterthwaite_degrees_of_freedom() -> None:
    """Over many samples of cluster sums of unequal variance, the estimate's terms have the expectations it rests on."""
    rng = np.random.default_rng(3)
    scale = np.repeat([3.0, 1.0, 0.5], [4, 30, 66])
    truth = (scale**2).sum() ** 2 / (scale**4).sum()
    # a variance estimate that is χ² with that many degrees of freedom has the spread of Σ s²
    squares = (rng.normal(size=(40_000, scale.size)) * scale) ** 2
    total = squares.sum(axis=1)
    assert 2.0 * total.mean() ** 2 / total.var() == pytest.approx(truth, rel=0.03)
    assert 3.0 * (total**2).mean() / (squares**2).sum(axis=1).mean() - 2.0 == pytest.approx(truth, rel=0.03)
    # rows of one cluster count as their sum
    sums = rng.normal(size=50)
    rows = np.concatenate([0.25 * sums, 0.75 * sums])
    labels = pd.Series([*range(50), *range(50)])
    assert effective_clusters(rows, labels) == pytest.approx(effective_clusters(sums, pd.Series(range(50))))
