"""What a quantitative run saves between stages: calibrations and paths as named arrays, and back."""

from dataclasses import fields
from typing import Any

import numpy as np

from bigpush_est.equilibrium.spatial.calibration import Calibration
from bigpush_est.equilibrium.spatial.dynamics import Path
from bigpush_est.equilibrium.spatial.effects import stretched as stretch
from bigpush_est.equilibrium.spatial.outcomes import Outcomes

type Arrays = dict[str, Any]


def calibration_arrays(best: Calibration, tried: list[Calibration | None], curves: tuple[Any, Any, Any]) -> Arrays:
    """Return a calibration, the searches that led to it (None: a start that could not be inverted), and its curves."""
    nothing = np.full(best.parameters.size, np.nan)
    return {
        "parameters": best.parameters,
        "moments": best.moments,
        "exact_moments": best.exact_moments,
        "target": best.target,
        "criterion": np.array(best.criterion),
        "jacobian": best.jacobian,
        "converged": np.array(best.converged),
        "tried_parameters": np.array([nothing if one is None else one.parameters for one in tried]),
        "tried_criterion": np.array([np.nan if one is None else one.criterion for one in tried]),
        "tried_converged": np.array([one is not None and one.converged for one in tried]),
        "curve_factors": curves[0],
        "curve_moments": curves[1],
        "curve_exact": curves[2],
    }


def path_arrays(path: Path, side: str) -> Arrays:
    """Return one draw's path as arrays named ``side.outcome``."""
    arrays: Arrays = {f"{side}.{entry.name}": getattr(path.outcomes, entry.name)[:, 0] for entry in fields(Outcomes)}
    arrays[f"{side}.shares"] = path.shares[:, 0]
    arrays[f"{side}.fate"] = np.array(str(path.fate[0]))
    arrays[f"{side}.cycle_length"] = path.cycle_length[0]
    arrays[f"{side}.periods"] = path.periods[0]
    arrays[f"{side}.worst_residual"] = path.worst_residual[0]
    return arrays


def outcomes_of(arrays: Arrays, side: str) -> Outcomes:
    """Return one draw's outcomes from its path's arrays, with an axis for the draw again."""
    return Outcomes(**{entry.name: np.asarray(arrays[f"{side}.{entry.name}"])[:, None] for entry in fields(Outcomes)})


def last(arrays: Arrays, side: str, outcome: str) -> Any:
    """Return an outcome's last value on a path."""
    return arrays[f"{side}.{outcome}"][-1]


def stretched(arrays: Arrays, side: str, outcome: str, periods: int) -> Any:
    """Return an outcome over so many periods: a steady state goes on for ever."""
    return stretch(arrays[f"{side}.{outcome}"], periods)
