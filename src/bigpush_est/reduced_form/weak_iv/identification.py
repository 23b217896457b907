"""How strong instruments are: first stages, Kleibergen-Paap, Cragg-Donald and effective F, clustered in any dimensions.

Everything is computed from endogenous regressors x̃ and instruments z̃ net of the included exogenous regressors, with
q = z̃(z̃′z̃)^{-1/2} their orthonormal version and v̂ the first-stage residuals.

    Kleibergen-Paap (2006)      rk = λ′ S_λ⁻¹ λ,  λ = a′Θb,  Θ = q′x̃(x̃′x̃)^{-1/2},  a and b the left and right singular
                                vectors of Θ beyond the rank under the null, E − 1
    effective F                 F_eff = x̃′qq′x̃ / tr W₂,  W₂ the covariance of Σ_i q_i v̂_i (Montiel Olea, Pflueger 2013)
    Cragg-Donald (1993)         smallest eigenvalue of Σ_vv^{-1/2} x̃′qq′x̃ Σ_vv^{-1/2}, over L
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from bigpush_est.errors import BigPushError, InvalidValue, NotPositiveSemiDefinite
from bigpush_est.reduced_form.linear.covariance import cluster_covariance
from bigpush_est.reduced_form.linear.moments import moment_covariance, parameter_count
from bigpush_est.reduced_form.linear.partialling import FloatArray, need_instruments, partial_out
from bigpush_est.reduced_form.linear.problem import LinearProblem
from bigpush_est.reduced_form.linear.small_sample import ParameterCount, SmallSampleRule, rule_named
from bigpush_est.reduced_form.result import Result
from bigpush_est.reduced_form.weak_iv.effective_f import EffectiveFCriticalValues, critical_values, nagar_bias_bound
from bigpush_est.reduced_form.weak_iv.tf import tf_critical_value


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One statistic, or why it cannot be computed.

    Attributes
    ----------
    name
        Of the statistic.
    statistic
        None where it cannot be computed.
    null
        What it tests.
    degrees_of_freedom
        Of the numerator, and of the denominator of an F.
    distribution
        "chi2", "F", or where critical values come from.
    p_value
        None without a statistic or a distribution under the null.
    small_sample
        Name of the rule, see ``small_sample.RULES``.
    reason
        Why there is no statistic.
    """

    name: str
    statistic: float | None
    null: str
    degrees_of_freedom: tuple[float, ...]
    distribution: str
    p_value: float | None
    small_sample: str
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class FirstStage:
    """First stage of one endogenous regressor.

    Attributes
    ----------
    name
        The regressor.
    instruments
        Names of the L instruments.
    coefficients, standard_errors
        Shape (L,); standard errors NaN where the variance is not positive.
    f
        Wald test that all coefficients are zero, divided by L.
    partial_r2
        Share of the variance, net of exogenous regressors, that instruments explain.
    """

    name: str
    instruments: tuple[str, ...]
    coefficients: FloatArray
    standard_errors: FloatArray
    f: Diagnostic
    partial_r2: float


@dataclass(frozen=True, slots=True, repr=False)
class Identification(Result):
    """All diagnostics of one IV problem.

    Attributes
    ----------
    first_stages
        By endogenous regressor.
    kleibergen_paap_lm
        Under-identification, χ²_{L−E+1}.
    kleibergen_paap_wald
        The same as a Wald statistic, no small-sample factor.
    kleibergen_paap_f
        Weak identification: the Wald statistic with the rule's factors, over L.
    cragg_donald_f
        The same under homoskedasticity.
    effective_f
        Of one endogenous regressor.
    critical_values
        Of the effective F.
    tf_critical_value
        Of the t-ratio, with one instrument and one endogenous regressor, at 95%.
    observations, cluster_counts
        N, and G by dimension.
    """

    first_stages: tuple[FirstStage, ...]
    kleibergen_paap_lm: Diagnostic
    kleibergen_paap_wald: Diagnostic
    kleibergen_paap_f: Diagnostic
    cragg_donald_f: Diagnostic
    effective_f: Diagnostic
    critical_values: EffectiveFCriticalValues | None
    tf_critical_value: float | None
    observations: int
    cluster_counts: dict[str, int]

    @property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """Every statistic, first stages first."""
        return (
            *(stage.f for stage in self.first_stages),
            self.kleibergen_paap_lm,
            self.kleibergen_paap_wald,
            self.kleibergen_paap_f,
            self.cragg_donald_f,
            self.effective_f,
        )

    def tidy(self) -> pd.DataFrame:
        """One row per statistic.

        Returns
        -------
        pandas.DataFrame
            ``name``, ``statistic``, ``null``, ``degrees_of_freedom``, ``distribution``, ``p_value``, ``small_sample``,
            ``reason`` where there is no statistic.
        """
        rows = [
            {
                "name": one.name,
                "statistic": np.nan if one.statistic is None else one.statistic,
                "null": one.null,
                "degrees_of_freedom": ", ".join(f"{freedom:g}" for freedom in one.degrees_of_freedom),
                "distribution": one.distribution,
                "p_value": np.nan if one.p_value is None else one.p_value,
                "small_sample": one.small_sample,
                "reason": one.reason or "",
            }
            for one in self.diagnostics
        ]
        return pd.DataFrame(rows)

    def printed(self) -> pd.DataFrame:
        """Return the statistics with headings to print."""
        return self.tidy()[["name", "statistic", "degrees_of_freedom", "distribution", "p_value"]].rename(
            columns={
                "name": "Statistic",
                "statistic": "Value",
                "degrees_of_freedom": "Degrees of freedom",
                "distribution": "Distribution",
                "p_value": "p",
            }
        )

    def summary(self) -> str:
        """Text of the statistics, with the critical values that go with them."""
        counts = ", ".join(f"{name} ({count:,} clusters)" for name, count in self.cluster_counts.items()) or "none"
        lines = [f"Strength of instruments, N = {self.observations:,}; clusters: {counts}"]
        for one in self.diagnostics:
            if one.statistic is None:
                lines.append(f"{one.name}: {one.reason}")
                continue
            chance = "" if one.p_value is None else f", p = {one.p_value:.4f}"
            lines.append(f"{one.name}: {one.statistic:.4g}{chance} ({one.null})")
        if self.critical_values is not None:
            values = zip(self.critical_values.biases, self.critical_values.simplified, strict=True)
            shown = ", ".join(f"{value:.4g} for {bias:.0%}" for bias, value in values)
            lines.append(f"critical values of the effective F, by bias: {shown}")
        if self.tf_critical_value is not None:
            lines.append(f"critical value of |t| at this F (tF): {self.tf_critical_value:.4g}")
        return "\n".join(lines)


def identification(
    problem: LinearProblem,
    *,
    small_sample: str | SmallSampleRule = "fixest-full",
    parameters: int | ParameterCount | None = None,
    level: float = 0.05,
) -> Identification:
    """Diagnose the strength of the instruments.

    Parameters
    ----------
    problem
        With at least one endogenous regressor.
    small_sample, parameters
        As in ``cluster_covariance``, for the first stage: K counts instruments, exogenous regressors and fixed effects.
        The default, smallest G and all fixed effects, is the rule of ivreg2.
    level
        Size of the effective F's test.

    Raises
    ------
    InvalidValue
        For no endogenous regressor, too few instruments, collinear columns.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> z = rng.normal(size=(300, 2))
    >>> x = z @ [0.3, 0.2] + rng.normal(size=300)
    >>> problem = LinearProblem(x + rng.normal(size=300), x[:, None], np.ones((300, 1)), z, ("x", "one"),
    ...     ("z1", "z2"), None, None, 0, 0)
    >>> found = identification(problem)
    >>> abs(found.kleibergen_paap_f.statistic - found.first_stages[0].f.statistic) < 1e-9
    True
    """
    need_instruments(problem)
    if not 0.0 < level < 0.5:
        raise InvalidValue(key="level", value=level, requirement="between 0 and 0.5", remedy="pass 0.05")
    rule = rule_named(small_sample)
    count = _count(problem, parameters)
    parts = partial_out(problem)
    x = parts.endogenous
    q, triangle = np.linalg.qr(parts.instruments)
    residuals = x - q @ (q.T @ x)
    stages = tuple(
        _first_stage(problem, k, x[:, k], residuals[:, k], q, triangle, rule, count) for k in range(x.shape[1])
    )
    wald = _rank_test(problem, x, residuals, q, "wald", rule_named("none"), count)
    effective, critical = _effective_f(problem, parts.outcome, x, residuals, q, rule, count, level)
    weak = _rank_test(problem, x, residuals, q, "F", rule, count)
    single = x.shape[1] == 1 and q.shape[1] == 1 and weak.statistic is not None
    return Identification(
        stages,
        _rank_test(problem, x, residuals, q, "lm", rule_named("none"), count),
        wald,
        weak,
        _cragg_donald(problem, x, residuals, q, rule, count),
        effective,
        critical,
        tf_critical_value(weak.statistic) if single and weak.statistic is not None else None,
        problem.observations,
        {} if problem.clusters is None else dict(zip(problem.clusters.names, problem.clusters.counts, strict=True)),
    )


def _count(problem: LinearProblem, parameters: int | ParameterCount | None) -> ParameterCount:
    if isinstance(parameters, ParameterCount):
        return parameters
    if parameters is not None:
        return ParameterCount.plain(parameters)
    return parameter_count(problem, problem.instruments.shape[1] + problem.exogenous.shape[1])


def _no_statistic(base: Diagnostic, error: BigPushError) -> Diagnostic:
    return Diagnostic(
        base.name, None, base.null, base.degrees_of_freedom, base.distribution, None, base.small_sample, str(error)
    )


def _refuse_unless_definite(matrix: FloatArray, scale: FloatArray, problem: LinearProblem) -> None:
    """Raise NotPositiveSemiDefinite unless a covariance is positive definite in units of ``scale``."""
    units = np.sqrt(np.where(scale > 0.0, scale, 1.0))
    smallest = float(np.linalg.eigvalsh(matrix / np.outer(units, units))[0])
    if smallest <= 1e-12:
        raise NotPositiveSemiDefinite(
            clusters=" and ".join(problem.clusters.names) if problem.clusters is not None else "observation",
            minimum=f"{smallest:.3g} (in units of the one-way variances)",
            detail="The statistic is not defined",
            remedy="cluster in fewer dimensions, or merge small clusters",
        )


def _first_stage(
    problem: LinearProblem,
    column: int,
    x: FloatArray,
    residual: FloatArray,
    q: FloatArray,
    triangle: FloatArray,
    rule: SmallSampleRule,
    count: ParameterCount,
) -> FirstStage:
    from scipy.special import fdtrc

    instruments = q.shape[1]
    explained = q.T @ x
    bread = np.linalg.inv(triangle)
    found = moment_covariance(q * residual[:, None], problem.clusters, rule, count)
    variance = np.diag(bread @ found.matrix @ bread.T)
    base = Diagnostic(
        f"first-stage F of {problem.names[column]}",
        None,
        f"the instruments do not explain {problem.names[column]}",
        (float(instruments), found.freedom),
        "F",
        None,
        rule.name,
    )
    try:
        covariance = cluster_covariance(
            q * residual[:, None],
            np.eye(instruments),
            problem.clusters,
            small_sample=rule,
            parameters=count,
            not_psd="refuse",
        )
        _refuse_unless_definite(covariance.matrix, found.scale, problem)
        statistic = float(explained @ np.linalg.solve(covariance.matrix, explained)) / instruments
        p_value = _f_tail(statistic, instruments, found.freedom, fdtrc)
        f = Diagnostic(base.name, statistic, base.null, base.degrees_of_freedom, base.distribution, p_value, rule.name)
    except NotPositiveSemiDefinite as error:
        f = _no_statistic(base, error)
    return FirstStage(
        problem.names[column],
        problem.instrument_names,
        bread @ explained,
        np.sqrt(np.where(variance > 0.0, variance, np.nan)),
        f,
        float(explained @ explained) / float(x @ x),
    )


def _f_tail(statistic: float, numerator: int, denominator: float, tail: Callable[..., float]) -> float:
    """Return the upper tail of F, whose denominator may be infinite."""
    return float(tail(numerator, min(denominator, 1e12), statistic))


def _rank_test(
    problem: LinearProblem,
    x: FloatArray,
    residuals: FloatArray,
    q: FloatArray,
    kind: str,
    rule: SmallSampleRule,
    count: ParameterCount,
) -> Diagnostic:
    """Kleibergen and Paap's test that Θ has rank E − 1."""
    from scipy.special import chdtrc

    endogenous, instruments = x.shape[1], q.shape[1]
    freedom = instruments - endogenous + 1
    label = {"lm": "Kleibergen-Paap rk LM", "wald": "Kleibergen-Paap rk Wald", "F": "Kleibergen-Paap rk Wald F"}[kind]
    null = f"the first stage has rank {endogenous - 1}: {'under' if kind != 'F' else 'weak '}-identification"
    base = Diagnostic(
        label,
        None,
        null.replace("weak -", "weak "),
        (float(freedom),) if kind != "F" else (float(instruments),),
        "chi2" if kind != "F" else "none under weak instruments: compare with rules of thumb, or use the effective F",
        None,
        rule.name,
    )
    normalise = np.linalg.inv(np.linalg.qr(x)[1])
    left, _, right = np.linalg.svd(q.T @ x @ normalise)
    a, b = left[:, endogenous - 1 :], normalise @ right[-1]
    moment = a.T @ (q.T @ (x @ b))
    source = x if kind == "lm" else residuals
    found = moment_covariance((q @ a) * (source @ b)[:, None], problem.clusters, rule, count)
    try:
        _refuse_unless_definite(found.matrix, found.scale, problem)
    except NotPositiveSemiDefinite as error:
        return _no_statistic(base, error)
    statistic = float(moment @ np.linalg.solve(found.matrix, moment))
    if kind == "F":
        return Diagnostic(
            base.name, statistic / instruments, base.null, base.degrees_of_freedom, base.distribution, None, rule.name
        )
    p_value = float(chdtrc(freedom, statistic))
    return Diagnostic(base.name, statistic, base.null, base.degrees_of_freedom, "chi2", p_value, rule.name)


def _cragg_donald(
    problem: LinearProblem,
    x: FloatArray,
    residuals: FloatArray,
    q: FloatArray,
    rule: SmallSampleRule,
    count: ParameterCount,
) -> Diagnostic:
    """Return the smallest eigenvalue of the concentration matrix, under homoskedasticity, over L."""
    n, instruments = problem.observations, q.shape[1]
    factor = rule.iid_factor(n, rule.parameters_of(count, clustered=False))
    variance = residuals.T @ residuals / n * factor
    root = np.linalg.inv(np.linalg.cholesky(variance))
    explained = q.T @ x @ root.T
    statistic = float(np.linalg.eigvalsh(explained.T @ explained)[0]) / instruments
    return Diagnostic(
        "Cragg-Donald F",
        statistic,
        "weak identification",
        (float(instruments),),
        "Stock and Yogo (2005), homoskedastic errors only",
        None,
        rule.name,
    )


# -- the effective F --------------------------------------------------------------------------------------------------


def _effective_f(
    problem: LinearProblem,
    outcome: FloatArray,
    x: FloatArray,
    residuals: FloatArray,
    q: FloatArray,
    rule: SmallSampleRule,
    count: ParameterCount,
    level: float,
) -> tuple[Diagnostic, EffectiveFCriticalValues | None]:
    instruments = q.shape[1]
    base = Diagnostic(
        "effective F",
        None,
        "the bias exceeds a share of the worst case",
        (float(instruments),),
        "Montiel Olea and Pflueger (2013): see the critical values",
        None,
        rule.name,
    )
    if x.shape[1] > 1:
        reason = f"it is defined for one endogenous regressor; there are {x.shape[1]}"
        return Diagnostic(
            base.name, None, base.null, base.degrees_of_freedom, base.distribution, None, rule.name, reason
        ), None
    of_outcome = outcome - q @ (q.T @ outcome)
    scores = np.hstack([q * of_outcome[:, None], q * residuals])
    found = moment_covariance(scores, problem.clusters, rule, count)
    w1, w12, w2 = _blocks(found.matrix)
    try:
        _refuse_unless_definite(w2, found.scale[instruments:], problem)
    except NotPositiveSemiDefinite as error:
        return _no_statistic(base, error), None
    explained = q.T @ x[:, 0]
    statistic = float(explained @ explained) / float(np.trace(w2))
    try:
        _refuse_unless_definite(found.matrix, found.scale, problem)
        bound: float | None = nagar_bias_bound(w1, w12, w2)
    except NotPositiveSemiDefinite:
        bound = None
    return (
        Diagnostic(base.name, statistic, base.null, base.degrees_of_freedom, base.distribution, None, rule.name),
        critical_values(w2, bound, level),
    )


def _blocks(matrix: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    half = matrix.shape[0] // 2
    return matrix[:half, :half], matrix[:half, half:], matrix[half:, half:]
