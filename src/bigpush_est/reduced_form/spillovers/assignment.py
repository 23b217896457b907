"""How groups' adoptions might have come out otherwise: the assignment processes of randomisation inference.

A history says of every unit and date whether it is an adopter, shape (U, T).  A process redraws all of them at once.

- `PermuteBlocks` swaps whole histories between blocks of units that look alike at the initial date: groups with the
  same number of units in each sector, or the units of a group in one sector, among blocks of the same sector and
  size.  If blocks are exchangeable, tests are exact.
- `OneFactorAdoption` draws anew: unit u of sector j adopts by date t if √ρ a_g + √(1−ρ) e_u < Φ⁻¹(F_j(t)), with a
  common draw a_g for the group and F_j(t) the sector's share of adopters.  All groups are redrawn, whatever their
  shape, and group-wide decisions stay group-wide across sectors.
- `DrawnBy` takes a function of the user's.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import permutations, product
from math import factorial, prod
from typing import Literal, Protocol, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from bigpush_est.errors import InvalidValue, ShapeMismatch
from bigpush_est.reduced_form.spillovers.group_instrument import GroupInstrument

type FloatArray = NDArray[np.float64]
type Codes = NDArray[np.int64]


class AssignmentProcess(Protocol):
    """A way of redrawing histories."""

    @property
    def text(self) -> str:
        """What is redrawn, for the result to say."""
        ...

    @property
    def exact(self) -> bool:
        """Whether what was observed is one of the equally likely draws."""
        ...

    def draw(self, histories: FloatArray, random: np.random.Generator, count: int) -> FloatArray:
        """Return `count` draws, shape (count, U, T)."""
        ...

    def expected(self, histories: FloatArray) -> FloatArray | None:
        """Return the mean of the draws, shape (U, T), or None where only draws can tell."""
        ...


@dataclass(frozen=True, slots=True)
class PermuteBlocks:
    """Permutations of histories between blocks of units, within strata of blocks of the same shape.

    Attributes
    ----------
    level
        "group" or "group-sector".
    strata
        Per stratum with at least two blocks, the units of each, shape (blocks, units in a block).
    fixed_units
        Units in blocks that are alone in their stratum: their histories stay.
    units
        U.
    """

    level: str
    strata: tuple[Codes, ...]
    fixed_units: int
    units: int

    @classmethod
    def build(
        cls,
        instrument: GroupInstrument,
        level: Literal["group", "group-sector"] = "group-sector",
        within: ArrayLike | None = None,
    ) -> Self:
        """Form blocks and strata from the units behind an instrument.

        Parameters
        ----------
        instrument
            Its units, with their groups and sectors.
        level
            "group": groups with the same number of units in every sector swap.  "group-sector": the units of a group
            in one sector swap with another group's in that sector if there are as many.
        within
            A label of each unit's group, shape (U,): only blocks of the same label swap (for instance by size).

        Raises
        ------
        InvalidValue
            For an unknown level, or if no two blocks are alike.
        ShapeMismatch
            For labels of another length.
        """
        if level not in ("group", "group-sector"):
            raise InvalidValue(
                key="level", value=level, requirement='"group" or "group-sector"', remedy="choose one of the two"
            )
        units = len(instrument.units)
        extra = np.zeros(units, dtype=object) if within is None else np.asarray(within, dtype=object)
        if extra.shape != (units,):
            raise ShapeMismatch(key="within", shape=extra.shape, expected=f"({units},)", remedy="one label per unit")
        table = pd.DataFrame(
            {"group": instrument.unit_group, "sector": instrument.unit_sector, "extra": extra, "unit": range(units)}
        ).sort_values(["group", "sector", "unit"])
        by = ["group"] if level == "group" else ["group", "sector"]
        strata: dict[tuple[object, ...], list[list[int]]] = {}
        for _, block in table.groupby(by, sort=True):
            shape = (block["extra"].iloc[0], *block["sector"])  # as many units of the same sectors
            strata.setdefault(shape, []).append(block["unit"].tolist())
        movable = tuple(np.array(blocks, dtype=np.int64) for blocks in strata.values() if len(blocks) > 1)
        if not movable:
            raise InvalidValue(
                key="level",
                value=f"{level}, {sum(map(len, strata.values()))} blocks of which no two are alike",
                requirement="one at which histories can be swapped",
                remedy='use level="group-sector", or OneFactorAdoption',
            )
        return cls(level, movable, units - sum(stratum.size for stratum in movable), units)

    @property
    def text(self) -> str:
        """What is redrawn."""
        blocks = sum(len(stratum) for stratum in self.strata)
        return (
            f"permutation of {blocks} {self.level} blocks within {len(self.strata)} strata; "
            f"{self.fixed_units} of {self.units} units have no counterpart and stay"
        )

    @property
    def exact(self) -> bool:
        """True: the identity is one of the permutations."""
        return True

    @property
    def permutations(self) -> int:
        """Number of permutations, those that change nothing included."""
        return prod(factorial(len(stratum)) for stratum in self.strata)

    def draw(self, histories: FloatArray, random: np.random.Generator, count: int) -> FloatArray:
        """Return random permutations, shape (count, U, T)."""
        drawn = np.repeat(histories[None], count, axis=0)
        for stratum in self.strata:
            order = random.permuted(np.tile(np.arange(len(stratum)), (count, 1)), axis=1)
            # unit k of block b takes the history of unit k of block order[b]
            drawn[:, stratum.ravel()] = histories[stratum[order].reshape(count, -1)]
        return drawn

    def enumerate(self, histories: FloatArray) -> Iterator[FloatArray]:
        """Yield every permutation once, the identity first, each of shape (U, T)."""
        for orders in product(*(permutations(range(len(stratum))) for stratum in self.strata)):
            moved = histories.copy()
            for stratum, order in zip(self.strata, orders, strict=True):
                moved[stratum.ravel()] = histories[stratum[list(order)].ravel()]
            yield moved

    def expected(self, histories: FloatArray) -> FloatArray:
        """Mean over all permutations: of each position in a block, over the stratum's blocks."""
        mean = histories.astype(np.float64).copy()
        for stratum in self.strata:
            mean[stratum] = histories[stratum].mean(axis=0)
        return mean


@dataclass(frozen=True, slots=True)
class OneFactorAdoption:
    """Adoption drawn anew with a common factor per group.

    Attributes
    ----------
    group, sector
        Of each unit, codes, shape (U,).
    correlation
        ρ, of the latent variable within a group, from 0 to 1.
    """

    group: Codes
    sector: Codes
    correlation: float

    @classmethod
    def build(cls, instrument: GroupInstrument, histories: ArrayLike, correlation: float | None = None) -> Self:
        """Take the units behind an instrument; estimate ρ unless it is given.

        ρ makes the expected number of pairs of units of a group that have both adopted by the last date,
        Σ Φ₂(Φ⁻¹(F_j), Φ⁻¹(F_k); ρ), equal to the number observed; it is 0 if fewer are observed than under
        independence.

        Raises
        ------
        InvalidValue
            For a correlation outside [0, 1).
        """
        if correlation is None:
            last = np.asarray(histories, dtype=np.float64)[:, -1]
            correlation = within_group_correlation(last, instrument.unit_group, instrument.unit_sector)
        if not 0 <= correlation < 1:
            raise InvalidValue(
                key="correlation", value=correlation, requirement="at least 0 and below 1", remedy="pass 0.5"
            )
        return cls(instrument.unit_group, instrument.unit_sector, float(correlation))

    @property
    def text(self) -> str:
        """What is redrawn."""
        return f"adoption redrawn with sectors' shares and one factor per group, correlation {self.correlation:.2f}"

    @property
    def exact(self) -> bool:
        """False: shares and correlation are taken from the data."""
        return False

    def expected(self, histories: FloatArray) -> FloatArray:
        """F_j(t) of each unit's sector."""
        sectors = int(self.sector.max()) + 1
        count = np.bincount(self.sector, minlength=sectors)
        share = (
            np.column_stack([np.bincount(self.sector, weights=column, minlength=sectors) for column in histories.T])
            / np.maximum(count, 1)[:, None]
        )
        result: FloatArray = share[self.sector]
        return result

    def draw(self, histories: FloatArray, random: np.random.Generator, count: int) -> FloatArray:
        """Return draws of shape (count, U, T)."""
        from scipy.special import ndtr

        common = random.standard_normal((count, int(self.group.max()) + 1))
        own = random.standard_normal((count, self.group.size))
        latent = np.sqrt(self.correlation) * common[:, self.group] + np.sqrt(1.0 - self.correlation) * own
        drawn: FloatArray = (ndtr(latent)[:, :, None] < self.expected(histories)[None]).astype(np.float64)
        return drawn


@dataclass(frozen=True, slots=True)
class DrawnBy:
    """Histories from a function of the user's.

    Attributes
    ----------
    function
        Takes a generator and a number of draws, returns shape (draws, U, T).
    text
        What it does.
    mean
        Mean of its draws where known, shape (U, T); otherwise the draws' own mean is used.
    """

    function: Callable[[np.random.Generator, int], FloatArray]
    text: str
    mean: FloatArray | None = None

    @property
    def exact(self) -> bool:
        """False: nothing is known about it."""
        return False

    def expected(self, histories: FloatArray) -> FloatArray | None:
        """Return the mean that was given."""
        return self.mean

    def draw(self, histories: FloatArray, random: np.random.Generator, count: int) -> FloatArray:
        """Return draws of shape (count, U, T).

        Raises
        ------
        ShapeMismatch
            If the function returns another shape.
        """
        drawn = np.asarray(self.function(random, count), dtype=np.float64)
        if drawn.shape != (count, *histories.shape):
            raise ShapeMismatch(
                key="draws of the process",
                shape=drawn.shape,
                expected=str((count, *histories.shape)),
                remedy="return one history of all units and dates per draw",
            )
        return drawn


def within_group_correlation(adopted: ArrayLike, group: ArrayLike, sector: ArrayLike) -> float:
    """Return ρ of `OneFactorAdoption` from which units have adopted.

    Parameters
    ----------
    adopted
        0 or 1 of each unit, shape (U,).
    group, sector
        Codes, shape (U,).

    Returns
    -------
    float
        From 0 to 0.999.

    Examples
    --------
    In every second group both units adopt, in the others neither:

    >>> within_group_correlation(np.repeat([1.0, 0.0] * 10, 2), np.repeat(np.arange(20), 2), np.zeros(40, int))
    0.999
    """
    from scipy.optimize import brentq
    from scipy.special import ndtri

    status, g, j = np.asarray(adopted, dtype=np.float64), np.asarray(group), np.asarray(sector)
    rate = np.bincount(j, weights=status) / np.maximum(np.bincount(j), 1)
    # pairs of units of one group by their two sectors: Σ_g m_gj m_gk, less the pairs of a unit with itself, over two
    members = np.zeros((int(g.max()) + 1, rate.size))
    np.add.at(members, (g, j), 1.0)
    pairs = (members.T @ members - np.diag(members.sum(axis=0))) / 2.0
    adopters = np.bincount(g, weights=status)
    observed = float((adopters * (adopters - 1.0) / 2.0).sum())
    level = ndtri(np.clip(rate, 1e-9, 1.0 - 1e-9))

    def excess(correlation: float) -> float:
        return float((pairs * bivariate_normal(level[:, None], level[None, :], correlation)).sum()) - observed

    if excess(0.0) >= 0.0:
        return 0.0
    if excess(0.999) <= 0.0:
        return 0.999
    return float(brentq(excess, 0.0, 0.999, xtol=1e-10))


def bivariate_normal(h: FloatArray, k: FloatArray, correlation: float) -> FloatArray:
    """Return Φ₂(h, k; ρ) = Φ(h)Φ(k) + ∫₀^ρ φ₂(h, k; r) dr, the integral over arcsin r by Gauss-Legendre quadrature.

    Examples
    --------
    At h = k = 0 it is 1/4 + arcsin(ρ)/(2π):

    >>> bivariate_normal(np.zeros(1), np.zeros(1), 0.5).round(12)
    array([0.33333333])
    """
    from scipy.special import ndtr

    nodes, weights = np.polynomial.legendre.leggauss(64)
    end = np.arcsin(correlation)
    angle = 0.5 * end * (nodes + 1.0)
    x, y = (np.asarray(side, dtype=np.float64)[..., None] for side in np.broadcast_arrays(h, k))
    # with r = sin a the density's 1/√(1 − r²) cancels against dr = cos a da
    integrand = np.exp(-(x * x - 2.0 * x * y * np.sin(angle) + y * y) / (2.0 * np.cos(angle) ** 2))
    result: FloatArray = ndtr(x[..., 0]) * ndtr(y[..., 0]) + (integrand @ weights) * end / (4.0 * np.pi)
    return result
