"""Who has adopted, and the share of adopters among the other firms of a cell: equation (3.2) of the paper.

    Share_{(−i)nj,s} = T_{(−i)nj,s} / N_{(−i)nj,s}

N counts the firms of region-sector nj that are observed in year s, T those of them that are adopters, both without
firm i.  A firm is looked up in its own cell in year s = t − h whether or not it was observed then: if it was not,
there is nothing to leave out.  Where no other firm is observed the share is missing, and counted.

The paper's main text does not say when a firm ceases to be an adopter.  Three definitions are offered: "ever" (signed
by year s; the default, since what was learnt stays), "active" (signed within the last years of a stated duration) and
"new" (signed in year s).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bigpush_est.errors import InvalidValue
from bigpush_est.reduced_form.linear.frames_in import as_pandas, flags, require_columns, require_unique
from bigpush_est.reduced_form.result import Summarised

type FloatArray = NDArray[np.float64]
type Definition = Literal["ever", "active", "new"]


@dataclass(frozen=True, slots=True, repr=False)
class AdopterShares(Summarised):
    """Adopter shares among others, one for each of M look-ups.

    Attributes
    ----------
    share
        Adopters per firm, from 0 to 1, shape (M,); NaN where there is no other firm.
    adopters, firms
        Numerator and denominator, shape (M,).
    alone
        Look-ups whose cell holds that firm and no other.
    unobserved
        Look-ups whose cell holds no firm at all in that year.
    empty_cells
        Cell-years behind these two.
    """

    share: FloatArray
    adopters: NDArray[np.int64]
    firms: NDArray[np.int64]
    alone: int
    unobserved: int
    empty_cells: int

    def summary(self) -> str:
        """Say in a line how many shares there are and how many are missing."""
        known = int(np.isfinite(self.share).sum())
        mean = float(np.nanmean(self.share)) if known else float("nan")
        return (
            f"{known} of {self.share.size} shares, mean {mean:.4f}; missing: {self.alone} firms alone in their cell, "
            f"{self.unobserved} in cells without any firm ({self.empty_cells} cell-years)"
        )


def adopter_shares(
    data: Any,
    *,
    cell: Sequence[str] = ("region", "sector"),
    firm: str = "firm",
    year: str = "year",
    adopter: str = "adopter",
    lag: int = 0,
    at: Any = None,
) -> AdopterShares:
    """Return the share of adopters among the other firms of a cell, in an earlier year if asked.

    Equation (3.2), for any definition of a cell.

    Parameters
    ----------
    data
        Firm-years that are observed: `firm`, `year`, the columns of `cell`, and `adopter` (0 or 1).
    cell
        Columns that make a cell together.
    firm, year, adopter
        Names of columns.
    lag
        Years by which the look-up is earlier than the row.
    at
        Frame of look-ups with `firm`, `year` and the columns of `cell`; by default the rows of `data`.

    Returns
    -------
    AdopterShares
        In the order of `at`.

    Raises
    ------
    MissingKey
        For a column that is not there.
    InvalidValue
        For missing entries in a key, two rows of one firm-year, an adopter that is not 0 or 1, a negative lag.

    Examples
    --------
    Three firms, of which one has adopted; a fourth is alone in its region:

    >>> import pandas as pd
    >>> data = pd.DataFrame(
    ...     {"firm": [1, 2, 3, 4], "year": 1977, "region": ["a", "a", "a", "b"], "sector": 1, "adopter": [1, 0, 0, 0]}
    ... )
    >>> shares = adopter_shares(data)
    >>> shares.share
    array([0. , 0.5, 0.5, nan])
    >>> shares.alone
    1
    """
    frame = as_pandas(data, "firm-years")
    keys = [*cell, year]
    require_columns(frame, [firm, *keys, adopter], "firm-years")
    require_unique(frame, [firm, year], "firm-years")
    if not isinstance(lag, int | np.integer) or lag < 0:
        raise InvalidValue(key="lag", value=lag, requirement="a whole number of years, not negative", remedy="pass 2")
    own = frame[[firm, *keys]].assign(_adopted=flags(frame[adopter], f"firm-years, column '{adopter}'").astype(int))
    totals = own.groupby(keys, sort=False)["_adopted"].agg(_firms="size", _adopters="sum").reset_index()
    if at is None:
        asked = frame[[firm, *keys]].copy()
    else:
        asked = as_pandas(at, "look-ups")
        require_columns(asked, [firm, *keys], "look-ups")
        asked = asked[[firm, *keys]].copy()
    asked[year] = asked[year] - lag
    asked = asked.merge(totals, on=keys, how="left").merge(own, on=[firm, *keys], how="left")
    inside = asked["_adopted"].notna().to_numpy()
    present = asked["_firms"].fillna(0).to_numpy().astype(np.int64)
    firms = present - inside
    adopters = (asked["_adopters"].fillna(0) - asked["_adopted"].fillna(0)).to_numpy().astype(np.int64)
    empty = firms == 0
    share = np.divide(adopters, firms, out=np.full(len(asked), np.nan), where=~empty)
    return AdopterShares(
        share=share,
        adopters=adopters,
        firms=firms,
        alone=int((empty & (present > 0)).sum()),
        unobserved=int((present == 0).sum()),
        empty_cells=len(asked.loc[empty, keys].drop_duplicates()),
    )


def adoption_status(
    at: Any,
    contracts: Any,
    *,
    firm: str = "firm",
    year: str = "year",
    signed: str = "year",
    definition: Definition = "ever",
    duration: int | None = None,
) -> NDArray[np.bool_]:
    """Return whether firms are adopters in given years.

    Parameters
    ----------
    at
        Look-ups: `firm` and `year`.
    contracts
        Contracts that came into force: `firm` and the year `signed`.  Leave out those that were cancelled.
    firm, year, signed
        Names of columns.
    definition
        "ever": signed in that year or before; "active": within the last `duration` years, that year included; "new":
        in that year.
    duration
        Years for which a contract counts under "active".

    Returns
    -------
    ndarray of shape (M,)
        In the order of `at`.

    Raises
    ------
    MissingKey
        For a column that is not there.
    InvalidValue
        For an unknown definition, a missing entry, a duration that is not positive or not asked for.

    Examples
    --------
    >>> import pandas as pd
    >>> contracts = pd.DataFrame({"firm": [1, 1], "year": [1972, 1975]})
    >>> at = pd.DataFrame({"firm": [1, 1, 1, 2], "year": [1971, 1974, 1979, 1979]})
    >>> adoption_status(at, contracts)
    array([False,  True,  True, False])
    >>> adoption_status(at, contracts, definition="active", duration=3)
    array([False,  True, False, False])
    """
    window = {"ever": np.inf, "new": 1.0, "active": duration}.get(definition)
    if definition not in ("ever", "active", "new") or (definition == "active") != (duration is not None):
        raise InvalidValue(
            key="definition",
            value=f"{definition!r} with duration {duration}",
            requirement='"ever", "new", or "active" with a duration',
            remedy='pass definition="active", duration=4, or leave the duration out',
        )
    if window is None or not window > 0:
        raise InvalidValue(key="duration", value=duration, requirement="positive", remedy="pass years, such as 4")
    asked, deals = as_pandas(at, "look-ups"), as_pandas(contracts, "contracts")
    require_columns(asked, [firm, year], "look-ups")
    require_columns(deals, [firm, signed], "contracts")
    # the latest contract up to that year decides under every definition
    left = asked[[firm, year]].assign(_row=np.arange(len(asked)), _when=asked[year].astype(float))
    right = pd.DataFrame(
        {firm: deals[firm], "_when": deals[signed].astype(float), "_last": deals[signed].astype(float)}
    )
    found = pd.merge_asof(left.sort_values("_when"), right.sort_values("_when"), on="_when", by=firm).sort_values(
        "_row"
    )
    since = (found["_when"] - found["_last"]).to_numpy()
    result: NDArray[np.bool_] = np.isfinite(since) & (since < window)
    return result


def never_adopters(
    firms: pd.Series, contracts: Any, *, firm: str = "firm", signed: str = "year", first: int = 1970, last: int = 1982
) -> NDArray[np.bool_]:
    """Return which firms signed no contract from `first` to `last`: the sample of Table 1, Panel A.

    Examples
    --------
    >>> import pandas as pd
    >>> never_adopters(pd.Series([1, 2, 3]), pd.DataFrame({"firm": [1, 3], "year": [1975, 1969]}))
    array([False,  True,  True])
    """
    deals = as_pandas(contracts, "contracts")
    require_columns(deals, [firm, signed], "contracts")
    within = deals.loc[deals[signed].between(first, last), firm]
    result: NDArray[np.bool_] = ~firms.isin(within).to_numpy()
    return result


@dataclass(frozen=True, slots=True)
class LongDifferences:
    """Firms observed at both ends of a span of years, spans stacked.

    Attributes
    ----------
    frame
        One row per firm and span: the firm, ``span`` ("1972-1979"), ``start``, ``end``, ``change`` and ``initial`` of
        the outcome.
    continuing, entered, left
        By span, the number of firms observed at both ends, only at the last, only at the first.
    """

    frame: pd.DataFrame
    continuing: dict[str, int]
    entered: dict[str, int]
    left: dict[str, int]


def long_differences(
    data: Any,
    outcome: str,
    spans: Sequence[tuple[int, int]] = ((1972, 1979), (1973, 1980)),
    *,
    firm: str = "firm",
    year: str = "year",
) -> LongDifferences:
    """Difference an outcome over spans of years, which may overlap, for the firms observed at both ends.

    Parameters
    ----------
    data
        Firm-years; a missing outcome counts as not observed.
    outcome
        Its name.
    spans
        First and last year of each.
    firm, year
        Names of columns.

    Returns
    -------
    LongDifferences
        Rows in the order of spans, then of firms.

    Raises
    ------
    MissingKey
        For a column that is not there.
    InvalidValue
        For two rows of one firm-year, a span that does not go forward, or spans without a continuing firm.

    Examples
    --------
    >>> import pandas as pd
    >>> data = pd.DataFrame({"firm": [1, 1, 2], "year": [1972, 1979, 1979], "y": [1.0, 3.0, 2.0]})
    >>> found = long_differences(data, "y", [(1972, 1979)])
    >>> found.frame[["firm", "change", "initial"]].values.tolist(), found.entered
    ([[1.0, 2.0, 1.0]], {'1972-1979': 1})
    """
    frame = as_pandas(data, "firm-years")
    require_columns(frame, [firm, year], "firm-years")
    require_columns(frame, [outcome], "firm-years", known=False)
    require_unique(frame, [firm, year], "firm-years")
    known = frame.loc[frame[outcome].notna(), [firm, year, outcome]]
    parts, continuing, entered, left = [], {}, {}, {}
    for start, end in spans:
        if not end > start:
            raise InvalidValue(
                key="spans", value=(start, end), requirement="from an earlier to a later year", remedy="swap them"
            )
        name = f"{start}-{end}"
        first = known.loc[known[year] == start, [firm, outcome]].rename(columns={outcome: "initial"})
        last = known.loc[known[year] == end, [firm, outcome]].rename(columns={outcome: "_final"})
        both = first.merge(last, on=firm, how="outer", indicator=True).sort_values(firm)
        continuing[name] = int((both["_merge"] == "both").sum())
        entered[name] = int((both["_merge"] == "right_only").sum())
        left[name] = int((both["_merge"] == "left_only").sum())
        both = both[both["_merge"] == "both"]
        parts.append(
            pd.DataFrame(
                {
                    firm: both[firm],
                    "span": name,
                    "start": start,
                    "end": end,
                    "change": both["_final"].astype(float) - both["initial"].astype(float),
                    "initial": both["initial"].astype(float),
                }
            )
        )
    stacked = pd.concat(parts, ignore_index=True)
    if stacked.empty:
        raise InvalidValue(
            key=f"outcome '{outcome}'",
            value="no firm at both ends of any span",
            requirement="observed for a firm at both ends of a span",
            remedy="choose years that the data cover",
        )
    return LongDifferences(stacked, continuing, entered, left)
