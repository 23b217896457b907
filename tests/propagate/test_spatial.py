"""Draws through the quantitative model, on ten regions: definitions shared with the point run, flags, and bits."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from bigpush_est.data.economy import EconomyBundle
from bigpush_est.data.economy_bundle import write_economy_bundle
from bigpush_est.equilibrium.spatial.calibration import Evaluator, calibrate
from bigpush_est.equilibrium.spatial.dynamics import solve_path
from bigpush_est.equilibrium.spatial.multiplicity import TOLERANCE, search_steady_states
from bigpush_est.equilibrium.spatial.scenarios import SCENARIOS, Baseline, compare
from bigpush_est.errors import InvalidValue, MissingKey, ShapeMismatch
from bigpush_est.propagate.schedule import run_chunks
from bigpush_est.propagate.spatial import SpatialSetting, propagate_spatial
from bigpush_est.quantitative.artefacts import path_arrays
from bigpush_est.quantitative.results import effect_of_push
from bigpush_est.quantitative.stages import economies
from bigpush_est.quantitative.study import QuantitativeStudy, load_quantitative_study

from ..quantitative.test_run import STUDY
from ..small_economy import small_economy

#: Names of ``effect_of_push`` that are one number a draw.
SHARED = (
    *("gdp_share", "gdp_share_push", "gdp_share_none", "gdp_share_relative", "welfare_log", "welfare_linear"),
    *("export_intensity", "export_intensity_push", "employment_share", "employment_share_none", "output_total"),
    *("industrialised_push", "industrialised_none", "regions_that_gain"),
)
TEXTS = ("calibration_status", "fate_push", "fate_none", "smallest_push_status", "smallest_industrial_push_status")


#: Six parameters with a push that matters.
TRUTH = np.array([0.0117, 0.152, 0.0384, 0.08, 1.48, 0.86])


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> QuantitativeStudy:
    """Ten regions; moments a little off those that some parameters lead to, so that none fit exactly."""
    economy = small_economy()

    def written(economy: EconomyBundle) -> QuantitativeStudy:
        root = tmp_path_factory.mktemp("study")
        write_economy_bundle(economy, root / "economy")
        (root / "small.toml").write_text(STUDY.format(restarts=0), encoding="utf-8")
        return load_quantitative_study(root / "small.toml")

    model = Evaluator(written(economy).problem()).moments(TRUTH[None])[0][0] * [1.02, 0.98, 1.01, 1.0, 1.0, 1.02, 1.0]
    moments = tuple(replace(one, value=float(value)) for one, value in zip(economy.moments, model, strict=True))
    return written(replace(economy, moments=moments))


@pytest.fixture(scope="module")
def parameters(study: QuantitativeStudy) -> Any:
    found = calibrate(study.problem(), study.target(), TRUTH, tolerance=1e-13)
    assert found.parameters[3] > 0.02, "a push of nothing tells nothing"
    return found.parameters


@pytest.fixture(scope="module")
def setting(study: QuantitativeStudy, parameters: Any) -> SpatialSetting:
    return SpatialSetting.of(study, parameters, random_starts=1, rate_tolerance=0.01)


@pytest.fixture(scope="module")
def held(setting: SpatialSetting) -> SpatialSetting:
    return replace(setting, recalibrate=False)


def drawn(study: QuantitativeStudy, eta: Any, delta: Any, subsidy: Any = 0.06, sigma: Any = 5.0) -> dict[str, Any]:
    """Draws whose first may stand at the study's point: pass its η and δ."""
    log_eta, delta, subsidy, sigma = np.broadcast_arrays(np.log(eta), delta, subsidy, sigma)
    return {
        "log_eta": np.array(log_eta),
        "delta": np.array(delta),
        "subsidy": np.array(subsidy),
        "sigma": np.array(sigma),
        "pareto_ratio": np.full(log_eta.shape, 1.06),
    }


@pytest.fixture(scope="module")
def draws(study: QuantitativeStudy) -> dict[str, Any]:
    point = study.external()
    return drawn(study, [point.eta, 1.22, 1.30, 1.25], [point.delta, 0.75, 0.60, 0.0], [0.06, 0.03, 0.10, 0.05])


@pytest.fixture(scope="module")
def recalibrated(draws: dict[str, Any], setting: SpatialSetting) -> dict[str, Any]:
    return propagate_spatial(draws, setting)


@pytest.fixture(scope="module")
def fixed(draws: dict[str, Any], held: SpatialSetting) -> dict[str, Any]:
    return propagate_spatial(draws, held)


@pytest.fixture(scope="module")
def ready(study: QuantitativeStudy, parameters: Any) -> Baseline:
    """The point run's economies."""
    return economies(study, parameters)[1]


def test_every_outcome_has_a_row_per_draw(recalibrated: dict[str, Any], fixed: dict[str, Any]) -> None:
    assert sorted(recalibrated) == sorted(fixed)
    assert {len(values) for values in recalibrated.values()} == {4}
    assert recalibrated["parameters"].shape == (4, 6)
    assert recalibrated["moments"].shape == (4, 7)
    assert recalibrated["path_gdp_share_push"].shape == (4, 25)
    assert recalibrated["regional_welfare"].shape == recalibrated["regional_gdp_share_difference"].shape == (4, 10)
    assert recalibrated["converged"].all()
    assert fixed["converged"].all()


@pytest.mark.parametrize("version", ["recalibrated", "fixed"])
def test_the_draw_at_the_point_is_the_point_run(
    version: str, study: QuantitativeStudy, ready: Baseline, request: pytest.FixtureRequest, parameters: Any
) -> None:
    """Table 3 as the quantitative study computes it, and its scenarios: one definition of each number."""
    found = request.getfixturevalue(version)
    np.testing.assert_allclose(found["parameters"][0], parameters, rtol=1e-5)
    chosen = (None, SCENARIOS[0], SCENARIOS[5])
    paths = compare(ready, chosen, max_periods=400)
    effects = {
        name: effect_of_push(study, path_arrays(one.push, "push") | path_arrays(one.none, "none"))
        for name, one in paths.items()
    }
    for name in SHARED:
        assert found[name][0] == pytest.approx(effects["baseline"][name], rel=1e-4, abs=1e-7), name
    np.testing.assert_allclose(found["output"][0], effects["baseline"]["output"], rtol=1e-4, atol=1e-7)
    assert found["regional_welfare"][0].min() == pytest.approx(effects["baseline"]["welfare_local"][0], rel=1e-4)
    for scenario in chosen[1:]:
        assert scenario is not None
        value = found[f"scenario_{scenario.name}_gdp_share"][0]
        assert value == pytest.approx(effects[scenario.name]["gdp_share"], rel=1e-4, abs=1e-7)
    whole = paths["baseline"].push.outcomes.gdp_share[:, 0, ready.heavy]
    np.testing.assert_allclose(found["path_gdp_share_push"][0, : min(25, whole.size)], whole[:25], rtol=1e-5)
    bill = paths["baseline"].push.outcomes.subsidy_to_gdp[[1, 2], 0].mean()
    assert found["subsidy_to_gdp"][0] == pytest.approx(bill, rel=1e-4)


def test_recalibrated_draws_meet_the_moments_and_held_ones_do_not(
    recalibrated: dict[str, Any], fixed: dict[str, Any], study: QuantitativeStudy, parameters: Any
) -> None:
    gaps = [np.abs(found["moments"] / study.target() - 1.0).max(axis=1) for found in (recalibrated, fixed)]
    assert (recalibrated["criterion"][1:3] < fixed["criterion"][1:3]).all()
    assert gaps[0][0] == pytest.approx(gaps[1][0], rel=1e-3)
    np.testing.assert_array_equal(fixed["parameters"], np.repeat(parameters[None], 4, axis=0))
    assert (fixed["calibration_status"] == "held").all()
    for found in (recalibrated, fixed):
        np.testing.assert_allclose(
            found["criterion"], ((found["moments"] / study.target() - 1.0) ** 2).sum(axis=1), rtol=1e-6
        )


def test_without_spillovers_nothing_lasts(recalibrated: dict[str, Any], fixed: dict[str, Any]) -> None:
    """δ = 0: yesterday's shares do nothing, so that there is one steady state and no push that moves the economy."""
    for found in (recalibrated, fixed):
        assert not found["multiple"][3]
        assert not found["moved"][3]
        assert not found["needed"][3]
        assert abs(found["gdp_share"][3]) < 1e-7
        assert found["smallest_push_status"][3] == "none"
        assert np.isnan(found["smallest_push"][3])


def test_steady_states_are_those_of_the_search(fixed: dict[str, Any], ready: Baseline, setting: SpatialSetting) -> None:
    after = [
        path.shares[3][0] for path in (compare(ready, [None])["baseline"].push, compare(ready, [None])["baseline"].none)
    ]
    starts = {"with the push": after[0], "without the push": after[1]}
    found = search_steady_states(ready.draw().frozen(), starts, extra=1, seed=setting.seed, max_periods=400)
    assert fixed["count"][0] == found.count[0]
    assert fixed["multiple"][0] == found.multiple[0]
    assert fixed["moved"][0] == (found.state[2, 0] != found.state[3, 0])


def test_events_follow_their_rules(recalibrated: dict[str, Any], fixed: dict[str, Any]) -> None:
    for found in (recalibrated, fixed):
        threshold = found["industrial_share"]
        push, none = (found[f"gdp_share_{side}"] >= threshold for side in ("push", "none"))
        np.testing.assert_array_equal(found["industrial_push"], push)
        np.testing.assert_array_equal(found["needed"], found["moved"] & push & ~none)
        years = found["path_gdp_share_push"][:, [0, 2]]
        np.testing.assert_allclose(threshold, years.mean(axis=1), rtol=1e-6)
        assert (found["count"][found["moved"]] >= 2).all()
        np.testing.assert_array_equal(found["multiple"], found["count"] >= 2)


@pytest.mark.parametrize("question", ["smallest_push", "smallest_industrial_push"])
def test_the_smallest_push_is_where_the_long_run_changes(
    question: str, fixed: dict[str, Any], ready: Baseline, study: QuantitativeStudy
) -> None:
    """At the rate that is found the answer is yes, a tolerance below it no: paths solved one by one."""
    rate = fixed[question][0]
    if np.isnan(rate):
        assert fixed[f"{question}_status"][0] in ("none", "not needed")
        return
    one = ready.draw()
    none = compare(ready, [None])["baseline"].none

    def yes(rate: float) -> bool:
        sequence = []
        for t, economy in enumerate(one.economies):
            subsidy = np.zeros_like(economy.subsidy)
            subsidy[one.heavy] = rate * study.problem().subsidised * (t in one.policy_periods)
            sequence.append(economy.changed(subsidy=subsidy))
        path = solve_path([*sequence, one.frozen()], one.initial_share, max_periods=400)
        assert path.fate[0] == "steady state"
        if question == "smallest_push":
            return bool(np.abs(path.shares[-1] - none.shares[-1]).max() > TOLERANCE)
        return bool(path.outcomes.gdp_share[-1, 0, one.heavy] >= fixed["industrial_share"][0])

    assert yes(rate)
    assert rate <= 0.01 or not yes(rate - 0.01)


def test_a_given_subsidy_is_the_draws(draws: dict[str, Any], setting: SpatialSetting) -> None:
    """With and without recalibration; a rate that is none has no economy, and does not stop the others."""
    given = replace(setting, subsidy="given", scenarios=False, smallest_push=False)
    some = {name: values[:3] for name, values in draws.items()}
    some["subsidy"] = np.array([0.06, 0.03, 1.5])
    for version in (given, replace(given, recalibrate=False)):
        found = propagate_spatial(some, version)
        np.testing.assert_allclose(found["parameters"][:2, 3], [0.06, 0.03], rtol=1e-12)
        assert found["converged"].tolist() == [True, True, False]
        assert found["calibration_status"][2] == "undefined"
        assert not any(key.startswith(("scenario", "smallest")) for key in found)


@pytest.mark.parametrize("version", ["recalibrated", "fixed"])
def test_extreme_draws_are_flagged_and_the_others_kept(
    version: str, study: QuantitativeStudy, setting: SpatialSetting, request: pytest.FixtureRequest
) -> None:
    point = study.external()
    wild = drawn(study, [1.22, point.eta, 1.25, 1.25], [0.75, np.nan, 0.5, 900.0], 0.06, [5, 5, 0.5, 5])
    chosen = replace(setting, recalibrate=version == "recalibrated", smallest_push=False, scenarios=False)
    found, ordinary = propagate_spatial(wild, chosen), request.getfixturevalue(version)
    assert len(found["converged"]) == 4
    assert found["converged"][0]
    assert found["gdp_share"][0] == pytest.approx(ordinary["gdp_share"][1], rel=1e-4)
    assert found["calibration_status"][[1, 2]].tolist() == ["undefined"] * 2
    assert not found["converged"][[1, 2, 3]].any()
    for key, values in found.items():
        if values.dtype.kind == "f" and key not in ("separation",):
            assert np.isnan(values[[1, 2]]).all(), key
    assert found["fate_push"][[1, 2]].tolist() == ["no economy"] * 2


@dataclass(frozen=True)
class Work:
    setting: SpatialSetting

    def __call__(self, draws: dict[str, Any]) -> dict[str, Any]:
        return propagate_spatial(draws, self.setting)


def test_bits_are_the_chunks_and_not_the_workers(
    draws: dict[str, Any], setting: SpatialSetting, recalibrated: dict[str, Any]
) -> None:
    """The same chunk gives the same bits here and in another process; among other draws it agrees to tolerance."""
    pieces = [{name: values[rows] for name, values in draws.items()} for rows in (slice(0, 2), slice(2, 4))]
    here: dict[int, Any] = {}
    there: dict[int, Any] = {}
    run_chunks(Work(setting), pieces, keep=here.__setitem__)
    run_chunks(Work(setting), pieces, workers=2, keep=there.__setitem__)
    for index in (0, 1):
        for key, values in here[index].items():
            np.testing.assert_array_equal(values, there[index][key], err_msg=key)
    for key in ("gdp_share", "welfare_log", "count", "moved", "smallest_push_status", "parameters"):
        joined = np.concatenate([here[0][key], here[1][key]])
        if joined.dtype.kind == "f":
            np.testing.assert_allclose(joined, recalibrated[key], rtol=1e-4, atol=1e-7, err_msg=key)
        else:
            np.testing.assert_array_equal(joined, recalibrated[key], err_msg=key)


def test_time_is_told_by_stage(draws: dict[str, Any], held: SpatialSetting) -> None:
    spent: dict[str, float] = {}
    propagate_spatial({name: values[:1] for name, values in draws.items()}, held, spent=spent)
    assert set(spent) >= {"equilibria", "steady states", "smallest push", "scenarios"}
    assert all(seconds >= 0.0 for seconds in spent.values())


def test_bad_draws_and_settings_are_refused(
    draws: dict[str, Any], setting: SpatialSetting, study: QuantitativeStudy, parameters: Any
) -> None:
    with pytest.raises(MissingKey, match="delta"):
        propagate_spatial({name: values for name, values in draws.items() if name != "delta"}, setting)
    with pytest.raises(ShapeMismatch, match="sigma"):
        propagate_spatial(draws | {"sigma": np.array(5.0)}, setting)
    with pytest.raises(InvalidValue, match="at least one"):
        propagate_spatial({name: values[:0] for name, values in draws.items()}, setting)
    with pytest.raises(InvalidValue, match="recalibrate"):
        SpatialSetting.of(study, parameters, recalibrated=True)
    with pytest.raises(InvalidValue, match="subsidy_rate"):
        replace(setting, subsidy="given", fixed={"subsidy_rate": 0.06})
    with pytest.raises(ShapeMismatch, match="parameters"):
        SpatialSetting.of(study, parameters[:5])


def test_a_push_that_the_moments_do_not_want_ends_at_its_bound(
    study: QuantitativeStudy, setting: SpatialSetting, parameters: Any
) -> None:
    """Adopter shares that fall below those without a subsidy: the best rate is 0, which log odds do not reach."""
    target = study.target() * [1.0, 0.6, 0.6, 1.0, 1.0, 1.0, 1.0]
    point = study.external()
    chosen = replace(setting, target=target, scenarios=False, smallest_push=False)
    found = propagate_spatial(drawn(study, [point.eta], [point.delta]), chosen)
    one = calibrate(study.problem(), target, parameters, max_evaluations=200)
    assert one.parameters[3] < 1e-3
    assert found["calibration_status"].tolist() == ["bound"]
    assert found["calibrated"][0]
    assert found["parameters"][0, 3] == pytest.approx(6.14e-6, rel=1e-3)
    assert found["criterion"][0] <= one.criterion * (1.0 + 1e-3)
    assert not found["moved"][0]
