"""Who the simulated firms are: places, sectors, business groups, years of activity, productivity, demand and costs.

Everything here is drawn before anybody adopts, and nothing depends on adoption.  Shapes: F firms, T years, N regions,
J sectors, G groups.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from bigpush_est.data.economy import EconomyBundle
from bigpush_est.data.economy_bundle import load_economy_bundle
from bigpush_est.data.firm_panel_design import FirmPanelDesign
from bigpush_est.data.geography import great_circle
from bigpush_est.data.locate import data_folder

type Floats = NDArray[np.float64]
type Ints = NDArray[np.int64]
type Flags = NDArray[np.bool_]
type Streams = dict[str, np.random.Generator]

#: Six light and four heavy sectors: heavy ones are those of the HCI Drive (Section 2.1), two of them taken together.
SECTORS = (
    "food", "textiles", "wood", "paper", "minerals", "other_light", "chemicals", "electronics", "machinery", "metals",
)  # fmt: skip
HEAVY = np.array([False] * 6 + [True] * 4)
#: Radius within which the group instrument leaves firms out (eq. 3.4), in km; groups reach beyond it.
RING = 100.0
#: Power of the places' numbers of firms with which groups choose where else to go: below 1, smaller places too.
SPREAD = 0.6
#: Yearly autocorrelation of the growth of places, in booms and setbacks.
MOMENTUM = 0.9
#: Groups' firms beyond the first two fall off with the group's rank by this power: a few large groups, many small ones.
CONCENTRATION = 0.4
_STREAMS = (
    "places", "groups", "lives", "size", "productivity", "inputs", "costs", "local", "access", "opportunities",
    "choices", "cancellations", "partners", "coverage", "errors", "credit", "fairs", "tariffs", "complexes", "exports",
)  # fmt: skip


def streams(seed: int) -> Streams:
    """Return a generator for each subject, so that one subject's draws do not move with another's design."""
    children = np.random.SeedSequence(seed).spawn(len(_STREAMS))
    return {name: np.random.default_rng(child) for name, child in zip(_STREAMS, children, strict=True)}


@dataclass(frozen=True, slots=True)
class Population:
    """The firms, before adoption.

    Attributes
    ----------
    region, sector, group
        Indices, (F,); group −1 for unaffiliated firms.
    heavy, exporter
        (F,).
    region_names
        Short names (N,), ordered as in the economy.
    latitude, longitude, labour, subsidised
        Of the regions, (N,).
    active
        Whether the firm produces in a year, (F, T).
    cell
        region · J + sector, (F,).
    log_own_productivity
        log x of the bounded Pareto draw, (F, T).
    log_trend
        A firm's own growth of log productivity, from the middle year on, (F, T).
    cell_level
        Permanent log productivity of cells, (N·J,).
    log_unit_cost
        (F, T), and its parts: log wage and log user cost of capital (F, T).
    log_demand
        Log of the demand shifter, (F, T).
    size
        Log of permanent demand, (F,).
    boom, setback
        Log productivity of cells through booms, and what setbacks take from it, (N·J, T).
    access
        Log by which the firm's group lowers adoption costs, (F, T); 0 without a group.
    labour_share, capital_share, materials_share
        Of the production function, (F,).
    growth
        A firm's own growth of log productivity, (F,).
    """

    region: Ints
    sector: Ints
    group: Ints
    heavy: Flags
    exporter: Flags
    region_names: tuple[str, ...]
    latitude: Floats
    longitude: Floats
    labour: Floats
    subsidised: Flags
    active: Flags
    cell: Ints
    log_own_productivity: Floats
    log_trend: Floats
    cell_level: Floats
    log_unit_cost: Floats
    log_wage: Floats
    log_user_cost: Floats
    log_demand: Floats
    size: Floats
    boom: Floats
    setback: Floats
    access: Floats
    labour_share: Floats
    capital_share: Floats
    materials_share: Floats
    growth: Floats

    @property
    def log_productivity(self) -> Floats:
        """Log z without spillovers and technology: log x + trend + level and shocks of the cell, (F, T)."""
        local = self.cell_level[:, None] + self.boom - self.setback
        return np.asarray(self.log_own_productivity + self.log_trend + local[self.cell])


@cache
def shipped_economy() -> EconomyBundle:
    """Return the shipped economy, whose places, firms' numbers, labour, tariffs and growth the panel takes."""
    return load_economy_bundle(data_folder("korea") / "economy")


def draw_population(design: FirmPanelDesign, rng: Streams, economy: EconomyBundle) -> Population:
    """Draw the firms of a design."""
    years = np.arange(design.years[0], design.years[1] + 1)
    classes = [economy.sectors.index("light"), economy.sectors.index("heavy")]
    mass = economy.firm_mass[:, classes]
    ranked = np.argsort(-mass.sum(axis=1), kind="stable")  # fewer regions: of all ranks, so that cells stay as large
    chosen = np.sort(ranked[np.round(np.linspace(0, ranked.size - 1, design.regions)).astype(int)])
    latitude, longitude = economy.latitude[chosen], economy.longitude[chosen]
    distance = great_circle(latitude, longitude)
    region, sector, group = _place(design, rng, mass[chosen], distance)
    heavy = HEAVY[sector]
    firms, cells = region.size, chosen.size * len(SECTORS)
    cell = region * len(SECTORS) + sector

    size = design.size_dispersion * rng["size"].standard_normal(firms) + design.group_size_premium * (group >= 0)
    own, score = _own_productivity(design, rng["productivity"], firms, years.size)
    growth = design.growth_dispersion * rng["productivity"].standard_normal(firms)
    local = rng["local"]
    level = 0.1 * local.standard_normal(cells)
    boom = _walk(local, design.local_shock_step, cells, years.size)
    setback = _walk(local, design.lagging_step, cells, years.size)
    trend = growth[:, None] * (years - years.mean())

    wage, user_cost = _input_prices(design, rng["inputs"], region, chosen.size, years.size)
    materials_share = economy.input_share[0][classes].sum(axis=1)[heavy.astype(int)]
    labour_share = (1 - materials_share) * 2 / 3  # choice: capital earns a third of value added
    capital_share = (1 - materials_share) / 3
    unit_cost = labour_share[:, None] * wage + capital_share[:, None] * user_cost

    steps = design.group_access_step * rng["access"].standard_normal((design.groups, years.size))
    steps[:, 0] = design.group_access
    by_group = np.vstack([np.cumsum(steps, axis=1), np.zeros(years.size)])  # index −1: no group
    access = by_group[group]

    access_to_market = np.log(_freeness(distance, economy) @ (economy.labour[chosen] / economy.labour.sum()))
    access_to_market -= access_to_market.mean()
    market = _market_growth(economy, years)[heavy.astype(int)]
    demand = access_to_market[region][:, None] + size[:, None] + market
    if design.exclusion_violation:
        exposure = np.zeros((cells, years.size))
        np.add.at(exposure, cell[group >= 0], (access - access[:, :1])[group >= 0])
        demand = (
            demand + design.exclusion_violation * (exposure / np.bincount(cell, minlength=cells).clip(1)[:, None])[cell]
        )
    return Population(
        region=region,
        sector=sector,
        group=group,
        heavy=heavy,
        exporter=_exporters(rng["exports"], economy, size + 0.4 * score[:, 0], heavy),
        region_names=tuple(np.array(economy.regions)[chosen]),
        latitude=latitude,
        longitude=longitude,
        labour=economy.labour[chosen],
        subsidised=economy.subsidised[chosen],
        active=_lives(design, rng["lives"], group, years.size),
        cell=cell,
        log_own_productivity=own,
        cell_level=level,
        log_trend=trend,
        log_unit_cost=unit_cost,
        log_wage=wage,
        log_user_cost=user_cost,
        log_demand=demand,
        size=size,
        boom=boom,
        setback=setback,
        access=access,
        labour_share=labour_share,
        capital_share=capital_share,
        materials_share=materials_share,
        growth=growth,
    )


def _place(design: FirmPanelDesign, rng: Streams, mass: Floats, distance: Floats) -> tuple[Ints, Ints, Ints]:
    """Put groups' firms at two places or more, over 100 km apart, and the others where the economy has firms."""
    draw = rng["places"]
    regions = mass.shape[0]
    shares = mass / mass.sum(axis=0)
    # what a region specialises in: sectors' weights within light and heavy manufacturing
    weights = np.hstack([draw.dirichlet(np.full(n, 0.5), regions) for n in (int((~HEAVY).sum()), int(HEAVY.sum()))])
    region, sector, group = _place_groups(design, rng["groups"], shares, weights, distance)
    missing = np.array([design.firms - design.heavy_firms, design.heavy_firms])
    missing -= np.bincount(HEAVY[sector].astype(int), minlength=2)
    for kind in (0, 1):
        everywhere = np.arange(regions)[: missing[kind]]  # no region without a firm of either kind
        more = draw.choice(regions, missing[kind] - everywhere.size, p=shares[:, kind])
        places = np.concatenate([everywhere, more])
        codes = np.flatnonzero(kind == HEAVY)
        cumulated = np.cumsum(weights[:, codes], axis=1)[places]
        sectors = codes[(draw.random(places.size)[:, None] > cumulated).sum(axis=1).clip(0, codes.size - 1)]
        region = np.concatenate([region, places])
        sector = np.concatenate([sector, sectors])
        group = np.concatenate([group, np.full(places.size, -1)])
    order = draw.permutation(region.size)
    return region[order], sector[order], group[order]


def _place_groups(
    design: FirmPanelDesign, draw: np.random.Generator, shares: Floats, weights: Floats, distance: Floats
) -> tuple[Ints, Ints, Ints]:
    rank = np.arange(1, design.groups + 1) ** -CONCENTRATION
    sizes = 2 + draw.multinomial(design.grouped_firms - 2 * design.groups, rank / rank.sum())
    found: list[tuple[int, int, int]] = []
    for number, size in enumerate(sizes):
        kind = int(draw.random() < design.heavy_group_share)
        main, second = draw.choice(np.flatnonzero(kind == HEAVY), 2, replace=False)
        cell = (shares[:, kind] * weights[:, main]) ** SPREAD
        home = int(draw.choice(cell.size, p=cell / cell.sum()))
        far = np.where(distance[home] > RING, cell, 0)
        places = [home, int(draw.choice(far.size, p=far / far.sum()))]
        others = min(int(size) // 3, cell.size - 2)
        cell[places] = 0
        places += [int(p) for p in draw.choice(cell.size, others, replace=False, p=cell / cell.sum())]
        found += [
            (places[k % len(places)], int(main if k < max(2, round(0.85 * size)) else second), number)
            for k in range(size)
        ]
    region, sector, group = np.array(found).T
    return region, sector, group


def _own_productivity(
    design: FirmPanelDesign, draw: np.random.Generator, firms: int, years: int
) -> tuple[Floats, Floats]:
    """Bounded Pareto draws whose normal scores follow a stationary first-order autoregression."""
    score = draw.standard_normal((firms, years))
    for t in range(1, years):
        score[:, t] = design.persistence * score[:, t - 1] + np.sqrt(1 - design.persistence**2) * score[:, t]
    # G(x) = (1 − x^−θ)/(1 − κ^−θ), inverted at Φ(score)
    log_x = -np.log1p(-ndtr(score) * (1 - design.pareto_ratio**-design.pareto_shape)) / design.pareto_shape
    return log_x, score


def _walk(draw: np.random.Generator, step: float, count: int, years: int) -> Floats:
    """Cumulate growth that persists: yearly steps are a stationary autoregression, the first year is 0."""
    steps = draw.standard_normal((count, years))
    for t in range(2, years):
        steps[:, t] = MOMENTUM * steps[:, t - 1] + np.sqrt(1 - MOMENTUM**2) * steps[:, t]
    steps[:, 0] = 0
    return np.cumsum(step * steps, axis=1)


def _input_prices(
    design: FirmPanelDesign, draw: np.random.Generator, region: Ints, regions: int, years: int
) -> tuple[Floats, Floats]:
    """Return logs of wage and user cost of capital: regional wages stay, the firm's own parts are persistent."""
    regional = 0.1 * draw.standard_normal(regions)
    prices = []
    for spread in design.input_price_dispersion:
        own = draw.standard_normal((region.size, years))
        for t in range(1, years):
            own[:, t] = 0.8 * own[:, t - 1] + 0.6 * own[:, t]
        prices.append(spread * own)
    wage, user_cost = prices
    return wage + regional[region][:, None], user_cost + np.log(0.15)  # 15% a year on average


def _lives(design: FirmPanelDesign, draw: np.random.Generator, group: Ints, years: int) -> Flags:
    """Years of activity: one spell each; groups' firms are there throughout."""
    from_start = draw.random(group.size) < design.entry
    start = np.where(from_start, 0, draw.integers(1, years, group.size))
    spell = draw.geometric(max(design.exit_rate, 1e-9), group.size)
    start, spell = np.where(group >= 0, 0, start), np.where(group >= 0, years, spell)
    t = np.arange(years)
    return (t >= start[:, None]) & (t < (start + spell)[:, None])


def _freeness(distance: Floats, economy: EconomyBundle) -> Floats:
    """d^{1−σ} of heavy manufacturing, (σ−1)υ = 1.29; a region is 10 km from itself."""
    elasticity = economy.distance_elasticity[economy.sectors.index("heavy")]
    return np.asarray(np.maximum(distance, 10.0) ** -elasticity)


def _market_growth(economy: EconomyBundle, years: Ints) -> Floats:
    """Log of expenditure on light and heavy goods relative to 1972, (2, T): α_j × real GDP, log-linear in between."""
    known = np.array(economy.years, dtype=np.float64)
    rows = []
    for name in ("light", "heavy"):
        values = np.log(economy.preferences[:, economy.sectors.index(name)] * economy.real_gdp)
        values = values - values[0]
        inner = np.interp(years, known, values)
        slopes = np.diff(values) / np.diff(known)
        inner = np.where(years < known[0], slopes[0] * (years - known[0]), inner)
        rows.append(np.where(years > known[-1], values[-1] + slopes[-1] * (years - known[-1]), inner))
    return np.array(rows)


def _exporters(draw: np.random.Generator, economy: EconomyBundle, score: Floats, heavy: Flags) -> Flags:
    """Let the larger firms of each kind export for good, in the proportions of the economy's moments."""
    targets: dict[bool, Any] = {moment.name: moment.value for moment in economy.moments}  # type: ignore[misc]
    noisy = score + draw.standard_normal(score.size)
    exporter = np.zeros(score.size, dtype=bool)
    for kind, name in ((False, "exporter_share_light"), (True, "exporter_share_heavy")):
        own = heavy == kind
        exporter[own] = noisy[own] >= np.quantile(noisy[own], 1 - targets[name])  # type: ignore[index]
    return exporter
