"""What a figure is: a Display holds finished numbers, a Plate groups displays as a paper's figure does."""

from __future__ import annotations

import io
import warnings
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import matplotlib
import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from validkit.report.figures import style

SCREEN_DPI = 160
PRINT_DPI = 300
HEAVY_SVG = 200_000
"""characters of SVG above which a page holds the raster picture instead"""
COLUMN_MM, PAGE_MM = 85, 180
"""widths of a journal's column and of its page"""


class Display(ABC):
    """Numbers ready to be drawn. `frame()` returns what is drawn; the repr is text, not a picture."""

    raster: ClassVar[bool] = False
    wide: ClassVar[bool] = False

    @property
    @abstractmethod
    def title(self) -> str:
        """What the panel shows, in a few words."""

    @abstractmethod
    def draw(self) -> Figure:
        """The panel as a matplotlib figure; call inside `house_style()`."""

    @abstractmethod
    def frame(self) -> pd.DataFrame:
        """The drawn numbers."""

    def alt(self) -> str:
        """A description for those who do not see the picture."""
        return self.title

    def figure(self) -> Figure:
        """The panel as a matplotlib figure in the house style."""
        with style.house_style():
            return self.draw()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.title!r}, {len(self.frame())} rows)"


Panels = list[tuple[str, Display]]
"""(suffix, display) of each panel; the suffix distinguishes files"""


@dataclass(frozen=True)
class Plate:
    """A figure of the report: panels side by side, or the reason why there are none.

    panels : (suffix, display); the suffix distinguishes files, "" for a single panel
    """

    name: str
    title: str
    caption: str
    panels: tuple[tuple[str, Display], ...] = ()
    reason: str = ""


@dataclass(frozen=True)
class Drawn:
    """A panel as files: SVG text and PNG bytes, and whether some characters had no glyph.

    raster : the page holds the PNG; png : for the screen, empty where only files for print are asked for; printed : a
    journal's column or page wide; pdf, printed : empty unless asked for
    """

    stem: str
    title: str
    alt: str
    svg: str
    png: bytes
    raster: bool
    wide: bool
    size: tuple[float, float]
    missing_glyphs: bool
    pdf: bytes = b""
    printed: bytes = b""


def draw(plate: Plate, *, for_print: bool = False) -> tuple[Drawn, ...]:
    """Every panel of a plate as SVG and PNG, and for print as PDF and PNG; the same numbers give the same bytes."""
    return tuple(_draw(plate.name, suffix, display, for_print) for suffix, display in plate.panels)


def _draw(name: str, suffix: str, display: Display, for_print: bool) -> Drawn:
    with style.house_style(), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        figure = display.draw()
        FigureCanvasAgg(figure)
        figure.draw_without_rendering()  # lays it out, once for all files
        figure.set_layout_engine("none")
        svg = io.StringIO()
        figure.savefig(svg, format="svg", metadata={"Date": None, "Creator": None})
        raster = display.raster or len(svg.getvalue()) > HEAVY_SVG
        png = _png(figure, SCREEN_DPI, SCREEN_DPI) if raster or not for_print else b""
        pdf = _pdf(figure) if for_print else b""
        printed = _printed(figure, PAGE_MM if display.wide else COLUMN_MM) if for_print else b""
    glyphs = [w for w in caught if "missing from font" in str(w.message)]
    for warning in caught:
        if warning not in glyphs:
            warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
    return Drawn(
        stem=f"{name}-{suffix}" if suffix else name,
        title=display.title,
        alt=display.alt(),
        svg=svg.getvalue(),
        png=png,
        raster=raster,
        wide=display.wide,
        size=(float(figure.get_figwidth()), float(figure.get_figheight())),
        missing_glyphs=bool(glyphs),
        pdf=pdf,
        printed=printed,
    )


def _png(figure: Figure, dpi: float, stated: int) -> bytes:
    """PNG at `dpi` dots an inch of the figure; `stated` is what the file says of its own size."""
    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=dpi, metadata={"Software": None}, pil_kwargs={"dpi": (stated, stated)})
    return out.getvalue()


def _printed(figure: Figure, millimetres: float) -> bytes:
    """PNG that is so many millimetres wide in print."""
    pixels = round(millimetres / 25.4 * PRINT_DPI)
    return _png(figure, pixels / figure.get_figwidth(), PRINT_DPI)


def _pdf(figure: Figure) -> bytes:
    """PDF without a date, fonts embedded as TrueType (Type 42), as journals ask."""
    out = io.BytesIO()
    with matplotlib.rc_context({"pdf.fonttype": 42}):
        figure.savefig(out, format="pdf", metadata={"CreationDate": None, "Creator": None, "Producer": None})
    return out.getvalue()


def stack(frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Frames below each other; no frames give an empty one."""
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()
