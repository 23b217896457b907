"""Own-region slopes: against differences that are taken one equilibrium at a time, and where theory gives them."""

import numpy as np
import pytest

from bigpush_est.equilibrium.spatial.own_slope import own_region_slopes
from bigpush_est.equilibrium.spatial.scenarios import example_baseline
from bigpush_est.equilibrium.spatial.static import solve_static
from bigpush_est.errors import InvalidValue


@pytest.fixture(scope="module")
def ready():
    return example_baseline()


def test_each_region_is_moved_alone(ready):
    economy, heavy = ready.economies[1], ready.heavy
    lag = np.zeros((1, economy.n_sectors, economy.n_regions))
    lag[0, heavy] = [0.3, 0.2, 0.1, 0.0]
    found = own_region_slopes(economy, lag, heavy, width=0.02)
    for region, (low, high) in enumerate([(0.28, 0.32), (0.18, 0.22), (0.08, 0.12), (0.0, 0.02)]):
        shares = []
        for value in (low, high):
            moved = lag.copy()
            moved[0, heavy, region] = value
            shares.append(solve_static(economy, moved).adopter_share[0, heavy, region])
        assert found[0, region] == pytest.approx((shares[1] - shares[0]) / (high - low), abs=1e-6)
    assert (found > 0.0).any()


def test_without_spillovers_there_is_no_slope(ready):
    economy = ready.economies[1].changed(delta=np.zeros(2), eta=np.array([1.2, 1.3]))
    lag = np.full((2, economy.n_sectors, economy.n_regions), 0.3)
    np.testing.assert_allclose(own_region_slopes(economy, lag, ready.heavy), 0.0, atol=1e-7)


@pytest.mark.parametrize("width", [0.0, 1.0, -0.1])
def test_bad_widths_are_refused(ready, width):
    with pytest.raises(InvalidValue, match="width"):
        own_region_slopes(ready.economies[0], np.zeros((1, 3, 4)), ready.heavy, width=width)
