from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pingouin as pg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from validkit.errors import InputError
from validkit.stats.agreement import FORMS, icc, icc_all, keep

quick = settings(deadline=None, max_examples=25)
SF = [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]  # Shrout and Fleiss
PINGOUIN = {"ICC(1,1)": 0, "ICC(2,1)": 1, "ICC(3,1)": 2, "ICC(1,k)": 3, "ICC(2,k)": 4, "ICC(3,k)": 5}


def ratings(seed: int, n: int = 12, k: int = 3, p: int = 5) -> np.ndarray:
    rng = np.random.default_rng(seed)
    truth = rng.normal(size=(n, 1, p)) * np.exp(rng.normal(size=p)) + 50 * rng.normal(size=p)
    return truth + rng.normal(size=(n, k, p)) * np.exp(rng.normal(size=p) - 1) + 0.3 * rng.normal(size=(1, k, p))


@pytest.mark.filterwarnings("ignore:The inplace keyword")  # pingouin's, under pandas 3
@pytest.mark.parametrize("seed", range(4))
def test_against_pingouin(seed: int) -> None:
    n, k = ((12, 3), (8, 2), (30, 4), (3, 2))[seed]
    x = ratings(seed, n, k, 3)
    for j in range(3):
        long = pd.DataFrame({"s": np.repeat(np.arange(n), k), "r": np.tile(np.arange(k), n), "v": x[:, :, j].ravel()})
        table = pg.intraclass_corr(long, targets="s", raters="r", ratings="v")
        for form, row in PINGOUIN.items():
            ours = icc(x, form=form)
            want = table.iloc[row]
            assert ours.value[j] == pytest.approx(want["ICC"], abs=1e-10)
            assert ours.statistic[j] == pytest.approx(want["F"], rel=1e-9)
            assert ours.p_value[j] == pytest.approx(want["pval"], abs=1e-10)
            assert (ours.df1[j], ours.df2[j]) == (want["df1"], want["df2"])
            interval = next(want[c] for c in table.columns if c.startswith("CI95"))
            np.testing.assert_allclose([ours.low[j], ours.high[j]], interval, atol=0.00501)  # rounded to two digits


@quick
@given(st.integers(0, 10**6), st.sampled_from(FORMS))
def test_laws(seed: int, form: str) -> None:
    x = ratings(seed)
    ours = icc(x, form=form)
    rng = np.random.default_rng(seed)
    shuffled = icc(x[rng.permutation(12)][:, rng.permutation(3)], form=form)
    moved = icc(7 + 3 * x, form=form)
    one = icc(x[:, :, 2], form=form)
    for name in ("value", "low", "high", "statistic", "p_value"):
        np.testing.assert_allclose(getattr(shuffled, name), getattr(ours, name), rtol=1e-7, atol=1e-9)
        np.testing.assert_allclose(getattr(moved, name), getattr(ours, name), rtol=1e-6, atol=1e-8)
        assert getattr(one, name)[0] == pytest.approx(getattr(ours, name)[2], rel=1e-12)
    assert ((ours.low <= ours.value + 1e-12) & (ours.value <= ours.high + 1e-12)).all()
    assert (ours.value <= 1).all()


@quick
@given(st.integers(0, 10**6))
def test_consistency_ignores_the_readers_level_and_agreement_does_not(seed: int) -> None:
    x = ratings(seed)
    x = x - x.mean(axis=0)  # readers of one level, so that a shift can only drive them apart
    shifted = x + np.array([0.0, 5.0, -4.0])[None, :, None]
    np.testing.assert_allclose(icc(shifted, form="ICC(3,1)").value, icc(x, form="ICC(3,1)").value, atol=1e-9)
    away, together = icc(shifted).value, icc(x).value  # a larger rater variance swells the denominator only
    assert (np.sign(away) == np.sign(together)).all()
    assert (np.abs(away) < np.abs(together)).all()


@pytest.mark.parametrize("form", FORMS)
def test_features_that_do_not_vary(form: str) -> None:
    x = ratings(0, p=3)
    x[:, :, 1] = 0.1  # not exactly representable: its mean would leave rounding noise
    ours = icc(x, form=form)
    for name in ("value", "low", "high", "statistic", "p_value"):
        assert math.isnan(getattr(ours, name)[1])
        assert np.isfinite(getattr(ours, name)[[0, 2]]).all()
    assert ours.note == "1 of 3 features do not vary and have no ICC"


@pytest.mark.parametrize("form", FORMS)
def test_perfect_agreement(form: str) -> None:
    x = np.repeat(np.array([1.0, 2.0, 4.0, 8.0])[:, None, None], 2, axis=1)
    ours = icc(x, form=form)
    assert (ours.value[0], ours.low[0], ours.high[0], ours.p_value[0]) == (1.0, 1.0, 1.0, 0.0)
    assert ours.statistic[0] == math.inf


def test_readers_that_differ_by_a_constant() -> None:
    x = np.array([1.0, 2.0, 4.0, 8.0])[:, None] + np.array([0.0, 1.0])
    consistent, absolute = icc(x, form="ICC(3,1)"), icc(x, form="ICC(2,1)")
    assert consistent.value[0] == 1.0
    assert 0.9 < absolute.value[0] < 1
    assert 0 < absolute.low[0] < absolute.value[0] < absolute.high[0] <= 1


def test_no_difference_between_subjects_is_no_agreement() -> None:
    ours = icc(np.array([[1.0, 2.0], [2.0, 1.0], [1.0, 2.0], [2.0, 1.0]]))
    assert ours.value[0] < 0
    assert ours.statistic[0] == 0.0
    assert ours.p_value[0] == 1.0


def test_names_of_mcgraw_and_wong() -> None:
    x = ratings(2)
    for alias, form in (
        ("ICC(A,1)", "ICC(2,1)"),
        ("ICC(C,1)", "ICC(3,1)"),
        ("ICC(A,k)", "ICC(2,k)"),
        ("ICC(C,k)", "ICC(3,k)"),
    ):
        ours = icc(x, form=alias)
        assert ours.form == form
        np.testing.assert_array_equal(ours.value, icc(x, form=form).value)
    assert (ours.n, ours.k) == (12, 3)
    assert ours.to_dict()["value"] == ours.value.tolist()
    assert "of 5 features" in repr(ours)


def test_wider_level_wider_interval() -> None:
    x = ratings(3)
    for form in FORMS:
        narrow, wide = icc(x, form=form, level=0.8), icc(x, form=form, level=0.99)
        assert ((wide.low < narrow.low) & (narrow.high < wide.high)).all()


def test_bad_ratings() -> None:
    x = ratings(4)
    x[3, 1, 2] = math.nan
    x[5, 0, 2] = math.inf
    with pytest.raises(InputError, match=r"2 values are not, in 1 features and 2 subjects .*3, rater 1, feature 2"):
        icc(x)
    with pytest.raises(InputError, match="at least 2 subjects and 2 raters, not 5 and 1"):
        icc(np.ones((5, 1, 2)))
    with pytest.raises(InputError, match=r"shape \(4,\)"):
        icc(np.ones(4))
    with pytest.raises(InputError, match="`form` must be one of"):
        icc(ratings(1), form="ICC2")


def test_a_thousand_features_at_once() -> None:
    x = ratings(5, n=50, k=2, p=1561)
    ours = icc(x)
    assert ours.value.shape == ours.low.shape == (1561,)
    assert np.isfinite(ours.value).all()


def test_shrout_and_fleiss() -> None:
    found = icc_all(SF)
    assert list(found) == list(FORMS)
    assert [round(float(one.value[0]), 2) for one in found.values()] == [0.17, 0.29, 0.71, 0.44, 0.62, 0.91]
    for form, one in found.items():
        alone = icc(SF, form=form)
        for name in ("value", "low", "high", "statistic", "df1", "df2", "p_value", "n_used"):
            np.testing.assert_array_equal(getattr(one, name), getattr(alone, name))
        assert (one.form, one.n, one.k, one.level, one.note) == (form, 6, 4, 0.95, "")
        assert one.n_used.tolist() == [6]
        with pytest.raises(ValueError, match="read-only"):
            one.value[0] = 1


@pytest.mark.parametrize("form", FORMS)
def test_complete_case_is_feature_by_feature(form: str) -> None:
    x = ratings(7)
    x[2, 1, 0] = x[4, 0, 0] = x[4, 2, 0] = x[4, 2, 3] = math.nan
    ours = icc(x, form=form, missing="complete-case")
    assert ours.n_used.tolist() == [10, 12, 12, 11, 12]
    assert ours.n == 12
    assert ours.note == "up to 2 of 12 subjects left out feature by feature (complete case), in 2 features"
    for j, gone in enumerate(([2, 4], [], [], [4], [])):
        alone = icc(np.delete(x[:, :, j], gone, axis=0), form=form)
        for name in ("value", "low", "high", "statistic", "df1", "df2", "p_value"):
            assert getattr(ours, name)[j] == pytest.approx(getattr(alone, name)[0], rel=1e-10)
    whole = ratings(7)
    np.testing.assert_array_equal(icc(whole, form=form, missing="complete-case").value, icc(whole, form=form).value)


def test_too_few_subjects_left() -> None:
    x = ratings(7, n=4, p=3)
    x[:, 0, 0] = math.nan
    x[1:, 1, 1] = math.nan
    for form, one in icc_all(x, missing="complete-case").items():
        for name in ("value", "low", "high", "statistic", "p_value"):
            values = getattr(one, name)
            assert np.isnan(values[:2]).all(), (form, name)
            assert np.isfinite(values[2])
        assert one.n_used.tolist() == [0, 1, 4]
        assert one.note == (
            "2 of 3 features have too few rated subjects for an ICC; "
            "up to 4 of 4 subjects left out feature by feature (complete case), in 2 features"
        )


@pytest.mark.parametrize("form", ["ICC(1,1)", "ICC(1,k)"])
def test_available_ratings(form: str) -> None:
    x = ratings(8, n=9, k=3, p=4)
    full = icc(x, form=form)
    same = icc(x, form=form, missing="available")
    for name in ("value", "low", "high", "statistic", "df1", "df2", "p_value"):
        np.testing.assert_allclose(getattr(same, name), getattr(full, name), rtol=1e-9)
    assert same.note == ""
    x[0, 0, 1] = x[3, 1, 1] = x[3, 2, 1] = math.nan
    x[5, :, 2] = math.nan
    ours = icc(x, form=form, missing="available")
    assert ours.note == "2 features with missing ratings; approximate intervals there"
    assert ours.n_used.tolist() == [9, 9, 8, 9]
    assert ours.df1.tolist() == [8, 8, 7, 8]
    assert ours.df2.tolist() == [18, 15, 16, 18]
    dropped = icc(np.delete(x[:, :, 2], 5, axis=0), form=form)
    assert ours.value[2] == pytest.approx(dropped.value[0])


def test_available_by_hand() -> None:
    x = np.array([[1.0, 2.0], [4.0, math.nan], [7.0, 9.0], [math.nan, math.nan]])
    ours = icc(x, form="ICC(1,1)", missing="available")
    # subject means 1.5, 4, 8 of m = 2, 1, 2; mean 4.6; MSB = (2*3.1^2 + 0.6^2 + 2*3.4^2)/2; MSW = (0.5 + 2)/2
    msb, msw, n0 = (19.22 + 0.36 + 23.12) / 2, 1.25, (5 - 9 / 5) / 2
    assert ours.statistic[0] == pytest.approx(msb / msw)
    assert ours.value[0] == pytest.approx((msb - msw) / (msb + (n0 - 1) * msw))
    assert (ours.df1[0], ours.df2[0], ours.n_used[0]) == (2, 2, 3)
    pair = [[1.0, 2.0], [4.0, 4.5]]  # two subjects are enough, and so is one repetition
    assert icc(pair, form="ICC(1,1)", missing="available").value[0] == pytest.approx(
        icc(pair, form="ICC(1,1)").value[0]
    )
    once = icc([[1.0, math.nan], [4.0, 4.5]], form="ICC(1,1)", missing="available")
    assert (once.df1[0], once.df2[0]) == (1, 1)
    assert np.isfinite([once.value[0], once.low[0], once.high[0]]).all()
    lone = icc([[1.0, math.nan], [2.0, math.nan], [3.0, math.nan]], form="ICC(1,1)", missing="available")
    assert math.isnan(lone.value[0])
    assert lone.note.startswith("1 of 1 features have too few rated subjects for an ICC")
    flat = icc([[1.0, math.nan], [1.0, 1.0], [1.0, 1.0]], form="ICC(1,1)", missing="available")
    assert math.isnan(flat.value[0])
    assert flat.note.startswith("1 of 1 features do not vary and have no ICC")


def test_a_mean_without_variance_has_no_reliability() -> None:
    x = np.array([[1.0, 2.0], [2.0, 1.0], [1.0, 2.0], [2.0, 1.0]])  # every mean is 1.5
    for form, one in icc_all(x).items():
        assert one.statistic[0] == 0.0
        assert one.p_value[0] == 1.0
        if form.endswith("k)"):
            assert math.isnan(one.value[0])
            assert one.note == "1 of 1 features have no ICC: its denominator is estimated as zero or less"
        else:
            assert one.value[0] < 0
            assert one.note == ""
    assert math.isnan(icc([[1.0, 2.0], [2.0, 1.0]]).value[0])  # a denominator of exactly zero
    # means vary less than chance would have it: psych's ICC2k is above 1 here
    odd = np.array([[0.0, 10.0], [10.1, 0.0], [0.0, 10.2], [10.0, 0.3]])
    assert math.isnan(icc(odd, form="ICC(2,k)").value[0])
    assert icc(odd, form="ICC(2,1)").value[0] < -1


def test_the_lower_limit_of_a_mean_is_unbounded() -> None:
    rng = np.random.default_rng(3)
    x = rng.normal(size=(4, 2, 200))
    found = icc_all(x)
    for form in ("ICC(1,k)", "ICC(2,k)", "ICC(3,k)"):
        one = found[form]
        defined = ~np.isnan(one.value)
        assert (one.low[defined] <= one.value[defined]).all()
        assert (one.high[defined] <= 1).all()
        assert (one.high[defined] >= one.value[defined]).all()


@pytest.mark.parametrize("form", ["ICC(1,1)", "ICC(2,1)", "ICC(3,1)"])
def test_the_interval_covers(form: str) -> None:
    rng = np.random.default_rng(11)
    truth, raters, noise = (rng.normal(size=shape) for shape in ((15, 1, 4000), (1, 3, 4000), (15, 3, 4000)))
    x = 2 * truth + (0.0 if form == "ICC(1,1)" else raters) + noise
    want = {"ICC(1,1)": 4 / 5, "ICC(2,1)": 4 / 6, "ICC(3,1)": 4 / 5}[form]
    ours = icc(x, form=form)
    approximate = 0.03 if form == "ICC(2,1)" else 0.012  # Satterthwaite's degrees of freedom from three raters
    assert np.mean((ours.low <= want) & (want <= ours.high)) == pytest.approx(0.95, abs=approximate)


def test_unbalanced_intervals_cover() -> None:
    rng = np.random.default_rng(12)
    x = rng.normal(size=(25, 1, 3000)) + rng.normal(size=(25, 3, 3000))
    x[rng.random(x.shape) < 0.2] = math.nan
    ours = icc(x, form="ICC(1,1)", missing="available")
    assert np.mean((ours.low <= 0.5) & (ours.high >= 0.5)) == pytest.approx(0.95, abs=0.02)


def test_missing_is_refused_where_it_has_no_meaning() -> None:
    with pytest.raises(InputError, match=r"for ICC\(1,1\) and ICC\(1,k\) alone, not for ICC\(2,1\)"):
        icc(SF, missing="available")
    with pytest.raises(InputError, match=r"not for ICC\(2,1\), ICC\(3,1\), ICC\(2,k\), ICC\(3,k\)"):
        icc_all(SF, missing="available")
    with pytest.raises(InputError, match="`missing` must be one of"):
        icc(SF, missing="drop")
    with pytest.raises(InputError, match=r"`missing` must be one of"):
        icc_all(SF, missing="omit")
    with pytest.raises(InputError, match="`level` must lie strictly between"):
        icc_all(SF, level=95)
    infinite = np.array(SF, dtype=float)
    infinite[1, 1] = math.inf
    with pytest.raises(InputError, match=r"1 values are not.*features or subjects$"):
        icc(infinite, missing="complete-case")
    infinite[1, 1] = math.nan
    with pytest.raises(InputError, match=r'or subjects, or pass missing="complete-case"$'):
        icc(infinite)


def test_keep() -> None:
    x = ratings(5, n=20, k=2, p=40)
    x[:, :, 7] = 3.0
    a = icc(x)
    by_value, by_lower = keep(a), keep(a, by="lower")
    np.testing.assert_array_equal(by_value.mask, np.nan_to_num(a.value, nan=-1) >= 0.75)
    np.testing.assert_array_equal(by_lower.mask, np.nan_to_num(a.low, nan=-1) >= 0.75)
    assert (by_value.kept, by_value.total, by_value.undefined) == (int(by_value.mask.sum()), 40, 1)
    assert 0 < by_lower.kept < by_value.kept < 40
    assert (by_lower.mask <= by_value.mask).all()
    assert (by_value.threshold, by_value.by, by_value.form) == (0.75, "value", "ICC(2,1)")
    assert repr(by_value) == f"{by_value.kept} of 40 features kept (ICC(2,1) >= 0.75; 1 undefined and not kept)"
    assert repr(by_lower).startswith(f"{by_lower.kept} of 40 features kept (lower limit of ICC(2,1) >= 0.75;")
    exactly = float(a.value[3])
    assert keep(a, threshold=exactly).mask[3]
    assert not keep(a, threshold=math.nextafter(exactly, 2)).mask[3]
    assert keep(a, threshold=1).kept == 0
    assert keep(a, threshold=-5).undefined == 1
    assert keep(a, threshold=-5).kept == 39
    assert repr(keep(icc(SF), threshold=0.2)) == "1 of 1 features kept (ICC(2,1) >= 0.2)"
    assert by_value.to_dict()["mask"] == by_value.mask.tolist()
    with pytest.raises(InputError, match="`by` must be one of"):
        keep(a, by="upper")
    for bad in (75, math.nan, (0.5, 0.6), math.inf):
        with pytest.raises(InputError, match="`threshold` must be a number of at most 1"):
            keep(a, threshold=bad)


def test_repr() -> None:
    assert repr(icc(SF)) == "ICC(2,1) of 1 features (n = 6, k = 4; median 0.29)"
    assert repr(icc(np.ones((3, 2)))) == (
        "ICC(2,1) of 1 features (n = 3, k = 2; median nan; 1 of 1 features do not vary and have no ICC)"
    )
