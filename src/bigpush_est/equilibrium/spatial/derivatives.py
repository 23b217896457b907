r"""The Jacobian of the static conditions, from a handful of evaluations instead of one per unknown.

What the firms of region n and sector j do depends on w_n, the prices P_n· there, and their home demand D_nj alone.  So
all regions can be moved at once: base, w, each P_k and D take 3 + J evaluations of the cells, whatever the number of
regions.  The rest is linear and known:

    dD_nj     = Σ_m d_nmj^{1−σ} P_mj^{σ−1} E_mj ((σ−1) dlog P_mj + dlog E_mj)
    dlog P_mj = (1−σ)^{−1} Σ_n d_nmj^{1−σ} dV_nj / P_mj^{1−σ}
    dI_n      = I_n dlog w_n + w_n L_n dφ,     φ what households get besides wages, over the nation's wages

of which the last is an outer product.
"""

import numpy as np
from numpy.typing import NDArray

from bigpush_est.equilibrium.adoption_map import FloatArray
from bigpush_est.equilibrium.spatial.conditions import StaticSystem

#: Of the differences, in logs.
_STEP = 1e-6


def static_derivatives(system: StaticSystem, point: FloatArray) -> NDArray[np.float32]:
    """Return ∂ residual_r/∂ unknown_i at one point (K,) of a system of one draw, unknowns first, shape (K, K)."""
    count, size = len(system.sectors), system.labour.shape[-1]
    adopting, trading, constants = system.adopting, system.trading, system.constants
    rows = 3 + count
    points = np.repeat(point[None], rows, axis=0)
    logs = points.reshape(rows, 1 + 2 * count, size)
    for k in range(1 + count):
        logs[1 + k, k] += _STEP
    moved = np.ones(rows)
    moved[-1] += _STEP
    cells = system.cells(points, moved)
    demand, home = cells.demand[:, 0], cells.home[:, 0]
    freeness, own = system.freeness[:, 0], system.rows_of(1)[0]

    def mine(values: FloatArray) -> FloatArray:
        chosen: FloatArray = values[own if values.shape[0] > 1 else 0]
        return chosen

    power = float(mine(system.power)[0, 0])
    imported, tariffs, weights = mine(constants.imported), mine(constants.tariffs), mine(constants.spending)
    # by log w, log P (1 + J, ...) and by D of the cell's sector
    paid = cells.payments[:, :-1]
    supply_local, supply_home = _differences(cells.supply.transpose(1, 0, 2), home)
    sector = [*range(count), *adopting, *trading]
    paid_local, paid_home = _differences(paid, home[sector])
    gross_local, gross_home = _differences(cells.gross, home)
    # unknowns, then residuals
    found = np.zeros((1 + 2 * count, size, 1 + 2 * count, size), dtype=np.float32)
    prices = np.matmul(cells.supply[:, :1], freeness)[:, 0] + imported
    # of home demand by log E: (J, buyer, seller); by log P it is σ − 1 times that
    reached = (freeness * demand[:, None]).swapaxes(1, 2)
    wage_bill = np.exp(point[:size]) * system.labour[0]
    bill, income = wage_bill.sum(), cells.payments[0, -1]
    earned = cells.gross[0].sum() - paid[0].sum() + (demand * tariffs).sum()
    # of φ
    share = np.zeros((1 + 2 * count, size))
    share[: 1 + count] = gross_local.sum(axis=1) - paid_local.sum(axis=1)
    share[0] -= earned / bill * wage_bill
    through_home = gross_home.copy()
    np.subtract.at(through_home, sector, paid_home)
    by_spending = np.matmul(reached, through_home[:, :, None])[:, :, 0] + demand * tariffs
    share[1 : 1 + count] += power * by_spending
    share[1 + count :] += by_spending
    share /= bill
    amounts = weights @ cells.payments[0]
    for j in range(count):
        scale = -1.0 / (power * prices[j])
        sellers = freeness[j] * scale
        for k in range(1 + count):
            found[k, :, 1 + j] += supply_local[k, j][:, None] * sellers
        chain = reached[j] @ (supply_home[j][:, None] * sellers)
        found[1 + j, :, 1 + j] += power * chain
        found[1 + count + j, :, 1 + j] += chain
    everywhere = np.arange(size)
    for q in range(1 + count):
        place, weight = q + count if q else 0, weights[q]
        local = np.einsum("r,krn->kn", weight[:-1], paid_local) / amounts[q]
        for k in range(1 + count):
            found[k, everywhere, place, everywhere] += local[k]
        found[0, everywhere, place, everywhere] += weight[-1] * income / amounts[q]
        through = np.zeros((count, size))
        np.add.at(through, sector, weight[:-1, None] * paid_home)
        for j in range(count):
            chain = reached[j] * (through[j] / amounts[q])
            found[1 + j, :, place] += power * chain
            found[1 + count + j, :, place] += chain
        if weight[-1]:
            found[:, :, place] += share[:, :, None] * (weight[-1] * wage_bill / amounts[q])
    if system.closed:
        found[0] -= (wage_bill / bill)[:, None, None]
    whole = found.reshape(point.size, point.size)
    whole[np.diag_indices(point.size)] -= 1.0
    return whole


def _differences(values: FloatArray, home: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return derivatives by log w and log P, (1 + J, rows, N), and by D, (rows, N), of values (3 + J, rows, N)."""
    changes = (values[1:] - values[0]) / _STEP
    return changes[:-1], changes[-1] / home
