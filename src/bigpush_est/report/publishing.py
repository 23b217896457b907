"""How reports become files: figures as PNG and SVG, tables as CSV, JSON and LaTeX, and one page that holds them all."""

import base64
from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from matplotlib.figure import Figure

from bigpush_est.report.style import drawing, rendered
from bigpush_est.report.tables import Table
from bigpush_est.run_folder import RunFolder

#: Size up to which a page holds a figure as SVG; above it, as PNG.
LARGEST_SVG = 300_000
STAGE = "Writing the report"

#: A figure's drawing, its text alternative and its caption.
type Drawn = dict[str, tuple[Callable[[], Figure], str, str]]
#: Called with the stage's name, pieces done and pieces in all.
type Told = Callable[[str, int, int], None]
#: What a page shows of a figure: its name, source, text alternative and caption.
type Shown = dict[str, dict[str, Any]]


def write_files(folder: RunFolder, drawn: Drawn, tables: Mapping[str, Table], told: Told, label: str = "") -> Shown:
    """Write ``figures/`` and ``tables/``, and return what the page shows of each figure.

    Parameters
    ----------
    folder
        Where to.
    drawn, tables
        Figures and tables by name.
    told
        Progress; the page itself is one more piece, which ``write_page`` does.
    label
        What the data are.  Files travel without the page: captions and the files' notes end with it.
    """
    total = len(tables) + len(drawn) + 1
    told(STAGE, 0, total)
    end = f" {label}." if label else ""
    shown: Shown = {}
    for done, (name, (draw, alternative, caption)) in enumerate(drawn.items(), start=1):
        with drawing():
            png, svg = rendered(draw())
        for suffix, content in (("png", png), ("svg", svg)):
            folder.write(f"figures/{name}.{suffix}", lambda path, content=content: _write(path, content))  # type: ignore[misc]
        shown[name] = {
            "name": name,
            "source": _embedded(png, svg),
            "alt": alternative + end,
            "caption": caption + end,
        }
        told(STAGE, done, total)
    for done, table in enumerate(tables.values(), start=len(drawn) + 1):
        alone = replace(table, note=f"{table.note}{end}".strip()) if label else table
        folder.write_text(f"tables/{table.name}.csv", alone.csv())
        folder.write_text(f"tables/{table.name}.json", alone.json())
        folder.write_text(f"tables/{table.name}.tex", alone.latex())
        told(STAGE, done, total)
    return shown


def write_page(folder: RunFolder, template: str, styles: tuple[str, ...], told: Told, **content: Any) -> None:
    """Fill a template and write ``index.html``.

    Parameters
    ----------
    folder
        Where to.
    template, styles
        Names of the template and of its style sheets.
    told
        Progress.
    content
        What the template shows; ``figures`` and ``tables`` among it.
    """
    environment = Environment(
        loader=PackageLoader("bigpush_est.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    folder_of = files("bigpush_est.report").joinpath("templates")
    style = "".join(folder_of.joinpath(name).read_text(encoding="utf-8") for name in styles)
    folder.write_text("index.html", environment.get_template(template).render(style=Markup(style), **content))
    total = len(content["figures"]) + len(content["tables"]) + 1
    told(STAGE, total, total)


def present(picture: Figure | None) -> Figure:
    """Return a figure that is known to be there."""
    assert picture is not None
    return picture


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def _embedded(png: bytes, svg: bytes) -> str:
    # as an image, not as inline markup: ids of several SVGs in one document would clash
    if len(svg) <= LARGEST_SVG:
        return "data:image/svg+xml;base64," + base64.b64encode(svg).decode("ascii")
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")
