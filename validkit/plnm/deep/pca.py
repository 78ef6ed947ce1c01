"""Exact principal components of few rows and many columns."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from validkit.errors import InputError, StageError


class ExactPCA:
    """Principal components by QR and a small SVD in float64: the full decomposition, no random projection.

    n_components : components asked for; at most min(n - 1, p) exist, and no more than that are kept (see `note_`)
    device : where the decomposition is computed, in float64 everywhere

    After `fit`: `mean_` (p,), `components_` (k, p) orthonormal rows, each with its largest loading positive,
    `explained_variance_` (k,), `explained_variance_ratio_` (k,), `singular_values_` (k,), `n_components_`, `note_`.

    With centred X (n x p), n < p: X' = QR, R = U S V', so X = V S (QU)'; n >= p: X = QR, R = U S V', so X = (QU) S V'.
    This is as accurate as the SVD of X, where the eigenvectors of the Gram matrix XX' lose half the digits of the small
    components, and costs about 4 min(n, p)^2 max(n, p) operations.
    The bytes depend on torch's number of threads: fit inside `device.stage`.
    """

    def __init__(self, n_components: int = 64, device: torch.device | None = None) -> None:
        self.n_components = n_components
        self.device = device or torch.device("cpu")

    def fit(self, X: NDArray[np.floating]) -> ExactPCA:
        """Learn the components of the rows of X, (n, p) finite, n >= 2. Raises StageError where all rows are alike."""
        if self.n_components < 1:
            raise InputError(f"`n_components` must be at least 1; got {self.n_components}")
        table = self._table(X).to(self.device)
        n, p = table.shape
        if n < 2:
            raise StageError(f"principal components need at least 2 patients; got {n}")
        mean = table.mean(dim=0)
        centred = table - mean
        axes, values = _right_singular(centred)
        rank = int((values > values[0] * max(n, p) * torch.finfo(torch.float64).eps).sum()) if values[0] > 0 else 0
        if rank == 0:
            raise StageError("principal components do not exist: every patient has the same embedding")
        k = min(self.n_components, rank, n - 1)
        variance = values.square() / (n - 1)
        largest = axes.abs().argmax(dim=0)
        axes = axes * torch.where(axes[largest, torch.arange(axes.shape[1], device=axes.device)] < 0, -1.0, 1.0)
        self.mean_ = mean.cpu().numpy()
        self.components_ = np.ascontiguousarray(axes[:, :k].T.cpu().numpy())
        self.singular_values_ = values[:k].cpu().numpy()
        self.explained_variance_ = variance[:k].cpu().numpy()
        self.explained_variance_ratio_ = (variance[:k] / variance.sum()).cpu().numpy()
        self.n_components_ = k
        self.note_ = None
        if k < self.n_components:
            why = f"{n} patients" if k == n - 1 else f"{p} columns" if k == p else f"embeddings of rank {rank}"
            self.note_ = f"{k} principal components instead of {self.n_components}: {why} have no more"
        return self

    def transform(self, X: NDArray[np.floating]) -> NDArray[np.float64]:
        """Scores (m, k) float64 of the rows of X, (m, p); each row's bytes depend on that row alone."""
        table = self._table(X)
        if table.shape[1] != len(self.mean_):
            raise InputError(f"the components were fitted on {len(self.mean_)} columns; got {table.shape[1]}")
        mean, components = torch.from_numpy(self.mean_), torch.from_numpy(self.components_)
        scores = torch.empty(len(table), self.n_components_, dtype=torch.float64)
        for row, values in enumerate(table):
            scores[row] = torch.mv(components, values - mean)
        return scores.numpy()

    def fit_transform(self, X: NDArray[np.floating]) -> NDArray[np.float64]:
        """`fit` and then `transform` of the same rows."""
        return self.fit(X).transform(X)

    @staticmethod
    def _table(X: NDArray[np.floating]) -> torch.Tensor:
        table = np.array(X, dtype=np.float64)
        if table.ndim != 2:
            raise InputError(f"principal components need a table of two dimensions; got shape {table.shape}")
        bad = np.flatnonzero(~np.isfinite(table).all(axis=1))
        if bad.size:
            raise InputError(f"{bad.size} of {len(table)} rows hold values that are not finite (first: row {bad[0]})")
        return torch.from_numpy(table)


def _right_singular(centred: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Right singular vectors as columns, (p, min(n, p)), and singular values, largest first."""
    if centred.shape[0] < centred.shape[1]:
        q, r = torch.linalg.qr(centred.T)
        u, values, _ = torch.linalg.svd(r, full_matrices=False)
        return q @ u, values
    _, r = torch.linalg.qr(centred, mode="r")
    _, values, vt = torch.linalg.svd(r, full_matrices=False)
    return vt.T, values
