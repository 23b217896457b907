"""Local spillovers and local complementarity: equation (3.3) in the eight columns of Table 1, both panels.

Panel A explains the growth of never-adopters that continue, Panel B whether any continuing firm signs a new contract,
by the change in the adopter share among the other firms of its region and sector two years before.  Column 1 is least
squares; columns 2 to 8 instrument the share by equation (3.4), with the controls that the table's notes name:

    3  the groups' predicted sales share        6  ... and industrial complexes
    4  ... and market access                    7  ... and trade policy
    5  ... and directed credit                  8  all of them

Where the ticks that are printed under the table say otherwise, the notes hold: they agree with the text of Section 3.2.
All columns have region, sector, span and, for firms of groups, group-by-sector effects, and the outcome's initial
level; standard errors are clustered by region and by group, each firm outside groups a cluster of its own.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bigpush_est.data.frames import MicroData
from bigpush_est.errors import BigPushWarning, InvalidValue, NoVariation, UnderIdentified
from bigpush_est.reduced_form.linear.regression import fuller, iv, liml, ols
from bigpush_est.reduced_form.linear.results import Regression
from bigpush_est.reduced_form.result import Result
from bigpush_est.reduced_form.spillovers.sample import SpilloverDesign, SpilloverSample, spillover_sample
from bigpush_est.reduced_form.weak_iv.anderson_rubin import anderson_rubin_set
from bigpush_est.reduced_form.weak_iv.confidence_set import ConfidenceSet
from bigpush_est.reduced_form.weak_iv.identification import Identification, identification
from bigpush_est.reduced_form.weak_iv.tf import TFInterval, tf_interval

type FloatArray = NDArray[np.float64]
type Estimator = Literal["ols", "iv", "liml", "fuller"]

#: Names of the endogenous regressor, its instrument and the effects in a sample's frame.
SHARE, INSTRUMENT = "share_change", "instrument"
EFFECTS = ("region", "sector", "group_sector", "span")
CLUSTERS = ("region", "group_cluster")
#: Share of the outcome's variation below which what is left of it is rounding.
EXACT = 1e-12
#: What each block of controls may be made of, as ``SpilloverSample.unavailable`` names it.
_PARTS = {
    "market": ("predicted exports", "distance to port"),
    "credit": ("credit",),
    "complex": ("complex",),
    "trade": ("tariffs", "trade fairs", "initial export status"),
}


@dataclass(frozen=True, slots=True)
class Panel:
    """Which rows and which outcome.

    Attributes
    ----------
    name, title
        "A" or "B", and what it is.
    outcome, initial
        Columns of the sample's frame.
    rows
        Column of the frame that says which rows count; None for all.
    """

    name: str
    title: str
    outcome: str
    initial: str
    rows: str | None


PANELS = {
    "A": Panel("A", "Local spillover", "change", "initial", "never"),
    "B": Panel("B", "Local complementarity", "new_contract", "new_contract_initial", None),
}


@dataclass(frozen=True, slots=True)
class Specification:
    """A column of the table.

    Attributes
    ----------
    name
        Its heading.
    estimator
        "ols", "iv" (2SLS), "liml" or "fuller".
    controls
        Blocks of controls ("group sales", "market", "credit", "complex", "trade"), or columns of the sample's frame.
    initial
        Whether the outcome's initial level is a regressor.
    effects
        Fixed effects: columns of the frame.
    clusters
        Columns of the frame.
    instruments
        Columns of the frame.
    """

    name: str
    estimator: Estimator = "iv"
    controls: tuple[str, ...] = ()
    initial: bool = True
    effects: tuple[str, ...] = EFFECTS
    clusters: tuple[str, ...] = CLUSTERS
    instruments: tuple[str, ...] = (INSTRUMENT,)

    def formula(self, panel: Panel, columns: Sequence[str]) -> str:
        """Return the regression's formula, given the columns of its controls."""
        exogenous = [*([panel.initial] if self.initial else []), *columns]
        effects = " + ".join(self.effects)
        if self.estimator == "ols":
            return f"{panel.outcome} ~ {' + '.join([SHARE, *exogenous])}" + (f" | {effects}" if effects else "")
        parts = [f"{panel.outcome} ~ {' + '.join(exogenous) or '1'}", *([effects] if effects else [])]
        return " | ".join([*parts, f"{SHARE} ~ {' + '.join(self.instruments)}"])


def _table1() -> tuple[Specification, ...]:
    base = ("group sales",)
    extra = ("market", "credit", "complex", "trade")
    return (
        Specification("(1)", "ols"),
        Specification("(2)"),
        Specification("(3)", controls=base),
        *(Specification(f"({number})", controls=(*base, block)) for number, block in enumerate(extra, start=4)),
        Specification("(8)", controls=(*base, *extra)),
    )


#: Table 1's columns as its notes describe them.
TABLE1 = _table1()


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class SpilloverColumn(Result):
    """One estimate of β in equation (3.3).

    Attributes
    ----------
    panel, specification
        What was asked for.
    regression
        None where it could not be estimated, and ``reason`` why.
    identification
        Strength of the instruments, clustered as the regression, under the small-sample rule of ivreg2; None for least
        squares.
    anderson_rubin
        Confidence set for β that needs no strong instrument; None for least squares.
    tf
        tF interval; None for least squares or several instruments.
    rows_lost
        Rows of the panel with a variable missing in this or, in a common sample, in another column.
    """

    panel: Panel
    specification: Specification
    regression: Regression | None
    reason: str
    identification: Identification | None
    anderson_rubin: ConfidenceSet | None
    tf: TFInterval | None
    rows_lost: int

    def tidy(self) -> pd.DataFrame:
        """One row, with the columns of ``SpilloverTable.tidy``."""
        fit, wald, tf = self.regression, self.anderson_rubin, self.tf
        counts = dict(zip(fit.cluster_names, fit.covariance.cluster_counts, strict=True)) if fit else {}
        row = {
            "panel": self.panel.name,
            "column": self.specification.name,
            "estimator": self.specification.estimator,
            "Estimate": self.estimate,
            "Std. Error": self.standard_error,
            "Pr(>|t|)": self.p_value,
            "KP F": self.kleibergen_paap_f,
            "effective F": self.effective_f,
            "AR low": wald.low if wald else np.nan,
            "AR high": wald.high if wald else np.nan,
            "AR set": str(wald) if wald else "",
            "tF low": tf.low if tf else np.nan,
            "tF high": tf.high if tf else np.nan,
            "N": fit.n if fit else 0,
            **{f"{name} clusters": counts.get(name, 0) for name in self.specification.clusters},
            "rows lost": self.rows_lost,
            "singletons": fit.dropped.singletons if fit else 0,
            "covariance repaired": fit.covariance.repaired if fit else False,
            "controls": ", ".join(self.specification.controls),
            "left out": ", ".join((*fit.dropped.collinear, *fit.dropped.absorbed)) if fit else "",
            "reason": self.reason,
        }
        return pd.DataFrame([row])

    def summary(self) -> str:
        """Text of the estimate, the strength of its instrument, and the regression behind it."""
        title = f"Panel {self.panel.name}, column {self.specification.name}"
        if self.regression is None:
            return f"{title}: not estimated: {self.reason}"
        lines = [f"{title}: {self.estimate:.4g} ({self.standard_error:.4g})"]
        if self.specification.estimator != "ols":
            lines.append(f"Kleibergen-Paap F {self.kleibergen_paap_f:.4g}, effective F {self.effective_f:.4g}")
            lines.append(f"Anderson-Rubin set {self.anderson_rubin}")
        if self.tf is not None:
            lines.append(self.tf.summary())
        return "\n".join([*lines, "", self.regression.summary()])

    @property
    def kleibergen_paap_f(self) -> float:
        """Of the first stage; NaN for least squares, or where it is not defined."""
        found = None if self.identification is None else self.identification.kleibergen_paap_f.statistic
        return float("nan") if found is None else found

    @property
    def effective_f(self) -> float:
        """Of Montiel Olea and Pflueger; with one instrument it is the Kleibergen-Paap F."""
        found = None if self.identification is None else self.identification.effective_f.statistic
        return float("nan") if found is None else found

    @property
    def estimate(self) -> float:
        """β̂: log points, or probability, per unit of the share (100 percentage points); NaN without a regression."""
        return self.regression.coefficient(SHARE) if self.regression else float("nan")

    @property
    def standard_error(self) -> float:
        """Of β̂."""
        return self.regression.standard_error(SHARE) if self.regression else float("nan")

    @property
    def p_value(self) -> float:
        """Two-sided p-value of β = 0 from the t-test."""
        if self.regression is None:
            return float("nan")
        return float(self.regression.tidy()["Pr(>|t|)"].to_numpy()[self.regression.position(SHARE)])


def control_list(sample: SpilloverSample, specification: Specification) -> tuple[list[str], list[str]]:
    """Return the columns of a specification's controls, and the blocks that are not available.

    Raises
    ------
    InvalidValue
        For a control that is neither a block nor a column.
    """
    columns: list[str] = []
    lacking: list[str] = []
    known = ("group sales", "market", "credit", "complex", "trade")
    for name in specification.controls:
        if name in sample.controls:
            columns += sample.controls[name]
        elif name in known:
            lacking.append(name)
        elif name in sample.frame.columns:
            columns.append(name)
        else:
            raise InvalidValue(
                key=f"control of column {specification.name}",
                value=repr(name),
                requirement=f"a block ({', '.join(known)}) or a column of the sample",
                remedy="add the column to the sample's frame, or correct the name",
            )
    return list(dict.fromkeys(columns)), lacking


def variables(panel: Panel, specification: Specification, columns: Sequence[str]) -> list[str]:
    """Return every column of the frame that an estimate uses."""
    own = [panel.outcome, SHARE, *specification.effects, *specification.clusters, *columns]
    own += [panel.initial] if specification.initial else []
    own += specification.instruments if specification.estimator != "ols" else ()
    return list(dict.fromkeys(own))


def panel_rows(sample: SpilloverSample, panel: Panel) -> pd.DataFrame:
    """Return the rows of the sample's frame that a panel uses; the index stays the frame's."""
    return sample.frame if panel.rows is None else sample.frame[sample.frame[panel.rows]]


def estimate_column(
    sample: SpilloverSample,
    specification: Specification,
    panel: Panel | str = "A",
    *,
    data: pd.DataFrame | None = None,
    level: float = 0.95,
    small_sample: str = "fixest",
) -> SpilloverColumn:
    """Estimate one column.

    Parameters
    ----------
    sample
        From `spillover_sample`.
    specification, panel
        What to estimate.
    data
        Rows of the sample's frame to use instead of the panel's.
    level
        Of the Anderson-Rubin set and the tF interval.
    small_sample
        Rule of the standard errors.

    Returns
    -------
    SpilloverColumn
        Without a regression, but with a reason, where a block of controls is not available or nothing varies.

    Raises
    ------
    InvalidValue
        For an unknown control, panel or estimator.
    """
    which = panel_named(panel)
    rows = panel_rows(sample, which) if data is None else data
    columns, lacking = control_list(sample, specification)
    if lacking:
        reasons = "; ".join(f"{name}: {_why(sample, name)}" for name in lacking)
        return _without(which, specification, f"controls not available ({reasons})")
    used = rows[variables(which, specification, columns)]
    lost = int(used.isna().any(axis=1).sum())
    estimators = {"ols": ols, "iv": iv, "liml": liml, "fuller": fuller}
    if specification.estimator not in estimators:
        raise InvalidValue(
            key="estimator",
            value=repr(specification.estimator),
            requirement=f"one of {', '.join(estimators)}",
            remedy="choose one of them",
        )
    try:
        with warnings.catch_warnings():
            # what was left out and repaired is in the regression, and the table says it
            warnings.simplefilter("ignore", BigPushWarning)
            regression = estimators[specification.estimator](
                used,
                specification.formula(which, columns),
                cluster=list(specification.clusters),
                small_sample=small_sample,
            )
    except (NoVariation, UnderIdentified) as error:
        return _without(which, specification, str(error))
    if regression.r2_within > 1.0 - EXACT:
        reason = "effects and controls explain the outcome exactly: nothing is left for the share"
        return _without(which, specification, f"{reason} (does it vary at the ends of the spans?)")
    if specification.estimator == "ols":
        return SpilloverColumn(which, specification, regression, "", None, None, None, lost)
    strength = identification(regression.problem)
    first = strength.kleibergen_paap_f.statistic
    one_instrument = specification.estimator == "iv" and len(specification.instruments) == 1
    return SpilloverColumn(
        panel=which,
        specification=specification,
        regression=regression,
        reason="",
        identification=strength,
        anderson_rubin=_anderson_rubin(regression, level),
        tf=tf_interval(regression.coefficient(SHARE), regression.standard_error(SHARE), float(first), level)
        if one_instrument and first is not None
        else None,
        rows_lost=lost,
    )


def _anderson_rubin(fit: Regression, level: float) -> ConfidenceSet:
    """Return the set under the regression's own clusters, from scores under the null, repaired where it has to be.

    Scores of fitted residuals make sets too short with few clusters in two dimensions.  Those under the null need no
    small-sample factor: with χ² they are all but t(G − 1).
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BigPushWarning)
        found = anderson_rubin_set(
            fit.problem,
            level=level,
            residuals="score",
            small_sample="none",
            parameters=fit.parameters,
            not_psd="repair",
        )
    return found.confidence_set


def _why(sample: SpilloverSample, block: str) -> str:
    """Say why a block of controls could not be built."""
    said = [sample.unavailable[part] for part in _PARTS.get(block, ()) if part in sample.unavailable]
    return ", ".join(dict.fromkeys(said)) or "not built"


def panel_named(panel: Panel | str) -> Panel:
    """Return Panel A or B by name; a panel of one's own as it is.

    Raises
    ------
    InvalidValue
        For an unknown name.
    """
    if isinstance(panel, Panel):
        return panel
    if panel not in PANELS:
        raise InvalidValue(
            key="panel", value=repr(panel), requirement='"A" or "B"', remedy="choose one, or pass a Panel"
        )
    return PANELS[panel]


def _without(panel: Panel, specification: Specification, reason: str) -> SpilloverColumn:
    return SpilloverColumn(panel, specification, None, reason, None, None, None, 0)


def estimate_table(
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
) -> tuple[SpilloverSample, tuple[SpilloverColumn, ...]]:
    """Estimate all columns of all panels; see `spillover_table.spillovers`, which returns them as a table."""
    sample = data if isinstance(data, SpilloverSample) else spillover_sample(data, design, ports=ports)
    chosen = [s if initial is None else replace(s, initial=initial) for s in specifications]
    names = [specification.name for specification in chosen]
    if len(set(names)) < len(names) or not names:
        raise InvalidValue(
            key="specifications", value=names, requirement="at least one, each with its own name", remedy="rename them"
        )
    columns: list[SpilloverColumn] = []
    for asked in panels:
        panel = panel_named(asked)
        rows = panel_rows(sample, panel)
        lost = 0
        if common_sample:
            needed: list[str] = []
            for specification in chosen:
                controls, lacking = control_list(sample, specification)
                needed += [] if lacking else variables(panel, specification, controls)
            complete = rows[list(dict.fromkeys(needed))].notna().all(axis=1)
            lost, rows = int((~complete).sum()), rows[complete]
        for specification in chosen:
            found = estimate_column(sample, specification, panel, data=rows, level=level, small_sample=small_sample)
            columns.append(replace(found, rows_lost=found.rows_lost + lost))
    return sample, tuple(columns)
