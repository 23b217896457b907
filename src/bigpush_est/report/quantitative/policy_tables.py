"""Tables of other policies: side by side, by uniform rate, by region, what predicts them, and where people move."""

from typing import Any

from bigpush_est.report.numbers import NONE, count, fixed
from bigpush_est.report.quantitative.labels import Results, known, listed, percentage, points_of
from bigpush_est.report.quantitative.sections import (
    STEADY,
    columns_of,
    fact_columns,
    facts,
    number_column,
    part,
    region_names,
    rows_of,
    text_column,
    words,
)
from bigpush_est.report.tables import Column, Row, Table

#: Bills that differ by less than this part are the same.
_SAME_BILL = 1e-6
#: |t| from which a predictor is named.
_SIGNIFICANT = 1.96


def tables(results: Results) -> list[Table]:
    """Return the tables of the section on policies; those without rows are empty."""
    return [
        compared(results),
        uniform_rates(results),
        regional_rates(results),
        allocations(results),
        mobility(results),
    ]


def compared(results: Results) -> Table:
    """Return no policy, the push, a subsidy to all firms, the best uniform rate and the best rates by region."""
    section = part(results, "policies", "general")
    found = rows_of(section.get("policies")) or (rows_of(section) if "policies" in section else [])
    rows = [_policy(words(row.get("policies") or NONE), row) for row in found]
    best = part(results, "policies", "uniform").get("best")
    if isinstance(best, dict):
        rows.append(_policy("best uniform rate tried", best))
    regional = part(results, "policies", "regional")
    if regional:
        rows.append(_policy("best rates by region found", regional, welfare_log=regional.get("welfare")))
    note = "Bill: subsidies over GDP, mean of the policy years. Welfare: consumption-equivalent gain over no policy."
    if known(section.get("relative_effect")):
        note += (
            f" Subsidies to all firms at the push’s bill have {percentage(section['relative_effect'], 0)} of its "
            "effect on "
            "the heavy GDP share; the paper says that they have weaker effects."
        )
    columns = [
        text_column("policy", "Policy"),
        number_column("rate", "Rate", lambda row: percentage(row.get("rate"))),
        number_column("gdp_share", "Heavy GDP share", lambda row: percentage(row.get("gdp_share"), 2)),
        number_column("export_intensity", "Export intensity", lambda row: percentage(row.get("export_intensity"), 2)),
        number_column("welfare_log", "Welfare, log"),
        number_column("welfare_linear", "Welfare, linear"),
        number_column("bill", "Bill"),
        text_column("fate", "Ended in"),
    ]
    return Table("policies", "Other policies beside the push", columns_of(rows, columns), rows, note)


def _policy(name: str, found: Row, **more: Any) -> Row:
    keys = ("rate", "gdp_share", "export_intensity", "welfare_log", "welfare_linear", "bill", "fate")
    row = {key: found.get(key) for key in keys} | {key: value for key, value in more.items() if value is not None}
    if row["gdp_share"] is None:
        row["gdp_share"] = found.get("heavy_gdp_share")
    return {"policy": name, **row}


def uniform_rates(results: Results) -> Table:
    """Return what each uniform rate leads to."""
    section = part(results, "policies", "uniform")
    rows = [
        {("rate" if key == "rates" else "fate" if key == "fates" else key): value for key, value in row.items()}
        for row in rows_of(section)
    ]
    best = best_rate(results)
    columns = [
        number_column("rate", "Rate", lambda row: percentage(row.get("rate"))),
        number_column("heavy_gdp_share", "Heavy GDP share"),
        number_column("welfare_log", "Welfare, log"),
        number_column("welfare_linear", "Welfare, linear"),
        number_column("bill", "Bill"),
        text_column("fate", "Ended in"),
    ]
    note = "Welfare: consumption-equivalent gain over no policy, mean over people."
    if best is not None:
        note += f" Bold: the best of the rates tried, {percentage(best)}."
    chosen = tuple(k for k, row in enumerate(rows) if best is not None and row.get("rate") == best)
    caption = "A uniform subsidy to adopters in the subsidised regions, by its rate"
    return Table("uniform_rates", caption, columns_of(rows, columns), rows, note, emphasised=chosen)


def best_rate(results: Results) -> float | None:
    """Return the best of the uniform rates that were tried; None if the results do not say."""
    best = part(results, "policies", "uniform").get("best")
    best = best.get("rate") if isinstance(best, dict) else best
    return float(best) if known(best) else None


def unsettled(results: Results) -> int:
    """Return how many uniform rates lead to no steady state."""
    return sum(row.get("fates") not in (None, STEADY) for row in rows_of(part(results, "policies", "uniform")))


def at_the_edge(results: Results) -> bool:
    """Whether the best uniform rate is the highest that was tried."""
    best = part(results, "policies", "uniform").get("best")
    return isinstance(best, dict) and best.get("at_the_edge") is True


def regional_rates(results: Results) -> Table:
    """Return the best rate of each region that was found."""
    section = part(results, "policies", "regional")
    rows = [dict(row) for row in rows_of(section.get("rates")) if known(row.get("rate"))]
    for row in rows:
        row["name"] = region_names(results, [row.get("region")])[0] if row.get("region") is not None else None
    rows.sort(key=lambda row: (-row["rate"], str(row.get("name"))))
    note = "Mean over the policy years. A search from region to region: others may do better."
    push = section.get("push")
    bills = section.get("bill"), push.get("bill") if isinstance(push, dict) else None
    if all(known(bill) for bill in bills) and abs(bills[0] - bills[1]) <= _SAME_BILL * abs(bills[1]):  # type: ignore[operator,arg-type]
        note += " These rates cost what the push costs."
    if section.get("settled") is False:
        note += " The search was cut off before it came to rest."
    if known(section.get("welfare")):
        note += f" Welfare with these rates: {percentage(section['welfare'], 2)} over no policy."
    columns = [text_column("name", "Region"), number_column("rate", "Rate", lambda row: percentage(row.get("rate")))]
    return Table("regional_rates", "Rates by region that raise welfare most", columns_of(rows, columns), rows, note)


def allocations(results: Results) -> Table:
    """Return what predicts the effect of randomly allocated subsidies."""
    section = part(results, "policies", "allocations")
    rows = [
        {"regression": title, **row}
        for key, title in (
            ("regressions", "Effect on the heavy GDP share: one predictor at a time"),
            ("joint", "Effect on the heavy GDP share: all predictors together"),
            ("welfare_regressions", "Welfare: one predictor at a time"),
            ("welfare_joint", "Welfare: all predictors together"),
        )
        for row in rows_of(section.get(key))
    ]
    columns = [
        Column("predictor", "Predictor", lambda row: words(row.get("predictor") or NONE)),
        number_column("slope", "Slope, p.p. per SD", points_of("slope")),
        number_column("standard_error", "Standard error", points_of("standard_error")),
        number_column("t", "t", lambda row: fixed(row.get("t"), 1)),
        number_column("r2", "R²", lambda row: fixed(row.get("r2"), 2)),
        number_column("r2_lost_without", "R² lost without", lambda row: fixed(row.get("r2_lost_without"), 2)),
    ]
    return Table(
        "allocations",
        "What predicts a stronger push: random choices of the subsidised regions",
        columns_of(rows, columns),
        rows,
        note=_allocations_note(section),
        group="regression",
    )


def _allocations_note(section: dict[str, Any]) -> str:
    parts = []
    if known(section.get("n")):
        parts.append(f"{count(section['n'])} random sets of regions with the push’s rates.")
    if known(section.get("unusable")) and section["unusable"]:
        parts.append(f"{count(section['unusable'])} more led to no steady state.")
    if known(section.get("push_beats")):
        parts.append(
            f"The push’s own regions have a higher heavy GDP share than {percentage(section['push_beats'], 0)} of them."
        )
    parts.append("Predictors are means over the set; standard errors are robust to heteroskedasticity.")
    left_out = section.get("left_out")
    if isinstance(left_out, list) and left_out:
        parts.append(f"Left out, as the same in every set: {listed([words(name).lower() for name in left_out])}.")
    joint = [row for row in rows_of(section.get("joint")) if known(row.get("t")) and row.get("predictor")]
    if joint:
        strong = [words(row["predictor"]).lower() for row in joint if abs(row["t"]) > _SIGNIFICANT]
        parts.append(f"Together, |t| exceeds {_SIGNIFICANT:g} for {listed(strong) if strong else 'none'}; the paper:")
    else:
        parts.append("The paper:")
    return " ".join(parts) + " only market access predicts stronger effects."


def mobility(results: Results) -> Table:
    """Return what the push does where people move."""
    caption = "The push where households move between regions"
    return Table("mobility", caption, fact_columns(), facts(part(results, "policies", "mobility")))
