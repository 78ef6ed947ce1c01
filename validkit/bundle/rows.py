"""Which members of a bundle hold rows of training patients."""

from __future__ import annotations

from validkit.bundle.lineage import NAME as LINEAGE
from validkit.bundle.lineage import read_lineage
from validkit.store import Files

__all__ = ["keeping_rows"]

IMPUTER = "fills in missing values with those of training patients, and so holds them (iterative imputation)"

ISOTONIC = "keeps the risks of single patients of the centre that updated it (isotonic)"


def keeping_rows(files: Files) -> dict[str, str]:
    """Member to what it does with rows of training patients, for those that hold some; nothing is built."""
    from validkit.plnm.storage import types_in
    from validkit.tabular.locked_imputer import keeps_rows
    from validkit.tabular.trusted import KEEPS_ROWS

    found = {}
    for name, data in files.items():
        if name.endswith(".skops"):
            kinds = sorted(types_in(data) & KEEPS_ROWS)
            if kinds:
                found[name] = f"keeps rows of training patients ({kinds[0].rpartition('.')[2]})"
        elif name == LINEAGE and _isotonic(data):
            found[name] = ISOTONIC
        elif name.startswith("imputer.") and keeps_rows(data):
            found[name] = IMPUTER
    return found


def _isotonic(data: bytes) -> bool:
    lineage = read_lineage({LINEAGE: data})
    return lineage is not None and any(step.curve == "isotonic" for step in lineage.steps)
