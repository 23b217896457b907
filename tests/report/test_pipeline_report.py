"""The report of a pipeline run: what is on the page is what the results hold."""

import io
import json
import re
import xml.etree.ElementTree as ET
from dataclasses import asdict
from typing import Any

import matplotlib.image
import numpy as np
import pytest

from bigpush_est.pipeline.breakdown import Moved, summarised
from bigpush_est.pipeline.results import EVENTS
from bigpush_est.propagate.summary import Probability
from bigpush_est.report.numbers import NONE
from bigpush_est.report.pipeline import printed_tables, write_pipeline_report
from bigpush_est.report.pipeline.contents import all_tables
from bigpush_est.report.pipeline.figures import cloud
from bigpush_est.report.pipeline.page import paper_values
from bigpush_est.report.pipeline.sensitivity_figures import (
    breakdown,
    correlation_curve,
    knowing,
    specification_curve,
    tornado,
    variant_pages,
)
from bigpush_est.report.style import drawing, rendered
from bigpush_est.run_folder import RunFolder

from .pipeline_run import VARIANTS, Made, made, plain, quiet, read_csv, seen

LABEL = "Estimates: synthetic; synthetic economy, not Korea’s data"


@pytest.fixture
def page(tmp_path, blank):
    """Return what writes a run's report, with changed results or arrays, and returns its text as a reader sees it."""

    def write(run: Made, results=None, arrays=None, name="run") -> str:
        folder = RunFolder(tmp_path / name)
        run.written(folder, results)
        if arrays is not None:
            folder.write_arrays("figures.npz", arrays)
        # as a run does: what is drawn went through JSON
        write_pipeline_report(folder, folder.read_json("results.json"), quiet)
        return seen((tmp_path / name / "index.html").read_text(encoding="utf-8"))

    return write


def table_of(results, run: Made, name: str):
    return all_tables(results, run.arrays, run.study.raw)[name]


# -- page one ---------------------------------------------------------------------------------------------------------


def test_page_one_says_what_the_results_hold(micro, page, tmp_path):
    results = plain(micro, tmp_path)
    results["failures"] = []
    text = page(micro, results)
    answer = results["answers"]["recalibrated"]
    for name in ("multiple", "moved", "needed"):
        chance = answer["probabilities"][name]
        assert f"{100 * chance['hits'] / chance['draws']:.1f}% ± " in text
        assert chance["text"] in text
    gap = answer["differences"]["gdp_share"]
    assert f"GDP share by {100 * gap['median']:.2f} p.p. (90%: " in text
    assert "The paper’s 3.59 p.p. and its welfare gain of 14.6% both lie within the 90% intervals." in text
    assert "not to be relied on" not in text
    assert "Synthetic economy: not Korea’s data" in text
    assert "The estimates come from simulated firms" in text
    assert "The simulated firms were drawn with η 1.25 and δ 0.68" in text
    lost = answer["solver"]["unconverged"]
    assert lost > 0
    assert f"{lost} of 120 draws did not converge. They count as a no" in text
    assert f"would be {100 * answer['probabilities']['moved']['all_yes']:.1f}% instead of" in text
    assert "Calibration held at its point: P(moved) is " in text
    assert "Over 5 variants P(moved) goes from below 2.5% (“Column of Table 1: column 2”)" in text


def test_the_summary_has_both_versions_beside_the_paper(micro, tmp_path):
    results = plain(micro, tmp_path)
    table = table_of(results, micro, "summary")
    assert [column.label for column in table.columns] == [
        "",
        "Calibrated anew at each draw (exponent 4)",
        "Calibration held at its point (exponent 4)",
        "Second mapping, calibrated anew (exponent 2.5)",
        "Paper",
    ]
    [(_, rows)] = table.blocks()
    cells = [cells for _, cells in rows]
    assert [row[-1] for row in cells] == [NONE, NONE, NONE, "3.59", "14.6"]
    assert cells[1][3] == results["answers"]["second_mapping"]["probabilities"]["moved"]["text"]
    held = results["answers"]["fixed"]["welfare"]["log"]
    assert cells[4][2].startswith(f"{100 * held['median']:.1f} (")


def test_page_one_says_which_mapping_is_which_and_what_each_leads_to(micro, published, page, tmp_path):
    text = page(micro)
    second = micro.results["second"]["posterior"]["parameters"]["delta"]["median"]
    assert "Two mappings. The first, “undistorted”, takes effects on sales to be 4 times log η and δ" in text
    assert "The second, “gross_reinferred_xi”, takes 2.5: r = (σ−1)(1+ξ)" in text
    assert f"δ {second:.3g} (90%: " in text
    assert "sales rise with exponent 4: the first is the right one here, and the second shows what the wrong" in text
    moved = micro.results["answers"]["second_mapping"]["probabilities"]["moved"]
    said = f"the probability that it moved is {100 * moved['estimate']:.1f}% ± "
    assert f"With the second mapping of the same estimates, {said}" in text
    assert "What moves the answer, p.p. (welfare: %): the second mapping’s answer" in text
    headings = {row["mapping"] for row in table_of(plain(micro, tmp_path), micro, "posterior").rows}
    assert headings == {"Mapped with “undistorted”, 4", "Second mapping: “gross_reinferred_xi”, 2.5"}
    # published estimates have no truth to say which mapping holds
    text = page(published, name="published")
    assert "Which holds turns on what recorded sales are" in text
    assert "the right one here" not in text
    results = plain(micro, tmp_path)
    results["evidence"]["micro"]["truth"]["exponent"] = 2.5
    assert "the second is the right one here" in page(micro, results, name="distorted")


def test_without_a_second_mapping_nothing_speaks_of_one(page):
    text = page(made(versions=("recalibrated", "fixed")))
    assert "Exponent of the second mapping none" in text
    assert text.count("econd mapping") == 1


@pytest.mark.parametrize(
    ("low", "high", "gain", "words"),
    [
        (0.04, 0.05, 0.2, "The paper’s 3.59 p.p. lie below the 90% interval, its welfare gain of 14.6% within."),
        (0.01, 0.02, 0.02, "The paper’s 3.59 p.p. and its welfare gain of 14.6% both lie above the 90% intervals."),
    ],
)
def test_where_the_papers_points_lie(micro, page, tmp_path, low, high, gain, words):
    results = plain(micro, tmp_path)
    answer = results["answers"]["recalibrated"]
    answer["differences"]["gdp_share"] |= {"low90": low, "high90": high}
    answer["welfare"]["log"] |= {"low90": 0.01, "high90": gain}
    assert words in page(micro, results)


def test_failed_diagnostics_head_the_page(micro, page, tmp_path):
    results = plain(micro, tmp_path)
    assert results["failures"][0] == "recalibrated: 6 of 120 draws did not converge, more than 1%"
    results["failures"] = [f"posterior: gate {k}" for k in range(10)]
    text = page(micro, results)
    assert "Diagnostics failed: the answer below is not to be relied on" in text
    assert "The answer (not to be relied on)" in text
    assert "Posterior: gate 7" in text
    assert "Posterior: gate 8" not in text
    assert "and 2 more; all are in results.json" in text


def test_a_real_economy_is_not_called_synthetic(published, page, tmp_path):
    results = plain(published, tmp_path)
    results["label"], results["economy"]["label"] = "real", "real"
    text = page(published, results)
    assert "Economy: real" in text
    assert "The estimates come from real firms" in text
    assert "Korea’s data" not in text


def test_events_that_never_or_always_happen_are_bounds(micro, page, tmp_path):
    run = made("korea_micro", moved=0.0, variants=False)
    text = page(run)
    chance = run.results["answers"]["recalibrated"]["probabilities"]["moved"]
    assert chance["hits"] == 0
    assert chance["text"].startswith("< ")
    assert f"moved the economy to another one, below {chance['text'][2:]}" in text
    assert "All draws agree on whether the push moved the economy" in text
    always = made("korea_micro", moved=1.0, unconverged=0.0, variants=False)
    text = page(always, name="always")
    assert f"above {always.results['answers']['recalibrated']['probabilities']['moved']['text'][2:]}" in text


# -- the rest of the page ---------------------------------------------------------------------------------------------


def test_every_table_and_figure_is_on_the_page_and_in_files(micro, page, tmp_path):
    page(micro)
    folder = tmp_path / "run"
    raw = (folder / "index.html").read_text(encoding="utf-8")
    stems = {path.stem for path in (folder / "tables").glob("*.csv")}
    assert {"summary", "table1", "table2_parameters", "table3_c", "regions", "moves", "variants", "solver"} <= stems
    for stem in stems:
        assert f'id="table-{stem}"' in raw, stem
        rows = read_csv(folder / "tables" / f"{stem}.csv")
        stored = json.loads((folder / "tables" / f"{stem}.json").read_text(encoding="utf-8"))
        assert len(rows) == len(stored["rows"]) > 0
        assert stored["note"].endswith(f"{LABEL}.")
        assert r"\label{tab:" + stem + "}" in (folder / "tables" / f"{stem}.tex").read_text(encoding="utf-8")
    pictures = {path.stem for path in (folder / "figures").glob("*.svg")}
    assert pictures == {path.stem for path in (folder / "figures").glob("*.png")}
    assert {"figure4", "figure4_fixed", "cloud", "map", "event_study", "tornado", "knowing", "variants"} <= pictures
    for stem in pictures:
        assert f'id="figure-{stem}"' in raw, stem
    # numbered without gaps
    for kind, found in (("Table", stems), ("Figure", pictures)):
        numbers = [int(number) for number in re.findall(rf"<b>{kind} (\d+)\.</b>", raw)]
        assert numbers == list(range(1, len(found) + 1))


def test_pictures_are_valid_svg_and_say_what_the_data_are(micro, tmp_path, monkeypatch):
    monkeypatch.setattr("bigpush_est.report.style.DPI", 40)
    folder = micro.written(RunFolder(tmp_path / "drawn"))
    results = folder.read_json("results.json")
    results["breakdown"] = grids()
    write_pipeline_report(folder, results, quiet)
    files = sorted((tmp_path / "drawn" / "figures").glob("*.svg"))
    assert len(files) > 10
    for file in files:
        assert ET.parse(file).getroot().tag.endswith("svg")
    with drawing():
        picture = cloud(results, micro.arrays, "fixed", paper_values())
    assert any(LABEL in text.get_text() for text in picture.findobj(lambda o: hasattr(o, "get_text")))


def test_the_same_results_give_the_same_bytes(micro, page, tmp_path):
    page(micro, name="one")
    page(micro, name="two")
    files = sorted(path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*.*"))
    files = [file for file in files if file.suffix in (".html", ".csv", ".json", ".tex")]
    assert len(files) > 40
    for file in files:
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes(), file


def test_tables_hold_the_results_own_numbers(micro, tmp_path):
    results = plain(micro, tmp_path)
    answer = results["answers"]["fixed"]
    rows = table_of(results, micro, "table3_a").rows
    row = next(
        r for r in rows if r["version"].startswith("Calibration held") and r["outcome"].startswith("GDP share (")
    )
    assert (row["median"], row["high90"]) == (
        answer["differences"]["gdp_share"]["median"],
        answer["differences"]["gdp_share"]["high90"],
    )
    assert row["push"] == answer["levels"]["gdp_share_push"]["median"]
    found = {(r["version"], r["name"]): r for r in table_of(results, micro, "table3_c").rows}
    for one in answer["scenarios"]:
        row = found["Calibration held at its point", one["name"]]
        assert (row["median"], row["weaker"], row["paper"]) == (one["median"], one["weaker"]["estimate"], one["paper"])
    regions = table_of(results, micro, "regions").rows
    median = micro.arrays["fan_recalibrated.regional_gdp_share_difference_median"]
    rises = micro.arrays["fan_recalibrated.regional_gdp_share_difference_positive"]
    assert [row["change"] for row in regions] == pytest.approx(sorted(median, key=lambda v: -abs(v)))
    place = [row["name"] for row in results["regions"]].index(regions[0]["region"])
    assert regions[0]["rises"] == pytest.approx(rises[place])
    moments = table_of(results, micro, "table2_moments").rows
    assert len(moments) == 21
    assert moments[0]["median"] == results["answers"]["recalibrated"]["moments"][0]["median"]


def test_the_truth_of_simulated_firms_stands_beside_estimates_and_posterior(micro, published, tmp_path):
    results = plain(micro, tmp_path)
    truth = results["evidence"]["micro"]["truth"]
    rows = {row["name"]: row for row in table_of(results, micro, "estimates").rows}
    assert rows["spillover"]["truth"] == truth["spillover"]
    posterior = table_of(results, micro, "posterior")
    assert [row["truth"] for row in posterior.rows][:2] == [truth["eta"], truth["delta"]]
    other = table_of(published.results, published, "posterior")
    assert "Truth" not in [column.label for column in other.columns]


def test_what_was_left_out_is_said_and_what_was_not_is_said_once(micro, tmp_path):
    results = plain(micro, tmp_path)
    results["evidence"]["micro"]["notes"] = ["rows without sales: 3", "losers unknown: 0", "a remark"]
    results["evidence"]["over_identification"] = {"statistic": 1.2, "df": 1, "p_value": 0.27, "words": "J(1) = 1.20"}
    found = [(row["check"], row["finding"]) for row in table_of(results, micro, "checks").rows]
    assert found[0] == ("Over-identification", "J(1) = 1.20")
    assert ("Rows without sales", "3") in found
    assert ("Note", "a remark") in found
    assert found[-1] == ("None of these", "losers unknown")


def test_held_parameters_have_no_intervals(micro, tmp_path):
    table = table_of(plain(micro, tmp_path), micro, "posterior")
    rows = table.blocks()[0][1]
    cells = {cells[0]: cells for _, cells in rows}
    assert cells["σ, elasticity of substitution"][1:6] == ["held", "held", "5.00", "held", "held"]
    blocks = dict(table_of(plain(micro, tmp_path), micro, "table2_parameters").blocks())
    assert {cells[3] for _, cells in blocks["Calibration held at its point"]} == {"held"}
    assert "held" not in {cells[3] for _, cells in blocks["Calibrated anew at each draw"]}


def test_variants_that_failed_are_named(micro, page, tmp_path):
    results = plain(micro, tmp_path)
    results["variants"][0]["failures"] = ["R-hat 1.2"]
    text = page(micro, results)
    assert "Failed, 1 of 6: another one (no fundamentals can be inverted)." in text
    assert "1 of 6 variants was not run, their rows say why: “Economy: another one”" in text
    assert "Diagnostics failed: exponent σ (R-hat 1.2)." in text


def test_long_specification_curves_are_cut_into_pages(micro, page, tmp_path):
    results = plain(micro, tmp_path)
    first = results["variants"][0]
    results["variants"] = [{**first, "group": f"group {k // 10}", "label": f"variant {k}"} for k in range(60)]
    pages = variant_pages(results)
    assert len(pages) == 2
    labels = [label for lines in pages for label, row in lines if row is not None and label.startswith("variant")]
    assert labels == [f"variant {k}" for k in range(60)]
    # a group of ten stays in one piece, one that no page can hold does not
    assert [label for label, row in pages[1] if row is None] == ["group 3", "group 4", "group 5"]
    results["variants"] = [{**first, "group": "one", "label": f"variant {k}"} for k in range(60)]
    assert [len(lines) for lines in variant_pages(results)] == [36, 30]
    assert "(part 2 of 2)" in page(micro, results)


# -- what moves the answer --------------------------------------------------------------------------------------------


def test_figures_of_sensitivity_have_the_results_numbers(micro, tmp_path):
    results = plain(micro, tmp_path)
    targets = results["sensitivity"]["recalibrated"]["targets"]
    with drawing():
        picture = tornado(results)
        widths = [bar.get_width() for bar in picture.axes[1].patches]
        row = targets["moved"]
        values = [*row["estimates"].values(), *row["prior"].values()]
        assert widths == pytest.approx([100.0 * one["value"] for one in values])
        explained = knowing(results).axes[0]
        shown = {round(float(x), 6) for line in explained.lines for x in np.atleast_1d(line.get_xdata())}
        assert round(100.0 * targets["moved"]["explained"]["delta"]["value"], 6) in shown
    assert "δ alone explains most of whether the push moved" in seen_words(results)


def seen_words(results) -> str:
    from bigpush_est.report.pipeline.wording import sensitivity_words

    return sensitivity_words(results)


def test_the_correlation_curve_ends_where_the_draws_do_but_has_the_value_in_use(published, tmp_path):
    results = plain(published, tmp_path)
    curve = {
        "correlation": [-0.5, 0.0, 0.5],
        "value": [0.4, 0.5, 0.6],
        "mcse": [0.01, 0.01, 0.01],
        # no weights are needed at the correlation in use: JSON has no number for that
        "pareto_k": [0.9, None, 0.3],
    }
    for target in results["sensitivity"]["recalibrated"]["targets"].values():
        target["correlation"] = curve
    results["evidence"]["correlation"] = [[1.0, 0.0], [0.0, 1.0]]
    with drawing():
        line = correlation_curve(results).axes[0].lines[0]
    assert np.isnan(line.get_ydata()[0])
    assert line.get_ydata()[1:].tolist() == [50.0, 60.0]


def grids():
    """Return what a run that holds parameters at other values makes of points like these."""

    def point(chances: tuple[float, float, float], unconverged: int = 0) -> dict[str, Any]:
        def chance(share: float) -> dict[str, Any]:
            one = Probability(
                estimate=share,
                mcse=0.03 if share else float("nan"),
                hits=round(100 * share),
                draws=100,
                effective_draws=100.0,
                bound_low=max(0.0, share - 0.06),
                bound_high=share + 0.06 if share else 0.03,
                unconverged=unconverged,
                all_no=share,
                all_yes=share + unconverged / 100,
            )
            return asdict(one) | {"mcse": one.mcse if share else None, "text": one.text()}

        found = {name: chance(share) for name, share in zip(EVENTS, chances, strict=True)}
        return {"failed": None, "draws": 100, "unconverged": unconverged, "probabilities": found, "failures": []}

    delta = {0.1: point((0.2, 0.1, 0.0)), 0.5: point((0.5, 0.4, 0.2)), 0.9: point((0.9, 0.8, 0.4), unconverged=20)}
    failed = {"failed": "there is no model", "draws": None}
    exponent = {"kept": point((0.9, 0.8, 0.2)), "undistorted": point((0.9, 0.3, 0.2)), "gross_published_xi": failed}
    moved = Moved("delta", 0.68, 0.17, (0.1, 0.9)), Moved("exponent", "kept")
    return [summarised(one, rows) for one, rows in zip(moved, (delta, exponent), strict=True)]


def test_grids_of_held_values(micro, page, tmp_path):
    results = plain(micro, tmp_path)
    results["breakdown"] = grids()
    text = page(micro, results)
    assert "How far a parameter must move for a probability to cross one half" in text
    assert "exponent of the mapping at gross_published_xi (there is no model)" in text
    table = table_of(results, micro, "breakdown")
    assert [row["moved"] for row in table.rows] == [0.1, 0.4, 0.8, 0.8, 0.3, None]
    assert table.blocks()[0][1][2][1] == ["0.900", "90.0% ± 3.0", "80.0% ± 3.0", "40.0% ± 3.0", "80 of 100"]
    # no draw has the event: a bound, as everywhere, and no zero
    assert table.blocks()[0][1][0][1] == ["0.100", "20.0% ± 3.0", "10.0% ± 3.0", "< 3%", "100 of 100"]
    assert table.blocks()[1][1][2][1] == ["gross_published_xi", "–", "–", "–", "–"]
    delta, exponent = (cells for _, cells in table_of(results, micro, "crossings").blocks()[0][1])
    # half way between 0.1 and 0.5 for 0.2 and 0.5; a quarter of the way from 0.5 to 0.9 for 0.4 and 0.8
    assert delta[1:4] == ["0.680", "0.10 to 0.90", "0.500 ± 0.040 (−1.1 s.d.)"]
    assert delta[4:] == ["0.600 ± 0.030 (−0.5 s.d.)", "does not cross; 1 undecided"]
    assert exponent[1:] == ["kept", "–", "does not cross", "undistorted", "does not cross"]
    with drawing():
        shown = [panel for panel in breakdown(results).axes if panel.get_visible()]
        assert len(shown) == 2
        # markers of one word stand beside each other, and a probability without hits has a bar up to its bound
        at = [tuple(line.get_xdata()) for line in shown[1].lines[:3]]
        assert len(set(at)) == 3
        bars = [segment for group in shown[0].collections for segment in group.get_segments()]
        assert any(bar[:, 1].tolist() == pytest.approx([0.0, 3.0]) for bar in bars)


def test_no_label_runs_out_of_the_picture(micro, tmp_path):
    """Bold letters are wider at the size that is saved than in proportion: the picture's edge stays white."""
    results = plain(micro, tmp_path)
    first, *_ = variant_pages(results)[0]
    with drawing():
        png, _ = rendered(specification_curve(results, [first, ("Standard error of the direct effect", None)]))
    pixels = matplotlib.image.imread(io.BytesIO(png))
    assert (pixels[:, :2, :3] == 1.0).all()


def test_sensitivity_that_cannot_be_had_says_why(micro, page, tmp_path):
    results = plain(micro, tmp_path)
    results["sensitivity"]["recalibrated"] = {"unavailable": "40 draws are too few."}
    text = page(micro, results)
    assert "What moves the answer cannot be read from these draws: 40 draws are too few." in text
    assert "moves" not in all_tables(results, micro.arrays, micro.study.raw)


# -- missing parts ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        {"name": "korea_published"},
        {"name": "korea_published", "variants": False},
        {"scenarios": False},
        {"smallest_push": False},
        {"versions": ("fixed",)},
        {"versions": ("recalibrated",)},
        {"unconverged": 0.0},
        {"unconverged": 0.6},
    ],
    ids=lambda options: ", ".join(f"{key} {value}" for key, value in options.items()),
)
def test_runs_without_some_part_have_a_page(page, options):
    run = made(**options)
    text = page(run)
    assert "The answer" in text
    assert "None" not in text.replace("None of these", "")
    assert "nan" not in text.split()
    assert ("Table 3 C" in text) == options.get("scenarios", True)
    assert ("The smallest uniform subsidy rate" in text) == options.get("smallest_push", True)
    assert ("Winners against losers" in text) == (options.get("name") != "korea_published")
    if "versions" in options:
        assert "The other way." not in text


def test_undefined_quantities_are_dashes(micro, page, unsolved):
    results, arrays = unsolved
    text = page(micro, results, arrays)
    assert "No draw converged, so that nothing can be said of the size of the effect." in text
    assert "None" not in text.replace("None of these", "")
    assert "nan" not in text.split()


def test_a_run_without_a_free_parameter_has_no_figure_of_densities(micro, page, tmp_path):
    arrays = {key: value for key, value in micro.arrays.items() if not key.startswith("prior_")}
    assert "Where the two densities look alike" not in page(micro, arrays=arrays)


def test_every_figure_of_variants_draws_bounds_open(micro, tmp_path):
    results = plain(micro, tmp_path)
    [lines] = variant_pages(results)
    with drawing():
        left = specification_curve(results, lines).axes[0]
    open_markers = [line for line in left.lines if line.get_markerfacecolor() == "white"]
    agree = [
        chance
        for row in results["variants"]
        if not row.get("failed")
        for chance in row["probabilities"].values()
        if chance["hits"] in (0, chance["draws"])
    ]
    assert len(open_markers) == len(agree) > 0
    assert len(VARIANTS) + 1 == len(results["variants"])


def test_the_terminal_gets_the_answer_first(micro, tmp_path):
    tables = printed_tables(plain(micro, tmp_path))
    assert [table.name for table in tables] == ["summary", "table3_a", "posterior", "solver"]
