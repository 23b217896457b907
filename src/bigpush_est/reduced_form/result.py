r"""What every result of an estimator offers: ``tidy``, ``summary``, tables in LaTeX and HTML, a short ``repr``.

Examples
--------
>>> import pandas as pd
>>> from bigpush_est.reduced_form.linear.regression import ols
>>> fit = ols(pd.DataFrame({"y": [1.0, 2.0, 2.0, 5.0], "x_1": [0.0, 1.0, 2.0, 3.0]}), "y ~ x_1")
>>> fit
<Regression: OLS: y ~ x_1>
>>> print(frame_to_latex(fit.tidy()[["Estimate"]], digits=2))
\begin{tabular}{lr}
\toprule
Coefficient & Estimate \\
\midrule
Intercept & 0.70 \\
x\_1 & 1.20 \\
\bottomrule
\end{tabular}
<BLANKLINE>
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from markupsafe import escape

from bigpush_est.latex import escaped

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class Summarised(ABC):
    """Something that says in words what it holds."""

    __slots__ = ()

    @abstractmethod
    def summary(self) -> str:
        """Return what it holds as text."""

    def __str__(self) -> str:
        return self.summary()

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.summary().splitlines()[0]}>"


class Result(Summarised):
    """A result: a table of numbers, text, and the table set in LaTeX and HTML."""

    __slots__ = ()

    @abstractmethod
    def tidy(self) -> pd.DataFrame:
        """Return the numbers, one row per estimate or test."""

    def printed(self) -> pd.DataFrame:
        """Return the table that ``to_latex`` and ``to_html`` set: by default all of ``tidy``."""
        return self.tidy()

    def to_latex(self, *, digits: int = 3) -> str:
        """Return a LaTeX ``tabular`` with booktabs rules, everything escaped."""
        return frame_to_latex(self.printed(), digits=digits)

    def to_html(self, *, digits: int = 3) -> str:
        """Return an HTML table, everything escaped."""
        return frame_to_html(self.printed(), digits=digits)

    def _repr_html_(self) -> str:
        """Show the table in a notebook."""
        return self.to_html()


def frame_to_latex(frame: pd.DataFrame, *, digits: int = 3) -> str:
    """Set a data frame as a ``tabular`` that needs only booktabs.

    Parameters
    ----------
    frame
        Shown with its index where that has a name.
    digits
        Decimals of numbers that are not whole by type.
    """
    headings, right, rows = _cells(frame, digits)
    layout = "".join("r" if flag else "l" for flag in right)
    lines = [rf"\begin{{tabular}}{{{layout}}}", r"\toprule", _latex_row(headings), r"\midrule"]
    return "\n".join([*lines, *(_latex_row(row) for row in rows), r"\bottomrule", r"\end{tabular}"]) + "\n"


def frame_to_html(frame: pd.DataFrame, *, digits: int = 3) -> str:
    """Set a data frame as an HTML table; parameters as for ``frame_to_latex``.

    Examples
    --------
    >>> print(frame_to_html(pd.DataFrame({"a < b": [True]})))
    <table>
    <thead><tr><th scope="col">a &lt; b</th></tr></thead>
    <tbody>
    <tr><td>yes</td></tr>
    </tbody>
    </table>
    <BLANKLINE>
    """
    headings, right, rows = _cells(frame, digits)
    head = "".join(f'<th scope="col">{escape(text)}</th>' for text in headings)
    style = [' style="text-align: right"' if flag else "" for flag in right]
    body = [
        "<tr>" + "".join(f"<td{kind}>{escape(text)}</td>" for kind, text in zip(style, row, strict=True)) + "</tr>"
        for row in rows
    ]
    return "\n".join(["<table>", f"<thead><tr>{head}</tr></thead>", "<tbody>", *body, "</tbody>", "</table>"]) + "\n"


def cell_text(value: object, digits: int) -> str:
    """Write one value as a table shows it; a missing one is empty, and no number turns into zero by rounding.

    Examples
    --------
    >>> [cell_text(value, 2) for value in (1.005, -2.0, 1e-7, float("inf"), None, 12345, True, "a_b")]
    ['1.00', '−2.00', '1.0e−07', '∞', '', '12,345', 'yes', 'a_b']
    """
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, int | np.integer):
        return f"{value:,}".replace("-", "−")
    if isinstance(value, float | np.floating):
        number = float(value)
        if np.isnan(number):
            return ""
        if np.isinf(number):
            return "∞" if number > 0 else "−∞"
        text = f"{number:.{digits}f}"
        if number != 0.0 and float(text) == 0.0:
            text = f"{number:.1e}"
        return text.replace("-", "−")
    return "" if value is None or value is pd.NA else str(value)


def axes_or_new(axes: "Axes | None", size: tuple[float, float] = (6.0, 3.6)) -> "Axes":
    """Return the axes given, or those of a new figure of a size in inches."""
    if axes is not None:
        return axes
    from matplotlib.figure import Figure

    return Figure(figsize=size, layout="constrained").add_subplot()


def forest(
    names: Sequence[str],
    estimates: Sequence[float],
    low: Sequence[float],
    high: Sequence[float],
    axes: "Axes | None" = None,
) -> "Axes":
    """Draw estimates with their intervals, the first on top; an infinite end runs off the axes.

    Returns
    -------
    Axes
        With a line at zero; the label of the horizontal axis is the caller's.
    """
    axes = axes_or_new(axes, (6.0, 1.0 + 0.35 * max(len(names), 1)))
    height = np.arange(len(names))[::-1]
    ends = np.array([low, high], dtype=np.float64)
    middle = np.asarray(estimates, dtype=np.float64)
    known = np.concatenate([ends[np.isfinite(ends)], middle[np.isfinite(middle)], [0.0]])
    reach = max(float(known.max() - known.min()), 1e-12)
    shown = np.clip(ends, known.min() - reach, known.max() + reach)
    axes.hlines(height, shown[0], shown[1], color="grey")
    axes.plot(middle, height, "o", color="black")
    if not np.isfinite(ends).all():
        axes.set_xlim(known.min() - 0.5 * reach, known.max() + 0.5 * reach)
    axes.axvline(0.0, color="grey", linewidth=0.8, linestyle=":")
    axes.set_yticks(height, [name.replace("$", r"\$") for name in names])
    axes.margins(y=0.5 / max(len(names), 1))
    return axes


def _cells(frame: pd.DataFrame, digits: int) -> tuple[list[str], list[bool], list[list[str]]]:
    """Headings, whether each column is flush right, and the cells by row."""
    whole = frame.reset_index() if any(name is not None for name in frame.index.names) else frame
    columns = [[cell_text(value, digits) for value in whole.iloc[:, place]] for place in range(whole.shape[1])]
    right = [
        bool(pd.api.types.is_numeric_dtype(kind) and not pd.api.types.is_bool_dtype(kind)) for kind in whole.dtypes
    ]
    return [str(name) for name in whole.columns], right, [list(row) for row in zip(*columns, strict=True)]


def _latex_row(cells: Sequence[str]) -> str:
    return " & ".join(escaped(cell) for cell in cells) + r" \\"
