"""Every public result can be read in the same ways: tidy, summary, LaTeX, HTML, repr, and a plot where it has one."""

import inspect
import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

import bigpush_est.reduced_form
from bigpush_est.data.frames import MicroData
from bigpush_est.errors import InvalidValue
from bigpush_est.reduced_form.events.contract_events import contract_events
from bigpush_est.reduced_form.events.diagnostics import joint_test
from bigpush_est.reduced_form.events.matching import match_losers
from bigpush_est.reduced_form.honest.honest_did import honest_did
from bigpush_est.reduced_form.linear.clusters import Clusters
from bigpush_est.reduced_form.linear.joint import joint_covariance
from bigpush_est.reduced_form.linear.regression import iv, ols
from bigpush_est.reduced_form.linear.tables import table
from bigpush_est.reduced_form.result import Result, Summarised, cell_text, frame_to_html, frame_to_latex
from bigpush_est.reduced_form.shift_share.akm import akm
from bigpush_est.reduced_form.shift_share.shock_regression import shock_regression
from bigpush_est.reduced_form.tfpr import cost_share_index
from bigpush_est.reduced_form.weak_iv.anderson_rubin import anderson_rubin_set
from bigpush_est.reduced_form.weak_iv.identification import identification
from bigpush_est.reduced_form.weak_iv.tf import tf_interval
from bigpush_est.reduced_form.wild.bootstrap import wild_bootstrap

ODD = "a_b & 5% <x>"


def made() -> dict[str, Summarised]:
    """One small result of each class that needs no panel of firms."""
    rng = np.random.default_rng(2)
    z, u = rng.normal(size=200), rng.normal(size=200)
    data = pd.DataFrame({"z": z, "x": z + u, "g": np.arange(200) % 20, "h": np.arange(200) // 20})
    data["y"] = data["x"] + u + rng.normal(size=200)
    least, two = ols(data, "y ~ x", cluster="g+h"), iv(data, "y ~ 1 | x ~ z", cluster="g+h")
    joint = joint_covariance([least, two], titles=["OLS", ODD])
    shares = rng.dirichlet(np.ones(12), 200)
    shocks = rng.normal(size=12)
    moved = pd.DataFrame({"x": shares @ shocks})
    moved["y"] = moved["x"] + rng.normal(size=200)
    shift_share = ols(moved, "y ~ x")
    inverse = anderson_rubin_set(two.problem)
    candidates = pd.DataFrame(rng.normal(size=(60, 2)), columns=["log_assets", ODD])
    candidates = candidates.assign(firm=np.arange(60), loser=np.arange(60) % 3 == 0, year=1975)
    panel = pd.DataFrame({"firm": ["a", "b"], "year": 1973, "region": "r", "sector": "s", "sales": [8.0, 4.0]})
    panel = panel.assign(employment=[4.0, 2.0], wage_bill=[2.0, 1.0], fixed_assets=[20.0, 10.0])
    deals = pd.DataFrame({"contract": [1, 2], "firm": ["a", "b"], "year": 1973, "cancelled_year": [1974.0, np.nan]})
    micro = MicroData.of(panel=panel, contracts=deals.assign(cancelled_by=pd.Series(["foreign", None], dtype=object)))
    found: list[Summarised] = [
        least,
        joint,
        joint.wald([{"OLS: x": 1.0}]),
        joint.delta(lambda beta: beta[1] / beta[0], names=[ODD]),
        table([least, two], titles=["one", ODD]),
        identification(two.problem),
        inverse,
        inverse.test,
        tf_interval(2.7, 0.73, 21.56),
        wild_bootstrap(two.problem, draws=99, bootstrap_by="g", confidence_set=True),
        akm(shift_share.problem, shares, regressor="x"),
        shock_regression(shift_share.problem, shares, shocks, regressor="x"),
        joint_test("nothing", np.array([1.0]), np.eye(1), 10.0),
        honest_did([0.1, 0.0, 0.5, 0.6], 0.01 * np.eye(4), [-3, -2, 0, 1], bounds=[0.0, 0.5]),
        match_losers(candidates, exact=["year"], variables=["log_assets", ODD]),
        contract_events(micro),
        cost_share_index(micro),
    ]
    return {type(one).__name__: one for one in found}


MADE = made()


def subclasses(kind: type) -> set[type]:
    found: set[type] = set()
    below: list[type] = type.__subclasses__(kind)
    for child in below:
        if child.__module__.startswith("bigpush_est"):
            found |= {child} | subclasses(child)
    return found


class Cells(HTMLParser):
    """Counts tags and keeps what is printed."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)

    def handle_data(self, data):
        self.text += data


@pytest.mark.parametrize("name", MADE)
def test_a_result_can_be_read_in_every_way(name):
    result = MADE[name]
    text = result.summary()
    assert str(result) == text
    assert repr(result).startswith(f"<{name}: ")
    assert "\n" not in repr(result)
    html, latex = Cells(), result.to_latex()
    html.feed(result.to_html())
    assert set(html.tags) <= {"table", "thead", "tbody", "tfoot", "tr", "th", "td", "p"}  # no name became a tag
    assert latex.startswith(r"\begin{tabular}")
    assert not re.search(r"(?<!\\)[%_#]", latex)
    if isinstance(result, Result):
        printed = result.printed()
        named = [index for index in printed.index.names if index is not None]
        assert html.tags.count("tr") >= len(printed) + 1
        assert latex.split("\n")[2].count(" & ") >= printed.shape[1] + len(named) - 1 or name == "Regression"
        assert not result.tidy().empty


@pytest.mark.parametrize("name", [name for name, result in MADE.items() if hasattr(result, "plot")])
def test_a_plot_is_axes_and_may_be_given_some(name):
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    axes = MADE[name].plot()
    assert isinstance(axes, Axes)
    assert axes.has_data()
    given = Figure().add_subplot()
    assert MADE[name].plot(axes=given) is given
    assert given.has_data()
    given.figure.canvas.draw()  # labels with odd characters are not read as mathematics


def test_every_class_of_results_leaves_its_repr_to_its_base():
    import importlib
    import pkgutil

    for module in pkgutil.walk_packages(bigpush_est.reduced_form.__path__, "bigpush_est.reduced_form."):
        importlib.import_module(module.name)
    kinds = subclasses(Summarised) - {Result}
    assert len(kinds) > 25
    for kind in kinds:
        assert not inspect.isabstract(kind), kind
        assert not hasattr(kind.__repr__, "__wrapped__"), kind  # which a generated one, that prints every array, has
        shown = inspect.signature(kind.plot).parameters if hasattr(kind, "plot") else {"axes"}
        assert "axes" in shown or kind.__name__ == "SpecificationCurve", kind


def test_cells_keep_small_numbers_and_escape():
    frame = pd.DataFrame({ODD: [0.00012, np.nan], "n": [1200, -3]}, index=pd.Index(["x_1", "$y$"], name="term"))
    assert cell_text(-0.5, 1) == "−0.5"
    assert cell_text(0.0, 3) == "0.000"
    lines = frame_to_latex(frame).split("\n")
    assert lines[2] == r"term & a\_b \& 5\% \ensuremath{<}x\ensuremath{>} & n \\"
    assert lines[4] == r"x\_1 & 1.2e\ensuremath{-}04 & 1,200 \\"
    assert lines[5] == r"\$y\$ &  & \ensuremath{-}3 \\"
    assert "a_b &amp; 5% &lt;x&gt;" in frame_to_html(frame)


def test_a_regression_hands_its_problem_on():
    """Its methods are the functions with the clusters, rule and fixed effects that were typed once."""
    rng = np.random.default_rng(5)
    data = pd.DataFrame({"firm": np.repeat(np.arange(40), 5), "year": np.tile(np.arange(5), 40)})
    data["z"], u = rng.normal(size=200), rng.normal(size=200)
    data["x"] = data["z"] + u
    data["y"] = data["x"] + u + rng.normal(size=5)[data["year"]] + rng.normal(size=200)
    data["g"] = data["firm"] % 8
    fit = iv(data, "y ~ 1 | firm + year | x ~ z", cluster="g")
    effects = Clusters.build({"firm": data["firm"], "year": data["year"]})
    own = fit.wild_bootstrap(draws=99)
    direct = wild_bootstrap(
        fit.problem, draws=99, fixed_effects=effects, small_sample="fixest", parameters=fit.parameters
    )
    np.testing.assert_array_equal(own.draws_of_statistic, direct.draws_of_statistic)
    assert fit.identification().tidy().equals(identification(fit.problem).tidy())
    score = anderson_rubin_set(fit.problem, residuals="score", small_sample="none").confidence_set
    assert fit.anderson_rubin().confidence_set == score
    other = fit.anderson_rubin(residuals="wald", level=0.9).confidence_set
    assert other == anderson_rubin_set(fit.problem, level=0.9, parameters=fit.parameters).confidence_set
    robust = iv(data, "y ~ 1 | firm + year | x ~ z")
    with pytest.raises(InvalidValue, match="clusters"):
        robust.wild_bootstrap()
    direct_set = anderson_rubin_set(robust.problem, small_sample="fixest", parameters=robust.parameters)
    assert robust.anderson_rubin().confidence_set == direct_set.confidence_set
