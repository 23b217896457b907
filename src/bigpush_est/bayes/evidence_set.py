"""What any set of estimates says of η and δ: their values, joint covariance, and how theory maps to each.

    direct           b = e·log η − (σ−1)·q·log(1−s̄) + error      winners vs losers
    spillover        b = e·δ + error                             Table 1, Panel A
    complementarity  b = C(log η, δ, s̄) + error                  Table 1, Panel B; see ``Complementarity``

with one exponent e (see ``EXPONENTS``) and (errors) ~ Normal(0, V).  Estimates come from a firm panel, with V from
stacked influence functions; from published tables, whose correlations are unknown and therefore assumed, and shown over
their admissible range; or from a file of the user's own.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike

from bigpush_est.bayes.estimates import KINDS, Estimate, FirstStage, Kind, repaired_covariance, smallest_eigenvalue
from bigpush_est.bayes.evidence import Exponent, Source, exponent_weights, pooled_estimate
from bigpush_est.bayes.evidence_checks import Origin, check_estimates, check_first_stage
from bigpush_est.equilibrium.adoption_map import FloatArray
from bigpush_est.errors import InvalidValue, UnreadableFile

__all__ = ["Estimate", "EvidenceSet", "FirstStage", "Kind", "Origin"]

if TYPE_CHECKING:
    from bigpush_est.data.published import PublishedTables
    from bigpush_est.reduced_form.linear.joint import JointEstimates

FORMAT = "bigpush-est evidence 1"
#: θ/(σ(1+ξ)−1) and ξ as Table 2 has them.
TAIL_INDEX, XI = 4.24 / (5.0 * (1.0 - 0.30) - 1.0), -0.30


@dataclass(frozen=True, slots=True, eq=False)
class EvidenceSet:
    """K estimates, their covariance, and what maps parameters to them.

    Attributes
    ----------
    estimates
        K of them, with names that differ.
    covariance
        V, shape (K, K), positive definite.
    exponent
        Which exponent e the estimates are mapped with.
    tail_index, xi
        θ/(σ(1+ξ)−1), and ξ as printed: what two of the exponents are built from.
    subsidised_share
        q: share of winners whose adoption was subsidised (0 is the paper's mapping).
    label
        "published", "synthetic", "real" or "user".
    sources
        Rows of the report's table of inputs.
    first_stage
        Of the spillover's instrument, where it is known.
    correlation
        "known", or "assumed": then ``with_correlation`` gives the set at another.
    minimum_eigenvalue, repaired
        Smallest eigenvalue of the correlation matrix as it was given, and whether V was repaired.

    Raises
    ------
    ShapeMismatch, InvalidValue
        For names that repeat, values that are not finite, a covariance of another shape, not symmetric or not positive
        definite, an unknown kind, exponent or label.

    Examples
    --------
    >>> evidence = EvidenceSet.of(
    ...     [Estimate("winners", "direct", 0.90), Estimate("Table 1", "spillover", 2.70)], standard_errors=[0.24, 0.73])
    >>> evidence.standard_errors.round(2).tolist()
    [0.24, 0.73]
    >>> EvidenceSet.from_json(evidence.to_json()).described() == evidence.described()
    True
    """

    estimates: tuple[Estimate, ...]
    covariance: FloatArray
    exponent: Exponent = "undistorted"
    tail_index: float = TAIL_INDEX
    xi: float = XI
    subsidised_share: float = 0.0
    label: Origin = "user"
    sources: tuple[Source, ...] = ()
    first_stage: FirstStage | None = None
    correlation: Literal["known", "assumed"] = "known"
    minimum_eigenvalue: float = np.nan
    repaired: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "covariance", np.array(self.covariance, dtype=np.float64))
        check_estimates(self)
        lowest = smallest_eigenvalue(self.covariance, [one.name for one in self.estimates])
        if not self.repaired:
            object.__setattr__(self, "minimum_eigenvalue", lowest)
        if self.first_stage is not None:
            check_first_stage(self, self.first_stage)

    # -- ways in ------------------------------------------------------------------------------------------------------

    @classmethod
    def of(
        cls, estimates: Sequence[Estimate], *, standard_errors: ArrayLike, correlation: float = 0.0, **options: Any
    ) -> Self:
        """Build a set from standard errors and one correlation of all pairs, which is marked as assumed.

        Parameters
        ----------
        estimates
            K of them.
        standard_errors
            Shape (K,), positive.
        correlation
            Of every pair; between −1/(K−1) and 1.
        **options
            Other attributes.

        Raises
        ------
        InputError
            As the class.
        """
        errors = np.asarray(standard_errors, dtype=np.float64)
        if errors.shape != (len(estimates),) or not (np.isfinite(errors) & (errors > 0.0)).all():
            raise InvalidValue(
                key="standard_errors",
                value=errors.tolist(),
                requirement=f"{len(estimates)} positive numbers",
                remedy="state a standard error for each estimate",
            )
        low = -1.0 / max(len(estimates) - 1, 1)
        if not low < correlation < 1.0:
            raise InvalidValue(
                key="correlation",
                value=correlation,
                requirement=f"between {low:.3g} and 1, as {len(estimates)} estimates can have it in common",
                remedy="keep a little distance from the ends, such as ±0.95",
            )
        matrix = np.full((errors.size, errors.size), correlation)
        np.fill_diagonal(matrix, 1.0)
        return cls(
            tuple(estimates),
            matrix * np.outer(errors, errors),
            correlation="assumed" if len(estimates) > 1 else "known",
            **options,
        )

    @classmethod
    def from_estimates(
        cls,
        joint: "JointEstimates",
        *,
        kinds: Mapping[str, Kind] | None = None,
        reduced_form: str = "reduced form",
        first_stage: str = "first stage",
        provenance: str = "stacked influence functions",
        repair: bool = True,
        **options: Any,
    ) -> Self:
        """Build a set from estimates with a joint covariance.

        Parameters
        ----------
        joint
            From ``bigpush_est.reduced_form.linear.joint.joint_covariance``.
        kinds
            Names of the estimates to take, and their kinds; None for those whose names are kinds.
        reduced_form, first_stage
            Names of the instrument's effects; taken where both are there and one estimate is a spillover.
        provenance
            Of each estimate.
        repair
            Repair a covariance that is not positive definite (see ``repaired_covariance``), or refuse it.
        **options
            Other attributes.

        Raises
        ------
        InputError
            As the class; for names that are not among the estimates, or none taken.

        Examples
        --------
        >>> import pandas as pd
        >>> from bigpush_est.reduced_form.linear.joint import joint_covariance
        >>> from bigpush_est.reduced_form.linear.regression import ols
        >>> data = pd.DataFrame({"y": [1.0, 2.0, 2.0, 5.0], "x": [0.0, 1.0, 2.0, 3.0]})
        >>> joint = joint_covariance([ols(data, "y ~ x")], titles=["direct"])
        >>> EvidenceSet.from_estimates(joint, kinds={"direct: x": "direct"}).values.round(1).tolist()
        [1.2]
        """
        chosen: dict[str, Kind] = {kind: kind for kind in KINDS if kind in joint.names} if kinds is None else {**kinds}
        if not chosen:
            raise InvalidValue(
                key="kinds",
                value="none of the estimates",
                requirement="at least one estimate with its kind",
                remedy=f"pass kinds, with names among {', '.join(joint.names)}",
            )
        index = [joint.position(name) for name in chosen]
        found = tuple(
            Estimate(name, kind, float(joint.coefficients[k]), provenance)
            for (name, kind), k in zip(chosen.items(), index, strict=True)
        )
        spilled = [one.name for one in found if one.kind == "spillover"]
        staged = reduced_form in joint.names and first_stage in joint.names and len(spilled) == 1
        pair = [joint.position(reduced_form), joint.position(first_stage)] if staged else []
        others = [k for k, one in zip(index, found, strict=True) if one.kind != "spillover"]
        settings: dict[str, Any] = {"label": "real", **options}
        matrix = joint.matrix
        if repair:
            # the ratio and the two effects behind it are never needed together, and would always be collinear
            blocks = [index, pair + others] if staged else [index]
            checked = [repaired_covariance(matrix[np.ix_(block, block)], list(chosen)) for block in blocks]
            settings["minimum_eigenvalue"] = min(lowest for _, lowest, _ in checked)
            settings["repaired"] = any(changed for _, _, changed in checked)
            if settings["repaired"]:
                every = index + pair
                matrix = matrix.copy()
                matrix[np.ix_(every, every)] = repaired_covariance(matrix[np.ix_(every, every)])[0]
            elif joint.repaired:
                settings["repaired"] = True
        if staged:
            settings["first_stage"] = FirstStage(
                spilled[0],
                float(joint.coefficients[pair[0]]),
                float(joint.coefficients[pair[1]]),
                covariance=matrix[np.ix_(pair, pair)],
                cross=matrix[np.ix_(pair, index)],
            )
        return cls(found, matrix[np.ix_(index, index)], **settings)

    @classmethod
    def from_published(
        cls,
        tables: "PublishedTables | None" = None,
        *,
        direct_standard_error: float,
        direct_source: str,
        direct_figure: str = "direct_effect_log_sales",
        spillover_columns: Sequence[int] = (3,),
        combine: Literal["single", "average", "joint"] = "single",
        within_correlation: float = 0.9,
        complementarity_columns: Sequence[int] = (),
        correlation: float = 0.0,
        **options: Any,
    ) -> Self:
        """Build a set from the paper's published figures.

        The paper prints no standard error of the direct effect, so one has to be stated with its source.  Several
        columns of one panel come from the same firms: they are pooled by ``pooled_estimate``, under whose ``"average"``
        the standard error is the largest that any correlation allows.

        Parameters
        ----------
        tables
            The published figures; None for those that ship.
        direct_standard_error, direct_source, direct_figure
            Standard error of the direct effect, where it comes from, and the figure's id.
        spillover_columns, complementarity_columns
            Columns of Table 1, Panels A and B; no complementarity by default.
        combine, within_correlation
            How several columns are pooled.
        correlation
            Assumed of every pair of the estimates.
        **options
            Other attributes.

        Raises
        ------
        InputError
            As the class; for a figure or column that is not there.

        Examples
        --------
        >>> evidence = EvidenceSet.from_published(direct_standard_error=0.24, direct_source="Table 1's precision")
        >>> evidence.values.tolist(), evidence.correlation
        ([0.9, 2.7], 'assumed')
        """
        from bigpush_est.data.published import load_published

        read = load_published() if tables is None else tables
        figure = read.figure(direct_figure)
        found = [Estimate("direct", "direct", read.value(direct_figure), figure.place)]
        errors = [direct_standard_error]
        sources = [
            Source("Direct effect", f"{found[0].value:g}", figure.unit, "published", figure.place, figure.missing),
            Source("Direct effect, standard error", f"{errors[0]:g}", figure.unit, "assumed", direct_source),
        ]
        columns: list[tuple[Kind, str, Sequence[int]]] = [
            ("spillover", "A", spillover_columns),
            ("complementarity", "B", complementarity_columns),
        ]
        for kind, panel, chosen in columns:
            if not chosen:
                continue
            cells = [read.table1(panel, column) for column in chosen]
            value, error, rule = pooled_estimate(
                [cell.coefficient for cell in cells],
                [cell.standard_error for cell in cells],
                combine if len(cells) > 1 else "single",
                within_correlation,
            )
            numbers = ", ".join(map(str, chosen))
            place = f"Table 1, Panel {panel}, column{'s' if len(cells) > 1 else ''} {numbers} ({rule})"
            found.append(Estimate(kind, kind, value, place))
            errors.append(error)
            label: Literal["published", "derived"] = "published" if len(cells) == 1 else "derived"
            name = kind.capitalize()
            sources += [
                Source(name, f"{value:.4g}", cells[0].unit, label, place),
                Source(f"{name}, standard error", f"{error:.4g}", cells[0].unit, label, place),
            ]
        sources.append(
            Source(
                "Correlation of the estimates",
                f"{correlation:g}",
                "",
                "assumed",
                "unknown from published tables; the answer is shown over its range",
            )
        )
        settings: dict[str, Any] = {"label": "published", "sources": tuple(sources), **options}
        return cls.of(found, standard_errors=errors, correlation=correlation, **settings)

    @classmethod
    def from_csv(cls, path: Path | str, **options: Any) -> "EvidenceSet":
        """Read a file of estimates, see ``bigpush_est.bayes.evidence_csv.read_evidence`` for its format."""
        from bigpush_est.bayes.evidence_csv import read_evidence

        return read_evidence(Path(path), **options)

    # -- what it says -------------------------------------------------------------------------------------------------

    @property
    def values(self) -> FloatArray:
        """Estimates, shape (K,)."""
        return np.array([one.value for one in self.estimates])

    @property
    def standard_errors(self) -> FloatArray:
        """√V_kk, shape (K,)."""
        return np.sqrt(np.diag(self.covariance))

    @property
    def kinds(self) -> FloatArray:
        """Weight of each of theory's effects in an estimate's mean, in the order of ``KINDS``, shape (K, 3).

        1 where the estimate is of the kind; and of a spillover, the exposure to it.
        """
        weights = np.array([[float(one.kind == kind) for kind in KINDS] for one in self.estimates])
        weights[:, KINDS.index("spillover")] += [one.exposure for one in self.estimates]
        return weights

    @property
    def exponent_weights(self) -> tuple[float, float]:
        """(c_0, c_1) with e = (σ − 1)(c_0 + c_1 θ/(σ−1))."""
        return exponent_weights(self.exponent, self.tail_index, self.xi)

    def has(self, kind: Kind) -> bool:
        """Whether some estimate is of a kind."""
        return any(one.kind == kind for one in self.estimates)

    def without(self, *names: str) -> Self:
        """Return the set without some estimates, by name or by kind.

        Raises
        ------
        InvalidValue
            For a name that is not there, or if none would be left.
        """
        kept = [k for k, one in enumerate(self.estimates) if one.name not in names and one.kind not in names]
        known = {one.name for one in self.estimates} | {one.kind for one in self.estimates}
        missing = [name for name in names if name not in known]
        if missing or not kept:
            raise InvalidValue(
                key="without",
                value=missing[0] if missing else list(names),
                requirement="estimates of the set, and not all of them",
                remedy=f"choose from {', '.join(one.name for one in self.estimates)}",
            )
        stage = self.first_stage
        if stage is not None:
            there = stage.spillover in [self.estimates[k].name for k in kept]
            stage = stage.select(kept) if there else None
        chosen = tuple(self.estimates[k] for k in kept)
        return replace(self, estimates=chosen, covariance=self.covariance[np.ix_(kept, kept)], first_stage=stage)

    def with_correlation(self, value: float) -> Self:
        """Return the set with another correlation of every pair.

        Raises
        ------
        InvalidValue
            If the correlations are known, or for a value that K estimates cannot have in common.
        """
        if self.correlation == "known":
            raise InvalidValue(
                key="correlation",
                value=value,
                requirement="left as it is: it is known from the data",
                remedy="use the set as it is",
            )
        kept = ("estimates", "covariance", "correlation", "minimum_eigenvalue", "repaired")
        options = {entry.name: getattr(self, entry.name) for entry in fields(self) if entry.name not in kept}
        return type(self).of(self.estimates, standard_errors=self.standard_errors, correlation=value, **options)

    def worst_case_standard_error(self, weights: ArrayLike) -> float:
        """Return the largest standard error of Σ w_k b_k that any correlation allows: Σ |w_k| SE_k.

        Cocci and Plagborg-Møller (2025): with the variances alone known, it is reached at perfect correlations.
        """
        return float(np.abs(np.asarray(weights, dtype=np.float64)) @ self.standard_errors)

    # -- files --------------------------------------------------------------------------------------------------------

    def described(self) -> dict[str, Any]:
        """Return the set as JSON can hold it, exactly."""
        stage = self.first_stage
        values = {entry.name: getattr(self, entry.name) for entry in fields(self)}
        return values | {
            "format": FORMAT,
            "estimates": [asdict(one) for one in self.estimates],
            "covariance": self.covariance.tolist(),
            "sources": [asdict(one) for one in self.sources],
            "first_stage": None
            if stage is None
            else asdict(stage) | {"covariance": stage.covariance.tolist(), "cross": stage.cross.tolist()},
        }

    def to_json(self) -> str:
        """Return the set as JSON; every number survives to the last bit."""
        return json.dumps(self.described(), indent=1, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str, path: str = "evidence.json") -> Self:
        """Return the set that ``to_json`` wrote.

        Raises
        ------
        UnreadableFile
            For text that is not such a set; ``path`` is named.
        InputError
            As the class.
        """
        try:
            stored = json.loads(text)
            if stored.pop("format", None) != FORMAT:
                raise ValueError(f"it does not say {FORMAT!r}")
            stage = stored["first_stage"]
            if stage is not None:
                arrays = {key: np.asarray(stage[key], dtype=np.float64) for key in ("covariance", "cross")}
                stored["first_stage"] = FirstStage(**stage | arrays)
            stored["estimates"] = tuple(Estimate(**one) for one in stored["estimates"])
            stored["sources"] = tuple(Source(**one) for one in stored["sources"])
            return cls(**stored)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise UnreadableFile(path=path, reason=str(error), remedy="write the file anew with to_json") from None
