"""Isotonic regression of the outcome on predicted risk: the best curve among those that never fall."""

from __future__ import annotations

import math

import numpy as np

from validkit.stats.checks import FloatArray, IntArray
from validkit.stats.intervals import clopper_pearson
from validkit.stats.results import NAN

__all__ = ["pool_adjacent_violators"]

Band = tuple[FloatArray, FloatArray, FloatArray]


def pool_adjacent_violators(y: IntArray, p: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Distinct predictions, increasing, and the isotonic least-squares fit at each; tied predictions share one value.

    >>> x, fit = pool_adjacent_violators(np.array([0, 1, 0, 1]), np.array([0.1, 0.2, 0.3, 0.3]))
    >>> x.tolist(), fit.round(4).tolist()
    ([0.1, 0.2, 0.3], [0.0, 0.6667, 0.6667])

    Reference: Ayer et al., Ann Math Stat 26 (1955) 641-647. R: `isoreg` on the means of tied predictions.
    """
    from scipy.optimize import isotonic_regression

    x, place, size = np.unique(p, return_inverse=True, return_counts=True)
    events = np.bincount(place, weights=y)
    fit = np.asarray(isotonic_regression(events / size, weights=size.astype(np.float64)).x, dtype=np.float64)
    return x, np.clip(fit, 0.0, 1.0)


def isotonic(y: IntArray, p: FloatArray, at: FloatArray, *, level: float | None = None) -> Band:
    """The isotonic fit at `at`, straight between distinct predictions, with a conservative pointwise band.

    Where the true curve never falls, the n^(2/3) patients next below a risk (or at it) have events no more often than
    the curve says, and those next above no less often. So the lower limit is Clopper and Pearson's of the former's
    share, the upper one that of the latter's, each moved out to the fit where that lies beyond. Tied patients stay
    together. The windows depend on the risks alone, so coverage is at least the level in samples of any size; the
    bootstrap has none to offer here, as it is not consistent at a point (Kosorok, 2008) and has no width where
    outcomes are all alike.
    Without `level` the limits are NaN.

    Reference: after Dimitriadis et al., Biometrika 110 (2023) 663-680, who let windows of every width compete.
    """
    x, values = pool_adjacent_violators(y, p)
    fit = np.interp(at, x, values)
    if level is None:
        none = np.full(at.size, NAN)
        return fit, none, none
    order = np.argsort(p, kind="stable")
    ordered, events = p[order], np.concatenate([[0], np.cumsum(y[order])])
    width = math.ceil(p.size ** (2 / 3))
    stop = np.searchsorted(ordered, at, side="right")
    start = np.searchsorted(ordered, ordered[np.maximum(stop - width, 0)], side="left")
    low, _ = clopper_pearson(events[stop] - events[start], stop - start, level)
    start = np.searchsorted(ordered, at, side="left")
    stop = np.searchsorted(ordered, ordered[np.minimum(start + width, p.size) - 1], side="right")
    _, high = clopper_pearson(events[stop] - events[start], stop - start, level)
    return fit, np.minimum(low, fit), np.maximum(high, fit)
