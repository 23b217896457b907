"""The first page in words: every sentence is chosen by the numbers of the run."""

from dataclasses import dataclass
from typing import Any

from bigpush_est.bayes.evidence import EXPONENTS
from bigpush_est.report.numbers import bounds, count, median, probability
from bigpush_est.report.pipeline.labels import (
    SECOND,
    SOURCES,
    VERSIONS,
    Results,
    answers,
    inner,
    main_answer,
    main_sensitivity,
    points,
    second_part,
    symbol,
)

#: Relative difference up to which a mapping's exponent is that of simulated firms.
_NEAR = 0.02


@dataclass(frozen=True, slots=True)
class FirstPage:
    """What the first page says: what the data are, failures and warnings, the answer, what it rests on."""

    banner: tuple[str, str]
    failures: tuple[str, ...]
    warnings: tuple[str, ...]
    answer: str
    rests_on: tuple[tuple[str, str], ...]


def first_page(results: Results) -> FirstPage:
    """Return the first page of a run."""
    failures, warnings = (tuple(map(_sentence, results.get(key, ()))) for key in ("failures", "warnings"))
    return FirstPage(banner(results), failures, warnings, _answer(results), _rests_on(results))


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def banner(results: Results) -> tuple[str, str]:
    """Return what the data are: a heading and a sentence."""
    economy = results["economy"]
    estimates = {
        "published": "The estimates are the paper’s published ones",
        "synthetic": "The estimates come from simulated firms",
        "real": "The estimates come from real firms",
        "user": "The estimates are the user’s own",
    }[results["label"]]
    if economy["label"] == "synthetic":
        return (
            "Synthetic economy: not Korea’s data",
            f"{estimates}; the economy that they go through, {economy['name']}, is synthetic. {economy['description']}",
        )
    return (f"Economy: {economy['label']}", f"{estimates}. {economy['name']}: {economy['description']}")


def paper_words(value: float | None, unit: str, places: int = 2) -> str:
    """Return ", the paper says ..." where the paper says something.

    Examples
    --------
    >>> paper_words(0.0359, " p.p."), paper_words(None, "%")
    (' (the paper: 3.59 p.p.)', '')
    """
    return "" if value is None else f" (the paper: {points(value, places)}{unit})"


def _answer(results: Results) -> str:
    answer = main_answer(results)
    chances, gap = answer["probabilities"], answer["differences"]["gdp_share"]
    welfare = answer["welfare"]["log"]
    text = (
        f"Given the estimates, the probability that several steady states exist is {probability(chances['multiple'])}; "
        f"that the push moved the economy to another one, {probability(chances['moved'])}; that it was needed to "
        f"industrialise, {probability(chances['needed'])}."
    )
    if gap["median"] is None:
        return f"{text} No draw converged, so that nothing can be said of the size of the effect."
    text += " In the long run the push changes heavy manufacturing’s GDP share by "
    text += f"{points(gap['median'])} p.p. (90%: {inner(gap, 90)})"
    if welfare["median"] is not None:
        text += f" and welfare by {points(welfare['median'], 1)}% (90%: {inner(welfare, 90, 100.0, 1)})"
    text += f". {_against_paper(gap, welfare)}" if gap["paper"] is not None else "."
    return text + _second_answer(results)


def _second_answer(results: Results) -> str:
    """Say what the same estimates lead to with the second mapping."""
    second, answer = second_part(results), results["answers"].get(SECOND)
    if second is None or answer is None:
        return ""
    moved, gap = answer["probabilities"]["moved"], answer["differences"]["gdp_share"]
    text = f" With the second mapping of the same estimates, the probability that it moved is {probability(moved)}"
    if gap["median"] is None:
        return f"{text}; no draw of it converged."
    return f"{text}, and the GDP share changes by {points(gap['median'])} p.p. (90%: {inner(gap, 90)})."


def _against_paper(gap: dict[str, Any], welfare: dict[str, Any]) -> str:
    """Say whether the paper's points lie within the intervals."""

    def side(quantity: dict[str, Any]) -> str:
        if quantity["low90"] <= quantity["paper"] <= quantity["high90"]:
            return "within"
        return "above" if quantity["paper"] > quantity["high90"] else "below"

    size = f"The paper’s {points(gap['paper'])} p.p."
    if welfare["median"] is None or welfare["paper"] is None:
        return f"{size} lie {side(gap)} the 90% interval."
    gain = f"its welfare gain of {points(welfare['paper'], 1)}%"
    if side(gap) == side(welfare):
        return f"{size} and {gain} both lie {side(gap)} the 90% intervals."
    return f"{size} lie {side(gap)} the 90% interval, {gain} {side(welfare)}."


def _rests_on(results: Results) -> tuple[tuple[str, str], ...]:
    rows = [_estimates(results), *_mapping(results), _calibration(results), _solver(results)]
    rows += [*_other_version(results), _steady_states(), *_variants(results)]
    return tuple(rows)


def _estimates(results: Results) -> tuple[str, str]:
    study, parameters = results["study"], results["posterior"]["parameters"]
    text = (
        f"From {SOURCES[study['source']]}, mapped with exponent “{study['exponent']}”: η {median(parameters['eta'])} "
        f"(90%: {bounds(parameters['eta'], 90)}), δ {median(parameters['delta'])} "
        f"(90%: {bounds(parameters['delta'], 90)})."
    )
    truth = (results["evidence"]["micro"] or {}).get("truth")
    if truth:
        text += f" The simulated firms were drawn with η {truth['eta']:g} and δ {truth['delta']:g}."
    return ("Estimates.", text)


def _mapping(results: Results) -> list[tuple[str, str]]:
    """Say which mapping is which, what each makes of the estimates, and which is right where that is known."""
    study, second = results["study"], second_part(results)
    if second is None:
        return []
    one, other = study["exponent_value"], second["exponent_value"]
    parameters = second["posterior"]["parameters"]
    text = (
        f"The first, “{study['exponent']}”, takes effects on sales to be {one:.3g} times log η and δ: "
        f"{EXPONENTS[study['exponent']]}. The second, “{second['exponent']}”, takes {other:.3g}: "
        f"{EXPONENTS[second['exponent']]}. "
    )
    if second["exponent"] != "undistorted" and study["exponent"] == "undistorted":
        text += "The second is by what heavy sales rise in the quantitative model itself. "
    text += (
        f"With it the same estimates say η {median(parameters['eta'])} (90%: {bounds(parameters['eta'], 90)}) and "
        f"δ {median(parameters['delta'])} (90%: {bounds(parameters['delta'], 90)}). "
    )
    truth = ((results["evidence"]["micro"] or {}).get("truth") or {}).get("exponent")
    if truth is None:
        return [("Two mappings.", f"{text}Which holds turns on what recorded sales are: the estimates cannot say.")]
    text += f"The simulated firms’ sales rise with exponent {truth:.3g}: "
    near = [abs(value / truth - 1.0) < _NEAR for value in (one, other)]
    if near == [True, False]:
        text += "the first is the right one here, and the second shows what the wrong choice costs."
    elif near == [False, True]:
        text += "the second is the right one here, and the first shows what the wrong choice costs."
    else:
        text += "both fit." if all(near) else "neither is right here."
    return [("Two mappings.", text)]


def _calibration(results: Results) -> tuple[str, str]:
    study = results["study"]
    text = (
        "Every draw is fitted to Table 2’s moments anew, fundamentals inverted"
        if study["main"] == "recalibrated"
        else "The calibration is held at the posterior medians"
    )
    rate = "found by the calibration" if study["subsidy"] == "recalibrated" else "the posterior’s"
    return ("Calibration.", f"{text}; the subsidy rate s̄ is {rate}.")


def _solver(results: Results) -> tuple[str, str]:
    answer = main_answer(results)
    solver, chance = answer["solver"], answer["probabilities"]["moved"]
    if not solver["unconverged"]:
        return ("Solver.", f"All {count(solver['draws'])} draws converged.")
    return (
        "Solver.",
        f"{count(solver['unconverged'])} of {count(solver['draws'])} draws did not converge. They count as a no: were "
        f"they all a yes, P(moved) would be {100.0 * chance['all_yes']:.1f}% instead of "
        f"{100.0 * chance['all_no']:.1f}%.",
    )


def _other_version(results: Results) -> list[tuple[str, str]]:
    rows = []
    for version, answer in answers(results):
        if version not in (results["study"]["main"], SECOND):
            moved, gap = answer["probabilities"]["moved"], answer["differences"]["gdp_share"]
            size = "" if gap["median"] is None else f" and the GDP share changes by {points(gap['median'])} p.p."
            size += "" if gap["median"] is None else f" (90%: {inner(gap, 90)})"
            rows.append(("The other way.", f"{VERSIONS[version]}: P(moved) is {probability(moved)}{size}."))
    return rows


def _steady_states() -> tuple[str, str]:
    return (
        "Steady states.",
        "Counted are those found from several starts. The map is not monotone, so that there may be more.",
    )


def _variants(results: Results) -> list[tuple[str, str]]:
    variants = [row for row in results["variants"] if not row.get("failed")]
    if len(variants) < 2:
        return []
    low, high = (pick(variants, key=lambda r: r["probabilities"]["moved"]["estimate"]) for pick in (min, max))
    return [
        (
            "Other assumptions.",
            f"Over {len(variants)} variants P(moved) goes from {probability(low['probabilities']['moved'])} "
            f"(“{low['group']}: {low['label']}”) to {probability(high['probabilities']['moved'])} "
            f"(“{high['group']}: {high['label']}”).",
        )
    ]


def sensitivity_words(results: Results) -> str:
    """Say what moves P(moved) most, or why that cannot be read from the draws."""
    part = (results["sensitivity"] or {}).get(results["study"]["main"]) or {}
    if part.get("unavailable"):
        return f"What moves the answer cannot be read from these draws: {part['unavailable']}"
    target = main_sensitivity(results).get("moved")
    if target is None or not target["explained"]:
        return ""
    chance = main_answer(results)["probabilities"]["moved"]
    if chance["hits"] in (0, chance["draws"]):
        return "All draws agree on whether the push moved the economy: to first order nothing moves that answer."
    name, most = max(target["explained"].items(), key=lambda item: float(item[1]["value"]))
    text = (
        f"Of the parameters, {symbol(name)} alone explains most of whether the push moved the economy, "
        f"{100.0 * most['value']:.0f}% of its variance."
        if most["value"] > 2.0 * most["mcse"]
        else "No parameter alone explains more of whether the push moved the economy than chance would."
    )
    estimate, change = max(target["estimates"].items(), key=lambda item: abs(float(item[1]["value"])))
    if abs(change["value"]) > 2.0 * change["mcse"]:
        text += (
            f" One standard error more of the estimate “{estimate}” changes P(moved) by {points(change['value'], 1)} "
            "p.p., to first order."
        )
    return text
