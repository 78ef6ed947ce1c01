"""The physics of an image, each against what theory says."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from validkit.cohort.phantom import ultrasound
from validkit.cohort.phantom.anatomy import TISSUE_ATTENUATION, Anatomy, Interface, gaussian_field
from validkit.cohort.phantom.ultrasound import Acquisition, simulate_image

SHAPE = (256, 320)
SETTING = Acquisition(
    frequency_mhz=6.5,
    fractional_bandwidth=0.5,
    f_number=2.8,
    depth_mm=60.0,
    focus_mm=30.0,
    gain_db=0.0,
    dynamic_range_db=60.0,
    tgc_error_db_cm=0.0,
    noise_db=120.0,
)


def plain(**changes) -> Anatomy:
    anatomy = Anatomy(np.zeros(SHAPE), np.full(SHAPE, TISSUE_ATTENUATION), ())
    return dataclasses.replace(anatomy, **changes)


def image(anatomy: Anatomy, seed: int = 0, **changes) -> np.ndarray:
    return simulate_image(np.random.default_rng(seed), anatomy, dataclasses.replace(SETTING, **changes)).astype(float)


def test_echogenicity_gain_and_dynamic_range_move_the_grey_levels_as_decibels_say() -> None:
    base = image(plain()).mean()
    darker = image(plain(echogenicity_db=np.full(SHAPE, -8.0))).mean()
    assert base - darker == pytest.approx(8 * 255 / 60, rel=0.03)
    assert image(plain(), gain_db=5.0).mean() - base == pytest.approx(5 * 255 / 60, rel=0.03)
    narrow = image(plain(echogenicity_db=np.full(SHAPE, -8.0)), dynamic_range_db=80.0).mean()
    assert image(plain(), dynamic_range_db=80.0).mean() - narrow == pytest.approx(8 * 255 / 80, rel=0.03)


def test_a_more_attenuating_layer_casts_a_shadow_of_the_right_depth() -> None:
    extra, first, last = 0.15, 80, 144
    attenuation = np.full(SHAPE, TISSUE_ATTENUATION)
    attenuation[first:last, 100:220] += extra
    change = image(plain(attenuation=attenuation)) - image(plain())
    expected = 2 * SETTING.frequency_mhz * extra * (last - first) * SETTING.depth_mm / SHAPE[0] / 10 * 255 / 60
    assert change[last + 5 :, 115:205].mean() == pytest.approx(-expected, rel=0.05)
    assert np.abs(change[: first - 5]).mean() < 0.05
    assert np.abs(change[:, :80]).mean() < 0.05


def test_time_gain_compensation_makes_plain_tissue_even() -> None:
    rows = image(plain()).mean(axis=1)
    assert np.polyfit(np.arange(SHAPE[0]), rows, 1)[0] * SHAPE[0] == pytest.approx(0, abs=2.0)
    left = image(plain(), tgc_error_db_cm=1.0).mean(axis=1)
    assert np.polyfit(np.arange(SHAPE[0]), left, 1)[0] * SHAPE[0] == pytest.approx(6 * 255 / 60, rel=0.05)


def test_noise_emerges_from_the_depth_where_the_echo_has_faded() -> None:
    weak = plain(echogenicity_db=np.full(SHAPE, -25.0))
    rise = (image(weak, noise_db=60.0) - image(weak)).mean(axis=1)
    assert abs(rise[:40].mean()) < 1.0
    assert rise[-40:].mean() > 8.0


def test_an_interface_shows_at_its_depth_whatever_the_scanner() -> None:
    for depth_mm, frequency, bandwidth in ((40.0, 9.9, 0.6), (60.0, 6.5, 0.5), (160.0, 3.6, 0.4)):
        interface = Interface(np.full(SHAPE[1], 120.0), np.full(SHAPE[1], 30.0))
        scanner = {"depth_mm": depth_mm, "frequency_mhz": frequency, "fractional_bandwidth": bandwidth}
        seen = image(plain(interfaces=(interface,)), **scanner)
        profile = seen.mean(axis=1)
        assert np.argmax(profile) in (119, 120, 121)
        assert (profile > profile.max() - 40).sum() <= 4


def test_speckle_is_fully_developed_and_compounded() -> None:
    """Rayleigh amplitude: mean sqrt(pi)/2 for mean square 1; mean over sd 1.91 alone, up to 2.70 over two looks."""
    rng = np.random.default_rng(1)
    echoes = rng.standard_normal((248, 3117), dtype=np.float32)
    envelope, step = ultrasound._envelope(rng, echoes, SETTING, 0.3)
    assert step > 1
    assert envelope.mean() == pytest.approx(np.sqrt(np.pi) / 2, rel=0.02)
    assert 2.3 < envelope.mean() / envelope.std() < 2.75


def test_speckle_widens_away_from_the_focus_and_with_lower_frequency() -> None:
    def width(values: np.ndarray) -> float:
        centred = values - values.mean()
        return (centred[:, 1:] * centred[:, :-1]).mean() / centred.var()

    near = {"focus_mm": 10.0, "f_number": 1.6}
    seen = image(plain(), **near)
    assert width(seen[200:]) > width(seen[30:56]) + 0.03
    assert width(image(plain(), frequency_mhz=4.0)) > width(image(plain(), frequency_mhz=9.0)) + 0.05


def test_grey_map_is_monotone_and_straight_in_the_middle() -> None:
    share = np.linspace(-1, 2, 601)
    grey = ultrasound._grey_map(share)
    assert (np.diff(grey) >= -1e-12).all()
    assert grey.min() >= 0
    assert grey.max() <= 1
    assert ultrasound._grey_map(np.array([0.5]))[0] == pytest.approx(0.5, abs=1e-4)


def test_gaussian_field_has_variance_one_and_the_asked_correlation() -> None:
    fields = [gaussian_field(np.random.default_rng(seed), (128, 128), (3.0, 6.0)) for seed in range(30)]
    values = np.array(fields)
    assert values.var() == pytest.approx(1.0, rel=0.05)
    down = (values[:, 3:] * values[:, :-3]).mean() / values.var()
    across = (values[:, :, 6:] * values[:, :, :-6]).mean() / values.var()
    # the filter exp(-(pi k s)^2) gives the correlation exp(-(lag / s)^2 / 2)
    assert down == pytest.approx(np.exp(-0.5), abs=0.03)
    assert across == pytest.approx(np.exp(-0.5), abs=0.03)
