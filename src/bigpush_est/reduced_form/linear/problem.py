"""The linear model that every estimator here ends in: arrays from which fixed effects have already been taken out.

    y = Xβ + u,    E[Zu] = 0

with weights ω, X = [endogenous, exogenous] and Z = [excluded instruments, exogenous].  Least squares is Z = X.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bigpush_est.reduced_form.linear.clusters import Clusters

type FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class LinearProblem:
    """N observations, K regressors of which the first E are endogenous, and L excluded instruments.

    Attributes
    ----------
    outcome
        y, shape (N,).
    endogenous
        Shape (N, E); E = 0 for least squares.
    exogenous
        Included exogenous regressors, shape (N, K − E).
    instruments
        Excluded instruments, shape (N, L), L ≥ E.
    names
        Of the K regressors, endogenous first.
    instrument_names
        Of the L excluded instruments.
    weights
        ω, shape (N,), positive; None for equal weights.
    clusters
        None for heteroskedasticity-robust inference.
    absorbed
        Rank of the fixed effects that were taken out, those nested in a cluster not counted.
    absorbed_nested
        Rank of those nested in a cluster.
    """

    outcome: FloatArray
    endogenous: FloatArray
    exogenous: FloatArray
    instruments: FloatArray
    names: tuple[str, ...]
    instrument_names: tuple[str, ...]
    weights: FloatArray | None
    clusters: Clusters | None
    absorbed: int
    absorbed_nested: int

    @property
    def regressors(self) -> FloatArray:
        """X, shape (N, K)."""
        if self.endogenous.shape[1] == 0:
            return self.exogenous
        return np.column_stack([self.endogenous, self.exogenous])

    @property
    def all_instruments(self) -> FloatArray:
        """Z, shape (N, L + K − E)."""
        return np.column_stack([self.instruments, self.exogenous])

    @property
    def observations(self) -> int:
        """N."""
        return int(self.outcome.size)
