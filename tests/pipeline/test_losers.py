"""What winners and losers differ in besides technology, in studies of a firm panel."""

from dataclasses import replace

import numpy as np
import pytest

from bigpush_est.bayes.models.normal import estimate_means, mapping_arrays
from bigpush_est.data.sample_panel import sample_panel
from bigpush_est.errors import InvalidValue
from bigpush_est.pipeline.estimates import DIRECT, MicroEstimates, micro_estimates
from bigpush_est.pipeline.evidence import gather
from bigpush_est.pipeline.losers import differences_in_share, with_own_clusters
from bigpush_est.pipeline.study import PipelineStudy, load_pipeline_study
from bigpush_est.pipeline.verdict import warnings as warnings_of
from bigpush_est.reduced_form.events.event_study import stacked_event_study
from bigpush_est.reduced_form.events.stacking import term_of

pytestmark = pytest.mark.filterwarnings("ignore")
POINT = {"log_eta": 0.225, "delta": 0.675, "subsidy": 0.0, "sigma": 5.0, "pareto_ratio": 1.06}


@pytest.fixture(scope="module")
def found() -> MicroEstimates:
    return micro_estimates(sample_panel())


def study_with(**changes: object) -> PipelineStudy:
    keys = {f"evidence.micro.{key}": value for key, value in changes.items()}
    return load_pipeline_study("korea_micro", {"evidence.micro.data": "sample_panel", **keys})


def test_shares_among_neighbours_counted_by_hand(found: MicroEstimates) -> None:
    """d_k of one event time: means of winners less losers, less the same at the base year, match by match."""
    data, study = sample_panel(), found.event_study
    shares = differences_in_share(data, study)
    assert list(shares.index) == list(study.event_times)
    contracts = data.need("contracts", "the test")
    first = contracts[contracts["cancelled_year"].isna()].groupby("firm")["year"].min()
    by_cell = {key: set(rows["firm"]) for key, rows in data.panel.groupby(["region", "sector", "year"])}
    place = data.panel.drop_duplicates("firm").set_index("firm")
    cell = dict(zip(place.index, zip(place["region"], place["sector"], strict=True), strict=True))

    def share(firm: str, year: int) -> float:
        others: set[str] = by_cell.get((*cell[firm], year - 2), set()) - {firm}
        return float(np.mean([first.get(other, 9999) <= year - 2 for other in others])) if others else 0.0

    frame = study.stack.frame.loc[study.regression.rows]
    by_hand = frame.assign(share=[share(f, y) for f, y in zip(frame["firm"], frame["year"], strict=True)])
    expected = stacked_event_study(replace(study.stack, frame=by_hand), "share")
    np.testing.assert_allclose(shares.to_numpy(), expected.coefficients, atol=1e-12)
    assert shares.loc[[4, 5]].mean() < 0.0


def test_the_exposure_is_in_the_mean_of_the_direct_estimate(found: MicroEstimates) -> None:
    study = study_with(spillover_on_losers=True)
    gathered = gather(study)
    exposure = float(differences_in_share(study.micro_data(), found.event_study).loc[[4, 5, 6, 7]].mean())
    direct = next(one for one in gathered.evidence.estimates if one.kind == "direct")
    assert direct.exposure == pytest.approx(exposure)
    point = {name: np.float64(value) for name, value in POINT.items()}
    means = estimate_means(np, mapping_arrays(gathered.evidence, None), point)
    assert means == pytest.approx([4 * 0.225 + exposure * 4 * 0.675, 4 * 0.675])
    assert gathered.micro is not None
    assert any(f"{exposure:+.3f}" in note for note in gathered.micro["notes"])


def test_own_clusters_change_one_standard_error_and_no_correlation(found: MicroEstimates) -> None:
    own = with_own_clusters(found)
    place = found.joint.position(DIRECT)
    fit = found.event_study.regression
    weights = np.zeros(fit.k)
    weights[[fit.position(term_of(k)) for k in (4, 5, 6, 7)]] = 0.25
    assert own.joint.standard_errors[place] == pytest.approx(np.sqrt(weights @ fit.covariance.matrix @ weights))
    others = [k for k in range(len(own.joint.names)) if k != place]
    np.testing.assert_allclose(own.joint.standard_errors[others], found.joint.standard_errors[others])
    one, other = (
        each.joint.matrix / np.outer(each.joint.standard_errors, each.joint.standard_errors) for each in (own, found)
    )
    np.testing.assert_allclose(one, other, atol=1e-12)
    assert set(own.effective_clusters[DIRECT]) == {"stack", "firm"}


def test_few_matches_are_warned_of() -> None:
    gathered = gather(study_with(direct_clusters="own"))
    assert gathered.micro is not None
    clusters = gathered.micro["joint"]["clusters"]
    assert {"region", "group_cluster", "stack", "firm"} <= set(clusters)
    results = {
        "evidence": {
            "micro": gathered.micro,
            "estimates": [{"name": one.name} for one in gathered.evidence.estimates],
            "effective_f": None,
        },
        "variants": [],
        "answers": {},
        "study": {"likelihood": "normal"},
    }
    assert any("matches, in effect" in text for text in warnings_of(results, 0.01))


def test_own_clusters_and_the_hierarchical_effect_exclude_each_other() -> None:
    with pytest.raises(InvalidValue, match="direct_clusters"):
        load_pipeline_study("korea_micro", {"evidence.direct": "hierarchical", "evidence.micro.direct_clusters": "own"})
