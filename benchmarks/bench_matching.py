"""Matching 100,000 firms to their nearest winners, in cells of several sizes, against brute force.

Half of the firms are losers, half winners, with four correlated variables.  Brute force is NumPy: per loser, distances
to all winners of its cell and a sort; it is run on a few hundred losers, whose winners have to be the same.

Run as ``python benchmarks/bench_matching.py``: it prints a table and writes ``results/bench_matching.json``.
"""

import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from bigpush_est.reduced_form.events.matching import Matches, match_losers

FIRMS = 100_000
BASELINE_LOSERS = 300
REPEATS = 3
#: Years, regions and sectors: many small cells as in the paper, middling ones, and a single one.
CELLS = ((13, 86, 10), (13, 10, 10), (5, 10, 4), (1, 1, 1))
VARIABLES = ["log_assets", "log_fixed_assets", "growth_assets", "growth_fixed_assets"]


def candidates(cells: tuple[int, int, int], seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    mixed = rng.standard_normal((FIRMS, 4)) @ rng.standard_normal((4, 4))
    frame = pd.DataFrame(mixed, columns=VARIABLES)
    for name, count in zip(("year", "region", "sector"), cells, strict=True):
        frame[name] = rng.integers(0, count, FIRMS)
    return frame.assign(firm=np.arange(FIRMS), loser=rng.random(FIRMS) < 0.5)


def brute_force(frame: pd.DataFrame, matches: Matches) -> tuple[float, int]:
    """Seconds per loser, and how many of the losers tried have other winners."""
    inverse = np.linalg.inv(matches.covariance)
    values, firms = frame[VARIABLES].to_numpy(), frame["firm"].to_numpy()
    cell = frame.groupby(["year", "region", "sector"]).ngroup().to_numpy()
    lost = frame["loser"].to_numpy()
    found = matches.pairs.groupby("loser")["winner"].apply(list)
    tried = np.random.default_rng(1).choice(np.flatnonzero(lost), BASELINE_LOSERS, replace=False)
    different, begin = 0, time.process_time()
    for row in tried:
        winners = np.flatnonzero(~lost & (cell == cell[row]))
        gaps = values[winners] - values[row]
        distance = np.round(np.sqrt(np.einsum("ij,jk,ik->i", gaps, inverse, gaps)), 9)
        nearest = winners[np.lexsort((firms[winners], distance))[:3]]
        different += list(firms[nearest]) != found.get(firms[row], [])
    return (time.process_time() - begin) / BASELINE_LOSERS, different


@dataclass(frozen=True)
class Row:
    cells: str
    firms: int
    losers: int
    matched: int
    pairs: int
    seconds: float
    wall_seconds: float
    seconds_without_replacement: float
    baseline_seconds_per_loser: float
    ratio: float
    losers_with_other_winners: int


def measure(cells: tuple[int, int, int]) -> Row:
    frame = candidates(cells)
    times, walls = [], []
    for _ in range(REPEATS):
        begin, wall = time.process_time(), time.perf_counter()
        matches = match_losers(frame)
        times.append(time.process_time() - begin)
        walls.append(time.perf_counter() - wall)
    once = float("nan")
    if np.prod(cells) > 1000:  # larger cells hold more pairs than can be put in order
        begin = time.process_time()
        match_losers(frame, replacement=False)
        once = time.process_time() - begin
    per_loser, different = brute_force(frame, matches)
    losers = int(frame["loser"].sum())
    return Row(
        cells=" × ".join(map(str, cells)),
        firms=FIRMS,
        losers=losers,
        matched=matches.count,
        pairs=len(matches.pairs),
        seconds=min(times),
        wall_seconds=min(walls),
        seconds_without_replacement=once,
        baseline_seconds_per_loser=per_loser,
        ratio=per_loser * losers / min(times),
        losers_with_other_winners=different,
    )


def main() -> None:
    rows = [measure(cells) for cells in CELLS]
    for key in asdict(rows[0]):
        cells = [getattr(row, key) for row in rows]
        shown = [f"{cell:>14.4g}" if isinstance(cell, float) else f"{cell!s:>14}" for cell in cells]
        print(f"{key.replace('_', ' '):32}" + "".join(shown))
    target = Path(__file__).parent / "results" / "bench_matching.json"
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps([asdict(row) for row in rows], indent=2) + "\n", encoding="utf-8")
    print(f"written to {target}")


if __name__ == "__main__":
    main()
