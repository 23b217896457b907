"""Intervals that allow for violations of parallel trends, at an end of the identified set.

β̂ ~ N(δ + τ, Σ) with four leads, eight lags, τ = 0 and Σ known.  The truth under test is the upper end of the identified
interval of the mean effect: the trend that makes it as large as the restriction allows.
"""

from collections.abc import Mapping
from functools import cache

import numpy as np

from bigpush_est.reduced_form.honest.conditional import ConditionalMethod, conditional_test
from bigpush_est.reduced_form.honest.flci import fixed_length_interval
from bigpush_est.reduced_form.honest.restrictions import Polyhedron, identified_interval, polyhedra

from .study import Cell, Outcome

FAMILY = "Honest intervals"
PRE, POST = 4, 8
WEIGHTS = np.full(POST, 1.0 / POST)

#: Restriction, method and bound.
METHODS: list[tuple[str, str, float]] = [
    ("smoothness", "flci", 0.1),
    ("smoothness", "hybrid_flci", 0.1),
    ("smoothness", "hybrid_lf", 0.1),
    ("relative_magnitudes", "conditional", 1.0),
    ("relative_magnitudes", "hybrid_lf", 1.0),
    ("relative_smoothness", "hybrid_lf", 1.0),
]


@cache
def design(restriction: str, bound: float) -> tuple[np.ndarray, np.ndarray, float, tuple[Polyhedron, ...]]:
    """Mean of β̂, Σ, the truth and the restriction's polyhedra."""
    root = np.random.default_rng(2).standard_normal((PRE + POST, PRE + POST + 3))
    sigma = 0.05 * root @ root.T / (PRE + POST)
    members = tuple(polyhedra(restriction, PRE, POST, bound))  # type: ignore[arg-type]
    mean = np.zeros(PRE + POST)
    mean[:PRE] = [0.30, 0.10, 0.20, 0.10]
    interval = identified_interval(mean, PRE, WEIGHTS, members)
    if interval is None:  # these leads are rougher than the restriction allows: a linear trend
        mean[:PRE] = 0.05 * np.arange(-PRE, 0.0)
        interval = identified_interval(mean, PRE, WEIGHTS, members)
    assert interval is not None
    return mean, sigma, interval[1], members


def rejects(
    beta: np.ndarray,
    sigma: np.ndarray,
    truth: float,
    members: tuple[Polyhedron, ...],
    method: ConditionalMethod | str,
    bound: float,
    level: float,
) -> float:
    """Whether the set of a level leaves the truth out."""
    if method == "flci":
        interval = fixed_length_interval(beta, sigma, PRE, WEIGHTS, bound, level)
        return float(not interval.low <= truth <= interval.high)
    first_size = 0.1 * (1.0 - level)
    first = None
    if method == "hybrid_flci":
        first = fixed_length_interval(beta, sigma, PRE, WEIGHTS, bound, 1.0 - first_size)
    for member in members:
        test = conditional_test(
            beta,
            sigma,
            PRE,
            WEIGHTS,
            member,
            method=method,  # type: ignore[arg-type]
            level=level,
            first_size=first_size,
            first_interval=first,
        )
        if test.accepts(np.array([truth]))[0]:
            return 0.0
    return 1.0


class DrawHonest:
    """Draw estimates with the worst trend."""

    def __call__(self, rng: np.random.Generator, costly: bool) -> Mapping[str, Outcome]:
        noise = rng.standard_normal(PRE + POST)
        found = {}
        for restriction, method, bound in METHODS:
            mean, sigma, truth, members = design(restriction, bound)
            beta = mean + np.linalg.cholesky(sigma) @ noise
            at_5, at_10 = (rejects(beta, sigma, truth, members, method, bound, level) for level in (0.95, 0.90))
            found[f"{restriction}, {method}"] = Outcome(float("nan"), at_5, at_10)
        return found


CELLS = [Cell(FAMILY, "four leads, eight lags, at an end of the identified set", DrawHonest(), 300, 300)]
