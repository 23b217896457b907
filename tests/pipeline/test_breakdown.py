"""Breakdown values on ten regions: what holding a parameter changes, checkpoints, other workers."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bigpush_est.bayes.sampling import Diagnostics, Posterior
from bigpush_est.data.economy_bundle import write_economy_bundle
from bigpush_est.errors import InvalidValue
from bigpush_est.pipeline.breakdown import breakdowns, moved_parameter
from bigpush_est.pipeline.evidence import Gathered, gather, posterior_model
from bigpush_est.pipeline.held import HOLDABLE, held_at, others_unmoved
from bigpush_est.pipeline.results import Mapped
from bigpush_est.pipeline.stages import Crew, at_medians, setting_of, thinned
from bigpush_est.pipeline.study import PipelineStudy, load_pipeline_study
from bigpush_est.propagate.spatial import propagate_spatial
from bigpush_est.quantitative.stages import calibrated
from bigpush_est.run_folder import RunFolder

from ..small_economy import small_economy
from .test_pipeline import STUDY

CHANGES: dict[str, Any] = {
    "calibration.fixed.subsidy_rate": 0.06,  # free, it ends at its bound here, which takes long
    "sensitivity.breakdown": True,
    "sensitivity.parameters": ["delta", "kappa"],
    "sensitivity.grid": 3,
    "sensitivity.halvings": 1,
    "sensitivity.draws": 4,
    "sensitivity.ranges.kappa": [1.35, 1.6],
    "variants": [],
}


def drawn(size: int = 200) -> Posterior:
    """Return draws like a posterior's: two chains, η and δ independent of each other."""
    rng, shape = np.random.default_rng(3), (2, size)
    draws = {"log_eta": rng.normal(0.22, 0.05, shape), "delta": np.abs(rng.normal(0.65, 0.15, shape))}
    draws |= {"subsidy": np.full(shape, 0.06), "sigma": np.full(shape, 5.0), "pareto_ratio": np.full(shape, 1.06)}
    return Posterior(draws, np.zeros(shape), np.zeros(shape, dtype=bool), Diagnostics({}, 0, ()))


class Begun:
    """A study as far as its posterior, which is made up here, and its point calibration."""

    def __init__(self, root: Path) -> None:
        self.study: PipelineStudy = load_pipeline_study(root / "small.toml", CHANGES)
        self.gathered: Gathered = gather(self.study)
        self.posterior = drawn()
        self.point = calibrated(at_medians(self.study, self.posterior), lambda a, b, c: None, curves=False)

    @property
    def first(self) -> Mapped:
        return Mapped(self.study, self.gathered, self.posterior, self.point, thinned(self.posterior, 8))

    def moved(self, out: Path, crew: Crew | None = None, *, resume: bool = False) -> Any:
        """Return the breakdown as a run's results hold it."""
        folder = RunFolder(out)
        folder.open(self.study.raw, "small", self.study.fingerprint(), resume=resume, overwrite=False)
        try:
            found = breakdowns(self.first, {}, folder, crew or Crew(), lambda a, b, c: None)
            folder.write_json("moved.json", found)
            return folder.read_json("moved.json")
        finally:
            folder.release()


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("breakdown")
    write_economy_bundle(small_economy(), place / "economy")
    (place / "small.toml").write_text(STUDY, encoding="utf-8")
    return place


@pytest.fixture(scope="module")
def begun(root: Path) -> Begun:
    return Begun(root)


@pytest.fixture(scope="module")
def finished(begun: Begun, root: Path) -> tuple[Path, Any]:
    return root / "finished", begun.moved(root / "finished")


def test_each_parameter_has_its_grid_and_its_crossings(begun: Begun, finished: tuple[Path, Any]) -> None:
    delta, kappa = finished[1]
    values = begun.posterior.flat()["delta"]
    assert delta["own"] == pytest.approx(np.median(values))
    assert delta["range"] == pytest.approx(
        [max(0.0, delta["own"] - 3.0 * values.std()), delta["own"] + 3.0 * values.std()]
    )
    assert [kappa["values"][0], kappa["values"][-1], kappa["deviation"]] == [1.35, 1.6, None]
    for one in (delta, kappa):
        assert len(one["values"]) >= 3
        assert one["values"] == sorted(one["values"])
        for event in ("multiple", "moved", "needed"):
            assert len(one["probability"][event]) == len(one["values"])
            where = one["crossing"][event]
            low, high = one["range"]
            assert where is None or low <= where <= high
    assert len(list(finished[0].glob("checkpoints/breakdown-*.json"))) == len(delta["values"]) + len(kappa["values"])


def test_points_that_are_lost_are_done_again_to_the_same_bits(begun: Begun, finished: tuple[Path, Any]) -> None:
    out, before = finished
    pieces = sorted(out.glob("checkpoints/breakdown-*.json"))
    contents = {piece: piece.read_bytes() for piece in pieces}
    pieces[0].unlink()
    pieces[-1].write_bytes(contents[pieces[-1]][:50])  # as a kill can leave it
    when = {piece: piece.stat().st_mtime_ns for piece in pieces[1:-1]}
    assert begun.moved(out, resume=True) == before
    assert {piece: piece.read_bytes() for piece in pieces} == contents
    assert {piece: piece.stat().st_mtime_ns for piece in pieces[1:-1]} == when


@pytest.mark.validate
def test_two_workers_find_what_one_finds(begun: Begun, finished: tuple[Path, Any], root: Path) -> None:
    assert begun.moved(root / "two", Crew(workers=2)) == finished[1]


# -- what holding a parameter changes ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parameter", "value", "changes", "unmoved"),
    [
        ("delta", 0.5, {}, True),
        ("delta", 0.5, {"evidence.published.correlation.main": 0.5}, False),
        ("eta", 1.3, {}, True),
        ("subsidy", 0.1, {}, True),
        ("subsidy", 0.1, {"mapping.subsidised_share": 0.5}, False),
        ("sigma", 6.0, {}, False),
        ("pareto_ratio", 1.1, {}, True),
        ("pareto_ratio", 1.1, {"mapping.exponent": "kept"}, False),
        ("kappa", 1.3, {"mapping.exponent": "kept"}, True),
        ("xi", -0.2, {}, True),
        ("xi", -0.2, {"mapping.exponent": "gross_published_xi"}, False),
        ("exponent", "kept", {}, False),
    ],
)
def test_whether_the_others_posterior_moves(
    begun: Begun, root: Path, parameter: str, value: float | str, changes: dict[str, Any], unmoved: bool
) -> None:
    study = load_pipeline_study(root / "small.toml", CHANGES | changes)
    evidence = gather(study).evidence
    point, draws = begun.point["parameters"], thinned(begun.posterior, 50)
    changed = held_at(study.raw, evidence, setting_of(study, begun.posterior, point, "recalibrated"), parameter, value)
    models = (
        posterior_model(study, evidence),
        posterior_model(PipelineStudy(changed.raw, study.where), changed.evidence),
    )
    assert others_unmoved(*models, draws, changed.prior) is unmoved


@pytest.mark.parametrize("exponent", ["undistorted", "kept", "gross_reinferred_xi", "gross_published_xi"])
def test_holding_xi_holds_it_in_the_economy_and_in_the_mapping(begun: Begun, root: Path, exponent: str) -> None:
    study = load_pipeline_study(root / "small.toml", CHANGES | {"mapping": {"exponent": exponent}})
    setting = setting_of(study, begun.posterior, begun.point["parameters"], "recalibrated")
    changed = held_at(study.raw, gather(study).evidence, setting, "xi", -0.2)
    draws = thinned(begun.posterior, 4)
    np.testing.assert_allclose(changed.setting.external_draws(draws).xi, -0.2, atol=1e-12)
    # σ = 5: what the mapping's exponent is by its definition
    expected = {"undistorted": 4.0, "kept": 5.0 * 0.8 - 1.0}.get(exponent, 4.0 * 0.8)
    one = {"log_eta": 1.0, "delta": 1.0, "subsidy": 0.0, "sigma": 5.0, "pareto_ratio": 1.06}
    model: Any = posterior_model(study, changed.evidence)
    found = changed.evidence.values - expected
    errors = changed.evidence.standard_errors
    density = -0.5 * ((found / errors) ** 2).sum() - np.log(errors).sum() - np.log(2.0 * np.pi)
    assert float(model.log_likelihood(one)) == pytest.approx(density)


def test_calibrated_parameters_are_held_and_the_others_found_anew(begun: Begun) -> None:
    setting = setting_of(
        begun.study, begun.posterior, begun.point["parameters"], "recalibrated", scenarios=False, smallest_push=False
    )
    changed = held_at(begun.study.raw, begun.gathered.evidence, setting, "kappa", 1.3)
    found = propagate_spatial(thinned(begun.posterior, 2), changed.setting)
    assert found["calibrated"].all()
    np.testing.assert_allclose(found["parameters"][:, 4], 1.3, rtol=1e-12)
    assert changed.prior is None
    held = held_at(begun.study.raw, begun.gathered.evidence, setting, "subsidy", 0.1)
    assert (held.setting.fixed["subsidy_rate"], held.prior) == (0.1, ("subsidy", 0.1))


@pytest.mark.parametrize(
    ("ranges", "words"),
    [({"eta": [0.9, 1.3]}, "1, inf"), ({"sigma": [6.0, 4.0]}, "increasing"), ({"exponent": [1.0, 2.0]}, "words")],
)
def test_a_range_outside_of_the_support_is_refused(root: Path, ranges: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidValue, match=words):
        load_pipeline_study(root / "small.toml", CHANGES | {"sensitivity.ranges": ranges})


def test_a_parameter_without_a_posterior_moves_over_stated_multiples(begun: Begun) -> None:
    sigma = moved_parameter(begun.first, {}, "sigma")
    assert (sigma.own, sigma.deviation, sigma.ends) == (5.0, None, (3.5, 7.0))
    eta = moved_parameter(begun.first, {}, "eta")
    assert eta.ends is not None
    assert 1.0 < eta.ends[0] < float(eta.own) < eta.ends[1]
    assert eta.distance(eta.ends[1]) == pytest.approx(3.0)
    kappa = moved_parameter(begun.first, {}, "kappa")
    assert kappa.own == begun.point["parameters"][4]
    assert HOLDABLE["kappa"].support.holds(float(kappa.own))
    exponent = moved_parameter(begun.first, {}, "exponent")
    assert exponent.coarse(3)[0] == "undistorted"
    assert json.dumps(exponent.coarse(3))
