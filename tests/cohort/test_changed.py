"""Files that vanish or change between reading and use: patient and file are named, and nothing else is raised."""

from __future__ import annotations

import os

import numpy as np
import pytest

from validkit.cohort import CohortError, ImageError, read_lesion


def raised(cohort, patient="002", role=None):
    with pytest.raises(CohortError) as caught:
        cohort.lesion(patient, role)
    (fault,) = caught.value.faults
    return fault


@pytest.mark.parametrize(
    ("name", "role"), [("images/002.png", "a"), ("masks/002_a.png", "a"), ("masks/002_b.png", "b")]
)
def test_a_vanished_file(folder, name, role):
    cohort = folder.read()
    (folder.root / name).unlink()
    fault = raised(cohort, role=role)
    assert (fault.code, fault.patient) == ("file-missing", "002")
    assert fault.message == f"{name.split('/')[1]!r} is not there"
    assert cohort.lesion("003").mask.any()
    with pytest.raises(CohortError) as caught:
        cohort.verify()
    assert [f.code for f in caught.value.faults] == ["file-missing"]


def test_a_vanished_folder(folder):
    cohort = folder.read()
    for path in (folder.root / "images").iterdir():
        path.unlink()
    (folder.root / "images").rmdir()
    assert raised(cohort).code == "file-missing"
    (folder.root / "images").write_text("a file now")
    assert raised(cohort).code == "file-missing"


@pytest.mark.parametrize("name", ["images/002.png", "masks/002_a.png"])
def test_a_changed_file(folder, name):
    cohort = folder.read()
    path = folder.root / name
    before = path.read_bytes()
    path.write_bytes(before + b"\0")
    fault = raised(cohort)
    assert (fault.code, fault.patient) == ("file-changed", "002")
    assert fault.message.startswith(f"{path.name!r} changed after the cohort was read (SHA-256 ")
    for spoilt in (b"", before[:20], before[:-40]):
        path.write_bytes(spoilt)
        assert raised(cohort).code == "file-changed"
    path.write_bytes(before)
    cohort.verify()
    assert cohort.lesion("002").mask.any()


def test_every_file_is_verified_the_table_too(folder):
    cohort = folder.read()
    cohort.verify()
    assert len(cohort.files) == 1 + 8 * 3
    folder.rows[0]["age"] = "99"
    folder.write()
    folder.mask("004_b.png", folder.lesion())
    (folder.root / "images/008.png").unlink()
    with pytest.raises(CohortError) as caught:
        cohort.verify()
    assert sorted((f.code, f.message.split("'")[1]) for f in caught.value.faults) == [
        ("file-changed", "004_b.png"),
        ("file-changed", "cohort.csv"),
        ("file-missing", "008.png"),
    ]


def test_paths_written_in_other_ways_are_verified_too(folder):
    folder.rows[1]["image"] = "images\\002.png"
    folder.rows[2]["image"] = "./images/003.png"
    cohort = folder.read()
    for patient in ("002", "003"):
        assert cohort.lesion(patient).mask.any()
        (folder.root / f"images/{patient}.png").write_bytes(b"other")
        assert raised(cohort, patient).code == "file-changed"


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read every file")
def test_a_file_that_may_no_longer_be_read(folder):
    cohort = folder.read()
    (folder.root / "images/002.png").chmod(0)
    assert raised(cohort).code == "unreadable"


def test_a_loop_of_links(folder):
    cohort = folder.read()
    path = folder.root / "images/002.png"
    path.unlink()
    path.symlink_to(path)
    assert raised(cohort).code == "unreadable"


@pytest.mark.parametrize("keep", [0, 5, 20, 60, 0.5, 0.7])
@pytest.mark.parametrize("which", ["images/002.png", "masks/002_a.png"])
def test_a_lesion_read_from_spoilt_files_names_the_file(folder, which, keep):
    folder.write()
    path = folder.root / which
    raw = path.read_bytes()
    path.write_bytes(raw[: keep if isinstance(keep, int) else int(keep * len(raw))])
    with pytest.raises(ImageError, match=path.name):
        read_lesion(folder.root / "images/002.png", folder.root / "masks/002_a.png")


def test_a_fault_of_the_outline_names_the_outline(folder):
    folder.mask("002_a.png", np.zeros((40, 50), np.uint8))
    with pytest.raises(ImageError, match=r"^'002_a.png': the outline is empty") as caught:
        read_lesion(folder.root / "images/002.png", folder.root / "masks/002_a.png")
    assert caught.value.code == "outline-empty"


def test_a_part_of_a_cohort_knows_its_files(folder):
    part = folder.read().take(["002", "005"])
    (folder.root / "images/002.png").write_bytes(b"other")
    assert raised(part).code == "file-changed"
