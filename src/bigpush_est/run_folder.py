"""A run's folder: what a run writes, atomically, and whether a folder may be written to at all.

run.json          the study's fingerprint, its name, how far the run came
study.json        the study as it was run
draws/main.nc     posterior draws as ArviZ data (netCDF), inputs and versions in the attributes
outcomes/         what each draw implies (NumPy archives)
checkpoints/      one file per finished piece of work; a resumed run reads them back
results.json      every number of the report;  figures.npz: every array behind its figures
index.html        the report;  figures/, tables/: each figure as PNG and SVG, each table as CSV, JSON and LaTeX
"""

import hashlib
import json
import math
import os
import weakref
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from bigpush_est.errors import OutputOccupied, ResumeRefused, UnreadableFile, UnwritableFolder

try:
    import fcntl
except ImportError:  # not on Windows: two runs in one folder are then not kept apart
    fcntl = None  # type: ignore[assignment]

MANIFEST, LOCK, STAMP = "run.json", ".lock", "stamp"
FORMAT = "bigpush-est run 1"
#: What reading a damaged archive can raise.
DAMAGE = (OSError, ValueError, EOFError, KeyError, AttributeError, TypeError, zipfile.BadZipFile)
#: What a run writes, and what replacing it removes.
WRITTEN = (
    "checkpoints/*.npz",
    "checkpoints/*.json",
    "draws/*.nc",
    "outcomes/*.npz",
    "figures/*.png",
    "figures/*.svg",
    "tables/*.csv",
    "tables/*.json",
    "tables/*.tex",
    "results.json",
    "figures.npz",
    "index.html",
)


def plain(value: Any) -> Any:
    """Return a value that JSON can hold exactly: NaN and infinities become null."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


class RunFolder:
    """The folder of one run.

    Parameters
    ----------
    path
        The folder.
    stamp
        Fingerprint of the run that writes here: saved pieces carry it, and pieces that carry another are not read.
    """

    def __init__(self, path: Path, stamp: str = "") -> None:
        self.path = path
        self.stamp = stamp
        self._lock: weakref.finalize[..., RunFolder] | None = None

    # -- may it be written? ------------------------------------------------------------------------------------------

    def open(self, study: dict[str, Any], name: str, fingerprint: str, *, resume: bool, overwrite: bool) -> bool:
        """Claim the folder for a study and return whether finished work in it may be used again.

        With ``resume`` and ``overwrite`` together, a run of the same inputs is resumed and any other run replaced.

        Raises
        ------
        OutputOccupied
            If the folder holds another study's run, a run in progress, or files that are no run; nothing is written
            over.
        ResumeRefused
            If ``resume`` is asked for and the run in the folder was made from other inputs; the message says which.
        """
        self._check(study, name, fingerprint, resume=resume, overwrite=overwrite)
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UnwritableFolder(path=self.path, reason=str(error)) from None
        self._take_lock()
        # once more, now that nobody else can change it
        manifest = self._check(study, name, fingerprint, resume=resume, overwrite=overwrite)
        reuse = bool(resume and manifest is not None and manifest["fingerprint"] == fingerprint)
        self.stamp = fingerprint
        # the manifest comes first: a kill right after it leaves a run that can be resumed or replaced
        self.write_manifest(name, finished=False)
        if not reuse and manifest is not None:
            self._clear()
        self.write_json("study.json", study)
        return reuse

    def _check(
        self, study: dict[str, Any], name: str, fingerprint: str, *, resume: bool, overwrite: bool
    ) -> dict[str, Any] | None:
        if self.path.exists() and not self.path.is_dir():
            raise OutputOccupied(path=self.path, holds="a file of that name", remedy="choose another folder")
        manifest = self.manifest()
        if manifest is None:
            if self.path.is_dir() and any(file.name != LOCK for file in self.path.iterdir()):
                raise OutputOccupied(
                    path=self.path, holds="files that are not a run", remedy="choose another, empty folder"
                )
            return None
        if manifest["name"] != name and not overwrite:
            raise OutputOccupied(
                path=self.path,
                holds=f"a run of another study, '{manifest['name']}'",
                remedy="choose another folder, or pass --overwrite",
            )
        if manifest["fingerprint"] != fingerprint and not overwrite:
            changed = self._changes(study)
            if resume:
                raise ResumeRefused(path=self.path, changed=changed, remedy="undo the change, or choose another folder")
            raise OutputOccupied(
                path=self.path,
                holds=f"a run of '{manifest['name']}' with other inputs ({changed})",
                remedy="choose another folder, or pass --overwrite",
            )
        if manifest["fingerprint"] == fingerprint and not (manifest["finished"] or resume or overwrite):
            raise OutputOccupied(
                path=self.path,
                holds="an interrupted run of this very study",
                remedy="finish it with --resume, or pass --overwrite to begin anew",
            )
        return manifest

    def _take_lock(self) -> None:
        """Hold the folder until this process ends, however it ends."""
        if fcntl is None or self._lock is not None:
            return
        try:
            handle = os.open(self.path / LOCK, os.O_RDWR | os.O_CREAT)
        except OSError as error:
            raise UnwritableFolder(path=self.path, reason=str(error)) from None
        lock = weakref.finalize(self, os.close, handle)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock()
            raise OutputOccupied(
                path=self.path, holds="a run in progress", remedy="wait for it, or choose another folder"
            ) from None
        self._lock = lock

    def release(self) -> None:
        """Let go of the folder."""
        if self._lock is not None:
            self._lock()
            self._lock = None

    def write_manifest(self, name: str, *, finished: bool) -> None:
        """Say whose run the folder holds, and whether it is finished."""
        self.write_json(MANIFEST, {"format": FORMAT, "name": name, "fingerprint": self.stamp, "finished": finished})

    def manifest(self) -> dict[str, Any] | None:
        """Return the run's manifest, or None if the folder holds no run.

        Raises
        ------
        UnreadableFile
            If there is one but it is damaged or another program's.
        """
        if not self.has(MANIFEST):
            return None
        content = self.read_json(MANIFEST)
        if (
            not isinstance(content, dict)
            or content.get("format") != FORMAT
            or not {"name", "fingerprint"} <= set(content)
        ):
            raise UnreadableFile(
                path=self.path / MANIFEST,
                reason="it is damaged, or not a run of this program",
                remedy="choose another folder",
            )
        return content

    def _changes(self, study: dict[str, Any]) -> str:
        before = _flat(self.read_json("study.json")) if self.has("study.json") else {}
        after = _flat(plain(study))
        keys = sorted(key for key in before.keys() | after.keys() if before.get(key) != after.get(key))
        if not keys:
            return "the published tables, bigpush-est or a package it samples with changed"
        shown = "; ".join(f"{key}: {before.get(key)!r} then, {after.get(key)!r} now" for key in keys[:3])
        return shown + (f"; and {len(keys) - 3} more keys" if len(keys) > 3 else "")

    def _clear(self) -> None:
        """Remove what a run writes, by name: no other files, nothing behind links."""
        for pattern in WRITTEN:
            parent = self.path / Path(pattern).parent
            if parent.is_symlink():
                continue
            for file in parent.glob(Path(pattern).name):
                if file.is_file() and not file.is_symlink():
                    file.unlink()

    # -- files, written whole or not at all --------------------------------------------------------------------------

    def write(self, name: str, writer: Callable[[Path], None]) -> Path:
        """Let ``writer`` fill a temporary file, then put it in place in one step: a kill leaves no half a file."""
        target = self.path / name
        temporary = target.with_name(f".{target.stem}.{os.getpid()}{target.suffix}")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                writer(temporary)
                temporary.replace(target)
            finally:
                temporary.unlink(missing_ok=True)
        except OSError as error:
            raise UnwritableFolder(path=target, reason=str(error)) from None
        return target

    def write_text(self, name: str, text: str) -> Path:
        """Write a text file."""
        return self.write(name, lambda path: _write_text(path, text))

    def write_json(self, name: str, content: Any) -> Path:
        """Write JSON; NaN and infinities become null."""
        return self.write_text(name, json.dumps(plain(content), indent=1, ensure_ascii=False, allow_nan=False) + "\n")

    def read_json(self, name: str) -> Any:
        """Read JSON back.

        Raises
        ------
        UnreadableFile
            If it is damaged.
        """
        try:
            return json.loads((self.path / name).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise UnreadableFile(
                path=self.path / name, reason=str(error), remedy="run the study anew in another folder"
            ) from None

    def write_arrays(self, name: str, arrays: dict[str, Any]) -> Path:
        """Write named arrays, stamped."""

        def save(path: Path) -> None:
            with path.open("wb") as stream:
                np.savez(stream, allow_pickle=False, **(arrays | {STAMP: np.array(self._mark(name))}))

        return self.write(name, save)

    def read_arrays(self, name: str) -> dict[str, Any]:
        """Read named arrays back.

        Raises
        ------
        UnreadableFile
            If the file is damaged.
        """
        try:
            arrays = self._arrays(name)
            return {key: values for key, values in arrays.items() if key != STAMP}
        except DAMAGE as error:
            raise UnreadableFile(
                path=self.path / name, reason=str(error), remedy="finish the run again with --resume"
            ) from None

    def stored_arrays(self, name: str) -> dict[str, Any] | None:
        """Return arrays that this very run saved under this name; None if there are none, damaged or foreign ones."""
        try:
            arrays = self._arrays(name)
            mark = arrays.pop(STAMP)
            return arrays if str(mark) == self._mark(name) else None
        except DAMAGE:
            return None

    def _arrays(self, name: str) -> dict[str, Any]:
        with (self.path / name).open("rb") as stream, np.load(stream) as stored:
            return {key: stored[key] for key in stored.files}

    def write_piece(self, name: str, content: Any) -> Path:
        """Write a finished piece of work as JSON, stamped and with a checksum."""
        content = plain(content)
        return self.write_json(name, {STAMP: self._mark(name), "checksum": _checksum(content), "content": content})

    def stored_piece(self, name: str) -> Any:
        """Return the piece that this very run saved under this name; None if there is none, or no good one."""
        try:
            stored = json.loads((self.path / name).read_text(encoding="utf-8"))
            if stored[STAMP] == self._mark(name) and stored["checksum"] == _checksum(stored["content"]):
                return stored["content"]
        except (OSError, ValueError, KeyError, TypeError):
            pass
        return None

    def _mark(self, name: str) -> str:
        return f"{self.stamp}:{name}"

    def has(self, name: str) -> bool:
        """Whether a file is there."""
        return (self.path / name).is_file()


def _checksum(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _write_text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def _flat(content: Any, prefix: str = "") -> dict[str, Any]:
    if isinstance(content, dict):
        result: dict[str, Any] = {}
        for key, value in content.items():
            result |= _flat(value, f"{prefix}.{key}" if prefix else str(key))
        return result
    return {prefix: content}
