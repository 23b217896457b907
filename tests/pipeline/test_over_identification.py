"""Complementarity in studies: beside the likelihood, in it, or left out; from tables and from files."""

from pathlib import Path

import numpy as np
import pytest
from scipy import optimize, stats

from bigpush_est.bayes.indirect_inference import panel_b_table
from bigpush_est.bayes.models.normal import NormalModel
from bigpush_est.bayes.models.weak_iv import WeakInstrumentModel
from bigpush_est.bayes.own_region import own_region_table
from bigpush_est.bayes.sampling import Diagnostics, Posterior
from bigpush_est.errors import InvalidValue
from bigpush_est.pipeline.evidence import Gathered, gather, posterior_model
from bigpush_est.pipeline.over_identification import over_identification, slopes_of
from bigpush_est.pipeline.study import PipelineStudy, load_pipeline_study

POINT = {"log_eta": 0.225, "delta": 0.675, "subsidy": 0.06, "sigma": 5.0, "pareto_ratio": 1.06}


def study_with(**changes: object) -> PipelineStudy:
    return load_pipeline_study("korea_published", {key.replace("__", "."): value for key, value in changes.items()})


def draws_about(delta: float, spread: float = 0.1, size: int = 500) -> Posterior:
    rng = np.random.default_rng(3)
    flat = {name: np.full(size, value) for name, value in POINT.items()}
    flat["delta"] = delta + spread * rng.standard_normal(size)
    flat["log_eta"] = 0.225 + 0.02 * rng.standard_normal(size)
    shaped = {name: values.reshape(2, -1) for name, values in flat.items()}
    nothing = np.zeros_like(shaped["delta"])
    return Posterior(shaped, nothing, nothing.astype(bool), Diagnostics({}, 0, ()))


def test_by_default_the_published_estimate_is_tested_and_enters_nothing() -> None:
    study = study_with()
    gathered = gather(study)
    assert [one.kind for one in gathered.evidence.estimates] == ["direct", "spillover"]
    assert gathered.tested is not None
    assert gathered.tested.values.tolist() == [0.90, 2.70, 0.85]
    assert gathered.tested.standard_errors[2] == pytest.approx(0.41)
    again = Gathered.restored(gathered.stored())
    assert again.tested is not None
    assert again.tested.to_json() == gathered.tested.to_json()
    model = posterior_model(study, gathered.evidence)
    assert isinstance(model, NormalModel)
    assert model.complementarity is None


def test_the_statistic_is_the_smallest_weighted_distance() -> None:
    study = study_with()
    tested = gather(study).tested
    found = over_identification(study, tested, draws_about(0.68), calibrated_subsidy=0.06)
    assert found is not None
    assert tested is not None
    table = panel_b_table((3,))
    variance = tested.standard_errors**2 + np.array([0.0, 0.0, table.standard_error**2])

    def distance(point: np.ndarray) -> float:
        means = np.array([4.0 * point[0], 4.0 * point[1], float(table(point[0], point[1], 0.06))])
        return float((((tested.values - means) ** 2) / variance).sum())

    least = min(
        optimize.minimize(distance, [0.2, d], method="Nelder-Mead", options={"xatol": 1e-9}).fun for d in (0.5, 0.9)
    )
    assert found["statistic"] == pytest.approx(least, abs=1e-6)
    assert found["df"] == 1
    assert found["p_value"] == pytest.approx(stats.chi2(1).sf(least), abs=1e-6)
    assert f"J(1) = {least:.2f}" in found["words"]
    assert "not in the likelihood" in found["words"]
    assert found["outside"] == 0


def test_the_implied_slope_is_the_tables_at_the_draws_and_those_outside_are_counted() -> None:
    study = study_with()
    posterior = draws_about(1.5, spread=0.3)
    found = over_identification(study, gather(study).tested, posterior, calibrated_subsidy=0.06)
    assert found is not None
    flat, table = posterior.flat(), panel_b_table((3,))
    implied = table(flat["log_eta"], flat["delta"], 0.06)
    assert found["implied_median"] == pytest.approx(np.median(implied))
    beyond = int(((flat["delta"] > table.delta[-1]) | (flat["delta"] < table.delta[0])).sum())
    assert 100 < found["outside"] == beyond
    assert f"{beyond} of 500 draws lie outside" in found["words"]


def test_in_the_likelihood_it_moves_delta_as_its_precision_says() -> None:
    study = study_with(evidence__complementarity="likelihood")
    gathered = gather(study)
    assert [one.kind for one in gathered.evidence.estimates] == ["direct", "spillover", "complementarity"]
    model = posterior_model(study, gathered.evidence)
    without = posterior_model(study, gathered.evidence.without("complementarity"))
    table = panel_b_table((3,))
    error = np.hypot(0.41, table.standard_error)
    for delta in (0.2, 0.7, 1.2):
        at = POINT | {"delta": delta}
        expected = stats.norm(float(table(0.225, delta, 0.06)), error).logpdf(0.85)
        assert float(model.log_likelihood(at) - without.log_likelihood(at)) == pytest.approx(expected, abs=1e-9)
    found = over_identification(study, gathered.tested, draws_about(0.68), calibrated_subsidy=0.06)
    assert found is not None
    assert ", in the likelihood" in found["words"]


def test_none_leaves_it_out() -> None:
    study = study_with(evidence__complementarity="none")
    gathered = gather(study)
    assert gathered.tested is None
    assert not any(source.name.startswith("Complementarity") for source in gathered.evidence.sources)
    assert over_identification(study, gathered.tested, draws_about(0.68), calibrated_subsidy=0.06) is None


def test_correlations_that_three_estimates_cannot_have() -> None:
    low = {"evidence__published__correlation__main": -0.95}
    study = study_with(**low)
    tested = gather(study).tested
    assert tested is None
    said = over_identification(study, tested, draws_about(0.68), calibrated_subsidy=0.06)
    assert said is not None
    assert said["words"] == "no J test: three estimates cannot all have a correlation of -0.95."
    with pytest.raises(InvalidValue, match=r"correlation\.main"):
        gather(study_with(evidence__complementarity="likelihood", **low))


@pytest.mark.parametrize("lacking", ["direct", "spillover"])
def test_estimates_that_leave_nothing_to_test_say_so(lacking: str) -> None:
    study = study_with(evidence__without=[lacking])
    found = over_identification(study, gather(study).tested, draws_about(0.68), calibrated_subsidy=0.06)
    assert found is not None
    assert found["statistic"] is None
    assert found["words"].startswith("no J test: ")
    assert "estimated at 0.85" in found["words"]


def test_another_exponent_reads_the_panels_at_the_same_effects_on_sales() -> None:
    study = study_with(mapping__exponent="kept")
    tested = gather(study).tested
    table, panels = slopes_of(study, tested), panel_b_table((3,))
    assert table is not None
    assert tested is not None
    constant, slope = tested.exponent_weights
    exponent = 4.0 * (constant + slope * 1.06)
    assert exponent < 3.0
    for x, y in ((0.2, 0.5), (0.3, 1.2)):  # e·log η and e·δ, over the panels' exponent
        assert float(table(4 * x / exponent, 4 * y / exponent, 0.06)) == pytest.approx(float(panels(x, y, 0.06)))
    assert "for exponent" in table.provenance


def test_the_approximation_is_called_one() -> None:
    study = study_with(evidence__complementarity_mapping="own_region")
    found = over_identification(study, gather(study).tested, draws_about(0.68), calibrated_subsidy=0.06)
    assert found is not None
    assert found["mapping"] == "approximation"
    assert "an approximation" in found["words"]
    assert found["implied_median"] == pytest.approx(
        np.median(own_region_table()(*(draws_about(0.68).flat()[k] for k in ("log_eta", "delta", "subsidy"))))
    )


ROWS = """name,kind,value,standard_error
winners,direct,0.9,
spill,spillover,2.7,
local,complementarity,0.3,
rf,reduced_form,0.27,
fs,first_stage,0.1,
"""


def _own_estimates(folder: Path, rows: str = ROWS, **changes: object) -> PipelineStudy:
    names = [line.split(",")[0] for line in rows.strip().splitlines()[1:]]
    errors = {"winners": 0.24, "spill": 0.73, "local": 0.25, "rf": 0.073, "fs": 0.021}
    (folder / "estimates.csv").write_text(rows, encoding="utf-8")
    lines = ["name," + ",".join(names)]
    lines += [f"{one}," + ",".join(str(errors[one] ** 2 if one == k else 0.0) for k in names) for one in names]
    (folder / "covariance.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return study_with(
        evidence__source="estimates",
        evidence__estimates={"file": str(folder / "estimates.csv")},
        **changes,
    )


@pytest.mark.parametrize("likelihood", ["normal", "weak_instrument"])
def test_a_users_estimates_with_either_likelihood(tmp_path: Path, likelihood: str) -> None:
    tested_only = gather(_own_estimates(tmp_path, evidence__likelihood=likelihood))
    assert [one.name for one in tested_only.evidence.estimates] == ["winners", "spill"]
    assert tested_only.tested is not None
    assert tested_only.tested.has("complementarity")
    study = _own_estimates(tmp_path, evidence__likelihood=likelihood, evidence__complementarity="likelihood")
    model = posterior_model(study, gather(study).evidence)
    assert isinstance(model, WeakInstrumentModel if likelihood == "weak_instrument" else NormalModel)
    at = POINT | ({"instrument_strength": 4.0} if likelihood == "weak_instrument" else {})
    changed = posterior_model(study, gather(study).evidence.without("complementarity"))
    table = panel_b_table((3,))
    expected = stats.norm(float(table(0.225, 0.675, 0.06)), np.hypot(0.25, table.standard_error)).logpdf(0.3)
    assert float(model.log_likelihood(at) - changed.log_likelihood(at)) == pytest.approx(expected, abs=1e-9)


def test_a_likelihood_that_lacks_the_estimate_is_refused(tmp_path: Path) -> None:
    rows = "\n".join(line for line in ROWS.splitlines() if not line.startswith("local")) + "\n"
    assert gather(_own_estimates(tmp_path, rows)).tested is None
    with pytest.raises(InvalidValue, match="complementarity"):
        gather(_own_estimates(tmp_path, rows, evidence__complementarity="likelihood"))
