from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from validkit.errors import InputError
from validkit.stats.fleiss import fleiss_kappa, fleiss_kappa_test
from validkit.stats.kappa import cohen_kappa, cohen_kappa_test

quick = settings(deadline=None, max_examples=30)
# Fleiss, Cohen and Everitt (1969), their table 1, as 200 subjects
FCE = np.array([[53, 5, 2], [11, 14, 5], [1, 6, 3]]) * 2


def written_out(table: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    i, j = np.indices(table.shape)
    return np.repeat(i.ravel(), table.ravel()), np.repeat(j.ravel(), table.ravel())


def test_the_table_of_fleiss_cohen_and_everitt() -> None:
    a, b = written_out(FCE)
    kappa = cohen_kappa(a, b)
    p_o, p_e = 0.70, 0.60 * 0.65 + 0.30 * 0.25 + 0.10 * 0.10
    assert kappa.value == pytest.approx((p_o - p_e) / (1 - p_e), rel=1e-12)  # 0.429
    assert (kappa.n, kappa.level, kappa.method, kappa.note, kappa.n_events) == (200, 0.95, "Cohen", "", None)
    assert kappa.se**2 * 200 == pytest.approx(kappa_variance_by_jackknife(a, b) * 200, rel=0.02)
    assert kappa.low == pytest.approx(kappa.value - 1.959963984540054 * kappa.se, rel=1e-12)
    assert kappa.high == pytest.approx(kappa.value + 1.959963984540054 * kappa.se, rel=1e-12)


def kappa_variance_by_jackknife(a: np.ndarray, b: np.ndarray) -> float:
    n = a.size
    left_out = np.array([cohen_kappa(np.delete(a, i), np.delete(b, i)).value for i in range(n)])
    return float((n - 1) / n * ((left_out - left_out.mean()) ** 2).sum())


@pytest.mark.parametrize(("weighting", "wt"), [("none", None), ("linear", "linear"), ("quadratic", "quadratic")])
def test_against_statsmodels(weighting: str, wt: str | None) -> None:
    from statsmodels.stats.inter_rater import cohens_kappa

    for table in (
        FCE,
        np.array([[20, 5], [10, 15]]),
        np.array([[9, 1, 0, 0], [2, 7, 3, 0], [0, 1, 8, 4], [1, 0, 2, 6]]),
    ):
        want = cohens_kappa(table, wt=wt)
        a, b = written_out(table)
        kappa, test = cohen_kappa(a, b, weighting=weighting), cohen_kappa_test(a, b, weighting=weighting)
        assert kappa.value == pytest.approx(want.kappa, rel=1e-12)
        assert kappa.se == pytest.approx(want.std_kappa, rel=1e-10)
        assert test.statistic == pytest.approx(want.kappa / want.std_kappa0, rel=1e-10)
        assert test.p_value == pytest.approx(want.pvalue_two_sided, rel=1e-10)
        assert (test.n, test.df, test.method, test.note) == (a.size, None, "kappa is 0", "")


@quick
@given(st.integers(0, 10**6), st.sampled_from(["none", "linear", "quadratic"]))
def test_laws_of_two_raters(seed: int, weighting: str) -> None:
    rng = np.random.default_rng(seed)
    a = rng.integers(0, 4, 30)
    b = np.where(rng.random(30) < 0.5, a, rng.integers(0, 4, 30))
    ours = cohen_kappa(a, b, weighting=weighting, levels=range(4))
    order = rng.permutation(30)
    for other in (
        cohen_kappa(b, a, weighting=weighting, levels=range(4)),
        cohen_kappa(a[order], b[order], weighting=weighting, levels=range(4)),
        cohen_kappa(3 - a, 3 - b, weighting=weighting, levels=range(4)),
        cohen_kappa([f"g{v}" for v in a], [f"g{v}" for v in b], weighting=weighting, levels=["g0", "g1", "g2", "g3"]),
    ):
        for name in ("value", "se", "low", "high"):
            assert getattr(other, name) == pytest.approx(getattr(ours, name), abs=1e-10)
    assert -1 <= ours.low <= ours.value <= ours.high <= 1
    times = rng.integers(1, 4, 30)
    weighted = cohen_kappa(a, b, weighting=weighting, levels=range(4), weights=times)
    repeated = cohen_kappa(np.repeat(a, times), np.repeat(b, times), weighting=weighting, levels=range(4))
    assert weighted == repeated
    double = cohen_kappa(np.tile(a, 2), np.tile(b, 2), weighting=weighting, levels=range(4))
    assert double.value == pytest.approx(ours.value, abs=1e-12)
    assert double.se == pytest.approx(ours.se / math.sqrt(2), rel=1e-9)


def test_two_categories_need_no_weights() -> None:
    a, b = written_out(np.array([[20, 5], [10, 15]]))
    plain = cohen_kappa(a, b)
    for weighting, method in (("linear", "linear weights"), ("quadratic", "quadratic weights")):
        weighted = cohen_kappa(a, b, weighting=weighting)
        assert (weighted.value, weighted.se) == pytest.approx((plain.value, plain.se), rel=1e-12)
        assert weighted.method == method
    unused = cohen_kappa(a, b, levels=[0, 1, 2])
    assert unused.value == pytest.approx(plain.value, rel=1e-12)


def test_the_interval_ends_at_one() -> None:
    a = np.array([0] * 10 + [1] * 10)
    b = a.copy()
    b[0] = 1
    kappa = cohen_kappa(a, b, level=0.99)
    assert kappa.value == pytest.approx(0.9)
    assert (kappa.high, kappa.level, kappa.note) == (1.0, 0.99, "interval cut at its bound")
    assert kappa.low > 0.5
    opposite = cohen_kappa(a, 1 - b, level=0.99)
    assert opposite.low == -1.0
    assert opposite.note == "interval cut at its bound"


def test_raters_who_use_one_category() -> None:
    for b in ([1, 1, 1], [2, 2, 2]):
        none = cohen_kappa([1, 1, 1], b)
        assert math.isnan(none.value)
        assert none.note == "undefined: both raters use a single category"
        test = cohen_kappa_test([1, 1, 1], b)
        assert math.isnan(test.statistic)
        assert math.isnan(test.p_value)
        assert test.note == none.note
        assert none.n == test.n == 3
    for weighting in ("none", "linear", "quadratic"):
        one = cohen_kappa([1, 1, 1, 1], [1, 2, 1, 3], weighting=weighting)
        assert one.value == 0.0
        assert math.isnan(one.low)
        assert math.isnan(one.se)
        assert one.note == "one rater uses a single category: kappa is 0 by construction"
        assert math.isnan(cohen_kappa_test([1, 2, 1, 3], [1, 1, 1, 1], weighting=weighting).p_value)


def test_perfect_agreement_has_no_interval() -> None:
    perfect = cohen_kappa([1, 2, 3, 1], [1, 2, 3, 1])
    assert perfect.value == 1.0
    assert math.isnan(perfect.low)
    assert math.isnan(perfect.high)
    assert perfect.note == "agreement is perfect: no interval"
    assert 0 < cohen_kappa_test([1, 2, 3, 1], [1, 2, 3, 1]).p_value < 0.05
    contrary = cohen_kappa([0, 1] * 5, [1, 0] * 5)
    assert contrary.value == -1.0
    assert contrary.note == "no spread to judge by: no interval"


def test_missing_categories() -> None:
    with pytest.raises(InputError, match=r"`rater_a` is missing for 1 of 3 subjects \(first: row 1\).*complete-case"):
        cohen_kappa(["x", None, "y"], ["x", "y", "y"])
    with pytest.raises(InputError, match="`rater_b` is missing for 2 of 3 subjects"):
        cohen_kappa([1.0, 2.0, 1.0], [math.nan, 1.0, math.nan])
    with pytest.raises(InputError, match="`rater_b` is missing"):
        cohen_kappa(["x", "y"], ["x", math.nan])
    with pytest.raises(InputError, match="`rater_b` is missing"):
        cohen_kappa(pd.Series(["x", "y"]), pd.Series(["x", pd.NA]))
    ours = cohen_kappa([1, 2, 1, 2, math.nan], [1, 2, 2, 2, 1], missing="complete-case")
    assert ours.value == cohen_kappa([1, 2, 1, 2], [1, 2, 2, 2]).value
    assert (ours.n, ours.n_missing) == (4, 1)
    assert ours.note.endswith("1 of 5 patients left out as incomplete (complete case)")


def test_bad_categories() -> None:
    with pytest.raises(InputError, match="`rater_a` has 3 subjects and `rater_b` has 2"):
        cohen_kappa([1, 2, 3], [1, 2])
    with pytest.raises(InputError, match="weights need the order of the categories: pass `levels`"):
        cohen_kappa(["low", "high"], ["low", "low"], weighting="linear")
    with pytest.raises(InputError, match=r"`levels` lacks 1 of the categories given \(first: 'high'\)"):
        cohen_kappa(["low", "high"], ["low", "low"], levels=["low", "mid"])
    with pytest.raises(InputError, match="`levels` names a category twice"):
        cohen_kappa([1, 2], [1, 2], levels=[1, 2, 2])
    with pytest.raises(InputError, match="mix text and numbers"):
        cohen_kappa(["1", "2"], [1, 2])
    with pytest.raises(InputError, match="`weighting` must be one of"):
        cohen_kappa([1, 2], [1, 2], weighting="cubic")
    with pytest.raises(InputError, match=r"`rater_a` must have 1 dimension; its shape is \(1, 2\)"):
        cohen_kappa([[1, 2]], [1, 2])
    with pytest.raises(InputError, match="`rater_a` is empty"):
        cohen_kappa([], [])
    with pytest.raises(InputError, match="`level` must lie"):
        cohen_kappa([1, 2], [1, 2], level=1)


def test_the_interval_covers_and_the_test_keeps_its_level() -> None:
    rng = np.random.default_rng(5)
    covered = rejected = 0
    for _ in range(600):
        truth = rng.integers(0, 3, 120)
        a, b = (np.where(rng.random(120) < 0.8, truth, rng.integers(0, 3, 120)) for _ in range(2))
        kappa = cohen_kappa(a, b)  # p_o - p_e over 1 - p_e is 0.8^2
        covered += kappa.low <= 0.64 <= kappa.high
        rejected += cohen_kappa_test(a, rng.permutation(b)).p_value < 0.05
    assert 0.925 <= covered / 600 <= 0.975
    assert 0.025 <= rejected / 600 <= 0.075


# --- Fleiss -----------------------------------------------------------------------------------

# Fleiss (1971) by counts: the ten subjects, fourteen raters and five categories of the usual worked example
COUNTS = np.array(
    [
        [0, 0, 0, 0, 14], [0, 2, 6, 4, 2], [0, 0, 3, 5, 6], [0, 3, 9, 2, 0], [2, 2, 8, 1, 1],
        [7, 7, 0, 0, 0], [3, 2, 6, 3, 0], [2, 5, 3, 2, 2], [6, 5, 2, 1, 0], [0, 2, 2, 3, 7],
    ]
)  # fmt: skip
RATINGS = np.array([np.repeat(np.arange(1, 6), row) for row in COUNTS])


def test_the_worked_example() -> None:
    from statsmodels.stats.inter_rater import fleiss_kappa as peer

    kappa = fleiss_kappa(RATINGS)
    assert kappa.value == pytest.approx(0.20993070442195522, rel=1e-12)  # 0.210 as published
    assert kappa.value == pytest.approx(peer(COUNTS), rel=1e-12)
    assert (kappa.n, kappa.level, kappa.method, kappa.note) == (10, 0.95, "Fleiss", "")
    assert kappa.low == pytest.approx(kappa.value - 1.959963984540054 * kappa.se, rel=1e-12)
    left = [fleiss_kappa(np.delete(RATINGS, i, axis=0)).value for i in range(10)]
    assert kappa.se == pytest.approx(np.std(left) * 3, rel=0.1)  # the jackknife
    test = fleiss_kappa_test(RATINGS)
    q = COUNTS.sum(axis=0) / 140
    s = (q * (1 - q)).sum()
    se = math.sqrt(2 / (10 * 14 * 13)) * math.sqrt(s**2 - (q * (1 - q) * (1 - 2 * q)).sum()) / s
    assert test.statistic == pytest.approx(kappa.value / se, rel=1e-12)
    assert (test.n, test.df, test.method, test.note) == (10, None, "kappa is 0", "")
    assert test.p_value < 1e-10


def test_one_category_against_the_others() -> None:
    for j in range(1, 6):
        kappa = fleiss_kappa(RATINGS, category=j)
        x, p = COUNTS[:, j - 1], COUNTS[:, j - 1].sum() / 140
        assert kappa.value == pytest.approx(1 - (x * (14 - x)).sum() / (10 * 14 * 13 * p * (1 - p)), rel=1e-12)
        assert kappa.method == f"Fleiss, {j} against the others"
        z = fleiss_kappa_test(RATINGS, category=j).statistic
        assert z == pytest.approx(kappa.value / math.sqrt(2 / (10 * 14 * 13)), rel=1e-12)
        alone = np.equal(RATINGS, j)
        assert kappa == fleiss_kappa(np.where(alone, j, 0), category=j)


@quick
@given(st.integers(0, 10**6))
def test_laws_of_many_raters(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x = np.where(rng.random((15, 4)) < 0.5, rng.integers(0, 3, (15, 1)), rng.integers(0, 3, (15, 4)))
    ours = fleiss_kappa(x, level=0.9)
    other = fleiss_kappa(rng.permuted(x, axis=1)[rng.permutation(15)], level=0.9)
    words = fleiss_kappa(np.array(["no", "maybe", "yes"])[x], level=0.9)
    frame = fleiss_kappa(pd.DataFrame(x), level=0.9)
    for name in ("value", "se", "low", "high"):
        for same in (other, words, frame):
            assert getattr(same, name) == pytest.approx(getattr(ours, name), abs=1e-10, nan_ok=True)
    assert -1 / 3 - 1e-12 <= ours.value <= 1
    times = rng.integers(1, 3, 15)
    assert fleiss_kappa(x, weights=times) == fleiss_kappa(np.repeat(x, times, axis=0))


def test_fleiss_where_it_is_undefined() -> None:
    none = fleiss_kappa([[1, 1], [1, 1]])
    assert math.isnan(none.value)
    assert none.note == "undefined: a single category is used"
    assert math.isnan(fleiss_kappa_test([[1, 1], [1, 1]]).p_value)
    assert fleiss_kappa_test([[1, 1], [1, 1]]).note == none.note
    perfect = fleiss_kappa([["a", "a", "a"], ["b", "b", "b"]])
    assert (perfect.value, perfect.note) == (1.0, "agreement is perfect: no interval")
    single = fleiss_kappa([[0, 1, 1]])
    assert single.value == pytest.approx(-0.5)
    assert single.note == "no spread to judge by: no interval"
    assert single.n == 1
    unused = fleiss_kappa([[0, 1], [1, 1]], levels=[0, 1, 2], category=2)
    assert unused.note == "undefined: a single category is used"


def test_the_interval_of_fleiss_is_cut() -> None:
    x = [[0, 0, 0]] * 3 + [[1, 1, 1]] * 3 + [[0, 0, 1]]
    assert fleiss_kappa(x, level=0.999).high == 1.0
    low = fleiss_kappa([[0, 1, 1], [0, 0, 1], [1, 0, 1], [0, 0, 1], [0, 0, 0]], level=0.9999)
    assert low.low == -0.5
    assert low.note == "interval cut at its bound"


def test_bad_ratings() -> None:
    with pytest.raises(InputError, match=r"`ratings` must be \(subjects, raters\); its shape is \(3,\)"):
        fleiss_kappa([1, 2, 3])
    with pytest.raises(InputError, match="needs at least 2 raters; `ratings` has 1"):
        fleiss_kappa([[1], [2]])
    with pytest.raises(InputError, match=r"`category` must be one of \[1, 2\], not 3"):
        fleiss_kappa([[1, 2], [2, 2]], category=3)
    with pytest.raises(InputError, match=r"`ratings` is missing for 2 of 3 subjects \(first: row 0\)"):
        fleiss_kappa([["a", None], ["b", "b"], [None, None]])
    ours = fleiss_kappa([["a", None], ["b", "b"], ["a", "b"], ["a", "a"]], missing="complete-case")
    assert ours.value == fleiss_kappa([["b", "b"], ["a", "b"], ["a", "a"]]).value
    assert (ours.n, ours.n_missing) == (3, 1)
    test = fleiss_kappa_test([["a", None], ["b", "b"], ["a", "b"], ["a", "a"]], missing="complete-case")
    assert (test.n, test.n_missing) == (3, 1)
    with pytest.raises(InputError, match="`level` must lie"):
        fleiss_kappa([[1, 2], [2, 2]], level=0)


def test_fleiss_interval_covers() -> None:
    rng = np.random.default_rng(6)
    covered = 0
    for _ in range(400):
        truth = rng.integers(0, 3, (80, 1))
        kappa = fleiss_kappa(np.where(rng.random((80, 4)) < 0.7, truth, rng.integers(0, 3, (80, 4))))
        covered += kappa.low <= 0.49 <= kappa.high
    assert 0.92 <= covered / 400 <= 0.98
