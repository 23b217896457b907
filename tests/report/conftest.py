"""Runs of the whole way that several tests draw and compare."""

import numpy as np
import pytest

from .pipeline_run import Made, made, plain

PNG, SVG = b"\x89PNG", b"<svg xmlns='http://www.w3.org/2000/svg'/>"


@pytest.fixture(scope="session")
def micro() -> Made:
    return made("korea_micro")


@pytest.fixture(scope="session")
def published() -> Made:
    return made("korea_published", seed=2, moved=0.2, unconverged=0.0, effect=0.02)


@pytest.fixture
def blank(monkeypatch):
    """Draw no pictures: tests of words and numbers need none."""
    monkeypatch.setattr("bigpush_est.report.publishing.rendered", lambda picture: (PNG, SVG))


@pytest.fixture
def unsolved(micro, tmp_path):
    """Results and arrays of a run of which no draw converged."""
    results, arrays = plain(micro, tmp_path), dict(micro.arrays)
    for answer in results["answers"].values():
        for part in (answer["differences"], answer["welfare"], answer["levels"], answer["parameters"]):
            for one in part.values():
                one.update(dict.fromkeys(one) | {"defined": 0, "draws": 120, "paper": one.get("paper")})
        for one in (answer["relative_gdp_share"], answer["output_total"], *answer["output"], *answer["moments"]):
            one.update(dict.fromkeys(one) | {"defined": 0, "draws": 120})
        for one in answer["scenarios"]:
            one.update(dict.fromkeys(("median", "low50", "high50", "low90", "high90")))
    results["sensitivity"] = {version: {"unavailable": "no draw converged"} for version in results["answers"]}
    for key, values in micro.arrays.items():
        if ".regional_" in key:
            arrays[key] = np.full_like(values, np.nan)
        elif key.startswith("fan_") and not key.endswith(".year"):
            arrays[key] = values[:0]
        elif key.endswith(".converged"):
            arrays[key] = np.zeros_like(values)
    return results, arrays
