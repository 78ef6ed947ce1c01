"""Two AUCs of different patients."""

from __future__ import annotations

import math

from numpy.typing import ArrayLike
from scipy import special

from validkit.errors import InputError
from validkit.stats.checks import FloatArray, IntArray, check_binary_risk, check_choice, check_level, patients
from validkit.stats.comparison import ALTERNATIVES
from validkit.stats.discrimination import placement_covariance, placements
from validkit.stats.intervals import t_of
from validkit.stats.results import NAN, Comparison, Estimate, TestResult

__all__ = ["compare_auc_unpaired"]


def _student(value: float, se: float, df: float, alternative: str) -> float:
    t = value / se
    tail = {"less": t, "greater": -t}.get(alternative, -abs(t))
    return float(special.stdtr(df, tail)) * (2 if alternative == "two-sided" else 1)


def _one_area(y: IntArray, p: FloatArray) -> tuple[float, float]:
    area, cov = placement_covariance(y, placements(y, p)[None, :])
    return float(area[0]), float(cov[0, 0])


@patients(("y_a", "prob_a"), ("y_b", "prob_b"))
def compare_auc_unpaired(
    y_a: ArrayLike,
    prob_a: ArrayLike,
    y_b: ArrayLike,
    prob_b: ArrayLike,
    *,
    level: float = 0.95,
    alternative: str = "two-sided",
    a: str = "a",
    b: str = "b",
    scale: str = "risk",
    missing: str = "error",
) -> Comparison:
    """Difference of two AUCs (a minus b) from different patients, with the t test on DeLong's variances.

    t = (AUC_a - AUC_b)/sqrt(V_a + V_b), df = (V_a + V_b)^2/(V_a^2/(n_a - 1) + V_b^2/(n_b - 1)) after Satterthwaite; the
    interval is difference -+ t(level, df) sqrt(V_a + V_b), cut to [-1, 1]

    y_a, y_b : (n_a,), (n_b,) int in {0, 1}; prob_a, prob_b : likewise, in [0, 1] (any finite numbers, scale="score")
    alternative : "two-sided", "less" or "greater"; the interval is two-sided in every case

    Fewer than two events or non-events in either sample, or no variance in both, gives NaN and a note. A perfect AUC
    has DeLong variance 0, which is too small: the note says so.

    >>> compare_auc_unpaired([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8], [0, 1, 0, 1], [0.2, 0.1, 0.5, 0.7]).difference.value
    0.25

    Reference: DeLong et al., Biometrics 44 (1988) 837-845; Satterthwaite, Biometrics Bull 2 (1946) 110-114.
    R: pROC `roc.test(paired = FALSE)`.
    """
    level = check_level(level)
    check_choice(alternative, ALTERNATIVES, "alternative")
    first, p = _sample(y_a, prob_a, "y_a", "prob_a", scale)
    second, q = _sample(y_b, prob_b, "y_b", "prob_b", scale)
    n, m = first.size + second.size, int(first.sum() + second.sum())
    (area_a, v_a), (area_b, v_b) = _one_area(first, p), _one_area(second, q)
    method, value, variance = "DeLong, unpaired, Satterthwaite's t", area_a - area_b, v_a + v_b
    if not variance > 0:
        note = "DeLong's variances are both zero: no test" if variance == 0 else "a single event or non-event: no test"
        if math.isnan(value):
            note = "undefined: a sample without an event or without a non-event"
        difference = Estimate(value, NAN, NAN, level, method, math.sqrt(variance), n, m, note)
        return Comparison(difference, TestResult(NAN, NAN, None, f"{method}, {alternative}", n, m, note), a, b)
    se = math.sqrt(variance)
    df = variance**2 / (v_a**2 / (first.size - 1) + v_b**2 / (second.size - 1))
    half = t_of(level, df) * se
    low, high = value - half, value + half
    notes = ["one AUC is 0 or 1: its variance of zero is too small"] if v_a * v_b == 0 else []
    notes += ["interval cut at its bound"] if low < -1 or high > 1 else []
    note = "; ".join(notes)
    difference = Estimate(value, max(low, -1.0), min(high, 1.0), level, method, se, n, m, note)
    p_value = _student(value, se, df, alternative)
    return Comparison(difference, TestResult(value / se, p_value, df, f"{method}, {alternative}", n, m, note), a, b)


def _sample(y: ArrayLike, p: ArrayLike, y_name: str, p_name: str, scale: str) -> tuple[IntArray, FloatArray]:
    """One sample's outcome and prediction, checked; an error names the sample's own outcome."""
    try:
        return check_binary_risk(y, p, scale=scale, name=p_name)
    except InputError as error:
        raise InputError(str(error).replace("`y_true`", f"`{y_name}`")) from None
