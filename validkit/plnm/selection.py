"""Radiomic feature selection: Mann-Whitney, Spearman and LASSO, as scikit-learn selectors, and their sequence.

Each selector learns from the patients it is fitted on and nothing else. When a step would keep nothing, the strongest
features by that step's own criterion are kept and `note_` says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import numpy as np
import pandas as pd
from scipy.special import ndtr
from sklearn.base import BaseEstimator, clone
from sklearn.feature_selection import SelectorMixin
from sklearn.utils import ClassifierTags, Tags
from sklearn.utils.validation import _check_feature_names_in, check_is_fitted, validate_data
from threadpoolctl import threadpool_limits

from validkit.errors import InputError, StageError
from validkit.plnm import lasso
from validkit.plnm.folds import fit_grouped, stratified_folds, two_classes

NAMED = 5
"""how many feature names a note spells out"""


class Selector(SelectorMixin, BaseEstimator):
    """Base of the selectors: `support_` (p,) bool, `feature_names_` (p,), `note_`, `classes_`, the larger the event."""

    method: ClassVar[str] = ""
    needs_outcome: ClassVar[bool] = True
    allows_missing: ClassVar[bool] = False

    support_: np.ndarray
    feature_names_: np.ndarray
    note_: str

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = self.needs_outcome
        tags.input_tags.allow_nan = self.allows_missing
        tags.classifier_tags = ClassifierTags(multi_class=False)
        return tags

    def _get_support_mask(self) -> np.ndarray:
        check_is_fitted(self, "support_")
        return self.support_

    def _read(self, X: Any, y: Any) -> tuple[np.ndarray, np.ndarray | None]:
        """X as (n, p) float64 and y as 0/1; features with NaN or infinite values are refused unless allowed."""
        name = type(self).__name__
        if y is None and self.needs_outcome:
            raise InputError(f"{name} requires y to be passed, but the target y is None")
        options: dict[str, Any] = {"dtype": np.float64, "ensure_all_finite": False, "ensure_min_samples": 2}
        if y is None:
            matrix, outcome = validate_data(self, X, **options), None
        else:
            matrix, labels = validate_data(self, X, y, **options)
            self.classes_, outcome = two_classes(labels, name)
        self.feature_names_ = np.array(_check_feature_names_in(self, None), dtype=object)
        self.note_ = ""
        missing = ~np.isfinite(matrix).all(axis=0)
        if missing.any() and not self.allows_missing:
            raise InputError(
                f"{name} needs finite features; {missing.sum()} of {missing.size} hold NaN or infinity "
                f"({_named(self.feature_names_[missing])}): drop them, or begin with MannWhitneyFilter, which does"
            )
        return matrix, outcome


def _named(names: Sequence[str]) -> str:
    listed = ", ".join(str(name) for name in list(names)[:NAMED])
    return listed if len(names) <= NAMED else f"{listed} and {len(names) - NAMED} more"


def mann_whitney(X: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Two-sided Mann-Whitney U tests of every column at once: (U of the events, p), each (p,).

    Normal approximation with tie correction and continuity correction; a constant column has p = 1.
    X : (n, p) finite; y : (n,) in {0, 1}, both present
    """
    from validkit.plnm import ranks

    features, event = np.ascontiguousarray(np.asarray(X, dtype=np.float64).T), np.asarray(y) == 1
    n, n1 = event.size, int(event.sum())
    pairs = n1 * (n - n1)
    events, others = (ranks.take(features, np.flatnonzero(group)) for group in (event, ~event))
    events.sort(axis=1)
    others.sort(axis=1)
    twice, ties = ranks.pair_counts(events, others)
    u = twice / 2.0
    spread = np.sqrt(pairs / 12.0 * ((n + 1) - ties / (n * (n - 1))))
    with np.errstate(divide="ignore"):
        z = (np.maximum(u, pairs - u) - pairs / 2.0 - 0.5) / spread
    return u, np.clip(2.0 * ndtr(-z), 0.0, 1.0)


class MannWhitneyFilter(Selector):
    """Keep features whose distribution differs between the outcomes: two-sided Mann-Whitney p < alpha.

    No correction for multiplicity is made: the filter is a screen, not an inference.

    alpha : in (0, 1)
    at_least : how many features of smallest p are kept when fewer pass
    Learned: `p_values_`, `statistics_` (U of the events) (p,), NaN for features with missing or infinite values, which
    are left out and listed in `excluded_`; `support_`; `note_`.
    """

    method = "mann-whitney"
    allows_missing = True

    def __init__(self, alpha: float = 0.05, at_least: int = 1) -> None:
        self.alpha = alpha
        self.at_least = at_least

    def fit(self, X: Any, y: Any = None) -> MannWhitneyFilter:
        """Test every feature. X : (n, p) features, a DataFrame or an array; y : (n,) 0/1."""
        if not 0 < self.alpha < 1:
            raise InputError(f"alpha must lie between 0 and 1; got {self.alpha!r}")
        matrix, outcome = self._read(X, y)
        assert outcome is not None
        usable = np.isfinite(matrix).all(axis=0)
        if not usable.any():
            raise StageError(f"every one of the {usable.size} features holds NaN or infinite values: nothing to select")
        self.p_values_ = np.full(usable.size, np.nan)
        self.statistics_ = np.full(usable.size, np.nan)
        self.statistics_[usable], self.p_values_[usable] = mann_whitney(matrix[:, usable], outcome)
        self.excluded_ = self.feature_names_[~usable]
        self.support_ = np.nan_to_num(self.p_values_, nan=1.0) < self.alpha
        notes = []
        if self.excluded_.size:
            notes.append(
                f"{self.excluded_.size} of {usable.size} features hold NaN or infinite values and were left out: "
                + _named(self.excluded_)
            )
        passed = int(self.support_.sum())
        if passed < self.at_least:
            order = np.argsort(self.p_values_, kind="stable")[: min(self.at_least, int(usable.sum()))]
            self.support_[order] = True
            notes.append(f"{passed} features have p < {self.alpha:g}; the {order.size} of smallest p were kept")
        self.note_ = "; ".join(notes)
        return self


def spearman(X: np.ndarray) -> np.ndarray:
    """(p, p) Spearman correlations of the columns; a constant column correlates with nothing (0), its own entry 1.

    Ranks are doubled to integers, so that sums are exact and no engine or thread count can change a digit. No partial
    sum is beyond n (n^2 - 1) / 3, which single precision holds exactly up to n = 369.
    """
    from validkit.plnm import ranks

    features = np.ascontiguousarray(np.asarray(X, dtype=np.float64).T)
    n = features.shape[1]
    doubled = np.empty(features.shape, dtype=np.float32 if n * (n * n - 1) <= 3 * 2**24 else np.float64)
    ranks.doubled_ranks(features, np.argsort(features, axis=1), doubled)
    return np.asarray(ranks.correlations((doubled @ doubled.T).astype(np.float64, copy=False)))


class SpearmanFilter(Selector):
    """Drop redundant features: those whose |Spearman rho| with a feature already kept is above the limit.

    Features are visited in order of increasing Mann-Whitney p when an outcome is given, else in column order; equal p
    in column order.

    above : in (0, 1]; a correlation of exactly `above` is not above it
    Learned: `support_`; `kept_by_` {dropped feature: the kept feature it repeats}; `note_`.
    """

    method = "spearman"
    needs_outcome = False

    def __init__(self, above: float = 0.9) -> None:
        self.above = above

    def fit(self, X: Any, y: Any = None) -> SpearmanFilter:
        """X : (n, p) finite features; y : (n,) 0/1 or None, used for the order of visit only."""
        if not 0 < self.above <= 1:
            raise InputError(f"above must lie in (0, 1]; got {self.above!r}")
        matrix, outcome = self._read(X, y)
        p = matrix.shape[1]
        order = np.arange(p) if outcome is None else np.argsort(mann_whitney(matrix, outcome)[1], kind="stable")
        redundant = np.abs(spearman(matrix)) > self.above
        repeats = np.full(p, -1)
        self.support_ = np.zeros(p, dtype=bool)
        for column in order:
            if repeats[column] < 0:
                self.support_[column] = True
                news = redundant[column] & (repeats < 0) & ~self.support_
                repeats[news] = column
        names = self.feature_names_
        self.kept_by_ = {names[i]: names[repeats[i]] for i in np.flatnonzero(repeats >= 0)}
        return self


class LassoSelector(Selector):
    """Keep features with a non-zero LASSO coefficient at the penalty that cross-validation chooses.

    Features are standardised inside each fold; folds are stratified and shuffled by `random_state`. The path, 100
    penalties from the smallest that keeps nothing, is fitted on all patients for the coefficients and in each fold for
    the error (mean squared error, or binomial deviance).

    rule : "min", the penalty of least error, or "1se", the largest within one standard error of it
    loss : "squared", the linear model on the 0/1 outcome, as LassoCV on a label; "logistic", as glmnet's binomial
    at_least : when the chosen penalty keeps fewer, it is lowered along the path until so many are kept
    Learned: `lambdas_` (L,), `coefs_` (p, L) per standard deviation, `cv_mean_`, `cv_se_` (L,), `lambda_`, `coef_`
    (p,), `intercept_`, `support_`, `kkt_` the worst optimality residual as a share of the penalty, `note_`.
    """

    method = "lasso"

    def __init__(
        self,
        folds: int = 10,
        rule: Literal["min", "1se"] = "min",
        loss: Literal["squared", "logistic"] = "squared",
        at_least: int = 1,
        random_state: int | None = None,
    ) -> None:
        self.folds = folds
        self.rule = rule
        self.loss = loss
        self.at_least = at_least
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None, groups: np.ndarray | None = None) -> LassoSelector:
        """X : (n, p) finite features; y : (n,) 0/1 with at least `folds` patients of each outcome.

        groups : (n,) rows of one group stay on one side of every fold
        """
        for name, allowed in (("rule", ("min", "1se")), ("loss", ("squared", "logistic"))):
            if getattr(self, name) not in allowed:
                raise InputError(f"{name} must be one of {allowed}; got {getattr(self, name)!r}")
        matrix, outcome = self._read(X, y)
        assert outcome is not None
        splits = stratified_folds(outcome, self.folds, self.random_state, "cross-validation of the LASSO", groups)
        Z, _, _ = lasso.standardise(matrix)
        if not Z.any():
            raise StageError(
                f"the LASSO cannot choose: each of the {Z.shape[1]} features is constant in these patients"
            )
        with threadpool_limits(1):
            path = lasso.fit_path(Z, outcome, lasso.lambda_grid(Z, outcome, self.loss), self.loss)
            error = lasso.cross_validate(matrix, outcome, path.lambdas, self.loss, splits)
        self.lambdas_, self.coefs_ = path.lambdas, path.coefs
        self.cv_mean_, self.cv_se_ = error.mean, error.se
        self.kkt_ = max(float(path.residuals.max()), error.residual)
        position = self._position(lasso.choose(error.mean, error.se, self.rule))
        self.lambda_ = float(self.lambdas_[position])
        self.coef_, self.intercept_ = self.coefs_[:, position].copy(), float(path.intercepts[position])
        self.support_ = self.coef_ != 0.0
        if self.kkt_ > 10 * lasso.KKT_TOLERANCE:
            self.note_ = "; ".join(
                filter(None, [self.note_, f"optimality residual {self.kkt_:.1e} of lambda at some penalty"])
            )
        return self

    def _position(self, chosen: int) -> int:
        """The chosen penalty, or the first smaller one that keeps `at_least` features (or as many as any keeps)."""
        kept = np.count_nonzero(self.coefs_, axis=0)
        if kept[chosen] >= self.at_least:
            return chosen
        wanted = min(self.at_least, int(kept[chosen:].max()))
        lower = chosen + int(np.argmax(kept[chosen:] >= wanted))
        self.note_ = (
            f"the penalty of rule {self.rule!r}, {self.lambdas_[chosen]:.4g}, keeps {kept[chosen]} features; "
            f"it was lowered to {self.lambdas_[lower]:.4g}, the largest that keeps {wanted}"
            + (f" (no penalty keeps {self.at_least})" if wanted < self.at_least else "")
        )
        return lower


class FeatureSelection(Selector):
    """Selection steps in turn, each fitted on the features that the one before it kept.

    steps : unfitted selectors; none keeps every feature
    Learned: `steps_` (fitted), `support_`, `note_`; `record()` is the report's `stages/selection.json`.
    """

    method = "sequence"

    def __init__(self, steps: Sequence[Selector] = ()) -> None:
        self.steps = steps

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = not self.steps or self.steps[0].allows_missing
        tags.target_tags.required = any(step.needs_outcome for step in self.steps)
        return tags

    def fit(self, X: Any, y: Any = None, groups: np.ndarray | None = None) -> FeatureSelection:
        """X : (n, p) features; y : (n,) 0/1; groups : (n,) rows that no fold separates."""
        matrix = validate_data(self, X, dtype=np.float64, ensure_all_finite=False)
        self.feature_names_ = np.array(_check_feature_names_in(self, None), dtype=object)
        table = pd.DataFrame(matrix, columns=self.feature_names_)
        self.steps_: list[Selector] = []
        kept = np.arange(matrix.shape[1])
        for step in self.steps:
            fitted = fit_grouped(clone(step), table.iloc[:, kept], y, groups)
            kept = kept[fitted.get_support()]
            self.steps_.append(fitted)
        self.support_ = np.zeros(matrix.shape[1], dtype=bool)
        self.support_[kept] = True
        self.note_ = "; ".join(f"{step.method}: {step.note_}" for step in self.steps_ if step.note_)
        return self

    def record(self) -> dict[str, Any]:
        """Every step's count and note, the LASSO path, and the selected features with their coefficients."""
        check_is_fitted(self, "support_")
        fitted = next((step for step in self.steps_ if isinstance(step, LassoSelector)), None)
        coefficients = {} if fitted is None else dict(zip(fitted.feature_names_, fitted.coef_.tolist(), strict=True))
        return {
            "steps": [
                {
                    "method": step.method,
                    "before": int(step.support_.size),
                    "after": int(step.support_.sum()),
                    "note": step.note_,
                }
                for step in self.steps_
            ],
            "lasso": None if fitted is None else _lasso_record(fitted),
            "selected": [
                {"feature": str(name), "coefficient": coefficients.get(name)}
                for name in self.feature_names_[self.support_]
            ],
        }


def _lasso_record(fitted: LassoSelector) -> dict[str, Any]:
    return {
        "loss": fitted.loss,
        "lambdas": fitted.lambdas_.tolist(),
        "features": [str(name) for name in fitted.feature_names_],
        "coefficients": fitted.coefs_.tolist(),
        "cv_mean": fitted.cv_mean_.tolist(),
        "cv_se": fitted.cv_se_.tolist(),
        "chosen": fitted.lambda_,
        "rule": fitted.rule,
    }


def select(X: pd.DataFrame, y: np.ndarray, steps: Sequence[Selector]) -> tuple[list[str], dict[str, Any]]:
    """Names kept by the steps in turn, in the table's order, and the record of how."""
    fitted = FeatureSelection(steps).fit(X, y)
    return [str(name) for name in fitted.get_feature_names_out()], fitted.record()
