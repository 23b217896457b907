"""Every table of a quantitative run, taken from its results; differences are the only computation."""

from dataclasses import replace
from typing import Any

from bigpush_est.report.numbers import signed
from bigpush_est.report.quantitative import calibration_tables as calibration
from bigpush_est.report.quantitative import optional_tables as optional
from bigpush_est.report.quantitative import outcome_tables as outcome
from bigpush_est.report.quantitative.labels import (
    Results,
    data_label,
    known,
    plain,
)
from bigpush_est.report.tables import Column, Row, Table


def all_tables(results: Results, study: dict[str, Any] | None = None) -> dict[str, Table]:
    """Return every table of the report by name; one without rows is left out.

    Parameters
    ----------
    results
        The content of ``results.json``.
    study
        The study's own keys, for the table of settings.
    """
    tables = [
        outcome.summary(results),
        calibration.parameters(results),
        calibration.external(results),
        calibration.moments(results),
        calibration.searches(results),
        calibration.elasticities(results),
        calibration.fundamentals(results),
        outcome.table3_a(results),
        outcome.table3_b(results),
        outcome.table3_c(results),
        outcome.paths(results),
        outcome.regions(results),
        *optional.tables(results),
        outcome.untargeted(results),
        outcome.scorecard(results),
        inputs(results),
        settings(study or {}),
        provenance(results),
    ]
    label = results["economy"]["label"]
    return {table.name: labelled(table, label) for table in tables if table.rows}


def labelled(table: Table, label: str) -> Table:
    """Return a table whose rows say which kind of economy they are of: files travel without their page."""
    return replace(table, rows=[{**row, "economy": label} for row in table.rows])


def printed_tables(results: Results) -> list[Table]:
    """Return the tables that a terminal prints after a run: the answer, the fit, Table 3, how the paths ended."""
    tables = [
        outcome.summary(results),
        calibration.moments(results),
        calibration.parameters(results),
        outcome.table3_b(results),
        outcome.table3_c(results),
        outcome.paths(results),
        *optional.printed(results),
    ]
    return [table for table in tables if table.rows]


# -- inputs ----------------------------------------------------------------------------------------------------------


def inputs(results: Results) -> Table:
    """Return every input with its source; the economy's tables carry their own labels."""
    rows = []
    for source in results["sources"]:
        table = str(source["name"]).endswith(".csv")
        label = str(source["value"]) if table else str(source["label"])
        rows.append({**source, "kind": label, "block": "Tables of the economy" if table else "Parameters"})

    def value(row: Row) -> str:
        if row["block"] != "Parameters":
            return "table"
        text = str(row["value"])
        # a number's minus sign, not a hyphen within a word
        text = signed(text[:1]) + text[1:]
        return f"{text} ({row['unit']})" if row["unit"] else text

    return Table(
        "inputs",
        "Every input, with its source",
        (
            Column("name", "Input"),
            Column("value", "Value", value),
            Column("kind", "Kind"),
            Column("place", "Where from"),
        ),
        rows,
        note="Published: printed in the paper. Derived: computed from what it prints. Real: measured, not from the "
        "paper. Synthetic: drawn so that published aggregates hold; a table of which any column is synthetic is "
        "synthetic. Assumed: chosen by whoever wrote the study.",
        group="block",
    )


def settings(study: dict[str, Any]) -> Table:
    """Return the study's own keys, variants apart."""
    rows: list[Row] = []

    def add(value: Any, path: str) -> None:
        if isinstance(value, dict):
            for key, item in value.items():
                add(item, f"{path}.{key}" if path else str(key))
        elif path != "variants":
            rows.append({"key": path, "value": value if not isinstance(value, list) else ", ".join(map(str, value))})

    add({key: value for key, value in study.items() if key not in ("title", "name")}, "")
    return Table(
        "settings",
        "The study’s settings",
        (Column("key", "Key"), Column("value", "Value", lambda row: _setting(row["value"]))),
        rows,
        note="Keys that the study leaves out have their defaults.",
    )


def _setting(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return signed(f"{value:g}" if isinstance(value, float) else str(value)) if known(value) else str(value)


def provenance(results: Results) -> Table:
    """Return what a second run needs to give the same numbers."""
    study = results["study"]
    rows = [{"item": "Study", "value": study["name"]}]
    rows += [
        {"item": plain(key).capitalize(), "value": str(study[key])} for key in ("seed", "fingerprint") if key in study
    ]
    rows += [{"item": name, "value": str(number)} for name, number in (results.get("versions") or {}).items()]
    rows.append({"item": "Economy", "value": f"{results['economy']['name']}. {data_label(results)}."})
    return Table(
        "provenance", "Seed, fingerprint and versions", (Column("item", "Item"), Column("value", "Value")), rows
    )
