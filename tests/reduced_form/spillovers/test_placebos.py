"""Placebos, leave-one-out and the specification curve on worlds in which the answers are known."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from bigpush_est.data.frames import MicroData
from bigpush_est.errors import InvalidValue
from bigpush_est.reduced_form.spillovers.columns import TABLE1, estimate_column
from bigpush_est.reduced_form.spillovers.leave_out import (
    instrument_without_region,
    leave_one_group_out,
    leave_one_region_out,
)
from bigpush_est.reduced_form.spillovers.placebos import (
    group_complex_interactions,
    holm,
    instrument_placebos,
    past_growth,
)
from bigpush_est.reduced_form.spillovers.sample import SpilloverDesign, spillover_sample
from bigpush_est.reduced_form.spillovers.specification_curve import specification_curve

from .spillover_world import spillover_world


@pytest.fixture(scope="module")
def world():
    return spillover_world(3, firms=500, regions=16, groups=30, frames=True, gaps=0.03)


@pytest.fixture(scope="module")
def sample(world):
    return spillover_sample(world.data)


def test_past_growth_by_loop(world, sample):
    sales = world.data.panel.set_index(["firm", "year"])["sales"]
    growth = past_growth(world.data, sample, 1)
    for place, row in enumerate(sample.frame.head(50).itertuples()):
        before = sales.get((row.firm, row.start - 1), np.nan)
        now = sales.get((row.firm, row.start), np.nan)
        assert growth[place] == pytest.approx(np.log(now / before), nan_ok=True)
    with pytest.raises(InvalidValue, match="years"):
        past_growth(world.data, sample, 9)
    with pytest.raises(InvalidValue, match="years"):
        past_growth(world.data, sample, 0)


def test_a_valid_instrument_passes_and_a_planted_failure_does_not(world, sample):
    planted = sample.frame["instrument"].fillna(0.0).to_numpy() + np.random.default_rng(0).normal(
        0, 0.05, len(sample.frame)
    )
    found = instrument_placebos(world.data, sample, outcomes={"planted": planted}).tidy().set_index("outcome")
    assert list(found.index) == ["past_growth", "credit", "fair_revenue", "fair_participations", "planted"]
    assert (found.loc[["past_growth", "credit", "fair_revenue", "fair_participations"], "Holm"] > 0.01).all()
    assert found.loc["planted", "Holm"] < 1e-6
    assert found.loc["planted", "Estimate"] == pytest.approx(1.0, abs=5 * found.loc["planted", "Std. Error"])


def test_an_outcome_is_not_its_own_control(world, sample):
    both = replace(TABLE1[7], controls=("group sales", "credit", "trade"))
    table = instrument_placebos(world.data, sample, both)
    names = {placebo.outcome: placebo.regression.names for placebo in table.placebos}
    assert "credit" not in names["credit"]
    assert "fair_revenue" in names["credit"]
    assert "fair_revenue" not in names["fair_participations"]
    assert "credit" in names["fair_revenue"]
    assert "initial" not in names["past_growth"]


def test_what_the_data_lack_is_named():
    bare = spillover_world(5, firms=300, regions=10, groups=20)
    table = instrument_placebos(bare.data, spillover_sample(bare.data))
    reasons = table.tidy().set_index("outcome")["reason"]
    assert reasons["credit"] == "the data do not have it"
    assert reasons["past_growth"] == ""
    with pytest.raises(InvalidValue, match="complexes"):
        group_complex_interactions(spillover_sample(bare.data))


def test_group_complex_interactions(sample):
    table = group_complex_interactions(sample)
    tidy = table.tidy()
    assert tidy["regressor"].tolist() == ["group_complex", "group_complex_tax"]
    fit = table.placebos[0].regression
    assert {"affiliated", "complex"} <= set(fit.names)
    assert fit.effects.keys() == {"region", "sector", "span"}
    # an outcome that answers to complexes in groups alone is found
    frame = sample.frame.copy()
    effect = frame["group"].notna() * frame["complex"]
    frame["new_contract"] = effect + np.random.default_rng(0).normal(0.0, 0.1, len(frame))
    moved = group_complex_interactions(replace(sample, frame=frame)).tidy()
    assert moved["Estimate"].iloc[0] == pytest.approx(1.0, abs=0.1)
    assert moved["Holm"].iloc[0] < 1e-6


def test_renderings_of_placebos(world, sample):
    table = instrument_placebos(world.data, sample)
    assert "past_growth" in str(table)
    assert "fair" in table.to_latex()
    assert "<table" in table.to_html()
    assert len(table.plot().get_yticklabels()) == 4


def test_holm_against_the_definition():
    rng = np.random.default_rng(0)
    for _ in range(20):
        p = rng.random(6) ** 2
        order = np.argsort(p)
        expected, largest = np.empty(6), 0.0
        for rank, place in enumerate(order):
            largest = max(largest, min(1.0, (6 - rank) * p[place]))
            expected[place] = largest
        np.testing.assert_allclose(holm(p), expected)
    assert np.isnan(holm(np.array([0.1, np.nan]))[1])


def test_leave_one_group_out_equals_estimating_with_the_rebuilt_instrument(sample):
    found = leave_one_group_out(sample)
    full = estimate_column(sample, TABLE1[2], "A")
    assert found.full.coefficient("share_change") == pytest.approx(full.estimate)
    assert found.frame["weight"].sum() == pytest.approx(1.0)
    weighted = (found.frame["weight"] * found.frame["alone"].fillna(0.0)).sum()
    assert weighted == pytest.approx(full.estimate, rel=1e-8)
    for name in found.tidy()["left_out"].head(3):
        without = sample.instrument.without_groups(name).value(sample.histories)
        anew = estimate_column(replace(sample, frame=sample.frame.assign(instrument=without)), TABLE1[2], "A")
        row = found.frame.set_index("left_out").loc[name]
        assert row["Estimate"] == pytest.approx(anew.estimate, rel=1e-6)
        assert row["Std. Error"] == pytest.approx(anew.standard_error, rel=1e-6)
        assert row["F"] == pytest.approx(anew.kleibergen_paap_f, rel=1e-6)
    assert len(found.frame) + len(found.not_estimated) == len(sample.instrument.groups)
    assert "largest weight" in found.summary()
    assert found.plot().get_xlabel().startswith("group")


def test_instrument_without_a_region_equals_building_from_data_without_it(world, sample):
    data = world.data
    for region in ("r03", "r11"):
        panel = data.panel[data.panel["region"] != region]
        contracts = data.contracts[data.contracts["firm"].isin(panel["firm"])]
        fewer = MicroData.of(
            panel=panel,
            contracts=contracts,
            regions=data.regions[data.regions["region"] != region],
            label="synthetic",
        )
        anew = spillover_sample(fewer).frame.set_index(["firm", "span"])["instrument"]
        rebuilt = pd.Series(instrument_without_region(sample, region), sample.frame.index)
        others = sample.frame["region"] != region
        keys = pd.MultiIndex.from_frame(sample.frame.loc[others, ["firm", "span"]])
        np.testing.assert_allclose(rebuilt[others], anew.reindex(keys).to_numpy(), rtol=1e-10, atol=1e-12)
        assert rebuilt[~others].isna().all()
        assert not np.allclose(rebuilt[others], sample.frame.loc[others, "instrument"], equal_nan=True)
    with pytest.raises(InvalidValue, match="a region of the sample"):
        instrument_without_region(sample, "nowhere")


def test_leave_one_region_out(sample):
    found = leave_one_region_out(sample)
    assert len(found.frame) + len(found.not_estimated) == 16
    assert (found.frame["N"] < found.full.n).all()
    row = found.frame.iloc[0]
    kept = sample.frame[sample.frame["never"] & (sample.frame["region"] != row["left_out"])]
    rebuilt = pd.Series(instrument_without_region(sample, row["left_out"]), sample.frame.index)
    by_hand = estimate_column(sample, TABLE1[2], "A", data=kept.assign(instrument=rebuilt[kept.index]))
    assert row["Estimate"] == pytest.approx(by_hand.estimate)


def test_leave_one_out_wants_the_group_instrument(sample):
    with pytest.raises(InvalidValue, match="2SLS"):
        leave_one_group_out(sample, TABLE1[0])
    with pytest.raises(InvalidValue, match="not estimated"):
        leave_one_group_out(replace(sample, controls={}))


def test_specification_curve_is_the_grid_of_estimates(world, sample):
    curve = specification_curve(
        world.data,
        rings=(150.0,),
        controls=((), ("group sales",)),
        samples={"all": lambda rows: rows["never"], "small": lambda rows: rows["initial"] < rows["initial"].median()},
    )
    assert len(curve.frame) == 2 * 2 * 2 * 2
    assert set(curve.choices) == {"controls", "initial", "effects", "sample"}
    wide = spillover_sample(world.data, SpilloverDesign(ring=150.0))
    one = estimate_column(wide, replace(TABLE1[2], initial=False), "A")
    chosen = "controls == 'group sales' and not initial and sample == 'all'"
    row = curve.frame.query(chosen).query("effects.str.contains('group-sector')")
    assert row["Estimate"].item() == pytest.approx(one.estimate)
    assert row["low"].item() < one.estimate < row["high"].item()
    assert curve.estimated["Estimate"].is_monotonic_increasing
    assert "median by controls" in curve.summary()
    upper, lower = curve.plot().figure.axes
    assert len(lower.get_yticklabels()) == 8
    assert upper.get_ylabel() == "β"


def test_what_cannot_be_estimated_stays_in_the_curve(world):
    curve = specification_curve(
        world.data,
        rings=(100.0, 5000.0),
        controls=((),),
        initial=(True,),
        effects={"region": ("region",)},
        samples={"all": lambda rows: rows["never"]},
    )
    frame = curve.frame.set_index("ring")
    assert np.isfinite(frame.loc[100.0, "Estimate"])
    assert np.isnan(frame.loc[5000.0, "Estimate"])
    assert "instrument" in frame.loc[5000.0, "reason"]
    assert "not estimated: 1" in curve.summary()
    with pytest.raises(InvalidValue, match="ring"):
        specification_curve(world.data, rings=())
