"""Runs from start to end: resumed, interrupted, with one worker or two, and refused where nothing may be lost."""

import json
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from bigpush_est.errors import NoStartingPoint, OutputOccupied, ResumeRefused, UnreadableFile, UnwritableFolder
from bigpush_est.run_folder import RunFolder, plain
from bigpush_est.stages import run_study
from bigpush_est.study import load_study

SMALL = (
    ("draws = 5000", "draws = 500"),
    ("variant_draws = 2000", "variant_draws = 200"),
    ("chunk = 2000", "chunk = 300"),
)
GATES = (("max_rhat = 1.01", "max_rhat = 1.2"), ("min_ess = 400.0", "min_ess = 30.0"))
VARIANTS = """
[[variants]]
group = "Exponent"
label = "kept"
set = { "mapping.exponent" = "kept" }

[[variants]]
group = "Prior"
label = "log-normal"
set = { "priors.delta" = { family = "log_normal", median = 0.5, log_sd = 1.0 } }
"""
COMMAND = [sys.executable, "-c", "from bigpush_est.cli import main; main()"]


def cli(*arguments, **options):
    return subprocess.run([*COMMAND, *map(str, arguments)], capture_output=True, text=True, check=False, **options)


@pytest.fixture
def small(write_study):
    return write_study(*SMALL, *GATES, extra=VARIANTS)


def numbers(folder):
    stored = RunFolder(folder)
    return stored.read_json("results.json"), stored.read_arrays("figures.npz")


def same(first, second):
    results, arrays = numbers(first)
    others, other_arrays = numbers(second)
    assert results == others
    assert arrays.keys() == other_arrays.keys()
    for name, values in arrays.items():
        np.testing.assert_array_equal(values, other_arrays[name], err_msg=name)


def test_workers_resume_and_interruption_leave_the_same_bits(small, tmp_path):
    whole = cli("run", small, "--out", tmp_path / "one", "--workers", 1, "--json")
    assert whole.returncode == 0, whole.stderr
    assert json.loads(whole.stdout)["main"]["probabilities"]["multiple"]["draws"] == 2000
    assert cli("run", small, "--out", tmp_path / "two", "--workers", 2, "--quiet").returncode == 0
    same(tmp_path / "one", tmp_path / "two")

    # stop a run once the draws are there; it says how to go on
    stopped = tmp_path / "stopped"
    process = subprocess.Popen(
        [*COMMAND, "run", str(small), "--out", str(stopped)], stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    while not (stopped / "draws" / "main.nc").exists():
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    _, message = process.communicate(timeout=60)
    assert process.returncode == 130, message
    assert "Traceback" not in message
    assert "--resume" in message
    unfinished = cli("show", stopped)
    assert unfinished.returncode == 2
    assert "not finished" in unfinished.stderr
    written = (stopped / "draws" / "main.nc").stat().st_mtime_ns
    assert cli("run", small, "--out", stopped, "--resume", "--quiet").returncode == 0
    assert (stopped / "draws" / "main.nc").stat().st_mtime_ns == written
    same(tmp_path / "one", stopped)

    shown = cli("show", stopped)
    assert shown.returncode == 0
    assert "Several steady states" in shown.stdout
    assert json.loads(cli("show", stopped, "--json").stdout)["study"]["name"] == "published"


def test_failed_diagnostics_finish_the_report_and_exit_3(write_study, tmp_path):
    study = write_study(*SMALL, ("max_rhat = 1.01", "max_rhat = 1.000001"), ("min_ess = 400.0", "min_ess = 1e6"))
    result = cli("run", study, "--out", tmp_path / "run")
    assert result.returncode == 3, result.stderr
    assert "diagnostics failed" in result.stderr
    assert "Failed:" in result.stdout
    page = (tmp_path / "run" / "index.html").read_text(encoding="utf-8")
    assert "R-hat" in page


def test_pymc_sampler_runs_a_study(write_study, tmp_path):
    study = load_study(write_study(*SMALL, *GATES, ('name = "nutpie"', 'name = "pymc"')))
    result = run_study(study, tmp_path / "run")
    assert result.results["study"]["sampler"]["name"] == "pymc"
    assert not result.failures


def test_another_studys_folder_is_left_alone(small, tmp_path):
    folder = tmp_path / "run"
    stored = RunFolder(folder)
    stored.open({"name": "other"}, "other", "abc", resume=False, overwrite=False)
    stored.write_json("results.json", {"kept": True})
    busy = cli("run", small, "--out", folder, "--overwrite")
    assert busy.returncode == 2
    assert "a run in progress" in busy.stderr
    stored.release()
    result = cli("run", small, "--out", folder)
    assert result.returncode == 2
    assert "another study" in result.stderr
    assert stored.read_json("results.json") == {"kept": True}
    with pytest.raises(OutputOccupied, match="other inputs"):
        stored.open({"name": "other", "seed": 2}, "other", "def", resume=False, overwrite=False)
    with pytest.raises(ResumeRefused, match=r"seed: None then, 2 now"):
        stored.open({"name": "other", "seed": 2}, "other", "def", resume=True, overwrite=False)
    assert stored.read_json("results.json") == {"kept": True}
    assert stored.open({"name": "other"}, "other", "abc", resume=True, overwrite=False)
    assert stored.open({"name": "other"}, "other", "abc", resume=True, overwrite=True)
    with pytest.raises(OutputOccupied, match="interrupted run of this very study"):
        stored.open({"name": "other"}, "other", "abc", resume=False, overwrite=False)
    assert stored.has("results.json")
    # replacing is a decision of the user's, and clears what the old run wrote
    assert not stored.open({"name": "new"}, "new", "def", resume=False, overwrite=True)
    assert not stored.has("results.json")
    stored.release()


def test_strange_folders_are_refused(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputOccupied, match="file of that name"):
        RunFolder(tmp_path / "file").open({}, "a", "b", resume=False, overwrite=True)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").write_text("x")
    with pytest.raises(OutputOccupied, match="not a run"):
        RunFolder(tmp_path / "full").open({}, "a", "b", resume=False, overwrite=True)
    assert (tmp_path / "full" / "thesis.tex").read_text() == "x"


def test_damaged_checkpoints_are_named(tmp_path):
    stored = RunFolder(tmp_path)
    (tmp_path / "arrays.npz").write_bytes(b"not an archive")
    (tmp_path / "x.json").write_text("{")
    with pytest.raises(UnreadableFile, match=r"arrays\.npz"):
        stored.read_arrays("arrays.npz")
    with pytest.raises(UnreadableFile, match=r"x\.json"):
        stored.read_json("x.json")


def test_a_failing_writer_leaves_the_old_file(tmp_path):
    stored = RunFolder(tmp_path)
    stored.write_text("a.txt", "old")

    def broken(path):
        path.write_text("half")
        raise OSError("disk full")

    with pytest.raises(UnwritableFolder, match="disk full"):
        stored.write("a.txt", broken)
    assert (tmp_path / "a.txt").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_replacing_a_run_removes_only_what_runs_write(tmp_path):
    folder, elsewhere = tmp_path / "run", tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "mine.png").write_text("x")
    stored = RunFolder(folder)
    stored.open({}, "a", "1", resume=False, overwrite=False)
    stored.write_text("tables/note.txt", "mine")
    stored.write_text("tables/old.csv", "theirs")
    (folder / "figures").symlink_to(elsewhere)
    stored.open({}, "b", "2", resume=False, overwrite=True)
    stored.release()
    assert (folder / "tables" / "note.txt").is_file()
    assert not (folder / "tables" / "old.csv").exists()
    assert (elsewhere / "mine.png").is_file()


def test_another_programs_folder_is_refused(tmp_path):
    for content in ('{"name": "x", "fingerprint": "y"}', "[1, 2]", "{", "null"):
        (tmp_path / "run.json").write_text(content)
        with pytest.raises(UnreadableFile, match=r"run\.json"):
            RunFolder(tmp_path).open({}, "a", "b", resume=True, overwrite=True)
        assert cli("show", tmp_path).returncode == 2
        assert (tmp_path / "run.json").read_text() == content


def test_pieces_of_another_run_or_name_are_not_read(tmp_path):
    one, other = RunFolder(tmp_path, "one"), RunFolder(tmp_path, "other")
    one.write_piece("a.json", {"x": [1.5, None]})
    one.write_arrays("a.npz", {"x": np.arange(3)})
    assert one.stored_piece("a.json") == {"x": [1.5, None]}
    np.testing.assert_array_equal(one.stored_arrays("a.npz")["x"], np.arange(3))
    assert other.stored_piece("a.json") is None
    assert other.stored_arrays("a.npz") is None
    for kind in ("json", "npz"):
        (tmp_path / f"b.{kind}").write_bytes((tmp_path / f"a.{kind}").read_bytes())
    assert one.stored_piece("b.json") is None
    assert one.stored_arrays("b.npz") is None
    (tmp_path / "a.json").write_text((tmp_path / "a.json").read_text().replace("1.5", "2.5"))
    assert one.stored_piece("a.json") is None
    whole = (tmp_path / "a.npz").read_bytes()
    for damaged in (b"", whole[: len(whole) // 2], b"junk"):
        (tmp_path / "a.npz").write_bytes(damaged)
        assert one.stored_arrays("a.npz") is None


def test_damaged_pieces_are_done_again_on_resume(small, tmp_path):
    study = load_study(small)
    first = run_study(study, tmp_path / "run")
    for name, damaged in (
        ("draws/main.nc", b"junk"),
        ("outcomes/main.npz", b""),
        ("checkpoints/variant-000.json", b"[]"),
        ("figures.npz", b"x"),
        ("results.json", b"{"),
    ):
        (tmp_path / "run" / name).write_bytes(damaged)
    again = run_study(study, tmp_path / "run", resume=True)
    assert again.results == first.results
    (tmp_path / "run" / "outcomes" / "main.npz").unlink()
    (tmp_path / "run" / "outcomes" / "main.npz").mkdir()
    with pytest.raises(UnwritableFolder, match=r"main\.npz"):
        run_study(study, tmp_path / "run", resume=True)


def test_contradicting_priors_are_one_message(write_study, tmp_path):
    change = (
        'delta = { family = "half_normal", scale = 1.0 }',
        'delta = { family = "uniform", low = 1e5, high = 2e5 }',
    )
    result = cli(
        "run", write_study(*SMALL, change, ("standard_error = 0.24", "standard_error = 1e-6")), "--out", tmp_path / "x"
    )
    assert result.returncode in (2, 3), result.stderr
    assert "Traceback" not in result.stderr
    assert NoStartingPoint(reason="x").exit_code == 2


def test_json_has_no_infinities():
    assert plain({"a": np.float64("nan"), "b": [np.inf, np.int64(2)], "c": np.array([1.5])}) == {
        "a": None,
        "b": [None, 2],
        "c": [1.5],
    }
