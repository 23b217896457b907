"""Bayesian and structural econometrics of the big push.

Public names are loaded when they are first used, so that importing the package costs nothing.

Examples
--------
>>> import bigpush_est
>>> economy = bigpush_est.SimpleEconomy.pinned(eta=1.25, delta=[0.68, 3.0], adopter_share=0.07)
>>> bigpush_est.steady_states(economy).multiple.tolist()
[False, True]
"""

from importlib import import_module
from typing import Any

_PUBLIC = {
    "AdoptionMap": "equilibrium.adoption_map",
    "ConcaveInverseMap": "equilibrium.adoption_map",
    "LipschitzMap": "equilibrium.adoption_map",
    "MonotoneMap": "equilibrium.adoption_map",
    "SteadyStates": "equilibrium.steady_states",
    "long_run": "equilibrium.steady_states",
    "steady_states": "equilibrium.steady_states",
    "transition_path": "equilibrium.steady_states",
    "SimpleEconomy": "equilibrium.simple",
    "delta_interval": "equilibrium.simple",
    "eta_interval": "equilibrium.simple",
    "multiplicity": "equilibrium.simple",
    "push_threshold": "equilibrium.simple",
    "static_outcomes": "equilibrium.simple",
    "comparative_statics": "equilibrium.coordination",
    "coordination_model": "equilibrium.coordination",
    "pushed_path": "equilibrium.coordination",
    "solve_model": "equilibrium.coordination",
    "competitive_wage": "equilibrium.oring",
    "sorted_assignment": "equilibrium.oring",
    "load_published": "data.published",
    "load_study": "study",
    "open_study": "studies",
    "run_study": "stages",
    "SpatialEconomy": "equilibrium.spatial.economy",
    "calibrate": "equilibrium.spatial.calibration",
    "invert": "equilibrium.spatial.inversion",
    "solve_path": "equilibrium.spatial.dynamics",
    "solve_static": "equilibrium.spatial.static",
    "load_economy_bundle": "data.economy_bundle",
    "write_economy_bundle": "data.economy_bundle",
    "sample_posterior": "bayes.sampling",
    "MicroData": "data.frames",
    "load_micro_data": "data.frame_files",
    "sample_panel": "data.sample_panel",
    "simulate_firm_panel": "data.firm_panel",
    "anderson_rubin_set": "reduced_form.weak_iv.anderson_rubin",
    "akm": "reduced_form.shift_share.akm",
    "fuller": "reduced_form.linear.regression",
    "honest_did": "reduced_form.honest.honest_did",
    "identification": "reduced_form.weak_iv.identification",
    "iv": "reduced_form.linear.regression",
    "joint_covariance": "reduced_form.linear.joint",
    "liml": "reduced_form.linear.regression",
    "match_losers": "reduced_form.events.matching",
    "ols": "reduced_form.linear.regression",
    "spillovers": "reduced_form.spillovers.table",
    "stacked_event_study": "reduced_form.events.event_study",
    "tf_interval": "reduced_form.weak_iv.tf",
    "wild_bootstrap": "reduced_form.wild.bootstrap",
    "winners_vs_losers": "reduced_form.events.event_study",
}

__all__ = sorted(_PUBLIC)


def __getattr__(name: str) -> Any:
    """Load a public name on first use."""
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_PUBLIC[name]}"), name)


def __dir__() -> list[str]:
    """List the public names."""
    return sorted([*globals(), *_PUBLIC])
