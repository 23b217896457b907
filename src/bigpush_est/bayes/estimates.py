"""Estimates one by one, the instrument's effects behind one of them, and covariances that a density can be built on."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from bigpush_est.equilibrium.adoption_map import FloatArray
from bigpush_est.errors import InvalidValue

type Kind = Literal["direct", "spillover", "complementarity"]

KINDS: tuple[Kind, ...] = ("direct", "spillover", "complementarity")
#: Smallest eigenvalue of a correlation matrix that a density may be built on, and the one that a repair gives it.
SMALLEST, FLOOR = 1e-8, 1e-2


@dataclass(frozen=True, slots=True)
class Estimate:
    """One estimate: its name, which of theory's effects it estimates, its value, and where it comes from.

    ``exposure`` is the mean difference in neighbours' adopter share between those that a direct estimate compares: its
    mean is then the direct effect plus exposure × e·δ.  A winner's own adoption counts in its loser's share and not in
    its own, so that it is negative for winners against losers.
    """

    name: str
    kind: Kind
    value: float
    provenance: str = ""
    exposure: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class FirstStage:
    """The instrument's effects behind a spillover estimate: what a weak-instrument-robust likelihood takes instead.

    Attributes
    ----------
    spillover
        Name of the estimate that is their ratio.
    reduced_form, first_stage
        Effects of the instrument on the outcome and on the adopter share.
    covariance
        Of the two, in this order, shape (2, 2).
    cross
        Their covariance with the set's K estimates in order, shape (2, K).
    """

    spillover: str
    reduced_form: float
    first_stage: float
    covariance: FloatArray
    cross: FloatArray

    @property
    def f_statistic(self) -> float:
        """First-stage F: the square of the coefficient over its standard error."""
        return float(self.first_stage**2 / self.covariance[1, 1])

    def select(self, index: Sequence[int]) -> "FirstStage":
        """Return the same with the covariances with some estimates only."""
        return replace(self, cross=self.cross[:, list(index)])


def smallest_eigenvalue(matrix: FloatArray, names: Sequence[str]) -> float:
    """Return the correlation matrix's smallest eigenvalue, refusing what is no covariance with a density."""
    scale = np.sqrt(np.abs(np.diag(matrix)))
    usable = bool(np.isfinite(matrix).all() and (np.diag(matrix) > 0.0).all())
    if not usable or not np.allclose(matrix, matrix.T, rtol=1e-9, atol=1e-12 * scale.max() ** 2):
        raise InvalidValue(
            key="covariance",
            value=f"of {', '.join(names)}",
            requirement="finite and symmetric, with variances above 0",
            remedy="check its rows and columns",
        )
    lowest = float(np.linalg.eigvalsh(matrix / np.outer(scale, scale))[0])
    if lowest < SMALLEST:
        raise InvalidValue(
            key=f"covariance of {', '.join(names)}",
            value=f"smallest eigenvalue of the correlations {lowest:.2g}",
            requirement=f"positive definite (at least {SMALLEST:g})",
            remedy="drop an estimate that others determine, or repair the matrix with repaired_covariance",
        )
    return lowest


def repaired_covariance(matrix: FloatArray, names: Sequence[str] = ()) -> tuple[FloatArray, float, bool]:
    """Lift a covariance's small or negative eigenvalues, in correlations, to ``FLOOR``.

    A covariance clustered in two dimensions need not be positive semi-definite.  Lifted eigenvalues only add variance,
    in directions in which the estimates would otherwise claim to know more than 1% of their standard errors allow.

    Parameters
    ----------
    matrix
        Shape (K, K), with positive variances.
    names
        Of the estimates, for messages.

    Returns
    -------
    matrix, lowest, repaired
        The matrix, the smallest eigenvalue of its correlations before, and whether any was lifted (only where one was
        below ``SMALLEST``).

    Raises
    ------
    InvalidValue
        For variances that are not positive.

    Examples
    --------
    >>> import numpy as np
    >>> _, lowest, repaired = repaired_covariance(np.array([[1.0, 2.0], [2.0, 1.0]]))
    >>> round(lowest, 6), repaired
    (-1.0, True)
    """
    matrix = np.asarray(matrix, dtype=np.float64)
    diagonal = np.diag(matrix)
    if not (np.isfinite(matrix).all() and (diagonal > 0.0).all()):
        raise InvalidValue(
            key="covariance",
            value=f"variances {diagonal.tolist()} of {', '.join(names) or 'the estimates'}",
            requirement="finite, with variances above 0",
            remedy="leave out estimates without a variance",
        )
    scale = np.sqrt(diagonal)
    values, vectors = np.linalg.eigh(matrix / np.outer(scale, scale))
    lowest = float(values[0])
    if lowest >= SMALLEST:
        return matrix, lowest, False
    lifted = (vectors * np.maximum(values, FLOOR)) @ vectors.T
    return 0.5 * (lifted + lifted.T) * np.outer(scale, scale), lowest, True
