"""The nomogram: logistic regression on a fusion score and clinical predictors, as points that add up to a probability.

After Iasonos et al., J Clin Oncol 26 (2008) 1364-1370, and R's rms::nomogram. With log odds eta = a + sum_t c_t, where
c_t is what term t contributes, a term's points are (c_t - m_t) * 100 / w: m_t is its least contribution over its axis
and w the widest range of any term's, so the widest term spans 0 to 100 points. Total points T give back
eta = a + sum_t m_t + T w / 100. Platt scaling then gives the probability 1 / (1 + exp(-(intercept + slope eta))).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import special
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted

from validkit.errors import InputError
from validkit.plnm import axes
from validkit.plnm.clinical import ColumnFit, fit_columns, freeze_levels, training_outcome, unseen_note
from validkit.plnm.platt import UNSCALED, Platt, cross_fitted_platt
from validkit.plnm.terms import LOGIT_CLIP, Term, make_term, score_column, term_ticks
from validkit.stats.checks import check_choice, check_count
from validkit.stats.coding import check_predictors, learn_coding, numbers
from validkit.stats.results import Estimate


class Nomogram(ClassifierMixin, BaseEstimator):
    """Probability of the event from a fusion score and clinical predictors, computable by hand from points.

    predictors : clinical columns; score : the column of the fusion score, a probability (the name takes the place of
        scikit-learn's method `score`, accuracy, which says little of probabilities)
    score_scale : "probability", or "logit" (scores within 0.001 of 0 and 1 are moved there)
    recalibrate : "platt" or "none". On the patients it was fitted to, a maximum likelihood fit has slope 1 and
        intercept 0 by construction; Platt's slope and intercept are therefore fitted to the linear predictors of
        `folds` folds, each predicted by a fit to the others, with Platt's smoothed targets
    kinds, labels, units, levels, ranges : by column; ranges are axes, by default the training range rounded outward

    After `fit`: `regression_` (a LogisticFit; Firth's where the outcome is separated), `platt_`, `terms_`, `note_`.
    """

    def __init__(
        self,
        predictors: Sequence[str] = ("max_diameter", "rbc"),
        score: str = "fusion",
        score_scale: str = "probability",
        recalibrate: str = "platt",
        kinds: Mapping[str, str] | None = None,
        labels: Mapping[str, str] | None = None,
        units: Mapping[str, str] | None = None,
        levels: Mapping[str, Sequence[str]] | None = None,
        ranges: Mapping[str, tuple[float, float]] | None = None,
        folds: int = 10,
        level: float = 0.95,
        random_state: int | None = 0,
    ) -> None:
        self.predictors = predictors
        self.score = score
        self.score_scale = score_scale
        self.recalibrate = recalibrate
        self.kinds = kinds
        self.labels = labels
        self.units = units
        self.levels = levels
        self.ranges = ranges
        self.folds = folds
        self.level = level
        self.random_state = random_state

    # --- fitting ---------------------------------------------------------------------------------

    def fit(self, X: pd.DataFrame, y: Any, groups: np.ndarray | None = None) -> Nomogram:
        """X : (n, columns) the score and the predictors of training patients, nothing missing; y : (n,) in {0, 1}.

        groups : (n,) rows of one group stay on one side of the folds of the Platt scaling
        """
        check_choice(self.score_scale, ("probability", "logit"), "score_scale")
        check_choice(self.recalibrate, ("platt", "none"), "recalibrate")
        check_count(self.folds, "folds", minimum=2)
        if self.score in self.predictors:
            raise InputError(f"{self.score!r} is the score and a predictor; give it one role")
        data = freeze_levels(self._data(X))
        outcome = training_outcome(y, X, "the nomogram")
        kinds = {**(self.kinds or {}), self.score: "continuous"}
        coding = self.coding_ = learn_coding(data, kinds=kinds)
        columns = self._columns(data)
        self.columns_: ColumnFit = fit_columns(columns, outcome, self.level)
        self.regression_ = self.columns_.fit
        beta = dict(zip(self.columns_.columns, self.columns_.beta.tolist(), strict=True))
        self.terms_ = tuple(self._term(data[n], [beta[c] for c in coding.columns(n)]) for n in coding.predictors)
        notes = [self.columns_.note] if self.columns_.note else []
        notes += unseen_note(coding, self.labels) + self._clipped(data)
        self.platt_: Platt | None = None
        if self.recalibrate == "platt":
            self.platt_, why = cross_fitted_platt(columns, outcome, self.folds, self.random_state, self.level, groups)
            notes += [why] if why else []
        self.classes_ = np.array([0, 1])
        self.feature_names_in_ = np.array(list(data.columns), dtype=object)
        self.n_features_in_ = len(data.columns)
        self.note_ = "; ".join(notes)
        return self

    def _data(self, X: pd.DataFrame) -> pd.DataFrame:
        """The score and the predictors, in the order of the axes, checked."""
        names = [self.score, *self.predictors]
        check_predictors(X, names)
        data = X.loc[:, names]
        score = numbers(data[self.score], "continuous")
        bad = (score < 0) | (score > 1)
        if bad.any():
            raise InputError(
                f"the score {self.score!r} must be a probability in [0, 1]; {bad.sum()} of {len(score)} values are not "
                f"(first: row {data.index[bad][0]}, {score[bad][0]:.6g})"
            )
        return data

    def _columns(self, data: pd.DataFrame) -> pd.DataFrame:
        """(n, columns) what the coefficients multiply."""
        columns = self.coding_.encode(data)
        return columns.assign(**{self.score: score_column(columns[self.score], self.score_scale == "logit")})

    def _term(self, column: pd.Series, beta: Sequence[float]) -> Term:
        name = str(column.name)
        return make_term(
            column,
            self.coding_,
            beta,
            label=(self.labels or {}).get(name, ""),
            unit=(self.units or {}).get(name, ""),
            names=(self.levels or {}).get(name, ()),
            axis=(self.ranges or {}).get(name),
            score=name == self.score,
            logit=name == self.score and self.score_scale == "logit",
        )

    def _clipped(self, data: pd.DataFrame) -> list[str]:
        score = numbers(data[self.score], "continuous")
        moved = int(((score < LOGIT_CLIP) | (score > 1 - LOGIT_CLIP)).sum())
        if self.score_scale != "logit" or not moved:
            return []
        return [f"{moved} scores within {LOGIT_CLIP:g} of 0 or 1 were moved there before their logit was taken"]

    # --- probabilities and points ----------------------------------------------------------------

    def linear_predictor(self, X: pd.DataFrame) -> np.ndarray:
        """(n,) log odds of the regression, before Platt scaling."""
        check_is_fitted(self, "terms_")
        return self.columns_.linear_predictor(self._columns(self._data(X)))

    def predict_proba(self, X: pd.DataFrame) -> np.ndarray:
        """(n, 2) probabilities of no event and of the event, after Platt scaling."""
        p = self._probability(self.linear_predictor(X))
        return np.column_stack([1 - p, p])

    def predict(self, X: pd.DataFrame) -> np.ndarray:
        """(n,) the likelier outcome."""
        return self.classes_[(self.predict_proba(X)[:, 1] >= 0.5).astype(int)]

    def points(self, X: pd.DataFrame) -> pd.DataFrame:
        """(n, terms) points of each patient on each axis; below 0 or above the axis where a patient lies beyond it."""
        data = self._known(X)
        per = self._points_per_logit
        return pd.DataFrame({t.name: t.above_least(data[t.name]) * per for t in self.terms_}, index=data.index)

    def total_points(self, X: pd.DataFrame) -> pd.Series:
        """(n,) sum of the points."""
        return self.points(X).sum(axis=1).rename("total")

    def probability_from_points(self, total: ArrayLike) -> np.ndarray:
        """(n,) probability of the event that belongs to total points; linear in the log odds beyond the axis."""
        check_is_fitted(self, "terms_")
        per = self._points_per_logit
        above = np.asarray(total, dtype=np.float64) / per if per > 0 else np.zeros(np.shape(total))
        return self._probability(self._lowest + above)

    def points_from_probability(self, probability: ArrayLike) -> np.ndarray:
        """(n,) total points that belong to a probability; NaN where points do not move the probability."""
        check_is_fitted(self, "terms_")
        platt = self.platt_ or UNSCALED
        p = np.asarray(probability, dtype=np.float64)
        if self._points_per_logit == 0 or platt.slope == 0:
            return np.full(p.shape, np.nan)
        return ((special.logit(p) - platt.intercept) / platt.slope - self._lowest) * self._points_per_logit

    def extrapolates(self, X: pd.DataFrame) -> pd.DataFrame:
        """(n, terms) whether a patient lies beyond an axis or beyond what training patients cover."""
        data = self._known(X)
        return pd.DataFrame({t.name: t.outside(data[t.name]) for t in self.terms_}, index=data.index)

    def _known(self, X: pd.DataFrame) -> pd.DataFrame:
        check_is_fitted(self, "terms_")
        data = self._data(X)
        self.coding_.encode(data)  # refuses undeclared levels
        return data

    def _probability(self, eta: np.ndarray) -> np.ndarray:
        platt = self.platt_ or UNSCALED
        return special.expit(platt.intercept + platt.slope * eta)

    @property
    def _lowest(self) -> float:
        """Log odds at zero points."""
        return self.columns_.intercept + sum(term.least for term in self.terms_)

    @property
    def _points_per_logit(self) -> float:
        widest = max(term.width for term in self.terms_)
        return 100 / widest if widest > 0 else 0.0

    # --- the record ------------------------------------------------------------------------------

    def record(self) -> dict[str, Any]:
        """stages/nomogram.json: all that is needed to draw the nomogram and to compute a patient's probability."""
        check_is_fitted(self, "terms_")
        per = self._points_per_logit
        top = sum(term.width for term in self.terms_) * per
        totals = axes.multiples(0.0, top, axes.round_step(0.0, top), outward=True) if top > 0 else (0.0,)
        ticks = [(p, float(self.points_from_probability(p))) for p in axes.PROBABILITIES]
        return {
            "score_scale": self.score_scale,
            "terms": [self._term_record(term, per) for term in self.terms_],
            "total": {"range": [0.0, totals[-1]], "ticks": list(totals)},
            "probability": [{"probability": p, "points": at} for p, at in ticks if 0 <= at <= totals[-1]],
            "intercept": self.columns_.intercept,
            "log_odds_at_zero_points": self._lowest,
            "points_per_log_odds": per,
            "platt": asdict(self.platt_) if self.platt_ else None,
            "penalty": self.regression_.penalty,
            "level": self.level,
            "covariance": {"terms": list(self.regression_.names), "matrix": self.regression_.covariance.tolist()},
            "n": self.regression_.n,
            "n_events": self.regression_.n_events,
            "note": self.note_,
        }

    def _term_record(self, term: Term, per: float) -> dict[str, Any]:
        columns = self.coding_.columns(term.name)
        own = [(self.columns_.coefficient(c).to_dict(), self.columns_.odds_ratio(c).to_dict()) for c in columns]
        several = Estimate(
            math.nan, level=self.level, method="by level", note="one coefficient for each level"
        ).to_dict()
        coefficient, ratio = own[0] if len(own) == 1 else (several, several)
        return {
            "name": term.name,
            "label": term.label,
            "unit": term.unit,
            "kind": term.kind,
            "coefficient": coefficient,
            "odds_ratio": ratio,
            "levels": [
                {"level": level, "coefficient": pair[0], "odds_ratio": pair[1]}
                for level, pair in zip(term.levels[1:], own, strict=True)
            ]
            if term.levels
            else [],
            "reference": term.levels[0] if term.levels else None,
            "range": list(term.range),
            "training_range": list(term.training_range),
            "ticks": term_ticks(term, per),
            "points_per_unit": None if term.levels else term.beta[0] * per,
        }
