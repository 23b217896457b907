"""Where the shipped files lie: inside the package when it is installed from a wheel, else in the repository.

Examples
--------
>>> from bigpush_est.data.locate import data_folder
>>> data_folder("published").name
'published'
"""

from pathlib import Path

from bigpush_est.errors import UnreadableFile

_PACKAGE = Path(__file__).resolve().parents[1]
_REPOSITORY = _PACKAGE.parents[1]  # src/bigpush_est -> repository root; meaningless in a wheel, where it is not used


def _shipped(installed: Path, checkout: Path) -> Path:
    # The installed copy comes first: beside a wheel, "two folders up" is somebody else's folder.
    for folder in (installed, checkout):
        if folder.is_dir():
            return folder
    raise UnreadableFile(
        path=checkout,
        reason=f"there is no such folder, nor {installed}",
        remedy="install the package again, or name a folder of your own",
    )


def data_folder(name: str) -> Path:
    """Return the folder of a data set that comes with the package.

    Parameters
    ----------
    name : str
        The data set, for instance ``"published"``.

    Returns
    -------
    Path
        An existing folder.

    Raises
    ------
    UnreadableFile
        If no data set of that name is shipped.

    Examples
    --------
    >>> from bigpush_est.data.locate import data_folder
    >>> (data_folder("published") / "table1.csv").is_file()
    True
    """
    return _shipped(_PACKAGE / "_data" / name, _REPOSITORY / "data" / name)


def models_folder() -> Path:
    """Return the folder of the study specifications that come with the package.

    Returns
    -------
    Path
        An existing folder.

    Raises
    ------
    UnreadableFile
        If the package was installed without them.

    Examples
    --------
    >>> from bigpush_est.data.locate import models_folder
    >>> models_folder().name in {"models", "_models"}
    True
    """
    return _shipped(_PACKAGE / "_models", _REPOSITORY / "models")
