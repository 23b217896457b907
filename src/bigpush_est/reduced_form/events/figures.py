"""Figures of an event study."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

_BLUE, _VERMILION, _GREY = "#0072B2", "#D55E00", "#6B6B6B"


def coefficients(table: pd.DataFrame, outcome: str, level: float) -> Figure:
    """Draw estimates and intervals by event time; ``table`` as ``EventStudy.tidy`` returns it."""
    figure = Figure(figsize=(6.0, 3.6), layout="constrained")
    axes = figure.subplots()
    shown = table[table["event_time"].notna()]
    times = shown["event_time"].to_numpy(dtype=np.float64)
    estimates = shown["estimate"].to_numpy(dtype=np.float64)
    low = shown["conf_low"].to_numpy(dtype=np.float64, na_value=np.nan)
    high = shown["conf_high"].to_numpy(dtype=np.float64, na_value=np.nan)
    axes.axhline(0.0, color=_GREY, linewidth=0.7)
    axes.axvline(-0.5, color=_GREY, linewidth=0.7, linestyle=":")
    axes.vlines(times, low, high, color=_BLUE, linewidth=1.2)
    axes.plot(times, estimates, "o", color=_BLUE, markersize=4)
    axes.set_xlabel("years since the contract")
    axes.set_ylabel(outcome)
    axes.set_title(f"Winners against losers, {100 * level:g}% intervals", loc="left", fontsize=9)
    return figure


def means(table: pd.DataFrame, outcome: str, relative: bool, reference: int) -> Figure:
    """Draw mean outcomes by event time; ``table`` as ``raw_means`` returns it."""
    figure = Figure(figsize=(6.0, 3.6), layout="constrained")
    axes = figure.subplots()
    column = "mean_change" if relative else "mean"
    error = "std_error_change" if relative else "std_error"
    axes.axvline(-0.5, color=_GREY, linewidth=0.7, linestyle=":")
    for group, colour in (("winners", _BLUE), ("losers", _VERMILION)):
        part = table[table["group"] == group]
        axes.errorbar(
            part["event_time"], part[column], 1.96 * part[error].fillna(0.0), color=colour, label=group, capsize=2
        )
    axes.set_xlabel("years since the contract")
    axes.set_ylabel(f"{outcome}, less its value at {reference}" if relative else outcome)
    axes.legend(frameon=False)
    return figure
