"""The design of the simulated panel: every input acts, and on what it should alone; complementarity; bad input."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from bigpush_est.data import firm_panel_adoption as adoption_module
from bigpush_est.data import firm_panel_outcomes as outcomes_module
from bigpush_est.data import firm_panel_population as population_module
from bigpush_est.data.firm_panel import simulate_firm_panel
from bigpush_est.data.firm_panel_design import MECHANISMS
from bigpush_est.errors import InvalidValue, SolverFailed, WrongType

from .simulated_panels import BASE, SCALE, exogenous, small, with_firms


@pytest.fixture(scope="module")
def full():
    return simulate_firm_panel(seed=11)


@pytest.fixture(scope="module")
def panel():
    return small()


# -- inputs act --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("changes", [{"eta": 1.5}, {"delta": 0.0}, {"subsidy_rate": 0.0}, {"cost_growth": 0.0}])
def test_inputs_leave_what_is_exogenous(panel, changes):
    other = small(**changes)
    pd.testing.assert_series_equal(exogenous(other), exogenous(panel), atol=1e-12, rtol=0)
    for name in ("groups", "regions", "tariffs", "complexes"):
        pd.testing.assert_frame_equal(other.data.frames[name], panel.data.frames[name])
    fixed = ["firm", "region", "sector", "group", "heavy", "size", "growth"]
    pd.testing.assert_frame_equal(other.truth.firms[fixed], panel.truth.firms[fixed])


def test_eta_alone():
    """Without a subsidy a larger gain moves all margins alike: the cost level answers, and the same firms adopt."""
    low, high = small(subsidy_rate=0.0), small(subsidy_rate=0.0, eta=1.5)
    pd.testing.assert_frame_equal(low.data.contracts, high.data.contracts)
    a, b = low.truth.firm_years, high.truth.firm_years
    assert np.allclose(b["effect"], a["effect"] * np.log(1.5) / np.log(1.25))
    assert np.allclose(b["log_sales_never"], a["log_sales_never"])
    shift = np.log(1.5**4 - 1) - np.log(1.25**4 - 1)
    assert np.subtract(high.truth.cost_levels, low.truth.cost_levels) == pytest.approx([shift, shift], abs=1e-6)


def test_delta_alone(panel):
    none, strong = small(delta=0.0), small(delta=1.5)
    assert none.truth.spillover_coefficient == 0
    assert strong.truth.spillover_coefficient == pytest.approx(6.0)
    assert none.truth.direct_effect == strong.truth.direct_effect == panel.truth.direct_effect

    def never(simulated):
        rows = simulated.truth.firm_years
        pull = simulated.truth.spillover_coefficient * rows["share_lag"]
        return rows["log_sales_never"] - pull

    assert np.allclose(never(none), none.truth.firm_years["log_sales_never"])
    assert np.allclose(never(none), never(strong), atol=1e-11)  # all of δ's effect on non-adopters' sales


def test_subsidy_alone(panel):
    none = small(subsidy_rate=0.0)
    rows = none.truth.firm_years
    assert (rows["subsidy"] == 0).all()
    assert np.allclose(rows["effect"], none.truth.direct_effect * rows["phase"], atol=1e-12)
    assert none.truth.design.subsidy_effect == 0

    # paid where it is due, it draws adopters there
    def subsidised(simulated):
        due = with_firms(simulated).query("subsidy > 0 and holds")
        return due["firm"].nunique()

    generous = small(subsidy_rate=0.3)
    assert subsidised(generous) > subsidised(panel) > 0


def test_a_placebo_has_no_effect():
    simulated = simulate_firm_panel(seed=1, scale=SCALE, placebo=True)
    truth = simulated.truth
    assert (truth.firm_years["effect"] == 0).all()
    assert (truth.direct_effect, truth.spillover_coefficient) == (0, 0)
    assert (truth.firm_years["contract_slope"] == 0).all()
    assert len(simulated.data.contracts) == BASE.scaled(SCALE).contracts  # they sign all the same


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_mechanisms_off_one_by_one(mechanism, panel):
    """Each switch removes its mechanism from the truth and leaves the other draws as they are."""
    other = simulate_firm_panel(BASE.without(mechanism), 1, scale=SCALE)
    a, b = (with_firms(one).merge(one.truth.cells, on=["region", "sector", "year"]) for one in (panel, other))
    shocks = {"boom": "local_booms", "setback": "support_for_laggards", "growth": "selection_on_growth"}
    for column, switch in shocks.items():
        expected = 0 * a[column] if mechanism == switch else a[column]
        assert np.allclose(b[column], expected)
    assert b["recorded"].all() == (mechanism == "incomplete_coverage")
    error = other.data.panel.merge(b[["firm", "year", "log_sales"]], on=["firm", "year"])
    spread = (np.log(error["sales"]) - error["log_sales"]).std()
    assert spread == pytest.approx(0.0 if mechanism == "measurement_error" else 0.1, abs=0.005)


def test_selection_switches():
    """Firms that sign are larger and more productive than others; with a switch off they are not, in that respect."""

    def gaps(*off):
        simulated = simulate_firm_panel(BASE.without(*off), 5)
        rows = with_firms(simulated).merge(simulated.truth.firms[["firm", "size", "group"]], on="firm")
        own = exogenous(simulated).reindex(pd.MultiIndex.from_frame(rows[["firm", "year"]])).to_numpy()
        rows["own"] = own - rows["growth"] * (rows["year"] - 1976)
        rows = rows[rows["group"].isna() & rows["heavy"]]
        rows = rows.assign(own=rows["own"] - rows.groupby(["region", "sector", "year"])["own"].transform("mean"))
        signs, rest = rows[rows["year"] == rows["signed"]], rows[rows["signed"].isna()]
        return [stats.ttest_ind(signs[name], rest[name], equal_var=False).statistic for name in ("size", "own")]

    size, own = gaps()
    assert size > 5
    assert own > 3
    assert abs(gaps("selection_on_level")[0]) < 3
    assert abs(gaps("selection_on_shocks")[1]) < 3


# -- complementarity ---------------------------------------------------------------------------------------------------


def pieces(design, seed=1):
    """Steps of a simulation, to change one of them."""
    design = design.scaled(SCALE)
    rng = population_module.streams(seed)
    firms = population_module.draw_population(design, rng, population_module.shipped_economy())
    recorded = outcomes_module.draw_coverage(design, firms, rng)
    choices = adoption_module.draw_choices(design, firms, rng)
    adoption = adoption_module.solve_adoption(design, firms, choices, recorded)
    outcome = outcomes_module.true_outcomes(design, firms, choices, adoption)
    return design, firms, choices, adoption, outcome


def test_contract_slope_is_a_derivative(panel):
    design, firms, choices, adoption, outcome = pieces(BASE)
    step = 1e-5
    up, down = (
        outcomes_module.contract_probability(
            design, firms, choices, adoption, replace(outcome, share_lag=outcome.share_lag + change)
        )[0]
        for change in (step, -step)
    )
    slope = ((up - down) / (2 * step))[firms.active]
    assert np.allclose(slope, panel.truth.firm_years["contract_slope"], atol=1e-6)
    assert slope.max() > 0.3


def test_contract_probabilities_are_those_of_signing(full):
    """Firms sign as often as the stated probabilities say, in every fifth of them."""
    rows = with_firms(full)
    contracts = full.data.contracts
    signed = set(zip(contracts["firm"], contracts["year"], strict=True))
    rows["signs"] = [pair in signed for pair in zip(rows["firm"], rows["year"], strict=True)]
    rows = rows[rows["contract_probability"] > 1e-3]
    for _, part in rows.groupby(pd.qcut(rows["contract_probability"], 5, labels=False)):
        p = part["contract_probability"]
        # the numbers of signers and contracts are met exactly, so that the spread is below the binomial one
        assert abs(part["signs"].sum() - p.sum()) < 4 * np.sqrt((p * (1 - p)).sum())


def test_complementarity_emerges_from_spillovers():
    """Adoption follows neighbours' adoption only if δ > 0: as many adopt, in fewer places."""
    none, base, strong = (simulate_firm_panel(replace(BASE, delta=delta), 11, scale=0.5) for delta in (0.0, 0.68, 2.0))
    assert (none.truth.firm_years["contract_slope"] == 0).all()
    years = range(1972, 1983)
    assert [none.truth.complementarity(year) for year in years] == [0.0] * 11
    slopes = [base.truth.complementarity(year) for year in years]
    assert min(slopes) > 0
    assert np.mean(slopes[-4:]) > np.mean(slopes[:4])  # as costs and gains come nearer each other

    def concentration(simulated):
        cells = simulated.truth.cells.query("year == 1982")
        return (cells["adopters"] ** 2).sum() / cells["adopters"].sum() ** 2

    assert concentration(none) < concentration(base) < concentration(strong)


def test_complementarity_of_a_year_outside(panel):
    with pytest.raises(InvalidValue, match="1970 to 1982"):
        panel.truth.complementarity(1969)


# -- bad input ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"eta": float("nan")}, WrongType, "eta"),
        ({"delta": "0.68"}, WrongType, "delta"),
        ({"firms": True}, WrongType, "firms"),
        ({"subsidy_rate": 0.6}, InvalidValue, "subsidy_rate"),
        ({"persistence": 1.0}, InvalidValue, "persistence"),
        ({"spillover_lag": 0}, InvalidValue, "spillover_lag"),
        ({"losers": -1}, InvalidValue, "losers.*count"),
        ({"contracts": 1634.5}, InvalidValue, "contracts.*count"),
        ({"heavy_firms": 7000}, InvalidValue, "heavy_firms.*at most firms"),
        ({"never_losers": 39}, InvalidValue, "never_losers.*at most losers"),
        ({"signers": 1700}, InvalidValue, "signers.*at most contracts"),
        ({"heavy_signers": 600}, InvalidValue, "heavy_signers.*at most signers"),
        ({"grouped_firms": 100}, InvalidValue, "two per group"),
        ({"groups": 0}, InvalidValue, "groups"),
        ({"regions": 1}, InvalidValue, "regions"),
        ({"sales_definition": "net"}, InvalidValue, "gross or kept"),
        ({"sigma": 2.0, "distortion_elasticity": -0.5}, InvalidValue, "distortion_elasticity"),
        ({"phase_in": (0.5, 0.9)}, InvalidValue, "phase_in"),
        ({"phase_in": ()}, InvalidValue, "phase_in"),
        ({"years": (1970, 1975)}, InvalidValue, "9 to 61"),
        ({"years": (1970.5, 1982)}, InvalidValue, "whole years"),
        ({"policy_years": (1979, 1973)}, InvalidValue, "policy_years"),
        ({"policy_years": (1960, 1973)}, InvalidValue, "policy_years"),
        ({"coverage": (0.9, 0.5)}, InvalidValue, "coverage"),
        ({"coverage": (0.9,)}, InvalidValue, "two numbers"),
        ({"input_price_dispersion": (0.1,)}, InvalidValue, "input_price_dispersion"),
        ({"input_price_dispersion": (0.1, -0.1)}, InvalidValue, "input_price_dispersion"),
        ({"perceived_eta": 5.0}, InvalidValue, "perceived_eta"),
        ({"selection_on_level": "no"}, WrongType, "selection_on_level"),
        ({"eta": 1.0, "subsidy_rate": 0.0}, InvalidValue, "perceived_eta"),
    ],
)
def test_bad_designs(changes, error, words):
    with pytest.raises(error, match=words):
        replace(BASE, **changes)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: simulate_firm_panel(seed=-1), WrongType, "seed"),
        (lambda: simulate_firm_panel(seed=1.0), WrongType, "seed"),  # type: ignore[arg-type]
        (lambda: simulate_firm_panel(seed=True), WrongType, "seed"),
        (lambda: simulate_firm_panel(scale=0.05), InvalidValue, "scale"),
        (lambda: simulate_firm_panel(scale=2.0), InvalidValue, "scale"),
        (lambda: simulate_firm_panel(replace(BASE, regions=87)), InvalidValue, "at most 86"),
        (lambda: BASE.without("luck"), InvalidValue, "mechanism"),  # type: ignore[arg-type]
        (lambda: small(contracts=100_000), SolverFailed, "further contracts"),
        (lambda: simulate_firm_panel(replace(BASE, losers=500), scale=0.1), SolverFailed, "losers have a winner"),
    ],
)
def test_bad_calls(call, error, words):
    with pytest.raises(error, match=words):
        call()
