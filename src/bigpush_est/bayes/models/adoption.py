"""(d) Adoption counts by region and period against the equilibrium's adopter shares: what they say of the subsidy.

    y_ct ~ Binomial(n_ct, m + (1 − 2m)·Λ_ct),    Λ_ct = Σ_n w_cn λ_nt(log η, δ, s̄, F^T, κ; σ, θ)

over cells c (regions, or groups of them with weights w) and periods t.  λ solves the static equilibria of the
calibrated periods one after the other, from the shares before the first; all particles are solved in one batch.  m is
the share of records that are wrong: with bounded productivity the model says λ = 0 exactly for many regions, and one
stray adopter there would otherwise rule a parameter out.  With over-dispersion r > 0, counts are beta-binomial with
intra-cell correlation r: the model is not exact, and firms of a cell have more in common than it says.

Estimated are log η, δ, s̄, F^T, κ (and σ, θ/(σ−1), r if they have priors); held is all else.  Since s̄ has a likelihood
here, a calibration that follows takes it as given: adopter shares enter once.

The sampler is SMC: see ``docs/methods/adoption.md`` for why, with measurements.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from bigpush_est.bayes.models.mapping import broadcast, check_priors
from bigpush_est.bayes.priors import Prior, Support
from bigpush_est.equilibrium.adoption_map import FloatArray
from bigpush_est.equilibrium.spatial.anchor import Anchor
from bigpush_est.equilibrium.spatial.economy import SpatialEconomy
from bigpush_est.equilibrium.spatial.external_draws import ExternalDraws, Trials, converged
from bigpush_est.equilibrium.spatial.scenarios import Baseline
from bigpush_est.equilibrium.spatial.static import solve_static
from bigpush_est.errors import InvalidValue, ShapeMismatch

#: Parameters besides those of the estimates, and where they may lie.
SUPPORTS: dict[str, Support] = {
    "adoption_cost": Support(0.0, np.inf, "F^T, the adoption cost in bundles of adoption inputs"),
    "kappa": Support(1.0, np.inf, "κ, the upper over the lower bound of productivity"),
    "overdispersion": Support(0.0, 1.0, "r, the intra-cell correlation of adoption", low_included=True),
}


def adoption_prior(parameter: str, table: dict[str, Any], where: str = "priors") -> Prior:
    """Return the prior of one of ``SUPPORTS``; ``where`` names its table in messages.

    Examples
    --------
    >>> adoption_prior("kappa", {"family": "normal", "mean": 1.4, "sd": 0.1}).describe()
    'normal(mean=1.4, sd=0.1)'
    """
    return Prior.parse(parameter, table, where, within=SUPPORTS.get(parameter))


@dataclass(frozen=True, slots=True, eq=False)
class AdoptionCounts:
    """How many of how many firms had adopted, by period and cell.

    Attributes
    ----------
    adopters, firms
        Whole numbers, shape (T, C); a cell without firms (0 of 0) is not observed.
    cells
        Weights of the regions in each cell, shape (C, N), rows that sum to 1; None where cells are the regions.
    provenance
        Where the counts come from.

    Raises
    ------
    ShapeMismatch, InvalidValue
        For shapes that differ, counts that are no whole numbers or exceed the firms, or weights that do not sum to 1.

    Examples
    --------
    >>> AdoptionCounts(adopters=[[3, 0]], firms=[[40, 25]]).firms.sum()
    np.float64(65.0)
    """

    adopters: FloatArray
    firms: FloatArray
    cells: FloatArray | None = None
    provenance: str = ""

    def __post_init__(self) -> None:
        for key in ("adopters", "firms"):
            object.__setattr__(self, key, np.asarray(getattr(self, key), dtype=np.float64))
        if self.adopters.ndim != 2 or self.adopters.shape != self.firms.shape:
            raise ShapeMismatch(
                key="adopters, firms",
                shape=(self.adopters.shape, self.firms.shape),
                expected="one (T, C)",
                remedy="one row per period and one column per cell",
            )
        bad = (
            (self.adopters < 0.0)
            | (self.adopters > self.firms)
            | (self.adopters != np.round(self.adopters))
            | (self.firms != np.round(self.firms))
            | ~np.isfinite(self.firms)
        )
        if bad.any():
            t, c = (int(i) for i in np.argwhere(bad)[0])
            raise InvalidValue(
                key=f"adopters[{t}, {c}] of firms[{t}, {c}]",
                value=f"{self.adopters[t, c]:g} of {self.firms[t, c]:g}",
                requirement="whole numbers, from 0 to the number of firms",
                remedy="count firms, not shares",
            )
        if not self.firms.any():
            raise InvalidValue(key="firms", value="0 in every cell", requirement="some firms", remedy="pass counts")
        if self.cells is not None:
            cells = np.asarray(self.cells, dtype=np.float64)
            object.__setattr__(self, "cells", cells)
            good = cells.ndim == 2 and cells.shape[0] == self.adopters.shape[1]
            if not good or (cells < 0.0).any() or not np.allclose(cells.sum(axis=1), 1.0, atol=1e-8):
                raise InvalidValue(
                    key="cells",
                    value=f"shape {cells.shape}",
                    requirement=f"({self.adopters.shape[1]}, N), weights at least 0 that sum to 1 in each row",
                    remedy="weight regions by their firms",
                )


class Shares(Protocol):
    """Adopter shares that theory gives at parameters."""

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names that it takes besides ``bigpush_est.bayes.priors.PARAMETERS``."""
        ...

    def __call__(self, p: Mapping[str, FloatArray]) -> tuple[FloatArray, NDArray[np.bool_]]:
        """Return λ of the adopting sector, (P, T, N), and whether every equilibrium converged, (P,)."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class HeldFundamentals:
    """Shares of a calibrated economy whose fundamentals are held while parameters move.

    Every particle starts from the calibrated equilibria, so that what is found for it does not depend on the others.

    Attributes
    ----------
    baseline
        Calibrated periods; regions with a subsidy there get rate s̄ instead.
    tolerance
        Of ``solve_static``.
    xi
        ξ of the adopting sector as a function of σ and θ; None for the baseline's.
    """

    baseline: Baseline
    tolerance: float = 1e-9
    xi: Callable[[FloatArray, FloatArray], FloatArray] | None = None
    parameters: tuple[str, ...] = field(default=("adoption_cost", "kappa"), init=False)
    _periods: tuple[SpatialEconomy, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_periods", self.baseline.draw(0).economies)

    def economies(self, p: Mapping[str, FloatArray]) -> list[SpatialEconomy]:
        """Return each period's economy at P particles."""
        heavy, size = self.baseline.heavy, p["delta"].size
        theta = p["pareto_ratio"] * (p["sigma"] - 1.0)
        found = []
        for economy in self._periods:
            cost = np.repeat(economy.adoption_cost[None], size, axis=0)
            cost[:, heavy] = p["adoption_cost"]
            subsidy = np.repeat(economy.subsidy[None], size, axis=0)
            # a rate of 1 is possible to rounding only
            rate = np.minimum(p["subsidy"], 1.0 - 1e-9)
            subsidy[:, heavy] = np.where(economy.subsidy[heavy] > 0.0, rate[:, None], 0.0)
            elasticity = np.repeat(np.reshape(economy.distortion_elasticity, (1, -1)), size, axis=0)
            if self.xi is not None:
                elasticity[:, heavy] = self.xi(p["sigma"], theta)
            found.append(
                economy.changed(
                    eta=np.exp(p["log_eta"]),
                    delta=p["delta"],
                    sigma=p["sigma"],
                    theta=theta,
                    distortion_elasticity=elasticity,
                    kappa=np.maximum(p["kappa"], 1.0 + 1e-9),
                    adoption_cost=cost,
                    subsidy=subsidy,
                )
            )
        return found

    def initial_share(self, p: Mapping[str, FloatArray]) -> FloatArray:
        """Return λ before the first period: the baseline's, whatever the parameters."""
        return self.baseline.draw(0).initial_share

    def __call__(self, p: Mapping[str, FloatArray]) -> tuple[FloatArray, NDArray[np.bool_]]:
        """Return λ of the adopting sector, (P, T, N), and whether every equilibrium converged, (P,)."""
        lag = self.initial_share(p)
        shares, good = [], np.ones(p["delta"].size, dtype=bool)
        for t, economy in enumerate(self.economies(p)):
            matrices = self.baseline.preconditioners
            solved = solve_static(
                economy,
                lag,
                start=self.baseline.equilibria[t].point[0],
                preconditioner=None if matrices is None else matrices[t],
                tolerance=self.tolerance,
            )
            lag = solved.adopter_share
            shares.append(lag[:, self.baseline.heavy])
            good &= solved.converged
        return np.stack(shares, axis=1), good


@dataclass(frozen=True, slots=True, eq=False)
class InvertedFundamentals:
    """Shares of an economy whose fundamentals are inverted at every particle: production and trade stay the data's.

    Attributes
    ----------
    anchor
        The point calibration; F^x and τ̄ stay its own.
    xi
        ξ of the adopting sector as a function of σ and θ; None for the anchor's.
    tolerance, max_iterations
        Of each period's inversion; one that takes longer counts as not converged.
    """

    anchor: Anchor
    xi: Callable[[FloatArray, FloatArray], FloatArray] | None = None
    tolerance: float = 1e-9
    max_iterations: int = 500
    parameters: tuple[str, ...] = field(default=("adoption_cost", "kappa"), init=False)

    def __call__(self, p: Mapping[str, FloatArray]) -> tuple[FloatArray, NDArray[np.bool_]]:
        """Return λ of the adopting sector, (P, T, N), and whether every inversion converged, (P,)."""
        anchor, size = self.anchor, p["delta"].size
        theta = p["pareto_ratio"] * (p["sigma"] - 1.0)
        xi = np.full(size, anchor.external.xi[0]) if self.xi is None else self.xi(p["sigma"], theta)
        external = ExternalDraws(np.exp(p["log_eta"]), p["delta"], p["sigma"], theta, xi)
        trial = np.repeat(anchor.parameters[None], size, axis=0)
        trial[:, 0] = p["adoption_cost"]
        trial[:, 3] = np.minimum(p["subsidy"], 1.0 - 1e-9)
        trial[:, 4] = np.maximum(p["kappa"], 1.0 + 1e-9)
        points = np.broadcast_to(anchor.points, (size, *anchor.points.shape))
        trials = Trials(
            anchor.problem,
            external,
            anchor.preconditioners,
            tolerance=self.tolerance,
            max_iterations=self.max_iterations,
        )
        found = trials.invert(np.arange(size), trial, points)
        heavy = anchor.problem.adopting_sector
        return np.stack([one.equilibrium.adopter_share[:, heavy] for one in found], axis=1), converged(found)


@dataclass(frozen=True, slots=True, eq=False)
class AdoptionModel:
    """Priors, counts, and the economy that has to explain them.

    Attributes
    ----------
    priors
        Of each of ``bigpush_est.bayes.priors.PARAMETERS``, of the shares' own parameters and of ``overdispersion``.
    counts
        Adopters by period and cell.
    shares
        Such as ``HeldFundamentals``.
    misrecorded
        m: share of firms recorded as adopters though they are not, and the other way round.

    Raises
    ------
    MissingKey, InvalidValue
        For priors that do not fit, or a share of wrong records outside [0, 0.5).

    Examples
    --------
    >>> from bigpush_est.equilibrium.spatial.scenarios import example_baseline
    >>> from bigpush_est.study import load_study
    >>> own = {"adoption_cost": 0.25, "kappa": 1.4, "overdispersion": 0.0}
    >>> held = [adoption_prior(name, {"family": "fixed", "value": value}) for name, value in own.items()]
    >>> model = AdoptionModel(
    ...     (*load_study("published").inputs().priors, *held),
    ...     AdoptionCounts([[12, 16, 18, 16], [34, 40, 27, 19], [40, 40, 28, 10]], np.full((3, 4), 40)),
    ...     HeldFundamentals(example_baseline()))
    >>> point = {"log_eta": np.log(1.25), "delta": 0.68, "subsidy": 0.1, "sigma": 5.0, "pareto_ratio": 1.06, **own}
    >>> bool(model.log_likelihood(point) > -25.0)
    True
    """

    priors: tuple[Prior, ...]
    counts: AdoptionCounts
    shares: Shares
    misrecorded: float = 0.001

    def __post_init__(self) -> None:
        check_priors(self.priors, [*self.shares.parameters, "overdispersion"])
        if not 0.0 <= self.misrecorded < 0.5:
            raise InvalidValue(
                key="misrecorded", value=self.misrecorded, requirement="in [0, 0.5)", remedy="pass a small share"
            )

    def probabilities(self, p: Mapping[str, FloatArray]) -> tuple[FloatArray, NDArray[np.bool_]]:
        """Return the probability that a firm is recorded as an adopter, (P, T, C), and convergence, (P,).

        Particles at which the economy is not defined count as not converged.
        """
        size = p["delta"].size
        try:
            # far from any solution numbers run over: such a particle fails, and that is all
            with np.errstate(all="ignore"):
                found, good = self.shares(p)
        except InvalidValue:
            if size == 1:
                return np.full((1, *self.counts.firms.shape), np.nan), np.zeros(1, dtype=bool)
            halves = np.array_split(np.arange(size), 2)
            parts = [self.probabilities({name: value[half] for name, value in p.items()}) for half in halves]
            joined, flags = (np.concatenate(part) for part in zip(*parts, strict=True))
            return joined, flags
        if self.counts.cells is not None:
            found = found @ self.counts.cells.T
        if found.shape[1:] != self.counts.firms.shape:
            raise ShapeMismatch(
                key="counts",
                shape=self.counts.firms.shape,
                expected=f"{found.shape[1:]}: the economy's periods and regions",
                remedy="give counts of every period and region, 0 of 0 where there are none, or cells",
            )
        return self.misrecorded + (1.0 - 2.0 * self.misrecorded) * np.clip(found, 0.0, 1.0), good

    def log_likelihood(self, p: Mapping[str, Any]) -> FloatArray:
        """Return the log-likelihood of all counts at parameters of one shape; NaN where no equilibrium was found."""
        values = broadcast(p)
        shape = values["delta"].shape
        flat = {name: np.atleast_1d(value.reshape(-1)) for name, value in values.items()}
        share, good = self.probabilities(flat)
        found = log_probability(self.counts.adopters, self.counts.firms, share, flat["overdispersion"][:, None, None])
        total: FloatArray = np.where(good, found.sum(axis=(1, 2)), np.nan)
        return total.reshape(shape)

    def simulate(self, p: Mapping[str, Any], rng: np.random.Generator) -> AdoptionCounts:
        """Draw counts of the same numbers of firms at one parameter point."""
        values = {name: np.atleast_1d(np.asarray(value, dtype=np.float64)) for name, value in p.items()}
        share, good = self.probabilities(values)
        if not good[0]:
            raise InvalidValue(
                key="parameters", value="of the simulation", requirement="with an equilibrium", remedy="draw others"
            )
        share, r = share[0], float(values["overdispersion"][0])
        if r > 0.0:
            inside = (share > 0.0) & (share < 1.0)
            safe = np.where(inside, share, 0.5)
            share = np.where(inside, rng.beta(safe * (1.0 - r) / r, (1.0 - safe) * (1.0 - r) / r), share)
        adopters = rng.binomial(self.counts.firms.astype(np.int64), share)
        return AdoptionCounts(adopters.astype(np.float64), self.counts.firms, self.counts.cells, "simulated")

    def described(self) -> dict[str, Any]:
        """Return the evidence as JSON can hold it."""
        counts = self.counts
        return {
            "model": "adoption",
            "adopters": counts.adopters.tolist(),
            "firms": counts.firms.tolist(),
            "cells": None if counts.cells is None else counts.cells.tolist(),
            "provenance": counts.provenance,
            "shares": type(self.shares).__name__,
            "misrecorded": self.misrecorded,
        }


def log_probability(adopters: FloatArray, firms: FloatArray, share: FloatArray, overdispersion: Any) -> FloatArray:
    """Log probability of counts: binomial, or beta-binomial where the intra-cell correlation is above 1e-6.

        P(y) = C(n, y) B(y + a, n − y + b)/B(a, b),    a = Λ(1−r)/r,  b = (1−Λ)(1−r)/r

    Parameters
    ----------
    adopters, firms
        y and n, shape (T, C).
    share
        Λ, shape (P, T, C).
    overdispersion
        r, broadcasting against ``share``.

    Examples
    --------
    >>> float(np.exp(log_probability(np.array([[1.0]]), np.array([[2.0]]), np.array([[[0.5]]]), 0.0))[0, 0, 0])
    0.5
    """
    from scipy import special

    adopters, firms = np.broadcast_to(adopters, share.shape), np.broadcast_to(firms, share.shape)
    ways = special.gammaln(firms + 1.0) - special.gammaln(adopters + 1.0) - special.gammaln(firms - adopters + 1.0)
    value = ways + special.xlogy(adopters, share) + special.xlog1py(firms - adopters, -share)
    spread = np.broadcast_to(overdispersion, share.shape) > 1e-6
    inside = spread & (share > 0.0) & (share < 1.0)
    if inside.any():
        r = np.where(inside, overdispersion, 0.5)
        safe = np.where(inside, share, 0.5)
        a, b = safe * (1.0 - r) / r, (1.0 - safe) * (1.0 - r) / r
        mixed = ways + special.betaln(adopters + a, firms - adopters + b) - special.betaln(a, b)
        value = np.where(inside, mixed, value)
    found: FloatArray = value
    return found
