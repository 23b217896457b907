"""Stacked data against the numbers that fixest, sandwich, pyfixest and linearmodels computed on the castle data."""

import warnings

import numpy as np
import pandas as pd
import pytest

from bigpush_est.errors import InvalidValue, MissingKey, NoLoserLeft, RepairedCovariance, WrongType
from bigpush_est.reduced_form.events.event_study import stacked_event_study
from bigpush_est.reduced_form.events.stacking import build_stack, stack_matches, stacked_units
from bigpush_est.reduced_form.linear.regression import ols

from ...stored_numbers import folder, stored_numbers

CASES = {"event|rolling|[-5,1]|none": ("event", "rolling"), "cohort|clean|[-5,1]|none": ("cohort", "clean")}
CASTLE = {"unit": "sid", "time": "year", "adoption": "adopted", "window": (-5, 1)}


@pytest.fixture(scope="module")
def castle():
    frame = pd.read_csv(folder("stacked") / "castle.csv")
    # effyear: first treated year less one, 0 for never; the file's lag0 is miscoded
    return frame.assign(adopted=frame["effyear"].where(frame["effyear"] > 0))


@pytest.fixture(scope="module")
def stored():
    folder("stacked")  # or the test is skipped
    return stored_numbers("stacked")["cases"]


def test_effyear_is_the_year_before_the_first_treated_one(castle):
    first = castle[castle["post"] == 1].groupby("sid")["year"].min()
    assert (first - 1 == castle.groupby("sid")["adopted"].first().dropna()).all()


@pytest.mark.parametrize("case", CASES)
def test_shapes(castle, stored, case):
    by, controls = CASES[case]
    stack, expected = build_stack(castle, **CASTLE, by=by, controls=controls), stored[case]
    assert len(stack.frame) == expected["n_rows_stacked"]
    assert stack.stacks == expected["n_stacks"]
    assert stack.frame["sid"].nunique() == expected["n_units"]
    assert stack.frame["stack_unit"].nunique() == expected["n_su"]
    assert stack.frame["stack_time"].nunique() == expected["n_st"]
    assert stack.frame["treated"].sum() == expected["n_treated_rows"]
    assert list(stack.event_times) == expected["k"]


@pytest.mark.parametrize("case", CASES)
def test_coefficients_and_standard_errors(castle, stored, case):
    by, controls = CASES[case]
    stack, expected = build_stack(castle, **CASTLE, by=by, controls=controls), stored[case]
    frame = stack.frame.rename(columns={"stack_unit": "su"})
    formula = stack.formula("l_homicide").replace("stack_unit", "su")
    compared = 0
    for key, errors in expected["se"].items():
        clusters, package, convention = key.split("|")
        rule = {
            ("fixest", "default"): "fixest",
            ("fixest", "no_ssc"): "none",
            ("fixest", "G.df=conventional"): "fixest-conventional",
            ("fixest", "K.fixef=full"): "fixest-full",
            ("fixest", "K.fixef=none"): "fixest-none",
            ("sandwich", "HC0,cadjust=TRUE"): "sandwich-HC0",
            ("sandwich", "HC1,cadjust=TRUE"): "sandwich",
            ("sandwich", "HC0,cadjust=FALSE"): "none",
        }.get((package, convention))
        if rule is None:
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RepairedCovariance)
            fit = ols(frame, formula, cluster=clusters, small_sample=rule, singletons="keep")
        assert fit.coefficients == pytest.approx(expected["coef"], rel=1e-8)
        if fit.covariance.repaired:
            # stored without a repair; the two-way covariance of the cohort stacks is not positive semi-definite
            assert by == "cohort"
            assert fit.covariance.minimum_eigenvalue_raw < 0
            assert expected["min_eigenvalue_vcov"] < 0
            continue
        assert fit.standard_errors == pytest.approx(errors, rel=1e-6)
        compared += 1
    assert compared >= (12 if by == "event" else 5)


def test_two_way_covariance_without_repair(castle, stored):
    """The cohort stacks' two-way covariance is not positive semi-definite: its three terms add up to the stored one."""
    expected = stored["cohort|clean|[-5,1]|none"]
    stack = build_stack(castle, **CASTLE, by="cohort", controls="clean")
    formula = stack.formula("l_homicide")
    by_stack, by_unit, by_both = (
        ols(stack.frame, formula, cluster=cluster, small_sample="none", singletons="keep").covariance.matrix
        for cluster in ("stack", "sid", "stack_unit")
    )
    whole = by_stack + by_unit - by_both
    assert whole == pytest.approx(np.array(expected["vcov_stack_sid_no_ssc"]), rel=1e-6, abs=1e-10)
    assert np.linalg.eigvalsh(whole)[0] == pytest.approx(expected["min_eigenvalue_vcov"], rel=1e-6)


def test_covariance_and_pretrend(castle, stored):
    expected = stored["event|rolling|[-5,1]|none"]
    stack = build_stack(castle, **CASTLE)
    study = stacked_event_study(stack, "l_homicide", small_sample="none")
    assert study.covariance == pytest.approx(np.array(expected["vcov_stack_sid_no_ssc"]), rel=1e-6, abs=1e-9)
    test = study.pretrend()
    assert test.restrictions == 4
    assert test.statistic * 4 == pytest.approx(expected["pretrend_wald_chi2_no_ssc"], rel=1e-6)


def expected_stack(frame, by, controls, window):
    """The rules, row by row."""
    low, high = window
    rows = set()
    dates = frame.groupby("sid")["adopted"].first()
    events = (
        [(g, s) for s, g in dates.dropna().items()]
        if by == "event"
        else [(g, g) for g in sorted(dates.dropna().unique())]
    )
    for g, label in events:
        for sid, year in zip(frame["sid"], frame["year"], strict=True):
            if not g + low <= year <= g + high:
                continue
            own = dates[sid] if pd.notna(dates[sid]) else np.inf
            if (by == "event" and sid == label) or (by == "cohort" and own == g):
                rows.add((label, sid, year, True))
                continue
            allowed = {"never": np.isinf(own), "clean": own > g + high, "rolling": own > g and year < own}
            if allowed[controls]:
                rows.add((label, sid, year, False))
    return rows


@pytest.mark.parametrize("by", ["event", "cohort"])
@pytest.mark.parametrize("controls", ["rolling", "clean", "never"])
@pytest.mark.parametrize("window", [(-5, 1), (-2, 3)])
def test_rules_row_by_row(castle, by, controls, window):
    stack = build_stack(castle, **(CASTLE | {"window": window}), by=by, controls=controls)
    columns = ["stack", "sid", "year", "treated"]
    found = set(stack.frame[columns].itertuples(index=False, name=None))
    assert {(float(a), b, c, d) for a, b, c, d in found} == {
        (float(a), b, c, d) for a, b, c, d in expected_stack(castle, by, controls, window)
    }
    since = stack.frame["year"] - np.where(
        by == "event", stack.frame["stack"].map(castle.groupby("sid")["adopted"].first()), stack.frame["stack"]
    )
    assert (stack.frame["event_time"] == since).all()


def test_dropped_rows_are_counted(castle):
    stack = build_stack(castle, **CASTLE)
    assert stack.dropped["control rows dropped once the control adopts"] > 0
    assert "control rows dropped once the control adopts" in stack.summary()


def test_units_are_unstacked_once(castle):
    units = stacked_units(build_stack(castle, **CASTLE), "l_homicide")
    assert not units.duplicated(["sid", "year"]).any()
    dates = castle.groupby("sid")["adopted"].first().fillna(0)
    assert (units["date"] == units["sid"].map(dates)).all()


@pytest.fixture
def matched():
    years = np.arange(1970, 1980)
    panel = pd.concat([pd.DataFrame({"firm": f, "year": years, "y": 1.0}) for f in "abcd"], ignore_index=True)
    pairs = pd.DataFrame(
        {"match": [0, 0, 1], "loser": ["a", "a", "b"], "winner": ["c", "d", "c"], "year": [1973, 1973, 1974]}
    )
    adoption = pd.Series({"a": 1976, "c": 1973, "d": 1973})
    return panel, pairs, adoption


def test_a_match_is_dropped_once_its_loser_adopts(matched):
    panel, pairs, adoption = matched
    stack = stack_matches(panel, pairs, adoption=adoption, window=(-3, 5))
    first = stack.frame[stack.frame["stack"] == 0]
    assert sorted(first["year"].unique()) == list(range(1970, 1976))
    assert sorted(first["firm"].unique()) == ["a", "c", "d"]
    second = stack.frame[stack.frame["stack"] == 1]
    assert sorted(second["year"].unique()) == list(range(1971, 1980))
    assert stack.dropped["match-firm rows from the year in which the loser adopts"] == 9
    assert stack.frame.groupby(["stack", "firm"])["treated"].first().to_dict() == {
        (0, "a"): False,
        (0, "c"): True,
        (0, "d"): True,
        (1, "b"): False,
        (1, "c"): True,
    }


@pytest.mark.parametrize(("rule", "stacks"), [("rolling", [0, 1]), ("clean", [1]), ("never", [1])])
def test_rules_of_matches(matched, rule, stacks):
    panel, pairs, adoption = matched
    stack = stack_matches(panel, pairs, adoption=adoption, window=(-3, 5), controls=rule)
    assert sorted(stack.frame["stack"].unique()) == stacks
    later = stack_matches(panel, pairs, adoption=adoption.replace(1976, 1979), window=(-3, 5), controls=rule)
    assert 0 in later.frame["stack"].unique() or rule == "never"


def test_matches_that_the_panel_does_not_know(matched):
    panel, pairs, adoption = matched
    stack = stack_matches(panel[panel["firm"] != "d"], pairs, adoption=adoption)
    assert stack.dropped["winners without a row in the window"] == 1
    with pytest.raises(NoLoserLeft, match="in the panel"):
        stack_matches(panel[panel["firm"] == "c"], pairs, adoption=adoption)


@pytest.mark.parametrize(
    ("change", "options", "error", "words"),
    [
        ({}, {"window": (0, 3)}, InvalidValue, "window"),
        ({}, {"window": (-5, -1)}, InvalidValue, "window"),
        ({}, {"reference": 0}, InvalidValue, "reference"),
        ({}, {"by": "state"}, InvalidValue, "by"),
        ({}, {"controls": "all"}, InvalidValue, "controls"),
        ({}, {"unit": "state"}, MissingKey, "state"),
        ({"year": 2000}, {}, InvalidValue, "unique"),
        ({"adopted": "soon"}, {}, WrongType, "adopted"),
        ({"adopted": 2005.5}, {}, InvalidValue, "whole numbers"),
        ({"adopted": np.arange(550) % 7 + 2003.0}, {}, InvalidValue, "several dates"),
        ({"adopted": 2005.0}, {}, NoLoserLeft, "rolling"),
    ],
)
def test_bad_input(castle, change, options, error, words):
    with pytest.raises(error, match=words):
        build_stack(castle.assign(**change), **(CASTLE | options))
