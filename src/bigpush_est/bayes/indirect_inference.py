r"""Panel B's slope at given (log η, δ, s̄), by indirect inference: Panel B on simulated panels, and a surface.

    C(x) = E[ β̂_B of a panel drawn at x ],    x = (log η, δ, s̄)

(Gouriéroux, Monfort and Renault 1993: the binding function of an auxiliary estimator).  Panels are drawn at every point
of a grid with the same seeds.  Each seed r gives slopes y_r at all points, and coefficients b_r = (X′X)⁻¹X′y_r of a
low-order surface; the surface is their mean, and its covariance that of the b_r over R, so that whatever the points of
one seed have in common is in it.  A panel's slope has a standard deviation of about a quarter, several times what the
parameters move it by: the surface is needed, and its error is kept.

The panels that ship are synthetic, drawn from the default ``FirmPanelDesign``; its σ, costs and biases are held.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from bigpush_est.bayes.complementarity import AXES, Complementarity
from bigpush_est.data.economy_bundle import economy_fingerprint
from bigpush_est.data.firm_panel import simulate_firm_panel
from bigpush_est.data.firm_panel_design import FirmPanelDesign
from bigpush_est.data.firm_panel_population import shipped_economy
from bigpush_est.data.locate import data_folder
from bigpush_est.equilibrium.adoption_map import FloatArray
from bigpush_est.errors import InvalidValue, SolverFailed, UnderIdentified, UnreadableFile
from bigpush_est.reduced_form.spillovers.columns import TABLE1, estimate_table

#: Columns of Table 1 that are instrumented.
COLUMNS = tuple(int(one.name.strip("()")) for one in TABLE1 if one.estimator != "ols")
_REMEDY = "write it with tools/build_complementarity.py"
#: Columns of the file of slopes.
NAMES = ("seed", *AXES, *(f"column_{number}" for number in COLUMNS))


def simulated_slopes(point: Sequence[float], seed: int, *, scale: float = 1.0) -> dict[int, float]:
    """Return Panel B's slopes, by column of Table 1, on one panel drawn at a point.

    Parameters
    ----------
    point
        log η, δ and s̄.
    seed, scale
        As in ``simulate_firm_panel``.

    Returns
    -------
    dict
        Slopes in probability per unit of adopter share; NaN throughout where no panel meets the design's numbers, or in
        a column that could not be estimated.

    Examples
    --------
    >>> found = simulated_slopes((0.225, 0.68, 0.06), seed=1, scale=0.2)
    >>> sorted(found)
    [2, 3, 4, 5, 6, 7, 8]
    """
    log_eta, delta, subsidy = (float(value) for value in point)
    design = replace(FirmPanelDesign(), eta=float(np.exp(log_eta)), delta=delta, subsidy_rate=subsidy)
    try:
        data = simulate_firm_panel(design, seed=seed, scale=scale).data
    except SolverFailed:
        return dict.fromkeys(COLUMNS, float("nan"))
    specifications = [one for one in TABLE1 if one.estimator != "ols"]
    _, columns = estimate_table(data, specifications=specifications, panels=("B",))
    return {number: one.estimate for number, one in zip(COLUMNS, columns, strict=True)}


def design_fingerprint(scale: float = 1.0) -> str:
    """Return a hash of what panels are drawn from, apart from (η, δ, s̄) and the seed: one for all rows of a table."""
    held = {k: v for k, v in asdict(FirmPanelDesign()).items() if k not in ("eta", "delta", "subsidy_rate")}
    content = {"design": held, "scale": scale, "economy": economy_fingerprint(shipped_economy())}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, slots=True, eq=False)
class SlopeSurface:
    """A low-order surface of Panel B's slope: quadratic in δ, with products of all pairs.

    Attributes
    ----------
    coefficients, covariance
        Of ``terms``, shapes (8,) and (8, 8); the covariance is that of the replications' own coefficients over R.
    replications, left_out
        Seeds with a slope at every point, and seeds without, which are left out.
    spread
        Standard deviation of one panel's slope, averaged over the points.
    lack_of_fit
        p-value of Hotelling's test that what the surface leaves of the points' means is zero.
    low, high
        Ends of log η, δ and s̄ over the points, shape (3,).
    """

    coefficients: FloatArray
    covariance: FloatArray
    replications: int
    left_out: int
    spread: float
    lack_of_fit: float
    low: FloatArray
    high: FloatArray

    @staticmethod
    def terms(log_eta: ArrayLike, delta: ArrayLike, subsidy: ArrayLike) -> FloatArray:
        """Return 1, log η, δ, s̄, δ², δ·log η, s̄·log η and δ·s̄, last axis 8."""
        x, y, z = np.broadcast_arrays(*(np.asarray(v, dtype=np.float64) for v in (log_eta, delta, subsidy)))
        return np.stack([np.ones_like(x), x, y, z, y * y, x * y, x * z, y * z], axis=-1)

    @classmethod
    def fit(cls, points: FloatArray, slopes: FloatArray) -> Self:
        """Fit the surface to slopes at G points from R seeds.

        Parameters
        ----------
        points
            log η, δ and s̄, shape (G, 3).
        slopes
            Shape (R, G); a seed with a slope missing anywhere is left out, so that all points have the same seeds.

        Raises
        ------
        UnderIdentified
            If the points do not tell the terms apart, or too few seeds are complete for a covariance.
        """
        design = cls.terms(*points.T)
        complete = np.isfinite(slopes).all(axis=1)
        kept = slopes[complete]
        freedom = len(points) - design.shape[1]
        if np.linalg.matrix_rank(design) < design.shape[1] or len(kept) <= max(freedom, design.shape[1]):
            raise UnderIdentified(
                detail=f"{len(points)} points and {len(kept)} complete seeds for a surface of {design.shape[1]} terms",
                remedy="simulate at more points, or with more seeds",
            )
        solved = np.linalg.pinv(design)
        each = kept @ solved.T
        return cls(
            coefficients=each.mean(axis=0),
            covariance=np.cov(each.T) / len(each),
            replications=len(kept),
            left_out=int((~complete).sum()),
            spread=float(kept.std(axis=0, ddof=1).mean()),
            lack_of_fit=_lack_of_fit(kept, design),
            low=points.min(axis=0),
            high=points.max(axis=0),
        )

    def __call__(self, log_eta: ArrayLike, delta: ArrayLike, subsidy: ArrayLike) -> FloatArray:
        """Return slopes at parameters that broadcast against each other."""
        found: FloatArray = self.terms(log_eta, delta, subsidy) @ self.coefficients
        return found

    def standard_error(self, log_eta: ArrayLike, delta: ArrayLike, subsidy: ArrayLike) -> FloatArray:
        """Return the surface's simulation error."""
        terms = self.terms(log_eta, delta, subsidy)
        found: FloatArray = np.sqrt(np.einsum("...i,ij,...j->...", terms, self.covariance, terms))
        return found

    def table(self, provenance: str, steps: tuple[int, int, int] = (2, 7, 2)) -> Complementarity:
        """Tabulate the surface between its ends, with the largest simulation error on the grid as the table's.

        The surface is linear in log η and in s̄, so that two points each lose nothing; seven of δ lose less than
        2% of its curvature's part.
        """
        log_eta, delta, subsidy = (np.linspace(*ends) for ends in zip(self.low, self.high, steps, strict=True))
        at = np.meshgrid(log_eta, delta, subsidy, indexing="ij")
        error = float(self.standard_error(*at).max())
        return Complementarity(log_eta, delta, subsidy, self(*at), "indirect inference", provenance, error)


def _lack_of_fit(slopes: FloatArray, design: FloatArray) -> float:
    """Hotelling's T² of the mean of what the surface leaves, in an orthonormal basis of the space orthogonal to it."""
    from scipy import stats

    left = design.shape[0] - design.shape[1]
    count = len(slopes)
    if left == 0:
        return float("nan")
    basis = np.linalg.qr(design, mode="complete")[0][:, design.shape[1] :]
    residuals = slopes @ basis
    mean = residuals.mean(axis=0)
    statistic = count * float(mean @ np.linalg.solve(np.atleast_2d(np.cov(residuals.T)), mean))
    scaled = statistic * (count - left) / (left * (count - 1))
    return float(stats.f(left, count - left).sf(scaled))


def read_slopes(path: Path) -> pd.DataFrame:
    """Read a file of simulated slopes: one row per seed and point.

    Raises
    ------
    UnreadableFile
        If it is not there, or not such a file.
    """
    try:
        frame = pd.read_csv(path, dtype=np.float64)
    except (OSError, ValueError) as error:
        raise UnreadableFile(path=path, reason=str(error), remedy=_REMEDY) from None
    if tuple(frame.columns) != NAMES:
        raise UnreadableFile(
            path=path,
            reason=f"its columns are not {', '.join(NAMES)}",
            remedy=_REMEDY,
        )
    return frame


def slope_surface(slopes: pd.DataFrame, columns: Sequence[int] = (3,)) -> SlopeSurface:
    """Fit the surface to a file of slopes; several columns of Table 1 count by their mean.

    Raises
    ------
    InvalidValue
        For a column that Table 1 does not instrument.
    UnderIdentified
        As ``SlopeSurface.fit``.
    """
    for column in columns:
        if column not in COLUMNS:
            raise InvalidValue(
                key="column",
                value=column,
                requirement="a column of Table 1 that is instrumented",
                remedy=f"choose from {', '.join(map(str, COLUMNS))}",
            )
    mean = slopes[[f"column_{number}" for number in columns]].mean(axis=1, skipna=False)
    wide = slopes[["seed", *AXES]].assign(slope=mean).pivot(index="seed", columns=list(AXES), values="slope")
    return SlopeSurface.fit(np.array(wide.columns.to_list()), wide.to_numpy())


@cache
def panel_b_table(columns: tuple[int, ...] = (3,)) -> Complementarity:
    """Return the table of Panel B's slope that ships: synthetic, by indirect inference.

    Parameters
    ----------
    columns
        Of Table 1; several count by their mean.

    Raises
    ------
    InvalidValue, UnreadableFile
        For a column that is not instrumented; if the package was installed without its data.

    Examples
    --------
    >>> table = panel_b_table((3,))
    >>> table.label, bool(table(0.2, 1.4, 0.06) > table(0.2, 0.1, 0.06))
    ('indirect inference', True)
    """
    folder = data_folder("complementarity")
    origin = json.loads((folder / "provenance.json").read_text(encoding="utf-8"))
    found = slope_surface(read_slopes(folder / "panel_b.csv"), columns)
    first, last = origin["seeds"]
    points = len(origin["log_eta"]) * len(origin["delta"]) * len(origin["subsidy"])
    return found.table(
        f"synthetic: Panel B, column {', '.join(map(str, columns))}, on simulated panels of scale {origin['scale']:g}; "
        f"seeds {first} to {last} ({found.left_out} left out) at each of {points} points; surface quadratic in δ, "
        f"lack of fit p = {found.lack_of_fit:.2f}; design {origin['design_fingerprint'][:12]}"
    )
