"""The file under the ledger: an append-only chain of entries that outlives killed processes and power cuts.

Lines are only ever appended; each entry holds the digest of the one before. A head beside the file says where it
ends, so that a missing tail shows. One process appends at a time; an entry is on the disk before its receipt is
given. What a writer left unfinished is completed or set aside by the next append.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

from validkit.durable import explained, make_folder, sync_folder, write_synced
from validkit.errors import InputError
from validkit.ledger.chain import (
    Chain,
    Entry,
    Finding,
    Head,
    LedgerError,
    inspect_chain,
    make_entry,
    read_entry,
    sha256,
)
from validkit.ledger.receipts import Receipt
from validkit.locks import locked

GONE = (
    "put both files back from a copy; where there is none, the receipts in the run folders say what was in it: begin "
    "a new ledger elsewhere with VALIDKIT_LEDGER and keep what is left for the record"
)
LOOKS = 50
"""Looks at a file that another process is writing, before it is read as it is."""


class Journal:
    """An append-only chain of entries in a file; made at the first append.

    path : the file
    wait : seconds to wait for another process that is writing
    """

    def __init__(self, path: str | Path, *, wait: float = 60.0) -> None:
        self.path = Path(path).expanduser().resolve()
        self.head = self.path.with_name(self.path.name + ".head")
        self.wait = wait

    # --- append ------------------------------------------------------------------------------------------

    def append(self, kind: str, **facts: Any) -> Receipt:
        """Append an entry; once its receipt is returned, it is on the disk.

        kind : such as "seal", "opening", "finished"
        facts : plain JSON values
        Raises InputError where the file cannot be written, and LedgerError where its end is not as it was left.
        """
        with self._alone():
            return self._receipt(self._append(kind, facts))

    # --- read --------------------------------------------------------------------------------------------

    def entries(self) -> list[Entry]:
        """Every entry, verified; none where there is no ledger. LedgerError names the first bad one."""
        chain, findings = self._inspect()
        faults = [finding for finding in findings if finding.code not in ("torn", "absent")]
        if faults:
            raise LedgerError(str(self.path), faults[0])
        return list(chain.entries)

    def verify(self, receipts: Iterable[Receipt] = ()) -> list[Finding]:
        """Every entry that was edited, dropped, reordered, duplicated, inserted or cut off; none where it is whole.

        receipts : what run folders keep; each must still be there
        """
        try:
            with self._locked() if self.path.exists() else nullcontext():
                chain, findings = self._inspect()
        except InputError:  # a folder that cannot be written can still be read
            chain, findings = self._inspect()
        there = {entry.index: entry.hash for entry in chain.entries}
        for receipt in receipts:
            if there.get(receipt.index) != receipt.hash:
                what = f"a run's receipt of entry {receipt.index} ({receipt.kind}, {receipt.time}) is not borne out"
                state = "the entry was rewritten" if receipt.index in there else "the entry is gone"
                findings.append(Finding("receipt", receipt.index, receipt.index + 1, f"{what}: {state}"))
        return findings

    def _inspect(self) -> tuple[Chain, list[Finding]]:
        """The chain and every fault of the two files."""
        data, kept = self._files()
        if data is None:
            what, code = "there is no ledger here", "absent"
            if kept is not None and not _is_empty(kept):
                what, code = "the ledger is gone; its head is there", "deleted"
            mend = GONE if code == "deleted" else "nothing, if nothing was ever sealed or opened here"
            return Chain((), ()), [Finding(code, None, None, what, mend)]
        try:
            head = Head.from_bytes(kept) if kept is not None else None
        except ValueError as error:
            chain = inspect_chain(data)
            return chain, [*chain.findings, Finding("head", None, None, f"{self.head.name} {error}", GONE)]
        chain = inspect_chain(data, head)
        if head is None and data:
            return chain, [*chain.findings, Finding("head", None, None, f"{self.head.name} is gone", GONE)]
        return chain, list(chain.findings)

    def _files(self) -> tuple[bytes | None, bytes | None]:
        """The ledger's and the head's bytes, as they belong together."""
        kept = self._bytes(self.head)
        for _ in range(LOOKS):
            data, before = self._bytes(self.path), kept
            kept = self._bytes(self.head)
            if kept == before:
                break
        return data, kept

    def _bytes(self, path: Path) -> bytes | None:
        try:
            return path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise InputError(f"{str(path)!r} cannot be read ({error.strerror}): let this user read it") from error

    # --- write: always under the lock -----------------------------------------------------------------------

    @contextmanager
    def _locked(self) -> Iterator[None]:
        def refusal(who: str) -> InputError:
            return InputError(
                f"the ledger {str(self.path)!r} is held by {who}, for more than {self.wait:g} s: "
                "end that process if it hangs, and run again"
            )

        with locked(self.path.with_name(self.path.name + ".lock"), wait=self.wait, refusal=refusal):
            yield

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """No other writer; what an earlier one left unfinished is completed or set aside."""
        with self._locked(), explained(self.path):
            self._recover()
            yield

    def _salt(self) -> str:
        with self.path.open("rb") as file:
            return str(read_entry(file.readline().removesuffix(b"\n")).facts["salt"])

    def _append(self, kind: str, facts: dict[str, Any]) -> Entry:
        """One entry: checked against the end, written through, then counted by the head."""
        head = self._read_head()
        time = datetime.now(UTC).isoformat(timespec="milliseconds")
        try:
            entry = make_entry(head.count, kind, facts, previous=head.line, time=time)
        except (TypeError, ValueError) as error:
            raise InputError(f"an entry's facts must be plain JSON values: {error}") from error
        line = entry.line()
        self._write_at(head.size, line + b"\n")
        self._write_head(head.after(line))
        return entry

    def _write_at(self, end: int, data: bytes) -> None:
        """Bytes at the ledger's end, through to the disk; on failure the file is as it was."""
        handle = os.open(self.path, os.O_RDWR | getattr(os, "O_BINARY", 0))
        try:
            os.lseek(handle, end, os.SEEK_SET)
            while data:
                data = data[os.write(handle, data) :]
            os.fsync(handle)
        except BaseException:
            with suppress(OSError):
                os.ftruncate(handle, end)
            raise
        finally:
            os.close(handle)

    def _write_head(self, head: Head) -> None:
        draft = self.head.with_name(self.head.name + ".draft")
        write_synced(draft, head.to_bytes())
        os.replace(draft, self.head)
        sync_folder(self.head.parent)

    def _read_head(self) -> Head:
        """The head, where the ledger ends as it says; LedgerError otherwise."""
        try:
            head = Head.from_bytes(self.head.read_bytes())
        except (ValueError, FileNotFoundError) as error:
            what = f"{self.head.name} is gone" if isinstance(error, OSError) else f"{self.head.name} {error}"
            raise LedgerError(str(self.path), Finding("head", None, None, what, GONE)) from error
        return head

    def _recover(self) -> None:
        """Begin the ledger, or bring it and its head together after a writer was stopped."""
        there = self.path.exists() and self.path.stat().st_size > 0
        if not there and (not self.head.exists() or _is_empty(self.head.read_bytes())):
            self._begin()
            return
        head = self._read_head()
        if not there:
            raise LedgerError(str(self.path), self._inspect()[1][0])
        with self.path.open("rb") as file:
            file.seek(head.start)
            last = file.read(head.size - head.start)
            beyond = file.read()
        if head.count and (last[-1:] != b"\n" or sha256(last[:-1]) != head.line):
            self._refuse()
        if beyond:
            self._finish(head, beyond)

    def _finish(self, head: Head, beyond: bytes) -> None:
        """What lies beyond the head: one whole next entry is counted; an unfinished one is set aside."""
        line, end, rest = beyond.partition(b"\n")
        if not end or not _is_entry(line):
            self._set_aside(head, beyond)
            return
        entry = read_entry(line)
        if (entry.index, entry.previous) != (head.count, head.line) or _is_entry(rest.partition(b"\n")[0]):
            self._refuse()
        self._write_head(head.after(line))
        if rest:
            self._set_aside(head.after(line), rest)

    def _refuse(self) -> NoReturn:
        faults = [finding for finding in self._inspect()[1] if finding.code != "torn"]
        what = "the end of the ledger is not as its head says"
        raise LedgerError(str(self.path), faults[0] if faults else Finding("head", None, None, what))

    def _set_aside(self, head: Head, torn: bytes) -> None:
        """Keep the bytes of an unfinished entry in a file of their own, and say so in the next entry."""
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%fZ")
        aside = self.path.with_name(f"{self.path.name}.torn-{stamp}")
        write_synced(aside, torn)
        sync_folder(aside.parent)
        os.truncate(self.path, head.size)
        if head.count:
            self._append("recovered", {"file": aside.name, "bytes": len(torn), "sha256": sha256(torn)})
        else:
            self._begin()

    def _begin(self) -> None:
        """An empty ledger and its head, and then the first entry, with the salt."""
        make_folder(self.path.parent)
        self._write_head(Head())
        with self.path.open("ab") as file:
            os.fsync(file.fileno())
        sync_folder(self.path.parent)
        self._append("genesis", {"format": 1, "salt": secrets.token_hex(16)})

    def _receipt(self, entry: Entry) -> Receipt:
        return Receipt(entry.index, entry.hash, entry.time, entry.kind, str(self.path))


def _is_empty(head: bytes) -> bool:
    try:
        return Head.from_bytes(head).count == 0
    except ValueError:
        return False


def _is_entry(line: bytes) -> bool:
    try:
        read_entry(line)
    except ValueError:
        return False
    return True
