"""Differences between two runs on the patients that both held out, each patient judged by both."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from validkit import stats
from validkit.comparing.data import joined
from validkit.comparing.pairing import Pair, Risks, notes_of, risks_of_both, unpaired
from validkit.comparing.reading import Finished
from validkit.plan import HELD_OUT
from validkit.stats import Comparison

ADJUST = "holm"
SEED, REPLICATES = 20251, 2000
"""of the bootstrap of patients, where repeats are judged one by one"""
GIVEN = (
    "Each interval holds the chance in which patients were held out, for the models as they were fitted: not that of "
    "fitting them again. Whoever picks the run that does best on these patients makes its figures optimistic."
)


def compare_pairs(
    runs: Sequence[Finished],
    outcomes: Sequence[pd.Series],
    counted: Sequence[Mapping[str, Any]],
    *,
    replicates: int = REPLICATES,
) -> dict[str, Any]:
    """{adjust, tests, note, pairs}: the first run less each other one, on shared held-out patients.

    counted : the patients of each pair, as `validkit.comparing.data` counts them
    pairs : {first, other, level, n, events, whole, reason, notes, thresholds, alike, apart, differences}. Where nothing
        can be paired honestly `reason` says why. alike : models that predict every patient alike; apart : {model,
        reason} of those that do not pair; differences : {measure, threshold, model, first_model, other_model,
        reference, difference, test, p_adjusted}
    """
    pairs = [
        _pair(runs[0], run, (outcomes[0], found), told, replicates)
        for run, found, told in zip(runs[1:], outcomes[1:], counted, strict=True)
    ]
    rows = [row for pair in pairs for row in pair["differences"]]
    p = [math.nan if (value := row["test"]["p_value"]) is None else value for row in rows]
    for row, adjusted in zip(rows, stats.adjust_p_values(p, method=ADJUST), strict=True):
        row["p_adjusted"] = float(adjusted)
    tests = sum(not math.isnan(value) for value in p)
    return {"adjust": ADJUST, "tests": tests, "note": GIVEN, "pairs": pairs}


def _pair(
    first: Finished,
    other: Finished,
    outcomes: tuple[pd.Series, pd.Series],
    counted: Mapping[str, Any],
    replicates: int,
) -> dict[str, Any]:
    """One pair of runs."""
    common = sorted(set(first.patients[HELD_OUT]) & set(other.patients[HELD_OUT]))
    y, _ = joined(first, other, *outcomes, common)
    pair = Pair(first, other, y.index, y.to_numpy())
    found: dict[str, Any] = {
        "first": first.name,
        "other": other.name,
        "level": pair.level,
        "n": counted["shared"],
        "events": counted["events"],
        "whole": not (counted["only_first"] or counted["only_other"]),
        "reason": unpaired(first, other, counted),
        "notes": [],
        "thresholds": pair.thresholds,
        "alike": [],
        "apart": [],
        "differences": [],
    }
    if not found["reason"]:
        found["notes"] = notes_of(pair, counted)
        for one, two in _named(first, other):
            _add(found, pair, one, two, replicates)
    return found


def _named(first: Finished, other: Finished) -> list[tuple[str, str]]:
    """The reference models, then every other model that both runs have."""
    references = (first.reference, other.reference)
    there = references[0] in first.models and references[1] in other.models
    same = [(name, name) for name in first.models if name in other.models]
    return list(dict.fromkeys([*([references] if there else []), *same]))


def _add(found: dict[str, Any], pair: Pair, one: str, two: str, replicates: int) -> None:
    """Add what came of a model of the first run beside one of the other."""
    named = one if one == two else f"{one} less {two}"
    risks = risks_of_both(pair, one, two)
    if isinstance(risks, str):
        found["apart"].append({"model": named, "reason": risks})
        return
    if risks.note and risks.note not in found["notes"]:
        found["notes"].append(risks.note)
    if np.array_equal(risks.p, risks.q):
        found["alike"].append(named)
        return
    reference = (one, two) == (pair.first.reference, pair.other.reference)
    facts = {"model": named, "first_model": one, "other_model": two, "reference": reference}
    for measure, threshold in [("auc", None), ("brier", None), *(("net_benefit", t) for t in pair.thresholds)]:
        made = _difference(pair, risks, measure, threshold, (one, two), replicates)
        told = {"difference": made.difference.to_dict(), "test": made.test.to_dict()}
        found["differences"].append({"measure": measure, "threshold": threshold, **facts, **told})


def _difference(
    pair: Pair, risks: Risks, measure: str, threshold: float | None, names: tuple[str, str], replicates: int
) -> Comparison:
    """One measure, the first run's model less the other's."""
    y = pair.y
    options: dict[str, Any] = {"level": pair.level, "a": names[0], "b": names[1]}
    if len(risks.p) > 1:
        rng = np.random.default_rng(SEED)
        options |= {"combine": risks.combine, "threshold": threshold, "replicates": replicates, "rng": rng}
        return stats.compare_repeated(measure, y, risks.p, risks.q, **options)
    p, q = risks.p[0], risks.q[0]
    if measure == "auc":
        return stats.compare_auc(y, p, q, **options)
    if measure == "brier":
        return stats.compare_brier(y, p, q, **options)
    return stats.compare_net_benefit(y, p, q, threshold=threshold or 0.0, **options)
