"""Upgrading skill in Kremer's O-ring economy, under a stated rule of matching and pay.

Primitives
----------
- A unit mass of workers.  A product takes n tasks and is worth A ∏ q_i: the tasks' probabilities of **success**
  multiply.  A worker has skill q_L, and skill q_H > q_L after upgrading at a cost c_i, uniform on c(1 ± h).
- *Matching and pay.*  With probability a the worker is seen for what it is and ends up in a team of its own skill, paid
  Kremer's competitive wage A q^n/n.  Otherwise teams are drawn at random from the workers of that kind, and the members
  share what they make equally.  a = 0 is random matching with equal split, a = 1 the competitive market of
  ``bigpush_est.equilibrium.oring``.

Timing
------
The state is the share λ of workers who upgraded in the generation before.  The young expect to be matched in a
population of that mix.

Equations (our derivation; the O-ring, its wages and the idea of imperfect matching are Kremer's, 1993)
-------------------------------------------------------------------------------------------------------
With the mean skill Q(λ) = q_L + λ(q_H − q_L), a worker of skill q expects A q Q^{n−1}/n from a random team, so that
upgrading is worth

    w(λ) = a (A/n)(q_H^n − q_L^n) + (1 − a)(A/n)(q_H − q_L) Q(λ)^{n−1},     rising, and convex (linear for n = 2)

**The wedge.**  Skill raises what a worker's team-mates produce, and under equal split they keep (n − 1)/n of it.  If
all are sorted (a = 1), w does not depend on others and there is one steady state.  With identical workers (h = 0) there
are several if

    w(0) < c < w(1),     for n = 2, a = 0 and A = 1:  q_L(q_H − q_L)/2 < c < q_H(q_H − q_L)/2,

and the push has to bring λ* = ((n c/(A(q_H − q_L)))^{1/(n−1)} − q_L)/(q_H − q_L) of the workers if a = 0.  Everybody is
better than nobody whenever it is an equilibrium: then c < (A/n)(q_H^n − q_L^n), the gain in output per worker.

**The slides' rule is another.**  If each worker is paid its partner's skill, q_L or q_H (a price per unit of skill),
and matching is random, upgrading is worth nothing whatever the others do: nobody upgrades, and that is the only steady
state.
"""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np

from bigpush_est.equilibrium.adoption_map import FloatArray
from bigpush_est.equilibrium.coordination.model import CoordinationModel, Parameter, Window
from bigpush_est.errors import AssumptionViolated


@dataclass(frozen=True, slots=True, eq=False)
class ORing(CoordinationModel):
    """Workers who upgrade their skill if enough others do; a batch of D economies.

    Attributes
    ----------
    skill_low, skill_high, tasks, output_scale, upgrade_cost, sorting
        q_L in [0, 1], q_H in [0, 1] above q_L, n ≥ 2, A > 0, c > 0, a in [0, 1], shape (D,).

    Raises
    ------
    InvalidValue
        For parameters outside their range.
    AssumptionViolated
        Where q_H does not exceed q_L.

    Examples
    --------
    >>> from bigpush_est.equilibrium.steady_states import steady_states
    >>> economies = ORing.build(upgrade_cost=[0.09, 0.14, 0.19], spread=0.0)
    >>> window = economies.window()
    >>> window.low.round(3).tolist(), window.high.round(3).tolist()
    ([0.1, 0.1, 0.1], [0.18, 0.18, 0.18])
    >>> states = steady_states(economies)
    >>> states.multiple.tolist(), states.threshold.round(3).tolist()
    ([False, True, False], [nan, 0.5, nan])
    """

    name: ClassVar[str] = "oring"
    title: ClassVar[str] = "Kremer's O-ring: who upgrades if nobody else does?"
    agents: ClassVar[str] = "workers"
    action: ClassVar[str] = "upgrade"
    wedge: ClassVar[str] = "team-mates keep (n − 1)/n of what a better worker adds"
    timing: ClassVar[str] = "a generation expects to be matched in a population with the skills of the one before"
    gain_unit: ClassVar[str] = "gain in expected pay, goods"
    welfare_unit: ClassVar[str] = "output per worker less upgrading costs, goods"
    paid: ClassVar[str] = "per upgrading worker, in goods"
    key: ClassVar[str] = "upgrade_cost"
    rule: ClassVar[str] = "w(0) < c < w(1); with random matching A(q_H−q_L)q_L^(n−1)/n < c < A(q_H−q_L)q_H^(n−1)/n"
    sources: ClassVar[str] = "Kremer (1993); matching rule ours"

    skill_low: Annotated[
        FloatArray, Parameter("q_L", "a worker's skill before upgrading", "probability", 0.5, "[0, 1]")
    ]
    skill_high: Annotated[
        FloatArray, Parameter("q_H", "a worker's skill after upgrading", "probability", 0.9, "[0, 1]", effect=1)
    ]
    tasks: Annotated[FloatArray, Parameter("n", "the number of tasks", "tasks", 2.0, "[2, inf)", whole=True, effect=-1)]
    output_scale: Annotated[FloatArray, Parameter("A", "the value of a product without faults", "goods", 1.0, effect=1)]
    upgrade_cost: Annotated[FloatArray, Parameter("c", "the mean cost of upgrading", "goods", 0.14, effect=-1)]
    sorting: Annotated[
        FloatArray,
        Parameter(
            "a",
            "the probability of being matched by skill and paid Kremer's wage",
            "probability",
            0.0,
            "[0, 1]",
            effect=1,
        ),
    ]

    def check(self) -> None:
        """Refuse parameters outside their range, and an upgrade that is none."""
        CoordinationModel.check(self)
        violated = ~(self.skill_high > self.skill_low)
        if violated.any():
            raise AssumptionViolated(
                assumption="skill_high > skill_low",
                key="skill_high",
                value=f"{float(self.skill_high[violated][0]):g}",
                count=int(violated.sum()),
                total=self.n_draws,
                remedy="raise skill_high above skill_low; priors of the two must not overlap",
            )

    @property
    def cost(self) -> FloatArray:
        """The mean cost of upgrading c."""
        return self.upgrade_cost

    @property
    def difference(self) -> FloatArray:
        """q_H − q_L, shape (D,)."""
        return self.skill_high - self.skill_low

    def mean_skill(self, share: FloatArray) -> FloatArray:
        """Q(λ), shape (..., D)."""
        result: FloatArray = self.skill_low + share * self.difference
        return result

    def gain(self, share: FloatArray) -> FloatArray:
        """w(λ), what upgrading adds to expected pay."""
        unit = self.output_scale / self.tasks
        sorted_gain = self.skill_high**self.tasks - self.skill_low**self.tasks
        random_gain = self.difference * self.mean_skill(share) ** (self.tasks - 1.0)
        result: FloatArray = unit * (self.sorting * sorted_gain + (1.0 - self.sorting) * random_gain)
        return result

    def margins(self) -> tuple[FloatArray, FloatArray]:
        """D at its trough, where w′ = 2hc, and at its crest, 1: w is convex."""
        weight = (1.0 - self.sorting) * self.output_scale * (self.tasks - 1.0) / self.tasks * self.difference**2
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            # w′ = weight · Q^{n−2}
            level = 2.0 * self.spread * self.upgrade_cost / weight
            skill = level ** (1.0 / np.maximum(self.tasks - 2.0, 1.0))
            curved = np.clip((skill - self.skill_low) / self.difference, 0.0, 1.0)
        linear = np.where(level < 1.0, 0.0, 1.0)
        trough = np.where(self.tasks > 2.0, curved, linear)
        return self.profit(np.where(np.isnan(trough), 1.0, trough)), self.profit(np.ones(self.n_draws))

    def window(self) -> Window:
        """w(0) < c < w(1), empty if all are sorted."""
        low, high = self.gain(np.zeros(self.n_draws)), self.gain(np.ones(self.n_draws))
        exists = self.sorting < 1.0
        return Window(self.key, np.where(exists, low, np.nan), np.where(exists, high, np.nan))

    def output(self, share: FloatArray) -> FloatArray:
        """Output per worker, (A/n)(a(λ q_H^n + (1 − λ) q_L^n) + (1 − a) Q^n), shape (..., D)."""
        sorted_output = share * self.skill_high**self.tasks + (1.0 - share) * self.skill_low**self.tasks
        random_output = self.mean_skill(share) ** self.tasks
        result: FloatArray = (
            self.output_scale / self.tasks * (self.sorting * sorted_output + (1.0 - self.sorting) * random_output)
        )
        return result

    def welfare(self, share: FloatArray) -> FloatArray:
        """Output per worker less upgrading costs."""
        return self.output(share) - self.total_cost(share)

    def outcomes(self, share: FloatArray) -> dict[str, FloatArray]:
        """Output per worker and the mean skill."""
        return {"output per worker, goods": self.output(share), "mean skill": self.mean_skill(share)}
