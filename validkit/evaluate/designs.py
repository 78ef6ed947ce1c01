"""What a design adds: performance by split, sites pooled by random effects, optimism from resamples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from validkit import stats
from validkit.judging import METRIC_OF
from validkit.plan import CORRECTED, HELD_OUT, Plan
from validkit.sections import Evaluation, InternalExternal
from validkit.stats import METRICS

BY_SPLIT = {
    "auc": stats.auc,
    "brier": stats.brier,
    "slope": stats.calibration_slope,
    "calibration_in_the_large": stats.calibration_in_the_large,
    "oe": stats.observed_expected,
}


def by_split(rows: pd.DataFrame, outcome: pd.Series, plan: Plan, setting: Evaluation) -> list[dict[str, Any]]:
    """One model on the held-out patients of each split; rows : its held-out predictions."""
    found = []
    means = rows.groupby(["split", "patient"], sort=True)["probability"].mean()
    for split in plan.splits:
        if split.name not in means.index.get_level_values(0):
            continue
        p = means.loc[split.name]
        y = outcome.loc[p.index].to_numpy()
        facts = {"split": split.name, "repeat": split.repeat, "fold": split.fold, "site": split.site}
        measured = {key: measure(y, p.to_numpy(), level=setting.level) for key, measure in BY_SPLIT.items()}
        found.append({**facts, "n": len(y), "events": int(y.sum()), **measured})
    return found


def pooled_sites(splits: Sequence[Mapping[str, Any]], plan: Plan, setting: Evaluation) -> dict[str, Any]:
    """Random effects over the sites for each measure, with the range expected at a new site."""
    design = plan.design
    assert isinstance(design, InternalExternal)
    large = [one for one in splits if min(one["events"], one["n"] - one["events"]) >= design.smallest]
    if len(large) < 2:
        return {}
    table = {METRIC_OF.get(key, key): {one["site"]: one[key] for one in large} for key in BY_SPLIT}
    found = stats.pool_sites(table, level=setting.level)
    return {key: found[METRIC_OF.get(key, key)] for key in BY_SPLIT}


def corrected(
    rows: pd.DataFrame,
    apparent: pd.Series,
    outcome: pd.Series,
    plan: Plan,
    setting: Evaluation,
    cuts: Mapping[str, float],
    operating: float,
    *,
    everything: bool,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """(the set "corrected", what is behind it) of one model in a bootstrap design.

    rows : its predictions in every resample; apparent : (n,) of the model fitted to all; cuts : operating threshold by
    resample; everything : every registered measure, else the main ones
    """
    patients = list(apparent.index)
    y = outcome.loc[patients].to_numpy()
    held = rows[rows["kind"] == "held-out"]
    order = [split.name for split in plan.splits]
    on_all = held.pivot(index="split", columns="patient", values="probability").loc[order, patients].to_numpy()
    own = rows[rows["kind"] == "apparent"].pivot(index="split", columns="patient", values="probability")
    in_resample = own.reindex(index=order, columns=patients).to_numpy()
    counts = np.array([_counts(split.training, patients) for split in plan.splits])
    names = list(METRICS) if everything else [METRIC_OF.get(key, key) for key in BY_SPLIT]
    found = stats.corrected_performance(
        names,
        y,
        apparent.to_numpy(),
        on_all,
        counts,
        in_resample_predictions=in_resample,
        threshold=operating if everything else None,
        resample_thresholds=[cuts[name] for name in order] if everything else None,
        level=setting.level,
    )
    keys = {**{METRIC_OF.get(key, key): key for key in BY_SPLIT}}
    own_keys = {keys.get(name, name): metric.corrected for name, metric in found.metrics.items()}
    measures = {name: metric.corrected for name, metric in found.metrics.items()}
    scores = {"n": len(y), "events": int(y.sum()), "predictions": "corrected for optimism", **own_keys}
    scores |= {"measures": measures} if everything else {}
    behind = {
        name: {
            part: getattr(metric, part)
            for part in ("apparent", "optimism", "corrected", "out_of_bag", "point632", "point632_plus")
        }
        for name, metric in found.metrics.items()
    }
    return scores, {"resamples": len(order), "failures": dict(found.failures), "metrics": behind}


def _counts(drawn: Sequence[str], patients: Sequence[str]) -> np.ndarray:
    times = pd.Series(drawn, dtype=object).value_counts()
    return times.reindex(list(patients), fill_value=0).to_numpy()


def primary(plan: Plan | None) -> str:
    """The set whose figures answer the protocol's question."""
    return CORRECTED if plan is not None and plan.design.kind == "bootstrap" else HELD_OUT
