"""Least squares with fixed effects: panels of units in regions and groups, one-way and two-way clusters.

    y_it = β_g x_it + a_i + c_t + u_it

    x_it = √w_r ξ_rt + √w_h ζ_ht + √(1 − w_r − w_h) v_it,    u_it likewise with draws of its own and weights of its own

with ξ and ζ AR(1) across the T years with coefficient ½ and unit variance, standard normal.  Or a treatment
x_it = 1[r treated]·1[t ≥ T/2], in regions drawn at random, with β_r ~ N(1, ½²) drawn for each region.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from bigpush_est.errors import NotPositiveSemiDefinite
from bigpush_est.reduced_form.linear.clusters import Clusters
from bigpush_est.reduced_form.linear.problem import LinearProblem
from bigpush_est.reduced_form.linear.regression import fit_problem
from bigpush_est.reduced_form.linear.small_sample import ParameterCount
from bigpush_est.reduced_form.wild.bootstrap import wild_bootstrap

from .study import Cell, Outcome

type FloatArray = NDArray[np.float64]
type IntArray = NDArray[np.int64]

YEARS = 4
TRUTH = 1.0
DRAWS = 399
FAMILY = "Least squares with fixed effects"

#: One of each family of small-sample rules: min(G) and each term's own G with t(min G − 1), N − K, and none.
RULES = {
    "t, rule fixest": "fixest",
    "t, rule fixest-conventional": "fixest-conventional",
    "t, rule sandwich": "sandwich",
    "normal, rule none": "none",
}


@dataclass(frozen=True, slots=True)
class Panel:
    """Sizes of a design.

    Attributes
    ----------
    regions, groups
        Number of clusters; without groups clusters are one-way.
    units
        In all, YEARS rows each.
    imbalance
        γ: region r = 1 … R has a share of the units proportional to exp(γ r/R).
    region_weight, group_weight
        w_r and w_h of regressor and error.
    treated
        Number of regions treated, for the design with a treatment; 0 for a continuous regressor.
    """

    regions: int
    groups: int
    units: int
    imbalance: float = 0.0
    region_weight: float = 0.5
    group_weight: float = 0.0
    treated: int = 0

    def region_of_units(self) -> IntArray:
        """Regions of the units, in blocks."""
        shares = np.exp(self.imbalance * np.arange(1, self.regions + 1) / self.regions)
        edges = np.round(np.cumsum(shares) / shares.sum() * self.units)
        return np.searchsorted(edges, np.arange(self.units), side="right").astype(np.int64)


def autoregressive(rng: np.random.Generator, count: int) -> FloatArray:
    """Stationary AR(1) with coefficient ½ and variance one, shape (count, YEARS)."""
    path = np.empty((count, YEARS))
    path[:, 0] = rng.standard_normal(count)
    for year in range(1, YEARS):
        path[:, year] = 0.5 * path[:, year - 1] + np.sqrt(0.75) * rng.standard_normal(count)
    return path


def within(values: FloatArray) -> FloatArray:
    """Take unit and year effects out of a balanced panel of shape (units, YEARS); shape (units·YEARS,)."""
    return (values - values.mean(axis=1, keepdims=True) - values.mean(axis=0) + values.mean()).ravel()


@dataclass(frozen=True, slots=True)
class Sample:
    """One sample, before fixed effects are taken out, as arrays of shape (units, YEARS)."""

    outcome: FloatArray
    regressor: FloatArray
    region: IntArray
    group: IntArray

    def problem(self, two_way: bool) -> tuple[LinearProblem, ParameterCount, Clusters]:
        """Return the problem without fixed effects, its parameters, and the fixed effects."""
        units = self.outcome.shape[0]
        names = {"region": self.region, "group": self.group} if two_way else {"region": self.region}
        clusters = Clusters.build({name: np.repeat(codes, YEARS) for name, codes in names.items()})
        none = np.empty((units * YEARS, 0))
        x = within(self.regressor)[:, None]
        # unit effects are nested in the clusters; one of them stands for the constant
        problem = LinearProblem(within(self.outcome), none, x, none, ("x",), (), None, clusters, YEARS - 1, units - 1)
        rank = units + YEARS - 1
        effects = Clusters.build({"unit": np.repeat(np.arange(units), YEARS), "year": np.tile(np.arange(YEARS), units)})
        return problem, ParameterCount(1, rank, YEARS, rank, YEARS), effects


def draw_sample(panel: Panel, rng: np.random.Generator) -> Sample:
    """Draw one sample."""
    region = panel.region_of_units()
    group = rng.integers(0, max(panel.groups, 1), panel.units)
    idiosyncratic = 1.0 - panel.region_weight - panel.group_weight

    def component() -> FloatArray:
        value: FloatArray = np.sqrt(idiosyncratic) * rng.standard_normal((panel.units, YEARS))
        value += np.sqrt(panel.region_weight) * autoregressive(rng, panel.regions)[region]
        if panel.groups:
            value += np.sqrt(panel.group_weight) * autoregressive(rng, panel.groups)[group]
        return value

    error = component()
    if not panel.treated:
        regressor = component()
        return Sample(TRUTH * regressor + error, regressor, region, group)
    treated = rng.permutation(panel.regions) < panel.treated
    regressor = (treated[region][:, None] & (np.arange(YEARS) >= YEARS // 2)).astype(np.float64)
    effect = TRUTH + 0.5 * rng.standard_normal(panel.regions)
    return Sample(effect[region][:, None] * regressor + error, regressor, region, group)


def outcomes(panel: Panel, rng: np.random.Generator, costly: bool) -> Mapping[str, Outcome]:
    """Try every method on one sample."""
    sample = draw_sample(panel, rng)
    problem, parameters, effects = sample.problem(two_way=panel.groups > 0)
    found: dict[str, Outcome] = {}
    for label, rule in RULES.items():
        try:
            coefficients, covariance, _, _ = fit_problem(problem, small_sample=rule, parameters=parameters)
        except NotPositiveSemiDefinite:
            # a single coefficient whose variance is negative: no standard error
            found[label] = Outcome.of_p(float("nan"))
            continue
        error = float(coefficients[0]) - TRUTH
        ratio = abs(error) / float(covariance.standard_errors[0])
        found[label] = Outcome.of_p(2.0 * float(stats.t.sf(ratio, covariance.degrees_of_freedom)), error)
    if costly:
        seed = int(rng.integers(2**31))
        for label, options in _bootstraps(panel).items():
            try:
                test = wild_bootstrap(
                    problem,
                    regressor="x",
                    null=TRUTH,
                    draws=DRAWS,
                    parameters=parameters,
                    fixed_effects=effects,
                    seed=seed,
                    **options,
                )
                found[label] = Outcome.of_p(test.p_value)
            except NotPositiveSemiDefinite:
                found[label] = Outcome.of_p(float("nan"))
    return found


def _bootstraps(panel: Panel) -> dict[str, dict[str, Any]]:
    if panel.groups:
        return {
            "WCR by the fewer": {},
            "WCR by cells": {"bootstrap_by": ("region", "group")},
            "WCU by the fewer": {"impose_null": False},
        }
    found: dict[str, dict[str, Any]] = {
        "WCR": {},
        "WCU": {"impose_null": False},
        "WCR, jackknife 33": {"scores": "jackknife", "variance": "CV3"},
    }
    # six points are for so few clusters that there are few sign vectors
    return found | {"WCR, Webb": {"weights": "webb"}} if panel.regions <= 12 else found


class DrawPanel:
    """A cell's draw, which processes can send to each other."""

    def __init__(self, panel: Panel) -> None:
        self.panel = panel

    def __call__(self, rng: np.random.Generator, costly: bool) -> Mapping[str, Outcome]:
        return outcomes(self.panel, rng, costly)


PANELS = {
    "one-way, 50 regions": Panel(50, 0, 200),
    "one-way, 8 regions": Panel(8, 0, 160),
    "one-way, 8 regions, unbalanced": Panel(8, 0, 160, imbalance=2.0),
    "two-way, 50 × 50": Panel(50, 50, 300, region_weight=0.3, group_weight=0.3),
    "two-way, 50 × 50, unbalanced": Panel(50, 50, 300, imbalance=2.0, region_weight=0.3, group_weight=0.3),
    "two-way, 10 × 6": Panel(10, 6, 160, region_weight=0.3, group_weight=0.3),
    "heterogeneous effects, 20 regions, 10 treated": Panel(20, 0, 160, region_weight=0.3, treated=10),
    "heterogeneous effects, 20 regions, 3 treated": Panel(20, 0, 160, region_weight=0.3, treated=3),
}

CELLS = [Cell(FAMILY, name, DrawPanel(panel), 4000, 1000) for name, panel in PANELS.items()]
