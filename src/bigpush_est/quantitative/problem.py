"""From an economy's data and the external parameters to what the calibration and Section 6 take."""

from dataclasses import dataclass, replace

import numpy as np

from bigpush_est.data.economy import EconomyBundle
from bigpush_est.equilibrium.adoption_map import FloatArray
from bigpush_est.equilibrium.spatial.calibration import CalibrationProblem
from bigpush_est.equilibrium.spatial.economy import SpatialEconomy
from bigpush_est.equilibrium.spatial.inversion import Inversion, Targets
from bigpush_est.equilibrium.spatial.scenarios import Baseline
from bigpush_est.equilibrium.spatial.static import static_preconditioner
from bigpush_est.errors import InvalidValue


@dataclass(frozen=True, slots=True)
class ExternalParameters:
    """Table 2's first block, apart from what the economy's tables hold."""

    sigma: float = 5.0
    theta: float = 4.24
    eta: float = 1.25
    delta: float = 0.68


def tail_elasticity(
    exponent: str, sigma: FloatArray, theta: FloatArray, tail_index: float, published: float
) -> FloatArray:
    """Return ξ of the adopting sector at draws of σ and θ, from the tail index of sales, θ over the sales' exponent.

    Recorded sales are what firms keep, with exponent σ(1 + ξ) − 1, unless ``exponent`` says that they are gross, with
    exponent (σ − 1)(1 + ξ); ``"gross_published_xi"`` keeps the published ξ.

    Examples
    --------
    >>> import numpy as np
    >>> tail_elasticity("undistorted", np.array([5.0]), np.array([4.24]), 4.24 / 2.5, -0.3).round(3).tolist()
    [-0.3]
    """
    if exponent == "gross_published_xi":
        return np.full(np.shape(sigma), published)
    if exponent == "gross_reinferred_xi":
        return theta / tail_index / (sigma - 1.0) - 1.0
    return (1.0 + theta / tail_index) / sigma - 1.0


def calibration_problem(
    bundle: EconomyBundle,
    external: ExternalParameters | None = None,
    *,
    numeraire: str = "commodity",
    **options: object,
) -> CalibrationProblem:
    """Return the calibration problem of an economy: its periods' economies, targets and initial shares."""
    given = external or ExternalParameters()
    count, regions = len(bundle.sectors), len(bundle.regions)
    adopts, trades = bundle.adopts, bundle.foreign_trade
    freeness, port = bundle.freeness(), bundle.port_freeness().T
    economies, targets = [], []
    for t in range(len(bundle.years)):
        economies.append(
            SpatialEconomy.of(
                sigma=given.sigma,
                theta=given.theta,
                kappa=1.4,
                eta=given.eta,
                delta=given.delta,
                distortion_elasticity=bundle.distortion_elasticity,
                distortion_level=np.ones(count),
                adoption_cost=np.where(adopts, 0.03, np.inf),
                export_cost=np.where(trades, 0.05, 0.0),
                preference_share=bundle.preferences[t],
                labour_share=bundle.labour_share[t],
                input_share=bundle.input_share[t],
                firm_mass=bundle.firm_mass.T,
                labour=bundle.labour / bundle.labour.sum(),
                freeness=freeness,
                port_freeness=port,
                tariff=bundle.tariffs[t],
                productivity=np.ones((count, regions)),
                foreign_price=np.where(trades, 1.0, np.inf),
                foreign_demand=np.where(trades, 0.05, 0.0),
                subsidy=np.zeros((count, regions)),
            )
        )
        targets.append(
            Targets(
                output_share=bundle.gross_output[t].T,
                export_intensity=np.where(trades, bundle.export_intensity[t], np.nan),
                import_share=np.where(trades, bundle.import_share[t], np.nan),
                real_gdp=float(bundle.real_gdp[t]),
                producer_price=bundle.ppi[t] / bundle.ppi[0],
            )
        )
    heavy, others = sector_roles(bundle)
    return CalibrationProblem(
        economies=tuple(economies),
        targets=tuple(targets),
        initial_share=bundle.adopter_share.T,
        subsidised=bundle.subsidised.astype(np.float64),
        numeraire=bundle.sectors.index(numeraire),
        subsidy_periods=tuple(range(1, len(bundle.years))),
        adopting_sector=heavy,
        heavy_sector=heavy,
        light_sectors=others,
        light_moment_sector=_light(bundle, others),
        **options,  # type: ignore[arg-type]
    )


def sector_roles(bundle: EconomyBundle) -> tuple[int, tuple[int, ...]]:
    """Return the adopting sector, and the others that trade abroad (if any): they share one export cost."""
    adopting = np.flatnonzero(bundle.adopts)
    others = np.flatnonzero(bundle.foreign_trade & ~bundle.adopts)
    if adopting.size != 1:
        raise InvalidValue(
            key="sectors.csv: adopts",
            value=f"1 in {adopting.size} sectors",
            requirement="1 in exactly one sector: the calibration has one adoption cost",
            remedy="merge the sectors that adopt",
        )
    return int(adopting[0]), tuple(int(j) for j in others)


def _light(bundle: EconomyBundle, others: tuple[int, ...]) -> int:
    """Return the sector whose exporter share identifies the others' export cost: "light", or the last of them.

    Where no other sector trades abroad, it is the adopting sector, and the others' export cost has to be held.
    """
    return next((j for j in others if bundle.sectors[j] == "light"), others[-1] if others else sector_roles(bundle)[0])


def moment_names(bundle: EconomyBundle) -> list[str]:
    """Return the names of the calibration's moments in their order."""
    heavy, others = sector_roles(bundle)
    shares = [f"adopter_share_{year}" for year in bundle.years]
    exporters = [f"exporter_share_{bundle.sectors[j]}" for j in (_light(bundle, others), heavy)]
    return [*shares, "share_of_regions_with_adoption", *exporters, f"tax_rate_{bundle.years[0]}"]


def baseline(bundle: EconomyBundle, problem: CalibrationProblem, inversions: list[Inversion]) -> Baseline:
    """Return the calibrated economies, ready for Section 6's counterfactuals; preconditioners are the first draw's."""
    found = Baseline(
        economies=tuple(one.economy for one in inversions),
        equilibria=tuple(one.equilibrium for one in inversions),
        initial_share=problem.initial_share,
        policy_periods=problem.subsidy_periods,
        heavy=problem.adopting_sector,
        freeness_without_highway=bundle.freeness(expressway=False),
    )
    matrices = [static_preconditioner(one) for one in found.equilibria]
    return replace(found, preconditioners=(*matrices, matrices[-1]))
