"""Every table of a pipeline run, taken from its results."""

from typing import Any

from bigpush_est.report.numbers import NONE, count, figure, fixed
from bigpush_est.report.pipeline.answer_tables import answer_tables, differences, summary
from bigpush_est.report.pipeline.evidence_tables import evidence_tables, mappings, posterior
from bigpush_est.report.pipeline.labels import SOURCES, VERSIONS, Results, answers, data_label, parameter
from bigpush_est.report.pipeline.sensitivity_tables import sensitivity_tables
from bigpush_est.report.quantitative.contents import inputs as sources_table
from bigpush_est.report.quantitative.contents import settings
from bigpush_est.report.tables import Column, Row, Table


def all_tables(results: Results, arrays: dict[str, Any], study: dict[str, Any]) -> dict[str, Table]:
    """Return every table of the report by name; one without rows is left out.

    Parameters
    ----------
    results, arrays, study
        The content of ``results.json``, ``figures.npz`` and ``study.json``.
    """
    tables = [
        *answer_tables(results, arrays),
        *evidence_tables(results),
        *sensitivity_tables(results),
        diagnostics(results),
        solver(results),
        inputs(results),
        settings({key: value for key, value in study.items() if key != "variants"}),
        provenance(results),
        timing(results),
    ]
    return {table.name: table for table in tables if table.rows}


def printed_tables(results: Results) -> list[Table]:
    """Return the tables that a terminal prints after a run."""
    chosen = [summary(results), differences(results), posterior(results), solver(results)]
    return [table for table in chosen if table.rows]


def diagnostics(results: Results) -> Table:
    """Return what the sampler reports of itself."""
    rows: list[Row] = []
    notes = []
    for heading, posterior_of in mappings(results):
        part = posterior_of["diagnostics"]
        rows += [{"mapping": heading, "parameter": parameter(name), **row} for name, row in part["table"].items()]
        kept, through = posterior_of["parameters"]["delta"]["draws"], results["study"]["draws"]
        note = f"{heading}: divergent" if heading else "Divergent"
        note += f" transitions: {count(part['divergences'])}. Of {count(kept)} draws in {results['study']['chains']} "
        note += f"chains, {count(through)} went through the quantitative model."
        if part["weights_ess"] is not None:
            note += f" Draws are weighted; the weights are worth {count(part['weights_ess'])} draws."
        notes.append(note)
    return Table(
        "diagnostics",
        "The sampler’s diagnostics",
        (
            Column("parameter", ""),
            Column("rhat", "R-hat", lambda r: fixed(r["rhat"], 3), number=True),
            Column("ess_bulk", "Bulk ESS", lambda r: count(r["ess_bulk"]), number=True),
            Column("ess_tail", "Tail ESS", lambda r: count(r["ess_tail"]), number=True),
            Column("mcse_mean", "MCSE of the mean", lambda r: figure(r["mcse_mean"], 2), number=True),
            Column("mcse_sd", "MCSE of the s.d.", lambda r: figure(r["mcse_sd"], 2), number=True),
        ),
        rows,
        " ".join(notes),
        group="mapping" if len(notes) > 1 else "",
    )


def solver(results: Results) -> Table:
    """Return how the quantitative model's solver fared."""
    rows: list[Row] = []
    for version, answer in answers(results):
        part = answer["solver"]
        rows.append(
            {
                "version": VERSIONS[version],
                **{key: part[key] for key in ("draws", "unconverged", "largest_residual")},
                **{
                    side: ", ".join(f"{name}: {count(number)}" for name, number in part["fates"][side].items())
                    for side in ("push", "none")
                },
            }
        )
    return Table(
        "solver",
        "How the draws fared in the quantitative model",
        (
            Column("version", ""),
            Column("draws", "Draws", lambda r: count(r["draws"]), number=True),
            Column("unconverged", "Unconverged", lambda r: count(r["unconverged"]), number=True),
            Column("largest_residual", "Largest residual", lambda r: figure(r["largest_residual"], 2), number=True),
            Column("push", "With the push ended in"),
            Column("none", "Without ended in"),
        ),
        rows,
        "Largest residual: of the equilibrium conditions, over draws that converged. A draw is unconverged if its "
        "calibration, or one of its two paths, did not settle.",
    )


def inputs(results: Results) -> Table:
    """Return every input with its source; what the paper does not print of it is said beside the place."""
    sources = [
        {**one, "place": f"{one['place']} (not printed: {one['missing']})" if one.get("missing") else one["place"]}
        for one in results["sources"]
    ]
    return sources_table({**results, "sources": sources})


def provenance(results: Results) -> Table:
    """Return what a second run needs to give the same numbers."""
    study = results["study"]
    rows: list[Row] = [
        {"item": label, "value": "none" if study.get(key) is None else str(study[key])}
        for key, label in (
            ("name", "Study"),
            ("seed", "Seed"),
            ("likelihood", "Likelihood"),
            ("exponent", "Exponent of the mapping"),
            ("second_exponent", "Exponent of the second mapping"),
            ("subsidy", "Subsidy rate"),
            ("discount", "Discount factor of a period"),
            ("fingerprint", "Fingerprint"),
        )
    ]
    rows.insert(1, {"item": "Data", "value": f"{data_label(results)}; from {SOURCES[study['source']]}"})
    rows += [{"item": name, "value": number} for name, number in results["versions"].items()]
    rows += [
        {"item": f"Economy: {table.replace('_', ' ')}", "value": f"{origin['label']}: {origin['source']}"}
        for table, origin in results["economy"]["provenance"].items()
    ]
    return Table(
        "provenance", "Seed, fingerprint and versions", (Column("item", "Item"), Column("value", "Value")), rows
    )


def timing(results: Results) -> Table:
    """Return how long each stage took, where the run says so."""
    rows: list[Row] = [{"stage": stage, "seconds": took} for stage, took in (results.get("timing") or {}).items()]
    return Table(
        "timing",
        "How long each stage took",
        (
            Column("stage", "Stage"),
            Column("seconds", "Seconds", lambda r: NONE if r["seconds"] is None else count(r["seconds"]), number=True),
        ),
        rows,
        "On the machine of this run, with whatever else it did.",
    )
