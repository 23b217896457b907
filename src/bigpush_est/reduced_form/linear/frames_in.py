"""What every design asks of a frame before it works on it: columns that are there, keys that are known and unique."""

from collections.abc import Sequence
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bigpush_est.errors import InvalidValue, MissingKey, WrongType


def as_pandas(data: Any, what: str) -> pd.DataFrame:
    """Take a frame of pandas, polars or Arrow as pandas, its rows numbered from 0.

    Parameters
    ----------
    data
        The frame.
    what
        Its name in messages.

    Raises
    ------
    WrongType
        If it is no frame.

    Examples
    --------
    >>> import polars as pl
    >>> as_pandas(pl.DataFrame({"firm": [1, 2]}), "firms").shape
    (2, 1)
    """
    try:
        frame = nw.from_native(data, eager_only=True).to_pandas()
    except TypeError:
        raise WrongType(
            key=what,
            value=type(data).__name__,
            expected="a frame of pandas, polars or Arrow",
            remedy="build a data frame from it",
        ) from None
    result: pd.DataFrame = frame.reset_index(drop=True)
    return result


def require_columns(frame: pd.DataFrame, columns: Sequence[str], what: str, known: bool = True) -> None:
    """Refuse a frame that lacks a column, or, if they have to be known, holds a missing entry in one.

    Raises
    ------
    MissingKey
        For a column that is not there.
    InvalidValue
        For a missing entry; the message gives the first rows.
    """
    for column in columns:
        if column not in frame.columns:
            raise MissingKey(where=what, key=column, remedy=f"its columns are {', '.join(map(str, frame.columns))}")
        if known and frame[column].isna().any():
            rows = np.flatnonzero(frame[column].isna().to_numpy())
            raise InvalidValue(
                key=f"{what}, column '{column}'",
                value=f"missing in {rows.size} rows, first {', '.join(map(str, rows[:3]))}",
                requirement="known in every row",
                remedy="fill or drop those rows",
            )


def require_unique(frame: pd.DataFrame, columns: Sequence[str], what: str) -> None:
    """Refuse a frame in which two rows have the same key.

    Raises
    ------
    InvalidValue
        The message names the first key that comes twice.
    """
    twice = frame.duplicated(list(columns), keep=False).to_numpy()
    if twice.any():
        rows = np.flatnonzero(twice)
        key = ", ".join(f"{name} {frame[name].iloc[rows[0]]}" for name in columns)
        raise InvalidValue(
            key=f"{what}, key ({', '.join(columns)})",
            value=f"{key} in rows {', '.join(map(str, rows[:3]))}; {rows.size} such rows",
            requirement="unique",
            remedy="keep one row of each",
        )


def flags(values: pd.Series, key: str) -> NDArray[np.bool_]:
    """Take a column of 0 and 1, or of booleans, as booleans.

    Raises
    ------
    InvalidValue
        For any other entry.
    """
    numbers = pd.to_numeric(values, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    wrong = np.flatnonzero(~np.isin(numbers, (0.0, 1.0)))
    if wrong.size:
        raise InvalidValue(
            key=key,
            value=f"{values.iloc[wrong[0]]!r} in row {wrong[0]}; {wrong.size} such rows",
            requirement="0 or 1",
            remedy="code it as 0 and 1",
        )
    result: NDArray[np.bool_] = numbers == 1.0
    return result


def codes_of(values: pd.Series, levels: pd.Index) -> NDArray[np.int64]:
    """Place of each entry in a list of labels, −1 where it is missing or not in the list."""
    return levels.get_indexer(pd.Index(values.to_numpy())).astype(np.int64)
