"""Matching against brute force, with ties, calipers, no replacement, and every refusal."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from bigpush_est.errors import (
    InvalidValue,
    MissingKey,
    NoLoserLeft,
    ShapeMismatch,
    TooManyCombinations,
    WrongType,
)
from bigpush_est.reduced_form.events import matching
from bigpush_est.reduced_form.events.matching import match_losers

VARIABLES = ["a", "b", "c"]


def candidates(seed, size, cells=3, losers=0.3, discrete=False):
    rng = np.random.default_rng(seed)
    values = rng.standard_normal((size, 3)) @ np.array([[1.0, 0.6, 0.0], [0.0, 0.8, 0.3], [0.0, 0.0, 2.0]])
    if discrete:
        values = rng.integers(0, 3, (size, 3)).astype(float)
    frame = pd.DataFrame(values, columns=VARIABLES)
    frame["firm"] = [f"f{i:05d}" for i in rng.permutation(size)]
    frame["year"] = rng.integers(1970, 1970 + cells, size)
    frame["region"] = rng.choice(["x", "y"], size)
    frame["loser"] = rng.random(size) < losers
    return frame


def brute_force(frame, number, caliper=None, replacement=True):
    """All pairs, one loser after the other, plain Python."""
    known = frame[frame[VARIABLES].notna().all(axis=1)]
    inverse = np.linalg.inv(np.cov(known.loc[~known["loser"], VARIABLES].T)).tolist()
    rows = list(known[["loser", "firm", "year", "region", *VARIABLES]].itertuples(index=False, name=None))
    pairs = []
    for loser in (row for row in rows if row[0]):
        for winner in (row for row in rows if not row[0] and row[2:4] == loser[2:4]):
            gap = [x - y for x, y in zip(loser[4:], winner[4:], strict=True)]
            square = sum(inverse[i][j] * gap[i] * gap[j] for i in range(3) for j in range(3))
            distance = round(max(square, 0.0) ** 0.5, 9)
            if caliper is None or distance <= caliper:
                pairs.append((distance, loser[1], winner[1]))
    chosen = {}
    taken = set()
    if replacement:
        pairs.sort(key=lambda pair: (pair[1], pair[0], pair[2]))
    else:
        pairs.sort()
    for _, loser, winner in pairs:
        if len(chosen.setdefault(loser, [])) < number and (replacement or winner not in taken):
            chosen[loser].append(winner)
            taken.add(winner)
    return {loser: winners for loser, winners in chosen.items() if winners}


def as_lists(matches):
    return matches.pairs.groupby("loser", sort=False)["winner"].apply(list).to_dict()


@pytest.mark.parametrize("discrete", [False, True])
@pytest.mark.parametrize("tree_from", [0, 10_000])
@pytest.mark.parametrize(
    ("number", "caliper", "replacement"),
    [(1, None, True), (3, None, True), (3, 0.9, True), (2, None, False), (2, 0.9, False)],
)
def test_against_brute_force(monkeypatch, number, caliper, replacement, tree_from, discrete):
    """By tree and by writing out pairs; with discrete variables, where ties abound."""
    monkeypatch.setattr(matching, "_TREE_FROM", tree_from)
    for seed in range(2):
        frame = candidates(seed, 90, discrete=discrete)
        frame.loc[[3, 20, 41], "b"] = np.nan
        found = match_losers(
            frame,
            exact=["year", "region"],
            variables=VARIABLES,
            number=number,
            caliper=caliper,
            replacement=replacement,
        )
        expected = brute_force(frame, number, caliper, replacement)
        assert as_lists(found) == expected
        everyone = set(frame.loc[frame["loser"], "firm"])
        assert set(found.unmatched["firm"]) == everyone - set(expected)
        assert found.winners_without_variables == (~frame["loser"] & frame["b"].isna()).sum()


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 5), st.booleans())
def test_order_of_rows_and_scale_do_not_matter(seed, number, discrete):
    frame = candidates(seed, 60, cells=1, discrete=discrete)
    if frame["loser"].sum() in (0, len(frame)) or (~frame["loser"]).sum() < 5:
        return
    options = {"exact": ["year"], "variables": VARIABLES, "number": number}
    first = match_losers(frame, **options)
    shuffled = frame.sample(frac=1.0, random_state=seed)
    scaled = shuffled.assign(a=3.0 + 8.0 * shuffled["a"], c=0.25 * shuffled["c"])
    second = match_losers(scaled, **options)
    assert first.pairs[["loser", "winner", "rank"]].equals(second.pairs[["loser", "winner", "rank"]])
    assert first.pairs["distance"].to_numpy() == pytest.approx(second.pairs["distance"].to_numpy(), abs=1e-8)


def test_winners_are_of_the_cell_and_in_order():
    frame = candidates(1, 400)
    found = match_losers(frame, exact=["year", "region"], variables=VARIABLES)
    pairs = found.pairs
    rows = frame.reset_index(drop=True)
    for column in ("year", "region"):
        assert (
            rows[column].iloc[pairs["loser_row"]].to_numpy() == rows[column].iloc[pairs["winner_row"]].to_numpy()
        ).all()
    assert (pairs.groupby("match")["distance"].diff().dropna() >= 0).all()
    assert pairs.groupby("match")["winner"].nunique().eq(pairs.groupby("match").size()).all()
    assert found.count == pairs["loser"].nunique()
    assert found.units == len(set(pairs["loser"]) | set(pairs["winner"]))


def test_covariance_is_that_of_the_pool():
    frame = candidates(2, 200)
    pool = frame[~frame["loser"]]
    found = match_losers(frame, exact=["year"], variables=VARIABLES)
    assert found.covariance == pytest.approx(np.cov(pool[VARIABLES].T))
    everyone = match_losers(frame, exact=["year"], variables=VARIABLES, covariance="everyone")
    assert everyone.covariance == pytest.approx(np.cov(frame[VARIABLES].T))
    given_one = match_losers(frame, exact=["year"], variables=VARIABLES, covariance=np.eye(3))
    first = given_one.pairs.iloc[0]
    gap = (
        given_one.candidates[VARIABLES].iloc[first["loser_row"]]
        - given_one.candidates[VARIABLES].iloc[first["winner_row"]]
    )
    assert first["distance"] == pytest.approx(np.linalg.norm(gap), abs=1e-9)


def test_reasons():
    frame = pd.DataFrame(
        {
            "firm": list("abcdefgh"),
            "year": [1, 1, 1, 2, 3, 3, 1, 1],
            "loser": [1, 0, 0, 1, 1, 0, 1, 1],
            "x": [0.0, 0.1, 0.3, 0.0, 0.0, np.nan, np.nan, 9.0],
        }
    )
    found = match_losers(frame, exact=["year"], variables=["x"], covariance=np.eye(1), caliper=1.0)
    assert found.unmatched[["firm", "reason"]].to_numpy().tolist() == [
        ["d", "no winner in its cell"],
        ["e", "no winner in its cell whose variables are known"],
        ["g", "x missing"],
        ["h", "no winner within the caliper of 1"],
    ]
    assert "losers without a match, x missing: 1" in found.summary()
    once = match_losers(frame, exact=["year"], variables=["x"], covariance=np.eye(1), replacement=False)
    assert once.unmatched.set_index("firm").loc["h", "reason"] == "every winner of its cell taken"


def test_balance_against_scipy():
    frame = candidates(5, 300)
    frame["d"] = frame["a"] + np.where(frame["loser"], 0.5, 0.0)
    frame.loc[10:20, "d"] = np.nan
    found = match_losers(frame, exact=["year", "region"], variables=VARIABLES)
    table = found.balance([*VARIABLES, "d"], labels={"d": "sales"}).set_index(["variable", "sample"])
    losers, winners = frame.loc[frame["loser"], "d"].dropna(), frame.loc[~frame["loser"], "d"].dropna()
    before, after = table.loc[("sales", "before")], table.loc[("sales", "after")]
    test = stats.ttest_ind(losers, winners, equal_var=False)
    assert before["t"] == pytest.approx(test.statistic)
    assert before["p_value"] == pytest.approx(test.pvalue)
    spread = np.sqrt((losers.var() + winners.var()) / 2)
    assert before["standardised_difference"] == pytest.approx((losers.mean() - winners.mean()) / spread)
    assert before["variance_ratio"] == pytest.approx(losers.var() / winners.var())
    values = found.candidates["d"]
    gaps = []
    for _, group in found.pairs.groupby("match"):
        mine, theirs = values.iloc[group["loser_row"].iloc[0]], values.iloc[group["winner_row"]].dropna()
        if np.isfinite(mine) and len(theirs):
            gaps.append((mine, theirs.mean()))
    paired = stats.ttest_rel(*np.array(gaps).T)
    assert after["t"] == pytest.approx(paired.statistic)
    assert after["p_value"] == pytest.approx(paired.pvalue)
    assert after["standardised_difference"] == pytest.approx(np.diff(np.mean(gaps, axis=0)[::-1])[0] / spread)
    assert after["losers"] == len(gaps)


def test_matching_improves_balance():
    frame = candidates(7, 3000, losers=0.05)
    frame.loc[frame["loser"], "a"] += 0.8
    table = match_losers(frame, exact=["year"], variables=VARIABLES).balance().set_index(["variable", "sample"])
    gap = table["standardised_difference"].abs()
    assert gap[("a", "before")] > 0.5
    assert gap[("a", "after")] < 0.2


def test_polars_and_arrow():
    frame = candidates(3, 80)
    options = {"exact": ["year"], "variables": VARIABLES}
    expected = match_losers(frame, **options).pairs
    assert match_losers(pl.from_pandas(frame), **options).pairs.equals(expected)


@pytest.mark.parametrize(
    ("change", "options", "error", "words"),
    [
        ({}, {"number": 0}, InvalidValue, "number = 0"),
        ({}, {"number": 2.5}, WrongType, "number"),
        ({}, {"caliper": 0.0}, InvalidValue, "caliper"),
        ({}, {"variables": []}, InvalidValue, "variables"),
        ({}, {"variables": ["nothing"]}, MissingKey, "nothing"),
        ({}, {"exact": ["province"]}, MissingKey, "province"),
        ({}, {"covariance": "losers"}, InvalidValue, "covariance"),
        ({}, {"covariance": np.eye(2)}, ShapeMismatch, "one row per variable"),
        ({"a": "large"}, {}, WrongType, "column 'a'"),
        ({"a": 1.0}, {}, InvalidValue, "no variation in a"),
        ({"loser": False}, {}, NoLoserLeft, "before matching"),
        ({"loser": 0.5}, {}, InvalidValue, "0 or 1"),
        ({"region": None}, {}, InvalidValue, "region"),
        ({"firm": "same"}, {}, InvalidValue, "unique"),
        ({"b": np.nan}, {}, InvalidValue, "every variable known"),
    ],
)
def test_bad_input(change, options, error, words):
    frame = candidates(1, 60).assign(**change)
    with pytest.raises(error, match=words):
        match_losers(frame, **({"exact": ["year", "region"], "variables": VARIABLES} | options))


def test_collinear_variables_are_named():
    frame = candidates(1, 60).assign(twice=lambda x: 2 * x["a"] + 1)
    with pytest.raises(InvalidValue, match="a, twice are collinear"):
        match_losers(frame, exact=["year"], variables=["a", "b", "twice"])


def test_nobody_matched():
    frame = candidates(1, 60).assign(year=lambda x: np.where(x["loser"], 1960, 1970))
    with pytest.raises(NoLoserLeft, match="no winner in its cell"):
        match_losers(frame, exact=["year"], variables=VARIABLES)


def test_too_many_pairs_without_replacement(monkeypatch):
    monkeypatch.setattr(matching, "_MOST_PAIRS", 10)
    with pytest.raises(TooManyCombinations, match="with replacement"):
        match_losers(candidates(1, 60), exact=["year"], variables=VARIABLES, replacement=False)
