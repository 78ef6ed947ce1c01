"""The sections of a protocol: every setting, its type, its range and its default.

Strict and frozen: an unknown key or a wrong type is refused, and nothing changes after reading.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

BACKBONES = ("densenet121", "resnet50", "alexnet", "efficientnet-lite0")
CLASSIFIERS = ("lr", "svm", "knn", "random-forest", "extra-trees", "xgboost", "lightgbm", "mlp")

Backbone = Literal["densenet121", "resnet50", "alexnet", "efficientnet-lite0"]
Classifier = Literal["lr", "svm", "knn", "random-forest", "extra-trees", "xgboost", "lightgbm", "mlp"]
Probability = Annotated[float, Field(ge=0.0, le=1.0)]
Fraction = Annotated[float, Field(gt=0.0, lt=1.0)]


def _tuples(data: Any, *names: str) -> Any:
    """TOML has lists; frozen sections hold tuples."""
    if not isinstance(data, Mapping):
        return data
    return {k: tuple(v) if k in names and isinstance(v, list) else v for k, v in data.items()}


class Section(BaseModel):
    """Base of every section: strict types, no unknown keys, no change after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


# --- [protocol] ------------------------------------------------------------------------------


class Seeds(Section):
    split: Annotated[int, Field(ge=0, lt=2**32)] = 42
    torch: Annotated[int, Field(ge=0, lt=2**32)] = 3407


class Header(Section):
    schema_: Annotated[Literal[1], Field(alias="schema")] = 1
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    question: str
    source: str = ""
    note: str = ""
    seed: Seeds = Seeds()


# --- [cohort] --------------------------------------------------------------------------------


class Phantom(Section):
    """The synthetic cohort that is simulated when no --cohort is given."""

    phantom: Literal["plnm"] = "plnm"
    patients: Annotated[int, Field(ge=20, le=100_000)] = 421
    sites: Annotated[int, Field(ge=1, le=50)] = 1
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 42


class Outcome(Section):
    """column: name in cohort.csv; event: the value, 0 or 1, that means the event happened."""

    column: str
    event: Literal[0, 1] = 1
    positive: str = "event"
    negative: str = "no event"


class Predictor(Section):
    """A clinical column: how to read it, its unit, and what it may hold."""

    kind: Literal["continuous", "ordinal", "categorical", "binary"]
    label: str = ""
    unit: str = ""
    range: tuple[float, float] | None = None
    levels: tuple[str, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _lists_are_tuples(cls, data: Any) -> Any:
        return _tuples(data, "range", "levels")

    @model_validator(mode="after")
    def _levels_fit_kind(self) -> Predictor:
        if self.kind in ("categorical", "ordinal") and len(self.levels) < 2:
            raise ValueError(f"a predictor of kind {self.kind!r} needs `levels`, at least two, in order")
        if self.kind in ("continuous", "binary") and self.levels:
            raise ValueError(f"a predictor of kind {self.kind!r} has no `levels`; remove them or declare the kind")
        if self.range is not None and not self.range[0] < self.range[1]:
            raise ValueError(f"`range` must be [low, high] with low < high; got {list(self.range)}")
        return self


class CohortSpec(Section):
    """Roles: which column of cohort.csv is what. A centre renames nothing in its files."""

    default: Phantom | None = None
    patient: str = "patient_id"
    outcome: Outcome
    site: str | None = None
    image: str = "image"
    outlines: dict[str, str]
    mask_alignment: Literal["index", "physical"] | None = None
    outline_label: Annotated[int, Field(ge=1, le=65535)] | None = None
    colour: Literal["refuse", "luminance"] = "refuse"
    pieces: Literal["refuse", "largest"] = "refuse"
    border: Literal["refuse", "allow"] = "refuse"
    missing: Literal["refuse", "exclude"] = "refuse"
    duplicates: Literal["refuse", "allow"] = "refuse"
    predictors: dict[str, Predictor] = {}

    @model_validator(mode="after")
    def _has_an_outline(self) -> CohortSpec:
        if not self.outlines:
            raise ValueError('`outlines` must name at least one reader, for example { reader_a = "mask" }')
        used = [self.patient, self.outcome.column, self.image, *self.outlines.values(), *self.predictors]
        used += [self.site] if self.site else []
        twice = sorted({name for name in used if used.count(name) > 1})
        if twice:
            raise ValueError(f"column {twice[0]!r} has two roles; give each column one role")
        return self

    @property
    def primary(self) -> str:
        """The role of the outline the model is built on: the first declared."""
        return next(iter(self.outlines))


# --- [design] --------------------------------------------------------------------------------


class Design(Section):
    kind: Literal["holdout"] = "holdout"
    test: Fraction = 0.30
    stratify: Literal["outcome", "none"] = "outcome"


# --- [model] ---------------------------------------------------------------------------------


class Perturb(Section):
    """Randomised contours, for cohorts with one outline per patient."""

    copies: Annotated[int, Field(ge=1, le=20)] = 2
    patients: Annotated[int, Field(ge=10)] = 50
    displacement: Annotated[float, Field(gt=0.0, le=0.5)] = 0.05
    """standard deviation of the contour's displacement, as a share of the lesion's equivalent radius"""


class Reproducibility(Section):
    icc: Literal["ICC(1,1)", "ICC(2,1)", "ICC(3,1)"] = "ICC(2,1)"
    minimum: Annotated[float, Field(ge=-1.0, le=1.0)] = 0.75
    keep: Literal["both", "either"] = "both"
    intra: tuple[str, ...] = ()
    inter: tuple[str, ...] = ()
    perturb: Perturb | None = None

    @model_validator(mode="before")
    @classmethod
    def _lists_are_tuples(cls, data: Any) -> Any:
        return _tuples(data, "intra", "inter")

    @model_validator(mode="after")
    def _some_repeats(self) -> Reproducibility:
        if not (self.intra or self.inter or self.perturb):
            raise ValueError(
                "declare repeated outlines (`intra` and/or `inter`) or ask for randomised ones: "
                "perturb = { copies = 2, patients = 50 }"
            )
        for name in ("intra", "inter"):
            roles = getattr(self, name)
            if roles and len(roles) < 2:
                raise ValueError(f"`{name}` needs at least two outlines; got {list(roles)}")
        return self


class MannWhitney(Section):
    method: Literal["mann-whitney"]
    alpha: Fraction = 0.05
    at_least: Annotated[int, Field(ge=1)] = 1


class Spearman(Section):
    method: Literal["spearman"]
    above: Annotated[float, Field(gt=0.0, le=1.0)] = 0.9


class Lasso(Section):
    method: Literal["lasso"]
    folds: Annotated[int, Field(ge=2)] = 10
    rule: Literal["min", "1se"] = "min"
    loss: Literal["squared", "logistic"] = "squared"
    at_least: Annotated[int, Field(ge=1)] = 1


Selection = Annotated[MannWhitney | Spearman | Lasso, Field(discriminator="method")]


class Radiomics(Section):
    preset: Literal["paper1561", "sound2d"] = "sound2d"
    bin_width: Annotated[float, Field(gt=0.0)] | None = None
    bin_count: Annotated[int, Field(ge=2)] | None = None
    drop_uninformative: bool = False
    select: tuple[Selection, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _lists_are_tuples(cls, data: Any) -> Any:
        return _tuples(data, "select")

    @model_validator(mode="after")
    def _one_binning(self) -> Radiomics:
        if self.bin_width is not None and self.bin_count is not None:
            raise ValueError("`bin_width` and `bin_count` exclude each other; keep one")
        methods = [step.method for step in self.select]
        if len(set(methods)) != len(methods):
            raise ValueError(f"each selection method may be used once; got {methods}")
        return self


class Augment(Section):
    crop: Annotated[float, Field(ge=0.0, le=0.5)] = 0.15
    flip: Probability = 0.5
    intensity: Annotated[float, Field(ge=0.0, le=0.9)] = 0.20


class Deep(Section):
    backbones: tuple[Backbone, ...] = ("densenet121", "resnet50", "alexnet")
    weights: str = "imagenet"
    """"imagenet", "none", or a path of a file or a folder of weights"""
    train: Literal["all", "head"] = "all"
    image_size: Annotated[int, Field(ge=32, le=512)] = 128
    embedding: Literal["pooled", "flatten"] = "pooled"
    components: Annotated[int, Field(ge=1)] = 64
    epochs: Annotated[int, Field(ge=1)] = 50
    patience: Annotated[int, Field(ge=1)] = 10
    batch_size: Annotated[int, Field(ge=2)] = 32
    learning_rate: Annotated[float, Field(gt=0.0)] = 1e-4
    weight_decay: Annotated[float, Field(ge=0.0)] = 1e-4
    inner_validation: Fraction = 0.2
    augment: Augment = Augment()
    imbalance: Literal["weighted-loss", "balanced-sampling", "none"] = "weighted-loss"
    choose: Literal["inner-validation", "held-out auc"] = "inner-validation"
    saliency: Annotated[int, Field(ge=0)] = 0
    """example patients whose image, outline and saliency map go into the run folder and its report; 0 shares none"""

    @model_validator(mode="before")
    @classmethod
    def _lists_are_tuples(cls, data: Any) -> Any:
        return _tuples(data, "backbones")

    @model_validator(mode="after")
    def _possible(self) -> Deep:
        if not self.backbones:
            raise ValueError(f"`backbones` must name at least one of {list(BACKBONES)}")
        if len(set(self.backbones)) != len(self.backbones):
            raise ValueError(f"`backbones` names one twice: {list(self.backbones)}")
        if self.weights == "none" and self.train == "head":
            raise ValueError('weights = "none" with train = "head" would embed with a random network; train = "all"')
        if "alexnet" in self.backbones and self.image_size < 63:
            raise ValueError("alexnet needs image_size >= 63")
        return self


class FusionSelect(Section):
    method: Literal["rfe"] = "rfe"
    radiomics: Annotated[int, Field(ge=1)] = 7
    deep: Annotated[int, Field(ge=1)] = 9


class Fusion(Section):
    select: FusionSelect = FusionSelect()


class Search(Section):
    folds: Annotated[int, Field(ge=2)] = 10
    score: Literal["balanced-accuracy", "roc-auc", "neg-log-loss"] = "balanced-accuracy"
    grid: Literal["full", "small"] = "full"


class Classifiers(Section):
    use: tuple[Classifier, ...] = CLASSIFIERS  # type: ignore[assignment]
    choose: Literal["inner-validation", "held-out auc"] = "inner-validation"
    search: Search = Search()

    @model_validator(mode="before")
    @classmethod
    def _lists_are_tuples(cls, data: Any) -> Any:
        return _tuples(data, "use")

    @model_validator(mode="after")
    def _some(self) -> Classifiers:
        if not self.use:
            raise ValueError(f"`use` must name at least one of {list(CLASSIFIERS)}")
        if len(set(self.use)) != len(self.use):
            raise ValueError(f"`use` names one twice: {list(self.use)}")
        return self


class CrossFitting(Section):
    """Folds in which everything that sees images is fitted again: predictions of patients it was not fitted to."""

    folds: Annotated[int, Field(ge=2)] = 5


class Clinical(Section):
    """Which predictors may enter, and how independent ones are found (Table 2)."""

    candidates: tuple[str, ...] | None = None
    univariable_alpha: Fraction = 0.05
    multivariable_alpha: Fraction = 0.05

    @model_validator(mode="before")
    @classmethod
    def _lists_are_tuples(cls, data: Any) -> Any:
        return _tuples(data, "candidates")


class Nomogram(Section):
    predictors: tuple[str, ...] | Literal["independent"] = "independent"
    """the clinical columns of the nomogram, or "independent": those that Table 2 finds"""
    fusion_score: Literal["cross-fitted", "resubstituted"] = "cross-fitted"
    score_scale: Literal["probability", "logit"] = "probability"
    recalibrate: Literal["platt", "none"] = "platt"

    @model_validator(mode="before")
    @classmethod
    def _lists_are_tuples(cls, data: Any) -> Any:
        return _tuples(data, "predictors")


class Model(Section):
    kind: Literal["plnm"] = "plnm"
    reproducibility: Reproducibility
    radiomics: Radiomics = Radiomics()
    deep: Deep = Deep()
    fusion: Fusion = Fusion()
    classifiers: Classifiers = Classifiers()
    cross_fitting: CrossFitting = CrossFitting()
    clinical: Clinical = Clinical()
    nomogram: Nomogram = Nomogram()


# --- [evaluation] ----------------------------------------------------------------------------


class Bootstrap(Section):
    replicates: Annotated[int, Field(ge=0, le=1_000_000)] = 2000
    interval: Literal["percentile", "bca"] = "percentile"
    stratified: bool = True


class HosmerLemeshow(Section):
    groups: Annotated[int, Field(ge=3, le=100)] = 10


class Thresholds(Section):
    choose: Literal["youden"] = "youden"
    on: Literal["training", "training-cross-fitted"] = "training-cross-fitted"
    also: tuple[Probability, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _lists_are_tuples(cls, data: Any) -> Any:
        return _tuples(data, "also")


class DecisionCurve(Section):
    from_: Annotated[float, Field(alias="from", ge=0.0, lt=1.0)] = 0.0
    to: Annotated[float, Field(gt=0.0, le=1.0)] = 1.0
    step: Annotated[float, Field(gt=0.0, le=0.5)] = 0.01
    focus: tuple[Probability, Probability] = (0.1, 0.5)

    @model_validator(mode="before")
    @classmethod
    def _lists_are_tuples(cls, data: Any) -> Any:
        return _tuples(data, "focus")


class Compare(Section):
    test: Literal["delong"] = "delong"
    reference: str = "nomogram"
    adjust: Literal["holm", "hochberg", "bh", "none"] = "holm"


class Evaluation(Section):
    level: Fraction = 0.95
    auc: Literal["delong", "logit-delong"] = "delong"
    bootstrap: Bootstrap = Bootstrap()
    hosmer_lemeshow: HosmerLemeshow = HosmerLemeshow()
    calibration_curve: Literal["loess"] = "loess"
    thresholds: Thresholds = Thresholds()
    decision_curve: DecisionCurve = DecisionCurve()
    compare: Compare = Compare()
