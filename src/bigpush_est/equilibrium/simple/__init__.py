"""Section 4 of the paper: a closed economy whose adopter share is the only state."""

from bigpush_est.equilibrium.simple.economy import Pin, SimpleEconomy
from bigpush_est.equilibrium.simple.multiplicity import (
    Interval,
    Multiplicity,
    delta_interval,
    eta_interval,
    multiplicity,
    pinned_delta_interval,
)
from bigpush_est.equilibrium.simple.outcomes import (
    StaticOutcomes,
    labour_cost_map,
    labour_cost_share,
    static_outcomes,
)
from bigpush_est.equilibrium.simple.policy import STATUS, Instrument, PushThreshold, push_threshold

__all__ = [
    "STATUS",
    "Instrument",
    "Interval",
    "Multiplicity",
    "Pin",
    "PushThreshold",
    "SimpleEconomy",
    "StaticOutcomes",
    "delta_interval",
    "eta_interval",
    "labour_cost_map",
    "labour_cost_share",
    "multiplicity",
    "pinned_delta_interval",
    "push_threshold",
    "static_outcomes",
]
