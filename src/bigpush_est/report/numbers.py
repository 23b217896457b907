"""Numbers as the report prints them: as many digits as their uncertainty leaves, and no others."""

import math
from typing import Any

type Number = float | int | None

#: What stands where a number does not exist.
NONE = "–"


def signed(text: str) -> str:
    """Return a number's text with a true minus sign."""
    return text.replace("-", "−")


def decimals(spread: Number, value: Number = None) -> int:
    """Decimals that show two digits of a spread; without one, three digits of the value itself.

    Examples
    --------
    >>> decimals(0.179), decimals(0.0125), decimals(None, 2.7666), decimals(0.0, 0.0)
    (2, 3, 2, 2)
    """
    digits, scale = (1, spread) if spread and abs(spread) > 1e-9 * abs(value or 0.0) else (2, value)
    if not scale or not math.isfinite(scale):
        return 2
    return max(0, min(8, digits - math.floor(math.log10(abs(scale)))))


def fixed(value: Number, places: int) -> str:
    """Return a number with a given number of decimals.

    Examples
    --------
    >>> fixed(-1.25, 1), fixed(None, 2)
    ('−1.2', '–')
    """
    return NONE if value is None or not math.isfinite(value) else signed(f"{value:.{places}f}")


def figure(value: Number, digits: int = 3) -> str:
    """Return a number with so many significant digits.

    Examples
    --------
    >>> figure(2.7666), figure(0.000123), figure(12345.6), figure(1.2e-16), figure(0)
    ('2.77', '0.000123', '12346', '1.20e−16', '0')
    """
    if value is None or not math.isfinite(value):
        return NONE
    if value == 0:
        return "0"
    if 1e-5 <= abs(value) < 1e7:
        return signed(f"{value:.{max(0, digits - 1 - math.floor(math.log10(abs(value))))}f}")
    return signed(f"{value:.{digits - 1}e}").replace("e−0", "e−").replace("e+0", "e")


def count(value: Number) -> str:
    """Return a count with separators.

    Examples
    --------
    >>> count(20000)
    '20,000'
    """
    return NONE if value is None else f"{value:,.0f}"


def percent(value: Number, places: int = 1) -> str:
    """Return a share as a percentage."""
    return NONE if value is None else f"{fixed(100.0 * value, places)}%"


def share(value: float) -> str:
    """Return a share that is given, not estimated, as a percentage.

    Examples
    --------
    >>> share(0.07), share(0.065)
    ('7%', '6.5%')
    """
    return f"{100.0 * value:.3g}%"


def interval(low: Number, high: Number, places: int) -> str:
    """Return an interval; a dash would read as a minus sign beside a negative end.

    Examples
    --------
    >>> interval(0.363, 0.952, 2), interval(-0.1, 0.2, 1), interval(None, None, 2)
    ('0.36 to 0.95', '−0.1 to 0.2', '–')
    """
    return NONE if low is None or high is None else f"{fixed(low, places)} to {fixed(high, places)}"


def bounds(quantity: dict[str, Any], level: int, places: int | None = None) -> str:
    """Return the 50% or 90% interval of one of the results' quantities."""
    if places is None:
        places = decimals(quantity["sd"], quantity["median"])
    return interval(quantity[f"low{level}"], quantity[f"high{level}"], places)


def median(quantity: dict[str, Any], places: int | None = None) -> str:
    """Return the median of one of the results' quantities."""
    if places is None:
        places = decimals(quantity["sd"], quantity["median"])
    return fixed(quantity["median"], places)


def probability(chance: dict[str, Any]) -> str:
    """Return a probability as a phrase that follows "is".

    Examples
    --------
    >>> probability({"text": "< 0.038%"}), probability({"text": "4.1% ± 0.2"}), probability({"text": "> 99.9%"})
    ('below 0.038%', '4.1% ± 0.2', 'above 99.9%')
    """
    text = str(chance["text"])
    return text.replace("< ", "below ").replace("> ", "above ")


def probability_range(chances: list[dict[str, Any]]) -> str:
    """Return where several probabilities lie as a phrase that follows "is" or "stays".

    Examples
    --------
    >>> none = {"hits": 0, "draws": 100, "estimate": 0.0, "bound_low": 0.0, "bound_high": 0.03, "text": "< 3%"}
    >>> some = {"hits": 5, "draws": 100, "estimate": 0.05, "bound_low": 0.02, "bound_high": 0.1, "text": "5% ± 2"}
    >>> probability_range([none, none]), probability_range([none, some])
    ('below 3%', 'from below 3% to 5% ± 2')
    """
    # among those without hits, the one that most draws speak for; likewise at the other end
    lowest = min(chances, key=lambda chance: (chance["estimate"], chance["bound_high"]))
    highest = max(chances, key=lambda chance: (chance["estimate"], chance["bound_low"]))
    if highest["hits"] == 0:
        return probability(max(chances, key=lambda chance: float(chance["bound_high"])))
    if lowest["hits"] == lowest["draws"]:
        return probability(lowest)
    if lowest["text"] == highest["text"]:
        return probability(lowest)
    if lowest["hits"] > 0:
        return f"between {probability(lowest)} and {probability(highest)}"
    text = f"from {probability(lowest)} to {probability(highest)}"
    loosest = max((chance for chance in chances if chance["hits"] == 0), key=lambda chance: float(chance["bound_high"]))
    if loosest["bound_high"] > highest["estimate"]:
        text += f" (where no draw has them, the loosest bound is {str(loosest['text']).removeprefix('< ')})"
    return text
