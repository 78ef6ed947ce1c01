"""Table 1 against R and scipy: which test is chosen, what it says, and what the cells show."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from validkit.errors import InputError
from validkit.stats.descriptive import describe, table_one

REFERENCE = Path(__file__).resolve().parents[1] / "reference"


def cohort() -> tuple[pd.DataFrame, pd.Series]:
    data = pd.read_csv(REFERENCE / "logistic_data.csv").drop(columns=["marker", "score"])
    data["histology"] = pd.Categorical(data["histology"], ["squamous", "adeno", "other", "rare"])
    groups = pd.Categorical(data.pop("y").map({0: "negative", 1: "positive"}), ["negative", "positive"])
    return data, pd.Series(groups, index=data.index)


def reference(quantity: str) -> float:
    table = pd.read_csv(REFERENCE / "logistic_reference.csv")
    (value,) = table.loc[(table["case"] == "table1") & (table["quantity"] == quantity), "value"]
    return float(value)


def by_name(data, groups, **options):
    return {item.name: item for item in describe(data, groups, **options)}


def test_every_number_equals_r():
    data, groups = cohort()
    found = by_name(data, groups)
    for name in ("diameter", "rbc", "parity"):
        other, event = found[name].normality
        assert event.p_value == pytest.approx(reference(f"shapiro p event {name}"), rel=1e-6)
        assert other.p_value == pytest.approx(reference(f"shapiro p other {name}"), rel=1e-6)
        assert found[name].smd == pytest.approx(reference(f"smd {name}"), abs=1e-8)
    assert found["rbc"].test.p_value == pytest.approx(reference("welch p rbc"), abs=1e-8)
    student = by_name(data, groups, t_test="student")["rbc"].test
    assert (student.method, student.p_value) == ("Student t", pytest.approx(reference("student p rbc"), abs=1e-8))
    for name in ("diameter", "parity"):
        assert found[name].test.p_value == pytest.approx(reference(f"mann-whitney p {name}"), abs=1e-8)
    assert found["smoker"].test.p_value == pytest.approx(reference("chi-square p smoker"), abs=1e-8)
    assert found["histology"].test.p_value == pytest.approx(reference("fisher p histology"), abs=1e-7)


def test_normality_chooses_summary_and_test():
    data, groups = cohort()
    found = by_name(data, groups)
    assert (found["rbc"].summary, found["rbc"].test.method) == ("mean (SD)", "Welch t")
    assert (found["diameter"].summary, found["diameter"].test.method) == ("median [IQR]", "Mann-Whitney U")
    assert (found["smoker"].kind, found["smoker"].test.method) == ("binary", "chi-square")
    assert (found["histology"].kind, found["histology"].test.method) == ("categorical", "Fisher exact")
    strict = by_name(data, groups, alpha=1e-12)
    assert strict["diameter"].test.method == "Welch t"


def test_effect_sizes_are_signed_second_group_minus_first():
    data, groups = cohort()
    found = by_name(data, groups)
    event, other = (data.loc[groups == g, "diameter"] for g in ("positive", "negative"))
    u = stats.mannwhitneyu(event, other).statistic
    assert found["diameter"].effect.value == pytest.approx(u / (len(event) * len(other)), abs=1e-12)
    assert found["rbc"].effect.value < 0
    assert found["rbc"].smd < 0 < found["diameter"].smd
    swapped = by_name(data, groups.cat.reorder_categories(["positive", "negative"]))
    for name in ("diameter", "rbc", "smoker"):
        assert swapped[name].smd == pytest.approx(-found[name].smd, abs=1e-12)
        assert swapped[name].test.p_value == pytest.approx(found[name].test.p_value, rel=1e-9)


def test_binary_difference_is_the_formula():
    data, groups = cohort()
    p0, p1 = (data.loc[groups == g, "smoker"].mean() for g in ("negative", "positive"))
    expected = (p1 - p0) / math.sqrt((p0 * (1 - p0) + p1 * (1 - p1)) / 2)
    assert by_name(data, groups)["smoker"].smd == pytest.approx(expected, abs=1e-12)


def test_the_table_shows_counts_missing_and_units():
    data, groups = cohort()
    data.loc[[3, 5, 8], "rbc"] = np.nan
    table = table_one(data, groups, units={"rbc": "10^12/L"}, labels={"rbc": "Red cells"})
    assert table.columns[2:5] == ("all (n = 160)", "negative (n = 111)", "positive (n = 49)")
    rows = {row[0]: row for row in table.rows}
    assert rows["Red cells (10^12/L)"][5].startswith("3 (")
    assert rows["smoker"][2] == "39 (24.4)"
    assert rows["  rare"][2:5] == ("0 (0.0)", "0 (0.0)", "0 (0.0)")
    assert [row[0] for row in table.rows[-5:]] == ["histology", "  squamous", "  adeno", "  other", "  rare"]
    assert "positive minus negative" in table.note


def test_ordinal_levels_are_named_and_compared_by_their_order():
    data, groups = cohort()
    places = data[["parity"]].clip(upper=2).astype(float)
    (item,) = describe(places, groups, kinds={"parity": "ordinal"}, levels={"parity": ("none", "one", "more")})
    assert item.levels == ("none", "one", "more")
    event, other = (places.loc[groups == g, "parity"] for g in ("positive", "negative"))
    assert item.test.p_value == pytest.approx(stats.mannwhitneyu(event, other).pvalue, rel=1e-12)
    assert item.cells[0][0] == f"{int((places['parity'] == 0).sum())} ({100 * (places['parity'] == 0).mean():.1f})"
    with pytest.raises(InputError, match="holds 2, which is not the place"):
        describe(places, groups, kinds={"parity": "ordinal"}, levels={"parity": ("none", "one")})


def test_what_cannot_be_compared_says_why():
    rng = np.random.default_rng(0)
    data = pd.DataFrame({"flat": np.ones(20), "holes": rng.normal(size=20), "pair": rng.normal(size=20)})
    groups = np.repeat(["a", "b"], 10)
    data.loc[:9, "holes"] = np.nan
    data.loc[2:9, "pair"] = np.nan
    found = by_name(data, groups, kinds={"flat": "continuous"})
    assert (found["flat"].test.note, math.isnan(found["flat"].smd)) == ("all values are equal", True)
    assert (found["holes"].test.note, found["holes"].missing) == ("a group without values", (10, 0))
    assert found["holes"].cells[0][1] == "no value"
    assert (found["pair"].test.method, found["pair"].normality[0].note) == ("Mann-Whitney U", "fewer than three values")
    assert [row[-2] for row in table_one(data, groups).rows][1] == "a group without values"


def test_beyond_five_thousand_values_normality_is_tested_otherwise():
    rng = np.random.default_rng(0)
    data = pd.DataFrame({"x": rng.normal(size=12_000)})
    (item,) = describe(data, np.repeat([0, 1], 6000), alpha=0.001)
    assert {test.method for test in item.normality} == {"D'Agostino-Pearson"}
    assert item.test.method == "Welch t"


def test_large_groups_need_no_table_of_all_pairs():
    rng = np.random.default_rng(0)
    x = rng.exponential(size=10_000)
    (item,) = describe(pd.DataFrame({"x": x}), np.repeat([0, 1], 5000))
    expected = stats.mannwhitneyu(x[5000:], x[:5000])
    assert item.test.p_value == pytest.approx(expected.pvalue, rel=1e-12)
    assert item.effect.value == pytest.approx(expected.statistic / 25_000_000, rel=1e-12)


def test_what_is_refused():
    data, groups = cohort()
    with pytest.raises(InputError, match="exactly two groups; it has 1"):
        describe(data, np.zeros(len(data)))
    with pytest.raises(InputError, match="different patients"):
        describe(data, groups.iloc[::-1])
    with pytest.raises(InputError, match="`groups` is missing for 1 patients"):
        describe(data, groups.where(groups.index != 4))
    with pytest.raises(InputError, match="does not hold numbers"):
        describe(pd.DataFrame({"a": ["x", "y"] * 80}), groups, kinds={"a": "continuous"})
    endless = data.assign(rbc=data["rbc"].where(data.index != 2, np.inf))
    with pytest.raises(InputError, match=r"column 'rbc' is infinite for 1 of 160 patients \(rows 2\)"):
        describe(endless, groups)
    with pytest.raises(InputError, match="`t_test` must be one of"):
        describe(data, groups, t_test="paired")


def test_two_patients_one_level_and_nobody_with_a_value():
    (item,) = describe(pd.DataFrame({"x": [1.0, 2.0]}), [0, 1])
    assert (item.test.method, item.test.p_value, item.effect.value) == ("Mann-Whitney U", 1.0, 1.0)
    assert math.isnan(item.smd)
    (item,) = describe(pd.DataFrame({"x": [True, True]}), ["a", "b"])
    assert (item.kind, item.cells) == ("binary", (("2 (100.0)", "1 (100.0)", "1 (100.0)"),))
    assert item.test.note == "all patients in one level or one group"
    (item,) = describe(pd.DataFrame({"x": ["u", "v"]}), [True, False])
    assert (item.test.method, item.test.p_value, item.effect.value) == ("Fisher exact", 1.0, 1.0)
    (item,) = describe(pd.DataFrame({"x": [np.nan] * 4}), [0, 0, 1, 1], kinds={"x": "continuous"})
    assert (item.missing, item.cells) == ((2, 2), (("no value",) * 3,))


def test_groups_of_every_sort_are_the_same_groups():
    data, groups = cohort()
    codes = (groups == "positive").astype(int)
    want = describe(data, groups)
    for other in (codes, codes.astype(bool), codes.astype(float), codes + 1, codes.map({0: "a", 1: "b"})):
        for one, two in zip(want, describe(data, other), strict=True):
            assert (one.cells, one.missing, one.smd) == (two.cells, two.missing, two.smd)
            assert repr(one.test) == repr(two.test)


def test_three_values_are_enough_for_shapiro() -> None:
    table = table_one(pd.DataFrame({"age": [18.0, 18.0, 18.3, 19.0]}), [0, 0, 0, 1])
    assert "18" in repr(table.rows)


def test_what_cannot_be_summed_or_ordered_names_its_column() -> None:
    with pytest.raises(InputError, match="column 'x' holds 1e\\+300, beyond 1e\\+150"):
        table_one(pd.DataFrame({"x": [1e300, 1.5e300]}), [0, 1])
    mixed = pd.DataFrame({"stage": pd.Series(["see letter", 1.0, 2.0, 1.0], dtype=object)})
    with pytest.raises(InputError, match="column 'stage' mixes float and str, which have no order"):
        table_one(mixed, [0, 1, 0, 1])
