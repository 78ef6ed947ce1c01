"""The model and the patients that the first page is about, and how one of its numbers is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from validkit.report import text
from validkit.report.records import CORRECTED, NotAvailable, Record, Run
from validkit.report.values import Estimate, estimate

REGISTRY = {"slope": "calibration_slope", "oe": "observed_expected"}
"""names in evaluation.json that differ from those of `stats.METRICS`"""
COMBINED = {
    "average": "are averaged for each patient before they are judged",
    "per-repeat": "of each repeat are judged together and the results averaged over the repeats",
    "pool": "are judged together, and intervals come from drawing patients",
}
ONLY_MAIN = "of this model, only AUC, Brier score, slope, calibration in the large and O:E are corrected for optimism"


@dataclass(frozen=True)
class Subject:
    """The protocol's reference model on the set whose figures answer the question."""

    model: Record
    where: str
    scores: Record
    among: str

    @property
    def label(self) -> str:
        """The model's name."""
        return label(self.model)

    @property
    def title(self) -> str:
        """`Nomogram: held-out patients`."""
        return f"{self.label}: {self.among}"


def label(model: Mapping[str, Any]) -> str:
    """A model's name for the reader."""
    return str(model.get("label") or model["name"])


def spoken(model: Mapping[str, Any]) -> str:
    """A model's name inside a sentence: `the nomogram`, `"Logistic regression"`."""
    return "the nomogram" if model.get("name") == "nomogram" else f"“{label(model)}”"


def subject(run: Run) -> Subject:
    """What the first page is about; NotAvailable says why there is nothing."""
    model = run.reference
    wanted = str(run.setting("evaluation.compare.reference") or "nomogram")
    if model is None:
        raise NotAvailable(f"evaluation.json holds no model {wanted!r}, the protocol's reference")
    scores = model["sets"].get(run.primary)
    if not scores:
        done = "corrected for optimism" if run.primary == CORRECTED else f"judged on {run.among(run.primary)}"
        raise NotAvailable(f"{spoken(model)} was not {done}")
    return Subject(model, run.primary, scores, run.among(run.primary))


def subject_title(run: Run) -> str:
    """The heading of the first page's numbers, whatever is missing."""
    try:
        return subject(run).title
    except NotAvailable:
        return f"The model: {run.among(run.primary)}"


def score(scores: Mapping[str, Any], key: str, where: str = "") -> Estimate:
    """One number of a model on a set: its own entry, else that of the same name among the measures."""
    found = scores.get(key)
    if found is None:
        found = (scores.get("measures") or {}).get(REGISTRY.get(key, key))
    if found is None and where == CORRECTED:
        return Estimate(note=ONLY_MAIN)
    return estimate(found)


def behind(run: Run, scores: Mapping[str, Any]) -> list[str]:
    """What stands behind the numbers of a set beside its patients: repeats of one patient, imputed copies."""
    found = []
    repeats, copies = scores.get("repeats"), scores.get("imputed_copies")
    if repeats:
        how = COMBINED.get(str(run.setting("evaluation.combine", "average")), "are combined")
        found.append(f"Each patient was predicted {text.whole(repeats)} times; the predictions {how}.")
    if copies:
        found.append(f"Pooled over {text.whole(copies)} imputed copies by Rubin's rules.")
    return found
