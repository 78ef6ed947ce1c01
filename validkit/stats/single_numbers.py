"""Measures that are part of a wider answer, each as a function of its own, to be registered and resampled."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from validkit.stats.calibration import calibration_line
from validkit.stats.calibration_distances import calibration_errors
from validkit.stats.checks import patients
from validkit.stats.results import Estimate
from validkit.stats.utility import net_benefit

__all__ = ["calibration_intercept", "e50", "e90", "eci", "emax", "ici", "standardised_net_benefit"]

Chance = np.random.Generator | int | None


@patients("y_true", "y_prob")
def calibration_intercept(
    y_true: ArrayLike,
    y_prob: ArrayLike,
    *,
    level: float = 0.95,
    weights: ArrayLike | None = None,
    missing: str = "error",
) -> Estimate:
    """Intercept of the logistic recalibration that is fitted jointly with the slope: the first of `calibration_line`.

    It is the intercept that rms `val.prob` prints, and not calibration-in-the-large, whose slope is held at 1.

    >>> y, p = [0, 0, 1, 0, 1, 0, 1, 1], [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8]
    >>> calibration_intercept(y, p)
    0.3303 [-1.396, 2.057] (95% Wald; n = 8, 4 events)

    Reference: Cox, Biometrika 45 (1958) 562-565. R: rms `val.prob` Intercept.
    """
    return calibration_line(y_true, y_prob, level=level)[0]


@patients("y_true", "y_prob")
def ici(
    y_true: ArrayLike,
    y_prob: ArrayLike,
    *,
    method: str = "loess",
    level: float = 0.95,
    rng: Chance = None,
    replicates: int = 2000,
    weights: ArrayLike | None = None,
    missing: str = "error",
) -> Estimate:
    """Integrated calibration index, mean |c(p) - p|: "ici" of `calibration_errors`, which has the arguments.

    Biased upwards: of a right model, whose value is 0, a percentile interval never covers 0; of risks wrong by 0.5 on
    the log odds it covers 90.1 % in samples of 127 with 31 events (`validkit certify`).

    >>> y, p = [0, 0, 1, 0, 1, 0, 1, 1], [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8]
    >>> round(ici(y, p, method="isotonic").value, 4)
    0.15

    Reference: Austin and Steyerberg, Stat Med 38 (2019) 4051-4065. R: pmcalibration `pmcalibration`.
    """
    return _error("ici", y_true, y_prob, method, level, rng, replicates)


@patients("y_true", "y_prob")
def e50(
    y_true: ArrayLike,
    y_prob: ArrayLike,
    *,
    method: str = "loess",
    level: float = 0.95,
    rng: Chance = None,
    replicates: int = 2000,
    weights: ArrayLike | None = None,
    missing: str = "error",
) -> Estimate:
    """Median distance of the calibration curve from the diagonal: "e50" of `calibration_errors`.

    Biased upwards: of a right model, whose value is 0, a percentile interval never covers 0; of risks wrong by 0.5 on
    the log odds it covers 98.7 % in samples of 127 with 31 events (`validkit certify`).

    >>> y, p = [0, 0, 1, 0, 1, 0, 1, 1], [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8]
    >>> round(e50(y, p, method="isotonic").value, 4)
    0.15

    Reference: Austin and Steyerberg, Stat Med 38 (2019) 4051-4065. R: pmcalibration `pmcalibration`.
    """
    return _error("e50", y_true, y_prob, method, level, rng, replicates)


@patients("y_true", "y_prob")
def e90(
    y_true: ArrayLike,
    y_prob: ArrayLike,
    *,
    method: str = "loess",
    level: float = 0.95,
    rng: Chance = None,
    replicates: int = 2000,
    weights: ArrayLike | None = None,
    missing: str = "error",
) -> Estimate:
    """The distance that 90 % of the patients stay below: "e90" of `calibration_errors`.

    Biased upwards: of a right model, whose value is 0, a percentile interval never covers 0; of risks wrong by 0.5 on
    the log odds it covers 73.9 % in samples of 127 with 31 events (`validkit certify`).

    >>> y, p = [0, 0, 1, 0, 1, 0, 1, 1], [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8]
    >>> round(e90(y, p, method="isotonic").value, 4)
    0.23

    Reference: Austin and Steyerberg, Stat Med 38 (2019) 4051-4065. R: pmcalibration `pmcalibration`.
    """
    return _error("e90", y_true, y_prob, method, level, rng, replicates)


@patients("y_true", "y_prob")
def emax(
    y_true: ArrayLike,
    y_prob: ArrayLike,
    *,
    method: str = "loess",
    level: float = 0.95,
    rng: Chance = None,
    replicates: int = 2000,
    weights: ArrayLike | None = None,
    missing: str = "error",
) -> Estimate:
    """Largest distance of the calibration curve from the diagonal: "emax" of `calibration_errors`.

    Biased upwards: of a right model, whose value is 0, a percentile interval never covers 0; of risks wrong by 0.5 on
    the log odds it covers 37.4 % in samples of 127 with 31 events (`validkit certify`).

    >>> y, p = [0, 0, 1, 0, 1, 0, 1, 1], [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8]
    >>> round(emax(y, p, method="isotonic").value, 4)
    0.3

    Reference: Austin and Steyerberg, Stat Med 38 (2019) 4051-4065. R: pmcalibration `pmcalibration`.
    """
    return _error("emax", y_true, y_prob, method, level, rng, replicates)


@patients("y_true", "y_prob")
def eci(
    y_true: ArrayLike,
    y_prob: ArrayLike,
    *,
    method: str = "loess",
    level: float = 0.95,
    rng: Chance = None,
    replicates: int = 2000,
    weights: ArrayLike | None = None,
    missing: str = "error",
) -> Estimate:
    """Estimated calibration index, 100 mean (c(p) - p)^2 as in pmcalibration: "eci" of `calibration_errors`.

    Van Calster's code divides the mean square by that of a level curve instead: "eci_relative" there.

    >>> y, p = [0, 0, 1, 0, 1, 0, 1, 1], [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8]
    >>> round(eci(y, p, method="isotonic").value, 4)
    3.0

    Reference: Van Hoorde et al., J Biomed Inform 54 (2015) 283-293. R: pmcalibration `pmcalibration`.
    """
    return _error("eci", y_true, y_prob, method, level, rng, replicates)


def _error(
    name: str, y_true: ArrayLike, y_prob: ArrayLike, method: str, level: float, rng: Chance, replicates: int
) -> Estimate:
    return calibration_errors(y_true, y_prob, method=method, level=level, rng=rng, replicates=replicates)[name]


@patients("y_true", "y_prob")
def standardised_net_benefit(
    y_true: ArrayLike,
    y_prob: ArrayLike,
    *,
    threshold: float,
    level: float = 0.95,
    harm: float = 0.0,
    prevalence: float | None = None,
    weights: ArrayLike | None = None,
    missing: str = "error",
) -> Estimate:
    """Net benefit over its maximum, the prevalence: `net_benefit(standardised=True)`; 1 is perfect.

    >>> y, p = [0, 0, 1, 0, 1, 0, 1, 1], [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8]
    >>> round(standardised_net_benefit(y, p, threshold=0.3).value, 4)
    0.7857

    Reference: Kerr et al., J Clin Oncol 34 (2016) 2534-2540.
    """
    return net_benefit(
        y_true, y_prob, threshold=threshold, level=level, harm=harm, prevalence=prevalence, standardised=True
    )
