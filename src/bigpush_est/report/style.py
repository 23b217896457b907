"""How the figures look, and how they become bytes that are the same on every run."""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

#: Okabe and Ito's palette: told apart with every common colour blindness, and in grey by lightness.
BLUE, VERMILION, GREEN, ORANGE, SKY, PURPLE = "#0072B2", "#D55E00", "#009E73", "#E69F00", "#56B4E9", "#CC79A7"
INK, GREY, PALE = "#222222", "#6B6B6B", "#D9D9D9"
#: Width of a figure in inches: the text width of an A4 page, so that print shows it at its own size.
WIDTH = 6.9
#: Dots per inch of the PNG files and of what is rasterised inside an SVG.
DPI = 200

_STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",  # ships with matplotlib, so no font of the machine decides the picture
    "font.size": 8.5,
    "axes.titlesize": 9,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 8.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": GREY,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.7,
    "axes.unicode_minus": True,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "text.color": INK,
    "legend.fontsize": 7.5,
    "legend.frameon": False,
    "lines.linewidth": 1.5,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "figure.dpi": 100,
    "svg.fonttype": "path",
    "svg.hashsalt": "bigpush-est",
    "path.simplify": True,
}


@contextmanager
def drawing() -> Iterator[None]:
    """Draw in the report's style, whatever the user's own settings are, and leave those as they were."""
    with matplotlib.rc_context(), warnings.catch_warnings():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_STYLE)
        # a study's own labels may hold letters that the font lacks; the table beside the figure has them
        warnings.filterwarnings("ignore", message=r".*missing from (font|current font)")
        yield


def canvas(height: float, *, arranged: bool = True) -> Figure:
    """Return an empty figure that belongs to no window; ``arranged`` lets its parts find their own places."""
    result = Figure(figsize=(WIDTH, height), layout="constrained" if arranged else None)
    FigureCanvasAgg(result)
    return result


def rendered(picture: Figure) -> tuple[bytes, bytes]:
    """Return a figure as PNG and as SVG; neither holds a date or a program's name."""
    png, svg = io.BytesIO(), io.BytesIO()
    # arrange once, at the size in dots that is saved: letters are wider there by more than in proportion
    picture.set_dpi(DPI)
    picture.draw_without_rendering()
    picture.set_layout_engine("none")
    picture.savefig(png, format="png", dpi=DPI, metadata={"Software": None})
    nothing = {"Date": None, "Creator": None, "Format": None, "Type": None}
    picture.savefig(svg, format="svg", dpi=DPI, metadata=nothing)
    return png.getvalue(), svg.getvalue()


def grid(axes: Axes, axis: str = "y") -> None:
    """Draw faint grid lines behind everything."""
    axes.set_axisbelow(True)
    axes.grid(visible=True, axis="both" if axis == "both" else ("x" if axis == "x" else "y"), color="#E9E9E9", lw=0.6)
