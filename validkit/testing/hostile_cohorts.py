"""Cohorts with one thing wrong each, and what `read_cohort` must say of it: file or row, and column."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from types import MappingProxyType

from hypothesis import strategies as st

from validkit.testing.cohorts import FOLDER, CohortOnDisk, file_name, format_of
from validkit.testing.images import HOSTILE_IMAGES, SPOIL

__all__ = ["HOSTILE_COHORTS", "NEED_IMAGES", "spoilt"]

Spoil = Callable[[st.DrawFn, CohortOnDisk], CohortOnDisk]


@st.composite
def spoilt(draw: st.DrawFn, sound: st.SearchStrategy[CohortOnDisk], kinds: Sequence[str]) -> CohortOnDisk:
    """A sound cohort with one of these things wrong."""
    cohort, what = draw(sound), draw(st.sampled_from(kinds))
    return replace(HOSTILE_COHORTS[what](draw, cohort), what=what)


def _with_cell(cohort: CohortOnDisk, row: int, column: str, text: str) -> CohortOnDisk:
    """One cell replaced. row : as a spreadsheet shows it, the header is row 1"""
    at = cohort.cells[0].index(column)
    cells = list(cohort.cells)
    cells[row - 1] = (*cells[row - 1][:at], text, *cells[row - 1][at + 1 :])
    return replace(cohort, cells=tuple(cells))


def _some_row(draw: st.DrawFn, cohort: CohortOnDisk, first: int = 2) -> int:
    return draw(st.integers(first, len(cohort.cells)))


def _bad_cell(
    draw: st.DrawFn, cohort: CohortOnDisk, column: str, texts: Sequence[str], words: str = "{!r}"
) -> CohortOnDisk:
    """One cell of a column with one of the texts, which `words` may name."""
    row, text = _some_row(draw, cohort), draw(st.sampled_from(texts))
    told = (f"row {row}", f"column {column!r}", words.format(text))
    return replace(_with_cell(cohort, row, column, text), words=told)


def _bad_predictor(draw: st.DrawFn, cohort: CohortOnDisk) -> CohortOnDisk:
    """A cell that no predictor of its kind can hold."""
    name = draw(st.sampled_from(list(cohort.roles["predictors"])))
    if "levels" in cohort.roles["predictors"][name]:
        return _bad_cell(draw, cohort, name, ("IX", "squamos", "1,0", "🩺"), "{!r} is not a level")
    return _bad_cell(draw, cohort, name, ("41 years", "1,5", "inf", "1e999", "=1+1", "0x10", "five"), "{!r} is ")


def _outside_range(draw: st.DrawFn, cohort: CohortOnDisk) -> CohortOnDisk:
    """A number outside the declared range; the first predictor is made a continuous one."""
    name = next(iter(cohort.roles["predictors"]))
    row = {"kind": "continuous", "range": [0.0, 300.0]}
    roles = {**cohort.roles, "predictors": {**cohort.roles["predictors"], name: row}}
    at = cohort.cells[0].index(name)
    rows = [(*cells[:at], "1", *cells[at + 1 :]) for cells in cohort.cells[1:]]
    cohort = replace(cohort, cells=(cohort.cells[0], *rows), roles=roles)
    return _bad_cell(draw, cohort, name, ("-1", "300.5", "1e9"), "is outside [0, 300]")


def _id_twice(draw: st.DrawFn, cohort: CohortOnDisk) -> CohortOnDisk:
    row = _some_row(draw, cohort, 3)
    words = (f"row {row}", "column 'patient_id'", "the patient is already in row 2")
    return replace(_with_cell(cohort, row, "patient_id", cohort.cells[1][0]), words=words)


def _one_class(draw: st.DrawFn, cohort: CohortOnDisk) -> CohortOnDisk:
    value = draw(st.sampled_from(("0", "1")))
    for row in range(2, len(cohort.cells) + 1):
        cohort = _with_cell(cohort, row, "outcome", value)
    return replace(cohort, words=("column 'outcome'", f"all {cohort.n} patients have outcome {value}"))


def _header(draw: st.DrawFn, cohort: CohortOnDisk) -> CohortOnDisk:
    """A declared column under another name."""
    column = draw(st.sampled_from(cohort.cells[0]))
    words = (f"column {column!r}", "the header does not have it")
    return replace(_with_cell(cohort, 1, column, f"{column}_2"), words=words)


def _column_twice(draw: st.DrawFn, cohort: CohortOnDisk) -> CohortOnDisk:
    column = draw(st.sampled_from(cohort.cells[0]))
    cells = tuple((*row, column if row is cohort.cells[0] else "1") for row in cohort.cells)
    return replace(cohort, cells=cells, words=(f"column {column!r}", "the header appears 2 times"))


def _row_of_another_length(draw: st.DrawFn, cohort: CohortOnDisk) -> CohortOnDisk:
    row, more = _some_row(draw, cohort), draw(st.booleans())
    cells, width = list(cohort.cells), len(cohort.cells[0])
    cells[row - 1] = (*cells[row - 1], "x") if more else cells[row - 1][:-1]
    words = (f"row {row}", f"the row has {len(cells[row - 1])} cells, the header {width}")
    return replace(cohort, cells=tuple(cells), words=words)


def _header_alone(draw: st.DrawFn, cohort: CohortOnDisk) -> CohortOnDisk:
    return replace(cohort, cells=cohort.cells[:1], words=("there is a header but no patient",))


def _table_bytes(content: bytes | None, words: str) -> Spoil:
    """cohort.csv with other bytes, or not there."""
    return lambda draw, cohort: replace(cohort, raw={"cohort.csv": content}, words=(words,))


def _picture(cohort: CohortOnDisk, number: int, column: str) -> str:
    """The path of a patient's image or outline as written; patients count from 1."""
    return cohort.cells[number][cohort.cells[0].index(column)]


def _bad_file(content: bytes | None, words: str) -> Spoil:
    """An image or an outline with other bytes, or not there."""

    def spoil(draw: st.DrawFn, cohort: CohortOnDisk) -> CohortOnDisk:
        row, column = _some_row(draw, cohort), draw(st.sampled_from(("image", "mask")))
        path = _picture(cohort, row - 1, column)
        return replace(cohort, raw={path: content}, words=(f"row {row}", f"column {column!r}", words))

    return spoil


def _bad_path(texts: Sequence[str], words: str) -> Spoil:
    def spoil(draw: st.DrawFn, cohort: CohortOnDisk) -> CohortOnDisk:
        return _bad_cell(draw, cohort, draw(st.sampled_from(("image", "mask"))), texts, words)

    return spoil


def _file_twice(draw: st.DrawFn, cohort: CohortOnDisk, column: str, words: str) -> CohortOnDisk:
    """The first patient's file for another patient too."""
    first, row = cohort.lesions[0], _some_row(draw, cohort, 3)
    lesions = list(cohort.lesions)
    lesions[row - 2] = first
    cohort = _with_cell(replace(cohort, lesions=tuple(lesions)), row, column, _picture(cohort, 1, column))
    if column == "mask":
        lesions[row - 2] = replace(first, image=255 - first.image)
        cohort = replace(cohort, lesions=tuple(lesions))
    return replace(cohort, words=(f"row {row}", f"column {column!r}", words))


def _bad_lesion(draw: st.DrawFn, cohort: CohortOnDisk, kind: str) -> CohortOnDisk:
    """One patient's image or outline as `lesion_images(what=kind)` has it."""
    row = _some_row(draw, cohort)
    lesions = list(cohort.lesions)
    lesion = lesions[row - 2] = replace(SPOIL[kind](lesions[row - 2]), what=kind)
    name = f"{FOLDER}/{file_name(row - 1)}"
    ending = format_of(lesion)
    cohort = _with_cell(replace(cohort, lesions=tuple(lesions)), row, "image", f"{name}.{ending}")
    cohort = _with_cell(cohort, row, "mask", f"{name}_outline.{ending}")
    column = "image" if "image" in kind else "mask"
    return replace(cohort, words=(f"row {row}", f"column {column!r}", str(lesion.code)))


_TABLES: dict[str, Spoil] = {
    "id twice": _id_twice,
    "id empty": partial(_bad_cell, column="patient_id", texts=("", " "), words="the patient id is empty"),
    "outcome of a third word": partial(_bad_cell, column="outcome", texts=("2", "yes", "0.5")),
    "outcome missing": partial(_bad_cell, column="outcome", texts=("", "NA", "?")),
    "outcome of one class": _one_class,
    "predictor unreadable": _bad_predictor,
    "predictor out of range": _outside_range,
    "column missing": _header,
    "column twice": _column_twice,
    "row of another length": _row_of_another_length,
    "header alone": _header_alone,
    "table not there": _table_bytes(None, "there is no cohort.csv in the folder"),
    "table empty": _table_bytes(b"", "the file is empty"),
    "table of UTF-16": _table_bytes("patient_id,outcome\n".encode("utf-16"), "the file is in UTF-16"),
    "table not UTF-8": _table_bytes(b"patient_id,outcome\nM\xfcller,1\n", "line 2 is not UTF-8 text"),
    "table with a NUL": _table_bytes(b"patient_id,outcome\nP1\0,1\n", "the file holds NUL bytes"),
    "quote not closed": _table_bytes(b'patient_id,outcome\n"P1,1\n', "the table cannot be parsed"),
}
_FILES: dict[str, Spoil] = {
    "file missing": _bad_file(None, "is not there"),
    "file empty": _bad_file(b"", "the file is empty (0 bytes)"),
    "file no picture": _bad_file(b"no picture", "is in none of the accepted formats"),
    "file cut short": _bad_file(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0", "the PNG file cannot be decoded"),
    "path outside the folder": _bad_path(("../x.png", "images/../../x.png", "..\\x.png"), "leads out of the folder"),
    "path absolute": _bad_path(("/etc/passwd", "C:\\x.png", "~/x.png"), "is an absolute path"),
    "path of a folder": _bad_path((FOLDER, f"./{FOLDER}/"), "is a folder"),
    "path empty": _bad_path(("", "NA"), "no value"),
    "image twice": partial(_file_twice, column="image", words="the image is identical to that of patient"),
    "outline twice": partial(_file_twice, column="mask", words="is already used in row 2"),
    **{kind: partial(_bad_lesion, kind=kind) for kind, code in HOSTILE_IMAGES.items() if code},
}
HOSTILE_COHORTS: Mapping[str, Spoil] = MappingProxyType(_TABLES | _FILES)
"""What can be wrong with a cohort, and how a sound recipe comes to be so."""
NEED_IMAGES = frozenset(_FILES)
