"""Shapes and outlines: size, one piece, reader agreement."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from validkit.cohort.phantom.lesion import (
    ANGLES,
    READER_A,
    READER_B,
    draw_habit,
    draw_lesion,
    feret_diameter,
    outline,
    rasterize,
)

SHAPE = (256, 320)
BORDER = np.pad(np.zeros((254, 318), dtype=bool), 1, constant_values=True)


def lesion_of(seed: int, *, diameter: float = 92.0, roughness: float = 0.03):
    rng = np.random.default_rng(seed)
    return draw_lesion(rng, diameter=diameter, roughness=roughness, shape=SHAPE, rows=(0.32, 0.58)), rng


def dice(a: np.ndarray, b: np.ndarray) -> float:
    return 2 * (a & b).sum() / (a.sum() + b.sum())


def test_feret_diameter_of_a_circle_and_of_an_ellipse() -> None:
    assert feret_diameter(np.full(len(ANGLES), 10.0)) == pytest.approx(20.0, rel=1e-4)
    ellipse = 15 * 40 / np.hypot(15 * np.cos(ANGLES), 40 * np.sin(ANGLES))
    assert feret_diameter(ellipse) == pytest.approx(80.0, rel=1e-4)


def test_a_circle_is_rasterized_to_its_area() -> None:
    mask = rasterize((100.0, 150.0), np.full(len(ANGLES), 40.0), SHAPE)
    assert mask.sum() == pytest.approx(np.pi * 40**2, rel=0.005)
    assert np.allclose(ndimage.center_of_mass(mask), (100, 150), atol=0.05)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), diameter=st.floats(45, 175), roughness=st.floats(0.005, 0.085))
def test_every_outline_is_one_filled_piece_clear_of_the_border(seed: int, diameter: float, roughness: float) -> None:
    lesion, rng = lesion_of(seed, diameter=diameter, roughness=roughness)
    assert feret_diameter(lesion.radius) == pytest.approx(diameter)
    for reader in (READER_A, READER_B):
        mask = rasterize(lesion.centre, outline(lesion, reader, draw_habit(rng), rng), SHAPE)
        assert ndimage.label(mask)[1] == 1
        assert (ndimage.binary_fill_holes(mask) == mask).all()
        assert not mask[BORDER].any()
        assert mask.sum() > 0.2 * diameter**2


def test_readers_agree_as_readers_do() -> None:
    """One reader with himself more than two readers; reader B draws a little outside reader A."""
    intra, inter, area = [], [], []
    for seed in range(150):
        lesion, rng = lesion_of(seed)
        habits = draw_habit(rng), draw_habit(rng)
        a, again, b = (
            rasterize(lesion.centre, outline(lesion, reader, habit, rng), SHAPE)
            for reader, habit in ((READER_A, habits[0]), (READER_A, habits[0]), (READER_B, habits[1]))
        )
        intra.append(dice(a, again))
        inter.append(dice(a, b))
        area.append(b.sum() / a.sum())
    assert 0.93 < np.mean(intra) < 0.965
    assert 0.88 < np.mean(inter) < 0.93
    assert np.mean(intra) > np.mean(inter) + 0.02
    assert 1.01 < np.mean(area) < 1.10


def test_roughness_is_the_standard_deviation_of_the_margin() -> None:
    measured = []
    for seed in range(60):
        lesion, _ = lesion_of(seed, roughness=0.05)
        harmonics = np.fft.rfft(lesion.radius / lesion.radius.mean())
        smooth = np.concatenate([harmonics[:6], np.zeros(len(harmonics) - 6)])
        measured.append(np.std(lesion.radius / lesion.radius.mean() - np.fft.irfft(smooth, len(ANGLES))))
    assert np.mean(measured) == pytest.approx(0.05, rel=0.2)
