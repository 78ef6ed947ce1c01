from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from validkit.cohort import ImageError, overlay, read_lesion
from validkit.cohort.geometry import Frame, physical_reading
from validkit.errors import InputError

sitk = pytest.importorskip("SimpleITK", reason="the imaging extra is not installed")

RNG = np.random.default_rng(2)
GREY = RNG.integers(1, 255, (30, 44)).astype(np.uint8)
MASK = np.zeros((30, 44), bool)
MASK[4:12, 6:20] = True
MASK[12:14, 6:9] = True
FLIPPED = (-1.0, 0, 0, 0, -1.0, 0, 0, 0, 1.0)


def volume(path: Path, array: np.ndarray, direction=None, origin=None, spacing=(0.1, 0.1, 1.0)) -> Path:
    image = sitk.GetImageFromArray(array[None].astype(np.uint8))
    image.SetSpacing(spacing)
    if direction:
        image.SetDirection(direction)
    if origin:
        image.SetOrigin(origin)
    sitk.WriteImage(image, str(path))
    return path


@pytest.fixture
def image(tmp_path, save_picture) -> Path:
    save_picture(tmp_path / "i.png", GREY)
    return tmp_path / "i.png"


def refused(match, *paths, **options):
    with pytest.raises(ImageError, match=match) as caught:
        read_lesion(*paths, **options)
    return caught.value.code


def test_pixels_are_float64_and_the_mask_bool(tmp_path, save_picture, image):
    save_picture(tmp_path / "m.png", MASK.astype(np.uint8))
    for alignment in (None, "index", "physical"):
        pixels, mask, spacing = read_lesion(image, tmp_path / "m.png", alignment=alignment)
        np.testing.assert_array_equal(pixels, GREY)
        np.testing.assert_array_equal(mask, MASK)
        assert (pixels.dtype, mask.dtype, spacing) == (np.float64, bool, None)


def test_sizes_must_agree(tmp_path, save_picture, image):
    save_picture(tmp_path / "m.png", MASK[:-1].astype(np.uint8))
    code = refused(r"the image has 30 x 44 pixels \(rows x columns\), the outline 29 x 44", image, tmp_path / "m.png")
    assert code == "size-mismatch"


@pytest.mark.parametrize("ending", ["nii.gz", "nrrd"])
def test_equal_headers_need_no_declaration(tmp_path, ending):
    grey = volume(tmp_path / f"i.{ending}", GREY, FLIPPED, (5.0, 6.0, 7.0))
    mask = volume(tmp_path / f"m.{ending}", MASK, FLIPPED, (5.0, 6.0, 7.0))
    lesion = read_lesion(grey, mask)
    np.testing.assert_array_equal(lesion.mask, MASK)
    assert lesion.spacing == (0.1, 0.1)


def test_a_flipped_header_over_a_png_stops_until_declared(tmp_path, image):
    outline = volume(tmp_path / "m.nii.gz", MASK, FLIPPED)
    assert refused("different places .Dice of the two 0.00", image, outline) == "alignment"
    assert refused('set cohort.mask_alignment = "index"', image, outline) == "alignment"
    np.testing.assert_array_equal(read_lesion(image, outline, alignment="index").mask, MASK)
    np.testing.assert_array_equal(read_lesion(image, outline, alignment="physical").mask, MASK[::-1, ::-1])


def test_a_symmetric_outline_reads_the_same_both_ways(tmp_path, image):
    mask = np.zeros_like(MASK)
    mask[10:20, 12:32] = True
    outline = volume(tmp_path / "m.nii.gz", mask, FLIPPED)
    np.testing.assert_array_equal(read_lesion(image, outline).mask, mask)


def test_an_identity_header_over_a_png_is_unambiguous(tmp_path, image):
    np.testing.assert_array_equal(read_lesion(image, volume(tmp_path / "m.nii.gz", MASK)).mask, MASK)


def test_a_transposed_array_fits_by_its_header_only(tmp_path, image):
    outline = volume(tmp_path / "m.nrrd", MASK.T, (0, 1.0, 0, 1.0, 0, 0, 0, 0, -1.0))
    assert refused("as the headers say, but not by array order", image, outline) == "alignment"
    np.testing.assert_array_equal(read_lesion(image, outline, alignment="physical").mask, MASK)
    assert refused("the outline 44 x 30", image, outline, alignment="index") == "size-mismatch"


def test_an_offset_is_never_mended_by_resampling(tmp_path):
    grey = volume(tmp_path / "i.nrrd", GREY)
    near = volume(tmp_path / "near.nrrd", MASK, origin=(0.04, 0, 0))
    far = volume(tmp_path / "far.nrrd", MASK, origin=(0.3, 0, 0))
    np.testing.assert_array_equal(read_lesion(grey, near).mask, MASK)
    assert refused("by the headers it does not: the headers place the outline 3.0 image pixels", grey, far)
    assert refused("cannot be laid on the image", grey, far, alignment="physical") == "alignment"
    np.testing.assert_array_equal(read_lesion(grey, far, alignment="index").mask, MASK)


def test_another_spacing_is_another_place(tmp_path):
    grey = volume(tmp_path / "i.nrrd", GREY)
    wide = volume(tmp_path / "m.nrrd", MASK, spacing=(0.2, 0.1, 1.0))
    assert refused("43.0 image pixels away", grey, wide) == "alignment"


def test_oblique_axes_are_refused(tmp_path, image):
    angle = np.deg2rad(20)
    c, s = float(np.cos(angle)), float(np.sin(angle))
    outline = volume(tmp_path / "m.nrrd", MASK, (c, -s, 0, s, c, 0, 0, 0, 1.0))
    assert refused("their axes are not parallel", image, outline) == "alignment"
    assert refused("their axes are not parallel", image, outline, alignment="physical") == "alignment"
    np.testing.assert_array_equal(read_lesion(image, outline, alignment="index").mask, MASK)


def test_the_settings_of_the_protocol_apply(tmp_path, save_picture, image):
    two = MASK.copy()
    two[20:23, 30:33] = True
    two[0:4, 6:10] = True
    save_picture(tmp_path / "m.png", two.astype(np.uint8) * 3)
    assert refused("2 pieces", image, tmp_path / "m.png") == "outline-pieces"
    assert refused("top border", image, tmp_path / "m.png", pieces="largest") == "outline-border"
    lesion = read_lesion(image, tmp_path / "m.png", pieces="largest", border="allow", label=3)
    assert lesion.mask.sum() == MASK.sum() + 16
    assert refused("label 1", image, tmp_path / "m.png", label=1) == "outline-label"


PLACED = [
    (swap, flip_rows, flip_columns)
    for swap in (False, True)
    for flip_rows in (False, True)
    for flip_columns in (False, True)
]


def stored_under(truth: np.ndarray, swap: bool, flip_rows: bool, flip_columns: bool, frame: Frame) -> tuple:
    """The array and frame of the same pixels of space, stored with other axes."""
    rows, columns = truth.shape
    array = truth[:: -1 if flip_rows else 1, :: -1 if flip_columns else 1]
    start = frame.at(rows - 1 if flip_rows else 0, columns - 1 if flip_columns else 0)
    down = tuple(-v for v in frame.down) if flip_rows else frame.down
    right = tuple(-v for v in frame.right) if flip_columns else frame.right
    spacing = frame.spacing
    if swap:
        array, down, right, spacing = array.T, right, down, spacing[::-1]
    return array, Frame(tuple(start), down, right, spacing, placed=True)


@settings(deadline=None, max_examples=60)
@given(st.sampled_from(PLACED), st.sampled_from(PLACED), st.integers(0, 2**32 - 1))
def test_every_way_of_storing_an_outline_reads_back_the_same(image_way, outline_way, seed):
    rng = np.random.default_rng(seed)
    truth = rng.random((6, 9)) < 0.5
    turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    frame = Frame(tuple(rng.normal(size=3)), tuple(turn[:, 0]), tuple(turn[:, 1]), (0.2, 0.3), placed=True)
    expected, image_frame = stored_under(truth, *image_way, frame)
    array, outline_frame = stored_under(truth, *outline_way, frame)
    mask, why = physical_reading(array, outline_frame, image_frame, expected.shape)
    assert why is None
    np.testing.assert_array_equal(mask, expected)


def test_the_reading_agrees_with_resampling_by_simpleitk(tmp_path):
    direction = (0, -1.0, 0, -1.0, 0, 0, 0, 0, -1.0)
    grey = sitk.GetImageFromArray(GREY[None])
    stored = sitk.GetImageFromArray(np.ascontiguousarray(MASK[::-1, ::-1].T)[None].astype(np.uint8))
    stored.SetDirection(direction)
    stored.SetOrigin(grey.TransformIndexToPhysicalPoint((43, 29, 0)))
    resampled = sitk.Resample(stored, grey, sitk.Transform(), sitk.sitkNearestNeighbor)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(resampled)[0].astype(bool), MASK)
    sitk.WriteImage(grey, str(tmp_path / "i.nrrd"))
    sitk.WriteImage(stored, str(tmp_path / "m.nrrd"))
    lesion = read_lesion(tmp_path / "i.nrrd", tmp_path / "m.nrrd", alignment="physical")
    np.testing.assert_array_equal(lesion.mask, MASK)


def test_overlay_draws_the_inner_ring_and_leaves_the_rest():
    picture = overlay(GREY, MASK, colour=(0, 255, 0))
    assert (picture.shape, picture.dtype) == ((30, 44, 3), np.uint8)
    drawn = (picture == (0, 255, 0)).all(axis=2)
    assert drawn[4, 6:20].all()
    assert not drawn[5:11, 7:19].any()
    assert not (drawn & ~MASK).any()
    np.testing.assert_array_equal(picture[~drawn], np.repeat(GREY[~drawn][:, None], 3, axis=1))


def test_overlay_shows_an_outline_at_the_border():
    mask = np.zeros_like(MASK)
    mask[0:5, 0:5] = True
    assert (overlay(GREY, mask)[0, 0] == (255, 64, 64)).all()


def test_overlay_stretches_other_types():
    deep = GREY.astype(np.uint16) * 200
    picture = overlay(deep, np.zeros_like(MASK))
    assert (picture.min(), picture.max()) == (0, 255)
    np.testing.assert_array_equal(overlay(GREY.astype(float), MASK), overlay(GREY, MASK))
    assert overlay(np.full((3, 3), np.nan), np.zeros((3, 3), bool)).max() == 0
    assert overlay(np.full((3, 3), 1000.0), np.zeros((3, 3), bool)).max() == 0


def test_overlay_refuses_other_sizes():
    with pytest.raises(InputError, match=r"of one size; got \(30, 44\) and \(29, 44\)"):
        overlay(GREY, MASK[:-1])
