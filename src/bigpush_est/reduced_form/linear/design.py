"""From a data frame and a formula to arrays: which rows are used, which columns, and what was left out.

Rows are dropped in this order, each counted: missing values in a column that the formula names, values that a
transformation leaves undefined (the log of zero), singletons of the fixed effects, over and over until none is left.
Columns are built by formulaic with pyfixest's ``i()``.
"""

import difflib
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd
from formulaic import Formula  # type: ignore[import-untyped]
from formulaic.errors import FormulaicError  # type: ignore[import-untyped]
from numpy.typing import NDArray

from bigpush_est.errors import (
    AllMissing,
    EmptySample,
    InvalidFormula,
    InvalidValue,
    MissingCluster,
    NonFiniteValues,
    NonPositiveWeights,
    OneCluster,
    UndefinedValues,
    UnknownColumn,
    WrongType,
)
from bigpush_est.reduced_form.linear.clusters import Clusters
from bigpush_est.reduced_form.linear.formula import FormulaParts, split_outside_brackets

type FloatArray = NDArray[np.float64]
type Codes = NDArray[np.int64]

#: What a column of a design is.
EXOGENOUS, ENDOGENOUS, INSTRUMENT = 0, 1, 2


@dataclass(frozen=True, slots=True)
class Dropped:
    """What was left out of a regression.

    Attributes
    ----------
    rows
        Rows of the data frame.
    missing
        Rows with a missing value in a column that the formula or the weights name.
    undefined
        Further rows in which a transformation is not defined.
    singletons
        Further rows that are alone in a level of a fixed effect.
    collinear, collinear_instruments
        Regressors and excluded instruments that are collinear with those before them.
    absorbed, absorbed_instruments
        Regressors and excluded instruments that do not vary within the fixed effects.
    """

    rows: int
    missing: int
    undefined: int
    singletons: int
    collinear: tuple[str, ...] = ()
    collinear_instruments: tuple[str, ...] = ()
    absorbed: tuple[str, ...] = ()
    absorbed_instruments: tuple[str, ...] = ()

    @property
    def used(self) -> int:
        """N."""
        return self.rows - self.missing - self.undefined - self.singletons

    def describe(self) -> str:
        """In words: how many rows, and which columns.

        Examples
        --------
        >>> Dropped(rows=10, missing=2, undefined=0, singletons=1).describe()
        '7 of 10 rows used; dropped 2 missing, 1 singleton'
        """
        counts = [(self.missing, "missing"), (self.undefined, "undefined"), (self.singletons, "singleton")]
        rows = ", ".join(f"{count:,} {kind}" for count, kind in counts if count)
        columns = [
            (self.collinear, "collinear"),
            (self.absorbed, "absorbed by the fixed effects"),
            (self.collinear_instruments, "collinear instruments"),
            (self.absorbed_instruments, "instruments absorbed by the fixed effects"),
        ]
        text = [f"{self.used:,} of {self.rows:,} rows used" + (f"; dropped {rows}" if rows else "")]
        text += [f"{kind}: {', '.join(names)}" for names, kind in columns if names]
        return "; ".join(text)


@dataclass(frozen=True, slots=True)
class Design:
    """Columns of a regression before fixed effects are taken out.

    Attributes
    ----------
    columns
        Outcome, exogenous and endogenous regressors and instruments, in this order, shape (N, 1 + C).
    outcome
        Name of the outcome.
    names
        Of the C columns after it.
    kinds
        Of the same: EXOGENOUS, ENDOGENOUS or INSTRUMENT, shape (C,).
    effects
        Per fixed effect, the level of every row, 0 … L − 1.
    effect_names
        As the formula writes them.
    weights
        Shape (N,), or None.
    clusters
        Codes of the rows used, or None.
    labels
        Labels of the clusters, one column per dimension, indexed by ``rows``.
    rows
        Index labels of the rows used; positions for a frame without an index.
    dropped
        What was left out.
    """

    columns: FloatArray
    outcome: str
    names: tuple[str, ...]
    kinds: NDArray[np.int64]
    effects: tuple[Codes, ...]
    effect_names: tuple[str, ...]
    weights: FloatArray | None
    clusters: Clusters | None
    labels: pd.DataFrame
    rows: pd.Index
    dropped: Dropped


def build_design(
    data: Any, parts: FormulaParts, cluster: Sequence[str], weights: str | None, *, drop_singletons: bool
) -> Design:
    """Select rows and build columns.

    Parameters
    ----------
    data
        pandas, polars or PyArrow data.
    parts
        From ``parse_formula``.
    cluster
        Columns of the clusters' dimensions.
    weights
        Column of the weights.
    drop_singletons
        Whether to drop rows that are alone in a level of a fixed effect.

    Raises
    ------
    WrongType, UnknownColumn, AllMissing, NonFiniteValues, NonPositiveWeights, MissingCluster, OneCluster, EmptySample
        As their names say.
    """
    modelled = _variables(parts)
    frame, rows = select_columns(data, modelled, tuple(cluster), weights)
    total = len(frame)
    used = sorted({*modelled, *((weights,) if weights else ())})
    present = np.ones(total, dtype=np.bool_)
    for column in used:
        missing = frame[column].isna().to_numpy()
        if total and missing.all():
            raise AllMissing(column=column, role=_role(column, parts, weights), rows=total)
        present &= ~missing
        _check_finite(frame[column], rows)
    missing_rows = total - int(present.sum())
    if not present.any():
        raise EmptySample(
            rows=total, dropped="every one misses a value", remedy="leave out the columns that are often missing"
        )
    frame, rows = _keep(frame, rows, present)
    _check_weights(frame, weights, rows)

    columns, names, kinds, defined = _columns(frame, parts)
    undefined_rows = len(frame) - int(defined.sum())
    frame, rows = _keep(frame, rows, defined)
    keep = np.ones(len(frame), dtype=np.bool_)
    effects = tuple(_levels(frame, effect) for effect in parts.fixed_effects)
    if effects and drop_singletons and len(frame):
        keep = ~_singletons(effects)
    singletons = len(frame) - int(keep.sum())
    dropped = Dropped(total, missing_rows, undefined_rows, singletons)
    if dropped.used == 0:
        raise EmptySample(
            rows=total,
            dropped=f"{missing_rows} missing, {undefined_rows} undefined, {singletons} singletons of the fixed effects",
            remedy="use coarser fixed effects or check the columns",
        )
    if singletons:
        frame, rows = _keep(frame, rows, keep)
        columns = columns[keep]
        effects = tuple(pd.factorize(effect[keep])[0].astype(np.int64) for effect in effects)
    labels = frame[list(cluster)].set_axis(rows)
    return Design(
        columns=columns,
        outcome=parts.outcome,
        names=names,
        kinds=kinds,
        effects=effects,
        effect_names=parts.effect_names,
        weights=None if weights is None else frame[weights].to_numpy(dtype=np.float64),
        clusters=build_clusters(labels),
        labels=labels,
        rows=rows,
        dropped=dropped,
    )


def select_columns(
    data: Any, modelled: Sequence[str], cluster: Sequence[str], weights: str | None
) -> tuple[pd.DataFrame, pd.Index]:
    """Take the named columns of any data frame as pandas, with the rows' labels.

    Raises
    ------
    WrongType
        For anything that narwhals does not read as a data frame.
    UnknownColumn
        With the closest names that there are.
    """
    frame = None if isinstance(data, pd.DataFrame) else _table(data)
    available = list(data.columns if frame is None else frame.columns)
    roles = [(column, "formula") for column in modelled] + [(column, "cluster") for column in cluster]
    roles += [(weights, "weights")] if weights is not None else []
    for column, role in roles:
        if column not in available:
            near = difflib.get_close_matches(str(column), [str(name) for name in available], n=3)
            remedy = f"did you mean {' or '.join(near)}" if near else f"the data has {', '.join(map(str, available))}"
            raise UnknownColumn(column=column, role=role, remedy=remedy)
    wanted = list(dict.fromkeys(column for column, _ in roles))
    for column in wanted:
        if available.count(column) > 1:
            raise InvalidValue(
                key=f"column '{column}'", value="there twice", requirement="there once", remedy="rename one of the two"
            )
    if frame is None:
        selected = data[wanted]
        rows = data.index
    else:
        selected = pd.DataFrame({column: frame[column].to_numpy() for column in wanted})
        rows = pd.RangeIndex(len(selected))
    plain = {}
    for column in wanted:
        values = selected[column]
        # nullable integers and floats of pandas and PyArrow become float64, in which missing is NaN
        if pd.api.types.is_numeric_dtype(values.dtype) and not isinstance(values.dtype, np.dtype):
            kind = "boolean" if pd.api.types.is_bool_dtype(values.dtype) else "float64"
            values = values if kind == "boolean" else pd.Series(values.to_numpy("float64", na_value=np.nan))
        plain[column] = values.array
    return pd.DataFrame(plain, index=pd.RangeIndex(len(selected)), copy=False), rows


def _table(data: Any) -> nw.DataFrame[Any]:
    try:
        return nw.from_native(data, eager_only=True)
    except TypeError:
        raise WrongType(
            key="data",
            value=type(data).__name__,
            expected="a pandas, polars or PyArrow table",
            remedy="pass a data frame; collect a lazy one first",
        ) from None


def build_clusters(labels: pd.DataFrame) -> Clusters | None:
    """Code the clusters of the rows used, one column per dimension; None for no column.

    Raises
    ------
    MissingCluster
        For a missing label: it could mean a cluster of its own, which the data has to say.
    OneCluster
        For a single label.
    """
    if labels.shape[1] == 0:
        return None
    for name in labels.columns:
        missing = labels[name].isna().to_numpy()
        if missing.any():
            raise MissingCluster(
                column=name,
                count=int(missing.sum()),
                row=labels.index[int(np.flatnonzero(missing)[0])],
                remedy="drop those rows, or give each a label of its own",
            )
    clusters = Clusters.build({str(name): labels[name].array for name in labels.columns})
    for name, count in zip(clusters.names, clusters.counts, strict=True):
        if count < 2:
            raise OneCluster(
                name=name,
                value=labels[name].iloc[0],
                remedy="cluster by something that varies, or not in this way",
            )
    return clusters


def _variables(parts: FormulaParts) -> tuple[str, ...]:
    """Every column that the formula needs."""
    try:
        names = set(Formula(f"{parts.outcome} ~ {parts.right_hand_side}").required_variables)
    except FormulaicError as error:
        raise InvalidFormula(
            formula=parts.text, reason=str(error).splitlines()[0], remedy="write 'y ~ x1 + x2 | effects'"
        ) from None
    names -= {"i", "log"}  # functions that pyfixest adds
    names |= {column for effect in parts.fixed_effects for column in effect}
    return tuple(sorted(str(name) for name in names))


def _columns(
    frame: pd.DataFrame, parts: FormulaParts
) -> tuple[FloatArray, tuple[str, ...], NDArray[np.int64], NDArray[np.bool_]]:
    """Build outcome and columns, their names and kinds; also which rows are defined."""
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")  # what transformations leave undefined is counted below
            matrices = Formula(f"{parts.outcome} ~ {parts.right_hand_side}").get_model_matrix(
                frame, na_action="drop", output="pandas", context=_transformations()
            )
            terms = [
                set(Formula(text, _ordering="none")) if text is not None else set()
                for text in (parts.exogenous, parts.endogenous, parts.instruments)
            ]
    except FormulaicError as error:
        reason = " ".join(str(error).split())
        raise InvalidFormula(formula=parts.text, reason=reason, remedy="check the names and the operators") from None
    left, right = matrices.lhs, matrices.rhs
    if left.shape[1] != 1 or not _is_numeric(left.iloc[:, 0]):
        raise WrongType(
            key=f"outcome {parts.outcome}",
            value=f"{left.shape[1]} columns",
            expected="one numeric column",
            remedy="turn it into numbers",
        )
    _check_listed_once(parts, terms)
    kind_of = np.full(right.shape[1], EXOGENOUS)
    for term, positions in right.model_spec.term_slices.items():
        if str(term) != "1":
            kind_of[positions] = next((kind for kind in (ENDOGENOUS, INSTRUMENT) if term in terms[kind]), EXOGENOUS)
    order = [
        position
        for position in np.argsort(kind_of, kind="stable")
        if not (right.columns[position] == "Intercept" and parts.fixed_effects)
    ]
    columns = np.empty((len(left), 1 + len(order)))
    columns[:, 0] = left.iloc[:, 0].to_numpy()
    for place, position in enumerate(order, start=1):
        columns[:, place] = right.iloc[:, position].to_numpy()
    defined = np.ones(len(frame), dtype=np.bool_)
    if len(left) < len(frame) or not np.isfinite(columns.sum()):
        finite = np.isfinite(columns).all(axis=1)
        defined[:] = False
        defined[left.index.to_numpy()[finite]] = True
        columns = columns[finite]
        named = [name for name in (parts.outcome, *map(str, right.columns)) if "(" in name or "/" in name]
        if not defined.all():
            lost = UndefinedValues(count=int((~defined).sum()), terms=", ".join(named) or parts.text)
            warnings.warn(lost, stacklevel=4)
    return columns, tuple(str(right.columns[position]) for position in order), kind_of[order], defined


def _check_listed_once(parts: FormulaParts, terms: list[set[Any]]) -> None:
    for first, second, what in (
        (terms[ENDOGENOUS], terms[EXOGENOUS], "endogenous and exogenous"),
        (terms[INSTRUMENT], terms[EXOGENOUS], "excluded instruments and regressors"),
        (terms[INSTRUMENT], terms[ENDOGENOUS], "instruments and endogenous regressors"),
    ):
        common = sorted(str(term) for term in first & second if str(term) != "1")
        if common:
            raise InvalidFormula(
                formula=parts.text, reason=f"{', '.join(common)} are both {what}", remedy="list each term once"
            )


def _transformations() -> dict[str, Any]:
    """Return pyfixest's additions to formulaic's own functions.

    This is the one place that reaches into pyfixest's formula package: ``i()`` has no public address.  A test holds its
    columns against ``pyfixest.feols``.
    """
    from pyfixest.estimation.formula.factor_interaction import factor_interaction
    from pyfixest.estimation.formula.utils import log

    return {"i": factor_interaction, "log": log}


def _levels(frame: pd.DataFrame, columns: tuple[str, ...]) -> Codes:
    """Code a fixed effect's levels: every combination of its columns that occurs."""
    codes: Codes = pd.factorize(frame[columns[0]].array)[0].astype(np.int64)
    for column in columns[1:]:
        other, levels = pd.factorize(frame[column].array)
        codes = pd.factorize(codes * max(len(levels), 1) + other)[0].astype(np.int64)
    return codes


def _singletons(effects: tuple[Codes, ...]) -> NDArray[np.bool_]:
    """Rows alone in a level, over and over until none is left; one pass is pyfixest's."""
    from pyfixest.estimation import detect_singletons

    table = np.column_stack(effects)
    single = np.zeros(len(table), dtype=np.bool_)
    while True:
        kept = np.flatnonzero(~single)
        if kept.size == 0:
            return single
        recoded = np.column_stack([pd.factorize(column[kept])[0] for column in table.T]) if single.any() else table
        found = np.asarray(detect_singletons(recoded.astype(np.int64)), dtype=np.bool_)
        if not found.any():
            return single
        single[kept[found]] = True


def _keep(frame: pd.DataFrame, rows: pd.Index, mask: NDArray[np.bool_]) -> tuple[pd.DataFrame, pd.Index]:
    if mask.all():
        return frame, rows
    return frame[mask].reset_index(drop=True), rows[mask]


def _check_finite(column: pd.Series, rows: pd.Index) -> None:
    if not (isinstance(column.dtype, np.dtype) and column.dtype.kind == "f"):
        return
    infinite = np.isinf(column.to_numpy())
    if infinite.any():
        raise NonFiniteValues(
            column=column.name,
            count=int(infinite.sum()),
            row=rows[int(np.flatnonzero(infinite)[0])],
            remedy="drop those rows, or set them to missing",
        )


def _check_weights(frame: pd.DataFrame, weights: str | None, rows: pd.Index) -> None:
    if weights is None:
        return
    if not _is_numeric(frame[weights]):
        raise WrongType(key="weights", value=weights, expected="a numeric column", remedy="pass positive numbers")
    wrong = frame[weights].to_numpy() <= 0
    if wrong.any():
        first = int(np.flatnonzero(wrong)[0])
        raise NonPositiveWeights(
            column=weights,
            count=int(wrong.sum()),
            row=rows[first],
            value=frame[weights].iloc[first],
            remedy="drop those rows",
        )


def _is_numeric(column: pd.Series) -> bool:
    return bool(pd.api.types.is_numeric_dtype(column.dtype))


def _role(column: str, parts: FormulaParts, weights: str | None) -> str:
    if column == weights:
        return "weights"
    if column in split_outside_brackets(parts.outcome, "+"):
        return "outcome"
    if any(column in effect for effect in parts.fixed_effects):
        return "fixed effect"
    return "regressor or instrument"
