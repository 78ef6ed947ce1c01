"""Predictions to every statistic the protocol asks for.

The evaluation sees predictions and outcomes, never a model. Thresholds come from training patients; held-out patients
are judged at them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from validkit import stats
from validkit.acceptance import judge as judge_acceptance
from validkit.engine import Reporter, map_tasks
from validkit.evaluate.designs import by_split, corrected, pooled_sites, primary
from validkit.evaluate.several import from_patients, over_copies
from validkit.evaluate.tables import CROSS_FITTED, SETS, complete, main_of, repeated, wide
from validkit.evaluate.thresholds import thresholds
from validkit.judging import MOST_REPLICATES, Operating, grid, judge
from validkit.plan import CORRECTED, HELD_OUT, TRAINING, Plan
from validkit.protocol import Protocol
from validkit.sections import Evaluation, InternalExternal
from validkit.stats.results import plain

__all__ = ["CROSS_FITTED", "MOST_REPLICATES", "SETS", "evaluate"]


@dataclass(frozen=True, eq=False)
class _Study:
    """What every model is judged with."""

    outcome: pd.Series
    setting: Evaluation
    seed: int
    plan: Plan | None
    clusters: pd.Series | None
    rubin: bool
    whole: frozenset[str]
    developed: Mapping[str, float]

    @property
    def resampled(self) -> bool:
        """Whether the design is a bootstrap, whose held-out rows are each resample's predictions of everyone."""
        return self.plan is not None and self.plan.design.kind == "bootstrap"


def evaluate(
    predictions: pd.DataFrame,
    outcome: pd.Series,
    models: Sequence[Mapping[str, Any]],
    setting: Evaluation,
    *,
    seed: int,
    protocol: Protocol | None = None,
    plan: Plan | None = None,
    groups: pd.Series | None = None,
    developed: Mapping[str, float] | None = None,
    engine: str = "sequential",
    reporter: Reporter | None = None,
) -> dict[str, Any]:
    """Every model on every set, and the comparisons between them, as plain JSON types.

    predictions : columns patient, set, kind ("apparent", "cross-fitted", "held-out"), model, probability, and where
        there are several fits split, repeat, fold, imputation
    outcome : 0/1, indexed by patient
    models : {name, label, family, classifier, backbone, chosen} of each model, in the report's order
    seed : of the bootstrap
    protocol, plan : for what the design, the imputation and the acceptance criteria ask
    groups : label by patient of those who belong together; intervals then draw groups
    developed : operating threshold of each locked model, for thresholds.choose = "developed"
    engine : see `validkit.engine.map_tasks`; the numbers are the same under each

    "measures" of a model on a set holds every measure of `stats.METRICS`, at the operating threshold if it needs one.
    Where only the bootstrap gives an interval, the protocol's replicates are drawn, `MOST_REPLICATES` at most (the note
    says how many), from a generator of the measure's own: a further measure changes no other number, and every model is
    judged on the same drawn patients.
    """
    predictions = complete(predictions)
    whole = compared(models, setting.compare.reference)
    rubin = protocol is not None and protocol.copies > 1 and protocol.imputation.combine == "rubin"
    clusters = groups if groups is not None and groups.duplicated().any() else None
    study = _Study(outcome, setting, seed, plan, clusters, rubin, frozenset(whole), developed or {})
    rows = dict(list(predictions.groupby("model", sort=False)))
    named = [(str(model["name"]), rows[str(model["name"])]) for model in models]
    found = map_tasks(partial(_model, study), named, engine=engine, label="judging models", reporter=reporter)
    judged = [{**model, **one} for model, one in zip(models, found, strict=True)]
    tables = _tables(study, predictions)
    result = {
        "level": setting.level,
        "focus": list(setting.decision_curve.focus),
        "primary": primary(plan),
        "design": _design(plan, setting, rubin),
        "models": judged,
        "reference_strategies": {name: _strategies(study, table) for name, table in tables.items()},
        "comparisons": {name: _compare(table, outcome, whole, setting) for name, table in tables.items()},
    }
    if protocol is not None:
        result["acceptance"] = _accepted(protocol, plain(result), tables.get(HELD_OUT), outcome)
    answer: dict[str, Any] = plain(result)
    return answer


def _design(plan: Plan | None, setting: Evaluation, rubin: bool) -> dict[str, Any] | None:
    if plan is None:
        return None
    facts = plan.design.model_dump(mode="json")
    return {
        **facts,
        "splits": len(plan.splits),
        "final": plan.final is not None,
        "combine": setting.combine,
        "rubin": rubin,
    }


def _tables(study: _Study, predictions: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """(patients, models) of the mean predictions of each set, for comparisons."""
    main = main_of(predictions)
    tables = {TRAINING: wide(main, *SETS[TRAINING])} if (main["set"] == TRAINING).any() else {}
    if not study.resampled:
        tables[HELD_OUT] = wide(predictions, *SETS[HELD_OUT])
    return tables


# --- one model -----------------------------------------------------------------------------------


def _model(study: _Study, named: tuple[str, pd.DataFrame]) -> dict[str, Any]:
    """The sets that a model is judged on, and what its design adds; named : the model and its predictions."""
    name, rows = named
    cuts, rule = thresholds(rows, study.outcome, study.setting, study.developed.get(name))
    main = main_of(rows)
    sets: dict[str, Any] = {}
    for part in (TRAINING, CROSS_FITTED):
        table = main[(main["set"] == SETS[part][0]) & (main["kind"] == SETS[part][1])]
        if len(table):
            sets[part] = _on_set(study, table, part, cuts, rule)
    held_out = rows[rows["kind"] == SETS[HELD_OUT][1]]
    found: dict[str, Any] = {"sets": sets}
    if study.resampled and len(held_out):
        sets[CORRECTED], found["optimism"] = _corrected(study, name, rows, main, cuts, rule)
    elif len(held_out):
        sets[HELD_OUT] = _on_set(study, held_out, HELD_OUT, cuts, rule)
        if study.plan is not None and len(study.plan.splits) > 1 and name in study.whole:
            found["by_split"] = by_split(held_out, study.outcome, study.plan, study.setting)
            if isinstance(study.plan.design, InternalExternal):
                found["pooled"] = pooled_sites(found["by_split"], study.plan, study.setting)
    return found


def _on_set(
    study: _Study, rows: pd.DataFrame, part: str, cuts: Mapping[tuple[str, int], float], rule: str
) -> dict[str, Any]:
    """One model on one set: judged in each imputed copy and pooled, or on the mean prediction."""
    averaged = rows.groupby(["split", "repeat", "fold", "patient"], as_index=False).agg({"probability": "mean"})
    means: dict[str, list[float]] = {}
    for (split, _), cut in cuts.items():
        means.setdefault(split, []).append(cut)
    together = _once(study, averaged, part, {split: float(np.mean(values)) for split, values in means.items()}, rule)
    copies = sorted(rows["imputation"].unique())
    if len(copies) == 1 or not study.rubin:
        return together
    each = []
    for copy in copies:
        own = {split: cut for (split, c), cut in cuts.items() if c == copy}
        each.append(_once(study, rows[rows["imputation"] == copy], part, own, rule))
    return over_copies(each, together, study.setting)


def _once(study: _Study, rows: pd.DataFrame, part: str, cuts: Mapping[str, float], rule: str) -> dict[str, Any]:
    several = repeated(rows, cuts)
    y = study.outcome.loc[several.patients].to_numpy()
    p, cut = several.mean
    operating = Operating(cut, rule)
    result = judge(y, p, operating, study.setting, study.seed, predictions=SETS[part][1], fitted_here=part == TRAINING)
    clusters = None if study.clusters is None else study.clusters.loc[several.patients].to_numpy()
    if clusters is not None or (several.several and study.setting.combine != "average"):
        result = from_patients(result, y, several, operating, study.setting, study.seed, clusters)
    if several.several:
        result["repeats"] = len(several.p)
    return result


def _corrected(
    study: _Study, name: str, rows: pd.DataFrame, main: pd.DataFrame, cuts: Mapping[tuple[str, int], float], rule: str
) -> tuple[dict[str, Any], dict[str, Any]]:
    assert study.plan is not None
    assert study.plan.final is not None
    apparent = main[main["kind"] == "apparent"].groupby("patient")["probability"].mean()
    own = {split: cut for (split, _), cut in cuts.items()}
    scores, behind = corrected(
        rows[rows["split"] != study.plan.final.name],
        apparent,
        study.outcome,
        study.plan,
        study.setting,
        own,
        own[study.plan.final.name],
        everything=name in study.whole,
    )
    scores["threshold"] = {"value": own[study.plan.final.name], "rule": f"{rule}, of the fit to all patients"}
    return scores, behind


# --- between models --------------------------------------------------------------------------------


def _strategies(study: _Study, table: pd.DataFrame) -> dict[str, Any]:
    y, at = study.outcome.loc[table.index].to_numpy(), grid(study.setting)
    return {"treat_all": stats.treat_all(y, thresholds=at), "treat_none": stats.treat_none(y, thresholds=at)}


def compared(models: Sequence[Mapping[str, Any]], reference: str) -> list[str]:
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


def _accepted(
    protocol: Protocol, result: Mapping[str, Any], held_out: pd.DataFrame | None, outcome: pd.Series
) -> dict[str, Any] | None:
    """The protocol's criteria judged on the set that answers its question; None where it declares none."""
    judgement = judge_acceptance(
        protocol.acceptance, result, reference=protocol.evaluation.compare.reference, held_out=held_out, outcome=outcome
    )
    return None if judgement is None else judgement.to_dict()
