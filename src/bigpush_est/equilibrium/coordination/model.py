"""What the lecture's models of coordination share: a gain that depends on others, and costs that differ.

A unit mass of agents (sectors, firms, workers) chooses whether to take the modern action.  Agent i pays the cost c_i;
costs are uniform on c(1 ± h), with h the ``spread``.  What the action is worth, w(λ), depends on the share λ of agents
that took it one period before.  So next period's share is that of the agents for whom it pays,

    Γ(λ) = share of i with c_i ≤ w(λ) = clip((w(λ) − c(1 − h)) / (2hc), 0, 1),       a step at w(λ) = c if h = 0,

an adoption map, and the engine of ``steady_states`` does the rest.  A steady state is an equilibrium of the static game
in which all choose at once.  Costs are paid anew each period: nothing but what agents expect of others, namely what
these did last, links one period to the next.  With the cost of the agent at place n of the
queue, Q(n) = c(1 − h + 2hn), and the marginal agent's profit D(n) = w(n) − Q(n):

- *Nobody* is a steady state if D(0) < 0 (the first agent would lose), *everybody* is one if D(1) ≥ 0.
- **Several steady states.**  Let w be nondecreasing, and let D fall up to a place called trough, rise to a place
  called crest, and fall from there on.  Then there are two stable steady states **if and only if D(trough) < 0 <
  D(crest)**: D starts the trap's side with one downward crossing (or the corner 0), turns positive once between
  trough and crest (the unstable state), and crosses downwards once more (or ends at the corner 1).  If D(trough) ≥ 0
  or D(crest) ≤ 0, one of these crossings is missing.  Convex w has its crest at 1, concave w its trough at 0.
- **The push.**  From the trap's state λ_0 a payment z to each agent that acts, for one period, brings the share beyond
  the unstable state S^U if and only if w(λ_0) + z > Q(S^U): the smallest payment is Q(S^U) − w(λ_0).  Paid for as
  long as it takes, more than the largest Q − w on [λ_0, S^U] is enough, −D(trough) if the trough lies there.

Adding a model takes one file with a subclass of ``CoordinationModel`` and one line in the package's registry.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass, fields
from functools import cache
from typing import Annotated, ClassVar, Literal, Self, get_type_hints

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bigpush_est.equilibrium.adoption_map import FloatArray, Index
from bigpush_est.equilibrium.simple.economy import broadcast_draws
from bigpush_est.errors import InvalidValue, UnknownKey

type BoolArray = NDArray[np.bool_]

#: Values beyond this size are mistakes, and would lose the digits on which answers rest.
LARGEST = 1e9


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a model: what it is, in which unit, and where it may lie.

    Attributes
    ----------
    symbol, meaning, unit
        As a page prints them.
    default
        The value of the lecture's illustration.
    within
        Its range, such as ``"[0, 1)"`` or ``"(0, inf)"``: a square bracket takes its end in.
    whole
        Whether only whole numbers make sense.
    effect
        What theory claims of Γ at every share when the parameter rises: 1 up, −1 down, 0 no claim.
    """

    symbol: str
    meaning: str
    unit: str
    default: float
    within: str = "(0, inf)"
    whole: bool = False
    effect: Literal[-1, 0, 1] = 0

    @property
    def ends(self) -> tuple[float, float]:
        """Lower and upper end of the range."""
        low, high = self.within[1:-1].split(",")
        return float(low), float(high)

    @property
    def takes_ends(self) -> tuple[bool, bool]:
        """Whether the range takes in its lower and its upper end."""
        return self.within[0] == "[", self.within[-1] == "]"

    @property
    def requirement(self) -> str:
        """The range in words, such as ``in [0, 1)`` or ``greater than 0``."""
        (low, high), (low_taken, _) = self.ends, self.takes_ends
        text = f"in {self.within}" if np.isfinite(high) else f"{'at least' if low_taken else 'greater than'} {low:g}"
        return f"a whole number, {text}" if self.whole else text

    def allows(self, values: FloatArray) -> BoolArray:
        """Whether values lie in the range and are of ordinary size, of their shape."""
        (low, high), (low_taken, high_taken) = self.ends, self.takes_ends
        inside: BoolArray = (values >= low if low_taken else values > low) & (np.abs(values) <= LARGEST)
        inside &= values <= high if high_taken else values < high
        return inside & (values == np.round(values)) if self.whole else inside

    def check(self, name: str, values: FloatArray) -> None:
        """Refuse values outside the range.

        Raises
        ------
        InvalidValue
            With the first value refused.
        """
        inside = self.allows(values)
        if not inside.all():
            refused = float(values[~inside][0])
            raise InvalidValue(
                key=name,
                value=f"{refused:g}",
                requirement=self.requirement + (f", and at most {LARGEST:g}" if refused > LARGEST else ""),
                remedy=f"{self.symbol} is {self.meaning}; its default is {self.default:g}",
            )


@dataclass(frozen=True, slots=True)
class Window:
    """Where the model's key parameter gives several steady states when agents are identical (spread 0), shape (D,).

    Attributes
    ----------
    parameter
        Name of the key parameter.
    low, high
        Ends of the open interval; NaN where it is empty.
    """

    parameter: str
    low: FloatArray
    high: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class CoordinationModel(ABC):
    """A batch of D economies of one of the lecture's models; it is an ``AdoptionMap``.

    Class attributes state the model in words.  ``name`` is what the command line calls it, ``agents`` and ``action``
    who does what, ``wedge`` why agents do not take into account what they do to others, ``timing`` what the lagged
    state is, ``paid`` what a push pays for, ``key`` the parameter that figures vary, ``rule`` the condition for several
    steady states with identical agents, ``exact`` whether ``margins`` decides multiplicity (else it is sufficient).

    Attributes
    ----------
    spread
        h: costs are uniform within ±h of their mean, shape (D,).
    """

    name: ClassVar[str]
    title: ClassVar[str]
    agents: ClassVar[str]
    action: ClassVar[str]
    wedge: ClassVar[str]
    timing: ClassVar[str]
    gain_unit: ClassVar[str]
    welfare_unit: ClassVar[str]
    paid: ClassVar[str]
    key: ClassVar[str]
    rule: ClassVar[str]
    sources: ClassVar[str]
    exact: ClassVar[bool] = True

    spread: Annotated[
        FloatArray,
        Parameter(
            "h", "how far costs reach above and below their mean, as a fraction of it", "fraction", 0.2, "[0, 1)"
        ),
    ]

    @classmethod
    def parameters(cls) -> dict[str, Parameter]:
        """Return the model's parameters by name, the spread last."""
        return dict(_parameters(cls))

    @classmethod
    def build(cls, **values: ArrayLike) -> Self:
        """Check parameters, fill in defaults, broadcast to one batch and return the model.

        Parameters
        ----------
        values
            By name, each a scalar or of shape (D,).

        Raises
        ------
        InputError
            For an unknown name, a value that is missing or outside its range, or a shape that does not fit.
        """
        known = cls.parameters()
        for name, value in values.items():
            if name not in known:
                raise UnknownKey(
                    where=f"the model '{cls.name}'", key=name, value=value, remedy=f"choose from {', '.join(known)}"
                )
        draws = broadcast_draws(**{name: values.get(name, entry.default) for name, entry in known.items()})
        model = cls(**draws)
        model.check()
        return model

    def check(self) -> None:
        """Refuse parameters outside their range; a model whose parameters have to fit together adds to it."""
        for name, entry in self.parameters().items():
            entry.check(name, getattr(self, name))

    def changed(self, **values: ArrayLike) -> Self:
        """Return the same economies with other values of some parameters."""
        return self.build(**({name: getattr(self, name) for name in self.parameters()} | values))

    # -- what a model states -----------------------------------------------------------------------------------------

    @property
    @abstractmethod
    def cost(self) -> FloatArray:
        """Mean cost c, shape (D,), in ``gain_unit``."""

    @abstractmethod
    def gain(self, share: FloatArray) -> FloatArray:
        """w(λ): the largest cost at which the action pays, shape (..., D)."""

    @abstractmethod
    def margins(self) -> tuple[FloatArray, FloatArray]:
        """D(trough) and D(crest), shapes (D,), in closed form."""

    @abstractmethod
    def window(self) -> Window:
        """Where the key parameter gives several steady states with identical agents, in closed form."""

    @abstractmethod
    def welfare(self, share: FloatArray) -> FloatArray:
        """Welfare per head in an economy that stays at a share, shape (..., D), in ``welfare_unit``."""

    @abstractmethod
    def outcomes(self, share: FloatArray) -> dict[str, FloatArray]:
        """Return what else an economy that stays at a share looks like, by label, shapes (..., D)."""

    def gain_bounds(self, low: FloatArray, high: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Bounds that hold w([low, high]); for a nondecreasing w its values at the ends."""
        return self.gain(low), self.gain(high)

    @property
    def rising(self) -> BoolArray:
        """Whether the map is nondecreasing, shape (D,)."""
        return np.ones(self.n_draws, dtype=bool)

    def bill(self, share: FloatArray, payment: FloatArray) -> FloatArray:
        """Return what a payment costs when the ``share`` of agents with the lowest costs take it, shape (D,)."""
        return payment * share

    # -- AdoptionMap -------------------------------------------------------------------------------------------------

    @property
    def n_draws(self) -> int:
        """Number of parameter draws D."""
        return int(self.spread.size)

    @property
    def monotone(self) -> bool:
        """Whether every draw's map is nondecreasing."""
        return bool(self.rising.all())

    def __call__(self, share: FloatArray) -> FloatArray:
        """Γ(share), shape (..., D)."""
        return self.acting(self.gain(np.asarray(share, dtype=np.float64)))

    def enclosure(self, low: FloatArray, high: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Bounds that hold Γ([low, high]): more agents act the larger the gain."""
        below, above = self.gain_bounds(low, high)
        return self.acting(below), self.acting(above)

    def select(self, index: Index) -> Self:
        """Return the economies of some of the draws."""
        return type(self)(**{entry.name: getattr(self, entry.name)[index] for entry in fields(self)})

    # -- costs -------------------------------------------------------------------------------------------------------

    def cost_at(self, share: FloatArray) -> FloatArray:
        """Q(n) = c(1 − h + 2hn), the cost of the agent at place n of the queue, shape (..., D)."""
        result: FloatArray = self.cost * (1.0 - self.spread + 2.0 * self.spread * share)
        return result

    def total_cost(self, share: FloatArray) -> FloatArray:
        """∫_0^n Q = c n (1 − h + hn), what the cheapest n agents pay together, shape (..., D)."""
        result: FloatArray = self.cost * share * (1.0 - self.spread + self.spread * share)
        return result

    def acting(self, gain: FloatArray) -> FloatArray:
        """Share of agents whose cost is at most ``gain``, shape (..., D)."""
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            ramp = (gain - self.cost * (1.0 - self.spread)) / (2.0 * self.spread * self.cost)
        step = np.where(np.isnan(gain), np.nan, np.where(gain >= self.cost, 1.0, 0.0))
        result: FloatArray = np.where(self.spread * self.cost > 0.0, np.clip(ramp, 0.0, 1.0), step)
        return result

    def profit(self, share: FloatArray) -> FloatArray:
        """D(n) = w(n) − Q(n), what the marginal agent gains when all before it in the queue act, shape (..., D)."""
        return self.gain(share) - self.cost_at(share)


@cache
def _parameters(model: type[CoordinationModel]) -> dict[str, Parameter]:
    hints = get_type_hints(model, include_extras=True)
    found = {entry.name: hints[entry.name].__metadata__[0] for entry in fields(model)}
    return found | {"spread": found.pop("spread")}
