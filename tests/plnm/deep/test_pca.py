from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.decomposition import PCA

from validkit.errors import InputError, StageError
from validkit.plnm.deep.pca import ExactPCA


def slowly_decaying(n: int, p: int, seed: int = 0, dtype: type = np.float64) -> np.ndarray:
    rng = np.random.default_rng(seed)
    rank = min(n, p)
    table = rng.standard_normal((n, rank)) * (1 / np.sqrt(np.arange(1, rank + 1))) @ rng.standard_normal((rank, p))
    return (table + 3.0).astype(dtype)


@pytest.mark.parametrize(("n", "p", "k"), [(60, 900, 20), (60, 900, 59), (200, 30, 12), (40, 40, 10)])
def test_equal_to_the_full_decomposition(n: int, p: int, k: int) -> None:
    table = slowly_decaying(n, p)
    got = ExactPCA(k).fit(table)
    full = PCA(k, svd_solver="full").fit(table)
    np.testing.assert_allclose(got.components_, full.components_, atol=1e-8)
    np.testing.assert_allclose(got.explained_variance_, full.explained_variance_, rtol=1e-10)
    np.testing.assert_allclose(got.explained_variance_ratio_, full.explained_variance_ratio_, rtol=1e-10)
    np.testing.assert_allclose(got.singular_values_, full.singular_values_, rtol=1e-10)
    np.testing.assert_allclose(got.transform(table), full.transform(table), atol=1e-8)
    new = slowly_decaying(7, p, seed=1)
    np.testing.assert_allclose(got.transform(new), full.transform(new), atol=1e-8)
    assert got.note_ is None


def test_small_components_keep_their_digits() -> None:
    """The Gram matrix would square the condition number 1e7 and lose the last ones."""
    rng = np.random.default_rng(0)
    left, _ = np.linalg.qr(rng.standard_normal((30, 30)) - 0)
    left -= left.mean(axis=0)
    right, _ = np.linalg.qr(rng.standard_normal((500, 12)))
    left, _ = np.linalg.qr(left[:, :12])
    left -= left.mean(axis=0)
    left, _ = np.linalg.qr(left)
    table = left @ np.diag(10.0 ** np.linspace(2, -5, 12)) @ right.T
    got = ExactPCA(12).fit(table)
    np.testing.assert_allclose(got.singular_values_, 10.0 ** np.linspace(2, -5, 12), rtol=1e-6)


@settings(max_examples=20, deadline=None)
@given(n=st.integers(3, 25), p=st.integers(3, 60), seed=st.integers(0, 10_000))
def test_laws(n: int, p: int, seed: int) -> None:
    table = slowly_decaying(n, p, seed)
    pca = ExactPCA(min(n - 1, p)).fit(table)
    np.testing.assert_allclose(pca.components_ @ pca.components_.T, np.eye(pca.n_components_), atol=1e-10)
    scores = pca.transform(table)
    np.testing.assert_allclose(scores.mean(axis=0), 0, atol=1e-9)
    np.testing.assert_allclose(np.cov(scores.T).reshape(len(scores.T), -1), np.diag(pca.explained_variance_), atol=1e-8)
    np.testing.assert_allclose(scores @ pca.components_ + pca.mean_, table, atol=1e-8)
    assert (np.diff(pca.explained_variance_) <= 1e-12).all()
    largest = np.abs(pca.components_).argmax(axis=1)
    assert (pca.components_[np.arange(len(largest)), largest] > 0).all()
    assert pca.explained_variance_ratio_.sum() == pytest.approx(1.0)


def test_a_rows_scores_depend_on_that_row_alone() -> None:
    table = slowly_decaying(30, 400, dtype=np.float32)
    pca = ExactPCA(8).fit(table)
    together = pca.transform(table)
    for row in (0, 13, 29):
        assert pca.transform(table[row : row + 1]).tobytes() == together[row : row + 1].tobytes()


@pytest.mark.parametrize(
    ("table", "k", "kept", "why"),
    [
        (slowly_decaying(10, 100), 64, 9, "10 patients have no more"),
        (slowly_decaying(50, 6), 64, 6, "6 columns have no more"),
        (np.tile(slowly_decaying(5, 30), (4, 1)), 10, 4, "embeddings of rank 4 have no more"),
    ],
)
def test_more_components_than_exist_are_clamped_with_a_note(table: np.ndarray, k: int, kept: int, why: str) -> None:
    pca = ExactPCA(k).fit(table)
    assert pca.n_components_ == kept
    assert pca.components_.shape == (kept, table.shape[1])
    assert pca.note_ == f"{kept} principal components instead of {k}: {why}"


def test_what_cannot_be_decomposed_is_refused() -> None:
    with pytest.raises(StageError, match="every patient has the same embedding"):
        ExactPCA(2).fit(np.full((5, 4), 0.1))
    with pytest.raises(StageError, match="at least 2 patients; got 1"):
        ExactPCA(2).fit(np.ones((1, 4)))
    with pytest.raises(InputError, match="at least 1; got 0"):
        ExactPCA(0).fit(np.eye(4))
    broken = np.eye(4)
    broken[2, 1] = np.nan
    with pytest.raises(InputError, match=r"1 of 4 rows hold values that are not finite \(first: row 2\)"):
        ExactPCA(2).fit(broken)
    with pytest.raises(InputError, match="fitted on 4 columns; got 5"):
        ExactPCA(2).fit(np.eye(4)).transform(np.eye(5))
