"""At which thresholds is a model better than both treating everybody and treating nobody?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from validkit.stats.checks import FloatArray, check_binary_risk, patients
from validkit.stats.decision_curves import grid_of
from validkit.stats.payoffs import (
    FEWEST,
    KINDS,
    Asked,
    Payoffs,
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
from validkit.stats.results import Curve, Record
from validkit.stats.simultaneous import REPLICATES, Band, critical_value, sup_t

__all__ = ["UsefulRange", "useful_range"]

Ranges = tuple[tuple[float, float], ...]


@dataclass(frozen=True, repr=False, eq=False)
class UsefulRange(Record):
    """Ranges of thresholds, both ends included and on the grid, where a model beats treating all and treating none.

    ranges : with confidence: the band of the difference lies above 0 for both strategies
    point_ranges : by the point estimates alone
    over_all, over_none : the differences of net benefit with their bands
    """

    ranges: Ranges
    point_ranges: Ranges
    over_all: Curve
    over_none: Curve
    level: float = 0.95
    band: str = "pointwise"
    n: int | None = None
    n_events: int | None = None
    note: str = ""
    n_missing: int = 0

    def __repr__(self) -> str:
        where = _listed(self.ranges) if self.ranges else "at no threshold"
        details = [f"{100 * self.level:g}% {self.band}", f"n = {self.n}, {self.n_events} events"]
        details += [f"{self.n_missing} left out as incomplete"] * (self.n_missing > 0)
        return f"better than treat all and treat none: {where} ({'; '.join(filter(None, [*details, self.note]))})"


def _listed(ranges: Ranges) -> str:
    return ", ".join(f"{low:g}" if low == high else f"{low:g} to {high:g}" for low, high in ranges)


def _runs(better: NDArray[np.bool_], grid: FloatArray) -> Ranges:
    """First and last threshold of every unbroken run."""
    edge = np.diff(np.concatenate([[False], better, [False]]).astype(np.int8))
    starts, ends = np.flatnonzero(edge == 1), np.flatnonzero(edge == -1) - 1
    return tuple((float(grid[i]), float(grid[j])) for i, j in zip(starts, ends, strict=True))


@patients("y_true", "y_prob")
def useful_range(
    y_true: ArrayLike,
    y_prob: ArrayLike,
    *,
    thresholds: ArrayLike | None = None,
    level: float = 0.95,
    band: str = "pointwise",
    harm: float = 0.0,
    prevalence: float | None = None,
    rng: np.random.Generator | int | None = None,
    replicates: int = REPLICATES,
    weights: ArrayLike | None = None,
    missing: str = "error",
) -> UsefulRange:
    """The range or ranges of thresholds where the model is better than treating all and treating none, with confidence.

    The two differences of net benefit are estimated with their own standard errors (whether the bands of the curves
    themselves overlap says little), and the model is better where both lower limits lie above 0.

    y_true : (n,) int in {0, 1}; y_prob : (n,) float in [0, 1]
    thresholds : strictly increasing, in [0, 1]; 0 to 0.99 by 0.01 unless given. Ranges begin and end on this grid
    band : "pointwise": each threshold is right with the confidence `level`; "simultaneous": all thresholds and both
        strategies together (sup-t; needs `rng`), which is what a statement about a range asks for
    harm, prevalence : as in `net_benefit`

    A threshold with fewer than 5 true or false positives or negatives is not counted as better with confidence: the
    normal interval is too narrow there. An empty result says why in its note.

    >>> y, p = [0] * 60 + [1] * 40, [0.1] * 45 + [0.6] * 15 + [0.1] * 6 + [0.7] * 34
    >>> useful_range(y, p, thresholds=[0.1, 0.2, 0.3, 0.4, 0.5]).ranges
    ((0.3, 0.5),)

    Reference: Vickers and Elkin, Med Decis Making 26 (2006) 565-574; sup-t: Montiel Olea and Plagborg-Moller,
    J Appl Econometrics 34 (2019) 1-17. R: none offers it.
    """
    wanted, grid, harm = Band(level, band, rng, replicates), grid_of(thresholds), check_harm(harm)
    asked = Asked(check_prevalence(prevalence))
    y, p = check_binary_risk(y_true, y_prob)
    treated, totals = treated_counts(y, p, grid)
    found = utility(_over_both(grid), np.tile(treated, 2), totals, asked, harm)
    critical = None
    if band == "simultaneous":
        critical = critical_value(sup_t(found.covariance(), found.dense_se(), rng, replicates), level)
    curves = _curves(found, grid, wanted, critical)
    sparse = found.sparse.reshape(2, -1).any(axis=0)
    sure = (curves[0].low > 0) & (curves[1].low > 0) & ~sparse
    point = (curves[0].y > 0) & (curves[1].y > 0)
    ranges, points = _runs(sure, grid), _runs(point, grid)
    note = class_note(totals, asked) or _why_empty(ranges, points, wanted, sparse & point)
    return UsefulRange(ranges, points, *curves, level, band, y.size, int(y.sum()), note)


def _over_both(grid: FloatArray) -> Payoffs:
    """Contributions to the difference from treating all (first half of the columns) and from treating none."""
    treated = net_benefit_payoffs(grid, "treated").treated
    nothing = np.zeros_like(treated)
    return Payoffs(np.hstack([nothing, treated]), np.hstack([-treated, nothing]))


def _curves(found: Utility, grid: FloatArray, band: Band, critical: float | None) -> tuple[Curve, Curve]:
    low, high = found.limits(band.level, critical)
    n, m, k = int(found.totals.sum()), int(found.totals[1]), grid.size
    few = found.sparse & np.isfinite(found.se)
    curves = []
    for what, part in (("treat all", slice(0, k)), ("treat none", slice(k, 2 * k))):
        method = f"model - {what}; normal, {band.describe(critical)}"
        ends = (found.value[part], low[part], high[part])
        kinds = KINDS["untreated" if what == "treat all" else "treated"]
        notes = (undefined_note(grid, "treated"), sparse_note(few[part], grid, kinds, band.kind))
        note = "; ".join(filter(None, notes))
        axes = ("threshold", "difference of net benefit")
        curves.append(Curve(grid, *ends, band.level, method, *axes, n, m, note))
    return curves[0], curves[1]


def _why_empty(ranges: Ranges, points: Ranges, band: Band, sparse: NDArray[np.bool_]) -> str:
    if ranges:
        return ""
    if not points:
        return "at no threshold of the grid does the point estimate exceed both strategies"
    confidence = f"{100 * band.level:g}% {band.kind} confidence"
    few = f"; fewer than {FEWEST} patients of one kind at {sparse.sum()} of these thresholds" if sparse.any() else ""
    return f"better as a point estimate at {_listed(points)}, but nowhere with {confidence}{few}"
