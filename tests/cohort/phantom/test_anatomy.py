"""Tissue and lesion: the maps carry what was asked for."""

from __future__ import annotations

import numpy as np
import pytest

from validkit.cohort.phantom.anatomy import TISSUE_ATTENUATION, Anatomy, draw_anatomy
from validkit.cohort.phantom.lesion import Lesion, draw_lesion, signed_distance

SHAPE = (256, 320)


def drawn(seed: int, heterogeneity_db: float = 2.5) -> tuple[Anatomy, Lesion]:
    rng = np.random.default_rng(seed)
    lesion = draw_lesion(rng, diameter=92.0, roughness=0.03, shape=SHAPE, rows=(0.32, 0.58))
    return draw_anatomy(rng, lesion, heterogeneity_db=heterogeneity_db, pixel_mm=0.3, shape=SHAPE), lesion


@pytest.mark.parametrize("heterogeneity_db", [1.0, 2.5, 6.0])
def test_heterogeneity_is_the_standard_deviation_inside(heterogeneity_db: float) -> None:
    variances = []
    for seed in range(25):
        anatomy, lesion = drawn(seed, heterogeneity_db)
        variances.append(anatomy.echogenicity_db[signed_distance(lesion, SHAPE) > 8].var())
    assert np.sqrt(np.mean(variances)) == pytest.approx(heterogeneity_db, rel=0.10)


def test_the_lesion_is_hypoechoic_and_its_surroundings_are_not() -> None:
    contrast = []
    for seed in range(25):
        anatomy, lesion = drawn(seed)
        distance = signed_distance(lesion, SHAPE)
        around = (distance < -8) & (distance > -30)
        contrast.append(anatomy.echogenicity_db[distance > 8].mean() - anatomy.echogenicity_db[around].mean())
    assert -15 < np.mean(contrast) < -7
    assert max(contrast) < 0


def test_attenuation_differs_in_the_lesion_only() -> None:
    anatomy, lesion = drawn(3)
    distance = signed_distance(lesion, SHAPE)
    assert anatomy.attenuation[distance < -60] == pytest.approx(TISSUE_ATTENUATION, abs=1e-6)
    assert np.ptp(anatomy.attenuation[distance > 40]) < 1e-6


def test_no_interface_runs_through_the_lesion() -> None:
    for seed in range(10):
        anatomy, lesion = drawn(seed)
        distance = signed_distance(lesion, SHAPE)
        columns = np.arange(SHAPE[1])
        for interface in anatomy.interfaces:
            row = np.clip(np.rint(interface.row).astype(int), 0, SHAPE[0] - 1)
            deep = distance[row, columns] > 20
            assert np.abs(interface.strength[deep]).max(initial=0.0) < 0.05
