"""Features of one lesion: right on 8-bit images, complete or refused, silent, and equal to an independent oracle."""

from __future__ import annotations

import logging
import warnings

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("radiomics", reason="needs the imaging extra", exc_type=ImportError)
from scipy import ndimage

from validkit.errors import InputError, StageError
from validkit.plnm.radiomics import extract, feature_names, would_overflow

PRESETS = ("paper1561", "sound2d")


def lesion(seed: int = 3, shape: tuple[int, int] = (48, 52), top: int = 255) -> tuple[np.ndarray, np.ndarray]:
    """An 8-bit speckled image and an elliptic outline whose grey levels run from 3 to `top`."""
    rng = np.random.default_rng(seed)
    base = ndimage.gaussian_filter(rng.standard_normal(shape), 2)
    base = (base - base.min()) / np.ptp(base) * 240
    pixels = np.clip(base * rng.gamma(8, 1 / 8, shape), 0, top).round().astype(np.uint8)
    y, x = np.mgrid[: shape[0], : shape[1]]
    mask = ((y - shape[0] / 2) / 13) ** 2 + ((x - shape[1] / 2) / 15) ** 2 < 1
    middle = (shape[0] // 2, shape[1] // 2)
    pixels[middle], pixels[middle[0] + 1, middle[1]] = 3, top
    return pixels, mask


def plain(pixels: np.ndarray, mask: np.ndarray, preset: str, shared) -> pd.Series:
    """What PyRadiomics itself gives from its parameter file, on the pixels in the type they come in."""
    import SimpleITK as sitk

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from radiomics.featureextractor import RadiomicsFeatureExtractor

        extractor = RadiomicsFeatureExtractor(str(shared / "radiomics" / f"{preset}.yaml"))
        extractor.addProvenance(False)
        arrays = [pixels, mask.astype(np.uint8)]
        if preset == "paper1561":
            arrays = [array[None] for array in arrays]
        found = extractor.execute(*(sitk.GetImageFromArray(array) for array in arrays))
    return pd.Series({name: float(value) for name, value in found.items()})


# --- what comes back --------------------------------------------------------------------------


@pytest.mark.parametrize("preset", PRESETS)
def test_values_are_pyradiomics_own_in_the_presets_order(preset: str, shared) -> None:
    pixels, mask = lesion()
    found = extract(pixels, mask, preset=preset)
    assert tuple(found.index) == feature_names(preset)
    assert found.dtype == np.float64
    assert found.notna().all()
    assert found.attrs["messages"] == []
    expected = plain(pixels.astype(np.float64), mask, preset, shared)[found.index]
    shape = found.index.str.contains("_shape")
    pd.testing.assert_series_equal(found[~shape], expected[~shape], check_exact=True, check_names=False)
    pd.testing.assert_series_equal(found[shape], expected[shape], rtol=1e-11, atol=1e-12, check_names=False)


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32, np.float64])
def test_the_type_of_the_pixels_does_not_matter(dtype: type) -> None:
    pixels, mask = lesion()
    reference = extract(pixels.astype(np.int64), mask, preset="sound2d")
    pd.testing.assert_series_equal(extract(pixels.astype(dtype), mask, preset="sound2d"), reference, check_exact=True)


def test_plain_pyradiomics_overflows_where_the_guard_says_so(shared) -> None:
    """Two lesions that differ in one pixel: 205 is below the overflow, 255 above it."""
    for top, overflows in ((205, False), (255, True)):
        pixels, mask = lesion(top=top)
        values = pixels.astype(np.float64)
        assert would_overflow(values, mask, 25) is overflows
        try:
            naive = plain(pixels, mask, "sound2d", shared)["original_firstorder_Entropy"]
        except ValueError:
            naive = np.nan
        sound = extract(pixels, mask, preset="sound2d")["original_firstorder_Entropy"]
        assert (naive == sound) is not overflows
    assert not would_overflow(values, mask, None), "a fixed number of bins does not overflow"
    assert not would_overflow(values + 0.5, mask, 25), "not an 8-bit image"
    assert not would_overflow(values * 257, mask, 25), "not an 8-bit image"


def test_spacing_is_row_then_column_and_scales_lengths() -> None:
    pixels, mask = lesion()
    base = extract(pixels, mask, preset="sound2d")
    half = extract(pixels, mask, preset="sound2d", spacing=(0.5, 0.5))
    assert half["original_shape2D_MaximumDiameter"] == pytest.approx(base["original_shape2D_MaximumDiameter"] / 2)
    assert half["original_shape2D_PixelSurface"] == pytest.approx(mask.sum() / 4)
    tall = extract(pixels, mask, preset="paper1561", spacing=(2.0, 1.0))
    assert tall["original_shape_Maximum2DDiameterRow"] >= 2 * np.ptp(np.nonzero(mask)[0])
    assert tall["original_shape_VoxelVolume"] == pytest.approx(mask.sum() * 2)


def test_a_fixed_number_of_bins_withstands_gain_and_offset() -> None:
    pixels, mask = lesion(top=120)
    texture = [name for name in feature_names("sound2d") if name.startswith("original_gl")]
    by_count = [
        extract(image, mask, preset="sound2d", bin_count=32)[texture]
        for image in (pixels.astype(float), pixels * 2.0, pixels + 7.0)
    ]
    assert by_count[0].to_numpy() == pytest.approx(by_count[2].to_numpy(), rel=1e-9)
    assert by_count[0].to_numpy() == pytest.approx(by_count[1].to_numpy(), rel=1e-9)
    wide = [extract(image, mask, preset="sound2d")[texture] for image in (pixels.astype(float), pixels + 7.0)]
    assert not np.allclose(wide[0], wide[1], rtol=1e-3)
    finer = extract(pixels, mask, preset="sound2d", bin_width=5.0)
    assert finer["original_firstorder_Entropy"] > extract(pixels, mask, preset="sound2d")["original_firstorder_Entropy"]
    assert finer["lbp-2D_firstorder_Entropy"] == pytest.approx(
        extract(pixels, mask, preset="sound2d", bin_count=32)["lbp-2D_firstorder_Entropy"]
    ), "codes keep bins of their own"


# --- complete, or refused ---------------------------------------------------------------------


def test_an_image_type_that_pyradiomics_leaves_out_is_an_error_that_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    from radiomics import imageoperations

    def silent(image, mask, **settings):
        imageoperations.logger.warning('Could not load required package "scipy" or "trimesh"')
        return iter(())

    monkeypatch.setattr(imageoperations, "getLBP3DImage", silent)
    with pytest.raises(
        StageError,
        match=r"exactly 1561 features; 1288 came, 273 missing \(first: lbp-3D-m1_firstorder_10Percentile\)"
        r".*PyRadiomics said: Could not load required package",
    ):
        extract(*lesion(), preset="paper1561")


def test_too_small_an_image_for_a_filter_is_an_error_not_a_shorter_table() -> None:
    pixels, mask = lesion()
    with pytest.raises(StageError, match=r"1311 features; \d+ came, \d+ missing \(first: log-sigma-"):
        extract(pixels, mask, preset="sound2d", spacing=(0.02, 0.02))


def test_an_undefined_feature_is_nan_with_what_was_said() -> None:
    pixels, _ = lesion()
    two = np.zeros(pixels.shape, dtype=bool)
    two[20, 20] = two[23, 24] = True
    found = extract(pixels, two, preset="sound2d")
    assert found[found.index.str.startswith("original_")].isna().sum() == 41, "no pixel has a neighbour"
    assert np.isfinite(found.dropna()).all()
    assert len(found.attrs["messages"]) > 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda p, m: (p[None], m), r"`pixels` must be a 2-D array of grey levels; got 3 dimensions of type uint8"),
        (lambda p, m: (p.astype(str), m), r"2-D array of grey levels; got 2 dimensions of type <U"),
        (lambda p, m: (p, m[:-1]), r"`mask` must be a bool array of the image's shape \(48, 52\); got bool of shape"),
        (lambda p, m: (p, m.astype(int)), r"must be a bool array of the image's shape \(48, 52\); got int64"),
        (lambda p, m: (p, np.zeros_like(m)), r"`mask` is empty"),
        (lambda p, m: (p, np.arange(m.size).reshape(m.shape) == 60), r"spans 1 x 1 pixels; .* at least 2 x 2"),
        (lambda p, m: (p, np.broadcast_to(np.arange(52) == 9, m.shape)), r"spans 48 x 1 pixels"),
        (lambda p, m: (np.where(p > 200, np.nan, p), m), r"must be finite; \d+ of 2496 are not \(first: row \d+"),
        (lambda p, m: (np.full(p.shape, 7.0), m), r"are all 7: a uniform image has no features"),
    ],
)
def test_what_cannot_be_measured_is_refused(change, message: str) -> None:
    with pytest.raises(InputError, match=message):
        extract(*change(*lesion()), preset="sound2d")


def test_a_spacing_that_is_none_is_refused() -> None:
    with pytest.raises(InputError, match=r"`spacing` must be two positive distances in mm \(row, column\); got"):
        extract(*lesion(), preset="sound2d", spacing=(0.0, 1.0))


# --- silent -----------------------------------------------------------------------------------


def test_nothing_is_printed_and_the_log_is_put_back(capfd: pytest.CaptureFixture[str]) -> None:
    pixels, _ = lesion()
    two = np.zeros(pixels.shape, dtype=bool)
    two[20, 20] = two[23, 24] = True
    logger = logging.getLogger("radiomics")
    before = (list(logger.handlers), logger.level, logger.propagate, logger.disabled)
    filters = list(warnings.filters)
    extract(pixels, two, preset="paper1561")
    assert (list(logger.handlers), logger.level, logger.propagate, logger.disabled) == before
    assert list(warnings.filters) == filters
    assert capfd.readouterr() == ("", "")


# --- an independent oracle --------------------------------------------------------------------

MIRP = {
    "firstorder": {
        "Mean": "stat_mean", "Variance": "stat_var", "Skewness": "stat_skew", "Kurtosis": "stat_kurt",
        "Median": "stat_median", "Minimum": "stat_min", "10Percentile": "stat_p10", "90Percentile": "stat_p90",
        "Maximum": "stat_max", "InterquartileRange": "stat_iqr", "Range": "stat_range",
        "MeanAbsoluteDeviation": "stat_mad", "RobustMeanAbsoluteDeviation": "stat_rmad", "Energy": "stat_energy",
        "TotalEnergy": "stat_energy", "RootMeanSquared": "stat_rms", "Entropy": "ih_entropy",
        "Uniformity": "ih_uniformity",
    },
    "glcm": {
        "MaximumProbability": "cm_joint_max", "JointAverage": "cm_joint_avg", "SumSquares": "cm_joint_var",
        "JointEntropy": "cm_joint_entr", "DifferenceAverage": "cm_diff_avg", "DifferenceVariance": "cm_diff_var",
        "DifferenceEntropy": "cm_diff_entr", "SumAverage": "cm_sum_avg", "SumEntropy": "cm_sum_entr",
        "JointEnergy": "cm_energy", "Contrast": "cm_contrast", "Id": "cm_inv_diff", "Idn": "cm_inv_diff_norm",
        "Idm": "cm_inv_diff_mom", "Idmn": "cm_inv_diff_mom_norm", "InverseVariance": "cm_inv_var",
        "Correlation": "cm_corr", "Autocorrelation": "cm_auto_corr", "ClusterTendency": "cm_clust_tend",
        "ClusterShade": "cm_clust_shade", "ClusterProminence": "cm_clust_prom", "Imc1": "cm_info_corr1",
        "Imc2": "cm_info_corr2",
    },
    "glrlm": {
        "ShortRunEmphasis": "rlm_sre", "LongRunEmphasis": "rlm_lre", "LowGrayLevelRunEmphasis": "rlm_lgre",
        "HighGrayLevelRunEmphasis": "rlm_hgre", "ShortRunLowGrayLevelEmphasis": "rlm_srlge",
        "ShortRunHighGrayLevelEmphasis": "rlm_srhge", "LongRunLowGrayLevelEmphasis": "rlm_lrlge",
        "LongRunHighGrayLevelEmphasis": "rlm_lrhge", "GrayLevelNonUniformity": "rlm_glnu",
        "GrayLevelNonUniformityNormalized": "rlm_glnu_norm", "RunLengthNonUniformity": "rlm_rlnu",
        "RunLengthNonUniformityNormalized": "rlm_rlnu_norm", "RunPercentage": "rlm_r_perc",
        "GrayLevelVariance": "rlm_gl_var", "RunVariance": "rlm_rl_var", "RunEntropy": "rlm_rl_entr",
    },
    "glszm": {
        "SmallAreaEmphasis": "szm_sze", "LargeAreaEmphasis": "szm_lze", "LowGrayLevelZoneEmphasis": "szm_lgze",
        "HighGrayLevelZoneEmphasis": "szm_hgze", "SmallAreaLowGrayLevelEmphasis": "szm_szlge",
        "SmallAreaHighGrayLevelEmphasis": "szm_szhge", "LargeAreaLowGrayLevelEmphasis": "szm_lzlge",
        "LargeAreaHighGrayLevelEmphasis": "szm_lzhge", "GrayLevelNonUniformity": "szm_glnu",
        "GrayLevelNonUniformityNormalized": "szm_glnu_norm", "SizeZoneNonUniformity": "szm_zsnu",
        "SizeZoneNonUniformityNormalized": "szm_zsnu_norm", "ZonePercentage": "szm_z_perc",
        "GrayLevelVariance": "szm_gl_var", "ZoneVariance": "szm_zs_var", "ZoneEntropy": "szm_zs_entr",
    },
    "gldm": {
        "SmallDependenceEmphasis": "ngl_lde", "LargeDependenceEmphasis": "ngl_hde", "LowGrayLevelEmphasis": "ngl_lgce",
        "HighGrayLevelEmphasis": "ngl_hgce", "SmallDependenceLowGrayLevelEmphasis": "ngl_ldlge",
        "SmallDependenceHighGrayLevelEmphasis": "ngl_ldhge", "LargeDependenceLowGrayLevelEmphasis": "ngl_hdlge",
        "LargeDependenceHighGrayLevelEmphasis": "ngl_hdhge", "GrayLevelNonUniformity": "ngl_glnu",
        "DependenceNonUniformity": "ngl_dcnu", "DependenceNonUniformityNormalized": "ngl_dcnu_norm",
        "GrayLevelVariance": "ngl_gl_var", "DependenceVariance": "ngl_dc_var", "DependenceEntropy": "ngl_dc_entr",
    },
    "ngtdm": {
        "Coarseness": "ngt_coarseness", "Contrast": "ngt_contrast", "Busyness": "ngt_busyness",
        "Complexity": "ngt_complexity", "Strength": "ngt_strength",
    },
}  # fmt: skip


def by_mirp(pixels: np.ndarray, mask: np.ndarray) -> pd.Series:
    """The same features by MIRP, whose bins start where PyRadiomics' do: at a multiple of 25."""
    pytest.importorskip("mirp", reason="the oracle is not installed")
    lowest = 25.0 * (pixels[mask].min() // 25)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from mirp import extract_features

        (found,) = extract_features(
            image=pixels.astype(np.float64)[None],
            mask=mask[None],
            by_slice=True,
            glcm_spatial_method="2d_average",
            glrlm_spatial_method="2d_average",
            ngldm_dependence_alpha=0.0,
            base_discretisation_method="fixed_bin_size",
            base_discretisation_bin_width=25.0,
            resegmentation_intensity_range=[lowest, 255.0],
            base_feature_families=["statistics", "intensity_histogram", "cm", "rlm", "szm", "ngtdm", "ngldm"],
        )
    row = found.iloc[0]
    values = {}
    for kind, names in MIRP.items():
        for ours, theirs in names.items():
            column = next(
                c
                for c in row.index
                if c == theirs or c.startswith((f"{theirs}_d1_", f"{theirs}_2d_", f"{theirs}_fbs_"))
            )
            values[f"original_{kind}_{ours}"] = float(row[column])
    values["original_firstorder_Kurtosis"] += 3
    return pd.Series(values)


def assert_mirp_agrees(pixels: np.ndarray, mask: np.ndarray, found: pd.Series) -> None:
    expected = by_mirp(pixels, mask)
    original = [name for name in found.index if name.startswith("original_") and "_shape2D_" not in name]
    assert sorted({*original} - {*expected.index}) == ["original_glcm_MCC"], "92 of 93 have a counterpart"
    pd.testing.assert_series_equal(found[expected.index], expected, rtol=1e-6, check_names=False)


def test_original_features_of_a_bright_8_bit_lesion_equal_mirps() -> None:
    pixels, mask = lesion()
    assert would_overflow(pixels.astype(np.float64), mask, 25)
    assert_mirp_agrees(pixels, mask, extract(pixels, mask, preset="sound2d"))


def test_a_real_bright_lesion_has_its_entropy_and_mirps_features(shared) -> None:
    from validkit.cohort.lesions import read_lesion

    folder = shared / "data" / "breast-us" / "busbra-421"
    pixels, mask, spacing = read_lesion(folder / "images" / "bus_0019-l.png", folder / "masks" / "bus_0019-l.png")
    assert would_overflow(pixels, mask, 25)
    found = extract(pixels, mask, preset="sound2d", spacing=spacing)
    assert round(found["original_firstorder_Entropy"], 2) == 2.13, "plain PyRadiomics says 0.00"
    rows, columns = (slice(index.min() - 1, index.max() + 2) for index in np.nonzero(mask))
    assert_mirp_agrees(pixels[rows, columns], mask[rows, columns], found)
