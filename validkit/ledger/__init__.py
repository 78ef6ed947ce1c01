"""The ledger: who sealed which protocol and opened which held-out outcomes, when, under which digest.

`chain` is the form of an entry and what makes a chain whole; `journal` the file; `openings` and `seals` what is
counted in it; `receipts` what a run folder keeps of it; `ledger` puts them together.
"""

from validkit.ledger.chain import Entry, Finding, LedgerError
from validkit.ledger.ledger import Ledger, default_ledger
from validkit.ledger.openings import Opening, outcome_keys
from validkit.ledger.receipts import RECEIPTS, Receipt, Receipts, keep_receipt, read_receipts, run_identity
from validkit.ledger.seals import Sealed

__all__ = [
    "RECEIPTS",
    "Entry",
    "Finding",
    "Ledger",
    "LedgerError",
    "Opening",
    "Receipt",
    "Receipts",
    "Sealed",
    "default_ledger",
    "keep_receipt",
    "outcome_keys",
    "read_receipts",
    "run_identity",
]
