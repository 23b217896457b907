"""Adopter shares against a double loop, and the definitions at their edges."""

import numpy as np
import pandas as pd
import polars as pl
import pytest

from bigpush_est.errors import InvalidValue, MissingKey, WrongType
from bigpush_est.reduced_form.spillovers.adopter_shares import (
    adopter_shares,
    adoption_status,
    long_differences,
    never_adopters,
)


def random_panel(seed=0, firms=120, years=range(1970, 1981)):
    """Firms that are not observed in every year, some alone in their cell, adopters at random dates."""
    rng = np.random.default_rng(seed)
    base = pd.DataFrame(
        {
            "firm": np.arange(firms),
            "region": rng.integers(0, 12, firms),
            "sector": rng.integers(0, 4, firms),
            "date": rng.integers(1970, 1990, firms),
        }
    )
    panel = base.merge(pd.DataFrame({"year": list(years)}), how="cross")
    panel["adopter"] = (panel["year"] >= panel["date"]).astype(int)
    return panel[rng.random(len(panel)) < 0.7].reset_index(drop=True)


def share_by_loop(panel, firm, region, sector, year):
    adopters = firms = 0
    for row in panel.itertuples():
        if row.region == region and row.sector == sector and row.year == year and row.firm != firm:
            firms += 1
            adopters += row.adopter
    return adopters, firms


@pytest.mark.parametrize("lag", [0, 2])
def test_share_equals_a_double_loop(lag):
    panel = random_panel(firms=60)
    shares = adopter_shares(panel, lag=lag)
    expected = [share_by_loop(panel, r.firm, r.region, r.sector, r.year - lag) for r in panel.itertuples()]
    assert shares.adopters.tolist() == [pair[0] for pair in expected]
    assert shares.firms.tolist() == [pair[1] for pair in expected]
    ratio = np.array([a / n if n else np.nan for a, n in expected])
    np.testing.assert_array_equal(shares.share, ratio)
    empty = np.array([n == 0 for _, n in expected])
    assert shares.alone + shares.unobserved == empty.sum() > 0
    cells = {(r.region, r.sector, r.year - lag) for r, nobody in zip(panel.itertuples(), empty, strict=True) if nobody}
    assert shares.empty_cells == len(cells)


def test_a_firm_not_observed_at_the_lag_leaves_nothing_out():
    panel = pd.DataFrame(
        {"firm": [1, 2, 3], "year": [1979, 1977, 1977], "region": "a", "sector": "x", "adopter": [1, 1, 0]}
    )
    asked = panel.iloc[[0]]
    shares = adopter_shares(panel, lag=2, at=asked)
    assert (shares.adopters[0], shares.firms[0], shares.share[0]) == (1, 2, 0.5)


def test_alone_and_unobserved_are_told_apart():
    panel = pd.DataFrame({"firm": [1, 2, 3], "year": 1977, "region": ["a", "b", "b"], "sector": 1, "adopter": 1})
    shares = adopter_shares(panel)
    assert (shares.alone, shares.unobserved, shares.empty_cells) == (1, 0, 1)
    earlier = adopter_shares(panel, lag=1)
    assert (earlier.alone, earlier.unobserved, earlier.empty_cells) == (0, 3, 2)
    assert "1 firms alone" in shares.summary()


def test_any_cell_and_any_frame_library():
    panel = random_panel(3)
    by_region = adopter_shares(panel, cell=["region"])
    same = adopter_shares(pl.from_pandas(panel), cell=["region"])
    np.testing.assert_array_equal(by_region.share, same.share)
    assert by_region.firms.sum() > adopter_shares(panel).firms.sum()


def test_status_by_definition_against_a_loop():
    rng = np.random.default_rng(1)
    contracts = pd.DataFrame({"firm": rng.integers(0, 20, 60), "year": rng.integers(1965, 1982, 60)})
    at = pd.DataFrame({"firm": np.repeat(np.arange(25), 13), "year": np.tile(np.arange(1970, 1983), 25)})
    signed = {firm: set(rows["year"]) for firm, rows in contracts.groupby("firm")}

    def loop(window):
        return [any(0 <= r.year - s < window for s in signed.get(r.firm, ())) for r in at.itertuples()]

    assert adoption_status(at, contracts).tolist() == loop(np.inf)
    assert adoption_status(at, contracts, definition="new").tolist() == loop(1)
    assert adoption_status(at, contracts, definition="active", duration=4).tolist() == loop(4)


def test_never_adopters_are_counted_within_the_period():
    contracts = pd.DataFrame({"firm": [1, 2, 3], "year": [1969, 1970, 1983]})
    assert never_adopters(pd.Series([1, 2, 3, 4]), contracts).tolist() == [True, False, True, True]


def test_long_differences_keep_those_at_both_ends():
    panel = random_panel(5).assign(y=lambda frame: frame["firm"] * 10.0 + frame["year"] ** 1.5)
    panel.loc[panel["firm"] == 7, "y"] = np.nan
    found = long_differences(panel, "y", [(1972, 1979), (1973, 1980)])
    value = panel.set_index(["firm", "year"])["y"]
    for start, end in ((1972, 1979), (1973, 1980)):
        name = f"{start}-{end}"
        at = {year: set(panel.loc[(panel["year"] == year) & panel["y"].notna(), "firm"]) for year in (start, end)}
        rows = found.frame[found.frame["span"] == name]
        assert set(rows["firm"]) == at[start] & at[end]
        assert found.entered[name] == len(at[end] - at[start])
        assert found.left[name] == len(at[start] - at[end])
        change = [value[firm, end] - value[firm, start] for firm in rows["firm"]]
        np.testing.assert_allclose(rows["change"], change)
        np.testing.assert_allclose(rows["initial"], [value[firm, start] for firm in rows["firm"]])


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda f: f.drop(columns="sector"), MissingKey, "sector"),
        (lambda f: f.assign(region=f["region"].astype(float).where(f.index != 4)), InvalidValue, "missing in 1 rows"),
        (lambda f: f.assign(adopter=f["adopter"] + (f.index == 2) * 2), InvalidValue, "0 or 1"),
        (lambda f: pd.concat([f, f.iloc[[3]]]), InvalidValue, "unique"),
        (lambda f: [1, 2], WrongType, "frame"),
    ],
)
def test_bad_panels_are_refused(change, error, message):
    with pytest.raises(error, match=message):
        adopter_shares(change(random_panel()))


def test_bad_requests_are_refused():
    panel = random_panel()
    with pytest.raises(InvalidValue, match="lag"):
        adopter_shares(panel, lag=-1)
    contracts = pd.DataFrame({"firm": [1], "year": [1972]})
    with pytest.raises(InvalidValue, match="duration"):
        adoption_status(panel, contracts, definition="active")
    with pytest.raises(InvalidValue, match="duration"):
        adoption_status(panel, contracts, duration=3)
    with pytest.raises(InvalidValue, match="definition"):
        adoption_status(panel, contracts, definition="current")
    with pytest.raises(InvalidValue, match="swap"):
        long_differences(panel.assign(y=1.0), "y", [(1979, 1972)])
    with pytest.raises(InvalidValue, match="both ends"):
        long_differences(panel.assign(y=1.0), "y", [(1950, 1960)])
