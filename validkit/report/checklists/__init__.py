"""Reporting guidelines filled in from a run: what its records tell stands there, what they cannot is the authors'."""

from __future__ import annotations

from validkit.report.checklists.filled import FORMATS, GUIDELINES, Filled, checklist, checklist_record, written

__all__ = ["FORMATS", "GUIDELINES", "Filled", "checklist", "checklist_record", "written"]
