"""Equation (3.3) on worlds whose spillover is known, and the table, its controls and its edges."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from bigpush_est.data.frames import MicroData
from bigpush_est.data.geography import great_circle
from bigpush_est.errors import FrameMissing, InvalidValue
from bigpush_est.reduced_form.spillovers.adopter_shares import adopter_shares
from bigpush_est.reduced_form.spillovers.columns import TABLE1, Specification, estimate_column
from bigpush_est.reduced_form.spillovers.country_choice import country_choice, country_choice_rows
from bigpush_est.reduced_form.spillovers.heterogeneity import access_interaction, access_split
from bigpush_est.reduced_form.spillovers.market_access import (
    combination,
    effects_at_percentiles,
    market_access,
    predicted_market_access,
    threshold,
)
from bigpush_est.reduced_form.spillovers.sample import SpilloverDesign, spillover_sample
from bigpush_est.reduced_form.spillovers.table import spillovers

from .spillover_world import spillover_world

PORTS = pd.DataFrame({"latitude": [35.1, 37.5], "longitude": [129.0, 126.6]})


@pytest.fixture(scope="module")
def world():
    return spillover_world(1, frames=True, gaps=0.05)


@pytest.fixture(scope="module")
def sample(world):
    return spillover_sample(world.data, ports=PORTS)


@pytest.fixture(scope="module")
def table(sample):
    return spillovers(sample)


def test_rows_are_continuing_firms_with_their_long_differences(world, sample):
    panel = world.data.panel.set_index(["firm", "year"])
    frame = sample.frame
    assert set(frame["span"]) == {"1972-1979", "1973-1980"}
    for row in frame.sample(60, random_state=0).itertuples():
        ends = panel.loc[[(row.firm, row.start), (row.firm, row.end)], "sales"].to_numpy()
        assert row.change == pytest.approx(np.log(ends[1] / ends[0]))
        assert row.initial == pytest.approx(np.log(ends[0]))
        assert (row.region, row.sector) == tuple(panel.loc[(row.firm, row.start), ["region", "sector"]])
    on_record = world.data.panel.groupby("year")["firm"].apply(set)
    assert (frame["start"] == 1972).sum() == len(on_record[1972] & on_record[1979])
    outside = frame["group"].isna()
    assert (frame.loc[outside, "group_sector"] == "unaffiliated").all()
    assert frame.loc[outside].groupby("group_cluster")["firm"].nunique().max() == 1
    clusters = frame.loc[~outside].groupby("group")["group_cluster"].nunique()
    assert (clusters == 1).all()


def test_shares_contracts_and_never_adopters_by_loop(world, sample):
    panel, contracts = world.data.panel, world.data.contracts
    signed = contracts.groupby("firm")["year"].apply(set)
    members = panel.groupby(["region", "sector", "year"])["firm"].apply(list)

    def share(row, year):
        others = [firm for firm in members.get((row.region, row.sector, year), []) if firm != row.firm]
        if not others:
            return np.nan
        return np.mean([min(signed.get(firm, {9999})) <= year for firm in others])

    for row in sample.frame.sample(80, random_state=1).itertuples():
        own = signed.get(row.firm, set())
        assert row.share_change == pytest.approx(share(row, row.end - 2) - share(row, row.start - 2), nan_ok=True)
        assert row.new_contract == (row.end in own) - (row.start in own)
        assert row.never == (not any(1970 <= year <= 1982 for year in own))


def test_instrument_by_loop(world, sample):
    panel, contracts = world.data.panel, world.data.contracts
    first = contracts.groupby("firm")["year"].min()
    places = world.data.regions.set_index("region")
    apart = pd.DataFrame(great_circle(places["latitude"], places["longitude"]), places.index, places.index)
    counts = panel.groupby(["region", "sector", "year"]).size()
    nation = panel.groupby(["sector", "year"]).size()
    record = set(zip(panel["firm"], panel["year"], strict=True))

    def instrument(row):
        units = panel[(panel["year"] == row.start) & (panel["sector"] == row.sector) & panel["group"].notna()]
        values = {}
        own_count = counts.get((row.region, row.sector, row.start - 2), 0) - ((row.firm, row.start - 2) in record)
        for year in (row.start - 2, row.end - 2):
            total = 0
            for group, of_group in units.groupby("group"):
                if group == row.group or row.region not in set(of_group["region"]):
                    continue
                for unit in of_group.itertuples():
                    far = unit.region != row.region and apart.loc[row.region, unit.region] > 100.0
                    total += far and first.get(unit.firm, 9999) <= year
            others = [
                nation[row.sector, when] - counts.get((row.region, row.sector, when), 0)
                for when in (row.start - 2, year)
            ]
            predicted = others[1] / others[0] * own_count
            values[year] = total / predicted if predicted > 0 else np.nan
        return values[row.end - 2] - values[row.start - 2]

    rows = list(sample.frame.sample(40, random_state=2).itertuples())
    found = [row.instrument for row in rows]
    np.testing.assert_allclose(found, [instrument(row) for row in rows], rtol=1e-10, atol=1e-12)
    assert np.count_nonzero(np.nan_to_num(found)) > 5


def test_sales_instrument_by_loop(world, sample):
    """The control is the same map with sales for adoptions, of units whose sales are known at both dates."""
    panel = world.data.panel
    places = world.data.regions.set_index("region")
    apart = pd.DataFrame(great_circle(places["latitude"], places["longitude"]), places.index, places.index)
    sales = panel.set_index(["firm", "year"])["sales"]
    cells = panel.groupby(["region", "sector", "year"])["sales"].sum()
    nation = panel.groupby(["sector", "year"])["sales"].sum()
    for row in sample.frame.sample(25, random_state=3).itertuples():
        units = panel[(panel["year"] == row.start) & (panel["sector"] == row.sector) & panel["group"].notna()]
        base = cells.get((row.region, row.sector, row.start - 2), 0.0) - sales.get((row.firm, row.start - 2), 0.0)
        built = {}
        for year in (row.start - 2, row.end - 2):
            total = 0.0
            for group, of_group in units.groupby("group"):
                if group == row.group or row.region not in set(of_group["region"]):
                    continue
                for unit in of_group.itertuples():
                    both = [sales.get((unit.firm, date), np.nan) for date in (row.start - 2, row.end - 2)]
                    if apart.loc[row.region, unit.region] > 100.0 and np.isfinite(both).all():
                        total += sales[unit.firm, year]
            growth = [
                nation[row.sector, when] - cells.get((row.region, row.sector, when), 0.0)
                for when in (row.start - 2, year)
            ]
            built[year] = total / (growth[1] / growth[0] * base)
        change = built[row.end - 2] - built[row.start - 2]
        assert row.group_sales_instrument == pytest.approx(change, rel=1e-8, abs=1e-10)


def test_iv_recovers_the_truth_where_least_squares_does_not():
    """Six worlds; the larger study is tests/validation/test_spillover_coverage.py."""
    found = []
    for seed in range(6):
        made = spillover_sample(spillover_world(seed).data)
        asked = [(TABLE1[0], "A"), (TABLE1[1], "A"), (TABLE1[1], "B")]
        found.append([estimate_column(made, column, panel).estimate for column, panel in asked])
    least_squares, spillover, complementarity = np.array(found).T
    critical = stats.t.ppf(0.995, 5)
    for estimates, truth in ((spillover, 2.7), (complementarity, 0.3)):
        assert abs(estimates.mean() - truth) < critical * stats.sem(estimates)
    assert stats.sem(spillover) < 0.5
    # booms push least squares up by more than chance
    assert least_squares.mean() - 2.7 > critical * stats.sem(least_squares)


def test_all_columns_of_both_panels(table):
    tidy = table.tidy().set_index(["panel", "column"])
    assert tidy.index.tolist() == [(panel, f"({k})") for panel in "AB" for k in range(1, 9)]
    assert tidy["Estimate"].notna().all()
    assert (tidy.loc["A", "N"].nunique(), tidy.loc["B", "N"].nunique()) == (1, 1)
    assert tidy.loc[("A", "(3)"), "N"] < tidy.loc[("B", "(3)"), "N"]
    assert tidy["KP F"].isna().tolist() == ([True] + [False] * 7) * 2
    ivs = tidy[tidy["estimator"] == "iv"]
    np.testing.assert_allclose(ivs["KP F"], ivs["effective F"], rtol=1e-8)  # one instrument
    # credit is absent from no column's controls but 5 and 8
    assert [name for (panel, name), row in tidy.iterrows() if panel == "A" and "credit" in row["controls"]] == [
        "(5)",
        "(8)",
    ]
    last = table.column("A", "(8)").regression
    for name in ("credit", "complex_tax", "import_tariff_port", "predicted_exports_port", "market_access_change"):
        assert name in last.names or name in (*last.dropped.absorbed, *last.dropped.collinear), name


def test_estimates_are_those_of_the_matrix_formula(sample, table):
    """Column 2 with fixed effects as dummies, by hand."""
    fit = table.column("A", "(2)").regression
    used = sample.frame.loc[fit.rows]
    dummies = pd.get_dummies(used[["region", "sector", "group_sector", "span"]].astype(str), dtype=float).to_numpy()
    controls = np.column_stack([used["initial"], dummies])
    y, x, z = (used[name].to_numpy() for name in ("change", "share_change", "instrument"))
    z = z - controls @ np.linalg.lstsq(controls, z, rcond=None)[0]
    assert fit.coefficient("share_change") == pytest.approx((z @ y) / (z @ x), rel=1e-8)


def test_anderson_rubin_sets_are_of_scores_under_the_null(table):
    """Their ends are where m²/S = χ², with m and S the sums of z̃(ỹ − βx̃) over rows and over clusters."""
    column = table.column("A", "(2)")
    problem = column.regression.problem
    net = np.column_stack([problem.outcome, problem.endogenous, problem.instruments])
    if problem.exogenous.shape[1]:
        net = net - problem.exogenous @ np.linalg.lstsq(problem.exogenous, net, rcond=None)[0]
    ends = [end for piece in column.anderson_rubin.intervals for end in piece if np.isfinite(end)]
    assert ends
    for beta in ends:
        moments = net[:, 2] * (net[:, 0] - beta * net[:, 1])
        variance = sum(term.sign * np.sum(np.bincount(term.codes, moments) ** 2) for term in problem.clusters.terms())
        assert moments.sum() ** 2 / variance == pytest.approx(stats.chi2.ppf(0.95, 1), rel=1e-6)


def test_initial_level_can_be_left_out(sample):
    with_it, without = (spillovers(sample, panels=["A"], initial=flag) for flag in (True, False))
    assert "initial" in with_it.column("A", "(3)").regression.names
    assert "initial" not in without.column("A", "(3)").regression.names
    assert with_it.column("A", "(3)").estimate != without.column("A", "(3)").estimate


def test_renderings_say_what_was_left_out(table):
    text = table.summary()
    assert "Panel A. Local spillover" in text
    assert "singletons" in text
    assert "left out as absorbed or collinear" in text
    latex, html = table.to_latex(), table.to_html()
    assert latex.count("Panel ") == html.count("Panel ") == 2
    assert latex.count(r"\\") == 1 + 2 * (1 + len(table.grid("A")))
    estimate = f"{table.column('B', '(3)').estimate:.2f}"
    assert estimate in latex
    assert estimate in html
    assert table.plot("A").get_title().startswith("Local spillover")


def test_average_and_joint_covariance(table):
    names = ["(2)", "(3)", "(4)"]
    mean = table.average("A", names)
    columns = [table.column("A", name) for name in names]
    assert mean.estimate == pytest.approx(np.mean([column.estimate for column in columns]))
    joint = table.joint([("A", "(3)"), ("B", "(3)")])
    own = [table.column(panel, "(3)").standard_error for panel in "AB"]
    np.testing.assert_allclose(joint.standard_errors, own, rtol=1e-6)
    assert table.average("A", ["(3)"]).standard_error == pytest.approx(own[0], rel=1e-6)
    # the mean of the columns' influence functions, summed over clusters by hand; the factor is that of a column alone
    series = [
        pd.Series(c.regression.influence[:, c.regression.position("share_change")], c.regression.rows) for c in columns
    ]
    frame = table.sample.frame

    def raw(influence):
        labels = frame.loc[influence.index]
        sums = [
            (influence.groupby([labels[name] for name in by]).sum() ** 2).sum()
            for by in (["region"], ["group_cluster"], ["region", "group_cluster"])
        ]
        return np.sqrt(sums[0] + sums[1] - sums[2])

    factor = own[0] / raw(series[1])
    assert mean.standard_error == pytest.approx(factor * raw(sum(series)) / 3, rel=1e-3)


def test_a_block_that_the_data_lack_is_not_estimated_in_silence():
    bare = spillover_sample(spillover_world(2).data)
    table = spillovers(bare, panels=["A"])
    for name in ("(5)", "(6)", "(8)"):
        column = table.column("A", name)
        assert column.regression is None
        assert "not available" in column.reason
        assert np.isnan(column.estimate)
    assert table.grid("A").loc["Δ share", "(5)"] == "n/a"
    assert "not estimated" in table.summary()
    assert bare.unavailable["credit"] == "there is no frame 'credit'"
    assert "trade: there is no frame 'tariffs', there is no frame 'trade_fairs'" in table.column("A", "(8)").reason
    with pytest.raises(InvalidValue, match="not estimated"):
        table.average("A", ["(3)", "(5)"])


def test_an_outcome_that_controls_explain_exactly_is_no_estimate(world, sample):
    # nobody signs in the spans' last years: the change is the initial level with its sign turned
    still = replace(sample, frame=sample.frame.assign(new_contract=-sample.frame["new_contract_initial"]))
    for name in ("(1)", "(2)"):
        column = spillovers(still, panels=["B"]).column("B", name)
        assert column.regression is None
        assert "explain the outcome exactly" in column.reason


def test_years_of_adoption_have_to_cover_the_spans(world):
    # with years of another panel every firm would count as a never-adopter, unnoticed
    with pytest.raises(InvalidValue, match=r"adoption_years = \(1950, 1960\) is refused.*cover the spans"):
        spillover_sample(world.data, SpilloverDesign(adoption_years=(1950, 1960)))


def test_controls_by_loop(world, sample):
    credit, fairs = world.data.credit, world.data.trade_fairs
    tariffs = world.data.tariffs.set_index(["sector", "year"])
    complexes = world.data.complexes
    places = world.data.regions.set_index("region")
    exports = world.data.panel.set_index(["firm", "year"])["exports"]
    rows = sample.frame
    chosen = pd.concat([rows[rows["credit"] > 0].head(10), rows[rows["fair_revenue"] > 0].head(10), rows.head(15)])
    assert (chosen["complex"] > 0).any()
    for row in chosen.itertuples():
        got = credit[(credit["firm"] == row.firm) & credit["year"].between(row.start, row.end)]["amount"].sum()
        assert row.credit == pytest.approx(np.arcsinh(got))
        been = fairs[(fairs["firm"] == row.firm) & fairs["year"].between(row.start, row.end)]
        assert row.fair_revenue == pytest.approx(np.arcsinh(been["revenue"].sum()))
        assert row.fair_participations == pytest.approx(np.arcsinh(been["participations"].sum()))
        rates = [tariffs.loc[(row.sector, year), "import_tariff"] for year in (row.start, row.end)]
        assert row.import_tariff == pytest.approx(np.log1p(rates[1]) - np.log1p(rates[0]))
        sites = complexes[(complexes["region"] == row.region) & (complexes["first_year"] <= row.end)]
        sites = sites[sites["sector"].isna() | (sites["sector"] == row.sector)]
        assert row.complex == float(len(sites) > 0)
        assert row.complex_tax == (sites["tax_favour"].max() if len(sites) else 0.0)
        here = places.loc[row.region]
        port = great_circle([here["latitude"]], [here["longitude"]], PORTS["latitude"], PORTS["longitude"]).min()
        assert row.import_tariff_port == pytest.approx(row.import_tariff * np.log(max(port, 1.0)))
        assert row.exporter == float(exports.get((row.firm, row.start), 0.0) > 0)


def test_market_access_by_loop():
    rng = np.random.default_rng(0)
    first, last = rng.uniform(1.0, 5.0, (2, 6, 3))
    distance = rng.uniform(10.0, 300.0, (6, 6))
    distance = distance + distance.T
    access = market_access(first.sum(axis=1), distance, 1.3)
    predicted = predicted_market_access(first, last, distance, 1.3)
    for n in range(6):
        others = [m for m in range(6) if m != n]
        assert access[n] == pytest.approx(sum(first[m].sum() * distance[n, m] ** -1.3 for m in others))
        growth = [sum(last[m, j] for m in others) / sum(first[m, j] for m in others) for j in range(3)]
        expected = sum(distance[n, m] ** -1.3 * first[m, j] * growth[j] for m in others for j in range(3))
        assert predicted[n] == pytest.approx(expected)
    own = market_access(first.sum(axis=1), distance, 1.3, include_own=True)
    np.testing.assert_allclose(own - access, first.sum(axis=1) * np.diag(distance) ** -1.3)
    with pytest.raises(InvalidValue, match="positive"):
        market_access([1.0, 1.0], np.zeros((2, 2)))
    with pytest.raises(InvalidValue, match="percentile"):
        threshold([1.0], 101)


def test_effect_at_a_percentile_is_that_of_the_recentred_regression(sample):
    """Centring at the percentile makes the effect there a coefficient, with its own standard error."""
    found = access_interaction(sample, [80.0], panel="A")
    at = found.effects[0]
    names = ["share_change", "share_access"]
    places = [found.regression.position(name) for name in names]
    beta = found.regression.coefficients[places]
    covariance = found.regression.covariance.matrix[np.ix_(places, places)]
    access = sample.frame.sort_values("start").drop_duplicates("region")["market_access_initial"]
    moved = np.percentile(access, 80.0) - access.mean()
    assert at.estimate == pytest.approx(beta[0] + moved * beta[1])
    assert at.standard_error == pytest.approx(
        np.sqrt(covariance[0, 0] + 2 * moved * covariance[0, 1] + moved**2 * covariance[1, 1])
    )
    draws = np.random.default_rng(0).multivariate_normal(beta, covariance, 200_000) @ [1.0, moved]
    assert at.standard_error == pytest.approx(draws.std(), rel=0.02)
    assert effects_at_percentiles([80.0], access, beta, covariance, access.mean())[0] == at


def test_split_at_a_percentile(sample):
    found = access_split(sample, 80.0, TABLE1[1], "A")
    above, below = found.effects
    assert found.regions_above == pytest.approx(0.2 * found.regions, abs=1)
    assert found.difference.estimate == pytest.approx(above.estimate - below.estimate)
    assert 0 <= found.p_value <= 1
    assert "Kleibergen-Paap" in found.summary()
    # on regions of one side alone, without effects that both share, the regression would be that side's own
    ols_split = access_split(sample, 80.0, replace(TABLE1[0], effects=("region",), initial=False), "A")
    rows = sample.frame[sample.frame["never"]]
    access = sample.frame.sort_values("start").drop_duplicates("region").set_index("region")["market_access_initial"]
    high = rows[rows["region"].isin(access.index[access > np.percentile(access, 80.0)])]
    alone = estimate_column(sample, replace(TABLE1[0], effects=("region",), initial=False), "A", data=high)
    assert ols_split.effects[0].estimate == pytest.approx(alone.estimate, rel=1e-8)
    with pytest.raises(InvalidValue, match="both sides"):
        access_split(sample, 100.0)


def test_combination_is_a_quadratic_form():
    found = combination("d", [1.0, -1.0], [1.07, 0.29], [[0.09, 0.01], [0.01, 0.04]])
    assert (found.estimate, found.standard_error) == (pytest.approx(0.78), pytest.approx(np.sqrt(0.11)))


def test_country_choice_rows_by_loop(world):
    rows, counts = country_choice_rows(world.data)
    panel, contracts = world.data.panel, world.data.contracts
    members = panel.groupby(["region", "sector", "year"])["firm"].apply(set)
    signed = {firm: list(zip(own["country"], own["year"], strict=True)) for firm, own in contracts.groupby("firm")}
    for row in rows.sample(60, random_state=0).itertuples():
        others = members.get((row.region, row.sector, row.year - 2), set()) - {row.firm}
        using = [any(c == row.country and year <= row.year - 2 for c, year in signed.get(firm, [])) for firm in others]
        assert row.peers == pytest.approx(np.mean(using))
        assert row.chosen == float((row.country, row.year) in signed[row.firm])
    assert (rows.groupby("signing").size() == 3).all()
    assert counts["without_country"] == 0
    all_signings = contracts[contracts["year"].between(1970, 1980)].drop_duplicates(["firm", "year"])
    assert rows["signing"].nunique() + counts["off_record"] + counts["without_peers"] == len(all_signings)


def test_peers_countries_are_followed_where_they_are():
    """Countries that copy earlier local contracts give a positive effect, random ones none."""
    world = spillover_world(4)
    contracts = world.data.contracts.sort_values("year").reset_index(drop=True)
    panel = world.data.panel
    place = panel.drop_duplicates("firm").set_index("firm")
    cell = (place["region"] + place["sector"]).to_dict()
    rng = np.random.default_rng(0)
    past = {}
    for index, row in contracts.iterrows():
        known = [country for year, country in past.get(cell[row["firm"]], []) if year <= row["year"] - 2]
        if known and rng.random() < 0.6:
            contracts.loc[index, "country"] = rng.choice(known)
        past.setdefault(cell[row["firm"]], []).append((row["year"], contracts.loc[index, "country"]))
    copied = MicroData.of(panel=panel, contracts=contracts, regions=world.data.regions, label="synthetic")
    follows, random = country_choice(copied), country_choice(world.data)
    t = [f.regression.coefficient("peers") / f.regression.standard_error("peers") for f in (follows, random)]
    assert t[0] > 4
    assert abs(t[1]) < 3
    assert follows.base_rate == pytest.approx(1 / 3, abs=0.03)


def test_designs_change_what_they_say(world, sample):
    narrow = spillover_sample(world.data, SpilloverDesign(ring=0.0))
    assert (narrow.frame["instrument"].abs() >= 0).sum() == (sample.frame["instrument"].abs() >= 0).sum()
    exposed = [(s.instrument.operator != 0).sum() for s in (narrow, sample)]
    assert exposed[0] > exposed[1]
    three = spillover_sample(world.data, SpilloverDesign(lag=1, spans=((1971, 1978),)))
    assert three.instrument.dates == (1970, 1977)
    active = spillover_sample(world.data, SpilloverDesign(definition="active", duration=3))
    observed = world.data.panel.assign(
        adopter=[
            bool(set(range(year - 2, year + 1)) & own)
            for own, year in zip(
                world.data.panel["firm"]
                .map(world.data.contracts.groupby("firm")["year"].apply(set))
                .apply(lambda years: years if isinstance(years, set) else set()),
                world.data.panel["year"],
                strict=True,
            )
        ]
    )
    at = active.frame[["firm", "region", "sector"]].assign(year=active.frame["start"])
    np.testing.assert_allclose(active.frame["share_start"], adopter_shares(observed, lag=2, at=at).share)


def test_tfpr_or_any_other_outcome(world):
    panel = world.data.panel.assign(tfpr=lambda frame: np.sin(np.arange(len(frame))))
    data = MicroData.of(
        panel=panel,
        contracts=world.data.contracts,
        regions=world.data.regions,
        label="synthetic",
        extra={"panel": ["tfpr"]},
    )
    made = spillover_sample(data, SpilloverDesign(outcome="tfpr", logs=False))
    values = panel.set_index(["firm", "year"])["tfpr"]
    row = made.frame.iloc[7]
    assert row["change"] == pytest.approx(values[row["firm"], row["end"]] - values[row["firm"], row["start"]])


@pytest.mark.parametrize(
    ("design", "message"),
    [
        (SpilloverDesign(spans=((1979, 1972),)), "spans"),
        (SpilloverDesign(spans=((1972, 1979), (1972, 1979))), "different"),
        (SpilloverDesign(lag=-1), "lag"),
        (SpilloverDesign(spans=((1950, 1957),)), "on record at both ends"),
        (SpilloverDesign(ring=-5.0), "ring"),
    ],
)
def test_bad_designs_are_refused(world, design, message):
    with pytest.raises(InvalidValue, match=message):
        spillover_sample(world.data, design)


def test_bad_requests_are_refused(world, sample, table):
    alone = MicroData.of(panel=world.data.panel, label="synthetic")
    with pytest.raises(FrameMissing, match="contracts"):
        spillover_sample(alone)
    with pytest.raises(InvalidValue, match="a block"):
        spillovers(sample, specifications=[Specification("x", controls=("weather",))])
    with pytest.raises(InvalidValue, match="own name"):
        spillovers(sample, specifications=[Specification("x"), Specification("x")])
    with pytest.raises(InvalidValue, match="panel"):
        spillovers(sample, panels=["C"])
    with pytest.raises(InvalidValue, match="left out"):
        spillovers(sample, design=SpilloverDesign())
    with pytest.raises(InvalidValue, match="choose among"):
        table.column("A", "(9)")
    with pytest.raises(InvalidValue, match="estimator"):
        estimate_column(sample, Specification("x", "gmm"), "A")
    with pytest.raises(InvalidValue, match="lag"):
        country_choice_rows(world.data, lag=-1)
