"""Section 4's economy: parameters, the adoption map of eqs. (4.3) and (4.4), and how L/F^T is pinned."""

from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike

from bigpush_est.equilibrium.adoption_map import ConcaveInverseMap, FloatArray, Index
from bigpush_est.equilibrium.simple.condition import tail
from bigpush_est.errors import AssumptionViolated, InvalidValue, ShapeMismatch, WrongType

type Pin = Literal["steady_state", "from_zero"]
_NAMES = ("sigma", "theta", "eta", "delta", "log_scale", "kappa", "input_subsidy", "cost_subsidy")
#: |b| below which M's numerator would lose digits: with bounded productivity it is computed through expm1 instead.
_SMALL_EXPONENT = 1e-3
#: What stands for b = 0, where M is a logarithm: M is right to this relative precision.
_NO_EXPONENT = 1e-13


def _refuse(key: str, values: FloatArray, bad: Any, requirement: str, remedy: str) -> None:
    if np.any(bad):
        value = float(np.atleast_1d(values)[np.atleast_1d(bad)][0])
        raise InvalidValue(key=key, value=f"{value:g}", requirement=requirement, remedy=remedy)


def broadcast_draws(**values: ArrayLike) -> dict[str, FloatArray]:
    """Broadcast named scalars and (D,) arrays to one length; refuse other shapes and missing values."""
    arrays: dict[str, FloatArray] = {}
    for name, value in values.items():
        try:
            arrays[name] = np.asarray(value, dtype=np.float64)
        except (TypeError, ValueError, OverflowError):
            raise WrongType(
                key=name, value=repr(value)[:60], expected="a number or a one-dimensional array", remedy="pass numbers"
            ) from None
    size = max((array.size for array in arrays.values()), default=1)
    for name, array in arrays.items():
        if array.ndim > 1 or array.size not in (1, size):
            raise ShapeMismatch(
                key=name, shape=array.shape, expected=f"a scalar or ({size},)", remedy="pass one value per draw"
            )
        if np.isnan(array).any():
            raise InvalidValue(key=name, value="NaN", requirement="a number", remedy="drop or repair missing draws")
    return {name: np.ascontiguousarray(np.broadcast_to(array.reshape(-1), (size,))) for name, array in arrays.items()}


@dataclass(frozen=True, slots=True)
class _Constants:
    """What g and its derivatives take from the parameters: computed once per batch, each of shape (D,)."""

    bound: FloatArray  # K
    width: FloatArray  # 1 − K
    exponent: FloatArray  # b
    bound_power: FloatArray  # K^b
    log_bound: FloatArray  # log K where M goes through expm1, else 0
    ratio: FloatArray  # (σ−1)/θ
    inverse_rate: FloatArray  # 1/(σ−1)
    index_gain: FloatArray  # E − 1
    spending_gain: FloatArray  # E/(1−s) − 1
    total: FloatArray  # M(1)
    level: FloatArray  # k less log(L/F^T)

    def select(self, index: Index) -> Self:
        return type(self)(**{entry.name: getattr(self, entry.name)[index] for entry in fields(self)})

    def power_and_mass(self, log_t: FloatArray) -> tuple[FloatArray, FloatArray]:
        """t^b and M, shape (..., D)."""
        power = np.exp(self.exponent * log_t)
        gained = power - self.bound_power
        if self.log_bound.any():
            stable = self.bound_power * np.expm1(self.exponent * (log_t - self.log_bound))
            gained = np.where(self.log_bound < 0.0, stable, gained)
        # of the sign of b: at a share of 0 rounding must not turn the mass negative
        return power, np.maximum(gained / (self.exponent * self.width), 0.0)


@dataclass(frozen=True, slots=True, eq=False)
class SimpleEconomy(ConcaveInverseMap):
    """Section 4's closed economy with one sector and one region; a batch of D parameter draws.

    Eq. (4.4) in logs, solved for last period's share (see ``condition``):

        g(λ_t) = k + δ λ_{t−1},    k = log(η^{σ−1} − 1) − log σ + log(L/F^T) − log(1 − s^F).

    g is increasing (Assumption 1(i), σ > 2) and concave, so that the map is a
    ``ConcaveInverseMap`` and its steady states are known exactly.

    Attributes
    ----------
    sigma, theta, eta, delta
        σ > 2, θ (> σ − 1 if unbounded), η > 1, δ ≥ 0, shape (D,).
    log_scale
        log(L/F^T), labour over the adoption cost in final goods, shape (D,).
    kappa
        Upper bound of productivity, ∞ for the paper's Section 4, shape (D,).
    input_subsidy, cost_subsidy
        s: share of adopters' input costs, s^F: share of fixed adoption costs, that a labour tax pays, shape (D,).

    Raises
    ------
    AssumptionViolated
        If σ ≤ 2 (Assumption 1(i)) or θ ≤ σ − 1 with unbounded productivity (aggregates would be infinite).
    InvalidValue
        For parameters outside their range.

    Examples
    --------
    The paper's parameters, with L/F^T such that 7% is a steady state; the share that follows one of 50%:

    >>> economy = SimpleEconomy.pinned(eta=1.25, delta=0.68, adopter_share=0.07)
    >>> import numpy as np
    >>> float(economy(np.array([0.07]))[0].round(12)), float(economy(np.array([0.5]))[0].round(4))
    (0.07, 0.0947)
    """

    sigma: FloatArray
    theta: FloatArray
    eta: FloatArray
    delta: FloatArray
    log_scale: FloatArray
    kappa: FloatArray
    input_subsidy: FloatArray
    cost_subsidy: FloatArray
    _known: _Constants | None = field(default=None, init=False, repr=False)

    @classmethod
    def build(
        cls,
        *,
        eta: ArrayLike,
        delta: ArrayLike,
        log_scale: ArrayLike,
        sigma: ArrayLike = 5.0,
        theta: ArrayLike = 4.24,
        kappa: ArrayLike = np.inf,
        input_subsidy: ArrayLike = 0.0,
        cost_subsidy: ArrayLike = 0.0,
    ) -> Self:
        """Check parameters, broadcast them to one batch, and return the economy."""
        draws = broadcast_draws(
            sigma=sigma,
            theta=theta,
            eta=eta,
            delta=delta,
            log_scale=log_scale,
            kappa=kappa,
            input_subsidy=input_subsidy,
            cost_subsidy=cost_subsidy,
        )
        economy = cls(**draws)
        economy._validate()
        return economy

    @classmethod
    def pinned(
        cls,
        *,
        eta: ArrayLike,
        delta: ArrayLike,
        adopter_share: ArrayLike,
        pin: Pin = "steady_state",
        sigma: ArrayLike = 5.0,
        theta: ArrayLike = 4.24,
        kappa: ArrayLike = np.inf,
    ) -> Self:
        """Return the economy whose L/F^T yields an observed adopter share.

        Table 2 does not identify L/F^T in the closed economy; the share of 1972 does, given one of two readings:
        ``"steady_state"``: it is a steady state, k = g(λ) − δλ; ``"from_zero"``: it followed a period without
        adopters, k = g(λ).
        """
        share = broadcast_draws(adopter_share=adopter_share)["adopter_share"]
        outside = ~((share > 0) & (share < 1))
        _refuse("adopter_share", share, outside, "strictly between 0 and 1", "pass a share, such as 0.07")
        if pin not in ("steady_state", "from_zero"):
            raise InvalidValue(
                key="pin", value=pin, requirement="'steady_state' or 'from_zero'", remedy="choose one of the two"
            )
        draws = broadcast_draws(eta=eta, delta=delta, sigma=sigma, theta=theta, kappa=kappa, share=share)
        share = draws.pop("share")
        unit = cls.build(log_scale=0.0, **draws)
        previous = share if pin == "steady_state" else np.zeros_like(share)
        return replace(unit, log_scale=unit.potential(share) - unit.spillover * previous - unit.level)

    def _validate(self) -> None:
        violated = ~(self.sigma > 2)
        if violated.any():
            raise AssumptionViolated(
                assumption="Assumption 1(i), sigma > 2",
                key="sigma",
                value=f"{float(self.sigma[violated][0]):g}",
                count=int(violated.sum()),
                total=self.n_draws,
                remedy="set sigma above 2: at or below it a period can have several static equilibria",
            )
        _refuse("sigma", self.sigma, ~np.isfinite(self.sigma), "finite", "set sigma to a number such as 5")
        _refuse("theta", self.theta, ~((self.theta > 0) & np.isfinite(self.theta)), "positive", "set theta above 0")
        infinite = ~(self.theta > self.sigma - 1) & ~np.isfinite(self.kappa)
        if infinite.any():
            raise AssumptionViolated(
                assumption="theta > sigma - 1",
                key="theta",
                value=f"{float(self.theta[infinite][0]):g}",
                count=int(infinite.sum()),
                total=self.n_draws,
                remedy="raise theta above sigma - 1 or bound productivity with kappa: sales would be infinite",
            )
        eta_bad = ~((self.eta > 1) & np.isfinite(self.eta))
        _refuse("eta", self.eta, eta_bad, "greater than 1", "eta is a gain: set it above 1")
        delta_bad = ~((self.delta >= 0) & np.isfinite(self.delta))
        _refuse("delta", self.delta, delta_bad, "not negative and finite", "set delta to 0 for no spillovers")
        _refuse("log_scale", self.log_scale, ~np.isfinite(self.log_scale), "finite", "pass log(L/F^T)")
        _refuse("kappa", self.kappa, ~(self.kappa > 1), "greater than 1", "use inf for unbounded productivity")
        for key in ("input_subsidy", "cost_subsidy"):
            value: FloatArray = getattr(self, key)
            _refuse(key, value, ~((value >= 0) & (value < 1)), "in [0, 1)", "pass a share of costs, such as 0.06")

    # -- ConcaveInverseMap -------------------------------------------------------------------------------------------

    @property
    def n_draws(self) -> int:
        """Number of parameter draws D."""
        return int(self.eta.size)

    @property
    def gain(self) -> FloatArray:
        """η^{σ−1}, an adopter's sales over the same firm's without adoption."""
        return np.exp((self.sigma - 1.0) * np.log(self.eta))

    @property
    def price_gain(self) -> FloatArray:
        """E = η^{σ−1}(1−s)^{1−σ}, with the input subsidy."""
        return self.gain * (1.0 - self.input_subsidy) ** (1.0 - self.sigma)

    @property
    def level(self) -> FloatArray:
        """k = log(E − 1) − log σ + log(L/F^T) − log(1 − s^F)."""
        return self._constants.level + self.log_scale

    @property
    def spillover(self) -> FloatArray:
        """δ."""
        return self.delta

    @property
    def _constants(self) -> _Constants:
        if self._known is None:
            object.__setattr__(self, "_known", self._computed_constants())
        assert self._known is not None
        return self._known

    def _computed_constants(self) -> _Constants:
        rate = self.sigma - 1.0
        bounded = np.isfinite(self.kappa)
        log_bound = np.where(bounded, -self.theta * np.log(np.where(bounded, self.kappa, 2.0)), 0.0)
        bound = np.where(bounded, np.exp(log_bound), 0.0)
        exponent = 1.0 - rate / self.theta
        exponent = np.where(np.abs(exponent) < _NO_EXPONENT, _NO_EXPONENT, exponent)
        index_gain = np.expm1(rate * (np.log(self.eta) - np.log1p(-self.input_subsidy)))
        constants = _Constants(
            bound=bound,
            width=1.0 - bound,
            exponent=exponent,
            bound_power=np.where(bounded, np.exp(exponent * log_bound), 0.0),
            log_bound=np.where(np.abs(exponent) < _SMALL_EXPONENT, log_bound, 0.0),
            ratio=rate / self.theta,
            inverse_rate=1.0 / rate,
            index_gain=index_gain,
            spending_gain=(index_gain + self.input_subsidy) / (1.0 - self.input_subsidy),
            total=np.empty(0),
            level=np.log(index_gain) - np.log(self.sigma) - np.log1p(-self.cost_subsidy),
        )
        return replace(constants, total=constants.power_and_mass(np.zeros(self.n_draws))[1])

    def potential(self, share: FloatArray) -> FloatArray:
        """g(λ), shape (..., D)."""
        c = self._constants
        with np.errstate(divide="ignore"):
            log_t = np.log(tail(share, c.bound))
        mass = c.power_and_mass(log_t)[1]
        index = np.log(c.total + c.index_gain * mass)
        spending = np.log(c.total + c.spending_gain * mass) if self.input_subsidy.any() else index
        value: FloatArray = c.ratio * log_t + spending - index * c.inverse_rate
        return value

    def potential_derivatives(self, share: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """g, g′ and g″, each of shape (D,)."""
        c = self._constants
        t = tail(share, c.bound)
        with np.errstate(divide="ignore", invalid="ignore"):
            log_t = np.log(t)
            power, mass = c.power_and_mass(log_t)
            # dM/dλ = φ̄^{σ−1} = t^{b−1}: the marginal adopter's φ^{σ−1}
            growth = c.width / t
            marginal = power / t
            second = -c.ratio * marginal * growth
            index = c.total + c.index_gain * mass
            v = c.index_gain * marginal / index
            v_change = c.index_gain * second / index - v * v
            log_index = np.log(index)
            log_spending, u, u_change = log_index, v, v_change
            if self.input_subsidy.any():
                spending = c.total + c.spending_gain * mass
                log_spending = np.log(spending)
                u = c.spending_gain * marginal / spending
                u_change = c.spending_gain * second / spending - u * u
            g = c.ratio * log_t + log_spending - log_index * c.inverse_rate
            slope = c.ratio * growth + u - v * c.inverse_rate
            curvature = -c.ratio * growth * growth + u_change - v_change * c.inverse_rate
        return g, slope, curvature

    def inverse_start(self, value: FloatArray) -> FloatArray:
        """Return a share below g⁻¹(value): replace all but the first term of g by their value at λ = 1, then lower it.

        log(spending) − log(index)/(σ−1) increases with λ, so g(λ) ≤ ((σ−1)/θ) log t + [its value at 1].
        """
        c = self._constants
        t = np.exp(np.minimum((value - self.potential(np.ones(self.n_draws))) / c.ratio, 0.0))
        return np.clip((t * (1.0 - 1e-12) - c.bound) / c.width, 0.0, 1.0)

    def slope_start(self, slope: FloatArray) -> FloatArray:
        """Return a share at or below (g′)⁻¹(slope): g′(λ) ≥ ((σ−1)/θ)(1 − K)/t because the other terms increase."""
        c = self._constants
        with np.errstate(divide="ignore"):
            return np.clip((c.ratio * c.width / slope - c.bound) / c.width, 0.0, 1.0)

    def select(self, index: Index) -> Self:
        """Return the economy of some of the draws."""
        chosen = type(self)(**{name: getattr(self, name)[index] for name in _NAMES})
        if self._known is not None:
            object.__setattr__(chosen, "_known", self._known.select(index))
        return chosen

    # -- variants ----------------------------------------------------------------------------------------------------

    def with_subsidy(self, *, input_subsidy: ArrayLike = 0.0, cost_subsidy: ArrayLike = 0.0) -> Self:
        """Return the same economy in a period with an input subsidy s or a fixed-cost subsidy s^F (Proposition 2)."""
        values = {name: getattr(self, name) for name in _NAMES}
        values |= {"input_subsidy": input_subsidy, "cost_subsidy": cost_subsidy}
        return type(self).build(**values)

    def changed(self, **values: ArrayLike) -> Self:
        """Return the same economy with other parameters; L/F^T stays."""
        return type(self).build(**({name: getattr(self, name) for name in _NAMES} | values))

    def cutoff(self, share: FloatArray) -> FloatArray:
        """φ̄(λ) = t^{−1/θ}, the productivity of the marginal adopter, shape (..., D)."""
        with np.errstate(divide="ignore"):
            result: FloatArray = tail(share, self._constants.bound) ** (-1.0 / self.theta)
        return result

    def tail_slope(self, share: FloatArray) -> FloatArray:
        """d log t/dλ = (1 − K)/t, shape (..., D)."""
        c = self._constants
        with np.errstate(divide="ignore"):
            result: FloatArray = c.width / tail(share, c.bound)
        return result

    def mass(self, share: FloatArray) -> FloatArray:
        """M(λ), adopters' mass of φ^{σ−1}, shape (..., D)."""
        c = self._constants
        with np.errstate(divide="ignore"):
            return c.power_and_mass(np.log(tail(share, c.bound)))[1]

    @property
    def total_mass(self) -> FloatArray:
        """M(1), all firms' mass of φ^{σ−1}, shape (D,)."""
        return self._constants.total
