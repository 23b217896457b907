"""Chunks of work on one process, on several, or on a cluster: the same chunks, the same results.

Who does a chunk never decides what is in it: chunks are cut by position before anything is scheduled.  A chunk whose
worker is lost is done again, a few times; one that raises ends the job with an error that names it.
"""

import hashlib
import re
import signal
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import cache, partial
from importlib.metadata import PackageNotFoundError, version
from multiprocessing import get_context
from pathlib import Path
from platform import python_version
from typing import Any

import bigpush_est
from bigpush_est.errors import (
    BigPushError,
    ChunkFailed,
    ClusterMismatch,
    ClusterUnreachable,
    InputError,
    InvalidValue,
    WorkersLost,
)

#: How often a chunk is sent out again after its worker was lost.
RETRIES = 3
#: Seconds to wait for a scheduler and its workers.
PATIENCE = 30.0
#: What has to agree between who sends chunks and who does them, besides Python and this package's code.
_PACKAGES = ("bigpush-est", "numpy", "scipy", "numba", "dask", "distributed", "cloudpickle", "msgpack")


def _silent(done: int, total: int) -> None:
    """Report nothing."""


def run_chunks[P, R](
    work: Callable[[P], R],
    pieces: Sequence[P],
    *,
    workers: int = 1,
    scheduler: str | None = None,
    keep: Callable[[int, R], None],
    told: Callable[[int, int], None] = _silent,
    retries: int = RETRIES,
) -> None:
    """Do every piece, and hand each result over as soon as it is there.

    Parameters
    ----------
    work
        What to do with a piece.  Off this process it is pickled: a function of a module, or an object of its class.
    pieces
        Passed to ``work`` one by one.
    workers
        Processes of this machine; 1 does everything in this process.  They are spawned, not forked.
    scheduler
        Address of a Dask scheduler, such as ``"tcp://10.0.0.5:8786"``; its workers do the work instead.  They are to be
        started with one thread each (``dask worker --nthreads 1``): filters of warnings are a process's, not a
        thread's.
    keep
        Called in this process with a piece's position and result, in the order in which they come in.
    told
        Called with the numbers of pieces done and in all.
    retries
        How often processes of this machine are started again after one was lost.  A cluster's scheduler has a
        setting of its own for it (``distributed.scheduler.allowed-failures``, 3 unless changed).

    Raises
    ------
    ChunkFailed
        If a piece raises anything but this package's own errors, which come through as they are, naming the piece.
    WorkersLost
        If the worker of a piece was lost more often than ``retries``.
    ClusterUnreachable, ClusterMismatch
        If there is no scheduler, or no worker, at the address, or workers have other versions than this process.
    KeyboardInterrupt
        On Ctrl-C, after what was sent out has been called off; what was kept stays kept.

    Notes
    -----
    Warnings that are errors here are errors in the workers: their filters are this process's.

    Examples
    --------
    >>> found = {}
    >>> run_chunks(abs, [-1, 2, -3], keep=found.__setitem__)
    >>> found
    {0: 1, 1: 2, 2: 3}
    """
    if workers < 1:
        raise InvalidValue(key="workers", value=workers, requirement="at least 1", remedy="pass how many processes")
    if retries < 0:
        raise InvalidValue(key="retries", value=retries, requirement="at least 0", remedy="3 is usual")
    if not pieces:
        return
    total, done = len(pieces), [0]

    def kept(index: int, result: R) -> None:
        keep(index, result)
        done[0] += 1
        told(done[0], total)

    if scheduler is not None:
        _on_cluster(work, pieces, scheduler, kept)
    elif workers == 1 or total == 1:
        for index, piece in enumerate(pieces):
            kept(index, _named(index, total, partial(work, piece)))
    else:
        _on_processes(work, pieces, min(workers, total), kept, retries)


def _named[R](index: int, total: int, do: Callable[[], R]) -> R:
    """Do something for a piece; say which piece it was if it raises."""
    where = f"chunk {index + 1} of {total}"
    try:
        return do()
    except (ClusterMismatch, WorkersLost):
        raise
    except InputError as error:
        raise error.located(where) from error
    except BigPushError:
        raise
    except Exception as error:
        raise ChunkFailed(chunk=where, kind=type(error).__name__, reason=str(error)[:500]) from error


# -- what a worker does ------------------------------------------------------------------------------------------------


#: An entry of ``warnings.filters`` as ``warnings.filterwarnings`` takes it.
type _Filter = tuple[str, str, type[Warning], str, int]


def _filters() -> tuple[_Filter, ...]:
    """Return this process's warnings' filters, so that others can be sent them."""

    def pattern(given: Any) -> str:
        if given is None:
            return ""
        return re.escape(given) + r"\Z" if isinstance(given, str) else str(given.pattern)

    entries: list[Any] = list(warnings.filters)
    return tuple(
        (action, pattern(message), kind, pattern(module), line) for action, message, kind, module, line in entries
    )


@dataclass(frozen=True, slots=True)
class _Call:
    """One piece, with the warnings' filters of the process that sends it and, for a cluster, what it runs on."""

    work: Callable[[Any], Any]
    filters: tuple[_Filter, ...]
    environment: tuple[tuple[str, str], ...] | None = None

    def __call__(self, piece: Any) -> Any:
        if self.environment is not None:  # workers can join at any time
            _require_same(dict(self.environment), environment(), "a worker")
        with warnings.catch_warnings():
            warnings.resetwarnings()
            for action, message, category, module, line in self.filters:
                warnings.filterwarnings(action, message, category, module, line, append=True)  # type: ignore[arg-type]
            return self.work(piece)


def _ignore_interrupts() -> None:
    """Leave Ctrl-C, which a terminal sends to the whole group, to the process that waits for the results."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


# -- processes of this machine -----------------------------------------------------------------------------------------


def _on_processes(
    work: Callable[[Any], Any], pieces: Sequence[Any], workers: int, kept: Callable[[int, Any], None], retries: int
) -> None:
    call, total = _Call(work, _filters()), len(pieces)
    left, lost = list(range(total)), 0
    while left:
        pool = ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_ignore_interrupts)
        finished = False
        try:
            # a few at a time: what breaks with the pool is then little
            queue, running = list(left), dict[Future[Any], int]()
            while queue or running:
                while queue and len(running) < 2 * workers:
                    index = queue.pop(0)
                    running[pool.submit(call, pieces[index])] = index
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    index = running.pop(future)
                    if isinstance(failure := future.exception(), BrokenProcessPool):
                        raise failure
                    kept(index, _named(index, total, future.result))
                    left.remove(index)
            finished = True
        except BrokenProcessPool:
            lost += 1
            if lost > retries:
                raise WorkersLost(times=f"{lost} times", chunks=len(left), remedy=_LOST_REMEDY) from None
        finally:
            processes = list((getattr(pool, "_processes", None) or {}).values())
            pool.shutdown(wait=finished, cancel_futures=True)
            if not finished:
                for process in processes:
                    process.terminate()
                for process in processes:
                    process.join()


_LOST_REMEDY = "look for what ends them (memory is usual), use fewer workers or smaller chunks, and resume"


# -- a cluster ---------------------------------------------------------------------------------------------------------


@cache
def environment() -> dict[str, str]:
    """Return what results can depend on here: Python, packages, and a hash of this package's code."""
    root, digest = Path(bigpush_est.__file__).parent, hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
    found = {"python": python_version(), "code of bigpush-est": digest.hexdigest()[:12]}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "missing"
    return found


def _here() -> dict[str, str]:
    """Return what the process that sends the work runs on."""
    return environment()


def _require_same(ours: dict[str, str], theirs: dict[str, str], who: str) -> None:
    other = [f"{name} {theirs.get(name)} (here {value})" for name, value in ours.items() if theirs.get(name) != value]
    if other:
        raise ClusterMismatch(who=who, differences=", ".join(other))


def _on_cluster(
    work: Callable[[Any], Any], pieces: Sequence[Any], address: str, kept: Callable[[int, Any], None]
) -> None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # imports of others
            import distributed as dask_distributed
    except ImportError:
        raise InvalidValue(
            key="scheduler",
            value=address,
            requirement="left out where Dask is not installed",
            remedy="pip install 'bigpush-est[cluster]', on the workers too",
        ) from None
    distributed: Any = dask_distributed
    call = _Call(work, _filters(), tuple(_here().items()))
    with warnings.catch_warnings():
        # Dask's own warnings, about ports and the like, say nothing about the work
        warnings.simplefilter("ignore")
        try:
            client = distributed.Client(address, timeout=PATIENCE, set_as_default=False)
        except (OSError, ValueError, TimeoutError) as error:
            raise ClusterUnreachable(address=address, reason=str(error) or type(error).__name__) from None
        try:
            _check_cluster(client, address)
            _gather(distributed, client, call, pieces, kept)
        finally:
            client.close(timeout=5)


def _check_cluster(client: Any, address: str) -> None:
    """Refuse a cluster without workers, or whose workers differ from this process."""
    try:
        client.wait_for_workers(1, timeout=PATIENCE)
    except TimeoutError:
        raise ClusterUnreachable(address=address, reason="it has no workers") from None
    try:
        found = client.run(environment, on_error="return")
    except Exception as error:
        raise ClusterMismatch(who="the workers", differences=f"they cannot say: {error}") from None
    for worker, theirs in found.items():
        if isinstance(theirs, BaseException):
            raise ClusterMismatch(who=f"worker {worker}", differences=f"bigpush-est does not run there: {theirs}")
        _require_same(_here(), theirs, f"worker {worker}")


def _gather(
    distributed: Any, client: Any, call: _Call, pieces: Sequence[Any], kept: Callable[[int, Any], None]
) -> None:
    """Send the pieces out, and take results as they come."""
    futures = [client.submit(call, piece, pure=False) for piece in pieces]
    position = {future.key: index for index, future in enumerate(futures)}
    try:
        for future in distributed.as_completed(futures, loop=client.loop):
            index = position[future.key]
            if future.status == "error" and isinstance(future.exception(), distributed.scheduler.KilledWorker):
                raise WorkersLost(times="more often than the scheduler allows", chunks="some", remedy=_LOST_REMEDY)
            kept(index, _named(index, len(pieces), future.result))
            future.release()
    finally:
        client.cancel([future for future in futures if not future.done()], force=True)
