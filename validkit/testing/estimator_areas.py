"""The area under the ROC curve that chance allows."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from validkit.testing.estimator_cases import Case, Floats, Labels, Rows, Verdict, halves

__all__ = ["area", "chance", "standard_error"]

SHUFFLES = 20
WIDTH = 4.5
"""standard errors that chance may reach, on either side: 7 of 1,000,000 honest models go further"""


def area(event: Labels, risk: Floats) -> float:
    """AUC of (n,) risks for (n,) events, ties counting half."""
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(event, risk))


def standard_error(event: Labels) -> float:
    """Standard error by chance of an AUC of these (n,) events, ((n + 1) / (12 n1 n0)) ** 0.5; ties make it smaller."""
    n, n_events = event.size, int(event.sum())
    return math.sqrt((n + 1) / (12 * n_events * (n - n_events)))


def chance(case: Case, predict: Callable[[Labels, Rows, Rows], Floats]) -> Verdict:
    """With outcomes shuffled, whether the AUC of held-out rows is 0.5 on average.

    predict : outcomes (n,), rows to fit on and rows held out, to the risks of the rows held out

    For each of SHUFFLES shuffles one random half predicts the other, and the other the first. Given the outcomes of the
    half it was fitted on, an honest model's AUC in the other half is 0.5 in expectation, exactly; the two AUCs of one
    shuffle may be correlated in any way, those of two shuffles are independent. The mean therefore has a standard error
    of at most that of one AUC by SHUFFLES ** 0.5.
    """
    rng, pool = np.random.default_rng(case.seed), case.pool
    areas, errors = [], []
    for _ in range(SHUFFLES):
        y = case.y.copy()
        y[pool] = rng.permutation(y[pool])
        one, other = halves(y, pool, rng)
        for fitted, held in ((one, other), (other, one)):
            event, risk = y[held] == case.event, predict(y, fitted, held)
            if not np.isfinite(risk).all():
                k = int(np.flatnonzero(~np.isfinite(risk))[0])
                return Verdict("fail", f"row {held[k]}: risk {risk[k]} where outcomes are shuffled")
            areas.append(area(event, risk))
            errors.append(standard_error(event))
    mean, bound = float(np.mean(areas)), WIDTH * float(np.mean(errors)) / math.sqrt(SHUFFLES)
    found = f"outcomes shuffled {SHUFFLES} times, held-out AUC {mean:.3f} on average; chance allows 0.5 ± {bound:.3f}"
    return Verdict("pass" if abs(mean - 0.5) <= bound else "fail", found)
