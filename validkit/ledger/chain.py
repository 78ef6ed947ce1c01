"""A chain of entries, one line each, in which every line holds the digest of the line before: made and inspected.

Nothing here reads or writes files. A line is canonical JSON (sorted keys, no white space, ASCII), so any other byte
in it shows; the head says how many entries there are and ends the chain, so a missing tail shows as well.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from validkit.errors import InputError

NOTHING = "0" * 64
"""What stands before the first entry."""
RESTORE = (
    "restore the ledger and its head from a copy made before the change (the receipts in the run folders say which "
    "entries were there), or keep it as it is for the record and begin a new one elsewhere with VALIDKIT_LEDGER"
)

TORN = "nothing is lost: the next append sets the bytes aside in a file beside the ledger and says so"


@dataclass(frozen=True)
class Entry:
    """One entry of the ledger.

    index : its place, from 0; it stands in line index + 1
    previous : SHA-256 of the line before
    hash : SHA-256 of this entry's canonical form without the hash itself
    """

    index: int
    time: str
    kind: str
    facts: Mapping[str, Any]
    previous: str
    hash: str

    def to_dict(self) -> dict[str, Any]:
        """The entry as it stands in its line."""
        return asdict(self)

    def line(self) -> bytes:
        """The entry's line, without the line's end."""
        return canonical(self.to_dict()).encode("ascii")


@dataclass(frozen=True)
class Finding:
    """One fault of a ledger.

    code : such as "edited", "dropped", "reordered", "duplicated", "inserted", "truncated", "torn"
    index : the entry it concerns; None where it concerns the whole
    line : the line of the file to look at
    """

    code: str
    index: int | None
    line: int | None
    what: str
    mend: str = RESTORE

    def to_dict(self) -> dict[str, Any]:
        """The finding as plain values."""
        return asdict(self)

    def __str__(self) -> str:
        where = "" if self.line is None else f"line {self.line}: "
        return f"{where}{self.what} [{self.code}]; to mend: {self.mend}"


class LedgerError(InputError):
    """A ledger that cannot be relied on, with the first bad entry."""

    def __init__(self, path: str, finding: Finding) -> None:
        self.path, self.finding = path, finding
        super().__init__(f"ledger {path}: {finding}")

    def __reduce__(self) -> tuple[type[LedgerError], tuple[str, Finding]]:
        """Errors cross process borders by being made again from their parts."""
        return type(self), (self.path, self.finding)


def canonical(value: Any) -> str:
    """JSON with sorted keys, no white space and ASCII alone; NaN is refused."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def sha256(data: bytes) -> str:
    """SHA-256 in hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def make_entry(index: int, kind: str, facts: Mapping[str, Any], *, previous: str, time: str) -> Entry:
    """The next entry, with its hash."""
    content: dict[str, Any] = {"index": index, "time": time, "kind": kind, "facts": dict(facts), "previous": previous}
    return Entry(**content, hash=sha256(canonical(content).encode("ascii")))


def read_entry(line: bytes) -> Entry:
    """The entry in a line; ValueError says why it is none."""
    try:
        found = json.loads(line)
        entry = Entry(**found)
        same = entry.line() == line
    except (ValueError, TypeError, RecursionError) as error:
        raise ValueError("is not an entry as the ledger writes them") from error
    texts = (entry.time, entry.kind, entry.previous, entry.hash)
    if not same or type(entry.index) is not int or not all(isinstance(text, str) for text in texts):
        raise ValueError("is not an entry as the ledger writes them")
    if not isinstance(entry.facts, dict):
        raise ValueError("is not an entry as the ledger writes them")
    content = {name: value for name, value in found.items() if name != "hash"}
    if sha256(canonical(content).encode("ascii")) != entry.hash:
        raise ValueError("does not match its own hash")
    return entry


@dataclass(frozen=True)
class Head:
    """Where the chain ends.

    count : entries
    size : bytes of the ledger
    start : byte at which the last line starts
    line : SHA-256 of the last line
    """

    count: int = 0
    size: int = 0
    start: int = 0
    line: str = NOTHING

    def after(self, line: bytes) -> Head:
        """The head once a line is appended."""
        return Head(self.count + 1, self.size + len(line) + 1, self.size, sha256(line))

    def to_bytes(self) -> bytes:
        """The head's file, with its own checksum."""
        content = asdict(self)
        return (canonical(content | {"checksum": sha256(canonical(content).encode())}) + "\n").encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> Head:
        """The head in a file; ValueError where it is not as it was written."""
        try:
            found = json.loads(data)
            found.pop("checksum")
            head = cls(**found)
            same = head.to_bytes() == data
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise ValueError("is not a head as the ledger writes them") from error
        if not same:
            raise ValueError("does not match its own checksum")
        return head


@dataclass(frozen=True)
class Chain:
    """What was found in a ledger's bytes.

    entries : the entries that are whole, in the order of their lines
    findings : every fault
    torn : bytes at the end that were never a whole entry, beyond what the head counts
    """

    entries: tuple[Entry, ...]
    findings: tuple[Finding, ...]
    torn: bytes = b""


def inspect_chain(data: bytes, head: Head | None = None) -> Chain:
    """Every entry and every fault in a ledger's bytes, alone or against its head.

    One whole next entry more than the head counts is no fault: its writer was stopped before it wrote the head.
    """
    *lines, torn = data.split(b"\n")
    read = [_read(line) for line in lines]
    count = len(lines) if head is None else head.count
    if len(lines) > count and isinstance(read[count], str):  # beyond the head and no entry: never finished
        torn = b"\n".join([*lines[count:], torn])
        lines, read = lines[:count], read[:count]
    inspection = _Inspection({entry.index for entry in read if isinstance(entry, Entry)})
    for number, (line, found) in enumerate(zip(lines, read, strict=True), start=1):
        if isinstance(found, str):
            inspection.unreadable(number, found)
        else:
            inspection.take(number, found, sha256(line))
    if head is not None:
        inspection.compare(lines, head)
    if torn:
        what = f"the end is torn: {len(torn)} bytes of an entry that was never finished"
        inspection.findings.append(Finding("torn", len(lines), len(lines) + 1, what, TORN))
    findings = sorted(inspection.findings, key=lambda finding: finding.line or 0)
    return Chain(tuple(inspection.entries), tuple(findings), torn)


def _read(line: bytes) -> Entry | str:
    try:
        return read_entry(line)
    except ValueError as error:
        return str(error)


class _Inspection:
    """A walk along the lines: what came last in order, and what has been seen."""

    def __init__(self, there: set[int]) -> None:
        self.there = there
        self.entries: list[Entry] = []
        self.findings: list[Finding] = []
        self.seen: dict[int, tuple[str, int]] = {}
        self.last, self.line, self.gap = -1, NOTHING, 0

    def add(self, code: str, index: int | None, number: int, what: str) -> None:
        self.findings.append(Finding(code, index, number, what))

    def unreadable(self, number: int, why: str) -> None:
        self.gap += 1
        index = self.last + self.gap
        self.add("edited", index, number, f"entry {index} was edited: the line {why}")

    def take(self, number: int, entry: Entry, line: str) -> None:
        """One whole entry: is it the next one, and does it follow from the line before?"""
        self.entries.append(entry)
        index = entry.index
        if index in self.seen:
            same, first = self.seen[index]
            if same == entry.hash:
                self.add("duplicated", index, number, f"entry {index} is there again; it stands in line {first}")
            else:
                self.add("inserted", index, number, f"a second entry {index} was inserted; one stands in line {first}")
            return
        self.seen[index] = (entry.hash, number)
        if index <= self.last:
            self.add("reordered", index, number, f"entry {index} stands after entry {self.last}")
            return
        self._missing(number, index)
        if self.gap == 0 and index == self.last + 1 and entry.previous != self.line:
            before = f"entry {index - 1}" if index else "nothing"
            what = f"entry {index} does not follow from {before} as it stands: one of them was rewritten"
            self.add("edited", index, number, what)
        self.last, self.line, self.gap = index, line, 0

    def _missing(self, number: int, index: int) -> None:
        """Entries between the last one and this one that are not there, or not here."""
        between = range(self.last + 1 + self.gap, index)
        gone = [i for i in between if i not in self.there]
        if gone:
            self.add("dropped", gone[0], number, f"{_those(gone)} dropped before entry {index}")
        if len(gone) < len(between):
            later = [i for i in between if i in self.there]
            self.add("reordered", index, number, f"entry {index} stands before {_names(later)}")

    def compare(self, lines: Sequence[bytes], head: Head) -> None:
        """What the head says against the lines that are there."""
        count, found = head.count, len(lines)
        ends = bool(lines) and sha256(lines[-1]) == head.line
        if found < count and not ends:
            gone = range(found, count)
            what = f"{_those(gone)} cut off: the head counts {count} entries, the file has {found} whole lines"
            self.add("truncated", gone[0], found + 1, what)
        elif found > count + 1:
            extra = range(count, found)
            what = f"{_names(extra)} stand after the end that the head gives ({count} entries)"
            self.add("head", extra[0], count + 1, what)
        elif 0 < count <= found and sha256(lines[count - 1]) != head.line and not self.findings:
            what = f"entry {count - 1} is not the one that the head ends with"
            self.add("edited", count - 1, count, what)


def _names(indices: Sequence[int]) -> str:
    return f"entry {indices[0]}" if len(indices) == 1 else f"entries {indices[0]} to {indices[-1]}"


def _those(indices: Sequence[int]) -> str:
    return f"{_names(indices)} {'was' if len(indices) == 1 else 'were'}"
