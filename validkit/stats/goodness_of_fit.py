"""Tests of whether predicted risks fit the outcomes at all, whatever the shape of the misfit."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from validkit.errors import InputError
from validkit.stats.checks import FloatArray, IntArray, as_float, check_binary_risk, check_choice, check_count, patients
from validkit.stats.intervals import two_sided_p
from validkit.stats.results import NAN, TestResult
from validkit.stats.risk_groups import BINNINGS, filled_groups

__all__ = ["hosmer_lemeshow", "le_cessie", "spiegelhalter"]


def _joined(*notes: str) -> str:
    return "; ".join(note for note in notes if note)


@patients("y_true", "y_prob")
def hosmer_lemeshow(
    y_true: ArrayLike,
    y_prob: ArrayLike,
    *,
    groups: int = 10,
    binning: str = "quantile",
    fitted_here: bool,
    weights: ArrayLike | None = None,
    missing: str = "error",
) -> TestResult:
    """Hosmer and Lemeshow's test over groups of predicted risk.

    sum over groups of (O - E)^2 / (E (1 - E/n)), referred to chi-squared

    groups : number asked for, at least 3; where fewer hold patients, the note says how many were formed
    binning : "quantile" (C-hat) cuts at R's type 7 quantiles of risk, tied risks staying together; "width" (H-hat) cuts
        [0, 1] into bins of equal width, closed on the right, and leaves out those without patients
    fitted_here : True when the model was fitted to these very patients (df = g - 2), False on new data (df = g), g the
        number of groups formed; there is no default, because the wrong one gives a wrong p value (ResourceSelection
        always uses g - 2)

    A group whose risks are all exactly 0 (or 1) adds nothing if the outcomes agree; if one does not, the statistic is
    infinite and p is 0. With fewer than three groups the test is NaN. A large p value is no proof of calibration: the
    test sees little in small samples and the slightest misfit in large ones.

    >>> risk = [0.1, 0.1, 0.1, 0.1, 0.5, 0.5, 0.5, 0.5, 0.9, 0.9]
    >>> hosmer_lemeshow([0, 0, 1, 0, 1, 0, 1, 1, 1, 0], risk, groups=3, binning="width", fitted_here=False)
    statistic = 5.556, df = 3, p = 0.1354 (Hosmer-Lemeshow, equal-width bins, g df (new patients); n = 10, 5 events)

    Reference: Hosmer and Lemeshow, Commun Stat A 9 (1980) 1043-1069. R: ResourceSelection `hoslem.test`.
    """
    check_count(groups, "groups", minimum=3)
    check_choice(binning, BINNINGS, "binning")
    y, p = check_binary_risk(y_true, y_prob)
    n, m = y.size, int(y.sum())
    rule = "g - 2 df (model fitted on these patients)" if fitted_here else "g df (new patients)"
    name = f"Hosmer-Lemeshow, {'equal-width bins, ' * (binning == 'width')}{rule}"
    group, size = filled_groups(p, groups, binning)
    formed, note = size.size, ""
    if formed < groups and binning == "width":
        note = f"{groups - formed} of {groups} bins hold no patient and are left out"
    elif formed < groups:
        note = f"few patients or tied risks: {formed} groups formed, {groups} asked for"
    if formed < 3:
        return TestResult(NAN, NAN, None, name, n, m, _joined(note, "fewer than three groups: no test"))
    statistic, df = _chi_squared(y, p, group, size), formed - 2 if fitted_here else formed
    if math.isinf(statistic):
        note = _joined(note, "outcomes contradict predicted risks of exactly 0 or 1")
    return TestResult(statistic, float(special.chdtrc(df, statistic)), float(df), name, n, m, note)


def _chi_squared(y: IntArray, p: FloatArray, group: IntArray, size: IntArray) -> float:
    """Pearson's statistic over groups; a group without variance adds 0 where it is right, else infinity."""
    observed, expected = np.bincount(group, weights=y), np.bincount(group, weights=p)
    gap = (observed - expected) ** 2
    variance = expected * (1 - expected / size)
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(np.where(gap == 0, 0.0, gap / variance).sum())


@patients("y_true", "y_prob")
def spiegelhalter(
    y_true: ArrayLike, y_prob: ArrayLike, *, weights: ArrayLike | None = None, missing: str = "error"
) -> TestResult:
    """Spiegelhalter's test of calibration from the Brier score, two-sided, standard normal.

    z = sum((y - p)(1 - 2p)) / sqrt(sum((1 - 2p)^2 p (1 - p)))

    Predictions of exactly 0 and 1 are kept: right ones add nothing, a wrong one moves the numerator by 1 and the
    denominator not at all. Undefined (NaN) where every risk is 0, 0.5 or 1: then the denominator is zero.

    >>> spiegelhalter([0, 0, 1, 1], [0.1, 0.3, 0.4, 0.8])
    statistic = -0.5025, p = 0.6153 (Spiegelhalter; n = 4, 2 events)

    Reference: Spiegelhalter, Stat Med 5 (1986) 421-433. R: rms `val.prob` S:z, S:p.
    """
    y, p = check_binary_risk(y_true, y_prob)
    n, m = y.size, int(y.sum())
    variance = float(np.sum((1 - 2 * p) ** 2 * p * (1 - p)))
    if variance == 0:
        return TestResult(NAN, NAN, None, "Spiegelhalter", n, m, "undefined: every predicted risk is 0, 0.5 or 1")
    z = float(np.sum((y - p) * (1 - 2 * p))) / math.sqrt(variance)
    return TestResult(z, two_sided_p(z), None, "Spiegelhalter", n, m)


def le_cessie(
    y_true: ArrayLike,
    y_prob: ArrayLike,
    *,
    X: ArrayLike | None = None,
    weights: ArrayLike | None = None,
    missing: str = "error",
) -> TestResult:
    """Unweighted sum of squares test of le Cessie, van Houwelingen, Copas and Hosmer; two-sided, standard normal.

    z = (sum((y - p)^2) - sum(p (1 - p))) / sd

    X : (n, k) design of the logistic model that was fitted by maximum likelihood to these very patients, with or
        without its column of ones. Then sd^2 is the residual sum of squares of 1 - 2p regressed on X with weights
        p (1 - p): it allows for the coefficients having been estimated
    Without X the risks are fixed, as on new patients, and sd^2 = sum((1 - 2p)^2 p (1 - p)): the test is then
    `spiegelhalter`'s, to the same number.

    NaN with a note where sd is 0: every risk is 0, 0.5 or 1, or 1 - 2p is linear in X (as in a model without
    predictors). An error where X is not numbers, or not of n patients.

    >>> X = [[-1.0], [-0.5], [0.0], [0.5], [1.0], [1.5]]
    >>> risk = [0.15655, 0.26689, 0.41658, 0.58342, 0.73311, 0.84345]
    >>> le_cessie([0, 1, 0, 0, 1, 1], risk, X=X).method
    "le Cessie-van Houwelingen-Hosmer, for the model's own patients"

    Reference: Hosmer et al., Stat Med 16 (1997) 965-980. R: rms `residuals(lrm(..., x=TRUE, y=TRUE), "gof")`.
    """
    if X is None:
        return _sum_of_squares(y_true, y_prob, X=None, weights=weights, missing=missing)
    design = as_float(X, "X", ndim=2)
    return _sum_of_squares(y_true, y_prob, X=design.T, weights=weights, missing=missing)


@patients("y_true", "y_prob", "X")
def _sum_of_squares(
    y_true: ArrayLike,
    y_prob: ArrayLike,
    *,
    X: FloatArray | None,
    weights: ArrayLike | None = None,
    missing: str = "error",
) -> TestResult:
    """The test with the design turned, (k, n): patients on its last axis."""
    y, p = check_binary_risk(y_true, y_prob)
    n, m = y.size, int(y.sum())
    weight, away = p * (1 - p), 1 - 2 * p
    total = float(np.sum(away**2 * weight))
    name, variance = "le Cessie-van Houwelingen-Hosmer, risks fixed (Spiegelhalter's test)", total
    if X is not None:
        name = "le Cessie-van Houwelingen-Hosmer, for the model's own patients"
        if X.shape[1] != n or not np.isfinite(X).all():
            raise InputError(
                f"`X` must hold finite numbers for {n} patients, one a row; it is {X.shape[1]} x {X.shape[0]}"
            )
        root = np.sqrt(weight)
        scaled = root[:, None] * np.column_stack([np.ones(n), X.T])
        residual = root * away - scaled @ np.linalg.lstsq(scaled, root * away, rcond=None)[0]
        variance = float(residual @ residual)
    if variance <= 1e-20 * n or variance <= 1e-20 * total:
        reason = (
            "every predicted risk is 0, 0.5 or 1" if X is None else "1 - 2p is linear in `X`: nothing is left to test"
        )
        return TestResult(NAN, NAN, None, name, n, m, f"undefined: {reason}")
    z = float(np.sum((y - p) * away)) / math.sqrt(variance)
    return TestResult(z, two_sided_p(z), None, name, n, m)
