"""Several predictions of one patient judged as one: repeats combined as declared, imputed copies by Rubin's rules."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from validkit import stats
from validkit.evaluate.tables import Repeated
from validkit.judging import DECIDED, METRIC_OF, MOST_REPLICATES, Operating
from validkit.sections import Evaluation
from validkit.stats import METRICS, Estimate

KEYS = ("auc", "brier", "scaled_brier", "slope", "calibration_in_the_large", "oe", *DECIDED)


def from_patients(
    result: dict[str, Any],
    y: np.ndarray,
    repeated: Repeated,
    operating: Operating,
    setting: Evaluation,
    seed: int,
    clusters: np.ndarray | None,
) -> dict[str, Any]:
    """`result` with the estimates and intervals that drawn patients (or clusters of them) give.

    Every repeat of a drawn patient goes with the patient: repeats are not patients. Curves stay those of mean risks.
    """
    found = _combined(y, repeated, operating, setting, seed, clusters)
    measures = {name: found.get(name, old) for name, old in result["measures"].items()}
    own = {key: found[METRIC_OF.get(key, key)] for key in KEYS if METRIC_OF.get(key, key) in found}
    return {**result, **own, "measures": measures}


def _combined(
    y: np.ndarray,
    repeated: Repeated,
    operating: Operating,
    setting: Evaluation,
    seed: int,
    clusters: np.ndarray | None,
) -> dict[str, Estimate]:
    combine = setting.combine
    p, cuts = repeated.p, repeated.cuts
    if combine == "average":
        p, cuts = (part[None, :] for part in repeated.mean)
    replicates = min(setting.bootstrap.replicates, MOST_REPLICATES)
    if not replicates:
        return {}
    options: dict[str, Any] = {
        "combine": combine,
        "interval": "percentile",
        "level": setting.level,
        "rng": np.random.default_rng([seed, 1]),
        "replicates": replicates,
        "clusters": clusters,
        "stratified": setting.bootstrap.stratified and clusters is None,
    }
    free = [name for name, metric in METRICS.items() if not metric.needs_threshold]
    found = dict(stats.repeated_performances(free, y, p, **options))
    classified = [name for name, metric in METRICS.items() if metric.domain == "classification"]
    decisions = np.where(np.isnan(p), np.nan, (p >= cuts).astype(np.float64))
    found |= stats.repeated_performances(classified, y, decisions, threshold=0.5, **options)
    useful = [name for name, metric in METRICS.items() if metric.needs_threshold and name not in classified]
    found |= stats.repeated_performances(useful, y, p, threshold=operating.value, **options)
    return found


def over_copies(
    results: Sequence[Mapping[str, Any]], together: Mapping[str, Any], setting: Evaluation
) -> dict[str, Any]:
    """One result from those of the imputed copies: estimates pooled by Rubin's rules, each on its own scale.

    together : the result of each patient's mean prediction, whose curves and tests are kept
    """
    pooled: dict[str, Any] = dict(together)
    for key in KEYS:
        pooled[key] = _rubin([one[key] for one in results], METRIC_OF.get(key, key), setting.level)
    pooled["measures"] = {
        name: _rubin([one["measures"][name] for one in results], name, setting.level) for name in together["measures"]
    }
    pooled["at"] = [
        {
            key: value if key == "threshold" else _rubin([one["at"][i][key] for one in results], key, setting.level)
            for key, value in at.items()
        }
        for i, at in enumerate(together["at"])
    ]
    pooled["missing_information"] = _missing_information(results, setting.level)
    pooled.pop("auc_bootstrap", None)
    pooled["imputed_copies"] = len(results)
    return pooled


def _missing_information(results: Sequence[Mapping[str, Any]], level: float) -> dict[str, float]:
    """Fraction of missing information of the main measures: how much of the uncertainty comes from what is missing."""
    found = {}
    for key in KEYS:
        estimates = [one[key] for one in results]
        if all(math.isfinite(one.se) for one in estimates):
            n = estimates[0].n
            df = float(n - 1) if n and n > 1 else None
            fmi = stats.pool_imputations(estimates, metric=METRIC_OF.get(key, key), df_complete=df, level=level).fmi
            if math.isfinite(fmi):
                found[key] = float(fmi)
    return found


def _rubin(estimates: Sequence[Estimate], metric: str, level: float) -> Estimate:
    """The pooled estimate; where no copy has an interval, the mean without one."""
    n, count = estimates[0].n, len(estimates)
    values, lows = np.array([[one.value, one.low] for one in estimates], dtype=np.float64).T
    if np.isfinite(values).all() and np.isnan(lows).all():
        note = f"mean over {count} imputed copies; no interval: {estimates[0].note or 'no copy has one'}"
        return replace(estimates[0], value=float(values.mean()), low=np.nan, high=np.nan, se=np.nan, note=note)
    df = float(n - 1) if n and n > 1 else None
    return stats.pool_imputations(estimates, metric=metric, df_complete=df, level=level).estimate
