"""Each published figure of Sections 5 and 6, ours, the difference, and in words why they differ."""

from typing import Any

import numpy as np

from bigpush_est.quantitative.study import QuantitativeStudy

type Row = dict[str, Any]


def scorecard(study: QuantitativeStudy, results: dict[str, Any]) -> list[Row]:
    """Each published figure, ours, the difference, and why they differ."""
    effect, paper = results["table3"]["baseline"], results["table3"]["paper"]
    rows: list[Row] = []

    def add(block: str, figure: str, unit: str, published: float | None, ours: float | None, why: str) -> None:
        gap = None if published is None or ours is None else ours - published
        rows.append(
            {"block": block, "figure": figure, "unit": unit, "paper": published, "ours": ours, "gap": gap, "why": why}
        )

    column = "model" if study.spec.calibration.target == "model" else "data"
    targeted = f"target of the calibration, {column} column; six parameters for seven moments"
    for moment in results["calibration"]["moments"]:
        published = moment[f"paper_{column}"]
        why = (
            targeted if published == moment["target"] else f"{targeted}; this economy's target is {moment['target']:g}"
        )
        add("Table 2, moments", moment["name"], "share", published, moment["exact"], why)
    units = "in units that are not comparable: φ^min is normalised by us (z enters τ̄ z^ξ), regions are synthetic"
    for parameter in results["calibration"]["parameters"]:
        comparable = parameter["name"] in ("subsidy_rate", "kappa")
        why = "synthetic regions" if comparable else units
        add("Table 2, parameters", parameter["name"], "", parameter["paper"], parameter["value"], why)
    synthetic = "synthetic regions: which places industrialise, and how many, is drawn"
    for key, label in _PANEL_A:
        unit = "relative change" if label == "welfare" else "difference"
        add("Table 3 A", label, unit, paper[f"A {label} aggregate"], effect[key], synthetic)
        for end, value in zip(("low", "high"), effect[key.replace("_log", "") + "_local"], strict=True):
            add("Table 3 A", f"{label}, local {end}", unit, paper[f"A {label} local_{end}"], value, synthetic)
    for j, sector in enumerate(study.bundle.sectors):
        published = paper.get(f"B output_{sector} aggregate")
        why = "synthetic input-output shares and regions"
        add("Table 3 B", f"output, {sector}", "relative change", published, effect["output"][j], why)
    total, why = paper["B output_total aggregate"], "weighted with gross output of the first year"
    add("Table 3 B", "output, total", "relative change", total, effect["output_total"], why)
    for row in results["table3"]["scenarios"]:
        add("Table 3 C", row["name"], "difference", row["paper"], row["gdp_share"], synthetic)
    for figure, unit, published_id, ours, why in _text(study, results, synthetic):
        add("Text", figure, unit, study.tables.value(published_id), ours, why)
    return rows


_PANEL_A = (
    ("gdp_share", "heavy_gdp_share"),
    ("export_intensity", "heavy_export_intensity"),
    ("employment_share", "heavy_employment_share"),
    ("welfare_log", "welfare"),
)


def _text(
    study: QuantitativeStudy, results: dict[str, Any], synthetic: str
) -> list[tuple[str, str, str, float | None, str]]:
    """Figures of Sections 5.2 and 6 that no table holds: name, unit, published id, ours, why."""
    heavy = study.bundle.sectors[study.problem().adopting_sector]
    years = [row for row in results["fundamentals"] if row["sector"] == heavy]
    first, now = years[0], years[-1]
    ended = next(row for row in results["paths"] if row["scenario"] == "baseline" and row["push"])
    demand = now["foreign_to_domestic_demand"] / first["foreign_to_domestic_demand"] - 1.0
    spent = float(np.mean([row["subsidy_to_gdp"] for row in years[1:]]))
    held = "held by the synthetic preferences"
    return [
        (
            "years to the steady state after 1980",
            "years",
            "years_to_steady_state",
            float(ended["years_after_last"]),
            "until the heavy GDP share stays within 0.1 points of its last value; the paper's criterion is not stated",
        ),
        (
            "regions with a higher heavy GDP share",
            "regions",
            "regions_with_higher_gdp_share",
            float(results["table3"]["baseline"]["regions_that_gain"]),
            synthetic,
        ),
        (
            "adoption cost over export cost",
            "ratio",
            "adoption_cost_over_export_cost",
            now["adoption_to_export_cost"],
            "mean over regions of c^T F^T/(w F^x), last calibrated year; the paper's average is not stated",
        ),
        ("subsidies over GDP", "share", "subsidy_spending", spent, "mean of the policy's calibrated years"),
        (
            "growth of foreign relative to domestic demand",
            "relative change",
            "foreign_demand_growth",
            demand,
            "held by the synthetic export intensities; D^x over the home market Σ_m P^{σ−1} E",
        ),
        ("heavy GDP share, first year", "share", "heavy_gdp_share_before_policy", first["gdp_share"], held),
        ("heavy GDP share, last calibrated year", "share", "heavy_gdp_share_after_policy", now["gdp_share"], held),
    ]
