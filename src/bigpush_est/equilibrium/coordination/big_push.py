"""The big push with a factory-wage premium, in the setting of Murphy, Shleifer and Vishny (1989).

Primitives
----------
- A unit mass of sectors, each with its own good; consumers spend an equal share of their income on each.  L workers
  per sector, each supplying one unit of labour; the wage in cottage industry is the numeraire.
- *Cottage industry*, in every sector: one unit of labour makes one good, and anybody may do it.  Hence all prices are
  1: a factory that asked more would sell nothing, and with unit-elastic demand it gains nothing by asking less.
- *A factory*, at most one a sector: F units of labour to set up, then one unit of labour makes α > 1 goods.  Factory
  work in sector i is disagreeable, and workers have to be paid the premium v_i, uniform on v(1 ± h), for it.

Timing
------
The state is the share n of sectors with a factory one period before.  Firms expect to face the demand which that share
created; those for which a factory then pays run one.  A steady state is an equilibrium of the static game.

Equations (our derivation from these primitives; the model is theirs)
---------------------------------------------------------------------
Labour adds up: (1 − n) y + n (F + y/α) = L, so that income per sector is

    y(n) = (L − nF) / (1 − nm),     m = 1 − 1/α,     rising in n if and only if mL > F.  (If not, no factory pays.)

A factory earns y − (1 + v_i)(F + y/α), so it pays if v_i is at most

    w(n) = y/(F + y/α) − 1 = α(L − nF) / (αF + L − nαF) − 1,     convex where it rises.

**The wedge.**  A factory's workers earn 1 + v, so it adds more to the demand for other goods than to its own profit.
With v = 0 it would add its profit and nothing else: a factory that loses money would lower income, and there is one
equilibrium only.  With identical sectors (h = 0):

    nobody is an equilibrium       F ≥ F_low  = L(1/(1+v) − 1/α),    below which it pays the first sector
    everybody is an equilibrium    F ≤ F_high = L(1 − (1+v)/α) = (1 + v) F_low
    so several do exist            F_low < F < (1 + v) F_low,        which is empty without a premium
    the coordinated push           n* = (y* − L)/(m y* − F),  y* = F(1+v)/(1 − (1+v)/α)

Welfare is income less the disagreeable part of factory work, y(n) − (F + y/α) ∫_0^n v_i.  Everybody is better than
nobody whenever it is an equilibrium: α(L − F) ≥ (1 + v + vh)L implies α(L − F) − vL ≥ L.
"""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np

from bigpush_est.equilibrium.adoption_map import FloatArray
from bigpush_est.equilibrium.coordination.model import CoordinationModel, Parameter, Window


@dataclass(frozen=True, slots=True, eq=False)
class BigPush(CoordinationModel):
    """Factories that pay a premium create each other's market; a batch of D economies.

    Attributes
    ----------
    labour, productivity, fixed_cost, premium
        L > 0 workers per sector, α > 1 goods per worker, F > 0 workers, v ≥ 0 cottage wages, shape (D,).

    Examples
    --------
    >>> from bigpush_est.equilibrium.steady_states import steady_states
    >>> economies = BigPush.build(fixed_cost=[0.30, 0.42, 0.55], spread=0.0)
    >>> window = economies.window()
    >>> window.low.round(3).tolist(), window.high.round(3).tolist()
    ([0.333, 0.333, 0.333], [0.5, 0.5, 0.5])
    >>> states = steady_states(economies)
    >>> states.multiple.tolist(), states.threshold.round(3).tolist()
    ([False, True, False], [nan, 0.619, nan])
    """

    name: ClassVar[str] = "big-push"
    title: ClassVar[str] = "The big push: one firm's wages are another's market"
    agents: ClassVar[str] = "sectors"
    action: ClassVar[str] = "industrialise"
    wedge: ClassVar[str] = "a premium for factory work: a factory adds more to others' demand than to its own profit"
    timing: ClassVar[str] = "firms expect the demand that last period's share of industrialised sectors created"
    gain_unit: ClassVar[str] = "premium a factory can pay, wages"
    welfare_unit: ClassVar[str] = "goods per sector, less the disutility of factory work"
    paid: ClassVar[str] = "per unit of factory labour, in cottage wages"
    key: ClassVar[str] = "fixed_cost"
    rule: ClassVar[str] = "L(1/(1+v) − 1/α) < F < L(1 − (1+v)/α)"
    sources: ClassVar[str] = "Rosenstein-Rodan (1943); Murphy, Shleifer and Vishny (1989), factory-wage premium"

    labour: Annotated[
        FloatArray, Parameter("L", "the number of workers per sector, the size of the market", "workers", 1.0, effect=1)
    ]
    productivity: Annotated[
        FloatArray, Parameter("α", "what a factory worker makes", "goods per worker", 3.0, "(1, inf)", effect=1)
    ]
    fixed_cost: Annotated[
        FloatArray, Parameter("F", "the labour that it takes to set up a factory", "workers", 0.42, effect=-1)
    ]
    premium: Annotated[
        FloatArray, Parameter("v", "the mean premium for factory work", "cottage wages", 0.5, "[0, inf)", effect=-1)
    ]

    @property
    def cost(self) -> FloatArray:
        """v, the mean premium."""
        return self.premium

    @property
    def margin(self) -> FloatArray:
        """m = 1 − 1/α, a factory's margin per sale if it paid no premium."""
        return 1.0 - 1.0 / self.productivity

    def income(self, share: FloatArray) -> FloatArray:
        """y(n) = (L − nF)/(1 − nm), spending on each good; 0 where set-up would take more labour than there is."""
        result: FloatArray = np.maximum(self.labour - share * self.fixed_cost, 0.0) / (1.0 - share * self.margin)
        return result

    def gain(self, share: FloatArray) -> FloatArray:
        """w(n) = y/(F + y/α) − 1, the largest premium that a factory can pay."""
        income = self.income(share)
        return income / (self.fixed_cost + income / self.productivity) - 1.0

    def margins(self) -> tuple[FloatArray, FloatArray]:
        """D at its trough, where w′ = 2hv, and at its crest, 1: w is convex where it rises."""
        labour, alpha, fixed = self.labour, self.productivity, self.fixed_cost
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            root = alpha * np.sqrt(np.maximum(fixed * (self.margin * labour - fixed), 0.0) / (2.0 * self.width))
            trough = np.clip((alpha * fixed + labour - root) / (alpha * fixed), 0.0, 1.0)
        trough = np.where((self.margin * labour > fixed) & ~np.isnan(trough), trough, 0.0)
        return self.profit(trough), self.profit(np.ones(self.n_draws))

    @property
    def width(self) -> FloatArray:
        """hv, half the range of premiums."""
        return self.spread * self.premium

    def window(self) -> Window:
        """F_low < F < (1 + v) F_low, empty without a premium or if no factory could pay it."""
        low = self.labour * (1.0 / (1.0 + self.premium) - 1.0 / self.productivity)
        exists = (low > 0.0) & (self.premium > 0.0)
        return Window(self.key, np.where(exists, low, np.nan), np.where(exists, (1.0 + self.premium) * low, np.nan))

    def factory_labour(self, share: FloatArray) -> FloatArray:
        """F + y/α, workers in each factory, shape (..., D)."""
        result: FloatArray = self.fixed_cost + self.income(share) / self.productivity
        return result

    def welfare(self, share: FloatArray) -> FloatArray:
        """y(n) − (F + y/α) ∫_0^n v_i."""
        return self.income(share) - self.factory_labour(share) * self.total_cost(share)

    def outcomes(self, share: FloatArray) -> dict[str, FloatArray]:
        """Income per sector, and the share of labour in factories."""
        return {
            "income per sector, goods": self.income(share),
            "share of labour in factories": share * self.factory_labour(share) / self.labour,
        }

    def bill(self, share: FloatArray, payment: FloatArray) -> FloatArray:
        """Payment × n × (F + y/α): factories are paid per unit of labour."""
        return payment * share * self.factory_labour(share)
