"""Logistic regression against R (glm, brglm2, logistf's formulas), its laws, and what it refuses."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from validkit.errors import InputError
from validkit.stats.regression import likelihood_ratio_test, logistic_regression

REFERENCE = Path(__file__).resolve().parents[1] / "reference"
COLUMNS = ["diameter", "rbc", "parity", "smoker"]


def cohort() -> pd.DataFrame:
    return pd.read_csv(REFERENCE / "logistic_data.csv")


def reference(case: str) -> pd.DataFrame:
    table = pd.read_csv(REFERENCE / "logistic_reference.csv")
    return table[table["case"] == case].set_index("quantity")


def design() -> pd.DataFrame:
    data = cohort()
    X = data[COLUMNS].astype(float)
    for level in ("adeno", "other"):
        X[f"histology={level}"] = (data["histology"] == level).astype(float)
    return X


def quantities(fit, profile) -> dict[str, float]:
    found = {"log likelihood": fit.log_likelihood, "model lr": fit.model_test.statistic}
    for i, name in enumerate(fit.names):
        found |= {
            f"coefficient {name}": fit.coefficients[i].value,
            f"se {name}": fit.coefficients[i].se,
            f"wald z {name}": fit.wald[i].statistic,
            f"wald p {name}": fit.wald[i].p_value,
            f"lr {name}": fit.likelihood_ratio[i].statistic,
            f"lr p {name}": fit.likelihood_ratio[i].p_value,
            f"profile low {name}": profile.coefficients[i].low,
            f"profile high {name}": profile.coefficients[i].high,
        }
    return found


def check(found: dict[str, float], case: str, at_least: int) -> None:
    table = reference(case)
    table = table[[not name.startswith("joint") for name in table.index]]
    assert len(table) >= at_least
    for name, row in table.iterrows():
        scale = max(abs(row.value), 1e-3 if " p " in name else 1.0)
        assert found[name] == pytest.approx(row.value, abs=row.tolerance * scale), name


def test_maximum_likelihood_equals_glm():
    X, y = design(), cohort()["y"]
    fit = logistic_regression(X, y)
    check(quantities(fit, logistic_regression(X, y, interval="profile")), "ml", 50)
    assert (fit.penalty, fit.interval, fit.separation, fit.note) == ("none", "wald", "none", "")


def test_joint_test_of_a_categorical_equals_glm():
    table = reference("ml")
    test = likelihood_ratio_test(design(), cohort()["y"], ["histology=adeno", "histology=other"])
    assert test.statistic == pytest.approx(table.loc["joint lr histology", "value"], abs=1e-8)
    assert test.p_value == pytest.approx(table.loc["joint lr p histology", "value"], abs=1e-8)
    assert test.df == 2


def test_firth_equals_brglm2_and_logistf():
    fit = logistic_regression(design(), cohort()["y"], penalty="firth")
    check(quantities(fit, fit), "firth", 39)
    assert (fit.penalty, fit.interval) == ("firth", "profile")


def test_separated_outcome_has_no_estimate_and_says_what_would():
    data = cohort()
    fit = logistic_regression(data[["diameter", "rbc", "marker"]], data["y"])
    assert fit.separation == "quasi-complete"
    assert not fit.defined
    assert all(math.isnan(c.value) and "marker" in c.note and 'penalty="firth"' in c.note for c in fit.coefficients)


def test_separated_outcome_under_firth_equals_logistf_and_is_stated():
    data = cohort()
    fit = logistic_regression(data[["diameter", "rbc", "marker"]], data["y"], penalty="if-separated")
    check(quantities(fit, fit), "separated", 20)
    assert fit.penalty == "firth"
    assert "quasi-complete separation of events from non-events by 'marker'; Firth's" in fit.note


def test_without_separation_if_separated_is_maximum_likelihood():
    plain = logistic_regression(design(), cohort()["y"])
    asked = logistic_regression(design(), cohort()["y"], penalty="if-separated")
    assert asked.to_dict() == plain.to_dict()


def test_complete_separation_by_two_columns_together():
    rng = np.random.default_rng(5)
    X = pd.DataFrame(rng.normal(size=(60, 2)), columns=["a", "b"])
    X["noise"] = rng.normal(size=60)
    y = (X["a"] + X["b"] > 0).astype(int)
    fit = logistic_regression(X, y, penalty="if-separated")
    assert fit.separation == "complete"
    assert "'a', 'b'" in fit.note
    assert fit.converged
    assert all(math.isfinite(v) for c in fit.coefficients for v in (c.value, c.low, c.high))
    assert fit.coefficients[1].value > 0


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**31), shift=st.floats(-1e4, 1e4), factor=st.floats(1e-3, 1e3), flip=st.booleans())
def test_units_and_the_name_of_the_event_do_not_matter(seed, shift, factor, flip):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(60, 2))
    y = (rng.random(60) < 1 / (1 + np.exp(-X[:, 0]))).astype(int)
    y[:4] = [0, 0, 1, 1]
    one = logistic_regression(X, y, penalty="if-separated", interval="wald")
    other = logistic_regression((X - shift) * factor, 1 - y if flip else y, penalty="if-separated", interval="wald")
    sign = -1 if flip else 1
    assert np.allclose(other.beta[1:] * factor * sign, one.beta[1:], rtol=1e-6, atol=1e-8)
    assert np.allclose([t.p_value for t in other.wald[1:]], [t.p_value for t in one.wald[1:]], atol=1e-7)
    assert other.model_test.statistic == pytest.approx(one.model_test.statistic, abs=1e-6)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**31))
def test_scores_are_zero_at_the_maximum_and_predictions_sum_to_events(seed):
    rng = np.random.default_rng(seed)
    X, y = rng.normal(size=(50, 3)), rng.integers(0, 2, 50)
    fit = logistic_regression(X, y)
    if fit.defined:
        p = fit.predict(X)
        assert p.sum() == pytest.approx(y.sum(), abs=1e-8)
        assert np.allclose(X.T @ (y - p), 0, atol=1e-8)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**31), n=st.integers(8, 14))
def test_separation_is_found_exactly_when_no_finite_maximum_exists(seed, n):
    """Against brute force: a direction on a fine grid of angles that never contradicts an outcome."""
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=n), rng.integers(0, 2, n)
    y[:4] = [0, 0, 1, 1]
    apart = x[y == 1].min() > x[y == 0].max() or x[y == 1].max() < x[y == 0].min()
    fit = logistic_regression(x[:, None], y)
    assert (fit.separation == "complete") == apart
    assert fit.defined == (not apart)


def test_intercept_only_is_the_prevalence():
    y = np.array([1, 1, 0, 0, 0, 0, 0, 0])
    fit = logistic_regression(np.empty((8, 0)), y)
    assert fit.predict(np.empty((3, 0))) == pytest.approx([0.25] * 3)
    assert fit.model_test.note == "no column to test"


@pytest.mark.parametrize(("events", "penalty"), [(0, None), (1, None), (1, "firth"), (39, None), (40, "if-separated")])
def test_fewer_than_two_of_either_outcome_is_undefined(events, penalty):
    y = (np.arange(40) < events).astype(int)
    fit = logistic_regression(np.random.default_rng(1).normal(size=(40, 1)), y, penalty=penalty)
    assert not fit.defined
    assert fit.note == f"{events} events and {40 - events} non-events; a regression needs at least two of each"
    assert math.isnan(likelihood_ratio_test(np.arange(40.0)[:, None], y, ["x1"]).p_value)


def test_what_is_refused():
    X, y = design(), cohort()["y"]
    holes = X.copy()
    holes.index = [f"P{i:03d}" for i in range(len(X))]
    holes.loc["P017", "rbc"] = np.nan
    with pytest.raises(InputError, match=r"column 'rbc' is missing or infinite for 1 of 160 patients \(rows P017\)"):
        logistic_regression(holes, y.to_numpy())
    with pytest.raises(InputError, match="constant column in `X`: 'flat'"):
        logistic_regression(X.assign(flat=3.0), y)
    with pytest.raises(InputError, match="'twice' of `X` follows exactly from the columns before"):
        logistic_regression(X.assign(twice=2 * X["rbc"] + X["parity"] + 1), y)
    with pytest.raises(InputError, match="column 'histology' of `X` is not numeric"):
        logistic_regression(cohort()[["rbc", "histology"]], y)
    with pytest.raises(InputError, match="different patients"):
        logistic_regression(X, y.iloc[::-1])
    with pytest.raises(InputError, match="`y` must be 0 or 1"):
        logistic_regression(X, y + 1)
    with pytest.raises(InputError, match="`penalty` must be one of"):
        logistic_regression(X, y, penalty="ridge")
    with pytest.raises(InputError, match="`drop` must name columns"):
        likelihood_ratio_test(X, y, ["age"])
    with pytest.raises(InputError, match="lacks the column 'rbc'"):
        logistic_regression(X, y).predict(X.drop(columns="rbc"))


def test_on_real_patients_it_equals_statsmodels(shared):
    import statsmodels.api as sm

    path = shared / "data" / "uci-heart" / "heart.csv"
    if not path.is_file():
        pytest.skip("the heart disease data are not in ../shared")
    data = pd.read_csv(path)[["age", "sex", "trestbps", "chol", "thalach", "oldpeak", "disease"]].dropna()
    X, y = data.drop(columns="disease"), data["disease"]
    fit = logistic_regression(X, y)
    peer = sm.Logit(y, sm.add_constant(X)).fit(disp=0, method="newton", tol=1e-13)
    assert fit.beta == pytest.approx(peer.params.to_numpy(), rel=1e-8)
    assert [c.se for c in fit.coefficients] == pytest.approx(peer.bse.to_numpy(), rel=1e-8)
    assert fit.log_likelihood == pytest.approx(peer.llf, rel=1e-12)
    assert fit.model_test.statistic == pytest.approx(peer.llr, rel=1e-9)


def test_names_shapes_and_the_printed_line():
    X, y = design(), cohort()["y"]
    fit = logistic_regression(X["rbc"], y)
    assert fit.names == ("(intercept)", "rbc")
    assert repr(fit) == (
        f"logistic regression (n = 160, 49 events, penalty none): (intercept) {fit.beta[0]:.4g}, rbc {fit.beta[1]:.4g}"
    )
    assert logistic_regression(X["rbc"].rename(None), y).names[1] == "x"
    with pytest.raises(InputError, match=r"no term 'age' in this regression; it has \(intercept\), rbc"):
        fit.term("age")
    with pytest.raises(InputError, match="`names` has 1 names for 2 columns of `X`"):
        logistic_regression(X[["rbc", "parity"]].to_numpy(), y, names=["rbc"])
    with pytest.raises(InputError, match=r"must differ from each other and from '\(intercept\)': a, a"):
        logistic_regression(X[["rbc", "parity"]].to_numpy(), y, names=["a", "a"])
    with pytest.raises(InputError, match="`X` has 160 rows and `y` has 159"):
        logistic_regression(X.to_numpy(), y.to_numpy()[:-1])
