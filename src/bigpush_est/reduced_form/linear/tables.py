"""Regressions side by side as text, LaTeX and HTML, and as a plot of coefficients."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd
from markupsafe import escape

from bigpush_est.errors import InvalidValue, WrongType
from bigpush_est.latex import escaped
from bigpush_est.reduced_form.linear.results import Regression
from bigpush_est.reduced_form.result import Summarised, forest

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True, slots=True, repr=False)
class RegressionTable(Summarised):
    """Cells of a table, ready to be set.

    Attributes
    ----------
    titles
        Of the columns.
    blocks
        Rows with a label and one cell per column, in blocks that a rule separates: coefficients with their standard
        errors below them, fixed effects, statistics.
    notes
        What the standard errors are, and what was repaired.
    """

    titles: tuple[str, ...]
    blocks: tuple[tuple[tuple[str, tuple[str, ...]], ...], ...]
    notes: tuple[str, ...]

    def to_frame(self) -> pd.DataFrame:
        """Return the cells as text, one column per regression."""
        rows = [row for block in self.blocks for row in block]
        return pd.DataFrame([cells for _, cells in rows], index=[label for label, _ in rows], columns=list(self.titles))

    def to_text(self) -> str:
        """Align the cells for a terminal."""
        rows = [("", self.titles), *(row for block in self.blocks for row in block)]
        left = max(len(label) for label, _ in rows)
        widths = [max(len(cells[column]) for _, cells in rows) for column in range(len(self.titles))]
        rule = "-" * (left + sum(width + 2 for width in widths))

        def line(label: str, cells: tuple[str, ...]) -> str:
            padded = (cell.rjust(width) for cell, width in zip(cells, widths, strict=True))
            return f"{label.ljust(left)}  {'  '.join(padded)}".rstrip()

        lines = [line("", self.titles)]
        for block in self.blocks:
            lines += [rule, *(line(label, cells) for label, cells in block)]
        return "\n".join([*lines, rule, *self.notes])

    def summary(self) -> str:
        """Return the table as text."""
        return self.to_text()

    def __repr__(self) -> str:
        return f"<RegressionTable: {', '.join(self.titles)}>"

    def _repr_html_(self) -> str:
        return self.to_html()

    def to_latex(self) -> str:
        """Set a ``tabular`` with booktabs rules; labels are escaped, notes follow it."""
        lines = [rf"\begin{{tabular}}{{l{'c' * len(self.titles)}}}", r"\toprule", _latex_row("", self.titles)]
        for block in self.blocks:
            lines += [r"\midrule", *(_latex_row(label, cells) for label, cells in block)]
        lines += [r"\bottomrule", r"\end{tabular}"]
        lines += [rf"\par\footnotesize {escaped(note)}" for note in self.notes]
        return "\n".join(lines) + "\n"

    def to_html(self) -> str:
        """Set an HTML table; labels are escaped, notes stand in its foot."""
        head = "".join(f'<th scope="col">{escape(title)}</th>' for title in self.titles)
        bodies = []
        for block in self.blocks:
            rows = (
                f'<tr><th scope="row">{escape(label)}</th>'
                + "".join(f"<td>{escape(cell)}</td>" for cell in cells)
                + "</tr>"
                for label, cells in block
            )
            bodies.append("<tbody>\n" + "\n".join(rows) + "\n</tbody>")
        notes = "".join(f"<p>{escape(note)}</p>" for note in self.notes)
        foot = f'<tfoot><tr><td colspan="{len(self.titles) + 1}">{notes}</td></tr></tfoot>'
        return "\n".join(
            ["<table>", f"<thead><tr><th></th>{head}</tr></thead>", *bodies, foot, "</table>"],
        )


def table(
    results: Sequence[Regression],
    *,
    titles: Sequence[str] | None = None,
    labels: Mapping[str, str] | None = None,
    keep: Sequence[str] | None = None,
    digits: int = 3,
) -> RegressionTable:
    """Put regressions side by side: estimates, standard errors in brackets, fixed effects, N and R².

    Parameters
    ----------
    results
        One per column.
    titles
        Of the columns; None for "(1) y", "(2) y" and so on.
    labels
        Labels to print in place of names of regressors.
    keep
        Coefficients to show, in order; None for all, in the order in which they first appear.
    digits
        Decimals.

    Raises
    ------
    InvalidValue
        For no regression, another number of titles than regressions, or a coefficient in ``keep`` that none has.
    WrongType
        For anything but regressions.

    Examples
    --------
    >>> from bigpush_est.reduced_form.linear.regression import ols
    >>> data = pd.DataFrame({"y": [1.0, 2.0, 2.0, 5.0], "x": [0.0, 1.0, 2.0, 3.0]})
    >>> print(table([ols(data, "y ~ x")]).to_frame().loc["x"].item())
    1.200
    """
    results = list(results)
    if not results:
        raise InvalidValue(key="results", value="none", requirement="at least one", remedy="pass regressions")
    for result in results:
        if not isinstance(result, Regression):
            raise WrongType(
                key="results",
                value=type(result).__name__,
                expected="Regression objects",
                remedy="pass what ols returns",
            )
    if titles is not None and len(titles) != len(results):
        raise InvalidValue(
            key="titles", value=len(titles), requirement=f"one for each of {len(results)}", remedy="pass one per column"
        )
    names = list(dict.fromkeys(name for result in results for name in result.names))
    if keep is not None:
        for name in keep:
            if name not in names:
                raise InvalidValue(
                    key="keep", value=repr(name), requirement="a coefficient", remedy=f"choose from {', '.join(names)}"
                )
        names = list(keep)
    shown = labels or {}
    coefficients: list[tuple[str, tuple[str, ...]]] = []
    for name in names:
        coefficients.append((shown.get(name, name), tuple(_estimate(result, name, digits) for result in results)))
        coefficients.append(("", tuple(_error(result, name, digits) for result in results)))
    effects = dict.fromkeys(effect for result in results for effect in result.effects)
    blocks = [
        tuple(coefficients),
        tuple((effect, tuple("yes" if effect in result.effects else "no" for result in results)) for effect in effects),
        (
            ("Method", tuple(result.method for result in results)),
            ("Observations", tuple(f"{result.n:,}" for result in results)),
            ("R² within", tuple(f"{result.r2_within:.{digits}f}" for result in results)),
        ),
    ]
    default = [f"({position}) {result.outcome}" for position, result in enumerate(results, start=1)]
    return RegressionTable(
        titles=tuple(titles if titles is not None else default),
        blocks=tuple(block for block in blocks if block),
        notes=_notes(results),
    )


def plot_coefficients(
    result: Regression, *, keep: Sequence[str] | None = None, level: float = 0.95, axes: "Axes | None" = None
) -> "Axes":
    """Draw coefficients with their confidence intervals, the first on top.

    Parameters
    ----------
    result
        A regression.
    keep
        Coefficients to draw, in order; None for all but the intercept.
    level
        Of the intervals.
    axes
        Where to draw; None for a new figure.
    """
    chosen = list(keep) if keep is not None else [name for name in result.names if name != "Intercept"]
    positions = [result.position(name) for name in (chosen or result.names)]
    interval = result.confidence_interval(level)[positions]
    estimates = result.coefficients[positions]
    names = [result.names[position] for position in positions]
    axes = forest(names, estimates.tolist(), interval[:, 0].tolist(), interval[:, 1].tolist(), axes)
    axes.set_xlabel(f"Effect on {result.outcome}, {100 * level:.3g}% confidence interval".replace("$", r"\$"))
    return axes


def _latex_row(label: str, cells: tuple[str, ...]) -> str:
    return " & ".join(escaped(cell) for cell in (label, *cells)) + r" \\"


def _estimate(result: Regression, name: str, digits: int) -> str:
    return f"{result.coefficient(name):.{digits}f}" if name in result.names else ""


def _error(result: Regression, name: str, digits: int) -> str:
    return f"({result.standard_error(name):.{digits}f})" if name in result.names else ""


def _notes(results: list[Regression]) -> tuple[str, ...]:
    columns: dict[str, list[str]] = {}
    for position, result in enumerate(results, start=1):
        columns.setdefault(result.inference(), []).append(f"({position})")
    if len(columns) == 1:
        return (f"Standard errors in brackets: {next(iter(columns))}.",)
    return tuple(f"{', '.join(which)}: standard errors in brackets: {text}." for text, which in columns.items())
