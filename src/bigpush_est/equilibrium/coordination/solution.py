"""What is asked of every model: equilibria, which is better, the trap, the smallest push, and what moves them."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from bigpush_est.equilibrium.adoption_map import FloatArray
from bigpush_est.equilibrium.coordination.model import BoolArray, CoordinationModel
from bigpush_est.equilibrium.steady_states import STABLE, SteadyStates, steady_states
from bigpush_est.errors import AssumptionViolated, InvalidValue

#: How far comparative statics move a parameter, as a fraction of it.
STEP = 0.05


@dataclass(frozen=True, slots=True)
class Condition:
    """The closed form beside the engine, shape (D,).

    Attributes
    ----------
    first, last
        D(0) and D(1): what the first agent gains by acting alone, and the last one by joining all others.  ``nobody``
        is a steady state if the first is negative, ``everybody`` if the second is not.
    trough, crest
        D at its trough and at its crest, in closed form.
    multiple
        trough < 0 < crest.
    exact
        Whether that is necessary, too; it is always sufficient.
    """

    first: FloatArray
    last: FloatArray
    trough: FloatArray
    crest: FloatArray
    multiple: BoolArray
    exact: bool

    @property
    def nobody(self) -> BoolArray:
        """Whether nobody acting is a steady state: it does not pay the first."""
        return self.first < 0.0

    @property
    def everybody(self) -> BoolArray:
        """Whether everybody acting is a steady state."""
        return self.last >= 0.0


@dataclass(frozen=True, slots=True)
class Push:
    """The smallest one-period push out of the trap, shape (D,); NaN without a trap.

    Attributes
    ----------
    together
        S^U − λ_0: the share of agents that have to move together.  If they trust each other to, no money is needed.
    payment
        Q(S^U) − w(λ_0): what each has to be paid in that period if all expect the past; any more is enough.
        Infinite where no payment to users can stand for the first of them.
    bill
        What it costs when the S^U agents with the lowest costs take it; if all are alike, when S^U of them may.
    """

    together: FloatArray
    payment: FloatArray
    bill: FloatArray


@dataclass(frozen=True, slots=True)
class Solution:
    """A batch of economies solved.

    Attributes
    ----------
    states
        The engine's steady states.
    welfare
        At each of them, shape (D, S); NaN where there is none.
    best
        Column of the stable steady state with the highest welfare, shape (D,); −1 if no state is stable.
    trapped
        Whether there are several stable steady states and the lowest is not the best, shape (D,).
    condition
        The closed form.
    push
        The smallest push from the lowest steady state.
    """

    states: SteadyStates
    welfare: FloatArray
    best: NDArray[np.intp]
    trapped: BoolArray
    condition: Condition
    push: Push

    @property
    def trap(self) -> FloatArray:
        """S^U, the end of the trap's basin [0, S^U), shape (D,); NaN without several stable states.

        Also NaN where the map falls somewhere: a basin need not be an interval then.
        """
        return self.push.together + self.states.lowest

    @property
    def welfare_gain(self) -> FloatArray:
        """Welfare at the best stable steady state less welfare at the lowest, shape (D,); NaN without several."""
        at_best = np.take_along_axis(self.welfare, np.maximum(self.best, 0)[:, None], axis=1)[:, 0]
        lowest = np.where(self.states.share == self.states.lowest[:, None], self.welfare, -np.inf).max(axis=1)
        return np.where(self.states.multiple, at_best - lowest, np.nan)


def solve_model(model: CoordinationModel) -> Solution:
    """Find every steady state of a batch of economies, rank them, and find the smallest push out of the trap.

    Examples
    --------
    >>> from bigpush_est.equilibrium.coordination import Training
    >>> solution = solve_model(Training.build())
    >>> solution.states.share.round(3).tolist(), solution.welfare.round(3).tolist()
    ([[0.0, 0.471, 1.0]], [[0.0, 0.323, 0.65]])
    >>> solution.trapped.tolist(), solution.push.payment.round(3).tolist()
    ([True], [0.226])
    """
    states = steady_states(model)
    welfare = model.welfare(states.share.T).T
    stable = np.isfinite(states.share) & (states.stability == STABLE) & ~states.jump
    ranked = np.where(stable, welfare, -np.inf)
    best = np.where(stable.any(axis=1), ranked.argmax(axis=1), -1)
    lowest = states.lowest
    at_best = np.take_along_axis(states.share, np.maximum(best, 0)[:, None], axis=1)[:, 0]
    return Solution(
        states=states,
        welfare=welfare,
        best=best,
        trapped=states.multiple & (at_best > lowest),
        condition=condition(model),
        push=_push(model, states),
    )


def condition(model: CoordinationModel) -> Condition:
    """Evaluate a model's closed-form condition for several stable steady states.

    Examples
    --------
    >>> from bigpush_est.equilibrium.coordination import Training
    >>> condition(Training.build(poaching=[0.1, 0.8])).multiple.tolist()
    [False, True]
    """
    trough, crest = model.margins()
    return Condition(
        first=model.profit(np.zeros(model.n_draws)),
        last=model.profit(np.ones(model.n_draws)),
        trough=trough,
        crest=crest,
        multiple=(trough < 0.0) & (crest > 0.0),
        exact=model.exact,
    )


def _push(model: CoordinationModel, states: SteadyStates) -> Push:
    defined = states.multiple & model.rising & states.converged
    start, target = np.where(defined, states.lowest, 0.0), np.where(defined, states.threshold, 1.0)
    payment = model.cost_at(target) - model.gain(start)
    bill = model.bill(target, payment)
    return Push(
        together=np.where(defined, target - start, np.nan),
        payment=np.where(defined, payment, np.nan),
        bill=np.where(defined, bill, np.nan),
    )


def pushed_path(
    model: CoordinationModel, start: FloatArray, payment: FloatArray, periods: int, push_periods: int = 1
) -> FloatArray:
    """λ_0, ..., λ_T when agents that act are paid ``payment`` in the first periods, shape (T + 1, D).

    Parameters
    ----------
    start, payment
        Shape (D,).
    periods, push_periods
        T, and how many of them are paid.

    Raises
    ------
    InvalidValue
        If ``periods`` is negative.

    Examples
    --------
    >>> from bigpush_est.equilibrium.coordination import Training
    >>> model = Training.build()
    >>> smallest = solve_model(model).push.payment
    >>> [pushed_path(model, np.zeros(1), factor * smallest, 20)[-1, 0].item() for factor in (0.99, 1.01)]
    [0.0, 1.0]
    """
    if periods < 0:
        raise InvalidValue(key="periods", value=periods, requirement="not negative", remedy="pass 0 or more periods")
    path = np.empty((periods + 1, model.n_draws))
    path[0] = start
    for t in range(periods):
        path[t + 1] = model.acting(model.gain(path[t]) + (payment if t < push_periods else 0.0))
    return path


@dataclass(frozen=True, slots=True)
class Effect:
    """How one parameter moves the trap of one economy.

    Attributes
    ----------
    parameter
        Its name.
    values
        Its values: a step below, at, and a step above the economy's own.
    trap
        S^U at each of them; NaN where there is no trap.
    states
        Number of stable steady states at each of them.
    lowest
        The lowest of them; NaN if there is none.
    claim
        What theory says of Γ when the parameter rises: 1 up (the trap shrinks), −1 down (it grows), 0 nothing.
    """

    parameter: str
    values: tuple[float, float, float]
    trap: tuple[float, float, float]
    states: tuple[int, int, int]
    lowest: tuple[float, float, float]
    claim: Literal[-1, 0, 1]


def comparative_statics(model: CoordinationModel, step: float = STEP) -> list[Effect]:
    """Return how the trap of a single economy moves when each parameter moves by a fraction ``step`` either way.

    A value that the model refuses, alone or beside the others, is left where it was; a whole number moves by one, and
    a parameter at 0 by ``step`` itself.

    Raises
    ------
    InvalidValue
        If the batch holds several economies, or the step is not in (0, 1).

    Examples
    --------
    >>> from bigpush_est.equilibrium.coordination import Training
    >>> [effect.parameter for effect in comparative_statics(Training.build()) if effect.trap[2] > effect.trap[0]]
    ['poaching', 'training_cost']
    """
    if model.n_draws != 1:
        raise InvalidValue(key="model", value=f"{model.n_draws} draws", requirement="one", remedy="pass one economy")
    if not 0.0 < step < 1.0:
        raise InvalidValue(key="step", value=step, requirement="in (0, 1)", remedy="pass a fraction such as 0.05")
    base = {name: float(getattr(model, name)[0]) for name in model.parameters()}
    effects = []
    for name, entry in model.parameters().items():
        value = base[name]
        move = 1.0 if entry.whole else step * (abs(value) or 1.0)
        candidates = []
        for moved in (value - move, value, value + move):
            try:
                entry.check(name, np.array([moved]))
                model.changed(**{name: moved})
                candidates.append(moved)
            except (InvalidValue, AssumptionViolated):
                candidates.append(value)
        solved = solve_model(model.changed(**{name: candidates}))
        trap, count, lowest = (x.tolist() for x in (solved.trap, solved.states.stable_count, solved.states.lowest))
        effects.append(
            Effect(
                parameter=name,
                values=(candidates[0], candidates[1], candidates[2]),
                trap=(trap[0], trap[1], trap[2]),
                states=(count[0], count[1], count[2]),
                lowest=(lowest[0], lowest[1], lowest[2]),
                claim=entry.effect,
            )
        )
    return effects
