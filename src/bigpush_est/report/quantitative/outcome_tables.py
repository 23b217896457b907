"""Tables of what the push does, as a nation and by region, and of all that the paper prints of it."""

from typing import Any

from bigpush_est.data.published import load_published
from bigpush_est.report.numbers import NONE, count, fixed
from bigpush_est.report.numbers import figure as digits
from bigpush_est.report.quantitative.labels import (
    PARAMETERS,
    Results,
    contribution,
    hundred,
    known,
    panel_c,
    percent_of,
    percentage,
    points,
    points_of,
    scenario,
    scored,
    sector,
    span,
    switched,
    trimmed,
)
from bigpush_est.report.tables import Column, Row, Table

SUMMARY = "What the push changes in the steady state, and what it does in the paper"


def summary(results: Results) -> Table:
    """Return Table 3 A in short: with the push, without it, the difference, and the paper's."""
    base, paper = results["table3"]["baseline"], results["table3"]["paper"]
    published = load_published()
    told = {
        "heavy_gdp_share": published.value("heavy_gdp_share_effect"),
        "heavy_export_intensity": published.value("export_intensity_effect"),
    }
    rows: list[Row] = []
    for key, name, text in (
        ("gdp_share", "heavy_gdp_share", "Heavy GDP share"),
        ("export_intensity", "heavy_export_intensity", "Heavy export intensity"),
        ("employment_share", "heavy_employment_share", "Heavy employment share"),
    ):
        push, difference = base.get(f"{key}_push"), base.get(key)
        without = base.get(f"{key}_none")
        if not known(without) and known(push) and known(difference):
            without = push - difference
        relative = difference / push if known(difference) and known(push) and push else None
        rows.append(
            {
                "outcome": name,
                "meaning": text,
                "push": push,
                "none": without,
                "difference": difference,
                "relative": relative,
                "paper": paper.get(f"A {name} aggregate"),
                "paper_relative": told.get(name),
            }
        )
    rows.append(
        {
            "outcome": "welfare",
            "meaning": "Welfare, % of consumption",
            "push": None,
            "none": None,
            "difference": None,
            "relative": base.get("welfare_log"),
            "paper": None,
            "paper_relative": paper.get("A welfare aggregate"),
        }
    )
    return Table(
        "summary",
        SUMMARY,
        (
            Column("meaning", "Outcome"),
            Column("push", "With the push", percent_of("push", 2), number=True),
            Column("none", "Without", percent_of("none", 2), number=True),
            Column("difference", "Difference, p.p.", points_of("difference"), number=True),
            Column("relative", "Relative", percent_of("relative"), number=True),
            Column("paper", "Paper, p.p.", points_of("paper"), number=True),
            Column("paper_relative", "Paper, relative", percent_of("paper_relative"), number=True),
        ),
        rows,
        note="Relative: over the level with the push, as the paper has it; welfare: consumption-equivalent gain over "
        "no push, log utility, mean over people.",
        emphasised=(0,),
    )


# -- Table 3 ---------------------------------------------------------------------------------------------------------


def table3_a(results: Results) -> Table:
    """Return Table 3 A with its local ranges."""
    base, paper = results["table3"]["baseline"], results["table3"]["paper"]
    rows = []
    for key, ends, name, text in (
        ("gdp_share", "gdp_share_local", "heavy_gdp_share", "Heavy GDP share, p.p."),
        ("export_intensity", "export_intensity_local", "heavy_export_intensity", "Heavy export intensity, p.p."),
        ("employment_share", "employment_share_local", "heavy_employment_share", "Heavy employment share, p.p."),
        ("welfare_log", "welfare_local", "welfare", "Welfare, log utility, %"),
        ("welfare_linear", "", "", "Welfare, discounted consumption, %"),
    ):
        low, high = base.get(ends) or (None, None)
        theirs = [paper.get(f"A {name} {end}") for end in ("aggregate", "local_low", "local_high")]
        row = {"outcome": key, "meaning": text, "ours": base.get(key), "low": low, "high": high}
        rows.append(row | dict(zip(("paper", "paper_low", "paper_high"), theirs, strict=True)))
    return Table(
        "table3_a",
        "Steady-state differences, with the push less without it (the paper’s Table 3, Panel A)",
        (
            Column("meaning", "Outcome"),
            Column("ours", "Aggregate, ours", points_of("ours"), number=True),
            Column("paper", "Aggregate, paper", points_of("paper"), number=True),
            Column("low", "Regions, ours", lambda row: span([row["low"], row["high"]]), number=True),
            Column("paper_low", "Regions, paper", lambda row: span([row["paper_low"], row["paper_high"]]), number=True),
        ),
        rows,
        note=f"Regions: from the lowest to the highest. The heavy GDP share is higher with the push in "
        f"{count(base.get('regions_that_gain'))} of {count(results['economy'].get('regions'))} regions; the paper "
        f"counts {count(load_published().value('regions_with_higher_gdp_share'))}. The paper does not say which "
        "utility its welfare is of.",
    )


def table3_b(results: Results) -> Table:
    """Return Table 3 B."""
    table = results["table3"]
    names = results["economy"].get("sectors") or list(dict.fromkeys(row["sector"] for row in results["fundamentals"]))
    pairs = [*zip(names, table["baseline"]["output"], strict=False), ("total", table["baseline"]["output_total"])]
    rows = []
    for name, ours in pairs:
        paper = table["paper"].get(f"B output_{name} aggregate")
        gap = ours - paper if known(ours) and known(paper) else None
        rows.append({"sector": name, "ours": ours, "paper": paper, "gap": gap})
    return Table(
        "table3_b",
        "Aggregate output with the push over without it (the paper’s Table 3, Panel B)",
        (
            Column("sector", "Sector", lambda row: sector(row["sector"])),
            Column("ours", "Ours, %", points_of("ours"), number=True),
            Column("paper", "Paper, %", points_of("paper"), number=True),
            Column("gap", "Ours less paper, p.p.", points_of("gap"), number=True),
        ),
        rows,
        note="Output: gross output over the sector’s producer price index. Total: weighted with gross output without "
        "the push; the paper’s weights are initial gross output.",
        emphasised=(len(rows) - 1,),
    )


def table3_c(results: Results) -> Table:
    """Return Table 3 C, with the share of the baseline's effect that each scenario leaves."""
    table, reading = results["table3"], panel_c(results)
    base, paper = table["baseline"], reading["paper"]
    first = {"name": "baseline", "description": "conditions as they were", "paper": paper}
    first |= {key: base.get(key) for key in ("gdp_share", "gdp_share_push", "gdp_share_none")}
    rows = []
    for row in [first, *table["scenarios"]]:
        extra = {
            "kept": _part(row["gdp_share"], base["gdp_share"]),
            "paper_kept": _part(row["paper"], paper),
            "against_baseline": _less(row["gdp_share_push"], base["gdp_share_none"]),
        }
        rows.append({**row, **extra})
    return Table(
        "table3_c",
        "Alternative scenarios: effect of the push on the heavy GDP share (the paper’s Table 3, Panel C)",
        (
            Column("name", "In the policy years", lambda row: scenario(row["name"])),
            Column("gdp_share_push", "With the push", percent_of("gdp_share_push", 2), number=True),
            Column("gdp_share_none", "Without", percent_of("gdp_share_none", 2), number=True),
            Column("gdp_share", "Effect, p.p.", points_of("gdp_share"), number=True),
            Column("paper", "Paper, p.p.", points_of("paper"), number=True),
            Column("kept", "Effect kept", percent_of("kept", 0), number=True),
            Column("paper_kept", "Paper kept", percent_of("paper_kept", 0), number=True),
            Column("against_baseline", "Other reading, p.p.", points_of("against_baseline"), number=True),
        ),
        rows,
        note="Effect: with the push less without it, both under the scenario, in the steady state. Other reading: with "
        "the push under the scenario less without it in the baseline; the paper does not say which it prints. "
        "Scenarios change the policy years only: they can move a steady state only by moving regions between basins.",
        emphasised=(0,),
    )


def _part(value: Any, whole: Any) -> float | None:
    return value / whole if known(value) and known(whole) and abs(whole) > 5e-5 else None


def _less(one: Any, two: Any) -> float | None:
    return one - two if known(one) and known(two) else None


def paths(results: Results) -> Table:
    """Return how each path ended."""
    last = results["economy"]["years"][-1]
    published = load_published().value("years_to_steady_state")

    def ended(row: Row) -> str:
        return f"cycle of {row['cycle_length']}" if row["fate"] == "cycle" else str(row["fate"])

    return Table(
        "paths",
        "How each path ended",
        (
            Column("scenario", "In the policy years", lambda row: scenario(row["scenario"])),
            Column("push", "Push", lambda row: "with" if row["push"] else "without"),
            Column("fate", "Ended in", ended),
            Column("periods", "Periods", lambda row: count(row["periods"]), number=True),
            Column(
                "years_after_last",
                f"Settled after {last}, years",
                lambda row: count(row["years_after_last"]),
                number=True,
            ),
            Column("worst_residual", "Largest residual", lambda row: digits(row["worst_residual"], 2), number=True),
        ),
        [dict(row) for row in results["paths"]],
        note="Periods: until adopter shares stand still. Settled: from then on the heavy GDP share stays within 0.1 "
        f"p.p. of its last value; the paper has “roughly {published:g} years” by a criterion that it does not state.",
    )


# -- regions, moments that are not targeted, scorecard ---------------------------------------------------------------


def regions(results: Results) -> Table:
    """Return what the push changes in each region, the largest change first."""
    rows: list[Row] = []
    for row in results["regions"]:
        change = _less(row["gdp_share_push"], row["gdp_share_none"])
        rows.append({**row, "change": change, "contribution": contribution(row)})
    rows.sort(key=lambda row: -row["change"] if known(row["change"]) else 1.0)
    ids = {row["region"] for part in switched(results) for row in part}
    last = results["economy"]["years"][-1]
    return Table(
        "regions",
        "Regions in the steady state, by the change of the heavy GDP share",
        (
            Column("name", "Region"),
            Column("labour", "Labour", percent_of("labour"), number=True),
            Column("subsidised", "Subsidised", lambda row: "yes" if row["subsidised"] else NONE),
            Column("gdp_share_push", "Heavy share, with", percent_of("gdp_share_push"), number=True),
            Column("gdp_share_none", "Without", percent_of("gdp_share_none"), number=True),
            Column("change", "Change, p.p.", points_of("change"), number=True),
            Column("contribution", "National, p.p.", points_of("contribution"), number=True),
            Column("adopters_1980", f"Adopters, {last}", percent_of("adopters_1980"), number=True),
            Column("adopters_push", "Adopters, with", percent_of("adopters_push"), number=True),
            Column("adopters_none", "Adopters, without", percent_of("adopters_none"), number=True),
            Column("welfare", "Welfare", percent_of("welfare", 2), number=True),
        ),
        rows,
        note="Bold: industrialised (more than half of heavy firms adopt) with or without the push, but not both. "
        "National: what the region adds to the difference of the national heavy GDP share. Labour: share of the "
        "nation’s.",
        emphasised=tuple(k for k, row in enumerate(rows) if row["region"] in ids),
    )


def untargeted(results: Results) -> Table:
    """Return Section 5.2's moments that are not targeted."""
    return Table(
        "untargeted",
        "Moments that are not targeted: regional adopter shares against what the paper relates them to",
        (
            Column(
                "feature", "Adopter share on", lambda row: str(row["feature"])[:1].upper() + str(row["feature"])[1:]
            ),
            Column("slope", "Slope, p.p. per SD", points_of("slope"), number=True),
            Column("standard_error", "Standard error", points_of("standard_error"), number=True),
            Column("correlation", "Correlation", lambda row: fixed(row["correlation"], 2), number=True),
            Column("paper_sign", "Paper’s sign", lambda row: "+" if row["paper_sign"] > 0 else "−", number=True),
            Column("agrees", "Sign agrees", lambda row: "yes" if row["agrees"] else "no"),
            Column("regions", "Regions", lambda row: count(row["regions"]), number=True),
            Column("observations", "Region-years", lambda row: count(row["observations"]), number=True),
        ),
        [dict(row) for row in results["untargeted"]],
        note="Calibrated years pooled with year effects; SD over regions within a year. Standard errors are "
        "clustered by region, and the regions are synthetic: signs are to be compared, not sizes. "
        "Region-years without heavy firms or exporters have no logarithm and drop out.",
    )


def scorecard(results: Results) -> Table:
    """Return each published figure, ours, the difference and why."""
    rows = [dict(row) for row in results["scorecard"]]
    before: dict[int, str] = {}
    for row, last in zip(rows[1:], rows, strict=False):
        if (row["block"], row["why"]) == (last["block"], last["why"]):
            before[id(row)] = ""

    def value(key: str) -> Any:
        def text(row: Row) -> str:
            number, unit = row[key], row["unit"]
            if not known(number):
                return NONE
            if row["figure"].startswith("welfare") or unit == "relative change":
                return f"{hundred(number)}%" if key != "gap" else f"{hundred(number)} p.p."
            if unit == "difference" or (key == "gap" and unit == "share"):
                return points(number)
            if unit == "share":
                return percentage(number, 2)
            if unit in ("years", "regions"):
                return count(number).replace("-", "−")
            if unit:
                return digits(number)
            comparable = PARAMETERS.get(row["figure"], ("", "", (), True))[3]
            if key == "gap":
                return digits(number) if comparable else NONE
            return trimmed(number) if key == "paper" else digits(number)

        return text

    text = {(row["block"], row["figure"]): row["why"] if id(row) not in before else "" for row in rows}
    return Table(
        "scorecard",
        "Scorecard: every published figure, ours, and why they differ",
        (
            Column("figure", "Figure", lambda row: scored(row["block"], row["figure"])),
            Column("paper", "Published", value("paper"), number=True),
            Column("ours", "Ours", value("ours"), number=True),
            Column("gap", "Difference", value("gap"), number=True),
            Column("why", "Why", lambda row: text[row["block"], row["figure"]]),
        ),
        rows,
        note="No reason given: the same as the row above. No difference is given where units are not comparable.",
        group="block",
    )
