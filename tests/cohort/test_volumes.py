from __future__ import annotations

import gzip
import os
import sys

import numpy as np
import pytest

from validkit.cohort import ImageError, read_image
from validkit.errors import MissingExtraError

sitk = pytest.importorskip("SimpleITK", reason="the imaging extra is not installed")
tifffile = pytest.importorskip("tifffile", reason="the imaging extra is not installed")

RNG = np.random.default_rng(5)
GREY = RNG.integers(0, 256, (30, 44)).astype(np.uint8)


def write(path, array, spacing=(0.2, 0.1), **options):
    """spacing is (row, column)."""
    image = sitk.GetImageFromArray(array)
    extra = (1.0,) * (image.GetDimension() - 2)
    image.SetSpacing((spacing[1], spacing[0], *extra))
    for name, value in options.items():
        getattr(image, name)(value)
    sitk.WriteImage(image, str(path), path.name.endswith(".gz"))


def refused(path, code, match):
    with pytest.raises(ImageError, match=match) as caught:
        read_image(path)
    assert caught.value.code == code


@pytest.mark.parametrize("name", ["x.nii", "x.nii.gz", "x.nrrd"])
@pytest.mark.parametrize("kind", ["uint8", "int16", "uint16", "float32", "float64"])
@pytest.mark.parametrize("slices", [False, True])
def test_round_trip(tmp_path, name, kind, slices, capfd):
    array = GREY.astype(kind) * (3 if kind != "uint8" else 1)
    write(tmp_path / name, array[None] if slices else array)
    image = read_image(tmp_path / name)
    np.testing.assert_array_equal(image.pixels, array)
    assert image.pixels.dtype == kind
    assert image.spacing == (0.2, 0.1)
    assert image.bits == 8 * np.dtype(kind).itemsize
    assert image.format == ("NRRD" if name == "x.nrrd" else "NIfTI")
    assert image.frame.placed
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_the_axis_of_length_one_may_be_any(tmp_path, axis):
    write(tmp_path / "x.nrrd", np.expand_dims(GREY, axis))
    np.testing.assert_array_equal(read_image(tmp_path / "x.nrrd").pixels, GREY)


def test_spacing_of_one_is_noted(tmp_path):
    write(tmp_path / "x.nrrd", GREY, spacing=(1.0, 1.0))
    image = read_image(tmp_path / "x.nrrd")
    assert image.spacing == (1.0, 1.0)
    assert image.notes == ("pixel spacing is exactly 1 mm, which is often a default and no measurement",)


def test_several_slices_are_refused(tmp_path):
    write(tmp_path / "x.nii.gz", np.stack([GREY] * 5))
    refused(tmp_path / "x.nii.gz", "multi-frame", "the NIfTI file holds 5 slices")


@pytest.mark.parametrize("name", ["x.nii", "x.nii.gz", "x.nrrd"])
@pytest.mark.parametrize("share", [0.2, 0.6, 0.99])
def test_truncated_files_are_refused(tmp_path, name, share, capfd):
    write(tmp_path / name, GREY)
    content = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(content[: int(len(content) * share)])
    no_magic = name == "x.nii" and share == 0.2
    refused(tmp_path / name, "format" if no_magic else "unreadable", "accepted formats" if no_magic else "decoded")
    assert capfd.readouterr() == ("", "")


def test_a_whole_archive_of_a_short_nifti_is_refused(tmp_path):
    write(tmp_path / "x.nii", GREY)
    (tmp_path / "x.nii.gz").write_bytes(gzip.compress((tmp_path / "x.nii").read_bytes()[:-100]))
    refused(tmp_path / "x.nii.gz", "unreadable", "announces 1320 bytes of pixels, 1220 are there")


def test_a_damaged_archive_is_refused(tmp_path):
    write(tmp_path / "x.nii.gz", GREY)
    content = bytearray((tmp_path / "x.nii.gz").read_bytes())
    content[-6] ^= 0xFF  # the checksum
    (tmp_path / "x.nii.gz").write_bytes(content)
    refused(tmp_path / "x.nii.gz", "unreadable", "CRC check failed")


def test_a_nifti_under_another_name_asks_for_its_ending(tmp_path):
    write(tmp_path / "x.nii", GREY)
    (tmp_path / "x.nii").rename(tmp_path / "x.img")
    refused(tmp_path / "x.img", "format", "must end in .nii or .nii.gz; got 'x.img'")


def test_a_detached_header_is_refused(tmp_path):
    (tmp_path / "x.nrrd").write_bytes(
        b"NRRD0004\ntype: uchar\ndimension: 2\nsizes: 4 4\nencoding: raw\ndata file: /etc/passwd\n"
    )
    refused(tmp_path / "x.nrrd", "format", "points at a second file")


def test_colour_volumes_follow_the_colour_rule(tmp_path):
    colour = np.dstack([GREY] * 3)
    sitk.WriteImage(sitk.GetImageFromArray(colour, isVector=True), str(tmp_path / "x.nrrd"))
    np.testing.assert_array_equal(read_image(tmp_path / "x.nrrd").pixels, GREY)
    colour[0, 0, 0] ^= 255
    sitk.WriteImage(sitk.GetImageFromArray(colour, isVector=True), str(tmp_path / "x.nrrd"))
    refused(tmp_path / "x.nrrd", "colour", "in colour")


def test_nan_is_refused(tmp_path):
    array = GREY.astype(np.float64)
    array[1, 1] = np.nan
    write(tmp_path / "x.nrrd", array)
    refused(tmp_path / "x.nrrd", "not-finite", "1 of 1320 pixels")


def test_what_libtiff_writes_to_the_terminal_is_kept_off(tmp_path, capfd):
    path = tmp_path / "x.tif"
    tifffile.imwrite(path, np.dstack([GREY.astype(np.uint16)] * 3), photometric="rgb")
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(RuntimeError):
        sitk.ReadImage(str(path))
    assert "TIFFFillStrip: Read error" in capfd.readouterr().err
    refused(path, "unreadable", r"cannot be decoded \(ITK ERROR: TIFFImageIO: Problem reading the row: 0\)")
    assert capfd.readouterr() == ("", "")


def test_the_process_is_left_as_it_was(tmp_path, capfd):
    write(tmp_path / "x.nii", GREY)
    shown = sitk.ProcessObject.GetGlobalWarningDisplay()
    open_before = set(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else set()
    read_image(tmp_path / "x.nii")
    assert sitk.ProcessObject.GetGlobalWarningDisplay() == shown
    os.write(2, b"still here")
    assert capfd.readouterr().err == "still here"
    if open_before:
        assert set(os.listdir("/proc/self/fd")) == open_before


@pytest.mark.parametrize(("package", "name"), [("SimpleITK", "001.nrrd"), ("pydicom", "001.dcm")])
def test_a_missing_package_names_the_extra_and_is_no_fault_of_the_cohort(folder, monkeypatch, package, name):
    content = b"NRRD0004\n" if package == "SimpleITK" else bytes(128) + b"DICM" + bytes(100)
    (folder.root / "images" / name).write_bytes(content)
    folder.rows[0]["image"] = f"images/{name}"
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError, match=rf"needs {package}, .*pip install 'validkit\[imaging\]'"):
        folder.read()
