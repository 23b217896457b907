"""Sensitivity of an event study to violations of parallel trends (Rambachan and Roth, Review of Economic Studies 2023).

The restrictions are in ``honest_restrictions``, the fixed-length intervals in ``honest_flci``, the conditional and
hybrid sets in ``honest_conditional``.  Here they meet: a confidence set for l'τ_post at each bound M, and the breakdown
value, the bound from which on the set includes the null value.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import linprog
from scipy.special import ndtri

from bigpush_est.errors import InvalidValue, ShapeMismatch
from bigpush_est.reduced_form.honest.conditional import ConditionalMethod, ConditionalTest, conditional_test
from bigpush_est.reduced_form.honest.flci import FixedLengthInterval, fixed_length_interval
from bigpush_est.reduced_form.honest.restrictions import (
    BiasSign,
    RestrictionName,
    identified_interval,
    polyhedra,
)
from bigpush_est.reduced_form.result import Result, axes_or_new

if TYPE_CHECKING:
    from matplotlib.axes import Axes

type FloatArray = NDArray[np.float64]
type Method = Literal["flci"] | ConditionalMethod

METHODS: tuple[Method, ...] = ("flci", "conditional", "hybrid_lf", "hybrid_flci")
DEFAULT_BOUNDS = (0.0, 0.5, 1.0, 1.5, 2.0)
_GRID = 1000
_SYMBOLS = {"relative_magnitudes": "ΔRM(M̄)", "smoothness": "ΔSD(M)", "relative_smoothness": "ΔSDRM(M̄)"}


@dataclass(frozen=True, slots=True)
class RobustSet:
    """A confidence set: the union of disjoint intervals, in order; empty if there is none.

    Attributes
    ----------
    intervals
        (low, high) each; an infinite end means that the set goes on as far as was looked.
    """

    intervals: tuple[tuple[float, float], ...]

    @property
    def empty(self) -> bool:
        """Whether every value is rejected: the data contradict the restriction."""
        return not self.intervals

    @property
    def low(self) -> float:
        """Lowest value; NaN if empty."""
        return self.intervals[0][0] if self.intervals else float("nan")

    @property
    def high(self) -> float:
        """Highest value; NaN if empty."""
        return self.intervals[-1][1] if self.intervals else float("nan")

    def contains(self, value: float) -> bool:
        """Whether the value is in the set."""
        return any(low <= value <= high for low, high in self.intervals)


@dataclass(frozen=True, slots=True)
class SensitivityRow:
    """What is known of l'τ_post at one bound.

    Attributes
    ----------
    bound
        M or M̄.
    confidence
        The confidence set.
    identified
        Bounds that would hold if the estimates were the truth; None if no trend of the restriction fits the leads.
    """

    bound: float
    confidence: RobustSet
    identified: tuple[float, float] | None


@dataclass(frozen=True, slots=True, repr=False)
class HonestDiD(Result):
    """A sensitivity analysis.

    Attributes
    ----------
    restriction, method, bias_sign, level
        As asked for.
    weights
        l over the P post-periods.
    estimate
        l'β̂_post.
    original
        Its usual interval, which takes parallel trends as exact.
    rows
        One per bound.
    breakdown
        Bound from which on the set includes the null value: 0 if it always does, ∞ if it did not up to the bound that
        ``searched_to`` gives.
    null_value
        Which value the breakdown is about.
    searched_to
        Largest bound tried for the breakdown.
    """

    restriction: RestrictionName
    method: Method
    bias_sign: BiasSign
    level: float
    weights: FloatArray
    estimate: float
    original: tuple[float, float]
    rows: tuple[SensitivityRow, ...]
    breakdown: float
    null_value: float
    searched_to: float

    def tidy(self) -> pd.DataFrame:
        """Return one row per bound; the hull of a set that falls into pieces, whose number is given."""
        columns = [
            {
                "bound": row.bound,
                "conf_low": row.confidence.low,
                "conf_high": row.confidence.high,
                "pieces": len(row.confidence.intervals),
                "empty": row.confidence.empty,
                "identified_low": row.identified[0] if row.identified else np.nan,
                "identified_high": row.identified[1] if row.identified else np.nan,
                "restriction": self.restriction,
                "method": self.method,
            }
            for row in self.rows
        ]
        return pd.DataFrame(columns)

    def summary(self) -> str:
        """Lay the analysis out as text."""
        share = f"{100 * self.level:g}%"
        lines = [
            f"Sensitivity to violations of parallel trends: {_SYMBOLS[self.restriction]}, method {self.method}",
            f"estimate {self.estimate:.4f}; usual {share} interval [{self.original[0]:.4f}, {self.original[1]:.4f}]",
            f"{'bound':>8}  {share + ' set':<28}if the estimates were the truth",
        ]
        for row in self.rows:
            pieces = " and ".join(f"[{low:.4f}, {high:.4f}]" for low, high in row.confidence.intervals)
            known = (
                f"[{row.identified[0]:.4f}, {row.identified[1]:.4f}]"
                if row.identified
                else "nothing: no such trend fits the leads"
            )
            lines.append(f"{row.bound:>8.4g}  {pieces or 'empty':<28}{known}")
        breakdown = f"{self.breakdown:.4g}" if np.isfinite(self.breakdown) else f"above {self.searched_to:.4g}"
        lines.append(f"breakdown value (the set includes {self.null_value:g} from there on): {breakdown}")
        return "\n".join(lines)

    def plot(self, axes: "Axes | None" = None) -> "Axes":
        """Draw the set at each bound beside the usual interval."""
        axes = axes_or_new(axes)
        axes.axhline(self.null_value, color="#6B6B6B", linewidth=0.7)
        places = np.arange(len(self.rows) + 1)
        axes.plot([0, 0], self.original, color="#D55E00", linewidth=2, label="parallel trends exact")
        for place, row in zip(places[1:], self.rows, strict=True):
            for number, piece in enumerate(row.confidence.intervals):
                first = place == 1 and number == 0
                axes.plot([place, place], piece, color="#0072B2", linewidth=2, label="robust" if first else None)
            if row.confidence.empty:
                axes.annotate("empty", (place, self.estimate), ha="center")
        axes.plot([0], [self.estimate], "o", color="#D55E00", markersize=4)
        axes.set_xticks(places, ["usual", *(f"{row.bound:g}" for row in self.rows)])
        axes.set_xlabel(f"bound of {_SYMBOLS[self.restriction]}")
        axes.set_ylabel(f"{100 * self.level:g}% confidence set")
        axes.legend(frameon=False)
        return axes

    def printed(self) -> pd.DataFrame:
        """Return the sets by bound with headings to print."""
        return self.tidy()[["bound", "conf_low", "conf_high", "identified_low", "identified_high"]].rename(
            columns={
                "bound": "Bound",
                "conf_low": "Low",
                "conf_high": "High",
                "identified_low": "Identified low",
                "identified_high": "Identified high",
            }
        )


@dataclass(frozen=True, slots=True)
class _Problem:
    coefficients: FloatArray
    covariance: FloatArray
    pre: int
    weights: FloatArray
    restriction: RestrictionName
    bias_sign: BiasSign
    method: Method
    level: float
    first_size: float
    draws: int
    seed: int

    @property
    def estimate(self) -> float:
        return float(self.weights @ self.coefficients[self.pre :])

    @property
    def deviation(self) -> float:
        return float(np.sqrt(self.weights @ self.covariance[self.pre :, self.pre :] @ self.weights))

    def interval(self, bound: float, level: float) -> FixedLengthInterval:
        return fixed_length_interval(self.coefficients, self.covariance, self.pre, self.weights, bound, level)

    def tests(self, bound: float) -> list[ConditionalTest]:
        assert self.method != "flci"
        first = self.interval(bound, 1.0 - self.first_size) if self.method == "hybrid_flci" else None
        members = polyhedra(self.restriction, self.pre, len(self.weights), bound, self.bias_sign)
        return [
            conditional_test(
                self.coefficients,
                self.covariance,
                self.pre,
                self.weights,
                member,
                method=self.method,
                level=self.level,
                first_size=self.first_size,
                first_interval=first,
                draws=self.draws,
                seed=self.seed,
            )
            for member in members
        ]

    def includes(self, bound: float, value: float) -> bool:
        """Whether the set at a bound includes a value."""
        if self.method == "flci":
            found = self.interval(bound, self.level)
            return found.low <= value <= found.high
        return any(bool(test.accepts(np.array([value]))[0]) for test in self.tests(bound))

    def confidence(self, bound: float, identified: tuple[float, float] | None) -> RobustSet:
        if self.method == "flci":
            found = self.interval(bound, self.level)
            return RobustSet(((found.low, found.high),))
        tests = self.tests(bound)

        def accepts(theta: FloatArray) -> NDArray[np.bool_]:
            return np.any([test.accepts(theta) for test in tests], axis=0)

        inner = [self.estimate, *(identified or ()), *(_least_violated(test) for test in tests)]
        return _accepted(accepts, np.array(inner), self.deviation)


def _least_violated(test: ConditionalTest) -> float:
    """Return the θ at which η̂ is smallest: max_v (a_v − b_v θ) is convex in θ."""
    levels, slopes = test.vertices @ test.base, test.vertices @ test.slope
    if not (slopes.max() > 0 > slopes.min()):  # η̂ falls without end in one direction
        return float("nan")
    found = linprog(
        [0.0, 1.0], A_ub=np.column_stack([-slopes, -np.ones_like(slopes)]), b_ub=-levels, bounds=(None, None)
    )
    return float(np.asarray(found.x)[0]) if found.status == 0 else float("nan")


def _accepted(accepts: Callable[[FloatArray], NDArray[np.bool_]], inner: FloatArray, unit: float) -> RobustSet:
    """Look for the accepted set on a grid that reaches beyond it, then bisect each of its ends."""
    inner = inner[np.isfinite(inner)]
    reach = 20.0 * unit
    for _ in range(40):
        low, high = float(inner.min()) - reach, float(inner.max()) + reach
        grid = np.unique(np.concatenate([np.linspace(low, high, _GRID), inner]))
        inside = accepts(grid)
        if not (inside[0] or inside[-1]):
            break
        reach *= 2.0
    if not inside.any():
        return RobustSet(())
    starts = np.flatnonzero(inside & ~np.concatenate([[False], inside[:-1]]))
    stops = np.flatnonzero(inside & ~np.concatenate([inside[1:], [False]]))

    def end(outside: float, within: float) -> float:
        while abs(outside - within) > 1e-9 * unit:
            middle = 0.5 * (outside + within)
            if middle in (outside, within):
                break
            outside, within = (outside, middle) if accepts(np.array([middle]))[0] else (middle, within)
        return within

    intervals = []
    for start, stop in zip(starts, stops, strict=True):
        left = end(grid[start - 1], grid[start]) if start > 0 else -np.inf
        right = end(grid[stop + 1], grid[stop]) if stop + 1 < len(grid) else np.inf
        intervals.append((float(left), float(right)))
    return RobustSet(tuple(intervals))


def _post_weights(weights: str | ArrayLike, post: int) -> FloatArray:
    named: dict[str, FloatArray] = {
        "average": np.full(post, 1.0 / post),
        "first": np.eye(post)[0],
        "last": np.eye(post)[-1],
    }
    if isinstance(weights, str):
        if weights not in named:
            raise InvalidValue(
                key="weights",
                value=repr(weights),
                requirement=f"one of {', '.join(named)}, or {post} numbers",
                remedy="name one of them",
            )
        return named[weights]
    given = np.asarray(weights, dtype=float)
    if given.shape != (post,):
        raise ShapeMismatch(
            key="weights", shape=given.shape, expected=f"({post},)", remedy="give one weight per post-period"
        )
    if not (np.isfinite(given).all() and np.any(given != 0)):
        raise InvalidValue(
            key="weights", value=given.tolist(), requirement="finite and not all zero", remedy="weight a post-period"
        )
    return given


def _check_estimates(
    coefficients: ArrayLike, covariance: ArrayLike, periods: Sequence[int], reference: int
) -> tuple[FloatArray, FloatArray, int]:
    beta, sigma = np.asarray(coefficients, dtype=float), np.asarray(covariance, dtype=float)
    times = [int(period) for period in periods]
    if beta.shape != (len(times),):
        raise ShapeMismatch(
            key="coefficients",
            shape=beta.shape,
            expected=f"({len(times)},)",
            remedy="give one coefficient per period, without the reference period",
        )
    if sigma.shape != (len(times), len(times)):
        raise ShapeMismatch(
            key="covariance",
            shape=sigma.shape,
            expected=f"({len(times)}, {len(times)})",
            remedy="give the covariance of these coefficients, in their order",
        )
    if not (np.isfinite(beta).all() and np.isfinite(sigma).all()):
        raise InvalidValue(
            key="coefficients and covariance",
            value="missing or infinite",
            requirement="finite",
            remedy="drop event times that were not estimated",
        )
    everything = sorted([*times, reference])
    if times != sorted(times) or everything != list(range(everything[0], everything[0] + len(everything))):
        raise InvalidValue(
            key="periods",
            value=times,
            requirement=f"consecutive and in order, with only {reference} (the reference period) left out",
            remedy="pass the event times of the coefficients and name the reference period",
        )
    pre = sum(time < reference for time in times)
    if pre == 0 or pre == len(times):
        raise InvalidValue(
            key="periods",
            value=times,
            requirement="on both sides of the reference period",
            remedy="estimate at least one lead and one lag",
        )
    if not np.allclose(sigma, sigma.T, rtol=1e-8, atol=1e-12 * float(np.abs(sigma).max())):
        raise InvalidValue(
            key="covariance", value="not symmetric", requirement="symmetric", remedy="pass the estimator's covariance"
        )
    sigma = 0.5 * (sigma + sigma.T)
    smallest, largest = np.linalg.eigvalsh(sigma)[[0, -1]]
    if not smallest > 1e-12 * largest:
        raise InvalidValue(
            key="covariance",
            value=f"smallest eigenvalue {smallest:.2e}",
            requirement="positive definite",
            remedy="a two-way covariance need not be: repair it, cluster in one dimension, or use fewer event times",
        )
    return beta, sigma, pre


def honest_did(
    coefficients: ArrayLike,
    covariance: ArrayLike,
    periods: Sequence[int],
    *,
    reference: int = -1,
    weights: str | ArrayLike = "average",
    restriction: RestrictionName = "relative_magnitudes",
    bounds: Sequence[float] | None = None,
    method: Method | None = None,
    bias_sign: BiasSign = None,
    level: float = 0.95,
    first_size: float | None = None,
    null_value: float = 0.0,
    draws: int = 10_000,
    seed: int = 0,
) -> HonestDiD:
    """Confidence sets for post-treatment effects that allow for bounded violations of parallel trends.

    Parameters
    ----------
    coefficients, covariance
        β̂ of the event times, shape (T + P,), and their covariance.
    periods
        Their event times, consecutive, without the reference period.
    reference
        The normalised event time.
    weights
        l: "average" of the post-periods, "first", "last", or one number each.
    restriction
        "relative_magnitudes", "smoothness" or "relative_smoothness".
    bounds
        M̄ or M, one set each.  Default: 0, 0.5, 1, 1.5, 2 for the relative restrictions; the same multiples of the
        largest second difference among the leads for smoothness.
    method
        Default: "flci" for smoothness without a sign, "hybrid_flci" with one, otherwise "hybrid_lf".
    bias_sign
        "positive" or "negative" if the bias after the event is known to have that sign.
    level
        Confidence level.
    first_size
        κ of a hybrid; default α/10.
    null_value
        Of which the breakdown value is sought.
    draws, seed
        Of the least favourable critical value.

    Returns
    -------
    HonestDiD
        Sets, identified bounds and the breakdown value.

    Raises
    ------
    ShapeMismatch
        For coefficients, covariance or weights of the wrong size.
    InvalidValue
        For event times with gaps, a covariance that is not positive definite, or options that do not go together.

    Examples
    --------
    >>> result = honest_did([0.02, -0.01, 0.5], 0.01 * np.eye(3), [-3, -2, 0], bounds=[0.0, 1.0])
    >>> [(round(row.confidence.low, 2), round(row.confidence.high, 2)) for row in result.rows]
    [(0.29, 0.71), (0.18, 0.82)]
    """
    beta, sigma, pre = _check_estimates(coefficients, covariance, periods, reference)
    if not 0.5 < level < 1:
        raise InvalidValue(key="level", value=level, requirement="between 0.5 and 1", remedy="pass 0.95 or 0.9")
    smooth = restriction == "smoothness"
    chosen: Method = method or (("hybrid_flci" if bias_sign else "flci") if smooth else "hybrid_lf")
    if chosen not in METHODS:
        raise InvalidValue(
            key="method", value=repr(chosen), requirement=f"one of {', '.join(METHODS)}", remedy="name one of them"
        )
    if chosen in ("flci", "hybrid_flci") and not smooth:
        raise InvalidValue(
            key="method",
            value=chosen,
            requirement="'conditional' or 'hybrid_lf' unless the restriction is smoothness",
            remedy="a fixed-length interval under relative magnitudes would be infinite: leave the method out",
        )
    if chosen == "flci" and bias_sign is not None:
        raise InvalidValue(
            key="method", value="flci", requirement="another one with a bias_sign", remedy="use 'hybrid_flci'"
        )
    alpha = 1.0 - level
    kappa = alpha / 10.0 if first_size is None else first_size
    if not 0 < kappa < alpha:
        raise InvalidValue(key="first_size", value=kappa, requirement=f"in (0, {alpha:g})", remedy="leave it out")
    if draws < 1000:
        raise InvalidValue(key="draws", value=draws, requirement="at least 1000", remedy="leave it out")
    problem = _Problem(
        beta,
        sigma,
        pre,
        _post_weights(weights, len(beta) - pre),
        restriction,
        bias_sign,
        chosen,
        level,
        kappa,
        draws,
        seed,
    )
    leads = np.append(beta[:pre], 0.0)
    unit = float(np.max(np.abs(np.diff(leads, n=2)), initial=0.0)) if pre > 1 else abs(float(leads[0]))
    values = [float(b) for b in bounds] if bounds is not None else [m * (unit if smooth else 1) for m in DEFAULT_BOUNDS]
    rows = []
    for bound in values:
        members = polyhedra(restriction, pre, len(problem.weights), bound, bias_sign)
        identified = identified_interval(beta, pre, problem.weights, members)
        rows.append(SensitivityRow(bound, problem.confidence(bound, identified), identified))
    breakdown, searched = _breakdown(problem, null_value, max(unit, problem.deviation) if smooth else 1.0)
    half = float(ndtri(0.5 + level / 2)) * problem.deviation
    return HonestDiD(
        restriction,
        chosen,
        bias_sign,
        level,
        problem.weights,
        problem.estimate,
        (problem.estimate - half, problem.estimate + half),
        tuple(rows),
        breakdown,
        null_value,
        searched,
    )


def _breakdown(problem: _Problem, null_value: float, unit: float) -> tuple[float, float]:
    """Smallest bound at which the set includes the null value, to four digits, and the largest bound tried."""
    if problem.includes(0.0, null_value):
        return 0.0, 0.0
    low, high = 0.0, unit
    for _ in range(12):
        if problem.includes(high, null_value):
            break
        low, high = high, 2.0 * high
    else:
        return float("inf"), low
    for _ in range(40):
        if high - low <= 1e-5 * high:
            break
        middle = 0.5 * (low + high)
        low, high = (low, middle) if problem.includes(middle, null_value) else (middle, high)
    return high, high
