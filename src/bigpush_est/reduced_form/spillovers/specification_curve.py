"""One effect under many defensible choices: a grid of designs, columns, effects and samples, with a plot.

After Simonsohn, Simmons and Nelson (2020), the estimates in ascending order above a panel of marks that says which
choices each rests on.  Estimates of one data set are not independent: the curve shows how far choices matter, it is no
test.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from bigpush_est.data.frames import MicroData
from bigpush_est.errors import BigPushError, InvalidValue
from bigpush_est.reduced_form.result import Result
from bigpush_est.reduced_form.spillovers.columns import (
    EFFECTS,
    TABLE1,
    Panel,
    Specification,
    estimate_column,
    panel_named,
    panel_rows,
)
from bigpush_est.reduced_form.spillovers.sample import SpilloverDesign, SpilloverSample, spillover_sample

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Which rows of the panel to keep, from the rows.
type RowChoice = Callable[[pd.DataFrame], "pd.Series | np.ndarray[Any, np.dtype[np.bool_]]"]


def _all_rows(rows: pd.DataFrame) -> pd.Series:
    return pd.Series(True, index=rows.index)


@dataclass(frozen=True, slots=True, repr=False)
class SpecificationCurve(Result):
    """Estimates of β over a grid of choices.

    Attributes
    ----------
    frame
        One row per combination: ``ring``, ``lag``, ``outcome``, ``controls``, ``effects``, ``sample``, ``Estimate``,
        ``Std. Error``, ``low``, ``high`` (t-interval), ``KP F``, ``N``, ``reason`` where it could not be estimated.
    choices
        The columns of the frame that vary.
    level
        Of the intervals.
    """

    frame: pd.DataFrame
    choices: tuple[str, ...]
    level: float

    @property
    def estimated(self) -> pd.DataFrame:
        """The combinations that could be estimated, by estimate."""
        known = self.frame[self.frame["Estimate"].notna()]
        return known.sort_values("Estimate", kind="stable", ignore_index=True)

    def tidy(self) -> pd.DataFrame:
        """Return the frame."""
        return self.frame

    def summary(self) -> str:
        """Say how estimates spread, by which choice most, and what could not be estimated."""
        known = self.estimated
        lines = [
            f"{len(known)} of {len(self.frame)} combinations estimated; median {known['Estimate'].median():.3g}, from "
            f"{known['Estimate'].min():.3g} to {known['Estimate'].max():.3g}; {self.level:.0%} interval above 0 in "
            f"{(known['low'] > 0).mean():.0%}, below 0 in {(known['high'] < 0).mean():.0%}"
        ]
        for choice in self.choices:
            medians = known.groupby(choice, sort=False)["Estimate"].median()
            lines.append(f"median by {choice}: " + ", ".join(f"{name}: {value:.3g}" for name, value in medians.items()))
        failed = self.frame[self.frame["Estimate"].isna()]
        lines += [f"not estimated: {count} ({reason})" for reason, count in failed["reason"].value_counts().items()]
        return "\n".join(lines)

    def plot(self) -> "Axes":
        """Draw the estimates with their intervals, and below them which choices each rests on.

        Returns
        -------
        Axes
            Of the estimates; the marks are the other axes of its ``figure``.
        """
        from matplotlib.figure import Figure

        known = self.estimated
        lines = [(choice, value) for choice in self.choices for value in known[choice].unique()]
        figure = Figure(figsize=(8.0, 3.0 + 0.18 * len(lines)), layout="constrained")
        upper: Axes
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[3.0, max(0.18 * len(lines), 0.5)])
        place = np.arange(len(known))
        upper.vlines(place, known["low"], known["high"], color="0.7", linewidth=0.8)
        upper.plot(place, known["Estimate"], ".", color="C0")
        upper.axhline(0.0, color="0.4", linewidth=0.8)
        upper.set_ylabel("β")
        for height, (choice, value) in enumerate(reversed(lines)):
            marked = place[(known[choice] == value).to_numpy()]
            lower.plot(marked, np.full(marked.size, height), "|", color="C0")
        lower.set_yticks(range(len(lines)), [f"{choice}: {value}" for choice, value in reversed(lines)], fontsize=7)
        lower.set_xlabel("specification, by estimate")
        return upper


def specification_curve(
    data: MicroData,
    *,
    panel: Panel | str = "A",
    base: Specification = TABLE1[2],
    design: SpilloverDesign | None = None,
    rings: Sequence[float] = (50.0, 100.0, 150.0),
    lags: Sequence[int] = (2,),
    outcomes: Sequence[str] | None = None,
    controls: Sequence[tuple[str, ...]] | None = None,
    initial: Sequence[bool] = (True, False),
    effects: Mapping[str, tuple[str, ...]] | None = None,
    samples: Mapping[str, RowChoice] | None = None,
    ports: Any = None,
    level: float = 0.95,
) -> SpecificationCurve:
    """Estimate every combination of choices.

    Parameters
    ----------
    data
        Micro data.
    panel
        "A" or "B".
    base
        Column whose estimator, clusters and instruments all combinations have.
    design
        Choices that do not vary.
    rings, lags, outcomes
        Of the design; one sample is built per combination.  Outcomes are columns of the panel, in logs if the design
        takes logs.
    controls
        Blocks; by default those of Table 1's columns 2 to 8.
    initial
        With and without the outcome's initial level.
    effects
        Sets of fixed effects by name; by default the table's, and the same without groups by sector.
    samples
        Rows to keep by name, from functions of the panel's rows; by default all.
    ports
        For the controls with the distance to port.
    level
        Of the t-intervals.

    Returns
    -------
    SpecificationCurve
        Combinations that cannot be estimated stay in it with the reason.

    Raises
    ------
    InvalidValue
        For an empty list of choices.
    """
    which, base_design = panel_named(panel), SpilloverDesign() if design is None else design
    chosen: dict[str, Sequence[Any]] = {
        "ring": rings,
        "lag": lags,
        "outcome": [base_design.outcome] if outcomes is None else outcomes,
        "controls": [s.controls for s in TABLE1[1:]] if controls is None else controls,
        "initial": initial,
        "effects": list(
            {"region, sector, group-sector": EFFECTS, "region, sector": ("region", "sector", "span")}.items()
            if effects is None
            else effects.items()
        ),
        "sample": list(({"all": _all_rows} if samples is None else samples).items()),
    }
    for name, values in chosen.items():
        if not len(values):
            raise InvalidValue(key=name, value="empty", requirement="at least one choice", remedy="leave it out")
    found = []
    for ring, lag, outcome in product(chosen["ring"], chosen["lag"], chosen["outcome"]):
        asked = replace(base_design, ring=float(ring), lag=lag, outcome=outcome)
        sample: SpilloverSample | None = None
        failed = ""
        try:
            sample = spillover_sample(data, asked, ports=ports)
        except BigPushError as error:
            failed = str(error)
        for blocks, level_too, (effects_name, effect), (rows_name, keep) in product(
            chosen["controls"], chosen["initial"], chosen["effects"], chosen["sample"]
        ):
            row: dict[str, Any] = {
                "ring": ring,
                "lag": lag,
                "outcome": outcome,
                "controls": ", ".join(blocks) or "none",
                "initial": level_too,
                "effects": effects_name,
                "sample": rows_name,
            }
            if sample is None:
                found.append({**row, "reason": failed})
                continue
            one = replace(base, controls=tuple(blocks), initial=level_too, effects=tuple(effect))
            found.append({**row, **_estimate(sample, one, which, keep, level)})
    columns = [*chosen, "Estimate", "Std. Error", "low", "high", "KP F", "N", "reason"]
    frame = pd.DataFrame(found).reindex(columns=columns)
    varying = tuple(name for name in chosen if frame[name].nunique() > 1)
    return SpecificationCurve(frame, varying, level)


def _estimate(
    sample: SpilloverSample, specification: Specification, panel: Panel, keep: RowChoice, level: float
) -> dict[str, Any]:
    rows = panel_rows(sample, panel)
    kept = rows[np.asarray(keep(rows), dtype=bool)]
    try:
        column = estimate_column(sample, specification, panel, data=kept, level=level)
    except BigPushError as error:
        return {"reason": str(error)}
    if column.regression is None:
        return {"reason": column.reason}
    low, high = column.regression.confidence_interval(level)[column.regression.position("share_change")]
    return {
        "Estimate": column.estimate,
        "Std. Error": column.standard_error,
        "low": float(low),
        "high": float(high),
        "KP F": column.kleibergen_paap_f,
        "N": column.regression.n,
        "reason": "",
    }
