"""Linear regression by least squares, 2SLS, LIML and Fuller's estimator, with fixed effects and multi-way clusters.

All are k-class estimators on arrays from which fixed effects were taken out,

    β̂ = [X′Ω(I − κM)X]⁻¹ X′Ω(I − κM)y,    M = I − Z(Z′ΩZ)⁻¹Z′Ω,

with κ = 0 for least squares, 1 for 2SLS, the LIML root λ for LIML and λ − α/(N − L − rank of the fixed effects) for
Fuller's; L counts excluded and included instruments.  The covariance sums scores s_i = x̂_i ω_i û_i over clusters with
bread A = [X′Ω(I − κM)X]⁻¹, where x̂ = x − Mx is the projection on the instruments (for least squares, x itself), as
linearmodels and ivreg2 do for every κ.
"""

import warnings
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from bigpush_est.errors import (
    InvalidFormula,
    InvalidValue,
    TooFewObservations,
    UnderIdentified,
    WrongType,
)
from bigpush_est.reduced_form.linear.absorb import level_counts
from bigpush_est.reduced_form.linear.covariance import Covariance, cluster_covariance, iid_covariance
from bigpush_est.reduced_form.linear.design import build_design
from bigpush_est.reduced_form.linear.formula import FormulaParts, parse_formula
from bigpush_est.reduced_form.linear.linear_algebra import (
    centred_on_constant,
    solve_least_squares,
    solve_moments,
    variation,
)
from bigpush_est.reduced_form.linear.problem import LinearProblem
from bigpush_est.reduced_form.linear.reduction import reduce_design
from bigpush_est.reduced_form.linear.results import Regression
from bigpush_est.reduced_form.linear.small_sample import ParameterCount, SmallSampleRule, rule_named

type FloatArray = NDArray[np.float64]
type ClusterColumns = str | Sequence[str] | None


def ols(
    data: Any,
    formula: str,
    *,
    cluster: ClusterColumns = None,
    weights: str | None = None,
    small_sample: str | SmallSampleRule = "fixest",
    not_psd: Literal["repair", "refuse"] = "repair",
    singletons: Literal["drop", "keep"] = "drop",
    errors: Literal["robust", "iid"] = "robust",
) -> Regression:
    """Least squares with fixed effects and clustered standard errors.

    Parameters
    ----------
    data
        pandas, polars or PyArrow data, one row per observation.
    formula
        "y ~ x1 + x2 | effect1 + effect2", with ``i()``, ``C()``, ``:``, ``*``, ``log()`` and NumPy functions as
        pyfixest has them, and "a^b" for combined effects.
    cluster
        Columns whose values are the clusters: "region", ["region", "group"] or "region+group"; None for
        none.
    weights
        Column of positive weights, each row's inverse error variance.
    small_sample
        Rule for factors and degrees of freedom, by name.
    not_psd
        Whether to repair or refuse a covariance that is not positive semi-definite.
    singletons
        Whether to drop rows that are alone in a level of a fixed effect.
    errors
        Without clusters: heteroskedasticity-robust (HC1 under most rules) or iid standard errors.

    Returns
    -------
    Regression
        With what was dropped.

    Raises
    ------
    InputError
        One subclass per failure, see ``bigpush_est.errors``.

    Warns
    -----
    CollinearRegressors
        Naming regressors that were dropped.
    RepairedCovariance
        If eigenvalues were set to zero.

    Examples
    --------
    >>> import pandas as pd
    >>> data = pd.DataFrame({"y": [1.0, 2.0, 2.0, 5.0], "x": [0.0, 1.0, 2.0, 3.0], "firm": [1, 1, 2, 2]})
    >>> fit = ols(data, "y ~ x", cluster="firm", small_sample="none")
    >>> fit.names, [round(value, 3) for value in fit.coefficients.tolist()]
    (('Intercept', 'x'), [0.7, 1.2])
    """
    parts = parse_formula(formula)
    if parts.endogenous is not None:
        raise InvalidFormula(formula=formula, reason="least squares has no instruments", remedy="call iv()")
    return _fit(data, parts, "OLS", cluster, weights, small_sample, not_psd, singletons, errors)


def iv(
    data: Any,
    formula: str,
    *,
    cluster: ClusterColumns = None,
    weights: str | None = None,
    small_sample: str | SmallSampleRule = "fixest",
    not_psd: Literal["repair", "refuse"] = "repair",
    singletons: Literal["drop", "keep"] = "drop",
    errors: Literal["robust", "iid"] = "robust",
) -> Regression:
    """Two-stage least squares with fixed effects and clustered standard errors.

    Parameters
    ----------
    data, cluster, weights, small_sample, not_psd, singletons, errors
        As for ``ols``.
    formula
        "y ~ x | effect1 + effect2 | endogenous1 + endogenous2 ~ z1 + z2"; "y ~ 1 | endogenous ~ z" without
        exogenous regressors and effects.

    Returns
    -------
    Regression
        Endogenous regressors first.

    Raises
    ------
    UnderIdentified
        For fewer instruments than endogenous regressors, after collinear ones are dropped, or a first stage of less
        than full rank.
    NoVariation
        For an endogenous regressor, or every instrument, that the fixed effects absorb.
    InputError
        One subclass per other failure.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> rng = np.random.default_rng(0)
    >>> z, u = rng.normal(size=500), rng.normal(size=500)
    >>> data = pd.DataFrame({"z": z, "x": z + u, "y": 2.0 * (z + u) + u + rng.normal(size=500)})
    >>> round(iv(data, "y ~ 1 | x ~ z").coefficient("x"), 1)
    2.0
    """
    parts = _with_instruments(formula)
    return _fit(data, parts, "2SLS", cluster, weights, small_sample, not_psd, singletons, errors)


def liml(
    data: Any,
    formula: str,
    *,
    cluster: ClusterColumns = None,
    weights: str | None = None,
    small_sample: str | SmallSampleRule = "fixest",
    not_psd: Literal["repair", "refuse"] = "repair",
    singletons: Literal["drop", "keep"] = "drop",
    errors: Literal["robust", "iid"] = "robust",
) -> Regression:
    """Limited-information maximum likelihood; κ from ``linearmodels.IVLIML``.

    Parameters and errors are those of ``iv``.

    Examples
    --------
    With as many instruments as endogenous regressors it is 2SLS, κ = 1:

    >>> import numpy as np, pandas as pd
    >>> rng = np.random.default_rng(0)
    >>> z, u = rng.normal(size=500), rng.normal(size=500)
    >>> data = pd.DataFrame({"z": z, "x": z + u, "y": 2.0 * (z + u) + u + rng.normal(size=500)})
    >>> round(liml(data, "y ~ 1 | x ~ z").kappa, 10)
    1.0
    """
    parts = _with_instruments(formula)
    return _fit(data, parts, "LIML", cluster, weights, small_sample, not_psd, singletons, errors)


def fuller(
    data: Any,
    formula: str,
    *,
    alpha: float = 1.0,
    cluster: ClusterColumns = None,
    weights: str | None = None,
    small_sample: str | SmallSampleRule = "fixest",
    not_psd: Literal["repair", "refuse"] = "repair",
    singletons: Literal["drop", "keep"] = "drop",
    errors: Literal["robust", "iid"] = "robust",
) -> Regression:
    """Fuller's modification of LIML, which has moments: κ = κ_LIML − α/(N − L − rank of the fixed effects).

    Parameters
    ----------
    alpha
        1 makes the estimate nearly unbiased, 4 gives the smallest mean squared error (Fuller 1977).
    data, formula, cluster, weights, small_sample, not_psd, singletons, errors
        As for ``iv``.

    Raises
    ------
    InvalidValue
        For a negative α.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> rng = np.random.default_rng(0)
    >>> z, u = rng.normal(size=500), rng.normal(size=500)
    >>> data = pd.DataFrame({"z": z, "x": z + u, "y": 2.0 * (z + u) + u + rng.normal(size=500)})
    >>> round((1.0 - fuller(data, "y ~ 1 | x ~ z").kappa) * (500 - 2), 6)
    1.0
    """
    if not (np.isfinite(alpha) and alpha >= 0):
        raise InvalidValue(key="alpha", value=alpha, requirement="not negative", remedy="pass 1 or 4")
    parts = _with_instruments(formula)
    return _fit(data, parts, "Fuller", cluster, weights, small_sample, not_psd, singletons, errors, alpha)


def fit_problem(
    problem: LinearProblem,
    *,
    kappa: float | None = None,
    small_sample: str | SmallSampleRule = "fixest",
    parameters: ParameterCount | None = None,
    not_psd: Literal["repair", "refuse"] = "repair",
    errors: Literal["robust", "iid"] = "robust",
) -> tuple[FloatArray, Covariance, FloatArray, FloatArray]:
    """Estimate a problem whose fixed effects are already out.

    Parameters
    ----------
    problem
        Arrays of full column rank.
    kappa
        None for least squares without endogenous regressors and 2SLS with them.
    small_sample, not_psd, errors
        As for ``ols``.
    parameters
        None to count the problem's regressors and the ranks that it states.

    Returns
    -------
    coefficients, covariance, residuals, influence
        Shapes (K,), (K, K) inside, (N,) and (N, K).
    """
    regressors, shift = centred_on_constant(problem.regressors, problem.weights)
    if problem.endogenous.shape[1] == 0:
        projected = left = regressors
    else:
        instruments, _ = centred_on_constant(problem.all_instruments, problem.weights)
        first = problem.endogenous.shape[1]
        slopes = solve_least_squares(instruments, regressors[:, :first], problem.weights)
        projected = np.column_stack([instruments @ slopes, regressors[:, first:]])
        k = 1.0 if kappa is None else kappa
        left = projected if k == 1.0 else (1.0 - k) * regressors + k * projected
    coefficients, inverse = solve_moments(left, regressors, problem.outcome, problem.weights)
    residuals = problem.outcome - regressors @ coefficients
    bread = shift @ inverse
    omega_residuals = residuals if problem.weights is None else residuals * problem.weights
    scores = projected * omega_residuals[:, None]
    count = parameters if parameters is not None else _count_of(problem)
    if errors == "iid" and problem.clusters is None:
        covariance = iid_covariance(
            bread @ shift.T,
            float(residuals @ omega_residuals),
            problem.observations,
            small_sample=small_sample,
            parameters=count,
        )
    else:
        covariance = cluster_covariance(
            scores, bread, problem.clusters, small_sample=small_sample, parameters=count, not_psd=not_psd
        )
    return shift @ coefficients, covariance, residuals, scores @ bread.T


def _fit(
    data: Any,
    parts: FormulaParts,
    method: Literal["OLS", "2SLS", "LIML", "Fuller"],
    cluster: ClusterColumns,
    weights: str | None,
    small_sample: str | SmallSampleRule,
    not_psd: Literal["repair", "refuse"],
    singletons: Literal["drop", "keep"],
    errors: Literal["robust", "iid"],
    alpha: float = 0.0,
) -> Regression:
    rule = rule_named(small_sample)
    columns = _cluster_columns(cluster)
    _check_options(not_psd, singletons, errors, columns)
    design = build_design(data, parts, columns, weights, drop_singletons=singletons == "drop")
    problem, dropped, parameters = reduce_design(design)
    kappa = {"OLS": 0.0, "2SLS": 1.0}.get(method)
    if kappa is None:
        kappa = liml_kappa(problem)
        if method == "Fuller":
            freedom = problem.observations - problem.all_instruments.shape[1] - parameters.rank
            if freedom <= 0:
                raise TooFewObservations(
                    observations=problem.observations,
                    parameters=problem.observations - freedom,
                    remedy="use fewer instruments or fixed effects",
                )
            kappa -= alpha / freedom
    coefficients, covariance, residuals, influence = fit_problem(
        problem, kappa=kappa, small_sample=rule, parameters=parameters, not_psd=not_psd, errors=errors
    )
    return Regression(
        method=f"Fuller({alpha:g})" if method == "Fuller" else method,
        formula=parts.text,
        outcome=parts.outcome,
        names=problem.names,
        coefficients=coefficients,
        covariance=covariance,
        problem=problem,
        residuals=residuals,
        influence=influence,
        rows=design.rows,
        labels=design.labels,
        parameters=parameters,
        effects=dict(zip(design.effect_names, level_counts(design.effects), strict=True)),
        effect_codes=design.effects,
        dropped=dropped,
        r2_within=_r2(problem, residuals),
        kappa=kappa,
        weights=weights,
        errors=errors,
    )


def liml_kappa(problem: LinearProblem) -> float:
    """κ of LIML: smallest root of |Y′M₁Y − κ Y′MY| with Y = [y, endogenous], from ``linearmodels.IVLIML``.

    Raises
    ------
    UnderIdentified
        If linearmodels finds that κ is not defined.
    """
    from linearmodels.iv import IVLIML

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about the mean of weights and of columns without a constant
            model = IVLIML(
                problem.outcome,
                problem.exogenous if problem.exogenous.shape[1] else None,
                problem.endogenous,
                problem.instruments,
                weights=problem.weights,
            )
            kappa = model.fit(cov_type="unadjusted").kappa
    except (ValueError, np.linalg.LinAlgError) as error:
        raise UnderIdentified(
            detail=f"κ of LIML is not defined ({str(error).splitlines()[0]})", remedy="use 2SLS, or more observations"
        ) from None
    return float("nan") if kappa is None else float(kappa)


def _count_of(problem: LinearProblem) -> ParameterCount:
    rank = problem.absorbed + problem.absorbed_nested
    return ParameterCount(len(problem.names), rank, problem.absorbed, rank, problem.absorbed)


def _r2(problem: LinearProblem, residuals: FloatArray) -> float:
    omega = np.ones_like(residuals) if problem.weights is None else problem.weights
    total = float(variation(problem.outcome[:, None], problem.weights)[0]) ** 2
    return 1.0 - float((omega * residuals) @ residuals) / total if total > 0 else float("nan")


def _with_instruments(formula: str) -> FormulaParts:
    parts = parse_formula(formula)
    if parts.endogenous is None:
        raise InvalidFormula(
            formula=formula, reason="it names no instrument", remedy="write 'y ~ x | effects | endogenous ~ z'"
        )
    return parts


def _cluster_columns(cluster: ClusterColumns) -> tuple[str, ...]:
    if cluster is None:
        return ()
    given = cluster.split("+") if isinstance(cluster, str) else cluster
    if (
        not isinstance(given, Sequence)
        or not given
        or any(not isinstance(column, str) or not column for column in given)
    ):
        raise WrongType(
            key="cluster", value=repr(cluster), expected="names of columns", remedy="pass 'region' or a list of names"
        )
    columns = tuple(column.strip() for column in given)
    if len(set(columns)) < len(columns):
        raise InvalidValue(
            key="cluster", value=repr(cluster), requirement="a list without doubles", remedy="name each column once"
        )
    return columns


def _check_options(not_psd: str, singletons: str, errors: str, columns: tuple[str, ...]) -> None:
    for key, value, choices in (
        ("not_psd", not_psd, ("repair", "refuse")),
        ("singletons", singletons, ("drop", "keep")),
        ("errors", errors, ("robust", "iid")),
    ):
        if value not in choices:
            raise InvalidValue(
                key=key, value=repr(value), requirement=" or ".join(choices), remedy="choose one of them"
            )
    if errors == "iid" and columns:
        raise InvalidValue(
            key="errors", value="'iid'", requirement="'robust' with clusters", remedy="leave out cluster or errors"
        )
