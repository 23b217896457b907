"""What the models share: priors as data, and the means that theory gives the estimates."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from bigpush_est.bayes.complementarity import Complementarity, interpolate
from bigpush_est.bayes.evidence_set import EvidenceSet
from bigpush_est.bayes.priors import PARAMETERS, Prior
from bigpush_est.equilibrium.adoption_map import FloatArray
from bigpush_est.errors import InvalidValue, MissingKey


def check_priors(priors: Sequence[Prior], nuisances: Sequence[str] = ()) -> None:
    """Refuse priors that lack a parameter, or hold one twice or too many.

    Raises
    ------
    MissingKey, InvalidValue
        Naming the parameter.
    """
    named = [prior.parameter for prior in priors]
    for parameter in (*PARAMETERS, *nuisances):
        if parameter not in named:
            raise MissingKey(where="priors", key=parameter, remedy="give it a family, or hold it fixed")
    surplus = [name for k, name in enumerate(named) if name not in (*PARAMETERS, *nuisances) or name in named[:k]]
    if surplus:
        raise InvalidValue(
            key="priors",
            value=surplus[0],
            requirement=f"one prior each of {', '.join((*PARAMETERS, *nuisances))}",
            remedy="leave the other out",
        )


def prior_families(priors: Sequence[Prior]) -> tuple[tuple[str, str], ...]:
    """Return the part of a model's structure that its priors decide."""
    return tuple((prior.parameter, prior.family) for prior in priors)


def prior_numbers(priors: Sequence[Prior]) -> FloatArray:
    """Return the priors' numbers, one after the other: data of the model."""
    return np.array([number for prior in priors for number in prior.numbers])


def prior_variables(priors: Sequence[Prior], numbers: Any) -> dict[str, Any]:
    """Add the parameters to the PyMC model in context, with ``prior_numbers`` as its data; return them by name."""
    variables, first = {}, 0
    for prior in priors:
        size = len(prior.numbers)
        variables[prior.parameter] = prior.variable([numbers[first + i] for i in range(size)])
        first += size
    return variables


def require_complementarity(evidence: EvidenceSet, complementarity: Complementarity | None) -> None:
    """Refuse a complementarity estimate without its mapping, or a mapping that nothing needs.

    Raises
    ------
    InvalidValue
        Saying which of the two to add or drop.
    """
    if evidence.has("complementarity") != (complementarity is not None):
        raise InvalidValue(
            key="complementarity",
            value="no table" if complementarity is None else "a table without an estimate",
            requirement="a table of slopes where the set has a complementarity estimate, and only there",
            remedy="pass Complementarity, or drop the estimate with evidence.without('complementarity')",
        )


def exponent_of(weights: Any, p: dict[str, Any]) -> Any:
    """Return e = (σ − 1)(c_0 + c_1 θ/(σ−1)), with (c_0, c_1) the first two of ``weights``."""
    return (p["sigma"] - 1.0) * (weights[0] + weights[1] * p["pareto_ratio"])


def mapping_numbers(evidence: EvidenceSet) -> FloatArray:
    """Return (c_0, c_1, q): the data with which parameters are mapped to estimates."""
    return np.array([*evidence.exponent_weights, evidence.subsidised_share])


def effects(xp: Any, arrays: dict[str, Any], p: dict[str, Any]) -> tuple[Any, Any, Any]:
    """Return what theory says of a direct, a spillover and a complementarity estimate (the last 0 without a table).

        e·log η − (σ−1)·q·log(1−s̄),    e·δ,    C(log η, δ, s̄)

    Parameters
    ----------
    xp
        ``pytensor.tensor`` or ``numpy``.
    arrays
        With "mapping" from ``mapping_numbers`` and, where there is a table, its arrays.
    p
        Parameters by name: scalars, or arrays of one shape for NumPy.
    """
    numbers = arrays["mapping"]
    exponent = exponent_of(numbers, p)
    direct = exponent * p["log_eta"] - (p["sigma"] - 1.0) * numbers[2] * xp.log1p(-p["subsidy"])
    spillover = exponent * p["delta"]
    if "slope_values" in arrays:
        return direct, spillover, interpolate(xp, arrays, p["log_eta"], p["delta"], p["subsidy"])
    return direct, spillover, xp.zeros_like(spillover)


def broadcast(p: Any) -> dict[str, FloatArray]:
    """Return parameters as arrays of one shape."""
    arrays = np.broadcast_arrays(*(np.asarray(value, dtype=np.float64) for value in p.values()))
    return dict(zip(p, arrays, strict=True))
