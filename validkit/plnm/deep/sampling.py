"""Who is trained on and when: the inner validation part, class imbalance, and the batches of an epoch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from validkit.errors import InputError, StageError

Imbalance = Literal["weighted-loss", "balanced-sampling", "none"]
Rows = NDArray[np.intp]


def class_weights(y: NDArray[np.int64], imbalance: Imbalance) -> tuple[float, float]:
    """Weights of non-events and events: n / (2 n_class), which average to 1, or 1 and 1 for "none"."""
    if imbalance not in ("weighted-loss", "balanced-sampling", "none"):
        raise InputError(f'`imbalance` must be "weighted-loss", "balanced-sampling" or "none"; got {imbalance!r}')
    if imbalance == "none":
        return 1.0, 1.0
    n, events = len(y), int(y.sum())
    return n / (2.0 * (n - events)), n / (2.0 * events)


def batches(n: int, size: int, least: int = 2) -> Iterator[NDArray[np.intp]]:
    """Positions 0..n-1, `size` at a time; a last batch of fewer than `least` joins the one before.

    Batch normalisation needs two rows, in each process where several train together.
    """
    starts = list(range(0, n, size))
    if len(starts) > 1 and n - starts[-1] < least:
        starts.pop()
    for start, stop in zip(starts, [*starts[1:], n], strict=True):
        yield np.arange(start, stop)


def inner_split(
    y: NDArray[np.int64], fraction: float, seed: int, groups: NDArray[np.int64] | None = None
) -> tuple[Rows, Rows]:
    """Rows of the training and the inner validation part, sorted; of each class the rounded fraction, at least one.

    groups : (n,) rows of one group stay on one side; a group with any event counts as one with the event
    Raises StageError where a class has fewer than two patients in training after it.
    """
    if groups is not None:
        _, first, member = np.unique(groups, return_index=True, return_inverse=True)
        event = np.zeros(len(first), dtype=np.int64)
        np.maximum.at(event, member, y)
        training, held = inner_split(event, fraction, seed)
        return np.flatnonzero(np.isin(member, training)), np.flatnonzero(np.isin(member, held))
    rng = np.random.default_rng(seed)
    validation: list[Rows] = []
    for outcome in (0, 1):
        rows = np.flatnonzero(y == outcome)
        count = max(1, round(fraction * len(rows)))
        if len(rows) - count < 2:
            raise StageError(
                f"early stopping holds back {count} of {len(rows)} patients with outcome {outcome}, which leaves fewer "
                "than 2 to train on; more patients or a smaller inner_validation are needed"
            )
        validation.append(rng.permutation(rows)[:count])
    held = np.sort(np.concatenate(validation))
    return np.setdiff1d(np.arange(len(y)), held), held


def order(rng: np.random.Generator, rows: Rows, y: NDArray[np.int64], imbalance: Imbalance) -> Rows:
    """Rows of one epoch: all, shuffled; or as many, drawn with replacement so that both classes come alike often."""
    if imbalance != "balanced-sampling":
        return rng.permutation(rows)
    outcome = rng.random(len(rows)) < 0.5
    events, others = rows[y[rows] == 1], rows[y[rows] == 0]
    drawn = np.where(
        outcome, events[rng.integers(len(events), size=len(rows))], others[rng.integers(len(others), size=len(rows))]
    )
    return np.asarray(drawn, dtype=np.intp)
