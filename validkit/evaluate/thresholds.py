"""Operating thresholds: chosen on training patients of the split whose held-out patients are judged at them."""

from __future__ import annotations

import pandas as pd

from validkit import stats
from validkit.errors import InputError
from validkit.plan import TRAINING
from validkit.sections import Evaluation


def threshold_rule(setting: Evaluation, has_cross_fitted: bool) -> tuple[str, str]:
    """(kind of prediction the threshold is chosen on, the rule in words)."""
    if setting.thresholds.choose == "fixed":
        return "", "fixed by the protocol"
    if setting.thresholds.choose == "developed":
        return "", "the locked model's own, chosen on the patients it was fitted to"
    wanted = "cross-fitted" if setting.thresholds.on == "training-cross-fitted" else "apparent"
    kind = wanted if wanted == "apparent" or has_cross_fitted else "apparent"
    missing = "; this model has no cross-fitted predictions" if kind != wanted else ""
    return kind, f"largest Youden index on {kind} predictions of training patients{missing}"


def thresholds(
    rows: pd.DataFrame, outcome: pd.Series, setting: Evaluation, developed: float | None = None
) -> tuple[dict[tuple[str, int], float], str]:
    """({(split, imputed copy): threshold}, the rule) of one model; rows : all predictions of the model.

    developed : the threshold that a locked model brings
    """
    training = rows[rows["set"] == TRAINING]
    kind, rule = threshold_rule(setting, bool((training["kind"] == "cross-fitted").any()))
    pairs = rows[["split", "imputation"]].drop_duplicates().itertuples(index=False)
    keys = [(str(split), int(copy)) for split, copy in pairs]
    if setting.thresholds.choose != "youden":
        value = setting.thresholds.value if setting.thresholds.choose == "fixed" else developed
        if value is None:
            raise InputError(
                'evaluation.thresholds.choose = "developed" needs a locked model that brings its threshold; declare '
                'choose = "fixed" and `value`'
            )
        return dict.fromkeys(keys, value), rule
    chosen = {}
    chosen_on = training[training["kind"] == kind]
    for split, copy in keys:
        part = chosen_on[(chosen_on["split"] == split) & (chosen_on["imputation"] == copy)].sort_values("patient")
        if part.empty:
            continue
        y = outcome.loc[part["patient"]].to_numpy()
        chosen[split, copy] = float(stats.youden_threshold(y, part["probability"].to_numpy()))
    return chosen, rule
