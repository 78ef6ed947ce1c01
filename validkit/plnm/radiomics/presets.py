"""The two presets: which filtered images and features are measured, under which PyRadiomics settings.

`paper1561` is the one reading of Wang et al. (Front Oncol 2025, 10.3389/fonc.2025.1681029) that gives their 1,561
features: the image as a volume of one slice, 14 shape features, and 17 images x 91 features (GLCM without SumAverage
and MCC, as in PyRadiomics' example settings). `sound2d` gives 1,311 features on what an ultrasound image is, a plane:
9 shape features and 14 images x 93.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from validkit.errors import InputError


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


SHAPE_3D = _words(
    "Elongation Flatness LeastAxisLength MajorAxisLength Maximum2DDiameterColumn Maximum2DDiameterRow "
    "Maximum2DDiameterSlice Maximum3DDiameter MeshVolume MinorAxisLength Sphericity SurfaceArea SurfaceVolumeRatio "
    "VoxelVolume"
)
SHAPE_2D = _words(
    "Elongation MajorAxisLength MaximumDiameter MeshSurface MinorAxisLength Perimeter PerimeterSurfaceRatio "
    "PixelSurface Sphericity"
)
FIRST_ORDER = _words(
    "10Percentile 90Percentile Energy Entropy InterquartileRange Kurtosis Maximum MeanAbsoluteDeviation Mean Median "
    "Minimum Range RobustMeanAbsoluteDeviation RootMeanSquared Skewness TotalEnergy Uniformity Variance"
)
GLCM = _words(
    "Autocorrelation ClusterProminence ClusterShade ClusterTendency Contrast Correlation DifferenceAverage "
    "DifferenceEntropy DifferenceVariance Id Idm Idmn Idn Imc1 Imc2 InverseVariance JointAverage JointEnergy "
    "JointEntropy MCC MaximumProbability SumAverage SumEntropy SumSquares"
)
GLRLM = _words(
    "GrayLevelNonUniformity GrayLevelNonUniformityNormalized GrayLevelVariance HighGrayLevelRunEmphasis "
    "LongRunEmphasis LongRunHighGrayLevelEmphasis LongRunLowGrayLevelEmphasis LowGrayLevelRunEmphasis RunEntropy "
    "RunLengthNonUniformity RunLengthNonUniformityNormalized RunPercentage RunVariance ShortRunEmphasis "
    "ShortRunHighGrayLevelEmphasis ShortRunLowGrayLevelEmphasis"
)
GLSZM = _words(
    "GrayLevelNonUniformity GrayLevelNonUniformityNormalized GrayLevelVariance HighGrayLevelZoneEmphasis "
    "LargeAreaEmphasis LargeAreaHighGrayLevelEmphasis LargeAreaLowGrayLevelEmphasis LowGrayLevelZoneEmphasis "
    "SizeZoneNonUniformity SizeZoneNonUniformityNormalized SmallAreaEmphasis SmallAreaHighGrayLevelEmphasis "
    "SmallAreaLowGrayLevelEmphasis ZoneEntropy ZonePercentage ZoneVariance"
)
GLDM = _words(
    "DependenceEntropy DependenceNonUniformity DependenceNonUniformityNormalized DependenceVariance "
    "GrayLevelNonUniformity GrayLevelVariance HighGrayLevelEmphasis LargeDependenceEmphasis "
    "LargeDependenceHighGrayLevelEmphasis LargeDependenceLowGrayLevelEmphasis LowGrayLevelEmphasis "
    "SmallDependenceEmphasis SmallDependenceHighGrayLevelEmphasis SmallDependenceLowGrayLevelEmphasis"
)
NGTDM = _words("Busyness Coarseness Complexity Contrast Strength")

SHAPE_CLASSES = ("shape", "shape2D")


@dataclass(frozen=True)
class Preset:
    """What is measured.

    dimensions : 2, the image as a plane; 3, the image as a volume of one slice
    images : PyRadiomics' image type -> (its own settings, the names of the images it yields)
    classes : feature class -> its features; a shape class is measured once, on the outline
    settings : the general PyRadiomics settings
    """

    name: str
    dimensions: int
    images: Mapping[str, tuple[Mapping[str, Any], tuple[str, ...]]]
    classes: Mapping[str, tuple[str, ...]]
    settings: Mapping[str, Any] = field(default_factory=lambda: {"binWidth": 25, "label": 1})

    @property
    def image_names(self) -> tuple[str, ...]:
        """The original and the filtered images, in order."""
        return tuple(name for _, names in self.images.values() for name in names)

    @property
    def shape_class(self) -> str:
        """The feature class measured on the outline alone."""
        return next(name for name in self.classes if name in SHAPE_CLASSES)

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Every feature, in order: shape, then image by image and class by class."""
        shape = [f"original_{self.shape_class}_{feature}" for feature in self.classes[self.shape_class]]
        rest = [
            f"{image}_{name}_{feature}"
            for image in self.image_names
            for name, features in self.classes.items()
            if name != self.shape_class
            for feature in features
        ]
        return (*shape, *rest)


def _wavelet(dimensions: int) -> tuple[str, ...]:
    """Details first, approximation last, as PyRadiomics yields them."""
    bands = [""]
    for _ in range(dimensions):
        bands = [band + letter for band in bands for letter in "LH"]
    return tuple(f"wavelet-{band}" for band in (*bands[1:], bands[0]))


def _texture(glcm: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    return {"firstorder": FIRST_ORDER, "glcm": glcm, "glrlm": GLRLM, "glszm": GLSZM, "gldm": GLDM, "ngtdm": NGTDM}


def _pointwise() -> dict[str, tuple[Mapping[str, Any], tuple[str, ...]]]:
    return {name: ({}, (name.lower(),)) for name in ("Square", "SquareRoot", "Logarithm", "Exponential", "Gradient")}


PRESETS: dict[str, Preset] = {
    "paper1561": Preset(
        name="paper1561",
        dimensions=3,
        images={
            "Original": ({}, ("original",)),
            "Wavelet": ({}, _wavelet(3)),
            **_pointwise(),
            "LBP3D": ({}, ("lbp-3D-m1", "lbp-3D-m2", "lbp-3D-k")),
        },
        classes={
            "shape": SHAPE_3D,
            **_texture(tuple(feature for feature in GLCM if feature not in ("SumAverage", "MCC"))),
        },
    ),
    "sound2d": Preset(
        name="sound2d",
        dimensions=2,
        images={
            "Original": ({}, ("original",)),
            "Wavelet": ({}, _wavelet(2)),
            **_pointwise(),
            "LBP2D": ({"binWidth": 1}, ("lbp-2D",)),
            "LoG": (
                {"sigma": [1.0, 2.0, 3.0]},
                ("log-sigma-1-0-mm-3D", "log-sigma-2-0-mm-3D", "log-sigma-3-0-mm-3D"),
            ),
        },
        classes={"shape2D": SHAPE_2D, **_texture(GLCM)},
    ),
}


def preset_named(name: str) -> Preset:
    """The preset of that name; InputError otherwise."""
    if name not in PRESETS:
        raise InputError(f"preset must be one of {', '.join(PRESETS)}; got {name!r}")
    return PRESETS[name]


def feature_names(preset: str) -> tuple[str, ...]:
    """The exact names of a preset's features, in order: 1,561 for `paper1561`, 1,311 for `sound2d`.

    A name is image_class_feature, for example `wavelet-HL_glcm_Contrast`.
    """
    return _names(preset)


@lru_cache
def _names(preset: str) -> tuple[str, ...]:
    return preset_named(preset).feature_names


def split_name(feature: str) -> tuple[str, str, str]:
    """A feature's image, class and own name."""
    image, name, own = feature.split("_", 2)
    return image, name, own


def binning(preset: Preset, bin_width: float | None, bin_count: int | None) -> dict[str, dict[str, Any]]:
    """The discretisation settings: under "" in general, and by image type where one keeps its own.

    Local binary patterns are codes, not intensities: where the preset gives them bins of their own, they keep them.
    """
    if bin_width is not None and bin_count is not None:
        raise InputError("`bin_width` and `bin_count` exclude each other; keep one")
    if bin_width is not None and not 0 < bin_width < float("inf"):
        raise InputError(f"`bin_width` must be a positive number of grey levels; got {bin_width}")
    if bin_count is not None and bin_count < 2:
        raise InputError(f"`bin_count` must be at least 2; got {bin_count}")
    general = {"binWidth": preset.settings["binWidth"] if bin_width is None else bin_width, "binCount": bin_count}
    own = {
        kind: {**settings, "binCount": None} for kind, (settings, _) in preset.images.items() if "binWidth" in settings
    }
    return {"": general, **own}
