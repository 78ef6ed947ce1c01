"""How far predicted from observed risk, in one number: distances from a smooth curve, and over groups of risk.

All are biased upwards: an estimated curve strays from the diagonal even where every risk is true, the more so the fewer
the patients, and the bootstrap's replicates stray further still. A perfectly calibrated model does not reach 0, and an
interval that excludes 0 proves nothing. Compare models on the same patients, or with what true risks would give.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from validkit.errors import InputError
from validkit.stats.checks import (
    FloatArray,
    IntArray,
    check_binary_risk,
    check_choice,
    check_count,
    check_level,
    patients,
)
from validkit.stats.draws import bca_limits, draw_plan, jackknife, percentile_limits
from validkit.stats.results import NAN, Estimate
from validkit.stats.risk_groups import BINNINGS, filled_groups
from validkit.stats.smoothing import METHODS, smooth
from validkit.stats.splines import check_knots

__all__ = ["calibration_errors", "expected_calibration_error"]

INTERVALS = ("percentile", "bca")
NAMES = ("ici", "e50", "e90", "emax", "eci", "eci_relative")
_NO_RNG = "no interval without `rng`: it is from the bootstrap"
_LABELS = {"percentile": "percentile bootstrap", "bca": "BCa bootstrap"}
Statistic = Callable[[IntArray, FloatArray], FloatArray]
Chance = np.random.Generator | int | None


@patients("y_true", "y_prob")
def calibration_errors(
    y_true: ArrayLike,
    y_prob: ArrayLike,
    *,
    method: str = "loess",
    knots: int = 5,
    interval: str | None = None,
    level: float = 0.95,
    rng: np.random.Generator | int | None = None,
    replicates: int = 2000,
    weights: ArrayLike | None = None,
    missing: str = "error",
) -> dict[str, Estimate]:
    """Distance of the smooth curve c from the diagonal over these patients, d_i = c(p_i) - p_i.

    "ici" (integrated calibration index): mean |d|; "e50", "e90", "emax": median, 0.9 quantile (R's type 7) and maximum
    of |d|; "eci" (estimated calibration index) as in pmcalibration: 100 mean(d^2), between 0 and 100;
    "eci_relative" as in Van Calster's code: mean(d^2) / mean((prevalence - p)^2), 0 for a curve on the diagonal, 1 for
    a level one at the prevalence.

    method, knots : the curve, as in `calibration_curve`, which also has the rule for predictions of exactly 0 and 1.
        It is evaluated at every patient's own risk and not cut to [0, 1], as pmcalibration and rms do
    interval : "percentile" or "bca" from the bootstrap, the curve fitted anew in every replicate and compared with the
        risks drawn; needs `rng`. None is "percentile" with `rng` and no interval without. `se` is the standard
        deviation of the replicates. "bca" takes n further fits

    Biased upwards, estimate and percentile interval alike: see the head of this module. NaN with a note where there is
    no curve.

    >>> y, p = [0, 0, 1, 0, 1, 0, 1, 1], [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8]
    >>> calibration_errors(y, p, method="isotonic")["ici"]
    0.15 (isotonic regression; n = 8, 4 events; no interval without `rng`: it is from the bootstrap)

    Reference: Austin and Steyerberg, Stat Med 38 (2019) 4051-4065; Van Hoorde et al., J Biomed Inform 54 (2015)
    283-293; Van Calster et al., Lancet Digit Health (2025). R: pmcalibration `pmcalibration`.
    """
    level = check_level(level)
    check_choice(method, tuple(METHODS), "method")
    check_knots(knots)
    kind = _kind(interval, rng)
    y, p = check_binary_risk(y_true, y_prob)
    n, m = y.size, int(y.sum())
    name = METHODS[method][0].format(knots=knots)
    values = _distances(y, p, method, knots)
    if isinstance(values, str):
        return {key: Estimate(NAN, level=level, method=name, n=n, n_events=m, note=values) for key in NAMES}

    def statistic(rows: IntArray, risks: FloatArray) -> FloatArray:
        found = _distances(rows, risks, method, knots)
        return np.full(len(NAMES), NAN) if isinstance(found, str) else found

    estimates = _estimates(values, statistic, y, p, name, kind, level, rng, replicates)
    return dict(zip(NAMES, estimates, strict=True))


def _distances(y: IntArray, p: FloatArray, method: str, knots: int) -> FloatArray | str:
    """The six numbers of `NAMES`, or why there is no curve."""
    fitted = smooth(y, p, None, method, knots=knots)
    if isinstance(fitted, str):
        return fitted
    gap = np.abs(fitted[0] - p)
    squares, spread = float(np.mean(gap**2)), float(np.mean((y.mean() - p) ** 2))
    e50, e90 = np.quantile(gap, [0.5, 0.9])
    return np.array([gap.mean(), e50, e90, gap.max(), 100 * squares, squares / spread])


@patients("y_true", "y_prob")
def expected_calibration_error(
    y_true: ArrayLike,
    y_prob: ArrayLike,
    *,
    groups: int = 10,
    binning: str = "quantile",
    interval: str | None = None,
    level: float = 0.95,
    rng: np.random.Generator | int | None = None,
    replicates: int = 2000,
    weights: ArrayLike | None = None,
    missing: str = "error",
) -> Estimate:
    """Mean over groups of risk of |observed share - mean risk|, weighted by their size: ECE = sum |O_g - E_g| / n.

    groups, binning : as in `calibration_groups`; "width" is the binning usual in machine learning. The number depends
        on both, so name them with it. Tied risks, few patients or empty bins can leave fewer groups: the note says so
    interval : "percentile" or "bca" from the bootstrap, groups cut anew in every replicate; needs `rng`. None is
        "percentile" with `rng` and no interval without. `se` is the standard deviation of the replicates

    Biased upwards, estimate and percentile interval alike: see the head of this module. Predictions of exactly 0 and 1
    count as any other. Always defined: with all risks tied it is |prevalence - risk|.

    >>> expected_calibration_error([0, 1, 0, 1], [0.1, 0.2, 0.8, 0.9], groups=2)
    0.35 (2 groups, quantiles of risk; n = 4, 2 events; no interval without `rng`: it is from the bootstrap)

    Reference: Naeini et al., AAAI (2015) 2901-2907; Guo et al., ICML (2017) 1321-1330.
    """
    level = check_level(level)
    check_count(groups, "groups", minimum=1)
    check_choice(binning, BINNINGS, "binning")
    kind = _kind(interval, rng)
    y, p = check_binary_risk(y_true, y_prob)

    def statistic(rows: IntArray, risks: FloatArray) -> FloatArray:
        group, _ = filled_groups(risks, groups, binning)
        return np.array([np.abs(np.bincount(group, weights=rows - risks)).sum() / rows.size])

    name = f"{groups} groups, {'equal width' if binning == 'width' else 'quantiles of risk'}"
    estimate = _estimates(statistic(y, p), statistic, y, p, name, kind, level, rng, replicates)[0]
    formed = filled_groups(p, groups, binning)[1].size
    if formed == groups:
        return estimate
    return replace(estimate, note=f"{formed} groups formed, {groups} asked for; {estimate.note}")


def _kind(interval: str | None, rng: Chance) -> str:
    """The interval that is asked for; "" for none."""
    if interval is None:
        return "percentile" * (rng is not None)
    check_choice(interval, INTERVALS, "interval")
    if rng is None:
        raise InputError(f"`interval` = {interval!r} needs `rng`, a numpy Generator or a whole number as seed")
    return interval


def _estimates(
    values: FloatArray,
    statistic: Statistic,
    y: IntArray,
    p: FloatArray,
    name: str,
    kind: str,
    level: float,
    rng: Chance,
    replicates: int,
) -> list[Estimate]:
    """Each value with its interval; without a kind of interval, its ends are NaN and the note says why."""
    n, m = y.size, int(y.sum())
    if not kind or rng is None:
        return [Estimate(float(v), level=level, method=name, n=n, n_events=m, note=_NO_RNG) for v in values]
    drawn = draw_plan(y, rng=rng, replicates=replicates).replicates(statistic, y, p)
    without = jackknife(statistic, y, p) if kind == "bca" else None
    estimates = []
    for j, value in enumerate(values):
        one = drawn[:, j]
        if without is None:
            low, high, note = percentile_limits(one, level)
        else:
            low, high, note = bca_limits(one, float(value), without[:, j], level)
        kept = one[np.isfinite(one)]
        se = float(kept.std(ddof=1)) if kept.size > 1 else NAN
        estimates.append(Estimate(float(value), low, high, level, f"{_LABELS[kind]}, {name}", se, n, m, note))
    return estimates
