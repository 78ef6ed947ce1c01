"""Every statistic of one model on one set of patients."""

from __future__ import annotations

import inspect
import math
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from validkit import stats
from validkit.sections import Evaluation
from validkit.stats.payoffs import thresholds_reached

DISTANCES = ("ici", "e50", "e90", "emax", "eci")
"""measures that `stats.calibration_errors` gives together: one smooth curve, one bootstrap"""
MOST_REPLICATES = 2000
"""of a measure among "measures": at n = 421 that many cost 0.4 s for the distances and 0.1 s for the others together"""
METRIC_OF = {"slope": "calibration_slope", "oe": "observed_expected"}
"""names in evaluation.json that differ from the registry's"""
DECIDED = ("accuracy", "sensitivity", "specificity", "ppv", "npv")


@dataclass(frozen=True, eq=False)
class Operating:
    """The operating thresholds: cuts (n,), one a patient, from the split that held the patient out; rule in words."""

    cuts: np.ndarray
    rule: str

    @property
    def value(self) -> float:
        """The threshold, or the median where splits differ."""
        return float(np.median(self.cuts))

    @property
    def one(self) -> bool:
        """Whether all patients are judged at the same threshold."""
        return bool((self.cuts == self.cuts[0]).all())

    def decided(self, p: np.ndarray) -> tuple[np.ndarray, float]:
        """What classification is judged on: the risks and their threshold, or decisions (0 or 1) at one half."""
        return (p, self.value) if self.one else ((p >= self.cuts).astype(np.float64), 0.5)

    def words(self) -> str:
        """The rule, with the range of the thresholds where splits differ."""
        if self.one:
            return self.rule
        return f"{self.rule}; each split's own, {self.cuts.min():.3g} to {self.cuts.max():.3g}"


def judge(
    y: np.ndarray,
    p: np.ndarray,
    operating: Operating,
    setting: Evaluation,
    seed: int,
    *,
    predictions: str,
    fitted_here: bool = False,
    twice: bool = True,
) -> dict[str, Any]:
    """The statistics of `p` for `y` as results, by their name in evaluation.json; "measures": all of the registry.

    predictions : what they are, for the record; fitted_here : whether the model was fitted to these patients
    twice : whether the AUC has an interval by the bootstrap too, as auc_bootstrap
    seed : of every draw; each model and set starts from it anew, so that all are judged on the same drawn patients
    """
    result = {"predictions": predictions, **_statistics(y, p, operating, setting, fitted_here=fitted_here)}
    if twice and setting.bootstrap.replicates:
        result["auc_bootstrap"] = _auc_bootstrap(y, p, setting, np.random.default_rng(seed))
    result["measures"] = _measures(y, p, operating, setting, seed)
    return result


def _statistics(
    y: np.ndarray,
    p: np.ndarray,
    operating: Operating,
    setting: Evaluation,
    *,
    fitted_here: bool,
) -> dict[str, Any]:
    level = setting.level
    decided, cut = operating.decided(p)
    groups = setting.hosmer_lemeshow.groups
    risks = [np.histogram(p[y == kind], bins=np.linspace(0, 1, 21))[0].tolist() for kind in (1, 0)]
    return {
        "n": len(y),
        "events": int(y.sum()),
        "auc": stats.auc(y, p, level=level, method=setting.auc),
        "brier": stats.brier(y, p, level=level),
        "scaled_brier": stats.scaled_brier(y, p, level=level),
        "slope": stats.calibration_slope(y, p, level=level),
        "calibration_in_the_large": stats.calibration_in_the_large(y, p, level=level),
        "oe": stats.observed_expected(y, p, level=level),
        "hosmer_lemeshow": stats.hosmer_lemeshow(y, p, groups=groups, fitted_here=fitted_here),
        "threshold": {"value": operating.value, "rule": operating.words()},
        "accuracy": stats.accuracy(y, decided, threshold=cut, level=level),
        "sensitivity": stats.sensitivity(y, decided, threshold=cut, level=level),
        "specificity": stats.specificity(y, decided, threshold=cut, level=level),
        "ppv": stats.ppv(y, decided, threshold=cut, level=level),
        "npv": stats.npv(y, decided, threshold=cut, level=level),
        "at": [_at(y, p, value, level) for value in setting.thresholds.also],
        "roc": stats.roc_curve(y, p, level=level),
        "calibration": stats.calibration_curve(y, p, method=setting.calibration_curve, level=level),
        "calibration_groups": stats.calibration_groups(y, p, groups=groups),
        "decision": stats.decision_curve(y, p, thresholds=grid(setting), level=level),
        "treated": _treated(y, p, grid(setting)),
        "risks": {"edges": [round(0.05 * i, 2) for i in range(21)], "event": risks[0], "no_event": risks[1]},
    }


def _treated(y: np.ndarray, p: np.ndarray, thresholds: np.ndarray) -> dict[str, Any]:
    """At every threshold, how many patients with and without the event have a risk of at least that."""
    reached = thresholds_reached(p, thresholds)
    counts = [
        np.bincount(reached[y == kind], minlength=thresholds.size + 1)[::-1].cumsum()[::-1][1:] for kind in (1, 0)
    ]
    return {
        "thresholds": thresholds.tolist(),
        "event": counts[0].tolist(),
        "no_event": counts[1].tolist(),
        "n": len(y),
        "events": int(y.sum()),
    }


def _auc_bootstrap(y: np.ndarray, p: np.ndarray, setting: Evaluation, rng: np.random.Generator) -> stats.Estimate:
    return stats.bootstrap(
        "auc",
        y,
        p,
        replicates=setting.bootstrap.replicates,
        level=setting.level,
        interval=setting.bootstrap.interval,
        stratified=setting.bootstrap.stratified,
        rng=rng,
    )


def _measures(y: np.ndarray, p: np.ndarray, operating: Operating, setting: Evaluation, seed: int) -> dict[str, Any]:
    """Every measure of the registry, in its order."""
    decided, cut = operating.decided(p)
    distances = _measure("calibration_errors", stats.calibration_errors, y, p, setting, seed)
    found = {}
    for name, metric in stats.METRICS.items():
        classified = metric.domain == "classification"
        options: dict[str, Any] = {}
        if metric.needs_threshold:
            options["threshold"] = cut if classified else operating.value
        if name == "auc":
            options["method"] = setting.auc
        if name in DISTANCES:
            found[name] = distances[name]
        else:
            found[name] = _measure(name, metric.function, y, decided if classified else p, setting, seed, **options)
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
    found = {name: measure(y, p, threshold=threshold, level=level) for name, measure in measures.items()}
    return {"threshold": threshold, **found}


def grid(setting: Evaluation) -> np.ndarray:
    """The thresholds of the decision curve."""
    curve = setting.decision_curve
    return stats.decision_grid(curve.from_, curve.to, curve.step)
