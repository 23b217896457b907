"""The report of a quantitative run, on a tiny run of five invented regions and on results that are changed from it."""

import copy
import csv
import io
import json
import re
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest

from bigpush_est.data.economy import EconomyBundle, Moment, Port, Provenance
from bigpush_est.data.economy_bundle import write_economy_bundle
from bigpush_est.data.economy_checks import OPTIONAL_TABLES, TABLES
from bigpush_est.quantitative.stages import run_quantitative
from bigpush_est.quantitative.study import QuantitativeStudy
from bigpush_est.report.quantitative import optional_figures, optional_tables, printed_tables, write_quantitative_report
from bigpush_est.report.quantitative.contents import all_tables
from bigpush_est.report.quantitative.figures import adopter_paths, figure4, horizon, named_regions, spread
from bigpush_est.report.quantitative.korea_map import korea_map
from bigpush_est.report.quantitative.labels import panel_c, rank_correlation, scored, switched
from bigpush_est.report.quantitative.wording import conditions, first_page
from bigpush_est.report.style import drawing, rendered
from bigpush_est.run_folder import RunFolder

PNG, SVG = b"\x89PNG", b"<?xml version='1.0'?><svg/>"
DATA = {1972: 0.06, 1980: 0.13}
FIGURES = ("figure4", "elasticities", "identification", "adopter_paths", "map")
TABLES_ALWAYS = {
    *("summary", "moments", "parameters", "external", "searches", "elasticities", "fundamentals"),
    *("table3_a", "table3_b", "table3_c", "paths", "regions", "untargeted", "scorecard"),
    *("inputs", "settings", "provenance"),
}
STEADY = "steady state"
NAMES = ("Bay", "Cape", "Dale", "Edge", "Ford")
STUDY: dict[str, Any] = {
    "name": "tiny",
    "title": "Five made-up regions",
    "model": "spatial",
    "seed": 1,
    "economy": {"folder": "nowhere"},
    "calibration": {
        "restarts": 0,
        "max_evaluations": 3,
        "bandwidth": 0.02,
        "fixed": {"adoption_cost": 0.03, "export_cost_heavy": 0.03, "subsidy_rate": 0.06, "kappa": 1.9, "tau_bar": 0.9},
    },
    "paths": {"max_periods": 80},
    "policies": {"run": False},
    "variants": [{"group": "Trade", "label": "farther apart", "set": {"parameters.trade_elasticity": 1.1}}],
}


def five_regions() -> EconomyBundle:
    """Five regions on a line, of which two have a port; heavy output moves to the ports."""

    def shares(values):
        return np.array(values) / np.sum(values)

    flat, years = shares([4.0, 3.0, 2.0, 2.0, 2.0]), (1972, 1976, 1980)
    heavy = [flat, shares([7.0, 5.0, 1.0, 1.0, 1.0]), shares([9.0, 8.0, 0.6, 0.6, 0.6])]
    inputs = np.array(
        [[0.12, 0.05, 0.053, 0.10], [0.30, 0.22, 0.04, 0.14], [0.12, 0.03, 0.36, 0.16], [0.04, 0.06, 0.066, 0.18]]
    )
    targets = {
        **{"adopter_share_1972": 0.07, "adopter_share_1976": 0.2, "adopter_share_1980": 0.3},
        **{"share_of_regions_with_adoption": 0.5, "exporter_share_light": 0.34, "exporter_share_heavy": 0.19},
        "tax_rate_1972": 0.2,
    }
    return EconomyBundle(
        name="Five regions",
        label="synthetic",
        description="Five regions on a line, made up for a test.",
        provenance={table: Provenance("synthetic", "made up") for table in (*TABLES, *OPTIONAL_TABLES)}
        | {"moments": Provenance("published", "Table 2")},
        regions=tuple(name.lower() for name in NAMES),
        region_names=NAMES,
        sectors=("commodity", "light", "heavy", "service"),
        years=years,
        years_per_period=4,
        latitude=np.array([35.1, 35.6, 36.1, 36.6, 37.2]),
        longitude=np.array([129.0, 128.8, 128.2, 127.6, 127.0]),
        labour=flat,
        labour_unit="share",
        subsidised=np.array([True, True, False, False, True]),
        national_area_km2=20000.0,
        ports=(Port("Bay pier", region="bay"), Port("Cape pier", latitude=35.5, longitude=129.1)),
        expressway=(("bay", "cape"), ("cape", "dale")),
        adopts=np.array([False, False, True, False]),
        foreign_trade=np.array([True, True, True, False]),
        distance_elasticity=np.array([1.29, 1.29, 1.29, 3.8]),
        distortion_elasticity=np.array([0.0, 0.0, -0.3, 0.0]),
        preferences=np.array([[0.29, 0.24, 0.068, 0.402], [0.26, 0.24, 0.092, 0.408], [0.22, 0.24, 0.125, 0.415]]),
        labour_share=np.tile(1.0 - inputs.sum(axis=1), (3, 1)),
        input_share=np.tile(inputs, (3, 1, 1)),
        tariffs=np.array([[0.384] * 3 + [0.0], [0.297] * 3 + [0.0], [0.23] * 3 + [0.0]]),
        firm_mass=shares(np.stack([0.33 * flat, 0.18 * flat, 0.06 * flat, 0.43 * flat], axis=1)),
        gross_output=np.stack([np.stack([flat, flat, one, flat], axis=1) for one in heavy]),
        export_intensity=np.array([[0.05, 0.18, 0.0566, 0.0], [0.05, 0.24, 0.1037, 0.0], [0.04, 0.26, 0.19, 0.0]]),
        import_share=np.array([[0.12, 0.07, 0.42, 0.0], [0.23, 0.06, 0.36, 0.0], [0.29, 0.06, 0.30, 0.0]]),
        real_gdp=np.array([1.0, 1.46, 1.9]),
        ppi=np.array([[1.0, 1.0, 1.0, 1.0], [1.05, 0.95, 0.93, 1.05], [1.1, 0.92, 0.86, 1.1]]),
        adopter_share=np.tile([0.0, 0.0, 0.02, 0.0], (5, 1)),
        moments=tuple(Moment(name, value, "made up") for name, value in targets.items()),
        seed=1,
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run from data to report; its pictures are drawn where a test is about them."""
    folder, economy = tmp_path_factory.mktemp("tiny"), tmp_path_factory.mktemp("economies") / "five"
    write_economy_bundle(five_regions(), economy)
    study = QuantitativeStudy(STUDY | {"economy": {"folder": str(economy)}}, "invented")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bigpush_est.report.publishing.rendered", lambda picture: (PNG, SVG))
        run_quantitative(study, folder)
    return RunFolder(folder)


@pytest.fixture
def results(run):
    """A copy of the run's results, to be changed: every diagnostic passes, and there are no optional sections."""
    found = run.read_json("results.json")
    for section in ("steady_states", "policies", "ensemble"):
        found.pop(section, None)
    found["failures"] = []
    found["calibration"]["converged"] = True
    return found


@pytest.fixture
def page(run, tmp_path, monkeypatch):
    """Return what writes the report of some results without turning figures into pictures."""
    monkeypatch.setattr("bigpush_est.report.publishing.rendered", lambda picture: (PNG, SVG))

    def write(results, name="report"):
        folder = RunFolder(tmp_path / name)
        folder.write_arrays("figures.npz", run.read_arrays("figures.npz"))
        folder.write_json("study.json", STUDY)
        told = []
        write_quantitative_report(folder, json.loads(json.dumps(results)), lambda *piece: told.append(piece))
        assert [piece[1] for piece in told] == sorted(piece[1] for piece in told)
        assert told[0][1:] == (0, told[-1][2])
        assert told[-1][1] == told[-1][2]
        return Read(folder)

    return write


class Read(HTMLParser):
    """A written report: its text, its links, and whether its elements close in order."""

    def __init__(self, folder):
        super().__init__()
        self.folder, self.html = folder, (folder.path / "index.html").read_text(encoding="utf-8")
        self.tags, self.open, self.links, self.text, self.ids, self.alts, self.headings = [], [], [], [], [], [], []
        self.feed(self.html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        self.tags.append(tag)
        self.links += [values[key] for key in ("src", "href") if key in values]
        self.ids += [values["id"]] if "id" in values else []
        self.alts += [values.get("alt")] if tag == "img" else []
        self.headings += [int(tag[1])] if re.fullmatch("h[1-6]", tag) else []
        if tag not in ("meta", "img", "link", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if not self.open or self.open[-1] != "style":
            self.text.append(data)

    @property
    def words(self):
        return " ".join("".join(self.text).split())

    @property
    def figures(self):
        return {path.stem for path in (self.folder.path / "figures").glob("*.svg")}

    @property
    def tables(self):
        return {path.stem for path in (self.folder.path / "tables").glob("*.csv")}

    def rows(self, table):
        with io.StringIO((self.folder.path / "tables" / f"{table}.csv").read_text(encoding="utf-8")) as stream:
            return list(csv.DictReader(stream))


def sound(read):
    """Check what holds of every report, and return its text."""
    assert not {"script", "link", "iframe", "object"} & set(read.tags)
    assert not [link for link in read.links if re.match(r"(https?:)?//", link)]
    assert "@import" not in read.html
    assert "url(" not in read.html
    assert '<html lang="en-GB">' in read.html
    assert read.headings[0] == 1
    assert read.headings.count(1) == 1
    assert len(read.ids) == len(set(read.ids))
    assert len(read.alts) == len(read.figures)
    assert all(read.alts)
    for link in read.links:
        assert link.startswith("data:image/") or (read.folder.path / link).is_file()
    for table in read.tables:
        for kind in ("csv", "json", "tex"):
            assert f"tables/{table}.{kind}" in read.links
    assert not re.search(r"\b(nan|NaN|None|inf|undefined variable)\b|\{\{|%%|p\.p\.\.|−0\.0+(?!\d)", read.words)
    return read.words


def everything(results):
    """Return results with every optional section."""
    full = copy.deepcopy(results)
    ids = [row["region"] for row in full["regions"]]
    full["steady_states"] = {
        "starts": [
            {"start": "no adopters", "fate": STEADY, "state": 1, "heavy_gdp_share": 0.08, "industrialised": 1},
            {"start": "random 1", "fate": "cycle", "state": None, "heavy_gdp_share": 0.09, "industrialised": 1},
            {"start": "all adopters", "fate": STEADY, "state": 2, "heavy_gdp_share": 0.2, "industrialised": 3},
        ],
        "states": [
            {
                **{"state": number, "heavy_gdp_share": share, "export_intensity": 0.2, "industrialised": size},
                **{"regions": ids[:size], "starts": 1},
            }
            for number, share, size in ((1, 0.08, 1), (2, 0.2, 3))
        ],
        "tolerance": 1e-4,
        "separation": 0.2,
        "push_moves_the_economy": True,
    }
    rates = [0.0, 0.1, 0.2, 0.3]
    full["policies"] = {
        "uniform": {
            **{"rates": rates, "heavy_gdp_share": [0.11, 0.12, 0.12, None], "welfare_log": [0.0, 0.03, 0.01, None]},
            **{"welfare_linear": [0.0, 0.031, 0.011, None], "fates": [STEADY] * 3 + ["cycle"]},
            "best": {"rate": 0.1, "at_the_edge": True, "gdp_share": 0.12, "welfare_log": 0.03, "fate": STEADY},
        },
        "general": {
            "policies": [
                {"policies": "none", "rate": 0.0, "gdp_share": 0.11, "welfare_log": 0.0, "bill": 0.0, "fate": STEADY},
                {
                    "policies": "push",
                    "rate": 0.06,
                    "gdp_share": 0.12,
                    "welfare_log": 0.02,
                    "bill": 0.004,
                    "fate": STEADY,
                },
                {"policies": "general", "rate": 0.01, "gdp_share": None, "bill": 0.004, "fate": "cycle"},
            ],
            "relative_effect": 0.4,
        },
        "regional": {
            **{"welfare": 0.05, "settled": False, "gdp_share": 0.13, "bill": 0.004, "fate": STEADY},
            **{"push": {"gdp_share": 0.12, "bill": 0.004}, "trace": [{"start": "push", "round": 1, "welfare": 0.05}]},
            "rates": [{"region": ids[0], "rate": 0.25}, {"region": ids[1], "rate": 0.3}],
        },
        "allocations": {
            **{"n": 250, "unusable": 6, "left_out": ["adopter_share"], "push_beats": 0.9},
            "regressions": [
                {"predictor": "market_access", "slope": 0.005, "standard_error": 0.001, "t": 5.0, "r2": 0.3},
                {"predictor": "port_distance", "slope": 0.0001, "standard_error": 0.001, "t": 0.1, "r2": 0.0},
            ],
            "joint": [
                {
                    "predictor": "market_access",
                    "slope": 0.004,
                    "standard_error": 0.001,
                    "t": 4.0,
                    "r2_lost_without": 0.2,
                },
                {"predictor": "port_distance", "slope": 0.0, "standard_error": 0.001, "t": 0.2, "r2_lost_without": 0.0},
            ],
            "welfare_regressions": [{"predictor": "labour", "slope": 0.001, "t": 1.0}],
        },
        "mobility": {
            **{"migration_elasticity": 3.0, "gdp_share": 0.021, "gdp_share_push": 0.13, "moved_by_the_push": 0.017},
            "fate_push": STEADY,
        },
    }
    effect = full["table3"]["baseline"]
    shown = {"converged": True, "fates": [STEADY] * 2, "failed": None, "parameters": [0.02] * 6}
    full["variants"] = [
        {"group": "Spillovers", "label": "δ = 0.45", **effect, **shown, "gdp_share": -0.0048},
        {"group": "Spillovers", "label": "δ = 1.08", **effect, **shown, "gdp_share": 0.08, "fates": ["cycle", "cycle"]},
        {"group": "Other", "label": "σ = 8", "failed": "it could not be inverted"},
    ]
    full["ensemble"] = {
        "economies": [
            {"seed": seed, "gdp_share": 0.01 * seed, "gdp_share_push": 0.1, "criterion": 0.2, "subsidy_rate": 0.05}
            for seed in range(6)
        ],
        "quantiles": {"gdp_share": {"0.05": 0.0, "0.5": 0.025, "0.95": 0.05}},
    }
    return full


OPTIONAL_FIGURES = {"steady_states", "uniform_rates", "variants", "ensemble"}
OPTIONAL_TABLES_HERE = {
    *("steady_states", "steady_state_starts", "uniform_rates", "policies", "regional_rates", "allocations"),
    *("mobility", "variants", "ensemble", "ensemble_economies"),
}


# -- a real run ------------------------------------------------------------------------------------------------------


def test_a_run_writes_its_report(run):
    read = Read(run)
    words, found = sound(read), run.read_json("results.json")
    assert read.figures >= {*FIGURES, "variants"}
    assert read.tables >= TABLES_ALWAYS | {"variants", "steady_states", "steady_state_starts"}
    states = found["steady_states"]["states"]
    assert [row["regions"] for row in read.rows("steady_states")] == [
        "; ".join(name.capitalize() for name in row["regions"]) for row in states
    ]
    assert "Synthetic economy: not Korea’s data" in words
    assert "Five regions on a line, made up for a test." in words
    assert "published: moments" in words
    assert run.manifest()["finished"]
    # the search was cut off after three steps, and the page says so before it answers
    assert found["failures"] == ["the calibration did not converge"]
    assert words.index("the calibration did not converge") < words.index("The answer (not to be relied on)")
    assert len(read.html) < 3_000_000


def test_the_label_goes_with_every_figure_and_table(run):
    read = Read(run)
    assert all("Synthetic economy: not Korea’s data." in alt for alt in read.alts)
    for table in read.tables:
        assert {row["economy"] for row in read.rows(table)} == {"synthetic"}
        content = json.loads((run.path / "tables" / f"{table}.json").read_text(encoding="utf-8"))
        assert content["note"].endswith("Synthetic economy: not Korea’s data.")
        assert "Synthetic economy" in (run.path / "tables" / f"{table}.tex").read_text(encoding="utf-8")


def same(text, value):
    return text == ("" if value is None else str(value))


def test_every_csv_holds_the_results(run):
    read, found = Read(run), run.read_json("results.json")
    direct = {
        "moments": found["calibration"]["moments"],
        "parameters": found["calibration"]["parameters"],
        "fundamentals": found["fundamentals"],
        "paths": found["paths"],
        "untargeted": found["untargeted"],
        "scorecard": found["scorecard"],
        "inputs": found["sources"],
        "regions": found["regions"],
    }
    for name, expected in direct.items():
        rows = read.rows(name)
        assert len(rows) == len(expected) > 0
        if name == "regions":
            order = {row["region"]: place for place, row in enumerate(rows)}
            expected = sorted(expected, key=lambda row: order[row["region"]])
        for row, values in zip(rows, expected, strict=True):
            assert all(same(row[key], value) for key, value in values.items())
    effect, paper = found["table3"]["baseline"], found["table3"]["paper"]
    first = read.rows("summary")[0]
    assert float(first["difference"]) == effect["gdp_share"]
    assert float(first["push"]) - float(first["none"]) == pytest.approx(effect["gdp_share"])
    assert float(first["paper"]) == paper["A heavy_gdp_share aggregate"]
    panel_a = read.rows("table3_a")
    assert [row["ours"] for row in panel_a] == [str(effect[row["outcome"]]) for row in panel_a]
    assert [float(row["ours"]) for row in read.rows("table3_b")] == [*effect["output"], effect["output_total"]]
    panel = read.rows("table3_c")
    assert [row["name"] for row in panel] == ["baseline", *(row["name"] for row in found["table3"]["scenarios"])]
    assert [float(row["gdp_share"]) for row in panel[1:]] == [row["gdp_share"] for row in found["table3"]["scenarios"]]
    names = [row["name"] for row in found["calibration"]["parameters"]]
    slopes = [[float(row[name]) for name in names] for row in read.rows("elasticities")]
    assert slopes == found["calibration"]["jacobian"]
    assert [float(row[name]) for row in read.rows("searches") for name in names] == [
        value for row in found["calibration"]["searches"] for value in row["parameters"]
    ]
    variant = read.rows("variants")[1]
    assert float(variant["gdp_share"]) == found["variants"][0]["gdp_share"]
    for table in read.tables:
        content = json.loads((run.path / "tables" / f"{table}.json").read_text(encoding="utf-8"))
        rows = [{key: "" if value is None else str(value) for key, value in row.items()} for row in content["rows"]]
        assert read.rows(table) == rows
        latex = (run.path / "tables" / f"{table}.tex").read_text(encoding="utf-8")
        assert latex.count("{") == latex.count("}")
        assert latex.count(r"\toprule") == latex.count(r"\begin{table}") + 2 * latex.count(r"\begin{longtable}")


def test_contributions_of_regions_add_up_to_the_effect(run):
    found = run.read_json("results.json")
    rows = all_tables(found)["regions"].rows
    assert sum(row["contribution"] for row in rows) == pytest.approx(found["table3"]["baseline"]["gdp_share"])


# -- the first page --------------------------------------------------------------------------------------------------


def test_the_answer_is_that_of_the_results(results, page):
    words, effect = sound(page(results)), results["table3"]["baseline"]
    gained, lost = switched(results)
    assert [row["name"] for row in gained] == ["Bay"]
    assert lost == []
    assert effect["gdp_share"] > 0.01
    assert f"by {100 * effect['gdp_share']:.2f} p.p., {100 * effect['gdp_share_relative']:.1f}% of the share" in words
    assert "(the paper: 3.59 p.p., 27%)" in words
    assert "With the push two of 5 regions end industrialised, without it one: only with it Bay." in words
    assert "in the one region that changes" in words
    assert "Diagnostics failed" not in words
    assert "not to be relied on" not in words


@pytest.mark.parametrize(
    ("effect", "said"),
    [
        (0.0, "leave heavy manufacturing’s share of GDP in the steady state as it is"),
        (-0.01, "opposite sign to the paper’s effect"),
        (0.0359, "That is 100% of the paper’s effect."),
        (0.1, "That is 2.8 times the paper’s effect."),
        (None, "have no effect that could be computed"),
    ],
)
def test_the_answer_names_sign_and_size(results, effect, said):
    results["table3"]["baseline"]["gdp_share"] = effect
    assert said in first_page(results).answer


def test_no_region_changes(results):
    for row in results["regions"]:
        row["adopters_none"] = row["adopters_push"]
    found = first_page(results)
    assert "without it two: the same ones." in found.answer
    assert "Which regions tip." not in [heading for heading, _ in found.rests_on]


def test_regions_that_industrialise_only_without_the_push(results):
    for row in results["regions"]:
        row["adopters_push"], row["adopters_none"] = row["adopters_none"], row["adopters_push"]
    assert "without it two: only without it Bay." in first_page(results).answer
    results["regions"][1] |= {"adopters_push": 1.0, "adopters_none": 0.0}
    assert "only with it Cape; only without it Bay." in first_page(results).answer


def test_failures_come_before_the_answer(results, page):
    results["failures"] = [f"path {number} did not converge" for number in range(11)]
    words = sound(page(results))
    assert words.index("Diagnostics failed") < words.index("path 0 did") < words.index("The answer (not to be")
    assert "and 3 more; all are in results.json" in words
    assert "path 9" not in words


def test_an_economy_of_real_data_is_not_called_synthetic(results, page):
    results["economy"] |= {"label": "real", "name": "My country"}
    words = sound(page(results))
    assert "Data: My country (real)" in words
    assert "no number below is an estimate" not in words
    assert "Synthetic economy" not in words


def test_searches_are_counted(results):
    found = results["calibration"]
    one = found["searches"][0] | {"converged": True}
    texts = {}
    for name, searches in {
        "single": [one],
        "both": [one, dict(one)],
        "some": [one, one | {"criterion": 2.0 * one["criterion"]}, one | {"criterion": None, "converged": False}],
    }.items():
        found["searches"] = searches
        texts[name] = dict(first_page(results).rests_on)["Fit."]
    assert "single search" in texts["single"]
    assert "Both searches end there." in texts["both"]
    assert texts["some"].endswith("One of three searches ends there.")
    found["searches"] = [one, one | {"criterion": 0.5 * one["criterion"], "converged": False}]
    assert "A search that did not converge came lower" in dict(first_page(results).rests_on)["Fit."]


def test_panel_c_is_compared_by_direction_and_order(results):
    base, scenarios = results["table3"]["baseline"]["gdp_share"], results["table3"]["scenarios"]
    pushed = results["table3"]["baseline"]["gdp_share_push"]
    for row, effect in zip(scenarios, (0.9, 0.8, 1.0, 0.0, 0.3, 1.2), strict=True):
        row |= {"gdp_share": effect * base, "gdp_share_push": pushed - 0.01}
    found = panel_c(results)
    assert found["like"] == [scenarios[k]["name"] for k in (0, 1, 3, 4)]
    assert found["unlike"] == ["no_highway", "worsened_level"]
    assert found["still"] == ["no_highway"]
    text = conditions(results)
    assert text.startswith("Four of six scenarios move the effect the way they do in the paper (no expressway leaves")
    assert "worsened distortions: level (τ̄) moves it the other way" in text
    assert "; six if set against the baseline’s path without the push" in text
    ranks = np.corrcoef(np.argsort(np.argsort([0.9, 0.8, 1.0, 0.0, 0.3, 1.2])), [5, 4, 3, 0, 2, 1])[0, 1]
    assert found["rank"] == pytest.approx(ranks)
    for row in scenarios:
        row["gdp_share"] = base
    assert "undefined, as they do not differ" in conditions(results)
    scenarios[0]["gdp_share"] = -0.02
    assert "Under lower foreign demand the push even lowers the share." in conditions(results)


def test_rank_correlation_ties_what_prints_alike():
    from scipy.stats import spearmanr

    one, two = [0.0341, 0.0306, 0.0246, 0.0, 0.0186, 0.016], [0.0115, 0.0115, 0.0027, -0.0004, 0.009, 0.0021]
    assert rank_correlation(one, two) == pytest.approx(spearmanr(one, two).statistic)
    assert rank_correlation(one, [0.01 + 1e-9 * k for k in range(6)]) is None
    assert rank_correlation([0.1], [0.1]) is None


# -- optional sections -----------------------------------------------------------------------------------------------


def test_optional_sections_that_are_absent_leave_no_trace(results, page):
    results["variants"] = []
    read = page(results)
    words = sound(read)
    assert read.figures == set(FIGURES)
    assert read.tables == TABLES_ALWAYS
    for heading in ("Steady states", "Other policies", "Sensitivity", "Other synthetic economies"):
        assert f" {heading} " not in words
    assert "how the answer differs over the others is not part of this run" in words


def test_optional_sections_that_are_present_are_shown(results, page):
    read = page(everything(results))
    words = sound(read)
    assert read.figures == {*FIGURES, *OPTIONAL_FIGURES}
    assert read.tables == TABLES_ALWAYS | OPTIONAL_TABLES_HERE
    assert (
        "Two steady states were found from 3 starts, with heavy GDP shares from 8.0% to 20.0%. With and without"
        in words
    )
    assert "Over 6 economies that hold the same published aggregates the effect has the median 2.50 p.p." in words
    assert "it is at least the paper’s in two of them" in words
    assert "In the one recalibrated variant that passed its diagnostics the effect is −0.48 p.p." in words
    assert "two more did not pass their diagnostics" in words
    assert "failed: it could not be inverted" in words
    assert "Rates that lead to no steady state: 1." in words
    assert "The best rate is the highest that was tried" in words
    assert "Subsidies to all firms at the push’s bill have 40% of its effect" in words
    assert "These rates cost what the push costs. The search was cut off before it came to rest." in words
    assert "250 random sets of regions with the push’s rates. 6 more led to no steady state." in words
    assert "Left out, as the same in every set: adopter share. Together, |t| exceeds 1.96 for market access;" in words
    assert "Distance to port" in words
    assert [row["region"] for row in read.rows("regional_rates")] == ["cape", "bay"]
    assert read.rows("uniform_rates")[1]["rate"] == "0.1"
    assert [row["seed"] for row in read.rows("ensemble_economies")] == list("012345")
    assert read.rows("steady_states")[1]["regions"] == "Bay; Cape; Dale"


def keys_of(content, path=()):
    """Yield the path of every key in a section, through the first row of each list."""
    if isinstance(content, dict):
        for key, value in content.items():
            yield (*path, key)
            yield from keys_of(value, (*path, key))
    elif isinstance(content, list) and content and isinstance(content[0], dict):
        yield from keys_of(content[0], (*path, 0))


def test_any_missing_key_of_an_optional_section_drops_no_page(results, page, monkeypatch):
    for name in ("figure4", "adopter_paths", "heat", "identification", "korea_map"):
        monkeypatch.setattr(f"bigpush_est.report.quantitative.page.{name}", lambda *_: object())
    full = everything(results)
    tried = 0
    for section in ("steady_states", "policies", "variants", "ensemble"):
        for path in [*keys_of(full[section])]:
            changed = copy.deepcopy(full)
            place = changed[section]
            for key in path[:-1]:
                place = place[key]
            if path[-1] in ("group", "label") and section == "variants":
                continue
            del place[path[-1]]
            _built(changed, section)
            tried += 1
        for nothing in (None, {}, []):
            _built(full | {section: nothing}, section)
    assert tried > 60
    sound(page(full | {"policies": {"uniform": None, "general": {}, "mobility": {"fate": "cycle"}}}))


DRAWN = {
    "steady_states": lambda results: [optional_figures.steady_states(results)],
    "policies": lambda results: [optional_figures.uniform_rates(results, 0.06)],
    "variants": lambda results: [
        optional_figures.variants(results, lines, 0.0359) for lines in optional_figures.variant_pages(results)
    ],
    "ensemble": lambda results: [optional_figures.ensemble(results, 0.0359)],
}


def _built(results, section):
    """Put every table and sentence together, and the figure of one optional section."""
    for table in optional_tables.tables(results):
        if table.rows:
            assert "None" not in table.latex()
            assert all(len(cells) == len(table.columns) for _, rows in table.blocks() for _, cells in rows)
    with drawing():
        DRAWN[section](results)
    first_page(results)


def test_many_variants_fill_several_figures(results, page):
    one = everything(results)["variants"][0]
    results["variants"] = [one | {"group": f"group {k // 7}", "label": str(k)} for k in range(100)]
    read = page(results)
    assert {"variants", "variants_2", "variants_3"} <= read.figures
    assert "part 2 of 3" in sound(read)


# -- robustness ------------------------------------------------------------------------------------------------------


def test_names_are_text_in_html_latex_and_figures(run, results, page):
    hostile = '<script>alert("1")</script> & $x_1$ 100% {a}'
    results["study"]["title"] = hostile
    results["economy"]["description"] = hostile
    for row in results["regions"]:
        row["name"] = hostile
    full = everything(results)
    full["variants"][0] |= {"group": hostile, "label": hostile}
    read = page(full)
    sound(read)
    assert "<script" not in read.html
    assert "&lt;script&gt;alert(&#34;1&#34;)&lt;/script&gt; &amp; $x_1$ 100% {a}" in read.html
    latex = (read.folder.path / "tables" / "regions.tex").read_text(encoding="utf-8")
    assert r"\& \$x\_1\$ 100\% \{a\}" in latex
    with drawing():
        rendered(adopter_paths(full, run.read_arrays("figures.npz")))
        rendered(korea_map(full))


def test_missing_numbers_are_dashes(results, page):
    results["regions"][3] |= {"welfare": None, "gdp_share_push": None}
    for row in results["fundamentals"]:
        row["foreign_to_domestic_demand"] = None
    results["table3"]["scenarios"][2]["gdp_share"] = None
    results["table3"]["baseline"]["gdp_share_local"] = [None, None]
    results["calibration"]["searches"].append({"criterion": None, "converged": False, "parameters": [None] * 6})
    results["calibration"]["jacobian"][2][3] = None
    words = sound(page(results))
    assert "could not be inverted" in words


def test_an_older_run_without_ports_and_versions_is_shown(results, page):
    for key in ("ports", "expressway", "sectors", "heavy"):
        del results["economy"][key]
    del results["versions"]
    for key in ("seed", "fingerprint", "discount"):
        del results["study"][key]
    for key in ("export_intensity_none", "employment_share_push", "employment_share_none"):
        del results["table3"]["baseline"][key]
    for row in results["regions"]:
        del row["gdp_push"]
    words = sound(page(results))
    assert "Which regions tip." not in words


def test_an_economy_with_other_years_sectors_and_moments_is_shown(results, page):
    text = json.dumps(results).replace("exporter_share_light", "exporter_share_toys").replace('"light"', '"toys"')
    other = json.loads(text)
    other["economy"]["years"] = [1960, 1964, 1968]
    for row in other["calibration"]["moments"]:
        row |= {"paper_model": None, "paper_data": None}
    other["calibration"]["paper_criterion"] = None
    read = page(other)
    words = sound(read)
    assert "The subsidies of 1964 and 1968 raise" in words
    assert "Diamonds" not in words
    assert "Exporter share toys" in words
    assert "at the paper’s printed fit)" not in words
    assert "One parameter is chosen, five are held, so that seven moments come near" in words


def test_the_same_bytes_twice(run, results, tmp_path, monkeypatch, page):
    before, after = page(results, "one").folder.path, page(results, "two").folder.path
    files = sorted(path.relative_to(before) for path in before.rglob("*.*") if path.suffix != ".npz")
    assert len(files) > 40
    for file in files:
        assert (before / file).read_bytes() == (after / file).read_bytes()
    monkeypatch.setattr("bigpush_est.report.style.DPI", 40)
    arrays = run.read_arrays("figures.npz")
    for draw in (lambda: figure4(results, arrays, DATA), lambda: korea_map(results)):
        with drawing():
            assert rendered(draw()) == rendered(draw())


def test_every_figure_becomes_a_picture(run, results, tmp_path, monkeypatch):
    monkeypatch.setattr("bigpush_est.report.style.DPI", 40)
    folder = RunFolder(tmp_path)
    folder.write_arrays("figures.npz", run.read_arrays("figures.npz"))
    folder.write_json("study.json", STUDY)
    write_quantitative_report(folder, everything(results), lambda *_: None)
    read = Read(folder)
    sound(read)
    for name in (*FIGURES, *OPTIONAL_FIGURES):
        png, svg = ((tmp_path / "figures" / f"{name}.{kind}").read_bytes() for kind in ("png", "svg"))
        assert png.startswith(b"\x89PNG")
        assert b"<svg" in svg


def test_what_a_terminal_prints(results):
    tables = printed_tables(results)
    assert [table.name for table in tables][:2] == ["summary", "moments"]
    assert all(table.rows for table in tables)
    effect = results["table3"]["baseline"]
    cells = tables[0].blocks()[0][1][0][1]
    assert cells[0] == "Heavy GDP share"
    assert cells[3] == f"{100 * effect['gdp_share']:.2f}"
    names = [table.name for table in printed_tables(everything(results))]
    assert {"steady_states", "policies", "variants", "ensemble"} <= set(names)


# -- pieces ----------------------------------------------------------------------------------------------------------


def test_labels_keep_their_distance_and_their_bounds():
    rng = np.random.default_rng(3)
    for size in range(1, 9):
        values = rng.uniform(0.0, 100.0, size).tolist()
        places = spread(values, 6.0, 1.0, 102.0)
        order = np.argsort(values)
        assert np.all(np.diff(np.array(places)[order]) >= 6.0 - 1e-9)
        assert min(places) >= 1.0 - 1e-9
        assert max(places) <= 102.0 + 1e-9


def test_the_horizon_covers_what_still_moves(run):
    arrays = run.read_arrays("figures.npz")
    assert 9 <= horizon(arrays) <= len(arrays["year"])
    moving = {key: np.linspace(0.0, 1.0, 60) for key in arrays if key.startswith(("push_", "none_"))}
    assert horizon({"year": np.arange(60)} | moving) == 60


def test_named_regions_are_those_that_switch_first(results):
    named = [results["regions"][k]["name"] for k in named_regions(results)]
    assert named[0] == "Bay"
    assert 4 <= len(named) <= 8


def test_the_scorecard_reads_in_words():
    assert scored("Table 3 A", "heavy_gdp_share, local low") == "Heavy GDP share, local low"
    assert scored("Table 3 B", "output, heavy") == "Output, heavy manufacturing"
    assert scored("Table 3 C", "no_highway") == "No expressway"
    assert scored("Table 2, moments", "tax_rate_1972") == "Tax rate, 1972"
    assert scored("Table 2, parameters", "kappa").startswith("κ")
