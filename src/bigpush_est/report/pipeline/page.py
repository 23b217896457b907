"""The page of a pipeline run: figures, tables and one self-contained document."""

import base64
from collections.abc import Callable
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from matplotlib.figure import Figure

from bigpush_est.data.published import load_published
from bigpush_est.report.figures import prior_posterior
from bigpush_est.report.numbers import count, probability
from bigpush_est.report.pipeline import figures as drawings
from bigpush_est.report.pipeline.contents import all_tables
from bigpush_est.report.pipeline.labels import Results, data_label, main_answer, points
from bigpush_est.report.pipeline.wording import first_page
from bigpush_est.report.style import drawing, rendered
from bigpush_est.report.tables import Table
from bigpush_est.run_folder import RunFolder

#: Size up to which the page holds a figure as SVG; above it, as PNG.
LARGEST_SVG = 300_000
STAGE = "Writing the report"

#: A figure's drawing, its text alternative and its caption.
type Drawn = dict[str, tuple[Callable[[], Figure], str, str]]


def write_pipeline_report(folder: RunFolder, results: Results, told: Callable[[str, int, int], None]) -> None:
    """Write ``index.html``, ``figures/`` and ``tables/`` of a pipeline run.

    Parameters
    ----------
    folder
        The run's folder; it holds ``figures.npz``.
    results
        The content of ``results.json``.
    told
        Called with the stage's name, pieces done and pieces in all.
    """
    arrays = folder.read_arrays("figures.npz")
    tables, drawn = all_tables(results), _figures(results, arrays)
    total = len(tables) + len(drawn) + 1
    told(STAGE, 0, total)
    label = data_label(results)
    figures: dict[str, dict[str, Any]] = {}
    for done, (name, (draw, alternative, caption)) in enumerate(drawn.items(), start=1):
        with drawing():
            png, svg = rendered(draw())
        folder.write(f"figures/{name}.png", lambda path, content=png: _write(path, content))  # type: ignore[misc]
        folder.write(f"figures/{name}.svg", lambda path, content=svg: _write(path, content))  # type: ignore[misc]
        figures[name] = {
            "name": name,
            "source": _embedded(png, svg),
            "alt": f"{alternative} {label}.",
            "caption": f"{caption} {label}.",
        }
        told(STAGE, done, total)
    for done, table in enumerate(tables.values(), start=len(drawn) + 1):
        # files travel without the page: their notes say what the data are
        alone = replace(table, note=f"{table.note} {label}.".strip())
        folder.write_text(f"tables/{table.name}.csv", alone.csv())
        folder.write_text(f"tables/{table.name}.json", alone.json())
        folder.write_text(f"tables/{table.name}.tex", alone.latex())
        told(STAGE, done, total)
    folder.write_text("index.html", _page(results, figures, tables))
    told(STAGE, total, total)


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def _embedded(png: bytes, svg: bytes) -> str:
    # as an image, not as inline markup: ids of several SVGs in one document would clash
    if len(svg) <= LARGEST_SVG:
        return "data:image/svg+xml;base64," + base64.b64encode(svg).decode("ascii")
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")


def _page(results: Results, figures: dict[str, dict[str, Any]], tables: dict[str, Table]) -> str:
    environment = Environment(
        loader=PackageLoader("bigpush_est.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    templates = files("bigpush_est.report").joinpath("templates")
    style = "".join(templates.joinpath(name).read_text(encoding="utf-8") for name in ("style.css", "quantitative.css"))
    return environment.get_template("pipeline.html.j2").render(
        style=Markup(style), study=results["study"], page=first_page(results), figures=figures, tables=tables
    )


def _figures(results: Results, arrays: dict[str, Any]) -> Drawn:
    """Return each figure's drawing, its text alternative and its caption."""
    published = load_published()
    paper = {name: published.value(name) for name in ("eta", "delta", "sigma")}
    paper["subsidy"] = published.value("subsidy_rate")
    paper["pareto_ratio"] = published.value("theta") / (published.value("sigma") - 1.0)
    answer = main_answer(results)
    chances, gap = answer["probabilities"], answer["differences"]["gdp_share"]
    draws = count(answer["draws"])
    drawn: Drawn = {}
    if any(key.startswith("prior_") for key in arrays):
        drawn["prior_posterior"] = (
            lambda: drawings.present(prior_posterior(arrays, paper)),
            "Histograms of the posterior with lines for the prior and the paper’s value.",
            "Prior (line) and posterior (histogram) of each free parameter; dashed: the value that the paper uses.",
        )
    drawn["figure4"] = (
        lambda: drawings.fans(results, arrays),
        f"Three fan charts over time. In the long run the push changes the GDP share by {points(gap['median'])} p.p.",
        f"The paper’s Figure 4 over {draws} draws: medians, 50% and 90% bands, with and without the push.",
    )
    drawn["cloud"] = (
        lambda: drawings.cloud(results, arrays, paper),
        f"Draws over δ and η. Several steady states: {probability(chances['multiple'])}; moved: "
        f"{probability(chances['moved'])}.",
        "Posterior draws by what the quantitative model does at them. Each draw is calibrated anew, so that a cloud of "
        "one colour need not have a sharp edge."
        if results["study"]["main"] == "recalibrated"
        else "Posterior draws by what the quantitative model does at them, the calibration held at its point.",
    )
    drawn["map"] = (
        lambda: drawings.regional_map(results, arrays),
        "Two maps of the regions as points: median change of the heavy GDP share and median welfare gain.",
        "The regions: medians over draws. A: change of the heavy GDP share with the push. B: consumption-equivalent "
        "gain. There are no coastlines: points stand at the places’ coordinates.",
    )
    optional: list[tuple[str, Callable[[], Figure | None], str, str]] = [
        (
            "tornado",
            lambda: drawings.tornado(results),
            "Bars: the change of each answer per standard error of each estimate, and per doubled prior.",
            "What moves the answer, to first order: one standard error of each estimate (blue) and a prior of twice "
            "the weight (grey), with 95% Monte Carlo intervals.",
        ),
        (
            "correlation",
            lambda: drawings.correlation_curve(results),
            "Lines: the probabilities over the correlation of the two estimates.",
            "The correlation of the estimates is unknown: the probabilities over its range, by weighting the draws; "
            "lines end where the draws no longer reach.",
        ),
        (
            "event_study",
            lambda: drawings.event_study(results),
            "Coefficients of the event study with 95% intervals.",
            "Winners against losers: coefficients with 95% intervals.",
        ),
        (
            "variants",
            lambda: drawings.specification_curve(results),
            "Dot plot: probabilities and effect by variant.",
            "The answer under each variant, from its estimates to its calibration anew, on fewer draws.",
        ),
    ]
    for name, draw, alternative, caption in optional:
        with drawing():
            there = draw() is not None
        if there:
            drawn[name] = (lambda draw=draw: drawings.present(draw()), alternative, caption)  # type: ignore[misc]
    return drawn
