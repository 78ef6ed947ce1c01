"""The metric under test as the laws see it: what it answers, what it is told to be, and how it is called."""

from __future__ import annotations

import inspect
import math
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from hypothesis.errors import HypothesisException

from validkit.errors import InputError

__all__ = ["KINDS", "Answer", "Subject", "subject_of"]

INF = math.inf
NOT_ABOUT_THE_ANSWER = (RuntimeWarning, DeprecationWarning, PendingDeprecationWarning, FutureWarning)
"""warnings of arithmetic and of versions, which tell a user nothing about what came back"""


@dataclass(frozen=True)
class Answer:
    """What came back: a value with an interval and a p value where there is one, or the refusal's words."""

    value: float = math.nan
    low: float = math.nan
    high: float = math.nan
    p_value: float = math.nan
    refusal: str = ""
    warned: bool = False

    @property
    def given(self) -> bool:
        """Whether a number came back."""
        return not self.refusal and not math.isnan(self.value)

    def __str__(self) -> str:
        if self.refusal:
            return f"refused ({self.refusal})"
        interval = "" if math.isnan(self.low) else f" [{self.low:.10g}, {self.high:.10g}]"
        p_value = "" if math.isnan(self.p_value) else f", p = {self.p_value:.3g}"
        return f"{self.value:.10g}{interval}{p_value}"


@dataclass(frozen=True)
class Subject:
    """A metric, and the facts that its laws follow from.

    function : (y_true, y_prob) -> number, (number, low, high), (number, (low, high)), or anything with `.value`;
        of comparisons (y_true, prob_a, prob_b) -> the same with a p value last, or anything with `.difference`, `.test`
    kind : one of KINDS
    threshold : the keyword that takes a threshold, "" where there is none; weights, level : likewise
    low, high : the range of its values; chance, perfect, worst : what it gives to constant risks, and to perfect and
        reversed ranks, None where nothing is promised
    proper : no wrong risk is expected to beat the right one; strictly : every wrong one is expected to lose
    higher : whether more is better; target : the value that right risks have, where neither more nor less is better
    symmetric : the same when the event is called the non-event and every risk 1 - risk
    mean : a mean over patients, so that parts add up; total : a sum, which doubles with the patients
    groups : smooths, groups or counts steps, so that doubling every patient may move it
    resampled : its p value comes from draws, and is never 0; exact : a single event may support a test
    stream : makes an empty accumulator with update(y_true, y_prob) and compute()
    names : (y_true, {name: y_prob}) -> anything, of what takes named columns
    """

    function: Callable[..., Any]
    kind: str
    name: str = "the metric"
    threshold: str = ""
    weights: str = ""
    level: str = ""
    low: float = -INF
    high: float = INF
    chance: float | None = None
    perfect: float | None = None
    worst: float | None = None
    proper: bool = False
    strictly: bool = False
    higher: bool = True
    target: float | None = None
    symmetric: bool = False
    mean: bool = False
    total: bool = False
    groups: bool = False
    resampled: bool = False
    exact: bool = False
    stream: Callable[[], Any] | None = None
    names: Callable[..., Any] | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    def __call__(self, *data: Any, threshold: float = 0.35, **options: Any) -> Answer:
        """Call the metric; what it refuses is an answer too."""
        if self.threshold:
            options = {self.threshold: threshold, **options}
        return asked(lambda: self.function(*data, **{**self.options, **options}))

    def better(self, a: float, b: float) -> bool:
        """Whether a is better than b by more than rounding."""
        if self.target is not None:
            return abs(a - self.target) < abs(b - self.target) - 1e-9
        return a > b + 1e-9 if self.higher else a < b - 1e-9


def asked(call: Callable[[], Any]) -> Answer:
    """The answer to a call, or its refusal, which is any exception; warnings are noted, not shown."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            answer = _read(call())
        except HypothesisException:
            raise
        except Exception as refusal:
            return Answer(refusal=f"{type(refusal).__name__}: {refusal}"[:200])
    return replace(answer, warned=any(not issubclass(one.category, NOT_ABOUT_THE_ANSWER) for one in caught))


def _read(result: Any) -> Answer:
    if hasattr(result, "difference") and hasattr(result, "test"):
        found = _read(result.difference)
        return replace(found, p_value=float(result.test.p_value))
    if hasattr(result, "p_value") and not hasattr(result, "value"):
        return Answer(value=float(getattr(result, "statistic", math.nan)), p_value=float(result.p_value))
    if hasattr(result, "value"):
        low, high = (float(getattr(result, end, math.nan)) for end in ("low", "high"))
        return Answer(float(result.value), low, high)
    if isinstance(result, (tuple, list)):
        return _of_tuple(tuple(result))
    return Answer(float(np.asarray(result).reshape(())))


def _of_tuple(parts: tuple[Any, ...]) -> Answer:
    if len(parts) == 2 and np.ndim(parts[1]) == 1:
        low, high = (float(end) for end in parts[1])
        return Answer(float(parts[0]), low, high)
    if len(parts) == 2:
        return Answer(float(parts[0]), p_value=float(parts[1]))
    if len(parts) == 3:
        value, low, high = (float(part) for part in parts)
        return Answer(value, low, high)
    raise InputError(f"the metric returned {len(parts)} parts; return a number, (value, low, high) or (difference, p)")


KINDS: Mapping[str, Mapping[str, Any]] = {
    "discrimination": {
        "low": 0.0, "high": 1.0, "chance": 0.5, "perfect": 1.0, "worst": 0.0, "proper": True, "symmetric": True,
    },
    "calibration": {"proper": True, "higher": False, "low": 0.0},
    "overall": {"proper": True, "strictly": True, "higher": False, "low": 0.0, "symmetric": True, "mean": True},
    "classification": {"low": 0.0, "high": 1.0, "threshold": "threshold"},
    "utility": {"proper": True, "high": 1.0, "threshold": "threshold"},
    "comparison": {},
    "ranks comparison": {},
    "groups": {},
}  # fmt: skip
"""the facts that a kind supposes, each of which can be told otherwise; the docstring of `Subject` says what they mean

"comparison": two models by their risks; "ranks comparison": by their ranks alone, as a difference in AUC;
"groups": (y_true, y_prob, groups) -> the groups that were formed
"""


def subject_of(function: Callable[..., Any], kind: str, **facts: Any) -> Subject:
    """The subject, its keywords for threshold, weights and level found in its signature.

    InputError for a kind or a fact that is unknown.
    """
    if kind not in KINDS:
        raise InputError(f"`kind` must be one of {', '.join(map(repr, KINDS))}, not {kind!r}")
    unknown = sorted(set(facts) - set(Subject.__dataclass_fields__))
    if unknown:
        raise InputError(f"`{unknown[0]}` is no fact about a metric; known are those of validkit.testing.Subject")
    names = _keywords(function)
    found = {"name": getattr(function, "__name__", "the metric"), **KINDS[kind]}
    if found.get("threshold") and "threshold" not in names:
        found["threshold"] = ""
    for fact, known in (("weights", ("weights", "sample_weight")), ("level", ("level", "confidence_level"))):
        found[fact] = next((name for name in known if name in names), "")
    return Subject(function, kind, **{**found, **facts})


def _keywords(function: Callable[..., Any]) -> set[str]:
    try:
        return set(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        return set()
