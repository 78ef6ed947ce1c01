from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from validkit.errors import InputError, StageError
from validkit.plnm.deep import estimator as module
from validkit.plnm.deep.checkpoint import Checkpoint
from validkit.plnm.deep.estimator import DeepTransfer, Job, fit_together
from validkit.plnm.deep.scoring import rank_auc
from validkit.plnm.deep.weights import WeightsError

SMALL = {
    "backbone": "efficientnet-lite0",
    "image_size": 32,
    "components": 6,
    "epochs": 2,
    "batch_size": 8,
    "learning_rate": 1e-3,
    "device": "cpu",
    "threads": 1,
}


@pytest.fixture(scope="module")
def bank(make_bank):
    return make_bank(30)


@pytest.fixture(scope="module")
def y(outcome):
    return outcome(30)


@pytest.fixture(scope="module")
def tuned(bank, y) -> DeepTransfer:
    return DeepTransfer(**SMALL).fit(bank, y)


@pytest.fixture(scope="module")
def frozen(bank, y) -> DeepTransfer:
    settings = {**SMALL, "epochs": 40, "learning_rate": 0.01, "embedding": "flatten"}
    return DeepTransfer(**settings, train="head").fit(bank, y)


@pytest.fixture(params=["all", "head"])
def fitted(request, tuned, frozen) -> DeepTransfer:
    return tuned if request.param == "all" else frozen


def answers(estimator: DeepTransfer, bank) -> bytes:
    return (
        estimator.predict_proba(bank).tobytes()
        + estimator.transform(bank).tobytes()
        + estimator.embed(bank).tobytes()
        + estimator.saliency(bank).tobytes()
    )


def test_shapes_and_ranges(fitted: DeepTransfer, make_bank) -> None:
    new = make_bank(7, seed=9)
    risk = fitted.predict_proba(new)
    assert risk.shape == (7, 2)
    assert risk.dtype == np.float64
    np.testing.assert_allclose(risk.sum(axis=1), 1)
    np.testing.assert_array_equal(fitted.predict(new), (risk[:, 1] > 0.5).astype(int))
    assert fitted.embed(new).shape == (7, 1280)
    assert fitted.embed(new).dtype == np.float32
    assert fitted.transform(new).shape == (7, 6)
    assert list(fitted.get_feature_names_out())[:2] == ["efficientnet-lite0_pc01", "efficientnet-lite0_pc02"]
    maps = fitted.saliency(new)
    assert maps.shape == (7, 32, 32)
    assert maps.min() >= 0
    assert maps.max() <= 1


def test_the_same_seed_gives_the_same_bytes_and_leaves_the_process_alone(fitted: DeepTransfer, bank, y) -> None:
    before = torch.get_rng_state(), np.random.get_state()[1].tobytes(), torch.get_num_threads()  # noqa: NPY002
    again = clone(fitted).fit(bank, y)
    assert answers(again, bank) == answers(fitted, bank)
    assert again.record() == fitted.record()
    after = torch.get_rng_state(), np.random.get_state()[1].tobytes(), torch.get_num_threads()  # noqa: NPY002
    assert torch.equal(before[0], after[0])
    assert before[1:] == after[1:]


def test_the_process_thread_count_changes_nothing(fitted: DeepTransfer, bank) -> None:
    fitted._seen = {}
    one = answers(fitted, bank)
    fitted._seen = {}
    torch.set_num_threads(2)
    assert answers(fitted, bank) == one


def test_another_seed_gives_another_fit(tuned: DeepTransfer, bank, y) -> None:
    other = clone(tuned).set_params(random_state=1, epochs=1).fit(bank, y)
    assert not np.array_equal(other.inner_rows_, tuned.inner_rows_)
    assert not np.array_equal(other.predict_proba(bank), tuned.predict_proba(bank))


def test_restored_from_its_folder_it_predicts_the_same_bytes(fitted: DeepTransfer, bank, tmp_path) -> None:
    fitted.state_to_folder(tmp_path / "fit")
    assert sorted(file.name for file in (tmp_path / "fit").iterdir()) == [
        "components.safetensors",
        "fit.json",
        "network.safetensors",
    ]
    restored = DeepTransfer.from_folder(tmp_path / "fit")
    assert restored.get_params() == fitted.get_params()
    assert answers(restored, bank) == answers(fitted, bank)
    assert restored.record() == fitted.record()
    np.testing.assert_array_equal(restored.inner_rows_, fitted.inner_rows_)
    restored.state_to_folder(tmp_path / "again")
    for file in (tmp_path / "fit").iterdir():
        assert (tmp_path / "again" / file.name).read_bytes() == file.read_bytes()


def test_a_folder_that_holds_no_fit_is_refused(tuned: DeepTransfer, tmp_path) -> None:
    with pytest.raises(InputError, match="does not hold a fitted network"):
        DeepTransfer.from_folder(tmp_path)
    tuned.state_to_folder(tmp_path)
    facts = json.loads((tmp_path / "fit.json").read_text())
    (tmp_path / "fit.json").write_text(json.dumps({**facts, "schema": 99}))
    with pytest.raises(InputError, match="schema 99; this validkit reads schema 1"):
        DeepTransfer.from_folder(tmp_path)
    (tmp_path / "fit.json").write_text(json.dumps(facts))
    (tmp_path / "network.safetensors").write_bytes(b"\x08" + bytes(15))
    with pytest.raises(InputError, match="does not hold a fitted network"):
        DeepTransfer.from_folder(tmp_path)


def test_the_record_is_plain_json_and_tells_what_happened(fitted: DeepTransfer, bank, y) -> None:
    record = json.loads(json.dumps(fitted.record(), allow_nan=False))
    assert record["name"] == "efficientnet-lite0"
    assert record["pretrained"] is True
    assert record["weights"].startswith("imagenet (efficientnet-lite0-57934424.pth, sha256 57934424")
    assert record["embedding_dim"] == 1280
    assert record["components"] == len(record["explained"]) == 6
    assert set(record["epochs"][0]) == {"epoch", "train_loss", "validation_loss", "validation_auc"}
    losses = [epoch["validation_loss"] for epoch in record["epochs"]]
    assert record["best_epoch"] == fitted.best_epoch_ == 1 + int(np.argmin(losses))
    assert (record["inner_n"], record["inner_events"]) == (6, 2)
    inner = fitted.inner_rows_
    assert record["inner_auc"] == rank_auc(y[inner], fitted.predict_proba(bank)[inner, 1])
    assert record["note"] is None


def test_frozen_features_tell_dark_lesions_from_bright_ones(frozen: DeepTransfer, make_bank, outcome) -> None:
    assert rank_auc(outcome(30), frozen.predict_proba(make_bank(30, seed=77))[:, 1]) > 0.8


def test_a_head_on_frozen_features_changes_no_other_weight(frozen: DeepTransfer) -> None:
    from validkit.plnm.deep.backbones import build_network

    untouched = build_network("efficientnet-lite0", frozen.source_, 32).state_dict()
    learned = frozen.network_.state_dict()
    changed = {name for name, value in learned.items() if not torch.equal(value, untouched[name])}
    assert changed == {"head.weight", "head.bias"}


def test_risks_refer_to_the_training_prevalence(bank, y) -> None:
    plain = DeepTransfer(**{**SMALL, "train": "head", "epochs": 1, "learning_rate": 1e-9}).fit(bank, y)
    training = np.setdiff1d(np.arange(30), plain.inner_rows_)
    np.testing.assert_allclose(plain.predict_proba(bank)[:, 1], y[training].mean(), atol=1e-4)


def test_held_out_patients_reach_no_learned_number(tuned: DeepTransfer, bank, y, make_bank) -> None:
    before = tuned.record(), tuned.pca_.components_.copy()
    tuned.transform(make_bank(9, seed=4))
    assert tuned.record() == before[0]
    np.testing.assert_array_equal(tuned.pca_.components_, before[1])


def test_more_components_than_patients_are_clamped_with_a_note(bank, y) -> None:
    fit = DeepTransfer(**{**SMALL, "train": "head", "components": 64}).fit(bank, y)
    assert fit.transform(bank).shape == (30, 29)
    assert fit.notes_ == ["29 principal components instead of 64: 30 patients have no more"]
    assert fit.record()["note"] == fit.notes_[0]


@pytest.mark.parametrize("imbalance", ["balanced-sampling", "none"])
def test_the_other_ways_with_imbalance(bank, y, imbalance: str) -> None:
    fit = DeepTransfer(**{**SMALL, "train": "head", "imbalance": imbalance}).fit(bank, y)
    assert (fit.training_.offset == 0) == (imbalance == "none")


@pytest.mark.parametrize(("backbone", "image_size"), [("densenet121", 32), ("resnet50", 32), ("alexnet", 64)])
def test_the_other_networks_train_from_nothing(backbone: str, image_size: int, make_bank, outcome, tmp_path) -> None:
    bank, y = make_bank(13, image_size=image_size), outcome(13)
    settings = {**SMALL, "backbone": backbone, "image_size": image_size, "weights": "none", "epochs": 1}
    fit = DeepTransfer(**settings).fit(bank, y)
    assert np.isfinite(fit.predict_proba(bank)).all()
    assert fit.record()["pretrained"] is False
    fit.state_to_folder(tmp_path)
    assert answers(DeepTransfer.from_folder(tmp_path), bank) == answers(fit, bank)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"image_size": 64}, "crops of 32 px, the network is set to image_size=64"),
        ({"crop": 0.3}, "crop=0.3 needs a bank built with margin >= 0.3; this one has 0.15"),
        ({"train": "some"}, "`train` must be one of all, head; got 'some'"),
        ({"embedding": "mean"}, "`embedding` must be one of pooled, flatten"),
        ({"batch_size": 1}, "`batch_size` must be at least 2"),
        ({"device": "tpu"}, "device must be auto, cpu, cuda or cuda:N"),
        ({"random_state": None}, "`random_state` must be a whole number"),
        ({"imbalance": "smote"}, "`imbalance` must be"),
        ({"backbone": "vgg16", "weights": "none"}, "`backbone` must be one of"),
    ],
)
def test_settings_that_cannot_be_are_refused(bank, y, change: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        DeepTransfer(**{**SMALL, **change}).fit(bank, y)


def test_outcomes_that_cannot_be_are_refused(bank, y) -> None:
    with pytest.raises(InputError, match=r"one outcome per crop \(30\); got shape \(29,\)"):
        DeepTransfer(**SMALL).fit(bank, y[:-1])
    with pytest.raises(InputError, match=r"0 and 1 only; 10 values do not \(first: row 0\)"):
        DeepTransfer(**SMALL).fit(bank, y * 2)
    with pytest.raises(StageError, match="0 patients with outcome 1"):
        DeepTransfer(**SMALL).fit(bank, y * 0)


def test_unfitted_it_says_so(bank) -> None:
    for method in ("predict_proba", "transform", "embed", "saliency"):
        with pytest.raises(NotFittedError):
            getattr(DeepTransfer(**SMALL), method)(bank)


def test_missing_weights_are_told_before_any_training(bank, y, tmp_path) -> None:
    with pytest.raises(WeightsError, match="neither a file nor a folder"):
        DeepTransfer(**{**SMALL, "weights": str(tmp_path / "absent")}).fit(bank, y)


@pytest.mark.parametrize("at_once", [2])
def test_fitted_together_each_is_what_it_would_be_alone(make_bank, outcome, monkeypatch, at_once: int) -> None:
    bank, y = make_bank(24), outcome(24)
    settings = [{"random_state": 1}, {"train": "head"}, {"backbone": "resnet50", "weights": "none"}]
    alone = [DeepTransfer(**SMALL | own).fit(bank, y) for own in settings]
    monkeypatch.setitem(module.TOGETHER, "cpu", at_once)
    seen: list[int] = []
    jobs = (Job(DeepTransfer(**SMALL | own), bank, y) for own in settings)
    together = fit_together(jobs, on_result=lambda number, _: seen.append(number))
    assert seen == [0, 1, 2]
    for one, other in zip(alone, together, strict=True):
        assert isinstance(other, DeepTransfer)
        assert one.record() == other.record()
        assert one.transform(bank).tobytes() == other.transform(bank).tobytes()


def test_one_that_cannot_be_trained_is_told_and_the_others_are_fitted(make_bank, outcome, monkeypatch) -> None:
    bank, y = make_bank(24), outcome(24)
    monkeypatch.setitem(module.TOGETHER, "cpu", 2)
    broken, fine = fit_together(Job(DeepTransfer(**SMALL | {"learning_rate": rate}), bank, y) for rate in (1e38, 1e-4))
    assert isinstance(broken, StageError)
    assert isinstance(fine, DeepTransfer)
    with pytest.raises(InputError, match="equal `device`, `threads` and `deterministic`"):
        fit_together(Job(DeepTransfer(**SMALL | {"threads": threads}), bank, y) for threads in (1, 2))


def test_a_fit_that_was_stopped_goes_on_with_the_same_bytes(make_bank, outcome, tmp_path, monkeypatch) -> None:
    bank, y = make_bank(24), outcome(24)
    settings = SMALL | {"epochs": 3}
    whole = DeepTransfer(**settings).fit(bank, y)
    checkpoint = Checkpoint(tmp_path / "network.unfinished", "made of this")
    write, count = Checkpoint.write, 0

    def stop(self: Checkpoint, state: dict) -> None:
        nonlocal count
        write(self, state)
        count += 1
        if count == 1:
            raise KeyboardInterrupt

    monkeypatch.setattr(Checkpoint, "due", True)
    monkeypatch.setattr(Checkpoint, "write", stop)
    with pytest.raises(KeyboardInterrupt):
        DeepTransfer(**settings).fit(bank, y, checkpoint=checkpoint)
    resumed = DeepTransfer(**settings).fit(bank, y, checkpoint=checkpoint)
    assert count == 2, "two epochs were left, and the last is not written"
    assert resumed.record() == whole.record()
    assert resumed.predict_proba(bank).tobytes() == whole.predict_proba(bank).tobytes()
