"""When Section 4's economy has several steady states: the exact condition, and Proposition 1(iv)'s intervals.

Steady states solve G(λ) = g(λ) − δλ = k or sit at a corner, and G is concave.  Hence

    several stable steady states  ⇔  G(1) < k < max G,

which needs G to fall at 1: **δ > g′(1)**.  With unbounded productivity and b = 1 − (σ−1)/θ,

    g′(1) = (σ−1)/θ + ((σ−2)/(σ−1)) b (1 − η^{1−σ}),

0.968 at the paper's σ = 5, θ = 4.24, η = 1.25: its δ = 0.68 gives one steady state for every L/F^T.  The
industrialised state of a trap is always full adoption, λ = 1, because an interior root beyond the peak is unstable.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bigpush_est.equilibrium.adoption_map import FloatArray, Function, bracketed_newton
from bigpush_est.equilibrium.simple.economy import Pin, SimpleEconomy
from bigpush_est.equilibrium.steady_states import peak_share


@dataclass(frozen=True, slots=True)
class Multiplicity:
    """The exact condition for several steady states, draw by draw; every array has shape (D,).

    Attributes
    ----------
    multiple
        Whether there are at least two stable steady states.
    possible
        Whether δ > g′(1): some L/F^T gives several.
    critical_delta
        g′(1), which δ must exceed.
    log_scale_low, log_scale_high
        The open interval of log(L/F^T) with several steady states; NaN where there is none.
    """

    multiple: NDArray[np.bool_]
    possible: NDArray[np.bool_]
    critical_delta: FloatArray
    log_scale_low: FloatArray
    log_scale_high: FloatArray


def multiplicity(economy: SimpleEconomy) -> Multiplicity:
    """Evaluate the exact condition G(1) < k < max G.

    Examples
    --------
    >>> economy = SimpleEconomy.build(eta=1.25, delta=[0.68, 1.5], log_scale=0.0)
    >>> result = multiplicity(economy)
    >>> result.possible.tolist(), result.critical_delta.round(3).tolist()
    ([False, True], [0.968, 0.968])
    >>> (result.log_scale_high - result.log_scale_low).round(2).tolist()
    [nan, 0.11]
    """
    ones = np.ones(economy.n_draws)
    at_one, critical, _ = economy.potential_derivatives(ones)
    peak = peak_share(economy)
    low = at_one - economy.delta
    with np.errstate(divide="ignore"):
        high = economy.potential(peak) - economy.delta * peak
    possible = economy.delta > critical
    shift = economy.level - economy.log_scale
    return Multiplicity(
        multiple=possible & (economy.level > low) & (economy.level < high),
        possible=possible,
        critical_delta=critical,
        log_scale_low=np.where(possible, low - shift, np.nan),
        log_scale_high=np.where(possible, high - shift, np.nan),
    )


@dataclass(frozen=True, slots=True)
class Interval:
    """Bounds of a parameter between which several steady states exist, shape (D,); NaN where there is no interval.

    ``high`` is ∞ where no value is too large.
    """

    low: FloatArray
    high: FloatArray

    @property
    def exists(self) -> NDArray[np.bool_]:
        """Whether any value of the parameter gives several steady states, shape (D,)."""
        result: NDArray[np.bool_] = np.isfinite(self.low)
        return result


def delta_interval(economy: SimpleEconomy) -> Interval:
    """[δ_lo, δ_hi] of Proposition 1(iv), holding η, σ, θ and L/F^T; the economy's own δ does not matter.

    k > G(1) reads δ > g(1) − k = δ_lo, and k < max G reads δ < max over λ of (g(λ) − k)/λ = δ_hi.  The maximum is
    interior, so the interval is not empty, if and only if δ_lo > g′(1); its place solves λ g′(λ) = g(λ) − k, whose
    difference is increasing because g is concave.  With bounded productivity and k ≤ g(0), no adoption is a steady
    state for every δ: δ_hi = ∞.

    Examples
    --------
    >>> interval = delta_interval(SimpleEconomy.pinned(eta=1.25, delta=3.0, adopter_share=0.07))
    >>> float(interval.low[0].round(3)), float(interval.high[0].round(3))
    (2.783, 6.315)
    """
    ones = np.ones(economy.n_draws)
    at_one, slope_at_one, _ = economy.potential_derivatives(ones)
    level = economy.level
    low = at_one - level
    exists = (low > slope_at_one) & (low > 0)
    with np.errstate(divide="ignore"):
        unbounded = economy.potential(np.zeros(economy.n_draws)) >= level
    high = np.full(economy.n_draws, np.nan)
    index = np.flatnonzero(exists & ~unbounded)
    if index.size:
        inner, target = economy.select(index), level[index]

        def restrict(chosen: NDArray[np.intp]) -> Function:
            some, some_target = inner.select(chosen), target[chosen]

            def tangency(share: FloatArray) -> tuple[FloatArray, FloatArray]:
                value, slope, curvature = some.potential_derivatives(share)
                return share * slope - (value - some_target), share * curvature

            return tangency

        # at the smallest share that g can reach at this level the difference is still positive; start the bracket there
        start = inner.inverse_start(target)
        touch = bracketed_newton(restrict, start, np.ones(index.size))
        high[index] = (inner.potential(touch) - target) / touch
    high[exists & unbounded] = np.inf
    return Interval(low=np.where(exists, low, np.nan), high=high)


def pinned_delta_interval(economy: SimpleEconomy, adopter_share: float, pin: Pin) -> Interval:
    """δ that gives several steady states when an observed share pins L/F^T, so that k moves with δ.

    With k = g(λ) − δλ (``pin = "steady_state"``), G(1) < k reads **δ > (g(1) − g(λ))/(1 − λ)**; k < max G then holds by
    itself, except at the tangency δ = g′(λ), beyond which the pinned share is the unstable state.
    With k = g(λ) (``"from_zero"``), k is fixed and the interval is ``delta_interval``'s.

    Examples
    --------
    >>> economy = SimpleEconomy.pinned(eta=1.25, delta=1.0, adopter_share=0.07)
    >>> float(pinned_delta_interval(economy, 0.07, "steady_state").low[0].round(2))
    2.77
    """
    shares = np.full(economy.n_draws, adopter_share)
    if pin == "from_zero":
        return delta_interval(economy)
    rise = economy.potential(np.ones(economy.n_draws)) - economy.potential(shares)
    return Interval(low=rise / (1.0 - shares), high=np.full(economy.n_draws, np.inf))


def eta_interval(economy: SimpleEconomy) -> Interval:
    """[η_lo, η_hi] of Proposition 1(iv), holding δ, σ, θ and L/F^T; the economy's own η does not matter.

    Both k − G(1) and k − max G increase with η, from −∞ to ∞: η_lo and η_hi are their roots, found by bisection on
    log(η^{σ−1} − 1).  The interval is not empty if and only if δ > g′(1) at η_lo.
    """

    def at(log_gain: FloatArray) -> SimpleEconomy:
        eta = np.exp(np.logaddexp(0.0, log_gain) / (economy.sigma - 1.0))
        return economy.changed(eta=np.maximum(eta, np.nextafter(1.0, 2.0)))

    def slack_at_one(candidate: SimpleEconomy) -> FloatArray:
        return candidate.potential(np.ones(candidate.n_draws)) - candidate.delta - candidate.level

    def slack_at_peak(candidate: SimpleEconomy) -> FloatArray:
        peak = peak_share(candidate)
        return candidate.potential(peak) - candidate.delta * peak - candidate.level

    # η^{σ−1} − 1 from 1e-12, below which η differs from 1 by less than rounding, to η = e^60 or what can be computed
    bottom, top = np.full(economy.n_draws, -28.0), np.minimum(60.0 * (economy.sigma - 1.0), 600.0)

    def root(slack_of: Callable[[SimpleEconomy], FloatArray]) -> FloatArray:
        low, high = bottom, top
        middle: FloatArray = 0.5 * (low + high)
        for _ in range(60):
            above = slack_of(at(middle)) > 0
            low, high = np.where(above, middle, low), np.where(above, high, middle)
            middle = 0.5 * (low + high)
        return middle

    first, last = root(slack_at_one), root(slack_at_peak)
    lowest = at(first)
    critical = lowest.potential_derivatives(np.ones(economy.n_draws))[1]
    exists = (economy.delta > critical) & (first > bottom + 1e-6) & (first < top - 1e-6)
    return Interval(low=np.where(exists, lowest.eta, np.nan), high=np.where(exists, at(last).eta, np.nan))
