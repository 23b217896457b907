"""Every table of a pipeline run, taken from its results."""

from typing import Any

from bigpush_est.report.numbers import NONE, bounds, figure, fixed, interval, median, percent
from bigpush_est.report.pipeline.labels import (
    EVENTS,
    OUTCOMES,
    PARAMETERS,
    VERSIONS,
    Results,
    chance,
    inner,
    main_answer,
    points,
)
from bigpush_est.report.quantitative.labels import PARAMETERS as INTERNAL
from bigpush_est.report.quantitative.labels import moment, scenario, sector
from bigpush_est.report.tables import Column, Row, Table


def all_tables(results: Results) -> dict[str, Table]:
    """Return every table of the report by name; one without rows is left out."""
    tables = [
        probabilities(results),
        differences(results),
        estimates(results),
        event_study(results),
        table1(results),
        posterior(results),
        table2(results),
        moments(results),
        output(results),
        scenarios(results),
        smallest_push(results),
        moves(results),
        variants(results),
        diagnostics(results),
        solver(results),
        inputs(results),
        provenance(results),
    ]
    return {table.name: table for table in tables if table.rows}


def printed_tables(results: Results) -> list[Table]:
    """Return the tables that a terminal prints after a run."""
    chosen = [probabilities(results), differences(results), posterior(results), solver(results)]
    return [table for table in chosen if table.rows]


def _versions(results: Results) -> list[tuple[str, dict[str, Any]]]:
    return [(version, results["answers"][version]) for version in VERSIONS if version in results["answers"]]


def probabilities(results: Results) -> Table:
    """Return the probability of each event, by version."""
    rows: list[Row] = [
        {"version": VERSIONS[version], "event": EVENTS[name], **answer["probabilities"][name]}
        for version, answer in _versions(results)
        for name in EVENTS
    ]
    return Table(
        "probabilities",
        "The probability of each claim, with its Monte Carlo error",
        (
            Column("event", "Claim"),
            Column("estimate", "Probability", chance, number=True),
            Column("bound", "95% bounds", lambda r: _range(r["bound_low"], r["bound_high"]), number=True),
            Column("unconverged", "Unconverged", number=True),
            Column("both", "All no, all yes", lambda r: _range(r["all_no"], r["all_yes"]), number=True),
        ),
        rows,
        "Steady states are those found from several starts: there may be more. Draws that did not converge count as a "
        "no; the last column has all of them a no, or a yes.",
        group="version",
    )


def _range(low: float, high: float) -> str:
    return f"{interval(100.0 * low, 100.0 * high, 1)}%"


def differences(results: Results) -> Table:
    """Return Table 3 A with intervals, beside the paper's points."""
    rows: list[Row] = []
    for version, answer in _versions(results):
        for name, label in OUTCOMES.items():
            rows.append({"version": VERSIONS[version], "outcome": f"Δ {label} (p.p.)", **answer["differences"][name]})
        rows.append({"version": VERSIONS[version], "outcome": "Welfare, log utility (%)", **answer["welfare"]["log"]})
        rows.append({"version": VERSIONS[version], "outcome": "Welfare, linear (%)", **answer["welfare"]["linear"]})
    return Table(
        "table3_a",
        "Heavy manufacturing in the steady state, with the push less without it, and welfare (Table 3 A)",
        (
            Column("outcome", ""),
            Column("median", "Median", lambda r: points(r["median"]), number=True),
            Column("i50", "50%", lambda r: inner(r, 50), number=True),
            Column("i90", "90%", lambda r: inner(r, 90), number=True),
            Column("paper", "Paper", lambda r: points(r["paper"]), number=True),
        ),
        rows,
        "Over draws that converged. Welfare is consumption-equivalent, weighted by population.",
        group="version",
    )


def estimates(results: Results) -> Table:
    """Return the estimates as they entered."""
    given = results["evidence"]["estimates"]
    matrix = results["evidence"]["correlation"]
    rows: list[Row] = [
        {**one, "correlations": {other["name"]: matrix[k][m] for m, other in enumerate(given) if m < k}}
        for k, one in enumerate(given)
    ]
    stage = results["evidence"]["first_stage_f"]
    note = f"Correlations are {results['evidence']['correlation_is']}."
    if stage is not None:
        note += f" First-stage F of the spillover’s instrument, at the clusters of the joint covariance: {stage:.1f}."
    if results["evidence"]["repaired"]:
        note += " The joint covariance was not positive definite and was repaired."
    return Table(
        "estimates",
        "The estimates that the posterior takes",
        (
            Column("name", "Estimate"),
            Column("value", "Value", lambda r: figure(r["value"]), number=True),
            Column("standard_error", "s.e.", lambda r: figure(r["standard_error"]), number=True),
            Column("correlation", "Correlation", _correlations, number=True),
            Column("label", "Label"),
            Column("provenance", "From"),
        ),
        rows,
        note,
    )


def _correlations(row: Row) -> str:
    return ", ".join(f"{fixed(value, 2)} with {name}" for name, value in row["correlations"].items()) or NONE


def event_study(results: Results) -> Table:
    """Return the event study's coefficients, from a firm panel."""
    micro = results["evidence"]["micro"]
    rows: list[Row] = [] if micro is None else micro["event_study"]
    note = "" if micro is None else f"{micro['pretrend']['words']}"
    return Table(
        "event_study",
        "Winners against losers: coefficients by event time",
        (
            Column(
                "event_time",
                "Years",
                lambda r: NONE if r["event_time"] is None else f"{r['event_time']:d}",
                number=True,
            ),
            Column("term", "Term"),
            Column("estimate", "Estimate", lambda r: fixed(r["estimate"], 3), number=True),
            Column("std_error", "s.e.", lambda r: fixed(r["std_error"], 3), number=True),
            Column("interval", "95%", lambda r: interval(r["conf_low"], r["conf_high"], 2), number=True),
            Column("winners", "Winners", number=True),
            Column("losers", "Losers", number=True),
        ),
        rows,
        note,
    )


def table1(results: Results) -> Table:
    """Return Table 1 of the panel."""
    micro = results["evidence"]["micro"]
    rows: list[Row] = [] if micro is None else micro["table1"]
    return Table(
        "table1",
        "Spillovers (A) and complementarity (B) in the columns of Table 1",
        (
            Column("column", "Column"),
            Column("estimate", "Estimate", lambda r: fixed(r["estimate"], 2), number=True),
            Column("std_error", "s.e.", lambda r: fixed(r["std_error"], 2), number=True),
            Column("kp_f", "KP F", lambda r: fixed(r["kp_f"], 1), number=True),
            Column("ar_set", "Anderson-Rubin 95%", lambda r: r["ar_set"] or NONE),
            Column("tf", "tF 95%", lambda r: interval(r["tf_low"], r["tf_high"], 2), number=True),
            Column("n", "N", number=True),
            Column("clusters", "Clusters"),
        ),
        [{**row, "heading": f"Panel {row['panel']}"} for row in rows],
        group="heading",
    )


def posterior(results: Results) -> Table:
    """Return prior and posterior of each parameter."""
    part = results["posterior"]
    rows: list[Row] = [
        {"parameter": PARAMETERS.get(name, name), "prior": part["prior"].get(name), **one}
        for name, one in part["parameters"].items()
    ]
    return Table(
        "posterior",
        "Prior and posterior",
        (
            Column("parameter", ""),
            Column(
                "prior_median",
                "Prior median",
                lambda r: NONE if r["prior"] is None else median(r["prior"]),
                number=True,
            ),
            Column(
                "prior_90", "Prior 90%", lambda r: NONE if r["prior"] is None else bounds(r["prior"], 90), number=True
            ),
            Column("median", "Posterior median", median, number=True),
            Column("i90", "Posterior 90%", lambda r: bounds(r, 90), number=True),
        ),
        rows,
        "Where the calibration finds s̄, the posterior of s̄ here is its prior, and is not used.",
    )


def table2(results: Results) -> Table:
    """Return Table 2's internal parameters as posteriors."""
    rows: list[Row] = []
    paper = {row["name"]: row["paper"] for row in results["point"]["parameters"]}
    for version, answer in _versions(results):
        for name, one in answer["parameters"].items():
            symbol, meaning, _, comparable = INTERNAL[name]
            rows.append(
                {
                    "version": VERSIONS[version],
                    "parameter": f"{symbol}, {meaning}",
                    "paper": paper[name] if comparable else None,
                    **one,
                }
            )
    return Table(
        "table2_parameters",
        "Table 2: the internally calibrated parameters as posteriors",
        (
            Column("parameter", ""),
            Column("median", "Median", median, number=True),
            Column("i50", "50%", lambda r: bounds(r, 50), number=True),
            Column("i90", "90%", lambda r: bounds(r, 90), number=True),
            Column("paper", "Paper", lambda r: figure(r["paper"]), number=True),
        ),
        rows,
        "The paper’s values are shown where the unit is common: costs and τ̄ are in units of our own normalisation.",
        group="version",
    )


def moments(results: Results) -> Table:
    """Return Table 2's moments, over draws."""
    rows: list[Row] = []
    for version, answer in _versions(results):
        for given, one in zip(results["point"]["moments"], answer["moments"], strict=True):
            rows.append({"version": VERSIONS[version], "moment": moment(given["name"]), **given, **one})
    return Table(
        "table2_moments",
        "Table 2: targeted moments over draws (%)",
        (
            Column("moment", ""),
            Column("target", "Target", lambda r: points(r["target"], 1), number=True),
            Column("median", "Median", lambda r: points(r["median"], 1), number=True),
            Column("i90", "90%", lambda r: inner(r, 90, 100.0, 1), number=True),
            Column("paper_model", "Paper’s model", lambda r: points(r["paper_model"], 0), number=True),
        ),
        rows,
        group="version",
    )


def output(results: Results) -> Table:
    """Return Table 3 B with intervals."""
    answer = main_answer(results)
    names = [*(sector(name) for name in results["economy"]["sectors"]), "Total"]
    rows: list[Row] = [
        {"sector": name, **one} for name, one in zip(names, [*answer["output"], answer["output_total"]], strict=True)
    ]
    return Table(
        "table3_b",
        "Output in the steady state, with the push over without it, % (Table 3 B)",
        (
            Column("sector", ""),
            Column("median", "Median", lambda r: points(r["median"], 1), number=True),
            Column("i50", "50%", lambda r: inner(r, 50, 100.0, 1), number=True),
            Column("i90", "90%", lambda r: inner(r, 90, 100.0, 1), number=True),
        ),
        rows,
    )


def scenarios(results: Results) -> Table:
    """Return Table 3 C with intervals, beside the paper's points."""
    rows: list[Row] = []
    for version, answer in _versions(results):
        base = answer["differences"]["gdp_share"]
        if answer["scenarios"]:
            rows.append({"version": VERSIONS[version], "scenario": "Baseline", **base, "weaker": None})
        rows += [
            {"version": VERSIONS[version], **one, "scenario": scenario(one["name"])} for one in answer["scenarios"]
        ]
    return Table(
        "table3_c",
        "What the push adds to the heavy GDP share under other conditions in 1976 and 1980, p.p. (Table 3 C)",
        (
            Column("scenario", ""),
            Column("median", "Median", lambda r: points(r["median"]), number=True),
            Column("i50", "50%", lambda r: inner(r, 50), number=True),
            Column("i90", "90%", lambda r: inner(r, 90), number=True),
            Column("paper", "Paper", lambda r: points(r["paper"]), number=True),
            Column("weaker", "P(weaker)", lambda r: NONE if r["weaker"] is None else chance(r["weaker"]), number=True),
        ),
        rows,
        group="version",
    )


def smallest_push(results: Results) -> Table:
    """Return the smallest push that changes the long run."""
    rows: list[Row] = [
        {"version": VERSIONS[version], **answer["smallest_push"]}
        for version, answer in _versions(results)
        if "smallest_push" in answer
    ]
    return Table(
        "smallest_push",
        "The smallest uniform subsidy rate at which the long run changes, %",
        (
            Column("version", ""),
            Column("median", "Median", lambda r: points(r["median"], 1), number=True),
            Column("i90", "90%", lambda r: inner(r, 90, 100.0, 1), number=True),
            Column("defined", "Defined", lambda r: f"{r['defined']} of {r['draws']}", number=True),
            Column(
                "statuses", "How searches ended", lambda r: ", ".join(f"{k}: {v}" for k, v in r["statuses"].items())
            ),
        ),
        rows,
    )


def moves(results: Results) -> Table:
    """Return what one more standard error, and what knowing a parameter, does to each answer."""
    part = results["sensitivity"].get(results["study"]["main"]) or {}
    labels = EVENTS | {"gdp_share": "Δ GDP share (p.p.)", "welfare": "Welfare (%)"}
    rows: list[Row] = []
    for target, row in part.get("targets", {}).items():
        for name, one in row["estimates"].items():
            step = row.get("breakdown", {}).get(name, {}).get("shift")
            rows.append({"answer": labels[target], "what": f"estimate: {name}", **one, "breakdown": step})
        for name, one in row["explained"].items():
            known = row.get("value_of_knowing", {}).get(name)
            rows.append(
                {
                    "answer": labels[target],
                    "what": f"parameter: {PARAMETERS.get(name, name)}",
                    "value": None,
                    "explained": one["value"],
                    "knowing": None if known is None else known["value"],
                }
            )
        for name, one in row["prior"].items():
            rows.append(
                {"answer": labels[target], "what": f"prior of {PARAMETERS.get(name, name)}", "doubling": one["value"]}
            )
    return Table(
        "moves",
        "What moves the answer",
        (
            Column("what", ""),
            Column("value", "Per s.e., p.p.", lambda r: points(r.get("value")), number=True),
            Column("breakdown", "s.e. to P = 1/2", lambda r: fixed(r.get("breakdown"), 1), number=True),
            Column("explained", "Variance explained", lambda r: percent(r.get("explained"), 0), number=True),
            Column("knowing", "Value of knowing", lambda r: fixed(r.get("knowing"), 3), number=True),
            Column("doubling", "Prior doubled, p.p.", lambda r: points(r.get("doubling")), number=True),
        ),
        rows,
        "Per s.e.: the change when the estimate is one standard error higher, to first order. s.e. to P = 1/2: how "
        "many the estimate must move for the probability to cross one half, where the draws reach as far. Value of "
        "knowing: what perfect information on the parameter is worth to one who must call the claim true or false and "
        "loses 1 when wrong. Prior doubled: its weight (power 2), to first order.",
        group="answer",
    )


def variants(results: Results) -> Table:
    """Return each variant's answer."""
    rows: list[Row] = [{**one, "version": one["group"]} for one in results["variants"] if not one.get("failed")]
    return Table(
        "variants",
        "The answer under other assumptions, each from estimates to calibration anew",
        (
            Column("label", ""),
            Column("eta", "η", lambda r: median(r["posterior"]["eta"], 2), number=True),
            Column("delta", "δ", lambda r: median(r["posterior"]["delta"], 2), number=True),
            Column("multiple", "P(several)", lambda r: chance(r["probabilities"]["multiple"]), number=True),
            Column("moved", "P(moved)", lambda r: chance(r["probabilities"]["moved"]), number=True),
            Column("needed", "P(needed)", lambda r: chance(r["probabilities"]["needed"]), number=True),
            Column("gdp", "Δ GDP share, p.p.", lambda r: points(r["differences"]["gdp_share"]["median"]), number=True),
            Column("gdp90", "90%", lambda r: inner(r["differences"]["gdp_share"], 90), number=True),
            Column("draws", "Draws", lambda r: f"{r['draws'] - r['unconverged']} of {r['draws']}", number=True),
        ),
        rows,
        group="version",
    )


def diagnostics(results: Results) -> Table:
    """Return what the sampler reports of itself."""
    part = results["posterior"]["diagnostics"]
    rows: list[Row] = [{"parameter": PARAMETERS.get(name, name), **row} for name, row in part["table"].items()]
    return Table(
        "diagnostics",
        "The sampler’s diagnostics",
        (
            Column("parameter", ""),
            Column("rhat", "R-hat", lambda r: fixed(r["rhat"], 3), number=True),
            Column("ess_bulk", "Bulk ESS", lambda r: fixed(r["ess_bulk"], 0), number=True),
            Column("ess_tail", "Tail ESS", lambda r: fixed(r["ess_tail"], 0), number=True),
            Column("mcse_mean", "MCSE of the mean", lambda r: figure(r["mcse_mean"], 2), number=True),
        ),
        rows,
        f"Divergent transitions: {part['divergences']}. Draws: {results['posterior']['parameters']['delta']['draws']}, "
        f"of which {results['study']['draws']} went through the quantitative model.",
    )


def solver(results: Results) -> Table:
    """Return how the quantitative model's solver fared."""
    rows: list[Row] = [{"version": VERSIONS[version], **answer["solver"]} for version, answer in _versions(results)]

    def fates(side: str) -> Any:
        return lambda r: ", ".join(f"{name}: {count}" for name, count in r["fates"][side].items())

    return Table(
        "solver",
        "How the draws fared in the quantitative model",
        (
            Column("version", ""),
            Column("draws", "Draws", number=True),
            Column("unconverged", "Unconverged", number=True),
            Column("largest_residual", "Largest residual", lambda r: figure(r["largest_residual"], 2), number=True),
            Column("push", "With the push", fates("push")),
            Column("none", "Without", fates("none")),
        ),
        rows,
    )


def inputs(results: Results) -> Table:
    """Return every input with its source."""
    rows: list[Row] = list(results["sources"])
    return Table(
        "inputs",
        "Inputs",
        (
            Column("name", "Input"),
            Column("value", "Value", number=True),
            Column("unit", "Unit"),
            Column("label", "Label"),
            Column("place", "Place or reason"),
            Column("missing", "Not printed in the paper", lambda r: r.get("missing") or ""),
        ),
        rows,
    )


def provenance(results: Results) -> Table:
    """Return what the run was made with."""
    study = results["study"]
    rows: list[Row] = [
        {"item": name, "value": str(study[name])}
        for name in ("name", "seed", "source", "likelihood", "exponent", "subsidy", "fingerprint")
    ]
    rows += [{"item": name, "value": number} for name, number in results["versions"].items()]
    rows += [
        {"item": f"economy: {table}", "value": f"{origin['label']}: {origin['source']}"}
        for table, origin in results["economy"]["provenance"].items()
    ]
    return Table("provenance", "Provenance", (Column("item", ""), Column("value", "")), rows)
