"""Market access of regions, and how an effect varies with it.

After Donaldson and Hornbeck (2016): sales elsewhere, discounted by distance,

    MA_n = Σ_{m≠n} d_nm^{−θ} Y_m

θ is the elasticity of trade to distance (1.29 for goods in the paper's Table 2).  The region itself is left out unless
distances of regions to themselves are given on the diagonal.  Predicted market access, a control, takes what each
region sold at first and lets every sector grow at the rate that it has outside region n:

    MA^p_{n,s} = Σ_{m≠n} d_nm^{−θ} Σ_j g_{(−n)j,s} Y_{mj,0},    g_{(−n)j,s} = Σ_{m≠n} Y_{mj,s} / Σ_{m≠n} Y_{mj,0}

The appendix that defines the paper's version was not available; this one is its main text's description with footnote
10's leave-out.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bigpush_est.errors import InvalidValue, ShapeMismatch

type FloatArray = NDArray[np.float64]

#: Elasticity of trade to distance for goods (Table 2: υ(σ − 1)).
DISTANCE_ELASTICITY = 1.29


def _discounts(distance: ArrayLike, elasticity: float, include_own: bool) -> FloatArray:
    """d^{−θ}, shape (R, R), zero where a pair does not count."""
    apart = np.asarray(distance, dtype=np.float64)
    if apart.ndim != 2 or apart.shape[0] != apart.shape[1]:
        raise ShapeMismatch(key="distance", shape=apart.shape, expected="(R, R)", remedy="pass a square matrix")
    if not (np.isfinite(elasticity) and elasticity > 0):
        raise InvalidValue(
            key="elasticity", value=elasticity, requirement="positive", remedy="pass a number such as 1.29"
        )
    counts = np.ones(apart.shape, dtype=bool) if include_own else ~np.eye(len(apart), dtype=bool)
    wrong = counts & ~(np.isfinite(apart) & (apart > 0))
    if wrong.any():
        n, m = (int(k) for k in np.argwhere(wrong)[0])
        raise InvalidValue(
            key=f"distance[{n}, {m}]",
            value=apart[n, m],
            requirement="positive and finite",
            remedy="give every region coordinates of its own; own distances only if include_own is False",
        )
    discounts: FloatArray = np.where(counts, np.where(counts, apart, 1.0) ** -elasticity, 0.0)
    return discounts


def market_access(
    sales: ArrayLike, distance: ArrayLike, elasticity: float = DISTANCE_ELASTICITY, include_own: bool = False
) -> FloatArray:
    """Return the market access of every region.

    Parameters
    ----------
    sales
        Y, by region, shape (R,); any measure of the size of a market.
    distance
        Between regions, shape (R, R).
    elasticity
        θ.
    include_own
        Whether a region's own market counts, at the distance on the diagonal.

    Returns
    -------
    ndarray of shape (R,)
        In the unit of sales, per distance to the power θ.

    Raises
    ------
    InvalidValue
        For a distance that is not positive, a negative or missing size, an elasticity that is not positive.
    ShapeMismatch
        If the shapes do not belong together.

    Examples
    --------
    >>> market_access([10.0, 1.0], [[0.0, 2.0], [2.0, 0.0]], elasticity=1.0)
    array([0.5, 5. ])
    """
    size = _sizes("sales", sales, 1)
    discounts = _discounts(distance, elasticity, include_own)
    _match("sales", size, discounts)
    access: FloatArray = discounts @ size
    return access


def predicted_market_access(
    initial: ArrayLike,
    later: ArrayLike,
    distance: ArrayLike,
    elasticity: float = DISTANCE_ELASTICITY,
    include_own: bool = False,
) -> FloatArray:
    """Return MA^p of every region: its neighbours' initial sales, grown as sectors grow outside the region.

    Parameters
    ----------
    initial, later
        Sales by region and sector at the two dates, shape (R, J).
    distance, elasticity, include_own
        As for `market_access`.

    Returns
    -------
    ndarray of shape (R,)

    Raises
    ------
    InvalidValue, ShapeMismatch
        As for `market_access`.

    Examples
    --------
    The sector doubles outside the first region, and trebles outside the second:

    >>> apart = [[0.0, 1.0], [1.0, 0.0]]
    >>> predicted_market_access([[1.0], [4.0]], [[3.0], [8.0]], apart)
    array([8., 3.])
    """
    first, last = _sizes("initial", initial, 2), _sizes("later", later, 2)
    if first.shape != last.shape:
        raise ShapeMismatch(
            key="later", shape=last.shape, expected=f"{first.shape}, as the initial sales", remedy="pass (R, J) arrays"
        )
    discounts = _discounts(distance, elasticity, include_own)
    _match("initial", first, discounts)
    before, after = first.sum(axis=0) - first, last.sum(axis=0) - last
    # a sector that nobody else has at first cannot grow elsewhere: it is carried on at what it was
    growth = np.divide(after, before, out=np.ones_like(before), where=before > 1e-12 * first.sum(axis=0))
    access: FloatArray = ((discounts @ first) * growth).sum(axis=1)
    return access


def _sizes(key: str, values: ArrayLike, dimensions: int) -> FloatArray:
    sizes = np.asarray(values, dtype=np.float64)
    if sizes.ndim != dimensions:
        raise ShapeMismatch(
            key=key, shape=sizes.shape, expected="(R,)" if dimensions == 1 else "(R, J)", remedy="reshape it"
        )
    wrong = ~(np.isfinite(sizes) & (sizes >= 0))
    if wrong.any():
        place = ", ".join(str(int(k)) for k in np.argwhere(wrong)[0])
        raise InvalidValue(
            key=f"{key}[{place}]", value=sizes[wrong][0], requirement="known and not negative", remedy="fill it in"
        )
    return sizes


def _match(key: str, sizes: FloatArray, discounts: FloatArray) -> None:
    if len(sizes) != len(discounts):
        raise ShapeMismatch(
            key=key, shape=sizes.shape, expected=f"{len(discounts)} regions, as distances", remedy="use one order"
        )


@dataclass(frozen=True, slots=True)
class Combination:
    """A linear combination of coefficients, c′β, with √(c′Vc) as its standard error.

    Attributes
    ----------
    name
        What it is.
    estimate, standard_error
        Both in the outcome's unit per unit of the regressor.
    """

    name: str
    estimate: float
    standard_error: float


def combination(name: str, weights: ArrayLike, coefficients: ArrayLike, covariance: ArrayLike) -> Combination:
    """Return c′β and its standard error (delta method; exact, as it is linear).

    Examples
    --------
    >>> gap = combination("difference", [1.0, -1.0], [1.07, 0.29], [[0.09, 0.01], [0.01, 0.04]])
    >>> round(gap.estimate, 2), round(gap.standard_error, 4)
    (0.78, 0.3317)
    """
    c, b, v = (np.asarray(values, dtype=np.float64) for values in (weights, coefficients, covariance))
    if b.shape != c.shape or v.shape != (c.size, c.size):
        raise ShapeMismatch(
            key="covariance", shape=v.shape, expected=f"({c.size}, {c.size})", remedy="pass the rows of these names"
        )
    variance = float(c @ v @ c)
    return Combination(name, float(c @ b), float(np.sqrt(variance)) if variance >= 0 else float("nan"))


def effects_at_percentiles(
    percentiles: Sequence[float],
    moderator: ArrayLike,
    coefficients: ArrayLike,
    covariance: ArrayLike,
    centre: float = 0.0,
) -> tuple[Combination, ...]:
    """Return β + β_int · (q_p − centre) at percentiles of a moderator, for y = βx + β_int · x · (a − centre) + ….

    Parameters
    ----------
    percentiles
        From 0 to 100.
    moderator
        a, one value per unit whose distribution is meant (one per region), shape (R,).
    coefficients, covariance
        Of x and of x · (a − centre), shapes (2,) and (2, 2).
    centre
        What was taken off the moderator in the regression.

    Returns
    -------
    tuple of Combination
        In the order of `percentiles`.

    Raises
    ------
    InvalidValue
        For a percentile outside [0, 100] or a missing moderator.

    Examples
    --------
    >>> low, high = effects_at_percentiles([0, 100], [0.0, 1.0], [0.3, 0.5], [[0.01, 0.0], [0.0, 0.04]])
    >>> low.estimate, high.estimate
    (0.3, 0.8)
    """
    values = np.asarray(moderator, dtype=np.float64)
    if not values.size or not np.isfinite(values).all():
        raise InvalidValue(
            key="moderator", value="missing entries", requirement="known for every region", remedy="drop them"
        )
    return tuple(
        combination(
            f"at percentile {percentile:g}",
            [1.0, threshold(values, percentile) - centre],
            coefficients,
            covariance,
        )
        for percentile in percentiles
    )


def threshold(moderator: ArrayLike, percentile: float) -> float:
    """Return a percentile of a moderator (linear between order statistics).

    Raises
    ------
    InvalidValue
        For a percentile outside [0, 100].
    """
    if not 0 <= percentile <= 100:
        raise InvalidValue(
            key="percentile", value=percentile, requirement="from 0 to 100", remedy="write the 80th as 80"
        )
    return float(np.percentile(np.asarray(moderator, dtype=np.float64), percentile))
