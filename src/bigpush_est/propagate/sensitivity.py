r"""What moves the answer, from posterior draws alone: estimates, parameters, prior, correlation.

With evidence b ~ N(m(θ), V) and draws θ of the posterior, an outcome h(θ) (a quantity, or the indicator of an event,
whose mean is its probability) answers to what the posterior rests on by

    ∂E[h | b]/∂b′     = Cov(h, m(θ)) V⁻¹             the sensitivity matrix (Andrews, Gentzkow and Shapiro 2017)
    ∂E[h]/∂α at 1     = Cov(h, log density)          prior or likelihood raised to the power α (Kallioinen et al. 2024)
    Var E[h | θ_k]/Var h                             share of h's variance that θ_k alone explains
    E max(p_k, 1 − p_k) − max(p, 1 − p)              value of knowing θ_k to somebody who must call the event true or
                                                     false and loses 1 when wrong; p_k = P(event | θ_k)

and, for evidence that is changed by more than a little, by the draws' weights p(b* | θ, V*)/p(b | θ, V), smoothed by
Pareto tails (Vehtari et al. 2024).  Their k̂ says whether the draws reach as far: above `REACH` they do not, and the
study has to be run with the other evidence instead.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from bigpush_est.equilibrium.adoption_map import FloatArray
from bigpush_est.errors import InvalidValue, ShapeMismatch

#: Largest Pareto k̂ at which weighted draws are used.
REACH = 0.7
#: Fewest draws in a cell of the partition that conditional means are taken over.
_CELL = 25


@dataclass(frozen=True, slots=True)
class Estimated:
    """A number from draws with its Monte Carlo standard error."""

    value: float
    mcse: float


@dataclass(frozen=True, slots=True)
class Reweighted:
    """An outcome's mean under other evidence.

    ``reached`` is False where the draws do not reach as far (k̂ above 0.7): the value is then not to be used.
    """

    value: float
    mcse: float
    pareto_k: float
    effective_draws: float

    @property
    def reached(self) -> bool:
        """Whether the draws reach that far."""
        return self.pareto_k <= REACH


def _columns(outcome: FloatArray, values: FloatArray, key: str) -> tuple[FloatArray, FloatArray]:
    """Check draws of an outcome (D,) and of something else (D,) or (D, K); return them as floats, (D,) and (D, K)."""
    h, x = np.asarray(outcome, dtype=np.float64), np.asarray(values, dtype=np.float64)
    if h.ndim != 1 or x.ndim not in (1, 2) or x.shape[0] != h.size:
        raise ShapeMismatch(
            key=key, shape=x.shape, expected=f"({h.size},) or ({h.size}, K)", remedy="give each draw of the outcome one"
        )
    if h.size < 2 * _CELL:
        raise InvalidValue(
            key="draws", value=h.size, requirement=f"at least {2 * _CELL}", remedy="propagate more draws"
        )
    for name, array in (("outcome", h), (key, x)):
        if not np.isfinite(array).all():
            raise InvalidValue(
                key=name,
                value="missing or infinite",
                requirement="finite at every draw",
                remedy="leave out draws at which it is undefined, and say how many",
            )
    return h, x if x.ndim == 2 else x[:, None]


def _covariances(h: FloatArray, x: FloatArray) -> list[Estimated]:
    """Cov(h, x_k) with Monte Carlo errors of independent draws."""
    products = (h - h.mean())[:, None] * (x - x.mean(axis=0))
    error = products.std(axis=0, ddof=1) / np.sqrt(h.size)
    scale = h.size / (h.size - 1.0)
    return [Estimated(float(scale * m), float(e)) for m, e in zip(products.mean(axis=0), error, strict=True)]


def sensitivity_to_estimates(outcome: FloatArray, mapped: FloatArray, covariance: FloatArray) -> list[Estimated]:
    """Return the change of an outcome's posterior mean when an estimate is one standard error higher, to first order.

    Parameters
    ----------
    outcome
        h at each draw, (D,); an event as 0 and 1.
    mapped
        m(θ), what the theory says that the K estimates are, (D, K).
    covariance
        V of the estimates, (K, K).

    Returns
    -------
    list of Estimated
        (Cov(h, m) V⁻¹)_k √V_kk, in the outcome's unit.

    Examples
    --------
    A normal mean with a flat prior: the posterior mean moves one for one with the estimate.

    >>> rng = np.random.default_rng(0)
    >>> theta = rng.normal(2.0, 0.5, 4000)
    >>> found = sensitivity_to_estimates(theta, theta[:, None], np.array([[0.25]]))[0]
    >>> abs(found.value - 0.5) < 4 * found.mcse
    True
    """
    h, m = _columns(outcome, mapped, "mapped estimates")
    v = np.asarray(covariance, dtype=np.float64)
    if v.shape != (m.shape[1], m.shape[1]):
        raise ShapeMismatch(
            key="covariance", shape=v.shape, expected=f"({m.shape[1]}, {m.shape[1]})", remedy="one row an estimate"
        )
    return _covariances(h, np.linalg.solve(v, m.T).T * np.sqrt(np.diag(v)))


def power_scaling(outcome: FloatArray, log_density: FloatArray) -> list[Estimated]:
    """Return ∂E[h]/∂ log₂ α at α = 1 for densities raised to α: what doubling their weight does, to first order.

    Parameters
    ----------
    outcome
        h at each draw, (D,).
    log_density
        Log prior or log-likelihood at each draw, or several of them, (D,) or (D, K).
    """
    h, x = _columns(outcome, log_density, "log density")
    return _covariances(h, x * np.log(2.0))


# -- one parameter at a time -----------------------------------------------------------------------------------------


def _cells(theta: FloatArray) -> NDArray[np.intp]:
    """Return the cell, of equally many draws each, that each draw of a parameter falls into, (D,)."""
    size = theta.size
    count = max(2, min(round(size ** (1.0 / 3.0)), size // _CELL))
    cell = np.empty(size, dtype=np.intp)
    cell[np.argsort(theta, kind="stable")] = np.arange(size) * count // size
    return cell


def explained_share(outcome: FloatArray, theta: FloatArray) -> Estimated:
    """Return the share of an outcome's posterior variance that one parameter alone explains, Var E[h | θ_k]/Var h.

    E[h | θ_k] is a line of its own within each of several cells of equally many draws; what the lines owe to chance is
    taken out (ε², Kelley 1935), so that a parameter without influence has a share of zero on average.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> theta, other = rng.normal(size=(2, 20_000))
    >>> abs(explained_share(theta + other, theta).value - 0.5) < 0.02
    True
    """
    h, x = _columns(outcome, theta, "parameter")
    if np.ptp(h) == 0.0 or np.ptp(x[:, 0]) == 0.0:
        return Estimated(0.0, 0.0)

    theta, cell = x[:, 0], _cells(x[:, 0])

    def share(keep: NDArray[np.bool_]) -> float:
        y, z, number = h[keep], theta[keep], cell[keep]
        if np.ptp(y) == 0.0:  # the jackknife left out the only draw that is unlike the others
            return 0.0
        counts = np.maximum(np.bincount(number), 1)
        y_gap = y - (np.bincount(number, weights=y) / counts)[number]
        z_gap = z - (np.bincount(number, weights=z) / counts)[number]
        square, product = (np.bincount(number, weights=v * z_gap) for v in (z_gap, y_gap))
        slope = np.divide(product, square, out=np.zeros_like(product), where=square > 0.0)
        left = y_gap - slope[number] * z_gap
        within = float((left**2).sum()) / (y.size - 2 * counts.size)
        return max(0.0, 1.0 - within / float(y.var(ddof=1)))

    return Estimated(share(np.ones(h.size, dtype=bool)), _jackknife(share, h.size))


def value_of_knowing(event: FloatArray, theta: FloatArray) -> Estimated:
    """Return the value of perfect information about one parameter, for the call whether an event is true.

    The call is right or wrong, and wrong costs 1: without more information the loss is min(p, 1 − p), with θ_k known
    E min(p_k, 1 − p_k).  p_k is the share of draws within cells; calls within a cell are made from one half of its
    draws and judged by the other, so that chance alone earns nothing on average.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> theta, other = rng.normal(size=(2, 20_000))
    >>> round(value_of_knowing(theta > 0, theta).value, 1), abs(value_of_knowing(theta > 0, other).value) < 0.02
    (0.5, True)
    """
    h, x = _columns(np.asarray(event, dtype=np.float64), theta, "parameter")
    if np.ptp(h) == 0.0 or np.ptp(x[:, 0]) == 0.0:
        return Estimated(0.0, 0.0)
    if not np.isin(h, (0.0, 1.0)).all():
        raise InvalidValue(key="event", value="other than 0 and 1", requirement="0 or 1", remedy="pass an indicator")
    order = np.argsort(x[:, 0], kind="stable")
    half = np.empty(h.size, dtype=bool)
    half[order] = np.arange(h.size) % 2 == 0
    cell = _cells(x[:, 0])

    def right(keep: NDArray[np.bool_]) -> float:
        gained = 0.0
        for learn in (half, ~half):
            first, second = keep & learn, keep & ~learn
            overall = h[first].mean() > 0.5
            counts = np.bincount(cell[first], minlength=cell.max() + 1)
            hits = np.bincount(cell[first], weights=h[first], minlength=cell.max() + 1)
            call = np.where(counts > 0, hits > 0.5 * counts, overall)
            gained += 0.5 * float(((call[cell[second]] == h[second]).mean()) - ((h[second] > 0.5) == overall).mean())
        return gained

    every = np.ones(h.size, dtype=bool)
    return Estimated(right(every), _jackknife(right, h.size))


def _jackknife(statistic: Callable[[NDArray[np.bool_]], float], size: int, blocks: int = 20) -> float:
    """Return a standard error by leaving out blocks of draws, each spread over all of them."""
    label = np.arange(size) % blocks
    values = np.array([statistic(label != block) for block in range(blocks)])
    return float(np.sqrt((blocks - 1.0) / blocks * ((values - values.mean()) ** 2).sum()))


# -- other evidence --------------------------------------------------------------------------------------------------


def gaussian_log_likelihood(estimates: FloatArray, mapped: FloatArray, covariance: FloatArray) -> FloatArray:
    """Log density of estimates (K,) at mapped values (D, K) with covariance V (K, K), shape (D,)."""
    gap = np.asarray(estimates, dtype=np.float64) - mapped
    factor = np.linalg.cholesky(np.asarray(covariance, dtype=np.float64))
    white = np.linalg.solve(factor, gap.T)
    size = gap.shape[1]
    result: FloatArray = (
        -0.5 * (white**2).sum(axis=0) - np.log(np.diag(factor)).sum() - 0.5 * size * np.log(2.0 * np.pi)
    )
    return result


def reweighted(outcome: FloatArray, log_ratio: FloatArray) -> Reweighted:
    """Return the mean of an outcome under a density whose log ratio to the posterior's is given at each draw.

    Parameters
    ----------
    outcome
        h at each draw, (D,).
    log_ratio
        log p*(θ) − log p(θ) up to a constant, (D,).

    Examples
    --------
    Draws of N(0, 1), weighted to N(0.5, 1):

    >>> x = np.random.default_rng(0).normal(size=20_000)
    >>> found = reweighted(x, 0.5 * x)
    >>> found.reached, abs(found.value - 0.5) < 4 * found.mcse
    (True, True)
    """
    from arviz_stats.base import array_stats  # type: ignore[attr-defined]

    h, x = _columns(outcome, log_ratio, "log ratio")
    ratio = x[:, 0]
    if np.ptp(ratio) == 0.0:
        return Reweighted(float(h.mean()), float(h.std(ddof=1) / np.sqrt(h.size)), -np.inf, float(h.size))
    # made for leave-one-out log-likelihoods, it takes the weights' logs with the sign turned
    smooth, k = array_stats.psislw(ratio.max() - ratio)  # type: ignore[no-untyped-call]
    weight = np.exp(smooth - smooth.max())
    weight /= weight.sum()
    value = float(weight @ h)
    return Reweighted(
        value,
        float(np.sqrt((weight**2 * (h - value) ** 2).sum())),
        float(k),
        float(1.0 / (weight**2).sum()),
    )


@dataclass(frozen=True, slots=True)
class Breakdown:
    """How far an estimate must move for a probability to cross one half.

    Attributes
    ----------
    shift
        In standard errors, nearest to zero; NaN if it does not cross within the draws' reach.
    reach
        Smallest and largest shift, in standard errors, at which the draws still reach.
    curve
        (shift, probability) within reach.
    """

    shift: float
    reach: tuple[float, float]
    curve: tuple[tuple[float, float], ...]


def breakdown_of_estimate(
    event: FloatArray,
    estimates: FloatArray,
    mapped: FloatArray,
    covariance: FloatArray,
    which: int,
    shifts: Sequence[float] | None = None,
) -> Breakdown:
    """Move one estimate, all else the same, until the probability of an event crosses one half.

    Parameters
    ----------
    event
        0 or 1 at each draw, (D,).
    estimates, mapped, covariance
        b (K,), m(θ) (D, K) and V (K, K).
    which
        The estimate that moves.
    shifts
        In standard errors; from −4 to 4 in steps of a quarter by default.
    """
    grid = np.linspace(-4.0, 4.0, 33) if shifts is None else np.sort(np.asarray(shifts, dtype=np.float64))
    base = gaussian_log_likelihood(estimates, mapped, covariance)
    unit = np.zeros(len(estimates))
    unit[which] = float(np.sqrt(covariance[which][which]))
    curve = []
    for shift in grid.tolist():
        moved = gaussian_log_likelihood(np.asarray(estimates) + shift * unit, mapped, covariance)
        found = reweighted(event, moved - base)
        if found.reached:
            curve.append((shift, found.value))
    crossings = []
    for (a, p), (b, q) in pairwise(curve):
        if (p - 0.5) * (q - 0.5) <= 0.0 and p != q:
            crossings.append(a + (0.5 - p) / (q - p) * (b - a))
    nearest = min(crossings, key=abs) if crossings else float("nan")
    reach = (curve[0][0], curve[-1][0]) if curve else (0.0, 0.0)
    return Breakdown(nearest, reach, tuple(curve))


def worst_case_correlation(
    outcome: FloatArray,
    estimates: FloatArray,
    mapped: FloatArray,
    covariance: FloatArray,
    pair: tuple[int, int],
    correlations: Sequence[float] = tuple(np.linspace(-0.95, 0.95, 39).tolist()),
) -> dict[str, list[float]]:
    """Return the outcome's mean as the correlation of two estimates goes over its range .

    Returns
    -------
    dict
        ``correlation``, ``value``, ``mcse``, ``pareto_k``: a row per correlation at which V stays positive definite.
    """
    i, j = pair
    base = gaussian_log_likelihood(estimates, mapped, covariance)
    found: dict[str, list[float]] = {key: [] for key in ("correlation", "value", "mcse", "pareto_k")}
    for rho in correlations:
        changed = np.array(covariance, dtype=np.float64)
        changed[i, j] = changed[j, i] = rho * np.sqrt(changed[i, i] * changed[j, j])
        if np.linalg.eigvalsh(changed).min() <= 0.0:
            continue
        one = reweighted(outcome, gaussian_log_likelihood(estimates, mapped, changed) - base)
        for key, value in (
            ("correlation", float(rho)),
            ("value", one.value),
            ("mcse", one.mcse),
            ("pareto_k", one.pareto_k),
        ):
            found[key].append(value)
    return found
