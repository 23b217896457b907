"""Proposition 2: the smallest one-time subsidy that lifts the economy over the unstable steady state S^U.

Let the economy start at λ_0 ≤ S^U, and let a subsidy last one period.  It works if and only if that period's share
exceeds S^U, that is if at λ = S^U the subsidised left side of eq. (4.4)'s logs is still below its right side.

*Fixed adoption costs* (a share s^F): log 1/(1−s^F) > δ(S^U − λ_0), so **s̲^F = 1 − exp(−δ(S^U − λ_0))**.  It is
feasible only if the labour tax that pays for it does not exceed 1.

*Adopters' inputs* (a share s): with u = M(S^U)/M(1), y = 1 − s, h = η^{σ−1} and E = h y^{1−σ}, define

    log R(s) = log(E − 1) + log(1 − u + E u)/(σ−1) − log(1 − u + E u/y).

The subsidy works if and only if log R(s) − log R(0) > δ(S^U − λ_0).  R rises with s to a single peak (or without end,
towards log η − ((σ−2)/(σ−1)) log u): a subsidy makes adoption pay, but it also draws labour to adopters, which shrinks
the output that finances adoption.  So R is bounded, and **a threshold need not exist**: where δ(S^U − λ_0) exceeds the
peak, no input subsidy below 100% is enough; and where R falls back below it as s → 1, too large a subsidy fails as
well.  Proposition 2(i) holds where neither happens.
"""

from dataclasses import dataclass
from typing import Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bigpush_est.equilibrium.adoption_map import FloatArray, Function, bracketed_newton
from bigpush_est.equilibrium.simple.economy import SimpleEconomy
from bigpush_est.equilibrium.simple.outcomes import static_outcomes
from bigpush_est.equilibrium.steady_states import SteadyStates, starting_shares, steady_states
from bigpush_est.errors import InvalidValue

type Instrument = Literal["input", "cost"]

DEFINED, NO_TRAP, OUT_OF_REACH, NOT_FINANCEABLE = 0, 1, 2, 3
#: What the codes of ``PushThreshold.status`` mean.
STATUS = ("defined", "no trap to leave", "no subsidy below 100% suffices", "labour tax would exceed 100%")
#: −log(1 − s) up to which a subsidy is searched for: a firm would pay less than 1e-13 of its costs.
LARGEST_LOG_KEEP = 30.0


@dataclass(frozen=True, slots=True)
class PushThreshold:
    """The smallest sufficient one-time subsidy of each draw; every array has shape (D,).

    Attributes
    ----------
    subsidy
        s̲ (or s̲^F): any larger one works, up to ``largest``; NaN unless ``status`` is 0.
    largest
        Where the working subsidies end: 1 unless an input subsidy's effect falls back below the gap.
    labour_tax
        τ^w at the threshold.
    gap
        δ(S^U − λ_0), what the subsidy has to make up for, in logs of eq. (4.4); NaN without a trap.
    reach
        The most that the instrument can do, in the same units (∞ for fixed costs).
    status
        Index into ``STATUS``.
    """

    subsidy: FloatArray
    largest: FloatArray
    labour_tax: FloatArray
    gap: FloatArray
    reach: FloatArray
    status: NDArray[np.int8]


def push_threshold(
    economy: SimpleEconomy,
    start: ArrayLike,
    instrument: Instrument = "input",
    states: SteadyStates | None = None,
) -> PushThreshold:
    """Smallest one-time subsidy that moves each draw from ``start`` out of the underdevelopment region [0, S^U].

    Parameters
    ----------
    economy
        Without subsidies.
    start
        λ_0, a share or one per draw.
    instrument
        ``"input"``: a share of adopters' input costs; ``"cost"``: a share of the fixed adoption cost.
    states
        The economy's steady states, if known.

    Raises
    ------
    InvalidValue
        For an unknown instrument, a start outside [0, 1], or an economy that already carries a subsidy.

    Examples
    --------
    >>> economy = SimpleEconomy.pinned(eta=1.25, delta=3.0, adopter_share=0.07)
    >>> cost = push_threshold(economy, 0.07, "cost")
    >>> float(cost.subsidy[0].round(3)), STATUS[push_threshold(economy, 0.07).status[0]]
    (0.915, 'no subsidy below 100% suffices')
    """
    if instrument not in ("input", "cost"):
        raise InvalidValue(
            key="instrument", value=instrument, requirement="'input' or 'cost'", remedy="choose one of the two"
        )
    if np.any(economy.input_subsidy > 0) or np.any(economy.cost_subsidy > 0):
        raise InvalidValue(
            key="economy", value="subsidised", requirement="without subsidies", remedy="pass the unsubsidised economy"
        )
    initial = starting_shares(economy, start)
    states = steady_states(economy) if states is None else states
    threshold = states.threshold
    with np.errstate(invalid="ignore"):
        trapped = states.multiple & (initial <= threshold)
    draws = economy.n_draws
    subsidy, tax, gap = (np.full(draws, np.nan) for _ in range(3))
    largest, reach = np.full(draws, 1.0), np.full(draws, np.inf)
    status = np.full(draws, NO_TRAP, dtype=np.int8)
    index = np.flatnonzero(trapped)
    if not index.size:
        return PushThreshold(subsidy, largest, tax, gap, reach, status)

    inner, target, begin = economy.select(index), threshold[index], initial[index]
    needed = inner.delta * (target - begin)
    if instrument == "cost":
        found, upper, limit = -np.expm1(-needed), np.ones(index.size), np.full(index.size, np.inf)
        within = np.ones(index.size, dtype=bool)
        policy = inner.with_subsidy(cost_subsidy=np.minimum(found, np.nextafter(1.0, 0.0)))
    else:
        found, upper, limit = _input_threshold(inner, target, needed)
        within = np.isfinite(found)
        policy = inner.with_subsidy(input_subsidy=np.where(within, found, 0.0))
    # the period's share is S^U, by the definition of the threshold
    taxed = static_outcomes(policy, target, begin).labour_tax
    code = np.where(within, np.where(taxed <= 1.0, DEFINED, NOT_FINANCEABLE), OUT_OF_REACH)
    status[index] = code
    subsidy[index] = np.where(code == DEFINED, found, np.nan)
    tax[index] = np.where(within, taxed, np.nan)
    gap[index], reach[index], largest[index] = needed, limit, upper
    return PushThreshold(subsidy, largest, tax, gap, reach, status)


@dataclass(frozen=True, slots=True)
class _InputEffect:
    """log R as a function of w = −log(1 − s) at a given share; every array has shape (D,)."""

    sigma: FloatArray
    log_gain: FloatArray  # log h
    adopting: FloatArray  # u

    @classmethod
    def at(cls, economy: SimpleEconomy, share: FloatArray) -> Self:
        return cls(
            sigma=economy.sigma,
            log_gain=(economy.sigma - 1.0) * np.log(economy.eta),
            adopting=economy.mass(share) / economy.total_mass,
        )

    def select(self, index: NDArray[np.intp]) -> Self:
        return type(self)(self.sigma[index], self.log_gain[index], self.adopting[index])

    def value_and_slope(self, w: FloatArray) -> tuple[FloatArray, FloatArray]:
        """log R(s) and d log R/dw = (σ−1)/(E−1) − (1−u)/(1−u+Eu) + σ(1−u)/(1−u+Eu/y).

        The slope is written without the terms that cancel at large w, where it is of the order of 1/E.
        """
        rate, u, staying = self.sigma - 1.0, self.adopting, 1.0 - self.adopting
        excess = np.expm1(self.log_gain + rate * w)
        adopters = (excess + 1.0) * u
        index, spending = staying + adopters, staying + adopters * np.exp(w)
        value = np.log(excess) + np.log(index) / rate - np.log(spending)
        return value, rate / excess - staying / index + self.sigma * staying / spending

    def slope_and_curvature(self, w: FloatArray) -> tuple[FloatArray, FloatArray]:
        """E times d log R/dw, which does not flatten out as w grows, and the derivative of that product."""
        rate, u, staying = self.sigma - 1.0, self.adopting, 1.0 - self.adopting
        excess = np.expm1(self.log_gain + rate * w)
        gain = excess + 1.0
        index, spending = staying / gain + u, staying / gain + u * np.exp(w)
        lost, drawn = staying / index, self.sigma * staying / spending
        product = rate * gain / excess - lost + drawn
        change = (
            -rate * rate * gain / excess**2
            - rate * lost * staying / (gain * index)
            + drawn * (rate * staying / gain - u * np.exp(w)) / spending
        )
        return product, change


def input_subsidy_effect(economy: SimpleEconomy, share: FloatArray, log_keep: FloatArray) -> tuple[FloatArray, ...]:
    """log R(s) − log R(0) at λ and its derivative in w = −log(1 − s), each of shape (D,)."""
    effect = _InputEffect.at(economy, share)
    value, slope = effect.value_and_slope(log_keep)
    return value - effect.value_and_slope(np.zeros_like(log_keep))[0], slope


def _input_threshold(
    economy: SimpleEconomy, target: FloatArray, needed: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the ends of the working subsidies (NaN, 1 if out of reach) and the peak effect, each of shape (D,)."""
    draws = economy.n_draws
    effect = _InputEffect.at(economy, target)
    nothing, far = np.zeros(draws), np.full(draws, LARGEST_LOG_KEEP)
    unsubsidised = effect.value_and_slope(nothing)[0]
    # the effect is single-peaked, and has an interior peak only if (1 − u)/u > σ − 1, that is u < 1/σ
    index = np.flatnonzero(effect.adopting * economy.sigma < 1.0)
    top = far.copy()
    top[index] = bracketed_newton(
        lambda chosen: effect.select(index[chosen]).slope_and_curvature, nothing[index], far[index]
    )
    reach = effect.value_and_slope(top)[0] - unsubsidised
    within = needed < reach

    def crossing(index: NDArray[np.intp], low: FloatArray, high: FloatArray, sign: float) -> FloatArray:
        """Where the effect equals what is needed: it rises from low to high (sign 1) or falls (−1)."""

        def restrict(chosen: NDArray[np.intp]) -> Function:
            some = effect.select(index[chosen])
            level = (needed + unsubsidised)[index[chosen]]

            def missing(w: FloatArray) -> tuple[FloatArray, FloatArray]:
                value, slope = some.value_and_slope(w)
                return sign * (level - value), -sign * slope

            return missing

        return -np.expm1(-bracketed_newton(restrict, low[index], high[index]))

    smallest, largest = np.full(draws, np.nan), np.ones(draws)
    index = np.flatnonzero(within)
    if index.size:
        smallest[index] = crossing(index, nothing, top, 1.0)
    index = np.flatnonzero(within & (top < far) & (effect.value_and_slope(far)[0] - unsubsidised < needed))
    if index.size:
        largest[index] = crossing(index, top, far, -1.0)
    return smallest, largest, reach
