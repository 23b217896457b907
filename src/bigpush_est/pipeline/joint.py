"""Estimates and adoption counts in one posterior: how a study with ``[evidence.adoption]`` is sampled.

    log L = log L_estimates(log η, δ, s̄, …) + log L_counts(log η, δ, s̄, F^T, κ; F^x, τ̄ of the anchor)

The anchor is the economy, calibrated once at the medians of the posterior of the estimates alone: there the solver
starts, and from there F^x and τ̄ are (with ``fundamentals = "held"``, productivities and foreign demand too).  Sampling
is by tempered SMC: ``sampler.chains`` runs of ``sampler.draws`` particles, which the rest of the pipeline takes as it
takes chains and draws of NUTS, under the same gates.

Adopter shares enter once: here.  What follows takes s̄, F^T and κ from each draw, and calibrates F^x and τ̄ to the
moments that are no adopter shares (``CALIBRATED_TO_COUNTS`` have weight 0).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bigpush_est.bayes.evidence_set import EvidenceSet
from bigpush_est.bayes.models.adoption import (
    SUPPORTS,
    AdoptionCounts,
    AdoptionModel,
    HeldFundamentals,
    InvertedFundamentals,
    Shares,
    adoption_prior,
)
from bigpush_est.bayes.models.joint import JointModel
from bigpush_est.bayes.models.normal import NormalModel
from bigpush_est.bayes.models.weak_iv import WeakInstrumentModel
from bigpush_est.bayes.priors import Prior
from bigpush_est.bayes.sampling import Posterior, derived_seed
from bigpush_est.bayes.smc import SMCResult, SMCSettings, sample_run, sample_smc
from bigpush_est.data.economy import EconomyBundle
from bigpush_est.equilibrium.adoption_map import FloatArray
from bigpush_est.equilibrium.spatial.anchor import Anchor
from bigpush_est.equilibrium.spatial.static import one_thread_each
from bigpush_est.errors import InvalidValue
from bigpush_est.pipeline.counts import file_counts, panel_counts
from bigpush_est.propagate.schedule import run_chunks
from bigpush_est.quantitative.artefacts import Arrays
from bigpush_est.quantitative.problem import moment_names, tail_elasticity
from bigpush_est.quantitative.stages import calibrated, economies
from bigpush_est.quantitative.study import QuantitativeStudy

if TYPE_CHECKING:
    from bigpush_est.data.frames import MicroData
    from bigpush_est.pipeline.spec import AdoptionSection
    from bigpush_est.pipeline.study import PipelineStudy

#: Internal parameters that the counts inform, by their names in the calibration; s̄ is the third.
DRAWN = ("adoption_cost", "kappa")
PANEL = "panel"
#: Particles and runs that find the medians of the estimates' own posterior.
_ALONE = SMCSettings(particles=500, runs=2)


# -- the study --------------------------------------------------------------------------------------------------------


def adoption_priors(section: "AdoptionSection", where: str) -> tuple[Prior, ...]:
    """Return the priors of the counts' own parameters.

    Raises
    ------
    InputError
        Naming the table and what is wrong in it.
    """
    return tuple(adoption_prior(name, getattr(section, name), where) for name in SUPPORTS)


def uncounted(bundle: EconomyBundle) -> tuple[str, ...]:
    """Return the calibration's moments that the counts hold already: adopter shares, regions with adoption."""
    return tuple(
        name for name in moment_names(bundle) if name.startswith(("adopter_share", "share_of_regions_with_adoption"))
    )


def check_adoption(study: "PipelineStudy") -> None:
    """Refuse a study whose counts cannot be had, or would enter twice.

    Raises
    ------
    InputError
        Naming the key.
    """
    section = study.spec.evidence.adoption
    if section is None:
        return
    where = f"{study.where}: evidence.adoption"
    years = study.point.bundle.years
    if study.spec.propagation.subsidy != "given":
        raise InvalidValue(
            key=f"{study.where}: propagation.subsidy",
            value=study.spec.propagation.subsidy,
            requirement='"given" where there are adoption counts: they estimate s̄, and a calibration of s̄ would use '
            "adopter shares twice",
            remedy='set propagation.subsidy = "given", or drop [evidence.adoption]',
        )
    for name in DRAWN:
        if name in study.spec.calibration.fixed:
            raise InvalidValue(
                key=f"{study.where}: calibration.fixed.{name}",
                value=study.spec.calibration.fixed[name],
                requirement="left out where there are adoption counts: the posterior gives it",
                remedy=f'hold it with evidence.adoption.{name} = {{ family = "fixed", value = … }}',
            )
    for year in section.years:
        if year not in years or section.years.count(year) > 1:
            raise InvalidValue(
                key=f"{where}.years",
                value=year,
                requirement="years of the economy, each once",
                remedy=f"choose from {', '.join(map(str, years))}, or leave it out for all of them",
            )
    if section.counts == PANEL:
        if study.spec.evidence.source != "micro":
            raise InvalidValue(
                key=f"{where}.counts",
                value=PANEL,
                requirement='a file of counts where evidence.source is not "micro"',
                remedy="name a CSV file with the columns region, year, adopters, firms",
            )
    else:
        study_counts(study, None)


def study_counts(study: "PipelineStudy", data: "MicroData | None") -> AdoptionCounts:
    """Return a study's counts: of its panel, or from its file."""
    section, bundle = study.spec.evidence.adoption, study.point.bundle
    assert section is not None
    years, national = tuple(section.years) or bundle.years, section.cells == "nation"
    if section.counts != PANEL:
        return file_counts(study.counts_file(), bundle, years, national=national)
    return panel_counts(study.micro_data() if data is None else data, bundle, years, national=national)


# -- the model --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TailElasticity:
    """ξ of the adopting sector at σ and θ, as the quantitative study infers it; an object that can be sent."""

    exponent: str
    tail_index: float
    published: float

    def __call__(self, sigma: FloatArray, theta: FloatArray) -> FloatArray:
        """Return ξ."""
        return tail_elasticity(self.exponent, sigma, theta, self.tail_index, self.published)


@dataclass(frozen=True, slots=True)
class Point:
    """Where the economy is anchored: medians of the estimates' own posterior, and the calibration there.

    Attributes
    ----------
    study
        Section 5's study there.
    alone
        Draws of η and δ from the estimates alone, each (D,).
    parameters
        The calibration's six, (6,).
    converged
        Whether it did.
    """

    study: QuantitativeStudy
    alone: dict[str, FloatArray]
    parameters: FloatArray
    converged: bool


def anchor_point(
    study: "PipelineStudy",
    estimates: NormalModel | WeakInstrumentModel,
    kept: Callable[[Callable[[], Arrays]], Arrays] = lambda work: work(),
    told: Any = lambda stage, done, total: None,
) -> Point:
    """Calibrate at the medians of the estimates' own posterior.

    Parameters
    ----------
    study, estimates
        The study, and the model of its estimates.
    kept
        Returns saved arrays, or does the work and saves it.
    told
        Progress.
    """
    alone = sample_smc(estimates, _ALONE, seed=derived_seed(study.spec.seed, "estimates alone")).posterior.flat()
    at = {"eta": float(np.exp(np.median(alone["log_eta"])))}
    at |= {name: float(np.median(alone[name])) for name in ("delta", "sigma", "pareto_ratio")}
    point = study.at(at, study.point.bundle)
    found = kept(lambda: calibrated(point, told, curves=False))
    return Point(
        point,
        {"eta": np.exp(alone["log_eta"]), "delta": alone["delta"]},
        np.asarray(found["parameters"]),
        bool(found["converged"]),
    )


def joint_model(
    study: "PipelineStudy", estimates: NormalModel | WeakInstrumentModel, counts: AdoptionCounts, point: Point
) -> JointModel:
    """Return the model of estimates and counts, with the economy that is anchored at a point."""
    section = study.spec.evidence.adoption
    assert section is not None
    xi = TailElasticity(point.study.spec.parameters.exponent, point.study.tail_index, study.tables.value("xi_heavy"))
    shares: Shares
    with one_thread_each():
        if section.fundamentals == "held":
            shares = HeldFundamentals(economies(point.study, point.parameters)[1], xi=xi)
        else:
            shares = InvertedFundamentals(Anchor.of(point.study.problem(), point.parameters), xi)
    return JointModel(
        estimates, AdoptionModel((*study.priors, *study.adoption_priors), counts, shares, section.misrecorded)
    )


@dataclass(frozen=True, slots=True, eq=False)
class JointInputs:
    """What is stored beside the draws."""

    priors: tuple[Prior, ...]
    evidence: EvidenceSet
    counts: AdoptionCounts

    def described(self) -> dict[str, Any]:
        """Return the evidence as JSON can hold it."""
        return {
            "model": "joint",
            "estimates": self.evidence.described(),
            "adopters": self.counts.adopters.tolist(),
            "firms": self.counts.firms.tolist(),
            "provenance": self.counts.provenance,
        }


# -- sampling ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Run:
    """One run of SMC, as an object that other processes can be sent; it leaves its state in the folder."""

    model: JointModel
    settings: SMCSettings
    seed: int
    folder: Path | None

    def __call__(self, run: int) -> int:
        """Sample a run to its end."""
        with one_thread_each(), np.errstate(all="ignore"):
            sample_run(self.model, self.settings, seed=self.seed, run=run, checkpoint=self.folder)
        return run


def smc_settings(study: "PipelineStudy", particles: int) -> SMCSettings:
    """Return the settings of SMC: chains are runs, draws are particles, gates are the sampler's."""
    sampler, section = study.spec.sampler, study.spec.evidence.adoption
    assert section is not None
    return SMCSettings(
        particles=particles,
        runs=sampler.chains,
        max_moves=section.max_moves,
        min_moves=min(3, section.max_moves),
        max_rhat=sampler.max_rhat,
        min_ess=sampler.min_ess,
    )


def sample_joint(
    model: JointModel,
    settings: SMCSettings,
    *,
    seed: int,
    checkpoint: Path | None = None,
    workers: int = 1,
    told: Any = lambda stage, done, total: None,
) -> SMCResult:
    """Draw from the joint posterior, runs over several processes; the numbers do not depend on how many.

    Parameters
    ----------
    model, settings, seed
        As in ``sample_smc``.
    checkpoint
        Folder of the runs' states, one file each, written after every temperature; needed for several workers.
    workers
        Processes at work.
    told
        Progress, in hundredths.
    """
    stage = "Sampling the posterior"
    if workers > 1 and checkpoint is not None:
        done = [0]

        def keep(position: int, run: int) -> None:
            done[0] += 1
            told(stage, int(100 * done[0] / settings.runs), 100)

        run_chunks(Run(model, settings, seed, checkpoint), list(range(settings.runs)), workers=workers, keep=keep)

    def heard(run: int, temperature: float) -> None:
        told(stage, int(100 * (run + temperature) / settings.runs), 100)

    with one_thread_each(), np.errstate(all="ignore"):
        return sample_smc(model, settings, seed=seed, checkpoint=checkpoint, told=heard)


def joint_summary(model: JointModel, result: SMCResult, point: Point, years: tuple[int, ...]) -> dict[str, Any]:
    """Return what the sampler and the counts say of the model: evidence, failures, fit by year, the estimates alone."""
    counts = model.adoption.counts
    draws = result.posterior.flat()
    chosen = np.linspace(0, draws["delta"].size - 1, min(draws["delta"].size, 200)).astype(np.intp)
    at = {name: values[chosen] for name, values in draws.items()}
    with one_thread_each(), np.errstate(all="ignore"):
        share, good = model.adoption.probabilities({name: at[name] for name in at if name in _names(model.adoption)})
    expected = (share * counts.firms).sum(axis=2)[good]
    value, error = result.evidence
    return {
        "log_evidence": value,
        "log_evidence_error": error,
        "evaluations": result.evaluations,
        "failed": result.failed,
        "impossible": result.impossible,
        "temperatures": [int(one.size) for one in result.temperatures],
        "provenance": counts.provenance,
        "cells": int((counts.firms > 0.0).any(axis=0).sum()),
        "anchor_converged": point.converged,
        "anchor": {name: float(np.median(values)) for name, values in point.alone.items()},
        "estimates_alone": {
            name: {
                "median": float(np.median(values)),
                "sd": float(values.std(ddof=1)),
                "low90": float(np.quantile(values, 0.05)),
                "high90": float(np.quantile(values, 0.95)),
            }
            for name, values in point.alone.items()
        },
        "fit": [
            {
                "year": year,
                "firms": float(counts.firms[t].sum()),
                "adopters": float(counts.adopters[t].sum()),
                "expected": float(expected[:, t].mean()) if good.any() else None,
                "low90": float(np.quantile(expected[:, t], 0.05)) if good.any() else None,
                "high90": float(np.quantile(expected[:, t], 0.95)) if good.any() else None,
            }
            for t, year in enumerate(years)
        ],
    }


def _names(model: AdoptionModel) -> set[str]:
    return {prior.parameter for prior in model.priors}


def held_at_medians(posterior: Posterior) -> Mapping[str, float]:
    """Return F^T, κ and s̄ at their posterior medians: what the point calibration holds."""
    flat = posterior.flat()
    found = {name: float(np.median(flat[name])) for name in DRAWN}
    return found | {"subsidy_rate": float(np.median(flat["subsidy"]))}
