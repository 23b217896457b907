"""Anderson-Rubin tests and confidence sets with a covariance clustered in any number of dimensions.

With outcome, endogenous regressors and instruments net of controls, the statistic at β is the Wald statistic of the
instruments in the regression of ỹ − X̃β on them,

    AR(β) = g(β)′ S(β)⁻¹ g(β),    g(β) = Z̃′(ỹ − X̃β),    S(β) = Σ_T ± c_T Σ_g s_g s_g′,    s_i = z̃_i e_i(β)

with e(β) the residuals of that regression ("wald") or ỹ − X̃β itself ("score").  With one endogenous regressor g is
linear and S quadratic in β, so AR(β) = c is a polynomial equation of degree 2L (a quadratic one for one instrument) and
{β : AR(β) ≤ c} follows exactly from its roots.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from bigpush_est.errors import InvalidValue
from bigpush_est.reduced_form.linear.partialling import need_instruments, partial_out
from bigpush_est.reduced_form.linear.problem import LinearProblem
from bigpush_est.reduced_form.linear.small_sample import ParameterCount, SmallSampleRule
from bigpush_est.reduced_form.result import Result
from bigpush_est.reduced_form.weak_iv.anderson_rubin_moments import (
    ArMoments,
    ar_moments,
    definite_everywhere,
    dimension_names,
    positive_definite,
    repaired,
    solve,
)
from bigpush_est.reduced_form.weak_iv.confidence_set import ConfidenceSet, check_level, join

type Residuals = Literal["wald", "score"]
type Distribution = Literal["chi2", "F"]
type NotPsd = Literal["refuse", "repair"]


@dataclass(frozen=True, slots=True, repr=False)
class AndersonRubinTest(Result):
    """AR(β₀).

    Attributes
    ----------
    null
        β₀ by endogenous regressor.
    statistic
        In the units of χ²: L times F.
    p_value
        From χ²_L, or from F with ``denominator_freedom``.
    instruments
        L, the degrees of freedom.
    distribution, denominator_freedom
        "chi2" (∞) or "F".
    residuals, small_sample
        As passed.
    repaired
        Whether negative eigenvalues of the moments' covariance were set to zero.
    """

    null: dict[str, float]
    statistic: float
    p_value: float
    instruments: int
    distribution: str
    denominator_freedom: float
    residuals: str
    small_sample: str
    repaired: bool

    def tidy(self) -> pd.DataFrame:
        """One row: the null by regressor, ``statistic``, ``instruments``, ``p_value``, ``distribution``."""
        row: dict[str, object] = {f"null {name}": value for name, value in self.null.items()}
        row |= {"statistic": self.statistic, "instruments": self.instruments, "p_value": self.p_value}
        return pd.DataFrame([row | {"distribution": self.distribution, "repaired": self.repaired}])

    def summary(self) -> str:
        """Return the test in one line."""
        null = ", ".join(f"{name} = {value:g}" for name, value in self.null.items())
        if np.isinf(self.denominator_freedom):
            what = f"χ²({self.instruments}) = {self.statistic:.4g}"
        else:
            what = f"F({self.instruments}, {self.denominator_freedom:,.0f}) = {self.statistic / self.instruments:.4g}"
        repaired = "; covariance repaired" if self.repaired else ""
        return f"Anderson-Rubin test of {null}: {what}, p = {self.p_value:.4f}; rule '{self.small_sample}'{repaired}"


@dataclass(frozen=True, slots=True, repr=False)
class AndersonRubinSet(Result):
    """{β : AR(β) ≤ c} of one endogenous regressor.

    Attributes
    ----------
    name
        Of the regressor.
    confidence_set
        Bounded, unbounded, disjoint, the whole line or, with more instruments than regressors, empty.
    critical_value
        c, in the units of χ².
    at_infinity
        lim AR(β) as β → ±∞: the Wald statistic of the first stage.  The set is unbounded where it is at most c.
    method
        How the set was found.
    test
        The test of β = 0.
    """

    name: str
    confidence_set: ConfidenceSet
    critical_value: float
    at_infinity: float
    method: str
    test: AndersonRubinTest

    def tidy(self) -> pd.DataFrame:
        """One row per interval of the set, ``low`` and ``high``; none for the empty set."""
        pieces = self.confidence_set.intervals
        return pd.DataFrame(
            {
                "name": [self.name] * len(pieces),
                "low": [low for low, _ in pieces],
                "high": [high for _, high in pieces],
                "level": [self.confidence_set.level] * len(pieces),
            }
        )

    def summary(self) -> str:
        """Say the set, of which kind it is and why."""
        found = self.confidence_set
        return "\n".join(
            [
                f"Anderson-Rubin {found.level:.0%} set of {self.name}: {found} ({found.kind})",
                f"AR → {self.at_infinity:.4g} as β → ±∞, critical value {self.critical_value:.4g}; {self.method}",
                self.test.summary(),
            ]
        )


def _check(residuals: str, distribution: str, not_psd: str) -> None:
    for key, value, known in (
        ("residuals", residuals, ("wald", "score")),
        ("distribution", distribution, ("chi2", "F")),
        ("not_psd", not_psd, ("refuse", "repair")),
    ):
        if value not in known:
            raise InvalidValue(key=key, value=repr(value), requirement=f"one of {known}", remedy="choose one")


def _denominator(problem: LinearProblem, moments: ArMoments, distribution: str) -> float:
    if distribution == "chi2":
        return float("inf")
    if np.isfinite(moments.freedom):
        return moments.freedom
    if problem.clusters is not None:
        return float(min(problem.clusters.counts) - 1)
    used = problem.instruments.shape[1] + problem.exogenous.shape[1] + problem.absorbed + problem.absorbed_nested
    return float(problem.observations - used)


def _p_value(statistic: float, instruments: int, denominator: float) -> float:
    from scipy.special import chdtrc, fdtrc

    if np.isinf(denominator):
        return float(chdtrc(instruments, statistic))
    return float(fdtrc(instruments, denominator, statistic / instruments))


def _critical(level: float, instruments: int, denominator: float) -> float:
    from scipy.special import chdtri, fdtri

    if np.isinf(denominator):
        return float(chdtri(instruments, 1.0 - level))
    return float(instruments * fdtri(instruments, denominator, level))


def anderson_rubin_test(
    problem: LinearProblem,
    null: float | dict[str, float] = 0.0,
    *,
    residuals: Residuals = "wald",
    distribution: Distribution = "chi2",
    small_sample: str | SmallSampleRule = "none",
    parameters: int | ParameterCount | None = None,
    homoskedastic: bool = False,
    not_psd: NotPsd = "refuse",
) -> AndersonRubinTest:
    """Test the coefficients of all endogenous regressors jointly, whatever the strength of the instruments.

    Parameters
    ----------
    problem
        With at least one endogenous regressor.
    null
        β₀: by name of the endogenous regressors, or one number for all of them.
    residuals
        "wald": those of ỹ − X̃β₀ on the instruments.  "score": ỹ − X̃β₀ itself, which imposes the null.
    distribution
        χ²_L, or F with the rule's degrees of freedom (G − 1 where it has none).
    small_sample, parameters
        As in ``cluster_covariance``; K counts instruments, exogenous regressors and fixed effects.
    homoskedastic
        Whether to take σ²(β)·Z̃′Z̃ for S, clustered or not: the textbook statistic.
    not_psd
        "refuse" or "repair" a covariance of the moments that is not positive definite at β₀.

    Raises
    ------
    InvalidValue
        For no endogenous regressor, too few instruments, a null that does not name every endogenous regressor.
    NotPositiveSemiDefinite
        With ``not_psd="refuse"``.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> z = rng.normal(size=(200, 2))
    >>> x = z.sum(axis=1) + rng.normal(size=200)
    >>> problem = LinearProblem(x + rng.normal(size=200), x[:, None], np.ones((200, 1)), z, ("x", "one"),
    ...     ("z1", "z2"), None, None, 0, 0)
    >>> anderson_rubin_test(problem, 0.0).p_value < 1e-10, anderson_rubin_test(problem, 1.0).p_value > 0.05
    (True, True)
    """
    _check(residuals, distribution, not_psd)
    need_instruments(problem)
    names = problem.names[: problem.endogenous.shape[1]]
    beta = _null(null, names)
    parts = partial_out(problem)
    moments, found = ar_moments(problem, parts, residuals, small_sample, parameters, homoskedastic)
    direction = np.append(1.0, -np.array([beta[name] for name in names]))
    if not positive_definite(moments, found, direction):
        moments = repaired(moments, found, dimension_names(problem), not_psd, f"at {beta}")
    return _test(problem, moments, beta, residuals, distribution)


def _test(
    problem: LinearProblem, moments: ArMoments, beta: dict[str, float], residuals: str, distribution: str
) -> AndersonRubinTest:
    statistic = moments.statistic(np.append(1.0, -np.array(list(beta.values()))))
    denominator = _denominator(problem, moments, distribution)
    return AndersonRubinTest(
        beta,
        statistic,
        _p_value(statistic, moments.instruments, denominator),
        moments.instruments,
        distribution,
        denominator,
        residuals,
        moments.small_sample,
        moments.repaired,
    )


def _null(null: float | dict[str, float], names: tuple[str, ...]) -> dict[str, float]:
    values = null if isinstance(null, dict) else dict.fromkeys(names, null)
    if set(values) != set(names) or not all(np.isfinite(v) for v in values.values()):
        raise InvalidValue(
            key="null", value=null, requirement=f"a finite value for each of {list(names)}", remedy="name each of them"
        )
    return {name: float(values[name]) for name in names}


def anderson_rubin_set(
    problem: LinearProblem,
    *,
    level: float = 0.95,
    residuals: Residuals = "wald",
    distribution: Distribution = "chi2",
    small_sample: str | SmallSampleRule = "none",
    parameters: int | ParameterCount | None = None,
    homoskedastic: bool = False,
    not_psd: NotPsd = "refuse",
) -> AndersonRubinSet:
    """Invert the Anderson-Rubin test of one endogenous regressor, exactly.

    Parameters
    ----------
    problem
        With one endogenous regressor and any number of instruments.
    level
        Confidence level.
    residuals, distribution, small_sample, parameters, homoskedastic, not_psd
        As in ``anderson_rubin_test``.  The covariance is checked for every β: where S(β) is not positive definite for
        some β, the set is refused, or the stacked covariance of (z̃ e_y, z̃ e_x) repaired once for all β.

    Raises
    ------
    InvalidValue
        For another number of endogenous regressors.
    NotPositiveSemiDefinite
        With ``not_psd="refuse"``.

    Examples
    --------
    An irrelevant instrument leaves the coefficient unbounded:

    >>> rng = np.random.default_rng(3)
    >>> y, x, z = rng.normal(size=(3, 50))
    >>> problem = LinearProblem(y, x[:, None], np.ones((50, 1)), z[:, None], ("x", "one"), ("z",), None, None, 0, 0)
    >>> anderson_rubin_set(problem).confidence_set.bounded
    False
    """
    _check(residuals, distribution, not_psd)
    level = check_level(level)
    need_instruments(problem, endogenous=1)
    parts = partial_out(problem)
    moments, found = ar_moments(problem, parts, residuals, small_sample, parameters, homoskedastic)
    if not definite_everywhere(moments, found):
        moments = repaired(moments, found, dimension_names(problem), not_psd, "for every value of the coefficient")
    denominator = _denominator(problem, moments, distribution)
    critical = _critical(level, moments.instruments, denominator)
    confidence_set, method = solve(moments, critical, level)
    name = problem.names[0]
    return AndersonRubinSet(
        name,
        confidence_set,
        critical,
        moments.statistic(np.array([0.0, 1.0])),
        method,
        _test(problem, moments, {name: 0.0}, residuals, distribution),
    )


# -- several endogenous regressors ------------------------------------------------------------------------------------

#: Directions of the circle at which a projection is tried before its ends are bisected.
DIRECTIONS = 241


def anderson_rubin_projection(
    problem: LinearProblem,
    name: str,
    *,
    level: float = 0.95,
    residuals: Residuals = "wald",
    distribution: Distribution = "chi2",
    small_sample: str | SmallSampleRule = "none",
    parameters: int | ParameterCount | None = None,
    homoskedastic: bool = False,
    not_psd: NotPsd = "refuse",
) -> AndersonRubinSet:
    """Project the joint confidence set of two endogenous regressors on one of them.

    A value of one coefficient belongs to the projection if some value of the other makes AR at most the critical value
    of χ²_L: whether there is one is decided exactly, as for a single endogenous regressor.  Along the coefficient
    itself 241 directions β = centre + spread·tan θ are tried and the ends bisected: a component of the set that lies
    between two of them is not found.  Coverage is at least the level, and more where instruments are strong.

    Parameters
    ----------
    problem
        With two endogenous regressors.
    name
        The one to project on.
    level, residuals, distribution, small_sample, parameters, homoskedastic, not_psd
        As in ``anderson_rubin_set``.  Here the stacked covariance as a whole has to be positive definite.

    Raises
    ------
    InvalidValue
        For another number of endogenous regressors, or an unknown name.
    NotPositiveSemiDefinite
        With ``not_psd="refuse"``.
    """
    _check(residuals, distribution, not_psd)
    level = check_level(level)
    need_instruments(problem, endogenous=2)
    names = problem.names[:2]
    if name not in names:
        raise InvalidValue(key="name", value=name, requirement=f"one of {list(names)}", remedy="choose one")
    parts = partial_out(problem)
    moments, found = ar_moments(problem, parts, residuals, small_sample, parameters, homoskedastic)
    units = np.sqrt(found.scale)
    if np.linalg.eigvalsh(moments.covariance / np.outer(units, units))[0] <= 1e-12:
        moments = repaired(moments, found, dimension_names(problem), not_psd, "for every value of the coefficients")
    denominator = _denominator(problem, moments, distribution)
    critical = _critical(level, moments.instruments, denominator)
    own = 1 + names.index(name)
    other = 3 - own
    fitted = np.linalg.lstsq(moments.cross[:, 1:], moments.cross[:, 0], rcond=None)[0]
    centre = float(fitted[own - 1])
    spread = _projection_spread(moments, own, other)

    def inside(angle: float) -> bool:
        first = np.zeros(3)
        first[0], first[own] = np.cos(angle), -(centre * np.cos(angle) + spread * np.sin(angle))
        second = np.zeros(3)
        second[other] = 1.0
        change = np.kron(np.vstack([first, second]), np.eye(moments.instruments))
        reduced = ArMoments(
            moments.cross @ np.column_stack([first, second]),
            change @ moments.covariance @ change.T,
            moments.repaired,
            moments.small_sample,
            moments.freedom,
        )
        return bool(solve(reduced, critical, level)[0].intervals)

    angles = np.linspace(-0.5 * np.pi, 0.5 * np.pi, DIRECTIONS)
    within = [inside(float(a)) for a in angles]
    pieces: list[tuple[float, float]] = []
    low = -np.inf if within[0] else np.nan
    for k in range(1, angles.size):
        if within[k] == within[k - 1]:
            continue
        left, right = float(angles[k - 1]), float(angles[k])
        for _ in range(60):
            middle = 0.5 * (left + right)
            left, right = (middle, right) if inside(middle) == within[k - 1] else (left, middle)
        end = centre + spread * float(np.tan(0.5 * (left + right)))
        if within[k]:
            low = end
        else:
            pieces.append((float(low), end))
    if within[-1]:
        pieces.append((float(low), np.inf))
    return AndersonRubinSet(
        name,
        join(pieces, level),
        critical,
        float("nan"),
        f"scan of {DIRECTIONS} directions, exact in the other coefficient",
        _test(problem, moments, dict.fromkeys(names, 0.0), residuals, distribution),
    )


def _projection_spread(moments: ArMoments, own: int, other: int) -> float:
    """Scale of the coefficient: noise of the moments over what its regressor adds to the other's."""
    x, w = moments.cross[:, own], moments.cross[:, other]
    net = x - w * float(w @ x) / float(w @ w)
    noise = np.sqrt(float(np.trace(moments.blocks()[0, 0])))
    return float(noise / max(float(np.linalg.norm(net)), 1e-8 * float(np.linalg.norm(x)), 1e-300))
