"""The real cohorts beside the project: they must read, and what is odd about them must be told."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest

from validkit.cohort import CohortError, read_cohort, read_image, read_lesion, read_outline
from validkit.sections import CohortSpec

BIRADS = {"kind": "ordinal", "levels": ["2", "3", "4", "5"]}
BIRADS_SPLIT = {"kind": "ordinal", "levels": ["2", "3", "4a", "4b", "4c", "5"]}
AGE = {"kind": "continuous", "unit": "years", "range": [18, 100]}


def spec(**settings) -> CohortSpec:
    return CohortSpec.model_validate(
        {"outcome": {"column": "malignant"}, "site": "site", "outlines": {"reader": "mask"}, **settings}
    )


def test_busbra_needs_the_border_allowed(shared, capfd):
    folder = shared / "data/breast-us/busbra-421"
    with pytest.raises(CohortError) as caught:
        read_cohort(folder, spec(predictors={"birads": BIRADS}))
    assert [(f.code, f.row, f.patient) for f in caught.value.faults] == [
        ("outline-border", 183, "busbra-0438"),
        ("outline-border", 407, "busbra-0959"),
    ]
    cohort = read_cohort(folder, spec(predictors={"birads": BIRADS}, border="allow"))
    assert (len(cohort), int(cohort.outcome.sum()), cohort.synthetic) == (421, 130, False)
    assert cohort.predictors["birads"].value_counts().sort_index().tolist() == [137, 102, 149, 33]
    assert set(cohort.image_info["format"]) == {"PNG"}
    assert cohort.image_info["sha256"].is_unique
    assert cohort.notes == (
        "outlines in column 'mask': an outline touches the image border: 2 of 421 patients (busbra-0438, busbra-0959)",
        "images: no pixel spacing in 421 of 421 files; sizes of lesions are in pixels there",
    )
    assert capfd.readouterr() == ("", "")  # SimpleITK's libpng would warn on some of these files


def test_breast_252_lacks_41_ages(shared):
    folder = shared / "data/breast-us/breast-252"
    settings = {"predictors": {"birads": BIRADS_SPLIT, "age": AGE}}
    with pytest.raises(CohortError) as caught:
        read_cohort(folder, spec(**settings))
    codes = [fault.code for fault in caught.value.faults]
    assert {code: codes.count(code) for code in codes} == {"missing-value": 41, "outline-border": 1}
    cohort = read_cohort(folder, spec(**settings, border="allow", missing="exclude"))
    assert (len(cohort), int(cohort.outcome.sum()), len(cohort.excluded)) == (211, 86, 41)
    assert cohort.excluded[0] == ("case002", "no value in age")
    assert any("an outline has holes" in note for note in cohort.notes)


def test_the_birads_of_one_centre_do_not_fit_the_other(shared):
    folder = shared / "data/breast-us/breast-252"
    with pytest.raises(CohortError) as caught:
        read_cohort(folder, spec(predictors={"birads": BIRADS}, border="allow"))
    assert {fault.code for fault in caught.value.faults} == {"level-undeclared"}
    assert len(caught.value.faults) == 139


def test_four_readers(shared, tmp_path):
    source = shared / "data/lidc-readers"
    for part in ("images", "masks"):
        shutil.copytree(source / part, tmp_path / part)
    with (source / "cohort.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for i, row in enumerate(rows):
        row["outcome"] = str(i % 2)
    with (tmp_path / "cohort.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    readers = {f"reader{i}": f"mask_reader{i}" for i in range(1, 5)}
    cohort = read_cohort(tmp_path, CohortSpec.model_validate({"outcome": {"column": "outcome"}, "outlines": readers}))
    assert (len(cohort), cohort.outlines.shape, cohort.primary) == (50, (50, 4), "reader1")
    assert cohort.outlines.notna().to_numpy().all()
    first, second = cohort.lesion(cohort.patients[0]), cohort.lesion(cohort.patients[0], "reader2")
    shared_pixels = 2 * (first.mask & second.mask).sum() / (first.mask.sum() + second.mask.sum())
    assert 0.3 < shared_pixels < 1


def test_pillow_and_simpleitk_agree_on_the_real_files(shared, capfd):
    sitk = pytest.importorskip("SimpleITK")
    folder = shared / "data/breast-us/busbra-421"
    for path in sorted((folder / "images").iterdir())[::20]:
        mask = folder / "masks" / path.name
        np.testing.assert_array_equal(read_image(path).pixels, sitk.GetArrayFromImage(sitk.ReadImage(str(path))))
        np.testing.assert_array_equal(read_outline(mask).mask, sitk.GetArrayFromImage(sitk.ReadImage(str(mask))) > 0)
    capfd.readouterr()


def test_a_real_lesion_in_another_format_is_the_same_lesion(shared, tmp_path):
    sitk = pytest.importorskip("SimpleITK")
    folder = shared / "data/breast-us/busbra-421"
    name = "bus_0003-l.png"
    expected = read_lesion(folder / "images" / name, folder / "masks" / name)
    paths: dict[str, Path] = {}
    for what, array in (("i", expected.pixels.astype(np.uint8)), ("m", expected.mask.astype(np.uint8))):
        paths[what] = tmp_path / f"{what}.nii.gz"
        sitk.WriteImage(sitk.GetImageFromArray(array), str(paths[what]))
    lesion = read_lesion(paths["i"], paths["m"])
    np.testing.assert_array_equal(lesion.pixels, expected.pixels)
    np.testing.assert_array_equal(lesion.mask, expected.mask)
    assert read_image(paths["i"]).digest == read_image(folder / "images" / name).digest
