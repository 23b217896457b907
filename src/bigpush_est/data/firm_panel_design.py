"""The design of a simulated panel of firms: every parameter, with its unit and its default.

`docs/methods/firm-panel.md` gives the equations that these parameters enter.
"""

from dataclasses import dataclass, fields, replace
from math import isfinite, log
from typing import Literal, Self, get_args

from bigpush_est.data.frames import SalesDefinition
from bigpush_est.errors import InvalidValue, WrongType

#: What biases a comparison of firms or places, each of which can be switched off by itself.
type Mechanism = Literal[
    "selection_on_level",
    "selection_on_shocks",
    "selection_on_growth",
    "local_booms",
    "support_for_laggards",
    "incomplete_coverage",
    "measurement_error",
]
MECHANISMS: tuple[Mechanism, ...] = get_args(Mechanism.__value__)


@dataclass(frozen=True, slots=True, kw_only=True)
class FirmPanelDesign:
    """Parameters of the simulated panel.

    Attributes
    ----------
    eta, delta, subsidy_rate
        η, δ and s̄: what the estimators are to find.  The direct gain and the subsidy shift log sales by
        r·log η and −(σ−1)·log(1−s), spillovers by r·δ times the lagged share of adopters (r: `sales_exponent`).
    sigma, distortion_elasticity, distortion_level
        σ, ξ and τ̄: a firm keeps the share τ̄ z^ξ of its revenue.
    sales_definition
        Which revenue is on record, "gross" or "kept".
    pareto_shape, pareto_ratio
        θ and κ of the bounded Pareto marginal of the firm's own productivity.
    persistence
        Yearly autocorrelation of its normal score.
    phase_in
        Shares of log η that are attained in the year of the contract, one year after, ...; the last one stays.
    spillover_lag
        Years after which neighbours' adoption counts.
    perceived_eta
        η by which firms judge the gain; None for the true one.  A placebo needs it: without a gain nobody would adopt.
    firms, regions, groups, grouped_firms, contracts, signers, losers, never_losers
        Numbers that are met exactly (Sections 2.2 and 3.1); fewer `regions` are taken evenly from the ranking by firms.
    heavy_firms, heavy_contracts, heavy_signers
        Those of them in heavy manufacturing.
    domestic_cancellations, government_cancellations
        Contracts cancelled by the domestic party after bad years, and by the government.
    policy_years, subsidised_share
        First and last year of the subsidy; by default the economy says which regions are subsidised.
    size_dispersion
        Standard deviation of the log of a firm's permanent demand.
    growth_dispersion
        Standard deviation of a firm's own growth of log productivity, per year.
    input_price_dispersion
        Standard deviations of the logs of a firm's own wage and user cost of capital, both persistent.
    cost_growth
        Growth of the log of adoption costs per year, beside markets that grow.
    cost_dispersion, cost_persistence, cost_noise
        Standard deviation and yearly autocorrelation of the log of a firm's own adoption cost; standard deviation of
        a part that is new every year.
    opportunity
        Yearly probability that a firm without technology finds a partner to decide about.
    group_size_premium, group_access, group_access_step, group_coherence, heavy_group_share
        Log demand of firms in groups; log by which groups lower adoption costs at the start; standard deviation of the
        yearly step of that; how far groups judge their firms alike, from 0 to 1; share of groups that are heavy.
    local_shock_step, lagging_step
        Standard deviations of a region's sector's yearly growth of log productivity through booms, and of what setbacks
        take from it; both last, with an autocorrelation of 0.9.
    boom_pull, lagging_support
        By how much adoption costs fall, in logs, per log point of booms and of setbacks (unobserved support).
    coverage, coverage_by_size, gaps
        Share of firms that the reports have reached in the first and the last year; correlation of being reached early
        with size; probability that a year of a firm that was reached is missing.
    employment_from, employment_missing
        First year with employment on record, and the share missing from then on.
    sales_error, input_error
        Standard deviations of recording errors in logs.
    entry, exit_rate
        Share of firms that are active in the first year; yearly probability of exit.
    country_pull
        How strongly the countries of neighbours' earlier contracts draw new ones (log odds per share).
    exclusion_violation
        Elasticity of local demand to local groups' access to technology, which then also draws credit and fairs; 0
        keeps the group instrument valid.
    selection_on_level
        Whether a firm's demand, place and input prices enter its choice; False: their mean in the year does instead.
    selection_on_shocks
        Whether a firm's own productivity enters its choice; False: its mean does instead.
    """

    eta: float = 1.25
    delta: float = 0.68
    subsidy_rate: float = 0.06
    sigma: float = 5.0
    distortion_elasticity: float = 0.0
    distortion_level: float = 1.0
    sales_definition: SalesDefinition = "gross"
    pareto_shape: float = 4.24
    pareto_ratio: float = 1.40
    persistence: float = 0.8
    phase_in: tuple[float, ...] = (0.2, 0.4, 0.6, 0.8, 1.0)
    spillover_lag: int = 2
    perceived_eta: float | None = None
    years: tuple[int, int] = (1970, 1982)
    firms: int = 6230
    regions: int = 86
    groups: int = 59
    grouped_firms: int = 295
    contracts: int = 1634
    signers: int = 587
    losers: int = 38
    never_losers: int = 13
    heavy_firms: int = 2928
    heavy_contracts: int = 1389
    heavy_signers: int = 468
    domestic_cancellations: int = 12
    government_cancellations: int = 4
    policy_years: tuple[int, int] = (1973, 1979)
    size_dispersion: float = 0.8
    growth_dispersion: float = 0.015
    input_price_dispersion: tuple[float, float] = (0.15, 0.3)
    cost_growth: float = 0.16
    cost_dispersion: float = 1.0
    cost_persistence: float = 0.9
    cost_noise: float = 0.5
    opportunity: float = 0.3
    group_size_premium: float = 1.3
    group_access: float = 1.0
    group_access_step: float = 2.0
    group_coherence: float = 0.9
    heavy_group_share: float = 0.75
    local_shock_step: float = 0.01
    boom_pull: float = 10.0
    lagging_step: float = 0.012
    lagging_support: float = 25.0
    coverage: tuple[float, float] = (0.65, 0.97)
    coverage_by_size: float = 0.0
    gaps: float = 0.05
    employment_from: int = 1972
    employment_missing: float = 0.08
    sales_error: float = 0.10
    input_error: float = 0.05
    entry: float = 0.42
    exit_rate: float = 0.03
    country_pull: float = 1.5
    exclusion_violation: float = 0.0
    selection_on_level: bool = True
    selection_on_shocks: bool = True

    def __post_init__(self) -> None:
        _check(self)

    @property
    def markup(self) -> float:
        """μ = σ/(σ−1)."""
        return self.sigma / (self.sigma - 1)

    @property
    def kept_exponent(self) -> float:
        """ρ = σ(1+ξ) − 1, by which kept revenue and profit rise with z."""
        return self.sigma * (1 + self.distortion_elasticity) - 1

    @property
    def gross_exponent(self) -> float:
        """r = (σ−1)(1+ξ), by which gross revenue rises with z."""
        return (self.sigma - 1) * (1 + self.distortion_elasticity)

    @property
    def sales_exponent(self) -> float:
        """The exponent e by which sales on record rise with z."""
        return self.gross_exponent if self.sales_definition == "gross" else self.kept_exponent

    @property
    def direct_effect(self) -> float:
        """e·log η: log sales after the technology is fully phased in, without the subsidy."""
        return self.sales_exponent * log(self.eta)

    @property
    def subsidy_effect(self) -> float:
        """−(σ−1)·log(1−s̄): the subsidy's part of log sales while it is paid."""
        return -(self.sigma - 1) * log(1 - self.subsidy_rate)

    @property
    def spillover_coefficient(self) -> float:
        """e·δ: log sales on the lagged share of adopters."""
        return self.sales_exponent * self.delta

    def scaled(self, scale: float) -> Self:
        """Return a smaller panel: numbers of firms, regions, groups and contracts by one factor.

        Losers shrink to two thirds of that: in a small panel few have a winner to match.

        Parameters
        ----------
        scale
            In [0.1, 1].

        Examples
        --------
        >>> small = FirmPanelDesign().scaled(0.2)
        >>> small.firms, small.regions, small.groups, small.signers, small.losers, small.never_losers
        (1246, 17, 12, 117, 5, 1)
        """
        if not 0.1 <= scale <= 1:
            raise InvalidValue(
                key="scale",
                value=scale,
                requirement="between 0.1 and 1",
                remedy="smaller panels have no losers left to match; for larger ones set the numbers themselves",
            )
        if scale == 1:
            return self
        numbers = {name: max(1, round(getattr(self, name) * scale)) for name in _NUMBERS}
        losers = max(2, round(2 / 3 * numbers["losers"]))
        numbers |= {"losers": losers, "never_losers": max(1, losers // 3)}
        return replace(self, **numbers)

    def placebo(self) -> Self:
        """Return the same panel without any effect: η = 1, δ = 0, s̄ = 0, chosen as if η were what it was."""
        return replace(
            self, eta=1.0, delta=0.0, subsidy_rate=0.0, perceived_eta=self.perceived_eta or max(self.eta, 1.01)
        )

    def without(self, *mechanisms: Mechanism) -> Self:
        """Return the same panel without some mechanisms of bias; all other draws stay as they are.

        Parameters
        ----------
        mechanisms
            Of `MECHANISMS`: "selection_on_level", "selection_on_shocks", "selection_on_growth", "local_booms",
            "support_for_laggards", "incomplete_coverage", "measurement_error".

        Examples
        --------
        >>> FirmPanelDesign().without("incomplete_coverage").coverage
        (1.0, 1.0)
        """
        changes: dict[Mechanism, dict[str, object]] = {
            "selection_on_level": {"selection_on_level": False},
            "selection_on_shocks": {"selection_on_shocks": False},
            "selection_on_growth": {"growth_dispersion": 0.0},
            "local_booms": {"local_shock_step": 0.0},
            "support_for_laggards": {"lagging_step": 0.0},
            "incomplete_coverage": {"coverage": (1.0, 1.0), "gaps": 0.0, "employment_missing": 0.0},
            "measurement_error": {"sales_error": 0.0, "input_error": 0.0},
        }
        result = self
        for mechanism in mechanisms:
            if mechanism not in changes:
                raise InvalidValue(
                    key="mechanism",
                    value=mechanism,
                    requirement="a mechanism of bias",
                    remedy=f"choose of {', '.join(MECHANISMS)}",
                )
            result = replace(result, **changes[mechanism])  # type: ignore[arg-type]
        return result


_NUMBERS = (
    "firms", "regions", "groups", "grouped_firms", "contracts", "signers", "losers", "never_losers", "heavy_firms",
    "heavy_contracts", "heavy_signers", "domestic_cancellations", "government_cancellations",
)  # fmt: skip
_PAIRS = ("years", "policy_years", "coverage", "input_price_dispersion")
#: Bounds, both included, of single numbers.
_BOUNDS: dict[str, tuple[float, float]] = {
    "eta": (0.5, 3.0), "delta": (-2.0, 3.0), "subsidy_rate": (0.0, 0.5), "sigma": (1.1, 12.0),
    "distortion_elasticity": (-0.6, 0.3), "distortion_level": (0.05, 2.0), "pareto_shape": (0.1, 20.0),
    "pareto_ratio": (1.001, 20.0), "persistence": (0.0, 0.999), "spillover_lag": (1, 5), "size_dispersion": (0.0, 3.0),
    "growth_dispersion": (0.0, 0.1), "cost_growth": (-1.0, 1.0), "cost_dispersion": (0.0, 5.0),
    "cost_persistence": (0.0, 0.999), "cost_noise": (0.01, 5.0), "opportunity": (0.01, 1.0),
    "group_size_premium": (-1.0, 3.0), "group_access": (-5.0, 5.0), "group_coherence": (0.0, 1.0),
    "group_access_step": (0.0, 3.0), "heavy_group_share": (0.0, 1.0), "local_shock_step": (0.0, 0.3),
    "boom_pull": (0.0, 50.0), "lagging_step": (0.0, 0.3), "lagging_support": (0.0, 100.0),
    "coverage_by_size": (0.0, 0.95),
    "gaps": (0.0, 0.8), "employment_missing": (0.0, 0.9), "sales_error": (0.0, 1.0), "input_error": (0.0, 1.0),
    "entry": (0.05, 1.0), "exit_rate": (0.0, 0.3), "country_pull": (0.0, 10.0), "exclusion_violation": (-1.0, 1.0),
    "perceived_eta": (1.001, 3.0), "groups": (1, 10_000), "regions": (2, 10_000),
}  # fmt: skip


def _refuse(key: str, value: object, requirement: str, remedy: str) -> InvalidValue:
    return InvalidValue(key=f"FirmPanelDesign.{key}", value=value, requirement=requirement, remedy=remedy)


def _check(design: FirmPanelDesign) -> None:
    for field in fields(design):
        value = getattr(design, field.name)
        numbers = value if isinstance(value, tuple) else (value,)
        if field.name in ("selection_on_level", "selection_on_shocks"):
            if not isinstance(value, bool):
                raise WrongType(
                    key=f"FirmPanelDesign.{field.name}",
                    value=value,
                    expected="True or False",
                    remedy="pass one of them",
                )
            continue
        if field.name == "sales_definition" or (field.name == "perceived_eta" and value is None):
            continue
        if field.name in _PAIRS and len(numbers) != 2:
            raise _refuse(field.name, value, "two numbers", "pass a pair")
        for number in numbers:
            if isinstance(number, bool) or not isinstance(number, int | float) or not isfinite(number):
                raise WrongType(
                    key=f"FirmPanelDesign.{field.name}", value=value, expected="a number", remedy="pass finite numbers"
                )
    for key, (low, high) in _BOUNDS.items():
        value = getattr(design, key)
        if value is not None and not low <= value <= high:
            raise _refuse(key, value, f"between {low:g} and {high:g}", "choose it in that range")
    for key in _NUMBERS:
        if getattr(design, key) < 0 or not isinstance(getattr(design, key), int):
            raise _refuse(key, getattr(design, key), "a count", "pass a whole number, not negative")
    for key in ("years", "policy_years", "spillover_lag", "employment_from"):
        value = getattr(design, key)
        if any(not isinstance(number, int) for number in (value if isinstance(value, tuple) else (value,))):
            raise _refuse(key, value, "whole years", "time is annual: pass whole numbers")
    for key, bigger in (
        ("heavy_firms", "firms"), ("heavy_contracts", "contracts"), ("heavy_signers", "signers"),
        ("never_losers", "losers"), ("grouped_firms", "firms"), ("signers", "firms"),
        ("heavy_signers", "heavy_firms"), ("losers", "signers"), ("signers", "contracts"),
        ("heavy_signers", "heavy_contracts"),
    ):  # fmt: skip
        if getattr(design, key) > getattr(design, bigger):
            raise _refuse(key, getattr(design, key), f"at most {bigger} = {getattr(design, bigger)}", "lower it")
    if design.grouped_firms < 2 * design.groups:
        raise _refuse("grouped_firms", design.grouped_firms, "at least two per group", "lower groups, or raise it")
    if design.sales_definition not in ("gross", "kept"):
        raise _refuse("sales_definition", design.sales_definition, "gross or kept", "choose one")
    if design.kept_exponent <= 0:
        raise _refuse("distortion_elasticity", design.distortion_elasticity, "above 1/σ − 1", "raise ξ or σ")
    if not design.phase_in or any(not 0 <= share <= 1 for share in design.phase_in) or design.phase_in[-1] != 1:
        raise _refuse("phase_in", design.phase_in, "shares that end at 1", "pass (1.0,) for gains at once")
    first, last = design.years
    if last - first < 8 or last - first > 60:
        raise _refuse("years", design.years, "9 to 61 years", "the long differences and the events need that many")
    start, end = design.policy_years
    if not first <= start <= end <= last:
        raise _refuse("policy_years", design.policy_years, f"in order, from {first} to {last}", "pass such years")
    if not 0 < design.coverage[0] <= design.coverage[1] <= 1:
        raise _refuse("coverage", design.coverage, "shares above 0, the first not above the second", "pass such shares")
    if min(design.input_price_dispersion) < 0:
        raise _refuse("input_price_dispersion", design.input_price_dispersion, "not negative", "pass such numbers")
    if (design.perceived_eta or design.eta) <= 1 and design.subsidy_rate == 0:
        raise _refuse("eta", design.eta, "above 1, or subsidised", "set perceived_eta above 1: nobody would adopt")
