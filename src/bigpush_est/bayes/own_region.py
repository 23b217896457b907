"""The own-region slope of Section 5's economy as a stand-in for Panel B's: an approximation, and labelled so.

At each (η, δ) the shipped synthetic economy is calibrated anew; the slope is that of a region's adopter share in 1980
in its own share four years before, averaged over regions by their firms.  It differs from Panel B in what it is of
(shares of adopters, not new contracts), in time (four years, not two) and in that nothing is estimated.  s̄ is the
calibration's.
"""

from functools import cache
from pathlib import Path

import numpy as np

from bigpush_est.bayes.complementarity import Complementarity
from bigpush_est.data.checked_csv import read_rows
from bigpush_est.data.locate import data_folder
from bigpush_est.errors import InvalidValue

#: Columns of the file.
NAMES = ("log_eta", "delta", "slope", "smallest", "largest", "all_regions", "subsidy_rate", "criterion", "status")


def read_own_region(path: Path) -> Complementarity:
    """Read a file of own-region slopes.

    Raises
    ------
    InvalidValue
        If its points are no full grid.
    """
    rows = list(read_rows(path, list(NAMES), remedy="write it with tools/build_complementarity.py --own-region"))
    found = {(row.number("log_eta"), row.number("delta")): row.number("slope") for row in rows}
    log_eta, delta = (sorted({point[k] for point in found}) for k in (0, 1))
    if len(found) != len(log_eta) * len(delta) or len(found) != len(rows):
        raise InvalidValue(
            key=path.name,
            value=f"{len(rows)} rows",
            requirement=f"each of {len(log_eta)} × {len(delta)} points once",
            remedy="write it with tools/build_complementarity.py --own-region",
        )
    return Complementarity(
        np.array(log_eta),
        np.array(delta),
        np.zeros(1),
        np.array([[[found[x, y]] for y in delta] for x in log_eta]),
        "approximation",
        "synthetic: own-region slope of adopter shares over four years, mean over regions by firms, in the shipped "
        "economy of Section 5 calibrated anew at each point; not Panel B's slope",
    )


@cache
def own_region_table() -> Complementarity:
    """Return the table of own-region slopes that ships.

    Raises
    ------
    UnreadableFile
        If the package was installed without its data.

    Examples
    --------
    >>> own_region_table().label
    'approximation'
    """
    return read_own_region(data_folder("complementarity") / "own_region.csv")
