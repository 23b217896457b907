"""Tables of the lecture's models: parameters, equilibria, answers, comparative statics, probabilities, the O-ring."""

import math
from typing import Any

from bigpush_est.report.numbers import NONE, bounds, count, figure, median, percent, share, signed
from bigpush_est.report.tables import Column, Row, Table

#: What the events of a prior are called.
EVENTS = {
    "multiple": "Several stable steady states",
    "trapped": "A trap: several, and the lowest is not the best",
    "nobody": "It does not pay the first to act",
    "everybody": "Everybody acting is a steady state",
}
QUANTITIES = {
    "trap": "Share that ends the trap’s basin",
    "payment": "Smallest push, per agent that acts",
    "bill": "What the push costs, spread over all",
    "welfare_gain": "Gain in welfare from the trap to the best state",
}


def theory_tables(results: dict[str, Any]) -> dict[str, Table]:
    """Return the tables of a job, by name.

    Parameters
    ----------
    results
        ``results`` of ``bigpush_est.theory.TheoryRun``, or the same read back from ``results.json``.
    """
    tables = [_parameters(results), _equilibria(results), _answers(results), _effects(results)]
    if "four_workers" in results:
        tables.append(_four_workers(results))
    if results["prior"] is not None:
        tables += [_probabilities(results), _quantities(results)]
    return {table.name: table for table in tables}


def catalogue_table(rows: list[Row]) -> Table:
    """Return the list of models as a table."""
    columns = (
        Column("name", "Model"),
        Column("title", "What it is about"),
        Column("rule", "Several steady states if agents are alike and"),
    )
    return Table("models", "The lecture’s models of coordination", columns, rows)


def _known(value: Any) -> bool:
    return value is not None and math.isfinite(value)


def _gains(value: float | None) -> str:
    """Say what an agent gains or loses; an infinite loss is stored as a missing number."""
    if not _known(value) or value is None:
        return "loses without bound"
    return f"{'gains' if value >= 0 else 'loses'} {figure(abs(value))}"


def _parameters(results: dict[str, Any]) -> Table:
    columns = [
        Column("name", "Parameter"),
        Column("symbol", "Symbol"),
        Column("meaning", "What it is"),
        Column("value", "Value", lambda row: figure(row["value"]), number=True),
        Column("unit", "Unit"),
    ]
    if results["prior"] is not None:
        columns.append(Column("prior", "Prior", lambda row: row["prior"] or NONE))
    rows = [dict(row) for row in results["parameters"]]
    note = "A parameter under a prior is shown at the prior’s median." if results["prior"] is not None else ""
    return Table("parameters", "Parameters of the economy shown", tuple(columns), rows, note)


def _equilibria(results: dict[str, Any]) -> Table:
    rows = results["equilibria"]
    others = [key for key in rows[0] if key not in ("share", "kind", "best", "welfare", "residual")] if rows else []
    several = results["multiple"]
    columns = (
        Column("share", f"Share that {_verb(results)}", lambda row: percent(row["share"]), number=True),
        Column("kind", "It is", lambda row: row["kind"] + (", the best" if row["best"] and several else "")),
        Column("welfare", "Welfare", lambda row: figure(row["welfare"]), number=True),
        *(
            Column(key, key[0].upper() + key[1:], lambda row, key=key: figure(row[key]), number=True)  # type: ignore[misc]
            for key in others
        ),
    )
    note = f"Welfare: {results['welfare_unit']}. How the list is complete: {results['completeness']}."
    if not results["converged"]:
        note += " It is not complete here: the map touches the 45-degree line, or nearly does."
    return Table(
        "equilibria", f"Steady states: the share of {results['agents']} that {_verb(results)}", columns, rows, note
    )


def _verb(results: dict[str, Any]) -> str:
    return str(results["action"])


def _answers(results: dict[str, Any]) -> Table:
    condition, push, agents, verb = results["condition"], results["push"], results["agents"], _verb(results)
    rows: list[Row] = []

    def answer(key: str, question: str, text: str, value: float | bool | None) -> None:
        rows.append({"key": key, "question": question, "answer": text, "value": value})

    kinds = [row for row in results["equilibria"] if row["kind"] == "stable"]
    answer("multiple", "Several stable steady states?", "yes" if results["multiple"] else "no", results["multiple"])
    answer("rule", f"If all {agents} are alike", f"several if {results['rule']}", None)
    symbol = next(row["symbol"] for row in results["parameters"] if row["name"] == condition["window_parameter"])
    own = next(row["value"] for row in results["parameters"] if row["name"] == condition["window_parameter"])
    if _known(condition["window_low"]):
        ends = f"{figure(condition['window_low'])} to {figure(condition['window_high'])}"
        text = f"{symbol} from {ends}; here {symbol} = {figure(own)}"
    else:
        text = f"no {symbol} gives several at the other parameters"
    answer("window", "That is", text, None)
    strict = "" if condition["exact"] else " (loss and gain are sufficient for several, not necessary)"
    closed = (
        f"{'yes' if condition['multiple'] else 'no'}: the marginal one {_gains(condition['trough'])} at the trough and "
        f"{_gains(condition['crest'])} at the crest{strict}"
    )
    answer("closed_form", "Closed form, with the costs as they are", closed, condition["multiple"])
    first = condition["first"]
    text = f"{'yes' if _known(first) and first >= 0 else 'no'}, it {_gains(first)} ({results['gain_unit']})"
    answer("first", "Does it pay the first to act?", text, first)
    stable = ", ".join(f"{percent(row['share'])}: {figure(row['welfare'])}" for row in kinds)
    best = next((row for row in results["equilibria"] if row["best"]), None)
    text = f"{percent(best['share'])} ({stable})" if best else "no state is stable"
    answer("best", "Which stable state is better?", text, best["share"] if best else None)
    if results["multiple"] and not results["rising"]:
        answer("trap", "The trap", "the map falls somewhere: basins need not be intervals", None)
    elif results["multiple"]:
        text = f"starts below {percent(results['trap'])} end in the lowest state"
        answer("trap", "The trap", text, results["trap"])
        text = f"{percent(push['together'])} of {agents} have to {verb} together; then no money is needed"
        answer("together", "The smallest push, if they trust each other", text, push["together"])
        if _known(push["payment"]):
            spread = f"spread over all {agents} {figure(push['bill'])}"
            paid = f"{figure(push['payment'])} {results['paid']}, for one period; {spread}"
        else:
            paid = "no finite payment: somebody has to bear the cost ahead of demand"
        answer("payment", "The smallest push, if they expect the past", paid, push["payment"])
    columns = (Column("question", "Question"), Column("answer", "Answer"))
    note = f"The wedge: {results['wedge']}. Timing: {results['timing']}. Sources: {results['sources']}."
    return Table("answers", results["title"], columns, rows, note)


def _effects(results: dict[str, Any]) -> Table:
    rows: list[Row] = []
    for effect in results["effects"]:
        parameter = next(row for row in results["parameters"] if row["name"] == effect["parameter"])
        rows.append(
            {
                "parameter": effect["parameter"],
                "symbol": parameter["symbol"],
                "value_low": effect["values"][0],
                "value": effect["values"][1],
                "value_high": effect["values"][2],
                "trap_low": effect["trap"][0],
                "trap": effect["trap"][1],
                "trap_high": effect["trap"][2],
                "stable_low": effect["states"][0],
                "stable_high": effect["states"][2],
                "lowest_low": effect["lowest"][0],
                "lowest_high": effect["lowest"][2],
                "claim": effect["claim"],
            }
        )

    def shown(row: Row, end: str) -> str:
        if row[f"value_{end}"] == row["value"]:
            return "at its end"
        if _known(row[f"trap_{end}"]):
            return percent(row[f"trap_{end}"])
        if row[f"stable_{end}"] != 1:
            return f"{row[f'stable_{end}']} stable states"
        return f"no trap: all end at {percent(row[f'lowest_{end}'], 0)}"

    claims = {1: "shrinks the trap", -1: "deepens the trap", 0: "either way"}
    columns = (
        Column("parameter", "Parameter"),
        Column("symbol", "Symbol"),
        Column("value_low", "Lower", lambda row: figure(row["value_low"]), number=True),
        Column("trap_low", "Trap ends at", lambda row: shown(row, "low"), number=True),
        Column("value_high", "Higher", lambda row: figure(row["value_high"]), number=True),
        Column("trap_high", "Trap ends at", lambda row: shown(row, "high"), number=True),
        Column("claim", "Theory: a rise", lambda row: claims[row["claim"]]),
    )
    here = f" At the economy shown the trap ends at {percent(results['trap'])}." if _known(results["trap"]) else ""
    steps = "A whole number moves by one, a parameter at 0 by 0.05."
    return Table(
        "comparative_statics",
        "Comparative statics: one parameter at a time, 5% either way",
        columns,
        rows,
        steps + here,
    )


def _four_workers(results: dict[str, Any]) -> Table:
    four = results["four_workers"]
    low, high = four["skill_low"], four["skill_high"]
    mixed, ordered = four["mixed_output"], four["sorted_output"]

    def row(teams: str, worker: str, skill: float, price: float, team: float) -> Row:
        return {
            "teams": teams,
            "worker": worker,
            "skill": skill,
            "price_of_skill": price,
            "price_times_skill": price * skill,
            "equal_split": team / 2.0,
            "competitive_wage": four["wage_high"] if skill == high else four["wage_low"],
            "team_output": team,
            "total_output": mixed if teams == "mixed" else ordered,
        }

    rows = [
        row("mixed", "low", low, four["price_beside_high"], mixed / 2.0),
        row("mixed", "high", high, four["price_beside_low"], mixed / 2.0),
        row("sorted", "low", low, four["price_beside_low"], four["low_output"]),
        row("sorted", "high", high, four["price_beside_high"], four["high_output"]),
    ]
    columns = (
        Column("teams", "Teams"),
        Column("worker", "Worker"),
        Column("skill", "Skill", lambda r: figure(r["skill"]), number=True),
        Column(
            "price_of_skill", "Price of a unit of skill (slides)", lambda r: figure(r["price_of_skill"]), number=True
        ),
        Column("equal_split", "Equal split", lambda r: figure(r["equal_split"]), number=True),
        Column("competitive_wage", "Kremer’s wage", lambda r: figure(r["competitive_wage"]), number=True),
        Column("team_output", "Output of the team", lambda r: figure(r["team_output"]), number=True),
        Column("total_output", "Output of all four", lambda r: figure(r["total_output"]), number=True),
    )
    note = (
        f"Two tasks. Sorting is efficient: {figure(ordered)} against {figure(mixed)}. A mixed firm that takes the "
        f"other’s high worker for its low one gains {figure(four['outbid_gain'])}, the other loses "
        f"{figure(four['outbid_loss'])}. "
        "The slides’ wage is the price of a unit of skill: per unit of own skill, both workers together would get "
        "twice the team’s output. Kremer’s wage A q²/2 pays out the output of a team of equals."
    )
    return Table("four_workers", "Two workers of low and two of high skill", columns, rows, note)


def _probabilities(results: dict[str, Any]) -> Table:
    rows = [{"event": key, "label": label} | results["prior"]["probabilities"][key] for key, label in EVENTS.items()]
    columns = (
        Column("label", "Event"),
        Column("text", "Probability", lambda row: signed(str(row["text"])), number=True),
        Column("hits", "Draws", lambda row: f"{count(row['hits'])} of {count(row['draws'])}", number=True),
        Column(
            "bound_low",
            "95% Monte Carlo bounds",
            lambda row: f"{share(row['bound_low'])} to {share(row['bound_high'])}",
            number=True,
        ),
    )
    solver = results["prior"]["solver"]
    note = (
        f"{count(solver['draws'])} independent draws from the priors, seed {results['prior']['seed']}; "
        f"{solver['unconverged']} did not converge, largest residual {figure(solver['largest_residual'])}; the closed "
        f"form and the solver differ at {count(solver['beyond_closed_form'])}."
    )
    return Table("probabilities", "Probabilities under the priors", columns, rows, note)


def _quantities(results: dict[str, Any]) -> Table:
    rows = [
        {"quantity": key, "label": label} | results["prior"]["quantities"][key] for key, label in QUANTITIES.items()
    ]
    columns = (
        Column("label", "Quantity"),
        Column("median", "Median", lambda row: median(row), number=True),
        Column("low50", "50% interval", lambda row: bounds(row, 50), number=True),
        Column("low90", "90% interval", lambda row: bounds(row, 90), number=True),
        Column("defined", "Defined", lambda row: f"{count(row['defined'])} of {count(row['draws'])}", number=True),
    )
    return Table("quantities", "Quantities under the priors, where there is a trap", columns, rows)
