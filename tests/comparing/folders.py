"""Small finished run folders for comparisons: predictions are made up, everything else is as a run leaves it."""

from __future__ import annotations

import functools
import hashlib
import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from validkit.evaluate import evaluate
from validkit.plan import Patients, Plan, make_plan
from validkit.protocol import Protocol, parse_protocol
from validkit.store import to_json
from validkit.unit import to_parquet

TEXT = """
[protocol]
name = "made-up"
question = "Right?"
seed = { split = %(seed)d }
[cohort]
kind = "table"
outcome = { column = "y" }
%(cohort)s
[cohort.predictors]
x = { kind = "continuous" }
[design]
%(design)s
[model]
kind = "estimators"
%(models)s
[evaluation]
level = %(level)g
combine = "%(combine)s"
bootstrap = { replicates = 0 }
thresholds = { choose = "fixed", value = %(fixed)g, also = [%(also)s] }
decision_curve = { step = 0.1 }
compare = { reference = "%(reference)s" }
"""
MODEL = '[[model.estimators]]\nname = "%s"\nestimator = "sklearn.linear_model.LogisticRegression"'


@dataclass(frozen=True)
class Study:
    """What a made-up run is made of.

    patients : ids; a patient's outcome and own part of every risk derive from the id, so that runs share patients
    noise : seed of each model's own error, by name; flipped : patients with the other outcome
    rounded : digits of the risks, few for ties; training : whether there are predictions of training patients
    """

    patients: tuple[str, ...] = tuple(f"p{i:03d}" for i in range(60))
    noise: Mapping[str, int] = field(default_factory=lambda: {"a": 1, "b": 2})
    design: str = 'kind = "kfold"\nfolds = 2\nfinal = false'
    combine: str = "average"
    level: float = 0.95
    fixed: float = 0.4
    also: str = "0.2"
    reference: str = "a"
    cohort: str = ""
    seed: int = 7
    flipped: frozenset[str] = frozenset()
    rounded: int = 12
    copies: int = 1
    training: bool = False

    @property
    def outcome(self) -> pd.Series:
        """0/1 by patient."""
        return pd.Series([own(one)[0] ^ (one in self.flipped) for one in self.patients], self.patients)

    @property
    def protocol(self) -> Protocol:
        """The protocol, parsed."""
        return _parsed(TEXT % {**vars(self), "models": "\n".join(MODEL % name for name in self.noise)})


@functools.cache
def _parsed(text: str) -> Protocol:
    return parse_protocol(text)


@functools.cache
def own(patient: str) -> tuple[int, float, int]:
    """A patient's outcome, his own part of every risk, and a seed."""
    rng = np.random.default_rng(int(hashlib.sha256(patient.encode()).hexdigest()[:8], 16))
    return int(rng.random() < 0.35), float(rng.normal()), int(rng.integers(1 << 30))


def risk_of(study: Study, patient: str, model: str, *place: int) -> float:
    """A model's risk for a patient, at one place of the design."""
    y, part, seed = own(patient)
    error = np.random.default_rng([seed, study.noise[model], *place]).normal()
    return round(float(1 / (1 + np.exp(0.9 - 1.4 * y - 0.7 * part - 0.6 * error))), study.rounded)


def predictions_of(study: Study, plan: Plan) -> pd.DataFrame:
    """Every prediction that a run of this plan would leave."""
    rows = []
    for split, copy, model in itertools.product(plan.units, range(1, study.copies + 1), study.noise):
        facts = {"split": split.name, "repeat": split.repeat, "fold": split.fold, "imputation": copy, "model": model}
        drawn = tuple(dict.fromkeys(split.training)) if study.training else ()
        for part, kind, ids in (("training", "apparent", drawn), ("held-out", "held-out", split.held_out)):
            for one in ids:
                p = risk_of(study, one, model, split.repeat, split.fold, copy, kind == "held-out")
                rows.append({**facts, "patient": one, "set": part, "kind": kind, "probability": p})
    return pd.DataFrame(rows)


def make_run(folder: Path, study: Study | None = None, /, **info: Any) -> Path:
    """A finished run folder; info : what run.json says otherwise."""
    study = study or Study()
    protocol, outcome = study.protocol, study.outcome
    plan = make_plan(protocol, Patients(outcome))
    table = predictions_of(study, plan)
    models = [
        {"name": n, "label": n, "family": "estimators", "classifier": None, "backbone": None, "chosen": True}
        for n in study.noise
    ]
    found = evaluate(table, outcome, models, protocol.evaluation, seed=3, protocol=protocol, plan=plan)
    held = plan.held_out
    facts = {
        "validkit": "0.1.0",
        "status": "complete",
        "synthetic": True,
        "protocol": {"name": "made-up", "question": "Right?", "digest": protocol.digest()},
        "overrides": [],
        "finished": "2026-11-23T14:51:12+00:00",
        "cohort": {
            "name": "made up",
            "digest": hashlib.sha256(outcome.to_json().encode()).hexdigest(),
            "patients": len(outcome),
            "events": int(outcome.sum()),
            "held_out": {"n": len(held), "events": int(outcome.loc[held].sum())},
        },
        "design": {"kind": plan.design.kind},
        "device": {"name": "cpu", "threads": 2, "machine": "Linux x86_64"},
        "engine": "sequential",
        "seeds": {"split": study.seed, "torch": 3407},
        "versions": {"python": "3.11.9", "numpy": "2.4.0"},
        "looks": [],
    }
    return write_run(folder, protocol, table, found, facts | info)


def write_run(
    folder: Path, protocol: Protocol, table: pd.DataFrame, evaluation: dict[str, Any], info: dict[str, Any]
) -> Path:
    """The records, each digest as it is."""
    folder.mkdir(parents=True)
    predictions = to_parquet(table)
    (folder / "predictions.parquet").write_bytes(predictions)
    digests = {"protocol_digest": protocol.digest(), "predictions_digest": hashlib.sha256(predictions).hexdigest()}
    put(folder, "protocol.resolved.json", {"digest": protocol.digest(), "protocol": protocol.to_dict()})
    put(folder, "evaluation.json", evaluation | digests)
    return seal(folder, info)


def put(folder: Path, name: str, record: Any) -> None:
    """A record as JSON."""
    (folder / name).write_text(to_json(record), encoding="utf-8")


def get(folder: Path, name: str) -> dict[str, Any]:
    """A record."""
    found: dict[str, Any] = json.loads((folder / name).read_text(encoding="utf-8"))
    return found


def seal(folder: Path, info: dict[str, Any]) -> Path:
    """run.json, with the digest of every record that is there."""
    files = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.iterdir()
        if path.is_file() and path.name != "run.json"
    }
    put(folder, "run.json", info | {"files": files})
    return folder


def edit(folder: Path, change: Any, name: str = "evaluation.json") -> Path:
    """Change a record in place, by `change(record)`, and seal the folder again."""
    record, info = get(folder, name), get(folder, "run.json")
    change(record)
    put(folder, name, record)
    return seal(folder, record if name == "run.json" else info)


def mean_risks(folder: Path, model: str, patients: Sequence[str]) -> np.ndarray:
    """Each patient's mean held-out risk."""
    table = pd.read_parquet(folder / "predictions.parquet")
    rows = table[(table["kind"] == "held-out") & (table["model"] == model)]
    return rows.groupby("patient")["probability"].mean().loc[list(patients)].to_numpy()
