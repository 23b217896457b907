"""Small-sample rules by name: which factors and which degrees of freedom each software applies.

With N observations, K parameters and G_T clusters in term T of a clustered covariance, the factor of the term is

    c_T = [(N − 1)/(N − K)] · [G/(G − 1)]

or a part of it; without clusters it is N/(N − K).  Rules differ in which fixed effects K counts, in which G they take,
and in the t distribution that they refer to.
"""

from dataclasses import dataclass, replace
from typing import Literal, Self

from bigpush_est.errors import InvalidValue

type Counted = Literal["none", "regressors", "nonnested", "nonnested rank", "levels", "rank"]


@dataclass(frozen=True, slots=True)
class ParameterCount:
    """Parameters that a regression spent, as each software counts them.

    Attributes
    ----------
    regressors
        Coefficients that are reported.
    levels
        Absorbed fixed effects by their levels: Σ_f L_f − (F − 1), which overstates the rank where groups of levels are
        not connected with each other.
    nonnested
        The same without those nested in a cluster; each nested factor leaves one behind, for the constant.
    rank
        Rank of the absorbed fixed effects.
    nonnested_rank
        The same without those nested in a cluster, plus one for the constant if there are any.
    rank_is_exact
        False where more than two factors are so large that the rank was bounded from pairs of them.
    """

    regressors: int
    levels: int
    nonnested: int
    rank: int
    nonnested_rank: int
    rank_is_exact: bool = True

    @classmethod
    def plain(cls, parameters: int) -> Self:
        """Count one number under every rule.

        Examples
        --------
        >>> ParameterCount.plain(3).rank
        0
        """
        if parameters < 0:
            raise InvalidValue(key="parameters", value=parameters, requirement="not negative", remedy="pass K")
        return cls(int(parameters), 0, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class SmallSampleRule:
    """How a software scales a covariance.

    Attributes
    ----------
    name
        As in ``RULES``.
    software
        Who does it so.
    counted
        What K counts under clusters: the regressors alone, or with them all fixed effects (by levels or by rank) or
        those not nested in a cluster (likewise); "none" leaves (N − 1)/(N − K) out.
    groups
        G: "min" takes the smallest G of the dimensions for every term, "own" each term's, "none" leaves
        G/(G − 1) out.
    freedom
        Of t under clusters: smallest G − 1 ("clusters"), the smaller of that and N − K ("smaller"), N − K
        ("residual"), or the normal distribution.
    last_term_plain
        Whether the intersection of all dimensions, with two or more of them, has no factor at all.
    """

    name: str
    software: str
    counted: Counted
    groups: Literal["min", "own", "none"]
    freedom: Literal["clusters", "smaller", "residual", "normal"]
    last_term_plain: bool = False

    @property
    def divides_by_residual_freedom(self) -> bool:
        """Whether N − K must be positive."""
        return self.counted != "none"

    def parameters_of(self, count: ParameterCount, *, clustered: bool) -> int:
        """K; without clusters no fixed effect is nested in one."""
        match self.counted:
            case "none" | "rank":
                absorbed = count.rank
            case "regressors":
                absorbed = 0
            case "levels":
                absorbed = count.levels
            case "nonnested":
                absorbed = count.nonnested if clustered else count.levels
            case "nonnested rank":
                absorbed = count.nonnested_rank if clustered else count.rank
        return count.regressors + absorbed

    def cluster_factors(
        self, observations: int, parameters: int, counts: tuple[int, ...], term_counts: tuple[int, ...]
    ) -> tuple[float, ...]:
        """c_T of every term, in the order of ``Clusters.terms``.

        Examples
        --------
        >>> rule = RULES["fixest"]
        >>> [round(factor, 4) for factor in rule.cluster_factors(100, 10, (5, 4), (5, 4, 20))]
        [1.4667, 1.4667, 1.4667]
        >>> [round(factor, 4) for factor in RULES["sandwich"].cluster_factors(100, 10, (5, 4), (5, 4, 20))]
        [1.375, 1.4667, 1.1579]
        """
        common = 1.0 if self.counted == "none" else (observations - 1) / (observations - parameters)
        smallest = min(counts)
        factors = []
        for position, own in enumerate(term_counts):
            groups = {"min": smallest / (smallest - 1), "own": own / max(own - 1, 1), "none": 1.0}[self.groups]
            plain = self.last_term_plain and len(counts) > 1 and position == len(term_counts) - 1
            factors.append(1.0 if plain else common * groups)
        return tuple(factors)

    def robust_factor(self, observations: int, parameters: int) -> float:
        """N/(N − K), or one."""
        return 1.0 if self.counted == "none" else observations / (observations - parameters)

    def iid_factor(self, observations: int, parameters: int) -> float:
        """N/(N − K), or one."""
        return self.robust_factor(observations, parameters)

    def freedom_of(self, observations: int, parameters: int, counts: tuple[int, ...]) -> float:
        """Degrees of freedom of t; ∞ for the normal distribution."""
        if self.freedom == "normal":
            return float("inf")
        residual = float(max(observations - parameters, 1))
        if not counts or self.freedom == "residual":
            return residual
        clusters = float(min(counts) - 1)
        return min(clusters, residual) if self.freedom == "smaller" else clusters


_FIXEST = SmallSampleRule("fixest", "fixest and pyfixest, defaults", "nonnested", "min", "clusters")
_SANDWICH = SmallSampleRule("sandwich", "sandwich::vcovCL, HC1, cadjust=TRUE", "rank", "own", "residual")
_NONE = SmallSampleRule("none", "linearmodels, debiased=False", "none", "none", "normal")

#: Every rule by its name.
RULES: dict[str, SmallSampleRule] = {
    rule.name: rule
    for rule in (
        _FIXEST,
        replace(_FIXEST, name="fixest-conventional", software="fixest, G.df='conventional'", groups="own"),
        replace(_FIXEST, name="fixest-full", software="fixest, K.fixef='full'", counted="levels"),
        replace(
            _FIXEST,
            name="fixest-full-conventional",
            software="fixest, K.fixef='full', G.df='conventional'",
            counted="levels",
            groups="own",
        ),
        replace(_FIXEST, name="fixest-none", software="fixest, K.fixef='none'", counted="regressors"),
        replace(_FIXEST, name="fixest-no-k", software="fixest, K.adj=FALSE", counted="none"),
        replace(
            _FIXEST,
            name="fixest-no-k-conventional",
            software="fixest, K.adj=FALSE, G.df='conventional'",
            counted="none",
            groups="own",
        ),
        replace(_FIXEST, name="fixest-raw", software="fixest, K.adj=FALSE, G.adj=FALSE", counted="none", groups="none"),
        SmallSampleRule("reghdfe", "reghdfe and ivreghdfe", "nonnested rank", "min", "smaller"),
        _SANDWICH,
        replace(_SANDWICH, name="sandwich-HC0", software="sandwich::vcovCL, HC0, cadjust=TRUE", counted="none"),
        replace(
            _SANDWICH,
            name="sandwich-HC0-unadjusted",
            software="sandwich::vcovCL, HC0, cadjust=FALSE",
            counted="none",
            groups="none",
        ),
        replace(_SANDWICH, name="sandwich-unadjusted", software="sandwich::vcovCL, HC1, cadjust=FALSE", groups="none"),
        replace(
            _SANDWICH,
            name="sandwich-multi0",
            software="sandwich::vcovCL, HC1, cadjust=TRUE, multi0=TRUE",
            last_term_plain=True,
        ),
        replace(_SANDWICH, name="linearmodels", software="linearmodels.IV2SLS with dummies, debiased=True"),
        replace(
            _SANDWICH,
            name="linearmodels-absorbing",
            software="linearmodels.AbsorbingLS with two or more effects, debiased=True",
            counted="levels",
        ),
        replace(_SANDWICH, name="boottest", software="boottest and WildBootTests.jl, small", freedom="clusters"),
        _NONE,
    )
}


def rule_named(rule: str | SmallSampleRule) -> SmallSampleRule:
    """Return a rule by its name, or the rule itself.

    Raises
    ------
    InvalidValue
        For a name that is not in ``RULES``.

    Examples
    --------
    >>> rule_named("fixest").groups
    'min'
    """
    if isinstance(rule, SmallSampleRule):
        return rule
    if rule not in RULES:
        raise InvalidValue(
            key="small_sample", value=repr(rule), requirement="a known rule", remedy=f"choose one of {', '.join(RULES)}"
        )
    return RULES[rule]
