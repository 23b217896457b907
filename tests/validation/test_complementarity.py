"""The table of Panel B's slope: its rows drawn anew, its slope and the J test at a truth that it has not seen."""

import numpy as np
import pytest
from scipy import stats

from bigpush_est.bayes.complementarity import AXES
from bigpush_est.bayes.indirect_inference import COLUMNS, panel_b_table, read_slopes, simulated_slopes
from bigpush_est.data.locate import data_folder

from .complementarity_study import TRUTH, p_value, study, summarise

PANELS = 30


@pytest.mark.validate
@pytest.mark.parametrize("place", [0.0, 0.37, 1.0])
def test_rows_that_ship_are_drawn_again(place):
    rows = read_slopes(data_folder("complementarity") / "panel_b.csv")
    row = rows.iloc[round(place * (len(rows) - 1))]
    found = simulated_slopes([row[name] for name in AXES], int(row["seed"]))
    np.testing.assert_allclose(
        [found[number] for number in COLUMNS], row[[f"column_{number}" for number in COLUMNS]], rtol=1e-6, atol=1e-8
    )


@pytest.fixture(scope="module")
def found():
    result = study(PANELS, 0)
    print(f"\n{summarise(result).round(3).to_string()}")
    return result.dropna(subset=["direct"])


@pytest.mark.validate
def test_panels_of_other_seeds_between_the_points_have_the_tables_slope(found):
    table = panel_b_table((3,))
    slopes = found["complementarity"]
    error = np.hypot(slopes.std() / np.sqrt(len(slopes)), table.standard_error)
    at = float(table(np.log(TRUTH.eta), TRUTH.delta, TRUTH.subsidy_rate))
    assert abs(slopes.mean() - at) < 3.5 * error


@pytest.mark.validate
def test_j_rejects_a_truth_no_more_often_than_it_says(found):
    tests = np.array([p_value(row) for _, row in found.iterrows()])
    for level in (0.05, 0.2, 0.5):
        # false once in a thousand where the level is the true one
        assert (tests < level).sum() <= stats.binom(len(tests), level).isf(1e-3)
    assert tests.min() < 0.5
