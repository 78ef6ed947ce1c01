"""Models other than the PLNM model: any scikit-learn estimator, a locked bundle, or predictions made elsewhere."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from validkit.sections.base import Fraction, Section, Sha256, tuples
from validkit.sections.plnm import CrossFitting

BeforeSplit = Literal["imputation", "scaling", "selection"]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]


class Univariable(Section):
    """The predictors with the smallest p-values of a univariable test (ANOVA F) are kept."""

    keep: Annotated[int, Field(ge=1)] | None = None
    """how many"""
    alpha: Fraction | None = None
    """or all below this p-value, at least one"""

    @model_validator(mode="after")
    def _one_rule(self) -> Univariable:
        if (self.keep is None) == (self.alpha is None):
            raise ValueError("declare either `keep` or `alpha`")
        return self


class EstimatorSearch(Section):
    """Hyperparameters chosen by cross-validation on training patients: every combination of the lists."""

    parameters: dict[str, list[Any]]
    folds: Annotated[int, Field(ge=2)] = 5
    score: Literal["neg-log-loss", "roc-auc", "balanced-accuracy", "neg-brier"] = "neg-log-loss"

    @model_validator(mode="after")
    def _not_empty(self) -> EstimatorSearch:
        if not self.parameters or not all(self.parameters.values()):
            raise ValueError("`parameters` must give at least one value for each hyperparameter that is searched")
        return self


class Estimator(Section):
    """One model: a scikit-learn classifier by its import path, behind encoding, imputation, scaling and selection."""

    name: Name
    label: str = ""
    estimator: Annotated[str, Field(pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)+$")]
    parameters: dict[str, Any] = Field(default_factory=dict)
    predictors: tuple[str, ...] | None = None
    """the columns it sees; all that the cohort declares where left out"""
    missing: Literal["impute", "native"] = "impute"
    """"native": the estimator takes missing values itself (gradient boosting); nothing is imputed for it"""
    scale: bool = False
    select: Univariable | None = None
    search: EstimatorSearch | None = None
    recalibrate: Literal["none", "platt", "isotonic"] = "none"
    """on cross-fitted predictions of training patients"""

    @model_validator(mode="before")
    @classmethod
    def _lists_are_tuples(cls, data: Any) -> Any:
        return tuples(data, "predictors")


class Estimators(Section):
    """Any scikit-learn estimators side by side, each fitted inside every split."""

    kind: Literal["estimators"]
    estimators: tuple[Estimator, ...]
    cross_fitting: CrossFitting = CrossFitting()
    before_split: tuple[BeforeSplit, ...] = ()
    """what is learnt from ALL patients before the split, as some studies do: a leak, and reported as one"""

    @model_validator(mode="before")
    @classmethod
    def _lists_are_tuples(cls, data: Any) -> Any:
        return tuples(data, "estimators", "before_split")

    @model_validator(mode="after")
    def _distinct(self) -> Estimators:
        names = [one.name for one in self.estimators]
        if not names:
            raise ValueError("`estimators` must declare at least one model")
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"two estimators bear the name {twice[0]!r}; give each its own")
        if "selection" in self.before_split and not any(one.select for one in self.estimators):
            raise ValueError('before_split names "selection", and no estimator declares `select`')
        return self


class Prediction(Section):
    """A column of predicted risks."""

    name: Name
    column: str
    label: str = ""


class Predictions(Section):
    """Predictions made elsewhere: columns of the cohort's table that hold risks in [0, 1]."""

    kind: Literal["predictions"]
    columns: tuple[Prediction, ...]

    @model_validator(mode="before")
    @classmethod
    def _lists_are_tuples(cls, data: Any) -> Any:
        return tuples(data, "columns")

    @model_validator(mode="after")
    def _distinct(self) -> Predictions:
        names = [one.name for one in self.columns]
        if not names:
            raise ValueError("`columns` must declare at least one column of predictions")
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"two columns bear the name {twice[0]!r}; give each its own")
        return self


class Harmonisation(Section):
    """A new centre's measurements brought to those of development, without a look at outcomes."""

    method: Literal["combat"] = "combat"
    features: tuple[str, ...] = ()
    """radiomic features, all that the model looks at where none is named; or, of a table, continuous predictors"""
    covariates: tuple[str, ...] = ()
    """predictors whose effect on the features is that at home: what they explain is no difference of centres"""
    shrink: bool = True
    """towards the other features, by empirical Bayes"""

    @model_validator(mode="before")
    @classmethod
    def _lists_are_tuples(cls, data: Any) -> Any:
        return tuples(data, "features", "covariates")


class Bundle(Section):
    """A locked model, written by an earlier run: nothing of it is fitted again."""

    kind: Literal["bundle"]
    file: str
    """the bundle, a file; relative to the current folder"""
    accept: tuple[str, ...] = ()
    """findings on this centre, such as "unit:max_diameter", that somebody has looked at and found harmless"""
    harmonisation: Harmonisation | None = None
    """what is harmonised; nothing where it is not declared"""
    sha256: Sha256 | None = None
    """of the file: another one is refused. Read from the file where it is not declared and a run, a plan or a seal
    needs it. Where it is known it stands for the model, and the place of the file is no part of the protocol."""

    @model_validator(mode="before")
    @classmethod
    def _lists_are_tuples(cls, data: Any) -> Any:
        return tuples(data, "accept")

    @model_serializer(mode="wrap")
    def _without_place(self, whole: SerializerFunctionWrapHandler) -> dict[str, Any]:
        told: dict[str, Any] = whole(self)
        return told if self.sha256 is None else {key: value for key, value in told.items() if key != "file"}
