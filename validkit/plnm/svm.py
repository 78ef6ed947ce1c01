"""A support vector machine whose probabilities come from Platt's sigmoid on cross-fitted decision values."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from scipy.special import expit
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.model_selection import cross_val_predict
from sklearn.svm import SVC
from sklearn.utils import Tags
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from validkit.errors import StageError
from validkit.plnm.folds import fewest, stratified_folds, two_classes
from validkit.plnm.platt import fit_platt


class PlattSVC(ClassifierMixin, BaseEstimator):
    """Radial-basis SVM with Platt-scaled probabilities, for two classes.

    The machine is fitted on all patients. Decision values of patients it has not seen, from `folds` inner stratified
    folds, teach the sigmoid; this is what libsvm's `probability=True` does, with folds that are stratified and owned by
    `random_state`. `predict` follows the sign of the decision value, as libsvm does, so that class weights act on it;
    it can disagree with `predict_proba` near 0.5.

    folds : inner folds; fewer when a class has fewer patients, at least two
    Learned: `svc_`, `slope_`, `intercept_`: log odds of the second class = slope_ * decision + intercept_. Decision
    values that do not vary teach no slope: it is 0, and every patient gets the prevalence. A slope below 0 is kept, as
    libsvm keeps it: it says that the machine ranks unseen patients the wrong way round.
    """

    def __init__(
        self,
        C: float = 1.0,
        gamma: float | Literal["scale", "auto"] = "scale",
        *,
        class_weight: Literal["balanced"] | dict[Any, float] | None = None,
        folds: int = 5,
        random_state: int | None = None,
    ) -> None:
        self.C = C
        self.gamma = gamma
        self.class_weight = class_weight
        self.folds = folds
        self.random_state = random_state

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        return tags

    def fit(self, X: Any, y: Any, groups: np.ndarray | None = None) -> PlattSVC:
        """X : (n, p) finite, best standardised; y : (n,) labels of two classes, two patients of each at least.

        groups : (n,) rows of one group stay on one side of the folds of the Platt scaling
        """
        X, y = validate_data(self, X, y, dtype=np.float64)
        check_classification_targets(y)
        self.classes_, encoded = two_classes(y, "PlattSVC")
        machine = SVC(C=self.C, gamma=self.gamma, class_weight=self.class_weight)
        folds = min(self.folds, fewest(encoded, groups))
        if folds < 2:
            raise StageError("Platt scaling needs at least 2 patients of each class; one class has 1")
        splits = stratified_folds(encoded, folds, self.random_state, "Platt scaling", groups)
        unseen = cross_val_predict(machine, X, y, cv=splits, method="decision_function")
        if np.ptp(unseen) > 0:
            self.slope_, self.intercept_ = fit_platt(unseen, encoded)
        else:
            self.slope_, self.intercept_ = 0.0, float(np.log((encoded.sum() + 1) / (encoded.size - encoded.sum() + 1)))
        self.svc_ = machine.fit(X, y)
        return self

    def decision_function(self, X: Any) -> np.ndarray:
        """(n,) signed distance to the boundary; positive for the second class."""
        check_is_fitted(self, "svc_")
        return self.svc_.decision_function(validate_data(self, X, dtype=np.float64, reset=False))

    def predict(self, X: Any) -> np.ndarray:
        """(n,) class by the sign of the decision value."""
        event = self.decision_function(X) > 0
        return self.classes_[event.astype(int)]

    def predict_proba(self, X: Any) -> np.ndarray:
        """(n, 2) Platt-scaled probabilities, columns as `classes_`."""
        decision = self.decision_function(X)
        logit = self.slope_ * decision + self.intercept_
        return np.column_stack([expit(-logit), expit(logit)])
