"""What a set of estimates refuses, what survives its file, and whether its estimates agree."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from bigpush_est.bayes.complementarity import Complementarity
from bigpush_est.bayes.estimates import FLOOR, Estimate, FirstStage, repaired_covariance
from bigpush_est.bayes.evidence_set import EvidenceSet
from bigpush_est.bayes.models.normal import NormalModel
from bigpush_est.bayes.overidentification import overidentification
from bigpush_est.errors import (
    AmbiguousSource,
    InputError,
    InvalidValue,
    MissingKey,
    ShapeMismatch,
    UnderIdentified,
    UnreadableFile,
)
from bigpush_est.reduced_form.linear.joint import joint_covariance
from bigpush_est.reduced_form.linear.regression import iv, ols
from bigpush_est.study import load_study

THREE = (
    Estimate("winners", "direct", 0.90, "event study"),
    Estimate("A3", "spillover", 2.70),
    Estimate("B3", "complementarity", 0.85),
)
SLOPE: Any = Estimate("B3", "slope", 0.85)  # type: ignore[arg-type]
ERRORS = [0.24, 0.73, 0.41]
TABLE = Complementarity.tabulate(
    lambda log_eta, delta, subsidy: 1.2 * delta + 0.5 * log_eta - 0.3 * subsidy,
    log_eta=[0.0, 0.3, 1.0],
    delta=[0.0, 0.5, 2.0],
    subsidy=[0.0, 0.5],
    label="approximation",
    provenance="a plane",
)


def full_set():
    stage = FirstStage("A3", 0.27, 0.1, np.array([[0.005, 0.0004], [0.0004, 0.0005]]), np.full((2, 3), 1 / 3000))
    covariance = np.outer(ERRORS, ERRORS) * (0.7 * np.eye(3) + 0.3)
    return EvidenceSet(THREE, covariance, exponent="kept", subsidised_share=0.3, label="real", first_stage=stage)


def test_json_is_exact():
    evidence = replace(full_set(), covariance=full_set().covariance * (1.0 + 1e-16) / 3.0)
    again = EvidenceSet.from_json(evidence.to_json())
    np.testing.assert_array_equal(again.covariance, evidence.covariance)
    np.testing.assert_array_equal(again.first_stage.cross, evidence.first_stage.cross)
    assert again.estimates == evidence.estimates
    assert again.described() == evidence.described()
    # the spread of what it was repaired from is kept too
    matrix, lowest, repaired = repaired_covariance(np.array([[1.0, 1.2], [1.2, 1.0]]))
    lifted = EvidenceSet(THREE[:2], matrix, minimum_eigenvalue=lowest, repaired=repaired)
    assert EvidenceSet.from_json(lifted.to_json()).minimum_eigenvalue == lowest


@pytest.mark.parametrize("text", ["{", "{}", '{"format": "another"}', "[1]"])
def test_other_json_is_refused(text):
    with pytest.raises(UnreadableFile, match="to_json"):
        EvidenceSet.from_json(text)


@pytest.mark.parametrize(
    ("changes", "kind", "match"),
    [
        ({"covariance": np.eye(2)}, ShapeMismatch, "covariance"),
        ({"covariance": np.diag([1.0, 0.0, 1.0])}, InvalidValue, "variances above 0"),
        ({"covariance": np.ones((3, 3))}, InvalidValue, "positive definite"),
        ({"covariance": np.eye(3) + np.triu(np.full((3, 3), 0.1), 1)}, InvalidValue, "symmetric"),
        ({"exponent": "cubed"}, InvalidValue, "exponent"),
        ({"label": "guessed"}, InvalidValue, "label"),
        ({"subsidised_share": 1.2}, InvalidValue, "subsidised_share"),
        ({"tail_index": 0.0}, InvalidValue, "tail_index"),
        ({"estimates": (*THREE[:2], replace(THREE[2], name="A3"))}, InvalidValue, "differ"),
        ({"estimates": (*THREE[:2], replace(THREE[2], value=np.nan))}, InvalidValue, "finite"),
        ({"estimates": (*THREE[:2], SLOPE)}, InvalidValue, "kind of B3"),
        ({"first_stage": replace(full_set().first_stage, spillover="winners")}, InvalidValue, "first_stage"),
        ({"first_stage": replace(full_set().first_stage, cross=np.zeros((2, 2)))}, ShapeMismatch, "first_stage"),
        ({"first_stage": replace(full_set().first_stage, cross=np.full((2, 3), 0.02))}, InvalidValue, "first stage"),
    ],
)
def test_bad_sets_are_refused(changes, kind, match):
    with pytest.raises(kind, match=match):
        replace(full_set(), **changes)


def test_an_exposed_estimate_is_the_one_less_what_spills_over():
    """Mean e·log η + d·e·δ at covariance V: the density of b − d·b_spillover at A V A′, |A| = 1."""
    d, covariance = -0.05, np.array([[0.05, 0.03], [0.03, 0.5]])
    exposed = EvidenceSet((replace(THREE[0], exposure=d), THREE[1]), covariance, subsidised_share=0.3)
    change = np.array([[1.0, -d], [0.0, 1.0]])
    less = replace(THREE[0], value=0.90 - d * 2.70)
    plain = EvidenceSet((less, THREE[1]), change @ covariance @ change.T, subsidised_share=0.3)
    rng = np.random.default_rng(1)
    p = {"log_eta": rng.gamma(4, 0.06, 9), "delta": rng.gamma(4, 0.2, 9), "subsidy": rng.beta(2, 20, 9)}
    p |= {"sigma": np.full(9, 5.0), "pareto_ratio": np.full(9, 1.06)}
    priors = load_study("published").inputs().priors
    values = [NormalModel(priors, one).log_likelihood(p) for one in (exposed, plain)]
    np.testing.assert_allclose(values[0], values[1], rtol=1e-12)
    assert np.ptp(values[0] - NormalModel(priors, replace(exposed, estimates=THREE[:2])).log_likelihood(p)) > 0.01
    assert EvidenceSet.from_json(exposed.to_json()).estimates == exposed.estimates


def test_only_direct_estimates_are_exposed():
    with pytest.raises(InvalidValue, match="exposure of A3"):
        EvidenceSet((replace(THREE[1], exposure=-0.1),), np.array([[0.5]]))


def test_repair_only_adds_variance():
    matrix = np.array([[1.0, 1.2, 0.0], [1.2, 1.0, 0.0], [0.0, 0.0, 2.0]])
    lifted, lowest, repaired = repaired_covariance(matrix)
    assert repaired
    assert lowest == pytest.approx(-0.2)
    assert np.linalg.eigvalsh(lifted - matrix).min() > -1e-12
    assert np.linalg.eigvalsh(lifted / np.sqrt(np.outer(np.diag(matrix), np.diag(matrix)))).min() == pytest.approx(
        FLOOR
    )
    same, _, untouched = repaired_covariance(np.eye(3))
    assert not untouched
    np.testing.assert_array_equal(same, np.eye(3))


def test_worst_correlation_bounds_every_correlation():
    evidence = EvidenceSet.of(THREE, standard_errors=ERRORS)
    weights = np.array([1.0, -0.5, 0.3])
    bound = evidence.worst_case_standard_error(weights)
    for value in np.linspace(-0.49, 0.99, 30):
        covariance = evidence.with_correlation(value).covariance
        assert np.sqrt(weights @ covariance @ weights) <= bound + 1e-12
    signs = np.sign(weights)
    extreme = np.outer(signs * ERRORS, signs * ERRORS)
    assert np.sqrt(weights @ extreme @ weights) == pytest.approx(bound)
    with pytest.raises(InvalidValue, match=r"between -0\.5 and 1"):
        evidence.with_correlation(-0.6)
    with pytest.raises(InvalidValue, match="known from the data"):
        full_set().with_correlation(0.5)


def test_published_figures():
    evidence = EvidenceSet.from_published(
        direct_standard_error=0.24,
        direct_source="assumed",
        spillover_columns=range(2, 9),
        combine="average",
        complementarity_columns=(3,),
        correlation=0.2,
        exponent="kept",
    )
    assert evidence.values == pytest.approx([0.90, 2.783, 0.85], abs=1e-3)
    assert evidence.standard_errors[2] == pytest.approx(0.41)
    assert evidence.covariance[0, 2] == pytest.approx(0.2 * 0.24 * 0.41)
    assert "worst-case" in evidence.estimates[1].provenance
    assert 4.0 * evidence.exponent_weights[1] * 1.06 == pytest.approx(2.5)
    assert {source.label for source in evidence.sources} == {"published", "assumed", "derived"}


def world(first_stage=1.0, seed=5, size=400):
    rng = np.random.default_rng(seed)
    z, v = rng.normal(size=size), rng.normal(size=size)
    x = first_stage * z + v
    y = 2.0 * x + 0.8 * v + rng.normal(size=size)
    return pd.DataFrame({"y": y, "x": x, "z": z, "group": rng.integers(0, 60, size)})


def test_estimates_with_influence_functions():
    """The ratio's delta-method variance is that of its two effects, so both ways in agree."""
    data = world()
    pieces = [
        iv(data, "y ~ 1 | x ~ z", cluster="group"),
        ols(data, "y ~ z", cluster="group"),
        ols(data, "x ~ z", cluster="group"),
    ]
    joint = joint_covariance(pieces, titles=["iv", "rf", "fs"])
    evidence = EvidenceSet.from_estimates(
        joint, kinds={"iv: x": "spillover"}, reduced_form="rf: z", first_stage="fs: z", label="synthetic"
    )
    stage = evidence.first_stage
    ratio = stage.reduced_form / stage.first_stage
    assert ratio == pytest.approx(evidence.values[0])
    gradient = np.array([1.0, -ratio]) / stage.first_stage
    assert gradient @ stage.covariance @ gradient == pytest.approx(evidence.covariance[0, 0], rel=1e-2)
    assert stage.f_statistic > 100
    assert evidence.correlation == "known"
    assert not evidence.repaired
    with pytest.raises(InvalidValue, match="estimate = 'nobody'"):
        EvidenceSet.from_estimates(joint, kinds={"nobody": "direct"})
    with pytest.raises(InvalidValue, match="kinds"):
        EvidenceSet.from_estimates(joint)


def write(folder, estimates, covariance=None):
    (folder / "estimates.csv").write_text(estimates, encoding="utf-8")
    if covariance is not None:
        (folder / "covariance.csv").write_text(covariance, encoding="utf-8")
    return folder / "estimates.csv"


HEADER = "name,kind,value,standard_error,exponent,provenance\n"
ROWS = "a,direct,0.9,0.24,kept,my panel\nb,spillover,2.7,,kept,\nr,reduced_form,0.27,,,\nf,first_stage,0.1,0.02,,\n"
COVARIANCE = (
    "name,a,b,r,f\na,0.0576,0.01,0.001,0.0001\nb,0.01,0.5,0.05,-0.001\nr,0.001,0.05,0.005,0.0001\n"
    "f,0.0001,-0.001,0.0001,0.0004\n"
)


def test_csv_with_covariance(tmp_path):
    evidence = EvidenceSet.from_csv(write(tmp_path, HEADER + ROWS, COVARIANCE), subsidised_share=0.2)
    assert evidence.exponent == "kept"
    assert evidence.subsidised_share == 0.2
    assert evidence.correlation == "known"
    np.testing.assert_array_equal(evidence.covariance, [[0.0576, 0.01], [0.01, 0.5]])
    np.testing.assert_array_equal(evidence.first_stage.cross, [[0.001, 0.05], [0.0001, -0.001]])
    np.testing.assert_array_equal(evidence.first_stage.covariance, [[0.005, 0.0001], [0.0001, 0.0004]])
    assert [source.place for source in evidence.sources][:2] == ["my panel", "estimates.csv"]
    assert EvidenceSet.from_csv(tmp_path).described() == EvidenceSet.from_csv(tmp_path / "estimates.csv").described()


def test_csv_without_covariance(tmp_path):
    file = write(tmp_path, "name,kind,value,standard_error\na,direct,0.9,0.24\nb,spillover,2.7,0.73\n")
    evidence = EvidenceSet.from_csv(file, correlation=0.5)
    assert evidence.correlation == "assumed"
    assert evidence.covariance[0, 1] == pytest.approx(0.5 * 0.24 * 0.73)
    assert evidence.label == "user"


@pytest.mark.parametrize(
    ("estimates", "covariance", "kind", "match"),
    [
        ("name,kind\na,direct\n", None, MissingKey, "value"),
        (HEADER + "a,direct,0.9,,,\n", None, InvalidValue, "row 2, standard_error"),
        (HEADER + "a,direct,0.9,-1,,\n", None, InvalidValue, "above 0"),
        (HEADER + "a,direct,0.9,0.2,,\na,spillover,2,0.2,,\n", None, InvalidValue, "row 3, name"),
        (HEADER + "a,both,0.9,0.2,,\n", None, InvalidValue, "kind"),
        (HEADER + "a,direct,nine,0.2,,\n", None, InvalidValue, "a number"),
        (HEADER + "a,direct,0.9,0.2,squared,\n", None, InvalidValue, "exponent"),
        (HEADER + "a,direct,0.9,0.2,kept,\nb,spillover,2,0.2,undistorted,\n", None, InvalidValue, "row 3, exponent"),
        (HEADER + ROWS, None, MissingKey, "covariance.csv"),
        (HEADER + ROWS.replace("spillover", "direct"), COVARIANCE, InvalidValue, "0 spillover"),
        (HEADER + ROWS.replace("0.24", "0.30"), COVARIANCE, AmbiguousSource, "covariance.csv implies 0.24"),
        (HEADER + ROWS, COVARIANCE.replace("f,0.0001,-0.001", "r,0.0001,-0.001"), InvalidValue, "row 5, name"),
        (HEADER + ROWS, COVARIANCE.rsplit("f,", 1)[0], MissingKey, "'f'"),
        (HEADER + ROWS, COVARIANCE.replace("b,0.01,0.5", "b,0.02,0.5"), InvalidValue, "symmetric"),
        (HEADER + ROWS, COVARIANCE.replace("0.0004", "0.00000001"), AmbiguousSource, "covariance.csv implies 0.0001"),
        (HEADER + "r,reduced_form,0.2,0.1,,\n", None, MissingKey, "an estimate"),
    ],
)
def test_csv_refusals_name_the_place(tmp_path, estimates, covariance, kind, match):
    with pytest.raises(kind, match=match) as caught:
        EvidenceSet.from_csv(write(tmp_path, estimates, covariance))
    assert isinstance(caught.value, InputError)


def test_leaving_estimates_out():
    evidence = full_set()
    rest = evidence.without("complementarity")
    assert [one.name for one in rest.estimates] == ["winners", "A3"]
    assert rest.first_stage.cross.shape == (2, 2)
    assert evidence.without("A3").first_stage is None
    with pytest.raises(InvalidValue, match="nobody"):
        evidence.without("nobody")
    with pytest.raises(InvalidValue, match="not all of them"):
        evidence.without("direct", "A3", "B3")


def test_table_of_slopes_interpolates_exactly_what_is_multilinear():
    rng = np.random.default_rng(1)
    points = rng.random((3, 50)) * np.array([[1.0], [2.0], [0.5]])
    expected = 1.2 * points[1] + 0.5 * points[0] - 0.3 * points[2]
    np.testing.assert_allclose(TABLE(*points), expected, atol=1e-14)
    # edges are kept outside, and say so
    assert TABLE(0.2, 5.0, 0.1) == pytest.approx(TABLE(0.2, 2.0, 0.1))
    assert TABLE.outside(np.array([0.2, 0.2]), np.array([1.0, 2.1]), np.array([0.1, 0.1])).tolist() == [False, True]


@pytest.mark.parametrize(
    "changes",
    [
        {"delta": np.array([0.0, 0.0, 2.0])},
        {"values": np.zeros((3, 3))},
        {"values": np.full((3, 3, 2), np.nan)},
        {"label": "guess"},
        {"standard_error": -1.0},
    ],
)
def test_bad_tables_of_slopes_are_refused(changes):
    with pytest.raises(InputError, match="complementarity"):
        replace(TABLE, **changes)


def test_overidentification_is_the_difference_of_two_estimates():
    two = EvidenceSet.of(
        [Estimate("one", "spillover", 2.0), Estimate("two", "spillover", 3.1)],
        standard_errors=[0.6, 0.8],
        correlation=0.4,
    )
    found = overidentification(two)
    expected = 1.1**2 / (0.36 + 0.64 - 2 * 0.4 * 0.48)
    assert found.statistic == pytest.approx(expected)
    assert found.p_value == pytest.approx(stats.chi2(1).sf(expected))
    with pytest.raises(UnderIdentified, match="nothing is left"):
        overidentification(two.without("two"))


def test_complementarity_overidentifies():
    """A linear table: J is the generalised-least-squares residual, worked out by hand."""
    evidence = EvidenceSet.of(THREE, standard_errors=ERRORS, correlation=0.25)
    found = overidentification(evidence, complementarity=TABLE)
    design = np.array([[4.0, 0.0], [0.0, 4.0], [0.5, 1.2]])
    precision = np.linalg.inv(evidence.covariance)
    best = np.linalg.solve(design.T @ precision @ design, design.T @ precision @ evidence.values)
    residual = evidence.values - design @ best
    assert found.statistic == pytest.approx(residual @ precision @ residual)
    assert [found.log_eta, found.delta] == pytest.approx(best)
    assert found.degrees_of_freedom == 1
    assert found.label == "approximation"
    with pytest.raises(InvalidValue, match="no table"):
        overidentification(evidence)


def test_j_has_its_distribution():
    """Over simulated sets at one truth, the statistic's mean and tail are χ²(1)'s."""
    rng = np.random.default_rng(3)
    base = EvidenceSet.of(THREE, standard_errors=ERRORS, correlation=0.25)
    mean = np.array([0.9, 2.4, 1.2 * 0.6 + 0.5 * 0.225])
    draws = rng.multivariate_normal(mean, base.covariance, size=400)
    found = []
    for draw in draws:
        moved = tuple(replace(one, value=float(value)) for one, value in zip(THREE, draw, strict=True))
        found.append(overidentification(replace(base, estimates=moved), complementarity=TABLE).statistic)
    assert stats.kstest(found, stats.chi2(1).cdf).pvalue > 1e-3


def test_evidence_is_plain_json():
    assert json.loads(full_set().to_json())["label"] == "real"
