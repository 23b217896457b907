"""What is shipped: the lock, the wheel, the set-up script, and what an import costs."""

import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parent.parent
LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PINNED = {canonicalize_name(name): Version(v) for name, v in re.findall(r"^([\w.-]+)==(\S+)", LOCK, re.MULTILINE)}

# Heavy packages that `import bigpush_est` alone must not load: a command line that only prints its help waits for it.
HEAVY = ["pymc", "pytensor", "arviz", "nutpie", "pandas", "xarray", "matplotlib", "numba", "scipy.stats"]


def test_the_lock_holds_only_pins_and_hashes() -> None:
    """Any address, host or path has a slash or an at sign; an index or an editable install is an option of its own."""
    line = re.compile(r"[\w.-]+==[\w.+!]+( ; [\w .<>=!'()]+)? \\|    --hash=sha256:[0-9a-f]{64}( \\)?")
    strange = [text for text in LOCK.splitlines() if not line.fullmatch(text)]
    assert not strange
    assert "/" not in LOCK
    assert "@" not in LOCK


def test_every_dependency_is_locked_at_a_version_that_it_allows() -> None:
    extras = PROJECT["optional-dependencies"]
    stated = [Requirement(text) for text in [*PROJECT["dependencies"], *(text for e in extras.values() for text in e)]]
    missing = [str(r) for r in stated if canonicalize_name(r.name) not in PINNED]
    assert not missing
    refused = [str(r) for r in stated if not r.specifier.contains(PINNED[canonicalize_name(r.name)])]
    assert not refused


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """The wheel, built offline by the build backend itself."""
    target = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(target)]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    (path,) = target.glob("*.whl")
    return zipfile.ZipFile(path)


def test_the_wheel_carries_types_figures_and_studies(wheel: zipfile.ZipFile) -> None:
    held = set(wheel.namelist())
    assert {
        "bigpush_est/py.typed",
        "bigpush_est/_data/published/table1.csv",
        "bigpush_est/_models/published.toml",
    } <= held
    for folder, inside in {"data/published": "_data/published", "models": "_models"}.items():
        for path in (ROOT / folder).rglob("*"):
            if path.is_file():
                name = f"bigpush_est/{inside}/{path.relative_to(ROOT / folder).as_posix()}"
                assert wheel.read(name) == path.read_bytes()


def test_the_wheel_carries_every_file_of_the_package_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    source = ROOT / "src" / "bigpush_est"
    files = {path for path in source.rglob("*") if path.is_file() and "__pycache__" not in path.parts}
    expected = {f"bigpush_est/{path.relative_to(source).as_posix()}" for path in files}
    ours = re.compile(r"bigpush_est/(?!_data/|_models/).*")
    assert {name for name in wheel.namelist() if ours.fullmatch(name)} == expected
    top = {name.split("/")[0] for name in wheel.namelist()}
    assert top == {"bigpush_est", f"bigpush_est-{PROJECT['version']}.dist-info"}


def test_importing_the_package_loads_nothing_heavy() -> None:
    script = f"import sys, bigpush_est; print(*[name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_set_up_refuses_an_old_python_before_it_touches_anything(tmp_path: Path) -> None:
    """With a python3 that is too old and nothing else, the script says what to install, and writes nothing."""
    tools = tmp_path / "bin"
    tools.mkdir()
    old = tools / "python3"
    old.write_text('#!/bin/sh\n[ "$1" = --version ] && { echo "Python 3.9.2"; exit 0; }\nexit 1\n')
    old.chmod(0o755)
    work = tmp_path / "work"
    work.mkdir()
    command = ["/bin/sh", str(ROOT / "tools" / "setup.sh")]
    environment = {"PATH": str(tools)}
    done = subprocess.run(command, cwd=work, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "needs Python 3.12 or newer; this machine offers: Python 3.9.2" in done.stderr
    assert "uv python install 3.12" in done.stderr
    assert list(work.iterdir()) == []
