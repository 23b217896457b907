"""The simulated firm panel: its numbers, and its identities recomputed from the tables that it returns."""

import importlib.util
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.special import ndtr

from bigpush_est.data.firm_panel import simulate_firm_panel
from bigpush_est.data.firm_panel_population import shipped_economy
from bigpush_est.data.geography import great_circle
from bigpush_est.data.sample_panel import sample_panel
from bigpush_est.reduced_form.events.event_study import winners_vs_losers

from .simulated_panels import BASE, SCALE, exogenous, small, with_firms


@pytest.fixture(scope="module")
def full():
    return simulate_firm_panel(seed=11)


@pytest.fixture(scope="module")
def panel():
    return small()


@pytest.fixture(scope="module")
def exact():
    """Without recording errors, gaps or missing numbers: what is on record is the truth, to six digits."""
    return simulate_firm_panel(BASE.without("measurement_error", "incomplete_coverage"), 1, scale=SCALE)


# -- counts ------------------------------------------------------------------------------------------------------------


def test_counts_of_the_paper(full):
    data, firms = full.data, full.truth.firms
    contracts = data.contracts
    assert data.label == "synthetic"
    assert data.firms == data.panel["firm"].nunique() == len(firms) == 6230
    assert data.years == (1970, 1982)
    assert set(data.panel["year"]) == set(range(1970, 1983))
    assert data.panel["region"].nunique() == len(data.regions) == 86
    assert data.panel["sector"].nunique() == len(data.sectors) == 10
    assert data.sectors["heavy"].sum() == 4
    assert round(100 * firms["heavy"].mean()) == 47
    assert (len(contracts), contracts["firm"].nunique()) == (1634, 587)
    heavy = contracts["firm"].map(firms.set_index("firm")["heavy"])
    assert round(100 * heavy.mean()) == 85
    assert round(100 * contracts.loc[heavy, "firm"].nunique() / firms["heavy"].sum()) == 16
    assert contracts["cancelled_by"].value_counts().to_dict() == {"foreign": 38, "domestic": 12, "government": 4}


def test_losers(full):
    """A cancelled first contract, and later none or one, from the contracts alone."""
    contracts = full.data.contracts
    lost = contracts[contracts["cancelled_by"] == "foreign"]
    kept = contracts[contracts["cancelled_year"].isna()].groupby("firm")["year"].min()
    later = lost["firm"].map(kept)
    assert lost["firm"].is_unique
    assert (later.notna().sum(), later.isna().sum()) == (25, 13)
    assert (later.dropna() > lost.loc[later.notna(), "year"]).all()
    assert (lost["year"].to_numpy() == lost["firm"].map(contracts.groupby("firm")["year"].min())).all()
    said = lost["firm"].map(full.truth.firms.set_index("firm")["loser"])
    assert (said == np.where(later.isna(), "never", "delayed")).all()
    assert full.truth.firms["loser"].notna().sum() == 38
    # who cancelled does not come back
    first = lost.set_index("firm")["partner"]
    second = contracts[contracts["firm"].isin(first.index)].groupby("firm")["partner"].nth(1)
    again = contracts.loc[second.index, "firm"].map(first)
    assert (second != again).all()


def test_losers_have_winners_to_match(full):
    """Another firm signs in the same region, sector and year, keeps its contract, and is on record two years before."""
    data, firms = full.data, full.truth.firms.set_index("firm")
    first = data.contracts.drop_duplicates("firm")
    first = first.assign(cell=first["firm"].map(firms["region"]) + first["firm"].map(firms["sector"]))
    rows = set(zip(data.panel["firm"], data.panel["year"], strict=True))
    pairs = zip(first["firm"], first["year"], strict=True)
    seen = np.array([{(firm, year - 1), (firm, year - 2)} <= rows for firm, year in pairs])
    winners = first[seen & first["cancelled_year"].isna()]
    lost = first[first["cancelled_by"] == "foreign"]
    pool = set(zip(winners["cell"], winners["year"], strict=True))
    assert all(pair in pool for pair in zip(lost["cell"], lost["year"], strict=True))
    assert seen[first["cancelled_by"] == "foreign"].all()


def test_groups(full):
    groups, panel = full.data.groups, full.data.panel
    assert groups["group"].nunique() == 59
    assert len(groups) == groups["firm"].nunique() == 295  # five a group
    sizes = groups.groupby("group").size()
    assert sizes.min() >= 2
    assert sizes.max() > 2 * sizes.median()
    home = panel.drop_duplicates("firm").set_index("firm")[["region", "group"]]
    assert (home.loc[groups["firm"], "group"].to_numpy() == groups["group"].to_numpy()).all()
    assert home["group"].notna().sum() == 295
    places = full.data.regions.set_index("region")
    distance = great_circle(places["latitude"].to_numpy(), places["longitude"].to_numpy())
    position = pd.Series(np.arange(len(places)), index=places.index)
    for _, members in groups.groupby("group"):
        at = position[home.loc[members["firm"], "region"]].to_numpy()
        assert distance[np.ix_(at, at)].max() > 100  # the instrument's ring


def test_smaller_panels_meet_their_own_numbers():
    for scale in (0.1, 0.35):
        simulated = simulate_firm_panel(seed=4, scale=scale)
        design, contracts = BASE.scaled(scale), simulated.data.contracts
        assert simulated.data.firms == design.firms == round(6230 * scale)
        assert (len(contracts), contracts["firm"].nunique()) == (design.contracts, design.signers)
        assert (contracts["cancelled_by"] == "foreign").sum() == design.losers
        assert (simulated.truth.firms["loser"] == "never").sum() == design.never_losers
        assert simulated.data.groups["group"].nunique() == design.groups


def test_support_and_partners(full):
    """Credit goes to a fifth of adopters and one in fifty others; 57% of contracts are with Japan, 21% with the US."""
    data, firms = full.data, full.truth.firms
    adopters = set(firms.loc[firms["adopted"].notna(), "firm"])
    supported = set(data.credit["firm"])
    for count, total, wanted in (
        (len(supported & adopters), len(adopters), 0.21),
        (len(supported - adopters), len(firms) - len(adopters), 0.02),
    ):
        assert count / total == pytest.approx(wanted, abs=4 * np.sqrt(wanted / total) + 0.15 * wanted)
    assert data.credit["year"].between(1973, 1979).all()
    shares = data.contracts["country"].value_counts(normalize=True)
    # neighbours draw each other to a country, so that contracts are fewer independent draws than they are
    assert shares["Japan"] == pytest.approx(0.57, abs=0.1)
    assert shares["United States"] == pytest.approx(0.21, abs=0.1)
    fairs = data.trade_fairs.merge(data.panel, on=["firm", "year"])
    assert len(fairs) > 100
    assert (fairs["exports"] > 0).all()


# -- seeds -------------------------------------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_bits(panel):
    again = small()
    for name, frame in panel.data.frames.items():
        pd.testing.assert_frame_equal(frame, again.data.frames[name], check_exact=True)
    for name in ("firm_years", "firms", "cells"):
        pd.testing.assert_frame_equal(getattr(panel.truth, name), getattr(again.truth, name), check_exact=True)


def test_another_seed_gives_another_panel(panel):
    other = small(seed=2)
    a, b = (simulated.truth.firm_years["log_sales"] for simulated in (panel, other))
    assert not np.isin(a, b).any()
    assert not panel.data.contracts["firm"].equals(other.data.contracts["firm"])


# -- accounts ----------------------------------------------------------------------------------------------------------


def test_shares_by_brute_force(panel):
    """Both shares of eq. (3.2), firm by firm over the lists of neighbours, two years before."""
    rows = with_firms(panel)
    lag = BASE.spillover_lag
    data = panel.data
    kept = data.contracts[data.contracts["cancelled_year"].isna()].groupby("firm")["year"].min()
    active, recorded = {}, {}
    for firm, year, region, sector in rows[["firm", "year", "region", "sector"]].itertuples(index=False):
        active.setdefault((region, sector, year), []).append(firm)
    for firm, year, region, sector in data.panel[["firm", "year", "region", "sector"]].itertuples(index=False):
        recorded.setdefault((region, sector, year), []).append(firm)

    def share(lists, firm, region, sector, year, empty):
        others = [other for other in lists.get((region, sector, year), []) if other != firm]
        return sum(kept.get(other, np.inf) <= year for other in others) / len(others) if others else empty

    sample = rows.sample(1500, random_state=0)
    for row in sample.itertuples():
        cell = (row.firm, row.region, row.sector, row.year - lag)
        before = row.year - lag < 1970
        assert row.share_lag == pytest.approx(0.0 if before else share(active, *cell, 0.0), abs=1e-12)
        found = np.nan if before else share(recorded, *cell, np.nan)
        assert row.recorded_share_lag == pytest.approx(found, abs=1e-12, nan_ok=True)
    assert (sample["share_lag"] > 0).sum() > 200
    assert (sample["share_lag"] - sample["recorded_share_lag"]).abs().max() > 0.05


def test_cells(panel):
    rows = with_firms(panel)
    key = ["region", "sector", "year"]
    counted = rows.groupby(key).agg(
        firms=("firm", "size"), adopters=("holds", "sum"), recorded_firms=("recorded", "sum")
    )
    cells = panel.truth.cells.set_index(key)
    assert cells.index.is_unique
    assert cells["firms"].sum() == len(rows)
    for name in counted:
        assert (cells.loc[counted.index, name] == counted[name]).all()
    first = panel.truth.cells.query("year == 1970")
    assert (first[["boom", "setback"]] == 0).all().all()


def test_effect_is_technology_and_subsidy(panel):
    """e·log η times the part phased in, and −(σ−1)·log(1−s̄) while the subsidy is paid."""
    rows = with_firms(panel)
    assert np.allclose(rows["effect"], rows["log_sales"] - rows["log_sales_never"], atol=1e-12)
    since = (rows["year"] - rows["adopted"]).where(rows["holds"])
    part = since.clip(upper=4).map({0: 0.2, 1: 0.4, 2: 0.6, 3: 0.8, 4: 1.0}).fillna(0.0)
    assert np.allclose(rows["phase"], part)
    paid = -(BASE.sigma - 1) * np.log(1 - rows["subsidy"]) * rows["holds"]
    assert np.allclose(rows["effect"], panel.truth.direct_effect * part + paid, atol=1e-12)
    full = panel.truth.direct_effect - (BASE.sigma - 1) * np.log(1 - rows["subsidy"])
    assert np.allclose(rows["log_sales_full"] - rows["log_sales_never"], full, atol=1e-12)
    assert (rows.loc[~rows["holds"], "effect"] == 0).all()
    path = panel.truth.effect_path
    assert path["count"].sum() == rows["holds"].sum()
    by_hand = [rows.loc[since == k, "effect"].mean() for k in path.index]
    assert np.allclose(path["mean"], by_hand)
    assert np.allclose(path.loc[[0, 2, 6], "technology"], 4 * np.log(1.25) * np.array([0.2, 0.6, 1.0]))


def test_subsidy(panel):
    rows = with_firms(panel).merge(panel.data.regions[["region", "subsidised"]], on="region")
    due = rows["heavy"] & rows["subsidised"].astype(bool) & rows["year"].between(1973, 1979)
    assert (rows["subsidy"] == np.where(due, 0.06, 0.0)).all()
    assert 0 < due.sum() < len(rows)
    assert panel.truth.design.subsidy_effect == pytest.approx(-4 * np.log(0.94))


def test_contracts_and_adoption(panel):
    """Firms have technology from their first contract in force on, and never before."""
    data, firms = panel.data, panel.truth.firms.set_index("firm")
    contracts = data.contracts
    assert (firms["signed"].dropna() == contracts.groupby("firm")["year"].min()).all()
    kept = contracts[contracts["cancelled_year"].isna()].groupby("firm")["year"].min()
    assert (firms["adopted"].dropna() == kept).all()
    assert firms["adopted"].notna().sum() == len(kept)
    rows = with_firms(panel)
    assert (rows["holds"] == (rows["year"] >= rows["firm"].map(kept).fillna(np.inf))).all()
    active = set(zip(rows["firm"], rows["year"], strict=True))
    assert all(pair in active for pair in zip(contracts["firm"], contracts["year"], strict=True))


def test_records_are_the_truth_where_nothing_is_lost(exact):
    rows = exact.truth.firm_years
    data = exact.data.panel
    assert len(data) == len(rows)
    assert rows["recorded"].all()
    merged = data.merge(rows, on=["firm", "year"])
    assert np.allclose(np.log(merged["sales"]), merged["log_sales"], atol=1e-5)
    assert np.allclose(merged["share_lag"], merged["recorded_share_lag"].fillna(0.0))
    employment = data.loc[data["year"] >= 1972, "employment"]
    assert employment.notna().all()


def test_inputs(exact):
    """Materials are γ^M/(μ(1−s)) of kept revenue, and productivity is what is left of revenue after inputs."""
    economy = shipped_economy()
    rows = exact.data.panel.merge(with_firms(exact), on=["firm", "year", "region", "sector"])
    materials = np.where(
        rows["heavy"],
        *(economy.input_share[0][economy.sectors.index(name)].sum() for name in ("heavy", "light")),
    )
    paid = -np.log(1 - rows["subsidy"]) * rows["holds"]
    spent = np.log(rows["materials"]) - rows["log_sales"]
    assert np.allclose(spent, np.log(materials) - np.log(1.25) + paid, atol=1e-5)
    assert (paid > 0).sum() > 50
    rows["value"] = (np.log(rows["employment"]) + np.log(0.003)) * 2 + np.log(rows["fixed_assets"])
    weighted = materials * np.log(rows["materials"]) + (1 - materials) / 3 * rows["value"]
    large = rows["employment"] > 2000  # rounding to persons is small
    assert large.sum() > 100
    assert np.allclose(rows["tfpr_cost_share"][large], (rows["log_sales"] - weighted)[large], atol=2e-4)
    assert np.allclose(rows["tfpr_revenue"][large], (rows["log_sales"] - weighted / 1.25)[large], atol=2e-4)


def test_assets_are_not_fixed_assets_in_another_unit(exact):
    """Firms are matched on both: their ratio varies even where nothing is recorded with error."""
    ratio = np.log(exact.data.panel["assets"] / exact.data.panel["fixed_assets"])
    assert ratio.mean() == pytest.approx(np.log(1.8), abs=0.01)
    assert ratio.std() == pytest.approx(0.05, rel=0.05)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        assert winners_vs_losers(exact.data).design.matches.count > 0


def test_recording_errors(full):
    merged = full.data.panel.merge(full.truth.firm_years, on=["firm", "year"])
    error = np.log(merged["sales"]) - merged["log_sales"]
    assert abs(error.mean()) < 4 * 0.1 / np.sqrt(error.size)
    assert error.std() == pytest.approx(0.1, rel=4 / np.sqrt(2 * error.size))
    assert stats.pearsonr(error, merged["log_sales"]).pvalue > 1e-4


@pytest.mark.parametrize(("definition", "exponent"), [("gross", 2.8), ("kept", 2.5)])
def test_exponent_of_recorded_sales(definition, exponent):
    """With ξ = −0.3 gross sales rise by (σ−1)(1+ξ) log η, kept ones by (σ(1+ξ)−1) log η: never by 4 log η."""
    simulated = small(distortion_elasticity=-0.3, sales_definition=definition, subsidy_rate=0.0)
    rows = simulated.truth.firm_years
    assert simulated.truth.direct_effect == pytest.approx(exponent * np.log(1.25))
    assert np.allclose(rows["effect"], exponent * np.log(1.25) * rows["phase"], atol=1e-12)
    assert simulated.data.sales_definition == definition


# -- who is on record --------------------------------------------------------------------------------------------------


def test_coverage(full):
    rows = full.truth.firm_years
    on_record = rows.groupby("year")["recorded"].agg(["mean", "size"])
    wanted = np.linspace(0.65, 0.97, 13) * 0.95
    margin = 4 * np.sqrt(wanted * (1 - wanted) / on_record["size"])
    # a firm that would be left out enters in its last year, which adds a little
    assert (on_record["mean"] > wanted - margin).all()
    assert (on_record["mean"] < wanted + margin + 0.03).all()
    pairs = full.truth.firm_years.query("recorded")[["firm", "year"]]
    stored = full.data.panel[["firm", "year"]]
    assert pairs.sort_values(["firm", "year"]).to_numpy().tolist() == stored.to_numpy().tolist()


def test_a_firm_once_reached_stays_on_record():
    rows = small(gaps=0.0).truth.firm_years.sort_values(["firm", "year"])
    fell = rows.groupby("firm")["recorded"].apply(lambda flags: (np.diff(flags.astype(int)) < 0).any())
    assert not fell.any()
    assert rows["recorded"].mean() < 0.95


def test_missing_employment(full):
    panel = full.data.panel
    early = panel["year"] < 1972
    assert panel.loc[early, "employment"].isna().all()
    later = panel.loc[~early, "employment"].isna()
    assert later.mean() == pytest.approx(0.08, abs=4 * np.sqrt(0.08 * 0.92 / later.size))
    assert panel.drop(columns=["employment", "group"]).notna().all().all()


def test_larger_firms_are_reached_first_if_asked():
    def correlation(**changes):
        simulated = small(gaps=0.0, **changes)
        first = simulated.data.panel.groupby("firm")["year"].min()
        rows = simulated.truth.firm_years.query("year == 1970")["firm"]  # there from the start
        size = simulated.truth.firms.set_index("firm")["size"]
        return stats.spearmanr(size[rows], first[rows]).statistic

    assert abs(correlation()) < 0.15
    assert correlation(coverage_by_size=0.8) < -0.3


def test_lives(full):
    """One spell each; the yearly hazard of exit is the design's; firms of groups are always there."""
    rows = full.truth.firm_years
    spell = rows.groupby("firm")["year"].agg(["min", "max", "size"])
    assert (spell["max"] - spell["min"] + 1 == spell["size"]).all()
    grouped = spell.index.isin(full.data.groups["firm"])
    assert (spell.loc[grouped, "size"] == 13).all()
    at_risk = spell[~grouped]
    exits = (at_risk["max"] < 1982).sum()
    chances = at_risk["size"].sum() - (at_risk["max"] == 1982).sum()
    assert exits / chances == pytest.approx(0.03, abs=4 * np.sqrt(0.03 / chances))


# -- productivity ------------------------------------------------------------------------------------------------------


def moving_square(gap, rho, shape=BASE.pareto_shape, ratio=BASE.pareto_ratio):
    """E(log x_{t+gap} − log x_t)² for bounded Pareto x whose normal scores have autocorrelation rho a year."""

    def log_x(score):
        return -np.log(1 - ndtr(score) * (1 - ratio**-shape)) / shape

    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    weights = weights / weights.sum()
    r = rho**gap
    later = r * nodes[:, None] + np.sqrt(1 - r**2) * nodes
    return weights @ (log_x(later) - log_x(nodes[:, None])) ** 2 @ weights


@pytest.mark.parametrize("rho", [0.8, 0.0])
def test_productivity_persists(rho):
    """Mean squared changes over one and three years are those of the stated process, from the truth's log z alone."""
    simulated = small(persistence=rho, growth_dispersion=0.0, local_shock_step=0.0, lagging_step=0.0)
    wide = exogenous(simulated).unstack()
    for gap in (1, 3):
        change = (wide - wide.shift(gap, axis=1)).iloc[:, gap:]
        by_firm = (change**2).mean(axis=1).dropna()
        error = by_firm.std() / np.sqrt(by_firm.size)
        assert abs(by_firm.mean() - moving_square(gap, rho)) < 4 * error
    spread = wide.sub(wide.mean(axis=1), axis=0).abs().max().max()
    assert spread < np.log(BASE.pareto_ratio)  # bounded above and below


def test_local_shocks_and_growth_enter_productivity(panel):
    """What is left of log z without them, spillover and technology: the bounded draw and a constant of the cell."""
    rows = with_firms(panel).merge(panel.truth.cells, on=["region", "sector", "year"])
    design = panel.truth.design
    own = rows["log_z"] - rows["boom"] + rows["setback"] - rows["growth"] * (rows["year"] - 1976)
    own -= design.delta * rows["share_lag"] + np.log(design.eta) * rows["phase"]
    reach = own.groupby([rows["region"], rows["sector"]]).agg(np.ptp)
    assert reach.max() < np.log(design.pareto_ratio)
    assert np.ptp(rows["log_z"]) > 3 * np.log(design.pareto_ratio)
    steps = panel.truth.cells.pivot(index=["region", "sector"], columns="year", values="boom").diff(axis=1)
    assert steps.iloc[:, 1:].stack().std() == pytest.approx(0.01, rel=0.15)
    assert steps[1976].corr(steps[1977]) == pytest.approx(0.9, abs=0.08)


# -- the sample that ships ---------------------------------------------------------------------------------------------


def test_the_sample_is_what_its_tool_draws():
    path = Path(__file__).parents[2] / "tools" / "build_sample_panel.py"
    spec = importlib.util.spec_from_file_location("build_sample_panel", path)
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    drawn = tool.draw()
    assert tool.differences(drawn, sample_panel()) == []
    moved = drawn.panel
    moved.loc[0, "sales"] *= 1.001
    changed = replace(drawn, frames={**drawn.frames, "panel": moved})
    assert [text.split(":")[0] for text in tool.differences(changed, sample_panel())] == ["panel"]
