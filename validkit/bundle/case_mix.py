"""How the patients of development were spread: moments and quantiles that travel with a model, and no row of anyone.

A new centre needs them to tell a difference of patients from a difference of effects.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated

from pydantic import Field, model_validator

from validkit.sections import Section

__all__ = [
    "QUANTILES",
    "Benefit",
    "CaseMix",
    "Effects",
    "FeatureMoments",
    "Line",
    "LinearPredictor",
    "Moments",
    "Spread",
    "Told",
]

Count = Annotated[int, Field(ge=0)]
QUANTILES = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95)
LEAST = 20
"""values below which no quantiles are told: they would be the values themselves"""
FEW = 5
"""patients of either outcome who are told together at least, in a curve"""
FURTHEST = 1e-9
"""probabilities nearer to 0 or 1 are moved there before their log odds are taken"""
OF_IMAGES = ("row_mm", "column_mm", "width", "height")


class Spread(Section):
    """Of n values: mean, standard deviation (n - 1) and QUANTILES; null and () where there are too few.

    reached : share of the values that are no larger than each quantile, which is more than its own where values tie
    """

    n: Count
    missing: Count
    mean: float | None
    sd: float | None
    quantiles: tuple[float, ...]
    reached: tuple[Annotated[float, Field(ge=0.0, le=1.0)], ...]

    @model_validator(mode="after")
    def _in_order(self) -> Spread:
        if len(self.quantiles) not in (0, len(QUANTILES)) or list(self.quantiles) != sorted(self.quantiles):
            raise ValueError(f"`quantiles` must be the {len(QUANTILES)} quantiles in order, or none")
        if len(self.reached) != len(self.quantiles) or list(self.reached) != sorted(self.reached):
            raise ValueError("`reached` must have a share for each of the `quantiles`, in order")
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


class FeatureMoments(Section):
    """Of n patients without a gap, what harmonising radiomic features needs; see `validkit.stats.combat`.

    mean, variance : of each feature; columns : coded clinical columns; centre, covariance : their means and covariances
    cross : covariance of each feature with each of the columns
    """

    n: Count
    features: tuple[str, ...]
    mean: tuple[float, ...]
    variance: tuple[Annotated[float, Field(ge=0.0)], ...]
    columns: tuple[str, ...]
    centre: tuple[float, ...]
    covariance: tuple[tuple[float, ...], ...]
    cross: tuple[tuple[float, ...], ...]

    @model_validator(mode="after")
    def _square(self) -> FeatureMoments:
        p, k = len(self.features), len(self.columns)
        sound = len(self.mean) == len(self.variance) == len(self.cross) == p
        sound = sound and len(self.centre) == len(self.covariance) == k
        if not sound or any(len(row) != k for row in (*self.covariance, *self.cross)):
            raise ValueError("`features`, `columns` and their moments must belong together")
        return self

    def of(self, features: Collection[str]) -> FeatureMoments:
        """The same of these features alone."""
        kept = [j for j, name in enumerate(self.features) if name in features]
        part = {key: tuple(getattr(self, key)[j] for j in kept) for key in ("features", "mean", "variance", "cross")}
        return self.model_copy(update=part)


class Told(Section):
    """An estimate and its standard error; null where it has none."""

    value: float
    se: float | None


class Effects(Section):
    """See `validkit.stats.predictor_effects.PredictorEffects`."""

    columns: tuple[str, ...]
    coefficients: tuple[float, ...]
    covariance: tuple[tuple[float, ...], ...]
    n: Count
    events: Count

    @model_validator(mode="after")
    def _square(self) -> Effects:
        k = len(self.columns)
        if len(self.coefficients) != k or len(self.covariance) != k or any(len(row) != k for row in self.covariance):
            raise ValueError("`columns`, `coefficients` and `covariance` must belong together")
        return self


class Line(Section):
    """Calibration line logit P(event) = intercept + slope lp, and the covariance of the two."""

    intercept: float
    slope: float
    covariance: tuple[tuple[float, float], tuple[float, float]]


class Benefit(Section):
    """Net benefit of treating patients from a threshold on; se : its standard error."""

    threshold: Annotated[float, Field(ge=0.0, lt=1.0)]
    value: float
    se: float | None


class LinearPredictor(Section):
    """Log odds that a model predicted on patients it was not fitted to, and what came of them; null where undefined.

    on : "held-out", or "training" where nobody was held out
    sd_se : standard error of the standard deviation of all
    concordance : model-based, the AUC that these patients would give if the predictions were true
    gap : the AUC less the concordance
    baseline : calibration in the large
    slope : effect of the linear predictor alone; effects : with the clinical columns beside it
    line : calibration line; benefits : decision curve, at thresholds between which some patients of either outcome lie
    """

    on: str
    all: Spread
    events: Spread
    others: Spread
    sd_se: float | None
    auc: Told | None
    concordance: Told | None
    gap: Told | None
    baseline: Told | None
    slope: Effects | None
    effects: Effects | None
    line: Line | None = None
    benefits: tuple[Benefit, ...] = ()


class CaseMix(Section):
    """n patients of development, events among them.

    predictors : of the clinical columns together; null where fewer than two patients have all of them
    numbers : of each continuous clinical column, each radiomic feature the model looks at, each property of images
    levels : how many patients have each level of a clinical column
    harmonisable : the features' moments beside those of the clinical columns; null where there are no features
    """

    n: Count
    events: Count
    predictors: Moments | None
    numbers: dict[str, Spread]
    levels: dict[str, dict[str, Count]]
    features: tuple[str, ...]
    linear_predictors: dict[str, LinearPredictor]
    harmonisable: FeatureMoments | None = None

    def of(self, models: Collection[str], features: Collection[str]) -> CaseMix:
        """What concerns these models, and the radiomic features that they look at."""
        barred = set(self.features) - set(features)
        kept = {
            "numbers": {name: spread for name, spread in self.numbers.items() if name not in barred},
            "features": tuple(name for name in self.features if name not in barred),
            "linear_predictors": {name: one for name, one in self.linear_predictors.items() if name in models},
            "harmonisable": None if self.harmonisable is None else self.harmonisable.of(features),
        }
        return self.model_copy(update=kept)
