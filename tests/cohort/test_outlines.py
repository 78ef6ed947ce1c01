from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage

from validkit.cohort import ImageError, inspect_mask, read_outline
from validkit.cohort.outlines import HOLES, LARGEST, TOUCHES

SHAPE = (24, 30)


def blank() -> np.ndarray:
    return np.zeros(SHAPE, bool)


def box(*spans: tuple[int, int, int, int]) -> np.ndarray:
    mask = blank()
    for top, bottom, left, right in spans:
        mask[top:bottom, left:right] = True
    return mask


def codes(mask, **options):
    return [error.code for error in inspect_mask(mask, **options)[1]]


@pytest.mark.parametrize("value", [1, 2, 128, 255])
def test_zero_and_any_other_value_is_an_outline(tmp_path, save_picture, value):
    mask = box((4, 12, 5, 14))
    save_picture(tmp_path / "m.png", mask.astype(np.uint8) * value)
    outline = read_outline(tmp_path / "m.png")
    np.testing.assert_array_equal(outline.mask, mask)
    assert outline.values == (0.0, float(value))
    np.testing.assert_array_equal(read_outline(tmp_path / "m.png", label=value).mask, mask)


def labelled() -> np.ndarray:
    return box((4, 12, 5, 14)).astype(np.uint8) + 2 * box((14, 20, 5, 14)).astype(np.uint8)


def test_several_labels_need_one_declared(tmp_path, save_picture):
    save_picture(tmp_path / "m.png", labelled())
    with pytest.raises(ImageError, match=r"holds 3 values \(0, 1, 2\); set cohort\.outline_label") as caught:
        read_outline(tmp_path / "m.png")
    assert caught.value.code == "outline-values"
    np.testing.assert_array_equal(read_outline(tmp_path / "m.png", label=2).mask, box((14, 20, 5, 14)))
    with pytest.raises(ImageError, match="no pixel has the declared label 7; the file holds 0, 1, 2") as caught:
        read_outline(tmp_path / "m.png", label=7)
    assert caught.value.code == "outline-label"


def test_an_empty_file_with_a_label_is_an_empty_outline(tmp_path, save_picture):
    save_picture(tmp_path / "m.png", np.zeros(SHAPE, np.uint8))
    assert not read_outline(tmp_path / "m.png", label=1).mask.any()


def test_soft_edges_are_refused(tmp_path, save_picture):
    soft = ndimage.gaussian_filter(box((4, 12, 5, 14)) * 255.0, 1.5).astype(np.uint8)
    save_picture(tmp_path / "m.png", soft)
    with pytest.raises(ImageError, match=r"it is an image or has a soft edge") as caught:
        read_outline(tmp_path / "m.png")
    assert caught.value.code == "outline-values"


def test_two_values_without_zero_are_refused(tmp_path, save_picture):
    save_picture(tmp_path / "m.png", box((4, 12, 5, 14)).astype(np.uint8) + 1)
    with pytest.raises(ImageError, match="holds 1, 2, none of them 0"):
        read_outline(tmp_path / "m.png")


def test_fractions_are_refused(tmp_path, save_picture):
    save_picture(tmp_path / "m.tif", box((4, 12, 5, 14)).astype(np.float32) / 2)
    with pytest.raises(ImageError, match="fractions or NaN"):
        read_outline(tmp_path / "m.tif")


def test_equal_channels_are_fine_and_a_red_contour_is_not(tmp_path, save_picture):
    mask = box((4, 12, 5, 14))
    channels = np.dstack([mask.astype(np.uint8) * 255] * 3)
    save_picture(tmp_path / "m.png", channels)
    np.testing.assert_array_equal(read_outline(tmp_path / "m.png").mask, mask)
    channels[..., 1:] = 0
    save_picture(tmp_path / "m.png", channels)
    with pytest.raises(ImageError, match="the outline is in colour"):
        read_outline(tmp_path / "m.png")


def test_a_sound_mask_has_neither_faults_nor_notes():
    mask = box((4, 12, 5, 14))
    settled, faults, notes = inspect_mask(mask)
    np.testing.assert_array_equal(settled, mask)
    assert (faults, notes) == ([], [])


@pytest.mark.parametrize(
    ("mask", "code", "message"),
    [
        (blank(), "outline-empty", "the outline is empty"),
        (~blank(), "outline-covers-all", "every pixel is inside"),
        (box((5, 6, 5, 6)), "outline-small", "the outline has 1 pixel; 9 are needed"),
        (box((5, 7, 5, 9)), "outline-small", "the outline has 8 pixels; 9 are needed"),
        (box((5, 6, 2, 28)), "outline-line", "the outline is a line of 26 pixels"),
        (np.eye(*SHAPE, dtype=bool) & box((2, 20, 2, 20)), "outline-line", "the outline is a line of 18 pixels"),
        (box((2, 8, 2, 8), (12, 20, 12, 20)), "outline-pieces", "the outline has 2 pieces (64, 36 pixels)"),
        (box((0, 8, 2, 8)), "outline-border", "the outline touches the top border: the lesion may go on outside"),
        (box((16, 24, 20, 30)), "outline-border", "the outline touches the bottom and right border"),
        (box((4, 12, 0, 8)), "outline-border", "the outline touches the left border"),
    ],
)
def test_each_fault_of_a_mask(mask, code, message):
    _, faults, _ = inspect_mask(mask)
    assert [error.code for error in faults] == [code]
    assert faults[0].message.startswith(message)
    assert faults[0].mend


def test_nine_pixels_in_a_block_are_enough():
    assert codes(box((5, 8, 5, 8))) == []


def test_faults_of_one_mask_come_together():
    assert codes(box((0, 8, 2, 8), (12, 20, 12, 20))) == ["outline-pieces", "outline-border"]


def test_pieces_that_touch_at_a_corner_are_one():
    assert codes(box((4, 8, 4, 8), (8, 12, 8, 12))) == []


def test_the_largest_piece_is_kept_with_a_note():
    settled, faults, notes = inspect_mask(box((0, 5, 2, 6), (12, 20, 12, 20), (22, 23, 2, 3)), pieces="largest")
    np.testing.assert_array_equal(settled, box((12, 20, 12, 20)))
    assert (faults, notes) == ([], [LARGEST])


def test_two_largest_pieces_are_not_chosen_between():
    _, faults, _ = inspect_mask(box((2, 8, 2, 8), (12, 18, 12, 18)), pieces="largest")
    assert faults[0].message == "the outline has 2 pieces and no largest one (36, 36 pixels)"


def test_the_border_may_be_allowed():
    _, faults, notes = inspect_mask(box((0, 8, 2, 8)), border="allow")
    assert (faults, notes) == ([], [TOUCHES])


def test_holes_are_noted():
    mask = box((4, 12, 5, 14))
    mask[7, 8] = False
    assert inspect_mask(mask)[1:] == ([], [HOLES])


def test_a_bay_is_no_hole():
    mask = box((4, 12, 5, 14))
    mask[4:8, 8] = False
    assert inspect_mask(mask)[1:] == ([], [])


@settings(deadline=None, max_examples=80)
@given(arrays(bool, st.tuples(st.integers(2, 9), st.integers(2, 9))))
def test_laws_of_mask_inspection(mask):
    settled, faults, notes = inspect_mask(mask, pieces="largest", border="allow")
    assert settled.shape == mask.shape
    assert not (settled & ~mask).any()
    assert (LARGEST in notes) == bool((settled != mask).any())
    if mask.any() and not mask.all():
        assert (HOLES in notes) == bool((ndimage.binary_fill_holes(settled) != settled).any())
        if not faults:
            assert ndimage.label(settled, np.ones((3, 3)))[1] == 1
    assert [e.code for e in inspect_mask(mask.T, pieces="largest", border="allow")[1]] == [e.code for e in faults]
