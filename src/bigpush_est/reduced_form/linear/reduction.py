"""From a design to a linear problem: fixed effects taken out, collinear columns left out, identification checked."""

import warnings
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from bigpush_est.errors import CollinearRegressors, NoVariation, UnderIdentified
from bigpush_est.reduced_form.linear.absorb import count_parameters, take_out
from bigpush_est.reduced_form.linear.design import ENDOGENOUS, EXOGENOUS, INSTRUMENT, Design, Dropped
from bigpush_est.reduced_form.linear.linear_algebra import (
    ABSORBED,
    centred_on_constant,
    independent_columns,
    solve_least_squares,
    variation,
    weighted,
)
from bigpush_est.reduced_form.linear.problem import LinearProblem
from bigpush_est.reduced_form.linear.small_sample import ParameterCount

type FloatArray = NDArray[np.float64]

#: Smallest canonical correlation of endogenous regressors and instruments that still identifies a model.
IDENTIFIED = 1e-10


def reduce_design(design: Design) -> tuple[LinearProblem, Dropped, ParameterCount]:
    """Take fixed effects out and leave collinear columns out.

    Exogenous regressors are kept in the formula's order; instruments are judged after them.

    Parameters
    ----------
    design
        From ``build_design``.

    Returns
    -------
    problem, dropped, parameters
        Arrays of full column rank, what was left out, and the parameters that they spend.

    Raises
    ------
    NoVariation
        If the outcome, all regressors, an endogenous one or all instruments do not vary beside fixed effects and
        exogenous regressors.
    UnderIdentified
        For fewer independent instruments than endogenous regressors, or a first stage of less than full rank.
    """
    names = np.array(design.names, dtype=object)
    if not names.size:
        raise NoVariation(
            role="set of regressors", columns="(none)", after="beside the fixed effects", remedy="add a regressor"
        )
    constants = tuple(int(column) for column in np.flatnonzero(names == "Intercept"))
    before = variation(design.columns, design.weights, tuple(column + 1 for column in constants))
    inside = take_out(design.columns, design.effects, design.weights, design.effect_names)
    after = "within the fixed effects" if design.effects else "beside the constant"
    varies = variation(inside[:, :1], design.weights)[0] > ABSORBED * before[0]
    if (design.effects or constants) and not varies:
        raise NoVariation(
            role="outcome", columns=design.outcome, after=after, remedy="use coarser fixed effects, or check the column"
        )
    columns, before = inside[:, 1:], before[1:]
    centred = columns if design.effects or not constants else centred_on_constant(columns, design.weights)[0]
    judged = weighted(centred, design.weights)
    gram = judged.T @ judged
    exogenous, endogenous, instruments = (
        [int(column) for column in np.flatnonzero(design.kinds == kind)] for kind in (EXOGENOUS, ENDOGENOUS, INSTRUMENT)
    )
    first = independent_columns(judged, gram, before, exogenous)
    ends = independent_columns(judged, gram, before, [*first.kept, *endogenous])
    lost = [*ends.absorbed, *ends.collinear]
    if lost:
        raise NoVariation(
            role="endogenous regressor",
            columns=", ".join(names[lost]),
            after=f"{after} and the exogenous regressors",
            remedy="use coarser fixed effects, or leave out the regressor",
        )
    outside = independent_columns(judged, gram, before, [*first.kept, *instruments])
    kept = [column for column in outside.kept if column in instruments]
    dropped = replace(
        design.dropped,
        collinear=tuple(names[list(first.collinear)]),
        absorbed=tuple(names[list(first.absorbed)]),
        collinear_instruments=tuple(names[list(outside.collinear)]),
        absorbed_instruments=tuple(names[list(outside.absorbed)]),
    )
    _report_collinear(dropped)
    if not first.kept and not endogenous:
        raise NoVariation(
            role="set of regressors",
            columns=", ".join(names[exogenous]),
            after=after,
            remedy="use coarser fixed effects, or add a regressor",
        )
    if endogenous:
        if not kept:
            raise NoVariation(
                role="set of instruments",
                columns=", ".join(names[instruments]),
                after=f"{after} and the exogenous regressors",
                remedy="use an instrument that varies there",
            )
        _check_identified(judged, list(first.kept), endogenous, kept)
    count = count_parameters(len(first.kept) + len(endogenous), design.effects, design.clusters)
    problem = LinearProblem(
        outcome=np.ascontiguousarray(inside[:, 0]),
        endogenous=_chosen(columns, endogenous),
        exogenous=_chosen(columns, list(first.kept)),
        instruments=_chosen(columns, kept),
        names=tuple(names[[*endogenous, *first.kept]]),
        instrument_names=tuple(names[kept]),
        weights=design.weights,
        clusters=design.clusters,
        absorbed=count.nonnested_rank if design.clusters is not None else count.rank,
        absorbed_nested=count.rank - count.nonnested_rank if design.clusters is not None else 0,
    )
    return problem, dropped, count


def _chosen(columns: FloatArray, positions: list[int]) -> FloatArray:
    """Take some columns: neighbours as a view, others by filling, which is faster than fancy indexing of many rows."""
    if positions and positions == list(range(positions[0], positions[0] + len(positions))):
        return columns[:, positions[0] : positions[0] + len(positions)]
    out = np.empty((len(columns), len(positions)))
    for place, position in enumerate(positions):
        out[:, place] = columns[:, position]
    return out


def _report_collinear(dropped: Dropped) -> None:
    for columns, with_what in (
        (dropped.collinear, "other regressors"),
        (dropped.absorbed, "the fixed effects or the constant"),
        (dropped.collinear_instruments, "other instruments and regressors"),
        (dropped.absorbed_instruments, "the fixed effects or the constant, as instruments"),
    ):
        if columns:
            warnings.warn(CollinearRegressors(columns=", ".join(columns), with_what=with_what), stacklevel=5)


def _check_identified(judged: FloatArray, exogenous: list[int], endogenous: list[int], kept: list[int]) -> None:
    """Canonical correlations of endogenous regressors and instruments, both less the exogenous regressors."""
    if len(kept) < len(endogenous):
        raise UnderIdentified(
            detail=f"{len(endogenous)} endogenous regressors have {len(kept)} independent instruments",
            remedy="add instruments",
        )
    left, right = judged[:, endogenous], judged[:, kept]
    if exogenous:
        controls = judged[:, exogenous]
        left = left - controls @ solve_least_squares(controls, left, None)
        right = right - controls @ solve_least_squares(controls, right, None)
    cross = _whitening(left).T @ (left.T @ right) @ _whitening(right)
    if np.linalg.svd(cross, compute_uv=False).min() < IDENTIFIED:
        raise UnderIdentified(
            detail="the instruments do not move the endogenous regressors apart: the first stage lacks full rank",
            remedy="add an instrument that moves each of them",
        )


def _whitening(columns: FloatArray) -> FloatArray:
    """W with (AW)′AW = I."""
    gram = columns.T @ columns
    scale = np.sqrt(np.diag(gram))
    values, vectors = np.linalg.eigh(gram / np.outer(scale, scale))
    out: FloatArray = vectors / np.sqrt(values) / scale[:, None]
    return out
