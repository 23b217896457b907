"""Jackknife scores and variances of a wild cluster bootstrap of least squares, clustered in one dimension.

MacKinnon, Nielsen and Webb (2023): with A an orthonormal basis of all regressors and A_g its rows in cluster g,

    transformed residuals   ü_g = (I − A_g A_g′)⁻¹ û_g = û_g + A_g (I − A_g′A_g)⁻¹ A_g′ û_g
    leaving cluster g out   β̂_(g) − β̂ = −(I − A_g′A_g)⁻¹ A_g′ û_g,     CV3 = (G − 1)/G Σ_g (β̂_(g) − β̂)(β̂_(g) − β̂)′
"""

import numpy as np
from numpy.typing import NDArray

from bigpush_est.errors import InvalidValue
from bigpush_est.reduced_form.wild.scores import FixedEffects

type FloatArray = NDArray[np.float64]

#: Fixed effects beyond those nested in the clusters are written out as columns, up to this many.
MOST_COLUMNS = 1_000


def with_fixed_effects(controls: FloatArray, effects: FixedEffects | None) -> FloatArray:
    """Orthonormal basis of controls and of the fixed effects that are not nested in the bootstrap's clusters."""
    if effects is None:
        return controls
    pieces = [effects.first.T] if effects.first_matters else []
    if effects.others is not None:
        pieces.append(effects.others.T)
    columns = sum(piece.shape[1] for piece in pieces)
    if columns == 0:
        return controls
    if columns > MOST_COLUMNS:
        raise InvalidValue(
            key="fixed_effects",
            value=f"{columns} levels not nested in the bootstrap's clusters",
            requirement=f"at most {MOST_COLUMNS} for jackknife scores or variances",
            remedy='use scores="plain" and variance="CRV1"',
        )
    dense = np.hstack([piece.toarray() for piece in pieces])
    if not effects.first_matters:
        dense = dense - effects.first.T @ (effects.first @ dense)
    left, values, _ = np.linalg.svd(dense, full_matrices=False)
    return np.hstack([controls, left[:, values > 1e-9 * values[0]]])


def _inverses(basis: FloatArray, codes: NDArray[np.int64], count: int) -> FloatArray:
    """(I − A_g′A_g)⁺ by cluster, shape (G, r, r); directions that one cluster alone identifies are left out."""
    rank = basis.shape[1]
    found = np.empty((count, rank, rank))
    for g in range(count):
        rows = basis[codes == g]
        found[g] = np.linalg.pinv(np.eye(rank) - rows.T @ rows, rcond=1e-9, hermitian=True)
    return found


def jackknife_residuals(residuals: FloatArray, basis: FloatArray, codes: NDArray[np.int64], count: int) -> FloatArray:
    """ü for every column of residuals, shape (N, J)."""
    if basis.shape[1] == 0:
        return residuals
    transformed = residuals.copy()
    for g, inverse in enumerate(_inverses(basis, codes, count)):
        rows = codes == g
        transformed[rows] += basis[rows] @ (inverse @ (basis[rows].T @ residuals[rows]))
    return transformed


def jackknife_scoring(regressor: FloatArray, basis: FloatArray, codes: NDArray[np.int64], count: int) -> FloatArray:
    """ζ with β̂ − β̂_(g) = Σ_{i ∈ g} ζ_i û_i for the coefficient of one regressor net of the others, shape (N,)."""
    length = float(np.linalg.norm(regressor))
    full = np.column_stack([basis, regressor / length])
    scoring = np.empty(regressor.size)
    for g, inverse in enumerate(_inverses(full, codes, count)):
        rows = codes == g
        scoring[rows] = full[rows] @ inverse[:, -1] / length
    return scoring
