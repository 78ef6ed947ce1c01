"""What a terminal says of a comparison of runs: the answer in about a dozen lines, then what it rests on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import RenderableType
from rich.text import Text

from validkit.report import compared_words as words
from validkit.report import lines, text
from validkit.report.values import estimate, number, test

__all__ = ["compared_answer", "compared_details"]

SHORT = 44
"""characters of a setting or fact"""
MOST_DIFFERENCES, MOST_NUMBERS = 6, 25

Found = Mapping[str, Any]


def compared_answer(record: Found, page: Path | None = None) -> RenderableType:
    """Same protocol, same patients, how many numbers differ, and by how much; page : where one was written."""
    told = ("protocol", words.protocol_words), ("data", words.data_words), ("held-out patients", words.patients_words)
    return lines.answer(
        lines.simulated() if record["synthetic"] else None,
        lines.about(words.title(record), "nothing differs" if record["same"] else ""),
        *(lines.fact(f"{head}: {say(record)}") for head, say in told),
        lines.fact(f"numbers: {words.numbers_words(record)}"),
        *(part for pair in record["paired"]["pairs"] for part in _pair(pair, record["paired"], MOST_DIFFERENCES)),
        None if page is None else lines.where(f"report: {page}"),
    )


def _pair(pair: Found, found: Found, most: int | None) -> Iterator[RenderableType]:
    """One pair of runs: its differences, the reference models' first; or why there is none."""
    head = f"{pair['first']} less {pair['other']}"
    if pair["reason"]:
        yield _beware(f"{head}: no paired difference, because {pair['reason']}")
        return
    rows = pair["differences"][:most]
    if rows:
        cells = [_cells(row) for row in rows]
        yield lines.table([head, "difference", "p", "p, Holm"], cells)
        left = len(pair["differences"]) - len(rows)
        more = f"; {left} more below" if left else ""
        yield lines.aside(
            f"{words.paired_words(pair)}; {text.level(pair['level'])} intervals; Holm over {found['tests']} tests{more}"
        )
    if alike := words.alike_words(pair):
        yield lines.fact(f"{head}: {alike}")
    for one in pair["apart"]:
        yield _beware(f"{head}, {one['model']}: no paired difference, because {one['reason']}")


def _beware(reason: str) -> Text:
    """A reason, whole."""
    return lines.beware(text.clean(reason))


def _cells(row: Found) -> list[str]:
    p = text.p_value(test(row["test"]).p_value), text.p_value(number(row["p_adjusted"]))
    return [f"{row['model']}: {words.measure_words(row)}", text.estimate(estimate(row["difference"]), text.fine), *p]


def compared_details(record: Found) -> RenderableType:
    """Each setting and fact that differs, every paired difference, and the first of the numbers."""
    heads = words.names(record)
    return lines.answer(
        *_settings(record, heads), *_facts(record, heads), *_differences(record), *_numbers(record, heads)
    )


def _settings(record: Found, heads: Sequence[str]) -> Iterator[RenderableType]:
    settings, overrides = record["protocol"]["settings"], record["protocol"]["overrides"]
    if settings:
        rows = [[one["key"], *(_cut(words.setting_words(value)) for value in one["values"])] for one in settings]
        yield Text()
        yield lines.table(["setting", *heads], rows)
    if overrides:
        yield Text()
        told = [[one["override"], *("given" if given else text.DASH for given in one["runs"])] for one in overrides]
        yield lines.table(["override", *heads], told)


def _facts(record: Found, heads: Sequence[str]) -> Iterator[RenderableType]:
    apart = [one for one in record["data"]["facts"] if not one["same"]]
    if apart:
        yield Text()
        rows = [[one["fact"], *(_cut(words.fact_words(value)) for value in one["values"])] for one in apart]
        yield lines.table(["what the runs were made of", *heads], rows)


def _differences(record: Found) -> Iterator[RenderableType]:
    found = record["paired"]
    for pair in found["pairs"]:
        if len(pair["differences"]) > MOST_DIFFERENCES:
            yield Text()
            yield from _pair(pair, found, None)
    yield Text()
    for note in dict.fromkeys(note for pair in found["pairs"] for note in pair["notes"]):
        yield lines.aside(note)
    if found["tests"]:
        yield lines.aside(words.BETTER)
        yield lines.aside(found["note"])


def _numbers(record: Found, heads: Sequence[str]) -> Iterator[RenderableType]:
    differ = record["numbers"]["differ"]
    if alone := words.alone_words(record):
        yield lines.aside(alone)
    if not differ:
        return
    columns = ["number", "model", "patients", *heads, *(f"less {other}" for other in heads[1:])]
    yield Text()
    yield lines.table(columns, [_row(row) for row in differ[:MOST_NUMBERS]])
    if len(differ) > MOST_NUMBERS:
        yield lines.aside(f"and {len(differ) - MOST_NUMBERS:,} more: --out DIR or --json tells all")


def _row(row: Found) -> list[str]:
    values = [text.estimate(words.value_of(value)) for value in row["values"]]
    gaps = [words.difference_words(value) for value in row["differences"]]
    return [str(row["label"]), str(row["model"]), words.set_words(row), *values, *gaps]


def _cut(shown: str) -> str:
    """As much of a value as a column takes; the first digits of a digest."""
    if words.is_digest(shown):
        return shown[:12]
    return shown if len(shown) <= SHORT else f"{shown[: SHORT - 3]}..."
