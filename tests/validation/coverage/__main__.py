"""Run the study and write its table: ``python -m tests.validation.coverage`` from the root of the checkout."""

import argparse
import time
from pathlib import Path

from .catalogue import CELLS
from .page import write_page
from .study import run
from .table import TABLE, summarise, write_table

SEED = 1


def main() -> None:
    """Draw, or take up from checkpoints, then write the CSV and the tables of the page."""
    parser = argparse.ArgumentParser(prog="python -m tests.validation.coverage", description=__doc__)
    parser.add_argument("--checkpoints", type=Path, help="folder to keep finished replications in, to resume from")
    parser.add_argument("--workers", type=int, default=1, help="processes")
    parser.add_argument(
        "--share", type=float, default=1.0, help="share of the replications; below 1 nothing is written"
    )
    parser.add_argument("--only", default="", help="cells whose family or name contains this; then nothing is written")
    parser.add_argument("--page", action="store_true", help="only write the page's tables anew from the CSV")
    options = parser.parse_args()
    if not options.page:
        cells = [
            cell.scaled(options.share) if options.share < 1.0 else cell
            for cell in CELLS
            if options.only in cell.name or options.only in cell.family
        ]
        start = time.perf_counter()
        frames = run(
            cells,
            seed=SEED,
            folder=options.checkpoints,
            workers=options.workers,
            report=lambda text: print(f"{time.perf_counter() - start:7.1f} s  {text}", flush=True),
        )
        table = summarise(cells, frames)
        print(table.to_string(index=False))
        if options.share < 1.0 or options.only:
            return
        write_table(table, TABLE)
    write_page()


if __name__ == "__main__":
    main()
