"""All cells, in the order of the page."""

from . import (
    event_studies,
    honest_intervals,
    instruments,
    joint_tests,
    least_squares,
    productivity,
    shift_shares,
    spillover_worlds,
)
from .study import Cell

CELLS: list[Cell] = [
    *least_squares.CELLS,
    *instruments.CELLS,
    *event_studies.CELLS,
    *honest_intervals.CELLS,
    *shift_shares.CELLS,
    *spillover_worlds.CELLS,
    *joint_tests.CELLS,
    *productivity.CELLS,
]
