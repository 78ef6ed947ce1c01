"""The sections of a protocol: every setting, its type, its range and its default.

Strict and frozen: an unknown key or a wrong type is refused, and nothing changes after reading.
"""

from typing import Annotated

from pydantic import Field

from validkit.sections.acceptance import Acceptance, BetterThan, Criterion
from validkit.sections.base import Fraction, Probability, Section
from validkit.sections.cohort import CohortSpec, Outcome, Phantom, Predictor
from validkit.sections.design import (
    AsGiven,
    BootstrapDesign,
    Design,
    External,
    Holdout,
    InternalExternal,
    KFold,
    Nested,
    RepeatedKFold,
)
from validkit.sections.estimators import (
    Bundle,
    Estimator,
    Estimators,
    EstimatorSearch,
    Harmonisation,
    Prediction,
    Predictions,
    Univariable,
)
from validkit.sections.evaluation import Bootstrap, Compare, DecisionCurve, Evaluation, HosmerLemeshow, Thresholds
from validkit.sections.header import Header, Seeds
from validkit.sections.imputation import Imputation
from validkit.sections.plnm import (
    BACKBONES,
    CLASSIFIERS,
    PLNM,
    Augment,
    Backbone,
    Classifier,
    Classifiers,
    Clinical,
    CrossFitting,
    Deep,
    Fusion,
    FusionSelect,
    Lasso,
    MannWhitney,
    Nomogram,
    Perturb,
    Radiomics,
    Reproducibility,
    Search,
    Selection,
    Spearman,
)
from validkit.sections.sentinels import Sentinel, Sentinels

Model = Annotated[PLNM | Estimators | Predictions | Bundle, Field(discriminator="kind")]

__all__ = [
    "BACKBONES",
    "CLASSIFIERS",
    "PLNM",
    "Acceptance",
    "AsGiven",
    "Augment",
    "Backbone",
    "BetterThan",
    "Bootstrap",
    "BootstrapDesign",
    "Bundle",
    "Classifier",
    "Classifiers",
    "Clinical",
    "CohortSpec",
    "Compare",
    "Criterion",
    "CrossFitting",
    "DecisionCurve",
    "Deep",
    "Design",
    "Estimator",
    "EstimatorSearch",
    "Estimators",
    "Evaluation",
    "External",
    "Fraction",
    "Fusion",
    "FusionSelect",
    "Harmonisation",
    "Header",
    "Holdout",
    "HosmerLemeshow",
    "Imputation",
    "InternalExternal",
    "KFold",
    "Lasso",
    "MannWhitney",
    "Model",
    "Nested",
    "Nomogram",
    "Outcome",
    "Perturb",
    "Phantom",
    "Prediction",
    "Predictions",
    "Predictor",
    "Probability",
    "Radiomics",
    "RepeatedKFold",
    "Reproducibility",
    "Search",
    "Section",
    "Seeds",
    "Selection",
    "Sentinel",
    "Sentinels",
    "Spearman",
    "Thresholds",
    "Univariable",
]
