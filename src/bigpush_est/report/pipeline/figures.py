"""Figures of a pipeline run: fans, the draws over (δ, η), what moves the answer, the event study, variants, the map."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from bigpush_est.report.figures import AXIS
from bigpush_est.report.pipeline.labels import EVENTS, PARAMETERS, Results, data_label, main_answer
from bigpush_est.report.quantitative.korea_map import korea_map
from bigpush_est.report.style import BLUE, GREY, INK, ORANGE, PALE, PURPLE, SKY, VERMILION, canvas, grid

_PANELS = (
    ("gdp_share", "A. GDP share", "% of GDP"),
    ("export_intensity", "B. Export intensity", "% of gross output"),
    ("employment_share", "C. Employment share", "% of employment"),
)


def labelled(results: Results, height: float) -> Figure:
    """Return an empty figure that says in its corner what its data are: pictures travel alone."""
    picture = canvas(height)
    picture.supxlabel(data_label(results), x=0.995, ha="right", fontsize=6, color=GREY, parse_math=False)
    return picture


def fans(results: Results, arrays: dict[str, Any]) -> Figure:
    """Draw Figure 4 as fan charts: medians, 50% and 90% bands over draws, with and without the push."""
    part = {key.partition(".")[2]: value for key, value in arrays.items() if key.startswith(_fan(results))}
    picture = labelled(results, 2.7)
    panels = picture.subplots(1, 3)
    years = results["economy"]["years"]
    step = results["economy"]["years_per_period"]
    for panel, (name, title, unit) in zip(panels, _PANELS, strict=True):
        # each subsidised period stands for the years around its label
        panel.axvspan(years[1] - 0.5 * step, years[-1] + 0.5 * step, color="#EFEFEF", lw=0)
        for side, color, style in (("none", VERMILION, "--"), ("push", BLUE, "-")):
            q = 100.0 * part[f"{name}_{side}"]
            if not q.size:
                continue
            panel.fill_between(part["year"], q[0], q[4], color=color, alpha=0.13, lw=0)
            panel.fill_between(part["year"], q[1], q[3], color=color, alpha=0.25, lw=0)
            panel.plot(part["year"], q[2], color=color, ls=style)
        panel.set_title(title)
        panel.set_ylabel(unit)
        panel.set_ylim(bottom=0.0)
        panel.set_xlim(part["year"][0], part["year"][min(len(part["year"]) - 1, 14)])
        panel.set_xlabel("year")
        grid(panel)
    handles = [
        Line2D([], [], color=BLUE, label="with the push"),
        Line2D([], [], color=VERMILION, ls="--", label="without"),
        Patch(color=GREY, alpha=0.4, label="50% of draws"),
        Patch(color=GREY, alpha=0.2, label="90%"),
        Patch(color="#EFEFEF", label="subsidised periods"),
    ]
    picture.legend(handles=handles, loc="outside upper left", ncols=5)
    return picture


def _fan(results: Results) -> str:
    return f"fan_{results['study']['main']}."


def cloud(results: Results, arrays: dict[str, Any], paper: dict[str, float]) -> Figure:
    """Draw the draws over (δ, η): which have several steady states, and which the push moves."""
    prefix = f"cloud_{results['study']['main']}."
    part = {key.partition(".")[2]: value for key, value in arrays.items() if key.startswith(prefix)}
    picture = labelled(results, 3.4)
    panels = picture.subplots(1, 2, sharey=True)
    good = part["converged"].astype(bool)
    for panel, name, title in zip(
        panels, ("multiple", "moved"), ("A. Several steady states", "B. The push moves the economy"), strict=True
    ):
        yes = part[name].astype(bool) & good
        for chosen, color, marker, size in (
            (good & ~yes, ORANGE, "o", 9),
            (yes, BLUE, "o", 9),
            (~good, GREY, "x", 14),
        ):
            panel.scatter(
                part["delta"][chosen], part["eta"][chosen], s=size, marker=marker, color=color, alpha=0.65, lw=0.6
            )
        panel.plot(paper["delta"], paper["eta"], marker="X", ms=9, color=VERMILION, mec="white", ls="none", zorder=4)
        panel.set_title(title)
        panel.set_xlabel(AXIS["delta"])
        panel.set_xlim(left=0.0)
        grid(panel, "both")
    panels[0].set_ylabel(AXIS["eta"])
    handles = [
        Line2D([], [], marker="o", color=BLUE, ls="none", ms=4, label="yes"),
        Line2D([], [], marker="o", color=ORANGE, ls="none", ms=4, label="no"),
        Line2D([], [], marker="x", color=GREY, ls="none", ms=5, label="did not converge"),
        Line2D([], [], marker="X", color=VERMILION, ls="none", ms=7, label="the paper’s values"),
    ]
    picture.legend(handles=handles, loc="outside upper left", ncols=4)
    return picture


def tornado(results: Results) -> Figure | None:
    """Draw what one standard error of each estimate, and a doubled prior, do to each answer."""
    targets = (results["sensitivity"].get(results["study"]["main"]) or {}).get("targets")
    if not targets:
        return None
    shown = [name for name in ("multiple", "moved", "needed", "gdp_share") if name in targets]
    titles = {"multiple": "P(several), p.p.", "moved": "P(moved), p.p.", "needed": "P(needed), p.p.",
              "gdp_share": "Δ GDP share, p.p."}  # fmt: skip
    names = [f"estimate: {name}, +1 s.e." for name in targets[shown[0]]["estimates"]]
    names += [f"prior: {PARAMETERS.get(name, name)}, doubled" for name in targets[shown[0]]["prior"]]
    picture = labelled(results, 0.95 + 0.26 * len(names))
    panels = picture.subplots(1, len(shown), sharey=True, squeeze=False)[0]
    for panel, target in zip(panels, shown, strict=True):
        rows = [*targets[target]["estimates"].values(), *targets[target]["prior"].values()]
        values = [100.0 * row["value"] for row in rows]
        errors = [196.0 * row["mcse"] for row in rows]
        colors = [BLUE] * len(targets[target]["estimates"]) + [PALE] * len(targets[target]["prior"])
        panel.barh(range(len(names)), values, color=colors, xerr=errors, ecolor=INK, error_kw={"lw": 0.8})
        panel.axvline(0.0, color=INK, lw=0.8)
        panel.set_title(titles[target], fontsize=7.5)
        panel.ticklabel_format(axis="x", useOffset=False, style="plain")
        panel.locator_params(axis="x", nbins=4)
        panel.set_ylim(len(names) - 0.4, -0.6)
        grid(panel, "x")
    panels[0].set_yticks(range(len(names)), names, parse_math=False)
    return picture


def correlation_curve(results: Results) -> Figure | None:
    """Draw the probabilities over the correlation of the first two estimates, where the draws reach."""
    targets = (results["sensitivity"].get(results["study"]["main"]) or {}).get("targets")
    curves = {name: targets[name].get("correlation") for name in EVENTS if targets} if targets else {}
    curves = {name: curve for name, curve in curves.items() if curve and curve["correlation"]}
    if not curves or results["evidence"]["correlation_is"] != "assumed":
        return None
    picture = labelled(results, 2.3)
    panel = picture.subplots()
    for (name, curve), color in zip(curves.items(), (BLUE, VERMILION, PURPLE), strict=False):
        reached = np.array([k is not None and k <= 0.7 for k in curve["pareto_k"]])
        x, y = np.array(curve["correlation"]), 100.0 * np.array(curve["value"], dtype=float)
        panel.plot(np.where(reached, x, np.nan), y, color=color, label=EVENTS[name])
    panel.set_xlabel("correlation of the two estimates (unknown)")
    panel.set_ylabel("probability, %")
    panel.set_ylim(0.0, 100.0)
    panel.set_xlim(-1.0, 1.0)
    grid(panel)
    panel.legend(loc="best")
    return picture


def event_study(results: Results) -> Figure | None:
    """Draw the event study with 95% intervals; from a simulated panel, with the truth."""
    micro = results["evidence"]["micro"]
    if micro is None:
        return None
    rows = [row for row in micro["event_study"] if row["event_time"] is not None]
    picture = labelled(results, 2.6)
    panel = picture.subplots()
    for row in rows:
        if row["conf_low"] is not None:
            panel.plot([row["event_time"]] * 2, [row["conf_low"], row["conf_high"]], color=BLUE, lw=1.2)
        panel.plot(row["event_time"], row["estimate"], marker="o", ms=4, color=BLUE)
    panel.axhline(0.0, color=INK, lw=0.8)
    panel.axvline(-0.5, color=GREY, lw=0.8, ls=":")
    if micro["truth"] is not None:
        panel.axhline(micro["truth"]["direct"], color=VERMILION, ls="--", lw=1.1)
        panel.annotate(
            "truth, fully phased in",
            (rows[0]["event_time"], micro["truth"]["direct"]),
            xytext=(0, 3),
            textcoords="offset points",
            color=VERMILION,
            fontsize=7.5,
        )
    panel.set_xlabel("years since the contract")
    panel.set_ylabel("log points of sales")
    grid(panel)
    return picture


def specification_curve(results: Results) -> Figure | None:
    """Draw every variant's probabilities and effect, the study itself first."""
    rows = [row for row in results["variants"] if not row.get("failed")]
    if not rows:
        return None
    main = main_answer(results)
    first: dict[str, Any] = {
        "label": "This study",
        "probabilities": main["probabilities"],
        "differences": main["differences"],
    }
    lines = [first, *rows]
    picture = labelled(results, 0.95 + 0.2 * len(lines))
    left, right = picture.subplots(1, 2, sharey=True)
    for place, row in enumerate(lines):
        for name, color, offset in (("multiple", SKY, -0.2), ("moved", BLUE, 0.0), ("needed", VERMILION, 0.2)):
            chance = row["probabilities"][name]
            left.plot(
                [100 * chance["bound_low"], 100 * chance["bound_high"]], [place + offset] * 2, color=color, lw=1.1
            )
            left.plot(100 * chance["estimate"], place + offset, marker="o", ms=3.2, color=color)
        gap = row["differences"]["gdp_share"]
        if gap["median"] is not None:
            right.plot([100 * gap["low90"], 100 * gap["high90"]], [place] * 2, color=GREY, lw=1.0)
            right.plot([100 * gap["low50"], 100 * gap["high50"]], [place] * 2, color=BLUE, lw=2.2)
            right.plot(100 * gap["median"], place, marker="o", ms=3.6, color=BLUE)
    paper = main["differences"]["gdp_share"]["paper"]
    if paper is not None:
        right.axvline(100 * paper, color=VERMILION, ls="--", lw=1.0)
    left.set_ylim(len(lines) - 0.4, -0.6)
    left.set_yticks(range(len(lines)), [_line(row) for row in lines], parse_math=False)
    left.get_yticklabels()[0].set_fontweight("bold")
    left.set_xlim(-2.0, 102.0)
    left.set_xlabel("probability, %, with 95% Monte Carlo bounds")
    right.set_xlabel("Δ heavy GDP share, p.p.: median, 50%, 90%")
    for panel in (left, right):
        grid(panel, "x")
    handles = [
        Line2D([], [], color=SKY, marker="o", ms=4, label="several steady states"),
        Line2D([], [], color=BLUE, marker="o", ms=4, label="moved"),
        Line2D([], [], color=VERMILION, marker="o", ms=4, label="needed"),
        Line2D([], [], color=VERMILION, ls="--", lw=1.0, label="the paper’s effect"),
    ]
    picture.legend(handles=handles, loc="outside upper left", ncols=4)
    return picture


def _line(row: dict[str, Any]) -> str:
    return row["label"] if "group" not in row else f"{row['group']}: {row['label']}"


def regional_map(results: Results, arrays: dict[str, Any]) -> Figure:
    """Draw the regions' median change of the heavy GDP share, and median welfare gain."""
    prefix = _fan(results)
    change = arrays[f"{prefix}regional_gdp_share_difference_median"]
    gain = arrays[f"{prefix}regional_welfare_median"]
    rows = [
        {
            **row,
            "gdp_share_push": float(change[n]),
            "gdp_share_none": 0.0,
            "welfare": float(gain[n]),
            "adopters_1980": 0.0,
            "adopters_push": None,
            "adopters_none": None,
        }
        for n, row in enumerate(results["regions"])
    ]
    return korea_map({**results, "regions": rows})
