"""The first page in words: every sentence is chosen by the numbers of the run, none by what one run showed."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from bigpush_est.data.published import load_published
from bigpush_est.report.numbers import count, figure, fixed
from bigpush_est.report.quantitative.labels import (
    NOTHING,
    Results,
    contribution,
    data_label,
    hundred,
    industrialised,
    known,
    listed,
    moment,
    panel_c,
    percentage,
    points,
    scenario,
    spelt,
    switched,
)
from bigpush_est.report.quantitative.optional_tables import economies, outcome
from bigpush_est.report.quantitative.sections import numbers, part, rows_of

#: Searches agree if their criteria differ by less than this part of the best one.
_SAME = 1e-3


@dataclass(frozen=True, slots=True)
class FirstPage:
    """What the first page says.

    Attributes
    ----------
    banner
        What the economy is: (heading, text).
    failures
        Diagnostics that failed; then the answer is not to be relied on.
    answer
        Sentences: the effect, which regions change, the paper's figures beside.
    rests_on
        What the answer rests on: (heading, text).
    """

    banner: tuple[str, str]
    failures: tuple[str, ...]
    answer: str
    rests_on: tuple[tuple[str, str], ...]


def first_page(results: Results) -> FirstPage:
    """Return the first page of a run."""
    return FirstPage(
        banner=_banner(results),
        failures=tuple(results["failures"]),
        answer=_answer(results),
        rests_on=tuple(
            (heading, text)
            for heading, text in (
                ("Which regions tip.", _tipping(results)),
                ("Other outcomes.", _outcomes(results)),
                ("Synthetic regions.", _synthetic(results)),
                ("Fit.", _fit(results)),
                ("Several steady states.", _several(results)),
                ("Conditions (Panel C).", conditions(results)),
                ("Other assumptions.", _variants(results)),
            )
            if text
        ),
    )


# -- what the economy is ---------------------------------------------------------------------------------------------


def _banner(results: Results) -> tuple[str, str]:
    economy = results["economy"]
    by_label: dict[str, list[str]] = {}
    for table, origin in economy["provenance"].items():
        by_label.setdefault(origin["label"], []).append(table.replace("_", " "))
    most, *others = sorted(by_label.items(), key=_by_count) or [("", [])]
    kinds = f"{spelt(len(most[1])).capitalize()} of {spelt(sum(map(len, by_label.values())))} tables are {most[0]}"
    kinds += "".join(f"; {label}: {', '.join(tables)}" for label, tables in others)
    text = f"{economy['name']}. {economy['description']}"
    text += "" if text.endswith(".") else "."
    if economy["label"] == "synthetic":
        text += " Its regions’ output, firms and labour are made up: no number below is an estimate for Korea."
    return data_label(results), f"{text} {kinds}." if by_label else text


def _by_count(entry: tuple[str, list[str]]) -> tuple[int, str]:
    return -len(entry[1]), entry[0]


# -- the answer ------------------------------------------------------------------------------------------------------


def _answer(results: Results) -> str:
    base = results["table3"]["baseline"]
    paper, published = results["table3"]["paper"]["A heavy_gdp_share aggregate"], load_published()
    told = published.value("heavy_gdp_share_effect")
    effect, share = base["gdp_share"], base["gdp_share_push"]
    years = results["economy"]["years"][1:]
    beginning = f"The subsidies of {listed([str(year) for year in years])}"
    theirs = f"(the paper: {points(paper)}, {percentage(told, 0)})"
    if not known(effect):
        return f"{beginning} have no effect that could be computed {theirs}."
    if abs(effect) < NOTHING:
        text = (
            f"{beginning} leave heavy manufacturing’s share of GDP in the steady state as it is, "
            f"{percentage(share, 2)} {theirs}."
        )
    else:
        verb = "raise" if effect > 0 else "lower"
        text = (
            f"{beginning} {verb} heavy manufacturing’s share of GDP in the steady state from "
            f"{percentage(base['gdp_share_none'], 2)} to {percentage(share, 2)}: by {points(abs(effect))}, "
            f"{percentage(abs(base['gdp_share_relative']))} of the share with the push {theirs}. "
            f"{_beside(effect, paper)}"
        )
    return f"{text} {_regions(results)}"


def _beside(effect: float, paper: float) -> str:
    ratio = effect / paper if paper else 0.0
    if ratio < 0.0:
        return "That is of the opposite sign to the paper’s effect."
    if ratio > 2.0:
        return f"That is {fixed(ratio, 1)} times the paper’s effect."
    return f"That is {percentage(ratio, 0)} of the paper’s effect."


def _regions(results: Results) -> str:
    gained, lost = switched(results)
    total = {side: sum(industrialised(row, side) for row in results["regions"]) for side in ("push", "none")}
    text = (
        f"With the push {spelt(total['push'])} of {count(len(results['regions']))} regions end industrialised, without "
        f"it {spelt(total['none'])}"
    )
    if not gained and not lost:
        return f"{text}: {'the same ones' if total['push'] else 'none changes'}."
    parts = [f"only with it {_named(gained)}"] if gained else []
    parts += [f"only without it {_named(lost)}"] if lost else []
    gains = results["table3"]["baseline"].get("regions_that_gain")
    published = load_published().value("regions_with_higher_gdp_share")
    ending = (
        f" The heavy share is higher with the push in {_counted(gains)} and lower or unchanged in all others (the "
        f"paper: {count(published)})."
        if known(gains)
        else ""
    )
    return f"{text}: {'; '.join(parts)}.{ending}"


def _counted(number: Any) -> str:
    return f"{spelt(number)} region" + ("" if number == 1 else "s")


def _named(rows: list[dict[str, Any]]) -> str:
    return listed([row["name"] for row in rows], 6)


# -- what it rests on ------------------------------------------------------------------------------------------------


def _tipping(results: Results) -> str:
    gained, lost = switched(results)
    changed = {row["region"] for row in [*gained, *lost]}
    parts = [(row["region"] in changed, contribution(row)) for row in results["regions"]]
    if not changed or any(value is None for _, value in parts):
        return ""
    own = sum(value for inside, value in parts if inside and value is not None)
    rest = sum(value for inside, value in parts if not inside and value is not None)
    who = "the one region that changes" if len(changed) == 1 else f"the {spelt(len(changed))} regions that change"
    return (
        f"The effect is the sum of {points(own)} in {who} and {points(rest)} in all others. It moves in steps, a "
        "region at a time, and which regions stand near a step is drawn with the economy."
        if results["economy"]["label"] == "synthetic"
        else f"The effect is the sum of {points(own)} in {who} and {points(rest)} in all others: it moves in steps."
    )


def _outcomes(results: Results) -> str:
    """Say which other differences of Table 3 A have the paper's sign."""
    base, paper = results["table3"]["baseline"], results["table3"]["paper"]
    like: list[str] = []
    unlike: list[str] = []
    for key, name, text in (
        ("export_intensity", "heavy_export_intensity", "heavy export intensity"),
        ("employment_share", "heavy_employment_share", "heavy employment share"),
        ("welfare_log", "welfare", "welfare"),
    ):
        ours, theirs = base.get(key), paper.get(f"A {name} aggregate")
        if known(ours) and known(theirs):
            show = percentage if name == "welfare" else lambda value, _: points(value)
            part = f"{text} ({show(ours, 2)}; the paper {show(theirs, 2)})"
            (like if (ours > 0) == (theirs > 0) and abs(ours) >= NOTHING else unlike).append(part)
    parts = [f"The paper’s sign: {listed(like)}." if like else "", f"Not its sign: {listed(unlike)}." if unlike else ""]
    return " ".join(part for part in parts if part)


def _synthetic(results: Results) -> str:
    if results["economy"]["label"] != "synthetic":
        return ""
    effects = numbers(economies(results), "gdp_share")
    effects = effects[np.isfinite(effects)]
    if effects.size < 2:
        return (
            "This is one of many economies that hold the same published aggregates; how the answer differs over the "
            "others is not part of this run."
        )
    paper = results["table3"]["paper"]["A heavy_gdp_share aggregate"]
    low, middle, high = (float(value) for value in np.quantile(effects, (0.1, 0.5, 0.9)))
    return (
        f"Over {count(effects.size)} economies that hold the same published aggregates the effect has the median "
        f"{points(middle)} and lies between {hundred(low)} and {points(high)} in four of five; it is at least the "
        f"paper’s in {spelt(int((effects >= paper).sum())) if (effects >= paper).any() else 'none'} of them."
    )


def _fit(results: Results) -> str:
    found = results["calibration"]
    rows = [row for row in found["moments"] if known(row["exact"]) and known(row["target"]) and row["target"]]
    text = f"Criterion {fixed(found['criterion'], 3)}"
    if known(found.get("paper_criterion")):
        text += f" ({fixed(found['paper_criterion'], 3)} at the paper’s printed fit)"
    if rows:
        worst = max(rows, key=lambda row: abs(row["exact"] / row["target"] - 1.0))
        text += (
            f"; farthest off is “{moment(worst['name']).lower()}”, {percentage(worst['exact'])} against "
            f"{percentage(worst['target'])}"
        )
    return f"{text}. {_searched(found)}"


def _searched(found: dict[str, Any]) -> str:
    searches, best = found["searches"], found["criterion"]
    known_ones = [row for row in searches if known(row["criterion"])]
    same = sum(row["converged"] and abs(row["criterion"] - best) <= _SAME * abs(best) for row in known_ones)
    if len(searches) == 1:
        text = "It is the end of a single search: other minima were not looked for."
    elif same == len(searches):
        text = f"{'Both' if same == 2 else f'All {spelt(same)}'} searches end there."
    else:
        ending = "ends" if same == 1 else "end"
        text = f"{spelt(same).capitalize()} of {spelt(len(searches))} searches {ending} there."
    # the search that is used is the best of those that converged
    lower = [row["criterion"] for row in known_ones if row["criterion"] < best * (1.0 - _SAME)]
    if lower:
        text += f" A search that did not converge came lower, to {fixed(min(lower), 3)}."
    return text


def _several(results: Results) -> str:
    states = rows_of(part(results, "steady_states").get("states"))
    if not states:
        return ""
    starts = rows_of(part(results, "steady_states").get("starts"))
    tried = f" from {count(len(starts))} starts" if starts else ""
    if len(states) == 1:
        return f"One steady state was found{tried}; that others were not found does not prove that there are none."
    shares = numbers(states, "heavy_gdp_share")
    shares = shares[np.isfinite(shares)]
    text = f"{spelt(len(states)).capitalize()} steady states were found{tried}"
    if shares.size:
        text += f", with heavy GDP shares from {percentage(float(shares.min()))} to {percentage(float(shares.max()))}"
    moves = part(results, "steady_states").get("push_moves_the_economy")
    if moves is not None:
        text += f". With and without the push the economy ends in {'different ones' if moves else 'the same one'}"
    return text + "."


def conditions(results: Results) -> str:
    """Compare Table 3 C with the paper's in words: how many scenarios move the effect the same way, and their order."""
    found, rows = panel_c(results), results["table3"]["scenarios"]
    size = len(found["like"]) + len(found["unlike"])
    if not size:
        return ""
    like = spelt(len(found["like"])).capitalize()
    text = f"{like} of {spelt(size)} scenarios move the effect the way they do in the paper"
    if found["unlike"]:
        still = [scenario(name).lower() for name in found["still"]]
        other = [scenario(name).lower() for name in found["unlike"] if name not in found["still"]]
        apart = [f"{listed(still)} {'leaves' if len(still) == 1 else 'leave'} it unchanged"] if still else []
        apart += [f"{listed(other)} {'moves' if len(other) == 1 else 'move'} it the other way"] if other else []
        text += f" ({'; '.join(apart)})"
    if found["other"] != len(found["like"]):
        text += f"; {spelt(found['other'])} if set against the baseline’s path without the push (the other reading)"
    rank = found["rank"]
    text += "; the rank correlation of the effects is "
    text += "undefined, as they do not differ" if rank is None else fixed(rank, 2)
    negative = [
        scenario(row["name"]).lower() for row in rows if known(row["gdp_share"]) and row["gdp_share"] < -NOTHING
    ]
    if negative:
        text += f". Under {listed(negative)} the push even lowers the share"
    return text + "."


def _variants(results: Results) -> str:
    rows = rows_of(results.get("variants"))
    usable = [row for row in rows if outcome(row) == "passed" and known(row.get("gdp_share"))]
    if not usable:
        return f"No variant of the study, of {spelt(len(rows))}, passed its diagnostics." if rows else ""
    low, high = min(usable, key=_effect), max(usable, key=_effect)
    text = f"In the one recalibrated variant that passed its diagnostics the effect is {_at(low)}"
    if len(usable) > 1:
        text = f"Over {spelt(len(usable))} recalibrated variants the effect lies between {_at(low)} and {_at(high)}"
    lost = len(rows) - len(usable)
    return text + (f"; {spelt(lost)} more did not pass their diagnostics." if lost else ".")


def _at(row: dict[str, Any]) -> str:
    return f"{points(_effect(row))} (“{row.get('group', 'Variant')}: {row.get('label', '')}”)"


def _effect(row: dict[str, Any]) -> float:
    return float(row["gdp_share"])


def counts_words(results: Results) -> str:
    """Begin the sentence on the calibration: how many parameters are chosen for how many moments."""
    found = results["calibration"]
    free = sum(not row["fixed"] for row in found["parameters"])
    text = f"{spelt(free).capitalize()} parameter{'s are' if free != 1 else ' is'} chosen"
    held = len(found["parameters"]) - free
    text += f", {spelt(held)} {'is' if held == 1 else 'are'} held, " if held else " "
    return f"{text}so that {spelt(len(found['moments']))} moments"


def welfare_words(results: Results) -> str:
    """Say what the push is worth, and whether the two measures of welfare agree."""
    base, paper = results["table3"]["baseline"], results["table3"]["paper"].get("A welfare aggregate")
    if not known(base.get("welfare_log")):
        return ""
    low, high = base["welfare_local"]
    years = results["economy"]["years"]
    length = years[1] - years[0] if len(years) > 1 else 1
    return (
        f"The push is worth {percentage(base['welfare_log'], 2)} of consumption to log utility (the paper: "
        f"{percentage(paper, 2)}) and {percentage(base['welfare_linear'], 2)} as discounted consumption; by region, "
        f"in log utility, from {percentage(low, 2)} to {percentage(high, 2)}. The discount factor is "
        f"{figure(results['study'].get('discount', 0.85), 2)} for a period of {spelt(length)} years; the paper does "
        "not say whether its own is a year’s or a period’s."
    )
