"""The content of a quantitative run's ``results.json``: our tables beside the paper's, from what the stages saved."""

from dataclasses import asdict
from importlib.metadata import version
from typing import Any

import numpy as np

from bigpush_est.data.economy import EconomyBundle
from bigpush_est.data.published import PublishedTables
from bigpush_est.equilibrium.spatial.calibration import PARAMETERS
from bigpush_est.equilibrium.spatial.effects import DIFFERENCES, effects_of_push
from bigpush_est.equilibrium.spatial.inversion import Inversion
from bigpush_est.equilibrium.spatial.outcomes import measure, welfare
from bigpush_est.equilibrium.spatial.scenarios import SCENARIOS
from bigpush_est.quantitative.artefacts import Arrays, last, outcomes_of, stretched
from bigpush_est.quantitative.scorecard import scorecard
from bigpush_est.quantitative.study import QuantitativeStudy

type Row = dict[str, Any]


def build_results(
    study: QuantitativeStudy,
    calibration: Arrays,
    inversions: list[Inversion],
    paths: dict[str, Arrays],
    variants: list[dict[str, Any]],
    optional: dict[str, Any] | None = None,
) -> tuple[dict[str, Any], Arrays]:
    """Return results.json's content and the arrays that figures are drawn from."""
    bundle = study.bundle
    base = paths["baseline"]
    heavy = study.problem().adopting_sector
    results = {
        "kind": "quantitative",
        "study": {
            "name": study.spec.name,
            "title": study.spec.title,
            "target": study.spec.calibration.target,
            "seed": study.spec.seed,
            "discount": study.spec.paths.discount,
            "fingerprint": study.fingerprint(),
        },
        "versions": {name: version(name) for name in ("bigpush-est", "numpy", "scipy")},
        "economy": {
            "name": bundle.name,
            "label": bundle.label,
            "description": bundle.description,
            "regions": len(bundle.regions),
            "years": list(bundle.years),
            "sectors": list(bundle.sectors),
            "heavy": bundle.sectors[heavy],
            **places(bundle),
            "provenance": {table: asdict(origin) for table, origin in bundle.provenance.items()},
        },
        "sources": [asdict(source) for source in study.sources()],
        "external": asdict(study.external()) | {"xi": study.distortion_elasticity()},
        "calibration": _calibration(study, calibration),
        "fundamentals": _fundamentals(study, inversions),
        "table3": table3(study, paths),
        "paths": _path_rows(study, paths),
        "regions": _regions(study, base, heavy),
        "untargeted": untargeted(study, inversions, heavy),
        "variants": variants,
    }
    results |= {key: value for key, value in (optional or {}).items() if value}
    results["scorecard"] = scorecard(study, results)
    results["failures"] = _failures(results)
    return results, _figure_arrays(study, calibration, base, heavy)


def places(bundle: EconomyBundle) -> dict[str, Any]:
    """Where ports are and which places the expressway joins: what a map shows beside the regions."""
    place = dict(zip(bundle.regions, zip(bundle.latitude, bundle.longitude, strict=True), strict=True))
    ports = []
    for port in bundle.ports:
        latitude, longitude = (port.latitude, port.longitude) if port.region is None else place[port.region]
        ports.append({"name": port.name, "latitude": float(latitude or 0.0), "longitude": float(longitude or 0.0)})
    return {"ports": ports, "expressway": [list(leg) for leg in bundle.expressway]}


# -- calibration -----------------------------------------------------------------------------------------------------


def _calibration(study: QuantitativeStudy, found: Arrays) -> dict[str, Any]:
    paper = {row.parameter: row.value for row in study.tables.table2_rows}
    published = study.published_moments()
    fixed = study.spec.calibration.fixed
    return {
        "parameters": [
            {
                "name": name,
                "value": float(value),
                "paper": paper.get(_PAPER_NAME.get(name, name)),
                "fixed": name in fixed,
            }
            for name, value in zip(PARAMETERS, found["parameters"], strict=True)
        ],
        "moments": [
            {
                "name": name,
                "model": float(found["moments"][k]),
                "exact": float(found["exact_moments"][k]),
                "target": float(found["target"][k]),
                "paper_model": published.get(name, (None, None))[0],
                "paper_data": published.get(name, (None, None))[1],
            }
            for k, name in enumerate(study.moment_names())
        ],
        "criterion": float(found["criterion"]),
        "weights": None if (weights := study.weights()) is None else weights.tolist(),
        "paper_criterion": _paper_criterion(study),
        "converged": bool(found["converged"]),
        "jacobian": found["jacobian"].tolist(),
        "searches": [
            {"criterion": _number(criterion), "converged": bool(done), "parameters": values.tolist()}
            for criterion, done, values in zip(
                found["tried_criterion"], found["tried_converged"], found["tried_parameters"], strict=True
            )
        ],
    }


_PAPER_NAME = {"tau_bar": "tau_bar_heavy"}


def _number(value: Any) -> float | None:
    return float(value) if np.isfinite(value) else None


def _paper_criterion(study: QuantitativeStudy) -> float:
    """Eq. (5.1) at the fit that the paper's Table 2 prints."""
    moments = study.published_moments()
    return float(sum((model / data - 1.0) ** 2 for model, data in moments.values()))


def _fundamentals(study: QuantitativeStudy, inversions: list[Inversion]) -> list[Row]:
    rows = []
    for year, one in zip(study.bundle.years, inversions, strict=True):
        outcome = measure(one.equilibrium)
        for j, sector in enumerate(study.bundle.sectors):
            rows.append(
                {
                    "year": year,
                    "sector": sector,
                    "gdp_share": float(outcome.gdp_share[0, j]),
                    "export_intensity": float(outcome.export_intensity[0, j]),
                    "import_share": float(outcome.import_share[0, j]),
                    "employment_share": float(outcome.employment_share[0, j]),
                    "foreign_price": _number(one.economy.foreign_price.reshape(-1, len(study.bundle.sectors))[0, j]),
                    "foreign_to_domestic_demand": float(outcome.demand_ratio[0, j]),
                    "subsidy_to_gdp": float(outcome.subsidy_to_gdp[0]),
                    "adoption_to_export_cost": _number(outcome.adoption_to_export_cost[0, j]),
                    "inversion_residual": float(one.residual[0]),
                    "trade_imbalance": _number(one.equilibrium.trade_imbalance[0]),
                }
            )
    return rows


# -- Table 3 and Figure 4 --------------------------------------------------------------------------------------------


def effect_of_push(study: QuantitativeStudy, paths: Arrays) -> dict[str, Any]:
    """Return Table 3's differences, baseline less counterfactual, fractions; welfare as relative changes."""
    heavy, labour = study.problem().adopting_sector, study.bundle.labour / study.bundle.labour.sum()
    sides = [outcomes_of(paths, side) for side in ("push", "none")]
    found = effects_of_push(*sides, heavy=heavy, labour=labour, discount=study.spec.paths.discount)
    one = {key: values[0] for key, values in found.items()}
    local = {key: one.pop(f"regional_{key}") for key in DIFFERENCES}
    gain = one.pop("regional_welfare")
    return {
        **{key: value.tolist() for key, value in one.items()},
        **{f"{key}_local": [float(np.nanmin(value)), float(np.nanmax(value))] for key, value in local.items()},
        "welfare_local": [float(gain.min()), float(gain.max())],
    }


def table3(study: QuantitativeStudy, paths: dict[str, Arrays]) -> dict[str, Any]:
    """Return Table 3, ours beside the paper's; the paper's in its own units (points and percent)."""
    effect = effect_of_push(study, paths["baseline"])
    paper = _paper_table3(study.tables)
    panel_c = []
    for scenario in SCENARIOS:
        changed = effect_of_push(study, paths[scenario.name])
        panel_c.append(
            {
                "name": scenario.name,
                "column": scenario.column,
                "description": scenario.description,
                "gdp_share": changed["gdp_share"],
                "gdp_share_push": changed["gdp_share_push"],
                "gdp_share_none": changed["gdp_share_none"],
                "paper": paper["C", scenario.name, "aggregate"] / 100.0,
            }
        )
    return {
        "baseline": effect,
        "scenarios": panel_c,
        "paper": {" ".join(key): value / 100.0 for key, value in paper.items()},
    }


def _paper_table3(tables: PublishedTables) -> dict[tuple[str, str, str], float]:
    return {(cell.panel, cell.id, cell.statistic): cell.value for cell in tables.table3_cells}


def _path_rows(study: QuantitativeStudy, paths: dict[str, Arrays]) -> list[Row]:
    """How each path ended."""
    rows = []
    calibrated = len(study.bundle.years)
    for name, arrays in paths.items():
        for side in ("push", "none"):
            periods = int(arrays[f"{side}.periods"])
            share = arrays[f"{side}.gdp_share"][:, study.problem().adopting_sector]
            near = np.abs(share - share[-1]) <= 0.001
            settled = int(np.argmin(near[::-1])) if not near.all() else near.size
            rows.append(
                {
                    "scenario": name,
                    "push": side == "push",
                    "fate": str(arrays[f"{side}.fate"]),
                    "cycle_length": int(arrays[f"{side}.cycle_length"]),
                    "periods": periods,
                    "years_after_last": study.bundle.years_per_period * max(0, periods - settled + 1 - calibrated),
                    "worst_residual": float(arrays[f"{side}.worst_residual"]),
                }
            )
    return rows


def _regions(study: QuantitativeStudy, base: Arrays, heavy: int) -> list[Row]:
    bundle = study.bundle
    periods = max(base["push.consumption"].shape[0], base["none.consumption"].shape[0])
    consumption = [stretched(base, side, "consumption", periods)[:, None] for side in ("push", "none")]
    gain = welfare(consumption[0], consumption[1], study.spec.paths.discount)["log"][0]
    push, none = (last(base, side, "regional_gdp_share")[heavy] for side in ("push", "none"))
    shares = {side: last(base, side, "shares")[heavy] for side in ("push", "none")}
    return [
        {
            "region": region,
            "name": bundle.region_names[n],
            "latitude": float(bundle.latitude[n]),
            "longitude": float(bundle.longitude[n]),
            "labour": float(bundle.labour[n] / bundle.labour.sum()),
            "subsidised": bool(bundle.subsidised[n]),
            "gdp_share_push": float(push[n]),
            "gdp_share_none": float(none[n]),
            "gdp_push": float(last(base, "push", "gdp_by_region")[n]),
            "gdp_none": float(last(base, "none", "gdp_by_region")[n]),
            "adopters_1980": float(base["push.shares"][len(bundle.years), heavy, n]),
            "adopters_push": float(shares["push"][n]),
            "adopters_none": float(shares["none"][n]),
            "welfare": float(gain[n]),
        }
        for n, region in enumerate(bundle.regions)
    ]


# -- moments that are not targeted -----------------------------------------------------------------------------------


def untargeted(study: QuantitativeStudy, inversions: list[Inversion], heavy: int) -> list[Row]:
    """Section 5.2's two non-targeted moments: regional adopter shares against market access, ports and size.

    Market access is the home and foreign demand that a heavy firm of the region faces, D_nj + D^f_nj; slopes are of
    adopter shares on standardised logs over regions, the calibrated years pooled with year effects; standard errors are
    clustered by region.
    """
    share: list[Any] = []
    features: dict[str, list[Any]] = {name: [] for name in _FEATURES}
    bundle = study.economy()
    distance = np.log(bundle.port_distances())
    for one in inversions:
        solution, outcome = one.equilibrium, measure(one.equilibrium)
        economy = one.economy
        demand = solution.price_index[0, heavy] ** (economy.sigma.flat[0] - 1.0) * solution.expenditure[0, heavy]
        foreign = economy.foreign_demand.reshape(-1, len(bundle.sectors))[0, heavy]
        access = bundle.freeness()[heavy] @ demand + bundle.port_freeness()[:, heavy] * foreign
        share.append(solution.adopter_share[0, heavy])
        workers = outcome.regional_employment_share[0, heavy] * bundle.labour
        features["log market access"].append(np.log(access))
        features["log distance to port"].append(distance)
        with np.errstate(divide="ignore"):  # regions without heavy firms or exporters drop out below
            features["log heavy employment"].append(np.log(workers))
            features["log heavy exports"].append(np.log(solution.exports[0, heavy]))
        features["share of exporters"].append(solution.exporter_share[0, heavy])
    rows = []
    for name, expected in _FEATURES.items():
        x, y = np.array(features[name]), np.array(share)  # (years, regions)
        there = np.isfinite(x)
        if (there.sum(axis=1) < 2).any() or np.any(np.nanstd(np.where(there, x, np.nan), axis=1) == 0.0):
            continue  # nothing to tell regions apart by: the row is left out
        x, y = np.where(there, x, np.nan), np.where(there, y, np.nan)
        y = np.nan_to_num(y - np.nanmean(y, axis=1, keepdims=True))
        x = np.nan_to_num((x - np.nanmean(x, axis=1, keepdims=True)) / np.nanstd(x, axis=1, keepdims=True))
        slope = float((x * y).sum() / (x**2).sum())
        scores = (x * (y - slope * x)).sum(axis=0)  # by region
        spread = float(np.sqrt((scores**2).sum()) / (x**2).sum())
        correlation = float((x * y).sum() / np.sqrt((x**2).sum() * (y**2).sum()))
        rows.append(
            {
                "feature": name,
                "slope": slope,
                "standard_error": spread,
                "correlation": correlation,
                "paper_sign": expected,
                "regions": int(there.any(axis=0).sum()),
                "observations": int(there.sum()),
                "agrees": bool(np.sign(slope) == expected),
            }
        )
    return rows


_FEATURES = {
    "log market access": 1,
    "log distance to port": -1,
    "log heavy employment": 1,
    "log heavy exports": 1,
    "share of exporters": 1,
}


def _failures(results: dict[str, Any]) -> list[str]:
    failures = []
    if not results["calibration"]["converged"]:
        failures.append("the calibration did not converge")
    for row in results["paths"]:
        if row["fate"] != "steady state":
            side = "with" if row["push"] else "without"
            ended = "ended in a cycle" if row["fate"] == "cycle" else "did not converge"
            failures.append(f"the path {side} the push under '{row['scenario']}' {ended}")
    worst = max(row["inversion_residual"] for row in results["fundamentals"])
    if worst > 1e-8:
        failures.append(f"fundamentals were inverted to a residual of {worst:.1e} only")
    return failures


def _figure_arrays(study: QuantitativeStudy, calibration: Arrays, base: Arrays, heavy: int) -> Arrays:
    """Arrays of Figure 4, the map and the identification plots."""
    periods = max(int(base["push.periods"]), int(base["none.periods"]))
    first, step = study.bundle.years[0], study.bundle.years_per_period
    arrays: Arrays = {"year": first + step * np.arange(periods)}
    for side in ("push", "none"):
        for outcome in ("gdp_share", "export_intensity", "employment_share"):
            arrays[f"{side}_{outcome}"] = stretched(base, side, outcome, periods)[:, heavy]
        arrays[f"{side}_adopter_share"] = stretched(base, side, "adopter_share", periods)[:, heavy]
    for key in ("curve_factors", "curve_moments", "curve_exact", "jacobian"):
        arrays[key] = calibration[key]
    return arrays
