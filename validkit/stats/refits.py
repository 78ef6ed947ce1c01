"""The quick path of internal validation: an unpenalised logistic regression refitted in every resample, compiled."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from validkit.stats.checks import FloatArray, IntArray
from validkit.stats.draws import Draws, Progress
from validkit.stats.likelihood import maximise

COLUMNS = {"auc": 0, "brier": 1, "calibration_slope": 2, "calibration_in_the_large": 3}


def logistic_refits(
    X: Any,
    y: IntArray,
    plan: Draws,
    names: Sequence[str],
    values: FloatArray,
    predictions: FloatArray,
    *,
    threads: int | None = None,
    progress: Progress | None = None,
) -> list[int]:
    """Fill `values` (size, 3, metrics), and `predictions` (size, n) if it has room; return what did not settle.

    Those replicates are separated or nearly so, and are left to the careful fit.
    """
    from scipy import special

    from validkit.stats import refit_kernels

    columns = np.asarray(X, dtype=np.float64)
    scale = columns.std(axis=0)
    design = np.column_stack([np.ones(y.size), (columns - columns.mean(axis=0)) / np.where(scale > 0, scale, 1.0)])
    warm = maximise(design, y.astype(np.float64)).beta
    out = np.full((plan.size, 3, len(COLUMNS)), np.nan)
    coefficients, state = np.empty((plan.size, design.shape[1])), np.zeros(plan.size, np.int8)
    wanted = np.array([name in names for name in COLUMNS])
    outcome, drawn = y.astype(np.int8), (plan.members, plan.offsets, plan.unit_of)
    plan.run(
        lambda start, stop: refit_kernels.logistic_refits(
            design, outcome, warm, wanted, plan.seed, start, stop, *drawn, out, coefficients, state
        ),
        threads=threads,
        progress=progress,
    )
    settled = state == 0
    values[settled] = out[settled][:, :, [COLUMNS[name] for name in names]]
    if predictions.size:
        predictions[settled] = special.expit(coefficients[settled] @ design.T)
    return [int(b) for b in np.flatnonzero(~settled)]
