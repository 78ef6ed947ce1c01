"""The ICC filter: equal to pingouin, on training patients alone, its choices recorded."""

from __future__ import annotations

import json
import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from validkit.errors import InputError, StageError
from validkit.plnm.reproducibility import ReproducibilityFilter

GROUPS = {"intra": ("reader_a", "reader_a_again"), "inter": ("reader_a", "reader_b")}
NOISE = {"reader_a": 0.05, "reader_a_again": 0.5, "reader_b": 0.9}


def readings(n: int = 60, p: int = 12, seed: int = 0) -> dict[str, pd.DataFrame]:
    """The same lesions read three times; later features are noisier, and reader B is the noisiest."""
    rng = np.random.default_rng(seed)
    index = pd.Index([f"p{i:03}" for i in range(n)], name="patient")
    columns = [f"f{j}" for j in range(p)]
    truth = rng.standard_normal((n, p))
    scale = np.linspace(0.2, 2.0, p)
    return {
        role: pd.DataFrame(truth + noise * scale * rng.standard_normal((n, p)), index=index, columns=columns)
        for role, noise in NOISE.items()
    }


def fitted(tables: dict[str, pd.DataFrame] | None = None, **settings) -> ReproducibilityFilter:
    tables = dict(tables or readings())
    primary = tables.pop("reader_a")
    return ReproducibilityFilter(**{"groups": GROUPS, **settings}).fit(primary, repeats=tables)


@pytest.mark.parametrize(
    ("form", "name"), [("ICC(1,1)", "ICC(1,1)"), ("ICC(2,1)", "ICC(A,1)"), ("ICC(3,1)", "ICC(C,1)")]
)
def test_the_icc_of_every_feature_is_pingouins(form: str, name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pingouin import intraclass_corr
    tables = readings(n=30, p=4)
    found = fitted(tables, form=form, minimum=-1.0)
    for group, roles in GROUPS.items():
        for feature in found.icc_["feature"]:
            long = pd.concat([tables[r][feature].rename("value").reset_index().assign(rater=r) for r in roles])
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                table = intraclass_corr(long, targets="patient", raters="rater", ratings="value").set_index("Type")
            ours = found.icc_.set_index("feature").loc[feature]
            assert ours[group] == pytest.approx(table.loc[name, "ICC"], abs=1e-10)
            assert ours[f"{group}_low"] < ours[group] < ours[f"{group}_high"]


def test_both_asks_for_every_group_and_either_for_one() -> None:
    both, either = fitted(keep="both"), fitted(keep="either")
    icc = both.icc_
    assert (both.support_ == ((icc["intra"] >= 0.75) & (icc["inter"] >= 0.75))).all()
    assert (either.support_ == ((icc["intra"] >= 0.75) | (icc["inter"] >= 0.75))).all()
    assert 0 < both.support_.sum() < either.support_.sum() < 12
    assert both.kept_ == {"intra": int((icc["intra"] >= 0.75).sum()), "inter": int((icc["inter"] >= 0.75).sum())}


def test_the_minimum_itself_is_enough() -> None:
    found = fitted(groups={"inter": GROUPS["inter"]})
    limit = float(found.icc_["inter"].median())
    exact = float(found.icc_["inter"][np.argmin(np.abs(found.icc_["inter"] - limit))])
    assert (
        fitted(groups={"inter": GROUPS["inter"]}, minimum=exact).support_.sum() == (found.icc_["inter"] >= exact).sum()
    )


def test_patients_outside_the_training_set_are_not_looked_at() -> None:
    tables = readings()
    training = tables["reader_a"].index[:40]
    expected = fitted({role: table.loc[training] for role, table in tables.items()})
    spoiled = {role: table.copy() for role, table in tables.items()}
    for role in ("reader_a_again", "reader_b"):
        spoiled[role].iloc[40:] = 1e6
    spoiled["reader_a"] = spoiled["reader_a"].loc[training]
    found = fitted(spoiled)
    pd.testing.assert_frame_equal(found.icc_, expected.icc_, check_exact=True)
    assert found.n_ == {"intra": 40, "inter": 40}


def test_a_group_is_the_patients_who_have_all_its_outlines_in_any_order() -> None:
    tables = readings()
    tables["reader_b"] = tables["reader_b"].iloc[:25].sample(frac=1, random_state=1)
    found = fitted(tables)
    assert found.n_ == {"intra": 60, "inter": 25}
    straight = fitted({**tables, "reader_b": tables["reader_b"].sort_index()})
    pd.testing.assert_frame_equal(found.icc_, straight.icc_, check_exact=True)


def test_features_that_do_not_vary_or_are_undefined_are_not_kept_and_counted() -> None:
    tables = readings()
    for table in tables.values():
        table["f0"] = 4.0
    tables["reader_b"].iloc[3, 1] = np.nan
    found = fitted(tables)
    assert found.undefined_ == {"intra": 1, "inter": 2}
    assert not found.support_[0]
    assert not found.support_[1]
    assert np.isnan(found.icc_.loc[0, "intra"])
    assert np.isnan(found.icc_.loc[1, "inter"])
    assert np.isfinite(found.icc_.loc[1, "intra"])
    assert fitted(tables, keep="either").support_[1]


def test_randomised_outlines_are_a_group_of_three() -> None:
    tables = readings()
    repeats = {"perturbed_1": tables["reader_a_again"], "perturbed_2": tables["reader_b"].iloc[:30]}
    groups = {"perturbed": ("reader_a", "perturbed_1", "perturbed_2")}
    found = ReproducibilityFilter(groups=groups).fit(tables["reader_a"], repeats=repeats)
    assert found.n_ == {"perturbed": 30}
    assert found.record()["perturbed"] is True


def test_transform_keeps_the_columns_of_any_patients_by_name() -> None:
    found = fitted()
    other = readings(n=5, seed=9)["reader_a"]
    kept = found.transform(other[other.columns[::-1]])
    assert list(kept.columns) == list(found.get_feature_names_out()) == list(found.icc_["feature"][found.support_])
    assert list(kept.index) == list(other.index)
    with pytest.raises(InputError, match=r"`X` lacks 1 of the \d+ kept features \(first: 'f0'\)"):
        found.transform(other.drop(columns="f0"))


def test_the_record_is_plain_json_with_null_for_undefined() -> None:
    tables = readings()
    for table in tables.values():
        table["f0"] = 4.0
    found = fitted(tables)
    record = json.loads(json.dumps(found.record(), allow_nan=False))
    assert record["groups"]["intra"] == {
        "roles": ["reader_a", "reader_a_again"], "n": 60, "kept": found.kept_["intra"], "undefined": 1,
    }  # fmt: skip
    assert (record["total"], record["kept"]) == (12, int(found.support_.sum()))
    assert set(record["icc"]) == {
        "feature", "intra", "intra_low", "intra_high", "inter", "inter_low", "inter_high",
    }  # fmt: skip
    assert record["icc"]["feature"][0] == "f0"
    assert record["icc"]["intra"][0] is None
    assert record["perturbed"] is False


def test_it_is_an_estimator_like_the_others() -> None:
    estimator = ReproducibilityFilter(form="ICC(3,1)", minimum=0.9, groups=GROUPS)
    copy = clone(estimator)
    assert copy.get_params() == estimator.get_params()
    with pytest.raises(NotFittedError):
        copy.transform(readings()["reader_a"])


def test_too_few_patients_is_an_error_that_names_the_group() -> None:
    tables = readings()
    tables["reader_b"] = tables["reader_b"].iloc[:9]
    message = (
        r"group 'inter' needs at least 10 training patients with all of its outlines \(reader_a, reader_b\); 9 have"
    )
    with pytest.raises(StageError, match=message):
        fitted(tables)


def test_no_feature_left_is_an_error_that_says_how_far_each_group_got() -> None:
    with pytest.raises(
        StageError, match=r"none of 12 reaches ICC\(2,1\) >= 1 in every group \(intra: 0 of 12, n = 60; "
    ):
        fitted(minimum=1.0)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"form": "ICC(4,1)"}, r"`form` must be one of ICC\(1,1\), ICC\(2,1\), ICC\(3,1\); got 'ICC\(4,1\)'"),
        ({"keep": "all"}, "`keep` must be 'both' or 'either'; got 'all'"),
        ({"groups": None}, "`groups` must name at least one group"),
        ({"groups": {"intra": ("reader_a", "reader_a")}}, "group 'intra' must name at least two different outlines"),
        ({"groups": {"x": ("reader_a", "reader_c", "reader_b")}}, "has no table of 'reader_a', 'reader_c'; only one"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        fitted(**settings)


def test_tables_that_do_not_fit_are_refused() -> None:
    tables = readings()
    with pytest.raises(InputError, match=r"table 'reader_b' lacks 1 features of `X` \(first: 'f3'\)"):
        fitted({**tables, "reader_b": tables["reader_b"].drop(columns="f3")})
    with pytest.raises(InputError, match="table 'reader_b' has a patient twice: 'p000'"):
        fitted({**tables, "reader_b": pd.concat([tables["reader_b"], tables["reader_b"].iloc[:1]])})
