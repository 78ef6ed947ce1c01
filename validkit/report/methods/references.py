"""References by their key in the text: as BibTeX, and in a line for the page."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from validkit.report.methods.entries import Entry
from validkit.report.methods.papers import PAPERS
from validkit.report.methods.tools import TOOLS

__all__ = ["REFERENCES", "bibtex", "cited", "line", "version_of"]

REFERENCES: dict[str, Entry] = {**PAPERS, **TOOLS}
"""every reference that a methods text may cite"""
_KEYS = "|".join(map(re.escape, REFERENCES))
CITATION = re.compile(rf"\[((?:{_KEYS})(?:; (?:{_KEYS}))*)\]")
"""`[DeLong1988]`, `[DeLong1988; Sun2014]`"""
MOST_AUTHORS = 6
_VERSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z.+!_-]{0,39}")
_ACCENT = re.compile(r"\{\\(.)([A-Za-z])\}")
_ACCENTED = {('"', "o"): "ö", ("'", "a"): "á", ("~", "n"): "ñ"}
_FIELDS = ("volume", "number", "pages", "publisher", "doi")


def cited(*texts: str) -> tuple[str, ...]:
    """The keys cited, each once, in order of appearance."""
    groups = [match.split("; ") for text in texts for match in CITATION.findall(text)]
    return tuple(dict.fromkeys(key for group in groups for key in group))


def bibtex(keys: Iterable[str], versions: Mapping[str, object] | None = None) -> str:
    """The entries of these keys as BibTeX; `versions` of run.json go into the notes of software."""
    return "\n".join(_bibtex(key, REFERENCES[key], versions or {}) for key in dict.fromkeys(keys))


def _bibtex(key: str, entry: Entry, versions: Mapping[str, object]) -> str:
    container = {"article": "journal", "inproceedings": "booktitle"}.get(entry.kind, "howpublished")
    fields = {"author": entry.author, "title": f"{{{entry.title}}}", container: entry.container.replace("&", r"\&")}
    fields |= {"year": str(entry.year or "")} | {name: str(getattr(entry, name)) for name in _FIELDS}
    version = version_of(entry, versions)
    fields["note"] = f"Version {version}".replace("_", r"\_") if version else ""
    lines = [f"  {name} = {{{value}}}," for name, value in fields.items() if value.strip("{}")]
    return "\n".join([f"@{entry.kind}{{{key},", *lines, "}", ""])


def version_of(entry: Entry, versions: Mapping[str, object]) -> str:
    """The version of a package as run.json tells it; "" where it tells none, or nothing that is a version."""
    found = str(versions.get(entry.package) or "") if entry.package else ""
    return found if _VERSION.fullmatch(found) else ""


def line(key: str, versions: Mapping[str, object]) -> str:
    """A reference without its DOI: `Youden WJ. Index for rating diagnostic tests. Cancer 1950; 3(1): 32–35.`"""
    entry = REFERENCES[key]
    where = entry.container or entry.publisher
    number = f"({entry.number})" if entry.number else ""
    place = f"{entry.volume}{number}: {entry.pages}" if entry.volume else entry.pages
    told = "; ".join(filter(None, [f"{where} {entry.year or ''}".strip(), place.replace("--", "–")]))
    version = version_of(entry, versions)
    parts = [_authors(entry.author), entry.title, told, f"Version {version}" if version else ""]
    return " ".join(part if part[-1] in ".?!" else f"{part}." for part in parts if part)


def _authors(author: str) -> str:
    plain = _ACCENT.sub(lambda m: _ACCENTED.get((m[1], m[2]), m[2]), author)
    names = [_name(one) for one in plain.split(" and ")]
    return ", ".join(names if len(names) <= MOST_AUTHORS else [*names[:3], "et al."])


def _name(author: str) -> str:
    """`DeLong, E. R.` as `DeLong ER`."""
    if author == "others":
        return "et al."
    if author.startswith("{"):
        return author.strip("{}")
    family, _, given = author.partition(", ")
    return f"{family} {given.replace('.', '').replace(' ', '')}".strip()
