"""A map.toml proposed from the names and values of a centre's table: a beginning that a person must check."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from pathlib import Path

import numpy as np
import pandas as pd

from validkit.bundle import Locked
from validkit.bundle.manifest import PredictorFacts
from validkit.centre.units import likely_factor, span_of
from validkit.cohort.faults import CohortError, Fault
from validkit.cohort.source import locate, read_table
from validkit.cohort.table import is_missing
from validkit.sections.cohort import cell_number, same_cell

__all__ = ["Draft", "draft_map"]

IMAGE = re.compile(r"\.(png|jpe?g|tiff?|bmp|dcm|nii(\.gz)?|nrrd|mha|mhd)$", re.IGNORECASE)
WORDS = {
    "patient": ("patient", "patient id", "case", "id", "subject", "pid", "study id", "record"),
    "image": ("image", "image path", "file", "us image", "picture", "filename"),
    "outline": ("mask", "outline", "segmentation", "roi", "contour", "label", "annotation"),
    "site": ("site", "centre", "center", "hospital", "institution"),
    "date": ("date", "exam date", "examination date", "visit date"),
    "device": ("device", "scanner", "machine", "manufacturer", "ultrasound system"),
}
MOST_CODES = 30
"""different cells above which a column is no code"""
MOST_OUTCOMES = 4
"""different cells above which a column is no outcome"""
ENOUGH = 0.5
"""score from which a column is proposed"""


@dataclass
class Draft:
    """text : of a map.toml; open : what it leaves to be answered, in words"""

    text: str
    open: list[str] = field(default_factory=list)


@dataclass(frozen=True, eq=False)
class Column:
    """name; cells : as text, those that have a value; n : of all

    written : those that are not empty, with the words that mean no value elsewhere: "none" may be an outcome
    """

    name: str
    cells: Sequence[str]
    n: int
    written: Sequence[str] = ()

    @property
    def counts(self) -> Counter[str]:
        """How often each cell occurs."""
        return Counter(self.cells)

    @property
    def numbers(self) -> np.ndarray:
        """The cells that are numbers."""
        found = [cell_number(text) for text in self.cells]
        return np.array([x for x in found if x is not None and np.isfinite(x)], dtype=np.float64)


def draft_map(locked: Locked, cohort: Path) -> Draft:
    """Propose which column is what, of a folder with cohort.csv or of a table's file.

    Names are compared, and what the cells hold with what patients had at home. No file is written.
    """
    columns = _columns(cohort)
    free = dict.fromkeys(one.name for one in columns)
    by_name = {one.name: one for one in columns}
    draft = Draft("")

    def choose(score: Callable[[Column], float]) -> Column | None:
        ranked = sorted(((score(by_name[name]), name) for name in free), key=lambda pair: (-pair[0], pair[1]))
        if not ranked or ranked[0][0] < ENOUGH:
            return None
        del free[ranked[0][1]]
        return by_name[ranked[0][1]]

    lines = [
        "# Proposed by validkit from the names and values of the table: nobody has checked it yet.",
        f"# For the model {locked.manifest.protocol.name!r}, SHA-256 {locked.digest[:16]}.",
        "",
    ]
    head = [_patient(choose, draft), _outcome(locked, choose, draft)]
    if locked.manifest.images is not None:
        head += [_picture(choose, draft, "image"), _picture(choose, draft, "outline")]
    sections = [_predictor(locked, name, choose, draft) for name in locked.needs]
    for role in ("site", "date", "device"):
        found = choose(lambda one, role=role: _likeness(one.name, WORDS[role]) - 0.25)  # type: ignore[misc]
        head += [[f"{role} = {_text(found.name)}"]] if found else []
    for part in (*head, *sections):
        lines += part
    if free:
        lines += ["", f"# Columns without a role: {', '.join(map(repr, free))}"]
    draft.text = "\n".join(map(_one_line, lines)) + "\n"
    return draft


# --- one role each ---------------------------------------------------------------------------------

Choose = Callable[[Callable[[Column], float]], Column | None]


def _patient(choose: Choose, draft: Draft) -> list[str]:
    def score(one: Column) -> float:
        distinct = len(one.counts) == one.n
        return _likeness(one.name, WORDS["patient"]) if distinct and not _files(one) else 0.0

    found = choose(score)
    if found is None:
        draft.open.append("`patient`: no column of different values is called like an identifier")
        return ['patient = "?"                      # a column with a value of its own in every row']
    return [f"patient = {_text(found.name)}   # {found.n} rows, each with a value of its own"]


def _outcome(locked: Locked, choose: Choose, draft: Draft) -> list[str]:
    told, home = locked.manifest.outcome, locked.protocol.cohort.outcome.column
    words = (home, told["positive"], "outcome", "label", "diagnosis", "class", "event")

    def score(one: Column) -> float:
        if not 2 <= len(set(one.written)) <= MOST_OUTCOMES or _files(one):
            return 0.0
        said = max(_likeness(text, (told["positive"],)) for text in one.written)
        return max(_likeness(one.name, words), 0.9 * said)

    found = choose(score)
    if found is None:
        draft.open.append(f"`outcome`: no column is called or filled like {told['positive']!r}")
        return [f'outcome = {{ column = "?" }}   # {told["positive"]} or {told["negative"]}']
    counts = Counter(found.written)
    if all(same_cell(text, "0") or same_cell(text, "1") for text in counts):
        said = ", ".join(f"{text}: {n} patients" for text, n in sorted(counts.items()))
        return [f"outcome = {{ column = {_text(found.name)} }}   # 1 must mean {told['positive']}; {said}"]
    event = [text for text in counts if _likeness(text, (told["positive"], "yes", "positive", "true")) > 0.6]
    none = [text for text in counts if text not in event]
    draft.open.append(f"`outcome`: which cells of {found.name!r} mean {told['positive']!r}")
    return [
        f"outcome = {{ column = {_text(found.name)}, event = {_list(event)}, none = {_list(none)} }}"
        f"   # check: event is {told['positive']}"
    ]


def _picture(choose: Choose, draft: Draft, role: str) -> list[str]:
    other = WORDS["outline" if role == "image" else "image"]

    def score(one: Column) -> float:
        if not _files(one):
            return 0.0
        here = " ".join([one.name, *list(one.cells)[:3]])
        return 0.6 + 0.4 * _likeness(one.name, WORDS[role]) - 0.3 * _mentions(here, other if role == "image" else ())

    found = choose(score)
    if found is None:
        draft.open.append(f"`{role}`: no column names image files")
        return [f'{role} = "?"   # a column with a file\'s path, relative to the table, in every row']
    return [f"{role} = {_text(found.name)}   # {found.n} files, the first {found.cells[0]}"]


def _predictor(locked: Locked, name: str, choose: Choose, draft: Draft) -> list[str]:
    told = locked.manifest.predictors[name]
    found = choose(lambda one: _predictor_score(locked, name, told, one))
    unit = f", in {told.unit}" if told.unit else ""
    known = f", {', '.join(told.levels)}" if told.levels else ""
    lines = ["", f"[predictors.{_key(name)}]   # {told.label}; {told.kind}{unit}{known}"]
    if found is None:
        draft.open.append(f"`predictors.{name}`: no column is called and filled like it")
        return [*lines, '# column = "?"', "# absent = true   # where this centre does not have it"]
    lines.append(f"column = {_text(found.name)}   # {_evidence(found)}")
    if told.kind == "continuous":
        return lines + _unit(locked, name, told, found, draft)
    return lines + _codes(name, told, found, draft)


def _unit(locked: Locked, name: str, told: PredictorFacts, found: Column, draft: Draft) -> list[str]:
    factor = likely_factor(found.numbers, span_of(locked, name))
    if factor is None:
        return [f"unit = {_text(told.unit)}"] if told.unit else []
    draft.open.append(f"`predictors.{name}.unit`: values look like {factor:g} times smaller or larger than at home")
    return [f'# unit = "?"   # the median is {np.median(found.numbers):g}: times {factor:g} it would be as at home']


def _codes(name: str, told: PredictorFacts, found: Column, draft: Draft) -> list[str]:
    values = told.levels or ("0", "1")
    strange = [text for text in sorted(found.counts) if not any(same_cell(text, level) for level in values)]
    if not strange:
        return []
    guessed = {text: level for text in strange if (level := _begins(text, values))}
    pairs = ", ".join(f"{_text(text)} = {_text(level)}" for text, level in guessed.items())
    lines = [f"codes = {{ {pairs} }}   # check: cells that begin with a level"] if guessed else []
    unknown = [text for text in strange if text not in guessed]
    lines += [f"# cell {text!r} ({found.counts[text]} patients) is no level at home" for text in unknown]
    draft.open.append(f"`predictors.{name}.codes`: what {', '.join(map(repr, strange))} mean")
    return lines


# --- how well a column fits ------------------------------------------------------------------------


def _predictor_score(locked: Locked, name: str, told: PredictorFacts, one: Column) -> float:
    if _files(one) or not one.cells:
        return 0.0
    called = _likeness(one.name, (name, told.label))
    if told.kind == "continuous":
        numbers = one.numbers
        filled = len(numbers) / len(one.cells)
        if filled < 0.8:
            return 0.0
        low, high = span_of(locked, name)
        inside = float(np.mean((numbers >= low) & (numbers <= high))) if low < high else 0.0
        return 0.7 * called + 0.3 * inside
    if len(one.counts) > MOST_CODES:
        return 0.0
    values = told.levels or ("0", "1")
    known = sum(n for text, n in one.counts.items() if _begins(text, values))
    return 0.6 * called + 0.4 * known / len(one.cells)


def _begins(text: str, levels: Sequence[str]) -> str:
    """The level that a cell is, or begins with before a letter (4a); "" for none."""
    for level in levels:
        if same_cell(text, level):
            return level
    found = [level for level in levels if re.match(rf"{re.escape(level)}[^0-9]", text, re.IGNORECASE)]
    return max(found, key=len) if found else ""


def _likeness(name: str, words: Sequence[str]) -> float:
    """How alike a name is to the nearest of some words, 0 to 1."""
    plain = _plain(name)
    best = 0.0
    for word in map(_plain, words):
        if not word or not plain:
            continue
        ratio = SequenceMatcher(None, plain, word, autojunk=False).ratio()
        own, other = set(plain.split()), set(word.split())
        shared = len(own & other) / max(len(own | other), 1)
        if min(len(plain), len(word)) >= 3 and (word.startswith(plain) or plain.startswith(word)):
            best = max(best, 0.85)
        best = max(best, ratio if ratio >= 0.75 else 0.8 * ratio, 0.5 + 0.5 * shared if shared else 0.0)
    return best


def _mentions(text: str, words: Sequence[str]) -> float:
    return 1.0 if any(word in text.casefold() for word in words if len(word) > 3) else 0.0


def _plain(name: str) -> str:
    return " ".join(re.findall(r"[a-z]+|[0-9]+", re.sub(r"([a-z])([A-Z])", r"\1 \2", name[:200]).casefold()))


def _files(one: Column) -> bool:
    return bool(one.cells) and sum(bool(IMAGE.search(text)) for text in one.cells) >= 0.9 * len(one.cells)


# --- the table -------------------------------------------------------------------------------------


def _columns(cohort: Path) -> list[Column]:
    source = locate(cohort)
    if isinstance(source, Fault):
        raise CohortError(cohort, [source])
    table, faults = read_table(source, [])
    if table is not None:
        table, faults = read_table(source, table.header)
    if table is None:
        raise CohortError(cohort, faults)
    return [_column(table.frame[name]) for name in table.header if name in table.frame]


def _column(cells: pd.Series) -> Column:
    texts = [str(text) for text in cells.tolist()]
    written = [text for text in texts if text]
    return Column(str(cells.name), [text for text in texts if not is_missing(text)], len(texts), written)


def _evidence(found: Column) -> str:
    missing = found.n - len(found.cells)
    gaps = f", {missing} without a value" if missing else ""
    numbers = found.numbers
    if len(numbers) == len(found.cells) and len(found.counts) > MOST_CODES:
        return f"{numbers.min():g} to {numbers.max():g}, median {np.median(numbers):g}{gaps}"
    shown = ", ".join(f"{text!r} ({n})" for text, n in sorted(found.counts.items())[:8])
    more = ", ..." if len(found.counts) > 8 else ""
    return f"{shown}{more}{gaps}"


def _text(text: str) -> str:
    """A TOML string."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in escaped) + '"'


def _one_line(text: str) -> str:
    """Nothing of a name or a cell that would end a comment."""
    return "".join(c if c.isprintable() else " " for c in text)


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else _text(name)


def _list(texts: Sequence[str]) -> str:
    return "[" + ", ".join(map(_text, texts)) + "]"
