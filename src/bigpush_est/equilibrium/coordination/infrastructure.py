"""Infrastructure: a line (airport, port, railroad) whose fixed cost is shared by those who use it.

Primitives (the slides' case; our model)
----------------------------------------
- A unit mass of firms.  A firm that industrialises ships its product on the line and makes V before the toll; its own
  set-up cost is c_i, uniform on c(1 ± h).  Without the line there is nothing to industrialise for.
- The line costs R a period however many use it, and nothing more per user.
- ν ≥ 0 users (a mine, the mail, an army) use it in any case and pay the same toll.  Firms have measure one; with ν = 0
  the first firm of all would have to carry the whole line.

Timing
------
The state is the share n of firms that shipped one period before.  The operator expects that traffic again and posts
the toll at which it breaks even on it, R/(n + ν); firms take the toll as given.

Equations (our derivation)
--------------------------
    w(n) = V − R/(n + ν),     rising and concave,     so D has its trough at 0 and its crest where R/(n + ν)² = 2hc

**The wedge.**  Who joins lowers everybody's toll and is not paid for it.  With identical firms (h = 0) there are
several steady states if

    ν(V − c) < R < (1 + ν)(V − c),     and the push has to bring more than n* = R/(V − c) − ν of the firms.

Nobody is always a steady state if nobody else pays for the line (ν = 0).  Everybody is better whenever it is an
equilibrium.  A payment to each user that does the push amounts to R/(n_0 + ν) − R/(S^U + ν), and **costs nothing in
the end**: at the toll that is left, R/(S^U + ν), the S^U firms that come pay for the line.  What is needed is somebody
who builds ahead of demand and is believed.
"""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np

from bigpush_est.equilibrium.adoption_map import FloatArray
from bigpush_est.equilibrium.coordination.model import CoordinationModel, Parameter, Window


@dataclass(frozen=True, slots=True, eq=False)
class Infrastructure(CoordinationModel):
    """Firms that share the fixed cost of a line; a batch of D economies.

    Attributes
    ----------
    value, setup_cost, line_cost, anchor
        V > 0, c > 0, R > 0, ν ≥ 0, shape (D,).

    Examples
    --------
    >>> from bigpush_est.equilibrium.steady_states import steady_states
    >>> economies = Infrastructure.build(line_cost=[0.05, 0.30, 0.70], spread=0.0)
    >>> states = steady_states(economies)
    >>> states.multiple.tolist(), states.threshold.round(3).tolist()
    ([False, True, False], [nan, 0.4, nan])
    """

    name: ClassVar[str] = "infrastructure"
    title: ClassVar[str] = "A railroad that has to be shared"
    agents: ClassVar[str] = "firms"
    action: ClassVar[str] = "industrialise"
    wedge: ClassVar[str] = "who joins lowers everybody's toll and is not paid for it"
    timing: ClassVar[str] = "the operator expects last period's traffic and posts the toll that breaks even on it"
    gain_unit: ClassVar[str] = "profit after the toll, goods"
    welfare_unit: ClassVar[str] = "goods per firm, without what the line is worth to its other users"
    paid: ClassVar[str] = "off the toll of each user, in goods"
    key: ClassVar[str] = "line_cost"
    rule: ClassVar[str] = "ν(V − c) < R < (1 + ν)(V − c)"
    sources: ClassVar[str] = "Rosenstein-Rodan (1943); Murphy, Shleifer and Vishny (1989), infrastructure; our model"

    value: Annotated[FloatArray, Parameter("V", "a firm's profit before set-up cost and toll", "goods", 1.0, effect=1)]
    setup_cost: Annotated[FloatArray, Parameter("c", "the mean set-up cost of a firm", "goods", 0.5, effect=-1)]
    line_cost: Annotated[FloatArray, Parameter("R", "the line's cost per period", "goods per firm", 0.3, effect=-1)]
    anchor: Annotated[
        FloatArray, Parameter("ν", "the traffic that is there in any case", "users per firm", 0.2, "[0, inf)", effect=1)
    ]

    @property
    def cost(self) -> FloatArray:
        """The mean set-up cost c."""
        return self.setup_cost

    def toll(self, share: FloatArray) -> FloatArray:
        """R/(n + ν), infinite where nobody uses the line, shape (..., D)."""
        with np.errstate(divide="ignore", over="ignore"):
            result: FloatArray = self.line_cost / (share + self.anchor)
        return result

    def gain(self, share: FloatArray) -> FloatArray:
        """w(n) = V − R/(n + ν), a firm's profit before its own cost."""
        return self.value - self.toll(share)

    def margins(self) -> tuple[FloatArray, FloatArray]:
        """D(0), and D where R/(n + ν)² = 2hc or at 1 if that lies beyond."""
        with np.errstate(divide="ignore", over="ignore"):
            crest = np.sqrt(self.line_cost / (2.0 * self.spread * self.setup_cost)) - self.anchor
        return self.profit(np.zeros(self.n_draws)), self.profit(np.clip(crest, 0.0, 1.0))

    def window(self) -> Window:
        """ν(V − c) < R < (1 + ν)(V − c), empty if firms would not come for free."""
        net = self.value - self.setup_cost
        low, high = np.where(net > 0.0, self.anchor * net, np.nan), np.where(net > 0.0, (1 + self.anchor) * net, np.nan)
        return Window(self.key, low, high)

    def welfare(self, share: FloatArray) -> FloatArray:
        """n V less set-up costs less R, which is saved if nobody uses the line."""
        used = np.where(share + self.anchor > 0.0, self.line_cost, 0.0)
        result: FloatArray = self.value * share - self.total_cost(share) - used
        return result

    def outcomes(self, share: FloatArray) -> dict[str, FloatArray]:
        """Return the toll at which the line breaks even."""
        return {"toll, goods": self.toll(share)}

    def bill(self, share: FloatArray, payment: FloatArray) -> FloatArray:
        """0: at the toll that the payment leaves, the firms that come pay for the line."""
        return np.where(np.isnan(payment), np.nan, 0.0 * share)
