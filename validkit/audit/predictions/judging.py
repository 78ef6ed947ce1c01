"""Everything that the columns of a table of predictions allow: each model and set, comparisons, subgroups and sites."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from validkit import stats
from validkit.audit.predictions.reading import Audited, Labels
from validkit.judging import Operating, grid, judge
from validkit.sections import Evaluation
from validkit.stats.intervals import z_of
from validkit.stats.results import Curve, Estimate

__all__ = ["LARGE", "Judged", "Judging", "judge_table"]

LARGE = 200_000
"""rows above which curves, distances from calibration and bootstraps take a random LARGE of them"""
MOST_POINTS = 5_000
"""points of a ROC curve that is kept of such rows"""
LEAST = 10
"""events and non-events below which a group is named as too small to judge"""
POWER = 0.8
MAIN = {
    "auc": stats.auc,
    "oe": stats.observed_expected,
    "slope": stats.calibration_slope,
    "calibration_in_the_large": stats.calibration_in_the_large,
    "brier": stats.brier,
}
REGISTERED = {"oe": "observed_expected", "slope": "calibration_slope"}
TRAINED = ("train", "training", "dev", "development", "derivation", "apparent", "learn", "fit")
"""how the set is called that models were fitted to"""
Numbers = NDArray[np.float64]
Outcome = NDArray[np.int64]


@dataclass(frozen=True)
class Judging:
    """How everything is judged.

    threshold : operating threshold of risks, None where nobody declared one: one half is taken, and said
    reference : the model that others are compared with
    """

    setting: Evaluation
    threshold: float | None
    reference: str
    seed: int

    @property
    def operating(self) -> tuple[float, str]:
        """The threshold, and where it comes from."""
        if self.threshold is None:
            return 0.5, "one half, as none was declared"
        return self.threshold, "as declared"


@dataclass(frozen=True, eq=False)
class Judged:
    """The record, and for the checks the rows of each set.

    record : {"sets": {name: ...}, "primary": name}; parts : set to its rows
    """

    record: dict[str, Any]
    parts: Mapping[str, NDArray[np.intp]]


def judge_table(table: Audited, how: Judging) -> Judged:
    """Every set of the table: by the split column, or all rows as one."""
    parts = _parts(table)
    primary = next((name for name in parts if name.strip().casefold() not in TRAINED), next(iter(parts)))
    sets = {name: _set(table, rows, how, k) for k, (name, rows) in enumerate(parts.items())}
    return Judged({"sets": sets, "primary": primary}, parts)


def _parts(table: Audited) -> dict[str, NDArray[np.intp]]:
    if table.split is None:
        return {"all": np.arange(len(table))}
    return {name or "(no split)": np.flatnonzero(table.split.codes == k) for k, name in enumerate(table.split.names)}


# --- one set ---------------------------------------------------------------------------------------


def _set(table: Audited, rows: NDArray[np.intp], how: Judging, place: int) -> dict[str, Any]:
    whole = len(rows) == len(table)
    y = (table.y if whole else table.y[rows]).astype(np.int64)
    models = {name: values if whole else values[rows] for name, values in table.models.items()}
    clusters = _clusters(table.cluster, rows)
    record: dict[str, Any] = {"n": len(y), "events": int(y.sum()), "clusters": None}
    if clusters is not None:
        record["clusters"] = len(np.unique(clusters))
    scores = [name for name, values in models.items() if values.min() < 0 or values.max() > 1]
    record["models"] = {
        name: _score(y, values, how, clusters) if name in scores else _risk(y, values, how, clusters, place)
        for name, values in models.items()
    }
    record["strategies"] = {"treat_all": stats.treat_all(y, thresholds=grid(how.setting), level=how.setting.level)}
    record["comparisons"] = _comparisons(y, models, how, clusters, bool(scores))
    record["subgroups"] = {
        name: _groups(y, models, labels.take(rows), how, scores) for name, labels in table.subgroups.items()
    }
    record["sites"] = None if table.site is None else _sites(y, models, table.site.take(rows), how, scores)
    return record


def _clusters(labels: Labels | None, rows: NDArray[np.intp]) -> NDArray[np.int64] | None:
    """Codes of the clusters; None where each row is one by itself."""
    if labels is None:
        return None
    codes = labels.codes[rows].astype(np.int64)
    return codes if len(np.unique(codes)) < len(codes) else None


def _risk(y: Outcome, p: Numbers, how: Judging, clusters: NDArray[np.int64] | None, place: int) -> dict[str, Any]:
    """Every statistic of risks."""
    cut, rule = how.operating
    setting, rows = how.setting, np.arange(len(y))
    if len(y) > LARGE:
        rows = np.sort(np.random.default_rng([how.seed, place]).choice(len(y), LARGE, replace=False))
        setting = setting.model_copy(update={"bootstrap": setting.bootstrap.model_copy(update={"replicates": 0})})
    own_y, own_p = y[rows], p[rows]
    operating = Operating(np.full(len(rows), cut), rule)
    result = judge(own_y, own_p, operating, setting, how.seed, predictions="as given", twice=False)
    if clusters is not None:
        import pandas as pd

        from validkit.evaluate.several import from_patients
        from validkit.evaluate.tables import Repeated

        index = pd.RangeIndex(len(rows))
        repeated = Repeated(index, own_p[None, :], operating.cuts[None, :])
        result = from_patients(result, own_y, repeated, operating, setting, how.seed, clusters[rows])
        area = stats.clustered_auc(own_y, own_p, clusters[rows], level=setting.level)
        result |= {"auc": area, "measures": {**result["measures"], "auc": area}}
    if len(y) > LARGE:
        result = _whole(result, y, p, cut, how, clusters)
    return {"score": False, **result}


def _whole(
    result: dict[str, Any], y: Outcome, p: Numbers, cut: float, how: Judging, clusters: NDArray[np.int64] | None
) -> dict[str, Any]:
    """The statistics of all rows in place of those of LARGE of them, as far as they take no curve and no draws."""
    level = how.setting.level
    note = f"of {LARGE:,} rows drawn at random"
    found: dict[str, Any] = {"n": len(y), "events": int(y.sum()), "curves": note}
    found |= {name: measure(y, p, level=level) for name, measure in MAIN.items()}
    if clusters is not None:
        found["auc"] = stats.clustered_auc(y, p, clusters, level=level)
    for name in ("accuracy", "sensitivity", "specificity", "ppv", "npv"):
        found[name] = stats.METRICS[name].function(y, p, threshold=cut, level=level)
    measures = {
        name: found.get({v: k for k, v in REGISTERED.items()}.get(name, name), _noted(old, note))
        for name, old in result["measures"].items()
    }
    return {**result, **found, "roc": _thinned(result["roc"]), "measures": measures}


def _thinned(curve: Any) -> Any:
    """A curve of so many points with MOST_POINTS of them, the first and the last among these, and a note."""
    if not isinstance(curve, Curve) or curve.x.size <= MOST_POINTS:
        return curve
    kept = np.unique(np.linspace(0, curve.x.size - 1, MOST_POINTS).round().astype(np.intp))
    ends = {name: getattr(curve, name)[kept] for name in ("x", "y", "low", "high")}
    note = "; ".join(part for part in (curve.note, f"{len(kept):,} of {curve.x.size:,} points") if part)
    return replace(curve, **ends, note=note)


def _noted(estimate: Any, note: str) -> Any:
    if not isinstance(estimate, Estimate):
        return estimate
    return replace(estimate, note="; ".join(part for part in (estimate.note, note) if part))


def _score(y: Outcome, s: Numbers, how: Judging, clusters: NDArray[np.int64] | None) -> dict[str, Any]:
    """What can be said of numbers that are no risks: how they rank."""
    level = how.setting.level
    if clusters is None:
        area = stats.auc(y, s, level=level, method=how.setting.auc, scale="score")
    else:
        area = stats.clustered_auc(y, s, clusters, level=level, scale="score")
    found: dict[str, Any] = {"score": True, "n": len(y), "events": int(y.sum()), "auc": area}
    if 0 < y.sum() < len(y):
        found["cutoff"] = stats.optimal_cutoff(y, s, rule="youden", level=level, scale="score")
        if len(y) <= LARGE:
            found["roc"] = stats.roc_curve(y, s, level=level, scale="score")
    return found


# --- models compared -------------------------------------------------------------------------------


def _comparisons(
    y: Outcome, models: Mapping[str, Numbers], how: Judging, clusters: NDArray[np.int64] | None, scores: bool
) -> dict[str, Any] | None:
    """Every pair of models by the AUC, and each against the reference by the Brier score; None for one model."""
    if len(models) < 2:
        return None
    setting = how.setting
    names, adjust = list(models), setting.compare.adjust
    scale = "score" if scores else "risk"
    found: dict[str, Any] = {"reference": how.reference, "adjust": adjust}
    if clusters is None:
        probs = np.vstack(list(models.values()))
        found["auc"] = stats.compare_aucs(y, probs, level=setting.level, adjust=adjust, names=names, scale=scale)
    else:
        pairs = [
            stats.compare_clustered_auc(y, models[a], models[b], clusters, level=setting.level, a=a, b=b, scale=scale)
            for k, a in enumerate(names)
            for b in names[k + 1 :]
        ]
        adjusted = stats.adjust_p_values([one.test.p_value for one in pairs], method=adjust)
        found["auc"] = {"pairs": pairs, "p_adjusted": adjusted.tolist()}
    if not scores and clusters is None:
        rest = [name for name in names if name != how.reference]
        found["brier"] = [
            stats.compare_brier(y, models[name], models[how.reference], level=setting.level, a=name, b=how.reference)
            for name in rest
        ]
    return found


# --- subgroups and sites ---------------------------------------------------------------------------


def _groups(
    y: Outcome, models: Mapping[str, Numbers], labels: Labels, how: Judging, scores: Sequence[str]
) -> dict[str, Any]:
    """Each group against all others, p values corrected for the number of groups."""
    found: dict[str, Any] = {}
    for name, p in models.items():
        rows = [
            _group(y, p, labels.codes == k, label, how, score=name in scores) for k, label in enumerate(labels.names)
        ]
        p_values = [row["difference"].test.p_value for row in rows]
        adjusted = stats.adjust_p_values(p_values, method=how.setting.compare.adjust)
        for row, q in zip(rows, adjusted.tolist(), strict=True):
            row["p_adjusted"] = q
        found[name] = rows
    return found


def _group(y: Outcome, p: Numbers, own: NDArray[np.bool_], label: str, how: Judging, *, score: bool) -> dict[str, Any]:
    """One group: its measures, its AUC less that of everybody else, and the difference that could have been shown."""
    level = how.setting.level
    y1, p1 = y[own], p[own]
    scale = "score" if score else "risk"
    found: dict[str, Any] = {"group": label, "n": len(y1), "events": int(y1.sum())}
    wanted = ("auc",) if score else tuple(MAIN)
    for name in wanted:
        options = {"scale": scale} if name == "auc" else {}
        found[name] = MAIN[name](y1, p1, level=level, **options)
    difference = (
        stats.compare_auc_unpaired(y1, p1, y[~own], p[~own], level=level, a=label, b="the others", scale=scale)
        if 0 < own.sum() < len(own)
        else None
    )
    found["difference"] = difference or _no_difference(label, level)
    se = found["difference"].difference.se
    found["detectable"] = (z_of(level) + z_of(2 * POWER - 1)) * se if se > 0 else math.nan
    found["too_small"] = min(found["events"], found["n"] - found["events"]) < LEAST
    return found


def _no_difference(label: str, level: float) -> stats.Comparison:
    note = "undefined: there are no others"
    nothing = Estimate(math.nan, level=level, note=note)
    return stats.Comparison(nothing, stats.TestResult(math.nan, math.nan, note=note), label, "the others")


def _sites(
    y: Outcome, models: Mapping[str, Numbers], labels: Labels, how: Judging, scores: Sequence[str]
) -> dict[str, Any]:
    """Each site by itself, and the sites pooled by random effects with the range at a new one."""
    found: dict[str, Any] = {}
    level = how.setting.level
    for name, p in models.items():
        rows = [
            _group(y, p, labels.codes == k, label, how, score=name in scores) for k, label in enumerate(labels.names)
        ]
        keys = ["auc"] if name in scores else [key for key in MAIN if key != "brier"]
        told = {REGISTERED.get(key, key): {row["group"]: row[key] for row in rows} for key in keys}
        pooled = stats.pool_sites(told, level=level) if len(rows) > 1 else {}
        found[name] = {"sites": rows, "pooled": pooled}
    return found
