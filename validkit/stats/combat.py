"""ComBat with a reference: one centre's measurements brought to the location and scale of those of another.

The reference is known by its moments alone, so that a centre nobody had seen before can be harmonised where its own
patients lie; outcomes are not looked at. Location and scale of each feature are shrunk towards those of all features by
empirical Bayes.

References: Johnson, Li and Rabinovic, Biostatistics 8 (2007) 118-127; with a reference batch: Zhang, Jenkins, Johnson
et al., BMC Bioinformatics 19 (2018) 262. In R sva::ComBat(ref.batch = ...), whose numbers these are without covariates;
with them, sva estimates their effects from both centres, and here they are the reference's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from validkit.errors import InputError
from validkit.stats.checks import FloatArray, as_float, check_count
from validkit.stats.results import Record

__all__ = ["CombatReference", "CombatSite", "combat_moments", "combat_reference", "combat_site"]

ENOUGH, ROUNDS = 1e-10, 10_000
"""relative change at which the empirical Bayes rounds stop, and how many there are at most"""
FLAT = 1e-12
"""share of a feature's second moment below which its variance is the rounding of a constant"""


@dataclass(frozen=True, repr=False, eq=False)
class CombatReference(Record):
    """The centre to whose measurements others are brought: feature = intercept + covariates @ effects + error.

    features : p names; covariates : k names; intercept : (p,); effects : (k, p); sd : (p,) of the error, divisor n
    n : patients of the reference
    """

    features: tuple[str, ...]
    covariates: tuple[str, ...]
    intercept: FloatArray
    effects: FloatArray
    sd: FloatArray
    n: int

    def __repr__(self) -> str:
        given = f" given {', '.join(self.covariates)}" if self.covariates else ""
        return f"reference of {len(self.features)} features{given} (n = {self.n})"

    def expected(self, covariates: FloatArray) -> FloatArray:
        """(m, p) what the reference's patients with these (m, k) covariates have."""
        found: FloatArray = self.intercept + covariates @ self.effects
        return found


@dataclass(frozen=True, repr=False, eq=False)
class CombatSite(Record):
    """One centre against a reference, feature by feature.

    shift : (p,) of its location, in the reference's standard deviations; scale : (p,) its variance over the reference's
    raw_shift, raw_scale : (p,) the same before shrinkage; NaN for features left as they are
    left_out : of those, why; shrunk : whether there were features enough to shrink; n : patients here
    """

    reference: CombatReference
    shift: FloatArray
    scale: FloatArray
    raw_shift: FloatArray
    raw_scale: FloatArray
    left_out: dict[str, str]
    shrunk: bool
    n: int

    def __repr__(self) -> str:
        done = len(self.reference.features) - len(self.left_out)
        return f"ComBat of {done} features (n = {self.n}) to a {self.reference!r}"

    def apply(self, features: ArrayLike, covariates: ArrayLike | None = None) -> FloatArray:
        """(m, p) the features of patients of this centre as the reference would have measured them; NaN stays NaN."""
        X, C = _tables(features, covariates, self.reference)
        done = np.isfinite(self.shift)
        expected = self.reference.expected(C)[:, done]
        sd = self.reference.sd[done]
        found = X.copy()
        error = (X[:, done] - expected) / sd
        found[:, done] = expected + sd * (error - self.shift[done]) / np.sqrt(self.scale[done])
        return found


def combat_moments(features: ArrayLike, covariates: ArrayLike | None = None) -> dict[str, FloatArray | int]:
    """What `combat_reference` needs of a centre, and no row: of the patients without a gap.

    features : (n, p), covariates : (n, k) floats, NaN for a gap
    Returns n, mean (p,), variance (p,), covariate_mean (k,), covariance (k, k) of covariates, cross (p, k) of the two;
    variances with n - 1. Raises InputError where fewer than two patients have no gap.

    >>> combat_moments([[1.0], [2.0], [6.0]])["variance"]
    array([7.])
    """
    X = as_float(features, "features", ndim=2)
    C = np.empty((len(X), 0)) if covariates is None else as_float(covariates, "covariates", ndim=2)
    if len(C) != len(X):
        raise InputError(f"`features` has {len(X)} rows and `covariates` {len(C)}; give both of the same patients")
    whole = np.isfinite(X).all(axis=1) & np.isfinite(C).all(axis=1)
    n = int(whole.sum())
    if n < 2:
        raise InputError(f"`features` and `covariates` have {n} rows without a gap; needed are two")
    X, C = X[whole], C[whole]
    x, c = X - X.mean(axis=0), C - C.mean(axis=0)
    return {
        "n": n,
        "mean": X.mean(axis=0),
        "variance": (x**2).sum(axis=0) / (n - 1),
        "covariate_mean": C.mean(axis=0),
        "covariance": c.T @ c / (n - 1),
        "cross": x.T @ c / (n - 1),
    }


def combat_reference(
    *,
    n: int,
    mean: ArrayLike,
    variance: ArrayLike,
    covariate_mean: ArrayLike | None = None,
    covariance: ArrayLike | None = None,
    cross: ArrayLike | None = None,
    features: Sequence[str] | None = None,
    covariates: Sequence[str] = (),
) -> CombatReference:
    """The reference by the moments of its n patients; see `combat_moments`. features, covariates : their names.

    The effects of the covariates are those of least squares; of covariates that are sums of others, the smallest.

    >>> combat_reference(n=50, mean=[1.0, 2.0], variance=[1.0, 4.0])
    reference of 2 features (n = 50)
    """
    check_count(n, "n", minimum=2)
    m, v = as_float(mean, "mean"), as_float(variance, "variance")
    c, inner, outer = np.empty(0), np.empty((0, 0)), np.empty((len(m), 0))
    if covariate_mean is not None and np.size(covariate_mean):
        c = as_float(covariate_mean, "covariate_mean")
        if covariance is None or cross is None:
            raise InputError("`covariate_mean`, `covariance` and `cross` belong together; give all three or none")
        inner, outer = as_float(covariance, "covariance", ndim=2), as_float(cross, "cross", ndim=2)
    p, k = len(m), len(c)
    names = tuple(f"x{j + 1}" for j in range(p)) if features is None else tuple(map(str, features))
    shapes = {
        "variance": (v.shape, (p,)),
        "covariance": (inner.shape, (k, k)),
        "cross": (outer.shape, (p, k)),
        "features": ((len(names),), (p,)),
        "covariates": ((len(covariates),), (k,)),
    }
    for name, (got, needed) in shapes.items():
        if got != needed:
            raise InputError(f"`{name}` must have the shape {needed}, as `mean` and `covariate_mean` say; got {got}")
    for name, array in (("mean", m), ("variance", v), ("covariate_mean", c), ("covariance", inner), ("cross", outer)):
        if not np.isfinite(array).all():
            raise InputError(f"`{name}` holds values that are not finite")
    if (v < 0).any():
        raise InputError("`variance` holds negative values")
    effects = np.linalg.pinv(inner, hermitian=True) @ outer.T if k else np.empty((0, p))
    left = np.maximum(v - np.einsum("kp,pk->p", effects, outer), 0.0) * (n - 1) / n
    left[left <= FLAT * (v + m**2)] = 0.0
    return CombatReference(names, tuple(map(str, covariates)), m - c @ effects, effects, np.sqrt(left), n)


def combat_site(
    features: ArrayLike, *, reference: CombatReference, covariates: ArrayLike | None = None, shrink: bool = True
) -> CombatSite:
    """A centre's location and scale against a reference; outcomes are not looked at.

    features : (m, p) of this centre's patients, NaN where a feature is undefined; covariates : (m, k) finite
    shrink : by empirical Bayes, which takes two features at least; else each feature's own mean and variance
    Features that are constant at one of the centres, or known for fewer than two patients, are left as they are. So a
    centre of a single patient changes nothing.

    >>> home = combat_reference(n=50, mean=[1.0, 2.0], variance=[1.0, 4.0])
    >>> combat_site([[2.0, 2.1], [4.0, 0.4], [3.1, 3.2]], reference=home)
    ComBat of 2 features (n = 3) to a reference of 2 features (n = 50)
    """
    X, C = _tables(features, covariates, reference)
    p = X.shape[1]
    known = np.isfinite(X).sum(axis=0)
    left_out: dict[str, str] = {}
    for j, name in enumerate(reference.features):
        seen = X[np.isfinite(X[:, j]), j]
        if known[j] < 2:
            left_out[name] = "known for fewer than two patients here"
        elif not reference.sd[j] > 0:
            left_out[name] = "constant at the reference"
        elif np.ptp(seen) <= 1e-12 * np.abs(seen).max():
            left_out[name] = "constant here"
    done = np.array([name not in left_out for name in reference.features], dtype=bool)
    error = (X[:, done] - reference.expected(C)[:, done]) / reference.sd[done]
    full = {name: np.full(p, np.nan) for name in ("shift", "scale", "raw_shift", "raw_scale")}
    shrunk = shrink and int(done.sum()) >= 2
    if done.any():
        raw_shift = np.nanmean(error, axis=0)
        raw_scale = np.nanvar(error, axis=0, ddof=1)
        done[done] = raw_scale > 0
        kept = raw_scale > 0
        error, raw_shift, raw_scale = error[:, kept], raw_shift[kept], raw_scale[kept]
        shift, scale = _shrunk(error, raw_shift, raw_scale) if shrunk else (raw_shift, raw_scale)
        for name, values in (("shift", shift), ("scale", scale), ("raw_shift", raw_shift), ("raw_scale", raw_scale)):
            full[name][done] = values
    for j, name in enumerate(reference.features):
        if not done[j] and name not in left_out:
            left_out[name] = "what the covariates say of it here leaves nothing over"
    return CombatSite(reference, **full, left_out=left_out, shrunk=shrunk, n=len(X))


def _tables(
    features: ArrayLike, covariates: ArrayLike | None, reference: CombatReference
) -> tuple[FloatArray, FloatArray]:
    X = as_float(features, "features", ndim=2)
    C = np.empty((len(X), 0)) if covariates is None else as_float(covariates, "covariates", ndim=2)
    for name, table, names in (("features", X, reference.features), ("covariates", C, reference.covariates)):
        if table.shape != (len(X), len(names)):
            raise InputError(f"`{name}` must be ({len(X)}, {len(names)}), as the reference has it; got {table.shape}")
    if np.isinf(X).any():
        raise InputError("`features` holds infinite values; give NaN where a feature is undefined")
    if not np.isfinite(C).all():
        raise InputError(
            f"`covariates` has gaps in {int((~np.isfinite(C)).any(axis=1).sum())} rows; leave these patients out, or "
            "harmonise without covariates"
        )
    return X, C


def _shrunk(error: FloatArray, shift: FloatArray, scale: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Empirical Bayes: a normal prior of the shifts, an inverse gamma prior of the scales, by their moments."""
    n = np.isfinite(error).sum(axis=0)
    centre, spread = shift.mean(), shift.var(ddof=1)
    mean, variance = scale.mean(), scale.var(ddof=1)
    if not variance > 0:  # every feature has one scale: the prior is that number
        return (n * spread * shift + scale * centre) / (n * spread + scale), scale
    a = (2 * variance + mean**2) / variance
    b = (mean * variance + mean**3) / variance
    g, d = shift, scale
    for _ in range(ROUNDS):
        new_g = (n * spread * shift + d * centre) / (n * spread + d)
        squares = np.nansum((error - new_g) ** 2, axis=0)
        new_d = (0.5 * squares + b) / (0.5 * n + a - 1)
        change = max(np.abs(new_g - g).max(), (np.abs(new_d - d) / d).max())
        g, d = new_g, new_d
        if change < ENOUGH:
            break
    return g, d
