"""Input frames: every refusal names frame, column, rows and remedy; pandas, polars and Arrow give the same data."""

import re
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa  # type: ignore[import-untyped]
import pytest

from bigpush_est import errors
from bigpush_est.data.frame_files import load_micro_data, write_micro_data
from bigpush_est.data.frame_schemas import SCHEMAS
from bigpush_est.data.frames import MicroData
from bigpush_est.data.sample_panel import sample_panel

PANEL = pd.DataFrame(
    {
        "firm": ["b", "a", "a", "c"],
        "year": [1972, 1973, 1972, 1972],
        "region": ["ulsan", "suwon", "suwon", "ulsan"],
        "sector": ["metals", "electronics", "electronics", "metals"],
        "group": [None, "g1", "g1", None],
        "sales": [3.0, 2.5, 2.0, np.nan],
        "employment": [10, 20, 30, 40],
    }
)
CONTRACTS = pd.DataFrame(
    {
        "contract": ["k1", "k2", "k3"],
        "firm": ["a", "b", "b"],
        "year": [1973, 1971, 1974],
        "cancelled_year": [np.nan, 1972.0, np.nan],
        "cancelled_by": [None, "foreign", None],
    }
)
GROUPS = pd.DataFrame({"group": ["g1"], "firm": ["a"], "first_year": [1972]})
REGIONS = pd.DataFrame({"region": ["ulsan", "suwon"], "latitude": [35.5, 37.3], "longitude": [129.3, 127.0]})
SECTORS = pd.DataFrame({"sector": ["metals", "electronics"], "heavy": [1, 0]})
CREDIT = pd.DataFrame({"firm": ["a"], "year": [1973], "amount": [1.5]})
FAIRS = pd.DataFrame({"firm": ["a"], "year": [1973], "participations": [2], "revenue": [0.5]})
TARIFFS = pd.DataFrame({"sector": ["metals"], "year": [1973], "import_tariff": [0.3]})
COMPLEXES = pd.DataFrame({"region": ["ulsan"], "first_year": [1974]})
ALL: dict[str, Any] = {
    "panel": PANEL,
    "contracts": CONTRACTS,
    "groups": GROUPS,
    "regions": REGIONS,
    "sectors": SECTORS,
    "credit": CREDIT,
    "trade_fairs": FAIRS,
    "tariffs": TARIFFS,
    "complexes": COMPLEXES,
}


def of(**changes: Any) -> MicroData:
    return MicroData.of(**(ALL | changes))


def cell(frame: pd.DataFrame, row: int, column: str, value: Any) -> pd.DataFrame:
    changed = frame.astype({column: object})
    changed.loc[row, column] = value
    return changed.infer_objects()


def test_frames_are_sorted_typed_and_noted():
    data = of()
    panel = data.panel
    assert list(panel["firm"]) == ["a", "a", "b", "c"]
    assert list(panel["year"]) == [1972, 1973, 1972, 1972]
    assert panel["year"].dtype == np.int64
    assert panel["employment"].dtype == np.float64
    assert data.sectors is not None
    assert data.sectors["heavy"].tolist() == [True, False]
    assert [str(note) for note in data.notes if note.frame == "panel"] == ["panel: sales missing: 1 of 4"]
    assert data.adoption_years().to_dict() == {"a": 1973, "b": 1974}  # k2 was cancelled
    assert list(panel["group"].isna()) == [False, False, True, True]
    assert "4 rows, 3 firms, 1972-1973" in data.summary()
    panel["sales"] = 0.0  # a copy: the data stay as they are
    assert data.panel["sales"].sum() == 7.5


@pytest.mark.parametrize("make", [pl.from_pandas, pa.Table.from_pandas, lambda f: f.convert_dtypes()])
def test_polars_arrow_and_nullable_pandas_give_the_same(make):
    plain, other = of(), MicroData.of(**{name: make(frame) for name, frame in ALL.items()})
    for name in ALL:
        pd.testing.assert_frame_equal(plain.frames[name], other.frames[name])
    assert plain.notes == other.notes


def test_whole_numbers_serve_as_identifiers():
    numbered = PANEL.assign(firm=[7, 8, 8, 9])
    data = MicroData.of(panel=numbered)
    assert sorted(set(data.panel["firm"])) == ["7", "8", "9"]
    categorical = MicroData.of(panel=PANEL.astype({"region": "category"}))
    assert list(categorical.panel["region"]) == list(of().panel["region"])


def test_missing_numbers_among_objects_are_read():
    given = PANEL.assign(sales=pd.Series([3, None, 2.0, None], dtype=object))
    assert MicroData.of(panel=given).panel["sales"].isna().sum() == 2


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"panel": PANEL.drop(columns="sales")}, errors.ColumnMissing, "panel: the column 'sales' is missing"),
        (
            {"panel": PANEL.rename(columns={"sales": "sale"})},
            errors.ColumnMissing,
            "if it is 'sale', pass columns={'panel': {'sale': 'sales'}}",
        ),
        ({"panel": PANEL.set_index(["firm", "year"])}, errors.ColumnMissing, "call reset_index() first"),
        ({"panel": PANEL.assign(tfp=1.0)}, errors.ColumnUnknown, "extra={'panel': ['tfp']}"),
        ({"panel": PANEL.assign(employmnt=1.0)}, errors.ColumnUnknown, "rename it to 'employment'"),
        (
            {"panel": pd.concat([PANEL, PANEL["sales"]], axis=1)},
            errors.ColumnUnknown,
            "'sales' is not known (its first values: given twice)",
        ),
        (
            {"panel": pa.Table.from_arrays([pa.array([1])] * 2, names=["firm", "firm"])},
            errors.ColumnUnknown,
            "'firm' is not known (its first values: given twice)",
        ),
        ({"panel": PANEL.rename(columns={"employment": 5})}, errors.ColumnUnknown, "its name is no text"),
        (
            {"panel": PANEL.assign(sales=["3", "2", "x", "1"])},
            errors.ColumnType,
            "numbers is expected (row 0: 3; row 1: 2; row 2: x; row 3: 1)",
        ),
        ({"panel": cell(PANEL, 1, "sales", "12,5")}, errors.ColumnType, "row 1: 12,5"),
        ({"panel": cell(PANEL, 0, "sales", np.inf)}, errors.ColumnType, "an infinite number"),
        ({"panel": PANEL.assign(sales=PANEL["sales"] > 2)}, errors.ColumnType, "type boolean"),
        ({"panel": PANEL.assign(year=[1972.5, 1973, 1972, 1972])}, errors.ColumnType, "row 0: 1972.5"),
        (
            {"panel": PANEL.assign(year=pd.to_datetime(PANEL["year"].astype(str), format="%Y"))},
            errors.ColumnType,
            ".dt.year of dates",
        ),
        ({"panel": PANEL.assign(firm=[1.5, 2, 2, 3])}, errors.ColumnType, "column 'firm'"),
        ({"panel": PANEL.assign(firm=PANEL["sales"] > 2)}, errors.ColumnType, "column 'firm'"),
        ({"sectors": SECTORS.assign(heavy=[1, 2])}, errors.ColumnType, "row 1: 2"),
        ({"sectors": SECTORS.assign(heavy=["yes", "no"])}, errors.ColumnType, "row 0: yes"),
        ({"panel": cell(PANEL, 2, "region", None)}, errors.ValueMissing, "row 2: firm a, year 1972, region missing"),
        ({"panel": cell(PANEL, 2, "region", "  ")}, errors.ValueMissing, "column 'region'"),
        ({"regions": cell(REGIONS, 0, "latitude", None)}, errors.ValueMissing, "region ulsan, latitude missing"),
        (
            {"panel": PANEL.assign(sales=np.nan)},
            errors.ColumnEmpty,
            "'sales': every one of 4 values is missing (first rows: row 0: firm b, year 1972",
        ),
        ({"panel": PANEL.assign(employment=None)}, errors.ColumnEmpty, "fill the column, or leave it out"),
        ({"panel": PANEL.assign(year=[72, 73, 72, 72])}, errors.ValueOutOfRange, "between 1800 and 2200"),
        ({"panel": cell(PANEL, 0, "sales", -3.0)}, errors.NegativeValue, "row 0: firm b, year 1972, sales -3"),
        ({"panel": pd.concat([PANEL, PANEL.iloc[:1]])}, errors.DuplicateRows, "row 4: firm b, year 1972"),
        ({"panel": cell(PANEL, 1, "region", "ulsan")}, errors.FirmInTwoRegions, "a: suwon in 1972, ulsan in 1973"),
        ({"panel": cell(PANEL, 1, "sector", "metals")}, errors.FirmInTwoRegions, "column 'sector': 1 firms"),
        ({"panel": PANEL.iloc[:0]}, errors.FrameMissing, "at least one row"),
        ({"panel": [1, 2]}, errors.WrongType, "a pandas, polars or Arrow table"),
        ({"panel": pl.from_pandas(PANEL).lazy()}, errors.WrongType, "collect() it first"),
        (
            {"contracts": cell(CONTRACTS, 0, "cancelled_by", "foreign")},
            errors.CancellationWithoutDate,
            "1 of 3 are cancelled without a date (row 0: contract k1, firm a, year 1973, cancelled_year missing)",
        ),
        (
            {"contracts": cell(CONTRACTS, 0, "cancelled_year", 1974)},
            errors.CancellationWithoutParty,
            "say who cancelled",
        ),
        (
            {"contracts": CONTRACTS.drop(columns="cancelled_by")},
            errors.CancellationWithoutParty,
            "add the column cancelled_by",
        ),
        (
            {"contracts": cell(CONTRACTS, 1, "cancelled_year", 1970)},
            errors.CancellationBeforeContract,
            "row 1: contract k2, firm b, year 1971, cancelled_year 1970",
        ),
        (
            {"contracts": cell(CONTRACTS, 1, "cancelled_by", "partner")},
            errors.ValueOutOfRange,
            "one of foreign, domestic, government, unknown",
        ),
        ({"contracts": cell(CONTRACTS, 2, "firm", "z")}, errors.UnknownFirm, "row 2: contract k3, firm z"),
        ({"credit": CREDIT.assign(firm="z")}, errors.UnknownFirm, "credit, column 'firm'"),
        ({"credit": CREDIT.drop(columns="firm")}, errors.ColumnMissing, "by firm, or by region and sector"),
        ({"groups": GROUPS.assign(firm="z")}, errors.GroupWithoutRegion, "group g1, firm z"),
        (
            {"groups": pd.DataFrame({"group": ["g1", "g2"], "firm": ["a", "a"], "first_year": [1972, 1972]})},
            errors.FirmInTwoGroups,
            "2 of 2 rows: a firm in two groups at once (row 0: firm a, group g1, first_year 1972; row 1:",
        ),
        ({"panel": PANEL.astype({"year": str})}, errors.ColumnType, "row 0: 1972; row 1: 1973"),
        ({"panel": PANEL.assign(firm=[1e17, 2.0, 2.0, 3.0])}, errors.ColumnType, "too large to be exact"),
        ({"panel": PANEL[["firm", "region"]]}, errors.ColumnMissing, "also missing: sector, sales"),
        (
            {"panel": PANEL.assign(tfp=1.0, debt=1.0)},
            errors.ColumnUnknown,
            "unknown='drop' drops all such columns), or keep it with extra={'panel': ['tfp']}; also not known: debt",
        ),
        ({"unknown": "keep"}, errors.InvalidValue, "unknown = keep"),
        ({"columns": {"panels": {"x": "sales"}}}, errors.UnknownKey, "panels"),
        ({"columns": {"panel": {"umsatz": "sales"}}}, errors.ColumnMissing, "columns= gives the table's own name"),
        ({"columns": {"panel": {"employment": "sales"}}}, errors.ColumnUnknown, "there beside 'employment'"),
        (
            {"columns": {"panel": {"employment": "x", "sales": "x"}}},
            errors.ColumnUnknown,
            "columns= gives it to two columns",
        ),
        ({"groups": GROUPS.assign(group="g2")}, errors.GroupsDisagree, "firm a, year 1972, group g1"),
        ({"regions": REGIONS.iloc[:1]}, errors.UnknownRegion, "panel, column 'region': 2 of 4"),
        ({"complexes": COMPLEXES.assign(region="mars")}, errors.UnknownRegion, "complexes, column 'region'"),
        (
            {"regions": REGIONS.assign(latitude=[135.5, 37.3])},
            errors.CoordinateOutOfRange,
            "region ulsan, latitude 135",
        ),
        ({"regions": REGIONS.assign(longitude=[129.3, -190])}, errors.CoordinateOutOfRange, "between -180 and 180"),
        ({"tariffs": TARIFFS.assign(sector="steel")}, errors.UnknownSector, "tariffs, column 'sector': 1 of 1"),
        ({"sectors": SECTORS.iloc[:1]}, errors.UnknownSector, "panel, column 'sector'"),
        ({"label": "real"}, errors.InvalidValue, "label = real"),
        ({"sales_definition": "net"}, errors.InvalidValue, "sales_definition = net"),
        ({"unmatched": "keep"}, errors.InvalidValue, "unmatched = keep"),
        ({"extra": {"panels": ["x"]}}, errors.UnknownKey, "panels"),
        ({"extra": {"panel": ["x"]}}, errors.ColumnMissing, "extra= names columns that the table has"),
    ],
)
def test_what_is_refused_says_where_and_what_to_do(changes, error, words):
    with pytest.raises(error, match=re.escape(words)) as caught:
        of(**changes)
    assert "Remedy: " in str(caught.value)
    assert type(caught.value) is error


def test_five_rows_are_shown_and_the_others_counted():
    panel = pd.DataFrame(
        {"firm": [f"f{i}" for i in range(9)], "year": 1972, "region": "r", "sector": "s", "sales": -1.0}
    )
    with pytest.raises(errors.NegativeValue, match="9 of 9") as caught:
        MicroData.of(panel=panel)
    assert "row 4: firm f4" in str(caught.value)
    assert "row 5" not in str(caught.value)
    assert "; ..." in str(caught.value)


def test_extra_columns_stay():
    extra = PANEL.assign(tfp=[1, 2, 3, 4], remark=["x", None, "y", "z"])
    panel = of(panel=extra, extra={"panel": ["tfp", "remark"]}).panel
    assert panel["tfp"].tolist() == [3.0, 2.0, 1.0, 4.0]
    assert panel["remark"].dropna().tolist() == ["y", "x", "z"]


NAMES = {"panel": {"plant_id": "firm", "jahr": "year", "ort": "region", "umsatz": "sales"}}


@pytest.mark.parametrize("make", [lambda f: f, pl.from_pandas, pa.Table.from_pandas])
def test_columns_may_have_names_of_your_own(make):
    own = PANEL.rename(columns={new: name for name, new in NAMES["panel"].items()}).assign(auditor="big")
    data = MicroData.of(panel=make(own), columns=NAMES, unknown="drop")
    pd.testing.assert_frame_equal(data.panel, MicroData.of(panel=PANEL).panel)
    assert "panel: column 'auditor' dropped: 4 of 4" in [str(note) for note in data.notes]
    kept = MicroData.of(panel=make(own), columns=NAMES, extra={"panel": ["auditor"]})
    assert kept.panel["auditor"].tolist() == ["big"] * 4
    swapped = PANEL.rename(columns={"region": "sector", "sector": "region"})  # two names that change places
    exchange = {"panel": {"region": "sector", "sector": "region"}}
    pd.testing.assert_frame_equal(
        MicroData.of(panel=make(swapped), columns=exchange).panel, MicroData.of(panel=PANEL).panel
    )


def test_files_may_have_names_of_your_own(tmp_path):
    own = PANEL.assign(firm=["007", "a", "a", "c"]).rename(columns={"firm": "plant_id", "year": "jahr"})
    own.to_csv(tmp_path / "panel.csv", index=False)
    data = load_micro_data(tmp_path, columns={"panel": {"plant_id": "firm", "jahr": "year"}})
    assert data.panel["firm"].tolist() == ["007", "a", "a", "c"]  # text by the schema's kind, under any name


def test_long_numbers_stay_apart():
    close = [2**60, 2**60 + 1, 2**60 + 1, 2**60 + 2]
    data = MicroData.of(panel=PANEL.assign(firm=close))
    assert data.panel["firm"].tolist() == [str(close[0]), str(close[1]), str(close[1]), str(close[3])]


def test_what_the_panel_lacks_can_be_dropped_and_is_counted():
    data = of(contracts=cell(CONTRACTS, 2, "firm", "z"), unmatched="drop")
    assert data.contracts is not None
    assert len(data.contracts) == 2
    assert "contracts: rows of firms that the panel lacks, dropped: 1 of 3" in map(str, data.notes)


def test_groups_come_from_the_list_or_from_the_panel():
    listed = of(panel=PANEL.drop(columns="group"), groups=GROUPS.assign(first_year=1973))
    assert listed.panel["group"].tolist()[1] == "g1"
    assert listed.panel["group"].isna().tolist() == [True, False, True, True]
    assert "panel: group filled in from the list of groups: 1 of 4" in map(str, listed.notes)
    made = of(groups=None).groups
    assert made is not None
    assert made.to_dict("list") == {"group": ["g1"], "firm": ["a"], "first_year": [1972]}


def test_logs_refuse_what_has_none():
    data = of(panel=cell(PANEL, 0, "sales", 0.0))
    assert "panel: sales zero, without a logarithm: 1 of 4" in map(str, data.notes)
    with pytest.raises(errors.NotPositiveBeforeLogs, match=r"1 of 4 .*row 2: firm b, year 1972, sales 0\)"):
        data.log("sales")
    with pytest.raises(errors.ColumnMissing, match="'wages'"):
        data.log("wages")
    np.testing.assert_allclose(of().log("sales"), np.log([2.0, 2.5, 3.0, np.nan]))


def test_a_frame_that_is_needed_is_asked_for():
    data = MicroData.of(panel=PANEL)
    assert data.contracts is None
    with pytest.raises(errors.FrameMissing, match=r"'contracts' is missing: who adopted when.*pass contracts="):
        data.adoption_years()


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_a_folder_is_read_as_the_tables_are(tmp_path, ending):
    for name, frame in ALL.items():
        write = frame.to_csv if ending == ".csv" else frame.to_parquet
        write(tmp_path / f"{name}{ending}", index=False)
    (tmp_path / "data.toml").write_text('label = "public"\nsource = "a book"\n', encoding="utf-8")
    data = load_micro_data(tmp_path)
    assert (data.label, data.source, data.sales_definition) == ("public", "a book", "gross")
    for name in ALL:
        pd.testing.assert_frame_equal(data.frames[name], of().frames[name])


def test_identifiers_and_names_in_files_stay_as_they_are(tmp_path):
    (tmp_path / "panel.csv").write_text("firm,year,region,sector,sales\n007,1972,NA,1,2.5\n", encoding="utf-8")
    assert load_micro_data(tmp_path).panel.iloc[0].tolist() == ["007", 1972, "NA", "1", 2.5]


def test_what_is_written_is_read_again_and_the_same_bytes(tmp_path):
    data = of(label="public", source='with "quotes" and \\')
    files = write_micro_data(data, tmp_path / "one")
    again = load_micro_data(tmp_path / "one")
    assert again.source == data.source
    for name in ALL:
        pd.testing.assert_frame_equal(again.frames[name], data.frames[name])
    for file in write_micro_data(again, tmp_path / "two"):
        assert file.read_bytes() == (tmp_path / "one" / file.name).read_bytes()
    assert [file.name for file in files][-1] == "data.toml"
    with pytest.raises(errors.OutputOccupied, match=r"panel\.csv\.gz"):
        write_micro_data(data, tmp_path / "one")
    write_micro_data(data, tmp_path / "one", overwrite=True)


def test_folders_that_cannot_be_read(tmp_path):
    with pytest.raises(errors.UnreadableFile, match="no such folder"):
        load_micro_data(tmp_path / "nowhere")
    with pytest.raises(errors.FrameMissing, match=r"panel\.csv or panel\.parquet"):
        load_micro_data(tmp_path)
    PANEL.to_csv(tmp_path / "panel.csv", index=False)
    PANEL.to_csv(tmp_path / "panel.csv.gz", index=False)
    with pytest.raises(errors.AmbiguousSource, match=r"panel\.csv and as panel\.csv\.gz"):
        load_micro_data(tmp_path)
    (tmp_path / "panel.csv.gz").unlink()
    (tmp_path / "data.toml").write_text('year = "1972"\n', encoding="utf-8")
    with pytest.raises(errors.UnknownKey, match="'year'"):
        load_micro_data(tmp_path)
    (tmp_path / "data.toml").write_text("label = own\n", encoding="utf-8")
    with pytest.raises(errors.UnreadableFile, match=r"data\.toml"):
        load_micro_data(tmp_path)
    (tmp_path / "data.toml").unlink()
    (tmp_path / "panel.csv").write_text("", encoding="utf-8")
    with pytest.raises(errors.UnreadableFile, match=r"panel\.csv"):
        load_micro_data(tmp_path)
    (tmp_path / "panel.csv").unlink()
    (tmp_path / "panel.parquet").write_bytes(b"no parquet")
    with pytest.raises(errors.UnreadableFile, match=r"panel\.parquet"):
        load_micro_data(tmp_path)


def test_schemas_describe_every_frame_of_the_sample():
    data = sample_panel()
    assert set(data.frames) == set(SCHEMAS)
    for name, frame in data.frames.items():
        known = {column.name for column in SCHEMAS[name].columns}
        assert set(frame.columns) <= known
        assert all(column.meaning for column in SCHEMAS[name].columns)
