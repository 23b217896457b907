"""HonestDiD against the R package's numbers, closed forms, linear programs and simulated coverage."""

import itertools

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.optimize import linprog, minimize

from bigpush_est.errors import InvalidValue, ShapeMismatch, TooManyCombinations
from bigpush_est.reduced_form.honest.conditional import _log_tail_share, conditional_test, dual_vertices
from bigpush_est.reduced_form.honest.flci import fixed_length_interval, folded_normal_quantile
from bigpush_est.reduced_form.honest.honest_did import RobustSet, honest_did
from bigpush_est.reduced_form.honest.restrictions import identified_interval, polyhedra

from ...stored_numbers import folder, stored_numbers

FIRST = np.array([1.0, 0.0, 0.0, 0.0])
PERIODS = [-5, -4, -3, -2, 0, 1, 2, 3]
NAMES = {"SD": "smoothness", "RM": "relative_magnitudes", "SDRM": "relative_smoothness"}


@pytest.fixture(scope="module")
def stored():
    folder("honest")  # or the test is skipped
    return stored_numbers("honest")["BC_first_post"]


@pytest.fixture(scope="module")
def study():
    frame = pd.read_csv(folder("honest") / "BC_eventstudy.csv")
    return frame["betahat"].to_numpy(), frame.filter(like="sigma").to_numpy()


def covariance_of(size, seed):
    rng = np.random.default_rng(seed)
    root = rng.standard_normal((size, size + 3))
    return root @ root.T / size


# -- against the R package ---------------------------------------------------------------------------------------------


def test_original_interval(stored, study):
    found = honest_did(*study, PERIODS, weights="first", bounds=[0.0], method="conditional").original
    assert found == pytest.approx((stored["original"][0]["lb"], stored["original"][0]["ub"]), abs=1e-12)


@pytest.mark.parametrize("kind", NAMES)
def test_identified_sets(stored, study, kind):
    beta, _ = study
    compared = 0
    for row in stored[f"idset_{kind}"]:
        bound = row["M"] if kind == "SD" else row["Mbar"]
        found = identified_interval(beta, 4, FIRST, polyhedra(NAMES[kind], 4, 4, bound))
        if row["lb"] == row["ub"] and kind == "SD":
            assert found is None  # the package falls back to the estimate; no such trend fits the leads
            continue
        expected = (row["lb"], row["ub"])
        if kind == "SDRM" and bound == 0:
            # the package lets the members that no trend fits stand for the estimate itself
            expected = (row["ub"], row["ub"])
        assert found == pytest.approx(expected, abs=1e-9)
        compared += 1
    assert compared >= 4


def test_fixed_length_intervals(stored, study):
    """The package simulates the folded normal quantile: 2e-4."""
    beta, sigma = study
    for row in stored["SD_FLCI"]["rows"]:
        found = fixed_length_interval(beta, sigma, 4, FIRST, row["M"], 0.95)
        assert (found.low, found.high) == pytest.approx((row["lb"], row["ub"]), abs=2e-4)
    for row in stored["SD_FLCI_details"]:
        found = fixed_length_interval(beta, sigma, 4, FIRST, row["M"], 0.95)
        assert found.pre_weights == pytest.approx(row["optimalVec"][:4], abs=1e-4)


def hull_on(grid, study, name, bound, method, sign=None):
    beta, sigma = study
    first = fixed_length_interval(beta, sigma, 4, FIRST, bound, 0.995) if method == "hybrid_flci" else None
    inside = np.zeros(grid.size, dtype=bool)
    for member in polyhedra(name, 4, 4, bound, sign):
        test = conditional_test(
            beta, sigma, 4, FIRST, member, method=method, level=0.95, first_size=0.005, first_interval=first
        )
        inside |= test.accepts(grid)
    return grid[inside][[0, -1]]


@pytest.mark.parametrize(
    ("key", "name", "method", "points", "steps"),
    [
        ("RM_Conditional", "relative_magnitudes", "conditional", 1000, 0),
        ("RM_C-LF", "relative_magnitudes", "hybrid_lf", 1000, 1),
        ("SDRM_vignette", "relative_smoothness", "hybrid_lf", 100, 1),
    ],
)
def test_relative_restrictions_on_the_same_grid(stored, study, key, name, method, points, steps):
    """Nothing is simulated in the conditional test: the same grid points; one step where a critical value is."""
    grid = np.linspace(-1.0, 1.0, points)
    step = grid[1] - grid[0]
    for row in stored[key]["rows"]:
        low, high = hull_on(grid, study, name, row["Mbar"], method)
        assert abs(low - row["lb"]) < (steps + 1e-6) * step
        assert abs(high - row["ub"]) < (steps + 1e-6) * step


@pytest.mark.parametrize(
    ("key", "method", "sign"),
    [
        ("SD_Conditional", "conditional", None),
        ("SD_C-LF", "hybrid_lf", None),
        ("SD_C-F", "hybrid_flci", None),
        ("SDNB_vignette", "hybrid_flci", "negative"),
    ],
)
def test_smoothness_within_a_step_of_the_package_grid(stored, study, key, method, sign):
    """The package's grid has 1,000 points over ±20 standard errors and the identified set, or the first interval."""
    grid = np.linspace(-0.5, 1.0, 15_001)
    for row in stored[key]["rows"]:
        low, high = hull_on(grid, study, "smoothness", row["M"], method, sign)
        step = 2e-4 + (40 * 0.019 + 20 * row["M"]) / 999 if method != "hybrid_flci" else 2e-4 + 0.0008
        assert abs(low - row["lb"]) < step
        if sign and row["M"] == 0.3:
            assert high < row["ub"] - 0.02  # the stored end is that of the first interval: see the folder's note
        else:
            assert abs(high - row["ub"]) < step


# -- against independent calculations ----------------------------------------------------------------------------------


@pytest.mark.parametrize("mean", [0.0, 0.3, 1.0, 4.0, 11.0, 30.0])
@pytest.mark.parametrize("probability", [0.9, 0.95, 0.995])
def test_folded_normal_quantile(probability, mean):
    c = folded_normal_quantile(probability, mean)
    assert stats.norm.cdf(c - mean) - stats.norm.cdf(-c - mean) == pytest.approx(probability, abs=1e-12)


@pytest.mark.parametrize(("pre", "post", "bound"), [(1, 1, 0.1), (2, 3, 0.05), (4, 2, 0.3), (5, 8, 0.02), (6, 3, 2.0)])
def test_fixed_length_interval_is_the_shortest(pre, post, bound):
    """No other affine estimator does better; its worst bias is that of the linear program over Δ^SD."""
    sigma = covariance_of(pre + post, seed=pre * 10 + post)
    weights = np.random.default_rng(post).uniform(0.2, 1.0, post)
    beta = np.zeros(pre + post)
    found = fixed_length_interval(beta, sigma, pre, weights, bound, 0.95)
    member = polyhedra("smoothness", pre, post, bound)[0]
    estimator = np.concatenate([found.pre_weights, weights])
    worst = -linprog(-estimator, A_ub=member.matrix, b_ub=member.bound, bounds=(None, None)).fun
    assert worst == pytest.approx(found.worst_bias, rel=1e-7, abs=1e-9)
    assert found.standard_deviation == pytest.approx(np.sqrt(estimator @ sigma @ estimator), rel=1e-10)

    trend = np.arange(-pre, 0.0)
    free = np.linalg.svd(trend[None, :])[2][1:].T

    def half_length(z):
        a = found.pre_weights + free @ z
        full = np.concatenate([a, weights])
        solved = linprog(-full, A_ub=member.matrix, b_ub=member.bound, bounds=(None, None))
        deviation = np.sqrt(full @ sigma @ full)
        return deviation * folded_normal_quantile(0.95, -solved.fun / deviation)

    if pre == 1:
        return
    rng = np.random.default_rng(0)
    for scale in (1e-3, 1e-2, 0.1, 1.0):
        for _ in range(4):
            assert half_length(scale * rng.standard_normal(pre - 1)) >= found.half_length - 1e-9
    better = minimize(half_length, np.zeros(pre - 1), method="Nelder-Mead", options={"maxfev": 60})
    assert better.fun >= found.half_length * (1 - 1e-7)


def test_dual_vertices_give_the_value_of_the_linear_program():
    rng = np.random.default_rng(3)
    for rows, columns in itertools.product((4, 7, 9), (0, 1, 2, 4)):
        nuisance = rng.standard_normal((rows, columns))
        nuisance = np.vstack([nuisance, -2.0 * nuisance[:2], nuisance[:1], np.zeros((1, columns))])
        scale = rng.uniform(0.5, 2.0, len(nuisance))
        vertices = dual_vertices(nuisance, scale)
        assert np.all(vertices >= 0)
        assert vertices @ scale == pytest.approx(np.ones(len(vertices)))
        assert np.abs(vertices @ nuisance).max(initial=0.0) < 1e-8
        for _ in range(5):
            y = rng.standard_normal(len(nuisance))
            solved = linprog(
                np.eye(columns + 1)[0],
                A_ub=-np.column_stack([scale, nuisance]),
                b_ub=-y,
                bounds=(None, None),
            )
            assert np.max(vertices @ y) == pytest.approx(solved.fun, abs=1e-8)


def test_truncation_of_the_conditional_test():
    """Where γ̂ stays the maximiser is found by trying, and so is the tail of the truncated normal."""
    rng = np.random.default_rng(8)
    pre, post = 3, 3
    sigma = covariance_of(pre + post, 5)
    root = np.linalg.cholesky(sigma)
    weights = np.array([0.5, 0.3, 0.2])
    checked = {True: 0, False: 0}
    for _ in range(40):
        beta = 2.0 * root @ rng.standard_normal(pre + post)
        member = polyhedra("relative_magnitudes", pre, post, 0.5)[int(rng.integers(0, 6))]
        test = conditional_test(beta, sigma, pre, weights, member, method="conditional", level=0.9, first_size=0.01)
        theta = float(weights @ beta[pre:] + rng.normal(0, 2))
        y = test.base - test.slope * theta
        gamma = test.vertices[np.argmax(test.vertices @ y)]
        variance = gamma @ test.covariance @ gamma
        if variance < 1e-12:
            continue
        direction = test.covariance @ gamma / variance
        eta = float(gamma @ y)
        t = eta + np.linspace(-30, 30, 60_001) * np.sqrt(variance)
        stays = np.max((y - direction * eta)[None, :] @ test.vertices.T, axis=0)[None, :] + np.outer(
            t, test.vertices @ direction
        )
        stays = stays.max(axis=1) <= t + 1e-9
        low, high = t[stays].min() / np.sqrt(variance), t[stays].max() / np.sqrt(variance)
        z = eta / np.sqrt(variance)
        mass = stats.norm.cdf(high) - stats.norm.cdf(low)
        if mass < 1e-6:
            continue
        tail = (stats.norm.cdf(high) - stats.norm.cdf(z)) / mass
        if abs(tail - 0.1) < 2e-3:
            continue
        expected = not (eta > 0 and tail < 0.1)
        assert bool(test.accepts(np.array([theta]))[0]) is expected
        checked[expected] += 1
    assert min(checked.values()) >= 5


def test_log_tail_share_keeps_its_digits():
    value, low, high = np.array([9.5, -1.0, 2.0]), np.array([9.0, -2.0, -np.inf]), np.array([11.0, 3.0, np.inf])
    expected = [
        (stats.norm.sf(9.5) - stats.norm.sf(11.0)) / (stats.norm.sf(9.0) - stats.norm.sf(11.0)),
        (stats.norm.cdf(3.0) - stats.norm.cdf(-1.0)) / (stats.norm.cdf(3.0) - stats.norm.cdf(-2.0)),
        stats.norm.sf(2.0),
    ]
    assert np.exp(_log_tail_share(value, low, high)) == pytest.approx(expected, rel=1e-10)


def test_relative_magnitudes_have_a_closed_form(study):
    beta, _ = study
    largest = np.abs(np.diff(np.append(beta[:4], 0.0))).max()
    weights = np.array([0.4, 0.3, 0.2, 0.1])
    reach = 1.5 * largest * float(weights @ np.arange(1, 5))
    found = identified_interval(beta, 4, weights, polyhedra("relative_magnitudes", 4, 4, 1.5))
    assert found == pytest.approx((weights @ beta[4:] - reach, weights @ beta[4:] + reach), abs=1e-9)


# -- the analysis as a whole -------------------------------------------------------------------------------------------


def test_bisected_ends_lie_between_grid_points(stored, study):
    rows = stored["RM_Conditional"]["rows"]
    step = 2.0 / 999
    found = honest_did(*study, PERIODS, weights="first", method="conditional", bounds=[row["Mbar"] for row in rows])
    for row, mine in zip(rows, found.rows, strict=True):
        assert row["lb"] - step < mine.confidence.low <= row["lb"]
        assert row["ub"] <= mine.confidence.high < row["ub"] + step
        assert len(mine.confidence.intervals) == 1


def test_breakdown_value_is_where_zero_enters(study):
    found = honest_did(*study, PERIODS, weights="first", bounds=[0.0])
    at = honest_did(*study, PERIODS, weights="first", bounds=[0.999 * found.breakdown, 1.001 * found.breakdown])
    assert [row.confidence.contains(0.0) for row in at.rows] == [False, True]
    assert 1.5 < found.breakdown < 1.75  # between the stored rows at 1.5, which excludes zero, and 2
    smooth = honest_did(*study, PERIODS, weights="first", restriction="smoothness", bounds=[0.0])
    at = honest_did(
        *study,
        PERIODS,
        weights="first",
        restriction="smoothness",
        bounds=[0.999 * smooth.breakdown, 1.001 * smooth.breakdown],
    )
    assert [row.confidence.contains(0.0) for row in at.rows] == [False, True]


def test_nothing_to_break_down(study):
    beta, sigma = study
    assert honest_did(0.01 * beta, sigma, PERIODS, weights="first", bounds=[0.0]).breakdown == 0.0
    signed = honest_did(*study, PERIODS, weights="first", restriction="smoothness", bias_sign="negative", bounds=[0.1])
    assert np.isinf(signed.breakdown)
    assert "above" in signed.summary()


def test_restriction_that_no_trend_fits_says_so(study):
    found = honest_did(*study, PERIODS, restriction="smoothness", bounds=[0.1])
    assert found.rows[0].identified is None
    assert "nothing: no such trend fits the leads" in found.summary()
    assert RobustSet(()).empty
    assert np.isnan(RobustSet(()).low)
    assert not RobustSet(()).contains(0.0)


def test_output(study):
    found = honest_did(*study, PERIODS, bounds=[0.0, 1.0])
    table = found.tidy()
    assert table["bound"].tolist() == [0.0, 1.0]
    assert (table["conf_low"] <= table["identified_low"]).all()
    assert (table["conf_high"] >= table["identified_high"]).all()
    assert "\\begin{tabular}" in found.to_latex()
    assert "<table" in found.to_html()
    assert [label.get_text() for label in found.plot().get_xticklabels()] == ["usual", "0", "1"]


def test_one_post_period_has_no_nuisance():
    sigma = covariance_of(4, 1) * 0.01
    found = honest_did([0.01, -0.02, 0.03, 0.6], sigma, [-4, -3, -2, 0], bounds=[0.5, 1.0], method="conditional")
    assert found.rows[0].confidence.low < 0.6 < found.rows[0].confidence.high
    assert found.rows[1].confidence.low < found.rows[0].confidence.low


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"periods": [-5, -4, -3, -2, 0, 1, 2, 4]}, InvalidValue, "consecutive"),
        ({"periods": [-5, -4, -3, 0]}, ShapeMismatch, "one coefficient per period"),
        ({"weights": "middle"}, InvalidValue, "average, first, last"),
        ({"weights": [1.0, 0.0]}, ShapeMismatch, "one weight per post-period"),
        ({"weights": [0.0] * 4}, InvalidValue, "not all zero"),
        ({"restriction": "none"}, InvalidValue, "relative_magnitudes"),
        ({"bounds": [-1.0]}, InvalidValue, "not negative"),
        ({"method": "flci"}, InvalidValue, "smoothness"),
        ({"restriction": "smoothness", "method": "flci", "bias_sign": "positive"}, InvalidValue, "hybrid_flci"),
        ({"level": 95}, InvalidValue, "level"),
        ({"first_size": 0.2}, InvalidValue, "first_size"),
        ({"reference": -7}, InvalidValue, "consecutive"),
    ],
)
def test_bad_input(study, change, error, words):
    beta, sigma = study
    arguments = {"coefficients": beta, "covariance": sigma, "periods": PERIODS} | change
    with pytest.raises(error, match=words):
        honest_did(**arguments)


def test_bad_covariance(study):
    beta, sigma = study
    singular = sigma.copy()
    singular[0] = singular[:, 0] = 0.0
    with pytest.raises(InvalidValue, match="positive definite"):
        honest_did(beta, singular, PERIODS)
    with pytest.raises(InvalidValue, match="symmetric"):
        honest_did(beta, np.triu(sigma), PERIODS)
    with pytest.raises(InvalidValue, match="missing"):
        honest_did(np.where(np.arange(8) == 2, np.nan, beta), sigma, PERIODS)


def test_too_many_combinations_are_refused():
    beta, sigma = np.zeros(28), np.eye(28)
    with pytest.raises(TooManyCombinations, match="fewer post-periods"):
        honest_did(
            beta, sigma, [*range(-5, -1), *range(24)], restriction="smoothness", bias_sign="positive", bounds=[0.1]
        )


# -- coverage ----------------------------------------------------------------------------------------------------------


@pytest.mark.validate
@pytest.mark.parametrize(
    ("restriction", "method", "bound"),
    [
        ("relative_magnitudes", "hybrid_lf", 1.0),
        ("relative_magnitudes", "conditional", 1.0),
        ("smoothness", "flci", 0.1),
        ("smoothness", "hybrid_flci", 0.1),
        ("smoothness", "hybrid_lf", 0.1),
        ("relative_smoothness", "hybrid_lf", 1.0),
    ],
)
def test_coverage_at_the_worst_trend(restriction, method, bound):
    """At least nominal at an end of the identified set, within Monte Carlo error (800 draws, 3 standard errors)."""
    pre, post, replications = 4, 8, 800
    rng = np.random.default_rng(11)
    sigma = 0.05 * covariance_of(pre + post, 2)
    root = np.linalg.cholesky(sigma)
    weights = np.full(post, 1.0 / post)
    delta_pre = np.array([0.30, 0.10, 0.20, 0.10])
    leads = np.concatenate([delta_pre, np.zeros(post)])
    end = identified_interval(leads, pre, weights, polyhedra(restriction, pre, post, bound))
    if end is None:  # leads that the restriction allows
        leads[:pre] = 0.05 * np.arange(-pre, 0.0)
        end = identified_interval(leads, pre, weights, polyhedra(restriction, pre, post, bound))
    truth = end[1]
    covered = 0
    for _ in range(replications):
        beta = leads + root @ rng.standard_normal(pre + post)
        if method == "flci":
            found = fixed_length_interval(beta, sigma, pre, weights, bound, 0.95)
            covered += found.low <= truth <= found.high
            continue
        first = fixed_length_interval(beta, sigma, pre, weights, bound, 0.995) if method == "hybrid_flci" else None
        covered += any(
            conditional_test(
                beta, sigma, pre, weights, member, method=method, level=0.95, first_size=0.005, first_interval=first
            ).accepts(np.array([truth]))[0]
            for member in polyhedra(restriction, pre, post, bound)
        )
    print(f"\n{restriction} {method}: coverage {covered / replications:.3f}")
    assert covered / replications > 0.95 - 3 * np.sqrt(0.95 * 0.05 / replications)
