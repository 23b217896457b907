"""Randomisation inference for the group instrument: adoptions are redrawn, the instrument rebuilt, its structure kept.

Equation (3.4) is no textbook shift-share (its shocks differ by region, its exposures by firm, its shares change), so
formulas for shift-shares do not apply.  Its own structure does: IV = A x with x the units' histories.  Under β = b and
an effect that is the same for everybody, e(b) = M_W(Δy − b ΔShare) would be what it is had x been drawn otherwise.
With weights ω and the expected history μ,

    T(b; x) = Σ_i ω_i e_i(b) [A (x − μ)]_i = (s_y − b s_x)′ (x − μ),    s_y = A′ω M_W Δy,    s_x = A′ω M_W ΔShare

so a draw costs one product of length U·T.  Taking μ off ("recentring", Borusyak and Hull 2023) keeps firms that would
be more exposed under any draw from standing for treated ones.  For R draws the p-value of β = b is

    p(b) = (1 + #{r : |T(b; x_r)| ≥ |T(b; x)|}) / (R + 1)

and the confidence set {b : p(b) > α} is found exactly: each draw's condition is a quadratic inequality in b, and p
is constant between their roots.  It may be unbounded, disjoint or empty.  T = 0 at the recentred IV estimate.

The redraw keeps fixed effects and controls W as they are, the groups' sales among them.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from bigpush_est.errors import InvalidValue, ShapeMismatch
from bigpush_est.reduced_form.result import Result, axes_or_new
from bigpush_est.reduced_form.spillovers.assignment import AssignmentProcess, PermuteBlocks
from bigpush_est.reduced_form.spillovers.group_instrument import GroupInstrument
from bigpush_est.reduced_form.weak_iv.confidence_set import ConfidenceSet, check_level, join

if TYPE_CHECKING:
    from matplotlib.axes import Axes

type FloatArray = NDArray[np.float64]

#: |T| of a draw within this share of the sample's counts as a tie.
TIE = 1e-9
#: Draws held in memory at a time.
CHUNK = 500


@dataclass(frozen=True, slots=True, repr=False)
class RandomisationResult(Result):
    """Inference on β from redrawn adoptions.

    Attributes
    ----------
    estimate
        b at which T(b; x) = 0: the IV estimate with the recentred instrument.
    null
        The b that is tested.
    p_value
        Ties count against the null's rejection.
    p_value_strict
        Ties do not count: a p-value is right anywhere between the two.
    ties
        Draws with the sample's |T|.
    draws
        R; of an enumeration, the permutations without the identity.
    enumerated
        Whether every permutation was looked at once.
    distinct
        Draws whose instrument differs from the sample's.
    confidence_set
        {b : p(b) > 1 − level}.
    process
        What was redrawn.
    exact
        Whether the p-value is exact for any sample size if the process is right and the effect constant.
    recentred
        Whether the expected instrument was taken off, and ``mean`` how it was found.
    seed
        Of the draws.
    statistics
        (s_y′(x_r − μ), s_x′(x_r − μ)) of the draws, the sample's first, shape (R + 1, 2).
    """

    estimate: float
    null: float
    p_value: float
    p_value_strict: float
    ties: int
    draws: int
    enumerated: bool
    distinct: int
    confidence_set: ConfidenceSet
    process: str
    exact: bool
    recentred: bool
    mean: str
    seed: int
    statistics: FloatArray

    def p_value_at(self, value: float) -> float:
        """Return p(b)."""
        return _p_value(self.statistics, value)[0]

    def tidy(self) -> pd.DataFrame:
        """One row: estimate, null, p-values, draws and the ends of the confidence set."""
        return pd.DataFrame(
            {
                "Estimate": [self.estimate],
                "null": [self.null],
                "p_value": [self.p_value],
                "p_value_strict": [self.p_value_strict],
                "draws": [self.draws],
                "distinct": [self.distinct],
                "conf_low": [self.confidence_set.low],
                "conf_high": [self.confidence_set.high],
                "confidence set": [str(self.confidence_set)],
            }
        )

    def plot(self, axes: "Axes | None" = None) -> "Axes":
        """Draw the statistic at the null over the draws, and the sample's."""
        axes = axes_or_new(axes)
        values = self.statistics[:, 0] - self.null * self.statistics[:, 1]
        axes.hist(values[1:], bins=40, color="0.75")
        axes.axvline(values[0], color="C3", label="sample")
        axes.set_xlabel(f"T({self.null:g}) over redrawn adoptions")
        axes.set_ylabel("draws")
        axes.legend(frameon=False)
        return axes

    def summary(self) -> str:
        """Say what was redrawn and what came out."""
        how = "all permutations" if self.enumerated else f"{self.draws} draws (seed {self.seed})"
        return (
            f"{self.process}\n{how}, {self.distinct} with another instrument; expected instrument: {self.mean}\n"
            f"estimate {self.estimate:.4g}; p of β = {self.null:g}: {self.p_value:.4f} "
            f"({self.p_value_strict:.4f} without {self.ties} ties); "
            f"{self.confidence_set.level:.0%} set {self.confidence_set}"
        )


def randomisation_inference(
    instrument: GroupInstrument,
    histories: ArrayLike,
    outcome: ArrayLike,
    regressor: ArrayLike,
    process: AssignmentProcess,
    *,
    weights: ArrayLike | None = None,
    rows: ArrayLike | None = None,
    draws: int = 1999,
    seed: int = 0,
    null: float = 0.0,
    level: float = 0.95,
    recentre: bool = True,
) -> RandomisationResult:
    """Test β = null and form a confidence set by redrawing adoptions.

    Parameters
    ----------
    instrument
        The map A.
    histories
        x as observed, shape (U, T).
    outcome, regressor
        M_W Δy and M_W ΔShare: without fixed effects and controls, shape (n,).
    process
        How adoptions are redrawn.
    weights
        ω, shape (n,).
    rows
        Which rows of the instrument these n observations are, shape (n,); by default all.
    draws
        R.  A permutation process with no more permutations than this is enumerated instead.
    seed
        Of the draws.
    null, level
        The tested value and the confidence level.
    recentre
        Whether the expected instrument is taken off.

    Returns
    -------
    RandomisationResult

    Raises
    ------
    ShapeMismatch
        If arrays do not belong together.
    InvalidValue
        For rows without an instrument, missing values, fewer than 19 draws, or an instrument that no draw changes.

    Examples
    --------
    Eight groups with a unit in each of two far towns, where a firm outside groups meets every group; those of the
    first four groups adopt.  Outcome and regressor, without effects, follow the instrument of the firm in either town:

    >>> import pandas as pd
    >>> from bigpush_est.reduced_form.spillovers.group_instrument import group_instrument
    >>> from bigpush_est.reduced_form.spillovers.group_network import Network
    >>> units = pd.DataFrame({"firm": range(16), "group": np.repeat(range(8), 2), "region": ["a", "b"] * 8})
    >>> places = pd.DataFrame({"region": ["a", "b"], "latitude": [37.3, 35.5], "longitude": [127.0, 129.3]})
    >>> firms = units.assign(start=1970, end=1977, denominator_start=4.0, denominator_end=4.0)
    >>> instrument = group_instrument(Network.build(units, places, sector=None), firms, sector=None)
    >>> histories = np.column_stack([np.zeros(16), np.repeat([1.0] * 4 + [0.0] * 4, 2)])
    >>> z = instrument.value(histories) - instrument.value(histories).mean()
    >>> noise = np.random.default_rng(1).normal(0.0, 0.02, 16)
    >>> process = PermuteBlocks.build(instrument, "group")
    >>> found = randomisation_inference(instrument, histories, 2.0 * z + noise, z, process, draws=999)
    >>> round(found.estimate, 1), found.p_value < 0.05, found.confidence_set.contains(2.0)
    (2.0, True, True)
    """
    check_level(level)
    if isinstance(draws, bool) or not isinstance(draws, int) or draws < 19:
        raise InvalidValue(key="draws", value=draws, requirement="19 or more", remedy="pass 1999")
    x = np.asarray(histories, dtype=np.float64)
    if x.shape != (len(instrument.units), len(instrument.dates)):
        raise ShapeMismatch(
            key="histories",
            shape=x.shape,
            expected=f"({len(instrument.units)}, {len(instrument.dates)}), units by dates",
            remedy="order them as the instrument's units and dates",
        )
    scores = _scores(instrument, outcome, regressor, weights, rows)
    permutes = isinstance(process, PermuteBlocks)
    enumerated = isinstance(process, PermuteBlocks) and process.permutations <= draws + 1
    if isinstance(process, PermuteBlocks) and enumerated:
        drawn = np.stack([history.ravel() @ scores for history in process.enumerate(x)][1:])
    else:
        drawn = _draw(process, x, scores, draws, seed)
    observed = x.ravel() @ scores
    everything = np.vstack([observed, drawn])
    mean, how = np.zeros(2), "left in"
    if recentre:
        expected = process.expected(x)
        if expected is not None:
            mean = expected.ravel() @ scores
            how = "exact mean of the permutations" if permutes else "mean of the process"
        else:
            mean, how = everything.mean(axis=0), "mean of the draws, the sample's own included"
    # scores of nothing but rounding would look like draws that differ
    scale = np.abs(x.ravel()) @ np.abs(scores) + 1e-300
    distinct = int((np.abs(drawn - observed) > TIE * scale).any(axis=1).sum())
    if not distinct:
        raise InvalidValue(
            key="process",
            value=process.text,
            requirement="one that changes the instrument",
            remedy="permute at another level, or redraw adoptions",
        )
    statistics = everything - mean
    p_value, strict, ties = _p_value(statistics, null)
    return RandomisationResult(
        estimate=float(statistics[0, 0] / statistics[0, 1]) if statistics[0, 1] != 0 else float("nan"),
        null=float(null),
        p_value=p_value,
        p_value_strict=strict,
        ties=ties,
        draws=len(drawn),
        enumerated=enumerated,
        distinct=distinct,
        confidence_set=invert(statistics, level),
        process=process.text,
        exact=process.exact,
        recentred=recentre,
        mean=how,
        seed=seed,
        statistics=statistics,
    )


def _scores(
    instrument: GroupInstrument,
    outcome: ArrayLike,
    regressor: ArrayLike,
    weights: ArrayLike | None,
    rows: ArrayLike | None,
) -> FloatArray:
    """s_y and s_x, shape (U·T, 2)."""
    count = instrument.operator.shape[0]
    chosen = np.arange(count) if rows is None else np.asarray(rows, dtype=np.int64)
    omega = np.ones(chosen.size) if weights is None else np.asarray(weights, dtype=np.float64)
    columns = [np.asarray(values, dtype=np.float64) for values in (outcome, regressor)]
    for key, values in (("outcome", columns[0]), ("regressor", columns[1]), ("weights", omega)):
        if values.shape != chosen.shape:
            raise ShapeMismatch(
                key=key, shape=values.shape, expected=f"({chosen.size},)", remedy="pass one value per row"
            )
        if not np.isfinite(values).all():
            row = int(np.flatnonzero(~np.isfinite(values))[0])
            raise InvalidValue(
                key=f"{key}[{row}]", value=values[row], requirement="known", remedy="drop the row from all arrays"
            )
    if chosen.size == 0 or chosen.min() < 0 or chosen.max() >= count:
        raise InvalidValue(
            key="rows", value=f"{chosen.size} rows", requirement=f"from 0 to {count - 1}", remedy="number from 0"
        )
    if instrument.missing[chosen].any():
        raise InvalidValue(
            key="rows",
            value=f"{int(instrument.missing[chosen].sum())} without an instrument",
            requirement="rows with an instrument",
            remedy="drop them before fixed effects are taken out",
        )
    weighted = omega[:, None] * np.column_stack(columns)
    return np.asarray(instrument.operator[chosen].T @ weighted, dtype=np.float64)


def _draw(process: AssignmentProcess, x: FloatArray, scores: FloatArray, draws: int, seed: int) -> FloatArray:
    random = np.random.default_rng(seed)
    parts = []
    for first in range(0, draws, CHUNK):
        count = min(CHUNK, draws - first)
        parts.append(process.draw(x, random, count).reshape(count, -1) @ scores)
    return np.vstack(parts)


def _p_value(statistics: FloatArray, value: float) -> tuple[float, float, int]:
    """p(b) with ties, without them, and their number."""
    t = np.abs(statistics[:, 0] - value * statistics[:, 1])
    slack = TIE * (np.abs(statistics[:, 0]) + np.abs(value * statistics[:, 1])).max()
    ties = int((np.abs(t[1:] - t[0]) <= slack).sum())
    above = int((t[1:] > t[0] + slack).sum())
    return (1 + above + ties) / len(t), (1 + above) / len(t), ties


def invert(statistics: ArrayLike, level: float) -> ConfidenceSet:
    """Return {b : p(b) > 1 − level} exactly.

    Draw r satisfies |a_r − b c_r| ≥ |a_0 − b c_0| where (c_r² − c_0²) b² − 2(a_r c_r − a_0 c_0) b + a_r² − a_0² ≥ 0:
    between two roots, outside them, on a half-line, everywhere or nowhere.

    Parameters
    ----------
    statistics
        (a_r, c_r), the sample's first, shape (R + 1, 2).
    level
        Confidence level.

    Returns
    -------
    ConfidenceSet

    Examples
    --------
    With 19 draws p falls to 1/20 where no draw's |a − bc| is as large as the sample's; here c never changes:

    >>> draws = np.column_stack([np.linspace(-9.0, 9.0, 19), np.zeros(19)])
    >>> str(invert(np.vstack([[20.0, 1.0], draws]), 0.94))
    '[11, 29]'
    """
    table = np.asarray(statistics, dtype=np.float64)
    (a0, c0), a, c = table[0], table[1:, 0], table[1:, 1]
    square, half, constant = c * c - c0 * c0, a * c - a0 * c0, a * a - a0 * a0
    # (a_r, c_r) = ±(a_0, c_0) up to rounding: the inequality is an equality everywhere
    big_a, big_c = np.abs(table[:, 0]).max() + 1e-300, np.abs(table[:, 1]).max() + 1e-300
    same = np.zeros(a.size, dtype=bool)
    for sign in (1.0, -1.0):
        same |= (np.abs(a - sign * a0) <= TIE * big_a) & (np.abs(c - sign * c0) <= TIE * big_c)
    flat = np.abs(square) <= 1e-14 * big_c**2
    lows, highs, everywhere = [], [], int(same.sum())
    left = ~same & ~flat
    # the roots are rational: (a_r − a_0)/(c_r − c_0) and (a_r + a_0)/(c_r + c_0)
    one, two = (a[left] - a0) / (c[left] - c0), (a[left] + a0) / (c[left] + c0)
    low, high = np.minimum(one, two), np.maximum(one, two)
    between = square[left] < 0
    count = int((~between).sum())
    lows += [low[between], np.full(count, -np.inf), high[~between]]
    highs += [high[between], low[~between], np.full(count, np.inf)]
    level_line = ~same & flat
    slope, start = -2.0 * half[level_line], constant[level_line]
    steep = np.abs(slope) > 1e-14 * big_a * big_c
    everywhere += int((start[~steep] >= 0).sum())
    root, rising = -start[steep] / slope[steep], slope[steep] > 0
    lows += [root[rising], np.full(int((~rising).sum()), -np.inf)]
    highs += [np.full(int(rising.sum()), np.inf), root[~rising]]
    return _where_enough(np.concatenate(lows), np.concatenate(highs), everywhere, len(table), level)


def _where_enough(lows: FloatArray, highs: FloatArray, everywhere: int, size: int, level: float) -> ConfidenceSet:
    """Return the points that lie in enough of some closed intervals: (1 + count)/size > 1 − level."""
    # rounding must not decide whether k/size exceeds α
    needed = (1.0 - level) * size * (1.0 + 1e-12) - 1.0 - everywhere
    points = np.unique(np.concatenate([lows, highs]))
    points = points[np.isfinite(points)]
    edges = np.concatenate([[-np.inf], points, [np.inf]])
    starts, ends = np.sort(lows), np.sort(highs)
    # on the open interval from edges[k] to edges[k + 1]: started at or before its left end, not ended there
    inside = np.searchsorted(starts, edges[:-1], side="right") - np.searchsorted(ends, edges[:-1], side="right")
    at_point = np.searchsorted(starts, points, side="right") - np.searchsorted(ends, points, side="left")
    pieces = [(float(edges[k]), float(edges[k + 1])) for k in np.flatnonzero(inside > needed)]
    pieces += [(float(points[k]), float(points[k])) for k in np.flatnonzero(at_point > needed)]
    return join(pieces, level)
