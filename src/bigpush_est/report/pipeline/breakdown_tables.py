"""Tables of breakdown values: how far a parameter must move for a probability to cross one half."""

from bigpush_est.report.numbers import NONE, count, decimals, figure, fixed, interval, signed
from bigpush_est.report.pipeline.labels import SHORT, Results, parameter
from bigpush_est.report.tables import Column, Row, Table

#: What stands where no crossing is found.
NOWHERE = "does not cross"


def crossings(results: Results) -> Table:
    """Return where each parameter takes each probability across one half."""
    rows: list[Row] = []
    for one in results["breakdown"] or []:
        row: Row = {"parameter": parameter(one["parameter"]), "own": one["own"]}
        row["low"], row["high"] = one["range"] or (None, None)
        for event in SHORT:
            row[event] = crossing_of(one, event)
            for key in ("crossing_mcse", "distance", "undecided"):
                row[f"{event}_{key}"] = (one[key] or {}).get(event)
            row[f"{event}_others"] = ", ".join(_across(one, event))
        rows.append(row)

    def cell(event: str) -> Column:
        return Column(event, f"{SHORT[event]} = 1/2", lambda r: crossing_words(r, event), number=True)

    return Table(
        "crossings",
        "How far a parameter must move for a probability to cross one half",
        (
            Column("parameter", ""),
            Column("own", "The study", lambda r: _value(r["own"]), number=True),
            Column("range", "Moved over", _range, number=True),
            *(cell(event) for event in SHORT),
        ),
        rows,
        "The parameter is held; the posterior of the others and the calibration follow, all else is as in the study. "
        "The crossing of one half nearest to the study’s value, interpolated between two held values, ± its Monte "
        "Carlo error; in brackets its distance from the study’s value in posterior standard deviations (of log η), "
        "where there is a posterior. Exponents: those on the other side of one half. Undecided: held values at which "
        "draws that did not converge leave the side open.",
    )


def _range(row: Row) -> str:
    if row["low"] is None:
        return NONE
    return interval(row["low"], row["high"], decimals(row["high"] - row["low"]))


def _value(value: object) -> str:
    """Return a held value: a number, or an exponent's name."""
    return value if isinstance(value, str) else figure(value) if isinstance(value, int | float) else NONE


def crossing_words(row: Row, event: str) -> str:
    """Return a crossing as it is printed.

    Examples
    --------
    >>> crossing_words({"moved": 0.516, "moved_crossing_mcse": 0.03, "moved_distance": -0.94}, "moved")
    '0.516 ± 0.030 (−0.9 s.d.)'
    >>> crossing_words({"moved": None, "moved_undecided": 2}, "moved")
    'does not cross; 2 undecided'
    """
    value = row[event]
    if value is None:
        text = row.get(f"{event}_others") or NOWHERE
    else:
        error, far = row.get(f"{event}_crossing_mcse"), row.get(f"{event}_distance")
        places = decimals(error, value)
        text = fixed(value, places) + (f" ± {fixed(error, places)}" if error is not None else "")
        text += "" if far is None else f" ({signed(f'{far:+.1f}')} s.d.)"
    undecided = row.get(f"{event}_undecided")
    return text + (f"; {count(undecided)} undecided" if undecided else "")


def _across(one: Row, event: str) -> list[str]:
    """Return the words whose probability is on the other side of one half than the study's own."""
    if not isinstance(one["own"], str):
        return []
    sides = dict(zip(one["values"], map(_side, one["probability"][event], one["highest"][event]), strict=True))
    return [name for name, side in sides.items() if side * sides[one["own"]] < 0]


def _side(low: float | None, high: float | None) -> int:
    """Return 1 at or above one half, −1 below, 0 where unconverged draws leave it open."""
    return 0 if low is None or high is None else 1 if low >= 0.5 else -1 if high < 0.5 else 0


def breakdown(results: Results) -> Table:
    """Return the probabilities at each held value of each parameter."""
    rows: list[Row] = []
    for one in results["breakdown"] or []:
        for k, value in enumerate(one["values"]):
            row: Row = {"heading": parameter(one["parameter"]), "value": value}
            for event in SHORT:
                row[event], row[f"{event}_mcse"] = one["probability"][event][k], one["mcse"][event][k]
                row[f"{event}_text"] = one["text"][event][k]
            row |= {key: one[key][k] for key in ("draws", "unconverged", "failed")}
            row["failures"] = "; ".join(one["failures"][k])
            rows.append(row)

    def cell(event: str) -> Column:
        return Column(event, SHORT[event], lambda r: r[f"{event}_text"] or NONE, number=True)

    failed = [f"{row['heading']} at {_value(row['value'])} ({row['failed']})" for row in rows if row["failed"]]
    weak = [f"{row['heading']} at {_value(row['value'])} ({row['failures']})" for row in rows if row["failures"]]
    note = "With Monte Carlo standard errors, or a 95% bound where all draws agree. Unconverged draws count as a no."
    note += f" Not run: {'; '.join(failed)}." if failed else ""
    note += f" Diagnostics failed: {'; '.join(weak)}." if weak else ""
    return Table(
        "breakdown",
        "The answer over values of one parameter, each draw sent through the model again",
        (
            Column("value", "Value", lambda r: _value(r["value"])),
            *(cell(event) for event in SHORT),
            Column(
                "count",
                "Draws",
                lambda r: NONE if r["draws"] is None else f"{r['draws'] - r['unconverged']} of {r['draws']}",
                number=True,
            ),
        ),
        rows,
        note,
        group="heading",
    )


def crossing_of(row: Row, event: str) -> float | None:
    """Return where an event's probability crosses one half; None if it does not on the grid."""
    found = (row["crossing"] or {}).get(event)
    return None if found is None else float(found)
