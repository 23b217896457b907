"""Section 6's counterfactuals: no push, and Table 3 C's six scenarios, each with and without the push.

A scenario changes the policy periods (1976 and 1980) only; what comes after has the baseline's fundamentals.  That
makes it a question about the push: could a temporary condition have kept the economy from moving?
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

from bigpush_est.equilibrium.adoption_map import FloatArray
from bigpush_est.equilibrium.spatial.dynamics import Path, solve_paths
from bigpush_est.equilibrium.spatial.economy import SHAPES, SpatialEconomy
from bigpush_est.equilibrium.spatial.outcomes import measure
from bigpush_est.equilibrium.spatial.static import StaticEquilibrium, solve_static, static_preconditioner


@dataclass(frozen=True, slots=True, eq=False)
class Baseline:
    """The calibrated economies, one per calibrated period, and what scenarios need besides.

    Attributes
    ----------
    economies
        One per period, with the push's subsidies; the last one's fundamentals are frozen afterwards.
    equilibria
        The equilibrium of each: starts of the searches, and the foreign demand that scenarios hold.
    initial_share
        λ before the first period, (J, N) or (D, J, N).
    policy_periods
        The periods that scenarios change.
    heavy
        The sector that scenarios change.
    freeness_without_highway
        d^{1−σ} without the expressway, (J, N, N).
    preconditioners
        One per period and one for the frozen economy, or None.
    """

    economies: tuple[SpatialEconomy, ...]
    equilibria: tuple[StaticEquilibrium, ...]
    initial_share: FloatArray
    policy_periods: tuple[int, ...] = (1, 2)
    heavy: int = 2
    freeness_without_highway: FloatArray | None = None
    preconditioners: tuple[FloatArray, ...] | None = None

    @property
    def n_draws(self) -> int:
        """D."""
        return max(len(equilibrium.converged) for equilibrium in self.equilibria)

    def draw(self, index: int = 0) -> "Baseline":
        """Return one draw's baseline, whose economies have no draws' axis: it is then free for policies."""
        economies = tuple(one_draw(economy, index) for economy in self.economies)
        equilibria = []
        for economy, equilibrium in zip(economies, self.equilibria, strict=True):
            values = {
                entry.name: getattr(equilibrium, entry.name)[index : index + 1]
                for entry in fields(StaticEquilibrium)
                if entry.name not in ("economy", "lagged_share")
            }
            lag = equilibrium.lagged_share
            values["lagged_share"] = lag[index % lag.shape[0]] if lag.ndim == 3 else lag
            equilibria.append(replace(equilibrium, economy=economy, **values))
        initial = self.initial_share
        initial = initial[index % initial.shape[0]] if initial.ndim == 3 else initial
        return replace(self, economies=economies, equilibria=tuple(equilibria), initial_share=initial)

    def frozen(self) -> SpatialEconomy:
        """Return the economy after the last period: its fundamentals, no subsidy."""
        return without_push(self.economies[-1])

    def sequence(self, push: bool, scenario: "Scenario | None" = None) -> list[SpatialEconomy]:
        """Return the economies of a path: the calibrated periods, then the frozen one."""
        periods = []
        for t, economy in enumerate(self.economies):
            changed = scenario.change(economy, t, self) if scenario and t in self.policy_periods else economy
            periods.append(changed if push else without_push(changed))
        return [*periods, self.frozen()]


def one_draw(economy: SpatialEconomy, index: int = 0) -> SpatialEconomy:
    """Return one draw's economy, without draws' axes."""
    arrays = {key: getattr(economy, key) for key in SHAPES}
    carry = {key: array for key, array in arrays.items() if array.ndim > len(SHAPES[key])}
    return economy.changed(**{key: array[index] for key, array in carry.items()})


def without_push(economy: SpatialEconomy) -> SpatialEconomy:
    """Return the same economy with no adoption subsidy: itself if it has none."""
    if not economy.subsidy.any():
        return economy
    return economy.changed(subsidy=np.zeros_like(economy.subsidy))


type Change = Callable[[SpatialEconomy, int, Baseline], SpatialEconomy]


@dataclass(frozen=True, slots=True)
class Scenario:
    """A change of the policy periods: name, Table 3 C's column, what it does, and the function that does it."""

    name: str
    column: int
    description: str
    change: Change


def _heavy(values: FloatArray, heavy: int, new: FloatArray) -> FloatArray:
    changed = np.array(np.broadcast_to(values, np.broadcast_shapes(values.shape, (*new.shape, values.shape[-1]))))
    changed[..., heavy] = new
    return changed


def _lower_foreign_demand(economy: SpatialEconomy, period: int, baseline: Baseline) -> SpatialEconomy:
    """Foreign relative to domestic demand stays at its level of the first period (the baseline's)."""
    ratios = [measure(equilibrium).demand_ratio[:, baseline.heavy] for equilibrium in baseline.equilibria]
    factor = ratios[0] / ratios[period]
    demand = economy.foreign_demand[..., baseline.heavy] * (factor if economy.n_draws > 1 else factor[0])
    return economy.changed(foreign_demand=_heavy(economy.foreign_demand, baseline.heavy, demand))


def _higher_tariffs(economy: SpatialEconomy, period: int, baseline: Baseline) -> SpatialEconomy:
    """Hold the heavy sector's tariff at its level of the first period."""
    first = baseline.economies[0].tariff[..., baseline.heavy]
    return economy.changed(tariff=_heavy(economy.tariff, baseline.heavy, first))


def _no_highway(economy: SpatialEconomy, period: int, baseline: Baseline) -> SpatialEconomy:
    """Trade costs between regions, in every sector, as they would be without the expressway; ports' distances stay."""
    if baseline.freeness_without_highway is None:
        return economy
    return economy.changed(freeness=baseline.freeness_without_highway)


def _no_internal_trade(economy: SpatialEconomy, period: int, baseline: Baseline) -> SpatialEconomy:
    """Heavy goods are not traded between regions (foreign trade goes on)."""
    freeness = economy.freeness.copy()
    own = np.diagonal(freeness[..., baseline.heavy, :, :], axis1=-2, axis2=-1)
    freeness[..., baseline.heavy, :, :] = own[..., None] * np.eye(economy.n_regions)
    return economy.changed(freeness=freeness)


def _worse_correlation(economy: SpatialEconomy, period: int, baseline: Baseline) -> SpatialEconomy:
    """ξ of the heavy sector 10% further from zero: −0.30 becomes −0.33."""
    xi = economy.distortion_elasticity
    return economy.changed(distortion_elasticity=_heavy(xi, baseline.heavy, 1.1 * xi[..., baseline.heavy]))


def _worse_level(economy: SpatialEconomy, period: int, baseline: Baseline) -> SpatialEconomy:
    """τ̄, the level of the share kept, 10% lower."""
    level = economy.distortion_level
    return economy.changed(distortion_level=_heavy(level, baseline.heavy, 0.9 * level[..., baseline.heavy]))


#: Table 3 C, in its order.
SCENARIOS: tuple[Scenario, ...] = (
    Scenario("lower_foreign_demand", 1, "foreign demand at its 1972 level", _lower_foreign_demand),
    Scenario("higher_import_tariffs", 2, "import tariffs at their 1972 level", _higher_tariffs),
    Scenario("no_highway", 3, "no expressway", _no_highway),
    Scenario("no_internal_trade", 4, "no internal trade in heavy manufacturing", _no_internal_trade),
    Scenario("worsened_correlation", 5, "distortions rise more steeply with productivity", _worse_correlation),
    Scenario("worsened_level", 6, "firms keep 10% less at each productivity", _worse_level),
)


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """Paths with and without the push under one scenario (None: the baseline's conditions)."""

    scenario: Scenario | None
    push: Path
    none: Path


def compare(
    baseline: Baseline, scenarios: Sequence[Scenario | None] = (None, *SCENARIOS), **options: float
) -> Mapping[str, Comparison]:
    """Solve the paths with and without the push under each scenario, all together: they end in one frozen economy."""
    frozen = baseline.frozen()
    cases = [(scenario, push) for scenario in scenarios for push in (True, False)]
    paths = solve_paths(
        [[*baseline.sequence(push, scenario)[:-1], frozen] for scenario, push in cases],
        baseline.initial_share,
        starts=[equilibrium.point for equilibrium in baseline.equilibria],
        preconditioners=baseline.preconditioners,
        renew=static_preconditioner,
        **options,  # type: ignore[arg-type]
    )
    return {
        "baseline" if scenario is None else scenario.name: Comparison(scenario, *paths[2 * place : 2 * place + 2])
        for place, scenario in enumerate(scenarios)
    }


def example_baseline() -> Baseline:
    """Return a small made-up baseline: four regions in a line, and a push of adoption in the two next to the port.

    Commodities, heavy manufacturing (sector 1) and services; three periods with the same fundamentals, of which the
    last two are subsidised.  With the push three regions industrialise, without it two.

    Examples
    --------
    >>> found = compare(example_baseline(), [None])["baseline"]
    >>> [path.outcomes.gdp_share[-1, 0, 1].round(2).item() for path in (found.push, found.none)]
    [0.36, 0.29]
    """
    place = np.arange(4)
    apart = 1.0 + np.abs(place[:, None] - place)
    nobody = np.zeros((3, 4))
    push = np.array([[0.0] * 4, [0.1, 0.1, 0.0, 0.0], [0.0] * 4])
    economy = SpatialEconomy.of(
        sigma=5.0,
        theta=4.24,
        kappa=1.4,
        eta=1.25,
        delta=0.68,
        distortion_elasticity=np.zeros(3),
        distortion_level=np.ones(3),
        adoption_cost=[np.inf, 0.25, np.inf],
        export_cost=[0.02, 0.02, 0.0],
        preference_share=[0.4, 0.2, 0.4],
        labour_share=[0.6, 0.4, 0.7],
        input_share=[[0.2, 0.1, 0.1], [0.1, 0.4, 0.1], [0.1, 0.1, 0.1]],
        firm_mass=np.repeat([[0.1], [0.05], [0.1]], 4, axis=1),
        labour=np.full(4, 0.25),
        freeness=np.stack([apart**-1.29, apart**-1.29, apart**-3.8]),
        port_freeness=[(1.0 + place) ** -1.29, (1.0 + place) ** -1.29, np.zeros(4)],
        tariff=[0.2, 0.2, 0.0],
        productivity=np.ones((3, 4)),
        foreign_price=[1.0, 2.0, np.inf],
        foreign_demand=[0.74, 0.1, 0.0],
        subsidy=nobody,
    )
    economies = (economy, economy.changed(subsidy=push), economy.changed(subsidy=push))
    share = initial = np.array([[0.0] * 4, [0.05] * 4, [0.0] * 4])
    equilibria = []
    for period in economies:
        equilibria.append(solve_static(period, share))
        share = equilibria[-1].adopter_share[0]
    matrices = [static_preconditioner(equilibrium) for equilibrium in equilibria]
    return Baseline(economies, tuple(equilibria), initial, heavy=1, preconditioners=(*matrices, matrices[-1]))
