"""TFPR on a simulated Cobb-Douglas panel whose elasticities and productivity are known."""

import numpy as np
import pandas as pd
import pytest

from bigpush_est.data.frames import MicroData
from bigpush_est.errors import ColumnMissing, InvalidValue
from bigpush_est.reduced_form.tfpr import control_function, cost_share_index

LABOUR, CAPITAL = 0.6, 0.4


def producers(seed=0, firms=600, years=10, error=0.1):
    """Firms as in Ackerberg, Caves and Frazer's first design.

    log Y = 0.6 l + 0.4 k + ω + ε with ω and log wages AR(1) and specific to the firm; l is chosen with ω known up to a
    part of the year's shock; investment follows ω and a firm's own cost of it; materials are proportional to output
    without ε.
    """
    rng = np.random.default_rng(seed)
    warm_up = 30
    omega, wage = rng.normal(0, 0.3, firms), rng.normal(0, 0.2, firms)
    capital, cost = rng.normal(2.0, 0.5, firms), rng.normal(0.0, 0.3, firms)
    rows = []
    for t in range(warm_up + years):
        early = 0.7**0.5 * omega + rng.normal(0, 0.15, firms)
        omega_now = 0.7**0.5 * early + rng.normal(0, 0.15, firms)
        wage = 0.5 * wage + rng.normal(0, 0.2, firms)
        labour = (np.log(LABOUR) + CAPITAL * capital + 0.7**0.5 * early - wage) / (1 - LABOUR)
        output = LABOUR * labour + CAPITAL * capital + omega_now
        if t >= warm_up:
            recorded = output + rng.normal(0, error, firms)
            rows.append(
                pd.DataFrame(
                    {
                        "firm": [f"f{i:04d}" for i in range(firms)],
                        "year": 1970 + t - warm_up,
                        "region": "r",
                        "sector": "s",
                        "sales": np.exp(recorded),
                        "employment": np.exp(labour),
                        "fixed_assets": np.exp(capital),
                        "assets": np.exp(capital) + np.exp(output - 1.0),
                        "materials": np.exp(output - 0.5),
                        "wage_bill": np.exp(labour + wage),
                        "omega": omega_now,
                    }
                )
            )
        investment = np.exp(0.9 * capital + 0.8 * omega_now - 1.2 - cost)
        capital = np.log(0.9 * np.exp(capital) + investment)
        omega = omega_now
    return pd.concat(rows, ignore_index=True)


@pytest.fixture(scope="module")
def panel():
    return producers()


@pytest.fixture(scope="module")
def estimated(panel):
    return control_function(MicroData.of(panel=panel, extra={"panel": ["omega"]}), draws=25, seed=3)


def test_recovers_the_elasticities(estimated):
    errors = np.array(estimated.standard_errors)
    gaps = np.array([estimated.labour - LABOUR, estimated.capital - CAPITAL])
    assert np.all(np.abs(gaps) < 3.5 * errors)
    assert np.all(errors < 0.08)
    assert estimated.criterion < 1e-6
    assert estimated.rows == 600 * 9


def test_least_squares_is_biased_and_this_is_not(panel, estimated):
    x = np.column_stack([np.log(panel[["employment", "fixed_assets"]]), np.ones(len(panel))])
    plain = np.linalg.lstsq(x, np.log(panel["sales"]))[0][0]
    assert plain - LABOUR > 0.1
    assert abs(estimated.labour - LABOUR) < 0.5 * (plain - LABOUR)


def test_tfpr_follows_productivity(panel, estimated):
    ordered = panel.sort_values(["firm", "year"], ignore_index=True)
    assert np.corrcoef(estimated.log_tfpr, ordered["omega"])[0, 1] > 0.9
    by_hand = (
        np.log(ordered["sales"])
        - estimated.labour * np.log(ordered["employment"])
        - estimated.capital * np.log(ordered["fixed_assets"])
    )
    assert estimated.log_tfpr.to_numpy() == pytest.approx(by_hand.to_numpy())


def test_current_assets_take_the_place_of_materials(panel):
    data = MicroData.of(panel=panel.drop(columns=["materials", "omega"]))
    found = control_function(data, draws=0)
    assert found.proxy == "current assets"
    assert found.standard_errors is None
    assert found.labour == pytest.approx(LABOUR, abs=0.12)
    assert "current assets" in found.summary()


def test_bootstrap_is_seeded_and_by_firm(panel):
    small = MicroData.of(panel=panel[panel["firm"] < "f0150"].drop(columns="omega"))
    first, again = (control_function(small, draws=5, seed=1) for _ in range(2))
    other = control_function(small, draws=5, seed=2)
    assert np.array_equal(first.draws, again.draws)
    assert not np.array_equal(first.draws, other.draws)
    assert len(first.draws) + first.failed_draws == 5


def test_pairs_need_consecutive_years(panel):
    data = MicroData.of(panel=panel[panel["year"] != 1974].drop(columns="omega"))
    found = control_function(data, draws=0)
    assert found.rows == 600 * 7
    assert found.dropped["rows without the year before"] == 1200


def test_cost_shares_by_hand(panel):
    frame = panel.drop(columns="omega").assign(sector=lambda x: np.where(x["firm"] < "f0300", "s", "t"))
    frame.loc[5, "employment"] = np.nan
    data = MicroData.of(panel=frame)
    index = cost_share_index(data)
    assert index.shares.sum(axis=1).to_numpy() == pytest.approx(np.ones(len(index.shares)))
    ordered = data.panel
    here = ordered[(ordered["sector"] == "t") & (ordered["year"] == 1975)]
    costs = np.array([here["wage_bill"].sum(), 0.15 * here["fixed_assets"].sum(), here["materials"].sum()])
    assert index.shares.loc[("t", 1975)].to_numpy() == pytest.approx(costs / costs.sum())
    row = here.iloc[0]
    logs = np.log(row[["employment", "fixed_assets", "materials"]].to_numpy(dtype=float))
    assert index.log_tfpr[row.name] == pytest.approx(np.log(row["sales"]) - costs / costs.sum() @ logs)
    assert index.dropped["rows without every input"] == 1
    assert index.log_tfpr.isna().sum() == 1


def test_bad_input(panel):
    data = MicroData.of(panel=panel[["firm", "year", "region", "sector", "sales"]])
    with pytest.raises(ColumnMissing, match="employment"):
        cost_share_index(data)
    with pytest.raises(ColumnMissing, match="employment"):
        control_function(data)
    full = MicroData.of(panel=panel.drop(columns="omega"))
    with pytest.raises(InvalidValue, match="positive"):
        cost_share_index(full, inputs={"fixed_assets": 0.0})
    with pytest.raises(ColumnMissing, match="energy"):
        control_function(full, proxy="energy")
    with pytest.raises(InvalidValue, match="consecutive"):
        control_function(MicroData.of(panel=panel[panel["year"] % 2 == 0].drop(columns="omega")))
    with pytest.raises(InvalidValue, match="draws"):
        control_function(full, draws=-1)
    with pytest.raises(InvalidValue, match="no row"):
        cost_share_index(MicroData.of(panel=panel.drop(columns="omega").assign(employment=0.0)))


@pytest.mark.validate
def test_monte_carlo():
    """Bias and coverage of β ± 1.96 bootstrap standard errors over 60 panels."""
    gaps, covered = [], []
    for seed in range(60):
        data = MicroData.of(panel=producers(seed=100 + seed, firms=300).drop(columns="omega"))
        found = control_function(data, draws=60, seed=seed)
        gap = np.array([found.labour - LABOUR, found.capital - CAPITAL])
        gaps.append(gap)
        covered.append(np.abs(gap) < 1.96 * np.array(found.standard_errors))
    gaps = np.array(gaps)
    print("\nbias", gaps.mean(axis=0), "its error", gaps.std(axis=0) / 60**0.5, "coverage", np.mean(covered, axis=0))
    assert np.all(np.abs(gaps.mean(axis=0)) < 3.5 * gaps.std(axis=0) / np.sqrt(60) + 0.01)
    assert np.all(np.mean(covered, axis=0) > 0.82)
