"""The study of the whole pipeline: its scores against quadrature, its page against its CSV, and another seed."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import integrate

from bigpush_est.bayes.estimates import Estimate, FirstStage
from bigpush_est.bayes.evidence_set import EvidenceSet
from bigpush_est.bayes.models.weak_iv import STRENGTH
from bigpush_est.bayes.sampling import derived_seed
from bigpush_est.data.firm_panel import simulate_firm_panel
from bigpush_est.reduced_form.events.event_study import stacked_event_study, winners_vs_losers

from .coverage import economies, end_to_end
from .coverage.economies import (
    CENTRE,
    FREE,
    KINDS,
    PRIORS,
    ROUTES,
    between_winners_and_losers,
    draw_truth,
    model_of,
    one_economy,
    setting,
)
from .coverage.end_to_end import run_economies, through_the_economy
from .coverage.end_to_end_page import PAGE, filled
from .coverage.end_to_end_scores import (
    FEWEST,
    calibration,
    coverage,
    known,
    log_weights,
    place,
    read_scores,
    uniformity,
    weights_of,
)
from .test_coverage import CRITICAL, gap_of_rates

LATE = [4, 5]


@pytest.fixture(scope="module")
def table():
    return read_scores()


@pytest.fixture(scope="module")
def bank():
    rng = np.random.default_rng(1)
    draws = {prior.parameter: prior.draw(40_000, rng) for prior in PRIORS if not prior.fixed}
    return draws | {"converged": np.ones(40_000, dtype=bool)}


# -- the page and its numbers ------------------------------------------------------------------------------------------


def test_page_prints_the_csv(table):
    text = PAGE.read_text(encoding="utf-8")
    assert filled(text, table) == text, "run python -m tests.validation.coverage.end_to_end_page"


def test_a_changed_number_is_seen(table):
    text = PAGE.read_text(encoding="utf-8")
    for name in ("delta", "gdp_share", "P(moved)", "median log_eta"):
        changed = table.assign(**{f"consistent: {name}": 0.5 * table[f"consistent: {name}"]})
        assert filled(text, changed) != text, name


def test_table_belongs_to_the_study(table):
    """Every economy once, with the truth that its number draws; few fail."""
    for kind, firms in KINDS.items():
        rows = table[table["kind"] == kind]
        assert rows["economy"].tolist() == list(range(firms.economies))
        for index in (0, 1, firms.economies - 1):
            truth = draw_truth(kind, index)
            assert rows.iloc[index][list(FREE)].tolist() == pytest.approx([truth[name] for name in FREE], abs=1e-5)
    main = table[table["kind"] == "distorted"]
    assert len(main) >= 200
    for route in KINDS["distorted"].routes:
        assert len(known(table, "distorted", f"{route}: gdp_share")) > 0.95 * len(main), route


def test_bank_and_sampler_agree(table):
    """Where log η lies among the weighted draws from the prior, and among the draws of NUTS."""
    for route in KINDS["distorted"].routes:
        rows = known(table, "distorted", f"{route}: bank log_eta")
        effective = rows[f"{route}: effective draws"]
        gap = (rows[f"{route}: bank log_eta"] - rows[f"{route}: log_eta"])[effective >= FEWEST]
        spread = np.sqrt(0.25 / effective[effective >= FEWEST] + 0.25 / 300)
        assert (gap.abs() < CRITICAL * spread).all(), route
        assert abs(gap.mean()) < 0.02, route


# -- scores ------------------------------------------------------------------------------------------------------------


def evidence(**options):
    estimates = (Estimate("direct", "direct", 0.62), Estimate("spillover", "spillover", 1.9))
    return EvidenceSet(estimates, np.diag([0.2, 0.6]) ** 2, exponent="kept", **options)


def posterior_mean(parameter, value, error):
    """Mean of a parameter whose estimate is 2.5 times it, by quadrature."""
    prior = next(one for one in PRIORS if one.parameter == parameter).frozen()

    def density(x):
        return prior.pdf(x) * np.exp(-0.5 * ((value - 2.5 * x) / error) ** 2)

    return integrate.quad(lambda x: x * density(x), 0.0, 5.0)[0] / integrate.quad(density, 0.0, 5.0)[0]


def test_weights_are_the_posterior(bank):
    weights = weights_of(model_of(ROUTES["consistent"], evidence()), bank)
    for parameter, value, error in (("log_eta", 0.62, 0.2), ("delta", 1.9, 0.6)):
        mean = weights @ bank[parameter]
        spread = np.sqrt(weights**2 @ (bank[parameter] - mean) ** 2)
        assert abs(mean - posterior_mean(parameter, value, error)) < 4.0 * spread, parameter


def test_draws_that_did_not_converge_have_no_weight(bank):
    halved = bank | {"converged": bank["delta"] < 0.5}
    weights = weights_of(model_of(ROUTES["consistent"], evidence()), halved)
    assert weights.sum() == pytest.approx(1.0)
    assert weights[bank["delta"] >= 0.5].max() == 0.0


def test_the_instruments_strength_is_integrated_out(bank):
    matrix, cross = np.array([[0.04, 0.01], [0.01, 0.01]]), np.array([[0.002, 0.0], [0.001, 0.0]])
    stage = FirstStage("spillover", 0.6, 0.3, matrix, cross)
    model = model_of(ROUTES["weak instrument"], evidence(first_stage=stage))
    prior = next(one for one in model.priors if one.parameter == STRENGTH).frozen()
    some = {name: bank[name][:3] for name in FREE}
    found = log_weights(model, some)
    held = {one.parameter: np.float64(one.numbers[0]) for one in model.priors if one.fixed}
    expected = []
    for k in range(3):
        at = held | {name: some[name][k] for name in FREE}

        def density(strength, at=at):
            return np.exp(model.log_likelihood(at | {STRENGTH: np.float64(strength)}) + prior.logpdf(strength))

        expected.append(np.log(integrate.quad(density, -40.0, 40.0, points=[0.0, 3.0], limit=200)[0]))
    assert np.diff(found) == pytest.approx(np.diff(expected), abs=1e-6)


def test_places_are_uniform_where_the_posterior_is_right():
    """Normal means with a normal prior, weighted draws, and an outcome that is 0 half of the time."""
    rng = np.random.default_rng(2)
    draws, found, wrong = rng.standard_normal(2000), [], []
    for _ in range(400):
        truth = rng.standard_normal()
        weights = np.exp(-0.5 * (truth + 0.5 * rng.standard_normal() - draws) ** 2 / 0.25)
        outcome = np.maximum(draws, 0.0)
        found.append(place(outcome, weights / weights.sum(), max(truth, 0.0), rng))
        wrong.append(place(outcome + 0.3 * (draws > 0.0), weights / weights.sum(), max(truth, 0.0), rng))
    assert uniformity(np.array(found)) > 0.001
    assert uniformity(np.array(wrong)) < 0.001
    assert coverage(np.array(found), 0.9)[1] == ""


def test_calibration_of_probabilities():
    rng = np.random.default_rng(3)
    chance = rng.beta(2.0, 1.0, 4000)
    right = calibration(chance, rng.random(4000) < chance)
    assert abs(right["z"]) < 4.0
    assert right["p"] > 0.001
    assert right["brier"] == pytest.approx((chance * (1.0 - chance)).mean(), abs=0.01)
    wrong = calibration(chance, rng.random(4000) < chance**2)
    assert wrong["z"] < -4.0
    assert wrong["brier"] > right["brier"]


# -- estimates ---------------------------------------------------------------------------------------------------------


def test_what_winners_and_losers_differ_in():
    """On complete records a true effect with its spillover is e·log η, the paid subsidy, and share times e·δ."""
    design = replace(KINDS["distorted"].design(CENTRE | {"delta": 1.0}).without("incomplete_coverage"), phase_in=(1.0,))
    panel = simulate_firm_panel(design, 3)
    study = winners_vs_losers(panel.data)
    years = panel.truth.firm_years.set_index(["firm", "year"])
    frame = study.stack.frame
    rows = years.reindex(pd.MultiIndex.from_frame(frame[["firm", "year"]]))
    total = rows["effect"] + design.spillover_coefficient * rows["share_lag"]
    stack = replace(study.stack, frame=frame.assign(total=total.to_numpy(), paid=rows["subsidy"].to_numpy() > 0.0))
    found = stacked_event_study(stack, "total")
    differences = between_winners_and_losers(panel.data, study)
    effects = pd.Series(found.coefficients, index=found.event_times)
    after = stack.frame[stack.frame["treated"] & (stack.frame["event_time"] >= 0)]
    assert differences["paid"].loc[LATE].to_numpy() == pytest.approx(
        after.groupby("event_time")["paid"].mean().loc[LATE].to_numpy()
    )
    winner = stack.frame["treated"] & (stack.frame["event_time"] >= 0)
    subsidy = -4.0 * np.log1p(-rows["subsidy"].to_numpy()) * winner
    paid = stacked_event_study(replace(stack, frame=frame.assign(subsidy=subsidy)), "subsidy")
    subsidies = pd.Series(paid.coefficients, index=paid.event_times)
    expected = design.direct_effect + subsidies + design.spillover_coefficient * differences["share"]
    assert effects.loc[LATE].to_numpy() == pytest.approx(expected.loc[LATE].to_numpy(), abs=1e-9)
    assert (differences["share"].loc[LATE] < 0.0).all()


def test_a_run_resumes(tmp_path, monkeypatch):
    drawn = []

    def counted(kind, index):
        drawn.append(index)
        return {"failure": "", "routes": {}, "seconds": 0.0, "index": index}

    monkeypatch.setattr(end_to_end, "one_economy", counted)
    assert len(list(run_economies(tmp_path, "centre", 0, 3))) == 3
    (tmp_path / "centre-0001.json").unlink()
    assert len(list(run_economies(tmp_path, "centre", 0, 4))) == 2
    assert drawn == [0, 1, 2, 1, 3]
    assert json.loads((tmp_path / "centre-0003.json").read_text(encoding="utf-8"))["index"] == 3


# -- longer ------------------------------------------------------------------------------------------------------------


@pytest.mark.validate
def test_the_bank_says_what_the_posteriors_own_draws_say():
    """One economy's 39 thinned draws, each through the quantitative economy, against 400 weighted ones."""
    at = setting()
    found = one_economy("distorted", 1)["routes"]["own clusters"]
    own = through_the_economy({name: np.array(found["draws"][name]) for name in FREE}, at)
    rng = np.random.default_rng(4)
    draws = {prior.parameter: prior.draw(400, rng) for prior in PRIORS if not prior.fixed}
    bank = draws | through_the_economy(draws, at)
    model = model_of(ROUTES["own clusters"], EvidenceSet.from_json(found["evidence"]))
    weights = weights_of(model, bank)
    for name in ("gdp_share", "export_intensity", "welfare_log", "multiple", "moved"):
        values, direct = bank[name].astype(float), own[name][own["converged"]].astype(float)
        mean = weights @ values
        error = np.hypot(direct.std(ddof=1) / direct.size**0.5, np.sqrt(weights**2 @ (values - mean) ** 2))
        print(f"{name}: own draws {direct.mean():.4f}, bank {mean:.4f}, error {error:.4f}")
        assert abs(direct.mean() - mean) < 4.5 * error, name


@pytest.mark.validate
def test_another_seed_agrees_with_the_table(table, monkeypatch):
    """Twenty economies of another seed: where their truths lie, against the table's coverage."""
    monkeypatch.setattr(economies, "SEED", 1981)
    assert derived_seed(1980, "") != derived_seed(1981, "")
    found = [one_economy("distorted", index)["routes"] for index in range(20)]
    for route in KINDS["distorted"].routes:
        for name in FREE:
            places = np.array([one[route]["below"][name] for one in found if one.get(route, {}).get("below")])
            stated = known(table, "distorted", f"{route}: {name}")[f"{route}: {name}"].to_numpy()
            for level in (0.5, 0.9):
                rates = [float((np.abs(one - 0.5) <= 0.5 * level).mean()) for one in (places, stated)]
                print(f"{route}, {name}, {level:.0%}: {rates[0]:.2f} here, {rates[1]:.2f} in the table")
                assert gap_of_rates(rates[0], places.size, rates[1], stated.size) < CRITICAL, (route, name)
