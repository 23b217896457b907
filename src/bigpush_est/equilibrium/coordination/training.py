"""Training with poaching: nobody trains whom others will hire away, and nobody hires away if all train.

Primitives (the slides' case, Rosenstein-Rodan's "no mortgages on workers"; our model)
--------------------------------------------------------------------------------------
- A unit mass of firms, one worker each and period.  Training costs firm i c_i, uniform on c(1 ± h), and makes the
  worker produce g more, at this firm as at any other.
- If nobody else bids, firm and worker bargain, and the firm keeps the share b of g.
- Each firm has one rival, drawn at random.  A rival that has no trained worker of its own bids for the other's with
  probability p.  The two are worth the same to the worker, so bids rise to g: whoever wins, the rent is the worker's.

Timing
------
The state is the share n of firms that trained one period before: firms expect the rest of their rivals, 1 − n, to be
without a trained worker.

Equations (our derivation)
--------------------------
    w(n) = b g (1 − p(1 − n)),     linear,     a firm trains if c_i ≤ w(n)

**The wedge.**  A poached worker takes the return to the training along, and a firm that trains no longer poaches, which
is worth something to the others.  With spread h ≥ 0 both nobody and everybody are steady states, and there are several
only then, if

    b g (1 − p) < c(1 − h)     and     c(1 + h) < b g,     for h = 0:  b g (1 − p) < c < b g.

The push has to bring n* = 1 − (1 − c/(b g))/p of the firms if h = 0.  Everybody is better than nobody whenever it is an
equilibrium, since g > b g.  If the firm keeps nothing of the gain, b → 0, it does not train even if nobody poaches:
that all train is not enough to keep training worth its cost.
"""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np

from bigpush_est.equilibrium.adoption_map import FloatArray
from bigpush_est.equilibrium.coordination.model import CoordinationModel, Parameter, Window


@dataclass(frozen=True, slots=True, eq=False)
class Training(CoordinationModel):
    """Firms that train, or poach; a batch of D economies.

    Attributes
    ----------
    gain_from_training, firm_share, poaching, training_cost
        g > 0, b in (0, 1], p in [0, 1], c > 0, shape (D,).

    Examples
    --------
    >>> from bigpush_est.equilibrium.steady_states import steady_states
    >>> economies = Training.build(poaching=[0.0, 0.8], spread=0.0)
    >>> states = steady_states(economies)
    >>> states.multiple.tolist(), states.threshold.round(3).tolist()
    ([False, True], [nan, 0.479])
    """

    name: ClassVar[str] = "training"
    title: ClassVar[str] = "Training and poaching"
    agents: ClassVar[str] = "firms"
    action: ClassVar[str] = "train"
    wedge: ClassVar[str] = "a poached worker takes the return along; there are no mortgages on workers"
    timing: ClassVar[str] = "firms expect as many rivals without a trained worker as there were last period"
    gain_unit: ClassVar[str] = "expected rent from a trained worker, goods"
    welfare_unit: ClassVar[str] = "goods per firm"
    paid: ClassVar[str] = "per trained worker, in goods"
    key: ClassVar[str] = "training_cost"
    rule: ClassVar[str] = "b g (1 − p) < c < b g"
    sources: ClassVar[str] = "Rosenstein-Rodan (1943); our model"

    gain_from_training: Annotated[
        FloatArray, Parameter("g", "what training adds to a worker's product", "goods", 1.0, effect=1)
    ]
    firm_share: Annotated[
        FloatArray, Parameter("b", "the firm's share of it if nobody else bids", "fraction", 0.6, "(0, 1]", effect=1)
    ]
    poaching: Annotated[
        FloatArray,
        Parameter(
            "p",
            "the probability that a rival without a trained worker bids for yours",
            "probability",
            0.8,
            "[0, 1]",
            effect=-1,
        ),
    ]
    training_cost: Annotated[FloatArray, Parameter("c", "the mean cost of training a worker", "goods", 0.35, effect=-1)]

    @property
    def cost(self) -> FloatArray:
        """The mean cost of training c."""
        return self.training_cost

    def gain(self, share: FloatArray) -> FloatArray:
        """w(n) = b g (1 − p(1 − n)), what a firm expects to keep of a trained worker's gain."""
        result: FloatArray = self.firm_share * self.gain_from_training * (1.0 - self.poaching * (1.0 - share))
        return result

    def margins(self) -> tuple[FloatArray, FloatArray]:
        """D(0) and D(1): D is linear."""
        return self.profit(np.zeros(self.n_draws)), self.profit(np.ones(self.n_draws))

    def window(self) -> Window:
        """b g (1 − p) < c < b g, empty without poaching."""
        high = self.firm_share * self.gain_from_training
        exists = self.poaching > 0.0
        return Window(self.key, np.where(exists, high * (1.0 - self.poaching), np.nan), np.where(exists, high, np.nan))

    def welfare(self, share: FloatArray) -> FloatArray:
        """n g less training costs: what poachers and workers win, others lose."""
        result: FloatArray = self.gain_from_training * share - self.total_cost(share)
        return result

    def outcomes(self, share: FloatArray) -> dict[str, FloatArray]:
        """How likely a trained worker is to get another firm's bid."""
        bid: FloatArray = self.poaching * (1.0 - share)
        return {"probability that a trained worker gets a bid": bid}
