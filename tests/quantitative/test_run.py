"""A quantitative study from file to results: on ten of the shipped economy's regions, so that it takes seconds."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bigpush_est.data.economy_bundle import write_economy_bundle
from bigpush_est.errors import InputError, Interrupted, InvalidValue, MissingKey, ResumeRefused, UnknownKey
from bigpush_est.quantitative.artefacts import stretched
from bigpush_est.quantitative.stages import run_quantitative
from bigpush_est.quantitative.study import QuantitativeStudy, load_quantitative_study
from bigpush_est.studies import described, open_study, run_any

from ..small_economy import small_economy

STUDY = """
name = "small"
title = "Ten regions"
model = "spatial"
seed = 5

[economy]
folder = "economy"

[calibration]
region_share_year = 1980
restarts = {restarts}
max_evaluations = 12

[steady_states]
random_starts = 2

[policies]
run = false

[[variants]]
group = "Estimates"
label = "no spillover"
set = {{ "parameters.spillover" = 0.0 }}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("study")
    write_economy_bundle(small_economy(), root / "economy")
    (root / "small.toml").write_text(STUDY.format(restarts=0), encoding="utf-8")
    return root


@pytest.fixture(scope="module")
def finished(folder: Path) -> tuple[Path, dict[str, Any]]:
    out = folder / "run"
    result = run_quantitative(load_quantitative_study(folder / "small.toml"), out)
    return out, result.results


def test_the_study_says_what_it_is(folder: Path) -> None:
    study = open_study(folder / "small.toml")
    assert isinstance(study, QuantitativeStudy)
    content = described(study)
    assert content["regions"] == 10
    assert content["label"] == "synthetic"
    assert study.external().eta == pytest.approx(np.exp(0.9 / 4))
    assert study.external().delta == pytest.approx(0.675)
    assert study.distortion_elasticity() == pytest.approx(-0.30)


@pytest.mark.parametrize(
    ("exponent", "eta", "delta", "xi"),
    [
        ("kept", np.exp(0.9 / 2.5), 2.7 / 2.5, -0.30),
        ("gross_published_xi", np.exp(0.9 / 2.8), 2.7 / 2.8, -0.30),
        ("gross_reinferred_xi", np.exp(0.9 / 2.5), 2.7 / 2.5, -0.375),
    ],
)
def test_estimates_are_mapped_with_the_exponent(
    folder: Path, exponent: str, eta: float, delta: float, xi: float
) -> None:
    study = load_quantitative_study(folder / "small.toml", {"parameters.exponent": exponent})
    assert study.external().eta == pytest.approx(eta)
    assert study.external().delta == pytest.approx(delta)
    assert study.distortion_elasticity() == pytest.approx(xi)


def test_results_hold_our_tables_beside_the_papers(finished: tuple[Path, dict[str, Any]]) -> None:
    out, results = finished
    assert results["economy"]["label"] == "synthetic"
    assert results["table3"]["scenarios"][0]["name"] == "lower_foreign_demand"
    assert results["table3"]["paper"]["A heavy_gdp_share aggregate"] == pytest.approx(0.0359)
    effect = results["table3"]["baseline"]
    assert effect["gdp_share"] == pytest.approx(effect["gdp_share_push"] - effect["gdp_share_none"], abs=1e-12)
    assert len(results["regions"]) == 10
    for row in results["scorecard"]:
        if row["gap"] is not None:
            assert row["gap"] == pytest.approx(row["ours"] - row["paper"])
    shown = {row["figure"] for row in results["scorecard"]}
    assert {"years to the steady state after 1980", "adoption cost over export cost", "worsened_level"} <= shown
    assert results["calibration"]["paper_criterion"] == pytest.approx(0.2584, abs=1e-3)
    assert json.loads((out / "results.json").read_text(encoding="utf-8")) == results


def test_no_spillover_is_no_multiplicity(finished: tuple[Path, dict[str, Any]]) -> None:
    """Without spillovers yesterday's shares do nothing: a push that ended has no effect on the steady state."""
    _, results = finished
    (variant,) = results["variants"]
    assert variant["external"]["delta"] == 0.0
    assert abs(variant["gdp_share"]) < 1e-7


def test_a_resumed_run_is_the_same_run(folder: Path, finished: tuple[Path, dict[str, Any]]) -> None:
    """What an interrupted run saved is used, and the rest comes out the same to the last bit."""
    _, results = finished
    study, out = load_quantitative_study(folder / "small.toml"), folder / "again"

    def stop(stage: str, done: int, total: int) -> None:
        if stage.startswith("Paths") and done == 3:
            raise KeyboardInterrupt

    with pytest.raises(Interrupted, match="Paths"):
        run_quantitative(study, out, progress=stop)
    resumed = run_quantitative(study, out, workers=2, resume=True)
    assert resumed.results == results
    changed = load_quantitative_study(folder / "small.toml", {"seed": 6})
    with pytest.raises(ResumeRefused, match="seed"):
        run_quantitative(changed, out, resume=True)


def test_stretching_repeats_the_steady_state() -> None:
    arrays = {"push.gdp_share": np.array([[1.0], [2.0]])}
    np.testing.assert_array_equal(stretched(arrays, "push", "gdp_share", 4)[:, 0], [1.0, 2.0, 2.0, 2.0])
    np.testing.assert_array_equal(stretched(arrays, "push", "gdp_share", 1)[:, 0], [1.0])


@pytest.mark.parametrize(
    ("key", "value", "error", "words"),
    [
        ("economy.numeraire", "steel", InvalidValue, "a sector of the economy"),
        ("calibration.region_share_year", 1999, InvalidValue, "a year of the economy"),
        ("calibration.start", {"etta": 1.0}, UnknownKey, "etta"),
        ("calibration.fixed", {"theta": 1.0}, UnknownKey, "theta"),
        ("calibration.restarts", -1, InvalidValue, "restarts"),
        ("parameters.sigma", 0.5, InvalidValue, "sigma"),
        ("paths.discont", 0.9, UnknownKey, "discont"),
        ("variants", [{"group": "a", "label": "b", "set": {"paths.discount": 0.9}}], UnknownKey, "a variant changes"),
        ("title", None, InputError, "title"),
        ("economy.folder", "nowhere", InputError, "nowhere"),
    ],
)
def test_bad_studies_are_refused(folder: Path, key: str, value: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        load_quantitative_study(folder / "small.toml", {key: value}).variants()


def test_a_missing_moment_is_named(folder: Path) -> None:
    study = load_quantitative_study(folder / "small.toml")
    poorer = replace(study.bundle, moments=study.bundle.moments[:-1])
    with pytest.raises(MissingKey, match="tax_rate_1972"):
        QuantitativeStudy(study.raw, study.where, poorer)


def test_options_of_the_other_model_are_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidValue, match="--draws"):
        open_study(folder / "small.toml", {"sampler.draws": 500})
    assert callable(run_any)
