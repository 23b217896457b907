"""p-values of a bootstrap as counts of draws, and the confidence set of all values that it does not reject."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bigpush_est.reduced_form.weak_iv.confidence_set import ConfidenceSet, join
from bigpush_est.reduced_form.wild.statistics import DrawSums, WildModel, ar_draws, t_draws

type FloatArray = NDArray[np.float64]

#: |t*| this close to |t|, relative to it, is a tie: the identity draw differs from the sample by rounding alone.
TIE = 1e-9


@dataclass(frozen=True, slots=True)
class BootstrapP:
    """A bootstrap p-value as counts.

    Attributes
    ----------
    more_extreme
        Draws that are strictly more extreme than the sample; of "equal-tailed", twice those in the smaller tail.
    ties
        Draws that are exactly as extreme: with all sign vectors and the null imposed, the identity, and for least
        squares its mirror image.
    draws
        Draws with a statistic.
    """

    more_extreme: int
    ties: int
    draws: int

    @property
    def low(self) -> float:
        """Ties not counted, as boottest and fwildclusterboot mean to do."""
        return self.more_extreme / self.draws

    @property
    def high(self) -> float:
        """Ties counted, the identity draw among them: the p-value of a randomisation test, never 0 if enumerated."""
        return min(1.0, (self.more_extreme + self.ties) / self.draws)


@dataclass(frozen=True, slots=True)
class BootstrapTest:
    """A test of every value of the coefficient, from one set of draws."""

    model: WildModel
    sums: DrawSums
    method: str
    impose_null: bool
    alternative: str

    def of_sample(self, beta: float) -> float:
        """Return the sample's statistic at β."""
        return self.model.ar_sample(beta) if self.method == "AR" else self.model.t_sample(beta)

    def of_draws(self, beta: float) -> FloatArray:
        """Return the draws' statistics at β, shape (draws,)."""
        if self.method == "AR":
            return ar_draws(self.model, self.sums, beta, self.impose_null)
        return t_draws(self.model, self.sums, beta if self.impose_null else self.model.centre)


def count_draws(drawn: FloatArray, statistic: float, alternative: str) -> BootstrapP:
    """Count draws that are more extreme than the sample, and ties."""
    values = drawn[np.isfinite(drawn)]
    margin = TIE * abs(statistic)
    if alternative == "two-tailed":
        size, bar = np.abs(values), abs(statistic)
        return BootstrapP(int((size > bar + margin).sum()), int((np.abs(size - bar) <= margin).sum()), int(values.size))
    ties = int((np.abs(values - statistic) <= margin).sum())
    above, below = int((values > statistic + margin).sum()), int((values < statistic - margin).sum())
    if alternative == "equal-tailed":
        return BootstrapP(2 * min(above, below), 2 * ties, int(values.size))
    return BootstrapP(above if alternative == "greater" else below, ties, int(values.size))


def invert(test: BootstrapTest, level: float, ties: str) -> ConfidenceSet:
    """Return {β : p(β) > 1 − level}: a scan in t-ratios out to the far tails, ends then bisected to rounding."""
    alpha = 1.0 - level
    fixed = None if test.impose_null or test.method == "AR" else test.of_draws(test.model.estimate)

    def inside(beta: float) -> bool:
        statistic = test.of_sample(beta)
        if not np.isfinite(statistic):
            return True
        p = count_draws(test.of_draws(beta) if fixed is None else fixed, statistic, test.alternative)
        return (p.low if ties == "exclude" else p.high) > alpha

    centre = test.model.estimate
    unit = abs(1.0 / (test.model.t_sample(centre) - test.model.t_sample(centre + 1.0)))
    angles = np.linspace(-0.5 * np.pi, 0.5 * np.pi, 122)[1:-1]
    grid = np.concatenate([[-1e6], 3.0 * np.tan(angles), [1e6]]) * unit + centre
    within = [inside(float(beta)) for beta in grid]
    pieces: list[tuple[float, float]] = []
    low = -np.inf if within[0] else np.nan
    for k in range(1, grid.size):
        if within[k] == within[k - 1]:
            continue
        end = _bisect(inside, float(grid[k - 1]), float(grid[k]), within[k - 1])
        if within[k]:
            low = end
        else:
            pieces.append((float(low), end))
    if within[-1]:
        pieces.append((float(low), np.inf))
    return join(pieces, level)


def _bisect(inside: Callable[[float], bool], left: float, right: float, left_inside: bool) -> float:
    for _ in range(60):
        middle = 0.5 * (left + right)
        if middle in (left, right):
            break
        if inside(middle) == left_inside:
            left = middle
        else:
            right = middle
    return 0.5 * (left + right)
