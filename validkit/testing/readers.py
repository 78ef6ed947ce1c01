"""Features measured by several readers on the same subjects, agreeing and not, for work on the ICC."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from validkit.errors import InputError

__all__ = ["AGREEMENTS", "SCALES", "reader_features"]

AGREEMENTS = ("identical", "noisy", "shifted", "reversed", "unrelated", "constant")
"""readers alike; within 10% of the range; the last one higher by a constant; the last one upside down; each for
himself; one value throughout"""
SCALES = tuple(2.0**power for power in (0, -30, 30, -200, 200))
"""Powers of two: multiplying by them is exact, so laws on shifts and scales need no tolerance."""


def reader_features(
    *,
    features: tuple[int, int] = (1, 8),
    subjects: tuple[int, int] = (3, 20),
    readers: tuple[int, int] = (2, 3),
    agreements: Sequence[str] = AGREEMENTS,
    scales: Sequence[float] = SCALES,
) -> st.SearchStrategy[NDArray[np.float64]]:
    """Finite float64 arrays of shape (features, subjects, readers).

    features, subjects, readers : fewest and most of each
    agreements : how the readers of a feature agree, a choice of `AGREEMENTS`; all but "constant" and "unrelated" have
        subjects that differ
    scales : what a feature is multiplied by, the simplest first

    `validkit.stats.icc` and `icc_all` take (subjects, readers, features): pass `np.moveaxis(features, 0, -1)`.
    Raises InputError where a range is impossible or a word is unknown.
    """
    for name, (low, high), least in (("features", features, 1), ("subjects", subjects, 2), ("readers", readers, 2)):
        if not least <= low <= high:
            raise InputError(f"`{name}` must be (low, high) with {least} <= low <= high; got {(low, high)!r}")
    if unknown := sorted(set(agreements) - set(AGREEMENTS)):
        raise InputError(f"unknown agreement {unknown[0]!r}; known: {', '.join(AGREEMENTS)}")
    return _arrays(features, subjects, readers, agreements, scales)


@st.composite
def _arrays(
    draw: st.DrawFn,
    features: tuple[int, int],
    subjects: tuple[int, int],
    readers: tuple[int, int],
    agreements: Sequence[str],
    scales: Sequence[float],
) -> NDArray[np.float64]:
    n, k = draw(st.integers(*subjects)), draw(st.integers(*readers))
    size = subjects[1] * (1 + readers[1])
    one = st.tuples(st.sampled_from(agreements), st.sampled_from(scales), st.binary(min_size=size, max_size=size))
    drawn = draw(st.lists(one, min_size=features[0], max_size=features[1]))
    return np.stack([scale * _feature(agreement, values, n, k) for agreement, scale, values in drawn])


def _feature(agreement: str, values: bytes, n: int, k: int) -> NDArray[np.float64]:
    """(subjects, readers) whole numbers from 0 to 511."""
    whole = np.frombuffer(values, np.uint8).astype(np.float64)
    truth, own = whole[:n].copy(), whole[n : n + n * k].reshape(n, k)
    if agreement == "constant":
        return np.full((n, k), truth[0])
    if agreement == "unrelated":
        return own
    if truth.min() == truth.max():
        truth[-1] = truth[0] + 1
    ratings = np.repeat(truth[:, None], k, axis=1)
    if agreement == "noisy":
        return ratings + np.floor(own / 10)
    if agreement == "shifted":
        ratings[:, -1] += 1 + own[0, 0]
    if agreement == "reversed":
        ratings[:, -1] = truth.max() + truth.min() - truth
    return ratings
