from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest
from PIL import Image as pillow

from validkit.cohort import ImageError, read_image, read_outline

tifffile = pytest.importorskip("tifffile", reason="the imaging extra is not installed")

RNG = np.random.default_rng(3)
GREY = RNG.integers(0, 256, (30, 44)).astype(np.uint8)
DEEP = RNG.integers(0, 65536, (30, 44)).astype(np.uint16)


def refused(path, code, match, **options):
    with pytest.raises(ImageError, match=match) as caught:
        read_image(path, **options)
    assert caught.value.code == code
    return caught.value


@pytest.mark.parametrize("name", ["x.png", "x.tif", "x.bmp"])
def test_eight_bits_round_trip(tmp_path, name):
    pillow.fromarray(GREY).save(tmp_path / name, dpi=(72, 72))
    image = read_image(tmp_path / name)
    np.testing.assert_array_equal(image.pixels, GREY)
    assert (image.pixels.dtype, image.bits, image.spacing) == (np.uint8, 8, None)
    assert image.format == {"x.png": "PNG", "x.tif": "TIFF", "x.bmp": "BMP"}[name]
    assert image.values.dtype == np.float64


@pytest.mark.parametrize("name", ["x.png", "x.tif"])
def test_sixteen_bits_round_trip(tmp_path, name):
    pillow.fromarray(DEEP).save(tmp_path / name)
    image = read_image(tmp_path / name)
    np.testing.assert_array_equal(image.pixels, DEEP)
    assert (image.pixels.dtype, image.bits) == (np.uint16, 16)


@pytest.mark.parametrize("kind", ["uint8", "int8", "uint16", "int16", "uint32", "int32", "float32"])
@pytest.mark.parametrize("order", ["<", ">"])
def test_tiff_of_every_number_type(tmp_path, kind, order):
    array = (GREY.astype(np.int64) - (100 if kind[0] != "u" else 0)).astype(kind)
    if kind == "uint32":
        array = array * np.uint32(2**24)
    if kind.startswith("float"):
        array = array / array.dtype.type(7)
    tifffile.imwrite(tmp_path / "x.tif", array, byteorder=order)
    np.testing.assert_array_equal(read_image(tmp_path / "x.tif").pixels, array)


def test_tiff_of_64_bits_is_refused_since_no_decoder_reads_it(tmp_path, capfd):
    tifffile.imwrite(tmp_path / "x.tif", GREY.astype(np.float64))
    refused(tmp_path / "x.tif", "unreadable", "the TIFF file cannot be decoded")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_deflate", "packbits"])
def test_compressed_tiff(tmp_path, compression):
    pillow.fromarray(GREY).save(tmp_path / "x.tif", compression=compression)
    np.testing.assert_array_equal(read_image(tmp_path / "x.tif").pixels, GREY)


def test_tiff_where_white_is_zero(tmp_path):
    tifffile.imwrite(tmp_path / "x.tif", 255 - GREY, photometric="miniswhite")
    np.testing.assert_array_equal(read_image(tmp_path / "x.tif").pixels, GREY)


@pytest.mark.parametrize("name", ["x.png", "x.tif", "x.bmp"])
def test_one_bit_masks(tmp_path, name):
    inside = GREY > 128
    pillow.fromarray(inside).save(tmp_path / name)
    outline = read_outline(tmp_path / name)
    np.testing.assert_array_equal(outline.mask, inside)
    assert outline.values == (0.0, 255.0)


@pytest.mark.parametrize("name", ["x.png", "x.tif"])
def test_a_grey_palette_is_applied(tmp_path, name):
    levels = (GREY // 64 * 64).astype(np.uint8)
    picture = pillow.fromarray(3 - GREY // 64).convert("P")
    picture.putpalette([v for g in (192, 128, 64, 0) for v in (g, g, g)])
    picture.save(tmp_path / name)
    image = read_image(tmp_path / name)
    np.testing.assert_array_equal(image.pixels, levels)
    assert image.notes == (
        "stored with a palette, which was applied",
        "stored in colour, all channels equal: read as grey",
    )


def test_a_coloured_palette_is_colour(tmp_path):
    picture = pillow.fromarray(GREY // 128).convert("P")
    picture.putpalette([0, 0, 0, 128, 0, 0])
    picture.save(tmp_path / "x.png")
    refused(tmp_path / "x.png", "colour", "in colour")
    with pytest.raises(ImageError, match="the outline is in colour") as caught:
        read_outline(tmp_path / "x.png")
    assert "one grey channel" in caught.value.mend


@pytest.mark.parametrize("name", ["x.png", "x.tif", "x.bmp"])
def test_equal_channels_are_grey(tmp_path, name):
    pillow.fromarray(np.dstack([GREY] * 3)).save(tmp_path / name)
    image = read_image(tmp_path / name)
    np.testing.assert_array_equal(image.pixels, GREY)
    assert image.pixels.dtype == np.uint8


def test_colour_is_refused_or_reduced(tmp_path):
    colour = np.dstack([GREY] * 3)
    colour[4, 6] = (200, 10, 30)
    colour[9, 1] = (0, 0, 1)
    pillow.fromarray(colour).save(tmp_path / "x.png")
    error = refused(tmp_path / "x.png", "colour", "channels differ in 2 pixels .0.15 %., first at row 4, column 6")
    assert 'cohort.colour = "luminance"' in error.mend
    image = read_image(tmp_path / "x.png", colour="luminance")
    np.testing.assert_allclose(image.pixels[4, 6], 0.299 * 200 + 0.587 * 10 + 0.114 * 30, rtol=1e-14)
    np.testing.assert_allclose(image.pixels[0], GREY[0], rtol=1e-14)
    assert image.notes == ("colour reduced to luminance (BT.601)",)


@pytest.mark.parametrize("name", ["x.png", "x.tif"])
def test_sixteen_bit_colour_keeps_its_bits(tmp_path, name):
    import SimpleITK as sitk

    stacked = np.dstack([DEEP] * 3)
    sitk.WriteImage(sitk.GetImageFromArray(stacked, isVector=True), str(tmp_path / name))
    image = read_image(tmp_path / name)
    np.testing.assert_array_equal(image.pixels, DEEP)
    assert image.bits == 16


@pytest.mark.parametrize("channels", [2, 4])
def test_alpha_is_dropped_where_opaque_and_refused_elsewhere(tmp_path, channels):
    array = np.dstack([GREY] * channels)
    array[..., -1] = 255
    pillow.fromarray(array).save(tmp_path / "x.png")
    np.testing.assert_array_equal(read_image(tmp_path / "x.png").pixels, GREY)
    array[3, 5:8, -1] = 254
    pillow.fromarray(array).save(tmp_path / "x.png")
    refused(tmp_path / "x.png", "transparent", "3 of 1320 pixels are not opaque")


def test_jpeg_is_an_image_with_a_note_but_no_outline(tmp_path):
    pillow.fromarray(GREY).save(tmp_path / "x.jpg")
    assert read_image(tmp_path / "x.jpg").notes == ("JPEG: lossy compression altered the grey values",)
    (tmp_path / "x.jpg").rename(tmp_path / "x.png")
    with pytest.raises(ImageError, match="JPEG file, whose compression blurs its edge") as caught:
        read_outline(tmp_path / "x.png")
    assert caught.value.code == "format"


@pytest.mark.parametrize("name", ["x.png", "x.tif", "x.bmp", "x.jpg"])
@pytest.mark.parametrize("share", [0.3, 0.7, 0.95])
def test_truncated_files_are_refused(tmp_path, name, share, capfd):
    pillow.fromarray(GREY).save(tmp_path / name)
    content = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(content[: int(len(content) * share)])
    refused(tmp_path / name, "unreadable", "cannot be decoded")
    assert capfd.readouterr() == ("", "")


def test_a_flipped_byte_in_a_png_is_refused(tmp_path):
    pillow.fromarray(GREY).save(tmp_path / "x.png")
    content = bytearray((tmp_path / "x.png").read_bytes())
    content[len(content) // 2] ^= 0x55
    (tmp_path / "x.png").write_bytes(content)
    refused(tmp_path / "x.png", "unreadable", "cannot be decoded")


def test_several_pages_are_refused(tmp_path):
    tifffile.imwrite(tmp_path / "x.tif", np.stack([GREY, GREY]), photometric="minisblack")
    refused(tmp_path / "x.tif", "multi-frame", "the TIFF file holds 2 pages; one picture is needed")


def test_rotation_tags_are_refused(tmp_path):
    exif = pillow.Exif()
    exif[0x0112] = 6
    pillow.fromarray(GREY).save(tmp_path / "x.jpg", exif=exif)
    refused(tmp_path / "x.jpg", "orientation-tag", "orientation tag 6")


def test_other_colour_models_are_refused(tmp_path):
    pillow.fromarray(np.dstack([GREY] * 4), mode="CMYK").save(tmp_path / "x.tif")
    refused(tmp_path / "x.tif", "colour", "colour mode CMYK")


def test_blank_images_are_refused(tmp_path):
    pillow.fromarray(np.zeros_like(GREY)).save(tmp_path / "x.png")
    refused(tmp_path / "x.png", "blank-image", "every pixel is 0")


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_nan_and_infinity_are_refused(tmp_path, bad):
    array = GREY.astype(np.float32)
    array[2, 3:5] = bad
    tifffile.imwrite(tmp_path / "x.tif", array)
    refused(tmp_path / "x.tif", "not-finite", "2 of 1320 pixels are NaN or infinite")


def test_a_header_that_promises_too_much_is_refused_before_decoding(tmp_path):
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 60000, 60000, 8, 0, 0, 0, 0))
    bomb = b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    (tmp_path / "x.png").write_bytes(bomb)
    refused(tmp_path / "x.png", "unreadable", "pixels")


@pytest.mark.parametrize(
    ("content", "code", "message"),
    [
        (b"", "unreadable", "the file is empty"),
        (b"GIF89a" + bytes(600), "format", "none of the accepted formats"),
        (b"hello", "format", "none of the accepted formats"),
        (b"\x89PNG\r\n\x1a\n", "unreadable", "cannot be decoded"),
        (b"II*\x00" + bytes(100), "unreadable", "cannot be decoded"),
        (b"BM" + bytes(100), "unreadable", "cannot be decoded"),
    ],
)
def test_files_that_are_no_picture(tmp_path, content, code, message, capfd):
    (tmp_path / "x.png").write_bytes(content)
    refused(tmp_path / "x.png", code, message)
    assert capfd.readouterr() == ("", "")


def test_a_missing_file(tmp_path):
    refused(tmp_path / "x.png", "file-missing", "'x.png' is not there")


def test_content_decides_not_the_name(tmp_path):
    pillow.fromarray(GREY).save(tmp_path / "x.tif")
    (tmp_path / "x.tif").rename(tmp_path / "x.png")
    assert read_image(tmp_path / "x.png").format == "TIFF"
