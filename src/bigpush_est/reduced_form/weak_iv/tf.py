"""The tF procedure of Lee, McCrary, Moreira and Porter (2022): a t-test whose critical value depends on the first F.

With one instrument and worst-case endogeneity, |ρ| = 1, the 2SLS t-ratio is t = f(f − f_0)/f_0, where f is the
first-stage t-ratio and f_0 its mean.  The critical value c(f) is the decreasing function under which the test rejects
with probability α for every f_0: writing f̄ for the upper end of the acceptance region and −x for the lower one,

    c(f̄) = f̄(f̄ − f_0)/f_0,    c(x) = x(x + f_0)/f_0,    Φ(f_0 − f̄) + Φ(−x − f_0) = α.

It is solved here as that fixed point, and never falls below the normal critical value: at α = 5% it gives their 3.43
at F = 10 and 1.96 from F = 104.67 on.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bigpush_est.errors import InvalidValue
from bigpush_est.reduced_form.result import Result


@dataclass(frozen=True, slots=True, repr=False)
class TFInterval(Result):
    """A tF confidence interval: estimate ± c(F) · standard error.

    Attributes
    ----------
    low, high
        Ends; infinite where F does not exceed the squared normal critical value.
    critical_value
        c(F).
    adjusted_standard_error
        Standard error with which the usual interval equals this one.
    """

    low: float
    high: float
    critical_value: float
    adjusted_standard_error: float
    level: float

    def tidy(self) -> pd.DataFrame:
        """One row: ``low``, ``high``, ``critical_value``, ``adjusted_standard_error``, ``level``."""
        return pd.DataFrame(
            {
                "low": [self.low],
                "high": [self.high],
                "critical_value": [self.critical_value],
                "adjusted_standard_error": [self.adjusted_standard_error],
                "level": [self.level],
            }
        )

    def summary(self) -> str:
        """Return the interval in one line."""
        return (
            f"tF {self.level:.0%} interval [{self.low:.4g}, {self.high:.4g}], critical value {self.critical_value:.4g}"
        )


@cache
def _critical_curve(level: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """First-stage |t| on a grid, and c there."""
    from scipy.special import ndtr, ndtri

    alpha = 1.0 - level
    one_sided, two_sided = -ndtri(alpha), -ndtri(alpha / 2.0)
    # c(f) = f z₁/(f − z₁) without the lower region falls to the normal value z₂ at z₁ z₂/(z₂ − z₁)
    top = one_sided * two_sided / (two_sided - one_sided) * 1.02
    grid = np.concatenate(
        [np.linspace(two_sided + 5e-4, two_sided + 0.25, 400), np.linspace(two_sided + 0.25, top, 1200)[1:]]
    )
    mean = np.maximum(grid - one_sided, 1e-3)
    for _ in range(100):
        critical = grid * (grid - mean) / mean
        lower = critical > grid
        # c(x) = x(x + f₀)/f₀ solved for f₀ at each x, to be read the other way round
        means_of_x = grid[lower] ** 2 / (critical[lower] - grid[lower])
        order = np.argsort(means_of_x)
        low, high = np.full_like(grid, 1e-9), grid.copy()
        for _ in range(60):
            middle = 0.5 * (low + high)
            x = np.interp(middle, means_of_x[order], grid[lower][order])
            rejects = ndtr(middle - grid) + ndtr(-x - middle) > alpha
            low, high = np.where(rejects, low, middle), np.where(rejects, middle, high)
        following = 0.5 * (low + high)
        moved = float(np.max(np.abs(following - mean)))
        mean = following
        if moved < 1e-10:
            break
    return grid, np.maximum(grid * (grid - mean) / mean, two_sided)


def tf_critical_value(first_stage_f: float, level: float = 0.95) -> float:
    """c(F): the critical value of |t| at a first-stage F.

    Parameters
    ----------
    first_stage_f
        Kleibergen-Paap or effective F of a single instrument.
    level
        Confidence level.

    Returns
    -------
    float
        ∞ where F does not exceed the squared normal critical value.

    Raises
    ------
    InvalidValue
        For a negative or missing F, or a level outside [0.8, 0.995].

    Examples
    --------
    >>> round(tf_critical_value(10.0), 2), round(tf_critical_value(104.67), 2)
    (3.43, 1.96)
    """
    if not (np.isfinite(first_stage_f) and first_stage_f >= 0):
        raise InvalidValue(
            key="first_stage_f",
            value=first_stage_f,
            requirement="a number, not negative",
            remedy="pass the F statistic",
        )
    if not 0.8 <= level <= 0.995:
        raise InvalidValue(key="level", value=level, requirement="between 0.8 and 0.995", remedy="pass 0.95 or 0.9")
    grid, critical = _critical_curve(level)
    root = float(np.sqrt(first_stage_f))
    if root <= grid[0]:
        return float("inf")
    return float(np.interp(root, grid, critical))


def tf_interval(estimate: float, standard_error: float, first_stage_f: float, level: float = 0.95) -> TFInterval:
    """tF confidence interval of a just-identified IV estimate.

    Examples
    --------
    Column 3 of the paper's Table 1, Panel A:

    >>> interval = tf_interval(2.70, 0.73, 21.56)
    >>> round(interval.low, 2), round(interval.high, 2)
    (0.84, 4.56)
    """
    if not (np.isfinite(standard_error) and standard_error > 0):
        raise InvalidValue(
            key="standard_error",
            value=standard_error,
            requirement="positive",
            remedy="pass the standard error of the IV",
        )
    from scipy.special import ndtri

    critical = tf_critical_value(first_stage_f, level)
    normal = float(-ndtri((1.0 - level) / 2.0))
    half = critical * standard_error
    return TFInterval(estimate - half, estimate + half, critical, standard_error * critical / normal, level)
