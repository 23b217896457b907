"""What adopter shares say of the subsidy: eq. (4.4) solved for its error, and the conditional posterior of s̄.

Section 4's map fits the shares of 1976 and 1980 only up to a change in the log profitability of adoption,

    u_t = g(λ_t; s̄) − k(s̄) − δ λ_{t−1},    u_t − u_{t−1} ~ Normal(0, τ_u),    u_1972 = 0,

so that a share's density is that of u_t − u_{t−1} times g′(λ_t): no solver in the likelihood.  k is pinned by the share
of 1972.

The posterior of s̄ given η, δ, σ and θ has one dimension, so it is drawn exactly, by inverting its distribution
function on a grid.  Under ``feedback = "cut"`` that is all: shares inform s̄, while η and δ keep the posterior that the
reduced-form estimates give them.  A closed economy has no exports, no regions and no bounded productivity; where it
misfits, a full posterior would move η and δ to repair the fit (Plummer 2015; Jacob, Murray, Holmes and Robert 2017).
Under ``"full"`` the draws are also resampled with weights Z(η, δ) = p(shares | η, δ), the grid's normalising constant.
"""

from dataclasses import dataclass

import numpy as np

from bigpush_est.bayes.model import ModelInputs, log_likelihood, log_normal_density
from bigpush_est.equilibrium.adoption_map import FloatArray
from bigpush_est.equilibrium.simple.condition import cost_of_share, tail

#: Grid on log(s/(1−s)): s from 1e-6 to 0.993; the coarse pass finds where the mass lies, the fine one integrates.
LOGIT_RANGE = (-14.0, 5.0)
COARSE, FINE = 39, 65
#: Log density below its peak at which the fine grid ends: what is left out weighs less than 1e-5.
DEPTH = 13.0
#: Draws evaluated together.
BLOCK = 2000


def log_share_density(inputs: ModelInputs, p: dict[str, FloatArray]) -> FloatArray:
    """Log density of the shares of 1976 and 1980 given parameters, of the parameters' common shape."""
    e = inputs.evidence
    rate = p["sigma"] - 1.0
    theta = p["pareto_ratio"] * rate
    bounded = np.isfinite(e.kappa)
    bound = e.kappa**-theta if bounded else 0.0
    shape = {
        "sigma": p["sigma"],
        "theta": theta,
        "bound": bound,
        "bound_power": e.kappa ** -(theta - rate) if bounded else 0.0,
    }
    shares = e.adopter_shares
    gain = np.exp(rate * p["log_eta"])
    keep = 1.0 - p["subsidy"]
    price_gain = gain * keep**-rate
    # k is pinned without the subsidy, which raises it by what it adds to log(η^{σ−1}(1−s)^{1−σ} − 1)
    pinned, _ = cost_of_share(tail(shares[0], bound), **shape, price_gain=gain, keep=1.0)
    level = pinned - p["delta"] * e.pin_previous + np.log((price_gain - 1.0) / (gain - 1.0))
    total: FloatArray = np.zeros(np.broadcast_shapes(*(np.shape(value) for value in p.values())))
    previous: FloatArray | float = 0.0
    for t in (1, 2):
        cost, slope = cost_of_share(tail(shares[t], bound), **shape, price_gain=price_gain, keep=keep)
        shock = cost - level - p["delta"] * shares[t - 1]
        total = total + log_normal_density(np, shock - previous, e.fundamentals_sd) + np.log(slope)
        previous = shock
    return total


@dataclass(frozen=True, slots=True)
class SubsidyDraws:
    """Draws of s̄ given the other parameters.

    Attributes
    ----------
    subsidy
        Shape (D,).
    log_evidence
        log Z(η, δ, …): how well each draw's other parameters predict the shares, shape (D,).
    edge
        Share of draws whose conditional has noticeable mass at an end of the grid (0 in any sensible study).
    """

    subsidy: FloatArray
    log_evidence: FloatArray
    edge: float


def draw_subsidy(inputs: ModelInputs, draws: dict[str, FloatArray], seed: int) -> SubsidyDraws:
    """Draw s̄ from its conditional posterior given each draw of the other parameters.

    Parameters
    ----------
    inputs
        Priors and evidence; the prior of ``subsidy`` must not be fixed.
    draws
        Parameters by name, shape (D,); the ``subsidy`` among them is ignored.
    seed
        Of the uniform numbers that are inverted.
    """
    size = draws["delta"].size
    uniform = np.random.default_rng(seed).random(size)
    subsidy, evidence, edge = np.empty(size), np.empty(size), 0
    for first in range(0, size, BLOCK):
        part = slice(first, first + BLOCK)
        block = {name: values[part, None] for name, values in draws.items()}
        value, log_z, at_edge = _invert(inputs, block, uniform[part])
        subsidy[part], evidence[part] = value, log_z
        edge += at_edge
    return SubsidyDraws(subsidy, evidence, edge / size)


def _invert(
    inputs: ModelInputs, block: dict[str, FloatArray], uniform: FloatArray
) -> tuple[FloatArray, FloatArray, int]:
    prior, data = inputs.prior("subsidy").frozen(), inputs.data()

    def at(logit: FloatArray) -> dict[str, FloatArray]:
        return block | {"subsidy": 1.0 / (1.0 + np.exp(-logit))}

    def without_shares(p: dict[str, FloatArray]) -> FloatArray:
        """Log density of log(s/(1−s)) given all but the shares, up to a constant."""
        s = p["subsidy"]
        with np.errstate(divide="ignore"):
            density: FloatArray = prior.logpdf(s) + log_likelihood(np, data, p) + np.log(s) + np.log1p(-s)
        return density

    places = np.linspace(*LOGIT_RANGE, COARSE)

    def around(rough: FloatArray) -> FloatArray:
        """Return a fine grid where a log density, known at ``places``, has its mass: a node further on either side."""
        near = rough > rough.max(axis=1, keepdims=True) - DEPTH
        margin = places[1] - places[0]
        low = np.where(near, places, np.inf).min(axis=1) - margin
        high = np.where(near, places, -np.inf).max(axis=1) + margin
        return np.asarray(low[:, None] + np.linspace(0.0, 1.0, FINE) * (high - low)[:, None])

    rough_base = np.broadcast_to(without_shares(at(places)), (uniform.size, COARSE))
    rough = rough_base + log_share_density(inputs, at(places))
    grid = around(rough)
    fine = at(grid)
    joint = without_shares(fine) + log_share_density(inputs, fine)
    peak = joint.max(axis=1, keepdims=True)
    density = np.exp(joint - peak)
    spacing = grid[:, 1] - grid[:, 0]
    cells = 0.5 * (density[:, 1:] + density[:, :-1])
    cumulative = np.concatenate([np.zeros((uniform.size, 1)), np.cumsum(cells, axis=1)], axis=1)
    target = uniform * cumulative[:, -1]
    cell = np.minimum((cumulative[:, 1:-1] <= target[:, None]).sum(axis=1), FINE - 2)
    rows = np.arange(uniform.size)
    left, right = density[rows, cell], density[rows, cell + 1]
    rest = target - cumulative[rows, cell]
    # within a cell the density is linear, so its integral is a quadratic in the position
    slope = right - left
    root = np.sqrt(np.maximum(left**2 + 2.0 * slope * rest, 0.0))
    with np.errstate(divide="ignore", invalid="ignore"):
        position = np.where(np.abs(slope) > 1e-12 * (left + right), (root - left) / slope, rest / left)
    logit = grid[rows, cell] + np.clip(position, 0.0, 1.0) * spacing
    # Z = ∫ p(shares | s, η, δ) p(s | η, δ, the rest) ds, the second density normalised by its own integral
    base_grid = around(rough_base)
    base = without_shares(at(base_grid))
    base_peak = base.max(axis=1)
    base_mass = np.exp(base - base_peak[:, None]).sum(axis=1) * (base_grid[:, 1] - base_grid[:, 0])
    log_z = peak[:, 0] + np.log(cumulative[:, -1] * spacing) - base_peak - np.log(base_mass)
    top = rough.max(axis=1)
    at_edge = int(((rough[:, 0] > top - 9.0) | (rough[:, -1] > top - 9.0)).sum())
    return 1.0 / (1.0 + np.exp(-logit)), log_z, at_edge
