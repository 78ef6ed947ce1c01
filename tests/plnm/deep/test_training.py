from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score
from torch import nn

from validkit.errors import InputError, StageError
from validkit.plnm.deep.crops import Vectors
from validkit.plnm.deep.sampling import batches, class_weights, inner_split, order
from validkit.plnm.deep.scoring import cross_entropy, rank_auc
from validkit.plnm.deep.training import Fit, Schedule, train


def table(n: int = 60, p: int = 5, seed: int = 0) -> tuple[torch.Tensor, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = (np.arange(n) % 3 == 0).astype(np.int64)
    x = rng.standard_normal((n, p)) + y[:, None]
    return torch.from_numpy(x.astype(np.float32)), y


def linear(p: int = 5) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(p, 1), nn.Flatten(0))


def fitting(
    model: nn.Module, x: torch.Tensor, y: np.ndarray, *, inputs=None, seed=2, checkpoint=None, **settings
) -> Fit:
    training, validation = inner_split(y, 0.25, seed=1)
    schedule = Schedule(**{"epochs": 4, "batch_size": 8, "learning_rate": 0.05, **settings})
    return Fit(model, inputs or Vectors(x), y, training, validation, schedule, seed, "net", checkpoint=checkpoint)


def fit(model: nn.Module, x: torch.Tensor, y: np.ndarray, *, reporter=None, **settings):
    one = fitting(model, x, y, **settings)
    return train(one, reporter), one.training, one.validation


def weighted(logits: torch.Tensor, y: np.ndarray, weights: tuple[float, float]) -> torch.Tensor:
    target = torch.from_numpy(y.astype(np.float32))
    return cross_entropy(logits, target, torch.where(target > 0.5, weights[1], weights[0]))


def test_the_best_epochs_weights_are_restored_and_patience_ends_it() -> None:
    x, y = table()
    model = linear()
    done, _, validation = fit(model, x, y, epochs=200, patience=5, learning_rate=0.3)
    losses = [epoch.validation_loss for epoch in done.curve]
    assert done.best_epoch == 1 + int(np.argmin(losses))
    assert len(losses) == done.best_epoch + 5 < 200
    weights = class_weights(y[inner_split(y, 0.25, seed=1)[0]], "weighted-loss")
    with torch.no_grad():
        logits = model(x[validation])
    assert weighted(logits, y[validation], weights).mean().item() == pytest.approx(min(losses), rel=1e-6)
    at = done.curve[done.best_epoch - 1]
    assert rank_auc(y[validation], logits.numpy()) == at.validation_auc
    assert not model.training


def test_learning_lowers_the_loss_and_the_same_seed_gives_the_same_bytes() -> None:
    x, y = table()
    first, second = linear(), linear()
    done, _, _ = fit(first, x, y, epochs=20)
    again, _, _ = fit(second, x, y, epochs=20)
    assert done.curve[-1].train_loss < done.curve[0].train_loss
    assert done == again
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))


def test_validation_outcomes_reach_no_weight() -> None:
    x, y = table()
    training, validation = inner_split(y, 0.25, seed=1)
    swapped = y.copy()
    swapped[validation] = 1 - swapped[validation]
    models = linear(), linear()
    for model, outcome in zip(models, (y, swapped), strict=True):
        train(Fit(model, Vectors(x), outcome, training, validation, Schedule(1, 10, 8, 0.05), 2, "net"))
    assert all(torch.equal(a, b) for a, b in zip(models[0].parameters(), models[1].parameters(), strict=True))


def test_a_loss_that_is_not_finite_names_epoch_and_batch() -> None:
    x, y = table()
    training, _ = inner_split(y, 0.25, seed=1)
    x[training[3]] = torch.nan
    rng = np.random.default_rng(2)
    position = int(np.flatnonzero(rng.permutation(training) == training[3])[0])
    with pytest.raises(StageError, match=rf"net: epoch 1, batch {position // 8 + 1}: the training loss is not finite"):
        fit(linear(), x, y)


def test_a_validation_loss_that_is_not_finite_is_named() -> None:
    x, y = table()
    _, validation = inner_split(y, 0.25, seed=1)
    x[validation[0]] = torch.inf
    with pytest.raises(StageError, match="net: epoch 1: the validation loss is"):
        fit(linear(), x, y)


class Cramped(nn.Module):
    """Runs out of memory on more than `most` crops."""

    def __init__(self, model: nn.Module, most: int) -> None:
        super().__init__()
        self.model = model
        self.most = most

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.training and len(x) > self.most:
            raise torch.OutOfMemoryError("no room")
        return self.model(x)


def test_out_of_memory_splits_the_batch_and_learns_the_same() -> None:
    x, y = table()
    roomy, cramped = linear(), Cramped(linear(), most=3)
    done, _, _ = fit(roomy, x, y)
    split, _, _ = fit(cramped, x, y)
    for a, b in zip(roomy.parameters(), cramped.model.parameters(), strict=True):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-5)
    assert [e.train_loss for e in split.curve] == pytest.approx([e.train_loss for e in done.curve], rel=1e-4)
    assert [note.split(" with ")[0] for note in split.notes] == [
        "out of memory: batches of 8 went through in 2 parts",
        "out of memory: batches of 8 went through in 4 parts",
    ]
    assert done.notes == ()


def test_no_memory_for_two_crops_ends_it() -> None:
    x, y = table()
    with pytest.raises(StageError, match=r"no memory for 2 crops at a time \(batch of 8 in 4 parts\)"):
        fit(Cramped(linear(), most=1), x, y)


@settings(max_examples=60, deadline=None)
@given(n=st.integers(1, 200), size=st.integers(2, 40))
def test_batches_cover_everything_once_and_none_is_a_single_one(n: int, size: int) -> None:
    parts = list(batches(n, size))
    np.testing.assert_array_equal(np.concatenate(parts), np.arange(n))
    assert all(len(part) >= 2 for part in parts) or n == 1
    assert all(len(part) <= size + 1 for part in parts)


@settings(max_examples=40, deadline=None)
@given(n0=st.integers(6, 80), n1=st.integers(6, 80), fraction=st.floats(0.05, 0.5), seed=st.integers(0, 99))
def test_the_inner_split_is_stratified_and_exhaustive(n0: int, n1: int, fraction: float, seed: int) -> None:
    y = np.random.default_rng(seed).permutation(np.repeat([0, 1], [n0, n1]))
    training, validation = inner_split(y, fraction, seed)
    np.testing.assert_array_equal(np.sort(np.concatenate([training, validation])), np.arange(n0 + n1))
    for outcome, n in ((0, n0), (1, n1)):
        assert int((y[validation] == outcome).sum()) == max(1, round(fraction * n))


def test_too_few_patients_of_a_class_are_refused() -> None:
    with pytest.raises(StageError, match="holds back 1 of 2 patients with outcome 1"):
        inner_split(np.array([0] * 20 + [1] * 2), 0.2, 0)
    with pytest.raises(StageError, match="holds back 1 of 0 patients with outcome 1"):
        inner_split(np.zeros(20, dtype=int), 0.2, 0)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), n=st.integers(4, 60), levels=st.integers(1, 8))
def test_rank_auc_equals_scikit_learns_with_ties(seed: int, n: int, levels: int) -> None:
    rng = np.random.default_rng(seed)
    y = np.concatenate([[0, 1], rng.integers(0, 2, n - 2)])
    score = rng.integers(0, levels, n) / 7.0
    assert rank_auc(y, score) == pytest.approx(roc_auc_score(y, score), abs=1e-12)


def test_weights_make_both_classes_count_alike() -> None:
    y = np.array([1] * 5 + [0] * 15)
    low, high = class_weights(y, "weighted-loss")
    assert 15 * low == pytest.approx(5 * high)
    assert (15 * low + 5 * high) / 20 == pytest.approx(1.0)
    assert class_weights(y, "none") == (1.0, 1.0)
    logits = torch.zeros(20)
    assert weighted(logits, y, (low, high)).mean().item() == pytest.approx(np.log(2), rel=1e-6)
    with pytest.raises(InputError, match="`imbalance` must be"):
        class_weights(y, "smote")


def test_the_offset_takes_back_what_balancing_added() -> None:
    """A model of the intercept alone learns 50 % under balancing; less the offset, that is the prevalence."""
    y = (np.arange(400) % 5 == 0).astype(np.int64)
    x = torch.zeros(400, 1)
    prevalence = y[inner_split(y, 0.25, seed=1)[0]].mean()
    for imbalance in ("weighted-loss", "balanced-sampling", "none"):
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(1, 1), nn.Flatten(0))
        done, _, _ = fit(model, x, y, epochs=60, patience=60, batch_size=32, imbalance=imbalance, learning_rate=0.03)
        risk = torch.sigmoid(model(x[:1]) - done.offset).item()
        assert risk == pytest.approx(prevalence, abs=0.02), imbalance


def test_balanced_sampling_draws_both_classes_alike_from_the_training_part_only() -> None:
    y = (np.arange(1000) % 10 == 0).astype(np.int64)
    rows = np.arange(0, 1000, 2)
    drawn = np.concatenate([order(np.random.default_rng(seed), rows, y, "balanced-sampling") for seed in range(20)])
    assert set(drawn) <= set(rows)
    assert y[drawn].mean() == pytest.approx(0.5, abs=0.02)
    plain = order(np.random.default_rng(0), rows, y, "none")
    np.testing.assert_array_equal(np.sort(plain), rows)


def test_progress_is_reported(capsys: pytest.CaptureFixture[str]) -> None:
    class Lines:
        def __init__(self) -> None:
            self.said: list[str] = []
            self.finished = 0

        def work(self, label: str, total: int):
            from contextlib import nullcontext

            self.label, self.total = label, total

            def one() -> None:
                self.finished += 1

            return nullcontext(one)

        def say(self, text: str) -> None:
            self.said.append(text)

    x, y = table()
    lines = Lines()
    done, _, _ = fit(linear(), x, y, reporter=lines, epochs=3)
    assert (lines.label, lines.total, lines.finished) == ("net: epochs", 3, 3)
    assert lines.said[0].startswith(f"net: 3 epochs, best {done.best_epoch}: validation loss ")
    assert capsys.readouterr().out == ""


def test_the_best_state_is_a_copy_not_a_view() -> None:
    x, y = table()
    model = linear()
    before = copy.deepcopy(model.state_dict())
    done, _, _ = fit(model, x, y, epochs=6, learning_rate=50.0, patience=6)
    assert done.best_epoch < 6
    assert not torch.equal(model.state_dict()["0.weight"], before["0.weight"])
