"""Is a mean held-out AUC above one half, where nothing can be found? Areas within splits, and their test."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats as distributions

from validkit.stats import adjust_p_values

METHOD = (
    "AUC over pairs of patients whom one fit judged (splits weighted by their pairs), so the negative bias of "
    "cross-validated AUCs pooled over folds does not arise: without a leak the mean is 0.5 whatever the model. "
    "One-sided test for a mean above 0.5, Holm over the models. One split: z, with the exact null variance of the "
    "Mann-Whitney statistic, ties included. Several: t over the repetitions, since areas of overlapping fits depend on "
    "each other; their variance is never taken below that of independent splits. Reference: Lehmann, Nonparametrics "
    "(1975); Ojala and Garriga, J Mach Learn Res 11 (2010) 1833-1863."
)


@dataclass(frozen=True)
class Area:
    """One model on one repetition: area and its null variance were the splits independent, or largest possible."""

    value: float
    variance: float
    largest: float
    splits: int


def area_of(parts: Sequence[tuple[NDArray[np.int64], NDArray[np.float64]]]) -> Area | None:
    """The area over pairs within each part, (outcome, prediction) each; None where no part holds both kinds.

    variance : of the Mann-Whitney statistic given the predictions, when every arrangement of outcomes is as likely
    """
    weights, values, variances = [], [], []
    for y, p in parts:
        events = int(y.sum())
        pairs = events * (y.size - events)
        if pairs:
            ranks = distributions.rankdata(p)
            weights.append(pairs)
            values.append((float(ranks[y == 1].sum()) - events * (events + 1) / 2) / pairs)
            variances.append(_variance(p, pairs))
    if not weights:
        return None
    share = np.asarray(weights) / sum(weights)
    deviations = np.sqrt(variances)
    return Area(
        value=float(share @ values),
        variance=float(share**2 @ variances),
        largest=float(share @ deviations) ** 2,
        splits=len(weights),
    )


def _variance(p: NDArray[np.float64], pairs: int) -> float:
    _, ties = np.unique(p, return_counts=True)
    n = p.size
    lost = float((ties.astype(np.float64) ** 3 - ties).sum()) / (n * (n - 1))
    return (n + 1 - lost) / (12 * pairs)


def judge_areas(areas: Mapping[str, Sequence[Area]], *, judged: Sequence[str], alpha: float) -> list[dict[str, Any]]:
    """One row a model: mean area with its interval (level 1 - 2 alpha), p for above 0.5, pass or fail where judged."""
    rows = [_row(model, found, alpha) | {"judged": model in judged} for model, found in areas.items() if found]
    tested = [row for row in rows if row["judged"]]
    for row, p in zip(tested, adjust_p_values([row["p"] for row in tested], method="holm"), strict=True):
        row |= {"p_holm": float(p), "outcome": "fail" if p < alpha else "pass"}
    return rows


def _row(model: str, found: Sequence[Area], alpha: float) -> dict[str, Any]:
    values = np.array([one.value for one in found])
    mean, count = float(values.mean()), len(found)
    exact = all(one.splits == 1 for one in found)
    independent = float(np.mean([one.variance for one in found]))
    if exact or count == 1:
        spread = independent if exact else float(np.mean([one.largest for one in found]))
        law, name = distributions.norm(), "z, exact null variance" if exact else "z, largest possible variance"
    else:
        spread = max(independent, float(values.var(ddof=1)))
        law, name = distributions.t(count - 1), f"t, {count - 1} degrees of freedom"
    se = math.sqrt(spread / count)
    p = float(law.sf((mean - 0.5) / se)) if se > 0 else float(mean <= 0.5)
    half = float(law.isf(alpha)) * se
    return {
        "model": model,
        "auc": values.tolist(),
        "mean": mean,
        "se": se,
        "low": max(0.0, mean - half),
        "high": min(1.0, mean + half),
        "level": 1 - 2 * alpha,
        "p": p,
        "smallest_excess_found": half,
        "test": name,
    }


def parts_of(
    predictions: pd.DataFrame, outcome: pd.Series, training: Mapping[str, frozenset[str]]
) -> dict[str, list[tuple[NDArray[np.int64], NDArray[np.float64]]]]:
    """By model, (outcome, prediction) of the patients that each split holds out and did not train on."""
    rows = judged_rows(predictions, training)
    means = rows.groupby(["model", "split", "patient"], sort=True)["probability"].mean().reset_index()
    found: dict[str, list[tuple[NDArray[np.int64], NDArray[np.float64]]]] = {}
    for key, part in means.groupby(["model", "split"], sort=True):
        model, _ = map(str, key) if isinstance(key, tuple) else (str(key), "")
        y = outcome.loc[part["patient"]].to_numpy(dtype=np.int64)
        found.setdefault(model, []).append((y, part["probability"].to_numpy(dtype=np.float64)))
    return found


def judged_rows(predictions: pd.DataFrame, training: Mapping[str, frozenset[str]]) -> pd.DataFrame:
    """Held-out predictions of the named splits; of a resample, those of patients out of the bag."""
    rows = predictions[(predictions["set"] == "held-out") & predictions["split"].isin(list(training))]
    seen = [patient in training[split] for split, patient in zip(rows["split"], rows["patient"], strict=True)]
    return rows[~np.array(seen, dtype=bool)]
