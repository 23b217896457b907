"""Simulated economies through the whole pipeline: truth drawn, firms simulated, estimated, and what each route infers.

An economy of the study is a truth (η, δ, s̄) drawn from the prior.  Firms are simulated at it, matched, and estimated;
a *route* is one way from those estimates to a posterior.  What a (log η, δ, s̄) leads to does not depend on the
firms: the quantitative economy is recalibrated at it.  See ``docs/methods/end-to-end.md``.
"""

import time
import warnings
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from tests.small_economy import small_economy

from bigpush_est.bayes.evidence import Exponent
from bigpush_est.bayes.evidence_set import EvidenceSet
from bigpush_est.bayes.models.normal import NormalModel
from bigpush_est.bayes.models.weak_iv import WeakInstrumentModel, weak_prior
from bigpush_est.bayes.priors import PARAMETERS, Prior
from bigpush_est.bayes.sampling import PosteriorModel, SamplerSettings, derived_seed, sample_model
from bigpush_est.data.firm_panel import simulate_firm_panel
from bigpush_est.data.firm_panel_design import FirmPanelDesign
from bigpush_est.data.frames import MicroData
from bigpush_est.data.published import load_published
from bigpush_est.equilibrium.spatial.calibration import Evaluator
from bigpush_est.errors import InputError, SolverFailed
from bigpush_est.pipeline.estimates import COMPLEMENTARITY, MicroDesign, MicroEstimates, joined_estimates
from bigpush_est.pipeline.losers import differences_in_share, exposed, with_own_clusters
from bigpush_est.propagate.spatial import SpatialSetting
from bigpush_est.quantitative.study import QuantitativeStudy
from bigpush_est.reduced_form.events.event_study import EventStudy, winners_vs_losers
from bigpush_est.reduced_form.spillovers.table import spillovers

SEED = 1980
#: The prior of the truths, and of every posterior.
PRIOR = {
    "log_eta": {"family": "gamma", "shape": 4.0, "scale": 0.06},
    "delta": {"family": "gamma", "shape": 4.0, "scale": 0.17},
    "subsidy": {"family": "beta", "a": 3.0, "b": 37.0},
    "sigma": {"family": "fixed", "value": 5.0},
    "pareto_ratio": {"family": "fixed", "value": 1.06},
}
FREE = ("log_eta", "delta", "subsidy")
#: The truth of the paper's Table 2, for coverage at one point.
CENTRE = {"log_eta": float(np.log(1.25)), "delta": 0.68, "subsidy": 0.06}
PRIORS = tuple(Prior.parse(name, PRIOR[name]) for name in PARAMETERS)
SETTINGS = SamplerSettings(chains=2, tune=500, draws=500, max_rhat=1.05, min_ess=100.0, max_divergences=10)


# -- routes ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Route:
    """One way from a panel's estimates to a posterior.

    Attributes
    ----------
    exponent
        Of sales: "undistorted" is σ − 1, the published mapping, "kept" the model's own.
    event_times
        Whose coefficients are averaged, as far as they are estimated: late ones may have no winner on record.
    net
        Whether the spillover of winners on their losers is in the direct estimate's mean.
    own_clusters
        Whether the direct estimate's standard error is the event study's own, by match and by firm, instead of by
        region and business group; correlations stay.
    weak
        Whether reduced form and first stage enter in place of the spillover estimate.
    """

    exponent: Exponent
    event_times: tuple[int, ...] = (4, 5, 6, 7)
    net: bool = False
    own_clusters: bool = False
    weak: bool = False


ROUTES: dict[str, Route] = {
    "published": Route("undistorted"),
    "consistent": Route("kept"),
    "net": Route("kept", net=True),
    "own clusters": Route("kept", (4, 5), net=True, own_clusters=True),
    "weak instrument": Route("kept", (4, 5), net=True, own_clusters=True, weak=True),
}


@dataclass(frozen=True, slots=True)
class Firms:
    """A kind of panel, and the routes that are tried on it.

    ``changes`` are the design's; ``fixed`` holds the truth at ``CENTRE``.
    """

    changes: Mapping[str, Any]
    routes: tuple[str, ...]
    economies: int
    fixed: bool = False

    def design(self, truth: Mapping[str, float]) -> FirmPanelDesign:
        """Return the panel's design at a truth."""
        return FirmPanelDesign(
            eta=float(np.exp(truth["log_eta"])), delta=truth["delta"], subsidy_rate=truth["subsidy"], **self.changes
        )


DISTORTED = {"distortion_elasticity": -0.30, "sales_definition": "kept"}
#: Every firm on record in every year; no loser finds another partner, so that no match ends early.
COMPLETE = {"coverage": (1.0, 1.0), "gaps": 0.0, "employment_missing": 0.0}
LASTING = {"never_losers": FirmPanelDesign().losers}
KINDS: dict[str, Firms] = {
    "distorted": Firms(DISTORTED, tuple(ROUTES), 200),
    "undistorted": Firms({}, ("published",), 40),
    "complete": Firms(DISTORTED | COMPLETE, tuple(ROUTES), 40),
    "ideal": Firms(DISTORTED | COMPLETE | LASTING, tuple(ROUTES), 60),
    "centre": Firms(DISTORTED, tuple(ROUTES), 40, fixed=True),
}


def draw_truth(kind: str, index: int) -> dict[str, float]:
    """Return an economy's truth: any subset of economies can be drawn again."""
    if KINDS[kind].fixed:
        return CENTRE
    rng = np.random.default_rng([SEED, zlib.crc32(f"truth, {kind}".encode()), index])
    return {prior.parameter: float(prior.draw(1, rng)[0]) for prior in PRIORS if not prior.fixed}


# -- estimates ---------------------------------------------------------------------------------------------------------


def between_winners_and_losers(data: MicroData, study: EventStudy) -> pd.DataFrame:
    """Return what an event study compares besides technology, by event time.

    ``paid``: share of winners' rows in years and places in which the subsidy was paid to adopters.  ``share``: the
    event study with neighbours' lagged adopter share, as records have it, as its outcome.
    """
    frame = study.stack.frame.loc[study.regression.rows]
    firms = data.panel.drop_duplicates("firm").set_index("firm").loc[frame["firm"]]
    regions, sectors = data.need("regions", "the subsidy"), data.need("sectors", "the subsidy")
    subsidised = firms["region"].map(regions.set_index("region")["subsidised"]).to_numpy(dtype=bool)
    heavy = firms["sector"].map(sectors.set_index("sector")["heavy"]).to_numpy(dtype=bool)
    first, last = FirmPanelDesign().policy_years
    share = differences_in_share(data, study, FirmPanelDesign().spillover_lag)
    frame = frame.assign(paid=subsidised & heavy & frame["year"].between(first, last))
    paid = frame[frame["treated"]].groupby("event_time")["paid"].mean()
    return pd.DataFrame({"paid": paid, "share": share})


def evidence_of(route: Route, found: MicroEstimates, differences: pd.DataFrame) -> EvidenceSet:
    """Return the set of estimates that a route takes."""
    times = list(found.design.event_times)
    if route.own_clusters:
        found = with_own_clusters(found)
    evidence = EvidenceSet.from_estimates(
        found.joint,
        exponent=route.exponent,
        subsidised_share=float(differences.loc[times, "paid"].mean()),
        label="synthetic",
    ).without(COMPLEMENTARITY)
    return exposed(evidence, float(differences.loc[times, "share"].mean())) if route.net else evidence


def model_of(route: Route, evidence: EvidenceSet) -> PosteriorModel:
    """Return the posterior's model."""
    if route.weak:
        return WeakInstrumentModel((*PRIORS, weak_prior()), evidence)
    return NormalModel(PRIORS, evidence)


# -- one economy -------------------------------------------------------------------------------------------------------


def one_economy(kind: str, index: int) -> dict[str, Any]:
    """Draw an economy and infer its truth on every route; what fails says why, as JSON can hold it."""
    start = time.process_time()
    firms, truth = KINDS[kind], draw_truth(kind, index)
    found: dict[str, Any] = {"kind": kind, "index": index, "truth": truth, "routes": {}, "failure": ""}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # thin matches and repaired covariances are part of what is studied
        try:
            panel = simulate_firm_panel(firms.design(truth), derived_seed(SEED, f"{kind} {index}"))
            study, table = winners_vs_losers(panel.data), spillovers(panel.data)
            differences = between_winners_and_losers(panel.data, study)
        except (InputError, SolverFailed) as error:
            return found | {"failure": _reason(error), "seconds": time.process_time() - start}
        joints: dict[tuple[int, ...], MicroEstimates | str] = {}
        for name in firms.routes:
            route = ROUTES[name]
            times = tuple(k for k in route.event_times if k in study.event_times)
            if times not in joints:
                try:
                    asked = MicroDesign(event_times=times)
                    joints[times] = joined_estimates(panel.data, study, table, asked)
                except InputError as error:
                    joints[times] = _reason(error)
            joint = joints[times]
            if isinstance(joint, str):
                found["routes"][name] = {"failure": joint}
                continue
            try:
                evidence = evidence_of(route, joint, differences)
                found["routes"][name] = inferred(route, evidence, truth, derived_seed(SEED, f"{kind} {index} {name}"))
            except InputError as error:
                found["routes"][name] = {"failure": _reason(error)}
            if found["routes"][name].get("evidence"):
                found["routes"][name]["event_times"] = times
    return found | {"seconds": time.process_time() - start}


def inferred(route: Route, evidence: EvidenceSet, truth: Mapping[str, float], seed: int) -> dict[str, Any]:
    """Sample the posterior; return its evidence, thinned draws, and where the truth lies in it."""
    posterior = sample_model(model_of(route, evidence), SETTINGS, seed=seed)
    flat = posterior.flat()
    chosen = np.linspace(0, flat["delta"].size - 1, 39).round().astype(int)
    return {
        "failure": "",
        "evidence": evidence.to_json(),
        "sampler": list(posterior.diagnostics.failures),
        "below": {name: float((flat[name] < truth[name]).mean()) for name in FREE},
        "median": {name: float(np.median(flat[name])) for name in FREE},
        "draws": {name: flat[name][chosen].tolist() for name in FREE},
    }


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:160]}"


# -- the quantitative economy ------------------------------------------------------------------------------------------

#: Six internal parameters at which a push matters in ten regions: their moments, at CENTRE's η and δ, are the data.
POINT = np.array([0.0117, 0.152, 0.0384, 0.08, 1.48, 0.86])


@cache
def setting() -> SpatialSetting:
    """Return how draws go through the ten regions: recalibrated, each with its own s̄."""
    bundle = small_economy()
    raw = {
        "name": "ten-regions",
        "title": "Ten regions",
        "model": "spatial",
        "seed": SEED,
        "economy": {"folder": "none", "numeraire": "commodity"},
        "parameters": {"eta": float(np.exp(CENTRE["log_eta"])), "delta": CENTRE["delta"]},
        "calibration": {"region_share_year": 1980},
        "policies": {"run": False},
    }
    study = QuantitativeStudy(raw, "end to end", bundle, load_published())
    model = Evaluator(study.problem()).moments(POINT[None])[0][0]
    moments = tuple(replace(one, value=float(value)) for one, value in zip(bundle.moments, model, strict=True))
    study = QuantitativeStudy(raw, "end to end", replace(bundle, moments=moments), load_published())
    return SpatialSetting.of(study, POINT, subsidy="given", scenarios=False, smallest_push=False, random_starts=1)
