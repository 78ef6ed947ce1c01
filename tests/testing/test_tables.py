from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st

from validkit.errors import InputError
from validkit.stats import icc_all
from validkit.testing.readers import AGREEMENTS, reader_features
from validkit.testing.tables import KINDS, MECHANISMS, ODD_COLUMNS, ODD_NAMES, clinical_tables

few = settings(max_examples=40)


def predictors(table: pd.DataFrame) -> pd.DataFrame:
    return table[list(table.attrs["variables"])]


@few
@given(clinical_tables())
def test_a_table_has_patients_both_outcomes_and_predictors_within_their_ranges(table):
    assert table["patient_id"].is_unique
    assert set(table["outcome"]) == {0, 1}
    assert 2 <= len(table) <= 60
    assert 1 <= len(table.attrs["variables"]) <= 6
    for name, variable in table.attrs["variables"].items():
        values = table[name].dropna()
        assert len(values) >= 1
        if variable.levels:
            assert values.cat.ordered == (variable.kind == "ordinal")
            assert set(values) <= set(variable.levels)
        else:
            assert values.between(variable.low, variable.high).all()


@few
@given(clinical_tables(rows=(3, 5), predictors=(2, 2), sites=(2, 3), missing=False, kinds=("count", "binary")))
def test_the_arguments_are_kept(table):
    assert 3 <= len(table) <= 5
    assert table["site"].isin(list("ABC")).all()
    assert not table.isna().any(axis=None)
    assert {variable.kind for variable in table.attrs["variables"].values()} <= {"count", "binary"}
    assert (predictors(table).dtypes == "int64").all()


@few
@given(st.data())
def test_values_are_missing_completely_at_random_or_by_the_first_predictor(data):
    table = data.draw(clinical_tables(rows=(8, 20), predictors=(2, 4)))
    gaps = predictors(table).isna()
    mechanism = table.attrs["mechanism"]
    assert mechanism in MECHANISMS
    if mechanism == "none":
        assert not gaps.any(axis=None)
    if mechanism == "dependent":
        assert not gaps.iloc[:, 0].any()


@pytest.mark.parametrize("mechanism", MECHANISMS[1:])
def test_the_smallest_table_with_a_gap_has_two_patients_and_one_gap(mechanism):
    table = find(clinical_tables(), lambda t: t.attrs["mechanism"] == mechanism and t.isna().any(axis=None))
    assert len(table) == 2
    assert table.isna().sum().sum() == 1
    assert list(table["outcome"]) == [0, 1]


def test_the_simplest_table_is_the_smallest():
    table = find(clinical_tables(rows=(5, 60)), lambda _: True)
    assert table.shape == (5, 3)
    assert list(table["outcome"]) == [0, 0, 0, 0, 1]
    assert table.iloc[:, 2].nunique() == 1
    assert list(table["patient_id"]) == [f"P{row:03d}" for row in range(1, 6)]


def test_the_smallest_table_with_three_events_at_site_b_has_three_patients():
    def events(table: pd.DataFrame) -> bool:
        return "site" in table and table.loc[table["site"] == "B", "outcome"].sum() >= 3

    table = find(clinical_tables(both_classes=False), events)
    assert (len(table), len(table.attrs["variables"])) == (3, 1)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_reached_with_ties(kind):
    def tied(table: pd.DataFrame) -> bool:
        column = predictors(table).iloc[:, 0]
        return column.nunique() == len(table) - 1 and len(table) > 2

    assert len(find(clinical_tables(kinds=(kind,), rows=(2, 8), predictors=(1, 2)), tied)) == 3


@pytest.mark.parametrize("odd", ODD_COLUMNS)
def test_every_odd_column_is_reached(odd):
    table = find(clinical_tables(hostile=True), lambda t: t.attrs["odd"] == odd)
    assert table.shape == (2, 4)
    column = table.iloc[:, 3]
    assert {
        "constant": column.nunique() == 1,
        "empty": column.isna().all(),
        "copy": column.astype(str).tolist() == table.iloc[:, 2].astype(str).tolist(),
        "separating": (column == table["outcome"]).all(),
        "huge": column.dtype == float and column.min() == 1e300,
        "text among numbers": column.dtype == object,
    }[odd]


def test_the_simplest_table_with_an_odd_name_has_no_other():
    table = find(clinical_tables(hostile=True), lambda t: "x;y" in t.attrs["variables"])
    assert list(table.columns) == ["patient_id", "outcome", "x;y", "constant"]
    assert table.attrs["variables"]["x;y"].name == "age_years"


def test_every_odd_name_is_reached():
    seen: set[str] = set()

    @settings(max_examples=150, database=None, derandomize=True)
    @given(clinical_tables(hostile=True, rows=(2, 3)))
    def look(table):
        seen.update(table.columns)

    look()
    assert seen >= set(ODD_NAMES)


@few
@given(clinical_tables(hostile=True))
def test_hostile_tables_keep_patients_and_outcome(table):
    assert table.columns.is_unique
    assert list(table.columns[:2]) == ["patient_id", "outcome"]
    assert set(table.attrs["variables"]) <= set(table.columns)


@pytest.mark.parametrize(("low", "high"), [(0.0, 0.01), (0.05, 0.2), (0.2, 0.45), (0.45, 0.8), (0.8, 0.99)])
def test_every_share_of_missing_values_is_reached(low, high):
    quick = settings(max_examples=5000, phases=[Phase.generate], database=None, derandomize=True)
    tables = clinical_tables(rows=(20, 20), predictors=(1, 1))
    assert len(find(tables, lambda t: low <= t.iloc[:, -1].isna().mean() < high, settings=quick)) == 20


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"rows": (1, 5)}, "`rows` must be .* at least 2"),
        ({"rows": (5, 3)}, "low <= high"),
        ({"predictors": (0, 3)}, "`predictors` .* at least 1"),
        ({"kinds": ("count",), "predictors": (1, 3)}, "at most 2"),
        ({"sites": (0, 27)}, "`sites`"),
    ],
)
def test_impossible_ranges_are_refused_at_once(arguments, words):
    with pytest.raises(InputError, match=words):
        clinical_tables(**arguments)


def icc(features: np.ndarray, form: str) -> np.ndarray:
    return icc_all(np.moveaxis(features, 0, -1))[form].value


@few
@given(reader_features())
def test_features_have_the_stated_shape_and_go_into_icc_all(features):
    p, n, k = features.shape
    assert 1 <= p <= 8
    assert 3 <= n <= 20
    assert 2 <= k <= 3
    assert np.isfinite(features).all()
    for form, agreement in icc_all(np.moveaxis(features, 0, -1)).items():
        assert (agreement.value.shape, agreement.n, agreement.k) == ((p,), n, k), form
        assert (agreement.value[np.isfinite(agreement.value)] <= 1 + 1e-9).all()


@few
@given(reader_features(agreements=("identical",)))
def test_identical_readers_agree_perfectly(features):
    for form in ("ICC(1,1)", "ICC(2,1)", "ICC(3,1)"):
        np.testing.assert_allclose(icc(features, form), 1)


@few
@given(reader_features(agreements=("shifted",)))
def test_a_shifted_reader_is_consistent_and_does_not_agree(features):
    np.testing.assert_allclose(icc(features, "ICC(3,1)"), 1)
    assert (icc(features, "ICC(2,1)") < 1).all()


@few
@given(reader_features(agreements=("reversed",), readers=(2, 2)))
def test_a_reversed_reader_is_opposed(features):
    assert (icc(features, "ICC(3,1)") < 1e-9).all()


@few
@given(reader_features(agreements=("constant",)))
def test_a_constant_feature_has_no_icc(features):
    assert np.isnan(icc(features, "ICC(2,1)")).all()


@few
@given(reader_features(agreements=("noisy",)))
def test_noise_is_bounded(features):
    spread = np.ptp(features, axis=2) / np.abs(features).max(axis=(1, 2))[:, None]
    assert (np.ptp(features, axis=2).max(axis=1) <= 25 * 2.0**200).all()
    assert np.isfinite(spread).all()


@pytest.mark.parametrize("agreement", AGREEMENTS)
def test_the_smallest_of_every_agreement_has_one_feature(agreement):
    features = find(reader_features(agreements=(agreement,)), lambda _: True)
    assert features.shape == (1, 3, 2)
    assert features.max() <= 2


def test_the_smallest_example_of_a_low_icc_is_small():
    features = find(reader_features(agreements=("noisy",)), lambda x: icc(x, "ICC(2,1)").min() < 0.5)
    assert features.shape[:2] == (1, 3)


@pytest.mark.parametrize("arguments", [{"subjects": (1, 5)}, {"readers": (1, 2)}, {"agreements": ("alike",)}])
def test_readers_that_make_no_sense_are_refused(arguments):
    with pytest.raises(InputError):
        reader_features(**arguments)
