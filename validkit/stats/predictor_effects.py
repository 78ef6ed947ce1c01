"""Whether predictors have the effects that a model gives them, at one centre and at two.

References: Vergouwe et al., Am J Epidemiol 172 (2010) 971-980; Steyerberg, Clinical Prediction Models (2nd ed., 2019).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from validkit.errors import InputError
from validkit.stats.checks import FloatArray, as_float, check_binary_risk
from validkit.stats.regression import INTERCEPT, dependent_columns, logistic_regression
from validkit.stats.results import NAN, Record, TestResult

__all__ = ["RISK", "PredictorEffects", "compare_effects", "effects_given_risk"]

RISK = "linear predictor"
"""name of the first column of `PredictorEffects`"""
EVENTS = 5
"""events, and non-events, for each coefficient that is estimated"""


@dataclass(frozen=True, repr=False, eq=False)
class PredictorEffects(Record):
    """What predictors add to a model's own linear predictor: logit P(event) = a + b lp + c'x.

    columns : lp first; coefficients : (k,) b and c; covariance : (k, k); intercept : a. NaN where undefined, and a note
    """

    columns: tuple[str, ...]
    coefficients: tuple[float, ...]
    covariance: FloatArray
    intercept: float
    n: int
    n_events: int
    note: str = ""

    def __repr__(self) -> str:
        told = ", ".join(f"{name} {value:.4g}" for name, value in zip(self.columns, self.coefficients, strict=True))
        return f"effects given the risk (n = {self.n}, {self.n_events} events): {told or self.note}"


def effects_given_risk(
    y_true: ArrayLike, y_prob: ArrayLike, X: ArrayLike | None = None, *, names: Sequence[str] | None = None
) -> PredictorEffects:
    """Whether each predictor's effect is as the model has it: its coefficient beside the model's linear predictor.

    y_true : (n,) int in {0, 1}; y_prob : (n,) float in (0, 1); X : (n, k) finite numbers, None for the risk alone
    A model whose effects are right has slope 1 and every other coefficient 0. Constant and linearly dependent columns
    are left out, and the note names them; so is everything but the risk where fewer than 5 events or non-events are
    there for each coefficient. By maximum likelihood, NaN where the outcome is separated.

    >>> effects_given_risk([0, 0, 1, 0, 1, 1, 0, 1], [0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9])
    effects given the risk (n = 8, 4 events): linear predictor 0.9235

    Reference: Steyerberg, Clinical Prediction Models (2nd ed., 2019), ch. 20.2; Vergouwe et al., Am J Epidemiol 172
    (2010) 971-980.
    """
    y, p = check_binary_risk(y_true, y_prob)
    if ((p == 0) | (p == 1)).any():
        raise InputError(
            "`y_prob` holds risks of exactly 0 or 1, whose log odds are infinite; leave these patients out"
        )
    table = np.empty((y.size, 0)) if X is None else as_float(X, "X", ndim=2)
    labels = tuple(f"x{j + 1}" for j in range(table.shape[1])) if names is None else tuple(names)
    if table.shape != (y.size, len(labels)):
        raise InputError(f"`X` must have {y.size} rows and {len(labels)} columns; it is {table.shape}")
    n, m = y.size, int(y.sum())
    design, columns, notes = _usable(special.logit(p), table, labels)
    if min(m, n - m) < EVENTS * (len(columns) + 1) and len(columns) > 1:
        notes.append(f"the predictors were left out: {min(m, n - m)} of the rarer outcome for {len(columns)} columns")
        design, columns = design[:, :1], columns[:1]
    if not columns:
        return PredictorEffects((), (), np.empty((0, 0)), NAN, n, m, "undefined: every risk is the same")
    fit = logistic_regression(design, y, names=columns)
    notes += [fit.note] if fit.note else []
    inner = fit.covariance[1:, 1:]
    return PredictorEffects(columns, tuple(fit.beta[1:].tolist()), inner, float(fit.beta[0]), n, m, "; ".join(notes))


def _usable(lp: FloatArray, table: FloatArray, labels: Sequence[str]) -> tuple[FloatArray, tuple[str, ...], list[str]]:
    """The columns of the regression that can be told apart, the risk first."""
    whole = np.column_stack([np.ones(len(lp)), lp, table])
    names = (INTERCEPT, RISK, *labels)
    constant = {j for j in range(1, whole.shape[1]) if np.ptp(whole[:, j]) == 0}
    varying = [j for j in range(whole.shape[1]) if j not in constant]
    dependent = {varying[j] for j in dependent_columns(whole[:, varying])}
    kept = [j for j in varying if j and j not in dependent]
    left = [names[j] for j in sorted(constant | dependent)]
    note = [f"constant or a sum of others, and left out: {', '.join(left)}"] if left else []
    return whole[:, kept], tuple(names[j] for j in kept), note


def compare_effects(here: PredictorEffects, there: PredictorEffects) -> TestResult:
    """That predictors have the same effects at two centres, whatever the baseline risk: Wald's test.

    Of the columns that both have; each centre's coefficients are estimated, so that a model that was overfitted, or
    wrong in the same way at both, does not count as a difference.

    >>> p = [0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]
    >>> here, there = (effects_given_risk(y, p) for y in ([0, 0, 1, 0, 1, 1, 0, 1], [0, 1, 0, 0, 1, 0, 1, 1]))
    >>> compare_effects(here, there)
    statistic = 0.003143, df = 1, p = 0.9553 (Wald, coefficients of two centres; n = 8, 4 events)

    Reference: Chow, Econometrica 28 (1960) 591-605, for two regressions; here by Wald, without the intercepts.
    """
    method = "Wald, coefficients of two centres"
    shared = [name for name in here.columns if name in there.columns]
    n, m = here.n, here.n_events
    if not shared:
        note = f"undefined: {here.note or there.note or 'no column in common'}"
        return TestResult(NAN, NAN, None, method, n=n, n_events=m, note=note)
    own, other = ([one.columns.index(name) for name in shared] for one in (here, there))
    difference = np.array(here.coefficients)[own] - np.array(there.coefficients)[other]
    covariance = here.covariance[np.ix_(own, own)] + np.asarray(there.covariance)[np.ix_(other, other)]
    if not (np.isfinite(difference).all() and np.isfinite(covariance).all()):
        note = f"undefined: {here.note or there.note}"
        return TestResult(NAN, NAN, None, method, n=n, n_events=m, note=note)
    statistic = float(difference @ np.linalg.solve(covariance, difference))
    apart = [name for name in (*here.columns, *there.columns) if name not in shared]
    note = f"not compared, as one centre lacks them: {', '.join(dict.fromkeys(apart))}" if apart else ""
    p_value = float(special.chdtrc(len(shared), statistic))
    return TestResult(statistic, p_value, float(len(shared)), method, n=n, n_events=m, note=note)
