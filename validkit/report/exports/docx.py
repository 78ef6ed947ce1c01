"""The manuscript's tables as one Word document: caption above, three rules, notes below, wide ones on turned pages."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

from validkit.report.exports.archive import FIXED, settled
from validkit.report.exports.manuscript import Printed
from validkit.report.page import Cell
from validkit.report.text import ROUNDING, clean

FONT = "Times New Roman"
BODY, SMALL = 10, 8
MARGIN_CM, LONG_CM, SHORT_CM = 2.0, 29.7, 21.0
AFTER_BORDERS = ("w:shd", "w:tblLayout", "w:tblCellMar", "w:tblLook")
RULE = {"val": "single", "sz": "8", "space": "0", "color": "000000"}


def document(printed: Sequence[Printed], about: str) -> bytes:
    """The bytes of a .docx file; about : said in the header of every page."""
    from docx import Document

    found = Document()
    _properties(found)
    _styles(found)
    for i, one in enumerate(printed):
        _page(found, first=i == 0, wide=one.wide)
        if i == 0:
            found.sections[0].header.paragraphs[0].add_run(clean(about))
        _caption(found, f"Table {i + 1}. ", f"{one.title}.")
        _table(found, one)
        for mark, note in one.notes:
            _note(found, mark, note)
    _note(found, "", ROUNDING)
    out = io.BytesIO()
    found.save(out)
    return settled(out.getvalue())


def _properties(found: Any) -> None:
    core = found.core_properties
    core.author = core.last_modified_by = "validkit"
    core.title, core.comments = "Tables", ""
    core.created = core.modified = FIXED
    core.revision = 1


def _styles(found: Any) -> None:
    from docx.oxml.ns import qn
    from docx.shared import Pt, RGBColor

    for name in ("Normal", "Caption", "Header"):
        style = found.styles[name]
        style.font.name, style.font.size = FONT, Pt(SMALL if name == "Header" else BODY)
        style.font.color.rgb, style.font.bold = RGBColor(0, 0, 0), False
        style.element.rPr.rFonts.set(qn("w:eastAsia"), FONT)
        style.paragraph_format.space_after = Pt(4)
    found.styles["Caption"].paragraph_format.keep_with_next = True


def _page(found: Any, *, first: bool, wide: bool) -> None:
    """The page that the next table starts on."""
    from docx.enum.section import WD_ORIENT, WD_SECTION
    from docx.shared import Cm

    section = found.sections[0] if first else found.add_section(WD_SECTION.NEW_PAGE)
    section.orientation = WD_ORIENT.LANDSCAPE if wide else WD_ORIENT.PORTRAIT
    across, down = (LONG_CM, SHORT_CM) if wide else (SHORT_CM, LONG_CM)
    section.page_width, section.page_height = Cm(across), Cm(down)
    for side in ("left_margin", "right_margin", "top_margin", "bottom_margin"):
        setattr(section, side, Cm(MARGIN_CM))


def _caption(found: Any, number: str, title: str) -> None:
    paragraph = found.add_paragraph(style="Caption")
    paragraph.add_run(number).bold = True
    paragraph.add_run(clean(title))


def _table(found: Any, one: Printed) -> None:
    grid = [list(one.table.columns), *one.grid]
    table = found.add_table(rows=len(grid), cols=len(one.table.columns))
    table.autofit = True
    _borders(table._tbl.tblPr, "tblBorders", ("top", "bottom"))
    widths = _widths(one)
    for column, width in zip(table.columns, widths, strict=True):
        column.width = width
    numeric = [any(row[j].numeric for row in one.grid) for j in range(len(one.table.columns))]
    for i, (row, cells) in enumerate(zip(table.rows, grid, strict=True)):
        _whole(row, head=i == 0)
        for place, cell, width, right in zip(row.cells, cells, widths, numeric, strict=True):
            place.width = width
            _cell(place.paragraphs[0], cell, bold=i == 0, right=right)
            if i == 0:
                _borders(place._tc.get_or_add_tcPr(), "tcBorders", ("bottom",))


def _widths(one: Printed) -> list[int]:
    """The room between the margins, shared out by what the columns hold."""
    from docx.shared import Cm

    room = Cm((LONG_CM if one.wide else SHORT_CM) - 2 * MARGIN_CM)
    total = sum(one.widths)
    return [int(room * width / total) for width in one.widths]


def _cell(paragraph: Any, cell: Cell, *, bold: bool, right: bool) -> None:
    from docx.enum.text import WD_ALIGN_PARAGRAPH
    from docx.shared import Cm, Pt

    paragraph.paragraph_format.space_after = Pt(0)
    paragraph.alignment = WD_ALIGN_PARAGRAPH.RIGHT if right else WD_ALIGN_PARAGRAPH.LEFT
    if cell.level:
        paragraph.paragraph_format.left_indent = Cm(0.3)
    _run(paragraph, cell.text.strip()).bold = bold
    if cell.mark:
        _run(paragraph, cell.mark).font.superscript = True
    if cell.sub:
        paragraph.runs[-1].add_break()
        _run(paragraph, cell.sub.strip())


def _run(paragraph: Any, words: str) -> Any:
    from docx.shared import Pt

    run = paragraph.add_run(clean(words))
    run.font.size = Pt(SMALL)
    return run


def _note(found: Any, mark: str, note: str) -> None:
    from docx.shared import Pt

    paragraph = found.add_paragraph()
    paragraph.paragraph_format.space_before, paragraph.paragraph_format.space_after = Pt(2), Pt(0)
    if mark:
        _run(paragraph, mark).font.superscript = True
    _run(paragraph, f" {note}" if mark else note)


def _borders(properties: Any, name: str, sides: Sequence[str]) -> None:
    """Rules on these sides, as Word writes them."""
    from docx.oxml import OxmlElement
    from docx.oxml.ns import qn

    borders = OxmlElement(f"w:{name}")
    for side in sides:
        rule = OxmlElement(f"w:{side}")
        for key, value in RULE.items():
            rule.set(qn(f"w:{key}"), value)
        borders.append(rule)
    properties.insert_element_before(borders, *AFTER_BORDERS)


def _whole(row: Any, *, head: bool) -> None:
    """A row that no page breaks; the head again on every page."""
    from docx.oxml import OxmlElement

    properties = row._tr.get_or_add_trPr()
    properties.append(OxmlElement("w:cantSplit"))
    if head:
        properties.append(OxmlElement("w:tblHeader"))
