"""Which regions to subsidise: market access, and randomised allocations of the push.

Section 6 on Appendix F.4, which is not at hand: "Randomized subsidy allocations show that only market access predicts
stronger big-push effects."  This is our reading of what Section 6 names; what policies cost and how they are valued is
in ``policies``.

"Only" is a statement about rivals: random sets of regions get the push's rates, and what they bring is regressed on the
treated regions' mean market access *and* on their mean of six other characteristics, all from before the policy.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import t as student

from bigpush_est.equilibrium.adoption_map import FloatArray
from bigpush_est.equilibrium.spatial.conditions import by_draw
from bigpush_est.equilibrium.spatial.policies import (
    Flags,
    PathSettings,
    PolicyEvaluator,
    PolicyOutcomes,
    evaluator_of,
    require,
)
from bigpush_est.equilibrium.spatial.scenarios import Baseline
from bigpush_est.equilibrium.spatial.static import StaticEquilibrium
from bigpush_est.errors import ShapeMismatch

#: What regions differ in before the policy: see ``characteristics``.
CHARACTERISTICS = (
    "market_access", "heavy_output_share", "labour", "port_distance", "adopter_share", "wage", "productivity",
)  # fmt: skip
#: A characteristic that varies by less than this, relative to its size, is the same everywhere.
_NO_VARIATION = 1e-9


def market_access(equilibrium: StaticEquilibrium, sector: int) -> tuple[FloatArray, FloatArray]:
    """Return a sector's home and foreign market access by region, each (D, N).

    D_nj = Σ_m d_nmj^{1−σ} P_mj^{σ−1} E_mj and D^f_nj = (d^x_nj)^{1−σ} D^x_j: a firm of region n that charges p sells
    p^{1−σ} (D + D^f).
    The unit is a power of the numeraire: only ratios and logs mean anything.

    Examples
    --------
    >>> from bigpush_est.equilibrium.spatial.scenarios import example_baseline
    >>> home, foreign = market_access(example_baseline().equilibria[0], sector=1)
    >>> (foreign / (home + foreign)).round(2).tolist()
    [[0.07, 0.03, 0.02, 0.01]]
    """
    economy = equilibrium.economy
    freeness = by_draw(economy.freeness[..., sector, :, :], 2)
    sigma = by_draw(economy.sigma, 0)[:, None]
    demand = equilibrium.price_index[:, sector] ** (sigma - 1.0) * equilibrium.expenditure[:, sector]
    home: FloatArray = (freeness @ demand[:, :, None])[:, :, 0]
    foreign = (
        by_draw(economy.port_freeness[..., sector, :], 1) * by_draw(economy.foreign_demand[..., sector], 0)[:, None]
    )
    return home, np.array(np.broadcast_to(foreign, home.shape))


def characteristics(baseline: Baseline) -> Mapping[str, FloatArray]:
    """Return the regions' ``CHARACTERISTICS`` in the first period, before the policy, each (N,).

    All are heavy manufacturing's.  Logs: ``market_access``, D + D^f; ``port_distance``, −log (d^x)^{1−σ}, which is the
    distance's log but for a factor; ``wage``; ``productivity``, φ^min.  Levels: ``heavy_output_share`` and ``labour``,
    shares of the nation's; ``adopter_share``, λ before the first period.  Which are logs is our choice: shares add up
    over a set of regions, the others compare regions by ratios.

    Raises
    ------
    InvalidValue
        If a region has no port, for which no distance is defined.

    Examples
    --------
    >>> from bigpush_est.equilibrium.spatial.scenarios import example_baseline
    >>> characteristics(example_baseline())["port_distance"].round(2).tolist()
    [-0.0, 0.89, 1.42, 1.79]
    """
    first, economy, heavy = baseline.equilibria[0], baseline.draw().economies[0], baseline.heavy
    home, foreign = market_access(first, heavy)
    port = economy.port_freeness[heavy]
    require("port_freeness", f"{port.min():g}", bool((port > 0.0).all()), "above 0 in all regions", "link every region")
    output = first.gross_output[0, heavy]
    return {
        "market_access": np.log(home + foreign)[0],
        "heavy_output_share": output / output.sum(),
        "labour": economy.labour / economy.labour.sum(),
        "port_distance": -np.log(port),
        "adopter_share": baseline.draw().initial_share[heavy],
        "wage": np.log(first.wage[0]),
        "productivity": np.log(economy.productivity[heavy]),
    }


# ---------------------------------------------------------------------------------------------------------------------
# randomised allocations


@dataclass(frozen=True, slots=True, eq=False)
class Regression:
    """Least squares on K standardised predictors and a constant, R observations.

    ``coefficient`` is the change of the response with a predictor's standard deviation; ``standard_error`` is robust to
    heteroskedasticity (HC1); ``p_value`` is two-sided, from Student's t with R − K − 1 degrees of freedom.
    """

    names: tuple[str, ...]
    coefficient: FloatArray
    standard_error: FloatArray
    p_value: FloatArray
    constant: float
    r_squared: float
    observations: int

    @property
    def t(self) -> FloatArray:
        """Coefficients over their standard errors, (K,)."""
        return self.coefficient / self.standard_error


def robust_ols(response: ArrayLike, predictors: ArrayLike, names: Sequence[str]) -> Regression:
    """Regress R responses on R × K predictors, standardised to mean 0 and standard deviation 1 (R − 1 in the divisor).

    HC1: R/(R − K − 1) · (X'X)⁻¹ X' diag(u²) X (X'X)⁻¹.

    Raises
    ------
    ShapeMismatch, InvalidValue
        For arrays that do not fit together, missing values, too few observations, or dependent predictors.

    Examples
    --------
    >>> found = robust_ols([1.0, 3.0, 2.0, 5.0, 4.0], [[0.0], [1.0], [2.0], [3.0], [4.0]], ["place"])
    >>> found.coefficient.round(3).tolist(), found.standard_error.round(3).tolist(), round(found.r_squared, 3)
    ([1.265], [0.416], 0.64)
    """
    y, x = np.asarray(response, dtype=np.float64), np.asarray(predictors, dtype=np.float64)
    if y.ndim != 1 or x.shape != (y.size, len(names)):
        expected = f"({y.size}, {len(names)})"
        raise ShapeMismatch(key="predictors", shape=x.shape, expected=expected, remedy="one row a response")
    finite = bool(np.isfinite(y).all() and np.isfinite(x).all())
    require("response, predictors", "missing", finite, "finite", "leave out what is not known")
    count, size = x.shape
    require("observations", count, count > size + 2, f"above {size + 2}", "use more allocations or fewer predictors")
    spread = x.std(axis=0, ddof=1)
    scaled = (x - x.mean(axis=0)) / np.where(spread > 0.0, spread, 1.0)
    design = np.column_stack([np.ones(count), scaled])
    rank = int(np.linalg.matrix_rank(design))
    require("predictors", f"rank {rank}", rank == size + 1, "independent", "leave out what others add up to")
    inverse = np.linalg.inv(design.T @ design)
    beta = inverse @ design.T @ y
    error = y - design @ beta
    meat = (design * error[:, None] ** 2).T @ design
    freedom = count - size - 1
    se = np.sqrt(np.diag(inverse @ meat @ inverse) * count / freedom)[1:]
    with np.errstate(divide="ignore", invalid="ignore"):
        p_value = 2.0 * student.sf(np.abs(beta[1:] / se), freedom)
        r_squared = 1.0 - (error**2).sum() / ((y - y.mean()) ** 2).sum()
    return Regression(tuple(names), beta[1:], se, p_value, float(beta[0]), float(r_squared), count)


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """What predicts one response: all predictors together, each alone, and R² that goes without each, (K,)."""

    joint: Regression
    alone: tuple[Regression, ...]
    contribution: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class RandomisedAllocations:
    """R random sets of regions with the push's rates, and what predicts their effects.

    Attributes
    ----------
    treated
        The sets, (R, N) of bool.
    rate
        The rate by policy period, (P,).
    outcomes, push
        What the sets and the push's own regions lead to (R policies and one).
    none
        Heavy manufacturing's GDP share in the steady state without any policy.
    names, predictors
        Characteristics, and their means over each set, (R, K); those that are the same everywhere are ``left_out``.
    used
        The sets that lead to a steady state: only these are in the regressions, (R,).
    predictions
        For the effects ``"gdp_share"`` (a fraction of GDP, against no policy) and ``"welfare"`` (log, a fraction).
    """

    treated: Flags
    rate: FloatArray
    outcomes: PolicyOutcomes
    push: PolicyOutcomes
    none: float
    names: tuple[str, ...]
    predictors: FloatArray
    left_out: tuple[str, ...]
    used: Flags
    predictions: Mapping[str, Prediction]

    @property
    def effect(self) -> FloatArray:
        """Each set's effect on heavy manufacturing's GDP share, NaN where it is not known, (R,)."""
        return self.outcomes.gdp_share - self.none

    @property
    def rank_of_push(self) -> float:
        """The share of sets, of those that are known, whose effect on the GDP share is below the push's."""
        return float((self.outcomes.gdp_share[self.used] < self.push.gdp_share[0]).mean())


def randomised_allocations(
    baseline: Baseline | PolicyEvaluator,
    *,
    allocations: int = 256,
    treated: int | None = None,
    seed: int = 1,
    names: Sequence[str] = CHARACTERISTICS,
    settings: PathSettings | None = None,
) -> RandomisedAllocations:
    """Give the push's rates to random sets of regions, and regress their effects on the sets' characteristics.

    Parameters
    ----------
    baseline
        One draw, or its evaluator.
    allocations
        R, sets drawn without replacement from all regions, one after the other from the seed: more sets add to fewer.
    treated
        Regions in a set; as many as the push subsidises by default.
    seed
        Of the sets.
    names
        The predictors, of ``CHARACTERISTICS``; fewer than there are regions, as sets are of one size.
    settings
        How paths are solved and valued.

    Raises
    ------
    InvalidValue
        For numbers out of range, unknown names, or too few sets that lead to a steady state.

    Examples
    --------
    >>> from bigpush_est.equilibrium.spatial.scenarios import example_baseline
    >>> found = randomised_allocations(example_baseline(), allocations=12, names=("market_access", "productivity"))
    >>> found.names, found.left_out, found.outcomes.fates
    (('market_access',), ('productivity',), {'steady state': 12})
    """
    evaluator = evaluator_of(baseline, settings)
    size, regions = int(evaluator.subsidised.sum()) if treated is None else treated, evaluator.weight.size
    require("treated", size, 0 < size < regions, f"in [1, {regions - 1}]", "leave some regions out")
    require("allocations", allocations, allocations >= 1, "at least 1", "use some hundred")
    known = characteristics(evaluator.baseline)
    unknown = [name for name in names if name not in known]
    require("names", unknown, not unknown, "characteristics", f"choose of {', '.join(known)}")
    rng = np.random.default_rng(seed)
    chosen = np.zeros((allocations, regions), dtype=bool)
    for row in chosen:
        row[rng.choice(regions, size, replace=False)] = True
    rate = np.array([rates[rates > 0.0].mean() if (rates > 0.0).any() else 0.0 for rates in evaluator.push])
    outcomes = evaluator.evaluate(rate[:, None] * chosen[:, None])
    varies = {key: np.ptp(known[key]) > _NO_VARIATION * np.abs(known[key]).max() for key in names}
    kept = tuple(key for key in names if varies[key])
    means = chosen @ np.column_stack([known[key] for key in kept]) / size
    used = outcomes.steady
    none = float(evaluator.none.outcomes.gdp_share[-1, 0, evaluator.heavy])
    responses = {"gdp_share": outcomes.gdp_share - none, "welfare": outcomes.welfare_log}
    return RandomisedAllocations(
        treated=chosen,
        rate=rate,
        outcomes=outcomes,
        push=evaluator.pushed,
        none=none,
        names=kept,
        predictors=means,
        left_out=tuple(key for key in names if not varies[key]),
        used=used,
        predictions={key: predict(values[used], means[used], kept) for key, values in responses.items()},
    )


def predict(response: FloatArray, predictors: FloatArray, names: Sequence[str]) -> Prediction:
    """Regress a response (R,) on all predictors (R, K), on each alone, and on all but each."""
    joint = robust_ols(response, predictors, names)
    columns = range(len(names))
    alone = tuple(robust_ols(response, predictors[:, [k]], [names[k]]) for k in columns)
    others = [[name for name in names if name != names[k]] for k in columns]
    without = [robust_ols(response, np.delete(predictors, k, axis=1), others[k]).r_squared for k in columns]
    return Prediction(joint, alone, joint.r_squared - np.array(without))
