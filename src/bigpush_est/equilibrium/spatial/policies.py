"""Other policies in the push's place: subsidies to all firms, and the best uniform rate.

Section 6 names them and leaves them to an appendix that is not at hand: "General subsidies provided regardless of
adoption status yield weaker effects, whereas the optimal subsidy moves the economy to a steady state with higher heavy
manufacturing GDP shares."  This is our reading of what Section 6 names.  Choices:

* A policy is a rate for heavy manufacturing by policy period and region.  Afterwards comes the baseline's frozen
  economy; effects are against no policy at all.
* Welfare is ``outcomes.welfare``'s consumption-equivalent gain of the whole path by region, averaged over regions with
  the first period's labour: Σ_n L_n g_n / Σ_n L_n.
* A policy's bill is what subsidies cost over GDP; equally expensive policies have equal bills in every policy period.
* A path that ends in no steady state has a fate and no values: NaN, never the best.  So has one on which a tax above
  all income leaves nothing to consume.

An optimal subsidy does more than start a big push: it lowers prices that markups and distortions keep too high, and
pays for spillovers even where no steady state switches.  So it can be far above the push's rate.

Outcomes jump where the steady state switches.  So nothing here uses derivatives, and every optimum is the best of the
policies tried.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import partial
from typing import Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import elementwise

from bigpush_est.equilibrium.adoption_map import FloatArray, Index
from bigpush_est.equilibrium.spatial.dynamics import Path, solve_path
from bigpush_est.equilibrium.spatial.economy import SpatialEconomy
from bigpush_est.equilibrium.spatial.outcomes import measure as measured
from bigpush_est.equilibrium.spatial.outcomes import welfare
from bigpush_est.equilibrium.spatial.scenarios import Baseline, without_push
from bigpush_est.equilibrium.spatial.static import StaticEquilibrium, solve_static
from bigpush_est.errors import AssumptionViolated, InvalidValue, ShapeMismatch

type Measure = Literal["log", "linear"]
type Flags = NDArray[np.bool_]

#: Fate of a policy that costs less than it has to at any rate below ``_HIGHEST``; its path is not solved.
BILL_NOT_MET = "bill not met"
#: Fate of a policy that leaves some region without income on its way to a steady state.
NO_INCOME = "no income"
#: Highest rate that the search for a bill tries.
_HIGHEST = 0.95
#: Largest relative deviation of a bill that is met.
_BILL_TOLERANCE = 1e-8
#: Rates closer than this are one rate.
_SAME_RATE = 1e-9
#: Largest log residual of an equilibrium that is solved: ``solve_static``'s tolerance.
_SOLVED = 1e-10
#: Of each attempt at an equilibrium (some tens are usual): at high rates there can be none, which takes long to see.
_ITERATIONS = 200
#: Policies solved together: more take memory rather than save time.
_CHUNK = 64


@dataclass(frozen=True, slots=True)
class PathSettings:
    """How paths are solved (``solve_path``) and valued: discount factor a period, longest path, what stands still."""

    discount: float = 0.85
    max_periods: int = 500
    tolerance: float = 1e-8

    def __post_init__(self) -> None:
        require("discount", self.discount, 0.0 < self.discount < 1.0, "in (0, 1)", "the paper's is 0.85")
        require("max_periods", self.max_periods, self.max_periods >= 1, "at least 1", "allow for some hundred")
        require("tolerance", self.tolerance, 0.0 < self.tolerance < 1.0, "in (0, 1)", "1e-8 is usual")


@dataclass(frozen=True, slots=True, eq=False)
class PolicyOutcomes:
    """What D policies lead to; P policy periods, N regions; NaN unless ``fate`` is ``"steady state"``.

    Attributes
    ----------
    fate
        ``"steady state"``, ``"cycle"``, ``"not converged"``, ``NO_INCOME`` or ``BILL_NOT_MET``, (D,).
    periods, worst_residual
        Periods to the steady state and largest log residual on the way, (D,).
    gdp_share, export_intensity, employment_share, adopter_share
        Heavy manufacturing's in the steady state, fractions; the adopter share is the mean over regions, (D,).
    welfare_log, welfare_linear
        Mean gain over no policy, a fraction of consumption, (D,).
    regional_welfare
        The gain in log utility by region, (D, N).
    bill
        Subsidies over GDP by policy period, known wherever every equilibrium was solved, (D, P).
    """

    fate: NDArray[np.str_]
    periods: NDArray[np.int64]
    worst_residual: FloatArray
    gdp_share: FloatArray
    export_intensity: FloatArray
    employment_share: FloatArray
    adopter_share: FloatArray
    welfare_log: FloatArray
    welfare_linear: FloatArray
    regional_welfare: FloatArray
    bill: FloatArray

    @property
    def steady(self) -> Flags:
        """Which policies lead to a steady state, (D,)."""
        flags: Flags = np.equal(self.fate, "steady state")
        return flags

    @property
    def fates(self) -> dict[str, int]:
        """How many policies have each fate."""
        names, counts = np.unique(self.fate, return_counts=True)
        return {str(name): int(count) for name, count in zip(names, counts, strict=True)}

    def welfare(self, measure: Measure) -> FloatArray:
        """Return the mean gain by one of the two measures, (D,)."""
        require("measure", measure, measure in ("log", "linear"), "log or linear", "choose one of them")
        return self.welfare_log if measure == "log" else self.welfare_linear

    def best(self, measure: Measure) -> int:
        """Return which policy has the highest welfare; only those that lead to a steady state count."""
        return int(np.argmax(np.where(self.steady, self.welfare(measure), -np.inf)))

    def select(self, index: Index) -> Self:
        """Return some of the policies."""
        return type(self)(**{entry.name: getattr(self, entry.name)[index] for entry in fields(self)})

    @classmethod
    def join(cls, parts: Sequence[Self]) -> Self:
        """Return the policies of several batches behind each other."""
        return cls(**{e.name: np.concatenate([getattr(part, e.name) for part in parts]) for e in fields(cls)})


class PolicyEvaluator:
    """Solves batches of policies in one baseline and values them against no policy.

    Parameters
    ----------
    baseline
        One draw (``Baseline.draw``), with a push of heavy manufacturing in the policy periods only.
    settings
        How paths are solved and valued.

    Raises
    ------
    InvalidValue
        For several draws, or a push that is nowhere, elsewhere or at another time.
    AssumptionViolated
        If the path without any policy reaches no steady state: there is nothing to compare with.

    Examples
    --------
    The push of a small made-up economy, and its rate for everyone:

    >>> from bigpush_est.equilibrium.spatial.scenarios import example_baseline
    >>> evaluator = PolicyEvaluator(example_baseline())
    >>> push = evaluator.push
    >>> found = evaluator.evaluate(np.stack([push, np.full_like(push, 0.1)]))
    >>> found.fates, found.gdp_share.round(2).tolist(), found.welfare_log.round(3).tolist()
    ({'steady state': 2}, [0.36, 0.38], [0.062, 0.117])
    """

    def __init__(self, baseline: Baseline, settings: PathSettings | None = None) -> None:
        draws = max(baseline.n_draws, *(economy.n_draws for economy in baseline.economies))
        require("baseline", f"{draws} draws", draws == 1, "one draw: the axis is policies'", "pass baseline.draw(d)")
        self.baseline = baseline = baseline.draw()
        self.settings = settings or PathSettings()
        self.heavy, self.policy_periods = baseline.heavy, baseline.policy_periods
        self.economies = [without_push(economy) for economy in baseline.economies]
        self.starts = [equilibrium.point[0] for equilibrium in baseline.equilibria]
        #: population weights, (N,)
        self.weight: FloatArray = self.economies[0].labour / self.economies[0].labour.sum()
        #: the push's rates, (P, N)
        self.push: FloatArray = np.stack([baseline.economies[t].subsidy[self.heavy] for t in self.policy_periods])
        everywhere = sum(float((one.subsidy + one.general_subsidy).sum()) for one in baseline.economies)
        here = float(self.push.sum())
        require(
            "subsidy", f"{here:g} of {everywhere:g} in sum", here > 0.0 and np.isclose(here, everywhere, rtol=1e-12),
            "above 0 in heavy manufacturing and the policy periods, and 0 elsewhere",
            "check heavy and policy_periods of the baseline",
        )  # fmt: skip
        self.none = self._paths(np.zeros((1, *self.push.shape)))
        if self.none.fate[0] != "steady state":
            raise AssumptionViolated(
                assumption="a steady state without any policy", key="fate", value=str(self.none.fate[0]),
                count=1, total=1, remedy="raise max_periods, or look at this path first",
            )  # fmt: skip
        self.pushed = self.evaluate(self.push[None])

    @property
    def subsidised(self) -> Flags:
        """The regions that the push subsidises, (N,)."""
        flags: Flags = (self.push > 0.0).any(axis=0)
        return flags

    @property
    def mean_rate(self) -> float:
        """The push's mean rate where and when it is positive."""
        return float(self.push[self.push > 0.0].mean())

    def evaluate(
        self, adoption: FloatArray, general: FloatArray | None = None, met: Flags | None = None
    ) -> PolicyOutcomes:
        """Return what policies lead to.

        Parameters
        ----------
        adoption
            Rates of heavy manufacturing's adopters by policy period and region, (D, P, N).
        general
            Rates of all its firms; the baseline's by default, (D, P, N).
        met
            Which policies to solve; the others get the fate ``BILL_NOT_MET``, (D,).

        Raises
        ------
        ShapeMismatch, InvalidValue
            For rates of the wrong shape, or outside [0, 1).
        """
        given = {"adoption": adoption} if general is None else {"adoption": adoption, "general": general}
        for key, rates in given.items():
            if np.ndim(rates) != 3 or np.shape(rates) != (len(adoption), *self.push.shape):
                expected = f"(D, {self.push.shape[0]}, {self.push.shape[1]})"
                raise ShapeMismatch(
                    key=key, shape=np.shape(rates), expected=expected, remedy="policies, policy periods, regions"
                )
        solved = np.flatnonzero(np.ones(len(adoption), dtype=bool) if met is None else met)
        parts = []
        for first in range(0, solved.size, _CHUNK):
            rows = solved[first : first + _CHUNK]
            parts.append(self._outcomes(self._paths(adoption[rows], None if general is None else general[rows])))
        rest = np.setdiff1d(np.arange(len(adoption)), solved)
        parts.append(_unsolved(rest.size, *self.push.shape))
        return PolicyOutcomes.join(parts).select(np.argsort(np.concatenate([solved, rest])))

    def equal_bill(
        self, direction: FloatArray, *, general: bool = False, bill: ArrayLike | None = None
    ) -> tuple[FloatArray, Flags]:
        """Return the rates in proportion to ``direction`` whose bill is the push's in every policy period.

        Period by period, as one period's adopters decide on the next one's bill.

        Parameters
        ----------
        direction
            Rates up to a factor, (D, N); the factor of each policy period is bracketed.
        general
            Whether the rates are all firms' instead of adopters'.
        bill
            Subsidies over GDP by policy period, (P,); the push's by default.

        Returns
        -------
        tuple
            Rates (D, P, N), 0 where the bill is not met, and where it is met to 1e-8 of it in all periods, (D,).

        Raises
        ------
        InvalidValue, ShapeMismatch
            For directions that are negative or nowhere positive, or a bill that is not positive.
        """
        direction = np.asarray(direction, dtype=np.float64)
        target = np.asarray(self.pushed.bill[0] if bill is None else bill, dtype=np.float64)
        if direction.ndim != 2 or direction.shape[1] != self.push.shape[1]:
            expected = f"(D, {self.push.shape[1]})"
            raise ShapeMismatch(key="direction", shape=direction.shape, expected=expected, remedy="one row a policy")
        good = bool((np.isfinite(direction) & (direction >= 0.0)).all() and (direction > 0.0).any(axis=1).all())
        require("direction", "a row", good, "at least 0, and above 0 somewhere", "subsidise at least one region")
        good = target.shape == self.push.shape[:1] and bool((np.isfinite(target) & (target > 0.0)).all())
        require("bill", target, good, "a positive share of GDP for each policy period", "give one per policy period")
        rates, met = np.zeros((len(direction), *self.push.shape)), np.ones(len(direction), dtype=bool)
        first = min(self.policy_periods)
        share = np.repeat(self.none.shares[first], len(direction), axis=0)
        for period in range(first, max(self.policy_periods) + 1):
            if period in self.policy_periods:
                place = self.policy_periods.index(period)
                factor, found = self._factors(period, direction[met], share[met], general, target[place])
                rates[met, place] = factor[:, None] * direction[met]
                met[met] = found
                if not met.any():
                    break
                share[met] = self._static(period, rates[met, place], share[met], general).adopter_share
            else:
                share = self._static(period, np.zeros_like(direction), share, general).adopter_share
        rates[~met] = 0.0
        return rates, met

    def _factors(
        self, period: int, direction: FloatArray, share: FloatArray, general: bool, target: float
    ) -> tuple[FloatArray, Flags]:
        """Return by what to multiply directions (D, N) for a period's bill, and whether that meets it, each (D,)."""
        points = np.repeat(self.starts[period][None], len(direction), axis=0)

        def excess(factor: FloatArray, row: FloatArray) -> FloatArray:
            rows = row.astype(np.intp)
            solved = self._static(period, factor[:, None] * direction[rows], share[rows], general, points[rows])
            points[rows] = solved.point
            return np.where(solved.converged, measured(solved).subsidy_to_gdp / target - 1.0, np.nan)

        cap = _HIGHEST / direction.max(axis=1)
        upper, row = np.minimum(1.0, cap), np.arange(len(direction), dtype=np.float64)
        value = excess(upper, row) if row.size else np.zeros(0)
        while (short := (value < 0.0) & (upper < cap)).any():
            # by small steps: far above the rate that is looked for there may be no equilibrium
            upper[short] = np.minimum(1.3 * upper[short], cap[short])
            value[short] = excess(upper[short], row[short])
        factor, found = np.zeros(row.size), value >= 0.0
        if found.any():
            bracket = (np.zeros(found.sum()), upper[found])
            root = elementwise.find_root(excess, bracket, args=(row[found],), tolerances={"fatol": 1e-10}, maxiter=80)
            factor[found] = root.x
            found[found] = np.abs(root.f_x) <= _BILL_TOLERANCE
        return factor, found

    def _static(
        self, period: int, rates: FloatArray, share: FloatArray, general: bool, start: FloatArray | None = None
    ) -> StaticEquilibrium:
        none = np.zeros_like(rates)
        economy = self._economy(period, none if general else rates, rates if general else None)
        matrices = self.baseline.preconditioners
        return solve_static(
            economy,
            share,
            start=self.starts[period] if start is None else start,
            preconditioner=None if matrices is None else matrices[min(period, len(matrices) - 1)],
            tolerance=1e-12,  # a bill that is met to 1e-8 needs more digits than a path
            max_iterations=_ITERATIONS,
        )

    def _economy(self, period: int, adoption: FloatArray, general: FloatArray | None) -> SpatialEconomy:
        """Return a period's economy with heavy manufacturing's rates (D, N) in place of the push's."""
        economy, changes = self.economies[period], {"subsidy": adoption}
        if general is not None:
            changes["general_subsidy"] = general
        for key, rates in changes.items():
            changes[key] = np.repeat(getattr(economy, key)[None], len(rates), axis=0)
            changes[key][:, self.heavy] = rates
        return economy.changed(**changes)

    def _paths(self, adoption: FloatArray, general: FloatArray | None = None) -> Path:
        periods = [*self.economies, self.baseline.frozen()]
        for place, t in enumerate(self.policy_periods):
            periods[t] = self._economy(t, adoption[:, place], None if general is None else general[:, place])
        return solve_path(
            periods,
            np.repeat(self.baseline.initial_share[None], len(adoption), axis=0),
            solve=partial(solve_static, max_iterations=_ITERATIONS),
            starts=self.starts,
            preconditioners=self.baseline.preconditioners,
            max_periods=self.settings.max_periods,
            tolerance=self.settings.tolerance,
        )

    def _outcomes(self, path: Path) -> PolicyOutcomes:
        heavy, found = self.heavy, path.outcomes
        poor = (found.consumption <= 0.0).any(axis=(0, 2))
        fate = np.where((path.fate == "steady state") & poor, NO_INCOME, path.fate)
        steady = fate == "steady state"
        consumption, without = same_length(found.consumption, self.none.outcomes.consumption)
        gains = welfare(np.where(steady[:, None], consumption, without), without, self.settings.discount)

        def known(values: FloatArray) -> FloatArray:
            return np.where(steady.reshape(-1, *[1] * (values.ndim - 1)), values, np.nan)

        bill = found.subsidy_to_gdp[list(self.policy_periods)].T
        return PolicyOutcomes(
            fate=fate,
            periods=path.periods,
            worst_residual=path.worst_residual,
            gdp_share=known(found.gdp_share[-1, :, heavy]),
            export_intensity=known(found.export_intensity[-1, :, heavy]),
            employment_share=known(found.employment_share[-1, :, heavy]),
            adopter_share=known(found.adopter_share[-1, :, heavy].mean(axis=1)),
            welfare_log=known(gains["log"] @ self.weight),
            welfare_linear=known(gains["linear"] @ self.weight),
            regional_welfare=known(gains["log"]),
            bill=np.where((path.worst_residual <= _SOLVED)[:, None], bill, np.nan),
        )


def evaluator_of(baseline: Baseline | PolicyEvaluator, settings: PathSettings | None = None) -> PolicyEvaluator:
    """Return the evaluator that several exercises can share, or a new one."""
    if not isinstance(baseline, PolicyEvaluator):
        return PolicyEvaluator(baseline, settings)
    same = settings is None or settings == baseline.settings
    require("settings", settings, same, "the evaluator's own", "leave them out, or pass the baseline")
    return baseline


def _unsolved(count: int, periods: int, regions: int) -> PolicyOutcomes:
    """Return the outcomes of policies that cannot cost what they have to."""
    shapes: dict[str, tuple[int, ...]] = {"regional_welfare": (count, regions), "bill": (count, periods)}
    missing = {entry.name: np.full(shapes.get(entry.name, (count,)), np.nan) for entry in fields(PolicyOutcomes)}
    known = {"fate": np.full(count, BILL_NOT_MET), "periods": np.zeros(count, dtype=np.int64)}
    return PolicyOutcomes(**{**missing, **known})


def same_length(one: FloatArray, two: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return two series, periods first, of which the shorter one goes on with its last value."""
    length = max(len(one), len(two))
    longer = [np.concatenate([a, np.repeat(a[-1:], length - len(a), axis=0)]) for a in (one, two)]
    return longer[0], longer[1]


def require(key: str, value: object, good: bool | np.bool_, requirement: str, remedy: str) -> None:
    """Raise InvalidValue unless ``good``."""
    if not good:
        raise InvalidValue(key=key, value=value, requirement=requirement, remedy=remedy)


# ---------------------------------------------------------------------------------------------------------------------
# subsidies regardless of adoption


@dataclass(frozen=True, slots=True, eq=False)
class GeneralSubsidies:
    """Subsidies to all heavy firms that cost what the push costs.

    ``outcomes`` are those of ``policies``, in this order; ``rate`` is zero for no policy, the push's mean rate, and
    the rate of all firms, by policy period, (3, P).
    """

    policies: tuple[str, ...]
    rate: FloatArray
    outcomes: PolicyOutcomes

    @property
    def relative_effect(self) -> float:
        """The general subsidy's effect on heavy manufacturing's GDP share over the push's; NaN if unknown."""
        none, push, general = self.outcomes.gdp_share
        return float((general - none) / (push - none)) if push != none else float("nan")


def general_subsidies(baseline: Baseline | PolicyEvaluator, settings: PathSettings | None = None) -> GeneralSubsidies:
    """Subsidise the inputs of all heavy firms, adopters or not, where and when the push does, for the same bill.

    Our reading of "general subsidies provided regardless of adoption status" (Section 6).  The rate is one number in
    each policy period, g_t, at which g_t/(1 − g_t) Σ_n K_n/μ over GDP is the push's; it is found by bracketing.  It is
    paid on inputs of production, not on the costs of adoption and exporting.

    Examples
    --------
    >>> from bigpush_est.equilibrium.spatial.scenarios import example_baseline
    >>> found = general_subsidies(example_baseline())
    >>> found.policies, found.rate[2].round(3).tolist()
    (('none', 'push', 'general'), [0.101, 0.111])
    """
    evaluator = evaluator_of(baseline, settings)
    treated, nothing = evaluator.subsidised, np.zeros_like(evaluator.push)
    rates, met = evaluator.equal_bill(np.where(treated, evaluator.mean_rate, 0.0)[None], general=True)
    adoption, general = np.stack([nothing, evaluator.push, nothing]), np.stack([nothing, nothing, rates[0]])
    outcomes = evaluator.evaluate(adoption, general, np.array([True, True, met[0]]))
    used = evaluator.push[:, treated].mean(axis=1)
    rate = np.stack([0.0 * used, used, np.where(met[0], rates[0].max(axis=1), np.nan)])
    return GeneralSubsidies(("none", "push", "general"), rate, outcomes)


# ---------------------------------------------------------------------------------------------------------------------
# the best uniform rate


@dataclass(frozen=True, slots=True, eq=False)
class UniformOptimum:
    """Outcomes along uniform rates (G,), in ascending order, and which is ``best`` by ``measure``; the push beside."""

    measure: Measure
    rate: FloatArray
    outcomes: PolicyOutcomes
    best: int
    push: PolicyOutcomes

    @property
    def best_rate(self) -> float:
        """The rate of highest welfare among those tried."""
        return float(self.rate[self.best])

    @property
    def at_the_edge(self) -> bool:
        """Whether the best rate is the highest one tried: a higher one may be better."""
        return self.best == self.rate.size - 1

    @property
    def local_maxima(self) -> FloatArray:
        """Rates whose welfare is above both neighbours' (one neighbour's at the ends)."""
        known = self.outcomes.steady
        value = np.concatenate([[-np.inf], self.outcomes.welfare(self.measure)[known], [-np.inf]])
        return self.rate[known][(value[1:-1] > value[:-2]) & (value[1:-1] > value[2:])]


def optimal_uniform(
    baseline: Baseline | PolicyEvaluator,
    *,
    highest: float = 0.4,
    rates: int = 41,
    refinements: int = 2,
    measure: Measure = "log",
    regions: ArrayLike | None = None,
    settings: PathSettings | None = None,
) -> UniformOptimum:
    """Look for the one rate, for adopters in some regions and all policy periods, at which welfare is highest.

    Our reading of "the optimal subsidy" (Section 6): the best of a grid on [0, ``highest``], then of a grid of the same
    size over the two cells beside the best rate, ``refinements`` times.  Where steady states switch the objective
    jumps: an optimum between two points of the first grid can be missed, and the whole curve is returned.

    Parameters
    ----------
    baseline
        One draw, or its evaluator.
    highest, rates, refinements
        The grid: highest rate, number of rates, how often the best cells are searched again.
    measure
        Whether log or linear welfare is maximised.
    regions
        Who is subsidised, (N,) of bool; as in the push by default.
    settings
        How paths are solved and valued.

    Raises
    ------
    InvalidValue, ShapeMismatch
        For a highest rate outside (0, 1), fewer than 3 rates, or no region.

    Examples
    --------
    >>> from bigpush_est.equilibrium.spatial.scenarios import example_baseline
    >>> found = optimal_uniform(example_baseline(), highest=0.3, rates=7, refinements=1)
    >>> round(found.best_rate, 3), found.local_maxima.size
    (0.067, 1)
    """
    require("highest", highest, 0.0 < highest < 1.0, "in (0, 1)", "a rate is a share of input costs")
    require("rates", rates, rates >= 3, "at least 3", "use some tens")
    require("refinements", refinements, refinements >= 0, "at least 0", "2 narrow the cell by the grid's size squared")
    evaluator = evaluator_of(baseline, settings)
    chosen = evaluator.subsidised if regions is None else np.asarray(regions, dtype=bool)
    if chosen.shape != evaluator.subsidised.shape:
        expected = f"{evaluator.subsidised.shape}"
        raise ShapeMismatch(key="regions", shape=chosen.shape, expected=expected, remedy="one flag a region")
    require("regions", "none", bool(chosen.any()), "at least one", "subsidise some region")
    rate = np.linspace(0.0, highest, rates)
    outcomes = evaluator.evaluate(_uniform(evaluator, rate, chosen))
    for _ in range(refinements):
        best = outcomes.best(measure)
        finer = np.linspace(rate[max(best - 1, 0)], rate[min(best + 1, rate.size - 1)], rates)
        # a rate that was tried is not tried again, nor is one that differs from it by rounding
        finer = finer[np.abs(finer[:, None] - rate).min(axis=1) > _SAME_RATE]
        outcomes = PolicyOutcomes.join([outcomes, evaluator.evaluate(_uniform(evaluator, finer, chosen))])
        order = np.argsort(rate := np.concatenate([rate, finer]), kind="stable")
        rate, outcomes = rate[order], outcomes.select(order)
    return UniformOptimum(measure, rate, outcomes, outcomes.best(measure), evaluator.pushed)


def _uniform(evaluator: PolicyEvaluator, rate: FloatArray, regions: Flags) -> FloatArray:
    """Return the rates (D, P, N) of uniform policies (D,)."""
    return np.repeat((rate[:, None] * regions)[:, None], len(evaluator.policy_periods), axis=1)
