"""What a run folder keeps of the ledger: the run's identity and a receipt of each of its entries.

`receipts.json` is written after every entry, the last one after `run.json`; `run.json` therefore does not list it.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from validkit.durable import write_text
from validkit.errors import InputError

RECEIPTS = "receipts.json"


@dataclass(frozen=True)
class Receipt:
    """Proof of one entry: its place, its hash, and the ledger that holds it."""

    index: int
    hash: str
    time: str
    kind: str
    ledger: str

    def to_dict(self) -> dict[str, Any]:
        """The receipt as plain values."""
        return asdict(self)


@dataclass(frozen=True)
class Receipts:
    """The receipts of a run folder.

    run : the run's identity, made once and kept when it is resumed or moved
    ledger : the ledger that was written to last; "" where none was
    """

    run: str
    ledger: str
    receipts: tuple[Receipt, ...]

    def to_dict(self) -> dict[str, Any]:
        """What `receipts.json` holds."""
        return {"run": self.run, "ledger": self.ledger, "receipts": [item.to_dict() for item in self.receipts]}


def read_receipts(folder: Path) -> Receipts | None:
    """The receipts in a run folder, or None where it keeps none; InputError where they cannot be read."""
    path = folder / RECEIPTS
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return Receipts(str(found["run"]), str(found["ledger"]), tuple(_receipt(item) for item in found["receipts"]))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{str(path)!r} is not what validkit writes ({type(error).__name__}: {error}); restore it from a copy of "
            "the run folder, or run again into another folder"
        ) from error


def _receipt(item: Mapping[str, Any]) -> Receipt:
    receipt = Receipt(**item)
    texts = (receipt.hash, receipt.time, receipt.kind, receipt.ledger)
    if type(receipt.index) is not int or not all(isinstance(text, str) for text in texts):
        raise TypeError(f"a receipt has an index and four texts; got {dict(item)!r}")
    return receipt


def run_identity(folder: Path) -> str:
    """The identity of the run in a folder: the one that is kept there, else a new one, which is then kept."""
    known = read_receipts(folder)
    if known is None:
        known = Receipts(secrets.token_hex(8), "", ())
        write_receipts(folder, known)
    return known.run


def keep_receipt(folder: Path, receipt: Receipt) -> Receipts:
    """Add a receipt to those of a run folder; one that is there already is not added again."""
    run = run_identity(folder)
    known = read_receipts(folder)
    there = known.receipts if known is not None else ()
    kept = Receipts(run, receipt.ledger, there if receipt in there else (*there, receipt))
    write_receipts(folder, kept)
    return kept


def write_receipts(folder: Path, receipts: Receipts) -> None:
    """Write `receipts.json`, whole or not at all."""
    write_text(folder / RECEIPTS, json.dumps(receipts.to_dict(), indent=1, sort_keys=True) + "\n")
