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

Neighbouring sectors that do the same things (adopt, export, or neither) are computed together, as arrays of shape
(sectors, draws, regions): NumPy's cost per call is then paid once for all of them.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any, NamedTuple, Self

import numpy as np

from bigpush_est.equilibrium.adoption_map import FloatArray, Index
from bigpush_est.equilibrium.spatial.economy import SHAPES, SpatialEconomy

#: |e − θ| log κ below which the difference of two powers would lose digits: computed through expm1 instead.
_CLOSE_EXPONENTS = 1e-3

#: Provides an array of a shape, its values undefined: ``numpy.empty``, or memory that is used again.
type Allocator = Callable[[tuple[int, ...]], FloatArray]


def stacked(economy: SpatialEconomy, key: str, index: Index | None = None) -> FloatArray:
    """Return a field of shape "", "J", "N" or "JN" as (J or 1, B or 1, N or 1), of all draws or some."""
    values: FloatArray = getattr(economy, key)
    shape = SHAPES[key]
    if values.ndim == len(shape):
        values = values[None]
    elif index is not None:
        values = values[index]
    if "N" not in shape:
        values = values[..., None]
    return values.transpose(1, 0, 2) if "J" in shape else values[None]


@dataclass(frozen=True, slots=True)
class Tail:
    """∫_x^κ t^e dG for one exponent e per sector and draw; arrays of shape (..., B or 1, 1)."""

    power: FloatArray  # e − θ
    factor: FloatArray  # θ/((θ − e)(1 − κ^{−θ})); where e is close to θ, θ/(1 − κ^{−θ})
    bound: FloatArray  # κ^{e−θ}
    log_bound: FloatArray  # log κ
    close: Any  # where e is close to θ; None if nowhere

    @classmethod
    def build(cls, exponent: FloatArray, theta: FloatArray, kappa: FloatArray) -> Self:
        """Take the constants of ∫ t^e dG, shapes that broadcast to (..., B or 1, 1)."""
        power, log_bound = exponent - theta, np.log(kappa)
        mass = -np.expm1(-theta * log_bound)
        unbounded = np.isinf(kappa)
        if unbounded.any():
            bound = np.where(unbounded, 0.0, np.exp(power * np.where(unbounded, 0.0, log_bound)))
        else:
            bound = np.exp(power * log_bound)
        close = np.abs(power) * log_bound < _CLOSE_EXPONENTS
        if not close.any():
            return cls(power, -theta / (mass * power), bound, log_bound, None)
        factor = theta / mass / np.where(close, 1.0, -power)
        return cls(power, factor, bound, np.broadcast_to(log_bound, power.shape), close)

    def __call__(self, log_x: FloatArray, empty: Allocator = np.empty) -> FloatArray:
        """Return the tail above x; log x in [0, log κ]."""
        shape = np.broadcast_shapes(log_x.shape, self.power.shape, self.bound.shape)
        value = np.multiply(self.power, log_x, out=empty(shape))
        np.exp(value, out=value)
        value -= self.bound
        value *= self.factor
        if self.close is not None:
            gap = self.log_bound - log_x
            product = self.power * gap
            ratio = np.where(product == 0.0, 1.0, np.expm1(product) / np.where(product == 0.0, 1.0, product))
            stable = np.exp(self.power * log_x) * gap * ratio * self.factor
            value = np.where(self.close, stable, value)
        return value

    def rows(self, rows: slice) -> Self:
        """Return the constants of some sectors."""
        return _take(self, lambda values: values if values.shape[0] == 1 else values[rows])

    def select(self, index: Index) -> Self:
        """Return the constants of some draws."""
        return _take(self, lambda values: values if values.shape[-2] == 1 else values[..., index, :])


def _take[T](entry: T, choose: Any) -> T:
    """Return a dataclass with ``choose`` applied to its arrays, those of its tails included."""
    chosen = {}
    for item in fields(entry):  # type: ignore[arg-type]
        value = getattr(entry, item.name)
        if isinstance(value, Tail):
            value = _take(value, choose)
        elif isinstance(value, np.ndarray):
            value = choose(value)
        chosen[item.name] = value
    return type(entry)(**chosen)


class CellOutcome(NamedTuple):
    """What the firms of G sectors do, each (G, B, N), or of one sector, (B, N); values in units of the numeraire."""

    home_supply: FloatArray  # V = M E[p^{1−σ}]
    kept: FloatArray  # K, kept revenue
    kept_adopters: FloatArray | None  # K^T; None where no firm can adopt, or no adopter is subsidised
    gross: FloatArray  # R, revenue
    exported: FloatArray | None  # the part of R earned abroad
    adopters: FloatArray | None  # λ, share of firms; rounding may take it out of [0, 1], as the next
    exporters: FloatArray | None  # share of firms
    reach: FloatArray | None  # log κ less the log x from which firms adopt: positive where any firm adopts
    outlay: FloatArray | None  # c^T F^T, what one firm pays for adopting

    def of(self, row: int) -> Self:
        """Return one sector's outcome."""
        values: list[Any] = [None if value is None else value[row] for value in self]
        return type(self)(*values)


@dataclass(frozen=True, slots=True)
class Sectors:
    """The constants of neighbouring sectors that do the same things, each of shape (G or 1, B or 1, N or 1)."""

    rows: slice  # which sectors
    adopts: bool
    trades: bool
    distorted: bool  # ξ ≠ 0: kept and gross revenue rise differently with productivity
    taxed: bool  # kept and gross revenue differ
    subsidised: bool  # any adopter
    generally_subsidised: bool  # any firm
    firm_mass: FloatArray
    unit: FloatArray  # σ M
    gross_unit: FloatArray  # σ M times gross revenue over σ b x^ρ D at x = 1, which is τ̄^{−1} (e^{δλ} φ^min)^{−ξ}
    inverse_exponent: FloatArray  # 1/ρ
    elasticity: FloatArray  # ξ
    level: FloatArray  # τ̄
    gain: FloatArray  # a
    gain_less_one: FloatArray
    gross_gain_less_one: FloatArray  # η^r (1 − s)^{1−σ} − 1
    log_gain: FloatArray  # log a
    log_gain_less_one: FloatArray  # log(a − 1), −∞ where adopting never pays
    never: bool  # adopting never pays somewhere
    foreign_demand: FloatArray  # D^f
    adopters_demand: FloatArray  # a D^f
    log_export_cost: FloatArray  # log(F^x/D^f)
    export_cost: FloatArray  # F^x
    export_labour: FloatArray  # M F^x
    log_adoption_cost: FloatArray  # log F^T
    log_kappa: FloatArray
    kept_tail: Tail
    gross_tail: Tail
    share_tail: Tail
    kept_mean: FloatArray  # E[x^ρ]
    gross_mean: FloatArray  # E[x^r]
    subsidy: FloatArray  # s/(1 − s)
    general_subsidy: FloatArray

    def select(self, index: Index) -> Self:
        """Return the constants of some draws."""
        return _take(self, lambda values: values if values.shape[-2] == 1 else values[:, index])

    def shifted(self, productivity: FloatArray, demand: FloatArray) -> Self:
        """Return the sectors with log φ^min and log D^x changed, shapes (G, B, N) and (G, B, 1)."""
        change: dict[str, Any] = {}
        if self.distorted:
            change["gross_unit"] = self.gross_unit * np.exp(-self.elasticity * productivity)
        if self.trades:
            change["foreign_demand"] = self.foreign_demand * np.exp(demand)
            change["adopters_demand"] = self.adopters_demand * np.exp(demand)
            change["log_export_cost"] = self.log_export_cost - demand
        return replace(self, **change) if change else self

    def outcome(
        self,
        log_wage: FloatArray,
        wage: FloatArray,
        log_scale: FloatArray,
        log_bundle: FloatArray,
        home: FloatArray,
        empty: Allocator,
        supply: FloatArray,
        gross: FloatArray,
    ) -> CellOutcome:
        """Return what firms do at given w (B, N), log b, log c^T (adopters only) and home demand D, each (G, B, N).

        V and R are written to ``supply`` and ``gross``; ``empty`` provides the memory of everything else.
        """
        shape = home.shape
        scale = np.exp(log_scale, out=empty(shape))
        adopt = export = reach = outlay = None
        if self.trades:
            export = np.add(self.log_export_cost, log_wage, out=empty(shape))
        if self.adopts:
            adopt = np.add(log_bundle, self.log_adoption_cost, out=empty(shape))
            outlay = np.exp(adopt, out=empty(shape))
            adopt -= self.log_gain_less_one
            if export is None:
                adopt -= np.log(home, out=empty(shape))
            else:
                self._cutoffs(adopt, export, outlay, wage, home, empty)
            adopt -= log_scale
            adopt *= self.inverse_exponent
            reach = np.subtract(self.log_kappa, adopt, out=empty(shape))
            self._clip(adopt)
        if export is not None:
            export -= log_scale
            export *= self.inverse_exponent
            self._clip(export)
        return self._aggregate(scale, home, adopt, export, reach, outlay, empty, supply, gross)

    def _cutoffs(
        self,
        adopt: FloatArray,
        export: FloatArray,
        outlay: FloatArray,
        wage: FloatArray,
        home: FloatArray,
        empty: Allocator,
    ) -> None:
        """Turn the log cutoffs log(c^T F^T/(a − 1)) and log(w F^x/D^f) into those of the three cases, in place."""
        together, other = empty(home.shape), empty(home.shape)
        np.multiply(home, self.gain_less_one, out=together)
        together += self.adopters_demand
        if self.never:
            np.maximum(together, 0.0, out=together)
        np.multiply(self.export_cost, wage, out=other)
        other += outlay
        np.divide(other, together, out=together)
        np.log(together, out=together)
        # the cutoff of doing both at once lies between those of being first and second, whenever it matters
        np.log(home, out=other)
        np.subtract(adopt, other, out=other)
        first = np.minimum(together, other, out=other)
        second = np.add(home, self.foreign_demand, out=empty(home.shape))
        np.log(second, out=second)
        adopt -= second
        np.maximum(first, adopt, out=adopt)
        np.subtract(export, self.log_gain, out=other)
        np.maximum(together, other, out=together)
        np.minimum(together, export, out=export)

    def _clip(self, log_x: FloatArray) -> None:
        """Clip log x to [0, log κ], in place."""
        np.maximum(log_x, 0.0, out=log_x)
        np.minimum(log_x, self.log_kappa, out=log_x)

    def _aggregate(
        self,
        scale: FloatArray,
        home: FloatArray,
        adopt: FloatArray | None,
        export: FloatArray | None,
        reach: FloatArray | None,
        outlay: FloatArray | None,
        empty: Allocator,
        supply: FloatArray,
        gross: FloatArray,
    ) -> CellOutcome:
        shape = home.shape
        unit = np.multiply(self.gross_unit, scale, out=empty(shape))
        sold_home, sold_abroad, adopters = self._tails(
            self.gross_tail, self.gross_mean, self.gross_gain_less_one, adopt, export, empty
        )
        np.multiply(unit, sold_home, out=supply)
        np.multiply(supply, home, out=gross)
        exported = None
        if sold_abroad is not None:
            exported = sold_abroad
            exported *= unit
            exported *= self.foreign_demand
            gross += exported
        kept, kept_adopters = gross, None
        if self.distorted or self.subsidised:
            scale *= self.unit
        if self.distorted:
            kept_home, kept_abroad, adopters = self._tails(
                self.kept_tail, self.kept_mean, self.gain_less_one, adopt, export, empty
            )
            kept = np.multiply(kept_home, home, out=empty(shape))
            if kept_abroad is not None:
                kept_abroad *= self.foreign_demand
                kept += kept_abroad
            kept *= scale
        elif self.taxed:
            kept = np.multiply(gross, self.level, out=empty(shape))
        if self.subsidised and adopters is not None:
            at_home, abroad = adopters
            kept_adopters = np.multiply(at_home, home, out=at_home)
            if abroad is not None:
                abroad *= self.foreign_demand
                kept_adopters += abroad
            kept_adopters *= scale
            kept_adopters *= self.gain
        return CellOutcome(
            home_supply=supply,
            kept=kept,
            kept_adopters=kept_adopters,
            gross=gross,
            exported=exported,
            adopters=None if adopt is None else self.share_tail(adopt, empty),
            exporters=None if export is None else self.share_tail(export, empty),
            reach=reach,
            outlay=outlay,
        )

    def _tails(
        self,
        tail: Tail,
        mean: FloatArray,
        gain_less_one: FloatArray,
        adopt: FloatArray | None,
        export: FloatArray | None,
        empty: Allocator,
    ) -> tuple[FloatArray, FloatArray | None, tuple[FloatArray, FloatArray | None] | None]:
        """∫ over home sales, over exports (adopters' parts times the gain) and over adopters (at home, abroad)."""
        exporters = None if export is None else tail(export, empty)
        if adopt is None:
            return mean, exporters, None
        adopters = tail(adopt, empty)
        at_home = np.multiply(gain_less_one, adopters, out=empty(adopt.shape))
        at_home += mean
        if exporters is None:
            return at_home, None, (adopters, None)
        # the tail above the higher of the two cutoffs
        both = np.minimum(adopters, exporters, out=empty(adopt.shape))
        exporters += np.multiply(gain_less_one, both, out=empty(adopt.shape))
        return at_home, exporters, (adopters, both)


def build_sectors(
    economy: SpatialEconomy, lagged_share: FloatArray, index: Index | None = None
) -> tuple[list[Sectors], FloatArray]:
    """Return the sectors in groups, in their order, and log b + (σ − 1) log c, shape (J, B or 1, N).

    ``lagged_share`` is λ_{t−1}, shape (J, N) or (B, J, N); ``index`` chooses draws of the economy.
    """

    def take(key: str) -> FloatArray:
        return stacked(economy, key, index)

    lag = lagged_share[:, None] if lagged_share.ndim == 2 else lagged_share.transpose(1, 0, 2)
    sigma, theta, kappa = take("sigma"), take("theta"), take("kappa")
    xi, level, mass = take("distortion_elasticity"), take("distortion_level"), take("firm_mass")
    rate, general = take("subsidy"), take("general_subsidy")
    rho, gross = sigma * (1.0 + xi) - 1.0, (sigma - 1.0) * (1.0 + xi)
    with np.errstate(divide="ignore", invalid="ignore"):
        log_floor = np.log(take("productivity")) + take("delta") * lag
        log_level, log_eta = np.log(level), np.log(take("eta"))
        constant = sigma * (log_level - np.log(sigma)) + (sigma - 1.0) * np.log(sigma - 1.0)
        scale = rho * log_floor + constant
        if general.any():
            scale = scale + (1.0 - sigma) * np.log1p(-general)
        foreign = take("port_freeness") * take("foreign_demand")
        export_cost, adoption_cost = take("export_cost"), take("adoption_cost")
        # no foreign demand: no exporter, whatever the cost
        log_export_cost = np.where(foreign > 0.0, np.log(export_cost) - np.log(foreign), np.inf)
        log_adoption_cost, log_kappa = np.log(adoption_cost), np.log(kappa)
        tails = [Tail.build(e, theta, kappa) for e in (rho, gross, np.zeros_like(sigma))]
        zero = np.zeros((1, 1, 1))
        means = [tail(zero) for tail in tails[:2]]
    unit = sigma * mass
    groups = []
    for rows in _runs(economy):

        def cut(values: FloatArray, rows: slice = rows) -> FloatArray:
            return values if values.shape[0] == 1 else values[rows]

        adopts, trades = bool(economy.adopts[rows.start]), bool(economy.trades[rows.start])
        distorted = bool(np.any(cut(xi)))
        gross_unit = cut(unit) / cut(level)
        gain, gross_gain, log_gain, less_one = zero, zero, zero, zero
        subsidised = adopts and bool(np.any(cut(rate)))
        if distorted:
            gross_unit = gross_unit * np.exp(-cut(xi) * cut(log_floor))
        if adopts:
            subsidy = (1.0 - sigma) * np.log1p(-cut(rate)) if subsidised else zero
            log_gain = cut(rho) * log_eta + subsidy
            gain, gross_gain = np.exp(log_gain), np.exp(cut(gross) * log_eta + subsidy)
            with np.errstate(divide="ignore"):
                less_one = np.log(np.maximum(gain - 1.0, 0.0))
        groups.append(
            Sectors(
                rows=rows,
                adopts=adopts,
                trades=trades,
                distorted=distorted,
                taxed=distorted or bool(np.any(cut(level) != 1.0)),
                subsidised=subsidised,
                generally_subsidised=bool(np.any(cut(general))),
                firm_mass=cut(mass),
                unit=cut(unit),
                gross_unit=gross_unit,
                inverse_exponent=1.0 / cut(rho),
                elasticity=cut(xi),
                level=cut(level),
                gain=gain,
                gain_less_one=gain - 1.0,
                gross_gain_less_one=gross_gain - 1.0,
                log_gain=log_gain,
                log_gain_less_one=less_one,
                never=adopts and bool(np.any(gain <= 1.0)),
                foreign_demand=cut(foreign),
                adopters_demand=gain * cut(foreign) if adopts else zero,
                log_export_cost=cut(log_export_cost),
                export_cost=cut(export_cost),
                export_labour=cut(mass) * cut(export_cost) if trades else zero,
                log_adoption_cost=cut(log_adoption_cost),
                log_kappa=log_kappa,
                kept_tail=tails[0].rows(rows),
                gross_tail=tails[1].rows(rows),
                share_tail=tails[2],
                kept_mean=cut(means[0]),
                gross_mean=cut(means[1]),
                subsidy=cut(rate) / (1.0 - cut(rate)) if subsidised else zero,
                general_subsidy=cut(general),
            )
        )
    return groups, scale


def _runs(economy: SpatialEconomy) -> list[slice]:
    """Return the sectors in runs of neighbours that do the same things."""
    kinds = list(zip(economy.adopts.tolist(), economy.trades.tolist(), strict=True))
    starts = [j for j in range(len(kinds)) if j == 0 or kinds[j] != kinds[j - 1]]
    return [slice(a, b) for a, b in zip(starts, [*starts[1:], len(kinds)], strict=True)]
