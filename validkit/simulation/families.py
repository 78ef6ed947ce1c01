"""Two families of true risks, each exactly calibrated: log odds that are normal in either class, risks that are beta.

Both are told on the log odds l of the true risk. Given the outcome y, l has a density, a distribution function and a
quantile function; Bayes' rule gives back the risk expit(l) at every l, so the risk is right by construction.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special
from scipy.optimize import brentq

from validkit.errors import InputError

__all__ = ["BetaFamily", "BinormalFamily", "Family", "family"]

FloatArray = NDArray[np.float64]
TAIL = 1e-17
LEAST_SHAPE = 0.03
"""of a beta family; below, risks lie so near 0 and 1 that floating point cannot tell them apart"""
PANELS, NODES = 96, 16
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(NODES)


class Family(Protocol):
    """Log odds of true risks in either class."""

    @property
    def auc(self) -> float:
        """The area under the ROC curve, in (0.5, 1)."""

    @property
    def prevalence(self) -> float:
        """The share of patients with the event, in (0, 1)."""

    def density(self, log_odds: FloatArray, y: int) -> FloatArray:
        """Density of the log odds among patients with outcome y."""

    def cdf(self, log_odds: ArrayLike, y: int) -> FloatArray:
        """Share of patients with outcome y whose log odds are at most this."""

    def quantile(self, normal_score: FloatArray, y: int) -> FloatArray:
        """Log odds at the place of a standard normal score, so that scores may be correlated."""

    def bounds(self) -> tuple[float, float]:
        """Log odds beyond which less than 1e-17 of either class lies."""


def panels(low: float, high: float, breaks: tuple[float, ...] = ()) -> tuple[FloatArray, FloatArray]:
    """(points, weights) of composite Gauss-Legendre quadrature, exact across the points where a function has a kink."""
    inner = [point for point in breaks if low < point < high]
    edges = np.unique(np.concatenate([np.linspace(low, high, PANELS + 1), inner]))
    half, middle = np.diff(edges)[:, None] / 2, (edges[1:] + edges[:-1])[:, None] / 2
    return (middle + half * _NODES).ravel(), (half * _WEIGHTS).ravel()


def _possible(auc: float, prevalence: float) -> None:
    if not 0.5 < auc < 1:
        raise InputError(f"`auc` must lie between 0.5 and 1 (a right risk is never worse than chance), not {auc!r}")
    check_prevalence(prevalence)


def check_prevalence(prevalence: float) -> None:
    """Refuse a share that leaves out either outcome."""
    if not 0 < prevalence < 1:
        raise InputError(f"`prevalence` must lie strictly between 0 and 1, not {prevalence!r}")


@dataclass(frozen=True)
class BinormalFamily:
    """Log odds normal with one variance s^2 in either class, s = sqrt(2) Phi^-1(AUC), means logit(prevalence) ± s^2/2.

    auc in (0.5, 1); prevalence in (0, 1)
    Reference: Green & Swets, Signal Detection Theory (1966); Austin & Steyerberg, BMC Med Res Methodol 12 (2012) 82.
    """

    auc: float
    prevalence: float

    def __post_init__(self) -> None:
        _possible(self.auc, self.prevalence)

    @property
    def spread(self) -> float:
        """The standard deviation s in either class."""
        return math.sqrt(2.0) * float(special.ndtri(self.auc))

    def _mean(self, y: int) -> float:
        return float(special.logit(self.prevalence)) + (y - 0.5) * self.spread**2

    def density(self, log_odds: FloatArray, y: int) -> FloatArray:
        """Normal density."""
        z = (np.asarray(log_odds) - self._mean(y)) / self.spread
        return np.asarray(np.exp(-0.5 * z**2) / (self.spread * math.sqrt(2 * math.pi)))

    def cdf(self, log_odds: ArrayLike, y: int) -> FloatArray:
        """Normal distribution function."""
        return np.asarray(special.ndtr((np.asarray(log_odds, float) - self._mean(y)) / self.spread))

    def quantile(self, normal_score: FloatArray, y: int) -> FloatArray:
        """Mean and spread applied to the score."""
        return self._mean(y) + self.spread * np.asarray(normal_score)

    def bounds(self) -> tuple[float, float]:
        """Eight and a half spreads beyond either mean."""
        return self._mean(0) - 8.6 * self.spread, self._mean(1) + 8.6 * self.spread


@dataclass(frozen=True)
class BetaFamily:
    """True risks of beta(a, b), a / (a + b) the prevalence; a + b is found so that the AUC is as asked.

    auc in (0.5, 1); prevalence in (0, 1). Risks are beta(a + 1, b) with the event, beta(a, b + 1) without.
    Reference: Pencina et al., Stat Med 31 (2012) 1543-1553.
    """

    auc: float
    prevalence: float

    def __post_init__(self) -> None:
        _possible(self.auc, self.prevalence)

    @cached_property
    def shape(self) -> tuple[float, float]:
        """(a, b)."""

        def off(log_total: float) -> float:
            return _beta_auc(self.prevalence, math.exp(log_total)) - self.auc

        low, high = math.log(LEAST_SHAPE / min(self.prevalence, 1 - self.prevalence)), math.log(1e6)
        if off(low) < 0 or off(high) > 0:
            least, most = (off(end) + self.auc for end in (high, low))
            raise InputError(
                f"beta families of prevalence {self.prevalence} reach AUCs of {least:.3f} to {most:.3f}, not {self.auc}"
            )
        total = math.exp(brentq(off, low, high, xtol=1e-14, rtol=1e-14))
        return self.prevalence * total, (1 - self.prevalence) * total

    def density(self, log_odds: FloatArray, y: int) -> FloatArray:
        """Beta density, carried to log odds."""
        return _beta_density(np.asarray(log_odds), *self._of(y))

    def _of(self, y: int) -> tuple[float, float]:
        a, b = self.shape
        return a + y, b + 1 - y

    def cdf(self, log_odds: ArrayLike, y: int) -> FloatArray:
        """Regularised incomplete beta function."""
        return _beta_cdf(np.asarray(log_odds, float), *self._of(y))

    def quantile(self, normal_score: FloatArray, y: int) -> FloatArray:
        """Inverse of the regularised incomplete beta function, from the nearer end so that no tail is lost."""
        a, b = self._of(y)
        z = np.asarray(normal_score, float)
        low = special.logit(special.betaincinv(a, b, special.ndtr(np.minimum(z, 0.0))))
        high = -special.logit(special.betaincinv(b, a, special.ndtr(-np.maximum(z, 0.0))))
        return np.asarray(np.where(z <= 0, low, high))

    def bounds(self) -> tuple[float, float]:
        """Where less than 1e-17 lies outside, from the power that either tail follows."""
        return _beta_bounds(*self.shape)


def _beta_density(log_odds: FloatArray, a: float, b: float) -> FloatArray:
    logarithm = a * special.log_expit(log_odds) + b * special.log_expit(-log_odds) - special.betaln(a, b)
    return np.asarray(np.exp(logarithm))


def _beta_cdf(log_odds: FloatArray, a: float, b: float) -> FloatArray:
    """From the nearer end, for risks close to 1 are lost to rounding."""
    low = special.betainc(a, b, special.expit(np.minimum(log_odds, 0.0)))
    high = special.betaincc(b, a, special.expit(-np.maximum(log_odds, 0.0)))
    return np.asarray(np.where(log_odds <= 0, low, high))


def _beta_bounds(a: float, b: float) -> tuple[float, float]:
    low = (math.log(TAIL) + math.log(a) + float(special.betaln(a, b + 1))) / a
    high = -(math.log(TAIL) + math.log(b) + float(special.betaln(a + 1, b))) / b
    return low, high


def _beta_auc(prevalence: float, total: float) -> float:
    a, b = prevalence * total, (1 - prevalence) * total
    points, weights = panels(*_beta_bounds(a, b))
    return float(weights @ (_beta_density(points, a + 1, b) * _beta_cdf(points, a, b + 1)))


def family(name: str, auc: float, prevalence: float) -> Family:
    """ "binormal" or "beta"."""
    known: dict[str, type[BinormalFamily] | type[BetaFamily]] = {"binormal": BinormalFamily, "beta": BetaFamily}
    if name not in known:
        raise InputError(f"`family` must be one of {', '.join(map(repr, known))}, not {name!r}")
    return known[name](auc, prevalence)
