"""Laws of comparisons between two models on the same patients, and of groups of patients."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from hypothesis import strategies as st

from validkit.testing.laws import COMPARISONS, law_of
from validkit.testing.metric_laws import same
from validkit.testing.risks import binary_risks, paired_risks
from validkit.testing.subjects import Answer, Subject

__all__ = ["COMPARISON_LAWS"]


def _pairs(subject: Subject) -> Any:
    return paired_risks(patients=(6, 30), least=2, certain=False)


def _alone(subject: Subject) -> Any:
    return binary_risks(patients=(6, 30), least=2, certain=False)


@law_of("models-trade-places", "Swapping the models flips the difference and keeps the p value.", COMPARISONS, _pairs)
def swapped(subject: Subject, example: Any) -> str:
    y, a, b = example
    one, other = subject(y, a, b), subject(y, b, a)
    if not (one.given and other.given):
        return "" if bool(one.refusal) == bool(other.refusal) else f"a, b: {one}; b, a: {other}"
    flipped = Answer(-other.value, -other.high, -other.low)
    if not same(Answer(one.value, one.low, one.high), flipped):
        return f"a - b is {one}, b - a is {other}"
    return (
        ""
        if subject.resampled or _alike(one.p_value, other.p_value)
        else f"p is {one.p_value:g} for a, b and {other.p_value:g} for b, a"
    )


def _alike(a: float, b: float) -> bool:
    return (math.isnan(a) and math.isnan(b)) or math.isclose(a, b, rel_tol=1e-7, abs_tol=1e-9)


@law_of("a-model-equals-itself", "A model against itself differs by nothing, with p = 1.", COMPARISONS, _alone)
def itself(subject: Subject, example: Any) -> str:
    y, p = example
    return _nothing(subject(y, p, p.copy()), "a model against itself")


@law_of(
    "same-ranks-are-equal",
    "Two models that rank every patient alike differ by nothing in ranks, with p = 1.",
    ("ranks comparison",),
    _alone,
)
def same_ranks(subject: Subject, example: Any) -> str:
    y, p = example
    return _nothing(subject(y, p, p**2), "a model against its own square")


def _nothing(found: Answer, what: str) -> str:
    if found.refusal:
        return f"{what} is {found}"
    if not math.isnan(found.value) and abs(found.value) > 1e-12:
        return f"{what} differs: {found}"
    return "" if math.isclose(found.p_value, 1.0, abs_tol=1e-9) else f"{what} has p = {found.p_value:g}"


@law_of(
    "missing-risk-of-a-model",
    "A risk that one of the models lacks is refused or makes the comparison undefined.",
    COMPARISONS,
    _pairs,
)
def lacking(subject: Subject, example: Any) -> str:
    y, a, b = example
    holed = a.copy()
    holed[0] = math.nan
    found = subject(y, holed, b)
    told = found.refusal or found.warned or math.isnan(found.p_value)
    return "" if told else f"model a has no risk for patient 0, and {found} comes back with no warning"


@law_of("p-is-a-probability", "A p value lies in [0, 1].", COMPARISONS, _pairs)
def probability(subject: Subject, example: Any) -> str:
    found = subject(*example)
    if found.refusal or math.isnan(found.p_value) or 0 <= found.p_value <= 1:
        return ""
    return f"p = {found.p_value:g}"


@law_of(
    "a-drawn-p-is-above-0",
    "A p value from random draws is never 0: the observed order is one of the possible.",
    COMPARISONS,
    lambda subject: st.integers(8, 20),
    lambda subject: "" if subject.resampled else "its p value does not come from draws",
)
def drawn(subject: Subject, example: Any) -> str:
    n = int(example)
    y = np.r_[np.zeros(n, int), np.ones(n, int)]
    good = (1 + np.arange(2 * n)) / (2 * n + 2)
    found = subject(y, good, good[::-1].copy())
    return "p = 0 for perfect ranks against reversed ones" if found.p_value == 0 else ""


@law_of(
    "one-event-decides-nothing",
    "A single event has no variance: no p value follows from it.",
    COMPARISONS,
    lambda subject: st.integers(8, 40),
    lambda subject: "its test is exact" if subject.exact else "",
)
def single(subject: Subject, example: Any) -> str:
    n = int(example)
    y = np.r_[np.zeros(n, int), 1]
    p = (1 + np.arange(n + 1)) / (n + 2)
    for which, outcomes in (("event", y), ("non-event", 1 - y)):
        found = subject(outcomes, p, p[::-1].copy())
        if not found.refusal and not found.warned and found.p_value < 0.05:
            return f"a single {which} among {n + 1} patients, and p = {found.p_value:g}"
    return ""


@law_of(
    "groups-lost-are-told",
    "Where ties leave fewer groups than were asked for, a warning or an error says so.",
    ("groups",),
    lambda subject: st.tuples(st.integers(2, 4), st.integers(5, 10)),
)
def lost(subject: Subject, example: Any) -> str:
    levels, groups = example
    p = np.repeat((1 + np.arange(levels)) / (levels + 1), 5 * groups)
    y = np.tile([0, 1], p.size)[: p.size]
    found = subject(y, p, groups)
    if found.refusal or found.warned or found.value >= groups:
        return ""
    return f"{levels} distinct risks, {groups} groups asked for, {found.value:g} formed without a word"


COMPARISON_LAWS = (swapped, itself, same_ranks, lacking, probability, drawn, single, lost)
