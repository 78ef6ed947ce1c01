"""Decision curves: net benefit over the thresholds at which one might treat, of a model and of treating all or none.

Reference: Vickers and Elkin, Med Decis Making 26 (2006) 565-574. R: dcurves `dca`.
"""

from __future__ import annotations

import functools
from decimal import Decimal
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from validkit.errors import InputError
from validkit.stats.checks import (
    FloatArray,
    check_binary_risk,
    check_outcome,
    check_thresholds,
    exact_decimal,
    patients,
)
from validkit.stats.payoffs import (
    KINDS,
    Asked,
    Utility,
    check_harm,
    check_prevalence,
    class_note,
    net_benefit_payoffs,
    sparse_note,
    treated_counts,
    undefined_note,
    utility,
)
from validkit.stats.results import NAN, Curve
from validkit.stats.simultaneous import REPLICATES, Band, critical_value, sup_t

__all__ = ["decision_curve", "decision_grid", "treat_all", "treat_none"]


def decision_grid(
    start: float | str | Decimal = 0, stop: float | str | Decimal = 1, step: float | str | Decimal = "0.01"
) -> FloatArray:
    """Thresholds start, start + step, ... up to and including stop, as exact decimals: the grid's 0.3 is 0.3.

    Counting in binary would give 0.30000000000000004 there, and a patient with a risk of 0.3 would change sides.

    >>> decision_grid(0.1, 0.5, 0.1).tolist()
    [0.1, 0.2, 0.3, 0.4, 0.5]
    """
    first, last, by = (exact_decimal(v, n) for v, n in ((start, "start"), (stop, "stop"), (step, "step")))
    if by <= 0 or not 0 <= first <= last <= 1:
        raise InputError(f"a decision grid needs 0 <= start <= stop <= 1 and step > 0, not {start}, {stop}, {step}")
    count = int((last - first) / by) + 1
    if count > 100_001:
        raise InputError(f"a step of {step} makes {count} thresholds; 100,001 are plenty")
    return np.array([float(first + i * by) for i in range(count)])


@functools.cache
def _default_grid() -> FloatArray:
    grid = decision_grid(0, "0.99")
    grid.setflags(write=False)
    return grid


def grid_of(thresholds: ArrayLike | None) -> FloatArray:
    """The thresholds as given, checked, or 0 to 0.99 by 0.01."""
    return _default_grid() if thresholds is None else check_thresholds(thresholds)


def value_name(asked: Asked) -> str:
    """What the y axis shows."""
    whose = {"treated": "", "untreated": " of the untreated", "overall": ", treated and untreated"}[asked.population]
    return f"{'standardised ' if asked.standardised else ''}net benefit{whose}"


def se_name(asked: Asked) -> str:
    """How the standard error is made."""
    if asked.prevalence is not None:
        return f"normal, two independent proportions, prevalence {asked.prevalence:g} declared"
    return "normal, delta method" if asked.standardised else "normal, from each patient's contribution"


class Words(NamedTuple):
    """What a curve says of itself.

    kinds : the patients of whom five are needed; undefined : why the value is undefined at an end of the grid
    """

    what: str
    y_name: str
    kinds: str
    undefined: str = ""


def curve_of(found: Utility, grid: FloatArray, asked: Asked, band: Band, words: Words, scale: float = 1.0) -> Curve:
    """The utility at every threshold, times `scale`, with its band."""
    critical = None
    if band.kind == "simultaneous":
        draws = sup_t(found.covariance(), found.dense_se(), band.rng, band.replicates)
        critical = critical_value(draws, band.level)
    low, high = found.limits(band.level, critical)
    few = found.sparse & np.isfinite(found.se)
    notes = (
        words.undefined,
        class_note(found.totals, asked),
        sparse_note(few, grid, words.kinds, band.kind),
    )
    method = f"{words.what}; {se_name(asked)}, {band.describe(critical)}"
    ends = (found.value * scale, low * scale, high * scale)
    n, m = int(found.totals.sum()), int(found.totals[1])
    return Curve(grid, *ends, band.level, method, "threshold", words.y_name, n, m, "; ".join(filter(None, notes)))


@patients("y_true", "y_prob")
def decision_curve(
    y_true: ArrayLike,
    y_prob: ArrayLike,
    *,
    thresholds: ArrayLike | None = None,
    level: float = 0.95,
    band: str = "pointwise",
    harm: float = 0.0,
    prevalence: float | None = None,
    standardised: bool = False,
    population: str = "treated",
    rng: np.random.Generator | int | None = None,
    replicates: int = REPLICATES,
    weights: ArrayLike | None = None,
    missing: str = "error",
) -> Curve:
    """Net benefit of the model over thresholds (default 0 to 0.99 by 0.01), with a pointwise or simultaneous band.

    y_true : (n,) int in {0, 1}; y_prob : (n,) float in [0, 1]; a patient exactly at a threshold is treated
    thresholds : strictly increasing, in [0, 1]; values with floating-point residue are taken as the decimals they mean
    band : "pointwise" holds at each threshold; "simultaneous" holds at all of them at once: the critical value is the
        `level` quantile of max |Z| over the thresholds, Z normal with the exact correlation of the patients'
        contributions. It needs `rng` (a Generator or a seed) and takes `replicates` draws
    harm, prevalence, standardised, population : as in `net_benefit`

    The band is cut to what net benefit can be, [-t/(1 - t), 1] for the treated of a cohort; it is NaN where nobody
    reaches the threshold. Where fewer than 5 patients are true, or false, positives the normal interval is too narrow;
    the note names these thresholds, and a simultaneous band leaves them out (NaN).

    >>> decision_curve([0, 0, 1, 1], [0.1, 0.4, 0.3, 0.8], thresholds=[0.1, 0.3, 0.5]).y.round(3).tolist()
    [0.444, 0.393, 0.25]

    Reference: Vickers and Elkin 2006; Montiel Olea and Plagborg-Moller, J Appl Econometrics 34 (2019) 1-17.
    R: dcurves `dca` (which has no band).
    """
    asked = Asked(check_prevalence(prevalence), bool(standardised), population)
    wanted, grid = Band(level, band, rng, replicates), grid_of(thresholds)
    payoffs, harm = net_benefit_payoffs(grid, population), check_harm(harm)
    y, p = check_binary_risk(y_true, y_prob)
    found = utility(payoffs, *treated_counts(y, p, grid), asked, harm)
    words = Words("model", value_name(asked), KINDS[population], undefined_note(grid, population))
    return curve_of(found, grid, asked, wanted, words)


@patients("y_true")
def treat_all(
    y_true: ArrayLike,
    *,
    thresholds: ArrayLike | None = None,
    level: float = 0.95,
    prevalence: float | None = None,
    standardised: bool = False,
    population: str = "treated",
    weights: ArrayLike | None = None,
    missing: str = "error",
) -> Curve:
    """Net benefit of treating everybody: prevalence - (1 - prevalence) t/(1 - t), with a pointwise band.

    At a declared prevalence nothing is estimated, and the band is the curve itself. Options as in `net_benefit`.

    >>> treat_all([0, 0, 1, 1], thresholds=[0, 0.5]).y.tolist()
    [0.5, 0.0]

    Reference: Vickers and Elkin, Med Decis Making 26 (2006) 565-574. R: dcurves `dca`.
    """
    asked = Asked(check_prevalence(prevalence), bool(standardised), population)
    return _strategy(y_true, True, thresholds, level, asked)


@patients("y_true")
def treat_none(
    y_true: ArrayLike,
    *,
    thresholds: ArrayLike | None = None,
    level: float = 0.95,
    prevalence: float | None = None,
    standardised: bool = False,
    population: str = "treated",
    weights: ArrayLike | None = None,
    missing: str = "error",
) -> Curve:
    """Net benefit of treating nobody: 0 for the treated at every threshold by definition, without sampling error.

    For population="untreated" or "overall" it is (1 - prevalence) - prevalence (1 - t)/t. Options as in `net_benefit`.

    >>> treat_none([0, 0, 1, 1], thresholds=[0, 0.5]).y.tolist()
    [0.0, 0.0]

    Reference: Vickers and Elkin, Med Decis Making 26 (2006) 565-574. R: dcurves `dca`.
    """
    asked = Asked(check_prevalence(prevalence), bool(standardised), population)
    return _strategy(y_true, False, thresholds, level, asked)


def _strategy(y_true: ArrayLike, everybody: bool, thresholds: ArrayLike | None, level: float, asked: Asked) -> Curve:
    band, y, grid = Band(level), check_outcome(y_true), grid_of(thresholds)
    payoffs = net_benefit_payoffs(grid, asked.population)
    m = int(y.sum())
    totals = np.array([y.size - m, m], dtype=np.float64)
    treated = np.repeat(totals[:, None], grid.size, axis=1) if everybody else np.zeros((2, grid.size))
    found = utility(payoffs, treated, totals, asked)
    words = Words(
        "treat all" if everybody else "treat none",
        value_name(asked),
        KINDS[asked.population],
        undefined_note(grid, asked.population),
    )
    curve = curve_of(found, grid, asked, band, words)
    value, reason = curve.y, f"fixed by the declared prevalence {asked.prevalence or 0:g}"
    if not everybody and asked.population == "treated":
        value, reason = np.where(grid < 1, 0.0, NAN), "0 by definition"
    elif asked.prevalence is None:
        return curve
    method = f"{words.what}; {reason}"
    return Curve(grid, value, value, value, level, method, "threshold", words.y_name, y.size, m, words.undefined)
