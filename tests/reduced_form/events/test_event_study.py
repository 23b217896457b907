"""Winners against losers: known effects, brute-force least squares, other estimators, and every refusal."""

import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from bigpush_est.data.firm_panel import simulate_firm_panel
from bigpush_est.data.frames import MicroData
from bigpush_est.errors import BigPushError, ColumnMissing, FrameMissing, InvalidValue, NoLoserLeft, ShapeMismatch
from bigpush_est.reduced_form.events.comparisons import ESTIMATORS
from bigpush_est.reduced_form.events.contract_events import contract_events, covariates_before, support_received
from bigpush_est.reduced_form.events.diagnostics import joint_test
from bigpush_est.reduced_form.events.event_study import POOLED, stacked_event_study, winners_vs_losers
from bigpush_est.reduced_form.events.stacking import build_stack, term_of

from .contract_panel import PATH, contract_panel


def true_path(times):
    return np.array([0.0 if k < 0 else PATH[min(int(k), PATH.size - 1)] for k in times])


@pytest.fixture(scope="module")
def drawn():
    return contract_panel(1)


@pytest.fixture(scope="module")
def study(drawn):
    return winners_vs_losers(drawn[0])


def with_contracts(data, contracts):
    return MicroData.of(panel=data.panel, contracts=contracts, label="synthetic")


# -- who won and who lost ----------------------------------------------------------------------------------------------


def test_losers_and_winners(drawn):
    data, truth = drawn
    events = contract_events(data)
    assert set(events.frame.loc[events.frame["loser"], "firm"]) == set(truth.loc[truth["lost"], "firm"])
    assert set(events.frame.loc[~events.frame["loser"], "firm"]) == set(truth.loc[~truth["lost"], "firm"])
    adopted = truth.set_index("firm")["adopted"]
    assert events.adoption.to_dict() == adopted[adopted > 0].to_dict()
    delayed = (truth["lost"] & (truth["adopted"] > 0)).sum()
    assert events.counts["winners that had lost before"] == delayed


def test_rules_of_contracts():
    panel = pd.DataFrame({"firm": list("abcdef"), "year": 1972, "region": "r", "sector": "s", "sales": 1.0})
    contracts = pd.DataFrame(
        [
            ("1", "a", 1973, 1974.0, "foreign"),  # loser
            ("2", "a", 1975, 1976.0, "foreign"),  # again
            ("3", "b", 1973, 1973.0, "domestic"),  # neither
            ("4", "c", 1972, np.nan, None),
            ("5", "c", 1974, 1975.0, "foreign"),  # had adopted
            ("6", "d", 1973, 1974.0, "foreign"),
            ("7", "d", 1973, np.nan, None),  # adopts in the same year: a winner
            ("8", "e", 1973, np.nan, None),
            ("9", "f", 1973, 1974.0, "government"),
        ],
        columns=["contract", "firm", "year", "cancelled_year", "cancelled_by"],
    )
    data = MicroData.of(panel=panel, contracts=contracts)
    events = contract_events(data)
    found = events.frame[["firm", "year", "loser"]].to_numpy().tolist()
    assert found == [["c", 1972, False], ["a", 1973, True], ["d", 1973, False], ["e", 1973, False]]
    assert events.counts == {
        "cancellations by others than foreign": 2,
        "cancellations of firms that had adopted by then": 2,
        "further cancellations of the same loser": 1,
        "winners that had lost before": 0,
    }
    wider = contract_events(data, cancelled_by=("foreign", "domestic", "government"))
    assert wider.losers == 3
    with pytest.raises(NoLoserLeft, match="2 × cancellations of firms"):
        contract_events(with_contracts(data, contracts[contracts["firm"].isin(["b", "c", "d"])]))
    with pytest.raises(ColumnMissing, match="cancelled_year"):
        contract_events(with_contracts(data, contracts[["contract", "firm", "year"]]))
    with pytest.raises(FrameMissing, match="winners and losers"):
        contract_events(MicroData.of(panel=panel))
    with pytest.raises(InvalidValue, match="nobody"):
        contract_events(data, cancelled_by=())


def test_covariates_of_the_year_before(drawn):
    data, _ = drawn
    events = contract_events(data).frame
    found = covariates_before(data, events, ["log_assets", "growth_sales", "sales"])
    panel = data.panel.set_index(["firm", "year"])
    for row in found.sample(40, random_state=0).itertuples():
        before, earlier = (row.firm, row.year - 1), (row.firm, row.year - 2)
        if before not in panel.index:
            assert np.isnan(row.log_assets)
            continue
        assert row.log_assets == pytest.approx(np.log(panel.loc[before, "assets"]))
        assert row.sales == pytest.approx(panel.loc[before, "sales"])
        if earlier in panel.index:
            growth = np.log(panel.loc[before, "sales"] / panel.loc[earlier, "sales"])
            assert row.growth_sales == pytest.approx(growth)
        else:
            assert np.isnan(row.growth_sales)
    with pytest.raises(ColumnMissing, match="profit"):
        covariates_before(data, events, ["profit"])
    with pytest.raises(InvalidValue, match="lag"):
        covariates_before(data, events, ["sales"], lag=-1)


def test_support_is_cumulated(drawn):
    data, _ = drawn
    found = support_received(data, ["credit"])["credit"]
    panel, credit = data.panel, data.credit
    for row in panel.sample(50, random_state=1).itertuples():
        total = credit.loc[(credit["firm"] == row.firm) & (credit["year"] <= row.year), "amount"].sum()
        assert found[row.Index] == pytest.approx(np.arcsinh(total))
    with pytest.raises(InvalidValue, match="support"):
        support_received(data, ["roads"])
    with pytest.raises(FrameMissing):
        support_received(data, ["trade_fairs"])


# -- the estimates -----------------------------------------------------------------------------------------------------


def test_recovers_the_path(study):
    """Every estimate within 3.5 of its standard errors of the truth, and all of them together."""
    gaps = study.coefficients - true_path(study.event_times)
    assert np.all(np.abs(gaps) < 3.5 * np.sqrt(np.diag(study.covariance)))
    test = joint_test("the truth", gaps, study.covariance, study.regression.degrees_of_freedom)
    assert test.p_value > 0.001
    assert study.pretrend().p_value > 0.01


def test_against_dummies_and_numpy(study):
    """Least squares on all dummies, and the two-way covariance written out."""
    frame = study.stack.frame
    frame = frame[frame[study.outcome].notna()]
    while True:  # rows alone in an effect say nothing
        sizes = [frame.groupby(column)[study.outcome].transform("size") for column in ("stack_unit", "stack_time")]
        if (np.minimum(*sizes) > 1).all():
            break
        frame = frame[np.minimum(*sizes) > 1]
    dummies = pd.get_dummies(frame[["stack_unit", "stack_time"]].astype(str), dtype=float).to_numpy()
    terms = frame[[term_of(k) for k in study.event_times]].to_numpy()
    y = frame[study.outcome].to_numpy()
    solution = np.linalg.lstsq(np.column_stack([terms, dummies]), y)[0]
    assert study.coefficients == pytest.approx(solution[: terms.shape[1]], abs=1e-8)
    residual = y - np.column_stack([terms, dummies]) @ solution
    partial = terms - dummies @ np.linalg.lstsq(dummies, terms)[0]
    bread = np.linalg.inv(partial.T @ partial)
    total = np.zeros_like(bread)
    for columns, sign in ((["stack"], 1), (["firm"], 1), (["stack", "firm"], -1)):
        sums = (
            pd.DataFrame(partial * residual[:, None]).groupby([frame[c].to_numpy() for c in columns]).sum().to_numpy()
        )
        total += sign * sums.T @ sums
    raw = bread @ total @ bread
    n, k = len(frame), terms.shape[1]
    smallest = min(frame["stack"].nunique(), frame["firm"].nunique())
    # effects are nested in the clusters, so that only the terms count
    factor = smallest / (smallest - 1) * (n - 1) / (n - k)
    ratio = study.covariance / raw
    assert ratio == pytest.approx(np.full_like(ratio, ratio[0, 0]), rel=1e-6)
    assert ratio[0, 0] == pytest.approx(factor, rel=5e-3)


def test_pooled_effect_is_a_weighted_mean_of_the_lags(study):
    after = study.coefficients[[k >= 0 for k in study.event_times]]
    assert after.min() < study.pooled < after.max()
    mean, error = study.average_after()
    assert mean == pytest.approx(after.mean())
    assert error > 0
    assert study.pooled_regression.names == (POOLED,)


def test_controls_and_other_outcomes(drawn, study):
    data, _ = drawn
    with_credit = winners_vs_losers(data, support=["credit"])
    assert with_credit.controls == ("credit",)
    assert with_credit.pooled == pytest.approx(study.pooled, abs=0.02)
    assert len(with_credit.coefficients) == len(study.coefficients)
    same = winners_vs_losers(data, np.log(data.panel["sales"].to_numpy()))
    assert same.coefficients == pytest.approx(study.coefficients)
    holes = data.log("sales").mask(data.panel.index % 10 == 0).rename("tfpr")
    assert winners_vs_losers(data, holes).notes["panel rows without the outcome or a control"] == holes.isna().sum()


def test_alternatives_of_matching(drawn):
    data, _ = drawn
    one = winners_vs_losers(data, number=1)
    assert one.design.matches.pairs.groupby("match").size().eq(1).all()
    near = winners_vs_losers(data, caliper=2.0)
    assert near.design.matches.pairs["distance"].max() <= 2.0
    by_sales = winners_vs_losers(data, variables=["log_sales"], replacement=False)
    assert not by_sales.design.matches.pairs.duplicated("winner").any()
    never = winners_vs_losers(data, rule="never")
    adopters = set(never.design.events.adoption.index)
    assert not set(never.stack.frame.loc[~never.stack.frame["treated"], "firm"]) & adopters


def test_violated_trends_show(drawn):
    data, _ = contract_panel(3, drift=0.06, noise=0.1)
    study = winners_vs_losers(data)
    assert study.pretrend().p_value < 0.05
    assert study.honest(bounds=[1.0]).rows[0].confidence.low < study.average_after()[0] - 0.1


def test_diagnostics(drawn, study):
    balance = study.balance()
    assert set(balance["sample"]) == {"before", "after"}
    assert study.balance(["log_sales"])["variable"].tolist() == ["log_sales"] * 2
    assert study.partner_balance()["p_value"].between(0.001, 1.0).all()
    cancelled = study.predict_cancellation()
    joint = cancelled[cancelled["variable"] == "all of them"]
    assert joint["sample"].tolist() == ["candidates", "matches"]
    assert (joint["p_value"] > 0.001).all()
    without = study.leave_one_match_out()
    assert len(without) == study.design.matches.count
    dropped = without.iloc[0]
    rest = study.stack.frame[study.stack.frame["stack"] != dropped["left_out"]]
    again = stacked_event_study(replace(study.stack, frame=rest), study.outcome)
    assert dropped["estimate"] == pytest.approx(again.pooled, abs=1e-10)
    assert dropped["std_error"] == pytest.approx(again.pooled_standard_error, rel=1e-9)
    means = study.raw_means().set_index(["event_time", "group"])
    rows = study.stack.frame[(study.stack.frame["event_time"] == 2) & study.stack.frame["treated"]]
    assert means.loc[(2, "winners"), "mean"] == pytest.approx(rows["log_sales"].mean())
    assert means.loc[(-1, "losers"), "mean_change"] == 0.0


def test_predicted_cancellation_is_found():
    """Foreign parties that leave the larger firms: the test has to see it."""
    data, truth = contract_panel(4)
    panel = data.panel
    lost = panel["firm"].isin(truth.loc[truth["lost"], "firm"])
    panel.loc[lost, ["assets", "fixed_assets"]] *= 1.6
    study = winners_vs_losers(MicroData.of(panel=panel, contracts=data.contracts))
    found = study.predict_cancellation(["log_assets"]).set_index(["sample", "variable"])
    assert (found.loc[(slice(None), "all of them"), "p_value"] < 0.01).all()
    assert found.loc[("matches", "log_assets"), "estimate"] > 0


def test_other_estimators_agree(study):
    table = study.compare()
    assert set(table["estimator"]) == set(ESTIMATORS)
    after = table[table["event_time"] >= 0].pivot(index="event_time", columns="estimator", values="estimate")
    for name in after:
        # twfe, lpdid and the others use other weights and unit and year effects only
        assert np.abs(after[name] - true_path(after.index)).max() < 0.2
    mine = table[table["estimator"] == "stacked"].set_index("event_time")["estimate"]
    assert mine[3] == pytest.approx(study.coefficients[study.event_times.index(3)])
    with pytest.raises(InvalidValue, match="synthetic control"):
        study.compare(["synthetic control"])


def test_comparisons_with_a_given_stack():
    rng = np.random.default_rng(0)
    panel = pd.DataFrame([(i, t) for i in range(60) for t in range(12)], columns=["i", "t"])
    panel["g"] = panel["i"].map(lambda i: {0: 5.0, 1: 7.0}.get(i % 3, np.nan))
    panel["y"] = 0.1 * panel["i"] + 0.2 * panel["t"] + (panel["t"] >= panel["g"]) + rng.normal(0, 0.1, len(panel))
    stack = build_stack(panel, unit="i", time="t", adoption="g", window=(-3, 3), by="cohort")
    study = stacked_event_study(stack, "y", cluster=["i"])
    assert study.pooled == pytest.approx(1.0, abs=0.1)
    table = study.compare()
    late = table[table["event_time"] >= 0]
    assert np.abs(late["estimate"] - 1.0).max() < 0.25
    for what in (study.balance, study.partner_balance, study.predict_cancellation):
        with pytest.raises(InvalidValue, match="winners_vs_losers"):
            what()


def test_output(study):
    table = study.tidy()
    assert table["event_time"].dropna().tolist() == list(range(-5, 8))
    assert table.iloc[-1]["term"] == "pooled"
    assert table.iloc[-1]["estimate"] == study.pooled
    assert table.set_index("term").loc["reference", "estimate"] == 0.0
    at_zero = table[table["event_time"] == 0].iloc[0]
    rows = study.stack.frame[study.stack.frame["event_time"] == 0]
    assert (at_zero["winners"], at_zero["losers"]) == (rows["treated"].sum(), (~rows["treated"]).sum())
    text = study.summary()
    for words in ("matches of", "pooled", "clustered by stack", "losers without a match", "F(4, "):
        assert words in text
    assert "\\begin{tabular}" in study.to_latex()
    assert "<table" in study.to_html()
    drawn = study.plot()
    assert drawn.lines[-1].get_xdata().tolist() == list(range(-5, 8))
    assert study.plot_raw_means(relative=False, axes=drawn) is drawn
    points = study.design.matches.plot().lines
    assert points[1].get_ydata().size == len(study.design.matches.variables)


# -- refusals ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"outcome": "profit"}, ColumnMissing, "profit"),
        ({"outcome": np.zeros(3)}, ShapeMismatch, "one number per row"),
        ({"variables": ["log_profit"]}, ColumnMissing, "profit"),
        ({"exact": ["province"]}, ColumnMissing, "province"),
        ({"controls": ["age"]}, ColumnMissing, "age"),
        ({"window": (0, 3)}, InvalidValue, "window"),
        ({"level": 95}, InvalidValue, "level"),
        ({"caliper": 1e-6}, NoLoserLeft, "caliper"),
        ({"rule": "all"}, InvalidValue, "controls"),
        ({"cluster": ["county"]}, BigPushError, "county"),
    ],
)
def test_bad_input(drawn, options, error, words):
    with pytest.raises(error, match=words):
        winners_vs_losers(drawn[0], **options)


def test_negative_sales_before_logs(drawn):
    data, _ = drawn
    with pytest.raises(BigPushError, match="negative"):
        MicroData.of(panel=data.panel.assign(sales=-1.0), contracts=data.contracts)
    zero = MicroData.of(panel=data.panel.assign(sales=0.0), contracts=data.contracts)
    with pytest.raises(BigPushError, match="no logarithm"):
        winners_vs_losers(zero)


def test_all_missing_outcome(drawn):
    data, _ = drawn
    with pytest.raises(NoLoserLeft, match="in the panel"):
        winners_vs_losers(data, np.full(len(data.panel), np.nan))


def test_joint_test_says_why_it_is_invalid():
    assert "singular" in joint_test("x", np.ones(2), np.ones((2, 2)), 10.0).text()
    assert "no such coefficient" in joint_test("x", np.zeros(0), np.zeros((0, 0)), 10.0).text()
    chi = joint_test("x", np.array([2.0]), np.eye(1), np.inf)
    assert chi.p_value == pytest.approx(stats.chi2.sf(4.0, 1))


# -- the simulated firm panel ------------------------------------------------------------------------------------------


def against_the_truth(seed):
    """The pooled effect, the same regression on the true effect of each firm and year, and its standard error."""
    simulated = simulate_firm_panel(seed=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        study = winners_vs_losers(simulated.data)
        effect = simulated.truth.firm_years[["firm", "year", "effect"]]
        # a loser's rows end before it adopts, so that no effect is missing but those of rows without a firm's activity
        frame = study.stack.frame.merge(effect, on=["firm", "year"], how="left").fillna({"effect": 0.0})
        truth = stacked_event_study(replace(study.stack, frame=frame), "effect", cluster=["stack"])
    return study, truth


def test_simulated_panel():
    study, truth = against_the_truth(1)
    assert study.design.matches.count >= 30
    assert abs(study.pooled - truth.pooled) < 3.5 * study.pooled_standard_error
    # balanced to three standard errors, √(2/38) each, of a difference between 38 losers and their winners
    assert (study.balance()["standardised_difference"].abs() < 0.7).all()
    assert study.partner_balance()["p_value"].iloc[-1] > 0.01


@pytest.mark.validate
def test_simulated_panels():
    """Bias and coverage of the pooled effect over panels drawn from the model."""
    replications = 24
    pooled = []
    for seed in range(1, replications + 1):
        study, truth = against_the_truth(seed)
        pooled.append((study.pooled - truth.pooled, study.pooled_standard_error))
    gaps, errors = np.array(pooled).T
    bias, spread = gaps.mean(), gaps.std(ddof=1) / np.sqrt(replications)
    covered = np.abs(gaps) < stats.t.ppf(0.975, 37) * errors
    print(f"\nbias {bias:.4f} ({spread:.4f}), coverage {covered.mean():.3f}, mean standard error {errors.mean():.3f}")
    assert abs(bias) < 3.5 * spread
    assert covered.mean() > 0.8


# -- Monte Carlo -------------------------------------------------------------------------------------------------------


def monte_carlo(replications, **options):
    results = []
    for seed in range(replications):
        data, _ = contract_panel(1000 + seed, **options)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            study = winners_vs_losers(data)
        truth = true_path(study.event_times)
        errors = np.sqrt(np.diag(study.covariance))
        critical = stats.t.ppf(0.975, study.regression.degrees_of_freedom)
        results.append(
            (
                study.coefficients - truth,
                np.abs(study.coefficients - truth) < critical * errors,
                study.pretrend().p_value,
            )
        )
    gaps, covered, p_values = (np.array(part) for part in zip(*results, strict=True))
    return gaps, covered, p_values


def test_small_monte_carlo():
    """Unbiased within the error of 5 draws."""
    gaps, covered, _ = monte_carlo(5, losers=20, winners_per_cell=3, years=(1968, 1984))
    error = gaps.std(axis=0, ddof=1) / np.sqrt(len(gaps))
    assert np.all(np.abs(gaps.mean(axis=0)) < 8.0 * error)
    assert covered.mean() > 0.8


@pytest.mark.validate
@pytest.mark.parametrize("heterogeneous", [0.0, 0.05])
def test_monte_carlo(heterogeneous):
    """Bias, coverage and the size of the test for pre-trends, with effects that differ between cohorts as well."""
    replications = 300
    gaps, covered, p_values = monte_carlo(replications, heterogeneous=heterogeneous)
    error = gaps.std(axis=0, ddof=1) / np.sqrt(replications)
    print(
        "\nbias", gaps.mean(axis=0).round(4), "\nits error", error.round(4), "\ncoverage", covered.mean(axis=0).round(3)
    )
    print("size of the pre-trend test at 5% and 10%:", np.nanmean(p_values < 0.05), np.nanmean(p_values < 0.1))
    leads = 4
    assert np.all(np.abs(gaps.mean(axis=0))[:leads] < 3.5 * error[:leads])
    if not heterogeneous:
        assert np.all(np.abs(gaps.mean(axis=0)) < 3.5 * error)
        # rolling controls leave a third of the matches from the sixth year on: clusters are few there
        late = np.array([k >= 5 for k in range(-5, 8) if k != -1])
        assert np.all(np.abs(covered.mean(axis=0) - 0.95)[~late] < 0.04)
        assert np.all(covered.mean(axis=0)[late] > 0.88)
    assert np.nanmean(p_values < 0.05) < 0.12
