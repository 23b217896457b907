"""Revenue elasticities: control function, least squares, cost shares, on `producers` with elasticities 0.6 and 0.4."""

from collections.abc import Mapping

import numpy as np
from scipy import stats

from bigpush_est.data.frames import MicroData
from bigpush_est.reduced_form.tfpr import control_function, cost_share_index

from ...reduced_form.test_tfpr import CAPITAL, LABOUR, producers
from .study import Cell, Outcome

FAMILY = "Revenue productivity"
DRAWS = 60
NAN = float("nan")


class DrawProducers:
    """Draw a panel of firms and estimate elasticities."""

    def __init__(self, firms: int) -> None:
        self.firms = firms

    def __call__(self, rng: np.random.Generator, costly: bool) -> Mapping[str, Outcome]:
        seed = int(rng.integers(2**31))
        data = MicroData.of(panel=producers(seed, self.firms).drop(columns="omega"))
        fit = control_function(data, draws=DRAWS, seed=seed)
        assert fit.standard_errors is not None
        found = {}
        truth = {"labour": LABOUR, "capital": CAPITAL}
        for position, (name, value) in enumerate(truth.items()):
            error = float(getattr(fit, name)) - value
            ratio = abs(error) / float(fit.standard_errors[position])
            found[f"control function, {name}"] = Outcome.of_p(2.0 * float(stats.norm.sf(ratio)), error)
        logs = np.log(data.panel[["employment", "fixed_assets"]].to_numpy())
        design = np.column_stack([logs, np.ones(len(logs))])
        slopes = np.linalg.lstsq(design, np.log(data.panel["sales"].to_numpy()), rcond=None)[0]
        shares = cost_share_index(data, inputs={"employment": "wage_bill", "fixed_assets": 0.15}).shares.mean()
        for position, (name, value) in enumerate(truth.items()):
            found[f"least squares, {name}"] = Outcome(float(slopes[position]) - value, NAN, NAN)
        found["cost share, labour"] = Outcome(float(shares["employment"]) - LABOUR, NAN, NAN)
        found["cost share, capital"] = Outcome(float(shares["fixed_assets"]) - CAPITAL, NAN, NAN)
        return found


CELLS = [Cell(FAMILY, "300 firms, 10 years", DrawProducers(300), 50, 50)]
