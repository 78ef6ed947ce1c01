"""The presets: names, counts, order and settings are those of the shared PyRadiomics parameter files."""

from __future__ import annotations

import warnings
from collections import Counter

import pytest

from validkit.errors import InputError
from validkit.plnm.radiomics.presets import PRESETS, binning, feature_names, preset_named, split_name


@pytest.mark.parametrize(("preset", "count"), [("paper1561", 1561), ("sound2d", 1311)])
def test_the_names_are_exactly_that_many_and_different(preset: str, count: int) -> None:
    names = feature_names(preset)
    assert len(names) == len(set(names)) == count


def test_paper1561_has_the_published_make_up_by_class() -> None:
    classes = Counter(split_name(name)[1] for name in feature_names("paper1561"))
    assert classes == {
        "shape": 14, "firstorder": 306, "glcm": 374, "glrlm": 272, "glszm": 272, "gldm": 238, "ngtdm": 85,
    }  # fmt: skip
    assert set(Counter(split_name(name)[0] for name in feature_names("paper1561")[14:]).values()) == {91}


def test_sound2d_has_14_images_of_93_and_9_shape_features() -> None:
    names = feature_names("sound2d")
    assert all(name.startswith("original_shape2D_") for name in names[:9])
    images = Counter(split_name(name)[0] for name in names[9:])
    assert len(images) == 14
    assert set(images.values()) == {93}


@pytest.mark.parametrize("name", list(PRESETS))
def test_a_preset_says_what_its_parameter_file_says(name: str, shared) -> None:
    pytest.importorskip("radiomics")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyRadiomics' parameter reader, about its own imports
        from radiomics.featureextractor import RadiomicsFeatureExtractor

        file = RadiomicsFeatureExtractor(str(shared / "radiomics" / f"{name}.yaml"))
    preset = preset_named(name)
    assert dict(file.enabledImagetypes) == {kind: dict(settings) for kind, (settings, _) in preset.images.items()}
    assert list(file.enabledFeatures) == list(preset.classes)
    for kind, features in file.enabledFeatures.items():
        assert not features or set(features) == set(preset.classes[kind])
    assert {key: file.settings[key] for key in preset.settings} == dict(preset.settings)
    assert file.settings["force2D"] is False


def test_an_unknown_preset_is_refused_with_the_known_ones() -> None:
    with pytest.raises(InputError, match=r"preset must be one of paper1561, sound2d; got 'paper1562'"):
        feature_names("paper1562")


@pytest.mark.parametrize(
    ("width", "count", "message"),
    [
        (25, 32, "exclude each other"),
        (0.0, None, "must be a positive number of grey levels; got 0.0"),
        (float("nan"), None, "must be a positive number"),
        (None, 1, "must be at least 2; got 1"),
    ],
)
def test_impossible_binning_is_refused(width: float | None, count: int | None, message: str) -> None:
    with pytest.raises(InputError, match=message):
        binning(preset_named("sound2d"), width, count)


def test_pattern_codes_keep_their_own_bins_when_the_binning_changes() -> None:
    bins = binning(preset_named("sound2d"), None, 32)
    assert bins[""] == {"binWidth": 25, "binCount": 32}
    assert bins["LBP2D"] == {"binWidth": 1, "binCount": None}
    assert set(binning(preset_named("paper1561"), 10.0, None)) == {""}
