"""Who opened which held-out outcomes before: outcomes recognised by salted hashes, openings counted.

An opening keeps one short salted hash a patient, made of the patient's id and outcome. The same outcomes are
recognised whatever cohort file, split or protocol they come from, and the ledger names no patient. (The salt stands
in the ledger: who holds the ledger and guesses an id can tell whether it is there.)
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from validkit.errors import InputError
from validkit.ledger.chain import Entry
from validkit.ledger.receipts import Receipt

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    Keys = NDArray[np.uint64]

ENOUGH = 10
"""Disagreements expected of unrelated patients, below which shared ids are never taken for those of others."""


def outcome_keys(patients: Sequence[object], outcome: Sequence[object], salt: str) -> list[str]:
    """One short salted hash a patient, of id and outcome: 16 hexadecimal digits.

    patients : ids, compared as text
    outcome : one value a patient; 1, 1.0 and True are the same
    """
    return [_key(patient, _plain(value), salt).hex() for patient, value in zip(patients, outcome, strict=True)]


def _key(patient: object, value: str, salt: str) -> bytes:
    return hashlib.blake2b(f"{value}\0{patient}".encode(), digest_size=8, key=salt.encode()[:64]).digest()


def _plain(value: object) -> str:
    """An outcome as text: whole numbers without a decimal point."""
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return str(value)
    return str(int(number)) if number.is_integer() else str(number)


@dataclass(frozen=True)
class Outcomes:
    """The outcomes of some patients, as the ledger knows them.

    keys : sorted hashes of id and outcome
    contrary : the hashes that the same ids would have with the other outcome; None unless the outcome is 0/1
    share : events among them
    """

    keys: Keys
    contrary: Keys | None
    share: float

    @classmethod
    def of(cls, outcome: pd.Series, salt: str) -> Outcomes:
        """The outcomes of a series indexed by patient."""
        import numpy as np

        if outcome.index.has_duplicates:
            twice = outcome.index[outcome.index.duplicated()]
            raise InputError(
                f"an opening names each patient once; {len(twice)} come again (first: {twice[0]!r}): drop the repeats"
            )
        if outcome.empty or outcome.isna().any():
            raise InputError(
                "an opening needs an outcome for at least one patient and none missing; "
                f"got {len(outcome)} patients, {int(outcome.isna().sum())} without outcome"
            )
        values = [_plain(value) for value in outcome.tolist()]
        binary = set(values) <= {"0", "1"}
        other = [_key(p, "0" if v == "1" else "1", salt) for p, v in zip(outcome.index, values, strict=True)]
        own = [_key(p, v, salt) for p, v in zip(outcome.index, values, strict=True)]
        share = float(np.mean([value == "1" for value in values]))
        return cls(_array(own), _array(other) if binary else None, share)

    def packed(self) -> str:
        """The keys as one text."""
        return base64.b64encode(self.keys.astype(">u8").tobytes()).decode("ascii")

    def shared_with(self, keys: Keys, events: float) -> tuple[Keys, bool]:
        """The keys that another opening has too, and whether its patients are others with the same ids.

        Ids such as 1, 2, 3 occur in many cohorts. Where ids are shared but their outcomes disagree about as often as
        those of unrelated patients would, the patients are others.
        """
        import numpy as np

        same = np.intersect1d(self.keys, keys, assume_unique=True)
        if self.contrary is None:
            return same, False
        contrary = len(np.intersect1d(self.contrary, keys, assume_unique=True))
        known = len(same) + contrary
        by_chance = known * (self.share * (1 - events) + events * (1 - self.share))
        return same, by_chance >= ENOUGH and contrary >= 0.5 * by_chance


def _array(keys: Sequence[bytes]) -> Keys:
    import numpy as np

    return np.sort(np.frombuffer(b"".join(keys), dtype=">u8").astype(np.uint64))


def unpack(text: str) -> Keys:
    """The keys in an entry."""
    import numpy as np

    return np.frombuffer(base64.b64decode(text), dtype=">u8").astype(np.uint64)


# --- counted ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Other:
    """Another opening that shares patients' outcomes with this one.

    shared : how many patients
    """

    index: int
    time: str
    run: str
    protocol: str
    protocol_name: str
    purpose: str
    shared: int


@dataclass(frozen=True)
class Opening:
    """One opening of held-out outcomes, and those before it.

    times : openings that share at least one patient's outcome with this one, this included
    protocols : distinct protocol digests among them
    others : the earlier ones
    share : share of these patients whose outcome was opened before under another run
    unlike : earlier openings with the same ids whose outcomes disagree like those of other patients; not counted
    """

    receipt: Receipt
    times: int
    protocols: int
    others: tuple[Other, ...]
    share: float
    unlike: int = 0

    def sentence(self) -> str:
        """How often, in words."""
        if self.times == 1:
            return "held-out outcomes opened once"
        plural = "s" if self.protocols != 1 else ""
        return f"held-out outcomes opened {self.times} times under {self.protocols} protocol{plural}"

    def to_dict(self) -> dict[str, Any]:
        """The opening as plain values, with its sentence."""
        return {**asdict(self), "others": [asdict(other) for other in self.others], "sentence": self.sentence()}


def openings(entries: Sequence[Entry]) -> list[Entry]:
    """The entries that are openings."""
    return [entry for entry in entries if entry.kind == "opening"]


def count(outcomes: Outcomes, own: Entry, entries: Sequence[Entry], receipt: Receipt) -> Opening:
    """The openings up to this one that share its outcomes."""
    import numpy as np

    others, before, unlike = [], [np.array([], dtype=np.uint64)], 0
    for entry in openings(entries):
        if entry.index >= own.index:
            continue
        facts = entry.facts
        same, strangers = outcomes.shared_with(unpack(facts["keys"]), facts["events"])
        unlike += strangers
        if not len(same) or strangers:
            continue
        names = {name: facts[name] for name in ("run", "protocol", "protocol_name", "purpose")}
        others.append(Other(entry.index, entry.time, shared=len(same), **names))
        if facts["run"] != own.facts["run"]:
            before.append(same)
    share = len(np.unique(np.concatenate(before))) / len(outcomes.keys)
    protocols = len({own.facts["protocol"], *(other.protocol for other in others)})
    return Opening(receipt, len(others) + 1, protocols, tuple(others), share, unlike)


def first_opening(outcomes: Outcomes, entries: Sequence[Entry]) -> Entry | None:
    """The earliest opening that shares these outcomes."""
    for entry in openings(entries):
        same, strangers = outcomes.shared_with(unpack(entry.facts["keys"]), entry.facts["events"])
        if len(same) and not strangers:
            return entry
    return None
