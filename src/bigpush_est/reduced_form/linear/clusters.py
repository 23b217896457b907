"""Groups of observations whose errors may be correlated, in one dimension or several.

A covariance clustered in D dimensions adds and subtracts over the non-empty subsets of them (Cameron, Gelbach and
Miller 2011): one-way sums over each dimension, less those over the pairs' intersections, and so on.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from bigpush_est.errors import InvalidValue, ShapeMismatch

type Codes = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class ClusterTerm:
    """One term of the sum over subsets of the dimensions."""

    names: tuple[str, ...]
    sign: int  # +1 for an odd number of dimensions, −1 for an even one
    codes: Codes  # (N,), 0 … G − 1
    count: int  # G


@dataclass(frozen=True, slots=True)
class Clusters:
    """Ways of grouping N observations.

    Attributes
    ----------
    names
        The dimensions, in the order in which they were given.
    codes
        Of each dimension, the group of every observation as 0 … G − 1, shape (N,).
    counts
        Of each dimension, G.
    """

    names: tuple[str, ...]
    codes: tuple[Codes, ...]
    counts: tuple[int, ...]

    @classmethod
    def build(cls, groups: Mapping[str, ArrayLike]) -> Self:
        """Take one label per observation and dimension.

        Parameters
        ----------
        groups
            By dimension, N labels: integers, strings or any pandas column.

        Returns
        -------
        Clusters
            Codes follow the order in which labels first appear.

        Raises
        ------
        InvalidValue
            For no dimension, no observation or a missing label.
        ShapeMismatch
            For dimensions of different lengths.

        Examples
        --------
        >>> clusters = Clusters.build({"region": ["a", "a", "b"], "group": [7, 8, 7]})
        >>> clusters.counts, [term.sign for term in clusters.terms()]
        ((2, 2), [1, 1, -1])
        """
        if not groups:
            raise InvalidValue(
                key="cluster", value="nothing", requirement="at least one column", remedy="name the clusters' columns"
            )
        codes, counts, length = [], [], None
        for name, labels in groups.items():
            values = pd.Series(labels) if isinstance(labels, pd.Series) else pd.Series(np.asarray(labels))
            if length is not None and len(values) != length:
                raise ShapeMismatch(
                    key=f"cluster '{name}'", shape=(len(values),), expected=f"({length},)", remedy="one label per row"
                )
            length = len(values)
            coded, levels = pd.factorize(values.to_numpy() if not values.isna().any() else values, use_na_sentinel=True)
            if length == 0 or (coded < 0).any():
                row = int(np.flatnonzero(coded < 0)[0]) if length else None
                raise InvalidValue(
                    key=f"cluster '{name}'",
                    value="no observation" if row is None else f"missing in row {row}",
                    requirement="known for every observation",
                    remedy="drop those rows, or give each a cluster of its own",
                )
            codes.append(coded.astype(np.int64))
            counts.append(len(levels))
        return cls(tuple(groups), tuple(codes), tuple(counts))

    @property
    def observations(self) -> int:
        """N."""
        return int(self.codes[0].size)

    def select(self, rows: NDArray[Any]) -> Self:
        """Return the clusters of some observations, coded anew."""
        return type(self).build({name: code[rows] for name, code in zip(self.names, self.codes, strict=True)})

    def intersection(self, dimensions: tuple[int, ...]) -> tuple[Codes, int]:
        """Codes and number of the cells that some dimensions form together."""
        combined = self.codes[dimensions[0]]
        count = self.counts[dimensions[0]]
        for dimension in dimensions[1:]:
            # a product of two counts stays far below 2⁶³, as each is at most N
            combined = combined * self.counts[dimension] + self.codes[dimension]
            combined, levels = pd.factorize(combined)
            count = len(levels)
        return combined.astype(np.int64), count

    def terms(self) -> Iterator[ClusterTerm]:
        """Yield every non-empty subset of the dimensions with its sign, smaller subsets first."""
        dimensions = range(len(self.names))
        for size in range(1, len(self.names) + 1):
            for chosen in combinations(dimensions, size):
                codes, count = self.intersection(chosen)
                yield ClusterTerm(tuple(self.names[d] for d in chosen), 1 if size % 2 else -1, codes, count)


def sum_by(codes: Codes, count: int, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sum rows by group: Σ_{i in g} values[i], shape (G,) for values (N,) and (G, K) for values (N, K)."""
    if values.ndim == 1:
        return np.bincount(codes, weights=values, minlength=count)
    # one pass over the rows, in their order, for all columns at once; a pass for each column reads memory K times
    size = len(codes)
    member = sparse.csc_array((np.ones(size), codes, np.arange(size + 1)), shape=(count, size))
    return np.asarray(member @ values)
