"""Losers matched to winners: exact on some columns, nearest in Mahalanobis distance within them.

For a loser i and a winner j of the same exact cell, with V a covariance of the variables x in the pool of candidates,

    d(i, j) = √((x_i − x_j)' V^{-1} (x_i − x_j)).

Each loser takes its m nearest winners, with replacement: a winner may serve several losers.  Distances are rounded to
ten decimals; among equal ones the winner whose label sorts first is taken.  Without replacement, pairs are taken in the
order of their distance (then of the loser's and the winner's label) until each loser has m or no winner is free.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import cKDTree

from bigpush_est.errors import InvalidValue, NoLoserLeft, ShapeMismatch, TooManyCombinations, WrongType
from bigpush_est.reduced_form.events import figures as event_figures
from bigpush_est.reduced_form.events.balance import balance_table
from bigpush_est.reduced_form.linear.frames_in import as_pandas, flags, require_columns, require_unique
from bigpush_est.reduced_form.result import Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes

type FloatArray = NDArray[np.float64]
type IntArray = NDArray[np.int64]

_DECIMALS = 10
#: Cells with more winners than this are searched by a tree; in smaller ones all pairs are written out.
_TREE_FROM = 16
_PAIRS_AT_ONCE = 4_000_000
_MOST_PAIRS = 40_000_000


@dataclass(frozen=True, slots=True, repr=False)
class Matches(Result):
    """Losers and their winners.

    Attributes
    ----------
    pairs
        One row per loser and winner: match (0, 1, …), the unit's column as loser and winner, the exact columns, rank
        (1 for the nearest), distance, and the rows of both in ``candidates``.
    unmatched
        One row per loser without a winner: the unit, the exact columns, reason.
    candidates
        The frame that was matched, rows as given.
    unit
        Column that names a unit.
    exact, variables
        Columns matched exactly, and by distance.
    covariance
        V, shape (variables, variables).
    covariance_of
        Whose V it is: "winners", "everyone" or "given".
    number, caliper, replacement
        As asked for.
    winners_without_variables
        Winners left out because a variable is missing.
    """

    pairs: pd.DataFrame
    unmatched: pd.DataFrame
    candidates: pd.DataFrame
    unit: str
    exact: tuple[str, ...]
    variables: tuple[str, ...]
    covariance: FloatArray
    covariance_of: str
    number: int
    caliper: float | None
    replacement: bool
    winners_without_variables: int

    @property
    def count(self) -> int:
        """Matches, one per matched loser."""
        return int(self.pairs["match"].nunique())

    @property
    def units(self) -> int:
        """Different units in the matches."""
        return int(pd.concat([self.pairs["loser"], self.pairs["winner"]]).nunique())

    def tidy(self) -> pd.DataFrame:
        """Return the pairs."""
        return self.pairs

    def printed(self) -> pd.DataFrame:
        """Return the balance before and after matching, which is what a paper shows."""
        return self.balance()

    def plot(self, axes: "Axes | None" = None) -> "Axes":
        """Draw standardised differences of the variables before and after matching."""
        return event_figures.balance(self.balance(), axes)

    def balance(self, variables: Sequence[str] | None = None, labels: Mapping[str, str] | None = None) -> pd.DataFrame:
        """Compare losers with winners before and after matching.

        Parameters
        ----------
        variables
            Columns of the candidates; default those matched on.
        labels
            Names to show instead.

        Returns
        -------
        DataFrame
            As ``balance_table`` describes.
        """
        names = list(variables) if variables is not None else list(self.variables)
        require_columns(self.candidates, names, "candidates", known=False)
        losers = self.candidates["loser"].to_numpy(dtype=np.bool_)
        return balance_table(
            self.candidates[names].rename(columns=dict(labels or {})),
            losers,
            self.pairs["match"].to_numpy(),
            self.pairs["loser_row"].to_numpy(),
            self.pairs["winner_row"].to_numpy(),
        )

    def summary(self) -> str:
        """Say what was matched, and what was not and why."""
        sizes = self.pairs.groupby("match").size().value_counts().sort_index()
        lines = [
            f"{self.count} matches of {self.units} units, {len(self.pairs)} pairs: up to {self.number} winners each"
            + ("" if self.replacement else ", each winner once"),
            f"exact on {', '.join(self.exact)}; Mahalanobis distance on {', '.join(self.variables)}"
            f" (covariance of {self.covariance_of})",
            "winners per loser: " + ", ".join(f"{count} with {size}" for size, count in sizes.items()),
            f"distance: median {self.pairs['distance'].median():.3f}, largest {self.pairs['distance'].max():.3f}",
        ]
        if self.winners_without_variables:
            lines.append(f"winners left out, a variable missing: {self.winners_without_variables}")
        for reason, count in self.unmatched["reason"].value_counts().sort_index().items():
            lines.append(f"losers without a match, {reason}: {count}")
        return "\n".join(lines)


def match_losers(
    candidates: Any,
    *,
    unit: str = "firm",
    loser: str = "loser",
    exact: Sequence[str] = ("year", "region", "sector"),
    variables: Sequence[str] = ("log_assets", "log_fixed_assets", "growth_assets", "growth_fixed_assets"),
    number: int = 3,
    caliper: float | None = None,
    replacement: bool = True,
    covariance: Literal["winners", "everyone"] | ArrayLike = "winners",
) -> Matches:
    """Match each loser to its nearest winners of the same cell.

    Parameters
    ----------
    candidates
        One row per unit and event.
    unit
        Column of the unit; with the exact columns it is a key.
    loser
        Column that is 1 for losers and 0 for winners.
    exact
        Columns that have to agree.
    variables
        Columns of the distance.
    number
        m, at least 1.
    caliper
        Largest distance allowed.
    replacement
        Whether a winner may serve several losers.
    covariance
        V: of all winners with known variables (the pool), of winners and losers, or a matrix.

    Returns
    -------
    Matches
        Pairs, and the losers without one.

    Raises
    ------
    MissingKey, WrongType, ShapeMismatch, InvalidValue
        For columns that are not there or not numeric, duplicates, options out of range, a singular covariance.
    NoLoserLeft
        If nobody is matched.
    TooManyCombinations
        Without replacement, if there are too many pairs to put in order.

    Examples
    --------
    >>> frame = pd.DataFrame({
    ...     "firm": list("abcde"), "year": 1973, "region": "x", "sector": "s",
    ...     "loser": [1, 0, 0, 0, 0], "size": [1.0, 1.2, 5.0, 0.9, 3.0],
    ... })
    >>> match_losers(frame, variables=["size"], number=2).pairs[["loser", "winner", "rank"]].to_numpy().tolist()
    [['a', 'd', 1], ['a', 'b', 2]]
    """
    frame = as_pandas(candidates, "candidates")
    exact, variables = tuple(exact), tuple(variables)
    is_loser, values = _check_candidates(frame, unit, loser, exact, variables, number, caliper)
    known = np.isfinite(values).all(axis=1)
    matrix, whose = _covariance(values, is_loser, known, covariance, variables)
    cells = np.zeros(len(frame), dtype=np.int64)
    if exact:
        cells = np.asarray(frame.groupby(list(exact), sort=False).ngroup(), dtype=np.int64)
    # labels in their order, so that a tie is broken by an integer
    order = np.asarray(pd.Index(frame[unit].unique()).sort_values().get_indexer(pd.Index(frame[unit])), dtype=np.int64)
    white = np.full(values.shape, np.nan)
    white[known] = np.linalg.solve(np.linalg.cholesky(matrix), values[known].T).T
    losers, winners = np.flatnonzero(is_loser & known), np.flatnonzero(~is_loser & known)
    if replacement:
        found = list(_with_replacement(white, cells, order, losers, winners, number))
    else:
        found = list(_without_replacement(white, cells, order, losers, winners, number, caliper))
    chosen_loser, chosen_winner, distance = (
        np.concatenate([part[i] for part in found]) if found else np.zeros(0, dtype=int) for i in range(3)
    )
    if caliper is not None:
        near = distance <= caliper
        chosen_loser, chosen_winner, distance = chosen_loser[near], chosen_winner[near], distance[near]
    pairs = _pairs(frame, unit, exact, order, chosen_loser, chosen_winner, distance)
    unmatched = _unmatched(
        frame, unit, exact, cells, is_loser, known, chosen_loser, values, variables, caliper, replacement
    )
    if pairs.empty:
        counts = unmatched["reason"].value_counts()
        raise NoLoserLeft(
            stage="after matching",
            reasons="; ".join(f"{count} × {reason}" for reason, count in counts.items())
            or "there was none to start with",
            remedy="match on coarser cells or fewer variables, widen the caliper, or check the losers' years",
        )
    return Matches(
        pairs,
        unmatched,
        frame.assign(loser=is_loser),
        unit,
        exact,
        variables,
        matrix,
        whose,
        number,
        caliper,
        replacement,
        int((~is_loser & ~known).sum()),
    )


def _check_candidates(
    frame: pd.DataFrame,
    unit: str,
    loser: str,
    exact: tuple[str, ...],
    variables: tuple[str, ...],
    number: int,
    caliper: float | None,
) -> tuple[NDArray[np.bool_], FloatArray]:
    if isinstance(number, bool) or not isinstance(number, int):
        raise WrongType(key="number", value=repr(number), expected="a whole number", remedy="pass 3")
    if number < 1:
        raise InvalidValue(key="number", value=number, requirement="at least 1", remedy="pass 3")
    if caliper is not None and not caliper > 0:
        raise InvalidValue(key="caliper", value=caliper, requirement="positive", remedy="leave it out, or pass 1.0")
    if not variables:
        raise InvalidValue(
            key="variables", value="nothing", requirement="at least one column", remedy="name the variables to match on"
        )
    require_columns(frame, [unit, loser, *exact], "candidates")
    require_columns(frame, variables, "candidates", known=False)
    require_unique(frame, list(dict.fromkeys([unit, *exact])), "candidates")
    for name in variables:
        if not pd.api.types.is_numeric_dtype(frame[name]):
            raise WrongType(
                key=f"candidates, column '{name}'",
                value=str(frame[name].dtype),
                expected="numbers",
                remedy="match on numeric columns, or put it among the exact ones",
            )
    is_loser = flags(frame[loser], f"candidates, column '{loser}'")
    if not is_loser.any():
        raise NoLoserLeft(
            stage="before matching",
            reasons=f"column '{loser}' is 0 in every row",
            remedy="check who cancelled: losers are firms whose contract the foreign party cancelled",
        )
    return is_loser, frame[list(variables)].to_numpy(dtype=np.float64, na_value=np.nan)


def _covariance(
    values: FloatArray,
    is_loser: NDArray[np.bool_],
    known: NDArray[np.bool_],
    covariance: Any,
    variables: tuple[str, ...],
) -> tuple[FloatArray, str]:
    size = len(variables)
    if isinstance(covariance, str):
        if covariance not in ("winners", "everyone"):
            raise InvalidValue(
                key="covariance",
                value=repr(covariance),
                requirement="'winners', 'everyone' or a matrix",
                remedy="name one of them",
            )
        rows = known if covariance == "everyone" else known & ~is_loser
        if rows.sum() < 2:
            raise InvalidValue(
                key="candidates",
                value=f"{int(rows.sum())} rows with every variable known",
                requirement="at least 2",
                remedy="match on fewer variables, or fill them in",
            )
        matrix, whose = np.atleast_2d(np.cov(values[rows], rowvar=False)), covariance
    else:
        matrix, whose = np.asarray(covariance, dtype=float), "given"
        if matrix.shape != (size, size):
            raise ShapeMismatch(
                key="covariance", shape=matrix.shape, expected=f"({size}, {size})", remedy="one row per variable"
            )
    spread = np.sqrt(np.diag(matrix))
    if not (np.isfinite(matrix).all() and np.all(spread > 0)):
        flat = [name for name, s in zip(variables, spread, strict=True) if not s > 0]
        raise InvalidValue(
            key="covariance",
            value=f"no variation in {', '.join(flat)}" if flat else "missing",
            requirement="positive definite",
            remedy="leave such variables out",
        )
    values_of, vectors = np.linalg.eigh(matrix / np.outer(spread, spread))
    if values_of[0] < 1e-10:
        guilty = [name for name, weight in zip(variables, vectors[:, 0], strict=True) if abs(weight) > 0.1]
        raise InvalidValue(
            key="covariance",
            value=f"singular: {', '.join(guilty)} are collinear",
            requirement="positive definite",
            remedy="leave one of them out",
        )
    return matrix, whose


def _cell_pairs(losers: IntArray, winners: IntArray, cells: IntArray) -> tuple[IntArray, IntArray, IntArray]:
    """Order the winners by cell; where those of each loser's cell start in that order, and how many they are."""
    by_cell = np.argsort(cells[winners], kind="stable")
    sorted_cells = cells[winners][by_cell]
    start = np.searchsorted(sorted_cells, cells[losers], side="left")
    return by_cell, start, np.searchsorted(sorted_cells, cells[losers], side="right") - start


def _write_out(
    white: FloatArray, losers: IntArray, pool: IntArray, start: IntArray, sizes: IntArray
) -> tuple[IntArray, IntArray, FloatArray]:
    """All pairs of some losers with the winners pool[start : start + sizes] of each, and their distances."""
    left = np.repeat(losers, sizes)
    offsets = np.arange(int(sizes.sum())) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    right = pool[np.repeat(start, sizes) + offsets]
    distance = np.round(np.sqrt(np.sum((white[left] - white[right]) ** 2, axis=1)), _DECIMALS)
    return left, right, distance


def _nearest(
    left: IntArray, right: IntArray, distance: FloatArray, order: IntArray, number: int
) -> tuple[IntArray, IntArray, FloatArray]:
    """Keep the m nearest of each loser, ties by label."""
    sequence = np.lexsort((order[right], distance, left))
    left, right, distance = left[sequence], right[sequence], distance[sequence]
    new = np.concatenate([[True], left[1:] != left[:-1]]) if left.size else np.zeros(0, dtype=bool)
    place = np.arange(left.size) - np.maximum.accumulate(np.where(new, np.arange(left.size), 0))
    kept = place < number
    return left[kept], right[kept], distance[kept]


def _with_replacement(
    white: FloatArray, cells: IntArray, order: IntArray, losers: IntArray, winners: IntArray, number: int
) -> Iterator[tuple[IntArray, IntArray, FloatArray]]:
    by_cell, start, sizes = _cell_pairs(losers, winners, cells)
    pool = winners[by_cell]
    small = np.flatnonzero((sizes <= _TREE_FROM) & (sizes > 0))
    for block in np.array_split(small, max(1, -(-int(sizes[small].sum()) // _PAIRS_AT_ONCE))):
        if block.size:
            left, right, distance = _write_out(white, losers[block], pool, start[block], sizes[block])
            yield _nearest(left, right, distance, order, number)
    large = np.flatnonzero(sizes > _TREE_FROM)
    for first in np.unique(start[large]):
        here = large[start[large] == first]
        members = pool[first : first + sizes[here[0]]]
        yield _nearest(*_tree_neighbours(white, losers[here], members, number), order, number)


def _tree_neighbours(
    white: FloatArray, losers: IntArray, winners: IntArray, number: int
) -> tuple[IntArray, IntArray, FloatArray]:
    """Winners no farther than each loser's m-th nearest: all of them, so that ties can be broken by label."""
    tree = cKDTree(white[winners])
    asked = min(number + 4, winners.size)
    reach, index = tree.query(white[losers], k=asked)
    reach, index = reach.reshape(len(losers), asked), index.reshape(len(losers), asked)
    limit = reach[:, min(number, asked) - 1]
    # where even the last one asked for is about as near as the m-th, others at that distance may have been left out
    tied = (reach[:, -1] <= limit + 2 * 10.0**-_DECIMALS) & (asked < winners.size)
    left = [np.repeat(losers[~tied], asked)]
    right = [winners[index[~tied].ravel()]]
    for row in np.flatnonzero(tied):
        near = np.array(tree.query_ball_point(white[losers[row]], limit[row] + 2 * 10.0**-_DECIMALS), dtype=np.int64)
        left.append(np.full(near.size, losers[row]))
        right.append(winners[near])
    l_rows, w_rows = np.concatenate(left), np.concatenate(right)
    return l_rows, w_rows, np.round(np.sqrt(np.sum((white[l_rows] - white[w_rows]) ** 2, axis=1)), _DECIMALS)


def _without_replacement(
    white: FloatArray,
    cells: IntArray,
    order: IntArray,
    losers: IntArray,
    winners: IntArray,
    number: int,
    caliper: float | None,
) -> Iterator[tuple[IntArray, IntArray, FloatArray]]:
    by_cell, start, sizes = _cell_pairs(losers, winners, cells)
    total = int(sizes.sum())
    if total > _MOST_PAIRS:
        raise TooManyCombinations(
            problem="matching without replacement",
            count=total,
            limit=_MOST_PAIRS,
            remedy="match with replacement, or on finer cells",
        )
    left, right, distance = _write_out(white, losers, winners[by_cell], start, sizes)
    if caliper is not None:
        near = distance <= caliper
        left, right, distance = left[near], right[near], distance[near]
    sequence = np.lexsort((order[right], order[left], distance))
    room, free, taken = dict.fromkeys(losers.tolist(), number), set(winners.tolist()), []
    for position in sequence.tolist():
        i, j = int(left[position]), int(right[position])
        if room[i] and j in free:
            room[i] -= 1
            free.discard(j)
            taken.append(position)
    kept = np.array(taken, dtype=np.int64)
    yield _nearest(left[kept], right[kept], distance[kept], order, number)


def _pairs(
    frame: pd.DataFrame,
    unit: str,
    exact: tuple[str, ...],
    order: IntArray,
    losers: IntArray,
    winners: IntArray,
    distance: FloatArray,
) -> pd.DataFrame:
    cells = frame[list(exact)].iloc[losers].reset_index(drop=True)
    pairs = pd.DataFrame(
        {
            "loser": frame[unit].to_numpy()[losers],
            "winner": frame[unit].to_numpy()[winners],
            "distance": distance,
            "loser_row": losers,
            "winner_row": winners,
            "_loser": order[losers],
            "_winner": order[winners],
        }
    )
    pairs = pd.concat([cells, pairs], axis=1)
    pairs = pairs.sort_values([*exact, "_loser", "distance", "_winner"], kind="stable", ignore_index=True)
    pairs["match"] = pd.factorize(pairs["loser_row"])[0].astype(np.int64)
    pairs["rank"] = pairs.groupby("match").cumcount() + 1
    return pairs[["match", "loser", "winner", *exact, "rank", "distance", "loser_row", "winner_row"]]


def _unmatched(
    frame: pd.DataFrame,
    unit: str,
    exact: tuple[str, ...],
    cells: IntArray,
    is_loser: NDArray[np.bool_],
    known: NDArray[np.bool_],
    matched: IntArray,
    values: FloatArray,
    variables: tuple[str, ...],
    caliper: float | None,
    replacement: bool,
) -> pd.DataFrame:
    left_over = np.setdiff1d(np.flatnonzero(is_loser), matched)
    any_winner = set(cells[~is_loser].tolist())
    usable = set(cells[~is_loser & known].tolist())
    reasons = []
    for row in left_over:
        if not known[row]:
            missing = [name for name, value in zip(variables, values[row], strict=True) if not np.isfinite(value)]
            reasons.append(f"{', '.join(missing)} missing")
        elif cells[row] not in any_winner:
            reasons.append("no winner in its cell")
        elif cells[row] not in usable:
            reasons.append("no winner in its cell whose variables are known")
        elif caliper is not None:
            reasons.append(f"no {'' if replacement else 'free '}winner within the caliper of {caliper:g}")
        else:
            reasons.append("every winner of its cell taken")
    result = frame[list(dict.fromkeys([unit, *exact]))].iloc[left_over].reset_index(drop=True)
    return result.assign(reason=pd.Series(reasons, dtype=object))
