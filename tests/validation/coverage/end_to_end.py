"""Run the study of the whole pipeline: ``python -m tests.validation.coverage.end_to_end`` from the checkout's root.

Pieces are files in a folder, each there in full or not at all: one per economy, and one per chunk of draws from the
prior that went through the quantitative economy.  Pieces that are there are not computed again, so that a run resumes,
and several processes may share the work by ``--first`` and ``--last``.
"""

import argparse
import json
import os
import time
from collections.abc import Iterator
from itertools import batched, chain
from pathlib import Path
from typing import Any

import numpy as np

from bigpush_est.propagate.spatial import SpatialSetting, propagate_spatial

from .economies import FREE, KINDS, PRIORS, SEED, draw_truth, one_economy, setting

#: What is kept of each draw that went through the economy.
DIFFERENCES = ("gdp_share", "export_intensity")
KEPT = (*DIFFERENCES, "welfare_log", "multiple", "moved", "converged")
#: Draws of one chunk, and of the bank of draws from the prior; chunks that are solved together.
CHUNK, BANK, TOGETHER = 25, 3000, 4

type Arrays = dict[str, Any]


def through_the_economy(draws: Arrays, at: SpatialSetting) -> Arrays:
    """Return the outcomes that are kept; differences are with the push less without it."""
    size = draws["delta"].size
    held = {prior.parameter: np.full(size, prior.numbers[0]) for prior in PRIORS if prior.fixed}
    found = propagate_spatial(held | draws, at)
    for name in DIFFERENCES:
        found[name] = found[f"{name}_push"] - found[f"{name}_none"]
    return {name: np.asarray(found[name]) for name in KEPT}


def prior_draws(chunk: int) -> Arrays:
    """Return a chunk of the bank: draws from the prior."""
    rng = np.random.default_rng([SEED, 1, chunk])
    return {prior.parameter: prior.draw(CHUNK, rng) for prior in PRIORS if not prior.fixed}


def truths_of(kind: str, chunk: int) -> Arrays:
    """Return a chunk of a kind's truths, in order."""
    last = min((chunk + 1) * CHUNK, KINDS[kind].economies)
    some = [draw_truth(kind, index) for index in range(chunk * CHUNK, last)]
    return {name: np.array([truth[name] for truth in some]) for name in FREE}


def stored(path: Path) -> Arrays:
    """Read arrays."""
    with np.load(path) as found:
        return {name: found[name] for name in found.files}


def keep_arrays(path: Path, arrays: Arrays) -> None:
    """Write arrays: in full, or not at all."""
    partial = path.with_suffix(f".{os.getpid()}.partial.npz")
    np.savez(partial, **arrays)
    partial.replace(path)


def keep_text(path: Path, text: str) -> None:
    """Write text: in full, or not at all."""
    partial = path.with_suffix(f".{os.getpid()}.partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)


def economy_file(folder: Path, kind: str, index: int) -> Path:
    """Return where an economy is kept."""
    return folder / f"{kind}-{index:04d}.json"


def chunk_file(folder: Path, what: str, chunk: int) -> Path:
    """Return where a chunk of draws is kept."""
    return folder / f"{what}-draws-{chunk:04d}.npz"


def run_economies(folder: Path, kind: str, first: int, last: int) -> Iterator[str]:
    """Infer economies first … last − 1 of a kind; yields a line of progress for each."""
    for index in range(first, last):
        path = economy_file(folder, kind, index)
        if not path.is_file():
            found = one_economy(kind, index)
            keep_text(path, json.dumps(found))
            failed = found["failure"] or "; ".join(
                f"{k}: {v['failure']}" for k, v in found["routes"].items() if v["failure"]
            )
            yield f"{kind} {index}: {found['seconds']:.1f} s {failed}"


def run_chunks(folder: Path, what: str, size: int, at: SpatialSetting) -> Iterator[str]:
    """Send chunks of draws through the economy: the "bank" from the prior, or the truths of a kind of firms."""
    missing = [chunk for chunk in range(-(-size // CHUNK)) if not chunk_file(folder, what, chunk).is_file()]
    for some in batched(missing, TOGETHER):
        start = time.process_time()
        parts = [prior_draws(chunk) if what == "bank" else truths_of(what, chunk) for chunk in some]
        draws = {name: np.concatenate([part[name] for part in parts]) for name in FREE}
        found = draws | through_the_economy(draws, at)
        ends = np.cumsum([part["delta"].size for part in parts])[:-1]
        pieces = {name: np.split(values, ends) for name, values in found.items()}
        for place, chunk in enumerate(some):
            keep_arrays(chunk_file(folder, what, chunk), {name: pieces[name][place] for name in found})
        yield f"{what} {some[-1]}: {time.process_time() - start:.1f} s"


def main() -> None:
    """Run what is asked for, resumed if cut off."""
    parser = argparse.ArgumentParser(prog="python -m tests.validation.coverage.end_to_end", description=__doc__)
    parser.add_argument("--folder", type=Path, required=True, help="where finished pieces are kept")
    parser.add_argument("--only", choices=[*KINDS, "bank", "truths"], help="one part of the study")
    parser.add_argument("--first", type=int, default=0, help="first economy")
    parser.add_argument("--last", type=int, help="the economy after the last one")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    start = time.perf_counter()
    for part in [options.only] if options.only else [*KINDS, "bank", "truths"]:
        if part in KINDS:
            last = KINDS[part].economies if options.last is None else options.last
            lines = [run_economies(options.folder, part, options.first, last)]
        elif part == "bank":
            lines = [run_chunks(options.folder, "bank", BANK, setting())]
        else:
            lines = [run_chunks(options.folder, kind, firms.economies, setting()) for kind, firms in KINDS.items()]
        for line in chain.from_iterable(lines):
            print(f"{time.perf_counter() - start:7.1f} s  {line}", flush=True)


if __name__ == "__main__":
    main()
