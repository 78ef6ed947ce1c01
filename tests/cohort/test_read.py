from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

from validkit.cohort import CohortError, read_cohort
from validkit.engine import Silent


def test_a_sound_cohort(folder):
    cohort = folder.read()
    assert (cohort.name, cohort.description, cohort.synthetic, cohort.primary) == ("centre-1", "", False, "a")
    assert list(cohort.outlines.columns) == ["a", "b"]
    assert cohort.images["003"] == folder.root / "images/003.png"
    assert cohort.outlines.loc["003", "b"] == folder.root / "masks/003_b.png"
    info = cohort.image_info
    assert list(info.columns) == ["width", "height", "row_mm", "column_mm", "bits", "format", "scanner", "sha256"]
    assert (info["width"].tolist(), info["height"].tolist()) == ([50] * 8, [40] * 8)
    assert info["row_mm"].isna().all()
    assert cohort.excluded == ()
    assert cohort.notes == ("images: no pixel spacing in 8 of 8 files; sizes of lesions are in pixels there",)
    assert repr(cohort) == "<cohort 'centre-1': 8 patients, 4 events>"


def test_every_kind_of_fault_comes_at_once_with_row_patient_column_and_mend(folder):
    empty = np.zeros((40, 50), np.uint8)
    folder.rows[1]["patient_id"] = "001"
    folder.rows[2]["event"] = "maybe"
    folder.rows[3]["age"] = ""
    folder.rows[4]["image"] = "images/none.png"
    folder.mask("006_a.png", empty)
    two = folder.lesion()
    two[30:36, 30:36] = 255
    two[0:3, 0:3] = 255
    folder.mask("007_b.png", two)
    colour = np.dstack([empty + 9, empty, empty])
    folder.image("008.png", colour)
    faults = folder.faults()
    assert [(f.code, f.row, f.patient, f.column) for f in faults] == [
        ("patient-twice", 3, "001", "patient_id"),
        ("missing-value", 5, "004", "age"),
        ("outcome-value", 4, "003", "event"),
        ("file-missing", 6, "005", "image"),
        ("outline-empty", 7, "006", "mask_a"),
        ("outline-pieces", 8, "007", "mask_b"),
        ("outline-border", 8, "007", "mask_b"),
        ("colour", 9, "008", "image"),
    ]
    assert all(f.mend and f.message for f in faults)
    with pytest.raises(CohortError) as caught:
        folder.read()
    text = str(caught.value)
    assert "row 8, patient '007', column 'mask_b': the outline has 3 pieces (216, 36, 9 pixels)" in text
    assert text.count("\n  -> ") == 8


def test_a_patient_with_an_unreadable_image_still_has_the_outline_checked(folder):
    (folder.root / "images/002.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    folder.mask("002_a.png", np.zeros((40, 50), np.uint8))
    assert [(f.code, f.column) for f in folder.faults()] == [("unreadable", "image"), ("outline-empty", "mask_a")]


def test_size_mismatch_and_other_faults_of_the_same_outline(folder):
    mask = np.zeros((41, 50), np.uint8)
    mask[0:20, 5:20] = 255
    folder.mask("002_a.png", mask)
    assert [f.code for f in folder.faults()] == ["size-mismatch", "outline-border"]


def test_other_readers_may_be_missing_for_some_but_not_for_all(folder):
    for row in folder.rows[2:]:
        row["mask_b"] = ""
    cohort = folder.read()
    assert cohort.outlines["b"].isna().sum() == 6
    assert cohort.outlines.loc["003", "b"] is None
    for row in folder.rows:
        row["mask_b"] = "NA"
    fault = folder.fault()
    assert (fault.code, fault.column, fault.message) == ("missing-value", "mask_b", "no patient has an outline by 'b'")


def test_identical_outlines_of_two_readers_are_noted(folder):
    folder.mask("002_b.png", folder.lesion(value=1))
    folder.mask("003_b.png", folder.lesion())
    assert "outlines in columns 'mask_a', 'mask_b' are identical: 2 of 8 patients (002, 003)" in folder.read().notes


def test_settings_that_turn_faults_into_notes(folder):
    mask = folder.lesion()
    mask[0:4, 0:4] = 255
    mask[15, 15] = 0
    folder.mask("002_a.png", mask)
    folder.mask("005_a.png", mask)
    top = folder.lesion()
    top[0:20, 12:20] = 255
    folder.mask("003_a.png", top)
    colour = np.dstack([np.arange(2000, dtype=np.uint8).reshape(40, 50)] * 3)
    colour[0, 0, 0] = 77
    folder.image("004.png", colour)
    cohort = folder.read(pieces="largest", border="allow", colour="luminance")
    assert cohort.notes[:-1] == (
        "outlines in column 'mask_a': an outline had more than one piece: its largest was kept: "
        "2 of 8 patients (002, 005)",
        "outlines in column 'mask_a': an outline has holes: 2 of 8 patients (002, 005)",
        "outlines in column 'mask_a': an outline touches the image border: 1 of 8 patients (003)",
        "images: colour reduced to luminance (BT.601): 1 of 8 patients (004)",
    )
    assert cohort.lesion("002").mask.sum() == folder.lesion().astype(bool).sum() - 1


def test_mixed_depths_and_formats_are_noted(folder):
    deep = np.arange(2000, dtype=np.uint16).reshape(40, 50) * 30
    folder.image("001.tif", deep)
    folder.rows[0]["image"] = "images/001.tif"
    notes = folder.read().notes
    assert "images: different bits a pixel (16, 8)" in notes
    assert "images: different formats (PNG, TIFF)" in notes


def test_a_flat_lesion_is_noted(folder):
    array = np.arange(2000, dtype=np.uint8).reshape(40, 50)
    array[folder.lesion() > 0] = 90
    folder.image("001.png", array)
    assert (
        "outlines in column 'mask_a': every pixel inside has one grey value: 1 of 8 patients (001)"
        in folder.read().notes
    )


def test_ids_that_differ_in_case_are_noted(folder):
    folder.rows[0]["patient_id"], folder.rows[1]["patient_id"] = "P1", "p1"
    assert "ids 'P1' and 'p1' differ only in case" in folder.read().notes


def test_the_digest_depends_on_content_and_not_on_place(folder, tmp_path):
    import shutil

    first = folder.read().digest
    assert len(first) == 64
    shutil.copytree(folder.root, tmp_path / "elsewhere")
    moved = read_cohort(tmp_path / "elsewhere", folder.spec())
    assert (moved.digest, moved.name) == (first, "elsewhere")
    (folder.root / "unnamed.txt").write_text("not part of the cohort")
    assert folder.read().digest == first
    folder.mask("008_b.png", folder.lesion())
    second = folder.read().digest
    folder.rows[0]["age"] = "41"
    assert len({first, second, folder.read().digest}) == 3


def test_the_engine_changes_nothing(folder):
    folder.write()
    one = read_cohort(folder.root, folder.spec())
    two = read_cohort(folder.root, folder.spec(), engine="loky:2")
    assert one.digest == two.digest
    assert one.notes == two.notes
    assert one.image_info.equals(two.image_info)
    folder.mask("003_a.png", np.zeros((40, 50), np.uint8))
    folder.rows[5]["image"] = "images/none.png"
    folder.write()
    texts = []
    for engine in ("sequential", "loky:2"):
        with pytest.raises(CohortError) as caught:
            read_cohort(folder.root, folder.spec(), engine=engine)
        texts.append(str(caught.value))
    assert texts[0] == texts[1]


def test_progress_is_reported_once_a_patient(folder):
    from contextlib import contextmanager

    class Counting(Silent):
        def __init__(self):
            self.total, self.done, self.label = 0, 0, ""

        @contextmanager
        def work(self, label, total):
            self.label, self.total = label, total

            def finished():
                self.done += 1

            yield finished

    folder.write()
    reporter = Counting()
    read_cohort(folder.root, folder.spec(), reporter=reporter)
    assert (reporter.label, reporter.total, reporter.done) == ("reading images and outlines", 8, 8)


def test_the_phantom_names_itself(folder):
    marker = {"validkit_phantom": True, "description": "simulated, seed 42"}
    (folder.root / "phantom.json").write_text(json.dumps(marker))
    cohort = folder.read()
    assert (cohort.synthetic, cohort.description) == (True, "simulated, seed 42")
    assert repr(cohort).startswith("<synthetic cohort")


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"validkit_phantom": "yes"}', "\xff"])
def test_a_marker_that_cannot_be_understood_is_a_fault(folder, content):
    (folder.root / "phantom.json").write_bytes(content.encode("latin-1"))
    assert folder.fault().code == "phantom-marker"


def test_large_numbers_of_faults_are_capped_in_print_only(folder):
    for i, row in enumerate(folder.rows):
        row["age"] = "-1"
        row["stage"] = row["histology"] = row["smoker"] = "?!"
        row["image"] = f"images/{i}.none"
        row["mask_a"] = f"masks/{i}.none"
    with pytest.raises(CohortError) as caught:
        folder.read()
    assert len(caught.value.faults) == 48
    assert str(caught.value).count("\n  row ") == 40


def test_importing_the_package_is_light():
    heavy = "{'SimpleITK', 'pydicom', 'torch', 'radiomics', 'xgboost', 'lightgbm', 'matplotlib', 'skimage'}"
    code = f"import sys, validkit.cohort; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "[]\n", "")
