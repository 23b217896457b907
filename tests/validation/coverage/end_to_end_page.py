"""The tables of ``docs/methods/end-to-end.md``, written between its markers from the study's CSV.

``python -m tests.validation.coverage.end_to_end_page --folder FOLDER`` scores the pieces first and writes the CSV.
"""

import argparse
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from .economies import KINDS
from .end_to_end_scores import (
    EVENTS,
    MEDIANS,
    QUANTITIES,
    TABLE,
    calibration,
    coverage,
    known,
    read_scores,
    score,
    uniformity,
    write_scores,
)

PAGE = TABLE.with_suffix(".md")
NAMES = {
    "log_eta": "log η",
    "delta": "δ",
    "subsidy": "s̄",
    "gdp_share": "ΔGDP share",
    "export_intensity": "Δexport intensity",
    "welfare_log": "Welfare",
    "multiple": "P(multiple)",
    "moved": "P(moved)",
}


def _lines(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(cells)} |" for cells in (heads, *rows)]
    return "\n".join([lines[0], "|" + "---|" * len(heads), *lines[1:]])


def _signed(value: float, digits: int = 3) -> str:
    return f"{value:.{digits}f}".replace("-", "−")


def _p_value(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def coverage_table(table: pd.DataFrame, kind: str) -> str:
    """Share of truths in the 50% and the 90% interval, by quantity and route."""
    routes, rows = KINDS[kind].routes, []
    for quantity in QUANTITIES:
        cells = []
        for route in routes:
            places = known(table, kind, f"{route}: {quantity}")[f"{route}: {quantity}"].to_numpy(dtype=np.float64)
            (half, mark), (most, sign) = coverage(places, 0.5), coverage(places, 0.9)
            cells.append(f"{100 * half:.0f}{mark} / {100 * most:.0f}{sign}")
        rows.append([NAMES[quantity], *cells])
    counts = [len(known(table, kind, f"{route}: delta")) for route in routes]
    errors = [f"{50 / n**0.5:.1f} / {30 / n**0.5:.1f}" for n in counts]
    rows += [["Economies", *(str(n) for n in counts)], ["Error if nominal", *errors]]
    return _lines(["In the 50% / 90% interval, %", *routes], rows)


def uniformity_table(table: pd.DataFrame, kind: str) -> str:
    """p-values of uniform places."""
    routes = KINDS[kind].routes
    rows = []
    for quantity in QUANTITIES:
        found = [known(table, kind, f"{route}: {quantity}")[f"{route}: {quantity}"] for route in routes]
        values = [uniformity(places.to_numpy(dtype=np.float64)) for places in found]
        rows.append([NAMES[quantity], *map(_p_value, values)])
    return _lines(["p of uniform places", *routes], rows)


def events_table(table: pd.DataFrame, kind: str) -> str:
    """Probabilities against what happened."""
    rows = []
    for event in EVENTS:
        for route in KINDS[kind].routes:
            part = known(table, kind, f"{route}: P({event})")
            found = calibration(
                part[f"{route}: P({event})"].to_numpy(dtype=np.float64), part[event].to_numpy(dtype=bool)
            )
            scores = [f"{found[name]:.3f}" for name in ("mean", "frequency", "brier", "constant")]
            rows.append([NAMES[event], route, str(len(part)), *scores, _signed(found["z"], 1), _p_value(found["p"])])
    heads = ["", "Route", "Economies", "Mean probability", "Frequency", "Brier", "Brier of the frequency", "z", "p"]
    return _lines(heads, rows)


def errors_table(table: pd.DataFrame, kind: str) -> str:
    """Mean error of the posterior medians, and its Monte Carlo error."""
    rows = []
    for quantity in MEDIANS:
        cells = []
        for route in KINDS[kind].routes:
            part = known(table, kind, f"{route}: median {quantity}")
            gap = (part[f"{route}: median {quantity}"] - part[quantity]).to_numpy(dtype=np.float64)
            cells.append(f"{_signed(gap.mean())} ({gap.std(ddof=1) / gap.size**0.5:.3f})")
        rows.append([NAMES[quantity], *cells])
    return _lines(["Median less truth (error)", *KINDS[kind].routes], rows)


def failures_table(table: pd.DataFrame, kind: str) -> str:
    """What failed, and how many draws of the bank a posterior rests on."""
    part = table[table["kind"] == kind]
    rows = []
    for route in KINDS[kind].routes:
        inferred = known(part, kind, f"{route}: delta")
        effective = inferred[f"{route}: effective draws"]
        rows.append(
            [
                route,
                str(len(part)),
                str(int((part["failure"] != "").sum())),
                str(int((part["failure"] == "").sum() - len(inferred))),
                str(int((inferred[f"{route}: failure"] != "").sum())),
                str(int((~inferred["converged"].astype(bool)).sum())),
                f"{effective.min():.0f} / {effective.median():.0f}",
            ]
        )
    heads = ["Route", "Economies", "No panel", "Not estimated", "Sampler's gates", "Truth not solved"]
    return _lines([*heads, "Effective draws, least / median"], rows)


MAKERS = {
    "coverage": coverage_table,
    "uniformity": uniformity_table,
    "events": events_table,
    "errors": errors_table,
    "failures": failures_table,
}


def filled(text: str, table: pd.DataFrame) -> str:
    """Return the page with the tables that it has markers for written anew."""
    for key in re.findall(r"<!-- table: (\S+) -->", text):
        name, kind = key.split("-")
        pattern = re.compile(f"<!-- table: {key} -->.*?<!-- end: {key} -->", re.DOTALL)
        if len(pattern.findall(text)) != 1:
            raise ValueError(f"the page needs one pair of markers of {key}")
        body = f"<!-- table: {key} -->\n\n{MAKERS[name](table, kind)}\n\n<!-- end: {key} -->"
        text = pattern.sub(body.replace("\\", r"\\"), text)
    return text


def main() -> None:
    """Write the CSV, if there are pieces to score, and the page's tables."""
    parser = argparse.ArgumentParser(prog="python -m tests.validation.coverage.end_to_end_page", description=__doc__)
    parser.add_argument("--folder", type=Path, help="pieces to score; without it the CSV is left as it is")
    options = parser.parse_args()
    if options.folder is not None:
        write_scores(score(options.folder))
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8"), read_scores()), encoding="utf-8")


if __name__ == "__main__":
    main()
