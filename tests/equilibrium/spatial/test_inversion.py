"""Inversion: outcomes are the targets, known fundamentals come back, and a target that cannot be met is flagged."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from bigpush_est.equilibrium.spatial.conditions import StaticSystem
from bigpush_est.equilibrium.spatial.economy import SpatialEconomy
from bigpush_est.equilibrium.spatial.inversion import Inversion, InversionSystem, Targets, invert, real_gdp_growth
from bigpush_est.equilibrium.spatial.outcomes import measure
from bigpush_est.equilibrium.spatial.static import StaticEquilibrium, solve_static
from bigpush_est.errors import InvalidValue

HEAVY, NUMERAIRE = 2, 0
TRADED = (0, 1, 2)


def small_economy(seed: int = 0, regions: int = 5, **changes: Any) -> SpatialEconomy:
    """Commodities, light and heavy manufacturing, services in a few regions at random places."""
    rng = np.random.default_rng(seed)
    place = rng.uniform(0.0, 3.0, (regions, 2))
    apart = 1.0 + np.linalg.norm(place[:, None] - place, axis=2)
    port = (1.0 + rng.uniform(0.0, 2.0, regions)) ** -1.29
    given: dict[str, Any] = {
        "sigma": 5.0,
        "theta": 4.24,
        "kappa": 1.9,
        "eta": 1.25,
        "delta": 0.68,
        "distortion_elasticity": [0.0, 0.0, -0.3, 0.0],
        "distortion_level": [1.0, 1.0, 0.9, 1.0],
        "adoption_cost": [np.inf, np.inf, 0.2, np.inf],
        "export_cost": [0.02, 0.02, 0.01, 0.0],
        "preference_share": [0.3, 0.2, 0.15, 0.35],
        "labour_share": [0.6, 0.5, 0.4, 0.7],
        "input_share": [[0.2, 0.1, 0.05, 0.05], [0.2, 0.1, 0.1, 0.1], [0.1, 0.05, 0.35, 0.1], [0.1, 0.1, 0.05, 0.05]],
        "firm_mass": rng.dirichlet(np.full(regions, 20.0), 4) * np.array([[0.3], [0.2], [0.1], [0.4]]),
        "labour": rng.dirichlet(np.full(regions, 20.0)),
        "freeness": np.stack([apart**-1.29] * 3 + [apart**-3.8]),
        "port_freeness": np.stack([port] * 3 + [np.zeros(regions)]),
        "tariff": [0.2, 0.2, 0.2, 0.0],
        "productivity": np.exp(0.1 * rng.normal(size=(4, regions))),
        "foreign_price": [1.0, 1.5, 1.2, np.inf],
        "foreign_demand": [0.3, 0.2, 0.1, 0.0],
        "subsidy": np.zeros((4, regions)),
    }
    return SpatialEconomy.of(**(given | changes))


def in_new_units(economy: SpatialEconomy, log_units: Any) -> SpatialEconomy:
    """The same economy with the goods of sector j counted in units 1/a_j as large, log a = ``log_units``.

    A price falls to p/a.  Where inputs are a_k times as many, a bundle of them costs Π_k a_k^{−γ^k} as much, so that
    productivity has to rise by b_j = a_j Π_k a_k^{−γ^k_j} only.  τ̄ z^ξ is as before with τ̄ b^{−ξ}; the adoption bundle
    gets cheaper, so that more of them are needed; p^{1−σ} D^x is as before with a^{1−σ} D^x.
    """
    log_units = np.asarray(log_units, dtype=np.float64)
    log_gain = log_units - economy.input_share @ log_units
    return economy.changed(
        productivity=economy.productivity * np.exp(log_gain)[:, None],
        distortion_level=economy.distortion_level * np.exp(-economy.distortion_elasticity * log_gain),
        adoption_cost=economy.adoption_cost * np.exp(economy.adoption_input_share @ log_units),
        foreign_price=economy.foreign_price * np.exp(-log_units),
        foreign_demand=economy.foreign_demand * np.exp((1.0 - economy.sigma) * log_units),
    )


def normalised(economy: SpatialEconomy, lag: Any) -> SpatialEconomy:
    """The same economy in the units in which each sector's output-weighted mean of log φ^min is zero."""
    solution = solve_static(economy, lag, tolerance=1e-12)
    share = solution.gross_output[0] / solution.gross_output[0].sum(axis=1, keepdims=True)
    mean = (share * np.log(economy.productivity)).sum(axis=1)
    units = np.linalg.solve(np.eye(economy.n_sectors) - economy.input_share, -mean)
    found = in_new_units(economy, units)
    # and the numeraire's foreign price is 1
    scale = 1.0 / found.foreign_price[NUMERAIRE]
    return found.changed(
        foreign_price=found.foreign_price * scale, foreign_demand=found.foreign_demand * scale**economy.sigma
    )


@dataclass(frozen=True)
class Accounts:
    """A period's outcomes from the arrays of its equilibrium, each from a definition other than the inversion's."""

    output_share: Any
    export_intensity: Any
    import_share: Any
    nominal_gdp: float
    log_consumer_price: Any
    log_producer_price: Any
    preference_share: Any


def accounts(solution: StaticEquilibrium, economy: SpatialEconomy) -> Accounts:
    """First draw.  GDP is what households earn less tariffs; producer prices are those of the goods sold at home.

    The price index of home-made goods of a sector, were all of its firms to sell to one buyer at their factory's
    gate, solves P^{1−σ} = Σ_n V_n: it is read off from what buyers of region m spend on goods of region n,
    V_n d_nm P_m^{σ−1} E_m.
    """
    spending = solution.expenditure[0]
    weight = spending / spending.sum(axis=1, keepdims=True)
    gross = solution.gross_output[0]
    # sales of each region to the first region per unit of its demand, undone for distance
    demand = solution.price_index[0] ** (economy.sigma - 1.0) * spending
    freeness = np.asarray(economy.freeness)
    sold = (gross - solution.exports[0]) / np.einsum("jnm,jm->jn", freeness, demand)
    produced = gross.sum(axis=1)
    return Accounts(
        output_share=gross / produced[:, None],
        export_intensity=solution.exports[0].sum(axis=1) / produced,
        import_share=(1.0 + economy.tariff) * solution.imports[0].sum(axis=1) / spending.sum(axis=1),
        nominal_gdp=float(solution.income[0].sum() - solution.tariff_revenue[0]),
        log_consumer_price=(weight * np.log(solution.price_index[0])).sum(axis=1),
        log_producer_price=np.log(sold.sum(axis=1)) / (1.0 - economy.sigma),
        preference_share=economy.preference_share,
    )


def log_real_growth(now: Accounts, before: Accounts) -> float:
    weight = 0.5 * (now.preference_share + before.preference_share)
    inflation = weight @ (now.log_consumer_price - before.log_consumer_price)
    return float(np.log(now.nominal_gdp / before.nominal_gdp) - inflation)


def targets_of(now: Accounts, first: Accounts) -> Targets:
    """What data on this economy would say."""
    return Targets(
        output_share=now.output_share,
        export_intensity=np.where(now.export_intensity > 0.0, now.export_intensity, np.nan),
        import_share=np.where(now.import_share > 0.0, now.import_share, np.nan),
        real_gdp=float(np.exp(log_real_growth(now, first))),
        producer_price=np.exp(now.log_producer_price - first.log_producer_price),
    )


@dataclass(frozen=True)
class Truth:
    economies: list[SpatialEconomy]
    lags: list[Any]
    solutions: list[StaticEquilibrium]
    targets: list[Targets]

    def guess(self, period: int) -> SpatialEconomy:
        """The economy with fundamentals that say nothing: only the numeraire's foreign price is the truth's."""
        economy = self.economies[period]
        return economy.changed(
            productivity=np.ones_like(economy.productivity),
            foreign_price=np.where(np.isinf(economy.foreign_price), np.inf, 1.0),
            foreign_demand=np.where(economy.foreign_demand > 0.0, 0.1, 0.0),
        )


def simulate(seed: int = 0, regions: int = 5, periods: int = 3, **changes: Any) -> Truth:
    """Simulate periods with known fundamentals that change; the first is in the inversion's units."""
    rng = np.random.default_rng(100 + seed)
    lag = np.zeros((4, regions))
    lag[HEAVY] = rng.uniform(0.02, 0.15, regions)
    economy = normalised(small_economy(seed, regions, **changes), lag)
    economies, lags, solutions, found, targets = [], [], [], [], []
    for t in range(periods):
        if t:
            traded = np.array([1.0, *np.exp(0.1 * rng.normal(size=2)), 1.0])
            subsidy = np.zeros((4, regions))
            subsidy[HEAVY, : regions // 2] = 0.06
            economy = economy.changed(
                productivity=economy.productivity * np.exp(0.1 + 0.1 * rng.normal(size=(4, regions))),
                foreign_price=economy.foreign_price * traded,
                foreign_demand=economy.foreign_demand * np.exp(0.3 * rng.normal(size=4)),
                preference_share=rng.dirichlet(200.0 * economy.preference_share),
                tariff=0.8 * economy.tariff,
                subsidy=subsidy,
            )
        solution = solve_static(economy, lag, tolerance=1e-12)
        assert solution.converged[0]
        found.append(accounts(solution, economy))
        economies.append(economy)
        lags.append(lag)
        solutions.append(solution)
        targets.append(targets_of(found[-1], found[0]))
        lag = solution.adopter_share[0]
    return Truth(economies, lags, solutions, targets)


def invert_all(truth: Truth) -> list[Inversion]:
    found: list[Inversion] = []
    for t, targets in enumerate(truth.targets):
        lag = truth.lags[0] if not found else found[-1].equilibrium.adopter_share
        reference = found[0].levels if found else None
        found.append(invert(truth.guess(t), lag, targets, numeraire=NUMERAIRE, reference=reference))
    return found


SEEDS = (0, 1, 2)


@pytest.fixture(scope="module", params=SEEDS)
def case(request: pytest.FixtureRequest) -> tuple[Truth, list[Inversion]]:
    regions = 3 + 2 * request.param
    # by turns: the paper's economy; undistorted with costless adoption shares of its own; distorted upwards
    changes: dict[str, Any] = [
        {},
        {"distortion_elasticity": [0.0] * 4, "adoption_labour_share": [0.5] * 4,
         "adoption_input_share": np.full((4, 4), 0.125)},
        {"distortion_elasticity": [0.0, 0.1, -0.2, 0.0], "theta": 5.5},
    ][request.param]  # fmt: skip
    truth = simulate(request.param, regions, **changes)
    return truth, invert_all(truth)


def test_a_change_of_units_changes_no_outcome() -> None:
    """What the first period's normalisation rests on."""
    for seed in range(4):
        economy, lag = small_economy(seed), np.random.default_rng(seed).uniform(0.0, 0.3, (4, 5))
        units = np.random.default_rng(seed).normal(0.0, 0.3, 4)
        one, two = (solve_static(each, lag, tolerance=1e-12) for each in (economy, in_new_units(economy, units)))
        assert one.converged[0]
        assert two.converged[0]
        for key in ("gross_output", "expenditure", "wage", "adopter_share", "exporter_share", "imports", "exports"):
            np.testing.assert_allclose(getattr(two, key), getattr(one, key), rtol=1e-9, atol=1e-11)
        np.testing.assert_allclose(
            np.log(two.price_index[0] / one.price_index[0]), np.repeat(-units[:, None], 5, axis=1), atol=1e-9
        )


def test_outcomes_are_the_targets(case: tuple[Truth, list[Inversion]]) -> None:
    truth, inversions = case
    first: Accounts | None = None
    for t, (inversion, targets) in enumerate(zip(inversions, truth.targets, strict=True)):
        assert inversion.converged[0]
        assert inversion.equilibrium.converged[0]
        found = accounts(inversion.equilibrium, one_draw(inversion.economy))
        np.testing.assert_allclose(found.output_share, targets.output_share, rtol=1e-8)
        for j in TRADED:
            assert found.export_intensity[j] == pytest.approx(targets.export_intensity[j], rel=1e-8)
            if j != NUMERAIRE:
                assert found.import_share[j] == pytest.approx(targets.import_share[j], rel=1e-8)
        # the numeraire's import share is not imposed: balanced trade makes it the data's, whose trade is balanced
        assert found.import_share[NUMERAIRE] == pytest.approx(targets.import_share[NUMERAIRE], rel=1e-7)
        if first is None:
            first = found
            level = (targets.output_share * np.log(inversion.economy.productivity[0])).sum(axis=1)
            np.testing.assert_allclose(level, 0.0, atol=1e-8)
        relative = found.log_producer_price - first.log_producer_price - np.log(targets.producer_price)
        np.testing.assert_allclose(relative - relative.mean(), 0.0, atol=1e-8)
        assert np.exp(log_real_growth(found, first)) == pytest.approx(targets.real_gdp, rel=1e-8), t


def test_known_fundamentals_come_back(case: tuple[Truth, list[Inversion]]) -> None:
    """The first period's in its units, later ones' as they are: real GDP and relative prices fix their levels."""
    truth, inversions = case
    for economy, inversion in zip(truth.economies, inversions, strict=True):
        np.testing.assert_allclose(inversion.economy.productivity[0], economy.productivity, rtol=1e-6)
        np.testing.assert_allclose(inversion.economy.foreign_demand[0], economy.foreign_demand, rtol=1e-6)
        np.testing.assert_allclose(inversion.economy.foreign_price[0], economy.foreign_price, rtol=1e-6)


def test_levels_are_the_accounts(case: tuple[Truth, list[Inversion]]) -> None:
    """Real GDP and prices of the inversion, against the accounts of the equilibrium's arrays."""
    _, inversions = case
    found = [accounts(one.equilibrium, one_draw(one.economy)) for one in inversions]
    for inversion, theirs in zip(inversions, found, strict=True):
        np.testing.assert_allclose(inversion.levels.gdp[0], np.log(theirs.nominal_gdp), atol=1e-9)
        np.testing.assert_allclose(inversion.levels.consumer_price[0], theirs.log_consumer_price, atol=1e-9)
        np.testing.assert_allclose(inversion.levels.producer_price[0], theirs.log_producer_price, atol=1e-9)
        outcome = measure(inversion.equilibrium)
        assert outcome.gdp_share.sum() == pytest.approx(1.0)
    growth = real_gdp_growth(inversions[2].levels, inversions[0].levels)[0]
    assert growth == pytest.approx(log_real_growth(found[2], found[0]), abs=1e-9)


def one_draw(economy: SpatialEconomy) -> SpatialEconomy:
    """A batch of one as an economy without draws."""
    fields = ("productivity", "foreign_demand", "foreign_price")
    return economy.changed(**{key: getattr(economy, key)[0] for key in fields})


def test_a_batch_is_its_draws() -> None:
    truth = simulate(4, 4, periods=2)
    draws = 5
    rng = np.random.default_rng(0)
    eta, delta = rng.uniform(1.15, 1.35, draws), rng.uniform(0.3, 0.9, draws)
    batch: list[Inversion] = []
    singles: list[Inversion] = []
    for t in range(2):
        economy = truth.guess(t)
        lag = truth.lags[0] if not t else batch[0].equilibrium.adopter_share
        reference = batch[0].levels if t else None
        batch.append(
            invert(economy.changed(eta=eta, delta=delta), lag, truth.targets[t], numeraire=0, reference=reference)
        )
        for d in range(draws):
            index = np.array([d])
            singles.append(
                invert(
                    economy.changed(eta=eta[d], delta=delta[d]),
                    lag if lag.ndim == 2 else lag[d],
                    truth.targets[t],
                    numeraire=0,
                    reference=None if reference is None else reference.select(index),
                )
            )
            assert batch[t].converged[d]
            assert singles[-1].converged[0]
            for key in ("productivity", "foreign_demand", "foreign_price"):
                together, alone = getattr(batch[t].economy, key)[d], getattr(singles[-1].economy, key)[0]
                np.testing.assert_allclose(together, alone, rtol=1e-7)


@pytest.mark.parametrize("impossible", ["output without firms", "a market that no firm can pay for"])
def test_a_target_that_cannot_be_met_is_flagged(impossible: str) -> None:
    truth = simulate(0, 3, periods=1)
    economy, targets = truth.guess(0), truth.targets[0]
    if impossible == "output without firms":
        mass = economy.firm_mass.copy()
        mass[1, 0] = 0.0
        economy = economy.changed(firm_mass=mass)
    else:
        economy = economy.changed(export_cost=[0.02, 1e12, 0.01, 0.0])
    found = invert(economy, truth.lags[0], targets, numeraire=NUMERAIRE, max_iterations=50)
    assert not found.converged[0]
    assert found.residual[0] > 1e-10


@pytest.mark.parametrize("key", ["export_intensity", "import_share"])
@pytest.mark.parametrize("value", [0.0, 1.2, np.nan])
def test_shares_outside_their_range_are_refused(key: str, value: float) -> None:
    truth = simulate(0, 3, periods=1)
    targets = truth.targets[0]
    share = getattr(targets, key).copy()
    share[1] = value
    with pytest.raises(InvalidValue, match=rf"{key}\[1\]"):
        invert(truth.guess(0), truth.lags[0], replace(targets, **{key: share}), numeraire=NUMERAIRE)


def test_a_batch_flags_only_the_draw_that_fails() -> None:
    """One draw's firms cannot pay for a foreign market that the target says they sell to."""
    truth = simulate(0, 3, periods=1)
    economy = truth.guess(0)
    cost = np.broadcast_to(economy.export_cost, (3, 4)).copy()
    cost[1, 1] = 1e12
    found = invert(
        economy.changed(export_cost=cost), truth.lags[0], truth.targets[0], numeraire=NUMERAIRE, max_iterations=50
    )
    assert found.converged.tolist() == [True, False, True]


def test_a_start_without_any_exporter_meets_its_target_all_the_same() -> None:
    """Where nobody exports, rounding may leave exports just below zero: that is no target met."""
    truth = simulate(seed=0)
    economy, targets = truth.economies[0], truth.targets[0]
    demand = economy.foreign_demand.copy()
    demand[HEAVY] *= 1e-6  # so little that no heavy firm finds exporting worth its cost
    start = economy.changed(foreign_demand=demand)
    assert solve_static(start, truth.lags[0]).exporter_share[0, HEAVY].max() == 0.0
    found = invert(start, truth.lags[0], targets, numeraire=NUMERAIRE)
    assert found.converged[0]
    outcome = measure(found.equilibrium)
    np.testing.assert_allclose(outcome.export_intensity[0, HEAVY], targets.export_intensity[HEAVY], rtol=1e-8)


def test_exports_that_rounding_leaves_below_zero_are_no_target_met(monkeypatch: pytest.MonkeyPatch) -> None:
    """The log of such a sum is no number: it once counted as a gap of zero, and the inversion as converged."""
    truth = simulate(seed=0)
    system = InversionSystem(truth.economies[0], truth.lags[0], truth.targets[0], NUMERAIRE, None)
    points = np.concatenate([truth.solutions[0].point, np.zeros((1, 4 * 5 + 8))], axis=1)
    place = -8 + HEAVY  # of log D^x
    assert abs(system.residual(points)[0, place]) < 1e-9
    evaluate = StaticSystem.evaluate

    def barely_negative(self: StaticSystem, at: Any) -> Any:
        state = evaluate(self, at)
        account = state.sectors[HEAVY]
        cell = account.cell._replace(exported=np.full_like(account.cell.exported, -1e-23))
        sectors = [*state.sectors]
        sectors[HEAVY] = replace(account, cell=cell)
        return replace(state, sectors=sectors)

    monkeypatch.setattr(StaticSystem, "evaluate", barely_negative)
    assert system.residual(points)[0, place] >= 1.0
