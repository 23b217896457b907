"""What a set of estimates refuses."""

from typing import TYPE_CHECKING, Literal

import numpy as np

from bigpush_est.bayes.estimates import KINDS, FirstStage, smallest_eigenvalue
from bigpush_est.bayes.evidence import EXPONENTS
from bigpush_est.errors import InvalidValue, ShapeMismatch

if TYPE_CHECKING:
    from bigpush_est.bayes.evidence_set import EvidenceSet

type Origin = Literal["published", "synthetic", "real", "user"]

ORIGINS: tuple[Origin, ...] = ("published", "synthetic", "real", "user")


def check_estimates(evidence: "EvidenceSet") -> None:
    """Refuse estimates, a covariance's shape or settings that make no set."""
    names = [one.name for one in evidence.estimates]
    if not names or len(set(names)) < len(names):
        raise InvalidValue(
            key="estimates", value=names, requirement="at least one, with names that differ", remedy="name each"
        )
    for one in evidence.estimates:
        if one.kind not in KINDS:
            raise InvalidValue(
                key=f"kind of {one.name}",
                value=one.kind,
                requirement=f"one of {', '.join(KINDS)}",
                remedy="say which effect it estimates",
            )
        if not np.isfinite(one.value):
            raise InvalidValue(
                key=one.name, value=one.value, requirement="finite", remedy="leave the estimate out, or mend it"
            )
        if not np.isfinite(one.exposure) or (one.exposure != 0.0 and one.kind != "direct"):
            raise InvalidValue(
                key=f"exposure of {one.name}",
                value=one.exposure,
                requirement="finite, and of a direct estimate only",
                remedy="give the difference in adopter shares between those compared, or leave it at 0",
            )
    size = len(names)
    if evidence.covariance.shape != (size, size):
        raise ShapeMismatch(
            key="covariance",
            shape=evidence.covariance.shape,
            expected=f"({size}, {size})",
            remedy="one row an estimate",
        )
    for key, value, choices in (("exponent", evidence.exponent, EXPONENTS), ("label", evidence.label, ORIGINS)):
        if value not in choices:
            raise InvalidValue(
                key=key, value=value, requirement=f"one of {', '.join(choices)}", remedy="choose from the list"
            )
    if not 0.0 <= evidence.subsidised_share <= 1.0:
        raise InvalidValue(
            key="subsidised_share", value=evidence.subsidised_share, requirement="in [0, 1]", remedy="pass a share"
        )
    if not (evidence.tail_index > 0.0 and evidence.xi > -1.0):
        raise InvalidValue(
            key="tail_index, xi",
            value=f"{evidence.tail_index:g}, {evidence.xi:g}",
            requirement="positive, and above −1",
            remedy="use θ/(σ(1+ξ)−1) and ξ of the kept share τ̄ z^ξ",
        )


def check_first_stage(evidence: "EvidenceSet", stage: FirstStage) -> None:
    """Refuse a first stage whose density, joint with the other estimates, does not exist."""
    spilled = [k for k, one in enumerate(evidence.estimates) if one.name == stage.spillover]
    if not spilled or evidence.estimates[spilled[0]].kind != "spillover":
        raise InvalidValue(
            key="first_stage.spillover",
            value=stage.spillover,
            requirement="the name of a spillover estimate",
            remedy=f"choose from {', '.join(one.name for one in evidence.estimates)}",
        )
    shapes = (np.shape(stage.covariance), np.shape(stage.cross))
    if shapes != ((2, 2), (2, len(evidence.estimates))):
        raise ShapeMismatch(
            key="first_stage.covariance, .cross",
            shape=shapes,
            expected=f"(2, 2) and (2, {len(evidence.estimates)})",
            remedy="order them as reduced form, first stage",
        )
    others = [k for k in range(len(evidence.estimates)) if k != spilled[0]]
    matrix = np.block(
        [
            [stage.covariance, stage.cross[:, others]],
            [stage.cross[:, others].T, evidence.covariance[np.ix_(others, others)]],
        ]
    )
    smallest_eigenvalue(matrix, ["reduced form", "first stage", *(evidence.estimates[k].name for k in others)])
