"""Instruments: clusters in two ways, strength and endogeneity set, one instrument and three.

    y_i = x_i + u_i,    x_i = π Σ_l z_li + e_i,    corr(u, e) = ρ in every component

    z_li = √0.3 ξ_lr + √0.3 ζ_lh + √0.4 v_li,    u_i = ½ ξ_r + ½ ζ_h + √½ ε_i,  e_i likewise

over N units, each in a region r and a group h drawn at random.  π is such that π²/v is the stated strength, with v the
variance of the coefficient of z in a regression of e on it: with symmetric, independent instruments that is the mean of
the first-stage F, less one.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
from scipy import stats

from bigpush_est.errors import NotPositiveSemiDefinite
from bigpush_est.reduced_form.linear.clusters import Clusters
from bigpush_est.reduced_form.linear.problem import LinearProblem
from bigpush_est.reduced_form.linear.regression import fit_problem, liml_kappa
from bigpush_est.reduced_form.weak_iv.anderson_rubin import anderson_rubin_set, anderson_rubin_test
from bigpush_est.reduced_form.weak_iv.identification import identification
from bigpush_est.reduced_form.weak_iv.tf import tf_critical_value
from bigpush_est.reduced_form.wild.bootstrap import wild_bootstrap

from .study import Cell, Outcome

TRUTH = 1.0
DRAWS = 399
FAMILY = "Instruments, two-way clusters"
NOTHING = Outcome.of_p(float("nan"))


@dataclass(frozen=True, slots=True)
class IvDesign:
    """Sizes, strength π²/v and endogeneity ρ."""

    regions: int
    groups: int
    units: int
    instruments: int
    strength: float
    endogeneity: float


def components(
    rng: np.random.Generator, region: np.ndarray, group: np.ndarray, counts: tuple[int, int], share: float
) -> np.ndarray:
    """A variable of unit variance, with a share due to the region and as much to the group."""
    value: np.ndarray = np.sqrt(share) * (
        rng.standard_normal(counts[0])[region] + rng.standard_normal(counts[1])[group]
    )
    value += np.sqrt(1.0 - 2.0 * share) * rng.standard_normal(region.size)
    return value


@cache
def sampling_variance(regions: int, groups: int, units: int) -> float:
    """v, from 4,000 samples with a seed of their own."""
    rng = np.random.default_rng(20)
    slopes = np.empty(4000)
    for number in range(slopes.size):
        region, group = rng.integers(0, regions, units), rng.integers(0, groups, units)
        z, e = (components(rng, region, group, (regions, groups), share) for share in (0.3, 0.25))
        z -= z.mean()
        slopes[number] = z @ e / (z @ z)
    return float(slopes.var())


def draw_problem(design: IvDesign, rng: np.random.Generator) -> LinearProblem:
    """Draw one sample."""
    counts, n = (design.regions, design.groups), design.units
    region, group = rng.integers(0, counts[0], n), rng.integers(0, counts[1], n)
    z = np.column_stack([components(rng, region, group, counts, 0.3) for _ in range(design.instruments)])
    e, other = (components(rng, region, group, counts, 0.25) for _ in range(2))
    u = design.endogeneity * e + np.sqrt(1.0 - design.endogeneity**2) * other
    x = np.sqrt(design.strength * sampling_variance(*counts, n)) * z.sum(axis=1) + e
    names = tuple(f"z{k}" for k in range(design.instruments))
    clusters = Clusters.build({"region": region, "group": group})
    return LinearProblem(TRUTH * x + u, x[:, None], np.ones((n, 1)), z, ("x", "one"), names, None, clusters, 0, 0)


def t_ratio(problem: LinearProblem, kappa: float, rule: str) -> tuple[float, float, float]:
    """Error, |t| of the truth and degrees of freedom of a k-class estimate; NaN without a standard error."""
    try:
        coefficients, covariance, _, _ = fit_problem(problem, kappa=kappa, small_sample=rule)
    except NotPositiveSemiDefinite:
        return float("nan"), float("nan"), float("nan")
    error = float(coefficients[0]) - TRUTH
    return error, abs(error) / float(covariance.standard_errors[0]), covariance.degrees_of_freedom


def t_outcome(problem: LinearProblem, kappa: float, rule: str) -> Outcome:
    """t-test of the truth."""
    error, ratio, freedom = t_ratio(problem, kappa, rule)
    return Outcome.of_p(2.0 * float(stats.t.sf(ratio, freedom)), error)


#: Forms of the Anderson-Rubin test.
AR_FORMS: dict[str, dict[str, Any]] = {
    "AR Wald, χ², rule none": {"residuals": "wald"},
    "AR Wald, χ², rule fixest": {"residuals": "wald", "small_sample": "fixest"},
    "AR Wald, F, rule fixest": {"residuals": "wald", "small_sample": "fixest", "distribution": "F"},
    "AR score, χ², rule none": {"residuals": "score"},
    "AR score, F, rule fixest": {"residuals": "score", "small_sample": "fixest", "distribution": "F"},
}


def ar_outcome(problem: LinearProblem, options: dict[str, Any]) -> Outcome:
    """Anderson-Rubin test of the truth, repaired where it has to be."""
    return Outcome.of_p(anderson_rubin_test(problem, TRUTH, not_psd="repair", **options).p_value)


def set_outcome(problem: LinearProblem, options: dict[str, Any]) -> Outcome:
    """Whether the Anderson-Rubin sets leave the truth out: they are repaired once for all coefficients."""
    outside = [
        float(not anderson_rubin_set(problem, level=level, not_psd="repair", **options).confidence_set.contains(TRUTH))
        for level in (0.95, 0.90)
    ]
    return Outcome(float("nan"), outside[0], outside[1])


def bootstrap_outcome(problem: LinearProblem, **options: Any) -> Outcome:
    """Wild bootstrap test of the truth."""
    try:
        return Outcome.of_p(wild_bootstrap(problem, null=TRUTH, draws=DRAWS, **options).p_value)
    except NotPositiveSemiDefinite:
        return NOTHING


def outcomes(design: IvDesign, rng: np.random.Generator, costly: bool) -> Mapping[str, Outcome]:
    """Try every method on one sample."""
    problem = draw_problem(design, rng)
    found = {
        "2SLS t, rule fixest": t_outcome(problem, 1.0, "fixest"),
        "2SLS normal, rule none": t_outcome(problem, 1.0, "none"),
    }
    strength = identification(problem)
    if design.instruments == 1:
        found["tF"] = _tf(problem, strength.first_stages[0].f.statistic)
        kappa = 1.0
    else:
        kappa = liml_kappa(problem)
        found["LIML t"] = t_outcome(problem, kappa, "fixest")
    freedom = problem.observations - problem.all_instruments.shape[1]
    found["Fuller t"] = t_outcome(problem, kappa - 1.0 / freedom, "fixest")
    for label, options in AR_FORMS.items():
        found[label] = ar_outcome(problem, options)
    found["2SLS t if effective F > its 10% value, else AR score"] = _gated(found, strength)
    if costly:
        seed = int(rng.integers(2**31))
        found["AR set, Wald, χ², rule fixest"] = set_outcome(problem, AR_FORMS["AR Wald, χ², rule fixest"])
        found["AR set, score, χ², rule none"] = set_outcome(problem, AR_FORMS["AR score, χ², rule none"])
        found["WRE by the fewer"] = bootstrap_outcome(problem, seed=seed)
        if design.instruments == 1:
            found["WRE by cells"] = bootstrap_outcome(problem, seed=seed, bootstrap_by=("region", "group"))
        found["AR bootstrap by the fewer"] = bootstrap_outcome(problem, seed=seed, method="AR")
    return found


def _tf(problem: LinearProblem, first_stage: float | None) -> Outcome:
    error, ratio, _ = t_ratio(problem, 1.0, "fixest")
    if first_stage is None or not np.isfinite(ratio):
        return Outcome(error, float("nan"), float("nan"))
    return Outcome(error, *(float(ratio > tf_critical_value(first_stage, level)) for level in (0.95, 0.90)))


def _gated(found: Mapping[str, Outcome], strength: Any) -> Outcome:
    """The usual interval if the effective F exceeds its critical value for a bias of 10%, else Anderson and Rubin's."""
    values, statistic = strength.critical_values, strength.effective_f.statistic
    chosen = found["AR score, χ², rule none"]
    if statistic is not None and values is not None:
        generalised = values.generalised if values.generalised is not None else values.simplified
        if statistic > generalised[1]:
            chosen = found["2SLS t, rule fixest"]
    # the error of an estimate that is looked at only where instruments seem strong is not that of an estimator
    return replace(chosen, error=float("nan"))


class DrawIv:
    """A cell's draw, which processes can send to each other."""

    def __init__(self, design: IvDesign) -> None:
        self.design = design

    def __call__(self, rng: np.random.Generator, costly: bool) -> Mapping[str, Outcome]:
        return outcomes(self.design, rng, costly)


#: Many, some and few clusters: regions, groups, units.
SIZES = {"50 × 50": (50, 50, 500), "30 × 76": (30, 76, 600), "10 × 6": (10, 6, 240)}

#: Size, instruments, strength, endogeneity.
GRID = [
    *(
        ("50 × 50", 1, strength, rho)
        for strength, rho in ((30.0, 0.3), (2.0, 0.3), (30.0, 0.95), (10.0, 0.95), (2.0, 0.95))
    ),
    *(("50 × 50", 3, strength, 0.95) for strength in (30.0, 2.0)),
    ("30 × 76", 1, 10.0, 0.95),
    *(("10 × 6", 1, strength, 0.95) for strength in (30.0, 10.0, 2.0)),
    ("10 × 6", 3, 2.0, 0.95),
]

CELLS = [
    Cell(
        FAMILY,
        f"{label}, L = {instruments}, F = {strength:.0f}, ρ = {endogeneity:g}",
        DrawIv(IvDesign(*SIZES[label], instruments, strength, endogeneity)),
        # one bootstrap of three instruments and fifty clusters takes a tenth of a second
        *((1000, 200) if (label, instruments) == ("50 × 50", 3) else (2000, 500)),
    )
    for label, instruments, strength, endogeneity in GRID
]
