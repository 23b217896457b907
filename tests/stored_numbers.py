"""Public data with numbers that other software computed on them, where a folder beside the checkout holds such cases.

They are not part of this project.  Without them the tests that compare with other software are skipped; those that
compare with brute force, closed forms and simulated truth are not.
"""

import json
from pathlib import Path
from typing import Any

import pytest

_REFERENCE = Path(__file__).resolve().parents[2] / "shared" / "reference"


def stored_numbers(name: str) -> dict[str, Any]:
    """Return a case's numbers; nothing where they are not at hand, so that there is nothing to parametrise by."""
    path = _REFERENCE / name / "reference.json"
    numbers: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return numbers


def folder(name: str) -> Path:
    """Return a case's folder, or skip the test."""
    path = _REFERENCE / name
    if not path.is_dir():
        pytest.skip(f"the public data of the case '{name}' are not beside this checkout")
    return path


def instrumented() -> dict[str, Any]:
    """Return the two-way cases that have instruments."""
    return {case: numbers for case, numbers in _two_way().items() if numbers["instruments"]}


def _two_way() -> dict[str, Any]:
    return {case: numbers for case, numbers in stored_numbers("twoway").items() if case.startswith("A")}


#: Names of the rules by how the stored cases name the calls of fixest and sandwich.
_FIXEST = {
    "default (K.adj=T,K.fixef=nonnested,G.adj=T,G.df=min)": "fixest",
    "G.df=conventional": "fixest-conventional",
    "K.adj=F,G.adj=F": "fixest-raw",
    "K.adj=F,G.df=min": "fixest-no-k",
    "K.adj=F,G.df=conventional": "fixest-no-k-conventional",
    "K.fixef=full,G.df=min": "fixest-full",
    "K.fixef=none,G.df=min": "fixest-none",
    "K.fixef=full,G.df=conventional": "fixest-full-conventional",
}
_SANDWICH = {
    "HC0,cadjust=FALSE": "sandwich-HC0-unadjusted",
    "HC0,cadjust=TRUE": "sandwich-HC0",
    "HC1,cadjust=FALSE": "sandwich-unadjusted",
    "HC1,cadjust=TRUE": "sandwich",
    "HC1,cadjust=TRUE,multi0=TRUE": "sandwich-multi0",
}
_LINEARMODELS = {"debiased=True": "linearmodels", "debiased=False": "none"}


def _named(names: dict[str, str], numbers: dict[str, Any]) -> dict[str, Any]:
    return {rule: numbers[call] for call, rule in names.items() if call in numbers}


def two_way_cases() -> dict[str, dict[str, Any]]:
    """Return the two-way cases with their standard errors by the name of the small-sample rule."""
    return {case: _by_rule(numbers) for case, numbers in _two_way().items()}


def _by_rule(numbers: dict[str, Any]) -> dict[str, Any]:
    python = numbers["python"]
    peer = python["linearmodels"]
    oneway = {
        cluster: {"fixest": values["default"], "fixest-raw": values["no_ssc"]}
        for cluster, values in numbers["se_oneway_fixest"].items()
    }
    oneway["State"] |= _named(_LINEARMODELS, peer["se_oneway_State"])
    return {
        "formula": numbers["fixest_formula"],
        "n": numbers["n"],
        "parameters_with_effects": numbers["n_coef_incl_FE"],
        "clusters": numbers["G"],
        "coefficients": numbers["coef"],
        "coefficients_linearmodels": peer["coef"],
        "minimum_eigenvalue_raw": numbers["min_eigenvalue_of_raw_twoway_V"],
        "vcov_raw": numbers["vcov_twoway_no_ssc"],
        "twoway": _named(_FIXEST, numbers["se_twoway_fixest"])
        | _named(_SANDWICH, numbers["se_twoway_sandwich_vcovCL"])
        | _named(_LINEARMODELS, peer["se_twoway"]),
        "pyfixest_default": next(iter(python["pyfixest"]["se_twoway"].values())),
        "oneway": oneway,
        "robust": {"fixest": numbers["se_hetero"]["HC1_fixest"], "fixest-raw": numbers["se_hetero"]["HC0"]},
    }
