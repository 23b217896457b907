"""Wald tests on estimates from samples that overlap: least squares on the first two thirds of the rows, IV on the last.

    y_i = w_i + a_i,    s_i = x_i + b_i,    x_i = ½ z_i + ½ b_i + v_i

w, z, a and b have components of regions and groups as in the instruments' design; corr(w, z) = corr(a, b) = 0.7 in
every component.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from scipy import stats

from bigpush_est.errors import NotPositiveSemiDefinite
from bigpush_est.reduced_form.linear.joint import joint_covariance
from bigpush_est.reduced_form.linear.regression import iv, ols

from .instruments import components
from .study import Cell, Outcome

FAMILY = "Joint covariance"


class DrawJoint:
    """Draw a sample, estimate both, and test the truth."""

    def __init__(self, regions: int, groups: int, rows: int, cluster: str) -> None:
        self.counts, self.rows, self.cluster = (regions, groups), rows, cluster

    def __call__(self, rng: np.random.Generator, costly: bool) -> Mapping[str, Outcome]:
        region, group = rng.integers(0, self.counts[0], self.rows), rng.integers(0, self.counts[1], self.rows)
        share = 0.25 if "+" in self.cluster else 0.0

        def variable() -> np.ndarray:
            value = components(rng, region, group, self.counts, share)
            if not share:
                value = np.sqrt(0.3) * rng.standard_normal(self.counts[0])[region] + np.sqrt(0.7) * value
            return value

        w, own, a, other = (variable() for _ in range(4))
        # estimates are correlated where both regressors and errors are
        z, b = (0.7 * common + np.sqrt(1.0 - 0.49) * rest for common, rest in ((w, own), (a, other)))
        x = 0.5 * z + 0.5 * b + rng.standard_normal(self.rows)
        data = pd.DataFrame({"region": region, "group": group, "w": w, "y": w + a, "x": x, "z": z, "s": x + b})
        third = self.rows // 3
        try:
            fits = [
                ols(data.iloc[: 2 * third], "y ~ w", cluster=self.cluster),
                iv(data.iloc[third:], "s ~ 1 | x ~ z", cluster=self.cluster),
            ]
        except NotPositiveSemiDefinite:
            nothing = Outcome.of_p(float("nan"))
            return dict.fromkeys(["both", "difference", "ratio", "difference, as if independent"], nothing)
        joint = joint_covariance(fits, titles=["ols", "iv"])
        both = joint.wald([{"ols: w": 1.0}, {"iv: x": 1.0}], [1.0, 1.0])
        gap = joint.wald([{"ols: w": 1.0, "iv: x": -1.0}])
        here, there = joint.position("ols: w"), joint.position("iv: x")
        ratio = joint.delta(lambda beta: beta[there] / beta[here], names=["ratio"])
        error = float(joint.coefficients[here] - joint.coefficients[there])
        spread = float(np.hypot(joint.standard_errors[here], joint.standard_errors[there]))
        freedom = joint.degrees_of_freedom
        t_of_ratio = abs(float(ratio.values[0]) - 1.0) / float(ratio.standard_errors[0])
        return {
            "both": Outcome.of_p(both.p_value),
            "difference": Outcome.of_p(gap.p_value, error),
            "ratio": Outcome.of_p(2.0 * float(stats.t.sf(t_of_ratio, freedom)), float(ratio.values[0]) - 1.0),
            "difference, as if independent": Outcome.of_p(2.0 * float(stats.t.sf(abs(error) / spread, freedom)), error),
        }


CELLS = [
    Cell(FAMILY, "one-way, 50 regions, OLS and IV", DrawJoint(50, 1, 900, "region"), 1000, 1000),
    Cell(FAMILY, "one-way, 10 regions, OLS and IV", DrawJoint(10, 1, 900, "region"), 1000, 1000),
    Cell(FAMILY, "two-way, 50 × 50, OLS and IV", DrawJoint(50, 50, 900, "region+group"), 1000, 1000),
]
