"""A small simulated panel that ships with the package, so that guides and examples run in seconds.

Synthetic: 1,246 firms in 17 regions, drawn by `bigpush_est.data.firm_panel` from the seed in its README.  Nothing
in it is Korea's data.
"""

from functools import cache

from bigpush_est.data.frame_files import load_micro_data
from bigpush_est.data.frames import MicroData
from bigpush_est.data.locate import data_folder


@cache
def sample_panel() -> MicroData:
    """Return the shipped sample.

    Raises
    ------
    UnreadableFile
        If the package was installed without it.

    Examples
    --------
    >>> from bigpush_est.data.sample_panel import sample_panel
    >>> data = sample_panel()
    >>> data.label, data.firms, data.years
    ('synthetic', 1246, (1970, 1982))
    """
    return load_micro_data(data_folder("sample_panel"))
