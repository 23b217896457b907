"""The table of a study: bias and rejection rates with Monte Carlo errors, and whether they are nominal."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from .study import Cell

#: The numbers that the page prints.
TABLE = Path(__file__).parents[3] / "docs" / "methods" / "coverage.csv"

#: A rate counts as nominal within the central range of the binomial that leaves this much out.
OUTSIDE = 0.001

#: What the letters say.
VERDICTS = {"nominal": "", "too many": "▲", "too few": "▼"}

#: Decimals of the CSV.
DECIMALS = {
    "bias": 4,
    "bias_error": 4,
    "median_bias": 4,
    "median_error": 4,
    "size_5": 4,
    "size_10": 4,
    "error_5": 4,
    "error_10": 4,
}


def binomial_range(replications: int, level: float, outside: float = OUTSIDE) -> tuple[float, float]:
    """Rejection rates that chance leaves a test of exact size.

    Examples
    --------
    >>> [round(float(rate), 3) for rate in binomial_range(2000, 0.05)]
    [0.035, 0.067]
    """
    low, high = (float(stats.binom.ppf(tail, replications, level)) for tail in (outside / 2.0, 1.0 - outside / 2.0))
    return low / replications, high / replications


def verdict(rate: float, replications: int, level: float) -> str:
    """Say whether a rejection rate is nominal within Monte Carlo error."""
    low, high = binomial_range(replications, level)
    return "nominal" if low <= rate <= high else ("too many" if rate > high else "too few")


def median_error(values: NDArray[np.float64]) -> float:
    """Half the distance between the quantiles at ½ ± ½/√n: the median's standard error, whatever the distribution."""
    if values.size < 2:
        return float("nan")
    half = 0.5 / values.size**0.5
    low, high = np.quantile(values, [0.5 - half, 0.5 + half])
    return float(high - low) / 2.0


def summarise(cells: Sequence[Cell], frames: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """One row per cell and method.

    Bias is the mean error, with its Monte Carlo error, and the median; rates are shares of the samples in which the
    method has an answer, ``undefined`` counts those where it has none.
    """
    rows = []
    for cell in cells:
        frame = frames[cell.name]
        for method, part in frame.groupby("method", sort=False):
            errors = part["error"].dropna().to_numpy()
            answered = part[part["rejects_5"].notna()]
            count = len(answered)
            row = {
                "family": cell.family,
                "cell": cell.name,
                "method": method,
                "replications": len(part),
                "undefined": len(part) - count,
                "bias": errors.mean() if errors.size else np.nan,
                "bias_error": errors.std(ddof=1) / errors.size**0.5 if errors.size > 1 else np.nan,
                "median_bias": np.median(errors) if errors.size else np.nan,
                "median_error": median_error(errors),
            }
            for level in (5, 10):
                rate = float(answered[f"rejects_{level}"].mean()) if count else np.nan
                row |= {
                    f"size_{level}": rate,
                    f"error_{level}": (rate * (1.0 - rate) / count) ** 0.5 if count else np.nan,
                    f"verdict_{level}": verdict(rate, count, level / 100.0) if count else "none",
                }
            rows.append(row)
    return pd.DataFrame(rows).round(DECIMALS)


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Write the CSV."""
    table.to_csv(path, index=False)


def read_table(path: Path = TABLE) -> pd.DataFrame:
    """Read the CSV."""
    return pd.read_csv(path)
