"""Further measures as functions of means over patients, for the bootstrap of repeated predictions.

`quick` has the measures with a quick path everywhere; here are the others that are made of a 2x2 table, the likelihood
or the prevalence. Shares of a table are whole numbers over n, so that an empty cell is exactly 0.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from scipy import special

from validkit.stats.chance_corrected import kappa_at_threshold, mcc
from validkit.stats.checks import FloatArray, check_threshold
from validkit.stats.classification import balanced_accuracy, f1, youden_index
from validkit.stats.costs import expected_cost
from validkit.stats.diagnostic_ratios import diagnostic_odds_ratio, negative_likelihood_ratio, positive_likelihood_ratio
from validkit.stats.interventions import interventions_avoided
from validkit.stats.likelihood_scores import cox_snell_r2, log_losses, mcfadden_r2, nagelkerke_r2
from validkit.stats.overall import mape
from validkit.stats.quick import Line, Means, quick
from validkit.stats.results import NAN
from validkit.stats.single_numbers import standardised_net_benefit

__all__: list[str] = []


def way_of(statistic: Any) -> Means | Line | None:
    """How to compute a statistic from means, or as part of the recalibration line; None where there is no such way."""
    known = quick(statistic)
    if known is not None:
        return known
    if isinstance(statistic, functools.partial):
        if statistic.args or set(statistic.keywords) != {"threshold"} or statistic.func not in _OF_TABLES:
            return None
        threshold = check_threshold(statistic.keywords["threshold"])
        return _of_table(_OF_TABLES[statistic.func], threshold) if 0 < threshold < 1 else None
    try:
        return _PLAIN.get(statistic)
    except TypeError:  # not hashable
        return None


def _of_table(formula: Callable[..., Any], t: float) -> Means:
    def cells(y: FloatArray, p: FloatArray) -> Sequence[FloatArray]:
        high = p >= t
        return y * high, (1 - y) * high, (1 - y) * ~high, y * ~high

    def combine(_: Any, share: Any, m: FloatArray) -> Any:
        with np.errstate(divide="ignore", invalid="ignore"):
            return formula(*np.moveaxis(m, -1, 0), t)

    return Means(combine, cells)


def _balanced(tp: Any, fp: Any, tn: Any, fn: Any, t: float) -> Any:
    return (tp / (tp + fn) + tn / (fp + tn)) / 2


def _kappa(tp: Any, fp: Any, tn: Any, fn: Any, t: float) -> Any:
    chance = (tp + fp) * (tp + fn) + (tn + fn) * (fp + tn)
    value = (tp + tn - chance) / (1 - chance)
    value = np.where(_one_sided(tp, fp, tn, fn), np.where((tp == 1) | (tn == 1), NAN, 0.0), value)
    return np.where(np.isnan(tp), NAN, np.where((fp == 0) & (fn == 0) & (tp > 0) & (tn > 0), 1.0, value))


def _mcc(tp: Any, fp: Any, tn: Any, fn: Any, t: float) -> Any:
    root = np.sqrt((tp + fp) * (tn + fn) * (tp + fn) * (fp + tn))
    return np.where(_one_sided(tp, fp, tn, fn), NAN, (tp * tn - fp * fn) / root)


def _one_sided(tp: Any, fp: Any, tn: Any, fn: Any) -> Any:
    return (tp + fn == 0) | (fp + tn == 0) | (tp + fp == 0) | (tn + fn == 0)


_OF_TABLES: dict[Callable[..., Any], Callable[..., Any]] = {
    balanced_accuracy: _balanced,
    youden_index: lambda tp, fp, tn, fn, t: 2 * _balanced(tp, fp, tn, fn, t) - 1,
    diagnostic_odds_ratio: lambda tp, fp, tn, fn, t: tp * tn / (fp * fn),
    positive_likelihood_ratio: lambda tp, fp, tn, fn, t: tp / (tp + fn) / (fp / (fp + tn)),
    negative_likelihood_ratio: lambda tp, fp, tn, fn, t: fn / (tp + fn) / (tn / (fp + tn)),
    kappa_at_threshold: _kappa,
    f1: lambda tp, fp, tn, fn, t: 2 * tp / (2 * tp + fp + fn),
    mcc: _mcc,
    standardised_net_benefit: lambda tp, fp, tn, fn, t: np.where(tp + fn > 0, (tp - t / (1 - t) * fp) / (tp + fn), NAN),
    expected_cost: lambda tp, fp, tn, fn, t: (1 - t) / t * fn + fp,
    interventions_avoided: lambda tp, fp, tn, fn, t: 100 * (tn - (1 - t) / t * fn),
}


def _explained(kind: str) -> Means:
    """With a the mean log likelihood of the risks and b that of the prevalence, as in `likelihood_scores`."""

    def combine(_: Any, share: Any, m: FloatArray) -> Any:
        a = -m[..., 0]
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            b = special.xlogy(share, share) + special.xlog1py(1 - share, -share)
            value = 1 - a / b if kind == "mcfadden" else -np.expm1(2 * (b - a))
            value = value / -np.expm1(2 * b) if kind == "nagelkerke" else value
        return np.where((share > 0) & (share < 1), value, NAN)

    return Means(combine, lambda y, p: (log_losses(y, p),))


_PLAIN: dict[Callable[..., Any], Means] = {
    mcfadden_r2: _explained("mcfadden"),
    cox_snell_r2: _explained("cox-snell"),
    nagelkerke_r2: _explained("nagelkerke"),
    mape: Means(lambda a, s, m: m[..., 0], lambda y, p: (np.abs(y - p),)),
}
