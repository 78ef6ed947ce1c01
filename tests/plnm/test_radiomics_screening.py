"""The screen finds, on the cohort at hand, what says nothing about the image."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("radiomics", reason="needs the imaging extra", exc_type=ImportError)
from scipy import ndimage

from validkit.errors import InputError
from validkit.plnm.radiomics import FeatureScreen, Lesion, extract_cohort, screen_features

ROUND_OFF_BANDS = {"wavelet-LLH", "wavelet-LHH", "wavelet-HLH", "wavelet-HHH"}


def simulated(image: Path, outline: Path, **options):
    """A lesion made from its number, which stands where the files' names would."""
    rng = np.random.default_rng(int(image.name))
    base = ndimage.gaussian_filter(rng.standard_normal((44, 48)), 2)
    base = (base - base.min()) / np.ptp(base) * 220
    pixels = np.clip(base * rng.gamma(8, 1 / 8, base.shape), 0, 255).round()
    y, x = np.mgrid[:44, :48]
    mask = ((y - 22) / (8 + rng.integers(0, 4))) ** 2 + ((x - 24) / (9 + rng.integers(0, 5))) ** 2 < 1
    return pixels, mask, None


LESIONS = [Lesion(f"p{i}", "reader_a", Path(str(i)), Path("-")) for i in range(6)]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def screened(preset: str, cache: Path, probes: int = 2) -> tuple[FeatureScreen, object]:
    table = extract_cohort(LESIONS, preset=preset, cache=cache, load=simulated).features["reader_a"]
    return screen_features(table, LESIONS, preset=preset, cache=cache, load=simulated, probes=probes), table


@pytest.fixture(scope="module")
def on_one_slice(cache: Path) -> tuple[FeatureScreen, object]:
    return screened("paper1561", cache)


def test_the_bands_across_one_slice_are_round_off(on_one_slice) -> None:
    screen, _ = on_one_slice
    assert {name.split("_")[0] for name in screen.round_off} == ROUND_OFF_BANDS
    assert len(screen.round_off) == 4 * 91


def test_flatness_of_a_flat_thing_is_constant(on_one_slice) -> None:
    screen, table = on_one_slice
    assert {"original_shape_Flatness", "original_shape_LeastAxisLength"} <= set(screen.constant)
    spread = table[list(screen.constant)].max() - table[list(screen.constant)].min()
    assert (spread <= 1e-9 * table[list(screen.constant)].abs().max()).all()


def test_textures_of_patterns_that_fall_into_one_bin_are_the_outlines(on_one_slice) -> None:
    screen, _ = on_one_slice
    assert "lbp-3D-m1_glrlm_LongRunEmphasis" in screen.image_independent
    assert {name.split("_")[0] for name in screen.image_independent} <= {"lbp-3D-m1", "lbp-3D-m2", "lbp-3D-k"}
    assert not any("_shape" in name for name in screen.image_independent), "shape is about the outline, and says so"


def test_each_column_is_in_one_list(on_one_slice) -> None:
    screen, table = on_one_slice
    assert len(set(screen.uninformative)) == len(screen.uninformative)
    assert set(screen.uninformative) < set(table.columns)
    assert screen.to_dict()["probes"] == 2


def test_on_a_plane_nothing_is_round_off_or_independent(cache: Path) -> None:
    screen, _ = screened("sound2d", cache)
    assert screen.round_off == ()
    assert screen.image_independent == ()


def test_a_second_screen_comes_from_the_cache(on_one_slice, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from validkit.plnm.radiomics import screening

    def refuse(*args, **kwargs):
        raise AssertionError("measured again")

    monkeypatch.setattr(screening, "measure", refuse)
    monkeypatch.setattr(screening, "_loudness", refuse)
    assert screened("paper1561", cache)[0] == on_one_slice[0]


def test_a_column_that_does_not_vary_here_is_constant_whatever_it_is_elsewhere(cache: Path) -> None:
    _, table = screened("sound2d", cache)
    table = table.copy()
    table["original_glcm_Contrast"] = 3.5 + np.arange(6) * 1e-15
    table["original_glcm_Idm"] = np.nan
    table["original_ngtdm_Busyness"] = [1.0, np.nan, 1.0, 1.0, 1.0, 1.1]
    screen = screen_features(table, LESIONS, preset="sound2d", cache=cache, load=simulated, probes=1)
    assert {"original_glcm_Contrast", "original_glcm_Idm"} <= set(screen.constant)
    assert "original_ngtdm_Busyness" not in screen.constant


def test_other_columns_and_no_lesions_are_refused(on_one_slice) -> None:
    _, table = on_one_slice
    with pytest.raises(InputError, match="`features` must have the 1311 columns of preset 'sound2d', in order"):
        screen_features(table, LESIONS, preset="sound2d", load=simulated)
    with pytest.raises(InputError, match="at least one lesion must be probed; got none"):
        screen_features(table, [], preset="paper1561", load=simulated)
