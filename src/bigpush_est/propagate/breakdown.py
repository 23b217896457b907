r"""How far a parameter must move for a probability to cross one half: a grid, bisections, the nearest crossing.

P(event | θ_k = v) is known at some values v only, each with a Monte Carlo error, and costs a propagation at each.  So
the grid is coarse, and then halved where it matters: in the interval whose ends lie on either side of one half, the one
nearest to the study's own value if there are several.

A point takes part if its unconverged draws leave no doubt on which side it is: at or above one half if they all are a
no, or below it if they all are a yes.  The others are *undecided*.  They are shown, and no crossing is read from them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from bigpush_est.errors import InvalidValue

#: Monte Carlo errors within which a probability may as well be one half: halving further tells nothing.
_NOISE = 2.0


@dataclass(frozen=True, slots=True)
class HeldPoint:
    """The probability of an event where a parameter is held at a value.

    Attributes
    ----------
    value
        Of the parameter.
    probability
        Unconverged draws are a no; NaN where nothing is known.
    highest
        Unconverged draws are a yes.
    mcse
        Monte Carlo standard error of ``probability``.
    """

    value: float
    probability: float
    highest: float
    mcse: float

    @property
    def side(self) -> int:
        """1 at or above one half, −1 below it, 0 undecided."""
        return 1 if self.probability >= 0.5 else -1 if self.highest < 0.5 else 0

    @property
    def clear(self) -> bool:
        """Whether one half is beyond the Monte Carlo error."""
        return abs(self.probability - 0.5) > _NOISE * self.mcse


@dataclass(frozen=True, slots=True)
class Crossing:
    """Where a probability crosses one half.

    Attributes
    ----------
    value
        Interpolated between the bracketing points.
    mcse
        Its Monte Carlo standard error: the largest that any correlation of the two points' errors allows, as they may
        share draws.
    low, high
        The bracketing points' values.
    """

    value: float
    mcse: float
    low: float
    high: float


def coarse_grid(low: float, high: float, count: int) -> tuple[float, ...]:
    """Return evenly spaced values, ends included.

    Raises
    ------
    InvalidValue
        For fewer than two, or an empty interval.

    Examples
    --------
    >>> coarse_grid(0.0, 1.0, 5)
    (0.0, 0.25, 0.5, 0.75, 1.0)
    """
    if count < 2 or not low < high:
        raise InvalidValue(
            key="grid", value=f"{count} values in [{low:g}, {high:g}]", requirement="two or more", remedy="widen it"
        )
    return tuple(np.linspace(low, high, count).tolist())


def crossing(points: Sequence[HeldPoint], own: float) -> Crossing | None:
    """Return the crossing of one half nearest to the study's own value; None if no two decided points bracket one.

    Parameters
    ----------
    points
        In any order.
    own
        Value of the parameter that the study has.

    Examples
    --------
    >>> points = [HeldPoint(v, p, p, 0.02) for v, p in ((0.0, 0.1), (1.0, 0.4), (2.0, 0.8))]
    >>> found = crossing(points, own=2.0)
    >>> round(found.value, 2), round(found.mcse, 2)
    (1.25, 0.05)
    """
    decided = sorted((point for point in points if point.side), key=lambda point: point.value)
    found = [_between(a, b) for a, b in pairwise(decided) if a.side != b.side]
    return min(found, key=lambda one: abs(one.value - own)) if found else None


def _between(a: HeldPoint, b: HeldPoint) -> Crossing:
    """Return the crossing on the line through two points, v = a + (½ − p)/(q − p)·(b − a), and its error."""
    p, q, width = a.probability, b.probability, b.value - a.value
    share = (0.5 - p) / (q - p)
    errors = abs(0.5 - q) * np.nan_to_num(a.mcse) + abs(0.5 - p) * np.nan_to_num(b.mcse)
    return Crossing(a.value + share * width, float(width * errors / (q - p) ** 2), a.value, b.value)


def halved(points: Sequence[HeldPoint], own: float) -> float | None:
    """Return the value to hold the parameter at next; None if another point would not narrow the crossing down.

    It is the middle of the interval that holds the crossing nearest to the study's value, unless an end's probability
    is one half up to its Monte Carlo error, or a point that is undecided lies inside already.
    """
    found = crossing(points, own)
    if found is None or any(found.low < point.value < found.high for point in points):
        return None
    ends = [point for point in points if point.value in (found.low, found.high)]
    if not all(point.clear for point in ends):
        return None
    middle = 0.5 * (found.low + found.high)
    return middle if found.low < middle < found.high else None
