"""Chunks on one process, on several and on a real Dask cluster: same results, and every way to lose or fail one."""

import os
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bigpush_est.errors import ChunkFailed, ClusterMismatch, ClusterUnreachable, InvalidValue, WorkersLost
from bigpush_est.propagate import schedule
from bigpush_est.propagate.schedule import run_chunks

#: What workers do lies in a module of its own, which they can import.
WORK = '''
import os, signal, time, warnings
from pathlib import Path
import numpy as np
from bigpush_est.errors import InvalidValue

def numbers(seed):
    """Sums, products and solutions, whose last bits show any change."""
    a = np.random.default_rng(seed).normal(size=(60, 60))
    return {"inverse": np.linalg.inv(a), "exp": np.exp(a).sum(axis=0)}

def slow(seed):
    time.sleep(0.3)
    return numbers(seed)

def fails(seed):
    if seed == 2:
        raise ZeroDivisionError("no such number")
    return seed

def refused(seed):
    raise InvalidValue(key="seed", value=seed, requirement="another", remedy="change it")

def warns(seed):
    warnings.warn("look at this", RuntimeWarning)
    return seed

def dies_once(marker):
    path = Path(marker)
    if not path.exists():
        path.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return marker

def dies(piece):
    os.kill(os.getpid(), signal.SIGKILL)
'''


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    root = tmp_path_factory.mktemp("work")
    (root / "chunk_work.py").write_text(WORK, encoding="utf-8")
    sys.path.insert(0, str(root))
    yield root
    sys.path.remove(str(root))
    sys.modules.pop("chunk_work", None)


@pytest.fixture(scope="module")
def work(folder: Path) -> Any:
    import chunk_work  # type: ignore[import-not-found]

    return chunk_work


@dataclass
class Cluster:
    folder: Path
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self, what: str, *options: str) -> subprocess.Popen[bytes]:
        file = self.folder / "scheduler.json"
        command = [sys.executable, "-m", f"distributed.cli.dask_{what}", "--scheduler-file", str(file), *options]
        environment = os.environ | {"PYTHONPATH": str(self.folder), "OPENBLAS_NUM_THREADS": "1"}
        with (self.folder / f"{what}-{len(self.processes)}.log").open("wb") as log:
            process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, cwd=self.folder)
        self.processes.append(process)
        return process

    @property
    def address(self) -> str:
        import json

        file = self.folder / "scheduler.json"
        for _ in range(600):
            if file.exists() and file.read_text():
                return str(json.loads(file.read_text())["address"])
            time.sleep(0.1)
        raise AssertionError("the scheduler did not start")

    def worker(self) -> subprocess.Popen[bytes]:
        return self.start("worker", "--nthreads", "1", "--no-nanny", "--no-dashboard", "--host", "127.0.0.1")

    def stop(self) -> None:
        for process in reversed(self.processes):
            process.kill()
            process.wait()


@pytest.fixture(scope="module")
def empty(folder: Path) -> Iterator[Cluster]:
    """A scheduler."""
    cluster = Cluster(folder)
    try:
        cluster.start("scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard")
        yield cluster
    finally:
        cluster.stop()


@pytest.fixture(scope="module")
def cluster(empty: Cluster) -> Cluster:
    """A scheduler with two workers."""
    address = empty.address
    for _ in range(2):
        empty.worker()
    from distributed import Client

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        client: Any = Client(address, timeout=60, set_as_default=False)
        client.wait_for_workers(2, timeout=120)
        client.close()
    return empty


def done(function: Callable[[Any], Any], pieces: Any, **options: Any) -> dict[int, Any]:
    found: dict[int, Any] = {}
    run_chunks(function, pieces, keep=found.__setitem__, **options)
    return found


def same(one: dict[int, Any], other: dict[int, Any]) -> None:
    assert sorted(one) == sorted(other)
    for index, values in one.items():
        for key, array in values.items():
            np.testing.assert_array_equal(array, other[index][key])


# the scheduler is alone in the first of these tests, and has workers from the second on


def test_a_cluster_without_workers_is_refused(empty: Cluster, work: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    address = empty.address
    monkeypatch.setattr(schedule, "PATIENCE", 3.0)
    with pytest.raises(ClusterUnreachable, match="no workers"):
        done(work.numbers, [1], scheduler=address)


def test_everyone_finds_the_same_bits(cluster: Cluster, work: Any) -> None:
    pieces, told = list(range(5)), list[tuple[int, int]]()
    serial = done(work.numbers, pieces, told=lambda count, total: told.append((count, total)))
    assert told == [(k + 1, 5) for k in range(5)]
    same(serial, done(work.numbers, pieces, workers=2))
    same(serial, done(work.numbers, pieces, scheduler=cluster.address))


@pytest.mark.parametrize("where", ["here", "processes", "cluster"])
def test_a_chunk_that_raises_is_named(cluster: Cluster, work: Any, where: str) -> None:
    options = {"here": {}, "processes": {"workers": 2}, "cluster": {"scheduler": cluster.address}}[where]
    with pytest.raises(ChunkFailed, match=r"chunk 3 of 4 failed with ZeroDivisionError: no such number"):
        done(work.fails, range(4), **options)  # type: ignore[arg-type]
    with pytest.raises(InvalidValue, match=r"chunk \d of 2: seed = "):
        done(work.refused, range(2), **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("where", ["here", "processes", "cluster"])
def test_warnings_are_what_they_are_here(cluster: Cluster, work: Any, where: str) -> None:
    """Errors under this test's filters, nothing where they are ignored."""
    options: Any = {"here": {}, "processes": {"workers": 2}, "cluster": {"scheduler": cluster.address}}[where]
    with pytest.raises(ChunkFailed, match="RuntimeWarning: look at this"):
        done(work.warns, range(2), **options)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "look at", RuntimeWarning)
        assert done(work.warns, range(2), **options) == {0: 0, 1: 1}


def test_another_version_on_the_workers_is_refused(
    cluster: Cluster, work: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = schedule.environment() | {"numpy": "1.0"}
    monkeypatch.setattr(schedule, "_here", lambda: ours)
    with pytest.raises(ClusterMismatch, match=r"worker tcp.* has numpy .* \(here 1\.0\)"):
        done(work.numbers, [1], scheduler=cluster.address)


def test_a_worker_that_joins_late_is_checked_too(cluster: Cluster, work: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = schedule.environment() | {"scipy": "1.0"}
    monkeypatch.setattr(schedule, "_here", lambda: ours)
    monkeypatch.setattr(schedule, "_check_cluster", lambda client, address: None)
    with pytest.raises(ClusterMismatch, match=r"scipy .* \(here 1\.0\)"):
        done(work.numbers, [1], scheduler=cluster.address)


def test_no_scheduler_is_no_traceback(work: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schedule, "PATIENCE", 2.0)
    for address in ("tcp://127.0.0.1:1", "nonsense://x"):
        with pytest.raises(ClusterUnreachable, match=address):
            done(work.numbers, [1], scheduler=address)


@pytest.mark.parametrize("where", ["processes", "cluster"])
def test_calling_off_keeps_what_was_kept(cluster: Cluster, work: Any, where: str) -> None:
    options: Any = {"processes": {"workers": 2}, "cluster": {"scheduler": cluster.address}}[where]
    found: dict[int, Any] = {}

    def keep(index: int, result: Any) -> None:
        found[index] = result
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_chunks(work.slow, range(6), keep=keep, **options)
    assert len(found) == 1
    same({0: work.numbers(3)}, {0: done(work.numbers, [3], **options)[0]})  # whoever works is free again


def nobody_left(group: int) -> bool:
    """Whether all processes of a group have ended; what cleans up after them may take a moment."""
    for _ in range(300):
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.1)
    return False


def test_control_c_ends_the_processes(folder: Path) -> None:
    """A real SIGINT to the whole group, as a terminal sends it."""
    script = (
        "import chunk_work\n"
        "from bigpush_est.propagate.schedule import run_chunks\n"
        "if __name__ == '__main__':\n"
        "    try:\n"
        "        run_chunks(chunk_work.slow, range(200), workers=2, keep=lambda i, r: print(i, flush=True))\n"
        "    except KeyboardInterrupt:\n"
        "        print('called off', flush=True)\n"
    )
    path = folder / "script.py"
    path.write_text(script, encoding="utf-8")
    process = subprocess.Popen(
        [sys.executable, str(path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stdout is not None
    process.stdout.readline()
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=120)
    assert out.endswith("called off\n")
    assert "Traceback" not in err
    assert nobody_left(process.pid)


def test_a_lost_process_is_replaced(work: Any, tmp_path: Path) -> None:
    pieces = [str(tmp_path / f"marker-{k}") for k in range(2)] + [str(tmp_path)] * 3
    assert done(work.dies_once, pieces, workers=2) == dict(enumerate(pieces))
    with pytest.raises(WorkersLost, match="memory"):
        done(work.dies, range(3), workers=2, retries=1)


def test_a_killed_worker_is_done_without(cluster: Cluster, work: Any) -> None:
    """SIGKILL in the middle: its chunks are done by the other, with the same bits."""
    victim, found = cluster.processes[1], dict[int, Any]()

    def keep(index: int, result: Any) -> None:
        if not found:
            victim.send_signal(signal.SIGKILL)
        found[index] = result

    run_chunks(work.slow, range(10), scheduler=cluster.address, keep=keep)
    assert victim.wait(timeout=60) == -signal.SIGKILL
    same(done(work.numbers, range(10)), found)


def test_nothing_to_do_is_done() -> None:
    assert done(abs, [], workers=2) == {}


@pytest.mark.parametrize("options", [{"workers": 0}, {"retries": -1}])
def test_bad_options_are_refused(options: Any) -> None:
    with pytest.raises(InvalidValue, match=next(iter(options))):
        done(abs, [1], **options)
