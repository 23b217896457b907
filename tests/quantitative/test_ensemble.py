"""The file of other synthetic economies: what it takes, and what a report is told of it."""

import csv

import pytest

from bigpush_est.data.locate import data_folder
from bigpush_est.errors import InputError
from bigpush_est.quantitative.ensemble import ENSEMBLE_COLUMNS, ensemble_results, load_ensemble

HELD = {
    "seed": 3,
    "hubs": "ulsan pohang",
    "eta": 1.25,
    "delta": 0.675,
    "criterion": 0.1,
    "subsidy_rate": 0.05,
    "kappa": 1.5,
    "gdp_share_push": 0.14,
    "fate_push": "steady state",
    "fate_none": "steady state",
    "effect_baseline": 0.04,
}


def written(path, *rows):
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, ENSEMBLE_COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    return path


def test_quantiles_are_of_those_that_hold_the_moments_and_settle(tmp_path):
    path = written(
        tmp_path / "some.csv",
        HELD,
        HELD | {"seed": 4, "effect_baseline": 0.0},
        HELD | {"seed": 5, "effect_baseline": -0.02},
        HELD | {"seed": 6, "effect_baseline": 0.5, "fate_none": "not converged"},
        {"seed": 7, "eta": 1.25, "delta": 0.675, "criterion": 0.9, "subsidy_rate": 0.0},
        {"seed": 8, "eta": 1.25, "delta": 0.675, "failed": "it could not be inverted"},
    )
    found = ensemble_results(load_ensemble(path), 1.25, 0.675)
    assert (found["drawn"], found["held"], found["unsettled"]) == (6, 4, 1)
    assert (found["positive"], found["negative"], found["same"]) == (1, 1, True)
    assert found["quantiles"]["gdp_share"]["0.5"] == 0.0
    assert [row["seed"] for row in found["economies"]] == [3, 4, 5]
    assert found["economies"][0]["gdp_share_none"] == pytest.approx(0.10)
    assert not ensemble_results(load_ensemble(path), 1.4, 0.675)["same"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"gdp_share_push": 14}, "row 2, gdp_share_push = 14"),
        ({"eta": ""}, "row 2, eta"),
        ({"effect_baseline": "much"}, "row 2, effect_baseline = much"),
    ],
)
def test_a_bad_cell_is_named(tmp_path, change, words):
    with pytest.raises(InputError, match=words):
        load_ensemble(written(tmp_path / "some.csv", HELD | change))


def test_the_shipped_ensemble_is_of_the_shipped_mapping():
    found = ensemble_results(load_ensemble(data_folder("korea") / "ensemble.csv"), 1.2523227, 0.675)
    assert found["same"]
    assert 5 < found["held"] < found["drawn"]
