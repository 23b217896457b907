"""The content of a pipeline run's ``results.json``: every number of its report, with its Monte Carlo error."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from bigpush_est.bayes.sampling import Diagnostics, Posterior
from bigpush_est.data.published import PublishedTables
from bigpush_est.equilibrium.adoption_map import FloatArray
from bigpush_est.equilibrium.spatial.calibration import PARAMETERS
from bigpush_est.equilibrium.spatial.scenarios import SCENARIOS
from bigpush_est.errors import InvalidValue
from bigpush_est.pipeline.evidence import Gathered
from bigpush_est.pipeline.study import PipelineStudy
from bigpush_est.propagate.sensitivity import (
    breakdown_of_estimate,
    explained_share,
    power_scaling,
    sensitivity_to_estimates,
    value_of_knowing,
    worst_case_correlation,
)
from bigpush_est.propagate.summary import probability, quantity

type Arrays = dict[str, Any]
type Row = dict[str, Any]

#: The version that answers with the study's second mapping.
SECOND = "second_mapping"
#: Events of a draw, in words.
EVENTS = {
    "multiple": "several steady states exist",
    "moved": "the push ends in another steady state than no push",
    "needed": "industrialised with the push and not without it",
}
#: Differences, with the push less without it, and the paper's figures for them (Table 3 A and B), in fractions.
DIFFERENCES = {
    "gdp_share": ("GDP share", ("A", "heavy_gdp_share", "aggregate")),
    "export_intensity": ("export intensity", ("A", "heavy_export_intensity", "aggregate")),
    "employment_share": ("employment share", ("A", "heavy_employment_share", "aggregate")),
}
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass(frozen=True, slots=True, eq=False)
class Mapped:
    """One mapping of the estimates, as far as the model: its study, posterior, calibration at the medians, draws."""

    study: PipelineStudy
    gathered: Gathered
    posterior: Posterior
    point: Arrays
    draws: dict[str, Any]  # (D,) each, those that go through the model


@dataclass(frozen=True, slots=True)
class Evidenced:
    """What sensitivity is taken to: the estimates, what the theory says they are, and their covariance."""

    names: tuple[str, ...]
    values: FloatArray  # (K,)
    mapped: FloatArray  # (D, K), at the propagated draws
    covariance: FloatArray  # (K, K)


def answers(outcomes: Arrays, diagnostics: Diagnostics, chains: int, tables: PublishedTables) -> dict[str, Any]:
    """Summarise one propagation: probabilities, Table 3, Table 2, and how the solver fared.

    Parameters
    ----------
    outcomes
        Of ``propagate_spatial``, arrays with D draws on their first axis, chains one after the other.
    diagnostics
        Of the posterior's draws.
    chains
        Number of chains in D.
    tables
        The paper's figures, which stand beside ours.
    """
    converged = np.asarray(outcomes["converged"], dtype=bool)
    paper = {(cell.panel, cell.id, cell.statistic): cell.value / 100.0 for cell in tables.table3_cells}

    def of(values: FloatArray) -> Row:
        """Quantities are of the draws that converged: the others' numbers are not equilibria."""
        return asdict(quantity(np.where(converged, values, np.nan), chains))

    found: dict[str, Any] = {
        "draws": int(converged.size),
        "solver": {
            "draws": int(converged.size),
            "unconverged": int((~converged).sum()),
            "largest_residual": float(np.nanmax(np.where(converged, outcomes["residual"], np.nan), initial=0.0)),
            "fates": _fates(outcomes),
        },
        "probabilities": {
            name: asdict(chance) | {"text": chance.text()}
            for name in EVENTS
            for chance in (probability(outcomes[name], converged, diagnostics, chains),)
        },
        "differences": {
            name: of(outcomes[f"{name}_push"] - outcomes[f"{name}_none"]) | {"paper": paper.get(place)}
            for name, (_, place) in DIFFERENCES.items()
        },
        "levels": {
            f"{name}_{side}": of(outcomes[f"{name}_{side}"]) for name in DIFFERENCES for side in ("push", "none")
        },
        "welfare": {
            "log": of(outcomes["welfare_log"]) | {"paper": paper.get(("A", "welfare", "aggregate"))},
            "linear": of(outcomes["welfare_linear"]) | {"paper": None},
        },
        "relative_gdp_share": of(1.0 - outcomes["gdp_share_none"] / outcomes["gdp_share_push"]),
        "output": [of(outcomes["output"][:, j]) for j in range(outcomes["output"].shape[1])],
        "output_total": of(outcomes["output_total"]),
        "steady_states": of(outcomes["count"].astype(np.float64)),
        "parameters": {name: of(outcomes["parameters"][:, k]) for k, name in enumerate(PARAMETERS)},
        "moments": [of(outcomes["moments"][:, k]) for k in range(outcomes["moments"].shape[1])],
    }
    if "smallest_push" in outcomes:
        status, count = np.unique(outcomes["smallest_push_status"].astype(str), return_counts=True)
        found["smallest_push"] = of(outcomes["smallest_push"]) | {
            "statuses": dict(zip(status.tolist(), count.tolist(), strict=True))
        }
    scenarios = [one for one in SCENARIOS if f"scenario_{one.name}_gdp_share" in outcomes]
    found["scenarios"] = [
        {
            "name": one.name,
            "column": one.column,
            "description": one.description,
            "paper": paper.get(("C", one.name, "aggregate")),
            **of(outcomes[f"scenario_{one.name}_gdp_share"]),
            "weaker": asdict(
                chance := probability(
                    outcomes[f"scenario_{one.name}_gdp_share"]
                    < outcomes["gdp_share_push"] - outcomes["gdp_share_none"] - 1e-6,
                    converged,
                    diagnostics,
                    chains,
                )
            )
            | {"text": chance.text()},
        }
        for one in scenarios
    ]
    return found


def _fates(outcomes: Arrays) -> Row:
    rows = {}
    for side in ("push", "none"):
        names, counts = np.unique(np.asarray(outcomes[f"fate_{side}"]).astype(str), return_counts=True)
        rows[side] = dict(zip(names.tolist(), counts.tolist(), strict=True))
    return rows


def what_moves(outcomes: Arrays, draws: Arrays, evidenced: Evidenced, log_prior: dict[str, FloatArray]) -> Row:
    """Sensitivity of each answer to each estimate, parameter and prior, from the propagated draws alone.

    Draws that did not converge are left out and counted.
    """
    good = np.asarray(outcomes["converged"], dtype=bool)
    if not good.any():
        raise InvalidValue(
            key="draws", value="none converged", requirement="some that did", remedy="see the table of the solver"
        )
    targets = {name: outcomes[name][good].astype(np.float64) for name in EVENTS}
    targets["gdp_share"] = (outcomes["gdp_share_push"] - outcomes["gdp_share_none"])[good]
    targets["welfare"] = outcomes["welfare_log"][good]
    mapped = evidenced.mapped[good]
    free = {name: values[good] for name, values in draws.items() if np.ptp(values[good]) > 0.0}
    priors = {name: values[good] for name, values in log_prior.items()}
    likelihood = -0.5 * _square(evidenced.values - mapped, evidenced.covariance)
    rows: Row = {"draws": int(good.sum()), "left_out": int((~good).sum()), "targets": {}}
    for target, h in targets.items():
        row: Row = {
            "estimates": {
                name: asdict(one)
                for name, one in zip(
                    evidenced.names, sensitivity_to_estimates(h, mapped, evidenced.covariance), strict=True
                )
            },
            "explained": {name: asdict(explained_share(h, values)) for name, values in free.items()},
            "prior": {name: asdict(power_scaling(h, values)[0]) for name, values in priors.items()},
            "likelihood": asdict(power_scaling(h, likelihood)[0]),
        }
        if target in EVENTS:
            row["value_of_knowing"] = {name: asdict(value_of_knowing(h, values)) for name, values in free.items()}
            row["breakdown"] = {
                name: asdict(breakdown_of_estimate(h, evidenced.values, mapped, evidenced.covariance, k))
                for k, name in enumerate(evidenced.names)
            }
        if len(evidenced.names) > 1:
            row["correlation"] = worst_case_correlation(h, evidenced.values, mapped, evidenced.covariance, (0, 1))
        rows["targets"][target] = row
    return rows


def _square(gap: FloatArray, covariance: FloatArray) -> FloatArray:
    """(b − m)′ V⁻¹ (b − m) at each draw, (D,)."""
    result: FloatArray = (gap * np.linalg.solve(covariance, gap.T).T).sum(axis=1)
    return result


def fans(outcomes: Arrays) -> Arrays:
    """Quantiles over converged draws of the paths, and regional means: the arrays behind figures."""
    good = np.asarray(outcomes["converged"], dtype=bool)
    found: Arrays = {}
    for name in DIFFERENCES:
        for side in ("push", "none"):
            path = outcomes[f"path_{name}_{side}"][good]
            found[f"{name}_{side}"] = np.quantile(path, QUANTILES, axis=0) if path.size else path
    for name in ("regional_gdp_share_difference", "regional_welfare"):
        values = outcomes[name][good]
        if not values.size:  # nothing is known of any region
            values = np.full((1, values.shape[1]), np.nan)
        found[f"{name}_median"] = np.median(values, axis=0)
        found[f"{name}_low"], found[f"{name}_high"] = np.quantile(values, (0.05, 0.95), axis=0)
        found[f"{name}_positive"] = (values > 1e-6).mean(axis=0)
    return found
