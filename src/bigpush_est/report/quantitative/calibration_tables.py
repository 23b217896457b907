"""Tables of the calibration: parameters, moments, searches, elasticities, and the calibrated years."""

from dataclasses import replace
from typing import Any

from bigpush_est.data.published import load_published
from bigpush_est.report.numbers import figure as digits
from bigpush_est.report.numbers import fixed
from bigpush_est.report.quantitative.labels import (
    EXTERNAL,
    PARAMETERS,
    Results,
    identifying,
    known,
    moment,
    percent_of,
    percentage,
    sector,
    spelt,
    trimmed,
)
from bigpush_est.report.tables import Column, Row, Table


def parameters(results: Results) -> Table:
    """Return Table 2's internal block: ours beside the paper's values."""
    names = [row["name"] for row in results["calibration"]["moments"]]
    rows = []
    for row in results["calibration"]["parameters"]:
        symbol, meaning, _, comparable = PARAMETERS.get(row["name"], (row["name"], "", (), False))
        named = "; ".join(moment(names[k]) for k in identifying(row["name"], names))
        rows.append({**row, "symbol": symbol, "meaning": meaning, "moment": named, "comparable": comparable})

    def ours(row: Row) -> str:
        return digits(row["value"]) + (" (fixed)" if row["fixed"] else "")

    return Table(
        "parameters",
        "Calibrated parameters (the paper’s Table 2, internal block)",
        (
            Column("symbol", "Symbol"),
            Column("meaning", "Parameter"),
            Column("moment", "Moment that the paper names"),
            Column("value", "Ours", ours, number=True),
            Column("paper", "Paper", lambda row: trimmed(row["paper"]), number=True),
            Column("comparable", "Same unit", lambda row: "yes" if row["comparable"] else "no"),
        ),
        rows,
        note="Only ratios can be compared with the paper’s: s̄ and κ. Productivity z enters the share of revenue kept, "
        "τ̄ z^ξ with ξ ≠ 0, so the level of τ̄ depends on how productivity is normalised; Fᵀ is paid in bundles of "
        "inputs whose constants are dropped, and Fˣ in labour whose total is normalised. The paper prints none of "
        "these normalisations. The moments have no such units: they are what is to be compared.",
    )


def external(results: Results) -> Table:
    """Return Table 2's external block for the parameters that are single numbers."""
    published, rows = load_published(), []
    for name, (symbol, meaning) in EXTERNAL.items():
        if name in results["external"]:
            # Table 2 prints ξ without its sign; the text has it
            paper = published.value("xi_heavy" if name == "xi" else name)
            rows.append(
                {
                    "parameter": name,
                    "symbol": symbol,
                    "meaning": meaning,
                    "value": results["external"][name],
                    "paper": paper,
                }
            )
    return Table(
        "external",
        "Parameters taken from outside (the paper’s Table 2, external block)",
        (
            Column("symbol", "Symbol"),
            Column("meaning", "Parameter"),
            Column("value", "Ours", lambda row: digits(row["value"], 3), number=True),
            Column("paper", "Paper", lambda row: trimmed(row["paper"]), number=True),
        ),
        rows,
        note="Preferences, input-output shares, tariffs and firm masses are tables of the economy: see the inputs. The "
        "sign of ξ is the text’s; Table 2 prints 0.30.",
    )


def moments(results: Results) -> Table:
    """Return the seven moments: ours, the target, and the paper's model and data."""
    found = results["calibration"]
    rows = [
        {
            **row,
            "deviation": _deviation(row["model"], row["target"]),
            "paper_deviation": _deviation(row["paper_model"], row["paper_data"]),
        }
        for row in found["moments"]
    ]
    smooth = next((row for row in rows if known(row["exact"]) and row["model"] != row["exact"]), None)
    counted = (
        f" The criterion smooths {moment(smooth['name']).lower()}, a step function: {percentage(smooth['model'])} "
        f"there, {percentage(smooth['exact'])} when counted (shown)."
        if smooth
        else ""
    )
    return Table(
        "moments",
        "Targeted moments (the paper’s Table 2, right-hand side)",
        (
            Column("name", "Moment", lambda row: moment(row["name"])),
            Column("exact", "Ours", percent_of("exact"), number=True),
            Column("target", "Target", percent_of("target"), number=True),
            Column("deviation", "Off target by", percent_of("deviation"), number=True),
            Column("paper_model", "Paper’s model", percent_of("paper_model", 0), number=True),
            Column("paper_data", "Paper’s data", percent_of("paper_data", 0), number=True),
            Column("paper_deviation", "Paper off by", percent_of("paper_deviation"), number=True),
        ),
        rows,
        note=f"{spelt(len(found['parameters'])).capitalize()} parameters, {spelt(len(rows))} moments. Criterion, eq. "
        f"(5.1), of deviations relative to the target: {fixed(found['criterion'], 3)} ours, "
        f"{fixed(found['paper_criterion'], 3)} at the rounded fit that the paper prints; its own minimum is not "
        f"printed. Target: the {results['study']['target']} column.{counted}",
    )


def _deviation(model: Any, target: Any) -> float | None:
    return model / target - 1.0 if known(model) and known(target) and target else None


def searches(results: Results) -> Table:
    """Return what each search of the calibration found."""
    names = [row["name"] for row in results["calibration"]["parameters"]]
    rows: list[Row] = []
    for number, row in enumerate(results["calibration"]["searches"], start=1):
        values = dict(zip(names, row["parameters"], strict=False))
        rows.append({"start": number, "criterion": row["criterion"], "converged": row["converged"], **values})
    best = results["calibration"]["criterion"]

    def ended(row: Row) -> str:
        if row["criterion"] is None:
            return "could not be inverted"
        return "converged" if row["converged"] else "did not converge"

    return Table(
        "searches",
        "Searches from several starts",
        (
            Column("start", "Start", number=True),
            Column("converged", "Search", ended),
            Column("criterion", "Criterion", lambda row: fixed(row["criterion"], 6), number=True),
            *(_parameter_column(name) for name in names),
        ),
        rows,
        note="Start 1 is the study’s own; the others are drawn around it. Bold: the one that is used.",
        emphasised=tuple(k for k, row in enumerate(rows) if row["criterion"] == best),
    )


def _parameter_column(name: str) -> Column:
    return Column(name, PARAMETERS.get(name, (name,))[0], lambda row: digits(row.get(name), 4), number=True)


def elasticities(results: Results) -> Table:
    """Return the elasticity of each moment to each parameter at the estimate."""
    found = results["calibration"]
    names = [row["name"] for row in found["parameters"]]
    rows = [
        {"moment": row["name"], **dict(zip(names, values, strict=False))}
        for row, values in zip(found["moments"], found["jacobian"], strict=False)
    ]
    return Table(
        "elasticities",
        "Elasticities of the moments to the parameters at the estimate",
        (
            Column("moment", "Moment", lambda row: moment(row["moment"])),
            *(replace(_parameter_column(n), show=lambda row, n=n: fixed(row.get(n), 2)) for n in names),  # type: ignore[misc]
        ),
        rows,
    )


def fundamentals(results: Results) -> Table:
    """Return the calibrated years by sector: what the inversion imposes and what follows from it."""
    rows = [dict(row) for row in results["fundamentals"]]
    residual = max((row["inversion_residual"] for row in rows if known(row["inversion_residual"])), default=None)
    balance = max((abs(row["trade_imbalance"]) for row in rows if known(row["trade_imbalance"])), default=None)
    return Table(
        "fundamentals",
        "The calibrated years by sector",
        (
            Column("sector", "Sector", lambda row: sector(row["sector"])),
            Column("gdp_share", "GDP share", percent_of("gdp_share"), number=True),
            Column("employment_share", "Employment", percent_of("employment_share"), number=True),
            Column("export_intensity", "Export intensity", percent_of("export_intensity"), number=True),
            Column("import_share", "Import share", percent_of("import_share"), number=True),
            Column(
                "foreign_to_domestic_demand",
                "Foreign demand",
                lambda row: digits(row["foreign_to_domestic_demand"]),
                number=True,
            ),
            Column("adoption_to_export_cost", "Fᵀ/Fˣ", lambda row: digits(row["adoption_to_export_cost"]), number=True),
            Column("subsidy_to_gdp", "Subsidies/GDP", percent_of("subsidy_to_gdp", 2), number=True),
        ),
        rows,
        note="Export intensities and import shares are imposed, one of them by balanced trade alone; GDP and "
        "employment shares follow. Foreign demand: over domestic demand. Fᵀ/Fˣ: adoption over export cost, mean "
        f"over regions. Largest residual of the inversion {digits(residual, 2)}, largest trade imbalance, which no "
        f"equation imposes, {digits(balance, 2)}.",
        group="year",
    )
