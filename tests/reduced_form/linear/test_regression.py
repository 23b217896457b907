"""Regressions against R, pyfixest and linearmodels, against brute force, and on input that is not as it should be."""

import pickle
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa  # type: ignore[import-untyped]
import pyfixest as pf
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from linearmodels.iv import IV2SLS, IVLIML, AbsorbingLS

from bigpush_est import errors
from bigpush_est.errors import CollinearRegressors, RepairedCovariance, UndefinedValues
from bigpush_est.reduced_form.linear.absorb import count_parameters, take_out
from bigpush_est.reduced_form.linear.clusters import Clusters
from bigpush_est.reduced_form.linear.formula import parse_formula
from bigpush_est.reduced_form.linear.regression import fit_problem, fuller, iv, liml, ols
from bigpush_est.reduced_form.linear.small_sample import ParameterCount
from bigpush_est.reduced_form.linear.tables import table

from ...stored_numbers import folder, stored_numbers, two_way_cases

CASES = two_way_cases()


@pytest.fixture(scope="module")
def cigar():
    return pd.read_csv(folder("twoway") / "cigar.csv")


def estimator(formula):
    return iv if formula.count("~") == 2 else ols


# -- numbers of other software ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", CASES)
def test_coefficients(cigar, case):
    stored = CASES[case]
    fit = estimator(stored["formula"])(cigar, stored["formula"], cluster="State+Year")
    assert fit.n == stored["n"]
    assert fit.covariance.cluster_counts == (stored["clusters"]["State"], stored["clusters"]["Year"])
    assert fit.k + fit.parameters.rank == stored["parameters_with_effects"]
    for name, value in stored["coefficients"].items():
        assert fit.coefficient(name) == pytest.approx(value, rel=1e-8)
    for name, value in stored["coefficients_linearmodels"].items():
        assert fit.coefficient(name) == pytest.approx(value, rel=1e-8)


@pytest.mark.parametrize(("case", "rule"), [(case, rule) for case in CASES for rule in CASES[case]["twoway"]])
def test_two_way_standard_errors_under_every_convention(cigar, case, rule):
    stored = CASES[case]
    fit = estimator(stored["formula"])(cigar, stored["formula"], cluster=["State", "Year"], small_sample=rule)
    assert not fit.covariance.repaired
    for name, value in stored["twoway"][rule].items():
        assert fit.standard_error(name) == pytest.approx(value, rel=1e-6)
    if rule == "fixest":
        for name, value in stored["pyfixest_default"].items():
            assert fit.standard_error(name) == pytest.approx(value, rel=1e-6)
        order = [fit.position(name) for name in stored["vcov_raw"]["order"]]
        raw = fit.covariance.unrepaired[np.ix_(order, order)] / fit.covariance.factors[0]
        np.testing.assert_allclose(raw, stored["vcov_raw"]["matrix"], rtol=1e-6)
        if not fit.names.count("Intercept"):  # the stored eigenvalue is of the slopes' block
            stored_smallest = stored["minimum_eigenvalue_raw"]
            assert fit.covariance.minimum_eigenvalue_raw == pytest.approx(stored_smallest, rel=1e-6)


@pytest.mark.parametrize("case", CASES)
def test_one_way_and_robust_standard_errors(cigar, case):
    stored = CASES[case]
    fit = estimator(stored["formula"])
    for cluster, rules in stored["oneway"].items():
        for rule, values in rules.items():
            result = fit(cigar, stored["formula"], cluster=cluster, small_sample=rule)
            for name, value in values.items():
                assert result.standard_error(name) == pytest.approx(value, rel=1e-6)
    for rule, values in stored["robust"].items():
        result = fit(cigar, stored["formula"], small_sample=rule)
        for name, value in values.items():
            assert result.standard_error(name) == pytest.approx(value, rel=1e-6)


def stacked_by_cohort():
    """Cohorts' stacks with clean controls, −5 to 1 years around adoption, of the castle-doctrine data."""
    data = pd.read_csv(folder("stacked") / "castle.csv")
    stacks = []
    for cohort in sorted(set(data.effyear) - {0}):
        treated = data.effyear == cohort
        kept = (treated | (data.effyear == 0) | (data.effyear > cohort + 1)) & data.year.between(cohort - 5, cohort + 1)
        stack = data[kept].assign(stack=cohort, treated=treated[kept].astype(float))
        stacks.append(stack)
    frame = pd.concat(stacks, ignore_index=True)
    for time in range(-5, 2):
        if time != -1:
            frame[f"D_{'m' if time < 0 else 'p'}{abs(time)}"] = frame.treated * (frame.year - frame["stack"] == time)
    return frame


def test_not_positive_semi_definite_on_public_data():
    frame = stacked_by_cohort()
    case = stored_numbers("stacked")["cases"]["cohort|clean|[-5,1]|none"]
    formula = f"l_homicide ~ {' + '.join(case['terms'])} | stack^sid + stack^year"
    rules = {
        "stack+sid|fixest|default": "fixest",
        "stack+sid|fixest|G.df=conventional": "fixest-conventional",
        "stack+sid|fixest|K.fixef=full": "fixest-full",
        "stack+sid|sandwich|HC1,cadjust=TRUE": "sandwich",
    }
    for key, rule in rules.items():
        with pytest.warns(RepairedCovariance):
            fit = ols(frame, formula, cluster="stack+sid", small_sample=rule)
        np.testing.assert_allclose(fit.coefficients, case["coef"], rtol=1e-8)
        unrepaired = np.sqrt(np.diag(fit.covariance.unrepaired))
        np.testing.assert_allclose(unrepaired, case["se"][key], rtol=1e-6)
        assert np.linalg.eigvalsh(fit.covariance.matrix)[0] > -1e-12
        assert fit.covariance.minimum_eigenvalue_raw == pytest.approx(case["min_eigenvalue_vcov"], rel=1e-6)
        assert "repaired" in fit.summary()
    # the true rank, not the count of levels: each stack has a redundant dummy of its own
    assert fit.parameters.rank + fit.k == case["rank_lm"]
    with pytest.raises(errors.NotPositiveSemiDefinite, match="by stack and sid"):
        ols(frame, formula, cluster="stack+sid", not_psd="refuse")


SIMULATED = [
    ("y ~ x + w", {}),
    ("y ~ x + w | firm + year", {}),
    ("y ~ x + w | firm + year + sector", {}),
    ("y ~ x + w | firm^sector + year", {}),
    ("y ~ i(year, treated, ref=3) + w | firm + year", {}),
    ("log(weight) ~ C(name) + x*w", {}),
    ("y ~ x + w | firm + year", {"weights": "weight"}),
    ("y ~ w | firm + year | x ~ z + z2", {"weights": "weight"}),
    ("y ~ w + C(name) | x ~ z", {}),
]


@pytest.fixture(scope="module")
def panel():
    rng = np.random.default_rng(3)
    size = 3000
    data = pd.DataFrame(
        {
            "firm": rng.integers(0, 300, size),
            "year": rng.integers(0, 12, size),
            "sector": rng.integers(0, 7, size),
            "w": rng.normal(size=size),
            "z": rng.normal(size=size),
            "z2": rng.normal(size=size),
            "weight": rng.uniform(0.5, 3.0, size),
        }
    )
    data["region"] = data.firm % 20
    data["name"] = np.array(list("abcdefg"))[data.sector]
    data["treated"] = (data.firm % 3 == 0).astype(int)
    error = rng.normal(size=size) + rng.normal(size=20)[data.region] + rng.normal(size=12)[data.year]
    data["x"] = data.z + 0.4 * data.z2 + error + 0.3 * data.w
    data["y"] = data.x + error + data.w + rng.normal(size=size)
    data.loc[rng.choice(size, 50, replace=False), "w"] = np.nan
    return data


@pytest.mark.parametrize(("formula", "options"), SIMULATED)
@pytest.mark.parametrize("cluster", [None, "iid", "region", "firm", "region+year"])
def test_every_number_is_that_of_pyfixest(panel, formula, options, cluster):
    """Also the one test that holds our columns of ``i()``, which has no public address, against pyfixest's own."""
    mine = {"errors": "iid"} if cluster == "iid" else {"cluster": cluster}
    theirs = {None: "hetero", "iid": "iid"}.get(cluster, {"CRV1": cluster})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = estimator(formula)(panel, formula, **mine, **options)
        other = pf.feols(formula, panel, vcov=theirs, demeaner=pf.MapDemeaner(fixef_tol=1e-12), **options)
        expected = other.tidy()
    assert set(fit.names) == set(expected.index)
    assert fit.n == len(other.resid())
    found = fit.tidy().loc[expected.index]
    np.testing.assert_allclose(found["Estimate"], expected["Estimate"], rtol=1e-9)
    if fit.covariance.repaired:
        order = [fit.position(name) for name in expected.index]
        variances = np.diag(fit.covariance.unrepaired)[order]
        defined = variances > 0
        np.testing.assert_allclose(np.sqrt(variances[defined]), expected["Std. Error"][defined], rtol=1e-7)
        assert expected["Std. Error"][~defined].isna().all()
        return
    for column in ("Std. Error", "t value", "2.5%", "97.5%"):
        np.testing.assert_allclose(found[column], expected[column], rtol=1e-7)
    np.testing.assert_allclose(found["Pr(>|t|)"], expected["Pr(>|t|)"], rtol=1e-6, atol=1e-14)


def test_absorbing_ls_of_linearmodels(panel):
    data = panel.dropna()
    effects = data[["firm", "year"]].astype("category")
    fit = ols(data, "y ~ x + w | firm + year", cluster="region", small_sample="linearmodels-absorbing")
    other = AbsorbingLS(data.y, data[["x", "w"]], absorb=effects).fit(
        cov_type="clustered", clusters=data[["region"]], debiased=True
    )
    np.testing.assert_allclose(fit.standard_errors, other.std_errors[["x", "w"]], rtol=1e-6)
    np.testing.assert_allclose(fit.tidy()["Pr(>|t|)"], other.pvalues[["x", "w"]], rtol=1e-5, atol=1e-12)


@pytest.mark.parametrize("alpha", [None, 1.0, 4.0])
@pytest.mark.parametrize("cluster", ["State", "State+Year"])
def test_liml_and_fuller_of_linearmodels(cigar, alpha, cluster):
    data = cigar.dropna().reset_index(drop=True)
    formula = "lsales ~ lndi | State + Year | lprice ~ lpimin + lpimin_lag"
    options = {"cluster": cluster, "small_sample": "linearmodels"}
    fit = liml(data, formula, **options) if alpha is None else fuller(data, formula, alpha=alpha, **options)
    dummies = pd.get_dummies(data[["State", "Year"]].astype("category"), drop_first=True, dtype=float)
    exogenous = dummies.assign(constant=1.0, lndi=data.lndi)
    other = IVLIML(data.lsales, exogenous, data[["lprice"]], data[["lpimin", "lpimin_lag"]], fuller=alpha or 0).fit(
        cov_type="clustered", clusters=data[cluster.split("+")], debiased=True
    )
    assert fit.kappa == pytest.approx(other.kappa, rel=1e-12)
    variances = np.diag(other.cov.loc[["lprice", "lndi"], ["lprice", "lndi"]])
    np.testing.assert_allclose(fit.coefficients, other.params[["lprice", "lndi"]], rtol=1e-8)
    np.testing.assert_allclose(fit.standard_errors, np.sqrt(variances), rtol=1e-6)


def test_liml_root_by_brute_force(panel):
    fit = liml(panel, "y ~ w | firm | x ~ z + z2", weights="weight")
    problem, root = fit.problem, np.sqrt(fit.problem.weights)[:, None]
    both = root * np.column_stack([problem.outcome, problem.endogenous])

    def left(columns):
        return both - columns @ np.linalg.lstsq(columns, both, rcond=None)[0]

    outer, inner = left(root * problem.exogenous), left(root * problem.all_instruments)
    roots = np.linalg.eigvals(np.linalg.solve(inner.T @ inner, outer.T @ outer))
    assert fit.kappa == pytest.approx(roots.real.min(), rel=1e-10)
    assert 1.0 < fit.kappa < 1.1


def test_two_endogenous_regressors(panel):
    data = panel.dropna().assign(xw=lambda frame: frame.x * frame.w, zw=lambda frame: frame.z * frame.w)
    fit = iv(data, "y ~ w | x + xw ~ z + zw + z2", cluster="region", small_sample="linearmodels")
    other = IV2SLS(data.y, data[["w"]].assign(Intercept=1.0), data[["x", "xw"]], data[["z", "zw", "z2"]]).fit(
        cov_type="clustered", clusters=data.region, debiased=True
    )
    assert fit.names == ("x", "xw", "Intercept", "w")
    np.testing.assert_allclose(fit.coefficients, other.params[list(fit.names)], rtol=1e-9)
    np.testing.assert_allclose(fit.standard_errors, other.std_errors[list(fit.names)], rtol=1e-9)


# -- by brute force ---------------------------------------------------------------------------------------------------


def test_least_squares_with_dummies_weights_and_robust_errors(panel):
    data = panel.dropna()
    dummies = pd.get_dummies(data[["region", "year"]].astype("category"), drop_first=True, dtype=float)
    design = np.column_stack([data[["x", "w"]], np.ones(len(data)), dummies])
    omega = data.weight.to_numpy()
    inverse = np.linalg.inv(design.T @ (omega[:, None] * design))
    beta = inverse @ design.T @ (omega * data.y)
    residuals = data.y.to_numpy() - design @ beta
    scores = design * (omega * residuals)[:, None]
    meat = scores.T @ scores
    fit = ols(data, "y ~ x + w | region + year", weights="weight")
    size, spent = design.shape
    np.testing.assert_allclose(fit.coefficients, beta[:2], rtol=1e-10)
    np.testing.assert_allclose(fit.residuals, residuals, atol=1e-9)
    np.testing.assert_allclose(
        fit.covariance.matrix, (inverse @ meat @ inverse)[:2, :2] * size / (size - spent), rtol=1e-8
    )
    np.testing.assert_allclose(fit.influence, (scores @ inverse)[:, :2], atol=1e-10)


def test_influence_functions_sum_to_the_covariance(panel):
    for formula in ("y ~ x + w | firm", "y ~ w | firm | x ~ z + z2"):
        fit = estimator(formula)(panel, formula, cluster="region", small_sample="none")
        sums = pd.DataFrame(fit.influence, index=fit.rows).groupby(fit.labels.region).sum().to_numpy()
        np.testing.assert_allclose(sums.T @ sums, fit.covariance.matrix, rtol=1e-10)
        np.testing.assert_allclose(fit.influence.sum(axis=0), 0.0, atol=1e-9)
        assert fit.rows.equals(panel.index[panel.w.notna()])


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10_000))
def test_order_of_rows_and_labels_do_not_matter(seed):
    rng = np.random.default_rng(seed)
    data = pd.DataFrame(rng.normal(size=(150, 4)), columns=list("yxwz"))
    data["g"], data["t"] = rng.integers(0, 12, 150), rng.integers(0, 9, 150)
    data["y"] += data.x + rng.normal(size=12)[data.g]
    first = ols(data, "y ~ x + w | g + t", cluster="g", weights=None)
    shuffled = data.sample(frac=1.0, random_state=seed).assign(
        g=lambda frame: "g" + frame.g.astype(str), t=lambda frame: frame.t * 7.5 - 3
    )
    second = ols(shuffled, "y ~ x + w | g + t", cluster="g")
    np.testing.assert_allclose(second.coefficients, first.coefficients, rtol=1e-8)
    np.testing.assert_allclose(second.covariance.matrix, first.covariance.matrix, rtol=1e-6)
    np.testing.assert_allclose(
        pd.DataFrame(second.influence, index=second.rows).loc[first.rows], first.influence, atol=1e-8
    )


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10_000), st.floats(-6, 6), st.floats(-6, 6))
def test_units_do_not_matter(seed, units, shift):
    rng = np.random.default_rng(seed)
    data = pd.DataFrame(rng.normal(size=(80, 4)), columns=list("yxwz"))
    data["x"] += data.z
    scaled = data.assign(x=data.x * 10.0**units, w=data.w + 10.0**shift)
    first, second = (iv(frame, "y ~ w | x ~ z") for frame in (data, scaled))
    assert second.coefficient("x") * 10.0**units == pytest.approx(first.coefficient("x"), rel=1e-6)
    assert second.standard_error("x") * 10.0**units == pytest.approx(first.standard_error("x"), rel=1e-6)


def test_fit_problem_counts_what_the_problem_states(panel):
    fit = iv(panel, "y ~ w | firm + year | x ~ z", cluster="region")
    coefficients, covariance, residuals, influence = fit_problem(fit.problem)
    np.testing.assert_allclose(coefficients, fit.coefficients, rtol=1e-12)
    np.testing.assert_allclose(covariance.matrix, fit.covariance.matrix, rtol=1e-12)
    np.testing.assert_allclose(residuals, fit.residuals, atol=1e-12)
    np.testing.assert_allclose(influence, fit.influence, atol=1e-12)


# -- fixed effects ----------------------------------------------------------------------------------------------------


def dummy_rank(effects):
    return np.linalg.matrix_rank(np.column_stack([np.eye(int(effect.max()) + 1)[effect] for effect in effects]))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 4))
def test_rank_of_fixed_effects_is_that_of_their_dummies(seed, factors):
    rng = np.random.default_rng(seed)
    effects = tuple(
        pd.factorize(rng.integers(0, levels, 25))[0].astype(np.int64) for levels in rng.integers(2, 14, factors)
    )
    count = count_parameters(1, effects, None)
    assert count.rank_is_exact
    assert count.rank == dummy_rank(effects)
    assert count.levels == sum(int(effect.max()) + 1 for effect in effects) - (factors - 1)


def test_nested_effects_are_not_counted():
    firm, year = np.repeat(np.arange(6), 4), np.tile(np.arange(4), 6)
    region = firm // 2
    by_region = count_parameters(2, (firm, year), Clusters.build({"region": region}))
    assert by_region == ParameterCount(2, levels=9, nonnested=4, rank=9, nonnested_rank=4)
    both = count_parameters(2, (firm, year), Clusters.build({"region": region, "year": year}))
    assert (both.nonnested, both.nonnested_rank) == (1, 1)


def test_slowly_connected_effects_are_taken_out_exactly():
    """Few workers move between firms: alternating projections alone would stop far from the solution."""
    rng = np.random.default_rng(0)
    worker = np.repeat(np.arange(120), 5)
    firm = pd.factorize(np.minimum(worker // 2 + (rng.random(600) < 0.1), 59))[0].astype(np.int64)
    columns = rng.normal(size=(600, 2)) + firm[:, None]
    dummies = np.column_stack([np.eye(120)[worker], np.eye(int(firm.max()) + 1)[firm]])
    expected = columns - dummies @ np.linalg.lstsq(dummies, columns, rcond=None)[0]
    np.testing.assert_allclose(take_out(columns, (worker, firm), None), expected, atol=1e-9)
    weights = rng.uniform(0.1, 5.0, 600)
    root = np.sqrt(weights)[:, None]
    weighted = columns - dummies @ np.linalg.lstsq(root * dummies, root * columns, rcond=None)[0]
    np.testing.assert_allclose(take_out(columns, (worker, firm), weights), weighted, atol=1e-9)


def test_singletons_are_dropped_until_none_is_left():
    data = pd.DataFrame(
        {
            # row 0 is alone in firm 0; without it row 1 is alone in year 0, and without that row 2 in firm 1
            "firm": [0, 1, 1, 2, 2, 3, 3, 2, 3],
            "year": [0, 0, 1, 1, 2, 1, 2, 2, 2],
            "x": [1.0, 3.0, 2.0, 5.0, 4.0, 6.0, 9.0, 1.0, 2.0],
            "y": [2.0, 1.0, 4.0, 3.0, 6.0, 5.0, 9.0, 2.0, 3.0],
        },
        index=list("abcdefghi"),
    )
    fit = ols(data, "y ~ x | firm + year")
    assert fit.dropped.singletons == 3
    assert fit.rows.tolist() == list("defghi")
    assert "3 singleton" in fit.summary()
    kept = ols(data, "y ~ x | firm + year", singletons="keep")
    assert kept.n == 9
    assert kept.coefficient("x") == pytest.approx(fit.coefficient("x"), rel=1e-10)


# -- what is dropped and reported -------------------------------------------------------------------------------------


def test_missing_and_undefined_rows_are_counted(panel):
    data = panel.assign(sales=np.exp(panel.y))
    data.loc[data.index[:7], "sales"] = 0.0
    with pytest.warns(UndefinedValues, match=r"7 rows .* log\(sales\)"):
        fit = ols(data, "log(sales) ~ x + w | region")
    lost = data.w.isna().sum()
    assert fit.dropped.missing == lost
    assert fit.dropped.undefined == 7 - data.w[:7].isna().sum()
    assert fit.n == 3000 - lost - fit.dropped.undefined
    with pytest.warns(UndefinedValues):
        numpy_log = ols(data, "np.log(sales) ~ x + w | region")
    np.testing.assert_allclose(numpy_log.coefficients, fit.coefficients)


def test_collinear_and_absorbed_regressors_are_named(panel):
    data = panel.assign(twice=2.0 * panel.x - 3.0 * panel.w + 1.0, nation=1.0, place=panel.region * 1.5)
    with pytest.warns(CollinearRegressors) as caught:
        fit = ols(data, "y ~ x + w + twice + place | region")
    assert {str(warning.message).split(". Remedy")[0] for warning in caught} == {
        "Dropped as collinear with other regressors: twice",
        "Dropped as collinear with the fixed effects or the constant: place",
    }
    assert fit.names == ("x", "w")
    assert (fit.dropped.collinear, fit.dropped.absorbed) == (("twice",), ("place",))
    assert "collinear: twice" in fit.summary()
    with pytest.warns(CollinearRegressors, match="nation"):
        fit = ols(data, "y ~ x + nation")
    assert fit.names == ("Intercept", "x")
    with pytest.warns(CollinearRegressors, match="instruments"):
        fit = iv(data, "y ~ w | region | x ~ z + I(2 * z + w) + place")
    assert fit.dropped.collinear_instruments == ("I(2 * z + w)",)
    assert fit.dropped.absorbed_instruments == ("place",)


def test_a_constant_outcome_without_a_constant(panel):
    slope = panel.x.sum() / (panel.x @ panel.x)
    assert ols(panel.assign(one=1.0), "one ~ x - 1").coefficient("x") == pytest.approx(slope, rel=1e-12)


def test_an_exact_fit_has_no_error(panel):
    row = ols(panel.assign(exact=4.0 * panel.x), "exact ~ x").tidy().loc["x"]
    assert row["Estimate"] == pytest.approx(4.0)
    assert row["Pr(>|t|)"] == 0.0


def test_nearly_collinear_regressors_are_kept():
    years = np.arange(1960.0, 2000.0)
    rng = np.random.default_rng(0)
    data = pd.DataFrame({"t": years, "y": 1e-3 * (years - 1980) ** 3 + rng.normal(size=40)})
    fit = ols(data, "y ~ t + I(t**2) + I(t**3)")
    centred = np.polyfit(years - 1980, data.y, 3)
    assert fit.coefficient("I(t ** 3)") == pytest.approx(centred[0], rel=1e-4)


def test_polars_and_arrow(panel):
    expected = ols(panel, "y ~ x + w | name + year", cluster="region")
    text = panel.assign(region="r" + panel.region.astype(str))
    for data in (
        pl.from_pandas(text),
        pa.Table.from_pandas(text),
        text.convert_dtypes(),
        text.convert_dtypes(dtype_backend="pyarrow"),
    ):
        fit = ols(data, "y ~ x + w | name + year", cluster="region")
        np.testing.assert_allclose(fit.coefficients, expected.coefficients, rtol=1e-12)
        np.testing.assert_allclose(fit.standard_errors, expected.standard_errors, rtol=1e-12)
        assert fit.dropped == expected.dropped


def test_the_data_is_left_alone(panel):
    before = panel.copy(deep=True)
    ols(panel, "y ~ x + w | firm^year + sector", cluster="region", weights="weight")
    pd.testing.assert_frame_equal(panel, before)


# -- tables -----------------------------------------------------------------------------------------------------------


def test_tidy_uses_the_reference_distribution_of_the_rule(panel):
    fit = ols(panel, "y ~ x", cluster="region", small_sample="fixest")
    assert fit.degrees_of_freedom == 19
    wide, narrow = fit.confidence_interval(0.99), fit.confidence_interval(0.9)
    assert (wide[:, 0] < narrow[:, 0]).all()
    assert list(fit.tidy(0.9).columns[-2:]) == ["5%", "95%"]
    normal = ols(panel, "y ~ x", cluster="region", small_sample="none").tidy()
    half = (normal["97.5%"] - normal["2.5%"]) / 2
    np.testing.assert_allclose(half / normal["Std. Error"], 1.959964, rtol=1e-6)


def test_summary_says_how(panel):
    text = iv(panel, "y ~ w | firm + year | x ~ z", cluster="region", weights="weight").summary()
    for expected in ("2SLS", "50 missing", "firm (300 levels)", "region (20 clusters)", "'fixest'", "weight", "t(19)"):
        assert expected in text


def test_table_side_by_side(panel):
    one, two = ols(panel, "y ~ x + w", cluster="region"), iv(panel, "y ~ w | firm | x ~ z", cluster="region")
    made = table([one, two], titles=["OLS & co", "IV"], labels={"w": "R&D_share <1>"}, keep=["x", "w"])
    frame = made.to_frame()
    assert frame.loc["x"].tolist() == [f"{one.coefficient('x'):.3f}", f"{two.coefficient('x'):.3f}"]
    assert frame.loc["Observations"].tolist() == [f"{one.n:,}", f"{two.n:,}"]
    assert frame.loc["firm"].tolist() == ["no", "yes"]
    latex, html = made.to_latex(), made.to_html()
    assert r"R\&D\_share" in latex
    assert r"OLS \& co" in latex
    assert "R&amp;D_share &lt;1&gt;" in html
    assert "region (20 clusters)" in html
    assert "region (20 clusters)" in str(made)
    assert r"\begin{tabular}" in two.to_latex()
    assert "<table>" in two.to_html()
    with pytest.raises(errors.InvalidValue, match="titles"):
        table([one], titles=["a", "b"])
    with pytest.raises(errors.InvalidValue, match="keep"):
        table([one], keep=["nothing"])
    with pytest.raises(errors.WrongType):
        table(["text"])


def test_plot_draws_estimates_and_intervals(panel):
    fit = ols(panel, "y ~ x + w")
    axes = fit.plot(level=0.9)
    assert [label.get_text() for label in axes.get_yticklabels()] == ["x", "w"]
    np.testing.assert_allclose(axes.lines[0].get_xdata(), [fit.coefficient("x"), fit.coefficient("w")])
    segments = np.array(axes.collections[0].get_segments())[:, :, 0]
    np.testing.assert_allclose(segments, fit.confidence_interval(0.9)[[fit.position("x"), fit.position("w")]])


# -- bad input --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("formula", "options", "error", "text"),
    [
        ("y ~ xx", {}, errors.UnknownColumn, "did you mean x"),
        ("y ~ x | frim", {}, errors.UnknownColumn, "did you mean firm"),
        ("y ~ x", {"cluster": "regoin"}, errors.UnknownColumn, "did you mean region"),
        ("y ~ x", {"weights": "wight"}, errors.UnknownColumn, "did you mean weight"),
        ("nothing ~ x", {}, errors.AllMissing, "outcome"),
        ("y ~ infinite", {}, errors.NonFiniteValues, "row 4"),
        ("y ~ x", {"weights": "infinite"}, errors.NonFiniteValues, "infinite"),
        ("y ~ x", {"weights": "treated"}, errors.NonPositiveWeights, "values ≤ 0"),
        ("y ~ x", {"weights": "name"}, errors.WrongType, "numeric"),
        ("y ~ x", {"cluster": "one"}, errors.OneCluster, "single value 1"),
        ("y ~ x", {"cluster": "holes"}, errors.MissingCluster, "label of its own"),
        ("y ~ x | unique", {}, errors.EmptySample, "3000 singletons"),
        ("y ~ one", {}, None, ""),
        ("one ~ x", {}, errors.NoVariation, "outcome one"),
        ("place ~ x | region", {}, errors.NoVariation, "outcome place"),
        ("y ~ place | region", {}, errors.NoVariation, "set of regressors place"),
        ("y ~ 1 | region", {}, errors.NoVariation, r"\(none\)"),
        ("name ~ x", {}, errors.WrongType, "outcome name"),
        ("y ~ x | firm |", {}, errors.InvalidFormula, "not empty"),
        ("y ~ sw(x, w)", {}, errors.InvalidFormula, "several models"),
        ("y + x", {}, errors.InvalidFormula, "needs one '~'"),
        ("y ~ x +* w", {}, errors.InvalidFormula, "incorrectly used"),
        ("y ~ unknown_function(x)", {}, errors.UnknownColumn, "unknown_function"),
        ("y ~ x | firm + firm", {}, errors.InvalidFormula, "twice"),
        ("y ~ x | log(firm)", {}, errors.InvalidFormula, "columns"),
        (5, {}, errors.WrongType, "formula"),
        ("y ~ x", {"cluster": ["region", "region"]}, errors.InvalidValue, "doubles"),
        ("y ~ x", {"cluster": 3.0}, errors.WrongType, "cluster"),
        ("y ~ x", {"small_sample": "other"}, errors.InvalidValue, "choose one of fixest"),
        ("y ~ x", {"not_psd": "other"}, errors.InvalidValue, "repair or refuse"),
        ("y ~ x", {"singletons": "other"}, errors.InvalidValue, "drop or keep"),
        ("y ~ x", {"cluster": "region", "errors": "iid"}, errors.InvalidValue, "with clusters"),
        ("y ~ w | x ~ z", {}, errors.InvalidFormula, r"call iv\(\)"),
    ],
)
@pytest.mark.filterwarnings("ignore::bigpush_est.errors.CollinearRegressors")
def test_least_squares_refuses(panel, formula, options, error, text):
    data = panel.assign(
        nothing=np.nan,
        infinite=np.where(np.arange(3000) == 4, np.inf, 1.0),
        one=1,
        holes=panel.region.where(panel.index > 5),
        unique=np.arange(3000),
        place=panel.region * 2.0,
    )
    if error is None:
        assert ols(data, formula, **options).names == ("Intercept",)
        return
    with pytest.raises(error, match=text) as caught:
        ols(data, formula, **options)
    assert "Remedy" in str(caught.value)


@pytest.mark.parametrize(
    ("formula", "error", "text"),
    [
        ("y ~ w", errors.InvalidFormula, "no instrument"),
        ("y ~ w | region | x ~ place", errors.NoVariation, "set of instruments place"),
        ("y ~ w | region | place ~ z", errors.NoVariation, "endogenous regressor place"),
        ("y ~ w | region | w2 ~ z", errors.NoVariation, "endogenous regressor w2"),
        ("y ~ w | x + y2 ~ z", errors.UnderIdentified, "2 endogenous regressors have 1"),
        ("y ~ w | x + y2 ~ z + I(2*z)", errors.UnderIdentified, "have 1 independent"),
        ("y ~ w | x ~ orthogonal", errors.UnderIdentified, "full rank"),
        ("y ~ w + x | x ~ z", errors.InvalidFormula, "x are both endogenous"),
        ("y ~ w + z | x ~ z", errors.InvalidFormula, "z are both excluded"),
        ("y ~ w | x ~ x", errors.InvalidFormula, "x are both instruments"),
        ("y ~ w | x ~ z | region", errors.InvalidFormula, "third part"),
        ("y ~ w | region ~ z | x ~ z", errors.InvalidFormula, "second part"),
    ],
)
@pytest.mark.filterwarnings("ignore::bigpush_est.errors.CollinearRegressors")
def test_instruments_are_refused(panel, formula, error, text):
    data = panel.dropna().assign(place=panel.region * 2.0, w2=panel.w * 3.0, y2=panel.x + panel.w**2)
    others = np.column_stack([np.ones(len(data)), data[["w", "x"]]])
    noise = np.random.default_rng(0).normal(size=len(data))
    data["orthogonal"] = noise - others @ np.linalg.lstsq(others, noise, rcond=None)[0]
    with pytest.raises(error, match=text):
        iv(data, formula)


def test_data_that_is_no_table():
    with pytest.raises(errors.WrongType, match="data frame"):
        ols([1, 2, 3], "y ~ x")
    with pytest.raises(errors.WrongType, match="lazy"):
        ols(pl.LazyFrame({"y": [1.0], "x": [2.0]}), "y ~ x")
    with pytest.raises(errors.EmptySample):
        ols(pd.DataFrame({"y": [1.0, None], "x": [None, 2.0]}), "y ~ x")
    with pytest.raises(errors.EmptySample):
        ols(pd.DataFrame({"y": [], "x": []}, dtype=float), "y ~ x")
    doubled = pd.DataFrame([[1.0, 2.0, 3.0]], columns=["y", "x", "x"])
    with pytest.raises(errors.InputError, match="twice"):
        ols(doubled, "y ~ x")
    with pytest.raises(errors.TooFewObservations):
        ols(pd.DataFrame({"y": [1.0, 2.0], "x": [1.0, 3.0]}), "y ~ x")


def test_other_refusals(panel):
    fit = ols(panel, "y ~ x")
    with pytest.raises(errors.InvalidValue, match="choose one of Intercept, x"):
        fit.coefficient("z")
    with pytest.raises(errors.InvalidValue, match="level"):
        fit.confidence_interval(95)
    with pytest.raises(errors.InvalidValue, match="alpha"):
        fuller(panel, "y ~ 1 | x ~ z", alpha=-1.0)


def test_warnings_survive_a_process_boundary():
    warning = CollinearRegressors(columns="x", with_what="others")
    again = pickle.loads(pickle.dumps(warning))
    assert type(again) is CollinearRegressors
    assert str(again) == str(warning)


def test_formula_parts_in_brackets_and_quotes():
    parts = parse_formula("y ~ I(a | b) + C(g, contr.treatment(base='x|y')) | f^g + t | d ~ z")
    assert parts.exogenous == "I(a | b) + C(g, contr.treatment(base='x|y'))"
    assert parts.effect_names == ("f^g", "t")
    assert parse_formula("y ~ 1 | d ~ z").fixed_effects == ()
