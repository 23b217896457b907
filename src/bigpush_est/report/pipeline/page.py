"""The page of a pipeline run: figures, tables and one self-contained document."""

from typing import Any

from matplotlib.figure import Figure

from bigpush_est.data.published import load_published
from bigpush_est.report.figures import prior_posterior
from bigpush_est.report.numbers import count, probability
from bigpush_est.report.pipeline import figures as drawings
from bigpush_est.report.pipeline import sensitivity_figures as sensitivity
from bigpush_est.report.pipeline.contents import all_tables
from bigpush_est.report.pipeline.labels import (
    VERSIONS,
    Results,
    answers,
    data_label,
    points,
    second_part,
    with_interval,
)
from bigpush_est.report.pipeline.wording import first_page, paper_words, sensitivity_words
from bigpush_est.report.publishing import Drawn, Told, present, write_files, write_page
from bigpush_est.report.style import drawing
from bigpush_est.run_folder import RunFolder


def write_pipeline_report(folder: RunFolder, results: Results, told: Told) -> None:
    """Write ``index.html``, ``figures/`` and ``tables/`` of a pipeline run.

    Parameters
    ----------
    folder
        The run's folder; it holds ``figures.npz`` and ``study.json``.
    results
        The content of ``results.json``.
    told
        Called with the stage's name, pieces done and pieces in all.
    """
    arrays, study = folder.read_arrays("figures.npz"), folder.read_json("study.json")
    tables = all_tables(results, arrays, study)
    figures = write_files(folder, _figures(results, arrays, study), tables, told, data_label(results))
    write_page(
        folder,
        "pipeline.html.j2",
        ("style.css", "quantitative.css", "pipeline.css"),
        told,
        study=results["study"],
        page=first_page(results),
        moved_by=sensitivity_words(results),
        figures=figures,
        tables=tables,
    )


def paper_values() -> dict[str, float]:
    """Return the paper's values of the parameters that the posterior is about."""
    published = load_published()
    paper = {name: published.value(name) for name in ("eta", "delta", "sigma")}
    paper["subsidy"] = published.value("subsidy_rate")
    paper["pareto_ratio"] = published.value("theta") / (published.value("sigma") - 1.0)
    return paper


def _figures(results: Results, arrays: dict[str, Any], study: dict[str, Any]) -> Drawn:
    """Return each figure's drawing, its text alternative and its caption."""
    return _found(results, arrays) | _estimated(results, arrays, study) | _moving(results)


def _found(results: Results, arrays: dict[str, Any]) -> Drawn:
    paper = paper_values()
    drawn: Drawn = {}
    for version, answer in answers(results):
        main = version == results["study"]["main"]
        suffix, how = ("", "") if main else (f"_{version}", f" {VERSIONS[version]}.")
        chances, gap = answer["probabilities"], answer["differences"]["gdp_share"]
        used = count(answer["draws"] - answer["solver"]["unconverged"])
        drawn[f"figure4{suffix}"] = (
            lambda version=version: drawings.fans(results, arrays, version),  # type: ignore[misc]
            f"Three fan charts over time. In the long run the push adds {with_interval(gap)} p.p. to the GDP share.",
            f"The paper’s Figure 4 over {used} draws: medians, 50% and 90% bands, with and without the push. In the "
            f"steady state the push adds {points(gap['median'])} p.p. to the GDP share"
            f"{paper_words(gap['paper'], ' p.p.')}.{how}",
        )
        drawn[f"cloud{suffix}"] = (
            lambda version=version: drawings.cloud(results, arrays, version, paper),  # type: ignore[misc]
            f"Draws over δ and η. P(several steady states) is {probability(chances['multiple'])}; P(moved) is "
            f"{probability(chances['moved'])}.",
            "Posterior draws by what the quantitative model does at them. "
            + (
                "Each draw is calibrated anew: a region of one colour need not have a sharp edge."
                if version != "fixed"
                else "The calibration is held at its point: what is left of the draws is δ and η themselves."
            ),
        )
    drawn["map"] = (
        lambda: drawings.regional_map(results, arrays),
        "Two maps of the regions as points: median change of the heavy GDP share, and how often it rises.",
        "The regions over the draws that converged. A: median change of the heavy GDP share with the push. B: the "
        "share of draws in which it rises. Bold: those that change most; others: the largest by labour. There are no "
        "coastlines: points stand at the places’ coordinates.",
    )
    return drawn


def _estimated(results: Results, arrays: dict[str, Any], study: dict[str, Any]) -> Drawn:
    micro = results["evidence"]["micro"]
    drawn: Drawn = {}
    if any(key.startswith("prior_") for key in arrays):
        truth = (micro or {}).get("truth")
        marked = "; dotted: what the simulated firms were drawn with" if truth else ""
        unused = (
            "; that of s̄ is its prior, and not used: the calibration finds s̄"
            if results["study"]["subsidy"] == "recalibrated" and "prior_subsidy.axis" in arrays
            else ""
        )
        drawn["prior_posterior"] = (
            lambda: present(prior_posterior(arrays, paper_values(), truth)),
            "Histograms of the posterior with lines for the prior and the paper’s value.",
            "Prior (line) and posterior (histogram) of each free parameter; dashed: the value that the paper uses"
            f"{marked}. Where the two densities look alike, the evidence says little{unused}.",
        )
    second = second_part(results)
    if second is not None:
        own = {key.removeprefix("second_"): values for key, values in arrays.items() if key.startswith("second_prior_")}
        if own:
            drawn["prior_posterior_second"] = (
                lambda: present(prior_posterior(own, paper_values(), (micro or {}).get("truth"))),
                "Histograms of the second mapping’s posterior with lines for the prior and the paper’s value.",
                f"The same with the second mapping, exponent {second['exponent_value']:.3g} in place of "
                f"{results['study']['exponent_value']:.3g}.",
            )
    if micro is not None:
        drawn["event_study"] = (
            lambda: present(drawings.event_study(results, study)),
            f"Coefficients of the event study with 95% intervals. {micro['pretrend']['words']}.",
            f"Winners against losers, by year. Pre-trends: {micro['pretrend']['words']}.",
        )
    return drawn


def _moving(results: Results) -> Drawn:
    known = results["evidence"]["correlation_is"] == "known"
    drawn: Drawn = {}
    optional = (
        (
            "tornado",
            sensitivity.tornado,
            "Bars: the change of each answer per standard error of each estimate, and per doubled prior.",
            "What moves the answer, to first order: one standard error of each estimate (blue) and a prior of twice "
            "the weight (orange), with 95% Monte Carlo intervals.",
        ),
        (
            "knowing",
            sensitivity.knowing,
            "Dots: the share of each answer’s variance that a parameter explains, and the value of knowing it.",
            "Which parameter the answer’s uncertainty comes from. A: the share of its variance that one parameter "
            "alone explains. B: by how much perfect information on it raises the chance to call a claim rightly true "
            "or false. With 95% Monte Carlo intervals.",
        ),
        (
            "correlation",
            sensitivity.correlation_curve,
            "Lines: the probabilities over the correlation of the two estimates.",
            (
                "The probabilities at other correlations of the two estimates than the estimated one"
                if known
                else "The correlation of the two estimates is not published: the probabilities over its range"
            )
            + ", by weighting the draws, with 95% Monte Carlo bands; lines end where the draws no longer reach.",
        ),
        (
            "breakdown",
            sensitivity.breakdown,
            "Lines: the probabilities over a grid of values of each parameter.",
            "The probabilities with one parameter held, every draw sent through the model again. Bars: 95% Monte Carlo "
            "intervals, and, pale, what draws that did not converge leave open. Grey line: the study’s own value. "
            "Dotted: one half, and where P(moved) crosses it.",
        ),
    )
    for name, draw, alternative, caption in optional:
        with drawing():
            there = draw(results) is not None
        if there:
            drawn[name] = (lambda draw=draw: present(draw(results)), alternative, caption)  # type: ignore[misc]
    pages = sensitivity.variant_pages(results)
    for number, lines in enumerate(pages, start=1):
        of = f" (part {number} of {len(pages)})" if len(pages) > 1 else ""
        drawn["variants" if number == 1 else f"variants_{number}"] = (
            lambda lines=lines: _curve(results, lines),  # type: ignore[misc]
            f"Dot plot of the probabilities and of the push’s effect, by variant{of}.",
            f"The answer under each variant{of}, from its estimates to its calibration anew, on fewer draws. Right: "
            "medians with 50% and 90% intervals.",
        )
    return drawn


def _curve(results: Results, lines: list[sensitivity.Line]) -> Figure:
    return sensitivity.specification_curve(results, lines)
