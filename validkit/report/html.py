"""The page: one HTML file that needs no network, everything from the records escaped.

A page has our script, and Plotly's where there are curves to toggle, by their hashes the only ones that the page's
policy lets run; without them nothing is lost.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any
from urllib.parse import quote

import jinja2
from markupsafe import Markup
from PIL import Image

from validkit.report import text
from validkit.report.acceptance import acceptance_notice, declared
from validkit.report.answers import run_answer
from validkit.report.figures.base import Drawn, Plate, draw
from validkit.report.figures.stage_panels import MOST_SALIENCY
from validkit.report.frontpage import at_thresholds, headline, who
from validkit.report.notices import notices
from validkit.report.page import Answer, Card, Missing, Notice, Section, Widget, attempt
from validkit.report.records import NotAvailable, Run, dig
from validkit.report.sections import sections
from validkit.report.subject import subject_title

WEBP_QUALITY = 75
GLYPHS = "Some characters have no glyph in the font of the figures; the tables spell them."


@dataclass(frozen=True)
class Picture:
    """An inlined image: data address, description, size in CSS pixels, and whether it may scroll on a phone."""

    source: str
    alt: str
    width: int
    height: int
    wide: bool


@dataclass(frozen=True)
class Shown:
    """A figure as the page shows it."""

    number: int
    plate: Plate
    pictures: tuple[Picture, ...]
    note: str


@dataclass(frozen=True)
class Document:
    """A page of chapters; who : terms and what they are, under the answer; written_from : what it is drawn from."""

    name: str
    question: str
    who: Sequence[tuple[str, str]]
    notices: Sequence[Notice]
    sections: Sequence[Section]
    plates: Sequence[Plate]
    version: str
    written_from: str
    synthetic: bool = False
    answer: Answer | None = None


def render(run: Run, plates: Sequence[Plate], drawn: Mapping[str, tuple[Drawn, ...]]) -> str:
    """The page as text; the same records and drawings give the same bytes."""
    shown = {plate.name: _shown(i, plate, drawn[plate.name]) for i, plate in enumerate(plates, 1)}
    chapters = sections(run, {plate.name: plate for plate in plates})
    template = _environment().get_template("report.html.j2")
    page = template.render(
        question=_fact(run, "protocol.question") or "(no question was recorded)",
        name=_fact(run, "protocol.name") or run.folder.name,
        synthetic=run.synthetic,
        who=who(run),
        answer=run_answer(run),
        heading=subject_title(run),
        notices=[*_accepted(run), *notices(run)],
        cards=_cards(run),
        at_thresholds=attempt("At declared thresholds", lambda: at_thresholds(run)),
        sections=chapters,
        figures=shown,
        rounding=text.ROUNDING,
        version=_fact(run, "validkit"),
        written_from="the records of this run",
        scripts=_scripts(chapters),
    )
    return page.rstrip() + "\n"


def render_document(document: Document) -> str:
    """A page that is no run's: an audit, or a study's claims; the same document gives the same bytes."""
    drawn = {plate.name: draw(plate) for plate in document.plates}
    page = (
        _environment()
        .get_template("page.html.j2")
        .render(
            question=document.question,
            name=document.name,
            synthetic=document.synthetic,
            answer=document.answer,
            who=document.who,
            notices=document.notices,
            sections=document.sections,
            figures={plate.name: _shown(i, plate, drawn[plate.name]) for i, plate in enumerate(document.plates, 1)},
            rounding=text.ROUNDING,
            version=document.version,
            written_from=document.written_from,
            scripts=_scripts(document.sections),
        )
    )
    return page.rstrip() + "\n"


def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.PackageLoader("validkit.report", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_printable,
        trim_blocks=True,
        lstrip_blocks=True,
    )


@dataclass(frozen=True)
class Script:
    """Code, and the source that the page's policy allows: its SHA-256 alone."""

    code: Markup
    source: Markup


def _scripts(sections: Iterable[Section]) -> list[Script]:
    """Plotly's script first where there are curves, then ours."""
    ours = (resources.files("validkit.report") / "templates" / "interactive.js").read_text(encoding="utf-8")
    return [*([_plotly()] if _has_curves(sections) else []), _script(ours)]


@functools.cache
def _plotly() -> Script:
    from plotly.offline import get_plotlyjs

    return _script(get_plotlyjs())


def _script(code: str) -> Script:
    digest = base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()
    return Script(Markup(code), Markup(f"sha256-{digest}"))


def _has_curves(sections: Iterable[Section]) -> bool:
    return any(isinstance(block, Widget) and block.name == "curves" for one in sections for block in one.blocks)


def _printable(value: Any) -> Any:
    """Text from records without characters that hide or reorder what is read."""
    return text.clean(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _shown(i: int, plate: Plate, drawn: Sequence[Drawn]) -> Shown:
    notes = [GLYPHS] if any(d.missing_glyphs for d in drawn) else []
    if plate.name == "08-grad-cam" and len(drawn) == MOST_SALIENCY:
        notes.append(f"At most the first {MOST_SALIENCY} patients are drawn.")
    return Shown(i, plate, tuple(map(_picture, drawn)), " ".join(notes))


def _picture(drawn: Drawn) -> Picture:
    source = _webp(drawn.png) if drawn.raster else _svg(drawn.svg)
    width, height = (round(96 * inches) for inches in drawn.size)
    return Picture(source, drawn.alt, width, height, drawn.wide)


def _webp(png: bytes) -> Markup:
    """A picture as a data address, a fifth of the PNG's size; the PNG itself lies in the folder of figures."""
    out = io.BytesIO()
    Image.open(io.BytesIO(png)).convert("RGB").save(out, format="WEBP", quality=WEBP_QUALITY, method=4)
    return Markup(f"data:image/webp;base64,{base64.b64encode(out.getvalue()).decode()}")


def _svg(svg: str) -> Markup:
    """An SVG as a data address without what draws nothing; shorter than base64, and with no quote or ampersand."""
    body = re.sub(r"<!--.*?-->|<metadata>.*?</metadata>|<\?xml[^>]*>|<!DOCTYPE[^>]*>", "", svg, flags=re.DOTALL)
    body = re.sub(r"\s+", " ", re.sub(r">\s+<", "><", body)).strip()
    body = body.replace("%", "%25").replace("'", "%27").replace('"', "'")
    return Markup("data:image/svg+xml," + quote(body, safe=" %=:/;.,()-+<>!@$*?[]|^`{}~'"))


def _fact(run: Run, path: str) -> str:
    value = dig(run.info, path)
    return "" if value is None else str(value)


def _accepted(run: Run) -> list[Notice]:
    """What the declared criteria come to, unless all are met, which the answer says; nothing where none is declared."""
    notice = acceptance_notice(run) if declared(run) else None
    return [notice] if notice is not None and notice.severity == "warning" else []


def _cards(run: Run) -> list[Card] | Missing:
    try:
        return headline(run)[1:]
    except NotAvailable as reason:
        return Missing(subject_title(run), str(reason))
