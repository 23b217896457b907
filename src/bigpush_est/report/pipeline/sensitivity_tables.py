"""Tables of what moves the answer: estimates, parameters, priors, held parameters, other assumptions."""

from collections.abc import Callable

from bigpush_est.report.numbers import NONE, fixed, interval, median, percent
from bigpush_est.report.pipeline.breakdown_tables import breakdown, crossings
from bigpush_est.report.pipeline.labels import (
    EVENTS,
    SECOND,
    SHORT,
    Results,
    chance,
    inner,
    main_sensitivity,
    parameter,
    points,
)
from bigpush_est.report.tables import Column, Row, Table

#: Answers whose sensitivity a run holds.
TARGETS = EVENTS | {"gdp_share": "Change of the GDP share", "welfare": "Welfare gain"}


def sensitivity_tables(results: Results) -> list[Table]:
    """Return this subject's tables, in order."""
    second = [moves(results, SECOND), knowing(results, SECOND)]
    return [moves(results), knowing(results), crossings(results), breakdown(results), variants(results), *second]


def _of_second(name: str, title: str, version: str | None) -> tuple[str, str]:
    return (name, title) if version is None else (f"{name}_second", f"{title}: the second mapping’s answer")


def moves(results: Results, version: str | None = None) -> Table:
    """Return what a standard error of each estimate, and a doubled weight of prior or likelihood, do to each answer."""
    rows: list[Row] = []
    for target, row in main_sensitivity(results, version).items():
        heading = {"answer": TARGETS[target]}
        for name, one in row["estimates"].items():
            broken = row.get("breakdown", {}).get(name, {})
            low, high = broken.get("reach") or (None, None)
            rows.append(
                {
                    **heading,
                    "what": f"estimate: {name}, one s.e. higher",
                    **one,
                    "breakdown": broken.get("shift"),
                    "reach_low": low,
                    "reach_high": high,
                }
            )
        rows += [
            {**heading, "what": f"prior of {parameter(name)}, doubled", **one} for name, one in row["prior"].items()
        ]
        rows.append({**heading, "what": "likelihood, doubled", **row["likelihood"]})
    return Table(
        *_of_second("moves", "What moves the answer, p.p. (welfare: %)", version),
        (
            Column("what", ""),
            Column("value", "Change", lambda r: points(r["value"]), number=True),
            Column("mcse", "± (MCSE)", lambda r: points(r["mcse"]), number=True),
            Column("breakdown", "s.e. to P = 1/2", lambda r: fixed(r.get("breakdown"), 1), number=True),
            Column("reach", "Reach, s.e.", lambda r: interval(r.get("reach_low"), r.get("reach_high"), 1), number=True),
        ),
        rows,
        "To first order. Doubled: the weight of a density, its power 2. s.e. to P = 1/2: by how many standard errors "
        "the estimate must move for the probability to cross one half; a dash where it does not within the reach of "
        "the draws, which is beside it: beyond it, the study has to be run with the other estimate.",
        group="answer",
    )


def knowing(results: Results, version: str | None = None) -> Table:
    """Return what each parameter explains, and what it would be worth to know it."""
    rows: list[Row] = []
    for target, row in main_sensitivity(results, version).items():
        for name, one in row["explained"].items():
            known = row.get("value_of_knowing", {}).get(name) or {}
            rows.append(
                {
                    "answer": TARGETS[target],
                    "parameter": parameter(name),
                    "explained": one["value"],
                    "explained_mcse": one["mcse"],
                    "knowing": known.get("value"),
                    "knowing_mcse": known.get("mcse"),
                }
            )
    return Table(
        *_of_second("knowing", "What each parameter explains of the answer’s uncertainty", version),
        (
            Column("parameter", ""),
            Column("explained", "Variance explained", lambda r: percent(r["explained"], 0), number=True),
            Column("explained_mcse", "± (MCSE)", lambda r: percent(r["explained_mcse"], 0), number=True),
            Column("knowing", "Value of knowing, p.p.", lambda r: points(r["knowing"]), number=True),
            Column("knowing_mcse", "± (MCSE)", lambda r: points(r["knowing_mcse"]), number=True),
        ),
        rows,
        "Variance explained: by the parameter alone. Value of knowing: by how much perfect information on the "
        "parameter raises the chance to be right of one who must call the claim true or false.",
        group="answer",
    )


def variants(results: Results) -> Table:
    """Return each variant's answer."""
    rows: list[Row] = []
    for one in results["variants"]:
        row: Row = {"group": one["group"], "label": one["label"], "failed": one.get("failed")}
        if not one.get("failed"):
            for name, chances in one["probabilities"].items():
                row |= {f"{name}_{key}": value for key, value in chances.items()}
            for name in ("eta", "delta"):
                row |= {f"{name}_{key}": value for key, value in one["posterior"][name].items()}
            row |= {f"gdp_share_{key}": value for key, value in one["differences"]["gdp_share"].items()}
            row |= {f"welfare_{key}": value for key, value in one["welfare"].items()}
            row |= {"draws": one["draws"], "unconverged": one["unconverged"]}
            row["failures"] = "; ".join(one["failures"])
        rows.append(row)

    def part(row: Row, prefix: str) -> Row:
        return {key[len(prefix) + 1 :]: value for key, value in row.items() if key.startswith(f"{prefix}_")}

    def of(prefix: str, show: Callable[[Row], str]) -> Callable[[Row], str]:
        return lambda r: NONE if r["failed"] else show(part(r, prefix))

    lost = [f"{row['label']} ({row['failed']})" for row in rows if row["failed"]]
    weak = [f"{row['label']} ({row['failures']})" for row in rows if row.get("failures")]
    note = "P and Δ as on page one, each variant with fewer draws."
    note += f" Failed, {len(lost)} of {len(rows)}: {'; '.join(lost)}." if lost else ""
    note += f" Diagnostics failed: {'; '.join(weak)}." if weak else ""
    return Table(
        "variants",
        "The answer under other assumptions, each from its estimates to its calibration anew",
        (
            Column("label", ""),
            Column("eta", "η", of("eta", lambda q: median(q, 2)), number=True),
            Column("delta", "δ", of("delta", lambda q: median(q, 2)), number=True),
            *(Column(name, SHORT[name], of(name, chance), number=True) for name in SHORT),
            Column("gdp", "Δ GDP share, p.p.", of("gdp_share", lambda q: points(q["median"])), number=True),
            Column("gdp90", "90%", of("gdp_share", lambda q: inner(q, 90)), number=True),
            Column(
                "count",
                "Draws",
                lambda r: "failed" if r["failed"] else f"{r['draws'] - r['unconverged']} of {r['draws']}",
                number=True,
            ),
        ),
        rows,
        note,
        group="group",
    )
