from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from validkit.plnm.deep.augment import Augmentation, augment, centre, zscore
from validkit.plnm.deep.cutting import build_bank

IDENTITY = np.array([1.0, 0.0, 0.0, 1.0, 1.0, 1.0])


def augmented(images: torch.Tensor, draws: np.ndarray, size: int) -> torch.Tensor:
    return augment(images, torch.from_numpy(np.ascontiguousarray(draws)), size)


def reference(image: np.ndarray, draw: np.ndarray, size: int) -> np.ndarray:
    """One image, one pixel at a time, in float64."""
    scale, shift_y, shift_x, flip_y, flip_x, gain = draw
    middle = (len(image) - 1) / 2
    crop = np.empty((size, size))
    for i in range(size):
        for j in range(size):
            y = middle + size * (flip_y * scale * ((i + 0.5) / size - 0.5) + shift_y)
            x = middle + size * (flip_x * scale * ((j + 0.5) / size - 0.5) + shift_x)
            top, left = int(np.floor(y)), int(np.floor(x))
            dy, dx = y - top, x - left
            square = image[top : top + 2, left : left + 2].astype(float)
            crop[i, j] = np.array([1 - dy, dy]) @ square @ np.array([1 - dx, dx])
    return gain * (crop - crop.mean()) / crop.std()


def test_a_batch_equals_the_plain_per_image_reference(make_bank) -> None:
    bank = make_bank(12, image_size=32, margin=0.2)
    draws = Augmentation(crop=0.2, flip=0.5, intensity=0.3).draw(np.random.default_rng(1), 12)
    got = augmented(torch.from_numpy(bank.images), draws, 32).numpy()
    assert got.shape == (12, 1, 32, 32)
    expected = np.stack([reference(image, draw, 32) for image, draw in zip(bank.images, draws, strict=True)])
    np.testing.assert_allclose(got[:, 0], expected, atol=1e-5, rtol=0)


def test_without_change_it_is_the_crop_proper(make_bank) -> None:
    images = torch.from_numpy(make_bank(6).images)
    same = augmented(images, np.tile(IDENTITY, (6, 1)), 32)
    torch.testing.assert_close(same, centre(images, 32), atol=1e-6, rtol=0)
    still = Augmentation(crop=0.0, flip=0.0, intensity=0.0).draw(np.random.default_rng(0), 3)
    np.testing.assert_array_equal(still, np.tile(IDENTITY, (3, 1)))


def test_without_a_margin_nothing_is_read_outside() -> None:
    pixels = np.arange(256.0).reshape(16, 16)
    bank = build_bank([(pixels, np.ones((16, 16), bool))], image_size=16, margin=0.0)
    images = torch.from_numpy(bank.images)
    torch.testing.assert_close(augmented(images, IDENTITY[None], 16), centre(images, 16), atol=1e-6, rtol=0)


@pytest.mark.parametrize(("column", "axis"), [(3, 2), (4, 3)])
def test_a_flip_mirrors_one_axis(make_bank, column: int, axis: int) -> None:
    images = torch.from_numpy(make_bank(3).images)
    draws = np.tile(IDENTITY, (3, 1))
    draws[:, 0] = 0.9
    plain = augmented(images, draws, 32)
    draws[:, column] = -1.0
    torch.testing.assert_close(augmented(images, draws, 32), plain.flip(axis), atol=1e-5, rtol=0)


def test_intensity_survives_the_zscore(make_bank) -> None:
    images = torch.from_numpy(make_bank(2).images)
    draws = np.tile(IDENTITY, (2, 1))
    draws[:, 5] = [0.8, 1.2]
    deviations = augmented(images, draws, 32).std(dim=(1, 2, 3), correction=0)
    np.testing.assert_allclose(deviations.numpy(), [0.8, 1.2], rtol=1e-5)


@settings(max_examples=15, deadline=None)
@given(crop=st.floats(0.0, 0.5), seed=st.integers(0, 99))
def test_a_margin_of_crop_is_enough(crop: float, seed: int) -> None:
    size = 16
    wide = np.random.default_rng(5).integers(0, 256, (4, 32, 32)).astype(np.uint8)
    pad = 8 - int(np.ceil(round(size * crop, 9)))
    narrow = wide[:, pad : 32 - pad, pad : 32 - pad]
    draws = Augmentation(crop=crop).draw(np.random.default_rng(seed), 4)
    draws[0, :3] = [1 + crop, crop / 2, crop / 2]
    draws[1, :3] = [1 + crop, -crop / 2, -crop / 2]
    got, expected = (augmented(torch.from_numpy(images.copy()), draws, size) for images in (narrow, wide))
    torch.testing.assert_close(got, expected, atol=1e-5, rtol=0)


@settings(max_examples=20, deadline=None)
@given(crop=st.floats(0, 0.5), flip=st.floats(0, 1), intensity=st.floats(0, 0.9), seed=st.integers(0, 1000))
def test_draws_stay_in_their_ranges(crop: float, flip: float, intensity: float, seed: int) -> None:
    draws = Augmentation(crop, flip, intensity).draw(np.random.default_rng(seed), 50)
    assert (np.abs(draws[:, 0] - 1) <= crop + 1e-12).all()
    assert (np.abs(draws[:, 1:3]) <= crop / 2 + 1e-12).all()
    assert set(np.unique(draws[:, 3:5])) <= {-1.0, 1.0}
    assert (np.abs(draws[:, 5] - 1) <= intensity + 1e-12).all()


def test_flips_come_as_often_as_asked() -> None:
    draws = Augmentation(flip=0.3).draw(np.random.default_rng(0), 20_000)
    np.testing.assert_allclose((draws[:, 3:5] == -1).mean(axis=0), 0.3, atol=0.012)


def test_zscore_has_mean_0_and_deviation_1_and_a_constant_becomes_0() -> None:
    crops = torch.from_numpy(np.random.default_rng(0).uniform(0, 255, (3, 20, 20)).astype(np.float32))
    crops[1] = 7.0
    scored = zscore(crops)[:, 0]
    np.testing.assert_allclose(scored.mean(dim=(1, 2)).numpy(), 0, atol=1e-6)
    np.testing.assert_allclose(scored.std(dim=(1, 2), correction=0).numpy(), [1, 0, 1], atol=1e-5)
    assert (scored[1] == 0).all()
