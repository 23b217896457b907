"""A panel of firms drawn from the model, one by one, whose truth is known.

Regional and firm data behind the paper are not public.  What is simulated here has the shape of them (Section 2.2) and
the mechanisms that the paper's designs guard against; `docs/methods/firm-panel.md` gives the equations.  Everything is
synthetic.

Examples
--------
>>> from bigpush_est.data.firm_panel import simulate_firm_panel
>>> simulated = simulate_firm_panel(seed=1, scale=0.2)
>>> simulated.data.label, simulated.data.firms, len(simulated.data.contracts)
('synthetic', 1246, 327)
>>> round(simulated.truth.direct_effect, 3), round(simulated.truth.spillover_coefficient, 2)
(0.893, 2.72)
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from bigpush_est.data.economy import EconomyBundle
from bigpush_est.data.firm_panel_adoption import (
    DOMESTIC,
    FOREIGN,
    NEVER,
    Adoption,
    Choices,
    draw_choices,
    leave_one_out,
    solve_adoption,
)
from bigpush_est.data.firm_panel_design import FirmPanelDesign
from bigpush_est.data.firm_panel_outcomes import (
    Outcomes,
    contract_probability,
    draw_coverage,
    group_names,
    record_panel,
    true_outcomes,
)
from bigpush_est.data.firm_panel_population import (
    HEAVY,
    SECTORS,
    Flags,
    Population,
    Streams,
    draw_population,
    shipped_economy,
    streams,
)
from bigpush_est.data.firm_panel_tables import draw_complexes, draw_contracts, draw_credit, draw_fairs, draw_tariffs
from bigpush_est.data.frames import MicroData
from bigpush_est.errors import InvalidValue, WrongType


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """What the data do not show.

    Attributes
    ----------
    design, seed
        What the panel was drawn from.
    firm_years
        One row per firm and year of activity, on record or not:

        - ``recorded``; ``adopted`` (has technology); ``phase``, the part of log η attained;
        - ``share_lag``, the leave-one-out share of adopters h years ago among all active firms, and
          ``recorded_share_lag``, the same among firms on record (missing where there is no other);
        - ``log_z``, ``log_sales`` (without recording error), ``log_sales_never`` (had the firm itself never adopted),
          ``log_sales_full`` (had it adopted long ago), ``effect`` = log_sales − log_sales_never;
        - ``subsidy``, the rate that its adopters get in the year;
        - ``tfpr_revenue`` and ``tfpr_cost_share``, log revenue less inputs weighted by γ/μ and by γ;
        - ``contract_probability`` of signing in the year, given the past, and ``contract_slope``, its derivative with
          respect to share_lag.
    firms
        One row per firm: ``signed``, ``adopted`` (years), ``fate`` of the first contract ("kept", "foreign",
        "domestic" or missing), ``loser`` ("delayed", "never" or missing), ``growth``, ``size``, ``group``.
    cells
        One row per region, sector and year: active firms, adopters, true and recorded share, ``boom`` and ``setback``.
    cost_levels, further_cost_levels
        Log F of light and heavy manufacturing, of first and of further contracts.
    """

    design: FirmPanelDesign
    seed: int
    firm_years: pd.DataFrame
    firms: pd.DataFrame
    cells: pd.DataFrame
    cost_levels: tuple[float, float]
    further_cost_levels: tuple[float, float]

    @property
    def sales_exponent(self) -> float:
        """The exponent e by which sales on record rise with z."""
        return self.design.sales_exponent

    @property
    def direct_effect(self) -> float:
        """e·log η, fully phased in and without the subsidy."""
        return self.design.direct_effect

    @property
    def spillover_coefficient(self) -> float:
        """e·δ: log sales on the lagged share."""
        return self.design.spillover_coefficient

    @property
    def effect_path(self) -> pd.DataFrame:
        """Mean true effect on adopters' log sales by years since adoption: ``mean``, ``technology``, ``count``.

        ``technology`` leaves the subsidy out: e·log η times the part that is phased in.
        """
        treated = self.firm_years[self.firm_years["adopted"]].merge(
            self.firms[["firm", "adopted"]].set_axis(["firm", "since"], axis=1), on="firm"
        )
        treated["event_time"] = treated["year"] - treated["since"].astype(int)
        treated["technology"] = self.direct_effect * treated["phase"]
        grouped = treated.groupby("event_time")
        return pd.DataFrame(
            {
                "mean": grouped["effect"].mean(),
                "technology": grouped["technology"].mean(),
                "count": grouped.size(),
            }
        )

    def complementarity(self, year: int) -> float:
        """Return the mean derivative of firms' probability to sign in a year with respect to their lagged share.

        Adoption statuses are held as they are: the direct part of what eq. (3.3) estimates on new contracts.
        """
        rows = self.firm_years[self.firm_years["year"] == year]
        if rows.empty:
            first, last = self.design.years
            raise InvalidValue(key="year", value=year, requirement=f"from {first} to {last}", remedy="choose another")
        return float(rows["contract_slope"].mean())


@dataclass(frozen=True, slots=True, eq=False)
class SimulatedPanel:
    """The data as an econometrician gets them, and the truth behind them."""

    data: MicroData
    truth: Truth


def simulate_firm_panel(
    design: FirmPanelDesign | None = None,
    seed: int = 1,
    *,
    scale: float = 1.0,
    placebo: bool = False,
    economy: EconomyBundle | None = None,
) -> SimulatedPanel:
    """Draw a panel of firms from the model.

    Parameters
    ----------
    design
        Its parameters; the defaults are the paper's figures where it gives some.
    seed
        Of every draw: the same design and seed give the same data, byte for byte.
    scale
        Shrinks all numbers of firms, places and contracts, see `FirmPanelDesign.scaled`.
    placebo
        Switches all effects off, see `FirmPanelDesign.placebo`.
    economy
        Whose places, numbers of firms, labour, tariffs and growth are taken; the shipped one by default.

    Raises
    ------
    WrongType, InvalidValue
        For a seed that is no whole number, or a design out of bounds.
    SolverFailed
        If the design's numbers cannot be met.
    """
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise WrongType(key="seed", value=seed, expected="a whole number, not negative", remedy="pass for instance 1")
    design = (design or FirmPanelDesign()).scaled(scale)
    if placebo:
        design = design.placebo()
    economy = economy or shipped_economy()
    if design.regions > len(economy.regions):
        raise InvalidValue(
            key="FirmPanelDesign.regions",
            value=design.regions,
            requirement=f"at most {len(economy.regions)}, the economy's",
            remedy="lower it, or pass a larger economy",
        )
    rng = streams(seed)
    firms = draw_population(design, rng, economy)
    recorded = draw_coverage(design, firms, rng)
    choices = draw_choices(design, firms, rng)
    adoption = solve_adoption(design, firms, choices, recorded)
    names = np.array([f"f{number:05d}" for number in range(1, firms.region.size + 1)])
    outcome = true_outcomes(design, firms, choices, adoption)
    data = _data(design, firms, adoption, outcome, recorded, names, rng, economy, seed)
    return SimulatedPanel(data, _truth(design, seed, firms, choices, adoption, outcome, recorded, names))


def _data(
    design: FirmPanelDesign,
    firms: Population,
    adoption: Adoption,
    outcome: Outcomes,
    recorded: Flags,
    names: np.ndarray,
    rng: Streams,
    economy: EconomyBundle,
    seed: int,
) -> MicroData:
    complexes = draw_complexes(design, firms, rng)
    members = np.flatnonzero(firms.group >= 0)
    regions = pd.DataFrame(
        {
            "region": firms.region_names,
            "name": [dict(zip(economy.regions, economy.region_names, strict=True))[key] for key in firms.region_names],
            "latitude": firms.latitude,
            "longitude": firms.longitude,
            "labour": firms.labour,
            "subsidised": firms.subsidised,
            "complex": np.isin(firms.region_names, complexes["region"]),
        }
    )
    groups = pd.DataFrame({"group": group_names(firms.group[members]), "firm": names[members]})
    groups = groups.sort_values(["group", "firm"], ignore_index=True)
    return MicroData.of(
        panel=record_panel(design, firms, outcome, recorded, names, rng),
        contracts=draw_contracts(design, firms, adoption, names, rng),
        groups=groups.assign(first_year=design.years[0]),
        regions=regions,
        sectors=pd.DataFrame({"sector": SECTORS, "heavy": HEAVY}),
        credit=draw_credit(design, firms, adoption, outcome.log_sales, names, rng),
        trade_fairs=draw_fairs(design, firms, outcome.log_sales, names, rng),
        tariffs=draw_tariffs(design, economy, rng),
        complexes=complexes,
        label="synthetic",
        source=f"simulated firm panel, {design.firms} firms, seed {seed}",
        sales_definition=design.sales_definition,
    )


def _truth(
    design: FirmPanelDesign,
    seed: int,
    firms: Population,
    choices: Choices,
    adoption: Adoption,
    outcome: Outcomes,
    recorded: Flags,
    names: np.ndarray,
) -> Truth:
    firm, t = np.nonzero(firms.active)
    probability, slope = contract_probability(design, firms, choices, adoption, outcome)
    cells = int(firms.cell.max()) + 1
    seen = np.column_stack(
        [_share_on_record(outcome.adopted[:, s], recorded[:, s], firms.cell, cells) for s in range(recorded.shape[1])]
    )
    seen_lag = np.full_like(seen, np.nan)
    seen_lag[:, design.spillover_lag :] = seen[:, : -design.spillover_lag]
    columns = {
        "recorded": recorded,
        "adopted": outcome.adopted,
        "phase": outcome.phase,
        "share_lag": outcome.share_lag,
        "recorded_share_lag": seen_lag,
        "subsidy": outcome.subsidy,
        "log_z": outcome.log_z,
        "log_sales": outcome.log_sales,
        "log_sales_never": outcome.log_sales_never,
        "log_sales_full": outcome.log_sales_full,
        "effect": outcome.log_sales - outcome.log_sales_never,
        "tfpr_revenue": outcome.tfpr_revenue,
        "tfpr_cost_share": outcome.tfpr_cost_share,
        "contract_probability": probability,
        "contract_slope": slope,
    }
    first = design.years[0]
    loser = np.full(names.size, None, dtype=object)
    loser[adoption.fate == FOREIGN] = np.where(adoption.again[adoption.fate == FOREIGN] < NEVER, "delayed", "never")
    fate = np.full(names.size, None, dtype=object)
    for code, word in ((0, "kept"), (FOREIGN, "foreign"), (DOMESTIC, "domestic")):
        fate[(adoption.signed < NEVER) & (adoption.fate == code)] = word
    return Truth(
        design=design,
        seed=seed,
        firm_years=pd.DataFrame(
            {"firm": names[firm], "year": first + t} | {name: values[firm, t] for name, values in columns.items()}
        ),
        firms=pd.DataFrame(
            {
                "firm": names,
                "region": np.array(firms.region_names)[firms.region],
                "sector": np.array(SECTORS)[firms.sector],
                "group": group_names(firms.group),
                "heavy": firms.heavy,
                "signed": np.where(adoption.signed < NEVER, first + adoption.signed, np.nan),
                "adopted": np.where(adoption.adopted < NEVER, first + adoption.adopted, np.nan),
                "fate": pd.Series(fate, dtype="str"),
                "loser": pd.Series(loser, dtype="str"),
                "size": firms.size,
                "growth": firms.growth,
            }
        ),
        cells=_cells(design, firms, outcome, recorded),
        cost_levels=(float(adoption.levels[0]), float(adoption.levels[1])),
        further_cost_levels=(float(adoption.further_levels[0]), float(adoption.further_levels[1])),
    )


def _share_on_record(adopted: Flags, recorded: Flags, cell: np.ndarray, cells: int) -> np.ndarray:
    """Leave-one-out share among firms on record, missing where there is no other."""
    others = np.bincount(cell[recorded], minlength=cells)[cell] - recorded
    return np.where(others > 0, leave_one_out(adopted, recorded, cell, cells), np.nan)


def _cells(design: FirmPanelDesign, firms: Population, outcome: Outcomes, recorded: Flags) -> pd.DataFrame:
    cells, years = firms.boom.shape
    tables = []
    for t in range(years):
        counts = [
            np.bincount(firms.cell[rows], minlength=cells)
            for rows in (
                firms.active[:, t],
                firms.active[:, t] & outcome.adopted[:, t],
                recorded[:, t],
                recorded[:, t] & outcome.adopted[:, t],
            )
        ]
        tables.append(
            pd.DataFrame(
                {
                    "region": np.repeat(firms.region_names, len(SECTORS))[:cells],
                    "sector": np.tile(SECTORS, len(firms.region_names))[:cells],
                    "year": design.years[0] + t,
                    "firms": counts[0],
                    "adopters": counts[1],
                    "recorded_firms": counts[2],
                    "recorded_adopters": counts[3],
                    "boom": firms.boom[:, t],
                    "setback": firms.setback[:, t],
                }
            )
        )
    return pd.concat(tables, ignore_index=True)
