"""Scores of training patients by fits that knew their outcomes, used as if they were a new patient's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from validkit import stats
from validkit.audit.findings import MOST_CASES, Finding, finding
from validkit.audit.gains import METHOD as GAIN
from validkit.audit.gains import gains, held_out_risks, own_predictions, shown, without
from validkit.audit.refits import NOTHING_FITTED
from validkit.audit.study import Study, changed
from validkit.plan import Split
from validkit.protocol import Protocol
from validkit.sections import PLNM
from validkit.unit import all_predictions

LONGEST = 1800.0
"""seconds that cross-fitting may take, by the run's own timings, for the cost to be measured"""
SCORE, THRESHOLD = "model.nomogram.fusion_score", "evaluation.thresholds.on"
METHOD = (
    "Read from the protocol. Apparent predictions are of training patients by the fits that knew them, cross-fitted "
    "ones by fits that did not; the fall to held-out patients has DeLong's interval (Satterthwaite's t where the "
    "patients differ). Harrell, Lee and Mark, Stat Med 15 (1996) 361-387. "
)


def check_resubstitution(study: Study) -> Finding:
    """Whether resubstituted scores are used further on: as the nomogram's predictor, or to choose a threshold."""
    code, method = "resubstitution", METHOD + GAIN
    if not study.fits:
        return finding(code, "not applicable", NOTHING_FITTED, method=method)
    declared = resubstituted(study.protocol)
    models = _models(study.protocol)
    evidence: dict[str, Any] = {
        "declared": declared,
        "n": len(study.plan.held_out),
        "models": [_fall(study, name) for name in models],
    }
    if not declared:
        why = "the nomogram's score and the operating threshold come from fits that did not know the patients"
        if not isinstance(study.protocol.model, PLNM):
            why = "the operating threshold does not come from predictions of the patients that the model was fitted to"
        return finding(code, "pass", why, evidence=evidence, advice="Nothing needs to be done.", method=method)
    said = []
    if SCORE in declared:
        evidence["score"] = score = _score(study)
        said.append(_of_score(study, score, evidence["models"]))
    if THRESHOLD in declared:
        evidence["thresholds"] = cuts = _cuts(study)
        said.append(_of_cuts(cuts))
    advice = (
        'Declare model.nomogram.fusion_score = "cross-fitted" and evaluation.thresholds.on = "training-cross-fitted": '
        "scores of training patients by fits that had not seen them."
    )
    return finding(code, "fail", "; ".join(said), evidence=evidence, advice=advice, method=method)


def resubstituted(protocol: Protocol) -> list[str]:
    """The settings by which the protocol uses resubstituted predictions further on."""
    model, thresholds = protocol.model, protocol.evaluation.thresholds
    found = []
    if isinstance(model, PLNM) and model.nomogram.fusion_score == "resubstituted":
        found.append(SCORE)
    if thresholds.choose == "youden" and thresholds.on == "training":
        found.append(THRESHOLD)
    return found


def _models(protocol: Protocol) -> list[str]:
    return ["fusion", "nomogram"] if isinstance(protocol.model, PLNM) else protocol.model_names()[:MOST_CASES]


# --- from training to held-out patients -------------------------------------------------------------


def _fall(study: Study, model: str) -> dict[str, Any]:
    """One model's apparent, cross-fitted and held-out AUC, and the fall from the first to the last."""
    rows = own_predictions(study)
    rows = rows[rows["model"] == model]
    level = study.protocol.evaluation.level
    apparent, crossed = (
        rows[rows["kind"] == kind].groupby("patient")["probability"].mean() for kind in ("apparent", "cross-fitted")
    )
    held_out = held_out_risks(study, rows)[model]
    row: dict[str, Any] = {"model": model}
    for name, risks in (("apparent", apparent), ("cross_fitted", crossed), ("held_out", held_out)):
        row[name] = stats.auc(_y(study, risks), risks.to_numpy(), level=level).to_dict() if len(risks) else None
    y, new = _y(study, apparent), _y(study, held_out)
    if apparent.index.equals(held_out.index):
        compared = stats.compare_auc(y, apparent.to_numpy(), held_out.to_numpy(), level=level)
    else:
        compared = stats.compare_auc_unpaired(y, apparent.to_numpy(), new, held_out.to_numpy(), level=level)
    row["fall"] = compared.difference.to_dict()
    row["held_out_slope"] = stats.calibration_slope(new, held_out.to_numpy(), level=level).to_dict()
    return row


def _y(study: Study, risks: pd.Series) -> np.ndarray:
    return study.outcome.loc[risks.index].to_numpy(dtype=np.int64)


# --- the nomogram's score ---------------------------------------------------------------------------


def _score(study: Study) -> dict[str, Any]:
    """What a cross-fitted score gives in place of the resubstituted one, where it does not take too long."""
    seconds = _seconds(study)
    if seconds > LONGEST:
        why = f"cross-fitting would take about {seconds / 60:.0f} minutes more; at most {LONGEST / 60:.0f} are spent"
        return {"models": [], "not_measured": why}
    other = without(study, changed(study.protocol, {SCORE: "cross-fitted"}), "resubstitution")
    if isinstance(other, str):
        return {"models": [], "not_measured": other}
    risks = held_out_risks(study, all_predictions(other))["nomogram"]
    slope = stats.calibration_slope(_y(study, risks), risks.to_numpy(), level=study.protocol.evaluation.level)
    return {"models": gains(study, other, ["nomogram"]), "slope_without": slope.to_dict(), "not_measured": ""}


def _seconds(study: Study) -> float:
    """What cross-fitting takes, from the run's own timings of one fit: everything but the searches, in each fold."""
    folds = study.protocol.plnm.cross_fitting.folds
    networks = len(study.protocol.plnm.deep.backbones)
    parts = {"deep": 1 / networks, "reproducibility": 1.0, "selection": 1.0, "fusion": 1.0}
    return folds * sum(
        parts.get(str(entry["stage"]), 0.0) * float(entry["seconds"])
        for split in study.plan.splits
        for entry in study.fitted[split.name].timings
    )


def _of_score(study: Study, score: Mapping[str, Any], models: Sequence[Mapping[str, Any]]) -> str:
    by_name = {row["model"]: row for row in models}
    fusion, nomogram = by_name["fusion"], by_name["nomogram"]
    text = (
        "the nomogram learnt from fusion scores of patients whom the fusion model knew: their AUC is "
        f"{_value(fusion['apparent'])} apparent and {_value(fusion['held_out'])} held out (a fall of "
        f"{_value(fusion['fall'])}), and the nomogram's held-out calibration slope is "
        f"{_value(nomogram['held_out_slope'])}"
    )
    if score["not_measured"]:
        return f"{text}; a cross-fitted score was not tried ({score['not_measured']})"
    slope = _value(score["slope_without"])
    return f"{text}; with a cross-fitted score the slope is {slope} and held-out AUC, {shown(score['models'][0])}"


def _value(estimate: Mapping[str, Any] | None) -> str:
    if estimate is None or not np.isfinite(estimate["value"]):
        return "undefined"
    if not np.isfinite(estimate["low"]):
        return f"{estimate['value']:.3f}"
    return f"{estimate['value']:.3f} [{estimate['low']:.3f}, {estimate['high']:.3f}]"


# --- the operating threshold --------------------------------------------------------------------------


def _cuts(study: Study) -> list[dict[str, Any]]:
    """By split, Youden's index of the reference model at the threshold chosen on the patients it was fitted to."""
    rows = own_predictions(study)
    rows = rows[rows["model"] == study.protocol.evaluation.compare.reference]
    return [_cut(study, split, rows[rows["split"] == split.name]) for split in study.plan.splits[:MOST_CASES]]


def _cut(study: Study, split: Split, rows: pd.DataFrame) -> dict[str, Any]:
    level, seen = study.protocol.evaluation.level, set(split.training)
    apparent = rows[rows["kind"] == "apparent"].groupby("patient")["probability"].mean()
    new = rows[(rows["kind"] == "held-out") & ~rows["patient"].isin(seen)].groupby("patient")["probability"].mean()
    threshold = float(stats.youden_threshold(_y(study, apparent), apparent.to_numpy()))
    there, here = (
        stats.youden_index(_y(study, risks), risks.to_numpy(), threshold=threshold, level=level).to_dict()
        for risks in (apparent, new)
    )
    return {"split": split.name, "threshold": threshold, "apparent": there, "held_out": here}


def _of_cuts(cuts: Sequence[Mapping[str, Any]]) -> str:
    first = cuts[0]
    more = f" (split {first['split']}, the first of {len(cuts)})" if len(cuts) > 1 else ""
    return (
        "the operating threshold was chosen on patients whom the model knew: at it, Youden's index is "
        f"{_value(first['apparent'])} apparent and {_value(first['held_out'])} held out{more}"
    )
