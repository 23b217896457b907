"""The first page in words: every sentence is chosen by the numbers of the run, none by what one run showed."""

import re
from dataclasses import dataclass
from typing import Any

from bigpush_est.report.contents import is_fixed
from bigpush_est.report.numbers import (
    bounds,
    count,
    decimals,
    figure,
    fixed,
    interval,
    median,
    percent,
    probability,
    probability_range,
    share,
    signed,
)

#: Group under which a study runs the range of the correlation.
CORRELATION = "Correlation of the two estimates"
#: Below and above these the evidence is said to speak against and for several steady states.
AGAINST, FOR = 0.05, 0.95
#: What Section 5 adds to Section 4, apart from the bound on productivity.
OPEN_ECONOMY = (
    "the open economy of Section 5 (regions and sectors that trade with each other and with the world, input-output "
    "linkages, distortions, changing fundamentals)"
)
BOUNDED = "its bounded productivity"

type Results = dict[str, Any]


@dataclass(frozen=True, slots=True)
class FirstPage:
    """What the first page says.

    Attributes
    ----------
    answer, number, context
        The answer in one sentence: its beginning, the probability, the rest.
    condition
        Where δ lies and where it would have to lie.
    meaning
        Paragraphs: what follows, and what the claim rests on.
    caveats
        What the run cannot say: (heading, text).
    failures
        Diagnostics that failed; then the answer is not to be relied on.
    blame
        Whether the failures touch the main posterior or variants only, in words.
    """

    answer: str
    number: str
    context: str
    condition: str
    meaning: tuple[str, ...]
    caveats: tuple[tuple[str, str], ...]
    failures: tuple[str, ...]
    blame: str


def first_page(results: Results, arrays: dict[str, Any], study: dict[str, Any]) -> FirstPage:
    """Return the first page of a run.

    Parameters
    ----------
    results, arrays
        As ``results.json`` and ``figures.npz`` hold them.
    study
        The study's own keys: what each variant changes.
    """
    beginning, number, context = _answer(results)
    return FirstPage(
        answer=beginning,
        number=number,
        context=context,
        condition=_condition(results),
        meaning=(
            _rests_on(results) + _priors(results, study),
            *_bounded(results, study),
            *_survives(results),
            _push(results, arrays),
        ),
        caveats=_caveats(results),
        failures=tuple(results["failures"]),
        blame=_blame(results["failures"]),
    )


def verdict(chance: dict[str, Any]) -> str:
    """Return "against", "for" or "open": what a probability, bounds included, says of its event."""
    if max(chance["bound_high"], chance["all_yes"]) < AGAINST:
        return "against"
    return "for" if min(chance["bound_low"], chance["all_no"]) > FOR else "open"


def correlation_cases(results: Results) -> tuple[list[dict[str, Any]], str]:
    """Return the probabilities over the correlation, the study's own included, and the range in words ("" if none)."""
    cases = [results["main"]["probabilities"]["multiple"]]
    values = [float(source["value"]) for source in results["sources"] if source["name"] == CORRELATION]
    for variant in results["variants"]:
        number = variant["label"].replace("−", "-")
        # a study's own variants may stand in the group as well, under labels of their own
        if variant["group"] == CORRELATION and re.fullmatch(r"[+-]?\d*\.?\d+", number):
            cases.append(variant["summary"]["probabilities"]["multiple"])
            values.append(float(number))
    if len(cases) == 1:
        return cases, ""
    return cases, f"{signed(f'{min(values):g}')} to {signed(f'{max(values):g}')}"


def pinned(results: Results) -> str:
    """Return how L/Fᵀ is pinned, in words."""
    seen = share(results["study"]["adopter_share_1972"])
    if results["study"]["pin"] == "steady_state":
        return f"the adopter share of 1972, {seen}, taken as a steady state"
    return f"the adopter share of 1972, {seen}, taken as one period after no adoption"


def _answer(results: Results) -> tuple[str, str, str]:
    chances = results["main"]["probabilities"]
    multiple, possible = chances["multiple"], chances["possible"]
    draws = count(multiple["draws"])
    beginning = (
        "Read through the simple model of Section 4, the published evidence puts the probability that the economy of "
        "1972 had several steady states"
    )
    if multiple["hits"] == 0:
        number = probability(multiple)
        after = f"none of {draws} posterior draws has them, and the bound is what that many draws can show"
    elif multiple["hits"] == multiple["draws"]:
        number, after = probability(multiple), f"all {draws} posterior draws have them"
    else:
        number = f"at {probability(multiple)}"
        after = f"{count(multiple['hits'])} of {draws} posterior draws have them, ± a Monte Carlo standard error"
    lost = multiple["unconverged"]
    if lost:
        after += (
            f"; the solver did not converge at {count(lost)} draws, which leaves {figure(100 * multiple['all_no'])}% "
            f"to {figure(100 * multiple['all_yes'])}%"
        )
    context = f"({after}), with L/Fᵀ pinned by {pinned(results)}"
    cases, range_ = correlation_cases(results)
    if range_:
        if any(case["hits"] for case in cases):
            context += f"; over correlations of the two estimates from {range_} it is {probability_range(cases)}"
        else:
            context += f"; at no correlation of the two estimates from {range_} does a draw have them"
    context += f"; and for whatever L/Fᵀ favours a trap most, it is {probability(possible)}."
    return beginning, number, context


def _condition(results: Results) -> str:
    quantities = results["main"]["quantities"]
    delta, needed, critical = (quantities[name] for name in ("delta", "needed_delta", "critical_delta"))
    if is_fixed(results, "delta"):
        text = f"This study holds δ at {figure(delta['median'])}."
    else:
        text = f"The posterior median of δ is {median(delta, 2)} (90% interval {bounds(delta, 90, 2)})."
    if needed["defined"] == 0:
        return text + " With L/Fᵀ pinned, no δ gives several steady states in any draw."
    text += f" Several steady states need δ above {median(needed, 2)} with L/Fᵀ pinned"
    if needed["sd"]:
        text += f" (median; 90% interval {bounds(needed, 90, min(3, max(2, decimals(needed['sd']))))})"
    if needed["defined"] < needed["draws"]:
        text += f", in the {count(needed['defined'])} of {count(needed['draws'])} draws where any δ does"
    distance = results["main"]["distance"]
    if distance is not None:
        side = "above" if distance > 0 else "below"
        text += f", {fixed(abs(distance), 1)} posterior standard deviations {side} the posterior mean of δ"
    return text + f"; and δ above {median(critical, 2)} for any L/Fᵀ at all to give them."


def _rests_on(results: Results) -> str:
    chances = results["main"]["probabilities"]
    multiple, possible = verdict(chances["multiple"]), verdict(chances["possible"])
    unbounded = results["study"]["kappa"] is None
    missing = f"{OPEN_ECONOMY} and on {BOUNDED}" if unbounded else OPEN_ECONOMY
    if multiple == "against":
        text = (
            f"{_setting(results)}, Section 4 does not yield the trap that a big push would have to lift the economy "
            "out of. The claim that there were several steady states rests on what this posterior does not contain: "
            f"{missing}, or on other values of what is held fixed here."
        )
        if possible == "for":
            text += " What stands against it here is L/Fᵀ alone: other values of it would give several steady states."
        elif possible == "open":
            text += " L/Fᵀ matters: other values of it would give several steady states in some of the draws."
        return text
    if multiple == "for":
        return (
            "Section 4 with these estimates yields several steady states by itself: on this evidence the claim does "
            f"not need {missing.replace(' and on ', ' or ')}, which this posterior does not contain."
        )
    return (
        "Section 4 with these estimates neither yields several steady states nor rules them out. As far as the claim "
        f"goes beyond that, it rests on {missing}, which this posterior does not contain."
    )


def _setting(results: Results) -> str:
    """Return what the study holds fixed, in words that begin a sentence."""
    held = [
        f"{symbol} = {results['main']['quantities'][name]['median']:g}"
        for name, symbol in (("sigma", "σ"), ("pareto_ratio", "θ/(σ−1)"))
        if is_fixed(results, name)
    ]
    beginning = f"With these estimates, {' and '.join(held)}" if held else "With these estimates"
    return f"{beginning} and the {results['study']['exponent'].replace('_', ' ')} mapping"


def _survives(results: Results) -> tuple[str, ...]:
    """Say how the answer fares over the variants: the highest probability, and where it would be another answer."""
    variants = results["variants"]
    if not variants:
        return ()
    chances = [variant["summary"]["probabilities"]["multiple"] for variant in variants]
    own = verdict(results["main"]["probabilities"]["multiple"])
    other = [
        f"{probability(chance)} at “{variant['group']}: {variant['label']}”"
        for variant, chance in zip(variants, chances, strict=True)
        if verdict(chance) != own
    ]
    if not other:
        return (f"No variant of the study, of {len(variants)}, changes this answer: {probability_range(chances)}.",)
    shown = "; ".join(other[:4]) + (f"; and {len(other) - 4} more" if len(other) > 4 else "")
    return (
        f"The answer does not survive every change: in {len(other)} of {len(variants)} variants it is another one "
        f"({shown}).",
    )


def _changing(results: Results, study: dict[str, Any], keys: set[str]) -> list[dict[str, Any]]:
    """Return the variants that change some of these keys of the study and no others."""
    chosen = {
        (variant["group"], variant["label"]) for variant in study.get("variants", []) if keys.issuperset(variant["set"])
    }
    return [variant for variant in results["variants"] if (variant["group"], variant["label"]) in chosen]


def _priors(results: Results, study: dict[str, Any]) -> str:
    """Say what the prior alone says, and whether other priors change the verdict, if variants try some."""
    before = probability_range([results["prior"]["multiple"]])
    return f" Under the prior alone the probability is {before}." + _other_priors(results, study)


def _other_priors(results: Results, study: dict[str, Any]) -> str:
    others = _changing(results, study, {"priors.log_eta", "priors.delta", "priors.subsidy"})
    if not others:
        return ""
    chances = [variant["summary"]["probabilities"]["multiple"] for variant in others]
    own = verdict(results["main"]["probabilities"]["multiple"])
    tried = "one other prior that was tried" if len(others) == 1 else f"{len(others)} other priors that were tried"
    text = f"under the {tried} the probability is {probability_range(chances)}."
    if any(verdict(chance) != own for chance in chances):
        return f" The prior matters: {text}"
    return f" {text[0].upper()}{text[1:]}" if own == "open" else f" The prior does not decide this: {text}"


def _bounded(results: Results, study: dict[str, Any]) -> tuple[str, ...]:
    """Say what bounding productivity alone does, if a variant tries it."""
    if results["study"]["kappa"] is not None:
        return (f"Productivity is bounded at κ = {results['study']['kappa']:g} times its smallest value in this run.",)
    main = results["main"]["quantities"]["needed_delta"]
    sentences = []
    for variant in _changing(results, study, {"economy.kappa"}):
        summary = variant["summary"]
        needed, chance = summary["quantities"]["needed_delta"], summary["probabilities"]["multiple"]
        ending = {
            "against": "the bound alone does not carry the claim",
            "for": "the bound alone would carry the claim",
            "open": "the bound alone leaves the claim undecided",
        }[verdict(chance)]
        sentences.append(
            f"Bounding productivity and nothing else ({variant['label']}) moves the δ that is needed from "
            f"{median(main, 2)} to {median(needed, 2)} and puts the probability "
            f"{'at ' if 0 < chance['hits'] < chance['draws'] else ''}{probability(chance)}: {ending}."
        )
    return tuple(sentences)


def _push(results: Results, arrays: dict[str, Any]) -> str:
    """Say what the subsidy did in the model, from its path in the second subsidised period."""
    main = results["main"]
    moved, welfare, trapped = (
        main["probabilities"]["moved"],
        main["quantities"]["welfare"],
        main["probabilities"]["trapped"],
    )
    path = arrays["fan_posterior.push"][:, 2]
    without = arrays["fan_posterior.none"][2, 2]
    places = max(1, decimals(float(100.0 * (path[4] - path[0])), float(100.0 * path[2])) - 1)
    scaled = {key: 100.0 * (welfare[key] or 0.0) for key in ("median", "low90", "high90", "sd")}
    digits = min(2, decimals(scaled["sd"], scaled["median"]))
    text = (
        "In this model the subsidy s̄ of 1976 and 1980 raises the adopter share of 1980 from "
        f"{percent(without, places)} to {percent(path[2], places)} (median; 90% interval "
        f"{interval(100 * path[0], 100 * path[4], places)}%) and is worth a permanent "
        f"{fixed(scaled['median'], digits)}% of consumption "
        f"({interval(scaled['low90'], scaled['high90'], digits)}%); the probability that it ends in another steady "
        f"state than no subsidy is {probability(moved)}. This is an economy that is all adopting sector, where the "
        f"subsidy costs {percent(main['quantities']['bill']['median'])} of output: not Korea’s GDP, and not comparable "
        "with the paper’s 14.6%."
    )
    defined = main["quantities"]["input_subsidy"]["defined"]
    if trapped["hits"] == 0:
        return text + " Without a trap in any draw, the smallest sufficient one-period subsidy is undefined."
    if defined == 0:
        return (
            text + " No draw has a sufficient one-period subsidy on inputs below 100%: the smallest one is undefined."
        )
    least = main["quantities"]["input_subsidy"]
    return text + (
        f" In the {count(defined)} of {count(trapped['draws'])} draws where it exists, the smallest sufficient "
        f"one-period subsidy on inputs is {percent(least['median'])} (median)."
    )


def _caveats(results: Results) -> tuple[tuple[str, str], ...]:
    sources = results["sources"]
    assumed = sum(source["label"] == "assumed" for source in sources)
    strengths = [row["kp_f"] for row in results["tf"] if row["used"]]
    _, range_ = correlation_cases(results)
    caveats = [
        (
            "Other models.",
            "Every probability is conditional on Section 4: one region, one sector, no trade. Section 5’s economy is "
            "not solved here, so its own probability of several steady states is not known from this run.",
        ),
        (
            "Market size.",
            f"Published figures do not identify L/Fᵀ in a closed economy; {pinned(results)}, pins it without error.",
        ),
        (
            "Assumed inputs.",
            f"{assumed} of {len(sources)} inputs are assumptions, priors included; the table of inputs marks each.",
        ),
        (
            "Joint sampling error.",
            "The two estimates come from overlapping firms, and their correlation is unknown: it is "
            + ("varied, not estimated." if range_ else "assumed, and this study does not vary it."),
        ),
        (
            "Weak instruments.",
            "The likelihood takes the estimate of the spillover as normal"
            + (
                f", with a first-stage F of {_span(strengths)}; tF intervals stand beside the posterior."
                if strengths
                else "; tF intervals stand beside the posterior."
            ),
        ),
        (
            "Evidence on s̄.",
            "Credit turns a bill into a rate with the paper’s own ratio of bill to rate, and over how many years the "
            "interest saving was summed is not printed: s̄ is not independent of the paper’s calibration.",
        ),
        (
            "Evidence left out.",
            "Micro data and the complementarity estimates of Table 1, Panel B, are not used.",
        ),
    ]
    return tuple(caveats)


def _span(values: list[float]) -> str:
    low, high = min(values), max(values)
    return fixed(low, 1) if low == high else f"{fixed(low, 1)} to {fixed(high, 1)}"


def _blame(failures: list[str]) -> str:
    if not failures:
        return ""
    main = sum(failure.startswith("main posterior") for failure in failures)
    if main == 0:
        return (
            "The main posterior passed its diagnostics; these variants did not, and every comparison with them fails."
        )
    return "The main posterior itself failed."
