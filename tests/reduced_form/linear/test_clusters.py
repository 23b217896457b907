"""Clusters: terms and signs of the inclusion and exclusion, sums by group, and what is refused."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bigpush_est.errors import InvalidValue, ShapeMismatch
from bigpush_est.reduced_form.linear.clusters import Clusters, sum_by

LABELS = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 4), st.integers(0, 2)),
    min_size=1,
    max_size=30,
)


@given(LABELS)
def test_terms_group_rows_exactly_as_tuples_of_labels_do(labels):
    columns = dict(zip("abc", map(list, zip(*labels, strict=True)), strict=True))
    clusters = Clusters.build(columns)
    terms = {term.names: term for term in clusters.terms()}
    subsets = [chosen for size in (1, 2, 3) for chosen in combinations("abc", size)]
    assert list(terms) == subsets
    for chosen, term in terms.items():
        cells = list(zip(*(columns[name] for name in chosen), strict=True))
        assert term.sign == (-1) ** (len(chosen) + 1)
        assert term.count == len(set(cells))
        assert sorted(set(term.codes.tolist())) == list(range(term.count))
        together = {(i, j) for i in range(len(cells)) for j in range(i) if cells[i] == cells[j]}
        assert together == {(i, j) for i in range(len(cells)) for j in range(i) if term.codes[i] == term.codes[j]}


def test_labels_of_any_kind_and_order_give_the_same_groups():
    texts = Clusters.build({"g": ["south", "north", "south"]})
    numbers = Clusters.build({"g": np.array([9.5, -1.0, 9.5])})
    column = Clusters.build({"g": pd.Series(["b", "a", "b"], dtype="category", index=[5, 6, 7])})
    for clusters in (texts, numbers, column):
        assert clusters.codes[0].tolist() == [0, 1, 0]


def test_selection_codes_anew():
    clusters = Clusters.build({"g": [3, 3, 4, 5], "h": [1, 2, 1, 2]})
    chosen = clusters.select(np.array([False, True, False, True]))
    assert chosen.counts == (2, 1)
    assert chosen.codes[0].tolist() == [0, 1]
    assert chosen.observations == 2


def test_sums_by_group():
    values = np.random.default_rng(0).normal(size=(50, 3))
    codes = np.random.default_rng(1).integers(0, 7, 50)
    expected = np.array([values[codes == g].sum(axis=0) for g in range(7)])
    np.testing.assert_allclose(sum_by(codes, 7, values), expected, atol=1e-14)
    np.testing.assert_allclose(sum_by(codes, 7, values[:, 0]), expected[:, 0], atol=1e-14)


def test_refusals():
    with pytest.raises(InvalidValue, match="at least one column"):
        Clusters.build({})
    with pytest.raises(InvalidValue, match="missing in row 1"):
        Clusters.build({"g": ["a", None]})
    with pytest.raises(InvalidValue, match="no observation"):
        Clusters.build({"g": []})
    with pytest.raises(ShapeMismatch):
        Clusters.build({"g": [1, 2], "h": [1, 2, 3]})
