from __future__ import annotations

import json
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from sklearn.feature_selection import RFE
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

from validkit.errors import InputError
from validkit.plnm.fusion import FusionSelector


def fused(n: int = 150, radiomics: int = 9, deep: int = 20, seed: int = 0) -> tuple[pd.DataFrame, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = (rng.random(n) < 0.4).astype(int)
    names = [f"original_{i}" for i in range(radiomics)] + [f"deep_{i:02d}" for i in range(deep)]
    X = pd.DataFrame(rng.normal(size=(n, len(names))), columns=names, index=[f"p{i}" for i in range(n)])
    X[f"original_{min(4, radiomics - 1)}"] += 1.5 * y
    if deep:
        X[f"deep_{min(3, deep - 1):02d}"] -= 1.5 * y
    return X, y


def test_the_paper_s_73_columns_become_7_and_9() -> None:
    X, y = fused(n=294, radiomics=9, deep=64)
    selector = FusionSelector(radiomics=7, deep=9, random_state=0).fit(X, y)
    kept = list(selector.get_feature_names_out())
    assert sum(name.startswith("deep_") for name in kept) == 9
    assert len(kept) == 16
    assert {"original_4", "deep_03"} <= set(kept)
    assert selector.note_ == ""
    assert sorted(selector.ranking_) == [1] * 16 + list(range(2, 73 - 16 + 2))
    assert np.array_equal(selector.ranking_ == 1, selector.support_)


def test_with_one_branch_it_is_scikit_learn_s_elimination() -> None:
    X, y = fused(deep=0, radiomics=15)
    selector = FusionSelector(radiomics=4, deep=3, random_state=0).fit(X, y)
    theirs = RFE(LogisticRegression(max_iter=5000, tol=1e-8), n_features_to_select=4)
    theirs.fit(StandardScaler().fit_transform(X), y)
    assert np.array_equal(selector.support_, theirs.support_)
    assert np.array_equal(selector.ranking_, theirs.ranking_)
    assert selector.note_ == "0 deep columns for a quota of 3: none was eliminated"


def test_a_branch_at_its_quota_is_protected_while_the_other_goes_on() -> None:
    """Noise in the radiomic branch stays because its quota is met, although informative deep columns leave."""
    X, y = fused(radiomics=3, deep=12)
    for j in range(12):
        X[f"deep_{j:02d}"] += 0.8 * y
    selector = FusionSelector(radiomics=2, deep=1).fit(X, y)
    assert selector.support_[:3].sum() == 2
    assert selector.support_[3:].sum() == 1
    everything = FusionSelector(radiomics=3, deep=12).fit(X, y).importance_
    assert everything[:3].min() < np.median(everything[3:])


def test_final_coefficients_are_those_of_the_kept_columns() -> None:
    X, y = fused()
    selector = FusionSelector(radiomics=3, deep=4).fit(X, y)
    Z = StandardScaler().fit_transform(X.loc[:, selector.support_])
    expected = LogisticRegression(max_iter=5000, tol=1e-8).fit(Z, y).coef_[0]
    np.testing.assert_allclose(selector.coef_[selector.support_], expected, atol=1e-6)
    assert np.array_equal(selector.importance_[selector.support_], np.abs(selector.coef_[selector.support_]))
    assert np.isnan(selector.importance_[~selector.support_]).all()


def test_fewer_columns_than_the_quota_are_all_kept_and_noted() -> None:
    X, y = fused(radiomics=5, deep=12)
    selector = FusionSelector(radiomics=7, deep=9).fit(X, y)
    assert selector.support_[:5].all()
    assert selector.support_[5:].sum() == 9
    assert selector.note_ == "5 radiomics columns for a quota of 7: none was eliminated"


def test_units_and_row_order_do_not_matter_and_bytes_repeat() -> None:
    X, y = fused()
    one, two = (FusionSelector(3, 4).fit(X, y) for _ in range(2))
    assert one.importance_.tobytes() == two.importance_.tobytes()
    scaled = FusionSelector(3, 4).fit(X * np.geomspace(1e-3, 1e3, X.shape[1]) + 5, y)
    assert np.array_equal(scaled.ranking_, one.ranking_)
    turned = FusionSelector(3, 4).fit(X.iloc[::-1], y[::-1])
    assert np.array_equal(turned.ranking_, one.ranking_)


def test_of_identical_columns_the_last_leaves_first() -> None:
    X, y = fused(radiomics=3, deep=0)
    X["original_9"] = X["original_0"]
    pair = FusionSelector(radiomics=1, deep=1).fit(X[["original_0", "original_9"]], y)
    assert pair.support_.tolist() == [True, False]


def test_branches_may_be_declared_by_name() -> None:
    X, y = fused(radiomics=3, deep=3)
    branches = {name: "deep" if name.endswith("1") else "radiomics" for name in X}
    selector = FusionSelector(radiomics=1, deep=1, branches=branches).fit(X, y)
    assert sorted(branches[name] for name in selector.get_feature_names_out()) == ["deep", "radiomics"]
    with pytest.raises(InputError, match="column 'deep_02' has None"):
        FusionSelector(branches={name: "deep" for name in X if name != "deep_02"}).fit(X, y)


def test_record_is_plain_json_in_order_of_importance() -> None:
    X, y = fused()
    selector = FusionSelector(3, 4).fit(X, y)
    record = selector.record()
    assert json.loads(json.dumps(record, allow_nan=False)) == record
    assert record["before"] == 29
    assert {row["feature"] for row in record["selected"]} == set(selector.get_feature_names_out())
    importance = [row["importance"] for row in record["selected"]]
    assert importance == sorted(importance, reverse=True)
    assert [row["rank"] for row in record["ranking"]] == sorted(selector.ranking_)
    assert Counter(row["branch"] for row in record["ranking"]) == {"radiomics": 9, "deep": 20}


def test_refuses_what_makes_no_sense() -> None:
    X, y = fused()
    with pytest.raises(InputError, match="radiomics must be the number of columns to keep, 0 or more; got -1"):
        FusionSelector(radiomics=-1).fit(X, y)
    with pytest.raises(InputError, match="would keep nothing"):
        FusionSelector(radiomics=0, deep=0).fit(X, y)
    with pytest.raises(InputError, match=r"1 of 29 hold NaN or infinity \(deep_00\)"):
        FusionSelector().fit(X.assign(deep_00=np.nan), y)


def test_scikit_learn_estimator_checks() -> None:
    results = check_estimator(FusionSelector(), on_skip=None, on_fail=None)
    assert [result["check_name"] for result in results if result["status"] == "failed"] == []
    assert sum(result["status"] == "passed" for result in results) >= 42
