"""Was what the protocol asks for shown? Each declared criterion judged from its confidence interval.

Met: the whole interval satisfies the rule. Not met: no part of it does. Undecided: the patients do not tell. A value
alone decides nothing, and what is undefined never passes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from validkit import stats
from validkit.errors import InputError
from validkit.plan import CORRECTED
from validkit.sections import Acceptance, BetterThan, Criterion
from validkit.stats.few_differences import net_benefit_gain
from validkit.stats.results import NAN, Estimate, Record

if TYPE_CHECKING:
    import pandas as pd

MET, NOT_MET, UNDECIDED, NOT_APPLICABLE = "met", "not met", "undecided", "not applicable"
OUTCOMES = (MET, NOT_MET, UNDECIDED, NOT_APPLICABLE)
PASS = "pass"
REFERENCES = {"treat-all": "treat all", "treat-none": "treat none"}
"""the protocol's strategies as `stats.compare_decision_curves` names them"""
INTERVALS = {
    False: "The intervals hold the chance in which patients were held out, for the model as fitted.",
    True: "The intervals are those of the apparent figures shifted by the optimism: they hold the chance in which "
    "patients were drawn, not that in the optimism itself.",
}
"""what the intervals hold, by whether figures are corrected for optimism"""
NARROW = "the normal interval is too narrow"
"""what the statistics note where few patients carry a net benefit: such an interval shows nothing"""


@dataclass(frozen=True)
class Rule:
    """Which values satisfy a criterion: from `low` to `high`, both included, or those above `low` where `above`."""

    words: str
    low: float | None = None
    high: float | None = None
    above: bool = False

    def judge(self, e: Estimate) -> tuple[str, str]:
        """The outcome, and why in a sentence."""
        if math.isnan(e.value):
            return NOT_APPLICABLE, f"undefined: {e.note or 'no reason was recorded'}"
        holds, fails = [], []
        if self.low is not None:
            holds.append(e.low > self.low if self.above else e.low >= self.low)
            fails.append(e.high <= self.low if self.above else e.high < self.low)
        if self.high is not None:
            holds.append(e.high <= self.high)
            fails.append(e.low > self.high)
        if all(holds) and NARROW in e.note:
            return UNDECIDED, f"the interval, {self._limits(e)}, satisfies the rule, but {e.note}"
        if all(holds):
            return MET, f"the interval, {self._limits(e)}, satisfies the rule as a whole"
        if any(fails):
            return NOT_MET, f"no part of the interval, {self._limits(e)}, satisfies the rule"
        if math.isnan(e.low) or math.isnan(e.high):
            return UNDECIDED, f"there is no interval to judge from: {e.note or 'no reason was recorded'}"
        return UNDECIDED, f"a part of the interval, {self._limits(e)}, satisfies the rule and a part does not"

    def _limits(self, e: Estimate) -> str:
        bounds = [bound for bound in (self.low, self.high) if bound is not None]
        return " to ".join(_written(limit, bounds) for limit in (e.low, e.high))


def _written(x: float, bounds: list[float]) -> str:
    """A limit with three significant digits, or as many as tell it from every bound."""
    for digits in range(3, 17):
        text = f"{x:.{digits}g}"
        if all((float(text) > bound) == (x > bound) and (float(text) < bound) == (x < bound) for bound in bounds):
            return text
    return repr(x)


@dataclass(frozen=True)
class Verdict(Record):
    """One criterion judged.

    measure : its name in `stats.METRICS`; quantity : what the estimate is, in words
    estimate : the value, or the difference from `against`, with interval, method, n and events
    threshold : where the measure needs one; against : "treat-all", "treat-none" or a model, for a comparison
    outcome : "met", "not met", "undecided" or "not applicable"; reason : why, in a sentence
    """

    measure: str
    quantity: str
    model: str
    set: str
    rule: str
    estimate: Estimate
    outcome: str
    reason: str
    threshold: float | None = None
    against: str = ""


@dataclass(frozen=True)
class Judgement(Record):
    """Every criterion's verdict, and what they come to.

    overall : "met" where all are met, "not met" where one is not, else "undecided"
    undecided : the protocol's word on undecided criteria, "fail" or "pass"
    exit_code : 0 where accepted, else 1; a criterion that is not applicable is never a pass
    """

    criteria: tuple[Verdict, ...]
    overall: str
    exit_code: int
    undecided: str
    level: float
    note: str

    def count(self, outcome: str) -> int:
        """How many criteria came out so."""
        return sum(verdict.outcome == outcome for verdict in self.criteria)


def judge(
    acceptance: Acceptance,
    evaluation: Mapping[str, Any],
    *,
    reference: str,
    held_out: pd.DataFrame | None = None,
    outcome: pd.Series | None = None,
) -> Judgement | None:
    """Every declared criterion judged; None where none is declared.

    evaluation : what `evaluate` returned, or evaluation.json; judged on its primary set, corrected for optimism in a
        bootstrap design, else on `acceptance.on`
    reference : the model that is judged where `acceptance.model` names none
    held_out : (n, models) probabilities indexed by patient, one row a patient; outcome : 0/1, indexed by patient;
        both for comparisons, and for thresholds that the evaluation does not hold
    """
    if not acceptance.criteria:
        return None
    on_corrected = evaluation.get("primary") == CORRECTED
    part = CORRECTED if on_corrected else acceptance.on
    bench = _Bench(acceptance.model or reference, part, evaluation, held_out, outcome)
    verdicts = tuple(
        verdict for name, criterion in acceptance.criteria.items() for verdict in bench.verdicts(name, criterion)
    )
    found = {verdict.outcome for verdict in verdicts}
    overall = MET if found == {MET} else NOT_MET if NOT_MET in found else UNDECIDED
    lenient = overall == UNDECIDED and acceptance.undecided == PASS and NOT_APPLICABLE not in found
    note = explanation(bench.level, acceptance.undecided, corrected=on_corrected)
    return Judgement(verdicts, overall, 0 if overall == MET or lenient else 1, acceptance.undecided, bench.level, note)


def explanation(level: float, undecided: str = "fail", *, corrected: bool = False) -> str:
    """How the criteria are judged and what that controls, for the reader; corrected : for optimism, by a bootstrap."""
    shown, tail = f"{100 * level:.4g} %", f"{100 * (1 - level) / 2:.4g} %"
    text = (
        f"Each criterion is judged from its two-sided {shown} interval: met where the whole interval satisfies the "
        "rule, not met where no part of it does, undecided otherwise. For a rule with one side this is a one-sided "
        f"test at {tail}, as in trials of non-inferiority; `within` asks for both sides at once and is stricter than "
        "two one-sided tests. All criteria must hold (an intersection-union test): the risk of accepting a model that "
        f"truly fails one of them is then at most {tail}, so nothing is adjusted for their number. "
        f"{INTERVALS[corrected]}"
    )
    if undecided == PASS:
        text += " This protocol lets undecided criteria pass, which gives up that control."
    return text


@dataclass(frozen=True)
class _Bench:
    """One model's numbers on one set, and the predictions behind them."""

    model: str
    set: str
    evaluation: Mapping[str, Any]
    held_out: pd.DataFrame | None
    outcome: pd.Series | None

    def __post_init__(self) -> None:
        names = [str(model.get("name")) for model in self.evaluation["models"]]
        if self.model not in names:
            known = ", ".join(names) or "none"
            raise InputError(f"acceptance judges the model {self.model!r}, and the evaluation has none; it has {known}")

    @property
    def level(self) -> float:
        return float(self.evaluation["level"])

    @property
    def scores(self) -> Mapping[str, Any]:
        """Its numbers on the set; empty where it was not judged there."""
        model = next(model for model in self.evaluation["models"] if model.get("name") == self.model)
        return model["sets"].get(self.set) or {}

    def verdicts(self, name: str, criterion: Criterion) -> Iterator[Verdict]:
        """One verdict a rule, and a threshold."""
        rules = []
        if criterion.low is not None:
            rules.append(Rule(f"at least {criterion.low:g}", low=criterion.low))
        if criterion.high is not None:
            rules.append(Rule(f"at most {criterion.high:g}", high=criterion.high))
        if criterion.within is not None:
            low, high = criterion.within
            rules.append(Rule(f"within {low:g} to {high:g}", low=low, high=high))
        for rule in rules:
            yield from self._of_values(name, rule, criterion.at)
        if criterion.better_than is not None:
            yield from self._of_differences(name, criterion.better_than)

    def _of_values(self, name: str, rule: Rule, at: tuple[float, ...]) -> Iterator[Verdict]:
        metric = stats.METRICS[name]
        for declared in at or (None,):
            threshold = declared
            if metric.needs_threshold and declared is None:
                threshold = _number((self.scores.get("threshold") or {}).get("value"))
            kind = "the operating threshold" if declared is None else "a threshold of"
            where = "" if threshold is None else f" at {kind} {threshold:.3g}"
            estimate = self._measured(name, declared)
            yield self._verdict(name, f"{metric.label}{where}", rule, estimate, threshold)

    def _of_differences(self, name: str, other: BetterThan) -> Iterator[Verdict]:
        against = other.strategy or other.model or ""
        rule = Rule(f"better than {against}", low=0.0, above=True)
        label = stats.METRICS[name].label
        for threshold in other.at or (None,):
            where = "" if threshold is None else f" at a threshold of {threshold:g}"
            quantity = f"{label}{where}, {self.model} minus {against}"
            yield self._verdict(name, quantity, rule, self._difference(other, threshold), threshold, against)

    def _verdict(
        self, name: str, quantity: str, rule: Rule, e: Estimate, threshold: float | None, against: str = ""
    ) -> Verdict:
        outcome, reason = rule.judge(e)
        return Verdict(name, quantity, self.model, self.set, rule.words, e, outcome, reason, threshold, against)

    def _measured(self, name: str, at: float | None) -> Estimate:
        """From the evaluation where it holds the number, else computed from the predictions."""
        if at is None:
            record = (self.scores.get("measures") or {}).get(name)
            return _estimate(record) if record else self._undefined(f"the evaluation holds no {name}")
        for entry in self.scores.get("at") or ():
            if math.isclose(_number(entry.get("threshold")), at) and entry.get(name):
                return _estimate(entry[name])
        missing = self._missing(self.model)
        if missing:
            return self._undefined(f"at a threshold of {at:g} {missing}")
        y, (p,) = self._pair(self.model)
        found: Estimate = stats.METRICS[name].function(y, p, threshold=at, level=self.level)
        return found

    def _difference(self, other: BetterThan, threshold: float | None) -> Estimate:
        """The measure minus the other's on the same patients, with the paired interval."""
        names = [self.model] if other.model is None else [self.model, other.model]
        missing = next(filter(None, map(self._missing, names)), "")
        if other.model == self.model:
            missing = "a model is not compared with itself"
        if missing:
            return self._undefined(missing)
        y, risks = self._pair(*names)
        if threshold is None:
            return stats.compare_auc(y, *risks, level=self.level).difference
        rival = {"prob_b": risks[1]} if other.model else {"reference": REFERENCES[str(other.strategy)]}
        curve = stats.compare_decision_curves(y, risks[0], thresholds=[threshold], level=self.level, **rival).difference
        value, low, high = (float(part[0]) for part in (curve.y, curve.low, curve.high))
        if math.isnan(low) or NARROW in curve.note:
            return net_benefit_gain(y, risks[0], threshold=threshold, level=self.level, **rival)
        return Estimate(value, low, high, curve.level, curve.method, NAN, curve.n, curve.n_events, curve.note)

    def _missing(self, name: str) -> str:
        """Why a model cannot be judged from its predictions; empty where it can."""
        if self.held_out is None or self.outcome is None:
            return "this needs predictions and outcomes, and none were given"
        return "" if name in self.held_out.columns else f"there are no {self.set} predictions of {name!r}"

    def _pair(self, *names: str) -> tuple[Any, list[Any]]:
        """The outcome, and the probabilities of these models, of the same patients."""
        assert self.held_out is not None
        assert self.outcome is not None
        patients = self.held_out.index
        unknown = patients[~patients.isin(self.outcome.index)]
        if len(unknown):
            raise InputError(f"{len(unknown)} of {len(patients)} patients have no outcome (first: {unknown[0]!r})")
        if not patients.is_unique:
            twice = patients[patients.duplicated()][0]
            raise InputError(f"acceptance needs one prediction a patient; patient {twice!r} has several: combine them")
        y = self.outcome.loc[patients].to_numpy()
        return y, [self.held_out[name].to_numpy() for name in names]

    def _undefined(self, note: str) -> Estimate:
        n, events = (self.scores.get(key) for key in ("n", "events"))
        return Estimate(NAN, level=self.level, n=n, n_events=events, note=note)


def _number(value: Any) -> float:
    """A JSON number, null or "inf"/"-inf" as a float."""
    return NAN if value is None else float(value)


def _estimate(record: Mapping[str, Any]) -> Estimate:
    """An `Estimate.to_dict()` read back."""
    numbers = ("value", "low", "high", "level", "se")
    known = {f.name for f in fields(Estimate)} & set(record)
    values: dict[str, Any] = {name: _number(record[name]) if name in numbers else record[name] for name in known}
    return Estimate(**values)
