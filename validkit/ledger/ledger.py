"""The ledger's entries: seals of protocols, openings of held-out outcomes, finished runs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from validkit.errors import InputError
from validkit.ledger.chain import Entry, sha256
from validkit.ledger.journal import Journal
from validkit.ledger.openings import Opening, Outcomes, count, first_opening, openings
from validkit.ledger.receipts import Receipt
from validkit.ledger.seals import Sealed, seal_of, seal_state

if TYPE_CHECKING:
    import pandas as pd


def default_ledger() -> Path:
    """$VALIDKIT_LEDGER, else `validkit/ledger.jsonl` in the user's state folder ($XDG_STATE_HOME or ~/.local/state)."""
    if own := os.environ.get("VALIDKIT_LEDGER"):
        return Path(own)
    base = os.environ.get("LOCALAPPDATA" if os.name == "nt" else "XDG_STATE_HOME")
    return (Path(base) if base else Path.home() / ".local" / "state") / "validkit" / "ledger.jsonl"


class Ledger(Journal):
    """What binds protocols: seals, openings of held-out outcomes, finished runs; a `Journal` that knows them.

    path : the file; None for the user's own
    wait : seconds to wait for another process that is writing
    """

    def __init__(self, path: str | Path | None = None, *, wait: float = 60.0) -> None:
        super().__init__(path if path is not None else default_ledger(), wait=wait)

    def seal(self, *, protocol: str, protocol_name: str, canonical: str, cohort: str | None = None) -> Receipt:
        """Declare a protocol before its data are seen; sealing the same again gives the first receipt.

        protocol : its digest
        canonical : its canonical JSON, kept so that a later protocol can be compared with it
        cohort : digest of the cohort it is meant for; None leaves that open
        """
        if sha256(canonical.encode()) != protocol:
            raise InputError("a seal's `protocol` must be the SHA-256 of `canonical`; give the protocol's own digest")
        with self._alone():
            for entry in self.entries():
                facts = entry.facts
                if entry.kind == "seal" and (facts["protocol"], facts["cohort"]) == (protocol, cohort):
                    return self._receipt(entry)
            facts = {"protocol": protocol, "protocol_name": protocol_name, "canonical": canonical, "cohort": cohort}
            return self._receipt(self._append("seal", facts))

    def open_outcomes(
        self,
        *,
        protocol: str,
        protocol_name: str,
        cohort: str,
        run: str,
        predictions: str,
        purpose: str,
        outcome: pd.Series,
        synthetic: bool,
    ) -> Opening:
        """Enter an opening of held-out outcomes, before they are joined, and count those before it.

        protocol, cohort, predictions : digests
        run : the run's identity; the same opening of the same run is entered once, however often the run resumes
        purpose : such as "evaluation" or "model choice"
        outcome : the outcomes that are opened, indexed by patient
        """
        facts: dict[str, Any] = {
            "protocol": protocol,
            "protocol_name": protocol_name,
            "cohort": cohort,
            "run": run,
            "predictions": predictions,
            "purpose": purpose,
            "synthetic": bool(synthetic),
            "patients": len(outcome),
        }
        with self._alone():
            outcomes = Outcomes.of(outcome, self._salt())
            facts |= {"keys": outcomes.packed(), "events": outcomes.share}
            entries = self.entries()
            own = next((entry for entry in openings(entries) if entry.facts == facts), None)
            if own is None:
                own = self._append("opening", facts)
        return count(outcomes, own, entries, self._receipt(own))

    def finished(self, *, run: str, protocol: str, record: str) -> Receipt:
        """Enter that a run is finished, with the SHA-256 of its run.json; entered once for the same bytes."""
        facts = {"run": run, "protocol": protocol, "record": record}
        with self._alone():
            known = [entry for entry in self.entries() if entry.kind == "finished" and entry.facts["run"] == run]
            if known and known[-1].facts == facts:
                return self._receipt(known[-1])
            return self._receipt(self._append("finished", facts))

    def sealed(self, protocol: str, cohort: str | None = None) -> Entry | None:
        """The earliest seal of a protocol: for this cohort or none by name, else for another; None where unsealed."""
        return seal_of(self.entries(), protocol, cohort)

    def seal_state(self, protocol: str, *, cohort: str | None = None, outcome: pd.Series | None = None) -> Sealed:
        """Whether a protocol was sealed before these outcomes were first opened by any run."""
        entries = self.entries()
        first = None
        if outcome is not None and entries:
            first = first_opening(Outcomes.of(outcome, entries[0].facts["salt"]), entries)
        return seal_state(seal_of(entries, protocol, cohort), cohort, first)
