"""The report on runs of every kind, made of a few hundred invented draws: no sampler runs here."""

import csv
import io
import json
import re
from dataclasses import dataclass, replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bigpush_est import stages
from bigpush_est.bayes.sampling import Diagnostics, Posterior
from bigpush_est.latex import escaped
from bigpush_est.propagate.outcomes import propagate_chunk
from bigpush_est.propagate.summary import summarise
from bigpush_est.report import write_report
from bigpush_est.report.contents import all_tables
from bigpush_est.report.figures import multiplicity_map, prior_posterior
from bigpush_est.report.numbers import figure, probability_range
from bigpush_est.report.sensitivity_figure import sensitivity, sensitivity_rows
from bigpush_est.report.style import drawing, rendered
from bigpush_est.report.wording import first_page
from bigpush_est.run_folder import RunFolder
from bigpush_est.study import Study, load_study

CHAINS, DRAWS = 4, 75
PNG, SVG = b"\x89PNG", b"<?xml version='1.0'?><svg/>"
PAPER = {"eta": 1.25, "delta": 0.68, "subsidy": 0.06, "sigma": 5.0, "pareto_ratio": 1.06}
FIGURES = ("prior_posterior", "multiplicity_map", "figure3_posterior", "figure3_illustration", "paths", "sensitivity")


def invented(study, delta, seed=1):
    """A posterior that no sampler drew, with diagnostics that pass."""
    rng, shape = np.random.default_rng(seed), (CHAINS, DRAWS)
    free = {
        "log_eta": np.abs(rng.normal(0.22, 0.05, shape)) + 1e-3,
        "delta": np.abs(rng.normal(*delta, shape)) + 1e-3,
        "subsidy": rng.beta(20.0, 260.0, shape),
        "sigma": rng.uniform(4.0, 6.0, shape),
        "pareto_ratio": rng.uniform(1.05, 1.2, shape),
    }
    draws = {p.parameter: np.full(shape, p.numbers[0]) if p.fixed else free[p.parameter] for p in study.inputs().priors}
    row = {"rhat": 1.001, "ess_bulk": 290.0, "ess_tail": 280.0, "mcse_mean": 0.01, "mcse_sd": 0.01}
    table = {name: dict(row) for name in study.inputs().free}
    return Posterior(draws, np.zeros(shape), np.zeros(shape, dtype=bool), Diagnostics(table, 0, ()))


@dataclass(frozen=True)
class Run:
    folder: RunFolder
    results: dict[str, Any]
    page: str


def made(
    path, monkeypatch, *, delta=(0.68, 0.18), changes=(), variants=(), title=None, failures=(), lost=0, rendering=False
):
    """Write the report of an invented run; ``variants`` are (group, label, set, δ's mean and sd).

    Figures are put together always, and turned into pictures, which takes a second each, only with ``rendering``.
    """
    if rendering:
        monkeypatch.setattr("bigpush_est.report.style.DPI", 40)
    else:
        monkeypatch.setattr("bigpush_est.report.publishing.rendered", lambda picture: (PNG, SVG))
    monkeypatch.setattr(
        "bigpush_est.bayes.sampling.power_scaling",
        lambda tree: {"delta": {"prior": 0.02, "likelihood": 0.09, "diagnosis": "✓"}},
    )
    raw = load_study("published").changed(dict(changes), "changed").raw
    raw["evidence"]["correlation"]["range"] = []
    raw["variants"] = [{"group": group, "label": label, "set": what} for group, label, what, _ in variants]
    raw["title"] = title or raw["title"]
    study = Study(raw, "invented")
    folder = RunFolder(path)
    folder.open(study.raw, study.spec.name, study.fingerprint(), resume=False, overwrite=True)
    posterior = invented(study, delta)
    posterior = replace(posterior, diagnostics=replace(posterior.diagnostics, failures=tuple(failures)))
    scenario = stages.scenario_of(study)
    outcomes = propagate_chunk(posterior.flat(), scenario)
    outcomes["converged"][:lost] = False
    illustrated = propagate_chunk(posterior.flat(), stages.scenario_of(study, study.spec.illustration.delta))
    summaries = []
    for (group, label, inner), (*_, where) in zip(study.variants(), variants, strict=True):
        other = invented(inner, where, seed=2)
        reached = propagate_chunk(other.flat(), stages.scenario_of(inner))
        summary = summarise(other.flat(), reached, other.diagnostics, CHAINS)
        summaries.append({"group": group, "label": label, "summary": summary})
    results = stages._results(study, folder, posterior, outcomes, illustrated, summaries)
    results["study"]["sampler"]["chains"] = CHAINS
    folder.write_json("results.json", results)
    results = folder.read_json("results.json")
    told = []
    write_report(folder, results, lambda *piece: told.append(piece))
    assert told[0][1] == 0
    assert told[-1][1] == told[-1][2]
    assert [piece[1] for piece in told] == sorted({piece[1] for piece in told} | {told[-1][1]})
    assert {piece[0] for piece in told} == {"Writing the report"}
    return Run(folder, results, (folder.path / "index.html").read_text(encoding="utf-8"))


class Reader(HTMLParser):
    """Collects what a page is made of and whether its elements close in order."""

    VOID = ("meta", "img", "link", "br")

    def __init__(self, page):
        super().__init__()
        self.tags, self.open, self.links, self.text, self.ids, self.alts = [], [], [], [], [], []
        self.headings = []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        self.tags.append(tag)
        self.links += [values[key] for key in ("src", "href", "srcset", "data") if key in values]
        self.ids += [values["id"]] if "id" in values else []
        self.alts += [values.get("alt")] if tag == "img" else []
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if not self.open or self.open[-1] != "style":
            self.text.append(data)

    def words(self):
        return " ".join("".join(self.text).split())


def sound(run, figures=FIGURES):
    """Check what holds of every report, and return its page's text."""
    page = Reader(run.page)
    assert "script" not in page.tags
    assert "link" not in page.tags
    assert not [link for link in page.links if re.match(r"(https?:)?//", link)]
    assert "@import" not in run.page
    assert "url(" not in run.page
    assert '<html lang="en-GB">' in run.page
    assert page.headings[0] == 1
    assert page.headings.count(1) == 1
    assert all(after <= before + 1 for before, after in zip(page.headings, page.headings[1:], strict=False))
    assert len(page.ids) == len(set(page.ids))
    assert len(page.alts) == len(figures)
    assert all(page.alts)
    assert len(run.page) < 3_000_000
    for name in figures:
        png, svg = ((run.folder.path / "figures" / f"{name}.{kind}").read_bytes() for kind in ("png", "svg"))
        assert png.startswith(b"\x89PNG")
        assert svg.lstrip().startswith(b"<?xml")
        assert b"<svg" in svg
    assert sorted(p.stem for p in (run.folder.path / "figures").glob("*.svg")) == sorted(figures)
    for link in page.links:
        assert link.startswith("data:image/") or (run.folder.path / link).is_file()
    words = page.words()
    assert "Data: published figures of Choi and Shim (January 2026); no micro data" in words
    assert not re.search(r"\b(nan|None|inf|undefined variable)\b|\{\{|%%", words)
    return words


WITHOUT_VARIANTS = FIGURES[:-1]


def test_no_hits_is_reported_as_a_bound_with_the_condition_and_an_undefined_push(tmp_path, monkeypatch):
    run = made(
        tmp_path,
        monkeypatch,
        variants=[
            ("Prior", "flat", {"priors.delta": {"family": "half_normal", "scale": 50.0}}, (0.7, 0.2)),
            ("Bounded productivity", "κ = 1.40", {"economy.kappa": 1.4}, (0.68, 0.18)),
            ("Correlation of the two estimates", "−0.95", {"evidence.correlation.main": -0.95}, (0.68, 0.2)),
            ("Correlation of the two estimates", "+0.95", {"evidence.correlation.main": 0.95}, (0.66, 0.2)),
        ],
    )
    words = sound(run)
    chance = run.results["main"]["probabilities"]["multiple"]
    assert chance["hits"] == 0
    assert f"had several steady states {chance['text'].replace('< ', 'below ')} (none of 300 posterior draws" in words
    assert "at no correlation of the two estimates from −0.95 to 0.95" in words
    assert "Several steady states need δ above 2.77 with L/Fᵀ pinned" in words
    assert "posterior standard deviations above the posterior mean of δ" in words
    assert "g′(1) = (σ−1)/θ + ((σ−2)/(σ−1)) · b · (1 − η1−σ), with b = 1 − (σ−1)/θ" in words
    assert "(g(1) − g(λ))/(1 − λ)" in words
    assert "rests on what this posterior does not contain: the open economy of Section 5" in words
    assert "and on its bounded productivity" in words
    assert "The prior does not decide this: under the one other prior that was tried" in words
    assert "the bound alone does not carry the claim" in words
    assert "the smallest sufficient one-period subsidy is undefined" in words
    assert "Illustration, δ = 3.2 in every draw: not evidence" in words
    assert "Diagnostics failed" not in words
    assert "not to be relied on" not in words
    assert "tF (Lee, McCrary, Moreira and Porter)" in words


def test_some_hits_leave_the_claim_open(tmp_path, monkeypatch):
    run = made(tmp_path, monkeypatch, delta=(2.8, 0.6))
    words = sound(run, WITHOUT_VARIANTS)
    chance = run.results["main"]["probabilities"]["multiple"]
    assert 0 < chance["hits"] < chance["draws"]
    assert f"had several steady states at {chance['text']}" in words
    assert "± a Monte Carlo standard error" in words
    assert "neither yields several steady states nor rules them out" in words
    assert "This study has no variants." in words
    assert "assumed, and this study does not vary it" in words
    assert "over correlations" not in words


def test_all_hits_need_no_open_economy(tmp_path, monkeypatch):
    run = made(
        tmp_path,
        monkeypatch,
        delta=(6.0, 0.3),
        variants=[("Prior", "tight", {"priors.delta": {"family": "half_normal", "scale": 0.1}}, (0.5, 0.1))],
    )
    words = sound(run)
    assert run.results["main"]["probabilities"]["multiple"]["hits"] == CHAINS * DRAWS
    assert "had several steady states above 9" in words
    assert "all 300 posterior draws have them" in words
    assert "does not need the open economy" in words
    assert "The prior matters" in words
    assert "posterior standard deviations below the posterior mean of δ" in words
    assert "In the" not in words or "undefined" not in words.split("What this run cannot say")[0]


def test_failures_head_the_page_and_mark_the_answer(tmp_path, monkeypatch):
    without_drawing(monkeypatch)
    run = made(tmp_path, monkeypatch, failures=["R-hat of δ is 1.30 > 1.01"], lost=7)
    words = sound(run, WITHOUT_VARIANTS)
    assert words.index("Diagnostics failed: the answer below is not to be relied on") < words.index("The answer (not")
    assert "R-hat of δ is 1.30 > 1.01" in words
    assert "The main posterior itself failed." in words
    assert "the solver did not converge at 7 draws, which leaves 0% to 2.33%" in words
    many = run.results | {"failures": [f"variant 'g: {i}': bad" for i in range(12)]}
    page = first_page(many, run.folder.read_arrays("figures.npz"), {})
    assert page.blame.startswith("The main posterior passed its diagnostics")


def test_fixed_parameters_have_no_picture_of_a_prior(tmp_path, monkeypatch):
    values = {"log_eta": 0.2231, "delta": 0.68, "subsidy": 0.06}
    changes = {f"priors.{name}": {"family": "fixed", "value": value} for name, value in values.items()}
    run = made(tmp_path, monkeypatch, changes=changes)
    words = sound(run, WITHOUT_VARIANTS[1:])
    assert "This study holds δ at 0.68" in words
    assert "fixed at 0.68" in words
    assert run.results["main"]["distance"] is None


def test_bounded_productivity_and_the_other_pin(tmp_path, monkeypatch):
    free = {
        "economy.kappa": 1.4,
        "economy.pin": "from_zero",
        "priors.sigma": {"family": "uniform", "low": 4.0, "high": 6.0},
        "priors.pareto_ratio": {"family": "uniform", "low": 1.02, "high": 1.5},
    }
    words = sound(made(tmp_path, monkeypatch, delta=(1.5, 0.5), changes=free), WITHOUT_VARIANTS)
    assert "K = κ−θ" in words
    assert "δ > g(1) − g(λ), and δ stays below the upper end" in words
    assert "taken as one period after no adoption" in words
    assert "bounded at κ = 1.4 times its smallest value in this run" in words
    assert "its bounded productivity" not in words


def test_labels_are_text_in_html_latex_and_figures(tmp_path, monkeypatch):
    hostile = '<script>alert("1")</script> & $x_1$ 강남 100% {a}'
    run = made(
        tmp_path,
        monkeypatch,
        title=hostile,
        variants=[(hostile, hostile, {"priors.delta": {"family": "half_normal", "scale": 2.0}}, (0.7, 0.2))],
    )
    sound(run)
    with drawing():
        rendered(sensitivity(sensitivity_rows(run.results)[0]))  # warns of no missing letter, trips over no formula
    assert "<script>" not in run.page
    assert "&lt;script&gt;alert(&#34;1&#34;)&lt;/script&gt; &amp; $x_1$ 강남 100% {a}" in run.page
    latex = (run.folder.path / "tables" / "sensitivity.tex").read_text(encoding="utf-8")
    assert r"\& \$x\_1\$ 강남 100\% \{a\}" in latex


def without_drawing(monkeypatch):
    """Leave the figures out where a test is about words."""
    for name in ("prior_posterior", "multiplicity_map", "figure3", "paths"):
        monkeypatch.setattr(f"bigpush_est.report.page.{name}", lambda *_: object())


def test_many_variants_fill_several_figures(tmp_path, monkeypatch):
    without_drawing(monkeypatch)
    one = ("Prior", {"priors.delta": {"family": "half_normal", "scale": 2.0}})
    run = made(tmp_path, monkeypatch, variants=[(one[0], "first", one[1], (0.7, 0.2))])
    variants = [run.results["variants"][0] | {"group": f"group {i // 7}", "label": str(i)} for i in range(120)]
    write_report(run.folder, run.results | {"variants": variants}, lambda *_: None)
    written = Run(run.folder, run.results, (run.folder.path / "index.html").read_text(encoding="utf-8"))
    assert "part 2 of 4" in sound(written, (*FIGURES, "sensitivity_2", "sensitivity_3", "sensitivity_4"))


def test_csv_and_json_hold_the_same_values_and_a_second_write_the_same_bytes(tmp_path, monkeypatch):
    variants = [("Prior", "wide", {"priors.delta": {"family": "half_normal", "scale": 2.0}}, (0.7, 0.2))]
    run = made(tmp_path, monkeypatch, variants=variants, rendering=True)
    sound(run)
    tables = all_tables(run.results, PAPER)
    assert {"probabilities", "parameters", "push", "sensitivity", "tf", "inputs", "provenance"} <= set(tables)
    for name, table in tables.items():
        content = json.loads((run.folder.path / "tables" / f"{name}.json").read_text(encoding="utf-8"))
        with io.StringIO((run.folder.path / "tables" / f"{name}.csv").read_text(encoding="utf-8")) as stream:
            rows = list(csv.DictReader(stream))
        expected = [{key: "" if value is None else str(value) for key, value in row.items()} for row in content["rows"]]
        assert rows == expected
        assert len(rows) == len(table.rows) > 0
        latex = (run.folder.path / "tables" / f"{name}.tex").read_text(encoding="utf-8")
        assert latex.count(r"\toprule") == latex.count(r"\begin{table}") + 2 * latex.count(r"\begin{longtable}")
        assert latex.count("{") == latex.count("}")
    before = contents(run.folder.path)
    # two figures are drawn anew, one with rasterised points and one without; the others stand for themselves
    arrays = run.folder.read_arrays("figures.npz")
    share = run.results["study"]["adopter_share_1972"]
    for name, draw in (
        ("prior_posterior", lambda: prior_posterior(arrays, PAPER)),
        ("multiplicity_map", lambda: multiplicity_map(arrays, share, PAPER)),
    ):
        with drawing():
            png, svg = rendered(draw())
        assert (before[f"figures/{name}.png"], before[f"figures/{name}.svg"]) == (png, svg)
    saved = iter([tuple(before[f"figures/{name}.{kind}"] for kind in ("png", "svg")) for name in FIGURES])
    monkeypatch.setattr("bigpush_est.report.publishing.rendered", lambda picture: next(saved))
    write_report(run.folder, run.results, lambda *_: None)
    assert contents(run.folder.path) == before


def contents(path: Path):
    return {str(file.relative_to(path)): file.read_bytes() for file in sorted(path.rglob("*")) if file.is_file()}


@pytest.mark.parametrize(
    ("value", "text"), [(None, "–"), (0.0, "0"), (99.96, "100.0"), (-0.00123, "−0.00123"), (3e9, "3.00e9")]
)
def test_numbers(value, text):
    assert figure(value) == text


def test_a_range_names_the_loosest_bound_where_some_draws_hit_and_others_do_not():
    def chance(hits, high, text):
        return {"hits": hits, "draws": 100, "estimate": hits / 100, "bound_low": 0.0, "bound_high": high, "text": text}

    cases = [chance(0, 0.03, "< 3%"), chance(0, 0.06, "< 6%"), chance(2, 0.07, "2% ± 1")]
    assert probability_range(cases) == "from below 3% to 2% ± 1 (where no draw has them, the loosest bound is 6%)"


def test_latex_writes_the_papers_notation():
    assert escaped("s̄ ≥ 5% of F^T") == r"\ensuremath{\bar{s}} \ensuremath{\ge} 5\% of F\textasciicircum{}T"
