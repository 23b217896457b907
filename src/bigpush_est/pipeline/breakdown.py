"""How far each parameter must move for P(multiple), P(moved) and P(needed) to cross one half, by propagating again.

A point is one parameter held at one value: its posterior, its draws through the model, calibrated anew.  Points of all
parameters' coarse grids are done first, then the rounds of halving; each point is a checkpoint.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from bigpush_est.bayes.sampling import Diagnostics
from bigpush_est.equilibrium.spatial.calibration import PARAMETERS
from bigpush_est.errors import InputError
from bigpush_est.pipeline.evidence import Gathered, posterior_model
from bigpush_est.pipeline.held import HOLDABLE, exponents, held_at, others_unmoved
from bigpush_est.pipeline.results import EVENTS, Mapped
from bigpush_est.pipeline.stages import Crew, at_medians, sampled, setting_of, thinned
from bigpush_est.pipeline.study import PipelineStudy
from bigpush_est.propagate.breakdown import HeldPoint, coarse_grid, crossing, halved
from bigpush_est.propagate.schedule import run_chunks
from bigpush_est.propagate.spatial import SpatialSetting, propagate_spatial
from bigpush_est.propagate.summary import probability
from bigpush_est.run_folder import RunFolder

if TYPE_CHECKING:
    from bigpush_est.quantitative.artefacts import Arrays
    from bigpush_est.stages import Progress

type Row = dict[str, Any]
#: A parameter and the value that it is held at.
type Place = tuple[str, float | str]

TITLE = "Breakdown values"


@dataclass(frozen=True, slots=True)
class HeldWork:
    """The work of one point, as an object that other processes can be sent.

    Attributes
    ----------
    raw, where, gathered, setting
        Of the study.
    kept, diagnostics
        The study's own draws, thinned; where the others' posterior does not move, they serve.
    """

    raw: Row
    where: str
    gathered: Gathered
    setting: SpatialSetting
    kept: Mapping[str, Any]
    diagnostics: Diagnostics

    def __call__(self, place: Place) -> Row:
        """Return a point's probabilities, as JSON can hold them."""
        parameter, value = place
        try:
            changed = held_at(self.raw, self.gathered.evidence, self.setting, parameter, value)
            study, base = (PipelineStudy(raw, self.where) for raw in (changed.raw, self.raw))
            gathered = replace(self.gathered, evidence=changed.evidence)
            models = posterior_model(base, self.gathered.evidence), posterior_model(study, changed.evidence)
            # counts have a likelihood of their own, in which the calibration takes part
            if gathered.counts is None and others_unmoved(*models, self.kept, changed.prior):
                draws, diagnostics = dict(self.kept), self.diagnostics
                if changed.prior is not None:
                    draws[changed.prior[0]] = np.full_like(draws[changed.prior[0]], changed.prior[1])
            else:
                size, posterior_draws = study.spec.sensitivity.draws, study.spec.sampler.variant_draws
                posterior = sampled(study, gathered, draws=posterior_draws, label="breakdown", cores=1)
                draws, diagnostics = thinned(posterior, size), posterior.diagnostics
            outcomes = propagate_spatial(draws, changed.setting)
        except InputError as error:
            return {"failed": str(error)}
        converged = np.asarray(outcomes["converged"], dtype=bool)
        chains = study.spec.sampler.chains
        return {
            "failed": None,
            "draws": int(converged.size),
            "unconverged": int((~converged).sum()),
            "probabilities": {
                name: asdict(chance) | {"text": chance.text()}
                for name in EVENTS
                for chance in (probability(outcomes[name], converged, diagnostics, chains),)
            },
            "failures": list(diagnostics.failures),
        }


@dataclass(frozen=True, slots=True)
class Moved:
    """A parameter that is to be moved: the study's value, its posterior deviation (None: it has none), its grid's ends.

    ``own`` and the ends are in the parameter's unit, the deviation on its scale in ``HOLDABLE``.
    """

    name: str
    own: float | str
    deviation: float | None = None
    ends: tuple[float, float] | None = None

    def coarse(self, count: int) -> tuple[float | str, ...]:
        """Return the values that come first."""
        return exponents(str(self.own)) if self.ends is None else coarse_grid(*self.ends, count)

    def distance(self, value: float) -> float | None:
        """Return how many posterior deviations a value is from the study's."""
        if self.deviation is None or isinstance(self.own, str):
            return None
        scaled = HOLDABLE[self.name].scaled
        return (scaled(value) - scaled(self.own)) / self.deviation


def breakdowns(
    first: Mapped,
    outcomes: Mapping[str, "Arrays"],
    folder: RunFolder,
    crew: Crew,
    told: "Progress",
) -> list[Row] | None:
    """Move each parameter of ``[sensitivity]`` until the probabilities cross one half.

    Parameters
    ----------
    first
        The study with its estimates, posterior and calibration at the medians.
    outcomes
        What its draws led to, by version.
    folder
        Of the run: every point is a checkpoint of it.
    crew
        Who does the points.
    told
        Called with the stage's name, points done and points in all.

    Returns
    -------
    list of dict, or None
        A row per parameter: values, probabilities with Monte Carlo errors, crossings.  None if the study asks for none.
    """
    study, posterior = first.study, first.posterior
    section = study.spec.sensitivity
    if not section.breakdown:
        return None
    lean = {"scenarios": False, "smallest_push": False}
    setting = setting_of(study, posterior, first.point["parameters"], "recalibrated", **lean)
    kept = thinned(posterior, section.draws)
    work = HeldWork(
        {key: value for key, value in study.raw.items() if key != "variants"},
        study.where,
        replace(first.gathered, micro=None),
        setting,
        kept,
        posterior.diagnostics,
    )
    moved = [moved_parameter(first, outcomes, name) for name in dict.fromkeys(section.parameters)]
    found: dict[Place, Row] = {}
    _do([(one.name, value) for one in moved for value in one.coarse(section.grid)], found, work, folder, crew, told)
    for _ in range(section.halvings):
        todo: list[Place] = [
            (one.name, value)
            for one in moved
            if not isinstance(one.own, str)
            for value in _next(one.own, [(at, row) for (name, at), row in found.items() if name == one.name])
        ]
        _do(todo, found, work, folder, crew, told)
    return [summarised(one, {at: row for (name, at), row in found.items() if name == one.name}) for one in moved]


def moved_parameter(first: Mapped, outcomes: Mapping[str, "Arrays"], name: str) -> Moved:
    """Return the study's own value of a parameter and the ends of its grid."""
    study, posterior = first.study, first.posterior
    if name == "exponent":
        return Moved(name, study.spec.mapping.exponent)
    one, deviation = HOLDABLE[name], None
    if name == "xi":
        own = at_medians(study, posterior).distortion_elasticity()
    elif name == "kappa" or (name == "subsidy" and study.spec.propagation.subsidy == "recalibrated"):
        own = _calibrated(first.point, outcomes, "kappa" if name == "kappa" else "subsidy_rate")
    else:
        values = posterior.draws[one.prior]
        own = float(np.median(values))
        deviation = None if study.prior(one.prior).fixed else float(values.std())
    given: list[float] | None = study.spec.sensitivity.ranges.get(cast("Any", name))
    low, high = given or [one.unscaled(end) for end in one.span(own, deviation)]
    return Moved(name, one.unscaled(own), deviation, (low, high))


def _calibrated(point: "Arrays", outcomes: Mapping[str, "Arrays"], name: str) -> float:
    """Return the median of what the draws were calibrated to; the point calibration's where none was."""
    column = PARAMETERS.index(name)
    if "recalibrated" in outcomes:
        found = outcomes["recalibrated"]
        values = found["parameters"][np.asarray(found["converged"], dtype=bool), column]
        if values.size:
            return float(np.median(values))
    return float(point["parameters"][column])


def _next(own: float, rows: list[tuple[float | str, Row]]) -> list[float]:
    """Return the values at which events' crossings are to be narrowed down, each once."""
    wanted = {halved(_points(rows, event), own) for event in EVENTS}
    return sorted(value for value in wanted if value is not None)


def _points(rows: list[tuple[float | str, Row]], event: str) -> list[HeldPoint]:
    return [_held_point(float(value), row, event) for value, row in rows]


def _held_point(value: float, row: Row, event: str) -> HeldPoint:
    if row["failed"]:
        return HeldPoint(value, np.nan, np.nan, np.nan)
    chance = row["probabilities"][event]
    error = chance["mcse"]
    if error is None:  # all draws agree: what half a draw more would make of it
        share = (chance["hits"] + 0.5) / (chance["draws"] + 1.0)
        error = float(np.sqrt(share * (1.0 - share) / chance["effective_draws"]))
    return HeldPoint(value, chance["estimate"], chance["all_yes"], error)


def _do(
    places: list[Place], found: dict[Place, Row], work: HeldWork, folder: RunFolder, crew: Crew, told: "Progress"
) -> None:
    """Do the points that are not done yet; what is found is what the checkpoints hold."""
    todo = []
    for place in places:
        stored = folder.stored_piece(_checkpoint(place))
        if stored is None:
            todo.append(place)
        else:
            found[place] = stored
    total = len(found) + len(todo)
    told(TITLE, len(found), total)

    def keep(index: int, row: Row) -> None:
        name = _checkpoint(todo[index])
        folder.write_piece(name, row)
        found[todo[index]] = folder.stored_piece(name)
        told(TITLE, len(found), total)

    run_chunks(work, todo, workers=crew.workers, scheduler=crew.scheduler, keep=keep)


def _checkpoint(place: Place) -> str:
    return f"checkpoints/breakdown-{place[0]}-{place[1]}.json"


def summarised(moved: Moved, rows: Mapping[float | str, Row]) -> Row:
    """Return what the report shows of a parameter's grid.

    Parameters
    ----------
    moved
        The parameter.
    rows
        Points by value, as ``HeldWork`` returns them.
    """
    words = isinstance(moved.own, str)
    values = list(rows) if words else sorted(rows)

    def of(event: str, key: str) -> list[Any]:
        return [None if rows[v]["failed"] else rows[v]["probabilities"][event][key] for v in values]

    summary: Row = {
        "parameter": moved.name,
        "own": moved.own,
        "range": None if moved.ends is None else list(moved.ends),
        "deviation": moved.deviation,
        "values": values,
        "probability": {event: of(event, "estimate") for event in EVENTS},
        "mcse": {event: of(event, "mcse") for event in EVENTS},
        "bound_low": {event: of(event, "bound_low") for event in EVENTS},
        "bound_high": {event: of(event, "bound_high") for event in EVENTS},
        "text": {event: of(event, "text") for event in EVENTS},
        "highest": {event: of(event, "all_yes") for event in EVENTS},
        "draws": [rows[v].get("draws") for v in values],
        "unconverged": [rows[v].get("unconverged") for v in values],
        "failed": [rows[v]["failed"] for v in values],
        "failures": [rows[v].get("failures", []) for v in values],
    }
    if words:
        return summary | {"crossing": None, "crossing_mcse": None, "distance": None, "undecided": None}
    ordered: Any = [(v, rows[v]) for v in values]
    points = {event: _points(ordered, event) for event in EVENTS}
    crossings = {event: crossing(points[event], float(moved.own)) for event in EVENTS}
    return summary | {
        "crossing": {event: None if one is None else one.value for event, one in crossings.items()},
        "crossing_mcse": {event: None if one is None else one.mcse for event, one in crossings.items()},
        "distance": {event: None if one is None else moved.distance(one.value) for event, one in crossings.items()},
        "undecided": {event: sum(one.side == 0 for one in points[event]) for event in EVENTS},
    }
