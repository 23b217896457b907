"""The static equilibrium against simulated firms, Walras' law, homogeneity, Section 4 and other limiting cases."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad

from bigpush_est.equilibrium.simple.economy import SimpleEconomy
from bigpush_est.equilibrium.spatial.conditions import StaticSystem
from bigpush_est.equilibrium.spatial.economy import SpatialEconomy
from bigpush_est.equilibrium.spatial.firms import Tail
from bigpush_est.equilibrium.spatial.static import StaticEquilibrium, solve_static, static_preconditioner
from bigpush_est.errors import AssumptionViolated, InvalidValue, ShapeMismatch, WrongType

from . import brute_force as firms


def from_oracle(economy: firms.Economy) -> SpatialEconomy:
    """The oracle's economy, whose arrays have regions first, as ours, whose arrays have sectors first."""
    return SpatialEconomy.of(
        sigma=economy.sigma,
        theta=economy.theta,
        kappa=economy.kappa,
        eta=economy.eta,
        delta=economy.delta,
        distortion_elasticity=economy.xi,
        distortion_level=economy.tau_bar,
        adoption_cost=economy.adoption_cost,
        export_cost=economy.export_cost,
        preference_share=economy.preference_share,
        labour_share=economy.labour_share,
        input_share=economy.input_share,
        adoption_labour_share=economy.adoption_labour_share,
        adoption_input_share=economy.adoption_input_share,
        firm_mass=economy.firm_mass.T,
        labour=economy.labour,
        freeness=economy.freeness,
        port_freeness=economy.port_freeness.T,
        tariff=economy.tariff,
        productivity=economy.productivity.T,
        foreign_price=economy.foreign_price,
        foreign_demand=economy.foreign_demand,
        subsidy=economy.subsidy.T,
    )


def levels(solution: StaticEquilibrium) -> tuple[Any, Any, Any]:
    """Wages, prices and expenditures of the first draw, regions first."""
    return solution.wage[0], solution.price_index[0].T, solution.expenditure[0].T


def random_case(seed: int, **options: Any) -> tuple[firms.Economy, SpatialEconomy, Any]:
    rng = np.random.default_rng(seed)
    economy = firms.random_economy(rng, int(rng.integers(1, 5)), int(rng.integers(1, 5)), **options)
    return economy, from_oracle(economy), rng.uniform(0.0, 1.0, economy.firm_mass.shape)


# ---------------------------------------------------------------------------------------------------------------------
# against firms that compare the profits of four plans


@pytest.mark.parametrize("block", range(5))
def test_firms_that_compare_profits_agree(block: int) -> None:
    """At our solution the simulated firms' markets clear, and they do what the closed forms say."""
    seen = np.zeros(4)
    for seed in range(12 * block, 12 * block + 12):
        oracle, economy, lag = random_case(seed, open_economy=seed % 5 != 0, bounded=seed % 3 != 0)
        solution = solve_static(economy, lag.T)
        assert solution.converged[0], seed
        wage, price, spending = levels(solution)
        strata = firms.log_strata(oracle, 4_000)
        # unbounded tails are cut into coarser strata
        tolerance = 2e-4 if np.isinf(oracle.kappa) else 2e-6
        found = firms.residuals(oracle, wage, price, spending, lag, strata)
        assert found.largest < tolerance, (seed, found.largest)
        assert abs(found.trade_balance) < tolerance
        assert abs(found.income_identity) < 10 * tolerance
        firm = firms.firm_outcomes(oracle, wage, price, spending, lag, strata)
        for ours, theirs in (
            (solution.adopter_share, firm.adopter_share),
            (solution.exporter_share, firm.exporter_share),
        ):
            np.testing.assert_allclose(ours[0].T, theirs, atol=20 * tolerance)
        scale = firm.gross_revenue.max()
        for ours, theirs in (
            (solution.gross_output, firm.gross_revenue),
            (solution.kept_revenue, firm.kept_revenue),
            (solution.exports, firm.export_revenue),
            (solution.production_inputs, firm.production_value),
            (solution.adoption_inputs, firm.adoption_outlay),
            (solution.export_labour, firm.export_outlay),
        ):
            np.testing.assert_allclose(ours[0].T, theirs, atol=20 * tolerance * scale)
        seen += (firm.plan_share > 0.0).any(axis=(0, 1))
    assert (seen > 0).all(), "every plan has to occur somewhere"


@pytest.mark.parametrize("seed", [3, 4, 8])
def test_a_root_finder_on_simulated_firms_finds_the_same_equilibrium(seed: int) -> None:
    oracle, economy, lag = random_case(seed, bounded=True)
    solution = solve_static(economy, lag.T)
    other = firms.solve(oracle, lag, firms=firms.log_strata(oracle, 4_000))
    for ours, theirs in zip(levels(solution), (other.wage, other.price, other.expenditure), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5)


# ---------------------------------------------------------------------------------------------------------------------
# identities


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_walras_law_and_accounts(seed: int) -> None:
    """Trade balances without being imposed; what households earn is what is produced plus tariffs."""
    _, economy, lag = random_case(seed)
    solution = solve_static(economy, lag.T)
    if not solution.converged[0]:
        return  # flagged: counted in the study of random economies
    assert abs(solution.trade_imbalance[0]) < 1e-6
    produced = solution.gross_output - solution.production_inputs * (1.0 - economy.labour_share[:, None])
    produced = produced - solution.adoption_inputs * (1.0 - economy.adoption_labour_share[:, None])
    assert solution.income.sum() == pytest.approx(produced.sum() + solution.tariff_revenue[0], rel=1e-8)
    spent = solution.expenditure.sum() - solution.imports.sum() - solution.tariff_revenue[0]
    assert solution.gross_output.sum() == pytest.approx(spent + solution.exports.sum(), rel=1e-7)


@pytest.mark.parametrize("seed", range(6))
def test_doubling_the_nominal_scale_doubles_everything(seed: int) -> None:
    """P^f → ℓP^f and D^x → ℓ^σ D^x scale wages, prices and expenditures by ℓ and change no choice."""
    _, economy, lag = random_case(seed)
    factor = 2.7
    scaled = economy.changed(
        foreign_price=economy.foreign_price * factor,
        foreign_demand=economy.foreign_demand * factor**economy.sigma,
    )
    one, two = solve_static(economy, lag.T), solve_static(scaled, lag.T)
    assert one.converged[0]
    assert two.converged[0]
    np.testing.assert_allclose(two.wage, factor * one.wage, rtol=1e-7)
    np.testing.assert_allclose(two.expenditure, factor * one.expenditure, rtol=1e-7)
    np.testing.assert_allclose(two.adopter_share, one.adopter_share, atol=1e-7)


# ---------------------------------------------------------------------------------------------------------------------
# limiting cases


def section_four(eta: float, delta: float, log_scale: float, kappa: float, subsidy: float = 0.0) -> SpatialEconomy:
    """Section 4: one closed region and sector, labour-only production, adoption paid in the final good."""
    return SpatialEconomy.of(
        sigma=5.0,
        theta=4.24,
        kappa=kappa,
        eta=eta,
        delta=delta,
        distortion_elasticity=[0.0],
        distortion_level=[1.0],
        adoption_cost=[np.exp(-log_scale)],
        export_cost=[0.0],
        preference_share=[1.0],
        labour_share=[1.0],
        input_share=[[0.0]],
        adoption_labour_share=[0.0],
        adoption_input_share=[[1.0]],
        firm_mass=[[1.0]],
        labour=[1.0],
        freeness=[[[1.0]]],
        port_freeness=[[0.0]],
        tariff=[0.0],
        productivity=[[1.0]],
        foreign_price=[np.inf],
        foreign_demand=[0.0],
        subsidy=[[subsidy]],
    )


@pytest.mark.parametrize("kappa", [np.inf, 1.8])
@pytest.mark.parametrize("subsidy", [0.0, 0.06])
def test_section_four_is_a_special_case(kappa: float, subsidy: float) -> None:
    """With costs of adoption in final goods, the map of shares is eq. (4.4)'s."""
    for eta, delta, log_scale in ((1.25, 0.68, 1.0), (1.25, 1.4, 0.3), (1.5, 0.3, 0.2)):
        values = (5.0, 4.24, eta, delta, log_scale, kappa, subsidy, 0.0)
        names = ("sigma", "theta", "eta", "delta", "log_scale", "kappa", "input_subsidy", "cost_subsidy")
        simple = SimpleEconomy(**{key: np.array([value]) for key, value in zip(names, values, strict=True)})
        for lag in (0.0, 0.2, 0.6, 1.0):
            solved = solve_static(section_four(eta, delta, log_scale, kappa, subsidy), np.array([[lag]]))
            assert solved.converged[0]
            assert solved.adopter_share[0, 0, 0] == pytest.approx(float(simple(np.array([lag]))[0]), abs=2e-8)


def test_adoption_costs_with_productions_shares_flatten_section_fours_map() -> None:
    """Section 5's own assumption, taken to labour-only production, has no dynamic complementarity."""
    economy = section_four(1.25, 0.68, 1.0, np.inf).changed(adoption_labour_share=[1.0], adoption_input_share=[[0.0]])
    shares = [solve_static(economy, np.array([[lag]])).adopter_share[0, 0, 0] for lag in (0.0, 0.5, 1.0)]
    np.testing.assert_allclose(shares, shares[0], atol=1e-9)


def test_regions_that_do_not_trade_are_economies_of_their_own() -> None:
    """Closed regions with the same people, firms and technology do the same whatever their number."""
    _, economy, _ = random_case(21, open_economy=False, subsidies=False, distortions=False)
    j = economy.n_sectors
    one = economy.changed()
    first = SpatialEconomy.of(
        **{key: getattr(one, key) for key in ("sigma", "theta", "kappa", "eta", "delta", "distortion_elasticity")},
        **{key: getattr(one, key) for key in ("distortion_level", "adoption_cost", "export_cost", "preference_share")},
        **{key: getattr(one, key) for key in ("labour_share", "input_share", "tariff", "foreign_price")},
        adoption_labour_share=one.adoption_labour_share,
        adoption_input_share=one.adoption_input_share,
        foreign_demand=np.zeros(j),
        firm_mass=np.full((j, 1), 1.0 / j),
        labour=[1.0],
        freeness=np.ones((j, 1, 1)),
        port_freeness=np.zeros((j, 1)),
        productivity=np.ones((j, 1)),
        subsidy=np.zeros((j, 1)),
    )
    many = 3
    apart = first.changed(
        firm_mass=np.full((j, many), 1.0 / j),
        labour=np.ones(many),
        freeness=np.broadcast_to(np.eye(many), (j, many, many)),
        port_freeness=np.zeros((j, many)),
        productivity=np.ones((j, many)),
        subsidy=np.zeros((j, many)),
        general_subsidy=np.zeros((j, many)),
    )
    lag = np.full((j, 1), 0.3)
    alone, together = solve_static(first, lag), solve_static(apart, np.repeat(lag, many, axis=1))
    np.testing.assert_allclose(together.adopter_share[0], np.repeat(alone.adopter_share[0], many, axis=1), atol=1e-8)
    np.testing.assert_allclose(
        together.price_index[0] / together.wage[0], np.repeat(alone.price_index[0] / alone.wage[0], many, axis=1)
    )


# ---------------------------------------------------------------------------------------------------------------------
# the solver's promises


def batch(seed: int = 5, draws: int = 7) -> tuple[SpatialEconomy, Any]:
    oracle = firms.random_economy(np.random.default_rng(seed), 4, 3)
    rng = np.random.default_rng(seed + 1)
    economy = from_oracle(oracle).changed(
        eta=rng.uniform(1.1, 1.5, draws),
        delta=rng.uniform(0.2, 1.0, draws),
        productivity=oracle.productivity.T * np.exp(0.1 * rng.normal(size=(draws, 3, 4))),
    )
    return economy, rng.uniform(0.0, 1.0, (draws, 3, 4))


def test_a_batch_is_its_draws() -> None:
    economy, lag = batch()
    together = solve_static(economy, lag)
    in_chunks = solve_static(economy, lag, chunk=3)
    for d in range(7):
        alone = solve_static(economy.select(np.array([d])), lag[d])
        np.testing.assert_allclose(together.wage[d], alone.wage[0], rtol=1e-8)
        np.testing.assert_allclose(in_chunks.gross_output[d], alone.gross_output[0], rtol=1e-7)


def test_starts_are_not_overwritten_and_do_not_matter() -> None:
    economy, lag = batch()
    cold = solve_static(economy, lag)
    start = cold.point[0]
    before = start.copy()
    warm = solve_static(economy, lag, start=start)
    quick = solve_static(economy, lag, start=start, preconditioner=static_preconditioner(cold))
    np.testing.assert_array_equal(start, before)
    np.testing.assert_allclose(warm.point, cold.point, atol=1e-7)
    np.testing.assert_allclose(quick.point, cold.point, atol=1e-7)
    assert quick.iterations.mean() < warm.iterations.mean() < cold.iterations.mean()


def test_what_did_not_converge_says_so() -> None:
    economy, lag = batch()
    stopped = solve_static(economy, lag, max_iterations=2)
    assert not stopped.converged.any()
    assert (stopped.residual > 1e-10).all()
    fresh = np.abs(StaticSystem(economy, lag).residual(stopped.point)).max(axis=1)
    np.testing.assert_allclose(stopped.residual, fresh, rtol=1e-6)


def test_residual_derivatives_agree_with_finer_differences() -> None:
    """The preconditioner is the inverse of the Jacobian that central differences give."""
    economy, lag = batch(draws=1)
    solution = solve_static(economy, lag)
    system = StaticSystem(economy, lag)
    point, step = solution.point[0], 1e-5
    shifts = step * np.eye(point.size)
    central = (system.residual(point + shifts) - system.residual(point - shifts)) / (2 * step)
    product = static_preconditioner(solution).T @ -central.T
    np.testing.assert_allclose(product, np.eye(point.size), atol=2e-2)


@settings(max_examples=60, deadline=None)
@given(
    exponent=st.floats(0.5, 6.0),
    theta=st.floats(0.6, 6.0),
    kappa=st.floats(1.05, 4.0),
    cut=st.floats(0.0, 1.0),
)
def test_tails_are_integrals(exponent: float, theta: float, kappa: float, cut: float) -> None:
    """∫_x^κ t^e dG by quadrature, close exponents included."""
    for e in (exponent, theta, theta + 1e-5):
        tail = Tail.build(np.array([[e]]), np.array([[theta]]), np.array([[kappa]]))
        log_x = cut * np.log(kappa)
        density = theta / (1.0 - kappa**-theta)
        value, _ = quad(lambda t, e=e, a=density: a * t ** (e - theta - 1.0), np.exp(log_x), kappa, epsabs=1e-13)
        assert tail(np.array([[log_x]]))[0, 0] == pytest.approx(value, rel=1e-7, abs=1e-11)


# ---------------------------------------------------------------------------------------------------------------------
# bad input


@pytest.mark.parametrize(
    ("field", "value", "error", "words"),
    [
        ("sigma", 1.0, InvalidValue, "sigma = 1 is refused: it must be above 1"),
        ("kappa", 0.9, InvalidValue, "kappa"),
        ("eta", np.nan, InvalidValue, "eta"),
        ("labour", [1.0, 0.0, 1.0, 1.0], InvalidValue, r"labour\[1\] = 0"),
        ("preference_share", [0.5, 0.5, 0.5], InvalidValue, "1 in sum"),
        ("subsidy", np.full((3, 4), 1.0), InvalidValue, "subsidy"),
        ("firm_mass", np.ones((3, 5)), ShapeMismatch, "has shape"),
        ("tariff", ["a", "b", "c"], WrongType, "tariff"),
        ("tariff", np.ma.masked_array([0.1, 0.1, 0.1], np.array([False, True, False])), WrongType, "masked"),
        ("foreign_demand", np.zeros(3), InvalidValue, "trade in both directions"),
        ("kappa", np.inf, AssumptionViolated, "θ > max"),
        ("distortion_elasticity", [-0.9, 0.0, 0.0], InvalidValue, "distortion_elasticity"),
    ],
)
def test_bad_economies_are_refused(field: str, value: Any, error: type[Exception], words: str) -> None:
    economy = from_oracle(firms.random_economy(np.random.default_rng(5), 4, 3))
    if words.startswith("θ"):
        economy = economy.changed(theta=0.5)
    with pytest.raises(error, match=words):
        economy.changed(**{field: value})


def test_bad_shares_and_starts_are_refused() -> None:
    economy, lag = batch()
    with pytest.raises(InvalidValue, match=r"in \[0, 1\]"):
        solve_static(economy, lag + 1.0)
    with pytest.raises(InvalidValue, match="lagged_share"):
        solve_static(economy, np.full_like(lag, np.nan))
    with pytest.raises(ShapeMismatch, match="lagged_share"):
        solve_static(economy, lag[:, :2])
    with pytest.raises(ShapeMismatch, match="start"):
        solve_static(economy, lag, start=np.zeros(3))
    with pytest.raises(InvalidValue, match="field"):
        economy.changed(etta=1.0)
