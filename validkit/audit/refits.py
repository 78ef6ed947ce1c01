"""The whole procedure again where there is nothing to find: outcomes permuted, and predictors without signal.

Both repeat everything, what the protocol learns before the split and its looks at held-out outcomes included. A sound
procedure then ranks held-out patients at random: its mean AUC is 0.5 within simulation error.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from validkit.audit.findings import Finding, finding
from validkit.audit.noise import permuted, without_signal
from validkit.audit.null_areas import METHOD, Area, area_of, judge_areas, parts_of
from validkit.audit.study import (
    Refit,
    Study,
    bare,
    carry_out,
    held_out_patients,
    judged_models,
    once_imputed,
    refits_of,
    split_sample,
)
from validkit.plan import Plan, Split
from validkit.protocol import Protocol

MOST_SPLITS = 10
"""most splits of one repetition that are fitted, evenly spread over its folds or resamples"""
NOTHING_FITTED = "nothing is fitted here: predictions came from elsewhere"

PERMUTED = (
    "Outcomes dealt out again at random among patients on the same side (within each fold, or each site left out; "
    "among all patients where resamples overlap), and everything repeated. "
)
NOISE = (
    "Every predictor drawn anew from its own values, independently of everything, and lesions with their features "
    "dealt out among patients at random; outcomes, ids and the order of rows stay; everything repeated. "
)


def check_permuted_outcome(study: Study) -> Finding:
    """Whether the procedure finds something in permuted outcomes. It needs no true held-out outcome but their number.

    Whole patients are permuted, not their groups: a group lies on one side, so the areas' null law holds all the same.
    """

    def given(number: int, splits: Sequence[Split]) -> tuple[pd.Series, Any]:
        return permuted(study.outcome, splits, study.rng("permuted-outcome", number)), None

    advice = (
        "The procedure sees outcomes that it should not: look for a step that is learnt from all patients (selection, "
        "scaling, imputation, choice of model or of hyperparameters), and make it inside the split."
    )
    return _repeated(study, "permuted-outcome", given, PERMUTED + METHOD, "permuted outcomes", advice)


def check_no_signal(study: Study) -> Finding:
    """Whether the procedure finds something in predictors that are noise, with the true outcomes."""
    inputs = study.prepared.inputs

    def given(number: int, splits: Sequence[Split]) -> tuple[pd.Series, Any]:
        return study.outcome, without_signal(inputs, study.rng("no-signal", number))

    advice = (
        "Something other than the predictors tells the outcome: look at what else a model may read (ids, the order of "
        "rows, names of files, state that one fit leaves to the next), and at steps that see held-out outcomes."
    )
    return _repeated(study, "no-signal", given, NOISE + METHOD, "predictors without signal", advice)


Given = Callable[[int, Sequence[Split]], tuple[pd.Series, Any]]


def _repeated(study: Study, code: str, given: Given, method: str, where: str, advice: str) -> Finding:
    """Repeat the procedure as often as the protocol says, and judge its mean areas."""
    if not study.fits:
        return finding(code, "not applicable", NOTHING_FITTED, method=method)
    protocol = once_imputed(bare(study.protocol))
    asked, refits, outcomes = study.protocol.sentinels.permutations, [], {}
    for number in range(1, asked + 1):
        splits = round_of(study.plan, number)
        outcome, inputs = given(number, splits)
        outcomes[number] = outcome
        refits += refits_of(study, f"{code}/{number:04d}", protocol, splits, outcome, inputs)
    fitted, why = carry_out(study, refits, f"sentinel {code}: the whole procedure again")
    areas = _areas(refits, fitted, outcomes)
    evidence = _evidence(study, protocol, refits, why)
    if not areas:
        reason = next(iter(why.values()), "no split holds out patients with the event and patients without")
        return finding(code, "not applicable", f"no repetition could be judged: {reason}", evidence=evidence)
    rows = judge_areas(areas, judged=judged_models(protocol), alpha=study.protocol.sentinels.alpha)
    return _answer(code, rows, evidence, where=where, method=method, advice=advice)


def round_of(plan: Plan, number: int) -> list[Split]:
    """The splits of one repetition: one repeat of the folds, some of the resamples, or all; repetitions take turns."""
    repeats = sorted({split.repeat for split in plan.splits})
    if plan.design.kind == "bootstrap":
        count, first = min(MOST_SPLITS, len(plan.splits)), (number - 1) * MOST_SPLITS
        return [plan.splits[(first + k) % len(plan.splits)] for k in range(count)]
    turn = repeats[(number - 1) % len(repeats)]
    return split_sample([split for split in plan.splits if split.repeat == turn], MOST_SPLITS)


def _areas(refits: Sequence[Refit], fitted: Sequence[Any], outcomes: Mapping[int, pd.Series]) -> dict[str, list[Area]]:
    """By model, one area a repetition, over the splits that were carried out."""
    found: dict[str, list[Area]] = {}
    for number, outcome in outcomes.items():
        here = [
            (one.split, result)
            for one, result in zip(refits, fitted, strict=True)
            if result is not None and one.name.split("/")[1] == f"{number:04d}"
        ]
        if not here:
            continue
        training = {split.name: frozenset(split.training) for split, _ in here}
        table = pd.concat([result.predictions for _, result in here], ignore_index=True)
        for model, parts in parts_of(table, outcome, training).items():
            area = area_of(parts)
            if area is not None:
                found.setdefault(model, []).append(area)
    return found


def _evidence(study: Study, protocol: Protocol, refits: Sequence[Refit], why: Mapping[str, str]) -> dict[str, Any]:
    splits = [one.split for one in refits]
    judged = held_out_patients(splits)
    return {
        "repetitions": study.protocol.sentinels.permutations,
        "alpha": study.protocol.sentinels.alpha,
        "fits": len(refits),
        "splits": list(dict.fromkeys(split.name for split in splits)),
        "imputed_copies": protocol.copies,
        "n": len(judged),
        "events": int(study.outcome.loc[sorted(judged)].sum()),
        "not_carried_out": [{"refit": name, "why": text} for name, text in why.items()],
    }


def _answer(
    code: str, rows: list[dict[str, Any]], evidence: dict[str, Any], *, where: str, method: str, advice: str
) -> Finding:
    evidence = evidence | {"models": rows}
    failed = [row for row in rows if row.get("outcome") == "fail"]
    lost = len(evidence["not_carried_out"])
    tail = f"; {lost} of {evidence['fits']} fits could not be carried out" if lost else ""
    if failed:
        why = f"with {where}, held-out AUC is above 0.5: " + "; ".join(_shown(row) for row in failed) + tail
        return finding(code, "fail", why, evidence=evidence, advice=advice, method=method)
    worst = min((row for row in rows if row["judged"]), key=lambda row: row["p"])
    excess = np.median([row["smallest_excess_found"] for row in rows if row["judged"]])
    why = (
        f"with {where}, held-out AUC is 0.5 within simulation error (nearest to failing: {_shown(worst)}); a mean "
        f"{excess:.2f} above 0.5 would have been seen before adjustment{tail}"
    )
    return finding(code, "pass", why, evidence=evidence, advice="Nothing needs to be done.", method=method)


def _shown(row: Mapping[str, Any]) -> str:
    return (
        f"{row['model']}, mean {row['mean']:.3f} [{row['low']:.3f}, {row['high']:.3f}] over {len(row['auc'])} "
        f"repetitions, adjusted p = {row['p_holm']:.2g}"
    )
