"""The search for eq. (5.1)'s minimum in many draws at once: trust regions, Broyden's updates, differences, secants."""

import numpy as np
from numpy.typing import NDArray

from bigpush_est.equilibrium.adoption_map import FloatArray
from bigpush_est.equilibrium.spatial.anchor import Anchor
from bigpush_est.equilibrium.spatial.calibration import PARAMETERS, STEP, from_free, to_free
from bigpush_est.equilibrium.spatial.external_draws import Trials

#: Longest change of a free coordinate in one step, and the least: a search that cannot go down by it is at a kink.
_LONGEST, _LEAST = 0.7, 1e-6
#: So is one that gains less than this share of Q so many times in a row, each with differences of its own.
_GAIN, _SMALL_GAINS = 1e-5, 4
#: Steps with Broyden's updates before differences are taken anew, and the step below which they are.
_UPDATES, _NEAR = 6, 3e-3
#: Damping of a step that is free, and trials of the damping that keeps a step within the trust region.
_NO_DAMPING, _DAMPINGS = 1e-14, 40
#: Steps refused, with differences of their own, after which kinks are seen; and the widest differences across them.
_REFUSALS, _WIDEST = 2, 1e-3
#: Log odds of s̄ that count as none: a rate of 0.0006%.
_LOWEST = -12.0
#: Furthest that a prediction goes from the point calibration, in free coordinates.
_FURTHEST = 1.5
#: Criterion above which a prediction is not trusted, and nearer ones are tried as well.
_POOR = 1.0


class Search:
    """The state of D draws' searches; F coordinates are free.

    Attributes
    ----------
    at
        Each draw's best trial in free coordinates, (D, 6).
    residual
        √w (model / data − 1) there, (D, 7); infinite before any inversion converged.
    points
        Its inversions' solutions, (D, T, K): where the next trial's start from, moved by ``point_slopes``.
    slopes, point_slopes
        Derivatives with respect to the free coordinates, exact or from Broyden's updates, (D, 7, F), (D, T, K, F).
    curvature
        Σ_m r_m ∇²r_m by secants, (D, F, F).
    cap
        Longest change of a coordinate in the next step, (D,): the trust region.
    width
        Step of the differences, (D,): wider across kinks, where it follows the trust region down.
    fresh
        Whether ``slopes`` are differences taken at ``at``, (D,).
    step, status, evaluations
        As in ``Recalibration``.
    """

    def __init__(self, anchor: Anchor, trials: Trials, target: FloatArray, scale: FloatArray, free: list[int]) -> None:
        self.anchor, self.trials, self.target, self.scale, self.free = anchor, trials, target, scale, free
        count, size = trials.external.n_draws, len(free)
        self.at = np.zeros((count, 6))
        self.residual = np.full((count, target.size), np.inf)
        self.points = np.zeros((count, *anchor.points.shape))
        self.slopes = np.zeros((count, target.size, size))
        self.point_slopes = np.zeros((count, *anchor.points.shape, size))
        self.curvature = np.zeros((count, size, size))
        self.fresh = np.zeros(count, dtype=bool)
        self.known = np.zeros(count, dtype=bool)  # whether there are earlier differences to take secants with
        self.known_at = np.zeros((count, size))
        self.known_residual = np.zeros_like(self.residual)
        self.known_slopes = np.zeros_like(self.slopes)
        self.cap = np.full(count, _LONGEST)
        self.updates = np.full(count, _UPDATES)  # Broyden's since the last differences; as many as allowed: take them
        self.evaluations = np.zeros(count, dtype=np.int64)
        self.width = np.full(count, STEP)
        self.refusals = np.zeros(count, dtype=np.int64)
        rate = np.array(free) == PARAMETERS.index("subsidy_rate")
        #: where a minimum at s̄ = 0, which log odds never reach, is as good as reached; and a shorter measure on the way
        self.lowest, self.reach = np.where(rate, _LOWEST, -np.inf), np.where(rate, 0.25, 1.0)
        self.bound = np.zeros(count, dtype=bool)
        self.small_gains = np.zeros(count, dtype=np.int64)
        self.step = np.full(count, np.inf)
        self.status = np.full(count, "evaluations", dtype="<U13")
        self.active = np.ones(count, dtype=bool)

    @property
    def criterion(self) -> FloatArray:
        """Q, (D,)."""
        value: FloatArray = (self.residual**2).sum(axis=1)
        return value

    def length(self, step: FloatArray) -> FloatArray:
        """Return the largest change of a coordinate, (R,)."""
        largest: FloatArray = (np.abs(step) * self.reach).max(axis=1)
        return largest

    def evaluate(self, rows: NDArray[np.intp], at: FloatArray, starts: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return residuals (R, 7), infinite where an inversion failed, and the points."""
        with np.errstate(over="ignore"):
            parameters = from_free(at)
        model, good, points = self.trials(rows, parameters, starts)
        np.add.at(self.evaluations, rows, 1)
        return np.where(good[:, None], self.scale * (model / self.target - 1.0), np.inf), points

    def begin(self, fixed: FloatArray, held: list[int], start: FloatArray | None = None) -> None:
        """Start every draw from its prediction, or from the best of several where that is poor.

        ``fixed`` holds the coordinates that are not searched for, (D, 6 − F); ``start`` (D, 6) takes the prediction's
        place.
        """
        anchor, external = self.anchor, self.trials.external
        weight = (self.scale / self.target)[:, None]
        inner, outer = weight * anchor.slopes, weight * anchor.external_slopes
        base = to_free(anchor.parameters[None])
        away = external.coordinates() - anchor.external.coordinates()
        fixed_away = fixed - base[:, held]
        pushed = away @ outer.T + fixed_away @ inner[:, held].T
        change = np.zeros((len(away), 6))
        change[:, held] = fixed_away
        change[:, self.free] = -np.linalg.lstsq(inner[:, self.free], pushed.T)[0].T
        largest = np.abs(change[:, self.free]).max(axis=1, initial=0.0)
        change[:, self.free] *= np.minimum(1.0, _FURTHEST / np.maximum(largest, _FURTHEST))[:, None]
        if start is not None:
            change[:, self.free] = (start - base)[:, self.free]
        change[:, self.free] = np.maximum(change[:, self.free], self.lowest - base[:, self.free])
        rows = np.arange(len(away))
        for share in (1.0, 0.5, 0.0):
            moved = change[rows].copy()
            moved[:, self.free] *= share
            begins = anchor.points + np.einsum("tkf,rf->rtk", anchor.point_slopes, moved)
            begins += np.einsum("tkf,rf->rtk", anchor.external_point_slopes, away[rows])
            residual, points = self.evaluate(rows, base + moved, begins)
            better = ((residual**2).sum(axis=1) < self.criterion[rows]) | np.isinf(self.criterion[rows])
            chosen = rows[better]
            self.at[chosen], self.residual[chosen] = (base + moved)[better], residual[better]
            self.points[chosen] = points[better]
            rows = np.flatnonzero(self.criterion > _POOR)
            if not rows.size:
                break
        failed = np.isinf(self.criterion)
        self.status[failed], self.active[failed] = "not inverted", False
        self.slopes[:] = (weight * anchor.slopes)[:, self.free]
        self.point_slopes[:] = anchor.point_slopes[..., self.free]
        self.updates[:] = 0

    def differentiate(self, rows: NDArray[np.intp]) -> None:
        """Take central differences at the draws' best points, and secants of the second-order term."""
        if not rows.size:
            return
        size = len(self.free)
        signs = np.concatenate([np.eye(size), -np.eye(size)])
        width = self.width[rows]
        step = np.zeros((rows.size, 2 * size, 6))
        step[:, :, self.free] = width[:, None, None] * signs
        starts = self.points[rows][:, None] + np.einsum("rtkf,rsf->rstk", self.point_slopes[rows], step[..., self.free])
        residual, points = self.evaluate(
            np.repeat(rows, 2 * size),
            (self.at[rows][:, None] + step).reshape(-1, 6),
            starts.reshape(-1, *starts.shape[2:]),
        )
        residual = residual.reshape(rows.size, 2, size, -1)
        points = points.reshape(rows.size, 2, size, *points.shape[1:])
        # where one side cannot be inverted, the difference is to the draw's own point
        there = np.isfinite(residual).all(axis=3)
        own, own_points = self.residual[rows, None, None], self.points[rows, None, None]
        residual = np.where(there[..., None], residual, own)
        points = np.where(there[..., None, None], points, own_points)
        sides = there.sum(axis=1)
        good = (sides > 0).all(axis=1)
        span = width[:, None] * np.maximum(sides, 1)  # (R, F)
        slopes = np.moveaxis((residual[:, 0] - residual[:, 1]) / span[:, :, None], 1, -1)
        point_slopes = np.moveaxis((points[:, 0] - points[:, 1]) / span[:, :, None, None], 1, -1)
        narrow = good & (width <= STEP)
        self._curve(rows[narrow & self.known[rows]], slopes[narrow & self.known[rows]])
        self.slopes[rows[good]] = slopes[good]
        self.known[rows], self.fresh[rows] = narrow, good
        self.known_at[rows], self.known_residual[rows] = self.at[rows][:, self.free], self.residual[rows]
        self.known_slopes[rows[good]] = slopes[good]
        self.point_slopes[rows[good]] = point_slopes[good]
        self.updates[rows] = 0
        bad = rows[~good]
        self.status[bad], self.active[bad] = "no derivative", False

    def _curve(self, rows: NDArray[np.intp], slopes: FloatArray) -> None:
        """Update the second-order term Σ r ∇²r by the secant between two sets of differences."""
        step = self.at[rows][:, self.free] - self.known_at[rows]
        residual = self.residual[rows]
        change = np.einsum("rmf,rm->rf", slopes - self.known_slopes[rows], residual)
        total = np.einsum("rmf,rm->rf", slopes, residual)
        total -= np.einsum("rmf,rm->rf", self.known_slopes[rows], self.known_residual[rows])
        along = (total * step).sum(axis=1)
        good = along > 1e-12 * np.sqrt((total**2).sum(axis=1) * (step**2).sum(axis=1))
        rows, step, change, total, along = rows[good], step[good], change[good], total[good], along[good, None, None]
        before = self.curvature[rows]
        image = np.einsum("rfg,rg->rf", before, step)
        old = np.abs((step * image).sum(axis=1))
        size = np.minimum(1.0, np.abs((step * change).sum(axis=1)) / np.where(old > 0.0, old, np.inf))
        size = np.where(old > 0.0, size, 1.0)
        before *= size[:, None, None]
        rest = change - size[:, None] * image
        outer = rest[:, :, None] * total[:, None]
        self.curvature[rows] = (
            before
            + (outer + outer.swapaxes(1, 2)) / along
            - (rest * step).sum(axis=1)[:, None, None] * total[:, :, None] * total[:, None] / along**2
        )

    def steps(self, rows: NDArray[np.intp]) -> tuple[FloatArray, FloatArray]:
        """Return damped steps (R, F) and the reductions of Q/2 that they promise."""
        slopes, residual, at = self.slopes[rows], self.residual[rows], self.at[rows][:, self.free]
        gradient = np.einsum("rmf,rm->rf", slopes, residual)
        square = np.einsum("rmf,rmg->rfg", slopes, slopes)
        system = square + self.curvature[rows]
        definite = np.linalg.eigvalsh(system)[:, 0] > 1e-3 * np.linalg.eigvalsh(square)[:, 0]
        system = np.where(definite[:, None, None], system, square)
        diagonal = np.einsum("rff->rf", square)
        diagonal = np.maximum(diagonal, 1e-8 * diagonal.max(axis=1, keepdims=True) + 1e-300)
        identity = np.eye(slopes.shape[2])
        # coordinates at their bound that would go beyond it stay
        stuck = (at <= self.lowest) & (gradient > 0.0)
        self.bound[rows] = stuck.any(axis=1)
        gradient = np.where(stuck, 0.0, gradient)
        system = np.where(stuck[:, :, None] | stuck[:, None, :], diagonal[:, :, None] * identity, system)
        cap, step = self.cap[rows], np.zeros_like(gradient)
        low, high = np.full(rows.size, _NO_DAMPING), np.full(rows.size, _NO_DAMPING)
        # the least damping, within a factor, that keeps the step within the cap: up by decades, then by halves
        rest, upwards = np.arange(rows.size), np.ones(rows.size, dtype=bool)
        for _ in range(_DAMPINGS):
            trial = np.where(upwards[rest], high[rest], np.sqrt(low[rest] * high[rest]))
            ridge = (trial[:, None] * diagonal[rest])[:, :, None] * identity
            found = -np.linalg.solve(system[rest] + ridge, gradient[rest, :, None])[:, :, 0]
            largest = self.length(found)
            fits = largest <= cap[rest]
            step[rest[fits]] = found[fits]
            first = fits & upwards[rest]
            upwards[rest[fits]] = False
            high[rest[fits]] = trial[fits]
            low[rest[~fits]] = trial[~fits]
            climbing = ~fits & upwards[rest]
            high[rest[climbing]] = np.maximum(10.0 * trial[climbing], 1e-4)
            rest = rest[~(fits & ((largest > 0.8 * cap[rest]) | (first & (trial == _NO_DAMPING))))]
            if not rest.size:
                break
        step = np.maximum(step, self.lowest - at)
        promised = -(gradient * step).sum(axis=1) - 0.5 * np.einsum("rf,rfg,rg->r", step, system, step)
        return step, promised

    def move(self, rows: NDArray[np.intp], step: FloatArray, promised: FloatArray) -> None:
        """Try a step per draw; take it where Q falls, and learn from it in any case."""
        whole = np.zeros((rows.size, 6))
        whole[:, self.free] = step
        starts = self.points[rows] + np.einsum("rtkf,rf->rtk", self.point_slopes[rows], step)
        residual, points = self.evaluate(rows, self.at[rows] + whole, starts)
        before, after = self.criterion[rows], (residual**2).sum(axis=1)
        failed = np.isinf(after)
        with np.errstate(invalid="ignore", divide="ignore"):
            ratio = np.where(failed, -1.0, 0.5 * (before - after) / promised)
        taken = after < before
        length = (step**2).sum(axis=1)
        # differences beat what a refused step says
        learn = ~failed & (length > 0.0) & (taken | ~self.fresh[rows])
        at, who = step[learn], rows[learn]
        error = residual[learn] - self.residual[who] - np.einsum("rmf,rf->rm", self.slopes[who], at)
        self.slopes[who] += error[:, :, None] * (at / length[learn, None])[:, None]
        moved = points[learn] - self.points[who] - np.einsum("rtkf,rf->rtk", self.point_slopes[who], at)
        self.point_slopes[who] += moved[..., None] * (at / length[learn, None])[:, None, None]
        self.updates[rows] += 1
        small = self.fresh[rows] & taken & (before - after < _GAIN * before)
        self.small_gains[rows[taken]] = np.where(small, self.small_gains[rows] + 1, 0)[taken]
        went = rows[taken]
        self.at[went] += whole[taken]
        self.residual[went], self.points[went] = residual[taken], points[taken]
        poor, fine = ratio < 0.25, ratio > 0.75
        self.refusals[rows] += poor & self.fresh[rows]
        self.fresh[went] = False
        largest = self.length(step)
        self.cap[rows[poor]] = 0.25 * largest[poor]
        self.cap[rows[fine]] = np.clip(2.0 * largest[fine], self.cap[rows[fine]], _LONGEST)
        self.updates[rows[poor & ~self.fresh[rows]]] = _UPDATES
        self._widen(rows[self.refusals[rows] >= _REFUSALS])

    def _widen(self, rows: NDArray[np.intp]) -> None:
        """Take differences as wide as the trust region where kinks make narrow ones useless beyond them."""
        width = np.clip(0.5 * self.cap[rows], STEP, _WIDEST)
        anew = width != self.width[rows]
        self.width[rows], self.curvature[rows] = width, 0.0
        self.fresh[rows[anew]], self.updates[rows] = False, _UPDATES

    def run(self, tolerance: float, max_evaluations: int) -> None:
        """Search until every draw has ended."""
        while self.active.any():
            rows = np.flatnonzero(self.active)
            self.differentiate(rows[self.updates[rows] >= _UPDATES])
            rows = np.flatnonzero(self.active)
            if not rows.size:
                return
            step, promised = self.steps(rows)
            near = (self.length(step) < _NEAR) & ~self.fresh[rows]
            self.updates[rows[near]] = _UPDATES
            rows, step, promised = rows[~near], step[~near], promised[~near]
            largest, fresh = self.length(step), self.fresh[rows]
            self.step[rows[fresh]] = largest[fresh]
            capped = largest > 0.99 * self.cap[rows]
            # across kinks a step within the width is as good as none: look closer
            close = fresh & (self.width[rows] > STEP) & (largest <= self.width[rows])
            self.cap[rows[close]] = 0.25 * self.width[rows[close]]
            self._widen(rows[close])
            minimum = fresh & (largest <= tolerance) & ~capped & (self.width[rows] <= STEP)
            kink = fresh & ((self.cap[rows] <= _LEAST) | (self.small_gains[rows] >= _SMALL_GAINS))
            kink |= minimum & (self.refusals[rows] >= _REFUSALS)
            self.status[rows[minimum]] = "minimum"
            self.status[rows[kink]] = "kink"
            self.status[rows[(minimum | kink) & self.bound[rows]]] = "bound"
            spent = self.evaluations[rows] >= max_evaluations
            self.active[rows[minimum | kink | spent]] = False
            go = ~(minimum | kink | spent | close)
            if go.any():
                self.move(rows[go], step[go], promised[go])
