"""The published figures: transcribed in full, consistent, found in the paper, and refused when corrupted."""

import csv
import math
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bigpush_est.data import locate
from bigpush_est.data.locate import data_folder, models_folder
from bigpush_est.data.published import CONTROLS, load_published
from bigpush_est.errors import (
    AmbiguousSource,
    EmptyFile,
    InputError,
    InvalidValue,
    MissingKey,
    UnknownFigure,
    UnknownKey,
    UnreadableFile,
)

FOLDER = data_folder("published")
PAPER = Path(__file__).resolve().parents[2].parent / "shared" / "seeds" / "000_6b3780f4af565e53.txt"
NUMBER_WORDS = {"two": 2.0, "four": 4.0, "fourfold": 4.0, "six": 6.0}
EARLIER = "earlier version, December 2024 (not in the January 2026 text)"


# --- what is there -----------------------------------------------------------------------------------------------


def test_every_cell_of_the_three_tables_is_there():
    published = load_published()
    assert [(c.panel, c.column) for c in published.table1_cells] == [(p, k) for p in "AB" for k in range(1, 9)]
    assert len(published.table2_rows) == 17  # 16 printed rows; the two distance elasticities share one
    assert sum(r.block == "external" for r in published.table2_rows) == 10
    assert len({r.moment for r in published.table2_rows if r.moment}) == 7  # "7 targeted moments"
    assert len({r.parameter for r in published.table2_rows if r.block == "internal"}) == 6  # "these 6 parameters"
    assert [sum(c.panel == panel for c in published.table3_cells) for panel in "ABC"] == [12, 5, 6]
    assert len(published.figures) == 115


# Typed from the paper again, apart from the files.
def test_table1_against_a_second_reading():
    read = {
        "A": "0.37 .42 - 3.19 .74 17.84 2.70 .73 21.56 2.45 .77 17.85 2.62 .74 21.50 2.67 .73 20.33 3.02 .78 22.47 "
        "2.83 .82 16.43",
        "B": "-.08 .11 - .79 .36 13.92 .85 .41 17.72 .82 .42 17.53 .85 .42 17.81 .90 .41 17.16 .82 .39 19.06 "
        ".84 .39 18.29",
    }
    for panel, printed in read.items():
        numbers = iter(None if word == "-" else float(word) for word in printed.split())
        for column, (coefficient, error, kp_f) in enumerate(zip(numbers, numbers, numbers, strict=True), start=1):
            cell = load_published().table1(panel, column)
            assert (cell.coefficient, cell.standard_error, cell.kp_f) == (coefficient, error, kp_f)
            assert cell.estimator == ("OLS" if column == 1 else "IV")
            assert cell.place == f"Table 1, Panel {panel}, column {column}"
            sample = {"A": (1492, 79, 1294), "B": (1977, 86, 1548)}[panel]
            assert (cell.n, cell.clusters_region, cell.clusters_group) == sample
    stars = {p: [load_published().table1(p, k).stars for k in range(1, 9)] for p in "AB"}
    assert stars == {"A": ["", *["***"] * 7], "B": ["", "**", "**", "*", "**", "**", "**", "**"]}


def test_controls_follow_the_notes_of_table1():
    extra = {
        1: set(),
        2: set(),
        3: {"business_group_sales_share"},
        4: {"business_group_sales_share", "region_sector"},
        5: {"business_group_sales_share", "directed_credit"},
        6: {"business_group_sales_share", "industrial_complex"},
        7: {"business_group_sales_share", "trade"},
        8: {"business_group_sales_share", "region_sector", "directed_credit", "industrial_complex", "trade"},
    }
    everywhere = {"fixed_effects", "initial_outcome", "difference_sets"}
    for cell in load_published().table1_cells:
        assert set(cell.controls) == everywhere | extra[cell.column]
        assert len(cell.controls) == len(set(cell.controls))
        if cell.column != 3:  # the one column whose ticks do not contradict the notes
            assert "ticks" in cell.note
            assert "notes" in cell.note
    assert set(CONTROLS) == everywhere | extra[8]


def test_table2_against_a_second_reading():
    published = load_published()
    external = {"eta": 1.25, "delta": 0.68, "sigma": 5, "theta": 4.24, "xi_heavy": 0.30}
    external |= {"upsilon_goods": 0.32, "upsilon_services": 0.95}
    assert {key: published.table2(key).value for key in external} == external
    ranges = {"alpha": (0.05, 0.47), "gamma_k": (0, 0.47), "firm_mass": (0, 0.05)}
    assert {key: (published.table2(key).low, published.table2(key).high) for key in ranges} == ranges
    internal = [
        ("adoption_cost", 0.0002, 0.06, 0.07),
        ("export_cost_light", 0.11, 0.35, 0.34),
        ("export_cost_heavy", 0.011, 0.21, 0.19),
        ("subsidy_rate", 0.06, 0.11, 0.09),
        ("subsidy_rate", 0.06, 0.09, 0.15),
        ("kappa", 1.40, 0.53, 0.47),
        ("tau_bar_heavy", 0.975, 0.20, 0.20),
    ]
    rows = [row for row in published.table2_rows if row.block == "internal"]
    assert [(row.parameter, row.value, row.model_fit, row.data) for row in rows] == internal


def test_table3_against_a_second_reading():
    published = load_published()
    panel_a = {
        "heavy_gdp_share": (3.59, -15.38, 77.33),
        "heavy_export_intensity": (7.75, -1.62, 11.13),
        "heavy_employment_share": (-0.13, -15.28, 81.22),
        "welfare": (14.61, -1.20, 83.76),
    }
    for key, numbers in panel_a.items():
        assert tuple(published.table3("A", key, s).value for s in ("aggregate", "local_low", "local_high")) == numbers
        assert published.table3("A", key).unit == ("percent" if key == "welfare" else "percentage points")
    sectors = ("commodity", "light", "heavy", "service", "total")
    assert [published.table3("B", f"output_{s}").value for s in sectors] == [-2.25, 5.56, 64.57, 8.97, 21.02]
    panel_c = [(c.id, c.value) for c in published.table3_cells if c.panel == "C"]
    assert panel_c == [
        ("lower_foreign_demand", 3.41),
        ("higher_import_tariffs", 3.06),
        ("no_highway", 2.46),
        ("no_internal_trade", 0),
        ("worsened_correlation", 1.86),
        ("worsened_level", 1.60),
    ]


# --- what follows from it ----------------------------------------------------------------------------------------


def test_the_published_parameters_follow_from_the_published_estimates():
    published = load_published()
    exponent = published.value("sigma") - 1
    assert math.exp(published.value("direct_effect_log_sales") / exponent) == pytest.approx(1.25, abs=0.005)
    assert published.value("eta") == published.table2("eta").value == 1.25
    assert published.value("spillover_sales_average") / exponent == pytest.approx(0.675)
    assert published.value("delta") == published.table2("delta").value == 0.68
    assert published.value("theta_over_sigma_minus_one") * exponent == pytest.approx(published.value("theta"))
    assert published.table2("theta").value == published.value("theta")
    assert published.value("xi_heavy") == -0.30  # the table leaves its sign out
    for kind in ("goods", "services"):
        upsilon = published.table2(f"upsilon_{kind}").value
        assert published.value(f"distance_elasticity_{kind}") / exponent == pytest.approx(upsilon, abs=0.005)


def test_which_average_of_the_spillover_estimates_is_the_published_one():
    coefficients = [load_published().table1("A", column).coefficient for column in range(2, 9)]
    assert sum(coefficients) / 7 == pytest.approx(2.783, abs=5e-4)  # would be quoted as 2.8
    assert sum(coefficients[1:]) / 6 == pytest.approx(2.715)
    assert round(sum(coefficients[1:]) / 6, 1) == load_published().value("spillover_sales_average") == 2.7


def test_the_quoted_percentages_follow_from_table3():
    published = load_published()
    baselines = []
    for text, cell in (("heavy_gdp_share", "heavy_gdp_share"), ("export_intensity", "heavy_export_intensity")):
        points = published.table3("A", cell).fraction
        assert published.value(f"{text}_effect_points") == pytest.approx(points)
        baselines.append(points / published.value(f"{text}_effect"))
    assert baselines == pytest.approx([0.133, 0.199], abs=5e-4)
    growth = [published.table3("A", "heavy_gdp_share").fraction / (baselines[0] * 0.73), 0.39 / 0.61]
    assert growth == pytest.approx([0.37, 0.64], abs=5e-3)
    base = published.table3("A", "heavy_gdp_share").value
    lost = {c.id: 1 - c.value / base for c in published.table3_cells if c.panel == "C"}
    assert lost["lower_foreign_demand"] == pytest.approx(0.05, abs=0.005)
    assert lost["higher_import_tariffs"] == pytest.approx(0.15, abs=0.005)
    # The introduction has the two the other way round, and is transcribed as it stands.
    assert published.value("intro_tariff_reduction_as_printed") == 0.05
    assert published.value("intro_foreign_demand_reduction_as_printed") == 0.15
    assert published.value("welfare_effect") == round(published.table3("A", "welfare").fraction, 3)
    assert published.value("total_output_effect") == round(published.table3("B", "output_total").fraction, 2)
    for figure, cell in (("welfare_effect", "welfare"), ("heavy_gdp_share_effect", "heavy_gdp_share")):
        printed = published.figure(f"{figure}_regional_range")
        exact = [published.table3("A", cell, f"local_{end}").fraction for end in ("low", "high")]
        assert [printed.low, printed.high] == pytest.approx(exact, abs=6e-4)


def test_the_text_and_the_tables_agree_where_both_print_a_figure():
    published = load_published()
    assert published.value("complementarity") == published.table1("B", 3).coefficient
    assert published.value("spillover_sales") == published.table1("A", 3).coefficient
    ratio = published.value("complementarity") / (100 * published.value("adoption_probability_1979_1980"))
    assert ratio == pytest.approx(published.value("complementarity_relative"), abs=0.005)
    for year in (1972, 1976, 1980):
        row = next(r for r in published.table2_rows if r.moment == f"adopter_share_{year}")
        figures = published.value(f"adopter_share_{year}_model"), published.value(f"adopter_share_{year}_data")
        assert figures == (row.model_fit, row.data)
    assert published.value("subsidy_rate") == published.table2("subsidy_rate", "adopter_share_1976").value
    parts = published.value("losers_not_yet_treated"), published.value("losers_never_treated")
    assert sum(parts) == published.value("matches")
    suwon, ulsan = published.value("samsung_firms_suwon"), published.value("samsung_firms_ulsan")
    assert suwon + ulsan == published.value("samsung_firms")


# --- is it in the paper? -----------------------------------------------------------------------------------------


def numbers_in(quote: str) -> set[float]:
    digits = re.findall(r"(?:(?<!\d)-)?\d[\d,]*(?:\.\d+)?", quote)
    words = {number for word, number in NUMBER_WORDS.items() if re.search(rf"\b{word}\b", quote)}
    return {float(number.replace(",", "")) for number in digits} | words


@pytest.mark.parametrize("figure", load_published().figures, ids=lambda figure: figure.id)
def test_a_figure_stands_in_its_quote(figure):
    if not figure.quote:
        assert figure.place == EARLIER
        assert figure.missing
        return
    assert len(figure.quote) < 130, "a quote is short"
    printed = numbers_in(figure.quote)
    for number in (figure.value, figure.low, figure.high):
        if number is None:
            continue
        scales = (1,) if figure.unit == "year" else (1, 100)  # percentages are stored as fractions
        assert any(math.isclose(number * scale, p) for scale in scales for p in printed)


def test_quotes_are_the_papers_words():
    if not PAPER.is_file():
        pytest.skip("the paper's text is not beside this checkout (../shared)")
    paper = " ".join(PAPER.read_text(encoding="utf-8").split())
    strays = [f.id for f in load_published().figures if " ".join(f.quote.split()) not in paper]
    assert not strays


def test_table_numbers_stand_in_the_papers_tables():
    if not PAPER.is_file():
        pytest.skip("the paper's text is not beside this checkout (../shared)")
    lines = PAPER.read_text(encoding="utf-8").split("Table 1: Local Spillover")[1].splitlines()
    published = load_published()
    for panel, k in (("A", 0), ("B", 1)):
        cells = [published.table1(panel, column) for column in range(1, 9)]
        shown = [f"{c.coefficient:.2f}{c.stars} ({c.standard_error:.2f})" for c in cells]
        assert [line.split("\t")[1:] for line in lines if line.startswith(r"$\Delta \text{Share}")][k] == shown
        kp_f = [f"{c.kp_f:.2f}" for c in cells[1:]]
        assert [line.split("\t")[2:] for line in lines if line.startswith("KP-F\t")][k] == kp_f
        assert [line.split("\t")[1:] for line in lines if line.startswith("N\t")][k] == [f"{c.n:,}" for c in cells]
        clusters = f"{cells[0].clusters_region} × {cells[0].clusters_group:,}"
        assert clusters in [line for line in lines if line.lower().startswith("# clusters")][k]
    for row in published.table2_rows:
        if row.block == "internal":
            [line] = [line for line in lines if f"\t{row.identification}\t" in line]
            assert [float(cell) for cell in line.split("\t")[-2:]] == [row.model_fit, row.data]
            assert not line.split("\t")[2] or float(line.split("\t")[2]) == row.value
        else:
            [line] = [line for line in lines if f"\t{row.description}\t" in line]
            printed = [float(number) for number in re.split("[–, ]+", line.split("\t")[2])]
            assert {n for n in (row.value, row.low, row.high) if n is not None} <= set(printed)
    panel_a = [c for c in published.table3_cells if c.panel == "A"]
    aggregate = [f"{c.value:.2f}" for c in panel_a if c.statistic == "aggregate"]
    assert "\t".join(["Aggregate change", *aggregate]) in lines
    lows = [c.value for c in panel_a if c.statistic == "local_low"]
    highs = [c.value for c in panel_a if c.statistic == "local_high"]
    ranges = [f"[{low:.2f}, {high:.2f}]" for low, high in zip(lows, highs, strict=True)]
    assert "\t".join(["Local range", *ranges]) in lines
    assert "\t".join(f"{c.value:.2f}" for c in published.table3_cells if c.panel == "B") in lines
    panel_c = [c.value for c in published.table3_cells if c.panel == "C"]
    assert "\t".join(f"{value:.2f}" if value else "0" for value in panel_c) in lines


# --- looking up --------------------------------------------------------------------------------------------------


def test_everything_carries_its_label_and_its_place():
    published = load_published()
    every = [*published.figures, *published.table1_cells, *published.table2_rows, *published.table3_cells]
    assert {item.label for item in every} == {"published"}
    assert all(item.place for item in every)
    # What the main text gives without a standard error says so, instead of leaving an empty cell to be guessed at.
    for key in ("direct_effect_log_sales", "spillover_tfpr", "complementarity_high_market_access", "eta", "delta"):
        assert published.figure(key).standard_error is None
        assert "standard error" in published.figure(key).missing


def test_an_unknown_figure_names_the_nearest():
    with pytest.raises(UnknownFigure, match="direct_effect_log_sales"):
        load_published().figure("direct_effect_log_sale")
    with pytest.raises(UnknownFigure, match="A8"):
        load_published().table1("A", 9)
    with pytest.raises(UnknownFigure, match="kappa"):
        load_published().table2("kapa")
    with pytest.raises(UnknownFigure, match="adopter_share_1976"):
        load_published().table2("subsidy_rate", "adopter_share_1977")
    with pytest.raises(UnknownFigure, match="A welfare local_low"):
        load_published().table3("A", "welfare", "local_lowest")


def test_a_range_is_not_a_point():
    with pytest.raises(InvalidValue, match=r"event_window.*\[-5, 7\].*\.low and \.high"):
        load_published().value("event_window")


def test_two_rows_of_a_parameter_have_to_be_told_apart():
    with pytest.raises(AmbiguousSource, match=r"adopter_share_1976.*adopter_share_1980"):
        load_published().table2("subsidy_rate")


def test_the_shipped_tables_are_read_once_and_a_folder_of_ones_own_every_time(tmp_path):
    assert load_published() is load_published()
    copy = shutil.copytree(FOLDER, tmp_path / "published")
    assert load_published(copy) == load_published()
    text = (copy / "text.csv").read_text(encoding="utf-8")
    (copy / "text.csv").write_text(text.replace("eta,1.25,", "eta,1.26,"), encoding="utf-8")
    assert load_published(copy).value("eta") == 1.26


def test_importing_the_tables_loads_nothing_heavy():
    code = "import sys, bigpush_est.data.published; print(sorted({'numpy', 'pandas', 'pymc'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# --- where it lies -----------------------------------------------------------------------------------------------


def test_an_installed_copy_comes_before_a_checkout(tmp_path, monkeypatch):
    for folder in ("package/_data/published", "repository/data/published", "repository/models"):
        (tmp_path / folder).mkdir(parents=True)
    monkeypatch.setattr(locate, "_PACKAGE", tmp_path / "package")
    monkeypatch.setattr(locate, "_REPOSITORY", tmp_path / "repository")
    assert data_folder("published") == tmp_path / "package/_data/published"
    assert models_folder() == tmp_path / "repository/models"
    (tmp_path / "package/_models").mkdir()
    assert models_folder() == tmp_path / "package/_models"
    with pytest.raises(UnreadableFile, match="no such folder"):
        data_folder("moon")


# --- refusals ----------------------------------------------------------------------------------------------------


def cell(file: str, row: int, column: str, value: str) -> Callable[[Path], None]:
    """Return a corruption that writes a value into a row (a line of the file; the header is 1)."""

    def corrupt(folder: Path) -> None:
        with (folder / file).open(encoding="utf-8", newline="") as handle:
            lines = list(csv.reader(handle))
        lines[row - 1][lines[0].index(column)] = value
        with (folder / file).open("w", encoding="utf-8", newline="") as handle:
            csv.writer(handle, lineterminator="\n").writerows(lines)

    return corrupt


def rewritten(file: str, change: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    def corrupt(folder: Path) -> None:
        (folder / file).write_bytes(change((folder / file).read_bytes()))

    return corrupt


def row_of(key: str) -> int:
    return next(n for n, figure in enumerate(load_published().figures, start=2) if figure.id == key)


ETA, WINDOW, COVERAGE = row_of("eta"), row_of("event_window"), row_of("output_coverage")
REFUSALS = [
    (cell("table1.csv", 4, "coefficient", "2,7"), InvalidValue, "table1.csv, row 4, coefficient = 2,7.*a number"),
    (cell("table1.csv", 4, "coefficient", "nan"), InvalidValue, "row 4, coefficient = nan .*finite"),
    (cell("table1.csv", 4, "coefficient", ""), InvalidValue, r"row 4, coefficient = \(empty\)"),
    (cell("table1.csv", 4, "standard_error", "-0.73"), InvalidValue, "row 4, standard_error = -0.73 .*at least 0"),
    (cell("table1.csv", 4, "standard_error", "0"), InvalidValue, "row 4, standard_error = 0 .*above 0"),
    (cell("table1.csv", 4, "standard_error", ""), InvalidValue, "row 4, standard_error"),
    (cell("table1.csv", 4, "stars", "**"), InvalidValue, r"row 4, stars = \*\* .*'\*\*\*'"),
    (cell("table1.csv", 4, "coefficient", "0.27"), InvalidValue, "row 4, stars"),
    (cell("table1.csv", 4, "stars", "****"), InvalidValue, "row 4, stars .*one of"),
    (cell("table1.csv", 4, "kp_f", ""), InvalidValue, r"row 4, kp_f = \(empty\).*given for IV"),
    (cell("table1.csv", 2, "kp_f", "17"), InvalidValue, "row 2, kp_f = 17 .*empty for OLS"),
    (cell("table1.csv", 4, "estimator", "2SLS"), InvalidValue, "row 4, estimator = 2SLS .*OLS, IV"),
    (cell("table1.csv", 4, "panel", "C"), InvalidValue, "row 4, panel = C .*A, B"),
    (cell("table1.csv", 4, "column", "2"), InvalidValue, "row 4, column = 2 .*row 3"),
    (cell("table1.csv", 4, "n", "1492.5"), InvalidValue, "row 4, n = 1492.5 .*whole number"),
    (cell("table1.csv", 4, "n", "0"), InvalidValue, "row 4, n = 0 .*at least 1"),
    (cell("table1.csv", 4, "controls", "weather"), InvalidValue, "row 4, controls = weather .*directed_credit"),
    (cell("table1.csv", 4, "unit", ""), InvalidValue, "row 4, unit"),
    (cell("table2.csv", 12, "data", "7"), InvalidValue, "table2.csv, row 12, data = 7 .*between 0 and 1"),
    (cell("table2.csv", 12, "data", ""), InvalidValue, "row 12, data .*given for internal"),
    (cell("table2.csv", 2, "model_fit", "0.5"), InvalidValue, "row 2, model_fit = 0.5 .*empty for external"),
    (cell("table2.csv", 12, "moment", ""), InvalidValue, "row 12, moment"),
    (cell("table2.csv", 12, "block", "middle"), InvalidValue, "row 12, block = middle"),
    (cell("table2.csv", 9, "low", "0.5"), InvalidValue, "row 9, low = 0.5 .*at most high = 0.47"),
    (cell("table2.csv", 9, "high", ""), InvalidValue, "row 9, high .*two ends"),
    (cell("table2.csv", 9, "high", "47"), InvalidValue, "row 9, high = 47 .*it is a share"),
    (cell("table2.csv", 2, "value", ""), InvalidValue, "row 2, value .*where low and high are not"),
    (cell("table2.csv", 3, "parameter", "eta"), InvalidValue, "row 3, moment .*row 2"),
    (cell("table3.csv", 2, "statistic", "mean"), InvalidValue, "table3.csv, row 2, statistic = mean"),
    (cell("table3.csv", 2, "unit", "share"), InvalidValue, "row 2, unit = share"),
    (cell("table3.csv", 3, "value", "77.5"), InvalidValue, "row 3, value = 77.5 .*at most local_high = 77.33"),
    (cell("table3.csv", 4, "statistic", "local_low"), InvalidValue, "row 4, statistic = local_low .*row 3"),
    (cell("table3.csv", 4, "id", "moon"), InvalidValue, "row 3, statistic .*two ends"),
    (cell("text.csv", ETA, "id", "delta"), InvalidValue, r"text.csv, row \d+, id = delta .*unique"),
    (cell("text.csv", ETA, "id", ""), InvalidValue, f"row {ETA}, id"),
    (cell("text.csv", ETA, "value", "a lot"), InvalidValue, f"row {ETA}, value = a lot"),
    (cell("text.csv", ETA, "value", "inf"), InvalidValue, f"row {ETA}, value = inf"),
    (cell("text.csv", ETA, "standard_error", "-1"), InvalidValue, f"row {ETA}, standard_error = -1"),
    (cell("text.csv", ETA, "place", ""), InvalidValue, f"row {ETA}, place"),
    (cell("text.csv", COVERAGE, "value", "70"), InvalidValue, f"row {COVERAGE}, value = 70 .*fractions"),
    (cell("text.csv", WINDOW, "low", "9"), InvalidValue, f"row {WINDOW}, low = 9 .*at most high = 7"),
    (cell("text.csv", WINDOW, "value", "8"), InvalidValue, f"row {WINDOW}, value = 8 .*between low = -5 and high = 7"),
    (rewritten("text.csv", lambda b: b.replace(b"quote", b"words", 1)), MissingKey, "text.csv, row 1.*'quote'"),
    (rewritten("table3.csv", lambda b: b.replace(b"\n", b",mood\n", 1)), UnknownKey, "table3.csv, row 1.*'mood'"),
    (rewritten("table3.csv", lambda b: b.replace(b"\n", b",note\n", 1)), UnknownKey, "table3.csv, row 1.*'note'"),
    (rewritten("table3.csv", lambda b: b + b"C,one,two\n"), InvalidValue, "table3.csv, row 25, number of cells = 3"),
    (rewritten("table3.csv", lambda b: b"\n" + b), None, ""),
    (rewritten("table3.csv", lambda b: b"\xef\xbb\xbf" + b), None, ""),
    (rewritten("table1.csv", lambda b: b[: b.index(b"\n") + 1]), EmptyFile, "table1.csv is empty"),
    (rewritten("table1.csv", lambda b: b""), EmptyFile, "table1.csv is empty"),
    (rewritten("text.csv", lambda b: b + b"\xff\xfe"), UnreadableFile, "text.csv.*UTF-8"),
    (rewritten("text.csv", lambda b: b + b'x,"never closed'), UnreadableFile, "text.csv.*row"),
    (lambda folder: (folder / "table2.csv").unlink(), UnreadableFile, "table2.csv.*No such file"),
]


@pytest.mark.parametrize(("corrupt", "error", "message"), REFUSALS, ids=range(len(REFUSALS)))
def test_a_corrupted_file_is_refused(
    corrupt: Callable[[Path], None], error: type[InputError] | None, message: str, tmp_path: Path
):
    folder = shutil.copytree(FOLDER, tmp_path / "published")
    corrupt(folder)
    if error is None:  # harmless: an empty line, a byte-order mark
        assert load_published(folder) == load_published()
        return
    with pytest.raises(error, match=message) as caught:
        load_published(folder)
    assert type(caught.value) is error
    assert "Remedy: " in str(caught.value)
