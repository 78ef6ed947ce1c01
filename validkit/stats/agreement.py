"""Agreement between repeated measurements: the intraclass correlation, of thousands of features at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from validkit.errors import InputError
from validkit.stats.checks import FloatArray, as_float, check_choice, check_level
from validkit.stats.results import NAN, Record

FORMS = ("ICC(1,1)", "ICC(2,1)", "ICC(3,1)", "ICC(1,k)", "ICC(2,k)", "ICC(3,k)")
_ALIASES = {"ICC(A,1)": "ICC(2,1)", "ICC(C,1)": "ICC(3,1)", "ICC(A,k)": "ICC(2,k)", "ICC(C,k)": "ICC(3,k)"}


@dataclass(frozen=True, eq=False, repr=False)
class FeatureAgreement(Record):
    """Intraclass correlation of p features: arrays of length p, in the order of the features given.

    `statistic` is the F that tests ICC = 0, with df1 and df2 degrees of freedom and p_value.
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

    def __repr__(self) -> str:
        middle = np.nanmedian(self.value) if np.isfinite(self.value).any() else NAN
        tail = f"; {self.note}" if self.note else ""
        return f"{self.form} of {self.value.size} features (n = {self.n}, k = {self.k}; median {middle:.3g}{tail})"


def _check_ratings(ratings: ArrayLike) -> FloatArray:
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
    bad = ~np.isfinite(x)
    if bad.any():
        subject, rater, feature = (int(i) for i in np.argwhere(bad)[0])
        raise InputError(
            f"`ratings` must be finite; {int(bad.sum())} values are not, in {int(bad.any(axis=(0, 1)).sum())} features "
            f"and {int(bad.any(axis=(1, 2)).sum())} subjects (first: subject {subject}, rater {rater}, "
            f"feature {feature}); "
            "leave out those features or subjects"
        )
    return x


def _mean_squares(x: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Mean squares between subjects, between raters, of the residual, and within subjects; two-way ANOVA, (p,) each."""
    n, k, _ = x.shape
    centred = x - x.mean(axis=(0, 1))
    rows, columns = centred.mean(axis=1), centred.mean(axis=0)
    residual = centred - rows[:, None, :] - columns[None, :, :]
    between = k * np.einsum("ip,ip->p", rows, rows)
    raters = n * np.einsum("jp,jp->p", columns, columns)
    error = np.einsum("ijp,ijp->p", residual, residual)
    msr, msc, mse = between / (n - 1), raters / (k - 1), error / ((n - 1) * (k - 1))
    return msr, msc, mse, (raters + error) / (n * (k - 1))


def _limits_from_f(f: FloatArray, k: int, df1: float, df2: float, level: float) -> tuple[FloatArray, FloatArray]:
    """Limits of a single-rater ICC whose F has df1 and df2 degrees of freedom: (F' - 1)/(F' + k - 1)."""
    tail = 0.5 + level / 2
    low, high = f / special.fdtri(df1, df2, tail), f * special.fdtri(df2, df1, tail)
    with np.errstate(invalid="ignore"):
        return (
            np.where(np.isinf(f), 1.0, (low - 1) / (low + k - 1)),
            np.where(np.isinf(f), 1.0, (high - 1) / (high + k - 1)),
        )


def _limits_absolute(
    value: FloatArray, msr: FloatArray, msc: FloatArray, mse: FloatArray, n: int, k: int, level: float
) -> tuple[FloatArray, FloatArray]:
    """Limits of ICC(2,1) after Shrout and Fleiss, with Satterthwaite's degrees of freedom v."""
    a = k * value * msc
    b = (n * (1 + (k - 1) * value) - k * value) * mse
    with np.errstate(divide="ignore", invalid="ignore"):
        v = (k - 1) * (n - 1) * (a + b) ** 2 / ((n - 1) * a**2 + b**2)
        upper, lower = special.fdtri(n - 1, v, 0.5 + level / 2), special.fdtri(v, n - 1, 0.5 + level / 2)
        rest = k * msc + (k * n - k - n) * mse
        low = n * (msr - upper * mse) / (upper * rest + n * msr)
        high = n * (lower * msr - mse) / (rest + n * lower * msr)
    perfect = (msc == 0) & (mse == 0)
    return np.where(perfect, 1.0, low), np.where(perfect, 1.0, high)


def icc(ratings: ArrayLike, *, form: str = "ICC(2,1)", level: float = 0.95) -> FeatureAgreement:
    """Intraclass correlation of p features, each measured by k raters on the same n subjects.

    ratings : (n_subjects, k_raters, p_features), or (n_subjects, k_raters) for one feature; finite
    form : "ICC(1,1)" one-way; "ICC(2,1)" two-way random, absolute agreement, single rater; "ICC(3,1)" two-way mixed,
        consistency; "ICC(1,k)", "ICC(2,k)", "ICC(3,k)" the same for the mean of k raters. McGraw and Wong's names
        "ICC(A,1)", "ICC(C,1)", "ICC(A,k)", "ICC(C,k)" are understood too.

    A feature that is the same for every subject and rater has no ICC: NaN, counted in the note. Values can be negative.
    Reference: Shrout and Fleiss, Psychol Bull 86 (1979) 420-428; McGraw and Wong, Psychol Methods 1 (1996) 30-46.
    R: psych `ICC(lmer = FALSE)`; Python: pingouin `intraclass_corr`.
    """
    level = check_level(level)
    form = _ALIASES.get(form, form)
    check_choice(form, FORMS, "form")
    x = _check_ratings(ratings)
    n, k, p = x.shape
    constant = np.ptp(x.reshape(n * k, p), axis=0) == 0
    msr, msc, mse, msw = _mean_squares(np.where(constant, 0.0, x))
    one_way, family = form.startswith("ICC(1"), form[:5]
    df1, df2 = float(n - 1), float(n * (k - 1) if one_way else (n - 1) * (k - 1))
    noise = msw if one_way else mse
    with np.errstate(divide="ignore", invalid="ignore"):
        f = msr / noise
        single = (msr - noise) / (msr + (k - 1) * noise + (k * (msc - mse) / n if family == "ICC(2" else 0.0))
    if family == "ICC(2":
        low, high = _limits_absolute(single, msr, msc, mse, n, k, level)
    else:
        low, high = _limits_from_f(f, k, df1, df2, level)
    value = single
    if form.endswith("k)"):
        value, low, high = (_spearman_brown(part, k) for part in (single, low, high))
    undefined = constant | np.isnan(value)
    arrays = [
        np.where(undefined, NAN, part) for part in (value, low, high, f, special.fdtrc(df1, df2, np.nan_to_num(f)))
    ]
    arrays[4] = np.where(np.isinf(f) & ~undefined, 0.0, arrays[4])
    note = f"{int(undefined.sum())} of {p} features do not vary and have no ICC" if undefined.any() else ""
    return FeatureAgreement(
        arrays[0], arrays[1], arrays[2], arrays[3], np.full(p, df1), np.full(p, df2), arrays[4], form, n, k, level, note
    )


def _spearman_brown(single: FloatArray, k: int) -> FloatArray:
    """Reliability of the mean of k raters from that of one."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return k * single / (1 + (k - 1) * single)
