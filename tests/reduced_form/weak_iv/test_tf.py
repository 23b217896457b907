"""The tF critical values against the published table and against the size that they promise."""

import numpy as np
import pytest
from scipy import stats

from bigpush_est.errors import InvalidValue
from bigpush_est.reduced_form.weak_iv.tf import tf_critical_value, tf_interval
from bigpush_est.stages import weak_instrument_rows
from bigpush_est.study import load_study

#: Lee, McCrary, Moreira and Porter (2022), 5% level, by the square root of F; printed to two decimals, rounded up.
PUBLISHED = {
    2.0: 18.66,
    2.1: 9.74,
    2.5: 4.92,
    3.0: 3.65,
    4.0: 2.80,
    5.0: 2.46,
    6.0: 2.27,
    7.0: 2.16,
    8.0: 2.08,
    9.0: 2.02,
}


@pytest.mark.parametrize(("root", "critical"), PUBLISHED.items())
def test_published_critical_values(root, critical):
    found = tf_critical_value(root**2)
    assert critical - 0.015 < found <= critical + 0.001


def test_ends_of_the_curve():
    assert tf_critical_value(10.0) == pytest.approx(3.43, abs=0.005)
    assert tf_critical_value(104.67) == pytest.approx(1.96, abs=1e-3)
    assert tf_critical_value(1e6) == pytest.approx(stats.norm.ppf(0.975), abs=1e-4)
    assert tf_critical_value(3.8) == np.inf
    values = [tf_critical_value(f) for f in np.linspace(4.0, 120.0, 300)]
    assert (np.diff(values) <= 1e-12).all()


@pytest.mark.parametrize("level", [0.95, 0.9])
@pytest.mark.parametrize("mean", [0.2, 1.0, 2.5, 4.0, 6.0, 9.0, 12.0])
def test_size_at_the_worst_endogeneity(level, mean):
    """With |ρ| = 1 the t-ratio is f(f − f₀)/f₀: the test rejects at most as often as it says."""
    f = np.linspace(mean - 9.0, mean + 9.0, 40_001)
    critical = np.array([tf_critical_value(value, level) for value in f[::20] ** 2])
    rejects = np.abs(f[::20] * (f[::20] - mean) / mean) > critical
    size = np.sum(rejects * stats.norm.pdf(f[::20] - mean)) * (f[20] - f[0])
    assert size < 1.0 - level + 0.003


def test_interval_is_symmetric_and_never_shorter_than_the_usual_one():
    interval = tf_interval(2.70, 0.73, 21.56)
    assert interval.high - 2.70 == pytest.approx(2.70 - interval.low)
    assert interval.adjusted_standard_error > 0.73
    assert interval.critical_value == pytest.approx(tf_critical_value(21.56))
    assert tf_interval(1.0, 0.5, 2.0).low == -np.inf


@pytest.mark.parametrize("bad", [(1.0, -0.5, 20.0), (1.0, 0.0, 20.0), (1.0, 0.5, -1.0), (1.0, 0.5, np.nan)])
def test_bad_input_is_refused(bad):
    with pytest.raises(InvalidValue, match="Remedy"):
        tf_interval(*bad)
    with pytest.raises(InvalidValue, match="level"):
        tf_interval(1.0, 0.5, 20.0, level=95)


def test_rows_of_the_report():
    rows = weak_instrument_rows(load_study("published"))
    assert [row["column"] for row in rows] == list(range(2, 9))
    assert [row["column"] for row in rows if row["used"]] == [3]
    third = rows[1]
    assert third["delta"] == pytest.approx(2.70 / 4.0)
    assert third["delta_tf"] == [pytest.approx(end / 4.0) for end in third["tf"]]
    kept = weak_instrument_rows(load_study("published", {"mapping.exponent": "kept"}))
    assert kept[1]["delta"] == pytest.approx(2.70 / 2.5)
