"""The arrays behind every figure of the report, computed once and saved beside the numbers."""

from typing import Any

import numpy as np

from bigpush_est.bayes.model import ModelInputs
from bigpush_est.equilibrium.adoption_map import FloatArray
from bigpush_est.propagate.outcomes import QUANTILES, Scenario, figure3, multiplicity_map

#: Draws shown as points in the cloud.
CLOUD = 1500
#: One-time subsidy of fixed adoption costs and growth of L shown in panels C and D of the illustration.
ILLUSTRATION_SUBSIDY, ILLUSTRATION_LOG_SIZE = 0.95, 0.15


def density(draws: FloatArray, prior: Any, transform: Any = None) -> dict[str, FloatArray]:
    """Histogram of the posterior and density of the prior on one axis.

    Parameters
    ----------
    draws
        Posterior draws on the axis to be shown, shape (D,).
    prior
        Frozen distribution of the parameter.
    transform
        ``(to_parameter, jacobian)``, functions of the axis, if the axis is not the parameter itself.
    """
    low, high = np.quantile(draws, [0.0005, 0.9995])
    margin = 0.35 * (high - low)
    low = max(low - margin, 0.0 if transform is None else 1.0)
    edges = np.linspace(low, high + margin, 81)
    counts, _ = np.histogram(draws, edges, density=True)
    axis = np.linspace(low, high + margin, 241)
    to_parameter, jacobian = transform or (lambda x: x, np.ones_like)
    with np.errstate(divide="ignore"):
        prior_density = prior.pdf(to_parameter(axis)) * jacobian(axis)
    return {"edges": edges, "posterior": counts, "axis": axis, "prior": np.nan_to_num(prior_density, posinf=0.0)}


def pictures(
    inputs: ModelInputs,
    draws: dict[str, FloatArray],
    outcomes: dict[str, Any],
    illustrated: dict[str, Any],
    scenario: Scenario,
    illustration: Scenario,
) -> dict[str, Any]:
    """Return every array that the figures need, under flat names ``figure.part``."""
    result: dict[str, Any] = {}

    def put(figure: str, parts: dict[str, Any]) -> None:
        result.update({f"{figure}.{name}": np.asarray(value) for name, value in parts.items()})

    eta = np.exp(draws["log_eta"])
    if not inputs.prior("log_eta").fixed:
        put("prior_eta", density(eta, inputs.prior("log_eta").frozen(), (np.log, lambda x: 1.0 / x)))
    for name in ("delta", "subsidy", "sigma", "pareto_ratio"):
        if not inputs.prior(name).fixed:
            put(f"prior_{name}", density(draws[name], inputs.prior(name).frozen()))
    for name, shown, subsidy, log_size in (
        ("figure3_posterior", scenario, float("nan"), float(np.log(2.0))),
        ("figure3_illustration", illustration, ILLUSTRATION_SUBSIDY, ILLUSTRATION_LOG_SIZE),
    ):
        put(name, figure3(draws, shown, subsidy, log_size) | {"subsidy": subsidy, "log_size": log_size})
    chosen = np.unique(np.linspace(0, eta.size - 1, min(CLOUD, eta.size)).astype(int))
    top = max(float(np.quantile(eta, 0.999)) * 1.05, 1.05)
    sigma, ratio = float(np.median(draws["sigma"])), float(np.median(draws["pareto_ratio"]))
    put("map", multiplicity_map(scenario, sigma, ratio, (1.005, top)))
    put("map", {"cloud_eta": eta[chosen], "cloud_delta": draws["delta"][chosen]})
    for name, source in (("fan_posterior", outcomes), ("fan_illustration", illustrated)):
        put(
            name,
            {
                "year": 1972 + 4 * np.arange(source["path_push"].shape[1]),
                "push": np.quantile(source["path_push"], QUANTILES, axis=0),
                "none": np.quantile(source["path_none"], QUANTILES, axis=0),
                "consumption": np.expm1(np.quantile(source["consumption"], QUANTILES, axis=0)),
            },
        )
    return result
