"""The evidence that a firm panel gives: winners against losers, spillovers and complementarity, with joint covariance.

Every estimate is a linear functional of a regression, so its influence function is the same functional of the
regression's.  The three designs cluster differently, and overlap in firms: all rows are therefore put into the
clusters that contain the others, regions (a match is within one) and business groups (a firm is within one), and the
joint covariance is summed over those.  Each design's own standard errors stand beside it in the report.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bigpush_est.data.frames import MicroData
from bigpush_est.errors import InvalidValue
from bigpush_est.reduced_form.events.event_study import EventStudy, winners_vs_losers
from bigpush_est.reduced_form.events.stacking import term_of
from bigpush_est.reduced_form.linear.joint import InfluenceFunctions, JointEstimates, joint_covariance
from bigpush_est.reduced_form.linear.regression import ols
from bigpush_est.reduced_form.linear.results import Regression
from bigpush_est.reduced_form.spillovers.columns import (
    INSTRUMENT,
    SHARE,
    TABLE1,
    Specification,
    SpilloverColumn,
    control_list,
)
from bigpush_est.reduced_form.spillovers.table import SpilloverTable, spillovers

#: Names of the estimates in ``MicroEstimates.joint``; the last two are the instrument's effects on outcome and share.
DIRECT, SPILLOVER, COMPLEMENTARITY = "direct", "spillover", "complementarity"
REDUCED_FORM, FIRST_STAGE = "reduced form", "first stage"
#: Clusters of the joint covariance: columns of a spillover sample's frame.
CLUSTERS = ["region", "group_cluster"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MicroDesign:
    """Which estimates to take from a panel.

    Attributes
    ----------
    outcome
        Of the event study.
    event_times
        Years after adoption whose coefficients are averaged: those in which the gain is fully there.
    column
        Column of Table 1, for both panels, by its number.
    """

    outcome: str = "log_sales"
    event_times: tuple[int, ...] = (4, 5, 6, 7)
    column: int = 3

    def __post_init__(self) -> None:
        numbers = [int(one.name.strip("()")) for one in TABLE1 if one.estimator != "ols"]
        if self.column not in numbers:
            raise InvalidValue(
                key="column",
                value=self.column,
                requirement="a column of Table 1 that is instrumented",
                remedy=f"choose from {', '.join(map(str, numbers))}",
            )
        if not self.event_times or min(self.event_times) < 0 or len(set(self.event_times)) != len(self.event_times):
            raise InvalidValue(
                key="event_times",
                value=list(self.event_times),
                requirement="years from the event on, each once",
                remedy="name such as [4, 5, 6, 7]",
            )


@dataclass(frozen=True, slots=True, eq=False)
class MicroEstimates:
    """The three designs on one panel, and their joint covariance.

    Attributes
    ----------
    design
        What was asked for.
    event_study, table
        Winners against losers; Table 1.
    joint
        "direct", "spillover" and "complementarity" (titles and names are one), then "reduced form" and "first stage"
        of the spillover's instrument, clustered by region and by business group.
    effective_clusters
        By estimate and by dimension of the clusters: how many there are in effect (``effective_clusters``).
    """

    design: MicroDesign
    event_study: EventStudy
    table: SpilloverTable
    joint: JointEstimates
    effective_clusters: dict[str, dict[str, float]]

    def spillover(self, panel: str = "A") -> SpilloverColumn:
        """Return the column that was asked for, of one panel."""
        return self.table.column(panel, f"({self.design.column})")


def micro_estimates(
    data: MicroData, design: MicroDesign | None = None, *, specifications: Sequence[Specification] = TABLE1
) -> MicroEstimates:
    """Estimate the three designs on one panel, jointly.

    Parameters
    ----------
    data
        Firms, contracts, business groups and regions.
    design
        Which estimates to take.
    specifications
        Columns of Table 1 to estimate, with the design's among them; rows have to be complete in all of them.

    Raises
    ------
    InputError
        Where a design cannot be estimated: no loser left after matching, an instrument without variation, ….

    Examples
    --------
    >>> import warnings
    >>> from bigpush_est.data.sample_panel import sample_panel
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore")
    ...     found = micro_estimates(sample_panel())
    >>> found.joint.names
    ('direct', 'spillover', 'complementarity', 'reduced form', 'first stage')
    """
    asked = design or MicroDesign()
    study = winners_vs_losers(data, asked.outcome)
    return joined_estimates(data, study, spillovers(data, specifications=specifications), asked)


def joined_estimates(data: MicroData, study: EventStudy, table: SpilloverTable, asked: MicroDesign) -> MicroEstimates:
    """Return the estimates of two designs that are fitted already: other event times need no other fit.

    Raises
    ------
    InputError
        As ``micro_estimates``.
    """
    column, other = (table.column(panel, f"({asked.column})") for panel in ("A", "B"))
    pieces = [_direct(data, study, asked)]
    for name, one in ((SPILLOVER, column), (COMPLEMENTARITY, other)):
        if one.regression is None:
            raise InvalidValue(
                key=f"Table 1, panel {one.panel.name}, column {asked.column}",
                value="not estimated",
                requirement="an estimate",
                remedy=one.reason,
            )
        pieces.append(_coefficient(name, one.regression, SHARE, f"{one.panel.name} "))
    assert column.regression is not None
    for name, outcome in ((REDUCED_FORM, column.panel.outcome), (FIRST_STAGE, SHARE)):
        fit = _on_instrument(table, column, column.regression, outcome)
        pieces.append(_coefficient(name, fit, INSTRUMENT, f"{column.panel.name} "))
    joint = joint_covariance(pieces, titles=[piece.names[0] for piece in pieces])
    effective = {
        piece.names[0]: {name: effective_clusters(piece.influence[:, 0], piece.labels[name]) for name in CLUSTERS}
        for piece in pieces
    }
    return MicroEstimates(asked, study, table, _plainly_named(joint, [piece.names[0] for piece in pieces]), effective)


def effective_clusters(influence: NDArray[np.float64], labels: pd.Series) -> float:
    """Return how many clusters a clustered variance rests on in effect: its Satterthwaite degrees of freedom.

    With independent normal cluster sums s_g of an estimate's influence, of variances ω_g, the clustered variance Σ s_g²
    is as spread as a χ² with (Σ ω_g)²/Σ ω_g² degrees of freedom: G where clusters weigh the same, few where a few
    dominate.  E[Σ s_g⁴] = 3 Σ ω_g² and E[(Σ s_g²)²] = (Σ ω_g)² + 2 Σ ω_g², so that it is estimated by

        3 (Σ s_g²)² / Σ s_g⁴ − 2

    Parameters
    ----------
    influence
        One value a row, (n,).
    labels
        The cluster of each row.

    Returns
    -------
    float
        At least 1 (one cluster is all), of the order of G at most.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> sums = np.random.default_rng(1).normal(size=2000)
    >>> 1700.0 < effective_clusters(sums, pd.Series(range(2000))) < 2300.0
    True
    >>> effective_clusters(np.array([1.0, 0.0, 0.0]), pd.Series(["a", "b", "c"]))
    1.0
    """
    square = pd.Series(influence).groupby(labels.to_numpy()).sum().to_numpy() ** 2
    largest = float(square.max(initial=0.0))
    if largest == 0.0:
        return 0.0
    square = square / largest  # fourth powers of small numbers vanish
    return float(3.0 * square.sum() ** 2 / (square**2).sum() - 2.0)


def _plainly_named(joint: JointEstimates, names: Sequence[str]) -> JointEstimates:
    """Return the estimates under one name each, instead of "title: name"."""
    return replace(joint, names=tuple(names))


def _direct(data: MicroData, study: EventStudy, design: MicroDesign) -> InfluenceFunctions:
    """Return the mean of the event study's coefficients at the chosen event times."""
    missing = [k for k in design.event_times if k not in study.event_times]
    if missing:
        raise InvalidValue(
            key="event_times",
            value=missing[0],
            requirement="an event time that the study estimates",
            remedy=f"choose from {', '.join(str(k) for k in study.event_times if k >= 0)}",
        )
    fit = study.regression
    weights = np.zeros(fit.k)
    weights[[fit.position(term_of(k)) for k in design.event_times]] = 1.0 / len(design.event_times)
    firms = study.stack.frame.loc[fit.rows, "firm"]
    return _functional(DIRECT, fit, weights, "event ", _clusters_of(data, firms))


def _clusters_of(data: MicroData, firms: Any) -> pd.DataFrame:
    """Return region and business group of each row's firm; a firm outside groups is a cluster of its own."""
    region = data.panel.drop_duplicates("firm").set_index("firm")["region"]
    groups = data.groups
    member = {} if groups is None else dict(zip(groups["firm"], groups["group"], strict=True))
    names = [f"group {member[firm]}" if firm in member else f"firm {firm}" for firm in firms]
    return pd.DataFrame({"region": region.reindex(firms).to_numpy(), "group_cluster": names})


def _on_instrument(table: SpilloverTable, column: SpilloverColumn, fit: Regression, outcome: str) -> Regression:
    """Regress an outcome on the column's instrument and controls, on the very rows of the column."""
    controls, _ = control_list(table.sample, column.specification)
    exogenous = [INSTRUMENT, *([column.panel.initial] if column.specification.initial else []), *controls]
    return ols(
        table.sample.frame.loc[fit.rows],
        f"{outcome} ~ {' + '.join(exogenous)} | {' + '.join(column.specification.effects)}",
        cluster=list(column.specification.clusters),
        small_sample=fit.small_sample,
    )


def _coefficient(name: str, fit: Regression, term: str, prefix: str) -> InfluenceFunctions:
    weights: NDArray[np.float64] = np.zeros(fit.k)
    weights[fit.position(term)] = 1.0
    return _functional(name, fit, weights, prefix, fit.labels[CLUSTERS].reset_index(drop=True))


def _functional(
    name: str, fit: Regression, weights: NDArray[np.float64], prefix: str, clusters: pd.DataFrame
) -> InfluenceFunctions:
    """Return a linear functional of a regression's coefficients; its rows get the sample's name, so as to be unique."""
    rows = pd.Index([f"{prefix}{row}" for row in fit.rows])
    return InfluenceFunctions(
        names=(name,),
        coefficients=np.array([weights @ fit.coefficients]),
        influence=(fit.influence @ weights)[:, None],
        rows=rows,
        labels=clusters.set_axis(rows),
        covariance=fit.covariance,
        parameters=fit.parameters,
    )
