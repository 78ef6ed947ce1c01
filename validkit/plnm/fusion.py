"""Fusion of radiomic signature and deep components by recursive feature elimination with a quota per branch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from validkit.errors import InputError
from validkit.plnm import lasso
from validkit.plnm.selection import Selector

Branch = Literal["radiomics", "deep"]


class FusionSelector(Selector):
    """Recursive feature elimination down to `radiomics` radiomic features and `deep` deep components.

    Columns are standardised once; an L2 logistic regression is fitted to those that remain, and the column of smallest
    absolute coefficient leaves, one at a time, until each branch has its quota. A branch at its quota is protected
    while the other goes on. Of equal coefficients (to 1e-9) the last column leaves. A branch that begins with fewer
    columns than its quota keeps them all, and `note_` says so.

    radiomics, deep : columns to keep of each branch
    deep_prefix : a column whose name begins so is deep, unless `branches` says otherwise
    branches : {column: "radiomics" or "deep"}, for every column, in place of the prefix
    C : inverse strength of the L2 penalty
    random_state : handed to the logistic regression, whose solver draws nothing
    Learned: `support_` (p,); `ranking_` (p,), 1 = kept, 2 = the last to leave; `coef_` (p,), log odds per standard
    deviation in the final fit, NaN for columns that left; `importance_` = |coef_|; `branches_` (p,); `note_`.
    """

    method = "rfe"

    def __init__(
        self,
        radiomics: int = 7,
        deep: int = 9,
        *,
        deep_prefix: str = "deep_",
        branches: Mapping[str, Branch] | None = None,
        C: float = 1.0,
        random_state: int | None = None,
    ) -> None:
        self.radiomics = radiomics
        self.deep = deep
        self.deep_prefix = deep_prefix
        self.branches = branches
        self.C = C
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> FusionSelector:
        """X : (n, p) finite columns of both branches; y : (n,) 0/1."""
        quota = {"radiomics": self.radiomics, "deep": self.deep}
        for branch, wanted in quota.items():
            if wanted < 0:
                raise InputError(f"{branch} must be the number of columns to keep, 0 or more; got {wanted!r}")
        if sum(quota.values()) == 0:
            raise InputError("radiomics = 0 and deep = 0 would keep nothing")
        matrix, outcome = self._read(X, y)
        assert outcome is not None
        self.branches_ = np.array([self._branch(str(name)) for name in self.feature_names_], dtype=object)
        have = {branch: int(np.sum(self.branches_ == branch)) for branch in quota}
        short = [branch for branch, wanted in quota.items() if have[branch] < wanted]
        self.note_ = "; ".join(
            f"{have[branch]} {branch} columns for a quota of {quota[branch]}: none was eliminated" for branch in short
        )
        Z, _, _ = lasso.standardise(matrix)
        with threadpool_limits(1):
            self._eliminate(Z, outcome, quota)
        self.importance_ = np.abs(self.coef_)
        return self

    def _branch(self, name: str) -> Branch:
        if self.branches is None:
            return "deep" if name.startswith(self.deep_prefix) else "radiomics"
        found = self.branches.get(name)
        if found not in ("radiomics", "deep"):
            raise InputError(
                f"branches must give 'radiomics' or 'deep' for every column; column {name!r} has {found!r}"
            )
        return found

    def _eliminate(self, Z: np.ndarray, y: np.ndarray, quota: Mapping[str, int]) -> None:
        remaining = np.arange(Z.shape[1])
        left: list[int] = []
        while True:
            coefficients = self._coefficients(Z[:, remaining], y)
            branch = self.branches_[remaining]
            spare = np.array([np.sum(branch == own) > quota[own] for own in branch])
            if not spare.any():
                break
            strength = np.where(spare, np.abs(coefficients), np.inf)
            weakest = int(np.flatnonzero(strength <= strength.min() * (1.0 + 1e-9))[-1])
            left.append(int(remaining[weakest]))
            remaining = np.delete(remaining, weakest)
        self.support_ = np.zeros(Z.shape[1], dtype=bool)
        self.support_[remaining] = True
        self.ranking_ = np.ones(Z.shape[1], dtype=int)
        self.ranking_[left[::-1]] = np.arange(2, len(left) + 2)
        self.coef_ = np.full(Z.shape[1], np.nan)
        self.coef_[remaining] = coefficients

    def _coefficients(self, Z: np.ndarray, y: np.ndarray) -> np.ndarray:
        model = LogisticRegression(C=self.C, max_iter=5000, tol=1e-8, random_state=self.random_state)
        return model.fit(Z, y).coef_[0]

    def record(self) -> dict[str, Any]:
        """The report's `stages/fusion.json`: kept columns by falling importance, and the order in which others left."""
        support = self.get_support()
        kept = sorted(np.flatnonzero(support), key=lambda i: (-self.importance_[i], i))
        ranked = sorted(range(support.size), key=lambda i: (self.ranking_[i], i))
        column = [{"feature": str(self.feature_names_[i]), "branch": self.branches_[i]} for i in range(support.size)]
        return {
            "before": int(support.size),
            "selected": [column[i] | {"importance": float(self.importance_[i])} for i in kept],
            "ranking": [column[i] | {"rank": int(self.ranking_[i])} for i in ranked],
            "note": self.note_,
        }
