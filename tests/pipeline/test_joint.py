"""Estimates and adoption counts in one posterior, on ten regions: counts, sampling, and what the calibration takes."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bigpush_est.bayes.smc import SMCSettings
from bigpush_est.data.economy_bundle import write_economy_bundle
from bigpush_est.equilibrium.spatial.calibration import PARAMETERS
from bigpush_est.errors import InputError, InvalidValue
from bigpush_est.pipeline.counts import file_counts
from bigpush_est.pipeline.evidence import gather, posterior_model
from bigpush_est.pipeline.joint import anchor_point, joint_model, sample_joint
from bigpush_est.pipeline.stages import run_pipeline
from bigpush_est.pipeline.study import PipelineStudy, load_pipeline_study
from bigpush_est.propagate.spatial import SpatialSetting
from bigpush_est.quantitative.problem import moment_names

from ..small_economy import small_economy
from .test_pipeline import STUDY

COUNTS = """
[evidence.adoption]
counts = "counts.csv"
cells = "nation"
fundamentals = "held"
max_moves = 3
adoption_cost = { family = "log_normal", median = 0.015, log_sd = 0.3 }
kappa = { family = "normal", mean = 1.4, sd = 0.1 }
overdispersion = { family = "beta", a = 1.0, b = 50.0 }

[priors]"""


def joint_study(text: str) -> str:
    """The study of the other tests with counts, s̄ free, and no variants."""
    for old, new in (
        ("\n[priors]", COUNTS),
        ('subsidy = { family = "fixed", value = 0.06 }', 'subsidy = { family = "beta", a = 1.0, b = 9.0 }'),
        ("random_starts = 0", 'random_starts = 0\nscenarios = false\nsubsidy = "given"'),
        ("\ndraws = 400", "\ndraws = 100"),
        ("\nvariant_draws = 400", "\nvariant_draws = 100"),
        ("max_evaluations = 12", "max_evaluations = 15"),
        ("min_ess = 50", "min_ess = 20"),
    ):
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("joint")
    bundle = small_economy()
    write_economy_bundle(bundle, root / "economy")
    shares, rng = (0.10, 0.15, 0.18), np.random.default_rng(1)
    rows = [
        f"{region},{year},{rng.binomial(40, share)},40"
        for year, share in zip(bundle.years, shares, strict=True)
        for region in bundle.regions
    ]
    (root / "counts.csv").write_text("\n".join(["region,year,adopters,firms", *rows, ""]), encoding="utf-8")
    (root / "joint.toml").write_text(joint_study(STUDY.split("[[variants]]")[0]), encoding="utf-8")
    return root


@pytest.fixture(scope="module")
def study(folder: Path) -> PipelineStudy:
    return load_pipeline_study(folder / "joint.toml")


@pytest.fixture(scope="module")
def finished(folder: Path, study: PipelineStudy) -> tuple[Path, dict[str, Any]]:
    out = folder / "run"
    return out, run_pipeline(study, out).results


@pytest.fixture(scope="module")
def model(study: PipelineStudy, finished: tuple[Path, dict[str, Any]]) -> Any:
    with np.load(finished[0] / "outcomes/anchor-main.npz") as stored:
        anchor = dict(stored)
    gathered = gather(study)
    assert gathered.counts is not None
    estimates = posterior_model(study, gathered.evidence)
    return joint_model(study, estimates, gathered.counts, anchor_point(study, estimates, lambda work: anchor))


# -- counts ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("nowhere,1972,1,40", "row 2, region = nowhere .* a region of the economy"),
        ("seoul,1973,1,40", "row 2, year = 1973 .* one of 1972, 1976, 1980"),
        ("seoul,1972,1.5,40", "row 2, adopters = 1.5 .* whole number"),
        ("seoul,1972,41,40", "row 2, adopters = 41 .* at most the 40 firms"),
        ("seoul,1972,1,40\nseoul,1972,1,40", "row 3, region = seoul .* once for each year"),
        ("seoul,1972,,40", r"row 2, adopters = \(empty\)"),
    ],
)
def test_a_row_of_counts_that_is_wrong_is_named(tmp_path: Path, row: str, words: str) -> None:
    file = tmp_path / "counts.csv"
    file.write_text(f"region,year,adopters,firms\n{row}\n", encoding="utf-8")
    bundle = small_economy()
    with pytest.raises(InputError, match=words):
        file_counts(file, bundle, bundle.years, national=False)


def test_the_nation_is_one_cell_in_which_regions_weigh_as_they_have_firms(tmp_path: Path) -> None:
    file = tmp_path / "counts.csv"
    file.write_text("region,year,adopters,firms\nseoul,1972,1,30\nbusan,1972,2,10\nbusan,1980,4,20\n", encoding="utf-8")
    bundle = small_economy()
    found = file_counts(file, bundle, bundle.years, national=True)
    assert found.adopters.tolist() == [[3.0], [0.0], [4.0]]
    assert found.firms.tolist() == [[40.0], [0.0], [20.0]]
    assert found.cells is not None
    assert found.cells[0, :3].tolist() == [0.5, 0.5, 0.0]


# -- the study -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"propagation.subsidy": "recalibrated"}, "adopter shares twice"),
        ({"calibration.fixed": {"kappa": 1.4}}, "the posterior gives it"),
        ({"evidence.adoption.years": [1973]}, "years of the economy"),
        ({"evidence.adoption.counts": "panel"}, "a file of counts"),
        ({"evidence.adoption.kappa": {"family": "fixed", "value": 0.9}}, r"evidence\.adoption\.kappa\.value"),
        ({"evidence.direct": "hierarchical"}, "event_study"),
    ],
)
def test_a_study_whose_counts_would_not_do_is_refused(folder: Path, change: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        load_pipeline_study(folder / "joint.toml", change)


def test_the_calibration_leaves_out_what_counts_hold(study: PipelineStudy) -> None:
    names = moment_names(study.point.bundle)
    point = study.at({}, study.point.bundle, held={"kappa": 1.4}, unweighted=names[:4])
    weights = point.weights()
    assert weights is not None
    assert weights.tolist() == [0.0] * 4 + [1.0] * 3
    assert point.spec.calibration.fixed == {"kappa": 1.4}
    setting = {"drawn": ("adoption_cost", "kappa")}
    with pytest.raises(InvalidValue, match="left out where it is the draws'"):
        SpatialSetting.of(point, np.full(6, 0.5), **setting)


def test_draws_that_no_economy_can_have_are_flagged(study: PipelineStudy) -> None:
    setting = SpatialSetting.of(study.point, np.full(6, 0.5), drawn=("adoption_cost", "kappa"), subsidy="given")
    draws = {name: np.full(3, 1.5) for name in ("log_eta", "delta", "pareto_ratio", "kappa")}
    draws |= {"sigma": np.full(3, 5.0), "subsidy": np.full(3, 0.1), "adoption_cost": np.array([0.02, -1.0, np.nan])}
    assert setting.external_draws(draws).usable.tolist() == [True, False, False]
    with pytest.raises(InputError, match="kappa"):
        setting.external_draws({name: values for name, values in draws.items() if name != "kappa"})


# -- sampling --------------------------------------------------------------------------------------------------------


def test_an_interrupted_run_ends_in_the_same_particles(model: Any, tmp_path: Path) -> None:
    settings = SMCSettings(particles=40, runs=2, max_moves=2, min_moves=1, min_ess=5.0)
    whole = sample_joint(model, settings, seed=3)

    def stop(stage: str, done: int, total: int) -> None:
        if done > 50:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sample_joint(model, settings, seed=3, checkpoint=tmp_path, told=stop)
    assert sorted(file.name for file in tmp_path.glob("*")) == ["smc-run-0.npz", "smc-run-1.npz"]
    resumed = sample_joint(model, settings, seed=3, checkpoint=tmp_path)
    for name, values in whole.posterior.draws.items():
        np.testing.assert_array_equal(values, resumed.posterior.draws[name])


@pytest.mark.validate
def test_two_workers_find_the_same_particles(model: Any, tmp_path: Path) -> None:
    settings = SMCSettings(particles=40, runs=2, max_moves=2, min_moves=1, min_ess=5.0)
    one = sample_joint(model, settings, seed=3)
    two = sample_joint(model, settings, seed=3, checkpoint=tmp_path, workers=2)
    for name, values in one.posterior.draws.items():
        np.testing.assert_array_equal(values, two.posterior.draws[name])


@pytest.mark.validate
@pytest.mark.parametrize("fundamentals", ["held", "inverted"])
def test_counts_drawn_from_the_economy_give_its_parameters_back(folder: Path, fundamentals: str) -> None:
    """Regional counts of many firms at known s̄, F^T and κ: the truth is inside the posterior, which is narrow."""
    study = load_pipeline_study(
        folder / "joint.toml", {"evidence.adoption.fundamentals": fundamentals, "evidence.adoption.cells": "regions"}
    )
    gathered = gather(study)
    assert gathered.counts is not None
    estimates = posterior_model(study, gathered.evidence)
    point = anchor_point(study, estimates)
    known = joint_model(study, estimates, gathered.counts, point)
    truth = {"log_eta": np.log(np.median(point.alone["eta"])), "delta": np.median(point.alone["delta"])}
    truth |= {"subsidy": 0.08, "sigma": 5.0, "pareto_ratio": 1.06, "overdispersion": 0.001}
    truth |= {"adoption_cost": point.parameters[0], "kappa": point.parameters[4]}
    blank = gathered.counts
    many = type(blank)(np.zeros_like(blank.firms), np.full_like(blank.firms, 400.0))
    counts = type(known.adoption)(known.adoption.priors, many, known.adoption.shares).simulate(
        truth, np.random.default_rng(4)
    )
    found = sample_joint(
        joint_model(study, estimates, counts, point), SMCSettings(particles=150, runs=2, min_ess=30.0), seed=6
    )
    for name in ("delta", "subsidy", "adoption_cost", "kappa"):
        draws = found.posterior.flat()[name]
        prior = next(prior for prior in study.every_prior if prior.parameter == name).frozen()
        assert abs(draws.mean() - truth[name]) < 3.5 * draws.std(), name
        assert draws.std() < 0.7 * prior.std(), name


def test_each_draw_keeps_what_the_counts_say_of_it(study: PipelineStudy, finished: tuple[Path, dict[str, Any]]) -> None:
    """The whole run: F^T, κ and s̄ stay the draws' own, and the others meet the moments that are no adopter shares."""
    out, results = finished
    part = results["adoption"]
    assert part["evaluations"] > 1000
    assert part["provenance"] == "counts.csv"
    assert [row["year"] for row in part["fit"]] == [1972, 1976, 1980]
    assert [row["firms"] for row in part["fit"]] == [400.0] * 3
    for row in part["fit"]:
        assert row["low90"] - 40.0 < row["adopters"] < row["high90"] + 40.0
    assert {"adoption_cost", "kappa", "overdispersion"} <= set(results["posterior"]["parameters"])
    with np.load(out / "outcomes/recalibrated.npz") as anew, np.load(out / "outcomes/fixed.npz") as held:
        for outcomes in (anew, held):
            kept = outcomes["parameters"][:, [PARAMETERS.index(name) for name in ("adoption_cost", "kappa")]]
            assert (np.ptp(kept, axis=0) > 0.0).all()
        np.testing.assert_allclose(anew["parameters"][:, [0, 3, 4]], held["parameters"][:, [0, 3, 4]], rtol=1e-9)
        good = anew["calibrated"]
        assert good.any()
        target = study.point.target()
        np.testing.assert_allclose(anew["moments"][good, 4:], np.tile(target[4:], (good.sum(), 1)), rtol=1e-4)
        # adopter shares are what the draw says, and no target
        assert np.abs(anew["moments"][good, :3] / target[:3] - 1.0).max() > 0.01
        assert np.ptp(held["moments"][:, 0]) > 0.0
    assert not list((out / "checkpoints").glob("smc-run-*"))
    table = json.loads((out / "tables/adoption.json").read_text(encoding="utf-8"))
    assert "Estimates without the counts" in json.dumps(table)
