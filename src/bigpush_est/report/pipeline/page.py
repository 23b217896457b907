"""The page of a pipeline run: figures, tables and one self-contained document."""

from collections.abc import Callable
from typing import Any

from matplotlib.figure import Figure

from bigpush_est.data.published import load_published
from bigpush_est.report.figures import prior_posterior
from bigpush_est.report.numbers import count, probability
from bigpush_est.report.pipeline import figures as drawings
from bigpush_est.report.pipeline.contents import all_tables
from bigpush_est.report.pipeline.labels import Results, data_label, main_answer, points
from bigpush_est.report.pipeline.wording import first_page
from bigpush_est.report.publishing import Drawn, Told, present, write_files, write_page
from bigpush_est.report.style import drawing
from bigpush_est.run_folder import RunFolder


def write_pipeline_report(folder: RunFolder, results: Results, told: Told) -> None:
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
    shown = write_files(folder, drawn, tables, told, data_label(results))
    write_page(
        folder,
        "pipeline.html.j2",
        ("style.css", "quantitative.css"),
        told,
        study=results["study"],
        page=first_page(results),
        figures=shown,
        tables=tables,
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
            lambda: present(prior_posterior(arrays, paper)),
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
            drawn[name] = (lambda draw=draw: present(draw()), alternative, caption)  # type: ignore[misc]
    return drawn
