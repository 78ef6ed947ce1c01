"""Every measure of a prediction model in one table: what it is, what is best, and what its critics warn of.

`METRICS` holds the 32 measures that Van Calster et al. (Lancet Digit Health 2025, arXiv 2412.10288) judged, and others
that validkit offers. The evaluation, the report, the bootstrap and the tests read it.

proper : no wrong risk is expected to look better than the right one (the paper's sense: the right risk is among the
best); strictly_proper : every wrong risk is expected to look worse. clear_focus : the measure is purely statistical, or
weighs the two kinds of error by what they cost; a mixture is neither.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from validkit.stats.calibration import (
    calibration_in_the_large,
    calibration_slope,
    observed_expected,
)
from validkit.stats.calibration_distances import expected_calibration_error
from validkit.stats.classification import (
    accuracy,
    balanced_accuracy,
    diagnostic_odds_ratio,
    f1,
    kappa_at_threshold,
    mcc,
    negative_likelihood_ratio,
    npv,
    positive_likelihood_ratio,
    ppv,
    sensitivity,
    specificity,
    youden_index,
)
from validkit.stats.costs import expected_cost
from validkit.stats.discrimination import auc
from validkit.stats.interventions import interventions_avoided
from validkit.stats.overall import (
    brier,
    cox_snell_r2,
    discrimination_slope,
    log_likelihood,
    log_loss,
    mape,
    mcfadden_r2,
    nagelkerke_r2,
    scaled_brier,
)
from validkit.stats.partial_area import partial_auc
from validkit.stats.precision_recall import auprc, average_precision
from validkit.stats.single_numbers import (
    calibration_intercept,
    e50,
    e90,
    eci,
    emax,
    ici,
    standardised_net_benefit,
)
from validkit.stats.utility import net_benefit

__all__ = ["METRICS", "Metric"]

INF = math.inf
MIXED = "mixes statistical performance with costs that nobody stated"
IMPROPER_AT = "improper: a wrong model can look better unless the threshold is 0.5 or the prevalence"


@dataclass(frozen=True)
class Metric:
    """One measure.

    function : (y_true, y_prob, *, level, ...) -> Estimate, with `threshold` where `needs_threshold`
    direction : "higher", "lower", or the value that is right: "one" or "zero"; low, high : the range of its values, at
        the function's own settings; attainable : in words, where the patients bound the best value more closely
    needs_probability : False where any score will do (with scale="score")
    of_the_32 : whether it is one of the measures that Van Calster et al. judged
    """

    name: str
    label: str
    domain: str
    function: Callable[..., Any]
    direction: str
    low: float
    high: float
    proper: bool
    clear_focus: bool
    strictly_proper: bool = False
    needs_probability: bool = True
    needs_threshold: bool = False
    of_the_32: bool = True
    caution: str = ""
    attainable: str = ""

    @property
    def best(self) -> float:
        """The best value."""
        return {"higher": self.high, "lower": self.low, "one": 1.0, "zero": 0.0}[self.direction]

    def better(self, a: float, b: float) -> bool:
        """Whether a is strictly better than b."""
        if self.direction in ("higher", "lower"):
            return a > b if self.direction == "higher" else a < b
        if self.direction == "one" and self.low >= 0:  # a ratio: half is as wrong as double
            return _far(a) < _far(b)
        return abs(a - self.best) < abs(b - self.best)


def _far(ratio: float) -> float:
    return abs(math.log(ratio)) if 0 < ratio < INF else INF


def _of_rank(name: str, label: str, function: Callable[..., Any], **more: Any) -> Metric:
    facts = {"direction": "higher", "low": 0.0, "high": 1.0, "proper": True, "clear_focus": True}
    return Metric(name, label, "discrimination", function, needs_probability=False, **{**facts, **more})


def _of_calibration(name: str, label: str, function: Callable[..., Any], direction: str, **more: Any) -> Metric:
    facts = {"low": -INF, "high": INF, "proper": True, "clear_focus": True}
    return Metric(name, label, "calibration", function, direction, **{**facts, **more})


def _of_overall(name: str, label: str, function: Callable[..., Any], **more: Any) -> Metric:
    facts = {"direction": "higher", "low": -INF, "high": 1.0, "proper": True, "clear_focus": True}
    facts["strictly_proper"] = True
    return Metric(name, label, "overall", function, **{**facts, **more})


def _of_classes(name: str, label: str, function: Callable[..., Any], caution: str, **more: Any) -> Metric:
    facts = {"direction": "higher", "low": 0.0, "high": 1.0, "proper": False, "clear_focus": True}
    facts |= {"needs_probability": False, "needs_threshold": True, "caution": caution}
    return Metric(name, label, "classification", function, **{**facts, **more})


def _of_utility(name: str, label: str, function: Callable[..., Any], **more: Any) -> Metric:
    facts = {"direction": "higher", "low": -INF, "high": 1.0, "proper": True, "clear_focus": True}
    return Metric(name, label, "utility", function, needs_threshold=True, **{**facts, **more})


PARTIAL = "half a picture: it can be made perfect by moving the threshold, so it is read with its counterpart"
# A smooth curve is not cut to [0, 1], so distances from it have no upper end.
ABSOLUTE = "depends on the smoother and is biased upwards in small samples: a calibrated model does not reach 0"
AT_GIVEN_RISKS = "of the risks as given; below 0 where the prevalence predicts better"

_ALL = (
    _of_rank("auc", "AUC (c statistic)", auc),
    _of_rank("auprc", "area under the precision-recall curve", auprc, clear_focus=False, caution=MIXED),
    _of_rank(
        "partial_auc", "partial AUC (specificity 0.9 to 1)", partial_auc, high=0.1, clear_focus=False, caution=MIXED
    ),
    _of_rank(
        "average_precision", "average precision", average_precision, clear_focus=False, of_the_32=False, caution=MIXED
    ),
    _of_calibration("observed_expected", "O:E ratio", observed_expected, "one", low=0.0),
    _of_calibration(
        "calibration_in_the_large", "calibration intercept (slope fixed at 1)", calibration_in_the_large, "zero"
    ),
    _of_calibration("calibration_slope", "calibration slope", calibration_slope, "one"),
    _of_calibration(
        "calibration_intercept",
        "joint calibration intercept",
        calibration_intercept,
        "zero",
        of_the_32=False,
        caution="fitted jointly with the slope: not calibration-in-the-large",
    ),
    _of_calibration("eci", "estimated calibration index", eci, "lower", low=0.0, caution=ABSOLUTE),
    _of_calibration("ici", "integrated calibration index", ici, "lower", low=0.0, caution=ABSOLUTE),
    _of_calibration("e50", "median calibration error", e50, "lower", low=0.0, of_the_32=False, caution=ABSOLUTE),
    _of_calibration(
        "e90", "90 % quantile of calibration error", e90, "lower", low=0.0, of_the_32=False, caution=ABSOLUTE
    ),
    _of_calibration("emax", "largest calibration error", emax, "lower", low=0.0, of_the_32=False, caution=ABSOLUTE),
    _of_calibration(
        "ece",
        "expected calibration error",
        expected_calibration_error,
        "lower",
        low=0.0,
        high=1.0,
        caution="depends on the grouping and is biased upwards in small samples",
    ),
    _of_overall("log_likelihood", "log likelihood", log_likelihood, high=0.0, caution="grows with the sample"),
    _of_overall("log_loss", "log loss", log_loss, direction="lower", low=0.0, high=INF),
    _of_overall("brier", "Brier score", brier, direction="lower", low=0.0),
    _of_overall("scaled_brier", "scaled Brier score", scaled_brier),
    _of_overall("mcfadden_r2", "McFadden R2", mcfadden_r2, caution=AT_GIVEN_RISKS),
    _of_overall("cox_snell_r2", "Cox-Snell R2", cox_snell_r2, caution=AT_GIVEN_RISKS, attainable="below 1"),
    _of_overall("nagelkerke_r2", "Nagelkerke R2", nagelkerke_r2, caution=AT_GIVEN_RISKS),
    _of_overall(
        "discrimination_slope",
        "discrimination slope (Tjur R2)",
        discrimination_slope,
        low=-1.0,
        proper=False,
        strictly_proper=False,
        caution="improper: risks that are too extreme raise it",
    ),
    _of_overall(
        "mape",
        "mean absolute prediction error",
        mape,
        direction="lower",
        low=0.0,
        proper=False,
        strictly_proper=False,
        caution="improper: it is least where every risk is 0 or 1",
    ),
    _of_classes("accuracy", "accuracy", accuracy, IMPROPER_AT),
    _of_classes("balanced_accuracy", "balanced accuracy", balanced_accuracy, IMPROPER_AT),
    _of_classes("youden_index", "Youden index", youden_index, IMPROPER_AT, low=-1.0),
    _of_classes("diagnostic_odds_ratio", "diagnostic odds ratio", diagnostic_odds_ratio, IMPROPER_AT, high=INF),
    _of_classes("kappa", "Cohen's kappa", kappa_at_threshold, IMPROPER_AT, low=-1.0),
    _of_classes("f1", "F1", f1, f"improper, and {MIXED}: it ignores true negatives", clear_focus=False),
    _of_classes("mcc", "Matthews correlation coefficient", mcc, IMPROPER_AT, low=-1.0),
    _of_classes("sensitivity", "sensitivity (recall)", sensitivity, PARTIAL),
    _of_classes("specificity", "specificity", specificity, PARTIAL),
    _of_classes("ppv", "positive predictive value (precision)", ppv, PARTIAL),
    _of_classes("npv", "negative predictive value", npv, PARTIAL),
    _of_classes("positive_likelihood_ratio", "LR+", positive_likelihood_ratio, PARTIAL, high=INF, of_the_32=False),
    _of_classes(
        "negative_likelihood_ratio",
        "LR-",
        negative_likelihood_ratio,
        PARTIAL,
        direction="lower",
        high=INF,
        of_the_32=False,
    ),
    _of_utility("net_benefit", "net benefit", net_benefit, attainable="prevalence"),
    _of_utility("standardised_net_benefit", "standardised net benefit", standardised_net_benefit),
    _of_utility("expected_cost", "expected cost", expected_cost, direction="lower", low=0.0, high=INF),
    _of_utility(
        "interventions_avoided",
        "net interventions avoided per 100",
        interventions_avoided,
        high=100.0,
        of_the_32=False,
        attainable="100 × (1 − prevalence)",
    ),
)

METRICS: Mapping[str, Metric] = MappingProxyType({metric.name: metric for metric in _ALL})
