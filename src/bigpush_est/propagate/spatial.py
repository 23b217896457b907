"""Posterior draws through the quantitative model: what each draw of the estimates implies for Section 6's answers.

A pure function of arrays: ``propagate_spatial`` takes draws of the estimated parameters and a ``SpatialSetting`` (the
economy, the point calibration, what to compute), and returns arrays by name with the draws on their first axis.

Two versions.  With ``recalibrate`` every draw meets the data's moments anew (``recalibration``), fundamentals inverted.
Without it, everything but the draw's own parameters stays at the point calibration: the six internal parameters and the
fundamentals; the model then misses the data, by as much as ``moments`` and ``criterion`` say.
"""

import hashlib
import pickle
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bigpush_est.equilibrium.adoption_map import FloatArray
from bigpush_est.equilibrium.spatial.anchor import Anchor
from bigpush_est.equilibrium.spatial.calibration import PARAMETERS, equilibrium_moments
from bigpush_est.equilibrium.spatial.dynamics import solve_path
from bigpush_est.equilibrium.spatial.effects import DIFFERENCES, effects_of_push, stretched
from bigpush_est.equilibrium.spatial.external_draws import ExternalDraws
from bigpush_est.equilibrium.spatial.multiplicity import TOLERANCE, all_starts, distinct_steady_states
from bigpush_est.equilibrium.spatial.outcomes import measure
from bigpush_est.equilibrium.spatial.recalibration import recalibrate
from bigpush_est.equilibrium.spatial.scenarios import SCENARIOS, Baseline, Comparison, Scenario, compare, one_draw
from bigpush_est.equilibrium.spatial.static import (
    StaticEquilibrium,
    one_thread_each,
    solve_static,
    static_preconditioner,
)
from bigpush_est.errors import InvalidValue
from bigpush_est.propagate.smallest_push import smallest_push
from bigpush_est.propagate.spatial_setting import SpatialSetting, possible

__all__ = ["SpatialSetting", "propagate_spatial"]

type Arrays = dict[str, Any]
type Flags = NDArray[np.bool_]

STEADY = "steady state"


# -- the point calibration, once per process ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class _Point:
    """The point calibration, and the preconditioners of its periods' equilibria."""

    anchor: Anchor
    matrices: tuple[FloatArray, ...]


#: The last setting's point, by its content: building it takes seconds, and a process gets many chunks of one setting.
_POINTS: dict[str, _Point] = {}


def _point(setting: SpatialSetting) -> _Point:
    content = (setting.bundle, setting.external, setting.parameters, setting.numeraire)
    key = hashlib.sha256(pickle.dumps((content, setting.region_share_period, setting.bandwidth))).hexdigest()
    if key not in _POINTS:
        anchor = Anchor.of(setting.problem(), setting.parameters)
        matrices = [static_preconditioner(one.equilibrium) for one in anchor.inversions]
        _POINTS.clear()
        _POINTS[key] = _Point(anchor, (*matrices, matrices[-1]))
    return _POINTS[key]


# -- draws to economies ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class _Ready:
    """The draws' economies, and how their calibration went."""

    baseline: Baseline
    arrays: Arrays
    usable: Flags


def _recalibrated(draws: Mapping[str, FloatArray], external: ExternalDraws, setting: SpatialSetting) -> _Ready:
    point = _point(setting)
    fixed: dict[str, Any] = dict(setting.fixed)
    if setting.subsidy == "given":
        fixed["subsidy_rate"] = _rates(draws["subsidy"])
    fixed |= {name: _own(name, draws, point.anchor) for name in setting.drawn}
    found = recalibrate(point.anchor, external, setting.target, weight=setting.weight, fixed=fixed)
    baseline = _baseline(
        setting,
        tuple(one.economy for one in found.inversions),
        tuple(one.equilibrium for one in found.inversions),
    )
    arrays: Arrays = {
        "parameters": found.parameters,
        "moments": found.moments,
        "exact_moments": found.exact_moments,
        "criterion": found.criterion,
        "calibrated": found.converged,
        "calibration_status": found.status.astype("<U13"),
        "calibration_step": found.step,
        "evaluations": found.evaluations,
        "residual": found.residual,
    }
    return _Ready(baseline, arrays, found.usable)


def _rates(subsidy: FloatArray) -> FloatArray:
    """Return rates in [0, 1); a draw that is none is flagged by ``external_draws``, and must not stop the others."""
    values = np.asarray(subsidy, dtype=np.float64)
    return np.where((values >= 0.0) & (values < 1.0), values, 0.0)


def _own(name: str, draws: Mapping[str, FloatArray], anchor: Anchor) -> FloatArray:
    """Return the draws' own values of an internal parameter; the point's where a draw has none, which is flagged."""
    values = np.asarray(draws[name], dtype=np.float64)
    return np.where(possible(name, values), values, anchor.parameters[PARAMETERS.index(name)])


def _held(draws: Mapping[str, FloatArray], external: ExternalDraws, setting: SpatialSetting) -> _Ready:
    """Everything but the draws' own parameters at the point calibration, fundamentals too.

    Internal parameters that are the draws' own go the way of ``CalibrationProblem.economy``.
    """
    point = _point(setting)
    anchor, problem = point.anchor, setting.problem()
    usable = external.usable
    external = external.replaced(~usable, anchor.external)
    count, heavy = external.n_draws, problem.adopting_sector
    parameters = np.repeat(anchor.parameters[None], count, axis=0)
    if setting.subsidy == "given":
        parameters[:, PARAMETERS.index("subsidy_rate")] = _rates(draws["subsidy"])
    for name in setting.drawn:
        parameters[:, PARAMETERS.index(name)] = _own(name, draws, anchor)
    rate = parameters[:, PARAMETERS.index("subsidy_rate")]
    economies, equilibria, lag = [], [], problem.initial_share
    for period, one in enumerate(anchor.inversions):
        economy = one_draw(one.economy)
        xi = np.repeat(economy.distortion_elasticity[None], count, axis=0)
        xi[:, heavy] = external.xi
        subsidy = np.zeros((count, economy.n_sectors, economy.n_regions))
        if period in problem.subsidy_periods:
            subsidy[:, heavy] = rate[:, None] * problem.subsidised
        changes: dict[str, Any] = {}
        if setting.drawn:
            own = problem.economy(period, parameters)
            changes = {key: getattr(own, key) for key in ("adoption_cost", "export_cost", "distortion_level", "kappa")}
        economies.append(
            economy.changed(
                eta=external.eta,
                delta=external.delta,
                sigma=external.sigma,
                theta=external.theta,
                distortion_elasticity=xi,
                subsidy=subsidy,
                **changes,
            )
        )
        start, matrix = one.equilibrium.point[0], point.matrices[period]
        equilibria.append(solve_static(economies[-1], lag, start=start, preconditioner=matrix))
        lag = equilibria[-1].adopter_share
    found = [equilibrium_moments(problem, equilibria, smooth=smooth) for smooth in (True, False)]
    weight = np.ones_like(setting.target) if setting.weight is None else setting.weight
    arrays: Arrays = {
        "parameters": parameters,
        "moments": found[0],
        "exact_moments": found[1],
        "criterion": (weight * (found[0] / setting.target - 1.0) ** 2).sum(axis=1),
        "calibrated": np.ones(count, dtype=bool),
        "calibration_status": np.where(usable, "held", "undefined").astype("<U13"),
        "calibration_step": np.zeros(count),
        "evaluations": np.zeros(count, dtype=np.int64),
        "residual": np.stack([one.residual for one in equilibria]).max(axis=0),
    }
    return _Ready(_baseline(setting, tuple(economies), tuple(equilibria)), arrays, usable)


def _baseline(
    setting: SpatialSetting, economies: tuple[Any, ...], equilibria: tuple[StaticEquilibrium, ...]
) -> Baseline:
    """Return the draws' baseline; preconditioners are the point calibration's, whatever draws are in the chunk."""
    problem = setting.problem()
    return Baseline(
        economies=economies,
        equilibria=equilibria,
        initial_share=problem.initial_share,
        policy_periods=problem.subsidy_periods,
        heavy=problem.adopting_sector,
        freeness_without_highway=setting.bundle.freeness(expressway=False),
        preconditioners=_point(setting).matrices,
    )


# -- economies to answers ----------------------------------------------------------------------------------------------


def propagate_spatial(
    draws: Mapping[str, FloatArray], setting: SpatialSetting, *, spent: dict[str, float] | None = None
) -> Arrays:
    """Return what D draws imply.

    Parameters
    ----------
    draws
        ``log_eta``, ``delta``, ``subsidy``, ``sigma`` and ``pareto_ratio``, each (D,).
    setting
        The economy, the point calibration and what to compute.
    spent
        If given, processor seconds by stage are added to it.

    Returns
    -------
    dict
        Arrays with D rows; shares, rates and gains are fractions.  See ``docs/methods/propagation.md`` for each.

        * calibration: ``parameters`` (D, 6), ``moments`` and ``exact_moments`` (D, 7), ``criterion``, ``calibrated``,
          ``calibration_status``, ``calibration_step``, ``evaluations``
        * solver: ``converged``, ``residual``, ``fate_push``, ``fate_none``, ``periods_push``, ``periods_none``
        * steady states: ``count``, ``multiple``, ``separation``, ``starts_astray``, ``moved``, ``needed``,
          ``industrial_push``, ``industrial_none`` and ``industrial_share``, ``industrialised_push`` and ``_none``
          (regions), ``smallest_push``, ``smallest_industrial_push`` and their ``_status``
        * effects: ``gdp_share_push`` and ``_none``, ``gdp_share``, the same for ``export_intensity`` and
          ``employment_share``; ``welfare_log``, ``welfare_linear``, ``output`` (D, J), ``output_total``,
          ``subsidy_to_gdp``, ``regional_gdp_share_difference`` and ``regional_welfare`` (D, N),
          ``path_gdp_share_push`` and its like (D, T), ``scenario_<name>_gdp_share`` and its levels

    Raises
    ------
    MissingKey, ShapeMismatch
        If draws are missing or not of one length.

    Notes
    -----
    No draw is dropped.  Where there is no model, or no fundamentals can be inverted, numbers are NaN, ``converged`` is
    False and ``calibration_status`` says why.  Where a path does not settle, ``converged`` is False, and numbers are
    those of its last period.

    A chunk's results are a function of the chunk: the same draws in the same order give the same bits in any process.
    The same draw among *other* draws agrees to the solver's tolerance only, as sums over batches of other sizes round
    differently.  So chunks are cut by position, and not by who does them.
    """
    external = setting.external_draws(draws)
    if external.n_draws == 0:
        raise InvalidValue(key="draws", value="none", requirement="at least one", remedy="pass some draws")
    with one_thread_each(), np.errstate(all="ignore"):
        return _isolating(draws, external, setting, spent)


def _isolating(
    draws: Mapping[str, FloatArray], external: ExternalDraws, setting: SpatialSetting, spent: dict[str, float] | None
) -> Arrays:
    """Return all draws' outcomes; one whose numbers no economy can have is looked for by halves, and flagged."""
    try:
        return _outcomes(draws, external, setting, spent)
    except (InvalidValue, np.linalg.LinAlgError):
        if not external.usable.any():
            raise
        if external.n_draws == 1:
            return _outcomes(draws, replace(external, eta=np.array([np.nan])), setting, spent)
        parts = []
        for half in np.array_split(np.arange(external.n_draws), 2):
            some = {name: np.asarray(values)[half] for name, values in draws.items()}
            parts.append(_isolating(some, external.select(half), setting, spent))
        return {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}


def _outcomes(
    draws: Mapping[str, FloatArray], external: ExternalDraws, setting: SpatialSetting, spent: dict[str, float] | None
) -> Arrays:
    with _clock(spent, "point calibration"):
        _point(setting)
    with _clock(spent, "recalibration" if setting.recalibrate else "equilibria"):
        ready = (_recalibrated if setting.recalibrate else _held)(draws, external, setting)
    with _clock(spent, "paths with and without the push"):
        (comparison,) = _compared(ready.baseline, [None], setting)
        found = ready.arrays | _effects(comparison, ready.baseline, setting)
        found["residual"] = np.maximum(found["residual"], ready.arrays["residual"])
    with _clock(spent, "steady states"):
        found |= _steady_states(comparison, ready.baseline, setting)
    with _clock(spent, "smallest push"):
        if setting.smallest_push:
            found |= _smallest(comparison, found["parameters"], found["industrial_share"], ready, setting)
    del comparison
    with _clock(spent, "scenarios"):
        for first in range(0, len(SCENARIOS) if setting.scenarios else 0, _TOGETHER):
            for one in _compared(ready.baseline, SCENARIOS[first : first + _TOGETHER], setting):
                found |= _scenario(one, ready.baseline)
    settled = (found["fate_push"] == STEADY) & (found["fate_none"] == STEADY)
    found["converged"] = settled & found["calibrated"] & ready.usable
    return {key: _flagged(key, values, ready.usable) for key, values in found.items()}


@contextmanager
def _clock(spent: dict[str, float] | None, stage: str) -> Iterator[None]:
    before = time.process_time()
    yield
    if spent is not None:
        spent[stage] = spent.get(stage, 0.0) + time.process_time() - before


def _flagged(key: str, values: Any, usable: Flags) -> Any:
    """Return an outcome without the numbers of draws for which the point calibration stood in."""
    if key in ("calibration_status", "evaluations", "converged"):
        return values
    lost = ~usable.reshape(-1, *(1,) * (values.ndim - 1))
    if values.dtype.kind == "f":
        return np.where(lost, np.nan, values)
    blank: Any = "no economy" if values.dtype.kind == "U" else np.zeros((), dtype=values.dtype)
    return np.where(lost, blank, values)


#: Scenarios whose paths are one batch: more take more memory, and hardly less time.
_TOGETHER = 3


def _compared(
    baseline: Baseline, scenarios: Sequence[Scenario | None], setting: SpatialSetting
) -> Iterator[Comparison]:
    options = {"max_periods": setting.max_periods, "tolerance": setting.tolerance}
    found = dict(compare(baseline, scenarios, **options))
    while found:  # let go one by one, once it is summed up
        yield found.pop(next(iter(found)))


def _effects(comparison: Comparison, baseline: Baseline, setting: SpatialSetting) -> Arrays:
    """Table 3 A and B, and the paths of Figure 4."""
    push, none, heavy = comparison.push, comparison.none, baseline.heavy
    labour = setting.bundle.labour / setting.bundle.labour.sum()
    found: Arrays = effects_of_push(push.outcomes, none.outcomes, heavy=heavy, labour=labour, discount=setting.discount)
    found["regional_gdp_share_difference"] = found.pop("regional_gdp_share")
    for name in ("regional_export_intensity", "regional_employment_share"):
        del found[name]
    for side, path in (("push", push), ("none", none)):
        found[f"fate_{side}"], found[f"periods_{side}"] = path.fate, path.periods
        for name in DIFFERENCES:
            values = stretched(getattr(path.outcomes, name), setting.path_periods)[:, :, heavy]
            found[f"path_{name}_{side}"] = np.ascontiguousarray(values.T)
    bill = push.outcomes.subsidy_to_gdp[list(baseline.policy_periods)]
    gap = np.abs(push.shares[-1] - none.shares[-1]).max(axis=(1, 2))
    settled = (push.fate == STEADY) & (none.fate == STEADY)
    moved = settled & (gap > TOLERANCE)
    threshold = _threshold(baseline, setting)
    industrial = [settled & (found[f"gdp_share_{side}"] >= threshold) for side in ("push", "none")]
    return found | {
        "industrial_share": threshold,
        "industrial_push": industrial[0],
        "industrial_none": industrial[1],
        "subsidy_to_gdp": bill.mean(axis=0),
        "moved": moved,
        "needed": moved & industrial[0] & ~industrial[1],
        "residual": np.maximum(push.worst_residual, none.worst_residual),
    }


def _threshold(baseline: Baseline, setting: SpatialSetting) -> FloatArray:
    """Return the heavy sector's GDP share from which a state is industrial, (D,)."""
    first, last = (measure(baseline.equilibria[t]).gdp_share[:, baseline.heavy] for t in (0, -1))
    if setting.industrial_share is not None:
        return np.full(first.shape, setting.industrial_share)
    return 0.5 * (first + last)


def _steady_states(comparison: Comparison, baseline: Baseline, setting: SpatialSetting) -> Arrays:
    """Distinct steady states of the frozen economy, from λ = 0, λ = 1, after the policy with and without it, at random.

    The paths with and without the push go on from their shares after the policy: they are two of the starts.
    """
    frozen, matrices = baseline.frozen(), baseline.preconditioners
    draws = comparison.push.fate.size
    starts = all_starts(frozen, extra=setting.random_starts, seed=setting.seed)
    rows = np.tile(np.arange(draws), len(starts))
    # all starts of all draws are one batch
    path = solve_path(
        [frozen.select(rows) if frozen.n_draws > 1 else frozen],
        np.concatenate([np.broadcast_to(share, (draws, *share.shape[1:])) for share in starts.values()]),
        starts=[baseline.equilibria[-1].point[rows]],
        preconditioners=None if matrices is None else [matrices[-1]],
        renew=static_preconditioner,
        max_periods=setting.max_periods,
        tolerance=setting.tolerance,
    )
    ends = np.concatenate([path.shares[-1], comparison.push.shares[-1], comparison.none.shares[-1]])
    fates = np.concatenate([path.fate, comparison.push.fate, comparison.none.fate])
    ends, fates = ends.reshape(-1, draws, *ends.shape[1:]), fates.reshape(-1, draws)
    state, separation = distinct_steady_states(ends, fates == STEADY)
    count = state.max(axis=0) + 1
    return {
        "count": count,
        "multiple": count >= 2,
        "separation": separation,
        "starts_astray": (state < 0).sum(axis=0),
    }


def _smallest(
    comparison: Comparison, parameters: FloatArray, threshold: FloatArray, ready: _Ready, setting: SpatialSetting
) -> Arrays:
    found = smallest_push(
        ready.baseline,
        comparison.none,
        setting.problem().subsidised,
        threshold,
        highest=setting.highest_rate,
        grid=setting.rate_grid,
        tolerance=setting.rate_tolerance,
        known_rate=np.nan_to_num(parameters[:, PARAMETERS.index("subsidy_rate")]),
        known_end=comparison.push,
        max_periods=setting.max_periods,
        path_tolerance=setting.tolerance,
    )
    return {
        "smallest_push": found.rate,
        "smallest_push_status": found.status,
        "smallest_industrial_push": found.industrial_rate,
        "smallest_industrial_push_status": found.industrial_status,
    }


def _scenario(comparison: Comparison, baseline: Baseline) -> Arrays:
    """Table 3 C: the push's effect on heavy manufacturing's GDP share; NaN where a path does not settle."""
    assert comparison.scenario is not None
    name = f"scenario_{comparison.scenario.name}"
    levels, settled = [], np.ones(comparison.push.fate.size, dtype=bool)
    for path in (comparison.push, comparison.none):
        levels.append(path.outcomes.gdp_share[-1][:, baseline.heavy])
        settled &= path.fate == STEADY
    push, none = (np.where(settled, level, np.nan) for level in levels)
    return {
        f"{name}_gdp_share": push - none,
        f"{name}_gdp_share_push": push,
        f"{name}_gdp_share_none": none,
        f"{name}_fate_push": comparison.push.fate,
        f"{name}_fate_none": comparison.none.fate,
    }
