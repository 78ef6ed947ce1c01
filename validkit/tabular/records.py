"""A fitted model as the report shows it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline

from validkit.sections import Estimator
from validkit.tabular.estimators import plain, version_of
from validkit.tabular.preparation import Prepared
from validkit.tabular.recalibration import Recalibration
from validkit.tabular.search import Searched

__all__ = ["model_record", "warnings_as_notes"]


def model_record(
    one: Estimator,
    pipeline: Pipeline,
    prepared: Prepared,
    searched: Searched | None,
    recalibration: Recalibration | None,
    warned: Iterable[tuple[str, ...]],
) -> dict[str, Any]:
    """One model: what it is, what was chosen and learnt, and what is to be known about it."""
    columns = prepared.encoding(one).columns
    selected = selected_columns(pipeline, columns)
    notes = [f"{name}: no training patient has a value; this fit does without" for name in prepared.left_out(one)]
    return {
        "name": one.name,
        "label": one.label or one.name,
        "estimator": one.estimator,
        "version": version_of(one.estimator),
        "parameters": plain(pipeline.named_steps["model"].get_params(deep=False)),
        "missing": one.missing,
        "scaled": one.scale,
        "search": searched.record(one.search) if searched and one.search else None,
        "columns": columns,
        "selected": selected,
        "coefficients": coefficients(pipeline, selected),
        "recalibration": recalibration.record() if recalibration else None,
        "notes": notes + warnings_as_notes(warned),
    }


def selected_columns(pipeline: Pipeline, columns: list[str]) -> list[str]:
    """The columns that reach the estimator."""
    return list(pipeline.named_steps["select"].selected_) if "select" in pipeline.named_steps else columns


def coefficients(pipeline: Pipeline, columns: list[str]) -> dict[str, Any] | None:
    """Intercept and coefficients by column of a linear model, on the (scaled) columns; None for others."""
    model = pipeline.named_steps["model"]
    values = np.asarray(getattr(model, "coef_", np.empty(0)), dtype=object)
    if values.shape not in ((1, len(columns)), (len(columns),)) or not columns:
        return None
    intercept = np.ravel(getattr(model, "intercept_", 0.0))
    return {
        "intercept": plain(float(intercept[0])) if intercept.size == 1 else None,
        "columns": [
            {"column": name, "coefficient": plain(float(value))}
            for name, value in zip(columns, values.ravel(), strict=True)
        ],
    }


def warnings_as_notes(warned: Iterable[tuple[str, ...]]) -> list[str]:
    """Each distinct warning with the number of fits that gave it."""
    fits = [set(one) for one in warned]
    counts = Counter(text for one in fits for text in one)
    return [f"{text} (in {count} of {len(fits)} fits)" for text, count in sorted(counts.items())]
