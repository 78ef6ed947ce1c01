"""Why a model does otherwise at a new place: other patients, or other effects.

Two centres can give one model different AUCs though every effect is the same, because one has patients who are more
alike. What the risks alone say of how well they can rank, the model-based concordance, moves with the patients only.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from validkit.stats.checks import FloatArray, IntArray, check_binary_risk, check_level, check_risk, patients
from validkit.stats.discrimination import placements
from validkit.stats.intervals import mean_estimate
from validkit.stats.results import NAN, Estimate

__all__ = ["concordance_gap", "model_based_concordance"]


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
    value, influence, why = _concordance(p)
    if why:
        return Estimate(NAN, level=level, method=method, n=n, note=why)
    found = mean_estimate(value + influence, level=level, method=method, n_events=0, floor=0.0, cap=1.0)
    return replace(found, value=value, n_events=None)


@patients("y_true", "y_prob")
def concordance_gap(
    y_true: ArrayLike,
    y_prob: ArrayLike,
    *,
    level: float = 0.95,
    weights: ArrayLike | None = None,
    missing: str = "error",
) -> Estimate:
    """The AUC minus the model-based concordance: what ranks better (or worse) than the risks themselves promise.

    Near 0 where the predictor effects are as the model has them; negative where they are weaker here, or the model is
    overfitted. The spread of the risks moves both terms alike.

    y_true : (n,) int in {0, 1}; y_prob : (n,) float in [0, 1]; NaN with fewer than two events or two non-events
    The interval is normal; its standard error is from the sum of each patient's share in both terms, DeLong's and the
    infinitesimal jackknife's, which are of the same patients.

    >>> concordance_gap([0, 0, 1, 0, 1, 1, 0, 1], [0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9])
    -0.04412 [-0.3926, 0.3044] (95% normal, DeLong and infinitesimal jackknife of the same patients; n = 8, 4 events)

    Reference: van Klaveren et al., Stat Med 35 (2016) 4136-4152; DeLong et al., Biometrics 44 (1988) 837-845.
    """
    level = check_level(level)
    y, p = check_binary_risk(y_true, y_prob)
    n, m = y.size, int(y.sum())
    method = "normal, DeLong and infinitesimal jackknife of the same patients"
    promised, of_promised, why = _concordance(p)
    if why or m < 2 or n - m < 2:
        why = why or "undefined: needs two events and two non-events"
        return Estimate(NAN, level=level, method=method, n=n, n_events=m, note=why)
    area, of_area = _auc_influence(y, p)
    value = area - promised
    found = mean_estimate(value + of_area - of_promised, level=level, method=method, n_events=m, floor=-1.0, cap=1.0)
    return replace(found, value=value)


def _auc_influence(y: IntArray, p: FloatArray) -> tuple[float, FloatArray]:
    """The AUC, and each patient's share in its error, (n,) of mean 0: their variance over n is nearly DeLong's."""
    n, m = y.size, int(y.sum())
    placed = placements(y, p) / 2.0
    of_events, of_others = placed / (n - m), placed / m
    area = float(of_events[y == 1].mean())
    return area, np.where(y == 1, (of_events - area) * n / m, (of_others - area) * n / (n - m))


def _concordance(p: FloatArray) -> tuple[float, FloatArray, str]:
    """The model-based concordance, each patient's share in its error, (n,) of mean 0, and why there is none, or ""."""
    n = p.size
    concordant, pairs = _pair_sums(p)
    total = float(pairs.sum())
    if n < 2 or not total > 0:
        why = "needs at least two patients" if n < 2 else "every risk is the same certainty: no pair can differ"
        return NAN, np.full(n, NAN), f"undefined: {why}"
    value = float(concordant.sum()) / total
    return value, 2.0 * n * (concordant - value * pairs) / total, ""


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
