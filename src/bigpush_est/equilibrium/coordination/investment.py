"""Intertemporal investment: today's investment takes demand from today and adds it to tomorrow.

Primitives, in the setting of Murphy, Shleifer and Vishny's (1989) dynamic model
--------------------------------------------------------------------------------
- Two dates; L workers per sector at each; at every date a unit mass of goods on which consumers spend equal shares,
  and cottage industry that makes one good with one unit of labour.  The wage is the numeraire of each date, prices
  are 1, and **there is no wage premium**.
- A firm in sector i may invest F_i units of labour at date 1, uniform on F(1 ± h), and then makes α > 1 goods with one
  unit of labour at date 2.
- Consumers maximise (c_1^ε + β c_2^ε)/ε, 0 ≤ ε < 1 (log at 0), and lend and borrow among themselves: 1/(1 − ε) is
  their elasticity of intertemporal substitution.

Timing
------
The state is the share n of sectors that invested in the vintage of firms before.  A vintage expects its own to do the
same.  A steady state is an equilibrium of the two-date game.

Equations (our derivation)
--------------------------
Labour adds up at each date, and the Euler equation gives the price of a good of date 2 in goods of date 1:

    c_1(n) = L − ∫_0^n F_i,     c_2(n) = L/(1 − nm),  m = 1 − 1/α,     1/(1 + r) = β (c_2/c_1)^{ε−1}

so that an investment pays if F_i is at most the present value of m c_2,

    w(n) = β m c_2^ε c_1^{1−ε}.

**The wedge.**  An investor takes from a date at which others sell without profit and spends at a date at which they
sell with one, whether or not its own investment pays.  Against it works the rate of interest: c_2/c_1 rises with n, and
the more so the less willing consumers are to wait.  With log utility w falls with n, investments are substitutes, and
there is one equilibrium only.  With identical sectors (h = 0), nobody and everybody are both equilibria if

    β m L < F < β m (αL)^ε (L − F)^{1−ε}.

Everybody is then better than nobody: at the prices of that equilibrium consumers could afford (L, L).

Where w falls, the map falls, and an economy that expects the past may cycle: the map is searched with bounds on the
rising and the falling factor of w.  Then, and where w is not convex, other equilibria than these two can exist, in
which some sectors invest: the condition above is sufficient for several steady states, and the engine has the last
word.
Costs must differ (h > 0), since identical firms with a falling w would all flip from one side to the other.
"""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np

from bigpush_est.equilibrium.adoption_map import FloatArray
from bigpush_est.equilibrium.coordination.model import BoolArray, CoordinationModel, Parameter, Window
from bigpush_est.errors import InvalidValue

#: Spread below which firms count as identical, which this model cannot have.
SMALLEST_SPREAD = 1e-3
#: ε below which utility is the logarithm.
LOGARITHMIC = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class Investment(CoordinationModel):
    """Investments that make each other's second date; a batch of D economies.

    Attributes
    ----------
    labour, productivity, fixed_cost, discount, substitution
        L > 0 workers per sector, α > 1 goods per worker, F > 0 workers, β in (0, 1), ε in [0, 1), shape (D,).

    Raises
    ------
    InvalidValue
        For parameters outside their range, or a spread below ``SMALLEST_SPREAD``.

    Examples
    --------
    With little substitution over time investments no longer call forth each other:

    >>> from bigpush_est.equilibrium.steady_states import steady_states
    >>> economies = Investment.build(substitution=[0.0, 0.6])
    >>> economies.rising.tolist(), steady_states(economies).multiple.tolist()
    ([False, True], [False, True])
    """

    name: ClassVar[str] = "investment"
    title: ClassVar[str] = "Investment now, demand later"
    agents: ClassVar[str] = "sectors"
    action: ClassVar[str] = "invest"
    wedge: ClassVar[str] = "an investor moves demand to the date at which others sell with a profit"
    timing: ClassVar[str] = "each vintage of firms expects its own to invest as much as the one before"
    gain_unit: ClassVar[str] = "present value of the profit at date 2, goods of date 1"
    welfare_unit: ClassVar[str] = "the constant consumption that is worth as much, goods per sector and date"
    paid: ClassVar[str] = "per investing firm, in goods of date 1"
    key: ClassVar[str] = "discount"
    rule: ClassVar[str] = "β m L < F < β m (αL)^ε (L − F)^(1−ε), with m = 1 − 1/α"
    sources: ClassVar[str] = "Murphy, Shleifer and Vishny (1989), dynamic model of investment"
    exact: ClassVar[bool] = False

    labour: Annotated[FloatArray, Parameter("L", "the number of workers per sector", "workers", 1.0, effect=1)]
    productivity: Annotated[
        FloatArray,
        Parameter("α", "what a worker makes after the investment", "goods per worker", 6.0, "(1, inf)", effect=1),
    ]
    fixed_cost: Annotated[
        FloatArray, Parameter("F", "the mean labour that an investment takes", "workers", 0.5, effect=-1)
    ]
    discount: Annotated[
        FloatArray,
        Parameter("β", "the weight of date 2 in utility, a generation on", "fraction", 0.4, "(0, 1)", effect=1),
    ]
    substitution: Annotated[
        FloatArray,
        Parameter(
            "ε", "the willingness to wait: 1/(1−ε) is the intertemporal elasticity", "number", 0.6, "[0, 1)", effect=1
        ),
    ]

    def check(self) -> None:
        """Refuse parameters outside their range, and identical firms."""
        CoordinationModel.check(self)
        small = self.spread < SMALLEST_SPREAD
        if small.any():
            raise InvalidValue(
                key="spread",
                value=f"{float(self.spread[small][0]):g}",
                requirement=f"at least {SMALLEST_SPREAD:g} in this model",
                remedy="let costs differ in every draw: identical firms would flip where investments are substitutes",
            )

    @property
    def cost(self) -> FloatArray:
        """F, the mean cost of an investment."""
        return self.fixed_cost

    @property
    def margin(self) -> FloatArray:
        """m = 1 − 1/α, profit per sale at date 2."""
        return 1.0 - 1.0 / self.productivity

    def consumption(self, share: FloatArray) -> tuple[FloatArray, FloatArray]:
        """c_1(n), which is 0 where investments would take more labour than there is, and c_2(n)."""
        first: FloatArray = np.maximum(self.labour - self.total_cost(share), 0.0)
        return first, self.labour / (1.0 - share * self.margin)

    def gain(self, share: FloatArray) -> FloatArray:
        """w(n) = β m c_2^ε c_1^{1−ε}, the present value of a firm's profit."""
        return self._value(share, share)

    def _value(self, rising: FloatArray, falling: FloatArray) -> FloatArray:
        """w with its rising factor at one share and its falling factor at another."""
        later, now = self.consumption(rising)[1], self.consumption(falling)[0]
        result: FloatArray = self.discount * self.margin * later**self.substitution * now ** (1.0 - self.substitution)
        return result

    def gain_bounds(self, low: FloatArray, high: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Bounds on w over [low, high]: c_2 rises with the share, and c_1 falls."""
        return self._value(low, high), self._value(high, low)

    @property
    def rising(self) -> BoolArray:
        """Whether w, and with it the map, is nondecreasing on [0, 1], shape (D,).

        w′ has the sign of ε m c_1(n) − (1 − ε) Q(n) (1 − nm), a quadratic in n whose coefficient of n² is
        F h m (2 − 3ε): its least value is at 0, at 1 or, if that is positive, at its vertex.
        """
        m, h, fixed, epsilon = self.margin, self.spread, self.fixed_cost, self.substitution
        square = fixed * h * m * (2.0 - 3.0 * epsilon)
        linear = -fixed * (epsilon * m * (1.0 - h) + (1.0 - epsilon) * (2.0 * h - m * (1.0 - h)))
        constant = epsilon * m * self.labour - (1.0 - epsilon) * fixed * (1.0 - h)
        with np.errstate(divide="ignore", invalid="ignore"):
            vertex = np.where(square > 0.0, np.clip(-linear / (2.0 * square), 0.0, 1.0), 0.0)
        least = np.minimum(
            np.minimum(constant, constant + linear + square), constant + vertex * (linear + vertex * square)
        )
        result: BoolArray = (least >= 0.0) & (self.labour > self.fixed_cost)
        return result

    def margins(self) -> tuple[FloatArray, FloatArray]:
        """D(0) and D(1): nobody and everybody are both steady states if D(0) < 0 < D(1)."""
        return self.profit(np.zeros(self.n_draws)), self.profit(np.ones(self.n_draws))

    def window(self) -> Window:
        """β between F/(m(αL)^ε(L − F)^{1−ε}) and F/(mL)."""
        left = np.maximum(self.labour - self.fixed_cost, 0.0)
        everybody = (self.productivity * self.labour) ** self.substitution * left ** (1.0 - self.substitution)
        with np.errstate(divide="ignore", over="ignore"):
            low, high = self.fixed_cost / (self.margin * everybody), self.fixed_cost / (self.margin * self.labour)
        high = np.minimum(high, 1.0)
        return Window(self.key, np.where(low < high, low, np.nan), np.where(low < high, high, np.nan))

    def welfare(self, share: FloatArray) -> FloatArray:
        """Return the constant consumption c with (1 + β) c^ε = c_1^ε + β c_2^ε."""
        now, later = self.consumption(share)
        beta, power = self.discount, self.substitution
        with np.errstate(divide="ignore"):
            geometric = np.exp((np.log(now) + beta * np.log(later)) / (1.0 + beta))
        safe = np.where(power < LOGARITHMIC, 1.0, power)
        mean: FloatArray = ((now**safe + beta * later**safe) / (1.0 + beta)) ** (1.0 / safe)
        return np.where(power < LOGARITHMIC, geometric, mean)

    def outcomes(self, share: FloatArray) -> dict[str, FloatArray]:
        """Consumption at both dates and the rate of interest between them."""
        now, later = self.consumption(share)
        with np.errstate(divide="ignore", over="ignore"):
            rate = (later / now) ** (1.0 - self.substitution) / self.discount - 1.0
        return {"consumption at date 1": now, "consumption at date 2": later, "interest over a generation": rate}
