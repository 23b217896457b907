"""Regressions drawn at random, and the same estimated by pyfixest and by linearmodels with every dummy written out.

Sizes, unbalanced panels with singletons, weights, collinear and absorbed regressors, text identifiers, up to three
fixed effects and dimensions of clusters, least squares, 2SLS and LIML, one or two endogenous regressors.
"""

import warnings
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
import pyfixest as pf
from linearmodels.iv import IV2SLS, IVLIML

from bigpush_est.errors import CollinearRegressors, RepairedCovariance
from bigpush_est.reduced_form.linear.regression import iv, liml, ols
from bigpush_est.reduced_form.linear.results import Regression


@dataclass(frozen=True)
class RandomDesign:
    data: pd.DataFrame
    formula: str
    method: str
    effects: tuple[str, ...]
    clusters: tuple[str, ...]
    weights: str | None
    exogenous: tuple[str, ...]
    endogenous: tuple[str, ...]
    instruments: tuple[str, ...]

    def describe(self) -> str:
        return f"{self.method}: {self.formula}, clusters {self.clusters}, weights {self.weights}, N {len(self.data)}"


def random_design(seed: int) -> RandomDesign:
    rng = np.random.default_rng(seed)
    firms, years = int(rng.integers(15, 80)), int(rng.integers(4, 9))
    size = int(rng.integers(3, 7) * firms)
    firm = rng.integers(0, firms, size) ** 2 // firms  # some firms have many rows, some one
    year = 1970 + rng.integers(0, years, size)
    region, group = rng.integers(0, int(rng.integers(6, 15)), 100), rng.integers(0, int(rng.integers(8, 25)), 100)
    names = rng.choice([f"Ünit {n:03d} & Co" for n in range(100)], 100, replace=False)
    data = pd.DataFrame({"firm": names[firm] if rng.random() < 0.5 else firm + 7_000_000_000, "year": year})
    data["region"] = np.char.add("R", region[firm].astype(str)) if rng.random() < 0.5 else region[firm]
    data["group"], data["sector"] = group[firm], rng.integers(0, 4, size)
    common = rng.normal(size=15)[region[firm]] + rng.normal(size=(100, years))[firm % 100, year - 1970]
    u = rng.normal(size=size) + 0.5 * common
    for name in ("z1", "z2", "z3", "w1", "w2"):
        data[name] = rng.normal(size=size) * 10.0 ** rng.integers(-1, 3) + rng.normal() * common
    unit = {name: data[name] / data[name].std() for name in ("z1", "z2", "z3", "w1", "w2")}
    data["w3"] = 2.0 * data["w1"] - data["w2"]  # collinear
    data["w4"] = data["region"].map({value: place for place, value in enumerate(data["region"].unique())}).astype(float)
    data["x1"] = unit["z1"] + 0.5 * unit["z2"] + 0.3 * unit["w1"] + u
    data["x2"] = unit["z2"] - unit["z3"] + 0.7 * u + rng.normal(size=size)
    data["y"] = data["x1"] - 0.5 * data["x2"] + unit["w1"] + u + rng.normal(size=15)[region[firm]]
    data["y"] += rng.normal(size=size)
    data.loc[rng.random(size) < 0.03, "y"] = np.nan
    data["omega"] = rng.uniform(0.2, 5.0, size)
    method = ("OLS", "2SLS", "LIML")[int(rng.integers(0, 3))]
    effects = tuple(rng.permutation(["firm", "year", "region", "sector"])[: int(rng.integers(0, 4))])
    clusters = tuple(rng.permutation(["region", "group", "year", "firm"])[: int(rng.integers(0, 4))])
    exogenous = ("w1", "w2", "w3", "w4")[: int(rng.integers(1, 5))]
    double = method != "OLS" and rng.random() < 0.3
    endogenous = () if method == "OLS" else ("x1", "x2") if double else ("x1",)
    instruments = () if method == "OLS" else ("z1", "z2", "z3")[: int(rng.integers(len(endogenous), 4))]
    if method == "OLS":
        exogenous = ("x1", *exogenous)
    parts = [f"y ~ {' + '.join(exogenous)}", *([" + ".join(effects)] if effects else [])]
    parts += [f"{' + '.join(endogenous)} ~ {' + '.join(instruments)}"] if endogenous else []
    weights = "omega" if rng.random() < 0.4 else None
    return RandomDesign(data, " | ".join(parts), method, effects, clusters, weights, exogenous, endogenous, instruments)


def ours(design: RandomDesign, rule: str) -> Regression:
    estimator = {"OLS": ols, "2SLS": iv, "LIML": liml}[design.method]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CollinearRegressors)
        warnings.simplefilter("ignore", RepairedCovariance)
        return estimator(
            design.data, design.formula, cluster=design.clusters or None, weights=design.weights, small_sample=rule
        )


def by_pyfixest(design: RandomDesign) -> pd.DataFrame | None:
    """Coefficients and standard errors under fixest's rule; None for what pyfixest does not estimate.

    Its check of collinear regressors depends on their units: it keeps some that are exactly collinear.
    """
    if design.method == "LIML" or len(design.endogenous) > 1 or len(design.clusters) > 2:
        return None
    vcov: Any = {"CRV1": "+".join(design.clusters)} if design.clusters else "HC1"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            fit = pf.feols(
                design.formula, design.data, vcov=vcov, weights=design.weights, fixef_tol=1e-11, collin_tol=1e-9
            )
        except np.linalg.LinAlgError:  # a collinear regressor that it kept
            return None
        except ValueError as error:
            if "Demeaning failed" in str(error):  # weighted means of one effect miss the tolerance by rounding
                return None
            raise
        frame: pd.DataFrame = fit.tidy()
    return frame


def without_singletons(design: RandomDesign) -> pd.DataFrame:
    data = design.data.dropna().reset_index(drop=True)
    while True:
        alone = np.zeros(len(data), dtype=bool)
        for effect in design.effects:
            alone |= (data.groupby(effect)[effect].transform("size") == 1).to_numpy()
        if not alone.any():
            return data
        data = data[~alone].reset_index(drop=True)


def independent(columns: dict[str, np.ndarray], omega: np.ndarray) -> list[str]:
    """Names of the columns that those before them do not span, by Gram and Schmidt twice over."""
    kept: list[str] = []
    basis = np.empty((omega.size, 0))
    for name, column in columns.items():
        left = column * np.sqrt(omega)
        length = np.linalg.norm(left)
        for _ in range(2):
            left = left - basis @ (basis.T @ left)
        if np.linalg.norm(left) > 1e-8 * length:
            kept.append(name)
            basis = np.column_stack([basis, left / np.linalg.norm(left)])
    return kept


def by_linearmodels(design: RandomDesign) -> tuple[pd.Series, pd.Series]:
    """Coefficients and standard errors without small-sample factors, every level of every effect a dummy.

    linearmodels clusters in two dimensions at most; with three its scores are summed here over rows that share one.
    """
    data = without_singletons(design)
    omega = np.ones(len(data)) if design.weights is None else data[design.weights].to_numpy()
    columns: dict[str, np.ndarray] = {"one": np.ones(len(data))}
    for effect in design.effects:
        for level in data[effect].unique():
            columns[f"{effect}={level}"] = (data[effect] == level).to_numpy(dtype=float)
    # endogenous regressors go first, so that an exogenous one gives way to them as it does to effects
    columns |= {name: data[name].to_numpy() for name in design.exogenous}
    kept = independent(columns, omega)
    exogenous = pd.DataFrame({name: columns[name] / np.abs(columns[name]).max() for name in kept})
    scale = pd.Series({name: 1.0 / np.abs(columns[name]).max() for name in kept})
    net = {name: columns[name] for name in kept} | {name: data[name].to_numpy() for name in design.instruments}
    excluded = [name for name in independent(net, omega) if name in design.instruments]
    kind = IVLIML if design.method == "LIML" else IV2SLS
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = kind(
            data["y"],
            exogenous,
            data[list(design.endogenous)] if design.endogenous else None,
            data[excluded] / data[excluded].std() if excluded else None,
            weights=data[design.weights] if design.weights else None,
        )
        two = [pd.factorize(data[name])[0] for name in design.clusters[:2]]
        if two:
            fit = model.fit(cov_type="clustered", clusters=np.column_stack(two), debiased=False)
        else:
            fit = model.fit(cov_type="robust", debiased=False)
        errors = fit.std_errors  # not a number where the variance is negative
    if len(design.clusters) == 3:
        errors = pd.Series(_three_way(design, data, fit, exogenous, excluded, omega), index=fit.params.index)
    factor = scale.reindex(fit.params.index).fillna(1.0)
    return fit.params * factor, errors * factor


def _three_way(
    design: RandomDesign, data: pd.DataFrame, fit: Any, exogenous: pd.DataFrame, excluded: list[str], omega: np.ndarray
) -> np.ndarray:
    right = np.column_stack([exogenous, data[list(design.endogenous)]])
    instruments = np.column_stack([exogenous, *([data[excluded] / data[excluded].std()] if excluded else [])])
    root = np.sqrt(omega)[:, None]
    projected = instruments @ np.linalg.lstsq(instruments * root, right * root, rcond=None)[0]
    kappa = getattr(fit, "kappa", 1.0) if design.method == "LIML" else 1.0
    left = (1.0 - kappa) * right + kappa * projected
    bread = np.linalg.inv((left * omega[:, None]).T @ right)
    residual = data["y"].to_numpy() - right @ fit.params.to_numpy()
    scores = projected * (omega * residual)[:, None]
    meat = np.zeros((right.shape[1],) * 2)
    for count in (1, 2, 3):
        for chosen in combinations(design.clusters, count):
            sums = pd.DataFrame(scores).groupby([data[name] for name in chosen]).sum().to_numpy()
            meat -= (-1.0) ** count * sums.T @ sums
    with np.errstate(invalid="ignore"):
        spread: np.ndarray = np.sqrt(np.diag(bread @ meat @ bread.T))
    return spread
