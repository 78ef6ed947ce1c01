from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis import strategies as st
from scipy import ndimage

from validkit.cohort import CODES, ImageError, read_lesion
from validkit.errors import InputError, MissingExtraError
from validkit.testing.images import BRIGHT, FORMATS, HOSTILE_IMAGES, SPOIL, LesionImage, lesion_images, write_lesion

few = settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])


def reread(lesion: LesionImage, folder: Path, format: str):
    return read_lesion(*write_lesion(lesion, folder, "lesion", format=format))


def writable(lesion: LesionImage) -> str:
    return "tiff" if lesion.image.dtype.kind == "f" else "png"


@few
@given(lesion_images())
def test_a_sound_image_is_grey_with_one_lesion_inside(lesion):
    assert (lesion.image.dtype, lesion.outline.dtype) == (np.uint8, np.uint8)
    assert lesion.image.shape == lesion.outline.shape
    assert all(24 <= side <= 96 for side in lesion.image.shape)
    assert 1 <= lesion.image.min() < lesion.image.max() < BRIGHT
    assert set(np.unique(lesion.outline)) == {0, 1}
    assert ndimage.label(lesion.outline)[1] == 1
    assert not lesion.outline[[0, -1]].any()
    assert not lesion.outline[:, [0, -1]].any()
    assert (lesion.what, lesion.code) == ("", None)


@few
@given(lesion_images(dtypes=("uint8", "uint16", "float32"), shape=(12, 40)))
def test_a_sound_image_is_read_as_it_was(tmp_path, lesion):
    read = reread(lesion, tmp_path, writable(lesion))
    np.testing.assert_array_equal(read.pixels, lesion.image)
    np.testing.assert_array_equal(read.mask, lesion.outline == 1)


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lesion=lesion_images(shape=(24, 40), dtypes=("uint8", "uint16", "float32")))
@pytest.mark.parametrize("format", ["nrrd", "nii.gz"])
def test_volumes_keep_the_spacing(tmp_path, format, lesion):
    pytest.importorskip("SimpleITK", reason="the imaging extra is not installed")
    read = reread(lesion, tmp_path, format)
    np.testing.assert_array_equal(read.pixels, lesion.image)
    np.testing.assert_array_equal(read.mask, lesion.outline == 1)
    assert read.spacing == (lesion.spacing or (1.0, 1.0))


def test_every_code_is_one_of_the_cohort():
    assert {code for code in HOSTILE_IMAGES.values() if code} <= set(CODES)
    assert set(SPOIL) == set(HOSTILE_IMAGES)


@settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
@pytest.mark.parametrize("what", HOSTILE_IMAGES)
def test_validkit_says_what_is_wrong(tmp_path, what, data):
    lesion = data.draw(lesion_images(what=what, shape=(12, 40)))
    assert lesion.what == what
    if lesion.code is None:
        read = reread(lesion, tmp_path, writable(lesion))
        np.testing.assert_array_equal(read.pixels, lesion.image)
        np.testing.assert_array_equal(read.mask, lesion.outline > 0)
        return
    with pytest.raises(ImageError, match=r"lesion(_outline)?\.") as caught:
        reread(lesion, tmp_path, writable(lesion))
    assert caught.value.code == lesion.code


@pytest.mark.parametrize("format", ["nrrd", "nii.gz"])
@pytest.mark.parametrize("what", HOSTILE_IMAGES)
def test_the_same_is_wrong_in_a_volume(tmp_path, what, format):
    pytest.importorskip("SimpleITK", reason="the imaging extra is not installed")
    lesion = find(lesion_images(what=what, shape=(12, 12)), lambda _: True)
    if lesion.code is None:
        reread(lesion, tmp_path, format)
        return
    with pytest.raises(ImageError) as caught:
        reread(lesion, tmp_path, format)
    assert caught.value.code == lesion.code


@pytest.mark.parametrize("what", HOSTILE_IMAGES)
def test_hostile_images_are_of_every_kind(what):
    quick = settings(max_examples=5000, phases=[Phase.generate], database=None, derandomize=True)
    assert find(lesion_images(hostile=True, shape=(12, 16)), lambda one: one.what == what, settings=quick)


@few
@given(lesion_images(what="bright pixels", shape=(12, 40)))
def test_bright_pixels_lie_in_the_lesion(lesion):
    assert lesion.image.dtype == np.uint8
    assert lesion.image[lesion.outline == 1].max() >= BRIGHT


@few
@given(lesion_images(shape=(12, 20), seeds=st.just(5)), lesion_images(shape=(12, 20), seeds=st.just(6)))
def test_other_seeds_make_other_images(one, other):
    assert not np.array_equal(one.image, other.image)


def test_the_simplest_image_is_small_and_sound():
    lesion = find(lesion_images(), lambda _: True)
    assert lesion.image.shape == (24, 24)
    assert lesion.outline[1:8, 1:8].sum() == lesion.outline.sum() == 29
    assert (lesion.spacing, lesion.what) == (None, "")
    assert "24x24 uint8" in repr(lesion)


def test_shrinking_finds_the_smallest_lesion_of_a_size():
    lesion = find(lesion_images(), lambda one: one.outline.any(axis=1).sum() >= 15)
    assert lesion.outline.any(axis=1).sum() == 15
    assert lesion.outline.any(axis=0).sum() == 7
    assert lesion.image.shape == (24, 24)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"what": "two pixels"}, "`what` holds 'two pixels'; known: empty outline"),
        ({"dtypes": ("int8",)}, "`dtypes` holds 'int8'"),
        ({"shape": (4, 10)}, "12 <= fewest"),
    ],
)
def test_impossible_images_are_refused_at_once(arguments, words):
    with pytest.raises(InputError, match=words):
        lesion_images(**arguments)


def test_fractions_do_not_go_into_a_png(tmp_path):
    lesion = find(lesion_images(what="float image with NaN"), lambda _: True)
    with pytest.raises(InputError, match='format = "tiff"'):
        write_lesion(lesion, tmp_path, "x")
    with pytest.raises(InputError, match="`format` holds 'jpeg'"):
        write_lesion(lesion, tmp_path, "x", format="jpeg")
    assert FORMATS == ("png", "tiff", "nrrd", "nii.gz")


def test_without_simpleitk_the_error_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "SimpleITK", None)
    lesion = find(lesion_images(), lambda _: True)
    with pytest.raises(MissingExtraError, match=r"validkit\[imaging\]"):
        write_lesion(lesion, tmp_path, "x", format="nrrd")


def test_importing_the_module_loads_no_imaging_package():
    code = "import sys, validkit.testing.images; sys.exit(bool({'SimpleITK', 'PIL', 'radiomics'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
