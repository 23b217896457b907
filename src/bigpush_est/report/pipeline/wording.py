"""The first page in words: every sentence is chosen by the numbers of the run."""

from dataclasses import dataclass

from bigpush_est.report.numbers import bounds, count, median, probability
from bigpush_est.report.pipeline.labels import SOURCES, Results, inner, main_answer, points


@dataclass(frozen=True, slots=True)
class FirstPage:
    """What the first page says: what the data are, failures, the answer, what it rests on."""

    banner: tuple[str, str]
    failures: tuple[str, ...]
    answer: str
    rests_on: tuple[tuple[str, str], ...]


def first_page(results: Results) -> FirstPage:
    """Return the first page of a run."""
    return FirstPage(_banner(results), tuple(results["failures"]), _answer(results), _rests_on(results))


def _banner(results: Results) -> tuple[str, str]:
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


def _answer(results: Results) -> str:
    answer = main_answer(results)
    chances, gap = answer["probabilities"], answer["differences"]["gdp_share"]
    welfare = answer["welfare"]["log"]
    text = (
        f"Given the estimates, the probability that several steady states exist is {probability(chances['multiple'])}; "
        f"that the push moved the economy to another one, {probability(chances['moved'])}; that it was needed, "
        f"{probability(chances['needed'])}."
    )
    if gap["median"] is not None:
        text += (
            f" The push changes heavy manufacturing’s long-run GDP share by {points(gap['median'])} p.p. "
            f"(90%: {inner(gap, 90)})"
        )
        text += f", the paper says {points(gap['paper'])}" if gap["paper"] is not None else ""
        text += f"; welfare by {points(welfare['median'], 1)}% (90%: {inner(welfare, 90, 100.0, 1)})"
        text += f", the paper says {points(welfare['paper'], 1)}%." if welfare["paper"] is not None else "."
    return text


def _rests_on(results: Results) -> tuple[tuple[str, str], ...]:
    study, answer = results["study"], main_answer(results)
    parameters = results["posterior"]["parameters"]
    rows = [
        (
            "Estimates.",
            f"From {SOURCES[study['source']]}, mapped with exponent “{study['exponent']}”: η "
            f"{median(parameters['eta'])} (90% {bounds(parameters['eta'], 90)}), δ {median(parameters['delta'])} "
            f"(90% {bounds(parameters['delta'], 90)}).",
        ),
        (
            "Calibration.",
            "Every draw meets Table 2’s moments anew, fundamentals inverted"
            if study["main"] == "recalibrated"
            else "The calibration is held at the posterior medians",
        ),
    ]
    rows[1] = (rows[1][0], rows[1][1] + "; s̄ is " + ("the calibration’s." if study["subsidy"] == "recalibrated" else
               "the posterior’s, and the calibration takes it."))  # fmt: skip
    solver = answer["solver"]
    rows.append(
        (
            "Solver.",
            f"{count(solver['draws'] - solver['unconverged'])} of {count(solver['draws'])} draws converged; the others "
            "count as a no, and are bounded in the table."
            if solver["unconverged"]
            else f"All {count(solver['draws'])} draws converged.",
        )
    )
    other = next((name for name in results["answers"] if name != study["main"]), None)
    if other is not None:
        chance = results["answers"][other]["probabilities"]["moved"]
        held = "with the calibration held at its point" if other == "fixed" else "calibrated anew"
        rows.append(("The other way.", f"{held[:1].upper()}{held[1:]}, P(moved) is {probability(chance)}."))
    rows.append(
        (
            "Steady states.",
            "Counted are those found from several starts. The map is not monotone, so that there may be more.",
        )
    )
    variants = [row for row in results["variants"] if not row.get("failed")]
    if len(variants) > 1:
        low, high = (pick(variants, key=lambda r: r["probabilities"]["moved"]["estimate"]) for pick in (min, max))
        rows.append(
            (
                "Other assumptions.",
                f"Over {len(variants)} variants P(moved) goes from {probability(low['probabilities']['moved'])} "
                f"(“{low['group']}: {low['label']}”) to {probability(high['probabilities']['moved'])} "
                f"(“{high['group']}: {high['label']}”).",
            )
        )
    return tuple(rows)
