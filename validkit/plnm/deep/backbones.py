"""The four networks, each as body, neck and a one-logit head.

body : grey z-scored crops to the last feature map, after its activation; neck : that map to the penultimate vector;
head : that vector to the log odds of the event.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor, nn

from validkit.errors import InputError, MissingExtraError
from validkit.plnm.deep.weights import Source, WeightsError, find_weights, modern_densenet_names, read_state

if TYPE_CHECKING:
    from validkit.engine import Reporter

Embedding = Literal["pooled", "flatten"]
NAMES = ("densenet121", "resnet50", "alexnet", "efficientnet-lite0")
CLASSIFIERS = {"densenet121": "classifier", "resnet50": "fc", "alexnet": "classifier.6", "efficientnet-lite0": "_fc"}
"""name of each network's own classification layer, which the head replaces"""
SMALLEST = {"densenet121": 32, "resnet50": 32, "alexnet": 63, "efficientnet-lite0": 32}
"""pixels a side below which a network's last map vanishes"""

SENSITIVE = ("efficientnet-lite0",)
"""networks whose embeddings in bf16 stay below a cosine of 0.999 to those in fp32; they are embedded in fp32"""


class Network(nn.Module):
    """A backbone that takes grey crops and answers with one logit.

    name : one of NAMES; width : length of the penultimate vector
    """

    def __init__(self, name: str, body: nn.Module, neck: nn.Module, width: int) -> None:
        super().__init__()
        self.name = name
        self.width = width
        self.body = body
        self.neck = neck
        self.head = nn.Linear(width, 1)

    def features(self, crops: Tensor) -> Tensor:
        """(n, 1, S, S) grey crops to the last feature map (n, C, h, w); grey is repeated over the three channels."""
        maps: Tensor = self.body(crops.expand(-1, 3, -1, -1).contiguous(memory_format=torch.channels_last))
        return maps

    def pool(self, maps: Tensor) -> Tensor:
        """The last feature map to the penultimate vector, (n, width)."""
        vectors: Tensor = self.neck(maps)
        return vectors

    def embed(self, maps: Tensor, embedding: Embedding) -> Tensor:
        """A feature map as a vector: `pooled` (the penultimate layer) or `flatten` (the map itself, C x h x w)."""
        return self.pool(maps) if embedding == "pooled" else maps.flatten(1)

    def decide(self, vectors: Tensor) -> Tensor:
        """(n, width) penultimate vectors to (n,) logits, always in single precision: risks must not tie by rounding."""
        with torch.autocast(vectors.device.type, enabled=False):
            logits: Tensor = self.head(vectors.to(self.head.weight.dtype))
        return logits.squeeze(1)

    def forward(self, crops: Tensor) -> Tensor:
        """(n, 1, S, S) crops to (n,) logits."""
        return self.decide(self.pool(self.features(crops)))


def build_network(backbone: str, source: Source, image_size: int) -> Network:
    """A network with the source's weights and a fresh head, drawn from torch's global generator.

    Raises InputError for an unknown backbone or too small an image, WeightsError for weights that do not fit.
    """
    if backbone not in NAMES:
        raise InputError(f"`backbone` must be one of {', '.join(NAMES)}; got {backbone!r}")
    if image_size < SMALLEST[backbone]:
        raise InputError(f"{backbone} needs image_size >= {SMALLEST[backbone]}; got {image_size}")
    model = _architecture(backbone, image_size)
    _remove_head(model, CLASSIFIERS[backbone])
    if source.path is not None:
        _load_strictly(model, backbone, source)
    return _as_network(backbone, model).to(memory_format=torch.channels_last)


def check_weights(backbone: str, weights: str, *, image_size: int = 128, reporter: Reporter | None = None) -> Source:
    """Before any expensive work: find a backbone's weights and see that they load, or raise what `fit` would raise.

    The source's `sha256` identifies the file, for whoever keeps results by what they were made of.
    """
    source = find_weights(backbone, weights, reporter=reporter)
    with torch.random.fork_rng(devices=[]):
        build_network(backbone, source, max(image_size, SMALLEST.get(backbone, image_size)))
    return source


def _architecture(backbone: str, image_size: int) -> nn.Module:
    if backbone == "efficientnet-lite0":
        if find_spec("efficientnet_lite_pytorch") is None:
            raise MissingExtraError("efficientnet_lite_pytorch", "offline", 'backbone "efficientnet-lite0"')
        from efficientnet_lite_pytorch import EfficientNet

        lite: nn.Module = EfficientNet.from_name("efficientnet-lite0", image_size=image_size)
        return lite
    from torchvision import models

    model: nn.Module = getattr(models, backbone)()
    return model


def _remove_head(model: nn.Module, head: str) -> None:
    parent, _, name = head.rpartition(".")
    setattr(model.get_submodule(parent), name, nn.Identity())


def _load_strictly(model: nn.Module, backbone: str, source: Source) -> None:
    assert source.path is not None
    state = read_state(source.path)
    if backbone == "densenet121":
        state = modern_densenet_names(state)
    prefix = CLASSIFIERS[backbone] + "."
    state = {name: value for name, value in state.items() if not name.startswith(prefix)}
    try:
        model.load_state_dict(state, strict=True)
    except RuntimeError as error:
        lines = str(error).splitlines()
        shown = "\n".join(line[:200] for line in lines[1:6])
        raise WeightsError(f"{source.path} does not fit {backbone}:\n{shown}") from error


def _as_network(backbone: str, model: nn.Module) -> Network:
    children = dict(model.named_children())
    if backbone == "densenet121":
        return Network(backbone, nn.Sequential(children["features"], nn.ReLU()), _average(), 1024)
    if backbone == "resnet50":
        return Network(backbone, nn.Sequential(*list(children.values())[:-2]), _average(), 2048)
    if backbone == "alexnet":
        penultimate = list(children["classifier"].children())[:-1]
        return Network(backbone, children["features"], nn.Sequential(_WindowMeans(6), nn.Flatten(), *penultimate), 4096)
    return Network(backbone, _LiteBody(model), nn.Sequential(_average(), nn.Dropout(0.2)), 1280)


def _average() -> nn.Module:
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())


class _WindowMeans(nn.AdaptiveAvgPool2d):
    """Adaptive pooling to a square; torch's own has no deterministic gradient on CUDA, so there by plain means."""

    def __init__(self, side: int) -> None:
        super().__init__(side)
        self.side = side

    def forward(self, maps: Tensor) -> Tensor:
        """(n, C, h, w) to (n, C, side, side)."""
        if not torch.are_deterministic_algorithms_enabled():
            return super().forward(maps)
        for axis in (2, 3):
            size, side = maps.shape[axis], self.side
            if size != side:
                windows = [(k * size // side, -(-(k + 1) * size // side)) for k in range(side)]
                means = [maps.narrow(axis, a, b - a).mean(axis, keepdim=True) for a, b in windows]
                maps = torch.cat(means, dim=axis)
        return maps


class _LiteBody(nn.Module):
    """EfficientNet-Lite's stem, blocks and last convolution; batch statistics move as fast as the other networks'."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        model._avg_pooling, model._dropout = nn.Identity(), nn.Identity()
        self.model = model
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.momentum = 0.1

    def forward(self, images: Tensor) -> Tensor:
        """Three-channel images to the last feature map."""
        maps: Tensor = self.model.extract_features(images)  # type: ignore[operator]
        return maps
