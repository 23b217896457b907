"""A quantitative study's stages: calibrate, follow the paths, look for steady states, try policies, vary, report.

Each stage saves what it found; a resumed run reads it.  The economies are rebuilt from the saved parameters in every
run, so that a resumed run continues from the very same numbers.
"""

import warnings
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from bigpush_est.equilibrium.spatial.calibration import Calibration, Evaluator, calibrate, identification
from bigpush_est.equilibrium.spatial.inversion import Inversion
from bigpush_est.equilibrium.spatial.scenarios import SCENARIOS, Baseline, compare
from bigpush_est.errors import InputError, Interrupted
from bigpush_est.quantitative.artefacts import Arrays, calibration_arrays, path_arrays
from bigpush_est.quantitative.ensemble import ensemble_results
from bigpush_est.quantitative.exercises import exercises, steady_states
from bigpush_est.quantitative.problem import baseline
from bigpush_est.quantitative.results import build_results, effect_of_push
from bigpush_est.quantitative.study import QuantitativeStudy
from bigpush_est.run_folder import RunFolder
from bigpush_est.stages import Progress, RunResult

CALIBRATION = "outcomes/calibration.npz"


def run_quantitative(
    study: QuantitativeStudy,
    out: str | Path,
    *,
    workers: int = 1,
    resume: bool = False,
    overwrite: bool = False,
    progress: Progress = lambda stage, done, total: None,
) -> RunResult:
    """Run a quantitative study and write its report.

    Parameters
    ----------
    study
        A checked study.
    out
        Folder of the run.
    workers
        Processes at work on the variants; the numbers do not depend on it.
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
        return _stages(study, folder, max(1, workers), told)
    except KeyboardInterrupt:
        raise Interrupted(stage=stage[0], path=folder.path) from None
    finally:
        folder.release()


def _stages(study: QuantitativeStudy, folder: RunFolder, workers: int, told: Progress) -> RunResult:
    from bigpush_est.report.quantitative import write_quantitative_report

    calibration = _kept(folder, CALIBRATION, lambda: calibrated(study, told))
    inversions, ready = economies(study, calibration["parameters"])
    paths = _paths(study, folder, ready, told)
    told("Steady states from several starts", 0, 1)
    states = _piece(folder, "checkpoints/steady-states.json", lambda: steady_states(study, ready, paths["baseline"]))
    told("Steady states from several starts", 1, 1)
    policies = _policies(study, folder, ready, told)
    variants = _variants(study, folder, workers, told)
    told("Summarising", 0, 1)
    optional = {"steady_states": states, "policies": policies}
    if study.ensemble:
        external = study.external()
        optional["ensemble"] = ensemble_results(study.ensemble, external.eta, external.delta)
    results, arrays = build_results(study, calibration, inversions, paths, variants, optional)
    folder.write_json("results.json", results)
    folder.write_arrays("figures.npz", arrays)
    told("Summarising", 1, 1)
    written = folder.read_json("results.json")
    write_quantitative_report(folder, written, told)
    folder.write_manifest(study.spec.name, finished=True)
    return RunResult(folder.path, written, tuple(written["failures"]))


def _kept(folder: RunFolder, name: str, work: Callable[[], Arrays]) -> Arrays:
    """Return saved arrays of this very run, or do the work and save it."""
    stored = folder.stored_arrays(name)
    if stored is None:
        folder.write_arrays(name, work())
        stored = folder.stored_arrays(name)
        assert stored is not None
    return stored


def _piece(folder: RunFolder, name: str, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Return a saved piece of this very run, or do the work and save it."""
    stored: dict[str, Any] | None = folder.stored_piece(name)
    if stored is None:
        folder.write_piece(name, work())
        stored = folder.stored_piece(name)
        assert stored is not None
    return stored


def calibrated(study: QuantitativeStudy, told: Progress, *, curves: bool = True) -> Arrays:
    """Minimise eq. (5.1) from each start and keep the best."""
    problem, target = study.problem(), study.target()
    starts, tried = study.starts(), []
    settings = study.spec.calibration
    told("Calibrating", 0, len(starts) + 1)
    for done, start in enumerate(starts, start=1):
        found: Calibration | None
        try:
            found = calibrate(
                problem,
                target,
                start,
                weight=study.weights(),
                fixed=settings.fixed,
                max_evaluations=settings.max_evaluations,
            )
        except InputError:
            if done == 1:
                raise
            found = None  # a random start outside what can be inverted: counted in the table of searches
        tried.append(found)
        told("Calibrating", done, len(starts) + 1)
    usable = [one for one in tried if one is not None]
    # the lowest criterion among searches that ended; if none did, the lowest of all, flagged
    best = min(usable, key=lambda one: (not one.converged, one.criterion))
    shape = identification(best) if curves else (np.empty(0), np.empty(0), np.empty(0))
    told("Calibrating", len(starts) + 1, len(starts) + 1)
    return calibration_arrays(best, tried, shape)


def economies(study: QuantitativeStudy, parameters: Any) -> tuple[list[Inversion], Baseline]:
    """Rebuild the calibrated economies from the six parameters."""
    problem = study.problem()
    inversions = Evaluator(problem).invert(np.asarray(parameters)[None])
    return inversions, baseline(study.economy(), problem, inversions)


def _paths(study: QuantitativeStudy, folder: RunFolder, ready: Baseline, told: Progress) -> dict[str, Arrays]:
    """Follow the paths with and without the push, under each scenario."""
    scenarios = (None, *SCENARIOS)
    settings = study.spec.paths
    found: dict[str, Arrays] = {}
    told("Paths with and without the push", 0, len(scenarios))
    for done, scenario in enumerate(scenarios, start=1):
        name = "baseline" if scenario is None else scenario.name

        def work(chosen: Any = scenario) -> Arrays:
            one = compare(ready, (chosen,), max_periods=settings.max_periods, tolerance=settings.tolerance)
            (comparison,) = one.values()
            return path_arrays(comparison.push, "push") | path_arrays(comparison.none, "none")

        found[name] = _kept(folder, f"outcomes/path-{name}.npz", work)
        told("Paths with and without the push", done, len(scenarios))
    return found


def _policies(
    study: QuantitativeStudy, folder: RunFolder, ready: Baseline, told: Progress
) -> dict[str, dict[str, Any]]:
    """Do the exercises of Appendix F.4 that are not done yet."""
    if not study.spec.policies.run:
        return {}
    todo, found = exercises(study, ready), {}
    told("Other policies", 0, len(todo))
    for done, (name, work) in enumerate(todo.items(), start=1):
        found[name] = _piece(folder, f"checkpoints/policy-{name}.json", work)
        told("Other policies", done, len(todo))
    return found


# -- variants --------------------------------------------------------------------------------------------------------


def run_variant(raw: dict[str, Any], where: str) -> dict[str, Any]:
    """Calibrate one variant from the study's start and compare its push with none."""
    study = QuantitativeStudy(raw, where)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        try:
            single = QuantitativeStudy(
                raw | {"calibration": raw.get("calibration", {}) | {"restarts": 0}}, where, study.bundle, study.tables
            )
            found = calibrated(single, lambda stage, done, total: None, curves=False)
            _, ready = economies(study, found["parameters"])
            comparison = compare(
                ready,
                (None,),
                max_periods=study.spec.paths.max_periods,
                tolerance=study.spec.paths.tolerance,
            )["baseline"]
        except InputError as error:
            return {"failed": str(error)}
    paths = path_arrays(comparison.push, "push") | path_arrays(comparison.none, "none")
    return {
        "failed": None,
        "external": asdict(study.external()),
        "parameters": found["parameters"].tolist(),
        "criterion": float(found["criterion"]),
        "converged": bool(found["converged"]),
        "fates": [str(paths["push.fate"]), str(paths["none.fate"])],
        **effect_of_push(study, paths),
    }


def _variants(study: QuantitativeStudy, folder: RunFolder, workers: int, told: Progress) -> list[dict[str, Any]]:
    """Run the variants that are not done yet, in processes of their own if there are several workers."""
    variants = study.variants()
    if not variants:
        return []
    names = [f"checkpoints/variant-{index:03d}.json" for index in range(len(variants))]
    done = [folder.stored_piece(name) for name in names]
    todo = [index for index, piece in enumerate(done) if piece is None]
    told("Variants", len(variants) - len(todo), len(variants))

    def keep(index: int, found: dict[str, Any]) -> None:
        folder.write_piece(names[index], found)
        done[index] = folder.stored_piece(names[index])
        told("Variants", sum(piece is not None for piece in done), len(variants))

    if workers == 1 or len(todo) < 2:
        for index in todo:
            keep(index, run_variant(variants[index][2].raw, variants[index][2].where))
    else:
        with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
            jobs = {index: pool.submit(run_variant, variants[index][2].raw, variants[index][2].where) for index in todo}
            for index, job in jobs.items():
                keep(index, job.result())
    return [
        {"group": group, "label": label, **piece}
        for (group, label, _), piece in zip(variants, done, strict=True)
        if piece is not None
    ]
