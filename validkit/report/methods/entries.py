"""What a reference is made of, and how the methods' entries are written down."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Entry", "article", "book", "chapter"]


@dataclass(frozen=True)
class Entry:
    """One reference in BibTeX's words; a field that is not known for certain is "" and left out.

    container : journal, or the book a chapter is in; package : its name among the versions of run.json
    """

    kind: str
    author: str
    title: str
    year: int | None = None
    container: str = ""
    volume: str = ""
    number: str = ""
    pages: str = ""
    publisher: str = ""
    doi: str = ""
    package: str = ""


def article(
    author: str, title: str, container: str, year: int, volume: str, pages: str, doi: str = "", package: str = ""
) -> Entry:
    """A paper in a journal; `volume` may hold the issue: "44(3)"."""
    number = volume.partition("(")[2].rstrip(")")
    return Entry(
        "article", author, title, year, container, volume.partition("(")[0], number, pages, doi=doi, package=package
    )


def chapter(
    author: str, title: str, container: str, year: int, pages: str = "", doi: str = "", package: str = ""
) -> Entry:
    """A paper in proceedings, or a chapter of a book."""
    return Entry("inproceedings", author, title, year, container, pages=pages, doi=doi, package=package)


def book(author: str, title: str, publisher: str, year: int, doi: str = "") -> Entry:
    """A book."""
    return Entry("book", author, title, year, publisher=publisher, doi=doi)
