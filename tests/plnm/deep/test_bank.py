from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from validkit.errors import InputError
from validkit.plnm.deep.bank import ImageBank, join_banks, padding_of
from validkit.plnm.deep.cutting import build_bank


def square_lesion(height: int, width: int, top: int, left: int, side: int, seed: int = 0):
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width)).astype(np.float64)
    mask = np.zeros((height, width), dtype=bool)
    mask[top : top + side, left : left + side] = True
    return pixels, mask


def test_a_lesion_as_wide_as_the_crop_is_copied_pixel_for_pixel() -> None:
    pixels, mask = square_lesion(100, 120, 30, 40, 32)
    bank = build_bank([(pixels, mask)], image_size=32, margin=0.25)
    assert bank.padding == 8
    np.testing.assert_array_equal(bank.images[0], pixels[22:70, 32:80])
    np.testing.assert_array_equal(bank.masks[0], mask[22:70, 32:80])
    np.testing.assert_array_equal(bank.crops()[0], pixels[30:62, 40:72])
    assert bank.outlines()[0].all()


@pytest.mark.parametrize("side", [96, 77, 20])
def test_resampling_equals_pillows_antialiased_bilinear_filter(side: int) -> None:
    pixels, mask = square_lesion(side, side, 0, 0, side)
    bank = build_bank([(pixels, mask)], image_size=32, margin=0.0)
    expected = Image.fromarray(pixels.astype(np.float32)).resize((32, 32), Image.Resampling.BILINEAR)
    inner = slice(4, -4)  # at the border Pillow cuts the filter off where the bank repeats the edge
    assert np.abs(bank.images[0].astype(float) - np.asarray(expected))[inner, inner].max() <= 0.501


def test_the_longer_side_sets_the_square_and_the_shorter_is_centred() -> None:
    pixels = np.zeros((60, 80))
    mask = np.zeros((60, 80), dtype=bool)
    mask[20:30, 10:50] = True
    outline = build_bank([(pixels, mask)], image_size=40, margin=0.0).outlines()[0]
    assert outline[15:25].all()
    assert not outline[:15].any()
    assert not outline[25:].any()


def test_beyond_the_border_the_nearest_pixel_is_repeated() -> None:
    pixels, mask = square_lesion(16, 16, 0, 0, 16)
    window = build_bank([(pixels, mask)], image_size=16, margin=0.5).images[0]
    np.testing.assert_array_equal(window, np.pad(pixels, 8, mode="edge"))


def test_eight_bit_values_stay_and_others_are_stretched_between_percentiles() -> None:
    pixels, mask = square_lesion(32, 32, 0, 0, 32)
    assert build_bank([(pixels, mask)], image_size=32, margin=0).images[0].max() == pixels.max()
    stretched = build_bank([(pixels * 257.0 - 1000.0, mask)], image_size=32, margin=0).images[0]
    low, high = np.percentile(pixels, (0.5, 99.5))
    expected = np.rint(np.clip((pixels - low) / (high - low), 0, 1) * 255)
    assert np.abs(stretched - expected).max() <= 1
    flat = build_bank([(np.full((32, 32), 0.5), mask)], image_size=32, margin=0)
    assert (flat.images == 0).all()


def test_all_faulty_lesions_are_reported_together() -> None:
    good, mask = square_lesion(20, 20, 5, 5, 8)
    bad = good.copy()
    bad[3, 4] = np.nan
    with pytest.raises(InputError) as error:
        build_bank(
            [(good, mask), (good, mask & False), (bad, mask), (good[:, :5], mask), (good, mask.astype(int))],
            image_size=16,
            margin=0.1,
        )
    text = str(error.value)
    assert "4 lesions cannot be cropped" in text
    assert "row 1: the outline is empty" in text
    assert "row 2: 1 pixels are not finite" in text
    assert "row 3: pixels and mask must be two-dimensional and alike; got (20, 5) and (20, 20)" in text
    assert "row 4: the mask must be bool" in text
    assert "row 0" not in text


@pytest.mark.parametrize(
    ("image_size", "margin", "message"), [(4, 0.1, "at least 8 pixels; got 4"), (32, 1.5, r"\[0, 1\]; got 1.5")]
)
def test_impossible_geometry_is_refused(image_size: int, margin: float, message: str) -> None:
    with pytest.raises(InputError, match=message):
        build_bank([], image_size=image_size, margin=margin)


def test_an_empty_bank_keeps_its_geometry() -> None:
    bank = build_bank([], image_size=32, margin=0.15)
    assert len(bank) == 0
    assert bank.images.shape == (0, 42, 42)


@settings(max_examples=30, deadline=None)
@given(size=st.integers(8, 512), margin=st.floats(0, 0.5))
def test_padding_covers_the_margin_and_wastes_less_than_a_pixel(size: int, margin: float) -> None:
    assert -1e-8 <= padding_of(size, margin) - size * margin < 1


def test_take_selects_repeats_and_refuses(make_bank) -> None:
    bank = make_bank(5)
    np.testing.assert_array_equal(bank.take([3, 3, 0]).images, bank.images[[3, 3, 0]])
    np.testing.assert_array_equal(bank.take(np.array([True, False, False, False, True])).masks, bank.masks[[0, 4]])
    assert len(bank.take([])) == 0
    with pytest.raises(InputError, match=r"0\.\.4; got -1"):
        bank.take([0, -1])
    with pytest.raises(InputError, match="one value per crop"):
        bank.take(np.array([True, False]))


def test_digest_sees_pixels_outlines_order_and_geometry(make_bank) -> None:
    bank = make_bank(4)
    image, mask = bank.images.copy(), bank.masks.copy()
    image[2, 5, 5] ^= 1
    mask[2, 5, 5] ^= True
    digests = {
        bank.digest,
        ImageBank(image, bank.masks, 32, 0.15).digest,
        ImageBank(bank.images, mask, 32, 0.15).digest,
        bank.take([1, 0, 2, 3]).digest,
        ImageBank(bank.images, bank.masks, 32, 0.14).digest,
    }
    assert len(digests) == 5
    assert make_bank(4).digest == bank.digest


def test_saved_banks_come_back_whole_mapped_from_their_files(make_bank, tmp_path) -> None:
    bank = make_bank(3)
    bank.save(tmp_path / "a")
    bank.save(tmp_path / "b")
    files = sorted(file.name for file in (tmp_path / "a").iterdir())
    assert files == ["bank.json", "images.npy", "outlines.npy"]
    assert all((tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes() for name in files)
    again = ImageBank.from_folder(tmp_path / "a")
    assert isinstance(again.images, np.memmap)
    assert again.digest == bank.digest
    np.testing.assert_array_equal(again.masks, bank.masks)
    assert (again.image_size, again.margin) == (32, 0.15)
    assert again.take([2, 0]).digest == bank.take([2, 0]).digest
    again.images[:] = 0
    assert ImageBank.from_folder(tmp_path / "a").digest == bank.digest, "what is changed in memory stays there"


def test_a_damaged_or_foreign_folder_is_refused(make_bank, tmp_path) -> None:
    bank = make_bank(3)
    other = ImageBank(bank.images[::-1].copy(), bank.masks, 32, 0.15)
    object.__setattr__(other, "digest", bank.digest)
    other.save(tmp_path / "bank")
    with pytest.raises(InputError, match="is damaged: its digest reads"):
        ImageBank.from_folder(tmp_path / "bank")
    for name, data in {"images.npy": b"no array", "bank.json": b'{"schema": 1}'}.items():
        bank.save(tmp_path / name)
        (tmp_path / name / name).write_bytes(data)
        with pytest.raises(InputError, match="is not an image bank"):
            ImageBank.from_folder(tmp_path / name)
    with pytest.raises(InputError, match="is not an image bank"):
        ImageBank.from_folder(tmp_path / "nowhere")


def test_banks_are_joined_in_order(make_bank) -> None:
    bank = make_bank(5)
    assert join_banks([bank.take([0, 1]), bank.take([2]), bank.take([3, 4])]).digest == bank.digest


def test_arrays_of_another_geometry_are_refused() -> None:
    with pytest.raises(InputError, match=r"must be uint8 of shape \(2, 42, 42\); got uint8 of shape \(2, 40, 40\)"):
        ImageBank(np.zeros((2, 40, 40), np.uint8), np.zeros((2, 40, 40), bool), 32, 0.15)
