from __future__ import annotations

import os
import shutil

import numpy as np
import pytest


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        ("/etc/hostname", "path", "'/etc/hostname' is an absolute path"),
        ("C:\\scans\\1.png", "path", "is an absolute path"),
        ("\\\\server\\scans\\1.png", "path", "is an absolute path"),
        ("~/1.png", "path", "is an absolute path"),
        ("../centre-2/1.png", "path", "leads out of the folder"),
        ("images/../../1.png", "path", "leads out of the folder"),
        ("images", "path", "'images' is a folder"),
        ("images/001", "file-missing", "did you mean '001.png'?"),
        ("images/001.PNG", "file-missing", "did you mean '001.png'?"),
        ("images/01.png", "file-missing", "did you mean '001.png'?"),
        ("scans/001.png", "file-missing", "(nor is the folder 'scans')"),
        ("images/" + "x" * 400 + ".png", "path", "cannot be a path"),
    ],
)
@pytest.mark.parametrize("column", ["image", "mask_b"])
def test_paths_that_cannot_be_used(folder, text, code, message, column):
    folder.rows[1][column] = text
    fault = folder.fault()
    assert (fault.code, fault.row, fault.patient, fault.column) == (code, 3, "002", column)
    assert message in fault.message


def test_windows_separators_are_accepted_and_do_not_change_the_digest_of_files(folder):
    folder.rows[0]["image"] = "images\\001.png"
    cohort = folder.read()
    assert cohort.images["001"] == folder.root / "images/001.png"


def test_links_may_point_inside_but_not_outside(folder, tmp_path):
    os.symlink(folder.root / "images/001.png", folder.root / "images/link.png")
    folder.rows[0]["image"] = "images/link.png"
    assert len(folder.read()) == 8
    shutil.copy(folder.root / "images/001.png", tmp_path / "outside.png")
    os.symlink(tmp_path / "outside.png", folder.root / "images/out.png")
    folder.rows[0]["image"] = "images/out.png"
    fault = folder.fault()
    assert (fault.code, fault.message) == ("path", "'images/out.png' is a link that leads out of the folder")


def test_a_link_that_circles_is_a_fault(folder):
    os.symlink("loop.png", folder.root / "images/loop.png")
    folder.rows[0]["image"] = "images/loop.png"
    assert folder.fault().code in ("path", "file-missing")


def test_the_folder_itself_may_be_a_link(folder, tmp_path):
    digest = folder.read().digest
    os.symlink(folder.root, tmp_path / "alias")
    folder.root = tmp_path / "alias"
    cohort = folder.read()
    assert cohort.digest == digest
    assert cohort.name == "centre-1"


def test_one_file_with_two_uses(folder):
    folder.rows[2]["mask_a"] = "masks/001_a.png"
    folder.rows[3]["mask_b"] = "./masks/004_a.png"
    folder.rows[4]["mask_a"] = "images/005.png"
    faults = [f for f in folder.faults() if f.code == "file-shared"]
    assert [(f.row, f.column, f.message) for f in faults] == [
        (4, "mask_a", "'masks/001_a.png' is already used in row 2, column 'mask_a'"),
        (6, "mask_a", "'images/005.png' is already used in row 6, column 'image'"),
        (5, "mask_b", "'./masks/004_a.png' is already used in row 5, column 'mask_a'"),
    ]


def test_unreadable_permissions_are_a_fault(folder):
    if os.geteuid() == 0:
        pytest.skip("root may read every file")
    (folder.root / "images/001.png").chmod(0)
    assert folder.fault().code == "unreadable"


def test_identical_content_in_different_files_counts_as_the_same_image(folder):
    array = np.arange(2000, dtype=np.uint8).reshape(40, 50)
    folder.image("001.png", array)
    folder.image("005.tif", array.astype(np.uint16))
    folder.rows[4]["image"] = "images/005.tif"
    fault = folder.fault()
    assert (fault.code, fault.row, fault.patient, fault.column) == ("image-twice", 6, "005", "image")
    assert fault.message == "the image is identical to that of patient '001' (row 2)"
    notes = folder.read(duplicates="allow").notes
    assert "row 6, patient '005': the image is identical to that of patient '001' (row 2)" in notes


def test_the_same_image_path_under_two_patients(folder):
    folder.rows[4]["image"] = folder.rows[0]["image"]
    assert folder.fault().code == "image-twice"
