"""Whether a protocol was declared before its held-out outcomes were first opened."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from validkit.ledger.chain import Entry


@dataclass(frozen=True)
class Sealed:
    """Whether a protocol was sealed before its held-out outcomes were first opened.

    entry : the seal that counts; None where there is none
    cohort_matches : whether it was sealed for this cohort; None where the seal or the question names none
    """

    state: Literal["sealed", "sealed after opening", "unsealed"]
    entry: Entry | None
    sentence: str
    cohort_matches: bool | None = None

    def to_dict(self) -> dict[str, Any]:
        """The state as plain values."""
        facts = None if self.entry is None else {name: getattr(self.entry, name) for name in ("index", "time", "hash")}
        return {
            "state": self.state,
            "entry": facts,
            "sentence": self.sentence,
            "cohort_matches": self.cohort_matches,
        }


def seal_of(entries: Sequence[Entry], protocol: str, cohort: str | None) -> Entry | None:
    """The earliest seal of a protocol: for this cohort or for none by name, else for another."""
    seals = [entry for entry in entries if entry.kind == "seal" and entry.facts["protocol"] == protocol]
    fitting = [entry for entry in seals if _fits(entry, cohort) is not False]
    return next(iter(fitting or seals), None)


def _fits(seal: Entry, cohort: str | None) -> bool | None:
    named = seal.facts["cohort"]
    return None if named is None or cohort is None else named == cohort


def seal_state(seal: Entry | None, cohort: str | None, first: Entry | None) -> Sealed:
    """What a seal is worth: sealed before the first opening of the outcomes, after it, or not at all.

    first : the first opening of the outcomes in question; None where they were never opened
    """
    if seal is None:
        return Sealed("unsealed", None, "the protocol was not sealed")
    fits = _fits(seal, cohort)
    words = f"the protocol was sealed on {_day(seal)}" + (" for another cohort" if fits is False else "")
    if first is None:
        return Sealed("sealed", seal, words, fits)
    if first.index > seal.index:
        return Sealed("sealed", seal, f"{words}, before these outcomes were first opened", fits)
    name = first.facts["protocol_name"]
    after = f"{words}, after these outcomes had been opened on {_day(first)} under protocol {name!r}"
    return Sealed("sealed after opening", seal, after, fits)


def _day(entry: Entry) -> str:
    return f"{entry.time[:10]} at {entry.time[11:16]} UTC"
