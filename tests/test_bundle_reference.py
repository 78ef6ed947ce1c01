"""What travels with a locked model beside it: reference cases that are predicted again, the spread of its patients."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit

pytest.importorskip("skops", reason="locked models need the models extra")
pytest.importorskip("xgboost", reason="locked models need the models extra")

from tests.archives import forged
from tests.test_bundle import KNN, PROTOCOL, Home, run
from validkit import stats
from validkit.bundle import archive as archives
from validkit.bundle import bundle_from_run, read_bundle
from validkit.bundle.case_mix import LEAST, QUANTILES, CaseMix
from validkit.bundle.describing import described, feature_moments, levels_of
from validkit.bundle.reference import CASES, NAME, TOLERANCE, replay
from validkit.centre.curves import calibration_at_home, decision_at_home
from validkit.cohort.phantom import write_table_phantom
from validkit.errors import InputError
from validkit.sections import Predictor
from validkit.stats.transport import model_based_concordance

MOMENTS = {"n": 9, "features": ["a", "b"], "mean": [0.0, 1.0], "variance": [1.0, 2.0], "columns": ["age"],
           "centre": [50.0], "covariance": [[4.0]], "cross": [[0.1], [0.2]]}  # fmt: skip


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    folder = tmp_path_factory.mktemp("home") / "cohort"
    write_table_phantom(folder, kind="clinical", patients=120, sites=1, seed=1, missing=0.1)
    return run(folder, PROTOCOL)


def locked_of(home: Home, path: Path, **more: Any) -> Path:
    made = bundle_from_run(
        home.protocol,
        home.plan,
        home.fitted.model_files,
        home.data,
        json.loads(json.dumps(home.evaluation)),
        path,
        inputs=home.inputs,
        predictions=home.fitted.predictions,
        **more,
    )
    assert made == path, made
    return path


@pytest.fixture(scope="module")
def bundle(home: Home, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return locked_of(home, tmp_path_factory.mktemp("bundle") / "bundle.zip")


@pytest.fixture(scope="module")
def parts(bundle: Path) -> dict[str, bytes]:
    return archives.unpack(bundle)


def changed(parts: dict[str, bytes], path: Path, change: Any, **manifest: Any) -> Path:
    record = json.loads(parts[NAME])
    change(record)
    return forged(path, {**parts, NAME: json.dumps(record).encode()}, **manifest)


# --- reference cases -------------------------------------------------------------------------------


def test_reference_cases_are_predicted_here_as_at_home(home: Home, bundle: Path) -> None:
    locked = read_bundle(bundle)
    assert locked.reference is not None
    assert locked.manifest.reference == len(locked.reference.cells) == CASES
    assert replay(locked, bundle) == 0.0
    [copy] = locked.reference.predictions
    assert set(copy) == {"lr", "boosting", "xgboost"}
    assert len(set(copy["lr"])) == CASES
    seen = home.data.predictors.loc[list(home.plan.main.training), "age"]
    ages = [float(cells["age"]) for cells in locked.reference.cells if cells["age"]]
    assert all(seen.min() <= age <= seen.max() for age in ages)
    assert [sum(not cell for cell in cells.values()) for cells in locked.reference.cells] == [0, 0, 2]


def test_a_case_that_comes_out_otherwise_stops_everything(parts: dict[str, bytes], tmp_path: Path) -> None:
    def off(by: float) -> Any:
        def change(record: dict[str, Any]) -> None:
            record["predictions"][0]["boosting"][1] += by

        return change

    near = changed(parts, tmp_path / "near.zip", off(TOLERANCE / 2))
    assert replay(read_bundle(near), near) == pytest.approx(TOLERANCE / 2)
    far = changed(parts, tmp_path / "far.zip", off(2 * TOLERANCE))
    with pytest.raises(
        InputError, match=r"'boosting', case 2: 0\.\d+ there, 0\.\d+ here.*no patient is predicted"
    ) as one:
        replay(read_bundle(far), far)
    assert "every package has the version it was made with" in str(one.value)
    versions = json.loads(parts["manifest.json"])["versions"] | {"numpy": "1.0"}
    other = changed(parts, tmp_path / "other.zip", off(1e-3), versions=versions)
    with pytest.raises(InputError, match=r"install the versions it was made with; other ones here: numpy 1.0 there"):
        replay(read_bundle(other), other)

    def undefined(record: dict[str, Any]) -> None:
        record["predictions"][0]["lr"][0] = None

    nothing = changed(parts, tmp_path / "nothing.zip", undefined)
    with pytest.raises(InputError, match=r"'lr', case 1: nothing there, 0\.\d+ here"):
        replay(read_bundle(nothing), nothing)


def no_model(record: dict[str, Any]) -> None:
    del record["predictions"][0]["lr"]


def no_case(record: dict[str, Any]) -> None:
    record["cells"].pop()


def no_cell(record: dict[str, Any]) -> None:
    del record["cells"][0]["age"]


def pictures(record: dict[str, Any]) -> None:
    record["images"] = True


def another_field(record: dict[str, Any]) -> None:
    record["run"] = "rm -rf"


@pytest.mark.parametrize("change", [no_model, no_case, no_cell, pictures, another_field], ids=lambda one: one.__name__)
def test_cases_that_do_not_belong_are_refused(parts: dict[str, bytes], tmp_path: Path, change: Any) -> None:
    with pytest.raises(InputError, match=r"does not fit the bundle's other members|Reference cannot be read.*run"):
        read_bundle(changed(parts, tmp_path / "b.zip", change))


def test_surplus_missing_and_unreadable_cases_are_refused(parts: dict[str, bytes], tmp_path: Path) -> None:
    surplus = forged_with(parts, tmp_path / "surplus.zip", {"reference.1.image.png": b"x"})
    with pytest.raises(InputError, match=r"reference.json does not fit"):
        read_bundle(surplus)
    without = {name: data for name, data in parts.items() if name != NAME}
    with pytest.raises(InputError, match=r"manifest.json: `reference` does not agree"):
        read_bundle(forged(tmp_path / "without.zip", without))
    level = changed(parts, tmp_path / "level.zip", lambda record: record["cells"][0].update(histology="=cmd()"))
    with pytest.raises(
        InputError, match=r"(?s)its reference cases cannot be predicted here.*'=cmd\(\)' is not a level"
    ):
        replay(read_bundle(level), level)


def forged_with(parts: dict[str, bytes], path: Path, more: dict[str, bytes]) -> Path:
    told = json.loads(parts["manifest.json"])
    for name, data in more.items():
        told["members"][name] = {"bytes": len(data), "sha256": "0" * 64, "training_rows": False}
    return forged(path, {**parts, **more, "manifest.json": json.dumps(told).encode()})


def test_allowed_training_rows_travel_from_a_run(tmp_path: Path) -> None:
    write_table_phantom(tmp_path / "cohort", kind="clinical", patients=120, sites=1, seed=1)
    home = run(tmp_path / "cohort", PROTOCOL.replace("[evaluation]\n", KNN), "cohort.missing=exclude")
    stays = read_bundle(locked_of(home, tmp_path / "stays.zip"))
    assert list(stays.manifest.left_out) == ["neighbours"]
    travels = read_bundle(locked_of(home, tmp_path / "travels.zip", allow_training_rows=True))
    assert travels.manifest.left_out == {}
    assert travels.reference is not None
    assert set(travels.reference.predictions[0]) == {*stays.model.names, "neighbours"}


# --- the spread of the patients --------------------------------------------------------------------


def mix_of(bundle: Path) -> CaseMix:
    found = read_bundle(bundle).manifest.case_mix
    assert found is not None
    return found


def test_moments_and_quantiles_are_those_of_the_patients(home: Home, bundle: Path) -> None:
    mix, table = mix_of(bundle), home.data.predictors
    assert (mix.n, mix.events) == (len(home.data), int(home.data.outcome.sum()))
    age = table["age"].dropna().to_numpy(float)
    spread = mix.numbers["age"]
    assert (spread.n, spread.missing) == (len(age), len(table) - len(age))
    np.testing.assert_allclose([spread.mean, spread.sd], [age.mean(), age.std(ddof=1)], rtol=1e-12)
    np.testing.assert_allclose(spread.quantiles, np.quantile(age, QUANTILES), rtol=1e-12)
    assert mix.predictors is not None
    assert mix.predictors.columns == ("age", "histology=adeno", "histology=other", "max_diameter", "rbc", "scc")
    whole = table.dropna()
    assert mix.predictors.n == len(whole)
    numbers = whole[["age", "max_diameter"]].to_numpy(float)
    at = [mix.predictors.columns.index(name) for name in ("age", "max_diameter")]
    np.testing.assert_allclose(np.array(mix.predictors.mean)[at], numbers.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(np.array(mix.predictors.covariance)[np.ix_(at, at)], np.cov(numbers.T), rtol=1e-12)
    levels = table["histology"].value_counts()
    assert mix.levels["histology"] == {**levels.to_dict(), "": int(table["histology"].isna().sum())}


def test_linear_predictors_are_those_of_patients_who_were_held_out(home: Home, bundle: Path) -> None:
    told, p = mix_of(bundle).linear_predictors["lr"], home.held_out()["lr"]
    y = home.data.outcome.loc[p.index]
    lp = np.log(p / (1 - p))
    assert (told.on, told.all.n, told.events.n) == ("held-out", len(p), int(y.sum()))
    np.testing.assert_allclose([told.all.mean, told.all.sd], [lp.mean(), lp.std(ddof=1)], rtol=1e-9)
    np.testing.assert_allclose(told.others.mean, lp[y == 0].mean(), rtol=1e-9)
    assert told.concordance is not None
    assert told.concordance.value == pytest.approx(model_based_concordance(p).value, abs=1e-12)
    assert told.auc is not None
    assert told.auc.value == home.evaluation["models"][0]["sets"]["held-out"]["auc"]["value"]
    assert told.gap is not None
    assert told.gap.value == pytest.approx(told.auc.value - told.concordance.value, abs=1e-12)
    assert told.slope is not None
    assert told.slope.columns == ("linear predictor",)


def test_few_patients_are_told_by_moments_alone(home: Home, bundle: Path) -> None:
    """Quantiles of fewer than LEAST patients would be these patients."""
    for one in mix_of(bundle).linear_predictors.values():
        for spread in (one.all, one.events, one.others):
            assert bool(spread.quantiles) == (spread.n >= LEAST)
    assert any(one.events.n < LEAST for one in mix_of(bundle).linear_predictors.values())


def test_no_patient_can_be_read_off(home: Home, parts: dict[str, bytes]) -> None:
    """No value that one patient alone has is told, but the lowest and the highest of those trained on."""
    mix = json.loads(parts["manifest.json"])["case_mix"]
    told = {value for spread in mix["numbers"].values() for value in [spread["mean"], spread["sd"]]}
    scc = home.data.predictors["scc"].dropna()
    alone = scc[scc.map(scc.value_counts()) == 1]
    assert len(alone) > 20
    assert not told & set(alone)


@pytest.mark.parametrize(
    "change",
    [
        lambda mix: mix["numbers"]["age"]["quantiles"].reverse(),
        lambda mix: mix["predictors"]["mean"].pop(),
        lambda mix: mix["linear_predictors"].update(another=mix["linear_predictors"]["lr"]),
        lambda mix: mix.update(rows=[1]),
        lambda mix: mix.update(harmonisable=MOMENTS | {"mean": [1.0]}),
        lambda mix: mix.update(harmonisable=MOMENTS | {"cross": [[1.0, 2.0], [1.0]]}),
    ],
)
def test_a_case_mix_that_does_not_hold_together_is_refused(
    parts: dict[str, bytes], tmp_path: Path, change: Any
) -> None:
    mix = json.loads(parts["manifest.json"])["case_mix"]
    change(mix)
    with pytest.raises(InputError, match=r"manifest.json.*(quantiles|belong together|case_mix)"):
        read_bundle(forged(tmp_path / "b.zip", parts, case_mix=mix))


def test_levels_are_counted_by_name_and_gaps_apart() -> None:
    ordinal = Predictor(kind="ordinal", levels=("low", "mid", "high"))
    assert levels_of(pd.Series([0.0, 2.0, 2.0, np.nan]), ordinal) == {"low": 1, "mid": 0, "high": 2, "": 1}
    assert levels_of(pd.Series([1.0, 0.0, 1.0]), Predictor(kind="binary")) == {"0": 1, "1": 2}
    named = Predictor(kind="categorical", levels=("a", "b"))
    assert levels_of(pd.Series(pd.Categorical(["b", None, "b"], ["a", "b"])), named) == {"a": 0, "b": 2, "": 1}


def test_feature_moments_are_those_of_patients_without_a_gap() -> None:
    rng = np.random.default_rng(3)
    features = pd.DataFrame(rng.normal(size=(30, 3)), columns=["f", "g", "h"])
    columns = pd.DataFrame(rng.normal(size=(30, 2)), columns=["age", "rbc"])
    features.iloc[4, 0], columns.iloc[7, 1] = np.nan, np.nan
    found = feature_moments(features, columns)
    assert found is not None
    whole = pd.concat([features, columns], axis=1).drop(index=[4, 7])
    assert found.n == 28
    assert np.allclose(found.mean, whole[["f", "g", "h"]].mean())
    assert np.allclose(found.variance, whole[["f", "g", "h"]].var())
    assert np.allclose(found.covariance, whole[["age", "rbc"]].cov())
    assert np.allclose(found.cross, whole.cov().loc[["f", "g", "h"], ["age", "rbc"]])
    part = found.of(["h", "f"])
    assert part.features == ("f", "h")
    assert part.cross == (found.cross[0], found.cross[2])
    assert feature_moments(features.head(1), columns.head(1)) is None
    assert feature_moments(features, columns[[]]).columns == ()  # type: ignore[union-attr]


def test_a_decision_curve_tells_no_step_of_few_patients() -> None:
    rng = np.random.default_rng(4)
    p = rng.uniform(0.02, 0.98, 200)
    y = (rng.random(200) < p).astype(np.int64)
    told = described("held-out", y, p, pd.DataFrame(index=range(200)))
    assert told.line is not None
    assert told.line.slope == pytest.approx(stats.calibration_slope(y, p).value, abs=1e-8)
    assert len(told.benefits) > 5
    cuts = [one.threshold for one in told.benefits]
    for outcome in (0, 1):
        counts = [int((y == outcome).sum()), *(int(((p >= cut) & (y == outcome)).sum()) for cut in cuts), 0]
        assert min(-np.diff(counts)) >= 5
    assert all(one.value == stats.net_benefit(y, p, threshold=one.threshold).value for one in told.benefits)
    drawn = decision_at_home(told, level=0.9)
    assert drawn is not None
    assert drawn.x.tolist() == cuts
    assert drawn.high[3] - drawn.y[3] == pytest.approx(1.6448536 * stats.net_benefit(y, p, threshold=cuts[3]).se)
    line = calibration_at_home(told)
    assert line is not None
    intercept, slope = stats.calibration_line(y, p)
    assert np.allclose(line.y, expit(intercept.value + slope.value * logit(line.x)), atol=1e-6)
    assert (line.low < line.y).all()
    assert (line.y < line.high).all()
    few = described("held-out", y[:8], p[:8], pd.DataFrame(index=range(8)))
    assert few.benefits == ()
    assert decision_at_home(few) is None
    assert calibration_at_home(few) is None
    assert described("held-out", np.ones(9, dtype=np.int64), p[:9], pd.DataFrame(index=range(9))).line is None


# --- an older format -------------------------------------------------------------------------------


def test_a_bundle_of_format_1_is_read_and_brings_less(parts: dict[str, bytes], home: Home, tmp_path: Path) -> None:
    older = {name: data for name, data in parts.items() if name != NAME}
    path = forged(tmp_path / "older.zip", older, format=1, case_mix=None, reference=0)
    locked = read_bundle(path)
    assert locked.manifest.case_mix is None
    assert replay(locked, path) is None
    expected = home.held_out()
    assert locked.predict(home.inputs.take(list(expected.index)))[list(expected)].equals(expected)
    with pytest.raises(InputError, match=r"a bundle of format 1 has neither"):
        read_bundle(forged(tmp_path / "both.zip", parts, format=1))
    with pytest.raises(InputError, match=r"format.*this validkit knows formats 1 to 3"):
        read_bundle(forged(tmp_path / "newer.zip", parts, format=4))
