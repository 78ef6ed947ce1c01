"""How the patients of development were spread: moments and quantiles that travel with a model, and no row of anyone.

A new centre needs them to tell a difference of patients from a difference of effects.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field, model_validator

from validkit.plan import HELD_OUT, Plan
from validkit.protocol import Protocol
from validkit.sections import Predictor, Section
from validkit.stats.transport import model_based_concordance

if TYPE_CHECKING:
    from validkit.cohort import Cohort

__all__ = ["QUANTILES", "CaseMix", "LinearPredictor", "Moments", "Spread", "case_mix_of", "coded", "linear_predictor"]

Count = Annotated[int, Field(ge=0)]
QUANTILES = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95)
LEAST = 20
"""values below which no quantiles are told: they would be the values themselves"""
FURTHEST = 1e-9
"""probabilities nearer to 0 or 1 are moved there before their log odds are taken"""
OF_IMAGES = ("row_mm", "column_mm", "width", "height")


class Spread(Section):
    """Of n values: mean, standard deviation (n - 1) and QUANTILES; null and () where there are too few."""

    n: Count
    missing: Count
    mean: float | None
    sd: float | None
    quantiles: tuple[float, ...]

    @model_validator(mode="after")
    def _in_order(self) -> Spread:
        if len(self.quantiles) not in (0, len(QUANTILES)) or list(self.quantiles) != sorted(self.quantiles):
            raise ValueError(f"`quantiles` must be the {len(QUANTILES)} quantiles in order, or none")
        return self


class Moments(Section):
    """Mean vector and covariance matrix (n - 1) of coded predictors over the n patients who have all of them."""

    n: Count
    columns: tuple[str, ...]
    mean: tuple[float, ...]
    covariance: tuple[tuple[float, ...], ...]

    @model_validator(mode="after")
    def _square(self) -> Moments:
        k = len(self.columns)
        if len(self.mean) != k or len(self.covariance) != k or any(len(row) != k for row in self.covariance):
            raise ValueError("`columns`, `mean` and `covariance` must belong together")
        return self


class LinearPredictor(Section):
    """Log odds that a model predicted on patients it was not fitted to, and what they say of themselves.

    on : "held-out", or "training" where nobody was held out
    concordance : model-based, the AUC that these patients would give if the predictions were true
    """

    on: str
    all: Spread
    events: Spread
    others: Spread
    concordance: float | None


class CaseMix(Section):
    """n patients of development, events among them.

    predictors : of the clinical columns together; null where fewer than two patients have all of them
    numbers : of each continuous clinical column, each radiomic feature the model looks at, each property of images
    levels : how many patients have each level of a clinical column
    """

    n: Count
    events: Count
    predictors: Moments | None
    numbers: dict[str, Spread]
    levels: dict[str, dict[str, Count]]
    features: tuple[str, ...]
    linear_predictors: dict[str, LinearPredictor]

    def of(self, models: Collection[str], features: Collection[str]) -> CaseMix:
        """What concerns these models, and the radiomic features that they look at."""
        barred = set(self.features) - set(features)
        kept = {
            "numbers": {name: spread for name, spread in self.numbers.items() if name not in barred},
            "features": tuple(name for name in self.features if name not in barred),
            "linear_predictors": {name: one for name, one in self.linear_predictors.items() if name in models},
        }
        return self.model_copy(update=kept)


def case_mix_of(protocol: Protocol, plan: Plan, data: Cohort, inputs: Any, predictions: pd.DataFrame) -> CaseMix:
    """Of the patients on whom the main fit was trained or held out.

    inputs : `plnm.inputs.Inputs` or `tabular.inputs.TableInputs` of all patients
    predictions : of the run, with the columns of `validkit.unit.COLUMNS`
    """
    patients = list(dict.fromkeys((*plan.main.training, *plan.main.held_out)))
    outcome, declared = data.outcome.loc[patients], protocol.cohort.predictors
    table = data.predictors.loc[patients]
    numbers = {name: spread_of(table[name]) for name, spec in declared.items() if spec.kind == "continuous"}
    features: tuple[str, ...] = ()
    if data.image_info is not None:
        radiomics = inputs.radiomics.loc[patients]
        features = tuple(map(str, radiomics.columns))
        numbers |= {name: spread_of(radiomics[name]) for name in features}
        info = data.image_info.loc[patients]
        numbers |= {f"image {name}": spread_of(info[name]) for name in OF_IMAGES if name in info}
    return CaseMix(
        n=len(patients),
        events=int(outcome.sum()),
        predictors=moments_of(coded(table, declared)),
        numbers=numbers,
        levels={name: levels_of(table[name], spec) for name, spec in declared.items() if spec.kind != "continuous"},
        features=features,
        linear_predictors=_linear_predictors(predictions, data.outcome),
    )


def coded(table: pd.DataFrame, declared: dict[str, Predictor]) -> pd.DataFrame:
    """(n, k) float64: numbers as they are, each level of a categorical column but the first as 0 and 1; NaN stays."""
    columns: dict[str, NDArray[np.float64]] = {}
    for name in sorted(declared):
        spec, column = declared[name], table[name]
        if spec.kind != "categorical":
            columns[name] = column.to_numpy(dtype=np.float64, na_value=np.nan)
            continue
        absent = column.isna().to_numpy()
        for level in spec.levels[1:]:
            columns[f"{name}={level}"] = np.where(absent, np.nan, (column.astype(object) == level).to_numpy(float))
    return pd.DataFrame(columns, index=table.index, dtype=np.float64)


def moments_of(table: pd.DataFrame) -> Moments | None:
    """Of the rows without a gap; None where there are fewer than two, or no column."""
    rows = table.dropna()
    if len(rows) < 2 or not len(rows.columns):
        return None
    values = rows.to_numpy(np.float64)
    covariance = np.atleast_2d(np.cov(values, rowvar=False))
    return Moments(
        n=len(rows),
        columns=tuple(map(str, rows.columns)),
        mean=tuple(values.mean(axis=0).tolist()),
        covariance=tuple(tuple(row) for row in covariance.tolist()),
    )


def spread_of(column: pd.Series | NDArray[np.float64]) -> Spread:
    """Of the values that are there and finite."""
    values = np.asarray(column, dtype=np.float64)
    seen = values[np.isfinite(values)]
    return Spread(
        n=len(seen),
        missing=len(values) - len(seen),
        mean=float(seen.mean()) if len(seen) else None,
        sd=float(seen.std(ddof=1)) if len(seen) > 1 else None,
        quantiles=tuple(np.quantile(seen, QUANTILES).tolist()) if len(seen) >= LEAST else (),
    )


def levels_of(column: pd.Series, spec: Predictor) -> dict[str, int]:
    """Patients of each declared level, those without a value under ""; levels of an ordinal column are places in it."""
    levels = spec.levels or ("0", "1")
    seen = column.dropna()
    names = seen.map(lambda value: levels[int(value)]) if pd.api.types.is_numeric_dtype(seen.dtype) else seen
    counts = names.astype(str).value_counts()
    missing = int(column.isna().sum())
    return {level: int(counts.get(level, 0)) for level in levels} | ({"": missing} if missing else {})


def linear_predictor(probability: NDArray[np.float64]) -> NDArray[np.float64]:
    """Log odds; probabilities nearer to 0 or 1 than FURTHEST are moved there."""
    p = np.clip(probability, FURTHEST, 1.0 - FURTHEST)
    return np.asarray(np.log(p) - np.log1p(-p))


def _linear_predictors(predictions: pd.DataFrame, outcome: pd.Series) -> dict[str, LinearPredictor]:
    held_out = predictions[predictions["set"] == HELD_OUT]
    on = HELD_OUT if len(held_out) else "training"
    rows = held_out if len(held_out) else predictions[predictions["kind"] == "apparent"]
    means = rows.groupby(["model", "patient"], sort=True)["probability"].mean()
    found = {}
    for name in means.index.unique("model"):
        p = means.loc[name].dropna()
        y, lp = outcome.loc[p.index].to_numpy(), linear_predictor(p.to_numpy(np.float64))
        concordance = model_based_concordance(p.to_numpy(np.float64)).value if len(p) > 1 else float("nan")
        found[str(name)] = LinearPredictor(
            on=on,
            all=spread_of(lp),
            events=spread_of(lp[y == 1]),
            others=spread_of(lp[y == 0]),
            concordance=None if np.isnan(concordance) else concordance,
        )
    return found
