"""Records to a report: figures, tables and one HTML page, drawn from a run folder and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import RenderableType

__all__ = ["render_report", "summary"]


def render_report(run: Path, *, exports: bool = False) -> Path:
    """Draw a run folder's figures, tables and `report.html` from its records; returns the page's path.

    exports : also what goes into a manuscript: figures/*.pdf and PNG at 300 dpi, tables.xlsx, tables.docx, *.tex
    The same records give the same bytes. InputError where the folder is no run folder or a record is not valid JSON;
    what a record lacks is said on the page.
    """
    from validkit.report.render import write_report

    return write_report(Path(run), exports=exports)


def summary(run: Path) -> RenderableType:
    """About a dozen lines for the terminal: headline numbers, notices, where the report is."""
    from validkit.report.terminal import summary_of

    return summary_of(Path(run))
