"""An economy as a folder: the same after a round trip, refused with file, row, column and value when corrupted."""

import csv
import dataclasses
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bigpush_est.data import economy_bundle
from bigpush_est.data.economy import SHAPES
from bigpush_est.data.economy_bundle import (
    OPTIONAL_TABLES,
    TABLES,
    EconomyBundle,
    Moment,
    Port,
    Provenance,
    allowed_moments,
    economy_fingerprint,
    load_economy_bundle,
    write_economy_bundle,
)
from bigpush_est.data.economy_example import example_bundle
from bigpush_est.data.geography import great_circle
from bigpush_est.data.published import load_published
from bigpush_est.errors import (
    EmptyFile,
    InputError,
    InvalidValue,
    MissingKey,
    OutputOccupied,
    ShapeMismatch,
    UnknownKey,
    UnreadableFile,
    UnwritableFolder,
    WrongType,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two regions, two sectors, two years, all files."""
    write_economy_bundle(example_bundle(), tmp_path / "economy")
    return tmp_path / "economy"


def same(first: EconomyBundle, second: EconomyBundle) -> bool:
    for field in dataclasses.fields(EconomyBundle):
        left, right = getattr(first, field.name), getattr(second, field.name)
        if isinstance(left, np.ndarray):
            if left.dtype != right.dtype or left.tobytes() != right.tobytes():
                return False
        elif left != right:
            return False
    return True


# --- there and back ----------------------------------------------------------------------------------------------


def test_the_example_holds_every_table_and_comes_back(folder):
    held = {path.name for path in folder.iterdir()}
    assert held == {"economy.toml", *(f"{table}.csv" for table in (*TABLES, *OPTIONAL_TABLES))}
    assert same(load_economy_bundle(folder), example_bundle())
    assert same(load_economy_bundle(str(folder)), example_bundle())


def test_a_table_may_list_its_rows_and_columns_in_any_order(folder):
    for path in folder.glob("*.csv"):
        if path.stem in ("regions", "sectors", "ports", "expressway", "moments"):
            continue  # these define an order
        with path.open(encoding="utf-8", newline="") as handle:
            header, *body = csv.reader(handle)
        with path.open("w", encoding="utf-8", newline="") as handle:
            csv.writer(handle).writerows([row[::-1] for row in (header, *body[::-1])])
    assert same(load_economy_bundle(folder), example_bundle())


positive = st.floats(1e-3, 1e3)
words = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=12)


def shares(draw, shape: tuple[int, ...], over: int | tuple[int, ...]):
    numbers = np.array(draw(st.lists(positive, min_size=int(np.prod(shape)), max_size=int(np.prod(shape)))))
    array = numbers.reshape(shape)
    return array / array.sum(axis=over, keepdims=True)


@st.composite
def economies(draw) -> EconomyBundle:
    regions, sectors, years = draw(st.tuples(st.integers(1, 4), st.integers(1, 3), st.integers(1, 3)))

    def numbers(strategy, *shape: int) -> np.ndarray:
        size = int(np.prod(shape))
        return np.array(draw(st.lists(strategy, min_size=size, max_size=size))).reshape(shape)

    adopts = numbers(st.booleans(), sectors)
    adopts[draw(st.integers(0, sectors - 1))] = True
    trades = numbers(st.booleans(), sectors)
    inputs = shares(draw, (years, sectors, sectors + 1), 2)
    slugs = tuple(f"r{i}" for i in range(regions))
    by_area = draw(st.booleans())
    moments = (
        Moment("share_of_regions_with_adoption", draw(st.floats(0, 1)), draw(words), draw(st.none() | positive)),
    )
    moments = draw(st.sampled_from([(), moments]))
    ports = (Port("a", region="r0"), Port("b", None, draw(st.floats(-90, 90)), draw(st.floats(-180, 180))))
    expressway = tuple((slugs[i], slugs[i + 1]) for i in range(regions - 1) if draw(st.booleans()))
    held = [table for table, there in zip(OPTIONAL_TABLES, (ports, expressway, moments), strict=True) if there]
    growth = numbers(positive, years)
    growth[0] = 1
    return EconomyBundle(
        name=draw(words), label="synthetic", description=draw(words), labour_unit=draw(words),
        provenance={t: Provenance(draw(st.sampled_from(["real", "synthetic"])), draw(words)) for t in (*TABLES, *held)},
        regions=slugs, region_names=tuple(draw(words) for _ in slugs), sectors=tuple(f"s{j}" for j in range(sectors)),
        years=tuple(1900 + 3 * t for t in range(years)), years_per_period=3,
        latitude=np.linspace(-50, 50, regions) + draw(st.floats(-1, 1)),
        longitude=numbers(st.floats(-180, 180), regions),
        labour=numbers(positive, regions), subsidised=numbers(st.booleans(), regions),
        area_km2=numbers(positive, regions) if by_area else None,
        national_area_km2=None if by_area else draw(positive),
        ports=ports, expressway=expressway, expressway_reduction=draw(st.floats(0, 0.99)),
        adopts=adopts, foreign_trade=trades, distance_elasticity=numbers(st.floats(0, 5), sectors),
        distortion_elasticity=numbers(st.floats(-0.9, 0.9), sectors),
        preferences=shares(draw, (years, sectors), 1), labour_share=inputs[:, :, -1], input_share=inputs[:, :, :-1],
        tariffs=numbers(st.floats(0, 2), years, sectors), firm_mass=shares(draw, (regions, sectors), (0, 1)),
        gross_output=shares(draw, (years, regions, sectors), 1),
        export_intensity=trades * numbers(st.floats(0, 0.99), years, sectors),
        import_share=trades * numbers(st.floats(0, 0.99), years, sectors),
        real_gdp=growth, ppi=numbers(positive, years, sectors),
        adopter_share=adopts * numbers(st.floats(0, 1), regions, sectors), moments=moments,
        seed=draw(st.none() | st.integers(0, 2**63)),
    )  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(economies())
def test_writing_and_loading_gives_the_same_bits(tmp_path_factory, economy):
    folder = tmp_path_factory.mktemp("economies") / "economy"
    write_economy_bundle(economy, folder)
    loaded = load_economy_bundle(folder)
    assert same(loaded, economy)
    assert economy_fingerprint(loaded) == economy_fingerprint(economy)
    distance = economy.distances()
    assert (distance == distance.T).all()
    assert (np.isfinite(distance) & (distance > 0)).all()


def test_optional_files_and_columns_may_be_missing(folder):
    toml = (folder / "economy.toml").read_text(encoding="utf-8")
    for table in ("expressway", "moments"):
        (folder / f"{table}.csv").unlink()
        toml = toml.replace(f'\n[provenance.{table}]\nlabel = "synthetic"\nsource = "made up for illustration"\n', "")
    toml = toml.replace("seed = 1\n", "").replace("expressway_reduction = 0.66\n", "")
    (folder / "economy.toml").write_text(toml, encoding="utf-8")
    economy = load_economy_bundle(folder)
    assert (economy.expressway, economy.moments, economy.seed, economy.expressway_reduction) == ((), (), None, 0.66)
    (folder / "ports.csv").write_text("port,region\nold pier,harbour\n", encoding="utf-8")
    assert load_economy_bundle(folder).ports == (Port("old pier", region="harbour"),)


# --- what follows from it ----------------------------------------------------------------------------------------


def test_distances_and_freeness_of_the_two_regions():
    economy = example_bundle()
    degree = great_circle([0.0], [0.0], [0.0], [1.0])[0, 0]
    own = 2 / 3 * np.sqrt(2000 / np.pi)
    assert economy.distances() == pytest.approx(np.array([[own, 0.34 * degree], [0.34 * degree, own]]))
    assert economy.distances(expressway=False) == pytest.approx(np.array([[own, degree], [degree, own]]))
    assert economy.port_distances() == pytest.approx([0.34 * degree, own])
    assert economy.port_distances(expressway=False) == pytest.approx([degree, own])
    free = economy.freeness()
    assert free.shape == (2, 2, 2)
    assert free[0, 0, 1] == pytest.approx((0.34 * degree) ** -1.29)
    assert free[1, 1, 1] == pytest.approx(own**-3.8)
    assert economy.port_freeness() == pytest.approx(np.array([[(0.34 * degree) ** -1.29, 0], [own**-1.29, 0]]))
    assert (economy.port_freeness(expressway=False) <= economy.port_freeness()).all()
    alone = dataclasses.replace(economy, ports=(Port("far pier", latitude=0.0, longitude=3.0),))
    assert alone.port_distances() == pytest.approx([2.34 * degree, 2 * degree])


def test_an_economy_without_foreign_trade_needs_no_port():
    economy = example_bundle()
    none = np.zeros((2, 2))
    closed = dataclasses.replace(
        economy,
        foreign_trade=np.array([False, False]),
        export_intensity=none,
        import_share=none,
        ports=(),
        moments=(),
    )
    assert (closed.port_distances() == np.inf).all()
    assert (closed.port_freeness() == 0).all()


def test_areas_are_the_regions_own_or_equal_shares():
    economy = example_bundle()
    assert economy.areas.tolist() == [2000, 2000]
    own = dataclasses.replace(economy, area_km2=np.array([100.0, 900.0]), national_area_km2=None)
    assert own.distances().diagonal() == pytest.approx(2 / 3 * np.sqrt(np.array([100, 900]) / np.pi))


def test_the_moments_are_the_papers():
    both = np.array([True, True])
    economy = dataclasses.replace(example_bundle(), sectors=("light", "heavy"), foreign_trade=both, moments=())
    published = {row.moment for row in load_published().table2_rows if row.moment}
    assert published - {"adopter_share_1980"} <= set(allowed_moments(economy))  # the example ends in 1976


def test_arrays_cannot_be_changed_and_survive_a_process_boundary():
    economy = example_bundle()
    for key in SHAPES:
        array = getattr(economy, key)
        if array is not None:
            with pytest.raises(ValueError, match="read-only"):
                array[...] = 0
    assert same(pickle.loads(pickle.dumps(economy)), economy)
    mine = np.array([300.0, 700.0])
    other = dataclasses.replace(economy, labour=mine)
    mine[0] = -1
    assert other.labour[0] == 300


def test_the_fingerprint_tells_economies_apart():
    economy = example_bundle()
    assert economy_fingerprint(economy) == economy_fingerprint(example_bundle())
    nearly = economy.tariffs.copy()
    nearly[0, 0] = np.nextafter(nearly[0, 0], 1)
    assert economy_fingerprint(dataclasses.replace(economy, tariffs=nearly)) != economy_fingerprint(economy)
    shuffled = dict(reversed(economy.provenance.items()))
    assert economy_fingerprint(dataclasses.replace(economy, provenance=shuffled)) == economy_fingerprint(economy)


# --- writing -----------------------------------------------------------------------------------------------------


def test_an_economy_is_replaced_only_when_allowed_and_as_a_whole(folder):
    (folder / "README.md").write_text("mine", encoding="utf-8")
    (folder / "pictures").mkdir()
    (folder / "pictures" / "map.svg").write_text("<svg/>", encoding="utf-8")
    economy = example_bundle()
    changed = dataclasses.replace(economy, expressway=())
    with pytest.raises(OutputOccupied, match="holds an economy"):
        write_economy_bundle(changed, folder)
    assert same(load_economy_bundle(folder), economy)
    write_economy_bundle(changed, folder, overwrite=True)
    assert same(load_economy_bundle(folder), changed)
    assert not (folder / "expressway.csv").exists()
    assert (folder / "README.md").read_text(encoding="utf-8") == "mine"
    assert (folder / "pictures" / "map.svg").is_file()
    assert [path.name for path in folder.parent.iterdir()] == ["economy"]  # nothing is left behind


def test_other_peoples_files_are_not_written_over(tmp_path):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter1.tex").write_text("...", encoding="utf-8")
    (tmp_path / "file").write_text("...", encoding="utf-8")
    for name, holds in (("thesis", "files that are no economy"), ("file", "a file of that name")):
        with pytest.raises(OutputOccupied, match=holds):
            write_economy_bundle(example_bundle(), tmp_path / name, overwrite=True)
    with pytest.raises(UnwritableFolder, match="file"):
        write_economy_bundle(example_bundle(), tmp_path / "file" / "economy")
    (tmp_path / "empty").mkdir()
    write_economy_bundle(example_bundle(), tmp_path / "empty")
    assert same(load_economy_bundle(tmp_path / "empty"), example_bundle())


@pytest.mark.parametrize("fault", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_failure_while_moving_leaves_the_earlier_economy(folder, monkeypatch, fault):
    real = Path.replace

    def fails(self, target):
        if self.name == "new":
            raise fault
        return real(self, target)

    monkeypatch.setattr(Path, "replace", fails)
    with pytest.raises(UnwritableFolder if isinstance(fault, OSError) else KeyboardInterrupt):
        write_economy_bundle(dataclasses.replace(example_bundle(), name="other"), folder, overwrite=True)
    monkeypatch.undo()
    assert same(load_economy_bundle(folder), example_bundle())
    assert [path.name for path in folder.parent.iterdir()] == ["economy"]


def test_a_failure_while_writing_leaves_the_earlier_economy(folder, monkeypatch):
    monkeypatch.setattr(economy_bundle, "_texts", lambda bundle: {"economy.toml": "x", "no/such/folder.csv": "y"})
    with pytest.raises(UnwritableFolder, match="No such file"):
        write_economy_bundle(example_bundle(), folder, overwrite=True)
    monkeypatch.undo()
    assert same(load_economy_bundle(folder), example_bundle())


# --- refusals: files ---------------------------------------------------------------------------------------------


def cell(file: str, row: int, column: str, value: str) -> Callable[[Path], None]:
    """Return a corruption that writes a value into a row (a line of the file; the header is 1)."""

    def corrupt(folder: Path) -> None:
        with (folder / file).open(encoding="utf-8", newline="") as handle:
            lines = list(csv.reader(handle))
        lines[row - 1][lines[0].index(column)] = value
        with (folder / file).open("w", encoding="utf-8", newline="") as handle:
            csv.writer(handle, lineterminator="\n").writerows(lines)

    return corrupt


def text(file: str, old: str, new: str) -> Callable[[Path], None]:
    def corrupt(folder: Path) -> None:
        content = (folder / file).read_text(encoding="utf-8")
        assert old in content
        (folder / file).write_text(content.replace(old, new, 1), encoding="utf-8")

    return corrupt


def end(file: str, line: str) -> Callable[[Path], None]:
    def corrupt(folder: Path) -> None:
        with (folder / file).open("a", encoding="utf-8") as handle:
            handle.write(line + "\n")

    return corrupt


def without(file: str) -> Callable[[Path], None]:
    return lambda folder: (folder / file).unlink()


def both(*changes: Callable[[Path], None]) -> Callable[[Path], None]:
    def corrupt(folder: Path) -> None:
        for change in changes:
            change(folder)

    return corrupt


HEAD = "economy.toml"
MADE_UP = 'label = "synthetic"\nsource = "made up for illustration"\n'
REFUSALS = [
    # the head
    (without(HEAD), UnreadableFile, "economy.toml.*No such file"),
    (text(HEAD, 'name = "two regions"', 'name = "two'), UnreadableFile, "economy.toml.*not TOML"),
    (text(HEAD, "seed = 1", "sead = 1"), UnknownKey, "economy.toml: the key 'sead'"),
    (text(HEAD, 'name = "two regions"\n', ""), MissingKey, "economy.toml: the key 'name'"),
    (text(HEAD, "seed = 1", 'seed = "one"'), WrongType, "economy.toml, seed = 'one'"),
    (text(HEAD, "seed = 1", "seed = true"), WrongType, "economy.toml, seed = True"),
    (text(HEAD, "[1972, 1976]", '[1972, "1976"]'), WrongType, "economy.toml, years = '1976'"),
    (text(HEAD, "[1972, 1976]", "[1972, 1977]"), InvalidValue, r"years = \[1972, 1977\] .*4 years apart"),
    (text(HEAD, "[1972, 1976]", "[1972, 1972]"), InvalidValue, r"years = \[1972, 1972\]"),
    (text(HEAD, "[1972, 1976]", "[]"), InvalidValue, r"years = \[\]"),
    (text(HEAD, "years_per_period = 4", "years_per_period = 0"), InvalidValue, "years_per_period = 0 .*at least 1"),
    (text(HEAD, "reduction = 0.66", "reduction = 66"), InvalidValue, "expressway_reduction = 66.*write 66% as 0.66"),
    (text(HEAD, "national_area_km2 = 4000.0\n", ""), InvalidValue, r"national_area_km2 = \(not given\).*area_km2"),
    (text(HEAD, "4000.0", "-4000.0"), InvalidValue, "national_area_km2 = -4000.0 .*above 0"),
    (text(HEAD, 'label = "synthetic"', 'label = "genuine"'), InvalidValue, "label = 'genuine' .*real, published"),
    (text(HEAD, 'label = "synthetic"', 'label = "real"'), InvalidValue, "label = 'real' .*regions, .*synthetic"),
    (text(HEAD, 'name = "two regions"', 'name = " two"'), InvalidValue, "name = ' two'"),
    (text(HEAD, f"\n[provenance.ppi]\n{MADE_UP}", ""), MissingKey, "provenance: the key 'ppi'.*ppi.csv"),
    (text(HEAD, "[provenance.ppi]", "[provenance.cpi]"), MissingKey, "provenance: the key 'ppi'"),
    (end(HEAD, f"[provenance.cpi]\n{MADE_UP}"), UnknownKey, "provenance: the key 'cpi'"),
    (end(HEAD, "[provenance.cpi]\nlabel = 'real'"), MissingKey, "provenance.cpi: the key 'source'"),
    (end(HEAD, "[provenance.cpi]\nyear = 1"), UnknownKey, "provenance.cpi: the key 'year'"),
    (text(HEAD, f"[provenance.ppi]\n{MADE_UP}", "[provenance]\nppi = 1\n"), WrongType, "provenance.ppi = 1 "),
    (without("moments.csv"), UnknownKey, "provenance: the key 'moments'.*there is no moments.csv"),
    # regions
    (without("regions.csv"), UnreadableFile, "regions.csv.*No such file"),
    (cell("regions.csv", 3, "region", "hill"), InvalidValue, "regions.csv, row 3, region = hill .*regions.csv, row 2"),
    (cell("regions.csv", 3, "region", "The Harbour"), InvalidValue, "regions.csv, row 3, region = 'The Harbour'"),
    (cell("regions.csv", 3, "name", ""), InvalidValue, r"regions.csv, row 3, name = \(empty\)"),
    (cell("regions.csv", 2, "latitude", "91"), InvalidValue, r"regions.csv, row 2 \(region hill\), latitude = 91 "),
    (cell("regions.csv", 2, "longitude", "east"), InvalidValue, "regions.csv, row 2, longitude = east .*a number"),
    (cell("regions.csv", 3, "longitude", "0"), InvalidValue, r"row 3, latitude and longitude = \(0, 0\).*hill .*row 2"),
    (cell("regions.csv", 2, "labour", "0"), InvalidValue, r"regions.csv, row 2 \(region hill\), labour = 0 .*above 0"),
    (cell("regions.csv", 2, "subsidised", "yes"), InvalidValue, "regions.csv, row 2, subsidised = yes .*0, 1"),
    (text("regions.csv", "labour", "people"), MissingKey, "regions.csv, row 1.*'labour'"),
    (text("regions.csv", "subsidised\n", "subsidised,area\n"), UnknownKey, "regions.csv, row 1.*'area'"),
    # sectors
    (cell("sectors.csv", 3, "sector", "goods"), InvalidValue, "sectors.csv, row 3, sector = goods .*row 2"),
    (cell("sectors.csv", 3, "sector", "labour"), InvalidValue, "sectors.csv, row 3, sector = labour"),
    (cell("sectors.csv", 2, "adopts", "0"), InvalidValue, "sectors.csv, adopts = 0 for all"),
    (cell("sectors.csv", 2, "adopts", "2"), InvalidValue, "sectors.csv, row 2, adopts = 2"),
    (
        cell("sectors.csv", 2, "distance_elasticity", "-1"),
        InvalidValue,
        "sector goods.*distance_elasticity = -1 .*least 0",
    ),
    (cell("sectors.csv", 2, "distortion_elasticity", "-1"), InvalidValue, "distortion_elasticity = -1 .*above -1"),
    # ports
    (without("ports.csv"), UnknownKey, "provenance: the key 'ports'.*there is no ports.csv"),
    (
        both(without("ports.csv"), text(HEAD, f"\n[provenance.ports]\n{MADE_UP}", "")),
        MissingKey,
        "ports.csv: the key 'a port' is missing.*foreign trade",
    ),
    (cell("ports.csv", 2, "region", "hamlet"), InvalidValue, "ports.csv, row 2, region = hamlet"),
    (cell("ports.csv", 2, "latitude", "1"), InvalidValue, r"ports.csv, row 2, region, .* = \(harbour, 1.0, None\)"),
    (cell("ports.csv", 3, "latitude", ""), InvalidValue, r"ports.csv, row 3, .* = \(\(empty\), None, 1.0\)"),
    (cell("ports.csv", 3, "latitude", "100"), InvalidValue, "ports.csv, row 3, latitude = 100.0 .*-90 and 90"),
    (cell("ports.csv", 3, "port", "old pier"), InvalidValue, "ports.csv, row 3, port = old pier .*row 2"),
    # expressway
    (cell("expressway.csv", 2, "to", "hamlet"), InvalidValue, "expressway.csv, row 2, to = hamlet"),
    (cell("expressway.csv", 2, "to", "hill"), InvalidValue, "expressway.csv, row 2, to = hill .*another region"),
    (end("expressway.csv", "harbour,hill"), InvalidValue, "expressway.csv, row 3, .*harbour - hill .*row 2"),
    (text("expressway.csv", "hill,harbour\n", ""), EmptyFile, "expressway.csv is empty"),
    # panels: cells
    (without("trade.csv"), UnreadableFile, "trade.csv.*No such file"),
    (
        text("preferences.csv", "1972,goods,0.4\n", ""),
        MissingKey,
        r"preferences.csv: .*year 1972, sector goods.*1 of 4",
    ),
    (end("preferences.csv", "1976,service,0.55"), InvalidValue, "preferences.csv, row 6, sector = service .*row 5"),
    (
        cell("preferences.csv", 2, "year", "1973"),
        InvalidValue,
        "preferences.csv, row 2, year = 1973 .*one of 1976, 1972",
    ),
    (cell("preferences.csv", 2, "sector", "good"), InvalidValue, "preferences.csv, row 2, sector = good .*goods"),
    (cell("preferences.csv", 2, "share", "nan"), InvalidValue, "preferences.csv, row 2, share = nan"),
    (cell("preferences.csv", 2, "share", "-0.4"), InvalidValue, r"row 2 \(year 1972, sector goods\), share = -0.4 "),
    (cell("preferences.csv", 2, "share", "0.41"), InvalidValue, r"rows 2 to 3 \(year 1972\), share summed .*= 1.01 "),
    (cell("preferences.csv", 2, "share", "0.4000001"), InvalidValue, r"share summed .*1 within 1e-08"),
    (cell("input_output.csv", 4, "share", "0.5"), InvalidValue, r"rows 2 to 4 \(year 1972, sector goods\), .*= 1.1 "),
    (
        both(cell("input_output.csv", 4, "share", "0"), cell("input_output.csv", 3, "share", "0.6")),
        InvalidValue,
        r"input_output.csv, row 4 \(year 1972, sector goods, input labour\), share = 0 .*labour",
    ),
    (
        cell("input_output.csv", 4, "input", "capital"),
        InvalidValue,
        "input_output.csv, row 4, input = capital .*labour",
    ),
    (cell("tariffs.csv", 2, "rate", "-0.1"), InvalidValue, r"tariffs.csv, row 2 .*rate = -0.1 .*at least 0"),
    (cell("firm_mass.csv", 2, "mass", "0.2"), InvalidValue, "firm_mass.csv, rows 2 to 5, mass summed .*= 1.075 "),
    (cell("firm_mass.csv", 2, "mass", "-0.1"), InvalidValue, r"firm_mass.csv, row 2 \(region hill, sector goods\)"),
    (
        both(cell("firm_mass.csv", 2, "mass", "0"), cell("firm_mass.csv", 3, "mass", "0.25")),
        InvalidValue,
        r"gross_output.csv, row 2 \(year 1972, region hill, sector goods\), share_of_sector = 0.3 .*no firms",
    ),
    (
        cell("gross_output.csv", 2, "share_of_sector", "0"),
        InvalidValue,
        "gross_output.csv, row 2 .*firm_mass.csv has firms",
    ),
    (cell("gross_output.csv", 2, "share_of_sector", "0.4"), InvalidValue, r"rows 2 to 4 \(year 1972, sector goods\)"),
    (cell("trade.csv", 2, "export_intensity", "1"), InvalidValue, "trade.csv, row 2 .*export_intensity = 1 .*below 1"),
    (cell("trade.csv", 2, "import_share", "-1"), InvalidValue, "trade.csv, row 2 .*import_share = -1 "),
    (
        cell("trade.csv", 3, "import_share", "0.1"),
        InvalidValue,
        "trade.csv, row 3 .*import_share = 0.1 .*no foreign trade",
    ),
    (
        cell("growth.csv", 2, "real_gdp", "100"),
        InvalidValue,
        r"growth.csv, row 2 \(year 1972\), real_gdp = 100 .*index",
    ),
    (cell("growth.csv", 3, "real_gdp", "0"), InvalidValue, "growth.csv, row 3 .*real_gdp = 0 .*above 0"),
    (cell("ppi.csv", 3, "ppi", "0"), InvalidValue, "ppi.csv, row 3 .*ppi = 0 .*above 0"),
    (cell("adopter_shares.csv", 3, "share", "10"), InvalidValue, "adopter_shares.csv, row 3 .*share = 10 .*at most 1"),
    (cell("adopter_shares.csv", 3, "sector", "service"), InvalidValue, "adopter_shares.csv, row 3, sector = service"),
    # moments
    (
        cell("moments.csv", 2, "moment", "adopter_share_1980"),
        InvalidValue,
        "moments.csv, row 2, moment = adopter_share_1980",
    ),
    (
        cell("moments.csv", 3, "moment", "exporter_share_service"),
        InvalidValue,
        "row 3, moment = exporter_share_service",
    ),
    (cell("moments.csv", 3, "moment", "adopter_share_1972"), InvalidValue, "moments.csv, row 3, moment .*row 2"),
    (cell("moments.csv", 2, "value", "7"), InvalidValue, "moments.csv, row 2, value = 7.0 .*fractions"),
    (cell("moments.csv", 3, "weight", "0"), InvalidValue, "moments.csv, row 3, weight = 0.0 .*above 0"),
    (cell("moments.csv", 3, "source", ""), InvalidValue, r"moments.csv, row 3, source = \(empty\)"),
]


@pytest.mark.parametrize(("corrupt", "error", "message"), REFUSALS, ids=range(len(REFUSALS)))
def test_a_corrupted_folder_is_refused(
    corrupt: Callable[[Path], None], error: type[InputError], message: str, folder: Path
):
    corrupt(folder)
    with pytest.raises(error, match=message) as caught:
        load_economy_bundle(folder)
    assert type(caught.value) is error
    assert "Remedy: " in str(caught.value)


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(UnreadableFile, match="no such folder"):
        load_economy_bundle(tmp_path / "economy")


def test_area_is_given_for_all_regions_or_none(folder):
    shutil.copy(folder / HEAD, folder.parent / HEAD)
    text("regions.csv", "subsidised\n", "subsidised,area_km2\n")(folder)
    text("regions.csv", "300.0,0\n", "300.0,0,\n")(folder)
    text("regions.csv", "700.0,1\n", "700.0,1,50\n")(folder)
    with pytest.raises(InvalidValue, match=r"regions.csv, row 2, area_km2 = \(empty\)"):
        load_economy_bundle(folder)
    cell("regions.csv", 2, "area_km2", "20")(folder)
    with pytest.raises(InvalidValue, match=r"national_area_km2 = 4000.0 .*no column area_km2"):
        load_economy_bundle(folder)
    text(HEAD, "national_area_km2 = 4000.0\n", "")(folder)
    assert load_economy_bundle(folder).areas.tolist() == [20, 50]
    cell("regions.csv", 2, "area_km2", "0")(folder)
    with pytest.raises(InvalidValue, match=r"regions.csv, row 2 \(region hill\), area_km2 = 0 .*above 0"):
        load_economy_bundle(folder)


# --- refusals: in memory -----------------------------------------------------------------------------------------

ZERO = np.zeros((2, 2))
IN_MEMORY = [
    ({"labour": [1.0]}, ShapeMismatch, r"labour has shape \(1,\), but \(2,\) = \(N\)"),
    ({"gross_output": ZERO}, ShapeMismatch, r"gross_output .*\(2, 2, 2\) = \(T, N, J\)"),
    ({"labour": ["a", "b"]}, WrongType, "labour = list"),
    ({"labour": None}, ShapeMismatch, "labour"),
    ({"labour": [1.0, np.inf]}, InvalidValue, "regions.csv, region harbour, labour = inf .*finite"),
    ({"preferences": ZERO}, InvalidValue, r"preferences.csv \(year 1972\), share summed over all sectors = 0 "),
    ({"firm_mass": ZERO}, InvalidValue, "firm_mass.csv, mass summed over all regions and sectors = 0 "),
    ({"adopter_share": [[0, 0], [0.1, 0.1]]}, InvalidValue, "region harbour, sector service, share = 0.1 .*not adopt"),
    ({"expressway": (("hill", "moon"),)}, InvalidValue, "expressway.csv, entry 1, to = moon"),
    ({"ports": ()}, MissingKey, "ports.csv: the key 'a port' is missing"),
    ({"region_names": ("One",)}, InvalidValue, "number of names = 1"),
    ({"region_names": ("One", "Two\nlines")}, InvalidValue, "entry 2, name"),
    ({"description": ""}, InvalidValue, "description"),
    ({"provenance": {}}, MissingKey, "provenance: the key 'regions'"),
]


@pytest.mark.parametrize(("changes", "error", "message"), IN_MEMORY, ids=range(len(IN_MEMORY)))
def test_a_wrong_economy_cannot_be_made(changes, error, message):
    with pytest.raises(error, match=message):
        dataclasses.replace(example_bundle(), **changes)


def test_adopters_need_firms():
    economy = example_bundle()
    mass, output = np.array([[0.0, 0.25], [0.25, 0.5]]), economy.gross_output.copy()
    output[:, :, 0] = [0, 1]
    shares = np.array([[0.1, 0.0], [0.1, 0.0]])
    with pytest.raises(InvalidValue, match=r"adopter_shares.csv, region hill, sector goods, share = 0.1 .*no firms"):
        dataclasses.replace(economy, firm_mass=mass, gross_output=output, adopter_share=shares)
    none = dataclasses.replace(economy, firm_mass=mass, gross_output=output)
    assert none.gross_output[0, 0, 0] == 0


def test_shares_within_the_tolerance_are_kept_as_they_are():
    economy = example_bundle()
    nearly = economy.preferences + np.array([[5e-9, 0.0], [0.0, 0.0]])
    assert (dataclasses.replace(economy, preferences=nearly).preferences == nearly).all()
