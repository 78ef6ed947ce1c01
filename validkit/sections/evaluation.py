"""What is computed from predictions."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from validkit.sections.base import Fraction, Probability, Section, tuples


class Bootstrap(Section):
    replicates: Annotated[int, Field(ge=0, le=1_000_000)] = 2000
    interval: Literal["percentile", "bca"] = "percentile"
    stratified: bool = True


class HosmerLemeshow(Section):
    groups: Annotated[int, Field(ge=3, le=100)] = 10


class Thresholds(Section):
    choose: Literal["youden", "fixed", "developed"] = "youden"
    """"developed": the threshold that a locked model brings, chosen on the patients it was fitted to"""
    value: Probability | None = None
    """with choose = "fixed": the operating threshold itself"""
    on: Literal["training", "training-cross-fitted"] = "training-cross-fitted"
    also: tuple[Probability, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _lists_are_tuples(cls, data: Any) -> Any:
        return tuples(data, "also")

    @model_validator(mode="after")
    def _fixed_has_a_value(self) -> Thresholds:
        if (self.choose == "fixed") != (self.value is not None):
            raise ValueError('`value` and choose = "fixed" belong together; declare both or neither')
        return self


class DecisionCurve(Section):
    from_: Annotated[float, Field(alias="from", ge=0.0, lt=1.0)] = 0.0
    to: Annotated[float, Field(gt=0.0, le=1.0)] = 1.0
    step: Annotated[float, Field(gt=0.0, le=0.5)] = 0.01
    focus: tuple[Probability, Probability] = (0.1, 0.5)

    @model_validator(mode="before")
    @classmethod
    def _lists_are_tuples(cls, data: Any) -> Any:
        return tuples(data, "focus")


class Compare(Section):
    test: Literal["delong"] = "delong"
    reference: str = "nomogram"
    adjust: Literal["holm", "hochberg", "bh", "none"] = "holm"


class Precision(Section):
    """How wide intervals may be at a new centre that is called large enough; by default those of pmvalsampsize."""

    oe: Annotated[float, Field(gt=0.0)] = 0.2
    slope: Annotated[float, Field(gt=0.0)] = 0.2
    auc: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.1
    net_benefit: Annotated[float, Field(gt=0.0)] = 0.2
    """of the standardised net benefit at the operating threshold"""


class Evaluation(Section):
    level: Fraction = 0.95
    combine: Literal["average", "per-repeat", "pool"] = "average"
    """how several predictions of one patient are judged: their mean; each repeat, then the mean over repeats; or all
    rows together. Intervals come from patients, never from rows"""
    auc: Literal["delong", "logit-delong"] = "delong"
    bootstrap: Bootstrap = Bootstrap()
    hosmer_lemeshow: HosmerLemeshow = HosmerLemeshow()
    calibration_curve: Literal["loess"] = "loess"
    thresholds: Thresholds = Thresholds()
    decision_curve: DecisionCurve = DecisionCurve()
    compare: Compare = Compare()
    precision: Precision = Precision()
