"""The command line: ``bigpush-est run | validate | show | compare | init | theory``.  Words in and words out, no logic.

Exit codes: 0 done, 2 bad input, 3 diagnostics failed, 130 interrupted, 1 an error that is ours.
"""

import io
import json
import os
import re
import shlex
import signal
import sys
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bigpush_est.errors import BigPushError, InvalidValue, OutputOccupied, UnreadableFile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bigpush_est.report.tables import Table

app = typer.Typer(
    name="bigpush-est",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

StudyArgument = Annotated[str, typer.Argument(help="A study: a TOML file, or the name of one that ships.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for other programs, and nothing else.")]


_stopped = threading.Event()


def _stop(number: int, frame: object) -> None:
    _stopped.set()
    raise KeyboardInterrupt


def _default_workers() -> int:
    return min(2, os.cpu_count() or 1)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"bigpush-est {version('bigpush-est')}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    """How sure can one be of the big push? Posteriors of η, δ and s̄, and the equilibria that they imply."""


@app.command()
def run(
    study: StudyArgument,
    out: Annotated[Path | None, typer.Option(help="Folder of the run; reports/NAME if left out.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, max=2**32 - 1, help="Replace the study's seed.")] = None,
    draws: Annotated[int | None, typer.Option(min=100, help="Replace the study's draws per chain.")] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes and threads; the numbers do not depend on it.")
    ] = None,
    scheduler: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="A Dask scheduler whose workers take the draws.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where an interrupted run stopped.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace whatever run the folder holds.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print nothing but errors.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Run a study, whichever its model, to its report."""
    from bigpush_est.studies import open_study, run_any

    overrides = {key: value for key, value in (("seed", seed), ("sampler.draws", draws)) if value is not None}
    checked = open_study(study, overrides)
    folder = Path("reports") / checked.spec.name if out is None else out
    with _progress(quiet or as_json) as report:

        def told(stage: str, done: int, total: int) -> None:
            # some extension modules swallow the exception; the next finished piece raises it again
            if _stopped.is_set():
                raise KeyboardInterrupt
            report(stage, done, total)

        result = run_any(
            checked,
            folder,
            workers=_default_workers() if workers is None else workers,
            scheduler=scheduler,
            resume=resume,
            overwrite=overwrite,
            progress=told,
        )
    if as_json:
        shown = ("main", "table3", "answers", "warnings")
        main = {key: result.results[key] for key in shown if key in result.results}
        _print_json({"folder": str(folder), "failures": result.failures, **main})
    elif not quiet:
        _show_any(result.results, folder)
        typer.echo(f"Report: {folder / 'index.html'}")
    result.require_passed()


@app.command()
def validate(study: StudyArgument, as_json: JsonOption = False) -> None:
    """Check a study and everything that it reads; compute nothing."""
    from bigpush_est.studies import described, open_study

    content = described(open_study(study))
    if as_json:
        _print_json(content)
        return
    size = f"{content['draws']} draws" if "draws" in content else f"{content['regions']} regions ({content['label']})"
    typer.echo(
        f"{study}: valid. Study '{content['study']}', model '{content['model']}', {size}, "
        f"{content['inputs']} inputs, {content['variants']} variants."
    )


@app.command()
def show(
    folder: Annotated[Path, typer.Argument(help="Folder of a finished run.")], as_json: JsonOption = False
) -> None:
    """Print the summary of a finished run."""
    from bigpush_est.report.finished import finished_run

    _, results = finished_run(folder)
    if as_json:
        _print_json(results)
    else:
        _show_any(results, folder)


@app.command()
def compare(
    first: Annotated[Path, typer.Argument(help="Folder of a finished run of a study with model = 'posterior'.")],
    second: Annotated[Path, typer.Argument(help="Folder of another one.")],
    out: Annotated[Path, typer.Option(help="Folder for the page, its figures and tables.")],
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace whatever run the folder holds.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print nothing but errors.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Put two runs side by side: what differs in studies and estimates, and what that does to the answer."""
    from bigpush_est.report.pipeline import write_comparison

    with _progress(quiet or as_json) as told:
        content = write_comparison(first, second, out, told, overwrite=overwrite)
    if as_json:
        _print_json(content)
    elif not quiet:
        _show_any(content, out)
        typer.echo(f"Comparison: {out / 'index.html'}")


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(help="Folder for the new study; made if need be.")],
    study: Annotated[str, typer.Option(help="Which shipped study to start from.")] = "published",
) -> None:
    """Write a study to edit: a copy of one that ships, under a name of its own."""
    from bigpush_est.data.locate import models_folder
    from bigpush_est.studies import open_study

    shipped = {path.stem: path for path in models_folder().glob("*.toml")}
    if study not in shipped:
        raise InvalidValue(
            key="--study", value=study, requirement="a study that ships", remedy=f"choose from {', '.join(shipped)}"
        )
    source = shipped[study]
    target = folder / "study.toml"
    if target.exists():
        raise OutputOccupied(path=folder, holds="a study.toml", remedy="choose another folder, or edit that one")
    name = re.sub(r"[^a-z0-9_-]+", "-", folder.resolve().name.lower()).strip("-_")[:64] or "study"
    text = re.sub(r'(?m)^name = ".*"$', f'name = "{name}"', source.read_text(encoding="utf-8"), count=1)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UnreadableFile(path=target, reason=str(error), remedy="choose a folder you may write to") from None
    open_study(target)
    typer.echo(f"Wrote {target}. Edit it, then: bigpush-est run {shlex.quote(str(target))}")


@app.command()
def theory(
    model: Annotated[str | None, typer.Argument(help="One of the lecture's models; left out, they are listed.")] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="PARAMETER=VALUE", help="Hold a parameter at a value.")
    ] = None,
    priors: Annotated[
        list[str] | None,
        typer.Option("--prior", metavar="PARAMETER=FAMILY(...)", help="Put a prior on a parameter and draw from it."),
    ] = None,
    draws: Annotated[int | None, typer.Option(min=100, help="Draws from the priors; 10,000 if left out.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, max=2**32 - 1, help="Seed of the draws.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for figures (SVG, PNG) and tables (CSV).")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace whatever run the folder holds.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print nothing but errors.")] = False,
    as_json: JsonOption = False,
) -> None:
    """List, solve and draw the lecture's models: the big push and its cases, Kremer's O-ring."""
    from bigpush_est.errors import DiagnosticsFailed
    from bigpush_est.report.theory_tables import catalogue_table, theory_tables
    from bigpush_est.theory import catalogue, perform_theory, theory_job

    if model is None:
        if settings or priors or draws is not None or seed is not None or out is not None or overwrite:
            raise InvalidValue(
                key="model",
                value="left out",
                requirement="named where options say what to do with it",
                remedy="write bigpush-est theory MODEL ...; bigpush-est theory alone lists the models",
            )
        rows = catalogue()
        if as_json:
            _print_json(rows)
        elif not quiet:
            _print_tables([catalogue_table(rows)])
        return
    job = theory_job(model, settings or (), priors or (), draws, seed)
    with _progress(quiet or as_json) as told:
        done = perform_theory(job, out, overwrite=overwrite, told=told)
    if as_json:
        _print_json(done.results)
    elif not quiet:
        _print_tables(list(theory_tables(done.results).values()))
        if out is not None:
            typer.echo(f"Figures and tables: {out}")
    if done.results["failures"]:
        raise DiagnosticsFailed(
            failures="; ".join(done.results["failures"]),
            remedy="move the parameters off the tangency, or narrow priors",
        )


# -- words out -------------------------------------------------------------------------------------------------------


def _print_json(content: Any) -> None:
    from bigpush_est.run_folder import plain

    typer.echo(json.dumps(plain(content), indent=1, ensure_ascii=False))


def _show_any(results: dict[str, Any], folder: Path) -> None:
    """Print the summary of a run of any kind."""
    kind = results.get("kind")
    if kind == "theory":
        from bigpush_est.report.theory_tables import theory_tables

        _print_tables(list(theory_tables(results).values()))
    elif kind in ("quantitative", "posterior"):
        if kind == "posterior":
            from bigpush_est.report.pipeline.contents import printed_tables
        else:
            from bigpush_est.report.quantitative.contents import printed_tables

        for failure in results["failures"]:
            typer.secho(f"Failed: {failure}", fg="red", bold=True)
        for warning in results.get("warnings", []):
            typer.secho(f"Warning: {warning}", fg="yellow")
        _print_tables(printed_tables(results))
    elif kind == "comparison":
        from bigpush_est.report.pipeline import printed_comparison

        for letter, one in zip("AB", results["runs"], strict=True):
            for failure in one["failures"]:
                typer.secho(f"{letter} failed: {failure}", fg="red", bold=True)
            for warning in one.get("warnings", []):
                typer.secho(f"{letter}, warning: {warning}", fg="yellow")
        _print_tables(printed_comparison(results))
    else:
        _show(results, folder)


def _show(results: dict[str, Any], folder: Path) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console(highlight=False)
    study, main = results["study"], results["main"]
    console.print(f"[bold]{escape(study['title'])}[/bold]  ({escape(study['name'])}, {escape(str(folder))})")
    for failure in results["failures"]:
        console.print(f"[bold red]Failed:[/bold red] {escape(failure)}")
    table = Table(title="Posterior probabilities", title_justify="left")
    for heading in ("Event", "Probability", "Draws"):
        table.add_column(heading, justify="left" if heading == "Event" else "right")
    for key, label in EVENTS.items():
        row = main["probabilities"][key]
        table.add_row(label, row["text"], f"{row['hits']} of {row['draws']}")
    console.print(table)
    table = Table(title="Posterior quantities", title_justify="left")
    for heading in ("Quantity", "Median", "50% interval", "90% interval", "Defined"):
        table.add_column(heading, justify="left" if heading == "Quantity" else "right")
    for key, label in QUANTITIES.items():
        row = main["quantities"][key]
        if row["median"] is None:
            table.add_row(label, "undefined", "", "", f"0 of {row['draws']}")
            continue
        table.add_row(
            label,
            f"{row['median']:.3f}",
            f"{row['low50']:.3f} to {row['high50']:.3f}",
            f"{row['low90']:.3f} to {row['high90']:.3f}",
            "all" if row["defined"] == row["draws"] else f"{row['defined']} of {row['draws']}",
        )
    console.print(table)
    solver = main["solver"]
    console.print(
        f"Solver: {solver['unconverged']} of {solver['draws']} draws did not converge, "
        f"largest residual {solver['largest_residual']:.1e}."
    )


def _print_tables(tables: "list[Table]") -> None:
    from rich import box
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table as Printed

    console = Console(highlight=False)
    for table in tables:
        blocks = table.blocks()
        for number, (heading, rows) in enumerate(blocks):
            # a heading as wide as the table is only possible above one
            words = [escape(text) for text in (table.caption if number == 0 else "", heading) if text]
            printed = Printed(title="\n".join(words), title_justify="left", box=box.SIMPLE_HEAD, caption_justify="left")
            printed.caption = (escape(table.note) or None) if number == len(blocks) - 1 else None
            for column in table.columns:
                printed.add_column(escape(column.label), justify="right" if column.number else "left", overflow="fold")
            for _, cells in rows:
                printed.add_row(*(escape(cell) for cell in cells))
            console.print(printed)


EVENTS = {
    "multiple": "Several steady states, L/F^T pinned by the 1972 share",
    "possible": "Several steady states for some L/F^T",
    "trapped": "1972 lies in the underdevelopment region",
    "moved": "The push of s̄ in 1976 and 1980 ends in another steady state",
}
QUANTITIES = {
    "eta": "η, direct gain",
    "delta": "δ, spillover",
    "subsidy": "s̄, subsidy rate",
    "critical_delta": "δ above which some L/F^T gives a trap",
    "needed_delta": "δ above which the pinned L/F^T gives a trap",
    "input_subsidy": "Smallest sufficient one-time input subsidy",
    "cost_subsidy": "Smallest sufficient one-time cost subsidy",
}


@contextmanager
def _progress(silent: bool) -> "Iterator[Callable[[str, int, int], None]]":
    """Bars on a terminal, plain lines elsewhere, nothing if silent."""
    if silent:
        yield lambda stage, done, total: None
        return
    from rich.console import Console

    console = Console(stderr=True, highlight=False)
    if not console.is_terminal:
        seen: dict[str, int] = {}

        def line(stage: str, done: int, total: int) -> None:
            # at most four lines a stage: start, end, and two on the way
            mark = 3 * done // max(total, 1)
            if seen.get(stage) != mark:
                seen[stage] = mark
                print(f"{stage}: {done} of {total}", file=sys.stderr, flush=True)

        yield line
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console) as bars:
        tasks: dict[str, Any] = {}

        def bar(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage, total=total)
            bars.update(tasks[stage], completed=done, total=total)
            if done >= total:
                bars.stop_task(tasks[stage])

        yield bar


def main() -> None:
    """Run the command line; every failure is one message and an exit code, never a bare traceback."""
    # a polite stop and Ctrl-C are the same: what is finished is kept
    signal.signal(signal.SIGTERM, _stop)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _stop)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # a terminal that cannot show η gets a question mark, not a failed run
            stream.reconfigure(errors="replace")
    try:
        app()
    except BigPushError as error:
        print(f"bigpush-est: {error}", file=sys.stderr)
        if getattr(error, "unsafe_exit", False):
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(error.exit_code)
        raise SystemExit(error.exit_code) from None
    except KeyboardInterrupt:
        print("bigpush-est: interrupted.", file=sys.stderr)
        raise SystemExit(130) from None
    except Exception as error:
        if os.environ.get("BIGPUSH_EST_DEBUG"):
            raise
        print(
            f"bigpush-est: an unexpected {type(error).__name__}: {error}. This is an error of ours: set "
            "BIGPUSH_EST_DEBUG=1 to see where, and report it.",
            file=sys.stderr,
        )
        raise SystemExit(1) from None
