from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch

from validkit.plnm.deep.backbones import NAMES, build_network
from validkit.plnm.deep.saliency import grad_cam, saliency_maps
from validkit.plnm.deep.weights import Source

CPU = torch.device("cpu")


def random_network(backbone: str, seed: int = 0):
    """Random weights, batch statistics of its own input, and a head of the sign that gives maps above zero."""
    torch.manual_seed(seed)
    network = build_network(backbone, Source("none"), 96)
    crops = torch.randn(6, 1, 96, 96)
    network.train()
    with torch.no_grad():
        for _ in range(3):
            network.features(crops)
        network.head.weight.normal_()
    if not (grad_cam(network, crops) > 0).any():
        with torch.no_grad():
            network.head.weight.neg_()
    return network.eval(), crops


@pytest.mark.parametrize("backbone", NAMES)
def test_equal_to_captum(backbone: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # captum's own imports
        from captum.attr import LayerGradCam
    network, crops = random_network(backbone)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*backward hook.*")
        oracle = LayerGradCam(network, network.body).attribute(crops, relu_attributions=True)
    got = grad_cam(network, crops)
    assert got.shape == oracle[:, 0].shape
    assert (got > 0).any(), "a comparison of zeros would prove nothing"
    scale = float(oracle.detach().max())
    torch.testing.assert_close(got / scale, oracle[:, 0].detach() / scale, atol=1e-5, rtol=1e-5)


def test_the_map_is_the_formula() -> None:
    """In float64, by differences: w_c = mean over the map of d logit / d A_c."""
    network, crops = random_network("densenet121", seed=3)
    network.double()
    with torch.no_grad():
        maps = network.features(crops[:1].double())
        channels, height, width = maps.shape[1:]
        logit = network.head(network.pool(maps)).item()
        weights = torch.zeros(channels, dtype=torch.float64)
        for channel in range(channels):
            moved = maps.clone()
            moved[:, channel] += 1e-4
            weights[channel] = (network.head(network.pool(moved)).item() - logit) / (1e-4 * height * width)
        expected = torch.einsum("c,chw->hw", weights, maps[0]).relu()
    got = grad_cam(network, crops[:1].double())[0]
    torch.testing.assert_close(got, expected, atol=1e-7 * float(expected.max() + 1), rtol=1e-6)


def test_maps_have_the_size_of_the_crop_and_reach_one(make_bank) -> None:
    network, _ = random_network("efficientnet-lite0")
    bank = make_bank(5, image_size=96)
    maps = saliency_maps(network, bank, device=CPU)
    assert maps.shape == (5, 96, 96)
    assert maps.dtype == np.float32
    assert maps.min() >= 0
    peaks = maps.max(axis=(1, 2))
    assert ((peaks == 1) | (peaks == 0)).all()
    assert (peaks == 1).any()


def test_nothing_that_raises_the_risk_gives_an_empty_map(make_bank) -> None:
    network, _ = random_network("efficientnet-lite0")
    with torch.no_grad():
        network.head.weight.copy_(-network.head.weight.abs())
    maps = saliency_maps(network, make_bank(3, image_size=96), device=CPU)
    assert (maps == 0).all()
    assert saliency_maps(network, make_bank(0, image_size=96), device=CPU).shape == (0, 96, 96)


def test_gradients_and_modes_are_left_alone() -> None:
    network, crops = random_network("alexnet")
    grad_cam(network, crops)
    assert all(parameter.grad is None and parameter.requires_grad for parameter in network.parameters())
