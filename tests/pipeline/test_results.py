"""Sensitivity and fans of a run in which no draw converged: said, not a crash."""

import numpy as np
import pytest

from bigpush_est.errors import InvalidValue
from bigpush_est.pipeline.results import DIFFERENCES, Evidenced, fans, what_moves


def test_without_a_converged_draw_there_is_nothing_to_move_and_nothing_to_draw() -> None:
    none = {"converged": np.zeros(8, dtype=bool)}
    evidenced = Evidenced(("direct",), np.array([0.9]), np.ones((8, 1)), np.eye(1))
    with pytest.raises(InvalidValue, match="none converged"):
        what_moves(none, {"delta": np.arange(8.0)}, evidenced, {})
    paths = {f"path_{name}_{side}": np.ones((8, 3)) for name in DIFFERENCES for side in ("push", "none")}
    regions = {name: np.ones((8, 2)) for name in ("regional_gdp_share_difference", "regional_welfare")}
    found = fans(none | paths | regions)
    assert np.isnan(found["regional_welfare_median"]).all()
    assert found["gdp_share_push"].size == 0
