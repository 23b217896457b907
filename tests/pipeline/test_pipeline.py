"""The whole way on ten regions: stages, checkpoints, kills, other workers, other inputs."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bigpush_est.data.economy_bundle import write_economy_bundle
from bigpush_est.equilibrium.spatial.calibration import PARAMETERS
from bigpush_est.errors import (
    Interrupted,
    InvalidValue,
    MissingKey,
    OutputOccupied,
    ResumeRefused,
    SolverFailed,
    UnknownKey,
)
from bigpush_est.pipeline import stages
from bigpush_est.pipeline.evidence import Gathered, gather
from bigpush_est.pipeline.stages import run_pipeline, thinned
from bigpush_est.pipeline.study import PipelineStudy, load_pipeline_study
from bigpush_est.run_folder import RunFolder
from bigpush_est.studies import described, open_study, run_any

from ..small_economy import small_economy

STUDY = """
name = "small"
title = "Ten regions"
model = "posterior"
seed = 5

[evidence]
source = "published"

[evidence.published.direct_effect]
figure = "direct_effect_log_sales"
standard_error = 0.24
standard_error_source = "assumed for the test"

[evidence.published.spillover]
columns = [3]

[mapping]
second = "gross_reinferred_xi"

[priors]
log_eta = { family = "half_normal", scale = 0.5 }
delta = { family = "half_normal", scale = 1.0 }
subsidy = { family = "fixed", value = 0.06 }
sigma = { family = "fixed", value = 5.0 }
pareto_ratio = { family = "fixed", value = 1.06 }

[sampler]
chains = 2
tune = 300
draws = 400
variant_draws = 400
max_rhat = 1.1
min_ess = 50

[economy]
folder = "economy"

[calibration]
region_share_year = 1980
restarts = 0
max_evaluations = 12

[propagation]
draws = 8
chunk = 2
variant_draws = 8
random_starts = 0
smallest_push = false

[sensitivity]
breakdown = false

[[variants]]
group = "Column of Table 1"
label = "column 2"
set = { "evidence.published.spillover.columns" = [2] }
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("pipeline")
    write_economy_bundle(small_economy(), root / "economy")
    (root / "small.toml").write_text(STUDY, encoding="utf-8")
    return root


@pytest.fixture(scope="module")
def study(folder: Path) -> PipelineStudy:
    return load_pipeline_study(folder / "small.toml")


@pytest.fixture(scope="module")
def finished(folder: Path, study: PipelineStudy) -> tuple[Path, dict[str, Any]]:
    out = folder / "run"
    return out, run_pipeline(study, out).results


def numbers(out: Path) -> dict[str, Any]:
    """Everything that a run computed: results and arrays."""
    found: dict[str, Any] = {"results": json.loads((out / "results.json").read_text(encoding="utf-8"))}
    outcomes = ("recalibrated", "fixed", "second_mapping", "calibration", "second_calibration")
    for name in (*(f"outcomes/{one}.npz" for one in outcomes), "figures.npz"):
        with np.load(out / name) as stored:
            found |= {f"{name}:{key}": stored[key] for key in stored.files if not key.startswith("seconds")}
    return found


def assert_same(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert one.keys() == other.keys()
    for key, value in one.items():
        if isinstance(value, np.ndarray):
            np.testing.assert_array_equal(value, other[key], err_msg=key)
        else:
            assert value == other[key], key


# -- the study -------------------------------------------------------------------------------------------------------


def test_the_study_says_what_it_is(folder: Path) -> None:
    opened = open_study(folder / "small.toml")
    content = described(opened)
    assert (content["model"], content["draws"], content["propagated"]) == ("posterior", 800, 8)
    assert content["variants"] == 1


@pytest.mark.parametrize(
    ("change", "kind", "words"),
    [
        ({"evidence.source": "estimates"}, MissingKey, r"\[evidence.estimates\]"),
        ({"evidence.likelihood": "weak_instrument"}, InvalidValue, "published tables print neither"),
        ({"evidence.source": "micro", "evidence.micro": {"design": {"etta": 2.0}}}, UnknownKey, "etta"),
        ({"evidence.source": "micro", "evidence.micro": {"event_times": [4, 4]}}, InvalidValue, "each year once"),
        ({"priors.kappa": {"family": "fixed", "value": 1.4}}, UnknownKey, "kappa"),
        ({"propagation.subsidy": "given", "calibration.fixed": {"subsidy_rate": 0.1}}, InvalidValue, "posterior"),
        ({"economy.numeraire": "steel"}, InvalidValue, "steel"),
        ({"mapping.second": "undistorted"}, InvalidValue, r"mapping.second.*another exponent than mapping.exponent"),
        ({"mapping.second": "net"}, InvalidValue, "mapping.second"),
    ],
)
def test_a_study_is_checked_before_any_work(
    folder: Path, change: dict[str, Any], kind: type[Exception], words: str
) -> None:
    with pytest.raises(kind, match=words):
        load_pipeline_study(folder / "small.toml", change)


def test_only_this_model_takes_a_scheduler(folder: Path) -> None:
    with pytest.raises(InvalidValue, match="scheduler"):
        run_any(open_study("korea"), folder / "never", progress=lambda a, b, c: None, scheduler="tcp://127.0.0.1:1")


# -- what it finds ---------------------------------------------------------------------------------------------------


def test_results_hold_the_answer_with_its_uncertainty(finished: tuple[Path, dict[str, Any]]) -> None:
    _, results = finished
    assert results["kind"] == "posterior"
    assert results["label"] == "published"
    assert results["economy"]["label"] == "synthetic"
    for version in ("recalibrated", "fixed"):
        answer = results["answers"][version]
        assert answer["draws"] == 8
        chance = answer["probabilities"]["multiple"]
        assert 0.0 <= chance["bound_low"] <= chance["estimate"] <= chance["bound_high"] <= 1.0
        assert answer["differences"]["gdp_share"]["paper"] == pytest.approx(0.0359)
        assert answer["scenarios"][0]["name"] == "lower_foreign_demand"
    assert results["posterior"]["parameters"]["delta"]["median"] == pytest.approx(0.65, abs=0.15)
    assert [row["group"] for row in results["variants"]] == ["Column of Table 1"]


def test_the_second_mapping_answers_at_full_length(finished: tuple[Path, dict[str, Any]], study: PipelineStudy) -> None:
    """The same estimates over 2.5 in place of 4: another posterior, another calibration, another answer."""
    out, results = finished
    second = results["second"]
    assert second["exponent"] == "gross_reinferred_xi"
    assert (results["study"]["exponent_value"], second["exponent_value"]) == (pytest.approx(4.0), pytest.approx(2.5))
    assert results["answers"]["second_mapping"].keys() == results["answers"]["recalibrated"].keys()
    assert results["sensitivity"].keys() == results["answers"].keys()
    # the ratio of posterior medians is that of the exponents, up to the priors' pull
    for name in ("eta", "delta"):
        one, other = (part["posterior"]["parameters"][name]["median"] for part in (results, second))
        pull = np.log(other) / np.log(one) if name == "eta" else other / one
        assert pull == pytest.approx(4.0 / 2.5, rel=0.12)
    with np.load(out / "outcomes/calibration.npz") as one, np.load(out / "outcomes/second_calibration.npz") as other:
        assert not np.array_equal(one["parameters"], other["parameters"])
    posterior = stages._stored_posterior(_reading(study, out), "draws/second.nc")
    assert posterior is not None
    assert second["posterior"]["parameters"]["delta"]["median"] == pytest.approx(np.median(posterior.draws["delta"]))
    # ξ goes with the mapping: the model that draws go through has the exponent that they were mapped with
    other_study = study.second()
    assert other_study is not None
    assert 4.0 * (1.0 + other_study.point.distortion_elasticity()) == pytest.approx(2.5)
    assert other_study.second() is None


def test_a_variant_has_one_mapping(folder: Path) -> None:
    rows = {"group": "Exponent", "label": "r", "set": {"mapping.exponent": "gross_reinferred_xi"}}
    [(_, _, variant)] = load_pipeline_study(folder / "small.toml", {"variants": [rows]}).variants()
    assert variant.spec.mapping.second is None
    rows["set"] = {"mapping.second": "kept"}
    with pytest.raises(UnknownKey, match=r"mapping.second.*one answer"):
        load_pipeline_study(folder / "small.toml", {"variants": [rows]}).variants()


def test_variants_that_leave_the_evidence_alone_take_the_studys_estimates(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [
        {"group": "g", "label": "mapping", "set": {"mapping.exponent": "kept", "mapping.subsidised_share": 1.0}},
        {"group": "g", "label": "tail", "set": {"mapping.tail_index": 1.5}},
        {"group": "g", "label": "evidence", "set": {"evidence.published.correlation.main": 0.5}},
    ]
    study = load_pipeline_study(folder / "small.toml", {"variants": rows})
    gathered, sent = gather(study), []
    monkeypatch.setattr(stages, "run_chunks", lambda work, pieces, **options: sent.extend(pieces))
    stages._variants(study, gathered, RunFolder(tmp_path), stages.Crew(), lambda stage, done, total: None)
    assert [estimates is not None for _, _, estimates in sent] == [True, True, False]
    for (_, _, variant), (_, _, estimates) in zip(study.variants(), sent, strict=True):
        if estimates is not None:
            mapped = Gathered.restored(estimates).mapped_as(variant)
            assert mapped.evidence.described() == gather(variant).evidence.described()


def test_a_variant_without_a_model_is_said_and_does_not_end_the_run(
    study: PipelineStudy, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*arguments: object, **options: object) -> None:
        raise SolverFailed(problem="the inversion", detail="no fundamentals", remedy="another σ")

    monkeypatch.setattr(stages, "calibrated", fails)
    monkeypatch.setattr(stages, "sampled", lambda *a, **k: None)
    monkeypatch.setattr(stages, "at_medians", lambda *a: None)
    [(_, _, variant)] = study.variants()
    assert "no fundamentals" in stages.VariantWork(8)((variant.raw, variant.where, None))["failed"]


@pytest.mark.parametrize("name", ["korea_published", "korea_micro"])
def test_variants_of_shipped_studies_are_valid_and_grouped(name: str) -> None:
    variants = load_pipeline_study(name).variants()
    groups = [group for group, _, _ in variants]
    assert len(variants) > 30
    # the specification curve has a heading per group: one that came twice would have two
    assert len(list(groupby(groups))) == len(set(groups))
    assert {"mapping.exponent": "kept"} in [variant.set for variant in load_pipeline_study(name).spec.variants]


def test_every_draw_meets_the_moments_anew_or_is_flagged(finished: tuple[Path, dict[str, Any]]) -> None:
    out, _ = finished
    with np.load(out / "outcomes/recalibrated.npz") as anew, np.load(out / "outcomes/fixed.npz") as held:
        good = anew["calibrated"]
        assert good.any()
        # the joint minimum is never above what the point calibration leaves at the draw
        assert (anew["criterion"][good] <= held["criterion"][good] + 1e-9).all()
        # with the calibration held, its parameters are one point
        assert np.ptp(held["parameters"], axis=0).max() == 0.0
        others = [k for k, name in enumerate(PARAMETERS) if name != "subsidy_rate"]  # which may end at its bound
        assert np.ptp(anew["parameters"][good][:, others], axis=0).min() > 0.0


def test_draws_are_thinned_within_chains(study: PipelineStudy, finished: tuple[Path, dict[str, Any]]) -> None:
    posterior = stages._stored_posterior(_reading(study, finished[0]))
    assert posterior is not None
    draws = thinned(posterior, 8)
    np.testing.assert_array_equal(draws["delta"][:4], posterior.draws["delta"][0, [0, 133, 266, 399]])
    np.testing.assert_array_equal(draws["delta"][4:], posterior.draws["delta"][1, [0, 133, 266, 399]])


def _reading(study: PipelineStudy, out: Path) -> RunFolder:
    return RunFolder(out, study.fingerprint())


# -- stopping and going on -------------------------------------------------------------------------------------------


@pytest.mark.validate
def test_a_run_that_is_stopped_anywhere_ends_in_the_same_bits(
    folder: Path, study: PipelineStudy, finished: tuple[Path, dict[str, Any]]
) -> None:
    """Ctrl-C after more and more reports of progress, until the run ends: each try goes on where the last one was."""
    out, tries = folder / "stopped", 0
    while True:
        told = [0]

        def stop(stage: str, done: int, total: int, told: list[int] = told, last: int = 5 * (tries + 1)) -> None:
            told[0] += 1
            if told[0] == last:
                raise KeyboardInterrupt

        try:
            run_pipeline(study, out, resume=tries > 0, progress=stop)
            break
        except Interrupted:
            tries += 1
    assert tries >= 3
    assert_same(numbers(finished[0]), numbers(out))


KILLED = """
import sys
from bigpush_est.pipeline.stages import run_pipeline
from bigpush_est.pipeline.study import load_pipeline_study

if __name__ == "__main__":
    run_pipeline(load_pipeline_study(sys.argv[1]), sys.argv[2], resume=True, workers=int(sys.argv[3]))
"""


def killed_at(folder: Path, out: Path, sign: str, workers: int = 1) -> None:
    """Run in another process, and kill it without warning once a file that fits ``sign`` is there."""
    script = folder / "killed.py"
    script.write_text(textwrap.dedent(KILLED), encoding="utf-8")
    process = subprocess.Popen(
        [sys.executable, str(script), str(folder / "small.toml"), str(out), str(workers)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    deadline = time.monotonic() + 300.0
    while not list(out.glob(sign)) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    _, errors = process.communicate()
    assert process.returncode == -signal.SIGKILL, errors.decode()


@pytest.mark.parametrize(
    ("sign", "workers"),
    [
        ("checkpoints/recalibrated-*.npz", 1),
        pytest.param("draws/main.nc", 1, marks=pytest.mark.validate),
        pytest.param("outcomes/calibration.npz", 2, marks=pytest.mark.validate),
        pytest.param("checkpoints/fixed-*.npz", 2, marks=pytest.mark.validate),
        pytest.param("draws/second.nc", 1, marks=pytest.mark.validate),
        pytest.param("checkpoints/second_mapping-*.npz", 2, marks=pytest.mark.validate),
    ],
)
def test_a_killed_run_goes_on_and_ends_in_the_same_bits(
    folder: Path, study: PipelineStudy, finished: tuple[Path, dict[str, Any]], sign: str, workers: int
) -> None:
    out = folder / f"killed-{sign.replace('/', '-').replace('*', 'x')}"
    killed_at(folder, out, sign, workers)
    assert not (out / "results.json").exists()
    before = {file: file.stat().st_mtime_ns for file in out.glob(sign)}
    run_pipeline(study, out, resume=True)
    for file, when in before.items():
        # what was finished before the kill is not done again; chunks are put together at the end
        assert not file.exists() or file.stat().st_mtime_ns == when
    assert_same(numbers(finished[0]), numbers(out))


@pytest.mark.validate
def test_damaged_and_foreign_pieces_are_done_again(
    folder: Path, study: PipelineStudy, finished: tuple[Path, dict[str, Any]]
) -> None:
    out = folder / "damaged"
    with pytest.raises(Interrupted):
        run_pipeline(study, out, progress=_stop_at("Draws, calibration held", 2))
    pieces = sorted(out.glob("checkpoints/fixed-*.npz"))
    assert pieces
    pieces[0].write_bytes(pieces[0].read_bytes()[:100])
    (out / "outcomes/recalibrated.npz").write_bytes(b"")
    run_pipeline(study, out, resume=True)
    assert_same(numbers(finished[0]), numbers(out))


def _stop_at(stage: str, done: int) -> Any:
    def told(name: str, count: int, total: int) -> None:
        if name == stage and count == done:
            raise KeyboardInterrupt

    return told


def test_a_changed_study_does_not_resume_and_says_what_changed(
    folder: Path, finished: tuple[Path, dict[str, Any]]
) -> None:
    changed = load_pipeline_study(folder / "small.toml", {"priors.delta.scale": 2.0})
    with pytest.raises(ResumeRefused, match=r"priors\.delta\.scale: 1\.0 then, 2\.0 now"):
        run_pipeline(changed, finished[0], resume=True)
    with pytest.raises(OutputOccupied):
        run_pipeline(changed, finished[0])


@pytest.mark.validate
def test_two_workers_find_what_one_finds(
    folder: Path, study: PipelineStudy, finished: tuple[Path, dict[str, Any]]
) -> None:
    out = folder / "two"
    run_pipeline(study, out, workers=2)
    assert_same(numbers(finished[0]), numbers(out))
