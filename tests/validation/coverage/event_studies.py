"""Stacked event study of winners and losers, against the effects that the sample's firms and years had.

Effects differ by event time and by the year of the contract (`contract_panel`).  The truth of a coefficient is the same
regression with the true effect of each row's firm and year as its outcome: the design's own estimand.  Beside it, the
regression of two-way fixed effects on the same firms, whose target is the mean effect over its treated rows.
"""

import warnings
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas as pd
from scipy import stats

from bigpush_est.errors import NotPositiveSemiDefinite
from bigpush_est.reduced_form.events.event_study import EventStudy, stacked_event_study, winners_vs_losers
from bigpush_est.reduced_form.events.stacking import stacked_units
from bigpush_est.reduced_form.linear.clusters import Clusters
from bigpush_est.reduced_form.linear.joint import joint_covariance
from bigpush_est.reduced_form.linear.regression import iv, ols
from bigpush_est.reduced_form.linear.results import Regression
from bigpush_est.reduced_form.wild.bootstrap import wild_bootstrap

from ...reduced_form.events.contract_panel import PATH, contract_panel
from .study import Cell, Outcome

FAMILY = "Stacked event study"
YEARS = (1966, 1986)
DRAWS = 399

#: Event times of which the wild bootstrap is tried.
BOOTSTRAPPED = (3, 7)


def true_effects(rows: pd.DataFrame, truth: pd.DataFrame, heterogeneous: float) -> np.ndarray:
    """Effect of each row's firm and year, as `contract_panel` draws it."""
    firm = truth.set_index("firm").loc[rows["firm"]]
    adopted, signed = firm["adopted"].to_numpy(), firm["signed"].to_numpy()
    since = np.where(adopted > 0, rows["year"].to_numpy() - adopted, -1)
    scale = 1.0 + heterogeneous * (signed - sum(YEARS) / 2)
    effect: np.ndarray = np.where(since >= 0, scale * PATH[np.clip(since, 0, PATH.size - 1)], 0.0)
    return effect


def t_outcome(fit: Regression, position: int, truth: float) -> Outcome:
    """t-test of a coefficient's truth."""
    error = float(fit.coefficients[position]) - truth
    ratio = abs(error) / float(fit.standard_errors[position])
    return Outcome.of_p(2.0 * float(stats.t.sf(ratio, fit.degrees_of_freedom)), error)


def bootstrap_outcome(study: EventStudy, fit: Regression, name: str, truth: float, seed: int) -> Outcome:
    """Wild bootstrap by match."""
    frame = study.stack.frame.loc[fit.rows]
    try:
        test = wild_bootstrap(
            fit.problem,
            regressor=name,
            null=truth,
            draws=DRAWS,
            bootstrap_by="stack",
            parameters=fit.parameters,
            fixed_effects=Clusters.build({"unit": frame["stack_unit"], "time": frame["stack_time"]}),
            seed=seed,
        )
    except NotPositiveSemiDefinite:
        return Outcome.of_p(float("nan"))
    return Outcome.of_p(test.p_value)


class DrawEvents:
    """Draw a panel, estimate, and test the truth."""

    def __init__(self, heterogeneous: float, losers: int) -> None:
        self.heterogeneous, self.losers = heterogeneous, losers

    def __call__(self, rng: np.random.Generator, costly: bool) -> Mapping[str, Outcome]:
        seed = int(rng.integers(2**31))
        data, firms = contract_panel(seed, heterogeneous=self.heterogeneous, years=YEARS, losers=self.losers)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # firms that are not matched, listed
            study = winners_vs_losers(data)
            frame = study.stack.frame
            effects = frame.assign(effect=true_effects(frame, firms, self.heterogeneous))
            # rows without an outcome are not in the estimate's sample
            effects.loc[effects[study.outcome].isna(), "effect"] = np.nan
            truth = stacked_event_study(replace(study.stack, frame=effects), "effect", cluster=["stack"])
        found = {"pooled, t": t_outcome(study.pooled_regression, 0, truth.pooled)}
        if costly:
            name = study.pooled_regression.names[0]
            found["pooled, WCR by match"] = bootstrap_outcome(study, study.pooled_regression, name, truth.pooled, seed)
        for position, time in enumerate(study.event_times):
            target = float(truth.coefficients[truth.event_times.index(time)])
            found[f"τ = {time}, t"] = t_outcome(study.regression, position, target)
            if costly and time in BOOTSTRAPPED:
                name = study.regression.names[position]
                found[f"τ = {time}, WCR by match"] = bootstrap_outcome(study, study.regression, name, target, seed)
        found["pre-trend test"] = Outcome.of_p(study.pretrend().p_value)
        found["two-way fixed effects, t"] = two_way(study, firms, self.heterogeneous)
        found |= joint_outcomes(rng, study, truth.pooled, firms, self.heterogeneous)
        return found


def two_way(study: EventStudy, firms: pd.DataFrame, heterogeneous: float) -> Outcome:
    """One dummy for adoption, firm and year effects; the target is the mean effect of its treated rows."""
    units = stacked_units(study.stack, study.outcome)
    units["adopted"] = ((units["date"] > 0) & (units["year"] >= units["date"])).astype(float)
    effect = true_effects(units, firms, heterogeneous)[units["adopted"] > 0].mean()
    return t_outcome(ols(units, f"{study.outcome} ~ adopted | firm + year", cluster="firm"), 0, float(effect))


def joint_outcomes(
    rng: np.random.Generator, study: EventStudy, pooled: float, firms: pd.DataFrame, heterogeneous: float
) -> dict[str, Outcome]:
    """Wald tests on the pooled effect and an IV estimate whose errors are the same firms' sales.

    x = ½ z + 0.3 (y − effect) + v and w = x + (y − effect), over the firms' rows, each once, with firm and year
    effects; the coefficient of x is 1.  Both are clustered by match, in which the trends of a region-sector are shared.
    """
    units = stacked_units(study.stack, study.outcome)
    error = units[study.outcome].to_numpy() - true_effects(units, firms, heterogeneous)
    units["z"] = rng.standard_normal(len(units))
    units["x"] = 0.5 * units["z"] + 0.3 * error + 0.5 * rng.standard_normal(len(units))
    units["w"] = units["x"] + error
    units.index = pd.Index([f"unit row {number}" for number in range(len(units))])
    match_of = study.stack.frame.drop_duplicates("firm").set_index("firm")["stack"]
    second = iv(units, "w ~ 1 | firm + year | x ~ z", cluster="firm")
    first = study.pooled_regression
    stacked = study.stack.frame.loc[first.rows, "stack"].rename("match")
    in_units = units.loc[second.rows, "firm"].map(match_of).rename("match")
    clusters = pd.concat([stacked, in_units]).to_frame()
    joint = joint_covariance([first, second], cluster=clusters, titles=["event", "iv"])
    names = (f"event: {first.names[0]}", "iv: x")
    target = (pooled, 1.0)
    both = joint.wald([{names[0]: 1.0}, {names[1]: 1.0}], list(target))
    gap = joint.wald([{names[0]: 1.0, names[1]: -1.0}], [pooled - 1.0])
    error_of_gap = float(joint.coefficients[0] - joint.coefficients[joint.position(names[1])]) - (pooled - 1.0)
    return {
        "event study and IV, both": Outcome.of_p(both.p_value),
        "event study less IV": Outcome.of_p(gap.p_value, error_of_gap),
    }


CELLS = [
    Cell(FAMILY, "effects differ by event time and cohort, 38 losers", DrawEvents(0.05, 38), 200, 200),
]
