"""Is one model more useful than another, or than treating everybody or nobody? Differences of decision curves.

A patient counts only where the two rules treat him differently: an event treated by `a` alone contributes 1, a
non-event treated by `a` alone -t/(1 - t), and by `b` alone the reverse. The difference of net benefit is the mean.
The differences of all the options of `decision_curve` (of the treated, of the untreated, overall, standardised by a
declared prevalence) are this one times a constant at each threshold, so the test is the same.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from validkit.errors import InputError
from validkit.stats.checks import FloatArray, IntArray, check_binary_risk, check_choice, patients
from validkit.stats.decision_curves import grid_of
from validkit.stats.intervals import z_of
from validkit.stats.payoffs import (
    FEWEST,
    Asked,
    alike,
    check_harm,
    check_prevalence,
    class_note,
    odds,
    sparse_note,
    thresholds_reached,
    undefined_note,
)
from validkit.stats.results import NAN, Curve, Record, TestResult
from validkit.stats.simultaneous import REPLICATES, Band, critical_value, sup_t

__all__ = ["DecisionComparison", "compare_decision_curves"]

REFERENCES = ("treat all", "treat none")


@dataclass(frozen=True, repr=False, eq=False)
class DecisionComparison(Record):
    """Net benefit of `a` minus that of `b` at each threshold, with its band, and the tests that it is zero.

    p_values : two-sided, one a threshold, for that threshold alone
    test : that the two curves are the same at every threshold
    """

    difference: Curve
    p_values: FloatArray
    test: TestResult
    a: str = "a"
    b: str = "b"

    def __post_init__(self) -> None:
        values = np.array(self.p_values, dtype=np.float64)
        values.setflags(write=False)
        object.__setattr__(self, "p_values", values)

    def __repr__(self) -> str:
        return f"{self.a} - {self.b}: {self.difference!r}; {self.test!r}"


@dataclass(frozen=True)
class _Difference:
    value: FloatArray
    se: FloatArray
    bound: FloatArray
    discordant: FloatArray
    sparse: NDArray[np.bool_]

    def dense_se(self) -> FloatArray:
        """The standard errors, NaN where normal theory does not hold."""
        return np.where(self.sparse, NAN, self.se)

    def same(self, grid: FloatArray) -> NDArray[np.bool_]:
        """Where nobody is treated differently."""
        same: NDArray[np.bool_] = (self.discordant == 0) & (grid < 1)
        return same


def _counts(y: IntArray, reached: IntArray, size: int) -> FloatArray:
    """Patients treated at each threshold, by outcome (2, k)."""
    cells = np.bincount(2 * reached + y, minlength=2 * (size + 1)).reshape(-1, 2).T
    return cells[:, ::-1].cumsum(axis=1)[:, ::-1][:, 1:].astype(np.float64)


def _difference(y: IntArray, first: IntArray, second: IntArray, weight: FloatArray, asked: Asked) -> _Difference:
    """Mean and standard error of the patients' contributions; first, second : how many thresholds each risk reaches."""
    size, n = weight.size, y.size
    a, b, both = (_counts(y, r, size) for r in (first, second, np.minimum(first, second)))
    totals = np.array([[n - y.sum()], [y.sum()]], dtype=np.float64)
    gain = np.stack([-weight, np.ones(size)])
    counts = np.stack([a - both, b - both, totals - a - b + 2 * both])
    each = np.stack([gain, -gain, np.zeros_like(gain)])
    with np.errstate(divide="ignore", invalid="ignore"):
        if asked.prevalence is None:
            value, divisor = (gain * (a - b)).sum(axis=0) / n, float(n * (n - 1))
            bound = np.maximum(weight, 1.0)
            influence = each - value
        else:
            share = np.array([[1 - asked.prevalence], [asked.prevalence]])
            means, divisor = gain * (a - b) / totals, float(n * n)
            value, bound = (share * means).sum(axis=0), (share * np.abs(gain)).sum(axis=0)
            influence = (each - means) * (share * n / totals)
        se = np.sqrt((counts * influence**2).sum(axis=(0, 1)) / divisor) if divisor else np.full(size, NAN)
    se[alike(counts.reshape(6, size), influence.reshape(6, size))] = NAN
    differently = counts[0] + counts[1]
    sparse = ((gain != 0) & (differently < FEWEST)).any(axis=0)
    return _Difference(value, se, bound, differently.sum(axis=0), sparse)


def _covariance(y: IntArray, first: IntArray, second: IntArray, weight: FloatArray, asked: Asked) -> FloatArray:
    """Of the differences at every pair of thresholds, from whole counts of patients treated by both rules at both."""
    size, n = weight.size, y.size
    cells = np.bincount((y * (size + 1) + first) * (size + 1) + second, minlength=2 * (size + 1) ** 2)
    treated = cells.reshape(2, size + 1, size + 1)[:, ::-1, ::-1].cumsum(axis=1).cumsum(axis=2)[:, ::-1, ::-1]
    inner = treated[:, 1:, 1:]
    a, b = treated[:, 1:, 0], treated[:, 0, 1:]
    gain = np.stack([-weight, np.ones(size)])
    sums = gain * (a - b)
    moments = [
        np.outer(gain[k], gain[k])
        * (np.minimum.outer(a[k], a[k]) + np.minimum.outer(b[k], b[k]) - inner[k] - inner[k].T).astype(np.float64)
        for k in (0, 1)
    ]
    if asked.prevalence is None:
        total = sums.sum(axis=0)
        covariance: FloatArray = (moments[0] + moments[1] - np.outer(total, total) / n) / (n * (n - 1) or NAN)
        return covariance
    shares, sizes = (1 - asked.prevalence, asked.prevalence), [float(count) or NAN for count in treated[:, 0, 0]]
    parts = [(shares[k] / sizes[k]) ** 2 * (moments[k] - np.outer(sums[k], sums[k]) / sizes[k]) for k in (0, 1)]
    return np.asarray(parts[0] + parts[1], dtype=np.float64)


@patients("y_true", "prob_a", "prob_b")
def compare_decision_curves(
    y_true: ArrayLike,
    prob_a: ArrayLike,
    prob_b: ArrayLike | None = None,
    *,
    reference: str | None = None,
    thresholds: ArrayLike | None = None,
    level: float = 0.95,
    band: str = "pointwise",
    harm_a: float = 0.0,
    harm_b: float = 0.0,
    prevalence: float | None = None,
    rng: np.random.Generator | int | None = None,
    replicates: int = REPLICATES,
    a: str = "a",
    b: str = "b",
    weights: ArrayLike | None = None,
    missing: str = "error",
) -> DecisionComparison:
    """Difference of net benefit between two models on the same patients over thresholds, with band and tests.

    D(t) = NB_a(t) - NB_b(t); positive where `a` is more useful

    y_true : (n,) int in {0, 1}; prob_a, prob_b : (n,) float in [0, 1]; a patient exactly at a threshold is treated
    reference : instead of `prob_b`, "treat all" or "treat none"
    thresholds : strictly increasing, in [0, 1]; 0 to 0.99 by 0.01 unless given
    band : "pointwise", or "simultaneous" (sup-t, as in `decision_curve`)
    harm_a, harm_b : of obtaining each prediction, in true positives per patient
    prevalence : declared, of the population the rule is for, where patients were sampled by outcome
    rng : Generator or seed, for a simultaneous band and for the global test; without it the global p value is NaN
    a, b : names of the models for the result; b is the reference's where one is given

    `p_values` are two-sided normal p values for each threshold alone. The global test asks whether the curves differ at
    any threshold: its statistic is max |D/se|, its p value (r + 1)/(replicates + 1), r of the normal draws with the
    exact correlation of D over thresholds being as large. Where no patient is treated differently D is 0, without
    interval, and p is 1. Where fewer than 5 events, or non-events, are treated differently normal theory does not hold:
    the note names these thresholds, and the simultaneous band and the global test leave them out. At a threshold of 1
    everything is NaN.

    >>> y, a, b = [0, 0, 0, 1, 1, 1], [0.1, 0.3, 0.2, 0.5, 0.9, 0.8], [0.3, 0.4, 0.1, 0.2, 0.6, 0.9]
    >>> found = compare_decision_curves(y, a, b, thresholds=[0.25, 0.5], rng=1)
    >>> found.difference.y.round(4).tolist()
    [0.2222, 0.1667]

    Reference: variance as in Marsh et al., Biometrics 76 (2020) 843-852; sup-t as in Montiel Olea and Plagborg-Moller,
    J Appl Econometrics 34 (2019) 1-17. R: none offers it.
    """
    wanted, grid = Band(level, band, rng, replicates), grid_of(thresholds)
    harm = check_harm(harm_a, "harm_a") - check_harm(harm_b, "harm_b")
    asked = Asked(check_prevalence(prevalence))
    y, p = check_binary_risk(y_true, prob_a, name="prob_a")
    first, weight = thresholds_reached(p, grid), odds(grid)
    second = _second(y_true, prob_b, reference, grid)
    found = _difference(y, first, second, weight, asked)
    draws = None
    if rng is not None:
        draws = sup_t(_covariance(y, first, second, weight, asked), found.dense_se(), rng, replicates)
    critical = critical_value(draws, level) if band == "simultaneous" and draws is not None else None
    curve = _curve(y, found, harm, grid, asked, wanted, critical)
    same = found.same(grid) & (harm == 0)
    p_values = np.where(same, 1.0, 2 * special.ndtr(-np.abs(curve.y / found.se)))
    everywhere = bool((same == (grid < 1)).all() and same.any())
    test = _global_test(curve.y / found.dense_se(), everywhere, draws, y.size, int(y.sum()))
    return DecisionComparison(curve, p_values, test, a, reference or b)


def _second(y_true: ArrayLike, prob_b: ArrayLike | None, reference: str | None, grid: FloatArray) -> IntArray:
    if (prob_b is None) == (reference is None):
        raise InputError("give either `prob_b`, the second model's risks, or `reference`, 'treat all' or 'treat none'")
    if prob_b is not None:
        return thresholds_reached(check_binary_risk(y_true, prob_b, name="prob_b")[1], grid)
    check_choice(str(reference), REFERENCES, "reference")
    return np.full(np.size(y_true), grid.size if reference == "treat all" else 0, dtype=np.int64)


def _curve(
    y: IntArray, found: _Difference, harm: float, grid: FloatArray, asked: Asked, band: Band, critical: float | None
) -> Curve:
    n, m, value = y.size, int(y.sum()), found.value - harm
    half = z_of(band.level) * found.se if critical is None else critical * found.dense_se()
    low, high = np.maximum(value - half, -found.bound - harm), np.minimum(value + half, found.bound - harm)
    notes = [class_note(np.array([n - m, m]), asked), undefined_note(grid, "treated")]
    same = found.same(grid)
    if same.any():
        notes.append(f"nobody is treated differently at {same.sum()} of {grid.size} thresholds: no interval there")
    few = found.sparse & np.isfinite(found.se)
    notes.append(sparse_note(few, grid, "events or non-events treated differently", band.kind))
    kind = "each patient's contribution" if asked.prevalence is None else "two independent samples"
    method = f"difference; normal, from {kind}, {band.describe(critical)}"
    axes = ("threshold", "difference of net benefit")
    return Curve(grid, value, low, high, band.level, method, *axes, n, m, "; ".join(filter(None, notes)))


def _global_test(z: FloatArray, same: bool, draws: FloatArray | None, n: int, m: int) -> TestResult:
    """The largest |z| against its normal draws; z : NaN where normal theory fails; same : all are treated alike."""
    known = np.isfinite(z)
    method = f"sup-t over {known.sum()} thresholds"
    if not known.any():
        few = f"at no threshold are {FEWEST} events and {FEWEST} non-events treated differently"
        note = "nobody is treated differently at any threshold" if same else few
        return TestResult(0.0 if same else NAN, 1.0 if same else NAN, None, method, n, m, note)
    statistic = float(np.abs(z[known]).max())
    if draws is None:
        return TestResult(statistic, NAN, None, method, n, m, "pass `rng` for the p value, which takes random draws")
    above = draws.size - int(np.searchsorted(draws, statistic, side="left"))
    return TestResult(statistic, (above + 1) / (draws.size + 1), None, f"{method}, {draws.size} normal draws", n, m)
