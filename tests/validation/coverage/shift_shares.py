"""A shift-share regressor with errors that are correlated through the same shares.

    y_i = x_i + u_i,    x_i = Σ_s w_is g_s,    u_i = √κ c Σ_s w_is ν_s + √(1 − κ) ε_i

with g, ν and ε standard normal, c such that the first part has variance κ on average.  Shares of unit i are the mean
of its region's and its own, both Dirichlet; regions have ten units each.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy import stats

from bigpush_est.reduced_form.linear.clusters import Clusters
from bigpush_est.reduced_form.linear.problem import LinearProblem
from bigpush_est.reduced_form.shift_share.akm import akm
from bigpush_est.reduced_form.shift_share.shock_regression import shock_regression

from .study import Cell, Outcome

FAMILY = "Shift-shares"
TRUTH = 1.0


@dataclass(frozen=True, slots=True)
class ShiftShare:
    """Units, shocks, how unequal sectors' mean shares are (0: equal), and κ."""

    units: int
    shocks: int
    concentration: float
    correlated: float


def draw_sample(design: ShiftShare, rng: np.random.Generator) -> tuple[LinearProblem, np.ndarray, np.ndarray]:
    """Return a problem, shares and shocks."""
    size = np.exp(-design.concentration * np.arange(design.shocks) / design.shocks)
    alpha = 0.3 * design.shocks * size / size.sum()
    regions = design.units // 10
    region = np.repeat(np.arange(regions), 10)
    shares = 0.5 * rng.dirichlet(alpha, regions)[region] + 0.5 * rng.dirichlet(alpha, design.units)
    shocks = rng.standard_normal(design.shocks)
    exposed = shares / np.sqrt(np.mean(np.sum(shares**2, axis=1)))
    error = np.sqrt(design.correlated) * exposed @ rng.standard_normal(design.shocks)
    error += np.sqrt(1.0 - design.correlated) * rng.standard_normal(design.units)
    x = shares @ shocks
    none = np.empty((design.units, 0))
    problem = LinearProblem(
        TRUTH * x + error,
        none,
        np.column_stack([x, np.ones(design.units)]),
        none,
        ("x", "one"),
        (),
        None,
        Clusters.build({"region": region}),
        0,
        0,
    )
    return problem, shares, shocks


class DrawShiftShare:
    """Draw a sample and test the truth."""

    def __init__(self, design: ShiftShare) -> None:
        self.design = design

    def __call__(self, rng: np.random.Generator, costly: bool) -> Mapping[str, Outcome]:
        problem, shares, shocks = draw_sample(self.design, rng)
        result = akm(problem, shares, regressor="x", shocks=shocks, null=TRUTH)
        error = result.estimate - TRUTH
        labels = {"robust": "robust", "cluster": "by region", "AKM": "AKM", "AKM0": "AKM0"}
        found = {label: Outcome.of_p(result.row(method).p_value, error) for method, label in labels.items()}
        for label, rule in (("shock regression, normal", "none"), ("shock regression, t", "sandwich")):
            fit = shock_regression(problem, shares, shocks, regressor="x", small_sample=rule)
            ratio = abs(fit.estimate - TRUTH) / fit.standard_error
            p_value = 2.0 * float(stats.t.sf(ratio, fit.covariance.degrees_of_freedom))
            found[label] = Outcome.of_p(p_value, fit.estimate - TRUTH)
        return found


CELLS = [
    Cell(FAMILY, name, DrawShiftShare(design), 2000, 2000)
    for name, design in {
        "150 shocks, 300 units, κ = 0.5": ShiftShare(300, 150, 0.0, 0.5),
        "150 shocks, 300 units, κ = 0": ShiftShare(300, 150, 0.0, 0.0),
        "20 shocks, 300 units, κ = 0.5": ShiftShare(300, 20, 0.0, 0.5),
        "20 unequal shocks, 300 units, κ = 0.5": ShiftShare(300, 20, 3.0, 0.5),
    }.items()
]
