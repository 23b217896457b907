"""A user's own estimates from CSV: ``estimates.csv``, and beside it ``covariance.csv`` where the covariance is known.

``estimates.csv`` has one row per estimate.

| Column | Meaning |
|---|---|
| name | of the estimate, each once |
| kind | direct, spillover or complementarity; reduced_form and first_stage for the spillover's instrument |
| value | the estimate, in log points of sales (per unit of adopter share for a spillover) |
| standard_error | above 0; may be empty where covariance.csv is there |
| exponent | optional: which exponent maps it, the same in all rows |
| provenance | optional: where it comes from |

``covariance.csv`` has the columns name and then every name of ``estimates.csv``; one row per name.  Without it, one
correlation of all pairs is assumed, and the set says so.
"""

from pathlib import Path
from typing import Any

import numpy as np

from bigpush_est.bayes.estimates import KINDS, Estimate, FirstStage, Kind
from bigpush_est.bayes.evidence import EXPONENTS, Source
from bigpush_est.bayes.evidence_set import EvidenceSet
from bigpush_est.data.checked_csv import Row, read_rows
from bigpush_est.equilibrium.adoption_map import FloatArray
from bigpush_est.errors import AmbiguousSource, InvalidValue, MissingKey

#: Kinds of rows that are no estimates of their own.
INSTRUMENT = ("reduced_form", "first_stage")
#: Relative difference that rounding of a printed standard error may cause.
ROUNDING = 0.02
_REMEDY = "check this row of your estimates"


def read_evidence(path: Path, *, correlation: float = 0.0, **options: Any) -> EvidenceSet:
    r"""Read a set of estimates.

    Parameters
    ----------
    path
        ``estimates.csv``, or the folder in which it stands; ``covariance.csv`` is looked for beside it.
    correlation
        Assumed of every pair where there is no ``covariance.csv``.
    **options
        Other attributes of ``EvidenceSet``, such as ``subsidised_share`` or ``exponent``.

    Raises
    ------
    InputError
        Naming file, row, column and value; as ``EvidenceSet``.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder) / "estimates.csv"
    ...     _ = file.write_text("name,kind,value,standard_error\nmine,spillover,2.1,0.5\n", encoding="utf-8")
    ...     read_evidence(file).estimates[0].kind
    'spillover'
    """
    file = path / "estimates.csv" if path.is_dir() else path
    rows = list(read_rows(file, ["name", "kind", "value"], ["standard_error", "exponent", "provenance"], _REMEDY))
    names, kinds = [], []
    for row in rows:
        name = row.text("name")
        if name in names:
            raise row.refuse("name", "unlike every other", "give each estimate a name of its own")
        names.append(name)
        kinds.append(row.choice("kind", [*KINDS, *INSTRUMENT]))
    values = [row.number("value") for row in rows]
    options = {"label": "user", **options, "exponent": _exponent(rows, options.get("exponent"))}
    beside = file.parent / "covariance.csv"
    matrix = _covariance(beside, names, rows) if beside.is_file() else None
    index = [k for k, kind in enumerate(kinds) if kind not in INSTRUMENT]
    if not index:
        raise MissingKey(where=file.name, key="an estimate", remedy=f"give a row of kind {', '.join(KINDS)}")
    estimates = tuple(
        Estimate(names[k], _kind(kinds[k]), values[k], rows[k].cells["provenance"] or file.name) for k in index
    )
    options.setdefault("sources", tuple(_sources(rows, file.name)))
    if matrix is None:
        if len(index) < len(rows):
            raise MissingKey(
                where=file.name,
                key="covariance.csv",
                remedy="reduced form and first stage need their covariance with each other and with the estimates",
            )
        errors = [_standard_error(row) for row in rows]
        return EvidenceSet.of(estimates, standard_errors=errors, correlation=correlation, **options)
    stage = _first_stage(file.name, kinds, names, values, matrix, index)
    return EvidenceSet(estimates, matrix[np.ix_(index, index)], first_stage=stage, **options)


def _kind(text: str) -> Kind:
    return next(kind for kind in KINDS if kind == text)


def _standard_error(row: Row) -> float:
    error = row.number("standard_error") if row.cells["standard_error"] else 0.0
    if error <= 0.0:
        raise row.refuse("standard_error", "above 0", "state a standard error, or give covariance.csv beside the file")
    return error


def _exponent(rows: list[Row], asked: Any) -> Any:
    """Return the one exponent of all rows, which may not contradict the one that is asked for."""
    found = asked
    for row in rows:
        if not row.cells["exponent"]:
            continue
        given = row.choice("exponent", list(EXPONENTS))
        if found is not None and given != found:
            raise row.refuse("exponent", f"{found}, as elsewhere", "map all estimates with one exponent")
        found = given
    return "undistorted" if found is None else found


def _sources(rows: list[Row], file: str) -> list[Source]:
    return [
        Source(row.cells["name"], f"{row.number('value'):g}", "", "user", row.cells["provenance"] or file)
        for row in rows
    ]


def _covariance(path: Path, names: list[str], rows: list[Row]) -> FloatArray:
    """Return the covariance in the estimates' order, held against the standard errors where those are given too."""
    found: dict[str, list[float]] = {}
    for row in read_rows(path, ["name", *names], remedy="check this row against your covariance matrix"):
        name = row.text("name")
        if name not in names or name in found:
            raise row.refuse("name", "each name of estimates.csv once", f"the names are {', '.join(names)}")
        found[name] = [row.number(column) for column in names]
    lacking = [name for name in names if name not in found]
    if lacking:
        raise MissingKey(where=path.name, key=lacking[0], remedy="give one row per estimate")
    matrix = np.array([found[name] for name in names])
    for k, row in enumerate(rows):
        if row.cells["standard_error"]:
            stated, implied = _standard_error(row), float(np.sqrt(max(matrix[k, k], 0.0)))
            if abs(stated - implied) > ROUNDING * implied:
                raise AmbiguousSource(
                    where=f"{row.file}, row {row.line}, standard_error",
                    detail=f"{stated:g} here, but covariance.csv implies {implied:g}",
                    remedy="correct one of the two, or leave this cell empty",
                )
    return matrix


def _first_stage(
    file: str, kinds: list[str], names: list[str], values: list[float], matrix: FloatArray, index: list[int]
) -> FirstStage | None:
    pair = [[k for k, kind in enumerate(kinds) if kind == wanted] for wanted in INSTRUMENT]
    spilled = [k for k in index if kinds[k] == "spillover"]
    if not pair[0] and not pair[1]:
        return None
    if [len(one) for one in (*pair, spilled)] != [1, 1, 1]:
        raise InvalidValue(
            key=f"{file}, kind",
            value=f"{len(pair[0])} reduced_form, {len(pair[1])} first_stage, {len(spilled)} spillover",
            requirement="one of each, where any of the first two is there",
            remedy="give both effects of the instrument, and the spillover that is their ratio",
        )
    where = [pair[0][0], pair[1][0]]
    return FirstStage(
        names[spilled[0]],
        values[where[0]],
        values[where[1]],
        covariance=matrix[np.ix_(where, where)],
        cross=matrix[np.ix_(where, index)],
    )
