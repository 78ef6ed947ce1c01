"""The manuscript's tables as LaTeX, a file each, and `all.tex` that compiles by itself."""

from __future__ import annotations

import math
from collections.abc import Sequence

from validkit.report.exports.characters import escaped, foreign
from validkit.report.exports.manuscript import Printed
from validkit.report.page import Cell

MOST_LINES, MOST_LINES_WIDE, FEWEST_LINES = 44, 52, 12
"""lines of a table and its notes on one page; a longer one is continued on the next"""
NOTE_LINE = 150
"""characters in a line of a note"""
SENTENCE = 60
"""characters of a cell that is set in a box of its own"""
PACKAGES = "\\usepackage{array,booktabs,graphicx}"
HEAD = f"% written by validkit; the preamble needs {PACKAGES}\n"
Lines = list[list[str]]


def latex_files(printed: Sequence[Printed], about: str) -> dict[str, str]:
    """(file name, text) of every table, and of `all.tex`; no tables give none. about : said on the title line."""
    if not printed:
        return {}
    files = {f"{one.name}.tex": latex_table(one) for one in printed}
    return {
        **files,
        "all.tex": _document([one.name for one in printed], about, set().union(*map(foreign, files.values()))),
    }


def latex_table(printed: Printed) -> str:
    """One table, in as many `table` environments as it needs pages."""
    noted = sum(math.ceil(len(note) / NOTE_LINE) for _, note in printed.notes)
    room = max(FEWEST_LINES, (MOST_LINES_WIDE if printed.wide else MOST_LINES) - noted)
    pages = _pages(_blocks(printed), room)
    parts = [_environment(printed, lines, i, last=i == len(pages) - 1) for i, lines in enumerate(pages)]
    return HEAD + "\n".join(parts)


def _environment(printed: Printed, lines: Lines, i: int, *, last: bool) -> str:
    """A page's share of the table: caption above, three rules, notes below the last."""
    title = escaped(printed.title)
    above = rf"\caption{{{title}.}}\label{{tab:{printed.name}}}"
    if i:
        above = rf"\addtocounter{{table}}{{-1}}\caption[]{{{title} (continued).}}"
    notes = "\n\n".join(_note(mark, note) for mark, note in printed.notes) if last else ""
    below = f"\n\\par\\smallskip\n{{\\raggedright\\footnotesize\n{notes}\\par}}" if notes else ""
    body = "\n".join([_row(_heads(printed)), r"\midrule", *(_row(line) for line in lines)])
    return (
        "\\begin{table}[p]\n\\centering\n"
        f"{above}\n\\footnotesize\n"
        "\\resizebox{\\ifdim\\width>\\linewidth\\linewidth\\else\\width\\fi}{!}{%\n"
        f"\\begin{{tabular}}{{{_columns(printed)}}}\n\\toprule\n{body}\n\\bottomrule\n\\end{{tabular}}}}"
        f"{below}\n\\end{{table}}\n"
    )


def _columns(printed: Printed) -> str:
    """How each column is set: numbers right, sentences in a box of their own, other words left."""
    found = []
    for j in range(len(printed.table.columns)):
        cells = [row[j] for row in printed.grid]
        if any(cell.wide or len(cell.text) > SENTENCE for cell in cells):
            found.append(r">{\raggedright\arraybackslash}p{5cm}")
        else:
            found.append("r" if any(cell.numeric for cell in cells) else "l")
    return "".join(found)


def _heads(printed: Printed) -> list[str]:
    return [rf"\shortstack{{{_broken(cell.text)}}}" for cell in printed.table.columns]


def _broken(head: str) -> str:
    """A column's head over lines of about twelve characters."""
    lines: list[str] = []
    for word in head.split():
        if lines and len(lines[-1]) + len(word) < 13:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return r"\\".join(map(escaped, lines))


def _blocks(printed: Printed) -> list[Lines]:
    """Rows that stay together: those under one head, each with its second line where it has one."""
    blocks: list[Lines] = []
    for row, line in zip(printed.table.rows, printed.grid, strict=True):
        lines = [list(map(_text, line))]
        if any(cell.sub for cell in line):
            lines.append([_sub(cell) for cell in line])
        if len(row) < len(printed.table.columns) and blocks:
            blocks[-1] += lines
        else:
            blocks.append(lines)
    return blocks


def _pages(blocks: Sequence[Lines], most: int) -> list[Lines]:
    """The rows over as many pages as they need, each about as full as the others."""
    total = sum(map(len, blocks))
    share = math.ceil(total / math.ceil(total / most)) if total else most
    pages: list[Lines] = [[]]
    for lines in blocks:
        if pages[-1] and (len(pages[-1]) >= share or len(pages[-1]) + len(lines) > most):
            pages.append([])
        pages[-1] += lines
    return pages


def _text(cell: Cell) -> str:
    indent = r"\quad{}" if cell.level else ""
    mark = rf"\textsuperscript{{{cell.mark}}}" if cell.mark else ""
    return f"{indent}{escaped(cell.text.strip())}{mark}"


def _sub(cell: Cell) -> str:
    return escaped(cell.sub.strip()) if cell.sub else ""


def _row(cells: Sequence[str]) -> str:
    return f"{' & '.join(cells)} \\\\"


def _note(mark: str, note: str) -> str:
    return rf"\textsuperscript{{{mark}}}~{escaped(note)}" if mark else escaped(note)


def _document(names: Sequence[str], about: str, strange: set[str]) -> str:
    """A document of every table; characters that pdfLaTeX lacks are printed there by their numbers."""
    declared = "".join(f"  \\DeclareUnicodeCharacter{{{ord(c):04X}}}{{[U+{ord(c):04X}]}}\n" for c in sorted(strange))
    inputs = "".join(f"\\input{{{name}}}\n\\clearpage\n" for name in names)
    return (
        "% written by validkit: pdflatex all; with letters beyond Latin and Greek, lualatex all\n"
        "\\documentclass[a4paper]{article}\n"
        "\\usepackage{iftex}\n"
        f"\\ifPDFTeX\n  \\usepackage[T1]{{fontenc}}\n  \\usepackage{{lmodern}}\n{declared}\\else\n"
        "  \\usepackage{fontspec}\n\\fi\n"
        f"{PACKAGES}\n"
        "\\usepackage[landscape,margin=15mm]{geometry}\n"
        "\\begin{document}\n"
        f"\\noindent {escaped(about)}\n\\clearpage\n{inputs}"
        "\\end{document}\n"
    )
