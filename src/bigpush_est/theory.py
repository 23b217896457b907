"""The lecture's models as a job: parameters and priors in words, one economy solved, draws solved, results written.

The command line's ``theory`` prints and writes what ``run_theory`` returns; nothing is computed there.
"""

import csv
import hashlib
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bigpush_est.bayes.priors import Prior, Support
from bigpush_est.equilibrium.adoption_map import FloatArray
from bigpush_est.equilibrium.coordination import (
    MODELS,
    CoordinationModel,
    ORing,
    Solution,
    comparative_statics,
    coordination_model,
    solve_model,
)
from bigpush_est.equilibrium.coordination.model import LARGEST
from bigpush_est.errors import InvalidValue, TheoryInterrupted, UnknownKey, WrongType
from bigpush_est.run_folder import RunFolder, plain

#: Draws of the priors unless asked otherwise, the most that fit a machine's memory, and how many are solved together.
DRAWS, MOST_DRAWS, CHUNK = 10_000, 2_000_000, 2_000
#: Draws whose values are written out.
WRITTEN_DRAWS = 100_000
SEED = 1943
STAGE = "Solving draws"

type Told = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class TheoryJob:
    """A model with parameters held at values, and priors on others.

    Attributes
    ----------
    model
        The model's class.
    values
        Parameters held at a value, by name; the rest are at their defaults.
    priors
        Priors by parameter.
    draws, seed
        Independent draws from the priors, and what they are drawn with.
    """

    model: type[CoordinationModel]
    values: dict[str, float]
    priors: dict[str, Prior]
    draws: int = DRAWS
    seed: int = SEED

    def description(self) -> dict[str, Any]:
        """Return the job in plain words: what a folder's study.json holds."""
        return {
            "model": self.model.name,
            "values": self.values,
            "priors": {name: prior.describe() for name, prior in self.priors.items()},
            "draws": self.draws if self.priors else None,
            "seed": self.seed if self.priors else None,
        }

    def economy(self) -> CoordinationModel:
        """Return the economy shown: parameters held at their values, those under a prior at its median."""
        return self.model.build(**(self.values | {name: _median(prior) for name, prior in self.priors.items()}))

    def fingerprint(self) -> str:
        """Return what changes whenever the job does."""
        return hashlib.sha256(json.dumps(self.description(), sort_keys=True).encode()).hexdigest()


def catalogue() -> list[dict[str, str]]:
    """Return the models there are, each in words.

    Examples
    --------
    >>> [row["name"] for row in catalogue()]
    ['big-push', 'investment', 'urbanisation', 'infrastructure', 'training', 'oring']
    """
    return [
        {"name": model.name, "title": model.title, "wedge": model.wedge, "rule": model.rule, "sources": model.sources}
        for model in MODELS.values()
    ]


def theory_job(
    name: str,
    settings: Sequence[str] = (),
    priors: Sequence[str] = (),
    draws: int | None = None,
    seed: int | None = None,
) -> TheoryJob:
    """Read a job from words and check it.

    Parameters
    ----------
    name
        A model's name.
    settings
        ``parameter=value``, one per parameter.
    priors
        ``parameter=family(...)``, one per parameter; families are those of a study's priors.
    draws, seed
        As in ``TheoryJob``, which has the defaults; they need a prior.

    Raises
    ------
    InputError
        For an unknown model, parameter or family, a value outside its range, or a parameter named twice.

    Examples
    --------
    >>> job = theory_job("oring", ["tasks=3"], ["upgrade_cost=uniform(0.05, 0.25)"])
    >>> job.values, job.priors["upgrade_cost"].describe()
    ({'tasks': 3.0}, 'uniform(low=0.05, high=0.25)')
    """
    model = coordination_model(name)
    values, prior_texts = _pairs(settings, "--set", model), _pairs(priors, "--prior", model)
    for parameter in values.keys() & prior_texts.keys():
        raise InvalidValue(
            key=f"--prior {parameter}",
            value=prior_texts[parameter],
            requirement="for a parameter that --set does not hold",
            remedy="give the parameter a value or a prior, not both",
        )
    held = {}
    for parameter, text in values.items():
        try:
            held[parameter] = float(text)
        except ValueError:
            held[parameter] = np.nan
        if np.isnan(held[parameter]):
            example = f"{model.parameters()[parameter].default:g}"
            raise WrongType(
                key=f"--set {parameter}", value=repr(text), expected="a number", remedy=f"write {parameter}={example}"
            )
    read = {}
    for parameter, text in prior_texts.items():
        entry = model.parameters()[parameter]
        if entry.whole:
            raise InvalidValue(
                key=f"--prior {parameter}",
                value=text,
                requirement="left out, as only whole numbers make sense",
                remedy=f"hold it: --set {parameter}={entry.default:g}",
            )
        (low, high), (low_taken, high_taken) = entry.ends, entry.takes_ends
        support = Support(low, high, f"{entry.symbol}, {entry.meaning}", low_taken, high_taken)
        read[parameter] = Prior.read(parameter, text, f"the model '{name}'", support)
    for option, number in (("--draws", draws), ("--seed", seed)):
        if number is not None and not read:
            raise InvalidValue(
                key=option,
                value=number,
                requirement="left out where there is no prior to draw from",
                remedy=f'add --prior "{model.key}=uniform(low, high)"',
            )
    if draws is not None and not 100 <= draws <= MOST_DRAWS:
        raise InvalidValue(
            key="--draws", value=draws, requirement=f"from 100 to {MOST_DRAWS}", remedy=f"the default is {DRAWS}"
        )
    job = TheoryJob(model, held, read, DRAWS if draws is None else draws, SEED if seed is None else seed)
    job.economy()  # what is held is checked before anything is drawn
    return job


def _pairs(texts: Sequence[str], option: str, model: type[CoordinationModel]) -> dict[str, str]:
    result: dict[str, str] = {}
    for text in texts:
        name, equals, value = (part.strip() for part in text.partition("="))
        if not equals or not name or not value:
            example = "spread=0" if option == "--set" else '"spread=uniform(low=0, high=0.5)"'
            raise InvalidValue(
                key=option, value=text, requirement="of the form parameter=...", remedy=f"write {option} {example}"
            )
        if name not in model.parameters():
            raise UnknownKey(
                where=f"{option}, the model '{model.name}'",
                key=name,
                value=value,
                remedy=f"choose from {', '.join(model.parameters())}",
            )
        if name in result:
            raise InvalidValue(key=f"{option} {name}", value=value, requirement="given once", remedy="leave one out")
        result[name] = value
    return result


@dataclass(frozen=True, slots=True)
class TheoryRun:
    """What a job came to.

    Attributes
    ----------
    results
        Every number that is printed, as plain values.
    arrays
        What figures are drawn from, under flat names.
    draws
        Parameters and outcomes of each draw, by name, shape (D,); empty without priors.
    """

    results: dict[str, Any]
    arrays: dict[str, Any]
    draws: dict[str, FloatArray]


def run_theory(job: TheoryJob, told: Told = lambda stage, done, total: None) -> TheoryRun:
    """Solve a job's economy and, if it has priors, its draws.

    The economy has each parameter at its value, and those under a prior at the prior's median.

    Examples
    --------
    >>> run = run_theory(theory_job("training", priors=["training_cost=uniform(0, 1)"], draws=2000))
    >>> run.results["prior"]["probabilities"]["multiple"]["draws"]
    2000
    """
    from bigpush_est.propagate.coordination import four_worker_table, oring_pictures, pictures

    economy = job.economy()
    results = _described(job, economy) | _solved(economy)
    arrays = pictures(economy)
    if isinstance(economy, ORing):
        results["four_workers"] = four_worker_table(economy)
        arrays |= oring_pictures(economy)
    draws: dict[str, FloatArray] = {}
    if job.priors:
        draws = solved_draws(job, told)
        results["prior"] = _summary(job, draws)
        arrays |= {f"prior.{name}": draws[name] for name in [*job.priors, "multiple"]}
    results["failures"] = _failures(results)
    return TheoryRun(plain(results), arrays, draws)


def _median(prior: Prior) -> float:
    return prior.numbers[0] if prior.fixed else float(prior.frozen().median())


def _described(job: TheoryJob, economy: CoordinationModel) -> dict[str, Any]:
    model = job.model
    words = ("name", "title", "agents", "action", "wedge", "timing", "gain_unit", "welfare_unit", "paid", "key", "rule")
    return {
        "kind": "theory",
        **{word: getattr(model, word) for word in (*words, "sources")},
        "parameters": [
            {
                "name": name,
                "symbol": entry.symbol,
                "meaning": entry.meaning,
                "unit": entry.unit,
                "range": entry.within,
                "default": entry.default,
                "value": float(getattr(economy, name)[0]),
                "prior": job.priors[name].describe() if name in job.priors else None,
            }
            for name, entry in model.parameters().items()
        ],
        "prior": None,
    }


def _solved(economy: CoordinationModel) -> dict[str, Any]:
    solution = solve_model(economy)
    condition, push, window = solution.condition, solution.push, economy.window()
    return {
        "equilibria": _equilibria(economy, solution),
        "multiple": bool(solution.states.multiple[0]),
        "trapped": bool(solution.trapped[0]),
        "trap": float(solution.trap[0]),
        "rising": bool(economy.rising[0]),
        "welfare_gain": float(solution.welfare_gain[0]),
        "condition": {
            "first": float(condition.first[0]),
            "last": float(condition.last[0]),
            "trough": float(condition.trough[0]),
            "crest": float(condition.crest[0]),
            "multiple": bool(condition.multiple[0]),
            "exact": condition.exact,
            "window_parameter": window.parameter,
            "window_low": float(window.low[0]),
            "window_high": float(window.high[0]),
        },
        "push": {"together": float(push.together[0]), "payment": float(push.payment[0]), "bill": float(push.bill[0])},
        "effects": [asdict(effect) for effect in comparative_statics(economy)],
        "completeness": solution.states.completeness,
        "converged": bool(solution.states.converged[0]),
    }


def _equilibria(economy: CoordinationModel, solution: Solution) -> list[dict[str, Any]]:
    states = solution.states
    kinds = {1: "stable", -1: "unstable", 0: "attracts from one side"}
    rows = []
    for column, share in enumerate(states.share[0]):
        if not np.isfinite(share):
            continue
        jump = bool(states.jump[0, column])
        row: dict[str, Any] = {
            "share": float(share),
            "kind": "boundary, no state" if jump else kinds[int(states.stability[0, column])],
            "best": column == solution.best[0],
            "welfare": None if jump else float(solution.welfare[0, column]),
            "residual": float(states.residual[0, column]),
        }
        looks = economy.outcomes(np.array([share]))
        rows.append(row | {label: None if jump else float(value[0]) for label, value in looks.items()})
    return rows


def solved_draws(job: TheoryJob, told: Told = lambda stage, done, total: None) -> dict[str, FloatArray]:
    """Draw from the priors and solve every draw: parameters and outcomes by name, shape (D,)."""
    from bigpush_est.bayes.sampling import derived_seed
    from bigpush_est.propagate.coordination import solve_draws

    drawn = {}
    for name, prior in job.priors.items():
        # a seed of its own for each parameter: adding a prior leaves the draws of the others as they were
        rng = np.random.default_rng(derived_seed(job.seed, f"theory {name}"))
        with np.errstate(over="ignore"):
            drawn[name] = prior.draw(job.draws, rng)
        _check_drawn(job, name, drawn[name])
    economies = job.model.build(**(job.values | drawn))
    parts = []
    told(STAGE, 0, job.draws)
    for begin in range(0, job.draws, CHUNK):
        parts.append(solve_draws(economies.select(slice(begin, begin + CHUNK))))
        told(STAGE, min(begin + CHUNK, job.draws), job.draws)
    return drawn | {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _check_drawn(job: TheoryJob, name: str, values: FloatArray) -> None:
    entry = job.model.parameters()[name]
    refused = values[~entry.allows(values)]
    if refused.size:
        raise InvalidValue(
            key=f"--prior {name}",
            value=job.priors[name].describe(),
            requirement=(
                f"one whose draws are {entry.requirement}, and at most {LARGEST:g}; {refused.size} of {job.draws} are "
                f"not, such as {float(refused[0]):g}"
            ),
            remedy=f"narrow it; {entry.symbol} is {entry.meaning}, by default {entry.default:g}",
        )


def _summary(job: TheoryJob, draws: dict[str, FloatArray]) -> dict[str, Any]:
    from bigpush_est.bayes.sampling import Diagnostics
    from bigpush_est.propagate.summary import probability, quantity

    # independent draws: every one is effective, and there is one chain
    independent, converged = Diagnostics({}, 0, ()), draws["converged"]
    chances = {}
    for name in ("multiple", "trapped", "nobody", "everybody"):
        solved = converged if name in ("multiple", "trapped") else np.ones_like(converged)
        chance = probability(draws[name], solved, independent, chains=1)
        chances[name] = asdict(chance) | {"text": chance.text()}
    return {
        "draws": job.draws,
        "seed": job.seed,
        "probabilities": chances,
        "quantities": {name: asdict(quantity(draws[name], 1)) for name in ("trap", "payment", "bill", "welfare_gain")},
        "solver": {
            "draws": int(converged.size),
            "unconverged": int((~converged.astype(bool)).sum()),
            "largest_residual": float(np.nanmax(draws["residual"])),
            "beyond_closed_form": int((draws["multiple"] != draws["closed_form"]).sum()),
        },
    }


def _failures(results: dict[str, Any]) -> list[str]:
    if results["prior"] is None:
        reason = "the solver did not converge: a tangency, or nearly one, or a map too steep to tell"
        return [] if results["converged"] else [reason]
    # the economy at the priors' medians is shown for orientation; the answer is in the draws
    lost = results["prior"]["solver"]["unconverged"]
    return [f"the solver did not converge at {lost} draws"] if lost else []


def perform_theory(
    job: TheoryJob,
    out: Path | None = None,
    *,
    overwrite: bool = False,
    told: Told = lambda stage, done, total: None,
) -> TheoryRun:
    """Run a job and, if there is a folder for it, write it.

    Raises
    ------
    TheoryInterrupted
        On Ctrl-C.
    InputError
        As ``run_theory`` and ``write_theory``.
    """
    stage = ["solving"]

    def noted(name: str, done: int, total: int) -> None:
        stage[0] = name.lower()
        told(name, done, total)

    try:
        run = run_theory(job, noted)
        if out is not None:
            stage[0] = "writing"
            write_theory(run, job, out, overwrite=overwrite, told=noted)
    except KeyboardInterrupt:
        raise TheoryInterrupted(stage=stage[0]) from None
    return run


def write_theory(
    run: TheoryRun, job: TheoryJob, out: Path, *, overwrite: bool = False, told: Told = lambda stage, done, total: None
) -> list[Path]:
    """Write a run into a folder: figures as PNG and SVG, tables as CSV, JSON and LaTeX, ``results.json``, draws.

    The folder is laid out, and guarded against being written over, as that of ``bigpush-est run``; the same job may be
    written again.

    Returns
    -------
    list of Path
        The figures and CSV files.

    Raises
    ------
    OutputOccupied
        If the folder holds files that are no run, or another job's without ``overwrite``.
    """
    from bigpush_est.report.style import rendered
    from bigpush_est.report.theory_figures import slide, theory_figures
    from bigpush_est.report.theory_tables import theory_tables

    folder, name = RunFolder(out), f"theory-{job.model.name}"
    manifest = folder.manifest()
    same = manifest is not None and manifest["fingerprint"] == job.fingerprint()
    folder.open(job.description(), name, job.fingerprint(), resume=False, overwrite=overwrite or same)
    try:
        drawn, tables = theory_figures(run.results, run.arrays), theory_tables(run.results)
        total, written = len(drawn) + len(tables), []
        for done, (stem, draw) in enumerate(drawn.items(), start=1):
            with slide():
                png, svg = rendered(draw())
            for suffix, content in (("png", png), ("svg", svg)):
                target = f"figures/{stem}.{suffix}"
                written.append(folder.write(target, lambda path, content=content: _write(path, content)))  # type: ignore[misc]
            told("Writing", done, total)
        for done, table in enumerate(tables.values(), start=len(drawn) + 1):
            written.append(folder.write_text(f"tables/{table.name}.csv", table.csv()))
            folder.write_text(f"tables/{table.name}.json", table.json())
            folder.write_text(f"tables/{table.name}.tex", table.latex())
            told("Writing", done, total)
        if run.draws:
            written.append(folder.write_text("tables/draws.csv", _draws_csv(run.draws)))
        folder.write_json("results.json", run.results)
        folder.write_manifest(name, finished=True)
    finally:
        folder.release()
    return written


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def _draws_csv(draws: dict[str, FloatArray]) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(draws)
    columns = [values[:WRITTEN_DRAWS].tolist() for values in draws.values()]
    for row in zip(*columns, strict=True):
        writer.writerow([_cell(value) for value in row])
    return stream.getvalue()


def _cell(value: object) -> object:
    if isinstance(value, bool):
        return int(value)
    return "" if isinstance(value, float) and np.isnan(value) else value
