"""From the study's pieces to its CSV: where each truth lies in each posterior, and its tables.

What a posterior says of the quantitative economy is taken from a bank of draws from the prior that went through it,
weighted by the posterior's likelihood: the economy is the same for all simulated firms, and the prior is that of the
posteriors, so that the weights are exact.  Where few draws have most of the weight, the posterior's own are sent
through the economy.  Of an outcome x and its truth x*, kept is

    u = Σ_m w_m 1[x_m < x*] + v·Σ_m w_m 1[x_m = x*],    v uniform

which is uniform over economies drawn from the prior if the posterior is right; the truth lies in the central interval
of probability p where |u − ½| ≤ p/2.  Ties count: without a move the push changes nothing in the long run.
"""

import json
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from bigpush_est.bayes.evidence_set import EvidenceSet
from bigpush_est.bayes.models.weak_iv import STRENGTH
from bigpush_est.bayes.sampling import PosteriorModel

from .economies import FREE, KINDS, ROUTES, SEED, model_of, setting
from .end_to_end import KEPT, economy_file, keep_arrays, stored, through_the_economy
from .table import binomial_range

type Arrays = dict[str, Any]
type Floats = NDArray[np.float64]

QUANTITIES = (*FREE, "gdp_share", "export_intensity", "welfare_log")
EVENTS = ("multiple", "moved")
#: Medians that are kept, to show how far off a route is.
MEDIANS = ("log_eta", "delta", "gdp_share")
#: Effective draws of the bank below which a posterior's own thinned draws go through the economy.
FEWEST = 20
#: Differences below this are none: paths are solved to 1e-8.
SAME = 1e-6
TABLE = Path(__file__).parents[3] / "docs" / "methods" / "end-to-end.csv"


# -- scores ------------------------------------------------------------------------------------------------------------


def log_weights(model: PosteriorModel, draws: Arrays) -> Floats:
    """Return the log-likelihood at draws of the free parameters, the instrument's strength integrated out."""
    size = draws["delta"].size
    held = {prior.parameter: np.full(size, prior.numbers[0]) for prior in model.priors if prior.fixed}
    strength = next((prior for prior in model.priors if prior.parameter == STRENGTH), None)
    given = held | {name: draws[name] for name in FREE}
    if strength is None:
        return model.log_likelihood(given)
    # quadratic in ω: a + bω + cω², times the density of Normal(0, τ)
    below, at, above = (model.log_likelihood(given | {STRENGTH: np.full(size, w)}) for w in (-1.0, 0.0, 1.0))
    linear, square = 0.5 * (above - below), 0.5 * (above + below) - at
    precision = strength.named["sd"] ** -2 - 2.0 * square
    found: Floats = at + 0.5 * linear**2 / precision - 0.5 * np.log(precision)
    return found


def weights_of(model: PosteriorModel, bank: Arrays) -> Floats:
    """Return each draw's posterior weight; draws that did not converge have none."""
    logs = np.where(bank["converged"], log_weights(model, bank), -np.inf)
    weights = np.exp(logs - logs.max())
    found: Floats = weights / weights.sum()
    return found


def place(values: Floats, weights: Floats, truth: float, rng: np.random.Generator) -> float:
    """Return u, where a truth lies among weighted draws."""
    tied = np.abs(values - truth) <= SAME
    below = (values < truth) & ~tied
    return float(weights[below].sum() + rng.random() * weights[tied].sum())


def median_of(values: Floats, weights: Floats) -> float:
    """Return the weighted median."""
    order = np.argsort(values)
    return float(values[order][np.searchsorted(np.cumsum(weights[order]), 0.5)])


def joined(folder: Path, what: str) -> Arrays:
    """Return all chunks of the bank, or of a kind's truths."""
    parts = [stored(path) for path in sorted(folder.glob(f"{what}-draws-????.npz"))]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def outcomes_of(
    folder: Path, label: str, draws: Mapping[str, Sequence[float]], bank: Arrays, weights: Floats
) -> tuple[Arrays, Floats]:
    """Return the bank and a posterior's weights; where few draws have most of the weight, its own draws instead."""
    if 1.0 / (weights**2).sum() >= FEWEST:
        return bank, weights
    path = folder / f"own-{label.replace(' ', '-')}.npz"
    if not path.is_file():
        own = {name: np.array(draws[name]) for name in FREE}
        keep_arrays(path, own | through_the_economy(own, setting()))
    found = stored(path)
    return found, found["converged"] / found["converged"].sum()


def score(folder: Path, kinds: Sequence[str] = tuple(KINDS)) -> pd.DataFrame:
    """Return one row per economy that is there, with its truth's outcomes."""
    bank, rows = joined(folder, "bank"), []
    for kind in kinds:
        truths = joined(folder, kind)
        for index in range(truths["delta"].size):
            path = economy_file(folder, kind, index)
            if path.is_file():
                found = json.loads(path.read_text(encoding="utf-8"))
                reached = {name: truths[name][index].item() for name in KEPT}
                rng = np.random.default_rng([SEED, 2, zlib.crc32(kind.encode()), index])
                rows.append(_row(folder, found, reached, bank, rng))
    return pd.DataFrame(rows).round(5)


def _row(folder: Path, found: Arrays, reached: Arrays, bank: Arrays, rng: np.random.Generator) -> Arrays:
    row = {"kind": found["kind"], "economy": found["index"], "failure": found["failure"]}
    row |= {name: found["truth"][name] for name in FREE} | {name: reached[name] for name in KEPT}
    for name in KINDS[found["kind"]].routes:
        result = found["routes"].get(name, {"failure": found["failure"]})
        row[f"{name}: failure"] = result["failure"] or "; ".join(result["sampler"])
        if result["failure"]:
            continue
        weights = weights_of(model_of(ROUTES[name], EvidenceSet.from_json(result["evidence"])), bank)
        row[f"{name}: effective draws"] = round(float(1.0 / (weights**2).sum()), 1)
        row |= {f"{name}: {what}": result["below"][what] for what in FREE}
        row |= {f"{name}: median {what}": result["median"].get(what, np.nan) for what in MEDIANS}
        row[f"{name}: bank log_eta"] = place(bank["log_eta"], weights, found["truth"]["log_eta"], rng)
        if not reached["converged"]:
            continue
        label = f"{found['kind']}-{found['index']:04d}-{name}"
        solved, weights = outcomes_of(folder, label, result["draws"], bank, weights)
        row |= {f"{name}: {w}": place(solved[w], weights, reached[w], rng) for w in QUANTITIES if w not in FREE}
        row |= {f"{name}: P({event})": float(weights @ solved[event]) for event in EVENTS}
        row[f"{name}: median gdp_share"] = median_of(solved["gdp_share"], weights)
    return row


def write_scores(table: pd.DataFrame, path: Path = TABLE) -> None:
    """Write the CSV."""
    table.to_csv(path, index=False)


def read_scores(path: Path = TABLE) -> pd.DataFrame:
    """Read the CSV."""
    table = pd.read_csv(path)
    texts = [column for column in table.columns.astype(str) if column.endswith("failure")]
    table[texts] = table[texts].astype(object).where(table[texts].notna(), "")
    return table


# -- what they say -----------------------------------------------------------------------------------------------------


def coverage(places: Floats, level: float) -> tuple[float, str]:
    """Return the share of truths in the central interval, and a mark where that is not nominal.

    Examples
    --------
    >>> import numpy as np
    >>> coverage(np.linspace(0.0005, 0.9995, 1000), 0.9)
    (0.9, '')
    >>> coverage(np.full(200, 0.99), 0.9)
    (0.0, '▼')
    """
    inside = float((np.abs(places - 0.5) <= 0.5 * level).mean())
    low, high = binomial_range(places.size, level)
    return inside, "▼" if inside < low else "▲" if inside > high else ""


def uniformity(places: Floats) -> float:
    """Return the p-value of Kolmogorov and Smirnov's test that places are uniform."""
    return float(stats.kstest(places, "uniform").pvalue)


def calibration(chance: Floats, event: NDArray[np.bool_]) -> dict[str, float]:
    """Compare probabilities with what happened.

    Returns
    -------
    dict
        ``mean`` probability, ``frequency`` of the event, ``z`` of their difference if the probabilities are right,
        Brier score ``brier``, the one of the frequency itself ``constant``, and ``p`` of Spiegelhalter's test of the
        Brier score.
    """
    happened = event.astype(float)
    variance = chance * (1.0 - chance)
    excess = ((happened - chance) * (1.0 - 2.0 * chance)).sum()
    spread = np.sqrt(((1.0 - 2.0 * chance) ** 2 * variance).sum())
    frequency = float(happened.mean())
    return {
        "mean": float(chance.mean()),
        "frequency": frequency,
        "z": float((happened - chance).sum() / np.sqrt(variance.sum())),
        "brier": float(((happened - chance) ** 2).mean()),
        "constant": frequency * (1.0 - frequency),
        "p": float(2.0 * stats.norm.sf(abs(excess / spread))),
    }


def known(table: pd.DataFrame, kind: str, column: str) -> pd.DataFrame:
    """Return a kind's economies in which a column is known."""
    rows = table[table["kind"] == kind]
    return rows[rows[column].notna()] if column in rows else rows.iloc[:0]
