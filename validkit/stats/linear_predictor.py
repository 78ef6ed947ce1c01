"""The distribution of a model's linear predictor (the logit of its risk) in the patients to come.

It is kept as points with weights: the observed values, or the nodes of a quadrature, so that every expectation under it
is a weighted sum and the same on every machine.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from validkit.errors import InputError
from validkit.stats.checks import FloatArray, check_score
from validkit.stats.sample_size import gauss_legendre, number_between

__all__ = ["LinearPredictor"]

SPREADS = 12.0
MOST_SKEWED = 0.995


@dataclass(frozen=True, repr=False)
class LinearPredictor:
    """A distribution of the linear predictor; make one by `normal`, `skew_normal`, `beta`, `binormal` or `observed`.

    >>> LinearPredictor.normal(-2, 1)
    LinearPredictor: normal, mean -2, sd 1
    >>> round(LinearPredictor.normal(-2, 1).prevalence(), 4)
    0.1555
    """

    name: str
    low: float = 0.0
    high: float = 0.0
    width: float = 1.0
    log_density: Callable[[FloatArray], Any] | None = None
    sample: tuple[float, ...] = ()

    def __repr__(self) -> str:
        return f"LinearPredictor: {self.name}"

    @classmethod
    def normal(cls, mean: float, sd: float) -> LinearPredictor:
        """Normal with a mean and a standard deviation."""
        m, s = number_between(mean, -math.inf, math.inf, "mean"), number_between(sd, 0, math.inf, "sd")
        return cls(f"normal, mean {m:g}, sd {s:g}", m - SPREADS * s, m + SPREADS * s, min(s, 1.0) / 2, _normal(m, s))

    @classmethod
    def skew_normal(cls, mean: float, sd: float, skewness: float) -> LinearPredictor:
        """Azzalini's skew normal with a mean, a standard deviation and a skewness in (-0.995, 0.995)."""
        m, s = number_between(mean, -math.inf, math.inf, "mean"), number_between(sd, 0, math.inf, "sd")
        g = number_between(skewness, -MOST_SKEWED, MOST_SKEWED, "skewness")
        root = abs(g) ** (2 / 3)
        delta = math.copysign(math.sqrt(math.pi / 2 * root / (root + ((4 - math.pi) / 2) ** (2 / 3))), g)
        shape = delta / math.sqrt(1 - delta * delta)
        scale = s / math.sqrt(1 - 2 * delta * delta / math.pi)
        place = m - scale * delta * math.sqrt(2 / math.pi)
        normal = _normal(place, scale)

        def log_density(x: FloatArray) -> Any:
            return normal(x) + math.log(2) + special.log_ndtr(shape * (x - place) / scale)

        width = min(scale, 1.0) / (2 + abs(shape))
        named = f"skew normal, mean {m:g}, sd {s:g}, skewness {g:g}"
        return cls(named, m - SPREADS * s, m + SPREADS * s, width, log_density)

    @classmethod
    def beta(cls, a: float, b: float) -> LinearPredictor:
        """The risk itself is beta distributed, with mean a/(a + b)."""
        a, b = number_between(a, 0, math.inf, "a"), number_between(b, 0, math.inf, "b")
        mean = float(special.digamma(a) - special.digamma(b))
        sd = math.sqrt(float(special.polygamma(1, a) + special.polygamma(1, b)))

        def log_density(x: FloatArray) -> Any:
            return -a * np.logaddexp(0, -x) - b * np.logaddexp(0, x) - special.betaln(a, b)

        low, high = mean - SPREADS * sd - 40 / a, mean + SPREADS * sd + 40 / b
        return cls(f"logit of a beta risk, a {a:g}, b {b:g}", low, high, min(sd, 1.0) / 2, log_density)

    @classmethod
    def binormal(cls, auc: float, prevalence: float) -> LinearPredictor:
        """A calibrated predictor that is normal in events and non-events, with a given AUC and prevalence.

        N(m, v) in non-events and N(m + v, v) in events, v = 2 Phi^-1(AUC)^2 and m = logit(prevalence) - v/2, at which
        the predicted risks are exactly right. pmvalsampsize searches for m by simulation.
        """
        c = number_between(auc, 0.5, 1, "auc")
        phi = number_between(prevalence, 0, 1, "prevalence")
        v = 2 * float(special.ndtri(c)) ** 2
        sd, m = math.sqrt(v), math.log(phi / (1 - phi)) - v / 2
        others, events = _normal(m, sd), _normal(m + v, sd)

        def log_density(x: FloatArray) -> Any:
            return np.logaddexp(math.log1p(-phi) + others(x), math.log(phi) + events(x))

        named = f"binormal, AUC {c:g}, prevalence {phi:g}"
        return cls(named, m - SPREADS * sd, m + v + SPREADS * sd, min(sd, 1.0) / 2, log_density)

    @classmethod
    def observed(cls, values: ArrayLike) -> LinearPredictor:
        """The linear predictors of earlier patients, each as likely as the other."""
        sample = check_score(values, "values")
        return cls(f"observed in {sample.size} patients", sample=tuple(float(x) for x in sample))

    def points(self, cut: float | None = None) -> tuple[FloatArray, FloatArray]:
        """Values and their probabilities; no cell of the quadrature straddles `cut`."""
        if self.log_density is None:
            values = np.array(self.sample)
            return values, np.full(values.size, 1 / values.size)
        inside = [cut] if cut is not None and self.low < cut < self.high else []
        edges = [self.low, *inside, self.high]
        parts = [gauss_legendre(a, b, self.width) for a, b in itertools.pairwise(edges)]
        values, weights = (np.concatenate([part[i] for part in parts]) for i in (0, 1))
        weights = weights * np.exp(self.log_density(values))
        return values, weights / weights.sum()

    def prevalence(self) -> float:
        """The prevalence if the risks are right: the mean risk."""
        x, w = self.points()
        return float(w @ special.expit(x))

    def information(self, intercept: float = 0.0, slope: float = 1.0) -> tuple[float, float, float]:
        """Fisher's information on (intercept, slope) from one patient: E[w], E[w x], E[w x^2], w = p (1 - p)."""
        x, probability = self.points()
        eta = intercept + slope * x
        w = probability * special.expit(eta) * special.expit(-eta)
        return float(w.sum()), float(w @ x), float(w @ (x * x))

    def at_threshold(self, threshold: float) -> tuple[float, float]:
        """Sensitivity and specificity of treating at a risk of at least `threshold`, if the risks are right."""
        t = number_between(threshold, 0, 1, "threshold")
        cut = math.log(t / (1 - t))
        x, w = self.points(cut)
        events, others = w * special.expit(x), w * special.expit(-x)
        treated = (special.expit(x) >= t) | (x >= cut)
        return float(events[treated].sum() / events.sum()), float(others[~treated].sum() / others.sum())


def _normal(mean: float, sd: float) -> Callable[[FloatArray], FloatArray]:
    def log_density(x: FloatArray) -> FloatArray:
        return -(((x - mean) / sd) ** 2) / 2 - math.log(sd * math.sqrt(2 * math.pi))

    return log_density


def check_predictor(value: Any) -> LinearPredictor:
    """A LinearPredictor that varies."""
    if not isinstance(value, LinearPredictor):
        raise InputError(f"`predictor` must be a LinearPredictor, e.g. LinearPredictor.normal(-2, 1), not {value!r}")
    if value.sample and len(set(value.sample)) < 2:
        raise InputError("`predictor` holds one value only: a slope needs predictions that differ")
    return value
