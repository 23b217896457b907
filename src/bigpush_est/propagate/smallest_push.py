"""The smallest uniform subsidy of the push's regions and periods that changes the long run.

For each draw the rate s is looked for from which the path with s x 1{subsidised region} in the policy periods ends

* in another steady state than the path without a push, or
* in an industrial one (heavy manufacturing's GDP share at a threshold or above), where no push ends in none.

Nothing says that there is one such rate: the answer is the first crossing on a grid, closed in on by bisection, and a
draw at which a higher rate of the grid does *not* do it is flagged.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bigpush_est.equilibrium.adoption_map import FloatArray
from bigpush_est.equilibrium.spatial.dynamics import Path, solve_paths
from bigpush_est.equilibrium.spatial.economy import SpatialEconomy
from bigpush_est.equilibrium.spatial.multiplicity import TOLERANCE
from bigpush_est.equilibrium.spatial.scenarios import Baseline, without_push
from bigpush_est.equilibrium.spatial.static import static_preconditioner
from bigpush_est.errors import InvalidValue

#: The push does it at ``rate``, and at every higher rate of the grid.
FOUND = "found"
#: It does it at ``rate``, and at some higher rate of the grid does not.
NOT_MONOTONE = "not monotone"
#: It does it at no rate of the grid: there is no such push up to the highest rate.
NONE = "none"
#: The long run is industrial without any push.
NOT_NEEDED = "not needed"
#: The path without a push, or one on the way to the answer, ends in no steady state.
NOT_SETTLED = "not settled"


@dataclass(frozen=True, slots=True, eq=False)
class SmallestPush:
    """The smallest rates of D draws.

    Attributes
    ----------
    rate, industrial_rate
        From which the long run is another one, and an industrial one: at most ``tolerance`` above the smallest such
        rate on its stretch of the grid; NaN where there is none, (D,).
    status, industrial_status
        ``FOUND``, ``NOT_MONOTONE``, ``NONE``, ``NOT_NEEDED`` or ``NOT_SETTLED``, (D,).
    paths
        Paths solved for each draw, (D,).
    """

    rate: FloatArray
    status: NDArray[np.str_]
    industrial_rate: FloatArray
    industrial_status: NDArray[np.str_]
    paths: NDArray[np.int64]


def smallest_push(
    baseline: Baseline,
    none: Path,
    subsidised: FloatArray,
    threshold: FloatArray,
    *,
    highest: float = 0.4,
    grid: int = 4,
    tolerance: float = 0.005,
    known_rate: FloatArray | None = None,
    known_end: Path | None = None,
    max_periods: int = 400,
    path_tolerance: float = 1e-8,
) -> SmallestPush:
    """Bisect all draws together.

    Parameters
    ----------
    baseline
        D draws; their own push is put aside.
    none
        The path without a push, of the same draws.
    subsidised
        The regions that the push subsidises, (N,).
    threshold
        The heavy sector's GDP share from which a steady state is industrial, (D,).
    highest, grid
        The grid is ``highest`` x (1, ..., ``grid``) / ``grid``.
    tolerance
        Of the rate.
    known_rate, known_end
        Each draw's own rate, (D,), and the path with it: one more point of its grid, at no cost.
    max_periods, path_tolerance
        Of ``solve_path``.

    Raises
    ------
    InvalidValue
        For a highest rate outside (0, 1), a grid without points or a tolerance that is not positive.

    Examples
    --------
    >>> from bigpush_est.equilibrium.spatial.scenarios import compare, example_baseline
    >>> ready = example_baseline()
    >>> none = compare(ready, [None])["baseline"].none
    >>> found = smallest_push(ready, none, np.array([1.0, 1.0, 0.0, 0.0]), np.array([0.33]))
    >>> found.status.tolist(), found.industrial_status.tolist()
    (['found'], ['not monotone'])
    >>> bool(found.rate[0] <= found.industrial_rate[0] < 0.1)
    True
    """
    _require("highest", highest, 0.0 < highest < 1.0, "in (0, 1)")
    _require("grid", grid, grid >= 1, "at least 1")
    _require("tolerance", tolerance, tolerance > 0.0, "above 0")
    search = _Rates(baseline, none, subsidised, threshold, max_periods, path_tolerance)
    every = np.arange(search.draws)
    rates = [np.full(search.draws, highest * (k + 1) / grid) for k in range(grid)]
    ends = search.ends(every, rates)
    if known_rate is not None and known_end is not None:
        rates.append(np.array(known_rate, dtype=np.float64))
        ends.append(search.judged(known_end, every))
    rate, flags = np.stack(rates, axis=1), np.stack(ends, axis=2)  # (D, G), (2, D, G)
    order = np.argsort(rate, axis=1, kind="stable")
    rate = np.take_along_axis(rate, order, axis=1)
    found = []
    for question, start in enumerate((np.zeros(search.draws, dtype=np.int64), search.industrial)):
        flag = np.take_along_axis(flags[question], order, axis=1)
        found.append(_bisected(search, question, rate, flag, start, tolerance))
    return SmallestPush(*found[0], *found[1], search.paths)


def _bisected(
    search: "_Rates",
    question: int,
    rate: FloatArray,
    flag: NDArray[np.int64],
    without: NDArray[np.int64],
    tolerance: float,
) -> tuple[FloatArray, NDArray[np.str_]]:
    """Return the smallest rates and their statuses: 1 is yes, 0 no, −1 not settled; ``without`` at a rate of 0."""
    draws, size = rate.shape
    first = np.where((flag == 1).any(axis=1), np.argmax(flag == 1, axis=1), size)
    before = np.arange(size) < first[:, None]
    settled = search.settled & ~((flag < 0) & before).any(axis=1)
    status = np.full(draws, FOUND, dtype="<U12")
    status[((flag == 0) & ~before).any(axis=1)] = NOT_MONOTONE
    status[first == size] = NONE
    status[without == 1] = NOT_NEEDED
    status[~settled] = NOT_SETTLED
    inside = np.flatnonzero(np.isin(status, (FOUND, NOT_MONOTONE)))
    high, low = np.full(draws, np.nan), np.zeros(draws)
    high[inside] = rate[inside, first[inside]]
    later = inside[first[inside] > 0]
    low[later] = rate[later, first[later] - 1]
    rows = inside[high[inside] - low[inside] > tolerance]
    while rows.size:
        middle = 0.5 * (low[rows] + high[rows])
        answer = search.ends(rows, [middle])[0][question]
        high[rows[answer == 1]] = middle[answer == 1]
        low[rows[answer == 0]] = middle[answer == 0]
        lost = rows[answer < 0]
        status[lost], high[lost] = NOT_SETTLED, np.nan
        rows = rows[answer >= 0]
        rows = rows[high[rows] - low[rows] > tolerance]
    return high, status


def _require(key: str, value: float, good: bool, requirement: str) -> None:
    if not good:
        raise InvalidValue(key=key, value=value, requirement=requirement, remedy="0.4, 4 and 0.005 are usual")


class _Rates:
    """Paths with a uniform rate from the first policy period on, against the path without a push."""

    def __init__(
        self,
        baseline: Baseline,
        none: Path,
        subsidised: FloatArray,
        threshold: FloatArray,
        max_periods: int,
        tolerance: float,
    ) -> None:
        self.first, self.last = min(baseline.policy_periods), len(baseline.economies)
        self.baseline, self.none, self.subsidised = baseline, none, np.asarray(subsidised, dtype=np.float64)
        self.economies = [without_push(economy) for economy in baseline.economies]
        self.frozen = baseline.frozen()
        self.points = [one.point for one in baseline.equilibria]
        self.max_periods, self.tolerance = max_periods, tolerance
        self.draws = none.fate.size
        self.settled = none.fate == "steady state"
        self.threshold = np.broadcast_to(np.asarray(threshold, dtype=np.float64), (self.draws,))
        self.industrial = self.judged(none, np.arange(self.draws))[1]
        self.paths = np.zeros(self.draws, dtype=np.int64)

    def judged(self, path: Path, rows: NDArray[np.intp]) -> NDArray[np.int64]:
        """Return whether ends differ from those without a push, and whether they are industrial, (2, R).

        1 is yes, 0 no, and −1 that the end, or the one without a push, is no steady state.
        """
        gap = np.abs(path.shares[-1] - self.none.shares[-1][rows]).max(axis=(1, 2))
        heavy = path.outcomes.gdp_share[-1][:, self.baseline.heavy]
        answers = np.stack([gap > TOLERANCE, heavy >= self.threshold[rows]]).astype(np.int64)
        return np.where((path.fate == "steady state") & self.settled[rows], answers, -1)

    def ends(self, rows: NDArray[np.intp], rates: list[FloatArray]) -> list[NDArray[np.int64]]:
        """Follow some draws at several rates each; the period before the push is the one without it."""
        self.paths[rows] += len(rates)
        frozen, chosen = self.frozen.select(rows), [economy.select(rows) for economy in self.economies]
        matrices = self.baseline.preconditioners
        paths = solve_paths(
            [[*self._pushed(chosen, rate), frozen] for rate in rates],
            self.none.shares[self.first][rows],
            starts=[point[rows] for point in self.points[self.first :]],
            preconditioners=None if matrices is None else matrices[self.first :],
            renew=static_preconditioner,
            max_periods=self.max_periods,
            tolerance=self.tolerance,
        )
        return [self.judged(path, rows) for path in paths]

    def _pushed(self, economies: list[SpatialEconomy], rate: FloatArray) -> list[SpatialEconomy]:
        """Return the economies from the first policy period on, with one rate per draw."""
        pushed = []
        for t in range(self.first, self.last):
            economy = economies[t]
            subsidy = np.zeros((rate.size, economy.n_sectors, economy.n_regions))
            if t in self.baseline.policy_periods:
                subsidy[:, self.baseline.heavy] = rate[:, None] * self.subsidised
            pushed.append(economy.changed(subsidy=subsidy))
        return pushed
