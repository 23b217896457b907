"""Scores of a wild cluster bootstrap as linear maps of the clusters' weights.

A bootstrap sample multiplies the residuals of cluster g with one random number v_g.  For an instrument z and a residual
b, both net of controls, and M the residual maker of controls and fixed effects, the score of a variance cluster h is

    Σ_{i ∈ h} z_i (M (b ∘ v))_i = Σ_g v_g [ Σ_{i ∈ h ∩ g} z_i b_i  −  (Σ_{i ∈ h} z_i Q_i) (Σ_{i ∈ g} Q_i′ b_i)  −  … ],

a sparse H × G matrix (one entry per cell h ∩ g) less one of low rank (Q: an orthonormal basis of controls), less the
same for fixed effects that are not nested in the bootstrap's clusters.  No array is observations × draws.
"""

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from bigpush_est.errors import InvalidValue, ShapeMismatch
from bigpush_est.reduced_form.linear.clusters import Clusters

type FloatArray = NDArray[np.float64]

#: A dense map is cheaper than a sparse one up to this many multiplications per entry of the sparse one.
SPARSE_COST = 6.0

#: Entries up to which a map is dense without further thought.
SMALL = 40_000

#: Entries beyond which a map is never dense.
DENSEST = 20_000_000


@dataclass(frozen=True, slots=True)
class VarianceClusters:
    """Clusters over which squared scores are added up, with the signed factor of each.

    A cluster that is the same set of observations in several terms (a firm that is a group of its own is also a cell of
    its own) appears once, with the sum of its factors, and not at all where these cancel.
    """

    membership: sp.csr_array  # (H, N), zeros and ones
    factors: FloatArray  # (H,)


def variance_clusters(clusters: Clusters, factors: tuple[float, ...]) -> VarianceClusters:
    """List the clusters of every term of a multi-way variance; factors are those of the terms, without the sign."""
    terms = list(clusters.terms())
    weights = [term.sign * factor for term, factor in zip(terms, factors, strict=True)]
    finest = terms[-1]
    size = np.bincount(finest.codes, minlength=finest.count)
    finest_weight = np.full(finest.count, weights[-1])
    blocks, signed = [], []
    for term, weight in zip(terms[:-1], weights[:-1], strict=True):
        member = np.zeros(term.count, dtype=np.int64)
        member[term.codes] = finest.codes
        same = np.bincount(term.codes, minlength=term.count) == size[member]
        np.add.at(finest_weight, member[same], weight)
        blocks.append(_indicator(term.codes, term.count)[np.flatnonzero(~same)])
        signed.append(np.full(int((~same).sum()), weight))
    kept = np.flatnonzero(np.abs(finest_weight) > 1e-14)
    blocks.append(_indicator(finest.codes, finest.count)[kept])
    signed.append(finest_weight[kept])
    return VarianceClusters(sp.csr_array(sp.vstack(blocks)), np.concatenate(signed))


def _indicator(codes: NDArray[np.int64], count: int, values: FloatArray | None = None) -> sp.csr_array:
    """(count, N) matrix of zeros with one entry per column."""
    n = codes.size
    data = np.ones(n) if values is None else values
    return sp.csr_array((data, (codes, np.arange(n))), shape=(count, n))


@dataclass(frozen=True, slots=True)
class FixedEffects:
    """Projection on fixed effects: one dimension D₁ taken out directly, the others D₂ after it.

    Attributes
    ----------
    first
        D₁′, shape (q₁, N), scaled by the root of the weights and to unit rows.
    first_matters
        Whether D₁ is not nested in the bootstrap's clusters, so that D₁′(b ∘ v) is not 0.
    others
        D₂′, shape (q₂, N), scaled by the root of the weights; None without further dimensions.
    inverse
        (D₂′M₁D₂)⁺, shape (q₂, q₂).
    """

    first: sp.csr_array
    first_matters: bool
    others: sp.csr_array | None
    inverse: FloatArray


def fixed_effects_projection(effects: Clusters, boot: NDArray[np.int64], scale: FloatArray) -> FixedEffects:
    """Prepare the projection; a dimension nested in the bootstrap's clusters goes first, as it then drops out."""
    if effects.observations != boot.size:
        raise ShapeMismatch(
            key="fixed_effects", shape=(effects.observations,), expected=f"({boot.size},)", remedy="one label per row"
        )
    nested = [_nested(codes, boot) for codes in effects.codes]
    order = sorted(range(len(effects.codes)), key=lambda d: (not nested[d], -effects.counts[d]))
    first = _indicator(effects.codes[order[0]], effects.counts[order[0]], scale)
    first = sp.csr_array(sp.diags_array(1.0 / np.sqrt(first.power(2).sum(axis=1))) @ first)
    rest = [_indicator(effects.codes[d], effects.counts[d], scale) for d in order[1:]]
    if not rest:
        return FixedEffects(first, not nested[order[0]], None, np.empty((0, 0)))
    others = sp.csr_array(sp.vstack(rest))
    cross = first @ others.T
    gram = (others @ others.T - cross.T @ cross).toarray()
    return FixedEffects(first, not nested[order[0]], others, np.linalg.pinv(gram, rcond=1e-10, hermitian=True))


def _nested(codes: NDArray[np.int64], within: NDArray[np.int64]) -> bool:
    holder = np.empty(int(codes.max()) + 1, dtype=np.int64)
    holder[codes] = within
    return bool((holder[codes] == within).all())


def check_orthogonal(effects: FixedEffects, columns: FloatArray) -> None:
    """Raise InvalidValue unless fixed effects have been taken out of every column."""
    length = np.maximum(np.linalg.norm(columns, axis=0), 1e-300)
    worst = float((np.linalg.norm(effects.first @ columns, axis=0) / length).max())
    if effects.others is not None:
        unit = np.sqrt(effects.others.power(2).sum(axis=1))
        worst = max(worst, float((np.abs(effects.others @ columns) / np.outer(unit, length)).max()))
    if worst > 1e-6:
        raise InvalidValue(
            key="fixed_effects",
            value=f"correlated with the data ({worst:.3g})",
            requirement="those that were taken out of the data",
            remedy="pass the columns that were absorbed, in full precision",
        )


@dataclass(frozen=True, slots=True)
class ScoreSystem:
    """All maps from the weights v of the bootstrap's G clusters, stacked so that a block of draws takes few products.

    Attributes
    ----------
    shape
        A instruments, J residuals, H variance clusters.
    dense
        Rows that have an entry for most clusters: Σ_{i ∈ g} z_ai b_ji for every (a, j), and, unless scores are dense,
        Q′(b_j ∘ 1_g) for every j; shape (AJ + JK, G).
    sparse
        Scores by h for every (a, j), and fixed effects' sums for every j; shape (AJH + Jq, G).  None if scores are
        dense.
    left
        By instrument, (H, K + q): what scores subtract of the sums for controls and fixed effects.
    scores
        All scores as one dense (AJH, G) map, where that is cheaper; else None.
    constant
        Σ_{i ∈ h} ζ_ai z_ci, shape (A, A, H).
    factors
        Signed factors of the variance clusters, shape (H,).
    """

    shape: tuple[int, int, int]
    dense: FloatArray
    sparse: sp.csr_array | None
    left: tuple[FloatArray, ...]
    scores: FloatArray | None
    constant: FloatArray
    factors: FloatArray

    def apply(self, weights: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return moments (AJ, draws) and scores (AJ, H, draws) for weights (G, draws)."""
        instruments, residuals, height = self.shape
        vectors = instruments * residuals
        sums = self.dense @ weights
        if self.scores is not None or self.sparse is None:
            whole = self.scores if self.scores is not None else np.empty((vectors * height, weights.shape[0]))
            return sums[:vectors], (whole @ weights).reshape(vectors, height, -1)
        product = self.sparse @ weights
        scores: FloatArray = product[: vectors * height].reshape(vectors, height, -1)
        controls = sums[vectors:].reshape(residuals, -1, weights.shape[1])
        effects = product[vectors * height :].reshape(residuals, -1, weights.shape[1])
        inner = np.concatenate([controls, effects], axis=1)
        if inner.shape[1]:
            for a in range(instruments):
                for j in range(residuals):
                    scores[a * residuals + j] -= self.left[a] @ inner[j]
        return sums[:vectors], scores


def score_system(
    instruments: FloatArray,
    scoring: FloatArray,
    residuals: FloatArray,
    controls: FloatArray,
    boot: tuple[NDArray[np.int64], int],
    variance: VarianceClusters,
    effects: FixedEffects | None,
) -> ScoreSystem:
    """Build the maps.

    Parameters
    ----------
    instruments
        z, shape (N, A): what the bootstrap's estimates are computed with.
    scoring
        ζ, shape (N, A): what scores are computed with; z itself, except for jackknife variances.
    residuals
        b, shape (N, J).
    controls
        Q, shape (N, K), orthonormal.
    boot
        Codes and number of the bootstrap's clusters.
    variance
        Variance clusters.
    effects
        Fixed effects that may not be nested in the bootstrap's clusters.
    """
    codes, count = boot
    gather = sp.csr_array(_indicator(codes, count).T)  # (N, G)
    a_count, j_count, height = instruments.shape[1], residuals.shape[1], variance.factors.size
    sums = np.vstack([(gather.T @ (instruments[:, [a]] * residuals)).T for a in range(a_count)])
    of_controls = np.vstack([(gather.T @ (controls * residuals[:, [j]])).T for j in range(j_count)])
    of_effects = sp.csr_array(sp.vstack([_effect_sums(residuals[:, j], effects, gather) for j in range(j_count)]))
    weighted = [sp.csr_array(variance.membership * scoring[:, a]) for a in range(a_count)]  # (H, N)
    left = tuple(_left(w, controls, effects) for w in weighted)
    cells = sp.csr_array(
        sp.vstack([(weighted[a] * residuals[:, j]) @ gather for a in range(a_count) for j in range(j_count)])
    )
    constant = np.stack([(weighted[a] @ instruments).T for a in range(a_count)])
    shape = (a_count, j_count, height)
    rank = left[0].shape[1]
    apart = SPARSE_COST * (cells.nnz + of_effects.nnz) + of_controls.size + a_count * j_count * rank * height
    vectors = a_count * j_count
    # with few clusters in the bootstrap, forms in v (see ``draw_sums``) replace the scores, and need the dense map
    forms = vectors * (vectors + 1) / 2 * count**2 < apart and cells.shape[0] * count <= DENSEST
    if cells.shape[0] * count > max(apart, SMALL) and not forms:
        stacked = sp.csr_array(sp.vstack([cells, of_effects]))
        return ScoreSystem(shape, np.vstack([sums, of_controls]), stacked, left, None, constant, variance.factors)
    whole = cells.toarray().reshape(a_count, j_count, height, count)
    if rank:
        inner = np.concatenate(
            [of_controls.reshape(j_count, -1, count), of_effects.toarray().reshape(j_count, -1, count)], axis=1
        )
        whole -= np.einsum("ahr,jrg->ajhg", np.stack(left), inner, optimize=True)
    return ScoreSystem(shape, sums, None, left, whole.reshape(-1, count), constant, variance.factors)


def _effect_sums(residual: FloatArray, effects: FixedEffects | None, gather: sp.csr_array) -> sp.csr_array:
    """v ↦ D₁′(b ∘ v) unless it is 0, D₂′(b ∘ v)."""
    pieces = [sp.csr_array((0, gather.shape[1]))]
    if effects is not None:
        if effects.first_matters:
            pieces.append(sp.csr_array((effects.first * residual) @ gather))
        if effects.others is not None:
            pieces.append(sp.csr_array((effects.others * residual) @ gather))
    return sp.csr_array(sp.vstack(pieces))


def _left(weighted: sp.csr_array, controls: FloatArray, effects: FixedEffects | None) -> FloatArray:
    """Return what scores subtract of the sums for controls and fixed effects.

    With R = M₁D₂ the projection is P = QQ′ + D₁D₁′ + R(R′R)⁺(D₂′ − D₂′D₁D₁′).
    """
    lefts = [np.asarray(weighted @ controls)]
    if effects is not None:
        through_first = sp.csr_array(weighted @ effects.first.T)  # (H, q₁)
        of_others = np.empty((weighted.shape[0], 0))
        if effects.others is not None:
            bridge = sp.csr_array(effects.first @ effects.others.T)  # D₁′D₂
            of_others = (weighted @ effects.others.T - through_first @ bridge).toarray() @ effects.inverse
            if effects.first_matters:
                lefts.append(through_first.toarray() - (bridge @ of_others.T).T)
        elif effects.first_matters:
            lefts.append(through_first.toarray())
        lefts.append(of_others)
    return np.ascontiguousarray(np.hstack(lefts))
