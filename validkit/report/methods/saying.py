"""How a methods text is put together: sentences that records tell, words of records made harmless, citations."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from validkit.report import text
from validkit.report.records import NotAvailable, Run, dig
from validkit.report.values import count, number

__all__ = [
    "Sentence",
    "authors",
    "cite",
    "cut",
    "fraction",
    "level",
    "named",
    "patients",
    "percent",
    "quoted",
    "said",
    "spelled",
    "times",
    "told",
]

Sentence = Callable[[Run], str]
"""a sentence from the records; NotAvailable where they do not tell it"""
MOST = 300
SPELLED = (
    *("None", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine", "Ten", "Eleven", "Twelve"),
    *("Thirteen", "Fourteen", "Fifteen", "Sixteen", "Seventeen", "Eighteen", "Nineteen", "Twenty"),
)
_BRACKETS = str.maketrans("[]", "()")


def told(run: Run, sentences: Iterable[Sentence]) -> str:
    """The sentences that the records tell, one after the other."""
    found = []
    for sentence in sentences:
        try:
            found.append(sentence(run))
        except NotAvailable:
            continue
    return " ".join(filter(None, found))


def said(value: object) -> str:
    """Words of a record on one line; square brackets, which stand for citations here, become round ones."""
    words = text.clean(value).translate(_BRACKETS).strip()
    return words if len(words) <= MOST else f"{words[: MOST - 1].rstrip()}…"


def cut(value: object) -> str:
    """The same without its full stop, to end a sentence of ours."""
    return said(value).rstrip(".")


def quoted(value: object) -> str:
    """A name of a record in quotation marks."""
    return f"“{said(value)}”"


def cite(*keys: str) -> str:
    """`[DeLong1988; Sun2014]`."""
    return f"[{'; '.join(keys)}]"


def authors(what: str) -> str:
    """A gap that the authors must fill."""
    return f"[authors: {what}]"


def spelled(n: int) -> str:
    """A count that may begin a sentence: `Three`, `42`."""
    return text.whole(n) if n >= len(SPELLED) else SPELLED[n]


def times(n: int) -> str:
    """`once`, `twice`, `3 times`."""
    return {1: "once", 2: "twice"}.get(n, f"{text.whole(n)} times")


def percent(share: float) -> str:
    """`95%`."""
    return f"{100 * share:.4g}%"


def named(items: Sequence[object], most: int = 12) -> str:
    """`a, b and c`, made harmless."""
    return text.listed([said(item) for item in items], most)


def patients(run: Run, path: str, size: str = "n") -> str:
    """`48 patients (12 events)`, of a set under `path` in run.json."""
    n, events = count(dig(run.info, f"{path}.{size}")), count(dig(run.info, f"{path}.events"))
    if n is None or events is None:
        raise NotAvailable(f"run.json does not tell {path}")
    return f"{text.whole(n)} patient{'' if n == 1 else 's'} ({text.whole(events)} event{'' if events == 1 else 's'})"


def level(scores: Mapping[str, Any]) -> float:
    """The confidence level of evaluation.json; NotAvailable where it tells none."""
    found = number(scores.get("level"))
    if not 0 < found < 1:
        raise NotAvailable("evaluation.json tells no level")
    return found


def fraction(value: object) -> str:
    """A share of a setting as a percentage; NotAvailable where it is none."""
    found = number(value)
    if not 0 <= found <= 1:
        raise NotAvailable("the setting is no share")
    return percent(found)
