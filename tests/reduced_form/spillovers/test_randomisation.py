"""Randomisation inference against brute force: rebuilt instruments, p-values on a grid, exact size of permutations."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from bigpush_est.errors import InvalidValue, ShapeMismatch
from bigpush_est.reduced_form.spillovers.assignment import (
    DrawnBy,
    OneFactorAdoption,
    PermuteBlocks,
    bivariate_normal,
    within_group_correlation,
)
from bigpush_est.reduced_form.spillovers.group_instrument import group_instrument
from bigpush_est.reduced_form.spillovers.group_network import Network
from bigpush_est.reduced_form.spillovers.randomisation import _p_value, invert, randomisation_inference


def setting(seed=0, firms=80, groups=10, regions=6, sectors=2, per_group=3):
    """Groups of equal size with group-wide adoption, and firms outside them; a true effect of 2."""
    rng = np.random.default_rng(seed)
    places = pd.DataFrame(
        {
            "region": range(regions),
            "latitude": rng.uniform(34.5, 38.0, regions),
            "longitude": rng.uniform(126.5, 129.5, regions),
        }
    )
    members = pd.DataFrame({"group": np.repeat(np.arange(groups), per_group)}).assign(
        sector=lambda frame: frame["group"] % sectors
    )
    outside = pd.DataFrame({"group": np.full(firms, np.nan), "sector": rng.integers(0, sectors, firms)})
    units = pd.concat([members, outside], ignore_index=True)
    units["region"] = rng.integers(0, regions, len(units))
    units["firm"] = np.arange(len(units))
    network = Network.build(units, places)
    focal = units.assign(start=1970, end=1977, denominator_start=3.0, denominator_end=rng.uniform(2.0, 5.0, len(units)))
    instrument = group_instrument(network, focal)
    policy = rng.permutation(groups) < groups / 2  # half of the groups adopt, as a whole, between 1970 and 1977
    histories = np.column_stack([np.zeros(len(network.units)), policy[network.unit_group]])
    z = instrument.value(histories)
    common = rng.standard_normal(len(units))
    x = z + 0.3 * common + 0.2 * rng.standard_normal(len(units))
    y = 2.0 * x + common
    return instrument, histories, y - y.mean(), x - x.mean()


def brute_statistic(instrument, history, mean, y, x, value):
    return float((instrument.value(history) - instrument.value(mean)) @ (y - value * x))


@pytest.mark.parametrize("level", ["group", "group-sector"])
def test_statistics_are_those_of_rebuilt_instruments(level):
    instrument, histories, y, x = setting(1)
    process = PermuteBlocks.build(instrument, level)
    found = randomisation_inference(instrument, histories, y, x, process, draws=60, seed=4, null=1.5)
    drawn = process.draw(histories, np.random.default_rng(4), 60)
    mean = process.expected(histories)
    brute = [brute_statistic(instrument, h, mean, y, x, 1.5) for h in [histories, *drawn]]
    np.testing.assert_allclose(found.statistics[:, 0] - 1.5 * found.statistics[:, 1], brute, rtol=1e-9, atol=1e-10)
    at_least = np.abs(brute[1:]) >= abs(brute[0]) - 1e-9
    assert found.p_value == pytest.approx((1 + at_least.sum()) / 61)
    z = instrument.value(histories) - instrument.value(mean)
    assert found.estimate == pytest.approx((z @ y) / (z @ x))


@pytest.mark.parametrize("seed", range(6))
def test_inversion_equals_p_values_on_a_grid(seed):
    rng = np.random.default_rng(seed)
    statistics = rng.standard_normal((40, 2))
    statistics[0] = [(0.2, 0.1), (1.5, 1.5), (3.0, 4.0), (0.5, 2.5), (2.0, -0.4), (1.0, 0.0)][seed]
    statistics[5] = statistics[0]  # a tie everywhere
    statistics[6] = -statistics[0]
    statistics[7] = statistics[0] + [0.3, 0.0]  # the same c: a half-line
    region = invert(statistics, 0.9)
    grid = np.concatenate([np.linspace(-60.0, 60.0, 4001), [-1e6, 1e6]])
    inside = np.array([_p_value(statistics, value)[0] > 0.1 + 1e-12 for value in grid])
    assert [region.contains(value) for value in grid] == inside.tolist()


def test_estimate_is_in_the_set_and_truth_recovered():
    instrument, histories, y, x = setting(3, firms=300)
    process = PermuteBlocks.build(instrument, "group")
    found = randomisation_inference(instrument, histories, y, x, process, draws=499)
    assert found.confidence_set.contains(found.estimate)
    assert found.p_value_at(found.estimate) == 1.0
    assert found.confidence_set.contains(2.0)
    assert found.p_value < 0.05
    assert found.exact
    assert "permutation of 10 group blocks" in found.summary()


def test_expected_history_is_the_mean_of_all_permutations():
    instrument, histories, y, x = setting(5, groups=4, sectors=1, per_group=2)
    process = PermuteBlocks.build(instrument, "group")
    everything = np.stack(list(process.enumerate(histories)))
    assert len(everything) == process.permutations == 24
    np.testing.assert_array_equal(everything[0], histories)
    np.testing.assert_allclose(everything.mean(axis=0), process.expected(histories))
    found = randomisation_inference(instrument, histories, y, x, process, draws=99)
    assert found.enumerated
    assert found.draws == 23
    mean = process.expected(histories)
    brute = [abs(brute_statistic(instrument, h, mean, y, x, 0.0)) for h in everything]
    assert found.p_value == pytest.approx(np.mean(np.array(brute) >= brute[0] - 1e-9))
    # two groups adopt or not: many permutations change nothing
    assert found.distinct < 23
    assert found.ties >= 23 - found.distinct


def test_permutations_keep_each_stratum_s_histories():
    instrument, _, _, _ = setting(6)
    rng = np.random.default_rng(0)
    histories = rng.random((len(instrument.units), 2))
    process = PermuteBlocks.build(instrument, "group-sector", within=instrument.unit_group % 4)
    for drawn in process.draw(histories, rng, 5):
        for stratum in process.strata:
            before = {tuple(histories[block].ravel()) for block in stratum}
            assert {tuple(drawn[block].ravel()) for block in stratum} == before
            assert len(set(instrument.unit_sector[stratum].ravel())) == 1
            assert len({group % 4 for group in instrument.unit_group[stratum].ravel()}) == 1


def test_size_is_exact_under_the_null():
    """p of the true value is uniform on k/20 if groups' policies are exchangeable: a binomial count of rejections."""
    rejections = 0
    runs = 80
    for seed in range(runs):
        instrument, histories, y, x = setting(seed, firms=30, groups=8, sectors=1, per_group=2)
        process = PermuteBlocks.build(instrument, "group")
        p = randomisation_inference(instrument, histories, y, x, process, draws=39, seed=seed, null=2.0).p_value
        rejections += p <= 0.1
    assert rejections <= stats.binom.ppf(0.999, runs, 0.1)
    assert rejections >= stats.binom.ppf(0.001, runs, 0.05)  # ties make it conservative, not void


def test_one_factor_draws_have_the_stated_mean_and_correlation():
    instrument, histories, _, _ = setting(2, groups=40, per_group=4)
    rng = np.random.default_rng(1)
    early = rng.random(160) < 0.2
    histories = np.column_stack([early, early | (rng.random(160) < 0.4)]).astype(float)
    process = OneFactorAdoption.build(instrument, histories, correlation=0.6)
    drawn = process.draw(histories, rng, 4000)
    np.testing.assert_allclose(drawn.mean(axis=0), process.expected(histories), atol=6 * 0.5 / np.sqrt(4000))
    assert set(np.unique(drawn)) == {0.0, 1.0}
    assert (drawn[:, :, 1] >= drawn[:, :, 0]).all()  # who has adopted stays an adopter
    first, second = np.flatnonzero(instrument.unit_group == 3)[:2]
    share = process.expected(histories)[first, 1]
    level = stats.norm.ppf(share)
    both = stats.multivariate_normal.cdf([level, level], cov=[[1.0, 0.6], [0.6, 1.0]])
    joint = (drawn[:, first, 1] * drawn[:, second, 1]).mean()
    assert joint == pytest.approx(both, abs=5 * np.sqrt(both * (1 - both) / 4000))


def test_bivariate_normal_against_scipy():
    for h, k, rho in [(0.3, -0.7, 0.4), (-2.0, -1.0, 0.9), (1.2, 1.2, 0.99), (0.5, 0.1, 0.0)]:
        expected = stats.multivariate_normal.cdf([h, k], cov=[[1.0, rho], [rho, 1.0]])
        assert bivariate_normal(np.array([h]), np.array([k]), rho)[0] == pytest.approx(expected, abs=2e-7)


def test_correlation_is_recovered():
    rng = np.random.default_rng(3)
    groups, size, rho = 4000, 5, 0.5
    group, sector = np.repeat(np.arange(groups), size), np.tile(np.arange(size) % 2, groups)
    latent = np.sqrt(rho) * rng.standard_normal(groups)[group] + np.sqrt(1 - rho) * rng.standard_normal(group.size)
    adopted = latent < np.where(sector == 0, -0.5, -1.2)
    assert within_group_correlation(adopted, group, sector) == pytest.approx(rho, abs=0.03)
    assert (
        within_group_correlation(rng.permutation(adopted[sector == 0]), group[sector == 0], 0 * sector[sector == 0])
        < 0.1
    )


def test_a_process_of_the_users():
    instrument, histories, y, x = setting(8)

    def coin(random, count):
        policy = random.random((count, 10)) < 0.5
        end = policy[:, instrument.unit_group].astype(float)
        return np.stack([np.zeros_like(end), end], axis=2)

    found = randomisation_inference(instrument, histories, y, x, DrawnBy(coin, "coin flips by group"), draws=199)
    assert found.mean == "mean of the draws, the sample's own included"
    np.testing.assert_allclose(found.statistics.mean(axis=0), 0.0, atol=1e-10)
    known = DrawnBy(coin, "coin flips", np.column_stack([np.zeros(30), np.full(30, 0.5)]))
    exact = randomisation_inference(instrument, histories, y, x, known, draws=199)
    assert exact.mean == "mean of the process"
    assert exact.estimate == pytest.approx(found.estimate, rel=0.2)
    raw = randomisation_inference(instrument, histories, y, x, known, draws=199, recentre=False)
    z = instrument.value(histories)
    assert raw.estimate == pytest.approx((z @ y) / (z @ x))


def test_seeds_and_weights():
    instrument, histories, y, x = setting(9)
    process = PermuteBlocks.build(instrument)
    one, same, other = (
        randomisation_inference(instrument, histories, y, x, process, draws=99, seed=seed) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(one.statistics, same.statistics)
    assert not np.array_equal(one.statistics, other.statistics)
    # a weight of 2 is an observation twice
    rows = np.concatenate([np.arange(len(y)), np.arange(10)])
    twice = randomisation_inference(instrument, histories, y[rows], x[rows], process, rows=rows, draws=99, seed=1)
    weights = np.where(np.arange(len(y)) < 10, 2.0, 1.0)
    weighted = randomisation_inference(instrument, histories, y, x, process, weights=weights, draws=99, seed=1)
    np.testing.assert_allclose(twice.statistics, weighted.statistics, rtol=1e-10, atol=1e-12)


def test_bad_requests_are_refused():
    instrument, histories, y, x = setting(0)
    process = PermuteBlocks.build(instrument)
    with pytest.raises(InvalidValue, match="draws"):
        randomisation_inference(instrument, histories, y, x, process, draws=5)
    with pytest.raises(ShapeMismatch, match="histories"):
        randomisation_inference(instrument, histories[:-1], y, x, process)
    with pytest.raises(ShapeMismatch, match="regressor"):
        randomisation_inference(instrument, histories, y, x[:-1], process)
    with pytest.raises(InvalidValue, match="known"):
        randomisation_inference(instrument, histories, np.where(np.arange(len(y)) == 3, np.nan, y), x, process)
    with pytest.raises(InvalidValue, match="changes the instrument"):
        randomisation_inference(instrument, np.ones_like(histories), y, x, process)
    with pytest.raises(InvalidValue, match="level"):
        PermuteBlocks.build(instrument, "firm")
    with pytest.raises(InvalidValue, match="no two are alike"):
        PermuteBlocks.build(instrument, within=instrument.unit_group)
    with pytest.raises(InvalidValue, match="correlation"):
        OneFactorAdoption.build(instrument, histories, correlation=1.0)
    bad = DrawnBy(lambda random, count: np.zeros((count, 2, 2)), "wrong")
    with pytest.raises(ShapeMismatch, match="draws of the process"):
        randomisation_inference(instrument, histories, y, x, bad)
