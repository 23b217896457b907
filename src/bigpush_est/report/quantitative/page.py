"""The report of a quantitative run: figures, tables and one self-contained page, drawn from what a run saved."""

from typing import Any

from bigpush_est.data.published import load_published
from bigpush_est.report.numbers import count
from bigpush_est.report.publishing import Drawn, Told, present, write_files, write_page
from bigpush_est.report.quantitative import optional_figures as optional
from bigpush_est.report.quantitative.contents import all_tables
from bigpush_est.report.quantitative.figures import (
    adopter_paths,
    elasticity_extremes,
    figure4,
    heat,
    identification,
    named_regions,
)
from bigpush_est.report.quantitative.korea_map import korea_map
from bigpush_est.report.quantitative.labels import (
    Results,
    data_label,
    listed,
    percentage,
    points,
    spelt,
    switched,
)
from bigpush_est.report.quantitative.optional_tables import economies
from bigpush_est.report.quantitative.policy_tables import at_the_edge, unsettled
from bigpush_est.report.quantitative.wording import conditions, counts_words, first_page, welfare_words
from bigpush_est.report.style import drawing
from bigpush_est.run_folder import RunFolder

#: Tables of the section on other policies after the figure of uniform rates, in order.
POLICIES = ("policies", "regional_rates", "allocations", "mobility")


def write_quantitative_report(folder: RunFolder, results: Results, told: Told) -> None:
    """Write ``index.html``, ``figures/`` and ``tables/`` of a quantitative run.

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
    tables = all_tables(results, study)
    figures = write_files(folder, _figures(results, arrays), tables, told, data_label(results))
    write_page(
        folder,
        "quantitative.html.j2",
        ("style.css", "quantitative.css"),
        told,
        study=results["study"],
        page=first_page(results),
        figures=figures,
        tables=tables,
        policies=[name for name in POLICIES if name in tables],
        has_policies=any(name in tables for name in ("uniform_rates", *POLICIES)),
        counts=counts_words(results),
        conditions=conditions(results),
        welfare=welfare_words(results),
    )


# -- figures ---------------------------------------------------------------------------------------------------------


def _figures(results: Results, arrays: dict[str, Any]) -> Drawn:
    """Return each figure's drawing, its text alternative and its caption."""
    return _main_figures(results, arrays) | _optional_figures(results)


def _main_figures(results: Results, arrays: dict[str, Any]) -> Drawn:
    base = results["table3"]["baseline"]
    years, published = results["economy"]["years"], load_published()
    told = {1972: "heavy_gdp_share_before_policy", 1980: "heavy_gdp_share_after_policy"}
    data = {year: published.value(key) for year, key in told.items() if year in (years[0], years[-1])}
    diamonds = (
        f"Diamonds: the GDP share that the paper prints for Korea, drawn at {listed([str(year) for year in data])} "
        "though it names no exact year. "
        if data
        else ""
    )
    shares = [percentage(base[f"gdp_share_{side}"], 2) for side in ("push", "none")]
    ends = f"ends at {shares[0]} of GDP with the push and {shares[1]} without"
    names = listed([results["regions"][k]["name"] for k in named_regions(results)])
    gained, lost = switched(results)
    tip = f"{_regions(len(gained))} only with the push and {spelt(len(lost)) if lost else 'none'} only without it"
    drawn: Drawn = {
        "figure4": (
            lambda: figure4(results, arrays, data),
            f"Three panels over time. Heavy manufacturing {ends}.",
            "The paper’s Figure 4 for heavy manufacturing, with the steady states’ values at the right. "
            f"{diamonds}Shaded: subsidies.",
        ),
        "elasticities": (
            lambda: heat(results),
            f"Table in colours: moments by parameters. {elasticity_extremes(results)}",
            "Elasticity of each moment, as the criterion has it, to each parameter at the estimate. Framed: the "
            f"moments that the paper names for a parameter. {elasticity_extremes(results)}",
        ),
        "adopter_paths": (
            lambda: adopter_paths(results, arrays),
            f"Adopter share of every region over time with and without the push; {tip}. Named: {names}.",
            f"Adopter share in heavy manufacturing by region. {tip[:1].upper()}{tip[1:]}.",
        ),
        "map": (
            lambda: korea_map(results),
            f"Two maps of the regions as points: change of the heavy GDP share and welfare gain; {tip}.",
            "The regions in the steady state. A: change of the heavy GDP share with the push (colours on a scale of "
            "orders of magnitude beyond 1 p.p.). B: consumption-equivalent gain of the whole path. Bold: the "
            "regions named in the figure before; others: the largest by labour. There are no coastlines: points "
            "stand at the places’ coordinates.",
        ),
    }
    if all(f"curve_{key}" in arrays for key in ("factors", "moments", "exact")):
        with drawing():
            possible = identification(results, arrays) is not None
        if possible:
            drawn["identification"] = (
                lambda: present(identification(results, arrays)),
                "Six panels, one per parameter: how far each moment is from its target as the parameter moves.",
                "What identifies what: every moment over its target as one parameter moves about its estimate "
                "(vertical line), all others held. In colour: the moments that the paper names for the parameter; "
                "grey: the others. The share of regions with adoption is a step function; the criterion smooths it.",
            )
    return drawn


def _optional_figures(results: Results) -> Drawn:
    published = load_published()
    paper = results["table3"]["paper"]["A heavy_gdp_share aggregate"]
    rate = published.value("subsidy_rate")
    effect = results["table3"]["baseline"]["gdp_share"]
    drawn: Drawn = {}
    with drawing():
        possible = {
            "steady_states": optional.steady_states(results) is not None,
            "uniform_rates": optional.uniform_rates(results, rate) is not None,
            "ensemble": optional.ensemble(results, paper) is not None,
        }
    if possible["steady_states"]:
        drawn["steady_states"] = (
            lambda: present(optional.steady_states(results)),
            "Matrix of regions by steady state, and the heavy GDP share of each.",
            "The steady states that were found, by their heavy GDP share. Below, filled: industrialised. Regions "
            "that are industrialised in none are left out.",
        )
    if possible["uniform_rates"]:
        lost = unsettled(results)
        gaps = f" Rates that lead to no steady state: {count(lost)}." if lost else ""
        gaps += (
            " The best rate is the highest that was tried: a higher one may be better." if at_the_edge(results) else ""
        )
        drawn["uniform_rates"] = (
            lambda: present(optional.uniform_rates(results, rate)),
            f"Heavy GDP share and welfare against a uniform subsidy rate. The paper’s rate is {percentage(rate, 0)}.",
            "What a uniform subsidy to adopters in the subsidised regions leads to, by its rate. It moves in steps, a "
            f"region at a time; lines join the rates that were tried.{gaps}",
        )
    pages = optional.variant_pages(results)
    for number, lines in enumerate(pages, start=1):
        of = f" (part {number} of {len(pages)})" if len(pages) > 1 else ""
        drawn["variants" if number == 1 else f"variants_{number}"] = (
            lambda lines=lines: optional.variants(results, lines, paper),  # type: ignore[misc]
            f"Dot plot of the heavy GDP share with and without the push, by variant{of}.",
            f"The answer under each variant, recalibrated{of}. Left: heavy GDP share in the steady state with and "
            "without the push. Right: the difference.",
        )
    if possible["ensemble"]:
        drawn["ensemble"] = (
            lambda: present(optional.ensemble(results, paper)),
            f"Histogram of the effect of the push over {count(len(economies(results)))} synthetic economies, with the "
            f"paper’s effect, {points(paper)}, marked.",
            f"The effect of the push (this economy: {points(effect)}; the paper: {points(paper)}) in other synthetic "
            "economies that hold the same published aggregates. Ticks: each one.",
        )
    return drawn


def _regions(number: int) -> str:
    return "one region industrialises" if number == 1 else f"{spelt(number)} regions industrialise"
