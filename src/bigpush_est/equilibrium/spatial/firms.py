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

This module has the constants of these formulas; ``kernel`` evaluates them.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from bigpush_est.equilibrium.adoption_map import FloatArray, Index
from bigpush_est.equilibrium.spatial.economy import SHAPES, SpatialEconomy

#: |e − θ| log κ below which the difference of two powers would lose digits: computed through expm1 instead.
_CLOSE_EXPONENTS = 1e-3


def taken(economy: SpatialEconomy, key: str, index: Index | None = None) -> FloatArray:
    """Return a field of shape "", "J", "N" or "JN" as (C or 1, J or 1, N or 1), of all draws or some."""
    values: FloatArray = getattr(economy, key)
    shape = SHAPES[key]
    if values.ndim == len(shape):
        values = values[None]
    elif index is not None:
        values = values[index]
    if "J" not in shape:
        values = values[:, None]
    return values if "N" in shape else values[..., None]


@dataclass(frozen=True, slots=True)
class Tail:
    """∫_x^κ t^e dG for one exponent e per sector and draw; arrays of shape (C or 1, J or 1, 1)."""

    power: FloatArray  # e − θ
    factor: FloatArray  # θ/((θ − e)(1 − κ^{−θ})); where e is close to θ, θ/(1 − κ^{−θ})
    bound: FloatArray  # κ^{e−θ}
    log_bound: FloatArray  # log κ
    close: Any  # where e is close to θ

    @classmethod
    def build(cls, exponent: FloatArray, theta: FloatArray, kappa: FloatArray) -> Self:
        """Take the constants of ∫ t^e dG, shapes that broadcast to each other."""
        power, log_bound = exponent - theta, np.log(kappa)
        mass = -np.expm1(-theta * log_bound)
        unbounded = np.isinf(kappa)
        bound = np.where(unbounded, 0.0, np.exp(power * np.where(unbounded, 0.0, log_bound)))
        close = np.abs(power) * log_bound < _CLOSE_EXPONENTS
        factor = theta / mass / np.where(close, 1.0, -power)
        return cls(power, factor, bound, log_bound, close)

    def __call__(self, log_x: FloatArray) -> FloatArray:
        """Return the tail above x; log x in [0, log κ]."""
        value = np.exp(self.power * log_x)
        with np.errstate(invalid="ignore"):
            gap = self.log_bound - log_x
            product = self.power * gap
            ratio = np.where(product == 0.0, 1.0, np.expm1(product) / np.where(product == 0.0, 1.0, product))
            stable = value * gap * ratio
        whole: FloatArray = np.where(self.close, stable, value - self.bound) * self.factor
        return whole

    def columns(self, k: int) -> FloatArray:
        """Return the numbers by which the kernel knows the k-th of several tails on the last axis, (C or 1, J, 4)."""
        parts = np.broadcast_arrays(self.power, self.factor, self.bound, self.close)
        return np.stack([part[..., k] for part in parts], axis=-1)


class CellOutcome(NamedTuple):
    """What the firms of a sector do, each (B, N); values in units of the numeraire."""

    home_supply: FloatArray  # V = M E[p^{1−σ}]
    kept: FloatArray  # K, kept revenue
    kept_adopters: FloatArray | None  # K^T; None where no firm can adopt, or no adopter is subsidised
    gross: FloatArray  # R, revenue
    exported: FloatArray | None  # the part of R earned abroad
    adopters: FloatArray | None  # λ, share of firms; rounding may take it out of [0, 1], as the next
    exporters: FloatArray | None  # share of firms
    reach: FloatArray | None  # log κ less the log x from which firms adopt: positive where any firm adopts


class FirmConstants(NamedTuple):
    """The constants of firms' choices, as ``kernel.Constants`` has them, and what moves them."""

    kind: NDArray[np.int64]
    scalars: FloatArray
    log_scale: FloatArray
    unit: FloatArray
    gross_unit: FloatArray
    inputs: FloatArray
    gains: FloatArray
    adopters_mass: FloatArray
    foreign: FloatArray


def whole(values: FloatArray, *shape: int) -> FloatArray:
    """Return values (C or 1, ...) with the other axes as long as ``shape`` says, in contiguous memory."""
    return np.ascontiguousarray(np.broadcast_to(values, (values.shape[0], *shape)), dtype=np.float64)


def _columns(parts: list[FloatArray], count: int) -> FloatArray:
    """Return parts (C or 1, J or 1, columns) side by side, (C or 1, J, all columns)."""
    found = np.empty((max(len(part) for part in parts), count, sum(part.shape[2] for part in parts)))
    first = 0
    for part in parts:
        found[:, :, first : first + part.shape[2]] = part
        first += part.shape[2]
    return found


def _rows(parts: list[FloatArray], count: int, size: int) -> FloatArray:
    """Return parts (C or 1, sectors, N or 1) behind each other, (C or 1, sectors, parts, N)."""
    found = np.empty((max(len(part) for part in parts), count, len(parts), size))
    for place, part in enumerate(parts):
        found[:, :, place] = part
    return found


def firm_constants(economy: SpatialEconomy, lagged_share: FloatArray, index: Index | None = None) -> FirmConstants:
    """Return the constants at last period's shares λ_{t−1}, (J, N) or (C, J, N); ``index`` chooses draws of economies.

    The scale is log b + (σ − 1) log c, of which c is left to be taken off at the current prices.
    """
    count, size = economy.n_sectors, economy.n_regions

    def take(key: str) -> FloatArray:
        return taken(economy, key, index)

    lag = lagged_share[None] if lagged_share.ndim == 2 else lagged_share
    sigma, theta, kappa = take("sigma"), take("theta"), take("kappa")
    xi, level, mass = take("distortion_elasticity"), take("distortion_level"), take("firm_mass")
    rate, general = take("subsidy"), take("general_subsidy")
    rho, gross = sigma * (1.0 + xi) - 1.0, (sigma - 1.0) * (1.0 + xi)
    adopting, trading = np.flatnonzero(economy.adopts), np.flatnonzero(economy.trades)
    kind = np.zeros((count, _KINDS), dtype=np.int64)
    kind[:, :2] = -1
    kind[adopting, 0], kind[trading, 1] = np.arange(adopting.size), np.arange(trading.size)
    distorted = kind[:, 2] = xi.any(axis=(0, 2))
    kind[:, 3] = distorted | (level != 1.0).any(axis=(0, 2))
    rate = rate[:, adopting]
    kind[adopting, 4] = rate.any(axis=(0, 2))
    with np.errstate(divide="ignore", invalid="ignore"):
        log_floor = np.log(take("productivity")) + take("delta") * lag
        constant = sigma * (np.log(level) - np.log(sigma)) + (sigma - 1.0) * np.log(sigma - 1.0)
        scale = rho * log_floor + constant
        left = 1.0 - general
        if general.any():
            scale = scale + (1.0 - sigma) * np.log(left)
        abroad, export_cost = (take("port_freeness") * take("foreign_demand"))[:, trading], take("export_cost")
        # no foreign demand: no exporter, whatever the cost
        log_export_cost = np.where(abroad > 0.0, np.log(export_cost[:, trading]) - np.log(abroad), np.inf)
        # all tails together: of kept revenue, gross revenue and firms
        exponents = np.concatenate(np.broadcast_arrays(rho, gross, 0.0), axis=2)
        tail = Tail.build(exponents, theta, kappa)
        means = tail(np.zeros(1))
        log_gain, log_gross_gain = (part[:, adopting] * np.log(take("eta")) for part in (rho, gross))
        if rate.any():
            subsidy = (1.0 - sigma) * np.log1p(-rate)
            log_gain, log_gross_gain = log_gain + subsidy, log_gross_gain + subsidy
        gain = np.expm1(log_gain)
        gains = [gain, np.expm1(log_gross_gain), log_gain, np.log(np.maximum(gain, 0.0)), rate / (1.0 - rate)]
        columns = [sigma - 1.0, 1.0 / rho, np.log(kappa), np.log(take("adoption_cost")), export_cost, level]
    gross_unit = sigma * mass / level
    if distorted.any():
        gross_unit = gross_unit * np.exp(-xi * log_floor)
    columns += [means[..., :2], *(tail.columns(k) for k in range(3))]
    return FirmConstants(
        kind=kind,
        scalars=_columns(columns, count),
        log_scale=whole(scale, count, size),
        unit=whole(sigma * mass, count, size),
        gross_unit=whole(gross_unit, count, size),
        inputs=whole((sigma - 1.0) / sigma / left, count, size),
        gains=_rows(gains, adopting.size, size),
        adopters_mass=whole(mass[:, adopting], adopting.size, size),
        foreign=_rows([abroad, log_export_cost, mass[:, trading] * export_cost[:, trading]], trading.size, size),
    )


#: Columns of the kinds of sectors: what ``kernel`` calls ADOPTS, TRADES, DISTORTED, TAXED and SUBSIDISED.
_KINDS = 5
