"""One image in two versions is found; two images with one layout are not."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from validkit.audit import check_near_duplicates
from validkit.audit.near_duplicates import LIKENESS, near_pairs
from validkit.audit.registration import flipped, likeness, texture
from validkit.cohort import Cohort

pytest.importorskip("imagehash", reason="needs the imaging extra")


def jpeg(pixels: np.ndarray) -> np.ndarray:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=50)
    return np.asarray(Image.open(file))


def smaller(pixels: np.ndarray) -> np.ndarray:
    size = round(pixels.shape[1] * 0.8), round(pixels.shape[0] * 0.8)
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC))


def cropped(pixels: np.ndarray) -> np.ndarray:
    rows, columns = (round(0.03 * side) for side in pixels.shape)
    return pixels[rows:-rows, columns:-columns]


def noisy(pixels: np.ndarray) -> np.ndarray:
    return np.clip(pixels + np.random.default_rng(0).normal(0, 6, pixels.shape), 0, 255).astype(np.uint8)


def brighter(pixels: np.ndarray) -> np.ndarray:
    return np.minimum(pixels.astype(int) + 15, 255).astype(np.uint8)


def mirrored(pixels: np.ndarray) -> np.ndarray:
    return pixels[:, ::-1]


def everything(pixels: np.ndarray) -> np.ndarray:
    return mirrored(jpeg(smaller(cropped(brighter(pixels)))))


CHANGES: dict[str, tuple[Any, bool]] = {
    "exact": (lambda pixels: pixels, False),
    "jpeg": (jpeg, False),
    "smaller": (smaller, True),
    "brighter": (brighter, False),
    "mirrored": (mirrored, True),
    "cropped": (cropped, True),
    "noisy": (noisy, False),
    "everything": (everything, True),
}


def test_different_images_pass(clean: Cohort, halves: Any, is_json: Any) -> None:
    found = check_near_duplicates(clean, halves(clean.patients))
    assert found.outcome == "pass"
    assert found.evidence["pairs"] == 0
    assert found.evidence["compared"] > 0
    assert found.evidence["closest_below"]["likeness"] < 0.4
    assert is_json(found.evidence)


def test_every_altered_copy_is_found(folder: Any, halves: Any) -> None:
    patients = folder.table["patient_id"].tolist()
    planted = {}
    for place, (name, (change, both)) in enumerate(CHANGES.items()):
        source, target = patients[4 * place], patients[4 * place + 1]
        folder.copy(source, target, change, both)
        planted[frozenset((source, target))] = name
    found = check_near_duplicates((cohort := folder.read()), halves(cohort.patients))
    assert found.outcome == "fail"
    assert {frozenset(case["patients"]): case["mirrored"] for case in found.evidence["cases"]} == {
        pair: name in ("mirrored", "everything") for pair, name in planted.items()
    }
    assert found.evidence["pairs"] == len(planted)
    assert found.evidence["patients"] == 2 * len(planted)


def test_a_copy_on_one_side_is_no_leak(folder: Any, halves: Any) -> None:
    patients = folder.table["patient_id"].tolist()
    folder.copy(patients[0], patients[2], jpeg)
    cohort = folder.read()
    split = [one for one in halves(cohort.patients) if patients[0] in one.training]
    assert check_near_duplicates(cohort, split).outcome == "pass"


def test_one_black_frame_and_caption_do_not_make_two_images_one(clean: Cohort) -> None:
    first, second = (clean.lesion(patient).pixels.astype(np.uint8).copy() for patient in clean.patients[:2])
    rows, columns = np.mgrid[: first.shape[0], : first.shape[1]]
    outside = np.abs(columns - first.shape[1] / 2) > 60 + 0.4 * rows
    small = []
    for pixels in (first, second):
        pixels[outside] = 0
        pixels[5:15, 5:60:3] = 255
        small.append(np.asarray(Image.fromarray(pixels).resize((64, 64), Image.Resampling.BOX)))
    plain = np.corrcoef(small[0].ravel(), small[1].ravel())[0, 1]
    assert plain > 0.55
    assert likeness(texture(small[0]), texture(small[1])) < 0.5 < LIKENESS


def test_likeness_is_one_with_itself_and_blind_to_gain(clean: Cohort) -> None:
    pixels = clean.lesion(clean.patients[0]).pixels.astype(np.uint8)
    small = np.asarray(Image.fromarray(pixels).resize((64, 64), Image.Resampling.BOX))
    assert likeness(texture(small), texture(small)) == pytest.approx(1.0, abs=1e-6)
    dimmer = (small * 0.6 + 20).astype(np.uint8)
    assert likeness(texture(small), texture(dimmer)) > 0.95
    assert likeness(texture(small), flipped(flipped(texture(small)))) == pytest.approx(1.0, abs=1e-6)


def test_blank_pictures_are_not_alike() -> None:
    blank = texture(np.zeros((64, 64), dtype=np.uint8))
    assert likeness(blank, blank) == 0.0


def test_pairs_by_hash_are_those_counted_one_by_one() -> None:
    rng = np.random.default_rng(8)
    hashes = rng.integers(0, 2**63, (60, 4), dtype=np.uint64)
    hashes[7, 3] = hashes[3, 2] ^ np.uint64(0b1011)
    first, second, views = near_pairs(hashes, {"image": 22, "lesion": 20})
    expected = {
        (i, j): sum(
            (bin(int(hashes[i, a]) ^ int(hashes[j, b])).count("1") <= (22 if bit < 2 else 20)) << bit
            for bit, (a, b) in enumerate(((0, 0), (0, 1), (2, 2), (2, 3)))
        )
        for i in range(60)
        for j in range(i + 1, 60)
    }
    assert dict(zip(zip(first.tolist(), second.tolist(), strict=True), views.tolist(), strict=True)) == {
        pair: bits for pair, bits in expected.items() if bits
    }
    assert expected[3, 7] & 8
