"""What each fit of the whole model saw and chose, and how one model did in each part of the design."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from validkit.report.records import NotAvailable, Record, Run

FINAL = "final"
MEASURES = (
    ("auc", "AUC"),
    ("slope", "Calibration slope"),
    ("calibration_in_the_large", "In the large"),
    ("oe", "Observed : expected"),
    ("brier", "Brier score"),
)
NO_PARTS = "of this model, no performance by split was recorded"


def fits(run: Run) -> list[Record]:
    """The fits that the design judges: every split's, without the one to all patients."""
    found: list[Record] = run.stage("splits")["splits"]
    if not found:
        raise NotAvailable("stages/splits.json lists no fit")
    return [one for one in found if one.get("split") != FINAL] or found


def final(run: Run) -> Record | None:
    """The fit to all patients, where the design has one."""
    return next((one for one in run.stage("splits")["splits"] if one.get("split") == FINAL), None)


def split_name(one: Mapping[str, Any], *, repeats: bool) -> str:
    """A split for the reader: its site, `fold 3`, or `repeat 2, fold 3`."""
    if one.get("site"):
        return str(one["site"])
    fold, repeat = one.get("fold"), one.get("repeat")
    if not fold:
        return str(one.get("split") or "?")
    return f"Repeat {repeat}, fold {fold}" if repeats else f"Fold {fold}"


def has_repeats(rows: Sequence[Mapping[str, Any]]) -> bool:
    """Whether splits belong to several repeats."""
    return len({row.get("repeat") for row in rows}) > 1


def parts(model: Mapping[str, Any]) -> list[Record]:
    """One model on the held-out patients of each split."""
    found: list[Record] = model.get("by_split") or []
    if not found:
        raise NotAvailable(NO_PARTS)
    return found


def chosen_counts(run: Run) -> dict[str, Counter[str]]:
    """What was chosen, by what it was chosen for: {"deep": {"resnet50": 3, "densenet121": 2}}."""
    found: dict[str, Counter[str]] = {}
    for one in fits(run):
        for what, choice in (one.get("chosen") or {}).items():
            found.setdefault(str(what), Counter())[str(choice)] += 1
    return found


def kept_counts(run: Run) -> Counter[str]:
    """In how many fits each column was kept, most frequent first, then by name."""
    found: Counter[str] = Counter()
    for one in fits(run):
        found.update({str(name) for name in one.get("features") or []})
    if not found:
        raise NotAvailable("no fit recorded which columns it kept")
    return Counter(dict(sorted(found.items(), key=lambda item: (-item[1], item[0]))))
