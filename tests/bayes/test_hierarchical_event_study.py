"""The hierarchical event study: its reduction against brute force, its posterior against a closed form."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from bigpush_est.bayes.models.contrasts import NODES, RHO_MAX, Contrasts
from bigpush_est.bayes.models.event_study import SCALES, EventStudyModel, chebyshev, path_matrices, scale_prior
from bigpush_est.bayes.priors import PARAMETERS, Prior
from bigpush_est.bayes.sampling import SamplerSettings, sample_model
from bigpush_est.errors import ColumnMissing, InvalidValue
from bigpush_est.reduced_form.events.event_study import stacked_event_study
from bigpush_est.reduced_form.events.stacking import build_stack, stack_matches

WINDOW = (-3, 3)


def stack_of(matches=8, winners=2, seed=0, shared=(), effect=0.5):
    """A stack of matches, each with firms of its own but for the pairs (match, winner's place, firm) in ``shared``."""
    rng = np.random.default_rng(seed)
    pairs, firm = [], 0
    for match in range(matches):
        loser, firm = firm, firm + 1
        for place in range(winners):
            winner, firm = firm, firm + 1
            for where, at, other in shared:
                if (where, at) == (match, place):
                    winner = other
            pairs.append({"match": match, "loser": loser, "winner": winner, "year": 1975})
    frame = pd.DataFrame(pairs)
    years = np.arange(1972, 1979)
    firms = np.unique(frame[["loser", "winner"]])
    panel = pd.DataFrame({"firm": np.repeat(firms, years.size), "year": np.tile(years, firms.size)})
    adoption = pd.Series(1975.0, index=frame["winner"].unique())
    adopted = panel["firm"].isin(adoption.index) & (panel["year"] >= 1975)
    panel["y"] = rng.normal(size=firms.size)[np.searchsorted(firms, panel["firm"])] + effect * adopted
    panel["y"] += 0.3 * rng.standard_normal(len(panel))
    return stack_matches(panel, frame, adoption=adoption, window=WINDOW)


def priors(**changes):
    tables = {
        "log_eta": {"family": "half_normal", "scale": 0.5},
        "delta": {"family": "fixed", "value": 0.68},
        "subsidy": {"family": "fixed", "value": 0.06},
        "sigma": {"family": "fixed", "value": 5.0},
        "pareto_ratio": {"family": "fixed", "value": 1.06},
    }
    own = {name: changes[name] for name in SCALES if name in changes}
    return (
        *(Prior.parse(name, changes.get(name, tables[name])) for name in PARAMETERS),
        *(scale_prior(name, table) for name, table in own.items()),
    )


def model_of(stack, horizon=3, nodes=NODES, **changes):
    contrasts = Contrasts.of_stack(stack, "y")
    statistics = contrasts.statistics(nodes)[0]
    return EventStudyModel(priors(**changes), statistics, contrasts.event_times, contrasts.matches, horizon)


@pytest.mark.parametrize("rho", [0.0, 0.7])
def test_reduction_is_the_restricted_likelihood_of_the_stacked_rows(rho):
    """Firms in one match each: levels with dummies of match-firms and match-years, GLS by brute force."""
    stack = stack_of()
    contrasts = Contrasts.of_stack(stack, "y")
    found = contrasts.statistics([rho])[0]
    frame = stack.frame
    unit, time = pd.get_dummies(frame["stack_unit"]), pd.get_dummies(frame["stack_time"])
    nuisance = np.column_stack([unit, time]).astype(float)
    effects = np.column_stack(
        [
            frame[list(stack.terms)],
            *((frame["stack"] == m) & frame["treated"] & (frame["event_time"] >= 0) for m in contrasts.matches),
        ]
    ).astype(float)
    same = frame["firm"].to_numpy()[:, None] == frame["firm"].to_numpy()
    apart = np.abs(frame["year"].to_numpy()[:, None] - frame["year"].to_numpy())
    inverse = (1.0 - rho**2) * np.linalg.inv(same * np.where(apart == 0, 1.0, rho ** np.maximum(apart, 1)))
    middle = np.linalg.pinv(nuisance.T @ inverse @ nuisance, rcond=1e-10)
    projected = inverse - inverse @ nuisance @ middle @ nuisance.T @ inverse
    y = frame["y"].to_numpy()
    np.testing.assert_allclose(found.information[0], effects.T @ projected @ effects, atol=1e-8)
    np.testing.assert_allclose(found.score[0], effects.T @ projected @ y, atol=1e-8)
    # winners differ among each other too: those differences are in both, and hold what is left of the square
    assert found.square[0] == pytest.approx(y @ projected @ y)
    assert found.degrees_of_freedom == len(frame) - np.linalg.matrix_rank(nuisance)


def test_without_serial_correlation_the_path_is_the_event_studys():
    stack = stack_of()
    found = Contrasts.of_stack(stack, "y").statistics([0.0])[0]
    k = len(stack.event_times)
    path = np.linalg.solve(found.information[0, :k, :k], found.score[0, :k])
    np.testing.assert_allclose(path, stacked_event_study(stack, "y").regression.coefficients, atol=1e-10)


def test_shared_firms_share_their_errors():
    """A winner of two matches: by hand, and by simulation of the firms' errors."""
    contrasts = Contrasts.of_stack(stack_of(matches=3, winners=1, shared=[(1, 0, 1)]), "y")
    matrix = contrasts.covariance(0.6) * (1.0 - 0.36)
    one, other = (np.flatnonzero(contrasts.match == m) for m in (0, 1))
    assert matrix[one[0], one[0]] == pytest.approx(2.0)
    assert matrix[one[0], other[0]] == pytest.approx(1.0)  # the same winner in the same year
    assert matrix[one[0], other[2]] == pytest.approx(0.36)
    assert matrix[one[0], np.flatnonzero(contrasts.match == 2)[0]] == 0.0
    assert sorted(len(rows) for rows in contrasts.components()) == [7, 14]
    drawn = contrasts.simulate_errors(0.6, 20_000, np.random.default_rng(0))
    np.testing.assert_allclose(np.cov(drawn) * (1.0 - 0.36), matrix, atol=0.08)


def test_repeated_comparisons_are_left_out():
    """Firm 0 loses to 1 and 2; firm 1 loses to 2 in the same years: the third difference follows from the others."""
    pairs = pd.DataFrame(
        {"match": ["a", "a", "b", "c"], "loser": [0, 0, 1, 3], "winner": [1, 2, 2, 4], "year": [1975] * 4}
    )
    years = np.arange(1972, 1979)
    panel = pd.DataFrame({"firm": np.repeat(np.arange(5), 7), "year": np.tile(years, 5)})
    panel["y"] = np.random.default_rng(1).normal(size=35)
    stack = stack_matches(panel, pairs, adoption=pd.Series(1975.0, index=[2, 4]), window=WINDOW)
    contrasts = Contrasts.of_stack(stack, "y")
    assert contrasts.redundant == 7
    assert contrasts.matches == ("a", "c")
    for rows in contrasts.components():
        assert np.linalg.eigvalsh(contrasts.covariance(0.5, rows)).min() > 1e-8


def test_statistics_are_interpolated_to_seven_digits():
    """Between the Chebyshev points, up to the largest serial correlation, against the statistics computed there."""
    contrasts = Contrasts.of_stack(stack_of(shared=[(1, 0, 1)]), "y")
    found = contrasts.statistics()[0].coefficients()
    for rho in (0.0, 0.05, 0.33, 0.71, 0.93, RHO_MAX):
        exact = contrasts.statistics([rho])[0]
        weights = np.stack(chebyshev(2.0 * rho / RHO_MAX - 1.0, len(NODES)))
        for name, values in found.items():
            expected = getattr(exact, name)[0]
            error = np.abs(np.tensordot(weights, values, axes=1) - expected).max()
            assert error < 1e-7 * max(np.abs(expected).max(), 1.0), (rho, name, error)


def test_paths_are_tied_at_both_ends():
    times = (-5, -4, -3, -2, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9)
    level, lags, leads = path_matrices(times, 7)
    after = np.array(times) >= 0
    np.testing.assert_allclose(level[after], np.minimum((np.array(times)[after] + 1) / 8, 1.0))
    np.testing.assert_allclose(lags[times.index(7)], 0.0, atol=1e-12)
    # the bridge's variance is u(1 − u/8); beyond the horizon it is a random walk again
    variance = (lags**2).sum(axis=1)
    assert variance[times.index(3)] == pytest.approx(4 * (1 - 4 / 8))
    assert variance[times.index(9)] == pytest.approx(2.0)
    assert (leads @ leads.T)[0, 3] == pytest.approx(1.0)
    assert (leads**2).sum(axis=1)[:4] == pytest.approx([4.0, 3.0, 2.0, 1.0])


def random_point(model, rng, size=None):
    p = {prior.parameter: prior.draw(1, rng)[0] if size is None else prior.draw(size, rng) for prior in model.priors}
    for name, length in model.vectors.items():
        p |= {f"{name}[{i}]": rng.standard_normal(size) for i in range(length)}
    return p


def test_pymc_and_numpy_agree():
    model = model_of(stack_of(shared=[(1, 0, 1)]))
    built = model.build()
    value = built.compile_fn(built.potentials[0], inputs=built.free_RVs, point_fn=True)
    rng = np.random.default_rng(2)
    for _ in range(3):
        p = random_point(model, rng)
        point = {name: np.array([p[f"{name}[{i}]"] for i in range(size)]) for name, size in model.vectors.items()}
        point |= {variable.name: p[variable.name] for variable in built.free_RVs if variable.name in p}
        assert float(value(point)) == pytest.approx(float(model.log_likelihood(p)), rel=1e-9)


def test_likelihood_is_the_density_of_the_differences():
    """At one serial correlation: the normal density of differences from each pair's first year."""
    contrasts = Contrasts.of_stack(stack_of(matches=3, shared=[(1, 0, 1)]), "y")
    model = EventStudyModel(priors(), contrasts.statistics([0.5])[0], contrasts.event_times, contrasts.matches, 3)
    rng = np.random.default_rng(3)
    points = [random_point(model, rng) for _ in range(3)]
    _, pair = np.unique(np.column_stack([contrasts.match, contrasts.winner]), axis=0, return_inverse=True)
    first = np.array([np.flatnonzero(pair == one)[0] for one in range(pair.max() + 1)])
    rest = np.setdiff1d(np.arange(pair.size), first)
    take = np.eye(pair.size)[rest] - np.eye(pair.size)[first[pair[rest]]]
    gaps = []
    for p in points:
        mean = contrasts.effects @ np.concatenate([model.path(p), model.match_effects(p)])
        density = stats.multivariate_normal(
            take @ mean, p["error_sd"] ** 2 * take @ contrasts.covariance(0.5) @ take.T
        ).logpdf(take @ contrasts.values)
        gaps.append(float(model.log_likelihood(p)) - density)
    # a constant apart, from the choice of basis
    np.testing.assert_allclose(gaps, gaps[0], atol=1e-7)


def test_posterior_has_its_closed_form_at_given_scales():
    """With scales and ρ held, everything is normal: log η's posterior is that of a linear regression."""
    held = {"error_sd": 0.3, "heterogeneity": 0.2, "lag_scale": 0.1, "lead_scale": 0.05}
    fixed = {name: {"family": "fixed", "value": value} for name, value in held.items()}
    wide = {"family": "normal", "mean": 0.3, "sd": 0.05}
    model = model_of(stack_of(effect=1.0), nodes=(0.4,), log_eta=wide, **fixed)
    posterior = sample_model(model, SamplerSettings(draws=2000), seed=5, cores=2)
    arrays = model.arrays()
    matches = len(model.matches)
    # effects = design @ (log η, steps): prior precision 1/0.05² and ones
    design = np.zeros((arrays["score"].shape[1], 1 + sum(model.vectors.values())))
    k = len(model.event_times)
    lags, leads = model.vectors["lag_step"], model.vectors["lead_step"]
    design[:k, 0] = 4.0 * arrays["level"]
    design[:k, 1 : 1 + lags] = 0.1 * arrays["lags"]
    design[:k, 1 + lags : 1 + lags + leads] = 0.05 * arrays["leads"]
    design[k:, 1 + lags + leads :] = 0.2 * np.eye(matches)
    prior = np.eye(design.shape[1])
    prior[0, 0] = 1 / 0.05**2
    precision = design.T @ arrays["information"][0] @ design / 0.09 + prior
    right = design.T @ arrays["score"][0] / 0.09
    right[0] += 0.3 / 0.05**2
    mean, covariance = np.linalg.solve(precision, right), np.linalg.inv(precision)
    row = posterior.diagnostics.table["log_eta"]
    assert posterior.diagnostics.divergences == 0
    assert abs(posterior.draws["log_eta"].mean() - mean[0]) < 5 * row["mcse_mean"]
    assert abs(posterior.draws["log_eta"].std() - np.sqrt(covariance[0, 0])) < 5 * row["mcse_sd"]
    effects = model.match_effects(posterior.draws).reshape(-1, matches).mean(axis=0)
    np.testing.assert_allclose(effects, 0.2 * mean[1 + lags + leads :], atol=0.02)
    # the path at the horizon is e·log η, draw by draw
    path = model.path(posterior.draws)
    np.testing.assert_allclose(path[..., model.event_times.index(3)], 4.0 * posterior.draws["log_eta"], atol=1e-12)


def test_refusals():
    stack = stack_of()
    with pytest.raises(ColumnMissing, match="sales"):
        Contrasts.of_stack(stack, "sales")
    with pytest.raises(InvalidValue, match="horizon"):
        model_of(stack, horizon=9)
    with pytest.raises(InvalidValue, match="serial correlations"):
        model_of(stack, nodes=(1.0,))
    dates = np.repeat([3.0, 3.0, np.nan, np.nan], 4)
    panel = pd.DataFrame({"i": np.repeat([1, 2, 3, 4], 4), "t": [1, 2, 3, 4] * 4, "g": dates, "y": 0.0})
    cohorts = build_stack(panel, unit="i", time="t", adoption="g", window=(-2, 1), by="cohort")
    with pytest.raises(InvalidValue, match="one loser per match"):
        Contrasts.of_stack(cohorts, "y")
