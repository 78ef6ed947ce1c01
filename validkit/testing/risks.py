"""Hypothesis strategies of outcomes and risks: ties, certain risks, imbalance, few patients; simplest examples first.

Patients are drawn as one list, so that shrinking leaves out patients; risks are hundredths, so that they tie and read
well, unless finer ones are asked for.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy
from numpy.typing import NDArray

__all__ = ["binary_risks", "clustered_risks", "multi_site_risks", "paired_risks", "right_risks"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BinaryRisks = tuple[IntArray, FloatArray]
PairedRisks = tuple[IntArray, FloatArray, FloatArray]
GroupedRisks = tuple[IntArray, FloatArray, IntArray]
MOST = 40


def risks(*, ties: bool = True, certain: bool = True) -> SearchStrategy[float]:
    """A risk in [0, 1]: hundredths; finer ones where `ties` is False; 0 and 1 only where `certain`."""
    steps = 100 if ties else 1_000_003
    ends = 0 if certain else 1
    return st.integers(ends, steps - ends).map(lambda k: k / steps)


def _outcomes(rows: list[tuple[Any, ...]], least: int) -> IntArray:
    """Outcomes as drawn, but for the last patients where one outcome has fewer than `least`."""
    y = np.array([row[0] for row in rows], dtype=np.int64)
    for outcome in (0, 1):
        lacking = least - int((y == outcome).sum())
        if lacking > 0:
            y[np.flatnonzero(y != outcome)[-lacking:]] = outcome
    return y


@st.composite
def binary_risks(
    draw: DrawFn,
    *,
    patients: tuple[int, int] = (2, MOST),
    least: int = 1,
    ties: bool = True,
    certain: bool = True,
) -> BinaryRisks:
    """(y, p): outcomes (n,) int in {0, 1} and risks (n,) float in [0, 1].

    patients : least and largest n; least : patients of either outcome, at least, as far as n goes; 0 for any
    ties : risks in hundredths; certain : risks of exactly 0 and 1 among them
    """
    row = st.tuples(st.integers(0, 1), risks(ties=ties, certain=certain))
    rows = draw(st.lists(row, min_size=patients[0], max_size=patients[1]))
    return _outcomes(rows, least), np.array([p for _, p in rows], dtype=float)


@st.composite
def paired_risks(
    draw: DrawFn,
    *,
    patients: tuple[int, int] = (2, MOST),
    least: int = 1,
    ties: bool = True,
    certain: bool = True,
) -> PairedRisks:
    """(y, p of model a, p of model b), each (n,): unrelated, alike in rank, or one model twice."""
    one = risks(ties=ties, certain=certain)
    rows = draw(st.lists(st.tuples(st.integers(0, 1), one, one), min_size=patients[0], max_size=patients[1]))
    a, b = (np.array([row[k] for row in rows], dtype=float) for k in (1, 2))
    relation = draw(st.sampled_from(("unrelated", "the same", "the same ranks")))
    other = {"unrelated": b, "the same": a.copy(), "the same ranks": a**2}[relation]
    return _outcomes(rows, least), a, other


@st.composite
def clustered_risks(
    draw: DrawFn,
    *,
    clusters: tuple[int, int] = (2, 12),
    largest: int = 4,
    least: int = 1,
    certain: bool = True,
) -> GroupedRisks:
    """(y, p, cluster): one row a lesion, 1 to `largest` lesions a patient; outcomes may differ within one."""
    return draw(_grouped(clusters, (1, largest), least, certain))


@st.composite
def multi_site_risks(
    draw: DrawFn,
    *,
    sites: tuple[int, int] = (2, 5),
    patients: tuple[int, int] = (1, 12),
    least: int = 1,
    certain: bool = True,
) -> GroupedRisks:
    """(y, p, site): a site may hold one patient, or one outcome alone; over all sites `least` of either."""
    return draw(_grouped(sites, patients, least, certain))


def _grouped(
    groups: tuple[int, int], sizes: tuple[int, int], least: int, certain: bool
) -> SearchStrategy[GroupedRisks]:
    row = st.tuples(st.integers(0, 1), risks(certain=certain))
    group = st.lists(row, min_size=sizes[0], max_size=sizes[1])
    return st.lists(group, min_size=groups[0], max_size=groups[1]).map(lambda drawn: _stacked(drawn, least))


def _stacked(drawn: list[list[tuple[int, float]]], least: int) -> GroupedRisks:
    rows = [row for group in drawn for row in group]
    labels = np.repeat(np.arange(len(drawn)), [len(group) for group in drawn])
    return _outcomes(rows, least), np.array([p for _, p in rows], dtype=float), labels


@st.composite
def right_risks(draw: DrawFn, *, levels: tuple[int, int] = (3, 9)) -> tuple[IntArray, FloatArray]:
    """(y, p) of a population whose risks are exactly right: of ten patients with risk k/10, k have the event."""
    shares = draw(st.dictionaries(st.integers(1, 9), st.integers(1, 3), min_size=levels[0], max_size=levels[1]))
    y, p = [], []
    for k, times in sorted(shares.items()):
        y += ([1] * k + [0] * (10 - k)) * times
        p += [k / 10] * (10 * times)
    return np.array(y, dtype=np.int64), np.array(p)
