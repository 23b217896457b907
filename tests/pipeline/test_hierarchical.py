"""The hierarchical event study as the direct estimate: what enters, what is carried over, and known truth."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from bigpush_est.bayes.models.event_study import EventStudyModel
from bigpush_est.bayes.sampling import SamplerSettings
from bigpush_est.data.firm_panel import simulate_firm_panel
from bigpush_est.data.sample_panel import sample_panel
from bigpush_est.pipeline import evidence as evidence_module
from bigpush_est.pipeline.assembly import evidence_failures
from bigpush_est.pipeline.estimates import MicroEstimates, micro_estimates
from bigpush_est.pipeline.evidence import gather
from bigpush_est.pipeline.hierarchical import (
    PROVENANCE,
    HierarchicalEffect,
    direct_of,
    flat_priors,
    hierarchical_effect,
    with_effect,
)
from bigpush_est.pipeline.study import load_pipeline_study

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def found() -> MicroEstimates:
    return micro_estimates(sample_panel())


@pytest.fixture
def effect() -> HierarchicalEffect:
    rng = np.random.default_rng(0)
    draws = 0.8 + 0.3 * rng.standard_normal((2, 500))
    diagnostics = {"rhat": 1.2, "ess": 20.0, "divergences": 0.0}
    return HierarchicalEffect(
        draws, (0, 1), np.zeros(2), np.ones(2), {}, 9, 60, diagnostics, ("R-hat of error_sd is 1.200, above 1.01",)
    )


def test_the_prior_of_the_effect_is_flat(found: MicroEstimates) -> None:
    """Under its priors the effect at the horizon is 2·log η: Normal(0, 10) on the whole line."""
    model = EventStudyModel.of(found.event_study, flat_priors(), horizon=7)
    assert float(model.priors[0].frozen().std()) == 5.0
    p: dict[str, Any] = {prior.parameter: prior.numbers[0] for prior in model.priors if prior.fixed}
    p |= {"log_eta": np.array([-0.4, 0.4]), "lag_scale": np.zeros(2), "lead_scale": np.zeros(2)}
    p |= {f"{name}[{i}]": np.zeros(2) for name, size in model.vectors.items() for i in range(size)}
    path = model.path(p)
    np.testing.assert_allclose(path[:, model.event_times.index(7)], [-0.8, 0.8])


def test_the_effect_takes_the_estimates_place_and_keeps_its_correlations(
    found: MicroEstimates, effect: HierarchicalEffect
) -> None:
    joint = with_effect(found.joint, effect)
    assert joint.coefficients[0] == effect.mean
    assert joint.standard_errors[0] == pytest.approx(effect.standard_deviation)
    np.testing.assert_array_equal(joint.coefficients[1:], found.joint.coefficients[1:])
    np.testing.assert_array_equal(joint.matrix[1:, 1:], found.joint.matrix[1:, 1:])

    def correlation(one: Any) -> Any:
        return one.matrix / np.outer(one.standard_errors, one.standard_errors)

    np.testing.assert_allclose(correlation(joint), correlation(found.joint))


def test_the_report_says_that_it_is_hierarchical_and_what_failed(
    monkeypatch: pytest.MonkeyPatch, effect: HierarchicalEffect
) -> None:
    monkeypatch.setattr(evidence_module, "hierarchical_effect", lambda *given, **options: effect)
    study = load_pipeline_study(
        "korea_micro", {"evidence.micro.data": "sample_panel", "evidence.direct": "hierarchical"}
    )
    gathered = gather(study)
    direct = gathered.evidence.estimates[0]
    assert (direct.kind, direct.value, direct.provenance) == ("direct", effect.mean, PROVENANCE)
    assert gathered.evidence.standard_errors[0] == pytest.approx(effect.standard_deviation)
    assert gathered.micro is not None
    assert any(note.startswith("hierarchical event study: ") for note in gathered.micro["notes"])
    assert evidence_failures(gathered) == ["hierarchical event study: R-hat of error_sd is 1.200, above 1.01"]
    assert type(gathered).restored(gathered.stored()).micro == gathered.micro


@pytest.mark.validate
def test_a_simulated_panels_effect_is_found() -> None:
    """Known truth: within the posterior, which agrees with the plain estimate about the effect."""
    simulated = simulate_firm_panel(seed=19721980)
    estimates = micro_estimates(simulated.data)
    effect = hierarchical_effect(estimates, SamplerSettings(draws=1000), seed=3)
    assert not effect.failures
    truth, (plain, error) = simulated.truth.direct_effect, direct_of(estimates)
    assert abs(effect.mean - truth) < 2.5 * effect.standard_deviation
    assert abs(effect.mean - plain) < 2.0 * np.hypot(effect.standard_deviation, error)
    shape = effect.shape
    assert abs(shape[0]) < 0.5
    assert abs(shape[1]) < 1.0
    again = hierarchical_effect(replace(estimates), SamplerSettings(draws=1000), seed=3)
    np.testing.assert_array_equal(again.draws, effect.draws)
