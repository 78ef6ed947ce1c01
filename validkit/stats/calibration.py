"""Are the predicted risks right? On average, in their spread, and in their logistic recalibration.

Predictions of exactly 0 and 1 are never clipped: see `recalibration.Informative` for the rule and its reason.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from validkit.stats.checks import check_binary_risk, check_choice, check_level, patients
from validkit.stats.goodness_of_fit import hosmer_lemeshow, spiegelhalter
from validkit.stats.intervals import clopper_pearson, z_of
from validkit.stats.likelihood import Maximum, profile_bound
from validkit.stats.recalibration import Informative, informative, log_likelihood
from validkit.stats.results import NAN, Estimate, TestResult
from validkit.stats.risk_groups import quantile_groups as quantile_groups

__all__ = [
    "calibration_in_the_large",
    "calibration_in_the_large_test",
    "calibration_line",
    "calibration_slope",
    "calibration_test",
    "cox_tests",
    "hosmer_lemeshow",
    "observed_expected",
    "spiegelhalter",
]

_COX = {
    "joint": ("likelihood ratio, intercept 0 and slope 1", 2.0),
    "intercept": ("likelihood ratio, intercept 0 given slope 1", 1.0),
    "slope": ("likelihood ratio, slope 1 with the intercept free", 1.0),
}


@patients("y_true", "y_prob")
def observed_expected(
    y_true: ArrayLike,
    y_prob: ArrayLike,
    *,
    level: float = 0.95,
    method: str = "log",
    weights: ArrayLike | None = None,
    missing: str = "error",
) -> Estimate:
    """Observed over expected events, O/E with E the sum of predicted risks; 1 is right, above 1 risks are too low.

    Every interval but "ratio" takes E as known.
    method : "log": normal on the log scale with se(log) = sqrt((1 - O/n)/O), as in metamisc; with no event, or nothing
        but events, "exact" takes its place and the note says so. `se` is on the log scale.
        "exact": Clopper-Pearson's interval of O/n over E/n.
        "poisson": Garwood's exact interval of a Poisson count over E, usual for standardised mortality ratios; it is
        wider, the more so the more frequent the event.
        "ratio": "log" with the linearised error of a ratio, se(log) = sqrt(sum (y - O/E p)^2 n/(n - 1))/O: patients
        with high risks come with the events, so that O and E rise and fall together.

    In samples like the paper's test set (31 events in 127, AUC 0.75, right risks) "log" covers 96.7 %, "exact" 97.6 %,
    "poisson" 99.0 %, more than they say, and "ratio", the one to choose there, 95.0 % (`validkit certify`). "log" stays
    the default, for it is what metamisc gives and syntheses expect.

    Predictions of exactly 0 and 1 count as any other. Where every risk is 0, O/E is infinite, or NaN without an event.

    >>> observed_expected([0, 0, 1, 1], [0.1, 0.3, 0.4, 0.8])
    1.25 [0.4691, 3.331] (95% normal on the log scale, E taken as known; se of the log; n = 4, 2 events)

    Reference: Debray et al., BMJ 356 (2017) i6460. R: metamisc `oecalc`; `binom.test`; `poisson.test(O, E)`.
    """
    level = check_level(level)
    check_choice(method, ("log", "exact", "poisson", "ratio"), "method")
    y, p = check_binary_risk(y_true, y_prob)
    n, observed, expected = y.size, int(y.sum()), math.fsum(p)
    log = "normal on the log scale, E taken as known; se of the log"
    ratio = "normal on the log scale, linearised ratio; se of the log"
    if expected == 0:
        value = NAN if observed == 0 else math.inf
        label = {"log": log, "ratio": ratio, "exact": "Clopper-Pearson", "poisson": "Garwood"}[method]
        return Estimate(value, level=level, method=label, n=n, n_events=observed, note="every predicted risk is 0")
    value, note = observed / expected, ""
    if method == "poisson":
        tail = (1 - level) / 2
        low = float(special.gammaincinv(observed, tail)) if observed else 0.0
        high = float(special.gammaincinv(observed + 1, 1 - tail))
        return Estimate(value, low / expected, high / expected, level, "Garwood", NAN, n, observed)
    if method in ("log", "ratio") and 0 < observed < n:
        known = math.sqrt((1 - observed / n) / observed)
        se = known if method == "log" else math.sqrt(math.fsum((y - value * p) ** 2) * n / (n - 1)) / observed
        half = z_of(level) * se
        label = log if method == "log" else ratio
        return Estimate(value, value * math.exp(-half), value * math.exp(half), level, label, se, n, observed)
    if method in ("log", "ratio"):
        note = f"{'no event' if observed == 0 else 'events only'}: Clopper-Pearson's interval of O/n over E/n"
    ends, scale = clopper_pearson(observed, n, level), n / expected
    return Estimate(
        value, float(ends[0]) * scale, float(ends[1]) * scale, level, "Clopper-Pearson", NAN, n, observed, note
    )


@patients("y_true", "y_prob")
def calibration_in_the_large(
    y_true: ArrayLike,
    y_prob: ArrayLike,
    *,
    level: float = 0.95,
    weights: ArrayLike | None = None,
    missing: str = "error",
) -> Estimate:
    """Intercept of the outcome on the logit of risk with the slope fixed at 1; 0 is right, above 0 risks are too low.

    logit P(event) = a + logit(risk); Wald interval. This is not the intercept that rms `val.prob` prints, which is
    fitted jointly with the slope (`calibration_line` has that one).
    NaN with a note without both outcomes, or where an outcome contradicts a risk of exactly 0 or 1.

    The interval takes the slope to be 1: of risks that are too extreme (slope 0.6) it covers 89 to 92 % (`validkit
    certify`).

    >>> calibration_in_the_large([0, 0, 1, 1], [0.1, 0.3, 0.4, 0.8])
    0.5531 [-1.727, 2.833] (95% Wald; n = 4, 2 events)

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


def _line(
    y_true: ArrayLike, y_prob: ArrayLike, level: float
) -> tuple[tuple[Estimate, Estimate], Informative, Maximum | None]:
    """Intercept and slope of the recalibration, with the data and the fit they come from (None: no finite fit)."""
    level = check_level(level)
    y, p = check_binary_risk(y_true, y_prob)
    n, m = y.size, int(y.sum())
    data = informative(y, p)
    if data.flat:
        undefined = Estimate(NAN, level=level, method="Wald", n=n, n_events=m, note=data.flat)
        return (undefined, undefined), data, None
    top = data.fit()
    variance = np.diag(np.linalg.inv(top.information))
    intercept, slope = (_wald(float(top.beta[j]), float(variance[j]), level, n, m, data.note) for j in (0, 1))
    return (intercept, slope), data, top


@patients("y_true", "y_prob")
def calibration_line(
    y_true: ArrayLike,
    y_prob: ArrayLike,
    *,
    level: float = 0.95,
    weights: ArrayLike | None = None,
    missing: str = "error",
) -> tuple[Estimate, Estimate]:
    """Intercept and slope of the logistic recalibration logit P(event) = a + b logit(risk), fitted jointly; Wald.

    (0, 1) is right. A slope below 1 means that risks are too extreme, the mark of overfitting.
    NaN with a note where no finite fit exists: constant predictions, complete separation, one outcome only, or an
    outcome that contradicts a risk of exactly 0 or 1.

    >>> intercept, slope = calibration_line([0, 1, 0, 1, 0, 1], [0.2, 0.3, 0.3, 0.6, 0.7, 0.8])
    >>> round(intercept.value, 3), round(slope.value, 3)
    (0.066, 0.821)

    R: glm(y ~ qlogis(p), family = binomial); rms `val.prob` Intercept and Slope.
    """
    return _line(y_true, y_prob, level)[0]


@patients("y_true", "y_prob")
def calibration_slope(
    y_true: ArrayLike,
    y_prob: ArrayLike,
    *,
    level: float = 0.95,
    method: str = "wald",
    weights: ArrayLike | None = None,
    missing: str = "error",
) -> Estimate:
    """Slope of the outcome on the logit of risk, fitted with an intercept; 1 is right, below 1 risks are too extreme.

    method : "wald" or "profile" (profile likelihood, better with few events)
    See `calibration_line` for the model, the undefined cases and the intercept.

    >>> calibration_slope([0, 1, 0, 1, 0, 1], [0.2, 0.3, 0.4, 0.6, 0.7, 0.8])
    0.716 [-1.099, 2.531] (95% Wald; n = 6, 3 events)

    Reference: Cox, Biometrika 45 (1958) 562-565. R: glm(y ~ qlogis(p), family = binomial), confint.
    """
    check_choice(method, ("wald", "profile"), "method")
    (_, slope), data, top = _line(y_true, y_prob, level)
    if method == "wald" or top is None:
        return slope
    fall, half = z_of(level) ** 2 / 2, slope.high - slope.value
    ends = [profile_bound(data.design, data.y, top, 1, side, fall, half, firth=False) for side in (-1, 1)]
    return replace(slope, low=ends[0], high=ends[1], method="profile likelihood")


@patients("y_true", "y_prob")
def cox_tests(
    y_true: ArrayLike, y_prob: ArrayLike, *, weights: ArrayLike | None = None, missing: str = "error"
) -> dict[str, TestResult]:
    """Cox's three likelihood ratio tests of the recalibration logit P(event) = a + b logit(risk), on new data.

    "joint": a = 0 and b = 1, 2 df; it is the sum of the other two:
    "intercept": a = 0 given b = 1, 1 df (calibration-in-the-large); "slope": b = 1 with a free, 1 df.

    On the patients a logistic model was fitted to all three are 0 by construction and tell nothing. NaN with a note
    where a fit does not exist (`calibration_line`); equal or separating predictions still have the intercept's test.

    >>> [round(test.statistic, 4) for test in cox_tests([0, 1, 0, 1, 0, 1], [0.2, 0.3, 0.4, 0.6, 0.7, 0.8]).values()]
    [0.0896, 0.0, 0.0896]

    R: differences of glm deviances. Reference: Cox, Biometrika 45 (1958) 562-565; Miller et al., Stat Med 10 (1991)
    1213-1226.
    """
    y, p = check_binary_risk(y_true, y_prob)
    data = informative(y, p)
    reached: dict[str, float] = {}
    if not data.obstacle:
        given, shifted = log_likelihood(data.y, data.design[:, 1]), data.fit(slope_fixed=True).log_likelihood
        reached["intercept"] = shifted - given
        if not data.flat:
            free = data.fit().log_likelihood
            reached |= {"joint": free - given, "slope": free - shifted}
    return {key: _ratio(key, reached.get(key), data, y.size, int(y.sum())) for key in _COX}


def _ratio(key: str, gain: float | None, data: Informative, n: int, n_events: int) -> TestResult:
    name, df = _COX[key]
    if gain is None:
        return TestResult(NAN, NAN, df, name, n, n_events, data.flat)
    statistic = max(2 * gain, 0.0)
    return TestResult(statistic, float(special.chdtrc(df, statistic)), df, name, n, n_events, data.note)


@patients("y_true", "y_prob")
def calibration_test(
    y_true: ArrayLike, y_prob: ArrayLike, *, weights: ArrayLike | None = None, missing: str = "error"
) -> TestResult:
    """Likelihood ratio test that intercept is 0 and slope is 1, jointly: Cox's unreliability test, 2 df on new data.

    On the patients a logistic model was fitted to, it is 0 by construction and tells nothing. `cox_tests` splits it.

    >>> calibration_test([0, 1, 0, 1, 0, 1], [0.2, 0.3, 0.4, 0.6, 0.7, 0.8])
    statistic = 0.08958, df = 2, p = 0.9562 (likelihood ratio, intercept 0 and slope 1; n = 6, 3 events)

    R: rms `val.prob` U:Chi-sq. Reference: Miller et al., Stat Med 10 (1991) 1213-1226.
    """
    y, p = check_binary_risk(y_true, y_prob)
    data = informative(y, p)
    gain = None if data.flat else data.fit().log_likelihood - log_likelihood(data.y, data.design[:, 1])
    return _ratio("joint", gain, data, y.size, int(y.sum()))


@patients("y_true", "y_prob")
def calibration_in_the_large_test(
    y_true: ArrayLike, y_prob: ArrayLike, *, weights: ArrayLike | None = None, missing: str = "error"
) -> TestResult:
    """Likelihood ratio test that the intercept is 0 with the slope fixed at 1, 1 df: are risks right on average?

    NaN with a note where `calibration_in_the_large` has no value.

    >>> calibration_in_the_large_test([0, 0, 1, 1], [0.1, 0.3, 0.4, 0.8])
    statistic = 0.2232, df = 1, p = 0.6366 (likelihood ratio, intercept 0 given slope 1; n = 4, 2 events)

    R: difference of the deviances of glm(y ~ 1, offset = qlogis(p)) and of the risks as given.
    Reference: Cox, Biometrika 45 (1958) 562-565.
    """
    y, p = check_binary_risk(y_true, y_prob)
    data = informative(y, p)
    gain = None
    if not data.obstacle:
        gain = data.fit(slope_fixed=True).log_likelihood - log_likelihood(data.y, data.design[:, 1])
    return _ratio("intercept", gain, data, y.size, int(y.sum()))
