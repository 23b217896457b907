"""Other synthetic economies on the same geography: how much of an answer is the shipped draw's.

They are drawn, calibrated and followed by ``tools/search_designs.py``, outside a study's run, which only shows them.
"""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bigpush_est.data.checked_csv import read_rows

#: What became of the push in each: the baseline and Table 3 C's scenarios.
_EFFECTS = (
    "effect_baseline",
    "effect_lower_foreign_demand",
    "effect_higher_import_tariffs",
    "effect_no_highway",
    "effect_no_internal_trade",
    "effect_worsened_correlation",
    "effect_worsened_level",
)
#: The file's columns.
ENSEMBLE_COLUMNS = (
    *("seed", "hubs", "eta", "delta", "criterion", "subsidy_rate", "kappa", "gdp_share_push"),
    *("fate_push", "fate_none", *_EFFECTS, "failed"),
)
_REMEDY = "write the file with tools/search_designs.py"
_LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass(frozen=True, slots=True)
class DrawnEconomy:
    """One design of the ensemble.

    Attributes
    ----------
    criterion
        Of eq. (5.1); None where the calibration failed.
    gdp_share_push
        Heavy manufacturing's GDP share in the steady state with the push.  None, as are the next two, where the
        design does not hold Table 2's moments.
    gdp_share
        The push's effect on it.
    effects
        The effect in each of Table 3 C's scenarios, in their order.
    settled
        Whether the paths with and without the push both ended in a steady state.
    """

    seed: int
    eta: float
    delta: float
    criterion: float | None
    subsidy_rate: float | None
    gdp_share_push: float | None
    gdp_share: float | None
    effects: tuple[float | None, ...]
    settled: bool


def load_ensemble(path: Path) -> tuple[DrawnEconomy, ...]:
    """Read an ensemble's file.

    Raises
    ------
    InputError
        For a file that cannot be read, lacks a column or holds what is no number or share; it names the row.
    """
    found = []
    for row in read_rows(path, ENSEMBLE_COLUMNS, remedy=_REMEDY):
        effects = [row.optional(key) for key in _EFFECTS]
        fates = (row.cells["fate_push"], row.cells["fate_none"])
        found.append(
            DrawnEconomy(
                seed=row.count("seed"),
                eta=row.number("eta"),
                delta=row.number("delta"),
                criterion=row.optional("criterion"),
                subsidy_rate=row.share("subsidy_rate"),
                gdp_share_push=row.share("gdp_share_push"),
                gdp_share=effects[0],
                effects=tuple(effects[1:]),
                settled=fates == ("steady state", "steady state"),
            )
        )
    return tuple(found)


def ensemble_results(drawn: tuple[DrawnEconomy, ...], eta: float, delta: float) -> dict[str, Any]:
    """Summarise an ensemble for ``results.json``.

    Economies count that hold the moments and whose two paths settled; the others are counted beside them.  ``same``
    says whether the ensemble has the study's η and δ: its figures are not computed anew.
    """
    held = [one for one in drawn if one.gdp_share is not None]
    economies = [one for one in held if one.settled]
    effects = np.array([one.gdp_share for one in economies])
    rows = [asdict(one) | {"gdp_share_none": (one.gdp_share_push or 0.0) - (one.gdp_share or 0.0)} for one in economies]
    return {
        "drawn": len(drawn),
        "held": len(held),
        "unsettled": len(held) - len(economies),
        "positive": int((effects > 1e-3).sum()),
        "negative": int((effects < -1e-3).sum()),
        "same": all(np.isclose([one.eta, one.delta], [eta, delta], rtol=1e-3).all() for one in drawn),
        "economies": rows,
        "quantiles": {
            "gdp_share": {f"{level:g}": float(np.quantile(effects, level)) for level in _LEVELS} if rows else {}
        },
    }
