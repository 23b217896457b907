"""Who adopts when: yearly decisions of simulated firms, given neighbours' earlier ones, and cancelled contracts.

A firm without technology that finds a partner signs if the log of the model's gain exceeds the log of the cost,

    log K_it + ρδ·Share_{(−i)nj,t−h} − log σ + log(η^ρ (1−s_njt)^{1−σ} − 1)
        ≥  log F + χt + κ_it − A_gt − support_njt − ε_it,

K the kept revenue without technology and spillovers, χ the growth of costs, κ the firm's own cost, A group's access.
F is solved so that the design's number of firms signs.
"""

from dataclasses import dataclass

import numpy as np

from bigpush_est.data.firm_panel_design import FirmPanelDesign
from bigpush_est.data.firm_panel_population import Flags, Floats, Ints, Population, Streams
from bigpush_est.errors import SolverFailed

NEVER = 10_000  # a year index beyond every panel
#: What became of a firm's first contract.
KEPT, FOREIGN, DOMESTIC = 0, 1, 2


@dataclass(frozen=True, slots=True)
class Choices:
    """What the decisions rest on, drawn once for all cost levels.

    Attributes
    ----------
    margin
        log gain − log cost without spillovers, F and ε, (F, T).
    noise
        ε, (F, T).
    found
        Whether a firm without technology finds a partner, (F, T).
    further_noise
        ε of further contracts, (F, T).
    lot, delay
        Uniform draws by which contracts are cancelled, and years until the next partner is found, (F,).
    never
        Of losers in the order of their cancellations, whether they find no other partner, (losers,).
    innovation
        Own news in log sales, (F, T): domestic parties cancel after bad news.
    subsidy
        s_njt of a firm's region and sector, (F, T).
    """

    margin: Floats
    noise: Floats
    found: Flags
    further_noise: Floats
    lot: Floats
    delay: Ints
    never: Flags
    innovation: Floats
    subsidy: Floats


@dataclass(frozen=True, slots=True)
class Adoption:
    """Outcome of the decisions; years are indices from 0, NEVER where there is none.

    Attributes
    ----------
    signed, fate, again
        Year of the first contract, what became of it (KEPT, FOREIGN, DOMESTIC), year of the one after a
        cancellation, (F,).
    adopted
        First year with technology, (F,).
    share
        Leave-one-out share of adopters among active firms of region and sector, (F, T).
    further
        Whether an adopter signs another contract, (F, T).
    levels
        Log cost levels of light and heavy manufacturing: of first contracts.
    further_levels
        Of further contracts.
    trend
        What was added to costs by year to meet the numbers, (T,).
    """

    signed: Ints
    fate: Ints
    again: Ints
    adopted: Ints
    share: Floats
    further: Flags
    levels: Floats
    further_levels: Floats
    trend: Floats


def draw_choices(design: FirmPanelDesign, firms: Population, rng: Streams) -> Choices:
    """Return what decisions rest on."""
    shape = firms.active.shape
    years = np.arange(design.years[0], design.years[1] + 1)
    during = (years >= design.policy_years[0]) & (years <= design.policy_years[1])
    subsidy = design.subsidy_rate * (firms.heavy & firms.subsidised[firms.region])[:, None] * during
    judged = _judged_revenue(design, firms)
    factor = (design.perceived_eta or design.eta) ** design.kept_exponent * (1 - subsidy) ** (1 - design.sigma)
    gain = judged - np.log(design.sigma) + np.log(np.maximum(factor - 1, 1e-12))

    draw = rng["costs"]
    shock = draw.standard_normal(shape)
    rho = design.cost_persistence
    for t in range(1, shape[1]):
        shock[:, t] = rho * shock[:, t - 1] + np.sqrt(1 - rho**2) * shock[:, t]
    support = design.boom_pull * firms.boom + design.lagging_support * firms.setback
    trend = design.cost_growth * (years - years[0])
    cost = design.cost_dispersion * shock - support[firms.cell]
    # headquarters decide for a group: what sets its firms apart counts for less
    grouped = firms.group >= 0
    own_margin = gain - cost
    own_margin[grouped] = (
        design.group_coherence * own_margin[grouped].mean(axis=0) + (1 - design.group_coherence) * own_margin[grouped]
    )
    own = firms.log_own_productivity
    innovation = own.copy()
    innovation[:, 1:] -= design.persistence * own[:, :-1]
    cancel = rng["cancellations"]
    opportunities = rng["opportunities"]
    return Choices(
        margin=own_margin - trend + firms.access,
        noise=design.cost_noise * opportunities.standard_normal(shape),
        found=opportunities.random(shape) < design.opportunity,
        further_noise=design.cost_noise * rng["choices"].standard_normal(shape),
        lot=cancel.random(shape[:1]),
        delay=cancel.integers(2, 5, shape[:1]),
        never=cancel.permutation(np.arange(design.losers) < design.never_losers),
        innovation=innovation,
        subsidy=np.asarray(subsidy),
    )


def _judged_revenue(design: FirmPanelDesign, firms: Population) -> Floats:
    """Return log K_it, kept revenue without technology and spillovers, as it enters the choice, (F, T).

    log K = log D + σ log τ̄ + (1−σ)(log μ + log c) + ρ log z.  Where a kind of selection is switched off, the mean over
    firms of the same kind and year takes the place of what would select.
    """
    place = firms.log_demand + (1 - design.sigma) * firms.log_unit_cost
    place = place + design.kept_exponent * firms.cell_level[firms.cell][:, None]
    own = firms.log_own_productivity
    if not design.selection_on_level:
        for kind in (False, True):
            place[firms.heavy == kind] = place[firms.heavy == kind].mean(axis=0)
    if not design.selection_on_shocks:
        own = np.full_like(own, own.mean())
    local = (firms.boom - firms.setback)[firms.cell]
    scale = design.sigma * np.log(design.distortion_level) + (1 - design.sigma) * np.log(design.markup)
    return np.asarray(place + scale + design.kept_exponent * (own + firms.log_trend + local))


def leave_one_out(flags: Flags, active: Flags, cell: Ints, cells: int) -> Floats:
    """Share of flagged ones among the other active members of a cell; 0 where a firm is alone.

    Parameters
    ----------
    flags, active
        (F,); only active ones count.
    cell
        (F,), below `cells`.
    """
    counted = (flags & active).astype(np.float64)
    present = active.astype(np.float64)
    others = np.bincount(cell, present, cells)[cell] - present
    flagged = np.bincount(cell, counted, cells)[cell] - counted
    return np.divide(flagged, others, out=np.zeros_like(flagged), where=others > 0)


def solve_adoption(design: FirmPanelDesign, firms: Population, choices: Choices, recorded: Flags) -> Adoption:
    """Find the cost levels at which exactly the design's numbers of light and heavy firms sign, and play them.

    The numbers fall with the level, in steps.  Where they jump over the target, or too few contracts have another one
    beside them to be matched with, costs grow by ±0.4%, ±0.8%, ... more a year until they do not.

    Raises
    ------
    SolverFailed
        If the number of firms, of losers or of contracts cannot be met.
    """
    targets = np.array([design.signers - design.heavy_signers, design.heavy_signers])
    kinds = firms.heavy.astype(int)
    failure = ""
    for attempt in range(40):
        slope = 0.004 * ((attempt + 1) // 2) * (-1) ** attempt
        trend = slope * np.arange(firms.active.shape[1])
        low = np.full(2, float(np.min(choices.margin)) - 20)
        high = np.full(2, float(np.max(choices.margin)) + 20)
        # light and heavy firms share no region's sector: each kind has a level of its own to search for.  They meet in
        # the lots of cancellations alone, which is why a search may end beside its target
        while (high - low).max() > 1e-9:
            middle = (low + high) / 2
            played = _play(design, firms, choices, recorded, middle, trend)
            counts = np.bincount(kinds[played.signed < NEVER], minlength=2)
            if (counts == targets).all():
                break
            low = np.where(counts >= targets, middle, low)
            high = np.where(counts <= targets, middle, high)
        if (counts != targets).any():
            failure = f"{counts.tolist()} light and heavy firms sign where {targets.tolist()} are wanted"
            continue
        failure = _missing_cancellations(design, played)
        if not failure:
            return _with_further(design, firms, choices, played)
    raise SolverFailed(
        problem="the level of adoption costs",
        detail=failure,
        remedy="try another seed, ask for fewer signers or losers, or raise the coverage of the reports",
    )


def _play(
    design: FirmPanelDesign, firms: Population, choices: Choices, recorded: Flags, level: Floats, trend: Floats
) -> Adoption:
    """Let the years pass at given cost levels."""
    count, years = firms.active.shape
    kinds = firms.heavy.astype(int)
    cells = int(firms.cell.max()) + 1
    signed = np.full(count, NEVER)
    again = np.full(count, NEVER)
    adopted = np.full(count, NEVER)
    fate = np.full(count, KEPT)
    free_from = np.zeros(count, dtype=np.int64)
    share = np.zeros((count, years))
    cancelling = _Cancellations(design, firms, choices, recorded)
    for t in range(years):
        lagged = share[:, t - design.spillover_lag] if t >= design.spillover_lag else np.zeros(count)
        margin = choices.margin[:, t] + design.kept_exponent * design.delta * lagged - level[kinds] - trend[t]
        wants = firms.active[:, t] & (margin + choices.noise[:, t] >= 0) & choices.found[:, t]
        first = wants & (signed == NEVER)
        # a firm whose contract fell through signs anew when its search is over, if it was cancelled from abroad
        # whatever its present gain: delays of losers are as good as random
        waited = (fate == FOREIGN) & (free_from == t) & (adopted == NEVER)
        second = (waited | (wants & (fate == DOMESTIC) & (t >= free_from))) & (adopted == NEVER)
        signed[first], again[second] = t, t
        foreign, domestic = cancelling.of_year(t, first)
        fate[foreign], fate[domestic] = FOREIGN, DOMESTIC
        free_from[foreign] = cancelling.search_ends(foreign, t)
        free_from[domestic] = t + 2
        starts = (first & (fate == KEPT)) | second
        adopted[starts] = t
        share[:, t] = leave_one_out(adopted <= t, firms.active[:, t], firms.cell, cells)
    empty = np.zeros((count, years), dtype=bool)
    return Adoption(signed, fate, again, adopted, share, empty, level, np.zeros(2), trend)


class _Cancellations:
    """Decide year by year which first contracts are cancelled, so that the numbers of the design come out.

    Foreign cancellations are spread evenly over the years in which both two earlier years and a later search fit into
    the panel.  They strike by lot among first contracts whose firm is on record in the two years before, beside another
    such contract of the same region, sector and year that is kept: one that can be matched.
    """

    def __init__(self, design: FirmPanelDesign, firms: Population, choices: Choices, recorded: Flags) -> None:
        self.firms, self.choices, self.recorded, self.design = firms, choices, recorded, design
        self.left = design.losers
        self.domestic_left = design.domestic_cancellations
        self.last = design.years[1] - design.years[0]
        self.event_years = range(2, self.last - 1)

    def of_year(self, t: int, first: Flags) -> tuple[Ints, Ints]:
        """Return the firms whose first contract of year t is cancelled from abroad, and at home."""
        if t not in self.event_years:
            return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
        seen = first & self.recorded[:, t - 1] & self.recorded[:, t - 2]
        peers = np.bincount(self.firms.cell[seen], minlength=int(self.firms.cell.max()) + 1)
        remaining_years = self.event_years.stop - t
        chosen: list[int] = []
        # half as many again as an even pace: later years may have fewer that can be matched
        quota = min(self.left, int(np.ceil(1.5 * self.left / remaining_years)))
        stays = seen & self.firms.active[:, min(t + 4, self.last)]
        for firm in np.flatnonzero(stays)[np.argsort(self.choices.lot[stays])]:
            cell = self.firms.cell[firm]
            if len(chosen) < quota and peers[cell] >= 2:
                chosen.append(int(firm))
                peers[cell] -= 1
        struck = np.zeros(first.size, dtype=bool)
        struck[chosen] = True
        matched = np.isin(self.firms.cell, self.firms.cell[struck])  # their winners keep their contracts
        rest = np.flatnonzero(first & ~matched)
        worst = rest[np.argsort(self.choices.innovation[rest, t], kind="stable")]
        at_home = worst[: -(-self.domestic_left // remaining_years)]
        self.domestic_left -= at_home.size
        return np.array(chosen, dtype=np.int64), at_home

    def search_ends(self, foreign: Ints, t: int) -> Ints:
        """Return when losers have found another partner, NEVER for those that do not."""
        before = self.design.losers - self.left
        labels = self.choices.never[before : before + foreign.size]
        self.left -= foreign.size
        return np.where(labels, NEVER, np.minimum(t + self.choices.delay[foreign], self.last))


def _missing_cancellations(design: FirmPanelDesign, played: Adoption) -> str:
    """Say which cancellations are missing; nothing if none is."""
    found = int((played.fate == FOREIGN).sum())
    if found != design.losers:
        return f"{found} losers have a winner to match where {design.losers} are wanted"
    at_home = int((played.fate == DOMESTIC).sum())
    if at_home != design.domestic_cancellations:
        return f"{at_home} contracts are cancelled at home where {design.domestic_cancellations} are wanted"
    return ""


def _with_further(design: FirmPanelDesign, firms: Population, choices: Choices, played: Adoption) -> Adoption:
    """Add adopters' further contracts: those with the largest gain over cost, as many as the design has contracts."""
    years = np.arange(firms.active.shape[1])
    lagged = np.zeros_like(played.share)
    lagged[:, design.spillover_lag :] = played.share[:, : -design.spillover_lag]
    score = choices.margin - played.trend + design.kept_exponent * design.delta * lagged + choices.further_noise
    possible = firms.active & (years > played.adopted[:, None])
    further = np.zeros_like(possible)
    levels = np.zeros(2)
    contracts = np.array([design.contracts - design.heavy_contracts, design.heavy_contracts])
    for kind in (0, 1):
        own = firms.heavy == kind
        wanted = contracts[kind] - int((played.signed[own] < NEVER).sum()) - int((played.again[own] < NEVER).sum())
        places = np.flatnonzero((possible & own[:, None]).ravel())
        if not 0 <= wanted <= places.size:
            raise SolverFailed(
                problem="the number of contracts",
                detail=f"{wanted} further contracts are wanted of {places.size} possible ones",
                remedy="change contracts or signers so that there are between one and ten contracts per firm",
            )
        ranked = places[np.argsort(-score.ravel()[places], kind="stable")]
        further.ravel()[ranked[:wanted]] = True
        if 0 < wanted < places.size:
            levels[kind] = score.ravel()[ranked[wanted - 1 : wanted + 1]].mean()
    return Adoption(
        played.signed,
        played.fate,
        played.again,
        played.adopted,
        played.share,
        further,
        played.levels,
        levels,
        played.trend,
    )
