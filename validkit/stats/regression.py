"""Logistic regression of a binary outcome: maximum likelihood as R's glm, or Firth's penalised likelihood as logistf.

Where events and non-events are separated, maximum likelihood has no estimate: the fit says so, and
`penalty="if-separated"` turns to Firth's penalty then and states it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import special

from validkit.errors import InputError
from validkit.stats.checks import FloatArray, as_float, check_choice, check_level, check_outcome
from validkit.stats.intervals import two_sided_p, z_of
from validkit.stats.likelihood import Maximum, find_separation, maximise, profile_bound
from validkit.stats.results import NAN, Estimate, Record, TestResult

INTERCEPT = "(intercept)"
PENALTIES = ("none", "firth", "if-separated")
_ALIASED = 1e-8


@dataclass(frozen=True, repr=False, eq=False)
class LogisticFit(Record):
    """A fitted logistic regression; term 0 is the intercept.

    coefficients : log odds per unit of the column; odds_ratios : their exponentials, without a standard error (the
    interval is made on the log scale); wald, likelihood_ratio : the test of each term alone, the latter not made for
    the intercept; model_test : likelihood ratio test of all columns together; covariance : (k, k) inverse of the
    expected information; log_likelihood : penalised under Firth's penalty; penalty : "none" or "firth", as used;
    separation : "none", "quasi-complete" or "complete". Undefined numbers are NaN, and `note` says why.
    """

    names: tuple[str, ...]
    coefficients: tuple[Estimate, ...]
    odds_ratios: tuple[Estimate, ...]
    wald: tuple[TestResult, ...]
    likelihood_ratio: tuple[TestResult, ...]
    model_test: TestResult
    covariance: FloatArray
    log_likelihood: float
    n: int
    n_events: int
    penalty: str
    interval: str
    separation: str
    converged: bool
    iterations: int
    note: str = ""

    def __repr__(self) -> str:
        terms = ", ".join(f"{name} {c.value:.4g}" for name, c in zip(self.names, self.coefficients, strict=True))
        return f"logistic regression (n = {self.n}, {self.n_events} events, penalty {self.penalty}): {terms}"

    @property
    def defined(self) -> bool:
        """Whether there is an estimate."""
        return not math.isnan(self.coefficients[0].value)

    @property
    def beta(self) -> FloatArray:
        """(k,) log odds, intercept first."""
        return np.array([c.value for c in self.coefficients])

    def term(self, name: str) -> int:
        """Position of a term by its name."""
        if name not in self.names:
            raise InputError(f"no term {name!r} in this regression; it has {', '.join(self.names)}")
        return self.names.index(name)

    def linear_predictor(self, X: pd.DataFrame | ArrayLike) -> FloatArray:
        """(n,) log odds of new patients; a DataFrame is read by column name, an array by position."""
        if isinstance(X, pd.DataFrame):
            absent = [name for name in self.names[1:] if name not in X.columns]
            if absent:
                raise InputError(f"`X` lacks the column {absent[0]!r} of this regression")
            X = X.loc[:, list(self.names[1:])]
        values, _ = named_columns(X, self.names[1:])
        return np.asarray(self.beta[0] + values @ self.beta[1:], dtype=np.float64)

    def predict(self, X: pd.DataFrame | ArrayLike) -> FloatArray:
        """(n,) probability of the event for new patients."""
        return np.asarray(special.expit(self.linear_predictor(X)), dtype=np.float64)


# --- the design ------------------------------------------------------------------------------


def named_columns(X: Any, names: Sequence[str] | None) -> tuple[FloatArray, tuple[str, ...]]:
    """(n, p) finite numbers and p names; what is missing is an error that names the column and the rows."""
    rows: list[str] | None = None
    if isinstance(X, pd.Series):
        X = X.to_frame(X.name if X.name is not None else "x")
    if isinstance(X, pd.DataFrame):
        odd = [str(c) for c in X.columns if not pd.api.types.is_numeric_dtype(X[c])]
        if odd:
            raise InputError(f"column {odd[0]!r} of `X` is not numeric; encode categories as columns of 0 and 1 first")
        names = [str(c) for c in X.columns] if names is None else names
        rows = [str(i) for i in X.index]
    empty = np.ndim(X) == 2 and np.shape(X)[1] == 0
    values = np.empty((len(X), 0)) if empty else as_float(X, "X", ndim=2)
    named = tuple(f"x{j + 1}" for j in range(values.shape[1])) if names is None else tuple(names)
    if len(named) != values.shape[1]:
        raise InputError(f"`names` has {len(named)} names for {values.shape[1]} columns of `X`")
    if len(set(named)) != len(named) or INTERCEPT in named:
        raise InputError(f"column names of `X` must differ from each other and from {INTERCEPT!r}: {', '.join(named)}")
    for j, name in enumerate(named):
        bad = np.flatnonzero(~np.isfinite(values[:, j]))
        if bad.size:
            shown = ", ".join(str(i) if rows is None else rows[i] for i in bad[:5]) + (", ..." if bad.size > 5 else "")
            raise InputError(
                f"column {name!r} is missing or infinite for {bad.size} of {len(values)} patients (rows {shown}); "
                "impute or leave these patients out, and report it"
            )
    return values, named


@dataclass(frozen=True)
class _Data:
    """Outcome and columns, centred and scaled for the numerics, and the way back."""

    y: FloatArray
    names: tuple[str, ...]
    centred: FloatArray
    scaled: FloatArray
    centre: FloatArray
    scale: FloatArray

    @classmethod
    def of(cls, X: Any, y: Any, names: Sequence[str] | None) -> _Data:
        if isinstance(y, pd.Series) and isinstance(X, (pd.DataFrame, pd.Series)) and not y.index.equals(X.index):
            raise InputError("`X` and `y` are indexed by different patients or in another order; align: y.loc[X.index]")
        outcome = check_outcome(y, "y").astype(np.float64)
        if len(X) != outcome.size:
            raise InputError(f"`X` has {len(X)} rows and `y` has {outcome.size}; they must be the same patients")
        values, named = named_columns(X, names)
        centre, scale = values.mean(axis=0), values.std(axis=0)
        flat = scale <= 1e-12 * np.abs(values).max(axis=0, initial=1e-300)
        if flat.any():
            which = ", ".join(repr(named[j]) for j in np.flatnonzero(flat))
            raise InputError(f"constant column in `X`: {which}; what does not vary has no odds ratio, leave it out")
        ones = np.ones((len(values), 1))
        centred = np.hstack([ones, (values - centre) / scale])
        aliased = dependent_columns(centred)
        if aliased:
            which = ", ".join(repr(named[j - 1]) for j in aliased)
            raise InputError(f"{which} of `X` follows exactly from the columns before it; leave it out")
        return cls(outcome, named, centred, np.hstack([ones, values / scale]), centre, scale)

    @property
    def back(self) -> FloatArray:
        """(k, k) matrix from coefficients of the centred design to those per unit."""
        matrix = np.diag(np.r_[1.0, 1 / self.scale])
        matrix[0, 1:] = -self.centre / self.scale
        return matrix

    @property
    def n_events(self) -> int:
        return int(self.y.sum())


def dependent_columns(design: FloatArray) -> list[int]:
    """Columns that are linear combinations of the ones before: first come, first kept, as R's glm drops them."""
    basis: list[FloatArray] = []
    aliased: list[int] = []
    for j in range(design.shape[1]):
        column = design[:, j] / max(float(np.linalg.norm(design[:, j])), 1e-300)
        for _ in range(2):
            for direction in basis:
                column = column - (direction @ column) * direction
        length = float(np.linalg.norm(column))
        if length < _ALIASED:
            aliased.append(j)
        else:
            basis.append(column / length)
    return aliased


# --- fitting ---------------------------------------------------------------------------------


def logistic_regression(
    X: pd.DataFrame | ArrayLike,
    y: ArrayLike,
    *,
    names: Sequence[str] | None = None,
    level: float = 0.95,
    penalty: str | None = None,
    interval: str | None = None,
) -> LogisticFit:
    """Logistic regression of y on a constant and the columns of X.

    X : (n, p) finite numbers, a DataFrame or an array; p may be 0; y : (n,) in {0, 1}, 1 the event
    penalty : None or "none" (maximum likelihood), "firth" (Jeffreys' prior, Firth 1993), or "if-separated": maximum
        likelihood unless the outcome is separated, then Firth's, stated in `note`
    interval : "wald" or "profile"; by default Wald for maximum likelihood and profile for Firth's

    Raises InputError for missing values, constant and linearly dependent columns. With fewer than two events or two
    non-events, or separated without penalty, every estimate is NaN with the reason. Equals R's glm and logistf.

    >>> X, y = [[-1.2], [0.3], [0.1], [-0.7], [1.9], [0.4], [-0.2], [0.9]], [0, 0, 1, 0, 1, 0, 1, 1]
    >>> logistic_regression(X, y, names=["x"])
    logistic regression (n = 8, 4 events, penalty none): (intercept) -0.2792, x 1.789

    Reference: Firth, Biometrika 80 (1993) 27-38. R: glm, logistf.
    """
    level = check_level(level)
    asked = check_choice("none" if penalty is None else penalty, PENALTIES, "penalty")
    if interval is not None:
        check_choice(interval, ("wald", "profile"), "interval")
    data = _Data.of(X, y, names)
    top, firth, separation, note = _fit(data, asked)
    if top is None:
        return _undefined(data, level, note, separation)
    return _inference(data, top, firth, interval or ("profile" if firth else "wald"), level, separation, note)


def _fit(data: _Data, asked: str) -> tuple[Maximum | None, bool, str, str]:
    """(maximum or None where there is none, whether under Firth's penalty, kind of separation, note)."""
    n, events = data.y.size, data.n_events
    if min(events, n - events) < 2:
        return (
            None,
            False,
            "none",
            f"{events} events and {n - events} non-events; a regression needs at least two of each",
        )
    plain = None if asked == "firth" else maximise(data.centred, data.y)
    separation = find_separation(data.centred, data.y, plain)
    notes = []
    if separation.kind != "none":
        cause = ", ".join(repr(data.names[j - 1]) for j in separation.columns)
        notes.append(f"{separation.kind} separation of events from non-events by {cause}")
        if asked == "none":
            notes.append('maximum likelihood has no finite estimate; penalty="firth" gives one')
            return None, False, separation.kind, "; ".join(notes)
        if asked == "if-separated":
            notes.append("Firth's penalised likelihood used instead of maximum likelihood")
    firth = asked == "firth" or separation.kind != "none"
    top = maximise(data.centred, data.y, firth=True) if firth or plain is None else plain
    if not top.converged:
        notes.append(f"not converged after {top.iterations} iterations: do not use these numbers")
    return top, firth, separation.kind, "; ".join(notes)


def _inference(
    data: _Data, top: Maximum, firth: bool, shape: str, level: float, separation: str, note: str
) -> LogisticFit:
    beta = data.back @ top.beta
    covariance = data.back @ np.linalg.inv(top.information) @ data.back.T
    se = np.sqrt(np.diag(covariance))
    half = z_of(level) * se
    low, high = _profile(data, top, firth, level, half) if shape == "profile" else (beta - half, beta + half)
    n, events = data.y.size, data.n_events
    likelihood = "penalised likelihood" if firth else "likelihood"
    method = f"profile {likelihood}" if shape == "profile" else "Wald"
    terms = range(1, beta.size)
    untested = TestResult(NAN, NAN, 1, f"{likelihood} ratio", n, events, "not made for the intercept")
    notes = [_with_ends(note, lo, hi) for lo, hi in zip(low, high, strict=True)]
    return LogisticFit(
        names=(INTERCEPT, *data.names),
        coefficients=tuple(
            Estimate(float(b), float(lo), float(hi), level, method, float(s), n, events, text)
            for b, lo, hi, s, text in zip(beta, low, high, se, notes, strict=True)
        ),
        odds_ratios=tuple(
            Estimate(_exp(b), _exp(lo), _exp(hi), level, method, NAN, n, events, text)
            for b, lo, hi, text in zip(beta, low, high, notes, strict=True)
        ),
        wald=tuple(
            TestResult(float(b / s), two_sided_p(float(b / s)), None, "Wald z", n, events)
            for b, s in zip(beta, se, strict=True)
        ),
        likelihood_ratio=(untested, *(_ratio_test(data, top, firth, [j]) for j in terms)),
        model_test=_ratio_test(data, top, firth, terms),
        covariance=covariance,
        log_likelihood=top.log_likelihood + (float(np.log(data.scale).sum()) if firth else 0.0),
        n=n,
        n_events=events,
        penalty="firth" if firth else "none",
        interval=shape,
        separation=separation,
        converged=top.converged,
        iterations=top.iterations,
        note=note,
    )


def _with_ends(note: str, low: float, high: float) -> str:
    lost = "an end of the profile likelihood interval was not found" if math.isnan(low) or math.isnan(high) else ""
    return "; ".join(text for text in (note, lost) if text)


def _exp(value: float) -> float:
    return math.inf if value > 709 else math.exp(value)


def _profile(data: _Data, top: Maximum, firth: bool, level: float, half: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Ends of the profile likelihood intervals, per unit; the intercept's on the columns before centring."""
    fall = float(special.chdtri(1, 1 - level)) / 2
    shifted = top.beta.copy()
    shifted[0] -= float(top.beta[1:] @ (data.centre / data.scale))
    uncentred = Maximum(shifted, top.log_likelihood, top.information, top.converged, top.iterations)
    bounds = np.empty((2, half.size))
    for j in range(half.size):
        design, start = (data.scaled, uncentred) if j == 0 else (data.centred, top)
        unit = 1.0 if j == 0 else float(data.scale[j - 1])
        for row, side in enumerate((-1, 1)):
            end = profile_bound(design, data.y, start, j, side, fall, float(half[j]) * unit, firth=firth)
            bounds[row, j] = end / unit
    return bounds[0], bounds[1]


def _ratio_test(data: _Data, top: Maximum, firth: bool, columns: Sequence[int]) -> TestResult:
    """Likelihood ratio test that these columns' coefficients are all zero; Firth's penalty is that of all columns."""
    method = "penalised likelihood ratio" if firth else "likelihood ratio"
    n, df = data.y.size, len(columns)
    if df == 0:
        return TestResult(NAN, NAN, 0, method, n, data.n_events, "no column to test")
    free = np.ones(data.centred.shape[1], bool)
    free[list(columns)] = False
    null = maximise(data.centred, data.y, firth=firth, free=free)
    statistic = max(2 * (top.log_likelihood - null.log_likelihood), 0.0)
    note = "" if null.converged else "the model without these columns did not converge"
    return TestResult(statistic, float(special.chdtrc(df, statistic)), df, method, n, data.n_events, note)


def _undefined(data: _Data, level: float, note: str, separation: str) -> LogisticFit:
    k, n, events = len(data.names) + 1, data.y.size, data.n_events
    none = Estimate(NAN, level=level, method="undefined", n=n, n_events=events, note=note)
    test = TestResult(NAN, NAN, None, "undefined", n, events, note)
    return LogisticFit(
        names=(INTERCEPT, *data.names),
        coefficients=(none,) * k,
        odds_ratios=(none,) * k,
        wald=(test,) * k,
        likelihood_ratio=(test,) * k,
        model_test=test,
        covariance=np.full((k, k), NAN),
        log_likelihood=NAN,
        n=n,
        n_events=events,
        penalty="none",
        interval="none",
        separation=separation,
        converged=False,
        iterations=0,
        note=note,
    )


def likelihood_ratio_test(
    X: pd.DataFrame | ArrayLike,
    y: ArrayLike,
    drop: Sequence[str],
    *,
    names: Sequence[str] | None = None,
    penalty: str | None = None,
) -> TestResult:
    """Likelihood ratio test of several columns together, as of the levels of one categorical predictor.

    drop : names of the columns whose coefficients are zero under the hypothesis; df is their number
    penalty : as in `logistic_regression`; NaN with the reason where the full model has no estimate

    >>> X, y = [[-1.2], [0.3], [0.1], [-0.7], [1.9], [0.4], [-0.2], [0.9]], [0, 0, 1, 0, 1, 0, 1, 1]
    >>> likelihood_ratio_test(X, y, ["x"], names=["x"])
    statistic = 2.832, df = 1, p = 0.09242 (likelihood ratio; n = 8, 4 events)

    R: anova(test = "LRT") of two glm fits; logistf `logistftest`.
    """
    asked = check_choice("none" if penalty is None else penalty, PENALTIES, "penalty")
    data = _Data.of(X, y, names)
    missing = [name for name in drop if name not in data.names]
    if missing or not len(drop):
        raise InputError(f"`drop` must name columns of `X`, which are {', '.join(data.names)}; it is {list(drop)}")
    top, firth, _, note = _fit(data, asked)
    if top is None:
        return TestResult(NAN, NAN, len(drop), "undefined", data.y.size, data.n_events, note)
    return _ratio_test(data, top, firth, [data.names.index(name) + 1 for name in drop])
