from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from validkit.errors import InputError


def test_take_keeps_the_order_asked_for(folder):
    cohort = folder.read()
    part = cohort.take(["005", "002", "008"])
    assert part.patients == ("005", "002", "008")
    for table in (part.outcome, part.site, part.predictors, part.images, part.outlines, part.image_info):
        assert tuple(table.index) == part.patients
    assert part.outcome.tolist() == [0, 1, 1]
    assert part.predictors["age"].tolist() == [44.0, 41.0, 47.0]
    assert part.predictors["histology"].cat.categories.tolist() == ["squamous", "adeno", "other"]
    assert part.outlines.loc["002", "b"] == cohort.outlines.loc["002", "b"]
    assert len(part) == 3
    assert len(cohort) == 8


def test_the_digest_of_a_part(folder):
    cohort = folder.read()
    assert cohort.take(cohort.patients) is cohort
    ab, ba = cohort.take(["001", "002"]), cohort.take(["002", "001"])
    assert len({cohort.digest, ab.digest, ba.digest, cohort.take(["001"]).digest}) == 4
    assert cohort.take(["001", "002"]).digest == ab.digest
    folder.rows[7]["age"] = "50"
    assert folder.read().take(["001", "002"]).digest != ab.digest


def test_take_refuses_strangers_and_repetitions(folder):
    cohort = folder.read()
    with pytest.raises(InputError, match=r"patient '01' is not in the cohort; did you mean '001'\?"):
        cohort.take(["01"])
    with pytest.raises(InputError, match="'002' is named twice"):
        cohort.take(["002", "001", "002"])


def test_take_works_without_site_or_predictors(folder):
    part = folder.read(site=None, predictors={}).take(["004", "001"])
    assert part.site is None
    assert part.predictors.shape == (2, 0)


def test_lesions_by_role(folder):
    cohort = folder.read()
    a, b = cohort.lesion("003"), cohort.lesion("003", "b")
    np.testing.assert_array_equal(a.mask, folder.lesion() > 0)
    np.testing.assert_array_equal(b.mask, folder.lesion(shift=True) > 0)
    assert a.pixels.dtype == np.float64
    with pytest.raises(InputError, match="there is no outline 'c'; declared: a, b"):
        cohort.lesion("003", "c")
    with pytest.raises(InputError, match="patient '9' is not in the cohort"):
        cohort.lesion("9")


def test_a_missing_outline_is_named(folder):
    folder.rows[0]["mask_b"] = ""
    with pytest.raises(InputError, match="patient '001' has no outline by 'b'"):
        folder.read().lesion("001", "b")


def test_a_cohort_does_not_change(folder):
    with pytest.raises(dataclasses.FrozenInstanceError):
        folder.read().digest = "0"
