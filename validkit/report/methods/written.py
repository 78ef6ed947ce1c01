"""The methods text as Markdown for a word processor, and as a chapter of the page."""

from __future__ import annotations

import re
from pathlib import Path

from validkit.report import text
from validkit.report.methods.paragraph import methods
from validkit.report.methods.references import CITATION, REFERENCES, bibtex, line
from validkit.report.page import Block, Cell, Details, Row, Text, table
from validkit.report.records import Run
from validkit.store import write_text

__all__ = ["methods_blocks", "methods_markdown", "references_bibtex", "write_methods"]

PLACE, MARKDOWN, BIBTEX = "methods", "methods.md", "references.bib"
"""the folder beside the page, like figures and tables no record of the run, and its files"""
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~^$&@!])")
COPY = f"Copy: {PLACE}/{MARKDOWN}, {PLACE}/{BIBTEX}."


def write_methods(run: Run, folder: Path) -> None:
    """The text and its references, in the run folder."""
    write_text(folder / PLACE / MARKDOWN, methods_markdown(run))
    write_text(folder / PLACE / BIBTEX, references_bibtex(run))


def methods_markdown(run: Run) -> str:
    """Pandoc's Markdown: citations are `[@DeLong1988]`, found in references.bib; nothing of a record is markup."""
    parts = ["---", f"bibliography: {BIBTEX}", "---", "", "# Methods", ""]
    for paragraph in methods(run).paragraphs:
        parts += [f"## {paragraph.heading}", "", _markdown(paragraph.text), ""]
    return "\n".join(parts)


def _markdown(words: str) -> str:
    """The text escaped, all but its citations."""
    parts, end = [], 0
    for match in CITATION.finditer(words):
        keys = match[1].split("; ")
        parts += [_SPECIAL.sub(r"\\\1", words[end : match.start()]), f"[{'; '.join(f'@{key}' for key in keys)}]"]
        end = match.end()
    return "".join([*parts, _SPECIAL.sub(r"\\\1", words[end:])])


def references_bibtex(run: Run) -> str:
    """The references that the text cites, software with its version."""
    return bibtex(methods(run).keys, run.info.get("versions") or {})


def methods_blocks(run: Run) -> list[Block]:
    """The paragraphs with numbered citations, the files to copy from, and the numbered references."""
    whole = methods(run)
    numbers = {key: i for i, key in enumerate(whole.keys, 1)}

    def numbered(match: re.Match[str]) -> str:
        return f"[{', '.join(str(numbers[key]) for key in match[1].split('; '))}]"

    blocks: list[Block] = [Text(COPY)]
    blocks += [Text(f"{one.heading}. {CITATION.sub(numbered, one.text)}") for one in whole.paragraphs]
    versions = run.info.get("versions") or {}
    body: list[Row] = []
    for key, i in numbers.items():
        doi = REFERENCES[key].doi
        body.append([Cell(str(i), head=True), Cell(line(key, versions), wide=True), f"doi:{doi}" if doi else text.DASH])
    return [*blocks, Details(f"References ({len(body)})", (table("References", ["No.", "Reference", "DOI"], body),))]
