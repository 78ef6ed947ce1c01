from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.model_selection import StratifiedKFold

from validkit.errors import InputError, StageError
from validkit.folds import stratified_group_folds


@given(st.integers(20, 80), st.integers(2, 5), st.integers(0, 2**32 - 1))
def test_without_repeated_groups_the_folds_are_scikit_learns(n: int, folds: int, seed: int) -> None:
    y = (np.arange(n) % 3 == 0).astype(np.int64)
    expected = StratifiedKFold(folds, shuffle=True, random_state=seed).split(np.zeros(n), y)
    found = stratified_group_folds(y, np.arange(n)[::-1], folds, seed, "search")
    for (training, rest), (a, b) in zip(found, expected, strict=True):
        assert np.array_equal(training, a)
        assert np.array_equal(rest, b)


@given(st.integers(0, 2**32 - 1), st.integers(2, 5))
def test_copies_of_a_patient_stay_together_and_every_fold_has_both_outcomes(seed: int, folds: int) -> None:
    rng = np.random.default_rng(seed)
    rows = rng.integers(0, 60, 60)
    y = (rows % 3 == 0).astype(np.int64)
    found = stratified_group_folds(y, rows, folds, seed, "search")
    assert sorted(np.concatenate([rest for _, rest in found]).tolist()) == list(range(60))
    for training, rest in found:
        assert not set(rows[training]) & set(rows[rest])
        assert np.array_equal(np.sort(np.concatenate([training, rest])), np.arange(60))
        assert 0 < y[rest].mean() < 1


def test_the_codes_of_the_groups_do_not_matter() -> None:
    rows = np.random.default_rng(1).integers(0, 30, 50)
    y = (rows % 2).astype(np.int64)
    a = stratified_group_folds(y, rows, 3, 7, "search")
    b = stratified_group_folds(y, 1000 - rows, 3, 7, "search")
    assert all(np.array_equal(x[1], z[1]) for x, z in zip(a, b, strict=True))


def test_too_few_groups_of_an_outcome_are_refused() -> None:
    y = np.array([1, 1, 1, 1, 0, 0, 0, 0, 0, 0])
    with pytest.raises(
        StageError, match=r"5-fold search needs at least 5 patients .* 4 with the event among 10: declare"
    ):
        stratified_group_folds(y, np.arange(10), 5, 0, "search")
    with pytest.raises(StageError, match="there are 4 without the event among 10: declare fewer folds"):
        stratified_group_folds(1 - y, np.arange(10), 5, 0, "search")
    groups = np.array([0, 0, 1, 1, 2, 3, 4, 5, 6, 7])
    with pytest.raises(StageError, match="there are 2 with the event among 10 in 8 groups"):
        stratified_group_folds(y, groups, 3, 0, "cross-fitting")
    with pytest.raises(InputError, match="one group a row"):
        stratified_group_folds(y, np.arange(9), 2, 0, "search")


def test_groups_of_mixed_outcome_that_leave_a_fold_without_one_are_refused() -> None:
    y = np.array([1, 1, 1, 0, 0, 0, 1, 0])
    groups = np.array([0, 0, 0, 0, 0, 0, 1, 2])
    with pytest.raises(StageError, match="leave a fold without one of the outcomes"):
        stratified_group_folds(y, groups, 2, 0, "search")
