"""How well logits fit outcomes: weighted cross-entropy and the AUC."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional


def cross_entropy(logits: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """(b,) binary cross-entropies of (b,) logits and float targets 0/1, each multiplied by its patient's weight."""
    return functional.binary_cross_entropy_with_logits(logits, target, weight=weight, reduction="none")


def rank_auc(y: NDArray[np.int64], score: NDArray[np.floating]) -> float:
    """Mann-Whitney AUC, ties counted half; y holds both classes."""
    _, inverse, counts = np.unique(score, return_inverse=True, return_counts=True)
    midranks = np.cumsum(counts) - (counts - 1) / 2.0
    events = int(y.sum())
    return float((midranks[inverse][y == 1].sum() - events * (events + 1) / 2.0) / (events * (len(y) - events)))
