"""The wild cluster bootstrap against explicit loops over bootstrap samples, and against stored enumerated counts."""

from itertools import combinations, product

import numpy as np
import pandas as pd
import pytest

from bigpush_est.errors import InvalidValue, NotPositiveSemiDefinite
from bigpush_est.reduced_form.linear.clusters import Clusters
from bigpush_est.reduced_form.linear.problem import LinearProblem
from bigpush_est.reduced_form.wild.bootstrap import liml_coefficient, wild_bootstrap
from bigpush_est.reduced_form.wild.weights import WEBB, weight_draws

from ...stored_numbers import folder, stored_numbers

STORED = stored_numbers("wild")
ALTERNATIVES = {"two-tailed": "two-tailed", "equal-tailed": "equal-tailed", ">": "greater", "<": "less"}


# -- explicit loops ---------------------------------------------------------------------------------------------------


def variance(scores, labels):
    """Σ ± Σ_g s_g s_g′ over the subsets of the dimensions, with loops over groups and no factor."""
    total = np.zeros((scores.shape[1], scores.shape[1]))
    for size in range(1, len(labels) + 1):
        for chosen in combinations(labels, size):
            keys = list(zip(*chosen, strict=True))
            for key in set(keys):
                rows = [i for i, k in enumerate(keys) if k == key]
                s = scores[rows].sum(axis=0)
                total += (-1) ** (size + 1) * np.outer(s, s)
    return total


def t_ratio(y, x, w, z, weights, labels, beta):
    """2SLS (or least squares, with z = x) on the full arrays, and the t-ratio of x."""
    root = np.sqrt(weights)[:, None]
    regressors, instruments = np.column_stack([x, w]) * root, np.column_stack([z, w]) * root
    fitted = instruments @ np.linalg.lstsq(instruments, regressors, rcond=1e-11)[0]
    solve = np.linalg.pinv(fitted.T @ fitted, rcond=1e-11, hermitian=True)
    coefficient = solve @ fitted.T @ (y * root[:, 0])
    residual = y * root[:, 0] - regressors @ coefficient
    v = solve @ variance(fitted * residual[:, None], labels) @ solve
    return (coefficient[0] - beta) / np.sqrt(v[0, 0]), coefficient[0]


def residual_of(target, columns, weights):
    root = np.sqrt(weights)
    found = np.linalg.lstsq(columns * root[:, None], target * root, rcond=1e-11)[0]
    return target - columns @ found, found


def loop(data, boot, beta, impose_null, vectors, iv):
    """t* of every weight vector, one bootstrap sample after the other."""
    y, x, w, z, weights, labels = (data[k] for k in ("y", "x", "w", "z", "weights", "labels"))
    z = z if iv else x[:, None]
    centre = beta
    if not impose_null:
        centre = t_ratio(y, x, w, z, weights, labels, 0.0)[1]
        if iv and z.shape[1] > 1:
            root = np.sqrt(weights)
            net = [residual_of(column, w, weights)[0] * root for column in (y, x, *z.T)]
            centre = liml_coefficient(net[0], net[1], np.column_stack(net[2:]))
    structural, controls = residual_of(y - centre * x, w, weights)
    if iv:
        _, first = residual_of(x, np.column_stack([z, w, structural]), weights)
        systematic = np.column_stack([z, w]) @ first[:-1]
        disturbance = x - systematic
    found = []
    for v in vectors:
        spread = np.asarray(v)[boot]
        new_x = systematic + disturbance * spread if iv else x
        new_y = centre * new_x + w @ controls + structural * spread
        found.append(t_ratio(new_y, new_x, w, z, weights, labels, centre)[0])
    return np.array(found)


def simulated(seed, n=36, groups=6, other=5, instruments=1, fixed=False, weighted=False):
    rng = np.random.default_rng(seed)
    a = np.arange(n) % groups
    b = rng.permutation(np.arange(n) % other)
    z = rng.normal(size=(n, instruments)) + rng.normal(size=groups)[a][:, None]
    u = rng.normal(size=n) + rng.normal(size=groups)[a] + rng.normal(size=other)[b]
    x = z @ np.linspace(1.0, 0.5, instruments) + 0.6 * u + rng.normal(size=n)
    controls = np.column_stack([rng.normal(size=n), np.ones(n)])
    y = 0.4 * x + controls[:, 0] + u
    weights = rng.uniform(0.5, 2.0, n) if weighted else np.ones(n)
    data = {"y": y, "x": x, "z": z, "weights": weights, "labels": [a, b], "w": controls}
    if fixed:
        dummies = np.column_stack([a[:, None] == np.arange(groups), b[:, None] == np.arange(other)]).astype(float)
        data["w"] = np.column_stack([controls[:, :1], dummies])
    return data


def as_problem(data, iv, dimensions, fixed=False):
    n = data["y"].size
    none = np.empty((n, 0))
    arrays = {"y": data["y"][:, None], "x": data["x"][:, None], "z": data["z"], "w": data["w"]}
    absorbed, nested = 0, 0
    if fixed:
        dummies = data["w"][:, 1:]
        arrays["w"] = data["w"][:, :1]
        arrays = {
            key: np.column_stack([residual_of(column, dummies, data["weights"])[0] for column in value.T])
            for key, value in arrays.items()
        }
        absorbed, nested = 4, 6
    names = tuple(f"w{k}" for k in range(arrays["w"].shape[1]))
    clusters = Clusters.build({name: data["labels"][k] for k, name in enumerate("ab"[:dimensions])})
    weights = None if (data["weights"] == 1.0).all() else data["weights"]
    if iv:
        return LinearProblem(
            arrays["y"][:, 0],
            arrays["x"],
            arrays["w"],
            arrays["z"],
            ("x", *names),
            tuple(f"z{k}" for k in range(data["z"].shape[1])),
            weights,
            clusters,
            absorbed,
            nested,
        )
    regressors = np.column_stack([arrays["x"], arrays["w"]])
    return LinearProblem(
        arrays["y"][:, 0], none, regressors, none, ("x", *names), (), weights, clusters, absorbed, nested
    )


@pytest.mark.parametrize("impose_null", [True, False])
@pytest.mark.parametrize(
    ("iv", "instruments", "fixed", "weighted", "dimensions"),
    [
        (False, 1, False, False, 1),
        (False, 1, True, True, 2),
        (True, 1, False, True, 2),
        (True, 1, True, False, 1),
        (True, 2, True, True, 2),
    ],
)
def test_every_draw_equals_its_bootstrap_sample(iv, instruments, fixed, weighted, dimensions, impose_null):
    data = simulated(3 + instruments, instruments=instruments, fixed=fixed, weighted=weighted)
    problem = as_problem(data, iv, dimensions, fixed)
    effects = Clusters.build({"a": data["labels"][0], "b": data["labels"][1]})
    test = wild_bootstrap(
        problem,
        regressor=None if iv else "x",
        null=0.2,
        impose_null=impose_null,
        bootstrap_by="a",
        small_sample="none",
        fixed_effects=effects if fixed else None,
    )
    assert (test.enumerated, test.draws) == (True, 64)
    data["labels"] = data["labels"][:dimensions]
    z = data["z"] if iv else data["x"][:, None]
    t, estimate = t_ratio(data["y"], data["x"], data["w"], z, data["weights"], data["labels"], 0.2)
    assert test.statistic == pytest.approx(t, rel=1e-9)
    assert test.estimate == pytest.approx(estimate, rel=1e-9)
    chosen = [0, 1, 22, 37]
    vectors = weight_draws("rademacher", 6, 9_999, 0).block(0)[:, chosen].T
    expected = loop(
        data, simulated(3 + instruments, instruments=instruments)["labels"][0], 0.2, impose_null, vectors, iv
    )
    np.testing.assert_allclose(test.draws_of_statistic[chosen], expected, rtol=1e-7, atol=1e-10)


def test_weights_by_the_cells_of_two_dimensions_and_many_clusters():
    """The sparse maps (many clusters) and the dense ones give what the loop gives."""
    data = simulated(11, n=300, groups=12, other=80)
    problem = as_problem(data, True, 2)
    cells = problem.clusters.intersection((0, 1))
    test = wild_bootstrap(
        problem, null=0.3, bootstrap_by=("a", "b"), small_sample="none", draws=199, weights="webb", seed=4
    )
    assert test.bootstrap_clusters == cells[1] > 200
    vectors = weight_draws("webb", cells[1], 199, 4).block(0)[:, :3].T
    np.testing.assert_allclose(
        test.draws_of_statistic[:3], loop(data, cells[0], 0.3, True, vectors, True), rtol=1e-8, atol=1e-10
    )


@pytest.mark.parametrize("by", ["a", "b"])
def test_fixed_effects_of_many_clusters(by):
    data = simulated(13, n=240, groups=8, other=70, fixed=False)
    dummies = np.column_stack(
        [data["labels"][0][:, None] == np.arange(8), data["labels"][1][:, None] == np.arange(70)]
    ).astype(float)
    data["w"] = np.column_stack([data["w"][:, :1], dummies])
    problem = as_problem(data, True, 2, fixed=True)
    effects = Clusters.build(dict(zip("ab", data["labels"], strict=True)))
    test = wild_bootstrap(
        problem, null=0.3, bootstrap_by=by, small_sample="none", fixed_effects=effects, draws=99, weights="mammen"
    )
    boot = problem.clusters.codes["ab".index(by)]
    vectors = weight_draws("mammen", test.bootstrap_clusters, 99, 0).block(0)[:, :2].T
    np.testing.assert_allclose(
        test.draws_of_statistic[:2], loop(data, boot, 0.3, True, vectors, True), rtol=1e-7, atol=1e-9
    )


# -- Anderson and Rubin -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("impose_null", [True, False])
@pytest.mark.parametrize("instruments", [1, 2])
def test_anderson_rubin_draws_equal_their_bootstrap_samples(instruments, impose_null):
    data = simulated(21, n=60, groups=7, other=6, instruments=instruments)
    problem = as_problem(data, True, 1)
    test = wild_bootstrap(problem, method="AR", null=0.1, impose_null=impose_null, small_sample="none")
    labels = data["labels"][:1]

    def wald(y):
        columns = np.column_stack([data["z"], data["w"]])
        residual, found = residual_of(y, columns, data["weights"])
        solve = np.linalg.inv(columns.T @ columns)
        v = (solve @ variance(columns * residual[:, None], labels) @ solve)[:instruments, :instruments]
        return found, v, residual

    target = data["y"] - 0.1 * data["x"]
    found, v, unrestricted = wald(target)
    delta = found[:instruments]
    assert test.statistic == pytest.approx(delta @ np.linalg.solve(v, delta), rel=1e-8)
    restricted, controls = residual_of(target, data["w"], data["weights"])
    vectors = weight_draws("rademacher", 7, 9_999, 0).block(0)[:, [0, 3, 77]].T
    for k, vector in zip([0, 3, 77], vectors, strict=True):
        spread = vector[labels[0]]
        if impose_null:
            drawn, v, _ = wald(data["w"] @ controls + restricted * spread)
            gap = drawn[:instruments]
        else:
            fitted = np.column_stack([data["z"], data["w"]]) @ found
            drawn, v, _ = wald(fitted + unrestricted * spread)
            gap = drawn[:instruments] - delta
        expected = gap @ np.linalg.solve(v, gap)
        assert test.draws_of_statistic[k] == pytest.approx(expected, rel=1e-6, abs=1e-12)


# -- stored counts ----------------------------------------------------------------------------------------------------


def demeaned(values, *groups):
    for _ in range(60):
        for group in groups:
            values = values - pd.DataFrame(values).groupby(np.asarray(group)).transform("mean").to_numpy()
    return values


@pytest.fixture(scope="module")
def stored_problems():
    small = pd.read_csv(folder("wild") / "collapsed.csv")
    names = ("selfemployed", "post", "post_self", "one")
    columns = np.column_stack([small[list(names[:3])], np.ones(16)]).astype(float)
    collapsed = LinearProblem(
        small["hasinsurance"].to_numpy(),
        np.empty((16, 0)),
        columns,
        np.empty((16, 0)),
        names,
        (),
        None,
        Clusters.build({"year": small["year"]}),
        0,
        0,
    )
    cigar = pd.read_csv(folder("wild") / "cigar10.csv")
    net = demeaned(cigar[["lsales", "lprice", "lndi"]].to_numpy(), cigar["State"], cigar["Year"])
    none = np.empty((300, 0))
    states = Clusters.build({"State": cigar["State"]})
    panel = LinearProblem(net[:, 0], none, net[:, 1:], none, ("lprice", "lndi"), (), None, states, 29, 10)
    effects = Clusters.build({"State": cigar["State"], "Year": cigar["Year"]})
    return {
        "collapsed_H0_0.04": (collapsed, None, 4),
        "collapsed_H0_0_post": (collapsed, None, 4),
        "cigar10_lprice": (panel, effects, 41),
    }


CASES = [
    (case, call) for case, calls in STORED.items() if "G" in calls for call in calls if call.startswith("bootstrap")
]


@pytest.mark.parametrize(("case", "call"), CASES)
def test_stored_enumerated_counts(case, call, stored_problems):
    """fwildclusterboot's counts lie between the draws strictly more extreme and those with the ties."""
    problem, effects, parameters = stored_problems[case]
    kind, imposed, tail = (part.split("=", 1)[1] for part in call.split(","))
    stored = STORED[case][call]
    test = wild_bootstrap(
        problem,
        regressor=STORED[case]["param"],
        null=STORED[case]["H0"],
        impose_null=imposed == "TRUE",
        alternative=ALTERNATIVES[tail],
        scores="jackknife" if kind[0] == "3" else "plain",
        variance="CV3" if kind[-1] == "3" else "CV1",
        small_sample="sandwich",
        parameters=parameters,
        fixed_effects=effects,
        confidence_set=bool(stored["ci"]),
    )
    assert test.enumerated
    assert test.draws == stored["B_used"]
    assert test.estimate == pytest.approx(stored["estimate"], rel=1e-8)
    assert test.statistic == pytest.approx(stored["t_stat"], rel=1e-6)
    counted = stored["count_of_2powG"]
    assert test.p.more_extreme <= counted <= test.p.more_extreme + test.p.ties
    assert test.p.ties <= 2
    if "fnw11" in kind:
        assert test.p_value == counted / stored["B_used"]
    if stored["ci"]:
        # fwildclusterboot stops its search within a few per cent of a standard error
        error = abs(test.estimate - test.null) / abs(test.statistic)
        assert test.confidence_set.kind == "bounded"
        assert [test.confidence_set.low, test.confidence_set.high] == pytest.approx(stored["ci"], abs=0.01 * error)


@pytest.mark.parametrize(
    ("case", "imposed"),
    [(c, i) for c in STORED if "bruteforce" in STORED[c] and "G" in STORED[c] for i in (True, False)],
)
def test_stored_brute_force(case, imposed, stored_problems):
    problem, effects, _ = stored_problems[case]
    stored = STORED[case]["bruteforce"][f"impose_null={imposed}"]
    for alternative, key, ties in (("two-tailed", "abs_", "n_abs_ties"), ("greater", "", "n_ties")):
        test = wild_bootstrap(
            problem,
            regressor=STORED[case]["param"],
            impose_null=imposed,
            alternative=alternative,
            small_sample="none",
            fixed_effects=effects,
        )
        assert test.statistic == pytest.approx(stored["t_no_ssc"], rel=1e-9)
        assert (test.p.more_extreme, test.p.ties) == (stored[f"n_{key}greater"], stored[ties])


# -- p-values, sets, seeds --------------------------------------------------------------------------------------------


def test_confidence_set_ends_where_the_test_turns(stored_problems):
    problem = stored_problems["collapsed_H0_0.04"][0]
    settings = {"regressor": "post_self", "small_sample": "none"}
    for impose_null in (True, False):
        for alternative in ("two-tailed", "equal-tailed", "greater"):
            region = wild_bootstrap(
                problem, impose_null=impose_null, alternative=alternative, confidence_set=True, **settings
            ).confidence_set
            assert len(region.intervals) == 1
            for end, outward in ((region.low, -1.0), (region.high, 1.0)):
                if not np.isfinite(end):
                    continue
                p = [
                    wild_bootstrap(
                        problem, null=end + step * 1e-8, impose_null=impose_null, alternative=alternative, **settings
                    ).p_value
                    for step in (-outward, outward)
                ]
                assert p[0] > 0.05 >= p[1]


def test_not_imposing_the_null_gives_the_quantile_interval(stored_problems):
    problem = stored_problems["collapsed_H0_0.04"][0]
    test = wild_bootstrap(problem, regressor="post_self", impose_null=False, confidence_set=True, null=0.01)
    error = (test.estimate - 0.01) / test.statistic
    # p > 5% as long as at least 13 of 256 draws lie beyond |t|
    critical = np.sort(np.abs(test.draws_of_statistic))[-13]
    assert test.confidence_set.high == pytest.approx(test.estimate + critical * error, rel=1e-8)
    assert test.confidence_set.low == pytest.approx(test.estimate - critical * error, rel=1e-8)


def test_weak_instrument_gives_an_unbounded_set():
    data = simulated(5, n=120, groups=9)
    data["x"] = np.random.default_rng(1).normal(size=120)
    region = wild_bootstrap(as_problem(data, True, 1), method="AR", confidence_set=True).confidence_set
    assert not region.bounded


def test_numbers_do_not_depend_on_the_number_of_workers_and_follow_the_seed():
    problem = as_problem(simulated(2, n=200, groups=20, other=15), True, 2)
    runs = [
        wild_bootstrap(problem, draws=999, workers=w, seed=s).draws_of_statistic for w, s in ((1, 7), (2, 7), (1, 8))
    ]
    assert np.array_equal(runs[0], runs[1])
    assert not np.array_equal(runs[0], runs[2])
    sequence = wild_bootstrap(problem, draws=999, seed=np.random.SeedSequence(7)).draws_of_statistic
    assert np.array_equal(sequence, runs[0])


def test_weights_have_the_moments_of_a_wild_bootstrap():
    for kind, third in (("rademacher", 0.0), ("webb", 0.0), ("mammen", 1.0)):
        values = np.concatenate([weight_draws(kind, 70, 9_999, 1).block(k).ravel() for k in range(70)])
        assert values.mean() == pytest.approx(0.0, abs=0.006)
        assert (values**2).mean() == pytest.approx(1.0, abs=0.01)
        assert (values**3).mean() == pytest.approx(third, abs=0.02)
    assert set(np.unique(weight_draws("webb", 70, 99, 1).block(0))) == set(WEBB)


def test_enumeration_holds_every_sign_vector_once():
    plan = weight_draws("rademacher", 8, 256, 0)
    drawn = np.hstack([plan.block(k) for k in range(plan.blocks)])
    assert {tuple(column) for column in drawn.T} == set(product([-1.0, 1.0], repeat=8))
    assert (drawn[:, 0] == 1.0).all()
    assert (drawn[:, -1] == -1.0).all()
    assert not weight_draws("rademacher", 8, 255, 0).enumerated
    assert not weight_draws("webb", 8, 256, 0).enumerated


# -- refusals ---------------------------------------------------------------------------------------------------------


def test_refusals():
    problem = as_problem(simulated(2), True, 2)
    for changes, match in (
        ({"bootstrap_by": "c"}, "bootstrap_by"),
        ({"weights": "normal"}, "weights"),
        ({"draws": 10}, "draws"),
        ({"level": 95}, "level"),
        ({"scores": "jackknife"}, "plain for IV"),
        ({"method": "AR", "alternative": "greater"}, "AR has no sign"),
        ({"regressor": "w0"}, "regressor"),
        ({"seed": -1}, "seed"),
        ({"workers": 0}, "workers"),
        ({"null": np.nan}, "null"),
        ({"small_sample": "stata"}, "small_sample"),
    ):
        with pytest.raises(InvalidValue, match=match):
            wild_bootstrap(problem, **changes)
    with pytest.raises(InvalidValue, match="clusters"):
        wild_bootstrap(LinearProblem(*(getattr(problem, f) if f != "clusters" else None for f in problem.__slots__)))
    fixed = simulated(4, fixed=True)
    with pytest.raises(InvalidValue, match="fixed_effects"):
        wild_bootstrap(as_problem(fixed, True, 2, fixed=True))
    wrong = Clusters.build({"a": np.arange(36) % 7})
    with pytest.raises(InvalidValue, match="correlated with the data"):
        wild_bootstrap(as_problem(fixed, True, 2, fixed=True), fixed_effects=wrong)


def test_a_sample_without_a_positive_variance_is_refused():
    """Two observations per cell cancel within their cells' dimensions: the two-way variance is negative."""
    a, b = np.divmod(np.arange(4), 2)
    labels = np.tile(np.column_stack([a, b]), (2, 1))
    x = np.ones(8)
    y = np.tile([1.0, -1.0, -1.0, 1.0], 2)
    none = np.empty((8, 0))
    clusters = Clusters.build({"a": labels[:, 0], "b": labels[:, 1]})
    problem = LinearProblem(y, none, x[:, None], none, ("x",), (), None, clusters, 0, 0)
    with pytest.raises(NotPositiveSemiDefinite, match="sample itself"):
        wild_bootstrap(problem, regressor="x", small_sample="none")
