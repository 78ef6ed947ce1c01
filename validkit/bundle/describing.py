"""The spread of patients computed: what `bundle.case_mix` keeps of them, at home and at a new centre alike."""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from validkit.bundle.case_mix import (
    FEW,
    FURTHEST,
    LEAST,
    OF_IMAGES,
    QUANTILES,
    Benefit,
    CaseMix,
    Effects,
    FeatureMoments,
    Line,
    LinearPredictor,
    Moments,
    Spread,
    Told,
)
from validkit.plan import HELD_OUT, Plan
from validkit.protocol import Protocol
from validkit.sections import Predictor
from validkit.stats import calibration_in_the_large, logistic_regression, net_benefit
from validkit.stats.combat import combat_moments
from validkit.stats.discrimination import auc
from validkit.stats.membership import sd_error
from validkit.stats.predictor_effects import PredictorEffects, effects_given_risk
from validkit.stats.results import Estimate
from validkit.stats.transport import concordance_gap, model_based_concordance

if TYPE_CHECKING:
    from validkit.cohort import Cohort

__all__ = [
    "case_mix_of",
    "clinical_columns",
    "coded",
    "described",
    "effects_here",
    "feature_moments",
    "inside",
    "levels_of",
    "linear_predictor",
    "mean_risks",
    "moments_of",
    "spread_of",
]


def case_mix_of(
    protocol: Protocol, plan: Plan, data: Cohort, inputs: Any, predictions: pd.DataFrame, needs: Collection[str]
) -> CaseMix:
    """Of the patients on whom the main fit was trained or held out.

    needs : the clinical columns that the model looks at, which alone are described
    inputs : `plnm.inputs.Inputs` or `tabular.inputs.TableInputs` of all patients
    predictions : of the run, with the columns of `validkit.unit.COLUMNS`
    """
    patients = list(dict.fromkeys((*plan.main.training, *plan.main.held_out)))
    outcome = data.outcome.loc[patients]
    declared = {name: spec for name, spec in protocol.cohort.predictors.items() if name in needs}
    table, columns = data.predictors.loc[patients], clinical_columns(protocol, needs, data)
    numbers = {name: spread_of(table[name]) for name, spec in declared.items() if spec.kind == "continuous"}
    features: tuple[str, ...] = ()
    harmonisable: FeatureMoments | None = None
    if data.image_info is not None:
        radiomics = inputs.radiomics.loc[patients]
        features = tuple(map(str, radiomics.columns))
        harmonisable = feature_moments(radiomics, columns.loc[patients])
        numbers |= {name: spread_of(radiomics[name]) for name in features}
        info = data.image_info.loc[patients]
        numbers |= {f"image {name}": spread_of(info[name]) for name in OF_IMAGES if name in info}
    return CaseMix(
        n=len(patients),
        events=int(outcome.sum()),
        predictors=moments_of(columns.loc[patients]),
        numbers=numbers,
        levels={name: levels_of(table[name], spec) for name, spec in declared.items() if spec.kind != "continuous"},
        features=features,
        linear_predictors=_linear_predictors(predictions, data.outcome, columns),
        harmonisable=harmonisable,
    )


def clinical_columns(protocol: Protocol, needs: Collection[str], data: Cohort) -> pd.DataFrame:
    """(n, k) the columns that a model needs, of all patients, coded; protocol : under which it was fitted."""
    return coded(data.predictors, {n: spec for n, spec in protocol.cohort.predictors.items() if n in needs})


def mean_risks(predictions: pd.DataFrame) -> dict[str, pd.Series]:
    """By model, each patient's risk: the mean over splits and copies, sorted by patient; those without one are absent.

    predictions : with the columns of `validkit.unit.COLUMNS`
    """
    means = predictions.groupby(["model", "patient"], sort=True)["probability"].mean()
    return {str(name): means.loc[name].dropna() for name in means.index.unique("model")}


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


def feature_moments(features: pd.DataFrame, columns: pd.DataFrame) -> FeatureMoments | None:
    """Of the patients who have every feature and every coded column; None where there are fewer than two."""
    whole = np.isfinite(features.to_numpy(np.float64)).all(axis=1) & columns.notna().all(axis=1).to_numpy()
    if whole.sum() < 2:
        return None
    covariates = columns.to_numpy(np.float64)[whole] if len(columns.columns) else None
    found: dict[str, Any] = combat_moments(features.to_numpy(np.float64)[whole], covariates)
    return FeatureMoments(
        n=found["n"],
        features=tuple(map(str, features.columns)),
        mean=tuple(found["mean"].tolist()),
        variance=tuple(found["variance"].tolist()),
        columns=tuple(map(str, columns.columns)),
        centre=tuple(found["covariate_mean"].tolist()),
        covariance=tuple(map(tuple, found["covariance"].tolist())),
        cross=tuple(map(tuple, found["cross"].tolist())),
    )


def spread_of(column: pd.Series | NDArray[np.float64]) -> Spread:
    """Of the values that are there and finite."""
    values = np.asarray(column, dtype=np.float64)
    seen = values[np.isfinite(values)]
    quantiles = np.quantile(seen, QUANTILES) if len(seen) >= LEAST else np.empty(0)
    reached = np.searchsorted(np.sort(seen), quantiles, side="right") / max(len(seen), 1)
    return Spread(
        n=len(seen),
        missing=len(values) - len(seen),
        mean=float(seen.mean()) if len(seen) else None,
        sd=float(seen.std(ddof=1)) if len(seen) > 1 else None,
        quantiles=tuple(quantiles.tolist()),
        reached=tuple(reached.tolist()),
    )


def levels_of(column: pd.Series, spec: Predictor) -> dict[str, int]:
    """Patients of each declared level, those without a value under ""; levels of an ordinal column are places in it."""
    levels = spec.levels or ("0", "1")
    seen = column.dropna()
    names = seen.map(lambda value: levels[int(value)]) if pd.api.types.is_numeric_dtype(seen.dtype) else seen
    counts = names.astype(str).value_counts()
    missing = int(column.isna().sum())
    return {level: int(counts.get(level, 0)) for level in levels} | ({"": missing} if missing else {})


def inside(probability: NDArray[np.float64]) -> NDArray[np.float64]:
    """Probabilities with finite log odds: those nearer to 0 or 1 than FURTHEST are moved there."""
    return np.clip(probability, FURTHEST, 1.0 - FURTHEST)


def linear_predictor(probability: NDArray[np.float64]) -> NDArray[np.float64]:
    """Log odds; probabilities nearer to 0 or 1 than FURTHEST are moved there."""
    p = inside(probability)
    return np.asarray(np.log(p) - np.log1p(-p))


def told(estimate: Estimate) -> Told | None:
    """The estimate, where it is defined."""
    if math.isnan(estimate.value):
        return None
    return Told(value=estimate.value, se=None if math.isnan(estimate.se) else estimate.se)


def effects_told(found: PredictorEffects) -> Effects | None:
    """The effects, where they are defined."""
    if not found.columns or not np.isfinite(found.covariance).all() or not np.isfinite(found.coefficients).all():
        return None
    covariance = tuple(tuple(row) for row in found.covariance.tolist())
    return Effects(
        columns=found.columns,
        coefficients=found.coefficients,
        covariance=covariance,
        n=found.n,
        events=found.n_events,
    )


def effects_here(
    y: NDArray[np.int64], p: NDArray[np.float64], table: pd.DataFrame
) -> tuple[PredictorEffects, PredictorEffects]:
    """(effect of the linear predictor alone, with the columns beside it), of patients who have all of them."""
    q = inside(p)
    whole = table.notna().all(axis=1).to_numpy()
    names = tuple(map(str, table.columns))
    alone = effects_given_risk(y, q)
    if not names or not 0 < y[whole].sum() < whole.sum():
        return alone, alone
    return alone, effects_given_risk(y[whole], q[whole], table.to_numpy(np.float64)[whole], names=names)


def _linear_predictors(
    predictions: pd.DataFrame, outcome: pd.Series, table: pd.DataFrame
) -> dict[str, LinearPredictor]:
    held_out = predictions[predictions["set"] == HELD_OUT]
    on = HELD_OUT if len(held_out) else "training"
    rows = held_out if len(held_out) else predictions[predictions["kind"] == "apparent"]
    found = {}
    for name, risk in mean_risks(rows).items():
        if len(risk) > 1:
            y = outcome.loc[risk.index].to_numpy(np.int64)
            found[name] = described(on, y, risk.to_numpy(np.float64), table.loc[risk.index])
    return found


def described(on: str, y: NDArray[np.int64], p: NDArray[np.float64], table: pd.DataFrame) -> LinearPredictor:
    """What is told of a model on n patients; table : (n, k) by `coded`."""
    lp = linear_predictor(p)
    alone, beside = effects_here(y, p, table)
    return LinearPredictor(
        on=on,
        all=spread_of(lp),
        events=spread_of(lp[y == 1]),
        others=spread_of(lp[y == 0]),
        sd_se=sd_error(lp),
        auc=told(auc(y, p)),
        concordance=told(model_based_concordance(p)),
        gap=told(concordance_gap(y, p)),
        baseline=told(calibration_in_the_large(y, p)),
        slope=effects_told(alone),
        effects=effects_told(beside) if beside.columns != alone.columns else None,
        line=_line(y, lp),
        benefits=_benefits(y, p),
    )


def _line(y: NDArray[np.int64], lp: NDArray[np.float64]) -> Line | None:
    if not 0 < y.sum() < len(y) or not np.ptp(lp) > 0:
        return None
    fit = logistic_regression(lp[:, None], y)
    if not np.isfinite([*fit.beta, *fit.covariance.ravel()]).all():
        return None
    (a, b), (c, d) = fit.covariance.tolist()
    return Line(intercept=float(fit.beta[0]), slope=float(fit.beta[1]), covariance=((a, b), (c, d)))


def _benefits(y: NDArray[np.int64], p: NDArray[np.float64]) -> tuple[Benefit, ...]:
    """At hundredths between which FEW patients of either outcome lie, so that no step of the curve is one of them."""
    found: list[Benefit] = []
    last = np.array([(y == 1).sum(), (y == 0).sum()])
    for threshold in np.arange(1, 100) / 100:
        treated = p >= threshold
        now = np.array([(treated & (y == 1)).sum(), (treated & (y == 0)).sum()])
        if (last - now >= FEW).all() and (now >= FEW).all():
            last = now
            estimate = net_benefit(y, p, threshold=float(threshold))
            se = None if math.isnan(estimate.se) else estimate.se
            found.append(Benefit(threshold=float(threshold), value=estimate.value, se=se))
    return tuple(found)
