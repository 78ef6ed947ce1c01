"""Do held-out patients influence what is learnt? Everything they bring is replaced, what is learnt compared."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from validkit.audit.findings import Finding, finding
from validkit.audit.noise import disturbed
from validkit.audit.refits import NOTHING_FITTED
from validkit.audit.study import Refit, Study, carry_out, refits_of, split_sample
from validkit.plan import Split
from validkit.store import to_json
from validkit.unit import Fitted

MOST_SPLITS = 3
MOST_FIELDS = 6
WITNESSES = 5
"""of so many held-out patients, one keeps its predictors, and its predictions must not change"""
METHOD = (
    "In up to {most} splits, held-out patients' predictors, features and crops were replaced by random values of the "
    "same kind and their outcomes flipped; everything from preparation on was done again. Parameters (networks, "
    "classifiers, coefficients, records of every stage), predictions of training patients, and predictions of held-out "
    "patients whose own predictors were left alone (one in {witnesses}) must be the same bits. Where they are not, the "
    "fit is repeated on the true data, to tell a leak from a fit that gives other bits each time. A metamorphic test: "
    "Xie et al., J Syst Softw 84 (2011) 544-558."
)
SAME = ("parameters", "predictions of training patients", "predictions of held-out patients")


def check_held_out_invariance(study: Study) -> Finding:
    """Whether anything learnt changes with what is held out. It needs no true held-out outcome."""
    method = METHOD.format(most=MOST_SPLITS, witnesses=WITNESSES)
    if not study.fits:
        return finding("held-out-invariance", "not applicable", NOTHING_FITTED, method=method)
    tried = split_sample([split for split in study.plan.splits if outside(split)], MOST_SPLITS)
    if not tried:
        return finding("held-out-invariance", "not applicable", "no split holds anybody out", method=method)
    refits = [one for split in tried for one in _disturbed(study, split)]
    fitted, why = carry_out(study, refits, "sentinel held-out-invariance: held-out patients replaced", records=True)
    rows = []
    for split, one, again in zip(tried, refits, fitted, strict=True):
        reason = why.get(one.name, "")
        rows.append(_row(study, split, again, reason))
    _tell_chance(study, rows)
    return _answer(study, rows, method)


def outside(split: Split) -> list[str]:
    """Who is held out and does not train."""
    seen = set(split.training)
    return [patient for patient in split.held_out if patient not in seen]


def _witnesses(split: Split) -> list[str]:
    """Held-out patients whose own predictors stay: one in WITNESSES, where there are two or more."""
    patients = outside(split)
    return patients[::WITNESSES] if len(patients) > 1 else []


def _disturbed(study: Study, split: Split) -> list[Refit]:
    rng = study.rng("held-out-invariance", split.name)
    left_alone = set(_witnesses(split))
    inputs = disturbed(study.prepared.inputs, [p for p in outside(split) if p not in left_alone], rng)
    outcome = study.outcome.copy()
    outcome.loc[outside(split)] = 1 - outcome.loc[outside(split)]
    return refits_of(study, "held-out-invariance/disturbed", study.protocol, [split], outcome, inputs)


def _row(study: Study, split: Split, again: Fitted | None, reason: str) -> dict[str, Any]:
    """What one split's fit says, beside the run's own."""
    own = study.fitted[split.name]
    row: dict[str, Any] = {
        "split": split.name,
        "training": len(split.training),
        "disturbed": len(outside(split)) - len(_witnesses(split)),
        "witnesses": len(_witnesses(split)),
        "looks": len(own.looks),
    }
    if again is None:
        return row | {"differs": ["the fit could not be made again"], "why": reason, "first_stage": "", "fields": []}
    stage, fields = first_difference(own.records, again.records)
    return row | {
        "parameters": own.parameters,
        "parameters_disturbed": again.parameters,
        "differs": compared(own, again, _witnesses(split)),
        "first_stage": stage,
        "fields": fields,
        "looks": max(len(own.looks), len(again.looks)),
    }


def compared(own: Fitted, again: Fitted, witnesses: Sequence[str]) -> list[str]:
    """Which of `SAME` are other bits."""
    same = [
        own.parameters == again.parameters,
        _same(_rows(own, "training", None), _rows(again, "training", None)),
        _same(_rows(own, "held-out", witnesses), _rows(again, "held-out", witnesses)),
    ]
    return [what for what, equal in zip(SAME, same, strict=True) if not equal]


def _rows(fitted: Fitted, part: str, patients: Sequence[str] | None) -> pd.Series:
    table = fitted.predictions[fitted.predictions["set"] == part]
    if patients is not None:
        table = table[table["patient"].isin(list(patients))]
    keys = ["imputation", "kind", "model", "patient"]
    return table.set_index(keys)["probability"].sort_index()


def _same(a: pd.Series, b: pd.Series) -> bool:
    return bool(a.index.equals(b.index) and a.to_numpy().tobytes() == b.to_numpy().tobytes())


def first_difference(own: Mapping[str, Any], again: Mapping[str, Any]) -> tuple[str, list[str]]:
    """(first stage whose record differs, the fields of it that do); an empty text and list where all agree."""
    first, second = (json.loads(to_json(dict(records))) for records in (own, again))
    for stage in dict.fromkeys([*own, *again]):
        fields = list(dict.fromkeys(_fields(first.get(stage), second.get(stage), "")))
        fields = [field for field in fields if not field.startswith("saliency")]
        if fields:
            return stage, fields[:MOST_FIELDS]
    return "", []


def _fields(a: Any, b: Any, name: str) -> list[str]:
    """The named places where two JSON values differ; the places of a list share its name."""
    if isinstance(a, dict) and isinstance(b, dict):
        keys = dict.fromkeys([*a, *b])
        return [place for key in keys for place in _fields(a.get(key), b.get(key), f"{name}.{key}".lstrip("."))]
    if isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        return [place for x, y in zip(a, b, strict=True) for place in _fields(x, y, name)]
    return [] if a == b else [name or "all of it"]


def _tell_chance(study: Study, rows: list[dict[str, Any]]) -> None:
    """Where bits differ, the same fit on the true data: if it differs too, held-out patients are not the reason."""
    suspect = [row for row in rows if row["differs"] and "why" not in row]
    splits = {split.name: split for split in study.plan.splits}
    refits = [
        one
        for row in suspect
        for one in refits_of(study, "held-out-invariance/again", study.protocol, [splits[row["split"]]], study.outcome)
    ]
    fitted, _ = carry_out(study, refits, "sentinel held-out-invariance: the same fit again", records=True)
    for row, one, again in zip(suspect, refits, fitted, strict=True):
        row["repeatable"] = again is not None and not compared(
            study.fitted[one.split.name], again, list(one.split.held_out)
        )


def _answer(study: Study, rows: list[dict[str, Any]], method: str) -> Finding:
    code, looked = "held-out-invariance", [row for row in rows if row["looks"]]
    evidence = {"splits": rows, "n": sum(row["disturbed"] for row in rows), "looks": sum(row["looks"] for row in rows)}
    changed_ = [row for row in rows if row["differs"] and row.get("repeatable", True)]
    chance = [row for row in rows if row["differs"] and not row.get("repeatable", True)]
    advice = (
        "Find the first stage named, and learn it from training patients alone. What is chosen or learnt by looking at "
        "held-out patients makes their results too good."
    )
    if changed_ or looked:
        said = [_shown(row) for row in changed_]
        said += [
            f"split {row['split']}: held-out outcomes were opened {_times(row['looks'])} to choose" for row in looked
        ]
        return finding(code, "fail", "; ".join(said), evidence=evidence, advice=advice, method=method)
    if chance:
        why = (
            f"the same fit on the same data gives other bits each time on {study.workshop.device}, so nothing can be "
            f"compared (split {chance[0]['split']}: {', '.join(chance[0]['differs'])})"
        )
        advice = "Run it on the CPU, and give every estimator a seed, so that fits can be compared bit by bit."
        return finding(code, "not applicable", why, evidence=evidence, advice=advice, method=method)
    why = (
        f"everything learnt is the same, bit by bit, whatever is held out ({len(rows)} "
        f"split{'s' if len(rows) != 1 else ''}, {evidence['n']} held-out patients replaced)"
    )
    return finding(code, "pass", why, evidence=evidence, advice="Nothing needs to be done.", method=method)


def _shown(row: Mapping[str, Any]) -> str:
    if "why" in row:
        return f"split {row['split']}: with other held-out patients the fit could not be made ({row['why']})"
    first = f" (first in stage {row['first_stage']}: {', '.join(row['fields'])})" if row["first_stage"] else ""
    return f"split {row['split']}: {', '.join(row['differs'])} changed with the held-out patients{first}"


def _times(count: int) -> str:
    return "1 time" if count == 1 else f"{count} times"
