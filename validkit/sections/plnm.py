"""The settings of the PLNM model."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from validkit.sections.base import Fraction, Probability, Section, tuples

BACKBONES = ("densenet121", "resnet50", "alexnet", "efficientnet-lite0")
CLASSIFIERS = ("lr", "svm", "knn", "random-forest", "extra-trees", "xgboost", "lightgbm", "mlp")

Backbone = Literal["densenet121", "resnet50", "alexnet", "efficientnet-lite0"]
Classifier = Literal["lr", "svm", "knn", "random-forest", "extra-trees", "xgboost", "lightgbm", "mlp"]


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
        return tuples(data, "intra", "inter")

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
        return tuples(data, "select")

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
    frozen: bool = False
    """also fit a linear head on each network as it came, and judge it beside the fine-tuned one; it is never chosen"""
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
    precision: Literal["auto", "fp32", "tf32", "bf16"] = "auto"
    """what networks compute in; "auto": bf16 on a CUDA device, fp32 on the CPU; tf32 is for CUDA alone"""
    deterministic: bool = True
    """on a CUDA device: the same bytes twice; false takes the fastest algorithms, whose sums may come in any order"""
    choose: Literal["inner-validation", "cross-validation", "held-out auc"] = "inner-validation"
    """by the AUC on the part set aside for early stopping; by that over the folds of `model.cross_fitting`; or, as the
    paper did, by looking at held-out outcomes"""
    saliency: Annotated[int, Field(ge=0)] = 0
    """example patients whose image, outline and saliency map go into the run folder and its report; 0 shares none"""

    @model_validator(mode="before")
    @classmethod
    def _lists_are_tuples(cls, data: Any) -> Any:
        return tuples(data, "backbones")

    @model_validator(mode="after")
    def _possible(self) -> Deep:
        if not self.backbones:
            raise ValueError(f"`backbones` must name at least one of {list(BACKBONES)}")
        if len(set(self.backbones)) != len(self.backbones):
            raise ValueError(f"`backbones` names one twice: {list(self.backbones)}")
        if self.weights == "none" and self.train == "head":
            raise ValueError('weights = "none" with train = "head" would embed with a random network; train = "all"')
        if self.frozen and (self.weights == "none" or self.train == "head"):
            raise ValueError('frozen = true needs fine-tuned layers beside it (train = "all") and weights, not "none"')
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
        return tuples(data, "use")

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
        return tuples(data, "candidates")


class Nomogram(Section):
    predictors: tuple[str, ...] | Literal["independent"] = "independent"
    """the clinical columns of the nomogram, or "independent": those that Table 2 finds"""
    fusion_score: Literal["cross-fitted", "resubstituted"] = "cross-fitted"
    score_scale: Literal["probability", "logit"] = "probability"
    recalibrate: Literal["platt", "none"] = "platt"

    @model_validator(mode="before")
    @classmethod
    def _lists_are_tuples(cls, data: Any) -> Any:
        return tuples(data, "predictors")


class PLNM(Section):
    """The whole PLNM model."""

    kind: Literal["plnm"]
    before_split: tuple[Literal["selection"], ...] = ()
    """"selection": ICC filter and feature selection see ALL patients before the split, as some radiomics studies do: a
    leak, and reported as one"""
    reproducibility: Reproducibility
    radiomics: Radiomics = Radiomics()
    deep: Deep = Deep()
    fusion: Fusion = Fusion()
    classifiers: Classifiers = Classifiers()
    cross_fitting: CrossFitting = CrossFitting()
    clinical: Clinical = Clinical()
    nomogram: Nomogram = Nomogram()

    @model_validator(mode="before")
    @classmethod
    def _lists_are_tuples(cls, data: Any) -> Any:
        return tuples(data, "before_split")
