"""Tables of what a run may hold besides: steady states, variants, other synthetic economies; policies have their own.

Each of these sections of the results is optional, and so is every key in it: what is missing drops its column or its
table.
"""

from bigpush_est.report.numbers import NONE, count, fixed
from bigpush_est.report.numbers import figure as digits
from bigpush_est.report.quantitative import policy_tables as policies
from bigpush_est.report.quantitative.labels import INDUSTRIALISED, Results, hundred, known, listed, percentage
from bigpush_est.report.quantitative.sections import (
    STEADY,
    columns_of,
    level,
    number_column,
    part,
    region_names,
    rows_of,
    shown,
    text_column,
    words,
)
from bigpush_est.report.tables import Column, Row, Table


def tables(results: Results) -> list[Table]:
    """Return the tables of the optional sections; those without rows are empty."""
    return [
        steady_states(results),
        steady_state_starts(results),
        *policies.tables(results),
        variants(results),
        ensemble(results),
        ensemble_economies(results),
    ]


def printed(results: Results) -> list[Table]:
    """Return those that a terminal prints."""
    return [steady_states(results), policies.compared(results), variants(results), ensemble(results)]


# -- steady states ---------------------------------------------------------------------------------------------------


def steady_states(results: Results) -> Table:
    """Return the distinct steady states that were found."""
    section = part(results, "steady_states")
    rows = []
    for row in rows_of(section.get("states")):
        named = row.pop("regions", None)
        names = region_names(results, named) if isinstance(named, list) else None
        rows.append({**row, "regions": None if names is None else "; ".join(names)})
    tolerance = section.get("tolerance")
    close = (
        f" Two ends are the same if no adopter share differs by more than {digits(tolerance, 1)}." if tolerance else ""
    )
    separation = section.get("separation")
    if known(separation):
        close += f" The two nearest states are {digits(separation, 2)} apart in some region."
    return Table(
        "steady_states",
        "Distinct steady states that were found, with the frozen fundamentals of the last calibrated year",
        columns_of(
            rows,
            [
                text_column("state", "State"),
                number_column("starts", "Starts that end there"),
                number_column("heavy_gdp_share", "Heavy GDP share"),
                number_column("export_intensity", "Export intensity", lambda row: level(row, "export_intensity")),
                number_column("industrialised", "Industrialised"),
                Column("regions", "Which regions", lambda row: _names(row.get("regions"))),
            ],
        ),
        rows,
        note=f"Industrialised: more than {INDUSTRIALISED:.0%} of heavy firms adopt. The number of states is a lower "
        f"bound: the map from one period to the next need not be monotone, so other starts may find more.{close}",
    )


def _names(text: str | None) -> str:
    return listed(text.split("; "), 10) if text else "none" if text == "" else NONE


def steady_state_starts(results: Results) -> Table:
    """Return where each start ended."""
    rows = rows_of(part(results, "steady_states").get("starts"))
    columns = [
        text_column("start", "Start"),
        text_column("fate", "Ended in"),
        text_column("state", "State"),
        number_column("heavy_gdp_share", "Heavy GDP share"),
        number_column("industrialised", "Industrialised"),
    ]
    caption = "Starts of the search for steady states"
    return Table("steady_state_starts", caption, columns_of(rows, columns), rows)


# -- variants and other economies ------------------------------------------------------------------------------------


def variants(results: Results) -> Table:
    """Return the effect of the push under every variant, the study itself first."""
    found = rows_of(results.get("variants"))
    if not found:
        return Table("variants", "", (), [])
    calibration = results["calibration"]
    fates = {row["push"]: row["fate"] for row in results["paths"] if row["scenario"] == "baseline"}
    first = {
        "group": "This study",
        "label": results["study"]["name"],
        "failed": None,
        "converged": calibration["converged"],
        "criterion": calibration["criterion"],
        "parameters": [row["value"] for row in calibration["parameters"]],
        "fates": [fates.get(True), fates.get(False)],
        **results["table3"]["baseline"],
    }
    names = [row["name"] for row in calibration["parameters"]]
    rows = []
    for entry in [first, *found]:
        row = {key: value for key, value in entry.items() if not isinstance(value, list | dict)}
        row |= dict(zip(names, entry.get("parameters") or [], strict=False))
        rows.append({**row, "outcome": outcome(entry)})
    columns = [
        text_column("label", "Variant"),
        number_column("gdp_share_push", "With the push", lambda row: level(row, "gdp_share_push")),
        number_column("gdp_share_none", "Without", lambda row: level(row, "gdp_share_none")),
        number_column("gdp_share", "Effect, p.p.", lambda row: hundred(row.get("gdp_share"))),
        number_column("gdp_share_relative", "Relative", lambda row: percentage(row.get("gdp_share_relative"), 1)),
        number_column("industrialised_push", "Industrialised, with"),
        number_column("industrialised_none", "Without"),
        number_column("criterion", "Criterion", lambda row: fixed(row.get("criterion"), 3)),
        number_column("subsidy_rate", "s̄", lambda row: percentage(row.get("subsidy_rate"), 1)),
        text_column("outcome", "Search and paths"),
    ]
    return Table(
        "variants",
        "The effect of the push on the heavy GDP share under every variant, recalibrated",
        columns_of(rows, columns),
        rows,
        note="Industrialised: number of regions in the steady state. Relative: over the level with the push. Variants "
        "search from one start only.",
        group="group",
        emphasised=(0,),
    )


def outcome(variant: Row) -> str:
    """Say whether a variant's numbers are to be relied on."""
    if variant.get("failed"):
        return f"failed: {variant['failed']}"
    wrong = [] if variant.get("converged", True) else ["calibration did not converge"]
    fates = [fate for fate in variant.get("fates") or [] if fate is not None]
    if any(fate != STEADY for fate in fates):
        wrong.append("no steady state")
    return "; ".join(wrong) or "passed"


def ensemble(results: Results) -> Table:
    """Return quantiles over other synthetic economies that hold the same aggregates."""
    quantiles = part(results, "ensemble", "quantiles")
    rows: list[Row] = []
    levels: list[str] = []
    for key, values in quantiles.items():
        if isinstance(values, dict):
            rows.append({"quantity": key, **values})
        elif isinstance(values, list):
            rows.append({"quantity": key, **{f"q{place}": value for place, value in enumerate(values, start=1)}})
    for row in rows:
        levels += [level for level in row if level != "quantity" and level not in levels]
    if quantiles and not rows:
        rows = [{"quantity": "gdp_share", **quantiles}]
        levels = list(quantiles)
    columns = [Column("quantity", "Quantity", lambda row: words(row["quantity"]))]
    columns += [
        number_column(level, _level_name(level), lambda row, level=level: shown(str(row["quantity"]), row.get(level)))
        for level in levels
    ]
    return Table(
        "ensemble",
        "Other synthetic economies that hold the same published aggregates: quantiles",
        tuple(columns),
        rows,
        note=_ensemble_note(part(results, "ensemble")),
    )


def _ensemble_note(found: Row) -> str:
    """Say how many economies there were, and what the quantiles leave out."""
    n = len(rows_of(found.get("economies")))
    if not n:
        return ""
    said = [f"{count(n)} economies, each drawn from a seed of its own and calibrated like this one."]
    if "drawn" in found:
        said.append(
            f"{count(found['drawn'])} designs were drawn; {count(found['held'])} hold Table 2's moments, of which "
            f"{count(found.get('unsettled', 0))} are left out: a path reached no steady state."
        )
    if "positive" in found:
        said.append(
            f"The push raises the share by more than 0.1 p.p. in {count(found['positive'])} and lowers it by as much "
            f"in {count(found.get('negative', 0))}."
        )
    if found.get("same") is False:
        said.append("They were computed at another η or δ than this study's.")
    return " ".join(said)


def _level_name(level: str) -> str:
    try:
        return f"{100 * float(level):g}%"
    except ValueError:
        return words(level)


def economies(results: Results) -> list[Row]:
    """Return the other synthetic economies of a run."""
    return rows_of(part(results, "ensemble").get("economies"))


def ensemble_economies(results: Results) -> Table:
    """Return each other synthetic economy."""
    rows = economies(results)
    columns = [
        Column("seed", "Seed", number=True),
        number_column("gdp_share_push", "With the push", lambda row: level(row, "gdp_share_push")),
        number_column("gdp_share_none", "Without", lambda row: level(row, "gdp_share_none")),
        number_column("gdp_share", "Effect, p.p.", lambda row: hundred(row.get("gdp_share"))),
        number_column("criterion", "Criterion", lambda row: fixed(row.get("criterion"), 3)),
        number_column("subsidy_rate", "s̄", lambda row: percentage(row.get("subsidy_rate"), 1)),
    ]
    caption = "Other synthetic economies, one by one"
    return Table("ensemble_economies", caption, columns_of(rows, columns), rows)
