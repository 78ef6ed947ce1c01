from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from validkit.cohort import ImageError, read_image

pydicom = pytest.importorskip("pydicom", reason="the imaging extra is not installed")

from pydicom.dataset import Dataset, FileMetaDataset  # noqa: E402
from pydicom.uid import ExplicitVRLittleEndian, RLELossless, generate_uid  # noqa: E402

RNG = np.random.default_rng(11)
GREY = RNG.integers(0, 256, (30, 44)).astype(np.uint8)
ULTRASOUND = "1.2.840.10008.5.1.4.1.1.6.1"


def write(path: Path, pixels: np.ndarray, kind: str = "MONOCHROME2", bits: int | None = None, **more: Any) -> Dataset:
    """A single-frame ultrasound image as a machine would write it."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = ULTRASOUND
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID = generate_uid()
    dataset.Modality, dataset.Manufacturer, dataset.ManufacturerModelName = "US", "GE Healthcare", "LOGIQ E9"
    dataset.PhotometricInterpretation = kind
    dataset.Rows, dataset.Columns = pixels.shape[:2]
    dataset.SamplesPerPixel = 3 if pixels.ndim == 3 else 1
    if dataset.SamplesPerPixel == 3:
        dataset.PlanarConfiguration = 0
    allocated = 8 * pixels.dtype.itemsize
    dataset.BitsAllocated, dataset.BitsStored = allocated, bits or allocated
    dataset.HighBit = dataset.BitsStored - 1
    dataset.PixelRepresentation = int(pixels.dtype.kind == "i")
    dataset.PixelData = pixels.tobytes()
    for name, value in more.items():
        setattr(dataset, name, value)
    dataset.save_as(path, enforce_file_format=True)
    return dataset


def region(across: float, down: float, units: int = 3, layout: int = 1) -> Dataset:
    part = Dataset()
    part.RegionSpatialFormat = layout
    part.PhysicalUnitsXDirection = part.PhysicalUnitsYDirection = units
    part.PhysicalDeltaX, part.PhysicalDeltaY = across, down
    return part


def refused(path, code, match):
    with pytest.raises(ImageError, match=match) as caught:
        read_image(path)
    assert caught.value.code == code


@pytest.fixture
def path(tmp_path):
    return tmp_path / "x.dcm"


@pytest.mark.parametrize("kind", ["uint8", "uint16", "int16"])
def test_grey_round_trip(path, kind):
    array = GREY.astype(kind) * (1 if kind == "uint8" else 9)
    write(path, array)
    image = read_image(path)
    np.testing.assert_array_equal(image.pixels, array)
    assert image.pixels.dtype == kind
    assert (image.format, image.scanner, image.spacing, image.notes) == ("DICOM", "GE Healthcare LOGIQ E9", None, ())


def test_bits_stored_are_told(path):
    write(path, GREY.astype(np.uint16) * 16, bits=12)
    assert read_image(path).bits == 12


def test_no_name_ending_is_needed(tmp_path):
    write(tmp_path / "IM000001", GREY)
    assert read_image(tmp_path / "IM000001").format == "DICOM"


def test_ultrasound_regions_give_the_spacing_which_simpleitk_ignores(path):
    write(path, GREY, SequenceOfUltrasoundRegions=[region(0.0066, 0.0071), region(1.0, -40.0, units=7, layout=3)])
    assert read_image(path).spacing == pytest.approx((0.071, 0.066), abs=1e-12)
    sitk = pytest.importorskip("SimpleITK")
    assert sitk.ReadImage(str(path)).GetSpacing()[:2] == (1.0, 1.0)


def test_negative_deltas_are_distances(path):
    write(path, GREY, SequenceOfUltrasoundRegions=[region(0.01, -0.01)])
    assert read_image(path).spacing == pytest.approx((0.1, 0.1))


def test_two_scales_in_one_picture_give_no_spacing(path):
    write(path, GREY, SequenceOfUltrasoundRegions=[region(0.01, 0.01), region(0.02, 0.02)])
    image = read_image(path)
    assert image.spacing is None
    assert image.notes == ("DICOM holds ultrasound regions of different scale: spacing not used",)


def test_a_scale_of_zero_is_not_used(path):
    write(path, GREY, SequenceOfUltrasoundRegions=[region(0.0, 0.0)])
    assert read_image(path).spacing is None


def test_pixel_spacing_is_row_then_column(path):
    write(path, GREY, PixelSpacing=[0.3, 0.2])
    assert read_image(path).spacing == (0.3, 0.2)


def test_monochrome1_is_inverted(path):
    write(path, 255 - GREY, "MONOCHROME1")
    image = read_image(path)
    np.testing.assert_array_equal(image.pixels, GREY)
    assert image.notes == ("DICOM MONOCHROME1 (white is low): inverted",)
    write(path, (4095 - GREY.astype(np.uint16)), "MONOCHROME1", bits=12)
    np.testing.assert_array_equal(read_image(path).pixels, GREY)
    write(path, (-1 - GREY.astype(np.int16)), "MONOCHROME1")
    np.testing.assert_array_equal(read_image(path).pixels, GREY)


def test_rescaling_is_applied(path):
    write(path, GREY, RescaleSlope=2, RescaleIntercept=-100, RescaleType="US")
    image = read_image(path)
    np.testing.assert_array_equal(image.pixels, 2.0 * GREY - 100)
    assert image.notes == ("DICOM modality rescaling applied",)
    write(path, GREY, RescaleSlope=1, RescaleIntercept=0)
    assert read_image(path).notes == ()


@pytest.mark.parametrize("planar", [0, 1])
def test_equal_channels_are_grey_and_colour_is_refused(path, planar):
    def save(array):
        stored = np.ascontiguousarray(np.moveaxis(array, 2, 0)).reshape(array.shape) if planar else array
        write(path, stored, "RGB", PlanarConfiguration=planar)

    colour = np.dstack([GREY] * 3)
    save(colour)
    np.testing.assert_array_equal(read_image(path).pixels, GREY)
    colour[5, 5] = (255, 0, 0)
    save(colour)
    refused(path, "colour", "channels differ in 1 pixels")


def test_ybr_without_colour_is_grey(path):
    ybr = np.dstack([GREY, np.full_like(GREY, 128), np.full_like(GREY, 128)])
    write(path, ybr, "YBR_FULL")
    np.testing.assert_array_equal(read_image(path).pixels, GREY)
    ybr[0, 0] = (100, 200, 90)
    write(path, ybr, "YBR_FULL")
    refused(path, "colour", "in colour")


@pytest.mark.parametrize("entry_bits", [8, 16])
def test_a_palette_is_applied(path, entry_bits):
    index = (GREY // 64).astype(np.uint8)
    levels = np.array([0, 64, 128, 250])
    table = (levels * 257).astype("<u2") if entry_bits == 16 else levels.astype(np.uint8)
    more: dict[str, Any] = {}
    for name in ("Red", "Green", "Blue"):
        more[f"{name}PaletteColorLookupTableDescriptor"] = [4, 0, entry_bits]
        more[f"{name}PaletteColorLookupTableData"] = table.tobytes()
    write(path, index, "PALETTE COLOR", **more)
    image = read_image(path)
    np.testing.assert_array_equal(image.pixels, levels[index])
    assert image.notes[0] == "stored with a palette, which was applied"
    assert (image.pixels.dtype, image.bits) == (np.uint8, 8)


def test_several_frames_are_refused_and_one_is_fine(path):
    write(path, np.stack([GREY] * 3)[0], NumberOfFrames=1)
    np.testing.assert_array_equal(read_image(path).pixels, GREY)
    write(path, GREY, NumberOfFrames=37)
    refused(path, "multi-frame", "the DICOM file holds 37 frames; one picture is needed")


def test_run_length_encoding(path):
    dataset = write(path, GREY)
    dataset.compress(RLELossless)
    dataset.save_as(path, enforce_file_format=True)
    np.testing.assert_array_equal(read_image(path).pixels, GREY)


@pytest.mark.parametrize("kind", ["uint8", "uint16"])
def test_lossless_jpeg_is_decoded_by_gdcm_and_noted(tmp_path, kind):
    sitk = pytest.importorskip("SimpleITK")
    path = tmp_path / "x.dcm"
    writer = sitk.ImageFileWriter()
    writer.SetFileName(str(path))
    writer.SetUseCompression(True)
    writer.SetCompressor("JPEG")
    writer.Execute(sitk.GetImageFromArray(GREY.astype(kind)))
    assert str(pydicom.dcmread(path).file_meta.TransferSyntaxUID) == "1.2.840.10008.1.2.4.70"
    image = read_image(path)
    np.testing.assert_array_equal(image.pixels, GREY)
    assert image.notes == (
        "DICOM pixels decoded by GDCM (JPEG Lossless, Non-Hierarchical, First-Order Prediction (Process 14 "
        "[Selection Value 1]))",
    )


def test_lossy_compression_and_burnt_in_text_are_noted(path):
    write(path, GREY, LossyImageCompression="01", BurnedInAnnotation="YES")
    assert read_image(path).notes == (
        "DICOM says: lossy compression altered the grey values",
        "DICOM says: text is burnt into the image",
    )


def test_the_frame_of_the_patient(path):
    write(
        path, GREY, PixelSpacing=[0.5, 0.5], ImageOrientationPatient=[0, 1, 0, 0, 0, -1], ImagePositionPatient=[1, 2, 3]
    )
    frame = read_image(path).frame
    assert (frame.right, frame.down, frame.origin, frame.placed) == (
        (0.0, 1.0, 0.0),
        (0.0, 0.0, -1.0),
        (1.0, 2.0, 3.0),
        True,
    )


@pytest.mark.parametrize("share", [0.2, 0.5, 0.98])
def test_truncated_files_are_refused(path, share, capfd):
    write(path, GREY)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    refused(path, "unreadable", "DICOM")
    assert capfd.readouterr() == ("", "")


def test_a_file_without_pixels(path):
    dataset = write(path, GREY)
    del dataset.PixelData
    dataset.save_as(path, enforce_file_format=True)
    refused(path, "unreadable", r"\(modality US\) holds no pixels")


def test_other_photometric_interpretations(path):
    write(path, np.dstack([GREY] * 3), "HSV")
    refused(path, "format", "'HSV' is not accepted")
