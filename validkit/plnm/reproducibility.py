"""Reproducibility: keep the features that repeated outlines of the same lesion agree on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from validkit.errors import InputError, StageError
from validkit.stats.agreement import icc

FEWEST = 10
"""patients with all outlines of a group below which its ICC says nothing"""

FORMS = ("ICC(1,1)", "ICC(2,1)", "ICC(3,1)")


class ReproducibilityFilter(TransformerMixin, BaseEstimator):
    """Keep the features whose intraclass correlation over repeated outlines reaches a minimum.

    form : "ICC(1,1)", "ICC(2,1)" (two-way, absolute agreement, single rater) or "ICC(3,1)"
    minimum : a feature is kept at ICC >= minimum
    keep : "both", the minimum is reached in every group; "either", in at least one
    groups : group -> outlines compared, such as {"intra": ("reader_a", "reader_a_again"), "inter": ("reader_a",
        "reader_b")}. The one role that `repeats` does not have is the outline the features of `X` come from
    level : of the intervals of the ICC

    Learned: `icc_` (table: feature, and per group the ICC, <group>_low and <group>_high), `support_` (features,) bool,
    `n_` patients per group, `kept_` features per group, `feature_names_in_`. A feature without an ICC in a group (it
    does not vary, or is undefined for one of its patients) does not reach the minimum there; `undefined_` counts them.
    Reference: Shrout and Fleiss, Psychol Bull 86 (1979) 420-428.
    """

    def __init__(
        self,
        form: str = "ICC(2,1)",
        minimum: float = 0.75,
        keep: Literal["both", "either"] = "both",
        groups: Mapping[str, Sequence[str]] | None = None,
        level: float = 0.95,
    ) -> None:
        self.form = form
        self.minimum = minimum
        self.keep = keep
        self.groups = groups
        self.level = level

    def fit(self, X: pd.DataFrame, y: Any = None, *, repeats: Mapping[str, pd.DataFrame]) -> ReproducibilityFilter:
        """Compute the ICC of every feature in every group, on the patients of `X` alone.

        X : (patients, features) of training patients, from the primary outline, indexed by patient
        y : ignored
        repeats : role -> table with the columns of `X`; rows of other patients are not looked at
        Raises StageError where a group has fewer than 10 patients with all its outlines, or no feature is kept.
        """
        groups = self._checked(X, repeats)
        tables = {role: repeats.get(role, X) for roles in groups.values() for role in roles}
        self.feature_names_in_ = np.asarray(X.columns, dtype=object)
        self.n_features_in_ = X.shape[1]
        self.n_: dict[str, int] = {}
        self.kept_: dict[str, int] = {}
        self.undefined_: dict[str, int] = {}
        columns: dict[str, Any] = {"feature": self.feature_names_in_}
        reached = []
        for name, roles in groups.items():
            patients = _patients_with_all(X.index, [tables[role] for role in roles])
            if len(patients) < FEWEST:
                raise StageError(
                    f"reproducibility group {name!r} needs at least {FEWEST} training patients with all of its "
                    f"outlines ({', '.join(roles)}); {len(patients)} have them"
                )
            ratings = np.stack([tables[r].loc[patients, X.columns].to_numpy(np.float64) for r in roles], axis=1)
            value, low, high = self._icc(ratings)
            columns |= {name: value, f"{name}_low": low, f"{name}_high": high}
            reached.append(np.nan_to_num(value, nan=-np.inf) >= self.minimum)
            self.n_[name] = len(patients)
            self.kept_[name] = int(reached[-1].sum())
            self.undefined_[name] = int(np.isnan(value).sum())
        self.icc_ = pd.DataFrame(columns)
        self.support_: NDArray[np.bool_] = (np.all if self.keep == "both" else np.any)(reached, axis=0)
        self.groups_ = groups
        if not self.support_.any():
            raise StageError(
                f"no feature is reproducible: none of {len(self.support_)} reaches {self.form} >= {self.minimum:g} "
                f"in {'every' if self.keep == 'both' else 'any'} group ({self._counts()}); lower `minimum` or check "
                "the outlines"
            )
        return self

    def transform(self, X: pd.DataFrame) -> pd.DataFrame:
        """The kept columns of `X`, in order."""
        check_is_fitted(self, "support_")
        kept = list(self.get_feature_names_out())
        missing = [name for name in kept if name not in X.columns]
        if missing:
            raise InputError(f"`X` lacks {len(missing)} of the {len(kept)} kept features (first: {missing[0]!r})")
        return X.loc[:, kept]

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
        """Names of the kept features, in order."""
        check_is_fitted(self, "support_")
        return self.feature_names_in_[self.support_]

    def record(self) -> dict[str, Any]:
        """What `stages/reproducibility.json` holds; NaN is null."""
        check_is_fitted(self, "support_")
        return {
            "form": self.form,
            "minimum": self.minimum,
            "keep": self.keep,
            "level": self.level,
            "perturbed": any(role.startswith("perturbed_") for roles in self.groups_.values() for role in roles),
            "groups": {
                name: {
                    "roles": list(roles),
                    "n": self.n_[name],
                    "kept": self.kept_[name],
                    "undefined": self.undefined_[name],
                }
                for name, roles in self.groups_.items()
            },
            "total": len(self.support_),
            "kept": int(self.support_.sum()),
            "icc": {name: _plain(self.icc_[name]) for name in self.icc_.columns},
        }

    def _icc(self, ratings: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
        """ICC and its limits, (features,) each; NaN for a feature that is undefined for one of the patients."""
        defined = np.isfinite(ratings).all(axis=(0, 1))
        found = np.full((3, ratings.shape[2]), np.nan)
        if defined.any():
            agreement = icc(ratings[:, :, defined], form=self.form, level=self.level)
            found[:, defined] = agreement.value, agreement.low, agreement.high
        return tuple(found)

    def _checked(self, X: pd.DataFrame, repeats: Mapping[str, pd.DataFrame]) -> dict[str, tuple[str, ...]]:
        if self.form not in FORMS:
            raise InputError(f"`form` must be one of {', '.join(FORMS)}; got {self.form!r}")
        if self.keep not in ("both", "either"):
            raise InputError(f"`keep` must be 'both' or 'either'; got {self.keep!r}")
        if not self.groups:
            raise InputError('`groups` must name at least one group of outlines, such as {"intra": ("a", "a_again")}')
        groups = {name: tuple(roles) for name, roles in self.groups.items()}
        for name, roles in groups.items():
            if len(set(roles)) < 2 or len(set(roles)) != len(roles):
                raise InputError(f"group {name!r} must name at least two different outlines; got {list(roles)}")
        absent = sorted({role for roles in groups.values() for role in roles} - set(repeats))
        if len(absent) > 1:
            raise InputError(
                f"`repeats` has no table of {', '.join(map(repr, absent))}; only one role, that of `X`, may be left out"
            )
        for role, table in {"X": X, **repeats}.items():
            if not table.index.is_unique:
                raise InputError(f"table {role!r} has a patient twice: {table.index[table.index.duplicated()][0]!r}")
            missing = X.columns.difference(table.columns)
            if len(missing):
                raise InputError(f"table {role!r} lacks {len(missing)} features of `X` (first: {missing[0]!r})")
        return groups

    def _counts(self) -> str:
        return "; ".join(f"{name}: {self.kept_[name]} of {len(self.support_)}, n = {n}" for name, n in self.n_.items())


def _patients_with_all(index: pd.Index, tables: Sequence[pd.DataFrame]) -> list[Any]:
    """The patients of `index` that are in every table, in the order of `index`."""
    known = [set(table.index) for table in tables]
    return [patient for patient in index if all(patient in some for some in known)]


def _plain(column: pd.Series) -> list[Any]:
    """Names as text, numbers as floats, undefined as None."""
    if column.name == "feature":
        return [str(name) for name in column]
    return [None if np.isnan(value) else float(value) for value in column]
