"""Households that choose where to live: labour is solved for together with wages, prices and expenditures.

Section 6: "For robustness, we also extend the model to incorporate household spatial mobility".  The appendix with this
extension is not at hand; this is our reading of what Section 6 names.  A household in region n consumes
v_n = I_n/(L_n P_n), and likes n by a factor drawn from a Fréchet distribution with shape ε and scale A_n:

    L_n = L A_n v_n^ε / Σ_m A_m v_m^ε,    W = (Σ_n A_n v_n^ε)^{1/ε}

W is expected utility but for the constant Γ(1 − 1/ε), which comparisons drop (an index where ε ≤ 1).  Choices:

* Tastes are drawn anew in every period and moving costs nothing, so that labour follows current consumption.
* Whoever moves earns profits, taxes and tariffs back in proportion to labour income, as all residents do.
* Amenities A_n are those at which the baseline, with its push, has the data's labour in each calibrated period; then
  they stay at the last one's.  They are normalised to Σ_n A_n = 1.
* ε is 3 by default; published estimates for regions are mostly between 1 and 4.  At ε = 0 nobody moves, and W is the
  limit exp(Σ_n A_n log v_n).
"""

from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass, fields, replace
from typing import Self

import numpy as np

from bigpush_est.equilibrium.adoption_map import FloatArray, Index
from bigpush_est.equilibrium.spatial.acceleration import newton_preconditioner
from bigpush_est.equilibrium.spatial.conditions import StaticSystem, by_draw
from bigpush_est.equilibrium.spatial.dynamics import Path, solve_path
from bigpush_est.equilibrium.spatial.economy import SpatialEconomy
from bigpush_est.equilibrium.spatial.outcomes import measure, welfare
from bigpush_est.equilibrium.spatial.policies import PathSettings, require, same_length
from bigpush_est.equilibrium.spatial.scenarios import Baseline, one_draw
from bigpush_est.equilibrium.spatial.static import (
    StaticEquilibrium,
    default_attempts,
    solve_by_attempts,
    solve_static,
)
from bigpush_est.errors import ShapeMismatch


@dataclass(frozen=True, slots=True, eq=False)
class MobileEconomy:
    """An economy whose labour chooses its region.

    Attributes
    ----------
    economy
        Its ``labour`` sets the total, L, and where searches without a start begin.
    amenity
        A_n, above 0; only ratios matter to choices, (N,) or (D, N).
    elasticity
        ε, at least 0.

    Raises
    ------
    InvalidValue, ShapeMismatch
        For amenities or an elasticity out of range or shape.
    """

    economy: SpatialEconomy
    amenity: FloatArray
    elasticity: float

    def __post_init__(self) -> None:
        amenity, size = np.asarray(self.amenity, dtype=np.float64), self.economy.n_regions
        draws = self.economy.n_draws
        if amenity.ndim not in (1, 2) or amenity.shape[-1] != size or (amenity.ndim == 2 and 1 < draws != len(amenity)):
            raise ShapeMismatch(
                key="amenity", shape=amenity.shape, expected=f"({size},) or ({draws}, {size})", remedy="one per region"
            )
        good = np.isfinite(amenity) & (amenity > 0.0)
        require("amenity", amenity[~good][:1], bool(good.all()), "above 0", "see amenities()")
        good_elasticity = bool(np.isfinite(self.elasticity) and self.elasticity >= 0.0)
        require("elasticity", self.elasticity, good_elasticity, "finite and at least 0", "the default is 3")
        object.__setattr__(self, "amenity", amenity)

    @property
    def n_draws(self) -> int:
        """D."""
        return max(self.economy.n_draws, len(by_draw(self.amenity, 1)))

    @property
    def log_total(self) -> FloatArray:
        """Log L, (D or 1, 1)."""
        total: FloatArray = np.log(by_draw(self.economy.labour, 1).sum(axis=1, keepdims=True))
        return total

    def select(self, index: Index) -> Self:
        """Return the economy of some of its draws."""
        amenity = self.amenity[index] if self.amenity.ndim == 2 and len(self.amenity) > 1 else self.amenity
        return replace(self, economy=self.economy.select(index), amenity=amenity)


@dataclass(frozen=True, eq=False)
class MobileEquilibrium(StaticEquilibrium):
    """A static equilibrium with the labour that its consumption attracts, (D, N); its ``economy`` has that labour."""

    labour: FloatArray

    @property
    def point(self) -> FloatArray:
        """Log w, log P, log E and log L, shape (D, (2 + 2J) N): a start for another solution."""
        return np.concatenate([super().point, np.log(self.labour)], axis=1)


def location_shares(amenity: FloatArray, consumption: FloatArray, elasticity: float) -> FloatArray:
    """Return A v^ε / Σ A v^ε along the last axis.

    Examples
    --------
    >>> location_shares(np.array([0.5, 0.5]), np.array([2.0, 1.0]), 1.0).round(3).tolist()
    [0.667, 0.333]
    """
    logs = np.log(amenity) + elasticity * np.log(consumption)
    weight = np.exp(logs - logs.max(axis=-1, keepdims=True))
    share: FloatArray = weight / weight.sum(axis=-1, keepdims=True)
    return share


def expected_utility(amenity: FloatArray, consumption: FloatArray, elasticity: float) -> FloatArray:
    """Return (Σ A v^ε)^{1/ε} along the last axis with A in shares; at ε = 0 its limit, exp(Σ A log v).

    Examples
    --------
    >>> [expected_utility(np.array([0.5, 0.5]), np.array([4.0, 1.0]), e).round(4).item() for e in (0.0, 1e-6, 1.0)]
    [2.0, 2.0, 2.5]
    """
    share, logs = amenity / amenity.sum(axis=-1, keepdims=True), np.log(consumption)
    centre = (share * logs).sum(axis=-1, keepdims=True)
    if elasticity == 0.0:
        log_utility = np.zeros_like(centre[..., 0])
    else:
        log_utility = np.log1p((share * np.expm1(elasticity * (logs - centre))).sum(axis=-1)) / elasticity
    utility: FloatArray = np.exp(centre[..., 0] + log_utility)
    return utility


def amenities(equilibrium: StaticEquilibrium, elasticity: float) -> FloatArray:
    """Return the amenities at which households choose the equilibrium's labour: A ∝ L/v^ε, adding up to 1, (D, N)."""
    consumption = measure(equilibrium).consumption
    logs = np.log(by_draw(equilibrium.economy.labour, 1)) - elasticity * np.log(consumption)
    weight = np.exp(logs - logs.max(axis=1, keepdims=True))
    share: FloatArray = weight / weight.sum(axis=1, keepdims=True)
    return share


class MobileSystem:
    """Equilibrium conditions and location choice together; points hold log w, log P, log E, then log L."""

    def __init__(self, mobile: MobileEconomy, lagged_share: FloatArray) -> None:
        self.mobile = mobile
        self.static = StaticSystem(mobile.economy, lagged_share)
        self.log_amenity, self.log_total = np.log(by_draw(mobile.amenity, 1)), mobile.log_total

    def select(self, index: Index) -> Self:
        """Return the system of some draws."""
        chosen = copy(self)
        chosen.static = self.static.select(index)
        for key in ("log_amenity", "log_total"):
            value = getattr(self, key)
            setattr(chosen, key, value[index] if len(value) > 1 else value)
        return chosen

    def residual(self, points: FloatArray) -> FloatArray:
        """Return equilibrium residuals, then the log of implied over current labour, (B, (2 + 2J) N)."""
        size = self.static.labour.shape[-1]
        static, log_labour = points[:, :-size], points[:, -size:]
        moved = copy(self.static)
        moved.labour = np.exp(log_labour)
        state = moved.evaluate(static)
        log_price = static.reshape(len(static), -1, size)[:, 1 : 1 + len(moved.sectors)]
        with np.errstate(invalid="ignore", divide="ignore"):
            log_consumption = np.log(state.income) - log_labour - (moved.preference[:, :, None] * log_price).sum(axis=1)
            appeal = self.log_amenity + self.mobile.elasticity * log_consumption
        highest = appeal.max(axis=1, keepdims=True)
        log_share = appeal - highest - np.log(np.exp(appeal - highest).sum(axis=1, keepdims=True))
        equilibrium = np.ascontiguousarray(state.residual.transpose(1, 0, 2)).reshape(len(static), -1)
        return np.concatenate([equilibrium, self.log_total + log_share - log_labour], axis=1)


def solve_static_mobile(
    mobile: MobileEconomy,
    lagged_share: FloatArray,
    *,
    start: FloatArray | None = None,
    preconditioner: FloatArray | None = None,
    tolerance: float = 1e-10,
    max_iterations: int = 500,
    chunk: int = 128,
) -> MobileEquilibrium:
    """Solve the static equilibrium and where households live, for every draw.

    Parameters
    ----------
    mobile
        D draws.
    lagged_share
        λ_{t−1}, (J, N) or (D, J, N).
    start
        A ``MobileEquilibrium.point``, or a ``StaticEquilibrium.point`` with the economy's own labour, with or without a
        draws' axis.  None starts from a rough equilibrium with the economy's own labour.
    preconditioner
        From ``mobile_preconditioner``.
    tolerance, max_iterations, chunk
        As in ``solve_static``; the tolerance also holds for log labour.

    Raises
    ------
    ShapeMismatch, InvalidValue
        For shares or starts of the wrong shape, or shares outside [0, 1].

    Examples
    --------
    >>> from bigpush_est.equilibrium.spatial.scenarios import example_baseline
    >>> first = example_baseline().equilibria[0]
    >>> mobile = MobileEconomy(first.economy, amenities(first, 3.0), 3.0)
    >>> solve_static_mobile(mobile, first.lagged_share).labour.round(6).tolist()
    [[0.25, 0.25, 0.25, 0.25]]
    """
    economy, lag = mobile.economy, np.asarray(lagged_share, dtype=np.float64)
    base, size = (economy.n_sectors, economy.n_regions), (1 + 2 * economy.n_sectors) * economy.n_regions
    if lag.ndim not in (2, 3) or lag.shape[-2:] != base:
        raise ShapeMismatch(
            key="lagged_share", shape=lag.shape, expected=f"{base} or (D, *{base})", remedy="one share per cell"
        )
    count = max(mobile.n_draws, len(lag) if lag.ndim == 3 else 1)
    if start is None:
        start = solve_static(economy, lag, tolerance=1e-4).point
    start = by_draw(np.asarray(start, dtype=np.float64), 1)
    if start.shape[-1] == size:
        labour = np.broadcast_to(by_draw(economy.labour, 1), (max(len(start), economy.n_draws), economy.n_regions))
        start = np.concatenate([np.broadcast_to(start, (len(labour), size)), np.log(labour)], axis=1)
    if start.shape not in ((1, size + economy.n_regions), (count, size + economy.n_regions)):
        expected = f"({size},) or ({size + economy.n_regions},), or {count} of them"
        raise ShapeMismatch(key="start", shape=start.shape, expected=expected, remedy="use another's point")
    start = np.broadcast_to(start, (count, start.shape[1]))
    attempts = [] if preconditioner is None else [(preconditioner, 5, 1)]
    for damping, depth, factor in default_attempts(economy, []):
        labour_damping = np.full(economy.n_regions, damping[0] / max(1.0, mobile.elasticity))
        attempts.append((np.concatenate([damping, labour_damping]), depth + 2, factor))
    found = []
    for first in range(0, count, chunk):
        index = np.arange(first, min(first + chunk, count))
        part = mobile.select(index) if mobile.n_draws > 1 else mobile
        system = MobileSystem(part, lag[index] if lag.ndim == 3 and len(lag) > 1 else lag)
        # half the tolerance: labour is then made to add up, and the economy evaluated with that labour
        found.append(solve_by_attempts(system, start[index], attempts, 0.5 * tolerance, max_iterations))
    points = np.concatenate([one.points for one in found])
    log_labour = points[:, size:]
    labour = np.exp(log_labour + mobile.log_total - np.log(np.exp(log_labour).sum(axis=1, keepdims=True)))
    # an axis of one draw would stand in the way of several
    economy = one_draw(economy) if economy.n_draws == 1 else economy
    settled = solve_static(
        economy.changed(labour=labour), lag, start=points[:, :size], tolerance=tolerance, chunk=chunk
    )
    values = {entry.name: getattr(settled, entry.name) for entry in fields(StaticEquilibrium)}
    values["residual"] = np.maximum(settled.residual, np.concatenate([one.residual for one in found]))
    values["iterations"] = settled.iterations + np.concatenate([one.iterations for one in found])
    values["converged"] = settled.converged & np.concatenate([one.converged for one in found])
    return MobileEquilibrium(**values, labour=labour)


def mobile_preconditioner(mobile: MobileEconomy, solution: StaticEquilibrium) -> FloatArray:
    """Return the preconditioner of a solved economy (its first draw): of the mobile one, or of one with its labour."""
    first, share = np.array([0]), solution.lagged_share
    system = MobileSystem(
        mobile.select(first) if mobile.n_draws > 1 else mobile, share if share.ndim == 2 else share[:1]
    )
    point = solution.point[0]
    if not isinstance(solution, MobileEquilibrium):
        point = np.concatenate([point, np.log(by_draw(solution.economy.labour, 1)[0])])
    return newton_preconditioner(system, point)


@dataclass(frozen=True, slots=True, eq=False)
class MobilityComparison:
    """Paths with and without the push when households move; D draws, T periods (as long as the longer path).

    Attributes
    ----------
    elasticity, amenity
        ε, and A_n in each calibrated period, (periods, D, N).
    push, none
        The paths.
    labour_push, labour_none
        Where households live, in units of the economy's labour, (T, D, N).
    utility_push, utility_none
        W, (T, D).
    welfare
        The push's consumption-equivalent gain of W, ``"log"`` and ``"linear"``, a fraction; NaN unless both paths end
        in a steady state, (D,).
    """

    elasticity: float
    amenity: FloatArray
    push: Path
    none: Path
    labour_push: FloatArray
    labour_none: FloatArray
    utility_push: FloatArray
    utility_none: FloatArray
    welfare: Mapping[str, FloatArray]


def mobility_paths(
    baseline: Baseline, elasticity: float = 3.0, *, settings: PathSettings | None = None
) -> MobilityComparison:
    """Solve the paths with and without the push when households choose their region.

    With the push the calibrated periods are the baseline's, as amenities are chosen so; what differs is what comes
    after, and the path without the push.

    Parameters
    ----------
    baseline
        D draws.
    elasticity
        ε, at least 0; at 0 nobody moves.
    settings
        How paths are solved and valued.

    Examples
    --------
    >>> from bigpush_est.equilibrium.spatial.scenarios import example_baseline
    >>> found = mobility_paths(example_baseline())
    >>> found.labour_push[-1, 0].round(2).tolist(), found.labour_none[-1, 0].round(2).tolist()
    ([0.23, 0.2, 0.32, 0.24], [0.13, 0.13, 0.33, 0.41])
    """
    settings = settings or PathSettings()
    equilibria = baseline.equilibria
    amenity = np.stack([amenities(equilibrium, elasticity) for equilibrium in equilibria])
    matrices = None
    if baseline.preconditioners is not None:
        known = [
            MobileEconomy(*given, elasticity) for given in zip([e.economy for e in equilibria], amenity, strict=True)
        ]
        matrices = [mobile_preconditioner(*given) for given in zip(known, equilibria, strict=True)]
    paths = []
    for push in (True, False):
        economies = baseline.sequence(push)
        scales = [*amenity, *[amenity[-1]] * (len(economies) - len(amenity))]
        path = solve_path(
            [MobileEconomy(one, scale, elasticity) for one, scale in zip(economies, scales, strict=True)],
            baseline.initial_share,
            solve=solve_static_mobile,
            starts=[equilibrium.point for equilibrium in equilibria],
            preconditioners=matrices,
            max_periods=settings.max_periods,
            tolerance=settings.tolerance,
        )
        last = path.last
        if isinstance(last, MobileEquilibrium):  # draws that arrive early leave the economy of later ones behind
            last = replace(last, economy=last.economy.changed(labour=last.labour))
        paths.append(replace(path, last=last))
    consumption = same_length(*[path.outcomes.consumption for path in paths])
    rest = [amenity[-1:]] * (len(consumption[0]) - len(amenity))
    whole = np.concatenate([amenity, *rest])
    people = np.stack([by_draw(one.labour, 1).sum(axis=1, keepdims=True) for one in baseline.economies])
    total = np.concatenate([people, *[people[-1:]] * len(rest)])
    labour = [total * location_shares(whole, one, elasticity) for one in consumption]
    utility = [expected_utility(whole, one, elasticity) for one in consumption]
    steady = (paths[0].fate == "steady state") & (paths[1].fate == "steady state")
    gains = welfare(utility[0][..., None], utility[1][..., None], settings.discount)
    return MobilityComparison(
        elasticity=elasticity,
        amenity=amenity,
        push=paths[0],
        none=paths[1],
        labour_push=labour[0],
        labour_none=labour[1],
        utility_push=utility[0],
        utility_none=utility[1],
        welfare={key: np.where(steady, value[:, 0], np.nan) for key, value in gains.items()},
    )
