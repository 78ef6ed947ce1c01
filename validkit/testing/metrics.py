"""`check_metric`: the laws that apply to a metric, each tried on many examples, the smallest counterexample told."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import HealthCheck, Phase, find, settings
from hypothesis.errors import NoSuchExample

from validkit.stats.metrics import Metric
from validkit.testing.comparison_laws import COMPARISON_LAWS
from validkit.testing.laws import Law
from validkit.testing.metric_laws import METRIC_LAWS
from validkit.testing.subjects import Subject, subject_of
from validkit.testing.violations import Finding, Findings, LawViolation, check_names

__all__ = ["LAWS", "Finding", "Report", "check_metric"]

LAWS: dict[str, Law] = {law.name: law for law in (*METRIC_LAWS, *COMPARISON_LAWS)}
"""every law of metrics and comparisons, by its name"""
EXAMPLES = "VALIDKIT_TESTING_EXAMPLES"


@dataclass(frozen=True)
class Report(Findings):
    """What every law said of a metric."""

    @property
    def ran(self) -> tuple[str, ...]:
        """Names of the laws that applied."""
        return tuple(one.law for one in self.findings if one.outcome != "not applicable")

    def __str__(self) -> str:
        lines = [f"{self.subject}: {len(self.ran)} laws apply, {len(self.failed)} broken"]
        lines += [f"  {one.outcome:14} {one.law}{': ' if one.message else ''}{one.message}" for one in self.findings]
        return "\n".join(lines)


def check_metric(
    function: Callable[..., Any] | Metric,
    *,
    kind: str = "discrimination",
    laws: Sequence[str] | None = None,
    examples: int | None = None,
    raise_on_failure: bool = True,
    **facts: Any,
) -> Report:
    """Try every law that applies to a metric; LawViolation with the smallest counterexample where one is broken.

    function : (y_true, y_prob) -> number, (value, low, high) or anything with `.value`, `.low`, `.high`; comparisons
        take (y_true, prob_a, prob_b) and return (difference, p value) or anything with `.difference` and `.test`;
        "groups" take (y_true, y_prob, groups) and return how many groups were formed. Or an entry of `stats.METRICS`
    kind : "discrimination" (an AUC), "calibration" (a distance; 0 is best), "overall" (a loss; 0 is best),
        "classification", "utility", "comparison", "ranks comparison" (of AUCs) or "groups"
    laws : names in `LAWS`; all where None
    examples : tried for each law; 100, or what the environment variable VALIDKIT_TESTING_EXAMPLES says
    facts : what the metric promises other than its kind supposes: low, high, chance, perfect, worst, proper, strictly,
        higher, target, symmetric, mean, total, groups, resampled, exact, weights, level, threshold, stream, names
        (see `Subject`)

    Examples follow from the law alone, so that a second run tries the same ones.
    """
    subject = _registered(function, facts) if isinstance(function, Metric) else subject_of(function, kind, **facts)
    check_names(laws or (), LAWS)
    tried = examples or int(os.environ.get(EXAMPLES, "100"))
    report = Report(subject.name, tuple(_finding(LAWS[name], subject, tried) for name in laws or LAWS))
    if report.failed and raise_on_failure:
        raise LawViolation(_told(report))
    return report


def _finding(law: Law, subject: Subject, examples: int) -> Finding:
    reason = law.does_not_apply(subject)
    if reason:
        return Finding(law.name, "not applicable", reason)
    own = settings(
        max_examples=examples, derandomize=True, database=None, deadline=None,
        phases=(Phase.explicit, Phase.generate, Phase.shrink), suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    try:
        smallest = find(law.examples(subject), lambda example: bool(law.broken(subject, example)), settings=own)
    except NoSuchExample:
        return Finding(law.name, "pass")
    return Finding(law.name, "fail", f"{law.broken(subject, smallest)}; {_shown(smallest)}")


def _shown(example: Any) -> str:
    if isinstance(example, tuple):
        return ", ".join(_shown(part) for part in example)
    if isinstance(example, np.ndarray):
        return str(example.tolist())
    return repr(example)


def _told(report: Report) -> str:
    lines = [f"{report.subject} breaks {len(report.failed)} of {len(report.ran)} laws"]
    for one in report.failed:
        lines += [f"- {one.law}: {LAWS[one.law].sentence}", f"  {one.message}"]
    return "\n".join(lines)


SMOOTHED = ("eci", "ici", "e50", "e90", "emax")
TIED_TO_STEPS = ("auprc", "ece", *SMOOTHED)
MEANS = ("brier", "log_loss")
SYMMETRIC = (
    "auc", "calibration_slope", "log_likelihood", "log_loss", "brier", "scaled_brier", "mcfadden_r2", "cox_snell_r2",
    "nagelkerke_r2", "discrimination_slope", "mape", "accuracy", "balanced_accuracy", "youden_index",
    "diagnostic_odds_ratio", "kappa", "mcc",
)  # fmt: skip


def _registered(metric: Metric, facts: dict[str, Any]) -> Subject:
    """A registered metric with the facts that `stats.METRICS` holds of it."""
    area = metric.name == "auc"
    known: dict[str, Any] = {
        "name": metric.name,
        "low": metric.low,
        "high": metric.high,
        "chance": 0.5 if area else None,
        "perfect": metric.high if metric.domain == "discrimination" else None,
        "worst": 0.0 if area else None,
        "proper": metric.proper and metric.name not in SMOOTHED,
        "strictly": metric.strictly_proper,
        "higher": metric.direction == "higher",
        "target": metric.best if metric.direction in ("one", "zero") else None,
        "symmetric": metric.name in SYMMETRIC,
        "mean": metric.name in MEANS,
        "total": metric.name == "log_likelihood",
        "groups": metric.name in TIED_TO_STEPS,
        "threshold": "threshold" if metric.needs_threshold else "",
        "weights": "weights",
        "level": "level",
    }
    return subject_of(metric.function, metric.domain, **{**known, **facts})
