"""What Panel B's slope would be at given parameters: a table on a grid, with where it comes from.

Complementarity has no closed-form moment: Panel B compares contracts within region and sector, two years on.  The slope
at (log η, δ, s̄) is therefore found by running Panel B on simulated data (indirect inference), or approximated by the
model's own-region slope, and tabulated; between the points it is interpolated multilinearly,

    C(x) = Σ_ijk h_i(log η) h_j(δ) h_k(s̄) C_ijk,    h the hat functions of each axis,

which PyTensor can differentiate and NumPy evaluates alike.  Outside the grid the nearest edge's value is taken;
``outside`` says for which draws.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bigpush_est.equilibrium.adoption_map import FloatArray
from bigpush_est.errors import InvalidValue, ShapeMismatch

type Basis = Literal["indirect inference", "approximation"]

#: The axes of the grid, in this order.
AXES = ("log_eta", "delta", "subsidy")


@dataclass(frozen=True, slots=True, eq=False)
class Complementarity:
    """Panel B's slope as a function of log η, δ and s̄.

    Attributes
    ----------
    log_eta, delta, subsidy
        Grid on each axis, increasing; one point where the slope is not to depend on it.
    values
        Slopes, shape (points of log η, of δ, of s̄), in Panel B's units.
    label
        "indirect inference" (Panel B run on simulated data) or "approximation" (the model's own-region slope).
    provenance
        How the table was made: which economy, which σ and other parameters held.
    standard_error
        Of the table's values (simulation error); its square is added to the estimate's variance.

    Raises
    ------
    ShapeMismatch, InvalidValue
        For a grid that does not increase, or values that do not fit it or are not finite.

    Examples
    --------
    >>> table = Complementarity.tabulate(
    ...     lambda log_eta, delta, subsidy: 1.5 * delta, log_eta=[0.2], delta=[0.0, 0.5, 1.0], subsidy=[0.0],
    ...     label="approximation", provenance="own-region slope")
    >>> float(table(0.2, 0.6, 0.1).round(6))
    0.9
    """

    log_eta: FloatArray
    delta: FloatArray
    subsidy: FloatArray
    values: FloatArray
    label: Basis
    provenance: str
    standard_error: float = 0.0

    def __post_init__(self) -> None:
        for name in (*AXES, "values"):
            array = np.asarray(getattr(self, name), dtype=np.float64)
            object.__setattr__(self, name, array)
            if not np.isfinite(array).all():
                raise InvalidValue(
                    key=f"complementarity.{name}",
                    value="NaN or infinite",
                    requirement="finite",
                    remedy="leave out points of the grid at which no slope could be estimated",
                )
        for name in AXES:
            grid = getattr(self, name)
            if grid.ndim != 1 or not grid.size or (np.diff(grid) <= 0.0).any():
                raise InvalidValue(
                    key=f"complementarity.{name}",
                    value=grid.tolist(),
                    requirement="one increasing list of points",
                    remedy="sort the points, each once",
                )
        expected = tuple(getattr(self, name).size for name in AXES)
        if self.values.shape != expected:
            raise ShapeMismatch(
                key="complementarity.values",
                shape=self.values.shape,
                expected=str(expected),
                remedy="give one slope per point of the grid",
            )
        if self.label not in ("indirect inference", "approximation"):
            raise InvalidValue(
                key="complementarity.label",
                value=repr(self.label),
                requirement='"indirect inference" or "approximation"',
                remedy="say how the slopes were found",
            )
        if not (np.isfinite(self.standard_error) and self.standard_error >= 0.0):
            raise InvalidValue(
                key="complementarity.standard_error",
                value=self.standard_error,
                requirement="at least 0",
                remedy="give the simulation error of the table",
            )

    @classmethod
    def tabulate(
        cls,
        slope: Callable[[float, float, float], float],
        *,
        log_eta: Sequence[float] | FloatArray,
        delta: Sequence[float] | FloatArray,
        subsidy: Sequence[float] | FloatArray,
        label: Basis,
        provenance: str,
        standard_error: float = 0.0,
    ) -> "Complementarity":
        """Evaluate a function of (log η, δ, s̄) at every point of a grid: the way in for a fitted surrogate."""
        values = [[[float(slope(x, y, z)) for z in subsidy] for y in delta] for x in log_eta]
        first, second, third = (np.asarray(axis, dtype=np.float64) for axis in (log_eta, delta, subsidy))
        return cls(first, second, third, np.asarray(values), label, provenance, standard_error)

    def __call__(self, log_eta: ArrayLike, delta: ArrayLike, subsidy: ArrayLike) -> FloatArray:
        """Return the slopes at parameters that broadcast against each other."""
        points = np.broadcast_arrays(*(np.asarray(x, dtype=np.float64) for x in (log_eta, delta, subsidy)))
        return np.asarray(interpolate(np, self.arrays(), *points))

    def outside(self, log_eta: FloatArray, delta: FloatArray, subsidy: FloatArray) -> NDArray[np.bool_]:
        """Return which points lie outside the grid; an axis of one point has no outside."""
        flags = np.zeros(np.broadcast_shapes(np.shape(log_eta), np.shape(delta), np.shape(subsidy)), dtype=bool)
        for name, values in zip(AXES, (log_eta, delta, subsidy), strict=True):
            grid = getattr(self, name)
            if grid.size > 1:
                flags |= (values < grid[0]) | (values > grid[-1])
        return flags

    def arrays(self) -> dict[str, FloatArray]:
        """Return the grid and its values under the names that a model's data have."""
        return {**{f"slope_{name}": getattr(self, name) for name in AXES}, "slope_values": self.values}

    def described(self) -> dict[str, Any]:
        """Return the table as JSON can hold it."""
        lists = {name: getattr(self, name).tolist() for name in (*AXES, "values")}
        return lists | {"label": self.label, "provenance": self.provenance, "standard_error": self.standard_error}


def _hats(xp: Any, grid: Any, points: int, value: Any) -> Any:
    """Hat functions of one axis at a value, last axis over the grid; their sum is 1 everywhere."""
    if points == 1:
        return xp.expand_dims(xp.zeros_like(value), -1) + 1.0
    place = xp.clip(
        (xp.expand_dims(value, -1) - grid[:-1]) / (grid[1:] - grid[:-1]), 0.0, 1.0
    )  # how much of each interval lies below the value
    first = xp.expand_dims(1.0 - place[..., 0], -1)
    last = xp.expand_dims(place[..., -1], -1)
    return xp.concatenate([first, place[..., :-1] - place[..., 1:], last], axis=-1)


def interpolate(xp: Any, arrays: dict[str, Any], log_eta: Any, delta: Any, subsidy: Any) -> Any:
    """Interpolate the table that ``Complementarity.arrays`` holds, for PyTensor and for NumPy alike.

    Parameters
    ----------
    xp
        ``pytensor.tensor`` or ``numpy``.
    arrays
        Grid and values.
    log_eta, delta, subsidy
        Scalars, or arrays of one shape for NumPy.
    """
    values = arrays["slope_values"]
    sizes = values.type.shape if hasattr(values, "type") else np.shape(values)
    weights = [
        _hats(xp, arrays[f"slope_{name}"], size, value)
        for name, size, value in zip(AXES, sizes, (log_eta, delta, subsidy), strict=True)
    ]
    over_subsidy = (values * xp.expand_dims(weights[2], (-3, -2))).sum(axis=-1)
    over_delta = (over_subsidy * xp.expand_dims(weights[1], -2)).sum(axis=-1)
    return (over_delta * weights[0]).sum(axis=-1)
