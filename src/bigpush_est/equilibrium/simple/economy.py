"""Section 4's economy: parameters, the adoption map of eqs. (4.3) and (4.4), and how L/F^T is pinned."""

from dataclasses import dataclass, replace
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike

from bigpush_est.equilibrium.adoption_map import ConcaveInverseMap, FloatArray, Index
from bigpush_est.equilibrium.simple.condition import adopters_mass, log_cost_of_share, tail
from bigpush_est.errors import AssumptionViolated, InvalidValue, ShapeMismatch

type Pin = Literal["steady_state", "from_zero"]
_NAMES = ("sigma", "theta", "eta", "delta", "log_scale", "kappa", "input_subsidy", "cost_subsidy")


def _refuse(key: str, values: FloatArray, bad: Any, requirement: str, remedy: str) -> None:
    if np.any(bad):
        value = float(np.atleast_1d(values)[np.atleast_1d(bad)][0])
        raise InvalidValue(key=key, value=f"{value:g}", requirement=requirement, remedy=remedy)


def broadcast_draws(**values: ArrayLike) -> dict[str, FloatArray]:
    """Broadcast named scalars and (D,) arrays to one length; refuse other shapes and missing values."""
    arrays = {name: np.asarray(value, dtype=np.float64) for name, value in values.items()}
    size = max((array.size for array in arrays.values()), default=1)
    for name, array in arrays.items():
        if array.ndim > 1 or array.size not in (1, size):
            raise ShapeMismatch(
                key=name, shape=array.shape, expected=f"a scalar or ({size},)", remedy="pass one value per draw"
            )
        if np.isnan(array).any():
            raise InvalidValue(key=name, value="NaN", requirement="a number", remedy="drop or repair missing draws")
    return {name: np.ascontiguousarray(np.broadcast_to(array.reshape(-1), (size,))) for name, array in arrays.items()}


@dataclass(frozen=True, slots=True, eq=False)
class SimpleEconomy(ConcaveInverseMap):
    """Section 4's closed economy with one sector and one region; a batch of D parameter draws.

    Eq. (4.4) in logs, solved for last period's share (see :mod:`~bigpush_est.equilibrium.simple.condition`):

        g(λ_t) = k + δ λ_{t−1},    k = log(η^{σ−1} − 1) − log σ + log(L/F^T) − log(1 − s^F).

    g is increasing (Assumption 1(i), σ > 2) and concave, so that the map is a
    :class:`~bigpush_est.equilibrium.adoption_map.ConcaveInverseMap` and its steady states are known exactly.

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
        share = np.asarray(adopter_share, dtype=np.float64)
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
        return (
            np.log(np.expm1((self.sigma - 1.0) * (np.log(self.eta) - np.log1p(-self.input_subsidy))))
            - np.log(self.sigma)
            + self.log_scale
            - np.log1p(-self.cost_subsidy)
        )

    @property
    def spillover(self) -> FloatArray:
        """δ."""
        return self.delta

    @property
    def _bound(self) -> FloatArray:
        return self.kappa**-self.theta

    @property
    def _bound_power(self) -> FloatArray:
        return np.where(np.isfinite(self.kappa), self.kappa ** -(self.theta - self.sigma + 1.0), 0.0)

    def potential(self, share: FloatArray) -> FloatArray:
        """g(λ), shape (..., D)."""
        with np.errstate(divide="ignore"):
            value: FloatArray = log_cost_of_share(
                tail(share, self._bound),
                sigma=self.sigma,
                theta=self._safe_theta,
                gain=self.gain,
                bound=self._bound,
                bound_power=self._bound_power,
                input_subsidy=self.input_subsidy,
            )
        return value

    @property
    def _safe_theta(self) -> FloatArray:
        # b = 0 is a removable singularity of M (a logarithm): move θ by less than the arithmetic can tell apart
        exponent = 1.0 - (self.sigma - 1.0) / self.theta
        return np.where(np.abs(exponent) < 1e-7, self.theta * (1.0 + 1e-7), self.theta)

    def potential_derivatives(self, share: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """g, g′ and g″, each of shape (D,)."""
        bound, bound_power, theta = self._bound, self._bound_power, self._safe_theta
        width = 1.0 - bound
        b = 1.0 - (self.sigma - 1.0) / theta
        t = tail(share, bound)
        with np.errstate(divide="ignore", invalid="ignore"):
            log_t = np.log(t)
            power = np.exp(b * log_t)
            mass = (power - bound_power) / (b * width)
            total = (1.0 - bound_power) / (b * width)
            # dM/dλ = φ̄^{σ−1} = t^{b−1}: the marginal adopter's φ^{σ−1}
            first = power / t
            second = (b - 1.0) * first / t * width
            price_gain = self.price_gain
            a_spend = price_gain / (1.0 - self.input_subsidy) - 1.0
            a_index = price_gain - 1.0
            spending, index = total + a_spend * mass, total + a_index * mass
            ratio = (self.sigma - 1.0) / theta
            g = ratio * log_t + np.log(spending) - np.log(index) / (self.sigma - 1.0)
            u, v = a_spend * first / spending, a_index * first / index
            slope = ratio * width / t + u - v / (self.sigma - 1.0)
            curvature = (
                -ratio * (width / t) ** 2
                + a_spend * second / spending
                - u * u
                - (a_index * second / index - v * v) / (self.sigma - 1.0)
            )
        return g, slope, curvature

    def inverse_start(self, value: FloatArray) -> FloatArray:
        """Return a share below g⁻¹(value): replace all but the first term of g by their value at λ = 1, then lower it.

        log(spending) − log(index)/(σ−1) increases with λ, so g(λ) ≤ ((σ−1)/θ) log t + [its value at 1].
        """
        ones = np.ones(self.n_draws)
        t = np.exp(np.minimum((value - self.potential(ones)) * self.theta / (self.sigma - 1.0), 0.0))
        bound = self._bound
        return np.clip((t * (1.0 - 1e-12) - bound) / (1.0 - bound), 0.0, 1.0)

    def select(self, index: Index) -> Self:
        """Return the economy of some of the draws."""
        return type(self)(**{name: getattr(self, name)[index] for name in _NAMES})

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
        """φ̄(λ) = t^{−1/θ}, the productivity of the marginal adopter."""
        with np.errstate(divide="ignore"):
            return tail(share, self._bound) ** (-1.0 / self.theta)

    def mass(self, share: FloatArray) -> FloatArray:
        """M(λ), adopters' mass of φ^{σ−1}, shape (..., D)."""
        result: FloatArray = adopters_mass(
            tail(share, self._bound), self.sigma, self._safe_theta, self._bound, self._bound_power
        )
        return result
