"""Tables of what the push did: probabilities, Table 3 with intervals, the smallest push, regions."""

from typing import Any

import numpy as np

from bigpush_est.report.numbers import NONE, count, interval, percent
from bigpush_est.report.pipeline.labels import (
    CLAIMS,
    EVENTS,
    OUTCOMES,
    SECOND,
    VERSIONS,
    Results,
    answers,
    chance,
    inner,
    main_answer,
    points,
    second_part,
    with_interval,
)
from bigpush_est.report.quantitative.labels import scenario, sector
from bigpush_est.report.tables import Column, Row, Table


def answer_tables(results: Results, arrays: dict[str, Any]) -> list[Table]:
    """Return this subject's tables, in order."""
    return [
        summary(results),
        probabilities(results),
        differences(results),
        output(results),
        scenarios(results),
        smallest_push(results),
        regions(results, arrays),
    ]


def summary(results: Results) -> Table:
    """Return the answer in one table: each claim by version, beside the paper's figures."""
    there = [version for version, _ in answers(results)]
    rows: list[Row] = []
    for name, claim in CLAIMS.items():
        row: Row = {"claim": claim, "paper": None}
        for version, answer in answers(results):
            one = answer["probabilities"][name]
            row |= {
                f"{version}_{key}": one[key] for key in ("estimate", "mcse", "bound_low", "bound_high", "unconverged")
            }
            row[f"{version}_text"] = chance(one)
        rows.append(row)
    for claim, part, name, places in (
        ("What the push adds to heavy manufacturing’s GDP share, p.p.", "differences", "gdp_share", 2),
        ("Welfare gain, log utility, %", "welfare", "log", 1),
    ):
        row = {"claim": claim, "places": places}
        for version, answer in answers(results):
            one = answer[part][name]
            row |= {f"{version}_{key}": one[key] for key in ("median", "low90", "high90")} | {"paper": one["paper"]}
            row[f"{version}_text"] = with_interval(one, places)
        rows.append(row)
    return Table(
        "summary",
        "The answer",
        (
            Column("claim", ""),
            *(Column(f"{version}_text", _heading(results, version), number=True) for version in there),
            Column("paper", "Paper", lambda r: points(r["paper"], r.get("places", 2)), number=True),
        ),
        rows,
        "Probabilities with Monte Carlo standard errors, or a 95% bound where all draws agree; changes as medians over "
        "draws with 90% intervals. The paper prints points, and no probability.",
    )


def _heading(results: Results, version: str) -> str:
    """Return what a version is called where two mappings stand side by side."""
    second = second_part(results)
    if second is None:
        return VERSIONS[version]
    exponent = second["exponent_value"] if version == SECOND else results["study"]["exponent_value"]
    return f"{VERSIONS[version]} (exponent {exponent:.3g})"


def probabilities(results: Results) -> Table:
    """Return the probability of each event, by version."""
    rows: list[Row] = [
        {"version": VERSIONS[version], "event": EVENTS[name], **answer["probabilities"][name]}
        for version, answer in answers(results)
        for name in EVENTS
    ]
    return Table(
        "probabilities",
        "The probability of each claim, with its Monte Carlo error",
        (
            Column("event", "Claim"),
            Column("estimate", "Probability", chance, number=True),
            Column("bound", "95% bounds", lambda r: _range(r["bound_low"], r["bound_high"]), number=True),
            Column("hits", "Draws", lambda r: f"{count(r['hits'])} of {count(r['draws'])}", number=True),
            Column("unconverged", "Unconverged", number=True),
            Column("both", "All no, all yes", lambda r: _range(r["all_no"], r["all_yes"]), number=True),
        ),
        rows,
        "Steady states are those found from several starts: there may be more. Draws that did not converge count as a "
        "no; the last column has all of them a no, or a yes.",
        group="version",
    )


def _range(low: float, high: float) -> str:
    return f"{interval(100.0 * low, 100.0 * high, 1)}%"


def differences(results: Results) -> Table:
    """Return Table 3 A with intervals, beside the paper's points."""
    rows: list[Row] = []
    for version, answer in answers(results):
        heading = {"version": VERSIONS[version]}
        for name, label in OUTCOMES.items():
            sides = {side: answer["levels"][f"{name}_{side}"]["median"] for side in ("push", "none")}
            rows.append({**heading, "outcome": f"{label} (% and p.p.)", **sides, **answer["differences"][name]})
        rows += [
            {**heading, "outcome": label, **answer["welfare"][name]}
            for name, label in (("log", "Welfare, log utility (%)"), ("linear", "Welfare, discounted consumption (%)"))
        ]
        share = answer["relative_gdp_share"]
        rows.append({**heading, "outcome": "GDP share lost without the push (% of it)", **share})
    return Table(
        "table3_a",
        "Heavy manufacturing in the steady state with the push and without it, and welfare (Table 3 A)",
        (
            Column("outcome", ""),
            Column("push", "With", lambda r: points(r.get("push")), number=True),
            Column("none", "Without", lambda r: points(r.get("none")), number=True),
            Column("median", "Change", lambda r: points(r["median"]), number=True),
            Column("i50", "50%", lambda r: inner(r, 50), number=True),
            Column("i90", "90%", lambda r: inner(r, 90), number=True),
            Column("paper", "Paper", lambda r: points(r.get("paper")), number=True),
        ),
        rows,
        "Medians and intervals over draws that converged; the median of changes is not the change of medians. Welfare "
        "is consumption-equivalent, weighted by population.",
        group="version",
    )


def output(results: Results) -> Table:
    """Return Table 3 B with intervals."""
    names = [*(sector(name) for name in results["economy"]["sectors"]), "Total"]
    rows: list[Row] = [
        {"version": VERSIONS[version], "sector": name, **one}
        for version, answer in answers(results)
        for name, one in zip(names, [*answer["output"], answer["output_total"]], strict=True)
    ]
    return Table(
        "table3_b",
        "Output in the steady state, with the push over without it, % (Table 3 B)",
        (
            Column("sector", ""),
            Column("median", "Median", lambda r: points(r["median"], 1), number=True),
            Column("i50", "50%", lambda r: inner(r, 50, 100.0, 1), number=True),
            Column("i90", "90%", lambda r: inner(r, 90, 100.0, 1), number=True),
        ),
        rows,
        group="version",
    )


def scenarios(results: Results) -> Table:
    """Return Table 3 C with intervals, beside the paper's points."""
    rows: list[Row] = []
    for version, answer in answers(results):
        if not answer["scenarios"]:
            continue
        base = {**answer["differences"]["gdp_share"], "weaker": None, "name": "baseline"}
        rows.append({"version": VERSIONS[version], "scenario": "Baseline", **base})
        for one in answer["scenarios"]:
            weaker = one["weaker"]
            rows.append(
                {
                    "version": VERSIONS[version],
                    "scenario": scenario(one["name"]),
                    **{key: value for key, value in one.items() if key != "weaker"},
                    "weaker": weaker["estimate"],
                    "weaker_mcse": weaker["mcse"],
                    "text": chance(weaker),
                }
            )
    return Table(
        "table3_c",
        "What the push adds to the heavy GDP share under other conditions in 1976 and 1980, p.p. (Table 3 C)",
        (
            Column("scenario", ""),
            Column("median", "Median", lambda r: points(r["median"]), number=True),
            Column("i50", "50%", lambda r: inner(r, 50), number=True),
            Column("i90", "90%", lambda r: inner(r, 90), number=True),
            Column("paper", "Paper", lambda r: points(r["paper"]), number=True),
            Column("weaker", "P(weaker)", lambda r: r.get("text", NONE), number=True),
        ),
        rows,
        "P(weaker): the probability that the push adds less than in the baseline of the same draw.",
        group="version",
    )


def smallest_push(results: Results) -> Table:
    """Return the smallest push that changes the long run."""
    rows: list[Row] = [
        {"version": VERSIONS[version], **answer["smallest_push"]}
        for version, answer in answers(results)
        if "smallest_push" in answer
    ]
    return Table(
        "smallest_push",
        "The smallest uniform subsidy rate at which the long run changes, %",
        (
            Column("version", ""),
            Column("median", "Median", lambda r: points(r["median"], 1), number=True),
            Column("i50", "50%", lambda r: inner(r, 50, 100.0, 1), number=True),
            Column("i90", "90%", lambda r: inner(r, 90, 100.0, 1), number=True),
            Column("defined", "Draws", lambda r: f"{count(r['defined'])} of {count(r['draws'])}", number=True),
            Column(
                "statuses", "How searches ended", lambda r: ", ".join(f"{k}: {v}" for k, v in r["statuses"].items())
            ),
        ),
        rows,
        "Over the draws in which there is one; the draws without are no zeros, and are counted in the last two "
        "columns.",
    )


def regions(results: Results, arrays: dict[str, Any]) -> Table:
    """Return each region's change and gain, those that change most first."""
    version = results["study"]["main"]
    part = {key.partition(".")[2]: value for key, value in arrays.items() if key.startswith(f"fan_{version}.")}

    def at(name: str, k: int) -> float | None:
        value = float(part[name][k])
        return value if np.isfinite(value) else None

    rows: list[Row] = [
        {
            "region": row["name"],
            "labour": row["labour"],
            "subsidised": row["subsidised"],
            **{
                key: at(f"regional_{name}_{statistic}", k)
                for key, name, statistic in (
                    ("change", "gdp_share_difference", "median"),
                    ("change_low90", "gdp_share_difference", "low"),
                    ("change_high90", "gdp_share_difference", "high"),
                    ("rises", "gdp_share_difference", "positive"),
                    ("welfare", "welfare", "median"),
                    ("welfare_low90", "welfare", "low"),
                    ("welfare_high90", "welfare", "high"),
                )
            },
        }
        for k, row in enumerate(results["regions"])
    ]
    rows.sort(key=lambda row: -abs(row["change"] or 0.0))

    def ends(name: str) -> Any:
        return lambda r: inner({"low90": r[f"{name}_low90"], "high90": r[f"{name}_high90"]}, 90)

    answer = main_answer(results)
    lost = answer["solver"]["unconverged"]
    return Table(
        "regions",
        "The regions: change of the heavy GDP share and welfare gain",
        (
            Column("region", ""),
            Column("labour", "Labour", lambda r: percent(r["labour"], 1), number=True),
            Column("subsidised", "Subsidised", lambda r: "yes" if r["subsidised"] else "no"),
            Column("change", "Change, p.p.", lambda r: points(r["change"]), number=True),
            Column("change90", "90%", ends("change"), number=True),
            Column("rises", "P(rises)", lambda r: percent(r["rises"], 0), number=True),
            Column("welfare", "Welfare, %", lambda r: points(r["welfare"]), number=True),
            Column("welfare90", "90%", ends("welfare"), number=True),
        ),
        rows,
        f"{VERSIONS[version]}; over the {count(answer['draws'] - lost)} draws that converged. P(rises): the share of "
        "them in which the region’s heavy GDP share is higher with the push.",
    )
