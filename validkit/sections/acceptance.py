"""What must hold for the model to be accepted: declared before anyone has seen the numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, model_validator

from validkit.sections.base import Fraction, Section, tuples

if TYPE_CHECKING:
    from validkit.stats.metrics import Metric

FIELDS = ("model", "on", "undecided", "criteria")
ALSO_CALLED = {"slope": "calibration_slope", "oe": "observed_expected"}
"""the words of evaluation.json for measures that the registry names in full"""
Bound = Annotated[float, Field(allow_inf_nan=False)]
At = tuple[Fraction, ...]


def _thresholds(data: Any) -> Any:
    """`at = 0.2` is `at = [0.2]`."""
    at = data.get("at") if isinstance(data, Mapping) else None
    return {**data, "at": (at,)} if isinstance(at, int | float) and not isinstance(at, bool) else tuples(data, "at")


class BetterThan(Section):
    """More useful than a strategy, or than another model: the difference on the same patients lies above 0."""

    strategy: Literal["treat-all", "treat-none"] | None = None
    model: str | None = None
    at: At = ()
    """(net benefit) the thresholds, each judged by itself: a number or a list"""

    @model_validator(mode="before")
    @classmethod
    def _one_is_a_list(cls, data: Any) -> Any:
        return _thresholds(data)

    @model_validator(mode="after")
    def _one(self) -> BetterThan:
        if (self.strategy is None) == (self.model is None):
            raise ValueError('declare either `strategy` ("treat-all" or "treat-none") or `model`')
        return self


class Criterion(Section):
    """A rule about one measure, judged from its interval.

    low : its lower limit is at least this; high : its upper limit is at most this
    within : its interval lies inside [from, to]
    better_than : (net benefit, auc) the interval of the difference lies above 0
    at : thresholds of `low`, `high` and `within` where the measure needs one, each judged by itself (a number or a
        list); the operating threshold where left out
    """

    low: Bound | None = None
    high: Bound | None = None
    within: tuple[Bound, Bound] | None = None
    better_than: BetterThan | None = None
    at: At = ()

    @model_validator(mode="before")
    @classmethod
    def _lists_are_tuples(cls, data: Any) -> Any:
        return _thresholds(tuples(data, "within"))

    @model_validator(mode="after")
    def _some(self) -> Criterion:
        if all(rule is None for rule in (self.low, self.high, self.within, self.better_than)):
            raise ValueError("a criterion needs a rule: `low`, `high`, `within` or `better_than`")
        if self.within is not None and not self.within[0] < self.within[1]:
            raise ValueError(f"`within` must be [from, to] with from < to; got {list(self.within)}")
        if self.low is not None and self.high is not None and not self.low < self.high:
            raise ValueError(f"`low` = {self.low:g} and `high` = {self.high:g} cannot both hold; `low` must be smaller")
        if self.at and self.low is None and self.high is None and self.within is None:
            raise ValueError("`at` belongs to `low`, `high` and `within`; a comparison has its own: better_than.at")
        return self


class Acceptance(Section):
    """Criteria by measure. In TOML each measure is a key: `auc.low = 0.65`, `slope.within = [0.8, 1.2]`."""

    model: str | None = None
    """the model that is judged; the reference of `evaluation.compare` where left out"""
    on: Literal["held-out"] = "held-out"
    undecided: Literal["fail", "pass"] = "fail"
    """what an undecided criterion does to the exit status"""
    criteria: dict[str, Criterion] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _measures_are_keys(cls, data: Any) -> Any:
        if not isinstance(data, Mapping):
            return data
        own = {key: value for key, value in data.items() if key in FIELDS}
        given = own.get("criteria", {})
        if not isinstance(given, Mapping):
            return own
        criteria: dict[Any, Any] = {}
        for key, value in [*given.items(), *((key, value) for key, value in data.items() if key not in FIELDS)]:
            name = ALSO_CALLED.get(key, key)
            if name in criteria:
                raise ValueError(f"{name} is declared twice; keep one of its keys")
            criteria[name] = value
        return {**own, "criteria": criteria}

    @model_validator(mode="after")
    def _measures_are_known(self) -> Acceptance:
        if not self.criteria:
            return self
        from validkit.stats.metrics import METRICS

        unknown = sorted(set(self.criteria) - set(METRICS))
        if unknown:
            import difflib

            near = difflib.get_close_matches(unknown[0], list(METRICS), n=1, cutoff=0.5)
            hint = f"; did you mean {near[0]!r}?" if near else f"; known: {', '.join(METRICS)}"
            raise ValueError(f"unknown measure {unknown[0]!r}{hint}")
        for name, criterion in self.criteria.items():
            _fits(METRICS[name], criterion)
            if criterion.better_than is not None:
                self._comparable(name, criterion.better_than)
        return self

    def _comparable(self, name: str, other: BetterThan) -> None:
        if name not in ("net_benefit", "auc"):
            raise ValueError(f"{name}: `better_than` is for net_benefit and auc")
        if name == "auc" and other.model is None:
            raise ValueError("auc: `better_than` needs `model`; against chance, declare auc.low = 0.5")
        if name == "auc" and other.at:
            raise ValueError("auc: `better_than.at` is for net_benefit; an AUC has no threshold")
        if name == "net_benefit" and not other.at:
            raise ValueError("net_benefit: `better_than` needs `at`, the threshold, for example at = 0.2")
        if other.model is not None and other.model == self.model:
            raise ValueError(f"{name}: `better_than` compares {self.model!r} with itself; name another model")


def _fits(metric: Metric, criterion: Criterion) -> None:
    """A bound that the measure always keeps, or never can, decides nothing."""
    name, bottom, top = metric.name, metric.low, metric.high
    if criterion.at and not metric.needs_threshold:
        raise ValueError(f"{name}: `at` is for measures at a threshold, and this one has none; remove it")
    within = criterion.within or (None, None)
    for rule, low, high in (("low", criterion.low, None), ("high", None, criterion.high), ("within", *within)):
        if (low is not None and low > top) or (high is not None and high < bottom):
            raise ValueError(f"{name}: `{rule}` can never hold, for its values lie in {bottom:g} to {top:g}")
        if (low is not None or high is not None) and (low is None or low <= bottom) and (high is None or high >= top):
            raise ValueError(f"{name}: `{rule}` always holds, for its values lie in {bottom:g} to {top:g}")
