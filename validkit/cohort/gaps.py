"""Cells without a value: refused, their patients left out and listed, or kept to be filled in inside each split."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from validkit.cohort.columns import Findings
from validkit.cohort.table import code_test, each_cell, missing_cells
from validkit.sections import CohortSpec, Predictor

Masks = dict[str, NDArray[np.bool_]]
_EXCLUDE = 'or set cohort.missing = "exclude" to leave such patients out and list them'


def settle_gaps(
    frame: pd.DataFrame, spec: CohortSpec, extra: Sequence[str], found: Findings
) -> tuple[pd.DataFrame, Masks, list[tuple[str, str]]]:
    """The rows that are kept, which of their cells have no value, and who was left out and why."""
    gaps = {
        name: missing_cells(frame[name], spec.predictors.get(name))
        for name in _needed(spec, extra)
        if name in frame and len(frame)
    }
    if spec.missing != "refuse":
        _note_shares(frame, spec, gaps, found)
    if spec.missing == "exclude":
        return _exclude(frame, gaps, found)
    for name, mask in gaps.items():
        if name not in spec.predictors or name in extra:
            _refuse(frame[name], mask, found, _needed_mend(spec))
        elif spec.missing == "refuse":
            mend = f"complete the row, {_EXCLUDE}" + _IMPUTE
            _refuse(frame[name], mask, found, mend)
        elif mask.all() and not spec.predictors[name].absent:
            found.fault(
                "missing-value", None, name, "no patient has a value", "fill the column, or remove the predictor"
            )
    return frame, gaps, []


_IMPUTE = ', or "impute" to fill predictors in inside each split'


def _needed_mend(spec: CohortSpec) -> str:
    if spec.missing == "impute":
        return f"complete the row: only predictors are imputed; {_EXCLUDE}"
    return f"complete the row, {_EXCLUDE}"


def _needed(spec: CohortSpec, extra: Sequence[str]) -> list[str]:
    """The columns in which every patient needs a value."""
    roles = (spec.outcome.column, spec.site, spec.group, spec.date, spec.device)
    needed = [*(role for role in roles if role), *spec.predictors, *extra]
    if spec.kind == "images":
        needed += [spec.image, spec.outlines[spec.primary]]
    return list(dict.fromkeys(needed))


def _refuse(column: pd.Series, mask: NDArray[np.bool_], found: Findings, mend: str) -> None:
    lacking = column[mask]
    for row, text in zip(lacking.index.tolist(), lacking.tolist(), strict=True):
        found.fault("missing-value", row, str(column.name), f"no value ({text!r})", mend)


def _exclude(frame: pd.DataFrame, gaps: Masks, found: Findings) -> tuple[pd.DataFrame, Masks, list[tuple[str, str]]]:
    lacks: dict[int, list[str]] = defaultdict(list)
    for name, mask in gaps.items():
        for row in frame.index[mask].tolist():
            lacks[row].append(name)
    kept = frame.drop(index=list(lacks))
    if kept.empty:
        found.fault("no-patients", None, None, "every patient lacks a value in a needed column", "complete the table")
    none = np.zeros(len(kept), bool)
    left_out = [(found.patients[row], f"no value in {', '.join(lacks[row])}") for row in sorted(lacks)]
    return kept, dict.fromkeys(gaps, none), left_out


def _note_shares(frame: pd.DataFrame, spec: CohortSpec, gaps: Masks, found: Findings) -> None:
    """A line for each predictor that lacks values; the outcome is not looked at."""
    for name, predictor in spec.predictors.items():
        mask = gaps.get(name, np.zeros(0, bool))
        if not mask.any():
            continue
        text = f"predictor {name!r}: no value in {int(mask.sum())} of {len(frame)} patients ({100 * mask.mean():.1f}%)"
        found.notes.append(text + _by_code(frame[name][mask], predictor))


def _by_code(column: pd.Series, predictor: Predictor) -> str:
    coded = column[each_cell(column, code_test(predictor), bool)]
    shown = [f"{count} written {text!r}" for text, count in coded.value_counts(sort=False).items()]
    return f", {', '.join(shown)}" if shown else ""
