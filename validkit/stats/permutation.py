"""Permutation test of the difference of any statistic between two models on the same patients."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike

from validkit.stats.checks import FloatArray, IntArray, check_choice, check_count, patients
from validkit.stats.comparison import ALTERNATIVES, two_models
from validkit.stats.discrimination import auc
from validkit.stats.draws import LARGEST_LOSS, check_rng
from validkit.stats.paired_bootstrap import BLOCK, Ranked, Statistic, model_difference
from validkit.stats.results import NAN, TestResult

__all__ = ["permutation_test"]

EXCHANGES = ("models", "ranks", "outcomes")


@patients("y_true", "prob_a", "prob_b")
def permutation_test(
    statistic: Statistic,
    y_true: ArrayLike,
    prob_a: ArrayLike,
    prob_b: ArrayLike,
    *,
    rng: np.random.Generator | int,
    permutations: int = 2000,
    exchange: str = "models",
    alternative: str = "two-sided",
    scale: str = "risk",
    weights: ArrayLike | None = None,
    missing: str = "error",
) -> TestResult:
    """Permutation test of the difference of any statistic between two models on the same patients.

    p = (r + 1)/(B + 1), r of B permutations having a difference at least as extreme as the observed one: never 0. The
    result's `statistic` is the observed difference, a minus b.

    statistic : callable (y, p) -> number or Estimate; `auc` is computed for all permutations at once
    rng : a numpy Generator or a seed; permutations : B, at least 20
    exchange : what is permuted, and so which hypothesis is tested
        "models" : each patient's two predictions change places with probability 1/2: given the outcome, the two models'
            predictions of a patient are exchangeable. Two models that rank equally well but differ in calibration are
            not, even if the statistic is the AUC
        "ranks" : the same on each model's midranks divided by n + 1, so that only ranking is compared: for `auc`, in
            the spirit of Venkatraman and Begg, who break ties at random where we keep midranks
        "outcomes" : the outcome is shuffled: the difference arises by chance from models that know nothing. This is no
            test of equality between two models that are both informative
    alternative : "two-sided" (by absolute value), "less" (a below b) or "greater"

    Permutations where the statistic is undefined are left out and counted in the note; where more than 5 % are, p is
    NaN. Identical predictions give p = 1.

    >>> from validkit.stats import auc
    >>> y, p = [0, 1, 0, 1, 1, 0], [0.1, 0.7, 0.3, 0.9, 0.6, 0.2]
    >>> permutation_test(auc, y, p, p, rng=1, permutations=99).p_value
    1.0

    Reference: Venkatraman and Begg, Biometrika 83 (1996) 835-848; Phipson and Smyth, Stat Appl Genet Mol Biol 9 (2010)
    39 for (r + 1)/(B + 1).
    """
    check_choice(exchange, EXCHANGES, "exchange")
    check_choice(alternative, ALTERNATIVES, "alternative")
    check_count(permutations, "permutations", minimum=20)
    generator = check_rng(rng)
    y, p, q = two_models(y_true, prob_a, prob_b, scale)
    order = np.lexsort((y, q, p))
    y, p, q = y[order], p[order], q[order]
    if exchange == "ranks":
        p, q = _midranks(p), _midranks(q)
    n, m = y.size, int(y.sum())
    method = f"permutation of {exchange}, {permutations} permutations, {alternative}"
    observed = model_difference(statistic, scale)(y, p, q)
    if not math.isfinite(observed):
        return TestResult(NAN, NAN, None, method, n, m, "the statistic is undefined or infinite on these patients")
    values = np.concatenate(list(_permuted(statistic, y, p, q, permutations, exchange, generator, scale)))
    kept = values[np.isfinite(values)]
    note = "" if kept.size == values.size else f"undefined in {values.size - kept.size} of {values.size} permutations"
    if kept.size < (1 - LARGEST_LOSS) * values.size:
        return TestResult(observed, NAN, None, method, n, m, f"{note}: too many for a test")
    side = {"less": -kept, "greater": kept}.get(alternative, np.abs(kept))
    bound = {"less": -observed, "greater": observed}.get(alternative, abs(observed))
    extreme = int(np.count_nonzero(side >= bound - 1e-12 * max(1.0, abs(bound))))
    return TestResult(observed, (extreme + 1) / (kept.size + 1), None, method, n, m, note)


def _midranks(scores: FloatArray) -> FloatArray:
    """Midranks divided by n + 1, inside (0, 1)."""
    _, group, times = np.unique(scores, return_inverse=True, return_counts=True)
    last = np.cumsum(times)
    return np.asarray(((2 * last - times + 1) / 2)[group] / (scores.size + 1), dtype=np.float64)


def _permuted(
    statistic: Statistic,
    y: IntArray,
    p: FloatArray,
    q: FloatArray,
    permutations: int,
    exchange: str,
    rng: np.random.Generator,
    scale: str,
) -> Iterator[FloatArray]:
    """Blocks of the difference under permutation."""
    n, m = y.size, int(y.sum())
    rows = max(1, BLOCK // n)
    difference = model_difference(statistic, scale)
    pooled = Ranked(np.r_[y, y], np.r_[p, q])
    # 2U = 2 (sum of the events' midranks) - m (m + 1), so the difference of 2U is linear in the outcome
    rank_gap = np.rint(2 * (n + 1) * (_midranks(p) - _midranks(q))).astype(np.int64)
    for start in range(0, permutations, rows):
        b = min(rows, permutations - start)
        if exchange == "outcomes":
            shuffled = rng.permuted(np.broadcast_to(y, (b, n)), axis=1)
            if statistic is auc:
                yield (shuffled @ rank_gap) / (2.0 * m * (n - m))
            else:
                yield np.array([difference(row, p, q) for row in shuffled])
            continue
        swap = rng.integers(0, 2, (b, n), dtype=np.int8)
        if statistic is auc:
            keep = 1 - swap
            gap = pooled.twice_u(np.hstack([keep, swap])) - pooled.twice_u(np.hstack([swap, keep]))
            yield gap / (2.0 * m * (n - m))
        else:
            swapped = swap.astype(bool)
            yield np.array([difference(y, np.where(s, q, p), np.where(s, p, q)) for s in swapped])
