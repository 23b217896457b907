"""Kremer's O-ring production: output, prices of skill, competitive wages, and who works with whom.

A product takes n tasks, each done by one worker; worker i does its task well with probability (or quality) q_i in
[0, 1], and the product is worth

    F(q_1, ..., q_n) = A ∏ q_i.

**Two things called a wage.**  The slides' marginal product ∂F/∂q_i = A ∏_{j≠i} q_j (q_2 for worker 1 if n = 2) is the
price of a *unit of skill*.  Paid to each worker as a wage for n = 2 it adds up to q_1 + q_2, and paid per unit of own
skill to n F: more than the output F either way.  The *wage of a worker* in Kremer's (1993) competitive equilibrium
is a schedule w(q): a firm that hires n workers of skill q equates A q^{n−1} = w′(q), and makes no profit, so that

    w′(q) = A q^{n−1},     w(q) = A q^n/n.

**Who works with whom.**  For any skills A ∏ q_i ≤ Σ A q_i^n/n, the inequality of the arithmetic and the geometric mean
of the q_i^n, with equality only for equal skills.  So at these wages no team beats one of equals: workers are matched
with their own kind, and output is as large as it can be.  For two workers of each of two skills and n = 2 this is
q_H² + q_L² ≥ 2 q_L q_H.  For unequal skills in general the largest total output is that of the sorted assignment (the
best n together, then the next n, ...), because F is supermodular.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from math import comb

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bigpush_est.equilibrium.adoption_map import FloatArray
from bigpush_est.equilibrium.simple.economy import broadcast_draws
from bigpush_est.errors import InvalidValue, ShapeMismatch, WrongType

#: Assignments compared one by one at most.
MOST_ASSIGNMENTS = 200_000


def _skills(skills: ArrayLike, key: str = "skills") -> FloatArray:
    try:
        values = np.asarray(skills, dtype=np.float64)
    except (TypeError, ValueError):
        raise WrongType(
            key=key, value=repr(skills)[:60], expected="numbers in [0, 1]", remedy="pass probabilities of success"
        ) from None
    refused = ~((values >= 0.0) & (values <= 1.0))
    if refused.any():
        raise InvalidValue(
            key=key,
            value=f"{float(values[refused][0]):g}",
            requirement="in [0, 1]",
            remedy="a skill is the probability of doing the task well",
        )
    return values


def _scale(scale: float) -> float:
    if not isinstance(scale, int | float | np.number) or not (np.isfinite(scale) and scale > 0.0):
        raise InvalidValue(
            key="scale",
            value=scale,
            requirement="a positive number",
            remedy="A is the value of a product without faults",
        )
    return float(scale)


def _tasks(tasks: int) -> int:
    if not isinstance(tasks, int | float | np.number) or not (np.isfinite(tasks) and tasks >= 1 and tasks % 1 == 0):
        raise InvalidValue(
            key="tasks", value=tasks, requirement="a whole number, at least 1", remedy="n is the number of tasks"
        )
    return int(tasks)


def _team_skills(skills: ArrayLike) -> FloatArray:
    values = _skills(skills)
    if values.ndim == 0:
        raise ShapeMismatch(key="skills", shape=(), expected="(..., tasks)", remedy="pass one skill per task")
    return values


def team_output(skills: ArrayLike, scale: float = 1.0) -> FloatArray:
    """Return A ∏ q_i of teams, skills of shape (..., n), output of shape (...).

    Examples
    --------
    >>> team_output([[0.5, 0.9], [0.9, 0.9]]).round(2).tolist()
    [0.45, 0.81]
    """
    result: FloatArray = _scale(scale) * np.prod(_team_skills(skills), axis=-1)
    return result


def unit_skill_prices(skills: ArrayLike, scale: float = 1.0) -> FloatArray:
    """Return ∂F/∂q_i = A ∏_{j≠i} q_j, the slides' marginal products: prices of a unit of skill, shape (..., n).

    They are no wages: see the module's page.

    Examples
    --------
    The price of worker 1's skill is worker 2's skill:

    >>> unit_skill_prices([0.5, 0.9]).tolist()
    [0.9, 0.5]
    """
    values = _team_skills(skills)
    ones = np.ones_like(values[..., :1])
    before = np.cumprod(np.concatenate([ones, values[..., :-1]], axis=-1), axis=-1)
    after = np.cumprod(np.concatenate([ones, values[..., :0:-1]], axis=-1), axis=-1)[..., ::-1]
    result: FloatArray = _scale(scale) * before * after
    return result


def competitive_wage(skill: ArrayLike, tasks: int = 2, scale: float = 1.0) -> FloatArray:
    """Return Kremer's competitive wage w(q) = A q^n/n, of the shape of ``skill``.

    Examples
    --------
    >>> competitive_wage([0.5, 0.9]).round(3).tolist()
    [0.125, 0.405]
    """
    result: FloatArray = _scale(scale) * _skills(skill, "skill") ** _tasks(tasks) / tasks
    return result


def competitive_wage_slope(skill: ArrayLike, tasks: int = 2, scale: float = 1.0) -> FloatArray:
    """Return w′(q) = A q^{n−1}, what a little more skill earns, of the shape of ``skill``.

    Examples
    --------
    >>> competitive_wage_slope([0.5, 0.9], tasks=3).round(3).tolist()
    [0.25, 0.81]
    """
    result: FloatArray = _scale(scale) * _skills(skill, "skill") ** (_tasks(tasks) - 1)
    return result


def hiring_profit(skills: ArrayLike, scale: float = 1.0) -> FloatArray:
    """Return A ∏ q_i − Σ w(q_i), a team's profit at Kremer's wages: never positive, 0 for equal skills, shape (...).

    Examples
    --------
    >>> hiring_profit([[0.5, 0.9], [0.9, 0.9]]).round(3).tolist()
    [-0.08, 0.0]
    """
    values = _team_skills(skills)
    result: FloatArray = team_output(values, scale) - competitive_wage(values, values.shape[-1], scale).sum(axis=-1)
    return result


@dataclass(frozen=True, slots=True)
class Assignment:
    """Who works with whom.

    Attributes
    ----------
    teams
        Places of the workers in the list of skills, one row per team, shape (M, n).
    output
        Of each team, shape (M,).
    total
        Of all teams.
    compared
        How many assignments it was chosen from; 1 if it was made by sorting.
    """

    teams: NDArray[np.intp]
    output: FloatArray
    total: float
    compared: int


def _listed(skills: ArrayLike, tasks: int) -> FloatArray:
    values, tasks = _skills(skills), _tasks(tasks)
    if values.ndim != 1 or values.size == 0 or values.size % tasks:
        raise ShapeMismatch(
            key="skills",
            shape=values.shape,
            expected=f"(workers,), a multiple of the {tasks} tasks",
            remedy="pass one skill per worker, and as many workers as fill whole teams",
        )
    return values


def sorted_assignment(skills: ArrayLike, tasks: int = 2, scale: float = 1.0) -> Assignment:
    """Return the positive assortative assignment: the most skilled together, then the next.

    Parameters
    ----------
    skills
        One per worker, shape (M·n,).
    tasks, scale
        n and A.

    Examples
    --------
    >>> sorted_assignment([0.5, 0.9, 0.5, 0.9]).total
    1.06
    """
    values = _listed(skills, tasks)
    teams = np.argsort(-values, kind="stable").reshape(-1, tasks)
    output = team_output(values[teams], scale)
    return Assignment(teams=teams, output=output, total=float(output.sum()), compared=1)


def assignments(workers: int, tasks: int) -> Iterator[tuple[tuple[int, ...], ...]]:
    """Yield every way to form teams of ``tasks`` out of ``workers``, each once.

    Examples
    --------
    >>> list(assignments(4, 2))
    [((0, 1), (2, 3)), ((0, 2), (1, 3)), ((0, 3), (1, 2))]
    """

    def formed(left: tuple[int, ...]) -> Iterator[tuple[tuple[int, ...], ...]]:
        if not left:
            yield ()
            return
        for mates in combinations(left[1:], tasks - 1):
            rest = tuple(worker for worker in left[1:] if worker not in mates)
            for others in formed(rest):
                yield ((left[0], *mates), *others)

    yield from formed(tuple(range(workers)))


def count_assignments(workers: int, tasks: int) -> int:
    """Return how many ways there are to form teams of ``tasks`` out of ``workers``.

    Examples
    --------
    >>> count_assignments(4, 2), count_assignments(12, 2), count_assignments(12, 3)
    (3, 10395, 15400)
    """
    count = 1
    for left in range(workers, 0, -tasks):
        count *= comb(left - 1, tasks - 1)
    return count


def best_assignment(skills: ArrayLike, tasks: int = 2, scale: float = 1.0) -> Assignment:
    """Return the assignment with the largest total output, found by comparing every one.

    Raises
    ------
    InvalidValue
        If there are more than ``MOST_ASSIGNMENTS``.

    Examples
    --------
    >>> best = best_assignment([0.5, 0.9, 0.5, 0.9])
    >>> best.teams.tolist(), best.total, best.compared
    ([[0, 2], [1, 3]], 1.06, 3)
    """
    values = _listed(skills, tasks)
    count = count_assignments(values.size, tasks)
    if count > MOST_ASSIGNMENTS:
        raise InvalidValue(
            key="skills",
            value=f"{values.size} workers",
            requirement=f"few enough for {MOST_ASSIGNMENTS} assignments; these have {count}",
            remedy="call sorted_assignment, which is the best one",
        )
    every = np.array(list(assignments(values.size, tasks)), dtype=np.intp)
    output = team_output(values[every], scale)
    first = int(output.sum(axis=1).argmax())
    return Assignment(teams=every[first], output=output[first], total=float(output[first].sum()), compared=count)


@dataclass(frozen=True, slots=True)
class FourWorkers:
    """The slides' example: two workers of skill q_L, two of q_H, two tasks; arrays of shape (D,).

    Attributes
    ----------
    mixed_output, sorted_output
        2 A q_L q_H of two mixed teams, A(q_L² + q_H²) of two sorted ones.
    efficiency_gain
        Their difference, A(q_H − q_L)².
    price_beside_low, price_beside_high
        A q_L and A q_H: the price of a unit of skill next to a partner of low and of high skill (the slides' wage).
    wage_low, wage_high
        Kremer's competitive wages A q²/2.
    outbid_gain, outbid_loss
        A(q_H² − q_H q_L), what a mixed firm gains if the other firm's high worker replaces its low one, and
        A(q_H q_L − q_L²), what the other firm loses by the exchange: the first is larger, so the worker moves.
    """

    mixed_output: FloatArray
    sorted_output: FloatArray
    efficiency_gain: FloatArray
    price_beside_low: FloatArray
    price_beside_high: FloatArray
    wage_low: FloatArray
    wage_high: FloatArray
    outbid_gain: FloatArray
    outbid_loss: FloatArray


def four_workers(skill_low: ArrayLike, skill_high: ArrayLike, scale: float = 1.0) -> FourWorkers:
    """Work out the slides' four-worker example.

    Parameters
    ----------
    skill_low, skill_high
        q_L and q_H, scalars or of shape (D,).
    scale
        A.

    Examples
    --------
    >>> table = four_workers(0.5, 0.9)
    >>> table.mixed_output.round(2).tolist(), table.sorted_output.round(2).tolist()
    ([0.9], [1.06])
    """
    draws = broadcast_draws(skill_low=skill_low, skill_high=skill_high)
    low, high = (_skills(values, name) for name, values in draws.items())
    a = _scale(scale)
    return FourWorkers(
        mixed_output=2.0 * a * low * high,
        sorted_output=a * (low**2 + high**2),
        efficiency_gain=a * (high - low) ** 2,
        price_beside_low=a * low,
        price_beside_high=a * high,
        wage_low=competitive_wage(low, 2, a),
        wage_high=competitive_wage(high, 2, a),
        outbid_gain=a * high * (high - low),
        outbid_loss=a * low * (high - low),
    )
