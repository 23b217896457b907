"""Priors as data: a family and its numbers, checked before any work, usable by PyMC and by SciPy alike.

The SciPy form draws the prior in figures and serves as the independent check of the PyMC form.  Priors of other
parameters than the published-evidence model's bring their own support with them.
"""

import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from bigpush_est.errors import InvalidValue, MissingKey, UnknownKey, WrongType

#: Numbers that each family needs, in the order in which they reach the model.
FAMILIES: dict[str, tuple[str, ...]] = {
    "half_normal": ("scale",),
    "exponential": ("scale",),
    "log_normal": ("median", "log_sd"),
    "gamma": ("shape", "scale"),
    "beta": ("a", "b"),
    "uniform": ("low", "high"),
    "normal": ("mean", "sd"),
    "fixed": ("value",),
}


#: Numbers of a prior beyond this size, or positive ones below its inverse, are mistakes that no sampler survives.
LARGEST = 1e6


@dataclass(frozen=True, slots=True)
class Support:
    """Where a parameter may lie: an interval that a value held fixed may also touch where an end is included."""

    low: float
    high: float
    meaning: str
    low_included: bool = False
    high_included: bool = False

    def holds(self, value: float) -> bool:
        """Whether a value lies in it."""
        touches = (self.low_included and value == self.low) or (self.high_included and value == self.high)
        return self.low < value < self.high or touches


#: Parameters of the published-evidence model; log η and δ are what the exponents multiply.
PARAMETERS: dict[str, Support] = {
    "log_eta": Support(0.0, np.inf, "log η, the direct productivity gain"),
    "delta": Support(0.0, np.inf, "δ, the spillover semi-elasticity", low_included=True),
    "subsidy": Support(0.0, 1.0, "s̄, the share of adopters' input costs that was paid"),
    "sigma": Support(2.0, np.inf, "σ, the elasticity of substitution"),
    "pareto_ratio": Support(1.0, np.inf, "θ/(σ−1), the Pareto tail of undistorted sales"),
}


@dataclass(frozen=True, slots=True)
class Prior:
    """A family, its numbers, and the parameter's support to which it is truncated.

    Examples
    --------
    >>> prior = Prior.parse("delta", {"family": "half_normal", "scale": 1.0})
    >>> float(prior.frozen().mean().round(3))
    0.798
    """

    parameter: str
    family: str
    numbers: tuple[float, ...]
    within: Support | None = None

    @classmethod
    def parse(
        cls, parameter: str, table: dict[str, Any], where: str = "priors", within: Support | None = None
    ) -> "Prior":
        """Check a table such as ``{family = "half_normal", scale = 1.0}`` and return the prior.

        Parameters
        ----------
        parameter, table, where
            What it is a prior of, the table, and where that stands.
        within
            The parameter's support, if it is none of ``PARAMETERS``.

        Raises
        ------
        InputError
            For an unknown family, missing or surplus numbers, or a prior with no mass on the parameter's support.
        """
        place = f"{where}.{parameter}"
        if within is None and parameter not in PARAMETERS:
            raise UnknownKey(where=where, key=parameter, value=table, remedy=f"choose from {', '.join(PARAMETERS)}")
        if not isinstance(table, dict):
            raise WrongType(
                key=place, value=repr(table), expected="a table", remedy='write { family = "half_normal", scale = 1.0 }'
            )
        if "family" not in table:
            raise MissingKey(where=place, key="family", remedy=f"it is one of {', '.join(FAMILIES)}")
        family = table["family"]
        if not isinstance(family, str) or family not in FAMILIES:
            raise InvalidValue(
                key=f"{place}.family",
                value=family,
                requirement=f"one of {', '.join(FAMILIES)}",
                remedy="choose a family from the list",
            )
        names = FAMILIES[family]
        for key in table:
            if key not in ("family", *names):
                raise UnknownKey(where=place, key=key, value=table[key], remedy=f"{family} takes {', '.join(names)}")
        numbers = []
        for name in names:
            if name not in table:
                raise MissingKey(where=place, key=name, remedy=f"{family} takes {', '.join(names)}")
            value = table[name]
            if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > LARGEST:
                raise WrongType(
                    key=f"{place}.{name}",
                    value=repr(value),
                    expected="a number of ordinary size",
                    remedy="write a number",
                )
            numbers.append(float(value))
        prior = cls(parameter, family, tuple(numbers), within)
        prior._check(place)
        return prior

    @property
    def support(self) -> Support:
        """The parameter's support."""
        return PARAMETERS[self.parameter] if self.within is None else self.within

    @property
    def fixed(self) -> bool:
        """Whether the parameter is held at a value."""
        return self.family == "fixed"

    @property
    def named(self) -> dict[str, float]:
        """The numbers under their names."""
        return dict(zip(FAMILIES[self.family], self.numbers, strict=True))

    @classmethod
    def read(cls, parameter: str, text: str, where: str = "priors", within: Support | None = None) -> "Prior":
        """Read what ``describe`` writes, such as ``half_normal(scale=1)``; names of numbers may be left out.

        Raises
        ------
        InputError
            As ``parse``, and for text of another form.

        Examples
        --------
        >>> Prior.read("delta", "gamma(2, scale=0.4)").describe()
        'gamma(shape=2, scale=0.4)'
        """
        place = f"{where}.{parameter}"
        shape = re.fullmatch(r"\s*(\w+)\s*\((.*)\)\s*", text, re.DOTALL)
        if shape is None:
            raise InvalidValue(
                key=place,
                value=text,
                requirement="a family with its numbers in brackets",
                remedy=f"write it like uniform(low=0, high=1); families are {', '.join(FAMILIES)}",
            )
        family, inside = shape[1], shape[2].strip()
        table: dict[str, Any] = {"family": family}
        names = FAMILIES.get(family, ())
        for position, piece in enumerate(inside.split(",") if inside else []):
            name, equals, number = (part.strip() for part in piece.rpartition("="))
            if not equals:
                name = names[position] if position < len(names) else f"number {position + 1}"
            if name in table:
                raise InvalidValue(
                    key=place, value=text, requirement=f"given {name} once", remedy="leave one of the two out"
                )
            try:
                table[name] = float(number)
            except ValueError:
                raise WrongType(
                    key=f"{place}.{name}", value=repr(number), expected="a number", remedy="write a number"
                ) from None
        return cls.parse(parameter, table, where, within)

    def draw(self, size: int, rng: np.random.Generator) -> Any:
        """Return independent draws, shape (size,)."""
        return np.full(size, self.numbers[0]) if self.fixed else self.frozen().rvs(size, random_state=rng)

    def describe(self) -> str:
        """Return the prior in words, such as ``half_normal(scale=1)``."""
        return f"{self.family}({', '.join(f'{name}={value:g}' for name, value in self.named.items())})"

    def _check(self, place: str) -> None:
        for name, value in self.named.items():
            free = name in ("mean", "low", "high", "value")
            if not np.isfinite(value) or (value < 1.0 / LARGEST and not free):
                raise InvalidValue(
                    key=f"{place}.{name}",
                    value=f"{value:g}",
                    requirement="a finite number" if free else f"at least {1.0 / LARGEST:g}",
                    remedy="correct the number",
                )
        low, high = self.support.low, self.support.high
        named = self.named
        if self.family == "uniform" and not (low <= named["low"] < named["high"] <= high):
            raise InvalidValue(
                key=place,
                value=f"uniform on [{named['low']:g}, {named['high']:g}]",
                requirement=f"increasing and within ({low:g}, {high:g})",
                remedy=f"{self.support.meaning} lies there",
            )
        if self.fixed and not self.support.holds(named["value"]):
            raise InvalidValue(
                key=f"{place}.value",
                value=f"{named['value']:g}",
                requirement=f"within ({low:g}, {high:g})",
                remedy=f"{self.support.meaning} lies there",
            )
        positive = {"half_normal", "exponential", "log_normal", "gamma", "beta"}
        if self.family == "beta" and high != 1.0:
            raise InvalidValue(
                key=f"{place}.family",
                value="beta",
                requirement="a family on the parameter's support",
                remedy="use beta for shares such as the subsidy",
            )
        if self.family in ("log_normal", "gamma", "exponential") and np.isfinite(high):
            raise InvalidValue(
                key=f"{place}.family",
                value=self.family,
                requirement=f"a family on ({low:g}, {high:g})",
                remedy="use beta, half_normal (it is truncated), uniform or fixed",
            )
        if self.family in positive and low > 0.0:
            raise InvalidValue(
                key=f"{place}.family",
                value=self.family,
                requirement=f"a family on ({low:g}, {high:g})",
                remedy="use normal (it is truncated), uniform or fixed",
            )

    def frozen(self) -> Any:
        """Return the prior as a frozen SciPy distribution."""
        from scipy import stats

        low, high, n = self.support.low, self.support.high, self.numbers
        if self.family == "half_normal":
            return stats.truncnorm(0.0, high / n[0], scale=n[0]) if np.isfinite(high) else stats.halfnorm(scale=n[0])
        if self.family == "exponential":
            return stats.expon(scale=n[0])
        if self.family == "log_normal":
            return stats.lognorm(n[1], scale=n[0])
        if self.family == "gamma":
            return stats.gamma(n[0], scale=n[1])
        if self.family == "beta":
            return stats.beta(n[0], n[1])
        if self.family == "uniform":
            return stats.uniform(n[0], n[1] - n[0])
        if self.family == "normal":
            return stats.truncnorm((low - n[0]) / n[1], (high - n[0]) / n[1], loc=n[0], scale=n[1])
        return stats.uniform(n[0], 0.0)

    def variable(self, n: list[Any]) -> Any:
        """Add the parameter, with numbers ``n`` that may be data of the model, to the PyMC model in context.

        A fixed parameter is its number, and no variable of the model.
        """
        import pymc as pm

        name, low, high = self.parameter, self.support.low, self.support.high
        upper = None if np.isinf(high) else high
        if self.family == "half_normal":
            return pm.TruncatedNormal(name, mu=0.0, sigma=n[0], lower=0.0, upper=upper)
        if self.family == "exponential":
            return pm.Exponential(name, scale=n[0])
        if self.family == "log_normal":
            import pytensor.tensor as pt

            return pm.LogNormal(name, mu=pt.log(n[0]), sigma=n[1])
        if self.family == "gamma":
            return pm.Gamma(name, alpha=n[0], beta=1.0 / n[1])
        if self.family == "beta":
            return pm.Beta(name, alpha=n[0], beta=n[1])
        if self.family == "uniform":
            return pm.Uniform(name, lower=n[0], upper=n[1])
        if self.family == "normal" and np.isinf(low) and np.isinf(high):
            return pm.Normal(name, mu=n[0], sigma=n[1])
        if self.family == "normal":
            return pm.TruncatedNormal(name, mu=n[0], sigma=n[1], lower=low, upper=upper)
        return n[0]
