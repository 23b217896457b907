"""The one idea of this package: an adoption map λ' = Γ(λ; parameters) on [0, 1], over a batch of parameter draws.

Every coordination model here is such a map.  The engine in ``steady_states`` finds all of its fixed points;
what makes "all" true is the structure that a map declares:

- ``ConcaveInverseMap``: Γ = clip(g⁻¹(k + δλ)) with g increasing and concave.  Then G(λ) = g(λ) − δλ is concave
  and has at most two interior roots of G(λ) = k, one on each side of its peak: the fixed points can be listed exactly.
- ``MonotoneMap``: Γ nondecreasing, so that Γ([a, b]) ⊂ [Γ(a), Γ(b)]: intervals that hold no fixed point are
  excluded with certainty.
- ``LipschitzMap``: |Γ(x) − Γ(y)| ≤ K |x − y|, so that Γ([a, b]) ⊂ Γ(midpoint) ± K (b − a)/2: the same
  exclusion for any shape.

Arrays have draws on their last axis; a share may carry leading axes (several starting points, a grid).
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from bigpush_est.errors import InvalidValue, ShapeMismatch

type FloatArray = NDArray[np.float64]
type Index = slice | NDArray[np.intp] | NDArray[np.bool_]

#: Newton steps allowed; the monotone iterations used here need fewer than 20 except close to a tangency.
MAX_ITERATIONS = 200
#: A Newton step below this multiple of the iterate ends the iteration.
STEP_TOLERANCE = 4.0 * float(np.finfo(np.float64).eps)


@runtime_checkable
class AdoptionMap(Protocol):
    """A batch of maps λ' = Γ(λ) on [0, 1], one per parameter draw."""

    @property
    def n_draws(self) -> int:
        """Number of parameter draws D."""
        ...

    @property
    def monotone(self) -> bool:
        """Whether every draw's map is nondecreasing: then basins are intervals between unstable states."""
        ...

    def __call__(self, share: FloatArray) -> FloatArray:
        """Next period's adopter share, shape (..., D), from this period's, shape (..., D)."""
        ...

    def enclosure(self, low: FloatArray, high: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Bounds that hold Γ([low, high]), shapes (D,): what makes the search for fixed points complete."""
        ...

    def select(self, index: Index) -> "AdoptionMap":
        """Return the map of some of the draws."""
        ...


def _checked_draws(n_draws: int) -> int:
    if n_draws < 1:
        raise InvalidValue(key="n_draws", value=n_draws, requirement="at least 1", remedy="pass at least one draw")
    return n_draws


def _image(
    function: Callable[[FloatArray, NDArray[np.intp]], FloatArray], share: FloatArray, index: NDArray[np.intp]
) -> FloatArray:
    value = np.asarray(function(share, index), dtype=np.float64)
    # a comparison with NaN is false, so that an interval on which the map is not defined would pass for one without
    # a fixed point
    if np.any(np.isnan(value) & ~np.isnan(share)):
        raise InvalidValue(
            key="function",
            value="NaN",
            requirement="a number at every share in [0, 1]",
            remedy="define the map on all of [0, 1], the corners included",
        )
    return np.clip(value, 0.0, 1.0)


class MonotoneMap:
    """A nondecreasing map given by a function of (share, index of the draws).

    Parameters
    ----------
    function
        ``function(share, index)`` returns Γ for the draws in ``index`` (an integer array of shape (d,)); ``share`` has
        shape (..., d).  It must be nondecreasing in ``share``; jumps are allowed.
    n_draws
        Number of draws D.

    Examples
    --------
    >>> import numpy as np
    >>> from bigpush_est.equilibrium.steady_states import steady_states
    >>> strength = np.array([2.0, 8.0])
    >>> logistic = MonotoneMap(lambda x, i: 1 / (1 + np.exp(-strength[i] * (x - 0.5))), n_draws=2)
    >>> steady_states(logistic).count.tolist()
    [1, 3]
    """

    monotone = True

    def __init__(
        self,
        function: Callable[[FloatArray, NDArray[np.intp]], FloatArray],
        n_draws: int,
        index: NDArray[np.intp] | None = None,
    ) -> None:
        self._function = function
        self._index = np.arange(_checked_draws(n_draws)) if index is None else index

    @property
    def n_draws(self) -> int:
        """Number of draws D."""
        return int(self._index.size)

    def __call__(self, share: FloatArray) -> FloatArray:
        """Γ(share), clipped to [0, 1]."""
        return _image(self._function, share, self._index)

    def enclosure(self, low: FloatArray, high: FloatArray) -> tuple[FloatArray, FloatArray]:
        """[Γ(low), Γ(high)], by monotonicity."""
        return self(low), self(high)

    def select(self, index: Index) -> Self:
        """Return the map of some of the draws."""
        chosen = self._index[index]
        return type(self)(self._function, chosen.size, chosen)


class LipschitzMap:
    """A map of any shape with a known Lipschitz constant: cycles are possible, and so is a search without gaps.

    Parameters
    ----------
    function
        As for ``MonotoneMap``, without the monotonicity.
    lipschitz
        A constant K per draw, shape (D,), with |Γ(x) − Γ(y)| ≤ K |x − y|.
    """

    monotone = False

    def __init__(
        self,
        function: Callable[[FloatArray, NDArray[np.intp]], FloatArray],
        lipschitz: FloatArray,
        index: NDArray[np.intp] | None = None,
    ) -> None:
        self._function = function
        self._lipschitz = np.atleast_1d(np.asarray(lipschitz, dtype=np.float64))
        if self._lipschitz.ndim != 1:
            raise ShapeMismatch(
                key="lipschitz", shape=self._lipschitz.shape, expected="(draws,)", remedy="pass one constant per draw"
            )
        refused = ~(np.isfinite(self._lipschitz) & (self._lipschitz >= 0))
        if refused.any():
            raise InvalidValue(
                key="lipschitz",
                value=float(self._lipschitz[refused][0]),
                requirement="finite and not negative",
                remedy="bound |Γ'| on [0, 1] for each draw",
            )
        self._index = np.arange(_checked_draws(self._lipschitz.size)) if index is None else index

    @property
    def n_draws(self) -> int:
        """Number of draws D."""
        return int(self._index.size)

    def __call__(self, share: FloatArray) -> FloatArray:
        """Γ(share), clipped to [0, 1]."""
        return _image(self._function, share, self._index)

    def enclosure(self, low: FloatArray, high: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Γ(midpoint) ± K (high − low)/2, by the Lipschitz constant."""
        centre = self(0.5 * (low + high))
        radius = 0.5 * self._lipschitz[self._index] * (high - low)
        return centre - radius, centre + radius

    def select(self, index: Index) -> Self:
        """Return the map of some of the draws."""
        return type(self)(self._function, self._lipschitz, self._index[index])


class ConcaveInverseMap(ABC):
    """Γ(λ) = clip(g⁻¹(k + δλ), 0, 1) with a potential g that is increasing and concave on (0, 1].

    A subclass states g (``potential``), its first two derivatives, the level k and the spillover δ ≥ 0.
    Section 4 of the paper has this form because eq. (4.4) can be solved for λ_{t−1} in closed form.
    """

    monotone = True

    @property
    @abstractmethod
    def n_draws(self) -> int:
        """Number of draws D."""

    @property
    @abstractmethod
    def level(self) -> FloatArray:
        """k, shape (D,)."""

    @property
    @abstractmethod
    def spillover(self) -> FloatArray:
        """δ ≥ 0, shape (D,)."""

    @abstractmethod
    def potential(self, share: FloatArray) -> FloatArray:
        """g(λ); −inf at 0 is allowed."""

    @abstractmethod
    def potential_derivatives(self, share: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """g, g′ > 0 and g″ ≤ 0 together: they share their transcendental functions."""

    @abstractmethod
    def inverse_start(self, value: FloatArray) -> FloatArray:
        """Return a share at or below g⁻¹(value): where the monotone Newton iteration starts."""

    def slope_start(self, slope: FloatArray) -> FloatArray:
        """Return a share at or below (g′)⁻¹(slope), where the search for the peak starts; 0 is always one."""
        return np.zeros(self.n_draws)

    @abstractmethod
    def select(self, index: Index) -> Self:
        """Return the map of some of the draws."""

    def __call__(self, share: FloatArray) -> FloatArray:
        """Γ(share): the unique static equilibrium of each period, shape (..., D)."""
        share = np.asarray(share, dtype=np.float64)
        value = self.level + self.spillover * share
        if share.ndim <= 1:
            return self.invert_potential(value)
        flat = value.reshape(-1, value.shape[-1])
        return np.stack([self.invert_potential(row) for row in flat]).reshape(value.shape)

    def enclosure(self, low: FloatArray, high: FloatArray) -> tuple[FloatArray, FloatArray]:
        """[Γ(low), Γ(high)]: Γ is nondecreasing because g is increasing and δ ≥ 0 (Proposition 1(iii))."""
        return self(low), self(high)

    def invert_potential(self, value: FloatArray) -> FloatArray:
        """Solve g(λ) = value on [0, 1], at the corners where value lies outside g([0, 1]).  Shape (D,).

        Newton from the left of the root of a concave increasing function never passes it: the tangent lies above g.
        """
        ones, zeros = np.ones(self.n_draws), np.zeros(self.n_draws)
        value = np.broadcast_to(value, ones.shape)
        result = np.where(value >= self.potential(ones), 1.0, np.where(np.isnan(value), np.nan, 0.0))
        with np.errstate(divide="ignore"):
            inside = (result < 1.0) & (value > self.potential(zeros))
        index = np.flatnonzero(inside)
        if index.size:
            start = self.select(index).inverse_start(value[index])

            def restrict(chosen: NDArray[np.intp]) -> Function:
                inner, target = self.select(index[chosen]), value[index[chosen]]
                return lambda share: _less(inner.potential_derivatives(share), target)

            result[index] = newton_from_outside(restrict, start, side="left")
        return result


def _less(derivatives: tuple[FloatArray, FloatArray, FloatArray], target: FloatArray) -> tuple[FloatArray, FloatArray]:
    return derivatives[0] - target, derivatives[1]


#: Value and derivative at points of shape (d,).
type Function = Callable[[FloatArray], tuple[FloatArray, FloatArray]]
#: The function of some of the draws: both iterations below drop the draws that have settled, so that a few slow ones
#: do not cost a full batch, and what a draw returns does not depend on the batch that it is in.
type Restrict = Callable[[NDArray[np.intp]], Function]


def newton_from_outside(restrict: Restrict, start: FloatArray, side: str) -> FloatArray:
    """Newton's method for a concave function that starts below zero and stays on one side of its root.

    The tangent of a concave function lies above it, so each step ends short of the root: iterates move monotonically
    towards it, and a step in the other direction can only be rounding at the root, which ends the iteration.

    Parameters
    ----------
    restrict
        ``restrict(index)`` returns the function of the draws in ``index``, an integer array of shape (d,).
    start
        Shape (D,), with function value ≤ 0.
    side
        ``"left"`` when the root lies to the right of the start, else ``"right"``.
    """
    result = start.copy()
    direction = 1.0 if side == "left" else -1.0
    active = np.arange(start.size)
    share, going, function = start, np.ones(start.size, dtype=bool), restrict(active)
    for _ in range(MAX_ITERATIONS):
        value, slope = function(share)
        with np.errstate(divide="ignore", invalid="ignore"):
            step = -value / slope
        going &= (value < 0.0) & np.isfinite(step) & (step * direction > 0.0)
        share = np.clip(share + np.where(going, step, 0.0), 0.0, 1.0)
        going &= np.abs(step) > STEP_TOLERANCE * share
        result[active] = share
        remaining = np.count_nonzero(going)
        if not remaining:
            break
        if 2 * remaining <= going.size:
            active, share, going = active[going], share[going], going[going]
            function = restrict(active)
    return result


def bracketed_newton(
    restrict: Restrict, low: FloatArray, high: FloatArray, start: FloatArray | None = None
) -> FloatArray:
    """Root of a decreasing function between ``low`` and ``high``: Newton, with bisection where Newton would leave.

    Parameters
    ----------
    restrict
        As in ``newton_from_outside``; the function is nonnegative at ``low`` and nonpositive at ``high``.
    low, high
        Shape (D,).
    start
        First points, between the two; their middle by default.
    """
    point = 0.5 * (low + high) if start is None else start
    result = point.copy()
    active = np.arange(point.size)
    going, function = np.ones(point.size, dtype=bool), restrict(active)
    for _ in range(MAX_ITERATIONS):
        value, slope = function(point)
        low = np.where(value >= 0.0, point, low)
        high = np.where(value <= 0.0, point, high)
        with np.errstate(divide="ignore", invalid="ignore"):
            proposal = point - value / slope
        inside = (proposal > low) & (proposal < high)
        following = np.where(inside, proposal, 0.5 * (low + high))
        moved = np.abs(following - point)
        point = np.where(going, following, point)
        going &= (moved > STEP_TOLERANCE * np.abs(point)) & (high > low)
        result[active] = point
        remaining = np.count_nonzero(going)
        if not remaining:
            break
        if 2 * remaining <= going.size:
            active, point, low, high, going = active[going], point[going], low[going], high[going], going[going]
            function = restrict(active)
    return result
