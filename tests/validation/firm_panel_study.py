"""What naive estimators and the paper's designs find on simulated firm panels whose truth is known.

    python -m tests.validation.firm_panel_study --panels 100 --switched 25 --store study.csv

draws panels of full size with seeds 1, 2, ..., keeps every estimate in the file, takes up from it what is there, and
prints the tables of docs/methods/firm-panel.md.
"""

import argparse
import time
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from bigpush_est.data.firm_panel import simulate_firm_panel
from bigpush_est.data.firm_panel_design import FirmPanelDesign
from bigpush_est.reduced_form.events.contract_events import contract_events
from bigpush_est.reduced_form.events.event_study import stacked_event_study, winners_vs_losers
from bigpush_est.reduced_form.events.stacking import term_of
from bigpush_est.reduced_form.linear.regression import ols
from bigpush_est.reduced_form.spillovers.columns import SHARE, TABLE1, Specification, estimate_column
from bigpush_est.reduced_form.spillovers.sample import spillover_sample

#: Years after adoption in which the gain is there as a whole.
LATE = (4, 5, 6, 7)
BASELINE = "as designed"
BASE = FirmPanelDesign()
#: Designs with one source of bias less; "delta = 0" leaves a spillover and a complementarity of 0 to be found.
DESIGNS = {
    BASELINE: BASE,
    "no selection": BASE.without("selection_on_level", "selection_on_shocks", "selection_on_growth"),
    "no local booms": BASE.without("local_booms"),
    "no support for laggards": BASE.without("support_for_laggards"),
    "no measurement error": BASE.without("incomplete_coverage", "measurement_error"),
    "delta = 0": replace(BASE, delta=0.0),
}


def estimates(seed, design=None, scale=1.0):
    """Estimates, whether 95% intervals cover, and truths on one panel: one row per part of the truth and estimator."""
    simulated = simulate_firm_panel(design, seed, scale=scale)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # thin matches and repaired covariances are part of what is studied
        rows = [*direct(simulated), *local(simulated)]
    return pd.DataFrame(rows).assign(seed=seed)


def direct(simulated):
    """Effect of adoption on log sales; the truth is the mean true effect on the rows of adopters that are used."""
    panel = simulated.data.panel
    dates = panel["firm"].map(contract_events(simulated.data).adoption).astype(float)
    effect = simulated.truth.firm_years.set_index(["firm", "year"])["effect"]
    panel = panel.assign(
        log_sales=simulated.data.log("sales"),
        since=panel["year"] - dates,
        adopter=(panel["year"] >= dates).astype(float),
        effect=effect.reindex(pd.MultiIndex.from_frame(panel[["firm", "year"]])).to_numpy(),
    )
    for name, effects in (
        ("OLS, region-sector-year effects", "region^sector^year"),
        ("OLS, firm and region-sector-year effects", "firm + region^sector^year"),
    ):
        fit = ols(panel, f"log_sales ~ adopter | {effects}", cluster="firm")
        used = panel.loc[fit.rows]
        yield _row("direct", name, fit, [0], used.loc[used["adopter"] == 1, "effect"].mean())

    times = sorted(int(k) for k in panel["since"].dropna().unique() if k != -1)
    dummies = pd.DataFrame({term_of(k): (panel["since"] == k).astype(float) for k in times})
    frame = pd.concat([panel, dummies], axis=1)
    fit = ols(frame, f"log_sales ~ {' + '.join(dummies)} | firm + year", cluster="firm")
    used = panel.loc[fit.rows]
    yield _row("direct", "two-way fixed effects, 4-7 years on", fit, _late(fit), _late_mean(used, "since"))

    study = winners_vs_losers(simulated.data)
    stack = study.stack.frame.merge(panel[["firm", "year", "effect"]], on=["firm", "year"], how="left")
    winners = stack[stack["treated"]]
    after = winners.loc[winners["event_time"] >= 0, "effect"].mean()
    yield _row("direct", "winners vs losers, pooled", study.pooled_regression, [0], after)
    times = [k for k in LATE if k in study.event_times]  # a year in which no winner is on record has no coefficient
    fit = study.regression
    truth = _late_mean(winners[winners["event_time"].isin(times)], "event_time")
    yield _row("direct", "winners vs losers, 4-7 years on", fit, _late(fit, times), truth)


def spillover_on_losers(seed, design=None):
    """What winners' adoption does to losers: the true spillover term run through the event study, pooled and late.

    A winner's adoption counts in its loser's share of adopters and not in its own.
    """
    simulated = simulate_firm_panel(design, seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        stack = winners_vs_losers(simulated.data).stack
        years = simulated.truth.firm_years[["firm", "year"]].assign(
            spillover=simulated.truth.spillover_coefficient * simulated.truth.firm_years["share_lag"]
        )
        frame = stack.frame.merge(years, on=["firm", "year"], how="left")
        study = stacked_event_study(replace(stack, frame=frame), "spillover")
    times = [k for k in LATE if k in study.event_times]
    return study.pooled, study.regression.coefficients[_late(study.regression, times)].mean()


def local(simulated):
    """Spillover and complementarity: columns of Table 1, then with what only the simulator knows."""
    sample = spillover_sample(simulated.data)
    frame, truth = sample.frame, simulated.truth
    years = truth.firm_years.merge(truth.firms[["firm", "region", "sector"]], on="firm").merge(
        truth.cells[["region", "sector", "year", "boom", "setback"]], on=["region", "sector", "year"]
    )
    years = years.set_index(["firm", "year"])
    first, last = (pd.MultiIndex.from_frame(frame[["firm", end]]) for end in ("start", "end"))

    def change(column):
        return (years[column].reindex(last).to_numpy() - years[column].reindex(first).to_numpy()).astype(float)

    shocks = ("boom_change", "setback_change")
    frame[list(shocks)] = np.column_stack([change("boom"), change("setback")])
    recorded, true = frame[SHARE].copy(), change("share_lag")
    slope = float(years["contract_slope"].reindex(last[recorded.notna()]).mean())
    for panel, name, value in (("A", "spillover", truth.spillover_coefficient), ("B", "complementarity", slope)):
        for specification, label in zip(TABLE1[:3], ("OLS (1)", "IV (2)", "IV (3)"), strict=True):
            yield _column(name, label, sample, specification, panel, value)
        frame[SHARE] = true
        yield _column(name, "IV (3), true shares", sample, TABLE1[2], panel, value)
        yield _column(name, "OLS, true shares", sample, TABLE1[0], panel, value)
        observed = Specification("all observed", "ols", controls=shocks)
        yield _column(name, "OLS, true shares, shocks", sample, observed, panel, value)
        if panel == "A":  # sales without own technology are known of all firms: no adopter has to be left out
            frame["change"], frame["never"] = change("log_sales_never"), True
            yield _column(name, "IV (3), true shares, all firms", sample, TABLE1[2], panel, value)
            yield _column(name, "OLS, true shares, shocks, all firms", sample, observed, panel, value)
        frame[SHARE] = recorded


def _late(fit, times=LATE):
    return [fit.position(term_of(k)) for k in times]


def _late_mean(rows, since):
    """Mean over the late event times of the mean effect in each, as the coefficients are averaged."""
    return rows[rows[since].isin(LATE)].groupby(since)["effect"].mean().mean()


def _row(part, name, fit, places, truth, strength=np.nan):
    """Return the mean of a regression's coefficients at some places, and whether its interval covers the truth."""
    weights = np.zeros(fit.k)
    weights[places] = 1 / len(places)
    estimate, error = weights @ fit.coefficients, np.sqrt(weights @ fit.covariance.matrix @ weights)
    covered = abs(estimate - truth) <= stats.t.ppf(0.975, fit.degrees_of_freedom) * error
    named = {"part": part, "estimator": name, "estimate": estimate, "std_error": error}
    return named | {"truth": truth, "covered": covered, "F": strength}


def _column(part, label, sample, specification, panel, truth):
    found = estimate_column(sample, specification, panel)
    fit = found.regression
    return _row(part, label, fit, [fit.position(SHARE)], truth, found.kleibergen_paap_f)


def summarise(found):
    """Bias, its Monte Carlo error, spread, root mean squared error and coverage by part and estimator."""
    found = found.assign(gap=found["estimate"] - found["truth"])
    by = found.groupby(["part", "estimator"], sort=False)
    count, spread, mean = by["gap"].size(), by["gap"].std(), by["gap"].mean()
    covered = by["covered"].mean()
    return pd.DataFrame(
        {
            "truth": by["truth"].mean(),
            "mean": by["estimate"].mean(),
            "bias": mean,
            "(MC error)": spread / np.sqrt(count),
            "median bias": by["gap"].median(),
            "sd": by["estimate"].std(),
            "RMSE": np.sqrt(by["gap"].apply(lambda gap: (gap**2).mean())),
            "coverage": covered,
            "(its error)": np.sqrt(covered * (1 - covered) / count),
            "F, median": by["F"].median(),
        }
    )


def switches(found):
    """Mean bias by design and estimator, and the change against the baseline on the same seeds with its error."""
    found = found.assign(gap=found["estimate"] - found["truth"])
    wide = found.pivot(index=["part", "estimator", "seed"], columns="design", values="gap")
    lines = {}
    for design in (name for name in DESIGNS if name in wide and name != BASELINE):
        pairs = wide[[BASELINE, design]].dropna()  # the seeds that both have
        by = pairs.assign(change=pairs[design] - pairs[BASELINE]).groupby(["part", "estimator"], sort=False)
        lines[design, "seeds"] = by.size()
        lines[design, "bias"] = by[design].mean()
        lines[design, "change"] = by["change"].mean()
        lines[design, "(error)"] = by["change"].std() / np.sqrt(by.size())
    return pd.DataFrame(lines)


def study(panels, switched, store=None, scale=1.0, report=print):
    """Draw what is asked and not yet in the store; return all estimates.

    Parameters
    ----------
    panels, switched
        Panels of the baseline, and of each other design.
    store
        CSV file that keeps the estimates.
    """
    done = pd.read_csv(store) if store is not None and Path(store).exists() else pd.DataFrame()
    parts, start = [done], time.perf_counter()
    for name, design in DESIGNS.items():
        for seed in range(1, (panels if name == BASELINE else switched) + 1):
            if len(done) and ((done["design"] == name) & (done["seed"] == seed)).any():
                continue
            parts.append(estimates(seed, design, scale).assign(design=name))
            report(f"{time.perf_counter() - start:7.1f} s  {name}, seed {seed}")
            if store is not None:
                pd.concat(parts).to_csv(store, index=False)
    return pd.concat(parts, ignore_index=True)


def main():
    """Run the study and print its tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--panels", type=int, default=100, help="panels of the baseline")
    parser.add_argument("--switched", type=int, default=25, help="panels of every other design")
    parser.add_argument("--scale", type=float, default=1.0, help="of the panels")
    parser.add_argument("--store", type=Path, help="CSV file with the estimates")
    options = parser.parse_args()
    found = study(options.panels, options.switched, options.store, options.scale, lambda text: print(text, flush=True))
    with pd.option_context("display.width", 250, "display.max_columns", 30, "display.max_rows", 200):
        print(summarise(found[found["design"] == BASELINE]).round(3).to_string())
        print(switches(found).round(3).to_string())


if __name__ == "__main__":
    main()
