"""What a bundle tells of the run that it comes from; no row of a patient."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pandas as pd

from validkit.bundle.manifest import ModelFacts, Observed, Training
from validkit.plan import Plan
from validkit.protocol import Protocol
from validkit.sections import Predictor

if TYPE_CHECKING:
    from validkit.cohort import Cohort

__all__ = ["Facts", "facts_of", "observed"]

TOLD = ("n", "events", "auc", "brier", "slope", "calibration_in_the_large", "oe")
"""statistics of evaluation.json that travel: none has a point for each patient"""
OF_IMAGES = ("width", "height", "row_mm", "column_mm", "bits", "format", "scanner")


@dataclass(frozen=True, eq=False)
class Facts:
    """See the fields of the same names in `Manifest`; predictors, images : what training patients had.

    left_out : models that do not travel, and why, beyond what writing leaves out
    """

    cohort: str
    synthetic: bool
    training: Training
    predictors: Mapping[str, Observed]
    images: Mapping[str, Observed]
    models: Sequence[ModelFacts]
    thresholds: Mapping[str, float]
    performance_on: str
    performance: Mapping[str, Mapping[str, Any]]
    left_out: Mapping[str, str] = field(default_factory=dict)


def facts_of(protocol: Protocol, plan: Plan, data: Cohort, evaluation: Mapping[str, Any]) -> Facts:
    """The facts of a run whose main fit is locked.

    evaluation : evaluation.json's content
    """
    patients = list(dict.fromkeys(plan.main.training))
    declared = protocol.cohort.predictors
    rows = data.predictors.loc[patients]
    images = {} if data.image_info is None else _images(data.image_info.loc[patients])
    primary = str(evaluation["primary"])
    named = ModelFacts.model_fields
    return Facts(
        cohort=data.digest,
        synthetic=data.synthetic,
        training=Training(n=len(patients), events=int(data.outcome.loc[patients].sum()), split=plan.main.name),
        predictors={name: observed(rows[name], spec) for name, spec in declared.items()},
        images=images,
        models=[ModelFacts(**{name: model[name] for name in named}) for model in evaluation["models"]],
        thresholds={
            model["name"]: float(model["sets"]["training"]["threshold"]["value"])
            for model in evaluation["models"]
            if "training" in model["sets"]
        },
        performance_on=primary,
        performance={
            model["name"]: {key: model["sets"][primary][key] for key in TOLD if key in model["sets"][primary]}
            for model in evaluation["models"]
            if primary in model["sets"]
        },
    )


def observed(column: pd.Series, spec: Predictor | None = None) -> Observed:
    """What patients had in a column, typed as a cohort has it."""
    seen = column.dropna()
    missing = len(column) - len(seen)
    if not pd.api.types.is_numeric_dtype(column.dtype):
        there = {str(level) for level in seen}
        order = spec.levels if spec is not None else sorted(there)
        return Observed(n=len(column), missing=missing, levels=tuple(level for level in order if level in there))
    if not len(seen):
        return Observed(n=len(column), missing=missing)
    return Observed(n=len(column), missing=missing, low=float(seen.min()), high=float(seen.max()))


def _images(info: pd.DataFrame) -> dict[str, Observed]:
    return {name: observed(info[name]) for name in OF_IMAGES if name in info}
