"""Simulated firm panels: which biases naive estimators show, where they come from, and that the designs remove them.

Bounds are in Monte Carlo errors: a bias that is claimed exceeds four of its own, one that is denied stays below three
and a half.
"""

import numpy as np
import pytest

from .firm_panel_study import BASELINE, spillover_on_losers, study, summarise, switches

PANELS, SWITCHED = 24, 10


@pytest.fixture(scope="module")
def found():
    return study(PANELS, SWITCHED)


@pytest.fixture(scope="module")
def table(found):
    result = summarise(found[found["design"] == BASELINE])
    print(f"\n{result.round(3).to_string()}")
    return result


@pytest.fixture(scope="module")
def switched(found):
    result = switches(found)
    print(f"\n{result.round(3).to_string()}")
    return result


def in_errors(table, part, estimator):
    row = table.loc[(part, estimator)]
    return row["bias"] / row["(MC error)"]


def moved(switched, design, part, estimator):
    """Change of the bias without a mechanism, in its error over the same seeds."""
    row = switched.loc[(part, estimator)]
    return row[(design, "change")] / row[(design, "(error)")]


@pytest.mark.validate
def test_least_squares_is_biased_in_both_directions(table):
    assert in_errors(table, "direct", "OLS, region-sector-year effects") > 4
    assert in_errors(table, "direct", "two-way fixed effects, 4-7 years on") > 4
    assert in_errors(table, "direct", "OLS, firm and region-sector-year effects") < -4
    assert in_errors(table, "spillover", "OLS (1)") < -4
    assert in_errors(table, "complementarity", "OLS (1)") > 4
    for part, name in (("direct", "OLS, region-sector-year effects"), ("complementarity", "OLS (1)")):
        assert table.loc[(part, name), "coverage"] < 0.5


@pytest.mark.validate
def test_designs_remove_most_of_it(table):
    """Winners against losers stay a lower bound (the paper says so); instruments are right within their error."""
    pooled = table.loc[("direct", "winners vs losers, pooled")]
    naive = [name for part, name in table.index if part == "direct" and "winners" not in name]
    assert abs(pooled["bias"]) < 0.5 * min(abs(table.loc[("direct", name), "bias"]) for name in naive)
    assert pooled["bias"] < 3.5 * pooled["(MC error)"]
    assert pooled["coverage"] > 0.7
    for part in ("spillover", "complementarity"):
        assert abs(in_errors(table, part, "IV (3)")) < 3.5
        assert table.loc[(part, "IV (3)"), "coverage"] > 0.8
    assert abs(table.loc[("complementarity", "IV (3)"), "bias"]) < table.loc[("complementarity", "OLS (1)"), "bias"] / 2


@pytest.mark.validate
def test_winners_against_losers_miss_what_spills_over(found):
    """The true spillover term, run through the same regression, is negative, and all that its bias consists of."""
    rows = found[(found["design"] == BASELINE) & (found["part"] == "direct")]
    moved = np.array([spillover_on_losers(seed) for seed in range(1, PANELS + 1)])
    for place, name in enumerate(("winners vs losers, pooled", "winners vs losers, 4-7 years on")):
        own = rows[rows["estimator"] == name].sort_values("seed")
        left = (own["estimate"] - own["truth"]).to_numpy() - moved[:, place]
        error = moved[:, place].std(ddof=1) / np.sqrt(PANELS)
        print(f"{name}: spillover {moved[:, place].mean():.3f} ({error:.3f}), left {left.mean():.3f}")
        assert moved[:, place].mean() < -3 * error
        assert abs(left.mean()) < 3.5 * left.std(ddof=1) / np.sqrt(PANELS)


@pytest.mark.validate
def test_nothing_is_left_where_everything_is_observed(table):
    """With true shares, local shocks and sales of all firms, least squares has nothing left to err by."""
    name = "OLS, true shares, shocks, all firms"
    assert abs(in_errors(table, "spillover", name)) < 3.5
    assert table.loc[("spillover", name), "RMSE"] < 0.5 * table.loc[("spillover", "OLS (1)"), "RMSE"]
    assert abs(in_errors(table, "spillover", "IV (3), true shares, all firms")) < 3.5


@pytest.mark.validate
@pytest.mark.parametrize(
    ("design", "part", "estimator", "sign"),
    [
        ("no selection", "direct", "OLS, region-sector-year effects", -1),
        ("no local booms", "spillover", "OLS (1)", -1),
        ("no support for laggards", "spillover", "OLS (1)", 1),
        ("no measurement error", "spillover", "OLS (1)", 1),
    ],
)
def test_where_the_biases_come_from(switched, design, part, estimator, sign):
    assert sign * moved(switched, design, part, estimator) > 3


@pytest.mark.validate
def test_complementarity_that_is_not_there(switched):
    """Without spillovers nobody follows neighbours: least squares finds that they do, instruments do not."""
    design = ("delta = 0", "bias")
    ols, iv = (switched.loc[("complementarity", name), design] for name in ("OLS (1)", "IV (3)"))
    assert ols > 0.1
    assert abs(iv) < ols
