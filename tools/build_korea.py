"""Build the shipped synthetic economies, data/korea/economy and data/korea/economy_model, from their designs and seeds.

    python tools/build_korea.py            writes both folders anew
    python tools/build_korea.py --check    builds them in memory and compares

The designs were chosen among simulated ones: docs/guide/korea.md says how, and what the others look like.
"""

import argparse
import sys
from pathlib import Path

from bigpush_est.data.economy import Moment
from bigpush_est.data.economy_bundle import differing_numbers, load_economy_bundle, write_economy_bundle
from bigpush_est.data.korea import DATA_DESIGN, MODEL_DESIGN, build_korea
from bigpush_est.data.published import load_published

ROOT = Path(__file__).resolve().parents[1] / "data" / "korea"


def moments(column: str) -> tuple[Moment, ...]:
    """Return Table 2's moments, of its data or its model column."""
    rows = [row for row in load_published().table2_rows if row.moment and row.data is not None]
    return tuple(
        Moment(row.moment, float(getattr(row, column)), f"{row.place}, {column.replace('_', ' ')} column")
        for row in rows
    )


def main() -> int:
    """Write or check both economies."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="compare with the folders instead of writing them")
    check = parser.parse_args().check
    differ = 0
    for folder, design, column in (("economy", DATA_DESIGN, "data"), ("economy_model", MODEL_DESIGN, "model_fit")):
        bundle = build_korea(design, moments(column))
        if check:
            fields = differing_numbers(bundle, load_economy_bundle(ROOT / folder))
            print(f"data/korea/{folder}: {'differs from its design: ' + ', '.join(fields) if fields else 'as built'}")
            differ += bool(fields)
        else:
            write_economy_bundle(bundle, ROOT / folder, overwrite=True)
            print(f"data/korea/{folder}: {len(bundle.regions)} regions, seed {bundle.seed}")
    return 1 if differ else 0


if __name__ == "__main__":
    sys.exit(main())
