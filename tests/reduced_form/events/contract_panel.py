"""A small panel of winners and losers whose effects are known: drawn directly, without the model of the paper."""

import numpy as np
import pandas as pd

from bigpush_est.data.frames import MicroData

#: Effect of adoption by years since, the last one from then on.
PATH = np.array([0.1, 0.25, 0.4, 0.5, 0.6])


def contract_panel(
    seed=0,
    *,
    losers=38,
    winners_per_cell=6,
    years=(1966, 1986),
    heterogeneous=0.0,
    delayed_share=0.65,
    gaps=0.05,
    noise=0.15,
    drift=0.0,
):
    """Draw firms in region-sectors, their contracts and log sales.

    Each cell has one loser, winners of its year with similar assets, and further winners that are larger.  Sales follow
    a firm's level, a trend of the cell and AR(1) noise; ``drift`` makes winners of the loser's year grow faster by that
    much a year, which violates parallel trends.  ``heterogeneous`` adds it to the effect per year of the contract.
    """
    rng = np.random.default_rng(seed)
    first, last = years
    span = np.arange(first, last + 1)
    rows, contracts, truth = [], [], []
    number = 0
    for cell in range(losers):
        region, sector = f"r{cell % 12:02d}", f"s{cell // 12:02d}"
        signed = int(rng.integers(first + 6, last - 7))
        trend = np.cumsum(rng.normal(0.03, 0.08, span.size))
        base = rng.normal(3.0, 0.8)
        for member in range(1 + winners_per_cell):
            number += 1
            name = f"f{number:04d}"
            lost = member == 0
            size = base + rng.normal(0.0, 0.2 if member < 4 else 1.0)
            adopts = signed
            if lost:
                adopts = signed + int(rng.integers(2, 6)) if rng.random() < delayed_share else 0
                contracts.append((f"k{len(contracts):05d}", name, signed, signed + 1, "foreign", rng.poisson(20)))
            if adopts:
                contracts.append((f"k{len(contracts):05d}", name, adopts, np.nan, None, rng.poisson(20)))
            since = span - adopts if adopts else np.full(span.size, -1)
            scale = 1.0 + heterogeneous * (signed - (first + last) / 2)
            effect = np.where(since >= 0, scale * PATH[np.clip(since, 0, PATH.size - 1)], 0.0)
            shock = np.zeros(span.size)
            for t in range(span.size):
                shock[t] = (0.7 * shock[t - 1] if t else 0.0) + rng.normal(0.0, noise)
            log_sales = size + 1.0 + trend + shock + effect + (0.0 if lost else drift * (span - signed))
            log_assets = size + 0.5 * trend + np.cumsum(rng.normal(0.0, 0.05, span.size))
            log_fixed = log_assets - 0.7 + rng.normal(0.0, 0.1, span.size)
            recorded = rng.random(span.size) > gaps
            truth.append((name, signed, adopts, lost))
            rows.append(
                pd.DataFrame(
                    {
                        "firm": name,
                        "year": span,
                        "region": region,
                        "sector": sector,
                        "sales": np.exp(log_sales),
                        "assets": np.exp(log_assets),
                        "fixed_assets": np.exp(log_fixed),
                    }
                )[recorded]
            )
    columns = ["contract", "firm", "year", "cancelled_year", "cancelled_by", "partner_patents"]
    credit = pd.DataFrame([(name, year) for name, *_ in truth for year in span if rng.random() < 0.05])
    credit = credit.set_axis(["firm", "year"], axis=1).assign(amount=lambda x: rng.lognormal(0.0, 1.0, len(x)))
    panel = pd.concat(rows, ignore_index=True)
    data = MicroData.of(
        panel=panel,
        contracts=pd.DataFrame(contracts, columns=columns),
        credit=credit[credit["firm"].isin(panel["firm"])],
        label="synthetic",
        source="drawn by the tests",
    )
    return data, pd.DataFrame(truth, columns=["firm", "signed", "adopted", "lost"])
