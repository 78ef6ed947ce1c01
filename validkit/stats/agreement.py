"""Agreement between repeated measurements: the intraclass correlation, of thousands of features at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from validkit.errors import InputError
from validkit.stats.anova import Anova, one_way, two_way
from validkit.stats.checks import FloatArray, as_float, check_choice, check_level
from validkit.stats.results import NAN, Record

__all__ = ["FORMS", "FeatureAgreement", "Kept", "icc", "icc_all", "keep"]

FORMS = ("ICC(1,1)", "ICC(2,1)", "ICC(3,1)", "ICC(1,k)", "ICC(2,k)", "ICC(3,k)")
_ALIASES = {"ICC(A,1)": "ICC(2,1)", "ICC(C,1)": "ICC(3,1)", "ICC(A,k)": "ICC(2,k)", "ICC(C,k)": "ICC(3,k)"}
_ONE_WAY = ("ICC(1,1)", "ICC(1,k)")


@dataclass(frozen=True, eq=False, repr=False)
class FeatureAgreement(Record):
    """Intraclass correlation of p features: arrays of length p, in the order of the features given.

    `statistic` is the F that tests ICC = 0, with df1 and df2 degrees of freedom and p_value. `n` counts the subjects
    given and `n_used` those that each feature's ICC rests on; they differ only where `missing` let some be left out.
    """

    value: FloatArray
    low: FloatArray
    high: FloatArray
    statistic: FloatArray
    df1: FloatArray
    df2: FloatArray
    p_value: FloatArray
    form: str
    n: int
    k: int
    level: float
    note: str = ""
    n_used: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, dtype=np.int64))

    def __repr__(self) -> str:
        middle = np.nanmedian(self.value) if np.isfinite(self.value).any() else NAN
        tail = f"; {self.note}" if self.note else ""
        return f"{self.form} of {self.value.size} features (n = {self.n}, k = {self.k}; median {middle:.3g}{tail})"


def icc(ratings: ArrayLike, *, form: str = "ICC(2,1)", level: float = 0.95, missing: str = "error") -> FeatureAgreement:
    """Intraclass correlation of p features, each measured by k raters on the same n subjects.

    ratings : (n_subjects, k_raters, p_features), or (n_subjects, k_raters) for one feature; finite
    form : "ICC(1,1)" one-way; "ICC(2,1)" two-way random, absolute agreement, single rater; "ICC(3,1)" two-way mixed,
        consistency; "ICC(1,k)", "ICC(2,k)", "ICC(3,k)" the same for the mean of k raters. McGraw and Wong's names
        "ICC(A,1)", "ICC(C,1)", "ICC(A,k)", "ICC(C,k)" are understood too.
    missing : "error"; "complete-case": a subject with a missing rating of a feature is left out of that feature, and
        `n_used` counts the others; "available", for the one-way forms alone: every rating counts, by the unbalanced
        one-way analysis of variance with n0 = (N - sum m_i^2 / N) / (n - 1) ratings a subject. Its F test is exact,
        its interval, Thomas, Hultquist and Donner's, approximate. The two-way forms have no such option.

    With mean squares MSR (subjects), MSC (raters), MSE (residual) and MSW (within subjects):
    ICC(1,1) = (MSR - MSW) / (MSR + (k - 1) MSW),  ICC(3,1) = (MSR - MSE) / (MSR + (k - 1) MSE),
    ICC(2,1) = (MSR - MSE) / (MSR + (k - 1) MSE + k (MSC - MSE) / n);  mean of k: k ICC / (1 + (k - 1) ICC).

    Intervals are exact under normality for ICC(1,.) and ICC(3,.); for ICC(2,.) they rest on Satterthwaite's degrees of
    freedom and fall a little short of their level with few raters.

    A feature that is the same for every subject and rater has no ICC: NaN, counted in the note. So is the ICC of a mean
    of k raters where the variance of such means is estimated as zero or less. Values can be negative.

    >>> icc([[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]).value.round(3)
    array([0.29])

    Reference: Shrout and Fleiss, Psychol Bull 86 (1979) 420-428; McGraw and Wong, Psychol Methods 1 (1996) 30-46;
    Donner and Wells, Biometrics 42 (1986) 401-412 (unbalanced).
    R: psych `ICC(lmer = FALSE)`; Python: pingouin `intraclass_corr`.
    """
    form = _ALIASES.get(form, form)
    check_choice(form, FORMS, "form")
    return _agreement(ratings, (form,), level, missing)[form]


def icc_all(ratings: ArrayLike, *, level: float = 0.95, missing: str = "error") -> dict[str, FeatureAgreement]:
    """The six intraclass correlations of p features, by form, from one pass over the ratings; see `icc`.

    missing : "error" or "complete-case"

    >>> both = icc_all([[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]])
    >>> [(form, round(float(one.value[0]), 2)) for form, one in both.items()][:3]
    [('ICC(1,1)', 0.17), ('ICC(2,1)', 0.29), ('ICC(3,1)', 0.71)]

    Reference: Shrout and Fleiss, Psychol Bull 86 (1979) 420-428. R: psych `ICC(lmer = FALSE)`.
    """
    return _agreement(ratings, FORMS, level, missing)


# --- the ratings at the door ------------------------------------------------------------------


def _check_ratings(ratings: ArrayLike, missing: str) -> FloatArray:
    dimensions = np.ndim(ratings)
    if dimensions not in (2, 3):
        raise InputError(
            f"`ratings` must be (subjects, raters, features) or (subjects, raters); shape {np.shape(ratings)}"
        )
    x = as_float(ratings, "ratings", ndim=dimensions)
    x = x[:, :, None] if dimensions == 2 else x
    n, k, _ = x.shape
    if n < 2 or k < 2:
        raise InputError(f"an intraclass correlation needs at least 2 subjects and 2 raters, not {n} and {k}")
    bad = ~np.isfinite(x) if missing == "error" else np.isinf(x)
    if bad.any():
        subject, rater, feature = (int(i) for i in np.argwhere(bad)[0])
        mend = ', or pass missing="complete-case"' if np.isnan(x).any() and missing == "error" else ""
        raise InputError(
            f"`ratings` must be finite; {int(bad.sum())} values are not, in {int(bad.any(axis=(0, 1)).sum())} features "
            f"and {int(bad.any(axis=(1, 2)).sum())} subjects (first: subject {subject}, rater {rater}, "
            f"feature {feature}); "
            f"leave out those features or subjects{mend}"
        )
    return x


def _agreement(ratings: ArrayLike, forms: Sequence[str], level: float, missing: str) -> dict[str, FeatureAgreement]:
    level = check_level(level)
    check_choice(missing, ("error", "complete-case", "available"), "missing")
    two = [form for form in forms if form not in _ONE_WAY]
    if missing == "available" and two:
        raise InputError(f'missing="available" is for ICC(1,1) and ICC(1,k) alone, not for {", ".join(two)}')
    x = _check_ratings(ratings, missing)
    table = one_way(x) if missing == "available" else two_way(x)
    with np.errstate(divide="ignore", invalid="ignore"):
        parts = {family: _family(table, family, level) for family in dict.fromkeys(form[:5] for form in forms)}
    return {form: _finished(parts[form[:5]], form, table, x.shape, level, missing) for form in forms}


# --- one family of forms: the single rater's ICC, its limits, and the test ---------------------


@dataclass(frozen=True)
class _Family:
    value: FloatArray
    low: FloatArray
    high: FloatArray
    statistic: FloatArray
    df2: FloatArray
    p_value: FloatArray


def _family(t: Anova, family: str, level: float) -> _Family:
    """The form for a single rater; an F of 0/0 is NaN, a residual of exactly zero is perfect agreement."""
    noise, df2 = (t.msw, t.df_within) if family == "ICC(1" else (t.mse, t.df_error)
    f = t.msr / noise
    whole = t.msr + (t.size - 1) * noise
    if family == "ICC(2":
        whole = whole + t.size * (t.msc - t.mse) / t.n
    value = np.where(whole > 0, (t.msr - noise) / whole, NAN)
    low, high = _limits_absolute(t, value, level) if family == "ICC(2" else _limits_from_f(t, f, df2, level)
    p_value = np.where(np.isinf(f), 0.0, special.fdtrc(t.df1, df2, f))
    return _Family(value, low, high, f, df2, p_value)


def _f_quantile(df1: FloatArray, df2: FloatArray, tail: float) -> FloatArray:
    """Quantiles of F, worked out once where the degrees of freedom are the same for every feature."""
    if (df1 == df1[0]).all() and (df2 == df2[0]).all():
        return np.full(df1.size, special.fdtri(df1[0], df2[0], tail))
    quantile: FloatArray = special.fdtri(df1, df2, tail)
    return quantile


def _limits_from_f(t: Anova, f: FloatArray, df2: FloatArray, level: float) -> tuple[FloatArray, FloatArray]:
    """Limits of a single-rater ICC whose F has df1 and df2 degrees of freedom: (F' - 1)/(F' + k - 1)."""
    tail = 0.5 + level / 2
    low, high = f / _f_quantile(t.df1, df2, tail), f * _f_quantile(df2, t.df1, tail)
    return (
        np.where(np.isinf(f), 1.0, (low - 1) / (low + t.size - 1)),
        np.where(np.isinf(f), 1.0, (high - 1) / (high + t.size - 1)),
    )


def _limits_absolute(t: Anova, value: FloatArray, level: float) -> tuple[FloatArray, FloatArray]:
    """Limits of ICC(2,1) after Shrout and Fleiss, with Satterthwaite's degrees of freedom v."""
    n, k = t.n, t.size
    a = k * value * t.msc
    b = (n * (1 + (k - 1) * value) - k * value) * t.mse
    v = (k - 1) * (n - 1) * (a + b) ** 2 / ((n - 1) * a**2 + b**2)
    upper, lower = special.fdtri(n - 1, v, 0.5 + level / 2), special.fdtri(v, n - 1, 0.5 + level / 2)
    rest = k * t.msc + (k * n - k - n) * t.mse
    low = n * (t.msr - upper * t.mse) / (upper * rest + n * t.msr)
    high = n * (lower * t.msr - t.mse) / (rest + n * lower * t.msr)
    perfect = (t.msc == 0) & (t.mse == 0)
    return np.where(perfect, 1.0, low), np.where(perfect, 1.0, high)


def _of_the_mean(single: FloatArray, k: int) -> FloatArray:
    """Reliability of the mean of k raters from that of one; minus infinity where no variance of such means is left."""
    whole = 1 + (k - 1) * single
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(whole <= 1e-12, -np.inf, k * single / whole)


def _finished(
    part: _Family, form: str, t: Anova, shape: tuple[int, ...], level: float, missing: str
) -> FeatureAgreement:
    """The family's numbers for this form, NaN where undefined, with the note."""
    n, k, p = shape
    value, low, high = part.value, part.low, part.high
    if form.endswith("k)"):
        value, low, high = (_of_the_mean(single, k) for single in (value, low, high))
        value = np.where(np.isinf(value), NAN, value)
    nothing = t.constant | t.too_few
    undefined = nothing | np.isnan(value)
    value, low, high = (np.where(undefined, NAN, array) for array in (value, low, high))
    statistic, p_value = (np.where(nothing, NAN, array) for array in (part.statistic, part.p_value))
    notes = (
        _counted(t.constant & ~t.too_few, p, "do not vary and have no ICC"),
        _counted(t.too_few, p, "have too few rated subjects for an ICC"),
        _counted(undefined & ~nothing, p, "have no ICC: its denominator is estimated as zero or less"),
        _left_out(t, n, missing),
    )
    arrays = (value, low, high, statistic, t.df1, part.df2, p_value)
    n_used = t.n.astype(np.int64)
    for array in (*arrays, n_used):
        array.setflags(write=False)
    return FeatureAgreement(*arrays, form, n, k, level, "; ".join(filter(None, notes)), n_used)


def _counted(which: NDArray[np.bool_], p: int, what: str) -> str:
    return f"{int(which.sum())} of {p} features {what}" if which.any() else ""


def _left_out(t: Anova, n: int, missing: str) -> str:
    fewer = t.n < n
    if missing == "complete-case" and fewer.any():
        most = int(n - t.n.min())
        return (
            f"up to {most} of {n} subjects left out feature by feature (complete case), in {int(fewer.sum())} features"
        )
    if missing == "available" and t.unbalanced.any():
        return f"{int(t.unbalanced.sum())} features with missing ratings; approximate intervals there"
    return ""


# --- which features to keep -------------------------------------------------------------------


@dataclass(frozen=True, eq=False, repr=False)
class Kept(Record):
    """Features that reach the threshold: `mask` (p,) bool, and the counts; a feature without an ICC is not kept."""

    mask: NDArray[np.bool_]
    kept: int
    total: int
    undefined: int
    threshold: float
    by: str
    form: str

    def __repr__(self) -> str:
        what = self.form if self.by == "value" else f"lower limit of {self.form}"
        tail = f"; {self.undefined} undefined and not kept" if self.undefined else ""
        return f"{self.kept} of {self.total} features kept ({what} >= {self.threshold:g}{tail})"


def keep(agreement: FeatureAgreement, *, threshold: float = 0.75, by: str = "value") -> Kept:
    """The features whose ICC (by="value") or its lower confidence limit (by="lower") is at least `threshold`.

    The lower limit asks that the data rule out a lesser agreement, at the level of the agreement's interval; with few
    subjects far fewer features pass. A feature whose ICC, or lower limit, is undefined is not kept, and counted.

    >>> ratings = [[[1.0, 4.0], [1.5, 1.0]], [[2.0, 3.0], [2.5, 3.0]], [[3.0, 5.0], [3.5, 7.0]]]
    >>> keep(icc(ratings), threshold=0.8)
    1 of 2 features kept (ICC(2,1) >= 0.8)
    >>> keep(icc(ratings), threshold=0.8, by="lower").kept
    0

    Reference: Koo and Li, J Chiropr Med 15 (2016) 155-163 (judge agreement by the interval, not the value alone).
    """
    check_choice(by, ("value", "lower"), "by")
    if not (np.ndim(threshold) == 0 and np.isfinite(threshold) and threshold <= 1):
        raise InputError(f"`threshold` must be a number of at most 1, not {threshold!r}")
    judged = agreement.value if by == "value" else agreement.low
    undefined = np.isnan(judged)
    mask = np.where(undefined, False, judged >= threshold)
    mask.setflags(write=False)
    counts = int(mask.sum()), int(mask.size), int(undefined.sum())
    return Kept(mask, *counts, float(threshold), by, agreement.form)
