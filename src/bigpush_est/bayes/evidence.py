"""What the published figures say about η, δ and s̄: numbers that the model takes, sources that the report prints."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from bigpush_est.errors import InvalidValue

type Exponent = Literal["undistorted", "kept", "gross_published_xi", "gross_reinferred_xi"]
type Feedback = Literal["cut", "full"]
type Label = Literal["published", "assumed", "derived", "user"]

#: What each exponent e in E[effect] = e·log η, e·δ means.
EXPONENTS: dict[str, str] = {
    "undistorted": "σ − 1, as the paper maps its estimates (Section 5.2)",
    "kept": "ρ = σ(1+ξ) − 1: recorded sales are the revenue that firms keep, ξ from the tail of sales",
    "gross_published_xi": "r = (σ−1)(1+ξ): recorded sales are gross of distortions, ξ = −0.30 as printed",
    "gross_reinferred_xi": "r = (σ−1)(1+ξ): recorded sales are gross, ξ inferred again from the same tail",
}


@dataclass(frozen=True, slots=True)
class Source:
    """One input with where it comes from: a row of the report's table of inputs."""

    name: str
    value: str
    unit: str
    label: Label
    place: str
    missing: str = ""


@dataclass(frozen=True, slots=True)
class PublishedEvidence:
    """Everything that the likelihood takes.

    Attributes
    ----------
    direct, spillover
        Estimates of e·log η (plus the subsidy's term) and e·δ with standard errors: (estimate, standard error).
    correlation
        Of the two estimates; unknown from published tables, so a study gives a range.
    exponent
        Which exponent e the estimates are mapped with.
    tail_index
        θ/(σ(1+ξ)−1), the observed Pareto tail of sales from which ξ is inferred.
    xi
        ξ as printed; used by ``gross_published_xi`` only.
    subsidised_share
        Share of winners whose adoption was subsidised: they also sell at (1−s)c (0 is the paper's mapping).
    adopter_shares
        Shares of 1972, 1976 and 1980 in subsidised regions.
    use_shares, use_credit
        Which evidence on s̄ enters.
    fundamentals_sd
        Standard deviation of the unmodelled change in the log profitability of adoption from one period to the next.
    feedback
        ``"cut"``: adopter shares inform s̄ given η and δ, but not η and δ; ``"full"``: they inform all three.
    bill
        Subsidy over GDP: (value, standard error).
    exposure
        Adopters' input costs over GDP, which turn a rate into a bill: (median, standard deviation of its log).
    kappa
        Upper bound of productivity, ∞ for Section 4.
    pin_previous
        The share before 1972 that pins L/F^T: the share of 1972 itself (a steady state) or 0.
    """

    direct: tuple[float, float]
    spillover: tuple[float, float]
    correlation: float
    exponent: Exponent
    tail_index: float
    xi: float
    subsidised_share: float
    adopter_shares: tuple[float, float, float]
    use_shares: bool
    use_credit: bool
    fundamentals_sd: float
    feedback: Feedback
    bill: tuple[float, float]
    exposure: tuple[float, float]
    kappa: float
    pin_previous: float

    def __post_init__(self) -> None:
        for key, pair in (
            ("direct", self.direct),
            ("spillover", self.spillover),
            ("bill", self.bill),
            ("exposure", self.exposure),
        ):
            positive = key in ("bill", "exposure")
            if not (np.isfinite(pair[0]) and np.isfinite(pair[1]) and pair[1] > 0 and (pair[0] > 0 or not positive)):
                raise InvalidValue(
                    key=f"{key} standard error",
                    value=pair[1],
                    requirement="positive, with a finite estimate (a positive one for bill and exposure)",
                    remedy="state the estimate and its standard error",
                )
        if not -1.0 < self.correlation < 1.0:
            raise InvalidValue(
                key="correlation", value=self.correlation, requirement="strictly between -1 and 1", remedy="use ±0.95"
            )
        for share in self.adopter_shares:
            if not 0.0 < share < 1.0:
                raise InvalidValue(
                    key="adopter share in subsidised regions",
                    value=f"{share:g}",
                    requirement="strictly between 0 and 1",
                    remedy="check the shares and the share of subsidised regions",
                )
        if not 0.0 <= self.subsidised_share <= 1.0:
            raise InvalidValue(
                key="subsidised_share", value=self.subsidised_share, requirement="in [0, 1]", remedy="pass a share"
            )
        if self.fundamentals_sd <= 0:
            raise InvalidValue(
                key="fundamentals_sd", value=self.fundamentals_sd, requirement="positive", remedy="pass such as 0.25"
            )

    @property
    def log_subsidy(self) -> tuple[float, float]:
        """Log of s̄ = bill/X as credit has it, and its standard error: relative errors of bill and X in squares."""
        error = float(np.hypot(self.bill[1] / self.bill[0], self.exposure[1]))
        return float(np.log(self.bill[0] / self.exposure[0])), error

    @property
    def exponent_weights(self) -> tuple[float, float]:
        """(c_0, c_1) with e = (σ − 1)(c_0 + c_1 θ/(σ−1))."""
        return exponent_weights(self.exponent, self.tail_index, self.xi)


def exponent_weights(exponent: Exponent, tail_index: float, xi: float) -> tuple[float, float]:
    """(c_0, c_1) with e = (σ − 1)(c_0 + c_1 θ/(σ−1)).

    ``kept`` and ``gross_reinferred_xi`` hold the observed tail T = θ/e fixed, so that e = θ/T whatever σ is.
    """
    if exponent == "undistorted":
        return 1.0, 0.0
    if exponent == "gross_published_xi":
        return 1.0 + xi, 0.0
    return 0.0, 1.0 / tail_index


def inferred_xi(exponent: Exponent, sigma: float, theta: float, tail_index: float, xi: float) -> float:
    """ξ that the tail of sales implies: with kept revenue σ(1+ξ) − 1 = θ/T, with gross revenue (σ−1)(1+ξ) = θ/T."""
    if exponent == "undistorted":
        return 0.0
    if exponent == "gross_published_xi":
        return xi
    if exponent == "kept":
        return (1.0 + theta / tail_index) / sigma - 1.0
    return theta / tail_index / (sigma - 1.0) - 1.0


def pooled_estimate(
    estimates: list[float], errors: list[float], combine: Literal["single", "average", "joint"], within: float
) -> tuple[float, float, str]:
    """Several columns of one table as one estimate with its standard error, and the rule in words.

    The columns come from the same firms, so their correlation is unknown but high.  ``average``: the mean, with the
    largest standard error that any correlation allows, the mean of the standard errors (Cocci and Plagborg-Møller).
    ``joint``: the generalised-least-squares mean at the common correlation ``within``.

    Examples
    --------
    >>> estimate, error, rule = pooled_estimate([3.0, 2.0], [0.8, 0.6], "average", 0.9)
    >>> round(estimate, 3), round(error, 3)
    (2.5, 0.7)
    """
    values, spread = np.asarray(estimates, dtype=np.float64), np.asarray(errors, dtype=np.float64)
    if combine == "single":
        return float(values[0]), float(spread[0]), "one column"
    if combine == "average":
        return float(values.mean()), float(spread.mean()), "average, worst-case standard error over all correlations"
    if not -1.0 / max(values.size - 1, 1) < within < 1.0:
        raise InvalidValue(
            key="within_correlation",
            value=within,
            requirement=f"between {-1.0 / max(values.size - 1, 1):.2f} and 1",
            remedy="pass such as 0.9",
        )
    correlation = np.full((values.size, values.size), within)
    np.fill_diagonal(correlation, 1.0)
    weights = np.linalg.solve(correlation * np.outer(spread, spread), np.ones(values.size))
    variance = 1.0 / weights.sum()
    rule = f"GLS mean at correlation {within:g}, weights {', '.join(f'{w:.2f}' for w in weights * variance)}"
    return float(weights @ values * variance), float(np.sqrt(variance)), rule
