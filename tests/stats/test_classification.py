from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from validkit.errors import InputError
from validkit.stats.classification import (
    accuracy,
    balanced_accuracy,
    classification_measures,
    confusion,
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

quick = settings(deadline=None, max_examples=60)
EVERY = (sensitivity, specificity, ppv, npv, accuracy, balanced_accuracy, f1)
cases = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 20)), min_size=1, max_size=40).map(
    lambda rows: (np.array([y for y, _ in rows]), np.array([k for _, k in rows]) / 20)
)
thresholds = st.integers(0, 20).map(lambda k: k / 20)


@quick
@given(cases, thresholds)
def test_counts_and_bounds(case: tuple[np.ndarray, np.ndarray], threshold: float) -> None:
    y, p = case
    c = confusion(y, p, threshold=threshold)
    assert (c.n, c.n_events) == (y.size, y.sum())
    assert c.tp + c.fp == (p >= threshold).sum()
    for function in EVERY:
        for method in ("wilson", "exact"):
            estimate = function(y, p, threshold=threshold, method=method)
            if math.isnan(estimate.value):
                assert "undefined" in estimate.note
                assert math.isnan(estimate.low)
            else:
                assert 0 <= estimate.low <= estimate.value <= estimate.high <= 1


@quick
@given(cases, thresholds)
def test_against_scikit_learn(case: tuple[np.ndarray, np.ndarray], threshold: float) -> None:
    y, p = case
    said = (p >= threshold).astype(int)
    assert accuracy(y, p, threshold=threshold).value == pytest.approx(metrics.accuracy_score(y, said))
    if 0 < y.sum() < y.size:
        want = metrics.balanced_accuracy_score(y, said)
        assert balanced_accuracy(y, p, threshold=threshold).value == pytest.approx(want)
        assert youden_index(y, p, threshold=threshold).value == pytest.approx(2 * want - 1)
    if y.sum() + said.sum():
        assert f1(y, p, threshold=threshold).value == pytest.approx(metrics.f1_score(y, said))


def test_a_patient_at_the_threshold_is_positive() -> None:
    """0.1 * 3 is 0.30000000000000004; a patient at 0.3 does not change sides for that."""
    y, p = [0, 1, 0, 1], [0.1, 0.3, 0.3, 0.7]
    for threshold in (0.3, 0.1 * 3, np.arange(0, 1, 0.1)[3], np.float64(0.3)):
        c = confusion(y, p, threshold=threshold)
        assert (c.tp, c.fp, c.tn, c.fn, c.threshold) == (2, 1, 1, 0, 0.3)
    assert confusion(y, p, threshold=0.3 + 1e-9).tp == 1
    assert repr(confusion(y, p, threshold=0.25)) == "TP 2, FP 1, TN 1, FN 0 at threshold 0.25 (n = 4)"
    left_out = confusion([*y, 1], [*p, math.nan], threshold=0.3, missing="complete-case")
    assert repr(left_out).endswith("(n = 4; 1 of 5 patients left out as incomplete (complete case))")


def test_extreme_thresholds() -> None:
    y, p = [0, 1, 1], [0.0, 0.5, 1.0]
    none = {"note": "", "n_missing": 0}
    assert confusion(y, p, threshold=0).to_dict() == {"tp": 2, "fp": 1, "tn": 0, "fn": 0, "threshold": 0.0, **none}
    assert confusion(y, p, threshold=1).tp == 1
    assert confusion(y, p, threshold=1).fn == 1


@pytest.mark.parametrize(
    ("function", "y", "p", "reason"),
    [
        (sensitivity, [0, 0], [0.1, 0.9], "no event"),
        (specificity, [1, 1], [0.1, 0.9], "no non-event"),
        (ppv, [0, 1], [0.1, 0.2], "nobody is positive"),
        (npv, [0, 1], [0.8, 0.9], "nobody is negative"),
        (balanced_accuracy, [1, 1], [0.1, 0.9], "no non-event"),
        (f1, [0, 0], [0.1, 0.2], "no event and nobody is positive"),
    ],
)
def test_undefined_shares(function, y: list[int], p: list[float], reason: str) -> None:
    estimate = function(y, p, threshold=0.5)
    assert math.isnan(estimate.value)
    assert reason in estimate.note


def test_denominators_are_reported_as_n() -> None:
    y, p = [0, 0, 0, 1, 1], [0.1, 0.6, 0.2, 0.7, 0.3]
    assert [f(y, p, threshold=0.5).n for f in (sensitivity, specificity, ppv, npv, accuracy)] == [2, 3, 2, 3, 5]
    assert {f(y, p, threshold=0.5).n_events for f in EVERY} == {2}


def test_intervals_do_not_collapse_at_the_ends() -> None:
    y, p = [1] * 5 + [0] * 5, [0.9] * 5 + [0.1] * 5
    for function in EVERY:
        estimate = function(y, p, threshold=0.5)
        assert estimate.value == estimate.high == 1.0
        assert 0.4 < estimate.low < 0.9


def test_f1_interval_is_that_of_the_jaccard_share() -> None:
    y, p = [1] * 8 + [0] * 6, [0.9] * 6 + [0.1] * 2 + [0.8] * 2 + [0.2] * 4
    estimate = f1(y, p, threshold=0.5)
    assert estimate.value == pytest.approx(12 / 16)
    from statsmodels.stats.proportion import proportion_confint

    low, high = proportion_confint(6, 10, method="wilson")
    assert (estimate.low, estimate.high) == pytest.approx((2 * low / (1 + low), 2 * high / (1 + high)))


def test_balanced_accuracy_and_f1_cover_near_their_level() -> None:
    rng = np.random.default_rng(12)
    hits, runs = np.zeros(2), 800
    truth = ((0.8 + 0.7) / 2, 2 * 0.4 * 0.8 / (0.4 * 0.8 + 0.6 * 0.3 + 0.4))
    for _ in range(runs):
        y = (rng.random(120) < 0.4).astype(int)
        p = np.where(rng.random(120) < np.where(y == 1, 0.8, 0.3), 0.9, 0.1)
        for i, function in enumerate((balanced_accuracy, f1)):
            estimate = function(y, p, threshold=0.5)
            hits[i] += estimate.low <= truth[i] <= estimate.high
    assert ((hits / runs > 0.925) & (hits / runs < 0.975)).all()


def test_unknown_interval_is_refused() -> None:
    with pytest.raises(InputError, match="`method` must be one of 'wilson', 'exact'"):
        sensitivity([0, 1], [0.1, 0.9], threshold=0.5, method="wald")


# --- every measure of one table --------------------------------------------------------------

TABLE = (12, 5, 20, 3)
RATIOS = ("positive_likelihood_ratio", "negative_likelihood_ratio", "diagnostic_odds_ratio")
HALVES = "interval from the table with 1/2 added to each cell"
ALL = {
    f.__name__: f
    for f in (
        sensitivity,
        specificity,
        ppv,
        npv,
        positive_likelihood_ratio,
        negative_likelihood_ratio,
        diagnostic_odds_ratio,
        youden_index,
        accuracy,
        balanced_accuracy,
        f1,
        mcc,
        kappa_at_threshold,
    )
}


def patients_of(tp: int, fp: int, tn: int, fn: int) -> tuple[np.ndarray, np.ndarray]:
    y = np.repeat([1, 1, 0, 0], [tp, fn, fp, tn])
    return y, np.repeat([0.9, 0.1, 0.9, 0.1], [tp, fn, fp, tn])


def test_one_table_by_hand() -> None:
    """12 true and 5 false positives, 20 true and 3 false negatives; values and standard errors from their formulas."""
    y, p = patients_of(*TABLE)
    found = classification_measures(y, p, threshold=0.5)
    root = math.sqrt(17 * 15 * 25 * 23)
    chance = (17 * 15 + 23 * 25) / 1600
    values = {
        "sensitivity": 12 / 15,
        "specificity": 20 / 25,
        "ppv": 12 / 17,
        "npv": 20 / 23,
        "positive_likelihood_ratio": 4.0,
        "negative_likelihood_ratio": 0.25,
        "diagnostic_odds_ratio": 16.0,
        "youden_index": 0.6,
        "accuracy": 0.8,
        "balanced_accuracy": 0.8,
        "f1": 24 / 32,
        "mcc": (240 - 15) / root,
        "kappa_at_threshold": (0.8 - chance) / (1 - chance),
    }
    se = {
        "sensitivity": math.sqrt(0.8 * 0.2 / 15),
        "specificity": math.sqrt(0.8 * 0.2 / 25),
        "ppv": math.sqrt(12 / 17 * 5 / 17 / 17),
        "npv": math.sqrt(20 / 23 * 3 / 23 / 23),
        "positive_likelihood_ratio": math.sqrt(1 / 12 - 1 / 15 + 1 / 5 - 1 / 25),
        "negative_likelihood_ratio": math.sqrt(1 / 3 - 1 / 15 + 1 / 20 - 1 / 25),
        "diagnostic_odds_ratio": math.sqrt(1 / 12 + 1 / 5 + 1 / 20 + 1 / 3),
        "youden_index": math.sqrt(0.16 / 15 + 0.16 / 25),
        "accuracy": math.sqrt(0.8 * 0.2 / 40),
        "balanced_accuracy": math.sqrt(0.16 / 15 + 0.16 / 25) / 2,
        "f1": 2 / 1.6**2 * math.sqrt(0.6 * 0.4 / 20),
        "mcc": 0.1294026664007521,
        "kappa_at_threshold": 0.1302057070730559,
    }
    sizes = {"sensitivity": 15, "specificity": 25, "ppv": 17, "npv": 23}
    assert list(found) == list(values) == list(ALL)
    for name, estimate in found.items():
        assert estimate == ALL[name](y, p, threshold=0.5)
        assert estimate.value == pytest.approx(values[name], abs=1e-14)
        assert estimate.se == pytest.approx(se[name], abs=1e-14)
        assert (estimate.n, estimate.n_events, estimate.level) == (sizes.get(name, 40), 15, 0.95)
        assert (estimate.note, estimate.n_missing) == ("", 0)
        assert estimate.low < estimate.value < estimate.high


def test_intervals_of_one_table_by_hand() -> None:
    y, p = patients_of(*TABLE)
    found = classification_measures(y, p, threshold=0.5, level=0.9)
    z = 1.6448536269514722
    for name in RATIOS:
        e = found[name]
        assert (e.low, e.high) == pytest.approx((e.value * math.exp(-z * e.se), e.value * math.exp(z * e.se)))
        assert e.method == f"normal on the log scale ({'Woolf' if name.startswith('d') else 'Simel'}); se of the log"
    for name in ("mcc", "kappa_at_threshold"):
        e = found[name]
        half = z * e.se / (1 - e.value**2)
        assert (e.low, e.high) == pytest.approx(tuple(math.tanh(math.atanh(e.value) + s * half) for s in (-1, 1)))
    assert found["mcc"].method == "Fisher's z with the delta method"
    assert found["kappa_at_threshold"].method == "Fisher's z, standard error of Fleiss, Cohen and Everitt"
    assert {e.level for e in found.values()} == {0.9}
    b, se, sp = (found[k] for k in ("balanced_accuracy", "sensitivity", "specificity"))
    assert b.low == pytest.approx(0.8 - math.hypot(0.8 - se.low, 0.8 - sp.low) / 2)
    assert b.high == pytest.approx(0.8 + math.hypot(se.high - 0.8, sp.high - 0.8) / 2)
    assert (found["youden_index"].low, found["youden_index"].high) == pytest.approx((2 * b.low - 1, 2 * b.high - 1))
    assert b.method == "MOVER from Wilson"
    assert found["f1"].method == "Wilson of TP/(TP + FP + FN), transformed"
    exact = classification_measures(y, p, threshold=0.5, method="exact")
    assert {e.method for e in exact.values()} >= {"Clopper-Pearson", "MOVER from Clopper-Pearson"}


@pytest.mark.parametrize("name", RATIOS)
def test_zero_cells_of_ratios(name: str) -> None:
    """The value is 0 or infinite; its interval is that of the table with a half in each cell, on one side."""
    function, z = ALL[name], 1.959963984540054

    def halves(tp: int, fp: int, tn: int, fn: int) -> tuple[float, float]:
        a, b, d, e = tp + 0.5, fp + 0.5, tn + 0.5, fn + 0.5
        value, variance = {
            RATIOS[0]: (a / (a + e) / (b / (b + d)), 1 / a - 1 / (a + e) + 1 / b - 1 / (b + d)),
            RATIOS[1]: (e / (a + e) / (d / (b + d)), 1 / e - 1 / (a + e) + 1 / d - 1 / (b + d)),
            RATIOS[2]: (a * d / (b * e), 1 / a + 1 / b + 1 / d + 1 / e),
        }[name]
        return value * math.exp(-z * math.sqrt(variance)), value * math.exp(z * math.sqrt(variance))

    small, large = {
        RATIOS[0]: ((0, 5, 20, 3), (12, 0, 20, 3)),
        RATIOS[1]: ((12, 5, 20, 0), (12, 5, 0, 3)),
        RATIOS[2]: ((0, 5, 20, 3), (12, 0, 20, 3)),
    }[name]
    zero, infinite = function(*patients_of(*small), threshold=0.5), function(*patients_of(*large), threshold=0.5)
    assert (zero.value, zero.low, zero.high) == (0.0, 0.0, pytest.approx(halves(*small)[1]))
    assert (infinite.value, infinite.low, infinite.high) == (math.inf, pytest.approx(halves(*large)[0]), math.inf)
    for estimate in (zero, infinite):
        assert estimate.note == HALVES
        assert math.isnan(estimate.se)
    assert (zero.n, zero.n_events) == (sum(small), small[0] + small[3])


def test_where_everybody_is_on_one_side_a_likelihood_ratio_is_one() -> None:
    both = patients_of(7, 3, 0, 0)
    positive, negative = (f(*both, threshold=0.5) for f in (positive_likelihood_ratio, negative_likelihood_ratio))
    assert (positive.value, positive.note) == (1.0, HALVES)
    assert positive.low < 1 < positive.high
    assert (math.isnan(negative.value), negative.note) == (True, "undefined: nobody is negative")
    negative = negative_likelihood_ratio(*patients_of(0, 0, 5, 4), threshold=0.5)
    assert (negative.value, negative.note) == (1.0, HALVES)
    positive = positive_likelihood_ratio(*patients_of(0, 0, 5, 4), threshold=0.5)
    assert positive.note == "undefined: nobody is positive"


@pytest.mark.parametrize("name", ["mcc", "kappa_at_threshold"])
def test_empty_cells_of_chance_corrected_agreement(name: str) -> None:
    function = ALL[name]
    table = (12, 0, 20, 3)
    estimate, halves = function(*patients_of(*table), threshold=0.5), patients_of(25, 1, 41, 7)
    doubled = function(*halves, threshold=0.5)  # the table plus a half, twice: same value, se smaller by sqrt(2)
    half = 1.959963984540054 * doubled.se * math.sqrt(2) / (1 - doubled.value**2)
    ends = [math.tanh(math.atanh(doubled.value) + s * half) for s in (-1, 1)]
    assert doubled.note == ""  # one patient in a cell is enough
    assert (estimate.low, estimate.high) == pytest.approx(tuple(ends))
    assert estimate.note == HALVES
    assert 0.05 < estimate.se < 0.1
    right = function(*patients_of(12, 0, 20, 0), threshold=0.5)
    assert (right.value, right.high, right.note) == (1.0, 1.0, HALVES)
    assert right.low == pytest.approx(0.6184607817744, abs=1e-10)
    assert math.isnan(right.se)
    wrong = function(*patients_of(0, 6, 0, 6), threshold=0.5)
    assert (wrong.value, wrong.low, wrong.note) == (-1.0, -1.0, HALVES)
    assert wrong.high == pytest.approx(-0.2594319823871, abs=1e-10)


def test_always_wrong_is_minus_one_for_mcc_alone() -> None:
    y, p = patients_of(0, 6, 0, 5)
    assert mcc(y, p, threshold=0.5).value == -1.0
    chance = 2 * 6 * 5 / 121
    assert kappa_at_threshold(y, p, threshold=0.5).value == pytest.approx(-chance / (1 - chance))


MARGINS = [
    ((7, 0, 0, 3), "no non-event"),
    ((0, 3, 4, 0), "no event"),
    ((7, 3, 0, 0), "nobody is negative"),
    ((0, 0, 5, 4), "nobody is positive"),
    ((5, 0, 0, 0), "no non-event and nobody is negative"),
    ((0, 0, 5, 0), "no event and nobody is positive"),
]


@pytest.mark.parametrize(("table", "why"), MARGINS)
def test_empty_margins(table: tuple[int, int, int, int], why: str) -> None:
    y, p = patients_of(*table)
    n, events = sum(table), table[0] + table[3]
    for function in (mcc, diagnostic_odds_ratio):
        estimate = function(y, p, threshold=0.5)
        assert math.isnan(estimate.value)
        assert (estimate.note, estimate.n, estimate.n_events) == (f"undefined: {why}", n, events)
    kappa = kappa_at_threshold(y, p, threshold=0.5)
    assert (kappa.n, kappa.n_events, math.isnan(kappa.low)) == (n, events, True)
    if " and " in why:
        assert math.isnan(kappa.value)
        assert kappa.note == f"undefined: {why}, and chance alone agrees always"
    else:
        assert kappa.value == 0.0
        assert kappa.note == f"{why}: 0 whatever the others, no interval"
    if "event" in why:
        for function in (positive_likelihood_ratio, negative_likelihood_ratio):
            estimate = function(y, p, threshold=0.5)
            assert (math.isnan(estimate.value), estimate.note) == (True, f"undefined: {why.split(' and ')[0]}")
            assert (estimate.n, estimate.n_events) == (n, events)


# --- predictive values at another prevalence ---------------------------------------------------


def test_bayes_by_hand() -> None:
    """Sensitivity and specificity 0.8, prevalence 0.1: 0.08/(0.08 + 0.18) and 0.72/(0.72 + 0.02)."""
    y, p = patients_of(*TABLE)
    positive, negative = (f(y, p, threshold=0.5, prevalence=0.1, level=0.9) for f in (ppv, npv))
    assert positive.value == pytest.approx(8 / 26, abs=1e-15)
    assert negative.value == pytest.approx(72 / 74, abs=1e-15)
    z = 1.6448536269514722
    for e, odds, se in ((positive, 8 / 18, 0.42031734043061636), (negative, 36.0, 0.5259911279353167)):
        ends = [odds * math.exp(s * z * se) for s in (-1, 1)]
        assert (e.low, e.high) == pytest.approx(tuple(x / (1 + x) for x in ends))
        assert (e.se, e.n, e.n_events, e.note, e.level) == (pytest.approx(se), 40, 15, "", 0.9)
        assert e.method == "normal on the logit scale (Mercaldo), at a prevalence of 0.1; se of the logit"


def test_bayes_at_the_patients_own_prevalence_is_the_plain_value() -> None:
    y, p = patients_of(*TABLE)
    for function in (ppv, npv):
        own, plain = (function(y, p, threshold=0.5, prevalence=q) for q in (15 / 40, None))
        assert own.value == pytest.approx(plain.value, abs=1e-15)


def test_bayes_with_zero_cells_and_without() -> None:
    sure = ppv(*patients_of(12, 0, 20, 3), threshold=0.5, prevalence=0.1)
    assert (sure.value, sure.high, sure.note) == (1.0, 1.0, HALVES)
    ratio = positive_likelihood_ratio(*patients_of(12, 0, 20, 3), threshold=0.5).low
    assert sure.low == pytest.approx(ratio / (ratio + 9))
    none = ppv(*patients_of(0, 5, 20, 3), threshold=0.5, prevalence=0.1)
    assert (none.value, none.low) == (0.0, 0.0)
    sure = npv(*patients_of(12, 5, 20, 0), threshold=0.5, prevalence=0.1)
    assert (sure.value, sure.high) == (1.0, 1.0)
    for function in (ppv, npv):
        lone = function(*patients_of(7, 0, 0, 3), threshold=0.5, prevalence=0.1)
        assert math.isnan(lone.value)
        assert math.isnan(lone.low)
        assert (lone.note, lone.method[:27]) == ("undefined: no non-event", "normal on the logit scale (")


@pytest.mark.parametrize("prevalence", [0, 1, -0.1, 1.2, "low", math.nan])
def test_a_prevalence_is_a_share(prevalence: object) -> None:
    for function in (ppv, npv):
        with pytest.raises(InputError, match="`prevalence` must lie strictly between 0 and 1"):
            function([0, 1], [0.1, 0.9], threshold=0.5, prevalence=prevalence)
        with pytest.raises(InputError, match="`method` must be one of 'wilson', 'exact'"):
            function([0, 1], [0.1, 0.9], threshold=0.5, prevalence=0.2, method="wald")


# --- laws --------------------------------------------------------------------------------------


@quick
@given(cases, thresholds, st.integers(0, 10**6))
def test_laws_of_every_measure(case: tuple[np.ndarray, np.ndarray], threshold: float, seed: int) -> None:
    y, p = case
    found = classification_measures(y, p, threshold=threshold)
    order = np.random.default_rng(seed).permutation(y.size)
    assert repr(classification_measures(y[order], p[order], threshold=threshold)) == repr(found)
    tripled = classification_measures(np.tile(y, 3), np.tile(p, 3), threshold=threshold)
    assert repr(classification_measures(y, p, threshold=threshold, weights=np.full(y.size, 3))) == repr(tripled)
    for name, estimate in found.items():
        value = estimate.value
        assert tripled[name].value == pytest.approx(value, abs=1e-12, nan_ok=True)
        if math.isnan(value):
            assert "undefined" in estimate.note
            continue
        assert tripled[name].high - tripled[name].low <= estimate.high - estimate.low + 1e-9 or math.isnan(estimate.low)
        lowest = -1 if name in ("mcc", "kappa_at_threshold", "youden_index") else 0
        assert lowest <= value <= (math.inf if name in RATIOS else 1)
        if not math.isnan(estimate.low):
            assert lowest <= estimate.low <= value <= estimate.high


@quick
@given(cases, thresholds)
def test_relabelling_the_event(case: tuple[np.ndarray, np.ndarray], threshold: float) -> None:
    """With outcome and rule turned round, sensitivity and specificity, PPV and NPV change places; the rest stays."""
    y, p = case
    here = classification_measures(y, (p >= threshold).astype(float), threshold=0.5)
    there = classification_measures(1 - y, (p < threshold).astype(float), threshold=0.5)
    for a, b in (("sensitivity", "specificity"), ("ppv", "npv")):
        assert here[a].value == pytest.approx(there[b].value, nan_ok=True)
    for name in ("mcc", "kappa_at_threshold", "diagnostic_odds_ratio", "accuracy", "youden_index"):
        assert here[name].value == pytest.approx(there[name].value, nan_ok=True)
        assert here[name].low == pytest.approx(there[name].low, nan_ok=True)
    ratio, inverse = here["positive_likelihood_ratio"].value, there["negative_likelihood_ratio"].value
    if not math.isnan(ratio) and not math.isnan(inverse) and 0 < inverse < math.inf:
        assert ratio == pytest.approx(1 / inverse)


def test_kappa_and_mcc_against_scikit_learn() -> None:
    rng = np.random.default_rng(5)
    y, said = rng.integers(0, 2, 60), rng.integers(0, 2, 60)
    assert mcc(y, said, threshold=0.5).value == pytest.approx(metrics.matthews_corrcoef(y, said))
    assert kappa_at_threshold(y, said, threshold=0.5).value == pytest.approx(metrics.cohen_kappa_score(y, said))


def test_new_intervals_cover_near_their_level() -> None:
    """Ratios, MCC, kappa and PPV at another prevalence, in 1,500 samples of 120."""
    rng, runs = np.random.default_rng(12), 1500
    tp, fp, tn, fn = shares = np.array([0.32, 0.18, 0.42, 0.08])
    chance = 0.5 * 0.4 + 0.5 * 0.6
    truth = {
        "positive_likelihood_ratio": 0.8 / 0.3,
        "negative_likelihood_ratio": 0.2 / 0.7,
        "diagnostic_odds_ratio": tp * tn / (fp * fn),
        "mcc": (tp * tn - fp * fn) / math.sqrt(0.5 * 0.4 * 0.6 * 0.5),
        "kappa_at_threshold": (tp + tn - chance) / (1 - chance),
        "bayes": 0.08 / (0.08 + 0.27),
    }
    hits = dict.fromkeys(truth, 0)
    for table in rng.multinomial(120, shares, runs):
        y, p = patients_of(*table)
        found = classification_measures(y, p, threshold=0.5) | {"bayes": ppv(y, p, threshold=0.5, prevalence=0.1)}
        for name, value in truth.items():
            hits[name] += found[name].low <= value <= found[name].high
    assert all(0.93 < count / runs < 0.97 for count in hits.values()), hits


# --- the door ----------------------------------------------------------------------------------


def test_scores_missing_values_and_labels() -> None:
    y, score = [0, 1, 0, 1, 1], [-2.0, 3.0, 0.5, 0.4, 7.0]
    for name, function in ALL.items():
        scored = function(y, score, threshold=0.5, scale="score")
        assert repr(scored) == repr(function(y, [0.1, 0.9, 0.5, 0.4, 0.9], threshold=0.5)), name
        with pytest.raises(InputError, match=r"`y_prob` must lie in \[0, 1\]"):
            function(y, score, threshold=0.5)
        with pytest.raises(InputError, match="`threshold` must be in"):
            function(y, [0.5] * 5, threshold=30)
        with pytest.raises(InputError, match="`level` must lie strictly between 0 and 1"):
            function(y, [0.5] * 5, threshold=0.5, level=95)
    holes = [0.1, math.nan, 0.5, 0.4, 0.9]
    with pytest.raises(InputError, match=r"missing \(NaN\) for 1 of 5 patients \(row 1\)"):
        classification_measures(y, holes, threshold=0.5)
    found = classification_measures(y, holes, threshold=0.5, missing="complete-case")
    assert {e.n_missing for e in found.values()} == {1}
    assert found["accuracy"].n == 4
    c = confusion(y, holes, threshold=0.5, missing="complete-case")
    assert (c.n, c.n_missing, c.note) == (4, 1, "1 of 5 patients left out as incomplete (complete case)")


def test_labels_of_every_sort() -> None:
    p = [0.2, 0.7, 0.6, 0.4]
    want = confusion([0, 1, 0, 1], p, threshold=0.5)
    assert confusion([False, True, False, True], p, threshold=0.5) == want
    assert confusion([0.0, 1.0, 0.0, 1.0], p, threshold=0.5) == want
    with pytest.raises(InputError, match="`y_true` must hold numbers"):
        confusion(["no", "yes", "no", "yes"], p, threshold=0.5)
    with pytest.raises(InputError, match="`y_true` must be 0 or 1, 1 being the event; 2 of 4 values are not"):
        confusion([1, 2, 1, 2], p, threshold=0.5)


def test_two_patients_ties_and_certain_risks() -> None:
    two = classification_measures([0, 1], [0.2, 0.8], threshold=0.5)
    assert two["accuracy"].value == two["mcc"].value == 1.0
    assert two["accuracy"].low == pytest.approx(2 / (2 + 1.959963984540054**2))
    tied = classification_measures([0, 1, 1], [0.4] * 3, threshold=0.4)
    assert (tied["sensitivity"].value, tied["specificity"].value) == (1.0, 0.0)
    certain = classification_measures([0, 1, 1, 0], [0.0, 1.0, 0.0, 1.0], threshold=0.5)
    assert (certain["accuracy"].value, certain["kappa_at_threshold"].value) == (0.5, 0.0)


def test_an_even_table_is_chance_and_has_no_empty_margin() -> None:
    y, p = patients_of(4, 4, 4, 4)
    assert confusion(y, p, threshold=0.5).one_sided == ""
    found = classification_measures(y, p, threshold=0.5)
    assert {name: found[name].value for name in ("mcc", "kappa_at_threshold", "youden_index")} == {
        "mcc": 0.0,
        "kappa_at_threshold": 0.0,
        "youden_index": 0.0,
    }
    assert {e.note for e in found.values()} == {""}
    assert found["mcc"].se == pytest.approx(0.25)
