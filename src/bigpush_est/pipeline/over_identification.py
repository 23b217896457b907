"""Panel B's estimate beside or in a study's likelihood: which table maps it, and whether it agrees with the others.

The estimate has no closed-form moment.  Its mean comes from a table of slopes (``bayes.complementarity``): Panel B run
on simulated panels, or the model's own-region slope as an approximation.
"""

from dataclasses import replace
from typing import Any

import numpy as np

from bigpush_est.bayes.complementarity import Complementarity
from bigpush_est.bayes.estimates import Kind
from bigpush_est.bayes.evidence_set import EvidenceSet
from bigpush_est.bayes.indirect_inference import panel_b_table
from bigpush_est.bayes.overidentification import overidentification
from bigpush_est.bayes.own_region import own_region_table
from bigpush_est.bayes.sampling import Posterior
from bigpush_est.equilibrium.adoption_map import FloatArray
from bigpush_est.errors import BigPushError, InvalidValue
from bigpush_est.pipeline.study import PipelineStudy

KIND: Kind = "complementarity"
#: e of the panels behind the shipped table: σ − 1 at σ = 5, without distortions.
PANELS_EXPONENT = 4.0


def divided(study: PipelineStudy, found: EvidenceSet) -> tuple[EvidenceSet, EvidenceSet | None]:
    """Return what enters the likelihood, and the whole set where complementarity is among what was estimated.

    Raises
    ------
    InvalidValue
        Where complementarity is to enter the likelihood and there is no such estimate.
    """
    mode = study.spec.evidence.complementarity
    if not found.has(KIND):
        if mode == "likelihood":
            raise InvalidValue(
                key=f"{study.where}: evidence.complementarity",
                value=mode,
                requirement="an estimate of complementarity among the study's",
                remedy='give one (kind = "complementarity"), or take complementarity = "none"',
            )
        return found, None
    if mode == "likelihood":
        return found, found
    return found.without(KIND), found if mode == "test" else None


def slopes_of(study: PipelineStudy, evidence: EvidenceSet | None) -> Complementarity | None:
    """Return the study's table of slopes; None for a set without complementarity.

    The panels' δ and log η move sales with exponent 4.  A study whose estimates have another exponent e reads the
    table at e·δ and e·log η: both axes are multiplied by 4/e, with e at the centres of σ and θ/(σ−1).  The own-region
    slope is that of Section 5's economy, whose exponents are its own, and is read as it is.
    """
    if evidence is None or not evidence.has(KIND):
        return None
    if study.spec.evidence.complementarity_mapping == "own_region":
        return own_region_table()
    table = panel_b_table(_columns(study))
    constant, slope = evidence.exponent_weights
    exponent = (study.centre("sigma") - 1.0) * (constant + slope * study.centre("pareto_ratio"))
    if np.isclose(exponent, PANELS_EXPONENT):
        return table
    factor = PANELS_EXPONENT / exponent
    return replace(
        table,
        log_eta=table.log_eta * factor,
        delta=table.delta * factor,
        provenance=f"{table.provenance}; axes of log η and δ times {factor:.3g}, for exponent {exponent:.3g}",
    )


def _columns(study: PipelineStudy) -> tuple[int, ...]:
    """Columns of Table 1 that the study's estimate is from; column 3 for estimates of the user's own."""
    given = study.spec.evidence
    if given.source == "micro":
        return (study.micro.column,)
    if given.source == "published" and given.published is not None:
        return tuple(given.published.spillover.columns)
    return (3,)


def over_identification(
    study: PipelineStudy, tested: EvidenceSet | None, posterior: Posterior, calibrated_subsidy: float
) -> dict[str, Any] | None:
    """Return the J test and the slope that the posterior implies, as JSON can hold it.

    Parameters
    ----------
    study, tested
        The study, and its estimates with complementarity; None where there is none, or it is not asked for.
    posterior
        Draws.
    calibrated_subsidy
        s̄ of the point calibration: taken where the calibration finds the subsidy, and the posterior's is not used.
    """
    if study.spec.evidence.complementarity == "none":
        return None
    if tested is None:
        return _untested(study)
    table = slopes_of(study, tested)
    assert table is not None
    flat = posterior.flat()
    given = study.spec.propagation.subsidy == "given"
    subsidy = flat["subsidy"] if given else np.full_like(flat["delta"], calibrated_subsidy)
    held = float(np.median(subsidy))
    implied = table(flat["log_eta"], flat["delta"], subsidy)
    outside = table.outside(flat["log_eta"], flat["delta"], subsidy)
    place = [one.kind for one in tested.estimates].index(KIND)
    median, low, high = (float(v) for v in np.quantile(implied, (0.5, 0.05, 0.95)))
    found: dict[str, Any] = {
        "mode": study.spec.evidence.complementarity,
        "mapping": table.label,
        "table": table.provenance,
        "simulation_error": table.standard_error,
        "estimate": tested.estimates[place].value,
        "standard_error": float(tested.standard_errors[place]),
        "provenance": tested.estimates[place].provenance,
        "implied_median": median,
        "implied_low": low,
        "implied_high": high,
        "outside": int(outside.sum()),
        "draws": int(outside.size),
        "subsidy": held,
    }
    found |= _tested(tested, table, flat, held)
    return found | {"words": _words(found)}


def _untested(study: PipelineStudy) -> dict[str, Any] | None:
    """Return why the published estimate of complementarity is not tested; None where there is no such estimate."""
    given = study.spec.evidence
    if given.source != "published" or given.published is None:
        return None
    reason = (
        "no table of slopes is made for the least squares of column 1"
        if 1 in given.published.spillover.columns
        else f"three estimates cannot all have a correlation of {given.published.correlation.main:g}"
    )
    return {"mode": given.complementarity, "statistic": None, "untested": reason, "words": f"no J test: {reason}."}


def _tested(tested: EvidenceSet, table: Complementarity, flat: dict[str, FloatArray], subsidy: float) -> dict[str, Any]:
    """Return the J test; or why there is none."""
    untested = {"statistic": None, "df": None, "p_value": None}
    for kind, parameter in (("direct", "log η"), ("spillover", "δ")):
        if kind not in [one.kind for one in tested.estimates]:
            # the parameter would run to an edge of the table, where the slope no longer depends on it
            return untested | {"untested": f"nothing but complementarity itself would say what {parameter} is"}
    try:
        test = overidentification(
            tested,
            sigma=float(np.median(flat["sigma"])),
            pareto_ratio=float(np.median(flat["pareto_ratio"])),
            subsidy=subsidy,
            complementarity=table,
        )
    except BigPushError as error:
        return untested | {"untested": str(error)}
    return {
        "statistic": test.statistic,
        "df": test.degrees_of_freedom,
        "p_value": test.p_value,
        "best_log_eta": test.log_eta,
        "best_delta": test.delta,
        "untested": "",
    }


def _words(found: dict[str, Any]) -> str:
    how = {
        "indirect inference": "Panel B run on synthetic panels",
        "approximation": "the model’s own-region slope, an approximation",
    }[found["mapping"]]
    role = "in the likelihood" if found["mode"] == "likelihood" else "not in the likelihood"
    test = (
        f"no J test: {found['untested']}"
        if found["statistic"] is None
        else f"J({found['df']}) = {found['statistic']:.2f}, p = {found['p_value']:.3f}"
    )
    text = (
        f"{test}. Complementarity is estimated at {found['estimate']:.2f} (s.e. {found['standard_error']:.2f}), "
        f"{role}; the posterior implies {found['implied_median']:.2f} (90%: {found['implied_low']:.2f} to "
        f"{found['implied_high']:.2f}; simulation error {found['simulation_error']:.2f}) by {how}"
    )
    if found["outside"]:
        text += f"; {found['outside']} of {found['draws']} draws lie outside the table and take its edge"
    return text + "."
