"""What the report calls things, how it prints shares and differences, and what it reads off the results by name."""

import math
import re
from collections.abc import Callable
from typing import Any, TypeGuard

import numpy as np

from bigpush_est.report.numbers import NONE, count, fixed, signed

type Results = dict[str, Any]

#: The six calibrated parameters: symbol, meaning, the moment that the paper names for it, and whether its unit is ours.
PARAMETERS = {
    "adoption_cost": ("Fᵀ", "fixed adoption cost", ("adopter_share_first",), False),
    "export_cost_light": ("Fˣ, light", "fixed export cost, light manufacturing", ("exporters_light",), False),
    "export_cost_heavy": ("Fˣ, heavy", "fixed export cost, heavy manufacturing", ("exporters_heavy",), False),
    "subsidy_rate": ("s̄", "subsidy rate on adopters’ inputs", ("adopter_share_later",), True),
    "kappa": ("κ", "bound on productivity, ratio", ("share_of_regions_with_adoption",), True),
    "tau_bar": ("τ̄", "level of the share of revenue kept", ("tax_rate_first",), False),
}
#: The same symbols where a figure typesets them: fonts misplace the macron.
TYPESET = {
    "adoption_cost": "$F^T$",
    "export_cost_light": "$F^x$, light",
    "export_cost_heavy": "$F^x$, heavy",
    "subsidy_rate": r"$\bar{s}$",
    "kappa": "$κ$",
    "tau_bar": r"$\barτ$",
}
EXTERNAL = {
    "eta": ("η", "direct productivity gain"),
    "delta": ("δ", "spillover semi-elasticity"),
    "sigma": ("σ", "elasticity of substitution"),
    "theta": ("θ", "Pareto shape"),
    "xi": ("ξ, heavy", "elasticity of the share kept to productivity"),
}
SECTORS = {
    "commodity": "Commodities",
    "light": "Light manufacturing",
    "heavy": "Heavy manufacturing",
    "service": "Services",
}
SCENARIOS = {
    "lower_foreign_demand": "Lower foreign demand",
    "higher_import_tariffs": "Higher import tariffs",
    "no_highway": "No expressway",
    "no_internal_trade": "No internal trade in heavy manufacturing",
    "worsened_correlation": "Worsened distortions: correlation (ξ)",
    "worsened_level": "Worsened distortions: level (τ̄)",
}
_MOMENTS = {
    "share_of_regions_with_adoption": "Regions with adoption",
    "exporter_share_light": "Exporters, light manufacturing",
    "exporter_share_heavy": "Exporters, heavy manufacturing",
}
_OUTCOMES = {
    "heavy_gdp_share": "heavy GDP share",
    "heavy_export_intensity": "heavy export intensity",
    "heavy_employment_share": "heavy employment share",
    "welfare": "welfare",
}
#: Adopter share above which a region is called industrialised; as in the results.
INDUSTRIALISED = 0.5
#: Differences of shares below half of what is printed are none.
NOTHING = 5e-5


def plain(name: str) -> str:
    """Return an identifier as words.

    Examples
    --------
    >>> plain("log_market_access")
    'log market access'
    """
    return name.replace("_", " ")


def moment(name: str) -> str:
    """Return a moment's name in words.

    Examples
    --------
    >>> moment("adopter_share_1976"), moment("tax_rate_1972"), moment("exporter_share_light")
    ('Adopter share, 1976', 'Tax rate, 1972', 'Exporters, light manufacturing')
    """
    found = re.fullmatch(r"(.+)_(\d{4})", name)
    if found:
        return f"{plain(found[1]).capitalize()}, {found[2]}"
    return _MOMENTS.get(name, plain(name).capitalize())


def sector(name: str) -> str:
    """Return a sector's name in words."""
    return SECTORS.get(name, plain(name).capitalize())


def scenario(name: str) -> str:
    """Return a scenario's name in words."""
    return "Baseline" if name == "baseline" else SCENARIOS.get(name, plain(name).capitalize())


def scored(block: str, figure: str) -> str:
    """Return what a row of the scorecard is about, in words."""
    if block.endswith("moments"):
        return moment(figure)
    if block.endswith("parameters"):
        symbol, meaning, *_ = PARAMETERS.get(figure, (figure, "", ()))
        return f"{symbol}, {meaning}" if meaning else symbol
    if block.endswith(" C"):
        return scenario(figure)
    text = figure
    for key, words in (_OUTCOMES | {f"output, {key}": f"output, {sector(key).lower()}" for key in SECTORS}).items():
        text = words + text.removeprefix(key) if text.startswith(key) else text
    return text[:1].upper() + text[1:]


def identifying(parameter: str, moments: list[str]) -> list[int]:
    """Return which moments the paper names for a parameter, as places in a list of moments.

    Examples
    --------
    >>> identifying("subsidy_rate", ["adopter_share_1972", "adopter_share_1976", "adopter_share_1980"])
    [1, 2]
    """
    shares = [k for k, name in enumerate(moments) if re.fullmatch(r"adopter_share_\d+", name)]
    wanted = PARAMETERS[parameter][2] if parameter in PARAMETERS else ()
    if "adopter_share_first" in wanted:
        return shares[:1]
    if "adopter_share_later" in wanted:
        return shares[1:]
    # an economy names its sectors itself: the light one comes first
    exporters = [k for k, name in enumerate(moments) if name.startswith("exporter_share_")]
    if "exporters_light" in wanted:
        return exporters[:1]
    if "exporters_heavy" in wanted:
        return exporters[1:2]
    if "tax_rate_first" in wanted:
        return [k for k, name in enumerate(moments) if name.startswith("tax_rate")][:1]
    return [k for k, name in enumerate(moments) if name in wanted]


# -- numbers ---------------------------------------------------------------------------------------------------------


def known(value: Any) -> TypeGuard[float]:
    """Whether a value of the results is a finite number."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def hundred(value: Any, places: int = 2) -> str:
    """Return a fraction in hundredths, without its unit; a dash where there is none.

    Examples
    --------
    >>> hundred(0.0359), hundred(-0.00034), hundred(-0.00001), hundred(None)
    ('3.59', '−0.03', '0.00', '–')
    """
    if not known(value):
        return NONE
    return fixed(round(100.0 * value, places) + 0.0, places)


def percentage(value: Any, places: int = 1) -> str:
    """Return a fraction as a percentage; what rounds to zero has no sign.

    Examples
    --------
    >>> percentage(0.122), percentage(-0.00004), percentage(None)
    ('12.2%', '0.0%', '–')
    """
    return NONE if not known(value) else f"{hundred(value, places)}%"


def points(value: Any) -> str:
    """Return a difference of shares."""
    return NONE if not known(value) else f"{hundred(value)} p.p."


def trimmed(value: Any) -> str:
    """Return a number without trailing zeros: with the digits that the paper prints, where it is the paper's."""
    return signed(f"{value:g}") if known(value) else NONE


def percent_of(key: str, places: int = 1) -> Callable[[dict[str, Any]], str]:
    """Return what prints a row's fraction as a percentage."""
    return lambda row: percentage(row.get(key), places)


def points_of(key: str) -> Callable[[dict[str, Any]], str]:
    """Return what prints a row's fraction in hundredths, the unit being in the heading."""
    return lambda row: hundred(row.get(key))


def span(ends: Any, places: int = 2) -> str:
    """Return a range of fractions in hundredths."""
    if not isinstance(ends, list | tuple) or len(ends) != 2 or not all(known(end) for end in ends):
        return NONE
    return f"{hundred(ends[0], places)} to {hundred(ends[1], places)}"


def spelt(number: Any) -> str:
    """Return a count as a sentence has it: in letters up to ten.

    Examples
    --------
    >>> spelt(2), spelt(86), spelt(None)
    ('two', '86', '–')
    """
    small = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
    whole = isinstance(number, int | float) and float(number).is_integer() and 0 <= number <= 10
    return small[int(number)] if whole else count(number)


def listed(names: list[str], most: int = 8) -> str:
    """Return names as a list in words.

    Examples
    --------
    >>> listed(["Ulsan"]), listed(["Ulsan", "Pohang", "Gumi"]), listed(list("abcd"), 2)
    ('Ulsan', 'Ulsan, Pohang and Gumi', 'a, b and two more')
    """
    if len(names) > most:
        names = [*names[:most], f"{spelt(len(names) - most)} more"]
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + " and " + names[-1] if names else "none"


# -- what the results say of regions ---------------------------------------------------------------------------------


def industrialised(region: dict[str, Any], side: str) -> bool:
    """Whether a region ends industrialised with ("push") or without ("none") the push."""
    value = region.get(f"adopters_{side}")
    return known(value) and value > INDUSTRIALISED


def switched(results: Results) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the regions that industrialise only with the push, and those that do only without it."""
    regions = results.get("regions", [])
    only_with = [row for row in regions if industrialised(row, "push") and not industrialised(row, "none")]
    only_without = [row for row in regions if industrialised(row, "none") and not industrialised(row, "push")]
    return only_with, only_without


def contribution(region: dict[str, Any]) -> float | None:
    """Return what a region adds to the difference of the national heavy GDP share."""
    values = [region.get(key) for key in ("gdp_push", "gdp_share_push", "gdp_none", "gdp_share_none")]
    if not all(known(value) for value in values):
        return None
    weight, share, weight_none, share_none = (float(value or 0.0) for value in values)
    return weight * share - weight_none * share_none


def rank_correlation(one: list[float], two: list[float]) -> float | None:
    """Return Spearman's rank correlation; values that print alike tie; None where either does not vary.

    Examples
    --------
    >>> rank_correlation([0.01, 0.02, 0.03], [0.1, 0.2, 0.3]), rank_correlation([0.01, 0.01], [0.1, 0.2])
    (1.0, None)
    """
    if len(one) < 2:
        return None
    ranks = []
    for values in (one, two):
        rounded = np.round(np.array(values, dtype=np.float64), 4)
        ranks.append((rounded[:, None] > rounded).sum(axis=1) + 0.5 * (rounded[:, None] == rounded).sum(axis=1))
    spread = [float(rank.std()) for rank in ranks]
    if min(spread) == 0.0:
        return None
    centred = [rank - rank.mean() for rank in ranks]
    return round(float((centred[0] * centred[1]).mean() / (spread[0] * spread[1])), 12)


def panel_c(results: Results) -> dict[str, Any]:
    """Compare Table 3 C with the paper's: which scenarios move the effect the paper's way, and the order of all.

    Returns
    -------
    dict
        ``like`` and ``unlike``: names of scenarios; ``still``: those of ``unlike`` that leave our effect as it is;
        ``rank``: the rank correlation of the effects, or None; ``base`` and ``paper``: effects of the baseline;
        ``other``: how many are alike if the push under a scenario is set against the baseline without the push.
    """
    table = results["table3"]
    base, paper = table["baseline"]["gdp_share"], table["paper"]["A heavy_gdp_share aggregate"]
    like: list[str] = []
    unlike: list[str] = []
    still, ours, theirs, other = [], [], [], 0
    for row in table["scenarios"]:
        if not (known(row["gdp_share"]) and known(row["paper"]) and known(base)):
            continue
        moves = [_direction(row["gdp_share"] - base), _direction(row["paper"] - paper)]
        (like if moves[0] == moves[1] else unlike).append(row["name"])
        if moves[0] == 0 != moves[1]:
            still.append(row["name"])
        pushed = row["gdp_share_push"], table["baseline"]["gdp_share_push"]
        other += all(map(known, pushed)) and _direction(pushed[0] - pushed[1]) == moves[1]
        ours.append(row["gdp_share"])
        theirs.append(row["paper"])
    rank = rank_correlation(ours, theirs)
    return {
        **{"like": like, "unlike": unlike, "still": still, "other": other},
        **{"rank": rank, "base": base, "paper": paper},
    }


def _direction(change: float) -> int:
    return 0 if abs(change) < NOTHING else int(math.copysign(1, change))


def data_label(results: Results) -> str:
    """Return the one line that goes with every figure and table: what these data are."""
    economy = results["economy"]
    if economy["label"] == "synthetic":
        return "Synthetic economy: not Korea’s data"
    return f"Data: {economy['name']} ({economy['label']})"
