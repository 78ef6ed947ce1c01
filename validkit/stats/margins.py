"""Is one model not worse than another by more than a margin, or equivalent to it?

A test that finds no difference does not show that there is none. These do, for a margin declared before the data.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from scipy import special

from validkit.errors import InputError
from validkit.stats.results import NAN, Comparison, Estimate, Record, TestResult

__all__ = ["MarginTest", "equivalence", "noninferiority"]


@dataclass(frozen=True, repr=False)
class MarginTest(Record):
    """The decision on a difference and its margin.

    decision : "non-inferior" or "equivalent" where shown, "not shown", or "undefined" (the note says why)
    test : the one-sided test; for equivalence the worse of two. difference : the (1 - 2 alpha) interval. low_margin,
    high_margin : the differences that count as no worse lie between them (infinite where open)
    """

    decision: str
    test: TestResult
    difference: Estimate
    low_margin: float
    high_margin: float
    alpha: float

    @property
    def p_value(self) -> float:
        """The p value of the test."""
        return self.test.p_value

    def __repr__(self) -> str:
        return (
            f"{self.decision} at ({self.low_margin:g}, {self.high_margin:g}), alpha = {self.alpha:g}: "
            f"{self.difference!r}; {self.test!r}"
        )


def _check_alpha(alpha: float) -> float:
    if isinstance(alpha, bool) or not isinstance(alpha, (int, float)) or not 0 < alpha < 0.5:
        raise InputError(f"`alpha` must lie strictly between 0 and 0.5, e.g. 0.025; it is {alpha!r}")
    return float(alpha)


def _check_margin(margin: float, name: str = "margin") -> float:
    if isinstance(margin, bool) or not isinstance(margin, (int, float)) or not 0 < margin < math.inf:
        raise InputError(f"`{name}` must be a finite number above 0, in units of the difference; it is {margin!r}")
    return float(margin)


def _parts(comparison: Comparison | Estimate) -> tuple[Estimate, float]:
    """The difference and the degrees of freedom of its t distribution, infinite where it is normal."""
    if isinstance(comparison, Estimate):
        return comparison, math.inf
    if not isinstance(comparison, Comparison):
        raise InputError(f"`comparison` must be a Comparison or an Estimate of a difference, not {comparison!r}")
    df = comparison.test.df
    # a t test says so by its method; the df of a chi-square statistic is no df of the difference
    return comparison.difference, math.inf if df is None or "Satterthwaite" not in comparison.test.method else df


def _cdf(t: float, df: float) -> float:
    return float(special.ndtr(t) if math.isinf(df) else special.stdtr(df, t))


def _quantile(p: float, df: float) -> float:
    return float(special.ndtri(p) if math.isinf(df) else special.stdtrit(df, p))


def _judge(comparison: Comparison | Estimate, low: float, high: float, alpha: float, word: str) -> MarginTest:
    """Test that the true difference lies between low and high, each end at level alpha."""
    given, df = _parts(comparison)
    value, se, n, m = given.value, given.se, given.n, given.n_events
    method, title = f"Wald, from {given.method}", f"{word}, {'Wald' if math.isinf(df) else 'Wald, t'}"
    t_df = None if math.isinf(df) else df
    level = 1 - 2 * alpha
    if math.isnan(value) or not 0 < se < math.inf:
        cause = (
            "difference is undefined"
            if math.isnan(value)
            else f"standard error is {'zero' if se == 0 else 'undefined'}"
        )
        note = "; ".join(part for part in (f"the {cause}: no test", given.note) if part)
        difference = Estimate(value, NAN, NAN, level, method, se, n, m, note, given.n_missing)
        test = TestResult(NAN, NAN, t_df, title, n, m, note, given.n_missing)
        return MarginTest("undefined", test, difference, low, high, alpha)
    above, below = (value - low) / se, (high - value) / se
    worst = min(above, below)
    p = _cdf(-worst, df)
    half = _quantile(1 - alpha, df) * se
    shown = p < alpha
    note = given.note
    if abs(given.level - level) < 1e-12 and (given.low > low and given.high < high) != shown:
        own = f"the comparison's own interval ({given.method}) leads to the other decision"
        note = "; ".join(part for part in (note, own) if part)
    difference = Estimate(value, value - half, value + half, level, method, se, n, m, note, given.n_missing)
    test = TestResult(worst, p, t_df, title, n, m, note, given.n_missing)
    return MarginTest(word if shown else "not shown", test, difference, low, high, alpha)


def noninferiority(
    comparison: Comparison | Estimate, *, margin: float, higher_is_better: bool = True, alpha: float = 0.025
) -> MarginTest:
    """Is model a at most `margin` worse than model b? One-sided Wald test against the margin.

    z = (difference + margin)/se where higher is better, (margin - difference)/se where lower is; a is non-inferior
    where p = 1 - Phi(z) < alpha, that is, where the (1 - 2 alpha) interval lies wholly on the right side of the margin

    comparison : a minus b, from any function that compares two models (its standard error is used, and Student's t
        where it is unpaired), or an Estimate of a difference
    margin : above 0, in units of the difference, declared before the data
    higher_is_better : True for AUC, net benefit, sensitivity; False for Brier score and log loss
    alpha : one-sided, in (0, 0.5); 0.025 goes with a 95 % interval

    A standard error that is zero or undefined gives the decision "undefined" and a note.

    >>> noninferiority(Estimate(0.01, se=0.02), margin=0.05).decision
    'non-inferior'

    Reference: Piaggio et al., JAMA 308 (2012) 2594-2604; Obuchowski, Acad Radiol 4 (1997) 656-661 for ROC areas.
    """
    alpha, margin = _check_alpha(alpha), _check_margin(margin)
    if not isinstance(higher_is_better, bool):
        raise InputError(f"`higher_is_better` must be True or False, not {higher_is_better!r}")
    low, high = (-margin, math.inf) if higher_is_better else (-math.inf, margin)
    return _judge(comparison, low, high, alpha, "non-inferior")


def equivalence(
    comparison: Comparison | Estimate, *, margin: float | tuple[float, float], alpha: float = 0.05
) -> MarginTest:
    """Do two models differ by less than `margin` either way? Two one-sided tests (TOST).

    p = max of the p values of difference > -margin and difference < margin; equivalent where p < alpha, that is, where
    the (1 - 2 alpha) interval lies inside the margins

    comparison : a minus b, as for `noninferiority`
    margin : above 0, or (low, high) with low < 0 < high, declared before the data
    alpha : of each of the two tests, in (0, 0.5); 0.05 goes with a 90 % interval

    >>> equivalence(Estimate(0.01, se=0.02), margin=0.05).p_value.__round__(4)
    0.0228

    Reference: Schuirmann, J Pharmacokinet Biopharm 15 (1987) 657-680; Liu et al., Stat Med 25 (2006) 1219-1238 for
    paired ROC areas.
    """
    alpha = _check_alpha(alpha)
    if isinstance(margin, tuple):
        if len(margin) != 2 or not all(isinstance(end, (int, float)) for end in margin):
            raise InputError(f"`margin` must be one number or (low, high), not {margin!r}")
        low, high = -_check_margin(-margin[0], "-margin[0]"), _check_margin(margin[1], "margin[1]")
    else:
        high = _check_margin(margin)
        low = -high
    return _judge(comparison, low, high, alpha, "equivalent")
