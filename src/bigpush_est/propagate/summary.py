"""Outcomes of all draws as numbers with their Monte Carlo errors: what the report prints and never computes."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from bigpush_est.bayes.sampling import Diagnostics
from bigpush_est.equilibrium.adoption_map import FloatArray

#: Confidence level of the bounds on a probability without hits.
BOUND_LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class Probability:
    """A posterior probability.

    Attributes
    ----------
    estimate
        Share of draws with the event.
    mcse
        Monte Carlo standard error; NaN where all draws agree.
    hits, draws
        Counts behind the estimate.
    effective_draws
        Independent draws that the chains are worth.
    bound_low, bound_high
        95% Clopper-Pearson interval at the effective draws: what "no hits" does and does not show.
    unconverged
        Draws whose solver did not converge.
    all_no, all_yes
        The estimate if every unconverged draw were a no, or a yes.
    """

    estimate: float
    mcse: float
    hits: int
    draws: int
    effective_draws: float
    bound_low: float
    bound_high: float
    unconverged: int
    all_no: float
    all_yes: float

    def text(self) -> str:
        """Return the probability as it is printed: a bound when no draw, or every draw, has the event."""
        if self.hits == 0:
            return f"< {_percent(self.bound_high)}"
        if self.hits == self.draws:
            return f"> {_percent(self.bound_low)}"
        digits = max(1, int(np.ceil(-np.log10(max(100.0 * self.mcse, 1e-6)))))
        return f"{100.0 * self.estimate:.{digits}f}% ± {100.0 * self.mcse:.{digits}f}"


def _percent(value: float) -> str:
    return f"{100.0 * value:.2g}%" if value < 0.995 else f"{100.0 * value:.2f}%"


def probability(event: Any, converged: Any, diagnostics: Diagnostics, chains: int) -> Probability:
    """Posterior probability of an event with Monte Carlo error and bounds for unconverged draws.

    Parameters
    ----------
    event, converged
        Shape (D,), chains one after the other.
    diagnostics
        Of the draws: their effective sample size is what a probability without hits rests on.
    chains
        Number of chains in D.
    """
    from scipy.stats import beta

    event, converged = np.asarray(event, dtype=bool), np.asarray(converged, dtype=bool)
    draws, hits = event.size, int((event & converged).sum())
    estimate = hits / draws
    mcse, effective = float("nan"), min(diagnostics.effective_draws, float(draws))
    if np.isnan(effective):
        effective = float(draws)
    if 0 < hits < draws:
        import arviz as az

        indicator = (event & converged).reshape(chains, -1).astype(float)
        with np.errstate(invalid="ignore", divide="ignore"):
            mcse = float(az.mcse(indicator, method="mean", chain_axis=0, draw_axis=1))
        independent = float(np.sqrt(estimate * (1.0 - estimate) / draws))
        # a chain in which the event never happens has no autocorrelation to estimate
        mcse = independent if not np.isfinite(mcse) else max(mcse, independent)
        effective = min(float(draws), estimate * (1.0 - estimate) / mcse**2)
    counted = estimate * effective
    tail = (1.0 - BOUND_LEVEL) if hits in (0, draws) else (1.0 - BOUND_LEVEL) / 2.0
    low = 0.0 if hits == 0 else float(beta.ppf(tail, counted, effective - counted + 1.0))
    high = 1.0 if hits == draws else float(beta.ppf(1.0 - tail, counted + 1.0, effective - counted))
    lost = int((~converged).sum())
    return Probability(
        estimate=estimate,
        mcse=mcse,
        hits=hits,
        draws=draws,
        effective_draws=effective,
        bound_low=low,
        bound_high=high,
        unconverged=lost,
        all_no=hits / draws,
        all_yes=(hits + lost) / draws,
    )


@dataclass(frozen=True, slots=True)
class Quantity:
    """A posterior quantity: median, 50%, 90% and 95% equal-tailed intervals, and the Monte Carlo error of the median.

    ``defined`` counts the draws for which it exists.
    """

    mean: float
    sd: float
    median: float
    mcse: float
    low50: float
    high50: float
    low90: float
    high90: float
    low95: float
    high95: float
    defined: int
    draws: int


def quantity(values: FloatArray, chains: int) -> Quantity:
    """Summarise draws of shape (D,); NaN and infinite ones are undefined and counted as such."""
    finite = np.isfinite(values)
    kept = values[finite]
    if not kept.size:
        nan = float("nan")
        return Quantity(*(10 * (nan,)), 0, values.size)
    q = np.quantile(kept, [0.05, 0.25, 0.5, 0.75, 0.95, 0.025, 0.975])
    mcse = 0.0
    if kept.size == values.size and np.ptp(kept) > 0:
        import arviz as az

        mcse = float(az.mcse(values.reshape(chains, -1), method="median", chain_axis=0, draw_axis=1))
    elif np.ptp(kept) > 0:
        # defined for some draws only: they are no chains any more; 1.2533 is a normal median's standard error ratio
        mcse = 1.2533 * float(kept.std()) / float(np.sqrt(kept.size))
    return Quantity(
        mean=float(kept.mean()),
        sd=float(kept.std()),
        median=float(q[2]),
        mcse=mcse,
        low50=float(q[1]),
        high50=float(q[3]),
        low90=float(q[0]),
        high90=float(q[4]),
        low95=float(q[5]),
        high95=float(q[6]),
        defined=int(finite.sum()),
        draws=values.size,
    )


def summarise(
    draws: dict[str, FloatArray], outcomes: dict[str, Any], diagnostics: Diagnostics, chains: int
) -> dict[str, Any]:
    """Return every headline number of one posterior and one scenario, as plain dictionaries.

    ``probabilities`` and ``quantities`` hold the fields of ``Probability`` and ``Quantity``.
    """
    converged = outcomes["converged"]

    def chance(event: Any, *, solved: bool = True) -> dict[str, Any]:
        result = probability(event, converged if solved else np.ones_like(converged), diagnostics, chains)
        return asdict(result) | {"text": result.text()}

    needed, delta = outcomes["delta_low"], draws["delta"]
    exponent_free = {
        "eta": np.exp(draws["log_eta"]),
        "delta": delta,
        "subsidy": draws["subsidy"],
        "sigma": draws["sigma"],
        "pareto_ratio": draws["pareto_ratio"],
        "critical_delta": outcomes["critical_delta"],
        "needed_delta": needed,
        "input_subsidy": outcomes["input_subsidy"],
        "cost_subsidy": outcomes["cost_subsidy"],
        "welfare": outcomes["welfare"],
        "bill": outcomes["bill"],
        "threshold": outcomes["threshold"],
    }
    # the standard deviation of a fixed δ is zero only up to rounding
    spread = float(np.std(delta)) if np.ptp(delta) > 0 else 0.0
    return {
        "probabilities": {
            "multiple": chance(outcomes["multiple"]),
            "possible": chance(outcomes["possible"], solved=False),  # a closed form
            "trapped": chance(outcomes["trapped"]),
            "moved": chance(outcomes["moved"]),
            "sufficient": chance(
                outcomes["trapped"] & (np.nan_to_num(outcomes["input_subsidy"], nan=np.inf) < draws["subsidy"])
            ),
        },
        "quantities": {name: asdict(quantity(values, chains)) for name, values in exponent_free.items()},
        "statuses": {
            instrument: np.bincount(outcomes[f"{instrument}_status"], minlength=4).tolist()
            for instrument in ("input", "cost")
        },
        "distance": (float(np.median(needed)) - float(np.mean(delta))) / spread if spread > 0 else float("nan"),
        "solver": {
            "draws": int(converged.size),
            "unconverged": int((~converged).sum()),
            "largest_residual": float(np.max(outcomes["residual"])),
        },
        "diagnostics": asdict(diagnostics),
    }
