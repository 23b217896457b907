"""The best rate for each region: a local search over vectors of rates.

Section 6 on Appendix F.4, which is not at hand: "the optimal subsidy moves the economy to a steady state with higher
heavy manufacturing GDP shares".  This is our reading of what Section 6 names; what policies cost and how they are
valued is in ``policies``.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bigpush_est.equilibrium.adoption_map import FloatArray
from bigpush_est.equilibrium.spatial.policies import (
    Flags,
    Measure,
    PathSettings,
    PolicyEvaluator,
    PolicyOutcomes,
    evaluator_of,
    require,
)
from bigpush_est.equilibrium.spatial.scenarios import Baseline
from bigpush_est.errors import ShapeMismatch

#: Welfare has to rise by more than this to count as better: paths are solved to 1e-10 in logs.
_LEAST_GAIN = 1e-8


@dataclass(frozen=True, slots=True)
class SearchStep:
    """One round of the regional search from one start.

    ``move`` is ``"start"``, ``"one region"``, ``"several regions"``, ``"all regions"`` or ``"none"`` (the step is then
    halved); ``welfare`` is what the round ends with, ``solved`` the paths it took, of which ``unusable`` led to no
    steady state or did not meet the bill.
    """

    start: int
    round: int
    move: str
    step: float
    welfare: float
    solved: int
    unusable: int


@dataclass(frozen=True, slots=True, eq=False)
class RegionalOptimum:
    """The best rates found for S starts: local optima of a search that cannot exclude better ones elsewhere.

    Attributes
    ----------
    measure, budget, highest
        What is maximised; ``"none"`` or ``"push"``, equal to the push's bill in every policy period; the highest rate
        that was allowed.
    start_rates, rates
        Where each search began and ended, by policy period and region, (S, P, N).
    start_outcomes, outcomes
        What these lead to (S policies).
    settled
        Whether no change of the smallest step improves; elsewhere the rounds ran out, (S,).
    best
        The start whose end is best.
    push
        What the push leads to.
    trace
        Every round.
    """

    measure: Measure
    budget: Literal["none", "push"]
    highest: float
    start_rates: FloatArray
    rates: FloatArray
    start_outcomes: PolicyOutcomes
    outcomes: PolicyOutcomes
    settled: Flags
    best: int
    push: PolicyOutcomes
    trace: tuple[SearchStep, ...]

    @property
    def capped(self) -> NDArray[np.int64]:
        """How many regions have the highest rate: higher ones may be better there, (S,); none with a budget."""
        free = self.budget == "none"
        return np.sum((self.rates >= self.highest).any(axis=1) & free, axis=1, dtype=np.int64)


def optimal_regional(
    baseline: Baseline | PolicyEvaluator,
    *,
    budget: Literal["none", "push"] = "none",
    starts: ArrayLike | None = None,
    random_starts: int = 1,
    seed: int = 1,
    highest: float = 0.4,
    step: float | None = None,
    halvings: int = 3,
    rounds: int = 12,
    measure: Measure = "log",
    settings: PathSettings | None = None,
) -> RegionalOptimum:
    """Look for the rate of each subsidised region at which welfare is highest.

    Our reading of "the optimal subsidy" (Section 6), region by region.  A round tries, in one batch, each region's rate
    one step up, one step down and at zero, and all rates 1, 2 or 4 steps up or down: regions complement each other, so
    that every single change can be a loss where a joint one is a gain.  A second batch makes the best changes jointly
    (the best 2, 3, 4, 6, 8, ... of them; all of them, once, twice and four times as far).  The best candidate of both
    is taken if it improves; otherwise the step is halved.  What is found is at best a local optimum: different starts
    usually end in different rates.

    Parameters
    ----------
    baseline
        One draw, or its evaluator.
    budget
        ``"push"`` scales all rates, period by period, so that they cost what the push costs; they then differ between
        periods by a factor.
    starts
        Rates to start from, (S, N), 0 in regions without subsidy.  By default: the push's mean rate in all its regions;
        without a budget, the best of 21 uniform rates; and random ones.
    random_starts, seed
        Vectors drawn uniformly between zero and twice the push's mean rate, if ``starts`` is not given.
    highest
        Of the rates; of the direction before scaling with a budget.
    step, halvings
        First step (the push's mean rate by default), and how often it may be halved.
    rounds
        At most so many for each start.
    measure, settings
        As in ``optimal_uniform``.

    Raises
    ------
    InvalidValue, ShapeMismatch
        For starts outside [0, highest] or in regions that the push leaves out, and numbers out of range.

    Examples
    --------
    >>> from bigpush_est.equilibrium.spatial.scenarios import example_baseline
    >>> found = optimal_regional(example_baseline(), starts=[[0.1, 0.1, 0.0, 0.0]], highest=0.2, step=0.05, rounds=2)
    >>> [step.move for step in found.trace]
    ['start', 'one region', 'one region']
    """
    require("budget", budget, budget in ("none", "push"), "none or push", "choose one of them")
    require("highest", highest, 0.0 < highest < 1.0, "in (0, 1)", "a rate is a share of input costs")
    require("rounds, halvings", (rounds, halvings), min(rounds, halvings) >= 0, "at least 0", "use a few")
    evaluator = evaluator_of(baseline, settings)
    first = evaluator.mean_rate if step is None else step
    require("step", first, 0.0 < first < 1.0, "in (0, 1)", "use a fraction of the push's rate")
    search = _RegionalSearch(evaluator, budget, highest, measure)
    begin = _default_starts(search, random_starts, seed) if starts is None else _given_starts(search, starts)
    trace: list[SearchStep] = []
    ends, settled = [], []
    for number, rates in enumerate(begin):
        current, value = rates, float(search.values(rates[None])[0])
        size, smallest = first, first * 0.5**halvings
        trace.append(SearchStep(number, 0, "start", size, value, 1, int(np.isneginf(value))))
        for count in range(1, rounds + 1):
            if size < smallest:
                break
            found, best, move, solved, unusable = search.round(current, size, value)
            trace.append(SearchStep(number, count, move, size, max(best, value), solved, unusable))
            if move == "none":
                size *= 0.5
            else:
                current, value = found, best
        ends.append(current)
        settled.append(size < smallest)
    start_rates, start_met = search.rates(begin)
    rates, met = search.rates(np.array(ends))
    outcomes = evaluator.evaluate(rates, None, met)
    return RegionalOptimum(
        measure, budget, highest, start_rates, rates, evaluator.evaluate(start_rates, None, start_met), outcomes,
        np.array(settled), outcomes.best(measure), evaluator.pushed, tuple(trace),
    )  # fmt: skip


def _default_starts(search: "_RegionalSearch", random_starts: int, seed: int) -> FloatArray:
    regions, mean = search.evaluator.subsidised, search.evaluator.mean_rate
    begin = [np.full((1, regions.size), mean)]
    if search.budget == "none":
        rates = np.linspace(0.0, search.highest, 21)
        values = search.values(rates[:, None] * regions)
        begin.append(np.full((1, regions.size), rates[int(np.argmax(values))]))
    begin.append(np.random.default_rng(seed).uniform(0.0, 2.0 * mean, (random_starts, regions.size)))
    return np.where(regions, np.minimum(np.concatenate(begin), search.highest), 0.0)


def _given_starts(search: "_RegionalSearch", starts: ArrayLike) -> FloatArray:
    regions, highest = search.evaluator.subsidised, search.highest
    begin = np.atleast_2d(np.asarray(starts, dtype=np.float64))
    if begin.ndim != 2 or begin.shape[1] != regions.size:
        expected = f"(S, {regions.size})"
        raise ShapeMismatch(key="starts", shape=begin.shape, expected=expected, remedy="one rate a region")
    good = bool(((begin >= 0.0) & (begin <= highest) & (regions | (begin == 0.0))).all())
    require("starts", "a rate", good, f"in [0, {highest:g}], and 0 where the push is not", "mend the starts")
    return begin


class _RegionalSearch:
    """One round after the other from one vector of rates (N,)."""

    def __init__(self, evaluator: PolicyEvaluator, budget: str, highest: float, measure: Measure) -> None:
        self.evaluator, self.budget, self.highest, self.measure = evaluator, budget, highest, measure
        self.regions = np.flatnonzero(evaluator.subsidised)

    def rates(self, candidates: FloatArray) -> tuple[FloatArray, Flags]:
        """Return rates by policy period (D, P, N), and whether the budget can be met."""
        if self.budget == "push":
            some = (candidates > 0.0).any(axis=1)
            rates, met = self.evaluator.equal_bill(np.where(some[:, None], candidates, self.evaluator.push.max(axis=0)))
            return rates, met & some
        rates = np.repeat(candidates[:, None], len(self.evaluator.policy_periods), axis=1)
        return rates, np.ones(len(candidates), dtype=bool)

    def values(self, candidates: FloatArray) -> FloatArray:
        """Return the welfare of candidates (D, N), −∞ where it is not known."""
        rates, met = self.rates(candidates)
        outcomes = self.evaluator.evaluate(rates, None, met)
        values: FloatArray = np.where(outcomes.steady, outcomes.welfare(self.measure), -np.inf)
        return values

    def round(self, current: FloatArray, step: float, value: float) -> tuple[FloatArray, float, str, int, int]:
        """Return the best candidate, its welfare, the move's name, and how many were solved and could not be used."""
        size = self.regions.size
        single = np.repeat(current[None], 3 * size, axis=0)
        row = np.arange(size)
        single[row, self.regions] += step
        single[size + row, self.regions] -= step
        single[2 * size + row, self.regions] = 0.0
        joint = np.repeat(current[None], 6, axis=0)
        joint[:, self.regions] += step * np.array([[1.0], [-1.0], [2.0], [-2.0], [4.0], [-4.0]])
        candidates = np.clip(np.concatenate([single, joint]), 0.0, self.highest)
        changed = np.flatnonzero((candidates != current).any(axis=1))
        candidates, kind = candidates[changed], changed < 3 * size
        values = self.values(candidates)
        several = self._combined(current, candidates[kind], values[kind], value)
        if len(several):
            candidates, values = np.concatenate([candidates, several]), np.concatenate([values, self.values(several)])
        best = int(np.argmax(values))
        move = "several regions" if best >= kind.size else ("one region" if kind[best] else "all regions")
        if not values[best] > value + _LEAST_GAIN:
            move = "none"
        return candidates[best], float(values[best]), move, values.size, int(np.isneginf(values).sum())

    def _combined(self, current: FloatArray, singles: FloatArray, values: FloatArray, value: float) -> FloatArray:
        """Return candidates that make the best 2, 3, 4, 6, ... improving changes of different regions at once."""
        order = [k for k in np.argsort(-values, kind="stable") if values[k] > value + _LEAST_GAIN]
        region = (singles != current).argmax(axis=1)
        leading = {int(region[k]): k for k in reversed(order)}  # the best change of each region
        chosen = sorted(leading.values(), key=lambda k: -values[k])
        counts = sorted({n for n in (2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, len(chosen)) if 2 <= n <= len(chosen)})
        several = np.repeat(current[None], len(counts), axis=0)
        for candidate, count in zip(several, counts, strict=True):
            for k in chosen[:count]:
                candidate[region[k]] = singles[k, region[k]]
        if len(counts):
            further = current + np.array([[2.0], [4.0]]) * (several[-1] - current)
            several = np.concatenate([several, np.clip(further, 0.0, self.highest)])
        return several
