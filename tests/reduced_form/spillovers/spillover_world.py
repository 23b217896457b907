"""Micro data with a known spillover and a known complementarity: drawn directly, without the model of the paper."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from bigpush_est.data.frames import MicroData

YEARS = np.arange(1970, 1981)


@dataclass(frozen=True)
class World:
    data: MicroData
    spillover: float
    complementarity: float


def spillover_world(
    seed=0,
    *,
    firms=800,
    regions=30,
    sectors=3,
    groups=60,
    per_group=6,
    spillover=2.7,
    complementarity=0.3,
    boom=0.5,
    follow=0.95,
    frames=False,
    gaps=0.0,
):
    """Draw firms, groups that adopt as a whole, outsiders that adopt where business booms, and their sales.

    Growth from year to year: a region-sector's boom (which also makes outsiders sign) plus ``spillover`` times the
    share of adopters among the others two years before.  Every firm signs with a probability that rises with that
    share by ``complementarity``.  Firms of groups do not answer to booms, so that the group instrument is valid.
    """
    rng = np.random.default_rng(seed)
    count = firms + groups * per_group
    group = np.concatenate([np.repeat(np.arange(groups), per_group), np.full(firms, -1)])
    home = rng.integers(0, sectors, groups)
    sector = np.where(group >= 0, home[group], rng.integers(0, sectors, count))
    region = rng.integers(0, regions, count)
    cell = region * sectors + sector
    cells = regions * sectors
    shock = rng.standard_normal(cells)
    date = rng.integers(1971, 1990, groups)  # half of the groups adopt within the years, each at its own date
    adopts = np.where(group >= 0, np.where(rng.random(count) < follow, date[group], 9999), 9999)
    level = rng.normal(3.0, 1.0, count)
    signed = []
    logs = np.empty((count, YEARS.size))
    shares = np.zeros((count, YEARS.size))
    noise = rng.normal(0.0, 0.3, count)
    for k, year in enumerate(YEARS):
        lagged = shares[:, k - 2] if k >= 2 else np.zeros(count)
        pull = np.where(group < 0, 0.03 * np.maximum(shock[cell], 0.0), 0.0)
        new = rng.random(count) < np.clip(0.005 + pull + complementarity * lagged, 0.0, 1.0)
        new |= adopts == year
        signed.append(pd.DataFrame({"firm": np.flatnonzero(new), "year": year}))
        adopts = np.where(new, np.minimum(adopts, year), adopts)
        has = adopts <= year
        total, having = np.bincount(cell, minlength=cells), np.bincount(cell, weights=has, minlength=cells)
        shares[:, k] = (having[cell] - has) / np.maximum(total[cell] - 1, 1)
        noise = 0.8 * noise + rng.normal(0.0, 0.15, count)
        trend = (0.05 + boom * shock[cell] / 7.0) * (year - 1972)
        logs[:, k] = level + trend + spillover * lagged + 0.9 * has + noise
    names = np.array([f"f{i:04d}" for i in range(count)])
    places = np.array([f"r{n:02d}" for n in range(regions)])
    panel = pd.DataFrame(
        {
            "firm": np.repeat(names, YEARS.size),
            "year": np.tile(YEARS, count),
            "region": np.repeat(places[region], YEARS.size),
            "sector": np.repeat(np.array([f"s{j}" for j in range(sectors)])[sector], YEARS.size),
            "group": np.repeat(np.where(group >= 0, np.char.add("g", group.astype(str)), ""), YEARS.size),
            "sales": np.exp(logs).ravel(),
            "exports": np.where(rng.random(logs.shape) < 0.3, 0.1 * np.exp(logs), 0.0).ravel(),
        }
    )
    panel["group"] = panel["group"].where(panel["group"] != "", None)
    panel = panel[rng.random(len(panel)) >= gaps]
    contracts = pd.concat(signed, ignore_index=True)
    contracts["country"] = rng.choice(["japan", "us", "germany"], len(contracts))
    contracts["firm"] = names[contracts["firm"]]
    contracts["contract"] = np.arange(len(contracts)).astype(str)
    side = int(np.ceil(np.sqrt(regions)))
    where = pd.DataFrame(
        {
            "region": places,
            "latitude": 34.5 + 3.5 * (np.arange(regions) // side) / side + rng.uniform(0, 0.3, regions),
            "longitude": 126.5 + 3.0 * (np.arange(regions) % side) / side + rng.uniform(0, 0.3, regions),
        }
    )
    extra = _policy_frames(rng, names, places, sectors) if frames else {}
    return World(
        MicroData.of(panel=panel, contracts=contracts, regions=where, label="synthetic", **extra),
        spillover,
        complementarity,
    )


def _policy_frames(rng, names, places, sectors):
    lucky = rng.choice(names, 60, replace=False)
    credit = pd.DataFrame({"firm": lucky, "year": rng.integers(1972, 1980, 60), "amount": rng.exponential(2.0, 60)})
    guests = rng.choice(names, 80, replace=False)
    fairs = pd.DataFrame(
        {
            "firm": guests,
            "year": rng.integers(1972, 1980, 80),
            "participations": rng.integers(1, 4, 80).astype(float),
            "revenue": rng.exponential(1.0, 80),
        }
    )
    tariffs = pd.DataFrame(
        [
            {"sector": f"s{j}", "year": year, "import_tariff": rate, "input_tariff": 0.8 * rate}
            for j in range(sectors)
            for year, rate in zip(YEARS, np.sort(rng.uniform(0.1, 0.6, YEARS.size))[::-1], strict=True)
        ]
    )
    complexes = pd.DataFrame(
        {
            "region": places[:4],
            "sector": ["s0", "s1", None, "s0"],
            "first_year": [1974, 1980, 1971, 1973],
            "tax_favour": [0.3, 0.2, 0.1, 0.5],
        }
    )
    return {"credit": credit, "trade_fairs": fairs, "tariffs": tariffs, "complexes": complexes}
