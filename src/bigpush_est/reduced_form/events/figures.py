"""Figures of an event study and of its matches."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from bigpush_est.reduced_form.result import axes_or_new

_BLUE, _VERMILION, _GREY = "#0072B2", "#D55E00", "#6B6B6B"


def coefficients(table: pd.DataFrame, outcome: str, level: float, axes: Axes | None = None) -> Axes:
    """Draw estimates and intervals by event time; ``table`` as ``EventStudy.tidy`` returns it."""
    axes = axes_or_new(axes)
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
    axes.set_ylabel(_plain(outcome))
    axes.set_title(f"Winners against losers, {100 * level:g}% intervals", loc="left", fontsize=9)
    return axes


def means(table: pd.DataFrame, outcome: str, relative: bool, reference: int, axes: Axes | None = None) -> Axes:
    """Draw mean outcomes by event time; ``table`` as ``raw_means`` returns it."""
    axes = axes_or_new(axes)
    column = "mean_change" if relative else "mean"
    error = "std_error_change" if relative else "std_error"
    axes.axvline(-0.5, color=_GREY, linewidth=0.7, linestyle=":")
    for group, colour in (("winners", _BLUE), ("losers", _VERMILION)):
        part = table[table["group"] == group]
        axes.errorbar(
            part["event_time"], part[column], 1.96 * part[error].fillna(0.0), color=colour, label=group, capsize=2
        )
    axes.set_xlabel("years since the contract")
    axes.set_ylabel(_plain(f"{outcome}, less its value at {reference}" if relative else outcome))
    axes.legend(frameon=False)
    return axes


def balance(table: pd.DataFrame, axes: Axes | None = None) -> Axes:
    """Draw standardised differences before and after matching; ``table`` as ``balance_table`` returns it."""
    names = list(dict.fromkeys(table["variable"]))
    axes = axes_or_new(axes, (6.0, 1.2 + 0.35 * len(names)))
    height = np.arange(len(names))[::-1]
    for sample, marker, colour in (("before", "o", _VERMILION), ("after", "s", _BLUE)):
        part = table[table["sample"] == sample].set_index("variable")["standardised_difference"]
        axes.plot(part.reindex(names), height, marker, color=colour, label=f"{sample} matching")
    axes.axvline(0.0, color=_GREY, linewidth=0.7)
    axes.set_yticks(height, [_plain(name) for name in names])
    axes.set_xlabel("losers less winners, standardised difference")
    axes.legend(frameon=False)
    return axes


def _plain(text: str) -> str:
    """Keep a name from being read as mathematics."""
    return text.replace("$", r"\$")
