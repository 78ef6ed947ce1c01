"""Leaks that a protocol declares or a run recorded: learnt before the split, chosen by held-out outcomes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from validkit import stats
from validkit.audit.findings import Finding, finding
from validkit.audit.gains import METHOD as GAIN
from validkit.audit.gains import gains, held_out_risks, own_predictions, shown, without
from validkit.audit.refits import NOTHING_FITTED
from validkit.audit.study import Study, changed, judged_models
from validkit.protocol import Protocol
from validkit.sections import PLNM, Estimators
from validkit.unit import Fitted

BEFORE = "before the split"
"""the stage under which a run records that something was learnt from all outcomes before the split"""
DRAWS = 10_000
NOTHING = "Nothing needs to be done."
HOW = {
    "selection": "the selection of predictors or features",
    "scaling": "the scaling of predictors",
    "imputation": "the imputation of missing predictors",
}


# --- before the split ------------------------------------------------------------------------------


def check_before_split(study: Study) -> Finding:
    """Whether the protocol learns anything from all patients before the split, and what that gained."""
    model, code = study.protocol.model, "before-split"
    method = "Read from the protocol (model.before_split). " + GAIN
    if not isinstance(model, PLNM | Estimators):
        return finding(code, "not applicable", NOTHING_FITTED, method=method)
    declared = list(model.before_split)
    if not declared:
        why = "the protocol declares nothing that is learnt before the split"
        return finding(code, "pass", why, evidence={"declared": []}, advice=NOTHING, method=method)
    other = without(study, changed(study.protocol, {"model.before_split": []}), code)
    measured, rows = _measured(study, other)
    evidence = {"declared": declared, "n": len(study.plan.held_out), "models": rows, "not_measured": measured}
    what = " and ".join(HOW[name] for name in declared)
    why = f"{what} was learnt from all patients, held-out ones included. Held-out AUC, {_said(study, rows, measured)}"
    advice = "Learn it inside each split: remove model.before_split. The numbers without it are in the evidence."
    return finding(code, "fail", why, evidence=evidence, advice=advice, method=method)


def _measured(study: Study, other: list[Fitted] | str) -> tuple[str, list[dict[str, Any]]]:
    """(why nothing was measured, one row a judged model)."""
    if isinstance(other, str):
        return other, []
    return "", gains(study, other, judged_models(study.protocol))


def _said(study: Study, rows: Sequence[Mapping[str, Any]], not_measured: str) -> str:
    if not rows:
        return f"the gain could not be measured: {not_measured or 'no model in common'}"
    reference = study.protocol.evaluation.compare.reference
    first = sorted(rows, key=lambda row: (row["model"] != reference, -row["optimism"]["value"]))
    return "; ".join(shown(row) for row in first[:3])


# --- chosen by held-out outcomes ---------------------------------------------------------------------


def check_held_out_choice(study: Study) -> Finding:
    """Whether anything was chosen by its AUC on held-out patients, among how many, and what that gained."""
    code = "held-out-choice"
    method = (
        'Read from the protocol (choose = "held-out auc") and from the looks that the run recorded. Expected gain: the '
        "best of k models that are equally good, E[max - mean] of a normal law with DeLong's covariance of their AUCs. "
        "Cawley and Talbot, J Mach Learn Res 11 (2010) 2079-2107. " + GAIN
    )
    if not study.fits:
        why = "nothing is chosen here: predictions came from elsewhere, and how their model was chosen is not recorded"
        return finding(code, "not applicable", why, method=method)
    looks = [look for look in study.looks if look.get("stage") != BEFORE]
    if not study.protocol.chooses_by_held_out and not looks:
        why = "nothing is chosen by held-out outcomes, and the run recorded no look at them while it fitted"
        return finding(code, "pass", why, evidence={"looks": []}, advice=NOTHING, method=method)
    choices = [_choice(study, look) for look in looks if look.get("auc")]
    measured = "the protocol declares no such choice, so there is none to leave out"
    rows: list[dict[str, Any]] = []
    if study.protocol.chooses_by_held_out:
        measured, rows = _measured(study, without(study, _sound_choice(study.protocol), code))
    evidence = {"looks": choices, "n": len(study.plan.held_out), "models": rows, "not_measured": measured}
    why = f"{_chosen(choices)}. Held-out AUC, {_said(study, rows, measured)}"
    advice = (
        'Choose on training patients: choose = "inner-validation" or "cross-validation". A result that stays must be '
        "confirmed on patients who took no part in the choice."
    )
    return finding(code, "fail", why, evidence=evidence, advice=advice, method=method)


def _sound_choice(protocol: Protocol) -> Protocol:
    """The same choices made on training patients."""
    settings = protocol.plnm
    places = {"model.deep.choose": settings.deep.choose, "model.classifiers.choose": settings.classifiers.choose}
    return changed(protocol, {key: "inner-validation" for key, how in places.items() if how == "held-out auc"})


def _choice(study: Study, look: Mapping[str, Any]) -> dict[str, Any]:
    """One look: what it chose among how many, and how far the best lay above the others."""
    areas = {str(name): float(value) for name, value in look["auc"].items()}
    best = max(areas, key=lambda name: areas[name])
    expected = _expected_gain(study, str(look["split"]), list(areas))
    return {
        "stage": look["stage"],
        "split": look["split"],
        "chosen": best,
        "candidates": len(areas),
        "auc": areas,
        "above_mean": areas[best] - float(np.mean(list(areas.values()))),
        **expected,
    }


def _expected_gain(study: Study, split: str, names: Sequence[str]) -> dict[str, Any]:
    """What the best of equally good candidates gains over their mean by chance, with its simulation error."""
    rows = own_predictions(study)
    rows = rows[(rows["split"] == split) & rows["model"].isin(list(names))]
    table = held_out_risks(study, rows)
    y = study.outcome.loc[table.index].to_numpy(dtype=np.int64)
    events = int(y.sum())
    if table.shape[1] != len(names) or len(names) < 2 or min(events, y.size - events) < 2:
        return {"expected_gain": 0.0 if len(names) < 2 else None, "expected_gain_se": None}
    _, covariance = stats.delong_covariance(y, table.to_numpy().T)
    rng = study.rng("held-out-choice", split, *names)
    drawn = rng.multivariate_normal(np.zeros(len(names)), covariance, DRAWS, method="eigh")
    gained = drawn.max(axis=1) - drawn.mean(axis=1)
    return {"expected_gain": float(gained.mean()), "expected_gain_se": float(gained.std(ddof=1) / DRAWS**0.5)}


def _chosen(choices: Sequence[Mapping[str, Any]]) -> str:
    """The looks in words; of many splits the first ones."""
    said = [
        f"{one['chosen']} was chosen among {one['candidates']} by held-out AUC (stage {one['stage']}, split "
        f"{one['split']}; {one['above_mean']:+.3f} above their mean"
        + (f", {one['expected_gain']:.3f} expected by chance" if one["expected_gain"] else "")
        + ")"
        for one in choices[:3]
    ]
    more = [f"and {len(choices) - 3} such choices more"] if len(choices) > 3 else []
    return "; ".join([*said, *more]) or "held-out outcomes were opened while the model was fitted"
