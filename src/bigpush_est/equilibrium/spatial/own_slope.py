r"""How much a region's adopter share rises with its own share a period before: ∂λ_njt/∂λ_nj,t−1 in Section 5's economy.

General equilibrium is in it: wages, prices and demand everywhere answer.  Shares have kinks where a region's first firm
adopts, so that the slope is a central difference over a stated width.
"""

import numpy as np

from bigpush_est.equilibrium.adoption_map import FloatArray
from bigpush_est.equilibrium.spatial.economy import SpatialEconomy
from bigpush_est.equilibrium.spatial.static import solve_static
from bigpush_est.errors import InvalidValue


def own_region_slopes(
    economy: SpatialEconomy,
    lagged_share: FloatArray,
    sector: int,
    *,
    width: float = 0.01,
    start: FloatArray | None = None,
    preconditioner: FloatArray | None = None,
) -> FloatArray:
    """Return ∂λ_n/∂λ_{n,t−1} of one sector, region by region.

    Parameters
    ----------
    economy
        D draws.
    lagged_share
        λ_{t−1}, shape (D, J, N).
    sector
        That adopts.
    width
        By which each region's lagged share is moved up and down, one region at a time; at 0 and 1 it stops there.
    start, preconditioner
        As in ``solve_static``.

    Returns
    -------
    ndarray
        Shape (D, N); NaN where an equilibrium was not found.

    Raises
    ------
    InvalidValue
        For a width that is not between 0 and 1.

    Examples
    --------
    >>> from bigpush_est.equilibrium.spatial.scenarios import example_baseline
    >>> ready = example_baseline()
    >>> economy, lag = ready.economies[0], np.asarray(ready.initial_share)[None]
    >>> own_region_slopes(economy, lag, ready.heavy).shape == (1, economy.n_regions)
    True
    """
    if not 0.0 < width < 1.0:
        raise InvalidValue(key="width", value=width, requirement="between 0 and 1", remedy="take 0.01")
    found = np.empty((lagged_share.shape[0], lagged_share.shape[-1]))
    for region in range(found.shape[1]):
        ends = []
        for change in (width, -width):
            moved = np.array(lagged_share, dtype=np.float64)
            moved[:, sector, region] = np.clip(moved[:, sector, region] + change, 0.0, 1.0)
            solved = solve_static(economy, moved, start=start, preconditioner=preconditioner)
            share = np.where(solved.converged, solved.adopter_share[:, sector, region], np.nan)
            ends.append((share, moved[:, sector, region]))
        found[:, region] = (ends[0][0] - ends[1][0]) / (ends[0][1] - ends[1][1])
    return found
