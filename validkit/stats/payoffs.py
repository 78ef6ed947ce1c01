"""What treating by a threshold is worth: the payoff of each patient, its mean, and its covariance over thresholds.

A rule treats whoever has a risk of at least t. Each patient then contributes one of four payoffs, by outcome and by
being treated or not; a net benefit, a number of interventions avoided and an expected cost are means of such
contributions. Treated patients are nested over thresholds (whoever is treated at 0.3 is treated at 0.2), so the counts
of patients treated at each threshold give every covariance exactly, whatever the number of patients.

Arrays named by outcome have two rows: row 0 without the event, row 1 with it; columns are thresholds.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from validkit.errors import InputError
from validkit.stats.checks import FloatArray, IntArray, check_choice
from validkit.stats.intervals import z_of
from validkit.stats.results import NAN

FEWEST = 5  # patients who carry a payoff, below which the normal interval is too narrow
POPULATIONS = ("treated", "untreated", "overall")
KINDS = {
    "treated": "true or false positives",
    "untreated": "true or false negatives",
    "overall": "patients of one of the four kinds",
}
_BUCKETS = 4096  # a power of two: risk * 4096 is exact, and so is the bucket
_BLOCK = 1 << 16


# --- who is treated ---------------------------------------------------------------------------


def thresholds_reached(p: FloatArray, thresholds: FloatArray) -> IntArray:
    """How many of the increasing thresholds each risk reaches (risk >= threshold); every comparison is exact."""
    if p.size < 2 * _BUCKETS:
        return np.searchsorted(thresholds, p, side="right").astype(np.int64, copy=False)
    counts = _reaching(thresholds)
    blocks = [counts(p[i : i + _BLOCK]) for i in range(0, p.size, _BLOCK)]
    return np.concatenate(blocks)


def _reaching(thresholds: FloatArray) -> Callable[[FloatArray], IntArray]:
    """The same by a table of equal buckets where no bucket holds two thresholds: one comparison a patient."""
    bucket = (thresholds * _BUCKETS).astype(np.int64)
    if (np.diff(bucket) == 0).any():
        return lambda risks: np.searchsorted(thresholds, risks, side="right").astype(np.int64, copy=False)
    below = np.searchsorted(thresholds, np.arange(_BUCKETS + 1) / _BUCKETS, side="left")
    following = np.append(thresholds, math.inf)[below]

    def count(risks: FloatArray) -> IntArray:
        at = (risks * _BUCKETS).astype(np.int64)
        reached: IntArray = below[at] + (risks >= following[at])
        return reached

    return count


def treated_counts(y: IntArray, p: FloatArray, thresholds: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Patients treated at each threshold, by outcome (2, k), and all patients, by outcome (2,)."""
    size = 2 * (thresholds.size + 1)
    cells = np.zeros(size, dtype=np.int64)
    counts = _reaching(thresholds) if p.size >= 2 * _BUCKETS else None
    for i in range(0, p.size, _BLOCK):
        risks = p[i : i + _BLOCK]
        reached = counts(risks) if counts else np.searchsorted(thresholds, risks, side="right")
        cells += np.bincount(2 * reached + y[i : i + _BLOCK], minlength=size)
    by_reached = cells.reshape(-1, 2).T.astype(np.float64)
    cumulated = by_reached[:, ::-1].cumsum(axis=1)[:, ::-1]
    return cumulated[:, 1:], cumulated[:, 0]


# --- payoffs ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Payoffs:
    """What a treated and an untreated patient contribute, by outcome (2, k); NaN where a payoff is infinite."""

    treated: FloatArray
    untreated: FloatArray

    @property
    def all(self) -> FloatArray:
        """(4, k): of the treated, then of the untreated."""
        return np.concatenate([self.treated, self.untreated])

    def shifted(self, by: float | FloatArray) -> Payoffs:
        """Every payoff less `by`."""
        if isinstance(by, float) and by == 0:
            return self
        return Payoffs(self.treated - by, self.untreated - by)

    def scaled(self, by: float | FloatArray) -> Payoffs:
        """Every payoff times `by`."""
        return Payoffs(self.treated * by, self.untreated * by)


def odds(thresholds: FloatArray) -> FloatArray:
    """t/(1 - t), the weight of a false positive; NaN at 1, where it is infinite."""
    if thresholds[-1] < 1:
        return thresholds / (1 - thresholds)
    weight = np.full(thresholds.size, NAN)
    np.divide(thresholds, 1 - thresholds, out=weight, where=thresholds < 1)
    return weight


def inverse_odds(thresholds: FloatArray) -> FloatArray:
    """(1 - t)/t, the weight of a false negative; NaN at 0, where it is infinite."""
    weight = np.full(thresholds.size, NAN)
    np.divide(1 - thresholds, thresholds, out=weight, where=thresholds > 0)
    return weight


def net_benefit_payoffs(thresholds: FloatArray, population: str) -> Payoffs:
    """Of the treated: 1 a true positive, -t/(1 - t) a false positive. Of the untreated: 1 a true negative,
    -(1 - t)/t a false negative. Overall: both."""
    check_choice(population, POPULATIONS, "population")
    treated, untreated = np.zeros((2, 2, thresholds.size))
    if population != "untreated":
        treated[0], treated[1] = -odds(thresholds), 1.0
    if population != "treated":
        untreated[0], untreated[1] = 1.0, -inverse_odds(thresholds)
    return Payoffs(treated, untreated)


def cost_payoffs(false_positive: FloatArray, false_negative: FloatArray) -> Payoffs:
    """The cost of each mistake; what is right costs nothing."""
    return Payoffs(
        np.stack([false_positive, np.zeros(false_positive.size)]),
        np.stack([np.zeros(false_negative.size), false_negative]),
    )


# --- mean, spread and covariance --------------------------------------------------------------


@dataclass(frozen=True)
class Asked:
    """Of whom the mean is taken: prevalence None is that of the patients; standardised by what perfection is worth."""

    prevalence: float | None = None
    standardised: bool = False
    population: str = "treated"

    def perfect(self, prevalence: float) -> float:
        """The net benefit of perfect prediction."""
        return {"treated": prevalence, "untreated": 1 - prevalence, "overall": 1.0}[self.population]


@dataclass(frozen=True)
class Utility:
    """A mean contribution at each threshold, with each patient's influence on it.

    se : NaN where all patients contribute alike
    floor, cap : what the value can be
    sparse : where fewer than 5 patients carry one of the payoffs, and normal theory does not hold
    """

    value: FloatArray
    se: FloatArray
    floor: FloatArray
    cap: FloatArray
    sparse: NDArray[np.bool_]
    influence: Payoffs
    treated: FloatArray
    totals: FloatArray
    divisor: float

    def covariance(self) -> FloatArray:
        """Of the values at every pair of thresholds (k, k)."""
        without, among_events = (
            _second_moment(self.influence.treated[y], self.influence.untreated[y], self.treated[y], self.totals[y])
            for y in (0, 1)
        )
        covariance: FloatArray = (without + among_events) / (self.divisor or NAN)
        return covariance

    def dense_se(self) -> FloatArray:
        """The standard errors, NaN where normal theory does not hold."""
        return np.where(self.sparse, NAN, self.se)

    def limits(self, level: float, critical: float | None = None) -> tuple[FloatArray, FloatArray]:
        """value -+ critical * se, cut to what the value can be; the critical value is normal unless given.

        A given critical value is simultaneous, and stands where normal theory does.
        """
        half = z_of(level) * self.se if critical is None else critical * self.dense_se()
        return np.maximum(self.value - half, self.floor), np.minimum(self.value + half, self.cap)


def _second_moment(treated: FloatArray, untreated: FloatArray, count: FloatArray, total: float) -> FloatArray:
    """Sum over the patients of one outcome of the product of their contributions at two thresholds."""
    both = np.minimum.outer(count, count)
    first = count[:, None] - both
    moment = np.multiply.outer(treated, treated) * both + np.multiply.outer(untreated, untreated) * (
        total - count[None, :] - first
    )
    crossed = np.multiply.outer(treated, untreated) * first
    result: FloatArray = moment + crossed + crossed.T
    return result


def utility(
    payoffs: Payoffs, treated: FloatArray, totals: FloatArray, asked: Asked, harm: float | FloatArray = 0.0
) -> Utility:
    """The mean payoff, less the harm that every patient has, with its standard error and bounds.

    Of a cohort, each patient's influence is the payoff less the mean; standardised, the prevalence it is divided by is
    estimated too (delta method). At a declared prevalence events and non-events are two independent samples.
    """
    n = float(totals.sum())
    counts = np.concatenate([treated, totals[:, None] - treated])
    sparse = _sparse(payoffs, counts)
    payoffs = payoffs.shifted(harm)
    sums = payoffs.treated * counts[:2] + payoffs.untreated * counts[2:]
    least = np.minimum(payoffs.treated, payoffs.untreated)
    most = np.maximum(payoffs.treated, payoffs.untreated)
    with np.errstate(divide="ignore", invalid="ignore"):
        if asked.prevalence is None:
            value, floor, cap = (sums[1] + sums[0]) / n, least.min(axis=0), most.max(axis=0)
            influence, divisor = payoffs.shifted(value), n * (n - 1)
            if asked.standardised and asked.population != "overall":
                perfect = asked.perfect(float(totals[1] / n)) or NAN
                value, floor = value / perfect, np.full_like(floor, -math.inf)
                counted = np.array([[0.0], [1.0]]) if asked.population == "treated" else np.array([[1.0], [0.0]])
                influence = payoffs.shifted(value * counted).scaled(1 / perfect)
        else:
            share = np.array([[1 - asked.prevalence], [asked.prevalence]])
            means, divisor = sums / totals[:, None], n * n
            influence = payoffs.shifted(means).scaled(share * n / totals[:, None])
            value, floor, cap = ((share * part).sum(axis=0) for part in (means, least, most))
            if asked.standardised:
                by = 1 / asked.perfect(asked.prevalence)
                value, floor, cap, influence = value * by, floor * by, cap * by, influence.scaled(by)
    se = _standard_error(influence, counts, divisor)
    return Utility(value, se, floor, cap, sparse, influence, treated, totals, divisor)


def _sparse(payoffs: Payoffs, counts: FloatArray) -> NDArray[np.bool_]:
    """counts : (4, k) treated and untreated patients, by outcome"""
    sparse: NDArray[np.bool_] = ((payoffs.all != 0) & (counts < FEWEST)).any(axis=0)
    return sparse


def _standard_error(influence: Payoffs, counts: FloatArray, divisor: float) -> FloatArray:
    if divisor == 0:
        return np.full(counts.shape[1], NAN)
    each = influence.all
    se = np.sqrt((counts * each**2).sum(axis=0) / divisor)
    return np.where(alike(counts, each), NAN, se)


def alike(counts: FloatArray, each: FloatArray) -> NDArray[np.bool_]:
    """Where no patient's influence differs from the others' (to rounding): their spread says nothing."""
    present = counts > 0
    low = np.where(present, each, math.inf).min(axis=0)
    high = np.where(present, each, -math.inf).max(axis=0)
    size = np.maximum(np.maximum(np.abs(low), np.abs(high)), 1.0)
    same: NDArray[np.bool_] = high - low <= 1e-13 * size
    return same


# --- arguments --------------------------------------------------------------------------------


def check_harm(harm: float, name: str = "harm") -> float:
    """Harm of obtaining the prediction, in true positives a patient: a finite number of at least 0."""
    if isinstance(harm, bool) or not isinstance(harm, (int, float, np.number)) or not 0 <= harm < math.inf:
        raise InputError(f"`{name}` must be a number of at least 0, in net benefit a patient; it is {harm!r}")
    return float(harm)


def check_prevalence(prevalence: float | None) -> float | None:
    """None (that of the patients) or a prevalence strictly between 0 and 1."""
    if prevalence is None:
        return None
    if isinstance(prevalence, bool) or not isinstance(prevalence, (int, float, np.number)) or not 0 < prevalence < 1:
        raise InputError(f"`prevalence` must lie strictly between 0 and 1; it is {prevalence!r}")
    return float(prevalence)


def undefined_note(thresholds: FloatArray, population: str) -> str:
    """Why net benefit is undefined at an end of the grid."""
    notes = []
    if population != "treated" and thresholds[0] == 0:
        notes.append("undefined at a threshold of 0: the weight (1 - t)/t is infinite")
    if population != "untreated" and thresholds[-1] == 1:
        notes.append("undefined at a threshold of 1: the weight t/(1 - t) is infinite")
    return "; ".join(notes)


def class_note(totals: FloatArray, asked: Asked) -> str:
    """Why a single outcome leaves the value undefined; empty where it does not."""
    if totals.all():
        return ""
    kind = "event" if totals[1] == 0 else "non-event"
    if asked.prevalence is not None:
        return f"no {kind}: at a declared prevalence the value needs both outcomes"
    if asked.standardised and asked.perfect(float(totals[1] / totals.sum())) == 0:
        return f"no {kind}: perfect prediction is worth 0, by which nothing is standardised"
    return ""


def sparse_note(sparse: NDArray[np.bool_], grid: FloatArray, kinds: str, band: str = "pointwise") -> str:
    """Where too few patients carry a payoff, and what that does to the interval; empty where nowhere."""
    if not sparse.any():
        return ""
    at, effect = grid[sparse], "the normal interval is too narrow" if band == "pointwise" else "no simultaneous band"
    where = f" at {at.size} of {grid.size} thresholds ({at[0]:g} to {at[-1]:g})" if grid.size > 1 else ""
    return f"fewer than {FEWEST} {kinds}{where}: {effect}{' there' if where else ''}"
