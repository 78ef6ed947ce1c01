"""Agreement of a rule with the outcome beyond chance: Matthews' correlation coefficient and Cohen's kappa.

Standard errors are the delta method's for four counts of a multinomial sample of n. Where a cell is empty they are too
small, or zero: the interval is then that of the table with 1/2 added to each cell, stretched to hold the value.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from validkit.stats.checks import FloatArray, check_level, patients
from validkit.stats.intervals import z_of
from validkit.stats.results import NAN, Estimate
from validkit.stats.two_by_two import Confusion, confusion

__all__ = ["kappa_at_threshold", "mcc"]

_HALVES = "interval from the table with 1/2 added to each cell"


def _phi(cells: FloatArray) -> tuple[float, FloatArray]:
    """The correlation of two signs, and its gradient in the shares (tp, fp, tn, fn)."""
    tp, fp, tn, fn = cells
    positive, event = tp + fp, tp + fn
    negative, other = 1 - positive, 1 - event
    root = math.sqrt(positive * negative * event * other)
    value = (tp * tn - fp * fn) / root
    rows = np.array([1 / positive, 1 / positive, 1 / negative, 1 / negative])
    columns = np.array([1 / event, 1 / other, 1 / other, 1 / event])
    return value, np.array([tn, -fn, tp, -fp]) / root - value / 2 * (rows + columns)


def _kappa(cells: FloatArray) -> tuple[float, FloatArray]:
    """(seen - chance)/(1 - chance) of the shares (tp, fp, tn, fn), and its gradient."""
    tp, fp, tn, fn = cells
    positive, event = tp + fp, tp + fn
    negative, other = 1 - positive, 1 - event
    seen, chance = tp + tn, positive * event + negative * other
    by_row = np.array([event, event, other, other])
    by_column = np.array([positive, negative, negative, positive])
    gradient = np.array([1, 0, 1, 0]) / (1 - chance) - (1 - seen) / (1 - chance) ** 2 * (by_row + by_column)
    return (seen - chance) / (1 - chance), gradient


def _with_se(function: Callable[[FloatArray], tuple[float, FloatArray]], counts: FloatArray) -> tuple[float, float]:
    n = float(counts.sum())
    shares = counts / n
    value, gradient = function(shares)
    mean = float(shares @ gradient)
    return float(value), math.sqrt(max(float(shares @ gradient**2) - mean**2, 0.0) / n)


def _fisher(value: float, se: float, z: float) -> tuple[float, float]:
    half = z * se / (1 - value**2)
    return math.tanh(math.atanh(value) - half), math.tanh(math.atanh(value) + half)


def _estimate(c: Confusion, level: float, method: str, kind: str) -> Estimate:
    function = _phi if kind == "mcc" else _kappa
    counts = np.array([c.tp, c.fp, c.tn, c.fn], dtype=np.float64)
    value, se = _with_se(function, counts)
    if c.fp == c.fn == 0:
        value = 1.0
    elif kind == "mcc" and c.tp == c.tn == 0:
        value = -1.0
    se = se if se > 1e-12 else NAN
    if counts.min() > 0:
        low, high = _fisher(value, se, z_of(level))
        return Estimate(value, low, high, level, method, se, c.n, c.n_events)
    low, high = _fisher(*_with_se(function, counts + 0.5), z_of(level))
    return Estimate(value, min(low, value), max(high, value), level, method, se, c.n, c.n_events, _HALVES)


def matthews(c: Confusion, level: float) -> Estimate:
    """MCC of a table."""
    method = "Fisher's z with the delta method"
    if c.one_sided:
        why = f"undefined: {c.one_sided}"
        return Estimate(NAN, level=level, method=method, n=c.n, n_events=c.n_events, note=why)
    return _estimate(c, level, method, "mcc")


def cohen(c: Confusion, level: float) -> Estimate:
    """Kappa of a table."""
    method = "Fisher's z, standard error of Fleiss, Cohen and Everitt"
    if c.n in (c.tp, c.tn):
        why = f"undefined: {c.one_sided}, and chance alone agrees always"
        return Estimate(NAN, level=level, method=method, n=c.n, n_events=c.n_events, note=why)
    if c.one_sided:
        why = f"{c.one_sided}: 0 whatever the others, no interval"
        return Estimate(0.0, level=level, method=method, n=c.n, n_events=c.n_events, note=why)
    return _estimate(c, level, method, "kappa")


@patients("y_true", "y_prob")
def mcc(
    y_true: ArrayLike,
    y_prob: ArrayLike,
    *,
    threshold: float,
    level: float = 0.95,
    scale: str = "risk",
    weights: ArrayLike | None = None,
    missing: str = "error",
) -> Estimate:
    """Matthews' correlation coefficient, the correlation of "positive" with the event (phi), from -1 to 1.

    (TP TN - FP FN)/sqrt((TP + FP)(TP + FN)(TN + FP)(TN + FN)). Undefined where a margin of the table is empty.

    y_true : (n,) int in {0, 1}; y_prob : (n,) float in [0, 1]; scale : "risk" or "score"
    The interval is tanh(atanh(mcc) -+ z se/(1 - mcc^2)) with the delta method's standard error; with an empty cell as
    the module says. It depends on the prevalence and weighs both errors alike: Van Calster et al. advise against it.

    >>> mcc([0, 0, 0, 1, 1, 1], [0.1, 0.2, 0.6, 0.3, 0.7, 0.8], threshold=0.5)
    0.3333 [-0.4638, 0.8322] (95% Fisher's z with the delta method; n = 6, 3 events)

    Reference: Matthews, Biochim Biophys Acta 405 (1975) 442-451; variance: Bishop, Fienberg and Holland, Discrete
    Multivariate Analysis (1975) 381. R: cor(y, p >= threshold), psych `phi`.
    """
    level = check_level(level)
    return matthews(confusion(y_true, y_prob, threshold=threshold, scale=scale), level)


@patients("y_true", "y_prob")
def kappa_at_threshold(
    y_true: ArrayLike,
    y_prob: ArrayLike,
    *,
    threshold: float,
    level: float = 0.95,
    scale: str = "risk",
    weights: ArrayLike | None = None,
    missing: str = "error",
) -> Estimate:
    """Cohen's kappa of "positive" with the event: (accuracy - chance)/(1 - chance), at most 1; 0 is chance.

    chance = (TP + FP)(TP + FN)/n^2 + (TN + FN)(TN + FP)/n^2.

    y_true : (n,) int in {0, 1}; y_prob : (n,) float in [0, 1]; scale : "risk" or "score"
    0 without interval where one margin of the table is empty, undefined where all patients are in one agreeing cell.
    The interval is tanh(atanh(kappa) -+ z se/(1 - kappa^2)), not psych's kappa -+ z se, which covers too seldom near 1
    (85 % of the time at 0.9 and n = 60); with an empty cell as the module says. Made for two raters; it
    depends on the prevalence: Van Calster et al. advise against it.

    >>> kappa_at_threshold([0, 0, 0, 1, 1, 1], [0.1, 0.2, 0.6, 0.3, 0.7, 0.8], threshold=0.5)
    0.3333 [-0.4638, 0.8322] (95% Fisher's z, standard error of Fleiss, Cohen and Everitt; n = 6, 3 events)

    Reference: Cohen, Educ Psychol Meas 20 (1960) 37-46; Fleiss, Cohen and Everitt, Psychol Bull 72 (1969) 323-327.
    R: psych `cohen.kappa`.
    """
    level = check_level(level)
    return cohen(confusion(y_true, y_prob, threshold=threshold, scale=scale), level)
