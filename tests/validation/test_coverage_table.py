"""The page on coverage prints the numbers of its CSV, which belongs to the study; replications are reproducible."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from bigpush_est.reduced_form.linear.regression import fit_problem, ols

from .coverage import instruments, least_squares
from .coverage.catalogue import CELLS
from .coverage.page import LAYOUTS, PAGE, filled
from .coverage.study import Cell, Outcome, replicate, run
from .coverage.table import OUTSIDE, median_error, read_table, summarise, verdict

CHEAP = next(cell for cell in least_squares.CELLS if cell.name == "one-way, 8 regions")


@pytest.fixture(scope="module")
def table():
    return read_table()


# -- the page and its numbers ------------------------------------------------------------------------------------------


def test_page_prints_the_csv(table):
    text = PAGE.read_text(encoding="utf-8")
    assert filled(text, table) == text, "run python -m tests.validation.coverage --page"


def test_a_changed_number_is_seen(table):
    text = PAGE.read_text(encoding="utf-8")
    for layout in LAYOUTS:
        changed = table.copy()
        rows = layout.rows(changed) & changed["size_5"].notna()
        changed.loc[changed.index[rows][0], "size_5"] += 0.001
        assert filled(text, changed) != text


def test_every_cell_stands_on_the_page_once(table):
    shown = [cell for layout in LAYOUTS for cell in table.loc[layout.rows(table), "cell"].unique()]
    assert sorted(shown) == sorted(cell.name for cell in CELLS)


def test_table_belongs_to_the_study(table):
    """The cells, in their order, with their replications: those of a method are all or the costly ones."""
    assert list(dict.fromkeys(table["cell"])) == [cell.name for cell in CELLS]
    for cell in CELLS:
        rows = table[table["cell"] == cell.name]
        assert set(rows["replications"]) <= {cell.replications, cell.costly}
        assert set(rows["family"]) == {cell.family}
        assert rows["method"].is_unique


def test_verdicts_follow_from_rates(table):
    answered = table[table["size_5"].notna()]
    assert (table.loc[table["size_5"].isna(), ["verdict_5", "verdict_10"]] == "none").all(axis=None)
    for row in answered.itertuples():
        count = row.replications - row.undefined
        for level in (5, 10):
            # rates are rounded to four digits: recover the count
            rejections = round(getattr(row, f"size_{level}") * count)
            assert getattr(row, f"verdict_{level}") == verdict(rejections / count, count, level / 100.0)


def test_verdict():
    assert verdict(0.05, 1000, 0.05) == "nominal"
    assert (verdict(0.08, 1000, 0.05), verdict(0.02, 1000, 0.05)) == ("too many", "too few")
    inside = sum(stats.binom.pmf(k, 1000, 0.1) for k in range(1001) if verdict(k / 1000, 1000, 0.1) == "nominal")
    assert 1.0 - OUTSIDE <= inside < 1.0


# -- the runner --------------------------------------------------------------------------------------------------------


def coin(rng, costly):
    found = {"mean": Outcome.of_p(rng.random(), rng.standard_normal())}
    return found | {"costly": Outcome.of_p(rng.random())} if costly else found


def test_replications_do_not_depend_on_how_they_are_shared_out(tmp_path):
    cell = Cell("coins", "fair", coin, 130, 20)
    whole = replicate(cell, 1, 0, 130)
    parts = run([Cell("coins", "biased", coin, 30, 0), cell], seed=1, folder=tmp_path)["fair"]
    pd.testing.assert_frame_equal(whole, parts, check_exact=True)
    assert (whole["method"] == "costly").sum() == 20
    assert not np.array_equal(whole["error"], replicate(cell, 2, 0, 130)["error"])
    one = replicate(cell, 1, 77, 78)
    assert one["error"].tolist() == whole.loc[whole["replication"] == 77, "error"].tolist()


def test_checkpoints_are_taken_up(tmp_path):
    drawn = []

    def counted(rng, costly):
        drawn.append(1)
        return coin(rng, costly)

    cell = Cell("coins", "counted", counted, 120, 60)
    first = run([cell], seed=1, folder=tmp_path)["counted"]
    assert len(drawn) == 120
    gone = sorted(tmp_path.iterdir())[1]
    gone.unlink()
    again = run([cell], seed=1, folder=tmp_path)["counted"]
    assert len(drawn) == 170
    pd.testing.assert_frame_equal(first, again, check_exact=True)
    run([cell], seed=2, folder=tmp_path)
    assert len(drawn) == 290


def test_summary_by_hand():
    frame = pd.DataFrame(
        {
            "replication": [0, 1, 2, 3],
            "method": "t",
            "error": [1.0, -1.0, 3.0, np.nan],
            "rejects_5": [0.0, 1.0, 0.0, np.nan],
            "rejects_10": [1.0, 1.0, 0.0, np.nan],
        }
    )
    (row,) = summarise([Cell("f", "c", coin, 4, 4)], {"c": frame}).itertuples()
    assert (row.replications, row.undefined, row.bias, row.median_bias) == (4, 1, 1.0, 1.0)
    assert row.bias_error == pytest.approx(2.0 / 3**0.5, abs=1e-4)
    assert (row.size_5, row.size_10) == (pytest.approx(1 / 3, abs=1e-4), pytest.approx(2 / 3, abs=1e-4))
    values = np.random.default_rng(0).standard_normal(4000)
    assert median_error(values) == pytest.approx((np.pi / 2 / 4000) ** 0.5, rel=0.15)


# -- the designs -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["one-way, 8 regions, unbalanced", "two-way, 50 × 50"])
@pytest.mark.parametrize("rule", ["fixest", "fixest-conventional", "sandwich", "none"])
def test_fixed_effects_as_in_ols(name, rule):
    """The design takes effects of a balanced panel out in closed form; the regression on dummies is the same."""
    panel = least_squares.PANELS[name]
    sample = least_squares.draw_sample(panel, np.random.default_rng(3))
    problem, parameters, _ = sample.problem(two_way=panel.groups > 0)
    units, years = sample.outcome.shape
    data = pd.DataFrame({"y": sample.outcome.ravel(), "x": sample.regressor.ravel()})
    data["unit"], data["year"] = np.repeat(np.arange(units), years), np.tile(np.arange(years), units)
    data["region"], data["group"] = np.repeat(sample.region, years), np.repeat(sample.group, years)
    fit = ols(data, "y ~ x | unit + year", cluster="region+group" if panel.groups else "region", small_sample=rule)
    coefficients, covariance, _, _ = fit_problem(problem, small_sample=rule, parameters=parameters)
    assert coefficients == pytest.approx(fit.coefficients, rel=1e-9)
    assert covariance.standard_errors == pytest.approx(fit.standard_errors, rel=1e-9)
    assert covariance.degrees_of_freedom == fit.degrees_of_freedom


def test_regions_are_as_unequal_as_stated():
    panel = least_squares.PANELS["one-way, 8 regions, unbalanced"]
    sizes = np.bincount(panel.region_of_units(), minlength=8)
    assert sizes.sum() == panel.units
    assert sizes[-1] / sizes[0] == pytest.approx(np.exp(2.0 * 7 / 8), rel=0.15)


def test_instruments_have_the_stated_strength():
    """π²/v: the mean of the squared first-stage coefficient over its sampling variance, less one."""
    design = instruments.IvDesign(50, 50, 500, 1, 10.0, 0.95)
    slopes = []
    for seed in range(400):
        problem = instruments.draw_problem(design, np.random.default_rng(seed))
        z, x = problem.instruments[:, 0], problem.endogenous[:, 0]
        slopes.append(((z - z.mean()) @ x) / ((z - z.mean()) @ z))
    slopes = np.array(slopes)
    ratio = slopes.mean() ** 2 / slopes.var(ddof=1)
    # the standard error of a ratio like this is about ratio · √(2/400 + 4/(400 · ratio))
    assert ratio == pytest.approx(10.0, abs=4.0 * 10.0 * (2 / 400 + 4 / 4000) ** 0.5)
