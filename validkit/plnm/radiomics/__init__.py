"""Radiomics: features of an image inside an outline, measured by PyRadiomics 3.0.1 under two presets."""

from validkit.durable import default_cache
from validkit.plnm.radiomics.batch import Extraction, Undefined, extract_cohort, would_overflow
from validkit.plnm.radiomics.extraction import extract
from validkit.plnm.radiomics.lesions import Lesion, Perturbation, perturbed
from validkit.plnm.radiomics.presets import PRESETS, feature_names
from validkit.plnm.radiomics.screening import FeatureScreen, screen_features

__all__ = [
    "PRESETS",
    "Extraction",
    "FeatureScreen",
    "Lesion",
    "Perturbation",
    "Undefined",
    "default_cache",
    "extract",
    "extract_cohort",
    "feature_names",
    "perturbed",
    "screen_features",
    "would_overflow",
]
