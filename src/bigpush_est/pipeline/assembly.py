"""Puts a pipeline run together: ``results.json``'s content and the arrays that figures are drawn from."""

from dataclasses import asdict
from importlib.metadata import version
from typing import Any

import numpy as np

from bigpush_est.bayes.models.mapping import exponent_of
from bigpush_est.bayes.models.normal import estimate_means, mapping_arrays
from bigpush_est.bayes.sampling import Posterior
from bigpush_est.equilibrium.spatial.calibration import PARAMETERS
from bigpush_est.errors import InputError
from bigpush_est.pipeline.evidence import Gathered
from bigpush_est.pipeline.over_identification import over_identification, slopes_of
from bigpush_est.pipeline.results import DIFFERENCES, SECOND, Evidenced, Mapped, answers, fans, what_moves
from bigpush_est.pipeline.study import PipelineStudy
from bigpush_est.pipeline.verdict import failures, warnings
from bigpush_est.propagate.summary import probability, quantity
from bigpush_est.quantitative.artefacts import Arrays
from bigpush_est.quantitative.results import places

#: Draws from the priors that figures and tables of the prior rest on.
PRIOR_DRAWS = 20_000


def assemble(
    first: Mapped,
    outcomes: dict[str, Arrays],
    variants: list[dict[str, Any]],
    second: Mapped | None = None,
    adoption: dict[str, Any] | None = None,
    breakdown: list[dict[str, Any]] | None = None,
) -> tuple[dict[str, Any], Arrays]:
    """Return the content of ``results.json`` and of ``figures.npz``.

    Parameters
    ----------
    first
        What was run: its estimates, its posterior, the calibration at the medians, the draws.
    outcomes
        What the draws led to, by version.
    variants
        Summaries of the variants.
    second
        The same of the second mapping, where the study has one.
    adoption
        What SMC found beside the draws, where adoption counts are in the likelihood.
    breakdown
        Grids of held parameters, where the study asks for them.
    """
    study, gathered, posterior = first.study, first.gathered, first.posterior
    bundle, spec = study.point.bundle, study.spec
    chains = spec.sampler.chains
    main = "recalibrated" if "recalibrated" in outcomes else "fixed"
    evidence = gathered.evidence
    rate = float(first.point["parameters"][PARAMETERS.index("subsidy_rate")])
    whose = {name: second if name == SECOND and second is not None else first for name in outcomes}
    results: dict[str, Any] = {
        "kind": "posterior",
        "study": {
            "name": spec.name,
            "title": spec.title,
            "seed": spec.seed,
            "source": spec.evidence.source,
            "likelihood": spec.evidence.likelihood + (", adoption counts" if gathered.counts is not None else ""),
            "exponent": spec.mapping.exponent,
            "exponent_value": exponent_value(first),
            "second_exponent": spec.mapping.second,
            "subsidy": spec.propagation.subsidy,
            "discount": spec.paths.discount,
            "draws": int(first.draws["delta"].size),
            "chains": chains,
            "main": main,
            "fingerprint": study.fingerprint(),
        },
        "versions": {
            name: version(name) for name in ("bigpush-est", "pymc", "nutpie", "arviz", "numpy", "scipy", "pyfixest")
        },
        "label": evidence.label,
        "economy": {
            "name": bundle.name,
            "label": bundle.label,
            "description": bundle.description,
            "regions": len(bundle.regions),
            "years": list(bundle.years),
            "years_per_period": bundle.years_per_period,
            "sectors": list(bundle.sectors),
            "heavy": bundle.sectors[study.point.problem().adopting_sector],
            **places(bundle),
            "provenance": {table: asdict(origin) for table, origin in bundle.provenance.items()},
        },
        "evidence": evidence_part(gathered)
        | {
            "effective_f": effective_f(study, gathered),
            "over_identification": over_identification(study, gathered.tested, posterior, rate),
        },
        "sources": [asdict(source) for source in (*evidence.sources, *study.sources())],
        "adoption": adoption,
        "posterior": posterior_part(study, gathered, posterior),
        "point": point_part(study, first.point),
        "second": None if second is None else second_part(second),
        "answers": {
            name: answers(found, whose[name].posterior.diagnostics, chains, study.tables)
            for name, found in outcomes.items()
        },
        "sensitivity": {name: _moves(whose[name], found) for name, found in outcomes.items()},
        "breakdown": breakdown,
        "variants": variants,
        "regions": [
            {
                "region": region,
                "name": bundle.region_names[n],
                "latitude": float(bundle.latitude[n]),
                "longitude": float(bundle.longitude[n]),
                "labour": float(bundle.labour[n] / bundle.labour.sum()),
                "subsidised": bool(bundle.subsidised[n]),
            }
            for n, region in enumerate(bundle.regions)
        ],
    }
    tolerated = spec.propagation.tolerated_unconverged
    results["failures"] = evidence_failures(gathered, adoption) + failures(results, tolerated)
    results["warnings"] = warnings(results, tolerated)
    arrays = densities(study, posterior) | outcome_arrays(whose, outcomes)
    if second is not None:
        arrays |= {f"second_{key}": values for key, values in densities(second.study, second.posterior).items()}
    return results, arrays


def second_part(second: Mapped) -> dict[str, Any]:
    """Return the second mapping's exponent, posterior and calibration at the medians."""
    return {
        "exponent": second.study.spec.mapping.exponent,
        "exponent_value": exponent_value(second),
        "posterior": posterior_part(second.study, second.gathered, second.posterior),
        "point": point_part(second.study, second.point),
    }


def exponent_value(mapped: Mapped) -> float:
    """Return the exponent of a mapping at the posterior medians of σ and θ/(σ−1)."""
    flat = mapped.posterior.flat()
    medians = {name: float(np.median(flat[name])) for name in ("sigma", "pareto_ratio")}
    return float(exponent_of(mapped.gathered.evidence.exponent_weights, medians))


def evidence_part(gathered: Gathered) -> dict[str, Any]:
    """Return the estimates as they entered, with their correlations."""
    evidence = gathered.evidence
    spread = evidence.standard_errors
    stage = evidence.first_stage
    return {
        "estimates": [
            asdict(one) | {"standard_error": float(error), "label": evidence.label}
            for one, error in zip(evidence.estimates, spread, strict=True)
        ],
        "correlation": (evidence.covariance / np.outer(spread, spread)).tolist(),
        "correlation_is": evidence.correlation,
        "exponent": evidence.exponent,
        "subsidised_share": evidence.subsidised_share,
        "repaired": evidence.repaired,
        "first_stage_f": None if stage is None else stage.f_statistic,
        "micro": gathered.micro,
    }


def effective_f(study: PipelineStudy, gathered: Gathered) -> float | None:
    """Return the effective first-stage F of the spillover's instrument, where it is known.

    Of one instrument it is the Kleibergen-Paap F that the paper prints.
    """
    spec, micro, stage = study.spec.evidence, gathered.micro, gathered.evidence.first_stage
    if not gathered.evidence.has("spillover"):
        return None
    if spec.source == "published" and spec.published is not None:
        printed = [study.tables.table1("A", column).kp_f for column in spec.published.spillover.columns]
        return min((value for value in printed if value is not None), default=None)
    if micro is not None:
        name = f"({study.micro.column})"
        found = [row["effective_f"] for row in micro["table1"] if (row["panel"], row["column"]) == ("A", name)]
        return found[0] if found else None
    return None if stage is None else float(stage.f_statistic)


def posterior_part(study: PipelineStudy, gathered: Gathered, posterior: Posterior) -> dict[str, Any]:
    """Return the parameters' posterior and prior, and what the sampler reports of itself."""
    chains = study.spec.sampler.chains
    flat = posterior.flat()
    found = {"eta": quantity(np.exp(flat["log_eta"]), chains)}
    found |= {name: quantity(values, chains) for name, values in flat.items() if name != "log_eta"}
    prior = _prior_draws(study)
    before = {"eta": quantity(np.exp(prior["log_eta"]), 1)}
    before |= {name: quantity(values, 1) for name, values in prior.items() if name != "log_eta"}
    return {
        "parameters": {name: asdict(one) for name, one in found.items()},
        "prior": {name: asdict(one) for name, one in before.items()},
        "free": [prior.parameter for prior in study.every_prior if not prior.fixed],
        "diagnostics": asdict(posterior.diagnostics),
        "likelihood": study.spec.evidence.likelihood,
    }


def _prior_draws(study: PipelineStudy) -> dict[str, Any]:
    rng = np.random.default_rng([study.spec.seed, 2])
    return {
        prior.parameter: np.full(PRIOR_DRAWS, prior.numbers[0])
        if prior.fixed
        else np.asarray(prior.frozen().rvs(PRIOR_DRAWS, random_state=rng))
        for prior in study.every_prior
    }


def point_part(study: PipelineStudy, point: Arrays) -> dict[str, Any]:
    """Return the calibration at the posterior medians, beside Table 2."""
    rows = {row.parameter: row.value for row in study.tables.table2_rows}
    published = study.point.published_moments()
    return {
        "parameters": [
            {
                "name": name,
                "value": float(value),
                "paper": rows.get("tau_bar_heavy" if name == "tau_bar" else name),
            }
            for name, value in zip(PARAMETERS, point["parameters"], strict=True)
        ],
        "moments": [
            {
                "name": name,
                "model": float(point["moments"][k]),
                "target": float(point["target"][k]),
                "paper_model": published.get(name, (None, None))[0],
                "paper_data": published.get(name, (None, None))[1],
            }
            for k, name in enumerate(study.point.moment_names())
        ],
        "criterion": float(point["criterion"]),
        "converged": bool(point["converged"]),
    }


def _moves(mapped: Mapped, outcomes: Arrays) -> dict[str, Any]:
    """Return what moves the answer, or the reason why it cannot be read from these draws."""
    study, draws, evidence = mapped.study, mapped.draws, mapped.gathered.evidence
    arrays = mapping_arrays(evidence, slopes_of(study, evidence))
    parameters = {
        name: np.asarray(draws[name], dtype=np.float64)
        for name in ("log_eta", "delta", "subsidy", "sigma", "pareto_ratio")
    }
    means = np.asarray(estimate_means(np, arrays, parameters))
    evidenced = Evidenced(tuple(one.name for one in evidence.estimates), evidence.values, means, evidence.covariance)
    free = {prior.parameter: draws[prior.parameter] for prior in study.every_prior if not prior.fixed}
    weights = {
        prior.parameter: np.asarray(prior.frozen().logpdf(draws[prior.parameter]))
        for prior in study.every_prior
        if not prior.fixed
    }
    try:
        return what_moves(outcomes, free, evidenced, weights)
    except InputError as error:
        return {"unavailable": str(error)}


def evidence_failures(gathered: Gathered, adoption: dict[str, Any] | None = None) -> list[str]:
    """Return what failed before the posterior: gates of the hierarchical event study, the counts' anchor."""
    hierarchical = (gathered.micro or {}).get("hierarchical") or {}
    found = [f"hierarchical event study: {failure}" for failure in hierarchical.get("failures", [])]
    if adoption is not None and not adoption["anchor_converged"]:
        found.append("the calibration that adoption counts are anchored at did not converge")
    return found


def variant_summary(study: PipelineStudy, gathered: Gathered, posterior: Posterior, outcomes: Arrays) -> dict[str, Any]:
    """Return what a variant's row shows."""
    chains = study.spec.sampler.chains
    converged = np.asarray(outcomes["converged"], dtype=bool)
    flat = posterior.flat()
    chances = {
        name: probability(outcomes[name], converged, posterior.diagnostics, chains)
        for name in ("multiple", "moved", "needed")
    }
    return {
        "failed": None,
        "draws": int(converged.size),
        "unconverged": int((~converged).sum()),
        "posterior": {
            "eta": asdict(quantity(np.exp(flat["log_eta"]), chains)),
            "delta": asdict(quantity(flat["delta"], chains)),
        },
        "estimates": [
            {"name": one.name, "value": one.value, "standard_error": float(error)}
            for one, error in zip(gathered.evidence.estimates, gathered.evidence.standard_errors, strict=True)
        ],
        "probabilities": {name: asdict(chance) | {"text": chance.text()} for name, chance in chances.items()},
        "differences": {
            name: asdict(
                quantity(np.where(converged, outcomes[f"{name}_push"] - outcomes[f"{name}_none"], np.nan), chains)
            )
            for name in DIFFERENCES
        },
        "welfare": asdict(quantity(np.where(converged, outcomes["welfare_log"], np.nan), chains)),
        "failures": evidence_failures(gathered) + list(posterior.diagnostics.failures),
    }


def densities(study: PipelineStudy, posterior: Posterior) -> Arrays:
    """Return the arrays behind the figure of prior and posterior."""
    arrays: Arrays = {}
    flat, prior = posterior.flat(), _prior_draws(study)
    for one in study.every_prior:
        if one.fixed:
            continue
        name = "eta" if one.parameter == "log_eta" else one.parameter
        values, before = flat[one.parameter], prior[one.parameter]
        if one.parameter == "log_eta":
            values, before = np.exp(values), np.exp(before)
        low, high = (float(min(values.min(), np.quantile(before, 0.01))), float(np.quantile(values, 0.9995)))
        high = max(high, float(np.quantile(before, 0.9))) if high < np.quantile(before, 0.5) else high
        edges = np.linspace(low, high, 61)
        axis = np.linspace(low, high, 241)
        arrays[f"prior_{name}.edges"] = edges
        arrays[f"prior_{name}.posterior"] = np.histogram(values, edges, density=True)[0]
        arrays[f"prior_{name}.axis"] = axis
        scale = axis if one.parameter == "log_eta" else np.ones_like(axis)
        with np.errstate(divide="ignore", invalid="ignore"):
            at = np.log(axis) if one.parameter == "log_eta" else axis
            arrays[f"prior_{name}.prior"] = np.nan_to_num(one.frozen().pdf(at) / scale)
    return arrays


def outcome_arrays(whose: dict[str, Mapped], outcomes: dict[str, Arrays]) -> Arrays:
    """Return the arrays behind the figures of outcomes, fans and clouds, by version."""
    arrays: Arrays = {}
    for name, found in outcomes.items():
        bundle, draws = whose[name].study.point.bundle, whose[name].draws
        years, each = bundle.years, bundle.years_per_period
        for key, values in fans(found).items():
            arrays[f"fan_{name}.{key}"] = values
        length = found["path_gdp_share_push"].shape[1]
        arrays[f"fan_{name}.year"] = years[0] + each * np.arange(length)
        arrays[f"cloud_{name}.eta"] = np.exp(draws["log_eta"])
        arrays[f"cloud_{name}.delta"] = draws["delta"]
        arrays[f"cloud_{name}.subsidy"] = found["parameters"][:, PARAMETERS.index("subsidy_rate")]
        for key in ("multiple", "moved", "converged"):
            arrays[f"cloud_{name}.{key}"] = np.asarray(found[key], dtype=bool)
        arrays[f"cloud_{name}.gdp_share"] = found["gdp_share_push"] - found["gdp_share_none"]
    return arrays
