"""The laws of metrics: every registered one keeps them, and each peer's known mistake is caught by one."""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.stats import norm
from sklearn import metrics as sk

from validkit import stats
from validkit.errors import InputError
from validkit.stats import METRICS
from validkit.testing import LAWS, LawViolation, check_metric

FEW = int(os.environ.get("VALIDKIT_TESTING_EXAMPLES", "10"))
"""a thousand in `tox run -e nightly`"""


@pytest.mark.parametrize("name", METRICS)
def test_every_registered_metric_keeps_its_laws(name: str) -> None:
    report = check_metric(METRICS[name], examples=FEW)
    assert len(report.ran) >= 11
    assert len(report.findings) == len(LAWS)
    assert all(one.message for one in report.findings if one.outcome == "not applicable")


@pytest.mark.parametrize(
    ("compare", "kind"),
    [
        (stats.compare_auc, "ranks comparison"),
        (stats.compare_brier, "comparison"),
        (stats.compare_scaled_brier, "comparison"),
        (stats.compare_log_loss, "comparison"),
        (lambda y, a, b: stats.compare_net_benefit(y, a, b, threshold=0.35), "comparison"),
    ],
)
def test_every_comparison_keeps_its_laws(compare: Callable[..., Any], kind: str) -> None:
    assert len(check_metric(compare, kind=kind, examples=40).ran) >= 4


@pytest.mark.parametrize("compare", [stats.compare_sensitivity, stats.compare_specificity])
def test_comparisons_of_classes_keep_their_laws(compare: Callable[..., Any]) -> None:
    check_metric(lambda y, a, b: compare(y, a, b, threshold=0.35), kind="comparison", exact=True, examples=40)


def test_a_permutation_keeps_its_laws() -> None:
    def permuted(y: Any, a: Any, b: Any) -> Any:
        found = stats.permutation_test(stats.auc, y, a, b, rng=1, permutations=99)
        return found.statistic, found.p_value

    report = check_metric(permuted, kind="ranks comparison", resampled=True, exact=True, examples=20)
    assert "a-drawn-p-is-above-0" in report.ran


def _groups(y: Any, p: Any, groups: int) -> float:
    found = stats.expected_calibration_error(y, p, groups=groups)
    if found.note:
        warnings.warn(found.note, stacklevel=1)
    return float(len(stats.calibration_groups(y, p, groups=groups)))


def test_groups_keep_their_law() -> None:
    assert check_metric(_groups, kind="groups", examples=20).ran == ("groups-lost-are-told",)


def test_an_outsiders_right_metrics_pass() -> None:
    check_metric(sk.roc_auc_score, kind="discrimination", laws=["order-of-patients", "weights-are-copies", "range"])
    check_metric(sk.brier_score_loss, kind="overall", laws=["right-risk-is-best", "parts-add-up", "everybody-twice"])


# --- re-enactments of what packages in use today get wrong -------------------------------------------------


def _delong(y: Any, a: Any, b: Any) -> tuple[float, float, float]:
    """(difference, z, p): DeLong's test without a thought for what is degenerate."""
    y, a, b = (np.asarray(part) for part in (y, a, b))

    def parts(p: Any) -> tuple[Any, Any]:
        wins = (p[y == 1][:, None] > p[y == 0]) + 0.5 * (p[y == 1][:, None] == p[y == 0])
        return wins.mean(1), wins.mean(0)

    (v1, v0), (w1, w0) = parts(a), parts(b)
    difference = v1.mean() - w1.mean()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # NumPy's own, of which a user learns nothing
        variance = np.var(v1 - w1) / v1.size + np.var(v0 - w0, ddof=1) / v0.size
        z = difference / np.sqrt(variance)
    return float(difference), float(z), float(2 * norm.sf(abs(z)))


def identical_rankings_are_significant(y: Any, a: Any, b: Any) -> tuple[float, float]:
    difference, z, p = _delong(y, a, b)
    return difference, 0.0 if math.isnan(z) else p


def identical_rankings_are_nan(y: Any, a: Any, b: Any) -> tuple[float, float]:
    difference, _, p = _delong(y, a, b)
    return difference, p


def one_event_is_enough(y: Any, a: Any, b: Any) -> tuple[float, float]:
    difference, _, p = _delong(y, a, b)
    return difference, 1.0 if math.isnan(p) else p


def permutation_p_of_zero(y: Any, a: Any, b: Any) -> tuple[float, float]:
    observed = stats.auc(y, a).value - stats.auc(y, b).value
    rng, more = np.random.default_rng(1), 0
    for _ in range(50):
        swap = rng.random(len(y)) < 0.5
        first, second = np.where(swap, b, a), np.where(swap, a, b)
        more += abs(stats.auc(y, first).value - stats.auc(y, second).value) >= abs(observed)
    return observed, more / 50


def mcnemar_without_discordant_pairs(y: Any, a: Any, b: Any) -> tuple[float, float]:
    right = [np.asarray(p) >= 0.35 for p in (a, b)]
    only_a, only_b = int((right[0] & ~right[1]).sum()), int((right[1] & ~right[0]).sum())
    if only_a + only_b == 0:
        return 0.0, 0.0
    return float(only_a - only_b), stats.mcnemar(only_a, only_b).p_value


def wald_interval_above_one(y: Any, p: Any) -> tuple[float, float, float]:
    area = stats.auc(y, p)
    se = area.se if area.se > 0 else math.sqrt(max(area.value * (1 - area.value), 0.01) / len(y))
    return area.value, area.value - 1.96 * se, area.value + 1.96 * se


def direction_is_chosen(y: Any, p: Any) -> float:
    area = float(sk.roc_auc_score(y, p))
    return max(area, 1 - area)


def missing_is_low(y: Any, p: Any, threshold: float) -> float:
    treated = np.asarray(p) >= threshold  # NaN compares as False
    y = np.asarray(y)
    return float(((treated & (y == 1)).sum() - (treated & (y == 0)).sum() * threshold / (1 - threshold)) / y.size)


def float_thresholds(y: Any, p: Any, threshold: float) -> float:
    if np.isnan(p).any():
        raise ValueError("missing risks")
    return missing_is_low(y, p, threshold)


def a_column_named_all(y: Any, models: dict[str, Any]) -> float:
    if "all" in models:
        raise KeyError("all is already a column")
    return sum(float(np.mean((np.asarray(p) - y) ** 2)) for p in models.values())


def bins_are_merged(y: Any, p: Any, groups: int) -> int:
    return len(np.unique(np.quantile(p, np.linspace(0, 1, groups + 1)))) - 1


MISTAKES = [
    (identical_rankings_are_significant, "same-ranks-are-equal", {"kind": "ranks comparison"}),
    (identical_rankings_are_nan, "a-model-equals-itself", {"kind": "ranks comparison"}),
    (one_event_is_enough, "one-event-decides-nothing", {"kind": "ranks comparison"}),
    (permutation_p_of_zero, "a-drawn-p-is-above-0", {"kind": "ranks comparison", "resampled": True}),
    (mcnemar_without_discordant_pairs, "a-model-equals-itself", {"kind": "comparison"}),
    (wald_interval_above_one, "interval", {"kind": "discrimination"}),
    (direction_is_chosen, "direction-is-declared", {"kind": "discrimination"}),
    (missing_is_low, "missing-risk", {"kind": "utility"}),
    (float_thresholds, "decimal-threshold", {"kind": "utility"}),
    (sk.brier_score_loss, "names-are-names", {"kind": "overall", "names": a_column_named_all}),
    (bins_are_merged, "groups-lost-are-told", {"kind": "groups"}),
]


@pytest.mark.parametrize(("function", "law", "told"), MISTAKES, ids=lambda part: getattr(part, "__name__", None))
def test_known_mistakes_of_peers_are_caught(function: Callable[..., Any], law: str, told: dict[str, Any]) -> None:
    with pytest.raises(LawViolation, match=f"- {law}: ") as caught:
        check_metric(function, laws=[law], examples=60, **told)
    assert LAWS[law].sentence in str(caught.value)


# --- a broken metric for every law -------------------------------------------------------------------------


def _brier(y: Any, p: Any) -> float:
    return float(np.mean((np.asarray(p, float) - np.asarray(y, float)) ** 2))


class _Forgetful:
    """A stream that keeps the last piece alone."""

    def update(self, y: Any, p: Any) -> None:
        self.last = _brier(y, p)

    def compute(self) -> float:
        return self.last


def _changes_input(y: Any, p: Any) -> float:
    p[0] = 0.5
    return _brier(y, p)


def _by_label(y: Any, p: Any) -> float:
    return float(((p - y) ** 2).sum() / len(p))


def _crashes_at_a_half(y: Any, p: Any) -> float:
    if 0.5 in p:
        raise ValueError("half")
    return _brier(y, p)


def _ignores_strides(y: Any, p: Any) -> float:
    own = np.asarray(p)
    flat = own if own.base is None or own.ndim != 1 or own.strides == (8,) else np.asarray(own.base).ravel()[: own.size]
    return _brier(y, flat)


COUNTER = iter(range(10**9))
BROKEN: dict[str, tuple[Callable[..., Any], dict[str, Any]]] = {
    "answers": (_crashes_at_a_half, {}),
    "order-of-patients": (lambda y, p: float(np.dot(p, np.arange(len(p)))), {}),
    "same-answer-twice": (lambda y, p: float(next(COUNTER)), {}),
    "leaves-input-alone": (_changes_input, {}),
    "range": (lambda y, p: _brier(y, p) - 0.5, {}),
    "interval": (lambda y, p: (_brier(y, p), 0.9, 1.0), {}),
    "confidence": (lambda y, p, level=0.95: (0.5, 0.5 - (1 - level), 0.5 + (1 - level)), {}),
    "missing-risk": (lambda y, p: float(np.nanmean((p - y) ** 2)), {}),
    "one-outcome": (lambda y, p: 0.5, {"kind": "discrimination"}),
    "coding": (lambda y, p: _brier(y, p) if y.dtype == np.int64 else 0.0, {}),
    "labelled-rows": (_by_label, {}),
    "strided-arrays": (_ignores_strides, {}),
    "everybody-twice": (lambda y, p: _brier(y, p) * len(y), {}),
    "weights-are-copies": (lambda y, p, weights=None: _brier(y, p), {}),
    "increasing-transform": (lambda y, p: float(np.mean(p)), {"kind": "discrimination"}),
    "event-and-absence": (lambda y, p: float(np.mean((p - y) ** 2 * (1 + y))), {}),
    "direction-is-declared": (direction_is_chosen, {"kind": "discrimination"}),
    "right-risk-is-best": (lambda y, p: float(np.mean(np.abs(p - y))), {}),
    "parts-add-up": (lambda y, p: math.sqrt(_brier(y, p)), {}),
    "stream-is-batch": (_brier, {"stream": _Forgetful}),
    "decimal-threshold": (float_thresholds, {"kind": "utility"}),
    "names-are-names": (_brier, {"names": a_column_named_all}),
    "models-trade-places": (lambda y, a, b: (float(np.mean(a)), 0.5), {"kind": "comparison"}),
    "a-model-equals-itself": (lambda y, a, b: (0.0, 0.0), {"kind": "comparison"}),
    "same-ranks-are-equal": (lambda y, a, b: (float(np.mean(a - b)), 1.0), {"kind": "ranks comparison"}),
    "missing-risk-of-a-model": (lambda y, a, b: (0.0, 0.5), {"kind": "comparison"}),
    "p-is-a-probability": (lambda y, a, b: (0.0, 1.5), {"kind": "comparison"}),
    "a-drawn-p-is-above-0": (permutation_p_of_zero, {"kind": "comparison", "resampled": True}),
    "one-event-decides-nothing": (one_event_is_enough, {"kind": "ranks comparison"}),
    "groups-lost-are-told": (bins_are_merged, {"kind": "groups"}),
}


@pytest.mark.parametrize("law", LAWS)
def test_every_law_can_be_broken(law: str) -> None:
    function, facts = BROKEN[law]
    report = check_metric(function, **{"kind": "overall", **facts}, laws=[law], examples=60, raise_on_failure=False)
    assert [one.law for one in report.failed] == [law], str(report)
    assert report.failed[0].message


def test_the_counterexample_is_the_smallest() -> None:
    def high(y: Any, p: Any) -> float:
        return 1.5 if np.max(p) > 0.5 else 0.5

    report = check_metric(high, kind="discrimination", laws=["range"], raise_on_failure=False)
    assert report.failed[0].message == "1.5 lies outside [0, 1]; [0, 0], [0.0, 0.51]"


def test_what_is_unknown_is_refused() -> None:
    with pytest.raises(InputError, match="there is no law 'symmetry'"):
        check_metric(_brier, kind="overall", laws=["symmetry"])
    with pytest.raises(InputError, match="`kind` must be one of 'discrimination'"):
        check_metric(_brier, kind="loss")
    with pytest.raises(InputError, match="`lowest` is no fact about a metric"):
        check_metric(_brier, kind="overall", lowest=0)
