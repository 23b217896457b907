"""The stages of the whole way: estimate, sample, calibrate, propagate, vary, summarise, report.

Each stage reads what the one before it saved, so that a run that was stopped anywhere goes on from there: estimates and
calibration as one file each, draws as another, and propagation in chunks of draws, each of which is a checkpoint.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from bigpush_est.bayes.sampling import (
    Inputs,
    Posterior,
    derived_seed,
    from_datatree,
    sample_model,
    to_datatree,
)
from bigpush_est.errors import BigPushError, Interrupted, UnreadableFile
from bigpush_est.pipeline.evidence import Gathered, gather, posterior_model
from bigpush_est.pipeline.joint import (
    DRAWN,
    JointInputs,
    anchor_point,
    held_at_medians,
    joint_model,
    joint_summary,
    sample_joint,
    smc_settings,
    uncounted,
)
from bigpush_est.pipeline.results import SECOND, Mapped
from bigpush_est.pipeline.study import PipelineStudy
from bigpush_est.propagate.schedule import run_chunks
from bigpush_est.propagate.spatial import SpatialSetting, propagate_spatial
from bigpush_est.quantitative.artefacts import Arrays
from bigpush_est.quantitative.stages import calibrated
from bigpush_est.run_folder import RunFolder
from bigpush_est.stages import Progress, RunResult, sampler_warnings

#: The anchor's calibration, and what SMC found beside draws, of studies with adoption counts.
ANCHOR, JOINT = "outcomes/anchor-{}.npz", "checkpoints/joint-{}.json"
ESTIMATES, DRAWS, CALIBRATION = "checkpoints/estimates.json", "draws/main.nc", "outcomes/calibration.npz"
#: The same of the second mapping's.
SECOND_DRAWS, SECOND_CALIBRATION = "draws/second.nc", "outcomes/second_calibration.npz"
#: The propagations: every draw calibrated anew; with the calibration held at its point; and, for a study with a second
#: mapping, the draws of that mapping's posterior, calibrated anew.
VERSIONS = {
    "recalibrated": "Draws, calibrated anew",
    "fixed": "Draws, calibration held",
    SECOND: "Draws of the second mapping",
}


def run_pipeline(
    study: PipelineStudy,
    out: str | Path,
    *,
    workers: int = 1,
    scheduler: str | None = None,
    resume: bool = False,
    overwrite: bool = False,
    progress: Progress = lambda stage, done, total: None,
) -> RunResult:
    """Run a study of the whole way and write its report.

    Parameters
    ----------
    study
        A checked study.
    out
        Folder of the run.
    workers
        Processes at work on draws and variants; the numbers do not depend on it.
    scheduler
        Address of a Dask scheduler that does that work instead, such as ``"tcp://127.0.0.1:8786"``.
    resume, overwrite
        As in ``run_study``.
    progress
        Called as pieces of work finish.

    Raises
    ------
    OutputOccupied, ResumeRefused
        Before anything is written.
    Interrupted
        On Ctrl-C; what was finished is kept.
    """
    study.variants()  # a mistake in a variant shows before anything is written
    folder = RunFolder(Path(out))
    folder.open(study.raw, study.spec.name, study.fingerprint(), resume=resume, overwrite=overwrite)
    stage = ["checking"]

    def told(name: str, done: int, total: int) -> None:
        stage[0] = name
        progress(name, done, total)

    try:
        return _stages(study, folder, Crew(max(1, workers), scheduler), told)
    except KeyboardInterrupt:
        raise Interrupted(stage=stage[0], path=folder.path) from None
    finally:
        folder.release()


@dataclass(frozen=True, slots=True)
class Crew:
    """Who does the work: local processes, or a Dask scheduler's workers."""

    workers: int = 1
    scheduler: str | None = None


def _stages(study: PipelineStudy, folder: RunFolder, crew: Crew, told: Progress) -> RunResult:
    from bigpush_est.pipeline.assembly import assemble
    from bigpush_est.pipeline.breakdown import breakdowns
    from bigpush_est.report.pipeline import write_pipeline_report

    gathered = Gathered.restored(_piece(folder, ESTIMATES, "Estimating", lambda: gather(study).stored(), told))
    first = _mapped(study, gathered, "main", DRAWS, CALIBRATION, folder, crew, told)
    outcomes = {version: _propagated(first, version, folder, crew, told) for version in _versions(study)}
    other, second = study.second(), None
    if other is not None:
        same = gathered.mapped_as(other)
        second = _mapped(other, same, "second", SECOND_DRAWS, SECOND_CALIBRATION, folder, crew, told)
        outcomes[SECOND] = _propagated(second, SECOND, folder, crew, told)
    variants = _variants(study, gathered, folder, crew, told)
    moved = breakdowns(first, outcomes, folder, crew, told)
    told("Summarising", 0, 1)
    adoption = None if gathered.counts is None else folder.stored_piece(JOINT.format("main"))
    results, arrays = assemble(first, outcomes, variants, second, adoption, moved)
    folder.write_json("results.json", results)
    folder.write_arrays("figures.npz", arrays)
    told("Summarising", 1, 1)
    written = folder.read_json("results.json")
    write_pipeline_report(folder, written, told)
    folder.write_manifest(study.spec.name, finished=True)
    return RunResult(folder.path, written, tuple(written["failures"]))


def _mapped(
    study: PipelineStudy,
    gathered: Gathered,
    label: str,
    draws: str,
    calibration: str,
    folder: RunFolder,
    crew: Crew,
    told: Progress,
) -> Mapped:
    """Return a study's posterior, its calibration at the medians, and the draws that go through the model."""
    posterior = _posterior(study, gathered, label, draws, folder, crew.workers, told)
    point = _kept(folder, calibration, lambda: calibrated(at_medians(study, posterior), told, curves=False))
    return Mapped(study, gathered, posterior, point, thinned(posterior, study.spec.propagation.draws))


def _piece(
    folder: RunFolder, name: str, title: str, work: Callable[[], dict[str, Any]], told: Progress
) -> dict[str, Any]:
    """Return a saved piece of this very run, or do the work and save it."""
    told(title, 0, 1)
    stored: dict[str, Any] | None = folder.stored_piece(name)
    if stored is None:
        folder.write_piece(name, work())
        stored = folder.stored_piece(name)
        assert stored is not None
    told(title, 1, 1)
    return stored


def _kept(folder: RunFolder, name: str, work: Callable[[], Arrays]) -> Arrays:
    """Return saved arrays of this very run, or do the work and save it."""
    stored = folder.stored_arrays(name)
    if stored is None:
        folder.write_arrays(name, work())
        stored = folder.stored_arrays(name)
        assert stored is not None
    return stored


# -- the posterior ---------------------------------------------------------------------------------------------------


def sampled(study: PipelineStudy, gathered: Gathered, *, draws: int, label: str, cores: int) -> Posterior:
    """Draw from the posterior of a study's parameters given its estimates and, where it has them, adoption counts."""
    if gathered.counts is not None:
        return sampled_jointly(study, gathered, draws=draws, label=label)[0]
    model = posterior_model(study, gathered.evidence)
    with sampler_warnings():
        return sample_model(
            model,
            replace(study.settings(), draws=draws),
            seed=derived_seed(study.spec.seed, label),
            cores=cores,
        )


def sampled_jointly(
    study: PipelineStudy,
    gathered: Gathered,
    *,
    draws: int,
    label: str,
    folder: RunFolder | None = None,
    workers: int = 1,
    told: Progress = lambda stage, done, total: None,
) -> tuple[Posterior, dict[str, Any]]:
    """Draw from the posterior given estimates and adoption counts, and return what SMC found beside the draws.

    With a folder, the anchor's calibration and each run's state after each temperature are kept in it.
    """
    assert gathered.counts is not None
    estimates = posterior_model(study, gathered.evidence)
    kept = (lambda work: work()) if folder is None else partial(_kept, folder, ANCHOR.format(label))
    point = anchor_point(study, estimates, kept, told)
    model = joint_model(study, estimates, gathered.counts, point)
    result = sample_joint(
        model,
        smc_settings(study, draws),
        seed=derived_seed(study.spec.seed, label),
        checkpoint=None if folder is None else folder.path / "checkpoints",
        workers=workers,
        told=told,
    )
    return result.posterior, joint_summary(model, result, point, study.point.bundle.years)


def _posterior(
    study: PipelineStudy,
    gathered: Gathered,
    label: str,
    name: str,
    folder: RunFolder,
    cores: int,
    told: Progress,
) -> Posterior:
    told("Sampling the posterior", 0, 1)
    found = _stored_posterior(folder, name)
    if found is None:
        inputs: Inputs = posterior_model(study, gathered.evidence)
        draws = study.spec.sampler.draws
        if gathered.counts is None:
            posterior = sampled(study, gathered, draws=draws, label=label, cores=cores)
        else:
            inputs = JointInputs((*inputs.priors, *study.adoption_priors), gathered.evidence, gathered.counts)
            posterior, summary = sampled_jointly(
                study, gathered, draws=draws, label=label, folder=folder, workers=cores, told=told
            )
            folder.write_piece(JOINT.format(label), summary)
        tree = to_datatree(
            posterior,
            inputs,
            {"study": study.raw, "seed": study.spec.seed, "fingerprint": folder.stamp},
        )
        folder.write(name, lambda path: tree.to_netcdf(path, engine="netcdf4"))
        # read back, so that a resumed run sees the very same object
        found = _stored_posterior(folder, name)
        if found is None:
            raise UnreadableFile(
                path=folder.path / name, reason="it was written but cannot be read", remedy="run again"
            )
    for run in range(study.spec.sampler.chains):  # what they led to is saved
        (folder.path / f"checkpoints/smc-run-{run}.npz").unlink(missing_ok=True)
    told("Sampling the posterior", 1, 1)
    return found


def _stored_posterior(folder: RunFolder, name: str = DRAWS) -> Posterior | None:
    """Return the draws that this very run saved; None if there are none, or damaged or foreign ones."""
    import xarray as xr

    if not folder.has(name):
        return None
    try:
        with xr.open_datatree(folder.path / name, engine="netcdf4") as stored:
            tree = stored.load()
        return from_datatree(tree) if tree.attrs["fingerprint"] == folder.stamp else None
    except (OSError, KeyError, ValueError, TypeError, RuntimeError):
        return None


def thinned(posterior: Posterior, wanted: int) -> dict[str, Any]:
    """Return about so many draws, evenly spaced within each chain, chains one after the other; shape (D,) each."""
    chains, length = next(iter(posterior.draws.values())).shape[:2]
    each = min(length, max(1, -(-wanted // chains)))
    index = np.linspace(0, length - 1, each).round().astype(np.intp)
    return {name: np.ascontiguousarray(values[:, index]).reshape(-1) for name, values in posterior.draws.items()}


def at_medians(study: PipelineStudy, posterior: Posterior) -> Any:
    """Return Section 5's study at the posterior medians: the point calibration's.

    What adoption counts inform is held there, and the moments that they hold already have no weight.
    """
    flat = posterior.flat()
    counted = study.spec.evidence.adoption is not None
    return study.at(
        {
            "eta": float(np.exp(np.median(flat["log_eta"]))),
            "delta": float(np.median(flat["delta"])),
            "sigma": float(np.median(flat["sigma"])),
            "pareto_ratio": float(np.median(flat["pareto_ratio"])),
        },
        study.point.bundle,
        held=held_at_medians(posterior) if counted else None,
        unweighted=uncounted(study.point.bundle) if counted else (),
    )


# -- through the quantitative model ----------------------------------------------------------------------------------


def _versions(study: PipelineStudy) -> list[str]:
    given = study.spec.propagation
    chosen = [*(["recalibrated"] if given.recalibrate else []), *(["fixed"] if given.fixed_too else [])]
    return chosen or ["fixed"]


def setting_of(
    study: PipelineStudy, posterior: Posterior, parameters: Any, version: str, **changes: Any
) -> SpatialSetting:
    """Return how a study's draws become economies."""
    point, given = at_medians(study, posterior), study.spec.propagation
    options: dict[str, Any] = {
        "recalibrate": version != "fixed",
        "subsidy": given.subsidy,
        "scenarios": given.scenarios,
        "smallest_push": given.smallest_push,
        "highest_rate": given.highest_rate,
        "random_starts": given.random_starts,
    }
    if study.spec.evidence.adoption is not None:
        options |= {"drawn": DRAWN, "fixed": dict(study.spec.calibration.fixed)}
    options |= changes
    return SpatialSetting.of(point, parameters, **options)


def _propagated(mapped: Mapped, version: str, folder: RunFolder, crew: Crew, told: Progress) -> Arrays:
    """Outcomes of all draws, chunk by chunk; each chunk is a checkpoint."""
    study, draws = mapped.study, mapped.draws
    artefact, title = f"outcomes/{version}.npz", VERSIONS[version]
    whole = folder.stored_arrays(artefact)
    if whole is not None:
        return whole
    setting = setting_of(study, mapped.posterior, mapped.point["parameters"], version)
    size, total = study.spec.propagation.chunk, draws["delta"].size
    pieces = {
        f"checkpoints/{version}-{first:07d}.npz": {key: values[first : first + size] for key, values in draws.items()}
        for first in range(0, total, size)
    }
    parts = in_chunks(folder, setting, pieces, title, crew, told)
    joined = {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}
    folder.write_arrays(artefact, joined)
    for name in pieces:
        (folder.path / name).unlink(missing_ok=True)
    return joined


def in_chunks(
    folder: RunFolder,
    setting: SpatialSetting,
    pieces: Mapping[str, Mapping[str, Any]],
    title: str,
    crew: Crew,
    told: Progress,
) -> list[Arrays]:
    """Send chunks of draws through the model, those that are not saved yet, and return all in their order."""
    names = list(pieces)
    found: dict[str, Arrays] = {}
    for name in names:
        stored = folder.stored_arrays(name)
        if stored is not None:
            found[name] = stored
    todo = [name for name in names if name not in found]
    told(title, len(found), len(names))

    def keep(index: int, arrays: Arrays) -> None:
        folder.write_arrays(todo[index], arrays)
        found[todo[index]] = arrays
        told(title, len(found), len(names))

    run_chunks(
        Propagation(setting),
        [pieces[name] for name in todo],
        workers=crew.workers,
        scheduler=crew.scheduler,
        keep=keep,
    )
    return [found[name] for name in names]


@dataclass(frozen=True, slots=True)
class Propagation:
    """The work of one chunk, as an object that other processes can be sent."""

    setting: SpatialSetting

    def __call__(self, draws: Mapping[str, Any]) -> Arrays:
        """Return the outcomes of a chunk of draws."""
        return propagate_spatial(dict(draws), self.setting)


# -- variants --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class VariantWork:
    """One variant from its estimates to its answer, with fewer draws than the study; an object to be sent."""

    draws: int

    def __call__(self, variant: tuple[dict[str, Any], str, dict[str, Any] | None]) -> dict[str, Any]:
        """Return a variant's summary, given its tables, its name and, where they are the study's, its estimates."""
        from bigpush_est.pipeline.assembly import variant_summary

        raw, where, estimates = variant
        study = PipelineStudy(raw, where)
        try:
            gathered = gather(study) if estimates is None else Gathered.restored(estimates).mapped_as(study)
            posterior = sampled(study, gathered, draws=study.spec.sampler.variant_draws, label="variant", cores=1)
            point = calibrated(at_medians(study, posterior), lambda stage, done, total: None, curves=False)
            setting = setting_of(
                study, posterior, point["parameters"], "recalibrated", scenarios=False, smallest_push=False
            )
            draws = thinned(posterior, self.draws)
            outcomes = propagate_spatial(draws, setting)
        except (BigPushError, ArithmeticError, np.linalg.LinAlgError) as error:
            # one assumption under which there is no model must not end the run of all the others
            return {"failed": str(error)}
        return variant_summary(study, gathered, posterior, outcomes)


def _variants(
    study: PipelineStudy, gathered: Gathered, folder: RunFolder, crew: Crew, told: Progress
) -> list[dict[str, Any]]:
    """Run the variants that are not done yet; one that changes nothing of the evidence takes the study's estimates."""
    variants = study.variants()
    if not variants:
        return []
    names = [f"checkpoints/variant-{index:03d}.json" for index in range(len(variants))]
    done = [folder.stored_piece(name) for name in names]
    todo = [index for index, piece in enumerate(done) if piece is None]
    told("Variants", len(variants) - len(todo), len(variants))

    def keep(position: int, found: dict[str, Any]) -> None:
        index = todo[position]
        folder.write_piece(names[index], found)
        done[index] = folder.stored_piece(names[index])
        told("Variants", sum(piece is not None for piece in done), len(variants))

    pieces = []
    for index in todo:
        variant = variants[index][2]
        unchanged = variant.raw["evidence"] == study.raw["evidence"]
        pieces.append((variant.raw, variant.where, gathered.stored() if unchanged else None))
    run_chunks(
        VariantWork(study.spec.propagation.variant_draws),
        pieces,
        workers=crew.workers,
        scheduler=crew.scheduler,
        keep=keep,
    )
    return [
        {"group": group, "label": label, **piece}
        for (group, label, _), piece in zip(variants, done, strict=True)
        if piece is not None
    ]
