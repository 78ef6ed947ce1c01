from __future__ import annotations

import pytest
import torch
from torch import nn

from validkit.errors import InputError, MissingExtraError
from validkit.plnm.deep import backbones
from validkit.plnm.deep.backbones import NAMES, build_network, check_weights
from validkit.plnm.deep.device import algorithms
from validkit.plnm.deep.weights import Source, find_weights, read_state

NONE = Source("none")


@pytest.mark.parametrize(
    ("backbone", "image_size", "pooled", "flat"),
    [
        ("densenet121", 128, 1024, 16_384),
        ("resnet50", 128, 2048, 32_768),
        ("alexnet", 224, 4096, 9_216),
        ("alexnet", 128, 4096, 2_304),
        ("efficientnet-lite0", 128, 1280, 20_480),
        ("efficientnet-lite0", 224, 1280, 62_720),
    ],
)
def test_lengths_of_the_embeddings(backbone: str, image_size: int, pooled: int, flat: int) -> None:
    network = build_network(backbone, NONE, image_size).eval()
    with torch.no_grad():
        crops = torch.zeros(1, 1, image_size, image_size)
        maps = network.features(crops)
        assert network.embed(maps, "pooled").shape == (1, pooled)
        assert network.embed(maps, "flatten").shape == (1, flat)
        assert network(crops).shape == (1,)
    assert network.width == pooled


@pytest.mark.parametrize("backbone", ["densenet121", "resnet50", "alexnet"])
def test_a_network_is_torchvisions_own_without_its_classifier(backbone: str, tmp_path) -> None:
    from torchvision import models

    torch.manual_seed(1)
    original = getattr(models, backbone)().eval()
    torch.save(original.state_dict(), tmp_path / "weights.pth")
    network = build_network(backbone, Source("file", tmp_path / "weights.pth"), 64).eval().double()
    if backbone == "alexnet":
        original.classifier[6] = nn.Identity()
    else:
        setattr(original, backbones.CLASSIFIERS[backbone], nn.Identity())
    crops = torch.randn(2, 1, 64, 64, dtype=torch.float64)
    with torch.no_grad():
        expected = original.double()(crops.repeat(1, 3, 1, 1))
        got = network.pool(network.features(crops))
    torch.testing.assert_close(got, expected, atol=1e-10, rtol=1e-10)


@pytest.mark.parametrize("size", [63, 128, 224, 384])
def test_pooling_with_a_deterministic_gradient_is_torchs_own(size: int) -> None:
    network = build_network("alexnet", NONE, size).eval()
    pool, maps = network.neck[0], network.features(torch.randn(2, 1, size, size)).detach().double().requires_grad_()
    found = {}
    for deterministic in (False, True):
        with algorithms(deterministic):
            means = pool(maps)
        (gradient,) = torch.autograd.grad((means * torch.arange(36.0).reshape(6, 6)).sum(), maps)
        assert "AdaptiveAvgPool" not in str(means.grad_fn) or not deterministic
        found[deterministic] = means.detach(), gradient
    torch.testing.assert_close(found[True], found[False], atol=1e-12, rtol=1e-12)


def test_the_stand_in_computes_what_its_package_computes() -> None:
    from efficientnet_lite_pytorch import EfficientNet

    source = find_weights("efficientnet-lite0", "imagenet")
    original = EfficientNet.from_name("efficientnet-lite0", image_size=64)
    original.load_state_dict(read_state(source.path))
    original._fc = nn.Identity()
    network = build_network("efficientnet-lite0", source, 64).eval().double()
    crops = torch.randn(2, 1, 64, 64, dtype=torch.float64)
    with torch.no_grad():
        expected = original.eval().double()(crops.repeat(1, 3, 1, 1))
        torch.testing.assert_close(network.pool(network.features(crops)), expected, atol=1e-10, rtol=1e-10)


def test_batch_statistics_move_alike_in_every_network() -> None:
    for backbone in NAMES:
        norms = [m for m in build_network(backbone, NONE, 64).modules() if isinstance(m, nn.BatchNorm2d)]
        assert {norm.momentum for norm in norms} <= {0.1}
        assert bool(norms) == (backbone != "alexnet")


def test_the_fresh_head_comes_from_the_seed() -> None:
    def head(seed: int) -> torch.Tensor:
        torch.manual_seed(seed)
        return build_network("efficientnet-lite0", NONE, 32).head.weight

    assert torch.equal(head(1), head(1))
    assert not torch.equal(head(1), head(2))


def test_checking_weights_draws_nothing_from_the_global_generator() -> None:
    before = torch.get_rng_state()
    check_weights("efficientnet-lite0", "imagenet", image_size=32)
    assert check_weights("alexnet", "none").label == "none (random initial weights)"
    assert torch.equal(torch.get_rng_state(), before)


def test_what_does_not_exist_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match=r"`backbone` must be one of densenet121, .*; got 'vgg16'"):
        build_network("vgg16", NONE, 128)
    with pytest.raises(InputError, match="alexnet needs image_size >= 63; got 62"):
        build_network("alexnet", NONE, 62)
    monkeypatch.setattr(backbones, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match="efficientnet_lite_pytorch"):
        build_network("efficientnet-lite0", NONE, 64)


@pytest.mark.parametrize("backbone", NAMES)
def test_the_smallest_image_passes(backbone: str) -> None:
    size = backbones.SMALLEST[backbone]
    with torch.no_grad():
        assert build_network(backbone, NONE, size).eval()(torch.zeros(1, 1, size, size)).isfinite().all()
