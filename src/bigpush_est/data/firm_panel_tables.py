"""Frames around the simulated panel: contracts with their parties, credit, trade fairs, tariffs and complexes."""

import numpy as np
import pandas as pd

from bigpush_est.data.economy import EconomyBundle
from bigpush_est.data.firm_panel_adoption import FOREIGN, NEVER, Adoption
from bigpush_est.data.firm_panel_design import FirmPanelDesign
from bigpush_est.data.firm_panel_population import HEAVY, SECTORS, Floats, Ints, Population, Streams

#: Countries of foreign parties and their shares of contracts (Section 2.1 for the first two; the rest is a choice).
COUNTRIES = ("Japan", "United States", "West Germany", "United Kingdom", "France", "Switzerland")
COUNTRY_SHARES = (0.57, 0.21, 0.08, 0.06, 0.05, 0.03)
_PARTNERS = (240, 120, 50, 40, 35, 20)


def draw_contracts(
    design: FirmPanelDesign, firms: Population, adoption: Adoption, names: np.ndarray, rng: Streams
) -> pd.DataFrame:
    """List all contracts with parties and cancellations.

    The country is drawn with log odds log π_k + pull × (the country's share in the earlier contracts of the region's
    sector − π_k) (footnote 11): neighbours draw towards what they chose more than others.  The partner is drawn within
    the country, never the one that cancelled before.
    """
    draw = rng["partners"]
    firm, year = np.nonzero(adoption.further)
    first, second = np.flatnonzero(adoption.signed < NEVER), np.flatnonzero(adoption.again < NEVER)
    rows = pd.DataFrame(
        {
            "firm": np.concatenate([first, second, firm]),
            "t": np.concatenate([adoption.signed[first], adoption.again[second], year]),
            "kind": np.repeat(["first", "second", "further"], [first.size, second.size, firm.size]),
        }
    ).sort_values(["t", "firm"], kind="stable", ignore_index=True)
    patents = np.round(np.exp(3.0 + 1.5 * draw.standard_normal(sum(_PARTNERS))))
    starts = np.concatenate([[0], np.cumsum(_PARTNERS)])
    seen = np.zeros((int(firms.cell.max()) + 1, len(COUNTRIES)))
    country = np.zeros(len(rows), dtype=np.int64)
    partner = np.zeros(len(rows), dtype=np.int64)
    former: dict[int, int] = {}
    for own in rows.groupby("t", sort=True).groups.values():
        index = np.asarray(own)
        cell = firms.cell[rows["firm"].to_numpy()[index]]
        earlier = seen[cell].sum(axis=1, keepdims=True)
        local = np.where(earlier > 0, seen[cell] / np.maximum(earlier, 1), COUNTRY_SHARES)
        odds = np.array(COUNTRY_SHARES) * np.exp(design.country_pull * (local - COUNTRY_SHARES))
        cumulated = np.cumsum(odds / odds.sum(axis=1, keepdims=True), axis=1)
        country[index] = (draw.random(index.size)[:, None] > cumulated).sum(axis=1).clip(0, len(COUNTRIES) - 1)
        for row in index:
            k = country[row]
            pick = starts[k] + int(draw.integers(_PARTNERS[k]))
            if pick == former.get(int(rows["firm"][row])):
                pick = starts[k] + (pick - starts[k] + 1) % _PARTNERS[k]
            partner[row] = pick
            if rows["kind"][row] == "first":
                former[int(rows["firm"][row])] = pick
        np.add.at(seen, (cell, country[index]), 1)
    cancelled = np.full(len(rows), np.nan)
    by = np.full(len(rows), None, dtype=object)
    fate = np.where(rows["kind"] == "first", adoption.fate[rows["firm"]], 0)
    struck = np.flatnonzero(fate)
    by[struck] = np.where(fate[struck] == FOREIGN, "foreign", "domestic")
    later = np.flatnonzero(rows["kind"] == "further")
    government = rng["cancellations"].choice(later, min(design.government_cancellations, later.size), replace=False)
    by[government] = "government"
    struck = np.concatenate([struck, government])
    cancelled[struck] = design.years[0] + rows["t"].to_numpy()[struck]
    order = np.array([f"k{number:05d}" for number in range(1, len(rows) + 1)])
    return pd.DataFrame(
        {
            "contract": order,
            "firm": names[rows["firm"]],
            "year": design.years[0] + rows["t"],
            "partner": [f"p{number:03d}" for number in partner],
            "country": np.array(COUNTRIES)[country],
            "cancelled_year": cancelled,
            "cancelled_by": pd.Series(by, dtype="str"),
            "partner_patents": patents[partner],
        }
    )


def draw_credit(
    design: FirmPanelDesign, firms: Population, adoption: Adoption, sales: Floats, names: np.ndarray, rng: Streams
) -> pd.DataFrame:
    """Draw directed credit under the policy: to 21% of adopters and 2% of others (Section 2.2), by lot, without effect.

    Where exclusion is violated, the odds rise with the access to technology of groups nearby.
    """
    draw = rng["credit"]
    count, years = firms.active.shape
    adopter = adoption.adopted < NEVER
    odds = np.where(adopter, 0.21 / 0.79, 0.02 / 0.98)
    if design.exclusion_violation:
        odds = odds * _favour(design, firms)[:, -1]
    chosen = draw.random(count) < odds / (1 + odds)
    first, last = (year - design.years[0] for year in design.policy_years)
    t = np.arange(years)
    # others start in any of their years under the policy
    possible = firms.active & (t >= first) & (t <= last)
    rank = np.floor(draw.random(count) * possible.sum(axis=1))
    lot = np.argmax(np.cumsum(possible, axis=1) > rank[:, None], axis=1)
    start = np.where(adopter, adoption.adopted.clip(first, last), lot)
    chosen &= adopter | possible.any(axis=1)
    granted = chosen[:, None] & (t >= start[:, None]) & (t <= last) & (draw.random((count, years)) < 0.5)
    granted |= chosen[:, None] & (t == start[:, None])
    granted &= firms.active
    amount = np.exp(sales + np.log(0.2) + 0.7 * draw.standard_normal((count, years)))
    firm, year = np.nonzero(granted)
    return pd.DataFrame(
        {"firm": names[firm], "year": design.years[0] + year, "amount": np.round(amount[firm, year], 4)}
    )


def _favour(design: FirmPanelDesign, firms: Population) -> Floats:
    """Factor on the odds of support where exclusion is violated: up to e², as groups nearby gain access, (F, T)."""
    cells = int(firms.cell.max()) + 1
    total = np.zeros((cells, firms.active.shape[1]))
    np.add.at(total, firms.cell, firms.access - firms.access[:, :1])
    exposure = total / np.bincount(firms.cell, minlength=cells).clip(1)[:, None]
    return np.asarray(np.exp(2 * np.tanh(4 * design.exclusion_violation * exposure))[firms.cell])


def draw_fairs(
    design: FirmPanelDesign, firms: Population, sales: Floats, names: np.ndarray, rng: Streams
) -> pd.DataFrame:
    """Draw participations in trade fairs: exporters', by lot, without any effect."""
    draw = rng["fairs"]
    rate = np.full(firms.active.shape, 0.15)
    if design.exclusion_violation:
        rate = rate * _favour(design, firms)
    times = draw.poisson(rate) * (firms.exporter[:, None] & firms.active)
    revenue = np.exp(sales + np.log(0.02) + draw.standard_normal(times.shape))
    firm, year = np.nonzero(times)
    return pd.DataFrame(
        {
            "firm": names[firm],
            "year": design.years[0] + year,
            "participations": times[firm, year],
            "revenue": np.round(times[firm, year] * revenue[firm, year], 5),
        }
    )


def draw_tariffs(design: FirmPanelDesign, economy: EconomyBundle, rng: Streams) -> pd.DataFrame:
    """Draw tariffs: the economy's path of light and heavy goods, with a part of each sector's own; no effect."""
    years = np.arange(design.years[0], design.years[1] + 1)
    own = np.exp(0.25 * rng["tariffs"].standard_normal(len(SECTORS)))
    light, heavy = (
        np.exp(np.interp(years, economy.years, np.log(economy.tariffs[:, economy.sectors.index(name)])))
        for name in ("light", "heavy")
    )
    rows = []
    for j, sector in enumerate(SECTORS):
        rate = own[j] * (heavy if HEAVY[j] else light)
        for year, value, mean in zip(years, rate, (light + heavy) / 2, strict=True):
            rows.append((sector, int(year), round(float(value), 4), round(float(0.5 * value + 0.5 * mean), 4)))
    return pd.DataFrame(rows, columns=["sector", "year", "import_tariff", "input_tariff"])


def draw_complexes(design: FirmPanelDesign, firms: Population, rng: Streams) -> pd.DataFrame:
    """Draw industrial complexes: in a tenth of the regions, by lot among the larger half, without any effect."""
    draw = rng["complexes"]
    regions = len(firms.region_names)
    count = np.bincount(firms.region[firms.heavy], minlength=regions)
    larger = np.argsort(-count, kind="stable")[: max(2, regions // 2)]
    chosen: Ints = np.sort(draw.choice(larger, max(1, regions // 10), replace=False))
    return pd.DataFrame(
        {
            "region": np.array(firms.region_names)[chosen],
            "first_year": draw.integers(design.years[0], design.policy_years[1] + 1, chosen.size),
            "tax_favour": np.round(draw.uniform(0.1, 0.5, chosen.size), 2),
        }
    )
