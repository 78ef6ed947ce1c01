"""Criteria judged from intervals: every boundary, what is undefined, paired comparisons, the exit status."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from validkit import stats
from validkit.acceptance import MET, NARROW, NOT_APPLICABLE, NOT_MET, UNDECIDED, Judgement, Rule, explanation, judge
from validkit.errors import InputError
from validkit.protocol import ProtocolError, parse_protocol
from validkit.sections import Acceptance
from validkit.stats import METRICS
from validkit.stats.few_differences import METHOD
from validkit.stats.results import NAN, Estimate

LEVEL = 0.95
THRESHOLD = 0.3


def study(n: int = 300, seed: int = 5) -> tuple[pd.Series, pd.DataFrame]:
    """Outcomes of patients and three models: a good one, a noisy one, one that knows nothing."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=n)
    patients = [f"p{i:03d}" for i in range(n)]
    y = pd.Series((rng.random(n) < 1 / (1 + np.exp(1 - 1.5 * z))).astype(int), index=patients)
    noise = {"good": 0.0, "noisy": 1.5, "blind": 40.0}
    risks = {name: 1 / (1 + np.exp(1 - 1.5 * (z + sd * rng.normal(size=n)) / (1 + sd))) for name, sd in noise.items()}
    return y, pd.DataFrame(risks, index=patients)


def evaluation_of(y: pd.Series, held_out: pd.DataFrame, level: float = LEVEL) -> dict[str, Any]:
    """What `evaluate` records of the measures, of held-out patients."""
    models = []
    for name in held_out:
        p = held_out[name].to_numpy()
        measures = {}
        for key, metric in METRICS.items():
            at = {"threshold": THRESHOLD} if metric.needs_threshold else {}
            measures[key] = metric.function(y.to_numpy(), p, level=level, **at).to_dict()
        scores = {
            "n": len(y),
            "events": int(y.sum()),
            "threshold": {"value": THRESHOLD},
            "measures": measures,
            "at": [],
        }
        models.append({"name": name, "sets": {"held-out": scores}})
    return {"level": level, "models": models}


@pytest.fixture(scope="module")
def case() -> tuple[dict[str, Any], pd.Series, pd.DataFrame]:
    y, held_out = study()
    return evaluation_of(y, held_out), y, held_out


def judged(case: Any, criteria: dict[str, Any], **options: Any) -> Judgement:
    evaluation, y, held_out = case
    found = judge(
        Acceptance.model_validate(criteria), evaluation, reference="good", held_out=held_out, outcome=y, **options
    )
    assert found is not None
    return found


def one_of(name: str, **record: Any) -> dict[str, Any]:
    """An evaluation of one model with one measure."""
    e = Estimate(**{"value": 0.7, "low": 0.6, "high": 0.8, "method": "DeLong", "n": 50, "n_events": 20, **record})
    sets = {"held-out": {"n": 50, "events": 20, "threshold": {"value": 0.3}, "measures": {name: e.to_dict()}}}
    return {"level": LEVEL, "models": [{"name": "m", "sets": sets}]}


def outcome_of(evaluation: dict[str, Any], **acceptance: Any) -> tuple[str, int]:
    found = judge(Acceptance.model_validate(acceptance), evaluation, reference="m")
    assert found is not None
    return found.overall, found.exit_code


# --- the rule -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "low", "high", "expected"),
    [
        ({"low": 0.65}, 0.65, 0.80, MET),
        ({"low": 0.65}, 0.649, 0.80, UNDECIDED),
        ({"low": 0.65}, 0.50, 0.65, UNDECIDED),
        ({"low": 0.65}, 0.50, 0.649, NOT_MET),
        ({"high": 0.65}, 0.50, 0.65, MET),
        ({"high": 0.65}, 0.50, 0.651, UNDECIDED),
        ({"high": 0.65}, 0.65, 0.80, UNDECIDED),
        ({"high": 0.65}, 0.651, 0.80, NOT_MET),
        ({"within": [0.6, 0.8]}, 0.6, 0.8, MET),
        ({"within": [0.6, 0.8]}, 0.59, 0.8, UNDECIDED),
        ({"within": [0.6, 0.8]}, 0.5, 0.9, UNDECIDED),
        ({"within": [0.6, 0.8]}, 0.5, 0.6, UNDECIDED),
        ({"within": [0.6, 0.8]}, 0.5, 0.59, NOT_MET),
        ({"within": [0.6, 0.8]}, 0.81, 0.9, NOT_MET),
        ({"low": 0.65}, math.nan, math.nan, UNDECIDED),
        ({"low": 0.65}, 0.7, math.inf, MET),
    ],
)
def test_the_interval_decides_and_its_ends_count_as_inside(
    rule: dict[str, Any], low: float, high: float, expected: str
) -> None:
    found = outcome_of(one_of("auc", low=low, high=high), auc=rule)
    assert found == (expected, 0 if expected == MET else 1)


def test_a_difference_must_lie_above_zero_and_zero_is_not_above() -> None:
    better = Rule("better than x", low=0.0, above=True)
    ends = {(0.001, 0.1): MET, (0.0, 0.1): UNDECIDED, (-0.1, 0.1): UNDECIDED, (-0.1, 0.0): NOT_MET, (0.0, 0.0): NOT_MET}
    for (low, high), expected in ends.items():
        assert better.judge(Estimate((low + high) / 2, low, high))[0] == expected


@given(st.floats(-2, 2), st.floats(0, 2), st.floats(0, 2), st.floats(-2, 2), st.sampled_from(["low", "high", "within"]))
def test_a_narrower_interval_never_turns_a_decision_around(
    value: float, down: float, up: float, bound: float, kind: str
) -> None:
    low, high = (bound if kind != "high" else None), (bound if kind == "high" else bound + 0.5)
    rule = Rule("", low=low, high=None if kind == "low" else high)
    wide = rule.judge(Estimate(value, value - down, value + up))[0]
    narrow = rule.judge(Estimate(value, value - down / 2, value + up / 2))[0]
    assert {wide, narrow} != {MET, NOT_MET}
    assert wide in (narrow, UNDECIDED)
    satisfied = (low is None or value >= low) and (rule.high is None or value <= rule.high)
    assert narrow != (NOT_MET if satisfied else MET)


@given(st.floats(0.0, 1.0), st.floats(0.0, 1.0))
def test_low_and_high_mirror_each_other(a: float, b: float) -> None:
    low, high = sorted((a, b))
    mirrored = Estimate(-0.5 * (a + b), -high, -low)
    outcome = Rule("", low=0.4).judge(Estimate(0.5 * (a + b), low, high))[0]
    assert Rule("", high=-0.4).judge(mirrored)[0] == outcome


def test_the_reason_tells_the_limit_from_the_bound() -> None:
    _, reason = Rule("", low=0.65).judge(Estimate(0.7, 0.6499999, 0.75))
    assert reason == "a part of the interval, 0.6499999 to 0.75, satisfies the rule and a part does not"
    assert Rule("", low=0.65).judge(Estimate(0.7, 0.65, 0.75))[1].startswith("the interval, 0.65 to 0.75, satisfies")


def test_what_is_undefined_never_passes_and_says_why() -> None:
    evaluation = one_of("auc", value=NAN, low=NAN, high=NAN, note="no patient with the event")
    for undecided in ("fail", "pass"):
        assert outcome_of(evaluation, undecided=undecided, auc={"low": 0.6}) == (UNDECIDED, 1)
    found = judge(Acceptance.model_validate({"auc": {"low": 0.6}}), evaluation, reference="m")
    assert found is not None
    (verdict,) = found.criteria
    assert (verdict.outcome, verdict.reason) == (NOT_APPLICABLE, "undefined: no patient with the event")


def test_a_value_without_interval_decides_nothing() -> None:
    evaluation = one_of("ici", value=0.01, low=NAN, high=NAN, note="no interval without `rng`")
    found = judge(Acceptance.model_validate({"ici": {"high": 0.1}}), evaluation, reference="m")
    assert found is not None
    assert found.overall == UNDECIDED
    assert found.criteria[0].reason == "there is no interval to judge from: no interval without `rng`"


# --- what the verdicts come to --------------------------------------------------------------------


def test_all_must_hold_and_undecided_fails_unless_the_protocol_lets_it_pass() -> None:
    evaluation = one_of("auc")
    assert outcome_of(evaluation, auc={"low": 0.55}) == (MET, 0)
    assert outcome_of(evaluation, auc={"low": 0.55, "high": 0.9}) == (MET, 0)
    assert outcome_of(evaluation, auc={"low": 0.65}) == (UNDECIDED, 1)
    assert outcome_of(evaluation, undecided="pass", auc={"low": 0.65}) == (UNDECIDED, 0)
    assert outcome_of(evaluation, undecided="pass", auc={"low": 0.65, "high": 0.9}) == (UNDECIDED, 0)
    assert outcome_of(evaluation, undecided="pass", auc={"low": 0.85, "high": 0.9}) == (NOT_MET, 1)


def test_several_rules_on_one_measure_have_a_verdict_each(case: Any) -> None:
    found = judged(case, {"auc": {"low": 0.6, "high": 0.99, "within": [0.5, 0.55], "better_than": {"model": "blind"}}})
    assert [v.rule for v in found.criteria] == [
        "at least 0.6",
        "at most 0.99",
        "within 0.5 to 0.55",
        "better than blind",
    ]
    assert [v.outcome for v in found.criteria] == [MET, MET, NOT_MET, MET]
    assert (found.overall, found.exit_code, found.count(MET)) == (NOT_MET, 1, 3)


def test_no_criteria_no_judgement(case: Any) -> None:
    assert judge(Acceptance(), case[0], reference="good") is None


def test_numbers_are_those_of_the_evaluation(case: Any) -> None:
    found = judged(case, {"auc": {"low": 0.6}, "slope": {"within": [0.2, 3]}, "npv": {"low": 0.5}})
    scores = case[0]["models"][0]["sets"]["held-out"]["measures"]
    for verdict in found.criteria:
        assert verdict.estimate.to_dict() == scores[verdict.measure]
        assert (verdict.model, verdict.set) == ("good", "held-out")
    assert [v.threshold for v in found.criteria] == [None, None, THRESHOLD]
    assert found.criteria[2].quantity == "negative predictive value at the operating threshold 0.3"


def test_the_model_named_in_the_protocol_is_judged(case: Any) -> None:
    found = judged(case, {"model": "blind", "auc": {"low": 0.6}})
    assert found.criteria[0].model == "blind"
    assert found.overall != MET


def test_a_judgement_is_plain_json_and_carries_how_it_was_made(case: Any) -> None:
    found = judged(case, {"auc": {"low": 0.6}, "diagnostic_odds_ratio": {"low": 2.0}})
    record = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert record["overall"] == found.overall
    assert record["exit_code"] == found.exit_code
    assert record["criteria"][0]["estimate"]["method"] == "DeLong"
    assert record["note"] == explanation(LEVEL)
    assert judge(Acceptance.model_validate({"auc": {"low": 0.6}}), json.loads(json.dumps(case[0])), reference="good")


def test_the_level_of_the_evaluation_decides_everywhere() -> None:
    y, held_out = study(n=120)
    wanted: dict[str, Any] = {
        "auc": {"better_than": {"model": "noisy"}},
        "net_benefit": {"better_than": {"strategy": "treat-all", "at": [0.05, 0.3]}},
        "npv": {"low": 0.2, "at": 0.4},
    }
    by_level = [judged((evaluation_of(y, held_out, level), y, held_out), wanted) for level in (0.95, 0.8)]
    for wide, narrow in zip(*(found.criteria for found in by_level), strict=True):
        assert (wide.estimate.level, narrow.estimate.level) == (0.95, 0.8)
        assert wide.estimate.low < narrow.estimate.low < narrow.estimate.high < wide.estimate.high
    assert [found.level for found in by_level] == [0.95, 0.8]
    assert by_level[1].note == explanation(0.8)


def test_the_explanation_states_level_and_risk() -> None:
    assert "two-sided 95 % interval" in explanation(0.95)
    assert "at most 2.5 %" in explanation(0.95)
    assert "at most 5 %" in explanation(0.90)
    assert "lets undecided criteria pass" in explanation(0.95, "pass")
    assert "lets undecided criteria pass" not in explanation(0.95)


# --- thresholds and comparisons -------------------------------------------------------------------


def test_declared_thresholds_are_judged_one_by_one(case: Any) -> None:
    _evaluation, y, held_out = case
    found = judged(case, {"sensitivity": {"low": 0.6, "at": [0.1, 0.7]}})
    for verdict, at in zip(found.criteria, (0.1, 0.7), strict=True):
        expected = stats.sensitivity(y.to_numpy(), held_out["good"].to_numpy(), threshold=at, level=LEVEL)
        assert verdict.estimate == expected
        assert verdict.threshold == at
    assert [v.outcome for v in found.criteria] == [MET, NOT_MET]


def test_thresholds_of_the_evaluation_need_no_predictions() -> None:
    evaluation = one_of("auc")
    at = {"threshold": 0.1 + 0.2, "sensitivity": Estimate(0.9, 0.85, 0.95, note="from the record").to_dict()}
    evaluation["models"][0]["sets"]["held-out"]["at"] = [at]
    found = judge(Acceptance.model_validate({"sensitivity": {"low": 0.8, "at": [0.3, 0.4]}}), evaluation, reference="m")
    assert found is not None
    recorded, absent = found.criteria
    assert (recorded.outcome, recorded.estimate.note) == (MET, "from the record")
    assert absent.outcome == NOT_APPLICABLE
    assert "needs predictions and outcomes" in absent.reason


def test_net_benefit_is_compared_patient_by_patient(case: Any) -> None:
    _, y, held_out = case
    wanted = {"net_benefit": {"better_than": {"strategy": "treat-all", "at": [0.3, 0.5]}}}
    found = judged(case, wanted)
    for verdict, at in zip(found.criteria, (0.3, 0.5), strict=True):
        e = verdict.estimate
        model = stats.net_benefit(y, held_out["good"], threshold=at).value
        everyone = float(stats.treat_all(y, thresholds=[at]).y[0])
        assert e.value == pytest.approx(model - everyone, abs=1e-12)
        assert (e.n, e.n_events, e.level) == (len(y), int(y.sum()), LEVEL)
        contributions = np.where(held_out["good"] >= at, 0.0, np.where(y == 1, -1.0, at / (1 - at)))
        half = 1.959963984540054 * contributions.std(ddof=1) / math.sqrt(len(y))
        assert (e.low, e.high) == pytest.approx((e.value - half, e.value + half), abs=1e-9)
    assert found.overall == MET
    assert found.criteria[0].quantity == "net benefit at a threshold of 0.3, good minus treat-all"
    nobody = judged(case, {"net_benefit": {"better_than": {"strategy": "treat-none", "at": 0.3}}})
    assert nobody.criteria[0].estimate.value == pytest.approx(
        stats.net_benefit(y, held_out["good"], threshold=0.3).value
    )


def test_few_patients_treated_differently_show_nothing_by_a_narrow_interval() -> None:
    """No event missed among 20 and 8 non-events spared: the normal interval lies above 0, the exact one does not."""
    y = pd.Series(np.repeat([1, 0], [20, 80]), index=[f"p{i}" for i in range(100)])
    risks = pd.DataFrame({"m": np.repeat([0.5, 0.1, 0.5], [20, 8, 72])}, index=y.index)
    normal = stats.compare_decision_curves(y, risks["m"], reference="treat all", thresholds=[0.2]).difference
    assert normal.low[0] > 0
    assert NARROW in normal.note
    wanted = {"net_benefit": {"better_than": {"strategy": "treat-all", "at": 0.2}}}
    found = judge(Acceptance.model_validate(wanted), one_of("auc"), reference="m", held_out=risks, outcome=y)
    assert found is not None
    verdict = found.criteria[0]
    assert verdict.estimate.value == normal.y[0]
    assert (verdict.outcome, verdict.estimate.method) == (UNDECIDED, METHOD)


def test_a_value_whose_own_interval_is_too_narrow_is_not_met() -> None:
    evaluation = one_of("net_benefit", low=0.1, note=f"fewer than 5 patients are false positives: {NARROW}")
    assert outcome_of(evaluation, net_benefit={"low": 0.05}) == (UNDECIDED, 1)
    assert outcome_of(evaluation, net_benefit={"low": 0.9}) == (NOT_MET, 1)


def test_comparisons_with_a_model_are_paired_and_turn_round(case: Any) -> None:
    _, y, held_out = case
    found = judged(case, {"auc": {"better_than": {"model": "blind"}}})
    expected = stats.compare_auc(y.to_numpy(), held_out["good"].to_numpy(), held_out["blind"].to_numpy()).difference
    assert found.criteria[0].estimate == expected
    assert found.overall == MET
    back = judged(case, {"model": "blind", "auc": {"better_than": {"model": "good"}}})
    assert back.overall == NOT_MET
    assert back.criteria[0].estimate.value == pytest.approx(-expected.value)
    useful = {"net_benefit": {"better_than": {"model": "blind", "at": 0.3}}}
    ahead = judged(case, useful).criteria[0].estimate
    useful["net_benefit"]["better_than"]["model"] = "good"
    behind = judged(case, {"model": "blind", **useful}).criteria[0].estimate
    assert (ahead.low, ahead.high) == pytest.approx((-behind.high, -behind.low))


def test_a_model_is_not_compared_with_itself(case: Any) -> None:
    found = judged(case, {"auc": {"better_than": {"model": "good"}}})
    assert found.criteria[0].outcome == NOT_APPLICABLE
    assert "a model is not compared with itself" in found.criteria[0].reason


def test_comparisons_without_predictions_are_not_applicable(case: Any) -> None:
    acceptance = Acceptance.model_validate({"auc": {"better_than": {"model": "blind"}}})
    found = judge(acceptance, case[0], reference="good")
    assert found is not None
    assert (found.overall, found.exit_code) == (UNDECIDED, 1)
    assert found.criteria[0].reason == "undefined: this needs predictions and outcomes, and none were given"
    found = judge(acceptance, case[0], reference="good", held_out=case[2].drop(columns="blind"), outcome=case[1])
    assert found is not None
    assert "there are no held-out predictions of 'blind'" in found.criteria[0].reason


def test_a_model_that_was_not_judged_there_is_not_applicable() -> None:
    evaluation = {"level": LEVEL, "models": [{"name": "m", "sets": {}}]}
    found = judge(Acceptance.model_validate({"auc": {"low": 0.6}}), evaluation, reference="m")
    assert found is not None
    assert found.criteria[0].reason == "undefined: the evaluation holds no auc"


# --- hostile input ---------------------------------------------------------------------------------


def test_an_unknown_model_is_refused(case: Any) -> None:
    with pytest.raises(InputError, match=r"judges the model 'best', and the evaluation has none; it has good, noisy"):
        judge(Acceptance.model_validate({"model": "best", "auc": {"low": 0.6}}), case[0], reference="good")


def test_patients_must_have_one_prediction_and_an_outcome(case: Any) -> None:
    evaluation, y, held_out = case
    acceptance = Acceptance.model_validate({"auc": {"better_than": {"model": "blind"}}})
    with pytest.raises(InputError, match=r"2 of 300 patients have no outcome \(first: 'p000'\)"):
        judge(acceptance, evaluation, reference="good", held_out=held_out, outcome=y.iloc[2:])
    with pytest.raises(InputError, match=r"one prediction a patient; patient 'p000' has several"):
        judge(acceptance, evaluation, reference="good", held_out=pd.concat([held_out, held_out.iloc[:1]]), outcome=y)
    with pytest.raises(InputError, match="prob_b"):
        judge(acceptance, evaluation, reference="good", held_out=held_out.assign(blind=np.nan), outcome=y)


# --- the section -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("auc.low = 65", r"auc: `low` can never hold, for its values lie in 0 to 1"),
        ("auc.low = 0.0", r"auc: `low` always holds, for its values lie in 0 to 1"),
        ("accuracy.within = [0, 1]", r"accuracy: `within` always holds"),
        ("brier.high = -0.1", r"brier: `high` can never hold"),
        ("aucc.low = 0.5", r"unknown measure 'aucc'; did you mean 'auc'"),
        ("auc.lo = 0.5", r"unknown key; did you mean 'low'"),
        ("auc.low = nan", r"finite number; got nan"),
        ("auc = { low = 0.8, high = 0.7 }", r"`low` = 0.8 and `high` = 0.7 cannot both hold"),
        ("slope.within = [1.2, 0.8]", r"`within` must be \[from, to\] with from < to"),
        ("slope.low = 0.8\ncalibration_slope.high = 2", r"calibration_slope is declared twice; keep one"),
        ("auc = {}", r"a criterion needs a rule"),
        ("auc = { low = 0.5, at = 0.2 }", r"auc: `at` is for measures at a threshold, and this one has none"),
        ("sensitivity = { low = 0.9, at = 1 }", r"less than 1; got 1"),
        ('net_benefit = { at = 0.2, better_than = { strategy = "treat-all", at = 0.2 } }', r"better_than.at"),
        ('net_benefit.better_than = { strategy = "treat-all" }', r"needs `at`, the threshold"),
        ('net_benefit.better_than = { strategy = "treat-all", model = "clinical", at = 0.2 }', r"declare either"),
        ('auc.better_than = { strategy = "treat-all" }', r"against chance, declare auc.low = 0.5"),
        ('auc.better_than = { model = "clinical", at = 0.2 }', r"an AUC has no threshold"),
        ('brier.better_than = { model = "clinical" }', r"`better_than` is for net_benefit and auc"),
        ('model = "nomogram"\nauc.better_than = { model = "nomogram" }', r"compares 'nomogram' with itself"),
        ('auc.better_than = { model = "clinicall" }', r"names 'clinicall'.*did you mean 'clinical'"),
    ],
)
def test_what_decides_nothing_or_cannot_be_meant_is_refused(quick: str, text: str, message: str) -> None:
    with pytest.raises(ProtocolError, match=message):
        parse_protocol(f"{quick}\n[acceptance]\n{text}")


@pytest.fixture(scope="module")
def quick() -> str:
    from validkit.protocol import source_of

    return source_of("plnm-quick").partition("\n[acceptance]")[0]


def test_short_names_and_single_thresholds_mean_the_same_protocol(quick: str) -> None:
    pairs = [("slope.within = [0.8, 1.2]", "calibration_slope.within = [0.8, 1.2]")]
    pairs += [("oe.low = 0.8", "observed_expected.low = 0.8")]
    pairs += [("sensitivity = { low = 0.9, at = 0.2 }", "sensitivity = { low = 0.9, at = [0.2] }")]
    for short, long in pairs:
        one, other = (parse_protocol(f"{quick}\n[acceptance]\n{text}") for text in (short, long))
        assert one.digest() == other.digest()
        again = Acceptance.model_validate(json.loads(json.dumps(one.to_dict()["acceptance"])))
        assert again == one.acceptance
