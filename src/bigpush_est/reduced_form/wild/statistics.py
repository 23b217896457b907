"""t-ratios and Anderson-Rubin statistics of all bootstrap samples, at any value of the coefficient under test.

Residuals that a bootstrap sample multiplies with v are combinations of a few vectors that do not depend on the null β₀:
b₁ = ỹ, b₂ = x̃ and, for IV, the instruments z̃.  With restricted residuals ũ₁ = b₁ − β₀ b₂ and, from the regression of x̃
on z̃ and ũ₁ (Davidson and MacKinnon's efficient first stage), ũ₂ = b₂ − z̃π̃,

    z̃′x* = z̃′z̃ π̃ + z̃′(ũ₂ ∘ v),    π* = (z̃′z̃)⁻¹ z̃′x*,    β* − β₀ = π*′z̃′(ũ₁ ∘ v) / (π*′z̃′z̃ π*)
    score of cluster h:  Σ_{i ∈ h} (z̃_i′π*) [ M(ũ₁ ∘ v) − (β* − β₀)(z̃π̃ + M(ũ₂ ∘ v)) ]_i

Least squares is z̃ = x̃ with x* = x.  So a draw is summed up by the inner products, over variance clusters, of the scores
of each b with each instrument: once these are there, any β₀ costs a few operations per draw.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bigpush_est.reduced_form.wild.scores import ScoreSystem
from bigpush_est.reduced_form.wild.weights import WeightDraws

type FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class WildModel:
    """What the statistics need of the data.

    Attributes
    ----------
    iv
        Whether x is instrumented; otherwise it is its own instrument.
    estimate
        2SLS or least squares.
    centre
        Coefficient of the data-generating process where the null is not imposed: least squares, or LIML.
    gram
        z̃′z̃, shape (A, A).
    cross
        Inner products of b₁, b₂ and the instruments, shape (2 + A, 2 + A).
    system
        Score maps; its scores are already divided by x̃′x̃ for least squares.
    variance_scale
        1, or (G − 1)/G for the jackknife variance.
    sample_scores
        Scores of b₁, b₂, z̃ without any weight, for the statistic of the sample, shape (A, 2 + A, H).
    """

    iv: bool
    estimate: float
    centre: float
    gram: FloatArray
    cross: FloatArray
    system: ScoreSystem
    variance_scale: float
    sample_scores: FloatArray

    @property
    def instruments(self) -> int:
        """A."""
        return int(self.gram.shape[0])

    def first_stage(self, beta: float) -> FloatArray:
        """π̃: coefficients on z̃ in the regression of x̃ on z̃ and the structural residual at β, shape (A,)."""
        if not self.iv:
            return np.ones(1)
        pick = np.zeros(self.cross.shape[0])
        pick[0], pick[1] = 1.0, -beta
        to_residual = self.cross @ pick
        top = np.column_stack([self.gram, to_residual[2:]])
        bottom = np.append(to_residual[2:], pick @ to_residual)
        right = np.append(self.cross[2:, 1], to_residual[1])
        solution: FloatArray = np.linalg.lstsq(np.vstack([top, bottom]), right, rcond=1e-14)[0]
        return solution[:-1]

    def t_sample(self, beta: float) -> float:
        """(β̂ − β)/standard error; NaN where the variance is not positive."""
        if self.iv:
            pi = np.linalg.solve(self.gram, self.cross[2:, 1])
            bread = float(pi @ self.gram @ pi)
            scores = pi @ (self.sample_scores[:, 0] - self.estimate * self.sample_scores[:, 1])
        else:
            bread = 1.0
            scores = self.sample_scores[0, 0] - self.estimate * self.sample_scores[0, 1]
        variance = self.variance_scale * float(self.system.factors @ scores**2) / bread**2
        return (self.estimate - beta) / variance**0.5 if variance > 0.0 else float("nan")

    def ar_sample(self, beta: float) -> float:
        """Wald statistic of z̃ in the regression of ỹ − βx̃ on it; NaN where its covariance is not positive definite."""
        moment = self.cross[2:, 0] - beta * self.cross[2:, 1]
        delta = np.linalg.solve(self.gram, moment)
        scores = self.sample_scores[:, 0] - beta * self.sample_scores[:, 1]
        scores = scores - np.einsum("c,ach->ah", delta, self.sample_scores[:, 2:])
        covariance = (scores * self.system.factors) @ scores.T
        return float(_wald(moment[None, :], covariance[None, :, :])[0])


def _wald(moment: FloatArray, covariance: FloatArray) -> FloatArray:
    """m′S⁻¹m for batches; NaN where S is not positive definite."""
    if covariance.shape[1] == 1:
        variance = covariance[:, 0, 0]
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(variance > 0.0, moment[:, 0] ** 2 / variance, np.nan)
    defined = np.linalg.eigvalsh(covariance)[:, 0] > 0.0
    value = np.full(moment.shape[0], np.nan)
    if defined.any():
        solved = np.linalg.solve(covariance[defined], moment[defined][:, :, None])[:, :, 0]
        value[defined] = np.sum(solved * moment[defined], axis=1)
    return value


@dataclass(frozen=True, slots=True)
class DrawSums:
    """What the statistics need of each draw.

    Attributes
    ----------
    moments
        z̃_a′(b_j ∘ v), shape (A, J, draws).
    products
        Inner products over variance clusters of the n = AJ + A² score vectors: those of b_j with instrument a, then
        the sums of ζ_a z̃_c; shape (n, n, draws), with the last A² × A² of them the same in all draws.
    """

    moments: FloatArray
    products: FloatArray


def draw_sums(system: ScoreSystem, plan: WeightDraws, workers: int) -> DrawSums:
    """Sum up every draw, block by block; a block's numbers do not depend on the number of workers."""
    instruments, residuals, height = system.shape
    clusters = system.dense.shape[1]
    vectors = instruments * residuals
    size = vectors + instruments * instruments
    moments = np.empty((vectors, plan.draws))
    products = np.empty((size, size, plan.draws))
    constant = system.constant.reshape(instruments * instruments, -1)
    weighted_constant = constant * system.factors
    products[vectors:, vectors:] = (weighted_constant @ constant.T)[:, :, None]
    pairs = [(k, other) for k in range(vectors) for other in range(k, vectors)]
    forms = np.empty((0, clusters, clusters))
    if system.scores is not None and len(pairs) * clusters < vectors * height:
        # v′(T_k′ F T_l)v: fewer operations than the scores themselves, where the bootstrap has few clusters
        maps = system.scores.reshape(vectors, height, clusters)
        forms = np.stack([maps[k].T @ (system.factors[:, None] * maps[other]) for k, other in pairs])
        to_constant = np.stack([weighted_constant @ one_map for one_map in maps])  # (AJ, A², G)

    def one(index: int) -> None:
        weights = plan.block(index)
        here = plan.span(index)
        if forms.size:
            moments[:, here] = system.dense @ weights
            for (k, other), form in zip(pairs, forms, strict=True):
                products[k, other, here] = np.einsum("gb,gb->b", weights, form @ weights)
            for k in range(vectors):
                products[vectors:, k, here] = to_constant[k] @ weights
        else:
            moments[:, here], scores = system.apply(weights)
            for k in range(vectors):
                scaled = system.factors[:, None] * scores[k]
                for other in range(k, vectors):
                    products[k, other, here] = np.einsum("hb,hb->b", scaled, scores[other])
                products[vectors:, k, here] = weighted_constant @ scores[k]
        for k in range(vectors):
            products[k, vectors:, here] = products[vectors:, k, here]
            for other in range(k):
                products[k, other, here] = products[other, k, here]

    if workers == 1:
        for index in range(plan.blocks):
            one(index)
    else:
        with ThreadPoolExecutor(workers) as pool:
            list(pool.map(one, range(plan.blocks)))
    return DrawSums(moments.reshape(instruments, residuals, plan.draws), products)


def _quadratic(left: FloatArray, products: FloatArray, right: FloatArray) -> FloatArray:
    """Σ_kl left_k products_kl right_l by draw."""
    value: FloatArray = np.einsum("kb,klb,lb->b", left, products, right, optimize=["einsum_path", (0, 1), (0, 1)])
    return value


def t_draws(model: WildModel, sums: DrawSums, beta: float) -> FloatArray:
    """t* = (β* − β)/standard error* of all draws around β, shape (draws,); NaN where the variance is not positive."""
    instruments, residuals, draws = sums.moments.shape
    first = np.zeros(residuals)
    first[0], first[1] = 1.0, -beta
    moment = np.tensordot(sums.moments, first, axes=(1, 0))  # (A, draws)
    pi = model.first_stage(beta)
    if model.iv:
        second = np.zeros(residuals)
        second[1], second[2:] = 1.0, -pi
        drawn = pi[:, None] + np.linalg.solve(model.gram, np.tensordot(sums.moments, second, axes=(1, 0)))
        bread = np.sum(drawn * (model.gram @ drawn), axis=0)
        gap = np.sum(drawn * moment, axis=0) / bread
        of_scores = drawn[:, None, :] * (first[None, :, None] - gap * second[None, :, None])
        of_constant = -gap * drawn[:, None, :] * pi[None, :, None]
        divisor = bread**2
    else:
        gap = moment[0] / model.gram[0, 0]
        of_scores = np.broadcast_to(first[None, :, None], (1, residuals, draws))
        of_constant = -gap[None, None, :]
        divisor = np.ones(1)
    coefficients = np.concatenate(
        [of_scores.reshape(instruments * residuals, draws), of_constant.reshape(instruments**2, draws)]
    )
    variance = model.variance_scale * _quadratic(coefficients, sums.products, coefficients) / divisor
    # rounding leaves a variance of exactly 0 at about 1e-16 of what was added up to it
    noise = 1e-12 * np.sum(coefficients**2 * np.abs(np.einsum("kkb->kb", sums.products)), axis=0) / divisor
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(variance > noise, gap / np.sqrt(variance), np.nan)


def ar_draws(model: WildModel, sums: DrawSums, beta: float, impose_null: bool) -> FloatArray:
    """AR statistics of all draws at β, shape (draws,); NaN where the covariance is not positive definite."""
    instruments, residuals, draws = sums.moments.shape
    first = np.zeros(residuals)
    first[0], first[1] = 1.0, -beta
    if not impose_null:
        first[2:] = -np.linalg.solve(model.gram, model.cross[2:, 0] - beta * model.cross[2:, 1])
    moment = np.tensordot(sums.moments, first, axes=(1, 0))
    delta = np.linalg.solve(model.gram, moment)
    size = instruments * residuals
    rows = np.zeros((instruments, size + instruments**2, draws))
    for a in range(instruments):
        rows[a, a * residuals : (a + 1) * residuals] = first[:, None]
        rows[a, size + a * instruments : size + (a + 1) * instruments] = -delta
    covariance = np.empty((draws, instruments, instruments))
    for a in range(instruments):
        for c in range(a, instruments):
            covariance[:, a, c] = covariance[:, c, a] = _quadratic(rows[a], sums.products, rows[c])
    return _wald(moment.T, covariance)
