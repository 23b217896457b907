"""Table 1 as an object: estimates with what a referee asks of their instruments, to read, to use and to print."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bigpush_est.data.frames import MicroData
from bigpush_est.errors import InvalidValue
from bigpush_est.latex import escaped
from bigpush_est.reduced_form.linear.covariance import Covariance
from bigpush_est.reduced_form.linear.frames_in import codes_of
from bigpush_est.reduced_form.linear.joint import JointEstimates, joint_covariance
from bigpush_est.reduced_form.linear.partialling import partial_out
from bigpush_est.reduced_form.linear.results import Regression
from bigpush_est.reduced_form.linear.small_sample import ParameterCount
from bigpush_est.reduced_form.result import Result, axes_or_new
from bigpush_est.reduced_form.spillovers.assignment import AssignmentProcess, PermuteBlocks
from bigpush_est.reduced_form.spillovers.columns import (
    INSTRUMENT,
    SHARE,
    TABLE1,
    Panel,
    Specification,
    SpilloverColumn,
    estimate_table,
)
from bigpush_est.reduced_form.spillovers.market_access import Combination, combination
from bigpush_est.reduced_form.spillovers.randomisation import RandomisationResult, randomisation_inference
from bigpush_est.reduced_form.spillovers.sample import SpilloverDesign, SpilloverSample

if TYPE_CHECKING:
    from matplotlib.axes import Axes

type FloatArray = NDArray[np.float64]

BLOCKS = {
    "group sales": "Business group sales share",
    "market": "Market access",
    "credit": "Directed credit",
    "complex": "Industrial complexes",
    "trade": "Trade controls",
}


def spillovers(
    data: MicroData | SpilloverSample,
    *,
    design: SpilloverDesign | None = None,
    specifications: Sequence[Specification] = TABLE1,
    panels: Sequence[str | Panel] = ("A", "B"),
    initial: bool | None = None,
    common_sample: bool = True,
    ports: Any = None,
    level: float = 0.95,
    small_sample: str = "fixest",
) -> "SpilloverTable":
    """Estimate local spillovers (Panel A) and complementarity (Panel B) in all columns of Table 1.

    Parameters
    ----------
    data
        Micro data, or a sample that was built from them (and may have columns of your own).
    design
        Choices about sample, shares and instrument; the paper's by default.  Not with a sample, which has its own.
    specifications
        Columns: `TABLE1`, or your own.
    panels
        "A", "B", or your own.
    initial
        True or False to include the outcome's initial level, or not, in every column; None as specified.
    common_sample
        Whether rows in which a variable of any column is missing are left out of all, as in the paper, whose columns
        have the same N.
    ports
        Frame with latitude and longitude of ports, for the controls that need the distance to one.
    level
        Of confidence sets.
    small_sample
        Rule of the standard errors.

    Returns
    -------
    SpilloverTable

    Raises
    ------
    InvalidValue
        For specifications that cannot be told apart, an unknown control or panel, a design beside a sample.
    FrameMissing
        Without contracts or regions.
    """
    if isinstance(data, SpilloverSample) and (design is not None or ports is not None):
        raise InvalidValue(
            key="design", value="given with a sample", requirement="left out", remedy="build the sample with it"
        )
    sample, columns = estimate_table(
        data,
        design=design,
        specifications=specifications,
        panels=panels,
        initial=initial,
        common_sample=common_sample,
        ports=ports,
        level=level,
        small_sample=small_sample,
    )
    return SpilloverTable(sample, columns, level)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class SpilloverTable(Result):
    """Estimates of β by panel and column.

    Attributes
    ----------
    sample
        Rows and instrument behind them.
    columns
        Estimates, panel by panel.
    level
        Of confidence sets.
    """

    sample: SpilloverSample
    columns: tuple[SpilloverColumn, ...]
    level: float

    def column(self, panel: str, name: str) -> SpilloverColumn:
        """Return one estimate.

        Raises
        ------
        InvalidValue
            If there is no such column.
        """
        for column in self.columns:
            if (column.panel.name, column.specification.name) == (panel, name):
                return column
        known = ", ".join(f"{column.panel.name} {column.specification.name}" for column in self.columns)
        raise InvalidValue(
            key="column", value=f"{panel} {name}", requirement="one of the table's", remedy=f"choose among {known}"
        )

    def tidy(self) -> pd.DataFrame:
        """One row per panel and column.

        Returns
        -------
        pandas.DataFrame
            ``panel``, ``column``, ``estimator``, ``Estimate``, ``Std. Error``, ``Pr(>|t|)``, ``KP F``, ``effective F``,
            ends of the Anderson-Rubin and tF sets, ``N``, clusters by dimension, ``rows lost``, ``singletons``,
            ``controls``, ``left out`` (collinear or absorbed controls) and ``reason`` where there is no estimate.
        """
        return pd.concat([column.tidy() for column in self.columns], ignore_index=True)

    def joint(self, which: Sequence[tuple[str, str]]) -> JointEstimates:
        """Return several columns' estimates of β with their joint covariance.

        Parameters
        ----------
        which
            Pairs of panel and column; panels may be mixed, as their samples overlap.

        Returns
        -------
        JointEstimates
            Named "A (3): share_change" and so on.

        Raises
        ------
        InvalidValue
            If a column has no estimate.
        UnalignedEstimates
            For columns that are clustered by different things.
        """
        views = []
        for panel, name in which:
            column = self.column(panel, name)
            if column.regression is None:
                raise InvalidValue(
                    key=f"column {panel} {name}", value="not estimated", requirement="an estimate", remedy=column.reason
                )
            views.append(_ShareAlone(column.regression))
        return joint_covariance(views, titles=[f"{panel} {name}" for panel, name in which])

    def average(self, panel: str, names: Sequence[str]) -> Combination:
        """Return the mean of several columns' estimates, with the standard error that their joint covariance gives.

        The paper maps such an average to δ without a standard error for it.

        Raises
        ------
        InvalidValue, UnalignedEstimates
            As for `joint`.
        """
        joint = self.joint([(panel, name) for name in names])
        share = np.full(len(names), 1.0 / len(names))
        return combination(f"mean of {', '.join(names)}", share, joint.coefficients, joint.matrix)

    def randomisation(
        self, panel: str, name: str, process: AssignmentProcess | None = None, **options: Any
    ) -> RandomisationResult:
        """Test and invert by redrawing the groups' adoptions and rebuilding the instrument.

        Parameters
        ----------
        panel, name
            A column whose only instrument is the group instrument.
        process
            How adoptions are redrawn; by default permutations of the histories of groups' units in a sector.
        options
            ``draws``, ``seed``, ``null``, ``level`` and ``recentre`` of `randomisation_inference`.

        Returns
        -------
        RandomisationResult
            Fixed effects and controls are those of the column.

        Raises
        ------
        InvalidValue
            For a column without an estimate, or that is not instrumented by the group instrument alone.
        """
        column = self.column(panel, name)
        fit, specification = column.regression, column.specification
        if fit is None or specification.estimator == "ols" or specification.instruments != (INSTRUMENT,):
            raise InvalidValue(
                key=f"column {name}",
                value=column.reason or f"{specification.estimator} with {', '.join(specification.instruments)}",
                requirement=f"estimated with the one instrument '{INSTRUMENT}'",
                remedy="choose a column from (2) on",
            )
        sample = self.sample
        chosen = PermuteBlocks.build(sample.instrument) if process is None else process
        without = partial_out(fit.problem)
        return randomisation_inference(
            sample.instrument,
            sample.histories,
            without.outcome / without.scale,
            without.endogenous[:, 0] / without.scale,
            chosen,
            weights=without.scale**2,
            rows=codes_of(pd.Series(fit.rows), sample.frame.index),
            **{"level": self.level, **options},
        )

    def grid(self, panel: str, digits: int = 2) -> pd.DataFrame:
        """Text of a panel: lines by columns."""
        columns = [column for column in self.columns if column.panel.name == panel]
        cells = {column.specification.name: self._cells(column, digits) for column in columns}
        return pd.DataFrame(cells)

    def _cells(self, column: SpilloverColumn, digits: int) -> dict[str, str]:
        fit = column.regression
        stars = sum(column.p_value < cut for cut in (0.1, 0.05, 0.01)) if fit else 0
        number = f"{{:.{digits}f}}".format
        known = fit is not None and column.specification.estimator != "ols"
        blocks = column.specification.controls
        return {
            "Δ share": number(column.estimate) + "*" * stars if fit else "n/a",
            "": f"({number(column.standard_error)})" if fit else "",
            "Estimator": column.specification.estimator.upper(),
            "KP F": number(column.kleibergen_paap_f) if known else "",
            f"AR {self.level:.0%}": str(column.anderson_rubin) if known else "",
            "Clusters": " × ".join(f"{count:,}" for count in fit.covariance.cluster_counts) if fit else "",
            "N": f"{fit.n:,}" if fit else "",
            "Initial level": "✓" if column.specification.initial else "",
            **{label: "✓" if block in blocks else "" for block, label in BLOCKS.items()},
        }

    @property
    def panels(self) -> tuple[Panel, ...]:
        """The table's panels, in order."""
        return tuple({column.panel.name: column.panel for column in self.columns}.values())

    def summary(self) -> str:
        """Text of the table, with what every column left out and what the sample lacks."""
        lines: list[str] = []
        for panel in self.panels:
            lines += [f"Panel {panel.name}. {panel.title}: {panel.outcome}", self.grid(panel.name).to_string(), ""]
        lines += self.notes()
        return "\n".join(lines)

    def notes(self) -> list[str]:
        """Lines below the table: inference, effects, and whatever was left out."""
        fits = [column for column in self.columns if column.regression is not None]
        lines = []
        if fits and fits[0].regression is not None:
            lines.append(f"Standard errors: {fits[0].regression.inference()}")
            lines.append(f"Fixed effects: {', '.join(fits[0].specification.effects)}. * 10%, ** 5%, *** 1%.")
        said: dict[str, list[str]] = {}
        for column in self.columns:
            for remark in _remarks(column):
                said.setdefault(remark, []).append(f"{column.panel.name} {column.specification.name}")
        lines += [f"{', '.join(where)}: {remark}" for remark, where in said.items()]
        return lines + self.sample.summary().splitlines()

    def __repr__(self) -> str:
        names = ", ".join(f"{column.panel.name} {column.specification.name}" for column in self.columns)
        return f"<SpilloverTable: {names}>"

    def to_latex(self, *, digits: int = 2) -> str:
        """Return a booktabs table with both panels; needs amssymb for ticks."""
        lines: list[str] = []
        for panel in self.panels:
            grid = self.grid(panel.name, digits)
            width = grid.shape[1] + 1
            if not lines:
                lines += [rf"\begin{{tabular}}{{l{'c' * grid.shape[1]}}}", r"\toprule"]
                lines += [" & ".join(["", *(_latex(name) for name in grid.columns)]) + r" \\"]
            lines += [
                r"\midrule",
                rf"\multicolumn{{{width}}}{{l}}{{{_latex(f'Panel {panel.name}. {panel.title}')}}} \\",
            ]
            lines += [" & ".join(_latex(text) for text in (name, *row)) + r" \\" for name, row in _rows(grid)]
        return "\n".join([*lines, r"\bottomrule", r"\end{tabular}"]) + "\n"

    def to_html(self, *, digits: int = 2) -> str:
        """Return an HTML table with both panels."""
        lines = ["<table>"]
        for number, panel in enumerate(self.panels):
            grid = self.grid(panel.name, digits)
            if not number:
                heads = "".join(f"<th>{escape(name)}</th>" for name in ("", *grid.columns))
                lines.append(f"<thead><tr>{heads}</tr></thead><tbody>")
            title = escape(f"Panel {panel.name}. {panel.title}")
            lines.append(f'<tr><th colspan="{grid.shape[1] + 1}">{title}</th></tr>')
            for name, row in _rows(grid):
                cells = "".join(f"<td>{escape(text)}</td>" for text in row)
                lines.append(f"<tr><th>{escape(name)}</th>{cells}</tr>")
        return "\n".join([*lines, "</tbody></table>"]) + "\n"

    def plot(self, panel: str = "A", axes: "Axes | None" = None) -> "Axes":
        """Draw a panel's estimates with t-intervals (thick) and Anderson-Rubin sets (thin)."""
        axes = axes_or_new(axes, (7.0, 3.5))
        columns = [c for c in self.columns if c.panel.name == panel and c.regression is not None]
        ends = [interval for c in columns for interval in _t_interval(c, self.level)]
        reach = (max(ends) - min(ends)) if ends else 1.0
        for place, column in enumerate(columns):
            low, high = _t_interval(column, self.level)
            axes.plot([place, place], [low, high], color="C0", linewidth=3)
            axes.plot(place, column.estimate, "o", color="C0")
            for start, end in column.anderson_rubin.intervals if column.anderson_rubin else ():
                # an unbounded set runs off the figure
                shown = np.clip([start, end], min(ends) - reach, max(ends) + reach)
                axes.plot([place + 0.15] * 2, shown, color="C1", linewidth=1)
        axes.axhline(0.0, color="0.6", linewidth=0.8)
        axes.set_xticks(range(len(columns)), [column.specification.name for column in columns])
        axes.set_ylabel("β")
        title = next((p.title for p in self.panels if p.name == panel), panel)
        axes.set_title(f"{title}: {self.level:.0%} t-interval (thick), Anderson-Rubin set (thin)")
        return axes


@dataclass(frozen=True, slots=True)
class _ShareAlone:
    """The coefficient of the share as an estimate of its own, for joint covariances."""

    fit: Regression

    @property
    def names(self) -> tuple[str, ...]:
        return (SHARE,)

    @property
    def coefficients(self) -> FloatArray:
        return self.fit.coefficients[[self.fit.position(SHARE)]]

    @property
    def influence(self) -> FloatArray:
        return self.fit.influence[:, [self.fit.position(SHARE)]]

    @property
    def rows(self) -> pd.Index:
        return self.fit.rows

    @property
    def labels(self) -> pd.DataFrame:
        return self.fit.labels

    @property
    def covariance(self) -> Covariance:
        return self.fit.covariance

    @property
    def parameters(self) -> ParameterCount:
        return self.fit.parameters


def _t_interval(column: SpilloverColumn, level: float) -> tuple[float, float]:
    if column.regression is None:
        return (np.nan, np.nan)
    low, high = column.regression.confidence_interval(level)[column.regression.position(SHARE)]
    return float(low), float(high)


def _remarks(column: SpilloverColumn) -> list[str]:
    """Return what a reader has to know about an estimate."""
    if column.regression is None:
        return [f"not estimated: {column.reason}"]
    dropped = column.regression.dropped
    remarks = [f"{column.rows_lost} rows with something missing, {dropped.singletons} singletons"]
    if left := (*dropped.collinear, *dropped.absorbed):
        remarks.append(f"left out as absorbed or collinear: {', '.join(left)}")
    if column.regression.covariance.repaired:
        remarks.append("covariance not positive semi-definite, repaired")
    return remarks


def _rows(grid: pd.DataFrame) -> list[tuple[str, list[str]]]:
    return [(str(name), [str(text) for text in row]) for name, row in zip(grid.index, grid.to_numpy(), strict=True)]


def _latex(text: str) -> str:
    """Escape a cell; ticks stay ticks."""
    return escaped(text.replace("✓", "\0")).replace("\0", r"$\checkmark$")
