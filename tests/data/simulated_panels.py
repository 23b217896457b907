"""Simulated panels for tests, and views of their truth."""

from dataclasses import replace

import numpy as np
import pandas as pd

from bigpush_est.data.firm_panel import simulate_firm_panel
from bigpush_est.data.firm_panel_design import FirmPanelDesign

SCALE = 0.2
BASE = FirmPanelDesign()


def small(seed=1, **changes):
    """Return a fifth of a panel, the design changed as asked."""
    return simulate_firm_panel(replace(BASE, **changes), seed, scale=SCALE)


def with_firms(simulated):
    """Firm-years of the truth with what is constant of the firm; ``holds``: has technology."""
    truth = simulated.truth
    columns = ["firm", "region", "sector", "heavy", "signed", "adopted", "fate", "loser", "growth"]
    return truth.firm_years.rename(columns={"adopted": "holds"}).merge(truth.firms[columns], on="firm")


def exogenous(simulated):
    """Log productivity without spillover and technology, by firm and year."""
    rows, design = simulated.truth.firm_years, simulated.truth.design
    own = rows["log_z"] - design.delta * rows["share_lag"] - np.log(design.eta) * rows["phase"]
    return own.set_axis(pd.MultiIndex.from_frame(rows[["firm", "year"]]))
