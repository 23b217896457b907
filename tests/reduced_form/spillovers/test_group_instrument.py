"""The business-group instrument against a double loop over firms and units, and what it says that it dropped."""

import numpy as np
import pandas as pd
import pytest

from bigpush_est.data.geography import great_circle
from bigpush_est.errors import InvalidValue, MissingKey, ShapeMismatch
from bigpush_est.reduced_form.spillovers.group_instrument import group_instrument, predicted_totals
from bigpush_est.reduced_form.spillovers.group_network import Network, exposure


def world(seed=0, firms=120, regions=9, sectors=3, groups=8):
    """Firms of which a third belongs to groups, in places of which one has no coordinates."""
    rng = np.random.default_rng(seed)
    places = pd.DataFrame(
        {
            "region": [f"r{n}" for n in range(regions)],
            "latitude": rng.uniform(34.5, 38.0, regions),
            "longitude": rng.uniform(126.5, 129.5, regions),
        }
    )
    places.loc[regions - 1, ["latitude", "longitude"]] = np.nan
    group = rng.integers(0, 3 * groups, firms)
    units = pd.DataFrame(
        {
            "firm": np.arange(firms),
            "group": pd.Series([f"g{g}" if g < groups else None for g in group], dtype=object),
            "region": rng.choice(places["region"], firms),
            "sector": rng.integers(0, sectors, firms),
        }
    )
    dates = np.array([1970, 1971, 1977, 1978])
    adopted = rng.integers(1966, 1990, firms)[:, None] <= dates
    return places, units, pd.DataFrame(adopted, index=units["firm"], columns=dates)


def distances(places):
    """Kilometres between places by pair of names; NaN without coordinates."""
    rows = list(places.itertuples())
    return {
        (a.region, b.region): great_circle([a.latitude], [a.longitude], [b.latitude], [b.longitude])[0, 0]
        if np.isfinite([a.latitude, b.latitude]).all()
        else np.nan
        for a in rows
        for b in rows
    }


def far_adopters(apart, units, adopted, firm, date, ring):
    """The numerator of equation (3.4), by a loop over groups and units."""
    total = 0
    for group in {unit.group for unit in units if isinstance(unit.group, str)}:
        if group == firm.group:
            continue
        members = [unit for unit in units if unit.group == group and unit.sector == firm.sector]
        if all(unit.region != firm.region for unit in members):
            continue
        for unit in members:
            if unit.region != firm.region and apart[firm.region, unit.region] > ring:
                total += adopted.at[unit.firm, date]
    return total


def focal(units, seed=9):
    rng = np.random.default_rng(seed)
    firms = units.copy()
    return firms.assign(
        start=1970,
        end=1977,
        denominator_start=rng.integers(1, 9, len(firms)).astype(float),
        denominator_end=rng.uniform(1.0, 9.0, len(firms)),
    )


@pytest.mark.parametrize("ring", [0.0, 100.0, 150.0])
def test_instrument_equals_a_double_loop(ring):
    places, units, adopted = world()
    firms = focal(units)
    instrument = group_instrument(Network.build(units, places), firms, ring=ring)
    histories = adopted.loc[instrument.units, list(instrument.dates)].to_numpy()
    built = instrument.value(histories)
    unlocated = (firms["region"] == places["region"].iloc[-1]).to_numpy()
    assert np.isnan(built[unlocated]).all()
    apart, rows = distances(places), list(units.itertuples())
    expected = [
        far_adopters(apart, rows, adopted, firm, 1977, ring) / firm.denominator_end
        - far_adopters(apart, rows, adopted, firm, 1970, ring) / firm.denominator_start
        for firm in firms[~unlocated].itertuples()
    ]
    np.testing.assert_allclose(built[~unlocated], expected, rtol=1e-12, atol=1e-14)
    assert np.count_nonzero(expected) >= 10


def test_several_spans_keep_one_history_per_unit():
    places, units, adopted = world(3)
    later = units[units["firm"] % 7 != 0]  # some units are gone a year later
    networks = {"a": Network.build(units, places), "b": Network.build(later, places)}
    firms = pd.concat(
        [focal(units).assign(span="a"), focal(later, 2).assign(span="b", start=1971, end=1978)], ignore_index=True
    )
    both = group_instrument(networks, firms)
    assert both.dates == (1970, 1971, 1977, 1978)
    value = both.value(adopted.loc[both.units, list(both.dates)].to_numpy())
    for span, network in networks.items():
        rows = (firms["span"] == span).to_numpy()
        alone = group_instrument(network, firms[rows].drop(columns="span"))
        one = alone.value(adopted.loc[alone.units, list(alone.dates)].to_numpy())
        np.testing.assert_allclose(value[rows], one, rtol=1e-13, atol=1e-15)
    assert set(both.dropped) == {"a", "b"}


def test_many_draws_equal_one_by_one():
    places, units, _ = world(4)
    instrument = group_instrument(Network.build(units, places), focal(units))
    rng = np.random.default_rng(0)
    draws = rng.integers(0, 2, (5, len(instrument.units), len(instrument.dates)))
    together = instrument.value(draws)
    for number, draw in enumerate(draws):
        np.testing.assert_allclose(together[:, number], instrument.value(draw), rtol=1e-12, atol=1e-14)


def test_leaving_a_group_out_equals_building_without_its_units():
    places, units, adopted = world(5)
    firms = focal(units)
    instrument = group_instrument(Network.build(units, places), firms)
    histories = adopted.loc[instrument.units, list(instrument.dates)].to_numpy()
    fewer = units[units["group"] != "g2"]
    anew = group_instrument(Network.build(fewer, places), firms)
    rebuilt = anew.value(adopted.loc[anew.units, list(anew.dates)].to_numpy())
    without = instrument.without_groups("g2").value(histories)
    np.testing.assert_allclose(without, rebuilt, rtol=1e-12, atol=1e-14)
    assert not np.allclose(without, instrument.value(histories), equal_nan=True)
    with pytest.raises(InvalidValue, match="a group of the network"):
        instrument.without_groups(["g2", "nobody"])


def test_own_group_is_left_out_unless_asked_for():
    places, units, _ = world(6)
    network = Network.build(units, places)
    own = exposure(network, units)
    everybody = exposure(network, units, leave_own_group=False)
    members = units["group"].notna().to_numpy()
    fewer = own.matrix.sum(axis=1) <= everybody.matrix.sum(axis=1)
    assert fewer.all()
    np.testing.assert_array_equal(own.matrix.toarray()[~members], everybody.matrix.toarray()[~members])
    grouped = own.matrix.tocoo()
    groups_of_firms = units["group"].to_numpy()[grouped.coords[0]]
    assert (groups_of_firms != network.groups[network.unit_group[grouped.coords[1]]]).all()


def test_what_was_dropped_is_said():
    places = pd.DataFrame(
        {
            "region": ["a", "b", "c", "d"],
            "latitude": [37.0, 35.0, 37.1, np.nan],
            "longitude": [127.0, 129.0, 127.1, 0.0],
        }
    )
    units = pd.DataFrame(
        {
            "firm": range(8),
            "group": ["far", "far", "near", "near", "single", "nowhere", "nowhere", None],
            "region": ["a", "b", "a", "c", "a", "d", "b", "a"],
            "sector": 1,
        }
    )
    network = Network.build(units, places)
    found = exposure(network, units)
    assert found.dropped.groups_in_one_place == ("near", "nowhere", "single")
    assert (found.dropped.units, found.dropped.groups) == (7, 4)
    assert (found.dropped.groups_counting, found.dropped.counting) == (1, 2)
    assert found.dropped.units_without_coordinates == 1
    assert found.dropped.firms_without_coordinates == 1
    assert found.missing.tolist() == [False] * 5 + [True] + [False] * 2
    assert found.dropped.inside_ring == 2  # near's two units, seen from each other
    assert network.unaffiliated == 1
    # the firm outside groups in a is exposed to far's unit in b; in b only to far's unit in a, not to its own group
    np.testing.assert_array_equal(found.matrix.toarray()[7], [0, 1, 0, 0, 0, 0, 0])
    assert found.dropped.firms_unexposed == int((found.matrix.sum(axis=1)[~found.missing] == 0).sum())
    assert "3 groups have no two units" in found.dropped.summary()


def test_the_ring_keeps_out_what_is_at_its_radius():
    places = pd.DataFrame({"region": ["a", "b"]})
    units = pd.DataFrame({"firm": [1, 2], "group": "g", "region": ["a", "b"], "sector": 1})
    network = Network.build(units, places, distance=[[0.0, 100.0], [100.0, 0.0]])
    outsider = pd.DataFrame({"group": [None], "region": ["a"], "sector": [1]})
    assert exposure(network, outsider, ring=100.0).matrix.sum() == 0
    assert exposure(network, outsider, ring=99.9).matrix.sum() == 1


def test_missing_denominators_are_counted():
    places, units, _ = world(7)
    firms = focal(units)
    firms.loc[[0, 1], "denominator_start"] = 0.0
    firms.loc[2, "denominator_end"] = np.nan
    firms["region"] = firms["region"].replace(places["region"].iloc[-1], "r0")
    instrument = group_instrument(Network.build(units, places), firms)
    assert instrument.no_denominator == 3
    assert np.flatnonzero(instrument.missing).tolist() == [0, 1, 2]
    assert "3 without a denominator" in instrument.summary()


def test_predicted_counts_by_loop():
    rng = np.random.default_rng(2)
    initial, later = rng.integers(0, 9, (5, 3)).astype(float), rng.integers(0, 20, (5, 3)).astype(float)
    place, sector = np.repeat(np.arange(5), 3), np.tile(np.arange(3), 5)
    own = np.minimum(1.0, initial[place, sector])
    expected = []
    for n, j, mine in zip(place, sector, own, strict=True):
        others = [m for m in range(5) if m != n]
        growth = sum(later[m, j] for m in others) / sum(initial[m, j] for m in others)
        expected.append(growth * (initial[n, j] - mine))
    np.testing.assert_allclose(predicted_totals(initial, later, place, sector, own), expected)
    lonely = predicted_totals([[3.0], [0.0]], [[5.0], [2.0]], [0, 1], [0, 0], [0.0, 0.0])
    assert np.isnan(lonely[0])
    assert lonely[1] == 0.0


def test_bad_networks_are_refused():
    places, units, _ = world()
    with pytest.raises(InvalidValue, match="unique"):
        Network.build(pd.concat([units, units.iloc[[0]]]), places)
    with pytest.raises(InvalidValue, match="one of the places"):
        Network.build(units.assign(region="elsewhere"), places)
    with pytest.raises(InvalidValue, match="missing in every row"):
        Network.build(units.assign(group=None), places)
    with pytest.raises(InvalidValue, match="latitude"):
        Network.build(units, places.assign(latitude=95.0))
    with pytest.raises(ShapeMismatch, match="distance"):
        Network.build(units, places, distance=np.zeros((2, 2)))
    with pytest.raises(MissingKey, match="longitude"):
        Network.build(units, places.drop(columns="longitude"))
    network = Network.build(units, places)
    with pytest.raises(InvalidValue, match="ring"):
        exposure(network, units, ring=-1.0)
    with pytest.raises(MissingKey, match="denominator_end"):
        group_instrument(network, focal(units).drop(columns="denominator_end"))
    with pytest.raises(InvalidValue, match="name a network"):
        group_instrument({"1972-1979": network}, focal(units).assign(span="1973-1980"))
    with pytest.raises(ShapeMismatch, match="histories"):
        group_instrument(network, focal(units)).value(np.zeros((3, 2)))
