"""How much updating do the data ask for? The closed test of Vergouwe and others."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from validkit.errors import InputError
from validkit.stats.calibration import calibration_in_the_large, calibration_line
from validkit.stats.checks import FloatArray, _check_same_patients, as_float, check_binary_risk, check_level, patients
from validkit.stats.intervals import z_of
from validkit.stats.likelihood import find_separation, maximise
from validkit.stats.recalibration import Informative, informative, log_likelihood
from validkit.stats.results import NAN, Estimate, Record, TestResult
from validkit.stats.updating import LogisticUpdate, refuse_undefined, with_slope

__all__ = ["ClosedTest", "Revision", "closed_test"]

METHODS = ("none", "in the large", "logistic recalibration", "revision")


@dataclass(frozen=True, eq=False, repr=False)
class Revision(Record):
    """updated risk = expit(intercept + X coefficients): the model fitted anew to the same predictors."""

    intercept: Estimate
    coefficients: tuple[Estimate, ...]
    n: int
    n_events: int
    note: str = ""
    method: str = "revision"

    def apply(self, predictors: ArrayLike) -> FloatArray:
        """Updated risks of (n, p) predictors, in the columns' order of the fit."""
        x = as_float(predictors, "predictors", ndim=2)
        refuse_undefined(math.isnan(self.intercept.value), self.method, self.note)
        beta = np.array([c.value for c in self.coefficients])
        if x.shape[1] != beta.size or not np.isfinite(x).all():
            raise InputError(f"`predictors` must be finite, of {beta.size} columns as in the fit; shape {x.shape}")
        updated: FloatArray = special.expit(self.intercept.value + x @ beta)
        return updated

    def __repr__(self) -> str:
        return f"{self.method}: {len(self.coefficients)} coefficients (n = {self.n}, {self.n_events} events)"


@dataclass(frozen=True, eq=False, repr=False)
class ClosedTest(Record):
    """Which update to use, and the likelihood ratio tests that say so.

    chosen : "none", "in the large", "logistic recalibration" or "revision"; empty where the test is undefined
    steps : (method, test of the largest update against it), in order; the first that is not rejected is chosen
    log_likelihoods : of each method, in the order of METHODS, as far as fitted
    update : the chosen update, a LogisticUpdate (0 and 1 for "none") or a Revision
    """

    chosen: str
    steps: tuple[tuple[str, TestResult], ...]
    log_likelihoods: tuple[float, ...]
    update: LogisticUpdate | Revision
    alpha: float
    n: int
    n_events: int
    note: str = ""
    n_missing: int = field(default=0)

    def apply(self, y_prob: ArrayLike, *, predictors: ArrayLike | None = None) -> FloatArray:
        """Updated risks by the chosen update; a revision needs the predictors, the others the predicted risks."""
        if isinstance(self.update, LogisticUpdate):
            return self.update.apply(y_prob)
        if predictors is None:
            raise InputError("the closed test chose a revision of the model: `apply` needs `predictors`")
        return self.update.apply(predictors)

    def __repr__(self) -> str:
        tests = ", ".join(f"against {name} p = {test.p_value:.4g}" for name, test in self.steps)
        tail = f"; {self.note}" if self.note else ""
        return f"{self.chosen or 'undefined'} ({tests}; n = {self.n}, {self.n_events} events{tail})"


def closed_test(
    y_true: ArrayLike,
    y_prob: ArrayLike,
    *,
    predictors: ArrayLike | None = None,
    alpha: float = 0.05,
    level: float = 0.95,
    weights: ArrayLike | None = None,
    missing: str = "error",
) -> ClosedTest:
    """The least update that the data do not reject: none, in the large, logistic recalibration, or revision.

    The largest update is tested against each smaller one by twice the difference of log likelihoods, every time at
    `alpha`, with as many degrees of freedom as it has coefficients more; the first smaller one not rejected is chosen,
    else the largest. Closed testing keeps the chance of any update of a right model at `alpha`.

    predictors : (n, p) of the original model, as it uses them (transformed, coded): then the largest update is the
        revision, its coefficients fitted anew: p + 1, p and p - 1 degrees of freedom against none, in the large and
        logistic recalibration. Without them it is logistic recalibration, with 2 and 1.
    With one predictor the revision is the logistic recalibration and is never chosen. The tests take logit(y_prob) as
    linear in the predictors; the note says where it is not (rounded risks, another kind of model): then they are
    approximate. A risk of exactly 0 or 1 cannot come from such a model: an error if predictors are given.

    Undefined (chosen is empty, `apply` refuses) where the largest update has no finite fit: one outcome, separation,
    equal predictions. With fewer than some 10 events a coefficient the tests are liberal and a revision overfits.

    >>> closed_test([0, 0, 1, 0, 1, 1, 0, 1], [0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9])
    none (against none p = 0.9459, against in the large p = 0.9251; n = 8, 4 events)

    Reference: Vergouwe et al., Stat Med 36 (2017) 4529-4539. R: glm and pchisq.
    """
    if predictors is None:
        return _closed_test(y_true, y_prob, None, alpha, level, weights=weights, missing=missing)
    _check_same_patients(y_true, predictors, ("y_true", "predictors"))
    x = as_float(predictors, "predictors", ndim=2)
    return _closed_test(y_true, y_prob, x.T, alpha, level, weights=weights, missing=missing)


@patients("y_true", "y_prob", "predictors")
def _closed_test(
    y_true: ArrayLike,
    y_prob: ArrayLike,
    predictors: Any,
    alpha: float,
    level: float,
    *,
    weights: ArrayLike | None = None,
    missing: str = "error",
) -> ClosedTest:
    """predictors : (p, n), patients last, or None."""
    level, alpha = check_level(level), _check_alpha(alpha)
    y, p = check_binary_risk(y_true, y_prob)
    n, m = y.size, int(y.sum())
    data = informative(y, p)
    x = None if predictors is None else _check_predictors(np.ascontiguousarray(predictors.T), n, p)
    if data.flat:
        none = Estimate(NAN, level=level, method="Wald", n=n, n_events=m, note=data.flat)
        return ClosedTest("", (), (), LogisticUpdate(none, none, "update", n, m, data.flat), alpha, n, m, data.flat)
    smaller = [log_likelihood(data.y, data.design[:, 1]), data.fit(slope_fixed=True).log_likelihood]
    line = data.fit().log_likelihood
    if x is None:
        return _chosen(_logistic_updates(y, p, level), [*smaller, line], [2, 1], alpha, n, m, data.note)
    revision, top = _revise(x, data, level, m)
    if revision.note:
        return ClosedTest("", (), (*smaller, line), revision, alpha, n, m, revision.note)
    count = x.shape[1]
    updates = [*_logistic_updates(y, p, level), revision]
    note = _nested(x, data)
    return _chosen(updates, [*smaller, line, top], [count + 1, count, count - 1], alpha, n, m, note)


def _check_alpha(alpha: float) -> float:
    if not (isinstance(alpha, (int, float, np.floating)) and 0 < alpha < 1):
        raise InputError(f"`alpha` must lie strictly between 0 and 1, e.g. 0.05; it is {alpha!r}")
    return float(alpha)


def _check_predictors(x: FloatArray, n: int, p: FloatArray) -> FloatArray:
    if x.shape[0] != n:
        raise InputError(f"`y_true` has {n} patients and `predictors` has {x.shape[0]}; they must be the same patients")
    bad = ~np.isfinite(x).all(axis=1)
    if bad.any():
        raise InputError(
            f"`predictors` must be finite; {int(bad.sum())} of {n} patients have others (first: row "
            f'{int(bad.argmax())}); leave them out, or pass missing="complete-case" for missing values'
        )
    extreme = (p == 0) | (p == 1)
    if extreme.any():
        raise InputError(
            f"`y_prob` is exactly 0 or 1 for {int(extreme.sum())} of {n} patients (first: row "
            f"{int(extreme.argmax())}), which no logistic model of `predictors` gives; test without `predictors`"
        )
    centred = (x - x.mean(axis=0)) / np.where(np.ptp(x, axis=0) > 0, x.std(axis=0), 1.0)
    rank = int(np.linalg.matrix_rank(centred))
    if rank < x.shape[1]:
        raise InputError(
            f"the {x.shape[1]} columns of `predictors` carry {rank} independent pieces of information besides the "
            "constant; leave out constant and redundant columns, the intercept's too"
        )
    return x


def _logistic_updates(y: Any, p: FloatArray, level: float) -> list[LogisticUpdate | Revision]:
    """None, in the large, and logistic recalibration."""
    n, m = y.size, int(y.sum())
    large = calibration_in_the_large(y, p, level=level)
    intercept, slope = calibration_line(y, p, level=level)
    zero, one = (Estimate(v, level=level, method="fixed", n=n, n_events=m) for v in (0.0, 1.0))
    return [
        LogisticUpdate(zero, one, METHODS[0], n, m, ""),
        LogisticUpdate(large, one, METHODS[1], n, m, large.note),
        LogisticUpdate(intercept, slope, METHODS[2], n, m, with_slope(intercept.note, slope.value)),
    ]


def _revise(x: FloatArray, data: Informative, level: float, m: int) -> tuple[Revision, float]:
    """The model fitted anew, and its log likelihood; columns are standardised for the fit and turned back."""
    n = x.shape[0]
    centre, scale = x.mean(axis=0), x.std(axis=0)
    design = np.column_stack([np.ones(n), (x - centre) / scale])
    top = maximise(design, data.y)
    apart = find_separation(design, data.y, top)
    if apart.kind != "none" or not top.converged:
        note = f"revision has no finite fit: {apart.kind} separation of the outcomes by the predictors"
        none = Estimate(NAN, level=level, method="Wald", n=n, n_events=m, note=note)
        return Revision(none, (none,) * x.shape[1], n, m, note), NAN
    back = np.diag(np.r_[1.0, 1 / scale])
    back[0, 1:] = -centre / scale
    beta = back @ top.beta
    se = np.sqrt(np.diag(back @ np.linalg.inv(top.information) @ back.T))
    half = z_of(level) * se
    parts = [
        Estimate(v, v - h, v + h, level, "Wald", s, n, m)
        for v, h, s in zip(beta.tolist(), half.tolist(), se.tolist(), strict=True)
    ]
    return Revision(parts[0], tuple(parts[1:]), n, m), top.log_likelihood


def _nested(x: FloatArray, data: Informative) -> str:
    """A note where logit(risk) is not linear in the predictors, so that the models are not nested."""
    logit = data.design[:, 1]
    design = np.column_stack([np.ones(x.shape[0]), (x - x.mean(axis=0)) / x.std(axis=0)])
    rest = logit - design @ np.linalg.lstsq(design, logit, rcond=None)[0]
    if np.abs(rest).max() <= 1e-6 * np.ptp(logit):
        return ""
    r2 = 1 - float(rest @ rest) / float(((logit - logit.mean()) ** 2).sum())
    return f"logit(y_prob) is not linear in `predictors` (R2 {r2:.4f}): the tests of the revision are approximate"


def _chosen(
    updates: list[LogisticUpdate | Revision],
    fits: list[float],
    df: list[int],
    alpha: float,
    n: int,
    m: int,
    note: str,
) -> ClosedTest:
    """The largest update against each smaller one; the first that is not rejected."""
    largest = updates[-1].method
    steps, chosen = [], len(updates) - 1
    for i in range(len(df)):
        statistic = 2 * (fits[-1] - fits[i])
        p_value = float(special.chdtrc(df[i], max(statistic, 0.0))) if df[i] else 1.0
        name = f"likelihood ratio, {largest} against {METHODS[i]}"
        same = "" if df[i] else "one predictor: the two are one model"
        steps.append((METHODS[i], TestResult(statistic, p_value, float(df[i]), name, n, m, same)))
        if p_value > alpha:
            chosen = min(chosen, i)
    return ClosedTest(METHODS[chosen], tuple(steps), tuple(fits), updates[chosen], alpha, n, m, note)
