"""A run's folder: what a run writes, atomically, and whether a folder may be written to at all.

run.json          the study's fingerprint, its name, how far the run came
study.json        the study as it was run
draws/main.nc     posterior draws as ArviZ data (netCDF), inputs and versions in the attributes
outcomes/         what each draw implies (NumPy archives)
checkpoints/      one file per finished piece of work; a resumed run reads them back
results.json      every number of the report;  figures.npz: every array behind its figures
index.html        the report;  figures/, tables/: each figure as PNG and SVG, each table as CSV, JSON and LaTeX
"""

import json
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from bigpush_est.errors import OutputOccupied, ResumeRefused, UnreadableFile

MANIFEST = "run.json"


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
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    # -- may it be written? ------------------------------------------------------------------------------------------

    def open(self, study: dict[str, Any], name: str, fingerprint: str, *, resume: bool, overwrite: bool) -> bool:
        """Claim the folder for a study and return whether finished work in it may be used again.

        With ``resume`` and ``overwrite`` together, a run of the same inputs is resumed and any other run replaced.

        Raises
        ------
        OutputOccupied
            If the folder holds another study's run, or files that are no run; nothing is written over.
        ResumeRefused
            If ``resume`` is asked for and the run in the folder was made from other inputs; the message says which.
        """
        if self.path.exists() and not self.path.is_dir():
            raise OutputOccupied(path=self.path, holds="a file of that name", remedy="choose another folder")
        manifest = self.manifest()
        if manifest is None:
            if self.path.is_dir() and any(self.path.iterdir()):
                raise OutputOccupied(
                    path=self.path, holds="files that are not a run", remedy="choose another, empty folder"
                )
        elif manifest["name"] != name and not overwrite:
            raise OutputOccupied(
                path=self.path,
                holds=f"a run of another study, '{manifest['name']}'",
                remedy="choose another folder, or pass --overwrite",
            )
        elif manifest["fingerprint"] != fingerprint and not overwrite:
            changed = self._changes(study)
            if resume:
                raise ResumeRefused(path=self.path, changed=changed, remedy="undo the change, or choose another folder")
            raise OutputOccupied(
                path=self.path,
                holds=f"a run of '{manifest['name']}' with other inputs ({changed})",
                remedy="choose another folder, or pass --overwrite",
            )
        elif manifest["fingerprint"] == fingerprint and not (manifest["finished"] or resume or overwrite):
            raise OutputOccupied(
                path=self.path,
                holds="an interrupted run of this very study",
                remedy="finish it with --resume, or pass --overwrite to begin anew",
            )
        reuse = bool(resume and manifest is not None and manifest["fingerprint"] == fingerprint)
        if not reuse:
            self._clear()
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UnreadableFile(path=self.path, reason=str(error), remedy="choose a folder you may write to") from None
        if not reuse:
            self.write_json("study.json", study)
            self.write_json(MANIFEST, {"name": name, "fingerprint": fingerprint, "finished": False})
        return reuse

    def manifest(self) -> dict[str, Any] | None:
        """Return the run's manifest, or None if the folder holds no run."""
        file = self.path / MANIFEST
        if not file.is_file():
            return None
        manifest: dict[str, Any] = self.read_json(MANIFEST)
        return manifest

    def _changes(self, study: dict[str, Any]) -> str:
        before = _flat(self.read_json("study.json")) if (self.path / "study.json").is_file() else {}
        after = _flat(plain(study))
        keys = sorted(key for key in before.keys() | after.keys() if before.get(key) != after.get(key))
        if not keys:
            return "the published tables or the version of bigpush-est changed"
        shown = "; ".join(f"{key}: {before.get(key)!r} then, {after.get(key)!r} now" for key in keys[:3])
        return shown + (f"; and {len(keys) - 3} more keys" if len(keys) > 3 else "")

    def _clear(self) -> None:
        """Remove what an earlier run of this study wrote, and nothing else."""
        if self.manifest() is None:
            return
        for pattern in (
            "checkpoints/*",
            "draws/*",
            "outcomes/*",
            "figures/*",
            "tables/*",
            "results.json",
            "figures.npz",
            "index.html",
        ):
            for file in self.path.glob(pattern):
                file.unlink()

    # -- files, written whole or not at all --------------------------------------------------------------------------

    def write(self, name: str, writer: Callable[[Path], None]) -> Path:
        """Let ``writer`` fill a temporary file, then put it in place in one step: a kill leaves no half a file."""
        target = self.path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.with_name(f".{target.stem}.{os.getpid()}{target.suffix}")
        try:
            writer(temporary)
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)
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
        """Write named arrays."""

        def save(path: Path) -> None:
            with path.open("wb") as stream:
                np.savez(stream, **arrays)

        return self.write(name, save)

    def read_arrays(self, name: str) -> dict[str, Any]:
        """Read named arrays back."""
        try:
            with np.load(self.path / name) as stored:
                return {key: stored[key] for key in stored.files}
        except (OSError, ValueError) as error:
            raise UnreadableFile(
                path=self.path / name, reason=str(error), remedy="delete this file and resume: the piece is redone"
            ) from None

    def has(self, name: str) -> bool:
        """Whether a file is there."""
        return (self.path / name).is_file()


def _write_text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def _flat(content: Any, prefix: str = "") -> dict[str, Any]:
    if isinstance(content, dict):
        result: dict[str, Any] = {}
        for key, value in content.items():
            result |= _flat(value, f"{prefix}.{key}" if prefix else str(key))
        return result
    return {prefix: content}
