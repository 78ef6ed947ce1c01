"""Chi-square and Fisher's exact test against R and against every table counted."""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from validkit.errors import InputError
from validkit.stats.contingency import chi_square, fisher_exact, independence

REFERENCE = Path(__file__).resolve().parents[1] / "reference"


def test_fisher_equals_r_for_two_by_k():
    table = pd.read_csv(REFERENCE / "logistic_reference.csv")
    cases = table[table["case"] == "fisher"]
    assert len(cases) == 4
    for row in cases.itertuples():
        counts = np.array(row.quantity.split(), int).reshape(-1, 2)
        assert fisher_exact(counts).p_value == pytest.approx(row.value, abs=row.tolerance)


@settings(max_examples=30, deadline=None)
@given(counts=st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=2, max_size=4))
def test_fisher_equals_the_sum_over_every_table(counts):
    table = np.array(counts)
    sizes, total = table.sum(axis=1), int(table[:, 0].sum())

    def weight(first):
        return math.prod(math.comb(int(s), int(x)) for s, x in zip(sizes, first, strict=True))

    every = [weight(f) for f in itertools.product(*(range(s + 1) for s in sizes)) if sum(f) == total]
    observed = weight(table[:, 0])
    assert fisher_exact(table).p_value == pytest.approx(sum(w for w in every if w <= observed) / sum(every), abs=1e-12)


@settings(max_examples=30, deadline=None)
@given(counts=st.lists(st.integers(0, 40), min_size=4, max_size=4), order=st.permutations([0, 1]))
def test_fisher_of_two_by_two_equals_scipy_in_any_order(counts, order):
    table = np.array(counts).reshape(2, 2)
    p = fisher_exact(table).p_value
    if (table.sum(axis=0) > 0).all() and (table.sum(axis=1) > 0).all():
        assert p == pytest.approx(stats.fisher_exact(table)[1], abs=1e-9)
    assert fisher_exact(table[order][:, order]).p_value == pytest.approx(p, abs=1e-12)


def test_chi_square_equals_scipy_without_continuity_correction():
    counts = np.array([[30, 12], [22, 19], [14, 25]])
    found, expected = chi_square(counts), stats.chi2_contingency(counts, correction=False)
    assert found.statistic == pytest.approx(expected.statistic, rel=1e-12)
    assert (found.p_value, found.df) == (pytest.approx(expected.pvalue, rel=1e-12), 2)


def test_a_low_expected_count_calls_for_fisher():
    assert independence([[30, 12], [22, 19]]).method == "chi-square"
    assert independence([[30, 12], [2, 1]]).method == "Fisher exact"
    assert independence([[30, 12], [22, 19], [0, 0]]).to_dict() == independence([[30, 12], [22, 19]]).to_dict()


def test_too_many_tables_is_said_and_chi_square_used():
    rng = np.random.default_rng(3)
    counts = rng.integers(1, 60, size=(14, 2)) * 9
    counts[0] = [1, 2]
    found = independence(counts)
    assert found.method == "chi-square"
    assert found.note == "low expected counts; too many tables for Fisher's exact test"


def test_nothing_to_compare_is_undefined():
    found = independence([[12, 0], [3, 0]])
    assert math.isnan(found.p_value)
    assert found.note == "all patients in one level or one group"


def test_what_is_refused():
    with pytest.raises(InputError, match="whole numbers of at least 0"):
        chi_square([[1, -2], [3, 4]])
    with pytest.raises(InputError, match="two columns, one a group; it has 3"):
        fisher_exact([[1, 2, 3]])
    with pytest.raises(InputError, match="empty row or column"):
        chi_square([[1, 2], [0, 0]])
