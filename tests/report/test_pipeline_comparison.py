"""Two pipeline runs side by side: what the comparison shows, and what it refuses."""

import copy
import json
import xml.etree.ElementTree as ET

import pytest

from bigpush_est.errors import InvalidValue, OutputOccupied, UnreadableFile
from bigpush_est.report.pipeline import printed_comparison, write_comparison, write_pipeline_report
from bigpush_est.run_folder import RunFolder

from .pipeline_run import made, quiet, read_csv, seen


@pytest.fixture
def two(micro, published, tmp_path, blank):
    """Folders of two finished runs."""
    folders = tmp_path / "a", tmp_path / "b"
    micro.written(RunFolder(folders[0]), fingerprint="a")
    published.written(RunFolder(folders[1]), fingerprint="b")
    return folders


def test_two_runs_side_by_side(micro, published, two, tmp_path):
    content = write_comparison(*two, tmp_path / "out", quiet)
    text = seen((tmp_path / "out" / "index.html").read_text(encoding="utf-8"))
    for run in (micro, published):
        chance = run.results["answers"]["recalibrated"]["probabilities"]["moved"]
        assert chance["text"] in text
    assert "A: korea_micro – Synthetic economy: not Korea’s data" in text
    assert "The estimates are the paper’s published ones" in text
    assert "Diagnostics of A failed: its answer is not to be relied on" in text
    assert "their 95% bounds lie apart" in text
    assert "With the second mapping of each run’s estimates, the probability that it moved is" in text
    rows = {row["key"]: row for row in json.loads((tmp_path / "out/tables/studies.json").read_text())["rows"]}
    assert (rows["evidence.source"]["a"], rows["evidence.source"]["b"]) == ("micro", "published")
    assert "propagation.draws" not in rows
    found = {(r["version"], r["event"]): r for r in read_csv(tmp_path / "out/tables/probabilities.csv")}
    row = found["Calibration held at its point", "Several steady states exist"]
    assert float(row["b_estimate"]) == published.results["answers"]["fixed"]["probabilities"]["multiple"]["estimate"]
    stems = {path.stem for path in (tmp_path / "out/figures").glob("*.svg")}
    assert stems == {"answers", "estimates", "figure4", "cloud", "posterior", "regions"}
    assert [table.name for table in printed_comparison(content)][:2] == ["runs", "studies"]
    manifest = RunFolder(tmp_path / "out").manifest()
    assert manifest is not None
    assert manifest["finished"]


def test_a_run_compared_with_itself_differs_in_nothing(two, tmp_path):
    write_comparison(two[0], two[0], tmp_path / "out", quiet)
    text = seen((tmp_path / "out" / "index.html").read_text(encoding="utf-8"))
    assert "Both runs have the same fingerprint" in text
    assert "their 95% bounds overlap" in text
    assert "Settings that differ" not in text
    # the same comparison may be written again, another one may not
    write_comparison(two[0], two[0], tmp_path / "out", quiet)
    with pytest.raises(OutputOccupied, match="holds a run of 'comparison' with other inputs"):
        write_comparison(*two, tmp_path / "out", quiet)
    write_comparison(*two, tmp_path / "out", quiet, overwrite=True)


def test_runs_of_different_shape_can_be_compared(two, tmp_path, monkeypatch):
    other = made("korea_published", seed=3, versions=("fixed",), scenarios=False, smallest_push=False, variants=False)
    results = copy.deepcopy(other.results)
    results["regions"] = results["regions"][:-1]
    other.written(RunFolder(tmp_path / "c"), results, "c")
    write_comparison(two[0], tmp_path / "c", tmp_path / "out", quiet)
    rows = json.loads((tmp_path / "out/tables/probabilities.json").read_text())["rows"]
    assert {row["version"]: "b_estimate" in row and row["b_estimate"] is not None for row in rows} == {
        "Calibrated anew at each draw": False,
        "Calibration held at its point": True,
        "Second mapping, calibrated anew": False,
    }
    assert not (tmp_path / "out/figures/regions.svg").exists()
    assert "A: calibrated anew at each draw; B: calibration held at its point." in seen(
        (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    )


def test_pictures_of_a_comparison_are_drawn(micro, published, tmp_path, monkeypatch):
    monkeypatch.setattr("bigpush_est.report.style.DPI", 40)
    micro.written(RunFolder(tmp_path / "a"), fingerprint="a")
    published.written(RunFolder(tmp_path / "b"), fingerprint="b")
    write_comparison(tmp_path / "a", tmp_path / "b", tmp_path / "out", quiet)
    for file in (tmp_path / "out" / "figures").glob("*.svg"):
        assert ET.parse(file).getroot().tag.endswith("svg")


def test_folders_that_cannot_be_compared_are_refused(two, micro, tmp_path):
    out = tmp_path / "out"
    with pytest.raises(UnreadableFile, match="it holds no run"):
        write_comparison(two[0], tmp_path / "nothing", out, quiet)
    foreign = RunFolder(tmp_path / "foreign")
    micro.written(foreign, {**micro.results, "kind": "quantitative"})
    with pytest.raises(InvalidValue, match=r"a run of kind 'quantitative' is refused.*model = \"posterior\""):
        write_comparison(two[0], foreign.path, out, quiet)
    with pytest.raises(InvalidValue, match="another folder than the two runs'"):
        write_comparison(*two, two[1], quiet, overwrite=True)
    unfinished = micro.written(RunFolder(tmp_path / "unfinished"))
    unfinished.write_manifest("korea_micro", finished=False)
    with pytest.raises(UnreadableFile, match="not finished"):
        write_comparison(two[0], unfinished.path, out, quiet)
    assert not out.exists()
    assert (two[1] / "results.json").exists()


def test_the_command_line_compares_shows_and_refuses(two, tmp_path, monkeypatch, capsys):
    from bigpush_est import cli

    def call(*arguments) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["bigpush-est", *map(str, arguments)])
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        out, err = capsys.readouterr()
        return int(stopped.value.code or 0), out, err

    out = tmp_path / "out"
    code, printed, _ = call("compare", *two, "--out", out)
    assert code == 0
    assert "Settings that differ" in printed
    assert "index.html" in printed
    code, printed, _ = call("show", two[0])
    assert code == 0
    assert "Failed: recalibrated: " in printed
    assert "Warning: 1 of 6 variants was not run, their rows say why: “Economy: another one”" in printed
    assert "3.59" in printed
    assert "Calibration held at its point" in printed
    code, printed, _ = call("show", out)
    assert code == 0
    assert "The two runs" in printed
    assert "B, warning: the first-stage F of the spillover’s instrument is 21.6, under 23.1" in printed
    code, _, message = call("compare", two[0], tmp_path / "none", "--out", tmp_path / "more")
    assert code == 2
    assert "it holds no run" in message
    code, printed, _ = call("compare", *two, "--out", out, "--json")
    assert json.loads(printed)["kind"] == "comparison"


def test_a_run_without_solutions_is_drawn_and_compared(micro, unsolved, tmp_path, monkeypatch):
    monkeypatch.setattr("bigpush_est.report.style.DPI", 40)
    results, arrays = unsolved
    folder = micro.written(RunFolder(tmp_path / "unsolved"), results)
    folder.write_arrays("figures.npz", arrays)
    write_pipeline_report(folder, folder.read_json("results.json"), quiet)
    write_comparison(folder.path, folder.path, tmp_path / "out", quiet)
    text = seen((tmp_path / "out" / "index.html").read_text(encoding="utf-8"))
    assert "The push adds" not in text
    assert (tmp_path / "out" / "figures" / "regions.svg").exists()
