"""What a leak gained: held-out AUC as run beside that of the same protocol without the leak, on the same patients."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from validkit import stats
from validkit.audit.null_areas import judged_rows
from validkit.audit.study import RECORDS, Study, bare
from validkit.errors import InputError, StageError
from validkit.fitting import fit_all
from validkit.protocol import Protocol
from validkit.unit import Fitted, all_predictions

METHOD = (
    "The same protocol without it was run on the same splits, with the same seeds. Each held-out patient's predictions "
    "were averaged over splits; the paired difference of AUCs has DeLong's interval (Biometrics 44 (1988) 837-845), "
    "Obuchowski's (Biometrics 53 (1997) 567-578) where patients belong together. It is of these fitted models, on "
    "these patients: the chance of another training set is not in it."
)


def without(study: Study, protocol: Protocol, code: str) -> list[Fitted] | str:
    """The fits of another protocol on the run's splits, or why they cannot be made.

    What the two protocols fit alike (networks, searches) is taken from the run's records, which stay as they are.
    """
    protocol = bare(protocol)
    try:
        plan = study.aside(study.plan.splits)
        prepared = study.arranged(protocol, plan, study.outcome)
        workshop = replace(study.workshop, records=_borrowed(study, code))
        fitted, _ = fit_all(protocol, plan, prepared, study.outcome, workshop)
    except (StageError, InputError) as error:
        return str(error)
    return fitted


def _borrowed(study: Study, code: str) -> Path | None:
    """A folder of records of one's own that begins with those of the run's parts, without copying their bytes."""
    records = study.workshop.records
    if records is None:
        return None
    folder = records / RECORDS / code
    for split in study.plan.splits:
        own, there = records / split.name, folder / split.name
        if own.is_dir() and not there.exists():
            shutil.copytree(own, there, copy_function=_link, ignore=shutil.ignore_patterns(".*"))
    return folder


def _link(source: str, target: str) -> str:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
    return target


def own_predictions(study: Study) -> pd.DataFrame:
    """The run's predictions in the splits of its design: those that were written, where they are given."""
    if study.predictions is not None:
        return study.predictions[study.predictions["split"].isin([split.name for split in study.plan.splits])]
    return all_predictions([study.fitted[split.name] for split in study.plan.splits])


def held_out_risks(study: Study, predictions: pd.DataFrame) -> pd.DataFrame:
    """(patients, models): each held-out patient's mean prediction by fits that had not seen them."""
    rows = judged_rows(predictions, study.training())
    return rows.pivot_table(index="patient", columns="model", values="probability", aggfunc="mean", sort=True)


def gains(study: Study, other: Sequence[Fitted], models: Sequence[str]) -> list[dict[str, Any]]:
    """One row a model: AUC as run, AUC without, and their difference with its interval."""
    as_run = held_out_risks(study, own_predictions(study))
    cleaned = held_out_risks(study, all_predictions(other))
    y = study.outcome.loc[as_run.index].to_numpy(dtype=np.int64)
    return [
        {"model": name, **gain(study, y, as_run[name], cleaned.loc[as_run.index, name])}
        for name in models
        if name in as_run and name in cleaned
    ]


def gain(study: Study, y: np.ndarray, as_run: pd.Series, cleaned: pd.Series) -> dict[str, Any]:
    """AUC of two predictions of the same patients, and their difference (the optimism)."""
    level = study.protocol.evaluation.level
    group = study.data.groups.loc[as_run.index]
    a, b = as_run.to_numpy(), cleaned.to_numpy()
    if group.duplicated().any():
        areas = [stats.clustered_auc(y, p, group, level=level) for p in (a, b)]
        difference = stats.compare_clustered_auc(y, a, b, group, level=level).difference
    else:
        areas = [stats.auc(y, p, level=level) for p in (a, b)]
        difference = stats.compare_auc(y, a, b, level=level).difference
    return {
        "as_run": areas[0].to_dict(),
        "without": areas[1].to_dict(),
        "optimism": difference.to_dict(),
    }


def shown(row: Mapping[str, Any]) -> str:
    """One model's optimism in words."""
    as_run, cleaned, gained = row["as_run"]["value"], row["without"]["value"], row["optimism"]
    ends = f" [{gained['low']:+.3f}, {gained['high']:+.3f}]" if np.isfinite(gained["low"]) else ""
    return f"{row['model']}: {as_run:.3f} as run, {cleaned:.3f} without, {gained['value']:+.3f}{ends}"
