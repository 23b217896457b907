"""Formulae as pyfixest users write them: ``y ~ x1 + i(year, treated) | firm + region^year | endogenous ~ instrument``.

Parts are separated by ``|``: the equation, then the fixed effects, then the instruments; the last two may be left out.
Unlike pyfixest's own, the third part may name several endogenous regressors.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from bigpush_est.errors import InvalidFormula, WrongType

#: Multiple-estimation syntax of pyfixest and fixest, which gives several models for one formula.
_SEVERAL_MODELS = re.compile(r"\b(sw0?|csw0?|mvsw)\s*\(")


@dataclass(frozen=True, slots=True)
class FormulaParts:
    """A formula taken apart; each part as text.

    Attributes
    ----------
    text
        The formula as it was given.
    outcome
        Left-hand side.
    exogenous
        Right-hand side of the equation without endogenous regressors; "1" for the constant alone.
    fixed_effects
        Per fixed effect, the columns whose combinations form its levels.
    endogenous, instruments
        Two sides of the third part; None without it.
    """

    text: str
    outcome: str
    exogenous: str
    fixed_effects: tuple[tuple[str, ...], ...]
    endogenous: str | None
    instruments: str | None

    @property
    def right_hand_side(self) -> str:
        """All columns of the design in one sum, so that categories are coded together."""
        parts = [self.exogenous, self.endogenous, self.instruments]
        return " + ".join(part for part in parts if part is not None)

    @property
    def effect_names(self) -> tuple[str, ...]:
        """As the formula writes them: ``region^year``."""
        return tuple("^".join(columns) for columns in self.fixed_effects)


def parse_formula(formula: str) -> FormulaParts:
    """Take a formula apart.

    Parameters
    ----------
    formula
        Up to three parts.

    Raises
    ------
    WrongType
        For anything but text.
    InvalidFormula
        For parts that are missing, doubled or out of order, and for multiple-estimation syntax.

    Examples
    --------
    >>> parts = parse_formula("sales ~ assets | firm + region^year | spillover ~ instrument")
    >>> parts.fixed_effects, parts.endogenous
    ((('firm',), ('region', 'year')), 'spillover')
    """
    if not isinstance(formula, str):
        raise WrongType(key="formula", value=repr(formula), expected="text", remedy="write 'y ~ x | fixed effects'")

    def refused(reason: str, remedy: str) -> InvalidFormula:
        return InvalidFormula(formula=formula, reason=reason, remedy=remedy)

    if _SEVERAL_MODELS.search(formula):
        raise refused("it asks for several models", "fit one formula at a time and put the results side by side")
    parts = split_outside_brackets(formula, "|")
    if len(parts) > 3 or any(not part for part in parts):
        raise refused("it needs one to three parts that are not empty", "write 'y ~ x | effects | endogenous ~ z'")
    outcome, exogenous = _sides(parts[0], refused)
    endogenous = instruments = None
    if len(parts) > 1 and "~" in parts[-1]:
        endogenous, instruments = _sides(parts.pop(), refused)
    if len(parts) == 3:
        raise refused("its third part has no '~'", "write 'endogenous ~ instrument' as the third part")
    effects: tuple[tuple[str, ...], ...] = ()
    if len(parts) == 2:
        if "~" in parts[1]:
            raise refused("its second part has a '~' though a third follows", "put fixed effects second")
        effects = tuple(
            tuple(column.strip() for column in effect.split("^")) for effect in split_outside_brackets(parts[1], "+")
        )
        if any(not column for effect in effects for column in effect):
            raise refused("a fixed effect has no name", "write 'firm + year' or 'region^year'")
        if any(re.search(r"[()\[\]]", column) for effect in effects for column in effect):
            raise refused("fixed effects are columns", "put slopes and other functions into the first part")
        if len(set(effects)) < len(effects):
            raise refused("a fixed effect is listed twice", "list it once")
    return FormulaParts(formula, outcome, exogenous, effects, endogenous, instruments)


def split_outside_brackets(text: str, separator: str) -> list[str]:
    """Split at a separator that stands outside round and square brackets and quotes.

    Examples
    --------
    >>> split_outside_brackets("y ~ I(a | b) | firm", "|")
    ['y ~ I(a | b)', 'firm']
    """
    parts, depth, start, quote = [], 0, 0, ""
    for position, character in enumerate(text):
        if quote:
            quote = "" if character == quote else quote
        elif character in "\"'`":
            quote = character
        elif character in "([":
            depth += 1
        elif character in ")]":
            depth -= 1
        elif character == separator and depth == 0:
            parts.append(text[start:position].strip())
            start = position + 1
    parts.append(text[start:].strip())
    return parts


def _sides(part: str, refused: Callable[[str, str], InvalidFormula]) -> tuple[str, str]:
    sides = split_outside_brackets(part, "~")
    if len(sides) != 2 or not all(sides):
        raise refused(f"'{part}' needs one '~' with something on both sides", "write 'left ~ right'")
    return sides[0], sides[1]
