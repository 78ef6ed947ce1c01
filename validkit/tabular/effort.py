"""How many fits a declared model takes, said before any is made."""

from __future__ import annotations

import math

from validkit.sections import Estimator, Estimators

__all__ = ["expected_fits"]


def expected_fits(settings: Estimators, cross_fit: bool) -> dict[str, int]:
    """Fits of each model on one split (in one completed copy), by its name.

    Search: candidates x folds; the whole training set: 1; cross-fitting: its folds; recalibration: 1, and 1 for each
    cross-fitting fold, whose patients' predictions are recalibrated by the other folds'.
    """
    return {one.name: _fits(one, settings.cross_fitting.folds, cross_fit) for one in settings.estimators}


def _fits(one: Estimator, folds: int, cross_fit: bool) -> int:
    searched = math.prod(map(len, one.search.parameters.values())) * one.search.folds if one.search else 0
    recalibrated = one.recalibrate != "none"
    crossed = folds if cross_fit or recalibrated else 0
    return searched + 1 + crossed + (1 + folds if recalibrated else 0)
