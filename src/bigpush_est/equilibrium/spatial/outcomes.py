"""What Section 6 reports, from solved economies: GDP shares, exports, employment, output, consumption, welfare."""

from dataclasses import dataclass, fields

import numpy as np

from bigpush_est.equilibrium.adoption_map import FloatArray
from bigpush_est.equilibrium.spatial.static import StaticEquilibrium


@dataclass(frozen=True, slots=True, eq=False)
class Outcomes:
    """One period's outcomes of D draws; J sectors, N regions.  Shares are fractions."""

    gdp_share: FloatArray  # (D, J) of national value added
    regional_gdp_share: FloatArray  # (D, J, N) of the region's value added
    gdp_by_region: FloatArray  # (D, N) value added over the nation's
    export_intensity: FloatArray  # (D, J) exports over gross output
    regional_export_intensity: FloatArray  # (D, J, N); NaN where nothing is produced
    employment_share: FloatArray  # (D, J) of labour, with the labour that exporting costs
    regional_employment_share: FloatArray  # (D, J, N)
    import_share: FloatArray  # (D, J) of expenditure, at buyers' prices
    output: FloatArray  # (D, J) gross output over the sector's producer price index
    gross_output: FloatArray  # (D, J) in units of the numeraire
    consumption: FloatArray  # (D, N) real consumption per unit of labour
    adopter_share: FloatArray  # (D, J, N)
    exporter_share: FloatArray  # (D, J) of firms
    subsidy_to_gdp: FloatArray  # (D,)
    tax_rate: FloatArray  # (D, J) distortion taxes over gross revenue
    demand_ratio: FloatArray  # (D, J) D^x over Σ_m P^{σ−1} E: foreign relative to domestic demand
    adoption_to_export_cost: FloatArray  # (D, J) mean of c^T F^T / (w F^x) over regions, NaN where one is missing


def measure(solution: StaticEquilibrium) -> Outcomes:
    """Return the outcomes of solved economies."""
    economy = solution.economy
    inputs, adopted = solution.production_inputs, solution.adoption_inputs
    labour_share = economy.labour_share[..., :, None]
    adoption_labour_share = economy.adoption_labour_share[..., :, None]
    value_added = solution.gross_output - (1.0 - labour_share) * inputs - (1.0 - adoption_labour_share) * adopted
    national, regional = value_added.sum(axis=2), value_added.sum(axis=1)
    gdp = national.sum(axis=1)
    wages = labour_share * inputs + adoption_labour_share * adopted + solution.export_labour
    # people, not wages: a unit of labour counts the same in every region
    workers = wages / solution.wage[:, None]
    gross = solution.gross_output.sum(axis=2)
    sigma = economy.sigma.reshape(-1, 1)
    producer_price = solution.home_supply.sum(axis=2) ** (1.0 / (1.0 - sigma))
    alpha = economy.preference_share.reshape(-1, economy.n_sectors, 1)
    cost_of_living = np.exp((alpha * np.log(solution.price_index)).sum(axis=1))
    labour = economy.labour.reshape(-1, economy.n_regions)
    demand = (solution.price_index ** (sigma[:, :, None] - 1.0) * solution.expenditure).sum(axis=2)
    mass = economy.firm_mass.reshape(-1, *economy.firm_mass.shape[-2:])
    with np.errstate(divide="ignore", invalid="ignore"):
        intensity = solution.exports / solution.gross_output
        exporters = (mass * solution.exporter_share).sum(axis=2) / mass.sum(axis=2)
        tax_rate = 1.0 - solution.kept_revenue.sum(axis=2) / gross
        costs = _adoption_bundle(solution) * economy.adoption_cost[..., None]
        ratio = costs / (solution.wage[:, None] * economy.export_cost[..., None])
        usable = np.isfinite(ratio) & (mass > 0.0) & (economy.port_freeness > 0.0)
        cost_ratio = np.where(usable, ratio, 0.0).sum(axis=2) / usable.sum(axis=2)
    return Outcomes(
        gdp_share=national / gdp[:, None],
        regional_gdp_share=value_added / regional[:, None],
        gdp_by_region=regional / gdp[:, None],
        export_intensity=solution.exports.sum(axis=2) / gross,
        regional_export_intensity=intensity,
        employment_share=workers.sum(axis=2) / workers.sum(axis=(1, 2))[:, None],
        regional_employment_share=workers / workers.sum(axis=1)[:, None],
        import_share=_paid_for_imports(solution) / solution.expenditure.sum(axis=2),
        output=gross / producer_price,
        gross_output=gross,
        consumption=solution.income / cost_of_living / labour,
        adopter_share=solution.adopter_share,
        exporter_share=exporters,
        subsidy_to_gdp=solution.subsidies / gdp,
        tax_rate=tax_rate,
        demand_ratio=economy.foreign_demand / demand,
        adoption_to_export_cost=cost_ratio,
    )


def _paid_for_imports(solution: StaticEquilibrium) -> FloatArray:
    paid: FloatArray = solution.imports.sum(axis=2) * (1.0 + solution.economy.tariff)
    return paid


def _adoption_bundle(solution: StaticEquilibrium) -> FloatArray:
    """c^T, shape (D, J, N)."""
    economy = solution.economy
    labour = economy.adoption_labour_share.reshape(-1, economy.n_sectors)
    shares = economy.adoption_input_share.reshape(-1, economy.n_sectors, economy.n_sectors)
    logs = labour[:, :, None] * np.log(solution.wage)[:, None] + shares @ np.log(solution.price_index)
    return np.exp(logs)


def welfare(with_push: FloatArray, without: FloatArray, discount: float = 0.85) -> dict[str, FloatArray]:
    """Return consumption-equivalent welfare gains by region from paths of consumption (T, D, N), the last for ever.

    ``log``: the constant proportional rise of consumption without the push that is worth as much to log utility,
    exp((1 − β) Σ_t β^t log(C_t/C'_t)) − 1.  ``linear``: the ratio of discounted consumption less one.
    """
    periods = with_push.shape[0]
    weight = (1.0 - discount) * discount ** np.arange(periods)
    weight[-1] = discount ** (periods - 1)
    weight = weight[:, None, None]
    return {
        "log": np.expm1((weight * np.log(with_push / without)).sum(axis=0)),
        "linear": (weight * with_push).sum(axis=0) / (weight * without).sum(axis=0) - 1.0,
    }


def stack(series: list[Outcomes]) -> Outcomes:
    """Return periods stacked on a first axis."""
    return Outcomes(
        **{entry.name: np.stack([getattr(one, entry.name) for one in series]) for entry in fields(Outcomes)}
    )
