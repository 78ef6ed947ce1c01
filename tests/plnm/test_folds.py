from __future__ import annotations

import numpy as np
import pytest

from validkit.errors import InputError, StageError
from validkit.plnm.folds import as_outcome, stratified_folds, two_classes


def test_outcome_is_zero_and_one_with_both_present() -> None:
    assert as_outcome([0, 1, True, 0.0], 4).tolist() == [0, 1, 1, 0]
    for bad, message in (
        ([0, 1, 2, 2], r"2 of 4 values are not \(first: row 2, .*2.*\)"),
        ([0.0, np.nan, 1.0], r"1 of 3 values are not \(first: row 1, .*nan.*\)"),
        (["0", "1"], "2 of 2 values are not"),
        ([[0, 1]], r"got shape \(1, 2\)"),
        ([1, 1, 1], "all 3 values are 1"),
    ):
        with pytest.raises(InputError, match=message):
            as_outcome(bad)
    with pytest.raises(InputError, match=r"shape \(3,\); got shape \(2,\)"):
        as_outcome([0, 1], 3)


def test_the_larger_of_two_labels_is_the_event() -> None:
    classes, encoded = two_classes(np.array([4, 2, 4]), "X")
    assert classes.tolist() == [2, 4]
    assert encoded.tolist() == [1, 0, 1]
    with pytest.raises(InputError, match="X needs an outcome with exactly two classes; y has 3 classes"):
        two_classes(np.array([1, 2, 3]), "X")


def test_folds_share_out_both_outcomes_and_cover_everyone_once() -> None:
    y = (np.arange(53) % 4 == 0).astype(int)
    folds = stratified_folds(y, 5, 0, "search")
    assert sorted(np.concatenate([left for _, left in folds]).tolist()) == list(range(53))
    for training, left in folds:
        assert not set(training) & set(left)
        assert 2 <= y[left].sum() <= 3
    again = stratified_folds(y, 5, 0, "search")
    assert all(np.array_equal(a[1], b[1]) for a, b in zip(folds, again, strict=True))
    with pytest.raises(
        StageError, match="20-fold search needs at least 20 patients of each outcome; there are 14 with"
    ):
        stratified_folds(y, 20, 0, "search")
    with pytest.raises(StageError, match="there are 14 without the event among 53: declare fewer folds"):
        stratified_folds(1 - y, 20, 0, "search")
