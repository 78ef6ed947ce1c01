"""Trainings that share a device, that are stopped, and that compute in fewer bits."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from tests.plnm.deep.test_training import fitting, table
from validkit.errors import InputError, StageError
from validkit.plnm.deep.augment import Augmentation
from validkit.plnm.deep.backbones import SENSITIVE, build_network
from validkit.plnm.deep.checkpoint import Checkpoint
from validkit.plnm.deep.crops import Crops, Vectors
from validkit.plnm.deep.embedding import infer
from validkit.plnm.deep.sampling import inner_split
from validkit.plnm.deep.training import train, train_together
from validkit.plnm.deep.weights import Source, find_weights


def dropping(p: int = 5, seed: int = 0) -> nn.Module:
    """A module with chance, batch statistics and weights of its own."""
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(p, 6), nn.BatchNorm1d(6), nn.Dropout(0.5), nn.ReLU(), nn.Linear(6, 1), nn.Flatten(0))


def same(a: nn.Module, b: nn.Module) -> bool:
    pairs = zip(a.state_dict().values(), b.state_dict().values(), strict=True)
    return all(torch.equal(one, other) for one, other in pairs)


def test_side_by_side_each_ends_as_it_would_alone() -> None:
    x, y = table(90)
    alone, together = [dropping(seed=k) for k in range(4)], [dropping(seed=k) for k in range(4)]
    settings = [{"epochs": 3 + 2 * k, "batch_size": 6 + k, "seed": k, "patience": 3} for k in range(4)]
    expected = [train(fitting(m, x, y, **s)) for m, s in zip(alone, settings, strict=True)]
    torch.manual_seed(77)
    found = train_together([fitting(m, x, y, **s) for m, s in zip(together, settings, strict=True)])
    assert found == expected
    assert all(same(a, b) for a, b in zip(alone, together, strict=True))
    assert not any(module.training for module in together)


def test_chance_is_its_own_and_the_process_keeps_its_own() -> None:
    x, y = table()
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first, second = dropping(), dropping()
    torch.set_rng_state(before)
    done = train(fitting(first, x, y))
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    assert train(fitting(second, x, y)) == done
    assert train(fitting(dropping(), x, y, seed=3)) != done


def test_one_that_fails_does_not_take_the_others_along() -> None:
    x, y = table()
    broken = x.clone()
    broken[inner_split(y, 0.25, seed=1)[0][0]] = torch.nan
    good = dropping()
    alone = train(fitting(good, x, y))
    found = train_together([fitting(dropping(), broken, y), fitting(dropping(), x, y)])
    assert isinstance(found[0], StageError)
    assert "is not finite" in str(found[0])
    assert found[1] == alone


class Stop(Exception):
    """The power went."""


class Stopping(Vectors):
    """Ends the process, so to speak, at the n-th batch."""

    def __init__(self, x: torch.Tensor, at: int) -> None:
        super().__init__(x)
        self.left = at

    def augmented(self, rows: torch.Tensor, draws: torch.Tensor) -> torch.Tensor:
        self.left -= 1
        if self.left < 0:
            raise Stop
        return super().augmented(rows, draws)


@pytest.mark.parametrize("at", [1, 7, 13, 30])
def test_stopped_anywhere_it_goes_on_after_the_last_finished_epoch_with_the_same_result(tmp_path, at: int) -> None:
    x, y = table()
    settings = {"epochs": 6, "patience": 4}
    whole, resumed = dropping(), dropping()
    expected = train(fitting(whole, x, y, **settings))
    epochs = []
    for attempt, inputs in enumerate([Stopping(x, at), Stopping(x, 1000)]):
        module = dropping() if attempt == 0 else resumed
        checkpoint = Checkpoint(tmp_path / "epoch.pt", "this one")
        one = fitting(module, x, y, inputs=inputs, checkpoint=_always(checkpoint), **settings)
        if attempt == 0:
            with pytest.raises(Stop):
                train(one)
        else:
            assert train(one) == expected
            epochs.append(1000 - inputs.left)
    assert same(whole, resumed)
    batches = len(list(range(0, len(one.training), 8)))
    done_before = min(at // batches, len(expected.curve) - 1)
    assert epochs == [(6 - done_before) * batches], "only what was not finished is done again"


def _always(checkpoint: Checkpoint) -> Checkpoint:
    class Always(Checkpoint):
        due = True

    return Always(checkpoint.path, checkpoint.made_of)


def test_the_checkpoint_of_another_training_or_a_damaged_one_is_not_used(tmp_path) -> None:
    x, y = table()
    path = tmp_path / "epoch.pt"
    expected = train(fitting(dropping(), x, y, checkpoint=_always(Checkpoint(path, "this one"))))
    assert Checkpoint(path, "this one").read() is not None
    assert Checkpoint(path, "another").read() is None
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    assert Checkpoint(path, "this one").read() is None
    assert train(fitting(dropping(), x, y, checkpoint=_always(Checkpoint(path, "this one")))) == expected


def test_writing_takes_a_tenth_of_the_time_at_most(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("validkit.plnm.deep.checkpoint.time.monotonic", lambda: now[0])
    checkpoint = Checkpoint(tmp_path / "epoch.pt", "")

    def slow(path, data) -> None:
        now[0] += 2.0
        path.write_bytes(data)

    monkeypatch.setattr("validkit.plnm.deep.checkpoint.write_bytes", slow)
    assert not checkpoint.due
    now[0] += 10.0
    assert checkpoint.due
    checkpoint.write({})
    now[0] += 19.0
    assert not checkpoint.due
    now[0] += 1.5
    assert checkpoint.due
    checkpoint.remove()
    assert checkpoint.read() is None
    checkpoint.remove()


def test_fewer_bits_keep_weights_losses_and_logits_in_single_precision(make_bank, outcome) -> None:
    bank, y = make_bank(24), outcome(24)
    torch.manual_seed(0)
    first = build_network("efficientnet-lite0", find_weights("efficientnet-lite0", "imagenet"), 32)
    networks = {}
    for precision in ("fp32", "bf16"):
        networks[precision] = copy.deepcopy(first)
        crops = Crops(bank, Augmentation(), torch.device("cpu"))
        one = fitting(networks[precision], torch.empty(0), y, inputs=crops, epochs=2, learning_rate=1e-4)
        done = train(replace(one, precision=precision))
        assert all(np.isfinite([epoch.train_loss, epoch.validation_loss]).all() for epoch in done.curve)
        assert {value.dtype for value in networks[precision].parameters()} == {torch.float32}
    assert not same(*networks.values()), "bf16 was not used"


def test_embeddings_in_fewer_bits_are_near_and_those_of_a_sensitive_network_are_the_same(make_bank) -> None:
    bank, cpu = make_bank(8, image_size=64), torch.device("cpu")
    for name in ("resnet50", "efficientnet-lite0"):
        torch.manual_seed(0)
        source = Source("none") if name == "resnet50" else find_weights(name, "imagenet")
        network = build_network(name, source, 64)
        full, fewer = (infer(network, bank, device=cpu, precision=p) for p in ("fp32", "bf16"))
        assert fewer.logits.dtype == fewer.embedding.dtype == np.float32
        assert len(set(fewer.logits.tolist())) == 8, "risks do not tie by rounding"
        assert np.array_equal(full.embedding, fewer.embedding) == (name in SENSITIVE)
        a, b = full.embedding.astype(float), fewer.embedding.astype(float)
        assert ((a * b).sum(axis=1) / np.sqrt((a * a).sum(axis=1) * (b * b).sum(axis=1))).min() >= 0.999


def test_a_precision_that_is_none_or_not_the_devices_is_refused() -> None:
    x, y = table()
    one = fitting(dropping(), x, y)
    with pytest.raises(InputError, match="precision tf32 is a CUDA device's"):
        train(replace(one, precision="tf32"))
    with pytest.raises(InputError, match="`precision` must be one of fp32, tf32, bf16; got 'fp16'"):
        train(replace(one, precision="fp16"))  # type: ignore[arg-type]
