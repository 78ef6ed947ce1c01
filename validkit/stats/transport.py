"""Why a model does otherwise at a new place: other patients, or other effects.

Two centres can give one model different AUCs though every effect is the same, because one has patients who are more
alike. What the risks alone say of how well they can rank, the model-based concordance, moves with the patients only.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from validkit.stats.checks import FloatArray, check_level, check_risk, patients
from validkit.stats.intervals import mean_estimate
from validkit.stats.results import NAN, Estimate

__all__ = ["model_based_concordance"]


@patients("y_prob")
def model_based_concordance(
    y_prob: ArrayLike, *, level: float = 0.95, weights: ArrayLike | None = None, missing: str = "error"
) -> Estimate:
    """The AUC that these patients would give in the long run if every predicted risk were true: no outcome is used.

    Of two patients, one with and one without the event, how often the one with it has the higher risk:
    sum_{i != j} [p_i > p_j] p_i (1 - p_j) / sum_{i != j} p_i (1 - p_j), equal risks counting one half.

    y_prob : (n,) float in [0, 1]; NaN for one patient, or where all risks are 0 or all are 1
    The interval is normal with the standard error of a ratio of two U-statistics (infinitesimal jackknife), cut to
    [0, 1]: it says how far another sample of such patients would differ, the model as it is.

    >>> model_based_concordance([0.1, 0.2, 0.4, 0.7])
    0.8401 [0.7406, 0.9397] (95% normal, infinitesimal jackknife; n = 4)

    Reference: van Klaveren et al., Stat Med 35 (2016) 4136-4152.
    """
    level, p = check_level(level), check_risk(y_prob)
    method, n = "normal, infinitesimal jackknife", p.size
    concordant, pairs = _pair_sums(p)
    total = float(pairs.sum())
    if n < 2 or not total > 0:
        why = "needs at least two patients" if n < 2 else "every risk is the same certainty: no pair can differ"
        return Estimate(NAN, level=level, method=method, n=n, note=f"undefined: {why}")
    value = float(concordant.sum()) / total
    influence = 2.0 * n * (concordant - value * pairs) / total
    found = mean_estimate(value + influence, level=level, method=method, n_events=0, floor=0.0, cap=1.0)
    return replace(found, value=value, n_events=None)


def _pair_sums(p: FloatArray) -> tuple[FloatArray, FloatArray]:
    """(n,) sums over the other patients j of a symmetric pair's share: the concordant part, and the whole.

    Of a pair, the whole is p_i (1 - p_j) + p_j (1 - p_i), and the concordant part the larger of these two products
    where the risks differ, half the whole where they are equal; each patient of a pair has half of both. O(n log n).
    """
    n, q = p.size, 1.0 - p
    order = np.argsort(p, kind="stable")
    ranked = p[order]
    first, last = np.searchsorted(ranked, p, side="left"), np.searchsorted(ranked, p, side="right")
    below_q = np.concatenate([[0.0], np.cumsum(q[order])])
    below_p = np.concatenate([[0.0], np.cumsum(ranked)])
    lower = p * below_q[first]
    higher = q * (below_p[n] - below_p[last])
    ties = (last - first - 1) * p * q
    whole = p * (below_q[n] - q) + q * (below_p[n] - p)
    return 0.5 * (lower + higher + ties), 0.5 * whole
