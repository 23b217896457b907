"""A study is checked whole before any work; each mistake gets one message that names key, value and remedy."""

import pytest

from bigpush_est.errors import (
    AmbiguousSource,
    AssumptionViolated,
    BigPushError,
    EmptyFile,
    InputError,
    InvalidValue,
    MissingKey,
    UnknownFigure,
    UnknownKey,
    UnknownModel,
    UnreadableFile,
    WrongType,
)
from bigpush_est.study import load_study

BAD = [
    ("unknown key", ("seed = 19731979", "seed = 1\nsede = 2"), UnknownKey, ["sede", "2"]),
    ("unknown nested key", ("pin =", "pinn = 'x'\npin ="), UnknownKey, ["economy", "pinn", "kappa"]),
    ("missing key", ("standard_error = 0.24\n", ""), MissingKey, ["evidence.direct_effect", "standard_error"]),
    ("missing section", ("[priors]", "[priorz]"), UnknownKey, ["priorz"]),
    ("wrong type", ("seed = 19731979", "seed = 'x'"), WrongType, ["seed", "'x'", "integer"]),
    ("float for integer", ("chains = 4", "chains = 4.5"), WrongType, ["sampler.chains", "4.5"]),
    ("negative se", ("standard_error = 0.24", "standard_error = -0.24"), InvalidValue, ["standard_error", "-0.24"]),
    ("share above 1", ("subsidised_share = 0.0", "subsidised_share = 1.5"), InvalidValue, ["subsidised_share", "1.5"]),
    ("unknown model", ('model = "simple"', 'model = "spatial9"'), UnknownModel, ["spatial9", "simple"]),
    (
        "unknown exponent",
        ('exponent = "undistorted"', 'exponent = "sigma"'),
        InvalidValue,
        ["exponent", "sigma", "kept"],
    ),
    ("unknown figure", ('figure = "direct_effect_log_sales"', 'figure = "directt"'), UnknownFigure, ["directt"]),
    (
        "unknown family",
        ('delta = { family = "half_normal", scale = 1.0 }', 'delta = { family = "cauchy" }'),
        InvalidValue,
        ["delta", "cauchy"],
    ),
    (
        "missing number",
        ('delta = { family = "half_normal", scale = 1.0 }', 'delta = { family = "half_normal" }'),
        MissingKey,
        ["delta", "scale"],
    ),
    ("surplus number", ("scale = 1.0 }", "scale = 1.0, rate = 2.0 }"), UnknownKey, ["rate", "2.0"]),
    ("negative scale", ("scale = 1.0 }", "scale = -1.0 }"), InvalidValue, ["delta.scale", "-1"]),
    (
        "sigma at 2",
        ('sigma = { family = "fixed", value = 5.0 }', 'sigma = { family = "fixed", value = 2.0 }'),
        InvalidValue,
        ["sigma", "2"],
    ),
    ("tail ratio at 1", ("value = 1.06", "value = 1.0"), InvalidValue, ["pareto_ratio", "1"]),
    (
        "eta at 1",
        ('log_eta = { family = "half_normal", scale = 0.5 }', 'log_eta = { family = "fixed", value = 0.0 }'),
        InvalidValue,
        ["log_eta", "0"],
    ),
    ("unknown parameter", ("[priors]", "[priors]\ngamma = { family = 'fixed', value = 1.0 }"), UnknownKey, ["gamma"]),
    ("missing prior", ('sigma = { family = "fixed", value = 5.0 }', ""), MissingKey, ["sigma"]),
    ("column 9", ("columns = [3]", "columns = [9]"), InvalidValue, ["columns", "9"]),
    ("no column", ("columns = [3]", "columns = []"), InvalidValue, ["columns"]),
    ("two columns, single", ("columns = [3]", "columns = [3, 4]"), AmbiguousSource, ["columns", "average"]),
    ("a column twice", ("columns = [3] ", "columns = [3, 3] "), AmbiguousSource, ["columns"]),
    ("correlation of 1", ("main = 0.0", "main = 1.0"), InvalidValue, ["correlation.main", "1.0"]),
    ("kappa at 1", ("# kappa = 1.40", "kappa = 1.0"), InvalidValue, ["kappa", "1.0"]),
    ("bad name", ('name = "published"', 'name = "Published study"'), InvalidValue, ["name", "Published study"]),
    ("discount of 1", ("discount = 0.85", "discount = 1.0"), InvalidValue, ["discount"]),
]


@pytest.mark.parametrize(("change", "kind", "words"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
def test_bad_study_gets_one_clear_message(write_study, change, kind, words):
    path = write_study(change)
    with pytest.raises(kind) as caught:
        load_study(path)
    message = str(caught.value)
    assert caught.value.exit_code == 2
    assert "Remedy:" in message
    assert "\n" not in message
    for word in words:
        assert word in message


def test_unreadable_empty_and_broken_files(tmp_path):
    empty, broken, binary = (tmp_path / name for name in ("empty.toml", "broken.toml", "binary.toml"))
    empty.write_text("  \n")
    broken.write_text("name = \n")
    binary.write_bytes(b"\xff\xfe\x00\x80")
    with pytest.raises(EmptyFile, match="empty"):
        load_study(empty)
    with pytest.raises(UnreadableFile, match="line 1"):
        load_study(broken)
    with pytest.raises(UnreadableFile, match="UTF-8"):
        load_study(binary)
    with pytest.raises(UnreadableFile, match="folder"):
        load_study(tmp_path)
    with pytest.raises(UnreadableFile, match="published"):
        load_study(tmp_path / "nothing.toml")


def test_a_bad_variant_is_named(write_study):
    extra = '\n[[variants]]\ngroup = "G"\nlabel = "L"\nset = { "mapping.exponnent" = "kept" }\n'
    study = load_study(write_study(extra=extra))
    with pytest.raises(UnknownKey, match=r"variant 'G: L'.*exponnent"):
        study.variants()
    extra = '\n[[variants]]\ngroup = "G"\nlabel = "L"\nset = { "seed.x" = 1 }\n'
    with pytest.raises(InputError, match="seed"):
        load_study(write_study(extra=extra)).variants()


def test_errors_survive_a_process_boundary():
    import pickle

    error = InvalidValue(key="sigma", value=1, requirement="above 2", remedy="raise it")
    again = pickle.loads(pickle.dumps(error))
    assert str(again) == str(error)
    assert again.exit_code == 2
    assert issubclass(AssumptionViolated, BigPushError)


def test_shipped_study_reads_the_papers_figures():
    study = load_study("published")
    evidence = study.evidence()
    assert evidence.direct == (0.90, 0.24)
    assert evidence.spillover == (2.70, 0.73)
    # 35 of 86 regions carry the whole rise of the mean
    assert evidence.adopter_shares[0] == pytest.approx(0.07)
    assert 35 / 86 * evidence.adopter_shares[1] + 51 / 86 * 0.07 == pytest.approx(0.09)
    assert 35 / 86 * evidence.adopter_shares[2] + 51 / 86 * 0.07 == pytest.approx(0.15)
    assert evidence.tail_index == pytest.approx(4.24 / 2.5)
    labels = {source.label for source in study.sources()}
    assert {"published", "assumed", "derived"} >= labels
    assert all(source.place for source in study.sources())


def test_every_shipped_variant_is_valid_and_changes_something():
    study = load_study("published")
    seen = set()
    for group, label, variant in study.variants():
        assert variant.fingerprint() != study.fingerprint(), (group, label)
        assert variant.fingerprint() not in seen
        seen.add(variant.fingerprint())


def test_overrides_reach_the_study_and_its_fingerprint():
    study, other = load_study("published"), load_study("published", {"seed": 7, "sampler.draws": 500})
    assert other.spec.seed == 7
    assert other.settings().draws == 500
    assert other.fingerprint() != study.fingerprint()
    with pytest.raises(InvalidValue, match="draws"):
        load_study("published", {"sampler.draws": 5})
