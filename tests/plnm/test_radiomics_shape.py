"""The one-slice mesh is PyRadiomics' own mesh, without comparing every vertex with every other."""

from __future__ import annotations

import time
import warnings
from math import pi

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from validkit.plnm.radiomics.shape import slice_mesh

masks = hnp.arrays(np.bool_, st.tuples(st.integers(2, 14), st.integers(2, 14))).filter(lambda m: m.sum() > 1)
spacings = st.one_of(st.just((1.0, 1.0, 1.0)), st.tuples(*[st.floats(0.05, 5.0)] * 3))


def by_pyradiomics(mask: np.ndarray, spacing: tuple[float, float, float]) -> tuple[float, float, tuple[float, ...]]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        radiomics = pytest.importorskip("radiomics")
    return radiomics.cShape.calculate_coefficients(np.pad(mask[None], 1), np.array(spacing, dtype=np.float64))


@given(mask=masks, spacing=spacings)
@settings(max_examples=150, deadline=None)
def test_area_volume_and_diameters_are_pyradiomics_own(mask: np.ndarray, spacing: tuple[float, float, float]) -> None:
    area, volume, diameters = slice_mesh(mask, spacing)
    expected_area, expected_volume, expected_diameters = by_pyradiomics(mask, spacing)
    assert area == pytest.approx(expected_area, rel=1e-11)
    assert volume == pytest.approx(expected_volume, rel=1e-11)
    assert diameters == pytest.approx(expected_diameters, rel=1e-13)


def test_a_block_has_the_area_and_volume_one_works_out_by_hand() -> None:
    area, volume, diameters = slice_mesh(np.ones((2, 2), dtype=bool), (1.0, 1.0, 1.0))
    faces, sides, corners = 2 * 1.0, 8 * 2**0.5 / 2, 8 * 3**0.5 / 8
    assert area == pytest.approx(faces + sides + corners)
    assert volume == pytest.approx(1 + 8 * 1 / 8 + 8 / 48)
    assert diameters == pytest.approx((5**0.5, 2.0, 2.0, 5**0.5))


def test_a_large_disc_takes_no_longer_than_its_pixels_need() -> None:
    y, x = np.mgrid[:400, :400]
    disc = np.hypot(y - 199.5, x - 199.5) < 180
    start = time.perf_counter()
    _, volume, diameters = slice_mesh(disc, (1.0, 0.5, 0.5))
    assert time.perf_counter() - start < 10, "compared pairwise, 100,000 pixels take 40 s"
    assert volume == pytest.approx(pi * 90**2, rel=0.01)
    assert diameters[0] == pytest.approx(180, rel=0.01)
