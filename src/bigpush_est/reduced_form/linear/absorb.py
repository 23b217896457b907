"""Fixed effects: taken out by pyfixest, counted here.

Demeaning is pyfixest's: its method of alternating projections, and where that converges slowly, as with few movers
between firms, its preconditioned LSMR.  Columns are scaled first, so that the tolerance has no units.
"""

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from bigpush_est.errors import DemeaningFailed
from bigpush_est.reduced_form.linear.clusters import Clusters
from bigpush_est.reduced_form.linear.linear_algebra import means_of, variation
from bigpush_est.reduced_form.linear.small_sample import ParameterCount

type FloatArray = NDArray[np.float64]
type Codes = NDArray[np.int64]

#: Change per round, in standard deviations, at which alternating projections stop.
PROJECTION_TOLERANCE = 1e-10
#: Rounds after which LSMR takes over; a design that needs more would stop far from the solution.
PROJECTION_ROUNDS = 60
#: Tolerance and rounds of LSMR.
LSMR_TOLERANCE = 1e-13
LSMR_ROUNDS = 5_000
#: Levels, beside those of the largest fixed effect, up to which the rank of three or more effects is computed exactly.
EXACT_RANK_LEVELS = 2_000


def take_out(
    columns: FloatArray, effects: tuple[Codes, ...], weights: FloatArray | None, names: tuple[str, ...] = ()
) -> FloatArray:
    """Residuals of columns on fixed effects.

    Parameters
    ----------
    columns
        Shape (N, C).
    effects
        Per fixed effect, the level of every row.
    weights
        Shape (N,), or None for equal weights.
    names
        Of the fixed effects, for the message.

    Returns
    -------
    FloatArray
        Shape (N, C); the columns themselves without fixed effects.

    Raises
    ------
    DemeaningFailed
        If neither method converges.

    Examples
    --------
    >>> take_out(np.array([[1.0], [3.0], [5.0], [5.0]]), (np.array([0, 0, 1, 1]),), None).ravel()
    array([-1.,  1.,  0.,  0.])
    """
    if not effects or columns.shape[1] == 0:
        return columns
    from pyfixest.core.demean import demean_within
    from pyfixest.estimation import demean

    length = variation(columns, weights)
    omega = np.ones(len(columns)) if weights is None else weights
    scale = np.where(length > 0, length / np.sqrt(omega.sum()), 1.0)
    centred = columns - means_of(columns, weights)
    centred /= scale
    levels = np.column_stack(effects)
    result, converged = demean(
        centred, levels.astype(np.uint64), omega, tol=PROJECTION_TOLERANCE, maxiter=PROJECTION_ROUNDS
    )
    if not converged:
        result, converged, _ = demean_within(
            centred, levels.astype(np.uint32), omega, tol=LSMR_TOLERANCE, maxiter=LSMR_ROUNDS
        )
    if not converged:
        raise DemeaningFailed(
            effects=" and ".join(names) or "given",
            iterations=LSMR_ROUNDS,
            remedy="drop levels that hardly any row connects to the others, or scale extreme weights",
        )
    out: FloatArray = np.asarray(result)
    out *= scale
    return out


def count_parameters(regressors: int, effects: tuple[Codes, ...], clusters: Clusters | None) -> ParameterCount:
    """Count the parameters that a regression spends, as each software does.

    Parameters
    ----------
    regressors
        Coefficients that are reported.
    effects
        Per fixed effect, the level of every row.
    clusters
        Dimensions in which a fixed effect may be nested: each of its levels lies within one cluster.

    Examples
    --------
    Four firms in two years, clustered by firm:

    >>> firm, year = np.repeat(np.arange(4), 2), np.tile(np.arange(2), 4)
    >>> count = count_parameters(1, (firm, year), Clusters.build({"firm": firm}))
    >>> count.levels, count.rank, count.nonnested
    (5, 5, 2)
    """
    if not effects:
        return ParameterCount(regressors, 0, 0, 0, 0)
    sizes = [int(effect.max()) + 1 for effect in effects]
    nested = [clusters is not None and any(_is_nested(effect, codes) for codes in clusters.codes) for effect in effects]
    all_levels = sum(sizes) - (len(sizes) - 1)
    nonnested = all_levels
    if any(nested):
        nonnested += sum(nested) - sum(size for size, inside in zip(sizes, nested, strict=True) if inside)
    redundant, exact = _redundant(effects, sizes)
    rank = sum(sizes) - sum(redundant)
    nonnested_rank = sum(
        size - lost for size, lost, inside in zip(sizes, redundant, nested, strict=True) if not inside
    ) + int(any(nested))
    return ParameterCount(regressors, all_levels, nonnested, rank, nonnested_rank, exact)


def _is_nested(effect: Codes, cluster: Codes) -> bool:
    of_level = np.zeros(int(effect.max()) + 1, dtype=np.int64)
    of_level[effect] = cluster
    return bool((of_level[effect] == cluster).all())


def _redundant(effects: tuple[Codes, ...], sizes: list[int]) -> tuple[list[int], bool]:
    """Levels of each effect that those before it make redundant, and whether that is exact.

    The second effect loses one level per group of levels that it and the first connect (Abowd, Creecy and Kramarz
    2002).  A further one loses at least as many as with any single one before it; the exact number is a rank.
    """
    redundant = [0]
    redundant += [
        max(_components(effects, sizes, earlier, position) for earlier in range(position))
        for position in range(1, len(effects))
    ]
    if len(effects) <= 2:
        return redundant, True
    largest = int(np.argmax(sizes))
    if sum(sizes) - sizes[largest] > EXACT_RANK_LEVELS:
        return redundant, False
    missing = sum(sizes) - sum(redundant) - _rank(effects, sizes, largest)
    redundant[-1] += missing
    return redundant, True


def _components(effects: tuple[Codes, ...], sizes: list[int], earlier: int, position: int) -> int:
    """Count the groups of levels that two effects connect: components of the graph whose edges are rows."""
    nodes = sizes[earlier] + sizes[position]
    edges = np.ones(effects[earlier].size, dtype=np.int8)
    ends = (effects[earlier], effects[position] + sizes[earlier])
    graph = sparse.csr_matrix((edges, ends), shape=(nodes, nodes))
    graph.data[:] = 1  # a level met more than once is still one edge, also where counts overflow
    return int(connected_components(graph, directed=False, return_labels=False))


def _rank(effects: tuple[Codes, ...], sizes: list[int], largest: int) -> int:
    """Rank of all dummies: those of the largest effect, and of the others after it is projected out."""
    observations = effects[0].size
    rows = np.arange(observations)

    def dummies(position: int) -> sparse.csr_matrix:
        return sparse.csr_matrix(
            (np.ones(observations), (rows, effects[position])), shape=(observations, sizes[position])
        )

    big = dummies(largest)
    rest = sparse.hstack([dummies(position) for position in range(len(effects)) if position != largest], format="csr")
    cross = (big.T @ rest).tocsr()
    counts = np.bincount(effects[largest], minlength=sizes[largest]).astype(np.float64)
    within = (rest.T @ rest - cross.T @ sparse.diags(1.0 / counts) @ cross).toarray()
    size = np.sqrt(np.asarray(rest.sum(axis=0)).ravel())
    values = np.linalg.eigvalsh(within / np.outer(size, size))
    return sizes[largest] + int((values > 1e-9).sum())


def level_counts(effects: tuple[Codes, ...]) -> tuple[int, ...]:
    """L_f of every fixed effect."""
    return tuple(len(pd.unique(effect)) for effect in effects)
