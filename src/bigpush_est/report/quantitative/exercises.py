"""Tables of what a run may hold besides: steady states, other policies, variants, other synthetic economies.

Each of these sections of the results is optional, and so is every key in it: what is missing drops its column or its
table.
"""

from typing import Any

import numpy as np

from bigpush_est.report.numbers import NONE, count, fixed
from bigpush_est.report.numbers import figure as digits
from bigpush_est.report.quantitative.labels import INDUSTRIALISED, Results, hundred, known, listed, percentage, plain
from bigpush_est.report.tables import Column, Row, Table

#: Keys of the effect of a push: differences of shares, not shares.
DIFFERENCES = ("gdp_share", "export_intensity", "employment_share")
#: Parts of keys whose values are fractions that print as percentages.
_FRACTIONS = ("share", "intensity", "welfare", "rate", "bill", "relative", "cost")
#: Keys that read better otherwise, and words that are not to be put in small letters.
_LABELS = {
    "gdp_share": "Effect on the heavy GDP share",
    "gdp_share_push": "Heavy GDP share with the push",
    "gdp_share_none": "Heavy GDP share without the push",
    "welfare_log": "Welfare, log utility",
    "welfare_linear": "Welfare, discounted consumption",
    "subsidy_rate": "s̄",
    "r2": "R²",
    "t": "t",
    "none": "no policy",
    "push": "the push",
    "general": "all heavy firms",
}
_WORDS = {"gdp": "GDP"}
STEADY = "steady state"


def tables(results: Results) -> list[Table]:
    """Return the tables of the optional sections; those without rows are empty."""
    return [
        steady_states(results),
        steady_state_starts(results),
        uniform_rates(results),
        general(results),
        regional_rates(results),
        allocations(results),
        mobility(results),
        variants(results),
        ensemble(results),
        ensemble_economies(results),
    ]


def printed(results: Results) -> list[Table]:
    """Return those that a terminal prints."""
    return [steady_states(results), general(results), variants(results), ensemble(results)]


def part(results: Results, *keys: str) -> dict[str, Any]:
    """Return a section of a section of the results; an empty one if it is not there or no mapping."""
    found: Any = results
    for key in keys:
        found = found.get(key) if isinstance(found, dict) else None
    return found if isinstance(found, dict) else {}


def rows_of(section: Any) -> list[Row]:
    """Return rows from a list of mappings, or from a mapping of lists of equal length; none from anything else.

    Examples
    --------
    >>> rows_of({"rate": [0.1, 0.2], "best": 0.1}), rows_of([{"rate": 0.1}]), rows_of(None)
    ([{'rate': 0.1}, {'rate': 0.2}], [{'rate': 0.1}], [])
    """
    if isinstance(section, list):
        return [dict(row) for row in section if isinstance(row, dict)]
    lists = {key: value for key, value in section.items() if isinstance(value, list)} if section else {}
    if not lists:
        return []
    length = max(len(value) for value in lists.values())
    lists = {key: value for key, value in lists.items() if len(value) == length}
    return [dict(zip(lists, values, strict=True)) for values in zip(*lists.values(), strict=True)]


def words(key: str) -> str:
    """Return a key in words.

    Examples
    --------
    >>> words("heavy_gdp_share"), words("r2")
    ('Heavy GDP share', 'R²')
    """
    if key in _LABELS:
        return _LABELS[key]
    text = " ".join(_WORDS.get(word, word) for word in plain(str(key)).split())
    return text[:1].upper() + text[1:]


def shown(key: str, value: Any) -> str:
    """Return a value as its key suggests: differences in points, shares in percent.

    Examples
    --------
    >>> shown("gdp_share", 0.0359), shown("gdp_share_push", 0.122), shown("slope", 0.1234), shown("fate", "cycle")
    ('3.59 p.p.', '12.20%', '0.123', 'cycle')
    """
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(shown(key, item) for item in value) or NONE
    if not known(value):
        return str(value) if isinstance(value, str) else NONE
    if key in DIFFERENCES:
        return f"{hundred(value)} p.p."
    if any(word in key for word in _FRACTIONS):
        return percentage(value, 2)
    return count(value) if isinstance(value, int) else digits(value)


def _columns(rows: list[Row], columns: list[Column]) -> tuple[Column, ...]:
    """Drop the columns that no row has a value for."""
    return tuple(column for column in columns if any(row.get(column.key) is not None for row in rows))


def _text(key: str, label: str = "") -> Column:
    return Column(key, label or words(key), lambda row: shown(key, row.get(key)))


def _number(key: str, label: str = "", show: Any = None) -> Column:
    return Column(key, label or words(key), show or (lambda row: shown(key, row.get(key))), number=True)


def _facts(section: dict[str, Any]) -> list[Row]:
    """Return a mapping's plain values as rows, the mappings in it one level down."""
    rows: list[Row] = []
    for key, value in section.items():
        if isinstance(value, dict):
            rows += [{"item": f"{key}.{inner}", "value": item, "key": inner} for inner, item in value.items()]
        else:
            rows.append({"item": key, "value": value, "key": key})
    return [row for row in rows if isinstance(row["value"], str | int | float)]


def _fact_columns() -> tuple[Column, ...]:
    return (
        Column("item", "Item", lambda row: ": ".join(words(part) for part in str(row["item"]).split("."))),
        Column("value", "Value", lambda row: shown(str(row["key"]), row["value"]), number=True),
    )


# -- steady states ---------------------------------------------------------------------------------------------------


def region_names(results: Results, ids: Any) -> list[str]:
    """Return regions' names, whether they are given by short name, by name or as rows."""
    names = {row["region"]: row["name"] for row in results.get("regions", [])}
    found = [item.get("region", "") if isinstance(item, dict) else item for item in ids if item is not None]
    return [names.get(item, str(item)) for item in found]


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
    return Table(
        "steady_states",
        "Distinct steady states that were found, with the frozen fundamentals of the last calibrated year",
        _columns(
            rows,
            [
                _text("state", "State"),
                _number("starts", "Starts that end there"),
                _number("heavy_gdp_share", "Heavy GDP share"),
                _number("export_intensity", "Export intensity", lambda row: _share(row, "export_intensity")),
                _number("industrialised", "Industrialised"),
                Column("regions", "Which regions", lambda row: _names(row.get("regions"))),
            ],
        ),
        rows,
        note=f"Industrialised: more than {INDUSTRIALISED:.0%} of heavy firms adopt. The number of states is a lower "
        f"bound: the map from one period to the next need not be monotone, so other starts may find more.{close}",
    )


def _share(row: Row, key: str) -> str:
    return percentage(row.get(key), 2)


def _names(text: str | None) -> str:
    return listed(text.split("; "), 10) if text else "none" if text == "" else NONE


def steady_state_starts(results: Results) -> Table:
    """Return where each start ended."""
    rows = rows_of(part(results, "steady_states").get("starts"))
    columns = [
        _text("start", "Start"),
        _text("fate", "Ended in"),
        _text("state", "State"),
        _number("heavy_gdp_share", "Heavy GDP share"),
        _number("industrialised", "Industrialised"),
    ]
    caption = "Starts of the search for steady states"
    return Table("steady_state_starts", caption, _columns(rows, columns), rows)


# -- policies --------------------------------------------------------------------------------------------------------


def uniform_rates(results: Results) -> Table:
    """Return what each uniform rate leads to."""
    section = part(results, "policies", "uniform")
    rows = [
        {("rate" if key == "rates" else "fate" if key == "fates" else key): value for key, value in row.items()}
        for row in rows_of(section)
    ]
    best = section.get("best")
    best = best.get("rate") if isinstance(best, dict) else best
    columns = [
        _number("rate", "Rate", lambda row: percentage(row.get("rate"), 1)),
        _number("heavy_gdp_share", "Heavy GDP share"),
        _number("welfare_log", "Welfare, log"),
        _number("welfare_linear", "Welfare, linear"),
        _text("fate", "Ended in"),
    ]
    note = "Welfare: consumption-equivalent gain over no policy, mean over people."
    if known(best):
        note += f" Bold: the best of the rates tried, {percentage(best, 1)}."
    chosen = tuple(k for k, row in enumerate(rows) if known(best) and row.get("rate") == best)
    caption = "A uniform subsidy to adopters in the subsidised regions, by its rate"
    return Table("uniform_rates", caption, _columns(rows, columns), rows, note, emphasised=chosen)


def general(results: Results) -> Table:
    """Return subsidies to all firms beside the push."""
    section = part(results, "policies", "general")
    rows = rows_of(section.get("policies")) or (rows_of(section) if "policies" in section else [])
    rows = [{("policy" if key == "policies" else key): value for key, value in row.items()} for row in rows]
    caption = "Subsidies regardless of adoption, beside the push"
    if not rows:
        facts = _facts(section)
        return Table("general_subsidies", caption, _fact_columns(), facts)
    keys = list(dict.fromkeys(key for row in rows for key in row))
    columns = [
        Column(key, words(key), lambda row, key=key: words(row.get(key) or NONE))  # type: ignore[misc]
        if isinstance(rows[0].get(key), str)
        else _level(key)
        for key in keys
    ]
    return Table("general_subsidies", caption, _columns(rows, columns), rows)


def _level(key: str) -> Column:
    """Return a column of levels: the heavy GDP share of a policy is a share, not a difference."""
    return _number(
        key,
        words(f"heavy_{key}") if key in DIFFERENCES else "",
        lambda row: _share(row, key) if key in DIFFERENCES else shown(key, row.get(key)),
    )


def regional_rates(results: Results) -> Table:
    """Return the best rate of each region that was found."""
    section = part(results, "policies", "regional")
    rows = rows_of(section.get("rates"))
    for row in rows:
        row["name"] = region_names(results, [row.get("region")])[0] if row.get("region") is not None else None
    rows = [row for row in rows if known(row.get("rate"))]
    rows.sort(key=lambda row: (-row["rate"], str(row.get("name"))))
    note = "The best of the rates that were tried, region by region: a search along coordinates, which can miss others."
    if known(section.get("welfare")):
        note += f" Welfare with these rates: {percentage(section['welfare'], 2)} over no policy."
    columns = [Column("name", "Region"), _number("rate", "Rate", lambda row: percentage(row.get("rate"), 1))]
    return Table("regional_rates", "Rates by region that raise welfare most", _columns(rows, columns), rows, note)


def allocations(results: Results) -> Table:
    """Return what predicts the effect of randomly allocated subsidies."""
    section = part(results, "policies", "allocations")
    rows = [{"regression": "One predictor at a time", **row} for row in rows_of(section.get("regressions"))]
    rows += [{"regression": "All predictors together", **row} for row in rows_of(section.get("joint"))]
    size = f"{count(section['n'])} random allocations. " if known(section.get("n")) else ""
    columns = [
        Column("predictor", "Predictor", lambda row: words(row.get("predictor") or NONE)),
        _number("slope", "Slope", lambda row: digits(row.get("slope"))),
        _number("standard_error", "Standard error", lambda row: digits(row.get("standard_error"))),
        _number("t", "t", lambda row: fixed(row.get("t"), 1)),
        _number("r2", "R²", lambda row: fixed(row.get("r2"), 2)),
    ]
    return Table(
        "allocations",
        "What predicts a stronger push: random choices of the subsidised regions",
        (Column("regression", "Regression"), *_columns(rows, columns)) if not rows else _columns(rows, columns),
        rows,
        note=f"{size}The paper finds that only market access predicts stronger effects.",
        group="regression",
    )


def mobility(results: Results) -> Table:
    """Return what the push does where people move."""
    return Table(
        "mobility",
        "The push where households move between regions",
        _fact_columns(),
        _facts(part(results, "policies", "mobility")),
    )


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
        _text("label", "Variant"),
        _number("gdp_share_push", "With the push", lambda row: _share(row, "gdp_share_push")),
        _number("gdp_share_none", "Without", lambda row: _share(row, "gdp_share_none")),
        _number("gdp_share", "Effect, p.p.", lambda row: hundred(row.get("gdp_share"))),
        _number("gdp_share_relative", "Relative", lambda row: percentage(row.get("gdp_share_relative"), 1)),
        _number("industrialised_push", "Industrialised, with"),
        _number("industrialised_none", "Without"),
        _number("criterion", "Criterion", lambda row: fixed(row.get("criterion"), 3)),
        _number("subsidy_rate", "s̄", lambda row: percentage(row.get("subsidy_rate"), 1)),
        _text("outcome", "Search and paths"),
    ]
    return Table(
        "variants",
        "The effect of the push on the heavy GDP share under every variant, recalibrated",
        _columns(rows, columns),
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
        _number(level, _level_name(level), lambda row, level=level: shown(str(row["quantity"]), row.get(level)))
        for level in levels
    ]
    n = len(economies(results))
    return Table(
        "ensemble",
        "Other synthetic economies that hold the same published aggregates: quantiles",
        tuple(columns),
        rows,
        note=f"{count(n)} economies, each drawn from a seed of its own and calibrated like this one." if n else "",
    )


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
        _number("gdp_share_push", "With the push", lambda row: _share(row, "gdp_share_push")),
        _number("gdp_share_none", "Without", lambda row: _share(row, "gdp_share_none")),
        _number("gdp_share", "Effect, p.p.", lambda row: hundred(row.get("gdp_share"))),
        _number("criterion", "Criterion", lambda row: fixed(row.get("criterion"), 3)),
        _number("subsidy_rate", "s̄", lambda row: percentage(row.get("subsidy_rate"), 1)),
    ]
    caption = "Other synthetic economies, one by one"
    return Table("ensemble_economies", caption, _columns(rows, columns), rows)


def numbers(rows: list[Row], key: str) -> Any:
    """Return a key's values over rows as an array; NaN where there is none."""
    return np.array([float(row[key]) if known(row.get(key)) else np.nan for row in rows])
