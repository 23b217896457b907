r"""What the firms of a region and sector do: cutoffs, adopter and exporter shares, revenues and inputs in closed form.

With y = b x^ρ, a firm's four plans earn (Section 5.1; our derivation)

    stay:  y D                  export: y (D + D^f) − w F^x
    adopt: a y D − c^T F^T      both:   a y (D + D^f) − w F^x − c^T F^T

where b = σ^{−1} τ̄^σ (μc)^{1−σ} (e^{δλ_{t−1}} φ^min)^ρ and a = η^ρ (1−s)^{1−σ};
D is demand at home and D^f abroad.  Adopting and exporting are complements
where
a > 1, and nobody adopts elsewhere.  So the plans are ordered by productivity in one of three ways:

1. export at y_x0 = wF^x/D^f, then adopt at y_t1 = c^T F^T/((a−1)(D+D^f));
2. adopt at y_t0 = c^T F^T/((a−1)D), then export at y_x1 = wF^x/(a D^f);
3. both at y_b = (wF^x + c^T F^T)/(a(D+D^f) − D).

y_b is the mediant of both pairs (y_x0, y_t1) and (y_x1, y_t0), so that one formula covers the three: firms adopt
from y_b clipped to [y_t1, y_t0] and export from y_b clipped to [y_x1, y_x0].

Everything a cell produces is a sum of upper tails ∫_x^κ t^e dG of the bounded Pareto distribution.
"""

from dataclasses import dataclass, fields, replace
from typing import Any, Self

import numpy as np

from bigpush_est.equilibrium.adoption_map import FloatArray, Index
from bigpush_est.equilibrium.spatial.economy import SpatialEconomy

#: |e − θ| log κ below which the difference of two powers would lose digits: computed through expm1 instead.
_CLOSE_EXPONENTS = 1e-3


@dataclass(frozen=True, slots=True)
class Tail:
    """∫_x^κ t^e dG for one exponent e; arrays of shape (B or 1, 1)."""

    power: FloatArray  # e − θ
    factor: FloatArray  # θ/((e − θ)(1 − κ^{−θ})); where e is close to θ, θ/(1 − κ^{−θ})
    bound: FloatArray  # κ^{e−θ}
    log_bound: FloatArray  # log κ
    close: Any  # where e is close to θ; None if nowhere

    @classmethod
    def build(cls, exponent: FloatArray, theta: FloatArray, kappa: FloatArray) -> Self:
        """Take the constants of ∫ t^e dG, shapes that broadcast to (B or 1, 1)."""
        exponent, theta, kappa = np.broadcast_arrays(exponent, theta, kappa)
        power, log_bound = exponent - theta, np.log(kappa)
        mass = -np.expm1(-theta * log_bound)
        bound = np.where(np.isinf(kappa), 0.0, np.exp(power * np.where(np.isinf(kappa), 0.0, log_bound)))
        close = np.abs(power) * np.where(np.isinf(kappa), np.inf, log_bound) < _CLOSE_EXPONENTS
        factor = theta / mass / np.where(close, 1.0, power)
        return cls(power, factor, bound, log_bound, close if close.any() else None)

    def __call__(self, log_x: FloatArray) -> FloatArray:
        """Return the tail above x; log x in [0, log κ]."""
        value = np.exp(self.power * log_x)
        value -= self.bound
        value *= -self.factor
        if self.close is not None:
            gap = self.log_bound - log_x
            product = self.power * gap
            ratio = np.where(product == 0.0, 1.0, np.expm1(product) / np.where(product == 0.0, 1.0, product))
            stable = np.exp(self.power * log_x) * gap * ratio * self.factor
            value = np.where(self.close, stable, value)
        return value

    def select(self, index: Index) -> Self:
        """Return the constants of some draws."""
        return _select(self, index)


def _select[T](entry: T, index: Index) -> T:
    """Return the draws ``index`` of a dataclass of arrays of shape (B or 1, ...)."""
    chosen = {}
    for item in fields(entry):  # type: ignore[arg-type]
        value = getattr(entry, item.name)
        if isinstance(value, Tail):
            value = value.select(index)
        elif isinstance(value, np.ndarray) and value.shape[0] > 1:
            value = value[index]
        chosen[item.name] = value
    return type(entry)(**chosen)


@dataclass(frozen=True, slots=True)
class CellOutcome:
    """What the firms of one sector do, each of shape (B, N); values in units of the numeraire."""

    home_supply: FloatArray  # V = M E[p^{1−σ}]
    kept: FloatArray  # K, kept revenue
    kept_adopters: FloatArray | None  # K^T; None where no sector's firm can adopt
    gross: FloatArray  # R, revenue
    exported: FloatArray | None  # the part of R earned abroad
    adopters: FloatArray | None  # λ, share of firms
    exporters: FloatArray | None  # share of firms
    reach: FloatArray | None  # log κ less the log x from which firms adopt: positive where any firm adopts
    outlay: FloatArray | None  # c^T F^T, what one firm pays for adopting


@dataclass(frozen=True, slots=True)
class Sector:
    """One sector's constants, each of shape (B or 1, N or 1)."""

    adopts: bool
    trades: bool
    distorted: bool  # ξ ≠ 0: kept and gross revenue rise differently with productivity
    taxed: bool  # kept and gross revenue differ
    firm_mass: FloatArray
    cost_power: FloatArray  # 1 − σ
    scale: FloatArray  # log b + (σ − 1) log c
    gross_scale: FloatArray  # gross revenue over σ b x^ρ D at x = 1: τ̄^{−1} (e^{δλ} φ^min)^{−ξ}
    exponent: FloatArray  # ρ
    elasticity: FloatArray  # ξ
    sigma: FloatArray
    gain: FloatArray  # a
    gross_gain: FloatArray  # η^r (1 − s)^{1−σ}
    log_gain_less_one: FloatArray  # log(a − 1), −∞ where adopting never pays
    foreign_demand: FloatArray  # D^f
    log_export_cost: FloatArray  # log(F^x/D^f)
    export_cost: FloatArray  # F^x
    log_adoption_cost: FloatArray  # log F^T
    log_kappa: FloatArray
    kept_tail: Tail
    gross_tail: Tail
    share_tail: Tail
    kept_mean: FloatArray  # E[x^ρ]
    gross_mean: FloatArray  # E[x^r]

    @classmethod
    def build(cls, economy: SpatialEconomy, j: int, lagged_share: FloatArray) -> Self:
        """Take sector j's constants; ``lagged_share`` is λ_{t−1}, shape (J, N) or (D, J, N)."""

        def scalar(key: str) -> FloatArray:
            return getattr(economy, key).reshape(-1, 1)  # type: ignore[no-any-return]

        def sector(key: str) -> FloatArray:
            return getattr(economy, key)[..., j].reshape(-1, 1)  # type: ignore[no-any-return]

        def cell(values: FloatArray) -> FloatArray:
            return np.ascontiguousarray(values[..., j, :].reshape(-1, values.shape[-1]))

        sigma, theta, kappa, eta = scalar("sigma"), scalar("theta"), scalar("kappa"), scalar("eta")
        xi, level = sector("distortion_elasticity"), sector("distortion_level")
        rho, gross = sigma * (1.0 + xi) - 1.0, (sigma - 1.0) * (1.0 + xi)
        markup = sigma / (sigma - 1.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            log_floor = np.log(cell(economy.productivity)) + scalar("delta") * cell(lagged_share)
            subsidy = (1.0 - sigma) * np.log1p(-cell(economy.subsidy))
            gain, gross_gain = np.exp(rho * np.log(eta) + subsidy), np.exp(gross * np.log(eta) + subsidy)
            log_gain = np.log(np.maximum(gain - 1.0, 0.0))
            general = (1.0 - sigma) * np.log1p(-cell(economy.general_subsidy))
            foreign = cell(economy.port_freeness) * sector("foreign_demand")
            log_export_cost = np.log(sector("export_cost")) - np.log(foreign)
            tails = [Tail.build(e, theta, kappa) for e in (rho, gross, np.zeros_like(rho))]
        zero = np.zeros((1, 1))
        return cls(
            adopts=bool(economy.adopts[j]),
            trades=bool(economy.trades[j]),
            distorted=bool(np.any(xi != 0.0)),
            taxed=bool(np.any(xi != 0.0) or np.any(level != 1.0)),
            firm_mass=cell(economy.firm_mass),
            cost_power=1.0 - sigma,
            scale=sigma * np.log(level) - np.log(sigma) + (1.0 - sigma) * np.log(markup) + rho * log_floor + general,
            gross_scale=np.exp(-xi * log_floor) / level,
            exponent=rho,
            elasticity=xi,
            sigma=sigma,
            gain=gain,
            gross_gain=gross_gain,
            log_gain_less_one=log_gain,
            foreign_demand=foreign,
            # no foreign demand: no exporter, whatever the cost
            log_export_cost=np.where(foreign > 0.0, log_export_cost, np.inf),
            export_cost=sector("export_cost"),
            log_adoption_cost=np.log(sector("adoption_cost")),
            log_kappa=np.log(kappa),
            kept_tail=tails[0],
            gross_tail=tails[1],
            share_tail=tails[2],
            kept_mean=tails[0](zero),
            gross_mean=tails[1](zero),
        )

    def select(self, index: Index) -> Self:
        """Return the constants of some draws."""
        return _select(self, index)

    def shifted(self, productivity: FloatArray, demand: FloatArray) -> Self:
        """Return the sector with log φ^min and log D^x changed, shapes (B, N) and (B, 1)."""
        change: dict[str, Any] = {"scale": self.scale + self.exponent * productivity}
        if self.distorted:
            change["gross_scale"] = self.gross_scale * np.exp(-self.elasticity * productivity)
        if self.trades:
            change["foreign_demand"] = self.foreign_demand * np.exp(demand)
            change["log_export_cost"] = self.log_export_cost - demand
        return replace(self, **change)

    def outcome(
        self, log_wage: FloatArray, log_cost: FloatArray, log_adoption_bundle: FloatArray, home: FloatArray
    ) -> CellOutcome:
        """Return what firms do at given log w, log c, log c^T and home demand D, each of shape (B, N)."""
        log_scale = self.cost_power * log_cost
        log_scale += self.scale
        scale = np.exp(log_scale)
        if not self.adopts and not self.trades:
            return self._aggregate(scale, home, None, None, None)
        log_export = self.log_export_cost + log_wage
        if not self.adopts:
            return self._aggregate(scale, home, None, self._cutoff(log_export - log_scale), None)
        outlay = np.exp(log_adoption_bundle + self.log_adoption_cost)
        abroad = self.foreign_demand
        with np.errstate(divide="ignore"):
            log_gain, log_adopt = self.log_gain_less_one, log_adoption_bundle + self.log_adoption_cost
            # where a ≤ 1 nobody adopts, and this is not used
            worth = np.maximum(self.gain * (home + abroad) - home, np.finfo(np.float64).tiny)
            together = np.log((outlay + self.export_cost * np.exp(log_wage)) / worth)
            alone, second = log_adopt - log_gain - np.log(home), log_adopt - log_gain - np.log(home + abroad)
        # the cutoff of doing both at once lies between those of being first and of being second, whenever it matters
        adopt = np.clip(together, second, alone)
        export = np.clip(together, log_export - np.log(self.gain), log_export)
        log_adopt = (adopt - log_scale) / self.exponent
        reach = self.log_kappa - log_adopt
        np.clip(log_adopt, 0.0, self.log_kappa, out=log_adopt)
        return self._aggregate(scale, home, log_adopt, self._cutoff(export - log_scale), reach, outlay)

    def _cutoff(self, log_ratio: FloatArray) -> FloatArray:
        """Log x at which y = b x^ρ passes a cutoff, clipped to [0, log κ]."""
        log_ratio /= self.exponent
        return np.clip(log_ratio, 0.0, self.log_kappa, out=log_ratio)

    def _aggregate(
        self,
        scale: FloatArray,
        home: FloatArray,
        adopt: FloatArray | None,
        export: FloatArray | None,
        reach: FloatArray | None,
        outlay: FloatArray | None = None,
    ) -> CellOutcome:
        mass = self.firm_mass
        unit = mass * scale
        unit *= self.sigma  # σ M b: kept revenue per unit of demand and of x^ρ
        kept_home, kept_abroad, kept_adopters = self._tails(self.kept_tail, self.kept_mean, self.gain, adopt, export)
        kept = kept_home * home
        adopters_kept = None
        if kept_adopters is not None:
            at_home, abroad = kept_adopters
            adopters_kept = unit * self.gain * (at_home * home + abroad * self.foreign_demand)
        if kept_abroad is not None:
            kept = kept + kept_abroad * self.foreign_demand
        kept = kept * unit
        gross_unit = unit * self.gross_scale
        if self.distorted:
            sold_home, sold_abroad, _ = self._tails(self.gross_tail, self.gross_mean, self.gross_gain, adopt, export)
        else:
            sold_home, sold_abroad = kept_home, kept_abroad
        supply = gross_unit * sold_home
        gross = supply * home
        exported = None
        if sold_abroad is not None:
            exported = gross_unit * sold_abroad * self.foreign_demand
            gross = gross + exported
        return CellOutcome(
            home_supply=supply,
            kept=kept,
            kept_adopters=adopters_kept,
            gross=gross,
            exported=exported,
            adopters=self._share(adopt),
            exporters=self._share(export),
            reach=reach,
            outlay=outlay,
        )

    def _share(self, log_x: FloatArray | None) -> FloatArray | None:
        """Share of firms above a cutoff: rounding must not take it out of [0, 1]."""
        return None if log_x is None else np.clip(self.share_tail(log_x), 0.0, 1.0)

    def _tails(
        self, tail: Tail, mean: FloatArray, gain: FloatArray, adopt: FloatArray | None, export: FloatArray | None
    ) -> tuple[FloatArray, FloatArray | None, tuple[FloatArray, FloatArray] | None]:
        """∫ over home sales, over exports (adopters' parts times the gain) and over adopters (at home, abroad)."""
        if adopt is None:
            abroad = None if export is None else tail(export)
            return mean, abroad, None
        adopters = tail(adopt)
        at_home = mean + (gain - 1.0) * adopters
        if export is None:  # cannot happen for a sector that adopts: its export cutoff is then at κ
            return at_home, None, (adopters, np.zeros_like(adopters))
        exporters = tail(export)
        both = np.where(adopt >= export, adopters, exporters)
        return at_home, exporters + (gain - 1.0) * both, (adopters, both)
