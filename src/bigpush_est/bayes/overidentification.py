"""Do the estimates agree?  The J statistic of minimum distance, where there are more of them than parameters.

    J = min over (log η, δ) of (b − m)′ V⁻¹ (b − m)  ~  χ²(K − rank ∂m/∂(log η, δ))

(Hansen 1982; Newey and McFadden 1994, Section 9.5), at σ, θ/(σ−1) and s̄ held; signs of log η and δ are left free, as
the χ² distribution requires.
"""

from dataclasses import dataclass

import numpy as np

from bigpush_est.bayes.complementarity import Complementarity
from bigpush_est.bayes.evidence_set import EvidenceSet
from bigpush_est.bayes.models.mapping import require_complementarity
from bigpush_est.bayes.models.normal import estimate_means, mapping_arrays
from bigpush_est.equilibrium.adoption_map import FloatArray
from bigpush_est.errors import SolverFailed, UnderIdentified


@dataclass(frozen=True, slots=True, eq=False)
class OveridentificationTest:
    """The J statistic and the point at which it is reached.

    Attributes
    ----------
    statistic, degrees_of_freedom, p_value
        J, K − rank, and the upper tail of χ².
    log_eta, delta
        Where the estimates fit best.
    fitted
        Their fitted values, shape (K,).
    label
        How complementarity was mapped, or "" without it.
    """

    statistic: float
    degrees_of_freedom: int
    p_value: float
    log_eta: float
    delta: float
    fitted: FloatArray
    label: str


def overidentification(
    evidence: EvidenceSet,
    *,
    sigma: float = 5.0,
    pareto_ratio: float = 1.06,
    subsidy: float = 0.0,
    complementarity: Complementarity | None = None,
) -> OveridentificationTest:
    """Test whether one (log η, δ) explains all estimates.

    Parameters
    ----------
    evidence
        K estimates.
    sigma, pareto_ratio, subsidy
        σ, θ/(σ−1) and s̄, held.
    complementarity
        Panel B's slope, where the set has such an estimate.

    Raises
    ------
    UnderIdentified
        If K estimates are no more than what they identify.
    InvalidValue
        If the set has a complementarity estimate and no table is given, or the other way round.
    SolverFailed
        If the minimum was not found.

    Examples
    --------
    >>> from bigpush_est.bayes.evidence_set import Estimate
    >>> two = EvidenceSet.of(
    ...     [Estimate("one", "spillover", 2.0), Estimate("two", "spillover", 3.0)], standard_errors=[0.6, 0.8])
    >>> found = overidentification(two)
    >>> round(found.statistic, 6), found.degrees_of_freedom, round(4 * found.delta, 2)
    (1.0, 1, 2.36)
    """
    from scipy import optimize, stats

    require_complementarity(evidence, complementarity)
    arrays = mapping_arrays(evidence, complementarity)
    whitening, values = arrays["whitening"], evidence.values

    def means(point: FloatArray) -> FloatArray:
        p = {
            "log_eta": np.float64(point[0]),
            "delta": np.float64(point[1]),
            "subsidy": np.float64(subsidy),
            "sigma": np.float64(sigma),
            "pareto_ratio": np.float64(pareto_ratio),
        }
        return np.asarray(estimate_means(np, arrays, p))

    def residuals(point: FloatArray) -> FloatArray:
        scaled: FloatArray = whitening @ (values - means(point))
        return scaled

    best = None
    for start in ((0.2, 0.6), (0.4, 1.2), (0.05, 0.1)):
        found = optimize.least_squares(residuals, np.array(start), xtol=1e-14, ftol=1e-14, gtol=1e-12)
        if found.success and (best is None or found.cost < best.cost):
            best = found
    if best is None:
        raise SolverFailed(
            problem="the minimum distance of the estimates",
            detail="no start converged",
            remedy="check the complementarity table",
        )
    jacobian = np.asarray(best.jac, dtype=np.float64)
    rank = int(np.linalg.matrix_rank(jacobian, tol=1e-8 * max(1.0, float(np.abs(jacobian).max()))))
    freedom = values.size - rank
    if freedom < 1:
        raise UnderIdentified(
            detail=f"{values.size} estimates identify as many parameters: nothing is left to test",
            remedy="add an estimate, such as complementarity",
        )
    statistic = 2.0 * float(best.cost)
    return OveridentificationTest(
        statistic,
        freedom,
        float(stats.chi2(freedom).sf(statistic)),
        float(best.x[0]),
        float(best.x[1]),
        means(best.x),
        "" if complementarity is None else complementarity.label,
    )
