"""What stands in each table of the report, taken from the results without any computation."""

from typing import Any

from bigpush_est.equilibrium.simple.policy import STATUS
from bigpush_est.report.numbers import NONE, bounds, count, decimals, fixed, interval, median, percent, share
from bigpush_est.report.numbers import figure as digits
from bigpush_est.report.tables import Column, Row, Table

#: The report's names for the parameters of a study.
SYMBOLS = {
    "log_eta": "log η",
    "eta": "η",
    "delta": "δ",
    "subsidy": "s̄",
    "sigma": "σ",
    "theta": "θ",
    "pareto_ratio": "θ/(σ−1)",
    "xi_heavy": "ξ, heavy manufacturing",
}
PARAMETERS = {
    "eta": "η, direct productivity gain",
    "delta": "δ, spillover semi-elasticity",
    "subsidy": "s̄, subsidy rate on adopters’ inputs",
    "sigma": "σ, elasticity of substitution",
    "pareto_ratio": "θ/(σ−1), Pareto tail",
}
#: Keys of the counts by status, in the order of ``STATUS``.
CODES = ("n_defined", "n_no_trap", "n_out_of_reach", "n_not_financeable")
#: Draws below which an interval would say more about the few draws than about the quantity.
FEW = 20


def prior_of(results: dict[str, Any], parameter: str) -> str:
    """Return a parameter's prior in words, as the inputs have it; η's is stated for log η."""
    name = "log_eta" if parameter == "eta" else parameter
    for source in results["sources"]:
        if source["name"] == f"Prior of {name}":
            text = _prior_in_words(source["value"])
            return f"{text} on log η" if parameter == "eta" else text
    return NONE


def is_fixed(results: dict[str, Any], parameter: str) -> bool:
    """Whether a study holds a parameter at one value."""
    return prior_of(results, parameter).startswith("fixed")


def _symbol(row: Row) -> str:
    return SYMBOLS.get(row["parameter"], str(row["parameter"]))


def _prior_in_words(described: str) -> str:
    """Return ``half_normal(scale=0.5)`` as "half-normal (scale 0.5)" and ``fixed(value=5)`` as "fixed at 5"."""
    family, _, numbers = described.removesuffix(")").partition("(")
    if family == "fixed":
        return f"fixed at {numbers.removeprefix('value=')}"
    return f"{family.replace('_', '-')} ({numbers.replace('=', ' ').replace('log_sd', 'log sd')})".replace("-−", "−")


def all_tables(results: dict[str, Any], paper: dict[str, float]) -> dict[str, Table]:
    """Return every table of the report by name; one without rows is left out."""
    tables = [
        probabilities(results),
        parameters(results, paper),
        outcomes(results),
        push(results),
        sensitivity(results),
        tf(results),
        power_scaling(results),
        diagnostics(results),
        inputs(results),
        provenance(results),
    ]
    return {table.name: table for table in tables if table.rows}


def probabilities(results: dict[str, Any]) -> Table:
    """Return the headline probabilities, with what their Monte Carlo errors and the solver leave open."""
    pinned = share(results["study"]["adopter_share_1972"])
    events = {
        "multiple": f"Several stable steady states, with L/Fᵀ pinned by the adopter share of 1972 ({pinned})",
        "possible": "Several stable steady states for some L/Fᵀ (the most favourable one)",
        "trapped": "The share of 1972 lies in an underdevelopment region, at or below Sᵁ",
        "moved": "The subsidy s̄ in 1976 and 1980 ends in another steady state than no subsidy",
        "sufficient": "There is a trap, and s̄ exceeds the smallest sufficient one-period input subsidy",
    }
    before = results["prior"]
    rows = [
        {
            "event": name,
            "meaning": text,
            "prior": before[name]["text"] if name in before else "–",
            **results["main"]["probabilities"][name],
        }
        for name, text in events.items()
    ]
    return Table(
        "probabilities",
        "Posterior probabilities of the claim and its parts",
        (
            Column("meaning", "Event"),
            Column("prior", "Prior", number=True),
            Column("text", "Posterior", number=True),
            Column("hits", "Hits", lambda row: count(row["hits"]), number=True),
            Column("draws", "Draws", lambda row: count(row["draws"]), number=True),
            Column("effective_draws", "Effective draws", lambda row: count(row["effective_draws"]), number=True),
            Column("bound_low", "95% interval", _bound, number=True),
            Column("unconverged", "Not converged", _unconverged, number=True),
        ),
        rows,
        note="± is the Monte Carlo standard error. Where draws did not converge, their number is followed by the "
        "probability if all of them were a no, and a yes. With no hit, or only hits, the probability is a one-sided "
        "95% binomial bound at the effective draws; otherwise the interval is Clopper and Pearson’s. Both say how far "
        "the number of draws pins the posterior probability down, not how far the model can be trusted.",
        emphasised=(0,),
    )


def _bound(row: Row) -> str:
    low, high = row["bound_low"], row["bound_high"]
    if row["hits"] == 0:
        return f"up to {digits(100.0 * high, 2)}%"
    if row["hits"] == row["draws"]:
        return f"from {fixed(100.0 * low, 2)}%"
    places = decimals(100.0 * (high - low) / 4.0)
    return f"{fixed(100.0 * low, places)}% to {fixed(100.0 * high, places)}%"


def _unconverged(row: Row) -> str:
    if not row["unconverged"]:
        return "none"
    return f"{count(row['unconverged'])}: {digits(100 * row['all_no'])}% / {digits(100 * row['all_yes'])}%"


def parameters(results: dict[str, Any], paper: dict[str, float]) -> Table:
    """Return prior and posterior of each parameter beside the paper's value."""
    rows = []
    for name, text in PARAMETERS.items():
        row = {"parameter": name, "meaning": text, "prior": prior_of(results, name), "paper": paper.get(name)}
        rows.append(row | results["main"]["quantities"][name] | {"fixed": is_fixed(results, name)})

    def shown(show: Any) -> Any:
        return lambda row: NONE if row["fixed"] else show(row)

    return Table(
        "parameters",
        "Parameters: prior, posterior and the paper’s value",
        (
            Column("meaning", "Parameter"),
            Column("prior", "Prior"),
            Column("mean", "Mean", shown(lambda row: fixed(row["mean"], decimals(row["sd"]))), number=True),
            Column("sd", "SD", shown(lambda row: fixed(row["sd"], decimals(row["sd"]))), number=True),
            Column("median", "Median", shown(median), number=True),
            Column("mcse", "MC error of median", shown(lambda row: digits(row["mcse"], 2)), number=True),
            Column("low50", "50% interval", shown(lambda row: bounds(row, 50)), number=True),
            Column("low90", "90% interval", shown(lambda row: bounds(row, 90)), number=True),
            Column("paper", "Paper", lambda row: NONE if row["paper"] is None else f"{row['paper']:g}", number=True),
        ),
        rows,
        note="Intervals are equal-tailed. The paper’s values: Table 2.",
    )


def _calibrations(results: dict[str, Any]) -> tuple[tuple[str, dict[str, Any]], ...]:
    delta = results["study"]["illustration_delta"]
    return (
        ("Posterior", results["main"]),
        (f"Illustration, δ = {delta:g} in every draw: not evidence", results["illustration"]),
    )


def outcomes(results: dict[str, Any]) -> Table:
    """Return what the draws imply, at the posterior and at the illustration."""
    names = {
        "critical_delta": ("δ needed for some L/Fᵀ, g′(1)", 1.0, ""),
        "needed_delta": ("δ needed with L/Fᵀ pinned", 1.0, ""),
        "threshold": ("Unstable steady state Sᵁ", 100.0, "% of firms"),
        "bill": ("Subsidy bill in 1976", 100.0, "% of output"),
        "welfare": ("Welfare gain of the push", 100.0, "% of consumption, permanent"),
    }
    rows = []
    for title, summary in _calibrations(results):
        for name, (text, scale, unit) in names.items():
            quantity = summary["quantities"][name]
            scaled = {
                key: value if key in ("defined", "draws") or value is None else scale * value
                for key, value in quantity.items()
            }
            rows.append({"calibration": title, "quantity": name, "meaning": text, "unit": unit, **scaled})
    return Table(
        "outcomes",
        "What the draws imply",
        (
            Column("meaning", "Quantity"),
            Column("unit", "Unit", lambda row: row["unit"] or NONE),
            Column("defined", "Defined in", _defined, number=True),
            Column("median", "Median", lambda row: median(row) if row["defined"] else "undefined", number=True),
            Column("mcse", "MC error", lambda row: digits(row["mcse"], 2), number=True),
            Column("low50", "50% interval", lambda row: _ends(row, 50), number=True),
            Column("low90", "90% interval", lambda row: _ends(row, 90), number=True),
        ),
        rows,
        note="Sᵁ exists where there are several steady states. Welfare is the constant percentage of consumption that "
        "is worth as much as the push under log utility. The bill is that of Section 4’s single sector, no share of "
        "Korea’s GDP.",
        group="calibration",
    )


def _defined(row: Row) -> str:
    if row["defined"] == row["draws"]:
        return "all draws"
    return f"{count(row['defined'])} of {count(row['draws'])}" if row["defined"] else "no draw"


def _ends(row: Row, level: int) -> str:
    if 0 < row["defined"] < FEW:
        return "too few draws"
    return bounds(row, level)


def push(results: dict[str, Any]) -> Table:
    """Return the smallest one-time subsidy that leaves the trap, by instrument."""
    rows = []
    for title, summary in _calibrations(results):
        for instrument, text in (("input", "Adopters’ inputs"), ("cost", "Fixed adoption cost")):
            quantity = summary["quantities"][f"{instrument}_subsidy"]
            codes = dict(zip(CODES, map(int, summary["statuses"][instrument]), strict=True))
            rows.append({"calibration": title, "instrument": instrument, "meaning": text, **codes, **quantity})

    def middle(row: Row) -> str:
        if not row["defined"]:
            return "undefined"
        return percent(row["median"], decimals(100.0 * (row["sd"] or 0.0), 100.0 * row["median"]))

    def ends(level: int) -> Any:
        def text(row: Row) -> str:
            if not row["defined"]:
                return NONE
            if row["defined"] < FEW:
                return "too few draws"
            low, high = 100.0 * row[f"low{level}"], 100.0 * row[f"high{level}"]
            return f"{interval(low, high, decimals(100.0 * row['sd'], low))}%"

        return text

    labels = ("Defined", "No trap to leave", "No subsidy below 100% suffices", "Labour tax above 100%")
    assert len(labels) == len(STATUS)
    counts = tuple(
        Column(key, label, lambda row, key=key: count(row[key]), number=True)  # type: ignore[misc]
        for key, label in zip(CODES, labels, strict=True)
    )
    return Table(
        "push",
        "The smallest sufficient one-period subsidy: draws by status, and its size where it is defined",
        (
            Column("meaning", "Subsidy on"),
            *counts,
            Column("median", "Median", middle, number=True),
            Column("low50", "50% interval", ends(50), number=True),
            Column("low90", "90% interval", ends(90), number=True),
        ),
        rows,
        note="Shares of the cost that the government pays for one period, in the draws with a trap where such a "
        "subsidy exists. Without a trap there is nothing to leave, and the smallest push is undefined.",
        group="calibration",
    )


def sensitivity(results: dict[str, Any]) -> Table:
    """Return every variant beside the study itself."""
    entries = [("This study", results["study"]["name"], results["main"])]
    entries += [(variant["group"], variant["label"], variant["summary"]) for variant in results["variants"]]
    rows = []
    for group, label, summary in entries:
        row: Row = {"group": group, "variant": label}
        for name in ("multiple", "possible"):
            chance = summary["probabilities"][name]
            row |= {f"p_{name}": chance["estimate"], f"p_{name}_text": chance["text"]}
            row |= {f"p_{name}_{key}": chance[key] for key in ("mcse", "hits", "draws", "bound_low", "bound_high")}
        for name in ("eta", "delta", "subsidy", "needed_delta", "critical_delta"):
            quantity = summary["quantities"][name]
            row |= {f"{name}_{key}": quantity[key] for key in ("median", "low90", "high90")}
        rows.append(row | {"distance": summary["distance"], "failures": "; ".join(summary["diagnostics"]["failures"])})
    return Table(
        "sensitivity",
        "The answer under every variant of the study",
        (
            Column("variant", "Variant"),
            Column("p_multiple_text", "P, L/Fᵀ pinned", number=True),
            Column("p_possible_text", "P, some L/Fᵀ", number=True),
            Column("delta_median", "δ, median", lambda row: fixed(row["delta_median"], 2), number=True),
            Column(
                "delta_low90", "δ, 90%", lambda row: interval(row["delta_low90"], row["delta_high90"], 2), number=True
            ),
            Column(
                "needed_delta_median", "δ needed, pinned", lambda row: fixed(row["needed_delta_median"], 2), number=True
            ),
            Column(
                "critical_delta_median",
                "δ needed, some",
                lambda row: fixed(row["critical_delta_median"], 2),
                number=True,
            ),
            Column("failures", "Diagnostics", lambda row: "failed" if row["failures"] else "passed"),
        ),
        rows,
        note="P: probability of several stable steady states. δ needed: posterior median of the smallest δ that gives "
        "several, with L/Fᵀ pinned and for the most favourable L/Fᵀ. Variants have fewer draws than the study, so "
        "their bounds are wider.",
        group="group",
        emphasised=(0,),
    )


def tf(results: dict[str, Any]) -> Table:
    """Return usual and tF intervals of each IV column."""
    rows = []
    for entry in results["tf"]:
        row = {key: value for key, value in entry.items() if not isinstance(value, list)}
        for key in ("usual", "tf", "delta_usual", "delta_tf"):
            row |= {f"{key}_low": entry[key][0], f"{key}_high": entry[key][1]}
        rows.append(row)

    def ends(key: str) -> Any:
        return lambda row: interval(row[f"{key}_low"], row[f"{key}_high"], 2)

    used = tuple(index for index, row in enumerate(rows) if row["used"])
    delta = results["main"]["quantities"]["delta"]
    posterior = f" The posterior’s 95% interval of δ is {interval(delta['low95'], delta['high95'], 2)}."
    return Table(
        "tf",
        "Weak instruments: usual and tF 95% confidence intervals, Table 1, Panel A",
        (
            Column("column", "Column", number=True),
            Column(
                "estimate",
                "Estimate (SE)",
                lambda row: f"{row['estimate']:.2f} ({row['standard_error']:.2f})",
                number=True,
            ),
            Column("kp_f", "KP-F", lambda row: fixed(row["kp_f"], 2), number=True),
            Column("usual_low", "Usual 95%", ends("usual"), number=True),
            Column("critical_value", "c(F)", lambda row: fixed(row["critical_value"], 2), number=True),
            Column("tf_low", "tF 95%", ends("tf"), number=True),
            Column("delta", "δ", lambda row: fixed(row["delta"], 2), number=True),
            Column("delta_usual_low", "δ, usual 95%", ends("delta_usual"), number=True),
            Column("delta_tf_low", "δ, tF 95%", ends("delta_tf"), number=True),
        ),
        rows,
        note="tF (Lee, McCrary, Moreira and Porter) replaces 1.96 by a critical value c(F) that grows as the first "
        "stage weakens. It is a critical value at one level and no likelihood, so it stands beside the posterior and "
        "does not enter it. Bold: what this study uses. δ is the estimate over the study’s exponent." + posterior,
        emphasised=used,
    )


def power_scaling(results: dict[str, Any]) -> Table:
    """Return how much each posterior moves with the weight of prior and likelihood."""
    rows = [{"parameter": name, **values} for name, values in results["power_scaling"].items()]

    def reading(row: Row) -> str:
        return "no conflict" if row["diagnosis"] == "✓" else str(row["diagnosis"])

    return Table(
        "power_scaling",
        "Does the prior decide? Sensitivity to power-scaling of prior and likelihood",
        (
            Column("parameter", "Parameter", _symbol),
            Column("prior", "Prior", lambda row: fixed(row["prior"], 3), number=True),
            Column("likelihood", "Likelihood", lambda row: fixed(row["likelihood"], 3), number=True),
            Column("diagnosis", "Reading", reading),
        ),
        rows,
        note="Distance that the posterior moves per doubling of the prior’s or the likelihood’s weight (Kallioinen and "
        "others). Above 0.05 the posterior is sensitive to it; it should be to the likelihood and not to the prior.",
    )


def diagnostics(results: dict[str, Any]) -> Table:
    """Return what the sampler and the solver report of themselves."""
    found, solver, gates = results["main"]["diagnostics"], results["main"]["solver"], results["study"]["sampler"]
    rows = [{"parameter": name, **values} for name, values in found["table"].items()]
    weights = found.get("weights_ess")
    extra = f" Importance weights leave {count(weights)} effective draws." if weights is not None else ""
    return Table(
        "diagnostics",
        "Sampler diagnostics of the main posterior",
        (
            Column("parameter", "Parameter", _symbol),
            Column("rhat", "R-hat", lambda row: fixed(row["rhat"], 4), number=True),
            Column("ess_bulk", "Bulk ESS", lambda row: count(row["ess_bulk"]), number=True),
            Column("ess_tail", "Tail ESS", lambda row: count(row["ess_tail"]), number=True),
            Column("mcse_mean", "MC error of mean", lambda row: digits(row["mcse_mean"], 2), number=True),
            Column("mcse_sd", "MC error of SD", lambda row: digits(row["mcse_sd"], 2), number=True),
        ),
        rows,
        note=f"Gates: R-hat at most {gates['max_rhat']:g}, both ESS at least {gates['min_ess']:g}, at most "
        f"{gates['max_divergences']} divergences. Divergences: {found['divergences']}.{extra} Solver: "
        f"{count(solver['draws'])} draws, {count(solver['unconverged'])} not converged, largest residual "
        f"{digits(solver['largest_residual'], 2)}.",
    )


def inputs(results: dict[str, Any]) -> Table:
    """Return every input with its source."""

    def name(row: Row) -> str:
        for start in ("Prior of ", "Published "):
            if str(row["name"]).startswith(start):
                identifier = str(row["name"]).removeprefix(start)
                return start + SYMBOLS.get(identifier, identifier)
        return str(row["name"])

    def value(row: Row) -> str:
        text = str(row["value"])
        text = _prior_in_words(text) if str(row["name"]).startswith("Prior of ") else text
        return f"{text} ({row['unit']})" if row["unit"] and text != "none" else text

    def remark(row: Row) -> str:
        text = str(row["missing"])
        return text if text.startswith("not used") or not text else f"not printed: {text}"

    return Table(
        "inputs",
        "Every input, with its source",
        (
            Column("name", "Input", name),
            Column("value", "Value", value),
            Column("label", "Kind"),
            Column("place", "Where from"),
            Column("missing", "Remark", remark),
        ),
        [dict(source) for source in results["sources"]],
        note="Published: printed in the paper. Derived: computed from what it prints. Assumed: chosen here, because "
        "the paper does not print it. User: put in by whoever wrote the study.",
    )


def provenance(results: dict[str, Any]) -> Table:
    """Return what a second run needs to give the same numbers."""
    study = results["study"]
    rows = [
        {"item": "Study", "value": study["name"]},
        {"item": "Model", "value": f"{study['model']} (Section 4)" if study["model"] == "simple" else study["model"]},
        {"item": "Seed", "value": str(study["seed"])},
        {"item": "Sampler", "value": ", ".join(f"{key} {value}" for key, value in study["sampler"].items())},
        {"item": "Fingerprint of study, tables and version", "value": study["fingerprint"]},
    ]
    rows += [{"item": name, "value": version} for name, version in results["versions"].items()]
    return Table(
        "provenance", "Seed, fingerprint and versions", (Column("item", "Item"), Column("value", "Value")), rows
    )
