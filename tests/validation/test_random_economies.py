"""Random admissible economies: none crashes, none claims what it did not reach, and few are given up.

Economies are drawn from ranges far wider than any calibration's: demand elasticities from 1.5 to 9, subsidies up to a
half, regions without firms or roads, adoption that never pays, firms that all export or none.  Each batch shares its
numbers of regions and sectors and which sectors adopt and trade; all else differs from draw to draw.
"""

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import pytest

from bigpush_est.equilibrium.spatial.conditions import StaticSystem
from bigpush_est.equilibrium.spatial.economy import SHAPES, SpatialEconomy
from bigpush_est.equilibrium.spatial.static import StaticEquilibrium, solve_static
from bigpush_est.errors import BigPushError

TOLERANCE = 1e-10


def random_batch(seed: int, draws: int) -> tuple[SpatialEconomy, Any]:
    """Draw a batch of economies and last period's shares; economies that are refused are drawn again."""
    rng = np.random.default_rng([seed, 11])
    sectors, regions = int(rng.integers(1, 6)), int(rng.integers(1, 9))
    adopts = rng.random(sectors) < 0.6
    exports, imports = (rng.random(sectors) < 0.6 for _ in range(2))
    if not (exports.any() and imports.any()) or rng.random() < 0.2:
        exports[:], imports[:] = False, False
    found: list[SpatialEconomy] = []
    while len(found) < draws:
        try:
            found.append(_random_economy(rng, sectors, regions, adopts, exports, imports))
        except BigPushError:
            continue
    economy = SpatialEconomy.of(**{key: np.stack([getattr(one, key) for one in found]) for key in SHAPES})
    lag = rng.uniform(size=(draws, sectors, regions)) * rng.choice([0.0, 1.0, 1.0], size=(draws, 1, 1))
    return economy, np.where(rng.random((draws, 1, 1)) < 0.2, np.round(lag), lag)


def _random_economy(
    rng: np.random.Generator, sectors: int, regions: int, adopts: Any, exports: Any, imports: Any
) -> SpatialEconomy:
    cells = (sectors, regions)

    def shares() -> tuple[Any, Any]:
        labour = rng.uniform(0.05, 1.0, sectors)
        return labour, (1.0 - labour)[:, None] * rng.dirichlet(np.full(sectors, 1.0), sectors)

    sigma = rng.uniform(1.5, 9.0)
    elasticity = rng.uniform(-0.4, 0.2, sectors) * (rng.random() < 0.6)
    steepest = float(np.maximum((sigma - 1.0) * (1.0 + elasticity), sigma * (1.0 + elasticity) - 1.0).max())
    bounded = rng.random() < 0.7
    labour_share, input_share = shares()
    own_labour, own_input = shares() if rng.random() < 0.5 else (labour_share, input_share)
    place = rng.random((regions, 2)) * 3.0
    log_distance = np.log1p(np.linalg.norm(place[:, None] - place, axis=2))
    freeness = np.exp(-rng.uniform(0.0, 4.0, sectors)[:, None, None] * log_distance)
    # all regions buy and sell the first sector's goods: profits and taxes are shared out over the nation, and where
    # regions cannot trade with each other nothing can pay for what is transferred between them
    local = (rng.random(sectors) < 0.2) & (np.arange(sectors) > 0)
    freeness[local] = np.eye(regions)
    port = np.exp(-rng.uniform(0.0, 4.0, cells)) * (rng.random(cells) < 0.8)
    mass = rng.uniform(0.1, 2.0, cells) * ((rng.random(cells) < 0.95) | (np.arange(sectors)[:, None] == 0))
    labour = np.exp(rng.normal(0.0, 1.0, regions))
    # what firms earn from a market of the nation's size divided among them, over σ, times a factor from far too
    # little to far too much
    scale = labour.sum() / mass.sum() / sigma
    subsidised = rng.random(cells) < rng.choice([0.0, 0.5, 1.0])
    general = rng.random(cells) < rng.choice([0.0, 0.0, 0.5])
    return SpatialEconomy.of(
        sigma=sigma,
        theta=(sigma - 1.0) * rng.uniform(0.5, 2.0) if bounded else steepest * rng.uniform(1.1, 2.5),
        kappa=1.0 + np.exp(rng.uniform(-3.0, 2.5)) if bounded else np.inf,
        eta=np.exp(rng.uniform(-0.1, 0.6)),
        delta=rng.uniform(-0.3, 1.5),
        distortion_elasticity=elasticity,
        distortion_level=rng.uniform(0.5, 1.2, sectors) if rng.random() < 0.5 else np.ones(sectors),
        adoption_cost=np.where(adopts, scale * np.exp(rng.uniform(-6.0, 3.0, sectors)), np.inf),
        export_cost=scale * np.exp(rng.uniform(-6.0, 3.0, sectors)) * (rng.random(sectors) < 0.9),
        preference_share=rng.dirichlet(np.full(sectors, 1.5)),
        labour_share=labour_share,
        input_share=input_share,
        adoption_labour_share=own_labour,
        adoption_input_share=own_input,
        firm_mass=mass,
        labour=labour,
        freeness=freeness,
        port_freeness=port,
        tariff=rng.uniform(-0.2, 1.0, sectors),
        productivity=np.exp(rng.normal(0.0, 0.3, cells)),
        foreign_price=np.where(imports, np.exp(rng.normal(0.5, 0.7, sectors)), np.inf),
        foreign_demand=np.where(exports, labour.sum() * np.exp(rng.normal(-1.0, 1.0, sectors)), 0.0),
        subsidy=np.where(subsidised, rng.uniform(0.0, rng.choice([0.1, 0.5]), cells), 0.0),
        general_subsidy=np.where(general, rng.uniform(0.0, 0.2, cells), 0.0),
    )


@dataclass(frozen=True)
class Study:
    """How many economies there were; which did not converge, with their residuals; and how many of those because
    subsidies take more than all income wherever the search went.
    """

    count: int
    failed: list[tuple[int, int, float]]

    @property
    def insolvent(self) -> int:
        return sum(np.isinf(residual) for _, _, residual in self.failed)


def study(batches: range, draws: int) -> Study:
    """Solve batches of random economies."""
    failed: list[tuple[int, int, float]] = []
    for seed in batches:
        economy, lag = random_batch(seed, draws)
        solution = solve_static(economy, lag)
        check(economy, lag, solution)
        failed += [(seed, int(d), float(solution.residual[d])) for d in np.flatnonzero(~solution.converged)]
    return Study(len(batches) * draws, failed)


def check(economy: SpatialEconomy, lag: Any, solution: StaticEquilibrium) -> None:
    """A claim to have converged is checked by a residual computed afresh, and everything is finite where it holds."""
    good = solution.converged
    fresh = np.abs(StaticSystem(economy, lag).residual(solution.point)).max(axis=1)
    assert (fresh[good] <= TOLERANCE * (1.0 + 1e-6) + 1e-13).all()
    assert not (good & ~(solution.residual <= TOLERANCE)).any()
    for entry in fields(StaticEquilibrium):
        values = getattr(solution, entry.name)
        if entry.name == "reach":
            assert not np.isnan(values[good]).any()
        elif entry.name not in ("economy", "lagged_share"):
            assert np.isfinite(values[good]).all(), entry.name
    assert ((solution.adopter_share[good] >= 0.0) & (solution.adopter_share[good] <= 1.0)).all()
    # trade balances without being imposed, to what the residual leaves of it
    gap = solution.exports.sum(axis=(1, 2)) - solution.imports.sum(axis=(1, 2))
    scale = solution.gross_output.sum(axis=(1, 2)) + solution.expenditure.sum(axis=(1, 2))
    assert (np.abs(gap[good]) <= 1e-7 * scale[good]).all()


def test_150_random_economies() -> None:
    found = study(range(15), 10)
    assert found.count == 150
    assert len(found.failed) <= 3, found.failed


@pytest.mark.parametrize("key", [key for key in SHAPES if key != "firm_mass"])
def test_any_field_may_differ_between_draws(key: str) -> None:
    """A batch in which one field has draws, and the others none, is its draws."""
    batch, lag = random_batch(3, 4)
    first = batch.changed(**{name: getattr(batch, name)[0] for name in SHAPES})
    values = np.stack([getattr(first, key)] * 3)
    if not key.endswith("_share"):  # shares have to add up: the same in all draws, and yet one for each
        values = values * np.array([1.0, 1.03, 0.98]).reshape(-1, *([1] * (values.ndim - 1)))
    together = solve_static(first.changed(**{key: values}), lag[0])
    for d in range(3):
        alone = solve_static(first.changed(**{key: values[d]}), lag[0])
        assert alone.converged[0] == together.converged[d]
        np.testing.assert_allclose(together.point[d], alone.point[0], atol=1e-7)
        np.testing.assert_allclose(together.adopter_share[d], alone.adopter_share[0], atol=1e-7)


@pytest.mark.validate
def test_10_000_random_economies() -> None:
    found = study(range(1000, 1400), 25)
    print(
        f"{len(found.failed)} of {found.count} random economies did not converge, {found.insolvent} of them because "
        f"subsidies take all income: {found.failed}"
    )
    assert found.count == 10_000
    assert len(found.failed) <= 250
