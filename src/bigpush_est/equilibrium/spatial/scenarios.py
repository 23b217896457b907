"""Section 6's counterfactuals: no push, and Table 3 C's six scenarios, each with and without the push.

A scenario changes the policy periods (1976 and 1980) only; what comes after has the baseline's fundamentals.  That
makes it a question about the push: could a temporary condition have kept the economy from moving?
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bigpush_est.equilibrium.adoption_map import FloatArray
from bigpush_est.equilibrium.spatial.dynamics import Path, solve_path
from bigpush_est.equilibrium.spatial.economy import SpatialEconomy
from bigpush_est.equilibrium.spatial.outcomes import measure
from bigpush_est.equilibrium.spatial.static import StaticEquilibrium


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


def without_push(economy: SpatialEconomy) -> SpatialEconomy:
    """Return the same economy with no adoption subsidy."""
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
    """Solve the paths with and without the push under each scenario."""
    starts = [equilibrium.point for equilibrium in baseline.equilibria]
    found: dict[str, Comparison] = {}
    for scenario in scenarios:
        paths = [
            solve_path(
                baseline.sequence(push, scenario),
                baseline.initial_share,
                starts=starts,
                preconditioners=baseline.preconditioners,
                **options,  # type: ignore[arg-type]
            )
            for push in (True, False)
        ]
        found["baseline" if scenario is None else scenario.name] = Comparison(scenario, *paths)
    return found
