"""The lecture's models of coordination on the steady-state engine: one file each, and one line below."""

from bigpush_est.equilibrium.coordination.big_push import BigPush
from bigpush_est.equilibrium.coordination.infrastructure import Infrastructure
from bigpush_est.equilibrium.coordination.investment import Investment
from bigpush_est.equilibrium.coordination.model import CoordinationModel, Parameter, Window
from bigpush_est.equilibrium.coordination.oring import ORing
from bigpush_est.equilibrium.coordination.registry import MODELS, coordination_model
from bigpush_est.equilibrium.coordination.solution import (
    Condition,
    Effect,
    Push,
    Solution,
    comparative_statics,
    condition,
    pushed_path,
    solve_model,
)
from bigpush_est.equilibrium.coordination.training import Training
from bigpush_est.equilibrium.coordination.urbanisation import Urbanisation

__all__ = [
    "MODELS",
    "BigPush",
    "Condition",
    "CoordinationModel",
    "Effect",
    "Infrastructure",
    "Investment",
    "ORing",
    "Parameter",
    "Push",
    "Solution",
    "Training",
    "Urbanisation",
    "Window",
    "comparative_statics",
    "condition",
    "coordination_model",
    "pushed_path",
    "solve_model",
]
