"""One patient, or one image, on both sides of a split: exactly equal ids, groups, images or rows."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from validkit.audit.findings import MOST_CASES, Finding, finding
from validkit.audit.sides import Sides, SplitLike, sides_of

if TYPE_CHECKING:
    from validkit.cohort import Cohort

CHANCE = 0.01
"""equal rows are counted as duplicates where so many would arise by chance with less than this probability"""
MOST_ROWS = 4000
"""most rows that are compared two by two to see in how many columns they differ; of more, evenly spaced ones"""
METHOD = (
    "Ids are compared without case and spaces, groups as declared, images by SHA-256 of size and grey values, rows by "
    "all predictors and the outcome. Equal rows also arise by chance: their number is judged against a Poisson "
    "distribution whose mean is the larger of two estimates, all pairs times each column's share of equal pairs "
    "(independent columns), and N1^2 / N2 where Nk pairs differ in exactly k columns (log-concavity, Newton's "
    "inequality; it follows the dependence between columns). Duplicates as leakage: Kapoor and Narayanan, Patterns 4 "
    "(2023) 100804."
)
NO_SPLITS = "no split has both training and held-out patients"

Pairs = tuple[NDArray[np.int64], NDArray[np.int64]]


def check_duplicates(cohort: Cohort, splits: Sequence[SplitLike]) -> Finding:
    """Whether equal patients, groups, images or rows stand on both sides of any split.

    splits : objects with name, training and held_out (tuples of patient ids; training may repeat ids)
    """
    sides = sides_of(cohort.patients, splits)
    if not (sides.training.any(axis=1) & sides.held_out.any(axis=1)).any():
        return finding("duplicates", "not applicable", NO_SPLITS, method=METHOD)
    checks = [_on_both_sides(sides), *(_compared(sides, *one) for one in _kinds(cohort)), _rows(cohort, sides)]
    failed = [one for one in checks if one["outcome"] == "fail"]
    evidence = {"n": len(cohort), "splits": len(sides.names), "checks": checks}
    if not failed:
        why = f"no equal {_listed(one['kind'] for one in checks if one['outcome'] == 'pass')} on both sides of a split"
        return finding("duplicates", "pass", why, evidence=evidence, advice="Nothing needs to be done.", method=METHOD)
    first = [" and ".join(one["cases"][0]["patients"]) for one in failed]
    why = "; ".join(
        f"{one['kind']}: {one['crossing']} on both sides of a split (first: {who})"
        for one, who in zip(failed, first, strict=True)
    )
    return finding(
        "duplicates",
        "fail",
        why,
        evidence=evidence,
        advice="Keep one of each pair, or declare the group that they share so that splits keep it together; then run "
        "again: what was measured on these held-out patients is too good.",
        method=METHOD,
    )


def _kinds(cohort: Cohort) -> Iterable[tuple[str, Sequence[Hashable | None] | None, str]]:
    """(what, a key for each patient or None, why there is none)."""
    yield "ids", [folded(one) for one in cohort.patients], ""
    group = getattr(cohort, "group", None)
    yield "groups", None if group is None else _keys(group), "no group is declared"
    info = getattr(cohort, "image_info", None)
    known = info is not None and "sha256" in info
    yield "images", _keys(info["sha256"]) if info is not None and known else None, "the cohort has no images"


def folded(text: str) -> str:
    """An id without case and spaces."""
    return "".join(str(text).casefold().split())


def _keys(values: pd.Series) -> list[Hashable | None]:
    return [None if pd.isna(one) else folded(str(one)) for one in values]


def _on_both_sides(sides: Sides) -> dict[str, Any]:
    """Patients that a split names on both sides."""
    both = sides.training & sides.held_out
    at = np.flatnonzero(both.any(axis=0))
    cases = [_case(sides, (int(one), int(one)), both[:, one]) for one in at[:MOST_CASES]]
    return _check("patients", len(at), len(at), cases)


def _compared(sides: Sides, kind: str, keys: Sequence[Hashable | None] | None, why: str) -> dict[str, Any]:
    """Pairs of equal keys, and how many of them face each other across a split."""
    if keys is None:
        return {"kind": kind, "outcome": "not applicable", "why": why}
    return _crossing(sides, kind, equal_pairs(keys))


def _crossing(sides: Sides, kind: str, pairs: Pairs) -> dict[str, Any]:
    times = sides.crossing(*pairs)
    order = np.argsort(-times, kind="stable")
    shown = [k for k in order[:MOST_CASES] if times[k]]
    cases = [_case(sides, (int(pairs[0][k]), int(pairs[1][k])), _faces(sides, pairs, k)) for k in shown]
    return _check(kind, len(times), int(np.count_nonzero(times)), cases)


def _faces(sides: Sides, pairs: Pairs, k: int) -> NDArray[np.bool_]:
    return sides.facing(pairs[0][k : k + 1], pairs[1][k : k + 1])[:, 0]


def _case(sides: Sides, pair: tuple[int, int], where: NDArray[np.bool_]) -> dict[str, Any]:
    at = np.flatnonzero(where)
    ids = [sides.patients[one] for one in dict.fromkeys(pair)]
    return {"patients": ids, "splits": len(at), "first_split": sides.names[at[0]] if len(at) else ""}


def _check(kind: str, equal: int, crossing: int, cases: list[dict[str, Any]]) -> dict[str, Any]:
    outcome = "fail" if crossing else "pass"
    return {"kind": kind, "outcome": outcome, "equal": equal, "crossing": crossing, "cases": cases}


def equal_pairs(keys: Sequence[Hashable | None]) -> Pairs:
    """Places of equal keys, two by two; None equals nothing. In a large class each member meets the first 50."""
    classes: dict[Hashable, list[int]] = defaultdict(list)
    for place, key in enumerate(keys):
        if key is not None:
            classes[key].append(place)
    pairs = [(a, b) for members in classes.values() for i, a in enumerate(members[:50]) for b in members[i + 1 :]]
    both = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    return both[:, 0], both[:, 1]


def _rows(cohort: Cohort, sides: Sides) -> dict[str, Any]:
    """Patients that are equal in every predictor and the outcome, beyond what chance explains."""
    if cohort.predictors.shape[1] == 0:
        return {"kind": "rows", "outcome": "not applicable", "why": "no predictors are declared"}
    codes = _codes(cohort)
    pairs = equal_pairs(_row_keys(codes))
    expected = expected_equal(codes)
    p = float(stats.poisson.sf(len(pairs[0]) - 1, expected)) if len(pairs[0]) else 1.0
    check = _crossing(sides, "rows", pairs) | {
        "columns": codes.shape[1],
        "expected_by_chance": expected,
        "p": max(p, math.ulp(0.0)),
    }
    if check["outcome"] == "fail" and p >= CHANCE:
        check["outcome"] = "pass"
        check["note"] = "so many equal rows are expected by chance among columns of so few values"
    return check


def _codes(cohort: Cohort) -> NDArray[np.int64]:
    """(patients, columns + 1): predictors and outcome, values as numbers from 0; a missing value is a value."""
    columns = [cohort.predictors[name] for name in cohort.predictors] + [cohort.outcome]
    coded = [pd.factorize(column, use_na_sentinel=False)[0] for column in columns]
    return np.stack(coded, axis=1).astype(np.int64)


def _row_keys(codes: NDArray[np.int64]) -> list[Hashable | None]:
    return [row.tobytes() for row in np.ascontiguousarray(codes)]


def expected_equal(codes: NDArray[np.int64]) -> float:
    """Expected number of equal pairs of rows if none were duplicated, codes being (rows, columns).

    The larger of (a) all pairs times the product of the columns' shares of equal pairs, which holds for independent
    columns, and (b) N1^2 / N2, with Nk the pairs that differ in exactly k columns. A count of independent differences
    is log-concave (Newton's inequality), so that N0 N2 <= N1^2; taken from the rows themselves, (b) follows how they
    depend on each other.
    """
    rows, columns = codes.shape
    total = rows * (rows - 1) / 2
    if not total:
        return 0.0
    independent = total * float(np.prod([_equal_count(column) / total for column in codes.T]))
    few = codes[:: -(-rows // MOST_ROWS)]
    differ = np.zeros(columns + 1, dtype=np.int64)
    for place, row in enumerate(few):
        differ += np.bincount((few[place + 1 :] != row).sum(axis=1), minlength=columns + 1)
    one, two = (float(differ[k]) if k <= columns else 0.0 for k in (1, 2))
    return max(independent, one**2 / max(two, 1.0) * total / max(float(differ.sum()), 1.0))


def _equal_count(codes: NDArray[np.int64]) -> float:
    times = np.bincount(codes).astype(np.float64)
    return float((times * (times - 1) / 2).sum())


def _listed(words: Iterable[str]) -> str:
    return ", ".join(words)
