"""The first stage: a study's estimates as one set, with what a referee asks of them beside it."""

from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from bigpush_est.bayes.evidence import Source
from bigpush_est.bayes.evidence_set import EvidenceSet
from bigpush_est.bayes.models.adoption import AdoptionCounts
from bigpush_est.bayes.models.normal import NormalModel
from bigpush_est.bayes.models.weak_iv import WeakInstrumentModel
from bigpush_est.bayes.sampling import derived_seed
from bigpush_est.errors import InvalidValue
from bigpush_est.pipeline.counts import restored as restored_counts
from bigpush_est.pipeline.counts import stored as stored_counts
from bigpush_est.pipeline.estimates import MicroEstimates, micro_estimates
from bigpush_est.pipeline.hierarchical import direct_of, hierarchical_effect, labelled, with_effect, words
from bigpush_est.pipeline.joint import study_counts
from bigpush_est.pipeline.losers import differences_in_share, exposed, with_own_clusters
from bigpush_est.pipeline.over_identification import divided, slopes_of
from bigpush_est.pipeline.study import PipelineStudy
from bigpush_est.reduced_form.linear.results import Regression
from bigpush_est.stages import sampler_warnings

type Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Gathered:
    """The evidence of the likelihood, the designs of a firm panel in tables (JSON), and what is tested.

    ``tested`` is the whole set where complementarity is among the estimates and is asked for.
    """

    evidence: EvidenceSet
    micro: Row | None
    counts: AdoptionCounts | None = None
    tested: EvidenceSet | None = None

    def stored(self) -> Row:
        """Return it as JSON can hold it, exactly."""
        counts = None if self.counts is None else stored_counts(self.counts)
        tested = None if self.tested is None else self.tested.to_json()
        return {"evidence": self.evidence.to_json(), "micro": self.micro, "counts": counts, "tested": tested}

    @classmethod
    def restored(cls, content: Row) -> "Gathered":
        """Return what ``stored`` wrote."""
        counts = None if content["counts"] is None else restored_counts(content["counts"])
        tested = None if content["tested"] is None else EvidenceSet.from_json(content["tested"])
        return cls(EvidenceSet.from_json(content["evidence"]), content["micro"], counts, tested)

    def mapped_as(self, study: PipelineStudy) -> "Gathered":
        """Return the same estimates, mapped as a study of other parameters maps them: no panel is estimated twice."""
        options = _mapping_options(study)
        tested = None if self.tested is None else replace(self.tested, **options)
        return replace(self, evidence=replace(self.evidence, **options), tested=tested)


def _mapping_options(study: PipelineStudy) -> dict[str, Any]:
    """Return what of a study decides how its parameters map to estimates."""
    mapping = study.spec.mapping
    return {
        "exponent": mapping.exponent,
        "subsidised_share": mapping.subsidised_share,
        "tail_index": study.point.tail_index,
        "xi": study.tables.value("xi_heavy"),
    }


def gather(study: PipelineStudy) -> Gathered:
    """Return a study's estimates: from its panel, from the published tables, or from a file.

    Complementarity is tested against the others, or enters the likelihood, as ``evidence.complementarity`` says.

    Raises
    ------
    InputError
        Where an estimate that is asked for cannot be had.
    """
    spec, options = study.spec.evidence, _mapping_options(study)
    micro, data = None, None
    if spec.source == "micro":
        data = study.micro_data()
        found = micro_estimates(data, study.micro_design())
        if study.micro.direct_clusters == "own":
            found = with_own_clusters(found)
        effect, plain = None, found
        if spec.direct == "hierarchical":
            seed = derived_seed(study.spec.seed, "hierarchical event study")
            with sampler_warnings():
                effect = hierarchical_effect(found, study.settings(), seed=seed)
            found = replace(found, joint=with_effect(found.joint, effect))
        evidence = EvidenceSet.from_estimates(
            found.joint,
            provenance=f"{data.source or 'firm panel'}, clustered by region and business group",
            label=data.label,
            sources=tuple(_micro_sources(study, found, data.label)),
            **options,
        )
        micro = micro_tables(study, found)
        if study.micro.direct_clusters == "own":
            fit = found.event_study.regression.covariance
            micro["joint"]["clusters"] |= dict(zip(fit.cluster_names, fit.cluster_counts, strict=True))
        if study.micro.spillover_on_losers:
            shares = differences_in_share(data, found.event_study)
            exposure = float(shares.loc[list(study.micro.event_times)].mean())
            evidence = exposed(evidence, exposure)
            micro["notes"].append(
                "Spillover on losers: in the mean of the direct estimate; the adopter share among winners’ neighbours "
                f"less that among their losers’ is {exposure:+.3f}"
            )
        if effect is not None:
            evidence = labelled(evidence)
            micro["hierarchical"] = effect.described()
            micro["notes"].append(words(effect, *direct_of(plain)))
    elif spec.source == "published":
        given = spec.published
        assert given is not None
        evidence = EvidenceSet.from_published(
            study.tables,
            complementarity_columns=_published_complementarity(study),
            direct_standard_error=given.direct_effect.standard_error,
            direct_source=given.direct_effect.standard_error_source,
            direct_figure=given.direct_effect.figure,
            spillover_columns=given.spillover.columns,
            combine=given.spillover.combine,
            within_correlation=given.spillover.within_correlation,
            correlation=given.correlation.main,
            **options,
        )
    else:
        evidence = EvidenceSet.from_csv(study.estimates_file(), **options)
    if spec.without:
        evidence = evidence.without(*spec.without)
    entering, tested = divided(study, evidence)
    counts = None if spec.adoption is None else study_counts(study, data)
    return Gathered(entering, micro, counts, tested)


def _published_complementarity(study: PipelineStudy) -> list[int]:
    """Return the columns of Panel B that are read: Panel A's.

    Three estimates cannot all have a correlation below −1/2, and no table of slopes is made for least squares.  A study
    that asks for either goes without the test, and is refused where complementarity is to enter.
    """
    given, use = study.spec.evidence.published, study.spec.evidence.complementarity
    assert given is not None
    if use == "none" or (use == "test" and 1 in given.spillover.columns):
        return []
    if given.correlation.main > -0.5:
        return given.spillover.columns
    if use == "likelihood":
        raise InvalidValue(
            key=f"{study.where}: evidence.published.correlation.main",
            value=given.correlation.main,
            requirement="above -0.5, as three estimates can have it in common",
            remedy='raise it, or take evidence.complementarity = "none"',
        )
    return []


def posterior_model(study: PipelineStudy, evidence: EvidenceSet) -> NormalModel | WeakInstrumentModel:
    """Return the model of the study's estimates."""
    slopes = slopes_of(study, evidence)
    if study.spec.evidence.likelihood == "weak_instrument":
        return WeakInstrumentModel(study.priors, evidence, slopes)
    return NormalModel(study.priors, evidence, slopes)


# -- a firm panel's designs in tables --------------------------------------------------------------------------------


def _micro_sources(study: PipelineStudy, found: MicroEstimates, label: str) -> list[Source]:
    times = ", ".join(map(str, found.design.event_times))
    kind = "user" if label in ("real", "user") else "derived"
    rows = [
        Source(
            "Direct effect",
            f"{found.joint.coefficients[0]:.4g} (s.e. {found.joint.standard_errors[0]:.3g})",
            "log points",
            kind,  # type: ignore[arg-type]
            f"{label} panel: winners against losers, mean of event times {times}"
            + (", hierarchical event study" if study.spec.evidence.direct == "hierarchical" else ""),
        ),
        Source(
            "Spillover",
            f"{found.joint.coefficients[1]:.4g} (s.e. {found.joint.standard_errors[1]:.3g})",
            "log points per unit of adopter share",
            kind,  # type: ignore[arg-type]
            f"{label} panel: Table 1's Panel A, column {found.design.column}",
        ),
    ]
    if study.spec.evidence.complementarity != "none":
        rows.append(
            Source(
                "Complementarity",
                f"{found.joint.coefficients[2]:.4g} (s.e. {found.joint.standard_errors[2]:.3g})",
                "probability of a contract per unit of adopter share",
                kind,  # type: ignore[arg-type]
                f"{label} panel: Table 1's Panel B, column {found.design.column}",
            )
        )
    if study.micro.data == "simulated":
        rows.append(Source("Firm panel", "simulated", "", "assumed", f"drawn from the model, seed {study.spec.seed}"))
    return rows


def micro_tables(study: PipelineStudy, found: MicroEstimates) -> Row:
    """Return the event study, Table 1 and their diagnostics as JSON."""
    event = found.event_study
    test = event.pretrend()
    return {
        "event_study": _records(event.tidy()),
        "pooled": {"estimate": event.pooled, "std_error": event.pooled_standard_error},
        "pretrend": {"statistic": float(test.statistic), "p_value": float(test.p_value), "words": str(test)},
        "table1": [_column(found, panel, column.specification.name) for panel, column in _columns(found)],
        "joint": {
            "names": list(found.joint.names),
            "estimates": found.joint.coefficients.tolist(),
            "standard_errors": found.joint.standard_errors.tolist(),
            "correlation": _correlation(found.joint.matrix).tolist(),
            "clusters": dict(zip(found.joint.cluster_names, found.joint.cluster_counts, strict=True)),
            "effective_clusters": found.effective_clusters,
            "repaired": found.joint.repaired,
        },
        "balance": _records(event.balance().reset_index()),
        "notes": [f"{name.replace('_', ' ')}: {count}" for name, count in event.notes.items()] + found.table.notes(),
        "truth": _truth(study),
    }


def _columns(found: MicroEstimates) -> list[tuple[str, Any]]:
    return [(column.panel.name, column) for column in found.table.columns]


def _column(found: MicroEstimates, panel: str, name: str) -> Row:
    column = found.table.column(panel, name)
    fit: Regression | None = column.regression
    return {
        "panel": panel,
        "column": name,
        "estimate": column.estimate,
        "std_error": column.standard_error,
        "kp_f": column.kleibergen_paap_f,
        "effective_f": column.effective_f,
        "ar_set": None if column.anderson_rubin is None else str(column.anderson_rubin),
        "tf_low": None if column.tf is None else column.tf.low,
        "tf_high": None if column.tf is None else column.tf.high,
        "n": None if fit is None else fit.n,
        "clusters": "" if fit is None else " × ".join(str(count) for count in fit.covariance.cluster_counts),
        "reason": column.reason,
    }


def _correlation(matrix: Any) -> Any:
    scale = np.sqrt(np.diag(matrix))
    return matrix / np.outer(scale, scale)


def _records(frame: Any) -> list[Row]:
    """Return a frame's rows as JSON: missing values become None."""
    return [
        {str(key): (None if value is None or value != value else value) for key, value in row.items()}
        for row in frame.astype(object).to_dict("records")
    ]


def _truth(study: PipelineStudy) -> Row | None:
    """Return what a simulated panel was drawn with; None for a panel that was not simulated by this study."""
    if study.micro.data != "simulated":
        return None
    design = study.panel_design()
    return {
        "eta": design.eta,
        "delta": design.delta,
        "subsidy": design.subsidy_rate,
        "direct": design.direct_effect,
        "spillover": design.spillover_coefficient,
        "exponent": design.sales_exponent,
        "design": {key: value for key, value in asdict(design).items() if key in study.micro.design},
    }
