from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pingouin as pg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from validkit.errors import InputError
from validkit.stats import icc
from validkit.stats.agreement import FORMS

quick = settings(deadline=None, max_examples=25)
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
