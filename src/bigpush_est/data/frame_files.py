"""Read and write micro data as a folder of CSV or Parquet files.

A folder holds ``panel.csv`` and any of the other frames by name, each as ``.csv``, ``.csv.gz`` or ``.parquet``, and may
hold ``data.toml`` with ``label``, ``source`` and ``sales_definition``.
"""

import gzip
import io
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from bigpush_est.data.frame_schemas import SCHEMAS
from bigpush_est.data.frames import MicroData
from bigpush_est.errors import AmbiguousSource, FrameMissing, OutputOccupied, UnknownKey, UnreadableFile

_ENDINGS = (".csv", ".csv.gz", ".parquet")
_HEAD = ("label", "source", "sales_definition")


def load_micro_data(
    folder: str | Path,
    *,
    columns: Mapping[str, Mapping[str, str]] | None = None,
    extra: Mapping[str, Sequence[str]] | None = None,
    unknown: Literal["refuse", "drop"] = "refuse",
    unmatched: Literal["refuse", "drop"] = "refuse",
) -> MicroData:
    """Read a folder of frames and check them together.

    Parameters
    ----------
    folder
        With ``panel.csv`` (or ``.csv.gz``, ``.parquet``) and any of contracts, groups, regions, sectors, credit,
        trade_fairs, tariffs, complexes; ``data.toml`` says where the data are from.  Identifiers in CSV files are read
        as text, so that "007" stays what it is.
    columns, extra, unknown, unmatched
        As in `MicroData.of`.

    Raises
    ------
    UnreadableFile
        If the folder or a file cannot be read.
    FrameMissing
        If there is no panel.
    AmbiguousSource
        If a frame is there in two formats.
    UnknownKey
        If data.toml says something else.
    FrameError and its kin
        As `MicroData.of`.

    Examples
    --------
    >>> from bigpush_est.data.frame_files import load_micro_data
    >>> from bigpush_est.data.locate import data_folder
    >>> load_micro_data(data_folder("sample_panel")).label
    'synthetic'
    """
    path = Path(folder)
    if not path.is_dir():
        raise UnreadableFile(path=path, reason="there is no such folder", remedy="name a folder with panel.csv in it")
    tables: dict[str, Any] = {}
    for frame in SCHEMAS:
        found = [path / f"{frame}{ending}" for ending in _ENDINGS if (path / f"{frame}{ending}").is_file()]
        if len(found) > 1:
            detail = f"'{frame}' is there as {' and as '.join(file.name for file in found)}"
            raise AmbiguousSource(where=path, detail=detail, remedy="keep one of them")
        if found:
            tables[frame] = _read(frame, found[0], (columns or {}).get(frame, {}))
    if "panel" not in tables:
        raise FrameMissing(
            frame="panel", purpose="every estimator", remedy=f"put panel.csv or panel.parquet into {path}"
        )
    return MicroData.of(
        **tables, **_head(path / "data.toml"), columns=columns, extra=extra, unknown=unknown, unmatched=unmatched
    )


def _read(frame: str, file: Path, names: Mapping[str, str]) -> pd.DataFrame:
    kinds = {column.name: column.kind for column in SCHEMAS[frame].columns}
    texts = {name: "str" for name, kind in kinds.items() if kind == "text"}
    texts |= {name: "str" for name, new in names.items() if kinds.get(new) == "text"}
    remedy = "save it as UTF-8 CSV with a header, or as Parquet"
    try:
        if file.suffix == ".parquet":
            return pd.read_parquet(file)
        # only an empty cell is missing: a region may be called NA
        return pd.read_csv(file, dtype=texts, keep_default_na=False, na_values=[""], encoding="utf-8-sig")
    except ImportError:
        remedy = "pip install pyarrow, which Parquet needs, or save it as CSV"
        raise UnreadableFile(path=file, reason="no reader of Parquet is installed", remedy=remedy) from None
    except (OSError, ValueError) as error:  # pandas' parser errors and Arrow's are ValueErrors
        raise UnreadableFile(path=file, reason=str(error).splitlines()[0] or "empty", remedy=remedy) from None


def _head(file: Path) -> dict[str, Any]:
    if not file.is_file():
        return {}
    try:
        head = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UnreadableFile(path=file, reason=str(error), remedy='write lines such as label = "own"') from None
    for key, value in head.items():
        if key not in _HEAD:
            raise UnknownKey(where=file.name, key=key, value=value, remedy=f"keep only {', '.join(_HEAD)}")
    return head


def write_micro_data(data: MicroData, folder: str | Path, *, overwrite: bool = False) -> list[Path]:
    """Write frames as gzipped CSV files and data.toml; the same data give the same bytes.

    Parameters
    ----------
    data
        What `load_micro_data` is to read again.
    folder
        Made if it is not there.
    overwrite
        Whether files of an earlier writing may be replaced.

    Returns
    -------
    list of Path
        The files, in the order of the frames, data.toml last.

    Raises
    ------
    OutputOccupied
        If a file is in the way.
    """
    path = Path(folder)
    path.mkdir(parents=True, exist_ok=True)
    files = {path / f"{frame}.csv.gz": _compressed(data.frames[frame]) for frame in SCHEMAS if frame in data.frames}
    quoted = {key: str(getattr(data, key)).replace("\\", "\\\\").replace('"', '\\"') for key in _HEAD}
    files[path / "data.toml"] = "".join(f'{key} = "{value}"\n' for key, value in quoted.items()).encode()
    taken = [file.name for file in files if file.exists()]
    if taken and not overwrite:
        remedy = "choose an empty folder, or pass overwrite=True"
        raise OutputOccupied(path=path, holds=", ".join(taken), remedy=remedy)
    for file, content in files.items():
        file.write_bytes(content)
    return list(files)


def _compressed(frame: pd.DataFrame) -> bytes:
    flags = frame.select_dtypes("bool")
    plain = frame.assign(**{str(name): flags[name].astype(int) for name in flags})
    text = plain.to_csv(index=False, lineterminator="\n")
    buffer = io.BytesIO()
    with gzip.GzipFile(fileobj=buffer, mode="wb", mtime=0, filename="", compresslevel=9) as file:
        file.write(text.encode("utf-8"))
    return buffer.getvalue()
