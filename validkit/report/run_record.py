"""A run's answer as one document: what run.json and evaluation.json hold, and what a reader is told first."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from validkit import schemas
from validkit.report import text
from validkit.report.frontpage import HEADLINE
from validkit.report.notices import notices
from validkit.report.records import NotAvailable, Record, Run, read_run
from validkit.report.subject import REGISTRY, label, subject
from validkit.stats.results import NAN, Estimate

__all__ = ["run_record"]

KEPT_APART = ("files",)
"""of run.json: digests of the folder's files, which `validkit verify` is for"""
WRITTEN = {
    "report": "report.html",
    "evaluation": "evaluation.json",
    "predictions": "predictions.parquet",
    "bundle": "bundle.zip",
    "updated": "updated.zip",
    "site_summary": "site-summary.json",
    "site_summaries": "site-summaries",
}


def run_record(folder: Path) -> dict[str, Any]:
    """What `validkit run --json` prints, as plain JSON types.

    headline : the reference model's main numbers, null where there are none; notices : of the stages;
    beware : what a reader must not overlook; written : paths of what others are given, null where it is not there
    evaluation : null where another version of validkit wrote it
    """
    run = read_run(folder)
    evaluation = run.records["evaluation.json"]
    ours = isinstance(evaluation, Record) and evaluation.get("schema") == schemas.urn("evaluation")
    return {
        **{key: value for key, value in run.info.items() if key not in KEPT_APART},
        "folder": str(folder),
        "written": {key: str(folder / name) if (folder / name).exists() else None for key, name in WRITTEN.items()},
        "headline": _headline(run),
        "beware": [{"title": text.clean(one.title), "text": text.clean(one.text)} for one in notices(run)],
        "evaluation": evaluation if ours else None,
    }


def _headline(run: Run) -> dict[str, Any] | None:
    try:
        found = subject(run)
    except NotAvailable:
        return None
    scores = found.scores
    return {
        "model": found.model["name"],
        "label": label(found.model),
        "set": found.where,
        "n": scores.get("n"),
        "events": scores.get("events"),
        "measures": {key: _measured(scores, key) for key, *_ in HEADLINE},
    }


def _measured(scores: Mapping[str, Any], key: str) -> dict[str, Any] | None:
    """An estimate with every part that estimates have today."""
    own = scores.get(key) or (scores.get("measures") or {}).get(REGISTRY.get(key, key))
    return {**Estimate(NAN).to_dict(), **own} if own else None
