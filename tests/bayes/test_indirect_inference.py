"""The surface of Panel B's slope: against known surfaces, its own error, and what ships."""

import itertools
import json

import numpy as np
import pandas as pd
import pytest

from bigpush_est.bayes.complementarity import AXES
from bigpush_est.bayes.indirect_inference import (
    COLUMNS,
    SlopeSurface,
    design_fingerprint,
    panel_b_table,
    read_slopes,
    slope_surface,
)
from bigpush_est.data.locate import data_folder
from bigpush_est.errors import InvalidValue, UnderIdentified, UnreadableFile

POINTS = np.array(list(itertools.product((0.1, 0.45), (0.0, 0.75, 1.5), (0.0, 0.15))))


def truth(x, y, z):
    return 0.05 + 0.1 * x + 0.2 * y - 0.3 * z + 0.04 * y**2 - 0.1 * x * y + 0.5 * x * z + 0.2 * y * z


def drawn(rng, seeds=40, common=0.2, own=0.1, bend=0.0):
    """Slopes with an error that all points of a seed share, one of each, and a term that the surface lacks."""
    mean = truth(*POINTS.T) + bend * POINTS[:, 0] * POINTS[:, 1] ** 2
    return mean + common * rng.standard_normal((seeds, 1)) + own * rng.standard_normal((seeds, len(POINTS)))


def test_a_surface_without_error_is_found_exactly():
    slopes = np.tile(truth(*POINTS.T), (20, 1))
    found = SlopeSurface.fit(POINTS, slopes + 1e-9 * np.random.default_rng(1).standard_normal(slopes.shape))
    at = (0.2, 0.33, 0.07)
    assert float(found(*at)) == pytest.approx(truth(*at), abs=1e-8)
    assert float(found.standard_error(*at)) < 1e-8


def test_the_stated_error_is_the_spread_of_surfaces_with_errors_that_seeds_have_in_common():
    rng = np.random.default_rng(2)
    fits = [SlopeSurface.fit(POINTS, drawn(rng)) for _ in range(400)]
    at = (0.225, 0.68, 0.06)
    values = np.array([float(one(*at)) for one in fits])
    stated = np.array([float(one.standard_error(*at)) for one in fits])
    assert values.mean() == pytest.approx(truth(*at), abs=4 * values.std() / 20)
    assert np.sqrt((stated**2).mean()) == pytest.approx(values.std(), rel=0.12)  # 3 errors of a spread from 400
    assert values.std() > 0.2 / np.sqrt(40)  # the common part does not average out over points


def test_lack_of_fit_rejects_as_often_as_it_says_and_finds_what_the_surface_lacks():
    rng = np.random.default_rng(3)
    right = np.array([SlopeSurface.fit(POINTS, drawn(rng)).lack_of_fit for _ in range(400)])
    assert abs((right < 0.1).mean() - 0.1) < 3 * np.sqrt(0.1 * 0.9 / 400)
    bent = np.array([SlopeSurface.fit(POINTS, drawn(rng, bend=0.6)).lack_of_fit for _ in range(20)])
    assert (bent < 0.05).mean() > 0.8


def test_seeds_that_lack_a_point_are_left_out_and_counted():
    rng = np.random.default_rng(4)
    slopes = drawn(rng)
    broken = slopes.copy()
    broken[3, 5] = np.nan
    found = SlopeSurface.fit(POINTS, broken)
    assert (found.replications, found.left_out) == (39, 1)
    np.testing.assert_allclose(found.coefficients, SlopeSurface.fit(POINTS, np.delete(slopes, 3, 0)).coefficients)


def test_too_little_is_refused():
    slopes = drawn(np.random.default_rng(5))
    with pytest.raises(UnderIdentified, match="complete seeds"):
        SlopeSurface.fit(POINTS, slopes[:8])
    with pytest.raises(UnderIdentified, match="points"):
        SlopeSurface.fit(POINTS[POINTS[:, 1] < 1.0], slopes[:, POINTS[:, 1] < 1.0])


def test_the_table_is_the_surface_but_for_its_steps_in_delta():
    found = SlopeSurface.fit(POINTS, drawn(np.random.default_rng(6)))
    table = found.table("made up")
    at = np.random.default_rng(7).uniform(found.low, found.high, (500, 3)).T
    bend = abs(found.coefficients[4]) * (0.25 / 2) ** 2  # of a chord over a quarter
    assert np.abs(table(*at) - found(*at)).max() <= bend * (1 + 1e-9)
    ends = np.array(list(itertools.product(*zip(found.low, found.high, strict=True)))).T
    np.testing.assert_allclose(table(*ends), found(*ends), atol=1e-12)
    assert table.standard_error >= found.standard_error(*at).max()


def test_what_ships_is_a_full_grid_of_the_design_that_it_names():
    folder = data_folder("complementarity")
    origin = json.loads((folder / "provenance.json").read_text(encoding="utf-8"))
    slopes = read_slopes(folder / "panel_b.csv")
    # panels of another design would have other slopes: rebuild with tools/build_complementarity.py --anew
    assert origin["design_fingerprint"] == design_fingerprint(origin["scale"])
    first, last = origin["seeds"]
    expected = itertools.product(range(first, last + 1), origin["log_eta"], origin["delta"], origin["subsidy"])
    assert sorted(map(tuple, slopes[["seed", *AXES]].to_numpy())) == sorted(expected)


@pytest.mark.parametrize("columns", [(2,), (3,), (8,), (3, 4, 5)])
def test_the_shipped_surface_fits_its_points(columns):
    slopes = read_slopes(data_folder("complementarity") / "panel_b.csv")
    found = slope_surface(slopes, columns)
    assert found.lack_of_fit > 0.01
    table = panel_b_table(columns)
    assert table.label == "indirect inference"
    assert table.provenance.startswith("synthetic")
    # the mean over all points needs no surface
    mean = slopes[[f"column_{number}" for number in columns]].to_numpy().mean()
    points = slopes[list(AXES)].drop_duplicates().to_numpy().T
    assert found(*points).mean() == pytest.approx(mean, abs=1e-9)
    # without spillovers there is no complementarity; with them there is more, by at least one error of the difference
    none, much = (found.terms(0.225, delta, 0.06) for delta in (0.0, 1.5))
    assert abs(none @ found.coefficients) < 3 * np.sqrt(none @ found.covariance @ none)
    more = much - none
    assert more @ found.coefficients > np.sqrt(more @ found.covariance @ more)


def test_bad_requests_and_files_are_refused(tmp_path):
    with pytest.raises(InvalidValue, match="choose from 2, 3"):
        panel_b_table((1,))
    with pytest.raises(UnreadableFile):
        read_slopes(tmp_path / "none.csv")
    file = tmp_path / "other.csv"
    pd.DataFrame({"seed": [1]}).to_csv(file, index=False)
    with pytest.raises(UnreadableFile, match="columns"):
        read_slopes(file)
    assert COLUMNS == (2, 3, 4, 5, 6, 7, 8)
