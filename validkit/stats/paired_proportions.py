"""Sensitivity and specificity of two models on the same patients: McNemar's test and a paired interval."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from validkit.stats.checks import check_choice, check_count, check_level, check_threshold, patients
from validkit.stats.comparison import two_models
from validkit.stats.intervals import wilson
from validkit.stats.results import NAN, Comparison, Estimate, TestResult

__all__ = ["compare_sensitivity", "compare_specificity", "mcnemar", "paired_proportions_interval"]

METHODS = {
    "exact": "McNemar, exact binomial",
    "mid-p": "McNemar, mid-p",
    "asymptotic": "McNemar, chi-square",
    "corrected": "McNemar, chi-square with continuity correction",
}


def mcnemar(only_a: int, only_b: int, *, method: str = "exact") -> TestResult:
    """McNemar's test from the discordant pairs: as many right under a alone as under b alone?

    only_a, only_b : discordant pairs, whole numbers of at least 0, c and e below
    method : "exact" (binomial with 1/2, two-sided; statistic = min(c, e)), "mid-p" (half the observed point's
        probability is left out of each tail), "asymptotic" ((c - e)^2/(c + e), chi-square, df = 1) or "corrected"
        ((|c - e| - 1)^2/(c + e))

    Without a discordant pair nothing speaks against equality: p = 1, with a note, and a chi-square statistic of 0.

    >>> mcnemar(1, 7)
    statistic = 1, p = 0.07031 (McNemar, exact binomial; n = 8)

    Reference: McNemar, Psychometrika 12 (1947) 153-157; Fagerland et al., BMC Med Res Methodol 13 (2013) 91 for the
    mid-p test. R: `mcnemar.test`, `binom.test`.
    """
    check_choice(method, tuple(METHODS), "method")
    c, e = check_count(only_a, "only_a", minimum=0), check_count(only_b, "only_b", minimum=0)
    title, n = METHODS[method], c + e
    df = None if method in ("exact", "mid-p") else 1
    if n == 0:
        return TestResult(0.0, 1.0, df, title, 0, note="no discordant pair")
    smaller = min(c, e)
    if method == "exact":
        return TestResult(float(smaller), min(1.0, 2 * float(special.bdtr(smaller, n, 0.5))), df, title, n)
    if method == "mid-p":
        below = float(special.bdtr(smaller - 1, n, 0.5)) if smaller else 0.0
        return TestResult(float(smaller), min(1.0, below + float(special.bdtr(smaller, n, 0.5))), df, title, n)
    gap = abs(c - e) - (1 if method == "corrected" and c != e else 0)
    statistic = gap**2 / n
    return TestResult(statistic, float(special.chdtrc(1, statistic)), df, title, n)


def paired_proportions_interval(
    both: int, only_a: int, only_b: int, neither: int, *, level: float = 0.95
) -> tuple[float, float]:
    """Newcombe's interval (method 10) for the difference of two proportions of the same patients, a minus b.

    Wilson's limits of both proportions are squared and added, with a correlation phi from the table, its numerator
    lessened by n/2 where positive: low = d - sqrt(dl_a^2 - 2 phi dl_a du_b + du_b^2), and likewise high. It stays
    inside [-1, 1] and does not collapse without discordant pairs. NaN for an empty table.

    >>> [round(end, 4) for end in paired_proportions_interval(36, 12, 2, 0)]
    [0.0569, 0.3404]

    Reference: Newcombe, Stat Med 17 (1998) 2635-2650.
    """
    level = check_level(level)
    names = ("both", "only_a", "only_b", "neither")
    given = (both, only_a, only_b, neither)
    r, c, e, s = (check_count(v, name, minimum=0) for v, name in zip(given, names, strict=True))
    n = r + c + e + s
    if n == 0:
        return NAN, NAN
    p_a, p_b = (r + c) / n, (r + e) / n
    low, high = wilson([r + c, r + e], [n, n], level)
    margins = (r + c) * (e + s) * (r + e) * (c + s)
    cross = float(r * s - c * e)
    cross = max(cross - n / 2, 0.0) if cross > 0 else cross
    phi = cross / math.sqrt(margins) if margins else 0.0
    down_a, up_a, down_b, up_b = p_a - low[0], high[0] - p_a, p_b - low[1], high[1] - p_b
    below = math.sqrt(max(0.0, down_a**2 - 2 * phi * down_a * up_b + up_b**2))
    above = math.sqrt(max(0.0, up_a**2 - 2 * phi * up_a * down_b + down_b**2))
    difference = (c - e) / n
    return max(-1.0, difference - below), min(1.0, difference + above)


def _compare(
    right_a: NDArray[np.bool_],
    right_b: NDArray[np.bool_],
    m: int,
    whom: str,
    level: float,
    method: str,
    names: tuple[str, str],
) -> Comparison:
    n = right_a.size
    c, e = int((right_a & ~right_b).sum()), int((~right_a & right_b).sum())
    both = int((right_a & right_b).sum())
    test = mcnemar(c, e, method=method)
    interval = "Newcombe, paired, method 10"
    if n == 0:
        note = f"undefined: no {whom}"
        difference = Estimate(NAN, NAN, NAN, level, interval, NAN, n, m, note)
        return Comparison(difference, TestResult(NAN, NAN, test.df, test.method, n, m, note), *names)
    low, high = paired_proportions_interval(both, c, e, n - both - c - e, level=level)
    se = math.sqrt(c + e - (c - e) ** 2 / n) / n
    difference = Estimate((c - e) / n, low, high, level, interval, se, n, m, test.note)
    return Comparison(
        difference, TestResult(test.statistic, test.p_value, test.df, test.method, n, m, test.note), *names
    )


def _at_thresholds(
    y_true: ArrayLike, prob_a: ArrayLike, prob_b: ArrayLike, threshold: float, threshold_b: float | None, scale: str
) -> tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.bool_]]:
    y, p, q = two_models(y_true, prob_a, prob_b, scale)
    first = check_threshold(threshold, scale=scale)
    second = first if threshold_b is None else check_threshold(threshold_b, "threshold_b", scale=scale)
    return y == 1, p >= first, q >= second


@patients("y_true", "prob_a", "prob_b")
def compare_sensitivity(
    y_true: ArrayLike,
    prob_a: ArrayLike,
    prob_b: ArrayLike,
    *,
    threshold: float,
    threshold_b: float | None = None,
    level: float = 0.95,
    method: str = "exact",
    a: str = "a",
    b: str = "b",
    scale: str = "risk",
    weights: ArrayLike | None = None,
    missing: str = "error",
) -> Comparison:
    """Difference of two sensitivities (a minus b) on the same patients, with McNemar's test among the events.

    (c - e)/n with c the events that only a calls positive, e those that only b does, and n all events

    y_true : (n,) int in {0, 1}; prob_a, prob_b : (n,) float in [0, 1] (any finite numbers with scale="score")
    threshold : positive where risk >= threshold; threshold_b : that of model b where it is another
    method : "exact" (default), "mid-p", "asymptotic" or "corrected", see `mcnemar`

    The interval is Newcombe's paired method 10, se = sqrt(c + e - (c - e)^2/n)/n. `n` is the number of events, as in
    `sensitivity`. No discordant pair: difference 0 and p = 1, with an interval that is not empty. No event: NaN.

    >>> compare_sensitivity([1, 1, 1, 0], [0.9, 0.8, 0.7, 0.1], [0.9, 0.2, 0.1, 0.1], threshold=0.5).test.p_value
    0.5

    Reference: Newcombe, Stat Med 17 (1998) 2635-2650. R: `mcnemar.test`.
    """
    level = check_level(level)
    event, pos_a, pos_b = _at_thresholds(y_true, prob_a, prob_b, threshold, threshold_b, scale)
    return _compare(pos_a[event], pos_b[event], int(event.sum()), "event", level, method, (a, b))


@patients("y_true", "prob_a", "prob_b")
def compare_specificity(
    y_true: ArrayLike,
    prob_a: ArrayLike,
    prob_b: ArrayLike,
    *,
    threshold: float,
    threshold_b: float | None = None,
    level: float = 0.95,
    method: str = "exact",
    a: str = "a",
    b: str = "b",
    scale: str = "risk",
    weights: ArrayLike | None = None,
    missing: str = "error",
) -> Comparison:
    """Difference of two specificities (a minus b) on the same patients, with McNemar's test among the non-events.

    As `compare_sensitivity`, with the non-events that only a (only b) calls negative; `n` is the number of non-events.

    >>> compare_specificity([1, 0, 0, 0], [0.9, 0.1, 0.2, 0.3], [0.9, 0.2, 0.8, 0.9], threshold=0.5).test.p_value
    0.5

    Reference: Newcombe, Stat Med 17 (1998) 2635-2650. R: `mcnemar.test`.
    """
    level = check_level(level)
    event, pos_a, pos_b = _at_thresholds(y_true, prob_a, prob_b, threshold, threshold_b, scale)
    return _compare(~pos_a[~event], ~pos_b[~event], int(event.sum()), "non-event", level, method, (a, b))
