"""The lecture's models as a job: words in, probabilities with their errors, files, and the command line."""

import csv
import io
import json

import numpy as np
import pytest

from bigpush_est import cli
from bigpush_est.bayes.priors import Prior, Support
from bigpush_est.equilibrium.coordination import MODELS
from bigpush_est.errors import InputError, InvalidValue, OutputOccupied, UnknownKey, UnknownModel, WrongType
from bigpush_est.report.style import rendered
from bigpush_est.report.theory_figures import slide, theory_figures
from bigpush_est.report.theory_tables import theory_tables
from bigpush_est.theory import CHUNK, run_theory, solved_draws, theory_job, write_theory

COST = "upgrade_cost=uniform(low=0.06, high=0.2)"


def call(monkeypatch, capsys, *arguments):
    """Run ``main`` as the console script does."""
    monkeypatch.setattr("sys.argv", ["bigpush-est", "theory", *map(str, arguments)])
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    captured = capsys.readouterr()
    return stopped.value.code, captured.out, captured.err


# -- the job ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "priors", "kind", "words"),
    [
        (["skill_high=1.5"], [], InvalidValue, "skill_high = 1.5 is refused: it must be in [0, 1]"),
        (["skill_high"], [], InvalidValue, "of the form parameter=..."),
        (["skill_high=high"], [], WrongType, "--set skill_high = 'high' has the wrong type"),
        (["skil_high=0.5"], [], UnknownKey, "--set, the model 'oring': the key 'skil_high' (value 0.5)"),
        (["sorting=0", "sorting=1"], [], InvalidValue, "given once"),
        (["upgrade_cost=0.1"], [COST], InvalidValue, "a value or a prior, not both"),
        ([], ["upgrade_cost=0.1"], InvalidValue, "a family with its numbers in brackets"),
        ([], ["upgrade_cost=triangular(1, 2)"], InvalidValue, "one of half_normal"),
        ([], ["upgrade_cost=uniform(0.1)"], InputError, "'high' is missing"),
        ([], ["upgrade_cost=uniform(0.1, 0.2, 0.3)"], UnknownKey, "uniform takes low, high"),
        ([], ["upgrade_cost=uniform(low=0.1, low=0.2)"], InvalidValue, "given low once"),
        ([], ["upgrade_cost=uniform(low=a, high=b)"], WrongType, "a number is expected"),
        ([], ["upgrade_cost=uniform(-1, 1)"], InvalidValue, "increasing and within (0, inf)"),
        ([], ["upgrade_cost=normal(nan, 1)"], InvalidValue, "a finite number"),
        ([], ["skill_high=gamma(1, 1)"], InvalidValue, "a family on (0, 1)"),
        ([], ["tasks=uniform(2, 4)"], InvalidValue, "--set tasks=2"),
        (["tasks=2.5"], [COST], InvalidValue, "a whole number"),
        (["skill_low=nan"], [], WrongType, "--set skill_low = 'nan' has the wrong type"),
        (["output_scale=1e300"], [], InvalidValue, "greater than 0, and at most 1e+09"),
        (["tasks=1e20"], [], InvalidValue, "and at most 1e+09"),
        (["upgrade_cost=inf"], [], InvalidValue, "and at most 1e+09"),
    ],
)
def test_mistakes_are_named(settings, priors, kind, words):
    with pytest.raises(kind) as refused:
        run_theory(theory_job("oring", settings, priors))
    assert words in str(refused.value)
    assert "Remedy" in str(refused.value)


def test_priors_that_overlap_are_refused_with_the_number_of_draws():
    job = theory_job("oring", [], ["skill_low=uniform(0, 0.8)", "skill_high=uniform(0.6, 1)"], draws=500)
    with pytest.raises(InputError, match=r"of 500 draws\).*must not overlap"):
        run_theory(job)


def test_what_is_held_is_checked_beside_the_priors_not_beside_defaults():
    # above the default of skill_high, and below every draw of it
    run = run_theory(theory_job("oring", ["skill_low=0.92"], ["skill_high=uniform(0.96, 1)"], draws=200))
    assert run.results["prior"]["draws"] == 200
    with pytest.raises(InputError, match=r"skill_high = 0.98"):
        theory_job("oring", ["skill_low=0.99"], ["skill_high=uniform(0.96, 1)"])


def test_unknown_models_and_draws_are_refused():
    with pytest.raises(UnknownModel, match="did you mean oring"):
        theory_job("o-ring")
    with pytest.raises(InvalidValue, match="--draws = 50 is refused: it must be from 100"):
        theory_job("oring", [], [COST], draws=50)
    with pytest.raises(InvalidValue, match="--seed = 1 is refused: it must be left out where there is no prior"):
        theory_job("oring", seed=1)


def test_what_describe_writes_can_be_read_and_zero_is_a_premium():
    for text in (
        "half_normal(scale=0.5)",
        "log_normal(median=0.5, log_sd=1)",
        "fixed(value=0)",
        "normal(mean=0, sd=1)",
    ):
        prior = Prior.read("premium", text, within=Support(0.0, np.inf, "v", low_included=True))
        assert prior.describe() == text
    assert Support(0.0, 1.0, "a share", high_included=True).holds(1.0)
    assert not Support(0.0, 1.0, "a share").holds(0.0)


# -- probabilities ----------------------------------------------------------------------------------------------------


def test_the_probability_is_the_known_one_within_its_error():
    """With identical workers, c uniform on (0.05, 0.25) lies in the window (0.10, 0.18) with probability 0.4."""
    job = theory_job("oring", ["spread=0"], ["upgrade_cost=uniform(0.05, 0.25)"], draws=20_000)
    run = run_theory(job)
    results = run.results["prior"]
    chance = results["probabilities"]["multiple"]
    assert chance["mcse"] == pytest.approx(np.sqrt(0.4 * 0.6 / 20_000), rel=0.05)
    assert abs(chance["estimate"] - 0.4) < 4.0 * chance["mcse"]
    assert chance["bound_low"] < 0.4 < chance["bound_high"]
    assert results["solver"]["unconverged"] == 0
    assert results["solver"]["beyond_closed_form"] == 0
    # the first acts if c < w(0) = 0.10, and the last joins if c ≤ w(1) = 0.18
    for name, known in (("nobody", 0.75), ("everybody", 0.65), ("trapped", 0.4)):
        other = results["probabilities"][name]
        assert abs(other["estimate"] - known) < 4.0 * other["mcse"], name
    # the trap ends at (2c/0.4 − 0.5)/0.4, uniform on (0, 1)
    trap = results["quantities"]["trap"]
    assert trap["defined"] == chance["hits"]
    assert trap["median"] == pytest.approx(0.5, abs=4.0 * trap["mcse"])
    assert trap["low90"] == pytest.approx(0.05, abs=0.01)
    # each is paid c − w(0), uniform on (0, 0.08)
    draws = run.draws
    some = draws["multiple"]
    np.testing.assert_allclose(draws["payment"][some], draws["upgrade_cost"][some] - 0.1)
    np.testing.assert_allclose(draws["bill"][some], draws["payment"][some] * draws["trap"][some])
    np.testing.assert_allclose(draws["welfare_gain"][some], 0.405 - 0.125 - draws["upgrade_cost"][some])
    assert np.isnan(draws["payment"][~some]).all()


def test_without_a_hit_the_probability_is_a_bound():
    job = theory_job("oring", ["sorting=1"], [COST], draws=1000)
    chance = run_theory(job).results["prior"]["probabilities"]["multiple"]
    assert chance["hits"] == 0
    assert chance["bound_high"] == pytest.approx(1.0 - 0.05 ** (1.0 / 1000))
    assert chance["text"] == "< 0.3%"


def test_draws_do_not_depend_on_the_other_priors_nor_on_chunks():
    one = solved_draws(theory_job("training", [], ["training_cost=uniform(0.1, 0.7)"], draws=CHUNK + 500))
    both = ["poaching=beta(2, 2)", "training_cost=uniform(0.1, 0.7)"]
    two = solved_draws(theory_job("training", [], both, draws=CHUNK + 500))
    np.testing.assert_array_equal(one["training_cost"], two["training_cost"])
    again = solved_draws(theory_job("training", [], both, draws=CHUNK + 500))
    for name, values in two.items():
        np.testing.assert_array_equal(values, again[name])
    other = solved_draws(theory_job("training", [], both, draws=CHUNK + 500, seed=7))
    assert (other["training_cost"] != two["training_cost"]).all()


def test_the_economy_shown_has_the_priors_medians():
    skewed = "output_scale=log_normal(median=1.5, log_sd=1)"
    run = run_theory(theory_job("oring", ["skill_low=0.4"], [COST, "sorting=fixed(0.5)", skewed], draws=200))
    values = {row["name"]: row["value"] for row in run.results["parameters"]}
    assert values["upgrade_cost"] == pytest.approx(0.13)
    assert values["output_scale"] == pytest.approx(1.5)
    assert (values["sorting"], values["skill_low"], values["skill_high"]) == (0.5, 0.4, 0.9)


# -- figures and tables -----------------------------------------------------------------------------------------------

#: Economies with a trap, without one, with identical agents, with a map that falls, with an infinite push.
SHOWN = [
    ("big-push", []),
    ("big-push", ["premium=0"]),
    ("training", ["spread=0"]),
    ("investment", ["substitution=0", "fixed_cost=0.3", "spread=0.05"]),
    ("infrastructure", ["anchor=0"]),
    ("urbanisation", ["rural_use=1"]),
    ("oring", ["tasks=3", "upgrade_cost=0.07", "spread=0.4"]),
    ("oring", ["sorting=1"]),
    ("oring", ["skill_low=0", "upgrade_cost=0.2"]),
]


@pytest.mark.parametrize(("name", "settings"), SHOWN, ids=[f"{n}-{'-'.join(s)}" for n, s in SHOWN])
def test_every_figure_and_table_can_be_made(name, settings):
    run = run_theory(theory_job(name, settings))
    assert run.results["failures"] == []
    for draw in theory_figures(run.results, run.arrays).values():
        with slide():
            draw().draw_without_rendering()
    tables = theory_tables(run.results)
    assert {"parameters", "equilibria", "answers", "comparative_statics"} <= set(tables)
    for table in tables.values():
        assert table.blocks()
        rows = list(csv.DictReader(io.StringIO(table.csv())))
        assert len(rows) == len(table.rows) == len(json.loads(table.json())["rows"])
        assert "nan" not in table.csv()
    words = " ".join(cell for _, rows in tables["answers"].blocks() for _, cells in rows for cell in cells)
    assert ("end in the lowest state" in words) == (run.results["trap"] is not None)


def test_every_figure_says_that_its_parameters_are_illustrative_and_whose_model_it_is():
    run = run_theory(theory_job("oring", ["tasks=3"], [COST], draws=200))
    feet = {}
    for stem, draw in theory_figures(run.results, run.arrays).items():
        with slide():
            picture = draw()
            picture.draw_without_rendering()
            foot = next(text for text in picture.texts if text.get_text().startswith("Illustrative parameters"))
            edge, panels = foot.get_window_extent(), [panel.get_tightbbox() for panel in picture.axes]
        assert edge.x1 <= picture.bbox.x1, stem
        assert all(edge.y1 <= panel.y0 for panel in panels), stem
        feet[stem] = " ".join(foot.get_text().split())
    assert all("Kremer (1993)" in foot for foot in feet.values())
    assert "$q_{L}$ = 0.5, $q_{H}$ = 0.9, n = 3, A = 1, c = 0.13, a = 0, h = 0.2." in feet["paths"]
    assert "Welfare: output per worker less upgrading costs, goods." in feet["paths"]
    assert "c = 0.13" not in feet["prior"]
    assert "draws from c ~ uniform(low=0.06, high=0.2)." in feet["prior"]
    # four workers are two teams of two, whatever the economy's number of tasks
    assert "n = 3" not in feet["matching"]
    assert "n = 3" in feet["wages"]


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        # a step of 5% would take one skill beyond the other
        ("oring", ["skill_low=0.88", "upgrade_cost=0.009"]),
        ("oring", ["skill_high=0.51", "upgrade_cost=0.003"]),
        # the figure along the key parameter would go beyond the largest value allowed
        ("training", ["gain_from_training=1e9", "firm_share=1"]),
        ("infrastructure", ["line_cost=1e9"]),
    ],
)
def test_an_economy_close_to_the_edge_of_what_is_allowed_is_solved(name, settings):
    run = run_theory(theory_job(name, settings))
    rows = {row["parameter"]: row for row in theory_tables(run.results)["comparative_statics"].rows}
    if name == "oring":
        low, high = (rows[key] for key in ("skill_low", "skill_high"))
        assert low["value_high"] == low["value"] > low["value_low"]
        assert high["value_low"] == high["value"] < high["value_high"]
    assert run.arrays["key.value"].max() <= 1e9


def test_priors_with_draws_beyond_what_is_allowed_are_named_with_their_number(recwarn):
    job = theory_job("big-push", [], ["labour=log_normal(median=1, log_sd=400)"], draws=400)
    with pytest.raises(InvalidValue, match=r"--prior labour = log_normal.*; \d+ of 400 are not, such as .*narrow it"):
        run_theory(job)
    assert not recwarn.list


def test_a_prior_that_holds_its_parameter_fixed_has_no_panel():
    both = run_theory(theory_job("oring", [], [COST, "sorting=fixed(0.1)"], draws=200))
    with slide():
        panels = theory_figures(both.results, both.arrays)["prior"]().axes
    assert [panel.get_xlabel() for panel in panels] == ["c (goods)"]
    one = run_theory(theory_job("oring", [], ["sorting=fixed(0.1)"], draws=200))
    assert "prior" not in theory_figures(one.results, one.arrays)


def test_what_is_printed_is_what_was_solved():
    """Numbers on paper: two tasks, q_L = 0.5, q_H = 0.9, A = 1, costs uniform on 0.14 ± 20%."""
    run = run_theory(theory_job("oring"))
    # c(0.8 + 0.4 n) = 0.2 (0.5 + 0.4 n) at n = 1/2; the first cost is 0.112, the first gain 0.1
    trap, payment = 0.5, 0.14 - 0.1
    assert run.results["push"]["together"] == pytest.approx(trap)
    assert run.results["push"]["payment"] == pytest.approx(payment)
    assert run.results["push"]["bill"] == pytest.approx(payment * trap)
    assert [row["best"] for row in run.results["equilibria"]] == [False, False, True]
    assert run.results["welfare_gain"] == pytest.approx(0.9**2 / 2 - 0.14 - 0.5**2 / 2)
    tables = theory_tables(run.results)
    answers = {row["key"]: row["answer"] for row in tables["answers"].rows}
    assert answers["best"] == "100.0% (0.0%: 0.125, 100.0%: 0.265)"
    assert answers["first"].startswith("no, it loses 0.0120")
    assert answers["payment"].startswith("0.0400 per upgrading worker")
    assert answers["payment"].endswith("spread over all workers 0.0200")
    effects = next(table for table in tables.values() if table.name == "comparative_statics")
    words = {cells[0]: cells[-1] for _, rows in effects.blocks() for _, cells in rows}
    assert words["upgrade_cost"] == words["tasks"] == "deepens the trap"
    assert words["skill_high"] == words["output_scale"] == words["sorting"] == "shrinks the trap"
    # the slides' prices are the partner's skill, Kremer's wages the own skill's
    four = {(row["teams"], row["worker"]): row for row in tables["four_workers"].rows}
    prices, wages, split = (
        [four[teams, worker][key] for teams in ("mixed", "sorted") for worker in ("low", "high")]
        for key in ("price_of_skill", "competitive_wage", "equal_split")
    )
    assert prices == pytest.approx([0.9, 0.5, 0.5, 0.9])
    assert wages == pytest.approx([0.125, 0.405, 0.125, 0.405])
    assert split == pytest.approx([0.225, 0.225, 0.125, 0.405])
    kept = np.isfinite(run.arrays["states.share"])
    for key in ("share", "welfare"):
        assert run.arrays[f"states.{key}"][kept].tolist() == [row[key] for row in run.results["equilibria"]]
    # along c: nobody and everybody, and between them the n at which c(0.8 + 0.4 n) = 0.2 (0.5 + 0.4 n)
    cost, unstable = run.arrays["key.value"], run.arrays["key.unstable"]
    between = (cost > 0.1251) & (cost < 0.1499)
    assert between.sum() > 20
    np.testing.assert_allclose(unstable[between], (0.8 * cost - 0.1)[between] / (0.08 - 0.4 * cost)[between], atol=1e-6)
    assert (run.arrays["key.low"][between] == 0.0).all()
    assert (run.arrays["key.high"][between] == 1.0).all()
    # figures: one push that fails and one that does not, and the wage's slope as the price
    assert run.arrays["paths.pushed"][:, -1].tolist() == [0.0, 1.0]
    np.testing.assert_allclose(run.arrays["wages.price"], run.arrays["wages.skill"])
    np.testing.assert_allclose(2.0 * run.arrays["wages.wage"], run.arrays["wages.output"])
    assert run.arrays["divergence.output"][:, -1] == pytest.approx([0.125, 0.405])


def test_figures_are_the_same_bytes_on_every_run():
    job = theory_job("oring", [], [COST], draws=300)

    def drawn():
        run = run_theory(job)
        figures = theory_figures(run.results, run.arrays)
        assert len(figures) == 7
        with slide():
            return [rendered(figures[name]()) for name in ("paths", "prior")]

    first = drawn()
    assert drawn() == first
    assert first[0][0].startswith(b"\x89PNG")
    assert b"<svg" in first[0][1]


@pytest.fixture
def one_figure(monkeypatch):
    """Draw one figure only where a test is about files."""
    monkeypatch.setattr(
        "bigpush_est.report.theory_figures.theory_figures",
        lambda results, arrays: {"paths": theory_figures(results, arrays)["paths"]},
    )


@pytest.mark.usefixtures("one_figure")
def test_a_folder_holds_figures_tables_and_draws_and_is_not_written_over(tmp_path):
    job = theory_job("oring", [], [COST], draws=300)
    run = run_theory(job)
    written = write_theory(run, job, tmp_path / "out")
    assert {path.name for path in written} >= {"paths.svg", "paths.png", "answers.csv", "draws.csv"}
    with (tmp_path / "out" / "tables" / "draws.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 300
    assert {"upgrade_cost", "multiple", "trap", "payment", "converged"} <= set(rows[0])
    assert sum(int(row["multiple"]) for row in rows) == run.results["prior"]["probabilities"]["multiple"]["hits"]
    stored = json.loads((tmp_path / "out" / "results.json").read_text(encoding="utf-8"))
    assert stored == run.results
    write_theory(run, job, tmp_path / "out")  # the same job again
    other = theory_job("oring", ["skill_low=0.4"], [COST], draws=300)
    with pytest.raises(OutputOccupied, match="other inputs"):
        write_theory(run_theory(other), other, tmp_path / "out")
    write_theory(run_theory(other), other, tmp_path / "out", overwrite=True)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("mine")
    with pytest.raises(OutputOccupied):
        write_theory(run, job, tmp_path / "mine", overwrite=True)


# -- the command line -------------------------------------------------------------------------------------------------


def test_the_list_names_every_model(monkeypatch, capsys):
    code, out, _ = call(monkeypatch, capsys)
    assert code in (0, None)
    for name in MODELS:
        assert name in out
    code, out, _ = call(monkeypatch, capsys, "--json")
    assert [row["name"] for row in json.loads(out)] == list(MODELS)


@pytest.mark.parametrize("name", MODELS)
def test_each_model_is_solved_and_printed(monkeypatch, capsys, name):
    code, out, err = call(monkeypatch, capsys, name)
    assert code in (0, None)
    assert err == ""
    for words in ("Steady states", "Does it pay the first to act?", "The smallest push", "Comparative statics"):
        assert words in out.replace("\n", " ")


@pytest.mark.usefixtures("one_figure")
def test_a_prior_gives_a_probability_with_its_error(monkeypatch, capsys, tmp_path):
    arguments = ("oring", "--prior", COST, "--draws", 500, "--seed", 3, "--out", tmp_path / "out")
    code, out, err = call(monkeypatch, capsys, *arguments)
    assert code in (0, None)
    assert "±" in out
    assert "500 independent draws" in " ".join(out.split())
    assert "Solving draws: 500 of 500" in err
    code, out, _ = call(monkeypatch, capsys, *arguments, "--json")
    assert json.loads(out)["prior"]["draws"] == 500
    monkeypatch.setattr("sys.argv", ["bigpush-est", "show", str(tmp_path / "out")])
    with pytest.raises(SystemExit):
        cli.main()
    assert "Probabilities under the priors" in capsys.readouterr().out
    code, out, err = call(monkeypatch, capsys, *arguments, "--quiet")
    assert (out, err) == ("", "")


@pytest.mark.parametrize(
    "arguments",
    [
        ("nonsense",),
        ("oring", "--set", "skill_high=2"),
        ("oring", "--set", "skill_high=nan"),
        ("oring", "--prior", "upgrade_cost=half_normal(scale=-1)"),
        ("big-push", "--set", "fixed_cost=-1"),
        ("--set", "fixed_cost=1"),
        (),
    ],
)
def test_bad_input_exits_2_with_one_message(monkeypatch, capsys, tmp_path, arguments):
    code, out, err = call(monkeypatch, capsys, *arguments, "--out", tmp_path / "out")
    assert code == 2
    assert out == ""
    assert err.count("\n") == 1
    assert "Remedy" in err
    assert not (tmp_path / "out").exists()


def test_an_interruption_exits_130_and_leaves_a_folder_that_can_be_written_again(monkeypatch, capsys, tmp_path):
    def stopped(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("bigpush_est.report.theory_figures.paths", stopped)
        code, _, err = call(patched, capsys, "training", "--out", tmp_path / "out", "--quiet")
    assert code == 130
    assert err.startswith("bigpush-est: Interrupted during 'writing'. Remedy: give the same command again")
    code, _, _ = call(monkeypatch, capsys, "training", "--out", tmp_path / "out", "--quiet")
    assert code in (0, None)
    assert json.loads((tmp_path / "out" / "run.json").read_text(encoding="utf-8"))["finished"]


def test_a_tangency_is_told_and_fails_a_job_that_is_about_it(monkeypatch, capsys):
    # c(1 − h) = w(0) and c(1 + h) = w(1): every worker is indifferent whatever the others do
    line = ("oring", "--set", f"spread={2 / 7}")
    code, out, err = call(monkeypatch, capsys, *line)
    assert code == 3
    assert "a tangency, or nearly one" in err
    assert "It is not complete here" in " ".join(out.split())
    # as the median of a prior it is shown for orientation only
    code, out, _ = call(monkeypatch, capsys, *line, "--prior", "upgrade_cost=uniform(0.13, 0.15)", "--draws", 200)
    assert code in (0, None)
    assert "It is not complete here" in " ".join(out.split())


def test_draws_that_do_not_converge_fail_the_job(monkeypatch, capsys):
    from bigpush_est.propagate import coordination

    solve_draws = coordination.solve_draws

    def some_lost(model):
        found = solve_draws(model)
        found["converged"][:3] = False
        return found

    monkeypatch.setattr(coordination, "solve_draws", some_lost)
    code, out, err = call(monkeypatch, capsys, "oring", "--prior", COST, "--draws", 200, "--json")
    assert code == 3
    assert "did not converge at 3 draws" in err
    chances = json.loads(out)["prior"]["probabilities"]
    chance = chances["multiple"]
    assert chance["unconverged"] == chances["trapped"]["unconverged"] == 3
    assert chances["nobody"]["unconverged"] == chances["everybody"]["unconverged"] == 0  # these need no solver
    assert chance["all_yes"] == pytest.approx(chance["all_no"] + 3 / 200)
