"""Tables of what the answer starts from: the estimates and their designs, prior and posterior, Table 2 over draws."""

from typing import Any

from bigpush_est.report.numbers import NONE, bounds, count, figure, fixed, interval, median
from bigpush_est.report.pipeline.labels import (
    SECOND,
    VERSIONS,
    Results,
    answers,
    held,
    inner,
    parameter,
    points,
    second_part,
    within,
)
from bigpush_est.report.quantitative.labels import PARAMETERS as INTERNAL
from bigpush_est.report.quantitative.labels import moment
from bigpush_est.report.tables import Column, Row, Table

#: Variables of the balance table in words.
_VARIABLES = {"log_assets": "log assets", "log_sales": "log sales", "log_workers": "log workers"}


def evidence_tables(results: Results) -> list[Table]:
    """Return this subject's tables, in order."""
    return [
        estimates(results),
        event_study(results),
        balance(results),
        table1(results),
        checks(results),
        posterior(results),
        adoption(results),
        table2(results),
        moments(results),
    ]


def estimates(results: Results) -> Table:
    """Return the estimates as they entered."""
    evidence = results["evidence"]
    given, matrix, truth = evidence["estimates"], evidence["correlation"], _truth(results)
    rows: list[Row] = []
    for k, one in enumerate(given):
        others = {f"correlation_{other['name']}": matrix[k][m] for m, other in enumerate(given)}
        rows.append({**one, **others, "place": k, "truth": truth.get(one["name"])})

    def correlations(row: Row) -> str:
        before = given[: row["place"]]
        return (
            ", ".join(f"{fixed(row['correlation_' + one['name']], 2)} with {one['name']}" for one in before)
            if len(before) < 3
            else "in the file"
        ) or NONE

    columns = [
        Column("name", "Estimate"),
        Column("value", "Value", lambda r: figure(r["value"]), number=True),
        Column("standard_error", "s.e.", lambda r: figure(r["standard_error"]), number=True),
        Column("correlation", "Correlation", correlations),
        Column("label", "Label"),
        Column("provenance", "From"),
    ]
    if truth:
        columns.insert(3, Column("truth", "Truth", lambda r: figure(r["truth"]), number=True))
    stage = evidence["first_stage_f"]
    note = f"Correlations are {evidence['correlation_is']}."
    if stage is not None:
        note += f" First-stage F of the spillover’s instrument, at the clusters of the joint covariance: {stage:.1f}."
    if evidence["repaired"]:
        note += " The joint covariance was not positive definite and was repaired."
    if truth:
        note += " Truth: what the simulated firms were drawn with."
    return Table("estimates", "The estimates that the posterior takes", tuple(columns), rows, note)


def _truth(results: Results) -> dict[str, float]:
    """Return the truth of a simulated panel; empty where there is none to know."""
    micro = results["evidence"]["micro"]
    return (micro or {}).get("truth") or {}


def event_study(results: Results) -> Table:
    """Return the event study's coefficients, from a firm panel."""
    micro = results["evidence"]["micro"]
    rows: list[Row] = [] if micro is None else micro["event_study"]

    def time(row: Row) -> str:
        if row["event_time"] is None:
            return row["term"]  # type: ignore[no-any-return]
        return fixed(row["event_time"], 0) + (" (reference)" if row["term"] == "reference" else "")

    return Table(
        "event_study",
        "Winners against losers: coefficients by event time",
        (
            Column("event_time", "Years", time, number=True),
            Column("estimate", "Estimate", lambda r: fixed(r["estimate"], 3), number=True),
            Column("std_error", "s.e.", lambda r: fixed(r["std_error"], 3), number=True),
            Column("interval", "95%", lambda r: interval(r["conf_low"], r["conf_high"], 2), number=True),
            Column("winners", "Winners", number=True),
            Column("losers", "Losers", number=True),
        ),
        rows,
        "Counts are rows of the stacked data, not firms.",
    )


def balance(results: Results) -> Table:
    """Return how alike losers and winners were, before and after matching."""
    micro = results["evidence"]["micro"]
    rows: list[Row] = [] if micro is None else [dict(row) for row in micro["balance"]]
    for row in rows:
        row.pop("index", None)
    return Table(
        "balance",
        "Losers and winners before the event",
        (
            Column("variable", "", lambda r: _VARIABLES.get(r["variable"], r["variable"].replace("_", " "))),
            Column("sample", "Matching"),
            Column("losers", "Losers", number=True),
            Column("winners", "Winners", number=True),
            Column("mean_losers", "Mean, losers", lambda r: fixed(r["mean_losers"], 2), number=True),
            Column("mean_winners", "Mean, winners", lambda r: fixed(r["mean_winners"], 2), number=True),
            Column(
                "standardised_difference",
                "Difference, s.d.",
                lambda r: _two(r["standardised_difference"]),
                number=True,
            ),
            Column("t", "t", lambda r: _two(r["t"]), number=True),
        ),
        rows,
    )


def _two(value: float | None) -> str:
    """Return a number with two decimals; what rounds to nothing has no sign."""
    return NONE if value is None else fixed(round(value, 2) + 0.0, 2)


def table1(results: Results) -> Table:
    """Return Table 1 of the panel."""
    micro, truth = results["evidence"]["micro"], _truth(results)
    rows: list[Row] = [] if micro is None else micro["table1"]
    titles = {"A": "Panel A: local spillover", "B": "Panel B: local complementarity"}
    failed = [f"{row['panel']} {row['column']}: {row['reason']}" for row in rows if row["reason"]]
    note = "KP F: Kleibergen and Paap’s; effective F: Montiel Olea and Pflueger’s, of the instrument."
    if "spillover" in truth:
        note += f" Truth of the simulated panel in A: {figure(truth['spillover'])}."
    if failed:
        note += f" Not estimated: {'; '.join(failed)}."
    return Table(
        "table1",
        "Spillovers (A) and complementarity (B) in the columns of Table 1",
        (
            Column("column", "Column"),
            Column("estimate", "Estimate", lambda r: fixed(r["estimate"], 2), number=True),
            Column("std_error", "s.e.", lambda r: fixed(r["std_error"], 2), number=True),
            Column("kp_f", "KP F", lambda r: fixed(r["kp_f"], 1), number=True),
            Column("effective_f", "Effective F", lambda r: fixed(r["effective_f"], 1), number=True),
            Column("ar_set", "Anderson-Rubin 95%", lambda r: r["ar_set"] or NONE),
            Column("tf", "tF 95%", lambda r: interval(r["tf_low"], r["tf_high"], 2), number=True),
            Column("n", "N", number=True),
            Column("clusters", "Clusters", lambda r: r["clusters"] or NONE),
        ),
        [{**row, "heading": titles.get(row["panel"], f"Panel {row['panel']}")} for row in rows],
        note,
        group="heading",
    )


def checks(results: Results) -> Table:
    """Return what a referee asks of the estimates: pre-trends, over-identification, what was left out."""
    evidence = results["evidence"]
    rows: list[Row] = []
    test = evidence["over_identification"]
    if test is not None:
        rows.append({"check": "Over-identification", "finding": test["words"], **test})
    micro = evidence["micro"]
    if micro is not None:
        pooled = micro["pooled"]
        rows.append({"check": "Pre-trends", "finding": micro["pretrend"]["words"], **micro["pretrend"]})
        rows.append(
            {
                "check": "All years after the event, pooled",
                "finding": f"{fixed(pooled['estimate'], 3)} (s.e. {fixed(pooled['std_error'], 3)})",
                **pooled,
            }
        )
        nothing = [note.removesuffix(": 0") for note in micro["notes"] if note.endswith(": 0")]
        for note in micro["notes"]:
            head, _, rest = note.partition(": ")
            if not note.endswith(": 0"):
                rows.append({"check": head[:1].upper() + head[1:] if rest else "Note", "finding": rest or note})
        if nothing:
            rows.append({"check": "None of these", "finding": "; ".join(nothing)})
    return Table(
        "checks",
        "Checks of the estimates, and what was left out",
        (Column("check", "Check"), Column("finding", "Finding")),
        [{key: value for key, value in row.items() if key != "words"} for row in rows],
        f"Slopes of complementarity: {test['table']}." if test is not None and "table" in test else "",
    )


def posterior(results: Results) -> Table:
    """Return prior and posterior of each parameter."""
    truth, second = _truth(results), second_part(results)
    rows: list[Row] = []
    for heading, part in mappings(results):
        for name, one in part["parameters"].items():
            before = part["prior"].get(name)
            rows.append(
                {
                    "mapping": heading,
                    "parameter": parameter(name),
                    "truth": truth.get(name),
                    **({f"prior_{key}": value for key, value in before.items()} if before is not None else {}),
                    **one,
                }
            )

    def before_of(row: Row) -> dict[str, Any] | None:
        found = {key[6:]: value for key, value in row.items() if key.startswith("prior_")}
        return found or None

    def shown(how: Any) -> Any:
        def text(row: Row) -> str:
            found = before_of(row)
            return NONE if found is None else "held" if held(found) else str(how(found))

        return text

    columns = [
        Column("parameter", ""),
        Column("prior_median", "Prior median", shown(median), number=True),
        Column("prior_90", "Prior 90%", shown(lambda q: bounds(q, 90)), number=True),
        Column("median", "Median", median, number=True),
        Column("i50", "50%", lambda r: within(r, 50), number=True),
        Column("i90", "90%", lambda r: within(r, 90), number=True),
    ]
    if truth:
        columns.append(Column("truth", "Truth", lambda r: figure(r["truth"]), number=True))
    free = results["study"]["subsidy"] == "recalibrated"
    return Table(
        "posterior",
        "Prior and posterior",
        tuple(columns),
        rows,
        "The calibration finds s̄ at each draw; the row of s̄ here is its prior, and is not used."
        if free
        else "The calibration takes s̄ from this posterior.",
        group="" if second is None else "mapping",
    )


def mappings(results: Results) -> list[tuple[str, dict[str, Any]]]:
    """Return the posterior under each mapping of the estimates, with what the mapping is called."""
    study, second = results["study"], second_part(results)
    if second is None:
        return [("", results["posterior"])]
    return [
        (f"Mapped with “{study['exponent']}”, {study['exponent_value']:.3g}", results["posterior"]),
        (f"Second mapping: “{second['exponent']}”, {second['exponent_value']:.3g}", second["posterior"]),
    ]


def adoption(results: Results) -> Table:
    """Return counts of adopters beside what the posterior expects of them; no rows where there are no counts."""
    part = results.get("adoption") or {}
    rows: list[Row] = [{**row} for row in part.get("fit", ())]

    def share(row: Row, key: str) -> str:
        return NONE if row[key] is None or not row["firms"] else fixed(100.0 * row[key] / row["firms"], 1)

    note = ""
    if rows:
        eta, delta = (part["estimates_alone"][name] for name in ("eta", "delta"))
        note = (
            f"Counts: {part['provenance']}, {part['cells']} cells. Expected: posterior mean and 90% interval of "
            f"the mean count. Estimates without the counts give η {median(eta)} (90%: {bounds(eta, 90)}) and "
            f"δ {median(delta)} (90%: {bounds(delta, 90)}). Log evidence "
            f"{fixed(part['log_evidence'], 2)} (relative error {fixed(part['log_evidence_error'], 2)}); of "
            f"{count(part['evaluations'])} likelihoods {count(part['failed'])} could not be computed."
        )
    return Table(
        "adoption",
        "Adopters among firms, in %, and what the posterior expects",
        (
            Column("year", "Year"),
            Column("firms", "Firms", lambda r: count(r["firms"]), number=True),
            Column("adopters", "Adopters", lambda r: count(r["adopters"]), number=True),
            Column("observed", "Observed, %", lambda r: share(r, "adopters"), number=True),
            Column("expected", "Expected, %", lambda r: share(r, "expected"), number=True),
            Column("i90", "90%, %", lambda r: f"{share(r, 'low90')} to {share(r, 'high90')}", number=True),
        ),
        rows,
        note,
    )


def table2(results: Results) -> Table:
    """Return Table 2's internal parameters as posteriors."""
    rows: list[Row] = []
    paper = {row["name"]: row["paper"] for row in results["point"]["parameters"]}
    for version, answer in answers(results):
        point = {row["name"]: row["value"] for row in point_of(results, version)["parameters"]}
        for name, one in answer["parameters"].items():
            symbol, meaning, _, comparable = INTERNAL[name]
            rows.append(
                {
                    "version": VERSIONS[version],
                    "parameter": f"{symbol}: {meaning}",
                    "paper": paper[name] if comparable else None,
                    "point": point[name],
                    **one,
                }
            )
    return Table(
        "table2_parameters",
        "Table 2: the internally calibrated parameters as posteriors",
        (
            Column("parameter", ""),
            Column("point", "At the medians", lambda r: figure(r["point"]), number=True),
            Column("median", "Median", median, number=True),
            Column("i50", "50%", lambda r: within(r, 50), number=True),
            Column("i90", "90%", lambda r: within(r, 90), number=True),
            Column("paper", "Paper", lambda r: figure(r["paper"]), number=True),
        ),
        rows,
        "The paper’s values are shown where the unit is common: costs and τ̄ are in units of our own normalisation."
        + (" Fᵀ, κ and s̄ are the posterior’s: adoption counts inform them." if results.get("adoption") else ""),
        group="version",
    )


def point_of(results: Results, version: str) -> dict[str, Any]:
    """Return the calibration at the medians of the posterior that a version's draws are of."""
    part: dict[str, Any] = ((second_part(results) or {}) if version == SECOND else results)["point"]
    return part


def moments(results: Results) -> Table:
    """Return Table 2's moments, over draws."""
    rows: list[Row] = []
    for version, answer in answers(results):
        for given, one in zip(point_of(results, version)["moments"], answer["moments"], strict=True):
            rows.append({"version": VERSIONS[version], "moment": moment(given["name"]), **given, **one})
    return Table(
        "table2_moments",
        "Table 2: targeted moments over draws (%)",
        (
            Column("moment", ""),
            Column("target", "Target", lambda r: points(r["target"], 1), number=True),
            Column("model", "At the medians", lambda r: points(r["model"], 1), number=True),
            Column("median", "Median", lambda r: points(r["median"], 1), number=True),
            Column("i50", "50%", lambda r: inner(r, 50, 100.0, 1), number=True),
            Column("i90", "90%", lambda r: inner(r, 90, 100.0, 1), number=True),
            Column("paper_model", "Paper’s model", lambda r: points(r["paper_model"], 0), number=True),
            Column("paper_data", "Paper’s data", lambda r: points(r["paper_data"], 0), number=True),
        ),
        rows,
        "Adopter shares and regions with adoption are no targets here: adoption counts hold them already."
        if results.get("adoption")
        else "",
        group="version",
    )
