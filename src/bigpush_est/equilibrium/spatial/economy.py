"""Section 5's economy as arrays: regions, sectors, trade, input-output linkages, distortions and fixed costs."""

from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from bigpush_est.equilibrium.adoption_map import FloatArray, Index
from bigpush_est.errors import AssumptionViolated, InvalidValue, ShapeMismatch, WrongType

#: Dimensions of each field without draws: J sectors, N regions; "JK" is J × J, "JNM" is J × N × N.
SHAPES: dict[str, str] = {
    "sigma": "", "theta": "", "kappa": "", "eta": "", "delta": "",
    "distortion_elasticity": "J", "distortion_level": "J",
    "adoption_cost": "J", "export_cost": "J",
    "preference_share": "J", "labour_share": "J", "input_share": "JK",
    "adoption_labour_share": "J", "adoption_input_share": "JK",
    "firm_mass": "JN", "labour": "N",
    "freeness": "JNM", "port_freeness": "JN", "tariff": "J",
    "productivity": "JN", "foreign_price": "J", "foreign_demand": "J", "subsidy": "JN", "general_subsidy": "JN",
}  # fmt: skip
#: Shares have to add up to 1 within this.
_SUM_TOLERANCE = 1e-8
#: Stands for a field that takes its default from others.
_UNSET: FloatArray = np.full((), np.nan)


def _unset() -> FloatArray:
    return _UNSET


def _array(key: str, value: ArrayLike) -> FloatArray:
    if isinstance(value, np.ma.MaskedArray):
        raise WrongType(key=key, value="a masked array", expected="a plain array", remedy="fill the masked entries")
    try:
        return np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        raise WrongType(key=key, value=repr(value)[:60], expected="numbers", remedy="pass an array of floats") from None


@dataclass(frozen=True, slots=True, eq=False)
class SpatialEconomy:
    r"""Section 5's economy in one period; each field may carry a leading axis of D parameter draws.

    J sectors (j sells, k buys or supplies inputs) and N regions (n produces, m buys).  A firm of
    region n and sector j has productivity z = η^T e^{δλ_{nj,t−1}} φ, with φ = φ^min_nj x and x bounded Pareto on
    [1, κ]; it keeps the share τ̄_j z^{ξ_j} of its revenue.

    Attributes
    ----------
    sigma, theta, kappa, eta, delta
        σ > 1, θ > 0, κ > 1 (∞ allowed if θ > max(ρ, r)), η > 0, δ: shape ().
    distortion_elasticity, distortion_level
        ξ_j and τ̄_j: the kept share of revenue is τ̄ z^ξ (not the tax), shape (J,).
    adoption_cost
        F^T_j in bundles of adoption inputs; ∞ where a sector cannot adopt, shape (J,).
    export_cost
        F^x_j in units of labour, shape (J,).
    preference_share, labour_share, input_share
        α_j (J,), γ^L_j (J,) and γ^k_j (J, J), the buyer first: γ^L_j + Σ_k γ^k_j = 1.
    adoption_labour_share, adoption_input_share
        The same for the adoption cost; the paper gives it the production function's shares, which is the default.
    firm_mass, labour
        M_nj (J, N) and L_n (N,).
    freeness, port_freeness
        d_{nmj}^{1−σ} (J, N, N), origin first, and (d^x_{nj})^{1−σ} (J, N); 0 where there is no trade.
        The paper holds (σ − 1)υ_j fixed, so that these do not move with σ.
    tariff, foreign_price, foreign_demand
        t_j, P^f_j (∞: no imports) and D^x_j (0: no exports), shape (J,).
    productivity
        φ^min_nj, shape (J, N).
    subsidy
        s_nj, the share of adopters' input costs that the labour tax pays, shape (J, N).
    general_subsidy
        The same for all firms of the cell, adopters or not (Appendix F.4 as named in Section 6); none by default.

    Raises
    ------
    WrongType, ShapeMismatch, InvalidValue, AssumptionViolated
        Naming the field, the first value refused and the remedy.

    Examples
    --------
    One region and one closed sector:

    >>> economy = SpatialEconomy.of(
    ...     sigma=5.0, theta=4.24, kappa=1.4, eta=1.25, delta=0.68, distortion_elasticity=[0.0], distortion_level=[1.0],
    ...     adoption_cost=[0.1], export_cost=[0.0], preference_share=[1.0], labour_share=[0.5], input_share=[[0.5]],
    ...     firm_mass=[[1.0]], labour=[1.0], freeness=[[[1.0]]], port_freeness=[[0.0]], tariff=[0.0],
    ...     productivity=[[1.0]], foreign_price=[float("inf")], foreign_demand=[0.0], subsidy=[[0.0]])
    >>> economy.n_draws, economy.n_sectors, economy.n_regions
    (1, 1, 1)
    """

    sigma: FloatArray
    theta: FloatArray
    kappa: FloatArray
    eta: FloatArray
    delta: FloatArray
    distortion_elasticity: FloatArray
    distortion_level: FloatArray
    adoption_cost: FloatArray
    export_cost: FloatArray
    preference_share: FloatArray
    labour_share: FloatArray
    input_share: FloatArray
    firm_mass: FloatArray
    labour: FloatArray
    freeness: FloatArray
    port_freeness: FloatArray
    tariff: FloatArray
    productivity: FloatArray
    foreign_price: FloatArray
    foreign_demand: FloatArray
    subsidy: FloatArray
    adoption_labour_share: FloatArray = field(default_factory=_unset)
    adoption_input_share: FloatArray = field(default_factory=_unset)
    general_subsidy: FloatArray = field(default_factory=_unset)
    n_draws: int = field(init=False, default=1)

    def __post_init__(self) -> None:
        for own, shared in (("adoption_labour_share", "labour_share"), ("adoption_input_share", "input_share")):
            if getattr(self, own) is _UNSET:
                object.__setattr__(self, own, getattr(self, shared))
        if self.general_subsidy is _UNSET:
            object.__setattr__(self, "general_subsidy", np.zeros(np.shape(self.firm_mass)[-2:]))
        arrays = {key: _array(key, getattr(self, key)) for key in SHAPES}
        object.__setattr__(self, "n_draws", _check_shapes(arrays))
        for key, array in arrays.items():
            object.__setattr__(self, key, array)
        _check_values(self)

    @classmethod
    def of(cls, **values: ArrayLike) -> Self:
        """Return an economy from numbers, nested lists or arrays, by the names of the fields."""
        unknown = [key for key in values if key not in SHAPES]
        if unknown:
            raise InvalidValue(
                key="field", value=unknown[0], requirement="a field", remedy=f"choose of {', '.join(SHAPES)}"
            )
        return cls(**{key: _array(key, value) for key, value in values.items()})

    @property
    def n_sectors(self) -> int:
        """J."""
        return int(self.firm_mass.shape[-2])

    @property
    def n_regions(self) -> int:
        """N."""
        return int(self.firm_mass.shape[-1])

    @property
    def kept_exponent(self) -> FloatArray:
        """ρ_j = σ(1 + ξ_j) − 1: kept revenue and profit rise as z^ρ, shape (J,) or (D, J)."""
        return self.sigma[..., None] * (1.0 + self.distortion_elasticity) - 1.0

    @property
    def gross_exponent(self) -> FloatArray:
        """r_j = (σ − 1)(1 + ξ_j): gross revenue rises as z^r, shape (J,) or (D, J)."""
        return (self.sigma[..., None] - 1.0) * (1.0 + self.distortion_elasticity)

    @property
    def adopts(self) -> Any:
        """Which sectors can adopt at all, shape (J,)."""
        return np.isfinite(self.adoption_cost).reshape(-1, self.n_sectors).any(axis=0)

    @property
    def trades(self) -> Any:
        """Which sectors trade with Foreign, shape (J,)."""
        port = (self.port_freeness > 0.0).reshape(-1, *self.port_freeness.shape[-2:]).any(axis=(0, 2))
        exports = (self.foreign_demand > 0.0).reshape(-1, self.n_sectors).any(axis=0)
        imports = np.isfinite(self.foreign_price).reshape(-1, self.n_sectors).any(axis=0)
        return port & (exports | imports)

    def changed(self, **values: ArrayLike) -> Self:
        """Return this economy with some fields replaced, checked anew."""
        for key in values:
            if key not in SHAPES:
                raise InvalidValue(
                    key="field", value=key, requirement="a field", remedy=f"choose of {', '.join(SHAPES)}"
                )
        arrays: dict[str, Any] = {key: _array(key, value) for key, value in values.items()}
        return replace(self, **arrays)

    def select(self, index: Index) -> Self:
        """Return the economy of some of its draws."""
        if self.n_draws == 1:
            return self
        chosen: dict[str, Any] = {
            key: array[index] if array.ndim > len(shape) else array
            for key, shape in SHAPES.items()
            for array in (getattr(self, key),)
        }
        return replace(self, **chosen)


def _check_shapes(arrays: dict[str, FloatArray]) -> int:
    """Return the number of draws after checking every field's shape."""
    mass = arrays["firm_mass"]
    if mass.ndim not in (2, 3):
        raise ShapeMismatch(
            key="firm_mass", shape=mass.shape, expected="(J, N) or (D, J, N)", remedy="one row a sector"
        )
    sizes = {"J": mass.shape[-2], "K": mass.shape[-2], "N": mass.shape[-1], "M": mass.shape[-1]}
    draws = {array.shape[0] for key, array in arrays.items() if array.ndim == len(SHAPES[key]) + 1}
    count = max(draws, default=1)
    for key, array in arrays.items():
        base = tuple(sizes[letter] for letter in SHAPES[key])
        if array.shape not in (base, (count, *base)):
            raise ShapeMismatch(
                key=key, shape=array.shape, expected=f"{base} or {(count, *base)}", remedy="one value per draw, or none"
            )
    return count


def _refuse(key: str, values: FloatArray, good: Any, requirement: str, remedy: str) -> None:
    good = np.broadcast_to(good, np.shape(values))
    if not good.all():
        place = tuple(int(i) for i in np.argwhere(~good)[0])
        raise InvalidValue(
            key=f"{key}{list(place) if place else ''}",
            value=f"{float(values[place]):g}",
            requirement=requirement,
            remedy=remedy,
        )


def _check_values(economy: SpatialEconomy) -> None:
    for key in SHAPES:
        values = getattr(economy, key)
        infinite_ok = key in ("kappa", "adoption_cost", "foreign_price")
        good = ~np.isnan(values) if infinite_ok else np.isfinite(values)
        _refuse(key, values, good, "a finite number", "drop or repair the missing values")
    _refuse("sigma", economy.sigma, economy.sigma > 1.0, "above 1", "varieties have to be substitutes")
    _refuse("kappa", economy.kappa, economy.kappa > 1.0, "above 1", "it is the upper over the lower bound")
    for key in ("theta", "eta", "distortion_level", "labour", "productivity", "foreign_price", "adoption_cost"):
        _refuse(key, getattr(economy, key), getattr(economy, key) > 0.0, "above 0", "use a positive number")
    for key in ("export_cost", "firm_mass", "freeness", "port_freeness", "foreign_demand", "preference_share",
                "input_share", "adoption_labour_share", "adoption_input_share", "labour_share"):  # fmt: skip
        _refuse(key, getattr(economy, key), getattr(economy, key) >= 0.0, "at least 0", "use no negative number")
    _refuse("tariff", economy.tariff, economy.tariff > -1.0, "above −1", "1 + t has to be positive")
    for key in ("subsidy", "general_subsidy"):
        rate = getattr(economy, key)
        _refuse(key, rate, (rate >= 0.0) & (rate < 1.0), "in [0, 1)", "a rate is a share of input costs")
    _check_sums("preference_share", economy.preference_share.sum(axis=-1))
    _check_sums("labour_share + input_share", economy.labour_share + economy.input_share.sum(axis=-1))
    _check_sums(
        "adoption_labour_share + adoption_input_share",
        economy.adoption_labour_share + economy.adoption_input_share.sum(axis=-1),
    )
    kept = economy.kept_exponent
    _refuse("distortion_elasticity", kept, kept > 0.0, "above 1/σ − 1 (shown: ρ = σ(1 + ξ) − 1)", "raise ξ or σ")
    _check_tail(economy)
    _check_supply(economy)


def _check_sums(key: str, sums: FloatArray) -> None:
    _refuse(key, sums, np.abs(sums - 1.0) <= _SUM_TOLERANCE, "1 in sum", "make the shares add up")


def _check_tail(economy: SpatialEconomy) -> None:
    highest = np.maximum(economy.kept_exponent, economy.gross_exponent).max(axis=-1)
    bad = np.isinf(economy.kappa) & (economy.theta <= highest)
    if np.any(bad):
        raise AssumptionViolated(
            assumption="θ > max(ρ, r) with unbounded productivity",
            key="theta",
            value=f"{float(np.broadcast_to(economy.theta, bad.shape)[bad].flat[0]):g}",
            count=int(np.sum(bad)),
            total=economy.n_draws,
            remedy="raise theta or bound productivity with kappa",
        )


def _check_supply(economy: SpatialEconomy) -> None:
    """Every sector is supplied in every region, and every region has someone to hire its workers."""
    mass = economy.firm_mass
    supplied = np.einsum("...jn,...jnm->...jm", mass, economy.freeness)
    imported = economy.port_freeness * np.isfinite(economy.foreign_price)[..., None]
    _refuse(
        "firm_mass (supply)",
        supplied + imported,
        supplied + imported > 0.0,
        "above 0: every sector reaches every region",
        "add firms, links or imports",
    )
    exports = ((port := economy.port_freeness) * mass * economy.foreign_demand[..., None]).sum(axis=(-2, -1)) > 0.0
    imports = (port * np.isfinite(economy.foreign_price)[..., None]).sum(axis=(-2, -1)) > 0.0
    lopsided = exports != imports
    if np.any(lopsided):
        raise InvalidValue(
            key="foreign_price, foreign_demand",
            value="exports without imports, or imports without exports",
            requirement="trade in both directions or in none: trade is balanced",
            remedy="give some sector a finite foreign_price and some sector foreign_demand, or close both",
        )
    employs = (mass * (economy.labour_share > 0.0)[..., None]).sum(axis=-2)
    _refuse("firm_mass (employers)", employs, employs > 0.0, "above 0 in every region", "add firms that hire labour")
