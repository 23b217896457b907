"""Urbanisation: factories wait for townspeople, and people wait for what factories make.

Primitives (the slides' case; our model)
----------------------------------------
- A unit mass of sectors, each a possible factory with one industrial good and a fixed cost F_j, uniform on F(1 ± h).
- A unit mass of households, in the country or in town.  In town a household uses every industrial good on offer, in
  the country each of them only with probability ρ ("conveniently used").  A use is worth V more than it costs to make.
- The price leaves the share s of V to the buyer (the fringe of craftsmen limits it) and 1 − s to the factory.
- Moving to town for a period costs household i k_i, uniform on k(1 ± h).

Timing
------
The state is the share n of sectors that were industrialised one period before.  Households expect as many goods on
offer and choose where to live; factories see where customers live, and choose.

Equations (our derivation)
--------------------------
A household gains s V (1 − ρ) n by moving; a factory sells to ρ + (1 − ρ) u of the households, u the share in town:

    u(n) = clip((s(1 − ρ)V n − k(1 − h))/(2hk), 0, 1)        a step at s(1 − ρ)V n = k if h = 0
    w(n) = (1 − s) V (ρ + (1 − ρ) u(n)),                     a factory pays if F_j ≤ w(n)

w is flat up to n_1 = k(1 − h)/(s(1 − ρ)V), rises up to n_2 = k(1 + h)/(s(1 − ρ)V), and is flat again: D has its trough
at n_1 and its crest at min(n_2, 1).

**The wedge.**  A factory is not paid for what its good is worth to its buyers, and who moves to town is not paid for
the custom that it brings.  With identical agents (h = 0) there are several steady states if

    (1 − s) ρ V < F < (1 − s) V     and     k < s (1 − ρ) V :

the countryside alone does not carry a factory, the town does, and a full supply of goods is worth the move.  The push
has to bring more than n* = k/(s(1 − ρ)V) of the sectors.  Everybody is then better than nobody: V > F + k.
"""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np

from bigpush_est.equilibrium.adoption_map import FloatArray
from bigpush_est.equilibrium.coordination.model import CoordinationModel, Parameter, Window


@dataclass(frozen=True, slots=True, eq=False)
class Urbanisation(CoordinationModel):
    """Town and factories bring forth each other; a batch of D economies.

    Attributes
    ----------
    value, buyer_share, rural_use, fixed_cost, moving_cost
        V > 0, s in (0, 1), ρ in [0, 1], F > 0, k > 0, shape (D,).

    Examples
    --------
    If goods are as useful in the country as in town there is no trap:

    >>> from bigpush_est.equilibrium.steady_states import steady_states
    >>> economies = Urbanisation.build(rural_use=[0.2, 0.4, 0.9])
    >>> steady_states(economies).multiple.tolist()
    [True, True, False]
    """

    name: ClassVar[str] = "urbanisation"
    title: ClassVar[str] = "Town and factory"
    agents: ClassVar[str] = "sectors"
    action: ClassVar[str] = "industrialise"
    wedge: ClassVar[str] = "neither factories nor movers are paid for what they are worth to the other side"
    timing: ClassVar[str] = "households expect the goods that last period's factories offered; factories follow them"
    gain_unit: ClassVar[str] = "profit before the fixed cost, goods"
    welfare_unit: ClassVar[str] = "goods per household"
    paid: ClassVar[str] = "per factory, in goods"
    key: ClassVar[str] = "fixed_cost"
    rule: ClassVar[str] = "(1−s)ρV < F < (1−s)V and k < s(1−ρ)V"
    sources: ClassVar[str] = "the lecture's case; our model"

    value: Annotated[
        FloatArray, Parameter("V", "what a use of each good is worth beyond its cost", "goods", 1.0, effect=1)
    ]
    buyer_share: Annotated[FloatArray, Parameter("s", "the buyer's share of that value", "fraction", 0.5, "(0, 1)")]
    rural_use: Annotated[
        FloatArray, Parameter("ρ", "the probability that a good is of use in the country", "probability", 0.2, "[0, 1]")
    ]
    fixed_cost: Annotated[FloatArray, Parameter("F", "the mean fixed cost of a factory", "goods", 0.25, effect=-1)]
    moving_cost: Annotated[
        FloatArray, Parameter("k", "the mean cost of moving to town for a period", "goods", 0.2, effect=-1)
    ]

    @property
    def cost(self) -> FloatArray:
        """F, the mean fixed cost."""
        return self.fixed_cost

    @property
    def attraction(self) -> FloatArray:
        """s(1 − ρ)V, what moving is worth if every good is on offer, shape (D,)."""
        return self.buyer_share * (1.0 - self.rural_use) * self.value

    def urban_share(self, share: FloatArray) -> FloatArray:
        """u(n), the share of households for which moving pays, shape (..., D)."""
        surplus, width = self.attraction * share, 2.0 * self.spread * self.moving_cost
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            ramp = (surplus - self.moving_cost * (1.0 - self.spread)) / width
        result: FloatArray = np.where(
            width > 0.0, np.clip(ramp, 0.0, 1.0), np.where(surplus >= self.moving_cost, 1.0, 0.0)
        )
        return result

    def _profit_with(self, urban: FloatArray) -> FloatArray:
        result: FloatArray = (1.0 - self.buyer_share) * self.value * (self.rural_use + (1.0 - self.rural_use) * urban)
        return result

    def gain(self, share: FloatArray) -> FloatArray:
        """w(n), a factory's profit before its fixed cost."""
        return self._profit_with(self.urban_share(share))

    def margins(self) -> tuple[FloatArray, FloatArray]:
        """D just before n_1, where nobody has moved yet, and at min(n_2, 1)."""
        with np.errstate(divide="ignore", over="ignore"):
            first = np.minimum(self.moving_cost * (1.0 - self.spread) / self.attraction, 1.0)
            last = np.minimum(self.moving_cost * (1.0 + self.spread) / self.attraction, 1.0)
            alone = self.moving_cost / self.attraction > 1.0
        # identical households all move at the crest, unless even a full supply of goods is worth less than the move
        urban = np.where(self.spread > 0.0, self.urban_share(last), np.where(alone, 0.0, 1.0))
        return (
            self._profit_with(np.zeros(self.n_draws)) - self.cost_at(first),
            self._profit_with(urban) - self.cost_at(last),
        )

    def window(self) -> Window:
        """(1 − s)ρV < F < (1 − s)V, empty if a full supply of goods is worth less than the move."""
        high = (1.0 - self.buyer_share) * self.value
        exists = (self.moving_cost < self.attraction) & (self.rural_use < 1.0)
        return Window(self.key, np.where(exists, high * self.rural_use, np.nan), np.where(exists, high, np.nan))

    def welfare(self, share: FloatArray) -> FloatArray:
        """V n (ρ + (1 − ρ)u) less all fixed and moving costs: price and margin are transfers."""
        urban = self.urban_share(share)
        used = self.rural_use + (1.0 - self.rural_use) * urban
        moving = self.moving_cost * urban * (1.0 - self.spread + self.spread * urban)
        result: FloatArray = self.value * share * used - self.total_cost(share) - moving
        return result

    def outcomes(self, share: FloatArray) -> dict[str, FloatArray]:
        """Return the share of households in town."""
        return {"share of households in town": self.urban_share(share)}
