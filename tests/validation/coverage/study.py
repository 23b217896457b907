"""Monte Carlo studies of coverage: cells, replications with a seed of their own, checkpoints.

A cell is a design at fixed parameters and the methods that are tried on every sample drawn from it.  Replication r of a
cell draws from a seed made of the study's seed, the cell's name and r, so that numbers do not depend on how
replications are shared out among processes, nor on which cells run.
"""

import json
import os
import warnings
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from bigpush_est.errors import BigPushWarning

#: Replications of one checkpoint.
CHUNK = 50

#: Columns of the replications' frame.
COLUMNS = ["replication", "method", "error", "rejects_5", "rejects_10"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one method says of one sample.

    Attributes
    ----------
    error
        Estimate less the truth; NaN for a method without an estimate.
    rejects_5, rejects_10
        Whether the truth is rejected at 5% and 10%, which is whether it lies outside the 95% and 90% set; NaN where
        the method has no answer.
    """

    error: float
    rejects_5: float
    rejects_10: float

    @classmethod
    def of_p(cls, p_value: float, error: float = float("nan")) -> "Outcome":
        """Reject where the p-value of the truth is at most the level."""
        if not np.isfinite(p_value):
            return cls(error, float("nan"), float("nan"))
        return cls(error, float(p_value <= 0.05), float(p_value <= 0.10))


type Draw = Callable[[np.random.Generator, bool], Mapping[str, Outcome]]


@dataclass(frozen=True, slots=True)
class Cell:
    """A design and its methods.

    Attributes
    ----------
    family
        Heading of the table in which the cell stands.
    name
        Design and parameters; unique.
    draw
        Takes a generator and whether to run the costly methods too; returns an outcome by method.
    replications
        Of the study that the page prints.
    costly
        Replications, the first ones, that run the costly methods too.
    """

    family: str
    name: str
    draw: Draw
    replications: int
    costly: int

    def scaled(self, share: float) -> "Cell":
        """Return the cell with a share of its replications."""
        fewer = max(int(self.replications * share), 1)
        return Cell(self.family, self.name, self.draw, fewer, max(int(self.costly * share), 1))


def replicate(cell: Cell, seed: int, first: int, last: int) -> pd.DataFrame:
    """Draw replications first … last − 1 of a cell: one row per replication and method."""
    rows: list[tuple[int, str, float, float, float]] = []
    for number in range(first, last):
        sequence = np.random.SeedSequence([seed, zlib.crc32(cell.name.encode()), number])
        with warnings.catch_warnings():
            # repaired covariances are part of what is studied
            warnings.simplefilter("ignore", BigPushWarning)
            outcomes = cell.draw(np.random.default_rng(sequence), number < cell.costly)
        rows += [(number, name, o.error, o.rejects_5, o.rejects_10) for name, o in outcomes.items()]
    return pd.DataFrame(rows, columns=COLUMNS)


def run(
    cells: Sequence[Cell],
    *,
    seed: int,
    folder: Path | None = None,
    workers: int = 1,
    report: Callable[[str], None] = lambda text: None,
) -> dict[str, pd.DataFrame]:
    """Run cells, one checkpoint after another, and return the replications' frame of each by name.

    Parameters
    ----------
    cells
        With unique names.
    seed
        Of the study.
    folder
        Where checkpoints are kept: those that are there already are not drawn again.  It belongs to one version of the
        code; delete it when an estimator or a design has changed.
    workers
        Processes.
    report
        Called with a line of progress per checkpoint.
    """
    if len({cell.name for cell in cells}) < len(cells):
        raise ValueError("names of cells have to be unique")
    jobs = [
        (cell, seed, first, min(first + CHUNK, cell.replications), _checkpoint(folder, cell, seed, first))
        for cell in cells
        for first in range(0, cell.replications, CHUNK)
    ]
    found: dict[str, list[pd.DataFrame]] = {cell.name: [] for cell in cells}
    if workers == 1:
        results = map(_chunk, jobs)
        _collect(jobs, results, found, report)
    else:
        with ProcessPoolExecutor(workers) as pool:
            _collect(jobs, pool.map(_chunk, jobs), found, report)
    return {name: pd.concat(parts, ignore_index=True) for name, parts in found.items()}


type _Job = tuple[Cell, int, int, int, Path | None]


def _collect(
    jobs: Sequence[_Job],
    results: Iterable[pd.DataFrame],
    found: dict[str, list[pd.DataFrame]],
    report: Callable[[str], None],
) -> None:
    for job, frame in zip(jobs, results, strict=True):
        found[job[0].name].append(frame)
        report(f"{job[0].name}: {job[3]}/{job[0].replications}")


def _checkpoint(folder: Path | None, cell: Cell, seed: int, first: int) -> Path | None:
    if folder is None:
        return None
    last = min(first + CHUNK, cell.replications)
    costly = int(np.clip(cell.costly - first, 0, last - first))
    key = zlib.crc32(json.dumps([cell.name, seed, first, last, costly]).encode())
    return folder / f"{zlib.crc32(cell.name.encode()):08x}-{first:05d}-{key:08x}.csv"


def _chunk(job: _Job) -> pd.DataFrame:
    cell, seed, first, last, path = job
    if path is not None and path.is_file():
        return pd.read_csv(path)
    frame = replicate(cell, seed, first, last)
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(f".{os.getpid()}.partial")
        frame.to_csv(partial, index=False)
        partial.replace(path)  # a checkpoint is there in full or not at all
    return frame
