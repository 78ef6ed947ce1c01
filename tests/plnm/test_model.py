"""The assembled model on a small simulated table of features and crops: what learns, learns from its own patients."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("torch", reason="needs the deep extra")
pytest.importorskip("xgboost", reason="needs the models extra")

from validkit.plan import seeder
from validkit.plnm import crossfit
from validkit.plnm.deep.cutting import build_bank
from validkit.plnm.inputs import Inputs
from validkit.plnm.model import PLNMModel
from validkit.plnm.tasks import tasks
from validkit.protocol import Protocol, parse_protocol, source_of
from validkit.store import Store

N, P = 72, 30


def protocol(*more: str) -> Protocol:
    settings = (
        "model.deep.image_size=32",
        "model.deep.epochs=1",
        "model.deep.components=4",
        'model.classifiers.use=["lr", "knn"]',
        "model.classifiers.search.folds=3",
        "model.cross_fitting.folds=2",
        "model.fusion.select.deep=2",
    )
    return parse_protocol(source_of("plnm-quick"), overrides=(*settings, *more))


@pytest.fixture(scope="module")
def simulated() -> tuple[Inputs, pd.Series]:
    """Patients whose features, crops and diameter all carry some signal."""
    rng = np.random.default_rng(1)
    patients = pd.Index([f"p{i:03d}" for i in range(N)], name="patient")
    y = pd.Series(rng.permutation(np.arange(N) % 3 == 0).astype(np.int8), index=patients)
    values = rng.normal(size=(N, P)) + 1.2 * np.outer(y, np.arange(P) < 5)
    features = pd.DataFrame(values, index=patients, columns=[f"f{i:02d}" for i in range(P)])
    repeats = {role: features + rng.normal(scale=0.05, size=(N, P)) for role in ("reader_a_again", "reader_b")}
    grid = np.hypot(*np.mgrid[-24:24, -24:24])
    lesions = [(rng.uniform(0, 90, (48, 48)) + 60 * y.iloc[i] * (grid < 8), grid < 14) for i in range(N)]
    predictors = pd.DataFrame(
        {
            "age": rng.normal(50, 10, N),
            "rbc": rng.normal(4.2, 0.6, N),
            "scc": rng.lognormal(1, 1, N),
            "histology": pd.Categorical(rng.choice(["squamous", "adeno", "other"], N), ["squamous", "adeno", "other"]),
            "max_diameter": rng.normal(30, 8, N) + 6 * y.to_numpy(),
        },
        index=patients,
    )
    bank = build_bank(lesions, image_size=32, margin=0.15)
    return Inputs(features, repeats, predictors, bank, np.arange(N), np.ones(N, dtype=bool)), y


def model(declared: Protocol, store: Store | None = None) -> PLNMModel:
    return PLNMModel(
        declared.plnm,
        predictors=declared.cohort.predictors,
        groups={"intra": ("reader_a", "reader_a_again"), "inter": ("reader_a", "reader_b")},
        seed_of=seeder(42),
        torch_seed=3407,
        cross_fit=declared.cross_fits,
        store=store,
    )


@pytest.fixture(scope="module")
def fitted(simulated: tuple[Inputs, pd.Series]) -> PLNMModel:
    inputs, y = simulated
    return model(protocol()).fit(inputs.take(inputs.patients[:54]), y.to_numpy()[:54])


def test_every_model_predicts_probabilities(fitted: PLNMModel, simulated: tuple[Inputs, pd.Series]) -> None:
    inputs, _ = simulated
    table = fitted.predict(inputs.take(inputs.patients[54:]))
    assert list(table.index) == list(inputs.patients[54:])
    assert {"nomogram", "fusion", "radiomics", "clinical", "deep/efficientnet-lite0", "fusion/knn"} <= set(
        table.columns
    )
    assert table.to_numpy().min() >= 0
    assert table.to_numpy().max() <= 1
    pd.testing.assert_series_equal(table["fusion"], table[f"fusion/{fitted.chosen_['fusion']}"], check_names=False)


def test_predictions_do_not_depend_on_who_else_is_predicted(
    fitted: PLNMModel, simulated: tuple[Inputs, pd.Series]
) -> None:
    inputs, _ = simulated
    whole = fitted.predict(inputs.take(inputs.patients[54:]))
    one = fitted.predict(inputs.take(inputs.patients[60:61]))
    np.testing.assert_allclose(one.to_numpy(), whole.loc[one.index].to_numpy(), rtol=0, atol=1e-12)


def test_the_same_fit_gives_the_same_bytes(fitted: PLNMModel, simulated: tuple[Inputs, pd.Series]) -> None:
    inputs, y = simulated
    again = model(protocol()).fit(inputs.take(inputs.patients[:54]), y.to_numpy()[:54])
    assert again.predict(inputs).to_numpy().tobytes() == fitted.predict(inputs).to_numpy().tobytes()


def test_a_fit_from_records_gives_the_same_bytes(tmp_path, fitted, simulated) -> None:  # type: ignore[no-untyped-def]
    inputs, y = simulated
    training = inputs.take(inputs.patients[:54])
    model(protocol(), Store(tmp_path)).fit(training, y.to_numpy()[:54])
    names = {str(path.parent.relative_to(tmp_path)) for path in tmp_path.rglob("record.json")}
    assert names == {
        "deep/efficientnet-lite0",
        *(f"classifiers/{branch}/{name}" for branch in ("radiomics", "fusion") for name in ("lr", "knn")),
        *(f"cross-fitting/fold-{k}/{part}" for k in (1, 2) for part in ("efficientnet-lite0", "classifiers")),
    }
    resumed = model(protocol(), Store(tmp_path)).fit(training, y.to_numpy()[:54])
    assert resumed.predict(inputs).to_numpy().tobytes() == fitted.predict(inputs).to_numpy().tobytes()
    assert resumed.cross_fitted_["nomogram"].tobytes() == fitted.cross_fitted_["nomogram"].tobytes()


def test_a_folds_predictions_do_not_know_its_patients_outcomes(
    fitted: PLNMModel, simulated: tuple[Inputs, pd.Series], monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs, y = simulated
    training_inputs = inputs.take(inputs.patients[:54])
    outcome = y.loc[training_inputs.patients].to_numpy(dtype=np.int64)
    training, rest = np.arange(0, 36), np.arange(36, 54)
    flipped = outcome.copy()
    flipped[rest] = 1 - flipped[rest]

    monkeypatch.setattr(crossfit, "folds_of", lambda *_: [(training, rest)])

    def fold(y: np.ndarray) -> dict[str, np.ndarray]:
        network = crossfit.fold_networks(fitted, ["efficientnet-lite0"], training_inputs, y)["efficientnet-lite0"]
        found = crossfit._fold(fitted, training_inputs, y, training, rest, network.components[0])
        return {**found, "probability": network.probability, "components": network.components[0]}

    plain, other = fold(outcome), fold(flipped)
    assert plain.keys() == other.keys()
    for name, values in plain.items():
        assert values.tobytes() == other[name].tobytes(), name


def test_cross_fitted_predictions_cover_every_training_patient(fitted: PLNMModel) -> None:
    assert set(fitted.cross_fitted_) >= {"nomogram", "fusion", "radiomics", "clinical", "deep/efficientnet-lite0"}
    for name, values in fitted.cross_fitted_.items():
        assert values.shape == (54,), name
        assert np.isfinite(values).all(), name
    np.testing.assert_array_equal(fitted.fusion_score_, fitted.cross_fitted_["fusion"])


def test_the_papers_reading_needs_no_cross_fitting(simulated: tuple[Inputs, pd.Series]) -> None:
    inputs, y = simulated
    declared = protocol("model.nomogram.fusion_score=resubstituted", "evaluation.thresholds.on=training")
    assert not declared.cross_fits
    found = model(declared).fit(inputs.take(inputs.patients[:54]), y.to_numpy()[:54])
    assert found.cross_fitted_ == {}
    apparent = found.fitted(inputs.take(inputs.patients[:54]))
    np.testing.assert_array_equal(found.fusion_score_, apparent["fusion"].to_numpy())


def test_choosing_by_held_out_auc_needs_a_look(simulated: tuple[Inputs, pd.Series]) -> None:
    inputs, y = simulated
    declared = protocol(
        "model.classifiers.choose=held-out auc",
        "model.nomogram.fusion_score=resubstituted",
        "evaluation.thresholds.on=training",
    )
    training, held_out = inputs.take(inputs.patients[:54]), inputs.take(inputs.patients[54:])
    with pytest.raises(ValueError, match="opens held-out outcomes, which this design does not allow"):
        model(declared).fit(training, y.to_numpy()[:54])
    looked = []

    def look(stage: str, predict) -> Mapping[str, float]:  # type: ignore[no-untyped-def]
        looked.append(stage)
        assert all(len(values) == len(held_out.patients) for values in predict(held_out).values())
        return {name: float(name.endswith("/knn")) for name in predict(held_out)}

    found = model(declared).fit(training, y.to_numpy()[:54], look)
    assert looked == ["radiomics", "fusion"]
    assert found.chosen_["fusion"] == "knn"


def test_an_undefined_feature_takes_the_training_median(fitted: PLNMModel, simulated: tuple[Inputs, pd.Series]) -> None:
    inputs, _ = simulated
    held_out = inputs.take(inputs.patients[54:])
    feature = fitted.medians_.index[0]
    features = held_out.radiomics.copy()
    features.loc[held_out.patients[3], feature] = np.nan
    broken = replace(held_out, radiomics=features)
    assert fitted.undefined(held_out).empty
    assert dict(fitted.undefined(broken)) == {held_out.patients[3]: 1}
    features = features.fillna({feature: fitted.medians_[feature]})
    mended = replace(held_out, radiomics=features)
    pd.testing.assert_frame_equal(fitted.predict(broken), fitted.predict(mended))


@pytest.mark.parametrize(
    "more",
    [
        (),
        ("model.deep.choose=cross-validation",),
        ("model.nomogram.fusion_score=resubstituted", "evaluation.thresholds.on=training"),
    ],
)
def test_the_fits_that_are_made_are_those_announced(simulated: tuple[Inputs, pd.Series], more: tuple[str, ...]) -> None:
    inputs, y = simulated
    declared = protocol(*more)
    made = model(declared).fit(inputs.take(inputs.patients[:54]), y.to_numpy()[:54]).fits_
    announced: Counter[str] = Counter()
    for task in tasks(declared.plnm, cross_fit=declared.cross_fits, seed_of=seeder(42), torch_seed=3407):
        announced[task.stage] += task.fits
    assert dict(made) == dict(announced)


def test_a_resample_keeps_the_copies_of_a_patient_together(simulated: tuple[Inputs, pd.Series]) -> None:
    inputs, y = simulated
    rng = np.random.default_rng(5)
    rows = np.sort(rng.integers(0, N, N))
    drawn = inputs.take(inputs.patients[rows])
    assert drawn.patients.is_unique
    assert drawn.originals.sum() == len(set(rows))
    outcome = y.to_numpy()[rows]
    for training, rest in crossfit.folds_of(model(protocol()), outcome, drawn.groups):
        assert not set(drawn.groups[training]) & set(drawn.groups[rest])
    few = protocol('model.radiomics.select=[{method = "mann-whitney"}, {method = "lasso", folds = 3}]')
    fitted = model(few).fit(drawn, outcome)
    assert np.isfinite(fitted.predict(inputs).to_numpy()).all()
    assert fitted.parameters_digest() == model(few).fit(drawn, outcome).parameters_digest()
