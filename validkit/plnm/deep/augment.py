"""Augmentation of a whole batch on its device: crop, flip, z-score and intensity in one pass.

Each image has its own parameters, drawn on the host from a passed-in generator, so that the same seed gives the same
pictures on every device. Crop, scale and flip are one resampling: bilinear, along rows and then along columns.
The order is the paper's: crop, z-score, augment. The intensity factor follows the z-score, which would undo it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

PARAMETERS = ("scale", "shift_y", "shift_x", "flip_y", "flip_x", "gain")


@dataclass(frozen=True)
class Augmentation:
    """How much the training crops vary.

    crop : the crop's side varies by a factor in 1 +- crop, its centre by +- crop / 2 of the side
    flip : probability of a flip, horizontal and vertical independently
    intensity : the z-scored intensities are multiplied by a factor in 1 +- intensity
    """

    crop: float = 0.15
    flip: float = 0.5
    intensity: float = 0.2

    def draw(self, rng: np.random.Generator, n: int) -> NDArray[np.float64]:
        """Parameters for n images: (n, 6), columns as in PARAMETERS; flips are -1 or 1, shifts in sides of the crop."""
        uniform = rng.random((n, len(PARAMETERS)))
        spread = 2.0 * uniform - 1.0
        draws = np.empty_like(uniform)
        draws[:, 0] = 1.0 + self.crop * spread[:, 0]
        draws[:, 1:3] = 0.5 * self.crop * spread[:, 1:3]
        draws[:, 3:5] = np.where(uniform[:, 3:5] < self.flip, -1.0, 1.0)
        draws[:, 5] = 1.0 + self.intensity * spread[:, 5]
        return draws


def augment(images: Tensor, draws: Tensor, image_size: int) -> Tensor:
    """Augmented, z-scored crops.

    images : (b, H, H) uint8 on any device, the bank's windows
    draws : (b, 6) float64 on the same device, from `Augmentation.draw`
    Returns (b, 1, image_size, image_size) float32 on the same device; nothing passes through the host.
    """
    b, side = len(images), images.shape[-1]
    (y0, y1, wy), (x0, x1, wx) = (
        _sample_at(draws[:, 0], draws[:, shift], draws[:, flip], image_size, side) for shift, flip in ((1, 3), (2, 4))
    )
    each = torch.arange(b, device=images.device)[:, None]
    rows = torch.lerp(images[each, y0].float(), images[each, y1].float(), wy[:, :, None])
    shape = (b, image_size, image_size)
    crops = torch.lerp(
        rows.gather(2, x0[:, None, :].expand(shape)), rows.gather(2, x1[:, None, :].expand(shape)), wx[:, None, :]
    )
    return zscore(crops) * draws[:, 5].float()[:, None, None, None]


def centre(images: Tensor, image_size: int) -> Tensor:
    """The crops proper, z-scored: (b, H, H) uint8 to (b, 1, image_size, image_size) float32."""
    padding = (images.shape[-1] - image_size) // 2
    inner = slice(padding, padding + image_size)
    return zscore(images[:, inner, inner].float())


def zscore(crops: Tensor) -> Tensor:
    """(b, S, S) to (b, 1, S, S) with mean 0 and standard deviation 1 (ddof 0) per image; a constant image becomes 0."""
    centred = crops - crops.mean(dim=(1, 2), keepdim=True)
    deviation = centred.square().mean(dim=(1, 2), keepdim=True).sqrt()
    return torch.where(deviation > 1e-3, centred / deviation.clamp_min(1e-3), 0.0).unsqueeze(1)


def _sample_at(scale: Tensor, shift: Tensor, flip: Tensor, image_size: int, side: int) -> tuple[Tensor, Tensor, Tensor]:
    """Lower and upper source index and the upper's weight along one axis, (b, image_size) each."""
    grid = (torch.arange(image_size, dtype=torch.float64, device=scale.device) + 0.5) / image_size - 0.5
    at = (grid * (scale * flip)[:, None] + shift[:, None]) * image_size + (side - 1) / 2.0
    low = at.floor().clamp(0, side - 1)
    lower = low.long()
    return lower, (lower + 1).clamp_max(side - 1), (at - low).clamp(0.0, 1.0).float()
