"""Revenue productivity: a cost-share index and a control-function estimator (Ackerberg, Caves and Frazer 2015).

Index: with the shares of inputs in total cost s_k of the firm's sector and year, and constant returns,

    log TFPR_it = log R_it − Σ_k s_{k,j(i)t} log X_{k,it}.

Control function: y_it = β_l l_it + β_k k_it + ω_it + ε_it, where revenue is proportional to materials (Leontief) or y
is value added.  ω is Markov, ω_it = g(ω_i,t−1) + ξ_it; k is chosen a year before, l at t; the proxy m is chosen at t
given (ω, k, l) and rises with ω.  First, y is regressed on a polynomial of (l, k, m) with year effects: Φ̂ = y − ε̂.
Then, with ω(β) = Φ̂ − β_l l − β_k k and g a cubic, β solves E[ξ(β) · (k_t, l_{t−1})'] = 0.

The moments may have a second root, at which ω(β) is the firm's wage and not its productivity (Ackerberg, Caves and
Frazer, footnote 16; Kim, Luo and Su 2019).  Labour falls with that innovation, and rises with productivity's: roots at
which the covariance of ξ and l_t is negative are put aside, and counted.  Of several others, the nearest to least
squares is taken.

The proxy is materials.  Where they are not recorded, current assets (total less fixed assets: inventories, receivables
and cash, which move with the volume of purchases) take their place; any other column can be named.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations_with_replacement

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import least_squares

from bigpush_est.data.frames import MicroData
from bigpush_est.errors import ColumnMissing, InvalidValue, SolverFailed
from bigpush_est.reduced_form.result import Result

type FloatArray = NDArray[np.float64]

_FIRST_STAGE_DEGREE = 3
_MARKOV_DEGREE = 3
#: Largest moment, as a correlation, that still counts as zero.
_ROOT = 1e-6


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class CostShareIndex(Result):
    """The index.

    Attributes
    ----------
    log_tfpr
        Aligned with the panel; missing where revenue or an input is missing or zero.
    shares
        By sector and year, one column per input; they sum to one.
    dropped
        Rows without a value, by reason.
    """

    log_tfpr: pd.Series
    shares: pd.DataFrame
    dropped: dict[str, int]

    def tidy(self) -> pd.DataFrame:
        """Return the shares: one row per sector and year, one column per input."""
        return self.shares.reset_index()

    def summary(self) -> str:
        """Say how many rows have a value, the inputs' mean shares and why the others have none."""
        known = int(self.log_tfpr.notna().sum())
        means = ", ".join(f"{name} {share:.3f}" for name, share in self.shares.mean().items())
        lines = [f"Cost-share index: log TFPR of {known} of {len(self.log_tfpr)} rows; mean cost shares: {means}"]
        return "\n".join([*lines, *(f"{what}: {count}" for what, count in self.dropped.items() if count)])


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ControlFunction(Result):
    """The control-function estimate.

    Attributes
    ----------
    labour, capital
        β_l and β_k.
    standard_errors
        Of both, from the bootstrap; None without one.
    draws
        Bootstrap estimates, shape (draws, 2); failed ones left out.
    failed_draws
        How many draws found no solution.
    log_tfpr
        y − β_l l − β_k k, aligned with the panel; missing where one of them is.
    rows, firms
        Pairs of consecutive years that the moments use, and their firms.
    proxy
        Which column is the proxy.
    criterion
        Largest moment at the solution, as a correlation of ξ with an instrument; 0 if solved exactly.
    spurious
        How often the search ended at a root at which labour falls with ξ.
    dropped
        Rows left out, by reason.
    """

    labour: float
    capital: float
    standard_errors: tuple[float, float] | None
    draws: FloatArray
    failed_draws: int
    log_tfpr: pd.Series
    rows: int
    firms: int
    proxy: str
    criterion: float
    spurious: int
    dropped: dict[str, int]

    def tidy(self) -> pd.DataFrame:
        """One row per input: ``input``, ``Estimate``, ``Std. Error`` (missing without a bootstrap)."""
        errors = self.standard_errors or (float("nan"), float("nan"))
        return pd.DataFrame(
            {"input": ["labour", "capital"], "Estimate": [self.labour, self.capital], "Std. Error": errors}
        )

    def summary(self) -> str:
        """Return the estimate as text."""
        lines = [f"Control function, proxy {self.proxy}: {self.rows} pairs of years of {self.firms} firms"]
        if self.standard_errors is None:
            lines.append(
                f"labour {self.labour:.4f}, capital {self.capital:.4f}; no standard errors without a bootstrap"
            )
        else:
            first, second = self.standard_errors
            lines += [
                f"labour {self.labour:.4f} ({first:.4f}), capital {self.capital:.4f} ({second:.4f})",
                f"bootstrap by firm: {len(self.draws)} draws, {self.failed_draws} without a solution",
            ]
        return "\n".join([*lines, *(f"{what}: {count}" for what, count in self.dropped.items() if count)])


def _positive(panel: pd.DataFrame, column: str) -> pd.Series:
    """Take logs; missing where the value is missing or not positive."""
    values = panel[column].astype(np.float64)
    return pd.Series(np.log(values.where(values > 0)), index=panel.index)


def _need(panel: pd.DataFrame, columns: list[str], purpose: str) -> None:
    for column in columns:
        if column not in panel:
            raise ColumnMissing(
                frame="panel",
                column=column,
                present=", ".join(map(str, panel.columns)),
                remedy=f"{purpose} needs it; name another column",
            )


def cost_share_index(
    data: MicroData,
    *,
    revenue: str = "sales",
    inputs: Mapping[str, str | float] | None = None,
) -> CostShareIndex:
    """Return log TFPR from cost shares by sector and year.

    Parameters
    ----------
    data
        The panel.
    revenue
        Column of revenue.
    inputs
        By column of an input's quantity, what it costs: the column of its expenditure, or a rate per unit (the user
        cost of capital).  Default: employment at the wage bill, fixed assets at 0.15 a year, and materials at
        themselves if they are recorded.

    Returns
    -------
    CostShareIndex
        Shares are sums over the sector-year's firms with every input known, so that large firms count more.

    Raises
    ------
    ColumnMissing
        For a column that the panel lacks.
    InvalidValue
        For a rate that is not positive, or if no row has every input.

    Examples
    --------
    >>> panel = pd.DataFrame({"firm": ["a", "b"], "year": 1973, "region": "r", "sector": "s", "sales": [8.0, 4.0],
    ...                       "employment": [4.0, 2.0], "wage_bill": [2.0, 1.0], "fixed_assets": [20.0, 10.0]})
    >>> inputs = {"employment": "wage_bill", "fixed_assets": 0.1}
    >>> index = cost_share_index(MicroData.of(panel=panel), inputs=inputs)
    >>> index.shares.to_numpy().tolist(), index.log_tfpr.round(3).tolist()
    ([[0.5, 0.5]], [-0.112, -0.112])
    """
    panel = data.panel
    if inputs is None:
        inputs = {"employment": "wage_bill", "fixed_assets": 0.15}
        if "materials" in panel:
            inputs = {**inputs, "materials": "materials"}
    _need(panel, [revenue, *inputs, *(cost for cost in inputs.values() if isinstance(cost, str))], "the index")
    costs = {}
    for quantity, cost in inputs.items():
        if isinstance(cost, str):
            costs[quantity] = panel[cost].astype(np.float64)
        elif cost > 0:
            costs[quantity] = float(cost) * panel[quantity].astype(np.float64)
        else:
            raise InvalidValue(
                key=f"inputs['{quantity}']", value=cost, requirement="positive", remedy="pass a rate such as 0.15"
            )
    cost_table = pd.DataFrame(costs)
    logs = pd.DataFrame({name: _positive(panel, name) for name in inputs})
    output = _positive(panel, revenue)
    usable = (cost_table > 0).all(axis=1) & logs.notna().all(axis=1)
    if not usable.any():
        raise InvalidValue(
            key="panel",
            value="no row with every input and its cost",
            requirement="at least one",
            remedy="use inputs that are recorded",
        )
    keys = [panel["sector"], panel["year"]]
    totals = cost_table[usable].groupby([key[usable] for key in keys]).sum()
    shares = totals.div(totals.sum(axis=1), axis=0)
    own = shares.reindex(pd.MultiIndex.from_arrays(keys)).to_numpy(dtype=np.float64)
    index = output - np.sum(own * logs.to_numpy(dtype=np.float64), axis=1)
    dropped = {
        "rows without positive revenue": int(output.isna().sum()),
        "rows without every input": int((output.notna() & logs.isna().any(axis=1)).sum()),
        "rows in a sector and year without shares": int((logs.notna().all(axis=1) & np.isnan(own).any(axis=1)).sum()),
    }
    return CostShareIndex(index.rename("log_tfpr"), shares, dropped)


def control_function(
    data: MicroData,
    *,
    output: str = "sales",
    labour: str = "employment",
    capital: str = "fixed_assets",
    proxy: str | None = None,
    draws: int = 200,
    seed: int = 0,
) -> ControlFunction:
    """Estimate labour's and capital's elasticities, and log TFPR, with a control function.

    Parameters
    ----------
    data
        The panel; years that follow one another make the pairs.
    output, labour, capital
        Columns; logs are taken.
    proxy
        Column of the proxy; default "materials" if recorded, otherwise current assets, assets less fixed assets.
    draws
        Of the bootstrap, which resamples firms with all their years; 0 for none.
    seed
        Of the bootstrap.

    Returns
    -------
    ControlFunction
        Elasticities are of revenue.

    Raises
    ------
    ColumnMissing
        For a column that the panel lacks.
    InvalidValue
        For fewer than 50 pairs of consecutive years, or negative draws.
    SolverFailed
        If the moments have no solution from any start.
    """
    panel = data.panel
    if draws < 0:
        raise InvalidValue(key="draws", value=draws, requirement="0 or more", remedy="pass 200")
    _need(panel, [output, labour, capital], "the control function")
    if proxy is None and "materials" not in panel:
        _need(panel, ["assets", "fixed_assets"], "the proxy in place of materials")
        chosen = "current assets"
        logs_of_proxy = _positive(pd.DataFrame({"x": panel["assets"] - panel["fixed_assets"]}), "x")
    else:
        chosen = proxy or "materials"
        _need(panel, [chosen], "the control function")
        logs_of_proxy = _positive(panel, chosen)
    frame = pd.DataFrame(
        {
            "firm": panel["firm"],
            "year": panel["year"],
            "y": _positive(panel, output),
            "l": _positive(panel, labour),
            "k": _positive(panel, capital),
            "m": logs_of_proxy,
        }
    )
    known = frame.notna().all(axis=1)
    sample = frame[known].sort_values(["firm", "year"], ignore_index=True)
    firm = pd.factorize(sample["firm"])[0].astype(np.int64)
    year = sample["year"].to_numpy(dtype=np.int64)
    follows = (firm[1:] == firm[:-1]) & (year[1:] == year[:-1] + 1)
    current = np.flatnonzero(follows) + 1
    if current.size < 50:
        raise InvalidValue(
            key="panel",
            value=f"{current.size} pairs of consecutive years with every variable",
            requirement="at least 50",
            remedy="use variables that are recorded more often, or another proxy",
        )
    numbers = sample[["y", "l", "k", "m"]].to_numpy(dtype=np.float64)
    estimate, criterion, spurious = _estimate(numbers, year, current)
    if estimate is None:
        raise SolverFailed(
            problem="the control function's moments",
            detail=f"no root that makes sense; the least moment is {criterion:.1e}, spurious roots: {spurious}",
            remedy="use another proxy, or inputs that vary more on their own",
        )
    found, failed = _bootstrap(numbers, firm, year, draws, seed, estimate)
    errors = None
    if len(found) > 1:
        spread = found.std(axis=0, ddof=1)
        errors = (float(spread[0]), float(spread[1]))
    log_tfpr = frame["y"] - estimate[0] * frame["l"] - estimate[1] * frame["k"]
    return ControlFunction(
        float(estimate[0]),
        float(estimate[1]),
        errors,
        found,
        failed,
        log_tfpr.rename("log_tfpr"),
        int(current.size),
        int(np.unique(firm[current]).size),
        chosen,
        criterion,
        spurious,
        {
            "rows without output, inputs or the proxy": int((~known).sum()),
            "rows without the year before": int(len(sample) - current.size),
        },
    )


def _bootstrap(
    numbers: FloatArray, firm: NDArray[np.int64], year: NDArray[np.int64], draws: int, seed: int, near: FloatArray
) -> tuple[FloatArray, int]:
    """Resample firms with all their years; both stages anew in each draw, from the sample's estimate."""
    rng = np.random.default_rng(seed)
    starts = np.flatnonzero(np.concatenate([[True], firm[1:] != firm[:-1]]))
    sizes = np.diff(np.append(starts, firm.size))
    found, failed = [], 0
    for _ in range(draws):
        chosen = rng.integers(0, starts.size, starts.size)
        lengths = sizes[chosen]
        offsets = np.arange(int(lengths.sum())) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        rows = np.repeat(starts[chosen], lengths) + offsets
        # a firm drawn twice counts as two firms: rows follow on each other only within one draw of it
        follows = (offsets[1:] > 0) & (year[rows[1:]] == year[rows[:-1]] + 1)
        estimate, _, _ = _estimate(numbers[rows], year[rows], np.flatnonzero(follows) + 1, near)
        if estimate is None:
            failed += 1
        else:
            found.append(estimate)
    return np.array(found).reshape(-1, 2), failed


def _estimate(
    numbers: FloatArray, year: NDArray[np.int64], current: NDArray[np.int64], near: FloatArray | None = None
) -> tuple[FloatArray | None, float, int]:
    """Both stages on rows sorted by firm and year; ``current`` are rows that follow on the row before them.

    Looks for roots from several starts, or from ``near`` alone.
    """
    y, labour, capital, proxy = numbers.T
    phi = _first_stage(y, np.column_stack([labour, capital, proxy]), year)
    before = current - 1
    inputs, lagged = np.column_stack([labour, capital])[current], np.column_stack([labour, capital])[before]
    instruments = np.column_stack([lagged[:, 0], inputs[:, 1]])
    instruments = instruments - instruments.mean(axis=0)
    instruments /= instruments.std(axis=0)

    def innovation_at(beta: FloatArray) -> FloatArray:
        omega, previous = phi[current] - inputs @ beta, phi[before] - lagged @ beta
        centre, scale = previous.mean(), max(previous.std(), 1e-12)
        powers = np.vander((previous - centre) / scale, _MARKOV_DEGREE + 1)
        return np.asarray(omega - powers @ np.linalg.solve(powers.T @ powers, powers.T @ omega))

    def moments(beta: FloatArray) -> FloatArray:
        innovation = innovation_at(beta)
        return np.asarray(instruments.T @ innovation) / (innovation.size * max(innovation.std(), 1e-12))

    plain = np.linalg.lstsq(np.column_stack([labour, capital, np.ones_like(y)]), y)[0][:2]
    starts = (
        [near]
        if near is not None
        else [plain, 0.5 * plain, *(np.array([a, b]) for a in (0.1, 0.4, 0.7) for b in (0.1, 0.4, 0.7))]
    )
    least, spurious = float("inf"), 0
    roots: list[tuple[float, FloatArray]] = []
    for start in starts:
        found = least_squares(moments, start, xtol=1e-12, ftol=1e-12, gtol=1e-12)
        size = float(np.abs(found.fun).max())
        least = min(least, size)
        if size > _ROOT or any(np.allclose(found.x, root, atol=1e-4) for _, root in roots):
            continue
        if float(innovation_at(found.x) @ (inputs[:, 0] - inputs[:, 0].mean())) < 0:
            spurious += 1
        else:
            roots.append((float(np.sum((found.x - plain) ** 2)), found.x))
    if not roots:
        return None, least, spurious
    chosen = min(roots, key=lambda pair: pair[0])[1]
    return chosen, float(np.abs(moments(chosen)).max()), spurious


def _first_stage(y: FloatArray, variables: FloatArray, year: NDArray[np.int64]) -> FloatArray:
    """Φ̂: fitted values of a polynomial and year effects, less the year effects."""
    scaled = (variables - variables.mean(axis=0)) / variables.std(axis=0)
    columns = [
        np.prod(scaled[:, list(powers)], axis=1)
        for degree in range(1, _FIRST_STAGE_DEGREE + 1)
        for powers in combinations_with_replacement(range(scaled.shape[1]), degree)
    ]
    polynomial = np.column_stack(columns)
    years = pd.get_dummies(year).to_numpy(dtype=np.float64)
    slopes = np.linalg.lstsq(np.column_stack([polynomial, years]), y)[0]
    return np.asarray(polynomial @ slopes[: polynomial.shape[1]])
