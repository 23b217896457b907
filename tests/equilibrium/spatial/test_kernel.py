"""The compiled arithmetic against NumPy's, the Jacobian against differences, cold batches against their draws."""

from typing import Any

import numpy as np
import pytest

from bigpush_est.equilibrium.spatial import kernel
from bigpush_est.equilibrium.spatial.acceleration import Acceleration, Factors, newton_preconditioner
from bigpush_est.equilibrium.spatial.conditions import StaticSystem
from bigpush_est.equilibrium.spatial.derivatives import static_derivatives
from bigpush_est.equilibrium.spatial.economy import SpatialEconomy
from bigpush_est.equilibrium.spatial.static import solve_static, static_preconditioner

from .test_static import batch, random_case


def replaced(function: Any, x: Any) -> Any:
    found = np.array(x, dtype=np.float64)
    function(found)
    return found


def test_exponentials_and_logarithms_are_numpys_to_the_last_place() -> None:
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.uniform(-700.0, 700.0, 5000), rng.uniform(-1.0, 1.0, 5000), [0.0, 709.78, -707.9]])
    np.testing.assert_allclose(replaced(kernel._exp, x), np.exp(x), rtol=3e-16)
    y = np.concatenate([np.exp(rng.uniform(-700.0, 700.0, 5000)), rng.uniform(0.5, 2.0, 5000), [1.0, 2.3e-308]])
    np.testing.assert_allclose(replaced(kernel._log, y), np.log(y), rtol=3e-16, atol=1e-300)


def test_what_is_not_finite_stays_so() -> None:
    x = [np.inf, -np.inf, np.nan, 710.0, -746.0]
    with np.errstate(over="ignore"):
        np.testing.assert_array_equal(replaced(kernel._exp, x), np.exp(x))
    y = [np.inf, 0.0, -0.0, np.nan, -1.0, -np.inf]
    with np.errstate(divide="ignore", invalid="ignore"):
        np.testing.assert_array_equal(replaced(kernel._log, y), np.log(y))


@pytest.mark.parametrize("seed", [0, 1, 2, 4, 5, 8, 10, 13])
def test_the_jacobian_is_that_of_central_differences(seed: int) -> None:
    """Open and closed economies (seeds 0, 5 and 10), bounded and not, of up to four regions and sectors."""
    _, economy, lag = random_case(seed, open_economy=seed % 5 != 0, bounded=seed % 3 != 0)
    solution = solve_static(economy, lag.T)
    assert solution.converged[0]
    system, point, step = StaticSystem(economy, lag.T), solution.point[0], 1e-6
    shifts = step * np.eye(point.size)
    central = (system.residual(point + shifts) - system.residual(point - shifts)) / (2 * step)
    np.testing.assert_allclose(static_derivatives(system, point), central, atol=2e-5 * np.abs(central).max())


def test_the_jacobian_of_one_draw_of_a_batch() -> None:
    economy, lag = batch()
    points = solve_static(economy, lag).point
    system = StaticSystem(economy, lag)
    for d in (0, 3):
        alone = StaticSystem(economy.select(np.array([d])), lag[d])
        np.testing.assert_allclose(
            static_derivatives(system.select(np.array([d])), points[d]),
            static_derivatives(alone, points[d]),
            atol=1e-6,
        )


def test_preconditioners_take_newtons_step() -> None:
    economy, lag = batch()
    solution = solve_static(economy, lag)
    system, point = StaticSystem(economy, lag).select(np.array([0])), solution.point[0]
    derivatives = static_derivatives(system, point)
    residual = np.random.default_rng(0).normal(size=(3, point.size))
    expected = np.linalg.solve(-derivatives.T.astype(np.float64), residual.T).T
    before = residual.copy()
    for damping in (
        Factors.of(derivatives.copy()),
        Factors.of(derivatives.copy()).inverse(),
        static_preconditioner(solution),
        newton_preconditioner(system, point),
    ):
        np.testing.assert_allclose(Acceleration(damping).scaled(residual), expected, rtol=1e-2, atol=1e-3)
        np.testing.assert_array_equal(residual, before)


def test_a_singular_jacobian_is_refused() -> None:
    with pytest.raises(np.linalg.LinAlgError, match="singular"):
        Factors.of(np.zeros((3, 3), dtype=np.float32))


def many(draws: int = 40) -> tuple[SpatialEconomy, Any]:
    rng = np.random.default_rng(9)
    economy, _ = batch(draws=draws)
    return economy, rng.uniform(0.0, 1.0, (draws, 3, 4))


def test_a_cold_batch_that_begins_in_its_middle_is_its_draws() -> None:
    economy, lag = many()
    together = solve_static(economy, lag)
    assert together.converged.all()
    assert together.residual.max() <= 1e-10
    fresh = np.abs(StaticSystem(economy, lag).residual(together.point)).max(axis=1)
    np.testing.assert_allclose(fresh, together.residual, atol=1e-13)
    for d in range(0, 40, 7):
        alone = solve_static(economy.select(np.array([d])), lag[d])
        np.testing.assert_allclose(together.point[d], alone.point[0], atol=1e-8)
        assert together.iterations[d] < alone.iterations[0]


def test_threads_change_no_bit_of_a_cold_batch() -> None:
    economy, lag = many()
    one, two = (solve_static(economy, lag, chunk=16, workers=workers) for workers in (1, 2))
    for key in ("wage", "price_index", "expenditure", "adopter_share", "residual", "iterations"):
        np.testing.assert_array_equal(getattr(one, key), getattr(two, key))


def test_draws_far_from_the_middle_are_solved_from_their_own_start() -> None:
    economy, lag = many()
    productivity = np.array(np.broadcast_to(economy.productivity, (40, 3, 4)))
    productivity[::5] *= np.array([30.0, 0.05, 4.0])[:, None]
    far = economy.changed(productivity=productivity)
    together = solve_static(far, lag)
    assert together.converged.all()
    for d in (0, 5, 6):
        alone = solve_static(far.select(np.array([d])), lag[d])
        np.testing.assert_allclose(together.point[d], alone.point[0], atol=1e-7)


def test_a_cold_batch_that_is_stopped_says_so() -> None:
    economy, lag = many()
    for limit in (2, 4):
        stopped = solve_static(economy, lag, max_iterations=limit)
        fresh = np.abs(StaticSystem(economy, lag).residual(stopped.point)).max(axis=1)
        np.testing.assert_array_equal(stopped.converged, stopped.residual <= 1e-10)
        np.testing.assert_allclose(stopped.residual, fresh, rtol=1e-6, atol=1e-13)
        assert not stopped.converged.any()
