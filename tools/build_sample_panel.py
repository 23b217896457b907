"""Write data/sample_panel: the small synthetic panel of the guides.

    python tools/build_sample_panel.py            write it
    python tools/build_sample_panel.py --check    draw it anew and compare; exit code 1 if it differs

The comparison is of values, to nine digits: compressed bytes and the last digits of logs differ between platforms.
"""

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import pandas as pd

from bigpush_est.data.firm_panel import simulate_firm_panel
from bigpush_est.data.firm_panel_design import FirmPanelDesign
from bigpush_est.data.frame_files import load_micro_data, write_micro_data
from bigpush_est.data.frames import MicroData

#: The first seed whose panel supports every step of the guides: so small a panel often has an event time without a
#: winner, a singular covariance of its ten matches, or an instrument with F below 10.
SEED = 27
SCALE = 0.2
#: Twice the share of losers, so that a fifth of the firms leaves enough of them to match.
DESIGN = replace(FirmPanelDesign(), losers=75, never_losers=30)
FOLDER = Path(__file__).resolve().parents[1] / "data" / "sample_panel"


def draw() -> MicroData:
    """Return the panel that the folder holds."""
    return simulate_firm_panel(DESIGN, seed=SEED, scale=SCALE).data


def differences(made: MicroData, stored: MicroData) -> list[str]:
    """Say which frames differ."""
    found = [name for name in made.frames if name not in stored.frames]
    for name in stored.frames:
        try:
            pd.testing.assert_frame_equal(made.frames[name], stored.frames[name], rtol=1e-9, check_dtype=False)
        except (AssertionError, KeyError) as error:
            found.append(f"{name}: {str(error).splitlines()[0]}")
    return found


def main() -> int:
    """Write the folder, or compare it with a new draw."""
    parser = argparse.ArgumentParser(description="Write the synthetic sample panel.")
    parser.add_argument("--check", action="store_true", help="compare with what is there, write nothing")
    if not parser.parse_args().check:
        for file in write_micro_data(draw(), FOLDER, overwrite=True):
            print(f"{file.relative_to(FOLDER.parents[1])}: {file.stat().st_size} bytes")
        return 0
    found = differences(draw(), load_micro_data(FOLDER))
    print("\n".join(found) or "data/sample_panel is what the tool draws")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
