"""Confidence sets that need not be an interval: what the inversion of a test gives when identification is weak."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from bigpush_est.errors import InvalidValue

type SetKind = Literal["empty", "bounded", "disjoint", "unbounded", "whole line"]


@dataclass(frozen=True, slots=True)
class ConfidenceSet:
    """A union of closed intervals on the line.

    Attributes
    ----------
    intervals
        Disjoint (low, high), ascending; an unbounded end is infinite.  None at all for the empty set.
    level
        Confidence level.

    Examples
    --------
    >>> region = ConfidenceSet(((-float("inf"), -2.0), (1.5, float("inf"))), 0.95)
    >>> region.kind, region.contains(0.0), str(region)
    ('unbounded', False, '(−∞, −2] ∪ [1.5, ∞)')
    """

    intervals: tuple[tuple[float, float], ...]
    level: float

    @property
    def kind(self) -> SetKind:
        """Bounded (one interval), disjoint (several, all bounded), unbounded, whole line or empty."""
        if not self.intervals:
            return "empty"
        if self.intervals == ((-np.inf, np.inf),):
            return "whole line"
        if not self.bounded:
            return "unbounded"
        return "bounded" if len(self.intervals) == 1 else "disjoint"

    @property
    def bounded(self) -> bool:
        """Whether the set lies within finite ends; true of the empty set."""
        return all(np.isfinite(low) and np.isfinite(high) for low, high in self.intervals)

    @property
    def low(self) -> float:
        """Infimum; NaN of the empty set."""
        return self.intervals[0][0] if self.intervals else float("nan")

    @property
    def high(self) -> float:
        """Supremum; NaN of the empty set."""
        return self.intervals[-1][1] if self.intervals else float("nan")

    @property
    def length(self) -> float:
        """Sum of the intervals' lengths."""
        return float(sum(high - low for low, high in self.intervals))

    def contains(self, value: float) -> bool:
        """Tell whether a value lies in the set, ends included."""
        return any(low <= value <= high for low, high in self.intervals)

    def __str__(self) -> str:
        """Return the set as a reader writes it."""
        if not self.intervals:
            return "∅"
        return " ∪ ".join(_interval_text(low, high) for low, high in self.intervals)


def _interval_text(low: float, high: float) -> str:
    left = "(−∞" if low == -np.inf else f"[{low:.6g}".replace("-", "−")
    right = "∞)" if high == np.inf else f"{high:.6g}]".replace("-", "−")
    return f"{left}, {right}"


def check_level(level: float) -> float:
    """Return a confidence level; raise InvalidValue unless it lies strictly between 0.5 and 1."""
    if isinstance(level, bool) or not isinstance(level, int | float) or not 0.5 < level < 1.0:
        raise InvalidValue(key="level", value=level, requirement="between 0.5 and 1", remedy="pass 0.95 or 0.9")
    return float(level)


def quadratic_set(constant: float, linear: float, square: float, level: float) -> ConfidenceSet:
    """Return {b : constant + linear·b + square·b² ≤ 0}, exactly.

    Examples
    --------
    >>> str(quadratic_set(-1.0, 0.0, 1.0, 0.95)), str(quadratic_set(1.0, 0.0, -1.0, 0.95))
    ('[−1, 1]', '(−∞, −1] ∪ [1, ∞)')
    """
    if square == 0.0:
        if linear == 0.0:
            return ConfidenceSet(((-np.inf, np.inf),) if constant <= 0.0 else (), level)
        root = -constant / linear
        return ConfidenceSet(((-np.inf, root),) if linear > 0.0 else ((root, np.inf),), level)
    discriminant = linear * linear - 4.0 * square * constant
    if discriminant < 0.0:
        return ConfidenceSet((), level) if square > 0.0 else ConfidenceSet(((-np.inf, np.inf),), level)
    # the root whose two terms do not cancel, and the other from the product of the roots
    far = -0.5 * (linear + np.copysign(np.sqrt(discriminant), linear))
    roots = sorted((float(far / square), float(constant / far) if far != 0.0 else 0.0))
    if square > 0.0:
        return ConfidenceSet(((roots[0], roots[1]),), level)
    if roots[0] == roots[1]:
        return ConfidenceSet(((-np.inf, np.inf),), level)
    return ConfidenceSet(((-np.inf, roots[0]), (roots[1], np.inf)), level)


def join(pieces: Sequence[tuple[float, float]], level: float) -> ConfidenceSet:
    """Return the union of intervals, those that touch merged."""
    merged: list[tuple[float, float]] = []
    for low, high in sorted(pieces):
        if merged and low <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(high, merged[-1][1]))
        else:
            merged.append((low, high))
    return ConfidenceSet(tuple(merged), level)
