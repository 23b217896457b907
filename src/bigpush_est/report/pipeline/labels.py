"""What the report of a pipeline run calls things."""

from typing import Any

from bigpush_est.report.numbers import NONE, bounds, fixed, interval, signed

type Results = dict[str, Any]

#: The version that answers with a study's second mapping.
SECOND = "second_mapping"
VERSIONS = {
    "recalibrated": "Calibrated anew at each draw",
    "fixed": "Calibration held at its point",
    SECOND: "Second mapping, calibrated anew",
}
EVENTS = {
    "multiple": "Several steady states exist",
    "moved": "The push ends in another steady state than no push",
    "needed": "Industrialised with the push, and not without it",
}
#: The same as probabilities.
CLAIMS = {
    "multiple": "P(several steady states exist)",
    "moved": "P(the push moved the economy to another one)",
    "needed": "P(the push was needed to industrialise)",
}
#: The same where there is little room.
SHORT = {"multiple": "P(several)", "moved": "P(moved)", "needed": "P(needed)"}
OUTCOMES = {"gdp_share": "GDP share", "export_intensity": "Export intensity", "employment_share": "Employment share"}
#: Parameters with symbol and meaning.
PARAMETERS = {
    "eta": "η, direct gain (factor)",
    "log_eta": "log η, direct gain",
    "delta": "δ, spillover semi-elasticity",
    "subsidy": "s̄, subsidy rate",
    "sigma": "σ, elasticity of substitution",
    "pareto_ratio": "θ/(σ−1), Pareto tail",
    "instrument_strength": "ω, strength of the instrument",
    "adoption_cost": "F^T, adoption cost",
    "overdispersion": "r, overdispersion of adoption counts",
    "theta": "θ, Pareto shape",
    "kappa": "κ, bound on productivity, ratio",
    "xi": "ξ, distortion elasticity",
    "exponent": "exponent of the mapping",
}
SOURCES = {"micro": "a firm panel", "published": "the paper’s published tables", "estimates": "a file of estimates"}


def parameter(name: str) -> str:
    """Return a parameter's symbol and meaning; its own name where it is not known."""
    return PARAMETERS.get(name, name.replace("_", " "))


def symbol(name: str) -> str:
    """Return a parameter's symbol.

    Examples
    --------
    >>> symbol("delta"), symbol("pareto_ratio")
    ('δ', 'θ/(σ−1)')
    """
    return parameter(name).partition(",")[0]


def data_label(results: Results) -> str:
    """Return the one line that goes with every figure and table: what estimates and economy are."""
    economy = (
        "synthetic economy, not Korea’s data"
        if results["economy"]["label"] == "synthetic"
        else (f"economy: {results['economy']['name']} ({results['economy']['label']})")
    )
    return f"Estimates: {results['label']}; {economy}"


def points(value: float | None, places: int = 2) -> str:
    """Return a difference of shares in percentage points; what rounds to nothing has no sign.

    Examples
    --------
    >>> points(0.0359), points(-1e-7), points(None)
    ('3.59', '0.00', '–')
    """
    return NONE if value is None else fixed(round(100.0 * value, places) + 0.0, places)


def inner(quantity: dict[str, Any], level: int, scale: float = 100.0, places: int = 2) -> str:
    """Return an interval of a quantity, scaled."""
    low, high = quantity[f"low{level}"], quantity[f"high{level}"]
    if low is None or high is None:
        return NONE
    return interval(round(scale * low, places) + 0.0, round(scale * high, places) + 0.0, places)


def with_interval(quantity: dict[str, Any], places: int = 2) -> str:
    """Return a quantity's median with its 90% interval, in hundredths.

    Examples
    --------
    >>> with_interval({"median": 0.0312, "low90": -0.001, "high90": 0.045})
    '3.12 (−0.10 to 4.50)'
    """
    if quantity["median"] is None:
        return NONE
    return f"{points(quantity['median'], places)} ({inner(quantity, 90, 100.0, places)})"


def held(quantity: dict[str, Any]) -> bool:
    """Whether a quantity is the same in all draws, up to rounding.

    Examples
    --------
    >>> held({"sd": 2.2e-16, "median": 1.06}), held({"sd": 1e-5, "median": 1e-3}), held({"sd": None, "median": None})
    (True, False, False)
    """
    return quantity["sd"] is not None and not abs(quantity["sd"]) > 1e-12 * abs(quantity["median"] or 1.0)


def within(quantity: dict[str, Any], level: int) -> str:
    """Return an interval of a quantity in its own unit, or that it is held."""
    return "held" if held(quantity) else bounds(quantity, level)


def answers(results: Results) -> list[tuple[str, dict[str, Any]]]:
    """Return the run's propagations by version, the one with recalibration first."""
    return [(version, results["answers"][version]) for version in VERSIONS if version in results["answers"]]


def main_answer(results: Results) -> dict[str, Any]:
    """Return the answer that page one gives: with recalibration, if the run has it."""
    answer: dict[str, Any] = results["answers"][results["study"]["main"]]
    return answer


def second_part(results: Results) -> dict[str, Any] | None:
    """Return what the results hold of the second mapping; None for a study without one."""
    part: dict[str, Any] | None = results.get("second")
    return part


def main_sensitivity(results: Results, version: str | None = None) -> dict[str, Any]:
    """Return what moves the answer, that of page one unless named, by target; empty where it could not be computed."""
    part = (results["sensitivity"] or {}).get(version or results["study"]["main"]) or {}
    targets: dict[str, Any] = part.get("targets") or {}
    return targets


def chance(row: dict[str, Any]) -> str:
    """Return a probability as printed."""
    return signed(str(row["text"]))
