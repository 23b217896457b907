"""AKM and AKM0 against ShiftShareSE's numbers and dense formulas; the regression of shocks against that of units."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from bigpush_est.errors import InvalidValue, ShapeMismatch, ShiftShareRefused
from bigpush_est.reduced_form.linear.clusters import Clusters
from bigpush_est.reduced_form.linear.problem import LinearProblem
from bigpush_est.reduced_form.shift_share.akm import akm, check_structure
from bigpush_est.reduced_form.shift_share.shock_regression import shock_regression

from ...stored_numbers import folder, stored_numbers

STORED = stored_numbers("adh")
METHODS = {"homoskedastic": "Homoscedastic", "robust": "EHW", "cluster": "Reg. cluster", "AKM": "AKM", "AKM0": "AKM0"}


@pytest.fixture(scope="module")
def regions():
    data = pd.read_csv(folder("adh") / "adh_reg.csv")
    long = pd.read_parquet(folder("adh") / "adh_W_long.parquet")
    shares = np.zeros((len(data), 770))
    shares[long["row"], long["col"]] = long["w"]
    return data, shares, pd.read_csv(folder("adh") / "adh_sectors.csv")


def problem_of(data, outcome, kind, controls=(), weighted=False):
    n = len(data)
    exogenous = np.column_stack([data[list(controls)], np.ones(n)])
    names = (*controls, "one")
    weights = data["weights"].to_numpy() if weighted else None
    clusters = Clusters.build({"state": data["statefip"]})
    y, z = data[outcome].to_numpy(), data[["IV"]].to_numpy()
    if kind == "iv":
        return LinearProblem(
            y, data[["shock"]].to_numpy(), exogenous, z, ("shock", *names), ("IV",), weights, clusters, 0, 0
        )
    none = np.empty((n, 0))
    return LinearProblem(y, none, np.column_stack([z, exogenous]), none, ("IV", *names), (), weights, clusters, 0, 0)


PLAIN = STORED.get("none|unweighted|sector_unclustered", {})
CASES = (
    [
        ("shock", "ols", PLAIN["first_stage"]),
        ("d_sh_empl", "ols", PLAIN["d_sh_empl"]["reduced_form"]),
        ("d_sh_empl", "iv", PLAIN["d_sh_empl"]["iv"]),
        ("d_sh_empl", "iv", STORED["readme"]["iv"]),
    ]
    if STORED
    else []
)


@pytest.mark.parametrize(("outcome", "kind", "stored"), CASES)
def test_stored_numbers(regions, outcome, kind, stored):
    data, shares, _ = regions
    found = akm(problem_of(data, outcome, kind), shares, regressor="IV" if kind == "ols" else None)
    assert found.estimate == pytest.approx(stored["beta"], rel=1e-8)
    assert (found.units, found.sectors, found.sector_clusters) == (1444, 770, 770)
    assert "span of the shares" in found.structure
    for row in found.rows:
        name = METHODS[row.method]
        if stored["se"][name] is None:
            continue
        assert row.standard_error == pytest.approx(stored["se"][name], rel=1e-8)
        assert row.confidence_set.low == pytest.approx(stored["ci_lower"][name], rel=1e-8)
        assert row.confidence_set.high == pytest.approx(stored["ci_upper"][name], rel=1e-8)
        assert row.p_value == pytest.approx(stored["p"][name], rel=1e-4, abs=1e-15)


def dense_akm(problem, shares, codes, iv, null):
    """The formulas of the paper on the regressors as they are, by weighted regressions."""
    weights = np.ones(problem.observations) if problem.weights is None else problem.weights
    root = np.sqrt(weights)

    def net(v, columns):
        return v - columns @ np.linalg.lstsq(columns * root[:, None], v * root, rcond=None)[0]

    controls = problem.exogenous if iv else problem.exogenous[:, 1:]
    z = problem.instruments[:, 0] if iv else problem.exogenous[:, 0]
    d = problem.endogenous[:, 0] if iv else z
    z_net, y_net, d_net = (net(v, controls) for v in (z, problem.outcome, d))
    beta = (weights * z_net) @ y_net / ((weights * z_net) @ d_net)
    projected = np.linalg.lstsq(shares * root[:, None], z_net * root, rcond=None)[0]
    errors = {}
    for b in (beta, null):
        r = projected * (shares.T @ (weights * (y_net - b * d_net)))
        errors[b] = np.sqrt(np.sum(np.bincount(codes, r) ** 2)) / abs((weights * z_net) @ d_net)
    return beta, errors[beta], errors[null]


@pytest.mark.parametrize("kind", ["ols", "iv"])
def test_controls_weights_and_sector_clusters(regions, kind):
    data, shares, sectors = regions
    codes = pd.factorize(sectors["sic3"])[0]
    problem = problem_of(data, "d_sh_empl", kind, ("t2", "l_shind_manuf_cbp", "l_sh_popfborn"), weighted=True)
    found = akm(
        problem,
        shares,
        regressor="IV" if kind == "ols" else None,
        sector_clusters=sectors["sic3"].to_numpy(),
        null=-0.2,
    )
    beta, error, under_null = dense_akm(problem, shares, codes, kind == "iv", -0.2)
    assert found.sector_clusters == 136
    assert found.estimate == pytest.approx(beta, rel=1e-9)
    assert found.row("AKM").standard_error == pytest.approx(error, rel=1e-8)
    assert found.row("AKM0").p_value == pytest.approx(2.0 * stats.norm.sf(abs(beta + 0.2) / under_null), rel=1e-7)
    # the ends of AKM0's set are where its own test turns
    for end in (found.row("AKM0").confidence_set.low, found.row("AKM0").confidence_set.high):
        at_end = dense_akm(problem, shares, codes, kind == "iv", end)[2]
        assert abs(beta - end) / at_end == pytest.approx(stats.norm.isf(0.025), rel=1e-7)


def simulated(seed, sectors=12, units=120, strength=1.0, incomplete=False, panel=False):
    rng = np.random.default_rng(seed)
    shares = rng.dirichlet(np.full(sectors, 0.3), units)
    if incomplete:
        shares = shares * rng.uniform(0.3, 0.9, units)[:, None]
    shocks = rng.normal(size=sectors)
    z = shares @ shocks
    u = shares @ rng.normal(size=sectors) + 0.2 * rng.normal(size=units)
    x = strength * z + u + 0.3 * rng.normal(size=units)
    y = 0.5 * x + u
    exogenous = np.column_stack([np.ones(units), rng.normal(size=units)])
    problem = LinearProblem(
        y, x[:, None], exogenous, z[:, None], ("x", "one", "w"), ("z",), rng.uniform(0.5, 2.0, units), None, 0, 0
    )
    return problem, shares, shocks


def with_controls(problem, *columns):
    fields = {name: getattr(problem, name) for name in problem.__slots__}
    names = (*problem.names, *(f"c{k}" for k in range(len(columns))))
    return LinearProblem(**fields | {"exogenous": np.column_stack([problem.exogenous, *columns]), "names": names})


def test_a_weak_shift_share_gives_an_unbounded_akm0_set():
    kinds = set()
    for seed in range(12):
        problem, shares, shocks = simulated(seed, sectors=12 if seed % 2 else 6, strength=3.0 if seed % 2 else 0.05)
        found = akm(problem, shares, shocks=shocks)
        row = found.row("AKM0")
        kinds.add(row.confidence_set.kind)
        if not row.confidence_set.bounded:
            assert row.standard_error == np.inf
        assert row.confidence_set.contains(found.estimate)
        assert found.structure.startswith("the regressor is shares")
    assert "bounded" in kinds
    assert kinds & {"unbounded", "whole line"}


# -- the regression of shocks -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("incomplete", [False, True])
def test_the_two_regressions_have_the_same_coefficient(incomplete):
    problem, shares, shocks = simulated(3, incomplete=incomplete)
    if incomplete:
        problem = with_controls(problem, shares.sum(axis=1))
    found = shock_regression(problem, shares, shocks)
    assert found.estimate == pytest.approx(found.unit_estimate, rel=1e-10)
    # 2SLS of the units, done at once
    root = np.sqrt(problem.weights)[:, None]
    instruments = np.column_stack([problem.instruments, problem.exogenous]) * root
    regressors = np.column_stack([problem.endogenous, problem.exogenous]) * root
    beta = np.linalg.solve(instruments.T @ regressors, instruments.T @ (problem.outcome * root[:, 0]))
    assert found.estimate == pytest.approx(beta[0], rel=1e-9)
    weights = shares.T @ problem.weights
    assert found.problem.weights == pytest.approx(weights)
    assert found.effective_shocks == pytest.approx(weights.sum() ** 2 / np.sum(weights**2))


def test_least_squares_on_the_shift_share_itself():
    problem, shares, shocks = simulated(4)
    plain = LinearProblem(
        problem.outcome,
        np.empty((120, 0)),
        np.column_stack([problem.instruments, problem.exogenous]),
        np.empty((120, 0)),
        ("z", "one", "w"),
        (),
        None,
        None,
        0,
        0,
    )
    found = shock_regression(plain, shares, shocks, regressor="z")
    beta = np.linalg.lstsq(plain.exogenous, plain.outcome, rcond=None)[0]
    assert found.estimate == pytest.approx(beta[0], rel=1e-9)


def test_standard_errors_are_those_of_the_shocks_regression():
    problem, shares, shocks = simulated(5)
    q = np.random.default_rng(1).normal(size=12)
    groups = np.arange(12) // 2
    problem = with_controls(problem, shares @ q)
    found = shock_regression(problem, shares, shocks, controls={"q": q}, clusters={"g": groups})
    s = found.problem
    z = np.column_stack([s.instruments, s.exogenous])
    x = np.column_stack([s.endogenous, s.exogenous])
    solve = np.linalg.inv(z.T @ (s.weights[:, None] * x))
    beta = solve @ z.T @ (s.weights * s.outcome)
    scores = z * (s.weights * (s.outcome - x @ beta))[:, None]
    sums = np.array([scores[groups == g].sum(axis=0) for g in range(6)])
    assert found.estimate == pytest.approx(beta[0], rel=1e-9)
    assert found.standard_error == pytest.approx(np.sqrt((solve @ sums.T @ sums @ solve.T)[0, 0]), rel=1e-8)
    assert found.covariance.cluster_counts == (6,)


def test_sectors_without_shares_are_left_out_and_counted():
    problem, shares, shocks = simulated(6)
    wide = np.column_stack([shares, np.zeros(120)])
    found = shock_regression(problem, wide, np.append(shocks, 3.0))
    assert found.left_out == 1
    assert found.estimate == pytest.approx(shock_regression(problem, shares, shocks).estimate, rel=1e-12)


def test_stored_regions_have_the_same_coefficient(regions):
    data, shares, _ = regions
    shocks = np.linalg.lstsq(shares, data["IV"].to_numpy(), rcond=None)[0]
    data = data.assign(total=shares.sum(axis=1), IV=shares @ shocks)
    problem = problem_of(data, "d_sh_empl", "iv", ("t2", "total"), weighted=True)
    found = shock_regression(problem, shares, shocks)
    assert found.estimate == pytest.approx(found.unit_estimate, rel=1e-10)


# -- structures that do not fit ---------------------------------------------------------------------------------------


def test_incomplete_shares_need_their_sum():
    problem, shares, shocks = simulated(7, incomplete=True)
    with pytest.raises(ShiftShareRefused, match="add the sum of shares"):
        shock_regression(problem, shares, shocks)


def test_a_control_of_shocks_needs_its_counterpart():
    problem, shares, shocks = simulated(7)
    with pytest.raises(ShiftShareRefused, match="'q'"):
        shock_regression(problem, shares, shocks, controls={"q": np.arange(12.0)})


def test_shocks_specific_to_the_region_are_refused():
    problem, shares, shocks = simulated(8)
    ring = np.tile(shocks, (120, 1))
    ring[:40, :3] = 0.0
    for call in (
        lambda: akm(problem, shares, shocks=ring),
        lambda: shock_regression(problem, shares, ring),
        lambda: check_structure(shares, ring),
    ):
        with pytest.raises(ShiftShareRefused, match=r"specific to the unit.*3 of 12"):
            call()
    rebuilt = (shares * ring).sum(axis=1)
    fields = {name: getattr(problem, name) for name in problem.__slots__}
    wrong = LinearProblem(**fields | {"instruments": rebuilt[:, None]})
    for call in (lambda: akm(wrong, shares), lambda: akm(wrong, shares, shocks=shocks)):
        with pytest.raises(ShiftShareRefused, match="not the sum over sectors"):
            call()
    with pytest.raises(ShiftShareRefused, match="not the sum over sectors"):
        shock_regression(wrong, shares, shocks)


def test_exposures_specific_to_the_firm_are_refused():
    _, shares, shocks = simulated(9)
    places = np.arange(120) // 3
    common = shares[places]
    check_structure(common, shocks, common @ shocks, places)
    own_left_out = common.copy()
    own_left_out[4, 2] = 0.0
    with pytest.raises(ShiftShareRefused, match=r"specific to the firm.*1 of 120"):
        check_structure(own_left_out, shocks, places=places)
    with pytest.raises(ShiftShareRefused, match="not the sum over sectors"):
        check_structure(common, shocks, common @ shocks + 1.0)


def test_what_cannot_be_checked_is_said():
    problem, shares, _ = simulated(10)
    fields = {name: getattr(problem, name) for name in problem.__slots__}
    assert akm(LinearProblem(**fields | {"absorbed": 3}), shares).structure.startswith("not checked")


def test_refusals():
    problem, shares, shocks = simulated(11)
    with pytest.raises(ShapeMismatch, match="shares"):
        akm(problem, shares[:100])
    with pytest.raises(ShapeMismatch, match="sector_clusters"):
        akm(problem, shares, sector_clusters=[1, 2])
    with pytest.raises(InvalidValue, match="0 everywhere"):
        akm(problem, np.column_stack([shares, np.zeros(120)]))
    with pytest.raises(InvalidValue, match="rank 12 with 13"):
        akm(problem, np.column_stack([shares, shares[:, 0]]))
    with pytest.raises(InvalidValue, match="missing or infinite"):
        akm(problem, np.where(shares == shares.max(), np.nan, shares))
    with pytest.raises(InvalidValue, match="method"):
        akm(problem, shares).row("AKM1")
    with pytest.raises(ShapeMismatch, match="shocks"):
        shock_regression(problem, shares, shocks[:5])
    with pytest.raises(ShapeMismatch, match="clusters"):
        shock_regression(problem, shares, shocks, clusters={"g": [1, 2]})
    fields = {name: getattr(problem, name) for name in problem.__slots__}
    with pytest.raises(InvalidValue, match="regressor"):
        akm(LinearProblem(**fields | {"endogenous": np.empty((120, 0)), "names": ("one", "w")}), shares, regressor="z")
    two = np.column_stack([problem.instruments, problem.instruments**2])
    with pytest.raises(InvalidValue, match="one shift-share instrument"):
        akm(LinearProblem(**fields | {"instruments": two, "instrument_names": ("z", "z2")}), shares)
