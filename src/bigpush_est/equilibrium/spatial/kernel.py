r"""The arithmetic of the conditions, compiled: from points to residuals, one draw after the other.

One evaluation of a batch is three compiled passes with matrix products (NumPy's) between them:

    ``demands``   P^{σ−1} E from log P and log E;                                   then D = demand · freeness
    ``choices``   what the firms of each cell do at w, P and D (``firms`` has the formulas), what they pay, incomes,
                  and the labour and expenditure equations;                         then P^{1−σ} = V · freeness
    ``prices``    the price equations, and residuals in logs

A draw's numbers stay in the processor's nearest memory between the steps of a pass, and exponentials and logarithms
(``_exp``, ``_log``) are computed several at a time: both are within 1 unit in the last place, and treat infinities and
NaN as NumPy's do.  No option that assumes finite numbers is on: far from a solution an overflow has to show.

Everything compiled here stands in this one file, as Numba's cache on disk looks at one file only.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numba
import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba.extending import intrinsic
from numpy.typing import NDArray

from bigpush_est.equilibrium.adoption_map import FloatArray


def _with(*freedoms: str) -> Callable[[Any], Any]:
    """Return a compiler whose code takes these freedoms of arithmetic and keeps it on disk, if there is a place."""
    options: dict[str, Any] = {"nogil": True, "error_model": "numpy", "fastmath": set(freedoms)}

    def compiler(function: Any) -> Any:
        try:
            return numba.njit(cache=True, **options)(function)
        except RuntimeError:  # neither this folder nor the user's cache can be written to
            return numba.njit(**options)(function)

    return compiler


def compiled[F: Callable[..., Any]](function: F) -> F:
    """Compile: a product and a sum may be joined into one operation, and nothing else is changed."""
    done: F = _with("contract")(function)
    return done


def reordered[F: Callable[..., Any]](function: F) -> F:
    """Compile a sum: its terms may also be added in another order, several at a time."""
    done: F = _with("contract", "reassoc")(function)
    return done


class Constants(NamedTuple):
    """What does not change between evaluations; C draws or 1, J sectors, N regions; A sectors adopt, T trade."""

    kind: NDArray[np.int64]  # (J, 5): row among those that adopt, among those that trade (−1: not); flags
    scalars: FloatArray  # (C or 1, J, len(SCALARS))
    log_scale: FloatArray  # log b + (σ − 1) log c, (C or 1, J, N)
    unit: FloatArray  # σ M, (C or 1, J, N)
    gross_unit: FloatArray  # σ M τ̄^{−1} (e^{δλ} φ^min)^{−ξ}, (C or 1, J, N)
    inputs: FloatArray  # 1/(μ (1 − g)), (C or 1, J, N)
    gains: FloatArray  # (C or 1, A, 5, N): a − 1, η^r (1−s)^{1−σ} − 1, log a, log(a − 1), s/(1 − s)
    adopters_mass: FloatArray  # M, (C or 1, A, N)
    foreign: FloatArray  # (C or 1, T, 3, N): D^f, log(F^x/D^f), M F^x
    imported: FloatArray  # (P^f (1+t) d^x)^{1−σ}, (C or 1, J, N)
    tariffs: FloatArray  # the same times t/(1 + t), (C or 1, J, N)
    cost: FloatArray  # weights of log w and log P in (1 − σ) log c, (C or 1, J, 1 + J)
    bundle: FloatArray  # the same of log c^T, (C or 1, A, 1 + J)
    spending: FloatArray  # weights of payments in labour's pay and in expenditures, (C or 1, 1 + J, J + A + T + 1)


#: Columns of ``Constants.kind``.
ADOPTS, TRADES, DISTORTED, TAXED, SUBSIDISED = range(5)
#: Columns of ``Constants.scalars``; a tail is power, factor, bound and whether its exponent is close to zero.
POWER, INVERSE_EXPONENT, LOG_KAPPA, LOG_ADOPTION_COST, EXPORT_COST, LEVEL, KEPT_MEAN, GROSS_MEAN = range(8)
KEPT_TAIL, GROSS_TAIL, SHARE_TAIL, N_SCALARS = 8, 12, 16, 20
#: Rows of the details of a cell that ``choices`` writes down.
KEPT, KEPT_ADOPTERS, GROSS, EXPORTED, ADOPTERS, EXPORTERS, REACH, OUTLAY, N_DETAILS = range(9)

#: Least income per unit of wages: far from a solution subsidies can exceed all income, of which there is then no log.
LEAST_INCOME = 1e-9

# -- exponentials and logarithms --------------------------------------------------------------------------------------

_LOG2_HIGH, _LOG2_LOW, _LOG2_E = 6.93147180369123816490e-01, 1.90821492927058770002e-10, 1.4426950408889634
#: Adding it rounds a number to an integer, which then stands in the last bits.
_ROUNDING = 6755399441055744.0
#: Beyond these e^x is infinite, or so small that it is taken for zero; no normal number is below the third.
_HIGHEST, _LOWEST, _LEAST = 709.782712893384, -708.0, 2.2250738585072014e-308
#: The bits of 1, of a float's exponent, and those of 1 less those of √½.
_ONE, _FIELD = np.uint64(0x3FF0000000000000), np.uint64(0xFFF0000000000000)
_HALF_ROOT = np.uint64(0x3FF0000000000000 - 0x3FE6A09E667F3BCD)
_EXPONENT_BITS, _BIAS_LESS_ONE, _INTEGER = np.uint64(52), np.uint64(1022), np.uint64(0x4330000000000000)


def _reinterpreted(kind: Any, llvm: Any, source: Any) -> Any:
    """Return a function, for compiled code, that reads the bits of a number as another type's."""

    def typed(context: Any, value: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return builder.bitcast(arguments[0], llvm)

        return kind(source), generate

    return intrinsic(typed)


_bits = _reinterpreted(numba.types.uint64, ir.IntType(64), numba.types.float64)
_float = _reinterpreted(numba.types.float64, ir.DoubleType(), numba.types.uint64)


@compiled
def _exp(x: FloatArray) -> None:
    """Replace x by e^x: 2^n times Taylor's series of degree 13 on |r| ≤ (log 2)/2."""
    for i in range(x.shape[0]):
        v = x[i]
        y = v if v < _HIGHEST else _HIGHEST
        y = y if y > _LOWEST else _LOWEST
        t = y * _LOG2_E + _ROUNDING
        n = t - _ROUNDING
        r = (y - n * _LOG2_HIGH) - n * _LOG2_LOW
        p = 1.6059043836821613e-10
        p = p * r + 2.08767569878681e-09
        p = p * r + 2.505210838544172e-08
        p = p * r + 2.755731922398589e-07
        p = p * r + 2.7557319223985893e-06
        p = p * r + 2.48015873015873e-05
        p = p * r + 0.0001984126984126984
        p = p * r + 0.001388888888888889
        p = p * r + 0.008333333333333333
        p = p * r + 0.041666666666666664
        p = p * r + 0.16666666666666666
        p = p * r + 0.5
        p = p * r + 1.0
        p = p * r + 1.0
        # half of 2^n, which may be one too large for a float
        p = p * _float((_bits(t) + _BIAS_LESS_ONE) << _EXPONENT_BITS) * 2.0
        p = p if v <= _HIGHEST else v + np.inf
        x[i] = 0.0 if v < _LOWEST else p


@compiled
def _log(x: FloatArray) -> None:
    """Replace x by log x: k log 2 + log(1 + f) on √½ ≤ 1 + f < √2, in the odd powers of f/(2 + f)."""
    for i in range(x.shape[0]):
        v = x[i]
        u = _bits(v)
        w = u + _HALF_ROOT
        k = _float((w >> _EXPONENT_BITS) | _INTEGER) - (4503599627370496.0 + 1023.0)
        f = _float(u - (w & _FIELD) + _ONE) - 1.0
        s = f / (2.0 + f)
        z = s * s
        q = 1.479819860511658591e-01
        q = q * z + 1.531383769920937332e-01
        q = q * z + 1.818357216161805012e-01
        q = q * z + 2.222219843214978396e-01
        q = q * z + 2.857142874366239149e-01
        q = q * z + 3.999999999940941908e-01
        q = q * z + 6.666666666666735130e-01
        half = 0.5 * f * f
        y = k * _LOG2_HIGH - ((half - (s * (half + q * z) + k * _LOG2_LOW)) - f)
        y = y if v >= _LEAST else (-np.inf if v >= 0.0 else np.nan)
        x[i] = y if v < np.inf else v


@reordered
def _total(x: FloatArray) -> float:
    """Return Σ x."""
    total = 0.0
    for i in range(x.shape[0]):
        total += x[i]
    return total


@reordered
def _product(x: FloatArray, y: FloatArray) -> float:
    """Return Σ x y."""
    total = 0.0
    for i in range(x.shape[0]):
        total += x[i] * y[i]
    return total


# -- the three passes -------------------------------------------------------------------------------------------------


@compiled
def demands(points: FloatArray, rows: NDArray[np.int64], constants: Constants, out: FloatArray) -> None:
    """Write P^{σ−1} E of points (B, 1 + 2J, N) to ``out``, (J, B, N); draw b has the constants of ``rows[b]``."""
    draws, count, size = points.shape[0], out.shape[0], out.shape[2]
    scalars = constants.scalars
    for b in range(draws):
        power = scalars[rows[b] if scalars.shape[0] > 1 else 0, 0, POWER]
        for j in range(count):
            price, spend, to = points[b, 1 + j], points[b, 1 + count + j], out[j, b]
            for n in range(size):
                to[n] = power * price[n] + spend[n]
            _exp(to)


@compiled
def prices(
    points: FloatArray,
    rows: NDArray[np.int64],
    constants: Constants,
    labour: FloatArray,
    sums: FloatArray,
    closed: bool,
    residual: FloatArray,
) -> None:
    """Finish residuals (B, 1 + 2J, N) with the price equations' sums over sellers (J, B, N)."""
    draws, count, size = sums.shape[1], sums.shape[0], sums.shape[2]
    scalars, imported = constants.scalars, constants.imported
    log_labour, wage = np.empty(size), np.empty(size)
    for b in range(draws):
        c = rows[b]
        power = scalars[c if scalars.shape[0] > 1 else 0, 0, POWER]
        for j in range(count):
            to, home, foreign = residual[b, 1 + j], sums[j, b], imported[c if imported.shape[0] > 1 else 0, j]
            for n in range(size):
                to[n] = home[n] + foreign[n]
        _log(residual[b].reshape(-1))
        for j in range(count):
            to = residual[b, 1 + j]
            for n in range(size):
                to[n] /= -power
        people = labour[b if labour.shape[0] > 1 else 0]
        if b == 0 or labour.shape[0] > 1:
            _copy(people, log_labour)
            _log(log_labour)
        whole, point, to = residual[b].reshape(-1), points[b].reshape(-1), residual[b, 0]
        for n in range(whole.size):
            whole[n] -= point[n]
        for n in range(size):
            to[n] -= log_labour[n]
        if closed:
            # without foreign trade nothing fixes the price level: mean wages are then set to 1
            _copy(points[b, 0], wage)
            _exp(wage)
            level = np.log(_product(wage, people) / _total(people))
            for n in range(whole.size):
                whole[n] -= level


@compiled
def _copy(values: FloatArray, out: FloatArray) -> None:
    """Copy a row: what a slice's assignment does costs more for its generality."""
    for n in range(out.shape[0]):
        out[n] = values[n]


@compiled
def _mixed(weights: FloatArray, values: FloatArray, out: FloatArray) -> None:
    """Write Σ_k weights[k] values[k] to ``out``."""
    for n in range(out.shape[0]):
        out[n] = 0.0
    for k in range(weights.shape[0]):
        weight, row = weights[k], values[k]
        if weight != 0.0:
            for n in range(out.shape[0]):
                out[n] += weight * row[n]


@compiled
def _cutoffs(
    scalars: FloatArray,
    gains: FloatArray,
    foreign: FloatArray,
    wage: FloatArray,
    outlay: FloatArray,
    home: FloatArray,
    logs: FloatArray,
    adopt: FloatArray,
    export: FloatArray,
) -> None:
    """Turn log(c^T F^T/(a − 1)) and log(w F^x/D^f) into the log cutoffs in y of the three cases, in place.

    ``logs`` (3, N) is memory to work in.
    """
    size, cost = home.shape[0], scalars[EXPORT_COST]
    together, alone, everywhere = logs[0], logs[1], logs[2]
    less_one, log_gain, abroad = gains[0], gains[2], foreign[0]
    for n in range(size):
        both = home[n] * less_one[n] + (1.0 + less_one[n]) * abroad[n]
        together[n] = (cost * wage[n] + outlay[n]) / (both if not both < 0.0 else 0.0)
        alone[n] = home[n]
        everywhere[n] = home[n] + abroad[n]
    _log(logs.reshape(-1))
    for n in range(size):
        # the cutoff of doing both at once lies between those of being first and second, whenever it matters
        first, second, both = adopt[n] - alone[n], adopt[n] - everywhere[n], together[n]
        least = both if both < first else first
        adopt[n] = second if least < second else least
    for n in range(size):
        low, high, both = export[n] - log_gain[n], export[n], together[n]
        most = low if both < low else both
        export[n] = high if high < most else most


@compiled
def _tail_logs(tail: FloatArray, log_x: FloatArray, out: FloatArray) -> None:
    """Write the logs of x^{e−θ} to ``out``."""
    power = tail[0]
    for n in range(log_x.shape[0]):
        out[n] = power * log_x[n]


@compiled
def _tail(tail: FloatArray, log_kappa: float, log_x: FloatArray, values: FloatArray) -> None:
    """Turn x^{e−θ} into ∫_x^κ t^e dG, in place."""
    power, factor, bound = tail[0], tail[1], tail[2]
    if tail[3] != 0.0:  # where e is close to θ the difference of two powers would lose digits
        for n in range(log_x.shape[0]):
            gap = log_kappa - log_x[n]
            product = power * gap
            ratio = np.expm1(product) / product if product != 0.0 else 1.0
            values[n] = values[n] * gap * ratio * factor
    else:
        for n in range(log_x.shape[0]):
            values[n] = (values[n] - bound) * factor


@compiled
def _clipped(log_scale: FloatArray, inverse_exponent: float, log_kappa: float, log_y: FloatArray) -> None:
    """Turn log cutoffs in y = b x^ρ into log x in [0, log κ], in place."""
    for n in range(log_y.shape[0]):
        x = (log_y[n] - log_scale[n]) * inverse_exponent
        x = 0.0 if x < 0.0 else x
        log_y[n] = log_kappa if x > log_kappa else x


@compiled
def _sold(
    mean: float,
    gain_less_one: FloatArray,
    adopters: FloatArray,
    exporters: FloatArray,
    adopts: bool,
    trades: bool,
    at_home: FloatArray,
    abroad: FloatArray,
) -> None:
    """Write ∫ over home sales and over exports to the last two; ``adopters`` become exporters too where trading."""
    size = at_home.shape[0]
    if not adopts:
        for n in range(size):
            at_home[n] = mean
        if trades:
            _copy(exporters, abroad)
        return
    for n in range(size):
        at_home[n] = mean + gain_less_one[n] * adopters[n]
    if trades:
        # the tail above the higher of the two cutoffs
        for n in range(size):
            both = adopters[n] if adopters[n] < exporters[n] else exporters[n]
            abroad[n] = exporters[n] + gain_less_one[n] * both


@compiled
def choices(
    points: FloatArray,
    rows: NDArray[np.int64],
    constants: Constants,
    labour: FloatArray,
    demand: FloatArray,
    home: FloatArray,
    supply: FloatArray,
    payments: FloatArray,
    details: FloatArray,
    residual: FloatArray,
) -> None:
    """Evaluate every cell at points (B, 1 + 2J, N) and demands (J, B, N): V to ``supply`` (J, B, N).

    Labour's pay and expenditures go to ``residual`` (B, 1 + 2J, N).  X by sector, A of those that adopt, wages for
    exporting of those that trade and incomes go to ``payments`` (B or 1, J + A + T + 1, N), and the rest to ``details``
    (B or 1, J, N_DETAILS, N): with a first axis of 1 each draw overwrites the one before.
    """
    draws, count, size = points.shape[0], home.shape[0], home.shape[2]
    kind, adopting, trading = constants.kind, constants.gains.shape[1], constants.foreign.shape[1]
    last = count + adopting + trading
    levels = np.empty((1 + count + adopting, size))  # w, b by sector, c^T F^T
    logs = np.empty((count + adopting, size))  # of b and c^T F^T
    tails = np.empty((6 * count, size))
    cutoffs = np.empty((2 * count, size))
    third, memory, nowhere = np.empty((3, size)), np.empty((2, size)), np.zeros((5, size))
    for b in range(draws):
        c = rows[b]
        scalars = constants.scalars[c if constants.scalars.shape[0] > 1 else 0]
        cost = constants.cost[c if constants.cost.shape[0] > 1 else 0]
        bundle = constants.bundle[c if constants.bundle.shape[0] > 1 else 0]
        log_scale = constants.log_scale[c if constants.log_scale.shape[0] > 1 else 0]
        units = constants.unit[c if constants.unit.shape[0] > 1 else 0]
        gross_units = constants.gross_unit[c if constants.gross_unit.shape[0] > 1 else 0]
        inputs = constants.inputs[c if constants.inputs.shape[0] > 1 else 0]
        all_gains = constants.gains[c if constants.gains.shape[0] > 1 else 0]
        masses = constants.adopters_mass[c if constants.adopters_mass.shape[0] > 1 else 0]
        all_foreign = constants.foreign[c if constants.foreign.shape[0] > 1 else 0]
        tariffs = constants.tariffs[c if constants.tariffs.shape[0] > 1 else 0]
        spending = constants.spending[c if constants.spending.shape[0] > 1 else 0]
        people = labour[b if labour.shape[0] > 1 else 0]
        paid = payments[b if payments.shape[0] > 1 else 0]
        detail = details[b if details.shape[0] > 1 else 0]
        point = points[b]
        # wages, b and c^T F^T
        wage, log_wage = levels[0], point[0]
        _copy(log_wage, wage)
        for j in range(count):
            to, constant, copy = logs[j], log_scale[j], levels[1 + j]
            _mixed(cost[j], point, to)
            for n in range(size):
                to[n] += constant[n]
            _copy(to, copy)
            a = kind[j, ADOPTS]
            if a >= 0:
                to, copy = logs[count + a], levels[1 + count + a]
                _mixed(bundle[a], point, to)
                for n in range(size):
                    to[n] += scalars[j, LOG_ADOPTION_COST]
                _copy(to, copy)
        _exp(levels.reshape(-1))
        # cutoffs, and the tails above them
        row = 0
        for j in range(count):
            one, a, t = scalars[j], kind[j, ADOPTS], kind[j, TRADES]
            adopt, export = cutoffs[2 * j], cutoffs[2 * j + 1]
            if t >= 0:
                foreign = all_foreign[t]
                costs = foreign[1]
                for n in range(size):
                    export[n] = costs[n] + log_wage[n]
            if a >= 0:
                gains, start = all_gains[a], logs[count + a]
                costs = gains[3]
                for n in range(size):
                    adopt[n] = start[n] - costs[n]
                if t >= 0:
                    _cutoffs(one, gains, all_foreign[t], wage, levels[1 + count + a], home[j, b], third, adopt, export)
                else:
                    alone = third[0]
                    _copy(home[j, b], alone)
                    _log(alone)
                    for n in range(size):
                        adopt[n] -= alone[n]
                reach, scale = detail[j, REACH], logs[j]
                for n in range(size):
                    reach[n] = one[LOG_KAPPA] - (adopt[n] - scale[n]) * one[INVERSE_EXPONENT]
                _clipped(scale, one[INVERSE_EXPONENT], one[LOG_KAPPA], adopt)
            if t >= 0:
                _clipped(logs[j], one[INVERSE_EXPONENT], one[LOG_KAPPA], export)
            for tail in (GROSS_TAIL, SHARE_TAIL, KEPT_TAIL):
                if tail != KEPT_TAIL or kind[j, DISTORTED]:
                    if t >= 0:
                        _tail_logs(one[tail : tail + 4], export, tails[row])
                        row += 1
                    if a >= 0:
                        _tail_logs(one[tail : tail + 4], adopt, tails[row])
                        row += 1
        _exp(tails[:row].reshape(-1))
        # what the firms do
        row, earned = 0, 0.0
        for j in range(count):
            one, a, t = scalars[j], kind[j, ADOPTS], kind[j, TRADES]
            adopts, trades = a >= 0, t >= 0
            gains = all_gains[a] if adopts else nowhere
            foreign = all_foreign[t] if trades else nowhere
            adopt, export = cutoffs[2 * j], cutoffs[2 * j + 1]
            exporting = adopting_tail = first_exporting = first_adopting = 0
            both, scale, here = detail[j], levels[1 + j], home[j, b]
            kept, kept_adopters, gross, exported = both[KEPT], both[KEPT_ADOPTERS], both[GROSS], both[EXPORTED]
            at_home, abroad, sold, outside = memory[0], memory[1], supply[j, b], foreign[0]
            mass = gross_units[j]
            for tail in (GROSS_TAIL, SHARE_TAIL, KEPT_TAIL):
                if tail == KEPT_TAIL and not kind[j, DISTORTED]:
                    continue
                if trades:
                    _tail(one[tail : tail + 4], one[LOG_KAPPA], export, tails[row])
                    exporting = row
                    row += 1
                if adopts:
                    _tail(one[tail : tail + 4], one[LOG_KAPPA], adopt, tails[row])
                    adopting_tail = row
                    row += 1
                if tail == GROSS_TAIL:
                    first_exporting, first_adopting = exporting, adopting_tail
                    upper, lower = tails[adopting_tail], tails[exporting]
                    _sold(one[GROSS_MEAN], gains[1], upper, lower, adopts, trades, at_home, abroad)
                    for n in range(size):
                        sold[n] = mass[n] * scale[n] * at_home[n]
                    for n in range(size):
                        gross[n] = sold[n] * here[n]
                    if trades:
                        for n in range(size):
                            exported[n] = abroad[n] * mass[n] * scale[n] * outside[n]
                        for n in range(size):
                            gross[n] += exported[n]
                elif tail == SHARE_TAIL:
                    if trades:
                        _copy(tails[exporting], both[EXPORTERS])
                        labour_cost, to, shares = foreign[2], paid[count + adopting + t], both[EXPORTERS]
                        for n in range(size):
                            to[n] = shares[n] * labour_cost[n] * wage[n]
                    if adopts:
                        _copy(tails[adopting_tail], both[ADOPTERS])
                        _copy(levels[1 + count + a], both[OUTLAY])
                        firms, to, shares, outlay = masses[a], paid[count + a], both[ADOPTERS], both[OUTLAY]
                        for n in range(size):
                            to[n] = shares[n] * outlay[n] * firms[n]
            mass = units[j]
            if kind[j, DISTORTED]:
                _sold(one[KEPT_MEAN], gains[0], tails[adopting_tail], tails[exporting], adopts, trades, at_home, abroad)
                for n in range(size):
                    kept[n] = at_home[n] * here[n]
                if trades:
                    for n in range(size):
                        kept[n] += abroad[n] * outside[n]
                for n in range(size):
                    kept[n] *= scale[n] * mass[n]
            else:
                exporting, adopting_tail = first_exporting, first_adopting
                level = one[LEVEL] if kind[j, TAXED] else 1.0
                for n in range(size):
                    kept[n] = level * gross[n]
            to, factor = paid[j], inputs[j]
            if kind[j, SUBSIDISED]:
                upper, lower, less_one, ratio = tails[adopting_tail], tails[exporting], gains[0], gains[4]
                for n in range(size):
                    kept_adopters[n] = upper[n] * here[n]
                if trades:
                    for n in range(size):
                        kept_adopters[n] += (upper[n] if upper[n] < lower[n] else lower[n]) * outside[n]
                for n in range(size):
                    kept_adopters[n] *= scale[n] * mass[n] * (1.0 + less_one[n])
                for n in range(size):
                    to[n] = (kept[n] + kept_adopters[n] * ratio[n]) * factor[n]
            else:
                for n in range(size):
                    to[n] = kept[n] * factor[n]
            earned += _total(gross) + _product(demand[j, b], tariffs[j])
        # incomes: what firms earn less what they pay is the households', besides wages
        earned -= _total(paid[:last].reshape(-1))
        factor_of_wages, income = 1.0 + earned / _product(wage, people), paid[last]
        factor_of_wages = LEAST_INCOME if factor_of_wages < LEAST_INCOME else factor_of_wages
        for n in range(size):
            income[n] = wage[n] * people[n] * factor_of_wages
        _mixed(spending[0], paid, residual[b, 0])
        for k in range(count):
            _mixed(spending[1 + k], paid, residual[b, 1 + count + k])
