"""What is computed on two models of the same patients beyond a difference and its test."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from validkit import stats
from validkit.certify.cells import Cell
from validkit.certify.one_model import FOCUS, net_benefits, whole
from validkit.certify.tally import MARGIN, TOLD, UNDEFINED, Found

__all__ = ["curve_difference", "margins", "more_resampled", "nri_parts", "three_models"]


def nri_parts(sample: Any, cell: Cell, rng: np.random.Generator) -> Found:
    """Continuous NRI and IDI by outcome."""
    y, a, b = sample
    found: dict[tuple[str, str], Any] = {}
    for name, one in (("nri", stats.nri(y, b, a)), ("idi", stats.idi(y, b, a))):
        found[f"{name} of events", "normal"] = one.events
        found[f"{name} of non-events", "normal"] = one.non_events
    return found


def margins(sample: Any, cell: Cell, rng: np.random.Generator) -> Found:
    """Non-inferiority and equivalence of AUCs, tested at 5 %, with the truth on the margin, or models alike."""
    y, a, b = sample
    gap = cell.auc - cell.auc_b
    compared, margin = stats.compare_auc(y, b, a), gap if gap > 0 else MARGIN
    return {
        (f"auc non-inferiority{TOLD}", "wald"): stats.noninferiority(compared, margin=margin, alpha=0.05).test,
        (f"auc equivalence{TOLD}", "wald"): stats.equivalence(compared, margin=margin, alpha=0.05).test,
    }


def three_models(sample: Any, cell: Cell, rng: np.random.Generator) -> Found:
    """The joint test of three AUCs, the third model like the second and independent of both within a class."""
    y, a, b = sample
    other = cell.population().b
    third = other.reported(other.log_odds(y, rng.standard_normal(y.size)))
    found = stats.compare_aucs(y, np.stack([a, b, third]))
    return {("areas of three models are the same", "delong, chi-square"): found.test}


def curve_difference(sample: Any, cell: Cell, rng: np.random.Generator) -> Found:
    """The simultaneous band of the difference of two decision curves at 10 to 50 %, and the global test."""
    y, a, b = sample
    seed = int(rng.integers(2**31))
    found = stats.compare_decision_curves(y, a, b, band="simultaneous", rng=seed, replicates=1000, thresholds=FOCUS)
    curve = found.difference
    truth = net_benefits(cell.population().a) - net_benefits(cell.population().b)
    seen = np.isfinite(curve.low)
    band = whole((curve.low - truth)[seen], (curve.high - truth)[seen]) if seen.any() else UNDEFINED
    return {
        ("whole difference of decision curves", "simultaneous"): band,
        ("decision curves are the same", "sup-t"): found.test,
    }


def more_resampled(sample: Any, cell: Cell, rng: np.random.Generator) -> Found:
    """Bootstraps of other differences; 500 replicates."""
    y, a, b = sample
    shared: dict[str, Any] = {"rng": int(rng.integers(2**31)), "replicates": 500}
    benefit = functools.partial(stats.net_benefit, threshold=cell.threshold)
    found: dict[tuple[str, str], Any] = {}
    for name, statistic in (("brier", stats.brier), ("net_benefit", benefit)):
        for interval in ("percentile", "bca"):
            made = stats.bootstrap_comparison(statistic, y, a, b, interval=interval, **shared)
            found[f"{name} difference", f"bootstrap-{interval}"] = made.difference
        found[f"{name} difference is zero", "bootstrap"] = made.test
    return found
