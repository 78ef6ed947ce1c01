from __future__ import annotations

import pickle

import pytest

from validkit.cohort import CODES, CohortError, Fault, ImageError
from validkit.errors import InputError


def some(code: str, count: int, mend: str = "mend it") -> list[Fault]:
    return [Fault(code, i + 2, f"p{i}", "mask", f"wrong {i}", mend) for i in range(count)]


def test_text_groups_by_kind_and_gives_place_and_mend():
    error = CohortError("/data/x", [*some("outline-empty", 1), Fault("no-patients", None, None, None, "none", "add")])
    assert str(error).splitlines() == [
        "the cohort in /data/x has 2 faults:",
        "an outline is empty (outline-empty, 1):",
        "  row 2, patient 'p0', column 'mask': wrong 0",
        "  -> mend it",
        "no patient is left (no-patients, 1):",
        "  none",
        "  -> add",
    ]
    assert isinstance(error, InputError)


def test_printing_is_capped_but_every_kind_is_shown_and_all_faults_are_kept():
    error = CohortError("x", [*some("file-missing", 400), *some("outline-empty", 3)])
    text = str(error)
    assert len(error.faults) == 403
    assert text.count("  row ") == 40
    assert "... and 363 more" in text
    assert text.count("outline-empty, 3") == 1
    assert text.index("wrong 2") < text.index("outline-empty")


def test_one_fault_is_singular():
    assert "has 1 fault:" in str(CohortError("x", some("outline-empty", 1)))


def test_unknown_codes_are_defects():
    with pytest.raises(KeyError, match="nonsense"):
        Fault("nonsense", None, None, None, "", "")
    with pytest.raises(KeyError, match="nonsense"):
        ImageError("nonsense", "", "")
    assert all(meaning and not meaning.endswith(".") for meaning in CODES.values())


def test_errors_survive_the_way_back_from_a_worker():
    image = pickle.loads(pickle.dumps(ImageError("colour", "it is red", "make it grey")))
    assert (image.code, image.message, image.mend) == ("colour", "it is red", "make it grey")
    assert str(image) == "it is red; make it grey"
    cohort = pickle.loads(pickle.dumps(CohortError("x", some("colour", 2))))
    assert cohort.faults == tuple(some("colour", 2))
    assert str(cohort) == str(CohortError("x", some("colour", 2)))
