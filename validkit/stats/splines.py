"""Logistic models of the outcome on the logit of predicted risk: a line, and restricted cubic splines.

Both rest on the patients that `recalibration.Informative` keeps. At a predicted risk of exactly 0 or 1 the curve is at
0 or 1 and its band has no width: no outcome there contradicts the prediction, or there would be no curve.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import special

from validkit.errors import InputError
from validkit.stats.checks import FloatArray, IntArray, check_count
from validkit.stats.intervals import z_of
from validkit.stats.likelihood import Maximum, find_separation, maximise
from validkit.stats.recalibration import informative
from validkit.stats.results import NAN

__all__ = ["rcs_basis", "rcs_knots"]

Band = tuple[FloatArray, FloatArray, FloatArray]
FEWEST_KNOTS, MOST_KNOTS = 3, 7
TIED = 0.05
_OUTER = {3: 0.1, 4: 0.05, 5: 0.05, 6: 0.05, 7: 0.025}


def check_knots(knots: int) -> int:
    """A number of knots from 3 to 7."""
    if check_count(knots, "knots", minimum=FEWEST_KNOTS) > MOST_KNOTS:
        raise InputError(f"`knots` must be from {FEWEST_KNOTS} to {MOST_KNOTS}, not {knots}")
    return int(knots)


def rcs_knots(x: FloatArray, knots: int = 5) -> FloatArray:
    """Harrell's places for 3 to 7 knots, as Hmisc finds them: R's type 7 quantiles of x, at equal steps.

    The outer ones are 0.1 and 0.9 for 3 knots, 0.025 and 0.975 for 7, otherwise 0.05 and 0.95. Under 100 values the
    outer knots are the fifth smallest and the fifth largest value. Where 5 % or more of the values are tied at an end
    of x, but not within, the outer knot there is the next value, and the others are quantiles of what lies inside it.
    Knots coincide where x is much tied within; Hmisc then tries others, this does not.

    >>> rcs_knots(np.arange(101.0), 4).round(6).tolist()
    [5.0, 35.0, 65.0, 95.0]

    Reference: Harrell, Regression Modeling Strategies (2015), section 2.4.6. R: Hmisc `rcspline.eval`.
    """
    outer = _OUTER[check_knots(knots)]
    value, count = np.unique(x, return_counts=True)
    heavy = count >= TIED * x.size
    ends_only = value.size > 2 and not heavy[1:-1].any()
    first = value[1:2] if ends_only and heavy[0] else value[:0]
    last = value[-2:-1] if ends_only and heavy[-1] else value[:0]
    x = x[(x > first[0]) if first.size else slice(None)]
    x = x[(x < last[0]) if last.size else slice(None)]
    inner = knots - first.size - last.size
    places = np.quantile(x, np.linspace(0.5 if inner < 3 else outer, 1 - outer, inner))
    if x.size < 100 and inner > 1:
        rank = min(4, (x.size - 1) // 2)
        ordered = np.sort(x)
        places[0] = places[0] if first.size else ordered[rank]
        places[-1] = places[-1] if last.size else ordered[-1 - rank]
    return np.sort(np.concatenate([first, places, last]))


def rcs_basis(x: FloatArray, knots: FloatArray) -> FloatArray:
    """Restricted cubic spline basis of x: (n, k - 1), x itself and k - 2 terms that are linear beyond the outer knots.

    Term j: [(x - t_j)+^3 - (x - t_{k-1})+^3 (t_k - t_j)/(t_k - t_{k-1}) + (x - t_k)+^3 (t_{k-1} - t_j)/(t_k - t_{k-1})]
    over (t_k - t_1)^2, which has the unit of x.

    >>> rcs_basis(np.array([0.0, 1.0, 2.0, 3.0]), np.array([0.0, 1.0, 2.0]))[:, 1].tolist()
    [0.0, 0.25, 1.5, 3.0]

    Reference: Stone and Koo, Proc Stat Comput Sect ASA (1985) 45-48. R: Hmisc `rcspline.eval(norm = 2, inclx = TRUE)`.
    """
    last, before = knots[-1], knots[-2]
    cubes = np.maximum(x[:, None] - knots, 0.0) ** 3
    gap = last - before
    inner = knots[:-2]
    terms = cubes[:, :-2] - cubes[:, [-2]] * ((last - inner) / gap) + cubes[:, [-1]] * ((before - inner) / gap)
    return np.column_stack([x, terms / (last - knots[0]) ** 2])


def logistic_curve(y: IntArray, p: FloatArray, at: FloatArray, *, level: float | None) -> Band | str:
    """The logistic recalibration line with its band from the delta method on the logit scale."""
    data = informative(y, p)
    if data.flat:
        return data.flat
    return _drawn(data.fit(), at, level, lambda x: np.column_stack([np.ones(x.size), x]))


def spline_curve(y: IntArray, p: FloatArray, at: FloatArray, *, level: float | None, knots: int) -> Band | str:
    """Logistic model on a restricted cubic spline of logit risk; band from the delta method on the logit scale."""
    data = informative(y, p)
    if data.flat:
        return data.flat
    x = data.design[:, 1]
    distinct = np.unique(x).size
    if distinct < knots + 3:
        return f"a spline with {knots} knots needs at least {knots + 3} distinct predictions; there are {distinct}"
    places = rcs_knots(x, knots)
    if (np.diff(places) <= 0).any():
        return f"the predictions are too tied for {knots} knots: some coincide; ask for fewer, or for another method"

    def rows(values: FloatArray) -> FloatArray:
        return np.column_stack([np.ones(values.size), rcs_basis(values, places)])

    design = np.asfortranarray(rows(x))
    top = maximise(design, data.y)
    if find_separation(design, data.y, top).kind != "none" or not top.converged:
        return "the spline separates the outcomes: no finite fit exists"
    return _drawn(top, at, level, rows)


def _drawn(top: Maximum, at: FloatArray, level: float | None, rows: Callable[[FloatArray], FloatArray]) -> Band:
    """Curve and Wald band at the risks `at`; NaN limits without a level."""
    sure = (at == 0) | (at == 1)
    design = rows(special.logit(np.where(sure, 0.5, at)))
    eta = design @ top.beta
    half = np.full(at.size, NAN)
    if level is not None:
        cov = np.linalg.inv(top.information)
        half = z_of(level) * np.sqrt(((design @ cov) * design).sum(axis=1))
    fit, low, high = (np.where(sure, at, special.expit(part)) for part in (eta, eta - half, eta + half))
    return fit, low, high
