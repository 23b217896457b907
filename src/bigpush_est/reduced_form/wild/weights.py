"""Random weights of a wild bootstrap's clusters, in blocks of draws that do not depend on who computes them."""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from bigpush_est.errors import InvalidValue

type FloatArray = NDArray[np.float64]

type WeightKind = Literal["rademacher", "webb", "mammen"]
type Seed = int | np.random.SeedSequence | np.random.Generator

#: Draws of one block: its scores fit a processor's cache, and its numbers come from a seed of its own.
BLOCK = 128

#: Webb's (2023) six points: ±√(1/2), ±1, ±√(3/2), each with probability 1/6.
WEBB = np.array([-np.sqrt(1.5), -1.0, -np.sqrt(0.5), np.sqrt(0.5), 1.0, np.sqrt(1.5)])


def check_kind(kind: str) -> WeightKind:
    """Return a kind of weights, or raise InvalidValue naming the known ones."""
    for known in get_args(WeightKind.__value__):
        if kind == known:
            return known  # type: ignore[no-any-return]
    raise InvalidValue(
        key="weights", value=kind, requirement='"rademacher", "webb" or "mammen"', remedy="choose one of the three"
    )


#: The eight signs that a byte stands for.
SIGNS = 1.0 - 2.0 * np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1)


@dataclass(frozen=True, slots=True)
class WeightDraws:
    """Weights v of G clusters in some number of draws.

    Attributes
    ----------
    kind
        Rademacher: ±1 with probability 1/2.  Webb: six points.  Mammen: (1 ∓ √5)/2 with probabilities (√5 ± 1)/(2√5).
    clusters
        G.
    draws
        Number of draws; 2^G where they are enumerated.
    enumerated
        Whether the draws are all 2^G sign vectors, the identity first and its mirror image last.
    entropy
        Root of the blocks' seeds.
    """

    kind: WeightKind
    clusters: int
    draws: int
    enumerated: bool
    entropy: tuple[int, ...]

    @property
    def blocks(self) -> int:
        """Number of blocks."""
        return -(-self.draws // BLOCK)

    def span(self, index: int) -> slice:
        """Positions of one block's draws."""
        return slice(index * BLOCK, min((index + 1) * BLOCK, self.draws))

    def block(self, index: int) -> FloatArray:
        """Weights of one block, shape (G, draws in the block)."""
        start, size = self.span(index).start, self.span(index).stop - self.span(index).start
        if self.enumerated:
            numbers = np.arange(start, start + size)
            bits = (numbers[None, :] >> np.arange(self.clusters)[:, None]) & 1
            signs: FloatArray = 1.0 - 2.0 * bits.astype(np.float64)
            return signs
        generator = np.random.default_rng(np.random.SeedSequence(list(self.entropy), spawn_key=(index,)))
        shape = (self.clusters, size)
        if self.kind == "rademacher":
            octets = generator.integers(0, 256, (self.clusters, -(-size // 8)), dtype=np.uint8)
            return np.ascontiguousarray(SIGNS[octets].reshape(self.clusters, -1)[:, :size])
        if self.kind == "webb":
            six: FloatArray = WEBB[generator.integers(0, 6, shape)]
            return six
        root = np.sqrt(5.0)
        low = generator.random(shape) < (root + 1.0) / (2.0 * root)
        points: FloatArray = np.where(low, (1.0 - root) / 2.0, (1.0 + root) / 2.0)
        return points


def weight_draws(kind: str, clusters: int, draws: int, seed: Seed) -> WeightDraws:
    """Plan the draws: all sign vectors where Rademacher weights have at most ``draws`` of them, else random ones.

    Raises
    ------
    InvalidValue
        For an unknown kind, fewer than 2 clusters, or fewer than 99 draws.

    Examples
    --------
    >>> plan = weight_draws("rademacher", 3, 999, seed=1)
    >>> plan.draws, plan.enumerated, plan.block(0)[:, 1]
    (8, True, array([-1.,  1.,  1.]))
    """
    checked = check_kind(kind)
    if clusters < 2:
        raise InvalidValue(
            key="bootstrap_by",
            value=f"{clusters} cluster",
            requirement="at least two clusters",
            remedy="bootstrap by another dimension",
        )
    if isinstance(draws, bool) or not isinstance(draws, int) or draws < 99:
        raise InvalidValue(key="draws", value=draws, requirement="a whole number from 99 on", remedy="pass 9999")
    entropy = _entropy(seed)
    if checked == "rademacher" and clusters < 60 and 2**clusters <= draws:
        return WeightDraws(checked, clusters, 2**clusters, True, entropy)
    return WeightDraws(checked, clusters, draws, False, entropy)


def _entropy(seed: Seed) -> tuple[int, ...]:
    if isinstance(seed, np.random.Generator):
        return tuple(int(word) for word in seed.integers(0, 2**32, 4))
    if isinstance(seed, np.random.SeedSequence):
        return tuple(int(word) for word in seed.generate_state(4))
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise InvalidValue(
            key="seed", value=seed, requirement="a whole number from 0 on", remedy="pass an int or a SeedSequence"
        )
    return tuple(int(word) for word in np.random.SeedSequence(seed).generate_state(4))
