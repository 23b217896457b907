"""The tables of ``docs/methods/coverage.md``, written between its markers from the study's CSV."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from .table import TABLE, VERDICTS, read_table

PAGE = TABLE.with_suffix(".md")


@dataclass(frozen=True, slots=True)
class Layout:
    """One table of the page.

    Attributes
    ----------
    key
        Of its markers.
    pattern
        Regular expression that the names of its cells match.
    shorten
        Part of the names that the heading of the table already says.
    bias
        "mean", "median" where the mean does not exist, or "none".
    """

    key: str
    pattern: str
    shorten: str = ""
    bias: str = "mean"

    def rows(self, table: pd.DataFrame) -> pd.Series:
        """Whether each row of the CSV belongs to this table."""
        return table["cell"].map(lambda cell: re.search(self.pattern, cell) is not None)


LAYOUTS = (
    Layout("one-way", r"^one-way, \d+ regions(, unbalanced)?$", "one-way, "),
    Layout("two-way", r"^two-way, \d+ × \d+(, unbalanced)?$", "two-way, "),
    Layout("heterogeneous", r"^heterogeneous effects", "heterogeneous effects, "),
    Layout("iv-one", r"^50 × 50, L = 1", "50 × 50, L = 1, ", "median"),
    Layout("iv-three", r"^50 × 50, L = 3", "50 × 50, L = 3, ", "median"),
    Layout("iv-few", r"^(30 × 76|10 × 6), L = 1", "L = 1, ", "median"),
    Layout("iv-few-three", r"^10 × 6, L = 3", "10 × 6, L = 3, ", "median"),
    Layout("events", r"^effects differ by event time"),
    Layout("honest", r"^four leads", bias="none"),
    Layout("shift-shares", r"shocks, 300 units", ", 300 units"),
    Layout("spillovers", r"groups, 30 regions", ", 30 regions", "median"),
    Layout("joint", r"OLS and IV$", ", OLS and IV"),
    Layout("productivity", r"^300 firms"),
)


def rate_text(row: pd.Series) -> str:
    """Rejection rates at 5% and 10% in percent, marked where not nominal."""
    parts = []
    for level in (5, 10):
        rate = row[f"size_{level}"]
        if np.isnan(rate):
            return ""
        parts.append(f"{100 * rate:.1f}{VERDICTS[row[f'verdict_{level}']]}")
    return " / ".join(parts)


def error_text(row: pd.Series) -> str:
    """Monte Carlo errors of a nominal test's rates at 5% and 10%, in percentage points."""
    count = row["replications"] - row["undefined"]
    return " / ".join(f"{100 * (level * (1 - level) / count) ** 0.5:.1f}" for level in (0.05, 0.10))


def bias_text(row: pd.Series, kind: str) -> str:
    """Mean or median error with its Monte Carlo error."""
    value, error = (row["bias"], row["bias_error"]) if kind == "mean" else (row["median_bias"], row["median_error"])
    return "" if np.isnan(value) else f"{value:.3f} ({error:.3f})".replace("-", "−")


def markdown(layout: Layout, table: pd.DataFrame) -> str:
    """Return one table, with a line on samples without an answer."""
    part = table[layout.rows(table)]
    if part.empty:
        raise ValueError(f"no cell matches {layout.pattern}")
    cells = list(dict.fromkeys(part["cell"]))
    lines = _wide(layout, part, cells) if len(cells) > 1 else _long(layout, part)
    without = [
        f"{row['cell'].replace(layout.shorten, '')}, {row['method']}: {row['undefined']:,} of {row['replications']:,}"
        for _, row in part[(part["undefined"] > 0) & part["size_5"].notna()].iterrows()
    ]
    if without:
        lines += ["", f"Samples without an answer, left out: {'; '.join(without)}."]
    return "\n".join(lines)


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _label(method: str) -> str:
    return method.replace("-", "−") if method.startswith("τ") else method


def _head(cells: Sequence[str]) -> list[str]:
    return [_row(cells), "|" + "---|" * len(cells)]


def _long(layout: Layout, part: pd.DataFrame) -> list[str]:
    biased = layout.bias != "none" and part["bias"].notna().any()
    title = {"mean": "Bias (error)", "median": "Median bias (error)"}.get(layout.bias, "")
    lines = _head(["Method", "Samples", *([title] if biased else []), "Rejects at 5% / 10%", "Its error if nominal"])
    for _, row in part.iterrows():
        tested = rate_text(row)
        bias = [bias_text(row, layout.bias)] if biased else []
        error = error_text(row) if tested else ""
        lines.append(_row([_label(row["method"]), f"{row['replications']:,}", *bias, tested, error]))
    return lines


def _wide(layout: Layout, part: pd.DataFrame, cells: list[str]) -> list[str]:
    heads = [cell.replace(layout.shorten, "") for cell in cells]
    lines = _head(["Rejects at 5% / 10%", "Samples", "Error if nominal", *heads])
    indexed = part.set_index(["method", "cell"])
    methods = list(dict.fromkeys(part["method"]))
    for method in methods:
        rows = indexed.loc[method]
        counts = list(dict.fromkeys(f"{count:,}" for count in rows["replications"]))
        errors = list(dict.fromkeys(error_text(row) for _, row in rows.iterrows() if rate_text(row)))
        # cells may differ by a few samples without an answer: their errors print alike, or both are printed
        rates = [rate_text(rows.loc[cell]) if cell in rows.index else "" for cell in cells]
        lines.append(_row([_label(method), "; ".join(counts), "; ".join(errors), *rates]))
    if layout.bias == "none":
        return lines
    lines += ["", *_head([{"mean": "Bias (error)", "median": "Median bias (error)"}[layout.bias], *heads])]
    seen: set[tuple[str, ...]] = set()
    for method in methods:
        rows = indexed.loc[method]
        texts = tuple(bias_text(rows.loc[cell], layout.bias) if cell in rows.index else "" for cell in cells)
        # tests that share an estimate share its bias
        if any(texts) and texts not in seen:
            seen.add(texts)
            lines.append(_row([_label(method), *texts]))
    return lines


def filled(text: str, table: pd.DataFrame) -> str:
    """Return the page with its tables written anew."""
    for layout in LAYOUTS:
        start, end = f"<!-- table: {layout.key} -->", f"<!-- end: {layout.key} -->"
        pattern = re.compile(f"{re.escape(start)}.*?{re.escape(end)}", re.DOTALL)
        if len(pattern.findall(text)) != 1:
            raise ValueError(f"the page needs one pair of markers {start} {end}")
        body = f"{start}\n\n{markdown(layout, table)}\n\n{end}"
        text = pattern.sub(body.replace("\\", r"\\"), text)
    return text


def write_page(page: Path = PAGE, source: Path = TABLE) -> None:
    """Write the tables of the page from the CSV."""
    page.write_text(filled(page.read_text(encoding="utf-8"), read_table(source)), encoding="utf-8")
