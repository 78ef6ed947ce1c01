"""How a locked model was tried at a new centre."""

from __future__ import annotations

from collections import Counter
from typing import Any

from validkit.report import text
from validkit.report.methods.saying import Sentence, cite, patients, said, spelled, times
from validkit.report.records import Run, need
from validkit.report.values import count

__all__ = ["EXTERNAL"]


def _external(run: Run) -> str:
    return f"For external validation the locked model was applied to {patients(run, 'cohort.held_out')}."


def _checked(run: Run) -> str:
    found = Counter(str(one.get("action") or "none recorded") for one in run.stage("bundle").get("checks") or [])
    total = sum(need(found, "findings").values())
    actions = "; ".join(said(what) if len(found) == 1 else f"{said(what)}, {n}" for what, n in found.items())
    return (
        f"Before they were predicted, the patients were held against those of development: {text.whole(total)} "
        f"finding{' was' if total == 1 else 's were'} made (action taken: {actions})."
    )


def _transported(run: Run) -> str:
    models: dict[str, Any] = need(run.stage("transfer").get("models"), "a comparison with home")
    name = str(run.reference["name"]) if run.reference else ""
    main = models.get(name) or next(iter(models.values()))
    concordance = f" by the model-based concordance {cite('vanKlaveren2016')}" if main.get("concordance") else ""
    return (
        f"Differences from development were split into those of case mix{concordance}, of the baseline risk and of the "
        f"predictors' effects {cite('Vergouwe2010')}."
    )


def _updating(run: Run) -> str:
    record = run.stage("updating")
    judged = need(record.get("judged"), "updates")
    folds, repeats = count(record.get("folds")), count(record.get("repeats"))
    size = f" ({folds} parts, {times(repeats)})" if folds and repeats else ""
    closed = any(one.get("method") == "closed test" for one in judged)
    among = f", among them the closed test {cite('Vergouwe2017')}," if closed else ""
    return (
        f"{spelled(len(judged))} ways of updating the model{among} were judged by cross-fitting{size}; no reported "
        "figure comes from an updated model."
    )


EXTERNAL: tuple[Sentence, ...] = (_external, _checked, _transported, _updating)
"""the sentences of an external validation"""
