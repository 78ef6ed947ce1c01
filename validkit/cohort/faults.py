"""What can be wrong with a cohort, and how it is told: every fault at once, each with its place and its mend."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from validkit.errors import InputError

PRINTED = 40
"""Faults printed by `str(CohortError)`; the rest are counted there and listed in `.faults`."""

CODES = {
    "cohort-csv": "the table cannot be read",
    "column-missing": "a declared column is not in the table",
    "column-twice": "a header appears twice",
    "no-patients": "no patient is left",
    "patient-missing": "a row has no patient id",
    "patient-twice": "a patient has more than one row",
    "missing-value": "a value is missing",
    "outcome-value": "the outcome is not 0 or 1",
    "outcome-single-class": "the outcome has one class only",
    "date-value": "a date is not a day",
    "not-a-number": "a value is not a number",
    "out-of-range": "a value is outside its declared range",
    "level-undeclared": "a value is not a declared level",
    "path": "a path cannot be used",
    "file-missing": "a file is not there",
    "file-changed": "a file changed after the cohort was read",
    "file-shared": "one file has two uses",
    "unreadable": "a file cannot be decoded",
    "format": "a file has a format that is not accepted",
    "multi-frame": "a file holds more than one picture",
    "colour": "a colour image where a grey one is needed",
    "transparent": "an image has transparent pixels",
    "orientation-tag": "a picture carries a rotation tag",
    "not-finite": "an image holds NaN or infinite values",
    "blank-image": "an image holds a single value",
    "image-twice": "two patients have the same image",
    "size-mismatch": "image and outline differ in size",
    "alignment": "an outline can be laid on its image in two ways",
    "outline-values": "an outline does not hold two values",
    "outline-label": "the declared outline_label is not there",
    "outline-empty": "an outline is empty",
    "outline-covers-all": "an outline covers the whole image",
    "outline-small": "an outline has too few pixels",
    "outline-line": "an outline is a line",
    "outline-pieces": "an outline has more than one piece",
    "outline-border": "an outline touches the image border",
    "phantom-marker": "phantom.json cannot be understood",
}
"""Every fault code and what it means."""


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong, where, and what to do.

    code : a key of `CODES`
    row : row as a spreadsheet shows it (the header is row 1), or None where no row is meant
    patient, column : as in cohort.csv, or None
    """

    code: str
    row: int | None
    patient: str | None
    column: str | None
    message: str
    mend: str

    def __post_init__(self) -> None:
        if self.code not in CODES:
            raise KeyError(f"{self.code!r} is not a fault code")

    def __str__(self) -> str:
        place = [f"row {self.row}"] if self.row is not None else []
        place += [f"patient {self.patient!r}"] if self.patient else []
        place += [f"column {self.column!r}"] if self.column else []
        return f"{', '.join(place)}: {self.message}" if place else self.message


class CohortError(InputError):
    """A cohort that cannot be used. `faults` holds every fault; the text lists the first of each kind.

    folder : the cohort's folder
    """

    def __init__(self, folder: Path | str, faults: Iterable[Fault]) -> None:
        self.folder = str(folder)
        self.faults: tuple[Fault, ...] = tuple(faults)
        super().__init__(describe(self.folder, self.faults))

    def __reduce__(self) -> tuple[Callable[..., CohortError], tuple[str, tuple[Fault, ...]]]:
        return type(self), (self.folder, self.faults)


class ImageError(InputError):
    """An image or outline that cannot be used.

    code : a key of `CODES`; `message` says what is wrong with the file, `mend` what to do about it
    """

    def __init__(self, code: str, message: str, mend: str) -> None:
        if code not in CODES:
            raise KeyError(f"{code!r} is not a fault code")
        self.code, self.message, self.mend = code, message, mend
        super().__init__(f"{message}; {mend}")

    def __reduce__(self) -> tuple[Callable[..., ImageError], tuple[str, str, str]]:
        return type(self), (self.code, self.message, self.mend)


def describe(folder: str, faults: tuple[Fault, ...], limit: int = PRINTED) -> str:
    """The faults grouped by kind and mend, at most `limit` of them, the rest counted."""
    groups: dict[tuple[str, str], list[Fault]] = {}
    for fault in faults:
        groups.setdefault((fault.code, fault.mend), []).append(fault)
    shown = _share([len(group) for group in groups.values()], limit)
    noun = "fault" if len(faults) == 1 else "faults"
    lines = [f"the cohort in {folder} has {len(faults)} {noun}:"]
    for ((code, mend), group), count in zip(groups.items(), shown, strict=True):
        lines.append(f"{CODES[code]} ({code}, {len(group)}):")
        lines += [f"  {fault}" for fault in group[:count]]
        if count < len(group):
            lines.append(f"  ... and {len(group) - count} more")
        lines.append(f"  -> {mend}")
    return "\n".join(lines)


def _share(sizes: list[int], limit: int) -> list[int]:
    """Share `limit` lines among groups of the given sizes, evenly, none getting more than it has."""
    shown = [0] * len(sizes)
    while sum(shown) < min(limit, sum(sizes)):
        for i, size in enumerate(sizes):
            if shown[i] < size and sum(shown) < limit:
                shown[i] += 1
    return shown
