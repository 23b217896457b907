"""Two pipeline runs side by side: what differs in what they rest on, and what that does to the answer."""

import hashlib
from pathlib import Path

from bigpush_est.errors import InvalidValue
from bigpush_est.report.finished import finished_run
from bigpush_est.report.numbers import probability
from bigpush_est.report.pipeline.comparison_figures import comparison_figures
from bigpush_est.report.pipeline.comparison_tables import Run, comparison_tables, differing
from bigpush_est.report.pipeline.labels import SECOND, Results, data_label, main_answer, points, with_interval
from bigpush_est.report.pipeline.wording import banner
from bigpush_est.report.publishing import Told, write_files, write_page
from bigpush_est.run_folder import RunFolder

NAME = "comparison"


def write_comparison(folder_a: Path, folder_b: Path, out: Path, told: Told, *, overwrite: bool = False) -> Results:
    """Write one page, with figures and tables, that has two runs side by side.

    Parameters
    ----------
    folder_a, folder_b
        Folders of two finished runs of the whole way (``model = "posterior"``).
    out
        Folder of the comparison, guarded against being written over as that of a run; the same comparison may be
        written again.
    told
        Called with the stage's name, pieces done and pieces in all.
    overwrite
        Whether to replace whatever run the folder holds.

    Returns
    -------
    dict
        The content of the comparison's own ``results.json``: both runs' results and studies.

    Raises
    ------
    UnreadableFile
        If a folder holds no finished run.
    InvalidValue
        If a run is of another kind, or ``out`` is one of the two runs.
    OutputOccupied
        If ``out`` holds something else.
    """
    runs = [_read(letter, path) for letter, path in (("A", folder_a), ("B", folder_b))]
    if out.resolve() in (folder_a.resolve(), folder_b.resolve()):
        raise InvalidValue(
            key="--out", value=out, requirement="another folder than the two runs'", remedy="choose a new one"
        )
    content: Results = {
        "kind": NAME,
        "runs": [run.results for run in runs],
        "studies": [run.study for run in runs],
    }
    prints = [run.results["study"]["fingerprint"] for run in runs]
    fingerprint = hashlib.sha256("\n".join(prints).encode()).hexdigest()
    folder = RunFolder(out)
    manifest = folder.manifest()
    same = manifest is not None and manifest["fingerprint"] == fingerprint
    folder.open({"runs": prints}, NAME, fingerprint, resume=False, overwrite=overwrite or same)
    try:
        tables = comparison_tables(*runs)
        figures = write_files(folder, comparison_figures(*runs), tables, told, labels(*runs))
        write_page(
            folder,
            "comparison.html.j2",
            ("style.css", "quantitative.css", "pipeline.css"),
            told,
            runs=[
                {"run": run, "banner": banner(run.results), "failures": run.results["failures"]}
                | {"warnings": run.results.get("warnings", [])}
                for run in runs
            ],
            answer=_answer(*runs),
            figures=figures,
            tables=tables,
        )
        folder.write_json("results.json", content)
        folder.write_manifest(NAME, finished=True)
    finally:
        folder.release()
    return content


def _read(letter: str, path: Path) -> Run:
    folder, results = finished_run(path)
    if results.get("kind") != "posterior":
        raise InvalidValue(
            key=path,
            value=f"a run of kind '{results.get('kind', 'simple')}'",
            requirement='a run of a study with model = "posterior"',
            remedy="name two folders of such runs",
        )
    return Run(letter, results, folder.read_json("study.json"), folder.read_arrays("figures.npz"))


def labels(a: Run, b: Run) -> str:
    """Return what the data of both runs are, once where they are alike."""
    first, second = data_label(a.results), data_label(b.results)
    return first if first == second else f"A: {first}; B: {second}"


def _answer(a: Run, b: Run) -> str:
    """Say what the two runs find, and whether more than chance lies between them."""
    first, second = (main_answer(run.results) for run in (a, b))
    one, two = (answer["probabilities"]["moved"] for answer in (first, second))
    text = ""
    if a.results["study"]["fingerprint"] == b.results["study"]["fingerprint"]:
        text = "Both runs have the same fingerprint: study, inputs and code are the same. "
    else:
        changed, alike = differing(a.study, b.study)
        text = f"{len(changed)} settings differ, {alike} are the same. "
    text += (
        f"The probability that the push moved the economy is {probability(one)} in A and {probability(two)} in B"
        + (
            "; their 95% bounds overlap."
            if one["bound_low"] <= two["bound_high"] and two["bound_low"] <= one["bound_high"]
            else "; their 95% bounds lie apart."
        )
    )
    gaps = [answer["differences"]["gdp_share"] for answer in (first, second)]
    if all(gap["median"] is not None for gap in gaps):
        text += (
            f" The push adds {with_interval(gaps[0])} p.p. to the heavy GDP share in A and {with_interval(gaps[1])} "
            "p.p. in B (medians, 90% intervals)"
        )
        text += "." if gaps[0]["paper"] is None else f"; the paper says {points(gaps[0]['paper'])}."
    seconds = [run.results["answers"].get(SECOND) for run in (a, b)]
    if all(seconds):
        moved = [probability(answer["probabilities"]["moved"]) for answer in seconds]
        text += f" With the second mapping of each run’s estimates, the probability that it moved is {moved[0]} in A "
        text += f"and {moved[1]} in B."
    return text
