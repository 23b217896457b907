"""Prices, output, consumption and taxes in Section 4's economy, and the variant with adoption costs in labour."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bigpush_est.equilibrium.adoption_map import FloatArray, Function, MonotoneMap, bracketed_newton
from bigpush_est.equilibrium.simple.economy import SimpleEconomy
from bigpush_est.errors import InvalidValue


@dataclass(frozen=True, slots=True)
class StaticOutcomes:
    """One period's aggregates, each of the shape of the shares, for one unit of labour (L = 1, F^T = e^−log_scale).

    Attributes
    ----------
    price_index
        P with the wage as numeraire.
    real_wage
        w/P, before tax.
    output
        Q, final goods; they are consumed or used for adoption.
    consumption
        C = Q − λ F^T.
    profits
        Π/P, after the fixed costs that firms pay.
    labour_tax
        τ^w, the share of labour income that balances the subsidies' budget; above 1 they cannot be financed.
    subsidy_bill
        Subsidies over output.
    """

    price_index: FloatArray
    real_wage: FloatArray
    output: FloatArray
    consumption: FloatArray
    profits: FloatArray
    labour_tax: FloatArray
    subsidy_bill: FloatArray


def static_outcomes(economy: SimpleEconomy, share: FloatArray, previous_share: FloatArray) -> StaticOutcomes:
    """Return the aggregates of a period with adopter share λ_t after λ_{t−1}.

    With M(λ) adopters' mass of φ^{σ−1}, E = η^{σ−1}(1−s)^{1−σ} and A_s^{σ−1} = M(1) + (E − 1)M(λ):

        P = μw/(A_s f),   χ = E M/A_s^{σ−1} (adopters' sales share),   B = 1 + s/(1−s) χ,
        Q = A_s f L/B,    τ^w = [s/(1−s) χ/B] + s^F λ F^T P/(wL),       C = Q − λ F^T.

    B appears because labour hired with the subsidy earns its full wage: wL = (PQ/μ) B.

    Parameters
    ----------
    share, previous_share
        λ_t and λ_{t−1}, shape (..., D).
    """
    mass, total = economy.mass(share), economy.total_mass
    index = total + (economy.price_gain - 1.0) * mass
    markup = economy.sigma / (economy.sigma - 1.0)
    spillover = np.exp(economy.delta * previous_share)
    productivity = np.exp(np.log(index) / (economy.sigma - 1.0)) * spillover
    sales_share = economy.price_gain * mass / index
    wedge = economy.input_subsidy / (1.0 - economy.input_subsidy) * sales_share
    output = productivity / (1.0 + wedge)
    cost = np.exp(-economy.log_scale) * share
    real_wage = productivity / markup
    bill = wedge * output / markup + economy.cost_subsidy * cost
    return StaticOutcomes(
        price_index=markup / productivity,
        real_wage=real_wage,
        output=output,
        consumption=output - cost,
        profits=output / economy.sigma - (1.0 - economy.cost_subsidy) * cost,
        labour_tax=bill / real_wage,
        subsidy_bill=bill / output,
    )


def labour_cost_share(economy: SimpleEconomy) -> FloatArray:
    """Adopter share when adoption is paid in labour, shape (D,): it does not depend on the past at all.

    With F^T units of labour, L − λF^T is left for production and f(λ_{t−1}) raises wages as much as sales, so that it
    drops out (the paper's Appendix D.3):

        (σ−1)/θ · log t + (σ−1) log A(λ) = log(η^{σ−1} − 1) − log(σ−1) + log(L/F^T − λ).

    Raises
    ------
    InvalidValue
        If the economy carries a subsidy: the variant is stated for the unsubsidised economy.
    """
    if np.any(economy.input_subsidy > 0) or np.any(economy.cost_subsidy > 0):
        raise InvalidValue(
            key="subsidy", value="positive", requirement="zero here", remedy="pass the economy without its subsidy"
        )
    zeros, ones = np.zeros(economy.n_draws), np.ones(economy.n_draws)

    def restrict(chosen: NDArray[np.intp]) -> Function:
        inner = economy.select(chosen)
        return lambda share: _labour_cost_excess(inner, share)

    excess = restrict(np.arange(economy.n_draws))
    share = bracketed_newton(restrict, zeros, ones)
    share = np.where(excess(ones)[0] >= 0, 1.0, share)
    return np.where(excess(zeros)[0] <= 0, 0.0, share)


def _labour_cost_excess(economy: SimpleEconomy, share: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Right less left side of the labour-cost condition, −∞ where adopters would need more labour than there is."""
    rate, gain = economy.sigma - 1.0, economy.gain - 1.0
    labour = np.exp(economy.log_scale) - share
    cutoff = economy.cutoff(share)
    index = economy.total_mass + gain * economy.mass(share)
    marginal = cutoff**rate
    with np.errstate(divide="ignore", invalid="ignore"):
        value = np.log(gain / rate) + np.log(np.maximum(labour, 0.0)) + np.log(marginal) - np.log(index)
        slope = -1.0 / labour - rate / economy.theta * economy.tail_slope(share) - gain * marginal / index
    return np.where(labour > 0, value, -np.inf), np.where(labour > 0, slope, np.nan)


def labour_cost_map(economy: SimpleEconomy) -> MonotoneMap:
    """Return the adoption map when adoption is paid in labour: flat, hence no complementarity and one steady state."""
    constant = labour_cost_share(economy)
    return MonotoneMap(lambda share, index: np.broadcast_to(constant[index], share.shape), economy.n_draws)
