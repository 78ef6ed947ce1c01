"""Predictions to every statistic the protocol asks for.

The evaluation sees predictions and outcomes, never a model. Thresholds come from training patients; held-out patients
are judged at them.
"""

from __future__ import annotations

import inspect
import math
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from validkit import stats
from validkit.plan import HELD_OUT, TRAINING
from validkit.sections import Evaluation

CROSS_FITTED = "training-cross-fitted"
SETS = {TRAINING: (TRAINING, "apparent"), CROSS_FITTED: (TRAINING, "cross-fitted"), HELD_OUT: (HELD_OUT, "held-out")}
DISTANCES = ("ici", "e50", "e90", "emax", "eci")
"""measures that `stats.calibration_errors` gives together: one smooth curve, one bootstrap"""
MOST_REPLICATES = 2000
"""of a measure among "measures": at n = 421 that many cost 0.4 s for the distances and 0.1 s for the others together"""


def evaluate(
    predictions: pd.DataFrame,
    outcome: pd.Series,
    models: Sequence[Mapping[str, Any]],
    setting: Evaluation,
    *,
    seed: int,
) -> dict[str, Any]:
    """Every model on every set, and the comparisons between them, as plain JSON types.

    predictions : columns patient, set, kind ("apparent", "cross-fitted", "held-out"), model, probability
    outcome : 0/1, indexed by patient
    models : {name, label, family, classifier, backbone, chosen} of each model, in the report's order
    seed : of the bootstrap

    "measures" of a model on a set holds every measure of `stats.METRICS`, at the operating threshold if it needs one.
    Where only the bootstrap gives an interval, the protocol's replicates are drawn, `MOST_REPLICATES` at most (the note
    says how many), from a generator of the measure's own: a further measure changes no other number, and every model is
    judged on the same drawn patients.
    """
    tables = {name: _wide(predictions, *where) for name, where in SETS.items()}
    rng = np.random.default_rng(seed)
    judged = [{**model, "sets": _judge(str(model["name"]), tables, outcome, setting, rng, seed)} for model in models]
    grid = _grid(setting)
    strategies = {}
    for name in (TRAINING, HELD_OUT):
        y = outcome.loc[tables[name].index].to_numpy()
        strategies[name] = {
            "treat_all": stats.treat_all(y, thresholds=grid).to_dict(),
            "treat_none": stats.treat_none(y, thresholds=grid).to_dict(),
        }
    compared = _compared(models, setting.compare.reference)
    return {
        "level": setting.level,
        "focus": list(setting.decision_curve.focus),
        "models": judged,
        "reference_strategies": strategies,
        "comparisons": {name: _compare(tables[name], outcome, compared, setting) for name in (TRAINING, HELD_OUT)},
    }


def _wide(predictions: pd.DataFrame, part: str, kind: str) -> pd.DataFrame:
    """(patients, models) of one kind of prediction; a model without them has no column."""
    rows = predictions[(predictions["set"] == part) & (predictions["kind"] == kind)]
    return rows.pivot(index="patient", columns="model", values="probability")


def _judge(
    name: str,
    tables: Mapping[str, pd.DataFrame],
    outcome: pd.Series,
    setting: Evaluation,
    rng: np.random.Generator,
    seed: int,
) -> dict[str, Any]:
    threshold, rule = _threshold(name, tables, outcome, setting)
    result = {}
    for part, table in tables.items():
        if name in table.columns:
            y = outcome.loc[table.index].to_numpy()
            p = table[name].to_numpy()
            result[part] = _statistics(y, p, part, threshold, rule, setting, rng)
            result[part]["measures"] = _measures(y, p, threshold, setting, seed)
    return result


def _threshold(
    name: str, tables: Mapping[str, pd.DataFrame], outcome: pd.Series, setting: Evaluation
) -> tuple[float, str]:
    """The operating threshold and, in words, where it comes from."""
    wanted = CROSS_FITTED if setting.thresholds.on == "training-cross-fitted" else TRAINING
    part = wanted if name in tables[wanted].columns else TRAINING
    table = tables[part]
    value = stats.youden_threshold(outcome.loc[table.index].to_numpy(), table[name].to_numpy())
    kind = SETS[part][1]
    missing = "; this model has no cross-fitted predictions" if part != wanted else ""
    return float(value), f"largest Youden index on {kind} predictions of training patients{missing}"


def _statistics(
    y: np.ndarray,
    p: np.ndarray,
    part: str,
    threshold: float,
    rule: str,
    setting: Evaluation,
    rng: np.random.Generator,
) -> dict[str, Any]:
    level = setting.level
    groups = setting.hosmer_lemeshow.groups
    risks = [np.histogram(p[y == kind], bins=np.linspace(0, 1, 21))[0].tolist() for kind in (1, 0)]
    result: dict[str, Any] = {
        "n": len(y),
        "events": int(y.sum()),
        "predictions": SETS[part][1],
        "auc": stats.auc(y, p, level=level, method=setting.auc),
        "brier": stats.brier(y, p, level=level),
        "scaled_brier": stats.scaled_brier(y, p, level=level),
        "slope": stats.calibration_slope(y, p, level=level),
        "calibration_in_the_large": stats.calibration_in_the_large(y, p, level=level),
        "oe": stats.observed_expected(y, p, level=level),
        "hosmer_lemeshow": stats.hosmer_lemeshow(y, p, groups=groups, fitted_here=part == TRAINING),
        "threshold": {"value": threshold, "rule": rule},
        "accuracy": stats.accuracy(y, p, threshold=threshold, level=level),
        "sensitivity": stats.sensitivity(y, p, threshold=threshold, level=level),
        "specificity": stats.specificity(y, p, threshold=threshold, level=level),
        "ppv": stats.ppv(y, p, threshold=threshold, level=level),
        "npv": stats.npv(y, p, threshold=threshold, level=level),
        "at": [_at(y, p, value, level) for value in setting.thresholds.also],
        "roc": stats.roc_curve(y, p, level=level),
        "calibration": stats.calibration_curve(y, p, method=setting.calibration_curve, level=level),
        "calibration_groups": stats.calibration_groups(y, p, groups=groups),
        "decision": stats.decision_curve(y, p, thresholds=_grid(setting), level=level),
        "risks": {"edges": [round(0.05 * i, 2) for i in range(21)], "event": risks[0], "no_event": risks[1]},
    }
    if setting.bootstrap.replicates:
        result["auc_bootstrap"] = stats.bootstrap(
            "auc",
            y,
            p,
            replicates=setting.bootstrap.replicates,
            level=level,
            interval=setting.bootstrap.interval,
            stratified=setting.bootstrap.stratified,
            rng=rng,
        )
    return {key: value.to_dict() if hasattr(value, "to_dict") else value for key, value in result.items()}


def _measures(y: np.ndarray, p: np.ndarray, threshold: float, setting: Evaluation, seed: int) -> dict[str, Any]:
    """Every measure of the registry, in its order."""
    distances = _measure("calibration_errors", stats.calibration_errors, y, p, setting, seed)
    found = {}
    for name, metric in stats.METRICS.items():
        options: dict[str, Any] = {"threshold": threshold} if metric.needs_threshold else {}
        if name == "auc":
            options["method"] = setting.auc
        if name in DISTANCES:
            found[name] = distances[name].to_dict()
        else:
            found[name] = _measure(name, metric.function, y, p, setting, seed, **options).to_dict()
    return found


def _measure(
    name: str,
    function: Callable[..., Any],
    y: np.ndarray,
    p: np.ndarray,
    setting: Evaluation,
    seed: int,
    **options: Any,
) -> Any:
    """A measure, with the bootstrap's interval as the protocol declares it where nothing else gives one."""
    result = function(y, p, level=setting.level, **options)
    accepted = inspect.signature(function).parameters
    one = result[DISTANCES[0]] if isinstance(result, dict) else result
    replicates = min(setting.bootstrap.replicates, MOST_REPLICATES)
    if not replicates or "rng" not in accepted or math.isnan(one.value) or not math.isnan(one.low):
        return result
    declared = {"interval": setting.bootstrap.interval, "stratified": setting.bootstrap.stratified}
    options |= {key: value for key, value in declared.items() if key in accepted}
    rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
    return function(y, p, level=setting.level, rng=rng, replicates=replicates, **options)


def _at(y: np.ndarray, p: np.ndarray, threshold: float, level: float) -> dict[str, Any]:
    names = ("sensitivity", "specificity", "net_benefit")
    measures = {name: stats.METRICS[name].function for name in names}
    found = {name: measure(y, p, threshold=threshold, level=level).to_dict() for name, measure in measures.items()}
    return {"threshold": threshold, **found}


def _grid(setting: Evaluation) -> np.ndarray:
    curve = setting.decision_curve
    return stats.decision_grid(curve.from_, curve.to, curve.step)


def _compared(models: Sequence[Mapping[str, Any]], reference: str) -> list[str]:
    """The reference first, then the other whole models (a branch by its chosen classifier)."""
    whole = [str(model["name"]) for model in models if model["classifier"] is None or model["name"] == model["family"]]
    return [reference, *(name for name in whole if name != reference)]


def _compare(
    table: pd.DataFrame, outcome: pd.Series, names: Sequence[str], setting: Evaluation
) -> list[dict[str, Any]]:
    """The reference against every other model by DeLong's test, p adjusted over the tests of this set."""
    y = outcome.loc[table.index].to_numpy()
    reference, *others = names
    found = [
        stats.compare_auc(y, table[reference].to_numpy(), table[other].to_numpy(), level=setting.level)
        for other in others
    ]
    adjusted = stats.adjust_p_values([c.test.p_value for c in found], method=setting.compare.adjust)
    return [
        {**c.to_dict(), "a": reference, "b": other, "p_adjusted": None if np.isnan(p) else float(p)}
        for c, other, p in zip(found, others, adjusted, strict=True)
    ]
