"""A study's stages in order: sample, propagate, vary, summarise, report.  Each reads what the one before it saved."""

import logging
import signal
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from multiprocessing import get_context, parent_process
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bigpush_est.errors import DiagnosticsFailed, Interrupted, UnreadableFile
from bigpush_est.run_folder import RunFolder
from bigpush_est.study import Study

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.context import SpawnProcess

    from bigpush_est.bayes.sampling import Posterior
    from bigpush_est.propagate.outcomes import Scenario

#: Called with a stage's name, pieces done and pieces in all.
type Progress = Callable[[str, int, int], None]


def _silent(stage: str, done: int, total: int) -> None:
    """Report nothing."""


@dataclass(frozen=True, slots=True)
class RunResult:
    """A finished run.

    Attributes
    ----------
    folder
        Where everything was written.
    results
        The content of ``results.json``.
    failures
        Diagnostics that failed, in words.
    """

    folder: Path
    results: dict[str, Any]
    failures: tuple[str, ...]

    def require_passed(self) -> None:
        """Raise ``DiagnosticsFailed`` if any diagnostic failed."""
        if self.failures:
            shown = "; ".join(self.failures[:3])
            more = f"; and {len(self.failures) - 3} more" if len(self.failures) > 3 else ""
            raise DiagnosticsFailed(
                failures=shown + more, remedy="see the report's first page; draw more, or mend the study"
            )


def scenario_of(study: Study, delta: float | None = None) -> "Scenario":
    """How a study's draws become economies."""
    from bigpush_est.propagate.outcomes import Scenario

    spec = study.spec
    return Scenario(
        adopter_share=study.adopter_share_1972,
        pin=spec.economy.pin,
        kappa=float("inf") if spec.economy.kappa is None else spec.economy.kappa,
        periods=spec.propagation.periods,
        discount=spec.propagation.discount,
        delta=delta,
    )


def run_study(
    study: Study,
    out: str | Path,
    *,
    workers: int = 1,
    resume: bool = False,
    overwrite: bool = False,
    progress: Progress = _silent,
) -> RunResult:
    """Run a study and write its report.

    Parameters
    ----------
    study
        A checked study.
    out
        Folder of the run.
    workers
        Processes and threads at work; the numbers do not depend on it.
    resume
        Use what an interrupted run of the same study left in the folder.
    overwrite
        Replace a run of other inputs in the folder.
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
    fingerprint = study.fingerprint()
    folder = RunFolder(Path(out))
    folder.open(study.raw, study.spec.name, fingerprint, resume=resume, overwrite=overwrite)
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


def _stages(study: Study, folder: RunFolder, workers: int, told: Progress) -> RunResult:
    from bigpush_est.report import write_report

    with _variants_elsewhere(study, folder, workers) as elsewhere:
        posterior = _main_posterior(study, folder, workers, told)
        outcomes = _propagated(study, folder, posterior, None, "main", workers, told)
        illustrated = _propagated(
            study, folder, posterior, study.spec.illustration.delta, "illustration", workers, told
        )
        variants = _variants(study, folder, elsewhere, told)
    told("Summarising", 0, 1)
    results = _results(study, folder, posterior, outcomes, illustrated, variants)
    folder.write_json("results.json", results)
    told("Summarising", 1, 1)
    written = folder.read_json("results.json")
    write_report(folder, written, told)
    folder.write_manifest(study.spec.name, finished=True)
    return RunResult(folder.path, written, tuple(written["failures"]))


def _main_posterior(study: Study, folder: RunFolder, workers: int, told: Progress) -> "Posterior":
    told("Sampling the posterior", 0, 1)
    from bigpush_est.bayes.sampling import derived_seed, sample_posterior, to_datatree

    name = "draws/main.nc"
    result = _stored_posterior(folder, name)
    if result is None:
        with sampler_warnings():
            posterior = sample_posterior(
                study.inputs(), study.settings(), seed=derived_seed(study.spec.seed, "main"), cores=workers
            )
        tree = to_datatree(
            posterior,
            study.inputs(),
            {
                "study": study.raw,
                "seed": study.spec.seed,
                "fingerprint": folder.stamp,
                "sources": [asdict(source) for source in study.sources()],
            },
        )
        folder.write(name, lambda path: tree.to_netcdf(path, engine="netcdf4"))
        # read back, so that a resumed run sees the very same object
        result = _stored_posterior(folder, name)
        if result is None:
            raise UnreadableFile(
                path=folder.path / name, reason="it was written but cannot be read", remedy="run again"
            )
    told("Sampling the posterior", 1, 1)
    return result


def _stored_posterior(folder: RunFolder, name: str) -> "Posterior | None":
    """Return the draws that this very run saved; None if there are none, or damaged or foreign ones."""
    import xarray as xr

    from bigpush_est.bayes.sampling import from_datatree

    if not folder.has(name):
        return None
    try:
        with xr.open_datatree(folder.path / name, engine="netcdf4") as stored:
            tree = stored.load()
        return from_datatree(tree) if tree.attrs["fingerprint"] == folder.stamp else None
    except (OSError, KeyError, ValueError, TypeError, RuntimeError):
        return None


@contextmanager
def sampler_warnings() -> "Iterator[None]":
    """Keep third-party chatter about cores, caches and diagnostics off the terminal; the gates judge the draws."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging.disable(logging.WARNING)
        try:
            yield
        finally:
            logging.disable(logging.NOTSET)


def _propagated(
    study: Study,
    folder: RunFolder,
    posterior: "Posterior",
    delta: float | None,
    label: str,
    workers: int,
    told: Progress,
) -> dict[str, Any]:
    """Outcomes of all draws, chunk by chunk; each chunk is a checkpoint."""
    import numpy as np

    from bigpush_est.propagate.outcomes import propagate_chunk

    scenario, draws, size = scenario_of(study, delta), posterior.flat(), study.spec.propagation.chunk
    total = draws["delta"].size
    starts = range(0, total, size)
    title = "Draws through the solver" if label == "main" else "Illustration through the solver"
    artefact = f"outcomes/{label}.npz"
    whole = folder.stored_arrays(artefact)
    if whole is not None:
        return whole
    told(title, 0, len(starts))

    def piece(start: int) -> dict[str, Any]:
        name = f"checkpoints/{label}-{start:07d}.npz"
        stored = folder.stored_arrays(name)
        if stored is None:
            part = {key: values[start : start + size] for key, values in draws.items()}
            stored = propagate_chunk(part, scenario)
            folder.write_arrays(name, stored)
        return stored

    parts: list[dict[str, Any]] = []
    with ThreadPoolExecutor(workers) as pool:
        for part in pool.map(piece, starts):
            parts.append(part)
            told(title, len(parts), len(starts))
    joined = {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}
    folder.write_arrays(artefact, joined)
    for file in (folder.path / "checkpoints").glob(f"{label}-*.npz"):
        file.unlink()
    return joined


# -- variants --------------------------------------------------------------------------------------------------------


def run_variant(study: Study, folder: RunFolder, index: int) -> None:
    """Save draws and summary of one variant, which has fewer draws than the study itself."""
    from bigpush_est.bayes.sampling import derived_seed, sample_posterior, to_datatree
    from bigpush_est.propagate.outcomes import propagate_chunk
    from bigpush_est.propagate.summary import summarise

    settings = replace(study.settings(), draws=study.spec.sampler.variant_draws)
    # one seed for all variants: they differ by what was changed, as little as may be by chance
    with sampler_warnings():
        posterior = sample_posterior(study.inputs(), settings, seed=derived_seed(study.spec.seed, "variant"))
    draws = posterior.flat()
    outcomes = propagate_chunk(draws, scenario_of(study))
    tree = to_datatree(posterior, study.inputs(), {"study": study.raw, "variant": study.where})
    folder.write(f"draws/variant-{index:03d}.nc", lambda path: tree.to_netcdf(path, engine="netcdf4"))
    # the summary comes last: it marks the variant as done
    folder.write_piece(_variant_name(index), summarise(draws, outcomes, posterior.diagnostics, settings.chains))


def _variant_name(index: int) -> str:
    return f"checkpoints/variant-{index:03d}.json"


def _claimed(claims: Any, index: int) -> bool:
    """Claim a variant for this process; False if another process has it."""
    with claims.get_lock():
        if claims[index]:
            return False
        claims[index] = 1
        return True


def _variant_batch(raw: dict[str, Any], where: str, order: list[int], path: str, stamp: str, claims: Any) -> None:
    """Run unclaimed variants in a process of their own and leave their results in the run's folder."""
    # Ctrl-C reaches every process of the terminal; the parent decides, and ends this one
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    study, folder = Study(raw, where), RunFolder(Path(path), stamp)
    variants, parent = study.variants(), parent_process()
    for index in order:
        if parent is not None and not parent.is_alive():
            return
        if _claimed(claims, index):
            run_variant(variants[index][2], folder, index)


@dataclass(frozen=True, slots=True)
class _Crew:
    """Processes that work on the variants, and the claims that keep them off each other's work."""

    processes: "list[SpawnProcess]"
    claims: Any


@contextmanager
def _variants_elsewhere(study: Study, folder: RunFolder, workers: int) -> "Iterator[_Crew]":
    """With several workers, start on the variants in other processes while this one samples the main posterior.

    Compiling dominates, so each process begins with structures of its own, and the variants that share the main
    model's structure come last: this process starts from their other end.
    """
    variants = study.variants()
    own = study.inputs().structure
    groups: dict[Any, list[int]] = {}
    for index, (_, _, variant) in enumerate(variants):
        groups.setdefault(variant.inputs().structure, []).append(index)
    shared = groups.pop(own, [])
    context = get_context("spawn")
    done = [folder.stored_piece(_variant_name(index)) is not None for index in range(len(variants))]
    missing = not all(done)
    claims = context.Array("b", done)
    batches: list[list[int]] = [[] for _ in range(workers - 1)]
    for position, indices in enumerate(groups.values()):
        if batches:
            batches[position % len(batches)] += indices
    processes = [
        context.Process(
            target=_variant_batch,
            args=(study.raw, study.where, batch + shared[::-1], str(folder.path), folder.stamp, claims),
            daemon=True,
        )
        for batch in batches
        if missing
    ]
    try:
        for process in processes:
            process.start()
        yield _Crew(processes, claims)
    finally:
        for process in processes:
            if process.is_alive():
                process.terminate()
            process.join()


def _variants(study: Study, folder: RunFolder, crew: _Crew, told: Progress) -> list[dict[str, Any]]:
    variants = study.variants()
    own = study.inputs().structure
    total = len(variants)
    told("Variants", 0, total)

    def do(index: int) -> None:
        run_variant(variants[index][2], folder, index)
        told("Variants", sum(folder.has(_variant_name(i)) for i in range(total)), total)

    mine_first = sorted(range(total), key=lambda index: variants[index][2].inputs().structure != own)
    for index in mine_first:
        if _claimed(crew.claims, index):
            do(index)
    for process in crew.processes:
        process.join()
    # what another process left undone, because it was killed, say, this one does
    for index in range(total):
        if folder.stored_piece(_variant_name(index)) is None:
            do(index)
    told("Variants", total, total)
    return [
        {"group": group, "label": label, "summary": folder.stored_piece(_variant_name(index))}
        for index, (group, label, _) in enumerate(variants)
    ]


# -- results ---------------------------------------------------------------------------------------------------------


def _results(
    study: Study,
    folder: RunFolder,
    posterior: "Posterior",
    outcomes: dict[str, Any],
    illustrated: dict[str, Any],
    variants: list[dict[str, Any]],
) -> dict[str, Any]:
    import numpy as np

    from bigpush_est.bayes.sampling import Diagnostics, power_scaling, to_datatree, versions
    from bigpush_est.propagate.outcomes import prior_events
    from bigpush_est.propagate.pictures import pictures
    from bigpush_est.propagate.summary import probability, summarise

    spec, inputs, draws = study.spec, study.inputs(), posterior.flat()
    chains = spec.sampler.chains
    scenario, illustration = scenario_of(study), scenario_of(study, spec.illustration.delta)
    main = summarise(draws, outcomes, posterior.diagnostics, chains)
    folder.write_arrays("figures.npz", pictures(inputs, draws, outcomes, illustrated, scenario, illustration))
    with sampler_warnings():
        sensitivity = power_scaling(to_datatree(posterior, inputs, {}))
    failures = [f"main posterior: {failure}" for failure in posterior.diagnostics.failures]
    if main["solver"]["unconverged"]:
        failures.append(f"main posterior: the solver did not converge at {main['solver']['unconverged']} draws")
    lost = int((~illustrated["converged"]).sum())
    if lost:
        failures.append(f"illustration: the solver did not converge at {lost} draws")
    for variant in variants:
        name = f"variant '{variant['group']}: {variant['label']}'"
        failures += [f"{name}: {failure}" for failure in variant["summary"]["diagnostics"]["failures"]]
        if variant["summary"]["solver"]["unconverged"]:
            failures.append(
                f"{name}: the solver did not converge at {variant['summary']['solver']['unconverged']} draws"
            )
    before = {
        name: probability(event, np.ones(event.size), Diagnostics({}, 0, ()), chains)
        for name, event in prior_events(prior_draws(study), scenario).items()
    }
    return {
        "study": {
            "name": spec.name,
            "title": spec.title,
            "model": spec.model,
            "seed": spec.seed,
            "sampler": spec.sampler.model_dump(),
            "exponent": spec.mapping.exponent,
            "pin": spec.economy.pin,
            "kappa": spec.economy.kappa,
            "illustration_delta": spec.illustration.delta,
            "adopter_share_1972": study.adopter_share_1972,
            "fingerprint": study.fingerprint(),
        },
        "failures": failures,
        "prior": {name: asdict(value) | {"text": value.text()} for name, value in before.items()},
        "main": main,
        "illustration": summarise(draws, illustrated, posterior.diagnostics, chains),
        "variants": variants,
        "power_scaling": sensitivity,
        "tf": weak_instrument_rows(study),
        "sources": [asdict(source) for source in study.sources()],
        "versions": versions(),
    }


def prior_draws(study: Study) -> dict[str, Any]:
    """Independent draws from the study's priors, as many as the posterior has, by parameter."""
    import numpy as np

    from bigpush_est.bayes.sampling import derived_seed

    size = study.spec.sampler.chains * study.spec.sampler.draws
    rng = np.random.default_rng(derived_seed(study.spec.seed, "prior"))
    return {prior.parameter: prior.draw(size, rng) for prior in study.inputs().priors}


def weak_instrument_rows(study: Study) -> list[dict[str, Any]]:
    """Usual and tF intervals of each IV column of Table 1, Panel A, and of the δ that each implies.

    δ is the estimate over the study's exponent at its fixed (or prior-median) σ and θ/(σ−1).
    """
    from bigpush_est.reduced_form.weak_iv.tf import tf_interval

    evidence = study.evidence()
    rate = (
        float(study.prior("sigma").frozen().median()) - 1.0
        if not study.prior("sigma").fixed
        else (study.prior("sigma").numbers[0] - 1.0)
    )
    ratio = study.prior("pareto_ratio")
    median = ratio.numbers[0] if ratio.fixed else float(ratio.frozen().median())
    constant, slope = evidence.exponent_weights
    exponent = rate * (constant + slope * median)
    rows = []
    for column in range(2, 9):
        cell = study.tables.table1("A", column)
        if cell.kp_f is None:
            continue
        interval = tf_interval(cell.coefficient, cell.standard_error, cell.kp_f)
        usual = 1.959963984540054 * cell.standard_error
        rows.append(
            {
                "column": column,
                "used": column in study.spec.evidence.spillover.columns,
                "estimate": cell.coefficient,
                "standard_error": cell.standard_error,
                "kp_f": cell.kp_f,
                "usual": [cell.coefficient - usual, cell.coefficient + usual],
                "critical_value": interval.critical_value,
                "tf": [interval.low, interval.high],
                "delta": cell.coefficient / exponent,
                "delta_usual": [(cell.coefficient - usual) / exponent, (cell.coefficient + usual) / exponent],
                "delta_tf": [interval.low / exponent, interval.high / exponent],
            }
        )
    return rows
