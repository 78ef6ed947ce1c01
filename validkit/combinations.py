"""Settings that are sound each by itself and impossible together; each with the mend."""

from __future__ import annotations

from typing import TYPE_CHECKING

from validkit.sections import (
    PLNM,
    AsGiven,
    BootstrapDesign,
    Bundle,
    Estimators,
    External,
    Holdout,
    InternalExternal,
    Nested,
    Predictions,
)

if TYPE_CHECKING:
    from validkit.protocol import Protocol

BRANCHES = ("radiomics", "fusion")
"""parts of the PLNM model of which each classifier is judged besides the chosen one"""


def impossible(protocol: Protocol) -> list[str]:
    """Every impossible combination of a protocol's settings, in words."""
    checks = (_roles, _model, _nested, _held_out_choice, _imputation, _before_split, _acceptance)
    return [fault for check in checks for fault in check(protocol)]


def _roles(protocol: Protocol) -> list[str]:
    """Designs that need a column which the cohort does not declare."""
    cohort, design, faults = protocol.cohort, protocol.design, []
    if isinstance(design, Holdout) and design.by == "date" and cohort.date is None:
        faults.append('design.by = "date" needs cohort.date, the column with the day of the examination')
    if isinstance(design, Holdout) and design.by == "device" and cohort.device is None:
        faults.append('design.by = "device" needs cohort.device, the column that names the device')
    if isinstance(design, InternalExternal) and cohort.site is None:
        faults.append('design.kind = "internal-external" needs cohort.site, the column that names the site')
    return faults


def _model(protocol: Protocol) -> list[str]:
    """Models and designs that do not belong together."""
    model, design, thresholds = protocol.model, protocol.design, protocol.evaluation.thresholds
    faults = []
    if isinstance(model, PLNM) and protocol.cohort.kind == "table":
        faults.append('model.kind = "plnm" needs images; cohort.kind = "table" has none')
    if isinstance(model, Predictions) != isinstance(design, AsGiven):
        faults.append(
            'design.kind = "as-given" and model.kind = "predictions" belong together; declare both or neither'
        )
    if isinstance(model, Bundle) != isinstance(design, External):
        faults.append('design.kind = "external" and model.kind = "bundle" belong together; declare both or neither')
    if isinstance(model, Predictions) and thresholds.choose != "fixed":
        faults.append(
            "evaluation.thresholds: predictions made elsewhere have no training patients to choose a threshold on; "
            'declare choose = "fixed" and `value`'
        )
    if isinstance(model, Bundle) and thresholds.choose == "youden":
        faults.append(
            "evaluation.thresholds: a locked model has no training patients here to choose a threshold on; declare "
            'choose = "developed" (the bundle\'s own), or "fixed" and `value`'
        )
    if not isinstance(model, Bundle) and thresholds.choose == "developed":
        faults.append('evaluation.thresholds: choose = "developed" is for a locked model; declare "youden" or "fixed"')
    if isinstance(model, Estimators) and not protocol.cohort.predictors:
        faults.append("model.estimators need predictors; declare them in [cohort.predictors]")
    return faults


def _nested(protocol: Protocol) -> list[str]:
    """A nested design makes every choice inside."""
    if not isinstance(protocol.design, Nested):
        return []
    model, thresholds, faults = protocol.model, protocol.evaluation.thresholds, []
    if thresholds.choose == "youden" and thresholds.on != "training-cross-fitted":
        faults.append('a nested design needs evaluation.thresholds.on = "training-cross-fitted"')
    if isinstance(model, PLNM):
        if model.deep.choose == "held-out auc" or model.classifiers.choose == "held-out auc":
            faults.append('a nested design chooses inside: no `choose = "held-out auc"`')
        if len(model.deep.backbones) > 1 and model.deep.choose == "inner-validation":
            faults.append(
                'a nested design with several backbones needs model.deep.choose = "cross-validation": the part set '
                "aside for early stopping has already been used"
            )
        if model.nomogram.fusion_score != "cross-fitted":
            faults.append('a nested design needs model.nomogram.fusion_score = "cross-fitted"')
    if getattr(model, "before_split", ()):
        faults.append("a nested design learns nothing before the split: remove model.before_split")
    return faults


def _imputation(protocol: Protocol) -> list[str]:
    imputation, faults = protocol.imputation, []
    if imputation.method == "simple" and imputation.copies > 1:
        faults.append(
            'imputation.copies > 1 needs method = "iterative": simple imputation gives the same copy each time'
        )
    if protocol.copies > 1 and isinstance(protocol.design, BootstrapDesign):
        faults.append(
            "a bootstrap design imputes anew in each resample and takes one copy there; set imputation.copies = 1"
        )
    if protocol.cohort.missing == "impute" and isinstance(protocol.model, Predictions):
        faults.append('cohort.missing = "impute" is for models that look at predictors; use "refuse" or "exclude"')
    return faults


def _held_out_choice(protocol: Protocol) -> list[str]:
    """A choice by held-out AUC needs patients who are held out, in every fit."""
    design = protocol.design
    if not protocol.chooses_by_held_out or isinstance(design, Nested):
        return []
    inside = 'choose inside: "inner-validation"'
    if isinstance(design, BootstrapDesign):
        return [f'a bootstrap design holds nobody out whose AUC could be chosen by; {inside}, not "held-out auc"']
    if design.final:
        return [
            'choose = "held-out auc" cannot be done in the fit to all patients, which holds nobody out; '
            f"set design.final = false, or {inside}"
        ]
    return []


def _before_split(protocol: Protocol) -> list[str]:
    """What is learnt before the split must mean something, and be learnable there."""
    named, faults = getattr(protocol.model, "before_split", ()), []
    if named and isinstance(protocol.design, BootstrapDesign):
        faults.append(
            "model.before_split has no meaning in a bootstrap design, whose optimism it would hide; remove it"
        )
    return faults


def _acceptance(protocol: Protocol) -> list[str]:
    """Criteria that this protocol's figures could never decide."""
    criteria, faults = protocol.acceptance.criteria, []
    judged = protocol.acceptance.model or protocol.evaluation.compare.reference
    resampled = isinstance(protocol.design, BootstrapDesign)
    for name, criterion in criteria.items():
        place, other = f"acceptance.{name}", criterion.better_than
        if other is not None and resampled:
            faults.append(
                f"{place}.better_than has no answer in a bootstrap design, whose figures are corrected for optimism "
                "and not paired patient by patient; declare `low`, `high` or `within`"
            )
        elif other is not None and other.model == judged and protocol.acceptance.model is None:
            faults.append(
                f"{place}.better_than compares {judged!r} with itself: it is the model judged, for it is "
                "evaluation.compare.reference; name another, or declare acceptance.model"
            )
        if criterion.at and resampled:
            faults.append(
                f"{place}.at: a bootstrap design corrects measures at the operating threshold alone; remove `at`, or "
                'declare evaluation.thresholds.choose = "fixed" with that `value`'
            )
    branch, _, classifier = judged.partition("/")
    if criteria and resampled and isinstance(protocol.model, PLNM) and branch in BRANCHES and classifier:
        faults.append(
            f"acceptance judges {judged!r}, and a bootstrap design corrects every measure of whole models alone; "
            f"judge {branch!r}"
        )
    return faults
