"""Wild cluster bootstrap tests and confidence sets for least squares and IV, clustered in one dimension or several.

The variance in every t-ratio is clustered in all dimensions of the problem; the random weights are drawn by one of them
or by the cells of several (Cameron, Gelbach and Miller 2008; Davidson and MacKinnon 2010 for IV; MacKinnon, Nielsen and
Webb 2021 for several dimensions).  See ``wild_scores`` and ``wild_statistics`` for the algebra.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bigpush_est.errors import InvalidValue, NotPositiveSemiDefinite
from bigpush_est.reduced_form.linear.clusters import Clusters
from bigpush_est.reduced_form.linear.moments import parameter_count, rule_factors
from bigpush_est.reduced_form.linear.partialling import FloatArray, Partialled, need_instruments, partial_out
from bigpush_est.reduced_form.linear.problem import LinearProblem
from bigpush_est.reduced_form.linear.small_sample import ParameterCount, SmallSampleRule, rule_named
from bigpush_est.reduced_form.result import Result, axes_or_new
from bigpush_est.reduced_form.weak_iv.confidence_set import ConfidenceSet, check_level
from bigpush_est.reduced_form.wild.inversion import BootstrapP, BootstrapTest, count_draws, invert
from bigpush_est.reduced_form.wild.jackknife import jackknife_residuals, jackknife_scoring, with_fixed_effects
from bigpush_est.reduced_form.wild.scores import (
    FixedEffects,
    check_orthogonal,
    fixed_effects_projection,
    score_system,
    variance_clusters,
)
from bigpush_est.reduced_form.wild.statistics import WildModel, draw_sums
from bigpush_est.reduced_form.wild.weights import Seed, weight_draws

if TYPE_CHECKING:
    from matplotlib.axes import Axes

type Alternative = Literal["two-tailed", "equal-tailed", "greater", "less"]
type Ties = Literal["exclude", "include"]

#: More instruments than this would make the table of inner products larger than it is worth.
MOST_INSTRUMENTS = 5


@dataclass(frozen=True, slots=True, repr=False)
class WildBootstrap(Result):
    """Outcome of a wild cluster bootstrap.

    Attributes
    ----------
    name
        Coefficient under test.
    estimate
        Least squares or 2SLS.
    null
        Its value under the null.
    method
        "t" or "AR".
    statistic
        Of the sample.
    p
        Counts; ``p_value`` is the end of the interval that ``ties`` chooses.
    alternative, ties, impose_null, weights, scores, variance, small_sample
        As passed.
    bootstrap_by
        Dimensions whose cells share a weight.
    bootstrap_clusters
        Number of these cells.
    cluster_counts
        G by dimension of the variance.
    draws
        Drawn, or 2^G.
    enumerated
        Whether the draws are all sign vectors.
    without_statistic
        Draws left out as their variance was not positive (definite), as can happen in several dimensions.
    draws_of_statistic
        t* (or AR*), shape (draws,), NaN where there is none.
    confidence_set
        {β : p(β) > 1 − level}; None if not asked for.
    """

    name: str
    estimate: float
    null: float
    method: str
    statistic: float
    p: BootstrapP
    alternative: str
    ties: str
    impose_null: bool
    weights: str
    scores: str
    variance: str
    small_sample: str
    bootstrap_by: tuple[str, ...]
    bootstrap_clusters: int
    cluster_counts: dict[str, int]
    draws: int
    enumerated: bool
    without_statistic: int
    draws_of_statistic: FloatArray
    confidence_set: ConfidenceSet | None

    @property
    def p_value(self) -> float:
        """The end of [low, high] that ``ties`` chooses."""
        return self.p.low if self.ties == "exclude" else self.p.high

    def tidy(self) -> pd.DataFrame:
        """One row: the test, its p-value with ties and without, and the ends of the confidence set if asked for."""
        found = self.confidence_set
        return pd.DataFrame(
            {
                "name": [self.name],
                "Estimate": [self.estimate],
                "null": [self.null],
                "method": [self.method],
                "statistic": [self.statistic],
                "p_value": [self.p_value],
                "p_low": [self.p.low],
                "p_high": [self.p.high],
                "draws": [self.draws],
                "without_statistic": [self.without_statistic],
                "conf_low": [found.low if found else np.nan],
                "conf_high": [found.high if found else np.nan],
            }
        )

    def summary(self) -> str:
        """Say what was drawn and what came out."""
        by = " and ".join(f"{name} ({count:,} clusters)" for name, count in self.cluster_counts.items())
        drawn = "all sign vectors" if self.enumerated else f"{self.draws:,} draws, {self.weights} weights"
        null = "null imposed" if self.impose_null else "null not imposed"
        lines = [
            f"Wild cluster bootstrap of {self.name} = {self.null:g}: {self.method} = {self.statistic:.4g}, "
            f"p = {self.p_value:.4f} ({self.p.low:.4f} to {self.p.high:.4f} as ties count), {self.alternative}",
            f"{drawn}, {null}, by {' × '.join(self.bootstrap_by)} ({self.bootstrap_clusters:,} clusters); "
            f"{self.scores} scores, {self.variance} variance by {by}, rule '{self.small_sample}'",
        ]
        if self.without_statistic:
            lines.append(f"draws without a positive variance, left out: {self.without_statistic}")
        if self.confidence_set is not None:
            lines.append(f"{self.confidence_set.level:.0%} set: {self.confidence_set} ({self.confidence_set.kind})")
        return "\n".join(lines)

    def plot(self, axes: "Axes | None" = None) -> "Axes":
        """Draw the draws of the statistic, and the sample's."""
        axes = axes_or_new(axes)
        axes.hist(self.draws_of_statistic[np.isfinite(self.draws_of_statistic)], bins=60, color="0.75")
        axes.axvline(self.statistic, color="C3", label="sample")
        axes.set_xlabel(f"{self.method}* of {self.name} = {self.null:g}".replace("$", r"\$"))
        axes.set_ylabel("draws")
        axes.legend(frameon=False)
        return axes


def wild_bootstrap(
    problem: LinearProblem,
    *,
    regressor: str | None = None,
    null: float = 0.0,
    method: Literal["t", "AR"] = "t",
    draws: int = 9_999,
    bootstrap_by: str | tuple[str, ...] | None = None,
    weights: str = "rademacher",
    impose_null: bool = True,
    alternative: Alternative = "two-tailed",
    ties: Ties = "exclude",
    scores: Literal["plain", "jackknife"] = "plain",
    variance: Literal["CV1", "CV3"] = "CV1",
    small_sample: str | SmallSampleRule = "fixest",
    parameters: int | ParameterCount | None = None,
    fixed_effects: Clusters | None = None,
    level: float = 0.95,
    confidence_set: bool = False,
    seed: Seed = 0,
    workers: int = 1,
) -> WildBootstrap:
    """Test one coefficient by a wild cluster bootstrap, and invert the test if asked to.

    Parameters
    ----------
    problem
        Clustered; the variance takes all its dimensions.  With one endogenous regressor that is the coefficient under
        test; without, ``regressor`` names it.
    regressor
        For least squares.
    null
        β₀.
    method
        "t": t-ratio.  "AR": Wald statistic of the instruments in the regression of y − β₀x, for IV, two-tailed.
    draws
        Number of random draws; all 2^G sign vectors instead where Rademacher weights have no more than that.
    bootstrap_by
        Dimension whose clusters share a weight, or several: their cells.  None: the one with fewest clusters.
    weights
        "rademacher", "webb" (six points: for fewer than about 12 clusters) or "mammen".
    impose_null
        Residuals under the null (WCR, WRE) or unrestricted ones (WCU, WUE), with t* then centred at the estimate.
    alternative
        "two-tailed" (|t*| > |t|), "equal-tailed" (twice the smaller tail), "greater" (t* > t) or "less".
    ties
        "exclude": p is the share of draws strictly more extreme, as in boottest.  "include": ties count.
    scores
        "jackknife": residuals transformed by (I − A_g A_g′)⁻¹ ("31" of MacKinnon, Nielsen and Webb; "11" is plain), for
        least squares in one dimension.
    variance
        "CV3": jackknife variance ("13", and "33" with jackknife scores), for least squares in one dimension.
    small_sample, parameters
        As in ``cluster_covariance``; a factor that all terms share cancels in p.
    fixed_effects
        Those that were taken out, unless all are nested in the bootstrap's clusters: a bootstrap sample has to be
        demeaned as the sample was.
    level
        Confidence level.
    confidence_set
        Whether to invert the test.
    seed
        int, SeedSequence or Generator; every block of draws has a seed of its own.
    workers
        Threads; the numbers do not depend on it.

    Raises
    ------
    InvalidValue
        For a problem without clusters, several endogenous regressors, more than 5 instruments, unknown options, fixed
        effects that are needed or do not fit.
    NotPositiveSemiDefinite
        Where the sample's own variance is not positive.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> state = np.repeat(np.arange(8), 20)
    >>> x = rng.normal(size=8)[state] + rng.normal(size=160)
    >>> y = 0.8 * x + rng.normal(size=8)[state] + rng.normal(size=160)
    >>> problem = LinearProblem(y, np.empty((160, 0)), np.column_stack([x, np.ones(160)]), np.empty((160, 0)),
    ...     ("x", "one"), (), None, Clusters.build({"state": state}), 0, 0)
    >>> test = wild_bootstrap(problem, regressor="x", null=0.0)
    >>> test.enumerated, test.draws, test.p.ties
    (True, 256, 2)
    """
    level = check_level(level)
    _check_options(problem, method, alternative, ties, scores, variance, null, workers)
    name, parts = _tested(problem, regressor)
    iv = problem.endogenous.shape[1] > 0
    if not iv and method == "AR":
        raise InvalidValue(key="method", value="AR", requirement='"t" for least squares', remedy="pass an instrument")
    clusters = problem.clusters
    assert clusters is not None  # _check_options has refused anything else
    dimensions = _dimensions(clusters, bootstrap_by)
    boot = clusters.intersection(dimensions)
    rule = rule_named(small_sample)
    count = _count(problem, parameters)
    factors, _ = rule_factors(clusters, problem.observations, rule, count)
    effects = _effects(problem, fixed_effects, boot[0], parts)
    plan = weight_draws(weights, boot[1], draws, seed)
    model = _model(problem, parts, boot, factors, effects, impose_null, scores, variance)
    sums = draw_sums(model.system, plan, workers)
    test = BootstrapTest(model, sums, method, impose_null, alternative)
    statistic = test.of_sample(float(null))
    if not np.isfinite(statistic):
        raise NotPositiveSemiDefinite(
            clusters=" and ".join(clusters.names),
            minimum="not positive",
            detail="The statistic of the sample itself cannot be computed",
            remedy="cluster in fewer dimensions, or merge small clusters",
        )
    drawn = test.of_draws(float(null))
    region = invert(test, level, ties) if confidence_set else None
    return WildBootstrap(
        name=name,
        estimate=model.estimate,
        null=float(null),
        method=method,
        statistic=statistic,
        p=count_draws(drawn, statistic, alternative),
        alternative=alternative,
        ties=ties,
        impose_null=impose_null,
        weights=plan.kind,
        scores=scores,
        variance=variance,
        small_sample=rule.name,
        bootstrap_by=tuple(clusters.names[d] for d in dimensions),
        bootstrap_clusters=boot[1],
        cluster_counts=dict(zip(clusters.names, clusters.counts, strict=True)),
        draws=plan.draws,
        enumerated=plan.enumerated,
        without_statistic=int(np.isnan(drawn).sum()),
        draws_of_statistic=drawn,
        confidence_set=region,
    )


# -- checks -----------------------------------------------------------------------------------------------------------


def _check_options(
    problem: LinearProblem,
    method: str,
    alternative: str,
    ties: str,
    scores: str,
    variance: str,
    null: float,
    workers: int,
) -> None:
    for key, value, known in (
        ("method", method, ("t", "AR")),
        ("alternative", alternative, ("two-tailed", "equal-tailed", "greater", "less")),
        ("ties", ties, ("exclude", "include")),
        ("scores", scores, ("plain", "jackknife")),
        ("variance", variance, ("CV1", "CV3")),
    ):
        if value not in known:
            raise InvalidValue(key=key, value=repr(value), requirement=f"one of {known}", remedy="choose one")
    if method == "AR" and alternative != "two-tailed":
        raise InvalidValue(
            key="alternative", value=alternative, requirement='"two-tailed" for AR', remedy="AR has no sign"
        )
    if not (isinstance(null, int | float) and np.isfinite(null)):
        raise InvalidValue(key="null", value=null, requirement="a finite number", remedy="pass 0.0")
    if isinstance(workers, bool) or not isinstance(workers, int) or not 1 <= workers <= 64:
        raise InvalidValue(key="workers", value=workers, requirement="a whole number from 1 to 64", remedy="pass 1")
    if problem.clusters is None:
        raise InvalidValue(
            key="clusters",
            value="none",
            requirement="given for a cluster bootstrap",
            remedy="cluster; for a plain wild bootstrap make every observation its own cluster",
        )
    if "jackknife" in (scores, "jackknife" if variance == "CV3" else "") and (
        problem.endogenous.shape[1] > 0 or len(problem.clusters.names) > 1
    ):
        raise InvalidValue(
            key="scores or variance",
            value="jackknife",
            requirement="plain for IV and in several dimensions",
            remedy='use scores="plain", variance="CV1"',
        )


def _tested(problem: LinearProblem, regressor: str | None) -> tuple[str, Partialled]:
    """Return the coefficient's name, and arrays net of everything but its regressor and the instruments."""
    if problem.endogenous.shape[1] > 0:
        need_instruments(problem, endogenous=1)
        if problem.instruments.shape[1] > MOST_INSTRUMENTS:
            raise InvalidValue(
                key="instruments",
                value=problem.instruments.shape[1],
                requirement=f"at most {MOST_INSTRUMENTS}",
                remedy="use fewer, or the Anderson-Rubin test without bootstrap",
            )
        if regressor is not None and regressor != problem.names[0]:
            raise InvalidValue(
                key="regressor",
                value=regressor,
                requirement=f"'{problem.names[0]}', the endogenous one",
                remedy="leave it out; exogenous regressors of an IV are not tested here",
            )
        return problem.names[0], partial_out(problem)
    if regressor not in problem.names:
        raise InvalidValue(
            key="regressor", value=regressor, requirement=f"one of {list(problem.names)}", remedy="name it"
        )
    column = problem.names.index(regressor)
    others = [k for k in range(len(problem.names)) if k != column]
    tested = problem.exogenous[:, [column]]
    moved = LinearProblem(
        problem.outcome,
        tested,
        problem.exogenous[:, others],
        tested,
        (regressor, *(problem.names[k] for k in others)),
        (regressor,),
        problem.weights,
        problem.clusters,
        problem.absorbed,
        problem.absorbed_nested,
    )
    return regressor, partial_out(moved)


def _count(problem: LinearProblem, parameters: int | ParameterCount | None) -> ParameterCount:
    if isinstance(parameters, ParameterCount):
        return parameters
    return parameter_count(problem, len(problem.names)) if parameters is None else ParameterCount.plain(parameters)


def _dimensions(clusters: Clusters, bootstrap_by: str | tuple[str, ...] | None) -> tuple[int, ...]:
    if bootstrap_by is None:
        return (int(np.argmin(clusters.counts)),)
    named = (bootstrap_by,) if isinstance(bootstrap_by, str) else tuple(bootstrap_by)
    unknown = [name for name in named if name not in clusters.names]
    if unknown or not named or len(set(named)) != len(named):
        raise InvalidValue(
            key="bootstrap_by",
            value=named,
            requirement=f"one or several of {list(clusters.names)}",
            remedy="name clustering dimensions of the problem",
        )
    return tuple(clusters.names.index(name) for name in named)


def _effects(
    problem: LinearProblem, fixed_effects: Clusters | None, boot: NDArray[np.int64], parts: Partialled
) -> FixedEffects | None:
    if fixed_effects is None:
        nested_in_the_one = problem.clusters is not None and len(problem.clusters.names) == 1
        # where all are nested in the cluster, the one that counts as not nested is the constant
        nested = problem.absorbed_nested > 0 and problem.absorbed <= 1 and nested_in_the_one
        if nested or problem.absorbed + problem.absorbed_nested == 0:
            return None
        raise InvalidValue(
            key="fixed_effects",
            value="None",
            requirement="the fixed effects that were taken out, as not all are nested in the bootstrap's clusters",
            remedy="pass Clusters.build({name: column, …}) of the absorbed columns",
        )
    effects = fixed_effects_projection(fixed_effects, boot, parts.scale)
    check_orthogonal(effects, np.column_stack([parts.outcome, parts.endogenous, parts.instruments, parts.controls]))
    return effects


# -- the model --------------------------------------------------------------------------------------------------------


def liml_coefficient(outcome: FloatArray, endogenous: FloatArray, instruments: FloatArray) -> float:
    """LIML with one endogenous regressor, from arrays net of controls."""
    both = np.column_stack([outcome, endogenous])
    explained = both.T @ instruments @ np.linalg.solve(instruments.T @ instruments, instruments.T @ both)
    total = both.T @ both
    within = total - explained
    kappa = float(np.min(np.linalg.eigvals(np.linalg.solve(within, total)).real))
    kernel = total - kappa * within
    return float(kernel[1, 0] / kernel[1, 1])


def _model(
    problem: LinearProblem,
    parts: Partialled,
    boot: tuple[NDArray[np.int64], int],
    factors: tuple[float, ...],
    effects: FixedEffects | None,
    impose_null: bool,
    scores: str,
    variance: str,
) -> WildModel:
    assert problem.clusters is not None
    iv = problem.endogenous.shape[1] > 0
    y, x, z = parts.outcome, parts.endogenous[:, 0], parts.instruments
    bases = np.column_stack([y, x, z])
    clusters = variance_clusters(problem.clusters, factors)
    if iv:
        projected = z @ np.linalg.solve(z.T @ z, z.T @ x)
        estimate = float(projected @ y) / float(projected @ x)
        centre = estimate if z.shape[1] == 1 else liml_coefficient(y, x, z)
        residuals, scoring, scale = bases, z, 1.0
    else:
        estimate = centre = float(x @ y) / float(x @ x)
        residuals, scoring, scale = bases[:, :2], z / float(x @ x), 1.0
        if scores == "jackknife" or variance == "CV3":
            controls = with_fixed_effects(parts.controls, effects)
            if scores == "jackknife":
                full = controls if impose_null else np.column_stack([controls, x / np.linalg.norm(x)])
                residuals = jackknife_residuals(residuals, full, *boot)
            if variance == "CV3":
                scoring = jackknife_scoring(x, controls, *boot)[:, None]
                scale = (boot[1] - 1.0) / boot[1]
    system = score_system(z, scoring, residuals, parts.controls, boot, clusters, effects)
    sample = np.stack(
        [(clusters.membership @ (scoring[:, [a]] * bases)).T for a in range(scoring.shape[1])]
    )  # (A, 2 + A, H)
    return WildModel(iv, estimate, centre, z.T @ z, bases.T @ bases, system, scale, sample)
