"""The command line: exit codes, messages on one line, and no traceback."""

import json

import pytest
from typer.testing import CliRunner

from bigpush_est import cli
from bigpush_est.errors import BigPushError

runner = CliRunner()


def call(monkeypatch, capsys, *arguments):
    """Run ``main`` as the console script does."""
    monkeypatch.setattr("sys.argv", ["bigpush-est", *map(str, arguments)])
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    captured = capsys.readouterr()
    return stopped.value.code, captured.out, captured.err


def test_validate_says_what_it_checked(monkeypatch, capsys):
    code, out, _ = call(monkeypatch, capsys, "validate", "published")
    assert code in (0, None)
    assert "valid" in out
    assert "20000 draws" in out
    code, out, _ = call(monkeypatch, capsys, "validate", "published", "--json")
    assert json.loads(out)["valid"] is True


@pytest.mark.parametrize("command", ["validate", "run"])
def test_bad_studies_exit_2_with_one_message(monkeypatch, capsys, write_study, command, tmp_path):
    study = write_study(("standard_error = 0.24", "standard_error = -1.0"))
    extra = ["--out", tmp_path / "out"] if command == "run" else []
    code, out, err = call(monkeypatch, capsys, command, study, *extra)
    assert code == 2
    assert out == ""
    assert err.count("\n") == 1
    assert "Remedy" in err
    assert not (tmp_path / "out").exists()


def test_options_are_checked(monkeypatch, capsys, tmp_path):
    code, _, err = call(monkeypatch, capsys, "run", "published", "--out", tmp_path / "x", "--draws", "5")
    assert code == 2
    assert "draws" in err
    code, _, err = call(monkeypatch, capsys, "run", "published", "--workers", "0")
    assert code == 2
    code, _, err = call(monkeypatch, capsys, "nonsense")
    assert code == 2


def test_init_writes_a_valid_study_and_never_writes_over(monkeypatch, capsys, tmp_path):
    folder = tmp_path / "My Study"
    code, out, _ = call(monkeypatch, capsys, "init", folder)
    assert code in (0, None)
    assert (folder / "study.toml").is_file()
    code, out, _ = call(monkeypatch, capsys, "validate", folder / "study.toml", "--json")
    assert json.loads(out)["study"] == "my-study"
    (folder / "study.toml").write_text("mine")
    code, _, err = call(monkeypatch, capsys, "init", folder)
    assert code == 2
    assert (folder / "study.toml").read_text() == "mine"
    code, _, err = call(monkeypatch, capsys, "init", tmp_path / "other", "--study", "none")
    assert code == 2
    assert "published" in err


def test_show_refuses_what_is_no_run(monkeypatch, capsys, tmp_path):
    code, _, err = call(monkeypatch, capsys, "show", tmp_path)
    assert code == 2
    assert "holds no run" in err


@pytest.mark.parametrize(
    ("raised", "code", "words"),
    [(ZeroDivisionError("oops"), 1, "error of ours"), (KeyboardInterrupt(), 130, "interrupted")],
)
def test_unexpected_failures_are_one_line(monkeypatch, capsys, raised, code, words):
    def broken():
        raise raised

    monkeypatch.delenv("BIGPUSH_EST_DEBUG", raising=False)
    monkeypatch.setattr(cli, "app", broken)
    found, _, err = call(monkeypatch, capsys)
    assert found == code
    assert words in err
    assert "Traceback" not in err


def test_exit_codes_are_the_errors_own():
    codes = {kind.__name__: kind.exit_code for kind in BigPushError.__subclasses__()}
    failed = dict.fromkeys(("DiagnosticsFailed", "SolverFailed", "DemeaningFailed"), 3)
    ours = dict.fromkeys(("ChunkFailed", "WorkersLost"), 1)  # of a chunk, or of the machine that did it
    assert codes == {"InputError": 2, "Interrupted": 130} | failed | ours


def test_help_names_every_command():
    out = runner.invoke(cli.app, ["--help"]).output
    for name in ("run", "validate", "show", "compare", "init", "theory"):
        assert name in out
