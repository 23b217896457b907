"""Tables that have two runs side by side."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from bigpush_est.report.numbers import NONE, count, figure, median
from bigpush_est.report.pipeline.labels import (
    EVENTS,
    OUTCOMES,
    SOURCES,
    VERSIONS,
    Results,
    chance,
    parameter,
    points,
    second_part,
    with_interval,
    within,
)
from bigpush_est.report.quantitative.contents import settings
from bigpush_est.report.quantitative.labels import PARAMETERS as INTERNAL
from bigpush_est.report.quantitative.labels import scenario
from bigpush_est.report.tables import Column, Row, Table


@dataclass(frozen=True, slots=True)
class Run:
    """One of the two: its letter, its results, its study and the arrays behind its figures."""

    letter: str
    results: Results
    study: dict[str, Any]
    arrays: dict[str, Any]

    @property
    def heading(self) -> str:
        """What its columns are called."""
        return f"{self.letter}: {self.results['study']['name']}"


def comparison_tables(a: Run, b: Run) -> dict[str, Table]:
    """Return every table of a comparison by name; one without rows is left out."""
    tables = [
        probabilities(a, b),
        differences(a, b),
        runs(a, b),
        studies(a, b),
        estimates(a, b),
        posteriors(a, b),
        calibrations(a, b),
        scenarios(a, b),
        solvers(a, b),
    ]
    return {table.name: table for table in tables if table.rows}


def printed_comparison(content: Results) -> list[Table]:
    """Return the tables that a terminal prints, from a comparison's ``results.json``."""
    a, b = (
        Run(letter, results, study, {})
        for letter, results, study in zip("AB", content["runs"], content["studies"], strict=True)
    )
    chosen = [runs(a, b), studies(a, b), estimates(a, b), posteriors(a, b), probabilities(a, b), differences(a, b)]
    return [table for table in chosen if table.rows]


def _columns(a: Run, b: Run, show: Callable[[dict[str, Any]], str]) -> tuple[Column, Column]:
    """Return two columns that print what a row holds of each run; a dash where it holds nothing."""

    def cell(letter: str) -> Callable[[Row], str]:
        def text(row: Row) -> str:
            part = {key[2:]: value for key, value in row.items() if key.startswith(f"{letter}_")}
            return show(part) if part else NONE

        return text

    return (
        Column("a", a.heading, cell("a"), number=True),
        Column("b", b.heading, cell("b"), number=True),
    )


def _pair(one: dict[str, Any] | None, two: dict[str, Any] | None) -> Row:
    """Return both runs' values under keys that say whose they are."""
    row: Row = {}
    for letter, part in (("a", one), ("b", two)):
        row |= {f"{letter}_{key}": value for key, value in (part or {}).items()}
    return row


def _union(*names: Iterable[str]) -> list[str]:
    """Return the names of both in order, each once."""
    return list(dict.fromkeys(name for part in names for name in part))


def _answers(a: Run, b: Run) -> list[tuple[str, dict[str, Any] | None, dict[str, Any] | None]]:
    """Return the versions that either run has, with its answers."""
    found = (a.results["answers"], b.results["answers"])
    return [(name, found[0].get(name), found[1].get(name)) for name in VERSIONS if name in found[0] or name in found[1]]


# -- answers ----------------------------------------------------------------------------------------------------------


def probabilities(a: Run, b: Run) -> Table:
    """Return each event's probability in both runs, and whether more than chance lies between them."""
    rows: list[Row] = []
    for version, one, two in _answers(a, b):
        for name, event in EVENTS.items():
            first, second = (None if part is None else part["probabilities"][name] for part in (one, two))
            rows.append({"version": VERSIONS[version], "event": event, **_pair(first, second)})

    def apart(row: Row) -> str:
        if "a_estimate" not in row or "b_estimate" not in row:
            return NONE
        overlap = row["a_bound_low"] <= row["b_bound_high"] and row["b_bound_low"] <= row["a_bound_high"]
        return "overlap" if overlap else "lie apart"

    return Table(
        "probabilities",
        "The probability of each claim",
        (Column("event", "Claim"), *_columns(a, b, chance), Column("apart", "95% bounds", apart)),
        rows,
        "With Monte Carlo standard errors, or a 95% bound where all draws agree. Bounds that lie apart differ by more "
        "than the draws’ chance; bounds that overlap need not be equal.",
        group="version",
    )


def differences(a: Run, b: Run) -> Table:
    """Return what the push changes in both runs, with intervals."""
    rows: list[Row] = []
    names = [("differences", name, f"Δ {label}, p.p.") for name, label in OUTCOMES.items()]
    names += [
        ("welfare", "log", "Welfare, log utility, %"),
        ("welfare", "linear", "Welfare, discounted consumption, %"),
    ]
    for version, one, two in _answers(a, b):
        for part, name, label in names:
            first, second = (None if answer is None else answer[part][name] for answer in (one, two))
            paper = (first or second or {}).get("paper")
            rows.append({"version": VERSIONS[version], "outcome": label, **_pair(first, second), "paper": paper})
        pushes = [(answer or {}).get("smallest_push") for answer in (one, two)]
        if any(pushes):
            label = "Smallest push that changes the long run, %"
            rows.append({"version": VERSIONS[version], "outcome": label, **_pair(*pushes), "paper": None})
    return Table(
        "differences",
        "What the push changes in the long run",
        (
            Column("outcome", ""),
            *_columns(a, b, with_interval),
            Column("paper", "Paper", lambda r: points(r["paper"]), number=True),
        ),
        rows,
        "Medians over draws that converged, with 90% intervals. The smallest push is over the draws that have one.",
        group="version",
    )


def scenarios(a: Run, b: Run) -> Table:
    """Return Table 3 C of both runs."""
    rows: list[Row] = []
    for version, one, two in _answers(a, b):
        found = [{row["name"]: row for row in (answer or {}).get("scenarios", [])} for answer in (one, two)]
        for name in _union(*found):
            first, second = (part.get(name) for part in found)
            paper = (first or second or {}).get("paper")
            parts = [
                None if part is None else {key: value for key, value in part.items() if key != "weaker"}
                for part in (first, second)
            ]
            rows.append({"version": VERSIONS[version], "scenario": scenario(name), **_pair(*parts), "paper": paper})
    return Table(
        "table3_c",
        "What the push adds to the heavy GDP share under other conditions, p.p. (Table 3 C)",
        (
            Column("scenario", ""),
            *_columns(a, b, with_interval),
            Column("paper", "Paper", lambda r: points(r["paper"]), number=True),
        ),
        rows,
        group="version",
    )


def solvers(a: Run, b: Run) -> Table:
    """Return how the draws of both runs fared."""
    rows: list[Row] = []
    for version, one, two in _answers(a, b):
        parts = [
            None
            if answer is None
            else {key: answer["solver"][key] for key in ("draws", "unconverged", "largest_residual")}
            for answer in (one, two)
        ]
        rows.append({"version": VERSIONS[version], **_pair(*parts)})
    return Table(
        "solver",
        "Draws that did not converge in the quantitative model",
        (
            Column("version", ""),
            *_columns(a, b, lambda part: f"{count(part['unconverged'])} of {count(part['draws'])}"),
        ),
        rows,
    )


# -- what they rest on ------------------------------------------------------------------------------------------------


def runs(a: Run, b: Run) -> Table:
    """Return what the two runs are."""

    def facts(run: Run) -> dict[str, str]:
        results, study = run.results, run.results["study"]
        return {
            "Title": study["title"],
            "Estimates": f"{results['label']}, from {SOURCES[study['source']]}",
            "Economy": f"{results['economy']['name']} ({results['economy']['label']})",
            "Likelihood": study["likelihood"],
            "Exponent of the mapping": study["exponent"],
            "Exponent of the second mapping": study.get("second_exponent") or "none",
            "Subsidy rate": study["subsidy"],
            "On page one": VERSIONS[study["main"]],
            "Draws through the model": count(study["draws"]),
            "Seed": str(study["seed"]),
            "Diagnostics that failed": count(len(results["failures"])),
            "Warnings": count(len(results.get("warnings", []))),
            "bigpush-est": results["versions"].get("bigpush-est", NONE),
            "Fingerprint": study["fingerprint"],
        }

    first, second = facts(a), facts(b)
    rows: list[Row] = [{"item": item, "a": first[item], "b": second[item]} for item in first]
    return Table("runs", "The two runs", (Column("item", ""), Column("a", a.heading), Column("b", b.heading)), rows)


def differing(one: dict[str, Any], two: dict[str, Any]) -> tuple[list[Row], int]:
    """Return the settings in which two studies differ, and in how many they agree.

    Examples
    --------
    >>> differing({"seed": 1, "sampler": {"draws": 5}}, {"seed": 2, "sampler": {"draws": 5}})
    ([{'key': 'seed', 'a': '1', 'b': '2'}], 1)
    """

    def printed(study: dict[str, Any]) -> dict[str, str]:
        table = settings(study)
        return {row["key"]: table.columns[1].text(row) for row in table.rows}

    first, second = printed(one), printed(two)
    keys = _union(first, second)
    rows: list[Row] = [
        {"key": key, "a": first.get(key), "b": second.get(key)} for key in keys if first.get(key) != second.get(key)
    ]
    return rows, len(keys) - len(rows)


def studies(a: Run, b: Run) -> Table:
    """Return the settings in which the two studies differ."""
    rows, alike = differing(a.study, b.study)

    def cell(letter: str) -> Callable[[Row], str]:
        return lambda row: "left out" if row[letter] is None else row[letter]

    return Table(
        "studies",
        "Settings that differ",
        (Column("key", "Key"), Column("a", a.heading, cell("a")), Column("b", b.heading, cell("b"))),
        rows,
        f"{alike} others are the same. A key that is left out has its default.",
    )


def estimates(a: Run, b: Run) -> Table:
    """Return the estimates that the two posteriors take."""
    found = [{one["name"]: one for one in run.results["evidence"]["estimates"]} for run in (a, b)]
    rows: list[Row] = [
        {
            "name": name,
            **_pair(
                *(
                    None
                    if name not in part
                    else {key: part[name][key] for key in ("value", "standard_error", "kind", "label", "provenance")}
                    for part in found
                )
            ),
        }
        for name in _union(*found)
    ]
    return Table(
        "estimates",
        "The estimates",
        (
            Column("name", "Estimate"),
            *_columns(a, b, lambda part: f"{figure(part['value'])} (s.e. {figure(part['standard_error'])})"),
        ),
        rows,
    )


def posteriors(a: Run, b: Run) -> Table:
    """Return both posteriors."""
    seconds = [second_part(run.results) or {} for run in (a, b)]
    rows: list[Row] = []
    for heading, parts in (
        ("First mapping", [run.results for run in (a, b)]),
        ("Second mapping", seconds),
    ):
        found = [part["posterior"]["parameters"] if part else {} for part in parts]
        rows += [
            {"mapping": heading, "parameter": parameter(name), **_pair(*(part.get(name) for part in found))}
            for name in _union(*found)
        ]
    return Table(
        "posterior",
        "The posteriors: medians and 90% intervals",
        (Column("parameter", ""), *_columns(a, b, _middle)),
        rows,
        "Where the calibration finds s̄, the row of s̄ is its prior.",
        group="mapping" if any(seconds) else "",
    )


def calibrations(a: Run, b: Run) -> Table:
    """Return the internally calibrated parameters of both runs."""
    rows: list[Row] = []
    for version, one, two in _answers(a, b):
        for name, (symbol, meaning, _, _) in INTERNAL.items():
            parts = [None if answer is None else answer["parameters"].get(name) for answer in (one, two)]
            rows.append({"version": VERSIONS[version], "parameter": f"{symbol}: {meaning}", **_pair(*parts)})

    return Table(
        "table2_parameters",
        "Table 2: the internally calibrated parameters, medians and 90% intervals",
        (Column("parameter", ""), *_columns(a, b, _middle)),
        rows,
        group="version",
    )


def _middle(part: dict[str, Any]) -> str:
    """Return a median with its 90% interval, or that it is held."""
    if part["median"] is None:
        return NONE
    return f"{median(part)} ({within(part, 90)})"
