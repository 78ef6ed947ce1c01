"""An AUC as it would be if the patients were spread as elsewhere."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from validkit.errors import InputError
from validkit.stats.checks import FloatArray, IntArray, as_float, check_binary_risk, check_count, check_level, patients
from validkit.stats.draws import check_rng
from validkit.stats.results import NAN, Estimate

__all__ = ["standardised_auc"]


@patients("y_true", "y_prob")
def standardised_auc(
    y_true: ArrayLike,
    y_prob: ArrayLike,
    *,
    edges: ArrayLike,
    shares: ArrayLike,
    level: float = 0.95,
    rng: np.random.Generator | int | None = None,
    replicates: int = 1000,
    weights: ArrayLike | None = None,
    missing: str = "error",
) -> Estimate:
    """The AUC here if the risks of these patients were spread as elsewhere: each patient weighted by strata of risk.

    y_true : (n,) int in {0, 1}; y_prob : (n,) float in [0, 1]
    edges : (k - 1,) risks between the k strata, ascending; shares : (k,) of the patients there, summing to 1
    A risk that equals an edge lies in the stratum below it. A patient of stratum s weighs share_s / (share of s here).
    Strata without a patient here cannot be stood in for: the others take their place, and the note says what share of
    the patients there that is, and how many patients the weights are worth (Kish). With replicates > 0, and an `rng`, a
    percentile bootstrap in which the weights are made anew; NaN without both outcomes.

    >>> y, p = [0, 0, 1, 0, 1, 1, 0, 1], [0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]
    >>> standardised_auc(y, p, edges=[0.45], shares=[0.25, 0.75]).value
    0.71875

    Reference: Holt and Smith, J R Stat Soc A 142 (1979) 33-46, of post-stratification.
    """
    level = check_level(level)
    y, p = check_binary_risk(y_true, y_prob)
    between, wanted = as_float(edges, "edges"), as_float(shares, "shares")
    if wanted.size != between.size + 1 or (np.diff(between) < 0).any() or (wanted < 0).any():
        raise InputError("`edges` must ascend, and `shares` must be one more, none negative")
    if not np.isclose(wanted.sum(), 1.0, atol=1e-9):
        raise InputError(f"`shares` must sum to 1; they sum to {wanted.sum():g}")
    n, m = y.size, int(y.sum())
    method = "post-stratified by risk, percentile bootstrap"
    stratum = np.searchsorted(between, p, side="left")
    value, covered, worth = _stratified(y, p, stratum, wanted)
    note = "" if covered > 1 - 1e-12 else f"no patient here stands for {1 - covered:.0%} of those there"
    note = "; ".join(part for part in (note, f"the weights are worth {worth:.0f} patients") if part)
    if np.isnan(value):
        return Estimate(
            NAN, level=level, method=method, n=n, n_events=m, note=f"undefined: needs both outcomes; {note}"
        )
    low = high = NAN
    if rng is not None and check_count(replicates, "replicates", minimum=0):
        chance = check_rng(rng)
        drawn = (chance.integers(0, n, n) for _ in range(replicates))
        areas = np.array([_stratified(y[rows], p[rows], stratum[rows], wanted)[0] for rows in drawn])
        areas = areas[np.isfinite(areas)]
        if len(areas):
            low, high = (float(x) for x in np.quantile(areas, [(1 - level) / 2, (1 + level) / 2]))
    return Estimate(value, low, high, level, method, n=n, n_events=m, note=note)


def _stratified(y: IntArray, p: FloatArray, stratum: IntArray, wanted: FloatArray) -> tuple[float, float, float]:
    """(weighted AUC, share of the patients there that somebody stands for, Kish's number of patients)."""
    there = np.bincount(stratum, minlength=wanted.size)
    covered = float(wanted[there > 0].sum())
    weights = (wanted / np.maximum(there, 1))[stratum]
    total = weights.sum()
    worth = float(total**2 / np.square(weights).sum()) if total > 0 else 0.0
    return _weighted_auc(y, p, weights), covered, worth


def _weighted_auc(y: IntArray, p: FloatArray, weights: FloatArray) -> float:
    order = np.argsort(p, kind="stable")
    ranked, event, w = p[order], y[order] == 1, weights[order]
    first = np.searchsorted(ranked, ranked, side="left")
    last = np.searchsorted(ranked, ranked, side="right")
    below = np.concatenate([[0.0], np.cumsum(np.where(event, 0.0, w))])
    beaten = (below[first] + below[last]) / 2.0
    of_events, of_others = float(w[event].sum()), float(below[-1])
    if not (of_events > 0 and of_others > 0):
        return NAN
    return float((w[event] * beaten[event]).sum() / (of_events * of_others))
