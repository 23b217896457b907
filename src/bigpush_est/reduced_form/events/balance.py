"""Balance of losers and winners, before and after matching.

Before: losers against all winners among the candidates.  After: matched losers against their winners, whose values are
averaged within each match, so that each match counts once.

- standardised difference: (mean of losers − mean of winners)/√((s²_losers + s²_winners)/2), with the variances before
  matching in both columns, so that the two are comparable;
- t: before, Welch's; after, the paired t of the differences within matches.  A winner that serves several losers makes
  those differences dependent, which the paired t does not know of;
- variance ratio: s²_losers/s²_winners; after matching, winners carry the weight 1/(winners of the match).
"""

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

type FloatArray = NDArray[np.float64]


def balance_table(
    values: pd.DataFrame,
    losers: NDArray[np.bool_],
    match: NDArray[np.int64],
    loser_rows: NDArray[np.int64],
    winner_rows: NDArray[np.int64],
) -> pd.DataFrame:
    """Compare losers with winners.

    Parameters
    ----------
    values
        One column per variable, N rows; missing values are left out variable by variable, and counted.
    losers
        Who is a loser, shape (N,).
    match, loser_rows, winner_rows
        Of each pair, the match and the rows of both.

    Returns
    -------
    DataFrame
        A row per variable and sample ("before", "after"): losers, winners (how many with a known value), mean_losers,
        mean_winners, standardised_difference, t, p_value, variance_ratio.  NaN where fewer than two values are known.

    Examples
    --------
    >>> values = pd.DataFrame({"x": [1.0, 2.0, 1.0, 3.0]})
    >>> losers = np.array([True, True, False, False])
    >>> table = balance_table(values, losers, np.array([0, 1]), np.array([0, 1]), np.array([2, 3]))
    >>> table[["sample", "mean_losers", "mean_winners"]].to_numpy().tolist()
    [['before', 1.5, 2.0], ['after', 1.5, 2.0]]
    """
    rows = []
    for name in values.columns:
        column = values[name].to_numpy(dtype=np.float64, na_value=np.nan)
        of_losers, of_winners = column[losers], column[~losers]
        of_losers, of_winners = of_losers[np.isfinite(of_losers)], of_winners[np.isfinite(of_winners)]
        spread = np.sqrt(0.5 * (_variance(of_losers) + _variance(of_winners)))
        rows.append(
            {"variable": name, "sample": "before"} | _compare(of_losers, of_winners, np.ones(of_winners.size), spread)
        )
        frame = pd.DataFrame({"match": match, "loser": column[loser_rows], "winner": column[winner_rows]}).dropna()
        matched = frame.groupby("match").agg(loser=("loser", "first"), winner=("winner", "mean"))
        share = 1.0 / frame.groupby("match")["winner"].transform("size").to_numpy(dtype=np.float64)
        after = _compare(matched["loser"].to_numpy(), frame["winner"].to_numpy(), share, spread)
        gaps = (matched["loser"] - matched["winner"]).to_numpy()
        after["t"], after["p_value"] = _paired(gaps)
        rows.append({"variable": name, "sample": "after"} | after)
    return pd.DataFrame(rows)


def _variance(x: FloatArray, weights: FloatArray | None = None) -> float:
    if x.size < 2:
        return float("nan")
    if weights is None:
        return float(np.var(x, ddof=1))
    mean = np.average(x, weights=weights)
    total = weights.sum()
    return float(np.sum(weights * (x - mean) ** 2) / (total - np.sum(weights**2) / total))


def _compare(losers: FloatArray, winners: FloatArray, weights: FloatArray, spread: float) -> dict[str, float]:
    mean_losers = float(losers.mean()) if losers.size else float("nan")
    mean_winners = float(np.average(winners, weights=weights)) if winners.size else float("nan")
    of_losers, of_winners = _variance(losers), _variance(winners, weights)
    t, p = float("nan"), float("nan")
    if losers.size > 1 and winners.size > 1 and of_losers + of_winners > 0:
        test = stats.ttest_ind(losers, winners, equal_var=False)
        t, p = float(test.statistic), float(test.pvalue)
    return {
        "losers": losers.size,
        "winners": winners.size,
        "mean_losers": mean_losers,
        "mean_winners": mean_winners,
        "standardised_difference": (mean_losers - mean_winners) / spread if spread > 0 else float("nan"),
        "t": t,
        "p_value": p,
        "variance_ratio": of_losers / of_winners if of_winners > 0 else float("nan"),
    }


def _paired(gaps: FloatArray) -> tuple[float, float]:
    if gaps.size < 2 or not np.std(gaps) > 0:
        return float("nan"), float("nan")
    t = float(gaps.mean() / (gaps.std(ddof=1) / np.sqrt(gaps.size)))
    return t, float(2.0 * stats.t.sf(abs(t), gaps.size - 1))
