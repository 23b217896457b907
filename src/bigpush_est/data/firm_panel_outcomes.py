"""What simulated firms sell and use, and which of it the reports record."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import ndtr

from bigpush_est.data.firm_panel_adoption import Adoption, Choices
from bigpush_est.data.firm_panel_design import FirmPanelDesign
from bigpush_est.data.firm_panel_population import SECTORS, Flags, Floats, Ints, Population, Streams

#: Log of the mean firm's sales, in millions, before size, places and growth.
LOG_SCALE = np.log(4.0)
#: Standard deviation of the log of total over fixed assets: it varies by itself, whatever the recording errors.
CURRENT_ASSETS = 0.05


@dataclass(frozen=True, slots=True)
class Outcomes:
    """True outcomes, (F, T) each; logs, revenue as the design records it.

    Attributes
    ----------
    adopted, phase
        Whether the firm has technology; the part of log η attained.
    share_lag
        Share_{(−i)nj,t−h} among active firms.
    log_z
        Log productivity with everything.
    log_sales, log_sales_never, log_sales_full
        As it is; without the firm's own adoption; fully phased in.
    subsidy
        Rate paid to adopters of the firm's region and sector.
    log_labour, log_capital, log_materials
        Quantities of inputs: persons, money of capital, money of materials.
    log_input_cost
        Of all inputs, at market prices.
    tfpr_revenue, tfpr_cost_share
        log R − Σ (γ/μ) log X and log R − Σ γ log X.
    """

    adopted: Flags
    phase: Floats
    share_lag: Floats
    log_z: Floats
    log_sales: Floats
    log_sales_never: Floats
    log_sales_full: Floats
    subsidy: Floats
    log_labour: Floats
    log_capital: Floats
    log_materials: Floats
    log_wage_bill: Floats
    tfpr_revenue: Floats
    tfpr_cost_share: Floats


def draw_coverage(design: FirmPanelDesign, firms: Population, rng: Streams) -> Flags:
    """Decide which firm-years are on record, (F, T).

    The reports reach the share `coverage` of firms, rising from the first year to the last, larger ones first
    where the design says so; a firm once reached stays on record but for gaps.  One that would be
    left out is recorded in its last year.
    """
    draw = rng["coverage"]
    count, years = firms.active.shape
    size = firms.size / max(float(firms.size.std()), 1e-9)
    weight = design.coverage_by_size
    score = np.sqrt(1 - weight**2) * draw.standard_normal(count) - weight * size
    rank = (np.argsort(np.argsort(score, kind="stable"), kind="stable") + 0.5) / count
    reached = rank[:, None] <= np.linspace(*design.coverage, years)
    recorded = firms.active & reached & (draw.random((count, years)) >= design.gaps)
    last = years - 1 - np.argmax(firms.active[:, ::-1], axis=1)
    left_out = ~recorded.any(axis=1)
    recorded[left_out, last[left_out]] = True
    return np.asarray(recorded)


def true_outcomes(design: FirmPanelDesign, firms: Population, choices: Choices, adoption: Adoption) -> Outcomes:
    """Return outcomes from the model's formulae, given who adopted when."""
    years = np.arange(firms.active.shape[1])
    since = years - adoption.adopted[:, None]
    steps = np.array(design.phase_in)
    phase = np.where(since >= 0, steps[np.clip(since, 0, steps.size - 1)], 0.0)
    lag = design.spillover_lag
    share_lag = np.zeros_like(adoption.share)
    share_lag[:, lag:] = adoption.share[:, :-lag]
    log_eta = np.log(design.eta)
    adopted = since >= 0
    z_never = firms.log_productivity + design.delta * share_lag
    z = z_never + log_eta * phase
    saved = -np.log(1 - choices.subsidy)

    def revenue(log_z: Floats, paid: Floats) -> tuple[Floats, Floats]:
        # gross revenue log D + (σ−1)(log τ̄ − log μ − log c + log of 1/(1−s)) + r log z, kept = τ̄ z^ξ of it
        gross = (
            LOG_SCALE
            + firms.log_demand
            + (design.sigma - 1) * (np.log(design.distortion_level / design.markup) - firms.log_unit_cost + paid)
            + design.gross_exponent * log_z
        )
        return gross, gross + np.log(design.distortion_level) + design.distortion_elasticity * log_z

    chosen = 0 if design.sales_definition == "gross" else 1
    paid = np.where(adopted, saved, 0.0)
    gross, kept = revenue(z, paid)
    cost = kept - np.log(design.markup) + paid  # at market prices: K/(μ(1−s))
    shares = [x[:, None] for x in (firms.labour_share, firms.capital_share, firms.materials_share)]
    bills = [np.log(share) + cost for share in shares]
    quantities = [bills[0] - firms.log_wage, bills[1] - firms.log_user_cost, bills[2]]
    weighted = sum(share * quantity for share, quantity in zip(shares, quantities, strict=True))
    sales = (gross, kept)[chosen]
    return Outcomes(
        adopted=adopted,
        phase=phase,
        share_lag=share_lag,
        log_z=z,
        log_sales=sales,
        log_sales_never=revenue(z_never, np.zeros_like(paid))[chosen],
        log_sales_full=revenue(z_never + log_eta, saved)[chosen],
        subsidy=choices.subsidy,
        log_labour=quantities[0],
        log_capital=quantities[1],
        log_materials=quantities[2],
        log_wage_bill=bills[0],
        tfpr_revenue=sales - weighted / design.markup,
        tfpr_cost_share=sales - weighted,
    )


def record_panel(
    design: FirmPanelDesign, firms: Population, outcome: Outcomes, recorded: Flags, names: np.ndarray, rng: Streams
) -> pd.DataFrame:
    """Return the balance sheets on record, with recording errors and missing employment."""
    draw = rng["errors"]
    shape = recorded.shape
    firm, t = np.nonzero(recorded)

    def level(log_value: Floats, spread: float) -> Floats:
        error = draw.standard_normal(shape)  # drawn for all firm-years: coverage does not move the errors
        return np.asarray(np.exp((log_value + spread * error)[firm, t]))

    sales = level(outcome.log_sales, design.sales_error)
    fixed = level(outcome.log_capital, design.input_error)
    assets = fixed * level(np.full(shape, np.log(1.8)), CURRENT_ASSETS)
    wage_bill = level(outcome.log_wage_bill, design.input_error)
    materials = level(outcome.log_materials, design.input_error)
    # a person costs 0.003 million a year on average
    employment = np.maximum(1, np.round(level(outcome.log_labour - np.log(0.003), design.input_error)))
    lost = draw.random(shape)[firm, t] < design.employment_missing
    employment[lost | (design.years[0] + t < design.employment_from)] = np.nan
    abroad = 0.4 * np.exp(0.3 * rng["exports"].standard_normal(shape))[firm, t]
    exports = np.where(firms.exporter[firm], np.minimum(abroad, 0.95) * sales, 0.0)
    regions, sectors = np.array(firms.region_names), np.array(SECTORS)
    group = firms.group[firm]
    panel = {
        "firm": names[firm],
        "year": design.years[0] + t,
        "region": regions[firms.region[firm]],
        "sector": sectors[firms.sector[firm]],
        "group": group_names(group),
        "sales": sales,
        "employment": employment,
        "assets": assets,
        "fixed_assets": fixed,
        "wage_bill": wage_bill,
        "materials": materials,
        "exports": exports,
    }
    # six digits are more than a balance sheet has; logs move by less than 1e-5
    return pd.DataFrame({name: _rounded(values) for name, values in panel.items()})


def group_names(group: Ints) -> pd.Series:
    """Return the names g01, g02, ... of groups 0, 1, ..., missing for −1."""
    return pd.Series([None if number < 0 else f"g{number + 1:02d}" for number in group], dtype="str")


def _rounded(values: object) -> object:
    if not isinstance(values, np.ndarray) or values.dtype != np.float64:
        return values
    digits = 5 - np.floor(np.log10(np.where(values > 0, values, 1.0)))
    return np.round(values * 10**digits) / 10**digits


def contract_probability(
    design: FirmPanelDesign, firms: Population, choices: Choices, adoption: Adoption, outcome: Outcomes
) -> tuple[Floats, Floats]:
    """Return the probability to sign in a year given the past, and its derivative in the lagged share, (F, T).

    Firms without technology: probability of an opportunity × Φ((margin + ρδ·share − log F)/sd ε); with technology,
    Φ at the further contracts' level.  Firms whose contract was cancelled are left at 0: their search is exogenous.
    """
    years = np.arange(firms.active.shape[1])
    kinds = firms.heavy.astype(int)
    pull = design.kept_exponent * design.delta
    margin = choices.margin - adoption.trend + pull * outcome.share_lag
    fresh = years <= adoption.signed[:, None]
    holder = years > adoption.adopted[:, None]
    level = np.where(holder, adoption.further_levels[kinds][:, None], adoption.levels[kinds][:, None])
    weight = firms.active * np.where(holder, 1.0, np.where(fresh, design.opportunity, 0.0))
    score = (margin - level) / design.cost_noise
    density = np.exp(-0.5 * score**2) / np.sqrt(2 * np.pi)
    return weight * ndtr(score), weight * density / design.cost_noise * pull
