"""Which regions to subsidise: market access, randomised allocations of the push, and the best rate for each region.

Section 6 on Appendix F.4, which is not at hand: "the optimal subsidy moves the economy to a steady state with higher
heavy manufacturing GDP shares.  Randomized subsidy allocations show that only market access predicts stronger big-push
effects."  This is our reading of what Section 6 names; what policies cost and how they are valued is in ``policies``.

"Only" is a statement about rivals: random sets of regions get the push's rates, and what they bring is regressed on the
treated regions' mean market access *and* on their mean of six other characteristics, all from before the policy.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import t as student

from bigpush_est.equilibrium.adoption_map import FloatArray
from bigpush_est.equilibrium.spatial.conditions import by_draw
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
from bigpush_est.equilibrium.spatial.static import StaticEquilibrium
from bigpush_est.errors import ShapeMismatch

#: What regions differ in before the policy: see ``characteristics``.
CHARACTERISTICS = (
    "market_access", "heavy_output_share", "labour", "port_distance", "adopter_share", "wage", "productivity",
)  # fmt: skip
#: Welfare has to rise by more than this to count as better: paths are solved to 1e-10 in logs.
_LEAST_GAIN = 1e-8
#: A characteristic that varies by less than this, relative to its size, is the same everywhere.
_NO_VARIATION = 1e-9


def market_access(equilibrium: StaticEquilibrium, sector: int) -> tuple[FloatArray, FloatArray]:
    r"""Return a sector's home and foreign market access by region, each (D, N).

    :math:`D_{nj} = \sum_m d_{nmj}^{1-\sigma} P_{mj}^{\sigma-1} E_{mj}` and
    :math:`D^f_{nj} = (d^x_{nj})^{1-\sigma} D^x_j`: a firm of region n that charges p sells p^{1−σ} (D + D^f).
    The unit is a power of the numeraire: only ratios and logs mean anything.

    Examples
    --------
    >>> from bigpush_est.equilibrium.spatial.scenarios import example_baseline
    >>> home, foreign = market_access(example_baseline().equilibria[0], sector=1)
    >>> (foreign / (home + foreign)).round(2).tolist()
    [[0.07, 0.03, 0.02, 0.01]]
    """
    economy = equilibrium.economy
    freeness = by_draw(economy.freeness[..., sector, :, :], 2)
    sigma = by_draw(economy.sigma, 0)[:, None]
    demand = equilibrium.price_index[:, sector] ** (sigma - 1.0) * equilibrium.expenditure[:, sector]
    home: FloatArray = (freeness @ demand[:, :, None])[:, :, 0]
    foreign = (
        by_draw(economy.port_freeness[..., sector, :], 1) * by_draw(economy.foreign_demand[..., sector], 0)[:, None]
    )
    return home, np.array(np.broadcast_to(foreign, home.shape))


def characteristics(baseline: Baseline) -> Mapping[str, FloatArray]:
    """Return the regions' ``CHARACTERISTICS`` in the first period, before the policy, each (N,).

    All are heavy manufacturing's.  Logs: ``market_access``, D + D^f; ``port_distance``, −log (d^x)^{1−σ}, which is the
    distance's log but for a factor; ``wage``; ``productivity``, φ^min.  Levels: ``heavy_output_share`` and ``labour``,
    shares of the nation's; ``adopter_share``, λ before the first period.  Which are logs is our choice: shares add up
    over a set of regions, the others compare regions by ratios.

    Raises
    ------
    InvalidValue
        If a region has no port, for which no distance is defined.

    Examples
    --------
    >>> from bigpush_est.equilibrium.spatial.scenarios import example_baseline
    >>> characteristics(example_baseline())["port_distance"].round(2).tolist()
    [-0.0, 0.89, 1.42, 1.79]
    """
    first, economy, heavy = baseline.equilibria[0], baseline.draw().economies[0], baseline.heavy
    home, foreign = market_access(first, heavy)
    port = economy.port_freeness[heavy]
    require("port_freeness", f"{port.min():g}", bool((port > 0.0).all()), "above 0 in all regions", "link every region")
    output = first.gross_output[0, heavy]
    return {
        "market_access": np.log(home + foreign)[0],
        "heavy_output_share": output / output.sum(),
        "labour": economy.labour / economy.labour.sum(),
        "port_distance": -np.log(port),
        "adopter_share": baseline.draw().initial_share[heavy],
        "wage": np.log(first.wage[0]),
        "productivity": np.log(economy.productivity[heavy]),
    }


# ---------------------------------------------------------------------------------------------------------------------
# randomised allocations


@dataclass(frozen=True, slots=True, eq=False)
class Regression:
    """Least squares on K standardised predictors and a constant, R observations.

    ``coefficient`` is the change of the response with a predictor's standard deviation; ``standard_error`` is robust to
    heteroskedasticity (HC1); ``p_value`` is two-sided, from Student's t with R − K − 1 degrees of freedom.
    """

    names: tuple[str, ...]
    coefficient: FloatArray
    standard_error: FloatArray
    p_value: FloatArray
    constant: float
    r_squared: float
    observations: int

    @property
    def t(self) -> FloatArray:
        """Coefficients over their standard errors, (K,)."""
        return self.coefficient / self.standard_error


def robust_ols(response: ArrayLike, predictors: ArrayLike, names: Sequence[str]) -> Regression:
    r"""Regress R responses on R × K predictors, standardised to mean 0 and standard deviation 1 (R − 1 in the divisor).

    HC1: :math:`\frac{R}{R-K-1} (X'X)^{-1} X' \mathrm{diag}(u^2) X (X'X)^{-1}`.

    Raises
    ------
    ShapeMismatch, InvalidValue
        For arrays that do not fit together, missing values, too few observations, or dependent predictors.

    Examples
    --------
    >>> found = robust_ols([1.0, 3.0, 2.0, 5.0, 4.0], [[0.0], [1.0], [2.0], [3.0], [4.0]], ["place"])
    >>> found.coefficient.round(3).tolist(), found.standard_error.round(3).tolist(), round(found.r_squared, 3)
    ([1.265], [0.416], 0.64)
    """
    y, x = np.asarray(response, dtype=np.float64), np.asarray(predictors, dtype=np.float64)
    if y.ndim != 1 or x.shape != (y.size, len(names)):
        expected = f"({y.size}, {len(names)})"
        raise ShapeMismatch(key="predictors", shape=x.shape, expected=expected, remedy="one row a response")
    finite = bool(np.isfinite(y).all() and np.isfinite(x).all())
    require("response, predictors", "missing", finite, "finite", "leave out what is not known")
    count, size = x.shape
    require("observations", count, count > size + 2, f"above {size + 2}", "use more allocations or fewer predictors")
    spread = x.std(axis=0, ddof=1)
    scaled = (x - x.mean(axis=0)) / np.where(spread > 0.0, spread, 1.0)
    design = np.column_stack([np.ones(count), scaled])
    rank = int(np.linalg.matrix_rank(design))
    require("predictors", f"rank {rank}", rank == size + 1, "independent", "leave out what others add up to")
    inverse = np.linalg.inv(design.T @ design)
    beta = inverse @ design.T @ y
    error = y - design @ beta
    meat = (design * error[:, None] ** 2).T @ design
    freedom = count - size - 1
    se = np.sqrt(np.diag(inverse @ meat @ inverse) * count / freedom)[1:]
    with np.errstate(divide="ignore", invalid="ignore"):
        p_value = 2.0 * student.sf(np.abs(beta[1:] / se), freedom)
        r_squared = 1.0 - (error**2).sum() / ((y - y.mean()) ** 2).sum()
    return Regression(tuple(names), beta[1:], se, p_value, float(beta[0]), float(r_squared), count)


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """What predicts one response: all predictors together, each alone, and R² that goes without each, (K,)."""

    joint: Regression
    alone: tuple[Regression, ...]
    contribution: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class RandomisedAllocations:
    """R random sets of regions with the push's rates, and what predicts their effects.

    Attributes
    ----------
    treated
        The sets, (R, N) of bool.
    rate
        The rate by policy period, (P,).
    outcomes, push
        What the sets and the push's own regions lead to (R policies and one).
    none
        Heavy manufacturing's GDP share in the steady state without any policy.
    names, predictors
        Characteristics, and their means over each set, (R, K); those that are the same everywhere are ``left_out``.
    used
        The sets that lead to a steady state: only these are in the regressions, (R,).
    predictions
        For the effects ``"gdp_share"`` (a fraction of GDP, against no policy) and ``"welfare"`` (log, a fraction).
    """

    treated: Flags
    rate: FloatArray
    outcomes: PolicyOutcomes
    push: PolicyOutcomes
    none: float
    names: tuple[str, ...]
    predictors: FloatArray
    left_out: tuple[str, ...]
    used: Flags
    predictions: Mapping[str, Prediction]

    @property
    def effect(self) -> FloatArray:
        """Each set's effect on heavy manufacturing's GDP share, NaN where it is not known, (R,)."""
        return self.outcomes.gdp_share - self.none

    @property
    def rank_of_push(self) -> float:
        """The share of sets, of those that are known, whose effect on the GDP share is below the push's."""
        return float((self.outcomes.gdp_share[self.used] < self.push.gdp_share[0]).mean())


def randomised_allocations(
    baseline: Baseline | PolicyEvaluator,
    *,
    allocations: int = 256,
    treated: int | None = None,
    seed: int = 1,
    names: Sequence[str] = CHARACTERISTICS,
    settings: PathSettings | None = None,
) -> RandomisedAllocations:
    """Give the push's rates to random sets of regions, and regress their effects on the sets' characteristics.

    Parameters
    ----------
    baseline
        One draw, or its evaluator.
    allocations
        R, sets drawn without replacement from all regions, one after the other from the seed: more sets add to fewer.
    treated
        Regions in a set; as many as the push subsidises by default.
    seed
        Of the sets.
    names
        The predictors, of ``CHARACTERISTICS``; fewer than there are regions, as sets are of one size.
    settings
        How paths are solved and valued.

    Raises
    ------
    InvalidValue
        For numbers out of range, unknown names, or too few sets that lead to a steady state.

    Examples
    --------
    >>> from bigpush_est.equilibrium.spatial.scenarios import example_baseline
    >>> found = randomised_allocations(example_baseline(), allocations=12, names=("market_access", "productivity"))
    >>> found.names, found.left_out, found.outcomes.fates
    (('market_access',), ('productivity',), {'steady state': 12})
    """
    evaluator = evaluator_of(baseline, settings)
    size, regions = int(evaluator.subsidised.sum()) if treated is None else treated, evaluator.weight.size
    require("treated", size, 0 < size < regions, f"in [1, {regions - 1}]", "leave some regions out")
    require("allocations", allocations, allocations >= 1, "at least 1", "use some hundred")
    known = characteristics(evaluator.baseline)
    unknown = [name for name in names if name not in known]
    require("names", unknown, not unknown, "characteristics", f"choose of {', '.join(known)}")
    rng = np.random.default_rng(seed)
    chosen = np.zeros((allocations, regions), dtype=bool)
    for row in chosen:
        row[rng.choice(regions, size, replace=False)] = True
    rate = np.array([rates[rates > 0.0].mean() if (rates > 0.0).any() else 0.0 for rates in evaluator.push])
    outcomes = evaluator.evaluate(rate[:, None] * chosen[:, None])
    varies = {key: np.ptp(known[key]) > _NO_VARIATION * np.abs(known[key]).max() for key in names}
    kept = tuple(key for key in names if varies[key])
    means = chosen @ np.column_stack([known[key] for key in kept]) / size
    used = outcomes.steady
    none = float(evaluator.none.outcomes.gdp_share[-1, 0, evaluator.heavy])
    responses = {"gdp_share": outcomes.gdp_share - none, "welfare": outcomes.welfare_log}
    return RandomisedAllocations(
        treated=chosen,
        rate=rate,
        outcomes=outcomes,
        push=evaluator.pushed,
        none=none,
        names=kept,
        predictors=means,
        left_out=tuple(key for key in names if not varies[key]),
        used=used,
        predictions={key: predict(values[used], means[used], kept) for key, values in responses.items()},
    )


def predict(response: FloatArray, predictors: FloatArray, names: Sequence[str]) -> Prediction:
    """Regress a response (R,) on all predictors (R, K), on each alone, and on all but each."""
    joint = robust_ols(response, predictors, names)
    columns = range(len(names))
    alone = tuple(robust_ols(response, predictors[:, [k]], [names[k]]) for k in columns)
    others = [[name for name in names if name != names[k]] for k in columns]
    without = [robust_ols(response, np.delete(predictors, k, axis=1), others[k]).r_squared for k in columns]
    return Prediction(joint, alone, joint.r_squared - np.array(without))


# ---------------------------------------------------------------------------------------------------------------------
# the best rate for each region


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
