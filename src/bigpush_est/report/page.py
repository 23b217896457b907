"""The report of a run: figures, tables and one self-contained page, drawn from what earlier stages saved."""

from typing import Any

from bigpush_est.data.published import load_published
from bigpush_est.propagate.outcomes import BAND_DRAWS
from bigpush_est.report.contents import all_tables
from bigpush_est.report.figure3 import figure3
from bigpush_est.report.figures import multiplicity_map, paths, prior_posterior
from bigpush_est.report.numbers import bounds, count, median, probability, probability_range, share
from bigpush_est.report.publishing import Drawn, Told, present, write_files, write_page
from bigpush_est.report.sensitivity_figure import sensitivity, sensitivity_rows
from bigpush_est.report.wording import first_page
from bigpush_est.run_folder import RunFolder


def write_report(folder: RunFolder, results: dict[str, Any], told: Told) -> None:
    """Write ``index.html``, ``figures/`` and ``tables/`` of a run.

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
    published = load_published()
    paper = {name: published.value(name) for name in ("eta", "delta", "sigma")}
    paper["subsidy"] = published.value("subsidy_rate")
    paper["pareto_ratio"] = published.value("theta") / (published.value("sigma") - 1.0)

    tables = all_tables(results, paper)
    figures = write_files(folder, _figures(results, arrays, paper), tables, told)
    write_page(
        folder,
        "report.html.j2",
        ("style.css",),
        told,
        results=results,
        study=results["study"],
        page=first_page(results, arrays, study),
        figures=figures,
        tables=tables,
        sensitivity_figures=[figures[name] for name in figures if name.startswith("sensitivity")],
        across=_across(results),
    )


def _across(results: dict[str, Any]) -> str:
    """Say where the two probabilities lie over all variants."""
    if not results["variants"]:
        return ""

    def lies(name: str) -> str:
        chances = [variant["summary"]["probabilities"][name] for variant in results["variants"]]
        text = probability_range(chances)
        estimates = [chance["estimate"] for chance in chances]
        if max(estimates) > min(estimates):
            top = results["variants"][estimates.index(max(estimates))]
            text += f" (highest in “{top['group']}: {top['label']}”)"
        return text

    return (
        f"Over {len(results['variants'])} variants the probability of several steady states with L/Fᵀ pinned is "
        f"{lies('multiple')}; for the most favourable L/Fᵀ it is {lies('possible')}."
    )


def _figures(results: dict[str, Any], arrays: dict[str, Any], paper: dict[str, float]) -> Drawn:
    """Return each figure's drawing, its text alternative and its caption."""
    main, study = results["main"], results["study"]
    chances = main["probabilities"]
    draws, seen = main["quantities"]["delta"]["draws"], share(study["adopter_share_1972"])
    delta, eta, needed = (main["quantities"][name] for name in ("delta", "eta", "needed_delta"))
    banded = count(min(BAND_DRAWS, draws))
    illustrated = f"δ = {study['illustration_delta']:g}"
    bands = f"Lines are medians over {banded} draws, dark and light bands hold 50% and 90% of them."
    placed = f"δ {median(delta, 2)} (90% {bounds(delta, 90, 2)}) and η {median(eta, 2)} (90% {bounds(eta, 90, 2)})"
    passing = "cross at the share of 1972" if study["pin"] == "steady_state" else "start at the share of 1972"
    wanted = "With L/Fᵀ pinned, no δ gives several steady states"
    if needed["defined"]:
        wanted = f"Several steady states with L/Fᵀ pinned need δ above about {median(needed, 2)}"
    several = results["illustration"]["probabilities"]["multiple"]
    trapped = "all" if several["hits"] == several["draws"] else f"{count(several['hits'])} of {count(several['draws'])}"
    drawn: Drawn = {}
    if any(key.startswith("prior_") for key in arrays):
        drawn["prior_posterior"] = (
            lambda: present(prior_posterior(arrays, paper)),
            "Histograms of the posterior with lines for the prior and the paper’s value. The posterior medians are: "
            f"{placed}.",
            f"Prior (line) and posterior (histogram of {count(draws)} draws) of each free parameter; dashed: the value "
            "that the paper uses. Where the two densities look alike, the evidence says little.",
        )
    drawn["multiplicity_map"] = (
        lambda: multiplicity_map(arrays, study["adopter_share_1972"], paper),
        f"Map of δ and η. {wanted}; the posterior cloud lies at {placed}.",
        f"Where several stable steady states exist, and where the evidence lies: {count(arrays['map.cloud_eta'].size)} "
        f"of {count(draws)} posterior draws. Grey: one for every L/Fᵀ; blue: several for some L/Fᵀ; hatched: "
        f"several with L/Fᵀ pinned by the adopter share of 1972 ({seen}). Boundaries are drawn at the median σ and θ.",
    )
    drawn["figure3_posterior"] = (
        lambda: figure3(results, arrays, "posterior"),
        "Four panels of this period’s adopter share against the last one’s, at the posterior, as in the paper’s "
        f"Figure 3. The probability of several stable crossings of the 45° line is {probability(chances['multiple'])}.",
        f"The paper’s Figure 3 at the posterior. {bands} L/Fᵀ is pinned in each draw, so all loci {passing}. B: the "
        "ends of Proposition 1’s interval of δ, with L/Fᵀ held where each draw’s own δ pins it. C: one period with the "
        "posterior’s subsidy on inputs. D: a larger market.",
    )
    drawn["figure3_illustration"] = (
        lambda: figure3(results, arrays, "illustration"),
        f"The same four panels at an illustrative calibration, {illustrated}.",
        f"The paper’s Figure 3 at an illustrative calibration, {illustrated} in every draw and all else from the "
        f"posterior: what the model can do, not what the evidence says. Several steady states exist in {trapped} "
        f"draws. {bands} C: one period in which "
        f"{float(arrays['figure3_illustration.subsidy']):.0%} of the fixed adoption cost is paid.",
    )
    drawn["paths"] = (
        lambda: paths(results, arrays),
        "Fan charts of the adopter share with and without the subsidy and of the gain in consumption, at the posterior "
        f"and at the illustration. The probability that the paths end apart is {probability(chances['moved'])} at the "
        "posterior.",
        f"Adopter share with and without the subsidy s̄ in 1976 and 1980, and the gain in consumption, over all "
        f"{count(draws)} draws: medians, 50% and 90% bands. Above: the posterior. Below: the illustration, "
        f"{illustrated}, which is not evidence. Note the different vertical scales.",
    )
    if results["variants"]:
        pages = sensitivity_rows(results)
        for number, rows in enumerate(pages, start=1):
            part = f" (part {number} of {len(pages)})" if len(pages) > 1 else ""
            drawn["sensitivity" if number == 1 else f"sensitivity_{number}"] = (
                lambda rows=rows: sensitivity(rows),  # type: ignore[misc]
                f"Dot plot of the two probabilities and of δ beside the δ needed, by variant{part}. {_across(results)}",
                f"The answer under each variant{part}. Left: probability of several steady states with L/Fᵀ pinned "
                "(circles) and for the most favourable L/Fᵀ (squares), with 95% Monte Carlo intervals; an open marker "
                "with an arrow is a bound. Right: posterior of δ and the δ that several steady states need. Dotted: "
                "this study’s values.",
            )
    return drawn
