"""What a CUDA device must give: the same meaning as the CPU, the same bytes twice, and no wait inside an epoch."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from tests.plnm.deep.test_training import fitting
from validkit.plnm.deep.augment import Augmentation, augment
from validkit.plnm.deep.backbones import build_network
from validkit.plnm.deep.bank import ImageBank
from validkit.plnm.deep.checkpoint import Checkpoint
from validkit.plnm.deep.crops import Crops
from validkit.plnm.deep.device import stage
from validkit.plnm.deep.embedding import infer
from validkit.plnm.deep.estimator import DeepTransfer
from validkit.plnm.deep.pca import ExactPCA
from validkit.plnm.deep.scoring import rank_auc
from validkit.plnm.deep.steps import Captured
from validkit.plnm.deep.training import Fit, train, train_together, update_of
from validkit.plnm.deep.weights import Source

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
CPU = torch.device("cpu")
THREE = ("densenet121", "resnet50", "alexnet")


def cuda() -> torch.device:
    return torch.device("cuda", torch.cuda.current_device())


def network(name: str, device: torch.device, size: int = 64) -> nn.Module:
    torch.manual_seed(0)
    return build_network(name, Source("none"), size).to(device)


def on_cuda(bank: ImageBank, y: np.ndarray, name: str = "resnet50", **settings: object) -> Fit:
    device = cuda()
    module = network(name, device)
    crops = Crops(bank, Augmentation(), device)
    return fitting(module, torch.empty(0), y, inputs=crops, **{"learning_rate": 1e-4} | settings)


@pytest.fixture
def bank(make_bank) -> ImageBank:
    return make_bank(48, image_size=64)


def test_augmentation_is_that_of_the_cpu(bank: ImageBank) -> None:
    draws = torch.from_numpy(Augmentation().draw(np.random.default_rng(0), len(bank)))
    images = torch.from_numpy(bank.images)
    there = augment(images.to(cuda()), draws.to(cuda()), 64).cpu()
    torch.testing.assert_close(there, augment(images, draws, 64), atol=1e-4, rtol=0)


@pytest.mark.parametrize("name", THREE)
@pytest.mark.parametrize("precision", ["fp32", "tf32", "bf16"])
def test_embeddings_are_near_those_of_the_cpu_in_every_precision(bank: ImageBank, name: str, precision: str) -> None:
    with stage(CPU, threads=2):
        here = infer(network(name, CPU), bank, device=CPU).embedding.astype(float)
    with stage(cuda()):
        there = infer(network(name, cuda()), bank, device=cuda(), precision=precision).embedding.astype(float)
    cosine = (here * there).sum(axis=1) / np.sqrt((here**2).sum(axis=1) * (there**2).sum(axis=1))
    assert cosine.min() >= 0.999


def test_a_fitted_network_ranks_as_on_the_cpu(make_bank, outcome) -> None:
    bank, y = make_bank(90, image_size=64), outcome(90)
    new, event = make_bank(90, image_size=64, seed=5), outcome(90)
    settings = {"backbone": "efficientnet-lite0", "image_size": 64, "components": 6, "epochs": 6, "learning_rate": 1e-3}
    areas = []
    ways = [("cpu", "fp32", True), *(("cuda", precision, True) for precision in ("fp32", "tf32", "bf16"))]
    for device, precision, deterministic in [*ways, ("cuda", "bf16", False)]:
        way = {"device": device, "precision": precision, "deterministic": deterministic}
        fitted = DeepTransfer(**settings, **way).fit(bank, y)
        areas.append(rank_auc(event, fitted.predict_proba(new)[:, 1]))
    assert max(areas) - min(areas) <= 0.01


@pytest.mark.parametrize(("n", "p"), [(60, 900), (300, 40)])
def test_components_are_those_of_the_cpu(n: int, p: int) -> None:
    table = np.random.default_rng(0).standard_normal((n, p)) + 3.0
    here, there = (ExactPCA(12, device).fit(table) for device in (CPU, cuda()))
    np.testing.assert_allclose(there.components_, here.components_, atol=1e-10)
    np.testing.assert_allclose(there.explained_variance_, here.explained_variance_, rtol=1e-12)


@pytest.mark.parametrize("name", THREE)
def test_the_same_training_twice_gives_the_same_bytes(bank: ImageBank, outcome, name: str) -> None:
    found = []
    for _ in range(2):
        fit = replace(on_cuda(bank, outcome(48), name, epochs=3), precision="bf16")
        with stage(cuda(), seed=0):
            found.append((train(fit), [value.cpu() for value in fit.module.state_dict().values()]))
    assert found[0][0] == found[1][0]
    assert all(torch.equal(a, b) for a, b in zip(found[0][1], found[1][1], strict=True))


@pytest.mark.parametrize("size", [64, 128])
def test_every_step_of_alexnet_has_a_deterministic_gradient(make_bank, outcome, size: int) -> None:
    fit = on_cuda(make_bank(16, image_size=size), outcome(16), "alexnet", epochs=1)
    with stage(cuda(), seed=0):
        assert torch.are_deterministic_algorithms_enabled()
        assert len(train(fit).curve) == 1


def test_a_captured_step_learns_what_the_plain_one_learns(bank: ImageBank, outcome) -> None:
    weights = {}
    for captured in (True, False):
        fit = on_cuda(bank, outcome(48))
        with stage(cuda(), seed=0):
            step = update_of(fit)
            assert isinstance(step, Captured)
            fit.module.train()
            rng = np.random.default_rng(0)
            for _ in range(8):
                rows = torch.from_numpy(rng.permutation(48)[:8]).to(cuda())
                draws = torch.from_numpy(fit.inputs.draw(rng, 8)).to(cuda())
                (step if captured else step.plain)(rows, draws)
            torch.cuda.synchronize()
        weights[captured] = [value.detach().cpu() for value in fit.module.parameters()]
    for a, b in zip(weights[True], weights[False], strict=True):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-4)


def test_side_by_side_each_learns_what_it_would_alone(bank: ImageBank, outcome) -> None:
    y = outcome(48)
    with stage(cuda(), seed=0):
        alone = [train(on_cuda(bank, y, name, epochs=4, seed=k)) for k, name in enumerate(THREE)]
        together = train_together([on_cuda(bank, y, name, epochs=4, seed=k) for k, name in enumerate(THREE)])
    assert together == alone


def test_nothing_waits_for_the_device_inside_an_epoch(bank: ImageBank, outcome) -> None:
    fit = on_cuda(bank, outcome(48))
    with stage(cuda(), seed=0):
        step = update_of(fit)
        fit.module.train()
        rows = torch.arange(8, device=cuda())
        draws = torch.from_numpy(fit.inputs.draw(np.random.default_rng(0), 8)).to(cuda())
        for _ in range(6):
            step(rows, draws)
        torch.cuda.synchronize()
        torch.cuda.set_sync_debug_mode("error")
        try:
            for _ in range(3):
                step(rows, draws)
        finally:
            torch.cuda.set_sync_debug_mode("default")


def test_out_of_memory_on_the_device_splits_the_batch(bank: ImageBank, outcome, monkeypatch) -> None:
    fit = on_cuda(bank, outcome(48), epochs=2)
    inner, asked = fit.module.forward, []

    def cramped(x: torch.Tensor) -> torch.Tensor:
        asked.append(len(x))
        if fit.module.training and len(x) > 4:
            torch.empty(2**50, dtype=torch.uint8, device=cuda())
        return inner(x)

    monkeypatch.setattr(fit.module, "forward", cramped)
    with stage(cuda(), seed=0):
        done = train(fit)
    assert done.notes[0].startswith("out of memory: batches of 8 went through in 2 parts")


def test_stopped_on_the_device_it_goes_on_with_the_same_bytes(bank: ImageBank, outcome, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(Checkpoint, "due", True)
    with stage(cuda(), seed=0):
        whole = on_cuda(bank, outcome(48), epochs=5)
        expected = train(whole)
        kept = Checkpoint(tmp_path / "epoch.pt", "this")
        first = on_cuda(bank, outcome(48), epochs=5, checkpoint=kept)
        calls, draw = 0, first.inputs.draw

        def stopping(rng: np.random.Generator, n: int) -> np.ndarray:
            nonlocal calls
            calls += 1
            if calls > 3:
                raise KeyboardInterrupt
            return draw(rng, n)

        monkeypatch.setattr(first.inputs, "draw", stopping)
        with pytest.raises(KeyboardInterrupt):
            train(first)
        second = on_cuda(bank, outcome(48), epochs=5, checkpoint=kept)
        assert train(second) == expected
    pairs = zip(whole.module.state_dict().values(), second.module.state_dict().values(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


def test_a_copy_on_the_cpu_predicts_the_same_risks(bank: ImageBank, outcome) -> None:
    fitted = DeepTransfer("efficientnet-lite0", image_size=64, components=4, epochs=2, device="cuda").fit(
        bank, outcome(48)
    )
    there = fitted.predict_proba(bank)[:, 1]
    here = copy.deepcopy(fitted).set_params(device="cpu").predict_proba(bank)[:, 1]
    np.testing.assert_allclose(there, here, atol=0.01)
