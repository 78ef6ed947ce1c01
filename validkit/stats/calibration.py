"""Are the predicted risks right? On average, in their spread, and in their logistic recalibration.

Predictions of exactly 0 and 1 are never clipped: see `recalibration.Informative` for the rule and its reason.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from validkit.stats.checks import FloatArray, IntArray, check_binary_risk, check_choice, check_count, check_level
from validkit.stats.intervals import clopper_pearson, two_sided_p, z_of
from validkit.stats.likelihood import profile_bound
from validkit.stats.recalibration import informative, log_likelihood
from validkit.stats.results import NAN, Estimate, TestResult


def _joined(*notes: str) -> str:
    return "; ".join(note for note in notes if note)


def observed_expected(y_true: ArrayLike, y_prob: ArrayLike, *, level: float = 0.95) -> Estimate:
    """Observed over expected events, O/E with E the sum of predicted risks; 1 is right, above 1 risks are too low.

    The interval is normal on the log scale with se(log) = sqrt((1 - O/n)/O), taking E as known, as in metamisc; with no
    event, or nothing but events, it is Clopper-Pearson's for O/n, divided by E/n. `se` is on the log scale.
    Reference: Debray et al., BMJ 356 (2017) i6460.
    """
    level = check_level(level)
    y, p = check_binary_risk(y_true, y_prob)
    n, observed, expected = y.size, int(y.sum()), math.fsum(p)
    method = "normal on the log scale, E taken as known; se of the log"
    if expected == 0:
        value = NAN if observed == 0 else math.inf
        return Estimate(value, level=level, method=method, n=n, n_events=observed, note="every predicted risk is 0")
    if observed in (0, n):
        low, high = clopper_pearson(observed, n, level)
        scale = n / expected
        note = f"{'no event' if observed == 0 else 'events only'}: Clopper-Pearson's interval of O/n over E/n"
        return Estimate(
            observed / expected,
            float(low) * scale,
            float(high) * scale,
            level,
            "Clopper-Pearson",
            NAN,
            n,
            observed,
            note,
        )
    value, se = observed / expected, math.sqrt((1 - observed / n) / observed)
    half = z_of(level) * se
    return Estimate(value, value * math.exp(-half), value * math.exp(half), level, method, se, n, observed)


def calibration_in_the_large(y_true: ArrayLike, y_prob: ArrayLike, *, level: float = 0.95) -> Estimate:
    """Intercept of the outcome on the logit of risk with the slope fixed at 1; 0 is right, above 0 risks are too low.

    logit P(event) = a + logit(risk); Wald interval. This is not the intercept that rms `val.prob` prints, which is
    fitted jointly with the slope (`calibration_line` has that one).
    NaN with a note without both outcomes, or where an outcome contradicts a risk of exactly 0 or 1.
    R: glm(y ~ 1, offset = qlogis(p), family = binomial). Reference: Cox, Biometrika 45 (1958) 562-565.
    """
    level = check_level(level)
    y, p = check_binary_risk(y_true, y_prob)
    n, m = y.size, int(y.sum())
    data = informative(y, p)
    if data.obstacle:
        return Estimate(NAN, level=level, method="Wald", n=n, n_events=m, note=data.obstacle)
    top = data.fit(slope_fixed=True)
    return _wald(float(top.beta[0]), 1 / float(top.information[0, 0]), level, n, m, data.note)


def _wald(value: float, variance: float, level: float, n: int, n_events: int, note: str) -> Estimate:
    se = math.sqrt(variance)
    half = z_of(level) * se
    return Estimate(value, value - half, value + half, level, "Wald", se, n, n_events, note)


def calibration_line(y_true: ArrayLike, y_prob: ArrayLike, *, level: float = 0.95) -> tuple[Estimate, Estimate]:
    """Intercept and slope of the logistic recalibration logit P(event) = a + b logit(risk), fitted jointly; Wald.

    (0, 1) is right. A slope below 1 means that risks are too extreme, the mark of overfitting.
    NaN with a note where no finite fit exists: constant predictions, complete separation, one outcome only, or an
    outcome that contradicts a risk of exactly 0 or 1.
    R: glm(y ~ qlogis(p), family = binomial); rms `val.prob` Intercept and Slope.
    """
    level = check_level(level)
    y, p = check_binary_risk(y_true, y_prob)
    n, m = y.size, int(y.sum())
    data = informative(y, p)
    if data.flat:
        undefined = Estimate(NAN, level=level, method="Wald", n=n, n_events=m, note=data.flat)
        return undefined, undefined
    top = data.fit()
    variance = np.diag(np.linalg.inv(top.information))
    intercept = _wald(float(top.beta[0]), float(variance[0]), level, n, m, data.note)
    return intercept, _wald(float(top.beta[1]), float(variance[1]), level, n, m, data.note)


def calibration_slope(y_true: ArrayLike, y_prob: ArrayLike, *, level: float = 0.95, method: str = "wald") -> Estimate:
    """Slope of the outcome on the logit of risk, fitted with an intercept; 1 is right, below 1 risks are too extreme.

    method : "wald" or "profile" (profile likelihood, better with few events)
    See `calibration_line` for the model, the undefined cases and the intercept.
    """
    check_choice(method, ("wald", "profile"), "method")
    _, slope = calibration_line(y_true, y_prob, level=level)
    if method == "wald" or math.isnan(slope.value):
        return slope
    data = informative(*check_binary_risk(y_true, y_prob))
    top, fall, half = data.fit(), z_of(level) ** 2 / 2, slope.high - slope.value
    ends = [profile_bound(data.design, data.y, top, 1, side, fall, half, firth=False) for side in (-1, 1)]
    return replace(slope, low=ends[0], high=ends[1], method="profile likelihood")


def calibration_test(y_true: ArrayLike, y_prob: ArrayLike) -> TestResult:
    """Likelihood ratio test that intercept is 0 and slope is 1, jointly: Cox's unreliability test, 2 df on new data.

    On the patients a logistic model was fitted to, it is 0 by construction and tells nothing.
    R: rms `val.prob` U:Chi-sq. Reference: Miller et al., Stat Med 10 (1991) 1213-1226.
    """
    y, p = check_binary_risk(y_true, y_prob)
    n, m = y.size, int(y.sum())
    data = informative(y, p)
    name = "likelihood ratio, intercept 0 and slope 1"
    if data.flat:
        return TestResult(NAN, NAN, 2.0, name, n, m, data.flat)
    gain = data.fit().log_likelihood - log_likelihood(data.y, data.design[:, 1])
    statistic = max(2 * gain, 0.0)
    return TestResult(statistic, float(special.chdtrc(2, statistic)), 2.0, name, n, m, data.note)


def quantile_groups(p: FloatArray, groups: int) -> IntArray:
    """Group of each patient by quantiles of risk, numbered from 0, as ResourceSelection's `hoslem.test` cuts them.

    The limits are R's type 7 quantiles at 0, 1/g, ..., 1, in R's own arithmetic; equal limits are merged, and a risk
    that equals a limit belongs to the group below. A group can be empty where risks are tied.
    """
    probs = np.minimum(np.arange(groups + 1) * (1 / groups), 1.0)
    ordered = np.sort(p)
    index = (p.size - 1) * probs + 1
    below, above = np.floor(index).astype(int) - 1, np.ceil(index).astype(int) - 1
    h = index - np.floor(index)
    limits = np.where(ordered[above] != ordered[below], (1 - h) * ordered[below] + h * ordered[above], ordered[below])
    limits = np.unique(limits)
    return np.maximum(np.searchsorted(limits, p, side="left") - 1, 0).astype(np.int64)


def hosmer_lemeshow(y_true: ArrayLike, y_prob: ArrayLike, *, groups: int = 10, fitted_here: bool) -> TestResult:
    """Hosmer and Lemeshow's test over groups of predicted risk.

    sum over groups of (O - E)^2 / (E (1 - E/n)), referred to chi-squared

    groups : number asked for; tied risks can leave fewer, and then the note says how many were formed
    fitted_here : True when the model was fitted to these very patients (df = g - 2), False on new data (df = g);
        there is no default, because the wrong one gives a wrong p value (ResourceSelection always uses g - 2)

    A group whose risks are all exactly 0 (or 1) adds nothing if the outcomes agree; if one does not, the statistic is
    infinite and p is 0. With fewer than three groups the test is NaN. A large p value is no proof of calibration: the
    test sees little in small samples and the slightest misfit in large ones.
    Reference: Hosmer and Lemeshow, Commun Stat A 9 (1980) 1043-1069. R: ResourceSelection `hoslem.test`.
    """
    check_count(groups, "groups", minimum=3)
    y, p = check_binary_risk(y_true, y_prob)
    n, m = y.size, int(y.sum())
    name = f"Hosmer-Lemeshow, {'g - 2 df (model fitted on these patients)' if fitted_here else 'g df (new patients)'}"
    _, group = np.unique(quantile_groups(p, groups), return_inverse=True)
    size = np.bincount(group)
    formed = size.size
    note = "" if formed == groups else f"few patients or tied risks: {formed} groups formed, {groups} asked for"
    if formed < 3:
        return TestResult(NAN, NAN, None, name, n, m, _joined(note, "fewer than three groups: no test"))
    observed, expected = np.bincount(group, weights=y), np.bincount(group, weights=p)
    gap = (observed - expected) ** 2
    variance = expected * (1 - expected / size)
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(gap == 0, 0.0, gap / variance)
    statistic, df = float(terms.sum()), formed - 2 if fitted_here else formed
    if math.isinf(statistic):
        note = _joined(note, "outcomes contradict predicted risks of exactly 0 or 1")
    return TestResult(statistic, float(special.chdtrc(df, statistic)), float(df), name, n, m, note)


def spiegelhalter(y_true: ArrayLike, y_prob: ArrayLike) -> TestResult:
    """Spiegelhalter's test of calibration from the Brier score, two-sided, standard normal.

    z = sum((y - p)(1 - 2p)) / sqrt(sum((1 - 2p)^2 p (1 - p)))
    Undefined (NaN) where every risk is 0, 0.5 or 1: then the denominator is zero.
    Reference: Spiegelhalter, Stat Med 5 (1986) 421-433. R: rms `val.prob` S:z, S:p.
    """
    y, p = check_binary_risk(y_true, y_prob)
    n, m = y.size, int(y.sum())
    variance = float(np.sum((1 - 2 * p) ** 2 * p * (1 - p)))
    if variance == 0:
        return TestResult(NAN, NAN, None, "Spiegelhalter", n, m, "undefined: every predicted risk is 0, 0.5 or 1")
    z = float(np.sum((y - p) * (1 - 2 * p))) / math.sqrt(variance)
    return TestResult(z, two_sided_p(z), None, "Spiegelhalter", n, m)
