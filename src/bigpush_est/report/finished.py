"""What a finished run left behind, for those who read it later."""

from pathlib import Path
from typing import Any

from bigpush_est.errors import UnreadableFile
from bigpush_est.run_folder import RunFolder


def finished_run(path: Path) -> tuple[RunFolder, dict[str, Any]]:
    """Return the folder of a finished run and the content of its ``results.json``.

    Raises
    ------
    UnreadableFile
        If the folder holds no run, or one that is not finished.
    """
    folder = RunFolder(path)
    manifest = folder.manifest()
    if manifest is None:
        raise UnreadableFile(path=path, reason="it holds no run", remedy="name the folder given to run --out")
    if not manifest["finished"]:
        raise UnreadableFile(
            path=path, reason="its run is not finished", remedy="finish it with bigpush-est run STUDY --resume"
        )
    results: dict[str, Any] = folder.read_json("results.json")
    return folder, results
